//! An inventory as `ansible-inventory` shows it: lists, one host's variables, the tree of groups.
//!
//! Values are shown as they were written: nothing is rendered, and what a vault keeps stays sealed.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::project::{Opened, ProjectRequest, open};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::inventory::Inventory;
use crate::value::{Key, Map, StrKey, Value, insert, python_str};
use crate::vars::{Entry, Layer};
use crate::yaml::{Node, NodeData, Tag};

/// An opened inventory with the hosts that the limit leaves.
pub struct InventoryView {
    opened: Opened,
    hosts: HashSet<Arc<str>>,
    order: Vec<Arc<str>>,
    export: bool,
    /// What is to be told about it.
    pub warnings: Vec<Diagnostic>,
}

/// A host with its groups and variables.
pub struct ListedHost {
    /// Its name.
    pub name: Arc<str>,
    /// The groups that it is in, without `all`.
    pub groups: Vec<String>,
    /// Its variables as they were written.
    pub vars: Map,
}

impl ListedHost {
    /// Where it is reached, if that is written somewhere: user, address and port, or the kind of connection.
    pub fn address(&self) -> String {
        let text = |names: &[&str]| names.iter().find_map(|name| self.vars.get(&StrKey(name))).map(python_str);
        if let Some(connection) = text(&["ansible_connection"]).filter(|kind| !matches!(kind.as_str(), "ssh" | "smart"))
        {
            return connection;
        }
        let user = text(&["ansible_user", "ansible_ssh_user"]).map_or_else(String::new, |user| format!("{user}@"));
        let host = text(&["ansible_host", "ansible_ssh_host"]);
        let port = text(&["ansible_port", "ansible_ssh_port"]).map_or_else(String::new, |port| format!(":{port}"));
        if user.is_empty() && port.is_empty() && host.is_none() {
            return String::new();
        }
        format!("{user}{}{port}", host.as_deref().unwrap_or(&self.name))
    }
}

impl InventoryView {
    /// Opens the inventory of a request; `dir` is the folder whose variable folders count, too. With `export` each
    /// host and group shows its own variables only.
    pub fn open(request: &ProjectRequest, dir: &Path, export: bool, sources: &Arc<SourceMap>) -> Result<Self> {
        let opened = open(request, &dir.join("playbook.yml"), sources, true)?;
        let (order, found) = opened.hosts.select_with_warnings("all")?;
        let mut warnings = opened.problems.clone();
        warnings.extend(request.settled(found));
        Ok(Self { hosts: order.iter().cloned().collect(), order, opened, export, warnings })
    }

    /// The variables of the one host that a pattern names.
    pub fn host(&self, pattern: &str) -> Result<Value> {
        let selected = self.opened.hosts.inventory().select(pattern, None, None)?;
        match &selected.hosts[..] {
            [host] => Ok(Value::from(self.host_vars(&self.opened.hosts.inventory(), host))),
            _ => Err(Diagnostic::new("I0101", Kind::Usage, "You must pass a single valid host to --host parameter")),
        }
    }

    /// A text without the secrets that the vaults hold.
    pub fn redact(&self, text: &str) -> String {
        self.opened.redactor.redact(text).into_owned()
    }

    /// The hosts of a pattern that the limit leaves.
    pub fn hosts(&self, pattern: &str) -> Result<Vec<ListedHost>> {
        let (order, _) = self.opened.hosts.select_with_warnings(pattern)?;
        let inventory = self.opened.hosts.inventory();
        let listed = order.into_iter().map(|name| ListedHost {
            groups: inventory.group_names(&name).iter().map(ToString::to_string).collect(),
            vars: self.host_vars(&inventory, &name),
            name,
        });
        Ok(listed.collect())
    }

    fn host_vars(&self, inventory: &Inventory, host: &str) -> Map {
        self.host_vars_as(inventory, host, None)
    }

