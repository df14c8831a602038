//! Source values: what a playbook says, and where it says it.

use std::sync::Arc;

use crate::diag::Span;
use crate::value::Value;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'...'`
    Single,
    /// `"..."`
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// Not from YAML: INI, `-e key=value`, a prompt.
    Text,
}

/// The tags that mean something to us; others are errors at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `!vault`: ansible-vault text, opened when it is used.
    Vault,
    /// `!unsafe`: never rendered.
    Unsafe,
    /// `!!str`, or a core tag that was applied at load already.
    Core,
}

/// A scalar with its resolved value.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text after unquoting and folding.
    pub text: Arc<str>,
    /// What it means by YAML 1.1 (a plain `yes` is true, a quoted one is text).
    pub value: Value,
    /// How it was written.
    pub style: Style,
    /// For each byte offset in `text` where the source position jumps: (offset in text, offset
    /// in the file). Empty when text and source run in step from `content_start`.
    pub map: Arc<[(u32, u32)]>,
    /// Where the text itself begins in the file (after the quote, or the first block line).
    pub content_start: u32,
}

/// One entry of a mapping: key and value.
pub type Pair = (Node, Node);

/// The three shapes.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeData {
    /// A scalar.
    Scalar(Arc<Scalar>),
    /// A sequence.
    List(Arc<[Node]>),
    /// A mapping in source order, merge keys applied, duplicates resolved (last wins).
    Map(Arc<[Pair]>),
}

/// A source value. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub data: NodeData,
    /// Its tag, if it has one that matters.
    pub tag: Option<Tag>,
    /// For an alias: the place of the `*name`; `span` is then the anchor's.
    pub alias: Option<Span>,
}

impl Node {
    /// A text node that does not come from YAML (INI value, `-e`): rendered like any source text.
    pub fn text(text: impl Into<Arc<str>>, span: Span) -> Self {
        let text = text.into();
        Self {
            span,
            data: NodeData::Scalar(Arc::new(Scalar {
                value: Value::Str(Arc::clone(&text)),
                text,
                style: Style::Text,
                map: Arc::from([]),
                content_start: span.start,
            })),
            tag: None,
            alias: None,
        }
    }

    /// A scalar node with a given value, at a place.
    pub fn scalar(value: Value, span: Span) -> Self {
        let text: Arc<str> = crate::value::python_str(&value).into();
        Self {
            span,
            data: NodeData::Scalar(Arc::new(Scalar {
                text,
                value,
                style: Style::Text,
                map: Arc::from([]),
                content_start: span.start,
            })),
            tag: None,
            alias: None,
        }
    }

    /// The place a reader looks at: the alias if it is one, the node otherwise.
    pub fn place(&self) -> Span {
        self.alias.unwrap_or(self.span)
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.data {
            NodeData::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text, if the node's value is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.as_scalar()?.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.data {
            NodeData::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn as_map(&self) -> Option<&[Pair]> {
        match &self.data {
            NodeData::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of a text key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// True for YAML null (also an empty value).
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.value == Value::Null)
    }

    /// What the value is in messages: `a string`, `a list`, ...
    pub fn type_name(&self) -> &'static str {
        match &self.data {
            NodeData::Scalar(scalar) => scalar.value.type_name(),
            NodeData::List(_) => "a list",
            NodeData::Map(_) => "a mapping",
        }
    }

    /// True if any scalar in it holds `{{` or `{%` and is not `!unsafe`.
    pub fn has_template(&self) -> bool {
        match &self.data {
            NodeData::Scalar(scalar) => {
                self.tag != Some(Tag::Unsafe)
                    && matches!(scalar.value, Value::Str(_))
                    && (scalar.text.contains("{{") || scalar.text.contains("{%") || scalar.text.contains("{#"))
            }
            NodeData::List(items) => items.iter().any(Self::has_template),
            NodeData::Map(pairs) => pairs.iter().any(|(key, value)| key.has_template() || value.has_template()),
        }
    }

    /// The place in the source of bytes `start..end` of a scalar's text.
    pub fn text_span(&self, start: usize, end: usize) -> Span {
        let Some(scalar) = self.as_scalar() else { return self.span };
        let at = |offset: usize| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            let (from, to) = match scalar.map.partition_point(|(text, _)| *text <= offset) {
                0 => (0, scalar.content_start),
                index => scalar.map[index - 1],
            };
            to.saturating_add(offset - from).clamp(self.span.start, self.span.end)
        };
        // The end belongs to the last byte, which may stand on another line than the byte after it.
        let first = at(start);
        let last = if end > start { at(end - 1).saturating_add(1) } else { first };
        Span::new(self.span.file, first, last.max(first))
    }

    /// The value as data, without rendering anything (`!vault` stays text).
    pub fn to_value(&self) -> Value {
        match &self.data {
            NodeData::Scalar(scalar) => scalar.value.clone(),
            NodeData::List(items) => Value::List(Arc::new(items.iter().map(Self::to_value).collect())),
            NodeData::Map(pairs) => Value::Map(Arc::new(
                pairs
                    .iter()
                    .filter_map(|(key, value)| {
                        Some((crate::value::Key::from_value(&key.to_value())?, value.to_value()))
                    })
                    .collect(),
            )),
        }
    }
}
