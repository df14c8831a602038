//! `raw`: a line for the host's shell, as it is. No check of `creates`, no stripping of output, no environment.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::command::run_script_line;
use super::cx::Cx;
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::system::process::Program;
use crate::value::Map;

/// Gives a line to the host's shell. `shell` does more; this is for playbooks that begin with `raw` on bare hosts.
///
/// The keyword `environment` does not reach it. In check mode nothing is run, and the task counts as skipped.
///
/// ```yaml
/// - name: Look whether there is a package manager
///   raw: command -v apt-get || command -v dnf
///   changed_when: false
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The line.
    free_form: String,
    /// The shell, as an absolute path; `/bin/sh` unless given.
    executable: Option<HostPath>,
}

/// The module.
pub struct Raw;

impl Module for Raw {
    type Args = Args;
    const META: Meta = Meta {
        name: "raw",
        full_name: "ansible.builtin.raw",
        also: &["ansible.legacy.raw"],
        summary: "Give a line to the host's shell",
        aliases: &[("free_form", &["_raw_params"])],
        free_form: Some("free_form"),
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if !cx.environment().is_empty() {
            cx.warn("raw module does not support the environment keyword");
        }
        if cx.check_mode() {
            cx.skip();
            return Ok(Map::new());
        }
        let shell = args.executable.map_or_else(|| "/bin/sh".into(), |path| path.expand(cx.environment()));
        let program = Program::new([shell.into_os_string(), "-c".into(), args.free_form.clone().into()]);
        run_script_line(cx, &args.free_form, program.without_task_environment())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use crate::map;

    #[test]
    fn output_is_left_as_it_is_and_the_environment_stays_out() {
        let outcome =
            module("raw", map! { "free_form" => "echo \"[$GREETING]\"; echo err >&2" }).env("GREETING", "hi").ok();
        assert_eq!((get(&outcome, "stdout"), get(&outcome, "stderr")), (json!("[]\n"), json!("err\n")));
        assert_eq!((get(&outcome, "rc"), outcome.changed, outcome.warnings.len()), (json!(0), true, 1));
        let outcome = module("raw", map! { "free_form" => "echo $0", "executable" => "/bin/bash" }).ok();
        assert_eq!(get(&outcome, "stdout_lines"), json!(["/bin/bash"]));
    }

    #[test]
    fn a_code_is_a_failure_and_check_mode_a_skip() {
        let failure = module("raw", map! { "free_form" => "echo a; exit 3" }).fails();
        assert_eq!(failure.result.get(&crate::value::StrKey("rc")), Some(&crate::value::Value::Int(3)));
        assert!(failure.changed);
        let outcome = module("raw", map! { "free_form" => "exit 3" }).check(true).ok();
        assert!(outcome.skipped && !outcome.changed);
    }
}
