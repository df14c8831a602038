//! The command line: one file a subcommand; doc comments are the help text.

use crate::diag::ExitCode;

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == "mirror-proxy") {
        return crate::mirror::main(args);
    }
    ExitCode::Ok
}
