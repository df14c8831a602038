//! `command` and `shell`: run a program, tell its output while it runs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::shlex;
use super::spec::{Meta, Module};
use super::types::{HostPath, expand};
use crate::diag::Diagnostic;
use crate::event::{Progress, Stream};
use crate::map;
use crate::system::process::{Output, Program, quote};
use crate::value::{Map, StrKey, Value, insert, python_repr};

/// What Ansible says of a program that cannot be started.
const NOT_STARTED: &str = "Error executing command";

/// Runs a program on the host, without a shell: no pipes, redirections or `&&`.
///
/// In check mode the program is not run and the task counts as skipped, unless `creates` or `removes`
/// tells what it would do.
///
/// ```yaml
/// - name: Make the device nodes once
///   command:
///     argv: [mknod, /dev/loop9, b, "7", "9"]
///     creates: /dev/loop9
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandArgs {
    /// The command line; split into words as a shell would, without running one.
    cmd: Option<String>,
    /// The command as a list of words.
    argv: Option<Vec<String>>,
    /// The folder to run in.
    chdir: Option<HostPath>,
    /// Do not run if this path (or pattern) exists.
    creates: Option<HostPath>,
    /// Run only if this path (or pattern) exists.
    removes: Option<HostPath>,
    /// Text for standard input.
    stdin: Option<String>,
    /// Add a line break to `stdin`.
    #[serde(default = "yes")]
    stdin_add_newline: bool,
    /// Remove line breaks from the end of the output.
    #[serde(default = "yes")]
    strip_empty_ends: bool,
    /// Ignored, with a warning: `command` starts no shell.
    executable: Option<String>,
    /// Replace `$VAR` and `~` in the words.
    #[serde(default = "yes")]
    expand_argument_vars: bool,
}

/// Runs a command line with the host's shell.
///
/// ```yaml
/// - name: Count the images
///   shell: docker images -q | wc -l
///   args:
///     executable: /bin/bash
///   changed_when: false
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellArgs {
    /// The command line.
    cmd: String,
    /// The shell; `/bin/sh` unless given.
    executable: Option<HostPath>,
    /// The folder to run in.
    chdir: Option<HostPath>,
    /// Do not run if this path (or pattern) exists.
    creates: Option<HostPath>,
    /// Run only if this path (or pattern) exists.
    removes: Option<HostPath>,
    /// Text for standard input.
    stdin: Option<String>,
    /// Add a line break to `stdin`.
    #[serde(default = "yes")]
    stdin_add_newline: bool,
}

fn yes() -> bool {
    true
}

/// The module `command`.
pub struct Command;
/// The module `shell`.
pub struct Shell;

impl Module for Command {
    type Args = CommandArgs;
    const META: Meta = Meta {
        name: "command",
        full_name: "ansible.builtin.command",
        also: &["ansible.legacy.command"],
        summary: "Run a program on the host",
        aliases: &[("cmd", &["_raw_params"])],
        free_form: Some("cmd"),
        exclusive: &[&["cmd", "argv"]],
        one_of: &[&["cmd", "argv"]],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: CommandArgs) -> Result<Map, Failure> {
        if let Some(executable) = &args.executable {
            cx.warn(format!(
                "As of Ansible 2.4, the parameter 'executable' is no longer supported with the 'command' module. Not using '{executable}'."
            ));
        }
        let words = match (&args.cmd, args.argv) {
            (Some(line), _) => shlex::split(line).map_err(|reason| {
                Diagnostic::task("H0106", format!("cannot split the command into words: {reason}"))
                    .with_registered(format!(
                        "Task failed: Module failed: {}",
                        if reason.contains("backslash") { "No escaped character" } else { "No closing quotation" }
                    ))
                    .with_hint("close the quotes, or give the words as a list in `argv`")
            })?,
            (None, argv) => argv.unwrap_or_default(),
        };
        if words.is_empty() {
            let (cmd, words) = match args.cmd {
                Some(_) => (Value::Null, "Argument 'args' to run_command must be list or string"),
                None => (Value::from(""), "Error executing command."),
            };
            let error = Diagnostic::task("H0106", "there is no command to run").with_registered(words);
            return Err(Failure::with_result(error, map! { "cmd" => cmd, "rc" => 257 }));
        }
        let environment = cx.environment().to_vec();
        let expanded: Vec<_> = if args.expand_argument_vars {
            words.iter().map(|word| expand(word, &environment).into_os_string()).collect()
        } else {
            words.iter().map(Into::into).collect()
        };
        let shown = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        let cmd = Value::from(words.into_iter().map(Value::from).collect::<Vec<_>>());
        run(
            cx,
            Job {
                words: expanded,
                shown,
                cmd,
                chdir: args.chdir,
                creates: args.creates,
                removes: args.removes,
                stdin: args.stdin,
                stdin_add_newline: args.stdin_add_newline,
                strip: args.strip_empty_ends,
            },
        )
    }
}

