//! Finds every mistake that can be found before a host is touched.
//!
//! `survey` walks all that a playbook brings in, also by literal dynamic includes; the other files
//! each look at one thing: values of keywords, arguments of modules, files, templates and names,
//! handlers, Python plugins. Nothing here renders a template or opens a vault.

mod arguments;
mod certain;
mod files;
mod handlers;
mod names;
mod plugins;
mod survey;
mod uses;
mod values;

use std::collections::HashSet;
use std::sync::Arc;

pub use plugins::SettingUse;

use super::include::Loaded;
use super::loader::Loader;
use super::model::Play;
use crate::diag::{Diagnostic, Span};
use crate::template::{PluginUse, Templates};
use crate::yaml::Node;

/// What is asked of templates.
pub trait TemplateCheck {
    /// Broken templates in a node; `expression` says that scalars are bare expressions.
    fn check(&self, node: &Node, expression: bool) -> Vec<Diagnostic>;
    /// The names that a node's templates use from outside, each with its place.
    fn free_names(&self, node: &Node, expression: bool) -> Vec<(String, Span)>;
    /// The filters, tests and lookups that a node's templates name.
    fn plugins(&self, _node: &Node, _expression: bool) -> Vec<PluginUse> {
        Vec::new()
    }
}

impl TemplateCheck for Templates {
    fn check(&self, node: &Node, expression: bool) -> Vec<Diagnostic> {
        Self::check(self, node, expression)
    }

    fn free_names(&self, node: &Node, expression: bool) -> Vec<(String, Span)> {
        Self::free_names(self, node, expression)
    }

    fn plugins(&self, node: &Node, expression: bool) -> Vec<PluginUse> {
        Self::plugins(self, node, expression)
    }
}

/// A variable of the inventory.
#[derive(Clone, Debug)]
pub struct InventoryVariable {
    /// The name.
    pub name: Arc<str>,
    /// The value, as it is written.
    pub node: Node,
    /// A play is for a host that has it, or may be.
    pub reached: bool,
    /// The hosts that have it, if no play is for them: tasks may be delegated to one.
    pub hosts: Vec<Arc<str>>,
}

/// What a check knows besides the playbook.
pub struct CheckInput<'a> {
    /// The loader that read the playbook.
    pub loader: &'a Loader,
    /// Compiles templates.
    pub templates: &'a dyn TemplateCheck,
    /// Names of variables that are defined elsewhere: inventory, environment, `-e`, sealed ones too.
    pub known: HashSet<String>,
    /// Variables from elsewhere whose source is at hand: their templates are checked too.
    pub variables: Vec<(Arc<str>, Node)>,
    /// Variables of the inventory: only plugins in Python that they name are looked for.
    pub inventory: Vec<InventoryVariable>,
    /// Settings and options that name plugins.
    pub settings: Vec<SettingUse>,
    /// All names from elsewhere are in `known`. If not (an inventory program that was not run),
    /// undefined variables are not reported.
    pub complete: bool,
    /// For a run, not a check: whether a play certainly runs on a host. What a run may catch or never reach is
    /// a warning then.
    pub runs: Option<&'a dyn Fn(&Play) -> bool>,
}

/// All that is wrong with a playbook: what the loader found and what the checks find, in the order
/// of files and places, each once.
pub fn check(loaded: &Loaded, input: &CheckInput<'_>) -> Vec<Diagnostic> {
    let mut survey = survey::survey(&loaded.playbook, input.loader, input.runs);
    survey.lost.extend(loaded.lost.iter().cloned());
    let mut problems = loaded.problems.clone();
    problems.append(&mut survey.problems);
    // What could not be read may define names and handlers.
    let missing = |problem: &Diagnostic| {
        let unread = ["P04", "P05", "P0002", "Y", "V01"].iter().any(|start| problem.code.starts_with(start));
        problem.is_error() && unread || matches!(&*problem.code, "P0401" | "P0501" | "P0504")
    };
    survey.incomplete = problems.iter().any(missing);
    values::check(&survey, input.runs.is_some(), &mut problems);
    arguments::check(&survey, input.loader, &mut problems);
    files::variables(&survey, input.loader, &mut problems);
    let templates = files::check(&survey, input.loader, &mut problems);
    let reached = uses::check(&survey, &templates, input, &mut problems);
    handlers::check(&survey, &mut problems);
    plugins::fold(&survey, input, &reached, &mut problems);
    plugins::merge_unknown(input.loader, &mut problems);
    if input.runs.is_some() {
        // What a run may never come to is told, but does not hold it up.
        problems = problems
            .into_iter()
            .map(|problem| if survey.may_be_left_out(&problem) { problem.warning() } else { problem })
            .collect();
    }
    super::parse::sorted(problems)
}

#[cfg(test)]
mod plugin_tests;
#[cfg(test)]
mod tests;
