//! What kind of file a YAML file is, told by its place and by what it holds, as ansible-lint tells it.
//!
//! Only for a look at whole folders: a run knows what each file is from what asks for it. Nothing here reads a file.

use std::path::{Component, Path, PathBuf};

use super::collections::full_name;
use crate::yaml::Node;

/// What a YAML file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// A list of plays.
    Playbook,
    /// A list of tasks.
    Tasks,
    /// A list of handlers.
    Handlers,
    /// A mapping of variables.
    Variables,
    /// Something that no run reads as one of these: it is only read as YAML.
    Data,
    /// A text that becomes something else when it is rendered: it need be no YAML.
    Template,
}

impl FileKind {
    /// Its name in sums.
    pub fn name(self) -> &'static str {
        match self {
            Self::Playbook => "playbook",
            Self::Tasks => "tasks",
            Self::Handlers => "handlers",
            Self::Variables => "variables",
            Self::Data => "data",
            Self::Template => "template",
        }
    }
}

/// Folders of files that no playbook, task or variable stands in.
const DATA_FOLDERS: &[&str] = &["changelogs", "releasenotes", "meta", "rulebooks", "inventory", "workflows"];

/// Files of other programs.
const DATA_FILES: &[&str] =
    &["galaxy", "requirements", "molecule", "execution-environment", "execution_environment", "bindep", "codecov"];

/// Folders of a role.
const ROLE_FOLDERS: &[&str] = &["tasks", "handlers", "defaults", "vars", "meta", "templates", "files"];

/// The folders that a path leads through, outermost first.
fn folders(path: &Path) -> Vec<&str> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let name = |part| match part {
        Component::Normal(name) => std::ffi::OsStr::to_str(name),
        _ => None,
    };
    dir.components().filter_map(name).collect()
}

/// The kind of a file. `path` holds the folders that may tell something; `node` is what it holds, if it could be read.
pub fn file_kind(path: &Path, node: Option<&Node>) -> FileKind {
    let folders = folders(path);
    let inside = |names: &[&str]| folders.iter().rposition(|folder| names.contains(folder));
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if inside(&["templates"]).is_some() || path.extension().is_some_and(|ending| ending == "j2") {
        return FileKind::Template;
    }
    if node.is_some_and(has_plays) {
        // Rules of event-driven Ansible have hosts, too.
        let rules = inside(&["rulebooks"]).is_some();
        return if rules { FileKind::Data } else { FileKind::Playbook };
    }
    let mapping = node.is_none_or(|node| node.as_map().is_some());
    // Where tasks belong, one with an unknown module is a task, too.
    let tasks = node.is_none_or(|node| {
        let entry = |item: &Node| item.is_null() || item.as_map().is_some();
        node.is_null() || node.as_list().is_some_and(|items| items.iter().all(entry))
    });
    let variables = inside(&["group_vars", "host_vars", "vars", "defaults"]);
    // The innermost folder counts: `tasks/vars/x.yml` holds variables, `vars/tasks.yml` does, too.
    let innermost = [(inside(DATA_FOLDERS), FileKind::Data), (variables, FileKind::Variables)]
        .into_iter()
        .chain([(inside(&["tasks"]), FileKind::Tasks), (inside(&["handlers"]), FileKind::Handlers)])
        .filter_map(|(at, kind)| Some((at?, kind)))
        .max_by_key(|(at, _)| *at);
    match innermost {
        Some((_, FileKind::Variables)) if mapping => FileKind::Variables,
        Some((_, kind @ (FileKind::Tasks | FileKind::Handlers))) if tasks => kind,
        Some(_) => FileKind::Data,
        None if DATA_FILES.contains(&stem) || stem.starts_with('.') => FileKind::Data,
        None if node.is_some_and(|node| node.as_list().is_some() && has_tasks(node)) => FileKind::Tasks,
        None => FileKind::Data,
    }
}

/// True for a list with a play in it.
pub fn has_plays(node: &Node) -> bool {
    let is_play = |item: &Node| {
        let has = |name: &str| item.get(name).is_some();
        let import = ["import_playbook", "ansible.builtin.import_playbook", "ansible.legacy.import_playbook"];
        // `gather_facts` is a module, too.
        let action = |key: &Node| is_action(key) && key.as_str() != Some("gather_facts");
        import.iter().any(|name| has(name))
            || has("hosts") && !item.as_map().unwrap_or_default().iter().any(|(key, _)| action(key))
    };
    node.as_list().is_some_and(|items| items.iter().any(is_play))
}

/// True for a list whose entries are all like tasks; for an empty one, too.
fn has_tasks(node: &Node) -> bool {
    let is_task = |item: &Node| {
        let pairs = item.as_map().unwrap_or_default();
        item.is_null() || pairs.iter().any(|(key, _)| key.as_str() == Some("block") || is_action(key))
    };
    node.is_null() || node.as_list().is_some_and(|items| items.iter().all(is_task))
}

