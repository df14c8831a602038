//! The scope of one host at one task: layers, lowest rank first.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diag::{Result, Span};
use crate::value::Value;
use crate::yaml::Node;

/// Ansible's ranks of variables, lowest first, with the environment's own just below `-e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Names that hostctl itself defines with a default (`omit`, `ansible_version`).
    Builtin,
    /// A role's `defaults/`.
    RoleDefaults,
    /// Variables in an inventory file or program for groups.
    InventoryGroup,
    /// `group_vars/all` beside the inventory.
    InventoryGroupVarsAll,
    /// `group_vars/all` beside the playbook.
    PlaybookGroupVarsAll,
    /// `group_vars/*` beside the inventory.
    InventoryGroupVars,
    /// `group_vars/*` beside the playbook.
    PlaybookGroupVars,
    /// Variables of hosts in an inventory.
    InventoryHost,
    /// `host_vars/*` beside the inventory.
    InventoryHostVars,
    /// `host_vars/*` beside the playbook.
    PlaybookHostVars,
    /// Facts and cached `set_fact`.
    Facts,
    /// Play `vars`.
    PlayVars,
    /// `vars_prompt`.
    PlayPrompt,
    /// `vars_files`.
    PlayVarsFiles,
    /// A role's `vars/`.
    RoleVars,
    /// Block `vars`.
    BlockVars,
    /// Task `vars`.
    TaskVars,
    /// `include_vars`.
    IncludeVars,
    /// `set_fact` and `register`.
    SetFact,
    /// A role's parameters.
    RoleParams,
    /// Parameters of an include.
    IncludeParams,
    /// `environments/NAME/vars/*.yml` and `secrets.yml`.
    Environment,
    /// `-e`.
    Extra,
    /// Names that nobody may override (`inventory_hostname`, `hostvars`, loop variables).
    Magic,
}

/// Where a layer comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Its rank.
    pub level: Level,
    /// For people: `environments/base/vars/mirror.yml`, `role packages`, `group web`.
    pub name: Arc<str>,
}

/// The name of layers that only a task sees: `vars` does not have them.
const TASK_ONLY: &str = "this task";

/// A value that is sealed until it is used (`secrets.yml`).
pub trait Sealed: Send + Sync {
    /// Opens it; the redactor learns it on the way.
    fn open(&self) -> Result<Value>;
}

/// The variables of other hosts (`hostvars`).
pub trait HostVars: Send + Sync {
    /// All hosts.
    fn hosts(&self) -> Vec<Arc<str>>;
    /// The scope of one.
    fn scope(&self, host: &str) -> Option<Scope>;
}

/// One variable.
#[derive(Clone)]
pub enum Entry {
    /// Source, rendered when it is used.
    Lazy(Node),
    /// Data, never rendered. The place is where it was set, if known.
    Data(Value, Option<Span>),
    /// Data beside what it came from: texts that stand there as they are may be conditions; what came out of
    /// templates is data there, too.
    Rendered(Value, Node),
    /// Opened when it is used.
    Sealed(Arc<dyn Sealed>, Span),
    /// `hostvars`.
    HostVars(Arc<dyn HostVars>),
    /// Mappings of source and of data that are one, lowest first (`hash_behaviour: merge`).
    Merged(Arc<[Entry]>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lazy(node) => f.debug_tuple("Lazy").field(node).finish(),
            Self::Data(value, _) => f.debug_tuple("Data").field(value).finish(),
            Self::Rendered(value, _) => f.debug_tuple("Rendered").field(value).finish(),
            Self::Sealed(..) => f.write_str("Sealed"),
            Self::HostVars(_) => f.write_str("HostVars"),
            Self::Merged(parts) => f.debug_tuple("Merged").field(parts).finish(),
        }
    }
}

impl Entry {
    /// Where it was defined.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Lazy(node) | Self::Rendered(_, node) => Some(node.place()),
            Self::Data(_, span) => *span,
            Self::Sealed(_, span) => Some(*span),
            Self::HostVars(_) => None,
            Self::Merged(parts) => parts.last().and_then(Self::span),
        }
    }
}

/// Variables from one origin.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Where they come from.
    pub origin: Origin,
    /// Name to value.
    pub entries: Arc<IndexMap<Arc<str>, Entry>>,
}

impl Layer {
    /// The same for a task alone: it sees the names, but `vars` does not have them.
    #[must_use]
    pub fn task_only(mut self) -> Self {
        self.origin.name = TASK_ONLY.into();
        self
    }

    fn is_task_only(&self) -> bool {
        &*self.origin.name == TASK_ONLY
    }

