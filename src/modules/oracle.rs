//! The same task by ansible-core and by hostctl, results compared key by key.
//!
//! Runs where `HOSTCTL_ORACLE` names ansible's `ansible` program (`.../venv/bin/ansible`); skipped elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::testing::module;
use crate::value::{Value, from_json};

struct Oracle {
    program: PathBuf,
    inventory: tempfile::NamedTempFile,
}

impl Oracle {
    fn find() -> Option<Self> {
        let Some(program) = std::env::var_os("HOSTCTL_ORACLE").map(PathBuf::from).filter(|path| path.exists()) else {
            println!("skipped: HOSTCTL_ORACLE does not name ansible's program");
            return None;
        };
        let inventory = tempfile::NamedTempFile::new().expect("file");
        let python = program.with_file_name("python");
        let line = format!("localhost ansible_connection=local ansible_python_interpreter={}\n", python.display());
        std::fs::write(inventory.path(), line).expect("inventory");
        Some(Self { program, inventory })
    }

    fn run(&self, name: &str, args: &Json, check: bool) -> Json {
        let mut command = Command::new(&self.program);
        let python = format!("ansible_python_interpreter={}", self.program.with_file_name("python").display());
        command.arg("-e").arg(python).arg("-i").arg(self.inventory.path()).args([
            "localhost",
            "-m",
            name,
            "-a",
            &args.to_string(),
        ]);
        if check {
            command.arg("--check");
        }
        let tree = tempfile::tempdir().expect("folder");
        // Facts are on the terminal only where no tree is written.
        if name != "setup" {
            command.arg("--tree").arg(tree.path());
        }
        command.env("ANSIBLE_NOCOLOR", "1");
        let output = command.output().expect("ansible runs");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        // The tree has results whole, without facts and without `failed`; the terminal has those.
        let mut result: Json = if name == "setup" {
            let (_, text) = shown.split_once("=> ").expect("facts");
            serde_json::from_str(text.trim()).expect("facts")
        } else {
            let text = std::fs::read(tree.path().join("localhost")).unwrap_or_default();
            serde_json::from_slice(&text).unwrap_or_else(|_| panic!("{name}: {shown}"))
        };
        if !output.status.success() {
            result["failed"] = json!(true);
        }
        // Looking at a file moves its time of access.
        if let Some(stat) = result.get_mut("stat").and_then(Json::as_object_mut) {
            stat.remove("atime");
        }
        result
    }
}

/// hostctl's result in the same form.
fn ours(name: &str, args: &Json, check: bool) -> Json {
    let Value::Map(map) = from_json(args.clone()) else { panic!("arguments are a mapping") };
    let (mut result, changed, failed, msg) = match module(name, (*map).clone()).check(check).run() {
        Ok(outcome) => (outcome.result, outcome.changed, false, None),
        Err(failure) => (failure.result, failure.changed, true, Some(failure.diagnostic.message.clone())),
    };
    crate::value::insert(&mut result, "changed", changed);
    if failed {
        crate::value::insert(&mut result, "failed", true);
    }
    if let Some(msg) = msg
        && !result.contains_key(&crate::value::StrKey("msg"))
    {
        crate::value::insert(&mut result, "msg", msg);
    }
    let mut result = crate::value::to_json(&Value::from(result));
    if let Some(stat) = result.get_mut("stat").and_then(Json::as_object_mut) {
        stat.remove("atime");
    }
    result
}

/// Keys of both results must be equal, except the named ones.
fn compare(name: &str, theirs: &Json, ours: &Json, except: &[&str]) -> Vec<String> {
    let empty = JsonMap::new();
    let (theirs, ours) = (theirs.as_object().unwrap_or(&empty), ours.as_object().unwrap_or(&empty));
    let mut keys: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
    keys.sort();
    keys.dedup();
    let always =
        ["invocation", "diff", "deprecations", "warnings", "exception", "ansible_facts", "start", "end", "delta"];
    keys.iter()
        .filter(|key| !always.contains(&key.as_str()) && !except.contains(&key.as_str()))
        .filter(|key| theirs.get(**key) != ours.get(**key))
        .map(|key| format!("{name}.{key}: ansible {:?}, hostctl {:?}", theirs.get(*key), ours.get(*key)))
        .collect()
}

