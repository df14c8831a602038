//! `hostctl image`: what `image_build` knows and does, without a playbook. One file a subcommand.

mod ask;
mod build;
mod doctor;
mod graph;
mod kolla;
mod play;
mod render;
mod target;
mod why;
mod words;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::output::Output;
use super::run::RunArgs;
use crate::diag::{ExitCode, Result};

/// Ask and do what image builds ask and do, without a playbook
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    Build(Box<build::BuildArgs>),
    /// Only tell what `hostctl image build` would build and reuse, and why
    Plan(Box<build::BuildArgs>),
    Why(Box<why::WhyArgs>),
    Doctor(Box<doctor::DoctorArgs>),
    Render(render::RenderArgs),
    Graph(Box<graph::GraphArgs>),
}

impl ImageArgs {
    /// Arguments of the run that the command was, if it was one that builds.
    pub(super) fn came_from(&self) -> Result<Option<RunArgs>> {
        match &self.command {
            ImageCommand::Build(args) => args.run_args().map(Some),
            _ => Ok(None),
        }
    }
}

pub(super) fn main(args: &ImageArgs, output: &Output) -> Result<ExitCode> {
    match &args.command {
        ImageCommand::Build(args) => args.main(false, output),
        ImageCommand::Plan(args) => args.main(true, output),
        ImageCommand::Why(args) => why::main(args, output),
        ImageCommand::Doctor(args) => doctor::main(args, output),
        ImageCommand::Render(args) => render::main(args, output),
        ImageCommand::Graph(args) => graph::main(args, output),
    }
}

/// A path of this machine, whole.
fn absolute(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).map_err(|error| super::password::unreadable(path, &error))?;
    Ok(crate::playbook::clean_path(&whole))
}

/// The working folder.
fn here() -> Result<PathBuf> {
    absolute(Path::new("."))
}
