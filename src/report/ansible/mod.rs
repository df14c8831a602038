//! A run as Ansible's own stdout callbacks write it, for those who read that text today.
//!
//! `display` prints, `message` forms warnings and errors, `dump` results, `diff` differences;
//! `default` and `brief` (`minimal`, `oneline`) put them together; `runner` writes what ansible-runner reads around
//! one of those. None decides anything about a run.

mod brief;
mod default;
mod diff;
mod display;
mod dump;
mod json;
mod message;
mod recap;
mod result;
mod runner;
mod turn;
mod yaml;

pub use brief::Brief;
pub use default::AnsibleDefault;
pub use display::{AnsibleOptions, ResultFormat};
pub use json::JsonStats;
pub use message::ansible_warning;
pub use runner::{Captured, Runner, RunnerOptions};

/// A value as YAML with sorted keys, as Ansible's programs print it.
pub fn yaml_text(value: &crate::value::Value) -> String {
    yaml::dump(value, 2, false)
}
