//! `hostctl run`: playbooks against hosts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use tokio_util::sync::CancellationToken;

use super::arguments::ProjectArgs;
use super::output::{Output, OutputForm};
use super::person::Terminal;
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::engine::{Answer, Person as _, Question, Until};
use crate::event::Reporter;
use crate::journal::RunDir;
use crate::ops;
use crate::report::{Human, HumanOptions, JsonLines};
use crate::secret::{Secret, without_passwords};

/// Run playbooks
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// The playbooks, run one after another.
    #[arg(required = true, value_name = "PLAYBOOK", add = super::completion::playbooks())]
    pub(super) playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// Change nothing; tell what would change.
    #[arg(short = 'C', long)]
    pub(super) check: bool,
    /// Change nothing, as --check does; image builds ask engine and registries and tell what they would build and reuse.
    #[arg(long)]
    pub(super) plan: bool,
    /// Show what changes in files.
    #[arg(short = 'D', long)]
    pub(super) diff: bool,
    /// Only tasks with these tags.
    #[arg(short, long, value_name = "TAGS", add = super::completion::tags())]
    pub(super) tags: Vec<String>,
    /// No tasks with these tags.
    #[arg(long, value_name = "TAGS", add = super::completion::tags())]
    pub(super) skip_tags: Vec<String>,
    /// Begin at the task of this name.
    #[arg(long, value_name = "NAME", add = super::completion::tasks())]
    pub(super) start_at_task: Option<String>,
    /// Confirm each task before it runs.
    #[arg(long)]
    pub(super) step: bool,
    /// Run handlers even on hosts that failed.
    #[arg(long)]
    pub(super) force_handlers: bool,
    /// Hosts worked on at the same time; default: 5.
    #[arg(short, long, value_name = "N")]
    pub(super) forks: Option<usize>,
    /// More detail: -v results, -vv arguments, -vvv the connection.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Log in as this user.
    #[arg(short, long, value_name = "USER", visible_alias = "remote-user")]
    pub(super) user: Option<String>,
    /// The private key to log in with.
    #[arg(long, value_name = "FILE", visible_alias = "key-file")]
    pub(super) private_key: Option<PathBuf>,
    /// Connection to use: ssh or local.
    #[arg(short, long, value_name = "NAME")]
    pub(super) connection: Option<String>,
    /// Seconds to wait for a connection.
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,
    /// Arguments for every ssh, for example -o ProxyJump=HOST.
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(super) ssh_common_args: Option<String>,
    /// Arguments for ssh only.
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(super) ssh_extra_args: Option<String>,
    /// Ask for the login password.
    #[arg(short = 'k', long, visible_alias = "ask-pass")]
    pub(super) ask_password: bool,
    /// Run tasks as another user.
    #[arg(short, long)]
    pub(super) r#become: bool,
    /// The user to become.
    #[arg(long, value_name = "USER")]
    pub(super) become_user: Option<String>,
    /// How to become that user: sudo or su.
    #[arg(long, value_name = "METHOD")]
    pub(super) become_method: Option<String>,
    /// Ask for the password to become that user.
    #[arg(short = 'K', long, visible_alias = "ask-become-pass")]
    pub(super) ask_become_password: bool,
    /// Forget the facts that earlier runs kept (`fact_caching`).
    #[arg(long)]
    pub(super) flush_cache: bool,
    /// Go on with an earlier run that was cut off: its tag stays, finished images are neither built nor pushed again.
    /// Default: the newest unfinished run of the playbook.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    pub(super) resume: Option<String>,
    /// Only check the playbooks; contact no host.
    #[arg(long)]
    pub(super) syntax_check: bool,
}

impl RunArgs {
    /// The same connection and variables, for what only comes back to work that goes on.
    pub(super) fn come_back(&mut self, ask_password: bool, ask_become_password: bool) {
        self.ask_password |= ask_password;
        self.ask_become_password |= ask_become_password;
        (self.check, self.plan, self.step, self.syntax_check) = (false, false, false, false);
        (self.resume, self.start_at_task) = (None, None);
        self.tags.clear();
        self.skip_tags.clear();
    }

