//! Modules of one's own: executables in `library/` beside a playbook or in a role, and on the search path.
//!
//! Any language that the host can run. What needs Ansible's own Python code is no such program; it is found here
//! only so that it can be named. As in Ansible a folder counts for all tasks once its playbook or role was read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::loader::Loader;

/// Endings that Ansible does not take for modules.
const NO_PROGRAMS: &[&str] =
    &["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "yaml", "yml", "ini", "json", "ps1", "orig", "ver"];

/// What a module's file is.
pub(super) enum Found {
    /// A program by itself.
    Program(PathBuf),
    /// Code that needs Ansible's Python.
    Python(PathBuf),
}

/// The modules of one playbook's or role's folder, or of a folder of the search path.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    modules: BTreeMap<String, PathBuf>,
}

impl Shelf {
    /// `library/` of a folder.
    fn beside(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), modules: listed(&dir.join("library")) }
    }

    /// A folder of modules.
    pub(super) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), modules: listed(dir) }
    }

    fn find(&self, name: &str) -> Option<Found> {
        self.modules.get(name).map(|path| kind(path.clone()))
    }
}

impl Loader {
    /// From now on the modules beside a playbook or in a role can be used.
    pub(super) fn add_shelf(&self, dir: &Path) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if !shelves.iter().any(|known| known.dir == dir) {
            shelves.push(Shelf::beside(dir));
        }
    }

    /// The folders of playbooks and roles that were read so far, but for the first ones.
    pub(super) fn shelf_dirs(&self, known: usize) -> Vec<PathBuf> {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.iter().skip(known).map(|shelf| shelf.dir.clone()).collect()
    }

    /// The module of a short name: `-M`, then playbooks and roles as they were read, then the search path.
    /// An action plugin runs in the place of any module of its name, wherever that is.
    pub(super) fn on_shelf(&self, name: &str) -> Option<Found> {
        if let Some(action) = self.python_files().iter().find(|file| file.kind == "action" && file.name == name) {
            return Some(Found::Python(action.path.clone()));
        }
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let path = |dirs: &[Shelf]| dirs.iter().find_map(|shelf| shelf.find(name));
        path(&self.first_shelves).or_else(|| path(&shelves)).or_else(|| path(&self.last_shelves))
    }
}

/// The modules in a folder and the folders in it. A file without an ending goes before others of its name.
fn listed(dir: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for path in entries_below(dir, 4) {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let ending = path.extension().and_then(|ending| ending.to_str());
        // What is no file (a FIFO, a broken link) is no module.
        if !path.is_file()
            || name.is_empty()
            || name.starts_with('.')
            || ending.is_some_and(|ending| NO_PROGRAMS.contains(&ending))
        {
            continue;
        }
        found.entry(name.to_owned()).or_insert(path);
    }
    found
}

/// What a folder holds and then what the folders in it hold, `depth` levels deep, each in order; the folders themselves
/// are left out.
pub(super) fn entries_below(dir: &Path, depth: usize) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let (folders, mut found): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    for folder in folders.iter().filter(|_| depth > 0) {
        found.extend(entries_below(folder, depth - 1));
    }
    found
}

/// The file of a module in one folder.
pub(super) fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    let exact = folder.join(name);
    if exact.is_file() {
        return Some(exact);
    }
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().find(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        path.file_stem().is_some_and(|stem| stem == name) && !NO_PROGRAMS.contains(&ending) && path.is_file()
    })
}

/// What a module's file is.
pub(super) fn kind(path: PathBuf) -> Found {
    // Beside a module for Windows stands a text of its documentation.
    let documents = path.extension().is_some_and(|ending| ending == "py") && path.with_extension("ps1").is_file();
    if !documents && runs_alone(&path) { Found::Program(path) } else { Found::Python(path) }
}

/// True if a file is a program by itself: binary, or a script that does not use Ansible's Python code.
pub(super) fn runs_alone(path: &Path) -> bool {
    let Ok(bytes) = crate::diag::read::read_source(path) else { return false };
    if bytes.iter().take(1024).any(|byte| *byte == 0) {
        return true;
    }
    let text = String::from_utf8_lossy(&bytes);
    let needs = ["<<INCLUDE_ANSIBLE_MODULE_COMMON>>", "#Requires -Module Ansible", "#AnsibleRequires "];
    text.starts_with("#!") && !needs.iter().any(|word| text.contains(word)) && !text.lines().any(imports_ansible)
}

/// True for a line by which ansible-core knows a module of its own kind (`NEW_STYLE_PYTHON_MODULE_RE`).
fn imports_ansible(line: &str) -> bool {
    let Some(at) = line.find("module_utils") else { return false };
    let words: Vec<&str> = line[..at].split_whitespace().collect();
    let imported = line[at..].contains(" import ");
    match words.as_slice() {
        [.., "from", start] if start.starts_with("..") => imported,
        [.., "from", "ansible."] => imported,
        [.., "import", "ansible."] => line[at..].starts_with("module_utils."),
        [.., "from", start] if start.starts_with("ansible_collections.") => start.ends_with(".plugins.") && imported,
        [.., "import", start] if start.starts_with("ansible_collections.") => start.ends_with(".plugins."),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Project;
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_pythons_modules_are_told_apart() {
        let project = Project::new(&[
            ("library/a.sh", "#!/bin/sh\n"),
            ("library/b", "\u{7f}ELF\0"),
            ("library/c.py", "#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n"),
            ("library/d.py", "#!/usr/bin/python\n# WANT_JSON\n"),
            ("library/e.md", "#!/bin/sh\n"),
            ("library/sub/f.pl", "#!/usr/bin/perl\n"),
            ("action_plugins/g.py", "class ActionModule: pass\n"),
            ("role/library/a", "#!/bin/sh\n"),
            ("library/h.py", "#!/usr/bin/python\n# WANT_JSON, without ansible.module_utils\n"),
            ("library/i.py", "#!/usr/bin/python\n    from  ..module_utils.x import y\n"),
            ("role/action_plugins/a2.py", "class ActionModule: pass\n"),
            ("library/a2", "#!/bin/sh\n"),
            ("library/w.py", "#!/usr/bin/python\n# its documentation\n"),
            ("library/w.ps1", "#!powershell\n"),
        ]);
        project.loader.add_shelf(&project.path(""));
        project.loader.add_shelf(&project.path("role"));
        let found = |name: &str| {
            let (kind, path) = match project.loader.on_shelf(name)? {
                Found::Program(path) => ("program", path),
                Found::Python(path) => ("Python", path),
            };
            Some(format!("{kind} {}", path.strip_prefix(project.dir.path()).unwrap().display()))
        };
        assert_eq!(found("a").as_deref(), Some("program library/a.sh"));
        assert_eq!(found("b").as_deref(), Some("program library/b"));
        assert_eq!(found("c").as_deref(), Some("Python library/c.py"));
        assert_eq!(found("d").as_deref(), Some("program library/d.py"));
        assert_eq!(found("f").as_deref(), Some("program library/sub/f.pl"));
        assert_eq!(found("g").as_deref(), Some("Python action_plugins/g.py"));
        assert_eq!(found("h").as_deref(), Some("program library/h.py"));
        assert_eq!(found("i").as_deref(), Some("Python library/i.py"));
        assert_eq!(found("a2").as_deref(), Some("Python role/action_plugins/a2.py"));
        assert_eq!(found("w").as_deref(), Some("Python library/w.py"));
        assert_eq!((found("e"), found("../a"), found("a.sh")), (None, None, None));
    }
}
