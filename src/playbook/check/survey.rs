//! Walks everything that a playbook brings in, dynamic includes with literal names too.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::certain::{caught, mentions};
use crate::diag::{Diagnostic, FileId, Span, Subject};
use crate::playbook::loader::Loader;
use crate::playbook::model::{
    Action, Context, ContextKind, Include, IncludeKind, Item, Keywords, Play, Playbook, Role, RoleUse, Task,
};
use crate::playbook::roles::RoleFrom;
use crate::yaml::Node;

/// A play with all that runs in it.
pub(super) struct PlaySurvey {
    pub(super) play: Arc<Play>,
    pub(super) tasks: Vec<Arc<Task>>,
    pub(super) handlers: Vec<Arc<Task>>,
    /// An include whose name is not known before the run may bring in handlers.
    pub(super) open_handlers: bool,
}

/// All of a playbook.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) plays: Vec<PlaySurvey>,
    /// Each context once.
    pub(super) contexts: Vec<Arc<Context>>,
    /// Each role's folder once for each way of loading it.
    pub(super) roles: Vec<Arc<Role>>,
    /// Folders of roles that only dynamic includes bring in.
    pub(super) late_roles: HashSet<PathBuf>,
    /// Includes that were not followed: (task, name).
    pub(super) unfollowed: Vec<(Arc<Task>, Node)>,
    pub(super) problems: Vec<Diagnostic>,
    /// Tasks whose failure something takes: `ignore_errors`, `failed_when`, a `rescue`.
    pub(super) caught: HashSet<crate::event::TaskId>,
    /// Tasks that are left out because of a mistake.
    pub(super) lost: Vec<Node>,
    /// A file or role could not be read.
    pub(super) incomplete: bool,
    /// Files with what a run certainly comes to.
    sure: HashSet<FileId>,
    /// Files with what dynamic includes bring in that a run may never come to.
    unsure: HashSet<FileId>,
}

impl Survey {
    /// Tasks and handlers of all plays.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.plays.iter().flat_map(|play| play.tasks.iter().chain(&play.handlers))
    }

    /// True if a mistake stands where a run may never come to: only dynamic includes lead there that have a
    /// condition, a rescue, or something before them that ends the play.
    pub(super) fn may_be_left_out(&self, problem: &Diagnostic) -> bool {
        let left_out = |span: Span| self.unsure.contains(&span.file) && !self.sure.contains(&span.file);
        if problem.code == "P0304" {
            // Its places are of equal rank, and what acts by itself has none.
            let unasked = problem.subject == Some(Subject::Unasked);
            return !unasked && !problem.labels.is_empty() && problem.labels.iter().all(|label| left_out(label.span));
        }
        problem.span().is_some_and(left_out)
    }
}

/// A file or role with the way it is taken.
type Followed = (PathBuf, String, bool);

/// An include that is being followed.
struct Frame {
    key: Followed,
    name: String,
    place: Span,
    /// Nothing keeps it from being run.
    certain: bool,
    /// Something in it may end it.
    ends: bool,
}

struct Walker<'a> {
    loader: &'a Loader,
    survey: Survey,
    contexts: HashSet<*const Context>,
    roles: HashSet<*const Role>,
    early_roles: HashSet<PathBuf>,
    tasks: Vec<Arc<Task>>,
    handlers: Vec<Arc<Task>>,
    seen: HashSet<crate::event::TaskId>,
    /// Files and roles that were followed in this play.
    followed: HashSet<(Followed, bool)>,
    /// What is followed at the moment.
    stack: Vec<Frame>,
    open: bool,
    /// How many blocks with a rescue are around.
    rescued: usize,
    /// Whether a run certainly comes to what is walked at the moment.
    sure: bool,
    /// What is walked comes from dynamic includes.
    dynamic: bool,
    /// A run follows, not a check alone.
    runs: bool,
}

