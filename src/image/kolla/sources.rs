//! What is fetched for an image: its own source, plugins and additions.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Config;
use crate::diag::Result;
use crate::value::python_str;

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

/// The source that a section describes; nothing if it has no `type`.
fn source(config: &mut Config, section: &str) -> Result<Option<Source>> {
    config.source_group(section, None);
    let Some(kind) = config.text(section, "type")? else { return Ok(None) };
    let sha256 = config.get(section, "sha256")?;
    let sha256 = sha256.as_map().into_iter().flatten().map(|(key, sum)| (key.text().to_string(), python_str(sum)));
    Ok(Some(Source {
        name: section.to_owned(),
        location: config.text(section, "location")?.unwrap_or_default(),
        reference: if kind == "git" { config.text(section, "reference")? } else { None },
        enabled: config.truth(section, "enabled")?,
        sha256: sha256.collect(),
        kind,
    }))
}

/// The source, plugins and additions of an image; `sections` are all that there are.
pub fn of_image(
    config: &mut Config,
    image: &str,
    sections: &BTreeSet<String>,
) -> Result<(Option<Source>, Vec<Source>, Vec<Source>)> {
    let own = source(config, image)?;
    let mut below = |kind: &str| -> Result<Vec<Source>> {
        let lead = format!("{image}-{kind}-");
        let found =
            sections.range(lead.clone()..).take_while(|name| name.starts_with(&lead)).filter(|name| **name != lead);
        found.filter_map(|name| source(config, name).transpose()).collect()
    };
    let plugins = below("plugin")?;
    Ok((own, plugins, below("additions")?))
}