    fn host_vars_as(&self, inventory: &Inventory, host: &str, trusted: Option<&Trusted>) -> Map {
        let layers = if self.export { inventory.own_layers(host) } else { inventory.layers(host) };
        let given = if self.export { &[][..] } else { &self.opened.layers[..] };
        let mut vars = merged(layers.iter().chain(given), inventory.merges(), trusted);
        // What Ansible adds to the implicit localhost only.
        if inventory.host(host).is_some_and(|host| host.implicit) && !self.export {
            insert(&mut vars, "ansible_connection", "local");
        }
        vars
    }

    fn group_vars(inventory: &Inventory, group: &str, trusted: Option<&Trusted>) -> Map {
        let mut vars = merged(inventory.group_layers(group).iter(), inventory.merges(), trusted);
        let priority =
            inventory.groups().find(|known| *known.name == *group).map_or(1, crate::inventory::Group::priority);
        if priority != 1 {
            insert(&mut vars, "ansible_group_priority", priority);
        }
        vars
    }

    /// `--list`: every group with hosts and children, variables by host below `_meta`.
    pub fn list(&self) -> Value {
        let inventory = self.opened.hosts.inventory();
        let mut out = Map::new();
        let mut seen = HashSet::new();
        let trusted = Trusted::of(&inventory, &self.order, &self.opened.layers);
        self.list_group(&inventory, "all", &trusted, &mut seen, &mut out);
        let mut hostvars = Map::new();
        for host in &self.order {
            let vars = self.host_vars_as(&inventory, host, Some(&trusted));
            if !vars.is_empty() {
                insert(&mut hostvars, host, Value::from(vars));
            }
        }
        insert(&mut out, "_meta", Value::from(crate::map! { "hostvars" => hostvars, "profile" => "inventory_legacy" }));
        Value::from(out)
    }

    fn list_group(
        &self,
        inventory: &Inventory,
        name: &str,
        trusted: &Trusted,
        seen: &mut HashSet<Arc<str>>,
        out: &mut Map,
    ) {
        let Some(group) = inventory.groups().find(|group| *group.name == *name) else { return };
        let mut shown = Map::new();
        let hosts: Vec<Value> =
            group.own_hosts().filter(|host| self.hosts.contains(*host)).map(|host| Value::from(&**host)).collect();
        if name != "all" && !hosts.is_empty() {
            insert(&mut shown, "hosts", Value::from(hosts));
        }
        let children: Vec<Arc<str>> = group.children().cloned().collect();
        if !children.is_empty() {
            insert(
                &mut shown,
                "children",
                Value::from(children.iter().map(|child| Value::from(&**child)).collect::<Vec<_>>()),
            );
        }
        for child in &children {
            if seen.insert(Arc::clone(child)) {
                self.list_group(inventory, child, trusted, seen, out);
            }
        }
        if self.export {
            let vars = Self::group_vars(inventory, name, Some(trusted));
            if !vars.is_empty() {
                insert(&mut shown, "vars", Value::from(vars));
            }
        }
        if !shown.is_empty() {
            insert(out, name, Value::from(shown));
        }
    }

    /// `--list --yaml`: the tree of groups, each host's variables where it stands first.
    pub fn tree(&self) -> Value {
        let inventory = self.opened.hosts.inventory();
        let (mut groups, mut hosts) = (HashSet::new(), HashSet::new());
        Value::from(self.tree_group(&inventory, "all", &mut groups, &mut hosts))
    }

