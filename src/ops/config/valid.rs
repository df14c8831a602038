//! Values that a setting cannot have, and settings that ansible-core calls deprecated.
//!
//! What counts as a value of a type is `ansible.config.manager.ensure_type` of ansible-core 2.19.

use std::path::{Path, PathBuf};

use super::{Config, Kind, Setting, SettingOrigin, ini};
use crate::diag::{Deprecation, Diagnostic, Kind as Sort, SourceMap, Span, nearest};

/// The words that a setting can be, where they are fixed.
#[rustfmt::skip]
pub(super) const CHOICES: &[(&str, &[&str])] = &[
    ("CALLBACK_RESULT_FORMAT", &["json", "yaml"]),
    ("COLLECTIONS_ON_ANSIBLE_VERSION_MISMATCH", &["error", "warning", "ignore"]),
    ("DEFAULT_GATHERING", &["implicit", "explicit", "smart"]),
    ("DEFAULT_HASH_BEHAVIOUR", &["replace", "merge"]),
    ("DISPLAY_TRACEBACK", &["error", "warning", "deprecated", "deprecated_value", "always", "never"]),
    ("DUPLICATE_YAML_DICT_KEY", &["error", "warn", "ignore"]),
    ("GALAXY_IGNORE_INVALID_SIGNATURE_STATUS_CODES", &["EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG", "NO_PUBKEY", "MISSING_PASSPHRASE", "BAD_PASSPHRASE", "NODATA", "UNEXPECTED", "ERROR", "FAILURE", "BADARMOR", "KEYEXPIRED", "KEYREVOKED", "NO_SECKEY"]),
    ("HOST_PATTERN_MISMATCH", &["error", "warning", "ignore"]),
    ("PLAYBOOK_VARS_ROOT", &["top", "bottom", "all"]),
    ("PROFILE_TASKS_SORT_ORDER", &["descending", "ascending", "none"]),
    ("RUN_VARS_PLUGINS", &["demand", "start"]),
    ("TRANSFORM_INVALID_GROUP_CHARS", &["always", "never", "ignore", "silently"]),
    ("_CALLBACK_DISPATCH_ERROR_BEHAVIOR", &["error", "warning", "ignore"]),
    ("_TEMPLAR_SANDBOX_MODE", &["default", "allow_unsafe_attributes"]),
    ("_TEMPLAR_UNKNOWN_TYPE_CONVERSION", &["error", "warning", "ignore"]),
    ("_TEMPLAR_UNKNOWN_TYPE_ENCOUNTERED", &["error", "warning", "ignore"]),
    ("_TEMPLAR_UNTRUSTED_TEMPLATE_BEHAVIOR", &["error", "warning", "ignore"]),
];

/// Whole numbers that ansible-core declares as `int`, not as `integer`: its messages have the word.
const INT: [&str; 5] = [
    "GALAXY_SERVER_TIMEOUT",
    "LOG_VERBOSITY",
    "MAX_FILE_SIZE_FOR_DIFF",
    "PERSISTENT_COMMAND_TIMEOUT",
    "SSH_AGENT_KEY_LIFETIME",
];

/// Options of plugins as Ansible's messages name them: the option, the plugin with its kind.
const OPTION_OF: &[(&str, &str, &str)] = &[
    ("CALLBACK_RESULT_FORMAT", "result_format", "'default' callback"),
    ("PROFILE_TASKS_SORT_ORDER", "sort_order", "'profile_tasks' callback"),
    ("SSH_RETRIES", "reconnection_retries", "'ssh' connection"),
];

const UNUSED: &str = "This option is no longer used in the Ansible Core code base.";
const NO_ALTERNATIVE: &str = "There is no alternative at the moment. A different mechanism would have to be implemented in the current code base.";
const IN_PLUGIN: &str = "This option was moved to the plugin itself";
const USE_PLUGIN: &str = "Use the option from the plugin itself.";

/// Deprecated settings: the release that takes them away, why, and what to use.
#[rustfmt::skip]
pub(super) const DEPRECATED: &[(&str, &str, &str, &str)] = &[
    ("ANSIBLE_CONNECTION_PATH", "2.22", "This setting has no effect.", "none"),
    ("DEFAULT_ALLOW_UNSAFE_LOOKUPS", "2.23", UNUSED, "Lookup plugins are responsible for tagging strings containing templates to allow evaluation as a template."),
    ("DEFAULT_JINJA2_EXTENSIONS", "2.23", "Jinja2 extensions have been deprecated", "Ansible-supported Jinja plugins (tests, filters, lookups)"),
    ("DEFAULT_JINJA2_NATIVE", "2.23", UNUSED, "Jinja2 native mode is now the default and only option."),
    ("DEFAULT_LIBVIRT_LXC_NOSECLABEL", "2.22", IN_PLUGIN, USE_PLUGIN),
    ("DEFAULT_MANAGED_STR", "2.23", "The `ansible_managed` variable can be set just like any other variable, or a different variable can be used.", "Set the `ansible_managed` variable, or use any custom variable in templates."),
    ("DEFAULT_NULL_REPRESENTATION", "2.23", UNUSED, NO_ALTERNATIVE),
    ("DEFAULT_UNDEFINED_VAR_BEHAVIOR", "2.23", UNUSED, NO_ALTERNATIVE),
    ("PARAMIKO_HOST_KEY_AUTO_ADD", "2.20", IN_PLUGIN, USE_PLUGIN),
    ("PARAMIKO_LOOK_FOR_KEYS", "2.20", IN_PLUGIN, USE_PLUGIN),
    ("STRING_TYPE_FILTERS", "2.23", "This option has no effect.", "None; native types returned from filters are always preserved."),
    ("_TEMPLAR_SANDBOX_MODE", "2.23", "controlling sandbox behavior is a temporary workaround", "none"),
];