/// True for a key that a task has for what it does.
fn is_action(key: &Node) -> bool {
    let Some(name) = key.as_str() else { return false };
    let special = ["action", "local_action", "include_tasks", "include_role", "import_tasks", "import_role"];
    special.contains(&name) || full_name(name).is_some() || crate::modules::find(name).is_some()
}

/// The folder of the role that a path lies in, if its folders are named as those of a role.
pub fn role_folder(path: &Path) -> Option<PathBuf> {
    // The outermost `roles/NAME`: files of its tests may have folders of the same names.
    let parts: Vec<Component<'_>> = path.components().collect();
    let named = |at: usize| parts.get(at).and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
    let in_roles = (0..parts.len().saturating_sub(3))
        .filter(|at| named(*at) == "roles" && ROLE_FOLDERS.contains(&named(at + 2)))
        .map(|at| parts[..=at + 1].iter().collect());
    let found: Option<PathBuf> = in_roles.into_iter().next_back();
    found.or_else(|| {
        // A role by itself: `NAME/tasks/main.yml`.
        let (dir, name) = (path.parent()?, path.file_stem()?.to_str()?);
        let folder = dir.file_name()?.to_str()?;
        (matches!(folder, "tasks" | "handlers" | "defaults" | "vars" | "meta") && name == "main")
            .then(|| dir.parent().unwrap_or(Path::new("")).to_path_buf())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceMap;
    use crate::yaml::{LoadOptions, load};

    fn kind(path: &str, text: &str) -> FileKind {
        let sources = SourceMap::new();
        let file = sources.add(path, None, text);
        let (node, _) = load(&sources, &file, &LoadOptions::default()).single(&file);
        file_kind(Path::new(path), Some(&node))
    }

    #[test]
    fn the_kind_of_a_file_is_told_by_its_place_and_by_what_it_holds() {
        let check = |path: &str, text: &str, expected: FileKind| assert_eq!(kind(path, text), expected, "{path}");
        check("site.yml", "- hosts: all\n", FileKind::Playbook);
        check("site.yml", "- hosts: all\n  gather_facts: false\n  tasks: []\n", FileKind::Playbook);
        check("site.yml", "- import_playbook: a.yml\n", FileKind::Playbook);
        check("roles/r/tasks/site.yml", "- hosts: all\n  tasks: []\n", FileKind::Playbook);
        check("roles/r/tasks/main.yml", "- copy: {}\n", FileKind::Tasks);
        check("roles/r/tasks/main.yml", "", FileKind::Tasks);
        check("roles/r/tasks/main.yml", "- no_such_module:\n", FileKind::Tasks);
        check("roles/r/tasks/main.yml", "- word\n", FileKind::Data);
        check("roles/r/tasks/data.yml", "a: 1\n", FileKind::Data);
        check("roles/r/tasks/vars/a.yml", "a: 1\n", FileKind::Variables);
        check("roles/r/vars/tasks.yml", "a: 1\n", FileKind::Variables);
        check("roles/r/defaults/main/a.yml", "a: 1\n", FileKind::Variables);
        check("roles/r/vars/list.yml", "- a\n", FileKind::Data);
        check("roles/r/handlers/main.yml", "- name: x\n  service: {name: a}\n", FileKind::Handlers);
        check("more.yml", "- no_such_module:\n", FileKind::Data);
        check("roles/r/meta/main.yml", "dependencies: []\n", FileKind::Data);
        check("roles/r/templates/a.yml", "{% if x %}", FileKind::Template);
        check("more.yml", "- block: []\n", FileKind::Tasks);
        check("more.yml", "- ns.col.mod:\n- include_tasks: a.yml\n", FileKind::Tasks);
        // A task may have an argument `hosts` only, and a list of mappings need not be tasks.
        check("more.yml", "- community.x.y: {}\n  hosts: a\n", FileKind::Tasks);
        check("list.yml", "- {a: 1}\n", FileKind::Data);
        check("rulebooks/r.yml", "- hosts: all\n  rules: []\n", FileKind::Data);
        check("group_vars/all.yml", "a: 1\n", FileKind::Variables);
        check("requirements.yml", "- src: a\n", FileKind::Data);
    }

    #[test]
    fn the_role_of_a_file_is_told_by_its_folders() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(role_folder(Path::new(path)), expected.map(PathBuf::from), "{path}");
        };
        check("x/roles/web/tasks/main.yml", Some("x/roles/web"));
        check("x/roles/web/tasks/deep/a.yml", Some("x/roles/web"));
        check("x/roles/web/README.yml", None);
        check("x/roles/web/molecule/default/roles/in/tasks/a.yml", Some("x/roles/web/molecule/default/roles/in"));
        check("web/tasks/main.yml", Some("web"));
        check("tasks/main.yml", Some(""));
        check("web/tasks/a.yml", None);
    }
}
