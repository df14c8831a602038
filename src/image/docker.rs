//! The [`Builder`] over the engine of this host: contexts, pinned parents, the search for
//! names that must not be in an image, pushes with the digest read back.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::builder::Builder;
use super::context::Ignore;
use super::graph::Graph;
use super::names::Names;
use crate::secret::Secret;
use crate::system::engine::{
    Backend, BuildEvent, BuildSpec, BuilderKind, ContextSource, EngineError, ErrorClass, Feed, ImageFacts,
    RegistryClient, RegistryLogin, scan_saved_image, without,
};
use crate::system::{Probe, TreeItem, write_tree_tar};

/// What all builds of a run share.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Build arguments of the run; each image gets those that it declares.
    pub args: BTreeMap<String, String>,
    /// Labels for every image.
    pub labels: BTreeMap<String, String>,
    /// Secrets for `RUN --mount=type=secret`.
    pub secrets: BTreeMap<String, Secret>,
    /// Builds use the host's network.
    pub network_host: bool,
    /// No cached steps.
    pub no_cache: bool,
    /// Ask registries for newer bases.
    pub pull: bool,
    /// The registry's login.
    pub login: Option<RegistryLogin>,
    /// Words that must not be in a finished image.
    pub forbidden: Vec<String>,
}

/// Builds with Docker's API.
pub struct DockerBuilder {
    engine: Backend,
    kind: BuilderKind,
    graph: Arc<Graph>,
    names: Names,
    root: PathBuf,
    registry: Option<RegistryClient>,
    settings: Settings,
}

