//! Shell completion and manual pages, both from the definitions of the commands.
//!
//! The shell asks this program at every tab, so values come from the project: environments, playbooks, tags, tasks,
//! hosts and modules. A mistake in a file gives no answers, and no message; no program is started for an answer.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::engine::{PathCompleter, ValueCompleter as _};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCompleter, CompletionCandidate};

use super::arguments::{configured_inventory, project_defaults};
use super::names::Program;
use super::output::Output;
use crate::diag::{Diagnostic, ExitCode, Result, SourceMap};
use crate::modules::MODULES;
use crate::ops::{self, Config, InventoryView, Listing, ProjectRequest};

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

/// The shells that may ask.
const SHELLS: Shells<'static> =
    Shells(&[&super::completion_bash::Bash, &clap_complete::env::Fish, &clap_complete::env::Zsh]);

/// Print what makes a shell complete commands, options, hosts, tags and more
///
/// For one user: `source <(hostctl completion bash)` in `~/.bashrc`, the same with `zsh` in `~/.zshrc`, and
/// `hostctl completion fish > ~/.config/fish/completions/hostctl.fish`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell.
    shell: Shell,
    /// Names that are completed; default: hostctl, and Ansible's names of it that are on the PATH.
    #[arg(value_name = "PROGRAM")]
    programs: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Write the manual pages of all commands into a folder
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, made if it is missing; `man1` of a folder on the MANPATH.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

/// Answers a shell that asks, and ends the process then.
pub(super) fn answer(factory: impl Fn() -> Command) {
    clap_complete::CompleteEnv::with_factory(factory).var(VARIABLE).shells(SHELLS).complete();
}

pub(super) fn main(args: &CompletionArgs, output: &Output) -> Result<ExitCode> {
    let known: Vec<&str> = std::iter::once("hostctl").chain(Program::ALL.map(Program::name)).collect();
    if let Some(name) = args.programs.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Diagnostic::new("C0130", crate::diag::Kind::Usage, format!("hostctl has no name `{name}`"))
            .with_nearest(name, known.iter().copied())
            .with_hint_else(format!("known: {}", known.join(", "))));
    }
    let own = std::env::current_exe().ok();
    let linked = |name: &str| {
        let path = std::env::var_os("PATH")?;
        let first = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file())?;
        (first.canonicalize().ok() == own).then_some(())
    };
    let programs: Vec<&str> = if args.programs.is_empty() {
        known.into_iter().filter(|name| *name == "hostctl" || linked(name).is_some()).collect()
    } else {
        args.programs.iter().map(String::as_str).collect()
    };
    let shell = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let Some(completer) = SHELLS.completer(shell) else {
        return Err(Diagnostic::internal(format!("there is no completion for `{shell}`")));
    };
    let mut text = Vec::new();
    for name in programs {
        completer
            .write_registration(VARIABLE, name, name, name, &mut text)
            .map_err(|error| Diagnostic::internal(format!("the completion of `{shell}` cannot be made: {error}")))?;
    }
    output.data(&String::from_utf8_lossy(&text));
    Ok(ExitCode::Ok)
}

/// `hostctl man DIR`
pub(super) fn man(args: &ManArgs, output: &Output) -> Result<ExitCode> {
    let wrong = |path: &std::path::Path, error: std::io::Error| {
        Diagnostic::local("C0115", format!("`{}` cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(&args.dir).map_err(|error| wrong(&args.dir, error))?;
    for (name, text) in pages()? {
        let path = args.dir.join(name);
        // Beside it first: a link or a FIFO of that name is replaced, not written to.
        let permissions = std::fs::Permissions::from_mode(0o666);
        let made = tempfile::Builder::new().permissions(permissions).tempfile_in(&args.dir);
        made.and_then(|mut file| {
            file.write_all(&text)?;
            file.persist(&path).map_err(|error| error.error)
        })
        .map_err(|error| wrong(&path, error))?;
        output.data(&format!("{}\n", path.display()));
    }
    Ok(ExitCode::Ok)
}

/// Every manual page with its name, such as `hostctl-run.1`.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    fn collect(command: &Command, found: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
        let page = clap_mangen::Man::new(command.clone()).manual("hostctl");
        let mut text = Vec::new();
        page.render(&mut text)?;
        found.push((page.get_filename(), text));
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| collect(sub, found))
    }
    let mut commands = vec![super::Cli::command()];
    commands.extend(Program::ALL.map(super::names::command));
    let mut found = Vec::new();
    for command in commands {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        collect(&command, &mut found)
            .map_err(|error| Diagnostic::internal(format!("the manual pages cannot be made: {error}")))?;
    }
    Ok(found)
}

