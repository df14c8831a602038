//! The table of error codes: one entry each, with the long text of `hostctl explain CODE`.
//!
//! One file for each first letter. A code is never reused for another meaning.

mod build;
mod command_line;
mod defect;
mod deps;
mod environment;
mod host;
mod inventory;
mod modules;
mod own;
mod playbook;
mod run;
mod ssh;
mod template;
mod vault;
mod yaml;

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct CodeEntry {
    /// Such as `P0203`.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// What happened and what to do, a few sentences, with an example where it helps.
    pub text: &'static str,
}

/// Every code that hostctl prints, by letter.
pub const CODES: &[&[CodeEntry]] = &[
    command_line::ENTRIES,
    yaml::ENTRIES,
    playbook::ENTRIES,
    template::ENTRIES,
    inventory::ENTRIES,
    environment::ENTRIES,
    deps::ENTRIES,
    vault::ENTRIES,
    ssh::ENTRIES,
    host::ENTRIES,
    own::ENTRIES,
    modules::ENTRIES,
    build::ENTRIES,
    run::ENTRIES,
    defect::ENTRIES,
];

/// The entry of a code, in any case.
pub fn explain(code: &str) -> Option<&'static CodeEntry> {
    CODES.iter().copied().flatten().find(|entry| entry.code.eq_ignore_ascii_case(code))
}
