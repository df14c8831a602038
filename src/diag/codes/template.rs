//! T: templates and variables.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
