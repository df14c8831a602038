//! `image_attach`: what a build of images tells that runs on its host, to its end.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Failure, Outcome};
use super::cx::{Cx, Link};
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Kind, Result};
use crate::event::Progress;
use crate::system::running_build::{BuildState, Leave, RunningBuild, Told};
use crate::value::Map;

/// Shows a build of images that runs on its host, to its end, and gives its result.
///
/// `image_build` builds in a process of its own, which a lost connection or the end of the controller
/// does not end. This module comes back to it: what is told from `seen` on is shown, and the result
/// is that of `image_build`. `hostctl attach` is the same for the newest run, and knows the names.
///
/// ```yaml
/// - name: See the build to its end
///   image_attach:
///     build: 20261122T010203-7f3a.0a1b2c3d.4e5f6071
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The build's name: run, task, arguments (`ls /var/lib/hostctl/builds`).
    build: String,
    /// Events that were seen before.
    #[serde(default)]
    seen: u64,
    /// Ask the build to stop: running builds of images are ended, finished images stay.
    #[serde(default)]
    stop: bool,
}

/// The module.
pub struct ImageAttach;

impl Module for ImageAttach {
    type Args = Args;
    const META: Meta = Meta {
        name: "image_attach",
        full_name: "hostctl.core.image_attach",
        summary: "Show a build of images that runs on its host, to its end",
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let build = RunningBuild::of(&args.build)?;
        if build.state() == BuildState::Absent {
            let message = format!("there is no build `{}` on this host", args.build);
            return Err(Diagnostic::task("B0140", message)
                .with_note(format!("looked for in `{}`", build.path().display()))
                .with_hint("is it this host, and the user who built (`become`)?")
                .into());
        }
        if args.stop && build.state() == BuildState::Running {
            cx.change(format!("stop the build {}", args.build), |_| {
                build.stop().map_err(|error| Diagnostic::task("B0142", format!("the build cannot be stopped: {error}")))
            })?;
        }
        if cx.check_mode() {
            return Ok(Map::new());
        }
        match follow_work(&build, args.seen, &*cx.link()) {
            Ok(outcome) => {
                cx.adopt(outcome.changed, outcome.skipped);
                outcome.warnings.into_iter().for_each(|warning| cx.warn(warning));
                Ok(outcome.result)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// How work that outlives its link ended, as its folder has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndOfWork {
    /// Well.
    Done(Outcome),
    /// Not well.
    Failed(Failure),
}

/// How often a busy build's place is marked.
const MARK: Duration = Duration::from_millis(250);

/// Tells what a build tells from behind `seen` events on, to its end.
pub fn follow_work(build: &RunningBuild, seen: u64, link: &dyn Link) -> Result<Outcome, Failure> {
    let id = build.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let leave = || match (link.lost(), link.cancelled()) {
        (true, _) => Some(Leave::Lost),
        (false, true) => Some(Leave::Stopped),
        (false, false) => None,
    };
    let mut marked = seen;
    let mut marked_at = Instant::now();
    let mut tell = |told: Told<'_>| {
        let (count, quiet) = match told {
            Told::Line(line, count) => {
                // A line that is not understood is one of a newer hostctl; it counts all the same.
                let known = serde_json::from_str(line);
                link.progress(known.unwrap_or_else(|_| Progress::BuildSeen { build: id.clone(), seen: count }));
                (count, false)
            }
            Told::Quiet(count) => (count, true),
        };
        if count > marked && (quiet || marked_at.elapsed() > MARK) {
            (marked, marked_at) = (count, Instant::now());
            link.progress(Progress::BuildSeen { build: id.clone(), seen: count });
        }
    };
    match build.follow(seen, &mut tell, &leave)? {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(EndOfWork::Done(outcome)) => Ok(outcome),
            Ok(EndOfWork::Failed(failure)) => Err(failure),
            Err(error) => Err(Diagnostic::task("B0142", format!("the end of the build is not understood: {error}"))
                .with_note(format!("it stands in `{}`", build.path().join("result").display()))
                .into()),
        },
        Err(_) => Err(Diagnostic::new("S0401", Kind::Interrupted, "the build goes on without us").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::module;
    use crate::map;

    #[test]
    fn a_build_that_is_not_there_is_told() {
        let failure = module("image_attach", map! { "build" => "20261122T010203-7f3a.none.none" }).fails();
        assert_eq!(failure.diagnostic.code, "B0140");
        let failure = module("image_attach", map! { "build" => "../../etc" }).fails();
        assert_eq!(failure.diagnostic.code, "B0140");
    }
}