impl Module for Shell {
    type Args = ShellArgs;
    const META: Meta = Meta {
        name: "shell",
        full_name: "ansible.builtin.shell",
        also: &["ansible.legacy.shell"],
        summary: "Run a command line with a shell",
        aliases: &[("cmd", &["_raw_params"])],
        free_form: Some("cmd"),
        refused: &[("expand_argument_vars", "the shell expands variables itself")],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: ShellArgs) -> Result<Map, Failure> {
        let shell = args.executable.map_or_else(|| PathBuf::from("/bin/sh"), |path| path.expand(cx.environment()));
        run(
            cx,
            Job {
                words: vec![shell.into_os_string(), "-c".into(), args.cmd.clone().into()],
                shown: args.cmd.clone(),
                cmd: args.cmd.into(),
                chdir: args.chdir,
                creates: args.creates,
                removes: args.removes,
                stdin: args.stdin,
                stdin_add_newline: args.stdin_add_newline,
                strip: true,
            },
        )
    }
}

struct Job {
    words: Vec<OsString>,
    shown: String,
    cmd: Value,
    chdir: Option<HostPath>,
    creates: Option<HostPath>,
    removes: Option<HostPath>,
    stdin: Option<String>,
    stdin_add_newline: bool,
    strip: bool,
}

