//! The git program and one checkout: what is asked of it, cloned, fetched and switched.

use std::path::{Path, PathBuf};

use super::Args;
use crate::diag::Result;
use crate::map;
use crate::modules::call::Failure;
use crate::modules::cx::Cx;
use crate::modules::refusal::{refused, refused_with};
use crate::system::fs::shown;
use crate::system::git_login;
use crate::system::process::{Output, Program};
use crate::value::{Map, Value, insert};

/// What only reads.
pub(super) const READS: &[&str] = &[
    "git --version",
    "git ls-remote",
    "git -c * -c * ls-remote",
    "git status --porcelain",
    "git branch --no-color -a",
    "git rev-parse",
    "git for-each-ref",
    "git diff",
    "git verify-tag",
    "git verify-commit",
    "git submodule status",
    "git submodule foreach",
    "ssh -o StrictHostKeyChecking=accept-new -V",
];

/// User and password of a URL, and where they belong.
pub(super) struct Login {
    place: String,
    user: String,
    password: String,
}

pub(super) struct Repository<'a> {
    cx: &'a Cx,
    args: &'a Args,
    program: String,
    /// The checkout.
    pub dest: Option<PathBuf>,
    /// The address, without user and password.
    pub repo: String,
    /// What was in it.
    pub login: Option<Login>,
    umask: Option<String>,
    ssh: String,
    /// `depth`, as far as this git can.
    depth: Option<i64>,
}

/// Commands that ask no remote, so they need no login.
fn local(words: &[&str]) -> bool {
    let first = words.first().copied().unwrap_or_default();
    !matches!(first, "ls-remote" | "clone" | "fetch" | "submodule") || words.contains(&"rev-parse")
}

/// An address without its user and password.
pub(super) fn without_login(url: &str) -> String {
    split(url).map_or_else(|| url.to_owned(), |(clean, _)| clean)
}

/// The address without user and password, and those. Only where there is a password, and only for HTTP.
fn split(url: &str) -> Option<(String, Login)> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    let (user, password) = rest[..at].split_once(':')?;
    let host = &rest[at + 1..end];
    let login = Login { place: format!("{scheme}://{host}"), user: decoded(user), password: decoded(password) };
    Some((format!("{scheme}://{}", &rest[at + 1..]), login))
}

