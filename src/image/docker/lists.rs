//! Lists of images of several platforms, written by the registry client.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use async_trait::async_trait;

use super::DockerBuilder;
use crate::image::platforms::{ListEntry, ManifestLists, Platform, platform_tag, write_list};
use crate::system::engine::{self, BuildEvent, EngineError, Feed, IndexEntry, RegistryClient};

pub(super) struct Client<'a>(pub(super) &'a RegistryClient);

#[async_trait]
impl ManifestLists for Client<'_> {
    async fn manifest(&self, repository: &str, digest: &str) -> Result<(String, u64), EngineError> {
        let manifest = self.0.manifest(repository, digest).await?;
        Ok((manifest.media_type, manifest.bytes.len() as u64))
    }

    async fn put_list(&self, repository: &str, tag: &str, entries: &[ListEntry]) -> Result<String, EngineError> {
        let entries: Vec<IndexEntry> = entries.iter().map(entry).collect();
        self.0.put_index(repository, tag, &entries).await
    }
}

fn entry(entry: &ListEntry) -> IndexEntry {
    let platform = &entry.platform;
    IndexEntry {
        digest: entry.digest.clone(),
        size: entry.size,
        media_type: entry.media_type.clone(),
        platform: engine::Platform {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
        },
    }
}

impl DockerBuilder {
    fn staged(&self) -> MutexGuard<'_, BTreeMap<usize, String>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes the image of each platform, and the list of their digests under the run's tag; its digest.
    ///
    /// Engines push by tag only. As long as nobody else has put anything under the run's tag, each platform is pushed
    /// under it, and the list last: no other tag is left. Where it was there before, who pulls it must never get one
    /// platform's image for it: each gets a tag of its own then, which stays, as taking a tag away takes
    /// the manifest with it at many registries.
    pub(super) async fn push_platforms(
        &self,
        image: usize,
        registry: &RegistryClient,
        platforms: &[Platform],
        feed: &Feed,
    ) -> Result<String, EngineError> {
        let repository = self.graph.repository(image, &self.names);
        let tag = self.graph.tag(image, &self.names);
        let there = registry.digest(&repository, &tag).await?;
        let free = there.is_none_or(|digest| self.staged().get(&image) == Some(&digest));
        let mut pushed = Vec::with_capacity(platforms.len());
        // The first one last: it keeps the run's name in the engine.
        for platform in platforms.iter().rev() {
            let own = platform_tag(&tag, platform);
            let digest = if free {
                self.engine.tag(&self.name_for(image, Some(platform)), &self.name(image)).await?;
                let digest = self.push_one(image, &self.name(image), &tag, feed).await?;
                self.staged().insert(image, digest.clone());
                digest
            } else {
                feed.send(BuildEvent::Log(format!(
                    "`{tag}` is in the registry already: {platform} gets the tag `{own}`"
                )));
                self.push_one(image, &self.name_for(image, Some(platform)), &own, feed).await?
            };
            feed.send(BuildEvent::Log(format!("platform {platform} is {digest}")));
            pushed.push((platform.clone(), digest));
        }
        self.changed_if(true);
        write_list(&Client(registry), &repository, &tag, &pushed).await
    }
}
