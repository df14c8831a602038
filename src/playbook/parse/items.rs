//! Lists of tasks and blocks, static imports, tasks.

use std::path::Path;
use std::sync::Arc;

use super::action::Found;
use super::words::{self, special};
use super::{Here, Parser};
use crate::diag::{Diagnostic, Span, Subject};
use crate::playbook::include::Search;
use crate::playbook::keywords::{self, Places};
use crate::playbook::loader::{Loader, clean};
use crate::playbook::model::{Action, Block, Context, ContextKind, Item, Keywords, Task};
use crate::playbook::roles::RoleFrom;
use crate::yaml::{Node, Pair};

/// What ansible-core says of an included file that is no list.
pub const NO_TASK_LIST: &str = "included task files must contain a list of tasks";

impl Parser<'_> {
    /// A list of tasks and blocks. `what` names it for messages; handlers may be blocks at the `top` only.
    pub(in crate::playbook) fn items(&mut self, node: &Node, what: &str, here: &Here, top: bool) -> Vec<Item> {
        if node.is_null() {
            return Vec::new();
        }
        let Some(entries) = node.as_list() else {
            let diagnostic =
                Diagnostic::source("P0201", format!("expected {what} as a list of tasks, found {}", node.type_name()))
                    .with_registered(match what {
                        "`tasks`" | "`pre_tasks`" | "`post_tasks`" | "`handlers`" => format!(
                            "A malformed block was encountered while loading {}: {} should be a list or None but is {}",
                            what.trim_matches('`'),
                            crate::value::python_str(&node.to_value()),
                            node.type_name()
                        ),
                        _ => NO_TASK_LIST.to_owned(),
                    })
                    .with_label(node.place(), "not a list");
            let diagnostic = match node.as_map() {
                Some(_) => diagnostic.with_hint("put `- ` before the task's first line"),
                None => diagnostic.with_hint("write each task as `- name: ...`"),
            };
            self.problem(diagnostic);
            return Vec::new();
        };
        let mut items = Vec::new();
        for entry in entries {
            if entry.is_null() {
                // Ansible leaves out empty entries.
                continue;
            }
            let Some(pairs) = entry.as_map() else {
                self.problem(
                    Diagnostic::source("P0211", format!("expected a task as a mapping, found {}", entry.type_name()))
                        .with_label(entry.place(), "not a task")
                        .with_hint("write `- MODULE: ARGUMENTS`"),
                );
                continue;
            };
            let is_block = pairs.iter().any(|(key, _)| key.as_str() == Some("block"));
            if is_block {
                items.extend(self.block(entry, pairs, here, top).map(Item::Block));
            } else {
                self.task(entry, pairs, here, &mut items);
            }
        }
        items
    }

    fn block(&mut self, node: &Node, pairs: &[Pair], here: &Here, top: bool) -> Option<Arc<Block>> {
        let mut keywords = Keywords::default();
        for pair in pairs {
            if !self.take(Places::BLOCK, pair, &mut keywords) {
                let name = pair.0.as_str().unwrap_or_default();
                if crate::modules::find(name).is_some() || special(name).is_some() {
                    let block = pairs.iter().find(|(key, _)| key.as_str() == Some("block"));
                    self.problem(
                        Diagnostic::source("P0203", format!("both `block` and the module `{name}` in one task"))
                            .with_label(pair.0.place(), "a module")
                            .with_label_opt(block.map(|(key, _)| key.place()), "a block")
                            .with_hint("make the module a task of its own, inside of the block"),
                    );
                } else {
                    self.unknown(Places::BLOCK, &pair.0);
                }
            }
        }
        if here.handler && !top {
            self.problem(
                Diagnostic::source("P0208", "a handler cannot be a block inside of a block")
                    .with_registered("Using a block as a handler is not supported.")
                    .with_label(node.place(), "a block among handlers")
                    .with_hint("list the handlers one by one; `listen` runs several at once"),
            );
            return None;
        }
        let mut part = |name: &str| keywords.0.shift_remove(name).map(|(_, value)| value);
        let (body, rescue, always) = (part("block"), part("rescue"), part("always"));
        let context = Arc::new(Context { kind: ContextKind::Block, keywords, parent: Some(Arc::clone(&here.context)) });
        let inner = here.inside(Arc::clone(&context));
        let mut list = |node: Option<Node>, what: &str| match node {
            Some(node) if node.is_null() => {
                let loaded = match what {
                    "`block`" => "a block",
                    what => what.trim_matches('`'),
                };
                self.problem(
                    Diagnostic::source("P0201", format!("{what} is empty"))
                        .with_registered(format!(
                            "A malformed block was encountered while loading {loaded}: \
                             The ds (None) should be a list but was a <class 'NoneType'>"
                        ))
                        .with_label(node.place(), "no tasks")
                        .with_hint(format!("list tasks below it, or write `{}: []`", what.trim_matches('`'))),
                );
                Vec::new()
            }
            Some(node) => self.items(&node, what, &inner, false),
            None => Vec::new(),
        };
        let body = list(body, "`block`");
        let rescue = list(rescue, "`rescue`");
        let always = list(always, "`always`");
        Some(Arc::new(Block { span: node.place(), context, body, rescue, always }))
    }

    fn task(&mut self, node: &Node, pairs: &[Pair], here: &Here, items: &mut Vec<Item>) {
        let before = self.problems.len();
        let Some(found) = self.action(node, pairs, here) else {
            debug_assert!(self.problems.len() > before, "a task is left out with a reason only");
            self.lost.push(node.clone());
            return;
        };
        let Found { mut keywords, name, name_span, action } = found;
        match action {
            super::action::Kind::Ready(action) => {
                let label_span = keywords.get("name").filter(|name| !name.is_null()).map_or(name_span, Node::place);
                if let Some(reason) = misplaced_meta(&action, here) {
                    self.problem(reason);
                }
                items.push(Item::Task(Arc::new(Task {
                    id: self.loader.task_id(),
                    span: node.place(),
                    label_span,
                    file: here.file.clone(),
                    keywords,
                    action,
                    context: Arc::clone(&here.context),
                    handler: here.handler,
                })));
            }
            super::action::Kind::ImportTasks(file) => {
                self.no_loop(&name, name_span, &keywords, "include_tasks");
                // A task's `register` and the like have no meaning on an import; they are taken by the tasks.
                let own = Arc::new(Context {
                    kind: ContextKind::Block,
                    keywords: keywords.clone(),
                    parent: Some(Arc::clone(&here.context)),
                });
                match self.loader.static_name(&file, "the file's name", Some(&own)) {
                    Ok(target) => {
                        let asked = file.place();
                        if let Some(block) = self.import_tasks(node.place(), &target, asked, keywords, here) {
                            items.push(Item::Block(block));
                        }
                    }
                    Err(error) => self.problem(error),
                }
            }
            super::action::Kind::ImportRole(args) => {
                self.no_loop(&name, name_span, &keywords, "include_role");
                if here.handler {
                    self.problem(role_as_handler(&name, name_span));
                    return;
                }
                keywords.0.shift_remove("name");
                let own = Arc::new(Context {
                    kind: ContextKind::Block,
                    keywords: keywords.clone(),
                    parent: Some(Arc::clone(&here.context)),
                });
                let Some(request) = self.static_role(&args, name_span, &own) else { return };
                let uses = self.role(&request, keywords, here);
                for role in uses {
                    self.imported_handlers.extend(role.handlers.iter().cloned());
                    items.push(Item::Role(Arc::new(role)));
                }
            }
        }
    }

    fn no_loop(&mut self, name: &str, name_span: Span, keywords: &Keywords, instead: &str) {
        let looped = keywords.0.iter().find(|(key, _)| **key == "loop" || key.starts_with("with_"));
        if let Some((key, (span, _))) = looped {
            self.problem(
                Diagnostic::source("P0409", format!("`{name}` is done before the run and cannot loop"))
                    .with_label(*span, format!("`{key}` on an import"))
                    .with_label(name_span, "imported here")
                    .with_hint(format!("use `{instead}`")),
            );
        }
    }

    /// Tasks of a file, as a block that carries the import's keywords.
    fn import_tasks(
        &mut self,
        span: Span,
        target: &str,
        asked: Span,
        keywords: Keywords,
        here: &Here,
    ) -> Option<Arc<Block>> {
        let search =
            Search { name: target, context: &here.context, file: &here.file, handler: here.handler, dynamic: false };
        let path = match Loader::find_tasks(&search) {
            Ok(path) => path,
            Err(error) => {
                self.problem(error.with_label(asked, "no such file"));
                return None;
            }
        };
        let context = Arc::new(Context {
            kind: ContextKind::Include { file: path.clone(), dynamic: false },
            keywords,
            parent: Some(Arc::clone(&here.context)),
        });
        let body = self.task_file(
            &path,
            Some(asked),
            &Here { context: Arc::clone(&context), file: path.clone(), handler: here.handler },
        )?;
        Some(Arc::new(Block { span, context, body, rescue: Vec::new(), always: Vec::new() }))
    }

    /// The tasks of a file; it is on the stack while they are parsed.
    pub(in crate::playbook) fn task_file(
        &mut self,
        path: &Path,
        asked: Option<Span>,
        here: &Here,
    ) -> Option<Vec<Item>> {
        let name = clean(path).display().to_string();
        self.nested(path, "", &name, asked, |parser| {
            let node = parser.read(path, asked)?;
            if node.is_null() || node.as_list().is_some_and(<[Node]>::is_empty) {
                if let Some(asked) = asked {
                    parser.problem(
                        Diagnostic::source("P0410", format!("`{name}` holds no tasks"))
                            .with_label(asked, "nothing is brought in here")
                            .warning(),
                    );
                }
                return Some(Vec::new());
            }
            Some(parser.items(&node, &format!("`{name}`"), here, true))
        })
    }

    /// Keywords of a task, handler or include; what is none of them comes back.
    pub(super) fn task_keywords<'n>(&mut self, pairs: &'n [Pair], place: Places) -> (Keywords, Vec<&'n Pair>) {
        let mut found = Keywords::default();
        let mut rest = Vec::new();
        for pair in pairs {
            let (key, value) = pair;
            let Some(name) = self.key(key, "a task") else { continue };
            if let Some(name) = keywords::find_loop(name) {
                if value.is_null() {
                    self.problem(
                        Diagnostic::source("P0105", format!("`{name}` needs a value"))
                            .with_label(key.place(), "nothing to loop over"),
                    );
                }
                found.0.insert(name, (key.place(), value.clone()));
            } else if self.take(place, pair, &mut found) {
                // `action` and `local_action` say what the task does: `action.rs` takes them.
            } else if name.starts_with("with_") {
                self.problem(
                    Diagnostic::source("P0105", format!("there is no loop `{name}`"))
                        .with_label(key.place(), "unknown lookup")
                        .with_nearest(name, keywords::LOOPS.iter().copied())
                        .with_hint_else("use `loop` with `query(...)` or a filter"),
                );
            } else {
                rest.push(pair);
            }
        }
        self.one_loop(&found);
        (found, rest)
    }

    fn one_loop(&mut self, found: &Keywords) {
        let mut loops = found.0.iter().filter(|(name, _)| **name == "loop" || name.starts_with("with_"));
        if let (Some((first, (first_span, _))), Some((second, (second_span, _)))) = (loops.next(), loops.next()) {
            self.problem(
                Diagnostic::source("P0104", format!("both `{first}` and `{second}` in one task"))
                    .with_subject(Subject::Loop)
                    .with_label(*second_span, "second loop")
                    .with_label(*first_span, "first loop")
                    .with_hint("a task has one loop; to nest loops, put the inner one into a file for `include_tasks`"),
            );
        }
    }
}

