//! H: a task's failure on a host.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
