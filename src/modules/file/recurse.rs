//! `recurse` of `file`: the attributes of all that is in a folder.
//!
//! Every folder on the way is held open and its entries are reached through it: whoever owns a part of the tree cannot
//! lead this out of it by exchanging a name for a link.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::super::attributes::{FileArgs, StateDiff, apply_held};
use super::super::call::Failure;
use super::{Work, conflict};
use crate::diag::Result;
use crate::system::Held;
use crate::system::fs::shown;

/// A tree is no deeper; links can make a ring.
const DEEPEST: usize = 200;

impl Work<'_> {
    pub(super) fn recurse(&self, path: &Path) -> Result<(), Failure> {
        let probe = self.cx.probe();
        let root = probe.real(path);
        match probe.hold_plain(&root)? {
            Some(folder) => self.below(&root, &folder, path, 0),
            None => Err(conflict(format!("`{}` was exchanged meanwhile", shown(path))).into()),
        }
    }

    /// Attributes and times of what is held. The difference that is shown is the top folder's own.
    fn settle_held(&self, held: &Held, path: &Path) -> Result<(), Failure> {
        let diff = &mut StateDiff::default();
        apply_held(self.cx, held, path, &self.file, diff)
            .and_then(|_| self.times.apply_held(self.cx, held, path, diff))
            .map_err(|error| self.failed(error, path))
    }

    pub(super) fn below(&self, root: &Path, folder: &Held, path: &Path, depth: usize) -> Result<(), Failure> {
        if depth > DEEPEST {
            let message = format!("`{}` is nested too deep, or its links form a ring", shown(path));
            return Err(conflict(message).into());
        }
        for name in folder.names()? {
            let Some(entry) = folder.entry(&name)? else { continue };
            let (found, path) = (entry.metadata()?, path.join(&name));
            if found.is_symlink() {
                let file = FileArgs { mode: None, ..self.file.clone() };
                apply_held(self.cx, &entry, &path, &file, &mut StateDiff::default())?;
                if self.follow {
                    self.through(root, &path, found.uid(), depth)?;
                }
            } else {
                self.settle_held(&entry, &path)?;
                if found.is_dir() {
                    self.below(root, &entry, &path, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// What a link leads to, if it may be followed: root's own links and those of the account that runs this are;
    /// another user's only within the tree `root`, and to what that user owns already. The kernel's
    /// `protected_symlinks` has the same aim for sticky folders: with a link alone nobody shall be given what is not
    /// theirs.
    fn through(&self, root: &Path, link: &Path, owner: u32, depth: usize) -> Result<(), Failure> {
        let probe = self.cx.probe();
        let target: PathBuf = probe.real(link);
        let Some(held) = probe.hold_plain(&target)? else { return Ok(()) };
        let found = held.metadata()?;
        let ours = owner == 0 || owner == rustix::process::geteuid().as_raw();
        if !ours && found.uid() != owner && !target.starts_with(root) {
            self.cx.warn(format!(
                "the link {} is not followed: it leads out of {}, and its owner does not own what it leads to",
                shown(link),
                shown(root)
            ));
            return Ok(());
        }
        let above = link.parent().is_some_and(|folder| probe.real(folder).starts_with(&target));
        if found.is_dir() && !above {
            self.below(root, &held, &target, depth + 1)?;
        }
        self.settle_held(&held, &target)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::super::file_times::Times;
    use super::super::super::testing::handle;
    use super::super::super::types::Mode;
    use super::*;

    #[test]
    fn a_tree_that_is_exchanged_for_a_link_is_not_left() {
        let folder = tempfile::tempdir().expect("folder");
        let base = folder.path().canonicalize().expect("path");
        let at = |name: &str| base.join(name);
        for name in ["tree", "tree/d", "victim"] {
            std::fs::create_dir(at(name)).expect("folder");
        }
        for name in ["tree/d/f", "victim/f"] {
            std::fs::write(at(name), "x").expect("write");
            std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(0o600)).expect("mode");
        }
        let mode = |name: &str| std::fs::metadata(at(name)).expect("stat").mode() & 0o7777;
        let cx = handle("file");
        let file = FileArgs { mode: Some(Mode::Bits(0o777)), ..FileArgs::default() };
        let times = Times::parse((None, ""), (None, ""), false).expect("times");
        let work = Work { cx: &cx, file, times, follow: false, force: false };
        // The folder is held; then its name leads elsewhere.
        let held = cx.probe().hold_plain(&at("tree/d")).expect("hold").expect("there");
        std::fs::rename(at("tree/d"), at("moved")).expect("rename");
        symlink(at("victim"), at("tree/d")).expect("link");
        work.below(&at("tree"), &held, &at("tree/d"), 0).expect("recursion");
        assert_eq!((mode("moved/f"), mode("victim/f")), (0o777, 0o600));
        work.recurse(&at("tree")).expect("recursion");
        assert_eq!(mode("victim/f"), 0o600);
    }
}