/// Arguments that every Dockerfile takes without declaring them.
const PREDEFINED: &[&str] = &[
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

impl DockerBuilder {
    /// A builder for a graph whose contexts lie below `root` on this host.
    pub fn new(
        engine: impl Into<Backend>,
        kind: BuilderKind,
        graph: Arc<Graph>,
        names: Names,
        root: PathBuf,
        registry: Option<RegistryClient>,
        settings: Settings,
    ) -> Self {
        Self { engine: engine.into(), kind, graph, names, root, registry, settings }
    }

    fn name(&self, image: usize) -> String {
        self.graph.full(image, &self.names)
    }

    /// The run's build arguments that the image's Dockerfile declares.
    fn args(&self, image: usize) -> BTreeMap<String, String> {
        let def = &self.graph.images[image];
        let declared = def.dockerfile.declared_args();
        let mut args = def.effective_args(&self.settings.args);
        args.retain(|name, _| declared.contains(name) || PREDEFINED.contains(&name.as_str()));
        args
    }

    fn spec(&self, image: usize) -> Result<BuildSpec, EngineError> {
        let def = &self.graph.images[image];
        let root = self.root.join(&def.context);
        let context = read_context(&root, &def.dockerfile_path).map_err(|message| {
            EngineError::new(ErrorClass::Refused, format!("the context of `{}`: {message}", def.name))
        })?;
        let mut labels = self.settings.labels.clone();
        labels.extend(def.labels.clone());
        Ok(BuildSpec {
            names: vec![self.name(image)],
            dockerfile: def.dockerfile_path.to_string_lossy().into_owned(),
            args: self.args(image),
            labels,
            secrets: self
                .settings
                .secrets
                .iter()
                .filter(|(id, _)| def.may_see(id))
                .map(|(id, secret)| (id.clone(), secret.clone()))
                .collect(),
            network_host: def.network_host.unwrap_or(self.settings.network_host),
            target: def.target.clone(),
            platform: None,
            no_cache: def.no_cache.unwrap_or(self.settings.no_cache),
            pull: self.settings.pull,
            logins: self.settings.login.iter().cloned().collect(),
            ..BuildSpec::new(Arc::new(TreeContext {
                root,
                items: context,
                dockerfile: (
                    def.dockerfile_path.clone(),
                    self.graph.pinned_dockerfile(image, &self.names).into_bytes(),
                ),
            }))
        })
    }

    /// Fails if one of the forbidden words is in the image's configuration, history or layers.
    async fn search(&self, image: usize, feed: &Feed) -> Result<(), EngineError> {
        let words = self.settings.forbidden.clone();
        if words.is_empty() {
            return Ok(());
        }
        let name = self.name(image);
        let mut places = Vec::new();
        // The builder writes the arguments that it was given into the history. That record alone is no
        // trace of the mirror in the image; an `ENV` or a file that takes the value over is.
        let recorded: Vec<String> = (0..self.graph.images.len())
            .flat_map(|image| self.args(image))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        for (place, text) in self.engine.reader().description(&name).await? {
            let text = if place == "history" { without(&text, &recorded) } else { text };
            for word in words.iter().filter(|word| text.contains(word.as_str())) {
                places.push(format!("`{word}` in the {place}"));
            }
        }
        let (sender, receiver) = mpsc::channel(8);
        let reader = ChunkReader { receiver, rest: Bytes::new() };
        let search = tokio::task::spawn_blocking(move || scan_saved_image(reader, &words, &recorded));
        let mut stream = std::pin::pin!(self.engine.reader().save(&name));
        while let Some(chunk) = stream.next().await {
            if sender.send(chunk.map_err(std::io::Error::other)).await.is_err() {
                break;
            }
        }
        drop(sender);
        let found = search
            .await
            .map_err(|error| EngineError::new(ErrorClass::Other, error.to_string()))?
            .map_err(|error| EngineError::new(ErrorClass::Other, format!("searching the image: {error}")))?;
        for finding in found {
            let place = format!("`{}` in {}", finding.word, finding.place);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        for place in &places {
            feed.send(BuildEvent::Log(format!("FORBIDDEN {place}")));
        }
        Err(EngineError::new(ErrorClass::Refused, format!("the image still names the mirror: {}", places.join("; "))))
    }
}

#[async_trait]
impl Builder for DockerBuilder {
    async fn build(&self, image: usize, feed: &Feed) -> Result<(), EngineError> {
        let spec = self.spec(image)?;
        self.engine.build(self.kind, &spec, feed).await?;
        self.search(image, feed).await
    }

    async fn tag(&self, image: usize, name: &str) -> Result<(), EngineError> {
        self.engine.tag(&self.name(image), name).await
    }

    async fn push(&self, image: usize, feed: &Feed) -> Result<String, EngineError> {
        let Some(registry) = &self.registry else {
            return Err(EngineError::new(ErrorClass::Refused, "no registry was named to push to"));
        };
        let repository = self.graph.repository(image, &self.names);
        registry.budget().pass().await;
        let spec = self.graph.push_spec(image, &self.names, self.settings.login.clone());
        if let Err(error) = self.engine.push(&spec, feed).await {
            // The engine tells a refusal as text only.
            return Err(registry.explain(error, &repository).await);
        }
        // The manifest itself: what the registry says of it is checked against its bytes.
        match registry.manifest(&repository, &self.graph.tag(image, &self.names)).await {
            Ok(manifest) => Ok(manifest.digest),
            Err(error) if error.class == ErrorClass::NotFound => Err(EngineError::new(
                ErrorClass::Transient,
                "the registry does not have the image that was just pushed",
            )),
            Err(error) => Err(error),
        }
    }

    async fn inspect(&self, image: usize) -> Result<Option<ImageFacts>, EngineError> {
        self.engine.reader().inspect(&self.name(image)).await
    }

    async fn prune(&self) -> Result<u64, EngineError> {
        self.engine.prune().await
    }
}

/// The items of a context after `.dockerignore`; `Dockerfile.dockerignore` wins, as for the engine's client.
pub(super) fn read_context(root: &Path, dockerfile: &Path) -> Result<Vec<TreeItem>, String> {
    let probe = Probe::new(Vec::new());
    let items = probe.tree_items(root).map_err(|error| error.to_string())?;
    let own = PathBuf::from(format!("{}.dockerignore", dockerfile.display()));
    let ignore = Path::new(".dockerignore");
    let found = [own.as_path(), ignore].into_iter().find(|path| items.iter().any(|item| item.path == *path));
    let Some(path) = found else { return Ok(items) };
    let text = probe.tree_text(&root.join(path)).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let ignore_rules = Ignore::parse(&text).map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(ignore_rules.keep(&items, &[dockerfile, ignore]))
}

struct TreeContext {
    root: PathBuf,
    items: Vec<TreeItem>,
    dockerfile: (PathBuf, Vec<u8>),
}

impl ContextSource for TreeContext {
    fn write_tar(&self, out: &mut dyn Write) -> std::io::Result<()> {
        write_tree_tar(&self.root, &self.items, std::slice::from_ref(&self.dockerfile), out)
    }
}

/// Chunks of a stream for a blocking reader.
struct ChunkReader {
    receiver: mpsc::Receiver<std::io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let take = self.rest.len().min(buffer.len());
        buffer[..take].copy_from_slice(&self.rest.split_to(take));
        Ok(take)
    }
}
