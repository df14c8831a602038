//! The [`Builder`] over the engine of this host: contexts, pinned parents, the search for
//! names that must not be in an image, pushes with the digest read back.

mod book;
mod elsewhere;
mod full_disk;
mod lists;
mod push;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::admission::{self, Admission, Limits, Work};
use super::builder::Builder;
use super::context::Ignore;
use super::graph::Graph;
use super::key::bases;
use super::names::Names;
use super::platforms::{Platform, platform_tag};
use super::proof::{Clean, Cost, Proof, search_image};
use super::record::Entry;
use super::registries::Registries;
use super::reuse::Place;
use super::sent::SentTree;
use crate::secret::Secret;
use crate::system::engine::{
    Backend, BuildEvent, BuildSpec, BuilderKind, CacheTo, ContextSource, EngineError, ErrorClass, Feed, ImageFacts,
    RegistryLogin,
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
    /// Those of the other registries that the run pushes to or takes bases from.
    pub logins: Vec<RegistryLogin>,
    /// Words that must not be in a finished image.
    pub forbidden: Vec<String>,
    /// The vault's names and values, several of a name that is a list or a mapping: none of them may be in a finished
    /// image, in any encoding.
    pub vault: Vec<(String, Secret)>,
    /// Names in `vault` whose values may be in images.
    pub search_except: Vec<String>,
    /// Sockets of ssh agents for `RUN --mount=type=ssh` by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Images whose layers, or registry caches whose steps, may be used.
    pub cache_from: Vec<String>,
    /// Where the cache goes.
    pub cache_to: Vec<CacheTo>,
    /// Names and addresses for `/etc/hosts` of `RUN`.
    pub extra_hosts: Vec<(String, String)>,
    /// Platforms to build for; the engine's own if empty.
    pub platforms: Vec<Platform>,
    /// What is pushed gets a tag of its key, too, by which other build hosts find it.
    pub key_tags: bool,
}

impl Settings {
    /// Every secret that the proof looks for, by its name: the vault's, the build secrets, the registry's password.
    pub fn sought(&self) -> Vec<(String, Secret)> {
        self.known(|name| !self.search_except.iter().any(|except| except == name))
    }

    /// The same with those that may be in images: no record has their values.
    pub fn concealed(&self) -> Vec<(String, Secret)> {
        self.known(|_| true)
    }

    fn known(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, Secret)> {
        let vault = self.vault.iter().filter(|(name, _)| wanted(name)).cloned();
        let own = self.secrets.iter().map(|(id, value)| (format!("build secret {id}"), value.clone()));
        let logins = self.login.iter().chain(&self.logins);
        let logins = logins
            .flat_map(|login| login.secrets().map(|secret| (format!("password of {}", login.host), secret.clone())));
        // Mostly they are values of the vault, which have a name there.
        let mut known = HashSet::new();
        vault.chain(own).chain(logins).filter(|(_, value)| known.insert(value.expose().to_owned())).collect()
    }
}

pub use book::{Book, Watched, now};
use full_disk::full_disks;

/// The tag of a key in a registry.
pub fn key_tag(key: &str) -> String {
    format!("key-{}", key.get(..32).unwrap_or(key))
}

/// Builds with Docker's API.
pub struct DockerBuilder {
    engine: Backend,
    /// Which builder: asked for when the first image is built.
    kind: OnceCell<BuilderKind>,
    graph: Arc<Graph>,
    names: Names,
    root: PathBuf,
    /// The tree that contexts are laid out from, if they are not all below `root`.
    sent: Option<Arc<dyn SentTree>>,
    registries: Registries,
    settings: Settings,
    proof: Arc<Proof>,
    cost: Mutex<Cost>,
    /// The record; none where nothing is recorded.
    book: Option<Book>,
    limits: Limits,
    /// The engine's folder, whose file system builds fill.
    data: PathBuf,
    /// Of images of several platforms: what this run put under the run's tag before the list.
    staged: Mutex<BTreeMap<usize, String>>,
    /// Digests of what was reused in the registry.
    reused: Mutex<BTreeMap<usize, String>>,
    /// Something was built, pushed or tagged.
    changed: AtomicBool,
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
    /// A builder for a graph whose contexts lie below `root` on this host. Without a kind the engine is asked for it by
    /// the first build.
    pub fn new(
        engine: impl Into<Backend>,
        kind: Option<BuilderKind>,
        graph: Arc<Graph>,
        names: Names,
        root: PathBuf,
        registries: Registries,
        mut settings: Settings,
    ) -> Self {
        settings.logins = registries.logins();
        let data = PathBuf::from("/var/lib/docker");
        let limits = Limits { parallel: usize::MAX, ..Limits::default() };
        let proof = Arc::new(Proof::new(&settings.sought(), &settings.forbidden, Clean::default()));
        let engine = engine.into();
        Self {
            engine,
            kind: OnceCell::new_with(kind),
            graph,
            names,
            root,
            sent: None,
            registries,
            settings,
            proof,
            cost: Mutex::default(),
            book: None,
            limits,
            data,
            staged: Mutex::default(),
            reused: Mutex::default(),
            changed: AtomicBool::new(false),
        }
    }

