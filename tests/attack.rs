//! Attacks by the real program: secrets that must not be shown, facts that must not steer, output without end.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if text.starts_with("#!") {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hostctl"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn play(&self, more: &[&str]) -> String {
        let base = ["run", "-i", "localhost,", "--connection", "local", "-vvv", "--diff", "play.yml"];
        text(&self.run(&[&base, more].concat()))
    }

    /// All that runs wrote: journals, events, logs.
    fn written(&self) -> String {
        let mut all = String::new();
        collect(&self.at(".hostctl"), &mut all);
        collect(&self.at("home"), &mut all);
        all
    }
}

fn collect(path: &Path, all: &mut String) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), all);
        }
    } else if path.is_file() {
        all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn values_of_sealed_variable_files_are_masked_however_they_are_read() {
    let place = Place::new(&[
        ("password", "vault-password"),
        ("sealed.yml", "from_file: Kanarie-file-1\ndeep: {list: [Kanarie-deep-2, 0123456]}\n"),
        ("included.yml", "included: Kanarie-incl-3\n"),
        ("extra.yml", "extra: Kanarie-extra-4\n"),
        ("data.json", "{\"key\": \"Kanarie-json-5\"}\n"),
        (
            "play.yml",
            "- hosts: all\n  gather_facts: false\n  vars_files: [sealed.yml]\n  tasks:\n    - include_vars: included.yml\n    - debug:\n        msg: \"{{ item }} {{ item | string | b64encode }} {{ item | string | regex_escape }}\"\n      loop:\n        - \"{{ from_file }}\"\n        - \"{{ deep.list[0] }}\"\n        - \"{{ deep.list[1] }}\"\n        - \"{{ included }}\"\n        - \"{{ extra }}\"\n        - \"{{ (lookup('file', 'data.json') | from_json).key }}\"\n    - assert: {that: from_file == 'x'}\n",
        ),
    ]);
    for name in ["sealed.yml", "included.yml", "extra.yml", "data.json"] {
        sealed(&place, name);
    }
    let shown = place.play(&["--vault-password-file", "password", "-e", "@extra.yml"]);
    assert!(shown.contains("********") && shown.contains("failed=1"), "{shown}");
    for text in [shown, place.written()] {
        for leak in ["Kanarie", "S2FuYXJpZ", "0123456", "42798"] {
            assert!(!text.contains(leak), "{leak}: {text}");
        }
    }
}

/// Seals a file with `ansible-vault encrypt`.
fn sealed(place: &Place, name: &str) {
    let program = place.at("ansible-vault");
    if !program.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hostctl"), &program).unwrap();
    }
    let output = Command::new(&program)
        .args(["encrypt", "--vault-password-file", "password", name])
        .current_dir(place.folder.path())
        .env("HOME", place.at("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_no_log_made_is_not_shown_by_later_errors() {
    let place = Place::new(&[
        ("group_vars/all.yml", "plain: Kanarie-plain-1\n"),
        ("bad.yml", "kept: Kanarie-bad-2: x\n"),
        ("sub.yml", "- debug: msg=in\n"),
        (
            "play.yml",
            r#"- hosts: all
  gather_facts: false
  tasks:
    - shell: printf 'Kanarie-%s' out-3
      no_log: true
      register: r
    - set_fact: {made: "{{ 'Kanarie' ~ '-fact-4' }}"}
      no_log: true
    - debug: msg=x
      failed_when: r.rc == 0 or made == 'x'
      ignore_errors: true
    - assert: {that: item != r.stdout}
      loop: ["{{ r.stdout }}"]
      loop_control: {label: it}
      register: looped
      ignore_errors: true
      no_log: true
    - assert: {that: "looped.results[0].item == 'x'"}
      ignore_errors: true
    - debug: msg=x
      when: indirect
      vars: {indirect: "{{ r.stdout }}"}
      ignore_errors: true
    - debug: {msg: "{{ plain | from_json }}"}
      no_log: true
      ignore_errors: true
    - include_vars: bad.yml
      no_log: true
      ignore_errors: true
    - include_tasks: sub.yml
      loop: ["{{ 'Kanarie' ~ '-label-5' }}"]
      no_log: true
    - debug: {msg: "{{ lookup('pipe', 'echo Kan' ~ 'arie-pipe-6; exit 3') }}"}
      no_log: true
      ignore_errors: true
"#,
        ),
    ]);
    let shown = place.play(&[]);
    assert!(shown.contains("`r` is hidden") && shown.contains("ignored=7"), "{shown}");
    // What stands in the playbook itself is there for all to read.
    for text in [shown, place.written()] {
        for leak in ["Kanarie-out", "Kanarie-fact", "Kanarie-plain", "Kanarie-bad", "Kanarie-label", "Kanarie-pipe"] {
            assert!(!text.contains(leak), "{leak}: {text}");
        }
    }
}

#[test]
fn secret_arguments_are_masked_in_the_result_of_their_task() {
    let place = Place::new(&[(
        "play.yml",
        "- hosts: all\n  gather_facts: false\n  vars: {pw: \"{{ 'Kanarie' ~ '-debconf' }}\"}\n  tasks:\n    - debconf: {name: hostctl-x, question: hostctl-x/pw, vtype: password, value: \"{{ pw }}\"}\n      check_mode: true\n      ignore_errors: true\n",
    )]);
    let shown = place.play(&[]);
    assert!(!shown.contains("Kanarie-debconf"), "{shown}");
}

#[test]
fn facts_do_not_say_what_becomes_another_user() {
    let place = Place::new(&[
        (
            "library/liar",
            "#!/bin/sh\necho '{\"ansible_facts\": {\"ansible_sudo_exe\": \"/EVIL\", \"ansible_sudo_flags\": \"--evil\", \"ansible_su_exe\": \"/EVIL\", \"ansible_become_exe\": \"/EVIL\", \"hostctl_host_key\": \"x\"}}'\n",
        ),
        (
            "play.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - liar:\n    - debug: {msg: \"is {{ ansible_sudo_exe | default('unset') }} {{ ansible_sudo_flags | default('unset') }} {{ ansible_su_exe | default('unset') }} {{ hostctl_host_key | default('unset') }} {{ ansible_facts.ansible_sudo_exe | default(ansible_facts.sudo_exe) }}\"}\n",
        ),
    ]);
    let shown = place.play(&[]);
    assert!(shown.contains("is unset unset unset unset /EVIL"), "{shown}");
}

#[test]
fn output_without_end_meets_the_time_limit() {
    let place = Place::new(&[(
        "play.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - shell: \"yes\"\n      timeout: 1\n      register: r\n      ignore_errors: true\n    - debug: {msg: \"{{ r.timedout.period }} s\"}\n    - pause: {seconds: 100000}\n      timeout: 1\n",
    )]);
    let output = place.run(&["run", "-i", "localhost,", "--connection", "local", "play.yml"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let end = &shown[shown.len().saturating_sub(2000)..];
    assert!(shown.contains("msg: 1 s"), "{end}");
    assert!(text(&output).contains("did not end within 1 seconds"), "{end}");
    assert_eq!(output.status.code(), Some(2), "{end}");
}
