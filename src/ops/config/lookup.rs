//! Settings as the `config` lookup shows them: typed, with their origin and the variables that outrank them.

use crate::diag::{Diagnostic, Result};
use crate::template::{Setting, SettingKind};
use crate::value::{Map, Value, insert};

use super::plugins::OPTIONS;
use super::{Config, Kind, SettingOrigin, list, table};

/// Options of plugins that stand among the settings here, since `ansible-config dump` has them too.
pub(super) const OF_PLUGINS: &[&str] = &[
    "CALLBACK_FORMAT_PRETTY",
    "CALLBACK_RESULT_FORMAT",
    "CHECK_MODE_MARKERS",
    "DISPLAY_FAILED_STDERR",
    "DISPLAY_OK_HOSTS",
    "PROFILE_ROLES_SUMMARY_ONLY",
    "PROFILE_TASKS_SORT_ORDER",
    "PROFILE_TASKS_SUMMARY_ONLY",
    "PROFILE_TASKS_TASK_OUTPUT_LIMIT",
    "REMOTE_TMP",
    "SHOW_PER_HOST_START",
    "SHOW_TASK_PATH_ON_FAILURE",
    "SSH_ARGS",
    "SSH_COMMON_ARGS",
    "SSH_CONTROL_PATH",
    "SSH_EXTRA_ARGS",
    "SSH_HOST_KEY_CHECKING",
    "SSH_PIPELINING",
    "SSH_RETRIES",
];

/// Settings that a variable outranks.
const VARS: &[(&str, &[&str])] = &[
    ("DEFAULT_MODULE_COMPRESSION", &["ansible_module_compression"]),
    ("DEFAULT_NO_TARGET_SYSLOG", &["ansible_no_target_syslog"]),
    ("DEPRECATION_WARNINGS", &["ansible_deprecation_warnings"]),
    ("FACTS_MODULES", &["ansible_facts_modules"]),
    ("INTERPRETER_PYTHON", &["ansible_python_interpreter"]),
    ("INTERPRETER_PYTHON_FALLBACK", &["ansible_interpreter_python_fallback"]),
    ("PYTHON_MODULE_RLIMIT_NOFILE", &["ansible_python_module_rlimit_nofile"]),
    ("TARGET_LOG_INFO", &["ansible_target_log_info"]),
    ("WIN_ASYNC_STARTUP_TIMEOUT", &["ansible_win_async_startup_timeout"]),
];

/// Extensions that Ansible never reads, with those of a setting.
const REJECTED: [&str; 9] = [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst"];

/// Network devices whose facts have modules of their own.
#[rustfmt::skip]
const NETWORK: [&str; 12] = [
    "cisco.asa.asa", "arista.eos.eos", "frr.frr.frr", "cisco.ios.ios", "cisco.iosxr.iosxr",
    "junipernetworks.junos.junos", "cisco.nxos.nxos", "vyos.vyos.vyos", "extreme.exos.exos", "extreme.slxos.slxos",
    "extreme.voss.voss", "community.network.ironware",
];

/// `CONNECTION_FACTS_MODULES`: nothing can set it.
fn network_facts() -> Value {
    let mut map = Map::new();
    for name in NETWORK {
        let short = name.rsplit('.').next().unwrap_or_default();
        insert(&mut map, short, format!("ansible.legacy.{short}_facts"));
        insert(&mut map, name, format!("{name}_facts"));
    }
    Value::from(map)
}

fn kind_of(kind: Kind) -> SettingKind {
    match kind {
        Kind::Text | Kind::Path | Kind::Dict => SettingKind::Text,
        Kind::Bool => SettingKind::Bool,
        Kind::Int => SettingKind::Int,
        Kind::Float => SettingKind::Float,
        Kind::List | Kind::Files => SettingKind::List,
        Kind::Paths => SettingKind::Paths,
    }
}

fn texts<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    Value::from(items.into_iter().map(Value::from).collect::<Vec<_>>())
}

/// A text as its kind has it.
fn typed(kind: Kind, name: &str, text: &str, origin: &str) -> Result<Value> {
    if matches!(kind, Kind::List | Kind::Files) {
        return Ok(texts(list(text).iter().map(String::as_str)));
    }
    kind_of(kind).read(&Value::from(text)).ok_or_else(|| {
        Diagnostic::local("C0110", format!("the setting `{name}` has an invalid value: `{text}`"))
            .with_registered(format!("Config '{name}' from '{origin}' has an invalid value."))
    })
}

pub(super) fn shown(origin: &SettingOrigin) -> String {
    match origin {
        SettingOrigin::Default => "default".to_owned(),
        SettingOrigin::File(path) => path.display().to_string(),
        SettingOrigin::Env(name) => format!("env: {name}"),
    }
}

impl Config {
    /// A setting by its name, or an option of a plugin (type and name); `None` if there is none of that name.
    pub fn setting(&self, plugin: Option<(&str, &str)>, name: &str) -> Result<Option<Setting>> {
        match plugin {
            Some(plugin) => self.plugin_setting(plugin, name),
            None => self.plain_setting(name),
        }
    }

