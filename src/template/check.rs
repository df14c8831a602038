//! Checks templates without rendering them, and lists the names they use.

use std::collections::HashSet;
use std::sync::Arc;

use crate::diag::{Diagnostic, Kind, Span};
use crate::value::Value;
use crate::yaml::{Node, NodeData, Tag};

use super::code::{Arg, At, Code, Expr, Op};
use super::cx::{Place, may_be_template};
use super::engine::Templates;
use super::eval::short;
use super::fail::Fail;
use super::{filters, globals, lookups, tests, walk};

/// Every broken template in a node.
pub fn node(templates: &Templates, node: &Node, expression: bool) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    each(templates, node, expression, &mut |place, code| match code {
        Ok(code) => {
            let mut checker = Checker { templates, place, shift: code.shift, out: &mut out };
            walk::code(code, &mut checker);
        }
        Err(diag) => out.push(diag),
    });
    out
}

/// The names that come from outside, each once a place.
pub fn free_names(templates: &Templates, node: &Node, expression: bool) -> Vec<(String, Span)> {
    let mut names = Names { out: Vec::new(), place: None, shift: 0 };
    each(templates, node, expression, &mut |place, code| {
        if let Ok(code) = code {
            names.place = Some(place.span((0, 0)).map_or(Place::None, |_| clone(place)));
            names.shift = code.shift;
            walk::code(code, &mut names);
        }
    });
    let mut seen = HashSet::new();
    names.out.retain(|entry| seen.insert(entry.clone()));
    names.out
}

fn clone(place: &Place) -> Place {
    match place {
        Place::Node(node) => Place::Node(node.clone()),
        Place::File(file, base) => Place::File(*file, *base),
        Place::Range(span) => Place::Range(*span),
        Place::None => Place::None,
    }
}

fn each(
    templates: &Templates,
    node: &Node,
    expression: bool,
    then: &mut dyn FnMut(&Place, std::result::Result<&Arc<Code>, Diagnostic>),
) {
    match &node.data {
        NodeData::List(items) => items.iter().for_each(|item| each(templates, item, expression, then)),
        NodeData::Map(pairs) => pairs.iter().for_each(|(_, value)| each(templates, value, expression, then)),
        NodeData::Scalar(scalar) => {
            let Value::Str(text) = &scalar.value else { return };
            if matches!(node.tag, Some(Tag::Unsafe | Tag::Vault)) {
                return;
            }
            let place = Place::Node(node.clone());
            let trimmed = text.trim();
            let whole = trimmed.starts_with("{{") || trimmed.starts_with("{%");
            let code = if expression && !whole {
                if trimmed.is_empty() {
                    return;
                }
                templates.compiled_condition(text, &place)
            } else if may_be_template(text) {
                templates.compiled(text, node)
            } else {
                return;
            };
            match code {
                Ok(code) => then(&place, Ok(&code)),
                Err(Fail::Diag(diag)) => then(&place, Err(diag)),
                Err(Fail::Undef(_)) => {}
            }
        }
    }
}

struct Checker<'a> {
    templates: &'a Templates,
    place: &'a Place,
    shift: u32,
    out: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn unknown(&mut self, what: &str, name: &str, at: At) {
        let mut problem = super::names::unknown(what, name)
            .with_label_opt(self.place.span((at.0 + self.shift, at.1 + self.shift)), format!("unknown {what}"));
        problem.kind = Kind::Source;
        self.out.push(problem);
    }
}

/// True if there is a filter, test or lookup of this name here.
pub fn knows(kind: &str, name: &str) -> bool {
    match kind {
        "filter" => filters::find(name).or_else(|| filters::find(short(name))).is_some(),
        "test" => tests::find(name).or_else(|| tests::find(short(name))).is_some(),
        "lookup" => lookups::known(short(name)),
        _ => false,
    }
}

/// Short names of all filters, tests or lookups.
pub fn plugin_names(kind: &str) -> Vec<&'static str> {
    match kind {
        "filter" => filters::names().collect(),
        "test" => tests::names().collect(),
        "lookup" => lookups::NAMES.to_vec(),
        _ => Vec::new(),
    }
}

