//! The times that `file` can set: `preserve`, `now`, or a point in local time.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::attributes::StateDiff;
use super::cx::Cx;
use crate::diag::{Diagnostic, Result};
use crate::system::fs::shown;
use crate::system::{Held, Mutate};

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
    fn keep(&self) -> bool {
        self.modification == Stamp::Preserve && self.access == Stamp::Preserve
    }

    /// Brings the times of a path (links followed) to what is asked for.
    pub(super) fn apply(&self, cx: &Cx, path: &Path, diff: &mut StateDiff) -> Result<()> {
        if self.keep() {
            return Ok(());
        }
        let Some(found) = cx.probe().stat(path)? else { return Ok(()) };
        self.set(cx, &found, path, diff, |host, access, modification| host.set_times(path, access, modification))
    }

    /// [`Times::apply`] to what is held; `path` is for messages.
    pub(super) fn apply_held(&self, cx: &Cx, held: &Held, path: &Path, diff: &mut StateDiff) -> Result<()> {
        if self.keep() {
            return Ok(());
        }
        let found = held.metadata()?;
        self.set(cx, &found, path, diff, |host, access, modification| host.set_times_held(held, access, modification))
    }

    fn set(
        &self,
        cx: &Cx,
        found: &Metadata,
        path: &Path,
        diff: &mut StateDiff,
        set: impl FnOnce(&Mutate, Option<i128>, Option<i128>) -> Result<()>,
    ) -> Result<()> {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let present = (nanos(found.atime(), found.atime_nsec()), nanos(found.mtime(), found.mtime_nsec()));
        let settled = |stamp: Stamp, present: i128| match stamp {
            Stamp::Preserve => true,
            Stamp::Now => false,
            Stamp::At(wanted) => wanted == present,
        };
        if settled(self.access, present.0) && settled(self.modification, present.1) {
            return Ok(());
        }
        let now = jiff::Timestamp::now().as_nanosecond();
        let value = |stamp: Stamp, present: i128| match stamp {
            Stamp::Preserve => Some(present),
            Stamp::Now => None,
            Stamp::At(wanted) => Some(wanted),
        };
        let (access, modification) = (value(self.access, present.0), value(self.modification, present.1));
        #[expect(clippy::cast_precision_loss, reason = "times are shown as floats, as Ansible does")]
        let seconds = |nanos: i128| nanos as f64 / 1e9;
        // A time that stays is no difference.
        for (name, present, wanted) in [("mtime", present.1, modification), ("atime", present.0, access)] {
            if wanted != Some(present) {
                diff.set(name, seconds(present), seconds(wanted.unwrap_or(now)));
            }
        }
        cx.change(format!("times of {}", shown(path)), |host| set(host, access, modification)).map(drop)
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
