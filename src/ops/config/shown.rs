//! Settings as lists: `config dump`, `config validate`, and the table of the manual.

use super::plugins::OPTIONS;
use super::{Config, Here, Kind, Setting, SettingOrigin, about, table};
use crate::diag::Result;
use crate::value::{Value, boolean_word};

/// A setting with its value.
#[derive(Clone, Debug)]
pub struct ShownSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// `default`, `env: NAME`, or the path of a file.
    pub origin: String,
    /// Somebody set it.
    pub changed: bool,
}

/// A row of the manual's table of settings.
#[derive(Clone, Debug)]
pub struct SettingRow {
    /// The name.
    pub name: &'static str,
    /// Its keys in `ansible.cfg`, as `[section] key`.
    pub keys: String,
    /// Its variables.
    pub variables: String,
    /// What hostctl makes of it: `followed`, `no effect here`, `warned`.
    pub here: &'static str,
    /// Why it has no effect, or is not followed.
    pub note: &'static str,
}

/// Settings of ansible-core itself, without options of plugins.
pub(super) fn base() -> impl Iterator<Item = &'static Setting> {
    table::SETTINGS.iter().filter(|setting| !super::lookup::OF_PLUGINS.contains(&setting.name))
}

/// The rows of the manual's table.
pub fn setting_rows() -> Vec<SettingRow> {
    let row = |setting: &'static Setting| SettingRow {
        name: setting.name,
        keys: setting.ini.iter().map(|(section, key)| format!("[{section}] {key}")).collect::<Vec<_>>().join(", "),
        variables: setting.env.join(", "),
        here: match setting.here {
            Here::Used => "followed",
            Here::Harmless => "no effect here",
            Here::Unsupported => "warned",
        },
        note: if setting.here == Here::Used { "" } else { about::note(setting.name) },
    };
    table::SETTINGS.iter().map(row).collect()
}

impl Config {
    /// Every setting with value and origin; `all`: with those options of plugins that stand among the settings here.
    pub fn shown(&self, all: bool) -> Result<Vec<ShownSetting>> {
        let mut rows = Vec::new();
        for setting in table::SETTINGS {
            let option = super::lookup::OF_PLUGINS.contains(&setting.name);
            if option && !all || setting.name == "GALAXY_SERVERS" {
                continue;
            }
            let origin = self.given.get(setting.name).map_or(SettingOrigin::Default, |(_, origin)| origin.clone());
            let changed = origin != SettingOrigin::Default;
            let (value, origin) = match self.setting(None, setting.name)? {
                Some(known) => (known.value, known.origin),
                None => (self.option_value(setting), super::lookup::shown(&origin)),
            };
            let changed = changed || setting.name == "CONFIG_FILE" && (self.file.is_some() || !all);
            rows.push(ShownSetting { name: setting.name, value, origin, changed });
        }
        Ok(rows)
    }

    fn option_value(&self, setting: &Setting) -> Value {
        let text = self.text(setting.name);
        match setting.kind {
            _ if text.is_empty() => Value::Null,
            Kind::Bool => Value::Bool(boolean_word(&text).unwrap_or(false)),
            Kind::Int => text.trim().parse::<i128>().map_or(Value::from(text.as_str()), Value::Int),
            _ => Value::from(text),
        }
    }

    /// The options of plugins of a kind that are known here, by plugin.
    pub fn shown_plugins(&self, kind: &str) -> Result<Vec<(&'static str, Vec<ShownSetting>)>> {
        let mut found: Vec<(&'static str, Vec<ShownSetting>)> = Vec::new();
        for option in OPTIONS.iter().filter(|option| option.plugin.0 == kind) {
            let Some(setting) = self.setting(Some(option.plugin), option.name)? else { continue };
            let changed = setting.origin != "default";
            let row = ShownSetting { name: option.name, value: setting.value, origin: setting.origin, changed };
            match found.iter_mut().find(|(plugin, _)| *plugin == option.plugin.1) {
                Some((_, rows)) => rows.push(row),
                None => found.push((option.plugin.1, vec![row])),
            }
        }
        Ok(found)
    }

    /// What is set and is no setting of ansible-core: sections and keys of the file, or variables of the environment.
    pub fn unknown(&self, plugins: bool, environment: bool) -> Vec<String> {
        if environment {
            let known = |name: &str| {
                base().any(|setting| setting.env.contains(&name))
                    || plugins && OPTIONS.iter().any(|option| option.env.contains(&name))
            };
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            let ours = names.filter(|name| {
                name.starts_with("ANSIBLE_")
                    && !name.starts_with("ANSIBLE_TEST_")
                    && !name.starts_with("ANSIBLE_LINT_")
                    && !matches!(name.as_str(), "ANSIBLE_CONFIG" | "ANSIBLE_DEV_HOME")
            });
            return ours
                .filter(|name| !known(name))
                .map(|name| format!("Found unknown environment variable '{name}'."))
                .collect();
        }
        let Some(file) = &self.file else { return Vec::new() };
        let has = |section: &str, key: Option<&str>| {
            let fits = |(known, known_key): &(&str, &str)| *known == section && key.is_none_or(|key| key == *known_key);
            base().any(|setting| setting.ini.iter().any(fits))
                || plugins && OPTIONS.iter().any(|option| option.ini.iter().any(fits))
        };
        let mut found = Vec::new();
        let mut unknown_sections = std::collections::HashSet::new();
        for (section, key) in self.lines.keys() {
            if !has(section, None) {
                if unknown_sections.insert(section) {
                    found.push(format!("Found unknown section '{section}' in '{}.", file.display()));
                }
            } else if !has(section, Some(key)) {
                found.push(format!("Found unknown key '{key}' in section '{section}' in '{}.", file.display()));
            }
        }
        found
    }
}
