//! Who may import whom, which room owns which crate, and how long a file may be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Left may not import right.
const ORDER: &[&str] = &[
    "diag",
    "value",
    "secret",
    "event",
    "yaml",
    "vault",
    "vars",
    "template",
    "system",
    "image",
    "mirror",
    "modules",
    "playbook",
    "inventory",
    "environment",
    "deps",
    "journal",
    "engine",
    "connection",
    "agent",
    "ops",
    "report",
    "cli",
];

/// Rooms that may use only these others.
const ONLY: &[(&str, &[&str])] = &[
    ("system", &["diag", "value", "secret", "event"]),
    // The tag file is edited with its comments kept, which `yaml` does; Kolla's trees are templates.
    ("image", &["diag", "value", "secret", "event", "yaml", "template", "system"]),
    ("modules", &["diag", "value", "secret", "event", "system", "image", "mirror"]),
    ("report", &["diag", "value", "secret", "event"]),
];

/// Outside crates and the rooms that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("age", &["vault"]),
    ("bollard", &["system"]),
    ("bollard_buildkit_proto", &["system"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("console", &["report", "cli"]),
    ("hyper", &["system", "mirror"]),
    ("minijinja", &["template"]),
    ("openssh", &["connection"]),
    ("rtnetlink", &["system"]),
    ("rustls", &["system"]),
    ("saphyr_parser", &["yaml"]),
    ("serde_yaml", &["yaml"]),
    ("tonic", &["system"]),
    ("x509_cert", &["system"]),
    ("yaml_edit", &["yaml"]),
];

/// Lines of a file without its tests.
const LONGEST: usize = 600;

/// Files that hold nothing but tests.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with("tests") && name != "tests" || matches!(name, "testing" | "error_cases")
}

fn sources() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("src is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !is_test(&path) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    found.sort();
    found
}

fn room(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).ok()?;
    let first = relative.components().next()?.as_os_str().to_str()?;
    let name = first.trim_end_matches(".rs");
    ORDER.contains(&name).then(|| name.to_owned())
}

/// The file's text up to its unit tests, without comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a source file is readable");
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).collect::<Vec<_>>().join("\n")
}

/// Every `crate::NAME` in a text, also inside `use crate::{a, b::c}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                    c if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            found.push(name);
        } else {
            found.push(part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
        .into_iter()
        .map(|name| name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|name| ORDER.contains(&name.as_str()))
        .collect()
}

#[test]
fn rooms_import_only_what_stands_before_them() {
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(own) = room(&path) else { continue };
        let place = ORDER.iter().position(|name| *name == own).expect("a room is in the order");
        let only = ONLY.iter().find(|(name, _)| *name == own).map(|(_, allowed)| *allowed);
        for import in imports(&code(&path)) {
            if import == own {
                continue;
            }
            let other = ORDER.iter().position(|name| *name == import).expect("a room is in the order");
            if other > place || only.is_some_and(|allowed| !allowed.contains(&import.as_str())) {
                wrong.push(format!("{} imports `{import}`", path.display()));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_stays_with_its_owner() {
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(own) = room(&path) else { continue };
        let code = code(&path);
        for (name, owners) in OWNERS {
            let named = code.split(&format!("{name}::")).skip(1).count() > 0
                && code
                    .match_indices(&format!("{name}::"))
                    .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            if named && !owners.contains(&own.as_str()) {
                wrong.push(format!("{} uses the crate `{name}` of {}", path.display(), owners.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources()
        .iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(path).expect("a source file is readable");
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
            (lines > LONGEST).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn main_stays_thin() {
    let main = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/main.rs")).expect("main.rs");
    assert!(main.lines().count() <= 30);
}

#[test]
fn the_check_itself_sees_what_it_looks_for() {
    assert_eq!(
        imports("use crate::{agent, diag::Span, yaml};\nlet x = crate::cli::main();"),
        ["agent", "diag", "yaml", "cli"]
    );
}

#[test]
fn error_codes_are_unique_and_those_in_the_code_are_explained() {
    let mut known = BTreeMap::new();
    for entry in hostctl::diag::CODES.iter().copied().flatten() {
        assert!(known.insert(entry.code, entry.title).is_none(), "{} stands twice", entry.code);
        assert!(entry.text.len() > 20, "{} has no text", entry.code);
    }
    let pattern = regex::Regex::new(r#""([A-Z]\d{4})""#).expect("a valid pattern");
    let mut missing = Vec::new();
    for path in sources() {
        for found in pattern.captures_iter(&code(&path)) {
            let code = found.get(1).map_or("", |code| code.as_str());
            if !known.contains_key(code) {
                missing.push(format!("{code} in {}", path.display()));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "not in diag/codes:\n{}", missing.join("\n"));
}
