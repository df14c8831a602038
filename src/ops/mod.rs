//! What the commands do: a request in, events out; no terminal.

mod check;
mod extra_vars;
mod project;
mod run;

pub use check::{Checked, check};
pub use project::{PasswordSource, ProjectRequest, state_base};
pub use run::{RunRequest, run};