    /// The same with a record of layers that earlier runs found clean (see `proof::keep`).
    #[must_use]
    pub fn with_clean(mut self, clean: Clean) -> Self {
        self.proof = Arc::new(Proof::new(&self.settings.sought(), &self.settings.forbidden, clean));
        self
    }

    /// What the search of this run's images cost.
    pub fn cost(&self) -> Cost {
        *self.cost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The search of this run, with its record of clean layers.
    pub fn proof(&self) -> &Arc<Proof> {
        &self.proof
    }

    /// The same with a record of what it does.
    #[must_use]
    pub fn recording(mut self, book: Book) -> Self {
        self.book = Some(book);
        self
    }

    /// The same with limits for the file system of the engine's folder.
    #[must_use]
    pub fn within(mut self, limits: Limits, data: PathBuf) -> Self {
        (self.limits, self.data) = (limits, data);
        self
    }

    /// The same for contexts that are laid out when they are built.
    #[must_use]
    pub fn from_sent(mut self, sent: Option<Arc<dyn SentTree>>) -> Self {
        self.sent = sent;
        self
    }

    /// Which builder; `None` as long as nothing was built and nobody named one.
    pub fn kind(&self) -> Option<BuilderKind> {
        self.kind.get().copied()
    }

    async fn asked_kind(&self) -> Result<BuilderKind, EngineError> {
        let ask = || async {
            match self.engine.engine() {
                Some(engine) => engine.reader().builder().await,
                None => Ok(BuilderKind::Buildah),
            }
        };
        self.kind.get_or_try_init(ask).await.copied()
    }

    /// True once something was built, pushed or tagged; false where all was in place.
    pub fn changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    fn changed_if(&self, changed: bool) {
        self.changed.fetch_or(changed, Ordering::Relaxed);
    }

    /// The registries, with what they refused.
    pub fn registries(&self) -> &Registries {
        &self.registries
    }

    /// No step of the image's build comes from a cache.
    fn without_cache(&self, image: usize, fresh: bool) -> bool {
        fresh || self.graph.images[image].no_cache.unwrap_or(self.settings.no_cache)
    }

    /// The record.
    pub fn book(&self) -> Option<&Book> {
        self.book.as_ref()
    }

    /// Platforms of an image; empty means the engine's own, and one image.
    fn platforms(&self, image: usize) -> Result<Vec<Platform>, EngineError> {
        let own = &self.graph.images[image].platforms;
        if own.is_empty() {
            return Ok(self.settings.platforms.clone());
        }
        own.iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map_err(|error: String| EngineError::new(ErrorClass::Refused, error))
    }

    /// The image's full name; of several platforms, that of one.
    fn name_for(&self, image: usize, platform: Option<&Platform>) -> String {
        let tag = self.graph.tag(image, &self.names);
        let tag = platform.map_or(tag.clone(), |platform| platform_tag(&tag, platform));
        format!("{}:{tag}", self.graph.untagged(image, &self.names))
    }

    fn name(&self, image: usize) -> String {
        self.graph.full(image, &self.names)
    }

    /// How a Dockerfile names a parent of this run. One of several platforms has a name for each in the engine,
    /// and its list's digest where it was reused: nothing of it is in the engine then.
    fn parent_name(&self, parent: usize, platform: Option<&Platform>) -> String {
        let platforms = self.platforms(parent).unwrap_or_default();
        if platforms.len() < 2 {
            return self.name(parent);
        }
        let reused = self.reused.lock().unwrap_or_else(PoisonError::into_inner);
        match reused.get(&parent) {
            Some(digest) => format!("{}@{digest}", self.graph.untagged(parent, &self.names)),
            None => self.name_for(parent, platform.or(platforms.first())),
        }
    }

    /// The run's build arguments that the image's Dockerfile declares.
    fn args(&self, image: usize) -> BTreeMap<String, String> {
        let def = &self.graph.images[image];
        let declared = def.dockerfile.declared_args();
        let mut args = def.effective_args(&self.settings.args);
        args.retain(|name, _| declared.contains(name) || PREDEFINED.contains(&name.as_str()));
        args
    }

    fn spec(&self, image: usize, fresh: bool, one: Option<&Platform>, many: bool) -> Result<BuildSpec, EngineError> {
        let named = one.filter(|_| many);
        let def = &self.graph.images[image];
        let root = self.root.join(&def.context);
        if let Some(sent) = &self.sent {
            sent.lay_out(&def.context).map_err(|error| {
                EngineError::new(ErrorClass::Refused, format!("the context of `{}`: {error}", def.name))
            })?;
        }
        let context = read_context(&root, &def.dockerfile_path).map_err(|message| {
            EngineError::new(ErrorClass::Refused, format!("the context of `{}`: {message}", def.name))
        })?;
        let mut labels = self.settings.labels.clone();
        labels.extend(def.labels.clone());
        Ok(BuildSpec {
            names: if many {
                vec![self.name_for(image, named)]
            } else {
                std::iter::once(self.name(image)).chain(self.graph.extra_names(image, &self.names)).collect()
            },
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
            platform: one.map(Platform::to_string),
            ssh: self.settings.ssh.clone(),
            cache_from: self.settings.cache_from.clone(),
            cache_to: self.settings.cache_to.clone(),
            extra_hosts: self.settings.extra_hosts.clone(),
            no_cache: self.without_cache(image, fresh),
            // The engine would ask for all bases anew, and parents of this run are only here.
            pull: (fresh || self.settings.pull) && self.graph.parents(image).is_empty(),
            logins: self.registries.logins(),
            ..BuildSpec::new(Arc::new(TreeContext {
                root,
                items: context,
                dockerfile: (
                    def.dockerfile_path.clone(),
                    self.graph.dockerfile_with(image, |parent| self.parent_name(parent, one)).into_bytes(),
                ),
            }))
        })
    }

    /// The proof: fails if a secret or a forbidden word is in the image's configuration, history or layers.
    async fn search(&self, name: &str, feed: &Feed) -> Result<(), EngineError> {
        // The builder writes the arguments that it was given into the history. That record alone is no
        // trace of the mirror in the image; an `ENV` or a file that takes the value over is.
        let recorded: Vec<String> = (0..self.graph.images.len())
            .flat_map(|image| self.args(image))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let searched = search_image(self.engine.reader(), name, &self.proof, recorded).await?;
        self.cost.lock().unwrap_or_else(PoisonError::into_inner).add(&searched.cost);
        searched.lines(|line| feed.send(BuildEvent::Log(line)));
        searched.verdict().map_err(|message| EngineError::new(ErrorClass::Refused, message))
    }
}

impl DockerBuilder {
    async fn build_all(&self, image: usize, fresh: bool, feed: &Feed) -> Result<(), EngineError> {
        if let Some(problem) = &self.graph.images[image].unfetched {
            let mut error = EngineError::new(ErrorClass::Source, problem.message.clone());
            error.hint = problem.hints.first().cloned();
            feed.send(BuildEvent::Log(problem.message.clone()));
            return Err(error);
        }
        if (fresh || self.settings.pull) && !self.graph.parents(image).is_empty() {
            let frontend = self.graph.images[image].dockerfile.syntax.as_ref().map(|(name, _)| name);
            let all = bases(&self.graph, &BTreeSet::from([image]), &self.settings.args);
            for base in all.iter().filter(|base| Some(*base) != frontend) {
                let text = format!("`{base}` is not asked for anew: the engine would ask for parents of this run, too");
                feed.send(BuildEvent::Log(text));
            }
        }
        let (platforms, kind) = (self.platforms(image)?, self.asked_kind().await?);
        if let [_, _, ..] = &platforms[..] {
            for platform in &platforms {
                feed.send(BuildEvent::Log(format!("platform {platform}")));
                let spec = self.spec(image, fresh, Some(platform), true)?;
                self.engine.build(kind, &spec, feed).await?;
                self.search(&self.name_for(image, Some(platform)), feed).await?;
            }
            return Ok(());
        }
        let spec = self.spec(image, fresh, platforms.first(), false)?;
        self.engine.build(kind, &spec, feed).await?;
        self.search(&self.name(image), feed).await
    }
}

#[async_trait]
impl Builder for DockerBuilder {
    async fn build(&self, image: usize, fresh: bool, feed: &Feed) -> Result<(), EngineError> {
        let (started, begun) = (now(), Instant::now());
        self.changed_if(true);
        let (feed, tail) = full_disks(feed);
        self.build_all(image, fresh, &feed).await.map_err(|error| tail.sorted(error))?;
        if let Some(book) = &self.book {
            // What is only for the record must not turn a good build into a failure.
            let facts = self.inspect(image).await.ok().flatten();
            let cached = !self.without_cache(image, fresh);
            let seconds = begun.elapsed().as_secs_f64();
            if let Some(warning) = book.edited(&self.graph, image) {
                feed.send(BuildEvent::Log(warning));
            }
            book.built((&self.graph, &self.names), image, (started, cached), seconds, facts.as_ref());
        }
        Ok(())
    }

