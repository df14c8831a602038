//! What is fetched for an image: its own source, plugins and additions.

use std::collections::BTreeMap;

/// One source, as its section says it after interpolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The section: the image's name, or `IMAGE-plugin-X`, `IMAGE-additions-X`.
    pub name: String,
    /// `url`, `git` or `local`.
    pub kind: String,
    /// Address or path; of a `local` one relative to `locals_base` unless it is absolute.
    pub location: String,
    /// Branch, tag or commit of a `git` one.
    pub reference: Option<String>,
    /// False: an empty archive stands in for it.
    pub enabled: bool,
    /// SHA-256 sums by Debian's architecture name (`amd64`, `arm64`).
    pub sha256: BTreeMap<String, String>,
}
