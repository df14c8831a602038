//! Manifests, indexes (manifest lists) and configurations of images as registries keep them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::super::error::{EngineError, ErrorClass};
use super::address::is_digest;

/// An image index of OCI.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The same of Docker.
pub(super) const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// True for the manifest of one image.
pub(super) fn is_image(media_type: &str) -> bool {
    media_type == DOCKER_MANIFEST || media_type == OCI_MANIFEST
}

/// A manifest with its exact bytes: the digest is that of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// As the registry has it.
    pub bytes: Bytes,
    /// Its media type.
    pub media_type: String,
    /// `sha256:...` of `bytes`, checked.
    pub digest: String,
}

/// What a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Descriptor {
    /// Its media type.
    #[serde(rename = "mediaType", default)]
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Bytes, as the manifest claims.
    #[serde(default)]
    pub size: u64,
    /// For which platform, in an index.
    #[serde(default)]
    pub platform: Option<Platform>,
}

/// `linux/arm64/v8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// As Go calls it (`amd64`, `arm64`).
    #[serde(default)]
    pub architecture: String,
    /// `v8`.
    #[serde(default)]
    pub variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let parts: Vec<&str> = text.split('/').collect();
        let plain =
            |part: &&str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.-".contains(&c));
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(plain) {
            let text = format!("`{}` is no platform: expected `os/architecture[/variant]`", text.escape_debug());
            return Err(EngineError::new(ErrorClass::Refused, text).with_hint("linux/amd64"));
        }
        let variant = parts.get(2).map(|part| (*part).to_owned());
        Ok(Self { os: parts[0].to_owned(), architecture: parts[1].to_owned(), variant })
    }
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

impl Manifest {
    fn content(&self) -> Content {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// It is a list of manifests for several platforms.
    pub fn is_index(&self) -> bool {
        self.media_type == INDEX || self.media_type == LIST
    }

    /// The image's configuration; `None` for an index.
    pub fn config(&self) -> Option<Descriptor> {
        self.content().config.filter(|config| is_digest(&config.digest))
    }

    /// The layers, base first.
    pub fn layers(&self) -> Vec<Descriptor> {
        self.content().layers
    }

    /// What an index lists; provenance and other attachments (platform `unknown/unknown`) too.
    pub fn children(&self) -> Vec<Descriptor> {
        self.content().manifests.into_iter().filter(|child| is_digest(&child.digest)).collect()
    }
}

/// An image's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// As the registry has it; history and environment are in here.
    pub bytes: Bytes,
    /// Its digest, checked; engines call it the image's id.
    pub digest: String,
    /// RFC 3339, as written.
    pub created: Option<String>,
    /// For which platform.
    pub platform: Platform,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Digests of the layers' uncompressed content, base first.
    pub diff_ids: Vec<String>,
}

impl ImageConfig {
    /// Reads a configuration; `None` if it is none of an image.
    pub(super) fn read(bytes: Bytes, digest: String) -> Option<Self> {
        #[derive(Deserialize)]
        struct Whole {
            #[serde(flatten)]
            platform: Platform,
            #[serde(default)]
            created: Option<String>,
            #[serde(default)]
            config: Option<Inner>,
            #[serde(default)]
            rootfs: Option<Root>,
        }
        #[derive(Deserialize)]
        struct Inner {
            #[serde(rename = "Labels", default)]
            labels: Option<BTreeMap<String, String>>,
        }
        #[derive(Deserialize)]
        struct Root {
            #[serde(default)]
            diff_ids: Vec<String>,
        }
        let whole: Whole = serde_json::from_slice(&bytes).ok()?;
        Some(Self {
            created: whole.created,
            platform: whole.platform,
            labels: whole.config.and_then(|inner| inner.labels).unwrap_or_default(),
            diff_ids: whole.rootfs.map(|root| root.diff_ids).unwrap_or_default(),
            bytes,
            digest,
        })
    }
}

/// One platform's image in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's bytes.
    pub size: u64,
    /// The manifest's media type.
    pub media_type: String,
    /// For which platform.
    pub platform: Platform,
}

