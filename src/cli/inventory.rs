//! `hostctl inventory`: hosts, groups and their variables, before anything runs.

use clap::{Args, Subcommand};

use super::arguments::ProjectArgs;
use super::output::{Output, OutputForm};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::ops::{self, Config, InventoryView};
use crate::report::yaml_text;

/// List the inventory's hosts, draw its groups, or show one host's variables
#[derive(Debug, Args)]
pub struct InventoryArgs {
    #[command(subcommand)]
    command: InventoryCommand,
}

#[derive(Debug, Subcommand)]
enum InventoryCommand {
    /// The hosts that a pattern means, each with its address and groups
    List {
        /// Hosts and groups, as `hosts:` of a play names them.
        #[arg(default_value = "all", add = super::completion::hosts())]
        pattern: String,
        /// Write the whole inventory as YAML instead, with every host's variables.
        #[arg(long, conflicts_with = "pattern")]
        yaml: bool,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
    /// The tree of groups and hosts
    Graph {
        /// The group at the top.
        #[arg(default_value = "all", add = super::completion::groups())]
        group: String,
        /// The variables of groups and hosts too.
        #[arg(long)]
        vars: bool,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
    /// The variables of a host, with the place of each and of the values that it hides
    Host {
        /// The host.
        #[arg(add = super::completion::host_names())]
        name: String,
        /// Only this variable.
        #[arg(long, value_name = "NAME")]
        var: Option<String>,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
}

pub(super) fn main(args: &InventoryArgs, output: &Output) -> Result<ExitCode> {
    let config = Config::load(&output.sources)?;
    match &args.command {
        InventoryCommand::List { pattern, yaml, project } => {
            let view = opened(project, &config, output)?;
            let text = match (yaml, output.form) {
                (true, _) => yaml_text(&view.tree()),
                (false, OutputForm::Jsonl) => lines(&view, pattern)?,
                (false, _) => table(&view, pattern, output)?,
            };
            output.data(&view.redact(&text));
            Ok(super::env::ended(&view.warnings))
        }
        InventoryCommand::Graph { group, vars, project } => {
            let view = opened(project, &config, output)?;
            output.data(&view.redact(&view.graph(group, *vars)?));
            Ok(super::env::ended(&view.warnings))
        }
        InventoryCommand::Host { name, var, project } => {
            let request = project.request(output, &config)?;
            let (shown, problems) = ops::host_show(&request, name, var.as_deref(), &output.sources)?;
            output.show(&problems);
            super::env::variables(&shown, output);
            Ok(super::env::ended(&problems))
        }
    }
}

fn opened(project: &ProjectArgs, config: &Config, output: &Output) -> Result<InventoryView> {
    let request = project.request(output, config)?;
    let view = InventoryView::open(&request, std::path::Path::new(""), false, &output.sources)?;
    output.show(&view.warnings);
    Ok(view)
}

/// One object for each host.
fn lines(view: &InventoryView, pattern: &str) -> Result<String, Diagnostic> {
    let mut text = String::new();
    for host in view.hosts(pattern)? {
        let line = serde_json::json!({
            "host": &*host.name, "groups": host.groups, "vars": crate::value::to_json(&host.vars.into()),
        });
        text.push_str(&format!("{line}\n"));
    }
    Ok(text)
}

fn table(view: &InventoryView, pattern: &str, output: &Output) -> Result<String, Diagnostic> {
    let hosts = view.hosts(pattern)?;
    if hosts.is_empty() {
        output.note("no hosts: name an inventory with `-i`, or an environment with `--env`\n");
    }
    let width = hosts.iter().map(|host| host.name.chars().count()).max().unwrap_or(0) + 2;
    let addresses: Vec<String> = hosts.iter().map(ops::ListedHost::address).collect();
    let column = addresses.iter().map(|address| address.chars().count()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for (host, address) in hosts.iter().zip(&addresses) {
        let groups = output.paint.dim(&host.groups.join(", "));
        let line = format!("{:width$}{address:column$}{groups}", host.name);
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    Ok(text)
}
