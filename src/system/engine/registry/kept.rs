//! One look at a manifest serves both questions of an image that is reused: whether its repository has it, and what is
//! written under its next tag.
//!
//! The bytes of a digest never change, so what was read once need not be read again. That it is still there is not
//! concluded from here: a registry refuses a tag for what it has lost.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::error::{EngineError, ErrorClass};
use super::client::RegistryClient;
use super::manifest::{Manifest, is_image};

/// Bytes of manifests that a client keeps; thousands of images have less.
const MOST: usize = 16 << 20;
/// How long a tag is taken to name what it was seen to name: from the decision to its image's turn, not longer.
const SEEN: Duration = Duration::from_mins(1);

/// What a client has read.
#[derive(Default)]
pub(super) struct Kept(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    /// By repository and digest.
    manifests: HashMap<(String, String), Manifest>,
    /// Of all of them.
    bytes: usize,
    /// Digest and time by repository and tag.
    tags: HashMap<(String, String), (String, Instant)>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, repository: &str, manifest: Manifest) {
        let mut shelf = self.lock();
        let bytes = shelf.bytes.saturating_add(manifest.bytes.len());
        if bytes <= MOST {
            let name = (repository.to_owned(), manifest.digest.clone());
            if shelf.manifests.insert(name, manifest).is_none() {
                shelf.bytes = bytes;
            }
        }
    }

    /// The manifest of a digest, if it was read.
    pub(super) fn manifest(&self, repository: &str, digest: &str) -> Option<Manifest> {
        self.lock().manifests.get(&(repository.to_owned(), digest.to_owned())).cloned()
    }

    fn seen(&self, repository: &str, tag: &str, digest: &str) {
        let name = (repository.to_owned(), tag.to_owned());
        self.lock().tags.insert(name, (digest.to_owned(), Instant::now()));
    }

    fn names(&self, repository: &str, tag: &str, digest: &str) -> bool {
        let shelf = self.lock();
        let found = shelf.tags.get(&(repository.to_owned(), tag.to_owned()));
        found.is_some_and(|(known, since)| known == digest && since.elapsed() < SEEN)
    }
}

impl RegistryClient {
    /// True if a repository has a manifest, and of an index all that it lists. `tag` is one that probably names it: where
    /// it does, that is the whole question, and [`RegistryClient::set_tag`] does not ask again.
    pub async fn holds(&self, repository: &str, digest: &str, tag: Option<&str>) -> Result<bool, EngineError> {
        if let Some(tag) = tag
            && let Some((found, media_type)) = self.head(repository, tag).await?
            && found == digest
            && is_image(&media_type)
        {
            self.kept.seen(repository, tag, digest);
            return Ok(true);
        }
        let manifest = match self.manifest(repository, digest).await {
            Ok(manifest) => manifest,
            Err(error) if error.class == ErrorClass::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if manifest.is_index() {
            for child in manifest.children() {
                if self.digest(repository, &child.digest).await?.is_none() {
                    return Ok(false);
                }
            }
        }
        self.kept.keep(repository, manifest);
        Ok(true)
    }

    /// Makes a tag name what [`RegistryClient::holds`] found; true if it was written. A tag that `may_stand` is looked at
    /// first, and not written where it names the digest already; any other is written at once, and its registry refuses
    /// that where it has lost a part of the image meanwhile.
    pub async fn set_tag(
        &self,
        repository: &str,
        digest: &str,
        tag: &str,
        may_stand: bool,
    ) -> Result<bool, EngineError> {
        if self.kept.names(repository, tag, digest) {
            return Ok(false);
        }
        let Some(manifest) = self.kept.manifest(repository, digest).filter(|_| !may_stand) else {
            return self.ensure_tag(repository, digest, tag).await;
        };
        match self.put_manifest(repository, tag, manifest.bytes, &manifest.media_type).await {
            Ok(_) => Ok(true),
            // Registries whose tags stay as they are refuse one that is as it should be, too.
            Err(error) if matches!(error.class, ErrorClass::Refused | ErrorClass::Auth) => {
                match self.digest(repository, tag).await {
                    Ok(Some(found)) if found == digest => Ok(false),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_an_end() {
        let kept = Kept::default();
        let manifest = |digest: &str, bytes: usize| Manifest {
            bytes: vec![b' '; bytes].into(),
            media_type: String::new(),
            digest: digest.to_owned(),
        };
        kept.keep("lab/x", manifest("a", MOST - 10));
        kept.keep("lab/x", manifest("a", MOST - 10));
        kept.keep("lab/x", manifest("b", 11));
        kept.keep("lab/x", manifest("c", 10));
        let has = |repository: &str, digest: &str| kept.manifest(repository, digest).is_some();
        assert!(has("lab/x", "a") && !has("lab/x", "b") && has("lab/x", "c"));
        assert!(!has("lab/y", "a"), "another repository may not have it");
    }

    #[test]
    fn a_tag_is_known_by_its_digest_and_its_repository() {
        let kept = Kept::default();
        kept.seen("lab/x", "t", "a");
        assert!(kept.names("lab/x", "t", "a"));
        assert!(!kept.names("lab/x", "t", "b") && !kept.names("lab/y", "t", "a") && !kept.names("lab/x", "u", "a"));
        let old = Instant::now().checked_sub(SEEN).unwrap();
        kept.lock().tags.insert(("lab/x".into(), "t".into()), ("a".into(), old));
        assert!(!kept.names("lab/x", "t", "a"), "others may have moved it since");
    }
}