    pub(super) fn request(&self, output: &Output, config: &ops::Config) -> Result<ops::RunRequest> {
        let mut defaults = indexmap::IndexMap::new();
        let mut set = |name: &str, value: Option<crate::value::Value>| {
            if let Some(value) = value {
                defaults.insert(name.to_owned(), value);
            }
        };
        let path = |path: &PathBuf| path.display().to_string().into();
        set("remote_user", self.user.clone().map(Into::into));
        set("private_key_file", self.private_key.as_ref().map(path));
        set("connection", self.connection.clone().map(Into::into));
        set("timeout", self.timeout.map(Into::into));
        set("ssh_common_args", self.ssh_common_args.clone().map(Into::into));
        set("ssh_extra_args", self.ssh_extra_args.clone().map(Into::into));
        set("become", self.r#become.then_some(true.into()));
        set("become_user", self.become_user.clone().map(Into::into));
        set("become_method", self.become_method.clone().map(Into::into));
        super::arguments::connection_defaults(config, &mut defaults);
        let login =
            if self.ask_password || config.flag("DEFAULT_ASK_PASS") { Some(ask("SSH password: ")?) } else { None };
        let r#become = if self.ask_become_password || config.flag("DEFAULT_BECOME_ASK_PASS") {
            let answer =
                ask(if login.is_some() { "BECOME password[defaults to SSH password]: " } else { "BECOME password: " })?;
            match (&login, answer.expose().is_empty()) {
                (Some(login), true) => Some(login.clone()),
                _ => Some(answer),
            }
        } else {
            None
        };
        let (configured_tags, configured_skips) = (config.list("TAGS_RUN"), config.list("TAGS_SKIP"));
        let mut project = self.project.request(output, config)?;
        project.plugin_names = config.plugin_names(output.form == OutputForm::Ansible);
        Ok(ops::RunRequest {
            project,
            playbooks: self.playbooks.clone(),
            check: self.check || self.plan,
            plan: self.plan,
            diff: self.diff || config.flag("DIFF_ALWAYS"),
            diff_limit: config.number("MAX_FILE_SIZE_FOR_DIFF").unwrap_or(crate::modules::DIFF_LIMIT),
            tags: split(if self.tags.is_empty() { &configured_tags } else { &self.tags }),
            skip_tags: split(if self.skip_tags.is_empty() { &configured_skips } else { &self.skip_tags }),
            start_at_task: self.start_at_task.clone(),
            step: self.step,
            force_handlers: self.force_handlers || config.flag("DEFAULT_FORCE_HANDLERS"),
            forks: forks(self.forks, config)?,
            verbosity: self.verbose,
            gathering: config.text("DEFAULT_GATHERING"),
            inject_facts: config.flag("INJECT_FACTS_AS_VARS"),
            fact_caching: ops::FactCaching::configured(config)?,
            flush_cache: self.flush_cache,
            strategy: config.text("DEFAULT_STRATEGY"),
            debugger: config.flag("ENABLE_TASK_DEBUGGER"),
            debugger_ignores: config.flag("TASK_DEBUGGER_IGNORE_ERRORS"),
            keywords: super::arguments::keyword_defaults(config),
            person: Arc::new(Terminal::Beside),
            defaults,
            login_password: login,
            become_password: r#become,
            command: typed(std::env::args_os().skip(1)),
            resume: self.resume.clone(),
            ansible_codes: false,
        })
    }
}

/// The command line as a shell takes it, without the task at which it began.
pub(super) fn typed(words: impl Iterator<Item = std::ffi::OsString>) -> String {
    let mut shown = vec!["hostctl".to_owned()];
    let mut before = String::new();
    for word in words {
        let word = word.to_string_lossy().into_owned();
        let value = matches!(before.as_str(), "-e" | "--extra-vars");
        let skip = before == "--start-at-task";
        before.clone_from(&word);
        if skip || word == "--start-at-task" || word.starts_with("--start-at-task=") {
            continue;
        }
        // Addresses with passwords, such as a proxy's.
        let word = without_passwords(&word);
        let inline = word.starts_with("-e") || word.starts_with("--extra-vars=");
        shown.push(if (value || inline) && looks_secret(&word) {
            let name = word.split(['=', ':', '{']).next().unwrap_or_default();
            let name = if inline && word.starts_with("--") { "--extra-vars" } else { name };
            format!("{}=...", crate::report::shell_word(name))
        } else {
            crate::report::shell_word(&word)
        });
    }
    shown.join(" ")
}

