//! Command lines as Python's argparse reads them: what is wrong with one, in its words, and the usage around that.
//!
//! The options are those of the clap command; clap gets the words only once they are in order, each option in its
//! long form. What the options mean is not known here.

mod help;

use std::any::TypeId;
use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, Command};

/// Why a command line is not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The help is asked for.
    Help,
    /// The version is asked for.
    Version,
    /// What is wrong.
    Wrong(String),
}

/// One option or positional.
struct Item {
    id: String,
    /// `-f`, `--forks`; none of a positional.
    names: Vec<String>,
    /// The name that clap gets.
    long: String,
    takes: bool,
    whole_number: bool,
    /// Any number of words (of a positional), or given several times (of an option).
    many: bool,
    required: bool,
    value: String,
    help: String,
    heading: Option<String>,
    /// Ids of options that it cannot stand beside.
    against: Vec<String>,
}

impl Item {
    fn plain(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            names: Vec::new(),
            long: id.to_owned(),
            takes: false,
            whole_number: false,
            many: false,
            required: false,
            value: String::new(),
            help: String::new(),
            heading: None,
            against: Vec::new(),
        }
    }

    /// `-f/--forks`
    fn shown(&self) -> String {
        self.names.join("/")
    }
}

/// A program's command line.
pub(super) struct Parser {
    program: String,
    about: String,
    after: &'static str,
    options: Vec<Item>,
    positionals: Vec<Item>,
    /// What a program with actions does, each with its help.
    actions: Vec<(String, String)>,
}

/// Options that are placed with the others of a kind in the usage: by their ids. What is not listed comes last.
const PLAYBOOK_ORDER: &str = "help version verbose private_key user connection timeout ssh_common_args sftp_extra_args \
    scp_extra_args ssh_extra_args ask_pass connection_password_file force_handlers become become_method become_user \
    ask_become_pass become_password_file tags skip_tags check diff inventory list_hosts limit flush_cache extra_vars \
    vault_id ask_vault_password vault_password_file forks module_path syntax_check list_tasks list_tags step start_at_task";
const ADHOC_ORDER: &str = "help version verbose become become_method become_user ask_become_pass become_password_file \
    inventory list_hosts limit flush_cache poll background one_line tree private_key user connection timeout \
    ssh_common_args sftp_extra_args scp_extra_args ssh_extra_args ask_pass connection_password_file check diff extra_vars \
    vault_id ask_vault_password vault_password_file forks module_path playbook_dir task_timeout args module_name";
const INVENTORY_ORDER: &str = "help version verbose inventory limit flush_cache vault_id ask_vault_password \
    vault_password_file playbook_dir extra_vars list host graph yaml toml vars export output";
const DOC_ORDER: &str = "help version verbose module_path playbook_dir type json roles_path entry_point snippet list_files list \
    metadata_dump no_fail_on_errors";

/// Help of options that every program has.
const VERSION: &str = "show program's version number, config file location, configured module search path, module location, \
    executable location and exit";
const VERBOSE: &str = "Causes Ansible to print more debug messages. Adding multiple -v will increase the verbosity, the \
    builtin plugins currently evaluate up to -vvvvvv. A reasonable level to start is -vvv, connection debugging might \
    require -vvvv. This argument may be specified multiple times.";

