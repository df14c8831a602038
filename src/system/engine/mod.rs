//! The container engine on this host: Docker's API, BuildKit's session, the registry reader; and the
//! builder that needs no engine (`buildah`).
//!
//! [`Engine`] reads; [`EngineMut`] builds, tags, pushes and removes, and comes only from a
//! `Mutate` handle. [`Backend`] is an engine or `buildah` with the same methods. Knows nothing of image
//! trees or their order (that is `image`).

mod answers;
mod backend;
mod buildah;
mod buildah_program;
mod buildkit;
mod classic;
mod client;
mod credentials;
mod error;
mod lines;
mod look;
mod ping;
mod progress;
mod registry;
mod resolve;
mod session;
mod ssh_forward;
mod upgrade;
mod wire;

pub use answers::{Bridge, CacheSupport, EngineAnswers, Frontend, Trials, Worker};
pub use backend::Backend;
pub use buildah::{Buildah, BuildahSettings};
pub use client::{Engine, EngineMut, ImageFacts, PushSpec};
pub use credentials::{Credentials, RegistryLogin};
pub use error::{EngineError, ErrorClass, Right};
pub use look::RegistryLook;
pub use registry::{
    Descriptor, ImageConfig, IndexEntry, Manifest, Patience, Platform, RateBudget, RegistryClient, RegistrySettings,
    index, is_digest, is_loopback, registry_of, split_name,
};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::Secret;

/// Where the engine listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// Who builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuilderKind {
    /// BuildKit inside the engine.
    BuildKit,
    /// The engine's classic builder.
    Classic,
    /// The program `buildah`, without an engine.
    Buildah,
}

impl BuilderKind {
    /// `buildkit`, `classic` or `buildah`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuildKit => "buildkit",
            Self::Classic => "classic",
            Self::Buildah => "buildah",
        }
    }
}

/// Where a build's cache goes besides the builder's own store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheTo {
    /// Into the image itself: small, only the last stage's steps.
    Inline,
    /// Into a registry.
    Registry {
        /// `registry.example.org:5000/cache/web`.
        name: String,
        /// Steps of all stages, not only those that the image holds.
        all_stages: bool,
    },
}

impl CacheTo {
    /// The exporter's name as builders have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Registry { .. } => "registry",
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
    /// Secrets for `RUN --mount=type=secret` by id. BuildKit and `buildah` only.
    pub secrets: BTreeMap<String, Secret>,
    /// Sockets of ssh agents for `RUN --mount=type=ssh` by id (`default`). Keys stay in the agent: key
    /// files are not read. BuildKit and `buildah` only.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Images whose layers, or registry caches whose steps, may be used instead of running a step.
    pub cache_from: Vec<String>,
    /// Where the build's cache goes.
    pub cache_to: Vec<CacheTo>,
    /// Names and addresses for `/etc/hosts` of `RUN` instructions.
    pub extra_hosts: Vec<(String, String)>,
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

impl BuildSpec {
    /// A build of the context's `Dockerfile` with nothing else asked for.
    pub fn new(context: Arc<dyn ContextSource>) -> Self {
        Self {
            names: Vec::new(),
            dockerfile: "Dockerfile".to_owned(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            extra_hosts: Vec::new(),
            network_host: false,
            target: None,
            platform: None,
            no_cache: false,
            pull: false,
            logins: Vec::new(),
            context,
        }
    }
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

/// The lab of the tests with a real engine and registry, for those of `image` too.
#[cfg(test)]
#[expect(dead_code, reason = "the lab has more than the scenes here need")]
#[path = "../../../tests/image_engine/lab.rs"]
pub(crate) mod lab;
#[cfg(test)]
mod lab_tests;
