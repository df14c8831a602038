//! What the engine says of itself: `/version`, `/info`, its default network, the builder's workers, and
//! short trials of the builder where it tells nothing by itself. No feature is taken from a version number.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::InspectNetworkOptions;
use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::types::WorkerRecord;
use bollard_buildkit_proto::moby::buildkit::v1::{InfoRequest, ListWorkersRequest};
use tonic::transport::Channel;

use super::client::Engine;
use super::error::{EngineError, ErrorClass};
use super::{BuildSpec, CacheTo, ContextSource, buildkit, session};

/// A trial that takes longer tells nothing.
const TRIAL: Duration = Duration::from_secs(20);

/// Workers are few; an engine that tells of more is not believed.
const MOST: usize = 64;

/// One place where the builder runs steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// `linux/amd64`, the first one its own.
    pub platforms: Vec<String>,
    /// What it tells besides.
    pub labels: BTreeMap<String, String>,
}

/// Where the builder can write its cache. `None`: the trial told nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSupport {
    /// Into the image.
    pub inline: Option<bool>,
    /// Into a registry.
    pub registry: Option<bool>,
}

/// What the builder's own Dockerfile frontend reads. `None`: the trial told nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frontend {
    /// `RUN <<EOF`, `COPY <<EOF /file`.
    pub heredoc: Option<bool>,
}

/// The engine's default network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// `docker0`.
    pub name: String,
    /// The host's address on it.
    pub gateway: Option<IpAddr>,
}

/// All that an engine tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineAnswers {
    /// The engine's own version, for people only.
    pub version: String,
    /// Newest and oldest API that it speaks (`1.41`, `1.12`).
    pub api: (String, String),
    /// `POST /session` is taken.
    pub session: bool,
    /// `POST /grpc` is taken.
    pub grpc: bool,
    /// The builder's workers.
    pub workers: Vec<Worker>,
    /// The builder's version where it tells one, for people only.
    pub buildkit: Option<String>,
    /// Caches.
    pub cache: CacheSupport,
    /// The frontend.
    pub frontend: Frontend,
    /// `overlay2`.
    pub driver: String,
    /// The file system below the driver (`extfs`, `overlayfs`), where the engine tells it.
    pub backing: Option<String>,
    /// Where its data is.
    pub root_dir: Option<PathBuf>,
    /// `seccomp`, `apparmor`, `rootless`, `userns`.
    pub security: Vec<String>,
    /// Mirrors of Docker Hub.
    pub mirrors: Vec<String>,
    /// Registries and networks reached without TLS.
    pub insecure: Vec<String>,
    /// `systemd`, `cgroupfs` and the version.
    pub cgroup: (String, String),
    /// `linux/x86_64`.
    pub system: String,
    /// The network of builds.
    pub bridge: Option<Bridge>,
}

impl EngineAnswers {
    /// BuildKit with a session.
    pub fn has_buildkit(&self) -> bool {
        self.session && self.grpc
    }

    /// It runs without root.
    pub fn rootless(&self) -> bool {
        self.security.iter().any(|one| one == "rootless")
    }
}

/// What is tried out besides: each trial is a small build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trials {
    /// Where the builder can write its cache.
    pub cache: bool,
    /// Whether its Dockerfile frontend reads heredocs.
    pub heredoc: bool,
}

impl Trials {
    /// Everything.
    pub const ALL: Self = Self { cache: true, heredoc: true };
}

impl Engine {
    /// Asks everything, all at once. Trials leave a few bytes in the build cache and no image.
    pub async fn answers(&self, trials: Trials) -> Result<EngineAnswers, EngineError> {
        let docker = self.docker();
        let (version, info, bridge, session, control) = tokio::join!(
            docker.version(),
            docker.info(),
            self.bridge(),
            session::probe(self.socket()),
            buildkit::control(self.socket())
        );
        let (version, info) = (version?, info?);
        let mut answers = EngineAnswers {
            version: version.version.unwrap_or_default(),
            api: (version.api_version.unwrap_or_default(), version.min_api_version.unwrap_or_default()),
            driver: info.driver.unwrap_or_default(),
            root_dir: info.docker_root_dir.filter(|dir| !dir.is_empty()).map(PathBuf::from),
            cgroup: (
                info.cgroup_driver.map(|driver| driver.to_string()).unwrap_or_default(),
                info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
            ),
            system: format!("{}/{}", info.os_type.unwrap_or_default(), info.architecture.unwrap_or_default()),
            ..EngineAnswers::default()
        };
        answers.backing = info.driver_status.into_iter().flatten().find_map(|pair| match pair.as_slice() {
            [key, value] if key == "Backing Filesystem" => Some(value.clone()),
            _ => None,
        });
        answers.security = info.security_options.into_iter().flatten().map(|text| security(&text)).collect();
        if let Some(registries) = info.registry_config {
            answers.mirrors = registries.mirrors.unwrap_or_default();
            answers.insecure = registries.insecure_registry_cidrs.unwrap_or_default();
            let named = registries.index_configs.into_iter().flatten();
            answers.insecure.extend(named.filter(|(_, one)| one.secure == Some(false)).map(|(name, _)| name));
            answers.insecure.sort();
        }
        answers.bridge = bridge;
        answers.session = session?;
        if let Some(client) = control? {
            answers.grpc = true;
            let tried = async { if answers.session { Box::pin(self.tried(trials)).await } else { Default::default() } };
            let ((workers, buildkit), tried) = tokio::join!(workers(client), tried);
            (answers.workers, answers.buildkit) = (workers, buildkit);
            (answers.cache, answers.frontend) = tried;
        }
        Ok(answers)
    }

