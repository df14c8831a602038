//! `file`: folders, links, empty files, and the attributes of what is there.

mod recurse;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::{FileArgs, StateDiff, add_path_info, apply, gid_of, uid_of, with_file_args};
use super::call::Failure;
use super::cx::Cx;
use super::file_times::Times;
use super::folders::make_missing;
use super::refusal::refused_with;
use super::spec::{ChangedAt, Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::accounts;
use crate::system::fs::{FileState, shown};
use crate::value::{Map, Value, insert};

with_file_args! {
    /// Folders, links and empty files, and owner, group, mode and times of what is there.
    ///
    /// ```yaml
    /// - name: A folder for the logs
    ///   file:
    ///     path: /var/log/builds
    ///     state: directory
    ///     owner: builder
    ///     mode: '0750'
    /// - file:
    ///     src: /srv/cache
    ///     dest: /var/cache/builds
    ///     state: link
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// The path.
        path: HostPath,
        /// What shall be there; what is there now, or `file`, if not given.
        state: Option<State>,
        /// The target of a link, as it shall stand in the link; the other name of a hard link.
        src: Option<HostPath>,
        /// Apply the attributes to all that is in the folder too.
        #[serde(default)]
        recurse: bool,
        /// Replace a file by a link, and link to what does not exist.
        #[serde(default)]
        force: bool,
        /// Apply attributes to a link's target.
        #[serde(default = "yes")]
        follow: bool,
        /// `preserve`, `now` or a time in the format below.
        modification_time: Option<String>,
        /// How `modification_time` is written.
        #[serde(default = "time_format")]
        modification_time_format: String,
        /// `preserve`, `now` or a time in the format below.
        access_time: Option<String>,
        /// How `access_time` is written.
        #[serde(default = "time_format")]
        access_time_format: String,
        /// Only look whether the file is binary; Ansible's own, for its other modules.
        #[serde(rename = "_diff_peek")]
        diff_peek: Option<bool>,
    }
}

fn yes() -> bool {
    true
}

fn time_format() -> String {
    "%Y%m%d%H%M.%S".to_owned()
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Absent,
    Directory,
    File,
    Hard,
    Link,
    Touch,
}

/// The module.
pub struct File;

impl Module for File {
    type Args = Args;
    const META: Meta = Meta {
        name: "file",
        full_name: "ansible.builtin.file",
        also: &["ansible.legacy.file"],
        summary: "Folders, links, empty files and their attributes",
        aliases: &[("path", &["dest", "name"]), ("attributes", &["attr"])],
        refused: &[
            ("selevel", super::attributes::SELINUX),
            ("serole", super::attributes::SELINUX),
            ("setype", super::attributes::SELINUX),
            ("seuser", super::attributes::SELINUX),
        ],
        reads: &["lsattr"],
        changed_at: ChangedAt::Before("state"),
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let mut path = args.path.expand(cx.environment());
        let src = args.src.as_ref().map(|src| src.expand(cx.environment()));
        if args.diff_peek.is_some() {
            let head = cx.probe().read_part(&path, 0, 8192).unwrap_or_default();
            return Ok(map! { "path" => shown(&path), "appears_binary" => head.contains(&0) });
        }
        if !matches!(args.state, Some(State::Link | State::Absent))
            && cx.probe().is_dir(&path)
            && let Some(name) = src.as_deref().and_then(Path::file_name)
        {
            path.push(name);
        }
        let present = cx.probe().state(&path).or_else(|error| {
            // What may not be looked at counts as not there, as for Python.
            if error.registered() == "Permission denied" { Ok(FileState::Absent) } else { Err(error) }
        })?;
        let state = args.state.unwrap_or(match present {
            FileState::Absent if args.recurse => State::Directory,
            FileState::Absent | FileState::File => State::File,
            FileState::Link => State::Link,
            FileState::Directory => State::Directory,
            FileState::Hard => State::Hard,
        });
        if args.recurse && state != State::Directory {
            let words = "recurse option requires state to be 'directory'";
            return Err(refused_with("H0107", words, with_info(cx, &path)));
        }
        if src.is_some() && !matches!(state, State::Link | State::Hard) {
            let words = "src option requires state to be 'link' or 'hard'";
            return Err(refused_with("H0107", words, with_info(cx, &path)));
        }
        let times = Times::parse(
            (args.modification_time.as_deref(), &args.modification_time_format),
            (args.access_time.as_deref(), &args.access_time_format),
            state == State::Touch,
        )?;
        let work = Work { cx, file: args.file_args(), times, follow: args.follow, force: args.force };
        if cx.check_mode() && state != State::Absent {
            work.warn_of_unknown_names();
        }
        match state {
            State::Absent => work.absent(&path, present),
            State::Directory => work.directory(path, args.recurse),
            State::File => work.attributes_only(path),
            State::Touch => work.touch(path, present),
            State::Link => work.link(&path, src, present),
            State::Hard => work.hard(&path, src, present),
        }
    }
}