/// Walks a playbook; for a run, `runs` tells the plays that certainly run.
pub(super) fn survey(playbook: &Playbook, loader: &Loader, runs: Option<&dyn Fn(&Play) -> bool>) -> Survey {
    let mut walker = Walker {
        loader,
        survey: Survey::default(),
        contexts: HashSet::new(),
        roles: HashSet::new(),
        early_roles: HashSet::new(),
        tasks: Vec::new(),
        handlers: Vec::new(),
        seen: HashSet::new(),
        followed: HashSet::new(),
        stack: Vec::new(),
        open: false,
        rescued: 0,
        sure: true,
        dynamic: false,
        runs: runs.is_some(),
    };
    for play in &playbook.plays {
        walker.followed.clear();
        walker.open = false;
        walker.sure = runs.is_none_or(|runs| runs(play));
        let sure = walker.sure;
        walker.context(&play.context);
        // Handlers run only if something changes.
        walker.sure = false;
        walker.items(&play.handlers);
        walker.sure = sure;
        walker.items(&play.pre_tasks);
        for role in &play.roles {
            walker.role(role);
        }
        walker.items(&play.tasks);
        walker.items(&play.post_tasks);
        walker.survey.plays.push(PlaySurvey {
            play: Arc::clone(play),
            tasks: std::mem::take(&mut walker.tasks),
            handlers: std::mem::take(&mut walker.handlers),
            open_handlers: walker.open,
        });
    }
    walker.survey
}

