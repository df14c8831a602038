//! `copy` and `template`: a file, a rendered template, a text or a tree to the host.
//!
//! Sources of the controller arrive as [`Input`]s; their content is asked for only if it differs.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

mod host;
mod tree;

use super::attributes::{FileArgs, StateDiff, add_path_info, with_file_args, with_path_info};
use super::call::{Blob, Failure, Input, InputKind, TreeEntry};
use super::cx::Cx;
use super::folders::make_missing;
use super::place::{Place, diff_part, file_diff, first_mode};
use super::refusal::refused_with;
use super::spec::{InputArg, Meta, Module};
use super::types::{HostPath, Mode};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::Held;
use crate::system::digest::{Digest, Hasher};
use crate::system::fs::{Content, FileState, shown, umask};
use crate::value::{Map, StrKey, insert};

with_file_args! {
    /// Copies a file, a folder or a text to the host. Nothing is written if the content is there already.
    ///
    /// ```yaml
    /// - copy:
    ///     src: daemon.json
    ///     dest: /etc/docker/daemon.json
    ///     mode: '0644'
    ///     backup: true
    /// - copy:
    ///     content: "{{ settings | to_nice_json }}"
    ///     dest: /etc/builder.json
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct CopyArgs {
        /// A file or folder of the controller (of the host with `remote_src`); a folder with a slash at its
        /// end means what is in it.
        src: Option<String>,
        /// A text to write; mappings and lists become JSON.
        content: Option<Json>,
        /// Where to; a folder if it is one, or ends with a slash, or `src` is a folder.
        dest: HostPath,
        /// `src` is on the host.
        #[serde(default)]
        remote_src: bool,
        /// Keep a copy of what is replaced.
        #[serde(default)]
        backup: bool,
        /// Replace a file that is there with other content.
        #[serde(default = "yes")]
        force: bool,
        /// Write to a link's target instead of replacing the link.
        #[serde(default)]
        follow: bool,
        /// Copy what links of `src` point to; the other way round they are copied as links.
        local_follow: Option<bool>,
        /// The mode of folders that are created.
        directory_mode: Option<Mode>,
        /// SHA-1 that the content must have.
        checksum: Option<String>,
        /// A command that must accept the new content; `%s` is its path.
        validate: Option<String>,
        /// Open files of the controller that are sealed with a vault.
        #[serde(default = "yes")]
        #[expect(dead_code, reason = "the controller reads it when it opens the source")]
        decrypt: bool,
    }
}

with_file_args! {
    /// Renders a template on the controller and puts the result on the host.
    ///
    /// ```yaml
    /// - template:
    ///     src: daemon.json.j2
    ///     dest: /etc/docker/daemon.json
    ///     validate: python3 -m json.tool %s
    ///   notify: restart engine
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "the controller reads the settings of the template when it renders it")]
    pub struct TemplateArgs {
        /// The template on the controller.
        src: String,
        /// Where to; a folder if it is one.
        dest: HostPath,
        /// Keep a copy of what is replaced.
        #[serde(default)]
        backup: bool,
        /// Replace a file that is there with other content.
        #[serde(default = "yes")]
        force: bool,
        /// Write to a link's target instead of replacing the link.
        #[serde(default)]
        follow: bool,
        /// A command that must accept the new content; `%s` is its path.
        validate: Option<String>,
        /// What begins a block.
        block_start_string: Option<String>,
        /// What ends a block.
        block_end_string: Option<String>,
        /// What begins an expression.
        variable_start_string: Option<String>,
        /// What ends an expression.
        variable_end_string: Option<String>,
        /// What begins a comment.
        comment_start_string: Option<String>,
        /// What ends a comment.
        comment_end_string: Option<String>,
        /// Line ends of the result: `\n`, `\r` or `\r\n`.
        #[serde(default = "newline")]
        newline_sequence: String,
        /// Remove the first line break after a block.
        #[serde(default = "yes")]
        trim_blocks: bool,
        /// Remove white space before a block that begins a line.
        #[serde(default)]
        lstrip_blocks: bool,
        /// How the result is encoded: `utf-8`, `latin-1`, `windows-1252`, `utf-16` and the like.
        #[serde(default)]
        output_encoding: String,
    }
}

