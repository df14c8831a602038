//! Finds the project and the environments in it.

use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Kind, Result, SourceFile, SourceMap, Span};
use crate::vault::read_text;
use crate::yaml::{Fields, LoadOptions, load};

/// A folder that holds `environments/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The folder.
    pub root: PathBuf,
}

/// One line of `env list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// `description` of its `environment.yml`.
    pub description: String,
    /// Its parents as written.
    pub parents: Vec<String>,
}

/// `environment.yml`.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) description: String,
    pub(super) parents: Vec<(String, Span)>,
    pub(super) recipients: Vec<String>,
    pub(super) tag_file: Option<String>,
}

impl Project {
    /// The project of a folder: the nearest parent that holds `environments/`.
    pub fn discover(start: &Path) -> Result<Self> {
        let absolute = std::path::absolute(start).unwrap_or_else(|_| start.to_path_buf());
        for folder in absolute.ancestors() {
            if folder.join("environments").is_dir() {
                return Ok(Self { root: folder.to_path_buf() });
            }
        }
        Err(Diagnostic::new("E0001", Kind::Usage, format!("no project at or above `{}`", start.display()))
            .with_note("a project is a folder that holds `environments/`")
            .with_hint("change into the project, or name it with `--project FOLDER`"))
    }

    /// The project that `--project` names.
    pub fn at(folder: &Path) -> Result<Self> {
        if folder.join("environments").is_dir() {
            return Ok(Self { root: folder.to_path_buf() });
        }
        Err(Diagnostic::new("E0001", Kind::Usage, format!("`{}` is no project", folder.display()))
            .with_note("a project is a folder that holds `environments/`")
            .with_hint("name the folder that holds `environments/`"))
    }

    /// The names of its environments, sorted.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join("environments")) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// Every environment with its description and parents, and what is wrong with their files.
    pub fn list(&self, sources: &SourceMap) -> (Vec<Listed>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let listed = self
            .names()
            .into_iter()
            .map(|name| {
                let settings = self.settings(sources, &name, &mut diagnostics);
                let parents = settings.parents.into_iter().map(|(parent, _)| parent).collect();
                Listed { name, description: settings.description, parents }
            })
            .collect();
        (listed, diagnostics)
    }

    /// The folder of an environment.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join("environments").join(name)
    }

    /// Checks that an environment exists.
    pub(super) fn check_name(&self, name: &str) -> Result<()> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
            return Err(Diagnostic::new("E0006", Kind::Usage, format!("`{name}` is no name for an environment"))
                .with_hint("give the name of a folder in `environments/`"));
        }
        if self.folder(name).is_dir() {
            return Ok(());
        }
        let names = self.names();
        let error =
            Diagnostic::new("E0002", Kind::Usage, format!("no environment `{name}` in `{}`", self.root.display()))
                .with_nearest(name, names.iter().map(String::as_str));
        Err(if error.hints.is_empty() { error.with_hint("see them with `hostctl env list`") } else { error })
    }

    /// A path for people: relative to the project.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// Reads `environment.yml`; a missing one says nothing.
    pub(super) fn settings(&self, sources: &SourceMap, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Settings {
        let path = self.folder(name).join("environment.yml");
        if !path.exists() {
            return Settings::default();
        }
        match read_text(sources, &path, &self.shown(&path), None) {
            Ok(text) => parse_settings(sources, &text.file, diagnostics),
            Err(error) => {
                diagnostics.push(error);
                Settings::default()
            }
        }
    }
}

fn parse_settings(sources: &SourceMap, file: &SourceFile, diagnostics: &mut Vec<Diagnostic>) -> Settings {
    let (node, found) = load(sources, file, &LoadOptions::strict()).single(file);
    let bad = found.iter().any(Diagnostic::is_error);
    diagnostics.extend(found);
    let mut settings = Settings::default();
    if bad {
        return settings;
    }
    let Some(mut fields) = Fields::new(&node, "an environment", diagnostics) else { return settings };
    settings.description = fields.text("description").map(|text| text.to_string()).unwrap_or_default();
    settings.parents =
        fields.texts("parents").into_iter().map(|(text, node)| (text.to_string(), node.place())).collect();
    settings.tag_file = fields.text("tag_file").map(|text| text.to_string());
    let vault = fields.optional("vault").filter(|node| !node.is_null()).cloned();
    fields.finish();
    if let Some(vault) = vault {
        let mut inner = Vec::new();
        if let Some(mut fields) = Fields::new(&vault, "`vault`", &mut inner) {
            settings.recipients = fields.texts("recipients").into_iter().map(|(text, _)| text.to_string()).collect();
            fields.finish();
        }
        diagnostics.extend(inner);
    }
    settings
}
