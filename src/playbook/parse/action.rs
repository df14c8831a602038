//! Which module a task calls.

use std::sync::Arc;

use indexmap::IndexMap;

use super::items::{role_as_handler, suggestion};
use super::words::{self, ANSIBLE_MODULES, special};
use super::{Here, Parser, playbook_dir};
use crate::diag::{Diagnostic, Span, nearest};
use crate::modules;
use crate::playbook::collections::Known;
use crate::playbook::keywords::{self, Places};
use crate::playbook::kv;
use crate::playbook::model::{Action, DynamicUse, Include, IncludeKind, Keywords, ModuleUse};
use crate::yaml::{Node, Pair};

/// Arguments by name: the key's place, the value.
pub(super) type Args = IndexMap<Arc<str>, (Span, Node)>;

/// A task taken apart.
pub(super) struct Found {
    pub(super) keywords: Keywords,
    pub(super) name: Arc<str>,
    pub(super) name_span: Span,
    pub(super) action: Kind,
}

/// What a task does, before imports are resolved.
pub(super) enum Kind {
    /// A module or a dynamic include.
    Ready(Action),
    /// `import_tasks` and its file.
    ImportTasks(Node),
    /// `import_role` and its arguments.
    ImportRole(Args),
}

/// What a module's name leads to.
struct Target {
    entry: &'static modules::ModuleEntry,
    name: String,
    program: Option<std::path::PathBuf>,
    trouble: Option<Trouble>,
    deprecated: Vec<(String, crate::diag::Deprecation)>,
}

/// Why a module that is there cannot be used.
enum Trouble {
    /// It needs Ansible's Python.
    Python(std::path::PathBuf),
    /// Its collection removed it.
    Removed(String, String),
}

/// A module's name with the value that holds its arguments.
struct Call {
    name: Arc<str>,
    name_span: Span,
    value: Node,
    /// From `action:`: the arguments are text behind the name, or a mapping with `module` taken out.
    old_style: bool,
    /// The name is a template: the name with what stands behind it.
    template: Option<Node>,
}

