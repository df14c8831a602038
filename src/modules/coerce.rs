//! The argument rules: names, kinds, choices and groups, as Ansible applies them to a task's arguments.
//!
//! Works on plain values; places in the source are the caller's business, who gets paths.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::spec::{ArgError, ArgSpec, ArgType, Meta, PathPart, Spec};
use super::types::Mode;
use crate::diag::nearest;
use crate::value::{Key, Map, Value, boolean, boolean_word, python_str, to_json};

impl Spec {
    /// Checks names, kinds, choices and groups, turns every value into its kind, fills in nothing.
    /// All errors at once. `templated(path)` says that the value there is not known yet: it counts
    /// as given and is not looked at. Arguments that are null count as not given.
    pub fn coerce(&self, args: &Map, templated: &dyn Fn(&[PathPart]) -> bool) -> Result<Json, Vec<ArgError>> {
        let mut work = Work { spec: self, errors: Vec::new(), given: HashMap::new(), templated };
        let mut out = serde_json::Map::new();
        for (key, value) in args {
            work.take(key, value, &mut out);
        }
        work.check_required();
        work.check_groups(&out);
        if work.errors.is_empty() { Ok(Json::Object(out)) } else { Err(work.errors) }
    }
}

struct Work<'a> {
    spec: &'a Spec,
    errors: Vec<ArgError>,
    /// Argument to (the name it was given under, its value is a template).
    given: HashMap<String, (String, bool)>,
    templated: &'a dyn Fn(&[PathPart]) -> bool,
}

