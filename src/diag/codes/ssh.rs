//! S: connections and the agent.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[];
