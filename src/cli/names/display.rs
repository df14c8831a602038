//! How Ansible's programs show things here: its settings for colours and columns, the stdout callback.

use std::io::{IsTerminal, Write};

use super::super::output::{Output, OutputForm};
use super::{Program, version};
use crate::diag::{Diagnostic, SourceMap};
use crate::event::Reporter;
use crate::ops::Config;
use crate::report::{
    AnsibleDefault, AnsibleOptions, Brief, Captured, JsonLines, JsonStats, Paint, ResultFormat, Runner, RunnerOptions,
    ansible_warning,
};

/// The callback of ansible-runner.
const RUNNER: &str = "awx_display";

/// Output without looking at settings.
pub(super) fn plain_output() -> Output {
    let terminal = std::io::stdout().is_terminal();
    let columns = if terminal { usize::from(console::Term::stdout().size().1).saturating_sub(1) } else { 0 };
    let no_color = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Output {
        form: OutputForm::Ansible,
        paint: Paint { color: terminal && !no_color("NO_COLOR") },
        error_paint: Paint { color: std::io::stderr().is_terminal() && !no_color("NO_COLOR") },
        terminal,
        width: columns.max(79),
        sources: SourceMap::new(),
        unwritten: std::sync::Arc::default(),
    }
}

/// Takes over Ansible's settings for colours.
pub(super) fn configure(output: &mut Output, config: &Config) {
    if config.flag("ANSIBLE_NOCOLOR") || std::env::var_os("NO_COLOR").is_some() {
        output.paint.color = false;
        output.error_paint.color = false;
    }
    if config.flag("ANSIBLE_FORCE_COLOR") {
        output.paint.color = true;
        output.error_paint.color = true;
    }
}

/// Shows what is wrong: in Ansible's words where it has some for this, with hostctl's frames otherwise.
pub(super) fn tell(output: &Output, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        match ansible_warning(diagnostic, &output.sources) {
            Some(text) => output.note(&text),
            None => {
                // Scripts look for Ansible's words; people read the frame behind them.
                if let (true, Some(words)) = (diagnostic.is_error(), &diagnostic.registered) {
                    output.note(&format!("[ERROR]: {words}\n"));
                }
                output.show(std::slice::from_ref(diagnostic));
            }
        }
    }
}

/// The stdout callback that the settings name.
pub(in crate::cli) fn reporter(
    config: &Config,
    (verbosity, diff): (u8, bool),
    output: &Output,
    program: Option<Program>,
) -> Box<dyn Reporter> {
    callback(config, (verbosity, diff), output, program, &config.text("DEFAULT_STDOUT_CALLBACK"))
}

/// The stdout callback of a name.
pub(super) fn callback(
    config: &Config,
    (verbosity, diff): (u8, bool),
    output: &Output,
    program: Option<Program>,
    name: &str,
) -> Box<dyn Reporter> {
    let mut preamble = Vec::new();
    if let Some(program) = program {
        if verbosity >= 2 {
            preamble.push(version(program).trim_end().to_owned());
        }
        if verbosity >= 1 {
            preamble.push(match &config.file {
                Some(path) => format!("Using {} as config file", path.display()),
                None => "No config file found; using defaults".to_owned(),
            });
        }
    }
    let options = AnsibleOptions {
        color: output.paint.color,
        width: if output.form == OutputForm::Ansible { output.width } else { output.width.max(79) },
        verbosity,
        diff_context: config.number("DIFF_CONTEXT").and_then(|lines| usize::try_from(lines).ok()).unwrap_or(3),
        ok_hosts: config.flag("DISPLAY_OK_HOSTS"),
        skipped_hosts: config.flag("DISPLAY_SKIPPED_HOSTS"),
        failed_stderr: config.flag("DISPLAY_FAILED_STDERR"),
        check_markers: config.flag("CHECK_MODE_MARKERS"),
        per_host_start: config.flag("SHOW_PER_HOST_START"),
        path_on_failure: config.flag("SHOW_TASK_PATH_ON_FAILURE"),
        custom_stats: config.flag("SHOW_CUSTOM_STATS"),
        format: if config.text("CALLBACK_RESULT_FORMAT") == "yaml" { ResultFormat::Yaml } else { ResultFormat::Json },
        pretty: config.optional_flag("CALLBACK_FORMAT_PRETTY"),
        warnings: true,
        debug: config.flag("DEFAULT_DEBUG"),
        preamble,
        at_once: false,
    };
    let (out, err) = (std::io::BufWriter::with_capacity(1 << 16, std::io::stdout()), std::io::stderr());
    if name != RUNNER {
        return named(name, options, out, err);
    }
    // As ansible-runner's own callback finds what it stands around.
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let original = env("ORIGINAL_STDOUT_CALLBACK").filter(|name| name != RUNNER);
    let inner = match &original {
        Some(name) => name.as_str(),
        None if env("AD_HOC_COMMAND_ID").is_some() => "minimal",
        None => "default",
    };
    let Some(dir) = env("AWX_ISOLATED_DATA_DIR") else { return named(inner, options, out, err) };
    let settings = RunnerOptions {
        verbosity,
        color: options.color,
        diff_context: options.diff_context,
        diff,
        preamble: options.preamble,
        ..RunnerOptions::read(env, dir.into())
    };
    let captured = Captured::default();
    let options = AnsibleOptions { preamble: Vec::new(), at_once: true, ..options };
    let inner = named(inner, options, captured.stream(false), captured.stream(true));
    Box::new(Runner::new((out, err), inner, captured, std::sync::Arc::clone(&output.sources), settings))
}

/// A callback of Ansible's, or of its public collections.
fn named(
    name: &str,
    options: AnsibleOptions,
    out: impl Write + Send + 'static,
    err: impl Write + Send + 'static,
) -> Box<dyn Reporter> {
    match name.rsplit('.').next().unwrap_or_default() {
        "minimal" => Box::new(Brief::new(out, err, options, false)),
        "oneline" => Box::new(Brief::new(out, err, options, true)),
        "json" => Box::new(JsonStats::new(out, err, options)),
        "yaml" => {
            let options = AnsibleOptions { format: ResultFormat::Yaml, ..options };
            Box::new(AnsibleDefault::new(out, err, options))
        }
        "debug" => {
            let options = AnsibleOptions { pretty: Some(true), ..options };
            Box::new(AnsibleDefault::new(out, err, options))
        }
        "jsonl" | "hostctl" => Box::new(JsonLines::new(out)),
        _ => Box::new(AnsibleDefault::new(out, err, options)),
    }
}
