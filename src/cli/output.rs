//! How results and errors are shown: colours, widths, JSON Lines.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ValueEnum};

use crate::diag::{Diagnostic, ExitCode, SourceMap};
use crate::report::{Paint, frame, frames, safe, unwritten};

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal; `NO_COLOR` and `CLICOLOR_FORCE` are honoured.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line on stdout; everything else on stderr.
    #[value(alias = "json")]
    Jsonl,
    /// What Ansible's stdout callback writes (`default`, or the configured one).
    Ansible,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    color: ColorWhen,
    /// The form of the output.
    // As text: commands whose `--output` means something else (a folder, a drawing's format) have an argument of the
    // same id, whose value clap hands up here.
    #[arg(long, global = true, value_name = "FORM", default_value = "human", hide_default_value = true)]
    #[arg(value_parser = forms())]
    output: String,
}

fn forms() -> clap::builder::PossibleValuesParser {
    OutputForm::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect::<Vec<_>>().into()
}

/// What the terminal can do, decided once.
#[derive(Clone, Debug)]
pub struct Output {
    /// The form.
    pub form: OutputForm,
    /// Colours on stdout.
    pub paint: Paint,
    /// Colours on stderr.
    pub error_paint: Paint,
    /// stdout is a terminal.
    pub terminal: bool,
    /// Columns of stdout.
    pub width: usize,
    /// The locale's letters are UTF-8.
    pub unicode: bool,
    /// Where spans point.
    pub sources: Arc<SourceMap>,
    /// Why standard output did not take everything.
    pub(super) unwritten: Arc<Mutex<Option<Diagnostic>>>,
}

impl OutputArgs {
    /// Looks at the terminal and the user's settings.
    pub fn resolve(&self) -> Output {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let color = |terminal: bool| match self.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
                    false
                } else {
                    set("CLICOLOR_FORCE") || terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
                }
            }
        };
        let terminal = std::io::stdout().is_terminal();
        let width = if terminal {
            usize::from(console::Term::stdout().size().1).clamp(40, 220)
        } else {
            std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(160_usize).clamp(40, 1000)
        };
        Output {
            form: OutputForm::from_str(&self.output, false).unwrap_or_default(),
            paint: Paint { color: color(terminal) },
            error_paint: Paint { color: color(std::io::stderr().is_terminal()) },
            terminal: terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            width,
            unicode: unicode(|name| std::env::var(name).ok()),
            sources: SourceMap::new(),
            unwritten: Arc::default(),
        }
    }
}

/// The locale's letters, by the variables that name it, the strongest first.
fn unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let named =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| variable(name).filter(|text| !text.is_empty()));
    named.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

impl Output {
    /// Before the command line is understood.
    pub fn plain() -> Self {
        OutputArgs { color: ColorWhen::Auto, output: String::new() }.resolve()
    }

    /// Data to stdout. A closed pipe ends the output, not the program; of any other error the first is kept.
    pub fn data(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A program gets the data as it is.
        let text = if out.is_terminal() { safe(text) } else { text.into() };
        self.wrote(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    /// Keeps why a write to stdout failed.
    pub fn wrote(&self, written: std::io::Result<()>) {
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| unwritten(&error));
        }
    }

    /// The exit code of a command: an output that is not whole is told, and is no success.
    pub fn end(&self, code: ExitCode) -> ExitCode {
        let failed = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failed {
            Some(error) => {
                self.fail(&error);
                if code == ExitCode::Ok { ExitCode::Error } else { code }
            }
            None => code,
        }
    }

    /// Data that may be no text.
    pub fn data_bytes(&self, data: &[u8]) {
        let mut out = std::io::stdout().lock();
        self.wrote(out.write_all(data).and_then(|()| out.flush()));
    }

    /// Everything else to stderr.
    pub fn note(&self, text: &str) {
        let _ = std::io::stderr().lock().write_all(safe(text).as_bytes());
    }

    /// Shows an error and gives its exit code.
    pub fn fail(&self, error: &Diagnostic) -> ExitCode {
        self.note(&frame(error, &self.sources, self.error_paint));
        error.kind.exit_code()
    }

    /// Shows several diagnostics on stderr.
    pub fn show(&self, diagnostics: &[Diagnostic]) {
        self.note(&frames(diagnostics, &self.sources, self.error_paint));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_strongest_variable_names_the_letters() {
        let unicode = |set: &[(&str, &str)]| {
            super::unicode(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(unicode(&[("LANG", "de_DE.UTF-8")]) && unicode(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!unicode(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]) && !unicode(&[]));
    }
}
