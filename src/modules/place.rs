//! Putting content at a path: what `copy`, `template` and `lineinfile` share. Backup, validation,
//! atomic replacement, the diff of the content.

use std::path::{Path, PathBuf};

use super::attributes::FileArgs;
use super::call::Failure;
use super::cx::Cx;
use super::shlex;
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::map;
use crate::system::fs::{Content, WriteOptions, shown};
use crate::system::process::{Output, Program};
use crate::value::Map;

/// Content above this is not put into diffs (Ansible's own limit).
const DIFF_LIMIT: usize = 104_448;

/// What is written where.
pub struct Place<'a> {
    /// The path, links resolved as the module wants it.
    pub path: &'a Path,
    /// The new content.
    pub content: Content<'a>,
    /// Keep a copy of what was there.
    pub backup: bool,
    /// The command that must accept the new content, `%s` for its path.
    pub validate: Option<&'a str>,
    /// For `unsafe_writes` and the owner, group and mode of the first moment.
    pub file: &'a FileArgs,
    /// The mode of the new file from its first moment on.
    pub mode: Option<u32>,
    /// Take over mode and owner of the file that was there.
    pub keep_present: bool,
}

impl Place<'_> {
    /// Writes it, through the change guard; the backup's path if one was made.
    pub fn write(&self, cx: &Cx) -> Result<Option<PathBuf>, Failure> {
        self.write_or(cx, |output| {
            map! { "msg" => format!("failed to validate: rc:{} error:{}", output.rc, output.err()) }
        })
    }

    /// [`Place::write`]; `refused` makes the result of what the `validate` command said to content it does not accept.
    pub fn write_or(&self, cx: &Cx, refused: impl FnOnce(&Output) -> Map) -> Result<Option<PathBuf>, Failure> {
        if let Some(command) = self.validate {
            validate(cx, command, self.content, refused)?;
        }
        let what = format!("{} {}", if cx.probe().exists(self.path) { "update" } else { "create" }, shown(self.path));
        let options = WriteOptions {
            unsafe_writes: self.file.unsafe_writes,
            mode: self.mode,
            owner: (None, None),
            ignore_present: !self.keep_present,
        };
        let backup = cx.change(what, |host| {
            let copy = if self.backup && cx.probe().exists(self.path) { Some(host.backup(self.path)?) } else { None };
            host.write(self.path, self.content, options)?;
            Ok(copy)
        })?;
        Ok(backup.flatten())
    }
}

/// Runs the `validate` command on the new content. Not in check mode.
fn validate(cx: &Cx, command: &str, content: Content<'_>, refused: impl FnOnce(&Output) -> Map) -> Result<(), Failure> {
    let bad = |reason: String| Diagnostic::task("H0109", reason);
    if cx.check_mode() {
        return Ok(());
    }
    if !command.contains("%s") {
        // Ansible's words.
        return Err(bad(format!("validate must contain %s: {command}")).into());
    }
    let ended = cx.scratch(|host| {
        let file = host.scratch_file(content)?;
        let path = shown(&file);
        let words =
            shlex::split(command).map_err(|reason| bad(format!("cannot split `validate` into words: {reason}")))?;
        let words: Vec<String> = words.into_iter().map(|word| word.replace("%s", &path).replace("%%", "%")).collect();
        let line = words.join(" ");
        Ok((host.run(Program::new(words)), path, line))
    })?;
    let ended = match ended {
        Some((Err(error), _, line)) if error.code == "H0103" => {
            let result = map! {
                "msg" => "Error executing command.", "cmd" => line, "rc" => 2, "stdout" => "", "stderr" => "",
            };
            return Err(Failure::with_result(error, result));
        }
        Some((output, path, _)) => Some((output?, path)),
        None => None,
    };
    let Some((output, path)) = ended.filter(|(output, _)| !output.success()) else { return Ok(()) };
    let mut error = bad(format!("failed to validate: the new content was refused (exit {})", output.rc))
        .with_note(format!("ran: {}", command.replace("%s", &path)));
    error.notes.extend(output.said().lines().take(20).map(|line| line.replace(&path, "the new content")));
    Err(Failure::with_result(error, refused(&output)))
}

/// Before and after of a content as a diff; what is no text or too large is named instead.
pub fn content_diff(before_header: &str, after_header: &str, before: Option<&[u8]>, after: &[u8]) -> Diff {
    let before = before.unwrap_or_default();
    let binary = |bytes: &[u8]| bytes.iter().take(8192).any(|byte| *byte == 0);
    let mut diff =
        Diff { before_header: before_header.to_owned(), after_header: after_header.to_owned(), ..Diff::default() };
    if binary(before) || binary(after) {
        let line = |of: &str, holds: bool| {
            if holds { format!("diff skipped: {of} file appears to be binary\n") } else { String::new() }
        };
        diff.prepared = Some(line("destination", binary(before)) + &line("source", binary(after)));
    } else if before.len() > DIFF_LIMIT || after.len() > DIFF_LIMIT {
        diff.prepared = Some(format!("diff skipped: the file is larger than {DIFF_LIMIT} bytes\n"));
    } else {
        diff.before = String::from_utf8_lossy(before).into_owned();
        diff.after = String::from_utf8_lossy(after).into_owned();
    }
    diff
}
