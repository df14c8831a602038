//! Plugins in Python that a playbook uses: one error that lists where.
//!
//! A use is a name in a task, a template, a keyword, a variable or a setting that leads to a Python file; callbacks
//! and plugins for variables act by themselves. What nothing uses does not disturb.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::survey::Survey;
use super::uses::Reached;
use super::{CheckInput, InventoryVariable};
use crate::diag::{Diagnostic, Span, Subject};
use crate::playbook::collections::full_name;
use crate::playbook::loader::{Loader, clean};
use crate::playbook::plugins::{PythonFile, one, what};
use crate::template::knows_plugin;
use crate::yaml::Node;

/// Errors about names, and the kind of plugin that may have such a name.
const ABOUT: &[(&str, &str)] = &[
    ("T0104", "filter"),
    ("T0105", "test"),
    ("T0107", "lookup"),
    ("P0105", "lookup"),
    ("P0140", "strategy"),
    ("S0115", "connection"),
];

/// Keywords and variables that name plugins.
const NAMING: &[(&str, &str)] = &[
    ("connection", "connection"),
    ("become_method", "become"),
    ("strategy", "strategy"),
    ("ansible_connection", "connection"),
    ("ansible_become_method", "become"),
    ("ansible_shell_type", "shell"),
];

/// Callbacks of public collections that only show a run, or how long it took.
const SHOWS_ONLY: &[&str] = &[
    "actionable",
    "cgroup_memory_recap",
    "cgroup_perf_recap",
    "context_demo",
    "counter_enabled",
    "debug",
    "default_without_diff",
    "dense",
    "diy",
    "full_skip",
    "json",
    "jsonl",
    "null",
    "print_task",
    "profile_roles",
    "profile_tasks",
    "selective",
    "skippy",
    "stderr",
    "tasks_only",
    "timer",
    "timestamp",
    "unixy",
    "yaml",
];

/// The stdout callback that ansible-runner brings: hostctl has it, the Python file is not needed.
const RUNNER: &str = "awx_display";

