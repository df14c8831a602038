//! One set of images from definitions to results: preflight, decisions, schedule, logs, report.
//! Who calls it gives the definitions and receives progress; modules and commands share it.

mod build;
mod inputs;
mod mirrors;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::capabilities::squash_refused;
use super::def::ImageDef;
use super::docker::Settings;
use super::graph::Graph;
use super::names::Names;
use super::proof::Proof;
use super::reuse::Reuse;
use super::sent::{SentFrom, SentTree};
use crate::diag::{Diagnostic, Result};
use crate::system::engine::{BuilderKind, RegistrySettings};

pub use build::{build, or_cancelled};

/// Which builder to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuilderChoice {
    /// BuildKit where the engine has it, else the classic one.
    #[default]
    Auto,
    /// This one.
    Only(BuilderKind),
}

/// All that is asked for.
#[derive(Clone, Debug, Default)]
pub struct SetRequest {
    /// Names of the results.
    pub names: Names,
    /// What the builds share.
    pub settings: Settings,
    /// Images to build, with their ancestors; all if empty.
    pub only: Vec<String>,
    /// Images to leave out, with all that need them.
    pub skip: Vec<String>,
    /// Builds at the same time.
    pub parallel: usize,
    /// Push each image as it ends.
    pub push: bool,
    /// How the run's registry is reached.
    pub registry: RegistrySettings,
    /// The same of other registries that images are pushed to or made from. What is not named here is reached over TLS,
    /// with the login of Docker's or Podman's own files.
    pub registries: Vec<RegistrySettings>,
    /// Names of the package mirror as they stand in build arguments, for the preflight.
    pub mirror_names: Vec<String>,
    /// Folder for one log a image on the host.
    pub log_dir: Option<PathBuf>,
    /// The engine's address.
    pub engine: String,
    /// Somebody named that address: nothing else builds in its place.
    pub engine_named: bool,
    /// The builder.
    pub builder: BuilderChoice,
    /// Sets that are built one after the other, each with its own selection; one of all that is selected if empty.
    pub stages: Vec<Stage>,
    /// When an image of an earlier build may be used instead of building it.
    pub reuse: Reuse,
    /// Images that an earlier run finished under this tag are not built again, whatever `reuse` says.
    pub resume: bool,
    /// Pushes at the same time.
    pub pushes: usize,
    /// How often a build whose instruction failed is tried again.
    pub build_retries: u32,
    /// Only forecast.
    pub plan: bool,
    /// Bytes that stay free on the engine's file system.
    pub min_free: Option<u64>,
    /// Digests of context files that are known already, by path.
    pub digests: Vec<(PathBuf, String)>,
    /// The tree that was sent, of which contexts are laid out when they are built; none if all of them are here.
    pub sent: Option<Arc<dyn SentTree>>,
    /// Where the folder that was sent lies on its controller; `None` if contexts are read where they lie.
    pub sent_from: Option<SentFrom>,
    /// The run's id; empty if nobody told it.
    pub run: String,
    /// The controller's clock and this host's at the same time, in seconds since 1970.
    pub clocks: Option<(i64, i64)>,
    /// Host and port of the package mirror, for the preflight.
    pub mirror: Option<(String, u16)>,
    /// All layers as one, which is refused with the reason.
    pub squash: bool,
}

/// One of several ordered sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// For people: `seed`.
    pub name: String,
    /// Images to build, with their ancestors.
    pub only: Vec<String>,
}

/// A set that was checked and can be built.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// All images.
    pub graph: Arc<Graph>,
    /// Which of them are built.
    pub selected: BTreeSet<usize>,
    /// The same in the order of their sets; what an earlier set has is not in a later one.
    pub stages: Vec<(String, BTreeSet<usize>)>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Checks names, edges and selection. Touches nothing.
