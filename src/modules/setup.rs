//! `setup`: facts of the host.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, nearest};
use crate::map;
use crate::system::facts::{DISCOVERED, READS, collect, subsets, wants_local};
use crate::system::fs::shown;
use crate::system::glob::matches;
use crate::system::process::Program;
use crate::value::{Map, Value, insert, parse_json};

/// Collects facts of the host: system, names, addresses, processors, memory, disks and more.
///
/// ```yaml
/// - setup:
///     gather_subset: [min, network]
///     filter: ansible_default_*
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What to collect: `all`, `min`, `hardware`, `network`, `virtual` or single names; `!` takes out.
    #[serde(default = "all")]
    gather_subset: Vec<String>,
    /// Give back only facts that match these patterns.
    #[serde(default)]
    filter: Vec<String>,
    /// Seconds for one of the host's own fact programs.
    #[serde(default = "ten")]
    gather_timeout: u64,
    /// The folder of the host's own facts (`*.fact`).
    #[serde(default = "facts_folder")]
    fact_path: HostPath,
    /// The Python to tell of (`ansible_python_interpreter`): the engine gives it.
    #[serde(default)]
    #[schemars(skip)]
    python: Option<String>,
}

fn all() -> Vec<String> {
    vec!["all".to_owned()]
}
fn ten() -> u64 {
    10
}
fn facts_folder() -> HostPath {
    HostPath("/etc/ansible/facts.d".to_owned())
}

/// The module.
pub struct Setup;

impl Module for Setup {
    type Args = Args;
    const META: Meta = Meta {
        name: "setup",
        full_name: "ansible.builtin.setup",
        also: &["ansible.legacy.setup", "gather_facts", "ansible.builtin.gather_facts"],
        summary: "Collect facts of the host",
        tells_of: Some("python"),
        reads: READS,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let subset: Vec<String> =
            args.gather_subset.iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect();
        let known = subsets();
        // What is left out may be anything, as with Ansible: `!any` stands in many playbooks.
        for name in subset.iter().map(String::as_str).filter(|word| !word.starts_with('!')) {
            if !known.contains(&name) {
                let said = format!(
                    "Bad subset '{name}' given to Ansible. gather_subset options allowed: {}",
                    known.join(", "),
                );
                let mut error =
                    Diagnostic::task("M0005", format!("there is no subset of facts `{name}`")).with_registered(said);
                if let Some(near) = nearest(name, known.iter().copied()) {
                    error = error.with_hint(format!("`{near}`"));
                }
                return Err(error.into());
            }
        }
        let mut facts = collect(cx.probe(), &subset, args.python.as_deref());
        if wants_local(&subset) {
            insert(&mut facts, "local", local(cx, &args.fact_path.expand(cx.environment()), args.gather_timeout)?);
        }
        let asked = subset.iter().map(|word| Value::from(word.as_str())).collect::<Vec<_>>();
        let mut out = Map::new();
        for (name, value) in facts {
            let name = name.text();
            let full = if &*name == DISCOVERED { name.to_string() } else { format!("ansible_{name}") };
            let fits = |pattern: &String| pattern.is_empty() || matches(pattern, &full) || matches(pattern, &name);
            if args.filter.is_empty() || args.filter.iter().any(fits) {
                insert(&mut out, &full, value);
            }
        }
        if args.filter.is_empty() {
            insert(&mut out, "gather_subset", asked);
            insert(&mut out, "module_setup", true);
        }
        Ok(map! { "ansible_facts" => out })
    }
}

/// The host's own facts: JSON or INI files, or programs that print such.
fn local(cx: &Cx, folder: &Path, timeout: u64) -> Result<Map, Failure> {
    let mut facts = Map::new();
    if !cx.probe().is_dir(folder) {
        return Ok(facts);
    }
    for path in cx.probe().list(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".fact"))
        else {
            continue;
        };
        if let Err(error) = std::fs::metadata(&path) {
            let reason = crate::system::fs::python_error(&error, &path);
            let message = format!("Could not stat fact ({}): {reason}", shown(&path));
            cx.warn(message.clone());
            insert(&mut facts, name, message);
            continue;
        }
        let runs = cx.probe().access(&path, rustix::fs::Access::EXEC_OK);
        let text = if runs {
            // A fact program is the host's own and is run in check mode too, as Ansible does.
            let program = Program::new([path.as_os_str()]).parsable().timeout(std::time::Duration::from_secs(timeout));
            match cx.probe().run_fact(program) {
                Ok(output) if output.success() => output.out(),
                Ok(output) => {
                    let message = format!(
                        "Failure executing fact script ({}), rc: {}, err: {}",
                        shown(&path),
                        output.rc,
                        output.err()
                    );
                    cx.warn(message.clone());
                    insert(&mut facts, name, message);
                    continue;
                }
                Err(error) => {
                    cx.warn(format!("the fact program {} did not run: {error}", shown(&path)));
                    insert(&mut facts, name, error.message.clone());
                    continue;
                }
            }
        } else {
            match cx.probe().read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                // An empty fact, as with Ansible, which says nothing.
                Err(error) => {
                    cx.warn(format!("the fact `{name}` is empty: {}", error.message));
                    insert(&mut facts, name, Map::new());
                    continue;
                }
            }
        };
        let value = match parse_json(&text) {
            Ok(value) => value,
            // Python's configparser reads `%` as the beginning of a reference.
            Err(_) if ini(&text).is_some() && bad_percent(&text).is_some() => {
                let line = bad_percent(&text).unwrap_or_default();
                let message = format!(
                    "error loading facts as ini - please check content: {} ('%' must be followed by '%' or '(', found: '{line}')",
                    shown(&path)
                );
                cx.warn(message.clone());
                Value::from(message)
            }
            Err(_) => ini(&text).unwrap_or_else(|| {
                let message = format!("error loading facts as JSON or ini - please check content: {}", shown(&path));
                cx.warn(message.clone());
                Value::from(message)
            }),
        };
        insert(&mut facts, name, value);
    }
    Ok(facts)
}