impl Walker<'_> {
    fn context(&mut self, context: &Arc<Context>) {
        let mut next = Some(context);
        while let Some(context) = next {
            if !self.contexts.insert(Arc::as_ptr(context)) {
                break;
            }
            if let ContextKind::Role(role) = &context.kind
                && self.roles.insert(Arc::as_ptr(role))
            {
                if !self.dynamic {
                    self.survey.late_roles.remove(&role.path);
                    self.early_roles.insert(role.path.clone());
                } else if !self.early_roles.contains(&role.path) {
                    self.survey.late_roles.insert(role.path.clone());
                }
                self.survey.roles.push(Arc::clone(role));
            }
            self.survey.contexts.push(Arc::clone(context));
            next = context.parent.as_ref();
        }
    }

    fn role(&mut self, role: &RoleUse) {
        self.context(&role.context);
        for node in role.role.defaults.iter().chain(&role.role.vars) {
            self.seen_in(node.place().file);
        }
        let sure = std::mem::replace(&mut self.sure, false);
        self.items(&role.handlers);
        self.sure = sure;
        self.items(&role.tasks);
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task),
                Item::Block(block) => {
                    self.context(&block.context);
                    let rescued = usize::from(!block.rescue.is_empty());
                    self.rescued += rescued;
                    let sure = self.sure;
                    self.items(&block.body);
                    self.rescued -= rescued;
                    let after = if rescued > 0 { sure } else { self.sure };
                    self.sure = false;
                    self.items(&block.rescue);
                    self.sure = sure;
                    self.items(&block.always);
                    self.sure &= after;
                }
                Item::Role(role) => self.role(role),
            }
        }
    }

    fn task(&mut self, task: &Arc<Task>) {
        if !self.seen.insert(task.id) {
            return;
        }
        self.context(&task.context);
        let mut around = task.context.chain().map(|context| &context.keywords).chain([&task.keywords]);
        if self.rescued > 0 || around.any(caught) {
            self.survey.caught.insert(task.id);
        }
        let list = if task.handler { &mut self.handlers } else { &mut self.tasks };
        list.push(Arc::clone(task));
        self.seen_in(task.span.file);
        if self.stops(task) {
            self.sure = false;
        }
        if let Action::Include(include) = &task.action {
            self.include(task, include);
        }
    }

    /// Something of a file is reached, surely or not. What is there without any include is as sure as it gets.
    fn seen_in(&mut self, file: FileId) {
        let files = if self.sure || !self.dynamic { &mut self.survey.sure } else { &mut self.survey.unsure };
        files.insert(file);
    }

    /// True if what comes behind a task may never be reached though nothing went wrong, or never is.
    fn stops(&self, task: &Task) -> bool {
        let Action::Module(module) = &task.action else { return false };
        match module.entry.meta.name {
            "fail" => !conditional(task) && !self.survey.caught.contains(&task.id),
            "meta" => {
                let text = module.entry.meta.free_form.and_then(|name| module.args.get(name));
                text.is_none_or(|(_, node)| node.as_str().is_none_or(|text| text.trim().starts_with("end_")))
            }
            _ => false,
        }
    }

    /// True if a run certainly follows an include, and fails if it cannot.
    fn certainly(&self, task: &Task) -> bool {
        let mut tags = task.context.chain().map(|context| &context.keywords).chain([&task.keywords]);
        let never = tags.any(|keywords| keywords.get("tags").is_some_and(|tags| mentions(tags, "never")));
        self.sure && !never && !conditional(task) && !self.survey.caught.contains(&task.id)
    }

    fn include(&mut self, task: &Arc<Task>, include: &Include) {
        let what = match include.kind {
            IncludeKind::Tasks => "file",
            IncludeKind::Role => "name",
        };
        let Some((_, node)) = include.args.get(what) else { return };
        let from = |name: &str| include.args.get(name).map(|(_, node)| node);
        let options = [from("tasks_from"), from("vars_from"), from("defaults_from"), from("handlers_from")];
        let unknown = options.iter().flatten().any(|node| node.has_template());
        let Some(names) = names_of(task, node).filter(|_| !unknown) else {
            self.open |= include.kind == IncludeKind::Role || task.handler;
            self.survey.problems.push(
                Diagnostic::source("P0305", format!("what `{}` brings in here was not checked", include.name))
                    .with_label(node.place(), "its name is known during the run only")
                    .warning(),
            );
            self.survey.unfollowed.push((Arc::clone(task), node.clone()));
            return;
        };
        let context = Arc::new(Context {
            kind: ContextKind::Include { file: task.file.clone(), dynamic: true },
            keywords: inherited(&task.keywords),
            parent: Some(Arc::clone(&task.context)),
        });
        for name in names {
            let role = task.context.role().map(|role| role.path.display().to_string()).unwrap_or_default();
            let key = match include.kind {
                IncludeKind::Tasks => (task.file.with_file_name(&name), role, task.handler),
                IncludeKind::Role => {
                    let text = |node: Option<&Node>| node.and_then(Node::as_str).unwrap_or_default().to_owned();
                    (PathBuf::from(&name), options.iter().copied().map(text).collect::<Vec<_>>().join("\n"), false)
                }
            };
            let looped = task.keywords.0.keys().any(|name| *name == "loop" || name.starts_with("with_"));
            let certain = !looped && !conditional(task);
            if let Some(first) = self.stack.iter().position(|frame| frame.key == key) {
                let ring = &self.stack[first + 1..];
                let ends = self.stack[first..].iter().any(|frame| frame.ends);
                if certain && !ends && ring.iter().all(|frame| frame.certain) {
                    let problem = endless(&name, node.place(), ring, self.loader);
                    self.survey.problems.push(problem);
                }
            }
            let sure = self.certainly(task);
            if self.followed.contains(&(key.clone(), true)) || !self.followed.insert((key.clone(), sure)) {
                continue;
            }
            let outer = (std::mem::replace(&mut self.sure, sure), std::mem::replace(&mut self.dynamic, true));
            self.stack.push(Frame { key, name: name.clone(), place: node.place(), certain, ends: false });
            let problems = match include.kind {
                IncludeKind::Tasks => {
                    let part = self.loader.tasks_of(&name, &context, &task.file, task.handler);
                    let items = part.value.unwrap_or_default();
                    // `meta` may end it.
                    if items.iter().any(ends)
                        && let Some(frame) = self.stack.last_mut()
                    {
                        frame.ends = true;
                    }
                    self.items(&items);
                    self.survey.lost.extend(part.lost);
                    part.problems
                }
                IncludeKind::Role => {
                    let text = |index: usize| options[index].and_then(Node::as_str).map(str::to_owned);
                    let from = RoleFrom {
                        tasks: text(0),
                        vars: text(1),
                        defaults: text(2),
                        handlers: text(3),
                        ..RoleFrom::default()
                    };
                    let part = self.loader.role_of(&name, &from, &context, &task.file);
                    if let Some(role) = part.value {
                        self.role(&role);
                    }
                    self.survey.lost.extend(part.lost);
                    part.problems
                }
            };
            self.stack.pop();
            self.dynamic = outer.1;
            self.sure = outer.0 && (self.sure || !sure);
            for problem in problems {
                if let Some(span) = problem.span() {
                    let files = if sure { &mut self.survey.sure } else { &mut self.survey.unsure };
                    files.insert(span.file);
                }
                // No file, or a module of another system.
                let missing = problem.labels.is_empty() || matches!(&*problem.code, "P0202" | "P0210");
                let mut problem = at(problem, node.place());
                if missing && matches!(&*problem.code, "P0401" | "P0501") {
                    // With Ansible the task fails that asks for it.
                    problem.kind = crate::diag::Kind::Task;
                }
                // What a condition may keep from being reached need not be there.
                let left_out = if self.runs { !sure } else { conditional(task) };
                self.survey.problems.push(if missing && left_out { problem.warning() } else { problem });
            }
        }
    }
}

