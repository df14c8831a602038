//! Names of variables that are words of the language, too.

use crate::diag::{Diagnostic, Span};

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

/// True for a word of the language.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

/// The warning about a place that sets a variable of such a name.
pub fn reserved_name(name: &str, span: Option<Span>) -> Diagnostic {
    Diagnostic::source("P0310", format!("the variable `{name}` has a name that the language uses itself"))
        .with_registered(format!("Found variable using reserved name '{name}'."))
        .with_label_opt(span, "set here")
        .with_hint("give the variable another name")
        .warning()
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
