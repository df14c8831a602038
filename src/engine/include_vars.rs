//! `include_vars`: variable files of the controller, by Ansible's rules for folders, names and endings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::interp::HostRun;
use super::invoke::flag;
use super::result::Attempt;
use super::state::lock;
use crate::diag::{Diagnostic, Span};
use crate::map;
use crate::modules::{Failure, Outcome};
use crate::playbook::{ModuleUse, Task};
use crate::value::{Map, PythonRegex, Value, insert};
use crate::vars::{Entry, Layer, Level, Origin, Scope};
use crate::yaml::{Node, NodeData, Pair};

type Json = serde_json::Value;

/// How deep folders are gone into; links may lead in a circle.
const DEEPEST: usize = 40;
/// How many files one folder may bring.
const MOST: usize = 10_000;

/// What a folder's files are chosen by.
struct Choice {
    matching: Option<PythonRegex>,
    ignored: Vec<PythonRegex>,
    extensions: Vec<String>,
    unknown_ok: bool,
    depth: usize,
}

/// Files with their variables, in order.
#[derive(Default)]
struct Loaded {
    files: Vec<PathBuf>,
    pairs: Vec<Pair>,
    sealed: bool,
}

/// Why nothing was loaded: Ansible's word for it stands in `message`, and `msg` knows nothing of it.
fn failed(message: &str, span: Span, files: &[PathBuf]) -> Failure {
    let result = map! {
        "message" => message,
        "msg" => "Task failed: Action failed: Unknown error.",
        "ansible_included_var_files" => shown(files),
        "ansible_facts" => Map::new(),
    };
    Failure::with_result(Diagnostic::task("H0020", message).with_label(span, "named here"), result)
}

fn shown(files: &[PathBuf]) -> Vec<Value> {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    files.iter().map(|path| Value::from(absolute(path).display().to_string())).collect()
}

impl HostRun {
    pub(super) fn include_vars(
        &self,
        task: &Task,
        module: &ModuleUse,
        json: &Json,
        scope: &Scope,
    ) -> Result<Attempt, Failure> {
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        let file = text("file").or_else(|| module.entry.meta.free_form.and_then(text));
        let span = module.args.values().next().map_or(module.name_span, |(_, node)| node.place());
        let mut loaded = Loaded::default();
        match (file, text("dir")) {
            (Some(file), None) => {
                let file = file.trim_end_matches('\n');
                let path = self
                    .search(task, "vars", file)
                    .filter(|path| !path.is_dir())
                    .ok_or_else(|| failed(&self.searched(task, "vars", file), span, &[]))?;
                self.load_file(&path, &mut loaded, span)?;
            }
            (None, Some(dir)) => self.load_folder(task, &dir, json, span, &mut loaded)?,
            (None, None) => {
                return Err(failed("Could not find file on the Ansible Controller.", span, &[]));
            }
            (Some(_), Some(_)) => {
                return Err(Diagnostic::task("H0023", "`include_vars` takes either `file` or `dir`")
                    .with_label(span, "here")
                    .into());
            }
        }
        // Of a name that stands in several files the last value counts, whole.
        let mut entries: indexmap::IndexMap<Arc<str>, Entry> = indexmap::IndexMap::new();
        if let Some(name) = text("name") {
            let mut pairs: Vec<Pair> = Vec::new();
            for pair in std::mem::take(&mut loaded.pairs) {
                match pairs.iter_mut().find(|(key, _)| key.as_str().is_some() && key.as_str() == pair.0.as_str()) {
                    Some(known) => *known = pair,
                    None => pairs.push(pair),
                }
            }
            let node = Node { span, data: NodeData::Map(pairs.into()), tag: None, alias: None };
            entries.insert(name.as_str().into(), Entry::Lazy(node));
        } else {
            for (key, value) in &loaded.pairs {
                if let Some(name) = key.as_str() {
                    entries.insert(name.into(), Entry::Lazy(value.clone()));
                }
            }
        }
        if text("hash_behaviour").as_deref() == Some("merge") {
            for (name, entry) in &mut entries {
                if let Some((low, _)) = scope.get(name) {
                    *entry = entry.over(low);
                }
            }
        }
        // Results show the values; what cannot be rendered yet is shown as written.
        let layer = Layer {
            origin: Origin { level: Level::IncludeVars, name: "include_vars".into() },
            entries: Arc::new(entries.clone()),
        };
        let own = scope.with(layer);
        let mut facts = Map::new();
        for (name, entry) in &entries {
            let value = match entry {
                Entry::Lazy(node) => self.play.engine.templates.render(node, &own).unwrap_or_else(|_| node.to_value()),
                _ => self.play.engine.templates.variable(name, &own).ok().flatten().unwrap_or_default(),
            };
            insert(&mut facts, name, value);
        }
        self.play.warn_hidden(entries.iter().map(|(name, entry)| (&**name, entry.span())), "the included variable");
        let merge = self.play.engine.options.hash_merge;
        {
            let state = self.play.engine.states.get(&self.host);
            let mut state = lock(&state);
            let included = Arc::make_mut(&mut state.included);
            for (name, entry) in entries {
                let entry = match included.get(&name) {
                    Some(low) if merge => entry.over(low),
                    _ => entry,
                };
                included.insert(name, entry);
            }
        }
        let result = map! { "ansible_facts" => facts, "ansible_included_var_files" => shown(&loaded.files) };
        let mut attempt = Attempt::from_outcome(Outcome { result, ..Outcome::default() });
        attempt.hidden = loaded.sealed;
        Ok(attempt)
    }

