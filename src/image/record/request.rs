//! What a set was last asked for: all that its keys need, so that `hostctl image why` can compute them again.
//! Holds no secret's value. Build arguments stand in it as they stand in the images' history; the file is private.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::def::ImageDef;
use super::super::dockerfile::Dockerfile;
use super::super::graph::Graph;
use super::super::names::Names;
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
                Ok(dockerfile) => images.push(ImageDef {
                    name: image.name.clone(),
                    context: image.context.clone(),
                    dockerfile_path: image.dockerfile.clone(),
                    shown: image.shown.clone(),
                    dockerfile,
                    args: image.args.clone(),
                    labels: image.labels.clone(),
                    push: image.push,
                }),
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
