//! The container engine on this host: Docker's API, BuildKit's session, the registry reader.
//!
//! [`Engine`] reads; [`EngineMut`] builds, tags, pushes and removes, and comes only from a
//! `Mutate` handle. Knows nothing of image trees or their order (that is `image`).

mod buildkit;
mod classic;
mod client;
mod error;
mod lines;
mod progress;
mod registry;
mod resolve;
mod session;
mod upgrade;

pub use client::{Engine, EngineMut, ImageFacts, PushSpec, RegistryLogin};
pub use error::{EngineError, ErrorClass};
pub use registry::{RegistryClient, RegistrySettings, is_loopback};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::Secret;

/// Where the engine listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// Which of the engine's two builders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuilderKind {
    /// BuildKit inside the engine.
    BuildKit,
    /// The classic builder.
    Classic,
}

impl BuilderKind {
    /// `buildkit` or `classic`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuildKit => "buildkit",
            Self::Classic => "classic",
        }
    }
}

/// One build as the engine sees it.
#[derive(Clone)]
pub struct BuildSpec {
    /// Full names the result gets.
    pub names: Vec<String>,
    /// The Dockerfile's path inside the context.
    pub dockerfile: String,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Secrets for `RUN --mount=type=secret` by id. BuildKit only.
    pub secrets: BTreeMap<String, Secret>,
    /// `host`, or the engine's default.
    pub network_host: bool,
    /// Stop at this stage.
    pub target: Option<String>,
    /// `linux/arm64`, or the engine's own.
    pub platform: Option<String>,
    /// Do not use cached steps.
    pub no_cache: bool,
    /// Ask the registry for newer bases.
    pub pull: bool,
    /// Logins for base images, by registry host.
    pub logins: Vec<RegistryLogin>,
    /// Makes the context's tar; called once for each time the engine asks.
    pub context: Arc<dyn ContextSource>,
}

/// Writes a build context as a tar stream. Runs on a blocking thread.
pub trait ContextSource: Send + Sync {
    /// Writes the whole archive. An error of the writer means that the engine hung up.
    fn write_tar(&self, out: &mut dyn std::io::Write) -> std::io::Result<()>;
}

/// What a build or push tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent {
    /// A step began.
    Step {
        /// From 1.
        step: u32,
        /// Steps in all, 0 if unknown.
        of: u32,
        /// The instruction.
        text: String,
    },
    /// A line of output.
    Log(String),
}

/// Where [`BuildEvent`]s go. Cheap to clone; must not block.
#[derive(Clone)]
pub struct Feed(Arc<dyn Fn(BuildEvent) + Send + Sync>);

impl Feed {
    /// A feed into a function.
    pub fn new(send: impl Fn(BuildEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Tells an event.
    pub fn send(&self, event: BuildEvent) {
        (self.0)(event);
    }
}

/// The instruction at which a build failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedStep {
    /// The step's number as the builder counts: for the classic builder the instruction's place
    /// in the file, for BuildKit the place in its stage.
    pub step: u32,
    /// The stage's name or number if the builder told one.
    pub stage: Option<String>,
    /// The instruction's text as the builder shows it.
    pub text: String,
    /// Which builder counted.
    pub classic: bool,
}

/// Path of a `unix://` address or a plain path; other transports are refused.
pub fn socket_path(address: &str) -> Result<PathBuf, EngineError> {
    let path = address.strip_prefix("unix://").unwrap_or(address);
    if path.starts_with('/') {
        Ok(PathBuf::from(path))
    } else {
        Err(EngineError::new(
            ErrorClass::Unusable,
            format!("the engine's address `{address}` is no unix socket: only `unix:///path` is supported"),
        ))
    }
}
