//! Plugins in Python beside the playbook: one error that lists where they are used.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::survey::Survey;
use crate::diag::Diagnostic;
use crate::playbook::collections::full_name;
use crate::playbook::loader::{Loader, clean};
use crate::playbook::model::Playbook;

/// Folders that Ansible loads plugins from, and what they hold.
const FOLDERS: &[(&str, &str)] = &[
    ("library", "modules"),
    ("action_plugins", "action plugins"),
    ("become_plugins", "become plugins"),
    ("cache_plugins", "cache plugins"),
    ("callback_plugins", "callbacks"),
    ("connection_plugins", "connections"),
    ("filter_plugins", "filters"),
    ("inventory_plugins", "inventory plugins"),
    ("lookup_plugins", "lookups"),
    ("module_utils", "code of modules"),
    ("strategy_plugins", "strategies"),
    ("test_plugins", "tests"),
    ("vars_plugins", "plugins for variables"),
];

/// Kinds of errors about names, and the folder of a collection whose Python may define such a name.
const OF_COLLECTIONS: &[(&str, &str)] = &[("T0104", "filter"), ("T0105", "test"), ("T0107", "lookup")];

/// One Python file.
struct Plugin {
    path: PathBuf,
    name: String,
    text: String,
    /// Folder by Ansible's name for it; what is in it.
    folder: &'static str,
    what: &'static str,
    used: bool,
}

/// Replaces errors about names that such plugins define, and uses that the parser found, by one error. Those that
/// nothing uses are passed over.
pub(super) fn fold(playbook: &Playbook, survey: &Survey, loader: &Loader, problems: &mut Vec<Diagnostic>) {
    let main = playbook.path.parent().unwrap_or(Path::new(""));
    let mut plugins = beside(playbook, survey, loader);
    // Code in collections, by its path.
    let mut others: Vec<String> = Vec::new();
    let mut uses = Vec::new();
    problems.retain(|problem| {
        if problem.code == "P0304" {
            let path = problem.notes.first().map_or("", String::as_str);
            match plugins.iter_mut().find(|plugin| format!("`{}`", clean(&plugin.path).display()) == path) {
                Some(plugin) => plugin.used = true,
                None if !others.iter().any(|known| known == path) => others.push(path.to_owned()),
                None => {}
            }
            uses.extend(problem.span());
            return false;
        }
        let name = problem.span().and_then(|span| {
            let file = loader.sources().file(span.file)?;
            file.text.get(span.start as usize..span.end as usize).map(|text| text.trim_matches(['\'', '"']).to_owned())
        });
        let Some(name) = name else { return true };
        if let Some(plugin) = plugins.iter_mut().find(|plugin| plugin.defines(&problem.code, &name)) {
            plugin.used = true;
            uses.extend(problem.span());
            return false;
        }
        let folder = OF_COLLECTIONS.iter().find(|(code, _)| *code == &*problem.code);
        let Some(path) = folder.and_then(|(_, folder)| loader.plugin_of_collection(folder, &name, main)) else {
            return true;
        };
        let path = format!("`{}`", clean(&path).display());
        if !others.contains(&path) {
            others.push(path);
        }
        uses.extend(problem.span());
        false
    });
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for plugin in plugins.iter().filter(|plugin| plugin.used) {
        let folder = plugin.path.parent().unwrap_or(Path::new(""));
        let folder = format!("`{}` ({})", folder.display(), plugin.what);
        let name = format!("`{}.py`", plugin.name);
        match found.iter_mut().find(|(known, _)| *known == folder) {
            Some((_, names)) => names.push(name),
            None => found.push((folder, vec![name])),
        }
    }
    if found.is_empty() && others.is_empty() {
        return;
    }
    let mut problem = Diagnostic::source("P0304", "plugins in Python cannot run: hostctl has no Python");
    uses.sort();
    uses.dedup();
    for span in &uses {
        problem = problem.with_label(*span, "uses one");
    }
    for (folder, names) in found {
        problem = problem.with_note(format!("in {folder}: {}", names.join(", ")));
    }
    for path in others {
        let place = if path.contains("ansible_collections/") { "in a collection" } else { "on the search path" };
        problem = problem.with_note(format!("{place}: {path}"));
    }
    if plugins.iter().any(|plugin| plugin.used && plugin.unasked()) {
        problem = problem.with_note("Ansible loads callbacks and plugins for variables unasked");
    }
    problem = problem
        .with_hint("use a module or filter that hostctl has, or `script` and `command` with a program of your own");
    problems.push(problem);
}

