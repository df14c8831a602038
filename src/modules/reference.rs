//! The manual of a module as text: what `hostctl doc NAME` shows and `docs/modules/` holds.

use std::fmt::Write as _;

use super::spec::{ArgSpec, ArgType, RunsOn, Spec};

/// A kind's name as Ansible's manual writes it.
fn kind(ty: &ArgType) -> String {
    match ty {
        ArgType::Str => "str".to_owned(),
        ArgType::Path => "path".to_owned(),
        ArgType::Bool => "bool".to_owned(),
        ArgType::Int => "int".to_owned(),
        ArgType::Float => "float".to_owned(),
        ArgType::Dict => "dict".to_owned(),
        ArgType::Raw => "any".to_owned(),
        ArgType::List(item) => format!("list of {}", kind(item)),
    }
}

/// The module's reference in Markdown: names, text with examples, every argument, what is refused.
pub fn reference(spec: &Spec) -> String {
    let meta = &spec.meta;
    let mut out = format!("# {}\n\n{}\n\n", meta.name, meta.summary);
    let mut names = vec![format!("`{}`", meta.full_name)];
    names.extend(meta.also.iter().map(|name| format!("`{name}`")));
    let _ = writeln!(out, "Also called {}. {}\n", names.join(", "), place(meta.runs_on));
    if !spec.doc.is_empty() {
        let _ = writeln!(out, "{}\n", spec.doc.trim_end());
    }
    if !spec.args.is_empty() {
        out.push_str("## Arguments\n\n");
        for arg in spec.args.values() {
            argument(&mut out, arg);
        }
        out.push('\n');
    }
    if meta.any_argument {
        out.push_str("Any other argument is taken as it is.\n\n");
    }
    let mut rules = String::new();
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for group in meta.exclusive {
        let _ = writeln!(rules, "- At most one of {}.", list(group));
    }
    for group in meta.one_of {
        let _ = writeln!(rules, "- At least one of {}.", list(group));
    }
    for group in meta.together {
        let _ = writeln!(rules, "- All or none of {}.", list(group));
    }
    for (name, value, needed) in meta.required_if {
        let _ = writeln!(rules, "- `{name}: {value}` needs {}.", list(needed));
    }
    for (name, needed) in meta.required_by {
        let _ = writeln!(rules, "- `{name}` needs {}.", list(needed));
    }
    if !rules.is_empty() {
        let _ = writeln!(out, "## Rules\n\n{rules}");
    }
    if !meta.refused.is_empty() {
        out.push_str("## Not supported\n\n");
        for (name, reason) in meta.refused {
            let _ = writeln!(out, "- `{name}`: {reason}.");
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn place(runs_on: RunsOn) -> &'static str {
    match runs_on {
        RunsOn::Host => "Works on the task's host.",
        RunsOn::Controller => "Works on the controller.",
        RunsOn::Engine => "Works inside the run; no host is touched.",
    }
}

fn argument(out: &mut String, arg: &ArgSpec) {
    let _ = write!(out, "- `{}` ({}", arg.name, kind(&arg.ty));
    if arg.required {
        out.push_str(", required");
    }
    if let Some(default) = &arg.default {
        let _ = write!(out, ", default `{default}`");
    }
    out.push(')');
    if !arg.aliases.is_empty() {
        let names: Vec<String> = arg.aliases.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(out, ", also {}", names.join(", "));
    }
    if !arg.doc.is_empty() {
        let _ = write!(out, ": {}", arg.doc.split('\n').map(str::trim).collect::<Vec<_>>().join(" "));
    }
    if !arg.choices.is_empty() {
        let choices: Vec<String> = arg.choices.iter().map(|choice| format!("`{choice}`")).collect();
        let _ = write!(out, " One of {}.", choices.join(", "));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::MODULES;

    #[test]
    fn every_module_has_a_manual_with_an_example_and_text_for_each_argument() {
        for entry in MODULES {
            let spec = entry.spec();
            let text = reference(spec);
            assert!(!spec.meta.summary.is_empty(), "{}: no summary", spec.meta.name);
            assert!(text.contains("```yaml"), "{}: no example", spec.meta.name);
            for arg in spec.args.values() {
                assert!(!arg.doc.is_empty(), "{}.{}: no text", spec.meta.name, arg.name);
            }
            for (of, _) in spec.meta.aliases {
                assert!(spec.args.contains_key(*of), "{}: alias of unknown `{of}`", spec.meta.name);
            }
            for (refused, _) in spec.meta.refused {
                assert!(!spec.args.contains_key(*refused), "{}: `{refused}` refused and taken", spec.meta.name);
            }
        }
    }
}
