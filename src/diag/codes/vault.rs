//! V: vaults and secrets.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
