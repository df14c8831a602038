//! Keys of a set: contexts are listed and hashed, then each image's parts are put together, parents first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use super::args::{counted, mounted_secrets};
use super::contents::Contents;
use super::model::{FORM, Key, digest, digest_of_value, path_text};
use super::text::{fetched, is_volatile_label, lines, normalised};
use crate::image::dockerfile::{Reference, ReferenceKind};
use crate::image::graph::Graph;
use crate::system::digest::{Digest, Hasher};
use crate::system::{Probe, TreeItem, TreeKind};

/// A context of more files has one part for each folder, so that records stay small.
const MOST_FILES: usize = 1000;

/// The digest (`sha256:...`) of a base image that is not of the set, by its reference as the Dockerfile has it with
/// arguments expanded; `None` if nobody knows it.
///
/// Who answers should give what the build will use: with `pull` the registry's digest, else the engine's if it has the
/// image. While a registry cannot be reached the digest of the last record (`Entry::bases`) is the better answer:
/// `None` changes the key, so that everything on that base would be built.
pub type Bases<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What all images of a run have in common.
pub struct Inputs<'a> {
    /// Images and edges.
    pub graph: &'a Graph,
    /// The run's tag: labels that hold it do not count.
    pub tag: &'a str,
    /// The folder that contexts are relative to.
    pub root: &'a Path,
    /// Build arguments of the run.
    pub args: &'a BTreeMap<String, String>,
    /// Labels of the run.
    pub labels: &'a BTreeMap<String, String>,
    /// Ids of build secrets.
    pub secrets: &'a BTreeSet<String>,
    /// `RUN` uses the host's network.
    pub network_host: bool,
    /// The stage to stop at.
    pub target: Option<&'a str>,
    /// `linux/amd64`: never empty, also where the engine chooses it.
    pub platform: &'a str,
    /// Digests of base images.
    pub bases: &'a Bases<'a>,
}

/// The keys of a set.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// By index in the graph; `None` for images that were not asked for and those with a problem.
    pub keys: Vec<Option<Key>>,
    /// Images whose inputs could not be read, and why. They and all that hangs on them have no key and must be built.
    pub problems: Vec<(usize, String)>,
}

impl Keys {
    /// An image's key.
    pub fn get(&self, image: usize) -> Option<&Key> {
        self.keys.get(image)?.as_ref()
    }
}

/// The references that are not images of the set, and the frontends of `# syntax=` lines, for all of `wanted`: whose digests [`compute`] will ask for. Those
/// that hold a digest themselves are left out.
pub fn bases(graph: &Graph, wanted: &BTreeSet<usize>, args: &BTreeMap<String, String>) -> BTreeSet<String> {
    let external = wanted.iter().flat_map(|image| external(graph, *image, args).unwrap_or_default());
    let frontends = wanted.iter().filter_map(|image| frontend(graph, *image)).map(str::to_owned);
    external.map(|reference| reference.image).chain(frontends).filter(|image| !image.contains('@')).collect()
}

/// The frontend that a `# syntax=` line names.
fn frontend(graph: &Graph, image: usize) -> Option<&str> {
    graph.images[image].dockerfile.syntax.as_ref().map(|(name, _)| name.as_str())
}

fn external(graph: &Graph, image: usize, args: &BTreeMap<String, String>) -> Result<Vec<Reference>, String> {
    let def = &graph.images[image];
    let mut references = def
        .dockerfile
        .references(&def.effective_args(args))
        .map_err(|problem| format!("{}:{}: {}", def.shown, problem.line, problem.message))?;
    references.retain(|reference| !graph.edges[image].iter().any(|edge| edge.range.as_ref() == Some(&reference.range)));
    Ok(references)
}

