//! C: the command line.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