/// A variable that was typed in clear: its value belongs into no record.
fn looks_secret(word: &str) -> bool {
    let word = word.to_lowercase();
    let file = word.trim_start_matches("--extra-vars=").trim_start_matches("-e").starts_with('@');
    !file && ["pass", "secret", "token", "credential", "_key", "apikey"].iter().any(|part| word.contains(part))
}

/// Tags are given several times, or with commas.
pub(super) fn split(tags: &[String]) -> Vec<String> {
    tags.iter()
        .flat_map(|tags| tags.split(','))
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| !tag.is_empty())
        .collect()
}

/// Asks on the terminal, without echo; without any terminal, standard input has the answers, one a line.
pub(super) fn ask(prompt: &str) -> Result<Secret> {
    let question = Question { prompt, hidden: true, seconds: None, until: Until::Line };
    if Terminal::Beside.is_there() {
        // An interrupt leaves the terminal as it was.
        return match Terminal::Beside.ask(&question, &CancellationToken::new()) {
            Some(Answer::Text(text)) => Ok(Secret::new(text)),
            _ => Err(Diagnostic::new("C0103", Kind::Interrupted, "user interrupted execution")),
        };
    }
    let term = console::Term::stderr();
    let terminal = std::fs::File::open("/dev/tty").is_ok();
    if !terminal && let Some(line) = Terminal::Beside.line(prompt) {
        return Ok(Secret::new(line));
    }
    if !terminal || !term.is_term() {
        let lower = prompt.to_lowercase();
        let hint = if lower.contains("vault") {
            "name a file or a program with it: `--vault-password-file FILE`"
        } else if lower.contains("passphrase") {
            "name a file that holds it: `--passphrase-file FILE`"
        } else if lower.contains("become") {
            "name a file that has it: `--become-password-file FILE`, or seal `ansible_become_password`"
        } else {
            "name a file that has it: `--connection-password-file FILE`, or seal `ansible_password`"
        };
        return Err(
            Diagnostic::new("C0103", Kind::Usage, "a password is asked for, but there is no terminal").with_hint(hint)
        );
    }
    let read = term.write_str(prompt).and_then(|()| term.read_secure_line());
    read.map(Secret::new)
        .map_err(|error| Diagnostic::new("C0103", Kind::Usage, format!("cannot read the password: {error}")))
}

/// `forks` of the configuration; `None` if it is no number of hosts.
pub(super) fn configured_forks(config: &ops::Config) -> Option<usize> {
    config.number("DEFAULT_FORKS").and_then(|forks| usize::try_from(forks).ok()).filter(|forks| *forks > 0)
}

/// The forks of a run.
fn forks(given: Option<usize>, config: &ops::Config) -> Result<usize> {
    given.or_else(|| configured_forks(config)).filter(|forks| *forks > 0).ok_or_else(|| {
        Diagnostic::new("C0117", Kind::Usage, "`forks` must be at least 1: so many hosts are worked on at a time")
            .with_registered("The number of processes (--forks) must be >= 1")
            .with_hint("hostctl run --forks 5")
    })
}

/// A playbook that stands in no file: its path, its name, its text.
pub(super) type Given = (PathBuf, String, Arc<str>);

pub(super) fn main(args: RunArgs, output: &Output) -> Result<ExitCode> {
    begin(&args, output, None)
}

/// Runs the playbooks, or in their place the given one.
pub(super) fn begin(args: &RunArgs, output: &Output, given: Option<Given>) -> Result<ExitCode> {
    begin_with(args, output, |request| {
        if let Some(given) = given {
            request.playbooks = vec![given.0.clone()];
            request.project.given = Some(given);
        }
        Ok(())
    })
}

/// Runs what the arguments ask for, after `change` had its way with it.
pub(super) fn begin_with(
    args: &RunArgs,
    output: &Output,
    change: impl FnOnce(&mut ops::RunRequest) -> Result<()>,
) -> Result<ExitCode> {
    begin_shown(args, output, None, change)
}

/// Makes the reporters that tell the user.
pub(super) type Shown<'a> = &'a dyn Fn() -> Vec<Box<dyn Reporter>>;