/// The keys of `wanted` and of all their parents. Contents are read through `contents`, which the caller saves.
pub fn compute(probe: &Probe, inputs: &Inputs<'_>, wanted: &BTreeSet<usize>, contents: &mut Contents) -> Keys {
    let graph = inputs.graph;
    let wanted = graph.closure(wanted, |image| graph.parents(image));
    let mut keys = Keys { keys: vec![None; graph.images.len()], problems: Vec::new() };
    let mut contexts: HashMap<usize, Vec<TreeItem>> = HashMap::new();
    let mut paths = BTreeSet::new();
    for image in &wanted {
        let def = &graph.images[*image];
        let root = inputs.root.join(&def.context);
        match context(contents, &def.context, &root, &def.dockerfile_path) {
            Ok(items) => {
                let files = items.iter().filter(|item| matches!(item.kind, TreeKind::File(_)));
                paths.extend(files.map(|item| root.join(&item.path)));
                contexts.insert(*image, items);
            }
            Err(problem) => keys.problems.push((*image, format!("the context `{}`: {problem}", root.display()))),
        }
    }
    let digests = contents.digests(probe, paths.into_iter().collect());
    for image in graph.parents_first() {
        let Some(items) = contexts.remove(&image) else { continue };
        match key(inputs, image, &items, &digests, &keys) {
            Ok(key) => keys.keys[image] = Some(key),
            Err(problem) => keys.problems.push((image, problem)),
        }
    }
    keys
}

/// True if an image's context still gives the key that was computed before: to be asked after its build and before it is
/// recorded, since people edit while a build of hours runs. Its Dockerfile and its parents count as they were then.
pub fn still(probe: &Probe, inputs: &Inputs<'_>, image: usize, keys: &Keys, contents: &mut Contents) -> bool {
    let (Some(def), Some(before)) = (inputs.graph.images.get(image), keys.get(image)) else { return false };
    let root = inputs.root.join(&def.context);
    let Ok(items) = context(contents, &def.context, &root, &def.dockerfile_path) else { return false };
    let files = items.iter().filter(|item| matches!(item.kind, TreeKind::File(_)));
    let digests = contents.digests(probe, files.map(|item| root.join(&item.path)).collect());
    key(inputs, image, &items, &digests, keys).is_ok_and(|now| now.digest == before.digest)
}

/// What is sent of a context. The Dockerfile's own text counts as it is read, with other names of parents; the file
/// itself is not sent.
fn context(contents: &Contents, context: &Path, root: &Path, dockerfile: &Path) -> Result<Vec<TreeItem>, String> {
    let mut items = contents.items(context, root, dockerfile)?;
    items.retain(|item| item.path != dockerfile);
    Ok(items)
}

type Digests = HashMap<PathBuf, io::Result<String>>;

