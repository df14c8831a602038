//! Sorts the keys of a mapping: keywords that belong here, those that belong elsewhere, the rest.

use super::Parser;
use crate::diag::{Diagnostic, Subject, nearest};
use crate::modules::{self, MODULES};
use crate::playbook::keywords::{self, Places};
use crate::playbook::model::Keywords;
use crate::yaml::{Node, Pair};

impl Parser<'_> {
    /// The key's text; a key that is no text is a problem.
    pub(in crate::playbook) fn key<'n>(&mut self, key: &'n Node, what: &str) -> Option<&'n str> {
        let text = key.as_str();
        if text.is_none() {
            self.problem(
                Diagnostic::source("P0101", format!("expected a keyword of {what}, found {}", key.type_name()))
                    .with_label(key.place(), "not a keyword"),
            );
        }
        text
    }

    /// Takes a keyword that may stand here. False if the name is none.
    pub(in crate::playbook) fn take(&mut self, place: Places, (key, value): &Pair, into: &mut Keywords) -> bool {
        let Some(name) = key.as_str() else { return false };
        let Some(keyword) = keywords::find(name) else { return false };
        if !keyword.places.contains(place) {
            return false;
        }
        // The old name of `remote_user`.
        let known = if keyword.name == "user" { "remote_user" } else { keyword.name };
        if into.0.insert(known, (key.place(), value.clone())).is_some() {
            self.problem(
                Diagnostic::source("P0104", "`user` and `remote_user` mean the same")
                    .with_registered(
                        "both 'user' and 'remote_user' are set for this play. The use of 'user' is deprecated, and should \
                         be removed",
                    )
                    .with_label(key.place(), "second one")
                    .with_hint("keep `remote_user`"),
            );
        }
        true
    }

    /// Says what is wrong with a key that does not belong here.
    pub(super) fn unknown(&mut self, place: Places, key: &Node) {
        let Some(name) = self.key(key, &place.describe()).map(str::to_owned) else { return };
        let what = place.describe();
        let diagnostic = if let Some(keyword) = keywords::find(&name) {
            Diagnostic::source("P0102", format!("`{name}` cannot stand in {what}"))
                .with_label(key.place(), format!("belongs to {}", keyword.places.describe()))
                .with_hint(format!("`{name}`: {}", keyword.doc))
        } else if keywords::find_loop(&name).is_some() {
            Diagnostic::source("P0102", format!("`{name}` cannot stand in {what}"))
                .with_label(key.place(), "loops belong to tasks")
        } else {
            let diagnostic = Diagnostic::source("P0101", format!("{what} has no keyword `{name}`"))
                .with_label(key.place(), "unknown keyword");
            if let Some(near) = nearest(&name, keywords::names_at(place)) {
                diagnostic.with_hint(format!("did you mean `{near}`?"))
            } else if modules::find(&name).is_some() || is_special(&name) {
                if place == Places::PLAY {
                    diagnostic.with_hint(format!("`{name}` is a module: write it as a task under `tasks:`"))
                } else {
                    diagnostic.with_hint(format!("`{name}` is a module: write it as a task of its own"))
                }
            } else {
                diagnostic
            }
        };
        let kind = match place {
            Places::PLAY => "Play",
            Places::BLOCK => "Block",
            Places::INCLUDE => "TaskInclude",
            Places::IMPORT => "PlaybookInclude",
            Places::HANDLER => "Handler",
            _ => "Task",
        };
        let diagnostic = diagnostic.with_registered(format!("'{name}' is not a valid attribute for a {kind}"));
        self.problem(match place {
            Places::INCLUDE => diagnostic.with_subject(Subject::OfInclude(name.clone())),
            _ => diagnostic,
        });
    }
}

/// Actions that the loader or the engine does itself; they are not in the table of modules.
pub(super) const SPECIAL: &[&str] =
    &["import_playbook", "import_role", "import_tasks", "include_role", "include_tasks"];

/// The short name of an action of [`SPECIAL`].
pub(super) fn special(name: &str) -> Option<&'static str> {
    let short =
        ["ansible.builtin.", "ansible.legacy."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    SPECIAL.iter().copied().find(|known| *known == short)
}

fn is_special(name: &str) -> bool {
    special(name).is_some()
}

/// The nearest of all names that can stand for an action: of the same form, short or full.
pub(super) fn nearest_action(name: &str) -> Option<String> {
    if name.contains('.') {
        let full = nearest(name, MODULES.iter().map(|entry| entry.meta.full_name));
        if let Some(full) = full {
            return Some(full.to_owned());
        }
    }
    let short = name.rsplit('.').next().unwrap_or(name);
    if short != name && (modules::find(short).is_some() || is_special(short)) {
        return Some(short.to_owned());
    }
    let known =
        MODULES.iter().flat_map(|entry| std::iter::once(entry.meta.name).chain(entry.meta.also.iter().copied()));
    nearest(short, known.filter(|name| !name.contains('.')).chain(SPECIAL.iter().copied())).map(str::to_owned)
}

/// Modules of ansible-core, so that a module which hostctl does not have is told from a misspelt one.
pub(super) const ANSIBLE_MODULES: &[&str] = &[
    "add_host",
    "apt",
    "apt_key",
    "apt_repository",
    "assemble",
    "assert",
    "async_status",
    "blockinfile",
    "command",
    "copy",
    "cron",
    "deb822_repository",
    "debconf",
    "debug",
    "dnf",
    "dnf5",
    "dpkg_selections",
    "expect",
    "fail",
    "fetch",
    "file",
    "find",
    "gather_facts",
    "get_url",
    "getent",
    "git",
    "group",
    "group_by",
    "hostname",
    "include_vars",
    "iptables",
    "known_hosts",
    "lineinfile",
    "meta",
    "mount_facts",
    "package",
    "package_facts",
    "pause",
    "ping",
    "pip",
    "raw",
    "reboot",
    "replace",
    "rpm_key",
    "script",
    "service",
    "service_facts",
    "set_fact",
    "set_stats",
    "setup",
    "shell",
    "slurp",
    "stat",
    "subversion",
    "systemd",
    "systemd_service",
    "sysvinit",
    "tempfile",
    "template",
    "unarchive",
    "uri",
    "user",
    "validate_argument_spec",
    "wait_for",
    "wait_for_connection",
    "yum",
    "yum_repository",
];
