//! The [`Builder`] over the engine of this host: contexts, pinned parents, the search for
//! names that must not be in an image, pushes with the digest read back.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::builder::Builder;
use super::context::Ignore;
use super::graph::Graph;
use super::names::Names;
use super::proof::{Clean, Proof, search_image};
use crate::secret::Secret;
use crate::system::engine::{
    BuildEvent, BuildSpec, BuilderKind, ContextSource, EngineError, EngineMut, ErrorClass, Feed, ImageFacts,
    RegistryClient, RegistryLogin,
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
    /// The vault's values by name: none of them may be in a finished image, in any encoding.
    pub vault: BTreeMap<String, Secret>,
}

impl Settings {
    /// Every secret that the proof looks for: the vault's, the build secrets, the registry's password.
    pub fn sought(&self) -> BTreeMap<String, Secret> {
        let mut sought = self.vault.clone();
        let own = self.secrets.iter().map(|(id, value)| (format!("build secret {id}"), value.clone()));
        let login = self.login.iter().map(|login| (format!("password of {}", login.host), login.password.clone()));
        for (name, value) in own.chain(login) {
            // Mostly they are values of the vault, which have a name there.
            if !sought.values().any(|known| *known == value) {
                sought.insert(name, value);
            }
        }
        sought
    }
}

/// Builds with Docker's API.
pub struct DockerBuilder {
    engine: EngineMut,
    kind: BuilderKind,
    graph: Arc<Graph>,
    names: Names,
    root: PathBuf,
    registry: Option<RegistryClient>,
    settings: Settings,
    proof: Arc<Proof>,
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
        engine: EngineMut,
        kind: BuilderKind,
        graph: Arc<Graph>,
        names: Names,
        root: PathBuf,
        registry: Option<RegistryClient>,
        settings: Settings,
    ) -> Self {
        let proof = Arc::new(Proof::new(&settings.sought(), &settings.forbidden, Clean::default()));
        Self { engine, kind, graph, names, root, registry, settings, proof }
    }

    /// The same with a record of layers that earlier runs found clean (see `proof::keep`).
    pub fn with_clean(mut self, clean: Clean) -> Self {
        self.proof = Arc::new(Proof::new(&self.settings.sought(), &self.settings.forbidden, clean));
        self
    }

    fn name(&self, image: usize) -> String {
        self.names.full(&self.graph.images[image].name)
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
            secrets: self.settings.secrets.clone(),
            network_host: self.settings.network_host,
            target: None,
            platform: None,
            no_cache: self.settings.no_cache,
            pull: self.settings.pull,
            logins: self.settings.login.iter().cloned().collect(),
            context: Arc::new(TreeContext {
                root,
                items: context,
                dockerfile: (
                    def.dockerfile_path.clone(),
                    self.graph.pinned_dockerfile(image, &self.names).into_bytes(),
                ),
            }),
        })
    }

    /// The proof: fails if a secret or a forbidden word is in the image's configuration, history or layers.
    async fn search(&self, image: usize, feed: &Feed) -> Result<(), EngineError> {
        // The builder writes the arguments that it was given into the history. That record alone is no
        // trace of the mirror in the image; an `ENV` or a file that takes the value over is.
        let recorded: Vec<String> = (0..self.graph.images.len())
            .flat_map(|image| self.args(image))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let searched = search_image(self.engine.reader(), &self.name(image), &self.proof, recorded).await?;
        searched.lines(|line| feed.send(BuildEvent::Log(line)));
        searched.verdict().map_err(|message| EngineError::new(ErrorClass::Refused, message))
    }

    /// The search of this run, with its record of clean layers.
    pub fn proof(&self) -> &Arc<Proof> {
        &self.proof
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
        let name = &self.graph.images[image].name;
        self.engine.push(&self.names.push(name, self.settings.login.clone()), feed).await?;
        let Some(registry) = &self.registry else {
            return Err(EngineError::new(ErrorClass::Refused, "no registry was named to push to"));
        };
        let digest = registry.digest(&self.names.repository(name), &self.names.tag).await?;
        digest.ok_or_else(|| {
            EngineError::new(ErrorClass::Transient, "the registry does not have the image that was just pushed")
        })
    }

    async fn inspect(&self, image: usize) -> Result<Option<ImageFacts>, EngineError> {
        self.engine.reader().inspect(&self.name(image)).await
    }

    async fn prune(&self) -> Result<u64, EngineError> {
        self.engine.prune().await
    }
}

/// The items of a context after `.dockerignore`; `Dockerfile.dockerignore` wins, as for the engine's client.
fn read_context(root: &Path, dockerfile: &Path) -> Result<Vec<TreeItem>, String> {
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
