//! Checkouts of git repositories as build contexts, and what a working copy says of itself.
//!
//! The host's `git` does the work, by argument vector. User and password of an address reach it through a descriptor
//! ([`super::git_login`]); no argument, variable, file or message has them. Transports that run programs are refused, and
//! nothing ever asks a person.

use std::path::{Component, Path, PathBuf};

use super::git_login;
use super::process::{Output, Program};
use super::{Mutate, Probe};
use crate::diag::{Diagnostic, Result};
use crate::secret::{Redactor, Secret, names_secret};

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GitReference {
    /// The branch that the repository shows first.
    Head,
    /// A branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A whole commit id.
    Commit(String),
}

/// A repository at a version.
#[derive(Clone, Debug)]
pub struct GitSource {
    pub(super) url: String,
    login: Option<Login>,
    reference: GitReference,
}

#[derive(Clone, Debug)]
struct Login {
    /// Scheme and host that it is for.
    place: String,
    user: Secret,
    password: Secret,
}

/// A repository whose files are on this host.
#[derive(Clone, Debug)]
pub struct GitCheckout {
    /// The files.
    pub folder: PathBuf,
    /// Their commit.
    pub commit: String,
    /// The branch, if one was asked for.
    pub branch: Option<String>,
    /// The tag, if one was asked for.
    pub tag: Option<String>,
}

/// What a working copy says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GitFacts {
    /// The whole commit id.
    pub commit: Option<String>,
    /// The branch; `None` on a detached head.
    pub branch: Option<String>,
    /// `git describe`: the nearest annotated tag, else the nearest tag of any sort.
    pub version: Option<String>,
}

/// Programs by which a working copy is asked.
pub const GIT_READS: &[&str] = &["git -C * describe", "git -C * rev-parse", "git -C * symbolic-ref"];

/// Variables of a repository around this process, such as that of a hook: they do not mean ours.
pub const FOREIGN: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// What ends the host of an address.
const ENDS: [char; 3] = ['/', '?', '#'];

impl GitSource {
    /// An address and a version, or why git is not given them, with a hint.
    pub fn parse(address: &str, reference: GitReference) -> std::result::Result<Self, (String, String)> {
        let bad = |text: &str, hint: &str| Err((text.to_owned(), hint.to_owned()));
        if address.is_empty() || address.starts_with('-') || address.contains(char::is_control) {
            return bad("this is no address of a git repository", "for example `https://git.example/lab/tools.git`");
        }
        let query = address.split_once('?').map_or("", |(_, query)| query);
        if query.split('&').any(|part| names_secret(part.split('=').next().unwrap_or_default())) {
            return bad(
                "git would have the token in its query on its command line, which all users of the host see",
                "as a login: `https://USER:TOKEN@git.example/lab/tools.git`, with the token from a vault",
            );
        }
        if address.contains("::") && !address.contains("://[") {
            return bad(
                "git's own transports (`NAME::ADDRESS`) run what the address says",
                "write the address itself, such as `ssh://git@git.example/lab/tools.git`",
            );
        }
        match &reference {
            GitReference::Head => {}
            GitReference::Branch(name) | GitReference::Tag(name) => {
                if !is_name(name) {
                    return bad("this is no name that git takes", "name a branch or tag as `git ls-remote` lists it");
                }
            }
            GitReference::Commit(id) => {
                if !is_commit(id) {
                    return bad("this is no whole commit id", "give all 40 digits; `git rev-parse NAME` prints them");
                }
            }
        }
        let (url, login) = split(address);
        Ok(Self { url, login, reference })
    }

    /// Address and version, without credentials: what tells two sources apart.
    pub fn shown(&self) -> String {
        match &self.reference {
            GitReference::Head => self.url.clone(),
            GitReference::Branch(name) | GitReference::Tag(name) | GitReference::Commit(name) => {
                format!("{}#{name}", self.url)
            }
        }
    }

    /// A word for each kind of version in a key of a map.
    pub fn key(&self) -> String {
        let kind = match self.reference {
            GitReference::Head => "head",
            GitReference::Branch(_) => "branch",
            GitReference::Tag(_) => "tag",
            GitReference::Commit(_) => "commit",
        };
        format!("{kind} {}", self.shown())
    }

    fn refspec(&self) -> String {
        match &self.reference {
            GitReference::Head => format!("+HEAD:{FETCHED}"),
            GitReference::Branch(name) => format!("+refs/heads/{name}:{FETCHED}"),
            GitReference::Tag(name) => format!("+refs/tags/{name}:{FETCHED}"),
            GitReference::Commit(id) => format!("+{id}:{FETCHED}"),
        }
    }
}

