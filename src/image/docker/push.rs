//! Pushes, each read back from its registry, and images of earlier builds that get this run's names.

use std::sync::PoisonError;
use std::time::Instant;

use super::{DockerBuilder, key_tag, now};
use crate::image::names::valid_tag;
use crate::image::record::{Entry, Pushed};
use crate::image::reuse::Place;
use crate::system::engine::{BuildEvent, EngineError, ErrorClass, Feed, PushSpec, RegistryClient};

/// How long the tag of a key is taken to stand where it was seen, in seconds: a registry that is tidied up has it again
/// after that, and until then other build hosts build the image themselves.
const KEY_TAG_STANDS: i64 = 7 * 86_400;

impl DockerBuilder {
    /// The registry of an image, if it is pushed to.
    pub(super) fn own_registry(&self, image: usize) -> Result<&RegistryClient, EngineError> {
        let host = self.graph.registry(image, &self.names);
        self.registries
            .pushed(host)
            .ok_or_else(|| EngineError::new(ErrorClass::Refused, "no registry was named to push to"))
    }

    /// What the engine has under a name is in the registry already: a run that was killed between its push and the
    /// record had pushed it. The registry's digest, with the tag set to it.
    async fn is_there(&self, image: usize, name: &str, tag: &str, registry: &RegistryClient) -> Option<String> {
        let facts = self.engine.inspect(name).await.ok().flatten()?;
        let own = self.graph.untagged(image, &self.names);
        let repository = self.graph.repository(image, &self.names);
        for digest in facts.digests.iter().filter_map(|known| known.strip_prefix(&own)?.strip_prefix('@')) {
            // What cannot be asked is pushed, where errors have their policies.
            if registry.digest(&repository, digest).await.ok().flatten().as_deref() == Some(digest) {
                match registry.ensure_tag(&repository, digest, tag).await {
                    Ok(written) => {
                        self.changed_if(written);
                        return Some(digest.to_owned());
                    }
                    Err(_) => return None,
                }
            }
        }
        None
    }

    /// Pushes one name, unless the registry has that image; the digest that its registry has afterwards.
    pub(super) async fn push_one(
        &self,
        image: usize,
        name: &str,
        tag: &str,
        feed: &Feed,
    ) -> Result<String, EngineError> {
        let registry = self.own_registry(image)?;
        let repository = self.graph.repository(image, &self.names);
        registry.budget().pass().await;
        if let Some(digest) = self.is_there(image, name, tag, registry).await {
            feed.send(BuildEvent::Log(format!("not pushed again: `{}` has {digest}", registry.name())));
            return Ok(digest);
        }
        self.changed_if(true);
        let spec = self.graph.push_spec(image, &self.names, self.registries.login(registry.name()));
        let spec = PushSpec { tag: tag.to_owned(), ..spec };
        let told = match self.engine.push(&spec, feed).await {
            Ok(told) => told,
            // The engine tells a refusal as text only.
            Err(error) => return Err(registry.explain(error, &repository).await),
        };
        // The manifest itself: what the registry says of it is checked against its bytes.
        let found = match registry.manifest(&repository, tag).await {
            Ok(manifest) => manifest.digest,
            Err(error) if error.class == ErrorClass::NotFound => {
                return Err(EngineError::new(
                    ErrorClass::Transient,
                    "the registry does not have the image that was just pushed",
                ));
            }
            Err(error) => return Err(error),
        };
        same_digest(told.as_deref(), &found, &format!("{}:{tag}", spec.repository))?;
        Ok(found)
    }