fn run(cx: &Cx, job: Job) -> Result<Map, Failure> {
    let chdir = job.chdir.as_ref().map(|path| path.expand(cx.environment()));
    let mut result = map! {
        "stdout" => "", "stderr" => "", "rc" => Value::Null, "cmd" => job.cmd,
        "start" => Value::Null, "end" => Value::Null, "delta" => Value::Null, "msg" => "",
    };
    if let Some(folder) = &chdir
        && !(cx.probe().is_dir(folder) && cx.probe().access(folder, rustix::fs::Access::EXEC_OK))
    {
        let message = format!("there is no folder `{}` to run in", folder.display());
        insert(&mut result, "msg", "Unable to change directory before execution.");
        return Err(Failure::with_result(Diagnostic::task("H0101", message), result));
    }
    let found = |path: &HostPath| {
        let pattern = path.expand(cx.environment());
        let whole = chdir.as_ref().map_or(pattern.clone(), |folder| folder.join(&pattern));
        !cx.probe().glob(&whole.to_string_lossy()).is_empty()
    };
    let should = if cx.check_mode() { "Would" } else { "Did" };
    let reason = match (&job.creates, &job.removes) {
        (Some(path), _) if found(path) => Some((path, "exists")),
        (_, Some(path)) if !found(path) => Some((path, "does not exist")),
        _ => None,
    };
    if let Some((path, why)) = reason {
        let path = path.as_str();
        insert(&mut result, "msg", format!("{should} not run command since '{path}' {why}"));
        insert(&mut result, "stdout", format!("skipped, since {path} {why}"));
        insert(&mut result, "rc", 0);
        return Ok(result);
    }
    if cx.check_mode() {
        insert(&mut result, "rc", 0);
        insert(&mut result, "msg", "Command would have run if not in check mode");
        if job.creates.is_none() && job.removes.is_none() {
            cx.skip();
        } else {
            cx.change(format!("run {}", job.shown), |_| Ok(()))?;
        }
        return Ok(result);
    }
    let line = job.words.iter().map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ");
    let first = python_repr(&Value::Bytes(job.words.first().map(|word| word.as_bytes().into()).unwrap_or_default()));
    let mut program = Program::new(job.words);
    if let Some(folder) = chdir {
        program = program.cwd(folder);
    }
    if let Some(mut text) = job.stdin {
        if job.stdin_add_newline {
            text.push('\n');
        }
        program = program.stdin(text);
    }
    let line = Value::from(line);
    let what = if cx.no_log() { "run a command".to_owned() } else { format!("run {}", job.shown) };
    let (began, clock) = (jiff::Zoned::now(), std::time::Instant::now());
    let silent = cx.no_log();
    let mut tell = |stream: Stream, text: &str| {
        if !silent {
            cx.progress(Progress::Output { stream, text: text.to_owned() });
        }
    };
    let output = cx.change(what, |host| host.run(program.on_output(&mut tell)));
    let output = match output {
        Ok(output) => output.unwrap_or_default(),
        Err(mut diagnostic) => {
            let not_started = diagnostic.code == "H0103";
            let refused = diagnostic.message.ends_with("not executable for this user");
            let (rc, why) = match (not_started, refused) {
                (false, _) => (-9, ""),
                (true, true) => (13, "Permission denied"),
                (true, false) => (2, "No such file or directory"),
            };
            insert(&mut result, "rc", rc);
            if not_started {
                // What is registered stops before the reason.
                diagnostic.registered = Some(format!("{NOT_STARTED}: [Errno {rc}] {why}: {first}"));
            }
            let mut failure = Failure::with_result(diagnostic, result);
            if not_started {
                // Ansible shows the command as a line here, has no times, and leaves the reason to its log.
                for time in ["start", "end", "delta"] {
                    failure.result.shift_remove(&StrKey(time));
                }
                insert(&mut failure.result, "cmd", line);
                insert(&mut failure.result, "msg", format!("{NOT_STARTED}."));
            }
            return Err(failure);
        }
    };
    let took = clock.elapsed();
    fill(&mut result, &output, job.strip);
    insert(&mut result, "start", stamp(&began));
    insert(&mut result, "end", stamp(&jiff::Zoned::now()));
    insert(&mut result, "delta", delta(took));
    if output.dropped > 0 {
        cx.warn(format!(
            "the output was longer than hostctl keeps: {} bytes in its middle are missing",
            output.dropped
        ));
    }
    if !output.success() {
        insert(&mut result, "msg", "non-zero return code");
        return Err(Failure::with_result(ended_badly(cx, &job.shown, &output, took), result));
    }
    Ok(result)
}

/// What `raw` and `script` share: runs it, always a change, output untouched.
pub(super) fn run_script_line(cx: &Cx, shown: &str, program: Program<'_>) -> Result<Map, Failure> {
    let what = if cx.no_log() { "run a command".to_owned() } else { format!("run {shown}") };
    let silent = cx.no_log();
    let mut tell = |stream: Stream, text: &str| {
        if !silent {
            cx.progress(Progress::Output { stream, text: text.to_owned() });
        }
    };
    let clock = std::time::Instant::now();
    let output = cx.change(what, |host| host.run(program.where_begun().on_output(&mut tell)))?.unwrap_or_default();
    let mut result = map! { "rc" => output.rc, "stdout" => output.out(), "stderr" => output.err() };
    if output.dropped > 0 {
        cx.warn(format!(
            "the output was longer than hostctl keeps: {} bytes in its middle are missing",
            output.dropped
        ));
    }
    if !output.success() {
        insert(&mut result, "msg", "non-zero return code");
        return Err(Failure::with_result(ended_badly(cx, shown, &output, clock.elapsed()), result));
    }
    Ok(result)
}