struct Case {
    name: &'static str,
    args: Json,
    check: bool,
    /// Keys that differ on purpose.
    except: &'static [&'static str],
    /// Runs before each of the two, so both start from the same host.
    prepare: fn(&Path),
}

fn case(name: &'static str, args: Json, except: &'static [&'static str]) -> Case {
    Case { name, args, check: false, except, prepare: |_| {} }
}

#[test]
fn results_equal_those_of_ansible() {
    let Some(oracle) = Oracle::find() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let group = format!("hcto{}", std::process::id());
    let with = |mut case: Case, prepare: fn(&Path)| {
        case.prepare = prepare;
        case
    };
    let checked = |mut case: Case| {
        case.check = true;
        case
    };
    let file: fn(&Path) = |folder| {
        let _ = std::fs::remove_dir_all(folder.join("d"));
        let _ = std::fs::remove_file(folder.join("l"));
        let _ = std::fs::remove_file(folder.join("f"));
        std::fs::write(folder.join("f"), "a=1\nb=2\n").expect("write");
    };
    let cases = vec![
        case("command", json!({"cmd": "printf 'a\\nb' "}), &[]),
        case("command", json!({"cmd": "true", "creates": "/etc/passwd"}), &[]),
        case("shell", json!({"cmd": "echo out; echo err >&2; exit 3"}), &[]),
        case("stat", json!({"path": "/etc/passwd"}), &[]),
        case("stat", json!({"path": "/etc/os-release", "follow": true, "get_checksum": false}), &[]),
        case("stat", json!({"path": "/etc/os-release"}), &[]),
        case("stat", json!({"path": "/no/such"}), &[]),
        with(case("file", json!({"path": at("d/e"), "state": "directory", "mode": "0750"}), &[]), file),
        with(case("file", json!({"path": at("f"), "mode": "u=rw,g=,o="}), &[]), file),
        with(case("file", json!({"path": at("l"), "src": at("f"), "state": "link"}), &[]), file),
        with(case("file", json!({"path": at("f"), "state": "absent"}), &[]), file),
        with(case("file", json!({"path": at("none"), "state": "file"}), &[]), file),
        with(case("copy", json!({"content": "x\n", "dest": at("new")}), &["src"]), |folder| {
            let _ = std::fs::remove_file(folder.join("new"));
        }),
        with(case("copy", json!({"content": "a=1\nb=2\n", "dest": at("f")}), &["path"]), file),
        with(case("lineinfile", json!({"path": at("f"), "regexp": "^a=", "line": "a=3"}), &[]), file),
        with(case("lineinfile", json!({"path": at("f"), "line": "b=2", "state": "absent"}), &[]), file),
        checked(with(case("lineinfile", json!({"path": at("f"), "line": "c"}), &[]), file)),
        with(case("replace", json!({"path": at("f"), "regexp": "=", "replace": ":"}), &[]), file),
        checked(with(case("replace", json!({"path": at("f"), "regexp": "=", "replace": ":"}), &[]), file)),
        with(case("blockinfile", json!({"path": at("f"), "block": "x", "insertbefore": "^b"}), &[]), file),
        with(case("blockinfile", json!({"path": at("none"), "block": "x"}), &[]), file),
        case(
            "find",
            json!({"paths": "/etc/apt", "patterns": "*.list,*.conf", "get_checksum": true, "recurse": true}),
            &["files"],
        ),
        case("find", json!({"paths": "/no/such"}), &[]),
        with(case("assemble", json!({"src": "/etc/apt/apt.conf.d", "dest": at("joined")}), &[]), |folder| {
            let _ = std::fs::remove_file(folder.join("joined"));
        }),
        case("get_url", json!({"url": "http://127.0.0.1:1/x", "dest": at("none"), "timeout": 2}), &["elapsed"]),
        case("uri", json!({"url": "http://127.0.0.1:1/x", "timeout": 2}), &["elapsed"]),
        with(
            case("cron", json!({"name": "x", "job": "y", "cron_file": at("jobs"), "user": "root", "hour": "3"}), &[]),
            |folder| {
                let _ = std::fs::remove_file(folder.join("jobs"));
            },
        ),
        case("known_hosts", json!({"name": "hct.example", "path": at("known"), "state": "absent"}), &[]),
        case("async_status", json!({"jid": "j1.2"}), &[]),
        case("user", json!({"name": "daemon"}), &[]),
        checked(case("user", json!({"name": "hct-none"}), &["name", "state", "system", "create_home"])),
        case("group", json!({"name": "daemon"}), &[]),
        checked(case("group", json!({"name": group}), &["name", "state"])),
        case("wait_for", json!({"path": "/etc/passwd", "search_regex": "^(root):", "timeout": 5}), &[]),
        case("wait_for", json!({"path": "/no/such", "timeout": 1}), &["elapsed"]),
        case("slurp", json!({"src": "/etc/hostname"}), &[]),
        case("getent", json!({"database": "passwd", "key": "root"}), &[]),
        checked(case(
            "apt",
            json!({"name": "sl", "state": "absent"}),
            &["cache_updated", "cache_update_time", "stdout", "stdout_lines", "stderr", "stderr_lines"],
        )),
        case("service", json!({"name": "no-such-service-x", "state": "started"}), &["status"]),
    ];
    let mut differences = Vec::new();
    for case in cases {
        (case.prepare)(folder.path());
        let theirs = oracle.run(case.name, &case.args, case.check);
        (case.prepare)(folder.path());
        let ours = ours(case.name, &case.args, case.check);
        // Failures say the same in other words.
        let mut except = case.except.to_vec();
        if theirs["failed"] == json!(true) {
            except.push("msg");
        }
        differences.extend(compare(&format!("{} {}", case.name, case.args), &theirs, &ours, &except));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The same value with every list of texts in order.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Array(items) if items.iter().all(Json::is_string) => {
            let mut texts: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            texts.sort_unstable();
            json!(texts)
        }
        Json::Object(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect()),
        other => other.clone(),
    }
}

#[test]
fn facts_equal_those_of_ansible() {
    let Some(oracle) = Oracle::find() else { return };
    let theirs = oracle.run("setup", &json!({"gather_subset": ["all"]}), false)["ansible_facts"].clone();
    let ours = {
        let outcome = module("setup", crate::value::Map::new()).ok();
        super::testing::get(&outcome, "ansible_facts")
    };
    // Of the moment, of the process, or of a Python that is not here.
    let moving = [
        "ansible_date_time",
        "ansible_env",
        "ansible_loadavg",
        "ansible_memfree_mb",
        "ansible_memory_mb",
        "ansible_mounts",
        "ansible_uptime_seconds",
        "ansible_python",
        "ansible_python_version",
        "ansible_swapfree_mb",
        "discovered_interpreter_python",
        "ansible_system_capabilities",
        "ansible_interfaces",
        "ansible_devices",
    ];
    // Ansible walks interfaces in the order of a Python set.
    let differences = compare("setup", &sorted(&theirs), &sorted(&ours), &moving);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let keys = |facts: &Json, path: &str| -> Vec<String> {
        let mut keys: Vec<String> =
            facts.pointer(path).and_then(Json::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default();
        keys.sort();
        keys
    };
    for path in ["/ansible_date_time", "/ansible_memory_mb", "/ansible_mounts/0", "/ansible_loadavg"] {
        assert_eq!(keys(&theirs, path), keys(&ours, path), "{path}");
    }
}
