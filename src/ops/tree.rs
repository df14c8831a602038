//! `hostctl check FOLDER`: every YAML file and template below it, each as what it is.
//!
//! Playbooks are checked as they are, then roles, tasks and handlers that no playbook reaches, each by a playbook of
//! one import; variables, templates and other files that nothing reaches are only read and compiled. Where nothing
//! else is known, a variable may come from anywhere.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{Counted, check_part};
use super::project::{Opened, ProjectRequest, open};
use super::tree_sum::{Sum, missing};
use crate::diag::{Diagnostic, FileId, Result, SourceMap, Span};
use crate::playbook::{FileKind, TemplateCheck as _, file_kind, has_plays, role_folder};
use crate::yaml::{self, LoadOptions, Node};

/// Folders that hold no files of the project itself.
const PASSED_OVER: &[&str] = &["node_modules", "__pycache__", "ansible_collections"];

/// Levels of folders.
const DEEPEST: usize = 40;

/// What is shown of each file as it is checked.
pub type Tell<'a> = &'a mut dyn FnMut(&[Diagnostic], &Arc<SourceMap>);

/// True if a path is no playbook by itself: a folder, or a file of tasks, handlers, variables or of a role.
pub fn is_part(path: &Path) -> bool {
    if !path.is_file() {
        return path.is_dir();
    }
    let node = document(path);
    let parts = [FileKind::Tasks, FileKind::Handlers, FileKind::Variables, FileKind::Template];
    !node.as_ref().is_some_and(has_plays) && parts.contains(&file_kind(&telling(path, 3), node.as_ref()))
}

/// The end of a path that may tell what a file is: from the role on that it lies in, or some of its folders. Those
/// further up have names of their own (`/srv/templates/site/...`).
fn telling(path: &Path, folders: usize) -> PathBuf {
    let whole = absolute(path);
    let all = whole.iter().count();
    let role = role_folder(&whole.join("x")).filter(|role| role.parent().is_some_and(|dir| dir.ends_with("roles")));
    let kept = match role {
        Some(role) => all - role.iter().count() + 2,
        None => (folders + 1).min(all),
    };
    whole.iter().skip(all - kept).collect()
}

/// Checks files and all that is below folders.
pub fn check_tree(request: &ProjectRequest, paths: &[PathBuf], tell: Tell<'_>) -> Result<Sum> {
    let mut files = BTreeMap::new();
    for path in paths {
        let mut found = Vec::new();
        let mut above = telling(path, 3);
        if path.is_dir() {
            walk(path, true, 0, &mut found);
            above = telling(path, 0);
        } else {
            found.push(path.clone());
        }
        for file in found {
            let template = file.extension().is_some_and(|ending| ending == "j2");
            let node = if template { None } else { document(&file) };
            let place = file.strip_prefix(path).map_or_else(|_| file.clone(), |rest| above.join(rest));
            // What is named by itself and holds plays is a playbook wherever it is.
            let kind = match &node {
                Some(node) if file == *path && has_plays(node) => FileKind::Playbook,
                node => file_kind(if file == *path { &above } else { &place }, node.as_ref()),
            };
            files.insert(file, kind);
        }
    }
    let mut request = request.clone();
    let roots: BTreeSet<PathBuf> = files.keys().filter_map(|file| collection_of(file)).map(|(root, _)| root).collect();
    for root in roots {
        if !request.collections_path.contains(&root) {
            request.collections_path.insert(0, root);
        }
    }
    let mut tree = Tree {
        request,
        files,
        tell,
        sum: Sum::default(),
        reached: HashSet::new(),
        numbers: HashMap::new(),
        templates: HashSet::new(),
        shown: HashSet::new(),
    };
    tree.playbooks();
    tree.roles();
    tree.tasks();
    tree.rest()?;
    Ok(tree.summed())
}

/// YAML files and templates below a folder, in order. Links to folders and hidden files are passed over.
fn walk(dir: &Path, top: bool, depth: usize, found: &mut Vec<PathBuf>) {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let alien = PASSED_OVER.contains(&name) || dir.join("pyvenv.cfg").is_file();
    if depth > DEEPEST || !top && alien {
        return;
    }
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut entries: Vec<std::fs::DirEntry> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, false, depth + 1, found);
        } else if path.extension().is_some_and(|ending| ["yml", "yaml", "j2"].iter().any(|known| ending == *known))
            && path.is_file()
        {
            found.push(path);
        }
    }
}

