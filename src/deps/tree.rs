//! Folders of files: what may be copied, their checksum, and how they are put in place.
//!
//! A link that leads out of its folder is refused wherever it comes from.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use crate::diag::{Diagnostic, Result};
use crate::system::digest::{Digest, Hasher};

/// Folders of version control and caches, which belong to no role or collection.
pub(super) const LEFT_OUT: &[&str] = &["CVS", ".bzr", ".hg", ".git", ".svn", "__pycache__", ".tox"];

/// An error of this machine's files.
pub(super) fn unwritten(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::local("D0602", format!("`{}` cannot be written: {error}", path.display()))
        .with_hint("check the folder's owner and the disk, or name another with `--roles-path` or `--collections-path`")
}

/// An error of what is read.
pub(super) fn unread(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::local("D0006", format!("`{}` cannot be read: {error}", path.display()))
        .with_hint("check its owner and permissions")
}

/// True if a link at `place` (relative to the top) leads to something below the top: its target is relative and goes up
/// only at its beginning, so that no other link on the way can change what it means.
pub(super) fn stays_inside(place: &Path, target: &Path) -> bool {
    let mut depth = place.components().count().saturating_sub(1);
    let mut down = false;
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if !down && depth > 0 => depth -= 1,
            Component::Normal(_) => down = true,
            _ => return false,
        }
    }
    true
}

/// A relative path of plain names only, without `.` and `..`.
pub(super) fn plain(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => found.push(name),
            _ => return None,
        }
    }
    Some(found)
}

/// The refusal of a link.
pub(super) fn planted(place: &Path, target: &Path, of: &str) -> Diagnostic {
    let text = format!("`{}` of {of} is a link to `{}`, which leads out of it", place.display(), target.display());
    Diagnostic::local("D0302", text).with_hint("nothing was installed; ask where this content comes from")
}

/// What a walk finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A folder.
    Dir,
    /// A file, with whether it may be executed.
    File(bool),
    /// A link with its target.
    Link(PathBuf),
}

/// Everything in a folder by its path, sorted; `skip` says what is left out with all that is in it. Other kinds of
/// files (sockets, devices) are left out.
pub(super) fn walk(top: &Path, skip: &dyn Fn(&Path, &OsStr) -> bool) -> Result<Vec<(PathBuf, Found)>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(dir) = open.pop() {
        let whole = top.join(&dir);
        let entries = std::fs::read_dir(&whole).map_err(|error| unread(&whole, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unread(&whole, &error))?;
            let path = dir.join(entry.file_name());
            if skip(&path, &entry.file_name()) {
                continue;
            }
            let place = entry.path();
            let meta = std::fs::symlink_metadata(&place).map_err(|error| unread(&place, &error))?;
            if meta.is_dir() {
                open.push(path.clone());
                found.push((path, Found::Dir));
            } else if meta.is_symlink() {
                let target = std::fs::read_link(&place).map_err(|error| unread(&place, &error))?;
                found.push((path, Found::Link(target)));
            } else if meta.is_file() {
                found.push((path, Found::File(meta.mode() & 0o100 != 0)));
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

/// The checksum of a file.
pub(super) fn file_sum(path: &Path) -> Result<String> {
    let read = crate::diag::read::open_plain(path).and_then(|file| Hasher::of_all([Digest::Sha256], file));
    read.map(|([sum], _)| sum).map_err(|error| unread(path, &error))
}

/// The checksum of a folder's content: names, kinds, what files hold and whether they may be executed.
pub(super) fn tree_sum(top: &Path, skip: &dyn Fn(&Path, &OsStr) -> bool) -> Result<String> {
    let mut sum = Hasher::new(Digest::Sha256);
    for (path, found) in walk(top, skip)? {
        let mut line = |kind: &[u8], rest: &[u8]| {
            // Lengths keep one entry from reading as another.
            for part in [kind, path.as_os_str().as_bytes(), rest] {
                sum.update(&(part.len() as u64).to_be_bytes());
                sum.update(part);
            }
        };
        match found {
            Found::Dir => line(b"dir", b""),
            Found::Link(target) => line(b"link", target.as_os_str().as_bytes()),
            Found::File(runs) => line(if runs { b"program" } else { b"file" }, file_sum(&top.join(&path))?.as_bytes()),
        }
    }
    Ok(sum.finish())
}

/// Copies one file with the permissions that ansible-galaxy gives it.
pub(super) fn copy_file(from: &Path, to: &Path, runs: bool) -> Result<()> {
    let mut input = crate::diag::read::open_plain(from).map_err(|error| unread(from, &error))?;
    let mut output = std::fs::File::create_new(to).map_err(|error| unwritten(to, &error))?;
    std::io::copy(&mut input, &mut output).map_err(|error| unwritten(to, &error))?;
    permit(to, if runs { 0o755 } else { 0o644 })
}

/// Sets the permissions of a file.
pub(super) fn permit(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(|error| unwritten(path, &error))
}

/// Makes a folder with those above it.
pub(super) fn make_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| unwritten(path, &error))
}

/// Makes a link.
pub(super) fn make_link(target: &Path, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).map_err(|error| unwritten(path, &error))
}

