//! The model: what the engine walks. Every field that may hold a template is still a `Node`.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diag::Span;
use crate::event::TaskId;
use crate::modules::ModuleEntry;
use crate::yaml::Node;

/// The keywords that stand at one play, role, block, include or task: name to (key's place, value).
/// Only names from the table in `keywords.rs` get here.
#[derive(Clone, Debug, Default)]
pub struct Keywords(pub IndexMap<&'static str, (Span, Node)>);

impl Keywords {
    /// The value of a keyword.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.0.get(name).map(|(_, node)| node)
    }

    /// The place of a keyword's key.
    pub fn key_span(&self, name: &str) -> Option<Span> {
        self.0.get(name).map(|(span, _)| *span)
    }
}

/// What a context stands for.
#[derive(Clone, Debug)]
pub enum ContextKind {
    /// The play itself (outermost).
    Play,
    /// A role's use: its variables rank as role variables.
    Role(Arc<Role>),
    /// A block.
    Block,
    /// An import or include: its file's folder is searched.
    Include {
        /// The included file.
        file: PathBuf,
        /// Loaded while the play runs: its `vars` rank as include parameters. Those of an import rank as a block's,
        /// those of an imported playbook as its plays'.
        dynamic: bool,
    },
}

/// The chain of what surrounds a task, innermost first. Keywords are inherited along it: `when`,
/// `tags`, `vars`, `environment` and `module_defaults` add up, all others take the nearest.
#[derive(Clone, Debug)]
pub struct Context {
    /// What it is.
    pub kind: ContextKind,
    /// Its keywords.
    pub keywords: Keywords,
    /// What is around it.
    pub parent: Option<Arc<Context>>,
}

impl Context {
    /// This context and those around it, innermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Context> {
        std::iter::successors(Some(self), |context| context.parent.as_deref())
    }

    /// The innermost role around.
    pub fn role(&self) -> Option<&Arc<Role>> {
        self.chain().find_map(|context| match &context.kind {
            ContextKind::Role(role) => Some(role),
            _ => None,
        })
    }
}

/// A whole playbook, `import_playbook` resolved.
#[derive(Clone, Debug)]
pub struct Playbook {
    /// The file the user named.
    pub path: PathBuf,
    /// The plays in order.
    pub plays: Vec<Arc<Play>>,
}

/// One play.
#[derive(Debug)]
pub struct Play {
    /// The play's mapping.
    pub span: Span,
    /// The file it stands in; `playbook_dir` is its folder.
    pub file: PathBuf,
    /// The outermost context: holds all play keywords (`hosts`, `vars`, `gather_facts`, `serial`,
    /// `strategy`, `vars_files`, `vars_prompt`, `become`, ...). An `import_playbook`'s `vars`, `when`
    /// and `tags` stand in parents of it.
    pub context: Arc<Context>,
    /// Static roles (`roles:`), in order, dependencies first, each ready to run.
    pub roles: Vec<RoleUse>,
    /// `pre_tasks`.
    pub pre_tasks: Vec<Item>,
    /// `tasks`.
    pub tasks: Vec<Item>,
    /// `post_tasks`.
    pub post_tasks: Vec<Item>,
    /// Handlers of the play, then those of its static roles.
    pub handlers: Vec<Item>,
}

/// A role loaded from its folder. One for each use, since parameters and tags differ.
#[derive(Debug)]
pub struct Role {
    /// Its name as banners and lists of roles have it: with its collection.
    pub name: Arc<str>,
    /// `role_name`: as it was asked for, without its collection.
    pub short: Arc<str>,
    /// The collection it belongs to.
    pub collection: Option<Arc<str>>,
    /// Collections that short names are looked for in, inside of it.
    pub collections: Vec<String>,
    /// Uses with the same key are one use: without `allow_duplicates` the second does not run.
    pub key: Arc<str>,
    /// Its folder.
    pub path: PathBuf,
    /// `defaults/main.yml` (or `defaults_from`), each a mapping; in the order of rank.
    pub defaults: Vec<Node>,
    /// `vars/main.yml`.
    pub vars: Vec<Node>,
    /// Parameters of the use: `vars:` of the entry and free keys.
    pub params: Vec<(Arc<str>, Node)>,
    /// Dependencies from `meta/main.yml`: their defaults and vars are seen by this role too.
    pub dependencies: Vec<Arc<Role>>,
    /// It stands around its dependencies only: for them it is no parent that includes them.
    pub dependent: bool,
    /// `allow_duplicates` of `meta/main.yml`.
    pub allow_duplicates: bool,
}

/// A role's use: what runs.
#[derive(Clone, Debug)]
pub struct RoleUse {
    /// The role.
    pub role: Arc<Role>,
    /// Its context (kind `Role`).
    pub context: Arc<Context>,
    /// Tasks of its dependencies come as uses of their own, before it.
    pub tasks: Vec<Item>,
    /// Its handlers.
    pub handlers: Vec<Item>,
    /// Its defaults and vars are seen by the whole play.
    pub public: bool,
}

/// A task or a block.
#[derive(Clone, Debug)]
pub enum Item {
    /// A task.
    Task(Arc<Task>),
    /// A block, or the tasks of a static import (then without rescue and always).
    Block(Arc<Block>),
    /// A role brought in by `import_role`.
    Role(Arc<RoleUse>),
}

