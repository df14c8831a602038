//! hostctl's own client of the registry API (OCI distribution): manifests, digests, tags, indexes,
//! configurations, the rights that a login has, and one rate budget for each registry.
//!
//! TLS with the CAs that the engine itself would use; plain HTTP only for registries on loopback or those
//! named explicitly. Redirects are followed for the content of blobs alone, and a login never leaves the
//! registry that it is for and the token server that this registry names. Knows no images of a run.

mod address;
mod answers;
mod auth;
mod budget;
mod client;
mod content;
mod kept;
mod manifest;
mod transport;

#[cfg(test)]
pub(super) mod client_tests;

pub use address::{is_digest, is_loopback, registry_of, split_name};
pub use budget::RateBudget;
pub use client::{RegistryClient, RegistrySettings};
pub use manifest::{Descriptor, ImageConfig, IndexEntry, Manifest, Platform, index};
pub use transport::Patience;

/// Media types of manifests and lists of them, as they are asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
