//! `hostctl image`: what `image_build` knows and does, without a playbook. One file a subcommand.

mod graph;
mod render;

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
    Graph(Box<graph::GraphArgs>),
    Render(render::RenderArgs),
}

pub(super) fn main(args: &ImageArgs, output: &Output) -> Result<ExitCode> {
    match &args.command {
        ImageCommand::Graph(args) => graph::main(args, output),
        ImageCommand::Render(args) => render::main(args, output),
    }
}
