//! `from: kolla`: a template tree rendered for the build host, its sources fetched there, and Kolla's own options where
//! the task says nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::call::{Blob, Input, InputKind, TreeEntry};
use super::super::cx::Cx;
use super::kolla_options::apply;
use super::request::{platforms, whole};
use super::{Args, From, Network};
use crate::diag::{Diagnostic, Result};
use crate::image::kolla::{self, Archive, Fetcher, ItemContent, Options, Reader, Status, summary, summary_text};
use crate::image::set::{Prepared, SetRequest};
use crate::image::{Found, Report, sources, without_tag};
use crate::system::fs::{Content, WriteOptions};
use crate::system::proxy::Proxies;
use crate::system::{Mutate, Probe, ScratchContent, ScratchItem, TreeItem, TreeKind, lay_out};
use crate::value::{Key, Map, Value, from_json, insert, python_str};

/// What a Kolla tree is rendered for, by the names of `kolla-build`'s options. Paths are those of the build host, or
/// relative to `path`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KollaArgs {
    /// The folder `kolla` of the package or of a checkout; by default `path` itself, or the folder `kolla` in it.
    #[serde(default)]
    tree: Option<String>,
    /// The distribution of the base image: debian, rocky, ubuntu, or what the tree knows besides.
    #[serde(default)]
    base: Option<String>,
    /// `x86_64` or `aarch64`; by default the build host's.
    #[serde(default)]
    base_arch: Option<String>,
    /// Files like `kolla-build.conf`; what a later one says wins.
    #[serde(default)]
    config_files: Vec<String>,
    /// Files with template overrides, in order.
    #[serde(default)]
    template_overrides: Vec<String>,
    /// Profiles of images; without effect if there are patterns.
    #[serde(default)]
    profiles: Vec<String>,
    /// Regular expressions that are looked for anywhere in names of images; the images with their parents are built.
    #[serde(default)]
    patterns: Vec<String>,
    /// Any option of `kolla-build` by its name in `kolla-build.conf`, such as `retries`, `skip_parents`, `skip_existing`.
    #[serde(default)]
    set: serde_json::Map<String, serde_json::Value>,
    /// File on the build host for the summary that `kolla-build` writes there; the result has it as `kolla_summary`.
    #[serde(default)]
    summary_json_file: Option<String>,
}

/// Downloads at the same time.
const FETCHES: usize = 8;
/// Where the paths of files begin that were sent: nothing of the host is below it.
const SENT: &str = "/.hostctl-sent/a/b/c";

/// A rendered tree.
pub(super) struct Kolla {
    tree: kolla::Tree,
    shown: String,
    summary_file: Option<PathBuf>,
    /// Digests of archives, by their paths below `docker/`.
    archives: Vec<Archive>,
    /// The folder `path` on the host, if it is there.
    root: Option<PathBuf>,
}

/// Files that were sent, and this host's where a path leads there.
struct Files<'a> {
    cx: &'a Cx,
    entries: BTreeMap<PathBuf, &'a TreeEntry>,
}

/// A path without `.` and `..`.
fn lexical(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(found.pop()),
            Component::CurDir => {}
            part => found.push(part),
        }
    }
    found
}

impl<'a> Files<'a> {
    fn new(cx: &'a Cx, input: Option<&'a Input>) -> Self {
        let entries = input.into_iter().flat_map(|input| {
            let base = Path::new(SENT).join(&input.basename);
            input.entries.iter().map(move |entry| (base.join(&entry.path), entry))
        });
        Self { cx, entries: entries.collect() }
    }

    /// The path below what was sent; nothing for one of the host.
    fn sent(path: &Path) -> Option<PathBuf> {
        let path = lexical(path);
        path.starts_with("/.hostctl-sent").then_some(path)
    }

    /// The file at a path, through links within what was sent.
    fn file(&self, path: &Path) -> Option<&'a TreeEntry> {
        let mut path = path.to_path_buf();
        for _ in 0..8 {
            let entry = *self.entries.get(&path)?;
            match &entry.kind {
                InputKind::File { .. } => return Some(entry),
                InputKind::Link { target } => path = lexical(&path.parent()?.join(target)),
                InputKind::Dir => return None,
            }
        }
        None
    }

    fn blob(&self, path: &Path) -> Result<Option<ScratchContent>> {
        let Some(entry) = self.file(path) else { return Ok(None) };
        Ok(Some(match self.cx.blob(entry)? {
            Blob::Memory(bytes) => ScratchContent::Bytes(bytes),
            Blob::File(file) => ScratchContent::CopyOf(file),
        }))
    }
}

