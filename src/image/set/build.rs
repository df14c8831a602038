//! The way of a set on its build host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::inputs::{Known, Sources, decide_all};
use super::{BuilderChoice, Prepared, SetRequest};
use crate::diag::{Diagnostic, Kind, Result};
use crate::event::{ImageForecast, ImageState, Progress};
use crate::image::admission::Limits;
use crate::image::builder::Builder as _;
use crate::image::capabilities::{Capabilities, Choice, Wanted, choose};
use crate::image::docker::{Book, DockerBuilder};
use crate::image::forecast::{critical_path, forecast};
use crate::image::history::History;
use crate::image::platforms::Host;
use crate::image::preflight::{self, Ask, Severity};
use crate::image::proof::keep;
use crate::image::report::{ImageReport, Report};
use crate::image::retry::Policy;
use crate::image::schedule::{self, Finished, Plan};
use crate::image::watch::LogWatcher;
use crate::secret::Redactor;
use crate::system::Mutate;
use crate::system::engine::{Backend, BuilderKind, EngineError, ErrorClass};

/// How long an engine that went away is waited for.
const ENGINE_PATIENCE: Duration = Duration::from_mins(10);

type Tell = Arc<dyn Fn(Progress) + Send + Sync>;

/// Builds a prepared set whose contexts lie below `root`. Errors are those before the first build;
/// what happens to single images is in the report.
pub async fn build(
    mutate: &Mutate,
    prepared: &Prepared,
    request: &SetRequest,
    root: PathBuf,
    tell: Tell,
    cancelled: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Report> {
    let probe = mutate.probe();
    let (engine, kind) = backend(mutate, request).await?;
    let registry = if request.push {
        let client = probe
            .registry(request.registry.clone())
            .map_err(|error| registry_trouble(&error, &request.registry.host))?;
        check_registry(&client).await.map_err(|error| registry_trouble(&error, &request.registry.host))?;
        Some(client)
    } else {
        None
    };
    let host = Host::of(probe, &[], Path::new("/"));
    let platform = match request.settings.platforms.as_slice() {
        [] => host.own().map_or_else(|| probe.machine(), |platform| platform.to_string()),
        several => several.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let sources = Sources { mutate, engine: &engine, registry: registry.as_ref(), root: &root, platform: &platform };
    let Known { store, keys, records, decisions, mut warnings } = decide_all(&sources, prepared, request).await?;
    let history = History::new(&prepared.graph, &request.names, &records);
    let data = data_folder(&engine, request).await;
    let disk = probe.disk_room(&data);
    let mut disks: Vec<(String, u64, u64)> =
        disk.iter().map(|room| ("engine".to_owned(), room.free, room.total)).collect();
    if let Some(room) = probe.disk_room(Path::new("/")) {
        disks.push(("root".to_owned(), room.free, room.total));
    }
    let parallel = request.parallel.max(1);
    let forecast = forecast(&prepared.graph, &decisions, &history, parallel, disks);
    tell(Progress::ImageForecast { forecast: forecast.clone() });
    let mut report = Report {
        tag: request.names.tag.clone(),
        builder: kind.name(),
        engine: engine.version().to_owned(),
        forecast: Some(forecast.clone()),
        ..Report::default()
    };
    if !forecast.build.is_empty() {
        if !request.plan {
            warnings.extend(win_room(mutate, &engine, &data, forecast.bytes.unwrap_or(0)).await);
        }
        warnings.extend(look_before(mutate, prepared, request, kind, &root, &forecast).await?);
    }
    if request.plan {
        report.planned = true;
        report.warnings = warnings;
        return Ok(report);
    }
    let redactor = Redactor::default();
    for secret in request.settings.sought().values() {
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
        registry,
        request.settings.clone(),
    )
    .recording(Book::new(store, mutate.clone(), keys, records, request.engine.clone()))
    .within(limits, data)
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
        warnings.extend(book.take_troubles().into_iter().map(|trouble| trouble.message.clone()));
    }
    if let Err(error) = keep::save(mutate, &folder, &builder.proof().clean()) {
        warnings.push(error.message.clone());
    }
    report.proof = Some(builder.cost());
    let seconds: BTreeMap<usize, f64> = finished.iter().map(|end| (end.image, end.seconds)).collect();
    let (path, path_seconds) =
        critical_path(&prepared.graph, &|image| seconds.get(&image).copied().unwrap_or_default());
    report.slowest_path = path.into_iter().map(|image| prepared.graph.images[image].name.clone()).collect();
    report.slowest_seconds = path_seconds;
    report.cancelled = token.is_cancelled();
    for end in finished {
        let there = matches!(
            end.state,
            ImageState::Built { .. }
                | ImageState::Pushed { .. }
                | ImageState::PushFailed { .. }
                | ImageState::Reused { digest: None, .. }
        );
        // What is only for the record must not turn a good build into a failure.
        let facts = if there && !report.cancelled { builder.inspect(end.image).await.ok().flatten() } else { None };
        let end_log = ends.get(end.image).cloned().unwrap_or_default();
        let key = builder.book().and_then(|book| book.keys.get(end.image)).map(|key| key.digest.clone());
        let mut image = ImageReport::new(&prepared.graph, &request.names, end, facts, end_log);
        image.key = key;
        report.images.push(image);
    }
    report.warnings = warnings;
    Ok(report)
}

/// Who builds, and with which of its builders.
async fn backend(mutate: &Mutate, request: &SetRequest) -> Result<(Backend, BuilderKind)> {
    let probe = mutate.probe();
    let by_hand = match request.builder {
        BuilderChoice::Only(kind) => Some(kind),
        BuilderChoice::Auto => None,
    };
    let choice = choose(probe, by_hand, &request.engine, Path::new("/"));
    if matches!(choice, Choice::Buildah(None)) || !request.engine_named && matches!(choice, Choice::Buildah(_)) {
        let buildah = mutate
            .buildah(crate::system::engine::BuildahSettings::default())
            .await
            .map_err(|error| engine_trouble(&error, "buildah"))?;
        return Ok((buildah.into(), BuilderKind::Buildah));
    }
    let engine = probe.engine(&request.engine).await.map_err(|error| engine_trouble(&error, &request.engine))?;
    let kind = match request.builder {
        BuilderChoice::Only(kind) => kind,
        BuilderChoice::Auto => engine.builder().await.map_err(|error| engine_trouble(&error, &request.engine))?,
    };
    Ok((mutate.engine(&engine).into(), kind))
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
    kind: BuilderKind,
    root: &Path,
    forecast: &ImageForecast,
) -> Result<Vec<String>> {
    let wanted = Wanted {
        secrets: request.settings.secrets.keys().cloned().collect(),
        ssh: request.settings.ssh.clone(),
        cache_to: request.settings.cache_to.clone(),
        platforms: request.settings.platforms.clone(),
        squash: request.squash,
    };
    let images: Vec<_> = prepared.selected.iter().map(|image| &prepared.graph.images[*image]).collect();
    let mirror = request.mirror.as_ref().map(|(host, port)| (host.as_str(), *port));
    let ask = Ask {
        builder: Some(kind),
        registry: request.push.then_some(&request.registry),
        images: &images,
        contexts: Some(root),
        mirror,
        network_host: request.settings.network_host,
        need: forecast.bytes.unwrap_or(0),
        ..Ask::new(&request.engine, &wanted)
    };
    let (lines, capabilities): (_, Option<Capabilities>) = preflight::run(mutate.probe(), &ask).await;
    if let Some(error) = preflight::failure(&lines) {
        return Err(error);
    }
    if capabilities.is_none() {
        return Err(Diagnostic::task("B0007", "nothing here can build images"));
    }
    let warned = lines.into_iter().filter(|line| line.severity == Severity::Warn);
    Ok(warned.map(|line| format!("{}: {}", line.check, line.found)).collect())
}
async fn check_registry(client: &crate::system::engine::RegistryClient) -> Result<(), EngineError> {
    for wait in [1, 3] {
        match client.check_login().await {
            Err(error) if error.class == ErrorClass::Transient => tokio::time::sleep(Duration::from_secs(wait)).await,
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