    /// The login and become passwords that are written as they are.
    pub fn passwords(&self) -> impl Iterator<Item = String> + '_ {
        self.entries.iter().filter(|(name, _)| crate::secret::names_password(name)).filter_map(|(_, entry)| {
            let value = match entry {
                Entry::Lazy(node) if !node.has_template() => node.as_scalar()?.value.clone(),
                Entry::Data(value, _) | Entry::Rendered(value, _) => value.clone(),
                _ => return None,
            };
            (value != Value::Null).then(|| crate::value::python_str(&value))
        })
    }

    /// A layer of data.
    pub fn data(level: Level, name: &str, values: impl IntoIterator<Item = (Arc<str>, Value)>) -> Self {
        Self {
            origin: Origin { level, name: name.into() },
            entries: Arc::new(values.into_iter().map(|(name, value)| (name, Entry::Data(value, None))).collect()),
        }
    }

    /// A layer of source: the entries of a mapping node.
    pub fn source(level: Level, name: &str, mapping: &Node) -> Self {
        let entries = mapping
            .as_map()
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, value)| Some((Arc::from(key.as_str()?), Entry::Lazy(value.clone()))))
            .collect();
        Self { origin: Origin { level, name: name.into() }, entries: Arc::new(entries) }
    }
}

/// Ordered layers. Cheap to clone; the first hit from the top wins.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    layers: Arc<Vec<Layer>>,
    /// The layers as they came, where mappings of one name are joined (`hash_behaviour: merge`).
    apart: Option<Arc<Vec<Layer>>>,
}

impl Scope {
    /// An empty scope.
    pub fn new() -> Self {
        Self::default()
    }

    /// A scope of layers; they are put in order of rank (stable, so a later one of the same rank wins).
    pub fn from_layers(mut layers: Vec<Layer>) -> Self {
        layers.retain(|layer| !layer.entries.is_empty());
        layers.sort_by_key(|layer| layer.origin.level);
        Self { layers: Arc::new(layers), apart: None }
    }

    /// This scope with mappings of one name joined, from now on; or as it is.
    #[must_use]
    pub fn merging(mut self, merge: bool) -> Self {
        if merge {
            self.apart = Some(Arc::clone(&self.layers));
            super::merge::merge_layers(Arc::make_mut(&mut self.layers).as_mut_slice());
        }
        self
    }

    /// This scope with one layer more, placed by its rank above those of the same rank.
    #[must_use]
    pub fn with(&self, layer: Layer) -> Self {
        if layer.entries.is_empty() {
            return self.clone();
        }
        let known = self.apart.as_ref().unwrap_or(&self.layers);
        let mut layers = Vec::with_capacity(known.len() + 1);
        layers.extend(known.iter().cloned());
        let at = layers.partition_point(|other| other.origin.level <= layer.origin.level);
        layers.insert(at, layer);
        Self { layers: Arc::new(layers), apart: None }.merging(self.apart.is_some())
    }

    /// The winning entry of a name.
    pub fn get(&self, name: &str) -> Option<(&Entry, &Origin)> {
        self.layers.iter().rev().find_map(|layer| layer.entries.get(name).map(|entry| (entry, &layer.origin)))
    }

    /// All entries of a name, the winner first.
    pub fn all(&self, name: &str) -> Vec<(&Entry, &Origin)> {
        self.layers
            .iter()
            .rev()
            .filter_map(|layer| layer.entries.get(name).map(|entry| (entry, &layer.origin)))
            .collect()
    }

    /// Every defined name, each once.
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut seen = indexmap::IndexSet::new();
        for layer in self.layers.iter() {
            seen.extend(layer.entries.keys().cloned());
        }
        seen.into_iter().collect()
    }

    /// The names that `vars` has, in the order of layers.
    pub fn listed(&self) -> Vec<Arc<str>> {
        let mut seen = indexmap::IndexSet::new();
        for layer in self.layers.iter().filter(|layer| !layer.is_task_only()) {
            seen.extend(layer.entries.keys().cloned());
        }
        seen.into_iter().collect()
    }

    /// Whether `vars` has a name.
    pub fn lists(&self, name: &str) -> bool {
        self.layers.iter().any(|layer| layer.entries.contains_key(name) && !layer.is_task_only())
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_task_sees_is_not_listed() {
        let layer = |level, name: &str| Layer::data(level, "x", [(Arc::from(name), Value::from("v"))]);
        let own = layer(Level::Magic, "item").task_only();
        let scope = Scope::from_layers(vec![layer(Level::PlayVars, "a"), own]);
        assert!(scope.get("item").is_some() && !scope.lists("item") && scope.lists("a"));
        assert_eq!(scope.listed(), [Arc::from("a")]);
        assert!(scope.with(layer(Level::PlayVars, "item")).lists("item"));
    }

    #[test]
    fn the_higher_rank_wins_and_the_later_of_the_same() {
        let layer = |level, value: &str| Layer::data(level, "x", [(Arc::from("a"), Value::from(value))]);
        let scope = Scope::from_layers(vec![layer(Level::Extra, "e"), layer(Level::PlayVars, "p")])
            .with(layer(Level::RoleDefaults, "d"));
        let shown: Vec<String> = scope.all("a").iter().map(|(entry, _)| format!("{entry:?}")).collect();
        assert_eq!(shown, ["Data(Str(\"e\"))", "Data(Str(\"p\"))", "Data(Str(\"d\"))"]);
    }
}
