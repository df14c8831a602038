//! `environment.yml` and where environments are found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Kind, Result, SourceMap, Span};
use crate::yaml::{Fields, LoadOptions, Node, load};

/// The name of the folder that makes a folder a project.
const ENVIRONMENTS: &str = "environments";

/// What `environment.yml` says.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder's name.
    pub name: String,
    /// The environment's folder.
    pub dir: PathBuf,
    /// One line for people.
    pub description: String,
    /// Parents in order, each with its place.
    pub parents: Vec<(Arc<str>, Span)>,
    /// Who can open `secrets.yml`: public keys.
    pub recipients: Vec<String>,
    /// The tag file, relative to the environment's folder.
    pub tag_file: PathBuf,
}

/// The nearest folder, from `start` up, that holds `environments/`.
pub fn find_project(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|dir| dir.join(ENVIRONMENTS).is_dir()).map(Path::to_path_buf)
}

/// The folder of an environment.
pub(super) fn folder(project: &Path, name: &str) -> PathBuf {
    project.join(ENVIRONMENTS).join(name)
}

/// Every environment of a project, by name.
pub fn list(project: &Path) -> Result<Vec<String>> {
    let dir = project.join(ENVIRONMENTS);
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .map_err(|error| {
            Diagnostic::new("E0101", Kind::Usage, format!("`{}` cannot be read: {error}", dir.display()))
                .with_hint("a project is a folder that holds `environments/`")
        })?
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    Ok(names)
}

/// Reads the configuration of one environment. `place` is where it was named, if in a file.
pub fn read_config(project: &Path, name: &str, place: Option<Span>, sources: &SourceMap) -> Result<Config> {
    let dir = folder(project, name);
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if !plain || !dir.is_dir() {
        let known = list(project)?;
        let kind = if place.is_some() { Kind::Source } else { Kind::Usage };
        return Err(Diagnostic::new("E0102", kind, format!("there is no environment `{name}`"))
            .with_label_opt(place, "named here")
            .with_nearest(name, known.iter().map(String::as_str))
            .with_note(format!("in {} there are: {}", project.join(ENVIRONMENTS).display(), known.join(", "))));
    }
    let mut config = Config {
        name: name.to_owned(),
        description: String::new(),
        parents: Vec::new(),
        recipients: Vec::new(),
        tag_file: dir.join("image-tags.yml"),
        dir,
    };
    let path = config.dir.join("environment.yml");
    if !path.exists() {
        return Ok(config);
    }
    let file = crate::vault::read_text(sources, &path, &shown(&path), None)?.file;
    let node = load(sources, &file, &LoadOptions::strict()).one(&file)?;
    let mut problems = Vec::new();
    if let Some(mut fields) = Fields::new(&node, "environment.yml", &mut problems) {
        config.description = fields.text("description").map(|text| text.to_string()).unwrap_or_default();
        config.parents = fields.texts("parents").into_iter().map(|(name, node)| (name, node.place())).collect();
        if let Some(vault) = fields.optional("vault") {
            read_vault(vault, &mut config, &mut fields);
        }
        if let Some(tag_file) = fields.text("tag_file") {
            config.tag_file = config.dir.join(&*tag_file);
        }
        fields.finish();
    }
    match problems.into_iter().find(Diagnostic::is_error) {
        Some(problem) => Err(problem),
        None => Ok(config),
    }
}

fn read_vault(vault: &Node, config: &mut Config, outer: &mut Fields<'_>) {
    let mut problems = Vec::new();
    if let Some(mut fields) = Fields::new(vault, "vault", &mut problems) {
        config.recipients = fields.texts("recipients").into_iter().map(|(text, _)| text.to_string()).collect();
        fields.finish();
    }
    problems.into_iter().for_each(|problem| outer.report(problem));
}

/// A path as messages show it: relative to the working folder where it is below it.
pub(super) fn shown(path: &Path) -> String {
    std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok().map(Path::to_path_buf))
        .unwrap_or_else(|| path.to_path_buf())
        .display()
        .to_string()
}
