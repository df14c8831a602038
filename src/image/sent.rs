//! A tree that a controller sent: what is in it is known before any of it lies on this host, and a context is laid out
//! when it is needed, so that an image that is not built costs no file. The way back to the controller is the module's.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::system::TreeItem;

/// Where a tree lies that was sent: what people know it by, since on the build host it is there only while it is built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentFrom {
    /// The controller's own name (`uname -n`).
    pub host: String,
    /// The folder on it, whole.
    pub path: PathBuf,
}

/// A tree that lies on this host only as far as it was asked for.
pub trait SentTree: Debug + Send + Sync {
    /// Everything below a folder of the tree, by paths relative to it, in their order; `None` if the tree has no such
    /// folder (a context that is elsewhere on this host).
    fn items(&self, context: &Path) -> Option<Vec<TreeItem>>;

    /// The text of a file, by its path in the tree.
    fn text(&self, path: &Path) -> io::Result<String>;

    /// Lays out what is below a folder and is not here yet. What is here already stays as it is.
    fn lay_out(&self, context: &Path) -> io::Result<()>;
}