impl Parser {
    /// The command line of a clap command.
    pub(super) fn of(mut command: Command) -> Self {
        command.build();
        let program = command.get_name().to_owned();
        let (order, after) = match program.as_str() {
            "ansible" => (ADHOC_ORDER, "Some actions do not make sense in Ad-Hoc (include, meta, etc)"),
            "ansible-inventory" => (INVENTORY_ORDER, ""),
            "ansible-doc" => {
                (DOC_ORDER, "See man pages for Ansible CLI options or website for tutorials https://docs.ansible.com")
            }
            "ansible-vault" => {
                (PLAYBOOK_ORDER, "See 'ansible-vault <command> --help' for more information on a specific command.")
            }
            _ => (PLAYBOOK_ORDER, ""),
        };
        let mut conflicts: Vec<(String, String)> = Vec::new();
        for arg in command.get_arguments() {
            for other in command.get_arg_conflicts_with(arg) {
                conflicts.push((arg.get_id().to_string(), other.get_id().to_string()));
                conflicts.push((other.get_id().to_string(), arg.get_id().to_string()));
            }
        }
        let items =
            command.get_arguments().filter(|arg| program != "ansible-inventory" || arg.get_id() != "list_hosts");
        let (mut positionals, mut options): (Vec<Item>, Vec<Item>) =
            items.map(|arg| item(arg, &conflicts)).partition(|item| item.names.is_empty());
        let place = |item: &Item| order.split_whitespace().position(|id| id == item.id).unwrap_or(usize::MAX);
        options.sort_by_key(place);
        let actions: Vec<(String, String)> = actions(&command)
            .filter_map(|action| Some((action.get_name().to_owned(), action.get_about()?.to_string())))
            .collect();
        if !actions.is_empty() {
            options.retain(|option| option.id == "help");
            for (id, short, help) in [("version", None, VERSION), ("verbose", Some("-v"), VERBOSE)] {
                let names = short.map(str::to_owned).into_iter().chain([format!("--{id}")]).collect();
                options.push(Item { names, help: help.to_owned(), ..Item::plain(id) });
            }
            options.sort_by_key(place);
            let names: Vec<&str> = actions.iter().map(|(name, _)| &**name).collect();
            let all = Item { value: format!("{{{}}}", names.join(",")), required: true, ..Item::plain("action") };
            positionals = vec![all, Item { value: "...".to_owned(), required: true, ..Item::plain("rest") }];
        }
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        Self { program, about, after, options, positionals, actions }
    }

    /// The words as clap is to read them, or why not.
    pub(super) fn read(&self, words: &[String]) -> Result<Vec<OsString>, Stop> {
        let mut told = Told { parser: self, words: Vec::new(), seen: Vec::new() };
        let mut plain: Vec<String> = Vec::new();
        let mut extras: Vec<String> = Vec::new();
        let mut groups = 0;
        let mut in_group = false;
        let mut at = 0;
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        // argparse looks at all words first.
        let kinds: Vec<Kind> = words[..end].iter().map(|word| self.kind(word)).collect::<Result<_, _>>()?;
        while at < words.len() {
            let word = &words[at];
            if at == end {
                at += 1;
                continue;
            }
            let kind = kinds.get(at).cloned().unwrap_or(Kind::Plain);
            at += 1;
            match kind {
                Kind::Plain => {
                    if !in_group {
                        groups += 1;
                    }
                    in_group = true;
                    // Positionals take what stands together at first.
                    let room = self.positionals.first().is_some_and(|first| first.many || plain.is_empty());
                    if groups == 1 && room {
                        plain.push(word.clone());
                    } else {
                        extras.push(word.clone());
                    }
                }
                Kind::Unknown => {
                    in_group = false;
                    extras.push(word.clone());
                    // What follows an unknown option belongs to nobody.
                    groups = groups.max(usize::from(!plain.is_empty()));
                }
                Kind::Option { option, explicit } => {
                    in_group = false;
                    let next = |at: usize| {
                        let plain = at >= end || matches!(kinds.get(at), Some(Kind::Plain));
                        words.get(at).filter(|_| plain && at != end).cloned()
                    };
                    at = told.option(option, word, explicit, at, &next)?;
                }
            }
        }
        let missing: Vec<&str> =
            self.positionals.iter().skip(plain.len()).filter(|item| item.required).map(|item| &*item.value).collect();
        if !missing.is_empty() {
            return Err(Stop::Wrong(format!("the following arguments are required: {}", missing.join(", "))));
        }
        if !extras.is_empty() {
            return Err(Stop::Wrong(format!("unrecognized arguments: {}", extras.join(" "))));
        }
        let mut all = vec![OsString::from(&self.program)];
        all.extend(told.words);
        if !plain.is_empty() {
            all.push("--".into());
            all.extend(plain.into_iter().map(OsString::from));
        }
        Ok(all)
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.options.iter().position(|option| option.names.iter().any(|own| own == name))
    }

