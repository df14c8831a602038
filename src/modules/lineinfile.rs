//! `lineinfile`: one line present or absent. The logic is Ansible's, case by case.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{StateDiff, mode_text, settle_edited, text_diff, text_diffs, with_file_args};
use super::call::Failure;
use super::cx::Cx;
use super::place::{Place, content_diff};
use super::refusal::{refused, refused_with, wrong_pattern};
use super::spec::{Meta, Module};
use super::types::HostPath;
use super::types::Presence;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::Spot;
use crate::system::fs::{Content, shown, umask};
use crate::value::{Map, Match, PythonRegex, insert};

with_file_args! {
    /// Makes sure that a line is in a file, or that it is not. Patterns are Python's.
    ///
    /// With `regexp` the last line that matches is replaced; without a match the line is added at the end,
    /// or beside the last match of `insertafter` or `insertbefore`.
    ///
    /// ```yaml
    /// - name: Allow forwarding
    ///   lineinfile:
    ///     path: /etc/sysctl.conf
    ///     regexp: '^#?net\.ipv4\.ip_forward='
    ///     line: net.ipv4.ip_forward=1
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// The file.
        path: HostPath,
        /// Whether the line shall be there.
        #[serde(default)]
        state: Presence,
        /// The line to replace or remove, as a pattern.
        regexp: Option<String>,
        /// The line to replace or remove, as literal text in it.
        search_string: Option<String>,
        /// The line.
        line: Option<String>,
        /// Add it after the last line that matches this pattern; `EOF` for the end.
        insertafter: Option<String>,
        /// Add it before the last line that matches this pattern; `BOF` for the beginning.
        insertbefore: Option<String>,
        /// Replace `\1` and `\g<name>` in `line` by groups of `regexp`; without a match nothing is done.
        #[serde(default)]
        backrefs: bool,
        /// Create the file if it is missing.
        #[serde(default)]
        create: bool,
        /// Keep a copy of the file before a change.
        #[serde(default)]
        backup: bool,
        /// Take the first match instead of the last.
        #[serde(default)]
        firstmatch: bool,
        /// A command that must accept the new content; `%s` is its path.
        validate: Option<String>,
    }
}

/// The module.
pub struct LineInFile;