pub fn prepare(images: Vec<ImageDef>, request: &SetRequest) -> Result<Prepared> {
    // Also where nothing has to be built, and in check mode.
    if request.squash {
        return Err(squash_refused());
    }
    if let Some(problem) = request.names.problem() {
        return Err(Diagnostic::task("B0005", problem));
    }
    if request.push && request.names.registry.is_empty() {
        return Err(Diagnostic::task("B0011", "`push` needs a `registry`")
            .with_hint("set `registry: host:port`, or `push: false`"));
    }
    let mut warnings = Vec::new();
    for name in request.settings.args.keys() {
        let declared = |image: &ImageDef| image.dockerfile.declared_args().contains(name);
        // Proxies are known without a declaration, and the distribution is offered to all.
        let offered = name == "BASE_DISTRO" || name.to_ascii_lowercase().ends_with("_proxy");
        if !offered && !images.iter().any(declared) {
            warnings.push(format!("the build argument `{name}` is declared by no Dockerfile (`ARG {name}`)"));
        }
    }
    for name in Proof::too_short(&request.settings.sought()) {
        warnings.push(format!("`{name}` is too short to be searched for in images"));
    }
    let graph = Graph::new(images, &request.names, &request.settings.args)?;
    let selected = graph.select(&request.only, &request.skip)?;
    if selected.is_empty() {
        warnings.push("no image is left to build".to_owned());
    }
    let mut stages = Vec::new();
    let mut left = selected.clone();
    for stage in &request.stages {
        let wanted = graph.select(&stage.only, &request.skip).map_err(|mut error| {
            error.message = error.message.replacen("`only`", &format!("`sets`, {}", stage.name), 1);
            error
        })?;
        let own: BTreeSet<usize> = wanted.intersection(&left).copied().collect();
        left.retain(|image| !own.contains(image));
        stages.push((stage.name.clone(), own));
    }
    if request.stages.is_empty() {
        stages.push((String::new(), std::mem::take(&mut left)));
    }
    let selected: BTreeSet<usize> = selected.difference(&left).copied().collect();
    if let Some(missing) = missing_secrets(&graph, &selected, request) {
        // A plan needs no secrets.
        if !request.plan {
            return Err(missing);
        }
        warnings.push(missing.message.clone());
    }
    Ok(Prepared { graph: Arc::new(graph), selected, stages, warnings })
}

/// Secrets that an image names, and the run does not have: its build would miss them an hour later.
fn missing_secrets(graph: &Graph, selected: &BTreeSet<usize>, request: &SetRequest) -> Option<Diagnostic> {
    let named = |image: &usize| {
        let def = &graph.images[*image];
        let ids = def.secrets.iter().flatten().filter(|id| !request.settings.secrets.contains_key(*id));
        ids.map(move |id| (id.as_str(), def.name.as_str()))
    };
    let missing: Vec<(&str, &str)> = selected.iter().flat_map(named).collect();
    let (id, first) = missing.first()?;
    let images: BTreeSet<&str> = missing.iter().filter(|(other, _)| other == id).map(|(_, image)| *image).collect();
    let (more, verb) = match images.len() - 1 {
        0 => (String::new(), "needs"),
        count => (format!(" and {count} more"), "need"),
    };
    let mut error = Diagnostic::task(
        "B0018",
        format!("`{first}`{more} {verb} the build secret `{id}`, and this run has none of that name"),
    )
    .with_hint(format!("give it: `secrets: {{{id}: \"{{{{ the_vault_value }}}}\"}}`"));
    let others: BTreeSet<&str> = missing.iter().map(|(other, _)| *other).filter(|other| other != id).collect();
    if !others.is_empty() {
        error = error.with_note(format!("so it is with {}", others.into_iter().collect::<Vec<_>>().join(", ")));
    }
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::graph::tests::{image, names};
    use crate::secret::Secret;

    #[test]
    fn a_secret_that_an_image_names_must_be_there() {
        let mut request = SetRequest { names: names(), ..SetRequest::default() };
        let mut images =
            vec![image("base", "FROM scratch"), image("web", "FROM lab/base"), image("api", "FROM lab/base")];
        for own in &mut images[1..] {
            own.secrets = Some(vec!["npm".to_owned(), "pip".to_owned()]);
        }
        request.settings.secrets.insert("other".to_owned(), Secret::new("x".to_owned()));
        let error = prepare(images.clone(), &request).unwrap_err();
        assert_eq!(error.code, "B0018");
        assert_eq!(error.message, "`web` and 1 more need the build secret `npm`, and this run has none of that name");
        assert_eq!((error.notes.len(), error.notes[0].as_str()), (1, "so it is with pip"));
        // What is not built needs none, and a plan only says so.
        request.only = vec!["base".to_owned()];
        assert!(prepare(images.clone(), &request).is_ok());
        request.only = Vec::new();
        let planned = prepare(images.clone(), &SetRequest { plan: true, ..request.clone() }).unwrap();
        assert!(planned.warnings.iter().any(|text| text.contains("`npm`")), "{:?}", planned.warnings);
        for id in ["npm", "pip"] {
            request.settings.secrets.insert(id.to_owned(), Secret::new("x".to_owned()));
        }
        assert!(prepare(images, &request).is_ok());
    }
}
