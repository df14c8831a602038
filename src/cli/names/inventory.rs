//! `ansible-inventory`: lists, one host, the tree of groups.

use std::path::PathBuf;

use clap::Parser;

use super::super::completion;
use super::super::output::Output;
use super::display;
use super::options::{self, InventoryOptions, VaultOptions};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::ops::{Config, InventoryView};
use crate::template::{YamlStyle, dump_yaml};
use crate::value::{JsonStyle, to_json_text};

/// Show Ansible inventory information, by default it uses the inventory script JSON format
#[derive(Debug, Parser)]
#[command(name = "ansible-inventory", infer_long_args = true, disable_version_flag = true, max_term_width = 80)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of ansible-inventory")]
pub(super) struct InventoryArgs {
    /// The name of a group in the inventory, relevant when using --graph
    #[arg(value_name = "group", add = completion::groups())]
    group: Option<String>,
    /// Output all hosts info, works as inventory script
    #[arg(long, help_heading = "Actions")]
    list: bool,
    /// Output specific host info, works as inventory script. It will ignore limit
    #[arg(long, value_name = "HOST", help_heading = "Actions", add = completion::host_names())]
    host: Option<String>,
    /// create inventory graph, if supplying pattern it must be a valid group name. It will ignore limit
    #[arg(long, help_heading = "Actions")]
    graph: bool,
    /// Use YAML format instead of default JSON, ignored for --graph
    #[arg(short, long)]
    yaml: bool,
    /// Use TOML format instead of default JSON, ignored for --graph
    #[arg(long)]
    toml: bool,
    /// Add vars to graph display, ignored unless used with --graph
    #[arg(long)]
    vars: bool,
    /// When doing --list, represent in a way that is optimized for export,not as an accurate
    /// representation of how Ansible has processed it
    #[arg(long)]
    export: bool,
    /// When doing --list, send the inventory to a file instead of to the screen
    #[arg(long, value_name = "OUTPUT_FILE")]
    output: Option<PathBuf>,
    /// a substitute playbook directory
    #[arg(long, value_name = "BASEDIR", help = options::BASEDIR)]
    playbook_dir: Option<PathBuf>,
    /// show program's version number, config file location, configured module search path, module location, executable
    /// location and exit
    #[arg(long)]
    version: bool,
    /// Causes Ansible to print more debug messages. Adding multiple -v will increase the verbosity, the builtin plugins
    /// currently evaluate up to -vvvvvv. A reasonable level to start is -vvv, connection debugging might require -vvvv.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// set additional variables as key=value or YAML/JSON, if filename prepend with @
    #[arg(short, long, value_name = "EXTRA_VARS", allow_hyphen_values = true)]
    extra_vars: Vec<String>,
    #[command(flatten)]
    inventory: InventoryOptions,
    #[command(flatten)]
    vault: VaultOptions,
}

pub(super) fn main(args: InventoryArgs, output: &mut Output) -> Result<ExitCode> {
    let config = Config::load(&output.sources)?;
    display::configure(output, &config);
    display::tell(output, &config.warnings);
    let actions = usize::from(args.list) + usize::from(args.host.is_some()) + usize::from(args.graph);
    let wrong = match actions {
        0 => "No action selected, at least one of --host, --graph or --list needs to be specified.",
        1 if args.toml => "The TOML output format is not supported; use --yaml or JSON.",
        1 => "",
        _ => "Conflicting options used, only one of --host, --graph or --list can be used at the same time.",
    };
    if !wrong.is_empty() {
        output.note(&format!("[ERROR]: {wrong}\n"));
        return Ok(ExitCode::Usage);
    }
    let mut project = options::project(&args.inventory, &args.vault, &args.extra_vars, &config)?;
    // What is listed says so itself.
    project.tell_empty.1 = false;
    if args.host.is_some() || args.graph {
        project.limit = None;
    }
    let dir = args.playbook_dir.or_else(|| config.given("PLAYBOOK_DIR").map(PathBuf::from)).unwrap_or_default();
    let export = args.export || config.flag("INVENTORY_EXPORT");
    let mut view = InventoryView::open(&project, &dir, export, &output.sources)?;
    if args.graph && !args.vars {
        // No variable is shown: files of them need not be readable. What inventories have is `I`.
        view.warnings.retain(|found| !found.is_error() || found.code.starts_with('I'));
    }
    display::tell(output, &view.warnings);
    if view.warnings.iter().any(Diagnostic::is_error) {
        return Ok(crate::ops::refused_code(&view.warnings));
    }
    let yaml = |value: &crate::value::Value| dump_yaml(value, YamlStyle::BLOCK);
    let json = JsonStyle { indent: Some(4), sort_keys: true, ascii: false };
    let found = if let Some(host) = &args.host {
        view.host(host).map(|vars| if args.yaml { yaml(&vars) } else { to_json_text(&vars, json) + "\n" })
    } else if args.graph {
        view.graph(args.group.as_deref().unwrap_or("all"), args.vars)
    } else if args.yaml {
        Ok(yaml(&view.tree()))
    } else {
        Ok(to_json_text(&view.list(), json) + "\n")
    };
    let text = match found {
        Ok(text) => text,
        Err(error) => {
            output.note(&format!("[ERROR]: {}\n", error.registered()));
            return Ok(ExitCode::Usage);
        }
    };
    match &args.output {
        Some(path) => std::fs::write(path, text.trim_end())
            .map_err(|error| Diagnostic::local("C0115", format!("`{}` cannot be written: {error}", path.display())))?,
        None => output.data(&text),
    }
    Ok(ExitCode::Ok)
}
