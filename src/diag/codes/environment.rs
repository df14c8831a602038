//! E: projects and environments.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
