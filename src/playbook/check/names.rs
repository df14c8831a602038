//! Which variables a playbook defines, and where.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::files::candidates;
use super::handlers::{matches, pattern};
use super::survey::Survey;
use super::{CheckInput, InventoryVariable};
use crate::diag::{Diagnostic, SourceMap, Span};
use crate::playbook::loader::Loader;
use crate::playbook::model::{Action, Keywords, ModuleUse, Task};
use crate::playbook::reserved::{is_reserved, reserved_name};
use crate::yaml::Node;

/// Names that Ansible and hostctl define themselves; `ansible_*` and `hostctl_*` besides.
const MAGIC: &[&str] = &[
    "environment",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "item",
    "omit",
    "packages",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "role_uuid",
    "services",
    "template_destpath",
    "template_fullpath",
    "template_host",
    "template_path",
    "template_run_date",
    "template_uid",
    "vars",
];

/// All definitions.
#[derive(Default)]
pub(super) struct Names {
    /// Name to the places and values of its definitions; no value for registered results and the like.
    pub(super) defined: HashMap<String, Vec<(Option<Span>, Option<Node>)>>,
    /// Names with templates in them.
    patterns: Vec<String>,
    /// What is added now may not be set at all: it stands in files whose names only fit.
    guessing: bool,
    /// Places of such names, and of those of loops' variables.
    guessed: HashSet<Span>,
    /// Some names come from where nothing can be known.
    pub(super) open: bool,
}

impl Names {
    pub(super) fn collect(survey: &Survey, input: &CheckInput<'_>) -> Self {
        let mut names = Self { open: !input.complete || survey.incomplete, ..Self::default() };
        for name in &input.known {
            names.add(name, None, None);
        }
        for (name, node) in &input.variables {
            names.add(name, Some(node.place()), Some(node));
        }
        for context in &survey.contexts {
            names.keywords(&context.keywords);
        }
        for play in &survey.plays {
            names.vars_files(
                &play.play.context.keywords,
                play.play.file.parent().unwrap_or(Path::new("")),
                input.loader,
            );
        }
        for role in &survey.roles {
            role.defaults.iter().chain(&role.vars).for_each(|mapping| names.mapping(mapping));
            for (name, node) in &role.params {
                names.add(name, Some(node.place()), Some(node));
            }
        }
        for task in survey.tasks() {
            names.task(task, input.loader);
        }
        names.guessing = true;
        survey.lost.iter().for_each(|task| names.anywhere(task, 0));
        for (task, node) in &survey.unfollowed {
            names.unfollowed(task, node, input.loader);
        }
        names
    }