fn is_yaml(name: &str) -> bool {
    let ending = std::path::Path::new(name).extension();
    ending.is_some_and(|ending| ending == "yml" || ending == "yaml")
}

/// Completes the paths of inventories.
pub(super) fn inventories() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| PathCompleter::any().complete(current))
}

/// Completes playbooks.
pub(super) fn playbooks() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let found = PathCompleter::any().complete(current);
        let wanted = |candidate: &CompletionCandidate| {
            let name = candidate.get_value().to_string_lossy().into_owned();
            name.ends_with('/') || is_yaml(&name)
        };
        found.into_iter().filter(wanted).collect()
    })
}

/// Completes tags of the playbooks on the command line; several stand behind commas.
pub(super) fn tags() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut names: BTreeSet<String> = ["all", "tagged", "untagged"].map(str::to_owned).into();
        for line in listed(&Listing { tag_names: true, ..Listing::default() }) {
            if let Some(tags) = line.trim().strip_prefix("TASK TAGS: [").and_then(|rest| rest.strip_suffix(']')) {
                names.extend(tags.split(", ").filter(|tag| !tag.is_empty()).map(str::to_owned));
            }
        }
        last_of(current, &[','], names)
    })
}

/// Completes names of tasks of the playbooks on the command line.
pub(super) fn tasks() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let lines = listed(&Listing { tasks: true, ..Listing::default() });
        let names = lines
            .iter()
            .filter_map(|line| line.strip_prefix("      ")?.split_once("\tTAGS: [").map(|(name, _)| name.to_owned()));
        last_of(current, &[], names.collect())
    })
}

/// Completes hosts and groups of the inventories on the command line, also inside patterns.
pub(super) fn hosts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| last_of(current, &[',', ':', '!', '&'], inventory(true, true)))
}

/// Completes names of hosts.
pub(super) fn host_names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| last_of(current, &[], inventory(true, false)))
}

/// Completes names of groups.
pub(super) fn groups() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| last_of(current, &[], inventory(false, true)))
}

/// Completes modules, by the short name or, once it is begun, by the full one.
pub(super) fn modules() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy();
        let prefix = if current.starts_with("ansible.") { "ansible.builtin." } else { "" };
        let name = |name: &str| format!("{prefix}{name}");
        let known = MODULES.iter().filter(|entry| name(entry.meta.name).starts_with(&*current));
        let shown = |summary: &'static str| Some(summary.into());
        known.map(|entry| CompletionCandidate::new(name(entry.meta.name)).help(shown(entry.meta.summary))).collect()
    })
}

/// Completes what the lock of the working folder's requirements pins.
pub(super) fn locked() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = super::deps::NAMES.iter().flat_map(|name| crate::deps::locked_names(std::path::Path::new(name)));
        last_of(current, &[], names.collect())
    })
}

/// Completes error codes.
pub(super) fn codes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy().to_uppercase();
        let known = crate::diag::CODES.iter().copied().flatten().filter(|entry| entry.code.starts_with(&current));
        known.map(|entry| CompletionCandidate::new(entry.code).help(Some(entry.title.into()))).collect()
    })
}

/// Those names that go on with what stands behind the last of these marks.
fn last_of(current: &OsStr, marks: &[char], names: BTreeSet<String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let from = current.rfind(marks).map_or(0, |at| at + 1);
    let (before, last) = current.split_at(from);
    let names = names.into_iter().filter(|name| name.starts_with(last));
    names.map(|name| CompletionCandidate::new(format!("{before}{name}"))).collect()
}

/// What stands on the command line that is completed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    env: Option<String>,
    project: Option<PathBuf>,
    inventory: Vec<String>,
    playbooks: Vec<PathBuf>,
}