/// The same, told by other reporters than those of the output's form.
pub(super) fn begin_shown(
    args: &RunArgs,
    output: &Output,
    own: Option<Shown<'_>>,
    change: impl FnOnce(&mut ops::RunRequest) -> Result<()>,
) -> Result<ExitCode> {
    let config = ops::Config::load(&output.sources)?;
    output.show(&config.warnings);
    let mut request = args.request(output, &config)?;
    change(&mut request)?;
    if args.syntax_check {
        return super::check::run(&request.project, &request.playbooks, output);
    }
    let human = HumanOptions {
        color: output.paint.color,
        live: output.terminal,
        width: output.width,
        verbosity: args.verbose,
        diff: request.diff,
        unicode: output.unicode,
    };
    let shown = || -> Vec<Box<dyn Reporter>> {
        if let Some(own) = own {
            return own();
        }
        let mut all: Vec<Box<dyn Reporter>> = match output.form {
            OutputForm::Human => vec![Box::new(Human::new(std::io::stdout(), human))],
            OutputForm::Jsonl => vec![Box::new(JsonLines::new(std::io::stdout()))],
            OutputForm::Ansible => {
                return super::names::reporters(&config, (args.verbose, human.diff), output, None);
            }
        };
        all.extend(super::names::beside(&config, args.verbose, output));
        all
    };
    // What could not be checked is for `check` to tell, and for who asks.
    let asked = |problem: &&Diagnostic| args.verbose > 0 || problem.code != "P0305";
    start(request, output, &shown, &|found| output.show(&found.iter().filter(asked).cloned().collect::<Vec<_>>()))
}

/// Runs a request; what `shown` makes tells the user, beside the run's own record;
/// `problems` shows what is wrong before it.
pub(super) fn start(
    request: ops::RunRequest,
    output: &Output,
    shown: Shown<'_>,
    problems: &dyn Fn(&[Diagnostic]),
) -> Result<ExitCode> {
    let reporters = |dir: &RunDir| -> Result<Vec<Box<dyn Reporter>>> {
        let plain = HumanOptions { color: false, live: false, width: 160, verbosity: 0, diff: true, unicode: true };
        let named = |name: &str| dir.path().join(name).display().to_string();
        let events = std::io::BufWriter::new(dir.file("events.jsonl")?);
        let mut all: Vec<Box<dyn Reporter>> = vec![
            Box::new(JsonLines::record(events, named("events.jsonl"))),
            Box::new(Human::record(dir.file("journal")?, named("journal"), plain)),
        ];
        all.extend(shown());
        Ok(all)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(crate::system::folder::keeper())
        // Includes below each other nest; the deepest allowed must fit also without optimisation. Untouched pages cost nothing.
        .thread_stack_size(64 << 20)
        .build()
        .map_err(|error| Diagnostic::local("C0104", format!("cannot start the runtime: {error}")))?;
    let ended = runtime.block_on(ops::run(request, &output.sources, &reporters, problems));
    // Blocking work that does not end by itself must not hold the program.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

#[cfg(test)]
mod tests {
    use super::typed;

    fn shown(words: &[&str]) -> String {
        typed(words.iter().map(std::ffi::OsString::from))
    }

    #[test]
    fn an_address_has_no_password_in_the_command() {
        let words = ["image", "build", "--build-arg", "http_proxy=http://me:hunter2@proxy:3128/"];
        assert_eq!(shown(&words), "hostctl image build --build-arg http_proxy=http://me:...@proxy:3128/");
        // Nor does one open the way for another secret.
        let both = ["run", "-e", r#"{"a":"http://me:hunter2@h","token":"hunter3"}"#];
        assert!(!shown(&both).contains("hunter"), "{}", shown(&both));
    }

    #[test]
    fn the_command_that_goes_on_has_no_old_start_and_no_secret() {
        assert_eq!(shown(&["run", "a b.yml", "--start-at-task", "x", "--env", "e"]), "hostctl run \"a b.yml\" --env e");
        assert_eq!(shown(&["run", "a.yml", "--start-at-task=x"]), "hostctl run a.yml");
        assert_eq!(shown(&["run", "-e", "image_tag=1", "-e", "@pass.yml"]), "hostctl run -e image_tag=1 -e @pass.yml");
        for words in
            [["-e", "registry_password=hunter2"], ["-e", "{\"token\": \"hunter2\"}"], ["x", "-epassword=hunter2"]]
        {
            let text = shown(&words);
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(!shown(&["--extra-vars=secret=hunter2"]).contains("hunter2"));
    }
}
