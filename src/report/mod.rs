//! Events to people (`human`), to programs (`jsonl`) and diagnostics to code frames (`frame`).
//!
//! Knows events and diagnostics only; decides nothing about a run.

mod ansible;
mod canvas;
mod command_words;
mod frame;
mod human;
mod images;
mod jsonl;
mod layout;
mod lines;
mod live;
mod screen;
mod written;

pub use ansible::{
    AnsibleDefault, AnsibleOptions, Brief, Captured, HOW_TO_HIDE, JsonStats, LogLines, ResultFormat, RetryFiles,
    Runner, RunnerOptions, SlowestFirst, Timed, Timing, TimingOptions, Tree, ansible_warning, yaml_text,
};
pub use frame::{frame, frames};
pub use human::{Human, HumanOptions};
pub use jsonl::{JsonLines, event_json};
pub use layout::{Paint, shell_word, shorten};
pub use screen::safe;
pub use written::unwritten;
