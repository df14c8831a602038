//! Secrets and the redactor that keeps them out of everything that is written.
//!
//! Knows nothing of vaults: whoever learns a secret tells the [`Redactor`].

use std::borrow::Cow;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// What stands in the place of a secret.
pub const MASK: &str = "********";

/// A secret text. Never shown by `Debug` or `Display`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Knows every secret of a run in all its encodings, and masks them.
#[derive(Default, Debug)]
pub struct Redactor {
    needles: RwLock<Vec<String>>,
}

impl Redactor {
    /// Learns a secret; texts under 4 characters are not masked and `false` is returned.
    pub fn learn(&self, secret: &str) -> bool {
        if secret.chars().count() < 4 {
            return false;
        }
        self.needles.write().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
        true
    }

    /// True if nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.needles.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The text with every secret replaced by [`MASK`]; borrowed if there was none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let needles = self.needles.read().unwrap_or_else(PoisonError::into_inner);
        let mut clean = Cow::Borrowed(text);
        for needle in needles.iter() {
            if clean.contains(needle.as_str()) {
                clean = Cow::Owned(clean.replace(needle.as_str(), MASK));
            }
        }
        clean
    }
}