/// The filters, tests and lookups that an expression itself names.
fn named<'e>(expr: &'e Expr, found: &mut dyn FnMut(&'static str, &'e str, At)) {
    match &expr.op {
        Op::Filter { name, name_at, args, .. } => {
            found("filter", name, *name_at);
            // `map('upper')`, `select('match', ...)` name filters and tests as text.
            if let Some(Arg::Pos(first)) = args.first()
                && let Op::Const(Value::Str(inner)) = &first.op
                && short(name) == "map"
            {
                found("filter", inner, first.at);
            }
            let test = match short(name) {
                "select" | "reject" => args.first(),
                "selectattr" | "rejectattr" => args.get(1),
                _ => None,
            };
            if let Some(Arg::Pos(test)) = test
                && let Op::Const(Value::Str(inner)) = &test.op
            {
                found("test", inner, test.at);
            }
        }
        Op::Test { name, name_at, .. } => found("test", name, *name_at),
        Op::Call(callee, args) => {
            if let Op::Name(name) = &callee.op
                && matches!(&**name, "lookup" | "query" | "q")
                && let Some(Arg::Pos(first)) = args.first()
                && let Op::Const(Value::Str(inner)) = &first.op
            {
                found("lookup", inner, first.at);
            }
        }
        _ => {}
    }
}

impl walk::Visit for Checker<'_> {
    fn expr(&mut self, expr: &Expr) {
        named(expr, &mut |kind, name, at| {
            if knows(kind, name) {
                return;
            }
            match self.templates.plugin_end(kind, name) {
                Some(end) if end.removed.is_none() && knows(kind, &end.name) => {
                    for said in end.deprecated {
                        let span = self.place.span((at.0 + self.shift, at.1 + self.shift));
                        self.out.push(
                            Diagnostic::source("P0309", said.text())
                                .with_label_opt(span, "deprecated")
                                .with_hint(format!("it leads to `{}`: write that", end.name))
                                .warning(),
                        );
                    }
                }
                Some(super::names::PluginEnd { removed: Some(why), .. }) => {
                    let span = self.place.span((at.0 + self.shift, at.1 + self.shift));
                    self.out.push(
                        super::names::removed(kind, name, &why).with_label_opt(span, "removed from its collection"),
                    );
                }
                _ => self.unknown(kind, name, at),
            }
        });
    }
}

/// A use of a filter, test or lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginUse {
    /// `filter`, `test` or `lookup`.
    pub kind: &'static str,
    /// The name as it is written.
    pub name: String,
    /// Where.
    pub span: Span,
}

/// The filters, tests and lookups that a node's templates name.
pub fn plugins(templates: &Templates, node: &Node, expression: bool) -> Vec<PluginUse> {
    let mut uses = Uses { out: Vec::new(), place: Place::None, shift: 0 };
    each(templates, node, expression, &mut |place, code| {
        if let Ok(code) = code {
            uses.place = clone(place);
            uses.shift = code.shift;
            walk::code(code, &mut uses);
        }
    });
    uses.out
}

struct Uses {
    out: Vec<PluginUse>,
    place: Place,
    shift: u32,
}

impl walk::Visit for Uses {
    fn expr(&mut self, expr: &Expr) {
        named(expr, &mut |kind, name, at| {
            if let Some(span) = self.place.span((at.0 + self.shift, at.1 + self.shift)) {
                self.out.push(PluginUse { kind, name: name.to_owned(), span });
            }
        });
    }
}

struct Names {
    out: Vec<(String, Span)>,
    place: Option<Place>,
    shift: u32,
}

impl walk::Visit for Names {
    fn expr(&mut self, _expr: &Expr) {}

    fn free(&mut self, name: &str, at: At) {
        let known = matches!(name, "omit" | "vars" | "self" | "super" | "varargs" | "kwargs" | "caller" | "loop");
        if known || globals::find(name).is_some() {
            return;
        }
        if let Some(span) = self.place.as_ref().and_then(|place| place.span((at.0 + self.shift, at.1 + self.shift))) {
            self.out.push((name.to_owned(), span));
        }
    }
}
