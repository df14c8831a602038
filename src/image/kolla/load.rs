//! From a folder to a [`Tree`].

use std::path::Path;

use super::files::Reader;
use super::options::Options;
use super::tree::Tree;
use crate::diag::{Diagnostic, Result};

/// Reads and renders a Kolla tree. `source` is the folder `kolla` of an installed package or of a checkout, or the
/// checkout itself.
pub fn load(_reader: &dyn Reader, source: &Path, _options: &Options) -> Result<Tree> {
    Err(Diagnostic::task("B0030", format!("`{}` is no Kolla tree", source.display())))
}
