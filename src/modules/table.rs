//! The table of modules. One line each.

use super::mirror_proxy::MirrorProxy;
use super::network_bridge::NetworkBridge;
use super::spec::{ModuleEntry, entry};
use super::volume_grow::VolumeGrow;

static TABLE: [ModuleEntry; 3] = [entry::<MirrorProxy>(), entry::<NetworkBridge>(), entry::<VolumeGrow>()];

/// Every module.
pub static MODULES: &[ModuleEntry] = &TABLE;

/// The module of a short or full name.
pub fn find(name: &str) -> Option<&'static ModuleEntry> {
    MODULES
        .iter()
        .find(|entry| entry.meta.name == name || entry.meta.full_name == name || entry.meta.also.contains(&name))
}
