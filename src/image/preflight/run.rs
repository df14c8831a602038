//! All checks in their order.

use std::path::Path;

use super::line::{Line, Severity};
use super::{engine, host, lint, registry};
use crate::diag::Diagnostic;
use crate::image::capabilities::{Capabilities, Wanted};
use crate::image::def::ImageDef;
use crate::image::platforms::{Host, Platform, Runs};
use crate::system::Probe;
use crate::system::engine::{BuilderKind, RegistrySettings, Trials};

/// A registry that images are pushed to.
#[derive(Clone, Debug)]
pub struct RegistryAsk {
    /// How it is reached.
    pub settings: RegistrySettings,
    /// Repositories in which the right to push is tried: one of each namespace is enough.
    pub repositories: Vec<String>,
}

impl RegistryAsk {
    /// The registry with its login, and no right.
    pub fn new(settings: RegistrySettings) -> Self {
        Self { settings, repositories: Vec::new() }
    }
}

/// A package mirror or proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Builds cannot do without it; else what is wrong with it is a warning.
    pub sure: bool,
}

impl Mirror {
    /// One at a place.
    pub fn new(host: &str, port: u16, sure: bool) -> Self {
        Self { host: host.to_owned(), port, sure }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The engine's address.
    pub engine: &'a str,
    /// Somebody named it: `buildah` does not stand in for it.
    pub engine_named: bool,
    /// A builder chosen by hand.
    pub builder: Option<BuilderKind>,
    /// The registries that images are pushed to.
    pub registries: &'a [RegistryAsk],
    /// Images of the run.
    pub images: &'a [&'a ImageDef],
    /// Where their contexts lie.
    pub contexts: Option<&'a Path>,
    /// Package mirrors and proxies.
    pub mirrors: &'a [Mirror],
    /// Builds use the host's network.
    pub network_host: bool,
    /// What the run asks of its builder.
    pub wanted: &'a Wanted,
    /// Bytes that the forecast expects, 0 if unknown.
    pub need: u64,
    /// What the engine is asked to try out.
    pub trials: Trials,
    /// `/`, but for tests.
    pub root: &'a Path,
}

impl<'a> Ask<'a> {
    /// The engine at an address, and nothing else.
    pub fn new(engine: &'a str, wanted: &'a Wanted) -> Self {
        Self {
            engine,
            engine_named: false,
            builder: None,
            registries: &[],
            images: &[],
            contexts: None,
            mirrors: &[],
            network_host: false,
            wanted,
            need: 0,
            trials: Trials::ALL,
            root: Path::new("/"),
        }
    }
}

/// Looks at everything; changes nothing but a few bytes in the engine's build cache. The lines come in a
/// fixed order, also where all is well; `None` instead of capabilities: nothing can build.
pub async fn run(probe: &Probe, ask: &Ask<'_>) -> (Vec<Line>, Option<Capabilities>) {
    let mut lines = Vec::new();
    let found = engine::find(probe, ask, &mut lines).await;
    let engine = found.as_ref().and_then(|found| found.engine.as_ref());
    let answers = found.as_ref().and_then(|found| found.capabilities.engine.as_ref());
    if let Some(found) = &found {
        let kind = ask.builder.unwrap_or_else(|| found.capabilities.kind());
        for (code, text) in found.capabilities.cannot(kind, ask.wanted, ask.images) {
            let fix = if kind == BuilderKind::Classic { "builder: auto, on an engine with BuildKit" } else { "" };
            lines.push(Line { severity: Severity::Fail, code, check: "builder", found: text, fix: some(fix) });
        }
        let workers = answers.map(|answers| answers.workers.as_slice()).unwrap_or_default();
        lines.extend(emulation(&Host::of(probe, workers, ask.root), ask));
    }
    registry::frontends(probe, ask.images, engine, answers, ask.registries, &mut lines).await;
    let (data, prune) = match (&found, answers) {
        (_, Some(answers)) => (answers.root_dir.clone(), "docker builder prune"),
        (Some(_), None) => (Some("/var/lib/containers".into()), "buildah rmi --prune"),
        (None, None) => (None, "docker builder prune"),
    };
    host::disk(probe, ask.root, data.as_deref(), ask.need, prune, &mut lines);
    lines.push(host::memory(probe, &ask.root.join("proc")));
    for one in ask.registries {
        registry::registry(probe, &one.settings, &one.repositories, &mut lines).await;
    }
    for mirror in ask.mirrors {
        // `buildah` runs steps in the host's network.
        let network_host = ask.network_host || (found.is_some() && answers.is_none());
        let bridge = answers.and_then(|answers| answers.bridge.as_ref());
        let before = lines.len();
        host::mirror(probe, (&mirror.host, mirror.port), network_host, bridge, &mut lines).await;
        for line in lines.iter_mut().skip(before).filter(|line| !mirror.sure && line.severity == Severity::Fail) {
            line.severity = Severity::Warn;
        }
    }
    if !ask.images.is_empty() {
        lint::lint(probe, ask.images, ask.contexts, &mut lines);
    }
    (lines, found.map(|found| found.capabilities))
}

/// Platforms whose programs a build would run and this host cannot. A build that only copies runs none.
fn emulation(host: &Host, ask: &Ask<'_>) -> Option<Line> {
    let mut needed = Vec::new();
    let mut place = None;
    for image in ask.images {
        let Some(line) = image.dockerfile.runs_programs() else { continue };
        let own = image.platforms.iter().filter_map(|text| text.parse().ok());
        let own: Vec<Platform> = own.collect();
        let platforms = if own.is_empty() { &ask.wanted.platforms } else { &own };
        for platform in platforms.iter().filter(|one| host.runs(one) == Runs::No) {
            place.get_or_insert_with(|| image.place(line));
            if !needed.contains(platform) {
                needed.push(platform.clone());
            }
        }
    }
    if ask.images.is_empty() {
        needed.clone_from(&ask.wanted.platforms);
    }
    let error = host.refuse(&needed)?;
    let found = place.map_or(error.message.clone(), |place| format!("{}, and {place} runs one", error.message));
    Some(Line::fail("B0107", "platforms", found, error.hints.first().cloned().unwrap_or_default()))
}

fn some(fix: &str) -> Option<String> {
    (!fix.is_empty()).then(|| fix.to_owned())
}

/// The error for what would make the builds fail, if there is something: the first line is the message,
/// all others are notes.
pub fn failure(lines: &[Line]) -> Option<Diagnostic> {
    let mut bad = lines.iter().filter(|line| line.severity == Severity::Fail);
    let first = bad.next()?;
    let mut diagnostic = Diagnostic::task(first.code, first.found.clone());
    if let Some(fix) = &first.fix {
        diagnostic = diagnostic.with_hint(fix.clone());
    }
    Some(bad.fold(diagnostic, |diagnostic, line| diagnostic.with_note(line.text())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_one_error() {
        let lines = [
            Line::ok("B0110", "engine", "20.10"),
            Line::fail("B0116", "disk", "1 GiB free", "docker builder prune"),
            Line::warn("B0117", "memory", "little", "x"),
            Line::fail("B0118", "login", "refused", "docker login r"),
        ];
        let error = failure(&lines).unwrap();
        assert_eq!((error.code.as_ref(), error.message.as_str()), ("B0116", "1 GiB free"));
        assert_eq!(error.hints, ["docker builder prune"]);
        assert_eq!(error.notes, ["FAIL  login       refused [B0118]: docker login r"]);
        assert_eq!(failure(&lines[..1]), None);
    }
}
