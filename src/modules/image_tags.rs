//! `image_tags`: writes a run's tag into the tag file on the controller.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module, RunsOn};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::event::{Diff, now_rfc3339};
use crate::image::tagfile::{self, Update};
use crate::image::valid_tag;
use crate::value::{Map, insert};

/// Writes the tag of a run into a tag file on the controller, in the shape that Kayobe reads:
/// `kolla_image_tags: {openstack: {rocky-9: TAG}, NAME: {...}}`.
///
/// `openstack` stands for all images; other sets are prefixes of image names with underscores.
/// Digests, time and run go under `hostctl_image_tags` beside it. Comments, order and fields that
/// hostctl does not know stay; the file is replaced as a whole or not at all. Returns `path`.
///
/// ```yaml
/// - name: Record the tag
///   image_tags:
///     path: environments/local/image-tags.yml
///     distribution: debian-bookworm
///     tag: "{{ image_tag }}"
///     images: "{{ built.images }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file on the controller; its folder must exist.
    path: HostPath,
    /// The tag.
    tag: String,
    /// Distribution and version of the images (`rocky-9`).
    distribution: String,
    /// The sets of images that have this tag now.
    #[serde(default = "all_images")]
    sets: Vec<String>,
    /// `images` of an `image_build` result, for the digests.
    #[serde(default)]
    images: Vec<serde_json::Value>,
    /// The run that made them.
    #[serde(default)]
    run: Option<String>,
}

fn all_images() -> Vec<String> {
    vec!["openstack".to_owned()]
}

/// The module.
pub struct ImageTags;

impl Module for ImageTags {
    type Args = Args;
    const META: Meta = Meta {
        name: "image_tags",
        full_name: "hostctl.core.image_tags",
        summary: "Write a run's image tag into the tag file on the controller",
        runs_on: RunsOn::Controller,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if !valid_tag(&args.tag) {
            return Err(Diagnostic::task("B0015", format!("`{}` is no valid tag", args.tag)).into());
        }
        if args.distribution.is_empty() || args.sets.is_empty() {
            return Err(Diagnostic::task("B0015", "`distribution` and `sets` must not be empty").into());
        }
        let path = args.path.expand(cx.environment());
        let shown = path.display().to_string();
        let update = Update {
            sets: args.sets,
            distribution: args.distribution,
            tag: args.tag,
            digests: digests(&args.images),
            time: now_rfc3339(),
            run: args.run,
        };
        let place = |diagnostic: Diagnostic| diagnostic.with_note(format!("in `{shown}`"));
        let old = match cx.probe().tree_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Diagnostic::local("B0013", format!("`{shown}` cannot be read: {error}")).into());
            }
        };
        let new = tagfile::update(&old, &update).map_err(place)?;
        let mut result = Map::new();
        insert(&mut result, "path", shown.as_str());
        insert(&mut result, "tag", update.tag.as_str());
        if new == old {
            return Ok(result);
        }
        cx.diff(Diff {
            before_header: shown.clone(),
            after_header: shown.clone(),
            before: old,
            after: new,
            ..Diff::default()
        });
        cx.change(format!("write the tag into {shown}"), |mutate| {
            // Read again under the lock: another run may have written in between.
            mutate
                .replace_text(&path, |old| {
                    let new = tagfile::update(old, &update).map_err(Trouble::Content)?;
                    Ok((new != old).then_some(new))
                })
                .map_err(|trouble| match trouble {
                    Trouble::Content(diagnostic) => place(diagnostic),
                    Trouble::File(error) => {
                        Diagnostic::local("B0014", format!("`{shown}` could not be written: {error}"))
                            .with_note("the old file is as it was")
                            .with_hint("make room or correct the folder's rights, then write the tag again")
                    }
                })
        })?;
        Ok(result)
    }
}

enum Trouble {
    Content(Diagnostic),
    File(std::io::Error),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// (full name without tag, digest) of what was pushed.
fn digests(images: &[serde_json::Value]) -> Vec<(String, String)> {
    let text = |image: &serde_json::Value, key: &str| image.get(key)?.as_str().map(str::to_owned);
    images
        .iter()
        .filter_map(|image| {
            let full = text(image, "full")?;
            Some((crate::image::without_tag(&full).to_owned(), text(image, "digest")?))
        })
        .collect()
}