impl Parser<'_> {
    pub(super) fn action(&mut self, node: &Node, pairs: &[Pair], here: &Here) -> Option<Found> {
        let included = pairs
            .iter()
            .any(|(key, _)| matches!(key.as_str().and_then(special), Some("include_tasks" | "include_role")));
        let place = match (included, here.handler) {
            (true, _) => Places::INCLUDE,
            (false, true) => Places::HANDLER,
            (false, false) => Places::TASK,
        };
        let before = self.problems.len();
        let (mut keywords, rest) = self.task_keywords(pairs, place);
        self.look_from(keywords.get("collections"), here);
        let action = keywords.0.shift_remove("action");
        let local = keywords.0.shift_remove("local_action");
        let args = keywords.0.shift_remove("args");
        if let (Some((first, _)), Some((second, _))) = (&action, &local) {
            self.problem(
                Diagnostic::source("P0104", "both `action` and `local_action` in one task")
                    .with_label(*second, "second one")
                    .with_label(*first, "first one"),
            );
        }
        let is_local = action.is_none() && local.is_some();
        let mut calls = Vec::new();
        let mut broken = false;
        if let Some((span, value)) = action.or(local) {
            if value.get("module").is_some() {
                let words = "Using a mapping for `action` is deprecated.";
                let hint = "write `MODULE: ARGUMENTS` instead";
                self.deprecated("a mapping for `action` is deprecated", words, span, hint);
            }
            match self.old_style(span, &value) {
                Some(call) => calls.push(call),
                None => broken = true,
            }
            if is_local {
                keywords.0.entry("delegate_to").or_insert_with(|| (span, Node::text("localhost", span)));
            }
        }
        let mut unknown = Vec::new();
        for (key, value) in rest {
            let name = key.as_str().unwrap_or_default();
            if self.find(name).is_some() || special(name).is_some() {
                let (name, name_span) = (Arc::from(name), key.place());
                calls.push(Call { name, name_span, value: value.clone(), old_style: false, template: None });
            } else if here.handler && name == "listen" && place == Places::INCLUDE {
                // Handlers that include tasks may listen.
                keywords.0.insert("listen", (key.place(), value.clone()));
            } else {
                unknown.push(key);
            }
        }
        // `gather_facts` is a module too, but beside another one the play's keyword is meant.
        if calls.len() > 1 {
            let (meant, keywords): (Vec<Call>, Vec<Call>) =
                calls.into_iter().partition(|call| keywords::find(&call.name).is_none());
            for call in keywords {
                self.unknown(place, &Node::text(call.name, call.name_span));
            }
            calls = meant;
        }
        if let [first, second, ..] = calls.as_slice() {
            self.problem(
                Diagnostic::source("P0205", format!("both `{}` and `{}` in one task", first.name, second.name))
                    .with_label(second.name_span, "second module")
                    .with_label(first.name_span, "first module")
                    .with_hint("a task calls one module: start the second with `- `"),
            );
        }
        let Some(call) = calls.into_iter().next() else {
            if !broken {
                self.no_action(node, pairs, &unknown, place, before);
            }
            return None;
        };
        for key in unknown {
            let before = self.problems.len();
            self.unknown(place, key);
            // An argument that slipped out of its module.
            let argument = key.as_str().filter(|key| {
                let takes = |target: Target| {
                    target.entry.spec().args.values().any(|arg| arg.name == *key || arg.aliases.contains(key))
                };
                self.find(&call.name).is_some_and(takes)
            });
            if let (Some(argument), Some(problem)) = (argument, self.problems.get_mut(before)) {
                problem.hints = vec![format!(
                    "`{argument}` is an argument of `{}`: indent it below `{}:`, or put it below `args:`",
                    call.name, call.name
                )];
            }
        }
        let Call { name, name_span, .. } = &call;
        let (name, name_span) = (Arc::clone(name), *name_span);
        let action = match special(&name) {
            Some(special) => self.special(special, &call, args, here)?,
            None => match call.template {
                Some(text) => {
                    let mut pairs = call.value.as_map().unwrap_or_default().to_vec();
                    pairs.extend(args.map(|(span, node)| (Node::text("args", span), node)));
                    Kind::Ready(Action::Dynamic(DynamicUse { name: Arc::clone(&name), text, args: pairs }))
                }
                None => {
                    let module = self.module(&call, args)?;
                    if module.entry.meta.name == modules::ABSENT {
                        let conditional = keywords.get("when").is_some()
                            || here.context.chain().any(|context| context.keywords.get("when").is_some());
                        let problem = unknown_module(&name, name_span, place);
                        self.problem(if conditional { problem.warning() } else { problem });
                        if !conditional {
                            return None;
                        }
                    }
                    Kind::Ready(Action::Module(module))
                }
            },
        };
        Some(Found { keywords, name, name_span, action })
    }

    /// No key of the task is a module.
    fn no_action(&mut self, node: &Node, pairs: &[Pair], unknown: &[&Node], place: Places, before: usize) {
        let keyword_like =
            |name: &str| words::nearest_action(name).is_none() && nearest(name, keywords::names_at(place)).is_some();
        // The key that is most likely meant as the module: not one that looks like a keyword.
        let near = |key: &Node| key.as_str().and_then(words::nearest_action).is_some();
        let meant = unknown
            .iter()
            .find(|key| near(key))
            .or_else(|| unknown.iter().find(|key| !keyword_like(key.as_str().unwrap_or_default())));
        let Some(meant) = meant else {
            for key in unknown {
                self.unknown(place, key);
            }
            if self.problems.len() > before && unknown.is_empty() {
                return;
            }
            let last = pairs.last().map_or(node.place(), |(key, _)| key.place());
            let first = pairs.first().map_or(last, |(key, _)| key.place());
            self.problem(
                Diagnostic::source("P0204", "the task calls no module")
                    .with_label(first, "this task has keywords only")
                    .with_hint("add a module, such as `command: ...`"),
            );
            return;
        };
        let name = meant.as_str().unwrap_or_default();
        self.problem(unknown_module(name, meant.place(), place));
        for key in unknown.iter().filter(|key| key.place() != meant.place()) {
            self.unknown(place, key);
        }
    }

    /// `action: copy src=a dest=b`, `action: {module: copy, src: a}`, `local_action` likewise.
    fn old_style(&mut self, span: Span, value: &Node) -> Option<Call> {
        let text = match value.as_map() {
            Some(pairs) => pairs.iter().find(|(key, _)| key.as_str() == Some("module")).map(|(_, value)| value),
            None => Some(value),
        };
        let Some(node) = text.filter(|node| node.as_str().is_some_and(|text| !text.trim().is_empty())) else {
            self.problem(
                Diagnostic::source("P0206", "expected a module's name and its arguments")
                    .with_label(
                        value.place(),
                        if value.as_map().is_some() { "`module` is missing" } else { "not text" },
                    )
                    .with_label(span, "in this action")
                    .with_hint("write `MODULE: ARGUMENTS` instead"),
            );
            return None;
        };
        let text = node.as_str().unwrap_or_default();
        let start = text.len() - text.trim_start().len();
        let end = start + text[start..].find([' ', '\n']).unwrap_or(text.len() - start);
        let end = if text[start..].starts_with("{{") { text.len() } else { end };
        let name = &text[start..end];
        let name_span = node.text_span(start, end);
        if name.contains("{{") || name.contains("{%") {
            let rest = value.as_map().unwrap_or_default().iter().filter(|(key, _)| key.as_str() != Some("module"));
            let data = crate::yaml::NodeData::Map(rest.cloned().collect::<Vec<_>>().into());
            return Some(Call {
                name: name.into(),
                name_span,
                value: Node { data, tag: None, ..value.clone() },
                old_style: true,
                template: Some(node.clone()),
            });
        }
        if self.find(name).is_none() && special(name).is_none() {
            self.problem(unknown_module(name, name_span, Places::TASK));
            return None;
        }
        let behind = kv::Piece::source(text, end, text.len()).to_node(node);
        let value = match value.as_map() {
            Some(pairs) => {
                let mut rest: Vec<Pair> =
                    pairs.iter().filter(|(key, _)| key.as_str() != Some("module")).cloned().collect();
                rest.extend(self.behind_module(name, &behind));
                Node { data: crate::yaml::NodeData::Map(rest.into()), ..value.clone() }
            }
            None => behind,
        };
        Some(Call { name: name.into(), name_span, value, old_style: true, template: None })
    }

    /// What a task does whose module's name was a template, once it is known.
    pub(in crate::playbook) fn resolved(&mut self, found: &DynamicUse, text: &str, here: &Here) -> Option<Action> {
        self.look_from(None, here);
        let mut pairs = vec![(Node::text("module", found.text.place()), Node::text(text, found.text.place()))];
        let args = found.args.iter().find(|(key, _)| key.as_str() == Some("args")).map(|(_, node)| node.clone());
        pairs.extend(found.args.iter().filter(|(key, _)| key.as_str() != Some("args")).cloned());
        let span = found.text.place();
        let value =
            Node { data: crate::yaml::NodeData::Map(pairs.into()), tag: None, alias: None, span: found.text.span };
        let call = self.old_style(span, &value)?;
        let args = args.map(|node| (node.place(), node));
        if call.template.is_some() {
            self.problem(
                Diagnostic::source("P0158", "the name of a module is still a template after it was rendered")
                    .with_label(span, "rendered once")
                    .with_hint("a template gives the name of a module"),
            );
            return None;
        }
        match special(&call.name) {
            Some(special) => match self.special(special, &call, args, here)? {
                Kind::Ready(action) => Some(action),
                Kind::ImportTasks(_) | Kind::ImportRole(_) => {
                    self.problem(
                        Diagnostic::source("P0158", format!("`{special}` is done before the run"))
                            .with_label(span, "known only during the run")
                            .with_hint("use `include_tasks` or `include_role`"),
                    );
                    None
                }
            },
            None => self.module(&call, args).map(Action::Module),
        }
    }

    /// `action: {module: copy src=a, dest: b}`: the pairs behind the name.
    fn behind_module(&mut self, name: &str, text: &Node) -> Vec<Pair> {
        let free_form = self.find(name).and_then(|found| free_form(found.entry));
        let taken = self.arguments(name, text.span, text, free_form, None, true).unwrap_or_default();
        taken.args.into_iter().map(|(key, (span, value))| (Node::text(key, span), value)).collect()
    }

    /// Where short names of modules are looked for from now on.
    fn look_from(&mut self, own: Option<&Node>, here: &Here) {
        self.dir = playbook_dir(&here.context);
        self.collections = match own {
            Some(node) => self.loader.collections_of(node, &here.context),
            None => self.loader.collections_around(&here.context),
        };
    }

    /// The module of a name, with its name at the end and its program, if it is one of somebody's own. Code in
    /// Python is found, too: the check says what to say of it.
    fn find(&self, name: &str) -> Option<Target> {
        let own = |entry: &'static modules::ModuleEntry| Target {
            entry,
            name: entry.meta.full_name.to_owned(),
            program: None,
            trouble: None,
            deprecated: Vec::new(),
        };
        let short =
            ["ansible.builtin.", "ansible.legacy."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        if let Some(found) = self.loader.resolve_module(name, &self.collections, &self.dir) {
            let custom = Target {
                name: found.name,
                program: None,
                trouble: None,
                deprecated: found.deprecated,
                ..own(&modules::CUSTOM_ENTRY)
            };
            return Some(match found.known {
                Known::Own(entry) => Target { entry, ..custom },
                Known::Program(path) => Target { program: Some(path), ..custom },
                Known::Python(path) => Target { trouble: Some(Trouble::Python(path)), ..custom },
                Known::Removed(why, words) => Target { trouble: Some(Trouble::Removed(why, words)), ..custom },
            });
        }
        (special(name).is_none() && ANSIBLE_MODULES.contains(&short)).then(|| own(&modules::ABSENT_ENTRY))
    }

    fn module(&mut self, call: &Call, extra: Option<(Span, Node)>) -> Option<ModuleUse> {
        let found = self.find(&call.name)?;
        for (text, said) in &found.deprecated {
            let told = Diagnostic::of_deprecation("P0309", crate::diag::Kind::Source, text.clone(), said.clone());
            self.problem(told.with_label(call.name_span, "deprecated"));
        }
        match found.trouble {
            Some(Trouble::Python(path)) => {
                self.problem(super::python_use(call.name_span, &path));
                return None;
            }
            Some(Trouble::Removed(why, words)) => {
                self.problem(
                    Diagnostic::source("P0307", format!("the module `{}` was removed: {why}", found.name))
                        .with_registered(words)
                        .with_label(call.name_span, "removed from its collection")
                        .with_hint("use what the collection names instead"),
                );
                return None;
            }
            None => {}
        }
        let free_form = free_form(found.entry);
        let mut taken = self.arguments(&call.name, call.name_span, &call.value, free_form, extra, call.old_style)?;
        if found.entry.meta.name == "setup" && call.name.ends_with("gather_facts") {
            // Ansible's `gather_facts` runs several modules side by side or one after another; here it is one.
            taken.args.shift_remove("parallel");
        }
        Some(ModuleUse {
            name: Arc::clone(&call.name),
            name_span: call.name_span,
            entry: found.entry,
            args: taken.args,
            full_name: found.name.into(),
            program: found.program,
            args_template: taken.template,
            deprecated: found.deprecated.into_iter().map(|(_, said)| said).collect(),
        })
    }

    /// `include_*` and `import_*`.
    fn special(&mut self, name: &'static str, call: &Call, extra: Option<(Span, Node)>, here: &Here) -> Option<Kind> {
        if name == "import_playbook" {
            self.problem(
                Diagnostic::source("P0102", "`import_playbook` cannot stand in a task")
                    .with_label(call.name_span, "belongs beside plays")
                    .with_hint("put it at the left margin of the playbook: `- import_playbook: FILE`"),
            );
            return None;
        }
        let tasks = name.ends_with("_tasks");
        let free = if tasks { Some("file") } else { None };
        let taken = self.arguments(&call.name, call.name_span, &call.value, free, extra, call.old_style)?;
        let known: &[&str] = match name {
            "include_tasks" => &["file", "apply"],
            "import_tasks" => &["file"],
            "include_role" => &[
                "name",
                "role",
                "tasks_from",
                "vars_from",
                "defaults_from",
                "handlers_from",
                "apply",
                "public",
                "allow_duplicates",
                "rolespec_validate",
            ],
            _ => &[
                "name",
                "role",
                "tasks_from",
                "vars_from",
                "defaults_from",
                "handlers_from",
                "public",
                "allow_duplicates",
                "rolespec_validate",
            ],
        };
        if let Some(template) = &taken.template {
            self.problem(
                Diagnostic::source("P0406", format!("the arguments of `{name}` cannot be one template"))
                    .with_label(template.place(), "a template for all arguments")
                    .with_hint(format!("write `{}: ...` and the others one by one", known[0])),
            );
            return None;
        }
        let mut args = taken.args;
        let mut wrong = false;
        for (key, (span, _)) in &args {
            if !known.contains(&&**key) {
                wrong = true;
                let mut diagnostic = Diagnostic::source("P0405", format!("`{name}` has no option `{key}`"))
                    .with_registered(format!("Invalid options for {name}: {key}"))
                    .with_label(*span, "unknown option")
                    .with_nearest(key, known.iter().copied());
                if &**key == "apply" {
                    diagnostic = diagnostic.with_hint("keywords of an import reach its tasks: write them beside it");
                } else if diagnostic.hints.is_empty() {
                    diagnostic = diagnostic.with_hint("variables for it go under `vars:`");
                }
                self.problem(diagnostic);
            }
        }
        for (key, (span, node)) in args.iter().filter(|(key, _)| key.ends_with("_from")) {
            if node.as_scalar().is_none() {
                let found = if node.as_list().is_some() { "list" } else { "dict" };
                self.problem(
                    Diagnostic::source("P0405", format!("expected `{key}` as text, found {}", node.type_name()))
                        .with_registered(format!("Expected a string for {key} but got <class '{found}'> instead"))
                        .with_label(node.place(), "not the name of a file")
                        .with_label(*span, "")
                        .with_hint(format!("write `{key}: FILE`")),
                );
            }
        }
        if let Some((span, apply)) = args.get("apply") {
            let (span, apply) = (*span, apply.clone());
            self.check_apply(name, span, &apply);
        }
        if !tasks {
            // `role` is the old name of `name`.
            if let Some(role) = args.shift_remove("role") {
                args.entry("name".into()).or_insert(role);
            }
        }
        let wanted = if tasks { "file" } else { "name" };
        if !args.contains_key(wanted) {
            if !wrong {
                self.problem(
                    Diagnostic::source(
                        "P0405",
                        format!("`{name}` does not say which {}", if tasks { "file" } else { "role" }),
                    )
                    .with_label(call.name_span, format!("`{wanted}` is missing"))
                    .with_hint(format!("write `{name}: {{{wanted}: ...}}`")),
                );
            }
            return None;
        }
        Some(match name {
            "import_tasks" => Kind::ImportTasks(args.shift_remove("file").map(|(_, node)| node)?),
            "import_role" => Kind::ImportRole(args),
            _ => {
                if !tasks && here.handler {
                    self.problem(role_as_handler(name, call.name_span));
                    return None;
                }
                Kind::Ready(Action::Include(Include {
                    kind: if tasks { IncludeKind::Tasks } else { IncludeKind::Role },
                    name: Arc::clone(&call.name),
                    name_span: call.name_span,
                    args,
                }))
            }
        })
    }

    /// `apply` holds keywords of a block.
    fn check_apply(&mut self, name: &str, span: Span, apply: &Node) {
        if apply.is_null() {
            return;
        }
        let Some(pairs) = apply.as_map() else {
            self.problem(
                Diagnostic::source(
                    "P0405",
                    format!("expected `apply` of `{name}` as a mapping, found {}", apply.type_name()),
                )
                .with_label(apply.place(), "not a mapping")
                .with_label(span, "keywords for what is included"),
            );
            return;
        };
        for pair in pairs {
            let own = matches!(pair.0.as_str(), Some("block" | "rescue" | "always"));
            if own || !self.take(Places::BLOCK, pair, &mut Keywords::default()) {
                self.unknown(Places::BLOCK, &pair.0);
            }
        }
    }
}

