//! `hostctl vault` and full disks, by the real program: what a user types, kills and redirects.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

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

/// `ansible-vault`, which is the same program.
fn links(place: &Place) -> String {
    place.good(&["install-links", "links"], "");
    place.at("links/ansible-vault").display().to_string()
}

fn ansible_vault(place: &Place, arguments: &[&str], input: &str) -> Output {
    let program = place.at("links/ansible-vault");
    if !program.exists() {
        links(place);
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place.folder.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", place.folder.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A `!vault` value for a YAML file.
fn value(place: &Place, name: &str, text: &str) -> String {
    let output = ansible_vault(place, &["encrypt_string", "--vault-password-file", "pw", "--stdin-name", name], text);
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// No file below a folder, and none in memory that is ours, holds this text.
fn nowhere(folder: &Path, canary: &str) {
    let output = Command::new("grep").args(["-rl", canary]).arg(folder).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn ansible_vaults_values_are_taken_over_whole() {
    let place = Place::with_vault();
    std::fs::write(place.at("pw"), "word\n").unwrap();
    std::fs::create_dir(place.at("group_vars")).unwrap();
    let token = value(&place, "token", "canary-token");
    let clear = format!("# what we need\nport: 80\n{token}# the mode\nmode: '0644'\n");
    std::fs::write(place.at("group_vars/all.yml"), &clear).unwrap();
    let whole = ansible_vault(
        &place,
        &["encrypt", "--vault-password-file", "pw", "--output", "group_vars/web.yml"],
        "db: {user: root, password: canary-db}\ntoken: canary-token\n",
    );
    assert_eq!(whole.status.code(), Some(0));
    let import = ["vault", "import", "--env", "e", "group_vars/all.yml", "group_vars/web.yml"];
    let with = |more: &[&'static str]| {
        import.into_iter().chain(["--vault-password-file", "pw"]).chain(more.iter().copied()).collect::<Vec<_>>()
    };
    let before = place.secrets();
    place.bad(&import, "", &["V0103"]);
    place.good(&with(&["--check"]), "");
    assert_eq!(place.secrets(), before);
    let output = place.good(&with(&[]), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "token\ndb\n");
    assert_eq!(std::fs::read_to_string(place.at("group_vars/all.yml")).unwrap(), clear);
    assert_eq!(text(&place.good(&["vault", "get", "--env", "e", "db.password"], "")), "canary-db\n");
    // Again, and now out of the files.
    let output = place.good(&with(&["--move"]), "");
    assert!(text(&output).contains("has `token` already"), "{}", text(&output));
    let left = std::fs::read_to_string(place.at("group_vars/all.yml")).unwrap();
    assert_eq!(left, "# what we need\nport: 80\n# the mode\nmode: '0644'\n");
    assert!(!place.at("group_vars/web.yml").exists());
    nowhere(place.folder.path(), "canary-");

    // Another value of the same name: nothing at all happens.
    let before = place.secrets();
    let other = format!("{}{}", value(&place, "fresh", "canary-fresh"), value(&place, "token", "canary-other"));
    std::fs::write(place.at("group_vars/all.yml"), &other).unwrap();
    let one = ["vault", "import", "--env", "e", "--vault-password-file", "pw", "--move", "group_vars/all.yml"];
    place.bad(&one, "", &["V0017", "`token`"]);
    assert_eq!((place.secrets(), std::fs::read_to_string(place.at("group_vars/all.yml")).unwrap()), (before, other));
}

#[test]
fn an_import_keeps_what_it_cannot_take_over() {
    let place = Place::with_vault();
    std::fs::write(place.at("pw"), "word\n").unwrap();
    let seal = |name: &str, content: &str| {
        let output = ansible_vault(&place, &["encrypt", "--vault-password-file", "pw", "--output", name], content);
        assert_eq!(output.status.code(), Some(0));
    };
    seal("commented.yml", "one: canary-1 # was canary-0\n");
    seal("templated.yml", "two: canary-2\nthree: '{{ two }}'\n");
    seal("server.key", "-----BEGIN KEY-----\ncanary-3\n");
    let import = |more: &[&str]| {
        let fixed = ["vault", "import", "--env", "e", "--vault-password-file", "pw", "--move"];
        place.run(&fixed.into_iter().chain(more.iter().copied()).collect::<Vec<_>>(), "")
    };
    let output = import(&["commented.yml", "templated.yml"]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.matches("V0018").count() == 3 && shown.contains("comments"), "{shown}");
    assert!(place.at("commented.yml").exists() && place.at("templated.yml").exists());
    place.bad(&["vault", "get", "--env", "e", "three"], "", &["V0009"]);
    let output = import(&["server.key"]);
    assert!(text(&output).contains("V0017") && text(&output).contains("--name NAME"), "{}", text(&output));
    assert_eq!(import(&["--name", "tls_key", "server.key"]).status.code(), Some(0));
    assert!(!place.at("server.key").exists());
    let key = text(&place.good(&["vault", "get", "--env", "e", "tls_key"], ""));
    assert_eq!(key, "-----BEGIN KEY-----\ncanary-3\n\n");
    nowhere(place.folder.path(), "canary-");
}

#[test]
fn a_full_disk_loses_nothing() {
    let place = Place::with_vault();
    place.good(&["vault", "set", "--env", "e", "one"], "first");
    let before = place.secrets();
    // A limit on the size of files stands for a disk without room.
    for arguments in [
        "vault rekey --env e",
        "vault set --env e two",
        "vault recipients --env e --add age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    ] {
        let script =
            format!("trap '' XFSZ; ulimit -f 0; echo value | exec {} {arguments}", env!("CARGO_BIN_EXE_hostctl"));
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .current_dir(place.folder.path())
            .env("HOME", place.folder.path())
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(0), "{arguments}");
        assert!(text(&output).contains("V0012"), "{}", text(&output));
        assert_eq!(place.secrets(), before);
    }
    std::fs::write(place.at("pw"), "word\n").unwrap();
    std::fs::write(place.at("clear"), "canary-clear\n").unwrap();
    let program = links(&place);
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {program} encrypt --vault-password-file pw clear");
    let output = Command::new("sh").arg("-c").arg(script).current_dir(place.folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(std::fs::read_to_string(place.at("clear")).unwrap(), "canary-clear\n");
    let left: Vec<_> =
        std::fs::read_dir(place.folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".vault-")), "{left:?}");
}

#[test]
fn ssh_keys_open_vaults_and_ask() {
    let place = Place::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vault/ssh");
    std::fs::create_dir(place.at(".ssh")).unwrap();
    for name in ["ed25519", "ed25519_locked", "ecdsa"] {
        std::fs::copy(data.join(name), place.at(name)).unwrap();
    }
    let keys = data.join("ed25519_locked.pub").display().to_string();
    let public = std::fs::read_to_string(data.join("ed25519.pub")).unwrap();
    place.good(&["vault", "init", "--env", "e", "--recipients-file", &keys, "--recipient", public.trim()], "");
    let get = ["vault", "get", "--env", "e", "one"];
    let by = |identity: &'static str| get.into_iter().chain(["--identity", identity]).collect::<Vec<_>>();
    place.good(&["vault", "set", "--env", "e", "one", "--identity", "ed25519"], "canary");
    assert_eq!(text(&place.good(&by("ed25519"), "")), "canary\n");
    place.bad(&by("ed25519_locked"), "", &["V0003", "the ssh key `ed25519_locked`", "--passphrase-file"]);
    for (word, code) in [("correct horse\n", Some(0)), ("wrong\n", Some(1))] {
        std::fs::write(place.at("pass"), word).unwrap();
        std::fs::set_permissions(place.at("pass"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut arguments = by("ed25519_locked");
        arguments.extend(["--passphrase-file", "pass"]);
        let output = place.run(&arguments, "");
        assert_eq!(output.status.code(), code, "{}", text(&output));
        assert!(code == Some(0) || text(&output).contains("V0006"));
    }
    place.bad(&by("ecdsa"), "", &["V0005", "ecdsa-sha2-nistp256"]);
    std::fs::copy(data.join("ed25519.pub"), place.at("key.pub")).unwrap();
    place.bad(&by("key.pub"), "", &["V0005", "agent"]);
    // The user's own key is found where ssh keeps it.
    place.bad(&get, "", &["V0003"]);
    std::fs::copy(data.join("ed25519"), place.at(".ssh/id_ed25519")).unwrap();
    assert_eq!(text(&place.good(&get, "")), "canary\n");
    let play = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug:\n        msg: it is {{ one }}\n";
    std::fs::write(place.at("play.yml"), play).unwrap();
    let output = place.good(&["run", "play.yml", "--env", "e"], "");
    assert!(text(&output).contains("it is ********"), "{}", text(&output));
    // Without it the vault is as closed as before, and the file key is another one.
    let before = place.secrets();
    let output = place.good(&["vault", "recipients", "--env", "e", "--remove", public.trim()], "");
    assert!(text(&output).contains("V0016"), "{}", text(&output));
    assert_ne!(place.secrets().lines().last(), before.lines().last());
    place.bad(&get, "", &["V000"]);
}

#[test]
fn a_vault_is_sealed_anew_for_others() {
    let place = Place::with_vault();
    place.good(&["vault", "set", "--env", "e", "one"], "first");
    let before = place.secrets();
    place.good(&["vault", "rekey", "--env", "e"], "");
    let after = place.secrets();
    let sealed = |text: &str| text.lines().find(|line| line.starts_with("one:")).unwrap().to_owned();
    assert_ne!(sealed(&before), sealed(&after));
    assert_eq!(text(&place.good(&["vault", "get", "--env", "e", "one"], "")), "first\n");
    std::fs::write(place.at("pass"), "correct horse\n").unwrap();
    std::fs::set_permissions(place.at("pass"), std::fs::Permissions::from_mode(0o600)).unwrap();
    place.bad(&["vault", "rekey", "--env", "e", "--passphrase"], "", &["C0103", "--new-passphrase-file"]);
    place.bad(&["vault", "rekey", "--env", "e", "--recipient", "age1none"], "", &["V0010"]);
    assert_eq!(place.secrets(), after);
    place.good(&["vault", "rekey", "--env", "e", "--passphrase", "--new-passphrase-file", "pass"], "");
    place.bad(&["vault", "get", "--env", "e", "one"], "", &["V0003"]);
    let get = ["vault", "get", "--env", "e", "one", "--passphrase-file", "pass"];
    assert_eq!(text(&place.good(&get, "")), "first\n");
}

#[test]
fn ansible_vaults_edit_loses_nothing() {
    let place = Place::new();
    std::fs::write(place.at("pw"), "word\n").unwrap();
    let program = links(&place);
    let edit = |script: &str, file: &str| {
        let editor = place.script("editor", script);
        let mut command = Command::new(&program);
        command.args(["edit", "--vault-password-file", "pw", file]).current_dir(place.folder.path());
        command.env("HOME", place.folder.path()).env("EDITOR", editor).output().unwrap()
    };
    let seal = ["encrypt", "--vault-id", "x@pw", "--output", "f.yml"];
    assert_eq!(ansible_vault(&place, &seal, "canary: 1\n").status.code(), Some(0));
    std::fs::set_permissions(place.at("f.yml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let read = || std::fs::read_to_string(place.at("f.yml")).unwrap();
    let before = read();
    // Nothing typed, an editor that fails before it does anything, one that is not there.
    for (script, code) in [("#!/bin/sh\n", 0), ("#!/bin/sh\nexit 1\n", 0), ("#!/nonesuch\n", 1)] {
        let output = edit(script, "f.yml");
        assert_eq!((output.status.code(), read()), (Some(code), before.clone()), "{}", text(&output));
    }
    // Ansible keeps what an editor wrote before it failed; the file's name ends as the sealed one's.
    let output = edit("#!/bin/sh\ncase $1 in *.yml) echo 'canary: 2' > \"$1\";; esac\nexit 1\n", "f.yml");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("ended with"), "{}", text(&output));
    assert!(read().starts_with("$ANSIBLE_VAULT;1.2;AES256;x\n"));
    assert_eq!(std::fs::metadata(place.at("f.yml")).unwrap().permissions().mode() & 0o777, 0o640);
    let view = ansible_vault(&place, &["view", "--vault-password-file", "pw", "f.yml"], "");
    assert_eq!(text(&view), "canary: 2\n");
    // Someone else changed the file meanwhile: theirs stays, and what was typed is kept.
    let script = format!("#!/bin/sh\necho 'canary: 3' > \"$1\"\necho other > {}\n", place.at("f.yml").display());
    let output = edit(&script, "f.yml");
    let shown = text(&output);
    assert_eq!((output.status.code(), read().as_str()), (Some(1), "other\n"), "{shown}");
    let kept = shown.lines().find(|line| line.contains("is kept")).unwrap().rsplit(' ').next().unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "canary: 3\n");
    std::fs::remove_dir_all(Path::new(kept).parent().unwrap()).unwrap();
    nowhere(place.folder.path(), "canary: [12]$");
}

#[test]
fn ansible_vault_writes_only_what_it_means() {
    let place = Place::new();
    std::fs::write(place.at("pw"), "word\n").unwrap();
    let seal = |more: &[&str]| {
        let fixed = ["encrypt", "--vault-password-file", "pw"];
        ansible_vault(&place, &fixed.into_iter().chain(more.iter().copied()).collect::<Vec<_>>(), "canary\n")
    };
    assert_eq!(seal(&["--output", "f"]).status.code(), Some(0));
    std::fs::set_permissions(place.at("f"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink("f", place.at("link")).unwrap();
    // Decrypted through a link: the link stays, the clear text is its owner's alone.
    let output = ansible_vault(&place, &["decrypt", "--vault-password-file", "pw", "link"], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(std::fs::symlink_metadata(place.at("link")).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(place.at("f")).unwrap(), "canary\n");
    assert_eq!(std::fs::metadata(place.at("f")).unwrap().permissions().mode() & 0o777, 0o600);
    let output = seal(&["--output", "/dev/null"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    let output = seal(&["--output", "/dev/stdout"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("$ANSIBLE_VAULT;1.1;AES256\n"), "{}", text(&output));
    // What is asked for without a terminal is read from standard input.
    let output = ansible_vault(&place, &["view", "-J", "f"], "");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}
