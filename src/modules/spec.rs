//! A module's face: names, argument table, where it runs. Derived from its `Args` type.

use std::path::Path;
use std::sync::OnceLock;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::call::{Failure, Outcome};
use super::cx::Cx;
use crate::system::TreeItem;
use crate::value::{Map, StrKey, Value, insert};

/// Where a module's work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsOn {
    /// On the task's host (through the agent or in this process).
    Host,
    /// Always on the controller (`image_tags`).
    Controller,
    /// Inside the engine, which has its variables and hosts (`debug`, `set_fact`, `meta`).
    Engine,
}

/// How a controller file gets to the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputArg {
    /// File or folder, searched in `files/`; not taken if the boolean argument `unless` is true.
    File {
        /// The argument.
        arg: &'static str,
        /// A boolean argument that means "already on the host".
        unless: Option<&'static str>,
        /// What `unless` is where it is not given.
        unless_by_default: bool,
    },
    /// A program and its arguments in one text; its first word is the file, searched in `files/`.
    Command {
        /// The argument.
        arg: &'static str,
    },
    /// The program of a module of one's own, which the playbook's loader has found.
    Program {
        /// The argument.
        arg: &'static str,
    },
    /// A template file, searched in `templates/`, rendered on the controller.
    Template {
        /// The argument.
        arg: &'static str,
    },
}

/// What the argument types cannot say.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Short name, as in the table.
    pub name: &'static str,
    /// Full name (`ansible.builtin.copy`); hostctl's own are `hostctl.core.NAME`.
    pub full_name: &'static str,
    /// Other accepted names (`ansible.legacy.copy`, `systemd_service`).
    pub also: &'static [&'static str],
    /// One line.
    pub summary: &'static str,
    /// Where it runs.
    pub runs_on: RunsOn,
    /// Aliases: (argument, its other names).
    pub aliases: &'static [(&'static str, &'static [&'static str])],
    /// The argument that free text goes to (`command: echo hi`).
    pub free_form: Option<&'static str>,
    /// At most one of each group.
    pub exclusive: &'static [&'static [&'static str]],
    /// At least one of each group.
    pub one_of: &'static [&'static [&'static str]],
    /// All or none of each group.
    pub together: &'static [&'static [&'static str]],
    /// (argument, value, needs all of).
    pub required_if: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// (argument, what is needed beside it).
    pub required_by: &'static [(&'static str, &'static [&'static str])],
    /// Arguments of the Ansible module that hostctl refuses by name, with the reason.
    pub refused: &'static [(&'static str, &'static str)],
    /// Controller files.
    pub inputs: &'static [InputArg],
    /// Arguments whose values never go to a log.
    pub secret: &'static [&'static str],
    /// Any other argument is taken too, untouched (`set_fact`).
    pub any_argument: bool,
    /// Ansible's result has `diff` as a list.
    pub diff_list: bool,
    /// Where Ansible's result has `changed`.
    pub changed_at: ChangedAt,
    /// Ansible's words where required arguments are missing, if they are not the usual ones.
    pub missing: Option<&'static str>,
    /// For a module that hands its work to another one, which that may be.
    pub hands_to: Option<HandsTo>,
    /// A language that its result tells of: the argument of this name gets what `ansible_LANGUAGE_interpreter` names.
    pub tells_of: Option<&'static str>,
    /// Its work outlives a lost link: it runs in a process of its own ([`super::Call::outlives`]), and gets the secrets
    /// of the vault to mask and to search for ([`super::Call::masked`]) and the name of the folder that was sent to it
    /// ([`super::Call::sent_from`]).
    pub outlives: bool,
    /// It is told the run and its controller's clock ([`super::Call::asked_by`]), as what outlives its link is.
    pub knows_asker: bool,
    /// The argument that is the run's time (`YYYYMMDDThhmmss`) where it is not given.
    pub run_time: Option<&'static str>,
    /// The argument that is set to true where it is not given and the run goes on with an earlier one.
    pub resumes: Option<&'static str>,
    /// The argument that is set to true where it is not given and the run only plans (`--plan`).
    pub plans: Option<&'static str>,
    /// An argument, and its values with which the module wants to know of the git repositories around and in the
    /// folders that are sent to it ([`super::Input::repositories`]).
    pub repositories: Option<(&'static str, &'static [&'static str])>,
    /// For a module that builds from the folder that is sent to it: what it needs of that.
    pub needs: Option<Needs>,
    /// Folders of these names are never sent to it, wherever they lie: runs write into them.
    pub leaves_out: &'static [&'static str],
    /// Programs that only read, each as the first words of its argument vector (`systemctl show`):
    /// what `Probe::run` may start for this module.
    pub reads: &'static [&'static str],
}

