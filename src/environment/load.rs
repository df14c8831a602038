//! An environment with its parents applied: layers, inventories, tag file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::config::{Config, read_config, shown};
use crate::diag::{Diagnostic, Result, SourceMap, Span};
use crate::value::Value;
use crate::vars::{Entry, Layer, Level, Origin, Sealed};
use crate::vault::{Keyring, SealedValue, VaultFile, is_vault_file, read_text};
use crate::yaml::{LoadOptions, Node};

/// An environment, ready to use.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its own configuration.
    pub config: Config,
    /// Parents first, the environment itself last.
    pub names: Vec<String>,
    /// Variables, lowest first: a layer for each file, those of parents before.
    pub layers: Vec<Layer>,
    /// Inventories that exist: the project's shared one, then each environment's.
    pub inventories: Vec<PathBuf>,
    /// Where chosen tags are written.
    pub tag_file: PathBuf,
    /// Duplicate keys and the like.
    pub warnings: Vec<Diagnostic>,
}

/// A value of `secrets.yml`, opened when it is used.
struct SealedEntry {
    value: SealedValue,
    keyring: Arc<Keyring>,
}

impl Sealed for SealedEntry {
    fn open(&self) -> Result<Value> {
        self.value.open(&self.keyring)
    }
}

/// Loads an environment of a project. Needs no key: secrets are opened when they are used.
pub fn load(project: &Path, name: &str, sources: &SourceMap, keyring: &Arc<Keyring>) -> Result<Environment> {
    let mut order = Vec::new();
    let mut chain = Vec::new();
    visit(project, name, None, sources, &mut chain, &mut order)?;
    let Some(config) = order.last().cloned() else {
        return Err(Diagnostic::internal("an environment has no configuration"));
    };
    let mut environment = Environment {
        names: order.iter().map(|config| config.name.clone()).collect(),
        tag_file: config.tag_file.clone(),
        config,
        layers: Vec::new(),
        inventories: Vec::new(),
        warnings: Vec::new(),
    };
    let shared = project.join("inventory");
    if shared.exists() {
        environment.inventories.push(shared);
    }
    for config in &order {
        let inventory = config.dir.join("inventory");
        if inventory.exists() {
            environment.inventories.push(inventory);
        }
        for path in variable_files(&config.dir.join("vars"))? {
            let layer = variables(&path, sources, keyring, &mut environment.warnings)?;
            environment.layers.push(layer);
        }
        let secrets = config.dir.join("secrets.yml");
        if secrets.exists() {
            environment.layers.push(sealed(&secrets, sources, keyring, &mut environment.warnings)?);
        }
    }
    Ok(environment)
}

/// Depth first, parents before children, each once; a way back to itself is a cycle.
fn visit(
    project: &Path,
    name: &str,
    place: Option<Span>,
    sources: &SourceMap,
    chain: &mut Vec<(String, Option<Span>)>,
    order: &mut Vec<Config>,
) -> Result<()> {
    if order.iter().any(|config| config.name == name) {
        return Ok(());
    }
    if let Some(start) = chain.iter().position(|(known, _)| known == name) {
        let mut names: Vec<&str> = chain[start..].iter().map(|(name, _)| name.as_str()).collect();
        names.push(name);
        let mut diagnostic =
            Diagnostic::source("E0103", format!("environments are parents of each other: {}", names.join(" > ")))
                .with_label_opt(place, "closes the circle");
        for (name, place) in &chain[start..] {
            diagnostic = diagnostic.with_label_opt(*place, format!("`{name}` is named here"));
        }
        return Err(diagnostic.with_hint("remove one of these parents"));
    }
    let config = read_config(project, name, place, sources)?;
    chain.push((name.to_owned(), place));
    for (parent, place) in &config.parents {
        visit(project, parent, Some(*place), sources, chain, order)?;
    }
    chain.pop();
    order.push(config);
    Ok(())
}

/// `vars/*.yml` and `vars/*.yaml` in order of their names.
fn variable_files(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(|error| Diagnostic::source("E0104", format!("`{}` cannot be read: {error}", dir.display())))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|end| end == "yml" || end == "yaml"))
        .collect();
    files.sort();
    Ok(files)
}

fn read(path: &Path, sources: &SourceMap, keyring: &Keyring, warnings: &mut Vec<Diagnostic>) -> Result<(Node, bool)> {
    let text = read_text(sources, path, &shown(path), Some(keyring))?;
    let (node, diagnostics) = crate::yaml::load(sources, &text.file, &LoadOptions::default()).single(&text.file);
    for diagnostic in diagnostics {
        if diagnostic.is_error() {
            return Err(diagnostic);
        }
        warnings.push(diagnostic);
    }
    if node.as_map().is_none() && !node.is_null() {
        return Err(Diagnostic::source(
            "E0104",
            format!("a variable file must be a mapping, found {}", node.type_name()),
        )
        .with_label(node.place(), "here"));
    }
    Ok((node, text.vaulted))
}