/// A value that its setting cannot have.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    setting: &'static Setting,
    value: String,
    origin: SettingOrigin,
}

/// What becomes of a value that somebody wrote.
pub(super) enum Settled {
    /// It is this.
    Is(String),
    /// As if nobody had written it.
    Unset,
    /// It cannot be.
    Wrong(Wrong),
}

/// The words that a setting can be; empty if they are free.
pub(super) fn choices(name: &str) -> &'static [&'static str] {
    CHOICES.iter().find(|(known, _)| *known == name).map_or(&[], |(_, words)| words)
}

/// Looks at a value as it was written.
pub(super) fn settle(setting: &'static Setting, written: &str, origin: &SettingOrigin) -> Settled {
    let from_file = matches!(origin, SettingOrigin::File(_));
    let wrong = || Settled::Wrong(Wrong { setting, value: written.to_owned(), origin: origin.clone() });
    let number = match setting.kind {
        Kind::Int => whole(written).map(|number| number.to_string()),
        Kind::Float => written.trim().parse::<f64>().ok().map(|_| written.trim().to_owned()),
        // What is no yes is a no.
        Kind::Bool => return Settled::Is(written.to_owned()),
        _ => {
            let text = if from_file { super::unquoted(written) } else { written };
            let words = choices(setting.name);
            let fits = match setting.kind {
                Kind::List => super::list(text).iter().all(|word| words.contains(&word.as_str())),
                _ => words.contains(&text),
            };
            return if words.is_empty() || fits { Settled::Is(text.to_owned()) } else { wrong() };
        }
    };
    match number {
        Some(number) => Settled::Is(number),
        // An empty variable of the environment counts as none.
        None if written.is_empty() && !from_file => Settled::Unset,
        None => wrong(),
    }
}

/// A whole number as Python's `Decimal` reads it: `5`, `5.0`, `1e2`, `1_000`.
fn whole(text: &str) -> Option<i64> {
    let text: String = text.trim().chars().filter(|c| *c != '_').collect();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{before}{behind}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(before.len()).ok()?.checked_add(exponent)?;
    let point = usize::try_from(point.max(0)).ok().filter(|point| *point <= 19)?;
    let fraction = all.get(point.min(all.len())..).unwrap_or_default();
    if fraction.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let number = format!("{:0<point$}", &all[..point.min(all.len())]);
    let number: i64 = if number.is_empty() { 0 } else { number.parse().ok()? };
    Some(if negative { -number } else { number })
}

/// Ansible's name of a setting or option in messages.
fn label(name: &str) -> String {
    match OPTION_OF.iter().find(|(known, ..)| *known == name) {
        Some((_, option, plugin)) => format!("'{option}' for {plugin} plugin"),
        None => format!("'{name}'"),
    }
}

impl Wrong {
    /// What people call it: the key of the file, or the variable.
    fn named(&self) -> &'static str {
        match &self.origin {
            SettingOrigin::Env(name) => name,
            _ => self.setting.ini.first().map_or(self.setting.name, |(_, key)| key),
        }
    }

    fn expected(&self) -> String {
        let words = choices(self.setting.name);
        let shown = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        match self.setting.kind {
            Kind::Int => "a whole number".to_owned(),
            Kind::Float => "a number".to_owned(),
            _ => format!("one of {}", shown(words)),
        }
    }

    /// What Ansible says.
    fn words(&self) -> String {
        let Setting { name, kind, .. } = self.setting;
        let ty = match kind {
            Kind::Int if INT.contains(name) => "int",
            Kind::Int => "integer",
            Kind::Float => "float",
            kind => {
                let words = choices(name).join(", ");
                let value = if *kind == Kind::List {
                    super::shown_list(super::list(&self.value).iter().map(String::as_str))
                } else {
                    crate::value::python_repr(&self.value.as_str().into())
                };
                return format!("Invalid value {value} for config {}. Valid values are: {words}", label(name));
            }
        };
        let origin = match &self.origin {
            SettingOrigin::File(path) => path.display().to_string(),
            SettingOrigin::Env(name) => format!("env: {name}"),
            SettingOrigin::Default => "default".to_owned(),
        };
        let value = crate::value::python_repr(&self.value.as_str().into());
        format!(
            "Config {} from '{origin}' has an invalid value: Invalid value provided for '{ty}': {value}",
            label(name)
        )
    }

    /// The place of the line in its file.
    fn place(&self, sources: &SourceMap) -> Option<Span> {
        let SettingOrigin::File(path) = &self.origin else { return None };
        let text = crate::diag::read::read_source(path).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let (from, to) = self.setting.ini.iter().rev().find_map(|(section, key)| ini::place(&text, section, key))?;
        Some(span(sources, path, text, (from, to)))
    }

    fn error(&self, sources: &SourceMap) -> Diagnostic {
        let (named, expected) = (self.named(), self.expected());
        let text = format!("`{named}` must be {expected}, found `{}`", self.value);
        let error = Diagnostic::new("C0117", Sort::Usage, text)
            .with_registered(self.words())
            .with_label_opt(self.place(sources), format!("expected {expected}"));
        let good = match (choices(self.setting.name), self.setting.default) {
            ([], "") => "5",
            ([], default) => default,
            (words, default) => nearest(&self.value, words.iter().copied()).unwrap_or(default),
        };
        error.with_hint(match self.origin {
            SettingOrigin::Env(_) => format!("export {named}={good}"),
            _ => format!("{named} = {good}"),
        })
    }
}

