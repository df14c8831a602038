//! The table of modules. One line each.

use super::ping::Ping;
use super::spec::{ModuleEntry, entry};

static TABLE: [ModuleEntry; 1] = [entry::<Ping>()];
use super::mirror_proxy::MirrorProxy;
use super::spec::{ModuleEntry, entry};

static TABLE: [ModuleEntry; 1] = [entry::<MirrorProxy>()];

/// Every module.
pub static MODULES: &[ModuleEntry] = &TABLE;

/// The module of a short or full name.
pub fn find(name: &str) -> Option<&'static ModuleEntry> {
    MODULES
        .iter()
        .find(|entry| entry.meta.name == name || entry.meta.full_name == name || entry.meta.also.contains(&name))
}
