//! Names of variables that are words of the language, too: they work, but a keyword or a function of templates of that
//! name hides them, or is hidden by them. Ansible warns of each place that sets one.

use super::play::PlayRun;
use crate::diag::{Diagnostic, Span};
use crate::playbook::{Context, ContextKind, Task};
use crate::vars::Layer;
use crate::yaml::Node;

/// The functions of templates and the keywords of plays, roles, blocks and tasks, in order. `vars` and `gather_subset`
/// are left out, as Ansible does.
const RESERVED: &[&str] = &[
    "action",
    "always",
    "any_errors_fatal",
    "args",
    "async",
    "async_val",
    "become",
    "become_exe",
    "become_flags",
    "become_method",
    "become_user",
    "block",
    "changed_when",
    "check_mode",
    "collections",
    "connection",
    "cycler",
    "debugger",
    "delay",
    "delegate_facts",
    "delegate_to",
    "dict",
    "diff",
    "environment",
    "fact_path",
    "failed_when",
    "force_handlers",
    "gather_facts",
    "gather_timeout",
    "handlers",
    "hosts",
    "ignore_errors",
    "ignore_unreachable",
    "joiner",
    "lipsum",
    "local_action",
    "lookup",
    "loop",
    "loop_control",
    "loop_with",
    "max_fail_percentage",
    "module_defaults",
    "name",
    "namespace",
    "no_log",
    "notify",
    "now",
    "omit",
    "order",
    "poll",
    "port",
    "post_tasks",
    "pre_tasks",
    "q",
    "query",
    "range",
    "register",
    "remote_user",
    "rescue",
    "retries",
    "roles",
    "run_once",
    "serial",
    "strategy",
    "tags",
    "tasks",
    "throttle",
    "timeout",
    "undef",
    "until",
    "vars_files",
    "vars_prompt",
    "when",
    "with_",
];

fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

impl PlayRun {
    /// Warns once of each place that sets a variable of such a name.
    pub(super) fn warn_reserved<'a>(&self, names: impl IntoIterator<Item = (&'a str, Option<Span>)>) {
        for (name, span) in names.into_iter().filter(|(name, _)| is_reserved(name)) {
            self.engine.warn_once(
                None,
                Diagnostic::source("P0310", format!("the variable `{name}` has a name that the language uses itself"))
                    .with_registered(format!("Found variable using reserved name '{name}'."))
                    .with_label_opt(span, "set here")
                    .with_hint("give the variable another name"),
            );
        }
    }

    /// The same for the variables of a mapping, or of a list of them.
    fn warn_reserved_in(&self, node: &Node) {
        let single = std::slice::from_ref(node);
        for map in node.as_list().unwrap_or(single).iter().filter_map(Node::as_map) {
            self.warn_reserved(map.iter().filter_map(|(key, _)| Some((key.as_str()?, Some(key.place())))));
        }
    }

    /// The same for layers.
    pub(super) fn warn_reserved_layers<'a>(&self, layers: impl IntoIterator<Item = &'a Layer>) {
        for layer in layers {
            self.warn_reserved(layer.entries.iter().map(|(name, entry)| (&**name, entry.span())));
        }
    }

    /// The variables of a play and its roles.
    pub(super) fn warn_reserved_of_play(&self) {
        self.play.context.keywords.get("vars").into_iter().for_each(|node| self.warn_reserved_in(node));
        self.warn_reserved_layers(self.role_exports.iter().chain(&self.prompts).chain(&self.engine.options.layers));
    }

    /// The variables of a task, its blocks, includes and roles.
    pub(super) fn warn_reserved_of_task(&self, task: &Task) {
        task.keywords.get("vars").into_iter().for_each(|node| self.warn_reserved_in(node));
        let around = |context: &&Context| !matches!(context.kind, ContextKind::Play);
        for context in task.context.chain().filter(around) {
            context.keywords.get("vars").into_iter().for_each(|node| self.warn_reserved_in(node));
            if let ContextKind::Role(role) = &context.kind {
                role.defaults.iter().chain(&role.vars).for_each(|node| self.warn_reserved_in(node));
                self.warn_reserved(role.params.iter().map(|(name, node)| (&**name, Some(node.place()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_in_order_and_found() {
        assert!(RESERVED.is_sorted());
        assert!(["query", "port", "environment", "with_"].into_iter().all(is_reserved));
        assert!(["vars", "gather_subset", "item", "ports"].into_iter().all(|name| !is_reserved(name)));
    }
}
