//! The command line: one file a subcommand; doc comments are the help text.

use std::path::Path;

use crate::diag::ExitCode;
use crate::{agent, connection, mirror};

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    // Hidden roles come before the command line: ssh's password helper, the agent, the proxy.
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(socket) = std::env::var_os(connection::ASKPASS_VARIABLE) {
        return connection::askpass(Path::new(&socket), arguments.first().map_or("", String::as_str));
    }
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["agent", nonce] => agent::server::main(nonce),
        ["mirror-proxy", ..] => mirror::main(std::env::args_os().skip(2)),
        _ => ExitCode::Ok,
    }
}
