//! Plugins in Python: where Ansible would find them, and what the name of a plugin leads to.
//!
//! They are found only so that they can be named: nothing here runs one. The folders and their order are those of
//! ansible-core's plugin loader; `routing` knows what collections and ansible-core itself say of names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::loader::{Loader, clean};
use super::{library, routing};
use crate::template::PluginEnd;
use library::entries_below;

/// A kind of plugin.
#[derive(Debug)]
pub struct PluginKind {
    /// Its name, which is the folder's below `plugins/` of a collection too.
    pub name: &'static str,
    /// The folder beside a playbook or in a role.
    pub beside: &'static str,
    /// What such plugins are called.
    pub what: &'static str,
    /// The setting with more folders; none if there is none, or another part follows it (`modules`).
    pub setting: Option<&'static str>,
}

const fn kind(
    name: &'static str,
    beside: &'static str,
    what: &'static str,
    setting: Option<&'static str>,
) -> PluginKind {
    PluginKind { name, beside, what, setting }
}

/// All kinds that ansible-core has. `cliconf`, `httpapi`, `netconf` and `terminal` serve connections to network
/// devices, `doc_fragments` documentation, `module_utils` modules in Python: none of them acts without one of the
/// others, so nothing here looks for them.
pub const PLUGIN_KINDS: &[PluginKind] = &[
    kind("modules", "library", "modules", None),
    kind("action", "action_plugins", "action plugins", Some("DEFAULT_ACTION_PLUGIN_PATH")),
    kind("become", "become_plugins", "become plugins", Some("BECOME_PLUGIN_PATH")),
    kind("cache", "cache_plugins", "cache plugins", Some("DEFAULT_CACHE_PLUGIN_PATH")),
    kind("callback", "callback_plugins", "callbacks", Some("DEFAULT_CALLBACK_PLUGIN_PATH")),
    kind("connection", "connection_plugins", "connections", Some("DEFAULT_CONNECTION_PLUGIN_PATH")),
    kind("filter", "filter_plugins", "filters", Some("DEFAULT_FILTER_PLUGIN_PATH")),
    kind("inventory", "inventory_plugins", "inventory plugins", Some("DEFAULT_INVENTORY_PLUGIN_PATH")),
    kind("lookup", "lookup_plugins", "lookups", Some("DEFAULT_LOOKUP_PLUGIN_PATH")),
    kind("shell", "shell_plugins", "shells", None),
    kind("strategy", "strategy_plugins", "strategies", Some("DEFAULT_STRATEGY_PLUGIN_PATH")),
    kind("test", "test_plugins", "tests", Some("DEFAULT_TEST_PLUGIN_PATH")),
    kind("vars", "vars_plugins", "plugins for variables", Some("DEFAULT_VARS_PLUGIN_PATH")),
];

/// What files of a kind are called.
pub(super) fn what(kind: &str) -> &'static str {
    PLUGIN_KINDS.iter().find(|known| known.name == kind).map_or("plugins", |known| known.what)
}

/// What the name of a plugin of a kind is said to be.
pub(super) fn one(kind: &str) -> &'static str {
    match kind {
        "modules" | "action" => "a module",
        "filter" => "a filter",
        "test" => "a test",
        "lookup" => "a lookup",
        "connection" => "a connection",
        "become" => "a become plugin",
        "callback" => "a callback",
        "inventory" => "an inventory plugin",
        "strategy" => "a strategy",
        _ => "a plugin",
    }
}

/// One Python file.
#[derive(Debug)]
pub(super) struct PythonFile {
    pub(super) kind: &'static str,
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// Its text, where what it holds matters.
    text: String,
    /// The folder of the playbook or role that it stands beside; none for those of the search path.
    pub(super) beside: Option<PathBuf>,
}

/// The Python files that were found so far.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Beside how many playbooks and roles was looked.
    folders: usize,
    beside: Vec<Arc<PythonFile>>,
    path: Option<Vec<Arc<PythonFile>>>,
    all: Arc<[Arc<PythonFile>]>,
}

