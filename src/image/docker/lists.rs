//! Lists of images of several platforms, written by the registry client.

use async_trait::async_trait;

use crate::image::platforms::{ListEntry, ManifestLists, Platform, write_list};
use crate::system::engine::{self, EngineError, IndexEntry, RegistryClient};

struct Client<'a>(&'a RegistryClient);

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

/// Writes the list of pushed images under a tag; its digest.
pub(super) async fn write(
    registry: &RegistryClient,
    repository: &str,
    tag: &str,
    pushed: &[(Platform, String)],
) -> Result<String, EngineError> {
    write_list(&Client(registry), repository, tag, pushed).await
}
