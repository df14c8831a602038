//! What lies in a working folder, and where each file's content comes from.

use std::path::PathBuf;

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
