//! Runs `tests/data/templates.json`: what ansible-core 2.19 gave, made by `tests/oracle/make_templates.py`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Result, SourceMap, Span};
use crate::value::{Value, python_repr};
use crate::vars::{Layer, Level, Scope};
use crate::yaml::{LoadOptions, Node, load};

use super::{LookupHost, Setting, SettingKind, Templates, is_omit};

/// A controller without files.
pub(super) struct Plain;

/// The files that the table's rows name.
pub(super) const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/templates");

impl LookupHost for Plain {
    fn find(&self, _: &str, name: &str, _: &Scope) -> Option<PathBuf> {
        let path = Path::new(FILES).join(name);
        path.exists().then_some(path)
    }
    fn folders(&self, _: &str, _: &Scope) -> Vec<PathBuf> {
        vec![PathBuf::from(FILES)]
    }
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        std::fs::read(path).map_err(|error| Diagnostic::local("T0103", error.to_string()))
    }
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
    fn pipe(&self, command: &str) -> Result<String> {
        let out = std::process::Command::new("sh")
            .args(["-c", command])
            .output()
            .map_err(|error| Diagnostic::local("T0103", error.to_string()))?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
    fn unseal(&self, text: &str) -> Result<String> {
        Ok(text.to_owned())
    }
    fn setting(&self, _: Option<(&str, &str)>, name: &str) -> Result<Option<Setting>> {
        let value = match name {
            "DEFAULT_BECOME_USER" => Value::from("root"),
            "DEFAULT_FORKS" => Value::Int(5),
            "DEFAULT_TIMEOUT" => Value::Int(10),
            "DEFAULT_BECOME" => Value::Bool(false),
            "COLOR_OK" => Value::from("green"),
            _ => return Ok(None),
        };
        Ok(Some(Setting { value, origin: "default".to_owned(), vars: &[], kind: SettingKind::Text }))
    }
}

/// An engine, a scope of a YAML text, and a maker of nodes whose text is a file of its own.
pub(super) fn setup(vars: &str) -> (Templates, Scope, Span) {
    let sources = SourceMap::new();
    let file = sources.add("vars.yml", None, vars);
    let loaded = load(&sources, &file, &LoadOptions::default());
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    let node = loaded.documents[0].clone();
    let scope = Scope::from_layers(vec![Layer::source(Level::PlayVars, "vars", &node)]);
    let templates = Templates::new(Arc::clone(&sources), Arc::new(Plain));
    (templates, scope, node.span)
}

pub(super) fn node(templates: &Templates, text: &str) -> Node {
    let file = templates.sources().add("t", None, text);
    Node::text(text, Span::new(file.id, 0, u32::try_from(text.len()).unwrap()))
}

#[test]
fn every_filter_test_and_lookup_of_ansible_is_known() {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/data/plugins.json")).expect("the list is JSON");
    let mut missing = Vec::new();
    let mut count = 0;
    for kind in ["filter", "test", "lookup"] {
        for name in all[kind].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let short = super::eval::short(name);
            count += 1;
            let known = match kind {
                "filter" => super::filters::find(short).is_some(),
                "test" => super::tests::find(short).is_some(),
                _ => super::lookups::known(short),
            };
            if !known {
                missing.push(format!("{kind} {name}"));
            }
        }
    }
    assert!(count >= 240);
    assert!(missing.is_empty(), "missing: {missing:?}");
    // None is known by its name alone.
    let (templates, scope, _) = setup("{}");
    for name in all["lookup"].as_array().unwrap().iter().filter_map(|name| name.as_str()) {
        let text = format!("{{{{ lookup('{name}', '/dev/null') }}}}");
        let found = templates.render(&node(&templates, &text), &scope);
        assert!(!found.is_err_and(|diag| diag.message.contains("is not supported")), "{name}");
    }
}