    fn load_file(&self, path: &Path, loaded: &mut Loaded, span: Span) -> Result<(), Failure> {
        let node = self.play.engine.loader.vars_file(path).map_err(|error| {
            if &*error.code == "P0407" && error.message.starts_with("expected variables") {
                failed(&format!("{} must be stored as a dictionary/hash", path.display()), span, &loaded.files)
            } else {
                Failure::from(error)
            }
        })?;
        loaded.pairs.extend(node.as_map().unwrap_or_default().iter().cloned());
        loaded.files.push(path.to_path_buf());
        loaded.sealed |= super::inputs::is_sealed(path);
        Ok(())
    }

    /// Where a folder is: in a role's `vars/`, else beside the file that names it.
    fn vars_root(task: &Task, dir: &str) -> PathBuf {
        match task.context.role() {
            Some(role) if dir.split('/').next() == Some("vars") => {
                let inside = role.path.join(dir);
                if inside.exists() { inside } else { PathBuf::from(dir) }
            }
            Some(role) => role.path.join("vars").join(dir),
            None => task.file.parent().unwrap_or(Path::new("")).join(dir),
        }
    }

    fn load_folder(&self, task: &Task, dir: &str, json: &Json, span: Span, loaded: &mut Loaded) -> Result<(), Failure> {
        let root = Self::vars_root(task, dir);
        if !root.exists() {
            return Err(failed(&format!("{} directory does not exist", root.display()), span, &[]));
        }
        if !root.is_dir() {
            return Err(failed(&format!("{} is not a directory", root.display()), span, &[]));
        }
        let choice = Choice::read(json)?;
        let mut folders = Vec::new();
        folders_below(&root, 1, choice.depth, &mut folders);
        folders.sort();
        for folder in folders {
            for path in files_in(&folder)? {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if !choice.takes(&path, &name)? {
                    continue;
                }
                if !choice.knows(&name) {
                    if choice.unknown_ok {
                        continue;
                    }
                    let known = choice.extensions.join(", ");
                    let text = format!("{} does not have a valid extension: {known}", path.display());
                    return Err(failed(&text, span, &loaded.files));
                }
                if loaded.files.len() >= MOST {
                    return Err(
                        Diagnostic::task("H0023", format!("`{dir}` has more than {MOST} variable files")).into()
                    );
                }
                self.load_file(&path, loaded, span)?;
            }
        }
        Ok(())
    }
}

