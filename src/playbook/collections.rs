//! Collections on disk: where they are, and what `meta/runtime.yml` says of names in them.
//!
//! Their roles, playbooks, files and executables are used; Python in them is only found, so that it can be named.
//! The rules are those of ansible-core's collection loader: the first folder that has a collection is the one.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::library::{self, Found};
use super::loader::{Loader, clean};
use super::model::{Context, ContextKind, ModuleUse};
use super::parse::{literal_names, playbook_dir};
use super::routing;
use crate::diag::Deprecation;
use crate::modules::{self, ModuleEntry};
use crate::yaml::Node;

/// Names behind each other: more is a ring.
const MAX_HOPS: usize = 10;

/// ansible-core's own groups for `module_defaults`: groups of collections under an old name.
const BUILTIN_GROUPS: &[(&str, &[&str])] = &[
    ("acme", &["community.crypto.acme"]),
    ("aws", &["amazon.aws.aws", "community.aws.aws"]),
    ("azure", &["azure.azcollection.azure"]),
    ("cpm", &["wti.remote.cpm"]),
    ("docker", &["community.general.docker", "community.docker.docker"]),
    ("gcp", &["google.cloud.gcp"]),
    (
        "k8s",
        &[
            "community.kubernetes.k8s",
            "community.general.k8s",
            "community.kubevirt.k8s",
            "community.okd.k8s",
            "kubernetes.core.k8s",
        ],
    ),
    ("os", &["openstack.cloud.os"]),
    ("ovirt", &["ovirt.ovirt.ovirt", "community.general.ovirt"]),
    ("vmware", &["community.vmware.vmware"]),
];

/// One collection.
#[derive(Debug)]
pub(super) struct Collection {
    /// Its folder.
    pub(super) root: PathBuf,
    /// `meta/runtime.yml`.
    runtime: Option<Node>,
}

/// What the name of a module stands for.
pub(super) enum Known {
    /// One of hostctl's.
    Own(&'static ModuleEntry),
    /// An executable.
    Program(PathBuf),
    /// Code that needs Ansible's Python.
    Python(PathBuf),
    /// Ours and Ansible's words for why.
    Removed(String, String),
}

/// A module's name, followed to its end.
pub(super) struct Resolved {
    /// The name at the end.
    pub(super) name: String,
    /// What it stands for.
    pub(super) known: Known,
    /// What is said of deprecated names on the way.
    pub(super) deprecated: Vec<(String, Deprecation)>,
}

/// Namespace and collection of a full name, and the rest of it.
pub(super) fn full_name(name: &str) -> Option<(String, String)> {
    let mut parts = name.splitn(3, '.');
    let (namespace, collection, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let word = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && !text.is_empty()
    };
    let fits = word(namespace) && word(collection) && rest.split('.').all(word);
    fits.then(|| (format!("{namespace}.{collection}"), rest.to_owned()))
}

impl Collection {
    fn at(root: PathBuf, loader: &Loader) -> Self {
        let file = ["yml", "yaml"].map(|ending| root.join("meta/runtime").with_extension(ending));
        let file = file.into_iter().find(|path| path.is_file());
        // A broken file counts as none, as with Ansible.
        let runtime = file.and_then(|path| loader.read(&path).ok()).map(|source| source.node.clone());
        Self { root, runtime }
    }

    /// What `plugin_routing` says of a name.
    pub(super) fn route(&self, kind: &str, name: &str) -> Option<&Node> {
        self.runtime.as_ref()?.get("plugin_routing")?.get(kind)?.get(name)
    }

    /// The members of an action group, as written.
    fn group(&self, name: &str, full: &str) -> Option<&[Node]> {
        let groups = self.runtime.as_ref()?.get("action_groups")?;
        groups.get(full).or_else(|| groups.get(name))?.as_list()
    }

