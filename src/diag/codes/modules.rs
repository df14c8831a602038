//! M: modules and their arguments.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
