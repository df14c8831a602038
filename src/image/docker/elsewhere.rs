//! Further names of a pushed image in other repositories, at the same registry or at another: the image itself, or of
//! several platforms each of them and their list.

use super::DockerBuilder;
use super::lists::Client;
use super::push::same_digest;
use crate::image::platforms::{Platform, platform_tag, write_list};
use crate::system::engine::{EngineError, ErrorClass, Feed, PushSpec, RegistryClient, split_name};

/// Where a further name is.
struct Place<'a> {
    registry: &'a RegistryClient,
    /// With the registry, without tag.
    untagged: &'a str,
    repository: String,
}

impl DockerBuilder {
    /// Makes a further name mean what the image's own repository has under `digest`. Nothing is sent if it does.
    pub(super) async fn push_elsewhere(
        &self,
        image: usize,
        name: &str,
        digest: &str,
        feed: &Feed,
    ) -> Result<bool, EngineError> {
        let (untagged, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let (host, repository) = split_name(untagged);
        let registry = self.registries.pushed(&host).ok_or_else(|| {
            EngineError::new(ErrorClass::Refused, format!("`{name}`: nothing is known of the registry `{host}`"))
        })?;
        let place = Place { registry, untagged, repository };
        let there = registry.digest(&place.repository, tag).await?;
        if there.as_deref() == Some(digest) {
            return Ok(false);
        }
        self.changed_if(true);
        let own = self.own_registry(image)?;
        let top = own.manifest(&self.graph.repository(image, &self.names), digest).await?;
        if !top.is_index() {
            self.send(image, digest, &place, tag, feed).await?;
            return Ok(true);
        }
        // As for the run's own tag: who pulls a tag that was there must never get one platform's image for it.
        let free = there.is_none();
        let mut pushed = Vec::new();
        for child in top.children().into_iter().rev() {
            // Attachments such as provenance are no images.
            let Some(platform) = child.platform.filter(|platform| platform.os != "unknown") else { continue };
            let platform = Platform { os: platform.os, architecture: platform.architecture, variant: platform.variant };
            let under = if free { tag.to_owned() } else { platform_tag(tag, &platform) };
            let found = self.send(image, &child.digest, &place, &under, feed).await?;
            pushed.push((platform, found));
        }
        write_list(&Client(registry), &place.repository, tag, &pushed).await?;
        Ok(true)
    }

    /// One image out of the engine, which gets it from its own repository first if it has nothing of it; the digest
    /// that the other registry has afterwards.
    async fn send(
        &self,
        image: usize,
        digest: &str,
        place: &Place<'_>,
        tag: &str,
        feed: &Feed,
    ) -> Result<String, EngineError> {
        let reference = format!("{}@{digest}", self.graph.untagged(image, &self.names));
        let mut facts = self.engine.inspect(&reference).await?;
        if facts.is_none() {
            let own = self.own_registry(image)?;
            self.engine.pull(&reference, self.registries.login(own.name()).as_ref(), feed).await?;
            facts = self.engine.inspect(&reference).await?;
        }
        let facts = facts.ok_or_else(|| {
            EngineError::new(
                ErrorClass::NotFound,
                format!("the engine does not have `{reference}` although it was pulled"),
            )
        })?;
        let name = format!("{}:{tag}", place.untagged);
        self.engine.tag(&facts.id, &name).await?;
        place.registry.budget().pass().await;
        let login = self.registries.login(place.registry.name());
        let spec = PushSpec { repository: place.untagged.to_owned(), tag: tag.to_owned(), login };
        let told = match self.engine.push(&spec, feed).await {
            Ok(told) => told,
            Err(error) => return Err(place.registry.explain(error, &place.repository).await),
        };
        let found = place.registry.manifest(&place.repository, tag).await?.digest;
        same_digest(told.as_deref(), &found, &name)?;
        Ok(found)
    }
}
