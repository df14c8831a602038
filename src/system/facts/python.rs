//! The Python that Ansible would find on a host: roles hand its path to other programs. Nothing of hostctl runs in it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Probe;
use crate::map;
use crate::system::process::Program;
use crate::value::{Map, Value, from_json, insert};

/// Ansible's `INTERPRETER_PYTHON_FALLBACK`, in its order.
const NAMES: &[&str] =
    &["python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3.8", "/usr/bin/python3", "python3"];

/// Tells of itself, without the site's modules: that takes some milliseconds.
const QUESTION: &str = "import json, sys
from importlib.machinery import PathFinder
v = sys.version_info
print(json.dumps({'executable': sys.executable, 'version_info': list(v), 'type': sys.implementation.name,
    'has_sslcontext': '_ssl' in sys.builtin_module_names or PathFinder.find_spec('_ssl') is not None}))";

/// Past this time a host has no Python that answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Facts of the Python that is named, or path and facts of the first one that answers: a name may be that of a version
/// manager's stand-in. None if there is no such Python.
pub(super) fn python(probe: &Probe, named: Option<&str>, facts: &mut Map) {
    let end = Instant::now() + PATIENCE;
    let answers = |path: PathBuf| {
        let left = end.checked_duration_since(Instant::now())?;
        Some((path.display().to_string(), asked(probe, path, left)?))
    };
    let names = named.as_ref().map_or(NAMES, std::slice::from_ref);
    if let Some((path, found)) = names.iter().filter_map(|name| probe.which(name)).find_map(answers) {
        // What was named was not discovered.
        if named.is_none() {
            insert(facts, DISCOVERED, path);
        }
        let version = |at: usize| found.version.get(at).cloned().unwrap_or_default();
        let text: Vec<String> = found.version.iter().take(3).map(crate::value::python_str).collect();
        insert(facts, "python_version", text.join("."));
        let version = map! {
            "major" => version(0), "minor" => version(1), "micro" => version(2), "releaselevel" => version(3),
            "serial" => version(4),
        };
        let python = map! {
            "version" => version, "version_info" => found.version, "executable" => found.executable,
            "has_sslcontext" => found.ssl, "type" => found.kind,
        };
        insert(facts, "python", python);
    }
}

/// The one fact without `ansible_` before its name.
pub const DISCOVERED: &str = "discovered_interpreter_python";

struct Found {
    executable: Value,
    version: Vec<Value>,
    ssl: Value,
    kind: Value,
}

fn asked(probe: &Probe, path: PathBuf, patience: Duration) -> Option<Found> {
    let argv = [path.into_os_string(), "-SE".into(), "-c".into(), QUESTION.into()];
    let output = probe.run_fact(Program::new(argv).parsable().timeout(patience)).ok()?;
    if !output.success() {
        return None;
    }
    let mut json: serde_json::Value = serde_json::from_str(output.out().trim()).ok()?;
    let mut take = |name: &str| json.get_mut(name).map(serde_json::Value::take).map(from_json);
    let Some(Value::List(version)) = take("version_info") else { return None };
    Some(Found {
        executable: take("executable")?,
        version: version.to_vec(),
        ssl: take("has_sslcontext")?,
        kind: take("type")?,
    })
}
