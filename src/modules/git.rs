//! `git`: a checkout of a repository at a version. The host's `git` does the work, in the order of Ansible's module.
//!
//! What a URL has as user and password goes to git by a descriptor (`system::git_login`): the process list, its
//! variables, the checkout's configuration and the result have the URL without them.

mod repository;
mod submodules;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use self::repository::Repository;
use super::call::Failure;
use super::cx::Cx;
use super::refusal::{refused, refused_with};
use super::spec::{Meta, Module};
use super::types::{HostPath, expand};
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::map;
use crate::system::fs::{Content, WriteOptions, shown};
use crate::value::{Map, Value, insert};

/// Keeps a checkout of a repository at a branch, tag or commit.
///
/// A user and password in `repo` reach git through a descriptor only; neither process list, environment nor the
/// checkout's configuration have them. With `depth`, `single_branch` or `recursive: false` less is fetched.
///
/// ```yaml
/// - git:
///     repo: https://git.example/tools.git
///     dest: /opt/tools
///     version: v1.4
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The repository's address or path.
    repo: String,
    /// Where the checkout is. May be left out with `clone: false`.
    dest: Option<HostPath>,
    /// A branch, tag, commit, or `HEAD` for the branch that the repository shows first.
    #[serde(default = "head")]
    version: String,
    /// The remote's name.
    #[serde(default = "origin")]
    remote: String,
    /// One more refspec to fetch, for commits that no branch or tag reaches.
    refspec: Option<String>,
    /// A repository on the host to take objects from.
    reference: Option<String>,
    /// Throw away changes of files in the checkout.
    #[serde(default)]
    force: bool,
    /// Fetch only so many commits.
    depth: Option<i64>,
    /// Clone if the checkout is not there; otherwise only tell what the version is.
    #[serde(default = "yes")]
    clone: bool,
    /// Fetch if the checkout is there.
    #[serde(default = "yes")]
    update: bool,
    /// The commit or tag must be signed with a key of the user's key ring.
    #[serde(default)]
    verify_commit: bool,
    /// The fingerprints of keys that may have signed it.
    #[serde(default)]
    gpg_allowlist: Vec<String>,
    /// ssh takes any host key.
    #[serde(default)]
    accept_hostkey: bool,
    /// ssh takes host keys that it has not seen before.
    #[serde(default)]
    accept_newhostkey: bool,
    /// The private key for ssh, on the host.
    key_file: Option<HostPath>,
    /// More options for ssh.
    ssh_opts: Option<String>,
    /// The git program.
    executable: Option<HostPath>,
    /// A repository without working files.
    #[serde(default)]
    bare: bool,
    /// Submodules too.
    #[serde(default = "yes")]
    recursive: bool,
    /// Fetch only the history of this version.
    #[serde(default)]
    single_branch: bool,
    /// Submodules follow their branch instead of the recorded commit.
    #[serde(default)]
    track_submodules: bool,
    /// The umask for everything that git writes, as octal text.
    umask: Option<Json>,
    /// Write the version's files to this archive too (`zip`, `tar.gz`, `tar`, `tgz`).
    archive: Option<HostPath>,
    /// What each path in the archive begins with.
    archive_prefix: Option<String>,
    /// The folder for the repository itself, apart from the working files.
    separate_git_dir: Option<HostPath>,
}

fn head() -> String {
    "HEAD".to_owned()
}

fn origin() -> String {
    "origin".to_owned()
}

fn yes() -> bool {
    true
}

/// The module.
pub struct Git;

impl Module for Git {
    type Args = Args;
    const META: Meta = Meta {
        name: "git",
        full_name: "ansible.builtin.git",
        also: &["ansible.legacy.git"],
        summary: "Keep a checkout of a repository",
        aliases: &[("repo", &["name"]), ("gpg_allowlist", &["gpg_whitelist"])],
        exclusive: &[&["separate_git_dir", "bare"], &["accept_hostkey", "accept_newhostkey"]],
        required_by: &[("archive_prefix", &["archive"])],
        reads: repository::READS,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let refspec = args.refspec.clone().unwrap_or_default();
        let texts = [("repo", &args.repo), ("version", &args.version), ("remote", &args.remote), ("refspec", &refspec)];
        for (name, text) in texts {
            if text.starts_with('-') {
                let message = format!("`{name}` cannot begin with a dash: `{text}`");
                return Err(Diagnostic::task("H0110", message)
                    .with_hint("git would take it for an option; name a branch, tag, commit or address")
                    .into());
            }
        }
        let umask = umask(args.umask.as_ref())?;
        let text = args.dest.as_ref().map_or("", |dest| dest.as_str());
        let dest = (!text.is_empty()).then(|| absolute(&expand(text, cx.environment())));
        if dest.is_none() && args.clone {
            return Err(refused("H0110", "the destination directory must be specified unless clone=no"));
        }
        let repository = Repository::new(cx, &args, dest, umask)?;
        Work { cx, args: &args, git: repository }.run()
    }
}