impl Reader for Files<'_> {
    fn items(&self, folder: &Path) -> Result<Option<Vec<TreeItem>>> {
        let Some(folder) = Self::sent(folder) else { return Reader::items(self.cx.probe(), folder) };
        let below = self.entries.iter().filter(|(path, _)| path.starts_with(&folder) && **path != folder);
        let items: Vec<TreeItem> = below
            .filter_map(|(path, entry)| {
                let kind = match &entry.kind {
                    InputKind::Dir => TreeKind::Dir,
                    InputKind::File { .. } => TreeKind::File(0),
                    InputKind::Link { .. } => self.file(path).map(|_| TreeKind::File(0))?,
                };
                let path = path.strip_prefix(&folder).ok()?.to_path_buf();
                Some(TreeItem { path, kind, mode: entry.mode, mtime: 0 })
            })
            .collect();
        Ok((!items.is_empty() || self.entries.contains_key(&folder)).then_some(items))
    }

    fn text(&self, file: &Path) -> Result<Option<String>> {
        let Some(path) = Self::sent(file) else { return Reader::text(self.cx.probe(), file) };
        let bad = |error: &dyn std::fmt::Display| {
            Diagnostic::task("B0016", format!("`{}` cannot be read: {error}", unsent(&path).display()))
        };
        match self.blob(&path)? {
            None => Ok(None),
            Some(ScratchContent::CopyOf(file)) => {
                Ok(Some(self.cx.probe().tree_text(&file).map_err(|error| bad(&error))?))
            }
            Some(ScratchContent::Bytes(bytes)) => {
                Ok(Some(String::from_utf8(bytes.to_vec()).map_err(|error| bad(&error))?))
            }
            Some(_) => Ok(None),
        }
    }

    fn names(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let Some(folder) = Self::sent(folder) else { return Reader::names(self.cx.probe(), folder) };
        let below = self.entries.keys().filter_map(|path| path.strip_prefix(&folder).ok()?.components().next());
        let names: BTreeSet<PathBuf> = below.map(|name| folder.join(name)).collect();
        Ok(names.into_iter().collect())
    }
}

/// A path of what was sent, for people.
fn unsent(path: &Path) -> &Path {
    path.strip_prefix(SENT).unwrap_or(path)
}

/// A text with paths of what was sent, for people.
fn unsent_text(text: &str) -> String {
    text.replace(&format!("{SENT}/"), "")
}

/// `true`, `a,b`, `a:b,c:d`: as `kolla-build.conf` has it.
fn option_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) => items.iter().map(option_text).collect::<Vec<_>>().join(","),
        serde_json::Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}:{}", option_text(value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        serde_json::Value::Null => String::new(),
        other => python_str(&from_json(other.clone())),
    }
}