#[test]
fn addresses_are_what_ansible_utils_gives() {
    let rows: Vec<(String, serde_json::Value, serde_json::Value, String)> =
        serde_json::from_str(include_str!("../../tests/data/addresses.json")).expect("the table is JSON");
    let (templates, _, _) = setup("{}");
    let mut wrong = Vec::new();
    for (filter, value, args, expected) in &rows {
        let data = |json: &serde_json::Value| crate::value::from_json(json.clone());
        let names = [(Arc::from("value"), data(value)), (Arc::from("args"), data(args))];
        let scope = Scope::from_layers(vec![Layer::data(Level::PlayVars, "vars", names)]);
        let text = format!("{{{{ value | {filter}(*args) }}}}");
        let found = match templates.render(&node(&templates, &text), &scope) {
            Ok(value) => python_repr(&value),
            Err(_) => "error".to_owned(),
        };
        if found != *expected {
            wrong.push(format!("{value} | {filter}{args}\n   ansible: {expected}\n   hostctl: {found}"));
        }
    }
    assert!(rows.len() >= 1500);
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// True if a registered message has all parts of Ansible's.
fn says(registered: &str, words: &str) -> bool {
    let registered = registered.split_whitespace().collect::<Vec<_>>().join(" ");
    words.split(" | ").all(|part| registered.contains(part.trim_end_matches('.')))
}

/// What a table of Ansible's answers shows.
struct Compared {
    /// Rows.
    rows: usize,
    /// Rows whose answers differ.
    wrong: Vec<String>,
    /// Rows with errors, and those of them with Ansible's words.
    errors: usize,
    said: usize,
}

/// Compares the rows of a table, which may have variables of their own.
fn compare(path: &str) -> Compared {
    let table = std::fs::read_to_string(path).unwrap();
    let table: serde_json::Value = serde_json::from_str(&table).expect("the table is JSON");
    let (mut templates, mut scope, _) = setup(table["vars"].as_str().unwrap());
    // As ansible-core's own table of redirects has it.
    let redirect = |templates: &Templates| {
        templates.set_resolver(Box::new(|kind, name| {
            let name = format!("community.general.{name}");
            super::check::knows(kind, &name).then(|| super::PluginEnd { name, ..super::PluginEnd::default() })
        }));
    };
    redirect(&templates);
    let mut wrong = Vec::new();
    let (mut errors, mut said) = (0, 0);
    let rows = table["rows"].as_array().unwrap();
    for row in rows {
        let text = row["text"].as_str().unwrap();
        if let Some(vars) = row["vars"].as_str() {
            (templates, scope, _) = setup(vars);
            redirect(&templates);
        }
        let node = node(&templates, text);
        let found = match row["kind"].as_str() {
            Some("template") => templates
                .render(&node, &scope)
                .map(|value| if is_omit(&value) { Err("omitted") } else { Ok(python_repr(&value)) }),
            _ => templates
                .condition(&node, &scope)
                .map(|holds| Ok(if holds.is_ok() { "True".to_owned() } else { "False".to_owned() })),
        };
        let found = match found {
            Ok(Ok(repr)) => repr,
            Ok(Err(kind)) => format!("error: {kind}"),
            Err(diag) => {
                if let Some(words) = row["words"].as_str() {
                    errors += 1;
                    said += usize::from(says(diag.registered(), words));
                }
                if diag.code == "T0101" { "error: undefined".to_owned() } else { format!("error: other ({diag})") }
            }
        };
        let expected = match row["repr"].as_str() {
            Some(repr) => repr.to_owned(),
            None => format!("error: {}", row["error"].as_str().unwrap()),
        };
        let fits = found == expected || (found.starts_with("error: other") && expected == "error: other");
        let allowed = super::table_known::KNOWN.iter().find(|(known, _)| *known == text);
        match (fits, allowed) {
            (false, None) => wrong.push(format!("{text}\n   ansible: {expected}\n   hostctl: {found}")),
            (true, Some(_)) => wrong.push(format!("{text}\n   agrees now: take it off the list")),
            _ => {}
        }
    }
    Compared { rows: rows.len(), wrong, errors, said }
}

#[test]
fn gives_what_ansible_gives() {
    // Read when the test runs: the table is large, and new rows need no new build. `HOSTCTL_TEMPLATE_TABLE` names
    // another one (`make_templates.py --rows`).
    let own = std::env::var("HOSTCTL_TEMPLATE_TABLE").ok();
    let path = own.as_deref().unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/templates.json"));
    let Compared { rows, wrong, errors, said } = compare(path);
    assert!(wrong.is_empty(), "{} of {rows} differ\n{}", wrong.len(), wrong.join("\n"));
    if own.is_none() {
        assert!(rows >= 2500);
        // Registered results have Ansible's words, for most errors.
        assert!(said * 100 >= errors * 65, "{said} of {errors} errors have Ansible's words");
    }
}

#[test]
fn filters_and_tests_of_collections_give_what_theirs_give() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/collections.json");
    let Compared { rows, wrong, errors, said } = compare(path);
    assert!(wrong.is_empty(), "{} of {rows} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= 150);
    assert!(said * 100 >= errors * 60, "{said} of {errors} errors have Ansible's words");
}