/// What a file holds, if it is YAML of one document.
fn document(path: &Path) -> Option<Node> {
    let text = String::from_utf8(crate::diag::read::read_source(path).ok()?).ok()?;
    let sources = SourceMap::new();
    let file = sources.add("", None, text);
    let loaded = yaml::load(&sources, &file, &LoadOptions::default());
    let errors = loaded.has_errors();
    let (node, _) = loaded.single(&file);
    (!errors).then_some(node)
}

/// The folder that holds `ansible_collections/`, and the collection that a path lies in.
fn collection_of(path: &Path) -> Option<(PathBuf, String)> {
    let path = crate::playbook::clean_path(&std::path::absolute(path).ok()?);
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    let at = parts.iter().rposition(|part| *part == "ansible_collections")?;
    let name = format!("{}.{}", parts.get(at + 1)?, parts.get(at + 2)?);
    Some((path.iter().take(at).collect(), name))
}

/// Text as YAML that stands for itself.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A file among those of a role that is taken instead of `main`.
fn entry_of(path: &Path, role: &Path, folder: &str) -> Option<String> {
    Some(path.strip_prefix(role.join(folder)).ok()?.to_str()?.to_owned())
}

struct Tree<'a> {
    request: ProjectRequest,
    files: BTreeMap<PathBuf, FileKind>,
    tell: Tell<'a>,
    sum: Sum,
    /// Files that were read on the way, absolute.
    reached: HashSet<PathBuf>,
    /// A number for each file.
    numbers: HashMap<PathBuf, u32>,
    /// Places of templates.
    templates: HashSet<(u32, u32)>,
    /// What was told: what, and where.
    shown: HashSet<(String, Option<(u32, u32)>)>,
}