impl Choice {
    fn read(json: &Json) -> Result<Self, Failure> {
        let list = |name: &str| -> Option<Vec<String>> {
            match json.get(name) {
                Some(Json::Array(items)) => Some(items.iter().filter_map(Json::as_str).map(str::to_owned).collect()),
                Some(Json::String(text)) => Some(text.split_whitespace().map(str::to_owned).collect()),
                _ => None,
            }
        };
        let pattern = |text: &str| {
            PythonRegex::text(text).map_err(|why| {
                Failure::from(Diagnostic::task("H0023", format!("Invalid regular expression: {text}")).with_note(why))
            })
        };
        let ignored = list("ignore_files").unwrap_or_default();
        Ok(Self {
            matching: json.get("files_matching").and_then(Json::as_str).map(pattern).transpose()?,
            ignored: ignored.iter().map(|text| pattern(&format!("{text}$"))).collect::<Result<_, _>>()?,
            extensions: list("extensions").unwrap_or_else(|| ["yaml", "yml", "json"].map(str::to_owned).to_vec()),
            unknown_ok: flag(json, "ignore_unknown_extensions"),
            depth: json.get("depth").and_then(Json::as_u64).and_then(|depth| usize::try_from(depth).ok()).unwrap_or(0),
        })
    }

    fn takes(&self, path: &Path, name: &str) -> Result<bool, Failure> {
        let found = |regex: &PythonRegex| {
            regex.search(name).map(|found| found.is_some()).map_err(|why| Failure::from(Diagnostic::task("H0023", why)))
        };
        if !path.exists() {
            return Ok(false);
        }
        for regex in &self.ignored {
            if found(regex)? {
                return Ok(false);
            }
        }
        self.matching.as_ref().map_or(Ok(true), found)
    }

    /// A name's ending as Python's `splitext` sees it: a leading dot begins none.
    fn knows(&self, name: &str) -> bool {
        let stem = name.trim_start_matches('.');
        let extension = stem.rfind('.').map_or("", |at| &stem[at + 1..]);
        self.extensions.iter().any(|known| known == extension)
    }
}

/// A folder and those below it; `depth` 1 is the folder alone, 0 has no limit.
fn folders_below(folder: &Path, level: usize, depth: usize, found: &mut Vec<PathBuf>) {
    if (depth != 0 && level > depth) || level > DEEPEST || found.len() >= MOST {
        return;
    }
    found.push(folder.to_path_buf());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut inner: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    inner.sort();
    for path in inner {
        folders_below(&path, level + 1, depth, found);
    }
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder)
        .and_then(|list| list.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>())
        .map_err(|error| Diagnostic::local("H0022", format!("cannot read `{}`: {error}", folder.display())))?;
    let mut files: Vec<PathBuf> = entries.into_iter().filter(|path| !path.is_dir()).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(extensions: &[&str], ignored: &[&str]) -> Choice {
        Choice {
            matching: None,
            ignored: ignored.iter().map(|text| PythonRegex::text(&format!("{text}$")).unwrap()).collect(),
            extensions: extensions.iter().map(|text| (*text).to_owned()).collect(),
            unknown_ok: false,
            depth: 0,
        }
    }

    #[test]
    fn endings_are_those_of_splitext() {
        let usual = choice(&["yaml", "yml"], &[]);
        assert!(usual.knows("a.yml") && usual.knows("a.b.yaml"));
        assert!(!usual.knows("a") && !usual.knows(".yml") && !usual.knows("a.json"));
        assert!(choice(&["", "yml"], &[]).knows("a"));
    }

    #[test]
    fn folders_come_with_their_depth_and_a_circle_ends() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        std::fs::create_dir(dir.path().join("z")).unwrap();
        let count = |depth| {
            let mut found = Vec::new();
            folders_below(dir.path(), 1, depth, &mut found);
            found.len()
        };
        assert_eq!((count(1), count(2), count(3), count(0)), (1, 3, 4, 5));
        std::os::unix::fs::symlink(dir.path(), dir.path().join("z/up")).unwrap();
        assert!(count(0) <= MOST);
    }

    #[test]
    fn ignored_names_are_patterns_of_their_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.yml");
        std::fs::write(&file, "").unwrap();
        let choice = choice(&["yml"], &["backup.*", "x.yml"]);
        assert!(!choice.takes(&file, "x.yml").unwrap_or(true));
        assert!(!choice.takes(&file, "my.backup.yml").unwrap_or(true));
        assert!(choice.takes(&file, "y.yml").unwrap_or(false));
    }
}
