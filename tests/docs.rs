//! The reference pages in `docs/` come from the code; this test fails when one is stale.
//!
//! `HOSTCTL_UPDATE=1 cargo test --test docs` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hostctl::diag::CODES;
use hostctl::modules::{ArgSpec, ArgType, MODULES, Spec, reference};
use serde_json::{Map, Value as Json, json};

/// Compares a folder of generated files with what the code says now.
fn check(folder: &str, files: &BTreeMap<String, String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(folder);
    let update = std::env::var_os("HOSTCTL_UPDATE").is_some();
    let mut stale = Vec::new();
    std::fs::create_dir_all(&root).unwrap();
    for (name, text) in files {
        let path = root.join(name);
        if std::fs::read_to_string(&path).unwrap_or_default() != *text {
            stale.push(path.clone());
            if update {
                std::fs::write(&path, text).unwrap();
            }
        }
    }
    let known: Vec<PathBuf> = files.keys().map(|name| root.join(name)).collect();
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if !known.contains(&path) {
            if update {
                std::fs::remove_file(&path).unwrap();
            }
            stale.push(path);
        }
    }
    assert!(update || stale.is_empty(), "stale: {stale:?}; HOSTCTL_UPDATE=1 cargo test --test docs writes them anew");
}

#[test]
fn module_pages() {
    let mut files = BTreeMap::new();
    let mut index =
        String::from("# Modules\n\nMade from the code by `tests/docs.rs`.\n\n| module | what it does |\n|---|---|\n");
    for entry in MODULES {
        let name = entry.meta.name;
        let _ = writeln!(index, "| [`{name}`]({name}.md) | {} |", entry.meta.summary.replace('|', "\\|"));
        files.insert(format!("{name}.md"), reference(entry.spec()));
    }
    files.insert("README.md".to_owned(), index);
    check("modules", &files);
}

#[test]
fn error_pages() {
    let mut files = BTreeMap::new();
    let mut index = String::from(
        "# Error codes\n\nMade from the code by `tests/docs.rs`; `hostctl explain CODE` shows one. Real messages with the playbooks \
         that cause them are in `tests/errors/`.\n\n| letter | about | codes |\n|---|---|---|\n",
    );
    let mut by_letter: BTreeMap<char, Vec<_>> = BTreeMap::new();
    for entry in CODES.iter().copied().flatten() {
        by_letter.entry(entry.code.chars().next().unwrap()).or_default().push(entry);
    }
    for (letter, entries) in by_letter {
        let about = match letter {
            'B' => "images, registries, tags",
            'C' => "the command line",
            'D' => "roles and collections of requirements files",
            'E' => "environments",
            'H' => "work on a host",
            'I' => "inventories",
            'M' => "arguments of modules",
            'P' => "playbooks, roles, tasks",
            'R' => "runs and their records",
            'S' => "connections",
            'T' => "templates and variables",
            'V' => "vaults",
            'X' => "defects of hostctl",
            'Y' => "YAML",
            other => panic!("say here what the codes with `{other}` are about"),
        };
        let _ = writeln!(index, "| [{letter}]({letter}.md) | {about} | {} |", entries.len());
        let mut text = format!("# {letter}: {about}\n");
        let mut entries = entries;
        entries.sort_by_key(|entry| entry.code);
        for entry in entries {
            let _ = write!(text, "\n## {}: {}\n\n{}\n", entry.code, entry.title, entry.text.trim_end());
        }
        files.insert(format!("{letter}.md"), text);
    }
    files.insert("README.md".to_owned(), index);
    check("errors", &files);
}

#[test]
fn settings_page() {
    let mut text = String::from(
        "# Settings\n\nMade from the code by `tests/docs.rs`. Every setting of ansible-core 2.19 (`ansible-config list`), with \
         options of its plugins that have names of their own: *followed*, of *no effect here*, or *warned* of once when it is \
         set to something else than its default. A value that a setting cannot have is an error (C0117). `hostctl config dump` shows \
         each with its origin.\n\n| setting | `ansible.cfg` | environment | here | why |\n|---|---|---|---|---|\n",
    );
    for row in hostctl::ops::setting_rows() {
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let each = |text: &str| text.split(", ").map(code).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            row.name,
            each(&row.keys),
            each(&row.variables),
            row.here,
            row.note
        );
    }
    check("settings", &BTreeMap::from([("README.md".to_owned(), text)]));
}

/// The JSON schema of an argument's values. Templates are text, so text is always allowed.
fn values(ty: &ArgType) -> Json {
    let or_text = |ty: &str| json!({ "type": [ty, "string"] });
    match ty {
        ArgType::Str | ArgType::Path => json!({ "type": ["string", "number", "boolean"] }),
        ArgType::Bool => or_text("boolean"),
        ArgType::Int => or_text("integer"),
        ArgType::Float => or_text("number"),
        ArgType::Dict => or_text("object"),
        ArgType::Raw => json!({}),
        ArgType::List(item) => {
            json!({ "anyOf": [{ "type": "array", "items": values(item) }, { "type": ["string", "number"] }] })
        }
    }
}

fn argument(arg: &ArgSpec) -> Json {
    let mut schema = values(&arg.ty);
    let map = schema.as_object_mut().unwrap();
    if !arg.doc.is_empty() {
        map.insert("description".to_owned(), json!(arg.doc.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    if let Some(default) = &arg.default {
        map.insert("default".to_owned(), json!(default));
    }
    if !arg.choices.is_empty() {
        let template = json!({ "type": "string", "pattern": "\\{\\{" });
        let choices: Vec<Json> = arg.choices.iter().map(|choice| json!(choice)).collect();
        map.remove("type");
        map.insert("anyOf".to_owned(), json!([{ "enum": choices }, template]));
    }
    schema
}

fn schema(spec: &Spec) -> Json {
    let meta = &spec.meta;
    let mut properties = Map::new();
    for arg in spec.args.values() {
        let one = argument(arg);
        for alias in &arg.aliases {
            properties.insert(alias.to_string(), one.clone());
        }
        properties.insert(arg.name.clone(), one);
    }
    properties.sort_keys();
    // An argument may come under another name, from `module_defaults` or from a template, so none is required here.
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": meta.name,
        "description": meta.summary,
        "type": "object",
        "properties": properties,
        "additionalProperties": meta.any_argument,
    })
}

#[test]
fn schemas() {
    let mut files = BTreeMap::new();
    for entry in MODULES {
        let text = serde_json::to_string_pretty(&schema(entry.spec())).unwrap() + "\n";
        files.insert(format!("{}.json", entry.meta.name), text);
    }
    check("schema", &files);
}
