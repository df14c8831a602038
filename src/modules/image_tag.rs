//! `image_tag`: the tag of a run from release, distribution and time. Changes nothing.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::image::tag;
use crate::value::{Map, insert};

/// Makes the tag that all images of a run share: `<release>-<distribution>-<version>-<YYYYMMDDThhmmss>`.
///
/// Distribution and version are named as Kolla names them (`rocky-9`, `ubuntu-noble`,
/// `debian-bookworm`), by default those of the host. The time is UTC, by default the run's own, so
/// that all hosts get the same tag, and a resumed run keeps it. Returns `tag`, `distribution` and `time`.
///
/// ```yaml
/// - name: One tag for the run
///   image_tag:
///     release: "2024.1"
///     base_distro: rocky-9
///   register: made
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// First part of the tag; left out if empty.
    #[serde(default)]
    release: String,
    /// Distribution and version (`rocky-9`); by default from the host's `/etc/os-release`.
    #[serde(default)]
    base_distro: Option<String>,
    /// `YYYYMMDDThhmmss` in UTC; by default the time at which the run began (the first one, if it is resumed).
    #[serde(default)]
    time: Option<String>,
}

/// The module.
pub struct ImageTag;

impl Module for ImageTag {
    type Args = Args;
    const META: Meta = Meta {
        name: "image_tag",
        full_name: "hostctl.core.image_tag",
        summary: "Make the tag of a run from release, distribution and time",
        run_time: Some("time"),
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let distribution = match args.base_distro.filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => {
                let text = cx.probe().text("/etc/os-release").unwrap_or_default();
                tag::distribution(&text).ok_or_else(|| {
                    Diagnostic::task("B0015", "`/etc/os-release` does not tell the distribution and its version")
                        .with_hint("give it: `base_distro: rocky-9`")
                })?
            }
        };
        let time = args.time.filter(|time| !time.is_empty()).unwrap_or_else(tag::time_now);
        let made =
            tag::run_tag(&args.release, &distribution, &time).map_err(|problem| Diagnostic::task("B0015", problem))?;
        let mut result = Map::new();
        insert(&mut result, "tag", made);
        insert(&mut result, "distribution", distribution);
        insert(&mut result, "time", time);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{get, module};
    use crate::map;

    #[test]
    fn the_tag_is_made_of_what_is_given_and_of_the_host() {
        let args = map! { "release" => "2024.1", "base_distro" => "rocky-9", "time" => "20261121T061704" };
        let outcome = module("image_tag", args).ok();
        assert_eq!(get(&outcome, "tag"), "2024.1-rocky-9-20261121T061704");
        assert!(!outcome.changed);
        let outcome = module("image_tag", map! { "time" => "20261121T061704" }).ok();
        let distribution = get(&outcome, "distribution");
        assert_eq!(get(&outcome, "tag"), format!("{}-20261121T061704", distribution.as_str().unwrap()));
        let failure = module("image_tag", map! { "base_distro" => "x", "time" => "yesterday" }).fails();
        assert_eq!(failure.diagnostic.code, "B0015");
    }
}
