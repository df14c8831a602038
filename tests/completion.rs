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
                 for one in \"${{COMPREPLY[@]}}\"; do eval \"set -- $one\"; printf '%s\\n' \"$1\"; done",
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
fn what_is_offered_is_a_word_and_nothing_is_run_for_it() {
    let place = Place::new();
    let odd = ["$(touch ran).yml", "a;touch ran.yml", "q'u o\"te.yml", "`touch ran`.yml", "~root.yml", "x*.yml"];
    for name in odd {
        std::fs::write(place.at("work").join(name), "- hosts: all\n").unwrap();
    }
    std::fs::write(place.at("work/odd"), "h$(touch${IFS}ran)\nh;touch${IFS}ran\n").unwrap();
    std::fs::write(
        place.at("work/tags.yml"),
        "- hosts: all\n  tasks:\n  - debug:\n    tags: ['t$(touch ran)', 't|touch ran']\n",
    )
    .unwrap();
    // Programs of the folder that answers come from.
    let program = place.at("work/program");
    std::fs::write(&program, "#!/bin/sh\ntouch ran\necho '{}'\n").unwrap();
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, runs).unwrap();
    std::fs::write(place.at("work/piped.yml"), "- import_playbook: \"{{ lookup('pipe', 'touch ran') }}\"\n").unwrap();
    std::fs::write(
        place.at("work/ansible.cfg"),
        "[defaults]\ninventory = program,hosts\nvault_password_file = ./program\n",
    )
    .unwrap();
    for shell in ["bash", "zsh", "fish"] {
        if !installed(shell) {
            println!("skipped: {shell} is not installed");
            continue;
        }
        for (line, expected) in [
            ("hostctl run -i odd tags.yml --limit h", &["h$(touch${IFS}ran)", "h;touch${IFS}ran"][..]),
            ("hostctl run tags.yml --tags t", &["t$(touch ran)", "tagged", "t|touch ran"]),
            ("hostctl run tags.yml --limit we", &["web", "web1", "web2"]),
            ("hostctl run piped.yml --tags al", &["all"]),
        ] {
            let found = place.offers(shell, line);
            let mut found: Vec<&str> = found.iter().map(|one| one.trim_end()).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{shell}: `{line}`");
        }
        let files = place.offers(shell, "hostctl run ");
        for name in odd.into_iter().filter(|_| shell == "bash") {
            assert!(files.iter().any(|one| one.trim_end() == name), "{name}: {files:?}");
        }
        assert!(!place.at("work/ran").exists(), "{shell}");
    }
    if installed("bash") {
        // Inside of quotes what closes them is taken care of.
        for (open, word, expected) in [("'", "q", r#"q'\''u o"te.yml"#), ("\"", "$", r"\$(touch ran).yml")] {
            let script = format!(
                "source <(hostctl completion bash)\nCOMP_WORDS=(hostctl run $'\\x{:02x}{word}')\nCOMP_CWORD=2\n\
                 _clap_complete_hostctl hostctl '{word}' run\nprintf '%s' \"${{COMPREPLY[@]}}\"",
                open.as_bytes()[0]
            );
            let output = place.shell("bash", &script);
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{script}");
        }
    }
}

#[test]
fn manual_pages_are_written() {
    let place = Place::new();
    let output = place.shell("sh", "hostctl man man/man1");
    assert!(output.status.success());
    let text = std::fs::read_to_string(place.at("work/man/man1/hostctl-deps-install.1")).unwrap();
    assert!(text.contains("locked") && text.contains("requirements.yml"), "{text}");
    assert!(place.at("work/man/man1/ansible-playbook.1").exists());
    // What has the name of a page is replaced, whatever it is.
    let page = place.at("work/man/man1/hostctl.1");
    std::fs::remove_file(&page).unwrap();
    std::os::unix::fs::symlink(place.at("work/plain.txt"), &page).unwrap();
    assert!(place.shell("sh", "rm man/man1/hostctl-run.1; mkfifo man/man1/hostctl-run.1").status.success());
    assert!(place.shell("sh", "timeout 20 hostctl man man/man1").status.success());
    assert!(!page.is_symlink() && std::fs::read(place.at("work/plain.txt")).unwrap().is_empty());
    // groff, where it is there, finds nothing wrong with any page.
    if Command::new("groff").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        let output = place.shell("sh", "groff -man -Tutf8 -W break -w mac man/man1/*.1 >/dev/null");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    } else {
        println!("skipped: groff is not installed");
    }
}