fn variables(path: &Path, sources: &SourceMap, keyring: &Keyring, warnings: &mut Vec<Diagnostic>) -> Result<Layer> {
    let (node, vaulted) = read(path, sources, keyring, warnings)?;
    if vaulted {
        for (key, value) in node.as_map().unwrap_or_default() {
            keyring.learn(key.as_str().unwrap_or_default(), &value.to_value(), Some(value.place()));
        }
    }
    Ok(Layer::source(Level::Environment, &shown(path), &node))
}

/// `secrets.yml`: hostctl's vault with sealed values; a file of Ansible's vault is read too.
fn sealed(path: &Path, sources: &SourceMap, keyring: &Arc<Keyring>, warnings: &mut Vec<Diagnostic>) -> Result<Layer> {
    let text = read_text(sources, path, &shown(path), None)?;
    if !is_vault_file(&text.file.text) {
        if text.file.text.starts_with("$ANSIBLE_VAULT") {
            return variables(path, sources, keyring, warnings);
        }
        return Err(Diagnostic::source("E0105", "`secrets.yml` holds values in clear")
            .with_label(Span::new(text.file.id, 0, 0), "not a vault")
            .with_hint(
                "make a vault with `hostctl vault init`, then put each value into it with `hostctl vault set`",
            ));
    }
    let vault = VaultFile::parse(sources, &text.file)
        .map_err(|errors| errors.into_iter().next().unwrap_or_else(|| Diagnostic::internal("a vault was refused")))?;
    let entries: IndexMap<Arc<str>, Entry> = vault
        .entries()
        .iter()
        .map(|(name, value)| {
            let sealed = SealedEntry { value: value.clone(), keyring: Arc::clone(keyring) };
            (Arc::clone(name), Entry::Sealed(Arc::new(sealed), value.span()))
        })
        .collect();
    Ok(Layer { origin: Origin { level: Level::Environment, name: shown(path).into() }, entries: Arc::new(entries) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Redactor;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join("environments").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn open(dir: &tempfile::TempDir, name: &str) -> Result<Environment> {
        let keyring = Arc::new(Keyring::new(Arc::new(Redactor::default())));
        load(dir.path(), name, &SourceMap::new(), &keyring)
    }

    #[test]
    fn parents_come_first_and_once_and_the_child_wins() {
        let dir = project(&[
            ("base/vars/a.yml", "x: base\nonly: base\n"),
            ("left/environment.yml", "parents: [base]\n"),
            ("left/vars/a.yml", "x: left\n"),
            ("right/environment.yml", "parents: [base]\n"),
            ("child/environment.yml", "description: the child\nparents: [left, right]\ntag_file: tags.yml\n"),
            ("child/inventory/hosts", "host1\n"),
        ]);
        let child = open(&dir, "child").unwrap();
        assert_eq!(child.names, ["base", "left", "right", "child"]);
        assert_eq!(child.tag_file, dir.path().join("environments/child/tags.yml"));
        assert_eq!(child.inventories, [dir.path().join("environments/child/inventory")]);
        let scope = crate::vars::Scope::from_layers(child.layers);
        let value = |name: &str| match scope.get(name) {
            Some((Entry::Lazy(node), _)) => node.as_str().map(str::to_owned),
            _ => None,
        };
        assert_eq!(value("x").as_deref(), Some("left"));
        assert_eq!(value("only").as_deref(), Some("base"));
    }

    #[test]
    fn a_cycle_is_shown_as_a_chain() {
        let dir = project(&[("a/environment.yml", "parents: [b]\n"), ("b/environment.yml", "parents: [a]\n")]);
        let error = open(&dir, "a").unwrap_err();
        assert_eq!(error.code, "E0103");
        assert!(error.message.ends_with("a > b > a"), "{}", error.message);
    }

    #[test]
    fn unknown_names_keys_and_clear_secrets_are_refused() {
        let dir = project(&[
            ("good/environment.yml", "parents: [goood]\n"),
            ("typo/environment.yml", "descripton: x\n"),
            ("twice/environment.yml", "tag_file: a\ntag_file: b\n"),
            ("clear/secrets.yml", "password: hunter2\n"),
        ]);
        for (name, code) in [("good", "E0102"), ("nowhere", "E0102"), ("clear", "E0105"), ("../good", "E0102")] {
            assert_eq!(open(&dir, name).unwrap_err().code, code, "{name}");
        }
        assert!(open(&dir, "typo").unwrap_err().message.contains("descripton"));
        assert!(open(&dir, "twice").is_err());
    }
}