/// The error for a name that is no module.
fn unknown_module(name: &str, span: Span, place: Places) -> Diagnostic {
    let short =
        ["ansible.builtin.", "ansible.legacy."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    if short == "include" {
        return Diagnostic::source("P0214", "there is no module `include` any more")
            .with_registered(
                "The 'ansible.builtin.include' action plugin has been removed. Use include_tasks or import_tasks instead. \
                 This feature was removed from ansible-core in a release after 2023-05-16.",
            )
            .with_label(span, "removed from Ansible in 2.16")
            .with_hint("use `include_tasks`, or `import_tasks` for a fixed name");
    }
    if ANSIBLE_MODULES.contains(&short) {
        return Diagnostic::source("P0210", format!("hostctl does not have the module `{short}`"))
            .with_label(span, "a module of ansible-core that is not here")
            .with_hint("`hostctl doc` lists the modules; `command` or `shell` can often stand in");
    }
    let diagnostic =
        Diagnostic::source("P0202", format!("there is no module `{name}`")).with_label(span, "unknown module");
    let diagnostic = diagnostic.with_registered(format!(
        "couldn't resolve module/action '{name}'. This often indicates a misspelling, missing collection, or incorrect \
         module path."
    ));
    if let Some(moved) = crate::playbook::routing::builtin("modules", short) {
        let collection = moved.rsplit_once('.').map_or(moved.as_str(), |(collection, _)| collection);
        return diagnostic
            .with_note(format!("Ansible has it in the collection `{collection}`, as `{moved}`"))
            .with_hint("`hostctl doc` lists the modules");
    }
    match suggestion(name, place) {
        Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
        None => diagnostic.with_hint("`hostctl doc` lists the modules"),
    }
}

/// The argument that free text goes to. Ansible lets it pass where these modules would refuse it when they run.
fn free_form(entry: &modules::ModuleEntry) -> Option<&'static str> {
    let late = matches!(entry.meta.name, "add_host" | "group_by" | "set_fact");
    entry.meta.free_form.or(late.then_some("_raw_params"))
}
