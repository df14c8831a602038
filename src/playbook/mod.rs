//! Playbooks, roles and tasks: source nodes in, a checked model out.
//!
//! `parse` reads nodes into the model, `keywords` is the table of play, role, block and task
//! keywords, `include` finds and loads files and roles (also later, for dynamic includes),
//! `check` finds every mistake that can be found before a host is touched.

mod check;
mod collections;
#[cfg(test)]
mod error_cases;
mod include;
#[cfg(test)]
mod keyword_tests;
mod keywords;
mod kinds;
mod kv;
mod library;
mod loader;
mod model;
mod parse;
mod plugins;
mod reserved;
mod roles;
mod routing;
mod tags;
#[cfg(test)]
mod testing;

pub use check::{CheckInput, InventoryVariable, SettingUse, TemplateCheck, check};
pub use include::Loaded;
pub use keywords::{Inherit, KEYWORDS, Keyword, KeywordType, LOOPS, ORDERS, Places, is_variable_name};
pub use kinds::{FileKind, file_kind, has_plays, role_folder};
pub use kv::parse_kv;
pub use loader::{Loader, LoaderOptions, Unseal, clean as clean_path, expand_home};
pub use model::{
    Action, Block, Context, ContextKind, DynamicUse, Include, IncludeKind, Item, Keywords, ModuleUse, Play, Playbook,
    Role, RoleUse, Task,
};
pub use parse::{NO_TASK_LIST, joined_python_uses};
pub use plugins::{PLUGIN_KINDS, PluginKind};
pub use reserved::{is_reserved, reserved_name};
pub use roles::RoleFrom;
pub use tags::{literal_tags, rendered_tags, selected};

/// The table's own copy of a keyword's name.
pub fn keyword_name(name: &str) -> Option<&'static str> {
    keywords::find(name).map(|keyword| keyword.name).or_else(|| keywords::find_loop(name))
}

/// What Ansible says of a name that is notified, and that no handler has.
pub fn missing_handler(name: &str) -> String {
    format!(
        "The requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
    )
}