impl Module for LineInFile {
    type Args = Args;
    const META: Meta = Meta {
        name: "lineinfile",
        full_name: "ansible.builtin.lineinfile",
        also: &["ansible.legacy.lineinfile"],
        summary: "Keep a line in a file",
        aliases: &[
            ("path", &["dest", "destfile", "name"]),
            ("regexp", &["regex"]),
            ("line", &["value"]),
            ("attributes", &["attr"]),
        ],
        required_if: &[("state", "present", &["line"])],
        exclusive: &[&["insertbefore", "insertafter"], &["regexp", "search_string"], &["backrefs", "search_string"]],
        refused: &[
            ("selevel", super::attributes::SELINUX),
            ("serole", super::attributes::SELINUX),
            ("setype", super::attributes::SELINUX),
            ("seuser", super::attributes::SELINUX),
        ],
        reads: &["lsattr"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let path = args.path.expand(cx.environment());
        let _turn = cx.probe().turn(&path)?;
        if args.regexp.as_deref() == Some("") || args.search_string.as_deref() == Some("") {
            let regexp = args.regexp.as_deref() == Some("");
            let name = if regexp { "regular expression" } else { "search string" };
            let mut text = format!(
                "The {name} is an empty string, which will match every line in the file. This may have unintended consequences, such as replacing the last line in the file rather than appending."
            );
            if regexp {
                text.push_str(" If this is desired, use '^' to match every line in the file and avoid this warning.");
            }
            cx.warn(text);
        }
        if cx.probe().is_dir(&path) {
            return Err(refused_with("H0107", format!("Path {} is a directory !", shown(&path)), map! { "rc" => 256 }));
        }
        match args.state {
            Presence::Present => present(cx, &args, &path),
            Presence::Absent => absent(cx, &args, &path),
        }
    }
}

fn compile(name: &str, pattern: &str) -> Result<PythonRegex> {
    PythonRegex::bytes(pattern).map_err(|reason| wrong_pattern(name, &reason))
}

fn limit(reason: String) -> Diagnostic {
    Diagnostic::task("H0110", format!("the pattern took too long: {reason}"))
}

/// `readlines`: lines with their line feeds.
fn lines(content: &[u8]) -> Vec<Vec<u8>> {
    content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn stripped(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    &line[..end]
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

/// What is looked for, compiled.
struct Wanted<'a> {
    line: &'a str,
    regexp: Option<PythonRegex>,
    search: Option<&'a str>,
    insert_pattern: Option<PythonRegex>,
    after: Option<&'a str>,
    before: Option<&'a str>,
    backrefs: bool,
    first: bool,
}

/// Where it was found. Line numbers from 0.
#[derive(Default)]
struct Found {
    line: Option<usize>,
    insert: Option<usize>,
    groups: Option<Match>,
    matched: bool,
    exact: bool,
}

impl Wanted<'_> {
    fn find(&self, lines: &[Vec<u8>]) -> Result<Found> {
        let mut found = Found::default();
        for (at, line) in lines.iter().enumerate() {
            let hit = if let Some(regexp) = &self.regexp {
                let groups = regexp.search_bytes(line).map_err(limit)?;
                let hit = groups.is_some();
                if hit {
                    found.groups = groups;
                }
                hit
            } else {
                self.search.is_some_and(|text| contains(line, text.as_bytes()))
            };
            if hit {
                found.line = Some(at);
                found.matched = true;
                if self.first {
                    break;
                }
            }
        }
        if !found.matched {
            for (at, line) in lines.iter().enumerate() {
                if stripped(line) == self.line.as_bytes() {
                    found.line = Some(at);
                    found.exact = true;
                } else if let Some(pattern) = &self.insert_pattern
                    && pattern.search_bytes(line).map_err(limit)?.is_some()
                {
                    found.insert = Some(if self.after.is_some() { at + 1 } else { at });
                    if self.first {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Edits the lines; the words for the result's `msg` if something changed.
    fn edit(&self, lines: &mut Vec<Vec<u8>>) -> Result<Option<&'static str>> {
        let found = self.find(lines)?;
        let line = self.line.as_bytes();
        let with_end = [line, b"\n"].concat();
        let same = |other: Option<&Vec<u8>>| other.is_some_and(|other| stripped(other) == line);
        let add = |lines: &mut Vec<Vec<u8>>, at: usize| {
            lines.insert(at.min(lines.len()), with_end.clone());
            Some("line added")
        };
        if let Some(at) = found.line {
            let mut new = match &found.groups {
                Some(groups) if self.backrefs => {
                    let regexp =
                        self.regexp.as_ref().ok_or_else(|| Diagnostic::internal("groups without a pattern"))?;
                    regexp.expand_bytes(groups, self.line).map_err(|reason| Diagnostic::task("H0110", reason))?
                }
                _ => line.to_vec(),
            };
            if !new.ends_with(b"\n") {
                new.push(b'\n');
            }
            if lines[at] != new {
                lines[at] = new;
                return Ok(Some("line replaced"));
            }
            return Ok(None);
        }
        if self.backrefs {
            return Ok(None);
        }
        if self.before == Some("BOF") || self.after == Some("BOF") {
            return Ok(add(lines, 0));
        }
        let Some(at) = found.insert.filter(|_| self.after != Some("EOF")) else {
            if lines.last().is_some_and(|last| !matches!(last.last(), Some(b'\n' | b'\r'))) {
                lines.push(b"\n".to_vec());
            }
            lines.push(with_end);
            return Ok(Some("line added"));
        };
        if self.after.is_some() {
            let neighbour = if lines.len() == at { lines.get(at.wrapping_sub(1)) } else { lines.get(at) };
            if same(neighbour) {
                return Ok(None);
            }
            if lines.len() == at
                && let Some(last) = lines.last_mut()
                && !matches!(last.last(), Some(b'\n' | b'\r'))
            {
                // Ansible glues the new line to a last line without its end; nobody wants that.
                last.push(b'\n');
            }
        }
        Ok(add(lines, at))
    }
}

fn present(cx: &Cx, args: &Args, path: &Path) -> Result<Map, Failure> {
    if args.backrefs && args.regexp.is_none() {
        return Err(refused("M0003", "regexp is required with backrefs=true"));
    }
    let Some(line) = &args.line else {
        return Err(refused("M0003", "line is required with state=present"));
    };
    let mut spot = cx.probe().spot(path)?;
    let exists = spot.as_ref().is_some_and(|spot| spot.present().is_some());
    if !exists && !args.create {
        let text = format!("Destination {} does not exist !", shown(path));
        let mut failure = refused_with("H0107", text, map! { "rc" => 257 });
        failure.diagnostic.hints.push("`create: true` creates it".to_owned());
        return Err(failure);
    }
    let before = match &spot {
        Some(spot) if exists => spot.read()?,
        _ => Vec::new(),
    };
    let after = args.insertafter.as_deref().or(if args.insertbefore.is_none() { Some("EOF") } else { None });
    let insert_pattern = match (after, args.insertbefore.as_deref()) {
        (Some(pattern), _) if !matches!(pattern, "BOF" | "EOF") => Some(compile("insertafter", pattern)?),
        (_, Some(pattern)) if pattern != "BOF" => Some(compile("insertbefore", pattern)?),
        _ => None,
    };
    let wanted = Wanted {
        line,
        regexp: args.regexp.as_deref().map(|pattern| compile("regexp", pattern)).transpose()?,
        search: args.search_string.as_deref(),
        insert_pattern,
        after,
        before: args.insertbefore.as_deref(),
        backrefs: args.backrefs,
        first: args.firstmatch,
    };
    let mut content = lines(&before);
    let msg = wanted.edit(&mut content)?;
    if !exists && msg.is_some() {
        create_parent(cx, path)?;
        if spot.is_none() {
            spot = cx.probe().spot(path)?;
        }
    }
    let (result, _) = finish(cx, args, (path, spot.as_ref()), &before, &content.concat(), msg.map(str::to_owned))?;
    Ok(result)
}

fn create_parent(cx: &Cx, path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !cx.probe().exists(parent) => {
            cx.change(format!("create {}", shown(parent)), |host| host.create_dirs(parent)).map(drop)
        }
        _ => Ok(()),
    }
}

fn absent(cx: &Cx, args: &Args, path: &Path) -> Result<Map, Failure> {
    if args.regexp.is_none() && args.search_string.is_none() && args.line.is_none() {
        let message = "one of line, search_string, or regexp is required with state=absent";
        return Err(refused("M0007", message));
    }
    let Some(spot) = cx.probe().spot(path)?.filter(|spot| spot.present().is_some()) else {
        return Ok(map! { "msg" => "file not present" });
    };
    let before = spot.read()?;
    let regexp = args.regexp.as_deref().map(|pattern| compile("regexp", pattern)).transpose()?;
    let line = args.line.as_deref().unwrap_or_default().as_bytes();
    let mut kept = Vec::new();
    let mut removed = 0;
    for current in lines(&before) {
        let hit = match (&regexp, &args.search_string) {
            (Some(regexp), _) => regexp.search_bytes(&current).map_err(limit)?.is_some(),
            (None, Some(text)) => contains(&current, text.as_bytes()),
            (None, None) => stripped(&current) == line,
        };
        if hit {
            removed += 1;
        } else {
            kept.push(current);
        }
    }
    let msg = (removed > 0).then(|| format!("{removed} line(s) removed"));
    let (mut result, _) = finish(cx, args, (path, Some(&spot)), &before, &kept.concat(), msg)?;
    insert(&mut result, "found", removed);
    Ok(result)
}

fn finish(
    cx: &Cx,
    args: &Args,
    (path, spot): (&Path, Option<&Spot>),
    before: &[u8],
    after: &[u8],
    msg: Option<String>,
) -> Result<(Map, bool), Failure> {
    let file = args.file_args();
    let header = format!("{} (content)", shown(path));
    let mut backup = None;
    let mut text = msg.clone().unwrap_or_default();
    // Written with its mode at once, where Ansible writes the file first and reports the mode as a change of its own.
    let mut made_with_mode = None;
    if msg.is_some() {
        cx.diff(content_diff(&header, &header, Some(before), after));
        let target = spot.map_or(path, Spot::path);
        let place = Place {
            path: target,
            spot,
            content: Content::Bytes(after),
            backup: args.backup,
            validate: args.validate.as_deref(),
            file: &file,
            mode: if spot.is_some_and(|spot| spot.present().is_some()) {
                None
            } else {
                file.mode.as_ref().and_then(|mode| mode.resolve(0o666 & !umask(), false, umask()))
            },
            keep_present: true,
        };
        made_with_mode = place.mode.filter(|mode| *mode != 0o666 & !umask());
        backup = place.write(cx)?;
    }
    let backup = backup.map(|copy| shown(&copy)).unwrap_or_default();
    if cx.check_mode() && !cx.probe().exists(path) {
        let diff = text_diff(cx, &shown(path), before, after);
        return Ok((map! { "msg" => text, "backup" => backup, "diff" => diff }, msg.is_some()));
    }
    let mut diff = StateDiff::default();
    if let Some(mode) = made_with_mode {
        diff.set("mode", mode_text(0o666 & !umask()), mode_text(mode));
    }
    if settle_edited(cx, spot, path, &file, &mut diff)? || made_with_mode.is_some() {
        if !text.is_empty() {
            text.push_str(" and ");
        }
        text.push_str("ownership, perms or SE linux context changed");
    }
    let shown_diff = text_diffs(cx, &shown(path), before, after, &diff);
    if !diff.is_empty() {
        let header = format!("{} (file attributes)", shown(path));
        cx.diff(diff.into_diff(&header, &header));
    }
    let result = map! { "msg" => text, "backup" => backup, "diff" => shown_diff };
    Ok((result, msg.is_some()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;
    use crate::value::Value;

    /// Runs once in check mode, once for real, once more: the last must change nothing.
    fn check(before: &str, args: &[(&str, Value)], after: &str) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("f");
        std::fs::write(&path, before).expect("write");
        let mut map = map! { "path" => path.to_string_lossy().into_owned() };
        for (name, value) in args {
            insert(&mut map, name, value.clone());
        }
        let read = || String::from_utf8_lossy(&std::fs::read(&path).expect("read")).into_owned();
        let planned = module("lineinfile", map.clone()).check(true).ok();
        assert_eq!(read(), before, "check mode wrote");
        let outcome = module("lineinfile", map.clone()).ok();
        assert_eq!(read(), after, "{args:?}");
        assert_eq!((planned.changed, outcome.changed), (before != after, before != after));
        assert_eq!(outcome.diffs.len(), usize::from(before != after));
        assert!(!module("lineinfile", map).ok().changed, "second run of {args:?}");
    }

    fn s(text: &str) -> Value {
        text.into()
    }

    #[test]
    fn lines_go_where_ansible_puts_them() {
        let yes = || Value::from(true);
        check("a\nb\n", &[("line", s("c"))], "a\nb\nc\n");
        check("a\nb", &[("line", s("c"))], "a\nb\nc\n");
        check("", &[("line", s("c"))], "c\n");
        check("a\n", &[("line", s("a"))], "a\n");
        check("x=1\nx=2\n", &[("regexp", s("^x=")), ("line", s("x=3"))], "x=1\nx=3\n");
        check("x=1\nx=2\n", &[("regexp", s("^x=")), ("line", s("x=3")), ("firstmatch", yes())], "x=3\nx=2\n");
        check("a\nb\na\n", &[("line", s("n")), ("insertafter", s("^a"))], "a\nb\na\nn\n");
        check("a\nb\na\n", &[("line", s("n")), ("insertafter", s("^a")), ("firstmatch", yes())], "a\nn\nb\na\n");
        check("a\nb\n", &[("line", s("n")), ("insertbefore", s("^b"))], "a\nn\nb\n");
        check("a\nb\n", &[("line", s("n")), ("insertbefore", s("BOF"))], "n\na\nb\n");
        check("a\nb\n", &[("line", s("n")), ("insertafter", s("^zz"))], "a\nb\nn\n");
        check("k = v\n", &[("regexp", s(r"^(k)\s*=.*$")), ("line", s(r"\1=w")), ("backrefs", yes())], "k=w\n");
        check("a\n", &[("regexp", s("^z(.)")), ("line", s(r"\1")), ("backrefs", yes())], "a\n");
        check("a # b\nc\n", &[("search_string", s("# b")), ("line", s("z"))], "z\nc\n");
        check("a\nb\na\n", &[("line", s("a")), ("state", s("absent"))], "b\n");
        check("a\nab\nb\n", &[("regexp", s("^a")), ("state", s("absent"))], "b\n");
    }

    #[test]
    fn files_that_are_no_utf8_stay_as_they_are() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("f");
        std::fs::write(&path, b"caf\xe9\nx\n").expect("write");
        let args = map! { "path" => path.to_string_lossy().into_owned(), "regexp" => "^x$", "line" => "é" };
        module("lineinfile", args).ok();
        assert_eq!(std::fs::read(&path).expect("read"), b"caf\xe9\n\xc3\xa9\n");
    }

    #[test]
    fn missing_files_backup_and_validation() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sub/f");
        let text = path.to_string_lossy().into_owned();
        let args = map! { "path" => text.clone(), "line" => "a" };
        let failure = module("lineinfile", args.clone()).fails();
        assert_eq!(failure.diagnostic.code, "H0107");
        let mut args = args;
        insert(&mut args, "create", true);
        insert(&mut args, "mode", "0600");
        module("lineinfile", args.clone()).ok();
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "a\n");
        insert(&mut args, "line", "b");
        insert(&mut args, "backup", true);
        let outcome = module("lineinfile", args.clone()).ok();
        let copy = get(&outcome, "backup").as_str().map(str::to_owned).expect("a copy");
        assert_eq!(std::fs::read_to_string(copy).expect("read"), "a\n");
        insert(&mut args, "line", "c");
        insert(&mut args, "validate", "sh -c 'echo bad >&2; exit 3' %s");
        let failure = module("lineinfile", args).fails();
        assert_eq!((failure.diagnostic.code.as_ref(), failure.changed), ("H0109", false));
        let msg = failure.result.get(&crate::value::StrKey("msg")).map(crate::value::python_str);
        assert_eq!(msg.as_deref(), Some("failed to validate: rc:3 error:bad\n"));
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "a\nb\n");
        let failure = module("lineinfile", map! { "path" => text, "line" => "x", "regexp" => "(" }).fails();
        assert!(failure.diagnostic.message.starts_with("`regexp` is no valid pattern"));
        assert_eq!(
            get(&module("lineinfile", map! { "path" => "/no", "state" => "absent", "line" => "x" }).ok(), "msg"),
            json!("file not present")
        );
    }

    #[test]
    fn copies_of_one_second_all_stay_and_bear_the_name_that_was_asked_for() {
        let folder = tempfile::tempdir().expect("folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "ORIG\n").expect("write");
        std::os::unix::fs::symlink("target", &link).expect("link");
        let mut copies = Vec::new();
        for line in ["a", "b", "c"] {
            let args = map! { "path" => link.to_string_lossy().into_owned(), "line" => line, "backup" => true };
            copies.push(get(&module("lineinfile", args).ok(), "backup").as_str().map(str::to_owned).expect("a copy"));
        }
        let read = |path: &str| std::fs::read_to_string(path).expect("read");
        assert_eq!(copies.iter().map(|copy| read(copy)).collect::<Vec<_>>(), ["ORIG\n", "ORIG\na\n", "ORIG\na\nb\n"]);
        let lead = link.to_string_lossy().into_owned() + ".";
        assert!(copies.iter().all(|copy| copy.starts_with(&lead)), "{copies:?}");
        assert!(link.is_symlink() && std::fs::read_to_string(&target).expect("read") == "ORIG\na\nb\nc\n");
    }

    #[test]
    fn a_planted_link_is_refused() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: links of another user need root");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let (secret, link) = (folder.path().join("secret"), folder.path().join("rc"));
        std::fs::write(&secret, "s\n").expect("write");
        std::os::unix::fs::symlink(&secret, &link).expect("link");
        std::os::unix::fs::lchown(&link, Some(12345), None).expect("owner");
        let path = || link.to_string_lossy().into_owned();
        let failures = [
            module("lineinfile", map! { "path" => path(), "line" => "x" }).fails(),
            module("lineinfile", map! { "path" => path(), "state" => "absent", "line" => "s" }).fails(),
            module("blockinfile", map! { "path" => path(), "block" => "x" }).fails(),
            module("replace", map! { "path" => path(), "regexp" => "s", "replace" => "x" }).fails(),
        ];
        for failure in failures {
            assert!(failure.diagnostic.message.contains("is not followed"), "{}", failure.diagnostic.message);
        }
        assert_eq!(std::fs::read_to_string(&secret).expect("read"), "s\n");
    }
}