fn newline() -> String {
    "\\n".to_owned()
}

fn yes() -> bool {
    true
}

const SELINUX: &[(&str, &str)] = &[
    ("selevel", super::attributes::SELINUX),
    ("serole", super::attributes::SELINUX),
    ("setype", super::attributes::SELINUX),
    ("seuser", super::attributes::SELINUX),
];

/// The module `copy`.
pub struct Copy;
/// The module `template`.
pub struct Template;

impl Module for Copy {
    type Args = CopyArgs;
    const META: Meta = Meta {
        name: "copy",
        full_name: "ansible.builtin.copy",
        also: &["ansible.legacy.copy"],
        summary: "Copy files, folders and texts to the host",
        aliases: &[("attributes", &["attr"])],
        exclusive: &[&["src", "content"]],
        one_of: &[&["src", "content"]],
        refused: SELINUX,
        inputs: &[InputArg::File { arg: "src", unless: Some("remote_src"), unless_by_default: false }],
        secret: &["content"],
        reads: &["lsattr"],
        diff_list: true,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: CopyArgs) -> Result<Map, Failure> {
        let file = args.file_args();
        let raw_dest = args.dest.as_str().to_owned();
        let job = Job {
            cx,
            dest: args.dest.expand(cx.environment()),
            dest_is_folder: raw_dest.ends_with('/'),
            bare: !raw_dest.contains('/'),
            file: &file,
            backup: args.backup,
            force: args.force,
            follow: args.follow,
            directory_mode: args.directory_mode,
            checksum: args.checksum,
            validate: args.validate,
            links_as_files: args.local_follow.unwrap_or(!args.remote_src),
            top: None,
        };
        if let Some(content) = &args.content {
            let text = match content {
                Json::String(text) => text.clone(),
                Json::Object(_) | Json::Array(_) => {
                    let value = crate::value::from_json(content.clone());
                    crate::value::to_json_text(&value, crate::value::JsonStyle::default())
                }
                other => crate::value::python_str(&crate::value::from_json(other.clone())),
            };
            if job.dest_is_folder || cx.probe().is_dir(&job.dest) {
                let message = format!("`content` needs a file as `dest`, and `{}` is a folder", shown(&job.dest));
                let words = "can not use content with a dir as dest";
                return Err(Diagnostic::task("H0107", message).with_registered(words).into());
            }
            return job.one(Source::of_bytes(text.into_bytes(), None));
        }
        if args.remote_src {
            let src = args.src.as_deref().unwrap_or_default();
            return job.host_copy(&super::types::expand(src, cx.environment()), src.ends_with('/'));
        }
        let input = cx.input("src").ok_or_else(|| Diagnostic::internal("`copy` was called without its source"))?;
        if input.is_tree { job.tree(input) } else { job.single_input(input) }
    }
}

impl Module for Template {
    type Args = TemplateArgs;
    const META: Meta = Meta {
        name: "template",
        full_name: "ansible.builtin.template",
        also: &["ansible.legacy.template"],
        summary: "Put a rendered template on the host",
        missing: Some("src and dest are required"),
        aliases: &[("attributes", &["attr"])],
        refused: SELINUX,
        inputs: &[InputArg::Template { arg: "src" }],
        reads: &["lsattr"],
        diff_list: true,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: TemplateArgs) -> Result<Map, Failure> {
        let file = args.file_args();
        let job = Job {
            cx,
            dest: args.dest.expand(cx.environment()),
            dest_is_folder: args.dest.as_str().ends_with('/'),
            bare: !args.dest.as_str().contains('/') && !cx.probe().is_dir(&args.dest.expand(cx.environment())),
            file: &file,
            backup: args.backup,
            force: args.force,
            follow: args.follow,
            directory_mode: None,
            checksum: None,
            validate: args.validate,
            links_as_files: true,
            top: None,
        };
        let input = cx.input("src").ok_or_else(|| Diagnostic::internal("`template` was called without its text"))?;
        job.single_input(input)
    }
}

