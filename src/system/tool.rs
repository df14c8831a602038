//! Small helpers of hostctl's own host modules: run one administration program, keep one file.
//!
//! Programs get an argument vector, `/dev/null` or a given text as input, and a locale that can be
//! parsed. Never a shell.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::process::{Program, failed};
use super::{Mutate, Probe};
use crate::diag::{Diagnostic, Result};

/// What a program wrote, and how it ended.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    /// Exit code; minus the signal's number if a signal ended it.
    pub code: i32,
    /// Standard output, lossy.
    pub stdout: String,
    /// Standard error, lossy.
    pub stderr: String,
    error: Diagnostic,
}

impl ToolOutput {
    /// True for exit code 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }

    /// The output, or an error that shows the command, its exit code and its last lines.
    pub fn checked(self) -> Result<Self> {
        if self.ok() { Ok(self) } else { Err(self.error) }
    }
}

fn program<'a, S: AsRef<str>>(name: &str, args: &[S]) -> Program<'a> {
    let words = std::iter::once(name).chain(args.iter().map(AsRef::as_ref));
    Program::new(words).parsable()
}

fn tool_output(shown: &str, output: &super::process::Output) -> ToolOutput {
    ToolOutput { code: output.rc, stdout: output.out(), stderr: output.err(), error: failed(shown, output) }
}

/// True if child processes of this handle would find the program.
pub fn has_tool(name: &str) -> bool {
    super::process::which(name, None).is_some()
}

/// User and group number of a name in `/etc/passwd`.
pub fn passwd_ids(name: &str) -> Option<(u32, u32)> {
    super::accounts::local_accounts()
        .into_iter()
        .find(|account| account.name == name)
        .map(|found| (found.uid, found.gid))
}

fn io_error(doing: &str, path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::task("H0310", format!("cannot {doing} `{}`: {error}", path.display()))
}

/// How a file of hostctl's own should be.
#[derive(Clone, Debug)]
pub struct OwnFile {
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// The content is never shown.
    pub secret: bool,
}

/// How a file differs from what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// As it should be.
    Same,
    /// Not there.
    Missing,
    /// Other content (the old one; empty if it is no text).
    Content(String),
    /// Right content, wrong mode or owner.
    Attributes(String),
}

impl Probe {
    /// Runs a program that only reads the host (on the module's list, `Meta::reads`).
    pub fn read_tool<S: AsRef<str>>(&self, name: &str, args: &[S]) -> Result<ToolOutput> {
        let program = program(name, args);
        let shown = program.shown();
        Ok(tool_output(&shown, &self.run(program)?))
    }

    /// Compares a file with what it should be. A link or folder at its place counts as other content.
    pub fn own_file_state(&self, file: &OwnFile) -> Result<FileState> {
        let metadata = match std::fs::symlink_metadata(&file.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(FileState::Missing),
            Err(error) => return Err(io_error("look at", &file.path, &error)),
        };
        if metadata.is_dir() {
            return Err(Diagnostic::task("H0310", format!("`{}` is a folder, not a file", file.path.display())));
        }
        if !metadata.is_file() {
            return Ok(FileState::Content(String::new()));
        }
        let old = std::fs::read(&file.path).map_err(|error| io_error("read", &file.path, &error))?;
        if old != file.content {
            return Ok(FileState::Content(String::from_utf8(old).unwrap_or_default()));
        }
        let mode = metadata.mode() & 0o7777;
        if mode != file.mode || (metadata.uid(), metadata.gid()) != file.owner {
            return Ok(FileState::Attributes(format!("mode {mode:04o}, owner {}:{}", metadata.uid(), metadata.gid())));
        }
        Ok(FileState::Same)
    }
}

impl Mutate {
    /// Runs a program that changes the host; a bad exit code is in the output, not an error.
    pub fn run_tool<S: AsRef<str>>(&self, name: &str, args: &[S]) -> Result<ToolOutput> {
        let program = program(name, args);
        let shown = program.shown();
        Ok(tool_output(&shown, &self.run(program)?))
    }

    /// [`Mutate::run_tool`] with a text as its input.
    pub fn run_tool_with_input<S: AsRef<str>>(&self, name: &str, args: &[S], input: &str) -> Result<ToolOutput> {
        let program = program(name, args).stdin(input);
        let shown = program.shown();
        Ok(tool_output(&shown, &self.run(program)?))
    }

    /// Writes a file as it should be: a private new file beside it, then a rename.
    pub fn put_own_file(&self, file: &OwnFile) -> Result<()> {
        let folder = file.path.parent().unwrap_or(Path::new("/"));
        let mut new = tempfile::Builder::new()
            .prefix(".hostctl-")
            .tempfile_in(folder)
            .map_err(|error| io_error("write into", folder, &error))?;
        let failed = |error: std::io::Error| io_error("write", &file.path, &error);
        new.write_all(&file.content).map_err(failed)?;
        rustix::fs::fchown(
            new.as_file(),
            Some(rustix::fs::Uid::from_raw(file.owner.0)),
            Some(rustix::fs::Gid::from_raw(file.owner.1)),
        )
        .map_err(|error| failed(error.into()))?;
        new.as_file().set_permissions(std::fs::Permissions::from_mode(file.mode)).map_err(failed)?;
        new.as_file().sync_all().map_err(failed)?;
        new.persist(&file.path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Makes a root-owned folder and its parents, mode 0755, if missing.
    pub fn make_folder(&self, path: &Path) -> Result<()> {
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o755)
            .create(path)
            .map_err(|error| io_error("make the folder", path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> (u32, u32) {
        (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
    }

    #[test]
    fn a_file_is_missing_then_same_then_other() {
        let folder = tempfile::tempdir().expect("folder");
        let mut file = OwnFile {
            path: folder.path().join("a.conf"),
            content: b"one\n".to_vec(),
            mode: 0o600,
            owner: own(),
            secret: false,
        };
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let state = |file: &OwnFile| mutate.probe().own_file_state(file).expect("state");
        assert_eq!(state(&file), FileState::Missing);
        mutate.put_own_file(&file).expect("write");
        assert_eq!(state(&file), FileState::Same);
        file.mode = 0o644;
        assert!(matches!(state(&file), FileState::Attributes(_)));
        file.content = b"two\n".to_vec();
        assert_eq!(state(&file), FileState::Content("one\n".to_owned()));
        mutate.put_own_file(&file).expect("write");
        assert_eq!(file.path.metadata().expect("metadata").mode() & 0o7777, 0o644);
    }

    #[test]
    fn a_failed_program_shows_command_code_and_words() {
        let probe = Probe::new(Vec::new()).allowing(&["ls"]);
        let error = probe.read_tool("ls", &["/nonexistent-hostctl"]).expect("runs").checked().expect_err("fails");
        assert!(error.message.contains("No such file"), "{error}");
        assert!(error.notes[0].contains("ls /nonexistent-hostctl"), "{:?}", error.notes);
    }
}