    async fn reuse(
        &self,
        image: usize,
        entry: &Entry,
        place: Place,
        feed: &Feed,
    ) -> Result<Option<String>, EngineError> {
        self.reuse_one(image, entry, place, feed).await
    }

    async fn push(&self, image: usize, feed: &Feed) -> Result<String, EngineError> {
        self.push_all(image, feed).await
    }

    async fn inspect(&self, image: usize) -> Result<Option<ImageFacts>, EngineError> {
        let platforms = self.platforms(image)?;
        let many = platforms.first().filter(|_| platforms.len() > 1);
        self.engine.inspect(&self.name_for(image, many)).await
    }

    fn registry(&self, image: usize) -> String {
        self.graph.registry(image, &self.names).to_owned()
    }

    fn admit(&self, work: &Work) -> Admission {
        admission::admit(&self.limits, &Probe::new(Vec::new()).host_load(&self.data), work)
    }

    async fn make_room(&self) -> Result<u64, EngineError> {
        let before = self.room().map_or(0, |(free, _)| free);
        let images = self.engine.prune().await?;
        let cache = self.engine.prune_cache().await?;
        let after = self.room().map_or(0, |(free, _)| free);
        // Layers that are shared are counted more than once: what counts is what is free.
        Ok(if before == 0 { images + cache } else { after.saturating_sub(before) })
    }

