//! `hostctl image`: what concerns images, without a playbook.

mod doctor;

use clap::{Args, Subcommand};

use super::output::Output;
use crate::diag::{ExitCode, Result};

/// Look at images, their builders and registries without a playbook
#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    Doctor(Box<doctor::DoctorArgs>),
}

pub(super) fn main(args: &ImageArgs, output: &Output) -> Result<ExitCode> {
    match &args.command {
        ImageCommand::Doctor(args) => doctor::main(args, output),
    }
}
