//! Names of variables that are words of the language, too: they work, but a keyword or a function of templates of that
//! name hides them, or is hidden by them. Ansible warns of each place that sets one.

use super::play::PlayRun;
use crate::diag::Span;
use crate::playbook::{Context, ContextKind, Task, is_reserved, reserved_name};
use crate::vars::Layer;
use crate::yaml::Node;

impl PlayRun {
    /// Warns once of each place that sets a variable of such a name.
    pub(super) fn warn_reserved<'a>(&self, names: impl IntoIterator<Item = (&'a str, Option<Span>)>) {
        for (name, span) in names.into_iter().filter(|(name, _)| is_reserved(name)) {
            self.engine.warn_once(None, reserved_name(name, span));
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
