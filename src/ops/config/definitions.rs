//! What settings and options of plugins there are: `ansible-config list` and `ansible-config init`. Their long
//! descriptions are ansible-core's own texts and are not here.

use std::collections::HashSet;

use super::plugins::{OPTIONS, PluginOption};
use super::shown::base;
use super::valid::{CHOICES, DEPRECATED, choices};
use super::{Kind, Setting};
use crate::value::{Map, Value, boolean_word, insert};

/// What ansible-core's own definitions call a kind.
fn type_name(kind: Kind) -> &'static str {
    match kind {
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

/// A default in the type that it has. Templates of defaults stay texts.
fn typed(kind: Kind, text: &str) -> Value {
    let int = || text.parse::<i128>().ok().map(Value::Int);
    let typed = match kind {
        Kind::Bool => boolean_word(text).map(Value::Bool),
        Kind::Int => int(),
        Kind::Float => int().or_else(|| text.parse::<f64>().ok().map(Value::from)),
        Kind::List | Kind::Files if text.starts_with('[') => Some(texts(super::list(text).iter().map(String::as_str))),
        _ => None,
    };
    typed.unwrap_or_else(|| Value::from(text))
}

/// A setting as if it were an option of a plugin.
fn as_option(setting: &'static Setting) -> PluginOption {
    let default = Some(setting.default).filter(|default| !default.is_empty());
    let Setting { name, kind, env, ini, .. } = *setting;
    PluginOption { plugin: ("base", ""), name, kind, default, vars: &[], env, ini }
}

impl PluginOption {
    fn entry(self) -> Map {
        let mut entry = Map::new();
        if let Some(default) = self.default {
            insert(&mut entry, "default", typed(self.kind, default));
        }
        let names = |names: &[&'static str]| {
            Value::from(names.iter().map(|name| Value::from(crate::map! { "name" => *name })).collect::<Vec<_>>())
        };
        if !self.env.is_empty() {
            insert(&mut entry, "env", names(self.env));
        }
        let keys = self.ini.iter().map(|(section, key)| crate::map! { "key" => *key, "section" => *section });
        let keys: Vec<Value> = keys.map(Value::from).collect();
        if !keys.is_empty() {
            insert(&mut entry, "ini", Value::from(keys));
        }
        if !self.vars.is_empty() {
            insert(&mut entry, "vars", names(self.vars));
        }
        insert(&mut entry, "type", type_name(self.kind));
        entry
    }

    /// The default as text: a list joined.
    fn default_text(self) -> String {
        let text = self.default.unwrap_or_default();
        match self.kind {
            Kind::List | Kind::Files => super::list(text).join(", "),
            _ => text.to_owned(),
        }
    }
}

/// The plugins of a kind (`connection`, `callback`) that have options here, in the order of the names if some are named.
pub fn plugins_of(kind: &str, named: &[String]) -> Vec<&'static str> {
    let mut known: Vec<&'static str> = Vec::new();
    for option in OPTIONS.iter().filter(|option| option.plugin.0 == kind) {
        if !known.contains(&option.plugin.1) {
            known.push(option.plugin.1);
        }
    }
    known.sort_unstable();
    if named.is_empty() {
        return known;
    }
    let short = |name: &String| name.strip_prefix("ansible.builtin.").unwrap_or(name).to_owned();
    named.iter().filter_map(|name| known.iter().copied().find(|known| *known == short(name))).collect()
}

/// The definition of every setting of ansible-core, as `ansible-config list` has them.
pub fn definitions() -> Map {
    let mut all = Map::new();
    for setting in base() {
        let mut entry = as_option(setting).entry();
        if CHOICES.iter().any(|(name, _)| *name == setting.name) {
            insert(&mut entry, "choices", texts(choices(setting.name).iter().copied()));
        }
        if let Some((_, version, why, instead)) = DEPRECATED.iter().find(|(name, ..)| *name == setting.name) {
            let told = crate::map! { "alternatives" => *instead, "version" => *version, "why" => *why };
            insert(&mut entry, "deprecated", Value::from(told));
        }
        insert(&mut all, setting.name, Value::from(entry));
    }
    all
}

