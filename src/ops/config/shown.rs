//! Settings as lists: `config dump`, `config list`, `config init`, `config validate`, and the table of the manual.

use super::plugins::OPTIONS;
use super::valid::{CHOICES, DEPRECATED, choices};
use super::{Config, Here, Kind, Setting, SettingOrigin, about, table};
use crate::diag::Result;
use crate::value::{Map, Value, boolean_word, insert};

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

/// What ansible-core's own definitions call the kind of a setting.
fn type_name(setting: &Setting) -> &'static str {
    match setting.kind {
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Float => "float",
        Kind::List => "list",
        Kind::Dict => "dict",
        Kind::Path => "path",
        Kind::Paths => "pathspec",
        Kind::Files => "pathlist",
        Kind::Text => "string",
    }
}

fn texts<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    Value::from(words.into_iter().map(Value::from).collect::<Vec<_>>())
}

/// Settings of ansible-core itself, without options of plugins.
fn base() -> impl Iterator<Item = &'static Setting> {
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

/// The definition of every setting of ansible-core, as `ansible-config list` has them.
pub fn definitions() -> Value {
    let mut all = Map::new();
    for setting in base() {
        let mut entry = Map::new();
        if !setting.default.is_empty() {
            insert(&mut entry, "default", setting.default);
        }
        insert(
            &mut entry,
            "env",
            Value::from(
                setting.env.iter().map(|name| Value::from(crate::map! { "name" => *name })).collect::<Vec<_>>(),
            ),
        );
        let ini =
            setting.ini.iter().map(|(section, key)| Value::from(crate::map! { "key" => *key, "section" => *section }));
        insert(&mut entry, "ini", Value::from(ini.collect::<Vec<_>>()));
        insert(&mut entry, "type", type_name(setting));
        if CHOICES.iter().any(|(name, _)| *name == setting.name) {
            insert(&mut entry, "choices", texts(choices(setting.name).iter().copied()));
        }
        if let Some((_, version, why, instead)) = DEPRECATED.iter().find(|(name, ..)| *name == setting.name) {
            let told = crate::map! { "alternatives" => *instead, "version" => *version, "why" => *why };
            insert(&mut entry, "deprecated", Value::from(told));
        }
        insert(&mut all, setting.name, Value::from(entry));
    }
    Value::from(all)
}

/// A configuration file with every setting at its default; `commented`: each line is a comment.
pub fn template_file(commented: bool) -> String {
    let mut sections: indexmap::IndexMap<&str, String> = indexmap::IndexMap::new();
    for setting in base() {
        let Some((section, key)) = setting.ini.last() else { continue };
        let mark = if commented { ";" } else { "" };
        let default = match setting.kind {
            Kind::List | Kind::Files => super::list(setting.default).join(", "),
            _ => setting.default.to_owned(),
        };
        let text = sections.entry(section).or_insert_with(|| format!("[{section}]\n"));
        text.push_str(&format!("# ({}) {}\n{mark}{key}={default}\n\n", type_name(setting), setting.name));
    }
    sections.into_values().collect::<Vec<_>>().join("\n")
}

/// The same as lines for a shell.
pub fn template_environment(commented: bool) -> String {
    let mut text = String::new();
    for setting in base() {
        let Some(name) = setting.env.last().filter(|name| !name.starts_with("_ANSIBLE_")) else { continue };
        let mark = if commented { "#" } else { "" };
        let default = match setting.kind {
            Kind::Bool => {
                if boolean_word(setting.default) == Some(true) {
                    "1".to_owned()
                } else {
                    "0".to_owned()
                }
            }
            Kind::List | Kind::Files => super::list(setting.default).join(", "),
            _ => setting.default.to_owned(),
        };
        let quoted =
            default.is_empty() || default.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c));
        let default = if quoted { default } else { format!("'{}'", default.replace('\'', "'\"'\"'")) };
        text.push_str(&format!("# {}({})\n{mark}{name}={default}\n\n", setting.name, type_name(setting)));
    }
    text
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
