//! `script`: a file of the controller, run on the host with arguments, and removed again.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::{Blob, Failure};
use super::command::run_script_line;
use super::cx::Cx;
use super::refusal::refused;
use super::shlex;
use super::spec::{InputArg, Meta, Module};
use super::types::{HostPath, expand};
use crate::diag::Diagnostic;
use crate::map;
use crate::system::fs::{Content, shown};
use crate::system::process::{Program, quote};
use crate::value::Map;

/// Runs a script of the controller on the host. It needs no interpreter of a certain kind: its first line says which.
///
/// The first word is the file, looked for in `files/` beside the role or playbook; the rest are its arguments, as a
/// shell reads them. In check mode it is not run.
///
/// ```yaml
/// - name: Partition the disk once
///   script: partition.sh --label data /dev/vdb
///   args:
///     creates: /dev/disk/by-label/data
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file and its arguments.
    cmd: String,
    /// Do not run if this path exists.
    creates: Option<String>,
    /// Run only if this path exists.
    removes: Option<String>,
    /// The folder to run in, as an absolute path.
    chdir: Option<String>,
    /// The program that runs the script; otherwise its first line says.
    executable: Option<String>,
    /// Open the file if ansible-vault encrypted it.
    #[serde(default = "yes")]
    #[expect(dead_code, reason = "read on the controller")]
    decrypt: bool,
}

fn yes() -> bool {
    true
}

/// The module.
pub struct Script;

impl Module for Script {
    type Args = Args;
    const META: Meta = Meta {
        name: "script",
        full_name: "ansible.builtin.script",
        also: &["ansible.legacy.script"],
        summary: "Run a script of the controller on the host",
        aliases: &[("cmd", &["_raw_params", "free_form"])],
        free_form: Some("cmd"),
        inputs: &[InputArg::Command { arg: "cmd" }],
        missing: Some("one of the following is required: _raw_params, cmd"),
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let there = |path: &str| cx.probe().exists(&HostPath(path.to_owned()).expand(cx.environment()));
        let skipped = |message: String| {
            cx.skip();
            Ok(map! { "msg" => message })
        };
        if let Some(path) = args.creates.as_deref().filter(|path| !path.is_empty() && there(path)) {
            return skipped(format!("{path} exists, matching creates option"));
        }
        if let Some(path) = args.removes.as_deref().filter(|path| !path.is_empty() && !there(path)) {
            return skipped(format!("{path} does not exist, matching removes option"));
        }
        let chdir = args.chdir.as_deref().filter(|folder| !folder.is_empty());
        if let Some(folder) = chdir.filter(|folder| !folder.starts_with('/')) {
            let message = format!("chdir {folder} must be an absolute path for a Unix-aware remote node");
            return Err(refused("H0107", message));
        }
        let input = cx.input("cmd").ok_or_else(|| Diagnostic::internal("`script` was called without its file"))?;
        let entry = input.entries.first().ok_or_else(|| Diagnostic::internal("an input without a file"))?;
        if cx.check_mode() {
            if args.creates.is_some() || args.removes.is_some() {
                cx.change(format!("run {}", args.cmd), |_| Ok(()))?;
                return Ok(Map::new());
            }
            return skipped("Check mode is not supported for this task.".to_owned());
        }
        let words = shlex::split(args.cmd.trim())
            .map_err(|reason| Diagnostic::task("H0106", format!("cannot split the command into words: {reason}")))?;
        let name = words.first().cloned().unwrap_or_default();
        let blob = cx.blob(entry)?;
        let folder = cx.scratch(|host| {
            let folder = host.program_folder()?;
            // Its name goes into a shell line, quoted or not as the playbook has it.
            let safe = |c: char| if c.is_alphanumeric() || "._-+@%".contains(c) { c } else { '_' };
            let path = folder.path().join(input.basename.chars().map(safe).collect::<String>());
            let content = match &blob {
                Blob::Memory(bytes) => Content::Bytes(bytes),
                Blob::File(path) => Content::File(path),
            };
            host.program_file(&path, content)?;
            Ok((folder, path))
        })?;
        let Some((folder, path)) = folder else { return Err(Diagnostic::internal("no folder for the script").into()) };
        let place = shown(&path);
        // As Ansible does: the file's name gives way to its place, the rest of the line stays as written.
        let line = if args.cmd.contains(&name) {
            args.cmd.trim().replace(&name, &place)
        } else {
            let words = std::iter::once(&place).chain(words.iter().skip(1));
            words.map(|word| quote(word)).collect::<Vec<_>>().join(" ")
        };
        let line = match args.executable.as_deref().filter(|text| !text.is_empty()) {
            Some(executable) => format!("{executable} {line}"),
            None => line,
        };
        let mut program = Program::new(["/bin/sh".to_owned(), "-c".to_owned(), line]);
        if let Some(chdir) = chdir {
            program = program.cwd(expand(chdir, cx.environment()));
        }
        let ended = run_script_line(cx, &args.cmd, program);
        drop(folder);
        ended
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::call::Input;
    use super::super::testing::{Try, file_entry, get, module};
    use super::*;

    fn script(text: &str, args: Map) -> Try {
        module("script", args).input(Input {
            arg: "cmd".into(),
            entries: vec![file_entry("", 0o644, text.as_bytes())],
            is_tree: false,
            basename: "run me.sh".into(),
            contents_only: false,
            repositories: Vec::new(),
        })
    }

    #[test]
    fn runs_with_arguments_and_leaves_nothing() {
        let text = "#!/bin/sh\necho \"$1|$2|$GREETING\"\necho $0 >&2\npwd\n";
        let outcome =
            script(text, map! { "cmd" => "'run me.sh' 'a b' $GREETING", "chdir" => "/usr" }).env("GREETING", "hi").ok();
        assert_eq!(get(&outcome, "stdout"), json!("a b|hi|hi\n/usr\n"));
        let place = get(&outcome, "stderr");
        assert!(!std::path::Path::new(place.as_str().expect("text").trim()).exists());
        let outcome = script("echo $#", map! { "cmd" => "x.sh 1 2", "executable" => "/bin/bash -e" }).ok();
        assert_eq!(get(&outcome, "stdout"), json!("2\n"));
    }

    #[test]
    fn codes_conditions_and_check_mode() {
        let failure = script("exit 4", map! { "cmd" => "x.sh" }).fails();
        assert_eq!(failure.result.get(&crate::value::StrKey("msg")), Some(&"non-zero return code".into()));
        let outcome = script("exit 4", map! { "cmd" => "x.sh", "creates" => "/etc" }).ok();
        assert_eq!((outcome.skipped, get(&outcome, "msg")), (true, json!("/etc exists, matching creates option")));
        let outcome = script("exit 4", map! { "cmd" => "x.sh", "removes" => "/no/such" }).ok();
        assert_eq!(get(&outcome, "msg"), json!("/no/such does not exist, matching removes option"));
        let outcome = script("exit 4", map! { "cmd" => "x.sh" }).check(true).ok();
        assert!(outcome.skipped && !outcome.changed);
        let outcome = script("exit 4", map! { "cmd" => "x.sh", "creates" => "/no/such" }).check(true).ok();
        assert!(outcome.changed && !outcome.skipped);
        assert!(script("", map! { "cmd" => "x.sh", "chdir" => "rel" }).fails().diagnostic.message.contains("absolute"));
    }
}
