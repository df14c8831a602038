//! Hosts and groups, their relations, and the layers of variables of a host.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::diag::{Diagnostic, Result, Span};
use crate::value::Value;
use crate::vars::{Entry, Layer, Level, Origin};

/// Variables of a host or group in inventory files, by name.
pub(super) type Vars = IndexMap<Arc<str>, Entry>;

/// A host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// `inventory_hostname`.
    pub name: Arc<str>,
    /// Where it was first named; none for hosts from a list, a program or a task.
    pub span: Option<Span>,
    /// The inventory source that first named it.
    pub source: Option<PathBuf>,
    /// Groups that name it directly, in order.
    pub(super) groups: IndexSet<Arc<str>>,
    pub(super) vars: Vars,
    /// For people: where the variables stand.
    pub(super) origin: Arc<str>,
    /// Layers from `host_vars/`.
    pub(super) files: Vec<Layer>,
    /// Localhost that no inventory names.
    pub implicit: bool,
    /// A task added it.
    pub added: bool,
    /// Mappings join those of the same name (`hash_behaviour: merge`).
    merge: bool,
}

/// A group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    pub(super) children: IndexSet<Arc<str>>,
    pub(super) parents: IndexSet<Arc<str>>,
    pub(super) hosts: IndexSet<Arc<str>>,
    pub(super) vars: Vars,
    pub(super) origin: Arc<str>,
    pub(super) files: Vec<Layer>,
    pub(super) priority: i64,
    /// Mappings join those of the same name (`hash_behaviour: merge`).
    merge: bool,
}

/// All hosts and groups of a run.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) hosts: IndexMap<Arc<str>, Host>,
    pub(super) groups: IndexMap<Arc<str>, Group>,
    /// `localhost` by any of its names, if nobody named it.
    pub(super) localhost: Option<Host>,
    /// What `host_vars/localhost` says for it.
    pub(super) localhost_files: Vec<Layer>,
    /// Folders with `group_vars/` and `host_vars/`, for what is added during a run.
    pub(super) folders: Vec<(std::path::PathBuf, super::files::Beside)>,
    /// Mappings of a host or group that stand in several places are joined (`hash_behaviour: merge`).
    pub(super) merge: bool,
    /// What becomes of odd characters in names of groups.
    pub(super) odd_groups: super::files::OddGroups,
    /// A group's name has such.
    pub(super) odd_found: bool,
    /// Folders of the sources read so far, for plugins that look at their variables.
    pub(super) before: Vec<PathBuf>,
}

/// The names under which localhost is implicit.
pub(super) const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Default for Inventory {
    fn default() -> Self {
        Self::new()
    }
}

impl Inventory {
    /// An inventory with nothing but `all` and `ungrouped`.
    pub fn new() -> Self {
        let mut inventory = Self {
            hosts: IndexMap::new(),
            groups: IndexMap::new(),
            localhost: None,
            localhost_files: Vec::new(),
            folders: Vec::new(),
            merge: false,
            odd_groups: super::files::OddGroups::Keep,
            odd_found: false,
            before: Vec::new(),
        };
        inventory.add_group("all");
        inventory.add_group("ungrouped");
        inventory.link("all", "ungrouped");
        inventory
    }

