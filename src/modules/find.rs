//! `find`: files of the host by name, age, size, content and mode. The logic and the result are Ansible's.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{refused, refused_with};
use super::spec::{Meta, Module};
use super::stat::Algorithm;
use super::types::{HostPath, Mode};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::accounts;
use crate::system::fs::shown;
use crate::system::glob;
use crate::value::{Codec, Map, PythonRegex, Stray, Value, insert};

/// Looks for files below folders.
///
/// ```yaml
/// - name: Old build logs
///   find:
///     paths: /var/log/builds
///     patterns: '*.log'
///     age: 4w
///     recurse: true
///   register: old
/// - file:
///     path: "{{ item.path }}"
///     state: absent
///   loop: "{{ old.files }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The folders.
    paths: Vec<HostPath>,
    /// Shell patterns of names, or Python's patterns with `use_regex`; all names if empty.
    #[serde(default)]
    patterns: Vec<String>,
    /// Patterns of names to leave out.
    excludes: Option<Vec<String>>,
    /// A pattern that the beginning of a line, or the whole text with `read_whole_file`, must match.
    contains: Option<String>,
    /// Look for `contains` in the whole text.
    #[serde(default)]
    read_whole_file: bool,
    /// What to look for.
    #[serde(default)]
    file_type: FileType,
    /// Only what is at least that old; younger with a minus. Seconds, or with `s`, `m`, `h`, `d`, `w`.
    age: Option<String>,
    /// Which time `age` is about.
    #[serde(default)]
    age_stamp: Stamp,
    /// Only what is at least that large; smaller with a minus. Bytes, or with `b`, `k`, `m`, `g`, `t`.
    size: Option<String>,
    /// Go into folders below.
    #[serde(default)]
    recurse: bool,
    /// Names that begin with a dot too.
    #[serde(default)]
    hidden: bool,
    /// Go through links to folders.
    #[serde(default)]
    follow: bool,
    /// Compute checksums of regular files.
    #[serde(default)]
    get_checksum: bool,
    /// How the checksum is made.
    #[serde(default)]
    checksum_algorithm: Algorithm,
    /// Patterns are Python's.
    #[serde(default)]
    use_regex: bool,
    /// How many levels down.
    depth: Option<i64>,
    /// Only this mode, octal or symbolic.
    mode: Option<Json>,
    /// The mode must be equal; otherwise any of its bits is enough.
    #[serde(default = "yes")]
    exact_mode: bool,
    /// The encoding of files for `contains`.
    encoding: Option<String>,
    /// How many at most.
    limit: Option<i64>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum FileType {
    Any,
    Directory,
    #[default]
    File,
    Link,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
enum Stamp {
    Atime,
    Ctime,
    #[default]
    Mtime,
}

/// The module.
pub struct Find;

impl Module for Find {
    type Args = Args;
    const META: Meta = Meta {
        name: "find",
        full_name: "ansible.builtin.find",
        also: &["ansible.legacy.find"],
        summary: "Look for files",
        aliases: &[
            ("paths", &["name", "path"]),
            ("patterns", &["pattern"]),
            ("excludes", &["exclude"]),
            ("checksum_algorithm", &["checksum", "checksum_algo"]),
        ],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let mut search = Search::new(cx, &args)?;
        let mut warned = false;
        for path in &args.paths {
            let root = path.expand(cx.environment());
            match search.folder(&root) {
                Ok(()) => {}
                Err(Stop::Here(reason)) => {
                    cx.warn(format!("Skipped '{}' path due to this access issue: {reason}\n", shown(&root)));
                    insert(&mut search.skipped, &shown(&root), reason);
                    warned = true;
                }
                Err(Stop::Task(error)) => return Err(error.into()),
            }
        }
        warned |= search.warned;
        let message = if warned {
            "Not all paths examined, check warnings for details"
        } else if search.limited {
            "Limit of matches reached"
        } else {
            "All paths examined"
        };
        Ok(map! {
            "matched" => search.found.len(), "files" => search.found, "msg" => message,
            "examined" => search.examined, "skipped_paths" => search.skipped,
        })
    }
}

/// Why a folder was left.
enum Stop {
    /// This one cannot be searched.
    Here(String),
    /// The task ends.
    Task(Diagnostic),
}

impl From<Diagnostic> for Stop {
    fn from(error: Diagnostic) -> Self {
        Self::Task(error)
    }
}

enum Names {
    Shell(Vec<String>),
    Python(Vec<PythonRegex>),
}

impl Names {
    fn new(patterns: &[String], python: bool) -> Result<Self> {
        if !python {
            return Ok(Self::Shell(patterns.to_vec()));
        }
        let compiled = patterns.iter().map(|pattern| compile("patterns", pattern));
        compiled.collect::<Result<_>>().map(Self::Python)
    }

    fn fits(&self, name: &str) -> Result<bool> {
        match self {
            Self::Shell(patterns) => Ok(patterns.iter().any(|pattern| glob::matches(pattern, name))),
            Self::Python(patterns) => {
                for pattern in patterns {
                    if begins_with(pattern, name)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

fn compile(name: &str, pattern: &str) -> Result<PythonRegex> {
    PythonRegex::text(pattern)
        .map_err(|reason| Diagnostic::task("H0110", format!("`{name}` holds no valid pattern: {reason}")))
}

/// `re.match`: the first match of a search is at the beginning if there is one there.
fn begins_with(pattern: &PythonRegex, text: &str) -> Result<bool> {
    let found = pattern
        .search(text)
        .map_err(|reason| Diagnostic::task("H0110", format!("a pattern took too long: {reason}")))?;
    Ok(found.is_some_and(|found| found.start == 0))
}

struct Search<'a> {
    cx: &'a Cx,
    args: &'a Args,
    names: Names,
    excludes: Option<Names>,
    contains: Option<PythonRegex>,
    age: Option<i64>,
    size: Option<i64>,
    mode: Option<u32>,
    limit: Option<usize>,
    now: f64,
    found: Vec<Value>,
    skipped: Map,
    examined: usize,
    limited: bool,
    warned: bool,
}

/// `-3d` as a number of the smallest unit.
fn quantity(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let text = text.to_lowercase();
    let (digits, factor) = match units.iter().find(|(letter, _)| text.ends_with(*letter)) {
        Some((letter, factor)) => (text.trim_end_matches(*letter), *factor),
        None => (text.as_str(), 1),
    };
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    (!plain.is_empty() && plain.chars().all(|c| c.is_ascii_digit()) && digits.len() + 1 >= text.len())
        .then(|| digits.parse::<i64>().ok()?.checked_mul(factor))?
}

impl<'a> Search<'a> {
    fn new(cx: &'a Cx, args: &'a Args) -> Result<Self, Failure> {
        let mode = match &args.mode {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) if text.is_empty() => None,
            Some(Json::String(text)) => Some(
                Mode::parse(text)
                    .ok()
                    .and_then(|mode| mode.resolve(0, false, crate::system::fs::umask()))
                    .ok_or_else(|| refused("H0107", format!("bad symbolic permission for mode: {text}")))?,
            ),
            Some(other) => {
                let kind = if other.is_number() { "int" } else { "list" };
                let message =
                    format!("argument 'mode' is not a string and conversion is not allowed, value is of type {kind}");
                return Err(refused("H0107", message));
            }
        };
        let age = args.age.as_deref().map(|text| {
            quantity(text, &[('s', 1), ('m', 60), ('h', 3600), ('d', 86400), ('w', 604_800)])
                .ok_or_else(|| refused_with("H0107", "failed to process age", map! { "age" => text }))
        });
        let size = args.size.as_deref().map(|text| {
            quantity(text, &[('b', 1), ('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30), ('t', 1 << 40)])
                .ok_or_else(|| refused_with("H0107", "failed to process size", map! { "size" => text }))
        });
        if let Some(limit) = args.limit.filter(|limit| *limit <= 0) {
            return Err(refused("H0107", format!("limit cannot be {limit} (use None for unlimited)")));
        }
        let all = [if args.use_regex { ".*" } else { "*" }.to_owned()];
        let patterns = if args.patterns.is_empty() { all.as_slice() } else { &args.patterns };
        let excludes = args.excludes.as_deref().filter(|list| !list.is_empty());
        Ok(Self {
            cx,
            args,
            names: Names::new(patterns, args.use_regex)?,
            excludes: excludes.map(|list| Names::new(list, args.use_regex)).transpose()?,
            contains: args.contains.as_deref().map(|pattern| compile("contains", pattern)).transpose()?,
            age: age.transpose()?,
            size: size.transpose()?,
            mode,
            limit: args.limit.and_then(|limit| usize::try_from(limit).ok()),
            now: seconds_now(),
            found: Vec::new(),
            skipped: Map::new(),
            examined: 0,
            limited: false,
            warned: false,
        })
    }

    fn full(&self) -> bool {
        self.limit.is_some_and(|limit| self.found.len() >= limit)
    }

    /// One of `paths`, parents before children.
    fn folder(&mut self, root: &Path) -> Result<(), Stop> {
        if !self.cx.probe().is_dir(root) {
            return Err(Stop::Here(format!("'{}' is not a directory", shown(root))));
        }
        let above = shown(root).trim_end_matches('/').matches('/').count();
        let mut open = vec![root.to_owned()];
        let mut ancestors: Vec<(u64, u64)> = Vec::new();
        while let Some(folder) = open.pop() {
            if self.cx.cancelled() {
                return Err(Stop::Task(Diagnostic::task("H0104", "the search was interrupted")));
            }
            let (mut files, mut folders) = (Vec::new(), Vec::new());
            let entries = match self.cx.probe().entries(&folder) {
                Ok(entries) => entries,
                Err(reason) => {
                    insert(&mut self.skipped, &shown(&folder), reason);
                    continue;
                }
            };
            for (path, is_dir) in entries {
                if is_dir { folders.push(path) } else { files.push(path) }
            }
            self.examined += files.len() + folders.len();
            let mut deeper = true;
            for path in files.iter().chain(&folders) {
                if let Some(most) = self.args.depth.filter(|depth| *depth != 0) {
                    let depth = shown(path).matches('/').count().saturating_sub(above);
                    if i64::try_from(depth).unwrap_or(i64::MAX) > most {
                        deeper = false;
                        continue;
                    }
                }
                self.entry(path)?;
                if self.full() {
                    self.limited = true;
                    break;
                }
            }
            if !self.args.recurse || self.full() {
                break;
            }
            if !deeper {
                continue;
            }
            for path in folders.into_iter().rev() {
                let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
                if found.is_symlink() {
                    if !self.args.follow {
                        continue;
                    }
                    // A ring of links would have no end.
                    let Ok(Some(real)) = self.cx.probe().stat(&path) else { continue };
                    if ancestors.contains(&(real.dev(), real.ino())) {
                        continue;
                    }
                    ancestors.push((real.dev(), real.ino()));
                }
                open.push(path);
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path) -> Result<(), Stop> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') && !self.args.hidden {
            return Ok(());
        }
        let found = match self.cx.probe().lstat(path) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.cx.warn(format!("Skipped entry '{}' due to access issue.", shown(path)));
                insert(&mut self.skipped, &shown(path), error.message.clone());
                self.warned = true;
                return Ok(());
            }
        };
        let regular = found.is_file();
        let wanted = match self.args.file_type {
            FileType::Any => true,
            FileType::Directory => found.is_dir(),
            FileType::File => regular,
            FileType::Link => found.is_symlink(),
        };
        let named = wanted
            && self.names.fits(&name)?
            && !self.excludes.as_ref().map_or(Ok(false), |excludes| excludes.fits(&name))?;
        if !named || !self.of_age(&found) || (regular && !self.of_size(&found)) {
            return Ok(());
        }
        if self.args.file_type == FileType::File && !self.holds(path)? {
            return Ok(());
        }
        if !self.of_mode(&found) {
            return Ok(());
        }
        let mut item = map! { "path" => shown(&normal(path)) };
        item.extend(info(&found));
        if regular && self.args.get_checksum && matches!(self.args.file_type, FileType::Any | FileType::File) {
            let digest = self.cx.probe().digest(path, self.args.checksum_algorithm.into());
            insert(&mut item, "checksum", digest.map_err(|error| Stop::Here(error.message.clone()))?);
        }
        self.found.push(item.into());
        Ok(())
    }

    fn of_age(&self, found: &Metadata) -> bool {
        let Some(age) = self.age else { return true };
        let stamp = match self.args.age_stamp {
            Stamp::Atime => seconds(found.atime(), found.atime_nsec()),
            Stamp::Ctime => seconds(found.ctime(), found.ctime_nsec()),
            Stamp::Mtime => seconds(found.mtime(), found.mtime_nsec()),
        };
        let limit = seconds(age.saturating_abs(), 0);
        if age >= 0 { self.now - stamp >= limit } else { self.now - stamp <= limit }
    }

    fn of_size(&self, found: &Metadata) -> bool {
        match self.size {
            None => true,
            Some(size) if size >= 0 => found.size() >= size.unsigned_abs(),
            Some(size) => found.size() <= size.unsigned_abs(),
        }
    }

    fn of_mode(&self, found: &Metadata) -> bool {
        match self.mode {
            None => true,
            Some(mode) if self.args.exact_mode => found.mode() & 0o7777 == mode,
            Some(mode) => found.mode() & 0o7777 & mode != 0,
        }
    }

    /// The content matches `contains`.
    fn holds(&self, path: &Path) -> Result<bool, Stop> {
        let Some(pattern) = &self.contains else { return Ok(true) };
        let name = self.args.encoding.as_deref();
        let codec = Codec::of(name.unwrap_or("utf-8"))
            .ok_or_else(|| Stop::Here(format!("unknown encoding: {}", name.unwrap_or_default())))?;
        let Ok(bytes) = self.cx.probe().read(path) else { return Ok(false) };
        let unreadable = || {
            let name = name.unwrap_or("None (default determined by the Python built-in function \"open\")");
            let path = shown(path);
            Stop::Here(format!("Failed to read the file {path} due to an encoding error. current encoding: {name}"))
        };
        let text =
            codec.decode(&bytes, Stray::Refuse).ok_or_else(unreadable)?.replace("\r\n", "\n").replace('\r', "\n");
        if self.args.read_whole_file {
            let found = pattern.search(&text).map_err(|reason| Diagnostic::task("H0110", reason))?;
            return Ok(found.is_some());
        }
        for line in text.split_inclusive('\n') {
            if begins_with(pattern, line)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `os.path.normpath`: by its text alone, a relative path may begin with `..`.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match (part, out.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(out.pop()),
            (part, _) => out.push(part),
        }
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "Ansible reports times as floats")]
fn seconds(seconds: i64, nanos: i64) -> f64 {
    seconds as f64 + 1e-9 * nanos as f64
}

fn seconds_now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// What Ansible tells of each file.
fn info(found: &Metadata) -> Map {
    let (kind, mode) = (found.file_type(), found.mode());
    let bit = |bit: u32| mode & bit != 0;
    map! {
        "mode" => format!("{:04o}", mode & 0o7777),
        "isdir" => kind.is_dir(), "ischr" => kind.is_char_device(), "isblk" => kind.is_block_device(),
        "isreg" => kind.is_file(), "isfifo" => kind.is_fifo(), "islnk" => kind.is_symlink(),
        "issock" => kind.is_socket(), "uid" => found.uid(), "gid" => found.gid(), "size" => found.size(),
        "inode" => found.ino(), "dev" => found.dev(), "nlink" => found.nlink(),
        "atime" => seconds(found.atime(), found.atime_nsec()),
        "mtime" => seconds(found.mtime(), found.mtime_nsec()),
        "ctime" => seconds(found.ctime(), found.ctime_nsec()),
        "gr_name" => accounts::group_of_gid(found.gid()).map(|group| group.name).unwrap_or_default(),
        "pw_name" => accounts::account_of_uid(found.uid()).map(|account| account.name).unwrap_or_default(),
        "wusr" => bit(0o200), "rusr" => bit(0o400), "xusr" => bit(0o100),
        "wgrp" => bit(0o020), "rgrp" => bit(0o040), "xgrp" => bit(0o010),
        "woth" => bit(0o002), "roth" => bit(0o004), "xoth" => bit(0o001),
        "isuid" => bit(0o4000), "isgid" => bit(0o2000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir_all(folder.path().join("d/e")).expect("folder");
        for (name, text) in [("a.txt", "one\nOK\n"), ("b.log", "x"), (".h", ""), ("d/c.txt", "OK\n"), ("d/e/f.txt", "")]
        {
            std::fs::write(folder.path().join(name), text).expect("write");
        }
        std::os::unix::fs::symlink("d", folder.path().join("l")).expect("link");
        folder
    }

    fn check(args: &[(&str, Value)], expected: &[&str], examined: usize) {
        let folder = tree();
        let root = shown(folder.path());
        let mut map = map! { "paths" => root.clone() };
        for (name, value) in args {
            insert(&mut map, name, value.clone());
        }
        let outcome = module("find", map).ok();
        let files = get(&outcome, "files");
        let mut names: Vec<String> = files
            .as_array()
            .expect("list")
            .iter()
            .map(|file| {
                file["path"].as_str().expect("path").trim_start_matches(&root).trim_start_matches('/').to_owned()
            })
            .collect();
        names.sort();
        assert_eq!(names, expected, "{args:?}");
        assert_eq!(get(&outcome, "examined"), json!(examined), "{args:?}");
        assert_eq!(get(&outcome, "matched"), json!(expected.len()));
    }

    #[test]
    fn files_by_name_content_and_depth() {
        let yes = || Value::from(true);
        let s = |text: &str| Value::from(text);
        check(&[], &["a.txt", "b.log"], 5);
        check(&[("hidden", yes())], &[".h", "a.txt", "b.log"], 5);
        check(&[("recurse", yes())], &["a.txt", "b.log", "d/c.txt", "d/e/f.txt"], 8);
        check(&[("recurse", yes()), ("depth", Value::Int(2))], &["a.txt", "b.log", "d/c.txt"], 8);
        check(&[("patterns", s("*.txt")), ("recurse", yes()), ("excludes", s("c*"))], &["a.txt", "d/e/f.txt"], 8);
        check(&[("patterns", s("^b")), ("use_regex", yes())], &["b.log"], 5);
        check(&[("contains", s("OK"))], &["a.txt"], 5);
        check(&[("contains", s("O$")), ("read_whole_file", yes())], &[], 5);
        check(&[("contains", s("one.OK")), ("read_whole_file", yes())], &[], 5);
        check(&[("file_type", s("any"))], &["a.txt", "b.log", "d", "l"], 5);
        check(&[("file_type", s("link"))], &["l"], 5);
        check(&[("file_type", s("directory")), ("recurse", yes())], &["d", "d/e"], 8);
        check(&[("follow", yes()), ("recurse", yes()), ("patterns", s("c*"))], &["d/c.txt", "l/c.txt"], 11);
        check(&[("size", s("2"))], &["a.txt"], 5);
        check(&[("size", s("-1"))], &["b.log"], 5);
        check(&[("age", s("1d"))], &[], 5);
        check(&[("age", s("-1d"))], &["a.txt", "b.log"], 5);
        check(&[("limit", Value::Int(1)), ("patterns", s("a*"))], &["a.txt"], 5);
        check(&[("mode", s("4000")), ("exact_mode", Value::from(false))], &[], 5);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let outcome = module("find", map! { "paths" => "/no/such" }).ok();
        assert_eq!(get(&outcome, "msg"), json!("Not all paths examined, check warnings for details"));
        assert_eq!(get(&outcome, "skipped_paths")["/no/such"], json!("'/no/such' is not a directory"));
        let failure = module("find", map! { "paths" => "/", "age" => "1y" }).fails();
        assert_eq!(failure.result.get(&crate::value::StrKey("msg")), Some(&"failed to process age".into()));
        let folder = tree();
        std::fs::write(folder.path().join("g"), b"\xc4\xe3").expect("write");
        let root = shown(folder.path());
        let args = |encoding: &str| map! { "paths" => root.clone(), "patterns" => "g", "contains" => "你", "encoding" => encoding };
        assert_eq!(get(&module("find", args("gbk")).ok(), "matched"), json!(1));
        let outcome = module("find", args("utf-8")).ok();
        assert!(
            get(&outcome, "skipped_paths")[&root].as_str().is_some_and(|text| text.contains("current encoding: utf-8"))
        );
        assert_eq!(get(&module("find", args("none")).ok(), "skipped_paths")[&root], json!("unknown encoding: none"));
    }
}