    async fn bridge(&self) -> Option<Bridge> {
        let found = self.docker().inspect_network("bridge", None::<InspectNetworkOptions>).await.ok()?;
        let name = found.options.and_then(|mut options| options.remove("com.docker.network.bridge.name"));
        let gateway = found.ipam.and_then(|ipam| ipam.config).into_iter().flatten().find_map(|one| one.gateway);
        Some(Bridge {
            name: name.unwrap_or_else(|| "docker0".to_owned()),
            gateway: gateway.and_then(|text| text.split('/').next()?.parse().ok()),
        })
    }

    async fn tried(&self, trials: Trials) -> (CacheSupport, Frontend) {
        let exporter = async |to: CacheTo| if trials.cache { self.exporter(to).await } else { None };
        let (inline, registry, heredoc) = tokio::join!(
            exporter(CacheTo::Inline),
            // The place is no name, so nothing is sent: only whether the exporter is known is told.
            exporter(CacheTo::Registry { name: String::new(), all_stages: false }),
            async { if trials.heredoc { self.heredoc().await } else { None } }
        );
        (CacheSupport { inline, registry }, Frontend { heredoc })
    }

    /// A build of nothing that would write its cache there: a builder without the exporter says so first.
    async fn exporter(&self, to: CacheTo) -> Option<bool> {
        let mut spec = BuildSpec::new(Arc::new(Trial("FROM scratch\nCOPY Dockerfile /trial\n")));
        spec.cache_to = vec![to];
        match self.trial(&spec).await? {
            Ok(()) => Some(true),
            Err(error) if error.class == ErrorClass::Unreachable => None,
            Err(error) => Some(error.class != ErrorClass::Unusable),
        }
    }

    async fn trial(&self, spec: &BuildSpec) -> Option<Result<(), EngineError>> {
        tokio::time::timeout(TRIAL, buildkit::attempt(self.socket(), spec)).await.ok()
    }

    /// Lets the builder read a Dockerfile with a heredoc; nothing is kept of the result.
    async fn heredoc(&self) -> Option<bool> {
        let spec = BuildSpec::new(Arc::new(Trial("FROM scratch\nCOPY <<END /trial\nhostctl\nEND\n")));
        match self.trial(&spec).await? {
            Ok(()) => Some(true),
            Err(error) if error.message.contains("nknown instruction") => Some(false),
            Err(_) => None,
        }
    }
}

/// The builder's workers and its version.
async fn workers(mut client: ControlClient<Channel>) -> (Vec<Worker>, Option<String>) {
    let (mut workers, mut version) = (Vec::new(), None);
    if let Ok(Ok(found)) = tokio::time::timeout(TRIAL, client.list_workers(ListWorkersRequest::default())).await {
        let records = found.into_inner().record;
        version = records.iter().find_map(|one| one.buildkit_version.as_ref()).map(|one| one.version.clone());
        workers = records.into_iter().take(MOST).map(worker).collect();
    }
    if version.is_none()
        && let Ok(Ok(info)) = tokio::time::timeout(TRIAL, client.info(InfoRequest {})).await
    {
        version = info.into_inner().buildkit_version.map(|one| one.version);
    }
    (workers, version.filter(|version| !version.is_empty()))
}

fn worker(record: WorkerRecord) -> Worker {
    let platform = |one: &bollard_buildkit_proto::pb::Platform| {
        let variant = if one.variant.is_empty() { String::new() } else { format!("/{}", one.variant) };
        format!("{}/{}{variant}", one.os, one.architecture)
    };
    Worker {
        platforms: record.platforms.iter().take(MOST).map(platform).collect(),
        labels: record.labels.into_iter().take(MOST).collect(),
    }
}

/// `name=seccomp,profile=default` is `seccomp`.
fn security(text: &str) -> String {
    let name = text.split(',').find_map(|part| part.strip_prefix("name="));
    name.unwrap_or(text).to_owned()
}

/// A context of one Dockerfile.
struct Trial(&'static str);

impl ContextSource for Trial {
    fn write_tar(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(self.0.len() as u64);
        let mut builder = tar::Builder::new(out);
        builder.append_data(&mut header, "Dockerfile", self.0.as_bytes())?;
        builder.into_inner()?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_options_are_their_names() {
        assert_eq!(security("name=seccomp,profile=default"), "seccomp");
        assert_eq!(security("rootless"), "rootless");
        let answers = EngineAnswers { security: vec![security("name=rootless")], ..EngineAnswers::default() };
        assert!(answers.rootless() && !answers.has_buildkit());
    }
}