/// Where what was fetched is kept.
const FETCHED: &str = "refs/hostctl/fetched";

/// True for a branch or tag by git's own rules, as far as they keep it from being something else.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("//")
        && !name.contains("@{")
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c))
}

/// True for a whole commit id.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The address without user and password, and those. Only for HTTP; the user of an ssh address is no secret.
fn split(address: &str) -> (String, Option<Login>) {
    let none = || (address.to_owned(), None);
    let Some((scheme, rest)) = address.split_once("://") else { return none() };
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https") {
        return none();
    }
    let end = rest.find(ENDS).unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return none() };
    let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
    let host = &rest[at + 1..end];
    let login = Login {
        place: format!("{scheme}://{host}"),
        user: Secret::new(decoded(user)),
        password: Secret::new(decoded(password)),
    };
    (format!("{scheme}://{}", &rest[at + 1..]), Some(login))
}

/// `%40` and the like as what they stand for.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(code) => {
                out.push(code);
                rest = &after[2..];
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn git(probe: &Probe, words: &[&str]) -> Program<'static> {
    let mut program = Program::new(words.iter().copied()).parsable().env("GIT_TERMINAL_PROMPT", "0");
    for name in FOREIGN {
        program = program.env_remove(name);
    }
    if probe.variable("GIT_SSH_COMMAND").is_none() && probe.variable("GIT_SSH").is_none() {
        program = program.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    }
    program
}

impl Probe {
    /// What the working copy around a folder says of itself; nothing if there is none. Needs [`GIT_READS`].
    pub fn git_facts(&self, folder: &Path) -> GitFacts {
        let folder = folder.to_string_lossy();
        let ask = |words: &[&str]| {
            let words: Vec<&str> = ["git", "-C", &folder].into_iter().chain(words.iter().copied()).collect();
            let output = self.run(git(self, &words)).ok().filter(Output::success)?;
            Some(output.out().trim().to_owned()).filter(|text| !text.is_empty())
        };
        let Some(commit) = ask(&["rev-parse", "--verify", "--quiet", "HEAD"]) else { return GitFacts::default() };
        GitFacts {
            commit: Some(commit),
            branch: ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]),
            version: ask(&["describe"]).or_else(|| ask(&["describe", "--tags"])),
        }
    }

    /// The folder that holds `.git` (a folder, or the file of a submodule) at or above a folder.
    pub fn git_root(&self, folder: &Path) -> Option<PathBuf> {
        let folder = std::path::absolute(folder).ok()?;
        folder.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()).map(Path::to_path_buf)
    }
}

