//! `ansible-playbook`: its options, and what it does with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;

use super::super::completion;
use super::super::output::Output;
use super::super::run::start;
use super::options::{self, BecomeOptions, ConnectionOptions, InventoryOptions, RunOptions, VaultOptions};
use super::{Program, display};
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::ops::{self, Config};

/// Runs Ansible playbooks, executing the defined tasks on the targeted hosts.
#[derive(Debug, Parser)]
#[command(
    name = "ansible-playbook",
    about = "Runs Ansible playbooks, executing the defined tasks on the targeted hosts.",
    infer_long_args = true,
    disable_version_flag = true
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of ansible-playbook")]
pub(super) struct PlaybookArgs {
    /// Playbook(s)
    #[arg(required = true, value_name = "playbook", add = completion::playbooks())]
    playbooks: Vec<PathBuf>,
    /// show program's version number, config file location, configured module search path, module location, executable
    /// location and exit
    #[arg(long)]
    version: bool,
    /// Causes Ansible to print more debug messages. Adding multiple -v will increase the verbosity, the builtin plugins
    /// currently evaluate up to -vvvvvv. A reasonable level to start is -vvv, connection debugging might require -vvvv.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// only run plays and tasks tagged with these values
    #[arg(short, long, value_name = "TAGS", allow_hyphen_values = true, add = completion::tags())]
    tags: Vec<String>,
    /// only run plays and tasks whose tags do not match these values
    #[arg(long, value_name = "SKIP_TAGS", allow_hyphen_values = true, add = completion::tags())]
    skip_tags: Vec<String>,
    /// run handlers even if a task fails
    #[arg(long)]
    force_handlers: bool,
    /// perform a syntax check on the playbook, but do not execute it
    #[arg(long)]
    syntax_check: bool,
    /// list all tasks that would be executed
    #[arg(long)]
    list_tasks: bool,
    /// list all available tags
    #[arg(long)]
    list_tags: bool,
    /// one-step-at-a-time: confirm each task before running
    #[arg(long)]
    step: bool,
    /// start the playbook at the task matching this name
    #[arg(long, value_name = "START_AT_TASK", add = completion::tasks())]
    start_at_task: Option<String>,
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

pub(super) fn main(args: PlaybookArgs, output: &mut Output) -> Result<ExitCode> {
    let config = Config::load(&output.sources)?;
    display::configure(output, &config);
    let Some(forks) = args.run.forks(&config) else {
        return Ok(super::no_forks::<PlaybookArgs>("ansible-playbook", output));
    };
    let collections = config.paths("COLLECTIONS_PATHS");
    for path in &args.playbooks {
        exists(&ops::playbook_file(&collections, path))?;
    }
    display::tell(output, &config.warnings);
    let base = config.number("DEFAULT_VERBOSITY").and_then(|level| u8::try_from(level).ok()).unwrap_or(0);
    let verbosity = args.verbose.saturating_add(base);
    let listing = args.list_tasks || args.list_tags || args.inventory.list_hosts;
    let mut project = options::project(&args.inventory, &args.vault, &args.run.extra_vars, &config)?;
    project.module_path = args.run.module_path();
    project.plugin_names = config.plugin_names(!args.syntax_check);
    let connecting = options::connecting(&args.connection, &args.r#become, &config, !listing && !args.syntax_check)?;
    let tags = options::tags(&args.tags, &config, "TAGS_RUN");
    let skip_tags = options::tags(&args.skip_tags, &config, "TAGS_SKIP");
    if args.syntax_check {
        return syntax_check(&project, &args.playbooks, output);
    }
    if listing {
        let what = ops::Listing {
            hosts: args.inventory.list_hosts,
            tasks: args.list_tasks,
            tag_names: args.list_tags,
            // Listing tags shows those of `never`, too, unless tags are given.
            tags: if args.list_tags && tags.is_empty() && skip_tags.is_empty() {
                vec!["never".to_owned(), "all".to_owned()]
            } else {
                tags
            },
            skip_tags,
        };
        let mut text = String::new();
        for playbook in &args.playbooks {
            let (listed, warnings) = ops::list(&project, playbook, &what, &output.sources)?;
            display::tell(output, &warnings);
            match listed {
                Some(listed) => text.push_str(&listed),
                None => return Ok(ops::refused_code(&warnings)),
            }
        }
        output.data(&text);
        return Ok(ExitCode::Ok);
    }
    let diff = args.run.diff(&config);
    let request = ops::RunRequest {
        project,
        playbooks: args.playbooks,
        check: args.run.check,
        diff,
        diff_limit: config.number("MAX_FILE_SIZE_FOR_DIFF").unwrap_or(crate::modules::DIFF_LIMIT),
        tags,
        skip_tags,
        start_at_task: args.start_at_task,
        step: args.step,
        force_handlers: args.force_handlers || config.flag("DEFAULT_FORCE_HANDLERS"),
        forks,
        verbosity,
        gathering: config.text("DEFAULT_GATHERING"),
        inject_facts: config.flag("INJECT_FACTS_AS_VARS"),
        fact_caching: ops::FactCaching::configured(&config)?,
        flush_cache: args.inventory.flush_cache,
        strategy: config.text("DEFAULT_STRATEGY"),
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
    let output = &*output;
    let shown = || display::reporters(&config, (verbosity, diff), output, Some(Program::Playbook));
    start(request, output, &shown, &|found| display::tell(output, found))
}

fn syntax_check(project: &ops::ProjectRequest, playbooks: &[PathBuf], output: &Output) -> Result<ExitCode> {
    for playbook in playbooks {
        let found = ops::syntax(project, playbook, &output.sources)?;
        display::tell(output, &found.diagnostics);
        if found.diagnostics.iter().any(Diagnostic::is_error) {
            return Ok(ops::refused_code(&found.diagnostics));
        }
        output.data(&format!("\nplaybook: {}\n", playbook.display()));
    }
    Ok(ExitCode::Ok)
}

/// Ansible's own words for a playbook that is not there.
fn exists(path: &Path) -> Result<()> {
    let wrong = |text: &str| Diagnostic::new("C0113", Kind::Local, format!("the playbook: {} {text}", path.display()));
    match std::fs::metadata(path) {
        Err(_) => Err(wrong("could not be found")),
        Ok(meta) if meta.is_dir() => Err(wrong("does not appear to be a file")),
        Ok(_) => Ok(()),
    }
}