impl Tree<'_> {
    fn of_kind(&self, kind: FileKind) -> Vec<PathBuf> {
        let unread = |path: &Path| !self.reached.contains(&absolute(path));
        self.files
            .iter()
            .filter(|(path, known)| **known == kind && unread(path))
            .map(|(path, _)| path.clone())
            .collect()
    }

    fn playbooks(&mut self) {
        // One that another imports is checked by itself, too: it may be meant for both.
        let playbooks: Vec<PathBuf> =
            self.files.iter().filter(|(_, kind)| **kind == FileKind::Playbook).map(|(path, _)| path.clone()).collect();
        for path in playbooks {
            let request = self.request.clone();
            self.check(&request, &path, false);
        }
    }

    /// Roles: first as they are used, then from each file that nothing reached.
    fn roles(&mut self) {
        let roles: BTreeSet<PathBuf> = self.files.keys().filter_map(|path| role_folder(path)).collect();
        self.sum.roles = roles.len();
        for role in roles {
            let main = ["yml", "yaml"].map(|ending| role.join("tasks/main").with_extension(ending));
            let used = main.iter().any(|path| self.reached.contains(&absolute(path)));
            if !used {
                self.role(&role, &[String::new()]);
            }
            let mut entries = Vec::new();
            for (kind, folder) in [(FileKind::Tasks, "tasks"), (FileKind::Handlers, "handlers")] {
                let files = self.of_kind(kind);
                let names = files.iter().filter_map(|path| entry_of(path, &role, folder));
                entries.extend(names.map(|name| format!(", {folder}_from: {}", quoted(&name))));
            }
            if !entries.is_empty() {
                self.role(&role, &entries);
            }
        }
    }

    fn role(&mut self, role: &Path, entries: &[String]) {
        let whole = absolute(role);
        let short = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = whole.parent().unwrap_or(Path::new("/"));
        let in_roles = beside.file_name().is_some_and(|name| name == "roles");
        let dir = if in_roles { beside.parent().unwrap_or(beside) } else { beside };
        let name = match collection_of(&whole) {
            Some((_, collection)) if in_roles && dir.ends_with(collection.replace('.', "/")) => {
                format!("{collection}.{short}")
            }
            _ => whole.display().to_string(),
        };
        let tasks: String = entries
            .iter()
            .map(|entry| format!("    - ansible.builtin.import_role: {{name: {}{entry}}}\n", quoted(&name)))
            .collect();
        self.given(dir, format!("<role {short}>"), &format!("  tasks:\n{tasks}"));
    }

    /// Tasks and handlers that are in no role, by the folder of the playbook that they may be meant for.
    fn tasks(&mut self) {
        for (kind, list) in [(FileKind::Tasks, "tasks"), (FileKind::Handlers, "handlers")] {
            let mut dirs: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
            for path in self.of_kind(kind) {
                let whole = absolute(&path);
                let beside = whole.parent().unwrap_or(Path::new("/"));
                let dir = match beside.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == list)) {
                    Some(folder) => folder.parent().unwrap_or(folder),
                    None => beside,
                };
                dirs.entry(dir.to_path_buf()).or_default().push(whole);
            }
            for (dir, paths) in dirs {
                let import = |path: &PathBuf| {
                    format!("    - ansible.builtin.import_tasks: {}\n", quoted(&path.display().to_string()))
                };
                let items: String = paths.iter().map(import).collect();
                self.given(&dir, format!("<{list} in {}>", dir.display()), &format!("  {list}:\n{items}"));
            }
        }
    }

    /// Checks a playbook of one play, as if it stood in a folder.
    fn given(&mut self, dir: &Path, name: String, play: &str) {
        let path = dir.join(".hostctl-check.yml");
        let text = format!("- hosts: all\n  gather_facts: false\n{play}");
        let request = ProjectRequest { given: Some((path.clone(), name, text.into())), ..self.request.clone() };
        self.check(&request, &path, true);
    }

    /// `part`: what is checked is used by playbooks that are not known.
    fn check(&mut self, request: &ProjectRequest, playbook: &Path, part: bool) {
        let sources = SourceMap::new();
        let mut places = HashSet::new();
        let found = check_part(request, playbook, &sources, &mut places).unwrap_or_else(|error| vec![error]);
        // Who uses it may have the handlers that it notifies and the files that it names, and say what its static names
        // stand for.
        let open = |problem: &Diagnostic| part && matches!(&*problem.code, "P0302" | "P0303" | "P0401" | "P0406");
        let found = found.into_iter().map(|problem| if open(&problem) { problem.warning() } else { problem });
        self.take(found.collect(), &sources, &places);
    }

    /// Variables, templates and other files that nothing reached.
    fn rest(&mut self) -> Result<()> {
        let sources = SourceMap::new();
        let opened = open(&self.request, Path::new("check.yml"), &sources, false)?;
        let told = "nothing that was checked reads this file";
        for (kind, variables) in [(FileKind::Variables, true), (FileKind::Data, false)] {
            for path in self.of_kind(kind) {
                let (sources, node, mut problems) = read_alone(&path, &opened);
                let counted = Counted { templates: &opened.templates, places: RefCell::default() };
                if let Some(node) = node.filter(|_| variables) {
                    problems.extend(counted.check(&node, false));
                }
                let warned = problems.into_iter().map(|problem| problem.warning().with_note(told)).collect();
                self.take(warned, &sources, &counted.places.into_inner());
            }
        }
        for path in self.of_kind(FileKind::Template) {
            let sources = SourceMap::new();
            let Some(node) = template(&path, &sources) else { continue };
            let counted = Counted { templates: &opened.templates, places: RefCell::default() };
            let problems = counted.check(&node, false);
            let warned = problems.into_iter().map(|problem| problem.warning().with_note(told)).collect();
            self.take(warned, &sources, &counted.places.into_inner());
        }
        Ok(())
    }

    fn number(&mut self, path: &Path) -> u32 {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(absolute(path)).or_insert(next)
    }

    /// Shows what was not shown yet, and counts it.
    fn take(&mut self, found: Vec<Diagnostic>, sources: &Arc<SourceMap>, templates: &HashSet<(FileId, u32)>) {
        let files: HashMap<FileId, u32> = sources
            .files()
            .iter()
            .filter_map(|file| Some((file.id, file.path.clone()?)))
            .map(|(id, path)| {
                self.reached.insert(absolute(&path));
                (id, self.number(&path))
            })
            .collect();
        self.templates.extend(templates.iter().filter_map(|(file, start)| Some((*files.get(file)?, *start))));
        let place = |span: Span| Some((*files.get(&span.file)?, span.start));
        let mut new = Vec::new();
        for mut problem in found {
            // What an include brings in is checked by itself.
            if problem.code == "P0305" {
                continue;
            }
            let what = format!("{} {}", problem.code, problem.is_error());
            if matches!(&*problem.code, "P0304" | "P0202") && !problem.labels.is_empty() {
                // Each place of what many playbooks share is told once.
                problem.labels.retain(|label| self.shown.insert((what.clone(), place(label.span))));
                if problem.labels.is_empty() {
                    continue;
                }
            } else {
                let at = problem.span().and_then(place);
                let notes = if at.is_none() { problem.notes.join("\n") } else { String::new() };
                if !self.shown.insert((format!("{what} {}{notes}", problem.message), at)) {
                    continue;
                }
            }
            for (kind, name, span) in missing(&problem, sources) {
                let at = place(span).unwrap_or_default();
                self.sum.note(kind, name, at);
            }
            let counts = if problem.is_error() { &mut self.sum.errors } else { &mut self.sum.warnings };
            *counts.entry(problem.code.to_string()).or_default() += 1;
            new.push(problem);
        }
        if !new.is_empty() {
            (self.tell)(&new, sources);
        }
    }

    fn summed(mut self) -> Sum {
        for kind in self.files.values() {
            *self.sum.files.entry(kind.name()).or_default() += 1;
        }
        self.sum.templates = self.templates.len();
        self.sum
    }
}

