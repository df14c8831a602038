//! The times that `file` can set: `preserve`, `now`, or a point in local time.

use crate::diag::{Diagnostic, Result};

/// One wanted time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Leave it.
    Preserve,
    /// The moment of the change.
    Now,
    /// Nanoseconds since 1970.
    At(i128),
}

/// Both times of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// Wanted time of the last change.
    pub modification: Stamp,
    /// Wanted time of the last access.
    pub access: Stamp,
}

impl Times {
    /// From the arguments, each with its format; without them `touch` means now and all else keeps.
    pub(super) fn parse(modification: (Option<&str>, &str), access: (Option<&str>, &str), touch: bool) -> Result<Self> {
        Ok(Self { modification: stamp(modification, touch)?, access: stamp(access, touch)? })
    }

    /// Nothing to set.
    pub(super) fn keep(&self) -> bool {
        self.modification == Stamp::Preserve && self.access == Stamp::Preserve
    }
}

fn stamp((text, format): (Option<&str>, &str), touch: bool) -> Result<Stamp> {
    match text {
        None if touch => Ok(Stamp::Now),
        None | Some("preserve") => Ok(Stamp::Preserve),
        Some("now") => Ok(Stamp::Now),
        Some(text) => jiff::civil::DateTime::strptime(format, text)
            .or_else(|_| jiff::civil::Date::strptime(format, text).map(jiff::civil::DateTime::from))
            .and_then(|at| at.to_zoned(jiff::tz::TimeZone::system()))
            .map(|at| Stamp::At(at.timestamp().as_nanosecond()))
            .map_err(|error| {
                let said = "Error while obtaining timestamp for time";
                let why = format!("time data '{text}' does not match format '{format}'");
                Diagnostic::task("H0110", format!("the time `{text}` does not fit the format `{format}`: {error}"))
                    .with_registered(format!("{said} {text} using format {format}: {why}"))
                    .with_hint("202611210617.04")
            }),
    }
}