/// The umask as four octal digits.
fn umask(given: Option<&Json>) -> Result<Option<String>, Failure> {
    match given {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => match u32::from_str_radix(text.trim().trim_start_matches("0o"), 8) {
            Ok(bits) => Ok(Some(format!("{:04o}", bits & 0o777))),
            Err(_) => Err(refused("H0110", "umask must be an octal integer")),
        },
        Some(_) => Err(refused("H0110", "umask must be defined as a quoted octal integer")),
    }
}

/// The path from the root, without `.` and `..`.
fn absolute(path: &Path) -> PathBuf {
    let whole = if path.is_absolute() {
        path.to_owned()
    } else {
        std::env::current_dir().map_or_else(|_| path.to_owned(), |folder| folder.join(path))
    };
    crate::system::fs::normal(&whole)
}

struct Work<'a> {
    cx: &'a Cx,
    args: &'a Args,
    git: Repository<'a>,
}

impl Work<'_> {
    fn run(&self) -> Result<Map, Failure> {
        let (cx, args, git) = (self.cx, self.args, &self.git);
        let mut result = map! { "before" => Value::Null };
        let place = self.separated(&mut result)?;
        let there = place.as_ref().is_some_and(|place| cx.probe().exists(&place.join("config")));
        let mut modified = false;
        let mut moved_url = false;
        if (git.dest.is_some() && !there) || (git.dest.is_none() && !args.clone) {
            if cx.check_mode() || !args.clone {
                let after = git.remote_head(&git.repo, true)?;
                insert(&mut result, "after", after.as_str());
                self.told(None, &after)?;
                cx.change(format!("check out {after}"), |_| Ok(()))?;
                return Ok(result);
            }
            let what = format!("clone {} to {}", git.repo, self.dest());
            let cloned = cx.change(what, |_| Ok(git.clone_it()))?;
            cloned.transpose()?;
        } else if !args.update {
            let now = git.commit("HEAD")?;
            insert(&mut result, "before", now.as_str());
            insert(&mut result, "after", now);
            self.archive()?;
            return Ok(result);
        } else {
            modified = git.modified()?;
            let before = git.commit("HEAD")?;
            insert(&mut result, "before", before.as_str());
            let words = format!("Local modifications exist in the destination: {}", self.dest());
            if modified && !args.force {
                return Err(refused_with("H0110", format!("{words} (force=no)."), result));
            }
            if modified && !cx.check_mode() {
                let what = format!("throw away changes in {}", self.dest());
                cx.change(what, |_| Ok(git.checked(&["reset", "--hard", "HEAD"])))?.transpose()?;
                insert(&mut result, "msg", words);
            }
            moved_url = self.remote_url()?;
            insert(&mut result, "remote_url_changed", moved_url);
            if cx.check_mode() {
                let after = git.remote_head(&args.remote, false)?;
                insert(&mut result, "after", after.as_str());
                if before != after {
                    self.told(Some(&before), &after)?;
                    cx.change(format!("{} from {before} to {after}", self.dest()), |_| Ok(()))?;
                }
                return Ok(result);
            }
            git.fetch(&args.version, args.refspec.as_deref(), args.force)?;
        }
        if !args.bare {
            git.switch()?;
        }
        let mut submodules = false;
        if args.recursive && !args.bare {
            submodules = git.submodules_differ()?;
            if submodules {
                insert(&mut result, "submodules_changed", true);
                let what = format!("update submodules of {}", self.dest());
                cx.change(what, |_| Ok(git.update_submodules()))?.transpose()?;
            }
        }
        let after = git.commit("HEAD")?;
        let before = result.get(&crate::value::StrKey("before")).and_then(Value::as_str).map(str::to_owned);
        if before.as_deref() != Some(after.as_str()) {
            cx.change(format!("{} to {after}", self.dest()), |_| Ok(()))?;
        }
        if before.as_deref() != Some(after.as_str()) || modified || submodules || moved_url {
            self.told(before.as_deref(), &after)?;
        }
        insert(&mut result, "after", after);
        self.archive()?;
        Ok(result)
    }

    fn dest(&self) -> String {
        self.git.dest.as_deref().map(shown).unwrap_or_default()
    }

    /// The repository's folder, after a move to `separate_git_dir` if it stands elsewhere.
    fn separated(&self, result: &mut Map) -> Result<Option<PathBuf>, Failure> {
        let (cx, args) = (self.cx, self.args);
        let Some(dest) = &self.git.dest else { return Ok(None) };
        let place = self.git.place()?;
        let Some(wanted) = args.separate_git_dir.as_ref().map(|path| cx.probe().real(&path.expand(cx.environment())))
        else {
            return Ok(Some(place));
        };
        if !cx.probe().exists(&place) || wanted == place {
            return Ok(Some(place));
        }
        if cx.probe().exists(&wanted) {
            let message = format!("Separate-git-dir path {} already exists.", shown(&wanted));
            return Err(refused("H0107", message));
        }
        let moved = cx.change(format!("move {} to {}", shown(&place), shown(&wanted)), |host| {
            host.run_ok(crate::system::process::Program::new(["mv", "--"]).arg(&place).arg(&wanted))?;
            let text = format!("gitdir: {}", shown(&wanted));
            host.write(&dest.join(".git"), Content::Bytes(text.as_bytes()), WriteOptions::default())
        })?;
        if moved.is_none() {
            return Ok(Some(place));
        }
        insert(result, "git_dir_before", shown(&place));
        insert(result, "git_dir_now", shown(&wanted));
        Ok(Some(wanted))
    }

    /// The remote's address is brought to `repo`; true if it was another.
    fn remote_url(&self) -> Result<bool, Failure> {
        let git = &self.git;
        let Some(current) = git.remote_url() else { return Ok(false) };
        if current == git.repo {
            return Ok(false);
        }
        let set = || git.checked(&["remote", "set-url", &self.args.remote, &git.repo]);
        if git.login.is_some() && repository::without_login(&current) == git.repo {
            // An older checkout has the password in its configuration.
            self.cx.scratch(|_| Ok(set()))?.transpose()?;
            return Ok(false);
        }
        if git.normal(&current) == git.normal(&git.repo) {
            return Ok(false);
        }
        self.cx
            .change(format!("remote {} to {}", self.args.remote, git.repo), |_| Ok(set()))?
            .transpose()
            .map_err(|failure| git.set_url_failed(failure))?;
        Ok(true)
    }

    /// The diff of two versions.
    fn told(&self, before: Option<&str>, after: &str) -> Result<(), Failure> {
        if !self.cx.diff_mode() {
            return Ok(());
        }
        let text = match before {
            None => format!(">> Newly checked out {after}"),
            Some(before) if before == after => return Ok(()),
            Some(before) => {
                let output = self.git.read(&["diff", before, after], true)?;
                match (output.rc, output.out(), output.err()) {
                    (0, out, _) if !out.is_empty() => out,
                    (0, ..) => format!(">> No visual differences between {before} and {after}"),
                    (_, _, err) if !err.is_empty() => {
                        format!(">> Failed to get proper diff between {before} and {after}:\n>> {err}")
                    }
                    _ => format!(">> Failed to get proper diff between {before} and {after}"),
                }
            }
        };
        self.cx.diff(Diff { prepared: Some(text), ..Diff::default() });
        Ok(())
    }

    /// Writes `archive` if its content differs.
    fn archive(&self) -> Result<(), Failure> {
        let (cx, git) = (self.cx, &self.git);
        let Some(archive) = &self.args.archive else { return Ok(()) };
        let path = archive.expand(cx.environment());
        let name = shown(&path);
        let format = [(".zip", "zip"), (".gz", "tar.gz"), (".tar", "tar"), (".tgz", "tgz")];
        let Some((_, format)) = format.into_iter().find(|(end, _)| name.ends_with(end)) else {
            let details = "Please specify archive as filename with extension. File extension can be one of ['tar', 'tar.gz', 'zip', 'tgz']";
            let message = format!("Unable to get file extension from archive file name : {name}");
            return Err(refused_with("H0110", message, map! { "details" => details }));
        };
        if cx.check_mode() {
            cx.change(format!("write {name}"), |_| Ok(()))?;
            return Ok(());
        }
        let folder = cx.scratch(crate::system::Mutate::scratch_dir)?;
        let Some(folder) = folder else { return Ok(()) };
        let made = folder.path().join(format!("archive.{format}"));
        let place = shown(&made);
        let mut words = vec!["archive", "--format", format, "--output", &place];
        if let Some(prefix) = &self.args.archive_prefix {
            words.extend(["--prefix", prefix]);
        }
        words.push(&self.args.version);
        let output = git.write(&words)?;
        if !output.success() {
            let details = format!(
                "Git archive command failed to create archive {name} using {} directory.Error: {}",
                self.dest(),
                output.err()
            );
            let result = map! { "details" => details };
            return Err(refused_with("H0110", "Failed to perform archive operation", result));
        }
        let sum = |path: &Path| cx.probe().digest(path, crate::system::digest::Digest::Sha256).ok();
        if cx.probe().exists(&path) && sum(&path) == sum(&made) {
            return Ok(());
        }
        cx.change(format!("write {name}"), |host| host.write(&path, Content::File(&made), WriteOptions::default()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