fn key(inputs: &Inputs<'_>, image: usize, items: &[TreeItem], digests: &Digests, keys: &Keys) -> Result<Key, String> {
    let def = &inputs.graph.images[image];
    let file = &def.dockerfile;
    let edges = &inputs.graph.edges[image];
    let name = |image: usize| inputs.graph.images[image].name.as_str();
    let parents: Vec<_> = edges.iter().filter_map(|edge| Some((edge.range.clone()?, name(edge.parent)))).collect();
    let text = normalised(file, &parents);
    let network = if def.network_host.unwrap_or(inputs.network_host) { "host" } else { "default" };
    let mut parts: Vec<(String, String)> = [
        ("form", FORM.to_owned()),
        ("Dockerfile", digest(&text)),
        ("lines", lines(&text)),
        ("platform", if def.platforms.is_empty() { inputs.platform.to_owned() } else { def.platforms.join(",") }),
        ("target", def.target.as_deref().or(inputs.target).unwrap_or_default().to_owned()),
        ("network", network.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let args = def.effective_args(inputs.args);
    let external = external(inputs.graph, image, inputs.args)?;
    let mut references = external.clone();
    references.extend(edges.iter().filter_map(|edge| {
        let image = name(edge.parent).to_owned();
        Some(Reference { kind: ReferenceKind::From, image, line: edge.place.line, range: edge.range.clone()? })
    }));
    for name in counted(file, &references) {
        if let Some(value) = args.get(&name) {
            parts.push((format!("arg {name}"), digest_of_value(value)));
        }
    }
    let mut labels = inputs.labels.clone();
    labels.extend(def.labels.clone());
    for (name, value) in labels {
        if !is_volatile_label(&name) && !holds(&value, inputs.tag) {
            parts.push((format!("label {name}"), digest_of_value(&value)));
        }
    }
    for id in mounted_secrets(file, inputs.secrets).into_iter().filter(|id| def.may_see(id)) {
        parts.push((format!("secret {id}"), String::new()));
    }
    let mut unpinned = fetched(file);
    parts.extend(base_parts(inputs, &external, &mut unpinned));
    // One that names a digest is in the text already.
    if let Some(frontend) = frontend(inputs.graph, image).filter(|name| !name.contains('@')) {
        match (inputs.bases)(frontend) {
            Some(digest) => parts.push((format!("frontend {frontend}"), digest)),
            None => unpinned.push(frontend.to_owned()),
        }
    }
    for parent in inputs.graph.parents(image) {
        let Some(key) = keys.get(parent) else {
            return Err(format!("its parent `{}` has no key", name(parent)));
        };
        parts.push((format!("parent {}", name(parent)), key.digest.clone()));
    }
    parts.extend(context_parts(&inputs.root.join(&def.context), items, digests)?);
    Ok(Key::new(parts, unpinned))
}

/// One part for each base, with its digest and the places among the references that name it.
fn base_parts(inputs: &Inputs<'_>, external: &[Reference], unpinned: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (place, reference) in external.iter().enumerate() {
        let part = format!("base {}", reference.image);
        let value = found.entry(part).or_insert_with(|| {
            let own = reference.image.split_once('@').map(|(_, digest)| digest.to_owned());
            own.or_else(|| (inputs.bases)(&reference.image)).unwrap_or_else(|| {
                unpinned.push(reference.image.clone());
                "unpinned".to_owned()
            })
        });
        value.push_str(&format!(" #{place}"));
    }
    found
}

/// One part for each item, or for each folder if there are very many.
fn context_parts(root: &Path, items: &[TreeItem], digests: &Digests) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let value = match &item.kind {
            TreeKind::Dir => format!("folder {:o}", item.mode),
            TreeKind::Link(target) => format!("link 777 {}", digest(&path_text(target))),
            TreeKind::File(_) => match digests.get(&root.join(&item.path)) {
                Some(Ok(digest)) => format!("file {:o} {digest}", item.mode),
                Some(Err(error)) => return Err(format!("context file `{}`: {error}", path_text(&item.path))),
                None => return Err(format!("context file `{}` was not read", path_text(&item.path))),
            },
        };
        all.push((&item.path, value));
    }
    if all.len() <= MOST_FILES {
        return Ok(all.into_iter().map(|(path, value)| (format!("file {}", path_text(path)), value)).collect());
    }
    let folder = |path: &Path, depth: usize| -> PathBuf {
        path.parent().unwrap_or(Path::new("")).components().take(depth).collect()
    };
    let count = |depth: usize| all.iter().map(|(path, _)| folder(path, depth)).collect::<BTreeSet<_>>().len();
    let depth = (1..=16).rev().find(|depth| count(*depth) <= MOST_FILES).unwrap_or(0);
    let mut hashers: BTreeMap<PathBuf, Hasher> = BTreeMap::new();
    for (path, value) in &all {
        let hasher = hashers.entry(folder(path, depth)).or_insert_with(|| Hasher::new(Digest::Sha256));
        for text in [&path_text(path), value] {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
    }
    let name = |path: PathBuf| if path.as_os_str().is_empty() { ".".to_owned() } else { path_text(&path) };
    Ok(hashers.into_iter().map(|(path, hasher)| (format!("folder {}", name(path)), hasher.finish())).collect())
}

/// The text has the tag as a word of its own.
fn holds(text: &str, tag: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !tag.is_empty()
        && text
            .match_indices(tag)
            .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + tag.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_as_a_word() {
        assert!(holds("2024.1-x", "2024.1-x") && holds("r/a:2024.1-x@", "2024.1-x"));
        assert!(!holds("12", "1") && !holds("v1x", "1") && !holds("", "1") && !holds("x", ""));
    }

    #[test]
    fn very_large_contexts_have_a_part_for_each_folder() {
        let items: Vec<TreeItem> = (0..3000)
            .map(|number| TreeItem {
                path: format!("d{}/e{}/f{number}", number % 3, number % 700).into(),
                kind: TreeKind::File(1),
                mode: 0o644,
                mtime: 0,
            })
            .collect();
        let digests = |odd: usize| -> Digests {
            let digest = |number: usize| if number == odd { "new" } else { "old" };
            items.iter().enumerate().map(|(number, item)| (item.path.clone(), Ok(digest(number).to_owned()))).collect()
        };
        let parts = |odd| context_parts(Path::new(""), &items, &digests(odd)).unwrap();
        let (old, new) = (parts(9999), parts(4));
        assert_eq!(old.len(), 3);
        let differ: Vec<_> = old.iter().zip(&new).filter(|(old, new)| old != new).map(|(old, _)| &old.0).collect();
        assert_eq!(differ, ["folder d1"]);
    }
}
