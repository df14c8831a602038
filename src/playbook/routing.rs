//! What names of plugins are redirected to: the tables of collections (`meta/runtime.yml`) and ansible-core's own.
//!
//! ansible-core's table (`ansible_builtin_runtime.yml` of 2.19) is kept in `data/redirects.txt`: on each line a kind,
//! a collection, and names that moved there, `name=other` where they have another name now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError};

use super::collections::{Collection, full_name};
use super::loader::Loader;
use super::plugins::in_collection;
use crate::diag::Deprecation;
use crate::template::{PluginEnd, knows_plugin};
use crate::yaml::Node;

/// Names behind each other: more is a ring.
const MAX_HOPS: usize = 10;

/// Kind and old name; collection and new name.
type Table = HashMap<(&'static str, &'static str), (&'static str, &'static str)>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::new();
        for line in include_str!("data/redirects.txt").lines() {
            let mut words = line.split(' ');
            let (Some(kind), Some(collection)) = (words.next(), words.next()) else { continue };
            for word in words {
                let (old, new) = word.split_once('=').unwrap_or((word, word));
                table.insert((kind, old), (collection, new));
            }
        }
        table
    })
}

/// Where ansible-core says that one of its former plugins is now, by full name.
pub(super) fn builtin(kind: &str, name: &str) -> Option<String> {
    let (collection, new) = table().get(&(kind, name))?;
    Some(format!("{collection}.{new}"))
}

/// What Ansible says of when something went.
fn when(entry: &Node, collection: &str) -> String {
    let text = |key: &str| entry.get(key).and_then(Node::as_scalar).map(|scalar| scalar.text.to_string());
    let from = match collection {
        "ansible.builtin" | "ansible.legacy" => "ansible-core".to_owned(),
        other => format!("collection '{other}'"),
    };
    match (text("removal_date"), text("removal_version")) {
        (Some(date), _) => format!("This feature was removed from {from} in a release after {date}."),
        (None, Some(version)) => format!("This feature was removed from {from} version {version}."),
        (None, None) => format!("This feature was removed from {from}."),
    }
}

/// The words of an entry, with Ansible's in front.
fn words(first: String, entry: &Node) -> String {
    let own = entry.get("warning_text").and_then(Node::as_scalar).map(|scalar| scalar.text.to_string());
    let own = own.filter(|text| !text.is_empty()).map(|text| format!(" {text}")).unwrap_or_default();
    format!("{first}{own}")
}

/// What an entry says of a name that will go.
pub(super) fn going(first: String, entry: &Node, collection: &str) -> Deprecation {
    let text = |key: &str| entry.get(key).and_then(Node::as_scalar).map(|scalar| scalar.text.to_string());
    let date = text("removal_date");
    Deprecation {
        msg: words(first, entry),
        version: text("removal_version").filter(|_| date.is_none()),
        date,
        collection: Some(collection.to_owned()),
        plugin: None,
    }
}

/// What an entry says of a name that is gone.
pub(super) fn gone(what: &str, full: &str, entry: &Node, collection: &str) -> String {
    let own = words(format!("The '{full}' {what} has been removed."), entry);
    let stop = if own.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{own}{stop} {}", when(entry, collection))
}

impl Collection {
    /// What is said of a deprecated name; nothing if it is not.
    pub(super) fn deprecation(&self, kind: &str, name: &str, full: &str, collection: &str) -> Option<Deprecation> {
        let entry = self.route(kind, name)?.get("deprecation").filter(|node| !node.is_null())?;
        let first = match kind {
            "filter" => format!("Filter \"{full}\" has been deprecated."),
            "test" => format!("Test \"{full}\" has been deprecated."),
            _ => format!("{full} has been deprecated."),
        };
        Some(going(first, entry, collection))
    }

    /// What is said of a name that is gone; nothing if it is not.
    pub(super) fn tombstone(&self, kind: &str, name: &str, full: &str, collection: &str) -> Option<String> {
        let entry = self.route(kind, name)?.get("tombstone").filter(|node| !node.is_null())?;
        let what = if kind == "modules" { "module".to_owned() } else { format!("{kind} plugin") };
        Some(gone(&what, full, entry, collection))
    }
}

/// A name that stands for itself.
pub(super) fn end_at(name: &str, python: Option<PathBuf>) -> PluginEnd {
    PluginEnd { name: name.to_owned(), python, ..PluginEnd::default() }
}

impl Loader {
    /// What the full name of a plugin leads to.
    pub(super) fn plugin_of_collection(&self, kind: &str, name: &str, hops: usize) -> Option<PluginEnd> {
        let (collection, rest) = full_name(name)?;
        if hops > MAX_HOPS {
            return None;
        }
        // What hostctl has itself, it has wherever the collection is.
        if hops > 0 && knows_plugin(kind, name) {
            return Some(end_at(name, None));
        }
        if collection == "ansible.builtin" {
            return match builtin(kind, &rest) {
                Some(target) => self.plugin_of_collection(kind, &target, hops + 1),
                None if hops > 0 => Some(end_at(name, None)),
                None => None,
            };
        }
        let dir = self.playbook_dirs.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
        let found = self.collection(&collection, dir.as_deref().unwrap_or(Path::new("")));
        let Some(found) = found else {
            // Named by another one: hostctl may have it, though its collection is not here.
            return (hops > 0).then(|| end_at(name, None));
        };
        if let Some(removed) = found.tombstone(kind, &rest, name, &collection) {
            return Some(PluginEnd { removed: Some(removed), ..end_at(name, None) });
        }
        let said = found.deprecation(kind, &rest, name, &collection);
        let end = match found.route(kind, &rest).and_then(|route| route.get("redirect")).and_then(Node::as_str) {
            Some(target) => self.plugin_of_collection(kind, target, hops + 1),
            None => {
                in_collection(&found.root.join("plugins").join(kind), kind, &rest).map(|path| end_at(name, Some(path)))
            }
        };
        let mut end = end?;
        end.deprecated.splice(0..0, said);
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ansibles_own_table_says_where_its_former_plugins_are() {
        let check = |kind: &str, name: &str, expected: Option<&str>| {
            assert_eq!(builtin(kind, name).as_deref(), expected, "{kind} {name}");
        };
        check("filter", "ipaddr", Some("ansible.netcommon.ipaddr"));
        check("filter", "json_query", Some("community.general.json_query"));
        check("modules", "docker_container", Some("community.docker.docker_container"));
        check("modules", "synchronize", Some("ansible.posix.synchronize"));
        check("inventory", "netbox", Some("netbox.netbox.nb_inventory"));
        check("filter", "upper", None);
        check("modules", "ipaddr", None);
    }
}
