//! What a set was last asked for: all that its keys need, so that `hostctl image why` can compute them again.
//! Holds no secret's value: of build arguments and labels that hold one it has the digest. The file is private.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::def::{ImageDef, OwnName, ParentName, Place};
use super::super::dockerfile::Dockerfile;
use super::super::graph::Graph;
use super::super::key::concealed;
use super::super::names::Names;
use super::super::sent::SentFrom;
use crate::diag::{Diagnostic, Result};
use crate::system::Probe;

/// One image of a request. Where it came from (a tree, a list, templates) does not matter: its Dockerfile is read anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedImage {
    /// The bare name.
    pub name: String,
    /// The context's folder, relative to the root.
    pub context: PathBuf,
    /// The Dockerfile inside the context.
    pub dockerfile: PathBuf,
    /// The Dockerfile's name for people.
    pub shown: String,
    /// Build arguments of this image alone.
    pub args: BTreeMap<String, String>,
    /// Labels of this image alone.
    pub labels: BTreeMap<String, String>,
    /// It is pushed.
    pub push: bool,
    /// No registry ever has it.
    pub local_only: bool,
    /// The stage to build.
    pub target: Option<String>,
    /// Platforms to build for.
    pub platforms: Vec<String>,
    /// Registry and repository of its own.
    pub own_name: Option<(String, String)>,
    /// A tag of its own.
    pub own_tag: Option<String>,
    /// A reference of the bare name means another image (Kaapana's labels).
    pub only_whole_names: bool,
    /// Secrets that its build may see; all if `None`.
    pub secrets: Option<Vec<String>>,
    /// `RUN` uses the host's network.
    pub network_host: Option<bool>,
    /// Parents that its Dockerfile does not name, and the places that name them.
    pub parents: Vec<(String, String)>,
}

/// The last request of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The set's name: its file is replaced by the set's next request.
    pub set: String,
    /// Seconds since 1970.
    pub time: i64,
    /// The run's id.
    pub run: String,
    /// The folder that contexts are relative to. It may be gone (a tree that was sent from a controller).
    pub root: PathBuf,
    /// Where that folder came from, if it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_from: Option<SentFrom>,
    /// All images of the graph.
    pub images: Vec<SavedImage>,
    /// `registry.example.org:5000`.
    pub registry: String,
    /// The names' second part.
    pub namespace: String,
    /// Put before every image's name.
    pub prefix: String,
    /// The run's tag.
    pub tag: String,
    /// Build arguments of the run.
    pub args: BTreeMap<String, String>,
    /// Labels of the run.
    pub labels: BTreeMap<String, String>,
    /// Ids of secrets.
    pub secrets: BTreeSet<String>,
    /// `RUN` uses the host's network.
    pub network_host: bool,
    /// The stage to stop at.
    pub target: Option<String>,
    /// `linux/amd64`.
    pub platform: String,
    /// Digests of base images, as they were learned for the run.
    pub bases: BTreeMap<String, String>,
}

impl SavedImage {
    fn definition(&self, dockerfile: Dockerfile) -> ImageDef {
        let own = |(registry, repository): &(String, String)| OwnName {
            registry: registry.clone(),
            repository: repository.clone(),
        };
        let parent = |(name, file): &(String, String)| ParentName {
            name: name.clone(),
            place: Place { file: file.clone(), line: 1, text: String::new() },
        };
        let mut image = ImageDef::new(&self.name, &self.context, &self.dockerfile, &self.shown, dockerfile);
        image.args.clone_from(&self.args);
        image.labels.clone_from(&self.labels);
        (image.push, image.local_only, image.bare_reference) = (self.push, self.local_only, !self.only_whole_names);
        image.target.clone_from(&self.target);
        image.platforms.clone_from(&self.platforms);
        image.own_name = self.own_name.as_ref().map(own);
        image.own_tag.clone_from(&self.own_tag);
        image.secrets.clone_from(&self.secrets);
        image.network_host = self.network_host;
        image.parents = self.parents.iter().map(parent).collect();
        image
    }
}

impl Request {
    /// A request's part that comes from the graph and the names. The caller fills in the rest.
    pub fn new(set: &str, graph: &Graph, names: &Names, root: &Path) -> Self {
        let save = |def: &ImageDef| SavedImage {
            name: def.name.clone(),
            context: def.context.clone(),
            dockerfile: def.dockerfile_path.clone(),
            shown: def.shown.clone(),
            args: def.args.clone(),
            labels: def.labels.clone(),
            push: def.push,
            local_only: def.local_only,
            target: def.target.clone(),
            platforms: def.platforms.clone(),
            own_name: def.own_name.as_ref().map(|own| (own.registry.clone(), own.repository.clone())),
            own_tag: def.own_tag.clone(),
            only_whole_names: !def.bare_reference,
            secrets: def.secrets.clone(),
            network_host: def.network_host,
            parents: def.parents.iter().map(|parent| (parent.name.clone(), parent.place.file.clone())).collect(),
        };
        Self {
            set: set.to_owned(),
            root: root.to_owned(),
            images: graph.images.iter().map(save).collect(),
            registry: names.registry.clone(),
            namespace: names.namespace.clone(),
            prefix: names.prefix.clone(),
            tag: names.tag.clone(),
            ..Self::default()
        }
    }

    /// Keeps of build arguments and labels that hold a secret the digest only, which gives the same keys.
    pub fn conceal(&mut self, holds_secret: &dyn Fn(&str) -> bool) {
        let own = self.images.iter_mut().flat_map(|image| [&mut image.args, &mut image.labels]);
        for values in own.chain([&mut self.args, &mut self.labels]) {
            for value in values.values_mut().filter(|value| holds_secret(value)) {
                *value = concealed(value);
            }
        }
    }

    /// The folder that has its files now: that of the run, or what the controller sent if this machine is the
    /// controller. `None` if the tree was sent from another machine.
    pub fn place(&self, probe: &Probe) -> Option<&Path> {
        match &self.sent_from {
            None => Some(self.root.as_path()),
            // While it is built, a part of it may lie in `root`, too.
            Some(from) => (from.host == probe.node_name()).then_some(from.path.as_path()),
        }
    }

    /// The names of its images.
    pub fn names(&self) -> Names {
        Names {
            registry: self.registry.clone(),
            namespace: self.namespace.clone(),
            prefix: self.prefix.clone(),
            tag: self.tag.clone(),
        }
    }

    /// The graph, with all Dockerfiles read anew below `root`.
    pub fn graph(&self, probe: &Probe, root: &Path) -> Result<Graph> {
        let mut images = Vec::with_capacity(self.images.len());
        let mut problems = Vec::new();
        for image in &self.images {
            let path = root.join(&image.context).join(&image.dockerfile);
            let text = match probe.tree_text(&path) {
                Ok(text) => text,
                Err(error) => {
                    problems.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            match Dockerfile::parse(text) {
                Ok(dockerfile) => images.push(image.definition(dockerfile)),
                Err(problem) => problems.push(format!("{}:{}: {}", path.display(), problem.line, problem.message)),
            }
        }
        if !problems.is_empty() {
            let count = problems.len();
            let message = format!("{count} of {} images of the set `{}` cannot be read", self.images.len(), self.set);
            let diagnostic =
                problems.into_iter().take(10).fold(Diagnostic::task("B0074", message), Diagnostic::with_note);
            return Err(diagnostic.with_hint("name the tree as it is now: `hostctl image why NAME --tree DIR`"));
        }
        Graph::new(images, &self.names(), &self.args)
    }
}
