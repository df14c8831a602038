//! Ansible's display: colours, banners, warnings once, stdout and stderr.

use super::super::screen::safe;
use super::super::written::Written;
use crate::event::Trouble;
use std::collections::HashSet;
use std::io::Write;

use crate::diag::{Diagnostic, SourceMap};

/// The form of dumped results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultFormat {
    /// JSON.
    #[default]
    Json,
    /// YAML.
    Yaml,
}

/// How a run is shown: the settings of Ansible's stdout callbacks.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own in Ansible")]
pub struct AnsibleOptions {
    /// Colours.
    pub color: bool,
    /// Columns of a banner.
    pub width: usize,
    /// `-v` count.
    pub verbosity: u8,
    /// Show diffs of tasks that made one.
    pub diff_context: usize,
    /// `display_ok_hosts`
    pub ok_hosts: bool,
    /// `display_skipped_hosts`
    pub skipped_hosts: bool,
    /// `display_failed_stderr`
    pub failed_stderr: bool,
    /// `check_mode_markers`
    pub check_markers: bool,
    /// `show_per_host_start`
    pub per_host_start: bool,
    /// `show_task_path_on_failure`
    pub path_on_failure: bool,
    /// `show_custom_stats`
    pub custom_stats: bool,
    /// `result_format`
    pub format: ResultFormat,
    /// `pretty_results`
    pub pretty: Option<bool>,
    /// `deprecation_warnings`, `system_warnings` aside: warnings are shown.
    pub warnings: bool,
    /// `verbose_to_stderr`: what `-v` adds goes to stderr.
    pub verbose_stderr: bool,
    /// `action_warnings`: those of results are shown, too.
    pub action_warnings: bool,
    /// `DEFAULT_DEBUG`: also what Ansible tells of its own steps.
    pub debug: bool,
    /// Lines for `-v` before the run.
    pub preamble: Vec<String>,
    /// Somebody else puts events in order: nothing waits longer than to the next tick.
    pub at_once: bool,
    /// Hosts that fail are kept in a file (`retry_files_enabled`).
    pub retry: Option<super::RetryFiles>,
}

impl AnsibleOptions {
    /// What is traced is shown.
    pub(super) fn traces(&self, inner: bool) -> bool {
        self.debug || (!inner && self.verbosity >= 3)
    }

    /// For callbacks that have no options of results: programs read their JSON.
    pub(super) fn plain_json(self) -> Self {
        Self { format: ResultFormat::Json, pretty: None, ..self }
    }

    /// A warning is shown.
    pub(super) fn shows(&self, warning: &crate::diag::Diagnostic) -> bool {
        // What modules and templates tell is part of a result.
        let of_a_result = matches!(&*warning.code, "H0002" | "M0012" | "T0110" | "T0112" | "T0113");
        self.warnings && (self.action_warnings || !of_a_result)
    }
}

impl Default for AnsibleOptions {
    fn default() -> Self {
        Self {
            color: false,
            width: 79,
            verbosity: 0,
            diff_context: 3,
            ok_hosts: true,
            skipped_hosts: true,
            failed_stderr: false,
            check_markers: false,
            per_host_start: false,
            path_on_failure: false,
            custom_stats: false,
            format: ResultFormat::Json,
            pretty: None,
            warnings: true,
            verbose_stderr: false,
            action_warnings: true,
            debug: false,
            preamble: Vec::new(),
            at_once: false,
            retry: None,
        }
    }
}

/// Ansible's colours by what they stand for (its defaults).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Green.
    Ok,
    /// Yellow.
    Changed,
    /// Cyan.
    Skipped,
    /// Red.
    Error,
    /// Bright red.
    Unreachable,
    /// Bright purple.
    Warning,
    /// Purple.
    Deprecated,
    /// Blue.
    Verbose,
    /// Dark gray.
    Debug,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Ok => "0;32",
            Self::Changed => "0;33",
            Self::Skipped => "0;36",
            Self::Error => "0;31",
            Self::Unreachable => "1;31",
            Self::Warning => "1;35",
            Self::Deprecated => "0;35",
            Self::Verbose => "0;34",
            Self::Debug => "1;30",
        }
    }

    /// Each line in its colour.
    pub(super) fn apply(self, text: &str, color: bool) -> String {
        if !color {
            return text.to_owned();
        }
        text.split('\n').map(|line| format!("\u{1b}[{}m{line}\u{1b}[0m", self.code())).collect::<Vec<_>>().join("\n")
    }
}

