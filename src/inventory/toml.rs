//! TOML inventories: the groups of the YAML form, with `children` as a list of names.
//!
//! The text becomes a tree of nodes with their places, so that errors and templates point into the file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::{Datetime, Offset};

use crate::diag::{Diagnostic, FileId, SourceFile, Span};
use crate::value::{Date, DateTime, Value};
use crate::yaml::{Node, NodeData, Pair};

/// Reads the text; what is wrong with it goes to `diagnostics`.
pub(super) fn read(file: &SourceFile, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    let reader = Reader { file: file.id };
    if !errors.is_empty() {
        diagnostics.extend(errors.iter().map(|error| {
            let place = error.span().map(|span| reader.span(&span));
            Diagnostic::source("I0019", format!("no valid TOML: {}", error.message()))
                .with_label_opt(place, "here")
                .with_hint("a group is `[NAME.hosts]` with lines `HOST = {}` below it")
        }));
        return None;
    }
    Some(reader.table(table.get_ref(), reader.span(&table.span())))
}

/// `children` of groups as the mapping that the YAML form has.
pub(super) fn as_groups(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Node {
    let Some(groups) = node.as_map() else { return node.clone() };
    let pairs: Vec<Pair> = groups.iter().map(|(name, group)| (name.clone(), children(group, diagnostics))).collect();
    Node { data: NodeData::Map(pairs.into()), ..node.clone() }
}

fn children(group: &Node, diagnostics: &mut Vec<Diagnostic>) -> Node {
    let Some(parts) = group.as_map() else { return group.clone() };
    let mut pairs: Vec<Pair> = Vec::new();
    for (key, value) in parts {
        if key.as_str() != Some("children") {
            pairs.push((key.clone(), value.clone()));
            continue;
        }
        let Some(names) = value.as_list() else {
            diagnostics.push(
                Diagnostic::source("I0005", format!("`children` must be a list of names, found {}", value.type_name()))
                    .with_label(value.place(), "expected a list")
                    .with_hint("children = [\"web\", \"db\"]"),
            );
            continue;
        };
        let names: Vec<Pair> =
            names.iter().map(|name| (name.clone(), Node::scalar(Value::Null, name.place()))).collect();
        pairs.push((key.clone(), Node { data: NodeData::Map(names.into()), ..value.clone() }));
    }
    Node { data: NodeData::Map(pairs.into()), ..group.clone() }
}

struct Reader {
    file: FileId,
}

impl Reader {
    fn span(&self, range: &std::ops::Range<usize>) -> Span {
        let at = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        Span::new(self.file, at(range.start), at(range.end))
    }

    fn table(&self, table: &DeTable<'_>, span: Span) -> Node {
        let pairs: Vec<Pair> = table
            .iter()
            .map(|(key, value)| (Node::text(&**key.get_ref(), self.span(&key.span())), self.node(value)))
            .collect();
        Node { span, data: NodeData::Map(pairs.into()), tag: None, alias: None }
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let span = self.span(&value.span());
        match value.get_ref() {
            DeValue::String(text) => {
                // Behind the quote, where templates in it are.
                let inside = Span::new(self.file, span.start.saturating_add(1).min(span.end), span.end);
                Node::text(&**text, inside)
            }
            DeValue::Integer(number) => {
                let (text, radix) = (number.as_str(), number.radix());
                // One that is too great is told by its digits, as in YAML.
                let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
                Node::scalar(crate::yaml::whole_number(negative, digits.trim_start_matches('+'), radix), span)
            }
            DeValue::Float(number) => Node::scalar(Value::Float(number.as_str().parse().unwrap_or(f64::NAN)), span),
            DeValue::Boolean(flag) => Node::scalar(Value::Bool(*flag), span),
            DeValue::Datetime(moment) => Node::scalar(date(moment), span),
            DeValue::Array(items) => {
                let items: Vec<Node> = items.iter().map(|item| self.node(item)).collect();
                Node { span, data: NodeData::List(items.into()), tag: None, alias: None }
            }
            DeValue::Table(table) => self.table(table, span),
        }
    }
}

/// A date, or a time of a day; a time without a day stays text.
fn date(moment: &Datetime) -> Value {
    let text = || Value::from(moment.to_string());
    let Some(day) = moment.date else { return text() };
    let (Ok(year), Ok(month), Ok(number)) = (i16::try_from(day.year), i8::try_from(day.month), i8::try_from(day.day))
    else {
        return text();
    };
    let Ok(date) = Date::new(year, month, number) else { return text() };
    let Some(time) = moment.time else { return Value::Date(date) };
    let part = |number: u8| i8::try_from(number).unwrap_or(0);
    let nanosecond = i32::try_from(time.nanosecond.unwrap_or(0)).unwrap_or(0);
    let clock = jiff::civil::Time::new(part(time.hour), part(time.minute), part(time.second.unwrap_or(0)), nanosecond);
    let Ok(clock) = clock else { return text() };
    let offset = moment.offset.map(|offset| match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => minutes,
    });
    Value::DateTime(DateTime::from_parts(date, clock), offset)
}
