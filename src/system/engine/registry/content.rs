//! What a registry is asked: manifests, tags, configurations, blobs, the right to push.
//!
//! Everything that has a digest is checked against it: what the registry says and what it sends.

use bytes::Bytes;
use hyper::{Method, StatusCode, Uri};
use sha2::{Digest, Sha256, Sha512};

use super::super::error::{EngineError, ErrorClass, Right};
use super::MANIFESTS;
use super::address::{api_repository, check_reference, check_repository, is_digest};
use super::answers::shown;
use super::client::{Ask, RegistryClient};
use super::manifest::{ImageConfig, IndexEntry, Manifest, index};
use super::transport::{Answer, Sent};

/// Bytes of a manifest; registries take no larger ones.
const LARGEST_MANIFEST: usize = 4 << 20;
/// Bytes of a configuration.
const LARGEST_CONFIG: usize = 16 << 20;
/// Bytes of one page of tags.
const LARGEST_PAGE: usize = 8 << 20;
/// Pages of tags.
const PAGES: usize = 1000;
/// Redirects of one blob.
const HOPS: usize = 5;

impl RegistryClient {
    /// The digest that the registry has for a tag or digest; `None` if it has no such manifest.
    pub async fn digest(&self, repository: &str, reference: &str) -> Result<Option<String>, EngineError> {
        Ok(self.head(repository, reference).await?.map(|(digest, _)| digest))
    }

    /// Digest and media type of what the registry has for a tag or digest; the type may be empty.
    pub(super) async fn head(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<(String, String)>, EngineError> {
        let (repository, path) = self.manifest_path(repository, reference)?;
        let ask = Ask { accept: Some(MANIFESTS), ..Ask::new(Method::HEAD, &path, &repository, Right::Pull) };
        let answer = self.ask(&ask).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.expect_ok(&ask, &answer)?;
        match told_digest(&answer) {
            Some(digest) if is_digest(reference) && digest != reference => {
                Err(self.mismatch(&path, reference, &digest))
            }
            Some(digest) => Ok(Some((digest, media_type(&answer)))),
            // A registry without the header: the digest is that of the manifest's own bytes.
            None => {
                let manifest = self.manifest(&repository, reference).await?;
                Ok(Some((manifest.digest, manifest.media_type)))
            }
        }
    }

    /// A manifest or index. Its digest is checked against its bytes, the registry's header, and the reference if
    /// that is a digest. [`ErrorClass::NotFound`] if there is none.
    pub async fn manifest(&self, repository: &str, reference: &str) -> Result<Manifest, EngineError> {
        let (repository, path) = self.manifest_path(repository, reference)?;
        let ask = Ask {
            accept: Some(MANIFESTS),
            limit: LARGEST_MANIFEST,
            ..Ask::new(Method::GET, &path, &repository, Right::Pull)
        };
        let answer = self.ask(&ask).await?;
        self.expect_ok(&ask, &answer)?;
        let expected = if is_digest(reference) { Some(reference.to_owned()) } else { told_digest(&answer) };
        let digest = match expected {
            Some(expected) => {
                let found = digest_like(&expected, &answer.body);
                if found != expected {
                    return Err(self.mismatch(&path, &expected, &found));
                }
                expected
            }
            None => sha256(&answer.body),
        };
        let media_type = media_type(&answer);
        Ok(Manifest { bytes: answer.body, media_type, digest })
    }

    /// Writes a manifest or index under a tag or its digest; exactly these bytes, so an image that gets one more tag
    /// keeps its digest. What it names must be in the repository already. Returns the digest.
    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        bytes: impl Into<Bytes>,
        media_type: &str,
    ) -> Result<String, EngineError> {
        let bytes = bytes.into();
        let (repository, path) = self.manifest_path(repository, reference)?;
        let digest = sha256(&bytes);
        let own = if is_digest(reference) { digest_like(reference, &bytes) } else { digest.clone() };
        if is_digest(reference) && own != reference {
            return Err(self.mismatch(&path, reference, &own));
        }
        let ask = Ask {
            content: Some((media_type, bytes.clone())),
            ..Ask::new(Method::PUT, &path, &repository, Right::Push)
        };
        let answer = self.ask(&ask).await?;
        self.expect_ok(&ask, &answer)?;
        let told = match told_digest(&answer) {
            Some(told) => Some(told),
            None => self.digest(&repository, reference).await?,
        };
        match told {
            Some(told) if digest_like(&told, &bytes) == told => Ok(own),
            Some(told) => Err(self.mismatch(&path, &own, &told)),
            None => Err(EngineError::new(
                ErrorClass::Transient,
                format!("registry `{}` does not have the manifest that it just took (`{path}`)", self.name()),
            )),
        }
    }