    /// More names of a pushed image: tags of its own repository by its registry alone. `key_tagged` is when
    /// the tag of its key was seen there for this digest; the same is given back for now.
    async fn push_more(
        &self,
        image: usize,
        digest: &str,
        key_tagged: Option<i64>,
        feed: &Feed,
    ) -> Result<Option<i64>, EngineError> {
        let Ok(registry) = self.own_registry(image) else { return Ok(None) };
        let repository = self.graph.repository(image, &self.names);
        let untagged = self.graph.untagged(image, &self.names);
        for name in self.graph.extra_names(image, &self.names) {
            match name.strip_prefix(&untagged).and_then(|rest| rest.strip_prefix(':')) {
                Some(tag) => {
                    if !registry.ensure_tag(&repository, digest, tag).await.inspect(|new| self.changed_if(*new))? {
                        continue;
                    }
                }
                None => {
                    if !self.push_elsewhere(image, &name, digest, feed).await? {
                        continue;
                    }
                }
            }
            feed.send(BuildEvent::Log(format!("pushed as {name}")));
        }
        let key = self.book.as_ref().and_then(|book| book.key(image)).filter(|_| self.settings.key_tags);
        let Some(tag) = key.map(|key| key_tag(&key.digest)).filter(|tag| valid_tag(tag)) else { return Ok(None) };
        if key_tagged.is_some_and(|seen| stands(seen, now())) {
            return Ok(key_tagged);
        }
        match registry.ensure_tag(&repository, digest, &tag).await {
            Ok(written) => {
                self.changed_if(written);
                Ok(Some(now()))
            }
            // Without it other build hosts build the image themselves.
            Err(error) => {
                feed.send(BuildEvent::Log(format!("the tag `{tag}` could not be written: {error}")));
                Ok(None)
            }
        }
    }

    /// One try of a push with all its names; the digest.
    pub(super) async fn push_all(&self, image: usize, feed: &Feed) -> Result<String, EngineError> {
        let begun = Instant::now();
        let tag = self.graph.tag(image, &self.names);
        let platforms = self.platforms(image)?;
        let digest = if platforms.len() > 1 {
            self.push_platforms(image, self.own_registry(image)?, &platforms, feed).await?
        } else {
            self.push_one(image, &self.name(image), &tag, feed).await?
        };
        let key_tagged = self.push_more(image, &digest, None, feed).await?;
        if let Some(book) = &self.book {
            let seconds = begun.elapsed().as_secs_f64();
            let pushed = Pushed { tag, digest: digest.clone(), seconds, time: now(), key_tagged };
            book.pushed((&self.graph, &self.names), image, &pushed);
        }
        Ok(digest)
    }

    /// Gives an image of an earlier build this run's names, once it is proven for this run's values.
    pub(super) async fn reuse_one(
        &self,
        image: usize,
        entry: &Entry,
        place: Place,
        feed: &Feed,
    ) -> Result<Option<String>, EngineError> {
        let nothing = |text: &str| EngineError::new(ErrorClass::NotFound, text);
        let many = self.platforms(image)?.len() > 1;
        let tag = self.graph.tag(image, &self.names);
        let mut key_tagged = None;
        let digest = match place {
            Place::Registry => {
                let host = self.graph.registry(image, &self.names);
                let registry = self.registries.any(host).ok_or_else(|| nothing("it is only in the registry"))?;
                let digest = entry.digest.as_deref().ok_or_else(|| nothing("its digest is not known"))?;
                self.prove_pushed(image, entry, (registry, digest), many, feed).await?;
                let repository = self.graph.repository(image, &self.names);
                self.changed_if(registry.set_tag(&repository, digest, &tag, entry.had(&tag)).await?);
                key_tagged = self.push_more(image, digest, entry.key_tagged, feed).await?;
                Some(digest.to_owned())
            }
            Place::Engine if many => return Err(nothing("the engine has its platforms under names of that run only")),
            Place::Engine => {
                let id = entry.id.as_deref().ok_or_else(|| nothing("its id is not known"))?;
                if !self.proof.is_empty() && !self.proof.knows(id) {
                    feed.send(BuildEvent::Log("searched for values that its build did not know".to_owned()));
                    self.search(id, feed).await?;
                }
                for name in std::iter::once(self.name(image)).chain(self.graph.extra_names(image, &self.names)) {
                    if self.engine.inspect(&name).await?.is_none_or(|facts| facts.id != id) {
                        self.changed_if(true);
                        self.engine.tag(id, &name).await?;
                    }
                }
                None
            }
        };
        if let Some(digest) = &digest {
            self.reused.lock().unwrap_or_else(PoisonError::into_inner).insert(image, digest.clone());
        }
        if let Some(book) = &self.book {
            book.reused(image, entry);
            let news = entry.tag != tag || key_tagged.is_some() && entry.key_tagged != key_tagged;
            if digest.is_some() && news {
                let repository = self.graph.untagged(image, &self.names);
                book.pushed_again(image, entry.reused(&repository, &tag, key_tagged, now()));
            }
        }
        Ok(digest)
    }

