//! Playbooks that stand in no file, made of a command's arguments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

/// A playbook as runs take it.
#[derive(Debug)]
pub(super) struct Given {
    /// The path that means it: the same for the same command on the same source, so that it can be resumed.
    pub path: PathBuf,
    /// Its name in messages.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

/// A value as it stands in a play.
#[derive(Clone, Debug)]
pub(super) struct Text(String);

impl Text {
    /// A value whose texts are no templates, whatever they hold.
    pub(super) fn plain(value: &Json) -> Self {
        Self(match value {
            Json::String(text) => format!("!unsafe {}", Json::from(text.as_str())),
            Json::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| Self::plain(item).0).collect();
                format!("[{}]", items.join(", "))
            }
            Json::Object(map) => return Self::map(&Self::of_fields(map)),
            Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
        })
    }

    /// A template of our own.
    pub(super) fn template(text: &str) -> Self {
        Self(Json::from(text).to_string())
    }

    /// The fields of an object, none of them a template.
    pub(super) fn of_map(value: &Json) -> Vec<(String, Self)> {
        value.as_object().map(Self::of_fields).unwrap_or_default()
    }

    /// The same without what is null or empty: not given.
    pub(super) fn of_given(value: &Json) -> Vec<(String, Self)> {
        let mut fields = value.as_object().cloned().unwrap_or_default();
        fields.retain(|_, value| !value.is_null() && *value != Json::Array(Vec::new()));
        Self::of_fields(&fields)
    }

    fn of_fields(map: &Map<String, Json>) -> Vec<(String, Self)> {
        map.iter().map(|(name, value)| (name.clone(), Self::plain(value))).collect()
    }

    /// A mapping.
    pub(super) fn map(fields: &[(String, Self)]) -> Self {
        let one = |(name, value): &(String, Self)| format!("{}: {}", Json::from(name.as_str()), value.0);
        let fields: Vec<String> = fields.iter().map(one).collect();
        Self(format!("{{{}}}", fields.join(", ")))
    }
}

/// A play being written.
pub(super) struct Play {
    keywords: Map<String, Json>,
    tasks: Vec<String>,
    always: Vec<String>,
}

impl Play {
    /// A play with these keywords.
    pub(super) fn new(keywords: Map<String, Json>) -> Self {
        Self { keywords, tasks: Vec::new(), always: Vec::new() }
    }

    /// One more task.
    pub(super) fn task(&mut self, name: &str, module: &str, args: Vec<(String, Text)>, register: Option<&str>) {
        let mut fields = vec![("name".to_owned(), Text::template(name)), (module.to_owned(), Text::map(&args))];
        fields.extend(register.map(|name| ("register".to_owned(), Text::template(name))));
        self.tasks.push(Text::map(&fields).0);
    }

    /// A task on this machine that comes after all others, even after one that failed, where `when` is true.
    pub(super) fn at_last(&mut self, name: &str, module: &str, args: &[(String, Text)], when: &str) {
        self.always.push(
            Text::map(&[
                ("name".to_owned(), Text::template(name)),
                (module.to_owned(), Text::map(args)),
                ("delegate_to".to_owned(), Text::template("localhost")),
                ("become".to_owned(), Text("false".to_owned())),
                ("when".to_owned(), Text::template(when)),
            ])
            .0,
        );
    }

    /// The play of a command whose source is a path: what lies beside that counts as beside a playbook.
    pub(super) fn given(self, command: &str, source: &Path) -> Given {
        let mut fields: Vec<(String, Text)> = vec![("name".to_owned(), Text::plain(&command.into()))];
        fields.extend(self.keywords.iter().map(|(name, value)| (name.clone(), Text::template_of(value))));
        let list = |tasks: &[String]| Text(format!("[\n  {}\n]", tasks.join(",\n  ")));
        let tasks = list(&self.tasks);
        fields.push(if self.always.is_empty() {
            ("tasks".to_owned(), tasks)
        } else {
            let block = Text::map(&[("block".to_owned(), tasks), ("always".to_owned(), list(&self.always))]);
            ("tasks".to_owned(), Text(format!("[{}]", block.0)))
        });
        let shown = format!("<{command}>");
        Given { path: source.join(&shown), name: shown, text: format!("[{}]\n", Text::map(&fields).0).into() }
    }
}

impl Text {
    /// JSON as it stands: keywords of plays are not marked, and hold what was checked before.
    fn template_of(value: &Json) -> Self {
        Self(value.to_string())
    }
}