    fn tree_group(
        &self,
        inventory: &Inventory,
        name: &str,
        seen: &mut HashSet<Arc<str>>,
        seen_hosts: &mut HashSet<Arc<str>>,
    ) -> Map {
        let Some(group) = inventory.groups().find(|group| *group.name == *name) else { return Map::new() };
        let mut shown = Map::new();
        let mut children = Map::new();
        for child in group.children().cloned().collect::<Vec<_>>() {
            if seen.contains(&child) {
                insert(&mut children, &child, Value::empty_map());
            } else {
                children.extend(self.tree_group(inventory, &child, seen, seen_hosts));
                seen.insert(child);
            }
        }
        if !children.is_empty() {
            insert(&mut shown, "children", Value::from(children));
        }
        if name != "all" {
            let mut hosts = Map::new();
            for host in group.own_hosts().filter(|host| self.hosts.contains(*host)) {
                let first = seen_hosts.insert(Arc::clone(host));
                let vars = if first { self.host_vars(inventory, host) } else { Map::new() };
                insert(&mut hosts, host, Value::from(vars));
            }
            if !hosts.is_empty() {
                insert(&mut shown, "hosts", Value::from(hosts));
            }
        }
        if self.export {
            let vars = Self::group_vars(inventory, name, None);
            if !vars.is_empty() {
                insert(&mut shown, "vars", Value::from(vars));
            }
        }
        if shown.is_empty() {
            shown
        } else {
            crate::map! { name => shown }
        }
    }

    /// `--graph`: the tree of groups and hosts below a group as lines; with `vars` their variables.
    pub fn graph(&self, group: &str, vars: bool) -> Result<String> {
        let inventory = self.opened.hosts.inventory();
        if !inventory.groups().any(|known| *known.name == *group) {
            let known: Vec<String> = inventory.groups().map(|group| group.name.to_string()).collect();
            let text = format!("there is no group `{group}` in the inventory");
            return Err(Diagnostic::new("I0101", Kind::Usage, text)
                .with_registered("Pattern must be valid group name when using --graph")
                .with_nearest(group, known.iter().map(String::as_str))
                .with_hint_else("hostctl inventory graph"));
        }
        let mut lines = Vec::new();
        self.graph_group(&inventory, group, 0, vars, &mut lines);
        Ok(lines.join("\n") + "\n")
    }

    fn graph_group(&self, inventory: &Inventory, name: &str, depth: usize, vars: bool, lines: &mut Vec<String>) {
        let Some(group) = inventory.groups().find(|group| *group.name == *name) else { return };
        let line = |text: String, depth: usize| match depth {
            0 => text,
            _ => format!("{}--{text}", "  |".repeat(depth)),
        };
        let variables = |map: Map, depth: usize, lines: &mut Vec<String>| {
            let mut all: Vec<(Key, Value)> = map.into_iter().collect();
            all.sort_by_key(|(name, _)| name.text());
            lines.extend(
                all.iter().map(|(name, value)| line(format!("{{{} = {}}}", name.text(), python_str(value)), depth)),
            );
        };
        lines.push(line(format!("@{name}:"), depth));
        for child in group.children() {
            self.graph_group(inventory, child, depth + 1, vars, lines);
        }
        if name != "all" {
            for host in group.own_hosts() {
                lines.push(line(host.to_string(), depth + 1));
                if vars {
                    variables(self.host_vars(inventory, host), depth + 2, lines);
                }
            }
        }
        if vars {
            variables(Self::group_vars(inventory, name, None), depth + 1, lines);
        }
    }
}

/// The texts that are source, by where they are in memory: what a template of `constructed` hands on as it found it is
/// source still, and all else that it gives is data.
struct Trusted(HashSet<*const u8>);

impl Trusted {
    fn of(inventory: &Inventory, hosts: &[Arc<str>], given: &[Layer]) -> Self {
        let mut all = Self(HashSet::new());
        let groups = inventory.groups().flat_map(|group| inventory.group_layers(&group.name));
        let hosts = hosts.iter().flat_map(|host| inventory.own_layers(host));
        for layer in groups.chain(hosts).chain(given.iter().cloned()) {
            for (_, entry) in layer.entries.iter() {
                match entry {
                    Entry::Lazy(node) => all.take(node),
                    Entry::Merged(parts) => {
                        for part in parts.iter() {
                            if let Entry::Lazy(node) = part {
                                all.take(node);
                            }
                        }
                    }
                    Entry::Data(..) | Entry::Rendered(..) | Entry::Sealed(..) | Entry::HostVars(_) => {}
                }
            }
        }
        all
    }

