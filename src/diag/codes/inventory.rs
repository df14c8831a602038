//! I: inventories and host patterns.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[CodeEntry {
    code: "I0101",
    title: "an unknown host",
    text: "The inventory has no host of that name. Check `-i`, or the environment's `inventory/`.",
}];