/// Unknown modules of collections, each name once with all its uses.
pub(super) fn merge_unknown(loader: &Loader, problems: &mut Vec<Diagnostic>) {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut out: Vec<Diagnostic> = Vec::with_capacity(problems.len());
    for problem in std::mem::take(problems) {
        let text = || {
            let span = problem.span().filter(|_| problem.code == "P0202" && problem.labels.len() == 1)?;
            let file = loader.sources().file(span.file)?;
            let text = file.text.get(span.start as usize..span.end as usize)?;
            Some((full_name(text).is_some().then(|| text.to_owned())?, span))
        };
        let known = text().and_then(|(name, span)| match first.get(&name) {
            Some(at) => Some((*at, span)),
            None => {
                first.insert(name, out.len());
                None
            }
        });
        match known {
            Some((at, span)) if out[at].is_error() == problem.is_error() => {
                let same = out[at].labels.iter().any(|label| label.span == span);
                if !same {
                    out[at] = out[at].clone().with_label(span, "also here");
                }
            }
            _ => out.push(problem),
        }
    }
    *problems = out;
}

/// The Python files that Ansible would find beside the playbooks, in the project and in roles.
fn beside(playbook: &Playbook, survey: &Survey, loader: &Loader) -> Vec<Plugin> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    let mut add = |dir: &Path| {
        let dir = clean(dir);
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    };
    add(playbook.path.parent().unwrap_or(Path::new("")));
    for play in &survey.plays {
        add(play.play.file.parent().unwrap_or(Path::new("")));
    }
    survey.roles.iter().for_each(|role| add(&role.path));
    loader.options.project_dir.iter().for_each(|dir| add(dir));
    let mut plugins = Vec::new();
    for dir in &dirs {
        for (folder, what) in FOLDERS {
            python_files(&dir.join(folder), folder, what, &mut plugins);
        }
    }
    // A single task of the command line loads none of them.
    for plugin in plugins.iter_mut().filter(|_| loader.options.given.is_none()) {
        plugin.used = plugin.unasked();
    }
    plugins
}

impl Plugin {
    /// True if Ansible loads it though nothing names it.
    fn unasked(&self) -> bool {
        let by_name_only =
            ["CALLBACK_NEEDS_ENABLED = True", "CALLBACK_NEEDS_WHITELIST = True", "REQUIRES_ENABLED = True"];
        matches!(self.folder, "callback_plugins" | "vars_plugins")
            && self.text.contains("class ")
            && !by_name_only.iter().any(|words| self.text.contains(words))
            && !self.text.contains("CALLBACK_TYPE = 'stdout'")
            && !self.text.contains("CALLBACK_TYPE = \"stdout\"")
    }

    /// True if an error about this name is about the plugin.
    fn defines(&self, code: &str, name: &str) -> bool {
        match code {
            "P0202" => matches!(self.folder, "library" | "action_plugins") && self.name == name,
            "T0104" | "T0105" => {
                matches!(self.folder, "filter_plugins" | "test_plugins")
                    && (self.text.contains(&format!("'{name}'")) || self.text.contains(&format!("\"{name}\"")))
            }
            "T0107" => self.folder == "lookup_plugins" && self.name == name,
            "P0105" => self.folder == "lookup_plugins" && name.strip_prefix("with_") == Some(&self.name),
            "P0140" => self.folder == "strategy_plugins" && self.name == name,
            "S0115" => self.folder == "connection_plugins" && self.name == name,
            _ => false,
        }
    }
}

fn python_files(dir: &Path, folder: &'static str, what: &'static str, plugins: &mut Vec<Plugin>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        if name != "__init__"
            && path.extension().is_some_and(|ending| ending == "py")
            && !(folder == "library" && crate::playbook::library::runs_alone(&path))
        {
            let text = crate::diag::read::read_source(&path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default();
            plugins.push(Plugin { path, name, text, folder, what, used: false });
        }
    }
}
