//! Folders that are missing on the way to a place: made one after the other, from the first one on.
//!
//! Other hosts and other programs may make them at the same time: whoever finds a folder made meanwhile goes on.

use std::path::{Component, Path, PathBuf};

use super::cx::Cx;
use crate::diag::Diagnostic;
use crate::system::fs::shown;

/// Makes what is missing of a folder and of those above it. `made` is called for each that was, but not in check mode;
/// `refused` gives the error of one that could not be made its form.
pub(super) fn make_missing<E>(
    cx: &Cx,
    path: &Path,
    refused: impl Fn(Diagnostic, &Path) -> E,
    mut made: impl FnMut(&Path) -> Result<(), E>,
) -> Result<(), E> {
    for part in parts(path) {
        if cx.probe().exists(&part) {
            continue;
        }
        cx.change(format!("create {}", shown(&part)), |host| host.create_dir_or_find(&part))
            .map_err(|error| refused(error, &part))?;
        if !cx.check_mode() {
            made(&part)?;
        }
    }
    Ok(())
}

/// The way to a folder as it is written: of `a/../b/.` these are `a` and `a/../b`.
fn parts(path: &Path) -> Vec<PathBuf> {
    let mut way = PathBuf::new();
    let mut all = Vec::new();
    for part in path.components() {
        way.push(part);
        if matches!(part, Component::Normal(_)) {
            all.push(way.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_as_it_is_written_without_steps_that_make_nothing() {
        let of = |path: &str| parts(Path::new(path)).iter().map(|part| shown(part)).collect::<Vec<_>>();
        assert_eq!(of("/a/../b//c/."), ["/a", "/a/../b", "/a/../b/c"]);
        assert_eq!(of("a/./b"), ["a", "a/b"]);
        assert_eq!(of("./a"), ["./a"]);
        assert!(of("/").is_empty() && of("..").is_empty() && of("").is_empty());
    }
}
