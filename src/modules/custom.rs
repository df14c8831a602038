//! Modules of one's own: an executable of `library/` that gets its arguments in a file and prints JSON.
//!
//! The three kinds of ansible-core's `module_common.py` that need no Python of Ansible's: binary programs and
//! scripts with `WANT_JSON` get a JSON file, other scripts get `key=value` words, and
//! `<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>` in a script is replaced by the JSON text.

use std::borrow::Cow;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map as Json, Value as JsonValue};

use super::async_status::take_result;
use super::call::{Blob, Failure};
use super::cx::Cx;
use super::refusal::refused_with;
use super::spec::{InputArg, Meta, Module, ModuleEntry, entry};
use crate::diag::Diagnostic;
use crate::map;
use crate::system::Probe;
use crate::system::fs::Content;
use crate::system::process::{Output, Program, quote};
use crate::value::{Map, Value, from_json, insert, python_str};

/// The name under which calls go to the agent; no task can write it.
pub const CUSTOM: &str = "hostctl.core.custom";

/// The marker that a script has for its arguments in its own text.
const JSON_ARGS: &[u8] = b"<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";

/// The arguments of a program are its own business.
#[derive(Deserialize, JsonSchema)]
pub struct Args {
    /// The module's name.
    #[schemars(skip)]
    name: String,
    /// Its arguments.
    #[schemars(skip)]
    #[serde(rename = "args")]
    given: Json<String, JsonValue>,
    /// What runs it, in the place of its first line (`ansible_perl_interpreter`).
    #[schemars(skip)]
    interpreter: Option<String>,
}

/// The module.
pub struct Custom;

impl Module for Custom {
    type Args = Args;
    const META: Meta = Meta {
        name: CUSTOM,
        full_name: CUSTOM,
        summary: "An executable of `library/`",
        any_argument: true,
        inputs: &[InputArg::Program { arg: "module" }],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let input = cx.input("module").ok_or_else(|| Diagnostic::internal("a module came without its program"))?;
        let file = input.entries.first().ok_or_else(|| Diagnostic::internal("an input without a file"))?;
        let program = match cx.blob(file)? {
            Blob::Memory(bytes) => bytes.to_vec(),
            Blob::File(path) => cx.probe().read(&path)?,
        };
        let name = args.name.rsplit('.').next().unwrap_or_default().to_owned();
        let style = Style::of(&program);
        let mut all = args.given;
        all.extend([
            ("_ansible_check_mode".to_owned(), cx.check_mode().into()),
            ("_ansible_diff".to_owned(), cx.diff_mode().into()),
            ("_ansible_no_log".to_owned(), cx.no_log().into()),
            ("_ansible_debug".to_owned(), false.into()),
            ("_ansible_verbosity".to_owned(), 0.into()),
            ("_ansible_version".to_owned(), "2.19.0".into()),
            ("_ansible_module_name".to_owned(), name.clone().into()),
            ("_ansible_socket".to_owned(), JsonValue::Null),
            ("_ansible_keep_remote_files".to_owned(), false.into()),
            ("_ansible_shell_executable".to_owned(), "/bin/sh".into()),
        ]);
        let output = cx.as_module(|host| {
            let folder = host.program_folder()?;
            let (path, arguments) = (folder.path().join(&name), folder.path().join("args"));
            all.insert("_ansible_tmpdir".to_owned(), folder.path().to_string_lossy().into_owned().into());
            let json = JsonValue::Object(all).to_string();
            let (program, text) = match style {
                Style::Json => (Cow::Borrowed(&program), Some(json)),
                Style::Words => (Cow::Borrowed(&program), Some(words(&json))),
                Style::Inside => (Cow::Owned(replaced(&program, json.as_bytes())), None),
            };
            host.program_file(&path, Content::Bytes(&program))?;
            let mut command = Program::new(started(host.probe(), &program, args.interpreter.as_deref()));
            command = command.arg(path);
            if let Some(text) = text {
                host.program_file(&arguments, Content::Bytes(text.as_bytes()))?;
                command = command.arg(arguments);
            }
            host.run(command)
        })?;
        result(cx, &output)
    }
}

/// The words before the program's path: none for what starts itself.
fn started(probe: &Probe, program: &[u8], chosen: Option<&str>) -> Vec<String> {
    let Some(line) = program.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next()) else {
        return Vec::new();
    };
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let Some(first) = words.first_mut() else { return Vec::new() };
    if let Some(chosen) = chosen {
        chosen.clone_into(first);
    } else if !Path::new(first.as_str()).exists() {
        // Hosts have their Python in different places, as Ansible's discovery knows.
        let name = first.rsplit('/').next().unwrap_or_default().to_owned();
        let python = name.starts_with("python").then_some("python3");
        let found = [Some(name.as_str()), python].into_iter().flatten().find_map(|name| probe.which(name));
        if let Some(found) = found {
            *first = found.to_string_lossy().into_owned();
        }
    }
    words
}

/// The table line, found by [`CUSTOM`] alone: nobody can write it in a playbook.
pub static ENTRY: ModuleEntry = entry::<Custom>();

/// How a program gets its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A JSON file.
    Json,
    /// A file of `key=value` words.
    Words,
    /// JSON inside its own text.
    Inside,
}