/// The path and what is there, which Ansible's failures have too.
fn with_info(cx: &Cx, path: &Path) -> Map {
    let mut result = map! { "path" => shown(path) };
    add_path_info(cx, &mut result, path);
    result
}

/// Why a folder could not be made, as Python says it.
fn os_words(error: &Diagnostic, path: &Path) -> String {
    let known = [
        ("not a directory", "[Errno 20] Not a directory"),
        ("permission denied", "[Errno 13] Permission denied"),
        ("read-only file system", "[Errno 30] Read-only file system"),
    ];
    let words = known.iter().find(|(ours, _)| error.message.ends_with(ours)).map(|(_, words)| *words);
    format!("{}: b'{}'", words.unwrap_or("[Errno 5] Input/output error"), shown(path))
}

fn conflict(message: String) -> Diagnostic {
    Diagnostic::task("H0107", message)
}

struct Work<'a> {
    cx: &'a Cx,
    file: FileArgs,
    times: Times,
    follow: bool,
    force: bool,
}

impl Work<'_> {
    fn warn_of_unknown_names(&self) {
        // A number may be that of nobody too.
        let no_user = |owner: &&str| uid_of(owner).map_or(true, |uid| accounts::account_of_uid(uid).is_none());
        let no_group = |group: &&str| gid_of(group).map_or(true, |gid| accounts::group_of_gid(gid).is_none());
        let unknown = [
            self.file.owner.as_deref().filter(no_user).map(|owner| ("user", "uid", owner)),
            self.file.group.as_deref().filter(no_group).map(|group| ("group", "gid", group)),
        ];
        for (kind, number, name) in unknown.into_iter().flatten() {
            // A task before this one may create it in a real run. The words are Ansible's.
            let what = match name.parse::<u32>() {
                Ok(_) => format!("{kind} with {number} {name}"),
                Err(_) => format!("{kind} {name}"),
            };
            self.cx.warn(format!("failed to look up {what}. Create {kind} up to this point in real play"));
        }
    }

    fn diff_of(path: &Path, before: FileState, after: &str) -> StateDiff {
        let mut diff = StateDiff::default();
        diff.set("path", shown(path), shown(path));
        if before.name() != after {
            diff.set("state", before.name(), after);
        }
        diff
    }

    /// The target of a link if links are followed.
    fn followed(&self, path: &Path) -> Result<PathBuf> {
        let is_link = self.cx.probe().state(path)? == FileState::Link;
        Ok(if self.follow && is_link { self.cx.probe().real(path) } else { path.to_owned() })
    }

    fn settle(&self, path: &Path, diff: &mut StateDiff) -> Result<(), Failure> {
        apply(self.cx, path, &self.file, diff)
            .and_then(|_| self.times.apply(self.cx, path, diff))
            .map_err(|error| self.failed(error, path))
    }

    /// A failure with what is at the path by now, as Ansible's has it.
    fn failed(&self, error: Diagnostic, path: &Path) -> Failure {
        let mut result = map! { "path" => shown(path) };
        add_path_info(self.cx, &mut result, path);
        Failure::with_result(error, result)
    }

    fn finish(&self, mut result: Map, path: &Path, diff: StateDiff) -> Map {
        // Ansible's has the path even where nothing differs.
        self.cx.diff(diff.into_diff("", ""));
        add_path_info(self.cx, &mut result, path);
        result
    }

    fn absent(&self, path: &Path, present: FileState) -> Result<Map, Failure> {
        let mut result = map! { "path" => shown(path), "state" => "absent" };
        if present == FileState::Absent {
            return Ok(result);
        }
        let mut diff = Self::diff_of(path, present, "absent");
        if present == FileState::Directory && self.cx.diff_mode() {
            let (mut folders, mut files) = (Vec::new(), Vec::new());
            self.content(path, &mut folders, &mut files)?;
            diff.set_before("path_content", serde_json::json!({ "directories": folders, "files": files }));
        }
        self.cx
            .change(format!("remove {}", shown(path)), |host| {
                if present == FileState::Directory { host.remove_tree(path) } else { host.remove_file(path) }
            })
            .map_err(|error| {
                if present == FileState::Directory {
                    let words = error.registered().trim_start_matches("Task failed: Module failed: ").to_owned();
                    return Failure::from(error.with_registered(format!("rmtree failed: {words}")));
                }
                self.failed(error.with_registered("Unlinking failed."), path)
            })?;
        self.cx.diff(diff.into_diff("", ""));
        if self.cx.check_mode() {
            // What is still there is what Ansible's result tells.
            add_path_info(self.cx, &mut result, path);
        }
        Ok(result)
    }

    /// The folders and the other things below a folder, as the diff of its removal lists them.
    fn content(&self, folder: &Path, folders: &mut Vec<String>, files: &mut Vec<String>) -> Result<()> {
        let probe = self.cx.probe();
        for entry in probe.list(folder)? {
            if !probe.is_dir(&entry) {
                files.push(shown(&entry));
                continue;
            }
            folders.push(shown(&entry));
            if probe.state(&entry)? != FileState::Link {
                self.content(&entry, folders, files)?;
            }
        }
        Ok(())
    }

    fn attributes_only(&self, path: PathBuf) -> Result<Map, Failure> {
        let path = self.followed(&path)?;
        let state = self.cx.probe().state(&path)?;
        if !matches!(state, FileState::File | FileState::Hard) {
            let message = format!("file ({}) is {}, cannot continue", shown(&path), state.name());
            let mut error = conflict(message);
            if state == FileState::Absent {
                error = error.with_hint("`state: touch` creates an empty file, `state: directory` a folder");
            }
            let mut result = map! { "path" => shown(&path), "state" => state.name() };
            add_path_info(self.cx, &mut result, &path);
            return Err(Failure::with_result(error, result));
        }
        let mut diff = Self::diff_of(&path, state, "file");
        self.settle(&path, &mut diff)?;
        Ok(self.finish(map! { "path" => shown(&path) }, &path, diff))
    }

    fn touch(&self, path: PathBuf, present: FileState) -> Result<Map, Failure> {
        let result = map! { "dest" => shown(&path) };
        let mut diff = Self::diff_of(&path, present, "touch");
        if present == FileState::Absent {
            self.cx
                .change(format!("create {}", shown(&path)), |host| host.create_empty(&path))
                .map_err(|error| self.failed(error.with_registered("Error, could not touch target."), &path))?;
            if self.cx.check_mode() {
                return Ok(result);
            }
        }
        let target = if self.cx.probe().state(&path)? == FileState::Link && self.follow {
            self.cx.probe().real(&path)
        } else {
            path.clone()
        };
        if present == FileState::Link && !self.cx.probe().exists(&target) {
            self.cx.change(format!("create {}", shown(&target)), |host| host.create_empty(&target))?;
        }
        if let Err(error) = self.settle(&target, &mut diff) {
            if present == FileState::Absent {
                // What was just created for this task does not stay half done.
                self.cx.scratch(|host| host.remove_file(&path))?;
            }
            return Err(error);
        }
        Ok(self.finish(result, &path, diff))
    }

    fn directory(&self, path: PathBuf, recurse: bool) -> Result<Map, Failure> {
        let cx = self.cx;
        let path = self.followed(&path)?;
        let state = cx.probe().state(&path)?;
        let mut diff = Self::diff_of(&path, state, "directory");
        let result = map! { "path" => shown(&path) };
        match state {
            FileState::Absent => {
                let refused = |error: Diagnostic, part: &Path| {
                    let words = os_words(&error, &path);
                    let words = format!("There was an issue creating {} as requested: {words}", shown(&path));
                    self.failed(error.with_registered(words), part)
                };
                make_missing(cx, &path, refused, |part| self.settle(part, &mut diff))?;
            }
            FileState::Directory => {
                self.settle(&path, &mut diff)?;
                if recurse {
                    self.recurse(&path)?;
                }
            }
            other => {
                let message = format!("{} already exists as a {}", shown(&path), other.name());
                let mut result = result;
                add_path_info(cx, &mut result, &path);
                return Err(Failure::with_result(conflict(message), result));
            }
        }
        Ok(self.finish(result, &path, diff))
    }

    fn link(&self, path: &Path, src: Option<PathBuf>, present: FileState) -> Result<Map, Failure> {
        let (cx, probe) = (self.cx, self.cx.probe());
        let src = match src {
            Some(src) => Some(src),
            None if self.follow && present == FileState::Link && probe.exists(path) => Some(probe.read_link(path)?),
            None => None,
        };
        let base = if present == FileState::Directory { Some(path) } else { path.parent() };
        let target = src.as_ref().map(|src| base.map_or_else(|| src.clone(), |base| base.join(src)));
        let name = shown(path);
        let refuse = |message: String| {
            let mut result = map! { "path" => name.clone() };
            add_path_info(cx, &mut result, path);
            Failure::with_result(conflict(message), result)
        };
        if let (false, Some(target)) = (self.force, &target)
            && !probe.exists(target)
        {
            let words = "src file does not exist, use 'force=yes' if you really want to create the link:";
            let error = conflict(format!("src file does not exist: {}", shown(target)))
                .with_registered(format!("{words} {}", shown(target)))
                .with_hint("`force: true` creates the link all the same");
            let mut result = map! { "path" => name.clone(), "src" => src.as_deref().map(shown) };
            add_path_info(cx, &mut result, path);
            return Err(Failure::with_result(error, result));
        }
        match present {
            FileState::Directory if !self.force => {
                return Err(refuse(format!("refusing to convert from directory to symlink for {name}")));
            }
            FileState::Directory if !probe.list(path)?.is_empty() => {
                return Err(refuse(format!("the directory {name} is not empty, refusing to convert it")));
            }
            FileState::File | FileState::Hard if !self.force => {
                return Err(refuse(format!("refusing to convert from {} to symlink for {name}", present.name())));
            }
            _ => {}
        }
        let mut diff = Self::diff_of(path, present, "link");
        let Some(src) = src else {
            if present == FileState::Link {
                let result = map! { "dest" => name };
                return Ok(self.finish(result, path, diff));
            }
            return Err(conflict("src is required for creating new symlinks".to_owned()).into());
        };
        let old = if present == FileState::Link { Some(probe.read_link(path)?) } else { None };
        if old.as_ref() != Some(&src) {
            if let Some(old) = &old {
                diff.set("src", shown(old), shown(&src));
            }
            cx.change(format!("link {name} -> {}", shown(&src)), |host| {
                if present == FileState::Directory {
                    host.remove_dir(path)?;
                }
                host.symlink(&src, path)
            })
            .map_err(|error| {
                let verb = if present == FileState::Absent { "linking" } else { "replacing" };
                let python = error.registered().trim_start_matches("Task failed: Module failed: ");
                let python = python.rsplit_once(": b'").map_or(python, |(words, _)| words);
                let words = format!("Error while {verb}: {python}: b'{}' -> b'{name}'", shown(&src));
                self.failed(error.with_registered(words), path)
            })?;
        }
        let result = map! { "dest" => name, "src" => shown(&src) };
        if cx.check_mode() && !probe.exists(path) {
            return Ok(self.finish(result, path, diff));
        }
        let settled = self.followed(path)?;
        if self.follow && !probe.exists(&settled) {
            cx.warn(
                "Cannot set fs attributes on a non-existent symlink target. follow should be set to False to avoid this.",
            );
        } else {
            self.settle(&settled, &mut diff)?;
        }
        Ok(self.finish(result, path, diff))
    }

    fn hard(&self, path: &Path, src: Option<PathBuf>, present: FileState) -> Result<Map, Failure> {
        let (cx, probe) = (self.cx, self.cx.probe());
        let name = shown(path);
        let mut result = map! { "dest" => name.clone() };
        if let Some(src) = &src {
            insert(&mut result, "src", shown(src));
        }
        let refuse = |message: &str| {
            let mut result = result.clone();
            add_path_info(cx, &mut result, path);
            Failure::with_result(conflict(message.to_owned()), result)
        };
        let Some(source) = &src else {
            if present != FileState::Hard {
                return Err(conflict("src is required for creating new hardlinks".to_owned()).into());
            }
            insert(&mut result, "src", Value::Null);
            let mut diff = Self::diff_of(path, present, "hard");
            self.settle(path, &mut diff)?;
            return Ok(self.finish(result, path, diff));
        };
        let Some(wanted) = probe.stat(source)? else {
            return Err(refuse("src does not exist"));
        };
        let same = |found: Option<std::fs::Metadata>| {
            found.is_some_and(|found| (found.ino(), found.dev()) == (wanted.ino(), wanted.dev()))
        };
        let settled = match present {
            FileState::Absent | FileState::Link => false,
            FileState::Hard | FileState::Directory => same(probe.stat(path)?),
            FileState::File => same(probe.stat(path)?),
        };
        if !settled && !self.force {
            match present {
                FileState::Hard | FileState::Directory => {
                    return Err(refuse("Cannot link, different hard link exists at destination"));
                }
                FileState::File => return Err(refuse("Cannot link, file exists at destination")),
                FileState::Absent | FileState::Link => {}
            }
        }
        let mut diff = Self::diff_of(path, present, "hard");
        if !settled {
            let target = if self.follow { probe.real(source) } else { source.clone() };
            cx.change(format!("hard link {name} -> {}", shown(source)), |host| host.hard_link(&target, path))?;
        }
        if !cx.check_mode() || probe.exists(path) {
            self.settle(path, &mut diff)?;
        }
        Ok(self.finish(result, path, diff))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("folder"))
        }
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
        fn args(&self, name: &str, more: &[(&str, Value)]) -> Map {
            let mut map = map! { "path" => shown(&self.path(name)) };
            for (key, value) in more {
                insert(&mut map, key, value.clone());
            }
            map
        }
        /// Check mode first, then for real, then again: plans right, changes, settles.
        fn settles(&self, name: &str, more: &[(&str, Value)]) -> super::super::Outcome {
            let args = self.args(name, more);
            let before = cx_state(&self.path(name));
            assert!(module("file", args.clone()).check(true).ok().changed, "check mode saw nothing to do");
            assert_eq!(cx_state(&self.path(name)), before, "check mode changed something");
            let outcome = module("file", args.clone()).ok();
            assert!(outcome.changed && !outcome.changes.is_empty());
            let again = module("file", args).ok();
            assert!(!again.changed, "second run: {:?}", again.changes);
            outcome
        }
    }

    fn cx_state(path: &Path) -> Option<(u32, u64)> {
        std::fs::symlink_metadata(path).ok().map(|found| (found.mode(), found.ino()))
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("stat").permissions().mode() & 0o7777
    }

    #[test]
    fn folders_with_parents_modes_and_recursion() {
        let bench = Bench::new();
        let outcome = bench.settles("a/b c", &[("state", "directory".into()), ("mode", "0750".into())]);
        assert_eq!((mode(&bench.path("a")), mode(&bench.path("a/b c"))), (0o750, 0o750));
        assert_eq!((get(&outcome, "state"), get(&outcome, "mode")), (json!("directory"), json!("0750")));
        std::fs::write(bench.path("a/b c/f"), "").expect("write");
        std::fs::set_permissions(bench.path("a/b c/f"), std::fs::Permissions::from_mode(0o600)).expect("mode");
        bench
            .settles("a", &[("state", "directory".into()), ("recurse", true.into()), ("mode", "u=rwX,g=rX,o=".into())]);
        assert_eq!(mode(&bench.path("a/b c/f")), 0o640);
        std::fs::write(bench.path("plain"), "").expect("write");
        let failure = module("file", bench.args("plain", &[("state", "directory".into())])).fails();
        assert!(failure.diagnostic.message.ends_with("already exists as a file"));
    }

    #[test]
    fn folders_are_made_by_the_way_that_is_written() {
        let bench = Bench::new();
        for (name, made) in [("a/.", "a"), ("b/../c", "c"), ("d//e", "d/e"), ("f/./g/../h/", "f/h"), ("b/.", "b")] {
            let outcome = module("file", bench.args(name, &[("state", "directory".into())])).ok();
            assert!(outcome.changed == (name != "b/.") && bench.path(made).is_dir(), "{name}");
        }
        assert!(bench.path("f/g").is_dir());
    }

    #[test]
    fn hosts_that_make_folders_below_one_that_is_missing_do_not_hinder_each_other() {
        let bench = Bench::new();
        for round in 0..20 {
            std::thread::scope(|scope| {
                for host in 0..8 {
                    let args = bench.args(&format!("r{round}/a/b/c/{host}"), &[("state", "directory".into())]);
                    scope.spawn(move || assert!(module("file", args).ok().changed));
                }
            });
        }
    }

    #[test]
    fn recursion_does_not_follow_planted_links_out_of_the_tree() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: links of another user need root");
            return;
        }
        let bench = Bench::new();
        for name in ["tree", "tree/in", "victim", "own"] {
            std::fs::create_dir(bench.path(name)).expect("folder");
        }
        let plant = |name: &str, target: &str, uid: u32| {
            std::os::unix::fs::symlink(bench.path(target), bench.path(name)).expect("link");
            std::os::unix::fs::lchown(bench.path(name), Some(uid), None).expect("owner");
        };
        std::os::unix::fs::chown(bench.path("own"), Some(12345), None).expect("owner");
        plant("tree/planted", "victim", 12345);
        plant("tree/inside", "tree/in", 12345);
        plant("tree/theirs", "own", 12345);
        std::fs::set_permissions(bench.path("victim"), std::fs::Permissions::from_mode(0o700)).expect("mode");
        let args =
            bench.args("tree", &[("state", "directory".into()), ("recurse", true.into()), ("mode", "0777".into())]);
        let outcome = module("file", args.clone()).ok();
        assert_eq!(mode(&bench.path("victim")), 0o700);
        assert_eq!((mode(&bench.path("tree/in")), mode(&bench.path("own"))), (0o777, 0o777));
        assert!(matches!(&*outcome.warnings, [one] if one.contains("tree/planted")), "{:?}", outcome.warnings);
        plant("tree/honest", "victim", 0);
        module("file", args).ok();
        assert_eq!(mode(&bench.path("victim")), 0o777);
    }

    #[test]
    fn failures_tell_what_is_there_by_then() {
        let bench = Bench::new();
        std::fs::write(bench.path("f"), "x").expect("write");
        let check = |name: &str, more: &[(&str, Value)], words: &str, keys: &[&str]| {
            let failure = module("file", bench.args(name, more)).fails();
            assert_eq!(failure.diagnostic.registered(), words.replace("BENCH", &shown(bench.0.path())));
            let found: Vec<String> = failure.result.keys().map(|key| key.text().to_string()).collect();
            assert_eq!(found, keys);
            assert!(!failure.changed, "Ansible says that nothing changed");
        };
        let info = ["path", "uid", "gid", "owner", "group", "mode", "state", "size"];
        let no_user = "chown failed: failed to look up user nosuchuser";
        check("d", &[("state", "directory".into()), ("owner", "nosuchuser".into())], no_user, &info);
        check("t", &[("state", "touch".into()), ("owner", "nosuchuser".into())], no_user, &info);
        assert!(!bench.path("t").exists());
        let no_group = "chgrp failed: failed to look up group nosuchgroup";
        check("f", &[("group", "nosuchgroup".into())], no_group, &info);
        let words = "There was an issue creating BENCH/f/x as requested: [Errno 20] Not a directory: b'BENCH/f/x'";
        check("f/x", &[("state", "directory".into())], words, &["path"]);
        check("f/x", &[("state", "touch".into())], "Error, could not touch target.", &["path"]);
        let words = "src file does not exist, use 'force=yes' if you really want to create the link: /nope";
        let keys = ["path", "src", "uid", "gid", "owner", "group", "mode", "state", "size"];
        check("f", &[("state", "link".into()), ("src", "/nope".into())], words, &keys);
    }

    #[test]
    fn links_are_made_moved_and_guarded() {
        let bench = Bench::new();
        std::fs::write(bench.path("t1"), "").expect("write");
        std::fs::write(bench.path("t2"), "").expect("write");
        let link = |target: &str| [("state", Value::from("link")), ("src", target.into())];
        let outcome = bench.settles("l", &link("t1"));
        assert_eq!((get(&outcome, "src"), get(&outcome, "state")), (json!("t1"), json!("link")));
        bench.settles("l", &link("t2"));
        assert_eq!(std::fs::read_link(bench.path("l")).expect("link"), Path::new("t2"));
        let failure = module("file", bench.args("l2", &link("missing"))).fails();
        assert!(failure.diagnostic.message.starts_with("src file does not exist"));
        let failure = module("file", bench.args("t1", &link("t2"))).fails();
        assert!(
            failure.diagnostic.message.starts_with("refusing to convert from file"),
            "{}",
            failure.diagnostic.message
        );
        let mut forced = link("missing").to_vec();
        forced.push(("force", true.into()));
        forced.push(("follow", false.into()));
        bench.settles("t1", &forced);
        assert!(std::fs::symlink_metadata(bench.path("t1")).expect("stat").is_symlink());
    }

    #[test]
    fn hard_links() {
        let bench = Bench::new();
        std::fs::write(bench.path("s"), "x").expect("write");
        let src = shown(&bench.path("s"));
        bench.settles("h", &[("state", "hard".into()), ("src", src.clone().into())]);
        assert_eq!(std::fs::metadata(bench.path("h")).expect("stat").nlink(), 2);
        std::fs::write(bench.path("other"), "").expect("write");
        let args = bench.args("other", &[("state", "hard".into()), ("src", src.into())]);
        assert!(module("file", args).fails().diagnostic.message.starts_with("Cannot link"));
    }

    #[test]
    fn touch_creates_and_sets_times() {
        let bench = Bench::new();
        assert!(module("file", bench.args("t", &[("state", "touch".into())])).check(true).ok().changed);
        assert!(!bench.path("t").exists());
        let stamp = [
            ("state", Value::from("touch")),
            ("modification_time", "202001020304.05".into()),
            ("access_time", "202001020304.05".into()),
            ("mode", "0604".into()),
        ];
        bench.settles("t", &stamp);
        assert_eq!(mode(&bench.path("t")), 0o604);
        assert!(module("file", bench.args("t", &[("state", "touch".into())])).ok().changed, "now is always new");
        let keep = [
            ("state", Value::from("touch")),
            ("modification_time", "preserve".into()),
            ("access_time", "preserve".into()),
        ];
        assert!(!module("file", bench.args("t", &keep)).ok().changed);
        let failure =
            module("file", bench.args("t", &[("state", "touch".into()), ("access_time", "soon".into())])).fails();
        assert!(failure.diagnostic.message.contains("soon"), "{}", failure.diagnostic.message);
    }

    #[test]
    fn absent_removes_trees_but_not_through_links() {
        let bench = Bench::new();
        std::fs::create_dir_all(bench.path("d/e")).expect("folder");
        std::fs::write(bench.path("keep"), "").expect("write");
        std::os::unix::fs::symlink(bench.path("keep"), bench.path("d/e/l")).expect("link");
        bench.settles("d", &[("state", "absent".into())]);
        assert!(!bench.path("d").exists() && bench.path("keep").exists());
    }

    #[test]
    fn owner_and_state_file() {
        let bench = Bench::new();
        let failure = module("file", bench.args("f", &[])).fails();
        assert!(failure.diagnostic.message.ends_with("is absent, cannot continue"));
        std::fs::write(bench.path("f"), "").expect("write");
        if rustix::process::geteuid().is_root() {
            bench.settles("f", &[("owner", "nobody".into()), ("group", "12345".into()), ("mode", "4755".into())]);
            let found = std::fs::metadata(bench.path("f")).expect("stat");
            assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (65534, 12345, 0o4755));
        }
        let failure = module("file", bench.args("f", &[("owner", "no such user".into())])).fails();
        assert_eq!(failure.diagnostic.code, "H0108");
    }
}