/// Stands before the first deprecation warning.
pub const HOW_TO_HIDE: &str =
    "[WARNING]: Deprecation warnings can be disabled by setting `deprecation_warnings=False` in ansible.cfg.\n";

/// Writes to stdout and stderr as Ansible does.
pub(super) struct Display<O: Write + Send, E: Write + Send> {
    out: Written<O>,
    err: E,
    color: bool,
    width: usize,
    verbose_stderr: bool,
    told: HashSet<String>,
}

impl<O: Write + Send, E: Write + Send> Display<O, E> {
    pub(super) fn new(out: O, err: E, options: &AnsibleOptions) -> Self {
        Self {
            out: Written::new(out, None),
            err,
            color: options.color,
            width: options.width,
            verbose_stderr: options.verbose_stderr,
            told: HashSet::new(),
        }
    }

    /// Text with its line break, painted.
    pub(super) fn painted(&self, text: &str, paint: Option<Tone>) -> String {
        // The break that ends the text stays outside of the colour.
        let (body, end) = match text.strip_suffix('\n') {
            Some(body) => (body, "\n"),
            None => (text, ""),
        };
        let shown = paint.map_or_else(|| body.to_owned(), |paint| paint.apply(body, self.color));
        if end.is_empty() { format!("{shown}\n") } else { format!("{shown}{end}") }
    }

    /// A closed pipe ends the output, not the run.
    pub(super) fn write(&mut self, text: &str) {
        self.out.put(text);
    }

    pub(super) fn write_err(&mut self, text: &str) {
        self.flush();
        let _ = self.err.write_all(safe(text).as_bytes());
        let _ = self.err.flush();
    }

    pub(super) fn flush(&mut self) {
        self.out.flush();
    }

    /// The first error of stdout, once.
    pub(super) fn trouble(&mut self) -> Option<Trouble> {
        self.out.trouble()
    }

    /// A line on stdout.
    pub(super) fn line(&mut self, text: &str, paint: Option<Tone>) {
        let to_stderr = self.verbose_stderr && matches!(paint, Some(Tone::Verbose));
        let text = self.painted(text, paint);
        if to_stderr { self.write_err(&text) } else { self.write(&text) }
    }

    /// `text ****`, after an empty line.
    pub(super) fn banner(&mut self, text: &str) {
        let text = banner(text, self.width);
        self.write(&text);
    }

    /// Tells of a diagnostic on stderr, once; `lead` is the word before it.
    pub(super) fn diagnostic(&mut self, lead: &str, wrong: &Diagnostic, sources: &SourceMap) {
        let tone = match lead {
            "ERROR" => Tone::Error,
            "WARNING" => Tone::Warning,
            _ => {
                self.once(HOW_TO_HIDE, Tone::Warning);
                Tone::Deprecated
            }
        };
        self.once(&super::message::diagnostic(lead, wrong, sources), tone);
    }

    fn once(&mut self, text: &str, tone: Tone) {
        if self.first(text) {
            let text = self.painted(text, Some(tone));
            self.write_err(&text);
        }
    }

    /// False if this text was told before.
    pub(super) fn first(&mut self, text: &str) -> bool {
        self.told.insert(text.to_owned())
    }

    pub(super) fn colored(&self) -> bool {
        self.color
    }
}

/// A banner's text with its stars.
pub(super) fn banner(text: &str, width: usize) -> String {
    let text = text.trim();
    let stars = width.saturating_sub(console::measure_text_width(text)).max(3);
    format!("\n{text} {}\n", "*".repeat(stars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_fills_the_line_and_has_three_stars_at_least() {
        assert_eq!(banner("PLAY [a]", 20), "\nPLAY [a] ************\n");
        assert_eq!(banner(&"x".repeat(30), 20), format!("\n{} ***\n", "x".repeat(30)));
    }

    #[test]
    fn every_line_has_its_own_colour() {
        assert_eq!(Tone::Ok.apply("a\nb", true), "\u{1b}[0;32ma\u{1b}[0m\n\u{1b}[0;32mb\u{1b}[0m");
    }
}
