//! Playbooks, roles and tasks: source nodes in, a checked model out.
//!
//! `parse` reads nodes into the model, `keywords` is the table of play, role, block and task
//! keywords, `include` finds and loads files and roles (also later, for dynamic includes),
//! `check` finds every mistake that can be found before a host is touched.

mod model;

pub use model::{
    Action, Block, Context, ContextKind, Include, IncludeKind, Item, Keywords, ModuleUse, Play, Playbook, Role,
    RoleUse, Task,
};

/// The table's own copy of a keyword's name.
pub fn keyword_name(name: &str) -> Option<&'static str> {
    let _ = name;
    None
}