    /// What a word is, before anything is taken.
    fn kind(&self, word: &str) -> Result<Kind, Stop> {
        if !word.starts_with('-') || word.len() == 1 {
            return Ok(Kind::Plain);
        }
        if let Some(option) = self.named(word) {
            return Ok(Kind::Option { option, explicit: None });
        }
        let (name, explicit) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        if let (Some(option), Some(_)) = (self.named(name), &explicit) {
            return Ok(Kind::Option { option, explicit });
        }
        let mut found: Vec<(&str, usize, Option<String>)> = Vec::new();
        for (at, option) in self.options.iter().enumerate() {
            for own in &option.names {
                if word.starts_with("--") {
                    if own.starts_with(name) {
                        found.push((own, at, explicit.clone()));
                    }
                } else if own.len() == 2 && word.starts_with(own.as_str()) {
                    found.push((own, at, Some(word[2..].to_owned())));
                }
            }
        }
        if found.len() > 1 {
            let names: Vec<&str> = found.iter().map(|(name, ..)| *name).collect();
            return Err(Stop::Wrong(format!("ambiguous option: {word} could match {}", names.join(", "))));
        }
        if let Some((_, option, explicit)) = found.pop() {
            return Ok(Kind::Option { option, explicit });
        }
        let number = word[1..].parse::<f64>().is_ok() && !word.contains(['n', 'N', 'e', 'E']);
        Ok(if number || word.contains(' ') { Kind::Plain } else { Kind::Unknown })
    }
}

/// A word of the command line.
#[derive(Clone)]
enum Kind {
    Plain,
    Unknown,
    Option { option: usize, explicit: Option<String> },
}

/// What options were read.
struct Told<'a> {
    parser: &'a Parser,
    words: Vec<OsString>,
    seen: Vec<usize>,
}

impl Told<'_> {
    /// Takes an option with its value, and those that stand in the same word; gives the next place.
    fn option(
        &mut self,
        mut option: usize,
        word: &str,
        mut explicit: Option<String>,
        at: usize,
        next: &dyn Fn(usize) -> Option<String>,
    ) -> Result<usize, Stop> {
        let short = !word.starts_with("--");
        loop {
            let item = &self.parser.options[option];
            let wrong = |text: String| Stop::Wrong(format!("argument {}: {text}", item.shown()));
            if item.takes {
                let (value, at) = match explicit {
                    Some(value) => (value, at),
                    None => (next(at).ok_or_else(|| wrong("expected one argument".to_owned()))?, at + 1),
                };
                self.take(option, Some(value))?;
                return Ok(at);
            }
            let Some(rest) = explicit.take() else {
                self.take(option, None)?;
                return Ok(at);
            };
            let first = rest.chars().next().filter(|_| short);
            let following = first.and_then(|first| self.parser.named(&format!("-{first}")));
            let Some(following) = following else {
                return Err(wrong(format!("ignored explicit argument {}", quoted(&rest))));
            };
            self.take(option, None)?;
            option = following;
            explicit = Some(rest.chars().skip(1).collect::<String>()).filter(|rest| !rest.is_empty());
        }
    }

    fn take(&mut self, option: usize, value: Option<String>) -> Result<(), Stop> {
        let item = &self.parser.options[option];
        let wrong = |text: String| Stop::Wrong(format!("argument {}: {text}", item.shown()));
        let value = match value {
            Some(text) if item.whole_number => {
                let number = text.trim().trim_start_matches('+');
                let plain = !number.starts_with('_') && !number.ends_with('_') && !number.contains("__");
                let read = number.replace('_', "").parse::<i64>().ok().filter(|_| plain);
                // The name is that of a function around `int`.
                let read = read.ok_or_else(|| wrong(format!("invalid tag_value value: {}", quoted(&text))))?;
                Some(read.to_string())
            }
            value => value,
        };
        let other =
            self.seen.iter().map(|seen| &self.parser.options[*seen]).find(|seen| item.against.contains(&seen.id));
        if let Some(other) = other {
            return Err(wrong(format!("not allowed with argument {}", other.shown())));
        }
        self.seen.push(option);
        match item.id.as_str() {
            "help" => return Err(Stop::Help),
            "version" => return Err(Stop::Version),
            _ => {}
        }
        // What is given again replaces what was.
        if !item.many {
            let same = format!("--{}", item.long);
            let with_value = format!("{same}=");
            self.words.retain(|word| {
                let word = word.to_string_lossy();
                word != same.as_str() && !word.starts_with(&with_value)
            });
        }
        self.words.push(match value {
            Some(value) => format!("--{}={value}", item.long).into(),
            None => format!("--{}", item.long).into(),
        });
        Ok(())
    }
}