    /// The hosts in order.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// A host by name; also implicit localhost.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name).or_else(|| self.localhost.as_ref().filter(|_| LOCALHOST.contains(&name)))
    }

    /// The groups in order, `all` and `ungrouped` first.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// The hosts of a group and its children, as the `groups` variable has them.
    pub fn group_hosts(&self, group: &str) -> Vec<Arc<str>> {
        let mut hosts = IndexSet::new();
        for name in self.descendants(group) {
            if let Some(group) = self.groups.get(&name) {
                hosts.extend(group.hosts.iter().cloned());
            }
        }
        hosts.into_iter().collect()
    }

    /// `group_names`: the groups of a host without `all`, sorted.
    pub fn group_names(&self, host: &str) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.groups_of(host).into_iter().filter(|name| &**name != "all").collect();
        names.sort();
        names
    }

    /// The groups of a host with all their ancestors, in the order in which variables apply:
    /// `all` first, then by depth, priority and name.
    fn groups_of(&self, host: &str) -> Vec<Arc<str>> {
        let mut found: IndexSet<Arc<str>> = IndexSet::new();
        let mut open: Vec<Arc<str>> =
            self.host(host).map(|host| host.groups.iter().cloned().collect()).unwrap_or_default();
        while let Some(name) = open.pop() {
            if let Some(group) = self.groups.get(&name)
                && found.insert(name)
            {
                open.extend(group.parents.iter().cloned());
            }
        }
        found.insert(Arc::from("all"));
        let mut sorted: Vec<Arc<str>> = found.into_iter().collect();
        let depths = self.depths(&sorted);
        sorted.sort_by_cached_key(|name| {
            let priority = self.groups.get(name).map_or(1, |group| group.priority);
            (&**name != "all", depths.get(name).copied().unwrap_or(0), priority, Arc::clone(name))
        });
        sorted
    }

    /// The longest way from `all` down to each of these groups, each way gone once.
    fn depths(&self, names: &[Arc<str>]) -> HashMap<Arc<str>, usize> {
        let mut depths: HashMap<Arc<str>, usize> = HashMap::new();
        // Loops are refused when groups are linked, so this ends.
        let mut open: Vec<Arc<str>> = names.to_vec();
        while let Some(name) = open.last().cloned() {
            let parents = self.groups.get(&name).map(|group| &group.parents);
            let missing: Vec<Arc<str>> =
                parents.into_iter().flatten().filter(|parent| !depths.contains_key(*parent)).cloned().collect();
            if missing.is_empty() {
                let above = parents.into_iter().flatten().filter_map(|parent| depths.get(parent)).max();
                depths.insert(name, above.map_or(0, |above| above + 1));
                open.pop();
            } else {
                open.extend(missing);
            }
        }
        depths
    }

    /// The variables of a host from this inventory, lowest rank first.
    pub fn layers(&self, host: &str) -> Vec<Layer> {
        let mut layers = Vec::new();
        let layer = |level, origin: &Arc<str>, vars: &Vars| Layer {
            origin: Origin { level, name: Arc::clone(origin) },
            entries: Arc::new(vars.clone()),
        };
        for name in self.groups_of(host) {
            if let Some(group) = self.groups.get(&name) {
                layers.push(layer(Level::InventoryGroup, &group.origin, &group.vars));
                layers.extend(group.files.iter().cloned());
            }
        }
        if let Some(host) = self.host(host) {
            layers.push(layer(Level::InventoryHost, &host.origin, &host.vars));
            layers.extend(host.files.iter().cloned());
        }
        layers.retain(|layer| !layer.entries.is_empty());
        layers.sort_by_key(|layer| layer.origin.level);
        layers
    }

    /// The variables that a host has by itself: its own and those of its `host_vars`, lowest rank first.
    pub fn own_layers(&self, host: &str) -> Vec<Layer> {
        let Some(host) = self.host(host) else { return Vec::new() };
        own_layers(Level::InventoryHost, &host.origin, &host.vars, &host.files)
    }

    /// The variables that a group gives to its hosts, lowest rank first.
    pub fn group_layers(&self, group: &str) -> Vec<Layer> {
        let Some(group) = self.groups.get(group) else { return Vec::new() };
        own_layers(Level::InventoryGroup, &group.origin, &group.vars, &group.files)
    }

    /// Adds a host that a task names (`add_host`), with its variables and groups.
    pub fn add_dynamic_host(
        &mut self,
        name: &str,
        groups: &[String],
        vars: impl IntoIterator<Item = (Arc<str>, Value)>,
    ) {
        let known = self.hosts.contains_key(name);
        self.add_host(name, "all", None, None);
        if let Some(host) = self.hosts.get_mut(name) {
            host.added |= !known;
            if host.origin.is_empty() {
                host.origin = Arc::from(format!("host {name}"));
            }
            for (name, value) in vars {
                host.set(name, Entry::Data(value, None));
            }
        }
        for group in groups {
            self.add_host(name, group, None, None);
        }
        self.settle();
    }

    /// Puts a host into a group that is made if needed (`group_by`).
    pub fn add_to_group(&mut self, host: &str, group: &str, parents: &[String]) -> Result<()> {
        self.add_group(group);
        for parent in parents {
            self.add_group(parent);
            self.add_child(parent, group, None)?;
        }
        if self.hosts.contains_key(host) {
            self.add_host(host, group, None, None);
        }
        self.settle();
        Ok(())
    }

    /// From now on mappings of one name are joined, or not.
    pub(super) fn join_mappings(&mut self, merge: bool) {
        self.merge = merge;
        self.groups.values_mut().for_each(|group| group.merge = merge);
        self.hosts.values_mut().for_each(|host| host.merge = merge);
    }

    /// Whether mappings of one name are joined.
    pub fn merges(&self) -> bool {
        self.merge
    }

    /// A group's name as the settings want it.
    pub(super) fn safe(&mut self, name: &str) -> String {
        let (name, odd) = self.odd_groups.name(name);
        self.odd_found |= odd;
        name.into_owned()
    }

    pub(super) fn add_group(&mut self, name: &str) -> &mut Group {
        let merge = self.merge;
        let name = &*self.safe(name);
        self.groups.entry(Arc::from(name)).or_insert_with(|| Group {
            name: Arc::from(name),
            origin: Arc::from(format!("group {name}")),
            priority: 1,
            merge,
            ..Group::default()
        })
    }

    pub(super) fn add_host(
        &mut self,
        name: &str,
        group: &str,
        span: Option<Span>,
        source: Option<&PathBuf>,
    ) -> &mut Host {
        let name: Arc<str> = Arc::from(name);
        let merge = self.merge;
        let group = &*self.safe(group);
        self.add_group(group).hosts.insert(Arc::clone(&name));
        let host = self.hosts.entry(Arc::clone(&name)).or_insert_with(|| Host {
            origin: Arc::from(format!("host {name}")),
            name,
            span,
            source: source.cloned(),
            merge,
            ..Host::default()
        });
        host.groups.insert(Arc::from(group));
        host
    }

    fn link(&mut self, parent: &str, child: &str) {
        if let Some(group) = self.groups.get_mut(parent) {
            group.children.insert(Arc::from(child));
        }
        if let Some(group) = self.groups.get_mut(child) {
            group.parents.insert(Arc::from(parent));
        }
    }

    /// Makes a group a child of another; a loop is an error that shows its chain.
    pub(super) fn add_child(&mut self, parent: &str, child: &str, span: Option<Span>) -> Result<()> {
        let (parent, child) = (&*self.safe(parent), &*self.safe(child));
        if let Some(chain) = self.chain(child, parent) {
            let names: Vec<String> = chain.iter().chain([&Arc::from(child)]).map(|name| format!("`{name}`")).collect();
            return Err(Diagnostic::source("I0003", format!("group `{child}` would contain itself"))
                .with_label_opt(span, format!("made a child of `{parent}` here"))
                .with_note(format!("the chain is {}", names.join(" > ")))
                .with_hint("remove one of these children"));
        }
        self.link(parent, child);
        Ok(())
    }

    /// The way down from a group to another, both included.
    fn chain(&self, from: &str, to: &str) -> Option<Vec<Arc<str>>> {
        // Each group with the one that it was found by, the last found first.
        let mut found_by: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        let mut open: Vec<Arc<str>> = vec![Arc::from(from)];
        while let Some(last) = open.pop() {
            if &*last == to {
                let mut way = vec![last];
                while let Some(before) = way.last().filter(|name| &***name != from).and_then(|name| found_by.get(name))
                {
                    way.push(Arc::clone(before));
                }
                way.reverse();
                return Some(way);
            }
            for child in self.groups.get(&last).into_iter().flat_map(|group| &group.children) {
                if !found_by.contains_key(child) {
                    found_by.insert(Arc::clone(child), Arc::clone(&last));
                    open.push(Arc::clone(child));
                }
            }
        }
        None
    }

    /// A group and those below it, level by level.
    pub(super) fn descendants(&self, name: &str) -> Vec<Arc<str>> {
        let mut found: IndexSet<Arc<str>> = IndexSet::new();
        found.insert(Arc::from(name));
        let mut at = 0;
        while let Some(name) = found.get_index(at).cloned() {
            if let Some(group) = self.groups.get(&name) {
                found.extend(group.children.iter().cloned());
            }
            at += 1;
        }
        found.into_iter().collect()
    }

    /// The rules that hold after reading: every group is below `all`, and hosts without a group
    /// of their own are in `ungrouped`.
    pub(super) fn settle(&mut self) {
        let orphans: Vec<Arc<str>> = self
            .groups
            .values()
            .filter(|group| &*group.name != "all" && group.parents.is_empty())
            .map(|group| Arc::clone(&group.name))
            .collect();
        for name in orphans {
            self.link("all", &name);
        }
        let names: Vec<Arc<str>> = self.hosts.keys().cloned().collect();
        for name in names {
            let Some(host) = self.hosts.get_mut(&name) else { continue };
            let own = host.groups.iter().any(|group| !matches!(&**group, "all" | "ungrouped"));
            if own {
                host.groups.shift_remove("ungrouped");
            } else {
                host.groups.insert(Arc::from("ungrouped"));
            }
            if let Some(group) = self.groups.get_mut("ungrouped") {
                if own {
                    group.hosts.shift_remove(&name);
                } else {
                    group.hosts.insert(name);
                }
            }
        }
    }

    /// The name under which localhost is run when nobody named it; made on first use.
    pub fn implicit_localhost(&mut self, name: &str) -> Arc<str> {
        let host = self.localhost.get_or_insert_with(|| Host {
            name: Arc::from(name),
            origin: Arc::from("implicit localhost"),
            implicit: true,
            files: if name == "localhost" { std::mem::take(&mut self.localhost_files) } else { Vec::new() },
            vars: [("ansible_connection", "local"), ("ansible_python_interpreter", controller_python())]
                .into_iter()
                .map(|(name, value)| (Arc::from(name), Entry::Data(Value::from(value), None)))
                .collect(),
            ..Host::default()
        });
        Arc::clone(&host.name)
    }
}

