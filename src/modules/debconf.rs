//! `debconf`: answers to the questions that Debian's packages ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused};
use super::spec::{Meta, Module};
use crate::diag::Result;
use crate::map;
use crate::system::process::Program;
use crate::value::{Map, StrKey, Value, from_json, insert, python_str};

/// Sets an answer in debconf's database, or tells what is there. The package itself is not configured anew.
///
/// ```yaml
/// - debconf:
///     name: locales
///     question: locales/default_environment_locale
///     vtype: select
///     value: C.UTF-8
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The package.
    name: String,
    /// The question.
    question: Option<String>,
    /// The question's type.
    vtype: Option<Kind>,
    /// The answer; a list for `multiselect`.
    value: Option<Json>,
    /// Do not mark the question as asked.
    #[serde(default)]
    unseen: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Boolean,
    Error,
    Multiselect,
    Note,
    Password,
    Seen,
    Select,
    String,
    Text,
    Title,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Error => "error",
            Self::Multiselect => "multiselect",
            Self::Note => "note",
            Self::Password => "password",
            Self::Seen => "seen",
            Self::Select => "select",
            Self::String => "string",
            Self::Text => "text",
            Self::Title => "title",
        }
    }
}

/// The module.
pub struct Debconf;

impl Module for Debconf {
    type Args = Args;
    const META: Meta = Meta {
        name: "debconf",
        full_name: "ansible.builtin.debconf",
        also: &["ansible.legacy.debconf"],
        summary: "Answer the questions of Debian's packages",
        aliases: &[("name", &["pkg"]), ("question", &["selection", "setting"]), ("value", &["answer"])],
        together: &[&["question", "vtype", "value"]],
        reads: &["debconf-show", "debconf-get-selections"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        for program in ["debconf-show", "debconf-set-selections"] {
            if cx.probe().which(program).is_none() {
                return Err(no_program(cx, program));
            }
        }
        let shown = cx.probe().run(Program::new(["debconf-show", &args.name]).parsable())?;
        if !shown.success() {
            return Err(refused("H0102", shown.err()));
        }
        let mut before = Map::new();
        for (key, value) in shown.out().lines().filter_map(|line| line.split_once(':')) {
            insert(&mut before, key.trim_matches('*').trim(), value.trim());
        }
        let (Some(question), Some(kind), Some(value)) = (&args.question, args.vtype, &args.value) else {
            return Ok(map! { "msg" => "", "current" => before });
        };
        let answer = Answer::of(kind, value)?;
        let there = before.get(&StrKey(question)).and_then(Value::as_str).map(str::to_owned);
        let same = match &there {
            None => false,
            Some(there) => match kind {
                Kind::Boolean => there.to_lowercase() == answer.text,
                Kind::Password => password(cx, &args.name, question)?.as_deref() == Some(answer.text.as_str()),
                Kind::Multiselect if answer.list.is_some() => {
                    let mut parts: Vec<&str> = there.split(',').map(str::trim).collect();
                    parts.sort_unstable();
                    answer.list.as_ref().is_some_and(|list| *list == parts)
                }
                _ => *there == answer.text,
            },
        };
        if same {
            return Ok(map! { "msg" => "", "current" => before });
        }
        let mut words = vec!["debconf-set-selections"];
        if args.unseen {
            words.push("-u");
        }
        let line = format!("{} {question} {} {}", args.name, kind.name(), answer.text);
        let told = cx.change(format!("answer {question} of {}", args.name), |host| {
            host.run(Program::new(words).parsable().stdin(line.into_bytes()))
        })?;
        if let Some(told) = told.as_ref().filter(|told| !told.success()) {
            return Err(refused("H0102", told.err()));
        }
        let checked = cx.check_mode();
        let value = match (&answer.list, checked) {
            (Some(list), true) => Value::from(list.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>()),
            _ => Value::from(answer.text.as_str()),
        };
        let current = map! { question.as_str() => value };
        let previous = match there {
            Some(there) => map! { question.as_str() => there },
            None => {
                let mut all = before;
                insert(&mut all, question, "");
                all
            }
        };
        let mut result = map! { "msg" => told.map(|told| told.out()).unwrap_or_default() };
        let mut diff = Map::new();
        if cx.diff_mode() {
            let mut after = previous.clone();
            after.extend(current.clone());
            diff = map! { "before" => previous.clone(), "after" => after };
        }
        result.extend(map! { "current" => current, "previous" => previous, "diff" => diff });
        Ok(result)
    }
}

/// An answer as debconf writes it.
struct Answer {
    text: String,
    list: Option<Vec<String>>,
}

impl Answer {
    fn of(kind: Kind, value: &Json) -> Result<Self, Failure> {
        let text = |value: &Json| python_str(&from_json(value.clone()));
        match (kind, value) {
            (Kind::Boolean, _) => Ok(Self { text: text(value).to_lowercase(), list: None }),
            (Kind::Multiselect, Json::Array(items)) => {
                if items.iter().any(|item| !item.is_string()) {
                    let message = "Invalid value provided for 'multiselect': sequence item 0: expected str instance";
                    return Err(refused("H0110", message));
                }
                let mut list: Vec<String> = items.iter().map(text).collect();
                list.sort_unstable();
                Ok(Self { text: list.join(", "), list: Some(list) })
            }
            _ => Ok(Self { text: text(value), list: None }),
        }
    }
}

/// The password that is set, which `debconf-show` does not tell.
fn password(cx: &Cx, package: &str, question: &str) -> Result<Option<String>, Failure> {
    if cx.probe().which("debconf-get-selections").is_none() {
        return Err(no_program(cx, "debconf-get-selections"));
    }
    let output = cx.probe().run(Program::new(["debconf-get-selections"]).parsable())?;
    if !output.success() {
        let message = format!("Failed to get the value '{question}' from '{package}': {}", output.err());
        return Err(refused("H0102", message));
    }
    for line in output.out().lines().filter(|line| line.starts_with(package)) {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() <= 3 {
            return Ok(Some(String::new()));
        }
        if fields[1] == question && fields[2] == "password" {
            return Ok(Some(fields[3].to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Try, get, module};
    use super::*;

    /// A database of the test's own.
    fn database() -> Option<tempfile::TempDir> {
        if crate::system::process::which("debconf-set-selections", None).is_none() {
            println!("skipped: there is no debconf here");
            return None;
        }
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path().display();
        let text = format!(
            "Config: configdb\nTemplates: templatedb\n\nName: config\nDriver: File\nFilename: {at}/config.dat\n\n\
             Name: configdb\nDriver: Stack\nStack: config\n\nName: templatedb\nDriver: File\nFilename: {at}/templates.dat\n"
        );
        std::fs::write(folder.path().join("conf"), text).expect("conf");
        Some(folder)
    }

    #[test]
    fn answers_are_set_once_and_told() {
        let Some(folder) = database() else { return };
        let conf = folder.path().join("conf").display().to_string();
        let with = |args: Map| -> Try {
            let mut all = map! { "name" => "hct" };
            all.extend(args);
            module("debconf", all).env("DEBCONF_SYSTEMRC", &conf)
        };
        let select = || map! { "question" => "hct/colour", "vtype" => "string", "value" => "dark blue" };
        assert!(with(select()).check(true).ok().changed);
        let outcome = with(select()).ok();
        assert!(outcome.changed);
        assert_eq!(get(&outcome, "current"), json!({"hct/colour": "dark blue"}));
        assert_eq!(get(&outcome, "previous"), json!({"hct/colour": ""}));
        assert_eq!(get(&outcome, "diff")["after"]["hct/colour"], "dark blue");
        assert!(!with(select()).ok().changed);
        let told = get(&with(Map::new()).ok(), "current");
        assert_eq!(told["hct/colour"], "dark blue");
        let boolean = |value: &str| map! { "question" => "hct/on", "vtype" => "boolean", "value" => value };
        assert!(with(boolean("True")).ok().changed && !with(boolean("true")).ok().changed);
        let several = |one: &str, two: &str| {
            map! {
                "question" => "hct/many", "vtype" => "multiselect",
                "value" => vec![Value::from(one), Value::from(two)],
            }
        };
        assert!(with(several("b", "a")).ok().changed && !with(several("a", "b")).ok().changed);
    }
}
