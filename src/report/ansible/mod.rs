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
mod log;
mod message;
mod recap;
mod result;
mod retry;
mod runner;
mod timing;
mod tree;
mod turn;
mod yaml;

pub use brief::Brief;
pub use default::AnsibleDefault;
pub use display::{AnsibleOptions, HOW_TO_HIDE, ResultFormat};
pub use json::JsonStats;
pub use log::LogLines;
pub use message::ansible_warning;
pub use retry::RetryFiles;
pub use runner::{Captured, Runner, RunnerOptions};
pub use timing::{SlowestFirst, Timed, Timing, TimingOptions};
pub use tree::Tree;

/// A value as YAML with sorted keys, as Ansible's programs print it.
pub fn yaml_text(value: &crate::value::Value) -> String {
    yaml::dump(value, 2, false)
}