/// From the first `%` that is neither doubled nor the beginning of `%(name)s`.
fn bad_percent(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut rest = line;
        while let Some(at) = rest.find('%') {
            match rest[at + 1..].chars().next() {
                Some('%') => rest = &rest[at + 2..],
                Some('(') => rest = &rest[at + 1..],
                _ => return Some(&rest[at..]),
            }
        }
        None
    })
}

/// Sections of `key=value` or `key: value`, keys in lower case as Python's configparser has them.
fn ini(text: &str) -> Option<Value> {
    let mut sections = Map::new();
    let mut current: Option<(String, Map)> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if let Some((name, section)) = current.replace((name.to_owned(), Map::new())) {
                insert(&mut sections, &name, section);
            }
        } else {
            let (_, section) = current.as_mut()?;
            let at = line.find(['=', ':'])?;
            insert(section, &line[..at].trim().to_lowercase(), line[at + 1..].trim());
        }
    }
    let (name, section) = current?;
    insert(&mut sections, &name, section);
    Some(sections.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn facts_come_by_subset_and_filter() {
        let facts = get(&module("setup", Map::new()).ok(), "ansible_facts");
        for name in [
            "distribution",
            "os_family",
            "kernel",
            "processor_vcpus",
            "memtotal_mb",
            "mounts",
            "interfaces",
            "service_mgr",
            "date_time",
        ] {
            assert!(!facts[format!("ansible_{name}")].is_null(), "{name}");
        }
        assert_eq!((&facts["module_setup"], &facts["gather_subset"]), (&json!(true), &json!(["all"])));
        let facts = get(&module("setup", map! { "gather_subset" => "!all,!min,network" }).ok(), "ansible_facts");
        assert!(
            !facts["ansible_kernel"].is_null()
                && facts["ansible_env"].is_null()
                && !facts["ansible_interfaces"].is_null()
        );
        let facts = get(&module("setup", map! { "filter" => "ansible_distribution*" }).ok(), "ansible_facts");
        assert!(facts["ansible_kernel"].is_null() && !facts["ansible_distribution_version"].is_null());
        assert_eq!(module("setup", map! { "gather_subset" => "hardwear" }).fails().diagnostic.hints, ["`hardware`"]);
    }

    #[test]
    fn python_is_told_of_if_it_is_there() {
        let facts = get(&module("setup", map! { "gather_subset" => "!all,!min,python" }).ok(), "ansible_facts");
        let found = facts["discovered_interpreter_python"].is_string();
        assert!(found || !std::path::Path::new("/usr/bin/python3").exists());
        if found {
            let version = facts["ansible_python_version"].as_str().unwrap_or_default();
            assert!(version.starts_with("3."), "{version}");
            assert_eq!(facts["ansible_python"]["version"]["major"], 3);
            assert!(facts["ansible_python"]["executable"].as_str().is_some_and(|path| path.starts_with('/')));
        }
        let facts = get(&module("setup", map! { "gather_subset" => "!all,!min,user" }).ok(), "ansible_facts");
        assert!(facts["ansible_python"].is_null());
    }

    #[test]
    fn the_hosts_own_facts() {
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("write");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        };
        write("a.fact", "{\"k\": [1]}", 0o644);
        write("b.fact", "[s]\nKey = v:w\n", 0o644);
        write("c.fact", "#!/bin/sh\necho '{\"run\": true}'\n", 0o755);
        write("d.fact", "#!/bin/sh\nexit 3\n", 0o755);
        write("e.txt", "no", 0o644);
        let args = map! { "fact_path" => shown(folder.path()), "gather_subset" => "!all,!min,local" };
        let outcome = module("setup", args).ok();
        let local = get(&outcome, "ansible_facts")["ansible_local"].clone();
        assert_eq!(
            (&local["a"], &local["b"], &local["c"]),
            (&json!({"k": [1]}), &json!({"s": {"key": "v:w"}}), &json!({"run": true}))
        );
        assert!(local["d"].as_str().is_some_and(|text| text.contains("rc: 3")) && local["e"].is_null());
        assert_eq!(outcome.warnings.len(), 1);
    }

    #[test]
    fn a_fact_that_cannot_be_read_is_empty() {
        let folder = tempfile::tempdir().expect("folder");
        let fifo = folder.path().join("x.fact");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("fifo");
        std::fs::write(folder.path().join("y.fact"), "{\"k\": 1}").expect("write");
        let path = folder.path().to_string_lossy().into_owned();
        let outcome = module("setup", map! { "fact_path" => path, "gather_subset" => "!all,!min,local" }).ok();
        assert_eq!(get(&outcome, "ansible_facts")["ansible_local"], json!({"x": {}, "y": {"k": 1}}));
        assert!(outcome.warnings.iter().any(|warning| warning.contains("`x` is empty")), "{:?}", outcome.warnings);
    }
}
