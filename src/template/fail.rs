//! How evaluation fails: an undefined value that may yet be caught by `default`, or an error.

use std::rc::Rc;

use crate::diag::{Diagnostic, Kind, Origin, Span, nearest};

use super::cx::Env;

/// Result of evaluation.
pub type R<T> = Result<T, Fail>;

/// Why evaluation stopped.
#[derive(Clone)]
pub enum Fail {
    /// An undefined value was used.
    Undef(Rc<Undef>),
    /// Anything else.
    Diag(Diagnostic),
}

/// What is not defined.
pub enum What {
    /// A name, with the variables that were in reach.
    Name(Rc<str>, Rc<Env>),
    /// A name that the lookup `vars` was asked for.
    Var(Rc<str>, Rc<Env>),
    /// An attribute or item: its name, the type of the value (ours and Python's), and what the value has.
    Attr { name: Rc<str>, kind: &'static str, python: &'static str, has: Vec<Rc<str>> },
    /// `undef(hint=...)`, an empty sequence's `first`.
    Hint(Rc<str>),
    /// An inline `if` without `else`: false, and empty inside a text.
    Soft,
}

/// An undefined value. Its message is made only when it is needed.
pub struct Undef {
    /// What is missing.
    pub what: What,
    /// Where it was used.
    pub span: Option<Span>,
    /// The template that it was used in, as ansible-core tells it.
    pub home: Option<Origin>,
    /// The variables on the way from the use that a task made, innermost first: name, use, definition.
    pub trail: Vec<Step>,
}

/// A variable on the way to a failure.
#[derive(Clone)]
pub struct Step {
    /// Its name.
    pub name: Rc<str>,
    /// Where it was used.
    pub used: Option<Span>,
    /// Where it is defined.
    pub defined: Option<Span>,
}

impl Undef {
    /// One with a hint only.
    pub fn hint(text: impl Into<Rc<str>>) -> Self {
        Self { what: What::Hint(text.into()), span: None, home: None, trail: Vec::new() }
    }

    /// The message as Ansible words it, which registered results have.
    pub fn registered(&self) -> String {
        match &self.what {
            What::Name(name, _) => format!("'{name}' is undefined"),
            What::Var(name, _) => format!("No variable named '{name}' was found."),
            What::Attr { name, python, .. } if name.parse::<i128>().is_ok() => {
                format!("object of type '{python}' has no attribute {name}")
            }
            What::Attr { name, python, .. } => format!("object of type '{python}' has no attribute '{name}'"),
            What::Hint(text) => text.to_string(),
            What::Soft => "Error rendering template: Type 'Undefined' is unsupported for variable storage.".to_owned(),
        }
    }

    /// The short message.
    pub fn message(&self) -> String {
        match &self.what {
            What::Name(name, _) | What::Var(name, _) => format!("`{name}` is not defined"),
            What::Attr { name, kind, .. } => format!("{kind} has no attribute `{name}`"),
            What::Hint(text) => text.to_string(),
            What::Soft => "the inline `if` is false and has no `else`".to_owned(),
        }
    }

    fn diagnostic(&self, place: impl Fn(Span) -> String) -> Diagnostic {
        let mut diag = Diagnostic::new("T0101", Kind::Template, self.message()).with_registered(self.registered());
        match &self.what {
            What::Name(name, env) | What::Var(name, env) => {
                diag = diag.with_label_opt(self.span, "not defined");
                let names = env.scope.names();
                if let Some(near) = nearest(name, names.iter().map(|name| &**name)) {
                    let at = env.scope.get(near).and_then(|(entry, _)| entry.span());
                    let at = at.map(|span| format!(" ({})", place(span))).unwrap_or_default();
                    diag = diag.with_hint(format!("did you mean `{near}`?{at}"));
                } else {
                    diag = diag.with_hint(format!("define it, or give a default: `{name} | default('...')`"));
                }
            }
            What::Attr { name, has, .. } => {
                diag = diag.with_label_opt(self.span, format!("no `{name}` here"));
                if !has.is_empty() {
                    let mut shown: Vec<String> = has.iter().take(12).map(|key| format!("`{key}`")).collect();
                    if has.len() > 12 {
                        shown.push(format!("{} more", has.len() - 12));
                    }
                    diag = diag.with_note(format!("it has {}", shown.join(", ")));
                    diag = diag.with_nearest(name, has.iter().map(|key| &**key));
                }
                let value = if name.parse::<i128>().is_ok() { format!("[{name}]") } else { format!(".{name}") };
                diag = diag.with_hint_else(format!("where it may be missing: `...{value} | default('...')`"));
            }
            What::Hint(_) | What::Soft => diag = diag.with_label_opt(self.span, "undefined"),
        }
        add_trail(diag, &self.trail)
    }
}

