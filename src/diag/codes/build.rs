//! B: image builds, engines, registries, tag files.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