    /// The file of a plugin.
    fn plugin(&self, folder: &str, name: &str) -> Option<PathBuf> {
        let (dir, name) = match name.rsplit_once('.') {
            Some((dir, name)) => (self.root.join("plugins").join(folder).join(dir.replace('.', "/")), name),
            None => (self.root.join("plugins").join(folder), name),
        };
        library::in_folder(&dir, name)
    }
}

impl Loader {
    /// A collection: beside the playbook, in the project, or on the search path.
    pub(super) fn collection(&self, name: &str, dir: &Path) -> Option<Arc<Collection>> {
        let key = (name.to_owned(), dir.to_path_buf());
        if let Some(known) = self.collections.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let (namespace, short) = name.split_once('.')?;
        // Beside the playbook, and beside all that were read: they share what they bring.
        let read = self.playbook_dirs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let beside = std::iter::once(dir.to_path_buf()).chain(read).map(|dir| dir.join("collections"));
        let project = self.options.project_dir.iter().map(|dir| dir.join("collections"));
        let root = beside.chain(project).chain(self.options.collections_path.iter().cloned()).find_map(|root| {
            let whole = root.file_name().is_some_and(|name| name == "ansible_collections");
            let root = if whole { root } else { root.join("ansible_collections") };
            Some(root.join(namespace).join(short)).filter(|path| path.is_dir())
        });
        let found = root.map(|root| Arc::new(Collection::at(root, self)));
        self.collections.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    }

    /// A playbook of a folder was read: modules and collections beside it can be used from now on.
    pub(super) fn add_playbook_dir(&self, dir: &Path) {
        self.add_shelf(dir);
        let mut dirs = self.playbook_dirs.lock().unwrap_or_else(PoisonError::into_inner);
        if !dirs.iter().any(|known| known == dir) {
            dirs.push(dir.to_path_buf());
            // What was nowhere may be there now.
            self.collections.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, found| found.is_some());
        }
    }

