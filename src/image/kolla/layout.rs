//! What lies in the working folder, and where each file's content comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::{Config, DEFAULT};
use super::files::Reader;
use super::tree::KollaImage;
use crate::diag::{Diagnostic, Result};
use crate::system::{ScratchContent, ScratchItem, TreeKind};

/// One file or folder below `docker/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Relative to `docker/`.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub content: ItemContent,
}

/// What an [`Item`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemContent {
    /// A folder.
    Dir,
    /// A file with the content of that one, byte for byte.
    CopyOf(PathBuf),
    /// A file with this text.
    Text(String),
}

impl Item {
    /// As it is laid out in a folder.
    pub fn scratch(&self) -> ScratchItem {
        let content = match &self.content {
            ItemContent::Dir => ScratchContent::Dir,
            ItemContent::CopyOf(from) => ScratchContent::CopyOf(from.clone()),
            ItemContent::Text(text) => ScratchContent::Bytes(text.as_bytes().into()),
        };
        ScratchItem { path: self.path.clone(), mode: self.mode, content }
    }
}

/// Items by path.
pub type Items = BTreeMap<PathBuf, Item>;

fn put(items: &mut Items, path: PathBuf, mode: u32, content: ItemContent) {
    items.insert(path.clone(), Item { path, mode, content });
}

/// Folders laid over each other: what comes later wins.
pub fn overlaid(reader: &dyn Reader, folders: &[PathBuf]) -> Result<Items> {
    let mut items = Items::new();
    for folder in folders {
        let found = reader.items(folder)?;
        let found = found.ok_or_else(|| {
            Diagnostic::task("B0030", format!("there is no folder `{}`", folder.display()))
                .with_hint("`docker_dir` names folders with templates")
        })?;
        for item in found {
            match item.kind {
                TreeKind::Dir => put(&mut items, item.path, item.mode, ItemContent::Dir),
                TreeKind::File(_) => {
                    let from = folder.join(&item.path);
                    put(&mut items, item.path, item.mode, ItemContent::CopyOf(from));
                }
                // A link to nothing.
                TreeKind::Link(_) => {}
            }
        }
    }
    Ok(items)
}

/// `apt_sources_list` and `apt_preferences` go to the base image's folder.
pub fn add_apt_files(config: &Config, items: &mut Items) -> Result<()> {
    for (option, name) in [("apt_sources_list", "sources.list"), ("apt_preferences", "apt_preferences")] {
        if let Some(path) = config.text(DEFAULT, option)?.filter(|path| !path.is_empty()) {
            put(items, Path::new("base").join(name), 0o644, ItemContent::CopyOf(path.into()));
        }
    }
    Ok(())
}

/// The texts of all templates by path.
pub fn templates(reader: &dyn Reader, items: &Items) -> Result<BTreeMap<String, Arc<str>>> {
    let mut found = BTreeMap::new();
    for item in items.values() {
        if let ItemContent::CopyOf(from) = &item.content
            && item.path.extension().is_some_and(|end| end == "j2")
            && let Some(name) = item.path.to_str()
        {
            let text = reader.text(from)?.unwrap_or_default();
            found.insert(name.to_owned(), text.into());
        }
    }
    Ok(found)
}

/// The rendered Dockerfile of an image and its folder `patches`.
pub fn add_image(reader: &dyn Reader, image: &KollaImage, patches: Option<&Path>, items: &mut Items) -> Result<()> {
    put(items, image.folder.join("Dockerfile"), 0o644, ItemContent::Text(image.dockerfile.clone()));
    let folder = image.folder.join("patches");
    if !items.contains_key(&folder) {
        put(items, folder.clone(), 0o755, ItemContent::Dir);
    }
    let Some(own) = patches.map(|patches| patches.join(&image.name)) else { return Ok(()) };
    let series = own.join("series");
    let Some(text) = reader.text(&series)? else { return Ok(()) };
    put(items, folder.join("series"), 0o644, ItemContent::CopyOf(series));
    let there = reader.items(&own)?.unwrap_or_default();
    for name in text.lines().filter(|line| !line.starts_with('#')).map(str::trim) {
        // Only files that are there, below the folder.
        if there.iter().any(|item| item.path == Path::new(name) && matches!(item.kind, TreeKind::File(_))) {
            put(items, folder.join(name), 0o644, ItemContent::CopyOf(own.join(name)));
        }
    }
    Ok(())
}

/// Takes a folder out with all that is in it.
pub fn remove(folder: &Path, items: &mut Items) {
    items.retain(|path, _| !path.starts_with(folder));
}