/// A place in a configuration file.
fn span(sources: &SourceMap, path: &Path, text: String, (from, to): (usize, usize)) -> Span {
    let here = std::env::current_dir().unwrap_or_default();
    let shown = path.strip_prefix(&here).unwrap_or(path).display().to_string();
    let file = sources.add(shown, Some(path), text);
    let at = |offset: usize| u32::try_from(offset.min(file.text.len())).unwrap_or(u32::MAX);
    Span::new(file.id, at(from), at(to))
}

impl Config {
    /// The error about settings that cannot be what they are, if there are any.
    pub(super) fn refused(&self, sources: &SourceMap) -> Option<Diagnostic> {
        let (first, others) = self.wrong.split_first()?;
        let error = others.iter().fold(first.error(sources), |error, other| {
            let (named, expected) = (other.named(), other.expected());
            let error = error.with_note(format!("`{named}` must be {expected}, found `{}`", other.value));
            error.with_label_opt(other.place(sources), format!("expected {expected}"))
        });
        Some(error)
    }
}

/// The error about a line of a configuration file.
pub(super) fn unreadable(path: &Path, text: &str, wrong: &ini::Unread, sources: &SourceMap) -> Diagnostic {
    let (from, to) = wrong.place(text);
    Diagnostic::new("C0110", Sort::Usage, format!("`{}`, line {}: {}", path.display(), wrong.line, wrong.what))
        .with_registered(format!("Error reading config file ({}): {}", path.display(), wrong.words))
        .with_label(span(sources, path, text.to_owned(), (from, to)), "here")
        .with_hint("lines are `[section]`, `key = value`, or begin with `#` or `;`")
}

/// What ansible-core says of a setting that it will not have for long.
pub(super) fn deprecated(setting: &Setting, origin: &SettingOrigin) -> Option<Diagnostic> {
    let (name, version, why, instead) = DEPRECATED.iter().find(|(name, ..)| *name == setting.name)?;
    let words = format!("{name} option. Reason: {why}\nAlternatives: {instead}");
    let named = match origin {
        SettingOrigin::Env(name) => (*name).to_owned(),
        _ => setting.ini.first().map_or(*name, |(_, key)| key).to_owned(),
    };
    let text = format!("the setting `{named}` is deprecated");
    Some(Diagnostic::of_deprecation("C0119", Sort::Usage, text, Deprecation::core(words, version)))
}

/// The file that `ANSIBLE_CONFIG` names, if Ansible cannot read one of its name.
pub(super) fn odd_name(path: &Path) -> Option<Diagnostic> {
    let end: PathBuf = path.extension().map(PathBuf::from).unwrap_or_default();
    let words = match end.to_str() {
        Some("cfg" | "ini") => return None,
        Some("yml" | "yaml") => "Unsupported configuration file type: yaml".to_owned(),
        _ if end.as_os_str().is_empty() => format!("Unsupported configuration file extension for {}:", path.display()),
        _ => format!("Unsupported configuration file extension for {}: .{}", path.display(), end.display()),
    };
    let text = format!("the configuration file `{}` must end in `.cfg` or `.ini`", path.display());
    Some(
        Diagnostic::new("C0110", Sort::Usage, text)
            .with_registered(words)
            .with_hint("export ANSIBLE_CONFIG=/path/to/ansible.cfg"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_of_python() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(whole(text), expected, "{text}");
        check("5", Some(5));
        check(" 7.0 ", Some(7));
        check("1e2", Some(100));
        check("12e-1", None);
        check("120E-1", Some(12));
        check("1_000", Some(1000));
        check("-3", Some(-3));
        check("+.0", Some(0));
        check("0.5", None);
        check("abc", None);
        check("", None);
        check("nan", None);
        check("1e400000000", None);
        check("5x", None);
    }
}