impl PythonFile {
    /// True if a name of its kind is defined here. `exact` for a name that something else has too: it must be a key.
    pub(super) fn defines(&self, name: &str, exact: bool) -> bool {
        match self.kind {
            "filter" | "test" => defines(&self.text, name, exact),
            _ => self.name == name,
        }
    }

    /// True if it gives filters or tests without saying which: they come from a module of Python.
    fn gives_more(&self) -> bool {
        matches!(self.kind, "filter" | "test") && gives_more(&self.text)
    }

    /// True if Ansible runs it though nothing names it.
    pub(super) fn acts_by_itself(&self) -> bool {
        let says = |name: &str, value: &str| {
            self.text.lines().any(|line| {
                let rest = line.trim_start().strip_prefix(name).and_then(|rest| rest.trim_start().strip_prefix('='));
                rest.is_some_and(|rest| {
                    let rest = rest.trim_start();
                    let rest = rest.strip_prefix(['\'', '"']).unwrap_or(rest);
                    rest.strip_prefix(value).is_some_and(|end| !end.starts_with(|c: char| c.is_alphanumeric()))
                })
            })
        };
        let by_name = ["CALLBACK_NEEDS_ENABLED", "CALLBACK_NEEDS_WHITELIST", "REQUIRES_ENABLED"];
        matches!(self.kind, "callback" | "vars")
            && self.text.contains("class ")
            && !by_name.iter().any(|name| says(name, "True"))
            && !says("CALLBACK_TYPE", "stdout")
    }
}

/// True if the text of a file gives a filter or test of this name.
fn defines(text: &str, name: &str, exact: bool) -> bool {
    let quoted = [format!("'{name}'"), format!("\"{name}\"")];
    if !exact {
        return quoted.iter().any(|quoted| text.contains(quoted.as_str())) || as_keyword(text, name);
    }
    let class = text.find("class ").map_or(text, |at| &text[at..]);
    let key = |quoted: &String| {
        class.match_indices(quoted.as_str()).any(|(at, _)| class[at + quoted.len()..].trim_start().starts_with(':'))
    };
    quoted.iter().any(key) || as_keyword(class, name)
}

/// True if the method that gives filters or tests names none itself (`return networks.get_filters()`).
fn gives_more(text: &str) -> bool {
    let method = ["def filters(", "def tests("].iter().find_map(|method| text.split_once(method));
    method.is_some_and(|(_, body)| body.contains("return") && !body.contains('{') && !body.contains("dict("))
}

/// `dict(name=function)`.
fn as_keyword(text: &str, name: &str) -> bool {
    text.split("dict(").skip(1).any(|inner| {
        let inner = inner.split(')').next().unwrap_or_default();
        inner.split(',').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key.trim() == name))
    })
}

/// The Python files in a folder, and for a folder of the search path in those two levels below it.
fn files(dir: &Path, kind: &'static str, beside: Option<&Path>, depth: usize, out: &mut Vec<PythonFile>) {
    for path in entries_below(dir, depth) {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        if name == "__init__" || path.extension().is_none_or(|ending| ending != "py") || !path.is_file() {
            continue;
        }
        let reads = matches!(kind, "filter" | "test" | "callback" | "vars");
        let bytes = if reads { crate::diag::read::read_source(&path).unwrap_or_default() } else { Vec::new() };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        out.push(PythonFile { kind, path: clean(&path), name, text, beside: beside.map(Path::to_path_buf) });
    }
}

impl Loader {
    /// The Python files beside all playbooks and roles that were read so far, then those of the search path.
    pub(super) fn python_files(&self) -> Arc<[Arc<PythonFile>]> {
        let mut index = self.python.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.shelf_dirs(index.folders);
        if new.is_empty() && index.path.is_some() {
            return Arc::clone(&index.all);
        }
        // Modules are found by `library`, which tells programs from Python.
        let kinds = || PLUGIN_KINDS.iter().filter(|kind| kind.name != "modules");
        let mut found = Vec::new();
        for dir in &new {
            for kind in kinds() {
                files(&dir.join(kind.beside), kind.name, Some(dir), 0, &mut found);
            }
        }
        index.folders += new.len();
        index.beside.extend(found.into_iter().map(Arc::new));
        let index = &mut *index;
        let path = index.path.get_or_insert_with(|| {
            let mut found = Vec::new();
            for kind in kinds() {
                for (_, dir) in self.options.plugin_path.iter().filter(|(known, _)| *known == kind.name) {
                    files(dir, kind.name, None, 2, &mut found);
                }
            }
            found.into_iter().map(Arc::new).collect()
        });
        index.all = index.beside.iter().chain(path.iter()).cloned().collect();
        Arc::clone(&index.all)
    }

