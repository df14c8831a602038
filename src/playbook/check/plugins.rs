//! Plugins in Python beside the playbook: one error that lists where they are used.

use std::path::{Path, PathBuf};

use super::survey::Survey;
use crate::diag::Diagnostic;
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

/// One Python file.
struct Plugin {
    name: String,
    text: String,
    folder: &'static str,
}

/// Replaces errors about names that such plugins define by one error.
pub(super) fn fold(playbook: &Playbook, survey: &Survey, loader: &Loader, problems: &mut Vec<Diagnostic>) {
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
    let mut found: Vec<String> = Vec::new();
    for dir in &dirs {
        for (folder, what) in FOLDERS {
            let path = dir.join(folder);
            let before = plugins.len();
            python_files(&path, folder, &mut plugins);
            if plugins.len() > before {
                found.push(format!("`{}` ({what})", path.display()));
            }
        }
    }
    if plugins.is_empty() {
        return;
    }
    let mut uses = Vec::new();
    problems.retain(|problem| {
        let name = problem.span().and_then(|span| {
            let file = loader.sources().file(span.file)?;
            file.text.get(span.start as usize..span.end as usize).map(str::to_owned)
        });
        let used = name.is_some_and(|name| plugins.iter().any(|plugin| plugin.defines(&problem.code, &name)));
        if used {
            uses.extend(problem.span());
        }
        !used
    });
    let names: Vec<String> = plugins
        .iter()
        .filter(|plugin| plugin.name != "__init__")
        .map(|plugin| format!("`{}.py`", plugin.name))
        .collect();
    let mut problem = Diagnostic::source("P0304", "plugins in Python cannot run: hostctl has no Python")
        .with_note(format!("in {}: {}", found.join(", "), names.join(", ")))
        .with_hint("use a module or filter that hostctl has, or `script` and `command` with a program of your own");
    for span in &uses {
        problem = problem.with_label(*span, "uses one");
    }
    if uses.is_empty() {
        problem = problem.with_note("nothing in this playbook uses them by name").warning();
    }
    problems.push(problem);
}

impl Plugin {
    /// True if an error about this name is about the plugin.
    fn defines(&self, code: &str, name: &str) -> bool {
        match code {
            "P0202" => matches!(self.folder, "library" | "action_plugins") && self.name == name,
            "T0104" | "T0105" => {
                matches!(self.folder, "filter_plugins" | "test_plugins")
                    && (self.text.contains(&format!("'{name}'")) || self.text.contains(&format!("\"{name}\"")))
            }
            "T0107" => self.folder == "lookup_plugins" && self.name == name.trim_matches(['\'', '"']),
            "P0105" => self.folder == "lookup_plugins" && name.strip_prefix("with_") == Some(&self.name),
            _ => false,
        }
    }
}

fn python_files(dir: &Path, folder: &'static str, plugins: &mut Vec<Plugin>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_some_and(|ending| ending == "py")
            && !(folder == "library" && crate::playbook::library::runs_alone(&path))
        {
            let text = crate::diag::read::read_source(&path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default();
            plugins.push(Plugin { name: name.to_owned(), text, folder });
        }
    }
}
