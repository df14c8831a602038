//! `hostctl image graph`: the images of a source that lies on this machine, and how they hang together.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::read::read_source_text;
use crate::diag::{Diagnostic, Kind, SourceMap};
use crate::image::draw::Picture;
use crate::image::sources::{Fetched, LabelSettings, List, Stamps, TreeSettings, kolla as kolla_images, labels, tree};
use crate::image::{Found, Graph, Names, kolla, patterns};
use crate::system::git_source::GIT_READS;
use crate::system::{Mutate, Probe, TreeKind};

/// Where the images come from.
#[derive(Clone, Debug)]
pub enum ImageSource {
    /// A tree of Dockerfiles.
    Tree(PathBuf),
    /// A tree whose Dockerfiles name their images by labels.
    Labels(PathBuf),
    /// A list in YAML.
    List(PathBuf),
    /// A Kolla tree; its patterns are the request's `only`, as Kolla reads them.
    Kolla(PathBuf, Box<kolla::Options>),
}

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct ImageGraphRequest {
    /// The source.
    pub source: ImageSource,
    /// A template of names in a tree.
    pub name_template: Option<String>,
    /// Patterns of Dockerfiles' names in a tree.
    pub dockerfiles: Vec<String>,
    /// Patterns of paths to leave out of a tree.
    pub ignore: Vec<String>,
    /// A version in a label wins over that of `git describe`.
    pub label_versions: bool,
    /// What full names of the run's images have in common.
    pub names: Names,
    /// Build arguments of the run, which may name parents.
    pub args: BTreeMap<String, String>,
    /// Images to show, with their ancestors; all if empty.
    pub only: Vec<String>,
    /// Images to leave out, with all that needs them.
    pub skip: Vec<String>,
}

/// The selected images, and what the user should know.
#[derive(Clone, Debug)]
pub struct ImageGraphView {
    /// The images.
    pub picture: Picture,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// Reads the source and finds all edges. Repositories of a list are fetched into a temporary folder.
pub fn image_graph(request: &ImageGraphRequest, sources: &Arc<SourceMap>) -> Result<ImageGraphView, Vec<Diagnostic>> {
    let probe = Probe::new(Vec::new()).allowing(GIT_READS);
    let settings = || TreeSettings::new(request.name_template.as_deref(), &request.dockerfiles, &request.ignore);
    let found = match &request.source {
        ImageSource::Tree(dir) => {
            let settings = settings().map_err(|error| vec![usage(error)])?;
            let files = Files::of(&probe, dir, &settings)?;
            files.warned(tree(&files.paths, &files.shown, &files.name, &settings, &|path| files.text(&probe, path)))
        }
        ImageSource::Labels(dir) => {
            let tree = settings().map_err(|error| vec![usage(error)])?;
            let files = Files::of(&probe, dir, &tree)?;
            let settings = LabelSettings { tree, version_of_label: request.label_versions };
            let versions = Versions { probe: &probe, root: dir, known: RefCell::default() };
            let version = |folder: &Path| versions.of(folder);
            files.warned(labels(&files.paths, &files.shown, &settings, &version, &|path| files.text(&probe, path)))
        }
        ImageSource::List(file) => listed(&probe, file, &request.names, sources),
        ImageSource::Kolla(dir, options) => rendered(dir, options).map_err(|error| vec![error]),
    };
    let found = found.map_err(|errors| errors.into_iter().map(source).collect::<Vec<_>>())?;
    let one = |error: Diagnostic| vec![source(error)];
    let graph = Graph::new(found.images, &request.names, &request.args).map_err(one)?;
    let chosen = || {
        // What Kolla's patterns leave out is not in the graph at all.
        let of_kolla = matches!(request.source, ImageSource::Kolla(..));
        let only = if of_kolla { Vec::new() } else { patterns("PATTERN", &request.only)? };
        let skip = patterns("--skip", &request.skip)?;
        graph.select_named(("PATTERN", &only), ("--skip", &skip))
    };
    let selected = chosen().map_err(|error| vec![usage(error)])?;
    Ok(ImageGraphView { picture: Picture::new(&graph, &selected), warnings: found.warnings })
}

/// The images of a Kolla tree, rendered as `hostctl image render kolla` would write them.
fn rendered(dir: &Path, options: &kolla::Options) -> crate::diag::Result<Found> {
    let mut options = options.clone();
    if options.version.is_none() {
        options.version = super::image_render::checkout_version(dir);
    }
    let tree = kolla::load(&Probe::new(Vec::new()), dir, &options)?;
    kolla_images(&tree, "docker")
}

/// A mistake in files of this machine.
fn source(mut error: Diagnostic) -> Diagnostic {
    if error.kind == Kind::Task {
        error.kind = Kind::Source;
    }
    error
}

/// A mistake on the command line.
fn usage(mut error: Diagnostic) -> Diagnostic {
    error.kind = Kind::Usage;
    error
}

/// The files of a tree.
struct Files {
    root: PathBuf,
    /// As the user wrote it.
    shown: String,
    /// The folder's name.
    name: String,
    paths: Vec<PathBuf>,
    /// Links that would be Dockerfiles.
    links: Vec<PathBuf>,
}

impl Files {
    fn of(probe: &Probe, dir: &Path, settings: &TreeSettings) -> Result<Self, Vec<Diagnostic>> {
        let items = probe.tree_items(dir).map_err(|error| vec![unreadable(dir, &error)])?;
        let (mut paths, mut links) = (Vec::new(), Vec::new());
        for item in items {
            match item.kind {
                TreeKind::File(_) => paths.push(item.path),
                TreeKind::Link(_) if settings.is_dockerfile(&item.path) => links.push(item.path),
                TreeKind::Link(_) | TreeKind::Dir => {}
            }
        }
        let whole = probe.real(dir);
        let name = whole.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        Ok(Self { root: dir.to_path_buf(), shown: dir.display().to_string(), name, paths, links })
    }