    fn take(&mut self, node: &Node) {
        match &node.data {
            NodeData::Map(pairs) => pairs.iter().for_each(|(_, value)| self.take(value)),
            NodeData::List(items) => items.iter().for_each(|item| self.take(item)),
            NodeData::Scalar(scalar) if node.tag != Some(Tag::Unsafe) => {
                if let Value::Str(text) = &scalar.value {
                    self.0.insert(Arc::as_ptr(text).cast());
                }
            }
            NodeData::Scalar(_) => {}
        }
    }

    /// Data as it is listed: what is no source is marked, so that whoever reads the list does not take it for a template.
    fn mark(&self, value: &Value) -> Value {
        match value {
            Value::Str(text) if !self.0.contains(&Arc::as_ptr(text).cast()) => unsafe_text(value),
            Value::List(items) => Value::from(items.iter().map(|item| self.mark(item)).collect::<Vec<_>>()),
            Value::Map(map) => {
                Value::from(map.iter().map(|(key, value)| (key.clone(), self.mark(value))).collect::<Map>())
            }
            other => other.clone(),
        }
    }
}

fn unsafe_text(text: &Value) -> Value {
    Value::from(crate::map! { "__ansible_unsafe" => text.clone() })
}

/// Layers as one mapping, later ones winning; with `join` mappings of one name are joined. With `trusted` all other
/// texts are marked.
fn merged<'a>(layers: impl Iterator<Item = &'a Layer>, join: bool, trusted: Option<&Trusted>) -> Map {
    let marked = trusted.is_some();
    let data = |value: &Value| trusted.map_or_else(|| value.clone(), |trusted| trusted.mark(value));
    let mut vars = Map::new();
    for layer in layers {
        for (name, entry) in layer.entries.iter() {
            let value = match entry {
                Entry::Lazy(node) => written(node, marked),
                Entry::Data(value, _) | Entry::Rendered(value, _) => data(value),
                Entry::Sealed(..) => Value::from("(sealed)"),
                Entry::Merged(parts) => parts.iter().fold(Value::empty_map(), |all, part| match part {
                    Entry::Lazy(node) => crate::vars::merge_values(&all, &written(node, marked)),
                    Entry::Data(value, _) => crate::vars::merge_values(&all, &data(value)),
                    _ => all,
                }),
                Entry::HostVars(_) => continue,
            };
            let value = match vars.get(&StrKey(name)) {
                Some(low) if join => crate::vars::merge_values(low, &value),
                _ => value,
            };
            // A later value stands at its first place, as in a dictionary of Python.
            vars.insert(Key::from(name.to_string()), value);
        }
    }
    vars.shift_remove(&StrKey("inventory_hostname"));
    vars
}

/// A node as data, a vaulted text in the form of Ansible's inventories; with `marked` an unsafe one, too.
fn written(node: &Node, marked: bool) -> Value {
    match &node.data {
        _ if node.tag == Some(Tag::Vault) => Value::from(crate::map! { "__ansible_vault" => node.to_value() }),
        NodeData::Scalar(scalar)
            if marked && node.tag == Some(Tag::Unsafe) && matches!(scalar.value, Value::Str(_)) =>
        {
            unsafe_text(&scalar.value)
        }
        NodeData::Map(pairs) => {
            let map: Map = pairs
                .iter()
                .filter_map(|(key, value)| Some((Key::from_value(&key.to_value())?, written(value, marked))))
                .collect();
            Value::from(map)
        }
        NodeData::List(items) => Value::from(items.iter().map(|item| written(item, marked)).collect::<Vec<_>>()),
        NodeData::Scalar(_) => node.to_value(),
    }
}
