//! Playbooks, roles and tasks: source nodes in, a checked model out.
//!
//! `parse` reads nodes into the model, `keywords` is the table of play, role, block and task
//! keywords, `include` finds and loads files and roles (also later, for dynamic includes),
//! `check` finds every mistake that can be found before a host is touched.

mod keywords;
mod kv;
mod model;
mod tags;

pub use keywords::{Inherit, KEYWORDS, Keyword, KeywordType, LOOPS, Places};
pub use model::{
    Action, Block, Context, ContextKind, Include, IncludeKind, Item, Keywords, ModuleUse, Play, Playbook, Role,
    RoleUse, Task,
};
pub use tags::{literal_tags, selected};
