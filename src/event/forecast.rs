//! What a build is expected to do.

use serde::{Deserialize, Serialize};

/// What a build is expected to do, told once before its first image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageForecast {
    /// Images that will be built, parents first, each with the reason (`parent base`, `Dockerfile`, `new`).
    pub build: Vec<(String, String)>,
    /// Images that will be reused, each with where they were found.
    pub reuse: Vec<(String, String)>,
    /// Bytes that the builds are expected to take; `None` if unknown.
    pub bytes: Option<u64>,
    /// Seconds that the builds are expected to take; `None` if unknown.
    pub seconds: Option<f64>,
    /// File systems that matter: what for, bytes free, bytes in all.
    pub disks: Vec<(String, u64, u64)>,
    /// Of what is built, the images that are pushed after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushed: Vec<String>,
    /// Images whose failure does not change the exit code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_to_fail: Vec<String>,
}