/// The Python of this machine, where it has one: nothing of hostctl runs it, but playbooks name it
/// (`ansible_playbook_python`), and implicit localhost's own programs in Python run with it.
pub fn controller_python() -> &'static str {
    static FOUND: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    FOUND.get_or_init(|| {
        crate::system::process::which("python3", None)
            .map_or_else(|| "/usr/bin/python3".to_owned(), |path| path.display().to_string())
    })
}

fn own_layers(level: Level, origin: &Arc<str>, vars: &Vars, files: &[Layer]) -> Vec<Layer> {
    let own = Layer { origin: Origin { level, name: Arc::clone(origin) }, entries: Arc::new(vars.clone()) };
    std::iter::once(own).chain(files.iter().cloned()).collect()
}

impl Group {
    /// Its rank among groups of one depth (`ansible_group_priority`).
    pub fn priority(&self) -> i64 {
        self.priority
    }

    /// Hosts that the group names itself.
    pub fn own_hosts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.hosts.iter()
    }

    /// Groups that it names as children.
    pub fn children(&self) -> impl Iterator<Item = &Arc<str>> {
        self.children.iter()
    }

    /// Sets a variable; `ansible_group_priority` is no variable but the group's rank among its peers.
    pub(super) fn set(&mut self, name: &str, entry: Entry) {
        if name == "ansible_group_priority"
            && let Entry::Lazy(node) = &entry
            && let Some(scalar) = node.as_scalar()
            && let Ok(priority) = scalar.text.trim().parse()
        {
            self.priority = priority;
            return;
        }
        set(&mut self.vars, Arc::from(name), entry, self.merge);
    }
}

impl Host {
    /// Sets a variable.
    pub(super) fn set(&mut self, name: Arc<str>, entry: Entry) {
        set(&mut self.vars, name, entry, self.merge);
    }
}

fn set(vars: &mut Vars, name: Arc<str>, entry: Entry, merge: bool) {
    let entry = match vars.get(&name) {
        Some(low) if merge => entry.over(low),
        _ => entry,
    };
    vars.insert(name, entry);
}