    /// Searches an image of a registry that was never searched for this run's values: the engine's copy, or what is
    /// pulled for that. What is known by its id costs nothing.
    async fn prove_pushed(
        &self,
        image: usize,
        entry: &Entry,
        (registry, digest): (&RegistryClient, &str),
        many: bool,
        feed: &Feed,
    ) -> Result<(), EngineError> {
        let id = entry.id.as_deref().filter(|_| !many);
        if self.proof.is_empty() || id.is_some_and(|id| self.proof.knows(id)) {
            return Ok(());
        }
        if let Some(id) = id
            && self.engine.inspect(id).await?.is_some()
        {
            feed.send(BuildEvent::Log("searched for values that its build did not know".to_owned()));
            return self.search(id, feed).await;
        }
        let repository = self.graph.repository(image, &self.names);
        let top = registry.manifest(&repository, digest).await?;
        let mut manifests = Vec::new();
        if top.is_index() {
            for child in top.children() {
                // Attachments such as provenance are no images.
                if child.platform.is_none_or(|platform| platform.os != "unknown") {
                    manifests.push(registry.manifest(&repository, &child.digest).await?);
                }
            }
        } else {
            manifests.push(top);
        }
        let untagged = self.graph.untagged(image, &self.names);
        for manifest in manifests {
            if manifest.config().is_some_and(|config| self.proof.knows(&config.digest)) {
                continue;
            }
            let reference = format!("{untagged}@{}", manifest.digest);
            feed.send(BuildEvent::Log(format!("{reference} is pulled, to be searched for this run's values")));
            self.engine.pull(&reference, self.registries.login(registry.name()).as_ref(), feed).await?;
            self.search(&reference, feed).await?;
        }
        Ok(())
    }
}

/// What was seen then is taken to be there still.
fn stands(seen: i64, now: i64) -> bool {
    (0..KEY_TAG_STANDS).contains(&now.saturating_sub(seen))
}

/// What the pusher says and what the registry has must be one.
pub(super) fn same_digest(told: Option<&str>, found: &str, name: &str) -> Result<(), EngineError> {
    match told {
        Some(told) if told != found => Err(EngineError::new(
            ErrorClass::Digest,
            format!("`{name}`: {told} was pushed, but the registry has {found}"),
        )
        .with_hint("does another run push the same tag? else look at the registry's storage and at proxies before it")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_key_is_looked_for_once_a_week() {
        let week = KEY_TAG_STANDS;
        assert!(stands(1000, 1000) && stands(1000, 999 + week));
        assert!(!stands(1000, 1000 + week) && !stands(1000, 999) && !stands(0, week));
        assert!(!stands(i64::MIN, i64::MAX) && !stands(i64::MAX, i64::MIN));
    }

    #[test]
    fn what_was_pushed_must_be_what_is_there() {
        assert!(same_digest(Some("sha256:a"), "sha256:a", "r/x:1").is_ok());
        assert!(same_digest(None, "sha256:a", "r/x:1").is_ok());
        let error = same_digest(Some("sha256:b"), "sha256:a", "r/x:1").unwrap_err();
        assert_eq!(error.class, ErrorClass::Digest);
        assert_eq!(error.message, "`r/x:1`: sha256:b was pushed, but the registry has sha256:a");
    }
}
