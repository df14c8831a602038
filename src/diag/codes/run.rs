//! R: runs, journal, logs.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
