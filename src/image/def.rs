//! One image as it is defined, wherever the definition came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::dockerfile::Dockerfile;
use crate::diag::Diagnostic;

/// What an image is made from: the same for a tree of Dockerfiles, Kaapana's labels, a list and Kolla's templates.
#[derive(Clone, Debug)]
pub struct ImageDef {
    /// The bare name, unique in the run.
    pub name: String,
    /// The context's folder, relative to the set's root; an absolute one is a path on the build host.
    pub context: PathBuf,
    /// The Dockerfile's path inside the context.
    pub dockerfile_path: PathBuf,
    /// The Dockerfile's name for people (`images/app/Dockerfile`).
    pub shown: String,
    /// What it says.
    pub dockerfile: Dockerfile,
    /// Build arguments of this image alone; they win over those of the run.
    pub args: BTreeMap<String, String>,
    /// Labels of this image alone; they win over those of the run.
    pub labels: BTreeMap<String, String>,
    /// It is pushed if the run pushes. False for a `local_only` image.
    pub push: bool,
    /// It is for other images of the set to build on, and no registry ever has it.
    pub local_only: bool,
    /// Its failure is shown, and blocks its children, but does not change the exit code.
    pub allowed_to_fail: bool,
    /// The stage to build; the last one if none is named.
    pub target: Option<String>,
    /// Platforms (`linux/arm64`) to build for; those of the run if empty.
    pub platforms: Vec<String>,
    /// More names of the result: tags (`latest`) in the image's own repository, or whole names (`ghcr.io/lab/app:1`).
    pub tags: Vec<String>,
    /// Registry and repository of this image alone, in place of the run's.
    pub own_name: Option<OwnName>,
    /// The tag of this image alone, in place of the run's.
    pub own_tag: Option<String>,
    /// The last part of its full name where that is not `name`: variants of an image share one and differ by tag.
    pub published: Option<String>,
    /// What its tag ends with beside the run's (`-cuda`).
    pub tag_suffix: String,
    /// A reference of the bare name (`FROM base`) means this image. Not so for Kaapana's labels, where `FROM nginx`
    /// is the one of Docker Hub even if an image has the label `IMAGE=nginx`.
    pub bare_reference: bool,
    /// Parents that the Dockerfile does not name.
    pub parents: Vec<ParentName>,
    /// Ids of the run's secrets that its build may see; all of them if `None`.
    pub secrets: Option<Vec<String>>,
    /// Groups (Kolla's profiles) that select it.
    pub groups: Vec<String>,
    /// `RUN` uses the host's network; as the run has it if `None`.
    pub network_host: Option<bool>,
    /// No step is taken from the cache; as the run has it if `None`.
    pub no_cache: Option<bool>,
    /// Names without tags that look like those of the set, but are taken from engine or registry as they are there
    /// (Kolla's `skip_parents` and `skip_existing`).
    pub elsewhere: Vec<String>,
    /// Why its context is not whole: a source could not be fetched. Its build fails with that, and others go on.
    pub unfetched: Option<Diagnostic>,
}

impl ImageDef {
    /// An image with nothing but its Dockerfile: pushed, named and tagged as the run says.
    pub fn new(
        name: impl Into<String>,
        context: impl Into<PathBuf>,
        dockerfile_path: impl Into<PathBuf>,
        shown: impl Into<String>,
        dockerfile: Dockerfile,
    ) -> Self {
        Self {
            name: name.into(),
            context: context.into(),
            dockerfile_path: dockerfile_path.into(),
            shown: shown.into(),
            dockerfile,
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            push: true,
            local_only: false,
            allowed_to_fail: false,
            target: None,
            platforms: Vec::new(),
            tags: Vec::new(),
            own_name: None,
            own_tag: None,
            published: None,
            tag_suffix: String::new(),
            bare_reference: true,
            parents: Vec::new(),
            secrets: None,
            groups: Vec::new(),
            network_host: None,
            no_cache: None,
            elsewhere: Vec::new(),
            unfetched: None,
        }
    }

    /// A place in the image's Dockerfile.
    pub fn place(&self, line: usize) -> Place {
        Place { file: self.shown.clone(), line, text: self.dockerfile.line(line).trim().to_owned() }
    }

    /// The run's build arguments with this image's own over them.
    pub fn effective_args(&self, run: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut args = run.clone();
        args.extend(self.args.clone());
        args
    }

    /// The last part of its full name.
    pub fn published_name(&self) -> &str {
        self.published.as_deref().unwrap_or(&self.name)
    }

    /// True if its build may see a secret of the run.
    pub fn may_see(&self, secret: &str) -> bool {
        self.secrets.as_ref().is_none_or(|own| own.iter().any(|id| id == secret))
    }
}

/// Registry and repository of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnName {
    /// `registry.example:5000`; empty for none.
    pub registry: String,
    /// Namespace and name: `lab/base`, `local-only/base`.
    pub repository: String,
}

impl OwnName {
    /// A name without a tag: what stands before the first slash and has a dot or a port is a registry.
    pub fn parse(untagged: &str) -> Self {
        match untagged.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
                Self { registry: host.to_owned(), repository: rest.to_owned() }
            }
            _ => Self { registry: String::new(), repository: untagged.to_owned() },
        }
    }

    /// `registry.example:5000/lab/base`.
    pub fn untagged(&self) -> String {
        if self.registry.is_empty() {
            self.repository.clone()
        } else {
            format!("{}/{}", self.registry, self.repository)
        }
    }
}

/// A parent that is named beside the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentName {
    /// The bare name of an image of the set.
    pub name: String,
    /// The line that names it.
    pub place: Place,
}

/// A line of a file, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As people know it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}
