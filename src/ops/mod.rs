//! What the commands do: a request in, events out; no terminal.

mod ansible_vault;
mod check;
mod config;
mod env;
mod extra_vars;
mod fact_cache;
mod hosts;
mod inventory;
mod listing;
mod project;
mod run;
mod vault;

pub use crate::environment::ShownVariable;
pub use ansible_vault::{Passwords, read_passwords, replace, seal, sealed_with, unseal};
pub use check::{Checked, check};
pub use config::{Config, SettingOrigin};
pub use env::{environment_list, environment_show, host_show};
pub use extra_vars::ExtraVars;
pub use fact_cache::FactCaching;
pub use inventory::{InventoryView, ListedHost};
pub use listing::{Listing, hosts_of, list};
pub use project::{
    PasswordSource, Policy, ProjectRequest, passphrase_file, password_program, playbook_file, state_base,
};
pub use run::{RunRequest, run};
pub use vault::{Edited, Made, VaultPlace, edit, init, open_vault, recipients};