/// A block.
#[derive(Debug)]
pub struct Block {
    /// The block's mapping.
    pub span: Span,
    /// Its own context (kind `Block` or `Include`).
    pub context: Arc<Context>,
    /// `block`.
    pub body: Vec<Item>,
    /// `rescue`.
    pub rescue: Vec<Item>,
    /// `always`.
    pub always: Vec<Item>,
}

/// One task or handler.
#[derive(Debug)]
pub struct Task {
    /// Its number, unique in a run.
    pub id: TaskId,
    /// The task's mapping.
    pub span: Span,
    /// The place shown in messages: the `name` value, else the module's key.
    pub label_span: Span,
    /// The file it stands in.
    pub file: PathBuf,
    /// Its own keywords (`name`, `when`, `loop`, `with_items`, `register`, `notify`, `listen`, ...). Every
    /// `with_X` stands under its own name.
    pub keywords: Keywords,
    /// What it does.
    pub action: Action,
    /// What is around it.
    pub context: Arc<Context>,
    /// It is a handler.
    pub handler: bool,
}

impl Task {
    /// The same task doing something else.
    #[must_use]
    pub fn with_action(&self, action: Action) -> Self {
        Self {
            id: self.id,
            span: self.span,
            label_span: self.label_span,
            file: self.file.clone(),
            keywords: self.keywords.clone(),
            action,
            context: Arc::clone(&self.context),
            handler: self.handler,
        }
    }

    /// Where its files are looked for: its roles from the inside out, then the folder of its own file; each with and
    /// without the subfolder. The playbook's folder comes behind them.
    pub fn folders(&self, subfolder: &str) -> Vec<PathBuf> {
        let roles = self.context.chain().filter_map(|context| match &context.kind {
            ContextKind::Role(role) => Some([role.path.clone(), role.path.join("tasks")]),
            _ => None,
        });
        let own = self.file.parent().map(PathBuf::from);
        let mut folders = Vec::new();
        for dir in roles.flatten().chain(own) {
            for dir in [dir.join(subfolder), dir] {
                if !folders.contains(&dir) {
                    folders.push(dir);
                }
            }
        }
        folders
    }

    /// The names that notify a handler for its name or topic `text`: with the role's name before it, too, which may
    /// leave out the collection.
    pub fn notified_by(&self, text: &str) -> Vec<String> {
        let mut names = vec![text.to_owned()];
        if let Some(role) = self.context.role() {
            names.push(format!("{} : {text}", role.name));
            if role.collection.is_some() {
                names.push(format!("{} : {text}", role.short));
            }
        }
        names
    }
}

/// What a task does.
#[derive(Debug)]
pub enum Action {
    /// Calls a module (engine-run ones such as `debug` and `meta` too).
    Module(ModuleUse),
    /// Loads tasks, a role or variables at run time.
    Include(Include),
    /// Calls a module whose name is a template.
    Dynamic(DynamicUse),
}

impl Action {
    /// The module's or include's name as written.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Module(module) => &module.name,
            Self::Include(include) => &include.name,
            Self::Dynamic(module) => &module.name,
        }
    }

    /// True for the module of this name.
    pub fn is_module(&self, name: &str) -> bool {
        matches!(self, Self::Module(module) if module.entry.meta.name == name)
    }
}

/// `action: "{{ name }} k=v"` or `action: {module: "{{ name }}", ...}`: resolved for each host.
#[derive(Clone, Debug)]
pub struct DynamicUse {
    /// The name as written.
    pub name: Arc<str>,
    /// The name with what stands behind it.
    pub text: Node,
    /// Arguments beside `module`, and `args`.
    pub args: Vec<crate::yaml::Pair>,
}

/// A module and its arguments as written.
#[derive(Clone, Debug)]
pub struct ModuleUse {
    /// The name as written.
    pub name: Arc<str>,
    /// Its place.
    pub name_span: Span,
    /// The table line.
    pub entry: &'static ModuleEntry,
    /// Arguments by name: `k=v` text is split, free text stands under the module's free-form
    /// argument, `args:` is merged in. Key's place, value.
    pub args: IndexMap<Arc<str>, (Span, Node)>,
    /// The name that its own name leads to: `ansible.builtin.copy`, `ansible.legacy.mine`, `ns.col.mine`.
    pub full_name: Arc<str>,
    /// The program on the controller, for a module of one's own.
    pub program: Option<std::path::PathBuf>,
    /// The whole argument value is a template (`module: "{{ args }}"`, `args: "{{ ... }}"`).
    pub args_template: Option<Node>,
    /// What its collection says of names that lead to it.
    pub deprecated: Vec<crate::diag::Deprecation>,
}

/// What is included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeKind {
    /// `include_tasks`.
    Tasks,
    /// `include_role`.
    Role,
}

/// A dynamic include. (`import_*` is resolved when the playbook is loaded.)
#[derive(Debug)]
pub struct Include {
    /// What.
    pub kind: IncludeKind,
    /// The name as written.
    pub name: Arc<str>,
    /// Its place.
    pub name_span: Span,
    /// `file`, `name`, `apply`, `tasks_from`, `vars_from`, `defaults_from`, `handlers_from`, `public`, ...
    pub args: IndexMap<Arc<str>, (Span, Node)>,
}
