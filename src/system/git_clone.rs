//! A clone with its history as `kolla-build` packs it: Python's pbr asks `.git` for the version of what it installs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Mutate;
use super::digest::{Digest, Hasher};
use super::git_source::{GitSource, is_name};
use crate::diag::{Diagnostic, Result};

/// A clone whose files and `.git` are on this host.
#[derive(Clone, Debug)]
pub struct GitClone {
    /// The working copy.
    pub folder: PathBuf,
    /// The commit that is checked out.
    pub commit: String,
    /// What tells two states apart: the commit and the tags in its history. The bytes of `.git` differ from clone to clone.
    pub stamp: String,
}

/// Branches and tags of a repository, as its server lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitRefs {
    /// Commits of branches and tags by whole names (`refs/heads/main`); an annotated tag by what it tags.
    commits: BTreeMap<String, String>,
    /// A digest of all tags.
    pub tags: String,
}

impl GitRefs {
    fn parse(listed: &str) -> Self {
        let mut commits = BTreeMap::new();
        let mut tags = Hasher::new(Digest::Sha256);
        for (id, name) in listed.lines().filter_map(|line| line.split_once('\t')) {
            if name.starts_with("refs/tags/") {
                tags.update(format!("{id} {name}\n").as_bytes());
            }
            // `^{}` follows the tag itself.
            commits.insert(name.trim_end_matches("^{}").to_owned(), id.to_owned());
        }
        Self { commits, tags: tags.finish() }
    }

    /// The commit of a tag or branch, looked for as [`Mutate::git_clone`] does.
    pub fn commit(&self, reference: &str) -> Option<&str> {
        let branch = reference.strip_prefix("origin/").unwrap_or(reference);
        let names =
            [format!("refs/tags/{reference}"), format!("refs/heads/{reference}"), format!("refs/heads/{branch}")];
        names.iter().find_map(|name| self.commits.get(name)).map(String::as_str)
    }
}

impl Mutate {
    /// Asks a repository's server for branches and tags; nothing is fetched.
    pub fn git_refs(&self, source: &GitSource) -> Result<GitRefs> {
        self.need_git(source)?;
        let listed = self.git(source, &["ls-remote", "--heads", "--tags", "--", &source.url])?;
        Ok(GitRefs::parse(&listed.out()))
    }