    /// The file of a playbook's full name (`namespace.collection.name`, with or without an ending).
    pub fn playbook_of_collection(&self, name: &str, dir: &Path) -> Option<PathBuf> {
        let plain = [".yml", ".yaml"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
        let (collection, rest) = full_name(plain)?;
        let root = &self.collection(&collection, dir)?.root;
        let path = root.join("playbooks").join(rest.replace('.', "/"));
        ["yml", "yaml", "json"].iter().map(|ending| path.with_extension(ending)).find(|path| path.is_file())
    }

    /// The collection that a playbook stands in: its plays need not name it.
    pub(super) fn default_collection(&self, playbook: &Path) -> Option<String> {
        let path = clean(&std::path::absolute(playbook).ok()?);
        let parts: Vec<&str> = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        let at = parts.iter().rposition(|part| *part == "ansible_collections")?;
        let name = format!("{}.{}", parts.get(at + 1)?, parts.get(at + 2)?);
        let found = self.collection(&name, playbook.parent().unwrap_or(Path::new("")))?;
        path.starts_with(clean(&std::path::absolute(&found.root).ok()?)).then_some(name)
    }

    /// The collections in which short names are looked for at a place, in order; none means Ansible's own alone.
    pub(super) fn collections_around(&self, context: &Context) -> Vec<String> {
        for context in context.chain() {
            if let ContextKind::Role(role) = &context.kind {
                return role.collections.clone();
            }
            if let Some(node) = context.keywords.get("collections") {
                return self.collections_of(node, context);
            }
        }
        self.default_of(context).map(|name| with_own(vec![name], "ansible.legacy")).unwrap_or_default()
    }

    /// The collections that a `collections` keyword names.
    pub(super) fn collections_of(&self, node: &Node, context: &Context) -> Vec<String> {
        let mut names = literal_names(node);
        if let Some(default) = self.default_of(context).filter(|name| !names.contains(name)) {
            names.insert(0, default);
        }
        with_own(names, "ansible.legacy")
    }

    fn default_of(&self, context: &Context) -> Option<String> {
        // The play's own file.
        let mut outside = context.chain().skip_while(|context| !matches!(context.kind, ContextKind::Play));
        let (file, around) = outside.find_map(|context| match &context.kind {
            ContextKind::Include { file, .. } => Some((file, context)),
            _ => None,
        })?;
        // Else that of a playbook which was imported before.
        let imported = || around.keywords.get("collections").and_then(Node::as_str).map(str::to_owned);
        self.default_collection(file).or_else(imported)
    }

    /// The collections of a role: its own, then those of its meta file.
    pub(super) fn collections_of_role(&self, own: Option<&str>, meta: Vec<String>, around: &Context) -> Vec<String> {
        let mut names: Vec<String> = match own {
            Some(own) => vec![own.to_owned()],
            None => self.default_of(around).into_iter().collect(),
        };
        for name in meta {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        with_own(names, if own.is_some() { "ansible.builtin" } else { "ansible.legacy" })
    }

    /// Follows the name of a module. Short names are looked for in the collections, in order.
    pub(super) fn resolve_module(&self, name: &str, collections: &[String], dir: &Path) -> Option<Resolved> {
        let name = name.trim();
        if name.contains('.') || collections.is_empty() {
            return self.resolve_full(name, dir, 0);
        }
        collections.iter().find_map(|collection| self.resolve_full(&format!("{collection}.{name}"), dir, 0))
    }

    fn resolve_full(&self, name: &str, dir: &Path, hops: usize) -> Option<Resolved> {
        let done = |name: String, known| Some(Resolved { name, known, deprecated: Vec::new() });
        let own = |name: &str| modules::find(name).filter(|_| name != modules::CUSTOM);
        let Some((collection, rest)) = full_name(name).filter(|(collection, _)| collection != "ansible.legacy") else {
            // Modules of one's own go before those of hostctl, as Ansible has it.
            let short = name.strip_prefix("ansible.legacy.").unwrap_or(name);
            let legacy = || format!("ansible.legacy.{short}");
            return match self.on_shelf(short) {
                Some(Found::Program(path)) => done(legacy(), Known::Program(path)),
                Some(Found::Python(path)) => done(legacy(), Known::Python(path)),
                None => match own(name) {
                    Some(entry) => done(entry.meta.full_name.to_owned(), Known::Own(entry)),
                    None => self.formerly_own(short, dir, hops),
                },
            };
        };
        if let Some(entry) = own(name) {
            return done(entry.meta.full_name.to_owned(), Known::Own(entry));
        }
        if collection == "ansible.builtin" {
            return self.formerly_own(&rest, dir, hops);
        }
        let found = self.collection(&collection, dir)?;
        let mut deprecated = Vec::new();
        for kind in ["action", "modules"] {
            let Some(route) = found.route(kind, &rest) else { continue };
            if let Some(gone) = route.get("tombstone") {
                let what = if kind == "action" { "action plugin" } else { "module" };
                let words = routing::gone(what, name, gone, &collection);
                return done(name.to_owned(), Known::Removed(told(gone), words));
            }
            if let Some(old) = route.get("deprecation").filter(|node| !node.is_null()) {
                let text = format!("`{name}` is deprecated: {}", told(old));
                let said = routing::going(format!("{name} has been deprecated."), old, &collection);
                if !deprecated.iter().any(|(known, _)| *known == text) {
                    deprecated.push((text, said));
                }
            }
            let target = route.get("redirect").and_then(Node::as_str).filter(|_| hops < MAX_HOPS);
            if let Some(mut end) = target.and_then(|target| self.resolve_full(target, dir, hops + 1)) {
                deprecated.append(&mut end.deprecated);
                return Some(Resolved { deprecated, ..end });
            }
        }
        let action = found.plugin("action", &rest).map(Known::Python);
        let known = match action {
            Some(python) => python,
            None => match library::kind(found.plugin("modules", &rest)?) {
                Found::Program(path) => Known::Program(path),
                Found::Python(path) => Known::Python(path),
            },
        };
        Some(Resolved { name: name.to_owned(), known, deprecated })
    }

    /// A module that ansible-core once had, in its collection.
    fn formerly_own(&self, name: &str, dir: &Path, hops: usize) -> Option<Resolved> {
        let moved = |kind: &str| routing::builtin(kind, name).filter(|_| hops < MAX_HOPS);
        ["action", "modules"].into_iter().filter_map(moved).find_map(|name| self.resolve_full(&name, dir, hops + 1))
    }

    /// The modules of an action group by their names at the end; `None` if there is no such group.
    pub(super) fn action_group(&self, name: &str, dir: &Path) -> Option<Arc<[String]>> {
        let key = (name.to_owned(), dir.to_path_buf());
        if let Some(known) = self.groups.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let mut members = Vec::new();
        let mut seen = Vec::new();
        let found = self.group_members(name, dir, &mut members, &mut seen).then(|| Arc::from(members));
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    }

    fn group_members(&self, name: &str, dir: &Path, members: &mut Vec<String>, seen: &mut Vec<String>) -> bool {
        if seen.iter().any(|known| known == name) {
            return true;
        }
        seen.push(name.to_owned());
        let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
        let Some((collection, rest)) = full_name(short) else {
            let group = BUILTIN_GROUPS.iter().find(|(known, _)| *known == short);
            for inner in group.map(|(_, groups)| *groups).unwrap_or_default() {
                self.group_members(inner, dir, members, seen);
            }
            return group.is_some();
        };
        let Some(found) = self.collection(&collection, dir) else { return false };
        let Some(group) = found.group(&rest, name) else { return false };
        let full = |name: &str| match full_name(name) {
            Some(_) => name.to_owned(),
            None => format!("{collection}.{name}"),
        };
        for member in group {
            if let Some(name) = member.as_str() {
                if let Some(end) = self.resolve_full(&full(name), dir, 0) {
                    members.push(end.name);
                }
            } else if let Some(more) = member.get("metadata").and_then(|metadata| metadata.get("extend_group")) {
                for name in literal_names(more) {
                    self.group_members(&full(&name), dir, members, seen);
                }
            }
        }
        true
    }

    /// True if an entry of `module_defaults` is for a module in a context.
    pub fn defaults_apply(&self, key: &str, module: &ModuleUse, context: &Context) -> bool {
        let meta = &module.entry.meta;
        if let Some(group) = key.strip_prefix("group/") {
            let group = self.action_group(group, &playbook_dir(context));
            return group.is_some_and(|members| members.iter().any(|name| **name == *module.full_name));
        }
        if module.program.is_none() && (key == meta.name || key == meta.full_name || meta.also.contains(&key)) {
            return true;
        }
        match full_name(key) {
            Some(_) => {
                let end = self.resolve_full(key, &playbook_dir(context), 0);
                end.is_some_and(|end| *end.name == *module.full_name)
            }
            None => *module.full_name == format!("ansible.legacy.{key}"),
        }
    }
}

/// Ansible's own names go last where none of them is listed.
fn with_own(mut names: Vec<String>, own: &str) -> Vec<String> {
    let listed = names.iter().any(|name| name == "ansible.builtin" || name == "ansible.legacy");
    if !names.is_empty() && !listed {
        names.push(own.to_owned());
    }
    names
}

/// What a deprecation or a tombstone says.
fn told(node: &Node) -> String {
    let text = |key: &str| node.get(key).and_then(Node::as_scalar).map(|scalar| scalar.text.to_string());
    let mut said = text("warning_text").unwrap_or_else(|| "it has no successor".to_owned());
    if let Some(when) = text("removal_version").map(|version| format!("version {version}")).or(text("removal_date")) {
        said.push_str(&format!(" (removal: {when})"));
    }
    said
}

/// Groups of actions by name and playbook's folder, also those that are nowhere.
pub(super) type Groups = HashMap<(String, PathBuf), Option<Arc<[String]>>>;

/// Collections by name and playbook's folder, also those that are nowhere.
pub(super) type Cache = HashMap<(String, PathBuf), Option<Arc<Collection>>>;

#[cfg(test)]
mod tests {
    use super::super::testing::Project;
    use super::*;

    const COL: &str = "collections/ansible_collections/ns/col";

    fn project() -> Project {
        let file = |path: &str| format!("{COL}/{path}");
        let runtime = "\
plugin_routing:
  action: {put: {redirect: ansible.builtin.copy}, ring: {redirect: ns.col.ring}}
  modules:
    put: {redirect: ns.col.nowhere}
    old: {redirect: ns.col.hop, deprecation: {warning_text: Use copy., removal_version: 3.0.0}}
    hop: {redirect: ansible.builtin.copy}
    gone: {tombstone: {warning_text: Use git., removal_date: '2020-01-01'}}
action_groups:
  one: [put, {metadata: {extend_group: two}}, nowhere]
  two: [ns.col.mine, {metadata: {extend_group: [one, ns.none.x]}}]
";
        Project::new(&[
            (&file("meta/runtime.yml"), runtime),
            (&file("plugins/modules/mine.sh"), "#!/bin/sh\n"),
            (&file("plugins/modules/sub/inner.py"), "#!/usr/bin/python\nimport ansible.module_utils.basic\n"),
            (&file("plugins/modules/copy"), "#!/bin/sh\n"),
            (&file("plugins/action/acts.py"), "class ActionModule: pass\n"),
            (&file("playbooks/pb.yml"), "- hosts: all\n  tasks:\n    - mine: {}\n"),
            ("collections/ansible_collections/other/col/plugins/modules/x", "#!/bin/sh\n"),
            ("library/mine", "#!/bin/sh\n"),
        ])
    }

    fn shown(project: &Project, name: &str, collections: &[&str]) -> Option<String> {
        let collections: Vec<String> = collections.iter().map(ToString::to_string).collect();
        let found = project.loader.resolve_module(name, &collections, project.dir.path())?;
        let kind = match found.known {
            Known::Own(entry) => format!("own {}", entry.meta.name),
            Known::Program(_) => "program".to_owned(),
            Known::Python(_) => "Python".to_owned(),
            Known::Removed(why, _) => format!("removed: {why}"),
        };
        let told: Vec<&str> = found.deprecated.iter().map(|(text, _)| text.as_str()).collect();
        Some(format!("{} {kind} {}", found.name, told.join(";")).trim_end().to_owned())
    }

    #[test]
    fn names_are_followed_to_their_end() {
        let project = project();
        project.loader.add_shelf(project.dir.path());
        let check = |name: &str, collections: &[&str], expected: Option<&str>| {
            assert_eq!(shown(&project, name, collections).as_deref(), expected, "{name} {collections:?}");
        };
        check("copy", &[], Some("ansible.builtin.copy own copy"));
        check("ns.col.put", &[], Some("ansible.builtin.copy own copy"));
        check(
            "ns.col.old",
            &[],
            Some("ansible.builtin.copy own copy `ns.col.old` is deprecated: Use copy. (removal: version 3.0.0)"),
        );
        check("ns.col.gone", &[], Some("ns.col.gone removed: Use git. (removal: 2020-01-01)"));
        check("ns.col.mine", &[], Some("ns.col.mine program"));
        check("ns.col.sub.inner", &[], Some("ns.col.sub.inner Python"));
        check("ns.col.acts", &[], Some("ns.col.acts Python"));
        check("ns.col.ring", &[], None);
        check("ns.col.nothing", &[], None);
        check("a.b.c", &[], None);
        check("mine", &[], Some("ansible.legacy.mine program"));
        // In the order of the collections; Ansible's own names where they are listed.
        check("mine", &["ns.col", "ansible.legacy"], Some("ns.col.mine program"));
        check("copy", &["ns.col", "ansible.legacy"], Some("ns.col.copy program"));
        check("copy", &["ansible.builtin", "ns.col"], Some("ansible.builtin.copy own copy"));
        check("mine", &["other.col", "ansible.legacy"], Some("ansible.legacy.mine program"));
        check("mine", &["other.col", "ansible.builtin"], None);
    }

    #[test]
    fn groups_of_actions_are_those_of_the_collection_and_what_they_extend() {
        let project = project();
        let group = |name: &str| project.loader.action_group(name, project.dir.path()).map(|found| found.join(" "));
        assert_eq!(group("ns.col.one").as_deref(), Some("ansible.builtin.copy ns.col.mine"));
        assert_eq!(group("aws").as_deref(), Some(""));
        assert_eq!((group("ns.col.none"), group("nope"), group("no.such.group")), (None, None, None));
    }

    #[test]
    fn playbooks_have_full_names_and_belong_to_their_collection() {
        let project = project();
        let find = |name: &str| project.loader.playbook_of_collection(name, project.dir.path());
        let path = project.dir.path().join(COL).join("playbooks/pb.yml");
        assert_eq!(find("ns.col.pb"), Some(path.clone()));
        assert_eq!(find("ns.col.pb.yml"), Some(path.clone()));
        assert_eq!((find("ns.col.none"), find("pb.yml")), (None, None));
        // A playbook by its path alone does not make its collection known.
        assert_eq!(project.loader.default_collection(&path), None);
        let known = Project::with(&[], |options| {
            options.collections_path = vec![project.path("collections")];
        });
        assert_eq!(known.loader.default_collection(&path).as_deref(), Some("ns.col"));
        let loaded = known.loader.load(&path);
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    }
}