/// A setting or an option that names a plugin.
#[derive(Clone, Debug)]
pub struct SettingUse {
    /// The kind of plugin, as in [`crate::playbook::PLUGIN_KINDS`].
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// The file that says so, with the place in it.
    pub place: Option<(PathBuf, usize, usize)>,
    /// What says so, for people; empty for a default.
    pub told: String,
    /// Nothing can begin without it.
    pub needed: bool,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// Python files: the path, the kind.
    files: Vec<(PathBuf, &'static str)>,
    /// Where one is used, and its kind.
    uses: Vec<(Span, &'static str)>,
    notes: Vec<String>,
    /// Those of hosts that no play is for.
    perhaps: Vec<(PathBuf, &'static str, Span)>,
}

impl Found {
    fn file(&mut self, path: &Path, kind: &'static str) {
        let path = clean(path);
        if !self.files.iter().any(|(known, _)| *known == path) {
            self.files.push((path, kind));
        }
    }
}

/// The kind as the table has it.
fn of_table(kind: &str) -> &'static str {
    crate::playbook::PLUGIN_KINDS.iter().find(|known| known.name == kind).map_or("modules", |known| known.name)
}

/// The Python file that a name of a kind leads to, if hostctl does not have what it means.
fn python(loader: &Loader, kind: &str, name: &str) -> Option<PathBuf> {
    let own = match kind {
        "filter" | "test" | "lookup" => knows_plugin(kind, name),
        // Those that are not here are errors of their own; a file of one's own hides any.
        _ => true,
    };
    let short = name.strip_prefix("ansible.legacy.").unwrap_or(name);
    if own && short.contains('.') && matches!(kind, "filter" | "test" | "lookup") {
        return None;
    }
    loader.plugin(kind, short, own && !short.contains('.'))?.python
}

/// Replaces errors about names that such plugins define, and uses that the parser found, by one error. Those that
/// nothing uses are passed over.
pub(super) fn fold(survey: &Survey, input: &CheckInput<'_>, reached: &Reached, problems: &mut Vec<Diagnostic>) {
    let loader = input.loader;
    let mut found = Found::default();
    let spans: HashSet<Span> = reached.plugins.iter().map(|used| used.span).collect();
    problems.retain(|problem| {
        if let Some(Subject::Plugin(path)) = &problem.subject {
            let action = path.parent().is_some_and(|dir| dir.ends_with("action_plugins") || dir.ends_with("action"));
            let kind = if action { "action" } else { "modules" };
            found.file(path, kind);
            found.uses.extend(problem.span().map(|span| (span, kind)));
            return false;
        }
        let Some((_, kind)) = ABOUT.iter().find(|(code, _)| *code == &*problem.code) else { return true };
        let Some(span) = problem.span() else { return true };
        let name = loader.sources().file(span.file).and_then(|file| {
            file.text.get(span.start as usize..span.end as usize).map(|text| text.trim_matches(['\'', '"']).to_owned())
        });
        let Some(name) = name else { return true };
        let name = if problem.code == "P0105" { name.strip_prefix("with_").unwrap_or(&name) } else { &name };
        if !problem.is_error() && !spans.contains(&span) {
            return true;
        }
        let Some(path) = python(loader, kind, name) else { return true };
        found.file(&path, of_table(kind));
        found.uses.push((span, of_table(kind)));
        false
    });
    // Each name once: finding it reads the plugins' files.
    let mut known: HashMap<(&str, &str), Option<PathBuf>> = HashMap::new();
    for used in &reached.plugins {
        let path = known.entry((used.kind, &*used.name)).or_insert_with(|| python(loader, used.kind, &used.name));
        if let Some(path) = path {
            found.file(path, of_table(used.kind));
            found.uses.push((used.span, of_table(used.kind)));
        }
    }
    named_by_source(survey, input, reached, &mut found);
    for setting in &input.settings {
        named_by_setting(setting, loader, &mut found);
        problems.extend(missing(setting, loader));
    }
    let unasked = acting(survey, loader, &mut found);
    if let Some(problem) = found.into_error(loader, unasked) {
        problems.push(problem);
    }
}

/// Keywords and variables that name plugins, `with_NAME` among them.
fn named_by_source(survey: &Survey, input: &CheckInput<'_>, reached: &Reached, found: &mut Found) {
    let loader = input.loader;
    let mut take = |kind: &str, name: &str, place: Span| {
        if let Some(path) = python(loader, kind, name) {
            found.file(&path, of_table(kind));
            found.uses.push((place, of_table(kind)));
        }
    };
    let keywords = survey.contexts.iter().map(|context| &context.keywords);
    let mut named = HashSet::new();
    let mut perhaps = Vec::new();
    for keywords in keywords.chain(survey.tasks().map(|task| &task.keywords)) {
        named.extend(keywords.get("delegate_to").and_then(literal));
        for (name, (key, node)) in &keywords.0 {
            if let Some(lookup) = name.strip_prefix("with_") {
                take("lookup", lookup, *key);
            } else if let Some((_, kind)) = NAMING.iter().find(|(known, _)| known == name)
                && let Some(text) = literal(node)
            {
                take(kind, text, node.place());
            }
        }
    }
    for (name, kind) in NAMING.iter().filter(|(name, _)| name.starts_with("ansible_")) {
        let used = |found: &&InventoryVariable| found.reached || found.hosts.iter().any(|host| named.contains(&**host));
        let inventory = input.inventory.iter().filter(|found| &*found.name == *name);
        let (sure, unsure): (Vec<_>, Vec<_>) = inventory.partition(used);
        for node in reached.variables(name).chain(sure.iter().map(|found| &found.node)) {
            if let Some(text) = literal(node) {
                take(kind, text, node.place());
            }
        }
        for node in unsure.iter().map(|found| &found.node) {
            if let Some(path) = literal(node).and_then(|text| python(loader, kind, text)) {
                perhaps.push((path, of_table(kind), node.place()));
            }
        }
    }
    found.perhaps = perhaps;
}

fn literal(node: &Node) -> Option<&str> {
    node.as_str().filter(|text| !text.is_empty() && !node.has_template() && node.tag.is_none())
}

/// A callback that the output of the run needs and that is nowhere.
fn missing(setting: &SettingUse, loader: &Loader) -> Option<Diagnostic> {
    let SettingUse { kind, name, place, told, needed } = setting;
    let (folder, short) = name.rsplit_once('.').unwrap_or(("", name));
    let ours = matches!(folder, "" | "ansible.builtin" | "ansible.legacy" | "ansible.posix" | "community.general")
        && (matches!(short, "default" | "minimal" | "oneline" | "hostctl" | RUNNER) || SHOWS_ONLY.contains(&short));
    if !needed || ours || loader.plugin(kind, name, false).is_some_and(|end| end.python.is_some()) {
        return None;
    }
    let known = ["default", "minimal", "oneline", "json", "yaml", "debug"];
    Some(
        Diagnostic::new(
            "C0118",
            crate::diag::Kind::Local,
            format!("{told} names the callback `{name}`, which is not here"),
        )
        .with_registered(format!("Could not load '{name}' callback plugin."))
        .with_label_opt(place_of(place.as_ref(), loader), "no such callback")
        .with_nearest(short, known)
        .with_hint_else("stdout_callback = default"),
    )
}

/// The place of a setting in its file.
fn place_of(place: Option<&(PathBuf, usize, usize)>, loader: &Loader) -> Option<Span> {
    let (path, start, end) = place?;
    let text = crate::diag::read::read_source(path).ok()?;
    let here = std::env::current_dir().unwrap_or_default();
    let shown = path.strip_prefix(&here).unwrap_or(path).display().to_string();
    let file = loader.sources().add(shown, Some(path), String::from_utf8_lossy(&text).into_owned());
    let at = |offset: usize| u32::try_from(offset.min(file.text.len())).unwrap_or(u32::MAX);
    Some(Span::new(file.id, at(*start), at(*end)))
}

fn named_by_setting(setting: &SettingUse, loader: &Loader, found: &mut Found) {
    let SettingUse { kind, name, place, told, .. } = setting;
    let public = name.starts_with("ansible.posix.") || name.starts_with("community.general.");
    let shows = |name: &str| SHOWS_ONLY.contains(&name.rsplit('.').next().unwrap_or_default());
    if *kind == "callback" && (public && shows(name) || name == RUNNER) {
        return;
    }
    let Some(end) = loader.plugin(kind, name, false).filter(|end| end.python.is_some()) else { return };
    let moved = end.name.starts_with("ansible.posix.") || end.name.starts_with("community.general.");
    let Some(path) = end.python.filter(|_| !(*kind == "callback" && moved && shows(name))) else { return };
    found.file(&path, kind);
    if let Some(span) = place_of(place.as_ref(), loader) {
        found.uses.push((span, kind));
    } else if told.is_empty() {
        found.notes.push(format!("`{}` stands in the place of Ansible's own `{name}`", path.display()));
    } else {
        found.notes.push(format!("{told} names `{name}`"));
    }
}

/// Callbacks and plugins for variables that act by being there. A single task of the command line loads none of them,
/// and a role that is included during the run brings no callback any more.
fn acting(survey: &Survey, loader: &Loader, found: &mut Found) -> bool {
    if loader.options.given.is_some() {
        return false;
    }
    let in_time = |file: &PythonFile| match &file.beside {
        Some(dir) => file.kind != "callback" || !survey.late_roles.contains(dir),
        None => true,
    };
    let files = loader.python_files();
    let mut any = false;
    for file in files.iter().filter(|file| file.acts_by_itself() && in_time(file)) {
        found.file(&file.path, file.kind);
        any = true;
    }
    any
}

impl Found {
    /// The error about all of it.
    fn into_error(mut self, loader: &Loader, unasked: bool) -> Option<Diagnostic> {
        // A host that no play is for may be the one that a task is delegated to, but need not.
        let only_perhaps = self.files.is_empty();
        for (path, kind, span) in std::mem::take(&mut self.perhaps) {
            self.file(&path, kind);
            self.uses.push((span, kind));
        }
        if self.files.is_empty() {
            return None;
        }
        let mut problem = Diagnostic::source("P0304", "plugins in Python cannot run: hostctl has no Python");
        self.uses.sort();
        self.uses.dedup();
        // The inventory and the playbook may have read the same file.
        let mut places = HashSet::new();
        self.uses.retain(|(span, _)| {
            let path = loader.sources().file(span.file).and_then(|file| file.path.as_ref()?.canonicalize().ok());
            path.is_none_or(|path| places.insert((path, span.start)))
        });
        for (span, kind) in &self.uses {
            problem = problem.with_label(*span, one(kind));
        }
        let beside: Vec<PathBuf> = loader.shelf_dirs(0).iter().map(|dir| clean(dir)).collect();
        let mut folders: Vec<(String, Vec<String>)> = Vec::new();
        let mut others = Vec::new();
        for (path, kind) in &self.files {
            let folder = path.parent().unwrap_or(Path::new(""));
            if path.components().any(|part| part.as_os_str() == "ansible_collections") {
                others.push(format!("in a collection: `{}`", path.display()));
            } else if folder.parent().is_none_or(|dir| !beside.contains(&clean(dir))) {
                others.push(format!("on the search path: `{}`", path.display()));
            } else {
                // A bare name is hard to tell from a word.
                let dot = if folder.components().count() == 1 && folder.is_relative() { "./" } else { "" };
                let folder = format!("`{dot}{}` ({})", folder.display(), what(kind));
                let name = format!("`{}`", path.file_name().unwrap_or_default().to_string_lossy());
                match folders.iter_mut().find(|(known, _)| *known == folder) {
                    Some((_, names)) => names.push(name),
                    None => folders.push((folder, vec![name])),
                }
            }
        }
        for (folder, names) in folders {
            problem = problem.with_note(format!("in {folder}: {}", names.join(", ")));
        }
        for note in others.into_iter().chain(self.notes) {
            problem = problem.with_note(note);
        }
        if unasked {
            problem = problem
                .with_note("Ansible loads callbacks and plugins for variables unasked")
                .with_subject(Subject::Unasked);
        }
        let hint = "use a module or filter that hostctl has, or `script` and `command` with a program of your own";
        let problem = problem.with_hint(hint);
        Some(if only_perhaps { problem.warning().with_note("no play is for these hosts") } else { problem })
    }
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
