//! The command line: one file a subcommand; the doc comment of its arguments is the help text.

mod arguments;
mod attach;
mod check;
mod completion;
mod completion_bash;
mod deps;
mod doc;
mod editor;
mod env;
mod image;
mod inventory;
mod log;
mod names;
mod output;
mod password;
mod person;
mod run;
mod tags;
mod vault;

use std::io::Write as _;
use std::path::Path;

use clap::{CommandFactory, Parser, Subcommand};

use crate::diag::ExitCode;
use crate::{agent, connection, mirror};

/// Prepare container build hosts, build ordered image sets and record their tags, from
/// Ansible-style playbooks. One static binary, no Python on either side.
#[derive(Debug, Parser)]
#[command(name = "hostctl", version, propagate_version = true, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: output::OutputArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Check(Box<check::CheckArgs>),
    Deps(deps::DepsArgs),
    Env(env::EnvArgs),
    Image(image::ImageArgs),
    Inventory(inventory::InventoryArgs),
    Vault(Box<vault::VaultArgs>),
    Attach(attach::AttachArgs),
    Log(log::LogArgs),
    Tags(Box<tags::TagsArgs>),
    Doc(doc::DocArgs),
    Explain(doc::ExplainArgs),
    Config(names::ConfigArgs),
    InstallLinks(names::InstallLinksArgs),
    Completion(completion::CompletionArgs),
    Man(completion::ManArgs),
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    // Hidden roles come before the command line: ssh's password helper, the agent, the proxy.
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(socket) = std::env::var_os(connection::ASKPASS_VARIABLE) {
        return connection::askpass(Path::new(&socket), arguments.first().map_or("", String::as_str));
    }
    if let Some(program) = std::env::args_os().next().as_ref().and_then(names::Program::of) {
        completion::answer(|| names::command(program));
        return names::main(program);
    }
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["agent", nonce] => return agent::server::main(nonce),
        ["mirror-proxy", ..] => return mirror::main(std::env::args_os().skip(2)),
        _ => {}
    }
    completion::answer(Cli::command);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout, mistakes to stderr.
            let output = output::Output::plain();
            let printed = error.print();
            if error.use_stderr() {
                return ExitCode::Usage;
            }
            output.wrote(printed.and_then(|()| std::io::stdout().flush()));
            return output.end(ExitCode::Ok);
        }
    };
    let output = cli.output.resolve();
    let ended = match cli.command {
        Command::Run(args) => run::main(*args, &output),
        Command::Check(args) => check::main(&args, &output),
        Command::Deps(args) => deps::main(&args, &output),
        Command::Env(args) => env::main(&args, &output),
        Command::Image(args) => image::main(&args, &output),
        Command::Inventory(args) => inventory::main(&args, &output),
        Command::Vault(args) => vault::main(&args, &output),
        Command::Attach(args) => attach::main(&args, &output),
        Command::Log(args) => log::main(&args, &output),
        Command::Tags(args) => tags::main(&args, &output),
        Command::Doc(args) => doc::main(&args, &output),
        Command::Explain(args) => doc::explain(&args, &output),
        Command::Config(args) => names::dump(&args, &output),
        Command::InstallLinks(args) => names::install(&args, &output),
        Command::Completion(args) => completion::main(&args, &output),
        Command::Man(args) => completion::man(&args, &output),
    };
    output.end(ended.unwrap_or_else(|error| output.fail(&error)))
}
