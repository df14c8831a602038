//! `ansible_managed`: its setting may hold a template, which sees what the template file knows of itself.

use std::sync::Arc;

use super::Templates;
use crate::diag::{Result, Span};
use crate::value::Value;
use crate::vars::{Layer, Level, Scope};
use crate::yaml::Node;

/// The name under which a text stands that is still to be rendered: no variable can have it.
pub const MANAGED_TEMPLATE: &str = "ansible_managed (template)";

impl Templates {
    /// What a template file knows of itself, with what the setting `ansible_managed` holds of templates rendered.
    pub fn with_managed(&self, mut values: Vec<(Arc<str>, Value)>, scope: &Scope) -> Result<Vec<(Arc<str>, Value)>> {
        let Some(at) = values.iter().position(|(name, _)| &**name == MANAGED_TEMPLATE) else { return Ok(values) };
        let text = values[at].1.as_str().unwrap_or_default().to_owned();
        let file = self.sources().add("<ansible_managed>", None, text.clone());
        let end = u32::try_from(file.text.len()).unwrap_or(u32::MAX);
        let node = Node::text(text, Span::new(file.id, 0, end));
        values.remove(at);
        let known = scope.with(Layer::data(Level::Magic, "template", values.iter().cloned()));
        values.push(("ansible_managed".into(), self.render(&node, &known)?));
        Ok(values)
    }
}
