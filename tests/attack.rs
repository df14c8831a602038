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
fn what_no_log_is_warned_of_is_not_shown() {
    let place = Place::new(&[
        ("inc.yml", "- debug: msg=in\n"),
        ("mine.yml", "- debug: msg=in\n"),
        (
            "play.yml",
            r#"- hosts: all
  gather_facts: false
  tasks:
    - include_tasks: inc.yml
      no_log: true
      loop: ["{{ 'Kanarie' ~ '-loop-1' }}"]
      when: not (item | bool)
    - include_tasks: inc.yml
      no_log: "{{ item.secret }}"
      loop:
        - {secret: true, text: "{{ 'Kanarie' ~ '-item-2' }}"}
        - {secret: false, text: open-3}
      when: not (item.text | bool)
    - include_tasks: inc.yml
      no_log: "{{ item.secret }}"
      loop: [{secret: true, text: "{{ 'Kanarie' ~ '-skip-4' }}"}]
      when: item.text | bool
    - include_tasks: inc.yml
      no_log: "{{ nowhere }}"
      when: ('Kanarie' ~ '-unknown-5') | bool
    - include_tasks: "{{ 'mine.yml' if not (item.text | bool) else 'inc.yml' }}{{ item.nothing }}"
      no_log: "{{ item.secret }}"
      loop: [{secret: true, text: "{{ 'Kanarie' ~ '-fails-6' }}"}]
      ignore_errors: true
    - include_tasks: inc.yml
      no_log: true
      loop: "{{ [('Kanarie' ~ '-list-7')] | map('bool') }}"
    - debug: msg=x
      no_log: true
      loop: "{{ [('Kanarie' ~ '-list-8')] | map('bool') }}"
    - debug: msg=x
      no_log: "{{ item }}"
      loop: "{{ [not ('Kanarie' ~ '-list-9') | bool] }}"
    - command: "true"
      no_log: true
      delegate_to: "{{ 'localhost' if not (('Kanarie' ~ '-host-10') | bool) else 'x' }}"
    - command: "true"
      no_log: true
      loop: [1]
      delegate_to: "{{ 'localhost' if not (('Kanarie' ~ '-host-11') | bool) else 'x' }}"
    - command: "true"
      no_log: true
      run_once: "{{ not (('Kanarie' ~ '-once-14') | bool) }}"
      throttle: "{{ 1 if not (('Kanarie' ~ '-few-15') | bool) else 2 }}"
    - include_tasks: inc.yml
      no_log: true
      run_once: "{{ not (('Kanarie' ~ '-once-16') | bool) }}"
      loop_control: {break_when: "('Kanarie' ~ '-break-12') | bool"}
    - command: "false"
      no_log: true
      ignore_errors: "{{ not (('Kanarie' ~ '-errors-13') | bool) }}"
    - command: "true"
      delegate_to: "{{ 'localhost' if not ('open-14' | bool) else 'x' }}"
      register: r
    - debug: msg=x
      loop: "{{ ['open-15'] | map('bool') }}"
    - assert: {that: "r.deprecations | length == 1 and 'open-14' in r.deprecations[0].msg"}
"#,
        ),
    ]);
    let shown = place.play(&[]);
    let json = text(&place.run(&["run", "-i", "localhost,", "--connection", "local", "--output", "jsonl", "play.yml"]));
    for told in ["'open-3'", "'open-14'", "'open-15'"] {
        assert!(json.contains(told), "{told}: {json}");
    }
    assert!(shown.contains("failed=0"), "{shown}");
    // The playbook's own lines, which are there for all to read, do not hold them.
    for text in [shown, json, place.written()] {
        assert!(!text.contains("Kanarie-"), "{text}");
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
fn a_fifo_among_modules_does_not_stop_the_check() {
    let place = Place::new(&[("play.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - pipe: {x: 1}\n")]);
    std::fs::create_dir(place.at("library")).unwrap();
    for name in ["pipe", "other.py"] {
        let made = Command::new("mkfifo").arg(place.at("library").join(name)).status().unwrap();
        assert!(made.success());
    }
    // Before, this waited for somebody to write into it.
    let shown = place.play(&[]);
    assert!(shown.contains("there is no module `pipe`"), "{shown}");
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

/// What steers a terminal in a text: all but line breaks, tabs and plain colours.
fn steering(text: &str) -> String {
    let mut rest = text.to_owned();
    for colour in [
        "0", "1", "2", "31", "32", "33", "34", "35", "36", "0;31", "0;32", "0;33", "0;34", "0;36", "1;30", "1;31",
        "1;35",
    ] {
        rest = rest.replace(&format!("\u{1b}[{colour}m"), "");
    }
    let steers = |c: &char| (c.is_control() && !"\n\t".contains(*c)) || ('\u{202a}'..='\u{202e}').contains(c);
    rest.chars().filter(steers).collect()
}

const STEERS: &str = r#"- hosts: all
  gather_facts: false
  tasks:
    - name: "named {{ r.stdout | default('x') }}"
      shell: printf '\033]0;title\007\033[2Jx\rover\b\302\2332J\342\200\256bidi\033[31mred\033[8mhid\n'; printf '\033[2Jerr\rx\n' >&2
      register: r
    - name: "named {{ r.stdout }}"
      debug: {msg: "{{ r.stdout }}"}
    - debug: {var: item}
      loop: ["{{ r.stdout }}"]
    - fail: {msg: "{{ r.stdout }}"}
      ignore_errors: true
    - copy: {content: "{{ r.stdout }}", dest: out.txt}
    - file: {path: "/nonexistent/{{ r.stdout }}", state: file}
      ignore_errors: true
    - set_stats: {data: {a: "{{ r.stdout }}"}}
    - add_host: {name: "h{{ r.stdout[:20] }}", groups: new}
- hosts: new
  gather_facts: false
  connection: local
  tasks:
    - debug: {msg: hi}
"#;

#[test]
fn what_hosts_print_cannot_steer_the_terminal() {
    let place = Place::new(&[("play.yml", STEERS)]);
    for colours in ["never", "always"] {
        let shown = place.play(&["--color", colours]);
        assert!(shown.contains("bidi") && shown.contains("ok="), "{shown}");
        assert_eq!(steering(&shown), "", "{shown:?}");
    }
    let logged = text(&place.run(&["log"]));
    assert!(logged.contains("bidi") && steering(&logged).is_empty(), "{logged:?}");
    for name in ["ansible-playbook", "ansible"] {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hostctl"), place.at(name)).unwrap();
    }
    let of = |name: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(place.at(name))
            .args(["-i", "localhost,", "-c", "local", "-v"])
            .args(arguments)
            .current_dir(place.folder.path())
            .env("HOME", place.at("home"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = text(&output);
        assert!(shown.contains("title") && steering(&shown).is_empty(), "{name} {variables:?}: {shown:?}");
    };
    of("ansible-playbook", &["--diff", "play.yml"], &[]);
    of("ansible-playbook", &["--diff", "play.yml"], &[("ANSIBLE_CALLBACK_RESULT_FORMAT", "yaml")]);
    of("ansible-playbook", &["play.yml"], &[("ANSIBLE_STDOUT_CALLBACK", "json")]);
    of("ansible-playbook", &["play.yml"], &[("ANSIBLE_FORCE_COLOR", "1")]);
    of("ansible", &["all", "-m", "shell", "-a", r"printf '\033]0;title\007x\rover'"], &[]);
    of("ansible", &["all", "-o", "-m", "shell", "-a", r"printf '\033]0;title\007x\rover'"], &[]);
    // Programs get every byte: a line of JSON means what the host printed.
    let lines =
        text(&place.run(&["run", "-i", "localhost,", "--connection", "local", "--output", "jsonl", "play.yml"]));
    assert!(lines.contains(r"\u001b]0;title\u0007") && steering(&lines).is_empty(), "{lines:?}");
}

#[test]
fn what_templates_make_of_a_secret_is_masked() {
    let place = Place::new(&[
        ("password", "vault-password"),
        (
            "sealed.yml",
            "secret: Kan-arie9Wert/99-tail&more7\nb64: S2FuYXJpZS1pbi1iNjQtOTkx\nurl: postgres://u:pwKanarie7@db.host/x\njsn: '{\"inner\": \"Inner-Kanarie-5\"}'\npem: |\n  -----BEGIN KEY-----\n  QWERTZUIOPasdfghjklQWERTZUIOPasdfghjkl1234\n  -----END KEY-----\n",
        ),
        (
            "play.yml",
            r#"- hosts: all
  gather_facts: false
  vars_files: [sealed.yml]
  tasks:
    - debug: {msg: "{{ secret[:10] }} {{ secret[-10:] }} {{ secret[::-1][:9] }}"}
    - debug: {msg: "{{ secret.split('-') }} {{ secret | regex_replace('-', '_') }}"}
    - debug: {msg: "{{ secret | hash('sha256') }} {{ b64 | b64decode }} {{ url | urlsplit('password') }}"}
    - debug: {msg: "{{ (jsn | from_json).inner }} {{ secret | truncate(14, True) }}"}
    - debug: {msg: "{{ ('user:' ~ secret) | regex_search('user:(.{10})') }} {{ pem.split('\n')[1][:30] }}"}
    - debug: {msg: "{{ [secret] | map('regex_replace', '^(.{10}).*', '\\1') | first }}"}
    - debug: {msg: "{{ 'host ' ~ (url | urlsplit('hostname')) }} {{ secret | ternary('configured', 'missing') }}"}
    - debug: {msg: "{{ item[:12] }}"}
      loop: ["{{ secret }}"]
    - shell: "tr '\\0' ' ' < /proc/$PPID/cmdline; env; cat /proc/$PPID/environ | tr '\\0' ' '"
"#,
        ),
    ]);
    sealed(&place, "sealed.yml");
    let shown = place.play(&["--vault-password-file", "password"]);
    assert!(shown.contains("ok=9"), "{shown}");
    assert!(
        shown.contains("host db.host") && shown.contains("configured"),
        "what is no part of a secret is shown: {shown}"
    );
    for text in [shown, place.written()] {
        for leak in
            ["arie9We", "Wert/99", "tail&m", "-liat&", "Kanarie", "QWERTZU", "vault-password", "8f1d02a47c", "pwKan"]
        {
            assert!(!text.contains(leak), "{leak}: {text}");
        }
    }
}

#[test]
fn hostile_inventory_programs_end_with_one_message() {
    let place = Place::new(&[
        ("endless", "#!/bin/sh\nyes '{\"a\":'\n"),
        ("flood", "#!/bin/sh\nprintf '\\033[2Jbad\\n' >&2\nyes | head -c 3000000 >&2\nexit 3\n"),
        ("bytes", "#!/bin/sh\nprintf '{\"a\": [\"x\\377\"]}'\n"),
        ("deep", "#!/bin/sh\nyes '[' | head -n 100000 | tr -d '\\n'\n"),
        ("types", "#!/bin/sh\necho '{\"a\": [\"h1\"], \"b\": 3, \"c\": {\"hosts\": 5}, \"_meta\": 5}'\n"),
        ("names", "#!/bin/sh\necho '{\"a\": [\"-oProxyCommand=touch pwned\", \"../../x\", \"$(touch pwned)\"]}'\n"),
        ("password", "#!/bin/sh\nyes\n"),
        ("play.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n"),
        ("empty.yml", "- hosts: localhost\n  tasks: []\n"),
    ]);
    for (name, message) in [
        ("endless", "it printed more than 256 MiB"),
        ("flood", "exit status: 3"),
        ("bytes", "not UTF-8"),
        ("deep", "I0007"),
        ("types", "must be a mapping or a list"),
        ("names", "no usable address"),
    ] {
        let output = place.run(&["run", "-i", &format!("./{name}"), "play.yml"]);
        let shown = text(&output);
        assert!(shown.contains(message) && shown.len() < 100_000, "{name}: {}", &shown[..shown.len().min(4000)]);
        assert!(!output.status.success() && steering(&shown).is_empty(), "{name}: {shown:?}");
        assert!(!place.at("pwned").exists() && !shown.contains("panicked"), "{name}: {shown}");
    }
    let shown = text(&place.run(&["run", "--vault-password-file", "./password", "empty.yml"]));
    assert!(shown.contains("it printed more than 1 MiB"), "{shown}");
}

#[test]
fn nothing_runs_unasked_under_step() {
    let place = Place::new(&[(
        "play.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {content: x, dest: made}\n",
    )]);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hostctl"), place.at("ansible-playbook")).unwrap();
    let output = Command::new(place.at("ansible-playbook"))
        .args(["--step", "-i", "localhost,", "-c", "local", "play.yml"])
        .current_dir(place.folder.path())
        .env("HOME", place.at("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Nobody is there to answer: the run ends at the first question.
    let shown = text(&output);
    assert!(output.status.code() == Some(99) && shown.contains("(N)o/(y)es/(c)ontinue"), "{shown}");
    assert!(!place.at("made").exists());
}

#[test]
fn a_killed_run_leaves_each_file_old_or_new_and_nothing_beside_it() {
    let old: String = (0..3000).map(|line| format!("old {line}\n")).collect();
    let new = old.replace("old", "new");
    let play = r"- hosts: all
  gather_facts: false
  tasks:
    - copy: {src: new, dest: files/copy}
    - template: {src: new, dest: files/template}
    - lineinfile: {path: files/lineinfile, line: ADDED}
    - blockinfile: {path: files/blockinfile, block: ADDED, marker: ''}
    - replace: {path: files/replace, regexp: old, replace: new}
";
    let place = Place::new(&[("new", &new), ("play.yml", play)]);
    std::fs::create_dir(place.at("files")).unwrap();
    let names = ["copy", "template", "lineinfile", "blockinfile", "replace"];
    let added = format!("{old}ADDED\n");
    let mut killed = 0;
    for lines in 1..24 {
        for name in names {
            std::fs::write(place.at("files").join(name), &old).unwrap();
        }
        let mut run = Command::new(env!("CARGO_BIN_EXE_hostctl"))
            .args(["run", "-i", "localhost,", "--connection", "local", "--output", "jsonl", "play.yml"])
            .current_dir(place.folder.path())
            .env("HOME", place.at("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Its own lines tell where it is: no clock decides.
        let events = std::io::BufReader::new(run.stdout.take().unwrap());
        std::io::BufRead::lines(events).take(lines).for_each(drop);
        run.kill().unwrap();
        killed += usize::from(!run.wait().unwrap().success());
        for name in names {
            let text = std::fs::read_to_string(place.at("files").join(name)).unwrap();
            let whole = [&old, &new, &added].contains(&&text) || (name == "blockinfile" && text.contains("ADDED\n"));
            assert!(whole, "{name} has {} bytes after {lines} events", text.len());
        }
        let beside = std::fs::read_dir(place.at("files")).unwrap().count();
        assert_eq!(beside, names.len(), "a temporary file stays after {lines} events");
    }
    assert!(killed > 10, "most runs were killed on their way: {killed}");
}

#[test]
fn runs_at_once_and_hosts_at_once_lose_nothing() {
    let hosts: Vec<String> = (0..20).map(|number| format!("h{number}")).collect();
    let place = Place::new(&[
        ("lines", ""),
        (
            "edit.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - lineinfile: {path: lines, line: \"of {{ inventory_hostname }}\"}\n",
        ),
        (
            "facts.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - set_fact: {large: \"{{ range(3000) | list }}\", cacheable: true}\n",
        ),
        ("ansible.cfg", "[defaults]\nfact_caching = jsonfile\nfact_caching_connection = cache\n"),
    ]);
    let inventory = hosts.join(",");
    let edit = ["run", "-i", &inventory, "--connection", "local", "--forks", "20", "edit.yml"];
    let shown = text(&place.run(&edit));
    let lines = std::fs::read_to_string(place.at("lines")).unwrap();
    assert_eq!(lines.lines().count(), 20, "{lines}{shown}");

    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hostctl"), place.at("ansible-playbook")).unwrap();
    let runs: Vec<_> = (0..4)
        .map(|_| {
            Command::new(place.at("ansible-playbook"))
                .args(["-i", "one,two", "-c", "local", "facts.yml"])
                .current_dir(place.folder.path())
                .env("HOME", place.at("home"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let cached: Vec<_> = std::fs::read_dir(place.at("cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(cached.len(), 2, "{cached:?}");
    for path in cached {
        let facts: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(facts.to_string().contains("2999"), "{path:?}");
    }
}

#[test]
fn no_host_runs_what_stands_before_the_task_to_start_at() {
    let before: String =
        (0..100).map(|number| format!("    - {{name: 'before {number} {{{{ n }}}}', ping: }}\n")).collect();
    let play = format!(
        "- hosts: all\n  gather_facts: false\n  vars: {{n: 1}}\n  tasks:\n{before}    - {{name: start, ping: }}\n"
    );
    let place = Place::new(&[("play.yml", &play)]);
    let hosts: Vec<String> = (0..30).map(|number| format!("h{number}")).collect();
    let inventory = hosts.join(",");
    let shown =
        text(&place.run(&["run", "-i", &inventory, "--connection", "local", "--start-at-task", "start", "play.yml"]));
    assert_eq!(shown.matches("ok=1 ").count(), 30, "{shown}");
}

#[test]
fn runs_that_edit_one_file_lose_nothing() {
    let inserted = r"
- hosts: all
  gather_facts: false
  tasks:
    - lineinfile: {path: lines, line: '{{ run }} {{ inventory_hostname }} {{ item }}'}
      loop: [1, 2, 3]
      loop_control: {label: x}
    - blockinfile: {path: blocks, block: one, marker: '# {mark} {{ run }} {{ inventory_hostname }}', create: true}
    - replace: {path: words, regexp: '^free$', replace: 'taken', after: '{{ run }} {{ inventory_hostname }} begins', before: '{{ run }} {{ inventory_hostname }} ends'}
    - known_hosts: {path: known, name: '{{ run }}-{{ inventory_hostname }}', key: '{{ run }}-{{ inventory_hostname }} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHgTv7rkGMYD3TdnfLbpfKxhG3rLvFhF4V3pMsWdXbMV'}
      when: keys | bool
    - yum_repository: {reposdir: ., file: sources, name: '{{ run }}-{{ inventory_hostname }}', description: x, baseurl: 'http://127.0.0.1/'}
";
    let hosts: Vec<String> = (0..6).map(|number| format!("h{number}")).collect();
    let runs = ["a", "b", "c"];
    let words: String = runs
        .iter()
        .flat_map(|run| hosts.iter().map(move |host| format!("{run} {host} begins\nfree\n{run} {host} ends\n")))
        .collect();
    let place = Place::new(&[("lines", ""), ("words", &words), ("edit.yml", inserted)]);
    let keys = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output().is_ok();
    if !keys {
        println!("skipped in part: known_hosts needs ssh-keygen");
    }
    let inventory = hosts.join(",");
    let started: Vec<_> = runs
        .iter()
        .map(|run| {
            Command::new(env!("CARGO_BIN_EXE_hostctl"))
                .args(["run", "-i", &inventory, "--connection", "local", "--forks", "6", "edit.yml"])
                .args(["-e", &format!("run={run} keys={keys}")])
                .current_dir(place.folder.path())
                .env("HOME", place.at("home"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for run in started {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let read = |name: &str| std::fs::read_to_string(place.at(name)).unwrap();
    let all = runs.len() * hosts.len();
    assert_eq!(read("lines").lines().count(), all * 3, "{}", read("lines"));
    assert_eq!(read("blocks").matches("# BEGIN").count(), all, "{}", read("blocks"));
    assert_eq!(read("words").matches("taken").count(), all, "{}", read("words"));
    assert_eq!(read("sources.repo").matches("baseurl").count(), all, "{}", read("sources.repo"));
    if keys {
        assert_eq!(read("known").lines().count(), all, "{}", read("known"));
    }
}

/// Runs a program that may not call `unshare`, as in a container with the default seccomp profile.
const WITHOUT_UNSHARE: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 272), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
filter = Filter(len(steps), ctypes.cast(code, ctypes.c_void_p).value)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(filter), 0, 0):
    sys.exit(77)
if libc.unshare(0x200) == 0:
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn containers_that_forbid_unshare_have_the_working_folder_too() {
    let place = Place::new(&[
        ("without.py", WITHOUT_UNSHARE),
        (
            "sub/play.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: pwd\n      register: where\n\
            \x20   - copy: {content: \"{{ where.stdout }}\", dest: \"written-{{ inventory_hostname }}\"}\n\
            \x20   - shell: sleep 0.1; pwd >async-{{ inventory_hostname }}\n      async: 20\n      poll: 1\n",
        ),
    ]);
    let output = Command::new("python3")
        .args(["without.py", env!("CARGO_BIN_EXE_hostctl"), "run", "sub/play.yml", "-i", "a,b,", "-c", "local"])
        .current_dir(place.folder.path())
        .env("HOME", place.at("home"))
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        println!("skipped: needs python3");
        return;
    };
    if output.status.code() == Some(77) {
        println!("skipped: this kernel has no seccomp filters");
        return;
    }
    assert!(output.status.success(), "{}", text(&output));
    let folder = std::fs::canonicalize(place.at("sub")).unwrap().display().to_string();
    for host in ["a", "b"] {
        for name in ["written", "async"] {
            let found = std::fs::read_to_string(place.at(&format!("sub/{name}-{host}"))).unwrap();
            assert_eq!(found.trim_end(), folder, "{name} of {host}");
        }
    }
}

#[test]
fn a_playbook_in_another_folder_leaves_its_folder_to_itself() {
    let place = Place::new(&[
        ("relative", "mine"),
        ("sub/relative", "its"),
        (
            "sub/play.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - get_url: {url: 'http://localhost:9/', dest: x}\n\
            \x20     ignore_errors: true\n- import_playbook: ../play.yml\n",
        ),
        (
            "play.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - file: {path: relative, state: absent}\n\
            \x20   - file: {path: made, state: touch}\n",
        ),
    ]);
    // The name of an address is looked up by the runtime's own threads, which later tasks use.
    let output = place.run(&["run", "-i", "localhost,", "-c", "local", "sub/play.yml"]);
    assert!(output.status.success(), "{}", text(&output));
    let there = ["relative", "sub/relative", "made", "sub/made"].map(|name| place.at(name).exists());
    assert_eq!(there, [false, true, true, false], "{}", text(&output));
}

#[test]
fn hosts_that_go_different_ways_do_not_wait_for_each_other() {
    let tasks = [
        "- {debug: {msg: x}, run_once: \"{{ inventory_hostname == 'b' }}\"}",
        "- {include_tasks: more.yml, run_once: \"{{ inventory_hostname == 'b' }}\"}",
        "- {meta: \"{{ act }}\"}",
        "- {action: \"{{ 'debug' if inventory_hostname == 'a' else 'add_host name=z' }}\"}",
        "- {action: \"{{ 'nosuch' if inventory_hostname == 'a' else 'debug' }}\"}",
    ];
    for task in tasks {
        let play = format!("- hosts: all\n  gather_facts: false\n  tasks:\n    {task}\n    - debug: {{msg: after}}\n");
        let hosts = "a\nb act=noop\nc act=clear_facts\n";
        let place = Place::new(&[("play.yml", &play), ("hosts", hosts), ("more.yml", "- debug: {msg: more}\n")]);
        let output = Command::new("timeout")
            .args(["60", env!("CARGO_BIN_EXE_hostctl"), "run", "-i", "hosts", "-c", "local", "play.yml"])
            .current_dir(place.folder.path())
            .env("HOME", place.at("home"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(124), "{task} never ends: {}", text(&output));
        assert!(text(&output).contains("after"), "{task}: {}", text(&output));
    }
}

#[test]
fn numbers_of_any_size_end_no_run() {
    let huge = i64::MAX.to_string();
    let playbook = format!(
        "- hosts: all
  gather_facts: false
  tasks:
  - debug: {{msg: one}}
    throttle: {huge}
  - debug: {{msg: two}}
    throttle: \"{{{{ {huge} }}}}\"
    timeout: {huge}
    ignore_errors: true
  - debug: {{msg: three}}
  - command: 'true'
    async: {huge}
    poll: 1
    ignore_errors: true
  - command: 'false'
    retries: 0
    delay: 1.0e+300
    until: true
    ignore_errors: true
"
    );
    let place = Place::new(&[("play.yml", &playbook)]);
    for forks in ["1", &huge] {
        let output =
            place.run(&["run", "-i", "localhost,", "--connection", "local", "--forks", forks, "-vvv", "play.yml"]);
        let told = text(&output);
        assert!(output.status.success() && !told.contains("panicked") && told.contains("three"), "{told}");
    }
}

#[test]
fn what_was_taken_back_before_hides_no_handler_that_is_missing() {
    let place = Place::new(&[(
        "play.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n  - meta: clear_host_errors\n  - block:\n    - block:\n      \
         - command: /bin/true\n        notify: \"none {{ inventory_hostname }}\"\n      always:\n      \
         - debug: {msg: always}\n    - copy: {dest: \"{{ playbook_dir }}/swallowed\", content: x}\n    rescue:\n    \
         - copy: {dest: \"{{ playbook_dir }}/rescued\", content: x}\n",
    )]);
    let said = place.play(&[]);
    // As with Ansible the run ends there, whatever would rescue it.
    assert!(said.contains("no handler is named `none localhost`"), "{said}");
    assert!(!place.at("rescued").exists() && !place.at("swallowed").exists(), "{said}");
}

#[test]
fn nothing_of_a_no_log_result_is_told_beside_it() {
    let noter = "#!/bin/sh\necho '{\"changed\": false, \"hostctl_notes\": {\"tag\": \"Kanarie-note-1\"}}'\n";
    let place = Place::new(&[
        ("library/noter", noter),
        ("library/open", "#!/bin/sh\necho '{\"changed\": false, \"hostctl_notes\": {\"tag\": \"open-note\"}}'\n"),
        (
            "play.yml",
            r#"- hosts: all
  gather_facts: false
  vars: {given: "{{ 'Kanarie' ~ '-pause-2' }}"}
  tasks:
    - noter:
      no_log: true
    - noter:
      loop: [1]
      no_log: true
    - open:
      loop: [1]
    - debug: {msg: x}
      when: "given == 'Kanarie-when-3'"
      no_log: true
    - debug: {msg: "{{ item }}"}
      loop: [1]
      no_log: "{{ item == 1 }}"
      loop_control: {pause: "{{ given }}"}
      ignore_errors: true
    - debug: {msg: x}
      no_log: "{{ nosuch }}"
      throttle: "{{ given }}"
      ignore_errors: true
"#,
        ),
    ]);
    let shown = place.play(&[]);
    assert!(shown.contains("open-note") && shown.contains("ignored=2"), "{shown}");
    for leak in ["Kanarie-note", "Kanarie-pause", "Kanarie-when"] {
        assert!(!shown.contains(leak), "{leak}: {shown}");
    }
}

#[test]
fn a_fact_does_not_switch_off_the_check_of_host_keys() {
    let place = Place::new(&[
        (
            "library/liar",
            "#!/bin/sh\necho '{\"ansible_facts\": {\"ansible_ssh_host_key_checking\": false, \"ansible_ssh_host_key_rsa_public\": \"key\"}}'\n",
        ),
        (
            "play.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - liar:\n    - debug: {msg: \"is {{ ansible_ssh_host_key_checking | default('unset') }} {{ ansible_ssh_host_key_rsa_public }}\"}\n",
        ),
    ]);
    let shown = place.play(&[]);
    assert!(shown.contains("is unset key"), "{shown}");
}

#[test]
fn the_default_of_a_private_prompt_is_masked_and_a_wrong_word_is_refused() {
    let place = Place::new(&[
        (
            "play.yml",
            "- hosts: all\n  gather_facts: false\n  vars_prompt:\n    - {name: db, prompt: pw, private: true, default: \"{{ 'Kanarie' ~ '-default' }}\"}\n  tasks:\n    - debug: {msg: \"it is {{ db }}\"}\n",
        ),
        (
            "wrong.yml",
            "- hosts: all\n  gather_facts: false\n  vars_prompt:\n    - {name: db, private: \"{{ 'ture' }}\", default: x}\n  tasks:\n    - debug: {msg: reached}\n",
        ),
    ]);
    let shown = place.play(&[]);
    assert!(shown.contains("it is ********") && !shown.contains("Kanarie-default"), "{shown}");
    let output = place.run(&["run", "-i", "localhost,", "--connection", "local", "wrong.yml"]);
    let shown = text(&output);
    assert!(shown.contains("`private` must be a boolean") && !shown.contains("reached"), "{shown}");
    assert_eq!(output.status.code(), Some(4), "{shown}");
}
