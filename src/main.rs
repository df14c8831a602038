//! The program: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(hostctl::cli::main() as u8)
}