/// Reads a file that no run reads in this way; of several documents all are read.
fn read_alone(path: &Path, opened: &Opened) -> (Arc<SourceMap>, Option<Node>, Vec<Diagnostic>) {
    let sources = SourceMap::new();
    let text = match crate::diag::read::read_source(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => {
            let problem = Diagnostic::source("P0402", format!("`{}` is not UTF-8 text", path.display()));
            return (sources, None, vec![problem]);
        }
        Err(error) => {
            let problem = Diagnostic::source("P0401", format!("cannot read `{}`: {error}", path.display()));
            return (sources, None, vec![problem]);
        }
    };
    let sealed = text.starts_with("$ANSIBLE_VAULT;");
    let opening = || opened.keyring.unseal(&text).ok();
    // Without its key it is passed over.
    let text = if sealed { opening().unwrap_or_default() } else { text };
    let file = sources.add(path.display().to_string(), Some(path), text);
    let mut loaded = yaml::load(&sources, &file, &LoadOptions::default().sealed(sealed));
    if sealed {
        sources.mask(file.id);
    }
    let node = if loaded.documents.len() == 1 && !loaded.has_errors() { loaded.documents.pop() } else { None };
    (sources, node, loaded.diagnostics)
}

/// A template that nothing names. Some with delimiters of their own, or of other programs, cannot be told from others.
fn template(path: &Path, sources: &SourceMap) -> Option<Node> {
    if path.extension().is_none_or(|ending| ending != "j2") {
        return None;
    }
    let text = String::from_utf8(crate::diag::read::read_source(path).ok()?).ok()?;
    if text.starts_with("$ANSIBLE_VAULT;") || text.starts_with("#jinja2:") {
        return None;
    }
    let text: Arc<str> = text.into();
    let file = sources.add(path.display().to_string(), Some(path), Arc::clone(&text));
    let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
    Some(Node::text(text, Span::new(file.id, 0, end)))
}

