//! Tags: those of Ansible, those of YAML's core, and nothing else.

use std::sync::Arc;

use base64::Engine as _;
use saphyr_parser::Tag as RawTag;

use super::resolve;
use super::{Node, NodeData, Scalar, Tag};
use crate::diag::Diagnostic;
use crate::value::Value;

/// A tag that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Vault,
    Unsafe,
    Str,
    Int,
    Float,
    Bool,
    Null,
    Binary,
    Timestamp,
    Map,
    Seq,
    Set,
    OrderedMap,
    Pairs,
}

/// Sorts a tag as saphyr gives it; `None` for one that nobody knows.
pub(super) fn classify(tag: &RawTag) -> Option<Kept> {
    let full = format!("{}{}", tag.handle, tag.suffix);
    Some(match full.as_str() {
        "!vault" | "!vault-encrypted" => Kept::Vault,
        "!unsafe" => Kept::Unsafe,
        // The non-specific tag: what it is by its shape, a scalar as text.
        "!" => Kept::Str,
        _ => match full.strip_prefix("tag:yaml.org,2002:")? {
            "str" => Kept::Str,
            "int" => Kept::Int,
            "float" => Kept::Float,
            "bool" => Kept::Bool,
            "null" => Kept::Null,
            "binary" => Kept::Binary,
            "timestamp" => Kept::Timestamp,
            "map" => Kept::Map,
            "seq" => Kept::Seq,
            "set" => Kept::Set,
            "omap" => Kept::OrderedMap,
            "pairs" => Kept::Pairs,
            _ => return None,
        },
    })
}

/// What ansible-core says of a tag that it calls deprecated: its words, and what to write instead.
pub(super) fn deprecated(tag: &RawTag) -> Option<(&'static str, &'static str)> {
    let full = format!("{}{}", tag.handle, tag.suffix);
    match full.strip_prefix("tag:yaml.org,2002:").unwrap_or(&full) {
        "omap" => Some((
            "Use of the YAML `!!omap` tag is deprecated.",
            "Use a standard mapping instead, as key order is always preserved.",
        )),
        "pairs" => Some(("Use of the YAML `!!pairs` tag is deprecated.", "Use a standard mapping instead.")),
        "!vault-encrypted" => {
            Some(("Use of the YAML `!vault-encrypted` tag is deprecated.", "Use the `!vault` tag instead."))
        }
        _ => None,
    }
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Self::Vault => "!vault",
            Self::Unsafe => "!unsafe",
            Self::Str => "!!str",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Bool => "!!bool",
            Self::Null => "!!null",
            Self::Binary => "!!binary",
            Self::Timestamp => "!!timestamp",
            Self::Map => "!!map",
            Self::Seq => "!!seq",
            Self::Set => "!!set",
            Self::OrderedMap => "!!omap",
            Self::Pairs => "!!pairs",
        }
    }
}

/// The node as its tag wants it.
pub(super) fn apply_tag(node: Node, tag: Kept) -> Result<Node, Diagnostic> {
    let wrong = |node: &Node| {
        Diagnostic::source("Y0014", format!("the value does not fit its tag `{}`", tag.name()))
            .with_label(node.span, format!("this is {}", node.type_name()))
            .with_hint(format!("remove `{}`, or write a value of its kind", tag.name()))
    };
    match tag {
        Kept::Unsafe => return Ok(mark_unsafe(node)),
        Kept::Map => return if node.as_map().is_some() { Ok(node) } else { Err(wrong(&node)) },
        Kept::Seq => return if node.as_list().is_some() { Ok(node) } else { Err(wrong(&node)) },
        Kept::Set => {
            let Some(pairs) = node.as_map() else { return Err(wrong(&node)) };
            let keys: Vec<Node> = pairs.iter().map(|(key, _)| key.clone()).collect();
            return Ok(Node { data: NodeData::List(keys.into()), ..node });
        }
        // Lists of a key and a value each, as Ansible has them.
        Kept::OrderedMap | Kept::Pairs => {
            let Some(items) = node.as_list() else { return Err(wrong(&node)) };
            let mut pairs = Vec::new();
            for item in items {
                let Some([(key, value)]) = item.as_map() else { return Err(wrong(item)) };
                let both = NodeData::List([key.clone(), value.clone()].into());
                pairs.push(Node { data: both, ..item.clone() });
            }
            return Ok(Node { data: NodeData::List(pairs.into()), ..node });
        }
        Kept::Str if node.as_scalar().is_none() => return Ok(node),
        _ => {}
    }
    let Some(scalar) = node.as_scalar() else { return Err(wrong(&node)) };
    let text = &scalar.text;
    let value = match tag {
        Kept::Str | Kept::Vault => Some(Value::Str(Arc::clone(text))),
        Kept::Int => resolve::integer(text),
        Kept::Float => resolve::float(text).or_else(|| match resolve::integer(text)? {
            #[expect(clippy::cast_precision_loss, reason = "`!!float` asks for it")]
            Value::Int(int) => Some(Value::Float(int as f64)),
            _ => None,
        }),
        Kept::Bool => resolve::boolean(text).map(Value::Bool),
        Kept::Null => Some(Value::Null),
        Kept::Timestamp => resolve::timestamp(text),
        Kept::Binary => {
            let clean: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            base64::engine::general_purpose::STANDARD.decode(clean).ok().map(|bytes| Value::Bytes(bytes.into()))
        }
        _ => None,
    };
    let Some(value) = value else { return Err(wrong(&node)) };
    let kept = if tag == Kept::Vault { Tag::Vault } else { Tag::Core };
    let scalar = Scalar { value, ..scalar.clone() };
    Ok(Node { data: NodeData::Scalar(Arc::new(scalar)), tag: Some(kept), ..node })
}

/// `!unsafe`: every scalar below is kept from rendering; vaulted ones stay vaulted.
pub fn mark_unsafe(node: Node) -> Node {
    let data = match node.data {
        NodeData::List(items) => NodeData::List(items.iter().cloned().map(mark_unsafe).collect()),
        NodeData::Map(pairs) => {
            NodeData::Map(pairs.iter().cloned().map(|(key, value)| (mark_unsafe(key), mark_unsafe(value))).collect())
        }
        scalar @ NodeData::Scalar(_) => scalar,
    };
    let tag = if node.tag == Some(Tag::Vault) { node.tag } else { Some(Tag::Unsafe) };
    Node { data, tag, ..node }
}
