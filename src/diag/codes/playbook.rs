//! P: playbooks, roles, keywords, includes.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
