//! `hostctl image build` and `image plan`: image builds without a playbook, with a real engine and a real registry of
//! their own. Skipped with the reason where these cannot run.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/lab.rs"]
mod lab;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/site.rs"]
mod site;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "connection/lab.rs"]
mod ssh_lab;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lab::PASSWORD;
use serde_json::{Value as Json, json};
use site::{Ended, Site, skipped};
use ssh_lab::Sshd;

const TREE: &[(&str, &str)] = &[("app/Dockerfile", "FROM base\nRUN echo app > /app\n")];

/// `image why` looks through the machine's record: no other test may have an image of this name.
const HOSTED: &[(&str, &str)] = &[("hosted/Dockerfile", "FROM base\nRUN echo app > /app\n")];

/// Runs `hostctl image WORDS` with the password on standard input; all processes' arguments and environments meanwhile are
/// looked through for it.
fn image(site: &Site, words: &[&str]) -> Ended {
    // Runs are told apart by the second in which they began.
    std::thread::sleep(Duration::from_millis(1100));
    let mut all = vec!["image"];
    all.extend(words);
    let mut child =
        site.command(&all).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut looked = 0;
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    for name in ["cmdline", "environ"] {
                        let Ok(bytes) = fs::read(entry.path().join(name)) else { continue };
                        looked += 1;
                        // The labs of other tests make their password files by it.
                        if bytes.starts_with(b"htpasswd") || bytes.starts_with(b"/usr/bin/htpasswd") {
                            continue;
                        }
                        let found = bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
                        assert!(!found, "{}", String::from_utf8_lossy(&bytes));
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            looked
        });
        writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        let output = child.wait_with_output().unwrap();
        done.store(true, Ordering::Relaxed);
        assert!(sampler.join().unwrap() > 10, "no process was looked at");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains(PASSWORD), "{text}");
        Ended { code: output.status.code(), text }
    })
}

/// All files below a folder that hold the password, as it is or as JSON has it.
fn holders(folder: &Path, found: &mut BTreeSet<String>) {
    let escaped = serde_json::to_string(PASSWORD).unwrap();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            holders(&path, found);
        } else if let Ok(text) = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            && (text.contains(PASSWORD) || text.contains(escaped.trim_matches('"')))
        {
            found.insert(path.display().to_string());
        }
    }
}