/// The options of plugins of a kind: plugin, option, definition.
pub fn plugin_definitions(kind: &str, plugins: &[&str]) -> Map {
    let mut all = Map::new();
    for plugin in plugins {
        let of = OPTIONS.iter().filter(|option| option.plugin == (kind, *plugin));
        let entries: Map = of.map(|option| (option.name.into(), Value::from(option.entry()))).collect();
        insert(&mut all, plugin, Value::from(entries));
    }
    all
}

/// What `ansible-config init` writes down.
#[derive(Clone, Debug)]
pub struct TemplateParts<'a> {
    /// The settings themselves.
    pub base: bool,
    /// Plugins by their kind.
    pub plugins: Vec<(String, Vec<&'a str>)>,
}

impl TemplateParts<'_> {
    fn definitions(&self) -> Vec<PluginOption> {
        let mut all: Vec<PluginOption> = if self.base { base().map(as_option).collect() } else { Vec::new() };
        for (kind, plugins) in &self.plugins {
            for plugin in plugins {
                all.extend(OPTIONS.iter().filter(|option| option.plugin == (kind, *plugin)).copied());
            }
        }
        all
    }
}

/// A configuration file with everything at its default; `commented`: each line is a comment.
pub fn template_file(parts: &TemplateParts<'_>, commented: bool) -> String {
    let mut sections: indexmap::IndexMap<&str, String> = indexmap::IndexMap::new();
    let mut seen = HashSet::new();
    let mark = if commented { ";" } else { "" };
    for setting in parts.definitions() {
        let Some((section, key)) = setting.ini.last() else { continue };
        if !seen.insert((section, key)) {
            continue;
        }
        let text = sections.entry(section).or_insert_with(|| format!("[{section}]\n"));
        let (kind, default) = (type_name(setting.kind), setting.default_text());
        text.push_str(&format!("# ({kind}) {}\n{mark}{key}={default}\n\n", setting.name));
    }
    sections.into_values().collect::<Vec<_>>().join("\n")
}

/// The same as lines for a shell.
pub fn template_environment(parts: &TemplateParts<'_>, commented: bool) -> String {
    let mut text = String::new();
    let mark = if commented { "#" } else { "" };
    for setting in parts.definitions() {
        let Some(name) = setting.env.last().filter(|name| !name.starts_with("_ANSIBLE_")) else { continue };
        let default = match setting.kind {
            Kind::Bool => {
                let on = setting.default.and_then(boolean_word) == Some(true);
                if on { "1".to_owned() } else { "0".to_owned() }
            }
            _ => setting.default_text(),
        };
        let quoted =
            default.is_empty() || default.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c));
        let default = if quoted { default } else { format!("'{}'", default.replace('\'', "'\"'\"'")) };
        text.push_str(&format!("# {}({})\n{mark}{name}={default}\n\n", setting.name, type_name(setting.kind)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::to_json_text;

    #[test]
    fn defaults_have_their_types() {
        let all = definitions();
        let default = |name: &str| all[&crate::value::StrKey(name)].clone();
        let text = |name: &str| to_json_text(&default(name), crate::value::JsonStyle::default());
        assert!(text("DEFAULT_FORKS").contains("\"default\": 5"), "{}", text("DEFAULT_FORKS"));
        assert!(text("ACTION_WARNINGS").contains("\"default\": true"), "{}", text("ACTION_WARNINGS"));
    }

    #[test]
    fn one_plugin_is_named() {
        let named = plugins_of("become", &["ansible.builtin.sudo".to_owned(), "nosuch".to_owned()]);
        assert_eq!(named, ["sudo"]);
        let parts = TemplateParts { base: false, plugins: vec![("become".to_owned(), named)] };
        assert_eq!(
            template_file(&parts, false).lines().take(2).collect::<Vec<_>>(),
            ["[sudo_become_plugin]", "# (string) become_exe"]
        );
    }
}
