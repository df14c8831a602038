//! The one error type, and the exit code that each kind has.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Span;

/// Result with a [`Diagnostic`].
pub type Result<T, E = Diagnostic> = std::result::Result<T, E>;

/// What sort of failure it is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A file that cannot be parsed or is wrong before the run.
    Source,
    /// Wrong command line.
    Usage,
    /// A value could not be computed (undefined variable, bad template).
    Template,
    /// A task failed on a host.
    Task,
    /// The host could not be reached, or the connection was lost.
    Unreachable,
    /// The vault could not be opened, or refused a value.
    Vault,
    /// The user interrupted.
    Interrupted,
    /// Something on this machine: files, permissions, disk.
    Local,
    /// A defect of hostctl.
    Internal,
}

/// Exit codes of the program, the same as Ansible's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All well.
    Ok = 0,
    /// A general error.
    Error = 1,
    /// One or more hosts failed.
    HostFailed = 2,
    /// One or more hosts were unreachable, or the playbook could not be read.
    Unreachable = 4,
    /// Wrong arguments.
    Usage = 5,
    /// Interrupted by the user.
    Interrupted = 99,
    /// A defect of hostctl.
    Internal = 250,
}

impl Kind {
    /// The exit code of a run that ends with this.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Source | Self::Unreachable => ExitCode::Unreachable,
            Self::Usage => ExitCode::Usage,
            Self::Template | Self::Task => ExitCode::HostFailed,
            Self::Vault | Self::Local => ExitCode::Error,
            Self::Interrupted => ExitCode::Interrupted,
            Self::Internal => ExitCode::Internal,
        }
    }
}

/// Error or warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Stops what was asked for.
    Error,
    /// Shown; does not change the exit code.
    Warning,
}

/// A marked place in the source. The first label of a diagnostic is its main place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What stands there, a few words; may be empty.
    pub text: String,
}

/// What an error is about, where the code that finds it has to tell the code that sums up. Never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A file of a plugin.
    Plugin(std::path::PathBuf),
    /// Among others something that acts by being there: no place asks for it.
    Unasked,
    /// A file of variables that no password opens: the hosts of this group need it.
    SealedForGroup(String),
    /// The same: this host needs it.
    SealedForHost(String),
    /// What it names: a keyword, a variable, a host pattern, a source of hosts.
    Name(String),
    /// A role, where the other errors of this code are about files.
    Role,
    /// A loop, where the other errors of this code are about other keywords.
    Loop,
    /// A keyword that an include does not take: Ansible can be told to pass over it.
    OfInclude(String),
    /// An argument of a module.
    Argument {
        /// The module's short name.
        module: &'static str,
        /// The argument; empty if it is about several.
        argument: String,
    },
}

/// The parts of a [`Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticBody {
    /// Error or warning.
    pub severity: Severity,
    /// The stable code, such as `P0203`; `hostctl explain CODE` tells more.
    pub code: Cow<'static, str>,
    /// The sort of failure.
    pub kind: Kind,
    /// Lower case start, no final period, names in backticks.
    pub message: String,
    /// Places, main one first.
    pub labels: Vec<Label>,
    /// `= note` lines: facts.
    pub notes: Vec<String>,
    /// `hint:` lines: what to type or change.
    pub hints: Vec<String>,
    /// What a registered result has as `msg`, where playbooks know Ansible's own words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<String>,
    /// What it is about, for the code in between.
    #[serde(skip)]
    pub subject: Option<Subject>,
    /// The same in links, outermost first, where it is known what each is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<super::Link>,
    /// What will be taken away, if that is what it warns of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<super::Deprecation>,
}

/// An error or a warning, with places, notes and hints. Cheap to move, crosses the agent's wire.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Diagnostic(Box<DiagnosticBody>);

impl std::ops::Deref for Diagnostic {
    type Target = DiagnosticBody;
    fn deref(&self) -> &DiagnosticBody {
        &self.0
    }
}

impl std::ops::DerefMut for Diagnostic {
    fn deref_mut(&mut self) -> &mut DiagnosticBody {
        &mut self.0
    }
}

