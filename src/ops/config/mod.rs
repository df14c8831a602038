//! Ansible's settings: `ansible.cfg`, found as Ansible finds it, and `ANSIBLE_*` variables.
//!
//! Each value keeps where it came from. Settings that hostctl does not follow are named once, when
//! somebody set them to something else than their default.

mod about;
mod definitions;
mod ini;
mod lookup;
mod naming;
mod plugins;
mod shown;
mod table;
#[cfg(test)]
mod table_tests;
mod valid;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Result, SourceMap};
use crate::value::boolean_word;

pub use definitions::{
    TemplateParts, definitions, plugin_definitions, plugins_of, template_environment, template_file,
};
pub use shown::{SettingRow, ShownSetting, setting_rows};

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
#[derive(Debug)]
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
    lines: ini::Parsed,
    /// What is set to something that it cannot be.
    wrong: Vec<valid::Wrong>,
}

/// Reads the environment; tests give their own.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    /// The settings of this process. A file that cannot be read, and a value that its setting cannot have, are errors
    /// with their places in `sources`.
    pub fn load(sources: &SourceMap) -> Result<Self> {
        Self::load_with(&own_env, &std::env::current_dir().unwrap_or_default(), sources)?.checked(sources)
    }

    /// The settings with this configuration file.
    pub fn load_file(path: &Path, sources: &SourceMap) -> Result<Self> {
        let path = path.display().to_string();
        let env = |name: &str| if name == "ANSIBLE_CONFIG" { Some(path.clone()) } else { own_env(name) };
        Self::load_with(&env, &std::env::current_dir().unwrap_or_default(), sources)?.checked(sources)
    }

    fn checked(self, sources: &SourceMap) -> Result<Self> {
        match self.refused(sources) {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    fn load_with(env: Env<'_>, here: &Path, sources: &SourceMap) -> Result<Self> {
        let mut config = Self::default();
        config.find(env, here);
        let parsed = match &config.file {
            Some(path) => {
                if let Some(error) = valid::odd_name(path) {
                    return Err(error);
                }
                let text = crate::diag::read::read_source(path).map_err(|error| {
                    Diagnostic::local("C0110", format!("`{}` cannot be read: {error}", path.display()))
                })?;
                let text = String::from_utf8_lossy(&text);
                ini::parse(&text).map_err(|wrong| valid::unreadable(path, &text, &wrong, sources))?
            }
            None => ini::Parsed::new(),
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
                Some((value.clone(), SettingOrigin::File(path)))
            };
            let Some((written, origin)) = from_env.or_else(from_file) else { continue };
            let value = match valid::settle(setting, &written, &origin) {
                valid::Settled::Is(value) => value,
                valid::Settled::Unset => continue,
                valid::Settled::Wrong(wrong) => {
                    config.wrong.push(wrong);
                    continue;
                }
            };
            let base = match &origin {
                SettingOrigin::File(path) => path.parent().unwrap_or(Path::new("/")).to_path_buf(),
                _ => here.to_path_buf(),
            };
            let value = resolved(setting.kind, &value, &base, env);
            config.warn(setting, &value, &origin);
            config.given.insert(setting.name, (value, origin));
        }
        if !config.flag("DEPRECATION_WARNINGS") {
            config.warnings.retain(|warning| !warning.is_deprecation());
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
        self.file = places.into_iter().find(|path| crate::diag::read::open_plain(path).is_ok());
        if open && local.exists() && env("ANSIBLE_CONFIG").is_none() {
            let words = format!(
                "Ansible is being run in a world writable directory ({}), ignoring it as an ansible.cfg source. For more \
                 information see https://docs.ansible.com/ansible/devel/reference_appendices/config.html#cfg-in-world-writable-dir",
                here.display()
            );
            let text = format!("`{}` is not read: everyone may write into its folder", local.display());
            self.warnings.push(
                Diagnostic::local("C0111", text)
                    .warning()
                    .with_registered(words)
                    .with_hint(format!("chmod o-w {}", here.display())),
            );
        }
    }

    fn warn(&mut self, setting: &'static Setting, value: &str, origin: &SettingOrigin) {
        self.warnings.extend(valid::deprecated(setting, origin));
        let same = value == setting.default
            || value.is_empty()
            || setting.kind == Kind::Bool && boolean_word(value) == boolean_word(setting.default)
            || setting.kind == Kind::List && list(value) == list(setting.default);
        // The callbacks that are here can be named without loss.
        let known = match setting.name {
            "CALLBACKS_ENABLED" => {
                let missing = list(value).into_iter().filter(|name| {
                    let short = name.rsplit('.').next().unwrap_or_default();
                    !CALLBACKS.contains(&short)
                });
                self.warnings.extend(missing.map(|name| {
                    Diagnostic::local("C0118", format!("the callback `{name}` is not here: it is passed over"))
                        .warning()
                        .with_registered(format!("Skipping callback plugin '{name}', unable to load"))
                        .with_hint(format!("the callbacks here are {}", CALLBACKS.join(", ")))
                }));
                true
            }
            "INVENTORY_ENABLED" => {
                let mut read = crate::inventory::ReadOptions::default();
                self.warnings.extend(read.enable(&list(value)).into_iter().map(|name| {
                    Diagnostic::local("C0118", format!("the inventory plugin `{name}` is not here: it is passed over"))
                        .warning()
                        .with_registered(format!("Failed to load inventory plugin, skipping {name}"))
                        .with_hint(format!("the plugins here are {}", crate::inventory::INVENTORY_PLUGINS.join(", ")))
                }));
                true
            }
            "VARIABLE_PLUGINS_ENABLED" => list(value).iter().all(|name| name.ends_with("host_group_vars")),
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
        boolean_word(&self.text(name)).unwrap_or(false)
    }

    /// A boolean that may be left open.
    pub fn optional_flag(&self, name: &str) -> Option<bool> {
        self.given(name).and_then(boolean_word)
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
}

/// A variable of this process.
fn own_env(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
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
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
            && !inner.ends_with('\\')
        {
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
    expanded(text, Path::new("/"), &own_env).display().to_string()
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
        let mut config = Config::load_with(&env, dir.path(), &SourceMap::new()).unwrap();
        config.given.values_mut().for_each(|(value, _)| {
            *value = value.replace(&dir.path().display().to_string(), "DIR");
        });
        config
    }

    #[test]
    fn a_fifo_is_no_settings_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ansible.cfg");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let home = dir.path().display().to_string();
        let env = |name: &str| (name == "HOME").then(|| home.clone());
        let config = Config::load_with(&env, dir.path(), &SourceMap::new()).unwrap();
        assert!(config.file.is_none_or(|file| !file.starts_with(dir.path())));
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
        let config = load("[defaults]\njinja2_extensions = jinja2.ext.do\nerror_on_missing_handler = true\n", &[]);
        let told = |deprecation: bool| -> Vec<&str> {
            let told = config.warnings.iter().filter(|warning| warning.is_deprecation() == deprecation);
            told.map(|warning| warning.message.as_str()).collect()
        };
        assert_eq!((told(false).len(), told(true).len()), (1, 1), "{:?}", config.warnings);
        assert!(told(false)[0].contains("`jinja2_extensions` in [defaults]"), "{:?}", told(false));
        let quiet = load("[defaults]\njinja2_native = yes\ndeprecation_warnings = no\n", &[]);
        assert!(quiet.warnings.is_empty(), "{:?}", quiet.warnings);
    }

    #[test]
    fn a_broken_file_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ansible.cfg"), "[defaults]\n\nforks 5\n").unwrap();
        let sources = SourceMap::new();
        let error = Config::load_with(&|_| None, dir.path(), &sources).unwrap_err();
        assert!(error.message.contains("line 3"), "{}", error.message);
        assert!(sources.place(error.span().unwrap()).ends_with("ansible.cfg:3:1"));
        let null =
            Config::load_with(&|name| (name == "ANSIBLE_CONFIG").then(|| "/dev/null".into()), dir.path(), &sources);
        assert_eq!(null.unwrap_err().registered(), "Unsupported configuration file extension for /dev/null:");
    }

    #[test]
    fn a_value_that_a_setting_cannot_have_is_an_error_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ansible.cfg");
        let sources = SourceMap::new();
        let wrong = |text: &str, vars: &[(&str, &str)]| {
            std::fs::write(&path, text).unwrap();
            let env = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let config = Config::load_with(&env, dir.path(), &sources).unwrap();
            let Some(error) = config.refused(&sources) else { return "fine".to_owned() };
            let place = error.span().map(|span| sources.place(span)).unwrap_or_default();
            let place = place.rsplit('/').next().unwrap_or_default().to_owned();
            let words = error.registered().replace(&path.display().to_string(), "FILE");
            assert_eq!(error.kind.exit_code(), crate::diag::ExitCode::Usage);
            format!("{place} {} | {words} | {}", error.message, error.hints.join(" "))
        };
        assert_eq!(
            wrong("[defaults]\n\n forks = many\n", &[]),
            "ansible.cfg:3:2 `forks` must be a whole number, found `many` | Config 'DEFAULT_FORKS' from 'FILE' has an \
             invalid value: Invalid value provided for 'integer': 'many' | forks = 5"
        );
        assert_eq!(
            wrong("", &[("ANSIBLE_GATHERING", "implict")]),
            " `ANSIBLE_GATHERING` must be one of `implicit`, `explicit`, `smart`, found `implict` | Invalid value \
             'implict' for config 'DEFAULT_GATHERING'. Valid values are: implicit, explicit, smart | export \
             ANSIBLE_GATHERING=implicit"
        );
        assert!(
            wrong("", &[("ANSIBLE_CALLBACK_RESULT_FORMAT", "xml")])
                .contains("'result_format' for 'default' callback plugin.")
        );
        assert!(
            wrong("[defaults]\ndisplay_traceback = error, foo\n", &[]).contains("Invalid value ['error', 'foo'] for")
        );
        assert!(wrong("[defaults]\nforks =\n", &[]).contains("'integer': ''"));
        for (name, value) in
            [("ANSIBLE_FORKS", ""), ("ANSIBLE_FORKS", "7.0"), ("ANSIBLE_TIMEOUT", "1e1"), ("ANSIBLE_BECOME", "what")]
        {
            assert_eq!(wrong("", &[(name, value)]), "fine", "{name}={value}");
        }
    }
}