/// Where content comes from; known by its digest before it is fetched.
enum Body<'a> {
    Bytes(Vec<u8>),
    Entry(&'a TreeEntry),
    HostFile(PathBuf),
}

struct Source<'a> {
    sha1: String,
    mode: Option<u32>,
    body: Body<'a>,
}

impl<'a> Source<'a> {
    fn of_bytes(bytes: Vec<u8>, mode: Option<u32>) -> Self {
        Self { sha1: Hasher::of(Digest::Sha1, &bytes), mode, body: Body::Bytes(bytes) }
    }

    fn of_entry(entry: &'a TreeEntry) -> Result<Self> {
        match &entry.kind {
            InputKind::File { sha1, .. } => {
                Ok(Self { sha1: sha1.clone(), mode: Some(entry.mode & 0o7777), body: Body::Entry(entry) })
            }
            InputKind::Dir | InputKind::Link { .. } => Err(Diagnostic::internal("no file where one was expected")),
        }
    }

    /// It comes from the controller.
    fn is_sent(&self) -> bool {
        !matches!(self.body, Body::HostFile(_))
    }

    fn fetch(&self, cx: &Cx) -> Result<Fetched<'_>> {
        Ok(match &self.body {
            Body::Bytes(bytes) => Fetched::Bytes(Cow::Borrowed(bytes)),
            Body::HostFile(path) => Fetched::File(path.clone()),
            Body::Entry(entry) => match cx.blob(entry)? {
                Blob::Memory(bytes) => Fetched::Bytes(Cow::Owned(bytes.to_vec())),
                Blob::File(path) => Fetched::File(path),
            },
        })
    }
}

enum Fetched<'a> {
    Bytes(Cow<'a, [u8]>),
    File(PathBuf),
}

impl Fetched<'_> {
    fn content(&self) -> Content<'_> {
        match self {
            Self::Bytes(bytes) => Content::Bytes(bytes),
            Self::File(path) => Content::File(path),
        }
    }

    /// For a diff; a large file is not read whole.
    fn diff_part(&self, cx: &Cx) -> Result<Cow<'_, [u8]>> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => diff_part(cx, path).map(Cow::Owned),
        }
    }

    fn md5(&self, cx: &Cx) -> Result<String> {
        match self {
            Self::Bytes(bytes) => Ok(Hasher::of(Digest::Md5, bytes)),
            Self::File(path) => cx.probe().digest(path, Digest::Md5),
        }
    }
}

struct Job<'a> {
    cx: &'a Cx,
    dest: PathBuf,
    dest_is_folder: bool,
    /// `dest` has no folder in it.
    bare: bool,
    file: &'a FileArgs,
    backup: bool,
    force: bool,
    follow: bool,
    directory_mode: Option<Mode>,
    checksum: Option<String>,
    validate: Option<String>,
    links_as_files: bool,
    /// The top of a tree, held open: what is below gets its attributes through it.
    top: Option<(PathBuf, Held)>,
}

