//! `hostctl deps`: roles and collections that `requirements.yml` names.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::output::{Output, OutputForm};
use crate::deps::{self, Done, Mode, Outcome};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::ops::Config;
use crate::report::frames;
use crate::secret::Redactor;

/// Install the roles and collections of `requirements.yml` from git repositories, archives and folders
///
/// What is found is pinned in a lock file beside the requirements (`requirements.yml.lock`), with commits. No Galaxy
/// server is asked.
#[derive(Debug, Args)]
pub struct DepsArgs {
    #[command(subcommand)]
    command: DepsCommand,
}

#[derive(Debug, Subcommand)]
enum DepsCommand {
    /// Install what the requirements name: as pinned where the lock pins it, else looked up and pinned
    Install {
        /// Install only what the lock pins; an error if the lock does not fit the requirements.
        #[arg(long)]
        locked: bool,
        #[command(flatten)]
        options: DepsOptions,
    },
    /// Look up anew what the requirements name, install it and renew the lock
    Update {
        /// Only these roles and collections; all, if none is named.
        #[arg(value_name = "NAME", add = super::completion::locked())]
        names: Vec<String>,
        #[command(flatten)]
        options: DepsOptions,
    },
}

#[derive(Debug, Args)]
struct DepsOptions {
    /// The requirements file; default: `requirements.yml` of the working folder.
    #[arg(short, long = "requirements", value_name = "FILE", visible_alias = "role-file", value_hint = clap::ValueHint::FilePath)]
    requirements: Option<PathBuf>,
    /// The folder for roles; default: the first of `roles_path`.
    #[arg(short = 'p', long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    roles_path: Option<PathBuf>,
    /// The folder for collections, in which `ansible_collections` is; default: the first of `collections_path`.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    collections_path: Option<PathBuf>,
    /// Leave out what roles and collections depend on.
    #[arg(short, long)]
    no_deps: bool,
    /// Replace folders that hostctl did not make, or that were changed since.
    #[arg(short, long)]
    force: bool,
}

/// Names that are tried if none is given.
pub(super) const NAMES: [&str; 2] = ["requirements.yml", "requirements.yaml"];

/// Where others keep them.
const ELSEWHERE: [&str; 4] = [
    "roles/requirements.yml",
    "collections/requirements.yml",
    "ansible/requirements.yml",
    "requirements/requirements.yml",
];

pub(super) fn main(args: &DepsArgs, output: &Output) -> Result<ExitCode> {
    let (mode, options) = match &args.command {
        DepsCommand::Install { locked: true, options } => (Mode::Locked, options),
        DepsCommand::Install { options, .. } => (Mode::Install, options),
        DepsCommand::Update { names, options } => (Mode::Update(names.clone()), options),
    };
    let config = Config::load(&output.sources)?;
    output.show(&config.warnings);
    let file = match &options.requirements {
        Some(file) => file.clone(),
        None => PathBuf::from(NAMES.into_iter().find(|name| Path::new(name).exists()).unwrap_or(NAMES[0])),
    };
    let (search_roles, search_collections) = (config.paths("DEFAULT_ROLES_PATH"), config.paths("COLLECTIONS_PATHS"));
    let redactor = Redactor::default();
    let tell = |text: &str| output.note(&format!("{}\n", redactor.redact(text)));
    let request = deps::Request {
        file: &file,
        roles_path: root(options.roles_path.as_deref(), &search_roles, "roles_path")?,
        collections_path: root(options.collections_path.as_deref(), &search_collections, "collections_path")?,
        search_roles,
        search_collections,
        mode,
        no_deps: options.no_deps,
        force: options.force,
        sources: &output.sources,
        redactor: &redactor,
        tell: &tell,
    };
    // Frames show lines of files, in which addresses may have credentials.
    let show = |diagnostics: &[Diagnostic]| {
        output.note(&redactor.redact(&frames(diagnostics, &output.sources, output.error_paint)));
    };
    match deps::install(&request) {
        Ok(finished) => {
            show(&finished.warnings);
            let mut text = String::new();
            for done in &finished.done {
                text.push_str(&line(done, output));
            }
            if output.form != OutputForm::Jsonl {
                if finished.done.is_empty() {
                    output.note("nothing is required\n");
                }
                if finished.lock_written {
                    text.push_str(&format!("pinned in {}\n", finished.lock.display()));
                }
            }
            output.data(&redactor.redact(&text));
            Ok(ExitCode::Ok)
        }
        Err(mut errors) => {
            if options.requirements.is_none() && !file.exists() {
                let other = ELSEWHERE.into_iter().find(|name| Path::new(name).exists());
                let hint = other.map(|name| format!("there is one: `-r {name}`"));
                errors.iter_mut().for_each(|error| error.hints.extend(hint.clone()));
            }
            show(&errors);
            Ok(errors.iter().find(|error| error.is_error()).map_or(ExitCode::Error, |error| error.kind.exit_code()))
        }
    }
}

/// Where things go: the option, or the first folder that is searched.
fn root(given: Option<&Path>, search: &[PathBuf], setting: &str) -> Result<PathBuf> {
    let found = given.map(Path::to_path_buf).or_else(|| search.first().cloned());
    let found = found.ok_or_else(|| {
        Diagnostic::local("D0602", format!("`{setting}` names no folder to install into"))
            .with_hint(format!("name one with `--{}`", setting.replace('_', "-")))
    })?;
    Ok(std::path::absolute(&found).unwrap_or(found))
}

fn line(done: &Done, output: &Output) -> String {
    let outcome = match done.outcome {
        Outcome::Installed => "installed",
        Outcome::Replaced => "replaced",
        Outcome::Present => "present",
        Outcome::Found => "found",
    };
    if output.form == OutputForm::Jsonl {
        let line = serde_json::json!({
            "type": done.sort.word(), "name": done.name, "outcome": outcome, "source": done.source,
            "version": done.version, "pin": done.pin, "path": done.path.display().to_string(),
        });
        return format!("{line}\n");
    }
    let version = if done.version.is_empty() { String::new() } else { format!(" {}", done.version) };
    let pin: String = done.pin.chars().take(12).collect();
    let pin = if pin.is_empty() { String::new() } else { format!(" ({pin})") };
    let name = output.paint.bold(&done.name);
    let path = output.paint.dim(&done.path.display().to_string());
    format!("{outcome:<9} {} {name}{version}{pin}  {path}\n", done.sort.word())
}
