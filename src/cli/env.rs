//! `hostctl env`: environments and what they set.

use clap::{Args, Subcommand};

use super::arguments::ProjectArgs;
use super::output::{Output, OutputForm};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::ops;

/// List environments, or show what one sets
#[derive(Debug, Args)]
pub struct EnvArgs {
    #[command(subcommand)]
    command: EnvCommand,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// All environments of the project with their parents
    List {
        /// The project's folder.
        #[arg(long, value_name = "DIR")]
        project: Option<std::path::PathBuf>,
    },
    /// Every variable with the place of its value and of the values that it hides
    Show {
        /// The environment.
        #[arg(add = clap_complete::ArgValueCompleter::new(complete))]
        name: String,
        /// As this host sees it, with its groups' variables.
        #[arg(long, value_name = "HOST", add = super::completion::host_names())]
        host: Option<String>,
        /// Only this variable.
        #[arg(long, value_name = "NAME")]
        var: Option<String>,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
}

/// Completes the names of environments.
pub(super) fn complete(current: &std::ffi::OsStr) -> Vec<clap_complete::CompletionCandidate> {
    let current = current.to_string_lossy();
    let Ok((environments, _)) = ops::environment_list(None, &crate::diag::SourceMap::new()) else { return Vec::new() };
    environments
        .into_iter()
        .filter(|listed| listed.name.starts_with(&*current))
        .map(|listed| {
            let help = (!listed.description.is_empty()).then(|| listed.description.into());
            clap_complete::CompletionCandidate::new(listed.name).help(help)
        })
        .collect()
}

pub(super) fn main(args: &EnvArgs, output: &Output) -> Result<ExitCode> {
    match &args.command {
        EnvCommand::List { project } => list(project.as_deref(), output),
        EnvCommand::Show { name, host, var, project } => {
            let mut request = project.request(output, &crate::ops::Config::load(&output.sources)?)?;
            request.env = Some(name.clone());
            let (shown, problems) = ops::environment_show(&request, host.as_deref(), var.as_deref(), &output.sources)?;
            output.show(&problems);
            variables(&shown, output);
            Ok(ended(&problems))
        }
    }
}

/// Variables with the places of their values and of those that they hide.
pub(super) fn variables(shown: &[ops::ShownVariable], output: &Output) {
    let mut text = String::new();
    for variable in shown {
        if output.form == OutputForm::Jsonl {
            let hidden: Vec<serde_json::Value> = variable
                .hidden
                .iter()
                .map(|hidden| serde_json::json!({ "value": hidden.value, "place": hidden.place }))
                .collect();
            let line = serde_json::json!({
                "name": variable.name, "value": variable.winner.value, "place": variable.winner.place,
                "origin": variable.winner.origin, "hides": hidden,
            });
            text.push_str(&format!("{line}\n"));
            continue;
        }
        let head = format!("{}: {}", variable.name, variable.winner.value);
        text.push_str(&format!("{head:<50}  {}\n", output.paint.place(&variable.winner.place)));
        for hidden in &variable.hidden {
            let line = format!("  hides  {}", hidden.value);
            text.push_str(&format!("{}  {}\n", output.paint.dim(&format!("{line:<50}")), hidden.place));
        }
    }
    output.data(&text);
}

/// What could be read is shown; a mistake in a file is still told by the exit code.
pub(super) fn ended(problems: &[Diagnostic]) -> ExitCode {
    problems.iter().find(|problem| problem.is_error()).map_or(ExitCode::Ok, |error| error.kind.exit_code())
}

fn list(project: Option<&std::path::Path>, output: &Output) -> Result<ExitCode> {
    let (environments, problems) = ops::environment_list(project, &output.sources)?;
    output.show(&problems);
    let width = environments.iter().map(|config| config.name.len()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for config in environments {
        let parents = &config.parents;
        if output.form == OutputForm::Jsonl {
            let line = serde_json::json!({
                "name": config.name, "description": config.description, "parents": parents,
            });
            text.push_str(&format!("{line}\n"));
            continue;
        }
        let from = if parents.is_empty() { String::new() } else { format!("  (from {})", parents.join(", ")) };
        text.push_str(&format!("{:width$}{}{}\n", config.name, config.description, output.paint.dim(&from)));
    }
    output.data(&text);
    Ok(ended(&problems))
}
