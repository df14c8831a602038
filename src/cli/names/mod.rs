//! hostctl under the names of Ansible's programs: their command lines, exit codes and output.
//!
//! A link named `ansible-playbook` (or `ansible`, ...) makes the file answer as that program. What goes
//! wrong before a run is told with hostctl's own frames also here.

mod adhoc;
mod argparse;
mod config;
mod display;
mod doc;
mod inventory;
mod links;
mod options;
mod playbook;
mod vault;
mod vault_edit;
mod vault_string;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser};

use self::argparse::Stop;
use super::output::Output;
use crate::diag::{ExitCode, Result};

pub(super) use config::{ConfigArgs, dump};
pub(super) use display::{beside, reporters};
pub(super) use links::{InstallLinksArgs, install};

/// The version of ansible-core whose behaviour this is.
pub(super) const CORE_VERSION: &str = "2.19.14";

/// Ansible's programs that this file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Runs playbooks.
    Playbook,
    /// Runs one task.
    Adhoc,
    /// Shows an inventory.
    Inventory,
    /// Shows settings.
    Config,
    /// Seals files.
    Vault,
    /// Shows manuals.
    Doc,
}

impl Program {
    /// All programs.
    pub(super) const ALL: [Self; 6] =
        [Self::Playbook, Self::Adhoc, Self::Inventory, Self::Config, Self::Vault, Self::Doc];

    /// The name it is called by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Playbook => "ansible-playbook",
            Self::Adhoc => "ansible",
            Self::Inventory => "ansible-inventory",
            Self::Config => "ansible-config",
            Self::Vault => "ansible-vault",
            Self::Doc => "ansible-doc",
        }
    }

    /// The program that a file's name stands for.
    pub(super) fn of(argv0: &OsString) -> Option<Self> {
        let name = std::path::Path::new(argv0).file_name()?.to_str()?.to_owned();
        Self::ALL.into_iter().find(|program| program.name() == name)
    }
}

/// Runs the program that this process was called as.
pub(super) fn main(program: Program) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    match program {
        Program::Playbook => run::<playbook::PlaybookArgs>(program, words, playbook::main),
        Program::Adhoc => run::<adhoc::AdhocArgs>(program, words, adhoc::main),
        Program::Inventory => run::<inventory::InventoryArgs>(program, words, inventory::main),
        Program::Vault => run::<vault::VaultProgramArgs>(program, words, vault::main),
        Program::Config => run::<config::ConfigProgramArgs>(program, words, config::main),
        Program::Doc => run::<doc::DocProgramArgs>(program, words, doc::main),
    }
}

/// The command line of a program.
pub(super) fn command(program: Program) -> clap::Command {
    match program {
        Program::Playbook => playbook::PlaybookArgs::command(),
        Program::Adhoc => adhoc::AdhocArgs::command(),
        Program::Inventory => inventory::InventoryArgs::command(),
        Program::Vault => vault::VaultProgramArgs::command(),
        Program::Config => config::ConfigProgramArgs::command(),
        Program::Doc => doc::DocProgramArgs::command(),
    }
}

/// Reads the command line and runs; wrong arguments end with 2, as argparse does.
fn run<A: Parser>(
    program: Program,
    words: Vec<OsString>,
    main: impl FnOnce(A, &mut Output) -> Result<ExitCode>,
) -> ExitCode {
    // Ansible's programs look at the settings before the command line.
    let first = display::plain_output();
    if let Err(error) = crate::ops::Config::load(&first.sources) {
        display::tell(&first, std::slice::from_ref(&error));
        return ExitCode::Usage;
    }
    let read = match program {
        Program::Playbook | Program::Adhoc | Program::Inventory | Program::Doc => in_order(&A::command(), words),
        Program::Vault | Program::Config if words.iter().skip(1).any(|word| word == "--version") => Err(Stop::Version),
        Program::Vault | Program::Config => Ok(words),
    };
    let words = match read {
        Ok(words) => words,
        Err(stop) => return stopped(program, &A::command(), &stop),
    };
    let args = match A::try_parse_from(words) {
        Ok(args) => args,
        Err(error) if !error.use_stderr() => {
            // Help; a closed pipe is no concern.
            let _ = error.print();
            return ExitCode::Ok;
        }
        Err(error) => return stopped(program, &A::command(), &Stop::Wrong(argparse::of_clap(&error, &A::command()))),
    };
    let mut output = display::plain_output();
    let ended = main(args, &mut output).unwrap_or_else(|error| {
        display::tell(&output, std::slice::from_ref(&error));
        match error.kind.exit_code() {
            // Ansible ends with 4 for what it cannot parse and with 1 for everything else that is wrong before a run.
            ExitCode::Usage if program == Program::Vault => ExitCode::Usage,
            // Of `-e` options that are no mapping.
            ExitCode::Usage if matches!(&*error.code, "C0105" | "P0407") => ExitCode::Usage,
            ExitCode::Usage | ExitCode::HostFailed => ExitCode::Error,
            code => code,
        }
    });
    output.end(ended)
}

