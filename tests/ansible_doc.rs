//! `ansible-doc` by its name: what scripts read of it, and its exit codes; beside ansible-core's own where it is there
//! (`HOSTCTL_ORACLE` names ansible's program, as in the tests of modules).

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

/// Exit code, standard output, standard error.
fn run(program: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(words).current_dir(home.path()).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home.path()).env("LANG", "C.UTF-8");
    command.env("ANSIBLE_NOCOLOR", "1");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// hostctl under ansible-doc's name.
struct Doc {
    folder: tempfile::TempDir,
}

impl Doc {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hostctl"), folder.path().join("ansible-doc")).unwrap();
        Self { folder }
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        run(&self.folder.path().join("ansible-doc"), words)
    }

    fn json(&self, words: &[&str]) -> Json {
        let (code, out, errors) = self.run(words);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{words:?}");
        serde_json::from_str(&out).unwrap()
    }
}

/// Roles with and without argument specifications.
fn roles() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        (
            "one/meta/argument_specs.yml",
            "argument_specs:\n  main:\n    short_description: Sets up one\n    description: [Does C(this) first., And then that.]\n    \
             author: [Me, You]\n    options:\n      size: {type: int, required: true, description: How large O(size) is.}\n      \
             names:\n        type: list\n        elements: dict\n        description: [a, b]\n        default: []\n        options:\n          \
             x: {type: str, description: The x, choices: [a, b]}\n  other:\n    short_description: The other one\n",
        ),
        (
            "two/meta/main.yml",
            "galaxy_info: {author: me}\nargument_specs:\n  main: {short_description: Two, options: {}}\n",
        ),
        ("three/meta/main.yml", "{}\n"),
        ("bad/meta/argument_specs.yml", "argument_specs: {main: {options: {x: {type: str}}}}\n"),
        ("four/tasks/main.yml", "[]\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn roles_are_documented_by_their_argument_specifications() {
    let (doc, roles) = (Doc::new(), roles());
    let path = roles.path().display().to_string();
    let all = doc.json(&["-t", "role", "-l", "-j", "-r", &path]);
    assert_eq!(all["one"]["entry_points"]["main"], "Sets up one");
    assert_eq!(all["two"]["author"], "me");
    assert!(all["three"].is_object() && all["four"].is_null());
    let one = doc.json(&["-t", "role", "-j", "-r", &path, "one"]);
    assert_eq!(one["one"]["entry_points"]["main"]["options"]["size"]["type"], "int");
    let (code, out, _) = doc.run(&["-t", "role", "-r", &path, "one"]);
    assert!(code == Some(0) && out.contains("\n= size      How large `size' is.\n"), "{out}");
    assert_eq!(doc.run(&["-t", "role", "-r", &path, "bad"]).0, Some(4));
}

#[test]
fn scripts_find_what_they_read() {
    let doc = Doc::new();
    assert!(doc.run(&["--version"]).1.starts_with("ansible-doc [core 2.19"));
    let (code, out, _) = doc.run(&["-l"]);
    assert!(code == Some(0) && out.lines().any(|line| line.starts_with("ansible.builtin.copy ")), "{out}");
    let all = doc.json(&["-l", "-j"]);
    assert!(all["ansible.builtin.systemd_service"].is_string() && all["ansible.builtin.systemd"].is_string());
    let one = doc.json(&["-j", "copy", "ansible.builtin.file"]);
    assert_eq!(one["copy"]["doc"]["plugin_name"], "ansible.builtin.copy");
    assert_eq!(one["copy"]["doc"]["options"]["dest"]["required"], true);
    assert_eq!(one["copy"]["doc"]["has_action"], true);
    assert!(one["ansible.builtin.file"]["examples"].as_str().unwrap().contains("file:"));
    assert_eq!(doc.json(&["-t", "keyword", "-j", "become"])["become"]["type"], "bool");
    assert!(doc.json(&["-t", "lookup", "-l", "-j"])["ansible.builtin.env"].is_string());
    let (_, out, _) = doc.run(&["-s", "ping"]);
    assert!(out.starts_with("- name: ") && out.contains("\n  ping:\n      data:                  # "), "{out}");
    let (_, out, _) = doc.run(&["ping"]);
    assert!(
        out.starts_with("> MODULE ansible.builtin.ping (") && out.contains("\nOPTIONS (= indicates it is required):\n"),
        "{out}"
    );
    assert_eq!(
        doc.run(&["-j", "nosuch"]),
        (Some(0), "{}\n".to_owned(), "[WARNING]: nosuch was not found\n".to_owned())
    );
    assert_eq!(doc.run(&[]).0, Some(5));
    assert_eq!(doc.run(&["-t", "nope", "-l"]).0, Some(2));
    assert_eq!(doc.json(&["--metadata-dump"])["all"]["module"]["copy"], Json::Null);
    assert!(doc.json(&["--metadata-dump"])["all"]["module"]["ansible.builtin.copy"]["doc"].is_object());
}

