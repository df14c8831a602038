//! What the commands do: a request in, events out; no terminal.

mod check;
mod config;
mod env;
mod extra_vars;
mod hosts;
mod listing;
mod project;
mod run;
mod vault;

pub use check::{Checked, check};
pub use config::{Config, SettingOrigin};
pub use env::{environment_list, environment_show};
pub use listing::{Listing, list};
pub use project::{PasswordSource, Policy, ProjectRequest, state_base};
pub use run::{RunRequest, run};
pub use vault::{VaultPlace, change, init, open_vault, recipients};
