//! The command line as a user sees it: help texts, exit codes, a run for people and for programs.
//!
//! Each folder of `tests/cli/` is a case as in `tests/errors/`; help texts are in `tests/cli/help/`.
//! `HOSTCTL_UPDATE=1 cargo test --test snapshots` writes the expectations anew; read the difference.

use std::path::{Path, PathBuf};

use crate::case::{Case, compare, folders};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli")
}

#[test]
fn every_command_has_its_help() {
    let case = Case::prepare(None);
    let mut wrong = Vec::new();
    for command in [
        "",
        "run",
        "check",
        "env",
        "env list",
        "env show",
        "image",
        "image graph",
        "image why",
        "inventory",
        "inventory list",
        "inventory graph",
        "inventory host",
        "vault",
        "vault init",
        "vault edit",
        "vault view",
        "vault set",
        "vault get",
        "vault recipients",
        "vault import",
        "vault rekey",
        "log",
        "tags",
        "tags show",
        "tags diff",
        "tags history",
        "tags verify",
        "deps",
        "deps install",
        "deps update",
        "doc",
        "explain",
        "completion",
        "man",
    ] {
        let name = if command.is_empty() { "hostctl".to_owned() } else { command.replace(' ', "-") };
        let shown = case.run(&format!("hostctl {command} --help"));
        if let Err(difference) = compare(&root().join(format!("help/{name}.txt")), &shown) {
            wrong.push(difference);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn runs_look_as_recorded() {
    let mut wrong = Vec::new();
    for dir in folders(&root()).iter().filter(|dir| dir.join("command").exists()) {
        let case = Case::prepare(Some(dir));
        let command = std::fs::read_to_string(dir.join("command")).unwrap();
        if let Err(difference) = compare(&dir.join("expected"), &case.run(&command)) {
            wrong.push(difference);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The exit codes that scripts rely on, each by a command that ends with it.
#[test]
fn exit_codes() {
    let case = Case::prepare(None);
    let play = |name: &str, task: &str| {
        let text = format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - {task}\n");
        std::fs::write(case.work().join(name), text).unwrap();
    };
    play("good.yml", "command: 'true'");
    play("bad.yml", "command: 'false'");
    play("unknown.yml", "comand: 'true'");
    std::fs::write(
        case.work().join("hosts"),
        "localhost ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=9\n",
    )
    .unwrap();
    // A file where the folder of the runs belongs.
    for (code, command) in [
        (0, "hostctl --version"),
        (0, "hostctl run good.yml"),
        (0, "hostctl check good.yml"),
        (2, "hostctl run bad.yml"),
        (4, "hostctl run unknown.yml"),
        (4, "hostctl check unknown.yml"),
        (4, "hostctl run nowhere.yml"),
        (4, "hostctl run good.yml -i hosts"),
        (5, "hostctl run"),
        (5, "hostctl run good.yml --no-such-option"),
        (5, "hostctl nothing"),
        (5, "hostctl explain Z9999"),
        (1, "rm -rf .hostctl; touch .hostctl; hostctl run good.yml"),
    ] {
        let shown = case.run(command);
        assert!(shown.starts_with(&format!("status: {code}\n")), "{command}: expected {code}\n{shown}");
    }
}