    async fn engine_answers(&self) -> bool {
        let asked = self.engine.inspect("hostctl.invalid/none:none");
        match tokio::time::timeout(std::time::Duration::from_secs(10), asked).await {
            Ok(Ok(_)) => true,
            // One that starts or ends answers with anything.
            Ok(Err(error)) => !matches!(error.class, ErrorClass::Unreachable | ErrorClass::Transient),
            Err(_) => false,
        }
    }

    fn room(&self) -> Option<(u64, u64)> {
        let room = Probe::new(Vec::new()).disk_room(&self.data)?;
        Some((room.free, room.total))
    }
}

/// The items of a context after `.dockerignore`, in a folder of this host.
pub(super) fn read_context(root: &Path, dockerfile: &Path) -> Result<Vec<TreeItem>, String> {
    let probe = Probe::new(Vec::new());
    let items = probe.tree_items(root).map_err(|error| error.to_string())?;
    kept(items, dockerfile, &|path| probe.tree_text(&root.join(path)))
}

/// What `.dockerignore` leaves of a context's items; `Dockerfile.dockerignore` wins, as for the engine's client.
/// `read` gives the text of a file of the context.
pub(super) fn kept(
    items: Vec<TreeItem>,
    dockerfile: &Path,
    read: &dyn Fn(&Path) -> std::io::Result<String>,
) -> Result<Vec<TreeItem>, String> {
    let own = PathBuf::from(format!("{}.dockerignore", dockerfile.display()));
    let ignore = Path::new(".dockerignore");
    let found = [own.as_path(), ignore].into_iter().find(|path| items.iter().any(|item| item.path == *path));
    let Some(path) = found else { return Ok(items) };
    let text = read(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
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