impl Style {
    fn of(program: &[u8]) -> Self {
        let plain = |byte: u8| matches!(byte, 7..=10 | 12 | 13 | 27) || (byte >= 0x20 && byte != 0x7f);
        if !program.iter().take(1024).all(|byte| plain(*byte)) {
            Self::Json
        } else if contains(program, JSON_ARGS) {
            Self::Inside
        } else if contains(program, b"WANT_JSON") {
            Self::Json
        } else {
            Self::Words
        }
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

fn replaced(program: &[u8], json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(program.len() + json.len());
    let mut rest = program;
    while let Some(at) = rest.windows(JSON_ARGS.len()).position(|window| window == JSON_ARGS) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(json);
        rest = &rest[at + JSON_ARGS.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// `key=value` words, quoted for a shell, values as Python's `str` writes them.
fn words(json: &str) -> String {
    let Ok(JsonValue::Object(args)) = serde_json::from_str(json) else { return String::new() };
    args.into_iter().map(|(key, value)| format!("{key}={} ", quote(&python_str(&from_json(value))))).collect()
}

/// What the program printed, as the task's result.
fn result(cx: &Cx, output: &Output) -> Result<Map, Failure> {
    let text = output.out();
    let (data, junk) = match object(&text) {
        Ok(found) => found,
        Err(reason) => {
            let result = map! {
                "module_stdout" => text, "module_stderr" => output.err(), "rc" => output.rc,
            };
            let mut failure = refused_with("H0119", format!("Module result deserialization failed: {reason}"), result);
            failure.diagnostic.notes.extend(output.said().lines().take(20).map(str::to_owned));
            return Err(failure);
        }
    };
    if let Some(junk) = junk {
        cx.warn(format!("Module invocation had junk after the JSON data: {junk}"));
    }
    let Value::Map(data) = from_json(data) else { return Ok(Map::new()) };
    let mut data = (*data).clone();
    let err = output.err();
    if !err.is_empty() && !data.contains_key(&crate::value::StrKey("stderr")) {
        insert(&mut data, "stderr", err);
    }
    take_result(cx, Map::new(), data)
}

/// The JSON object among other lines, and what stands behind it.
fn object(text: &str) -> Result<(JsonValue, Option<String>), String> {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| line.trim_start().starts_with('{'));
    let start = start.ok_or("No start of json char found")?;
    let end = lines.iter().rposition(|line| line.trim_end().ends_with('}')).filter(|end| *end >= start);
    let end = end.ok_or("No end of json char found")?;
    let data: JsonValue = serde_json::from_str(&lines[start..=end].join("\n")).map_err(|error| error.to_string())?;
    let junk = lines[end + 1..].join("\n");
    Ok((data, Some(junk).filter(|junk| !junk.trim().is_empty())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::call::{Input, Outcome};
    use super::super::testing::{Try, file_entry, get, module};
    use super::*;

    fn custom(program: &str, args: Map) -> Try {
        let args = map! { "name" => "mine", "args" => args };
        module(CUSTOM, args).input(Input {
            arg: "module".into(),
            entries: vec![file_entry("", 0o644, program.as_bytes())],
            is_tree: false,
            basename: "mine".into(),
            contents_only: false,
            repositories: Vec::new(),
        })
    }

    fn out(outcome: &Outcome) -> String {
        get(outcome, "out").as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn programs_get_their_arguments_as_ansible_gives_them() {
        let print = "printf '{\"changed\": true, \"out\": \"%s\"}' \"$(grep -o 'a[=\\\":]* *[^ ,]*' $1 | head -1 | tr -d '\"')\"\n";
        let outcome = custom(&format!("#!/bin/sh\n{print}"), map! { "a" => "x y", "b" => true }).ok();
        assert_eq!((out(&outcome).as_str(), outcome.changed), ("a='x", true));
        let outcome = custom(&format!("#!/bin/sh\n# WANT_JSON\n{print}"), map! { "a" => "xy" }).ok();
        assert_eq!(out(&outcome), "a:xy");
        let inside = "#!/bin/sh\ncat <<'END'\n<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>\nEND\n";
        let outcome = custom(inside, map! { "a" => 1 }).ok();
        assert_eq!((get(&outcome, "a"), get(&outcome, "_ansible_module_name")), (json!(1), json!("mine")));
    }

    #[test]
    fn what_they_print_is_the_result() {
        let outcome =
            custom("#!/bin/sh\necho hello; echo '{\"x\": [1]}'; echo behind; echo err >&2\n", Map::new()).ok();
        assert_eq!((get(&outcome, "x"), get(&outcome, "stderr")), (json!([1]), json!("err\n")));
        assert_eq!((outcome.changed, outcome.warnings.len()), (false, 1));
        let failure = custom("#!/bin/sh\necho '{\"failed\": true, \"msg\": \"no room\"}'\n", Map::new()).fails();
        assert_eq!((failure.diagnostic.message.as_str(), failure.diagnostic.code.as_ref()), ("no room", "H0118"));
        let failure = custom("#!/bin/sh\necho oops; exit 3\n", Map::new()).fails();
        assert_eq!(failure.diagnostic.code, "H0119");
        assert_eq!(failure.result.get(&crate::value::StrKey("rc")), Some(&Value::Int(3)));
    }

    #[test]
    fn in_check_mode_they_run_and_are_told() {
        let told = "printf '{\"out\": \"%s\"}' \"$(grep -o '_ansible_check_mode[^ ,]*' $1 | tr -d '\"')\"\n";
        for (style, on, off) in [
            ("", "_ansible_check_mode=True", "_ansible_check_mode=False"),
            ("# WANT_JSON\n", "_ansible_check_mode:true", "_ansible_check_mode:false"),
        ] {
            let program = format!("#!/bin/sh\n{style}{told}");
            let outcome = custom(&program, Map::new()).check(true).ok();
            assert_eq!((out(&outcome).as_str(), outcome.skipped), (on, false));
            assert_eq!(out(&custom(&program, Map::new()).ok()), off);
        }
    }
}