impl Diagnostic {
    /// An error with a code from [`super::CODES`], a kind and a message.
    pub fn new(code: &'static str, kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(DiagnosticBody {
            severity: Severity::Error,
            code: Cow::Borrowed(code),
            kind,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
            registered: None,
            subject: None,
            chain: Vec::new(),
            deprecation: None,
        }))
    }

    /// An error before the run, at a place in the source.
    pub fn source(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Kind::Source, message)
    }

    /// A warning of what ansible-core will not take any more from 2.23 on: `text` is ours, `words` are ansible-core's.
    pub fn deprecated(code: &'static str, kind: Kind, text: impl Into<String>, words: &str) -> Self {
        Self::of_deprecation(code, kind, text, super::Deprecation::core(words, "2.23"))
    }

    /// A task's failure on a host.
    pub fn task(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Kind::Task, message)
    }

    /// A failure of this machine's files, permissions or disk.
    pub fn local(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Kind::Local, message)
    }

    /// A defect of hostctl: an invariant did not hold.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("X0001", Kind::Internal, message)
            .with_hint("this is a defect of hostctl: please report it with the playbook that shows it")
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a label if the place is known.
    #[must_use]
    pub fn with_label_opt(self, span: Option<Span>, text: impl Into<String>) -> Self {
        match span {
            Some(span) => self.with_label(span, text),
            None => self,
        }
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a hint where none was given.
    #[must_use]
    pub fn with_hint_else(self, hint: impl Into<String>) -> Self {
        if self.hints.is_empty() { self.with_hint(hint) } else { self }
    }

    /// Adds "did you mean" for the nearest of the known names, if one is near.
    #[must_use]
    pub fn with_nearest<'a>(self, found: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match super::nearest(found, known) {
            Some(name) => self.with_hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Sets what a registered result has as `msg`.
    #[must_use]
    pub fn with_registered(mut self, text: impl Into<String>) -> Self {
        self.registered = Some(text.into());
        self.chain.clear();
        self
    }

    /// Says what it is about.
    #[must_use]
    pub fn with_subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The name that it is about, where one was said by [`Subject::Name`]; else nothing.
    pub fn name(&self) -> &str {
        match &self.subject {
            Some(Subject::Name(name)) => name,
            _ => "",
        }
    }

    /// Puts words before what a registered result has as `msg`.
    #[must_use]
    pub fn within(mut self, words: &str) -> Self {
        self.registered = Some(format!("{words}{}", self.registered()));
        if !self.chain.is_empty() {
            let words = words.trim_end().trim_end_matches(':').to_owned();
            self.chain.insert(0, super::Link { words, origin: None, help: None });
        }
        self
    }

    /// Only what kind of error it is and where: for a text that came out of a vault, of which neither message,
    /// labels nor hints may show a part.
    #[must_use]
    pub fn without_source(mut self) -> Self {
        self.message = super::explain(&self.code).map_or("the text can not be read", |entry| entry.title).to_owned();
        for label in &mut self.labels {
            label.text = "here".to_owned();
        }
        self.notes = vec!["the text came out of a vault: it is not shown".to_owned()];
        self.hints = vec![format!("see `hostctl explain {}`, and edit what is sealed", self.code)];
        self.chain.clear();
        (self.registered, self.deprecation) = (None, None);
        self
    }

    /// What a registered result has as `msg`: Ansible's words where they are known, else ours.
    pub fn registered(&self) -> &str {
        self.registered.as_deref().unwrap_or(&self.message)
    }

    /// The main place, if there is one.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// True for warnings of what ansible-core calls deprecated: `deprecation_warnings` turns them off.
    pub fn is_deprecation(&self) -> bool {
        !self.is_error() && (self.deprecation.is_some() || matches!(&*self.code, "P0309" | "P0311" | "T0112" | "Y0021"))
    }

    /// The word that stands before the text of a warning in ansible-core's output.
    pub fn lead(&self) -> &'static str {
        if self.is_deprecation() { "DEPRECATION WARNING" } else { "WARNING" }
    }

    /// True for errors.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Diagnostic {}
