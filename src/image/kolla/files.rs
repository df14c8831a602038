//! How a tree's files are read: `image` touches no host itself.

use std::path::{Path, PathBuf};

use crate::diag::Result;
use crate::system::fs::file_error;
use crate::system::{Probe, TreeItem, TreeKind};

/// Reads the files of the host that the tree is on.
pub trait Reader {
    /// Everything below a folder, parents before children; nothing if there is no such folder. Links are
    /// followed: what they lead to is told as if it stood there.
    fn items(&self, folder: &Path) -> Result<Option<Vec<TreeItem>>>;
    /// A file's text; nothing if there is no such file.
    fn text(&self, file: &Path) -> Result<Option<String>>;
    /// The names in a folder; nothing if there is no such folder.
    fn names(&self, folder: &Path) -> Result<Vec<PathBuf>>;
}

/// Links that may lead on to links.
const DEEPEST: usize = 8;

impl Reader for Probe {
    fn items(&self, folder: &Path) -> Result<Option<Vec<TreeItem>>> {
        let folder = self.real(folder);
        if !self.is_dir(&folder) {
            return Ok(None);
        }
        let mut found = Vec::new();
        followed(self, &folder, Path::new(""), 0, &mut found)?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Some(found))
    }

    fn text(&self, file: &Path) -> Result<Option<String>> {
        let file = self.real(file);
        match self.tree_text(&file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error("read", &file, &error)),
        }
    }

    fn names(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        if self.is_dir(folder) { self.list(folder) } else { Ok(Vec::new()) }
    }
}

fn followed(probe: &Probe, root: &Path, below: &Path, links: usize, found: &mut Vec<TreeItem>) -> Result<()> {
    let folder = root.to_path_buf();
    let items = probe.tree_items(&folder).map_err(|error| file_error("list", &folder, &error))?;
    for mut item in items {
        let place = below.join(&item.path);
        if matches!(item.kind, TreeKind::Link(_)) && links < DEEPEST {
            let target = probe.real(&folder.join(&item.path));
            let Some(meta) = probe.stat(&target)? else { continue };
            if meta.is_dir() {
                found.push(TreeItem { path: place.clone(), kind: TreeKind::Dir, mode: 0o755, mtime: item.mtime });
                followed(probe, &target, &place, links + 1, found)?;
                continue;
            }
            item.kind = TreeKind::File(meta.len());
        }
        item.path = place;
        found.push(item);
    }
    Ok(())
}
