//! `ansible`: one task on the hosts of a pattern, without a playbook.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;

use super::super::completion;
use super::super::output::Output;
use super::super::run::start;
use super::options::{self, BecomeOptions, ConnectionOptions, InventoryOptions, RunOptions, VaultOptions};
use super::{Program, display};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::ops::{self, Config};
use crate::playbook::parse_kv;
use crate::report::{HOW_TO_HIDE, Tree};
use crate::value::{Key, Map, Value, python_repr};

/// Define and run a single task 'playbook' against a set of hosts
#[derive(Debug, Parser)]
#[command(name = "ansible", infer_long_args = true, disable_version_flag = true, max_term_width = 80)]
pub(super) struct AdhocArgs {
    /// host pattern
    #[arg(value_name = "pattern", add = completion::hosts())]
    pattern: String,
    /// Name of the action to execute (default=command)
    #[arg(short, long, value_name = "MODULE_NAME", add = completion::modules())]
    module_name: Option<String>,
    /// The action's options in space separated k=v format: -a 'opt1=val1 opt2=val2' or a json string: -a '{"opt1":
    /// "val1", "opt2": "val2"}'
    #[arg(short, long, value_name = "MODULE_ARGS", allow_hyphen_values = true)]
    args: Option<String>,
    /// show program's version number, config file location, configured module search path, module location, executable
    /// location and exit
    #[arg(long)]
    version: bool,
    /// Causes Ansible to print more debug messages. Adding multiple -v will increase the verbosity, the builtin plugins
    /// currently evaluate up to -vvvvvv. A reasonable level to start is -vvv, connection debugging might require -vvvv.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// condense output
    #[arg(short, long)]
    one_line: bool,
    /// log output to this directory
    #[arg(short, long, value_name = "TREE")]
    tree: Option<PathBuf>,
    /// set the poll interval if using -B (default=15)
    #[arg(short = 'P', long, value_name = "POLL_INTERVAL")]
    poll: Option<i64>,
    /// run asynchronously, failing after X seconds (default=N/A)
    #[arg(short = 'B', long, value_name = "SECONDS")]
    background: Option<i64>,
    /// set task timeout limit
    #[arg(long, value_name = "TASK_TIMEOUT", help = "set task timeout limit in seconds, must be positive integer.")]
    task_timeout: Option<i64>,
    /// a substitute playbook directory
    #[arg(long, value_name = "BASEDIR", help = options::BASEDIR)]
    playbook_dir: Option<PathBuf>,
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    inventory: InventoryOptions,
    #[command(flatten)]
    vault: VaultOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
    #[command(flatten)]
    r#become: BecomeOptions,
}

/// Modules that do nothing without arguments.
const NEED_ARGS: [&str; 6] = ["command", "shell", "raw", "script", "win_command", "win_shell"];

