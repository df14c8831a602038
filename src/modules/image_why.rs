//! `image_why`: the first input of an image that differs from its last recorded build on the host.

use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::image_build::TreeHere;
use super::spec::{InputArg, Meta, Module};
use super::types::HostPath;
use crate::diag::Result;
use crate::image::record::Store;
use crate::image::why::why;
use crate::value::{Map, Value, from_json, insert};

/// Names the first input of an image that differs from its last recorded build on the task's host.
///
/// Reads the files of the image and of its parents as they are now, with the arguments of the last run, and compares
/// them with the host's record. Neither engine nor registry is asked: base images count as they were then. It changes nothing.
/// Returns `image`, `repository`, `key`, `difference` (null if nothing differs, or nothing is recorded), `last` and `earlier` (the
/// builds that it was compared with: `key`, `tag`, `run`, `time`, `digest`), `unpinned`, and `lines` for people.
/// `hostctl image why NAME --host HOST` is the same without a playbook.
///
/// ```yaml
/// - name: Why would it be built?
///   image_why:
///     name: web
///     path: images
///   register: found
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The image's name without registry and tag.
    name: String,
    /// The image tree: a folder on the controller (beside the playbook), or on the host with `remote_src`. It may be left
    /// out where the last run read a folder of the host.
    #[serde(default)]
    path: Option<HostPath>,
    /// The tree is on the host already.
    #[serde(default)]
    remote_src: bool,
    /// The folder of the record; by default `/var/lib/hostctl/images` for root, else `hostctl/images` in `$XDG_STATE_HOME` or
    /// `~/.local/state`.
    #[serde(default)]
    state_dir: Option<HostPath>,
}

/// The module.
pub struct ImageWhy;

impl Module for ImageWhy {
    type Args = Args;
    const META: Meta = Meta {
        name: "image_why",
        full_name: "hostctl.core.image_why",
        summary: "Name the first input of an image that differs from its last recorded build",
        leaves_out: &[".hostctl"],
        inputs: &[InputArg::File { arg: "path", unless: Some("remote_src"), unless_by_default: false }],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        // It asks in check mode, too.
        cx.only_plans();
        let tree = args.path.as_ref().map(|path| TreeHere::find(cx, path, args.remote_src)).transpose()?;
        let store = match &args.state_dir {
            Some(folder) => Store::new(folder.expand(cx.environment())),
            None => Store::of_user(cx.probe())?,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        let root = tree.as_ref().map(TreeHere::root);
        let (answer, warnings) = why(cx.probe(), &store, &args.name, root, now)?;
        warnings.into_iter().for_each(|warning| cx.warn(warning.message.clone()));
        let mut result = from_json(answer.to_json()).as_map().cloned().unwrap_or_default();
        let lines = answer.text(now).lines().map(Value::from).collect::<Vec<_>>();
        insert(&mut result, "lines", lines);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::module;
    use crate::map;

    #[test]
    fn without_a_record_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let args = map! { "name" => "web", "state_dir" => folder.path().display().to_string() };
        let failure = module("image_why", args).check(true).run().unwrap_err();
        assert_eq!(failure.diagnostic.code, "B0075", "{failure:?}");
        assert!(!failure.diagnostic.hints.is_empty());
    }
}
