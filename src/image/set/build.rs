//! The way of a set on its build host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::inputs::{ASKED, Known, Sources, decide_all, set_name};
use super::mirrors::mirrors;
use super::{BuilderChoice, Prepared, SetRequest};
use crate::diag::{Diagnostic, Kind, Result};
use crate::event::{ImageForecast, ImageState, Progress};
use crate::image::admission::Limits;
use crate::image::builder::Builder as _;
use crate::image::capabilities::{self, Capabilities, Choice, choose, trials};
use crate::image::docker::{Book, DockerBuilder, Settings};
use crate::image::forecast::{critical_path, forecast, named};
use crate::image::history::History;
use crate::image::platforms::Host;
use crate::image::preflight::{self, Ask, Line, RegistryAsk, Severity};
use crate::image::proof::keep;
use crate::image::registries::{Registries, Wanted, pushed_to};
use crate::image::report::{ImageReport, Report};
use crate::image::retry::Policy;
use crate::image::reuse::Decision;
use crate::image::schedule::{self, Finished, Plan};
use crate::image::watch::LogWatcher;
use crate::secret::Redactor;
use crate::system::Mutate;
use crate::system::engine::{
    Backend, BuildahSettings, BuilderKind, EngineError, ErrorClass, RegistrySettings, registry_of,
};

/// How long an engine that went away is waited for.
const ENGINE_PATIENCE: Duration = Duration::from_mins(10);

type Tell = Arc<dyn Fn(Progress) + Send + Sync>;