    /// Gives what stands under one reference one more tag; the digest stays.
    pub async fn retag(&self, repository: &str, reference: &str, tag: &str) -> Result<String, EngineError> {
        let manifest = match self.kept.manifest(repository, reference) {
            Some(kept) => kept,
            None => self.manifest(repository, reference).await?,
        };
        let digest = self.put_manifest(repository, tag, manifest.bytes.clone(), &manifest.media_type).await?;
        if digest != digest_like(&digest, &manifest.bytes) {
            return Err(self.mismatch(tag, &manifest.digest, &digest));
        }
        Ok(digest)
    }

    /// Makes a tag name a digest; writes nothing where it does already. True if it was written.
    pub async fn ensure_tag(&self, repository: &str, digest: &str, tag: &str) -> Result<bool, EngineError> {
        if self.digest(repository, tag).await?.as_deref() == Some(digest) {
            return Ok(false);
        }
        self.retag(repository, digest, tag).await.map(|_| true)
    }

    /// Writes an index of images that are in the repository already. Returns its digest.
    pub async fn put_index(
        &self,
        repository: &str,
        reference: &str,
        entries: &[IndexEntry],
    ) -> Result<String, EngineError> {
        let (bytes, media_type) = index(entries)?;
        self.put_manifest(repository, reference, bytes, media_type).await
    }

    /// The configuration of an image's manifest (labels, creation, platform). An index has none: ask for one of its
    /// children.
    pub async fn config(&self, repository: &str, manifest: &Manifest) -> Result<ImageConfig, EngineError> {
        let refused = |text: &str| EngineError::new(ErrorClass::Refused, format!("`{}` {text}", manifest.digest));
        let config = manifest.config().ok_or_else(|| refused("names no configuration"))?;
        let bytes = self.blob(repository, &config.digest, LARGEST_CONFIG).await?;
        ImageConfig::read(bytes, config.digest).ok_or_else(|| refused("has no readable configuration"))
    }

    /// True if the repository has a blob.
    pub async fn exists_blob(&self, repository: &str, digest: &str) -> Result<bool, EngineError> {
        let (repository, path) = self.blob_path(repository, digest)?;
        let ask = Ask::new(Method::HEAD, &path, &repository, Right::Pull);
        let answer = self.ask(&ask).await?;
        match answer.status.as_u16() {
            404 => Ok(false),
            // One that is kept elsewhere is there.
            300..=399 => Ok(true),
            _ => self.expect_ok(&ask, &answer).map(|()| true),
        }
    }

