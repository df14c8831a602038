//! `hostctl vault` and full disks, by the real program: what a user types, kills and redirects.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("environments/e")).unwrap();
        std::fs::write(folder.path().join("environments/e/environment.yml"), "description: x\n").unwrap();
        Self { folder }
    }

    fn with_vault() -> Self {
        let place = Self::new();
        place.good(&["vault", "init", "--env", "e"], "");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secrets(&self) -> String {
        std::fs::read_to_string(self.at("environments/e/secrets.yml")).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, arguments: &[&str], editor: &str) -> Child {
        self.command(arguments).env("EDITOR", editor).spawn().unwrap()
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn good(&self, arguments: &[&str], input: &str) -> Output {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
        output
    }

    fn bad(&self, arguments: &[&str], input: &str, expected: &[&str]) {
        let output = self.run(arguments, input);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        for part in expected {
            assert!(text(&output).contains(part), "{arguments:?}: no `{part}` in {}", text(&output));
        }
    }

    /// An editor that tells the path of its file, waits, and then appends `line`.
    fn waiting_editor(&self, line: &str) -> String {
        for name in ["ready", "go"] {
            assert!(Command::new("mkfifo").arg(self.at(name)).status().unwrap().success());
        }
        let script = format!(
            "#!/bin/sh\necho \"$1\" > {}\ncat {} > /dev/null\necho '{line}' >> \"$1\"\n",
            self.at("ready").display(),
            self.at("go").display()
        );
        self.script("editor", &script)
    }

    fn script(&self, name: &str, text: &str) -> String {
        std::fs::write(self.at(name), text).unwrap();
        std::fs::set_permissions(self.at(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        self.at(name).display().to_string()
    }

    /// The file that the editor holds; waits until it does.
    fn ready(&self) -> PathBuf {
        let mut path = String::new();
        std::fs::File::open(self.at("ready")).unwrap().read_to_string(&mut path).unwrap();
        PathBuf::from(path.trim())
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_killed_edit_leaves_no_clear_text() {
    for name in ["TERM", "HUP"] {
        let place = Place::with_vault();
        place.good(&["vault", "set", "--env", "e", "a"], "first");
        let before = place.secrets();
        let editor = place.waiting_editor("b: second");
        let child = place.start(&["vault", "edit", "--env", "e"], &editor);
        let file = place.ready();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a: first\n");
        let folder = file.parent().unwrap();
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(99), "{}", text(&output));
        assert!(!folder.exists());
        assert_eq!(place.secrets(), before);
    }
}

#[test]
fn an_interrupt_is_the_editors() {
    let place = Place::with_vault();
    let editor = place.waiting_editor("b: second");
    let child = place.start(&["vault", "edit", "--env", "e"], &editor);
    let file = place.ready();
    signal(&child, "INT");
    signal(&child, "QUIT");
    std::fs::write(place.at("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(!file.exists());
    assert_eq!(text(&place.good(&["vault", "get", "--env", "e", "b"], "")), "second\n");
}

#[test]
fn a_mistake_in_an_edit_is_mended_or_kept() {
    let place = Place::with_vault();
    let count = place.at("count");
    let script = |second: &str| {
        format!(
            "#!/bin/sh\nif [ -e {0} ]; then {second}; else echo \"a: 'second\" > \"$1\"; fi\ntouch {0}\n",
            count.display()
        )
    };
    let editor = place.script("editor", &script("sed -i \"s/'//\" \"$1\""));
    let output = place.start(&["vault", "edit", "--env", "e"], &editor).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("V0011"));
    assert_eq!(text(&place.good(&["vault", "get", "--env", "e", "a"], "")), "second\n");

    std::fs::remove_file(&count).unwrap();
    let editor = place.script("editor", &script("echo \"b: 'third\" >> \"$1\""));
    let output = place.start(&["vault", "edit", "--env", "e"], &editor).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let shown = text(&output);
    let kept = shown.lines().find(|line| line.contains("is kept")).unwrap().rsplit(' ').next().unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "a: 'second\nb: 'third\n");
    assert_eq!(std::fs::metadata(kept).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_dir_all(Path::new(kept).parent().unwrap()).unwrap();
}

#[test]
fn an_edit_beside_a_change_is_kept() {
    let place = Place::with_vault();
    let editor = place.waiting_editor("b: second");
    // The second editor leaves the text as it is: the vault has changed all the same.
    let child = place.start(&["vault", "edit", "--env", "e"], &editor);
    place.ready();
    place.good(&["vault", "set", "--env", "e", "a"], "first");
    std::fs::write(place.at("go"), "").unwrap();
    place.ready();
    std::fs::write(place.at("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    let kept = shown.lines().find(|line| line.contains("is kept")).unwrap().rsplit(' ').next().unwrap();
    assert!(std::fs::read_to_string(kept).unwrap().starts_with("b: second\n"));
    std::fs::remove_dir_all(Path::new(kept).parent().unwrap()).unwrap();
    assert_eq!(text(&place.good(&["vault", "get", "--env", "e", "a"], "")), "first\n");
}

#[test]
fn setting_a_value_loses_nothing() {
    let place = Place::with_vault();
    let set = |name| ["vault", "set", "--env", "e", name];
    place.good(&set("nested.q"), "value\n");
    place.good(&set("one"), "two\n\n");
    assert_eq!(text(&place.good(&["vault", "get", "--env", "e", "one"], "")), "two\n\n");
    let before = place.secrets();
    place.bad(&set("nested"), "value", &["V0011", "`nested.q`"]);
    place.bad(&set("one.q"), "value", &["V0011", "one value"]);
    place.bad(&set("a-b"), "value", &["V0009"]);
    place.bad(&set("empty"), "", &["C0107", "--empty"]);
    assert_eq!(place.secrets(), before);
    place.good(&["vault", "set", "--env", "e", "empty", "--empty"], "");
    let output = place.good(&set("pin"), "12");
    assert!(text(&output).contains("V0014") && text(&output).contains("`pin`"), "{}", text(&output));
    assert!(!text(&place.good(&set("other"), "long enough")).contains("V0014"));
}

#[test]
fn simultaneous_sets_all_succeed() {
    let place = Place::with_vault();
    let names: Vec<String> = (0..6).map(|number| format!("value{number}")).collect();
    let children: Vec<Child> = names
        .iter()
        .map(|name| {
            let mut child = place.command(&["vault", "set", "--env", "e", name]).spawn().unwrap();
            child.stdin.take().unwrap().write_all(b"some value").unwrap();
            child
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    let view = text(&place.good(&["vault", "view", "--env", "e"], ""));
    assert!(names.iter().all(|name| view.contains(&format!("{name}: some value\n"))), "{view}");
}

#[test]
fn a_passphrase_comes_from_a_file() {
    let place = Place::new();
    place.bad(&["vault", "init", "--env", "e", "--passphrase"], "", &["C0103", "--passphrase-file"]);
    std::fs::write(place.at("pass"), "correct horse\n").unwrap();
    std::fs::set_permissions(place.at("pass"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let init = ["vault", "init", "--env", "e", "--passphrase", "--passphrase-file", "pass"];
    place.bad(&init, "", &["V0015", "chmod 600 pass"]);
    std::fs::set_permissions(place.at("pass"), std::fs::Permissions::from_mode(0o600)).unwrap();
    place.good(&init, "");
    place.bad(&["vault", "set", "--env", "e", "word"], "hunter2", &["V0003", "--passphrase-file"]);
    place.good(&["vault", "set", "--env", "e", "word", "--passphrase-file", "pass"], "hunter2");
    let play = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug:\n        msg: it is {{ word }}\n";
    std::fs::write(place.at("play.yml"), play).unwrap();
    let mut command = place.command(&["run", "play.yml", "--env", "e"]);
    let output = command.env("HOSTCTL_VAULT_PASSPHRASE_FILE", "pass").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("it is ********"), "{}", text(&output));
}

#[test]
fn a_vault_for_others_is_warned_about() {
    let place = Place::with_vault();
    std::fs::remove_file(place.at("environments/e/secrets.yml")).unwrap();
    let other = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let output = place.good(&["vault", "init", "--env", "e", "--recipient", other], "");
    assert!(text(&output).contains("V0016") && text(&output).contains("--recipient age1"), "{}", text(&output));
}

#[test]
fn inventory_passwords_are_masked_before_their_first_use() {
    let place = Place::new();
    std::fs::write(
        place.at("hosts"),
        "localhost ansible_connection=local ansible_become_password=hunter2-become ansible_ssh_pass=\"{{ word }}\" word=hunter3-login\n",
    )
    .unwrap();
    let play = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: {var: ansible_become_password}\n    - debug: {var: ansible_ssh_pass}\n";
    std::fs::write(place.at("play.yml"), play).unwrap();
    let output = place.good(&["run", "-v", "play.yml", "-i", "hosts"], "");
    let shown = text(&output);
    assert!(shown.matches("********").count() >= 2 && !shown.contains("hunter"), "{shown}");
}

#[test]
fn a_full_disk_is_no_success() {
    let place = Place::new();
    let play = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug:\n        msg: hello\n";
    std::fs::write(place.at("play.yml"), play).unwrap();
    place.good(&["run", "play.yml"], "");
    for arguments in [
        &["run", "play.yml"][..],
        &["run", "play.yml", "--output", "jsonl"],
        &["doc"],
        &["doc", "copy"],
        &["explain", "P0203"],
        &["--help"],
        &["--version"],
        &["vault", "--help"],
        &["log"],
        &["env", "list"],
        &["check", "play.yml"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(arguments).stdout(full).output().unwrap();
        let shown = text(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {shown}");
        assert_eq!(shown.matches("C0116").count(), 1, "{arguments:?}: {shown}");
    }
    // A reader that left is no error.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = place.command(&["doc"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output)), (Some(0), String::new()));
}

#[test]
fn an_error_of_a_vault_points_into_the_vault() {
    let place = Place::with_vault();
    place.good(&["vault", "set", "--env", "e", "one"], "first");
    std::fs::write(place.at("environments/e/secrets.yml"), place.secrets().replace("\none:", "\ntwo:")).unwrap();
    for arguments in [&["vault", "view", "--env", "e"][..], &["vault", "get", "--env", "e", "two"]] {
        place.bad(arguments, "", &["V0007", "secrets.yml:"]);
    }
}