    /// True if a name is defined somewhere, or may be.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.defined.contains_key(name)
            || name.starts_with("ansible_")
            || name.starts_with("hostctl_")
            || name.starts_with("getent_")
            || MAGIC.contains(&name)
            || self.patterns.iter().any(|pattern| matches(pattern, name))
    }

    /// A warning for each place that sets a variable of a name that the language uses itself, as a run gives it.
    pub(super) fn reserved(&self, inventory: &[InventoryVariable], sources: &SourceMap) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        // A file may have been read for the inventory and for the playbook beside it.
        let place = |span: &Span| {
            let file = sources.file(span.file);
            (file.map_or_else(String::new, |file| file.name.clone()), span.start)
        };
        for (name, places) in self.defined.iter().filter(|(name, _)| is_reserved(name)) {
            let mut spans: Vec<Span> = places.iter().filter_map(|(span, _)| *span).collect();
            let reached = |one: &&InventoryVariable| one.reached && *one.name == **name;
            spans.extend(inventory.iter().filter(reached).map(|one| one.node.place()));
            spans.retain(|span| !self.guessed.contains(span));
            spans.sort_by_key(place);
            spans.dedup_by_key(|span| place(span));
            found.extend(spans.into_iter().map(|span| reserved_name(name, Some(span))));
        }
        found
    }

    /// All names, for "did you mean".
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.defined.keys().map(String::as_str).chain(MAGIC.iter().copied())
    }

    fn add(&mut self, name: &str, span: Option<Span>, value: Option<&Node>) {
        if self.guessing {
            self.guessed.extend(span);
        }
        self.defined.entry(name.to_owned()).or_default().push((span, value.cloned()));
    }

    /// A mapping of variables, or a list of them.
    fn mapping(&mut self, mapping: &Node) {
        mapping.as_list().unwrap_or_default().iter().for_each(|item| self.mapping(item));
        for (key, value) in mapping.as_map().unwrap_or_default() {
            if let Some(name) = key.as_str() {
                self.add(name, Some(key.place()), Some(value));
            }
        }
    }

    fn keywords(&mut self, keywords: &Keywords) {
        if let Some(vars) = keywords.get("vars") {
            self.mapping(vars);
        }
        let text = |node: Option<&Node>| node.and_then(Node::as_str).map(str::to_owned);
        if let Some(name) = text(keywords.get("register")) {
            self.add(&name, keywords.get("register").map(Node::place), None);
        }
        for key in ["loop_var", "index_var"] {
            let node = keywords.get("loop_control").and_then(|control| control.get(key));
            if let Some(name) = text(node) {
                self.guessed.extend(node.map(Node::place));
                self.add(&name, node.map(Node::place), None);
            }
        }
        let prompts = keywords.get("vars_prompt");
        for prompt in prompts.and_then(Node::as_list).unwrap_or_default() {
            if let Some(name) = text(prompt.get("name")) {
                self.add(&name, prompt.get("name").map(Node::place), None);
            }
        }
    }

    fn vars_files(&mut self, keywords: &Keywords, dir: &Path, loader: &Loader) {
        let Some(node) = keywords.get("vars_files") else { return };
        let single = std::slice::from_ref(node);
        for entry in node.as_list().unwrap_or(single) {
            let single = std::slice::from_ref(entry);
            for name in entry.as_list().unwrap_or(single) {
                let Some(text) = name.as_str() else { continue };
                let files = [dir.join("vars").join(text), dir.join(text)];
                self.files(&files, name.has_template(), loader);
            }
        }
    }

    fn task(&mut self, task: &Task, loader: &Loader) {
        self.keywords(&task.keywords);
        if matches!(task.action, Action::Dynamic(_)) {
            self.open = true;
        }
        let Action::Module(module) = &task.action else { return };
        // A program of one's own may return facts of any name.
        self.open |= module.program.is_some();
        match module.entry.meta.name {
            "set_fact" | "add_host" => self.set_fact(module),
            "include_vars" => self.include_vars(task, module, loader),
            "set_stats" => {
                if let Some((_, data)) = module.args.get("data") {
                    self.mapping(data);
                }
            }
            _ => {}
        }
    }

    fn set_fact(&mut self, module: &ModuleUse) {
        // One template for all names.
        self.open |= module.args_template.is_some();
        for (name, (span, value)) in &module.args {
            if name.contains("{{") {
                self.patterns.push(pattern(name));
            } else {
                self.add(name, Some(*span), Some(value));
            }
        }
    }

    fn include_vars(&mut self, task: &Task, module: &ModuleUse, loader: &Loader) {
        let arg = |name: &str| module.args.get(name).map(|(_, node)| node);
        if let Some(name) = arg("name") {
            // All that is read stands below this one name.
            match name.as_str().filter(|_| !name.has_template()) {
                Some(text) => self.add(text, Some(name.place()), None),
                None => self.open = true,
            }
            return;
        }
        let free = module.entry.meta.free_form.and_then(arg);
        let file = arg("file").or(free);
        if let Some(node) = file
            && let Some(text) = node.as_str()
        {
            // A loop or `first_found` may give any file of the folder.
            let anything = node.has_template() && pattern(text).trim() == "\0";
            let text = if anything { "{{ any }}" } else { text };
            let files = candidates(task, "vars", text);
            self.files(&files, node.has_template(), loader);
        } else if let Some(dir) = arg("dir") {
            match dir.as_str().filter(|_| !dir.has_template()) {
                Some(text) => {
                    let dirs = candidates(task, "vars", text);
                    let all: Vec<PathBuf> = dirs.iter().map(|dir| dir.join("{{ any }}")).collect();
                    self.files(&all, true, loader);
                }
                None => self.open = true,
            }
        } else {
            self.open = true;
        }
    }

    /// Variables of the first of these files that exists; with templates in the names, of all that fit.
    fn files(&mut self, files: &[PathBuf], templated: bool, loader: &Loader) {
        let (mut any, before) = (false, self.guessing);
        self.guessing |= templated;
        for path in files {
            let fitting = if templated { fitting(path) } else { vec![path.clone()] };
            for path in fitting.iter().filter(|path| path.is_file()) {
                match loader.vars_files_entry(path) {
                    Ok(mapping) => {
                        any = true;
                        self.mapping(&mapping);
                    }
                    // Of the files that fit a pattern not all hold variables.
                    Err(error) if templated && error.code == "P0407" => {}
                    // A sealed or broken file: its names are not known.
                    Err(_) => {
                        any = true;
                        self.open = true;
                    }
                }
            }
            if any && !templated {
                return;
            }
        }
        self.guessing = before;
        // A templated name that fits nothing may lead out of the project.
        self.open |= templated && !any;
    }

    /// An include that was not followed: what the files that fit its name define.
    fn unfollowed(&mut self, task: &Task, node: &Node, loader: &Loader) {
        let Action::Include(include) = &task.action else { return };
        let text = node.as_str().unwrap_or_default();
        if include.kind == crate::playbook::IncludeKind::Role {
            self.open = true;
            return;
        }
        let mut any = false;
        let role = task.context.role().map(|role| role.path.join("tasks").join(text));
        let beside = task.file.parent().unwrap_or(Path::new("")).join(text);
        for path in role.into_iter().chain([beside]).flat_map(|path| fitting(&path)) {
            if let Ok(source) = loader.read(&path) {
                any = true;
                self.anywhere(&source.node, 0);
            }
        }
        self.open |= !any;
    }

    /// Names that a file of tasks defines, wherever they stand in it.
    fn anywhere(&mut self, node: &Node, depth: usize) {
        if depth > 100 {
            return;
        }
        for item in node.as_list().unwrap_or_default() {
            self.anywhere(item, depth + 1);
        }
        for (key, value) in node.as_map().unwrap_or_default() {
            match key.as_str().unwrap_or_default() {
                "register" | "loop_var" | "index_var" => {
                    if let Some(name) = value.as_str() {
                        self.add(name, Some(value.place()), None);
                    }
                }
                "vars" | "set_fact" | "ansible.builtin.set_fact" | "add_host" | "ansible.builtin.add_host" => {
                    match value.as_map() {
                        Some(_) => self.mapping(value),
                        None => self.open |= value.as_str().is_some(),
                    }
                }
                "include_vars"
                | "ansible.builtin.include_vars"
                | "include_role"
                | "import_role"
                | "include_tasks"
                | "import_tasks" => self.open = true,
                _ => self.anywhere(value, depth + 1),
            }
        }
    }
}

/// The files of a folder whose names fit a name with templates.
fn fitting(path: &Path) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    let shape = pattern(&text);
    // The folder up to the first template.
    let fixed = shape.split('\0').next().unwrap_or_default();
    let dir = match fixed.rfind('/') {
        Some(at) => PathBuf::from(&fixed[..=at]),
        None => PathBuf::from("."),
    };
    let mut found = Vec::new();
    walk(&dir, 0, &mut found);
    let fits = |path: &PathBuf| {
        let text = path.to_string_lossy();
        let text = text.strip_prefix("./").filter(|_| !shape.starts_with("./")).unwrap_or(&text);
        matches(&shape, text)
            || ["yml", "yaml", "json"].iter().any(|ending| {
                text.strip_suffix(ending)
                    .and_then(|text| text.strip_suffix('.'))
                    .is_some_and(|text| matches(&shape, text))
            })
    };
    found.retain(fits);
    found
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > 4 || found.len() > 1000 {
        return;
    }
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}