    fn plain_setting(&self, name: &str) -> Result<Option<Setting>> {
        if name == "CONFIG_FILE" {
            let value = self.file.as_ref().map_or(Value::Null, |file| Value::from(file.display().to_string()));
            return Ok(Some(Setting { value, origin: String::new(), vars: &[], kind: SettingKind::Text }));
        }
        let found = table::SETTINGS.iter().find(|setting| setting.name == name && !OF_PLUGINS.contains(&name));
        let Some(setting) = found else { return Ok(None) };
        let origin = self.given.get(name).map_or(SettingOrigin::Default, |(_, origin)| origin.clone());
        let text = self.text(name);
        let default = origin == SettingOrigin::Default;
        let shown = shown(&origin);
        let value = match name {
            "DEFAULT_VAULT_ID_MATCH" if default => Value::Bool(false),
            "PYTHON_MODULE_RLIMIT_NOFILE" if default => Value::Int(0),
            "DEFAULT_BECOME_FLAGS" if default => Value::from(""),
            "INVENTORY_IGNORE_EXTS" if default => texts(REJECTED.into_iter().chain([".orig", ".cfg", ".retry"])),
            "MODULE_IGNORE_EXTS" if default => texts(REJECTED.into_iter().chain([".yaml", ".yml", ".ini"])),
            "ANSIBLE_HOME" if default => Value::from(super::expanded_here(&text)),
            _ => match setting.kind {
                Kind::List if default && text.is_empty() => Value::Null,
                Kind::List | Kind::Files | Kind::Paths if text.is_empty() => texts([]),
                Kind::Dict => network_facts(),
                Kind::Path if default && !text.is_empty() => Value::from(super::expanded_here(&text)),
                Kind::Paths if default => {
                    texts(text.split(':').map(super::expanded_here).collect::<Vec<_>>().iter().map(String::as_str))
                }
                _ if text.is_empty() => Value::Null,
                kind => typed(kind, name, &text, &shown)?,
            },
        };
        let vars = VARS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, vars)| vars);
        Ok(Some(Setting { value, origin: shown, vars, kind: kind_of(setting.kind) }))
    }

    fn plugin_setting(&self, plugin: (&str, &str), name: &str) -> Result<Option<Setting>> {
        if !OPTIONS.iter().any(|option| option.plugin == plugin) {
            let (kind, plugin) = plugin;
            return Err(Diagnostic::local("C0110", format!("there is no {kind} plugin `{plugin}` here"))
                .with_registered(format!("Unable to load {kind} plugin '{plugin}'.")));
        }
        let Some(option) = OPTIONS.iter().find(|option| option.plugin == plugin && option.name == name) else {
            return Ok(None);
        };
        let env = option.env.iter().rev().find_map(|name| Some((std::env::var(name).ok()?, format!("env: {name}"))));
        let ini = || {
            let found = option
                .ini
                .iter()
                .rev()
                .find_map(|(section, key)| self.lines.get(&((*section).to_owned(), (*key).to_owned())))?;
            Some((super::unquoted(found).to_owned(), self.file.as_ref()?.display().to_string()))
        };
        let default = || option.default.map(|text| (text.to_owned(), "default".to_owned()));
        let (value, origin) = match env.or_else(ini).or_else(default) {
            Some((text, origin)) => (typed(option.kind, name, &text, &origin)?, origin),
            None => (Value::Null, "default".to_owned()),
        };
        Ok(Some(Setting { value, origin, vars: option.vars, kind: kind_of(option.kind) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(config: &Config, plugin: Option<(&str, &str)>, name: &str) -> String {
        match config.setting(plugin, name) {
            Ok(Some(setting)) => format!("{} ({})", crate::value::python_repr(&setting.value), setting.origin),
            Ok(None) => "none".to_owned(),
            Err(error) => error.registered().to_owned(),
        }
    }

    #[test]
    fn settings_have_types_and_origins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ansible.cfg");
        let text = "[defaults]\nforks = 7\nremote_port = 22x\ncallbacks_enabled = a, b\n[url_lookup]\ntimeout = 3.5\n";
        std::fs::write(&path, text).unwrap();
        let config = Config::load_with(
            &|name| (name == "ANSIBLE_CONFIG").then(|| path.display().to_string()),
            dir.path(),
            &crate::diag::SourceMap::new(),
        )
        .unwrap();
        let file = path.display();
        let check = |plugin, name: &str, expected: &str| assert_eq!(show(&config, plugin, name), expected, "{name}");
        check(None, "DEFAULT_FORKS", &format!("7 ({file})"));
        check(None, "CALLBACKS_ENABLED", &format!("['a', 'b'] ({file})"));
        check(None, "DEFAULT_BECOME", "False (default)");
        check(None, "DEFAULT_TIMEOUT", "10 (default)");
        check(None, "COLOR_OK", "'green' (default)");
        check(None, "BECOME_PASSWORD_FILE", "None (default)");
        check(None, "CONFIG_FILE", &format!("'{file}' ()"));
        check(None, "SSH_ARGS", "none");
        check(None, "NOPE", "none");
        check(Some(("lookup", "url")), "timeout", &format!("3.5 ({file})"));
        check(Some(("shell", "sh")), "remote_tmp", "'~/.ansible/tmp' (default)");
        check(Some(("shell", "sh")), "nope", "none");
        check(Some(("connection", "nope")), "port", "Unable to load connection plugin 'nope'.");
        let wrong = format!("Config 'port' from '{file}' has an invalid value.");
        check(Some(("connection", "ssh")), "port", &wrong);
    }
}
