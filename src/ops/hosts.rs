//! The inventory as the engine asks for it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use indexmap::IndexMap;

use super::project::Policy;
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::engine::{HostList, HostRecord};
use crate::event::{EventKind, Sink};
use crate::inventory::{Beside, Inventory, InventorySource, OddGroups, ReadOptions, Reader, read_limit};
use crate::playbook::InventoryVariable;
use crate::template::Templates;
use crate::value::{Map, Value};
use crate::vars::{Entry, Layer};
use crate::vault::Keyring;
use crate::yaml::Node;

/// The inventories of a run, limited.
pub(super) struct InventoryHosts {
    inventory: Mutex<Inventory>,
    limit: Option<Vec<String>>,
    location: Option<PathBuf>,
    /// Tells of patterns that match nothing, each once.
    sink: OnceLock<Sink>,
    policy: Policy,
    told: Mutex<HashSet<String>>,
    /// The folder of the playbook whose files of hosts and groups count.
    folder: Mutex<PathBuf>,
    /// For files of hosts and groups that are added during the run.
    files: Option<(Arc<SourceMap>, Arc<Keyring>)>,
    plugins: (Weak<Templates>, Vec<Layer>),
    /// What was read, and how: for `meta: refresh_inventory`.
    read: Vec<InventorySource>,
    options: ReadOptions,
    odd_groups: OddGroups,
    merge: bool,
    /// What was added during the run, in order.
    added: Mutex<Vec<Added>>,
}

/// Something that a task added.
#[derive(Clone)]
enum Added {
    Host { name: String, groups: Vec<String>, vars: Map },
    Group { host: String, group: String, parents: Vec<String> },
}

impl Added {
    fn apply(&self, inventory: &mut Inventory) -> Result<()> {
        match self {
            Self::Host { name, groups, vars } => {
                inventory.add_dynamic_host(name, groups, vars.iter().map(|(key, value)| (key.text(), value.clone())));
                Ok(())
            }
            Self::Group { host, group, parents } => inventory.add_to_group(host, group, parents),
        }
    }

    /// The host and the groups whose files are to be read.
    fn names(&self) -> (Option<&str>, Vec<&str>) {
        match self {
            Self::Host { name, groups, .. } => (Some(name), groups.iter().map(String::as_str).collect()),
            Self::Group { group, parents, .. } => {
                (None, std::iter::once(group).chain(parents).map(String::as_str).collect())
            }
        }
    }
}

impl InventoryHosts {
    /// What becomes of patterns that match nothing.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// From now on files of hosts and groups that are added are read.
    pub fn set_files(&mut self, sources: &Arc<SourceMap>, keyring: &Arc<Keyring>) {
        self.files = Some((Arc::clone(sources), Arc::clone(keyring)));
    }

    /// What inventory plugins use when sources are read anew: templates, and the variables of `-e`.
    pub fn set_plugins(&mut self, templates: &Arc<Templates>, extra: Vec<Layer>) {
        self.plugins = (Arc::downgrade(templates), extra);
    }

    /// Reads the files of what was added; the first error is the task's.
    fn read_files(&self, host: Option<&str>, groups: &[&str]) -> Result<()> {
        let Some((sources, keyring)) = &self.files else { return Ok(()) };
        let mut reader = Reader::new(sources, Some(keyring));
        reader.options = self.options.clone();
        self.inventory().load_files_of(&mut reader, host, groups);
        reader.diagnostics.into_iter().find(Diagnostic::is_error).map_or(Ok(()), Err)
    }

    /// Applies what a task added, and keeps it.
    fn add(&self, added: Added) -> Result<()> {
        added.apply(&mut self.inventory())?;
        let (host, groups) = added.names();
        let read = self.read_files(host, &groups);
        self.added.lock().unwrap_or_else(PoisonError::into_inner).push(added);
        read
    }

    /// From now on patterns that match nothing are told.
    pub fn tell(&self, sink: &Sink) {
        // A second run of the same inventory goes on with the first one's sink.
        let _ = self.sink.set(sink.clone());
    }

