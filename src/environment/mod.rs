//! `environments/NAME`: parents, inventory, variables, vault recipients, tag file.
//!
//! Parents are applied first, each once also in a diamond; the child wins, mappings are replaced,
//! not merged. Knows files and the vault; does not know playbooks.

mod config;
mod load;
mod show;

pub use config::{Config, find_project, list, read_config};
pub use load::{Environment, load};
pub use show::{Definition, ShownVariable, definitions};
