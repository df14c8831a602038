//! Every mistake's exact message: each folder of `tests/errors/` holds a `command` (without one:
//! `hostctl check playbook.yml`), the files that it needs, and in `expected` the exit status, stdout and stderr of the real binary.
//!
//! `HOSTCTL_UPDATE=1 cargo test --test snapshots` writes the expectations anew; read the difference.

use std::path::Path;

use crate::case::{Case, compare, folders};

#[test]
fn every_mistake_has_its_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut wrong = Vec::new();
    let cases = folders(&root);
    assert!(cases.len() >= 25, "only {} cases below {}", cases.len(), root.display());
    for dir in cases {
        // Without one: the playbook is checked.
        let case = Case::prepare(Some(&dir));
        let command = std::fs::read_to_string(dir.join("command"));
        let command = command.unwrap_or_else(|_| "hostctl check playbook.yml".to_owned());
        let shown = case.run(&command);
        if let Err(difference) = compare(&dir.join("expected"), &shown) {
            wrong.push(difference);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Errors of the language that no small project can show: what they need stands beside them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("E0005", "needs a user who may not read a folder; tests run as root"),
    ("E0101", "the working folder is gone: a shell does not start there"),
    ("I0008", "a warning of `check`, see `ops::`"),
    ("I0015", "a warning of the Ansible names, see `tests/oracle`"),
    ("I0016", "a warning of the Ansible names, see `tests/oracle`"),
    ("P0159", "needs a person at a terminal, see `engine::prompts`"),
    ("P0404", "needs 200 files, see `playbook::error_cases`"),
    ("P0411", "what the library says without a keyring, see `playbook::loader`"),
    ("T0109", "needs a signal in the middle of a template, see `template::limits`"),
    ("T0114", "needs 500 texts made of secrets, see `template::derived`"),
    ("Y0201", "a guard that nothing known trips, see `yaml::edit`"),
];

/// Codes of these letters are of the language: playbooks, templates, YAML, variables, inventories, environments.
const LANGUAGE: &str = "PTYIE";

#[test]
fn every_error_of_the_language_has_a_case_and_a_hint() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = std::collections::BTreeSet::new();
    let mut without_hint = Vec::new();
    let code = regex::Regex::new(r"(?m)^ *(error|warning)\[([A-Z]\d{4})\]: .*$").unwrap();
    for dir in folders(&root.join("tests/errors")) {
        let text = std::fs::read_to_string(dir.join("expected")).unwrap();
        let places: Vec<_> = code.captures_iter(&text).collect();
        for (index, found) in places.iter().enumerate() {
            let whole = found.get(0).unwrap();
            let end = places.get(index + 1).map_or(text.len(), |next| next.get(0).unwrap().start());
            seen.insert(found[2].to_owned());
            let frame = &text[whole.start()..end];
            if &found[1] == "error" && LANGUAGE.contains(&found[2][..1]) && !frame.contains("hint: ") {
                without_hint.push(format!("{}: {}", dir.display(), whole.as_str()));
            }
        }
    }
    assert!(without_hint.is_empty(), "no hint:\n{}", without_hint.join("\n"));
    let missing: Vec<&str> = hostctl::diag::CODES
        .iter()
        .copied()
        .flatten()
        .map(|entry| entry.code)
        .filter(|code| LANGUAGE.contains(&code[..1]))
        .filter(|code| !seen.contains(*code) && !ELSEWHERE.iter().any(|(known, _)| known == code))
        .collect();
    assert!(missing.is_empty(), "no case in tests/errors: {missing:?}");
    let needless: Vec<_> = ELSEWHERE.iter().filter(|(code, _)| seen.contains(*code)).collect();
    assert!(needless.is_empty(), "they have a case: {needless:?}");
}