fn ends(item: &Item) -> bool {
    match item {
        Item::Task(task) => task.action.is_module("meta"),
        Item::Block(block) => [&block.body, &block.rescue, &block.always].iter().any(|items| items.iter().any(ends)),
        Item::Role(role) => role.tasks.iter().any(ends),
    }
}

/// Dynamic includes that lead back to each other with nothing that would end it.
fn endless(name: &str, place: Span, ring: &[Frame], loader: &Loader) -> Diagnostic {
    let sources = loader.sources();
    let mut diagnostic = Diagnostic::source("P0403", format!("`{name}` includes itself"))
        .with_label(place, format!("leads back to `{name}`"));
    let mut chain = vec![format!("`{name}`")];
    for frame in ring {
        diagnostic = diagnostic.with_label(frame.place, format!("brings in `{}`", frame.name));
        chain.push(format!("`{}` ({})", frame.name, sources.place(frame.place)));
    }
    chain.push(format!("`{name}` ({})", sources.place(place)));
    diagnostic
        .with_note(format!("the chain: {}", chain.join(" -> ")))
        .with_hint("end it with a condition: `when` beside the include")
}

/// Keywords that reach what a task includes.
fn inherited(keywords: &Keywords) -> Keywords {
    Keywords(
        keywords
            .0
            .iter()
            .filter(|(name, _)| matches!(**name, "vars" | "when" | "tags"))
            .map(|(name, entry)| (*name, entry.clone()))
            .collect(),
    )
}

fn at(problem: Diagnostic, span: Span) -> Diagnostic {
    if problem.labels.is_empty() { problem.with_label(span, "asked for here") } else { problem }
}

/// True if a condition stands on the way to a task.
pub(super) fn conditional(task: &Task) -> bool {
    task.keywords.get("when").is_some() || task.context.chain().any(|context| context.keywords.get("when").is_some())
}

/// The names that an include can have: a literal one, or `{{ item }}` over a literal list.
fn names_of(task: &Task, node: &Node) -> Option<Vec<String>> {
    let text = node.as_str()?;
    if !node.has_template() {
        return Some(vec![text.trim().to_owned()]);
    }
    let variable = task
        .keywords
        .get("loop_control")
        .and_then(|control| control.get("loop_var"))
        .and_then(Node::as_str)
        .unwrap_or("item");
    let (before, rest) = text.split_once("{{")?;
    let (expression, after) = rest.split_once("}}")?;
    if expression.trim() != variable || after.contains("{{") || after.contains("{%") || before.contains("{%") {
        return None;
    }
    let items = task.keywords.get("loop").or_else(|| task.keywords.get("with_items"))?.as_list()?;
    items
        .iter()
        .map(|item| {
            let item = item.as_scalar().filter(|_| !item.has_template())?;
            Some(format!("{before}{}{after}", item.text).trim().to_owned())
        })
        .collect()
}
