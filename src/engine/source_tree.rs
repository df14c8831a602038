//! A folder of the controller as `copy` sends it: files, folders, and those links that stay links.
//!
//! Which links are followed is what Ansible's `copy` does: all, but those that would form a ring and
//! those that lead nowhere. What is in a file is the caller's business.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::inputs::unreadable;
use crate::diag::{Diagnostic, Result};
use crate::modules::{InputKind, TreeEntry};
use crate::system::fs::identity;

/// Longer paths do not exist on a host.
const LONGEST: usize = 4096;

/// Everything below `root`, but for folders of the names in `leave_out`. `follow`: what links lead to instead of links.
pub(super) fn entries(
    root: &Path,
    follow: bool,
    leave_out: &'static [&'static str],
    content: &dyn Fn(&Path) -> Result<InputKind>,
) -> Result<Vec<TreeEntry>> {
    let mut walk = Walk { follow, leave_out, content, entries: Vec::new() };
    let above = HashSet::from([identity(&stat(root)?)]);
    walk.folder(root, "", &above)?;
    Ok(walk.entries)
}

/// Device and inode.
type Identity = (u64, u64);

fn stat(path: &Path) -> Result<std::fs::Metadata> {
    std::fs::metadata(path).map_err(|error| unreadable(path, &error))
}

struct Walk<'a> {
    follow: bool,
    leave_out: &'static [&'static str],
    content: &'a dyn Fn(&Path) -> Result<InputKind>,
    entries: Vec<TreeEntry>,
}

impl Walk<'_> {
    /// What is in `dir`, which is `relative` for the host. `above`: the folders that are being copied already,
    /// up to the last link.
    fn folder(&mut self, dir: &Path, relative: &str, above: &HashSet<Identity>) -> Result<()> {
        let mut found: Vec<std::path::PathBuf> = std::fs::read_dir(dir)
            .and_then(|list| list.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|error| unreadable(dir, &error))?;
        // Files before folders, as Ansible walks.
        found.sort_by_cached_key(|path| (path.is_dir(), path.clone()));
        for path in found {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                return Err(Diagnostic::local("H0021", format!("`{}` is not valid UTF-8", path.display()))
                    .with_hint("rename the file"));
            };
            if self.leave_out.contains(&name) && path.is_dir() {
                continue;
            }
            let relative = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
            if relative.len() > LONGEST {
                return Err(Diagnostic::local("H0021", format!("`{}` is nested too deep", path.display()))
                    .with_hint("`local_follow: false` copies links as links"));
            }
            let meta = std::fs::symlink_metadata(&path).map_err(|error| unreadable(&path, &error))?;
            if meta.is_symlink() {
                self.link(dir, &path, &meta, relative, above)?;
            } else if meta.is_dir() {
                self.push(&meta, &relative, InputKind::Dir);
                self.folder(&path, &relative, above)?;
            } else if meta.is_file() {
                let kind = (self.content)(&path)?;
                self.push(&meta, &relative, kind);
            }
        }
        Ok(())
    }

    fn push(&mut self, meta: &std::fs::Metadata, relative: &str, kind: InputKind) {
        let mode = meta.permissions().mode() & 0o7777;
        self.entries.push(TreeEntry { path: relative.to_owned(), mode, kind });
    }

    fn link(
        &mut self,
        dir: &Path,
        path: &Path,
        link: &std::fs::Metadata,
        relative: String,
        above: &HashSet<Identity>,
    ) -> Result<()> {
        let target = if self.follow { path.canonicalize().ok() } else { None };
        let meta = target.as_deref().and_then(|target| std::fs::metadata(target).ok());
        match (target, meta) {
            (Some(target), Some(meta)) if meta.is_file() => {
                let kind = (self.content)(&target)?;
                self.push(&meta, &relative, kind);
                return Ok(());
            }
            (Some(target), Some(meta)) if meta.is_dir() && !above.contains(&identity(&meta)) => {
                let mut inner = above.clone();
                for folder in dir.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
                    // From the first one that is known on, all above are known or not copied.
                    if !inner.insert(identity(&stat(folder)?)) {
                        break;
                    }
                }
                if !inner.contains(&identity(&meta)) {
                    self.push(&meta, &relative, InputKind::Dir);
                    return self.folder(&target, &relative, &inner);
                }
            }
            _ => {}
        }
        let target = std::fs::read_link(path).map_err(|error| unreadable(path, &error))?;
        self.push(link, &relative, InputKind::Link { target: target.to_string_lossy().into_owned() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn listed(root: &Path, follow: bool) -> Vec<String> {
        let content = |path: &Path| {
            let text = std::fs::read_to_string(path).expect("read");
            Ok(InputKind::File { sha1: text, sha256: String::new(), size: 0, source: None })
        };
        entries(root, follow, &[".left"], &content)
            .expect("walk")
            .into_iter()
            .map(|entry| match entry.kind {
                InputKind::Dir => entry.path + "/",
                InputKind::File { sha1, .. } => format!("{}={sha1}", entry.path),
                InputKind::Link { target } => format!("{}->{target}", entry.path),
            })
            .collect()
    }

    #[test]
    fn links_are_followed_but_rings_and_those_to_nowhere() {
        let folder = tempfile::tempdir().expect("folder");
        let (root, other) = (folder.path().join("root"), folder.path().join("other"));
        for dir in [root.join("a/deep"), root.join("b"), other.clone()] {
            std::fs::create_dir_all(dir).expect("folder");
        }
        std::fs::write(root.join("a/deep/f"), "one").expect("write");
        for left in [root.join(".left"), root.join("b/.left")] {
            std::fs::create_dir_all(&left).expect("folder");
            std::fs::write(left.join("growing"), "").expect("write");
        }
        std::fs::write(other.join("g"), "two").expect("write");
        for (target, name) in [
            ("../a/deep", "b/inside"),
            ("../a/deep/f", "b/file"),
            ("../../other", "b/outside"),
            ("..", "b/ring"),
            ("self", "b/self"),
            ("nowhere", "b/nowhere"),
        ] {
            symlink(target, root.join(name)).expect("link");
        }
        symlink(&other, other.join("itself")).expect("link");
        let itself = format!("b/outside/itself->{}", other.display());
        let mut expected = vec![
            "a/",
            "a/deep/",
            "a/deep/f=one",
            "b/",
            "b/file=one",
            "b/inside/",
            "b/inside/f=one",
            "b/nowhere->nowhere",
            "b/outside/",
            "b/outside/g=two",
            &itself,
            "b/ring->..",
            "b/self->self",
        ];
        let mut found = listed(&root, true);
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        let kept = listed(&root, false);
        assert!(kept.contains(&"b/inside->../a/deep".to_owned()) && kept.len() == 10, "{kept:?}");
    }
}
