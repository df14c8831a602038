//! Which tasks a run certainly reaches, with nothing around them that could catch a failure.
//!
//! A run refuses an undefined variable before it touches a host only where it must fail: a condition,
//! a `rescue`, `ignore_errors` or an empty loop may be meant for it, as it is with Ansible.

use std::collections::HashSet;

use super::survey::conditional;
use crate::event::TaskId;
use crate::playbook::model::{Action, Item, Play, RoleUse, Task};
use crate::yaml::{Node, NodeData};

/// Tasks of one play that fail the run if an argument of theirs cannot be rendered.
pub(super) fn tasks_of(play: &Play, found: &mut HashSet<TaskId>) {
    let mut walker = Walker { found, ended: false };
    // A person may set what is missing, and run the task again.
    let debug = play.context.keywords.get("strategy").is_some_and(|node| mentions(node, "debug"));
    if debug || caught(&play.context.keywords) {
        return;
    }
    walker.items(&play.pre_tasks);
    play.roles.iter().for_each(|role| walker.role(role));
    walker.items(&play.tasks);
    walker.items(&play.post_tasks);
}

struct Walker<'a> {
    found: &'a mut HashSet<TaskId>,
    /// Something before may have ended the play in order.
    ended: bool,
}

impl Walker<'_> {
    fn role(&mut self, role: &RoleUse) {
        self.items(&role.tasks);
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task),
                Item::Block(block) if block.rescue.is_empty() => {
                    self.items(&block.body);
                    self.items(&block.always);
                }
                // A rescue may also end the play.
                Item::Block(block) => {
                    self.ended |= [&block.body, &block.rescue, &block.always].iter().any(|items| ends(items));
                }
                Item::Role(role) => self.role(role),
            }
        }
    }

    fn task(&mut self, task: &Task) {
        match &task.action {
            // What it brings in may end the play, or the role.
            Action::Include(_) | Action::Dynamic(_) => self.ended = true,
            Action::Module(module) if module.entry.meta.name == "meta" => self.ended = true,
            Action::Module(_) => {}
        }
        let around = || task.context.chain().map(|context| &context.keywords).chain([&task.keywords]);
        let never = around().filter_map(|keywords| keywords.get("tags")).any(|tags| mentions(tags, "never"));
        if !self.ended && !conditional(task) && !never && !around().any(caught) {
            self.found.insert(task.id);
        }
    }
}

/// True if a failure is not the end.
pub(super) fn caught(keywords: &crate::playbook::model::Keywords) -> bool {
    keywords.get("failed_when").is_some()
        || keywords.get("debugger").is_some_and(|node| node.as_str() != Some("never"))
        || keywords.get("ignore_errors").is_some_and(|node| crate::playbook::roles::boolean(node) != Some(false))
}

fn ends(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Task(task) => match &task.action {
            Action::Include(_) | Action::Dynamic(_) => true,
            Action::Module(module) => module.entry.meta.name == "meta",
        },
        Item::Block(block) => [&block.body, &block.rescue, &block.always].iter().any(|items| ends(items)),
        Item::Role(role) => ends(&role.tasks),
    })
}

/// True if a literal list names a word.
pub(super) fn mentions(node: &Node, word: &str) -> bool {
    match &node.data {
        NodeData::List(items) => items.iter().any(|item| mentions(item, word)),
        NodeData::Scalar(scalar) => scalar.text.contains(word),
        NodeData::Map(_) => false,
    }
}

/// The loop of a task, if an undefined name in it certainly fails.
pub(super) fn plain_loop(name: &str) -> bool {
    matches!(name, "loop" | "with_items" | "with_list" | "with_dict")
}

/// True if all of a template is evaluated whenever it is rendered.
pub(super) fn evaluates_all(node: &Node) -> bool {
    match &node.data {
        NodeData::List(items) => items.iter().all(evaluates_all),
        NodeData::Map(pairs) => pairs.iter().all(|(_, value)| evaluates_all(value)),
        NodeData::Scalar(scalar) => {
            let text = &scalar.text;
            let words = ["if", "else", "and", "or", "defined", "undefined", "default", "d", "lookup", "query", "q"];
            !text.contains("{%")
                && !text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| words.contains(&word))
        }
    }
}