/// `meta: end_role` makes sense in roles only, and not in handlers.
fn misplaced_meta(action: &Action, here: &Here) -> Option<Diagnostic> {
    let Action::Module(module) = action else { return None };
    if module.entry.meta.name != "meta" {
        return None;
    }
    let (_, value) = module.args.get(module.entry.meta.free_form.unwrap_or_default())?;
    if value.as_str() == Some("flush_handlers") && here.handler {
        return Some(
            Diagnostic::source("P0209", "`flush_handlers` cannot stand in a handler")
                .with_registered("flush_handlers cannot be used as a handler")
                .with_label(value.place(), "here")
                .with_hint("Ansible runs the notified handlers by itself at the end of each part of a play"),
        );
    }
    if value.as_str() != Some("end_role") {
        return None;
    }
    let (reason, words) = if here.handler {
        ("`end_role` cannot stand in a handler", "Cannot execute 'end_role' from a handler")
    } else if here.context.role().is_none() {
        ("`end_role` can stand in a role only", "Cannot execute 'end_role' from outside of a role")
    } else {
        return None;
    };
    Some(
        Diagnostic::source("P0209", reason)
            .with_registered(words)
            .with_label(value.place(), "here")
            .with_hint("`meta: end_host` ends the play for this host, `meta: end_play` for all"),
    )
}

