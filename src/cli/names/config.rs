//! `ansible-config`, and `hostctl config dump`: every setting with where it comes from.

use std::fmt::Write as _;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::super::output::Output;
use super::display;
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::ops::{Config, SettingOrigin};
use crate::report::yaml_text;
use crate::value::{JsonStyle, Value, to_json_text};

/// Show the settings of `ansible.cfg` and the environment that are followed
#[derive(Debug, Args)]
pub(in crate::cli) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Every setting with its value and origin
    Dump(DumpArgs),
}

/// Options of `dump`.
#[derive(Debug, Args)]
struct DumpArgs {
    /// Only settings that somebody changed.
    #[arg(long, alias = "changed-only")]
    only_changed: bool,
    /// The form of the output.
    #[arg(short, long, value_name = "FORM", default_value = "display")]
    format: Form,
    /// The kind of plugin; only the base settings are here.
    #[arg(short, long, value_name = "TYPE", default_value = "base")]
    r#type: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Display,
    Json,
    Yaml,
}

/// View ansible configuration.
#[derive(Debug, Parser)]
#[command(name = "ansible-config", infer_long_args = true, disable_version_flag = true, max_term_width = 80)]
pub(super) struct ConfigProgramArgs {
    #[command(subcommand)]
    command: ProgramCommand,
    /// Causes Ansible to print more debug messages.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// path to configuration file, defaults to first file found in precedence.
    #[arg(short, long, value_name = "CONFIG_FILE", global = true)]
    config: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    /// Dump configuration
    Dump(DumpArgs),
    /// View configuration file
    View,
}

pub(super) fn main(args: ConfigProgramArgs, output: &mut Output) -> Result<ExitCode> {
    let config = match &args.config {
        Some(path) => Config::load_file(path)?,
        None => Config::load()?,
    };
    display::configure(output, &config);
    match args.command {
        ProgramCommand::Dump(args) => {
            output.data(&dumped(&config, &args));
            Ok(ExitCode::Ok)
        }
        ProgramCommand::View => {
            let Some(path) = &config.file else {
                output.note("[ERROR]: Invalid or no config file was supplied\n");
                return Ok(ExitCode::Usage);
            };
            let text = std::fs::read_to_string(path)
                .map_err(|error| Diagnostic::local("C0110", format!("`{}` cannot be read: {error}", path.display())))?;
            output.data(&text);
            Ok(ExitCode::Ok)
        }
    }
}

/// `hostctl config dump`
pub(in crate::cli) fn dump(args: &ConfigArgs, output: &Output) -> Result<ExitCode> {
    let config = Config::load()?;
    output.show(&config.warnings);
    let ConfigCommand::Dump(args) = &args.command;
    output.data(&dumped(&config, args));
    Ok(ExitCode::Ok)
}

fn dumped(config: &Config, args: &DumpArgs) -> String {
    let rows = config.rows();
    let rows = rows.iter().filter(|(_, _, origin)| !args.only_changed || *origin != SettingOrigin::Default);
    let origin = |origin: &SettingOrigin| match origin {
        SettingOrigin::Default => "default".to_owned(),
        SettingOrigin::File(path) => path.display().to_string(),
        SettingOrigin::Env(name) => format!("env: {name}"),
    };
    let mut text = String::new();
    match args.format {
        Form::Display => {
            for (name, value, from) in rows {
                let _ = writeln!(text, "{name}({}) = {value}", origin(from));
            }
        }
        Form::Json | Form::Yaml => {
            let all: Vec<Value> = rows
                .map(|(name, value, from)| {
                    Value::from(crate::map! { "name" => *name, "origin" => origin(from), "value" => value.as_str() })
                })
                .collect();
            let all = Value::from(all);
            text = if args.format == Form::Yaml {
                yaml_text(&all)
            } else {
                to_json_text(&all, JsonStyle { indent: Some(4), sort_keys: true, ascii: false }) + "\n"
            };
        }
    }
    text
}