impl Job<'_> {
    fn single_input(mut self, input: &Input) -> Result<Map, Failure> {
        let entry = input.entries.first().ok_or_else(|| Diagnostic::internal("an input without a file"))?;
        if self.dest_is_folder || self.cx.probe().is_dir(&self.dest) {
            self.dest.push(&input.basename);
        }
        let cx = self.cx;
        let mut result = self.one(Source::of_entry(entry)?)?;
        // Where something was sent, Ansible names its temporary copy; ours has only a name.
        if result.contains_key(&StrKey("md5sum")) && !cx.check_mode() {
            insert(&mut result, "src", input.basename.as_str());
        }
        Ok(result)
    }

    /// One file to `self.dest`, the folders above it made if `dest` ended with a slash.
    fn one(self, source: Source<'_>) -> Result<Map, Failure> {
        self.has_checksum(Some(&source.sha1))?;
        if self.dest_is_folder
            && let Some(parent) = self.dest.parent()
            && !self.cx.probe().exists(parent)
        {
            self.make_folders(parent)?;
        }
        let mut result = Map::new();
        let dest = self.dest.clone();
        let written = self.put(&dest, &source, &mut result)?;
        // Where the content stays, Ansible answers as `file` does.
        if !written
            && source.is_sent()
            && result.contains_key(&StrKey("checksum"))
            && let Some(dest) = result.get(&StrKey("dest")).cloned()
        {
            insert(&mut result, "path", dest);
        }
        Ok(result)
    }

    /// The argument `checksum` is that of the content; a folder has none.
    fn has_checksum(&self, sha1: Option<&str>) -> Result<(), Failure> {
        match &self.checksum {
            Some(expected) if !sha1.is_some_and(|sha1| expected.eq_ignore_ascii_case(sha1)) => Err(refused_with(
                "H0109",
                "Copied file does not match the expected checksum. Transfer failed.",
                map! { "checksum" => sha1, "expected_checksum" => expected.clone() },
            )),
            _ => Ok(()),
        }
    }

    fn make_folders(&self, folder: &Path) -> Result<()> {
        let file = FileArgs { mode: self.directory_mode.clone(), attributes: None, ..self.file.clone() };
        let settle = |part: &Path| self.apply(part, &file, &mut StateDiff::default()).map(drop);
        make_missing(self.cx, folder, |error, _| error, settle)
    }

    /// Content and attributes of one path; true if the content was written.
    fn put(&self, dest: &Path, source: &Source<'_>, result: &mut Map) -> Result<bool, Failure> {
        let (cx, probe) = (self.cx, self.cx.probe());
        let mut path = dest.to_owned();
        let state = probe.state(&path).map_err(|error| {
            if !source.is_sent() {
                return error;
            }
            // The controller looks first.
            let words = format!(
                "Task failed: Failed to get information on remote file ({}): {}",
                shown(&path),
                error.registered()
            );
            error.with_registered(words)
        })?;
        let is_link = state == FileState::Link;
        if is_link && self.follow {
            path = probe.real(&path);
        }
        insert(result, "dest", shown(&path));
        let exists = probe.exists(&path);
        // What a task before would have made is not there in check mode.
        let sent = source.is_sent();
        if exists && !self.force {
            if !sent {
                insert(result, "msg", "file already exists");
                add_path_info(cx, result, &path);
            }
            return Ok(false);
        }
        if let Some(parent) = path.parent()
            && !parent.as_os_str().is_empty()
            && !probe.exists(parent)
            && !(cx.check_mode() && (cx.changed() || sent))
        {
            let result = if sent {
                map! { "checksum" => source.sha1.clone() }
            } else {
                Map::new()
            };
            return Err(no_parent(parent, result));
        }
        if probe.is_dir(&path) {
            let error = Diagnostic::task("H0107", format!("`{}` is a folder, not a file", shown(&path)));
            return Err(Failure::with_result(error, result.clone()));
        }
        let present = if probe.stat(&path)?.is_some_and(|found| found.is_file()) {
            Some(probe.digest(&path, Digest::Sha1)?)
        } else {
            None
        };
        let replaces_link = is_link && !self.follow;
        let differs = present.as_deref() != Some(&*source.sha1) || replaces_link;
        let mode = self.mode_for(&path, source, present.is_none(), differs && (exists || is_link))?;
        insert(result, "checksum", source.sha1.clone());
        if (differs || !sent) && self.bare && path.is_relative() {
            // As Ansible's module, which is asked only where something is to be done.
            path = Path::new(".").join(path);
            insert(result, "dest", shown(&path));
        }
        if differs {
            let content = source.fetch(cx)?;
            if cx.diff_mode() {
                let before = if present.is_some() { Some(diff_part(cx, &path)?) } else { None };
                let header = shown(&path);
                let name = if present.is_some() { &*header } else { "" };
                cx.diff(file_diff(cx, name, &header, before.as_deref(), &content.diff_part(cx)?));
            }
            let place = Place {
                path: &path,
                spot: None,
                content: content.content(),
                backup: self.backup,
                validate: self.validate.as_deref(),
                file: self.file,
                mode,
                keep_present: !replaces_link && sent,
            };
            let refused = |output: &crate::system::process::Output| {
                map! {
                    "msg" => "failed to validate", "exit_status" => output.rc,
                    "stdout" => output.out(), "stderr" => output.err(),
                }
            };
            let written = place.write_or(cx, refused).map_err(|failure| {
                let mut failure = sent_failure(failure, source);
                if failure.diagnostic.registered().contains("is not writable by the current user") {
                    let folder = path.parent().map(shown).unwrap_or_default();
                    failure.diagnostic =
                        failure.diagnostic.with_registered(format!("Destination {folder} not writable"));
                }
                failure
            })?;
            if let Some(copy) = written {
                insert(result, "backup_file", shown(&copy));
            }
            insert(result, "md5sum", content.md5(cx)?);
            if let Body::HostFile(from) = &source.body
                && !cx.check_mode()
            {
                host::keep_times(cx, from, &path)?;
            }
        } else if let Body::HostFile(from) = &source.body {
            insert(result, "md5sum", probe.digest(from, Digest::Md5)?);
        }
        let file = match mode {
            // What stays as it is in check mode has its own mode still.
            Some(_) if !sent && cx.check_mode() && self.file.mode.is_none() => self.file.clone(),
            Some(bits) => FileArgs { mode: Some(Mode::Bits(bits)), ..self.file.clone() },
            None => self.file.clone(),
        };
        let mut diff = StateDiff::default();
        if probe.exists(&path) {
            self.apply(&path, &file, &mut diff)
                .map_err(|error| sent_failure(with_path_info(cx, error, &path), source))?;
        }
        // As with Ansible: attributes are a difference of their own only where the content stays.
        if !differs && !diff.is_empty() {
            diff.set("path", shown(&path), shown(&path));
            cx.diff(diff.into_diff("", ""));
        }
        add_path_info(cx, result, &path);
        if cx.check_mode() && differs && sent {
            // Ansible's controller does not go on to the module.
            result.clear();
        }
        Ok(differs)
    }

    /// The mode that a file gets with its content; `replaces`: other content than what is there.
    fn mode_for(&self, path: &Path, source: &Source<'_>, new: bool, replaces: bool) -> Result<Option<u32>> {
        Ok(match &self.file.mode {
            Some(Mode::Preserve) => source.mode,
            // A file that was on the host before replaces another one with its mode; Ansible's module moves a copy of it.
            mode if replaces && !source.is_sent() => {
                let bits = source.mode.unwrap_or_default();
                mode.as_ref().map_or(Some(bits), |mode| mode.resolve(bits, false, umask()))
            }
            Some(mode) if new || replaces => first_mode(self.cx, path, Some(mode))?,
            _ => None,
        })
    }
}