pub(super) fn main(args: AdhocArgs, output: &mut Output) -> Result<ExitCode> {
    let config = Config::load(&output.sources)?;
    display::configure(output, &config);
    let Some(forks) = args.run.forks(&config) else { return Ok(super::no_forks::<AdhocArgs>("ansible", output)) };
    let warnings = config.warnings.clone();
    let module = args.module_name.clone().unwrap_or_else(|| config.text("DEFAULT_MODULE_NAME"));
    let text = args.args.clone().unwrap_or_else(|| config.text("DEFAULT_MODULE_ARGS"));
    let short = module.rsplit('.').next().unwrap_or_default();
    if !args.inventory.list_hosts && NEED_ARGS.contains(&short) && text.trim().is_empty() {
        output.note(&format!("[ERROR]: No argument passed to {module} module\n"));
        return Ok(ExitCode::Usage);
    }
    if short == "import_playbook" {
        output.note(&format!("[ERROR]: '{module}' is not a valid action for ad-hoc commands\n"));
        return Ok(ExitCode::Usage);
    }
    if short == "meta" && text.trim() == "end_role" {
        output.note("[ERROR]: Cannot execute 'end_role' from outside of a role\n");
        return Ok(ExitCode::Unreachable);
    }
    display::tell(output, &warnings);
    let base = config.number("DEFAULT_VERBOSITY").and_then(|level| u8::try_from(level).ok()).unwrap_or(0);
    let verbosity = args.verbose.saturating_add(base);
    if config.flag("DEPRECATION_WARNINGS") {
        output.note(&deprecated(&args));
    }
    let dir = args.playbook_dir.clone().or_else(|| config.given("PLAYBOOK_DIR").map(PathBuf::from));
    let path = dir.unwrap_or_default().join(format!("<adhoc {module}>"));
    let mut project = options::project(&args.inventory, &args.vault, &args.run.extra_vars, &config)?;
    project.module_path = args.run.module_path();
    // Who names localhost need not be told that only it is there.
    project.tell_empty.1 &= !matches!(args.pattern.as_str(), "localhost" | "127.0.0.1" | "::1");
    let given = |text: Arc<str>| Some((path.clone(), format!("<adhoc '{module}' task>"), text));
    project.given = given(playbook(&args, &module, &text));
    let (hosts, found, refused) = ops::hosts_of(&project, &path, &args.pattern, &output.sources)?;
    display::tell(output, &found);
    if found.iter().any(Diagnostic::is_error) {
        return Ok(ops::refused_code(&found));
    }
    if hosts.is_empty() {
        output.note("[WARNING]: No hosts matched, nothing to do\n");
    }
    if args.inventory.list_hosts {
        let mut text = format!("  hosts ({}):\n", hosts.len());
        for host in &hosts {
            text.push_str(&format!("    {host}\n"));
        }
        output.data(&text);
        return Ok(ExitCode::Ok);
    }
    if hosts.is_empty() {
        return Ok(ExitCode::Ok);
    }
    project.tell_empty = (false, false);
    // What stands for no task fails on each host.
    let wrong = match refused.as_deref() {
        Some("P0202") => Some(format!("Task failed: Cannot resolve '{module}' to an action or module.")),
        Some("P0213") => {
            let name = if module.contains('.') { module.clone() } else { format!("ansible.builtin.{module}") };
            Some(format!("Task failed: Action '{name}' does not support raw params."))
        }
        _ => None,
    };
    if let Some(words) = wrong {
        let fail = serde_json::json!({ "msg": words }).to_string();
        let told = described(&args, &module, &text);
        project.given = given(format!("{}\n# {told}\n", task(&args, "ansible.builtin.fail", &fail)).into());
    }
    let connecting = options::connecting(&args.connection, &args.r#become, &config, true)?;
    let diff = args.run.diff(&config);
    let request = ops::RunRequest {
        project,
        playbooks: vec![path],
        check: args.run.check,
        diff,
        diff_limit: config.number("MAX_FILE_SIZE_FOR_DIFF").unwrap_or(crate::modules::DIFF_LIMIT),
        tags: Vec::new(),
        skip_tags: Vec::new(),
        start_at_task: None,
        step: false,
        force_handlers: false,
        forks,
        verbosity,
        gathering: config.text("DEFAULT_GATHERING"),
        inject_facts: config.flag("INJECT_FACTS_AS_VARS"),
        fact_caching: ops::FactCaching::configured(&config)?,
        flush_cache: args.inventory.flush_cache,
        strategy: "linear".to_owned(),
        debugger: config.flag("ENABLE_TASK_DEBUGGER"),
        debugger_ignores: config.flag("TASK_DEBUGGER_IGNORE_ERRORS"),
        keywords: crate::cli::arguments::keyword_defaults(&config),
        person: Arc::new(crate::cli::person::Terminal::Within),
        defaults: connecting.defaults,
        login_password: connecting.login,
        become_password: connecting.r#become,
        command: String::new(),
        plan: false,
        resume: None,
        ansible_codes: true,
    };
    let configured = config.text("DEFAULT_STDOUT_CALLBACK");
    let name = if args.one_line {
        "oneline"
    } else if config.flag("DEFAULT_LOAD_CALLBACK_PLUGINS") && configured != "default" {
        &configured
    } else {
        "minimal"
    };
    let output = &*output;
    let shown = || {
        let mut all = display::callbacks(&config, (verbosity, diff), output, Some(Program::Adhoc), name);
        if let Some(dir) = &args.tree {
            let options = display::options(&config, verbosity, output, None);
            all.push(Box::new(Tree::new(dir.clone(), options)));
        }
        all
    };
    start(request, output, &shown, &|found| display::tell(output, found))
}

/// The playbook of one task; a comment below it says what Ansible shows of such a task.
fn playbook(args: &AdhocArgs, module: &str, text: &str) -> Arc<str> {
    format!("{}\n# {}\n", task(args, module, text), described(args, module, text)).into()
}

/// A task's mapping in Python's spelling, shortened as Python's `textwrap.shorten` does.
fn described(args: &AdhocArgs, module: &str, text: &str) -> String {
    let mut options = Map::new();
    let raw = NEED_ARGS.contains(&module.rsplit('.').next().unwrap_or_default());
    match parse_kv(text, raw) {
        Ok(found) if !text.trim_start().starts_with('{') => {
            for (name, value) in found.options {
                options.insert(Key::from(name.text.as_str()), Value::from(value.text.as_str()));
            }
            if let Some(raw) = found.raw.filter(|raw| !raw.text.is_empty()) {
                options.insert(Key::from("_raw_params"), Value::from(raw.text.as_str()));
            }
        }
        _ => match serde_json::from_str::<Value>(text) {
            Ok(Value::Map(map)) => options = Map::clone(&map),
            _ => {
                options.insert(Key::from("_raw_params"), Value::from(text));
            }
        },
    }
    let whole = crate::map! {
        "action" => module,
        "args" => Value::from(options),
        "timeout" => args.task_timeout.unwrap_or(0),
        "async_val" => args.background.unwrap_or(0),
        "poll" => args.poll.unwrap_or(15),
    };
    let whole = python_repr(&Value::from(whole));
    let words: Vec<&str> = whole.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    let mut kept = String::new();
    for word in words {
        let length = kept.chars().count() + word.chars().count() + usize::from(!kept.is_empty());
        if length + CUT.len() > SHOWN {
            break;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    (kept + CUT).trim_start().to_owned()
}

/// Columns of a task that is shown, and what stands for the rest.
const SHOWN: usize = 120;
const CUT: &str = " [...]";

/// What ansible-core says of options that it is going to remove.
fn deprecated(args: &AdhocArgs) -> String {
    let options = [("-t", "tree", args.tree.is_some()), ("-o", "oneline", args.one_line)];
    let given: Vec<_> = options.into_iter().filter(|(.., given)| *given).collect();
    if given.is_empty() {
        return String::new();
    }
    let removed = "This feature will be removed from ansible-core version 2.23.";
    let mut text = HOW_TO_HIDE.to_owned();
    for (option, callback, _) in &given {
        text.push_str(&format!(
            "[DEPRECATION WARNING]: The '{option}' argument is deprecated. {removed} Use callback configuration to enable \
             the {callback} callback instead.\n"
        ));
    }
    // The stdout callback is loaded first.
    for (_, callback, _) in given.iter().rev() {
        text.push_str(&format!("[DEPRECATION WARNING]: The {callback} callback plugin is deprecated. {removed}\n"));
    }
    text
}

/// The playbook of one task.
fn task(args: &AdhocArgs, module: &str, text: &str) -> String {
    let mut task = serde_json::Map::new();
    let whole: Option<serde_json::Value> =
        text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
    let value = match whole {
        Some(map) => map,
        None if text.trim().is_empty() => serde_json::Value::Null,
        None => serde_json::Value::from(text),
    };
    task.insert(module.to_owned(), value);
    if let Some(seconds) = args.background.filter(|seconds| *seconds > 0) {
        task.insert("async".to_owned(), seconds.into());
        task.insert("poll".to_owned(), args.poll.unwrap_or(15).into());
    }
    if let Some(seconds) = args.task_timeout.filter(|seconds| *seconds > 0) {
        task.insert("timeout".to_owned(), seconds.into());
    }
    let play = serde_json::json!([{
        "name": "Ansible Ad-Hoc",
        "hosts": args.pattern,
        "gather_facts": false,
        "tasks": [task],
    }]);
    play.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_shown_in_pythons_spelling() {
        let args = AdhocArgs::try_parse_from(["ansible", "all", "--poll=15"]).unwrap();
        assert_eq!(
            described(&args, "command", "chdir=/x ls"),
            "{'action': 'command', 'args': {'chdir': '/x', '_raw_params': 'ls'}, 'timeout': 0, 'async_val': 0, 'poll': 15}"
        );
        assert_eq!(
            described(&args, "shell", "echo a; echo b; echo c >&2; exit 3"),
            "{'action': 'shell', 'args': {'_raw_params': 'echo a; echo b; echo c >&2; exit 3'}, 'timeout': 0, 'async_val': 0, [...]"
        );
        assert!(
            playbook(&args, "ping", "")
                .ends_with("\n# {'action': 'ping', 'args': {}, 'timeout': 0, 'async_val': 0, 'poll': 15}\n")
        );
    }

    #[test]
    fn arguments_are_text_or_a_mapping() {
        let args = AdhocArgs::try_parse_from(["ansible", "all", "-m", "copy", "-a", "x"]).unwrap();
        assert!(playbook(&args, "copy", "a=b c=d").contains(r#"{"copy":"a=b c=d"}"#));
        assert!(playbook(&args, "copy", r#"{"a": [1]}"#).contains(r#"{"copy":{"a":[1]}}"#));
        assert!(playbook(&args, "ping", "").contains(r#"{"ping":null}"#));
    }
}
