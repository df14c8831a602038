//! The options of `kolla-build`: their types and defaults from the tree's `common/config.py`, their values from
//! `kolla-build.conf` and the user, with `$name` expanded as oslo.config does.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::ini::{Ini, Written};
use super::python::{Py, assignments};
use crate::diag::{Diagnostic, Result};
use crate::secret::without_passwords;
use crate::value::{Key, Map, Value, python_repr, python_str};

/// The defaults of kolla 23.0.0, in the form of its `common/config.py`, for trees that have no such file.
const DEFAULTS: &str = include_str!("defaults.py.txt");

/// How a value's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Int,
    /// With commas.
    List,
    /// `a:b,c:d`.
    Dict,
    /// The name may stand several times.
    Several,
}

#[derive(Clone, Debug)]
struct Opt {
    kind: Kind,
    default: Value,
    choices: Vec<String>,
}

/// All options of a tree.
#[derive(Debug)]
pub struct Config {
    /// By group (`DEFAULT` for those without one) and name.
    options: BTreeMap<String, BTreeMap<String, Opt>>,
    /// Literals of `common/config.py`.
    literals: BTreeMap<String, Py>,
    ini: Ini,
    set: BTreeMap<String, String>,
    later: BTreeMap<&'static str, Value>,
    depth: Cell<usize>,
}

/// The group of options without one.
pub const DEFAULT: &str = "DEFAULT";

/// Longest chain of `$name`s.
const DEEPEST: usize = 50;

impl Config {
    /// Options as `config.py` (or Kolla 23.0.0) lists them, with the sources and users given.
    pub fn new(
        config_py: Option<&str>,
        host_arch: &str,
        version: &str,
        ini: Ini,
        set: &BTreeMap<String, String>,
    ) -> Self {
        let text = |text: &str| Py::Value(Value::from(text));
        let arch = if host_arch == "arm64" { "aarch64" } else { host_arch };
        let known =
            BTreeMap::from([("hostarch".to_owned(), text(arch)), ("debianarch".to_owned(), text(debian_arch(arch)))]);
        let mut literals = assignments(DEFAULTS, &known);
        if let Some(config_py) = config_py {
            let own = assignments(config_py, &known);
            // Distributions are those of the tree alone.
            literals.extend(own);
        }
        let mut options: BTreeMap<String, BTreeMap<String, Opt>> = BTreeMap::new();
        for (list, group) in [("_CLI_OPTS", DEFAULT), ("_BASE_OPTS", DEFAULT), ("_PROFILE_OPTS", "profiles")] {
            let found = literals.get(list).and_then(Py::items).unwrap_or_default();
            let found = found.iter().filter_map(|option| option_of(option, version));
            options.entry(group.to_owned()).or_default().extend(found);
        }
        Self { options, literals, ini, set: set.clone(), later: BTreeMap::new(), depth: Cell::new(0) }
    }

    /// An entry of a table of `common/config.py` by distribution (`DEFAULT_BASE_TAGS`, `DISTRO_PRETTY_NAME`).
    pub fn by_base(&self, table: &str, base: &str) -> Option<Value> {
        self.literals.get(table)?.data()?.get(base).cloned()
    }

    /// Makes a group of a source, with what the tree says as defaults.
    pub fn source_group(&mut self, name: &str, defaults: Option<&Map>) {
        if defaults.is_none() && self.options.contains_key(name) {
            return;
        }
        let get = |name: &str| defaults.and_then(|map| map.get(&Key::from(name))).cloned();
        let text = |name: &str| Opt { kind: Kind::Text, default: get(name).unwrap_or_default(), choices: Vec::new() };
        let kinds = ["local", "git", "url"].map(str::to_owned).to_vec();
        let group = BTreeMap::from([
            ("type".to_owned(), Opt { choices: kinds, ..text("type") }),
            ("location".to_owned(), text("location")),
            ("reference".to_owned(), text("reference")),
            (
                "enabled".to_owned(),
                Opt { kind: Kind::Bool, default: get("enabled").unwrap_or(Value::Bool(true)), choices: Vec::new() },
            ),
            ("version".to_owned(), text("version")),
            ("sha256".to_owned(), Opt { kind: Kind::Dict, ..text("sha256") }),
        ]);
        self.options.insert(name.to_owned(), group);
    }