impl Mutate {
    /// Fetches a repository at its version, without history, and writes its files below `into`, a private folder.
    /// Submodules are left out.
    pub fn git_checkout(&self, source: &GitSource, into: &Path) -> Result<GitCheckout> {
        self.need_git(source)?;
        let (store, folder) = (into.join("repository"), into.join("files"));
        let (store, files) = (store.to_string_lossy().into_owned(), folder.to_string_lossy().into_owned());
        self.git(source, &["init", "--quiet", "--bare", "--", &store])?;
        let dir = format!("--git-dir={store}");
        let refspec = source.refspec();
        let fetch = |more: &[&str], specs: &[&str]| {
            let mut words = vec![dir.as_str(), "fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
            words.extend(more);
            words.extend(["--", &source.url]);
            words.extend(specs);
            self.git(source, &words)
        };
        if let Err(error) = fetch(&["--depth=1"], &[&refspec]) {
            // Servers need not give commits by their id, nor parts of a history.
            let GitReference::Commit(id) = &source.reference else { return Err(error) };
            let all = ["+refs/heads/*:refs/hostctl/heads/*", "+refs/tags/*:refs/hostctl/tags/*"];
            fetch(&[], &all).map_err(|_| error.clone())?;
            self.git(source, &[&dir, "update-ref", FETCHED, id]).map_err(|_| {
                Diagnostic::task("B0055", format!("`{}` has no commit `{id}` in a branch or tag", source.url))
                    .with_hint(format!("look for it: `git ls-remote {}`", source.url))
            })?;
        }
        let name = format!("{FETCHED}^{{commit}}");
        let found = self.git(source, &[&dir, "rev-parse", "--verify", "--quiet", "--end-of-options", &name])?;
        let commit = found.out().trim().to_owned();
        if !is_commit(&commit) {
            return Err(Diagnostic::task("B0055", format!("`{}` is no commit of files", source.shown())));
        }
        self.create_dir(&folder)?;
        // A hook of the user's template is not meant for this.
        let tree = format!("--work-tree={files}");
        let words =
            [&dir, &tree, "-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "--force", &commit, "--", "."];
        self.git(source, &words)?;
        let (mut branch, mut tag) = (None, None);
        match &source.reference {
            GitReference::Branch(name) => branch = Some(name.clone()),
            GitReference::Tag(name) => tag = Some(name.clone()),
            GitReference::Head | GitReference::Commit(_) => {}
        }
        Ok(GitCheckout { folder, commit, branch, tag })
    }

    pub(super) fn need_git(&self, source: &GitSource) -> Result<()> {
        if self.probe().which("git").is_some() {
            return Ok(());
        }
        let message = format!("`{}` needs the program `git`, which is not here", source.url);
        Err(Diagnostic::task("B0055", message)
            .with_hint("install git on the build host, for example `apt-get install git`"))
    }

    pub(super) fn git(&self, source: &GitSource, words: &[&str]) -> Result<Output> {
        let mut argv = vec!["git".to_owned()];
        for name in ["ext", "fd"] {
            argv.extend(["-c".to_owned(), format!("protocol.{name}.allow=never")]);
        }
        let login = source.login.as_ref().filter(|_| words.contains(&"fetch") || words.contains(&"ls-remote"));
        argv.extend(login.into_iter().flat_map(|login| git_login::options(&login.place)));
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let mut program = git(self.probe(), &argv);
        if let Some(login) = login {
            program = program.git_login(git_login::content(login.user.expose(), login.password.expose()));
        }
        let output = self.run(program)?;
        if output.success() {
            return Ok(output);
        }
        let redactor = Redactor::default();
        for secret in source.login.iter().flat_map(|login| [&login.user, &login.password]) {
            redactor.learn(secret.expose());
        }
        let said = redactor.redact(&output.said()).into_owned();
        let mut error = Diagnostic::task("B0055", format!("`{}` cannot be fetched", source.shown()));
        for line in said.lines().map(str::trim_end).filter(|line| !line.is_empty()).take(5) {
            error = error.with_note(line);
        }
        Err(error.with_hint(format!("try it on the build host: `git ls-remote {}`", source.url)))
    }
}

impl GitCheckout {
    /// A folder of the repository; no part of the way may be a link, which could lead out of it.
    pub fn inside(&self, folder: &Path) -> std::result::Result<PathBuf, String> {
        let mut at = self.folder.clone();
        for part in folder.components() {
            match part {
                Component::Normal(name) => at.push(name),
                Component::CurDir => continue,
                _ => return Err(format!("`{}` leaves the repository", folder.display())),
            }
            match at.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(found) if found.is_symlink() => return Err(format!("`{}` is a link", folder.display())),
                Ok(_) => return Err(format!("`{}` is no folder", folder.display())),
                Err(_) => return Err(format!("the repository has no folder `{}`", folder.display())),
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, words: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@x.example", "-c", "init.defaultBranch=main"])
            .args(words)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A repository with two commits, a tag on the first, and a link that leads out.
    fn repository() -> Option<(tempfile::TempDir, String)> {
        if super::super::process::which("git", None).is_none() {
            println!("skipped: there is no git here");
            return None;
        }
        let temp = tempfile::tempdir().unwrap();
        let work = temp.path().join("work");
        std::fs::create_dir_all(work.join("docker/app")).unwrap();
        std::fs::write(work.join("docker/app/Dockerfile"), "FROM one\n").unwrap();
        std::os::unix::fs::symlink("/etc", work.join("out")).unwrap();
        run(&work, &["init", "-q"]);
        run(&work, &["add", "."]);
        run(&work, &["commit", "-q", "-m", "one"]);
        run(&work, &["tag", "-a", "v1", "-m", "v1"]);
        std::fs::write(work.join("docker/app/Dockerfile"), "FROM two\n").unwrap();
        run(&work, &["commit", "-q", "-a", "-m", "two"]);
        let url = format!("file://{}", work.display());
        Some((temp, url))
    }

    fn fetch(url: &str, reference: GitReference) -> Result<(tempfile::TempDir, GitCheckout)> {
        let into = tempfile::tempdir().unwrap();
        let source = GitSource::parse(url, reference).unwrap();
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let checkout = mutate.git_checkout(&source, into.path())?;
        Ok((into, checkout))
    }

    #[test]
    fn branches_tags_and_commits_are_checked_out_without_history() {
        let Some((temp, url)) = repository() else { return };
        let work = temp.path().join("work");
        let (first, second) = (run(&work, &["rev-parse", "v1^{commit}"]), run(&work, &["rev-parse", "main"]));
        for (reference, commit, text) in [
            (GitReference::Head, &second, "FROM two\n"),
            (GitReference::Branch("main".into()), &second, "FROM two\n"),
            (GitReference::Tag("v1".into()), &first, "FROM one\n"),
            (GitReference::Commit(first.clone()), &first, "FROM one\n"),
        ] {
            let (_into, checkout) = fetch(&url, reference.clone()).unwrap();
            assert_eq!(&checkout.commit, commit, "{reference:?}");
            let folder = checkout.inside(Path::new("docker/app")).unwrap();
            assert_eq!(std::fs::read_to_string(folder.join("Dockerfile")).unwrap(), text);
            assert!(!checkout.folder.join(".git").exists());
            assert_eq!(checkout.branch.is_some(), matches!(reference, GitReference::Branch(_)));
        }
        let (_into, checkout) = fetch(&url, GitReference::Head).unwrap();
        assert_eq!(checkout.inside(Path::new("out")).unwrap_err(), "`out` is a link");
        assert_eq!(checkout.inside(Path::new("out/ssl")).unwrap_err(), "`out/ssl` is a link");
        assert_eq!(checkout.inside(Path::new("../x")).unwrap_err(), "`../x` leaves the repository");
        assert!(checkout.inside(Path::new("docker/app/Dockerfile")).unwrap_err().ends_with("is no folder"));
        assert!(checkout.inside(Path::new("nothing")).is_err());
    }

    #[test]
    fn what_is_not_there_says_what_was_asked_for() {
        let Some((_temp, url)) = repository() else { return };
        let error = fetch(&url, GitReference::Branch("gone".into())).unwrap_err();
        assert_eq!(error.code, "B0055");
        assert!(error.message.ends_with("work#gone` cannot be fetched"), "{}", error.message);
        assert!(error.hints[0].contains("git ls-remote"), "{:?}", error.hints);
        let error = fetch(&url, GitReference::Commit("a".repeat(40))).unwrap_err();
        assert!(error.message.contains("has no commit"), "{}", error.message);
    }

    #[test]
    fn addresses_that_run_programs_or_look_like_options_are_refused() {
        for bad in
            ["", "-upload-pack=x", "ext::sh -c x", "fd::3", "a\nb", "https://git.example/x.git?a=b&private_token=x"]
        {
            assert!(GitSource::parse(bad, GitReference::Head).is_err(), "{bad}");
        }
        let url = "https://git.example/x.git";
        for bad in ["-x", "a..b", "a b", "a:b", "", "a/", "x@{1}"] {
            assert!(GitSource::parse(url, GitReference::Branch(bad.into())).is_err(), "{bad}");
        }
        for bad in ["main", "abc123", "A".repeat(40).as_str()] {
            assert!(GitSource::parse(url, GitReference::Commit(bad.into())).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_in_no_text() {
        let source = GitSource::parse("https://me%40x:s3cret%2Fw@git.example:8/x.git", GitReference::Head).unwrap();
        assert_eq!(source.shown(), "https://git.example:8/x.git");
        let login = source.login.as_ref().unwrap();
        assert_eq!((login.place.as_str(), login.password.expose()), ("https://git.example:8", "s3cret/w"));
        assert!(!format!("{source:?}").contains("s3cret"), "{source:?}");
        // Nobody answers there.
        let source = GitSource::parse("http://me:s3cretword@127.0.0.1:9/x.git", GitReference::Head).unwrap();
        let into = tempfile::tempdir().unwrap();
        let error = Mutate::with_probe(Probe::new(Vec::new())).git_checkout(&source, into.path()).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cretword"), "{error:?}");
    }

    #[test]
    fn a_working_copy_tells_commit_branch_and_version() {
        let Some((temp, _)) = repository() else { return };
        let work = temp.path().join("work");
        let probe = Probe::new(Vec::new()).allowing(GIT_READS);
        let facts = probe.git_facts(&work.join("docker"));
        assert_eq!(facts.branch.as_deref(), Some("main"));
        assert_eq!(facts.commit, Some(run(&work, &["rev-parse", "HEAD"])));
        let version = facts.version.unwrap();
        assert!(version.starts_with("v1-1-g"), "{version}");
        assert_eq!(probe.git_root(&work.join("docker/app")), Some(work.clone()));
        run(&work, &["checkout", "-q", "v1"]);
        let facts = probe.git_facts(&work);
        assert_eq!((facts.branch, facts.version.as_deref()), (None, Some("v1")));
        assert_eq!(probe.git_facts(temp.path()), GitFacts::default());
    }
}