/// The error for a role where a handler is expected.
pub(super) fn role_as_handler(name: &str, span: Span) -> Diagnostic {
    Diagnostic::source("P0208", format!("`{name}` cannot be a handler"))
        .with_registered(format!("Using '{name}' as a handler is not supported."))
        .with_label(span, "a role among handlers")
        .with_hint("use `include_tasks` with a file of the role")
}

/// What `import_role` and `include_role` ask for.
#[derive(Clone, Debug)]
pub(in crate::playbook) struct RoleRequest {
    /// The role's name.
    pub(in crate::playbook) name: String,
    /// Its place.
    pub(in crate::playbook) span: Option<Span>,
    /// Files instead of `main`.
    pub(in crate::playbook) from: RoleFrom,
    /// Free keys.
    pub(in crate::playbook) params: Vec<(Arc<str>, Node)>,
    /// The play sees its defaults and vars.
    pub(in crate::playbook) public: bool,
    /// Overrides `allow_duplicates` of the role's meta file.
    pub(in crate::playbook) allow_duplicates: Option<bool>,
    /// Check the role's argument specs first.
    pub(in crate::playbook) validate: bool,
    /// The folder of the role that depends on it.
    pub(in crate::playbook) beside: Option<std::path::PathBuf>,
    /// `import_role` or `include_role` asks.
    pub(in crate::playbook) included: bool,
    /// `vars` of the `include_role`.
    pub(in crate::playbook) vars: Option<Node>,
}

/// What may be written for a key that is no module: the nearest module, else the nearest keyword.
pub(super) fn suggestion(name: &str, place: Places) -> Option<String> {
    words::nearest_action(name).or_else(|| crate::diag::nearest(name, keywords::names_at(place)).map(str::to_owned))
}
