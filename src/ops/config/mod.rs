//! Ansible's settings: `ansible.cfg`, found as Ansible finds it, and `ANSIBLE_*` variables.
//!
//! Each value keeps where it came from. Settings that hostctl does not follow are named once, when
//! somebody set them to something else than their default.

mod ini;
mod lookup;
mod naming;
mod plugins;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Kind as Sort, Result};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Int,
    Float,
    /// Names with commas between them.
    List,
    Dict,
    /// One path.
    Path,
    /// Paths with colons between them.
    Paths,
    /// Paths with commas between them.
    Files,
}

/// What hostctl makes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// Followed.
    Used,
    /// Changes nothing that a run means here: looks, Python, network devices.
    Harmless,
    /// Not followed.
    Unsupported,
}

/// Callbacks that are here.
const CALLBACKS: &[&str] = &["default", "minimal", "oneline", "profile_roles", "profile_tasks", "timer"];

/// One setting of Ansible.
struct Setting {
    name: &'static str,
    kind: Kind,
    default: &'static str,
    env: &'static [&'static str],
    ini: &'static [(&'static str, &'static str)],
    here: Here,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingOrigin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// A variable of the environment.
    Env(&'static str),
}

/// All settings with their origins.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// What is to be told: settings that are not followed, a file that is passed over.
    pub warnings: Vec<Diagnostic>,
    given: HashMap<&'static str, (String, SettingOrigin)>,
    /// All lines of the file, for the options of plugins.
    lines: HashMap<(String, String), String>,
}

