//! Hosts, groups and their variables, as Ansible's inventories have them.
//!
//! INI, YAML, TOML, host lists, folders and programs; `group_vars/` and `host_vars/`; patterns and
//! limits. Knows nothing of connections: `ansible_host` and the like are variables here.

mod constructed;
mod files;
mod ini;
mod literal;
mod load;
mod model;
mod options;
mod pattern;
mod range;
mod script;
mod toml;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

pub use files::{Beside, OddGroups, Reader};
pub use load::InventorySource;
pub use model::{Group, Host, Inventory, controller_python};
pub use options::{INVENTORY_PLUGINS, ReadOptions};
pub use pattern::{Selected, fnmatch, read_limit};
