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
/// hostctl does not know stay; the file is replaced as a whole or not at all. `images` that were only planned
/// (`plan: true`) are not recorded. Returns `path`.
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
        let planned =
            |image: &serde_json::Value| image.get("state").and_then(|state| state.as_str()) == Some("planned");
        if !cx.check_mode() && args.images.iter().any(planned) {
            cx.warn("the images were only planned: the tag file stays as it is");
            let mut result = Map::new();
            insert(&mut result, "path", args.path.expand(cx.environment()).display().to_string());
            insert(&mut result, "tag", args.tag.as_str());
            return Ok(result);
        }
        let path = args.path.expand(cx.environment());
        let shown = path.display().to_string();
        let tag = args.tag;
        let mut update = Update {
            sets: args.sets,
            distribution: args.distribution,
            tag: tag.clone(),
            digests: digests(&args.images, &tag),
            time: now_rfc3339(),
            run: args.run,
        };
        let place = |diagnostic: Diagnostic| diagnostic.with_note(format!("in `{shown}`"));
        let old = cx
            .probe()
            .replaceable_text(&path)
            .map_err(|error| Diagnostic::local("B0013", format!("`{shown}` cannot be read: {error}")))?;
        if cx.check_mode() && args.images.iter().any(planned) {
            // What would be reused keeps its digest; that of what would be built nobody knows yet.
            let planned = args.images.iter().filter(|image| planned(image));
            let full = planned.filter_map(|image| image.get("full")?.as_str());
            update.keep_recorded(&old, &full.map(|full| key_of(full, &tag)).collect::<Vec<_>>()).map_err(place)?;
        }
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

/// (full name, digest) of what was pushed; the name without its tag where that is the run's.
fn digests(images: &[serde_json::Value], tag: &str) -> Vec<(String, String)> {
    let text = |image: &serde_json::Value, key: &str| image.get(key)?.as_str().map(str::to_owned);
    images.iter().filter_map(|image| Some((key_of(&text(image, "full")?, tag), text(image, "digest")?))).collect()
}

/// How the record names an image: without its tag where that is the run's.
fn key_of(full: &str, tag: &str) -> String {
    let bare = crate::image::without_tag(full);
    let own = full.strip_prefix(bare).is_some_and(|rest| rest != format!(":{tag}"));
    if own { full.to_owned() } else { bare.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Try, module};
    use crate::map;
    use crate::value::{Map, Value};

    fn write(path: &std::path::Path, more: Map) -> Try {
        let image = map! { "full" => "r:5000/lab/base:t1", "digest" => "sha256:ab", "state" => "pushed" };
        let failed = map! { "full" => "r:5000/lab/web:t1", "state" => "failed" };
        let mut args = map! {
            "path" => path.display().to_string(), "tag" => "t1", "distribution" => "rocky-9",
            "images" => vec![Value::from(image), Value::from(failed)],
        };
        args.extend(more);
        module("image_tags", args)
    }

    #[test]
    fn a_tag_is_written_once_with_its_digests_and_check_mode_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.yml");
        std::fs::write(&path, "# site\n").unwrap();
        let outcome = write(&path, Map::new()).check(true).ok();
        assert!(outcome.changed && outcome.diffs[0].after.contains("rocky-9: t1"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# site\n");
        assert!(write(&path, Map::new()).ok().changed);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# site\nkolla_image_tags:\n  openstack:\n    rocky-9: t1\n"), "{text}");
        assert!(text.contains("'r:5000/lab/base': 'sha256:ab'") && !text.contains("lab/web"), "{text}");
        assert!(!write(&path, Map::new()).ok().changed);
        assert!(write(&path, map! { "sets" => vec![Value::from("nova")] }).ok().changed);
        assert!(std::fs::read_to_string(&path).unwrap().contains("  nova:\n    rocky-9: t1\n"));
    }

    #[test]
    fn check_mode_keeps_the_digests_of_images_that_were_only_planned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.yml");
        std::fs::write(&path, "").unwrap();
        assert!(write(&path, Map::new()).ok().changed);
        let planned = |full: &str| Value::from(map! { "full" => full, "digest" => Value::Null, "state" => "planned" });
        let images = || vec![planned("r:5000/lab/base:t2"), planned("r:5000/lab/new:t2")];
        let outcome = write(&path, map! { "tag" => "t2", "images" => images() }).check(true).ok();
        let after = &outcome.diffs[0].after;
        assert!(after.contains("rocky-9: t2") && after.contains("'r:5000/lab/base': 'sha256:ab'"), "{after}");
        assert!(!after.contains("lab/new"), "{after}");
        // What is not built any more is not in the record of the new tag.
        let other =
            write(&path, map! { "tag" => "t2", "images" => vec![planned("r:5000/lab/new:t2")] }).check(true).ok();
        assert!(!other.diffs[0].after.contains("sha256:ab"), "{}", other.diffs[0].after);
        let same = write(&path, map! { "images" => vec![planned("r:5000/lab/base:t1")] }).check(true).ok();
        assert!(!same.changed);
    }

    /// Kaapana's images have a version, variants a suffix; a second run may be of some images only.
    #[test]
    fn other_tags_have_digests_of_their_own_and_the_same_tag_keeps_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.yml");
        std::fs::write(&path, "").unwrap();
        let image = |full: &str, digest: &str| Value::from(map! { "full" => full, "digest" => digest });
        let images = vec![image("r:5000/lab/w:t1", "sha256:a"), image("r:5000/lab/w:t1-cuda", "sha256:b")];
        assert!(write(&path, map! { "images" => images }).ok().changed);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("'r:5000/lab/w': 'sha256:a'") && text.contains("'r:5000/lab/w:t1-cuda': 'sha256:b'"),
            "{text}"
        );
        let some = || map! { "images" => vec![image("r:5000/lab/w:t1", "sha256:a")] };
        assert!(!write(&path, some()).ok().changed);
        let more = map! { "images" => vec![image("r:5000/lab/x:t1", "sha256:c")] };
        assert!(write(&path, more).ok().changed);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("sha256:a") && text.contains("sha256:b") && text.contains("sha256:c"), "{text}");
        // Another tag is another set of images.
        assert!(
            write(&path, map! { "tag" => "t2", "images" => vec![image("r:5000/lab/w:t2", "sha256:d")] }).ok().changed
        );
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("sha256:d") && !text.contains("sha256:a") && !text.contains("sha256:b"), "{text}");
    }

    #[test]
    fn images_that_were_only_planned_are_not_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.yml");
        std::fs::write(&path, "# site\n").unwrap();
        let planned = || map! { "full" => "r:5000/lab/base:t2", "state" => "planned" };
        let outcome = write(&path, map! { "images" => vec![Value::from(planned())] }).ok();
        assert!(!outcome.changed && outcome.warnings.len() == 1, "{:?}", outcome.warnings);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# site\n");
        assert!(write(&path, map! { "images" => vec![Value::from(planned())] }).check(true).ok().changed);
    }

    #[test]
    fn a_file_with_merge_markers_and_a_missing_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.yml");
        std::fs::write(&path, "<<<<<<< HEAD\n").unwrap();
        assert_eq!(write(&path, Map::new()).fails().diagnostic.code, "B0013");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "<<<<<<< HEAD\n");
        assert_eq!(write(&folder.path().join("no/tags.yml"), Map::new()).fails().diagnostic.code, "B0014");
        assert_eq!(write(&path, map! { "tag" => "a b" }).fails().diagnostic.code, "B0015");
    }
}
