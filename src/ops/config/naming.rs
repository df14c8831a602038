//! Settings that name plugins or folders with plugins, for the check that finds those in Python.

use std::path::PathBuf;

use super::{Config, Kind, SettingOrigin, ini, list, table};
use crate::playbook::{PLUGIN_KINDS, SettingUse};

/// Settings that name plugins, and of which kind.
const NAMING: &[(&str, &str)] = &[
    ("CALLBACKS_ENABLED", "callback"),
    ("CACHE_PLUGIN", "cache"),
    ("DEFAULT_BECOME_METHOD", "become"),
    ("DEFAULT_STDOUT_CALLBACK", "callback"),
    ("DEFAULT_STRATEGY", "strategy"),
    ("DEFAULT_TRANSPORT", "connection"),
    ("INVENTORY_ENABLED", "inventory"),
    ("VARIABLE_PLUGINS_ENABLED", "vars"),
];

/// What Ansible takes without any setting.
const ALWAYS: &[(&str, &str)] = &[("connection", "local"), ("shell", "sh")];

impl Config {
    /// Folders with plugins, by their kind.
    pub fn plugin_path(&self) -> Vec<(&'static str, PathBuf)> {
        let kinds = PLUGIN_KINDS.iter().filter_map(|kind| Some((kind.name, kind.setting?)));
        kinds.flat_map(|(kind, setting)| self.paths(setting).into_iter().map(move |path| (kind, path))).collect()
    }

    /// The plugins that settings name, defaults too; `shown`: the output is that of the stdout callback.
    pub fn plugin_names(&self, shown: bool) -> Vec<SettingUse> {
        let always = ALWAYS.iter().map(|(kind, name)| SettingUse {
            kind,
            name: (*name).to_owned(),
            place: None,
            told: String::new(),
            needed: false,
        });
        let text = self.file.as_ref().and_then(|path| crate::diag::read::read_source(path).ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut uses: Vec<SettingUse> = always.collect();
        for (setting, kind) in NAMING {
            let Some(found) = table::SETTINGS.iter().find(|known| known.name == *setting) else { continue };
            let place = match self.given.get(setting) {
                Some((_, SettingOrigin::File(path))) => {
                    let mut keys = found.ini.iter().rev();
                    let at = keys.find_map(|(section, key)| ini::place(&text, section, key));
                    at.map(|(from, to)| (path.clone(), from, to))
                }
                _ => None,
            };
            let told = match self.given.get(setting) {
                Some((_, SettingOrigin::Env(name))) => format!("`{name}`"),
                Some((_, SettingOrigin::File(path))) => format!("`{}`", path.display()),
                _ => String::new(),
            };
            let value = self.text(setting);
            let names = if found.kind == Kind::List { list(&value) } else { vec![value.trim().to_owned()] };
            uses.extend(names.into_iter().filter(|name| !name.is_empty()).map(|name| SettingUse {
                kind,
                name,
                place: place.clone(),
                told: told.clone(),
                needed: shown && *setting == "DEFAULT_STDOUT_CALLBACK",
            }));
        }
        uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_with_their_place_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ansible.cfg");
        let text =
            "[defaults]\ncallbacks_enabled = timer, ns.col.tell\nstrategy = mine\nlookup_plugins = here:/there\n";
        std::fs::write(&path, text).unwrap();
        let config = Config::load_file(&path, &crate::diag::SourceMap::new()).unwrap();
        let uses = config.plugin_names(true);
        let shown = |name: &str| {
            let used = uses.iter().find(|used| used.name == name).unwrap();
            let (_, from, to) = used.place.clone().unwrap();
            format!("{} {}", used.kind, &text[from..to])
        };
        assert_eq!(shown("ns.col.tell"), "callback callbacks_enabled = timer, ns.col.tell");
        assert_eq!(shown("mine"), "strategy strategy = mine");
        assert!(uses.iter().any(|used| (used.kind, &*used.name, &*used.told) == ("become", "sudo", "")), "{uses:?}");
        let folders: Vec<_> =
            config.plugin_path().into_iter().filter(|(kind, _)| *kind == "lookup").map(|(_, path)| path).collect();
        assert_eq!(folders, [dir.path().join("here"), PathBuf::from("/there")]);
    }
}