/// Copies a folder into one that is not there yet. Links stay links, if they stay inside.
pub(super) fn copy_tree(from: &Path, to: &Path, of: &str) -> Result<()> {
    make_dir(to)?;
    let skip = |_: &Path, name: &OsStr| LEFT_OUT.iter().any(|left| name == OsStr::new(left));
    for (path, found) in walk(from, &skip)? {
        let place = to.join(&path);
        match found {
            Found::Dir => make_dir(&place)?,
            Found::File(runs) => copy_file(&from.join(&path), &place, runs)?,
            Found::Link(target) if stays_inside(&path, &target) => make_link(&target, &place)?,
            Found::Link(target) => return Err(planted(&path, &target, of)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_not_lead_out() {
        for (place, target, inside) in [
            ("a", "b", true),
            ("a", "../b", false),
            ("d/a", "../b", true),
            ("d/a", "../../b", false),
            ("d/a", "/etc/passwd", false),
            // Through another link, `..` may mean another folder.
            ("d/a", "x/../../b", false),
            ("d/e/a", "../../b/c", true),
            ("a", "./b/c", true),
        ] {
            assert_eq!(stays_inside(Path::new(place), Path::new(target)), inside, "{place} -> {target}");
        }
    }

    #[test]
    fn a_copy_has_the_checksum_of_its_source_and_a_change_shows() {
        let base = ::tempfile::tempdir().unwrap();
        let from = base.path().join("from");
        std::fs::create_dir_all(from.join("tasks/.git")).unwrap();
        std::fs::write(from.join("tasks/main.yml"), "[]").unwrap();
        std::fs::write(from.join("tasks/.git/config"), "x").unwrap();
        make_link(Path::new("tasks/main.yml"), &from.join("link")).unwrap();
        let to = base.path().join("to");
        copy_tree(&from, &to, "this test").unwrap();
        assert!(!to.join("tasks/.git").exists() && to.join("link").is_symlink());
        let none = |_: &Path, _: &OsStr| false;
        let before = tree_sum(&to, &none).unwrap();
        permit(&to.join("tasks/main.yml"), 0o755).unwrap();
        let after = tree_sum(&to, &none).unwrap();
        assert_ne!(before, after);
        permit(&to.join("tasks/main.yml"), 0o644).unwrap();
        assert_eq!(before, tree_sum(&to, &none).unwrap());
        std::fs::write(to.join("new"), "").unwrap();
        assert_ne!(before, tree_sum(&to, &none).unwrap());
        make_link(Path::new("../../etc"), &from.join("tasks/out")).unwrap();
        let error = copy_tree(&from, &base.path().join("other"), "this test").unwrap_err();
        assert_eq!(error.code, "D0302");
    }
}