    /// Reads all sources, then the variable folders beside the playbook.
    pub fn load(
        sources: &[InventorySource],
        playbook_dir: &Path,
        limit: Option<&str>,
        reader: &mut Reader<'_>,
    ) -> Result<Self> {
        let mut inventory = Inventory::load(reader, sources);
        inventory.add_vars_folder(reader, playbook_dir, Beside::Playbook);
        let limit = limit.map(read_limit).transpose()?;
        if let Some(limit) = &limit {
            let found = inventory.check_limit(limit);
            match found {
                // As Ansible: what the limit names and is not there is told first; a limit of nothing is only told.
                Err(error) if reader.options.go_on && error.code == "I0013" => {
                    reader.diagnostics.extend(inventory.unmatched(limit));
                    reader.diagnostics.extend(inventory.hosts().next().is_some().then_some(error));
                }
                found => reader.diagnostics.extend(found?),
            }
        }
        let location = sources.iter().find_map(|source| match source {
            InventorySource::Path(path) => Some(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            InventorySource::Hosts(_) => None,
        });
        Ok(Self {
            inventory: Mutex::new(inventory),
            limit,
            location,
            sink: OnceLock::new(),
            policy: Policy::default(),
            told: Mutex::default(),
            folder: Mutex::new(playbook_dir.to_path_buf()),
            files: None,
            plugins: Default::default(),
            read: sources.to_vec(),
            options: reader.options.clone(),
            odd_groups: reader.odd_groups,
            merge: reader.merge,
            added: Mutex::default(),
        })
    }

    /// The hosts of a pattern, and what is to be told about it.
    pub fn select_with_warnings(&self, pattern: &str) -> Result<(Vec<Arc<str>>, Vec<Diagnostic>)> {
        let selected = self.inventory().select(pattern, self.limit.as_deref(), None)?;
        Ok((selected.hosts, selected.warnings))
    }

    /// The inventory itself.
    pub fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.inventory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every variable that the inventory defines: the names, those of groups without hosts, too, which a play may add
    /// hosts to; and the values that are written somewhere for a host. `reached` tells the hosts that plays are for.
    pub fn variables(&self, reached: &dyn Fn(&str) -> bool) -> (HashSet<Arc<str>>, Vec<InventoryVariable>) {
        let inventory = self.inventory();
        let (mut names, mut found) = (HashSet::new(), IndexMap::<_, InventoryVariable>::new());
        for group in inventory.groups() {
            let layers = inventory.group_layers(&group.name);
            names.extend(layers.iter().flat_map(|layer| layer.entries.keys().cloned()));
        }
        for host in inventory.hosts() {
            let is_reached = reached(&host.name);
            for layer in inventory.layers(&host.name) {
                for (name, entry) in layer.entries.iter() {
                    names.insert(Arc::clone(name));
                    let node = match entry {
                        Entry::Lazy(node) => node.clone(),
                        Entry::Data(Value::Str(text), Some(span)) => Node::text(Arc::clone(text), *span),
                        _ => continue,
                    };
                    let known = found.entry(node.place()).or_insert_with(|| InventoryVariable {
                        name: Arc::clone(name),
                        node,
                        reached: false,
                        hosts: Vec::new(),
                    });
                    known.reached |= is_reached;
                    if !known.reached {
                        known.hosts.push(Arc::clone(&host.name));
                    }
                }
            }
        }
        (names, found.into_values().collect())
    }
}

impl InventoryHosts {
    /// The login and become passwords that the inventory holds as they are.
    pub fn passwords(&self) -> Vec<String> {
        let inventory = self.inventory();
        let hosts: Vec<Arc<str>> = inventory.hosts().map(|host| Arc::clone(&host.name)).collect();
        hosts
            .iter()
            .flat_map(|host| inventory.layers(host))
            .flat_map(|layer| layer.passwords().collect::<Vec<_>>())
            .collect()
    }
}

impl HostList for InventoryHosts {
    fn select(&self, pattern: &str) -> Result<Vec<Arc<str>>> {
        let selected = self.inventory().select(pattern, self.limit.as_deref(), None)?;
        for diagnostic in selected.warnings {
            let Some(mut diagnostic) = self.policy.apply(diagnostic) else { continue };
            if diagnostic.is_error() {
                diagnostic.kind = Kind::Local;
                return Err(diagnostic);
            }
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(sink) = self.sink.get()
                && told.insert(diagnostic.message.clone())
            {
                sink.emit(None, EventKind::Warning { diagnostic });
            }
        }
        Ok(selected.hosts)
    }