/// Reads the environment; tests give their own.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    /// The settings of this process.
    pub fn load() -> Result<Self> {
        let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::load_with(&env, &std::env::current_dir().unwrap_or_default())
    }

    /// The settings with this configuration file.
    pub fn load_file(path: &Path) -> Result<Self> {
        let path = path.display().to_string();
        let env = |name: &str| match name {
            "ANSIBLE_CONFIG" => Some(path.clone()),
            name => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
        };
        Self::load_with(&env, &std::env::current_dir().unwrap_or_default())
    }

    fn load_with(env: Env<'_>, here: &Path) -> Result<Self> {
        let mut config = Self::default();
        config.find(env, here);
        let parsed = match &config.file {
            Some(path) => {
                let text = crate::diag::read::read_source(path).map_err(|error| {
                    Diagnostic::local("C0110", format!("`{}` cannot be read: {error}", path.display()))
                })?;
                ini::parse(&String::from_utf8_lossy(&text)).map_err(|(line, text)| {
                    Diagnostic::new("C0110", Sort::Usage, format!("`{}`, line {line}: {text}", path.display()))
                        .with_hint("lines are `[section]`, `key = value`, or begin with `#` or `;`")
                })?
            }
            None => HashMap::new(),
        };
        for setting in table::SETTINGS {
            let from_env = setting.env.iter().rev().find_map(|name| Some((env(name)?, SettingOrigin::Env(name))));
            let from_file = || {
                let path = config.file.clone()?;
                let value = setting
                    .ini
                    .iter()
                    .rev()
                    .find_map(|(section, key)| parsed.get(&((*section).to_owned(), (*key).to_owned())))?;
                Some((unquoted(value).to_owned(), SettingOrigin::File(path)))
            };
            let Some((value, origin)) = from_env.or_else(from_file) else { continue };
            let base = match &origin {
                SettingOrigin::File(path) => path.parent().unwrap_or(Path::new("/")).to_path_buf(),
                _ => here.to_path_buf(),
            };
            let value = resolved(setting.kind, &value, &base, env);
            config.warn(setting, &value, &origin);
            config.given.insert(setting.name, (value, origin));
        }
        config.lines = parsed;
        Ok(config)
    }

    /// The first of `ANSIBLE_CONFIG`, `./ansible.cfg` (not in a folder that all may write), `~/.ansible.cfg` and
    /// `/etc/ansible/ansible.cfg`.
    fn find(&mut self, env: Env<'_>, here: &Path) {
        let mut places = Vec::new();
        if let Some(given) = env("ANSIBLE_CONFIG") {
            let path = expanded(&given, here, env);
            places.push(if path.is_dir() { path.join("ansible.cfg") } else { path });
        }
        let local = here.join("ansible.cfg");
        let open = std::fs::metadata(here).is_ok_and(|meta| {
            use std::os::unix::fs::PermissionsExt as _;
            meta.permissions().mode() & 0o002 != 0
        });
        if !open {
            places.push(local.clone());
        }
        places.push(expanded("~/.ansible.cfg", here, env));
        places.push(PathBuf::from("/etc/ansible/ansible.cfg"));
        self.file = places.into_iter().find(|path| path.is_file() && std::fs::File::open(path).is_ok());
        if open && local.exists() && env("ANSIBLE_CONFIG").is_none() {
            self.warnings.push(
                Diagnostic::local(
                    "C0111",
                    format!(
                        "Ansible is being run in a world writable directory ({}), ignoring it as an ansible.cfg source.",
                        here.display()
                    ),
                )
                .warning(),
            );
        }
    }

    fn warn(&mut self, setting: &Setting, value: &str, origin: &SettingOrigin) {
        let same = value == setting.default
            || value.is_empty()
            || setting.kind == Kind::Bool && truth(value) == truth(setting.default)
            || setting.kind == Kind::List && list(value) == list(setting.default);
        // The callbacks that are here can be named without loss.
        let known = match setting.name {
            "CALLBACKS_ENABLED" => {
                let mut names = list(value).into_iter();
                names.all(|name| name.rsplit('.').next().is_some_and(|name| CALLBACKS.contains(&name)))
            }
            // What `smart` comes to on every host that is no network device.
            "FACTS_MODULES" => list(value).iter().all(|name| {
                matches!(name.as_str(), "smart" | "setup" | "ansible.builtin.setup" | "ansible.legacy.setup")
            }),
            _ => false,
        };
        let other_cache =
            setting.name == "CACHE_PLUGIN" && !matches!(value.rsplit('.').next(), Some("memory" | "jsonfile"));
        if other_cache && !same {
            self.warnings.push(
                Diagnostic::local("C0112", format!("there is no fact cache `{value}` here: facts last for this run"))
                    .warning()
                    .with_hint("fact_caching = jsonfile, with fact_caching_connection = FOLDER"),
            );
            return;
        }
        if setting.here != Here::Unsupported || same || known {
            return;
        }
        // A folder without a plugin changes nothing; the use of a filter, test, lookup or module that hostctl
        // does not have is an error of its own.
        if setting.kind == Kind::Paths && !value.split(':').any(holds_plugin) {
            return;
        }
        let place = match origin {
            SettingOrigin::Env(name) => format!("`{name}`"),
            _ => {
                let (section, key) = setting.ini.first().copied().unwrap_or_default();
                format!("`{key}` in [{section}] of `{}`", self.file.clone().unwrap_or_default().display())
            }
        };
        self.warnings.push(
            Diagnostic::local("C0112", format!("the setting {place} is read, but not supported: it changes nothing"))
                .warning(),
        );
    }

    /// A setting that somebody set.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|(value, _)| value.as_str())
    }

    /// A setting's value, its default if nobody set it.
    pub fn text(&self, name: &str) -> String {
        if let Some(value) = self.given(name) {
            return value.to_owned();
        }
        let default = table::SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        self.default_text(default)
    }

    /// `{{ ANSIBLE_HOME ~ "REST" }}` with the folder in its place.
    fn default_text(&self, default: &str) -> String {
        let Some(rest) = default.strip_prefix("{{ ANSIBLE_HOME ~ \"").and_then(|rest| rest.strip_suffix("\" }}"))
        else {
            return default.to_owned();
        };
        let home = self
            .given("ANSIBLE_HOME")
            .map_or_else(|| std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned()) + "/.ansible", str::to_owned);
        format!("{home}{rest}")
    }

    /// A boolean.
    pub fn flag(&self, name: &str) -> bool {
        truth(&self.text(name)).unwrap_or(false)
    }

    /// A boolean that may be left open.
    pub fn optional_flag(&self, name: &str) -> Option<bool> {
        self.given(name).and_then(truth)
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).trim().parse().ok()
    }

    /// A list of names.
    pub fn list(&self, name: &str) -> Vec<String> {
        list(&self.text(name))
    }

    /// A list of folders.
    pub fn paths(&self, name: &str) -> Vec<PathBuf> {
        self.text(name).split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect()
    }

    /// Every setting with value and origin, by name.
    pub fn rows(&self) -> Vec<(&'static str, String, SettingOrigin)> {
        table::SETTINGS
            .iter()
            .map(|setting| {
                let origin = self.given.get(setting.name).map_or(SettingOrigin::Default, |(_, origin)| origin.clone());
                let value = self.text(setting.name);
                let value = match setting.kind {
                    Kind::Bool => match truth(&value) {
                        Some(true) => "True".to_owned(),
                        Some(false) => "False".to_owned(),
                        None if value.is_empty() => "None".to_owned(),
                        None => value,
                    },
                    Kind::Paths => shown_list(value.split(':')),
                    Kind::Files | Kind::List => shown_list(list(&value).iter().map(String::as_str)),
                    _ if value.is_empty() && origin == SettingOrigin::Default => "None".to_owned(),
                    _ => value,
                };
                (setting.name, value, origin)
            })
            .collect()
    }
}