/// Columns of usage and help.
pub(super) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
    let columns = columns.unwrap_or_else(|| {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        if terminal { usize::from(console::Term::stdout().size().1) } else { 80 }
    });
    columns.saturating_sub(2).max(11)
}

/// What clap found wrong, in argparse's words where it has some for this.
pub(super) fn of_clap(error: &clap::Error, command: &Command) -> String {
    let told = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "the following arguments are required: action".to_owned()
        }
        ErrorKind::InvalidSubcommand => {
            let names: Vec<String> = actions(command).map(|action| quoted(action.get_name())).collect();
            let found = quoted(&told(ContextKind::InvalidSubcommand));
            format!("argument action: invalid choice: {found} (choose from {})", names.join(", "))
        }
        ErrorKind::UnknownArgument => format!("unrecognized arguments: {}", told(ContextKind::InvalidArg)),
        _ => {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            text.split("\n\n").next().unwrap_or(text).trim_end().to_owned()
        }
    }
}

/// The actions of a program that has some.
fn actions(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|action| action.get_name() != "help")
}

/// A text as Python's `repr` shows it.
fn quoted(text: &str) -> String {
    crate::value::python_repr(&crate::value::Value::from(text))
}

fn item(arg: &Arg, conflicts: &[(String, String)]) -> Item {
    let id = arg.get_id().to_string();
    let long = arg.get_long().unwrap_or_default().to_owned();
    let mut names: Vec<String> = arg.get_short().map(|short| format!("-{short}")).into_iter().collect();
    if !long.is_empty() {
        names.push(format!("--{long}"));
        names.extend(arg.get_all_aliases().unwrap_or_default().iter().map(|alias| format!("--{alias}")));
    }
    let action = arg.get_action();
    let takes = action.takes_values();
    let many = matches!(action, ArgAction::Append | ArgAction::Count);
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    let mut help = match id.as_str() {
        "help" => "show this help message and exit".to_owned(),
        _ => arg.get_help().map(ToString::to_string).unwrap_or_default(),
    };
    let against: Vec<String> = conflicts.iter().filter(|(one, _)| *one == id).map(|(_, other)| other.clone()).collect();
    // Ansible says so of options that stand in no group of their own.
    if many && against.is_empty() && !names.is_empty() && !help.is_empty() {
        help = format!("{}. This argument may be specified multiple times.", help.trim_end_matches('.'));
    }
    Item {
        takes,
        whole_number: arg.get_value_parser().type_id() == TypeId::of::<i64>(),
        many,
        required: arg.is_required_set(),
        value,
        help,
        heading: arg.get_help_heading().map(str::to_owned),
        against,
        id,
        names,
        long,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::{adhoc::AdhocArgs, playbook::PlaybookArgs};
    use super::*;

    fn read(words: &[&str]) -> Result<String, Stop> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let read = Parser::of(PlaybookArgs::command()).read(&words)?;
        Ok(read.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "))
    }

    fn wrong(words: &[&str]) -> String {
        match read(words) {
            Err(Stop::Wrong(text)) => text,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    /// What argparse says of the same words, in Python 3.11.
    #[test]
    fn what_is_wrong_is_told_in_argparses_words() {
        for (words, text) in [
            (&[][..], "the following arguments are required: playbook"),
            (&["--nonsense"], "the following arguments are required: playbook"),
            (&["-f", "x"], "argument -f/--forks: invalid tag_value value: 'x'"),
            (&["-f"], "argument -f/--forks: expected one argument"),
            (&["--list", "site.yml"], "ambiguous option: --list could match --list-hosts, --list-tasks, --list-tags"),
            (&["a.yml", "--check=yes"], "argument -C/--check: ignored explicit argument 'yes'"),
            (&["a.yml", "-CZ"], "argument -C/--check: ignored explicit argument 'Z'"),
            (&["a.yml", "-Cf"], "argument -f/--forks: expected one argument"),
            (&["a.yml", "-e", "-x"], "argument -e/--extra-vars: expected one argument"),
            (&["a.yml", "-i"], "argument -i/--inventory/--inventory-file: expected one argument"),
            (&["a.yml", "--no", "a", "b", "--xx"], "unrecognized arguments: --no a b --xx"),
            (
                &["a.yml", "-k", "--connection-password-file", "x"],
                "argument --connection-password-file/--conn-pass-file: not allowed with argument -k/--ask-pass",
            ),
            (
                &["a.yml", "-J", "--vault-password-file", "x"],
                "argument --vault-password-file/--vault-pass-file: not allowed with argument \
                 -J/--ask-vault-password/--ask-vault-pass",
            ),
        ] {
            assert_eq!(wrong(words), text);
        }
        assert_eq!(read(&["a.yml", "--he"]), Err(Stop::Help));
        assert_eq!(read(&["a.yml", "--versi"]), Err(Stop::Version));
    }

    #[test]
    fn options_reach_clap_in_their_long_form() {
        assert_eq!(
            read(&["-vvCf5", "-i", "h,", "--tag", "a", "-tb", "a.yml", "b.yml", "-e", "a=-1 b"]).unwrap(),
            "--verbose --verbose --check --forks=5 --inventory=h, --tags=a --tags=b --extra-vars=a=-1 b -- a.yml b.yml"
        );
        assert_eq!(read(&["-f", "1_0", "-l", "a", "-l", "b", "a.yml"]).unwrap(), "--forks=10 --limit=b -- a.yml");
        assert_eq!(read(&["-f", "-1", "--", "-a.yml"]).unwrap(), "--forks=-1 -- -a.yml");
    }

    #[test]
    fn the_usage_is_argparses() {
        let parser = Parser::of(PlaybookArgs::command());
        let usage = parser.usage(78);
        assert!(usage.starts_with(
            "usage: ansible-playbook [-h] [--version] [-v] [--private-key PRIVATE_KEY_FILE]\n                        [-u REMOTE_USER]"
        ), "{usage}");
        assert!(
            usage.ends_with("[--start-at-task START_AT_TASK]\n                        playbook [playbook ...]\n"),
            "{usage}"
        );
        let help = parser.help(78);
        for part in [
            "\n\npositional arguments:\n  playbook              Playbook(s)\n\noptions:\n  --become-password-file BECOME_PASSWORD_FILE, --become-pass-file BECOME_PASSWORD_FILE\n                        Become password file\n",
            "  -C, --check           don't make any changes; instead, try to predict some\n                        of the changes that may occur\n",
            "\n\nPrivilege Escalation Options:\n  control how and which user you become as on target hosts\n\n  --become-method BECOME_METHOD\n",
        ] {
            assert!(help.contains(part), "{help}");
        }
        let help = Parser::of(AdhocArgs::command()).help(78);
        assert!(help.ends_with("Some actions do not make sense in Ad-Hoc (include, meta, etc)\n"), "{help}");
    }
}