fn listed(names: &[&str], joiner: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {joiner} {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl Work<'_> {
    fn meta(&self) -> &Meta {
        &self.spec.meta
    }

    fn error(&mut self, code: &'static str, path: Vec<PathPart>, message: String, label: &str, hint: Option<String>) {
        let (label, ansible) = (label.to_owned(), String::new());
        self.errors.push(ArgError { code, path, on_key: false, message, label, hint, ansible, details: None });
    }

    /// Ansible's words for the last error.
    fn said(&mut self, ansible: String) {
        if let Some(last) = self.errors.last_mut() {
            last.ansible = ansible;
        }
    }

    fn take(&mut self, key: &Key, value: &Value, out: &mut serde_json::Map<String, Json>) {
        let name = key.text();
        let path = vec![PathPart::Key(name.to_string())];
        let module = self.meta().name;
        let spec = self.spec;
        let Some(arg) = spec.arg(&name) else {
            if self.meta().any_argument {
                out.insert(name.to_string(), to_json(value));
            } else if let Some((_, reason)) = self.meta().refused.iter().find(|(refused, _)| *refused == &*name) {
                // A harmless null or false is what Ansible's default would be.
                if matches!(value, Value::Null) {
                    return;
                }
                if *reason == super::attributes::SELINUX {
                    out.insert(name.to_string(), Json::String(python_str(value)));
                    return;
                }
                let message = format!("hostctl's `{module}` does not take `{name}`: {reason}");
                self.error("M0010", path, message, "not supported", None);
                self.said(name.to_string());
                if let Some(last) = self.errors.last_mut() {
                    last.on_key = true;
                }
            } else {
                self.unknown(&name, value, path);
            }
            return;
        };
        let unknown_yet = (self.templated)(&path);
        if let Some((other, _)) = self.given.get(&arg.name) {
            let message = format!("`{other}` and `{name}` are the same argument of `{module}`");
            self.error("M0011", path, message, "given twice", Some(format!("keep `{}`", arg.name)));
            if let Some(last) = self.errors.last_mut() {
                last.on_key = true;
            }
            return;
        }
        if matches!(value, Value::Null) && !unknown_yet {
            if arg.required {
                self.given.insert(arg.name.clone(), (name.to_string(), true));
                let message = format!("`{name}` of `{module}` must have a value, found null");
                self.error("M0004", path, message, "null", None);
                self.said(format!("missing required arguments: {}", arg.name));
            } else if arg.ty == ArgType::Raw && arg.default.is_some() {
                // Null is a value of its own here: `timeout: null` of `expect` is no end at all.
                self.given.insert(arg.name.clone(), (name.to_string(), false));
                out.insert(arg.name.clone(), Json::Null);
            }
            return;
        }
        self.given.insert(arg.name.clone(), (name.to_string(), unknown_yet));
        if unknown_yet {
            out.insert(arg.name.clone(), to_json(value));
            return;
        }
        if let Some(json) = self.value(arg, &arg.ty, value, &path) {
            out.insert(arg.name.clone(), json);
        }
    }

    fn unknown(&mut self, name: &str, value: &Value, path: Vec<PathPart>) {
        let module = self.meta().name;
        let known = self
            .spec
            .args
            .values()
            .flat_map(|arg| std::iter::once(arg.name.as_str()).chain(arg.aliases.iter().copied()));
        // Words that people write for others, and that no count of letters leads to.
        let meant = match name {
            "source" => Some("src"),
            "destination" | "target" => Some("dest"),
            "file" | "filename" | "directory" => Some("path"),
            "package" | "pkg" | "packages" => Some("name"),
            "permissions" | "perms" | "chmod" => Some("mode"),
            "command" => Some("cmd"),
            "message" | "text" => Some("msg"),
            _ => None,
        };
        let meant = meant.filter(|meant| self.spec.args.contains_key(*meant));
        let hint = meant.or_else(|| nearest(name, known)).map(|name| format!("`{name}`"));
        // `{mode: u=rw,g=r}`: the comma ends the value, and what follows is a key of its own.
        let torn = matches!(value, Value::Null) && !name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let hint = if torn {
            Some("a comma ends a value inside `{ }`: put the whole value in quotes".to_owned())
        } else {
            hint
        };
        let hint = hint.or_else(|| Some(format!("hostctl doc {module}")));
        self.errors.push(ArgError {
            code: "M0002",
            path,
            on_key: true,
            message: format!("`{module}` has no argument `{name}`"),
            label: "unknown".to_owned(),
            hint,
            ansible: name.to_owned(),
            details: None,
        });
    }

    /// An unknown argument was most likely meant as this one: said once is enough.
    fn misspelt(&self, name: &str) -> bool {
        let hint = Some(format!("`{name}`"));
        self.errors.iter().any(|error| error.code == "M0002" && error.hint == hint)
    }

    fn wrong(&mut self, path: &[PathPart], expected: &str, value: &Value) {
        let name = path
            .iter()
            .map(|part| match part {
                PathPart::Key(key) => key.clone(),
                PathPart::Index(index) => format!("[{index}]"),
            })
            .collect::<String>();
        let found = match value {
            Value::Str(text) if text.chars().count() <= 40 && !self.is_secret(path) => format!("`{text}`"),
            other => other.type_name().to_owned(),
        };
        let message = format!("`{name}` must be {expected}, found {found}");
        let hint = match expected {
            "a boolean" => "true or false",
            "an integer" => "a whole number without quotes or unit, such as 8080",
            "a number" => "a number such as 0.5",
            "a whole number" => "a whole number such as 30",
            "a list" => "a list: `[a, b]`, or `- a` lines",
            "a mapping" => "a mapping: `{name: value}`, or `name: value` lines",
            _ => "`hostctl doc` with the module's name shows what each argument takes",
        };
        self.error("M0004", path.to_vec(), message, &format!("expected {expected}"), Some(hint.to_owned()));
        self.said(super::ansible_words::wrong_type(&name, expected, value));
    }

    fn is_secret(&self, path: &[PathPart]) -> bool {
        matches!(path.first(), Some(PathPart::Key(key)) if self.spec.arg(key).is_some_and(|arg| arg.secret))
    }

    fn value(&mut self, arg: &ArgSpec, ty: &ArgType, value: &Value, path: &[PathPart]) -> Option<Json> {
        match ty {
            ArgType::Raw => {
                let json = match value {
                    Value::Bytes(_) | Value::Date(_) | Value::DateTime(..) => Json::String(python_str(value)),
                    other => to_json(other),
                };
                if arg.format.as_deref() == Some("mode")
                    && let Err(reason) = Mode::from_json(&json)
                {
                    let hint = reason.split_once("; ").map(|(_, hint)| hint.to_owned());
                    let name = &arg.name;
                    let message = format!("`{name}`: {}", reason.split_once("; ").map_or(&*reason, |(text, _)| text));
                    self.error("M0004", path.to_vec(), message, "expected a file mode", hint);
                    self.said("mode must be in octal or symbolic form".to_owned());
                    if let Some(last) = self.errors.last_mut() {
                        last.details = Some(format!("bad symbolic permission for mode: {}", python_str(value)));
                    }
                    return None;
                }
                Some(json)
            }
            ArgType::Str | ArgType::Path => self.text(arg, value, path),
            ArgType::Bool => {
                if let Some(flag) = boolean(value) {
                    Some(Json::Bool(flag))
                } else {
                    self.wrong(path, "a boolean", value);
                    None
                }
            }
            ArgType::Int => {
                if let Some(int) = integer(value) {
                    let (least, most) = range(arg.format.as_deref());
                    if !(least..=most).contains(&int) {
                        let name = &arg.name;
                        let message = format!("`{name}` must be a whole number from {least} to {most}, found {int}");
                        let hint = format!("a whole number from {least} on, such as {}", least.max(1));
                        self.error("M0004", path.to_vec(), message, "out of range", Some(hint));
                        self.said(super::ansible_words::wrong_type(name, "an integer", value));
                        return None;
                    }
                    Some(Json::from(int))
                } else {
                    self.wrong(path, "an integer", value);
                    None
                }
            }
            // Python's `int()`: numbers lose their fraction, a text must be whole.
            ArgType::Float if arg.format.as_deref() == Some("whole") => {
                let number = match value {
                    Value::Bool(flag) => Some(if *flag { 1.0 } else { 0.0 }),
                    Value::Str(_) if integer(value).is_none() => None,
                    other => float(other).map(f64::trunc),
                };
                if let Some(number) = number {
                    return serde_json::Number::from_f64(number).map(Json::Number);
                }
                self.wrong(path, "a whole number", value);
                None
            }
            ArgType::Float => {
                if let Some(float) = float(value) {
                    serde_json::Number::from_f64(float).map(Json::Number)
                } else {
                    self.wrong(path, "a number", value);
                    None
                }
            }
            ArgType::Dict => {
                if let Some(json) = mapping(value) {
                    Some(json)
                } else {
                    self.wrong(path, "a mapping", value);
                    None
                }
            }
            ArgType::List(item) => self.list(arg, item, value, path),
        }
    }

    fn text(&mut self, arg: &ArgSpec, value: &Value, path: &[PathPart]) -> Option<Json> {
        if matches!(value, Value::Null) {
            self.wrong(path, "text", value);
            return None;
        }
        let mut text = python_str(value);
        if !arg.choices.is_empty() && !arg.choices.contains(&text) {
            // YAML turns `no` into a boolean: take the one choice that means it.
            let flag = match text.as_str() {
                "False" => Some(false),
                "True" => Some(true),
                _ => None,
            };
            let mut meant = arg.choices.iter().filter(|choice| flag.is_some() && boolean_word(choice) == flag);
            if let (Some(one), None) = (meant.next(), meant.next()) {
                text.clone_from(one);
            } else {
                let choices: Vec<&str> = arg.choices.iter().map(String::as_str).collect();
                let message = format!("`{}` must be one of {}, found `{text}`", arg.name, listed(&choices, "or"));
                let hint = nearest(&text, choices.iter().copied()).map(|near| format!("`{near}`"));
                self.error("M0005", path.to_vec(), message, "not one of the choices", hint);
                let many = if matches!(arg.ty, ArgType::List(_)) { "one or more of" } else { "one of" };
                self.said(format!("value of {} must be {many}: {}, got: {text}", arg.name, choices.join(", ")));
                return None;
            }
        }
        Some(Json::String(text))
    }

    fn list(&mut self, arg: &ArgSpec, item: &ArgType, value: &Value, path: &[PathPart]) -> Option<Json> {
        let items: Vec<Value> = match value {
            Value::List(items) => items.to_vec(),
            Value::Str(text) => text.split(',').map(Value::from).collect(),
            Value::Int(_) | Value::BigInt(_) | Value::Float(_) | Value::Bool(_) => {
                vec![Value::from(python_str(value))]
            }
            Value::Map(_) if *item == ArgType::Dict || *item == ArgType::Raw => vec![value.clone()],
            _ => {
                self.wrong(path, "a list", value);
                return None;
            }
        };
        let mut out = Vec::with_capacity(items.len());
        let mut good = true;
        for (index, one) in items.iter().enumerate() {
            let mut place = path.to_vec();
            if matches!(value, Value::List(_)) {
                place.push(PathPart::Index(index));
                if (self.templated)(&place) {
                    out.push(to_json(one));
                    continue;
                }
            }
            match self.value(arg, item, one, &place) {
                Some(json) => out.push(json),
                None => good = false,
            }
        }
        good.then_some(Json::Array(out))
    }

    fn check_required(&mut self) {
        let module = self.meta().name;
        let missing: Vec<String> = self
            .spec
            .args
            .values()
            .filter(|arg| arg.required && !self.given.contains_key(&arg.name))
            .filter(|arg| !self.misspelt(&arg.name) && !arg.aliases.iter().any(|alias| self.misspelt(alias)))
            .map(|arg| arg.name.clone())
            .collect();
        for name in missing {
            let hint = self.spec.args.get(&name).map(example);
            self.error("M0003", Vec::new(), format!("`{module}` needs the argument `{name}`"), "this task", hint);
            self.said(name);
        }
    }

    fn check_groups(&mut self, out: &serde_json::Map<String, Json>) {
        let meta = *self.meta();
        let module = meta.name;
        let given = |work: &Self, name: &str| work.given.get(name).cloned();
        for group in meta.exclusive {
            // A template may still turn out as `omit`: only what is surely given counts.
            let sure: Vec<&str> =
                group.iter().copied().filter(|name| matches!(given(self, name), Some((_, false)))).collect();
            if let [_, second, ..] = sure.as_slice() {
                let key = given(self, second).map_or_else(|| (*second).to_owned(), |(name, _)| name);
                let message = format!("{} of `{module}` exclude each other", listed(&sure, "and"));
                self.error(
                    "M0006",
                    vec![PathPart::Key(key)],
                    message,
                    "one of these has to go",
                    Some(format!("leave out `{second}`, or the other")),
                );
                self.said(format!("parameters are mutually exclusive: {}", group.join("|")));
                if let Some(last) = self.errors.last_mut() {
                    last.on_key = true;
                }
            }
        }
        for group in meta.one_of {
            if group.iter().all(|name| given(self, name).is_none() && !self.misspelt(name)) {
                let message = format!("`{module}` needs one of {}", listed(group, "and"));
                self.error("M0007", Vec::new(), message, "this task", None);
                self.said(format!("one of the following is required: {}", group.join(", ")));
            }
        }
        for group in meta.together {
            let absent: Vec<&str> = group.iter().copied().filter(|name| given(self, name).is_none()).collect();
            let sure = group.iter().any(|name| matches!(given(self, name), Some((_, false))));
            if sure && !absent.is_empty() {
                let message = format!("{} of `{module}` are needed together", listed(group, "and"));
                let hint = format!("add {}", listed(&absent, "and"));
                self.error("M0008", Vec::new(), message, "this task", Some(hint));
                self.said(format!("parameters are required together: {}", group.join(", ")));
            }
        }
        for (name, value, needed) in meta.required_if {
            let default = || self.spec.args.get(*name).and_then(|arg| arg.default.clone());
            let actual = match given(self, name) {
                Some((_, true)) => continue,
                _ => out.get(*name).cloned().or_else(default),
            };
            let holds = match actual {
                Some(Json::String(text)) => text == *value,
                Some(Json::Bool(flag)) => (if flag { "true" } else { "false" }) == *value,
                Some(Json::Number(number)) => value.parse().is_ok_and(|wanted: serde_json::Number| wanted == number),
                Some(_) | None => false,
            };
            let absent: Vec<&str> = needed.iter().copied().filter(|name| given(self, name).is_none()).collect();
            if holds && !absent.is_empty() {
                let message = format!("`{module}` with `{name}: {value}` needs {}", listed(&absent, "and"));
                self.error("M0009", Vec::new(), message, "this task", None);
                let absent = absent.join(", ");
                let value = match *value {
                    "true" => "True",
                    "false" => "False",
                    other => other,
                };
                self.said(format!("{name} is {value} but all of the following are missing: {absent}"));
            }
        }
        for (name, needed) in meta.required_by {
            let absent: Vec<&str> = needed.iter().copied().filter(|name| given(self, name).is_none()).collect();
            if matches!(given(self, name), Some((_, false))) && !absent.is_empty() {
                let message = format!("`{name}` of `{module}` needs {}", listed(&absent, "and"));
                self.error("M0009", Vec::new(), message, "this task", None);
                self.said(format!("missing parameter(s) required by '{name}': {}", absent.join(", ")));
            }
        }
    }
}

fn example(arg: &ArgSpec) -> String {
    let value = match (&arg.ty, arg.choices.first()) {
        (_, Some(choice)) => choice.clone(),
        (ArgType::Path, _) => "/path/on/the/host".to_owned(),
        (ArgType::Bool, _) => "true".to_owned(),
        (ArgType::Int | ArgType::Float, _) => "1".to_owned(),
        (ArgType::List(_), _) => "[...]".to_owned(),
        _ => "...".to_owned(),
    };
    format!("{}: {value}", arg.name)
}

/// The least and the greatest value of an integer's kind, as schemas call it; lists of integers have their items'.
fn range(format: Option<&str>) -> (i64, i64) {
    match format {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64" | "uint") => (0, i64::MAX),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    let whole = |float: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "whole and inside the range of exact integers")]
        (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
    };
    match value {
        Value::Int(int) => i64::try_from(*int).ok(),
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Float(float) => whole(*float),
        Value::Str(text) => {
            let text = text.trim();
            let plain = text.replace('_', "");
            plain.parse().ok().or_else(|| plain.parse().ok().and_then(whole))
        }
        _ => None,
    }
}

pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "Python's float(int) rounds as well")]
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        Value::Bool(flag) => Some(if *flag { 1.0 } else { 0.0 }),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn mapping(value: &Value) -> Option<Json> {
    match value {
        Value::Map(_) => Some(to_json(value)),
        Value::Str(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str::<Json>(text).ok().filter(Json::is_object)
        }
        Value::Str(text) if text.contains('=') => {
            let mut out = serde_json::Map::new();
            for field in split_fields(text) {
                let (key, value) = field.split_once('=')?;
                out.insert(key.to_owned(), Json::String(value.to_owned()));
            }
            Some(Json::Object(out))
        }
        _ => None,
    }
}

