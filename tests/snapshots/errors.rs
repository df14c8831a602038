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
