//! I: inventories and host patterns.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
