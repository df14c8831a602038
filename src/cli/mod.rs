//! The command line: one file a subcommand; doc comments are the help text.

use crate::diag::ExitCode;

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    ExitCode::Ok
}
