//! One set of images from definitions to results: preflight, schedule, logs, report.
//! Who calls it gives the definitions and receives progress; modules and commands share it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::def::ImageDef;
use super::docker::{DockerBuilder, Settings};
use super::graph::Graph;
use super::names::Names;
use super::proof::Proof;
use super::report::{ImageReport, Report};
use super::schedule::{self, Plan};
use super::watch::LogWatcher;
use crate::diag::{Diagnostic, Kind, Result};
use crate::event::{ImageState, Progress};
use crate::secret::Redactor;
use crate::system::Mutate;
use crate::system::engine::{BuilderKind, EngineError, ErrorClass, RegistrySettings};

/// Which builder to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuilderChoice {
    /// BuildKit where the engine has it, else the classic one.
    #[default]
    Auto,
    /// This one.
    Only(BuilderKind),
}

/// All that is asked for.
#[derive(Clone, Debug, Default)]
pub struct SetRequest {
    /// Names of the results.
    pub names: Names,
    /// What the builds share.
    pub settings: Settings,
    /// Images to build, with their ancestors; all if empty.
    pub only: Vec<String>,
    /// Images to leave out, with all that need them.
    pub skip: Vec<String>,
    /// Builds at the same time.
    pub parallel: usize,
    /// Push each image as it ends.
    pub push: bool,
    /// How the registry is reached for digests.
    pub registry: RegistrySettings,
    /// Folder for one log a image on the host.
    pub log_dir: Option<PathBuf>,
    /// The engine's address.
    pub engine: String,
    /// The builder.
    pub builder: BuilderChoice,
}

/// A set that was checked and can be built.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// All images.
    pub graph: Arc<Graph>,
    /// Which of them are built.
    pub selected: std::collections::BTreeSet<usize>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Waits between tries of a push.
const PUSH_WAITS: [u64; 4] = [1, 3, 10, 30];

/// Checks names, edges and selection. Touches nothing.
pub fn prepare(images: Vec<ImageDef>, request: &SetRequest) -> Result<Prepared> {
    if let Some(problem) = request.names.problem() {
        return Err(Diagnostic::task("B0005", problem));
    }
    if request.push && request.names.registry.is_empty() {
        return Err(Diagnostic::task("B0011", "`push` needs a `registry`")
            .with_hint("set `registry: host:port`, or `push: false`"));
    }
    let mut warnings = Vec::new();
    for name in request.settings.args.keys() {
        let declared = |image: &ImageDef| image.dockerfile.declared_args().contains(name);
        // Proxies are known without a declaration, and the distribution is offered to all.
        let offered = name == "BASE_DISTRO" || name.to_ascii_lowercase().ends_with("_proxy");
        if !offered && !images.iter().any(declared) {
            warnings.push(format!("the build argument `{name}` is declared by no Dockerfile (`ARG {name}`)"));
        }
    }
    for name in Proof::too_short(&request.settings.sought()) {
        warnings.push(format!("`{name}` is too short to be searched for in images"));
    }
    let graph = Graph::new(images, &request.names, &request.settings.args)?;
    let selected = graph.select(&request.only, &request.skip)?;
    if selected.is_empty() {
        warnings.push("no image is left to build".to_owned());
    }
    Ok(Prepared { graph: Arc::new(graph), selected, warnings })
}

/// Builds a prepared set whose contexts lie below `root`. Errors are those before the first build;
/// what happens to single images is in the report.
pub async fn build(
    mutate: &Mutate,
    prepared: &Prepared,
    request: &SetRequest,
    root: PathBuf,
    tell: Arc<dyn Fn(Progress) + Send + Sync>,
    cancelled: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Report> {
    let engine =
        mutate.probe().engine(&request.engine).await.map_err(|error| engine_trouble(&error, &request.engine))?;
    let kind = match request.builder {
        BuilderChoice::Only(kind) => kind,
        BuilderChoice::Auto => engine.builder().await.map_err(|error| engine_trouble(&error, &request.engine))?,
    };
    if kind == BuilderKind::Classic
        && let Some(id) = request.settings.secrets.keys().next()
    {
        return Err(Diagnostic::task(
            "B0007",
            format!("the build secret `{id}` needs BuildKit, which is not used here"),
        )
        .with_note(format!("engine {} at `{}`, builder {}", engine.version(), request.engine, kind.name())));
    }
    let registry = if request.push {
        let client = mutate.probe().registry(request.registry.clone()).map_err(|error| registry_trouble(&error))?;
        check_registry(&client).await.map_err(|error| registry_trouble(&error))?;
        Some(client)
    } else {
        None
    };
    let redactor = Redactor::default();
    for secret in request.settings.sought().values() {
        redactor.learn(secret.expose());
    }
    let builder = DockerBuilder::new(
        mutate.engine(&engine),
        kind,
        Arc::clone(&prepared.graph),
        request.names.clone(),
        root,
        registry,
        request.settings.clone(),
    );
    let plan = Plan {
        selected: prepared.selected.clone(),
        parallel: request.parallel.max(1),
        push: request.push,
        push_waits: PUSH_WAITS.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
    };
    let mut watcher =
        LogWatcher::new(Arc::clone(&prepared.graph), tell, request.log_dir.clone(), mutate.clone(), redactor);
    let token = CancellationToken::new();
    let finished = {
        let work = schedule::run(&prepared.graph, &plan, &builder, &mut watcher, &token);
        let poll = async {
            // The way back to the engine can only be asked, not awaited.
            while !cancelled() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            token.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            finished = work => finished,
            () = poll => Vec::new(),
        }
    };
    let (ends, warnings) = watcher.finish();
    let mut images = Vec::with_capacity(finished.len());
    for end in finished {
        let built =
            matches!(end.state, ImageState::Built { .. } | ImageState::Pushed { .. } | ImageState::PushFailed { .. });
        // What is only for the record must not turn a good build into a failure.
        let facts = if built && !token.is_cancelled() {
            super::Builder::inspect(&builder, end.image).await.ok().flatten()
        } else {
            None
        };
        let end_log = ends.get(end.image).cloned().unwrap_or_default();
        images.push(ImageReport::new(&prepared.graph, &request.names, end, facts, end_log));
    }
    Ok(Report {
        images,
        tag: request.names.tag.clone(),
        builder: kind.name(),
        engine: engine.version().to_owned(),
        warnings,
        cancelled: token.is_cancelled(),
    })
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

fn registry_trouble(error: &EngineError) -> Diagnostic {
    let diagnostic = Diagnostic::new("B0011", Kind::Task, error.message.clone());
    match error.class {
        ErrorClass::Auth => diagnostic.with_hint("check `registry_username` and `registry_password`"),
        ErrorClass::Certificate => diagnostic.with_hint(
            "place the registry's CA in `/etc/docker/certs.d/HOST:PORT/ca.crt`, or name it in `registry_ca`",
        ),
        _ => diagnostic.with_note("asked before the first build, so that no build is paid for in vain"),
    }
}