    fn text(&self, probe: &Probe, path: &Path) -> crate::diag::Result<String> {
        let path = self.root.join(path);
        probe.tree_text(&path).map_err(|error| unreadable(&path, &error))
    }

    /// What was found, with a word on links.
    fn warned(&self, found: crate::diag::Result<Found>) -> Result<Found, Vec<Diagnostic>> {
        let mut found = found.map_err(|error| vec![error])?;
        let shown = self.shown.trim_end_matches('/');
        let links = self.links.iter();
        found
            .warnings
            .extend(links.map(|link| format!("{shown}/{}: is a link and not read as an image", link.display())));
        Ok(found)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let text = error.to_string();
    let mut reason = text.split(" (os error").next().unwrap_or(&text).to_owned();
    if error.raw_os_error().is_some() {
        reason = reason.to_lowercase();
    }
    let mut found = Diagnostic::new("B0056", Kind::Source, format!("`{}` cannot be read: {reason}", path.display()));
    if error.kind() == std::io::ErrorKind::NotFound {
        found = found.with_hint("the source lies on this machine; check the path with `ls`");
    } else if error.kind() == std::io::ErrorKind::NotADirectory {
        found = found.with_hint("for a list in YAML write `--list FILE`");
    } else if error.kind() == std::io::ErrorKind::InvalidData {
        let name = path.display();
        found = found.with_hint(format!("write it in UTF-8: `iconv -f ISO-8859-1 -t UTF-8 {name} > {name}.new`"));
    }
    found
}

/// Versions of the repositories that the folders of a tree belong to, each asked once.
struct Versions<'a> {
    probe: &'a Probe,
    root: &'a Path,
    known: RefCell<HashMap<PathBuf, Option<String>>>,
}

impl Versions<'_> {
    fn of(&self, folder: &Path) -> Option<String> {
        let repository = self.probe.git_root(&self.root.join(folder))?;
        if let Some(known) = self.known.borrow().get(&repository) {
            return known.clone();
        }
        let version = self.probe.git_facts(&repository).version;
        self.known.borrow_mut().insert(repository, version.clone());
        version
    }
}

fn listed(probe: &Probe, file: &Path, names: &Names, sources: &Arc<SourceMap>) -> Result<Found, Vec<Diagnostic>> {
    let text = read_source_text(file).map_err(|error| vec![unreadable(file, &error)])?;
    let source = sources.add(file.display().to_string(), Some(file), text);
    let (list, diagnostics) = List::load(sources, &source);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let here = if list.needs_stamps() {
        let facts = probe.git_facts(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        Stamps { branch: facts.branch, commit: facts.commit, version: facts.version }
    } else {
        Stamps::default()
    };
    let mutate = Mutate::with_probe(probe.clone());
    let mut fetched = Fetched::new();
    let repositories = list.repositories();
    let store = if repositories.is_empty() { None } else { Some(mutate.scratch_dir().map_err(|error| vec![error])?) };
    for (index, repository) in repositories.into_iter().enumerate() {
        let Some(store) = &store else { break };
        let place = store.path().join(index.to_string());
        let checkout = mutate.create_dir(&place).and_then(|()| mutate.git_checkout(repository, &place));
        fetched.insert(repository.key(), checkout.map_err(|error| vec![error])?);
    }
    let read = |path: &Path| probe.tree_text(&folder.join(path));
    let shown = folder.display().to_string();
    let mut found = list.define(sources, &shown, &names.tag, &here, &fetched, &read)?;
    found.warnings.extend(diagnostics.iter().map(|warning| warning.message.clone()));
    Ok(found)
}