/// Renders the tree if the images come from one. What the task does not say is filled in from Kolla's options.
pub(super) fn load(cx: &Cx, args: &mut Args) -> Result<Option<Kolla>> {
    if args.from != From::Kolla {
        if args.kolla.is_some() {
            return Err(Diagnostic::task(
                "B0150",
                "`kolla` says how a Kolla tree is built, but `from` names another source",
            )
            .with_hint("from: kolla"));
        }
        // Names without a namespace are names; without a tag they would all be `latest`.
        if args.tag.is_empty() {
            args.tag = args.default_tag.take().unwrap_or_default();
        }
        if args.tag.is_empty() {
            return Err(
                Diagnostic::task("M0001", "missing required arguments: tag").with_hint("tag: \"{{ made.tag }}\"")
            );
        }
        return Ok(None);
    }
    let default = KollaArgs {
        tree: None,
        base: None,
        base_arch: None,
        config_files: Vec::new(),
        template_overrides: Vec::new(),
        profiles: Vec::new(),
        patterns: Vec::new(),
        set: serde_json::Map::new(),
        summary_json_file: None,
    };
    let asked = args.kolla.take().unwrap_or(default);
    let input = cx.input("path").filter(|_| !args.remote_src);
    let root = if input.is_some() { None } else { Some(whole(args.path.expand(cx.environment()))) };
    let base = match (&root, input) {
        (Some(root), _) => root.clone(),
        (None, Some(input)) => Path::new(SENT).join(&input.basename),
        (None, None) => PathBuf::from(SENT),
    };
    let files = Files::new(cx, input);
    let source = asked.tree.as_ref().map_or_else(|| base.clone(), |tree| base.join(tree));
    let mut set: BTreeMap<String, String> =
        asked.set.iter().map(|(name, value)| (name.replace('-', "_"), option_text(value))).collect();
    for (name, value) in [
        ("base", &asked.base),
        ("base_arch", &asked.base_arch),
        ("registry", &args.registry),
        ("namespace", &Some(args.namespace.clone()).filter(|text| !text.is_empty())),
        ("image_name_prefix", &Some(args.prefix.clone()).filter(|text| !text.is_empty())),
        ("tag", &Some(args.tag.clone()).filter(|text| !text.is_empty())),
    ] {
        set.extend(value.clone().map(|value| (name.to_owned(), value)));
    }
    let paths = |names: &[String]| names.iter().map(|name| base.join(name)).collect::<Vec<_>>();
    let commit = checkout(cx.probe(), root.as_deref().map(|_| source.as_path()));
    let own =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let options = Options {
        set,
        default_tag: args.default_tag.take().filter(|tag| !tag.is_empty()),
        config: paths(&asked.config_files),
        template_override: paths(&asked.template_overrides),
        docker_dir: Vec::new(),
        profiles: asked.profiles,
        patterns: asked.patterns,
        host_arch: std::env::consts::ARCH.to_owned(),
        environment: own.chain(cx.environment().iter().cloned()).collect(),
        version: commit.as_ref().map(|commit| commit.chars().take(7).collect()),
        today: jiff::Zoned::now().strftime("%Y%m%d").to_string(),
    };
    let mut tree = kolla::load(&files, &source, &options).map_err(|mut error| {
        error.message = unsent_text(&error.message);
        error
    })?;
    tree.warnings.iter_mut().for_each(|warning| *warning = unsent_text(warning));
    label(&mut tree, commit);
    let settings = &tree.settings;
    if args.registry.is_none() {
        args.registry = text(settings, "registry");
    }
    args.namespace = text(settings, "namespace").unwrap_or_default();
    args.prefix = text(settings, "image_name_prefix").unwrap_or_default();
    args.tag = text(settings, "tag").unwrap_or_default();
    if args.push && args.registry.is_none() {
        return Err(Diagnostic::task("B0011", "`push` needs a `registry`").with_hint("registry: registry.example:5000"));
    }
    args.build_retries = args.build_retries.or_else(|| number(settings, "retries"));
    apply(&tree, args).into_iter().for_each(|told| cx.warn(unsent_text(&told)));
    if args.network.is_none() && text(settings, "network_mode").as_deref() == Some("host") {
        args.network = Some(Network::Host);
    }
    args.nocache |= settings.get(&Key::from("cache")).is_some_and(|cache| !cache.truthy());
    if args.platforms.is_empty() {
        let listed = text(settings, "platform").unwrap_or_default();
        args.platforms = listed.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect();
        platforms(&args.platforms)?;
    }
    let summary_file = asked.summary_json_file.or_else(|| text(settings, "summary_json_file"));
    let summary_file = summary_file.filter(|_| text(settings, "format").as_deref() != Some("none"));
    let folder = args.path.as_str().trim_end_matches('/').to_owned();
    let shown = asked.tree.as_ref().map_or(folder.clone(), |tree| format!("{folder}/{tree}")) + "/docker";
    Ok(Some(Kolla {
        tree,
        shown,
        summary_file: summary_file.map(|path| whole(path.into())),
        archives: Vec::new(),
        root,
    }))
}

fn text(settings: &Map, name: &str) -> Option<String> {
    let value = settings.get(&Key::from(name)).filter(|value| **value != Value::Null)?;
    Some(python_str(value)).filter(|text| !text.is_empty())
}

fn number(settings: &Map, name: &str) -> Option<u32> {
    settings.get(&Key::from(name)).and_then(Value::as_int).and_then(|number| u32::try_from(number).ok())
}

/// The commit of a checkout; a package that lies in somebody else's repository is none.
fn checkout(probe: &Probe, source: Option<&Path>) -> Option<String> {
    let source = source?;
    let root = [source.to_path_buf(), source.join("..")].into_iter().find(|root| probe.exists(&root.join(".git")))?;
    probe.git_facts(&root).commit
}

/// The labels that Kolla 23 sets at a build beside those of the templates.
fn label(tree: &mut kolla::Tree, commit: Option<String>) {
    let now = jiff::Timestamp::now();
    let more = [
        ("build-date", Some(jiff::Zoned::now().strftime("%Y%m%d").to_string())),
        ("org.opencontainers.image.created", Some(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        ("org.opencontainers.image.source", commit.as_ref().map(|_| "https://opendev.org/openstack/kolla".to_owned())),
        ("org.opencontainers.image.revision", commit),
    ];
    for image in tree.images.iter_mut().filter(|image| !image.labels.is_empty()) {
        image.labels.extend(more.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?))));
    }
}

