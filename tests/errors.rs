//! Every mistake's exact message: each folder of `tests/errors/` holds a `command`, the files that it
//! needs, and in `expected` the exit status, stdout and stderr of the real binary.
//!
//! `HOSTCTL_UPDATE=1 cargo test --test errors` writes the expectations anew; read the difference.

mod snapshot;

use std::path::Path;

use snapshot::{Case, compare, folders};

#[test]
fn every_mistake_has_its_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut wrong = Vec::new();
    let cases = folders(&root);
    assert!(cases.len() >= 25, "only {} cases below {}", cases.len(), root.display());
    for dir in cases {
        let case = Case::prepare(Some(&dir));
        let command = std::fs::read_to_string(dir.join("command")).unwrap();
        let shown = case.run(&command);
        if let Err(difference) = compare(&dir.join("expected"), &shown) {
            wrong.push(difference);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
