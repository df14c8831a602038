//! `tempfile`: a new private file or folder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::add_path_info;
use super::call::Failure;
use super::cx::Cx;
use super::refusal::refused;
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::map;
use crate::system::fs::shown;
use crate::value::Map;

/// Creates a temporary file or folder with a name of its own; remove it yourself with `file`.
///
/// ```yaml
/// - name: A folder to unpack in
///   tempfile:
///     state: directory
///     suffix: build
///   register: scratch
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The folder to create it in; the system's one for temporary files otherwise.
    path: Option<HostPath>,
    /// What its name begins with.
    #[serde(default = "prefix")]
    prefix: String,
    /// What its name ends with.
    #[serde(default)]
    suffix: String,
    /// What to create.
    #[serde(default)]
    state: State,
}

fn prefix() -> String {
    "ansible.".to_owned()
}

#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    File,
    Directory,
}

/// The module.
pub struct TempFile;

impl Module for TempFile {
    type Args = Args;
    const META: Meta = Meta {
        name: "tempfile",
        full_name: "ansible.builtin.tempfile",
        also: &["ansible.legacy.tempfile"],
        summary: "Create a temporary file or folder",
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        for (name, value) in [("prefix", &args.prefix), ("suffix", &args.suffix)] {
            if value.contains('/') {
                return Err(refused("H0107", format!("{name} must be a valid file name component")));
            }
        }
        if cx.check_mode() {
            cx.skip();
            return Ok(map! { "msg" => "remote module (tempfile) does not support check mode" });
        }
        let folder = args.path.map_or_else(|| cx.probe().temp_dir(), |path| path.expand(cx.environment()));
        let word = if matches!(args.state, State::Directory) { "folder" } else { "file" };
        let made = cx.change(format!("create a temporary {word}"), |host| {
            host.new_temporary(&folder, &args.prefix, &args.suffix, matches!(args.state, State::Directory))
        });
        let made = made.map_err(|error| {
            if folder.exists() {
                return error;
            }
            let name = format!("{}/{}XXXXXXXX{}", shown(&folder), args.prefix, args.suffix);
            error.with_registered(format!("[Errno 2] No such file or directory: '{name}'"))
        })?;
        let Some(path) = made else { return Ok(Map::new()) };
        let mut result = map! { "path" => shown(&path) };
        add_path_info(cx, &mut result, &path);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn creates_with_prefix_and_suffix_and_not_in_check_mode() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().to_string_lossy().into_owned();
        let args = map! { "path" => path, "state" => "directory", "prefix" => "p", "suffix" => "-s" };
        assert!(module("tempfile", args.clone()).check(true).ok().skipped);
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 0);
        let outcome = module("tempfile", args).ok();
        let made = get(&outcome, "path").as_str().map(std::path::PathBuf::from).expect("path");
        let name = made.file_name().expect("name").to_string_lossy().into_owned();
        assert!(made.is_dir() && name.starts_with('p') && name.ends_with("-s"), "{name}");
        assert_eq!(get(&outcome, "mode"), serde_json::json!("0700"));
    }

    #[test]
    fn the_tasks_own_folder_is_used() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().to_string_lossy().into_owned();
        let outcome = module("tempfile", Map::new()).env("TMPDIR", &path).ok();
        assert!(get(&outcome, "path").as_str().is_some_and(|made| made.starts_with(&path)));
        let outcome = module("tempfile", Map::new()).env("TMPDIR", "/no/such").ok();
        let made = get(&outcome, "path").as_str().map(std::path::PathBuf::from).expect("path");
        std::fs::remove_file(made).expect("remove");
    }
}
