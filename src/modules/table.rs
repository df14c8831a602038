//! The table of modules: one line each, by name.

use super::spec::{ModuleEntry, entry};

macro_rules! table {
    ($($module:ty),+ $(,)?) => {
        /// Every module.
        pub static MODULES: &[ModuleEntry] = {
            static TABLE: [ModuleEntry; [$(stringify!($module)),+].len()] = [$(entry::<$module>()),+];
            &TABLE
        };
    };
}

table![
    super::command::Command,
    super::command::Shell,
    super::file::File,
    super::lineinfile::LineInFile,
    super::mirror_proxy::MirrorProxy,
    super::ping::Ping,
    super::slurp::Slurp,
    super::stat::Stat,
    super::tempfile::TempFile,
];

/// The module of a short or full name.
pub fn find(name: &str) -> Option<&'static ModuleEntry> {
    MODULES
        .iter()
        .find(|entry| entry.meta.name == name || entry.meta.full_name == name || entry.meta.also.contains(&name))
}