    fn host(&self, name: &str) -> Option<HostRecord> {
        let mut inventory = self.inventory();
        if matches!(name, "localhost" | "127.0.0.1" | "::1") && inventory.host(name).is_none() {
            inventory.implicit_localhost(name);
        }
        let host = inventory.host(name)?;
        let mut groups = inventory.group_names(name);
        groups.retain(|group| &**group != "all" && &**group != "ungrouped");
        let source = host.source.as_deref().and_then(|path| std::path::absolute(path).ok());
        Some(HostRecord {
            name: Arc::clone(&host.name),
            layers: inventory.layers(name),
            groups,
            source,
            added: host.added,
        })
    }

    fn groups(&self) -> IndexMap<Arc<str>, Vec<Arc<str>>> {
        let inventory = self.inventory();
        let names: Vec<Arc<str>> = inventory.groups().map(|group| Arc::clone(&group.name)).collect();
        names.into_iter().map(|name| (Arc::clone(&name), inventory.group_hosts(&name))).collect()
    }

    fn add_host(&self, name: &str, groups: &[String], vars: &Map) -> Result<bool> {
        let before = self.host(name);
        self.add(Added::Host { name: name.to_owned(), groups: groups.to_vec(), vars: vars.clone() })?;
        let Some(before) = before else { return Ok(true) };
        let after = self.host(name);
        Ok(after.is_some_and(|after| {
            after.groups != before.groups
                || vars.iter().any(|(key, value)| {
                    let known = before.layers.iter().rev().find_map(|layer| layer.entries.get(&key.text()));
                    !matches!(known, Some(Entry::Data(old, _)) if old == value)
                })
        }))
    }

    fn add_to_group(&self, host: &str, group: &str, parents: &[String]) -> Result<bool> {
        let before = self.inventory().group_names(host).iter().any(|name| &**name == group);
        self.add(Added::Group { host: host.to_owned(), group: group.to_owned(), parents: parents.to_vec() })?;
        Ok(!before)
    }

    fn refresh(&self) -> Result<()> {
        let Some((sources, keyring)) = &self.files else { return Ok(()) };
        let mut reader = Reader::new(sources, Some(keyring));
        reader.options = self.options.clone();
        (reader.odd_groups, reader.merge) = (self.odd_groups, self.merge);
        let templates = self.plugins.0.upgrade();
        reader.templates = templates.as_deref();
        reader.extra.clone_from(&self.plugins.1);
        let mut inventory = Inventory::load(&mut reader, &self.read);
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        inventory.add_vars_folder(&mut reader, &folder, Beside::Playbook);
        for added in self.added.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            added.apply(&mut inventory)?;
            let (host, groups) = added.names();
            inventory.load_files_of(&mut reader, host, &groups);
        }
        match reader.diagnostics.into_iter().find(Diagnostic::is_error) {
            Some(wrong) => Err(wrong),
            None => {
                *self.inventory() = inventory;
                Ok(())
            }
        }
    }

    fn location(&self) -> Option<PathBuf> {
        self.location.clone()
    }

    fn enter_playbook(&self, dir: &Path) -> Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((sources, keyring)) = self.files.as_ref().filter(|_| **folder != *dir) else { return Ok(()) };
        let mut reader = Reader::new(sources, Some(keyring));
        reader.options = self.options.clone();
        self.inventory().set_playbook_folder(&mut reader, dir);
        dir.clone_into(&mut folder);
        reader.diagnostics.into_iter().find(Diagnostic::is_error).map_or(Ok(()), Err)
    }
}
