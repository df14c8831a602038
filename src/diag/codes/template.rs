//! T: templates and variables.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[CodeEntry {
    code: "T0201",
    title: "a command of a lookup failed",
    text: "The `pipe` and `lines` lookups run a command on the controller; it ended with an error.",
}];