/// How long the end of a stopped set may take: for its report, from which it can be resumed.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// Builds a prepared set whose contexts lie below `root`. Errors are those before the first build;
/// what happens to single images is in the report. A set that is cancelled waits for no engine and no registry.
pub async fn build(
    mutate: &Mutate,
    prepared: &Prepared,
    request: &SetRequest,
    root: PathBuf,
    tell: Tell,
    cancelled: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Report> {
    let begun = AtomicBool::new(false);
    let work = Box::pin(whole(mutate, prepared, request, root, tell, cancelled, &begun));
    or_cancelled(work, cancelled, || if begun.load(Ordering::Relaxed) { LAST_WORDS } else { Duration::ZERO }).await
}

/// What comes of work that is left alone when it is `cancelled` and the time for its own end is over.
pub async fn or_cancelled<T>(
    work: impl Future<Output = Result<T>>,
    cancelled: &(dyn Fn() -> bool + Send + Sync),
    patience: impl Fn() -> Duration,
) -> Result<T> {
    let stopped = async {
        // The way back to the controller can only be asked, not awaited.
        while !cancelled() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(patience()).await;
    };
    tokio::select! {
        biased;
        done = work => done,
        () = stopped => Err(Diagnostic::new("S0401", Kind::Interrupted, "the call was cancelled")),
    }
}

async fn whole(
    mutate: &Mutate,
    prepared: &Prepared,
    request: &SetRequest,
    root: PathBuf,
    tell: Tell,
    cancelled: &(dyn Fn() -> bool + Send + Sync),
    begun: &AtomicBool,
) -> Result<Report> {
    let probe = mutate.probe();
    let (engine, mut kind) = backend(mutate, request).await?;
    let wanted = Wanted {
        graph: &prepared.graph,
        selected: &prepared.selected,
        names: &request.names,
        args: &request.settings.args,
        settings: std::iter::once(&request.registry).chain(&request.registries).collect(),
        push: request.push,
    };
    let (registries, troubles) = Registries::open(probe, &wanted)?;
    for client in registries.all_pushed() {
        check_registry(client).await.map_err(|error| registry_trouble(&error, client.name()))?;
    }
    let host = Host::of(probe, &[], Path::new("/"));
    let platform = match request.settings.platforms.as_slice() {
        [] => host.own().map_or_else(|| probe.machine(), |platform| platform.to_string()),
        several => several.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let sources = Sources { mutate, engine: &engine, registries: &registries, root: &root, platform: &platform };
    let (known, data) = tokio::join!(decide_all(&sources, prepared, request), data_folder(&engine, request));
    let Known { store, keys, records, decisions, mut warnings, watched } = known?;
    warnings.splice(..0, troubles);
    let clock = request.clocks.and_then(|(controller, own)| preflight::controllers_clock(own, controller));
    warnings.extend(clock.map(Line::warning));
    let history = History::new(&prepared.graph, &request.names, &records);
    let disk = probe.disk_room(&data);
    let mut disks: Vec<(String, u64, u64)> =
        disk.iter().map(|room| ("engine".to_owned(), room.free, room.total)).collect();
    if let Some(room) = probe.disk_room(Path::new("/")) {
        disks.push(("root".to_owned(), room.free, room.total));
    }
    let parallel = request.parallel.max(1);
    let mut forecast = forecast(&prepared.graph, &decisions, &history, parallel, disks);
    if request.push {
        let builds = |image: usize| decisions[image].as_ref().is_some_and(Decision::builds);
        forecast.pushed = named(&prepared.graph, &decisions, &|image| builds(image) && prepared.graph.is_pushed(image));
    }
    let mut report = Report {
        tag: prepared.graph.tag_of(&prepared.selected, &request.names).to_owned(),
        engine: engine.version().to_owned(),
        forecast: Some(forecast.clone()),
        ..Report::default()
    };
    // What is known to be refused is told in place of a forecast, not after it.
    if !forecast.build.is_empty() {
        // Where nothing is built nobody asks who would.
        let found = match (kind, engine.engine()) {
            (Some(kind), _) => kind,
            (None, Some(known)) => {
                known.reader().builder().await.map_err(|error| engine_trouble(&error, &request.engine))?
            }
            (None, None) => BuilderKind::Buildah,
        };
        kind = Some(found);
        lay_out(prepared, request, &decisions)?;
        if !request.plan {
            warnings.extend(win_room(mutate, &engine, &data, forecast.bytes.unwrap_or(0)).await);
        }
        warnings.extend(look_before(mutate, prepared, request, &registries, found, &root, &forecast).await?);
    }
    tell(Progress::ImageForecast { forecast });
    if request.plan {
        report.planned = true;
        report.builder = kind.map_or("none", BuilderKind::name);
        report.warnings = warnings;
        return Ok(report);
    }
    let redactor = Redactor::default();
    let settings = Settings { logins: registries.logins(), ..request.settings.clone() };
    for (_, secret) in settings.sought() {
        redactor.learn(secret.expose());
    }
    let mut limits = Limits { parallel, ..Limits::default() };
    if let Some(bytes) = request.min_free {
        (limits.disk_reserve, limits.disk_reserve_percent) = (bytes, 100);
    }
    let unknown_bytes = limits.unknown_image;
    let folder = store.folder().to_path_buf();
    let builder = DockerBuilder::new(
        engine.clone(),
        kind,
        Arc::clone(&prepared.graph),
        request.names.clone(),
        root,
        registries,
        settings,
    )
    .recording(
        Book::new(store, mutate.clone(), keys, records, request.engine.clone())
            .of_set(set_name(request))
            .of_run(request.run.clone())
            .watching(watched),
    )
    .within(limits, data)
    .from_sent(request.sent.clone())
    .with_clean(keep::load(probe, &folder));
    let mut watcher =
        LogWatcher::new(Arc::clone(&prepared.graph), tell, request.log_dir.clone(), mutate.clone(), redactor);
    let token = CancellationToken::new();
    let mut finished: Vec<Finished> = Vec::new();
    let images = 0..prepared.graph.images.len();
    let plan = Plan {
        decisions,
        weights: images.clone().map(|image| history.weight(image)).collect(),
        timed: prepared.selected.first().is_some_and(|image| history.seconds(*image).is_some()),
        bytes: images.map(|image| history.own_bytes(&prepared.graph, image)).collect(),
        unknown_bytes,
        parallel,
        pushes: request.pushes.max(1),
        push: request.push,
        policy: Policy { build_retries: request.build_retries, ..Policy::default() },
        engine_patience: ENGINE_PATIENCE,
        ..Plan::default()
    };
    let poll = async {
        // The way back to the engine can only be asked, not awaited.
        while !cancelled() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        token.cancel();
        std::future::pending::<()>().await;
    };
    tokio::pin!(poll);
    begun.store(true, Ordering::Relaxed);
    for (_, selected) in &prepared.stages {
        // What an earlier set could not build blocks what hangs on it in a later one.
        let plan = Plan { selected: selected.clone(), ..plan.clone() };
        let work = schedule::run_after(&prepared.graph, &plan, &finished, &builder, &mut watcher, &token);
        let ended = tokio::select! {
            ended = work => ended,
            () = &mut poll => Vec::new(),
        };
        finished.extend(ended);
    }
    let (ends, troubles) = watcher.finish();
    warnings.extend(troubles);
    if let Some(book) = builder.book() {
        book.flush();
        warnings.extend(book.take_troubles().into_iter().map(|trouble| trouble.message.clone()));
    }
    if let Err(error) = keep::save(mutate, &folder, &builder.proof().clean()) {
        warnings.push(error.message.clone());
    }
    report.proof = Some(builder.cost());
    report.builder = builder.kind().map_or("none", BuilderKind::name);
    report.changed = builder.changed();
    report.throttled = builder.registries().throttled();
    let seconds: BTreeMap<usize, f64> = finished.iter().map(|end| (end.image, end.seconds)).collect();
    let (path, path_seconds) =
        critical_path(&prepared.graph, &|image| seconds.get(&image).copied().unwrap_or_default());
    report.slowest_path = path.into_iter().map(|image| prepared.graph.images[image].name.clone()).collect();
    report.slowest_seconds = path_seconds;
    let cancelled_run = token.is_cancelled();
    report.cancelled = cancelled_run;
    let facts_of = |end: Finished| {
        let there = matches!(
            end.state,
            ImageState::Built { .. }
                | ImageState::Pushed { .. }
                | ImageState::PushFailed { .. }
                | ImageState::Reused { digest: None, .. }
        );
        // What is only for the record must not turn a good build into a failure.
        let asked = there && !cancelled_run;
        let builder = &builder;
        async move {
            let facts = if asked { builder.inspect(end.image).await.ok().flatten() } else { None };
            (end, facts)
        }
    };
    let mut facts = futures_util::stream::iter(finished).map(facts_of).buffered(ASKED);
    while let Some((end, facts)) = facts.next().await {
        let end_log = ends.get(end.image).cloned().unwrap_or_default();
        let key = builder.book().and_then(|book| book.key(end.image)).map(|key| key.digest.clone());
        let mut image = ImageReport::new(&prepared.graph, &request.names, end, facts, end_log);
        image.key = key;
        report.images.push(image);
    }
    report.warnings = warnings;
    report.sort(&prepared.graph);
    Ok(report)
}

/// Who builds, and with which of its builders if that was named.
async fn backend(mutate: &Mutate, request: &SetRequest) -> Result<(Backend, Option<BuilderKind>)> {
    let probe = mutate.probe();
    let by_hand = match request.builder {
        BuilderChoice::Only(kind) => Some(kind),
        BuilderChoice::Auto => None,
    };
    let choice = choose(probe, by_hand, &request.engine, Path::new("/"));
    if matches!(choice, Choice::Buildah(None)) || !request.engine_named && matches!(choice, Choice::Buildah(_)) {
        let buildah = mutate
            .buildah(buildah_settings(&request.registry))
            .await
            .map_err(|error| engine_trouble(&error, "buildah"))?;
        return Ok((buildah.into(), Some(BuilderKind::Buildah)));
    }
    let engine = probe.engine(&request.engine).await.map_err(|error| engine_trouble(&error, &request.engine))?;
    Ok((mutate.engine(&engine).into(), by_hand))
}

/// Lays out the contexts of what is built, if the tree was sent.
fn lay_out(prepared: &Prepared, request: &SetRequest, decisions: &[Option<Decision>]) -> Result<()> {
    let Some(sent) = &request.sent else { return Ok(()) };
    for image in &prepared.selected {
        if decisions[*image].as_ref().is_none_or(Decision::builds) {
            sent.lay_out(&prepared.graph.images[*image].context).map_err(|error| {
                Diagnostic::task("B0016", format!("the image tree could not be laid out on the host: {error}"))
            })?;
        }
    }
    Ok(())
}

/// `buildah` reaches the registry as hostctl itself does.
fn buildah_settings(registry: &RegistrySettings) -> BuildahSettings {
    BuildahSettings {
        insecure: registry.insecure.then(|| registry.host.clone()).into_iter().collect(),
        ca_file: registry.ca_file.clone(),
        ..BuildahSettings::default()
    }
}

/// The engine's folder.
async fn data_folder(engine: &Backend, request: &SetRequest) -> PathBuf {
    let named = match engine.engine() {
        Some(engine) => engine.reader().root_folder().await,
        None => Some(PathBuf::from("/var/lib/containers")),
    };
    let parent = || crate::system::engine::socket_path(&request.engine).ok()?.parent().map(Path::to_path_buf);
    named.filter(|path| path.is_dir()).or_else(parent).unwrap_or_else(|| PathBuf::from("/"))
}

/// Gives build cache up where nothing could be built else; says so.
async fn win_room(mutate: &Mutate, engine: &Backend, data: &Path, need: u64) -> Option<String> {
    let free = || mutate.probe().disk_room(data).map(|room| room.free);
    let before = free()?;
    if before >= preflight::LEAST_DISK.max(need) {
        return None;
    }
    // What cannot be won is told by the preflight.
    let _ = engine.prune_cache().await;
    let won = free()?.saturating_sub(before) >> 20;
    (won > 0).then(|| format!("the engine's build cache was removed to make room: {won} MiB"))
}

/// The preflight: an error for what would make builds fail, warnings for the rest.
async fn look_before(
    mutate: &Mutate,
    prepared: &Prepared,
    request: &SetRequest,
    registries: &Registries,
    kind: BuilderKind,
    root: &Path,
    forecast: &ImageForecast,
) -> Result<Vec<String>> {
    let wanted = capabilities::Wanted {
        secrets: request.settings.secrets.keys().cloned().collect(),
        ssh: request.settings.ssh.clone(),
        cache_to: request.settings.cache_to.clone(),
        platforms: request.settings.platforms.clone(),
        squash: request.squash,
    };
    let images: Vec<_> = prepared.selected.iter().map(|image| &prepared.graph.images[*image]).collect();
    let asked = registry_asks(prepared, request, registries);
    let mirrors = mirrors(prepared, request);
    let ask = Ask {
        builder: Some(kind),
        registries: &asked,
        images: &images,
        contexts: Some(root),
        mirrors: &mirrors,
        network_host: request.settings.network_host,
        need: forecast.bytes.unwrap_or(0),
        trials: trials(&wanted, &images),
        ..Ask::new(&request.engine, &wanted)
    };
    let (lines, capabilities): (_, Option<Capabilities>) = preflight::run(mutate.probe(), &ask).await;
    if let Some(error) = preflight::failure(&lines) {
        return Err(error);
    }
    if capabilities.is_none() {
        return Err(Diagnostic::task("B0007", "nothing here can build images"));
    }
    Ok(lines.into_iter().filter(|line| line.severity == Severity::Warn).map(Line::warning).collect())
}

/// Each registry that is pushed to, with one repository of each namespace: rights are given by namespace.
fn registry_asks(prepared: &Prepared, request: &SetRequest, registries: &Registries) -> Vec<RegistryAsk> {
    let mut asked: Vec<RegistryAsk> =
        registries.all_pushed().map(|client| RegistryAsk::new(client.settings().clone())).collect();
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for image in prepared.selected.iter().copied().filter(|image| prepared.graph.is_pushed(*image)) {
        for (host, repository) in pushed_to(&prepared.graph, image, &request.names) {
            let host = registry_of(&host);
            let namespace = repository.rsplit_once('/').map_or("", |(namespace, _)| namespace).to_owned();
            let Some(ask) = asked.iter_mut().find(|ask| registry_of(&ask.settings.host) == host) else { continue };
            if seen.insert((host, namespace)) {
                ask.repositories.push(repository);
            }
        }
    }
    asked
}

async fn check_registry(client: &crate::system::engine::RegistryClient) -> Result<(), EngineError> {
    for wait in [1, 3] {
        match client.check_login().await {
            // What never was there is told at once; one that is being restarted answers soon.
            Err(error) if error.class == ErrorClass::Transient && !client.is_nowhere() => {
                tokio::time::sleep(Duration::from_secs(wait)).await;
            }
            answer => return answer,
        }
    }
    client.check_login().await
}

fn engine_trouble(error: &EngineError, address: &str) -> Diagnostic {
    let diagnostic = Diagnostic::task("B0007", error.message.clone());
    match error.class {
        ErrorClass::Unreachable => diagnostic
            .with_note(format!("asked at `{address}`"))
            .with_hint("is the engine running? `systemctl status docker`; another place: `docker_host: unix:///path`"),
        _ => diagnostic,
    }
}

fn registry_trouble(error: &EngineError, host: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new("B0011", Kind::Task, error.message.clone())
        .with_note("asked before the first build, so that no build is paid for in vain");
    match &error.hint {
        Some(hint) => diagnostic.with_hint(hint.as_str()),
        None => diagnostic.with_hint(format!("on the build host: `hostctl image doctor --registry {host}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildah_reaches_the_registry_as_the_task_says() {
        let registry = RegistrySettings {
            host: "r.example:5000".into(),
            insecure: true,
            ca_file: Some("/etc/ca.crt".into()),
            ..RegistrySettings::default()
        };
        let settings = buildah_settings(&registry);
        assert_eq!(settings.insecure, ["r.example:5000"]);
        assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/etc/ca.crt")));
        assert!(buildah_settings(&RegistrySettings { insecure: false, ..registry }).insecure.is_empty());
    }
}