/// Fields of `a=1, b="x y"`: separated by commas or white space, quotes and backslashes as in Ansible.
fn split_fields(text: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quote = None;
    let mut escaped = false;
    for c in text.trim().chars() {
        if escaped {
            field.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if quote.is_none() && (c == '\'' || c == '"') {
            quote = Some(c);
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && (c == ',' || c == ' ') {
            if !field.is_empty() {
                fields.push(std::mem::take(&mut field));
            }
        } else {
            field.push(c);
        }
    }
    if !field.is_empty() {
        fields.push(field);
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::super::call::Failure;
    use super::super::cx::Cx;
    use super::super::spec::{Module, ModuleEntry, entry};
    use super::super::types::HostPath;
    use super::*;
    use crate::map;

    /// A module for the tests.
    #[derive(Deserialize, JsonSchema, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema and its deserialisation matter")]
    struct Args {
        /// Where to.
        dest: HostPath,
        mode: Option<Mode>,
        #[serde(default)]
        force: bool,
        #[serde(default = "five")]
        retries: i64,
        names: Option<Vec<String>>,
        #[serde(default)]
        state: State,
        labels: Option<BTreeMap<String, String>>,
        anything: Option<Json>,
        left: Option<String>,
        right: Option<String>,
        user: Option<String>,
        password: Option<String>,
    }

    fn five() -> i64 {
        5
    }

    #[derive(Deserialize, serde::Serialize, JsonSchema, Debug, Default)]
    #[serde(rename_all = "snake_case")]
    enum State {
        #[default]
        Present,
        Absent,
        No,
    }

    struct Sample;
    impl Module for Sample {
        type Args = Args;
        const META: Meta = Meta {
            name: "sample",
            aliases: &[("dest", &["path", "destination"])],
            exclusive: &[&["left", "right"]],
            together: &[&["user", "password"]],
            required_if: &[("state", "absent", &["names"])],
            refused: &[("seuser", "it is for other systems")],
            secret: &["password"],
            ..Meta::NONE
        };
        fn run(_: &Cx, _: Args) -> Result<Map, Failure> {
            Ok(Map::new())
        }
    }

    static SAMPLE: ModuleEntry = entry::<Sample>();

    fn errors(args: Map) -> Vec<(&'static str, String, Option<String>)> {
        SAMPLE
            .spec()
            .coerce(&args, &|_| false)
            .expect_err("errors")
            .into_iter()
            .map(|error| (error.code, error.message, error.hint))
            .collect()
    }

    #[test]
    fn a_whole_number_outside_of_its_kind_is_told_with_the_range() {
        let spec = super::super::table::find("image_build").expect("a module").spec();
        for (value, words) in [(-1_i64, "from 0 to 4294967295, found -1"), (1 << 40, "found 1099511627776")] {
            let args = map! { "path" => "x", "namespace" => "n", "tag" => "t", "parallel" => value };
            let found = spec.coerce(&args, &|_| false).expect_err("refused");
            assert_eq!((found.len(), found[0].code), (1, "M0004"));
            assert!(
                found[0].message.starts_with("`parallel` must be") && found[0].message.contains(words),
                "{found:?}"
            );
            assert!(found[0].hint.as_deref().is_some_and(|hint| hint.contains("such as 1")), "{found:?}");
        }
    }

    fn good(args: Map) -> Json {
        let json = SAMPLE.spec().coerce(&args, &|_| false).expect("good arguments");
        serde_json::from_value::<Args>(json.clone()).expect("deserialises");
        json
    }

    #[test]
    fn the_table_comes_from_the_type() {
        let spec = SAMPLE.spec();
        let ty = |name: &str| spec.args[name].ty.clone();
        assert_eq!(spec.doc, "A module for the tests.");
        assert_eq!(ty("dest"), ArgType::Path);
        assert_eq!((spec.args["dest"].required, spec.args["dest"].doc.as_str()), (true, "Where to."));
        assert_eq!(spec.args["dest"].aliases, ["path", "destination"]);
        assert_eq!(ty("mode"), ArgType::Raw);
        assert_eq!(spec.args["mode"].format.as_deref(), Some("mode"));
        assert_eq!(ty("force"), ArgType::Bool);
        assert_eq!((ty("retries"), spec.args["retries"].default.clone()), (ArgType::Int, Some(json!(5))));
        assert_eq!(ty("names"), ArgType::List(Box::new(ArgType::Str)));
        assert_eq!(spec.args["state"].choices, ["present", "absent", "no"]);
        assert_eq!(spec.args["state"].default, Some(json!("present")));
        assert_eq!(ty("labels"), ArgType::Dict);
        assert_eq!(ty("anything"), ArgType::Raw);
        assert!(!spec.args["left"].required);
        assert_eq!(spec.args.keys().next().map(String::as_str), Some("dest"), "in the order of the type");
    }

    #[test]
    fn values_become_their_kind() {
        let json = good(map! {
            "path" => "/x", "force" => "Yes", "retries" => " 7 ", "names" => "a,b", "labels" => "k=v, l='m n'",
            "mode" => 420, "left" => 5, "anything" => 1.5,
        });
        assert_eq!(
            json,
            json!({"dest": "/x", "force": true, "retries": 7, "names": ["a", "b"],
                   "labels": {"k": "v", "l": "m n"}, "mode": 420, "left": "5", "anything": 1.5})
        );
        assert_eq!(good(map! { "dest" => "/x", "state" => false })["state"], json!("no"));
        assert_eq!(good(map! { "dest" => "/x", "names" => 7 })["names"], json!(["7"]));
        assert_eq!(good(map! { "dest" => "/x", "left" => true })["left"], json!("True"));
        assert_eq!(good(map! { "dest" => "/x", "labels" => "{\"a\": \"1\"}" })["labels"], json!({"a": "1"}));
        assert_eq!(
            good(map! { "dest" => "/x", "left" => Value::Null, "seuser" => Value::Null }),
            json!({"dest": "/x"})
        );
    }

    #[test]
    fn a_misspelt_argument_is_named_with_the_nearest() {
        let found = SAMPLE.spec().coerce(&map! { "dest" => "/x", "destt" => 1 }, &|_| false).expect_err("unknown");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].code, found[0].on_key), ("M0002", true));
        assert_eq!(found[0].message, "`sample` has no argument `destt`");
        assert_eq!(found[0].hint.as_deref(), Some("`dest`"));
    }

    #[test]
    fn all_errors_come_at_once() {
        let found = errors(map! {
            "force" => "perhaps", "retries" => "many", "state" => "absnt", "left" => 1, "right" => 2,
            "user" => "u", "seuser" => "x", "mode" => 4755,
        });
        let codes: Vec<&str> = found.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes, ["M0004", "M0004", "M0005", "M0010", "M0004", "M0003", "M0006", "M0008"]);
        assert_eq!(found[0].1, "`force` must be a boolean, found `perhaps`");
        assert_eq!(found[2].1, "`state` must be one of `present`, `absent` or `no`, found `absnt`");
        assert_eq!(found[2].2.as_deref(), Some("`absent`"));
        assert_eq!(found[3].1, "hostctl's `sample` does not take `seuser`: it is for other systems");
        assert_eq!(found[4].2.as_deref(), Some("write it as octal text, '0644'"));
        assert_eq!(found[5].1, "`sample` needs the argument `dest`");
        assert_eq!(found[6].1, "`left` and `right` of `sample` exclude each other");
        assert_eq!(found[7].2.as_deref(), Some("add `password`"));
    }

    #[test]
    fn conditions_between_arguments() {
        assert_eq!(errors(map! { "dest" => "/x", "state" => "absent" })[0].0, "M0009");
        assert_eq!(errors(map! { "dest" => "/x", "path" => "/y" })[0].0, "M0011");
        assert_eq!(errors(map! { "dest" => Value::Null })[0].0, "M0004");
    }

    #[test]
    fn templates_are_not_looked_at() {
        let args = map! {
            "dest" => "{{ x }}", "force" => "{{ y }}", "left" => "a", "right" => "{{ omit }}",
            "names" => Value::from(vec![Value::from("{{ n }}"), Value::from("b")]), "state" => "{{ s }}",
        };
        let text = |path: &[PathPart]| {
            let mut value = Value::from(args.clone());
            for part in path {
                value = match part {
                    PathPart::Key(key) => value.get(key).cloned().unwrap_or_default(),
                    PathPart::Index(index) => {
                        value.as_list().and_then(|list| list.get(*index).cloned()).unwrap_or_default()
                    }
                };
            }
            value.as_str().is_some_and(|text| text.contains("{{"))
        };
        SAMPLE.spec().coerce(&args, &text).expect("nothing is wrong yet");
    }
}
