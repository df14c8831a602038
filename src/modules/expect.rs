//! `expect`: a program on a terminal, its questions answered.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map as Json, Value as JsonValue};

use super::call::Failure;
use super::command::{delta, stamp};
use super::cx::Cx;
use super::refusal::{refused, refused_with};
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::diag::Diagnostic;
use crate::event::{Progress, Stream};
use crate::map;
use crate::system::process::{Program, Talk, Talked, Turn};
use crate::value::{Map, PythonRegex, Value, from_json, insert, python_repr, python_str};

/// Runs a program on a terminal and answers its questions.
///
/// ```yaml
/// - name: A new password
///   expect:
///     command: passwd builder
///     responses:
///       (?i)password: "{{ builder_password }}"
///   no_log: true
/// - name: Different answers to one question
///   expect:
///     command: /usr/local/bin/setup
///     responses:
///       "Continue\\?": ["yes", "no"]
///     timeout: 60
/// ```
///
/// The program runs without a shell. Each key of `responses` is a Python regular expression that is looked for in
/// what the program wrote since the last answer; the earliest match counts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The command line; split into words, without a shell.
    command: String,
    /// What to answer, by regular expression: a text for every time, or a list with one for each time.
    responses: Json<String, JsonValue>,
    /// The folder to run in.
    chdir: Option<HostPath>,
    /// Do not run if this path exists.
    creates: Option<HostPath>,
    /// Run only if this path exists.
    removes: Option<HostPath>,
    /// Seconds to wait for the next question or the end; null waits without end.
    #[serde(default = "half_a_minute")]
    timeout: JsonValue,
    /// Answers are part of the output.
    #[serde(default)]
    echo: bool,
}

fn half_a_minute() -> JsonValue {
    30.into()
}

/// The module.
pub struct Expect;

impl Module for Expect {
    type Args = Args;
    const META: Meta = Meta {
        name: "expect",
        full_name: "ansible.builtin.expect",
        also: &["ansible.legacy.expect"],
        summary: "Run a program and answer its questions",
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if cx.check_mode() {
            cx.skip();
            return Ok(map! { "msg" => "remote module (expect) does not support check mode" });
        }
        let patience = patience(&args.timeout)?;
        if args.command.trim().is_empty() {
            return Err(refused_with("H0106", "no command given", map! { "rc" => 256 }));
        }
        let chdir = args.chdir.as_ref().map(|path| path.expand(cx.environment()));
        if let Some(folder) = chdir.as_ref().filter(|folder| !cx.probe().is_dir(folder)) {
            let words = format!("[Errno 2] No such file or directory: '{}'", folder.display());
            let error = Diagnostic::task("H0101", format!("there is no folder `{}` to run in", folder.display()));
            return Err(error.with_registered(format!("Task failed: Module failed: {words}")).into());
        }
        let there = |path: &HostPath| {
            let path = path.expand(cx.environment());
            cx.probe().exists(&chdir.as_ref().map_or(path.clone(), |folder| folder.join(&path)))
        };
        let reason = match (&args.creates, &args.removes) {
            (Some(path), _) if there(path) => Some((path, "exists")),
            (_, Some(path)) if !there(path) => Some((path, "does not exist")),
            _ => None,
        };
        if let Some((path, why)) = reason {
            let path = path.expand(cx.environment());
            let stdout = format!("skipped, since {} {why}", path.display());
            return Ok(map! { "cmd" => args.command, "stdout" => stdout, "rc" => 0 });
        }
        let mut answers = Answers::new(&args.responses)?;
        converse(cx, &args, chdir, patience, &mut answers)
    }
}

fn converse(
    cx: &Cx,
    args: &Args,
    chdir: Option<std::path::PathBuf>,
    patience: Option<Duration>,
    answers: &mut Answers,
) -> Result<Map, Failure> {
    let words = words(&args.command);
    let name = words.first().cloned().unwrap_or_default();
    let found = match &chdir {
        Some(folder) if name.contains('/') => cx.probe().which(&folder.join(&name).to_string_lossy()),
        _ => cx.probe().which(&name),
    };
    if found.is_none() {
        return Err(refused("H0103", format!("The command was not found or was not executable: {name}.")));
    }
    let silent = cx.no_log();
    let mut tell = |stream: Stream, text: &str| {
        if !silent {
            cx.progress(Progress::Output { stream, text: text.to_owned() });
        }
    };
    let mut program = Program::new(words).on_output(&mut tell);
    if let Some(folder) = chdir {
        program = program.cwd(folder);
    }
    let (began, clock) = (jiff::Zoned::now(), std::time::Instant::now());
    let what = if silent { "run a command".to_owned() } else { format!("run {}", args.command) };
    let talked = cx.change(what, |host| {
        host.converse(program, Talk { echo: args.echo, patience, answer: &mut |text| answers.turn(text) })
    })?;
    if let Some(words) = answers.broken.take() {
        return Err(refused("H0106", words));
    }
    let Talked { rc, output, dropped } = talked.unwrap_or_default();
    if dropped > 0 {
        cx.warn(format!("the output was longer than hostctl keeps: {dropped} bytes in its middle are missing"));
    }
    let stdout = String::from_utf8(output).map_err(|error| not_utf8(&error))?;
    let mut result = map! {
        "cmd" => args.command.as_str(), "stdout" => stdout.trim_end_matches(['\r', '\n']), "rc" => rc,
        "start" => stamp(&began), "end" => stamp(&jiff::Zoned::now()), "delta" => delta(clock.elapsed()),
    };
    let words = match rc {
        Some(0) => return Ok(result),
        Some(_) => "non-zero return code",
        None => "command exceeded timeout",
    };
    insert(&mut result, "msg", words);
    let message = match rc {
        Some(rc) => format!("`{name}` ended with code {rc}"),
        None => format!("`{name}` was ended: nothing to answer came in time"),
    };
    let mut error = Diagnostic::task("H0102", message);
    if !silent {
        error = error.with_note(format!("ran: {}", args.command));
        for line in stdout.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev() {
            error = error.with_note(line.to_owned());
        }
    }
    Err(Failure::with_result(error, result))
}

