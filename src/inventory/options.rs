//! What settings say about reading inventories: what is passed over, what may be read, what becomes of what cannot be.

use std::path::Path;

use crate::diag::{Deprecation, Diagnostic, Kind, Origin, Result, Span, Subject};
use crate::value::{PythonRegex, python_repr};

/// Extensions that are passed over in folders of inventories, unless a setting names others.
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// Inventory plugins that are here.
pub const INVENTORY_PLUGINS: &[&str] =
    &["host_list", "advanced_host_list", "script", "auto", "yaml", "ini", "toml", "constructed", "generator"];

/// How inventories are read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// As Ansible: what cannot be read is told and left out, and the run goes on without it. Otherwise it is an error.
    pub go_on: bool,
    /// Ends of names that are passed over in folders; `None` for the usual ones.
    ends: Option<Vec<String>>,
    /// Regular expressions for names that are passed over in folders.
    patterns: Vec<PythonRegex>,
    /// The plugins that may read a source; `None` for all.
    enabled: Option<Vec<String>>,
    /// Files of `group_vars/` and `host_vars/` are left out.
    pub no_variable_files: bool,
    /// Sources that are programs are passed over.
    pub no_programs: bool,
}

impl ReadOptions {
    /// The same as Ansible has it: what cannot be read is left out.
    #[must_use]
    pub fn going_on(mut self) -> Self {
        self.go_on = true;
        self
    }

    /// What is passed over in folders: ends of names (`None` for the usual ones) and regular expressions.
    pub fn ignore(&mut self, ends: Option<Vec<String>>, patterns: &[String]) -> Result<()> {
        self.ends = ends;
        for pattern in patterns {
            let regex = PythonRegex::text(pattern).map_err(|why| {
                let text =
                    format!("`inventory_ignore_patterns` holds `{pattern}`, which is no regular expression: {why}");
                Diagnostic::new("C0117", Kind::Usage, text).with_hint("inventory_ignore_patterns = ^draft_")
            })?;
            self.patterns.push(regex);
        }
        Ok(())
    }

    /// The plugins that may read a source. Gives those that are not here.
    pub fn enable(&mut self, names: &[String]) -> Vec<String> {
        let short = |name: &String| {
            let name = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy."));
            name.map(str::to_owned)
        };
        let names: Vec<String> = names.iter().map(|name| short(name).unwrap_or_else(|| name.clone())).collect();
        let (known, missing) = names.into_iter().partition(|name| INVENTORY_PLUGINS.contains(&name.as_str()));
        self.enabled = Some(known);
        missing
    }

    /// True if one of these plugins may read a source.
    pub(super) fn enabled(&self, names: &[&str]) -> bool {
        self.enabled.as_ref().is_none_or(|enabled| enabled.iter().any(|name| names.contains(&name.as_str())))
    }

    /// The plugin's name if it may read a source, else an empty one.
    pub(super) fn one(&self, plugin: &'static str) -> &'static str {
        if self.enabled(&[plugin]) { plugin } else { "" }
    }

    /// True if no plugin that is here may read anything.
    pub fn none_enabled(&self) -> bool {
        self.enabled.as_ref().is_some_and(Vec::is_empty)
    }

    /// True for an entry of a folder of inventories that is none.
    pub(super) fn ignores(&self, name: &str) -> bool {
        let ends = match &self.ends {
            Some(ends) => ends.iter().any(|end| name.ends_with(end.as_str())),
            None => IGNORED.iter().any(|end| name.ends_with(end)),
        };
        ends || name.starts_with('.')
            || matches!(name, "host_vars" | "group_vars" | "vars_plugins")
            || self.patterns.iter().any(|regex| matches!(regex.search(name), Ok(Some(_))))
    }
}

/// What Ansible says of a file that one of its plugins cannot read.
pub(super) fn failed(plugin: &str, error: &mut Diagnostic) {
    let words = error.registered().to_owned();
    let mut letters = words.chars();
    let words: String = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    error.registered = Some(format!("Failed to parse inventory with '{plugin}' plugin: {words}"));
    error.severity = crate::diag::Severity::Warning;
}

/// A variable with a name that none should have, where it is told.
pub(super) fn odd_name(name: &str, place: Span) -> Option<Diagnostic> {
    if crate::playbook::is_variable_name(name) {
        return None;
    }
    let words = Deprecation::core(
        format!("Accepting inventory variable with invalid name {}.", python_repr(&name.into())),
        "2.23",
    );
    let text = format!("no template can use a variable that is called `{name}`");
    let help = "Variable names must be strings starting with a letter or underscore character, and contain only letters, \
                numbers and underscores.";
    Some(
        Diagnostic::of_deprecation("I0020", Kind::Source, text, words)
            .about(Some(Origin::At(place)), Some(help))
            .with_label(place, "letters, digits and underscores, a letter or an underscore first"),
    )
}

/// A form of an inventory program's answer that ansible-core will not read any more.
pub(super) fn old_form(text: String, words: String) -> Diagnostic {
    let words = Deprecation::core(words, "2.23").of_plugin("inventory", "script");
    Diagnostic::of_deprecation("I0021", Kind::Source, text, words).about(None, None)
}

/// What is said of a source that nothing could read.
pub(super) fn unread(path: &Path, shown: &str) -> Diagnostic {
    unparsed(path, format!("the inventory `{shown}` could not be read"))
        .with_hint("mend it, or leave it out; `any_unparsed_is_failed = true` in [inventory] makes this an error")
}

/// What is said of a source that could not be read; `text` says how far it came.
pub(super) fn unparsed(path: &Path, text: String) -> Diagnostic {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string();
    // A list of hosts is no path.
    let named = path.to_str().filter(|text| text.contains(',')).map_or_else(|| whole.clone(), ToOwned::to_owned);
    Diagnostic::local("I0009", text)
        .with_registered(format!("Completely failed to parse inventory source {whole}"))
        .with_subject(Subject::Name(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_are_looked_at() {
        let told = |name: &str| {
            odd_name(name, Span::new(crate::diag::FileId(0), 0, 1)).map(|told| told.registered().to_owned())
        };
        assert_eq!(told("a_1"), None);
        let words = "Accepting inventory variable with invalid name 'a-b'. This feature will be removed from ansible-core \
                     version 2.23.";
        assert_eq!(told("a-b").as_deref(), Some(words));
    }

    #[test]
    fn settings_say_what_is_passed_over_and_what_may_be_read() {
        let mut options = ReadOptions::default();
        assert!(options.ignores("a.cfg") && options.ignores(".x") && options.ignores("group_vars"));
        assert!(!options.ignores("hosts.ini") && options.enabled(&["toml"]));
        options.ignore(Some(vec![".ini".to_owned()]), &["^draft_".to_owned()]).unwrap();
        assert!(options.ignores("hosts.ini") && options.ignores("draft_1") && !options.ignores("a.cfg"));
        assert_eq!(options.ignore(None, &["(".to_owned()]).unwrap_err().code, "C0117");
        let missing = options.enable(&["ansible.builtin.ini".to_owned(), "nope".to_owned()]);
        assert_eq!(missing, ["nope"]);
        assert!(options.enabled(&["ini"]) && !options.enabled(&["yaml", "auto"]) && !options.none_enabled());
    }
}