/// An index of images: its bytes and media type. Docker's own form if all are Docker's, since old engines read no
/// other; else OCI's. The same entries give the same bytes, and so the same digest. Refused are no entries, two for
/// one platform, and what is no image's manifest.
pub fn index(entries: &[IndexEntry]) -> Result<(Vec<u8>, &'static str), EngineError> {
    let refused = |text: String| EngineError::new(ErrorClass::Refused, text);
    if entries.is_empty() {
        return Err(refused("an index of no images".to_owned()));
    }
    for (at, entry) in entries.iter().enumerate() {
        if !is_digest(&entry.digest) || ![DOCKER_MANIFEST, OCI_MANIFEST].contains(&entry.media_type.as_str()) {
            return Err(refused(format!("`{}` ({}) is no image for an index", entry.digest, entry.media_type)));
        }
        if entries[..at].iter().any(|other| other.platform == entry.platform) {
            return Err(refused(format!("two images for the platform `{}` in one index", entry.platform)));
        }
    }
    let media_type = if entries.iter().all(|entry| entry.media_type == DOCKER_MANIFEST) { LIST } else { INDEX };
    let manifests: Vec<serde_json::Value> = entries
        .iter()
        .map(|entry| {
            let mut platform = json!({ "architecture": entry.platform.architecture, "os": entry.platform.os });
            if let Some(variant) = &entry.platform.variant {
                platform["variant"] = json!(variant);
            }
            json!({
                "mediaType": entry.media_type, "size": entry.size, "digest": entry.digest, "platform": platform,
            })
        })
        .collect();
    let whole = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
    Ok((whole.to_string().into_bytes(), media_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(platform: &str, media_type: &str) -> IndexEntry {
        IndexEntry {
            digest: format!("sha256:{}", "a".repeat(64)),
            size: 7,
            media_type: media_type.to_owned(),
            platform: platform.parse().unwrap(),
        }
    }

    #[test]
    fn an_index_lists_each_platform_once() {
        let (bytes, media_type) =
            index(&[entry("linux/amd64", OCI_MANIFEST), entry("linux/arm/v7", DOCKER_MANIFEST)]).unwrap();
        assert_eq!(media_type, INDEX);
        let read = Manifest { bytes: bytes.into(), media_type: media_type.to_owned(), digest: String::new() };
        assert!(read.is_index() && read.config().is_none());
        let platforms: Vec<String> =
            read.children().into_iter().filter_map(|child| child.platform).map(|found| found.to_string()).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm/v7"]);
        assert_eq!(index(&[entry("linux/amd64", DOCKER_MANIFEST)]).unwrap().1, LIST);
        for bad in [
            vec![],
            vec![entry("linux/amd64", OCI_MANIFEST), entry("linux/amd64", OCI_MANIFEST)],
            vec![entry("linux/amd64", INDEX)],
        ] {
            assert_eq!(index(&bad).unwrap_err().class, ErrorClass::Refused);
        }
    }

    #[test]
    fn platforms_are_read_as_docker_writes_them() {
        for good in ["linux/amd64", "linux/arm64/v8"] {
            assert_eq!(good.parse::<Platform>().unwrap().to_string(), good);
        }
        for bad in ["", "linux", "linux/", "linux/a/b/c", "linux/a b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn configurations_give_labels_and_platform() {
        let text = r#"{"architecture":"arm64","os":"linux","variant":"v8","created":"2026-01-01T00:00:00Z",
            "config":{"Labels":{"a":"b"}},"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"#;
        let config = ImageConfig::read(Bytes::from(text), "d".into()).unwrap();
        assert_eq!((config.platform.to_string().as_str(), config.labels["a"].as_str()), ("linux/arm64/v8", "b"));
        assert_eq!(config.diff_ids, ["sha256:1"]);
        assert!(ImageConfig::read(Bytes::from("{}"), "d".into()).unwrap().labels.is_empty());
        let nulls = r#"{"architecture":"a","os":"l","config":{"Labels":null},"rootfs":null}"#;
        assert!(ImageConfig::read(Bytes::from(nulls), "d".into()).unwrap().labels.is_empty());
        assert!(ImageConfig::read(Bytes::from("[]"), "d".into()).is_none());
    }
}
