//! Completion by the shells themselves: each reads the script that `hostctl completion` prints, and is asked.
//!
//! Shells that are not installed are passed over with a word about it.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A project with links to the program first on the PATH.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("hostctl-completion-").tempdir().unwrap();
        let place = Self { folder };
        for dir in ["bin", "home", "work/environments/ci", "work/environments/cloud", "work/playbooks"] {
            std::fs::create_dir_all(place.at(dir)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hostctl"), place.at("bin/hostctl")).unwrap();
        for name in ["ci", "cloud"] {
            let text = format!("description: the {name} one\n");
            std::fs::write(place.at(&format!("work/environments/{name}/environment.yml")), text).unwrap();
        }
        std::fs::write(place.at("work/hosts"), "[web]\nweb1\nweb2\n[base]\ndb1\n").unwrap();
        std::fs::write(
            place.at("work/play.yml"),
            "- hosts: all\n  tasks:\n  - name: First task\n    debug:\n    tags: [alpha, beta]\n  - name: Other\n    debug:\n    tags: alsace\n",
        )
        .unwrap();
        std::fs::write(place.at("work/plain.txt"), "").unwrap();
        let made = place.shell("sh", "hostctl install-links ../bin").status.success();
        assert!(made, "links cannot be made");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shell(&self, shell: &str, script: &str) -> std::process::Output {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(shell);
        match shell {
            "bash" => command.args(["--norc", "--noprofile"]),
            "zsh" => command.arg("-f"),
            "fish" => command.arg("--no-config"),
            _ => &mut command,
        };
        command.args(["-c", script]).current_dir(self.at("work")).env_clear().stdin(Stdio::null());
        command.env("PATH", path).env("HOME", self.at("home")).env("LANG", "C.UTF-8").output().unwrap()
    }

    /// What a shell offers for the last word of a line.
    fn offers(&self, shell: &str, line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
        let program = line.split(' ').next().unwrap();
        let (last, at) = (words.last().unwrap(), words.len() - 1);
        let script = match shell {
            // The function that bash was told to call, called as bash calls it.
            "bash" => format!(
                "source <(hostctl completion bash) || exit 3\n\
                 call=$(complete -p {program}) || exit 4\n\
                 call=${{call##*-F }}; call=${{call%% *}}\n\
                 COMP_WORDS=({}); COMP_CWORD={at}; COMP_TYPE=9\n\
                 \"$call\" {program} {last} ''\n\
                 printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                words.join(" ")
            ),
            // Outside of its line editor zsh has no place for the answers: they are printed instead.
            "zsh" => format!(
                "typeset -A calls; compdef() {{ calls[$2]=$1; }}\n\
                 _describe() {{ local s=; [[ $3 == dirs ]] && s=/; print -rl -- ${{^${{(P)3}}}}$s; }}\n\
                 source <(hostctl completion zsh) || exit 3\n\
                 words=({}); CURRENT={}; $calls[{program}]",
                words.join(" "),
                words.len()
            ),
            _ => format!("hostctl completion fish | source; complete -C \"{line}\""),
        };
        let output = self.shell(shell, &script);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{shell}, `{line}`: {:?} {errors}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        let marks: &[char] = if shell == "zsh" { &[':'] } else { &['\t'] };
        // A colon in a value is written as `\:` there.
        let hidden = text.replace("\\:", "\u{1}");
        let mut found: Vec<String> = hidden
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split(marks).next().unwrap().replace('\u{1}', ":"))
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

fn installed(shell: &str) -> bool {
    let ended = Command::new(shell).args(["-c", "exit 0"]).stdin(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

#[test]
fn shells_offer_commands_options_and_what_the_project_has() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        if !installed(shell) {
            println!("skipped: {shell} is not installed");
            continue;
        }
        for (line, expected) in [
            ("hostctl inst", &["install-links"][..]),
            ("hostctl run --skip", &["--skip-tags"]),
            ("hostctl run --env c", &["ci", "cloud"]),
            ("hostctl run pla", &["play.yml", "playbooks/"]),
            ("hostctl run play.yml --tags al", &["all", "alpha", "alsace"]),
            ("hostctl run play.yml -t beta,alp", &["beta,alpha"]),
            ("hostctl run play.yml -i hosts --limit we", &["web", "web1", "web2"]),
            ("hostctl run play.yml -i hosts -l web:!web", &["web:!web", "web:!web1", "web:!web2"]),
            ("hostctl run play.yml -i ho", &["hosts"]),
            ("ansible-playbook -i ho", &["hosts"]),
            ("hostctl inventory host -i hosts d", &["db1"]),
            ("hostctl doc lineinf", &["lineinfile"]),
            ("hostctl explain D010", &["D0101"]),
            ("ansible-playbook play.yml --tags alp", &["alpha"]),
            ("ansible-playbook --syntax", &["--syntax-check"]),
            ("ansible -m unarch", &["unarchive"]),
            ("ansible-doc ansible.builtin.blockin", &["ansible.builtin.blockinfile"]),
        ] {
            let found = place.offers(shell, line);
            let found: Vec<&str> = found.iter().map(|one| one.trim_end()).collect();
            assert_eq!(found, expected, "{shell}: `{line}`");
        }
    }
}

#[test]
fn a_tabulator_runs_nothing_that_files_name() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let script = place.at("work/dynamic");
    std::fs::write(&script, "#!/bin/sh\ntouch ran\necho '{\"g\": {\"hosts\": [\"web9\"]}}'\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(place.at("work/ansible.cfg"), "[defaults]\ninventory = dynamic\nvault_password_file = dynamic\n")
        .unwrap();
    std::fs::write(
        place.at("work/odd.yml"),
        "- hosts: all\n  tags: \"{{ lookup('pipe', 'touch ran') }}\"\n  tasks:\n  - debug:\n    tags: alpha\n",
    )
    .unwrap();
    place.offers("bash", "hostctl run odd.yml --limit we");
    place.offers("bash", "hostctl run odd.yml --tags al");
    place.offers("bash", "ansible-playbook odd.yml --start-at-task a");
    assert!(!place.at("work/ran").exists());
    // One that is named is asked.
    assert_eq!(place.offers("bash", "hostctl run odd.yml -i dynamic --limit we"), ["web9"]);
    assert!(place.at("work/ran").exists());
}

#[test]
fn manual_pages_are_written() {
    let place = Place::new();
    let output = place.shell("sh", "hostctl man man/man1");
    assert!(output.status.success());
    let text = std::fs::read_to_string(place.at("work/man/man1/hostctl-deps-install.1")).unwrap();
    assert!(text.contains("locked") && text.contains("requirements.yml"), "{text}");
    assert!(place.at("work/man/man1/ansible-playbook.1").exists());
    // groff, where it is there, finds nothing wrong with any page.
    if Command::new("groff").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        let output = place.shell("sh", "groff -man -Tutf8 -W break -w mac man/man1/*.1 >/dev/null");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    } else {
        println!("skipped: groff is not installed");
    }
}
