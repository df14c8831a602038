//! `hostctl image`: what `image_build` knows and does, without a playbook. One file a subcommand.

mod doctor;
mod why;
mod render;
mod graph;

use clap::{Args, Subcommand};

use super::output::Output;
use crate::diag::{ExitCode, Result};

/// Ask and do what image builds ask and do, without a playbook
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    Why(why::WhyArgs),
    Doctor(Box<doctor::DoctorArgs>),
    Render(render::RenderArgs),
    Graph(Box<graph::GraphArgs>),
}

pub(super) fn main(args: &ImageArgs, output: &Output) -> Result<ExitCode> {
    match &args.command {
        ImageCommand::Why(args) => why::main(args, output),
        ImageCommand::Doctor(args) => doctor::main(args, output),
        ImageCommand::Render(args) => render::main(args, output),
        ImageCommand::Graph(args) => graph::main(args, output),
    }
}
