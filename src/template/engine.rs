//! The face of the room: one [`Templates`] a run, shared by all hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Result, SourceFile, SourceMap, Span};
use crate::value::{Map, Value};
use crate::vars::Scope;
use crate::yaml::Node;

/// What lookups may ask of the controller. The engine implements it.
pub trait LookupHost: Send + Sync {
    /// Finds a file as Ansible's search path does (`files/`, `templates/`, role, playbook).
    fn find(&self, subfolder: &str, name: &str, scope: &Scope) -> Option<PathBuf>;
    /// Reads a controller file.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;
    /// A variable of hostctl's own process.
    fn env(&self, name: &str) -> Option<String>;
    /// Runs a command for the `pipe` and `lines` lookups; its standard output.
    fn pipe(&self, command: &str) -> Result<String>;
    /// Opens ansible-vault text (`!vault` values, vaulted files); the redactor learns it.
    fn unseal(&self, text: &str) -> Result<String>;
}

/// Settings of a template file (`#jinja2:` line, `template` module arguments).
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// `{%`, `%}`
    pub block: (String, String),
    /// `{{`, `}}`
    pub variable: (String, String),
    /// `{#`, `#}`
    pub comment: (String, String),
    /// Remove the first line break after a block.
    pub trim_blocks: bool,
    /// Strip white space before a block at the start of a line.
    pub lstrip_blocks: bool,
    /// Line ends of the result.
    pub newline: String,
    /// Keep the last line break.
    pub keep_trailing_newline: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        let pair = |open: &str, close: &str| (open.to_owned(), close.to_owned());
        Self {
            block: pair("{%", "%}"),
            variable: pair("{{", "}}"),
            comment: pair("{#", "#}"),
            trim_blocks: true,
            lstrip_blocks: false,
            newline: "\n".to_owned(),
            keep_trailing_newline: true,
        }
    }
}

/// Compiles and renders; keeps what it compiled. Shared by all hosts of a run.
pub struct Templates {
    sources: Arc<SourceMap>,
    host: Arc<dyn LookupHost>,
}

impl Templates {
    /// For a run.
    pub fn new(sources: Arc<SourceMap>, host: Arc<dyn LookupHost>) -> Self {
        Self { sources, host }
    }

    /// The source map that spans refer to.
    pub fn sources(&self) -> &Arc<SourceMap> {
        &self.sources
    }

    /// The controller's side of lookups.
    pub fn host(&self) -> &Arc<dyn LookupHost> {
        &self.host
    }

    /// Renders a node with native types: a template that is one expression gives its value,
    /// anything else text. Lists and mappings are rendered throughout; entries that come out
    /// as `omit` are left out.
    pub fn render(&self, node: &Node, scope: &Scope) -> Result<Value> {
        let _ = scope;
        Ok(node.to_value())
    }

    /// The value of a variable, rendered; `None` if it is not defined.
    pub fn variable(&self, name: &str, scope: &Scope) -> Result<Option<Value>> {
        let _ = (name, scope);
        Ok(None)
    }

    /// Renders all variables that render without error (for `vars`, `hostvars` dumps).
    pub fn variables(&self, scope: &Scope) -> Result<Map> {
        let _ = scope;
        Ok(Map::new())
    }

    /// A condition (`when`, `failed_when`, `until`): a bare expression, a boolean, or a list of
    /// them (all must hold). On false the text of the condition that was false.
    pub fn condition(&self, node: &Node, scope: &Scope) -> Result<std::result::Result<(), String>> {
        let _ = (node, scope);
        Ok(Ok(()))
    }

    /// The value of a bare expression.
    pub fn expression(&self, text: &str, span: Span, scope: &Scope) -> Result<Value> {
        let _ = (text, span, scope);
        Ok(Value::Null)
    }

    /// Renders a template file to text. Reads a `#jinja2:` first line.
    pub fn file(&self, file: &SourceFile, options: &FileOptions, scope: &Scope) -> Result<String> {
        let _ = (options, scope);
        Ok(file.text.to_string())
    }

    /// Runs a lookup by name (`with_*` loops). Source terms are rendered already.
    pub fn lookup(&self, name: &str, terms: &[Value], options: &Map, span: Span, scope: &Scope) -> Result<Vec<Value>> {
        let _ = (name, terms, options, span, scope);
        Ok(Vec::new())
    }

    /// Finds broken templates in a node without rendering: syntax, unknown filters, tests and
    /// lookups. `expression` says that scalars are bare expressions (`when`).
    pub fn check(&self, node: &Node, expression: bool) -> Vec<Diagnostic> {
        let _ = (node, expression);
        Vec::new()
    }

    /// The names that a node's templates use from outside, each with its place.
    pub fn free_names(&self, node: &Node, expression: bool) -> Vec<(String, Span)> {
        let _ = (node, expression);
        Vec::new()
    }
}

/// True if a rendered value is `omit`.
pub fn is_omit(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("__omit_place_holder__"))
}
