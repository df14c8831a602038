//! How Ansible's programs show things here: its settings for colours and columns, the stdout callback.

use std::io::{IsTerminal, Write};

use super::super::output::{Output, OutputForm};
use super::{Program, version};
use crate::diag::{Diagnostic, SourceMap};
use crate::event::Reporter;
use crate::ops::Config;
use crate::report::{
    AnsibleDefault, AnsibleOptions, Brief, Captured, JsonLines, JsonStats, LogLines, Paint, ResultFormat, RetryFiles,
    Runner, RunnerOptions, SlowestFirst, Timed, Timing, TimingOptions, ansible_warning,
};
use crate::system::{accounts, append};

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
        unicode: true,
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
                    let lead = if of_the_settings(diagnostic) { "ERROR" } else { "[ERROR]" };
                    output.note(&format!("{lead}: {words}\n"));
                }
                output.show(std::slice::from_ref(diagnostic));
            }
        }
    }
}

/// True for what keeps Ansible from starting at all: its words come without brackets.
fn of_the_settings(diagnostic: &Diagnostic) -> bool {
    match &*diagnostic.code {
        "C0110" => true,
        // The options of plugins are looked at later.
        "C0117" => !diagnostic.registered().ends_with("plugin") && !diagnostic.registered().contains(" plugin. "),
        _ => false,
    }
}

/// The stdout callback that the settings name, with those beside it.
pub(in crate::cli) fn reporters(
    config: &Config,
    levels: (u8, bool),
    output: &Output,
    program: Option<Program>,
) -> Vec<Box<dyn Reporter>> {
    callbacks(config, levels, output, program, &config.text("DEFAULT_STDOUT_CALLBACK"))
}

/// The stdout callback of a name, those that tell times, and the log file.
pub(super) fn callbacks(
    config: &Config,
    (verbosity, diff): (u8, bool),
    output: &Output,
    program: Option<Program>,
    name: &str,
) -> Vec<Box<dyn Reporter>> {
    let mut options = options(config, verbosity, output, program);
    let mut all = vec![stdout_callback(options.clone(), diff, output, name)];
    all.extend(timing(config, &options, std::io::stdout));
    if let Some(log) = log_file(config, output) {
        options.color = false;
        options.retry = None;
        all.push(named(name, options.clone(), log.clone(), log.clone()));
        all.extend(timing(config, &options, || log.clone()));
    }
    all
}

/// What the settings ask for beside output in a form of our own: the log file, retry files.
pub(in crate::cli) fn beside(config: &Config, verbosity: u8, output: &Output) -> Vec<Box<dyn Reporter>> {
    let options = AnsibleOptions { color: false, ..options(config, verbosity, output, None) };
    match log_file(config, output) {
        Some(log) => {
            let mut all = vec![named("default", options.clone(), log.clone(), log.clone())];
            all.extend(timing(config, &options, || log.clone()));
            all
        }
        None if options.retry.is_some() => vec![named("default", options, std::io::sink(), std::io::sink())],
        None => Vec::new(),
    }
}

/// How results are shown, as the settings say.
pub(super) fn options(config: &Config, verbosity: u8, output: &Output, program: Option<Program>) -> AnsibleOptions {
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
    let retries = config.flag("RETRY_FILES_ENABLED") && program != Some(Program::Adhoc);
    AnsibleOptions {
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
        verbose_stderr: config.flag("VERBOSE_TO_STDERR"),
        action_warnings: config.flag("ACTION_WARNINGS"),
        debug: config.flag("DEFAULT_DEBUG"),
        preamble,
        at_once: false,
        retry: retries.then(|| RetryFiles {
            dir: config.given("RETRY_FILES_SAVE_PATH").filter(|path| !path.is_empty()).map(Into::into),
        }),
    }
}

/// The callbacks that tell times, of those that are enabled.
fn timing<O: Write + Send + 'static>(
    config: &Config,
    shown: &AnsibleOptions,
    out: impl Fn() -> O,
) -> Vec<Box<dyn Reporter>> {
    let enabled = config.list("CALLBACKS_ENABLED");
    let mut all: Vec<Box<dyn Reporter>> = Vec::new();
    for name in enabled {
        let (what, options) = match name.rsplit('.').next() {
            Some("timer") => (Timed::Run, TimingOptions::default()),
            Some("profile_roles") => {
                let summary_only = config.flag("PROFILE_ROLES_SUMMARY_ONLY");
                (Timed::Roles, TimingOptions { summary_only, ..TimingOptions::default() })
            }
            Some("profile_tasks") => {
                let order = match config.text("PROFILE_TASKS_SORT_ORDER").as_str() {
                    "ascending" => SlowestFirst::No,
                    "none" => SlowestFirst::AsRun,
                    _ => SlowestFirst::Yes,
                };
                let limit = match config.text("PROFILE_TASKS_TASK_OUTPUT_LIMIT").as_str() {
                    "all" => None,
                    text => Some(text.parse().unwrap_or(20)),
                };
                let summary_only = config.flag("PROFILE_TASKS_SUMMARY_ONLY");
                (Timed::Tasks, TimingOptions { summary_only, limit, order })
            }
            _ => continue,
        };
        all.push(Box::new(Timing::new(out(), what, options, shown)));
    }
    all
}

/// The log file that the settings name.
fn log_file(config: &Config, output: &Output) -> Option<LogLines<std::fs::File>> {
    let path = config.given("DEFAULT_LOG_PATH").filter(|path| !path.is_empty())?;
    if config.list("DEFAULT_LOG_FILTER").iter().any(|name| name == "ansible") {
        return None;
    }
    let path = std::path::Path::new(path);
    if path.is_dir() {
        let path = path.display();
        output.note(&format!("[WARNING]: DEFAULT_LOG_PATH can not be a directory '{path}', aborting\n"));
        return None;
    }
    let file = append::open(path);
    if let Err(error) = &file {
        let path = path.display();
        output.note(&format!(
            "[WARNING]: log file at '{path}' is not writeable and we cannot create it, aborting ({error})\n\n"
        ));
    }
    let env = ["LOGNAME", "USER", "LNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let own = || {
        use std::os::unix::fs::MetadataExt as _;
        let uid = std::fs::metadata("/proc/self").map_or(0, |meta| meta.uid());
        accounts::account_of_uid(uid).map_or_else(|| format!("uid={uid}"), |account| account.name)
    };
    let user = env.filter(|name| !name.is_empty()).unwrap_or_else(own);
    file.ok().map(|file| LogLines::new(file, &user))
}

/// The stdout callback of a name.
fn stdout_callback(options: AnsibleOptions, diff: bool, output: &Output, name: &str) -> Box<dyn Reporter> {
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
        verbosity: options.verbosity,
        color: options.color,
        diff_context: options.diff_context,
        format: options.format,
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