    /// A blob of at most `limit` bytes, checked against its digest. Stores of blobs at other hosts are followed, and
    /// are told no login.
    pub async fn blob(&self, repository: &str, digest: &str, limit: usize) -> Result<Bytes, EngineError> {
        let (repository, path) = self.blob_path(repository, digest)?;
        let ask = Ask { limit, ..Ask::new(Method::GET, &path, &repository, Right::Pull) };
        let mut answer = self.ask(&ask).await?;
        let mut address = self.address(&path).await?;
        for hop in 0.. {
            if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                break;
            }
            let place = answer.header("location").and_then(|place| whole(&address, place));
            let plain = self.plain_allowed();
            let Some(place) = place.filter(|place| hop < HOPS && (plain || place.starts_with("https://"))) else {
                let place = shown(answer.header("location").unwrap_or_default());
                let text = format!("registry `{}` sends for `{path}` to `{place}`, which is not followed", self.name());
                return Err(EngineError::new(ErrorClass::Refused, text));
            };
            answer = if origin(&place) == origin(&self.address("/").await?) {
                self.ask(&Ask { path: &place, limit, ..Ask::new(Method::GET, &path, &repository, Right::Pull) }).await?
            } else {
                let sent = Sent {
                    method: Method::GET,
                    address: &place,
                    accept: None,
                    authorization: None,
                    content: None,
                    limit,
                };
                // Not the registry's budget: another server answers.
                self.fetch(sent).await.map_err(|trouble| self.asked(&ask).failed(trouble, plain))?
            };
            address = place;
        }
        self.expect_ok(&ask, &answer)?;
        let found = digest_like(digest, &answer.body);
        if found != digest {
            return Err(self.mismatch(&path, digest, &found));
        }
        Ok(answer.body)
    }

    /// Writes a small blob, such as a configuration; nothing is sent if it is there. Returns its digest.
    pub async fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> Result<String, EngineError> {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        if self.exists_blob(repository, &digest).await? {
            return Ok(digest);
        }
        let place = self.open_upload(repository).await?;
        let address = format!("{place}{}digest={digest}", if place.contains('?') { '&' } else { '?' });
        let repository = api_repository(&self.host, repository).into_owned();
        let ask = Ask {
            content: Some(("application/octet-stream", bytes)),
            ..Ask::new(Method::PUT, &address, &repository, Right::Push)
        };
        let answer = self.ask(&ask).await?;
        self.expect_ok(&ask, &answer)?;
        Ok(digest)
    }

    /// Checks that the login may push: an upload is opened and cancelled. The error says which right is missing
    /// (login, pull or push) and for which repository.
    pub async fn push_right(&self, repository: &str) -> Result<(), EngineError> {
        let place = self.open_upload(repository).await?;
        let repository = api_repository(&self.host, repository).into_owned();
        // An upload that cannot be cancelled is thrown away by the registry itself, in its own time.
        let _ = self.ask(&Ask::new(Method::DELETE, &place, &repository, Right::Push)).await;
        Ok(())
    }

    /// The address of a new upload, always at the registry itself.
    async fn open_upload(&self, repository: &str) -> Result<String, EngineError> {
        let repository = api_repository(&self.host, repository).into_owned();
        check_repository(&repository)?;
        let path = format!("/v2/{repository}/blobs/uploads/");
        let ask = Ask::new(Method::POST, &path, &repository, Right::Push);
        let answer = self.ask(&ask).await?;
        self.expect_ok(&ask, &answer)?;
        let base = self.address(&path).await?;
        let place = answer.header("location").and_then(|place| whole(&base, place));
        let same = |place: &String| {
            place.parse::<Uri>().ok().and_then(|uri| uri.authority().map(|name| name.as_str() == self.host))
                == Some(true)
        };
        // A gateway with TLS before a registry without it: the scheme is the one by which it was reached.
        let rest =
            place.filter(same).and_then(|place| Some(place.parse::<Uri>().ok()?.path_and_query()?.as_str().to_owned()));
        match rest {
            Some(rest) => self.address(&rest).await,
            None => Err(EngineError::new(
                ErrorClass::Refused,
                format!("registry `{}` gives no place of its own for an upload to `{repository}`", self.name()),
            )),
        }
    }

    /// All tags of a repository, page by page; none if there is no such repository.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, EngineError> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let repository = api_repository(&self.host, repository).into_owned();
        check_repository(&repository)?;
        let mut path = format!("/v2/{repository}/tags/list?n=1000");
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let ask = Ask { limit: LARGEST_PAGE, ..Ask::new(Method::GET, &path, &repository, Right::Pull) };
            let answer = self.ask(&ask).await?;
            if answer.status == StatusCode::NOT_FOUND {
                break;
            }
            self.expect_ok(&ask, &answer)?;
            let page: Page = serde_json::from_slice(&answer.body).map_err(|error| {
                EngineError::new(ErrorClass::Other, format!("registry `{}`: no list of tags: {error}", self.name()))
            })?;
            found.extend(page.tags.unwrap_or_default());
            let base = self.address(&path).await?;
            let next = answer.header("link").and_then(next_page).and_then(|next| whole(&base, next));
            // Only the registry's own pages, and each once.
            let next = next.filter(|next| origin(next) == origin(&base));
            match next.and_then(|next| Some(next.parse::<Uri>().ok()?.path_and_query()?.as_str().to_owned())) {
                Some(next) if next != path => path = next,
                _ => break,
            }
        }
        Ok(found)
    }

    fn manifest_path(&self, repository: &str, reference: &str) -> Result<(String, String), EngineError> {
        let repository = api_repository(&self.host, repository).into_owned();
        check_repository(&repository)?;
        check_reference(reference)?;
        let path = format!("/v2/{repository}/manifests/{reference}");
        Ok((repository, path))
    }

    fn blob_path(&self, repository: &str, digest: &str) -> Result<(String, String), EngineError> {
        let repository = api_repository(&self.host, repository).into_owned();
        check_repository(&repository)?;
        if !is_digest(digest) {
            let text = format!("`{}` is no digest", digest.escape_debug());
            return Err(EngineError::new(ErrorClass::Refused, text));
        }
        let path = format!("/v2/{repository}/blobs/{digest}");
        Ok((repository, path))
    }

    fn mismatch(&self, path: &str, expected: &str, found: &str) -> EngineError {
        EngineError::new(
            ErrorClass::Digest,
            format!("registry `{}`: `{path}`: expected digest {expected}, found {}", self.name(), shown(found)),
        )
        .with_hint("do not use this image; look at the registry's storage and at proxies before it")
    }
}

