//! The README's tour, run block by block as it stands there.

use std::path::Path;

use crate::case::Case;

#[test]
fn the_readme_can_be_typed() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let tour = readme.split("## Five minutes").nth(1).unwrap().split("\n## ").next().unwrap();
    let script: String = tour.split("```sh\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    let case = Case::prepare(None);
    let shown = case.run(&script);
    if std::env::var_os("HOSTCTL_SHOW").is_some() {
        println!("{shown}");
    }
    assert!(shown.starts_with("status: 0\n"), "{shown}");
    assert!(!shown.contains("correct-horse"), "{shown}");
    for said in [
        "check mode: nothing is changed",
        "the message is new",
        "`copy` has no argument `destt`",
        "exit code 4",
        "ok=4    changed=2",
        "ok=3    changed=0",
        "hides  \"good morning\"",
        "********",
        "nothing failed",
    ] {
        assert!(shown.contains(said), "not shown: {said}\n{shown}");
    }
}