/// Says of each item of a folder whether a call with these arguments can need it; `None` if it needs the folder as
/// `copy` sends it. The last argument gives the text of a file.
pub type Needs = fn(&serde_json::Value, &[TreeItem], &dyn Fn(&Path) -> std::io::Result<String>) -> Option<Vec<bool>>;

/// Where a module's result has `changed`, which shows where a whole result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedAt {
    /// It is told first, or before what is told of a file (from `uid` on).
    First,
    /// Before a key where the result has that, and else as in `First`.
    Before(&'static str),
    /// The module does not tell it: it is added at the end.
    Last,
}

/// How a module like `package` finds the one that does its work; `module_defaults` of that one count too.
#[derive(Clone, Copy, Debug)]
pub struct HandsTo {
    /// Those that there are here.
    pub names: &'static [&'static str],
    /// A variable that says which, if the argument `use` does not.
    pub variable: Option<&'static str>,
    /// The fact that says which, if nothing else does.
    pub fact: &'static str,
}

impl Meta {
    /// All empty; fill in with `..Meta::NONE`.
    pub const NONE: Self = Self {
        name: "",
        full_name: "",
        also: &[],
        summary: "",
        runs_on: RunsOn::Host,
        aliases: &[],
        free_form: None,
        exclusive: &[],
        one_of: &[],
        together: &[],
        required_if: &[],
        required_by: &[],
        refused: &[],
        inputs: &[],
        secret: &[],
        any_argument: false,
        diff_list: false,
        changed_at: ChangedAt::First,
        missing: None,
        hands_to: None,
        tells_of: None,
        outlives: false,
        knows_asker: false,
        run_time: None,
        resumes: None,
        plans: None,
        repositories: None,
        needs: None,
        leaves_out: &[],
        reads: &[],
    };
}

/// A module. The doc comment of `Args` is its manual.
pub trait Module {
    /// Its arguments. `deny_unknown_fields`; no `flatten`, no `untagged`.
    type Args: DeserializeOwned + JsonSchema;
    /// Names and rules.
    const META: Meta;
    /// Does the work on this host; returns the result's keys. Not called for [`RunsOn::Engine`].
    fn run(cx: &Cx, args: Self::Args) -> Result<Map, Failure>;
}

/// The kinds of argument that Ansible knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgType {
    /// Text; scalars are turned into it.
    Str,
    /// A path on the host (`~` and `$VAR` are expanded there).
    Path,
    /// `yes`, `"true"`, 1 ...
    Bool,
    /// An integer, also as text.
    Int,
    /// A float, also as text.
    Float,
    /// A list of a kind; text is split at commas, a scalar is a list of one.
    List(Box<ArgType>),
    /// A mapping, also as `k=v` text or JSON.
    Dict,
    /// Anything, untouched.
    Raw,
}

/// One argument.
#[derive(Clone, Debug)]
pub struct ArgSpec {
    /// Its name.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<&'static str>,
    /// Its kind.
    pub ty: ArgType,
    /// Must be given.
    pub required: bool,
    /// The default, if it has one.
    pub default: Option<serde_json::Value>,
    /// The allowed values, if limited.
    pub choices: Vec<String>,
    /// Manual text.
    pub doc: String,
    /// Never logged.
    pub secret: bool,
    /// A special form that is checked too (`mode`).
    pub format: Option<String>,
}

/// A module's whole argument table.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Names and rules.
    pub meta: Meta,
    /// Arguments by name, in the order of the type.
    pub args: IndexMap<String, ArgSpec>,
    /// The manual's text.
    pub doc: String,
    /// JSON schema of the arguments.
    pub schema: serde_json::Value,
}

/// A step of the path to a wrong argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPart {
    /// A key.
    Key(String),
    /// A list index.
    Index(usize),
}