impl Typed {
    fn of(words: impl IntoIterator<Item = String>) -> Self {
        let mut typed = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ if word.len() > 2 && word.starts_with("-i") => ("-i", Some(word[2..].to_owned())),
                _ => (word.as_str(), None),
            };
            let mut value = || value.clone().or_else(|| words.next());
            match name {
                "-i" | "--inventory" | "--inventory-file" => typed.inventory.extend(value()),
                "--env" => typed.env = value(),
                "--project" => typed.project = value().map(PathBuf::from),
                _ if is_yaml(&word) => typed.playbooks.push(PathBuf::from(&word)),
                _ => {}
            }
        }
        typed
    }

    /// That of this process, which a shell called.
    fn now() -> Self {
        let words = std::env::args_os().skip_while(|word| word != "--").skip(2);
        Self::of(words.map(|word| word.to_string_lossy().into_owned()))
    }

    /// A request that asks nobody for passwords.
    fn request(&self) -> Option<ProjectRequest> {
        let config = Config::load(&SourceMap::new()).ok()?;
        let env = self.env.clone().or_else(|| std::env::var("HOSTCTL_ENV").ok()).filter(|env| !env.is_empty());
        let inventory = if self.inventory.is_empty() && env.is_none() {
            configured_inventory(&config)
        } else {
            self.inventory.clone()
        };
        Some(ProjectRequest {
            env,
            project: self.project.clone(),
            inventory,
            ask: None,
            // The files of a folder decide what is offered there, and no more.
            inert: true,
            ..project_defaults(&config).ok()?
        })
    }
}

/// The lines of a listing of all playbooks on the command line.
fn listed(what: &Listing) -> Vec<String> {
    let typed = Typed::now();
    let Some(request) = typed.request() else { return Vec::new() };
    let existing = typed.playbooks.iter().filter(|playbook| playbook.is_file());
    let texts = existing.filter_map(|playbook| ops::list(&request, playbook, what, &SourceMap::new()).ok()?.0);
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn inventory(hosts: bool, groups: bool) -> BTreeSet<String> {
    let typed = Typed::now();
    let mut names = BTreeSet::new();
    let Some(request) = typed.request() else { return names };
    let dir = typed.playbooks.first().and_then(|playbook| playbook.parent()).map(PathBuf::from).unwrap_or_default();
    let view = InventoryView::open(&request, &dir, false, &SourceMap::new());
    let Ok(found) = view.and_then(|view| view.hosts("all")) else { return names };
    for host in found {
        if groups {
            names.extend(host.groups);
        }
        if hosts {
            names.insert(host.name.to_string());
        }
    }
    if groups {
        names.insert("all".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_names_is_completed() {
        let names: BTreeSet<String> = ["web1", "web2", "db"].map(str::to_owned).into();
        let shown = |current: &str| -> Vec<String> {
            let found = last_of(OsStr::new(current), &[',', ':', '!', '&'], names.clone());
            found.iter().map(|one| one.get_value().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(shown("w"), ["web1", "web2"]);
        assert_eq!(shown("web1:!d"), ["web1:!db"]);
        assert_eq!(shown("x,"), ["x,db", "x,web1", "x,web2"]);
        assert!(shown("nothing").is_empty());
    }

    #[test]
    fn what_is_typed_says_where_values_come_from() {
        let words = "-i hosts -iother --env=ci --project /p a.yml -t x b.yaml --inventory=third".split(' ');
        let typed = Typed::of(words.map(str::to_owned));
        assert_eq!(typed.inventory, ["hosts", "other", "third"]);
        assert_eq!((typed.env.as_deref(), typed.project), (Some("ci"), Some(PathBuf::from("/p"))));
        assert_eq!(typed.playbooks, [PathBuf::from("a.yml"), PathBuf::from("b.yaml")]);
    }

    #[test]
    fn every_command_has_a_manual_page() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["hostctl.1", "hostctl-run.1", "hostctl-deps-install.1", "ansible-playbook.1", "ansible-doc.1"] {
            assert!(names.contains(&name), "{name} not in {names:?}");
        }
        let run = pages.iter().find(|(name, _)| name == "hostctl-run.1").unwrap();
        let text = String::from_utf8_lossy(&run.1);
        assert!(text.contains(".TH hostctl-run 1") && text.contains("skip\\-tags"), "{text}");
    }
}