    /// Makes a group of a user (`NAME-user`).
    pub fn user_group(&mut self, name: &str, defaults: Option<&Map>) {
        let get = |name: &str| defaults.and_then(|map| map.get(&Key::from(name))).cloned();
        let short = name.strip_suffix("-user").unwrap_or(name);
        let number = |name: &str| Opt { kind: Kind::Int, default: get(name).unwrap_or_default(), choices: Vec::new() };
        let group = get("group").unwrap_or_else(|| Value::from(short));
        let group = BTreeMap::from([
            ("uid".to_owned(), number("uid")),
            ("gid".to_owned(), number("gid")),
            ("group".to_owned(), Opt { kind: Kind::Text, default: group, choices: Vec::new() }),
        ]);
        self.options.insert(name.to_owned(), group);
    }

    /// Groups of options and sections of the file.
    pub fn sections(&self) -> BTreeSet<String> {
        self.options.keys().filter(|name| *name != DEFAULT).cloned().chain(self.ini.sections.iter().cloned()).collect()
    }

    /// It is a group of options.
    pub fn has_group(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    /// A default that hangs on other values.
    pub fn set_default(&mut self, name: &'static str, value: Value) {
        self.later.insert(name, value);
    }

    /// All options without a group.
    pub fn all(&self) -> Result<Map> {
        let names = self.options.get(DEFAULT).into_iter().flat_map(BTreeMap::keys);
        names.map(|name| Ok((Key::from(name.as_str()), self.get(DEFAULT, name)?))).collect()
    }

    /// The names of options without a group.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.group_names(DEFAULT)
    }

    /// The names of a group's options.
    pub fn group_names(&self, group: &str) -> impl Iterator<Item = &str> {
        self.options.get(group).into_iter().flat_map(|options| options.keys().map(String::as_str))
    }

