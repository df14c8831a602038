//! Where hostctl differs from ansible-core on purpose: the text and the reason.

/// Text of the row, reason.
pub(super) const KNOWN: &[(&str, &str)] = &[];