    /// Clones all branches and tags into a new folder and checks out a tag, branch or commit, looked for in this order.
    /// No remote, log or hook stays in `.git`.
    pub fn git_clone(&self, source: &GitSource, reference: &str, folder: &Path) -> Result<GitClone> {
        self.need_git(source)?;
        let unknown = || {
            let message = format!("`{}` has no tag, branch or commit `{}`", source.url, reference.escape_debug());
            Diagnostic::task("B0055", message).with_hint(format!("look for it: `git ls-remote {}`", source.url))
        };
        if !is_name(reference) {
            return Err(unknown());
        }
        let files = folder.to_string_lossy().into_owned();
        let (dir, tree) = (format!("--git-dir={files}/.git"), format!("--work-tree={files}"));
        self.git(source, &["init", "--quiet", "--template=", "--", &files])?;
        let heads = "+refs/heads/*:refs/remotes/origin/*";
        let words = [&dir, "fetch", "--quiet", "--tags", "--no-recurse-submodules", "--", &source.url, heads];
        self.git(source, &words)?;
        let short = reference.len() >= 4 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        let names = [
            Some(format!("refs/tags/{reference}")),
            Some(format!("refs/remotes/origin/{reference}")),
            Some(format!("refs/remotes/{reference}")),
            short.then(|| reference.to_owned()),
        ];
        let found = names.into_iter().flatten().find_map(|name| {
            let name = format!("{name}^{{commit}}");
            let words = [&dir, "rev-parse", "--verify", "--quiet", "--end-of-options", &name];
            let commit = self.git(source, &words).ok()?.out().trim().to_owned();
            (!commit.is_empty()).then_some(commit)
        });
        let commit = found.ok_or_else(unknown)?;
        let hooks = "core.hooksPath=/dev/null";
        self.git(source, &[&dir, &tree, "-c", hooks, "checkout", "--quiet", "--force", "--detach", &commit, "--"])?;
        let merged = format!("--merged={commit}");
        let format = "--format=%(objectname) %(refname)";
        let tags = self.git(source, &[&dir, "for-each-ref", &merged, format, "refs/tags"])?;
        let stamp = format!("{commit}\n{}", tags.out());
        // Times and numbers of the files of this host stand in the index that a checkout leaves.
        let own = folder.join(".git");
        for name in ["index", "FETCH_HEAD", "ORIG_HEAD"] {
            self.remove_file(&own.join(name))?;
        }
        self.remove_tree(&own.join("logs"))?;
        self.git(source, &[&dir, &tree, "read-tree", &commit])?;
        Ok(GitClone { folder: folder.to_path_buf(), commit, stamp })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::Probe;
    use super::super::git_source::GitReference;
    use super::*;

    fn git(folder: &Path, words: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_clone_knows_its_version_and_nothing_of_where_it_came_from() {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().join("repository");
        std::fs::create_dir(&repository).unwrap();
        git(&repository, &["init", "-q", "-b", "master"]);
        std::fs::write(repository.join("file"), "one").unwrap();
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "-q", "-m", "one"]);
        git(&repository, &["tag", "-a", "-m", "x", "1.0"]);
        git(&repository, &["checkout", "-q", "-b", "stable/x"]);
        std::fs::write(repository.join("file"), "two").unwrap();
        git(&repository, &["commit", "-q", "-a", "-m", "two"]);
        let head = git(&repository, &["rev-parse", "HEAD"]);
        let source = GitSource::parse(&repository.to_string_lossy(), GitReference::Head).unwrap();
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let clone = |reference: &str, name: &str| mutate.git_clone(&source, reference, &root.path().join(name));
        let first = clone("stable/x", "a").unwrap();
        assert_eq!(first.commit, head);
        assert_eq!(std::fs::read_to_string(first.folder.join("file")).unwrap(), "two");
        assert_eq!(git(&first.folder, &["describe"]), format!("1.0-1-g{}", &head[..7]));
        assert_eq!(git(&first.folder, &["ls-files"]), "file");
        let own = first.folder.join(".git");
        for name in ["logs", "hooks", "FETCH_HEAD", "ORIG_HEAD"] {
            assert!(!own.join(name).exists(), "{name}");
        }
        let config = std::fs::read_to_string(own.join("config")).unwrap();
        assert!(!config.contains("repository\""), "{config}");
        assert_eq!(clone(&head[..8], "b").unwrap().stamp, first.stamp);
        let tagged = clone("1.0", "c").unwrap();
        assert_eq!(std::fs::read_to_string(tagged.folder.join("file")).unwrap(), "one");
        assert_ne!(tagged.stamp, first.stamp);
        let refs = || mutate.git_refs(&source).unwrap();
        let asked = refs();
        assert_eq!(asked.commit("stable/x"), Some(head.as_str()));
        assert_eq!(asked.commit("origin/stable/x"), Some(head.as_str()));
        assert_eq!(asked.commit("1.0"), Some(tagged.commit.as_str()), "the tagged commit, not the tag");
        assert_eq!(asked.commit(&head), None);
        git(&repository, &["commit", "-q", "--allow-empty", "-m", "three"]);
        let moved = refs();
        assert!(moved.commit("stable/x") != Some(head.as_str()) && moved.tags == asked.tags);
        git(&repository, &["tag", "2.0"]);
        assert_ne!(refs().tags, asked.tags);
        for (reference, name) in [("none", "d"), ("--upload-pack=x", "e"), ("", "f")] {
            let error = clone(reference, name).unwrap_err();
            assert!(error.message.contains("has no tag, branch or commit"), "{error:?}");
        }
    }
}