/// The words as clap is to read them; those that are no text are left to it.
fn in_order(command: &clap::Command, words: Vec<OsString>) -> std::result::Result<Vec<OsString>, Stop> {
    let text: Option<Vec<String>> = words.iter().skip(1).map(|word| word.to_str().map(str::to_owned)).collect();
    text.map_or(Ok(words), |text| argparse::Parser::of(command.clone()).read(&text))
}

/// Help, version, or what is wrong with the command line; the exit code.
fn stopped(program: Program, command: &clap::Command, stop: &Stop) -> ExitCode {
    let output = display::plain_output();
    let parser = argparse::Parser::of(command.clone());
    match stop {
        Stop::Version => output.data(&version(program)),
        Stop::Help => output.data(&parser.help(argparse::width())),
        Stop::Wrong(text) => {
            wrong_words(&parser, program.name(), text, &output);
            return ExitCode::HostFailed;
        }
    }
    output.end(ExitCode::Ok)
}

/// Usage, what is wrong, and the help, as Ansible's programs end on wrong arguments.
fn wrong_words(parser: &argparse::Parser, program: &str, text: &str, output: &Output) {
    let width = argparse::width();
    output.note(&format!("{}{program}: error: {text}\n \n{}", parser.usage(width), parser.help(width)));
}

/// The answer to a number of processes that is none.
fn no_forks<A: Parser>(program: &str, output: &Output) -> ExitCode {
    // This one is found behind the parser, and told without the help.
    let usage = argparse::Parser::of(A::command()).usage(argparse::width());
    output.note(&format!("{usage}{program}: error: The number of processes (--forks) must be >= 1\n"));
    ExitCode::HostFailed
}

/// What `--version` prints: the first line is what scripts look for.
pub(super) fn version(program: Program) -> String {
    let config = crate::ops::Config::load(&crate::diag::SourceMap::new()).unwrap_or_default();
    let paths = |name: &str| {
        let paths: Vec<String> = config.paths(name).iter().map(|path| path.display().to_string()).collect();
        paths
    };
    let file = config.file.as_ref().map_or_else(|| "None".to_owned(), |path| path.display().to_string());
    let modules: Vec<String> = paths("DEFAULT_MODULE_PATH").iter().map(|path| format!("'{path}'")).collect();
    let exe = std::env::args_os().next().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let exe = found_on_path(&exe).unwrap_or(exe);
    format!(
        "{} [core {CORE_VERSION}]\n  config file = {file}\n  configured module search path = [{}]\n  ansible python module \
         location = None\n  ansible collection location = {}\n  executable location = {exe}\n  python version = None (hostctl \
         {})\n  jinja version = None\n  pyyaml version = None\n",
        program.name(),
        modules.join(", "),
        paths("COLLECTIONS_PATHS").join(":"),
        env!("CARGO_PKG_VERSION"),
    )
}

/// The whole path of a program that was called by its name alone.
fn found_on_path(name: &str) -> Option<String> {
    if name.contains('/') {
        return std::path::absolute(name).ok().map(|path| path.display().to_string());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_links_name_says_which_program_it_is() {
        assert_eq!(Program::of(&"/usr/bin/ansible-playbook".into()), Some(Program::Playbook));
        assert_eq!(Program::of(&"hostctl".into()), None);
        assert!(version(Program::Playbook).starts_with("ansible-playbook [core 2.19"));
    }
}
