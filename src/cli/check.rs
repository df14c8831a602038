//! `hostctl check`: every mistake of a playbook at once, without contacting a host.

use std::path::PathBuf;

use clap::Args;

use super::arguments::ProjectArgs;
use super::output::Output;
use crate::diag::{ExitCode, Result};
use crate::ops;

/// Find mistakes in playbooks without contacting a host
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The playbooks.
    #[arg(required = true, value_name = "PLAYBOOK", value_hint = clap::ValueHint::FilePath)]
    playbooks: Vec<PathBuf>,
    #[command(flatten)]
    project: ProjectArgs,
}

pub(super) fn main(args: &CheckArgs, output: &Output) -> Result<ExitCode> {
    run(&args.project.request(output, &ops::Config::load()?)?, &args.playbooks, output)
}

pub(super) fn run(project: &ops::ProjectRequest, playbooks: &[PathBuf], output: &Output) -> Result<ExitCode> {
    let mut exit = ExitCode::Ok;
    let mut errors = 0;
    let mut warnings = 0;
    for playbook in playbooks {
        let found = ops::check(project, playbook, &output.sources)?;
        output.show(&found.diagnostics);
        if !found.diagnostics.is_empty() {
            output.note("\n");
        }
        errors += found.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        warnings += found.diagnostics.iter().filter(|diagnostic| !diagnostic.is_error()).count();
    }
    if errors > 0 {
        exit = ExitCode::Unreachable;
    }
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let typed = super::run::typed(std::env::args_os().skip(1).filter(|word| word != "--syntax-check"));
    let dry_run = typed.replacen("hostctl check ", "hostctl run ", 1);
    output.data(&format!(
        "{}, {} in {}; no host was contacted; for a dry run: {dry_run} --check\n",
        count(errors, "error"),
        count(warnings, "warning"),
        count(output.sources.len(), "file"),
    ));
    Ok(exit)
}