fn not_utf8(error: &std::string::FromUtf8Error) -> Failure {
    let at = error.utf8_error().valid_up_to();
    let byte = error.as_bytes().get(at).copied().unwrap_or_default();
    let words = format!(
        "Refusing to deserialize an invalid UTF8 string value: 'utf-8' codec can't encode character '\\udc{byte:02x}' in position {at}: surrogates not allowed"
    );
    Diagnostic::task("H0102", format!("the program's output is no UTF-8 at byte {at}"))
        .with_registered(format!("Task failed: {words}"))
        .with_hint("pipe it through `base64`: `sh -c 'program | base64'`")
        .into()
}

/// `timeout` as Ansible reads it: a whole number, null for none, negative for pexpect's own.
fn patience(timeout: &JsonValue) -> Result<Option<Duration>, Failure> {
    if timeout.is_null() {
        return Ok(None);
    }
    let value = from_json(timeout.clone());
    let seconds = match timeout {
        JsonValue::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            #[expect(clippy::cast_possible_truncation, reason = "a number of seconds without a fraction")]
            (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
        }),
        JsonValue::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(seconds) = seconds else {
        let (kind, shown) = match timeout {
            JsonValue::String(text) => ("str", python_repr(&Value::from(python_repr(&Value::from(text.as_str()))))),
            JsonValue::Bool(_) => ("bool", python_str(&value)),
            JsonValue::Array(_) => ("list", python_str(&value)),
            JsonValue::Object(_) => ("dict", python_str(&value)),
            _ => ("float", python_str(&value)),
        };
        let words = format!(
            "argument 'timeout' is of type <class '{kind}'> and we were unable to convert to int: {shown} cannot be converted to an int"
        );
        return Err(Diagnostic::task("M0004", format!("`timeout` must be a number of seconds, found {shown}"))
            .with_registered(words)
            .into());
    };
    Ok(Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(30))))
}

