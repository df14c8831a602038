//! The host patterns of a play, from its rendered `hosts`. Does not know which hosts they name.

use crate::diag::{Diagnostic, Result};
use crate::value::{Value, python_str};
use crate::yaml::Node;

/// What the rendered `hosts` of a play says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PlayHosts {
    /// The patterns; none if a template gave nothing, and then the play has no hosts: it is no pattern for all of them.
    pub patterns: Vec<String>,
    /// What the play is called where it has no name of its own.
    pub name: String,
}

impl PlayHosts {
    /// Reads the value that `node` was rendered to. Errors: P0103 if a pattern is empty or no text, as ansible-core
    /// requires of each item of the keyword.
    pub fn read(node: &Node, value: &Value) -> Result<Self> {
        let items = match value {
            Value::List(items) => items.as_slice(),
            value if *value == Value::Null || crate::template::is_omit(value) => &[],
            value => std::slice::from_ref(value),
        };
        let patterns: Vec<String> = items.iter().map(|item| pattern(node, item)).collect::<Result<_>>()?;
        let name = match value {
            _ if node.as_list().is_some() => patterns.join(","),
            Value::List(_) => python_str(value),
            _ => patterns.concat(),
        };
        Ok(Self { patterns, name })
    }
}

fn pattern(node: &Node, item: &Value) -> Result<String> {
    let wrong = |text: String, registered: String| {
        Diagnostic::source("P0103", text)
            .with_registered(registered)
            .with_label(node.place(), "this keyword")
            .with_hint("for a play without hosts the template must give an empty list, for all of them `all`")
    };
    match item {
        Value::Str(text) if text.trim().is_empty() => Err(wrong(
            "a host pattern must not be empty, found an empty text".to_owned(),
            "Keyword 'hosts' is required, and cannot have empty values.".to_owned(),
        )),
        Value::Str(text) => Ok(text.to_string()),
        other => Err(wrong(
            format!("a host pattern must be a text, found a value of type `{}`", other.python_type()),
            format!("Keyword 'hosts' items must be of type 'str', not '{}'.", other.python_type()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str, value: &Value) -> std::result::Result<(Vec<String>, String), String> {
        let sources = crate::diag::SourceMap::new();
        let file = sources.add("t.yml", None, written);
        let (node, _) = crate::yaml::load(&sources, &file, &crate::yaml::LoadOptions::default()).single(&file);
        match PlayHosts::read(&node, value) {
            Ok(hosts) => Ok((hosts.patterns, hosts.name)),
            Err(error) => Err(error.registered().to_owned()),
        }
    }

    #[test]
    fn nothing_is_no_hosts_and_what_is_no_pattern_is_refused() {
        let list = |items: &[&str]| Value::from(items.iter().map(|item| Value::from(*item)).collect::<Vec<_>>());
        assert_eq!(read("'{{ x }}'", &list(&[])), Ok((vec![], "[]".to_owned())));
        assert_eq!(read("'{{ x }}'", &Value::Null), Ok((vec![], String::new())));
        let both = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(read("'{{ x }}'", &list(&["a", "b"])), Ok((both.clone(), "['a', 'b']".to_owned())));
        assert_eq!(read("[a, b]", &list(&["a", "b"])), Ok((both, "a,b".to_owned())));
        assert_eq!(read("a:b", &Value::from("a:b")), Ok((vec!["a:b".to_owned()], "a:b".to_owned())));
        for empty in [Value::from(""), Value::from(" "), list(&["a", ""])] {
            let said = "Keyword 'hosts' is required, and cannot have empty values.";
            assert_eq!(read("'{{ x }}'", &empty), Err(said.to_owned()));
        }
        let said = "Keyword 'hosts' items must be of type 'str', not 'int'.";
        assert_eq!(read("'{{ x }}'", &Value::from(5)), Err(said.to_owned()));
    }
}