fn fill(result: &mut Map, output: &Output, strip: bool) {
    let end = |text: String| if strip { text.trim_end_matches(['\r', '\n']).to_owned() } else { text };
    insert(result, "stdout", end(output.out()));
    insert(result, "stderr", end(output.err()));
    insert(result, "rc", output.rc);
}

/// A time as Python's `str` has it.
pub(super) fn stamp(at: &jiff::Zoned) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// `str(timedelta)`.
pub(super) fn delta(took: std::time::Duration) -> String {
    let seconds = took.as_secs();
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let day = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    format!("{day}{}:{:02}:{:02}.{:06}", rest / 3600, rest % 3600 / 60, rest % 60, took.subsec_micros())
}

fn ended_badly(cx: &Cx, shown: &str, output: &Output, took: std::time::Duration) -> Diagnostic {
    let how = if output.rc < 0 {
        format!("the command was ended by signal {}", -output.rc)
    } else {
        format!("the command ended with code {}", output.rc)
    };
    let mut diagnostic = Diagnostic::task("H0106", how);
    if cx.no_log() {
        return diagnostic;
    }
    diagnostic = diagnostic.with_note(format!("ran: {shown}   (exit {}, {:.1} s)", output.rc, took.as_secs_f64()));
    let mut add = |name: &str, text: &str| {
        let lines: Vec<&str> = text.trim_end().lines().collect();
        for line in &lines[lines.len().saturating_sub(20)..] {
            diagnostic.notes.push(format!("{name}: {line}"));
        }
    };
    let (out, err) = (output.out(), output.err());
    let (name, text) = if err.trim().is_empty() { ("stdout", out) } else { ("stderr", err) };
    add(name, &text);
    diagnostic
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    fn words(list: &[&str]) -> Value {
        Value::from(list.iter().map(|word| Value::from(*word)).collect::<Vec<_>>())
    }

    #[test]
    fn command_runs_words_and_reports_as_ansible() {
        let outcome = module("command", map! { "cmd" => "printf '%s|' \"a b\" $GREETING" }).env("GREETING", "hi").ok();
        assert!(outcome.changed);
        assert_eq!(get(&outcome, "stdout"), json!("a b|hi|"));
        assert_eq!(get(&outcome, "stdout_lines"), json!(["a b|hi|"]));
        assert_eq!(get(&outcome, "cmd"), json!(["printf", "%s|", "a b", "$GREETING"]));
        assert_eq!((get(&outcome, "rc"), get(&outcome, "msg")), (json!(0), json!("")));
        assert!(get(&outcome, "delta").as_str().is_some_and(|text| text.starts_with("0:00:0")));
    }

    #[test]
    fn command_keeps_words_when_told() {
        let args = map! { "argv" => words(&["echo", "$HOME", "~"]), "expand_argument_vars" => false };
        assert_eq!(get(&module("command", args).ok(), "stdout"), json!("$HOME ~"));
        let args = map! { "argv" => words(&["printf", "x\\n\\n"]), "strip_empty_ends" => false };
        assert_eq!(get(&module("command", args).ok(), "stdout"), json!("x\n\n"));
    }

    #[test]
    fn shell_pipes_and_takes_stdin_folder_and_shell() {
        let folder = tempfile::tempdir().expect("folder");
        let args = map! {
            "cmd" => "cat | tr a-z A-Z; pwd; echo $0 >&2", "stdin" => "abc", "executable" => "/bin/bash",
            "chdir" => folder.path().to_string_lossy().into_owned(),
        };
        let outcome = module("shell", args).ok();
        let here = std::fs::canonicalize(folder.path()).expect("path");
        assert_eq!(get(&outcome, "stdout_lines"), json!(["ABC", here.to_string_lossy()]));
        assert_eq!(get(&outcome, "stderr"), json!("/bin/bash"));
    }

    #[test]
    fn creates_and_removes_decide() {
        let outcome = module("command", map! { "cmd" => "false", "creates" => "/etc/pass*" }).ok();
        assert!(!outcome.changed);
        assert_eq!(get(&outcome, "msg"), json!("Did not run command since '/etc/pass*' exists"));
        assert_eq!(get(&outcome, "stdout"), json!("skipped, since /etc/pass* exists"));
        let outcome = module("command", map! { "cmd" => "false", "removes" => "/no/such" }).check(true).ok();
        assert_eq!(get(&outcome, "msg"), json!("Would not run command since '/no/such' does not exist"));
    }

    #[test]
    fn check_mode_runs_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let mark = folder.path().join("mark");
        let line = format!("touch {}", mark.display());
        let outcome = module("shell", map! { "cmd" => line.clone() }).check(true).ok();
        assert!(outcome.skipped && !outcome.changed && !mark.exists());
        let args = map! { "cmd" => line, "creates" => mark.to_string_lossy().into_owned() };
        let outcome = module("shell", args).check(true).ok();
        assert!(!outcome.skipped && outcome.changed && !mark.exists());
    }

    #[test]
    fn failures_carry_code_and_output() {
        let failure = module("shell", map! { "cmd" => "echo out; echo err >&2; exit 4" }).fails();
        let result = Value::from(failure.result.clone());
        assert_eq!(result.get("rc"), Some(&Value::Int(4)));
        assert_eq!(result.get("msg").and_then(Value::as_str), Some("non-zero return code"));
        assert_eq!(result.get("stderr_lines").and_then(Value::as_list).map(<[Value]>::len), Some(1));
        assert_eq!(failure.diagnostic.message, "the command ended with code 4");
        assert!(failure.diagnostic.notes.contains(&"stderr: err".to_owned()), "{:?}", failure.diagnostic);
        let failure = module("command", map! { "cmd" => "no-such-program-x y" }).fails();
        assert_eq!((&*failure.diagnostic.code, failure.changed), ("H0103", false));
        let registered: Vec<(String, String)> = failure
            .result
            .iter()
            .filter(|(key, _)| !key.text().ends_with("_lines"))
            .map(|(key, value)| (key.text().to_string(), crate::value::python_str(value)))
            .collect();
        let pairs = [
            ("stdout", ""),
            ("stderr", ""),
            ("rc", "2"),
            ("cmd", "no-such-program-x y"),
            ("msg", "Error executing command."),
        ];
        let expected: Vec<(String, String)> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let sorted = |mut list: Vec<(String, String)>| {
            list.sort();
            list
        };
        assert_eq!(sorted(registered), sorted(expected));
        let told = "Error executing command: [Errno 2] No such file or directory: b'no-such-program-x'";
        assert_eq!(failure.diagnostic.registered(), told);
        let failure = module("command", map! { "cmd" => "/etc/passwd" }).fails();
        assert_eq!(failure.result.get(&StrKey("rc")), Some(&Value::Int(13)));
        assert_eq!(module("command", map! { "cmd" => "echo 'x" }).fails().diagnostic.code, "H0106");
        assert_eq!(module("command", map! { "cmd" => "true", "chdir" => "/no/such" }).fails().diagnostic.code, "H0101");
    }

    #[test]
    fn output_is_told_while_it_runs() {
        let (outcome, seen) = module("shell", map! { "cmd" => "echo one; echo two >&2" }).watched();
        outcome.expect("runs");
        let told = |wanted: Stream| {
            seen.iter()
                .filter_map(|progress| match progress {
                    Progress::Output { stream, text } if *stream == wanted => Some(text.as_str()),
                    _ => None,
                })
                .collect::<String>()
        };
        assert_eq!((told(Stream::Stdout).as_str(), told(Stream::Stderr).as_str()), ("one\n", "two\n"));
    }

    #[test]
    fn deltas_read_as_pythons() {
        let check = |millis, expected| assert_eq!(delta(std::time::Duration::from_millis(millis)), expected);
        check(3_723_004, "1:02:03.004000");
        check(90_000_000, "1 day, 1:00:00.000000");
    }
}
