//! `group_vars/` and `host_vars/` beside an inventory or a playbook.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::model::Inventory;
use super::options::ReadOptions;
use crate::diag::{Diagnostic, SourceMap, Subject};
use crate::vars::{Layer, Level};
use crate::vault::{Keyring, read_text};
use crate::yaml::{LoadOptions, Node, load, wrong_type};

/// What stands behind files of variables: beside which of the two they are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// An inventory.
    Inventory,
    /// A playbook.
    Playbook,
}

impl Beside {
    /// The ranks of `group_vars/all`, of other groups' files, and of hosts' files.
    fn levels(self) -> (Level, Level, Level) {
        match self {
            Self::Inventory => (Level::InventoryGroupVarsAll, Level::InventoryGroupVars, Level::InventoryHostVars),
            Self::Playbook => (Level::PlaybookGroupVarsAll, Level::PlaybookGroupVars, Level::PlaybookHostVars),
        }
    }
}

/// Reading files into a source map; collects what is wrong.
pub struct Reader<'a> {
    /// Where the texts go.
    pub sources: &'a SourceMap,
    /// Opens files that ansible-vault sealed. Without it they are passed over with a warning,
    /// so that checking needs no key.
    pub keyring: Option<&'a Keyring>,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Mappings of one name are joined (`hash_behaviour: merge`).
    pub merge: bool,
    /// What becomes of names of groups that are no names of variables.
    pub odd_groups: OddGroups,
    /// Renders what inventory plugins hold; without it such files are refused.
    pub templates: Option<&'a crate::template::Templates>,
    /// `-e`, for plugins that ask for it.
    pub extra: Vec<Layer>,
    /// What settings say about reading.
    pub options: ReadOptions,
    /// How many sources could be read.
    pub parsed: usize,
}

/// What becomes of characters in names of groups that no variable's name has (`force_valid_group_names`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OddGroups {
    /// They stay.
    #[default]
    Keep,
    /// They stay, with a warning.
    Warn,
    /// They become underscores.
    Replace,
    /// They become underscores, with a warning.
    ReplaceAndWarn,
}

impl OddGroups {
    /// As the setting spells it; somebody must have written it for a warning.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some("always") => Self::ReplaceAndWarn,
            Some("silently") => Self::Replace,
            Some("never") => Self::Warn,
            _ => Self::Keep,
        }
    }

    /// A group's name, with underscores if that is wanted; true if it has odd characters.
    pub(super) fn name(self, name: &str) -> (std::borrow::Cow<'_, str>, bool) {
        let odd = |c: char| !c.is_alphanumeric() && c != '_';
        let first = name.starts_with(|c: char| c.is_numeric());
        if !first && !name.contains(odd) {
            return (name.into(), false);
        }
        if !matches!(self, Self::Replace | Self::ReplaceAndWarn) {
            return (name.into(), true);
        }
        let mut text: String = name.chars().map(|c| if odd(c) { '_' } else { c }).collect();
        if first {
            let rest: String = text.chars().skip(1).collect();
            text = format!("_{rest}");
        }
        (text.into(), true)
    }
}

impl<'a> Reader<'a> {
    /// A reader.
    pub fn new(sources: &'a SourceMap, keyring: Option<&'a Keyring>) -> Self {
        Self {
            sources,
            keyring,
            diagnostics: Vec::new(),
            merge: false,
            odd_groups: OddGroups::Keep,
            templates: None,
            extra: Vec::new(),
            options: ReadOptions::default(),
            parsed: 0,
        }
    }

    /// A file of variables as a mapping; `None` if it is empty, sealed, or wrong (then reported).
    pub fn variables(&mut self, path: &Path) -> Option<Node> {
        self.variables_as(path, &shown(path))
    }

    /// As [`Self::variables`], with the name that messages show.
    pub fn variables_as(&mut self, path: &Path, name: &str) -> Option<Node> {
        let text = match read_text(self.sources, path, name, self.keyring) {
            Ok(text) => text,
            Err(error) => {
                self.diagnostics.push(error);
                return None;
            }
        };
        if !text.vaulted && crate::vault::ansible::is_vault(&text.file.text) {
            self.diagnostics.push(
                Diagnostic::source("I0008", format!("`{name}` is sealed by ansible-vault and was not read"))
                    .warning()
                    .with_hint("variables from it count as unknown here"),
            );
            return None;
        }
        let options = LoadOptions::default().sealed(text.vaulted);
        let (node, found) = load(self.sources, &text.file, &options).single(&text.file);
        if text.vaulted {
            // Code frames must not show what the vault keeps.
            self.sources.mask(text.file.id);
        }
        let bad = found.iter().any(Diagnostic::is_error);
        self.diagnostics.extend(found);
        if bad || node.is_null() {
            return None;
        }
        if node.as_map().is_none() {
            self.diagnostics.push(wrong_type(&node, &format!("`{name}`"), "a mapping"));
            return None;
        }
        if let (true, Some(keyring)) = (text.vaulted, self.keyring) {
            // By the variables' names, which `search_except` and findings in images know.
            for (key, value) in node.to_value().as_map().into_iter().flatten() {
                keyring.learn(&key.text(), value, None);
            }
        }
        Some(node)
    }
}

