//! One environment with its parents: layers of variables, inventories, tag file, recipients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::project::{Project, Settings};
use crate::diag::{Diagnostic, Result, Span};
use crate::inventory::{InventorySource, Reader};
use crate::value::Value;
use crate::vars::{Entry, Layer, Level, Origin, Sealed};
use crate::vault::{Keyring, SealedValue, VaultFile, ansible, is_vault_file, read_text};

/// A loaded environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The project's folder.
    pub root: PathBuf,
    /// It and its parents, parents first.
    pub chain: Vec<String>,
    /// `description`.
    pub description: String,
    /// Variables and secrets, lowest first; all of [`Level::Environment`].
    pub layers: Vec<Layer>,
    /// The shared `inventory/`, then that of each environment.
    pub inventories: Vec<InventorySource>,
    /// The tag file: the nearest environment that names one wins.
    pub tag_file: Option<PathBuf>,
    /// For whom its vault is sealed: its own list, or the nearest parent's.
    pub recipients: Vec<String>,
}

/// A top-level secret that opens itself with the run's keys.
struct Secret {
    value: SealedValue,
    keyring: Arc<Keyring>,
}

impl Sealed for Secret {
    fn open(&self) -> Result<Value> {
        self.value.open(&self.keyring)
    }
}

impl Environment {
    /// Loads an environment. Secrets stay sealed; `keyring` is kept for their first use. What is
    /// wrong inside files is in the reader's diagnostics; only a missing environment or a circle
    /// is an error here.
    pub fn load(project: &Project, name: &str, reader: &mut Reader<'_>, keyring: &Arc<Keyring>) -> Result<Self> {
        project.check_name(name)?;
        let mut chain = Vec::new();
        resolve(project, name, reader, &mut Vec::new(), &mut chain)?;
        let mut environment = Self {
            name: name.to_owned(),
            root: project.root.clone(),
            chain: chain.iter().map(|(name, _)| name.clone()).collect(),
            description: String::new(),
            layers: Vec::new(),
            inventories: Vec::new(),
            tag_file: None,
            recipients: Vec::new(),
        };
        environment.add_inventory(&project.root);
        for (name, settings) in chain {
            let folder = project.folder(&name);
            environment.add_inventory(&folder);
            environment.add_variables(project, &folder, reader);
            environment.add_secrets(project, &folder, reader, keyring);
            // Each takes over from its parents; a description is its own.
            environment.description = settings.description;
            if let Some(file) = settings.tag_file {
                environment.tag_file = Some(folder.join(file));
            }
            if !settings.recipients.is_empty() {
                environment.recipients = settings.recipients;
            }
        }
        Ok(environment)
    }

    /// The path of its own `secrets.yml`, which may not exist.
    pub fn secrets_file(&self) -> PathBuf {
        self.root.join("environments").join(&self.name).join("secrets.yml")
    }

    fn add_inventory(&mut self, folder: &Path) {
        let path = folder.join("inventory");
        if path.exists() {
            self.inventories.push(InventorySource::Path(path));
        }
    }

    fn add_variables(&mut self, project: &Project, folder: &Path, reader: &mut Reader<'_>) {
        let vars = folder.join("vars");
        if !vars.exists() {
            return;
        }
        let entries = match std::fs::read_dir(&vars) {
            Ok(entries) => entries,
            Err(error) => {
                reader.diagnostics.push(
                    Diagnostic::local("E0005", format!("`{}` could not be read: {error}", project.shown(&vars)))
                        .with_hint("check its permissions"),
                );
                return;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || !matches!(extension.as_str(), "yml" | "yaml" | "json") || path.is_dir() {
                continue;
            }
            if let Some(node) = reader.variables_as(&path, &project.shown(&path)) {
                self.layers.push(Layer::source(Level::Environment, &project.shown(&path), &node));
            }
        }
    }

    fn add_secrets(&mut self, project: &Project, folder: &Path, reader: &mut Reader<'_>, keyring: &Arc<Keyring>) {
        let path = folder.join("secrets.yml");
        if !path.exists() {
            return;
        }
        let shown = project.shown(&path);
        let text = match read_text(reader.sources, &path, &shown, None) {
            Ok(text) => text,
            Err(error) => {
                reader.diagnostics.push(error);
                return;
            }
        };
        if ansible::is_vault(&text.file.text) && !is_vault_file(&text.file.text) {
            // Sealed as a whole by ansible-vault: its names are sealed too.
            if let Some(node) = reader.variables_as(&path, &shown) {
                self.layers.push(Layer::source(Level::Environment, &shown, &node));
            }
            return;
        }
        match VaultFile::parse(reader.sources, &text.file) {
            Ok(vault) => {
                let mut entries: IndexMap<Arc<str>, Entry> = IndexMap::new();
                for (name, value) in vault.entries() {
                    let secret = Secret { value: value.clone(), keyring: Arc::clone(keyring) };
                    entries.insert(Arc::clone(name), Entry::Sealed(Arc::new(secret), value.span()));
                }
                let origin = Origin { level: Level::Environment, name: Arc::from(shown) };
                self.layers.push(Layer { origin, entries: Arc::new(entries) });
            }
            Err(errors) => reader.diagnostics.extend(errors),
        }
    }
}

/// Parents first, each once; `open` is the way down to here.
fn resolve(
    project: &Project,
    name: &str,
    reader: &mut Reader<'_>,
    open: &mut Vec<String>,
    chain: &mut Vec<(String, Settings)>,
) -> Result<()> {
    if chain.iter().any(|(done, _)| done == name) {
        return Ok(());
    }
    let settings = project.settings(reader.sources, name, &mut reader.diagnostics);
    open.push(name.to_owned());
    for (parent, span) in &settings.parents {
        check_parent(project, parent, *span, open)?;
        resolve(project, parent, reader, open, chain)?;
    }
    open.pop();
    chain.push((name.to_owned(), settings));
    Ok(())
}

fn check_parent(project: &Project, parent: &str, span: Span, open: &[String]) -> Result<()> {
    if let Some(at) = open.iter().position(|name| name == parent) {
        let ring: Vec<String> =
            open[at..].iter().map(String::as_str).chain([parent]).map(|name| format!("`{name}`")).collect();
        return Err(Diagnostic::source("E0003", format!("environment `{parent}` is its own parent"))
            .with_label(span, "closes the circle")
            .with_note(format!("the chain is {}", ring.join(" > ")))
            .with_hint("remove one of these parents"));
    }
    project.check_name(parent).map_err(|error| {
        let mut wrong = Diagnostic::source("E0004", format!("the parent `{parent}` does not exist"))
            .with_label(span, "no such folder in `environments/`");
        wrong.hints.clone_from(&error.hints);
        wrong
    })
}
