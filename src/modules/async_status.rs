//! `async_status`: what became of a job that a task with `async` started; and the form of its result file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Failure, Outcome};
use super::cx::Cx;
use super::refusal::refused_with;
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::diag::Diagnostic;
use crate::map;
use crate::system::fs::shown;
use crate::value::{Map, StrKey, Value, from_json, insert};

/// Asks for the state of a job that `async` started, or removes its result.
///
/// ```yaml
/// - name: Build for up to an hour
///   command: make world
///   async: 3600
///   poll: 0
///   register: build
/// - name: Wait for it
///   async_status:
///     jid: "{{ build.ansible_job_id }}"
///   register: built
///   until: built is finished
///   retries: 100
///   delay: 30
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The job: `ansible_job_id` of the task that started it.
    jid: String,
    /// Ask for the state, or remove the result.
    #[serde(default)]
    mode: What,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum What {
    Cleanup,
    #[default]
    Status,
}

/// The module.
pub struct AsyncStatus;

impl Module for AsyncStatus {
    type Args = Args;
    const META: Meta = Meta {
        name: "async_status",
        full_name: "ansible.builtin.async_status",
        also: &["ansible.legacy.async_status"],
        summary: "Ask for the state of a job",
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let folder = cx.probe().variable("ANSIBLE_ASYNC_DIR").unwrap_or_else(|| "~/.ansible_async".to_owned());
        let folder = HostPath(folder).expand(cx.environment());
        let mut result = map! {
            "started" => false, "finished" => false, "stdout" => "", "stderr" => "",
            "stdout_lines" => Vec::<Value>::new(), "stderr_lines" => Vec::<Value>::new(),
            "ansible_job_id" => args.jid.as_str(),
        };
        let file = folder.join(&args.jid);
        let plain = !args.jid.is_empty() && !args.jid.contains('/') && !args.jid.starts_with('.');
        if !plain || !cx.probe().exists(&file) {
            result.extend(map! { "started" => true, "finished" => true, "results_file" => shown(&file) });
            return Err(refused_with("H0118", "could not find job", result));
        }
        if args.mode == What::Cleanup {
            // The result is hostctl's own file: its end is no change of the host.
            cx.scratch(|host| host.remove_file(&file))?;
            insert(&mut result, "erased", shown(&file));
            return Ok(result);
        }
        result.extend(map! { "results_file" => shown(&file), "started" => true });
        let Ok(serde_json::Value::Object(data)) = serde_json::from_slice(&cx.probe().read(&file)?) else {
            return Ok(result);
        };
        let Value::Map(data) = from_json(data.into()) else { return Ok(result) };
        let mut data = (*data).clone();
        if !data.contains_key(&StrKey("started")) {
            insert(&mut data, "finished", true);
            insert(&mut data, "ansible_job_id", args.jid.as_str());
        }
        take_result(cx, result, data)
    }
}

/// The registered form of how a call ended, as Ansible's modules print it.
pub fn job_result(ended: Result<Outcome, Failure>) -> Map {
    let list = |warnings: Vec<String>| warnings.into_iter().map(Value::from).collect::<Vec<_>>();
    match ended {
        Ok(outcome) => {
            let mut result = outcome.result;
            insert(&mut result, "changed", outcome.changed);
            if outcome.skipped {
                insert(&mut result, "skipped", true);
            }
            if !outcome.warnings.is_empty() {
                insert(&mut result, "warnings", list(outcome.warnings));
            }
            result
        }
        Err(failure) => {
            let mut result = failure.result;
            insert(&mut result, "changed", failure.changed);
            insert(&mut result, "failed", true);
            if !result.contains_key(&StrKey("msg")) {
                insert(&mut result, "msg", failure.diagnostic.message.clone());
            }
            if !failure.warnings.is_empty() {
                insert(&mut result, "warnings", list(failure.warnings));
            }
            result
        }
    }
}

/// Takes a result that a program printed (a job's file, a custom executable) as this call's own.
pub(super) fn take_result(cx: &Cx, mut result: Map, data: Map) -> Result<Map, Failure> {
    let flag = |name: &str| data.get(&StrKey(name)).is_some_and(Value::truthy);
    // A code alone is a failure too.
    let bad_code = !data.contains_key(&StrKey("failed"))
        && data.get(&StrKey("rc")).is_some_and(|rc| !matches!(crate::value::python_str(rc).as_str(), "0" | "None"));
    let (changed, skipped, failed) = (flag("changed"), flag("skipped"), flag("failed") || bad_code);
    cx.adopt(changed, skipped);
    for (key, value) in data {
        match key.as_str() {
            Some("changed" | "skipped" | "failed") => {}
            Some("warnings") => {
                let texts = match &value {
                    Value::List(texts) => texts.to_vec(),
                    one => vec![one.clone()],
                };
                texts.iter().for_each(|text| cx.warn(crate::value::python_str(text)));
                result.insert(key, Value::from(texts));
            }
            _ => {
                result.insert(key, value);
            }
        }
    }
    if !failed {
        return Ok(result);
    }
    let message = match result.get(&StrKey("msg")) {
        Some(message) => crate::value::python_str(message),
        None => "the module failed without a message".to_owned(),
    };
    let mut diagnostic = Diagnostic::task("H0118", message);
    if let Some(text) = result.get(&StrKey("stderr")).and_then(Value::as_str) {
        let lines: Vec<&str> = text.trim_end().lines().collect();
        diagnostic.notes.extend(lines[lines.len().saturating_sub(20)..].iter().map(|line| format!("stderr: {line}")));
    }
    Err(Failure::with_result(diagnostic, result))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn states_of_jobs() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().to_string_lossy().into_owned();
        let ask = |jid: &str, mode: &str| {
            module("async_status", map! { "jid" => jid, "mode" => mode }).env("ANSIBLE_ASYNC_DIR", &dir)
        };
        let write = |jid: &str, text: &str| std::fs::write(folder.path().join(jid), text).expect("write");
        write("j1.2", r#"{"started": true, "finished": false, "ansible_job_id": "j1.2"}"#);
        let outcome = ask("j1.2", "status").ok();
        assert_eq!((get(&outcome, "finished"), outcome.changed), (json!(false), false));
        write("j1.2", r#"{"rc": 0, "changed": true, "stdout": "x", "warnings": ["w"]}"#);
        let outcome = ask("j1.2", "status").ok();
        assert_eq!(
            (get(&outcome, "finished"), get(&outcome, "stdout"), outcome.changed),
            (json!(true), json!("x"), true)
        );
        assert_eq!(outcome.warnings, ["w"]);
        write("j1.2", r#"{"failed": true, "msg": "no"}"#);
        assert_eq!(ask("j1.2", "status").fails().diagnostic.message, "no");
        assert_eq!(get(&ask("j1.2", "cleanup").ok(), "erased"), json!(format!("{dir}/j1.2")));
        let failure = ask("j1.2", "status").fails();
        assert_eq!(failure.result.get(&StrKey("msg")), Some(&"could not find job".into()));
        assert!(ask("../x", "status").run().is_err());
    }
}
