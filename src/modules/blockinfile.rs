//! `blockinfile`: lines between two marker lines. The logic is Ansible's, case by case.

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
use crate::value::{Map, PythonRegex, insert};

with_file_args! {
    /// Keeps lines between two marker lines in a file, or removes them with their markers.
    ///
    /// ```yaml
    /// - name: Hosts of the cluster
    ///   blockinfile:
    ///     path: /etc/hosts
    ///     marker: '# {mark} cluster'
    ///     block: |
    ///       10.0.0.1 builder1
    ///       10.0.0.2 builder2
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// The file.
        path: HostPath,
        /// Whether the block shall be there.
        #[serde(default)]
        state: Presence,
        /// The marker lines; `{mark}` stands for `marker_begin` and `marker_end`.
        #[serde(default = "marker")]
        marker: String,
        /// The lines. Empty text removes the block.
        #[serde(default)]
        block: String,
        /// Put a new block behind the last line that matches this pattern; `EOF` for the end.
        insertafter: Option<String>,
        /// Put a new block before the last line that matches this pattern; `BOF` for the beginning.
        insertbefore: Option<String>,
        /// Create the file if it is missing.
        #[serde(default)]
        create: bool,
        /// Keep a copy of the file before a change.
        #[serde(default)]
        backup: bool,
        /// A command that must accept the new content; `%s` is its path.
        validate: Option<String>,
        /// What `{mark}` is in the first marker line.
        #[serde(default = "begin")]
        marker_begin: String,
        /// What `{mark}` is in the last marker line.
        #[serde(default = "end")]
        marker_end: String,
        /// An empty line behind the block, if more follows.
        #[serde(default)]
        append_newline: bool,
        /// An empty line before the block, if something stands before it.
        #[serde(default)]
        prepend_newline: bool,
    }
}

fn marker() -> String {
    "# {mark} ANSIBLE MANAGED BLOCK".to_owned()
}

fn begin() -> String {
    "BEGIN".to_owned()
}

fn end() -> String {
    "END".to_owned()
}

/// The module.
pub struct BlockInFile;

