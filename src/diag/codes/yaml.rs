//! Y: YAML syntax and limits.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