#[test]
fn oracle_says_the_same() {
    let Some(oracle) = std::env::var_os("HOSTCTL_ORACLE").map(|path| PathBuf::from(path).with_file_name("ansible-doc"))
    else {
        println!("skipped: HOSTCTL_ORACLE does not name ansible's program");
        return;
    };
    let doc = Doc::new();
    // Word for word: usage and mistakes.
    for words in [
        &["-t", "nope", "-l"][..],
        &[],
        &["nosuch"],
        &["-j", "nosuch"],
        &["-s", "-t", "filter", "bool"],
        &["-l", "nosuch"],
        &["-s", "-l"],
        &["--help"],
    ] {
        assert_eq!(doc.run(words), run(&oracle, words), "{words:?}");
    }
    let roles = roles();
    let path = roles.path().display().to_string();
    for words in [
        &["-t", "role", "-l", "-r", &path][..],
        &["-t", "role", "-l", "-j", "-r", &path],
        &["-t", "role", "-r", &path, "one"],
        &["-t", "role", "-r", &path, "-e", "other", "one"],
        &["-t", "role", "-r", &path, "-j", "one", "two", "nosuch"],
        &["-t", "role", "-r", &path, "three"],
        &["-t", "role", "-r", &path, "bad"],
    ] {
        assert_eq!(doc.run(words), run(&oracle, words), "{words:?}");
    }
    // Every plugin that hostctl has is one of ansible-core's, apart from its own and those of collections.
    for kind in [
        "module",
        "filter",
        "test",
        "lookup",
        "inventory",
        "become",
        "connection",
        "strategy",
        "vars",
        "cache",
        "shell",
    ] {
        let names = |json: &Json| json.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
        let (_, theirs, _) = run(&oracle, &["-t", kind, "-l", "-j"]);
        let theirs = names(&serde_json::from_str(&theirs).unwrap());
        let ours = names(&doc.json(&["-t", kind, "-l", "-j"]));
        let own: Vec<&String> = ours.difference(&theirs).filter(|name| !name.starts_with("hostctl.")).collect();
        println!("{kind}: {} of {}; not ansible-core's: {own:?}", ours.intersection(&theirs).count(), theirs.len());
        let known = ["cartesian", "flattened", "systemd", "yum", "user_key"];
        assert!(own.iter().all(|name| known.iter().any(|known| name.ends_with(known))), "{kind}: {own:?}");
    }
    // The document of a module has the same shape; its options are compared by `tests/oracle/arguments.py`.
    for module in ["ping", "copy", "apt", "user", "ansible.builtin.wait_for"] {
        let (_, theirs, _) = run(&oracle, &["-j", module]);
        let theirs: Json = serde_json::from_str(&theirs).unwrap();
        let ours = doc.json(&["-j", module]);
        for key in ["collection", "has_action", "module", "plugin_name"] {
            assert_eq!(ours[module]["doc"][key], theirs[module]["doc"][key], "{module} {key}");
        }
    }
}