/// The words of a command line as pexpect splits it: quotes hold everything but themselves, a backslash outside
/// of them one character.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut between = true;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let blank = c.is_whitespace();
        match c {
            '\\' => word.extend(chars.next()),
            '\'' | '"' => word.extend(chars.by_ref().take_while(|inner| *inner != c)),
            _ if blank => {
                if !between {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
        between = blank;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// One pattern and what is left to answer to it.
struct Answer {
    pattern: String,
    regex: PythonRegex,
    /// The same every time.
    always: Option<Vec<u8>>,
    left: std::vec::IntoIter<Vec<u8>>,
}

struct Answers {
    answers: Vec<Answer>,
    /// Why nothing can be answered any more.
    broken: Option<String>,
}

impl Answers {
    fn new(responses: &Json<String, JsonValue>) -> Result<Self, Failure> {
        let line = |value: &JsonValue| {
            let mut text = python_str(&from_json(value.clone())).into_bytes();
            text.truncate(text.len() - text.iter().rev().take_while(|byte| **byte == b'\n').count());
            text.push(b'\n');
            text
        };
        let mut answers = Vec::new();
        for (pattern, response) in responses {
            // Python compiles them so that a dot is any character.
            let regex = PythonRegex::bytes_with("s", pattern).map_err(|reason| {
                Failure::from(
                    Diagnostic::task("M0004", format!("`{pattern}` is no regular expression: {reason}"))
                        .with_registered(format!("Task failed: Module failed: {reason}"))
                        .with_hint("a backslash before `( ) [ ] { } . * + ? ^ $ |` takes its meaning"),
                )
            })?;
            let (always, left) = match response {
                JsonValue::Array(list) => (None, list.iter().map(line).collect()),
                other => (Some(line(other)), Vec::new()),
            };
            answers.push(Answer { pattern: pattern.clone(), regex, always, left: left.into_iter() });
        }
        Ok(Self { answers, broken: None })
    }

    /// The earliest match in what the program wrote; of two at one place that of the first pattern.
    fn turn(&mut self, text: &[u8]) -> Turn {
        let mut first: Option<(usize, usize, usize)> = None;
        for (index, answer) in self.answers.iter().enumerate() {
            match answer.regex.search_bytes(text) {
                Ok(Some(found)) if first.is_none_or(|(start, ..)| found.start < start) => {
                    first = Some((found.start, found.end, index));
                }
                Ok(_) => {}
                Err(reason) => {
                    self.broken = Some(format!("the pattern '{}' cannot be searched: {reason}", answer.pattern));
                    return Turn::Stop;
                }
            }
        }
        let Some((_, end, index)) = first else { return Turn::Wait };
        let answer = &mut self.answers[index];
        if let Some(text) = answer.always.clone().or_else(|| answer.left.next()) {
            return Turn::Say { taken: end, text };
        }
        let shown = python_repr(&Value::Bytes(text[..end].into()));
        self.broken = Some(format!("No remaining responses for '{}', output was '{shown}'", answer.pattern));
        Turn::Stop
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    fn run(command: &str, responses: Map) -> Map {
        map! { "command" => command, "responses" => responses, "timeout" => 20 }
    }

    #[test]
    fn words_as_pexpect_splits_them() {
        assert_eq!(words(r#"/bin/sh -c 'a "b"'  "c d"e\ f"#), ["/bin/sh", "-c", "a \"b\"", "c de f"]);
        assert_eq!(words(r"a'\'b ''"), ["a\\b"]);
    }

    #[test]
    fn answers_come_by_pattern_and_in_order() {
        let script = "sh -c 'printf \"Name: \"; read n; printf \"Password for $n: \"; read p; printf \"Again? \"; read a; printf \"Again? \"; read b; echo \"$n $p $a$b\"'";
        let responses = map! {
            "^Name" => "ann", "(?i)PASSWORD for \\w+:" => 42, "Again\\?" => Value::from(vec!["y\n".into(), true.into()]),
        };
        let outcome = module("expect", run(script, responses)).ok();
        assert!(outcome.changed);
        let lines = get(&outcome, "stdout").as_str().map(str::to_owned).expect("text");
        assert_eq!(lines, "Name: Password for ann: Again? Again? ann 42 yTrue");
        assert_eq!(get(&outcome, "rc"), json!(0));
    }

    #[test]
    fn what_goes_wrong_is_told_in_ansibles_words() {
        let says = |command: &str, responses: Map| {
            let failure = module("expect", run(command, responses)).fails();
            let said = failure.result.get(&crate::value::StrKey("msg")).map(python_str);
            said.or(failure.diagnostic.registered.clone()).unwrap_or_default()
        };
        let plain = || map! { "foo" => "bar" };
        assert_eq!(says("sh -c 'exit 3'", plain()), "non-zero return code");
        assert_eq!(says("sh -c 'kill -9 $$'", plain()), "command exceeded timeout");
        assert_eq!(says("  ", plain()), "no command given");
        assert_eq!(
            says("no-such-program x", plain()),
            "The command was not found or was not executable: no-such-program."
        );
        let once = map! { "foo" => Value::from(vec![Value::from(1)]) };
        let script = "sh -c 'printf foo; read x; echo got-$x; printf foo; read y'";
        assert_eq!(says(script, once), "No remaining responses for 'foo', output was 'b'got-1\\r\\nfoo''");
        assert!(says("printf 'a\\350b'", plain()).contains("Refusing to deserialize an invalid UTF8 string value"));
        let mut late = run("sleep 1000", plain());
        insert(&mut late, "timeout", "0");
        assert_eq!(get_failed(late), "command exceeded timeout");
        let mut wrong = run("sleep 1000", plain());
        insert(&mut wrong, "timeout", "x");
        assert_eq!(
            get_failed(wrong),
            "argument 'timeout' is of type <class 'str'> and we were unable to convert to int: \"'x'\" cannot be converted to an int"
        );
    }

    fn get_failed(args: Map) -> String {
        let failure = module("expect", args).fails();
        let said = failure.result.get(&crate::value::StrKey("msg")).map(python_str);
        said.or(failure.diagnostic.registered.clone()).unwrap_or_default()
    }

    #[test]
    fn folders_and_files_decide_whether_it_runs() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().display().to_string();
        let with = |more: Map| {
            let mut args = run("pwd", map! { "foo" => "bar" });
            args.extend(more);
            module("expect", args)
        };
        let outcome = with(map! { "chdir" => path.clone(), "timeout" => Value::Null }).ok();
        assert_eq!(get(&outcome, "stdout"), json!(folder.path().canonicalize().expect("path").display().to_string()));
        let outcome = with(map! { "creates" => path.clone() }).ok();
        assert!(!outcome.changed && get(&outcome, "stdout") == json!(format!("skipped, since {path} exists")));
        let outcome = with(map! { "removes" => format!("{path}/none") }).ok();
        assert!(!outcome.changed);
        assert_eq!(with(map! { "chdir" => format!("{path}/none") }).fails().diagnostic.code, "H0101");
    }
}
