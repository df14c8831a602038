//! The git program: repositories are cloned bare, and their commits written out as archives or folders.
//!
//! Credentials of an address reach git by a descriptor (`system::git_login`), never by an argument or a variable.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::source::Address;
use crate::diag::{Diagnostic, Result};
use crate::secret::Redactor;
use crate::system::git_login;
use crate::system::git_source::FOREIGN;
use crate::system::printed::printed;

/// Bytes of what git prints that are read.
const MOST: usize = 4 << 20;

/// A bare clone.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    dir: PathBuf,
    address: Address,
}

/// Why git did not do something: its words, without credentials.
pub(super) struct Failed(pub String);

fn run(
    address: &Address,
    redactor: &Redactor,
    dir: Option<&Path>,
    words: &[&OsStr],
    index: Option<&Path>,
) -> Result<String, Failed> {
    let mut command = Command::new("git");
    if let Some(login) = &address.login {
        command.args(git_login::options(&login.place));
        let content = git_login::content(login.user.expose(), login.password.expose());
        git_login::hand_over(&mut command, &content).map_err(|error| Failed(format!("git cannot be run: {error}")))?;
    }
    for name in FOREIGN {
        command.env_remove(name);
    }
    if let Some(dir) = dir {
        command.arg("--git-dir").arg(dir);
    }
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", index);
    }
    command.args(words).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = printed(&mut command, MOST).map_err(|error| {
        Failed(if error.kind() == std::io::ErrorKind::NotFound {
            "the program `git` is not installed on this machine".to_owned()
        } else {
            format!("git cannot be run: {error}")
        })
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = told.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(5);
    Err(Failed(redactor.redact(&lines[from..].join("\n")).into_owned()))
}

impl Repository {
    /// Clones a repository into a folder that is not there yet.
    pub fn clone(address: &Address, dir: &Path, redactor: &Redactor) -> Result<Self, Failed> {
        let words = ["clone", "--bare", "--quiet", "--"].map(OsStr::new);
        let words = [&words[..], &[OsStr::new(&address.url), dir.as_os_str()]].concat();
        run(address, redactor, None, &words, None)?;
        Ok(Self { dir: dir.to_path_buf(), address: address.clone() })
    }

    fn run(&self, redactor: &Redactor, words: &[&str]) -> Result<String, Failed> {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        run(&self.address, redactor, Some(&self.dir), &words, None)
    }

    /// The commit that a version names: a tag, a branch, a commit; none names the remote's head.
    pub fn commit(&self, version: &str, redactor: &Redactor) -> Option<String> {
        let version = if version.is_empty() { "HEAD" } else { version };
        // What follows is a name, whatever it begins with.
        let name = format!("{version}^{{commit}}");
        let found = self.run(redactor, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).ok()?;
        let found = found.trim();
        is_commit(found).then(|| found.to_owned())
    }

    /// Makes sure that a commit is there, which may be reached by no branch any more.
    pub fn need(&self, commit: &str, redactor: &Redactor) -> Result<(), Failed> {
        if self.commit(commit, redactor).is_some() {
            return Ok(());
        }
        self.run(redactor, &["fetch", "--quiet", "--", &self.address.url, commit]).map(drop)
    }

    /// Names that could have been meant: tags and branches.
    pub fn names(&self, redactor: &Redactor) -> Vec<String> {
        let listed = self.run(redactor, &["for-each-ref", "--format=%(refname:short)", "refs/tags", "refs/heads"]);
        listed.map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Writes a commit into a tar file, as `git archive` has it.
    pub fn archive(&self, commit: &str, file: &Path, redactor: &Redactor) -> Result<(), Failed> {
        let words = ["archive", "--format=tar", "--prefix=role/", "-o"].map(OsStr::new);
        let words = [&words[..], &[file.as_os_str(), OsStr::new(commit)]].concat();
        run(&self.address, redactor, Some(&self.dir), &words, None).map(drop)
    }

    /// Writes a commit into an empty folder, as a checkout has it.
    pub fn check_out(&self, commit: &str, dir: &Path, redactor: &Redactor) -> Result<(), Failed> {
        let mut tree = std::ffi::OsString::from("--work-tree=");
        tree.push(dir);
        let mut index = dir.as_os_str().to_owned();
        index.push(".index");
        // A hook of the user's template is not meant for this.
        let rest =
            ["-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "--force", commit, "--", "."].map(OsStr::new);
        let words = [&[tree.as_os_str()], &rest[..]].concat();
        run(&self.address, redactor, Some(&self.dir), &words, Some(Path::new(&index))).map(drop)
    }
}

/// True for a whole commit id.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The error for what git did not do.
pub(super) fn failed(what: String, failed: Failed) -> Diagnostic {
    let mut error = Diagnostic::local("D0201", what);
    for line in failed.0.lines() {
        error = error.with_note(line);
    }
    if failed.0.contains("is not installed") {
        return error.with_hint("install git on this machine, for example `apt-get install git`");
    }
    error.with_hint("try the address with `git ls-remote`")
}