/// What the controller knows of a file that it sent stands in a failure, too.
fn sent_failure(mut failure: Failure, source: &Source<'_>) -> Failure {
    if source.is_sent() {
        insert(&mut failure.result, "checksum", source.sha1.clone());
    }
    failure
}

fn no_parent(parent: &Path, mut result: Map) -> Failure {
    let error = Diagnostic::task("H0107", format!("destination directory {} does not exist", shown(parent)))
        .with_hint("create it before with `file: state=directory`, or end `dest` with a slash");
    insert(&mut result, "msg", format!("Destination directory {} does not exist", shown(parent)));
    Failure::with_result(error, result)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::super::testing::{file_entry, get, module};
    use super::*;
    use crate::value::Value;

    fn text(path: &Path) -> String {
        shown(path)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("stat").permissions().mode() & 0o7777
    }

    #[test]
    fn content_is_written_once_with_mode_backup_and_diff() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a b");
        let args =
            |content: &str| map! { "content" => content, "dest" => text(&path), "mode" => "0640", "backup" => true };
        assert!(module("copy", args("one\n")).check(true).ok().changed);
        assert!(!path.exists());
        let outcome = module("copy", args("one\n")).ok();
        assert_eq!(
            (get(&outcome, "checksum"), get(&outcome, "mode")),
            (json!(Hasher::of(Digest::Sha1, b"one\n")), json!("0640"))
        );
        assert!(!module("copy", args("one\n")).ok().changed);
        let outcome = module("copy", args("two\n")).ok();
        assert_eq!((outcome.diffs[0].before.as_str(), outcome.diffs[0].after.as_str()), ("one\n", "two\n"));
        let copy = get(&outcome, "backup_file").as_str().map(str::to_owned).expect("backup");
        assert_eq!(std::fs::read_to_string(copy).expect("read"), "one\n");
        let value = Value::from(map! { "k" => Value::from(vec![Value::from(1), true.into()]) });
        module("copy", map! { "content" => value, "dest" => text(&path) }).ok();
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "{\"k\": [1, true]}");
        assert_eq!(mode(&path), 0o640, "the mode stays without `mode`");
    }

    #[test]
    fn controller_files_go_to_files_and_folders() {
        let folder = tempfile::tempdir().expect("folder");
        let to = |dest: &str, more: &[(&str, Value)]| {
            let mut args = map! { "src" => "x.conf", "dest" => format!("{}/{dest}", text(folder.path())) };
            for (key, value) in more {
                insert(&mut args, key, value.clone());
            }
            module("copy", args).src("x.conf", 0o751, b"data\xff")
        };
        to("", &[]).ok();
        assert_eq!(std::fs::read(folder.path().join("x.conf")).expect("read"), b"data\xff");
        assert!(to("new/deep/", &[]).check(true).ok().changed);
        to("new/deep/", &[("mode", "preserve".into()), ("directory_mode", "0711".into())]).ok();
        assert_eq!(
            (mode(&folder.path().join("new/deep/x.conf")), mode(&folder.path().join("new/deep"))),
            (0o751, 0o711)
        );
        assert!(to("no/such", &[]).check(true).ok().changed, "a task before may make the folder");
        let failure = to("no/such", &[]).fails();
        assert!(failure.diagnostic.message.contains("does not exist"));
        std::fs::write(folder.path().join("kept"), "mine").expect("write");
        assert!(!to("kept", &[("force", false.into())]).ok().changed);
        let failure = to("kept", &[("checksum", "abc".into())]).fails();
        assert_eq!(failure.diagnostic.code, "H0109");
        let failure = to("kept", &[("validate", "sh -c 'echo bad >&2; exit 3' %s".into())]).fails();
        assert_eq!(failure.diagnostic.code, "H0109");
        assert!(failure.diagnostic.notes.contains(&"bad".to_owned()), "{:?}", failure.diagnostic);
        let result = Value::from(failure.result);
        assert_eq!(result.get("msg").and_then(Value::as_str), Some("failed to validate"));
        assert_eq!(result.get("exit_status"), Some(&Value::Int(3)));
        assert_eq!(result.get("stderr").and_then(Value::as_str), Some("bad\n"));
        assert!(result.get("checksum").is_some(), "{result:?}");
        assert_eq!(std::fs::read_to_string(folder.path().join("kept")).expect("read"), "mine");
    }

    #[test]
    fn links_at_the_destination() {
        let folder = tempfile::tempdir().expect("folder");
        let (target, link) = (folder.path().join("t"), folder.path().join("l"));
        std::fs::write(&target, "old").expect("write");
        std::os::unix::fs::symlink(&target, &link).expect("link");
        let args = map! { "content" => "new", "dest" => text(&link), "follow" => true };
        module("copy", args).ok();
        assert_eq!(std::fs::read_to_string(&target).expect("read"), "new");
        module("copy", map! { "content" => "other", "dest" => text(&link) }).ok();
        assert!(std::fs::symlink_metadata(&link).expect("stat").is_file());
        assert_eq!(std::fs::read_to_string(&target).expect("read"), "new");
    }

    #[test]
    fn trees_are_copied_and_settle() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = |path: &str| TreeEntry { path: path.into(), mode: 0o755, kind: InputKind::Dir };
        let link = TreeEntry { path: "sub/l".into(), mode: 0o777, kind: InputKind::Link { target: "f".into() } };
        let input = |contents_only| Input {
            arg: "src".into(),
            entries: vec![
                dir("sub"),
                file_entry("sub/f", 0o644, b"x"),
                file_entry("top", 0o600, b"y"),
                link.clone(),
                dir("empty"),
            ],
            is_tree: true,
            basename: "tree".into(),
            contents_only,
            repositories: Vec::new(),
        };
        let run = |contents_only, check| {
            let args = map! { "src" => "tree", "dest" => text(folder.path()) };
            module("copy", args).input(input(contents_only)).check(check).ok().changed
        };
        assert!(run(false, true) && std::fs::read_dir(folder.path()).expect("list").count() == 0);
        assert!(run(false, false) && folder.path().join("tree/empty").is_dir());
        assert_eq!(std::fs::read_link(folder.path().join("tree/sub/l")).expect("link"), Path::new("f"));
        assert!(!run(false, false), "second run");
        assert!(run(true, false) && folder.path().join("sub/f").exists());
        let evil = Input { entries: vec![file_entry("../out", 0o644, b"x")], ..input(true) };
        let failure =
            module("copy", map! { "src" => "t", "dest" => text(&folder.path().join("tree")) }).input(evil).fails();
        assert_eq!(failure.diagnostic.code, "X0001");
    }

    #[test]
    fn sources_of_the_host() {
        let folder = tempfile::tempdir().expect("folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir_all(from.join("d")).expect("folder");
        std::fs::write(from.join("d/f"), "x").expect("write");
        std::fs::set_permissions(from.join("d/f"), std::fs::Permissions::from_mode(0o711)).expect("mode");
        let args = map! { "src" => text(&from) + "/", "dest" => text(&to), "remote_src" => true };
        assert!(module("copy", args.clone()).ok().changed);
        assert_eq!(mode(&to.join("d/f")), 0o711);
        assert!(!module("copy", args).ok().changed, "second run");
        std::os::unix::fs::symlink("..", from.join("d/ring")).expect("link");
        std::os::unix::fs::symlink("self", from.join("d/self")).expect("link");
        let args =
            map! { "src" => text(&from) + "/", "dest" => text(&folder.path().join("rung")), "remote_src" => true };
        module("copy", args).ok();
        assert_eq!(std::fs::read_link(folder.path().join("rung/d/ring")).expect("link"), Path::new(".."));
        let args = map! { "src" => text(&from.join("d/f")), "dest" => text(&to.join("g")), "remote_src" => true, "mode" => "preserve" };
        let outcome = module("copy", args).ok();
        assert_eq!(get(&outcome, "mode"), json!("0711"));
        let args = map! { "src" => text(&from), "dest" => text(&from.join("d")), "remote_src" => true };
        assert_eq!(module("copy", args).fails().diagnostic.code, "H0107");
    }

    #[test]
    fn templates_arrive_rendered() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("out");
        let args = map! { "src" => "x.j2", "dest" => text(&path), "mode" => "u=rw,g=r,o=" };
        let outcome = module("template", args.clone()).src("x.j2", 0o644, b"rendered\n").ok();
        assert!(outcome.changed);
        assert_eq!((std::fs::read_to_string(&path).expect("read").as_str(), mode(&path)), ("rendered\n", 0o640));
        assert!(!module("template", args).src("x.j2", 0o644, b"rendered\n").ok().changed);
    }

    #[test]
    fn differences_of_large_files_are_not_read_whole() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("large");
        std::fs::File::create(&path).and_then(|file| file.set_len(3 << 30)).expect("sparse");
        let cx = super::super::testing::handle("copy");
        let fetched = Fetched::File(path.clone());
        assert!(fetched.diff_part(&cx).expect("a part").len() < 1 << 20);
        std::fs::write(&path, "abc").expect("write");
        assert_eq!(fetched.md5(&cx).expect("digest"), "900150983cd24fb0d6963f7d28e17f72");
        // One that is there and large is replaced, and the difference says so.
        std::fs::File::create(&path).and_then(|file| file.set_len(1100 << 20)).expect("sparse");
        let cx = super::super::testing::handle("copy");
        let part = diff_part(&cx, &path).expect("a part");
        let diff = file_diff(&cx, "a", "b", Some(&part), b"small");
        assert!(diff.prepared.is_some_and(|text| text.contains("diff skipped")));
    }
}
