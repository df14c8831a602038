//! A module's arguments in all the forms they may be written in.

use std::sync::Arc;

use super::Parser;
use super::action::Args;
use crate::diag::{Diagnostic, Span};
use crate::playbook::kv::{self, Unbalanced};
use crate::yaml::{Node, Tag};

/// Arguments, taken apart.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) args: Args,
    /// All arguments come from one template.
    pub(super) template: Option<Node>,
}

/// Modules whose text is a command: only their own options are taken out of it.
const COMMANDS: &[&str] = &["command", "shell", "raw", "script"];

impl Parser<'_> {
    /// The arguments of a call: a mapping, text, or nothing; with those of `args:` below them.
    pub(super) fn arguments(
        &mut self,
        module: &str,
        module_span: Span,
        value: &Node,
        free_form: Option<&'static str>,
        extra: Option<(Span, Node)>,
        old_style: bool,
    ) -> Option<Taken> {
        let mut taken = Taken::default();
        let beside = extra.as_ref().map(|(span, _)| *span);
        if let Some((span, extra)) = extra {
            if extra.is_null() {
                let words = "Ignoring empty task `args` keyword.";
                self.deprecated("an empty `args` is ignored", words, span, "remove `args`");
            }
            self.extra(span, &extra, &mut taken);
        }
        if value.is_null() {
            return Some(taken);
        }
        let before = self.problems.len();
        if let Some(pairs) = value.as_map() {
            for (key, value) in pairs {
                // `action: {module: x, args: {...}}`
                if old_style && key.as_str() == Some("args") {
                    match value.as_map() {
                        Some(inner) => inner.iter().for_each(|(key, value)| self.argument(key, value, &mut taken)),
                        None => self.text(module, value, free_form, &mut taken),
                    }
                } else {
                    self.argument(key, value, &mut taken);
                }
            }
            return Some(taken);
        }
        if value.as_str().is_some() {
            self.text(module, value, free_form, &mut taken);
            if let Some(span) = beside {
                self.merged(module, value, span);
            }
            // With half of the arguments the checks that follow would be about the other half.
            return (self.problems.len() == before).then_some(taken);
        }
        let hint = match value.as_list() {
            Some(_) => "write the arguments as `name: value` lines, without `- `",
            None => "put the text in quotes",
        };
        self.problem(
            Diagnostic::source(
                "P0206",
                format!("expected arguments of `{module}` as a mapping or text, found {}", value.type_name()),
            )
            .with_label(value.place(), "not arguments")
            .with_label(module_span, "of this module")
            .with_hint(hint),
        );
        None
    }

    /// `name=value` text beside `args`.
    fn merged(&mut self, module: &str, value: &Node, args: Span) {
        let short = module.rsplit('.').next().unwrap_or(module);
        let Ok(parsed) = kv::parse_kv(value.as_str().unwrap_or_default(), COMMANDS.contains(&short)) else { return };
        let mut names: Vec<&str> = parsed.options.iter().map(|(key, _)| &*key.text).collect();
        names.sort_unstable();
        if !names.is_empty() {
            let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            let words = format!("Merging legacy k=v args ({}) into task args.", quoted.join(", "));
            let text = format!("`{}=` text and `args` are joined", names.join("=`, `"));
            self.deprecated(&text, &words, value.place(), "write all arguments below `args`, or below the module");
            if let Some(last) = self.problems.last_mut() {
                *last = last.clone().with_label(args, "more arguments here");
            }
        }
    }

    /// A form of a task that ansible-core calls deprecated.
    pub(super) fn deprecated(&mut self, text: &str, words: &str, place: Span, hint: &str) {
        self.problem(
            Diagnostic::deprecated("P0311", crate::diag::Kind::Source, text, words)
                .with_label(place, "deprecated")
                .with_hint(hint),
        );
    }

    fn argument(&mut self, key: &Node, value: &Node, taken: &mut Taken) {
        let Some(name) = key.as_str() else {
            self.problem(
                Diagnostic::source("P0206", format!("expected an argument's name, found {}", key.type_name()))
                    .with_label(key.place(), "not a name"),
            );
            return;
        };
        self.insert(name, key.place(), value.clone(), taken);
    }

    fn insert(&mut self, name: &str, span: Span, value: Node, taken: &mut Taken) {
        if name.starts_with("_ansible_") {
            self.problem(
                Diagnostic::source("P0206", format!("the argument `{name}` is reserved"))
                    .with_label(span, "names with `_ansible_` are Ansible's own")
                    .with_registered(format!(
                        "Invalid parameter specified beginning with keyword '_ansible_': '{name}'. The prefix '_ansible_' is reserved for internal use only."
                    )),
            );
            return;
        }
        taken.args.insert(Arc::from(name), (span, value));
    }

    /// `args:` of the task: below what the module's own key says.
    fn extra(&mut self, span: Span, extra: &Node, taken: &mut Taken) {
        if let Some(pairs) = extra.as_map() {
            pairs.iter().for_each(|(key, value)| self.argument(key, value, taken));
        } else if is_one_template(extra) {
            taken.template = Some(extra.clone());
        } else if !extra.is_null() {
            self.problem(
                Diagnostic::source("P0103", format!("expected `args` as a mapping, found {}", extra.type_name()))
                    .with_label(extra.place(), "not a mapping")
                    .with_label(span, "more arguments of the module")
                    .with_hint("write `key: value` lines below it"),
            );
        }
    }

    /// `src=a dest=b`, free text, or one template for all.
    fn text(&mut self, module: &str, value: &Node, free_form: Option<&'static str>, taken: &mut Taken) {
        let text = value.as_str().unwrap_or_default();
        let short = module.rsplit('.').next().unwrap_or(module);
        if value.tag == Some(Tag::Vault) {
            // Sealed text is not taken apart.
            match free_form {
                Some(free) => self.insert(free, value.place(), value.clone(), taken),
                None => taken.template = Some(value.clone()),
            }
            return;
        }
        let parsed = match kv::parse_kv(text, COMMANDS.contains(&short)) {
            Ok(parsed) => parsed,
            Err(Unbalanced { opener, at }) => {
                self.problem(
                    Diagnostic::source("P0212", format!("`{opener}` is never closed in the arguments of `{module}`"))
                        .with_registered(format!(
                            "failed at splitting arguments, either an unbalanced jinja2 block or quotes: {text}"
                        ))
                        .with_label(value.text_span(at, at + opener.len()), "opened here")
                        .with_hint("close it, or write the arguments as a mapping; `\\'` or `\\\"` is a plain quote"),
                );
                return;
            }
        };
        for (key, piece) in parsed.options {
            let key_node = key.to_node(value);
            self.insert(&key.text, key_node.span, piece.to_node(value), taken);
        }
        let Some(raw) = parsed.raw.filter(|raw| !raw.text.trim().is_empty()) else { return };
        let node = raw.to_node(value);
        match free_form {
            None | Some("_raw_params") if is_one_template(&node) => taken.template = Some(node),
            Some(free) => self.insert(free, node.span, node, taken),
            None => {
                self.problem(
                    Diagnostic::source("P0213", format!("`{module}` takes no free text"))
                        .with_label(node.span, "expected `name=value` here")
                        .with_hint("write the arguments as `name: value` lines below the module"),
                );
            }
        }
    }
}

/// True if the text is one `{{ ... }}` and nothing else.
fn is_one_template(node: &Node) -> bool {
    let Some(text) = node.as_str().map(str::trim) else { return false };
    node.tag != Some(Tag::Unsafe) && text.starts_with("{{") && text.ends_with("}}")
}
