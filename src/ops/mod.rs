//! What the commands do: a request in, events out; no terminal.

mod check;
mod env;
mod extra_vars;
mod hosts;
mod project;
mod run;
mod vault;

pub use check::{Checked, check};
pub use env::{environment_list, environment_show};
pub use project::{PasswordSource, ProjectRequest, passphrase_file, state_base};
pub use run::{RunRequest, run};
pub use vault::{Edited, Made, VaultPlace, edit, init, open_vault, recipients};
