//! `ansible-config`, and `hostctl config dump`: every setting with where it comes from.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::super::output::Output;
use super::display;
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::ops::{self, Config, ShownSetting, TemplateParts};
use crate::report::yaml_text;
use crate::value::{JsonStyle, Value, insert, python_str, to_json_text};

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
    /// The kind of plugin whose options are shown, `base` for the settings themselves, or `all`.
    #[arg(short, long, value_name = "TYPE", default_value = "base")]
    r#type: Kind,
    /// Only these plugins of the kind.
    #[arg(value_name = "PLUGIN")]
    args: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Display,
    Json,
    Yaml,
}

/// What settings belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    All,
    Base,
    Become,
    Cache,
    Callback,
    Cliconf,
    Connection,
    Httpapi,
    Inventory,
    Lookup,
    Netconf,
    Shell,
    Vars,
}

impl Kind {
    /// Kinds of plugins, in Ansible's order.
    const PLUGINS: [Self; 11] = [
        Self::Become,
        Self::Cache,
        Self::Callback,
        Self::Cliconf,
        Self::Connection,
        Self::Httpapi,
        Self::Inventory,
        Self::Lookup,
        Self::Netconf,
        Self::Shell,
        Self::Vars,
    ];

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Kind {
    /// With the settings themselves.
    fn with_base(self) -> bool {
        matches!(self, Self::All | Self::Base)
    }
}

/// The plugins that were asked for, by kind; names without options here are told. Of all kinds, all plugins.
fn named_plugins(of: Kind, names: &[String], output: &Output) -> Vec<(String, Vec<&'static str>)> {
    if of == Kind::Base {
        return Vec::new();
    }
    if of == Kind::All {
        return Kind::PLUGINS.iter().map(|kind| (kind.name(), ops::plugins_of(&kind.name(), &[]))).collect();
    }
    for name in names {
        if ops::plugins_of(&of.name(), std::slice::from_ref(name)).is_empty() {
            output.note(&format!("[WARNING]: Skipping {name} as we could not find matching plugin\n"));
        }
    }
    let found = if names.is_empty() { ops::plugins_of(&of.name(), &[]) } else { ops::plugins_of(&of.name(), names) };
    vec![(of.name(), found)]
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
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    /// Print all config options
    List {
        /// Output format for list
        #[arg(short, long, value_name = "FORM", default_value = "yaml", value_parser = ["json", "yaml"])]
        format: String,
        /// Filter down to a specific plugin type.
        #[arg(short, long, value_name = "TYPE", default_value = "base")]
        r#type: Kind,
        /// Specific plugin to target, requires type of plugin to be set
        args: Vec<String>,
    },
    /// Dump configuration
    Dump(DumpArgs),
    /// View configuration file
    View,
    /// Create initial configuration
    Init {
        /// Output format for init
        #[arg(short, long, value_name = "FORM", default_value = "ini", value_parser = ["ini", "env"])]
        format: String,
        /// Prefixes all entries with a comment character to disable them
        #[arg(long)]
        disabled: bool,
        /// Filter down to a specific plugin type.
        #[arg(short, long, value_name = "TYPE", default_value = "base")]
        r#type: Kind,
        /// Specific plugin to target, requires type of plugin to be set
        args: Vec<String>,
    },
    /// Validate the configuration file and environment variables. By default it only checks the base settings without
    /// accounting for plugins (see -t).
    Validate {
        /// What is looked at
        #[arg(short, long, value_name = "FORM", default_value = "ini", value_parser = ["ini", "env"])]
        format: String,
        /// Filter down to a specific plugin type.
        #[arg(short, long, value_name = "TYPE", default_value = "base")]
        r#type: Kind,
        /// Specific plugin to target, requires type of plugin to be set
        args: Vec<String>,
    },
}

pub(super) fn main(args: ConfigProgramArgs, output: &mut Output) -> Result<ExitCode> {
    let config = match &args.config {
        Some(path)
            if crate::diag::read::open_plain(path)
                .is_err_and(|error| error.kind() != std::io::ErrorKind::IsADirectory) =>
        {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let text = "The provided configuration file is missing or not accessible";
            output.note(&format!("[ERROR]: {text}: {}\n", path.display()));
            return Ok(ExitCode::Usage);
        }
        Some(path) => Config::load_file(path, &output.sources)?,
        None => Config::load(&output.sources)?,
    };
    display::configure(output, &config);
    display::tell(output, &config.warnings);
    let base = config.number("DEFAULT_VERBOSITY").and_then(|level| u8::try_from(level).ok()).unwrap_or(0);
    let shown = display::options(&config, args.verbose.saturating_add(base), output, Some(super::Program::Config));
    shown.preamble.iter().for_each(|line| output.data(&format!("{line}\n")));
    match args.command {
        ProgramCommand::List { format, r#type, args } => {
            let mut all = if r#type.with_base() { ops::definitions() } else { crate::value::Map::new() };
            if r#type.with_base() {
                insert(&mut all, "GALAXY_SERVERS", Value::empty_map());
            }
            let mut of_plugins = crate::value::Map::new();
            for (kind, plugins) in named_plugins(r#type, &args, output) {
                let name = if r#type == Kind::All { kind.to_uppercase() } else { kind.clone() };
                insert(&mut of_plugins, &name, Value::from(ops::plugin_definitions(&kind, &plugins)));
            }
            if r#type != Kind::Base {
                insert(&mut all, "PLUGINS", Value::from(of_plugins));
            }
            output.data(&in_form(&Value::from(all), format == "yaml"));
        }
        ProgramCommand::Dump(args) => {
            named_plugins(args.r#type, &args.args, output);
            output.data(&dumped(&config, &args, false)?);
        }
        ProgramCommand::View => {
            let Some(path) = &config.file else {
                output.note("[ERROR]: Invalid or no config file was supplied\n");
                return Ok(ExitCode::Error);
            };
            let text = crate::diag::read::read_source_text(path)
                .map_err(|error| Diagnostic::local("C0110", format!("`{}` cannot be read: {error}", path.display())))?;
            output.data(&text);
        }
        ProgramCommand::Init { format, disabled, r#type, args } => {
            let plugins = named_plugins(r#type, &args, output);
            let parts = TemplateParts { base: r#type.with_base(), plugins };
            let write = if format == "env" { ops::template_environment } else { ops::template_file };
            output.data(&write(&parts, disabled));
        }
        ProgramCommand::Validate { format, r#type, args: _ } => {
            let unknown = config.unknown(r#type != Kind::Base, format == "env");
            for text in &unknown {
                output.note(&format!("[ERROR]: {text}\n"));
            }
            if !unknown.is_empty() {
                return Ok(ExitCode::Error);
            }
            output.data("All configurations seem valid!\n");
        }
    }
    Ok(ExitCode::Ok)
}

/// `hostctl config dump`
pub(in crate::cli) fn dump(args: &ConfigArgs, output: &Output) -> Result<ExitCode> {
    let config = Config::load(&output.sources)?;
    output.show(&config.warnings);
    let ConfigCommand::Dump(args) = &args.command;
    named_plugins(args.r#type, &args.args, output);
    output.data(&dumped(&config, args, true)?);
    Ok(ExitCode::Ok)
}

fn in_form(value: &Value, yaml: bool) -> String {
    if yaml {
        return yaml_text(value);
    }
    to_json_text(value, JsonStyle { indent: Some(4), sort_keys: true, ascii: false }) + "\n"
}

fn lines(rows: &[ShownSetting]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{}({}) = {}", row.name, row.origin, python_str(&row.value));
        text
    })
}

fn as_values(rows: &[ShownSetting]) -> Vec<Value> {
    let value = |row: &ShownSetting| {
        Value::from(crate::map! { "name" => row.name, "origin" => row.origin.as_str(), "value" => row.value.clone() })
    };
    rows.iter().map(value).collect()
}

/// The settings in a form. `own`: with the options of plugins that have names among the settings here.
fn dumped(config: &Config, args: &DumpArgs, own: bool) -> Result<String> {
    let wanted = |row: &ShownSetting| row.changed || !args.only_changed;
    let mut text = String::new();
    let mut values = Vec::new();
    if matches!(args.r#type, Kind::All | Kind::Base) {
        let mut rows = config.shown(own)?;
        rows.retain(wanted);
        text.push_str(&lines(&rows));
        values.extend(as_values(&rows));
        if !own {
            text.push_str("\nGALAXY_SERVERS:\n");
            values.push(Value::from(crate::map! { "GALAXY_SERVERS" => Value::empty_map() }));
        }
    }
    let all = args.r#type == Kind::All;
    for kind in Kind::PLUGINS.into_iter().filter(|kind| all || *kind == args.r#type) {
        let mut shown = String::new();
        let mut of_kind = Vec::new();
        let named = ops::plugins_of(&kind.name(), &args.args);
        for (plugin, mut rows) in config.shown_plugins(&kind.name())? {
            rows.retain(wanted);
            if !named.contains(&plugin) {
                continue;
            }
            if rows.is_empty() {
                continue;
            }
            let _ = write!(shown, "\n{plugin}:\n{}\n{}", "_".repeat(plugin.len()), lines(&rows));
            of_kind.push(Value::from(crate::map! { plugin => as_values(&rows) }));
        }
        if !all {
            text.push_str(&shown);
            values.append(&mut of_kind);
        } else if !shown.is_empty() || !args.only_changed {
            let name = kind.name();
            let _ = write!(text, "\n{}:\n{}\n{shown}", name.to_uppercase(), "=".repeat(name.len()));
            values.push(Value::from(crate::map! { format!("{}_PLUGINS", name.to_uppercase()).as_str() => of_kind }));
        }
    }
    Ok(match args.format {
        Form::Display => text,
        form => in_form(&Value::from(values), form == Form::Yaml),
    })
}