    /// Names of the user that are no options.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let known = self.options.get(DEFAULT);
        self.set.keys().map(String::as_str).filter(move |name| !known.is_some_and(|known| known.contains_key(*name)))
    }

    /// What stands in files without being an option of its section: place, section, name. A section of its own counts
    /// once what reads it was made a group.
    pub fn strange(&self) -> Vec<(String, String, String)> {
        let groups: BTreeMap<String, &BTreeMap<String, Opt>> =
            self.options.iter().map(|(name, options)| (section_name(name), options)).collect();
        let strange = self.ini.written().filter(|(section, name, _)| {
            // Profiles are made by being written.
            *section != "profiles" && !groups.get(*section).is_some_and(|options| options.contains_key(*name))
        });
        strange.map(|(section, name, written)| (written.place(), section.to_owned(), name.to_owned())).collect()
    }

    /// The group is one that options were made for.
    pub fn is_read(&self, section: &str) -> bool {
        self.options.keys().any(|name| section_name(name) == section)
    }

    /// Options without a group that stand in a file, with the place of the last word.
    pub fn places(&self) -> BTreeMap<String, String> {
        let written = self.ini.written().filter(|(section, name, _)| {
            *section == DEFAULT && self.options.get(DEFAULT).is_some_and(|known| known.contains_key(*name))
        });
        let mut places: BTreeMap<String, String> =
            written.map(|(_, name, written)| (name.to_owned(), written.place())).collect();
        places.extend(self.set.keys().map(|name| (name.clone(), "set".to_owned())));
        places
    }

    /// A list in `[profiles]`; nothing if it is neither an option nor in the file.
    pub fn profile(&self, name: &str) -> Result<Vec<String>> {
        let option = self.options.get("profiles").and_then(|profiles| profiles.get(name)).cloned();
        let option = option.unwrap_or(Opt { kind: Kind::List, default: Value::Null, choices: Vec::new() });
        Ok(texts(&self.value("profiles", name, &option)?))
    }

    /// The value of an option; null for one that is not there.
    pub fn get(&self, group: &str, name: &str) -> Result<Value> {
        match self.options.get(group).and_then(|group| group.get(name)) {
            Some(option) => self.value(group, name, option),
            None => Ok(Value::Null),
        }
    }

    /// The same as text; nothing for null.
    pub fn text(&self, group: &str, name: &str) -> Result<Option<String>> {
        Ok(match self.get(group, name)? {
            Value::Null => None,
            value => Some(python_str(&value)),
        })
    }

    /// The same as texts.
    pub fn list(&self, group: &str, name: &str) -> Result<Vec<String>> {
        Ok(texts(&self.get(group, name)?))
    }

    /// The same as truth.
    pub fn truth(&self, group: &str, name: &str) -> Result<bool> {
        Ok(self.get(group, name)?.truthy())
    }

    fn value(&self, group: &str, name: &str, option: &Opt) -> Result<Value> {
        if self.depth.get() >= DEEPEST {
            return Err(invalid(&format!("`{name}` leads back to itself by `$` names")));
        }
        self.depth.set(self.depth.get() + 1);
        let found = self.written(group, name, option);
        self.depth.set(self.depth.get() - 1);
        found
    }

    fn written(&self, group: &str, name: &str, option: &Opt) -> Result<Value> {
        let own = if group == DEFAULT { self.set.get(name) } else { None };
        let place = |written: Option<&Written>| match written {
            None => format!("`{name}`"),
            Some(written) if group == DEFAULT => format!("{}: `{name}`", written.place()),
            Some(written) => format!("{}: `{name}` of `[{group}]`", written.place()),
        };
        let written = self.ini.get(group, name).unwrap_or_default();
        if option.kind == Kind::Several {
            let all = written.iter().map(|written| (&written.text, Some(written))).chain(own.map(|text| (text, None)));
            let all = all.map(|(text, written)| Ok(Value::from(self.expanded(text, group, &place(written))?)));
            return Ok(Value::List(all.collect::<Result<Vec<_>>>()?.into()));
        }
        let last =
            own.map(|text| (text, None)).or_else(|| written.last().map(|written| (&written.text, Some(written))));
        if let Some((text, written)) = last {
            let place = place(written);
            let text = self.expanded(text, group, &place)?;
            return converted(&text, option).map_err(|problem| invalid(&format!("{place}: {problem}")));
        }
        if group == DEFAULT
            && let Some(value) = self.later.get(name)
        {
            return self.expanded_value(value, group, name);
        }
        self.expanded_value(&option.default, group, name)
    }

    fn expanded_value(&self, value: &Value, group: &str, name: &str) -> Result<Value> {
        let place =
            if group == DEFAULT { format!("the default of `{name}`") } else { format!("`{name}` of `{group}`") };
        Ok(match value {
            Value::Str(text) => Value::from(self.expanded(text, group, &place)?),
            Value::List(items) => {
                let items = items.iter().map(|item| self.expanded_value(item, group, name));
                Value::List(items.collect::<Result<Vec<_>>>()?.into())
            }
            Value::Map(map) => {
                let pairs = map.iter().map(|(key, value)| Ok((key.clone(), self.expanded_value(value, group, name)?)));
                Value::Map(pairs.collect::<Result<Map>>()?.into())
            }
            other => other.clone(),
        })
    }

    /// `$name` and `${name}` by their values, `$group.name` too; `$$` and `\$` are a dollar sign, any other stays.
    fn expanded(&self, text: &str, group: &str, place: &str) -> Result<String> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        let text = text.replace("\\$", "$$");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let (name, after) = match rest.strip_prefix('{') {
                Some(braced) => {
                    let name = identifier(braced);
                    (name, braced[name.len()..].strip_prefix('}'))
                }
                None => {
                    let name = identifier(rest);
                    (name, Some(&rest[name.len()..]))
                }
            };
            match after {
                Some(after) if !name.is_empty() => {
                    let value = self.named(name, group).map_err(|error| match error {
                        Some(error) => error,
                        None => invalid(&format!("{place}: no option `{name}` for `${name}`"))
                            .with_hint("write `$$` for a dollar sign"),
                    })?;
                    if value != Value::Null {
                        out.push_str(&python_str(&value));
                    }
                    rest = after;
                }
                _ => out.push('$'),
            }
        }
        out.push_str(rest);
        if out.len() > 1 << 20 {
            return Err(invalid(&format!("{place}: the value grows beyond 1 MiB by its `$` names")));
        }
        Ok(out)
    }

    /// The option that a `$name` means: of the same group, of the named one, or without group.
    fn named(&self, name: &str, group: &str) -> std::result::Result<Value, Option<Diagnostic>> {
        let (group, option) = name.split_once('.').unwrap_or((group, name));
        for (group, option) in [(group, option), (DEFAULT, name)] {
            if let Some(found) = self.options.get(group).and_then(|options| options.get(option)) {
                return self.value(group, option, found).map_err(Some);
            }
        }
        Err(None)
    }
}

/// A group's name as files' sections are looked up by.
fn section_name(group: &str) -> String {
    if group == DEFAULT { group.to_owned() } else { group.to_lowercase() }
}