/// A wrong argument, before it has a place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgError {
    /// A code from `diag::CODES` (letter M).
    pub code: &'static str,
    /// The way to it; empty for the task as a whole (a missing argument).
    pub path: Vec<PathPart>,
    /// The key is wrong, not the value.
    pub on_key: bool,
    /// The message.
    pub message: String,
    /// Words for the label.
    pub label: String,
    /// What to type.
    pub hint: Option<String>,
    /// What Ansible says of it, for the registered `msg`; what is missing has its names only.
    pub ansible: String,
    /// What a registered result has as `details` beside that.
    pub details: Option<String>,
}

impl Spec {
    /// The argument of a name or alias.
    pub fn arg(&self, name: &str) -> Option<&ArgSpec> {
        self.args.get(name).or_else(|| self.args.values().find(|arg| arg.aliases.contains(&name)))
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct ModuleEntry {
    /// Names and rules.
    pub meta: Meta,
    make_spec: fn() -> Spec,
    run: fn(Cx, serde_json::Value) -> Result<Outcome, Failure>,
    spec: OnceLock<Spec>,
}

impl ModuleEntry {
    /// The argument table, made once.
    pub fn spec(&self) -> &Spec {
        self.spec.get_or_init(self.make_spec)
    }

    /// Runs the module with coerced arguments, on this thread.
    pub fn run(&self, cx: Cx, mut args: serde_json::Value) -> Result<Outcome, Failure> {
        self.fall_back(&cx, &mut args);
        (self.run)(cx, args)
    }
}

impl ModuleEntry {
    /// Arguments that a variable of the host's environment gives where the task does not: Ansible has one.
    fn fall_back(&self, cx: &Cx, args: &mut serde_json::Value) {
        const NAME: &str = "ANSIBLE_UNSAFE_WRITES";
        let own = cx.environment().iter().rev().find(|(name, _)| name == NAME).map(|(_, value)| value.clone());
        let Some(value) = own.or_else(|| std::env::var(NAME).ok()) else { return };
        if crate::value::boolean_word(&value) == Some(true)
            && self.spec().arg("unsafe_writes").is_some()
            && let Some(args) = args.as_object_mut()
        {
            args.entry("unsafe_writes").or_insert(serde_json::Value::Bool(true));
        }
    }
}

/// The table line of a module type.
pub const fn entry<M: Module>() -> ModuleEntry {
    ModuleEntry { meta: M::META, make_spec: make_spec::<M>, run: run::<M>, spec: OnceLock::new() }
}

fn make_spec<M: Module>() -> Spec {
    let schema = serde_json::Value::from(schemars::schema_for!(M::Args));
    let args = super::derive::arguments(&M::META, &schema);
    let doc = schema["description"].as_str().unwrap_or_default().to_owned();
    Spec { meta: M::META, args, doc, schema }
}

fn run<M: Module>(mut cx: Cx, mut args: serde_json::Value) -> Result<Outcome, Failure> {
    cx.allow(M::META.reads);
    super::attributes::take_selinux(&cx, M::META.refused, &mut args)?;
    let keeps_no_diff = cx.keeps_no_diff(&args);
    let args: M::Args = serde_path_to_error::deserialize(args)
        .map_err(|error| crate::diag::Diagnostic::task("M0001", format!("`{}`: {error}", M::META.name)))?;
    match M::run(&cx, args) {
        Ok(mut result) => {
            add_lines(&mut result);
            if !keeps_no_diff {
                cx.add_diff(&mut result, M::META.diff_list);
            }
            Ok(cx.finish(result))
        }
        Err(mut failure) => {
            add_lines(&mut failure.result);
            // Modules fail without their differences; those that Ansible's controller works for keep the list of them.
            if M::META.diff_list && !keeps_no_diff {
                cx.add_diff(&mut failure.result, true);
            }
            Err(cx.fail(failure))
        }
    }
}

/// `stdout_lines` and `stderr_lines`, which Ansible adds to every result that has the text.
fn add_lines(result: &mut Map) {
    for (name, lines) in [("stdout", "stdout_lines"), ("stderr", "stderr_lines")] {
        if let Some(text) = result.get(&StrKey(name)).and_then(Value::as_str)
            && !result.contains_key(&StrKey(lines))
        {
            let split = split_lines(text).into_iter().map(Value::from).collect::<Vec<_>>();
            insert(result, lines, split);
        }
    }
}

/// Python's `str.splitlines`.
fn split_lines(text: &str) -> Vec<&str> {
    let breaks = |c: char| "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}".contains(c);
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(breaks) {
        lines.push(&rest[..at]);
        let width =
            if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(1, char::len_utf8) };
        rest = &rest[at + width..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}