/// True for a folder with a file in Python.
fn holds_plugin(dir: &str) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut list| {
        list.any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "py")))
    })
}

/// A list as Python writes it.
fn shown_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.filter(|item| !item.is_empty()).map(|item| format!("'{item}'")).collect();
    format!("[{}]", items.join(", "))
}

/// A value of a file may stand in quotes.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// Paths made absolute: those of a file begin at its folder.
fn resolved(kind: Kind, value: &str, base: &Path, env: Env<'_>) -> String {
    let each = |separator: &str| {
        let paths: Vec<String> = value
            .split(separator)
            .map(str::trim)
            .filter(|path| !path.is_empty())
            .map(|path| expanded(path, base, env).display().to_string())
            .collect();
        paths.join(separator)
    };
    match kind {
        Kind::Path if !value.is_empty() => expanded(value, base, env).display().to_string(),
        Kind::Paths => each(":"),
        // A list of hosts is no path.
        Kind::Files if value.trim_end().ends_with(',') => value.to_owned(),
        Kind::Files => each(","),
        _ => value.to_owned(),
    }
}

/// `~`, `$NAME`, `{{CWD}}` and relative paths.
fn expanded(text: &str, base: &Path, env: Env<'_>) -> PathBuf {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match env(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..=at + length]),
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    if out.contains("{{CWD}}") {
        let here = std::env::current_dir().unwrap_or_default();
        out = out.replace("{{CWD}}", &here.display().to_string());
    }
    let path = match out.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            PathBuf::from(env("HOME").unwrap_or_else(|| "/root".to_owned()) + rest)
        }
        _ => base.join(&out),
    };
    crate::system::fs::normal(&path)
}

/// A path of a default: `~` and `$NAME` of this process.
fn expanded_here(text: &str) -> String {
    let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    expanded(text, Path::new("/"), &env).display().to_string()
}

fn list(value: &str) -> Vec<String> {
    let inner = value.trim();
    let inner = inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(inner);
    inner
        .split(',')
        .map(|item| item.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

/// A boolean as Ansible spells it.
fn truth(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
        "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(cfg: &str, vars: &[(&str, &str)]) -> Config {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ansible.cfg"), cfg).unwrap();
        let env = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            found.or_else(|| (name == "HOME").then(|| "/home/me".to_owned()))
        };
        let mut config = Config::load_with(&env, dir.path()).unwrap();
        config.given.values_mut().for_each(|(value, _)| {
            *value = value.replace(&dir.path().display().to_string(), "DIR");
        });
        config
    }

    #[test]
    fn the_environment_outranks_the_file_and_paths_begin_at_the_file() {
        let config = load(
            "[defaults]\nforks = 7 ; many\nroles_path = roles:~/r\nstdout_callback='minimal'\n# x\n[ssh_connection]\nssh_args = -4\n",
            &[("ANSIBLE_FORKS", "9")],
        );
        assert_eq!(config.number("DEFAULT_FORKS"), Some(9));
        assert_eq!(config.text("DEFAULT_ROLES_PATH"), "DIR/roles:/home/me/r");
        assert_eq!(config.text("DEFAULT_STDOUT_CALLBACK"), "minimal");
        assert_eq!(config.text("SSH_ARGS"), "-4");
        assert_eq!(config.text("DEFAULT_STRATEGY"), "linear");
        assert!(config.flag("HOST_KEY_CHECKING"));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    #[test]
    fn what_is_not_followed_is_named_once() {
        let config = load("[defaults]\nerror_on_undefined_vars = no\nerror_on_missing_handler = true\n", &[]);
        let told: Vec<&str> = config.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("error_on_undefined_vars"), "{told:?}");
    }

    #[test]
    fn a_broken_file_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ansible.cfg"), "[defaults]\n\nforks 5\n").unwrap();
        let error = Config::load_with(&|_| None, dir.path()).unwrap_err();
        assert!(error.message.contains("line 3"), "{}", error.message);
    }
}