fn absolute(path: &Path) -> PathBuf {
    crate::playbook::clean_path(&std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::project;
    use super::*;

    /// What is told of a folder, a line each, and the sum.
    fn check(files: &[(&str, &str)]) -> (Vec<String>, Sum) {
        let dir = project(files);
        let mut lines = Vec::new();
        let mut tell = |found: &[Diagnostic], sources: &Arc<SourceMap>| {
            for problem in found {
                let place = problem.span().map(|span| sources.place(span)).unwrap_or_default();
                let place = place.rsplit_once(&*dir.path().to_string_lossy()).map_or(place.as_str(), |(_, rest)| rest);
                let grade = if problem.is_error() { "error" } else { "warning" };
                lines.push(format!("{grade} {} {}", problem.code, place.trim_start_matches('/')));
            }
        };
        let sum = check_tree(&ProjectRequest::default(), &[dir.path().to_path_buf()], &mut tell).unwrap();
        (lines, sum)
    }

    #[test]
    fn every_file_below_a_folder_is_checked_as_what_it_is_and_told_once() {
        let (lines, sum) = check(&[
            ("site.yml", "- hosts: all\n  roles: [web]\n- hosts: all\n  roles: [web]\n"),
            ("other.yml", "- hosts: all\n  roles: [web]\n"),
            ("roles/web/tasks/main.yml", "- nope_a: {}\n- debug: {msg: '{{ unknown_here }}'}\n  notify: elsewhere\n"),
            ("roles/web/tasks/late.yml", "- nope_b: {}\n- import_tasks: '{{ what }}.yml'\n"),
            ("roles/web/handlers/more.yml", "- name: h\n  nope_c: {}\n"),
            ("roles/web/vars/late.yml", "x: '{{ 1 | nofilter }}'\n"),
            ("roles/web/templates/late.j2", "{% if %}"),
            ("roles/alone/tasks/main.yml", "- copy: {nothing: 1}\n"),
            ("parts/tasks/a.yml", "- nope_d: {}\n"),
            ("more/handlers.yml", "- nope_e: {}\n- include_tasks: '{{ x }}'\n"),
            ("data.yml", "a: 1\n---\nb: 2\n"),
            ("broken.yml", "a: [1\n"),
            (".hidden/x.yml", "- hosts: all\n  nope: 1\n"),
        ]);
        let codes = |what: &str| lines.iter().filter(|line| line.contains(what)).cloned().collect::<Vec<_>>();
        assert_eq!(codes("P0202").len(), 4, "{lines:?}");
        assert_eq!(codes("error P0202 roles/web/tasks/main.yml:1:3").len(), 1, "{lines:?}");
        assert_eq!(codes("error P0202 roles/web/tasks/late.yml:1:3").len(), 1, "{lines:?}");
        assert_eq!(codes("error P0202 roles/web/handlers/more.yml").len(), 1, "{lines:?}");
        assert_eq!(codes("error P0202 parts/tasks/a.yml").len(), 1, "{lines:?}");
        assert_eq!(codes("warning P0406 roles/web/tasks/late.yml").len(), 1, "{lines:?}");
        assert_eq!(codes("warning T0104 roles/web/vars/late.yml").len(), 1, "{lines:?}");
        assert_eq!(codes("warning T0100 roles/web/templates/late.j2").len(), 1, "{lines:?}");
        assert_eq!(codes("error M0002 roles/alone/tasks/main.yml").len(), 1, "{lines:?}");
        assert_eq!((codes("P0301").len(), codes("P0305").len(), codes("hidden").len()), (0, 0, 0), "{lines:?}");
        assert_eq!(codes("warning Y").len(), 1, "{lines:?}");
        let names: Vec<String> =
            sum.missing().iter().map(|found| format!("{} {} {}", found.kind, found.name, found.places)).collect();
        assert_eq!(
            names,
            ["filter nofilter 1", "module nope_a 1", "module nope_b 1", "module nope_c 1", "module nope_d 1"]
        );
        assert_eq!(sum.files.get("playbook"), Some(&2));
        assert_eq!(sum.roles, 2);
        assert!(sum.templates >= 3, "{}", sum.templates);
    }

    #[test]
    fn a_part_of_a_project_is_told_from_a_playbook() {
        let dir = project(&[
            ("site.yml", "- hosts: all\n"),
            ("roles/r/tasks/main.yml", "- debug:\n"),
            ("group_vars/all.yml", "a: 1\n"),
            ("odd.yml", "just text\n"),
            ("templates/site.yml", "- hosts: all\n"),
            ("templates/x.yml", "a: 1\n"),
        ]);
        let check = |name: &str, expected: bool| assert_eq!(is_part(&dir.path().join(name)), expected, "{name}");
        check("", true);
        check("roles/r/tasks/main.yml", true);
        check("group_vars/all.yml", true);
        check("site.yml", false);
        check("odd.yml", false);
        check("none.yml", false);
        check("templates/site.yml", false);
        check("templates/x.yml", true);
    }

    #[test]
    fn folders_far_up_tell_nothing() {
        let check = |path: &str, folders: usize, expected: &str| {
            assert_eq!(telling(Path::new(path), folders), PathBuf::from(expected), "{path}");
        };
        check("/srv/templates/a/b/c/site.yml", 3, "a/b/c/site.yml");
        check("/srv/templates/site", 0, "site");
        check("/srv/x/roles/web/tasks/deep/er/a.yml", 3, "roles/web/tasks/deep/er/a.yml");
        check("/srv/x/roles/web/tasks", 0, "roles/web/tasks");
        check("/a.yml", 3, "/a.yml");
    }
}