/// The digest that the registry names for a manifest, if it is one.
fn told_digest(answer: &Answer) -> Option<String> {
    answer.header("docker-content-digest").map(str::trim).filter(|digest| is_digest(digest)).map(str::to_owned)
}

/// The media type that the registry names, without its parameters; empty if it names none.
fn media_type(answer: &Answer) -> String {
    let header = answer.header("content-type").unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The digest of bytes by the algorithm of another digest.
fn digest_like(other: &str, bytes: &[u8]) -> String {
    if other.starts_with("sha512:") { format!("sha512:{}", hex::encode(Sha512::digest(bytes))) } else { sha256(bytes) }
}

/// A `Location` or link as a whole address; paths are those of the server that was asked.
fn whole(base: &str, place: &str) -> Option<String> {
    let uri: Uri = place.parse().ok()?;
    if uri.scheme().is_some() {
        return matches!(uri.scheme_str(), Some("http" | "https")).then(|| place.to_owned());
    }
    let base: Uri = base.parse().ok()?;
    let path = if place.starts_with('/') && !place.starts_with("//") { place } else { return None };
    Some(format!("{}://{}{path}", base.scheme_str()?, base.authority()?))
}

/// Scheme and host of an address.
fn origin(address: &str) -> Option<(String, String)> {
    let uri: Uri = address.parse().ok()?;
    Some((uri.scheme_str()?.to_ascii_lowercase(), uri.authority()?.as_str().to_ascii_lowercase()))
}

/// The next page of a `Link` header: `</v2/x/tags/list?last=b>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (place, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        rest.to_ascii_lowercase().replace('"', "").contains("rel=next").then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_whole_addresses_of_http() {
        let base = "https://r:5000/v2/x/blobs/uploads/";
        assert_eq!(whole(base, "/v2/x?y=1").as_deref(), Some("https://r:5000/v2/x?y=1"));
        assert_eq!(whole(base, "https://s3.example/a").as_deref(), Some("https://s3.example/a"));
        for bad in ["file:///etc/passwd", "//other/x", "x y", "ftp://a/b", ""] {
            assert_eq!(whole(base, bad), None, "{bad}");
        }
        assert_eq!(origin("https://R:5000/a"), origin("https://r:5000/b"));
        assert_ne!(origin("https://r:5000/a"), origin("http://r:5000/a"));
    }

    #[test]
    fn pages_follow_their_link() {
        assert_eq!(next_page("</v2/x/tags/list?last=b&n=2>; rel=\"next\""), Some("/v2/x/tags/list?last=b&n=2"));
        assert_eq!(next_page("</a>; rel=prev, </b>; rel=next"), Some("/b"));
        assert_eq!(next_page("</a>; rel=\"prev\""), None);
        assert_eq!(next_page(""), None);
    }
}