impl Kolla {
    /// What the configuration asks of the builds, where the task does not.
    pub(super) fn ask(&self, request: &mut SetRequest) {
        for (name, value) in &self.tree.build_args {
            request.settings.args.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// Leaves out what the engine has already, if that is asked for (`skip_existing`).
    pub(super) fn skip_existing(&mut self, cx: &Cx, request: &SetRequest) -> Result<()> {
        if !self.tree.settings.get(&Key::from("skip_existing")).is_some_and(Value::truthy) {
            return Ok(());
        }
        let names: Vec<String> = self.tree.matched().map(|(_, image)| image.full_name.clone()).collect();
        let asked = async {
            let engine = cx.probe().engine(&request.engine).await?;
            let mut found = BTreeSet::new();
            for name in names {
                if engine.inspect(&name).await?.is_some() {
                    found.insert(name);
                }
            }
            Ok(found)
        };
        let asked = async {
            asked.await.map_err(|error: crate::system::engine::EngineError| {
                Diagnostic::task("B0007", format!("`skip_existing` has to ask the engine: {}", error.message)).with_hint(
                    "is the engine running? `systemctl status docker`; another place: `docker_host: unix:///path`, or `--engine` of `hostctl image`",
                )
            })
        };
        let link = cx.link();
        let found: BTreeSet<String> =
            cx.block_on(crate::image::set::or_cancelled(asked, &move || link.cancelled(), || {
                std::time::Duration::ZERO
            }))?;
        self.tree.skip_existing(&|name| found.contains(name));
        Ok(())
    }

    /// The images that are to be built.
    pub(super) fn images(&self) -> Result<Found> {
        let mut found = sources::kolla(&self.tree, &self.shown)?;
        let left_out = self.tree.images.iter().filter(|image| image.status != Status::Matched);
        let left_out: BTreeSet<&str> = left_out.map(|image| without_tag(&image.full_name)).collect();
        let texts: BTreeMap<&str, &str> =
            self.tree.images.iter().map(|image| (image.name.as_str(), image.dockerfile.as_str())).collect();
        for def in &mut found.images {
            // Whatever an instruction may name; words of others are looked up in vain.
            let text = texts.get(def.name.as_str()).copied().unwrap_or_default();
            let words = text.split(|c: char| c.is_whitespace() || "=,\"'".contains(c)).map(without_tag);
            let words: BTreeSet<&str> = words.filter(|word| left_out.contains(word)).collect();
            def.elsewhere = words.into_iter().map(str::to_owned).collect();
        }
        Ok(found)
    }

    /// Lays the contexts of the selected images out and fetches what they are made from. What cannot be fetched is noted
    /// in its image, which then fails.
    pub(super) fn lay_out(&mut self, cx: &Cx, prepared: &mut Prepared) -> Result<Option<tempfile::TempDir>> {
        let images: Vec<usize> =
            prepared.selected.iter().filter_map(|image| self.tree.find(&prepared.graph.images[*image].name)).collect();
        let laid = cx.scratch(|mutate| self.fetch_all(cx, mutate, &images))?;
        let Some((folder, archives, troubles)) = laid else { return Ok(None) };
        self.archives = archives;
        if let Some(graph) = Arc::get_mut(&mut prepared.graph) {
            for (name, trouble) in troubles {
                if let Some(def) = graph.images.iter_mut().find(|def| def.name == name) {
                    def.unfetched = Some(trouble);
                }
            }
        }
        Ok(Some(folder))
    }

    /// Digests of what was fetched.
    pub(super) fn digests(&self) -> Vec<Archive> {
        self.archives.clone()
    }

    fn fetch_all(
        &self,
        cx: &Cx,
        mutate: &Mutate,
        images: &[usize],
    ) -> Result<(tempfile::TempDir, Vec<Archive>, Vec<(String, Diagnostic)>)> {
        let unwritten = |error: &dyn std::fmt::Display| {
            Diagnostic::task("B0016", format!("the image tree could not be laid out on the host: {error}"))
        };
        let input = if self.root.is_none() { cx.input("path") } else { None };
        let files = Files::new(cx, input);
        let mut items = Vec::new();
        let folders: BTreeSet<&Path> = images.iter().map(|image| self.tree.images[*image].folder.as_path()).collect();
        for item in &self.tree.items {
            if !item.path.ancestors().any(|folder| folders.contains(folder)) {
                continue;
            }
            let mut one = item.scratch();
            if let ItemContent::CopyOf(from) = &item.content
                && let Some(path) = Files::sent(from)
            {
                let missing = || unwritten(&format!("`{}` was not sent", unsent(&path).display()));
                one.content = files.blob(&path)?.ok_or_else(missing)?;
            }
            items.push(one);
        }
        let folder = mutate.scratch_tree(&items).map_err(|error| unwritten(&error))?;
        let scratch = mutate.scratch_tree(&[]).map_err(|error| unwritten(&error))?;
        let sent = self.sent_sources(&files, input, images, scratch.path())?;
        let settings = &self.tree.settings;
        let near = text(settings, "locals_base").unwrap_or_default();
        let fetcher = Fetcher {
            mutate,
            scratch: scratch.path(),
            arch: text(settings, "debian_arch").unwrap_or_else(|| "amd64".to_owned()),
            timeout: Duration::from_secs(number(settings, "timeout").unwrap_or(120).max(1).into()),
            retries: number(settings, "retries").unwrap_or(3).min(100),
            longest_wait: Duration::from_secs(10),
            proxies: Proxies::of(&|name| cx.probe().variable(name)),
            cache: cx.probe().state_folder("sources"),
            local: &|path| {
                let path = Path::new(&near).join(path);
                Ok(if path.is_absolute() { path } else { sent.join(path) })
            },
        };
        let one = |image: usize| {
            let (fetcher, image, docker) = (&fetcher, &self.tree.images[image], folder.path());
            async move { (image, fetcher.fetch(image, docker).await) }
        };
        let ended: Vec<_> = cx
            .block_on(futures_util::stream::iter(images.iter().copied()).map(one).buffer_unordered(FETCHES).collect());
        fetcher.prune();
        let (mut archives, mut troubles) = (Vec::new(), Vec::new());
        for (image, fetched) in ended {
            match fetched {
                Ok(found) => archives.extend(found),
                Err(trouble) => {
                    fetcher.mark_missing(image, folder.path())?;
                    troubles.push((image.name.clone(), trouble));
                }
            }
        }
        Ok((folder, archives, troubles))
    }

    /// Where local sources lie that are named relative to `path`: there, or laid out from what was sent.
    fn sent_sources(
        &self,
        files: &Files<'_>,
        input: Option<&Input>,
        images: &[usize],
        scratch: &Path,
    ) -> Result<PathBuf> {
        let Some(input) = input else { return Ok(self.root.clone().unwrap_or_default()) };
        let base = Path::new(SENT).join(&input.basename);
        let near = text(&self.tree.settings, "locals_base").unwrap_or_default();
        let into = Path::new("sent");
        let mut items: BTreeMap<PathBuf, ScratchItem> = BTreeMap::new();
        let all = images.iter().flat_map(|image| {
            let image = &self.tree.images[*image];
            image.source.iter().chain(&image.plugins).chain(&image.additions)
        });
        for source in all.filter(|source| source.enabled && source.kind == "local") {
            let wanted = lexical(&base.join(&near).join(&source.location));
            for (path, entry) in files.entries.iter().filter(|(path, _)| path.starts_with(&wanted)) {
                let Ok(below) = path.strip_prefix(&base) else { continue };
                let content = match &entry.kind {
                    InputKind::Dir => ScratchContent::Dir,
                    InputKind::Link { target } => ScratchContent::Link(target.into()),
                    InputKind::File { .. } => match files.blob(path)? {
                        Some(content) => content,
                        None => continue,
                    },
                };
                let path = into.join(below);
                items.insert(path.clone(), ScratchItem { path, mode: entry.mode, content });
            }
        }
        let items: Vec<ScratchItem> = items.into_values().collect();
        lay_out(scratch, &items)
            .map_err(|error| Diagnostic::task("B0016", format!("local sources could not be laid out: {error}")))?;
        Ok(scratch.join(into))
    }

    /// Adds Kolla's summary to the result, and writes it where that was asked for.
    pub(super) fn summarize(&self, cx: &Cx, report: &Report, result: &mut Map) -> Result<()> {
        let summary = summary(&self.tree, report);
        let written = self.summary_file.as_ref().map(|path| {
            let text = summary_text(&summary);
            cx.scratch(|mutate| mutate.write(path, Content::Bytes(text.as_bytes()), WriteOptions::default())).map_err(
                |mut error| {
                    error.message = format!("the summary of the build: {}", error.message);
                    error
                },
            )
        });
        insert(result, "kolla_summary", from_json(summary));
        written.transpose().map(drop)
    }
}