/// `%40` and the like as what they stand for.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        if let Some(code) = hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            out.push(code);
            rest = &after[2..];
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl<'a> Repository<'a> {
    pub fn new(cx: &'a Cx, args: &'a Args, dest: Option<PathBuf>, umask: Option<String>) -> Result<Self, Failure> {
        let program = match &args.executable {
            Some(path) => shown(&path.expand(cx.environment())),
            None => match cx.probe().which("git") {
                Some(path) => shown(&path),
                None => return Err(crate::modules::refusal::no_program(cx, "git")),
            },
        };
        if !(program == "git" || program.ends_with("/git")) {
            let message = format!("`executable` must be a program of the name `git`, found `{program}`");
            return Err(crate::diag::Diagnostic::task("H0103", message).into());
        }
        let home = crate::modules::types::expand(&args.repo, cx.environment());
        let repo = if args.repo.starts_with('/') || (args.repo.starts_with('~') && home.is_absolute()) {
            let path = if args.repo.starts_with('~') { shown(&home) } else { args.repo.clone() };
            format!("file://{path}")
        } else {
            args.repo.clone()
        };
        let (repo, login) = split(&repo).map_or((repo, None), |(clean, login)| (clean, Some(login)));
        let mut git = Self { cx, args, program, dest, repo, login, umask, ssh: String::new(), depth: args.depth };
        git.ssh = git.ssh_command()?;
        if git.depth.is_some() && git.version().is_some_and(|version| version < [1, 9, 1]) {
            cx.warn("git version is too old to fully support the depth argument. Falling back to full checkouts.");
            git.depth = None;
        }
        git.depth = git.depth.filter(|depth| *depth > 0);
        Ok(git)
    }

    /// `GIT_SSH_COMMAND`.
    fn ssh_command(&self) -> Result<String, Failure> {
        let (cx, args) = (self.cx, self.args);
        let variable = |name: &str| cx.probe().variable(name);
        let mut options = args.ssh_opts.clone();
        let add = |options: &mut Option<String>, word: &str| {
            let text = options.get_or_insert_default();
            if !text.contains("-o StrictHostKeyChecking=no") && !text.contains("-o StrictHostKeyChecking=accept-new") {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(word);
            }
        };
        if args.accept_hostkey {
            add(&mut options, "-o StrictHostKeyChecking=no");
        }
        if args.accept_newhostkey {
            if cx.probe().which("ssh").is_none() {
                let message = "Remote host is missing ssh command, so you cannot use acceptnewhostkey option.";
                return Err(refused("H0103", message));
            }
            let program = Program::new(["ssh", "-o", "StrictHostKeyChecking=accept-new", "-V"]);
            if cx.probe().run(program)?.success() {
                add(&mut options, "-o StrictHostKeyChecking=accept-new");
            } else {
                cx.warn("Your ssh client does not support accept_newhostkey option, therefore it cannot be used.");
            }
        }
        let mut text = variable("GIT_SSH_OPTS").unwrap_or_default();
        if let Some(options) = options {
            text = format!("{text} {options}");
        }
        if !text.contains("BatchMode=yes") {
            text.push_str(" -o BatchMode=yes");
        }
        if let Some(key) = &args.key_file {
            let key = shown(&key.expand(cx.environment()));
            text = format!("{text} -i {}", crate::system::process::quote(&key));
            if !text.contains("IdentitiesOnly=yes") {
                text.push_str(" -o IdentitiesOnly=yes");
            }
        }
        let program = variable("GIT_SSH").or_else(|| variable("GIT_SSH_COMMAND")).unwrap_or_else(|| "ssh".to_owned());
        Ok(format!("{program} {}", text.trim()))
    }

    /// A git command; those that ask a remote get the login.
    fn program(&self, words: &[&str], umask: bool) -> Program<'static> {
        let mut argv: Vec<String> = Vec::new();
        if let Some(mask) = self.umask.as_ref().filter(|_| umask) {
            let shell = ["/bin/sh", "-c", "umask \"$0\"; exec \"$@\"", mask];
            argv.extend(shell.map(str::to_owned));
        }
        argv.push(self.program.clone());
        if let Some(login) = self.login.as_ref().filter(|_| !local(words)) {
            argv.extend(git_login::options(&login.place));
        }
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        // There is nobody to ask for a password.
        let mut program =
            Program::new(argv).parsable().env("GIT_SSH_COMMAND", &self.ssh).env("GIT_TERMINAL_PROMPT", "0");
        if let Some(login) = self.login.as_ref().filter(|_| !local(words)) {
            program = program.git_login(git_login::content(&login.user, &login.password));
        }
        match self.dest.as_deref().filter(|dest| dest.is_dir()) {
            Some(dest) => program.cwd(dest),
            None => program,
        }
    }

    /// Runs what only reads. Without `here` in no folder of its own.
    pub fn read(&self, words: &[&str], here: bool) -> Result<Output> {
        let program = self.program(words, false);
        self.cx.probe().run(if here { program } else { program.cwd("/") })
    }

    /// Runs what may write; never in check mode, whose callers ended before.
    pub fn write(&self, words: &[&str]) -> Result<Output> {
        let output = self.cx.scratch(|host| host.run(self.program(words, true)))?;
        Ok(output.unwrap_or_default())
    }

    /// [`Self::write`] that must end well.
    pub fn checked(&self, words: &[&str]) -> Result<Output, Failure> {
        let output = self.write(words)?;
        if output.success() { Ok(output) } else { Err(self.failed(words, &output)) }
    }

    fn read_checked(&self, words: &[&str], here: bool) -> Result<Output, Failure> {
        let output = self.read(words, here)?;
        if output.success() { Ok(output) } else { Err(self.failed(words, &output)) }
    }

    /// The failure of a command, as Ansible's `check_rc` registers it.
    fn failed(&self, words: &[&str], output: &Output) -> Failure {
        let cmd = std::iter::once(self.program.as_str()).chain(words.iter().copied());
        let cmd: Vec<String> = cmd.map(crate::system::process::quote).collect();
        let result = self.streams(output, map! { "cmd" => cmd.join(" ") });
        refused_with("H0102", output.err().trim_end().to_owned(), result)
    }

    fn streams(&self, output: &Output, mut result: Map) -> Map {
        result.extend(map! { "rc" => i64::from(output.rc), "stdout" => output.out(), "stderr" => output.err() });
        result
    }

    pub fn set_url_failed(&self, failure: Failure) -> Failure {
        let said =
            |key: &str| failure.result.get(&crate::value::StrKey(key)).and_then(Value::as_str).unwrap_or_default();
        let label = format!("set a new url {} for {}", self.repo, self.args.remote);
        refused("H0102", format!("Failed to {label}: {} {}", said("stdout"), said("stderr")))
    }

    pub(super) fn remote(&self) -> &str {
        &self.args.remote
    }

    pub(super) fn track_submodules(&self) -> bool {
        self.args.track_submodules
    }

    pub(super) fn force(&self) -> bool {
        self.args.force
    }

    fn version(&self) -> Option<[u32; 3]> {
        let output = self.read(&["--version"], false).ok()?.out();
        let mut numbers = output.split_once("git version ")?.1.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Some([next(), next(), next()])
    }

    /// The repository's folder.
    pub fn place(&self) -> Result<PathBuf, Failure> {
        let Some(dest) = &self.dest else { return Ok(PathBuf::new()) };
        if self.args.bare {
            return Ok(dest.clone());
        }
        let place = dest.join(".git");
        if !place.is_file() {
            return Ok(place);
        }
        // A file there names the folder.
        let text = self.cx.probe().text(&place).unwrap_or_default();
        let folder = text.trim_end().strip_prefix("gitdir: ").map(|folder| dest.join(folder));
        folder.filter(|folder| folder.is_dir()).ok_or_else(|| {
            let message =
                "Current repo does not have a valid reference to a separate Git dir or it refers to the invalid path";
            refused("H0107", message)
        })
    }

    pub fn commit(&self, name: &str) -> Result<String, Failure> {
        Ok(self.read(&["rev-parse", name], true)?.out().trim_end_matches('\n').to_owned())
    }

    /// Files that git knows are changed.
    pub fn modified(&self) -> Result<bool, Failure> {
        if self.args.bare {
            return Ok(false);
        }
        let text = self.read(&["status", "--porcelain"], true)?.out();
        Ok(text.lines().any(|line| !line.starts_with("??")))
    }

    pub fn remote_url(&self) -> Option<String> {
        let output = self.read(&["ls-remote", "--get-url", &self.args.remote], true).ok()?;
        output.success().then(|| output.out().trim_end_matches('\n').to_owned())
    }

    /// A path as it really is, for comparing addresses.
    pub fn normal(&self, url: &str) -> PathBuf {
        self.cx.probe().real(&super::absolute(Path::new(url)))
    }

    fn branches(&self) -> Result<Vec<String>, Failure> {
        let output = self.read(&["branch", "--no-color", "-a"], true)?;
        if !output.success() {
            let message = format!("Could not determine branch data - received {}", output.out());
            return Err(refused_with("H0102", message, self.streams(&output, Map::new())));
        }
        Ok(output.out().lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn is_local_branch(&self, name: &str) -> Result<bool, Failure> {
        let current = format!("* {name}");
        Ok(self.branches()?.iter().any(|line| line == name || *line == current))
    }

    fn is_remote(&self, remote: &str, kind: &str, version: &str) -> Result<bool, Failure> {
        let name = format!("refs/{kind}/{version}");
        let flag = if kind == "heads" { "-h" } else { "-t" };
        Ok(self.read_checked(&["ls-remote", remote, flag, &name], true)?.out().contains(version))
    }

    /// The branch that `HEAD` means.
    fn head_branch(&self) -> Result<String, Failure> {
        let place = self.place()?;
        let remote = &self.args.remote;
        let detached = self.branches()?.iter().any(|line| {
            line.strip_prefix("* ").is_some_and(|line| {
                ["no branch", "detached from", "detached at"].iter().any(|words| line.contains(words))
            })
        });
        let file = if detached { place.join("refs/remotes").join(remote).join("HEAD") } else { place.join("HEAD") };
        let text = self.cx.probe().text(&file).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default().replacen(&format!("refs/remotes/{remote}"), "", 1);
        let last = line.rsplit(' ').next().unwrap_or_default();
        Ok(last.splitn(3, '/').last().unwrap_or_default().to_owned())
    }

    /// The commit that `version` is at the remote. `cloning`: there is no checkout to ask from.
    pub fn remote_head(&self, remote: &str, cloning: bool) -> Result<String, Failure> {
        let version = &self.args.version;
        let here = !cloning;
        let mut tag = false;
        let output = if version == "HEAD" {
            if cloning {
                self.read_checked(&["ls-remote", remote, "-h", "HEAD"], here)?
            } else {
                let name = format!("refs/heads/{}", self.head_branch()?);
                self.read_checked(&["ls-remote", remote, "-h", &name], here)?
            }
        } else if self.is_remote(remote, "heads", version)? {
            self.read_checked(&["ls-remote", remote, "-h", &format!("refs/heads/{version}")], here)?
        } else if self.is_remote(remote, "tags", version)? {
            tag = true;
            self.read_checked(&["ls-remote", remote, "-t", &format!("refs/tags/{version}*")], here)?
        } else {
            return Ok(version.clone());
        };
        let out = output.out();
        let mut line = out.lines().next();
        if version == "HEAD" && cloning && line.is_none() {
            // A `HEAD` is no head for newer programs.
            let whole = self.read_checked(&["ls-remote", remote, "HEAD"], here)?.out();
            return Ok(whole.split_whitespace().next().unwrap_or_default().to_owned());
        }
        if tag {
            let peeled = format!("{version}^{{}}");
            line = out.lines().find(|line| line.ends_with(&peeled));
            line = line.or_else(|| out.lines().rev().find(|line| line.ends_with(version.as_str())));
        }
        match line.and_then(|line| line.split_whitespace().next()) {
            Some(commit) => Ok(commit.to_owned()),
            None => {
                let message = format!("Could not determine remote revision for {version}");
                Err(refused_with("H0110", message, self.streams(&output, Map::new())))
            }
        }
    }

    pub fn clone_it(&self) -> Result<(), Failure> {
        let (cx, args) = (self.cx, self.args);
        let Some(dest) = &self.dest else { return Ok(()) };
        if let Some(folder) = dest.parent().filter(|folder| !folder.exists()) {
            cx.scratch(|host| host.create_dirs(folder))?;
        }
        let version = args.version.as_str();
        let mut words = vec!["clone"];
        if args.bare {
            words.push("--bare");
        } else {
            words.extend(["--origin", &args.remote]);
        }
        let named = self.is_remote(&self.repo, "heads", version)? || self.is_remote(&self.repo, "tags", version)?;
        let depth = self.depth.map(|depth| depth.to_string());
        if let Some(depth) = &depth {
            if version == "HEAD" || args.refspec.is_some() {
                words.extend(["--depth", depth]);
            } else if named {
                words.extend(["--depth", depth, "--branch", version]);
            } else {
                cx.warn(
                    "Ignoring depth argument. Shallow clones are only available for HEAD, branches, tags or in combination with refspec.",
                );
            }
        }
        if let Some(reference) = &args.reference {
            words.extend(["--reference", reference]);
        }
        if args.single_branch {
            words.push("--single-branch");
            if named {
                words.extend(["--branch", version]);
            }
        }
        let separate = args
            .separate_git_dir
            .as_ref()
            .map(|path| format!("--separate-git-dir={}", shown(&cx.probe().real(&path.expand(cx.environment())))));
        words.extend(separate.as_deref());
        let place = shown(dest);
        // Neither begins with a dash.
        words.extend([self.repo.as_str(), &place]);
        self.checked(&words)?;
        if args.bare && args.remote != "origin" {
            self.checked(&["remote", "add", &args.remote, &self.repo])?;
        }
        if let Some(refspec) = &args.refspec {
            let mut words = vec!["fetch"];
            if let Some(depth) = &depth {
                words.extend(["--depth", depth]);
            }
            words.extend([args.remote.as_str(), refspec]);
            self.checked(&words)?;
        }
        if args.verify_commit {
            self.verify()?;
        }
        Ok(())
    }

    pub fn fetch(&self, version: &str, refspec: Option<&str>, force: bool) -> Result<(), Failure> {
        let remote = &self.args.remote;
        let mut refs: Vec<String> = Vec::new();
        let mut words: Vec<String> = vec!["fetch".to_owned()];
        if let Some(depth) = self.depth {
            // The fewest refs that are enough.
            let current = self.head_branch()?;
            if let Some(refspec) = refspec {
                refs.push(refspec.to_owned());
            } else if version == "HEAD" {
                refs.push(current);
            } else if self.is_remote(&self.repo, "heads", version)? {
                if current != version {
                    refs.push(format!("+refs/heads/{version}:refs/heads/{version}"));
                }
                refs.push(format!("+refs/heads/{version}:refs/remotes/{remote}/{version}"));
            } else if self.is_remote(&self.repo, "tags", version)? {
                refs.push(format!("+refs/tags/{version}:refs/tags/{version}"));
            }
            if !refs.is_empty() {
                words.extend(["--depth".to_owned(), depth.to_string()]);
            }
        }
        if refs.is_empty() {
            if self.args.bare {
                refs.extend(["+refs/heads/*:refs/heads/*".to_owned(), "+refs/tags/*:refs/tags/*".to_owned()]);
            } else {
                words.push("--tags".to_owned());
            }
            refs.extend(refspec.map(str::to_owned));
        }
        if force {
            words.push("--force".to_owned());
        }
        words.push(remote.clone());
        words.extend(refs);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = self.write(&words)?;
        if output.success() {
            return Ok(());
        }
        let cmd: Vec<Value> = std::iter::once(self.program.as_str()).chain(words).map(Value::from).collect();
        let message = format!("Failed to download remote objects and refs: {} {}", output.out(), output.err());
        Err(refused_with("H0102", message, map! { "cmd" => cmd }))
    }

    /// The working files are brought to the version.
    pub fn switch(&self) -> Result<(), Failure> {
        let (version, remote) = (self.args.version.as_str(), self.args.remote.as_str());
        let place = |name: &str| format!("{remote}/{name}");
        let refuse = |name: String, output: &Output| {
            refused_with("H0102", format!("Failed to checkout {name}"), self.streams(output, Map::new()))
        };
        let force = |name: &str| -> Result<(), Failure> {
            let output = self.write(&["checkout", "--force", name, "--"])?;
            if output.success() { Ok(()) } else { Err(refuse(format!("branch {name}"), &output)) }
        };
        let output = if version == "HEAD" {
            let branch = self.head_branch()?;
            force(&branch)?;
            let output = self.write(&["reset", "--hard", &place(&branch), "--"])?;
            if !output.success() {
                return Err(refuse(format!("branch {branch}"), &output));
            }
            output
        } else if self.is_remote(remote, "heads", version)? {
            if let Some(depth) = self.depth.filter(|_| !self.is_local_branch(version).unwrap_or(true)) {
                let both = [
                    format!("+refs/heads/{version}:refs/heads/{version}"),
                    format!("+refs/heads/{version}:refs/remotes/{remote}/{version}"),
                ];
                let depth = format!("--depth={depth}");
                let output = self.write(&["fetch", &depth, remote, &both[0], &both[1]])?;
                if !output.success() {
                    let message = format!("Failed to fetch branch from remote: {version}");
                    return Err(refused_with("H0102", message, self.streams(&output, Map::new())));
                }
            }
            if self.is_local_branch(version)? {
                force(version)?;
                self.write(&["reset", "--hard", &place(version), "--"])?
            } else {
                self.write(&["checkout", "--track", "-b", version, &place(version)])?
            }
        } else {
            self.write(&["checkout", "--force", version, "--"])?
        };
        if !output.success() {
            let cmd = format!("{} checkout --force {version}", self.program);
            // Without the end of options, git looks for a file of the name too, and says so.
            if output.err().starts_with("fatal: invalid reference: ") {
                let said = format!("error: pathspec '{version}' did not match any file(s) known to git\n");
                let result = map! { "rc" => 1, "stdout" => "", "stderr" => said, "cmd" => cmd };
                return Err(refused_with("H0102", format!("Failed to checkout {version}"), result));
            }
            let mut failure = refuse(version.to_owned(), &output);
            insert(&mut failure.result, "cmd", cmd);
            return Err(failure);
        }
        if self.args.verify_commit {
            self.verify()?;
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), Failure> {
        let version = self.args.version.as_str();
        let format = "%(objecttype):%(refname:short)";
        let tags = self.read(&["for-each-ref", "refs/tags/", "--format", format], true)?.out();
        let tag = tags.lines().any(|line| line.strip_prefix("tag:") == Some(version));
        let mut words = vec![if tag { "verify-tag" } else { "verify-commit" }, version];
        let allowed = &self.args.gpg_allowlist;
        if !allowed.is_empty() {
            words.push("--raw");
        }
        let output = self.read(&words, true)?;
        if !output.success() {
            let message = format!("Failed to verify GPG signature of commit/tag \"{version}\"");
            return Err(refused_with("H0110", message, self.streams(&output, Map::new())));
        }
        if allowed.is_empty() {
            return Ok(());
        }
        let said = output.err();
        let found = said.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.get(1) == Some(&"VALIDSIG") { words.get(2).copied() } else { None }
        });
        let found = found.unwrap_or("None");
        if allowed.iter().any(|name| name == found) {
            return Ok(());
        }
        let message = format!("The gpg_allowlist does not include the public key \"{found}\" for this commit");
        Err(refused_with("H0110", message, self.streams(&output, Map::new())))
    }
}