/// Debian's name of an architecture.
pub fn debian_arch(arch: &str) -> &str {
    match arch {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

fn invalid(message: &str) -> Diagnostic {
    Diagnostic::task("B0032", without_passwords(message))
}

/// `[_a-z][._a-z0-9]*` in either case.
fn identifier(text: &str) -> &str {
    let good = |at: usize, c: char| c == '_' || c.is_ascii_alphabetic() || at > 0 && (c == '.' || c.is_ascii_digit());
    let end = text.char_indices().find(|(at, c)| !good(*at, *c)).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// `cfg.StrOpt('name', default=...)`.
fn option_of(py: &Py, version: &str) -> Option<(String, Opt)> {
    let Py::Call(function, args, named) = py else { return None };
    let kind = match function.rsplit('.').next()? {
        "StrOpt" | "URIOpt" | "HostAddressOpt" => Kind::Text,
        "BoolOpt" => Kind::Bool,
        "IntOpt" | "PortOpt" => Kind::Int,
        "ListOpt" => Kind::List,
        "DictOpt" => Kind::Dict,
        "MultiOpt" | "MultiStrOpt" => Kind::Several,
        _ => return None,
    };
    let name = args.first()?.text()?.replace('-', "_");
    let get = |name: &str| named.iter().find(|(found, _)| found == name).map(|(_, value)| value);
    let default = match get("default") {
        Some(Py::Call(function, ..)) if function.ends_with("version_string") => Value::from(version),
        Some(value) => value.data().unwrap_or_default(),
        None => Value::Null,
    };
    let choices = get("choices").and_then(Py::data).map(|list| texts(&list)).unwrap_or_default();
    Some((name, Opt { kind, default, choices }))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_list().unwrap_or_default().iter().map(python_str).collect()
}

/// A text as an option of this kind.
fn converted(text: &str, option: &Opt) -> std::result::Result<Value, String> {
    Ok(match option.kind {
        Kind::Text | Kind::Several => {
            if !option.choices.is_empty() && !option.choices.iter().any(|choice| choice == text) {
                return Err(format!("expected one of {}, found `{text}`", option.choices.join(", ")));
            }
            Value::from(text)
        }
        Kind::Bool => match text.to_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Value::Bool(true),
            "false" | "0" | "off" | "no" => Value::Bool(false),
            _ => return Err(format!("expected true or false, found {}", python_repr(&Value::from(text)))),
        },
        Kind::Int => match text.trim() {
            "" => Value::Null,
            number => Value::Int(
                number.replace('_', "").parse().map_err(|_| format!("expected a whole number, found `{number}`"))?,
            ),
        },
        Kind::List => {
            let text = text.trim().trim_end_matches(',');
            let items = text.split(',').filter(|_| !text.is_empty()).map(|item| Value::from(item.trim()));
            Value::List(items.collect::<Vec<_>>().into())
        }
        Kind::Dict => Value::Map(pairs(text.trim())?.into()),
    })
}

fn pairs(text: &str) -> std::result::Result<Map, String> {
    let mut map = Map::new();
    for pair in text.split(',').filter(|_| !text.is_empty()) {
        let (key, value) =
            pair.split_once(':').ok_or_else(|| format!("expected `NAME:VALUE` pairs with commas, found `{pair}`"))?;
        if key.trim().is_empty() {
            return Err("a key is empty".to_owned());
        }
        if map.insert(Key::from(key.trim()), Value::from(value.trim())).is_some() {
            return Err(format!("the key `{}` stands twice", key.trim()));
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::super::ini;
    use super::*;

    const PY: &str = "
BASE = ['debian', 'rocky']
_PROFILE_OPTS = [cfg.ListOpt('infra', default=['cron', 'etcd'], help='x')]
hostarch = os.uname()[4]
_CLI_OPTS = [
    cfg.StrOpt('base', short='b', default='rocky', choices=BASE),
    cfg.StrOpt('base-arch', default=hostarch),
    cfg.StrOpt('base-tag'),
    cfg.StrOpt('tag', default=version.cached_version_string()),
    cfg.BoolOpt('debug', default=False),
    cfg.IntOpt('threads', default=8, min=1),
    cfg.DictOpt('build-args'),
    cfg.MultiOpt('profile', types.String(), short='p'),
]
_BASE_OPTS = [cfg.ListOpt('allowed-to-fail', default=[])]
";

    fn config(conf: &str, set: &[(&str, &str)]) -> Config {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut config = Config::new(Some(PY), "aarch64", "9.9", ini::parse("k.conf", conf).unwrap(), &set);
        config.source_group("nova", Some(&Map::from_iter([(Key::from("location"), Value::from("a/$version-${tag}"))])));
        config
    }

    fn text(config: &Config, name: &str) -> String {
        config.text(DEFAULT, name).map_or_else(|error| error.message.clone(), Option::unwrap_or_default)
    }

    #[test]
    fn defaults_file_and_user_in_this_order() {
        let plain = config("", &[]);
        assert_eq!([text(&plain, "base"), text(&plain, "tag"), text(&plain, "base_arch")], ["rocky", "9.9", "aarch64"]);
        let mut both = config("[DEFAULT]\nbase = debian\ntag = f\nbase-tag = no\n", &[("tag", "u")]);
        both.set_default("base_tag", Value::from("later"));
        assert_eq!([text(&both, "base"), text(&both, "tag"), text(&both, "base_tag")], ["debian", "u", "later"]);
        assert_eq!(both.strange(), [("k.conf:4".to_owned(), DEFAULT.to_owned(), "base-tag".to_owned())]);
        let places = both.places();
        assert_eq!((places["base"].as_str(), places["tag"].as_str(), places.len()), ("k.conf:2", "set", 2));
    }

    #[test]
    fn names_are_expanded_as_oslo_does() {
        let found = config("[DEFAULT]\ntag = x${base}-$$base\\$y ${ $5\n[nova]\nversion = 1.$base\n", &[]);
        assert_eq!(text(&found, "tag"), "xrocky-$base$y ${ $5");
        assert_eq!(found.text("nova", "location").unwrap().unwrap(), "a/1.rocky-xrocky-$base$y ${ $5");
        assert_eq!(
            text(&config("[DEFAULT]\ntag = $nova.location.x\n", &[]), "tag"),
            "k.conf:2: `tag`: no option `nova.location.x` for `$nova.location.x`"
        );
        let ring = config("[DEFAULT]\ntag = $base_tag\nbase_tag = $tag\n", &[]);
        assert!(text(&ring, "tag").contains("leads back to itself"));
    }

    #[test]
    fn values_are_of_their_type() {
        let found = config(
            "[DEFAULT]\ndebug = Yes\nthreads = 3\nbuild_args = a:b, c:d:e\nprofile = x\nprofile = y\nallowed_to_fail = a, b ,\n[profiles]\nmine = q, r\n",
            &[],
        );
        let get = |name| python_repr(&found.get(DEFAULT, name).unwrap());
        assert_eq!(get("debug"), "True");
        assert_eq!(get("threads"), "3");
        assert_eq!(get("build_args"), "{'a': 'b', 'c': 'd:e'}");
        assert_eq!(get("profile"), "['x', 'y']");
        assert_eq!(get("allowed_to_fail"), "['a', 'b']");
        assert_eq!(found.profile("mine").unwrap(), ["q", "r"]);
        assert_eq!(found.profile("infra").unwrap(), ["cron", "etcd"]);
        assert!(found.profile("none").unwrap().is_empty());
        for (line, message) in [
            ("debug = x", "k.conf:2: `debug`: expected true or false, found 'x'"),
            ("base = suse", "k.conf:2: `base`: expected one of debian, rocky, found `suse`"),
            ("threads = many", "k.conf:2: `threads`: expected a whole number, found `many`"),
            ("threads = http://me:TOK@h", "k.conf:2: `threads`: expected a whole number, found `http://me:...@h`"),
            ("build_args = x", "k.conf:2: `build_args`: expected `NAME:VALUE` pairs with commas, found `x`"),
        ] {
            let name = line.split(' ').next().unwrap();
            assert_eq!(text(&config(&format!("[DEFAULT]\n{line}\n"), &[]), name), message);
        }
    }

    #[test]
    fn a_tree_without_config_py_has_the_defaults_of_kolla_23() {
        let found = Config::new(None, "x86_64", "1", Ini::default(), &BTreeMap::new());
        assert_eq!(text(&found, "openstack_release"), "2026.2");
        assert_eq!(found.by_base("DEFAULT_BASE_TAGS", "debian").unwrap().get("tag").unwrap().as_str(), Some("trixie"));
        assert!(found.profile("infra").unwrap().contains(&"valkey".to_owned()));
    }
}