/// A path as people typed it: without a leading `./`.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

impl Inventory {
    /// Adds the layers of `group_vars/` and `host_vars/` in a folder. Adding one twice does nothing.
    pub fn add_vars_folder(&mut self, reader: &mut Reader<'_>, folder: &Path, beside: Beside) {
        if reader.options.no_variable_files {
            return;
        }
        let (all, groups, hosts) = beside.levels();
        self.folders.push((folder.to_path_buf(), beside));
        let group_vars = Found::list(&folder.join("group_vars"));
        for group in self.groups.values_mut() {
            let level = if &*group.name == "all" { all } else { groups };
            group_vars.load(reader, (&group.name, Subject::SealedForGroup), level, &mut group.files);
        }
        let host_vars = Found::list(&folder.join("host_vars"));
        for host in self.hosts.values_mut().chain(self.localhost.as_mut()) {
            host_vars.load(reader, (&host.name, Subject::SealedForHost), hosts, &mut host.files);
        }
        // A play may name a localhost that no inventory has; its files count then, too.
        if self.localhost.is_none() && !self.hosts.contains_key("localhost") {
            host_vars.load(reader, ("localhost", Subject::SealedForHost), hosts, &mut self.localhost_files);
        }
    }

    /// Takes the folders of another playbook in the place of the last one's.
    pub fn set_playbook_folder(&mut self, reader: &mut Reader<'_>, folder: &Path) {
        let (all, groups, hosts) = Beside::Playbook.levels();
        let other = |layer: &Layer| ![all, groups, hosts].contains(&layer.origin.level);
        self.groups.values_mut().for_each(|group| group.files.retain(other));
        self.hosts.values_mut().chain(self.localhost.as_mut()).for_each(|host| host.files.retain(other));
        self.localhost_files.retain(other);
        self.folders.retain(|(_, beside)| *beside != Beside::Playbook);
        self.add_vars_folder(reader, folder, Beside::Playbook);
    }

    /// Reads the files of a host and of groups that came up during the run.
    pub fn load_files_of(&mut self, reader: &mut Reader<'_>, host: Option<&str>, groups: &[&str]) {
        if reader.options.no_variable_files {
            return;
        }
        for (folder, beside) in self.folders.clone() {
            let (_, group_level, host_level) = beside.levels();
            let group_vars = Found::list(&folder.join("group_vars"));
            for group in groups.iter().filter(|group| **group != "all") {
                if let Some(group) = self.groups.get_mut(*group) {
                    group_vars.load(reader, (&group.name, Subject::SealedForGroup), group_level, &mut group.files);
                }
            }
            if let Some(host) = host.and_then(|host| self.hosts.get_mut(host)) {
                let host_vars = Found::list(&folder.join("host_vars"));
                host_vars.load(reader, (&host.name, Subject::SealedForHost), host_level, &mut host.files);
            }
        }
    }
}

/// The names in a folder, so that hosts without files cost nothing.
struct Found {
    folder: PathBuf,
    names: BTreeSet<String>,
}

const EXTENSIONS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

impl Found {
    fn list(folder: &Path) -> Self {
        let names = std::fs::read_dir(folder)
            .map(|entries| {
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect::<BTreeSet<_>>()
            })
            .unwrap_or_default();
        Self { folder: folder.to_path_buf(), names }
    }

    /// Reads the files of a name. What no password opens is told with who needs it.
    fn load(
        &self,
        reader: &mut Reader<'_>,
        (name, needed): (&str, fn(String) -> Subject),
        level: Level,
        layers: &mut Vec<Layer>,
    ) {
        // Names with a slash are paths of chroots, not files.
        if name.starts_with('/') {
            return;
        }
        // As in Ansible, the first of NAME, NAME.yml, NAME.yaml, NAME.json is the one.
        let Some(found) =
            EXTENSIONS.iter().map(|extension| format!("{name}{extension}")).find(|name| self.names.contains(name))
        else {
            return;
        };
        let path = self.folder.join(found);
        let mut files = Vec::new();
        if path.is_dir() {
            collect(&path, 0, &mut files);
        } else {
            files.push(path);
        }
        for file in files {
            let origin = shown(&file);
            if layers.iter().any(|layer| *layer.origin.name == *origin && layer.origin.level == level) {
                continue;
            }
            let before = reader.diagnostics.len();
            if let Some(node) = reader.variables(&file) {
                let layer = Layer::source(level, &origin, &node);
                layers.push(Layer { entries: Arc::clone(&layer.entries), ..layer });
            }
            for found in &mut reader.diagnostics[before..] {
                if found.is_error() && found.code.starts_with("V01") {
                    found.subject = Some(needed(name.to_owned()));
                }
            }
        }
    }
}

/// The files of a folder of variables in order, folders inside it included.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let extension = name.rfind('.').map_or("", |at| &name[at..]);
        if path.is_dir() {
            if extension.is_empty() && depth < 16 {
                collect(&path, depth + 1, files);
            }
        } else if EXTENSIONS.contains(&extension) {
            files.push(path);
        }
    }
}
