//! Putting content at a path: what `copy`, `template` and `lineinfile` share. Backup, validation,
//! atomic replacement, the diff of the content.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::attributes::FileArgs;
use super::call::Failure;
use super::cx::Cx;
use super::shlex;
use super::types::Mode;
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::map;
use crate::system::Spot;
use crate::system::fs::{Content, WriteOptions, shown, umask};
use crate::system::process::{Output, Program};
use crate::value::{Map, kept_text};

/// Content above this is not put into diffs, whatever the settings say: both sides cross the wire.
pub const MOST_COMPARED: u64 = 8 << 20;

/// What [`file_diff`] needs of a file: of a large one only so much that it is seen to be large.
pub fn diff_part(cx: &Cx, path: &Path) -> Result<Vec<u8>> {
    cx.probe().read_part(path, 0, cx.diff_limit() + 1)
}

/// The text of a file that is edited by lines, empty if it is not there; [`crate::value::kept_bytes`] gives its bytes
/// again, whatever they are.
pub fn text_to_edit(cx: &Cx, path: &Path) -> Result<String> {
    match cx.probe().stat(path)? {
        None => Ok(String::new()),
        Some(_) => Ok(kept_text(&cx.probe().read(path)?)),
    }
}

/// The mode that new content shall have from its first moment on, where one is asked for.
pub fn first_mode(cx: &Cx, path: &Path, mode: Option<&Mode>) -> Result<Option<u32>> {
    let Some(mode) = mode else { return Ok(None) };
    let present = cx.probe().stat(path)?.map(|found| found.mode() & 0o7777);
    Ok(mode.resolve(present.unwrap_or(0o666 & !umask()), false, umask()))
}

/// What is written where.
pub struct Place<'a> {
    /// The path, links resolved as the module wants it.
    pub path: &'a Path,
    /// The place as it was found when the old content was read, where one text is made of another.
    pub spot: Option<&'a Spot>,
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
        let present = self.spot.map_or_else(|| cx.probe().exists(self.path), |spot| spot.present().is_some());
        let what = format!("{} {}", if present { "update" } else { "create" }, shown(self.path));
        let mut options = WriteOptions {
            unsafe_writes: self.file.unsafe_writes,
            mode: self.mode,
            ignore_present: !self.keep_present,
            ..WriteOptions::default()
        };
        if let Some(found) = self.spot.and_then(Spot::present).filter(|_| self.keep_present) {
            // Of the file that was read: its text shall not come into one that more users may read.
            let found = found.metadata()?;
            options.mode = options.mode.or(Some(found.mode() & 0o7777));
            if rustix::process::geteuid().is_root() {
                options.owner = (Some(found.uid()), Some(found.gid()));
            }
        }
        let backup = cx.change(what, |host| {
            let Some(spot) = self.spot else {
                let copy = if self.backup && present { Some(host.backup(self.path)?) } else { None };
                host.write(self.path, self.content, options)?;
                return Ok(copy);
            };
            let copy = if self.backup && present { Some(host.backup_of(&spot.open()?, spot.asked())?) } else { None };
            host.write(&spot.way(), self.content, options).map_err(|error| spot.named(error))?;
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

/// Before and after of a file that is replaced, as Ansible's `copy` shows it: not above `max_diff_size`.
pub fn file_diff(cx: &Cx, before_header: &str, after_header: &str, before: Option<&[u8]>, after: &[u8]) -> Diff {
    limited_diff(cx.diff_limit(), (before_header, after_header), before, after)
}

/// Before and after of a text that is edited; what is no text is named instead.
pub fn content_diff(before_header: &str, after_header: &str, before: Option<&[u8]>, after: &[u8]) -> Diff {
    limited_diff(MOST_COMPARED, (before_header, after_header), before, after)
}

fn limited_diff(limit: u64, headers: (&str, &str), before: Option<&[u8]>, after: &[u8]) -> Diff {
    let before = before.unwrap_or_default();
    let large = |bytes: &[u8]| bytes.len() as u64 > limit;
    let binary = |bytes: &[u8]| bytes.iter().take(8192).any(|byte| *byte == 0);
    let mut diff = Diff { before_header: headers.0.to_owned(), after_header: headers.1.to_owned(), ..Diff::default() };
    // Ansible looks at what is on the host for its kind first, and at what is to come for its size.
    let skipped = [
        (binary(before), "destination file appears to be binary".to_owned()),
        (binary(after) && !large(after), "source file appears to be binary".to_owned()),
        (large(before) && !binary(before), format!("destination file size is greater than {limit}")),
        (large(after), format!("source file size is greater than {limit}")),
    ];
    let skipped: String =
        skipped.iter().filter(|(is, _)| *is).map(|(_, why)| format!("diff skipped: {why}\n")).collect();
    if skipped.is_empty() {
        diff.before = String::from_utf8_lossy(before).into_owned();
        diff.after = String::from_utf8_lossy(after).into_owned();
    } else {
        diff.prepared = Some(skipped);
    }
    diff
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_mode_is_the_one_that_is_asked_for() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("f");
        let cx = super::super::testing::handle("copy");
        let mode = |text: &str| first_mode(&cx, &path, Some(&Mode::parse(text).expect("mode"))).expect("a mode");
        assert_eq!((mode("0600"), mode("u=rw,g=,o=")), (Some(0o600), Some(0o600)));
        std::fs::write(&path, "").expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
        assert_eq!((mode("0600"), mode("o-rx")), (Some(0o600), Some(0o750)));
        assert_eq!(first_mode(&cx, &path, None).expect("none"), None);
    }

    #[test]
    fn text_of_a_file_that_was_read_does_not_come_into_one_that_more_may_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("f");
        std::fs::write(&path, "secret").expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        let cx = super::super::testing::handle("lineinfile");
        let spot = cx.probe().spot(&path).expect("look").expect("a folder");
        let text = spot.read().expect("read");
        // Somebody puts a file that all may read in its place.
        std::fs::rename(&path, folder.path().join("old")).expect("rename");
        std::fs::write(&path, "").expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("mode");
        let place = Place {
            path: spot.path(),
            spot: Some(&spot),
            content: Content::Bytes(&text),
            backup: false,
            validate: None,
            file: &FileArgs::default(),
            mode: None,
            keep_present: true,
        };
        place.write(&cx).expect("write");
        assert_eq!(std::fs::metadata(&path).expect("stat").mode() & 0o7777, 0o600);
    }
}