#[test]
fn one_command_plans_builds_pushes_and_reuses() {
    let Some(site) = Site::new(TREE, &json!({})) else { return };
    fs::remove_file(site.folder.join("play.yml")).unwrap();
    let (engine, registry, namespace) = (site.lab.address(), site.lab.registry.clone(), site.namespace.clone());
    let with = |first: &[&str], more: &[&str]| {
        let mut words = first.to_vec();
        words.extend(["--engine", &engine, "--network", "host", "--min-free", "1m", "--namespace", &namespace]);
        words.extend(more);
        image(&site, &words)
    };
    let login = ["--registry", &registry, "--username", "builder", "--password-stdin"];
    let pushed = |first: &[&str], tag: &str| {
        let more: Vec<&str> = login.iter().copied().chain(["--push", "--tag", tag]).collect();
        with(first, &more)
    };
    let tree = ["build", "--tree", "images"];

    let planned = pushed(&["plan", "--tree", "images"], "t1");
    assert_eq!(planned.code, Some(0), "{}", planned.text);
    assert!(planned.text.contains("2 to build"), "{}", planned.text);

    let built = pushed(&tree, "t1");
    assert_eq!(built.code, Some(0), "{}", built.text);
    assert_eq!(Site::states(&site.last(), "app"), ["waiting", "building", "built", "pushing", "pushed"]);
    let again = pushed(&tree, "t2");
    assert_eq!(again.code, Some(0), "{}", again.text);
    assert!(again.text.contains("0 to build, 2 to reuse"), "{}", again.text);
    let (there, tags) = site.lab.docker(&["pull", &format!("{registry}/{namespace}/app:t2")]);
    assert!(there, "{tags}");

    // Without a registry, a namespace and a tag.
    let bare =
        image(&site, &["build", "--tree", "images", "--engine", &engine, "--network", "host", "--min-free", "1m"]);
    assert_eq!(bare.code, Some(0), "{}", bare.text);
    let why = image(&site, &["why", "app"]);
    assert!(why.code == Some(0) && why.text.starts_with("app: nothing differs"), "{}", why.text);
    for (option, what) in [("--tree", "folder"), ("--list", "file"), ("--labels", "folder")] {
        let wrong = image(&site, &["build", option, "imges", "--engine", &engine]);
        assert_eq!(wrong.code, Some(5), "{}", wrong.text);
        assert!(wrong.text.contains(&format!("`{option} imges`: there is no such {what}")), "{}", wrong.text);
    }

    // A list is a file, not a folder.
    site.write("two.yml", "images:\n- {name: base, context: base}\n- {name: app, context: app}\n");
    let listed = pushed(&["build", "--list", "images/two.yml"], "t2");
    assert_eq!(listed.code, Some(0), "{}", listed.text);
    assert!(listed.text.contains("0 to build, 2 to reuse"), "{}", listed.text);

    site.write("app/Dockerfile", "FROM base\nRUN exit 3\n");
    let failed = pushed(&tree, "t3");
    assert_eq!(failed.code, Some(2), "{}", failed.text);
    assert!(failed.text.contains("images/app/Dockerfile:2"), "{}", failed.text);
    assert!(failed.text.contains("--resume") && !failed.text.contains("--start-at-task"), "{}", failed.text);

    let mut found = BTreeSet::new();
    holders(&site.folder, &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_host_is_reached_by_ssh_and_builds_there() {
    if let Some(program) = ssh_lab::missing() {
        return skipped(&format!("no `{program}`"));
    }
    let Some(site) = Site::new(HOSTED, &json!({})) else { return };
    let sshd = Sshd::start();
    let user = ssh_lab::user(Some("ALL=(ALL) NOPASSWD: ALL"));
    let host = format!("{}@127.0.0.1:{}", user.name, sshd.port);
    let (engine, ssh) = (site.lab.address(), format!("-F {}", sshd.path("config").display()));
    let ended = image(
        &site,
        &[
            "build",
            "--host",
            &host,
            "--become",
            "--ssh-common-args",
            &ssh,
            "--tree",
            "images",
            "--engine",
            &engine,
            "--network",
            "host",
            "--min-free",
            "1m",
            "--namespace",
            &site.namespace,
            "--tag",
            "h1",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert_eq!(Site::states(&site.last(), "hosted"), ["waiting", "building", "built"], "{}", ended.text);
    assert!(site.lab.docker(&["image", "inspect", &format!("{}/hosted:h1", site.namespace)]).0);

    // What may stop builds, and why an image would be built, there as here.
    let runs = site.runs().len();
    let there = ["--host", &host, "--become", "--ssh-common-args", &ssh];
    let asked = |words: &[&str]| image(&site, &[words, &there].concat());
    let here = image(&site, &["doctor", "--engine", &engine, "--tree", "images"]);
    let found = asked(&["doctor", "--engine", &engine, "--tree", "images"]);
    assert_eq!((here.code, found.code), (Some(0), Some(0)), "{}{}", here.text, found.text);
    let checks = |text: &str| -> Vec<String> { text.lines().map(|line| line[..18].to_owned()).collect() };
    assert_eq!(checks(&here.text), checks(&found.text), "{}", found.text);
    assert_eq!(here.text.lines().next(), found.text.lines().next());
    let found = asked(&["doctor", "--engine", "unix:///nonexistent/docker.sock", "--output", "jsonl"]);
    assert_eq!(found.code, Some(1), "{}", found.text);
    let line: Json = serde_json::from_str(found.text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["severity"], &line["check"], &line["host"]),
        (&"FAIL".into(), &"engine".into(), &"127.0.0.1".into())
    );
    let why = asked(&["why", "hosted", "--tree", "images"]);
    assert_eq!(why.code, Some(0), "{}", why.text);
    assert!(why.text.starts_with("hosted: nothing differs\n  from tag h1, "), "{}", why.text);
    let base = fs::read_to_string(site.folder.join("images/base/Dockerfile")).unwrap();
    site.write("base/Dockerfile", &format!("{base}LABEL other=1\n"));
    let why = asked(&["why", "hosted", "--tree", "images", "--output", "jsonl"]);
    let line: Json = serde_json::from_str(&why.text).unwrap();
    assert_eq!(line["host"], "127.0.0.1");
    assert!(line["difference"].as_str().unwrap().starts_with("parent `base`: `Dockerfile` line"), "{line}");
    // A tree that was sent is known by its place on the controller, which is this machine: the same answer there and here.
    let (why, why_here) = (asked(&["why", "hosted"]), image(&site, &["why", "hosted"]));
    let first = |ended: &Ended| ended.text.lines().next().unwrap_or_default().to_owned();
    assert_eq!((why.code, why_here.code), (Some(0), Some(0)), "{}{}", why.text, why_here.text);
    assert!(first(&why).starts_with("hosted: parent `base`: `Dockerfile` line"), "{}", why.text);
    assert_eq!(first(&why), first(&why_here));
    fs::rename(site.folder.join("images"), site.folder.join("moved")).unwrap();
    let gone = image(&site, &["why", "hosted"]);
    assert_eq!(gone.code, Some(2), "{}", gone.text);
    let folder = fs::canonicalize(&site.folder).unwrap();
    assert!(gone.text.contains(&format!("`{}/images` of the last build", folder.display())), "{}", gone.text);
    fs::rename(site.folder.join("moved"), site.folder.join("images")).unwrap();
    let why = asked(&["why", "unheard-of", "--tree", "images"]);
    assert_eq!(why.code, Some(2), "{}", why.text);
    assert!(why.text.contains("127.0.0.1: no recorded build has an image `unheard-of`"), "{}", why.text);
    let away = image(&site, &["doctor", "--host", "127.0.0.1:1", "--timeout", "5"]);
    assert_eq!(away.code, Some(4), "{}", away.text);
    assert_eq!(site.runs().len(), runs, "a question leaves no record");

    // The same by an environment.
    let inventory = json!({ "build_hosts": { "hosts": { "b1": {
        "ansible_host": "127.0.0.1", "ansible_port": sshd.port, "ansible_user": user.name,
        "ansible_ssh_common_args": ssh, "ansible_become": true,
    } } } });
    fs::create_dir_all(site.folder.join("environments/ci")).unwrap();
    fs::write(site.folder.join("environments/ci/environment.yml"), "").unwrap();
    fs::create_dir_all(site.folder.join("environments/ci/inventory")).unwrap();
    fs::write(site.folder.join("environments/ci/inventory/hosts.yml"), inventory.to_string()).unwrap();
    several_hosts(&site, &inventory, &engine);
    let found = image(&site, &["doctor", "--env", "ci", "--engine", &engine]);
    assert_eq!(found.code, Some(0), "{}", found.text);
    assert_eq!(here.text.lines().next(), found.text.lines().next());
    let build =
        ["build", "--env", "ci", "--tree", "images", "--engine", &engine, "--network", "host", "--min-free", "1m"];
    let built = image(&site, &[&build[..], &["--namespace", &site.namespace, "--tag", "h2"]].concat());
    assert_eq!(built.code, Some(0), "{}", built.text);
    assert!(site.lab.docker(&["image", "inspect", &format!("{}/hosted:h2", site.namespace)]).0);
}

/// Each host that answers has a heading, and the worst gives the exit code. `inventory` has one, `b1`.
fn several_hosts(site: &Site, inventory: &Json, engine: &str) {
    let mut inventory = inventory.clone();
    let mut asked = |change: &dyn Fn(&mut Json), more: &[&str]| {
        change(&mut inventory["build_hosts"]["hosts"]);
        fs::write(site.folder.join("several.yml"), inventory.to_string()).unwrap();
        image(site, &[&["doctor", "-i", "several.yml", "--engine", engine], more].concat())
    };
    let two = asked(&|hosts| hosts["b2"] = hosts["b1"].clone(), &[]);
    assert_eq!(two.code, Some(0), "{}", two.text);
    let headings: BTreeSet<&str> = two.text.lines().filter(|line| line.ends_with(':')).collect();
    assert_eq!(headings, BTreeSet::from(["b1:", "b2:"]), "{}", two.text);
    let one = asked(&|_| (), &["--limit", "b2", "--output", "jsonl"]);
    assert_eq!(one.code, Some(0), "{}", one.text);
    assert!(one.text.lines().all(|line| line.contains("\"host\":\"b2\"")), "{}", one.text);
    let none = asked(&|_| (), &["--limit", "b9"]);
    assert!(none.code.is_some_and(|code| code != 0) && none.text.contains("b9"), "{:?} {}", none.code, none.text);
    let away = json!({ "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_timeout": 5 });
    let two = asked(&|hosts| hosts["b2"] = away.clone(), &[]);
    assert_eq!(two.code, Some(4), "{}", two.text);
    assert!(two.text.contains("b2: ") && two.text.contains("ok "), "{}", two.text);
    assert!(two.text.contains("\nb1:\n") || two.text.starts_with("b1:\n"), "{}", two.text);
    // No answer is no good answer, though the other host is well: only root may read the tree.
    let private = site.folder.join("private");
    fs::create_dir_all(private.join("one")).unwrap();
    fs::write(private.join("one/Dockerfile"), "FROM scratch\n").unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let tree = private.display().to_string();
    let own = |hosts: &mut Json| {
        hosts["b2"] = hosts["b1"].clone();
        hosts["b2"]["ansible_become"] = false.into();
    };
    let half = asked(&own, &["--tree", &tree, "--remote-src"]);
    assert_eq!(half.code, Some(2), "{}", half.text);
    assert!(half.text.contains("b1:\n") && half.text.contains("b2: `"), "{}", half.text);
}

#[test]
fn an_environment_without_build_hosts_is_told() {
    let Some(site) = Site::new(TREE, &json!({})) else { return };
    let environment = site.folder.join("environments/ci");
    fs::create_dir_all(environment.join("inventory")).unwrap();
    fs::write(environment.join("inventory/hosts.yml"), "web:\n  hosts:\n    w1:\n").unwrap();
    fs::write(environment.join("environment.yml"), "").unwrap();
    let ended = site.run(&["image", "build", "--tree", "images", "--env", "ci"]);
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.text);
    assert!(ended.text.contains("build_hosts"), "{}", ended.text);
}