    /// What the name of a plugin leads to, as Ansible follows it; `None` if it is known nowhere but perhaps among
    /// ansible-core's own. `exact`: ansible-core has one of that name, so that only a real definition hides it.
    pub fn plugin(&self, kind: &str, name: &str, exact: bool) -> Option<PluginEnd> {
        let short = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        if short.contains('.') {
            return self.plugin_of_collection(kind, short, 0);
        }
        let files = self.python_files();
        let hidden = files.iter().find(|file| file.kind == kind && file.defines(short, exact));
        if let Some(file) = hidden {
            return Some(routing::end_at(short, Some(file.path.clone())));
        }
        if exact {
            return None;
        }
        if let Some(target) = routing::builtin(kind, short) {
            return self.plugin_of_collection(kind, &target, 1);
        }
        // A name that nothing knows is most likely one of those that a file does not list.
        let file = files.iter().find(|file| file.kind == kind && file.gives_more())?;
        Some(routing::end_at(short, Some(file.path.clone())))
    }
}

/// The file in a collection's folder that holds a plugin: of its name, or for filters and tests one that defines it.
pub(super) fn in_collection(folder: &Path, kind: &str, name: &str) -> Option<PathBuf> {
    let (dir, short) = match name.rsplit_once('.') {
        Some((dir, short)) => (folder.join(dir.replace('.', "/")), short),
        None => (folder.to_path_buf(), name),
    };
    if !matches!(kind, "filter" | "test") {
        let found = library::in_folder(&dir, short)?;
        return found.extension().is_some_and(|ending| ending == "py").then_some(found);
    }
    let kind = if kind == "filter" { "filter" } else { "test" };
    let mut found = Vec::new();
    files(&dir, kind, None, 0, &mut found);
    let own = found.iter().find(|file| file.name == short);
    let file = own.or_else(|| found.iter().find(|file| file.defines(short, false)))?;
    Some(file.path.clone())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Project;
    use super::*;

    #[test]
    fn what_a_file_defines_is_read_from_its_text() {
        let check =
            |text: &str, exact: bool, expected: bool| assert_eq!(defines(text, "up", exact), expected, "{text}");
        check("class F:\n def filters(self):\n  return {'up': f}", true, true);
        check("class F:\n m = {\n  \"up\" : f}", true, true);
        check("class F:\n def filters(self):\n  return dict(a=f, up=g)", true, true);
        // A word of its text only.
        check("D = {'up': 1}\nclass F:\n x = ['up']", true, false);
        check("class F:\n x = ['up']", false, true);
        check("class F:\n x = 'upper'", false, false);
        let more = |text: &str, expected: bool| assert_eq!(gives_more(text), expected, "{text}");
        more("class F:\n def filters(self):\n  return networks.get_filters()", true);
        more("class T:\n def tests(self):\n  return all_tests", true);
        more("class F:\n def filters(self):\n  return {'up': f}", false);
        more("class F:\n def filters(self):\n  return dict(up=f)", false);
        more("class F:\n def filter(self):\n  return f", false);
    }

    #[test]
    fn callbacks_and_plugins_for_variables_act_unless_they_wait_for_their_name() {
        let check = |kind: &'static str, text: &str, expected: bool| {
            let file =
                PythonFile { kind, path: PathBuf::new(), name: String::new(), text: text.to_owned(), beside: None };
            assert_eq!(file.acts_by_itself(), expected, "{kind} {text}");
        };
        check("callback", "class C:\n    pass", true);
        check("callback", "class C:\n    CALLBACK_TYPE='stdout'", false);
        check("callback", "class C:\n    CALLBACK_TYPE = \"notification\"", true);
        check("callback", "class C:\n    CALLBACK_NEEDS_ENABLED=True", false);
        check("callback", "class C:\n    CALLBACK_NEEDS_WHITELIST = False", true);
        check("vars", "class V:\n    REQUIRES_ENABLED  =  True", false);
        check("vars", "class V: pass", true);
        check("vars", "x = 1", false);
        check("filter", "class C: pass", false);
    }

    #[test]
    fn names_are_followed_through_collections_and_ansibles_own_table() {
        let col = "collections/ansible_collections";
        let runtime = "\
plugin_routing:
  filter:
    old: {redirect: ansible.builtin.upper, deprecation: {warning_text: Use upper., removal_version: 3.0.0}}
    ring: {redirect: ns.col.ring}
    gone: {tombstone: {warning_text: Use lower., removal_version: 2.0.0}}
  lookup:
    moved: {redirect: other.col.there}
";
        let project = Project::with(
            &[
                (&format!("{col}/ns/col/meta/runtime.yml"), runtime),
                (&format!("{col}/ns/col/plugins/filter/many.py"), "class F:\n x = {'loud': 1}"),
                (&format!("{col}/other/col/plugins/lookup/there.py"), "x"),
                (&format!("{col}/community/general/plugins/lookup/dig.py"), "x"),
                ("filter_plugins/f.py", "class F:\n x = {'mine': 1, 'upper': 2}"),
                ("lookup_plugins/look.py", "x"),
                ("path/below/l.py", "x"),
                ("site.yml", "- hosts: all\n"),
            ],
            |options| options.plugin_path = vec![("lookup", PathBuf::from("nowhere"))],
        );
        project.load("site.yml");
        let check = |kind: &str, name: &str, exact: bool, expected: &str| {
            let found = project.loader.plugin(kind, name, exact).map(|end| {
                let python = end.python.map(|path| {
                    let base = project.dir.path().display().to_string();
                    path.display().to_string().replace(&format!("{base}/"), "")
                });
                format!(
                    "{} {}{}{}",
                    end.name,
                    python.unwrap_or_default(),
                    end.removed.unwrap_or_default(),
                    end.deprecated.iter().map(crate::diag::Deprecation::text).collect::<Vec<_>>().join(";")
                )
            });
            assert_eq!(found.as_deref().unwrap_or_default().trim(), expected, "{kind} {name}");
        };
        check("filter", "mine", false, "mine filter_plugins/f.py");
        check("filter", "ansible.legacy.mine", false, "mine filter_plugins/f.py");
        check("filter", "upper", true, "upper filter_plugins/f.py");
        check("filter", "ansible.builtin.upper", true, "");
        check("filter", "lower", true, "");
        check("filter", "ns.col.loud", false, &format!("ns.col.loud {col}/ns/col/plugins/filter/many.py"));
        check("filter", "ns.col.quiet", false, "");
        check(
            "filter",
            "ns.col.old",
            false,
            "ansible.builtin.upper Filter \"ns.col.old\" has been deprecated. Use upper. This feature will be removed \
             from collection 'ns.col' version 3.0.0.",
        );
        check(
            "filter",
            "ns.col.gone",
            false,
            "ns.col.gone The 'ns.col.gone' filter plugin has been removed. Use lower. This feature was removed from \
             collection 'ns.col' version 2.0.0.",
        );
        check("filter", "ns.col.ring", false, "");
        check("lookup", "look", false, "look lookup_plugins/look.py");
        check("lookup", "ns.col.moved", false, &format!("other.col.there {col}/other/col/plugins/lookup/there.py"));
        check("lookup", "dig", false, &format!("community.general.dig {col}/community/general/plugins/lookup/dig.py"));
        check("lookup", "etcd", false, "");
        // hostctl has it, whether its collection is there or not.
        check("filter", "ansible.builtin.json_query", false, "community.general.json_query");
    }
}