/// Labels the definitions of the variables in which a failure happened.
pub fn add_trail(mut diag: Diagnostic, trail: &[Step]) -> Diagnostic {
    for step in trail {
        if let Some(used) = step.used {
            diag = diag.with_label(used, format!("`{}` is used here", step.name));
        } else if let Some(defined) = step.defined {
            diag = diag.with_label(defined, format!("in the definition of `{}`", step.name));
        }
    }
    diag
}

impl Fail {
    /// An error without a place; the evaluator adds the place of the filter, test or call.
    pub fn msg(message: impl Into<String>) -> Self {
        Self::Diag(Diagnostic::new("T0103", Kind::Template, message))
    }

    /// Like [`Fail::msg`], with the words that a registered result has.
    pub fn said(message: impl Into<String>, registered: impl Into<String>) -> Self {
        Self::Diag(Diagnostic::new("T0103", Kind::Template, message).with_registered(registered))
    }

    /// Sets the words that a registered result has.
    pub fn with_words(self, registered: impl Into<String>) -> Self {
        match self {
            Self::Diag(diag) => Self::Diag(diag.with_registered(registered)),
            other @ Self::Undef(_) => other,
        }
    }

    /// Puts the plugin's name before what a registered result has; the innermost plugin counts.
    pub fn in_plugin(self, kind: &str, name: &str) -> Self {
        match self {
            Self::Diag(diag) => {
                let plugins = ["The filter plugin ", "The test plugin ", "The lookup plugin "];
                if plugins.iter().any(|words| diag.registered().starts_with(words)) {
                    return Self::Diag(diag);
                }
                Self::Diag(diag.within(&format!("The {kind} plugin '{name}' failed: ")))
            }
            other @ Self::Undef(_) => other,
        }
    }

    /// Says that rendering failed, where nothing more exact was said.
    pub fn rendering(self) -> Self {
        const SAID: [&str; 5] =
            ["The filter plugin ", "The test plugin ", "The lookup plugin ", "Error rendering", "Syntax error"];
        match self {
            Self::Diag(diag)
                if diag.code == "T0103" && !SAID.iter().any(|said| diag.registered().starts_with(said)) =>
            {
                Self::Diag(diag.within("Error rendering template: "))
            }
            other => other,
        }
    }

    /// What an error is about, as ansible-core tells it: the outermost template, but for what is undefined.
    pub fn about(self, home: Option<Origin>) -> Self {
        match self {
            Self::Diag(diag) => Self::Diag(diag.about(home, None)),
            other @ Self::Undef(_) => other,
        }
    }

    /// Adds a place if there is none yet.
    pub fn at(self, span: Option<Span>, label: &str) -> Self {
        match self {
            Self::Diag(diag) if diag.labels.is_empty() => Self::Diag(diag.with_label_opt(span, label)),
            other => other,
        }
    }

    /// Adds a hint.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Diag(diag) => Self::Diag(diag.with_hint(hint)),
            other @ Self::Undef(_) => other,
        }
    }

    /// The diagnostic; `place` spells a span for the hint.
    pub fn into_diagnostic(self, place: impl Fn(Span) -> String) -> Diagnostic {
        match self {
            Self::Undef(undef) => undef.diagnostic(place),
            Self::Diag(diag) => diag,
        }
    }
}

impl From<Diagnostic> for Fail {
    fn from(diag: Diagnostic) -> Self {
        Self::Diag(diag)
    }
}
