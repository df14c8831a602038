//! `tests/errors/CASE/playbook.yml`: one faulty playbook for each code. `codes` lists what it shows.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{CheckInput, Loader, LoaderOptions, check};
use crate::diag::{Diagnostic, Result, SourceMap};
use crate::template::{LookupHost, Templates};
use crate::vars::Scope;

pub(super) struct NoHost;

impl LookupHost for NoHost {
    fn find(&self, _: &str, _: &str, _: &Scope) -> Option<std::path::PathBuf> {
        None
    }
    fn read(&self, _: &Path) -> Result<Vec<u8>> {
        Err(Diagnostic::internal("nothing to read"))
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn pipe(&self, _: &str) -> Result<String> {
        Err(Diagnostic::internal("nothing to run"))
    }
    fn unseal(&self, _: &str) -> Result<String> {
        Err(Diagnostic::internal("nothing to open"))
    }
}

fn codes(playbook: &Path) -> Vec<String> {
    let sources = SourceMap::new();
    let templates = Arc::new(Templates::new(Arc::clone(&sources), Arc::new(NoHost)));
    let loader = Loader::new(LoaderOptions { templates: Some(Arc::clone(&templates)), ..LoaderOptions::new(sources) });
    let loaded = loader.load(playbook);
    let input = CheckInput {
        loader: &loader,
        templates: &*templates,
        known: Default::default(),
        variables: Vec::new(),
        inventory: Vec::new(),
        settings: Vec::new(),
        complete: true,
        runs: None,
    };
    check(&loaded, &input).iter().map(|problem| problem.code.to_string()).collect()
}

#[test]
fn each_case_shows_its_code_and_each_code_has_a_case() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut shown = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let Ok(expected) = std::fs::read_to_string(path.join("codes")) else { continue };
        let found = codes(&path.join("playbook.yml"));
        assert_eq!(found, expected.lines().collect::<Vec<_>>(), "{}", path.display());
        shown.extend(found);
    }
    // Deeper than a test folder should be.
    shown.insert("P0404".to_owned());
    // A warning of the engine, when a variable comes to be.
    shown.insert("P0310".to_owned());
    // `P011x` to `P019x` are the engine's.
    let ours = |code: &str| code.starts_with('P') && (!code.starts_with("P01") || code.starts_with("P010"));
    let missing: Vec<&str> = crate::diag::CODES
        .iter()
        .copied()
        .flatten()
        .map(|entry| entry.code)
        .filter(|code| ours(code))
        .filter(|code| !shown.contains(*code))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