impl Module for BlockInFile {
    type Args = Args;
    const META: Meta = Meta {
        name: "blockinfile",
        full_name: "ansible.builtin.blockinfile",
        also: &["ansible.legacy.blockinfile"],
        summary: "Keep lines between two markers in a file",
        aliases: &[("path", &["dest", "destfile", "name"]), ("block", &["content"]), ("attributes", &["attr"])],
        exclusive: &[&["insertbefore", "insertafter"]],
        refused: super::attributes::NO_SELINUX,
        reads: &["lsattr"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let path = args.path.expand(cx.environment());
        let _turn = cx.probe().turn(&path)?;
        let name = shown(&path);
        if cx.probe().is_dir(&path) {
            return Err(refused_with("H0107", format!("Path {name} is a directory !"), map! { "rc" => 256 }));
        }
        let mut spot = cx.probe().spot(&path)?;
        let exists = spot.as_ref().is_some_and(|spot| spot.present().is_some());
        if !exists && !args.create {
            return Err(refused_with("H0107", format!("Path {name} does not exist !"), map! { "rc" => 257 }));
        }
        if !exists && args.state == Presence::Absent {
            return Ok(map! { "msg" => format!("File {name} not present") });
        }
        if !exists && let Some(parent) = path.parent() {
            make_parent(cx, parent)?;
        }
        if spot.is_none() {
            spot = cx.probe().spot(&path)?;
        }
        let spot = spot.as_ref();
        let original = spot.filter(|_| exists).map(Spot::read).transpose()?;
        let (lines, with_block) = edit(&args, original.as_deref().unwrap_or_default())?;
        let after = lines.concat();
        let mut message = match &original {
            Some(original) if *original == after => String::new(),
            None => "File created".to_owned(),
            Some(_) if with_block => "Block inserted".to_owned(),
            Some(_) => "Block removed".to_owned(),
        };
        let changed = original.as_deref() != Some(&*after);
        let header = format!("{name} (content)");
        let file = args.file_args();
        let mut result = Map::new();
        // Written with its mode at once, where Ansible writes the file first and reports the mode as a change of its own.
        let mut made_with_mode = None;
        if changed {
            cx.diff(content_diff(&header, &header, original.as_deref(), &after));
            let place = Place {
                path: spot.map_or(&*path, Spot::path),
                spot,
                content: Content::Bytes(&after),
                backup: args.backup,
                validate: args.validate.as_deref(),
                file: &file,
                mode: match (&file.mode, exists) {
                    (Some(mode), false) => mode.resolve(0o666 & !umask(), false, umask()),
                    _ => None,
                },
                keep_present: true,
            };
            made_with_mode = place.mode.filter(|mode| *mode != 0o666 & !umask());
            if let Some(copy) = place.write(cx)? {
                insert(&mut result, "backup_file", shown(&copy));
            }
        }
        let before = original.as_deref().unwrap_or_default();
        if cx.check_mode() && !exists {
            result.extend(map! { "msg" => message, "diff" => text_diff(cx, &name, before, &after) });
            return Ok(result);
        }
        let mut diff = StateDiff::default();
        if let Some(mode) = made_with_mode {
            diff.set("mode", mode_text(0o666 & !umask()), mode_text(mode));
        }
        if settle_edited(cx, spot, &path, &file, &mut diff)? || made_with_mode.is_some() {
            if !message.is_empty() {
                message.push_str(" and ");
            }
            message.push_str("ownership, perms or SE linux context changed");
        }
        insert(&mut result, "diff", text_diffs(cx, &name, before, &after, &diff));
        if !diff.is_empty() {
            let header = format!("{name} (file attributes)");
            cx.diff(diff.into_diff(&header, &header));
        }
        insert(&mut result, "msg", message);
        Ok(result)
    }
}

fn make_parent(cx: &Cx, parent: &Path) -> Result<(), Failure> {
    if parent.as_os_str().is_empty() || cx.probe().exists(parent) {
        return Ok(());
    }
    cx.change(format!("create {}", shown(parent)), |host| host.create_dirs(parent)).map(drop).map_err(|error| {
        let reason = error.message.rsplit(": ").next().unwrap_or_default().to_owned();
        refused("H0101", format!("Error creating {} Error: {reason}", shown(parent)))
    })
}

/// Lines with their breaks, as `bytes.splitlines(True)`.
fn lines(content: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < content.len() {
        let width = match &content[at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        at += width.max(1);
        if width > 0 {
            lines.push(content[start..at].to_vec());
            start = at;
        }
    }
    if start < content.len() {
        lines.push(content[start..].to_vec());
    }
    lines
}

/// The new lines, and whether the block is among them.
fn edit(args: &Args, original: &[u8]) -> Result<(Vec<Vec<u8>>, bool)> {
    let mut all = lines(original);
    let insert_pattern = insert_pattern(args)?;
    let present = args.state == Presence::Present;
    let mark = |word: &str| (args.marker.replace("{mark}", word) + "\n").into_bytes();
    let (first, last) = (mark(&args.marker_begin), mark(&args.marker_end));
    let mut block = Vec::new();
    if present && !args.block.is_empty() {
        let mut text = args.block.clone();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        block.push(first.clone());
        block.extend(lines(text.as_bytes()));
        block.push(last.clone());
    }
    let (before, after) = (args.insertbefore.as_deref(), args.insertafter.as_deref());
    let after = after.or(if before.is_none() { Some("EOF") } else { None });
    let begins = all.iter().rposition(|line| *line == first);
    let ends = all.iter().rposition(|line| *line == last);
    let mut at = match (begins, ends) {
        (Some(begins), Some(ends)) => {
            let (low, high) = (begins.min(ends), begins.max(ends));
            all.drain(low..=high);
            low
        }
        _ => new_place(&all, original, before, after, insert_pattern.as_ref())?,
    };
    if at > 0
        && let Some(line) = all.get_mut(at - 1)
        && !line.ends_with(b"\n")
    {
        line.push(b'\n');
    }
    if args.prepend_newline && present && at != 0 && all.get(at - 1).is_some_and(|line| line != b"\n") {
        all.insert(at, b"\n".to_vec());
        at += 1;
    }
    let behind = at + block.len();
    let with_block = !block.is_empty();
    all.splice(at..at, block);
    if args.append_newline && present && all.get(behind).is_some_and(|line| line != b"\n") {
        all.insert(behind, b"\n".to_vec());
    }
    Ok((all, with_block))
}

/// The pattern of `insertafter` or `insertbefore`, and its text: a wrong one is told also where the block is there.
fn insert_pattern(args: &Args) -> Result<Option<(PythonRegex, &str)>> {
    let (name, pattern) = match (args.insertafter.as_deref(), args.insertbefore.as_deref()) {
        (Some(pattern), _) if pattern != "EOF" => ("insertafter", pattern),
        (None, Some(pattern)) if pattern != "BOF" => ("insertbefore", pattern),
        _ => return Ok(None),
    };
    let regex = PythonRegex::bytes(pattern).map_err(|reason| wrong_pattern(name, &reason))?;
    Ok(Some((regex, pattern)))
}

/// Where a block goes that is not there yet.
fn new_place(
    all: &[Vec<u8>],
    original: &[u8],
    before: Option<&str>,
    after: Option<&str>,
    insert_pattern: Option<&(PythonRegex, &str)>,
) -> Result<usize> {
    let Some((regex, pattern)) = insert_pattern else { return Ok(if before.is_some() { 0 } else { all.len() }) };
    let limit = |reason: String| Diagnostic::task("H0110", format!("the pattern took too long: {reason}"));
    // A pattern that begins with `(?m)` is looked for in the whole text.
    let flags: String =
        pattern.strip_prefix("(?").unwrap_or_default().chars().take_while(char::is_ascii_alphabetic).collect();
    let mut found = None;
    if flags.contains('m') && pattern[2 + flags.len()..].starts_with(')') {
        if let Some(hit) = regex.search_bytes(original).map_err(limit)? {
            let until = if after.is_some() { hit.end } else { hit.start };
            found = Some(original[..until.min(original.len())].split(|byte| *byte == b'\n').count() - 1);
        }
    } else {
        for (at, line) in all.iter().enumerate() {
            if regex.search_bytes(line).map_err(limit)?.is_some() {
                found = Some(at);
            }
        }
    }
    Ok(match found {
        None => all.len(),
        Some(at) if after.is_some() => (at + 1).min(all.len()),
        Some(at) => at,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;
    use crate::value::Value;

    fn check(before: &str, args: &[(&str, Value)], after: &str) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("f");
        std::fs::write(&path, before).expect("write");
        let mut map = map! { "path" => path.to_string_lossy().into_owned(), "marker" => "# {mark}" };
        for (name, value) in args {
            insert(&mut map, name, value.clone());
        }
        let read = || String::from_utf8_lossy(&std::fs::read(&path).expect("read")).into_owned();
        let planned = module("blockinfile", map.clone()).check(true).ok();
        assert_eq!(read(), before, "check mode wrote");
        let outcome = module("blockinfile", map.clone()).ok();
        assert_eq!(read(), after, "{args:?}");
        assert_eq!((planned.changed, outcome.changed), (before != after, before != after));
        assert!(!module("blockinfile", map).ok().changed, "second run of {args:?}");
    }

    fn s(text: &str) -> Value {
        text.into()
    }

    #[test]
    fn blocks_go_where_ansible_puts_them() {
        let x = || ("block", s("x"));
        check("a\n", &[x()], "a\n# BEGIN\nx\n# END\n");
        check("a", &[("block", s("x\ny\n"))], "a\n# BEGIN\nx\ny\n# END\n");
        check("a\n# BEGIN\nold\n# END\nb\n", &[x()], "a\n# BEGIN\nx\n# END\nb\n");
        check("a\n# BEGIN\nold\n# END\nb\n", &[("state", s("absent"))], "a\nb\n");
        check("a\n# BEGIN\nold\n# END\nb\n", &[("block", s(""))], "a\nb\n");
        check("a\nb\na\nc\n", &[x(), ("insertafter", s("^a"))], "a\nb\na\n# BEGIN\nx\n# END\nc\n");
        check("a\nb\na\nc\n", &[x(), ("insertbefore", s("^a"))], "a\nb\n# BEGIN\nx\n# END\na\nc\n");
        check("a\n", &[x(), ("insertbefore", s("BOF"))], "# BEGIN\nx\n# END\na\n");
        check("a\n", &[x(), ("insertbefore", s("^zz"))], "a\n# BEGIN\nx\n# END\n");
        check("a\nb\nc\n", &[x(), ("insertafter", s("(?m)^a\\nb"))], "a\nb\n# BEGIN\nx\n# END\nc\n");
        check("a\r\nb\r\n", &[x()], "a\r\nb\r\n# BEGIN\nx\n# END\n");
        check(
            "a\n",
            &[x(), ("prepend_newline", true.into()), ("append_newline", true.into())],
            "a\n\n# BEGIN\nx\n# END\n",
        );
        check(
            "a\nb\n",
            &[x(), ("append_newline", true.into()), ("insertafter", s("a"))],
            "a\n# BEGIN\nx\n# END\n\nb\n",
        );
    }

    #[test]
    fn missing_files_and_words() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sub/f").to_string_lossy().into_owned();
        let failure = module("blockinfile", map! { "path" => path.clone(), "block" => "x" }).fails();
        assert_eq!(Value::from(failure.result).get("msg"), Some(&format!("Path {path} does not exist !").into()));
        let args = map! { "path" => path.clone(), "block" => "x", "create" => true, "mode" => "0600" };
        let planned = module("blockinfile", args.clone()).check(true).ok();
        assert_eq!((get(&planned, "msg"), planned.changed), (json!("File created"), true));
        let outcome = module("blockinfile", args).ok();
        assert!(get(&outcome, "msg").as_str().is_some_and(|text| text.starts_with("File created")));
        let outcome =
            module("blockinfile", map! { "path" => path.clone(), "state" => "absent", "backup" => true }).ok();
        assert_eq!(get(&outcome, "msg"), json!("Block removed"));
        assert!(get(&outcome, "backup_file").is_string());
        assert_eq!(std::fs::read(path).expect("read"), b"");
    }

    #[test]
    fn nothing_is_made_for_a_block_that_shall_not_be() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("none/f");
        let args = map! { "path" => path.to_string_lossy().into_owned(), "state" => "absent", "create" => true };
        let outcome = module("blockinfile", args).ok();
        assert!(!outcome.changed && !folder.path().join("none").exists());
    }
}
