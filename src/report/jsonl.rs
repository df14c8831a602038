//! Events as JSON Lines: one object a line, places as file, line and column.

use std::io::Write;

use serde_json::Value as Json;

use crate::diag::{FileId, SourceMap, Span};
use crate::event::{Event, Reporter, Trouble};

use super::written::Written;

/// Writes every event as a line.
pub struct JsonLines<W: Write + Send> {
    out: Written<W>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Onto standard output.
    pub fn new(out: W) -> Self {
        Self { out: Written::new(out, None) }
    }

    /// Onto a file of the record, named in messages.
    pub fn record(out: W, file: impl Into<String>) -> Self {
        Self { out: Written::new(out, Some(file.into())) }
    }
}

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn event(&mut self, event: &Event, sources: &SourceMap) {
        self.out.json(&format!("{}\n", event_json(event, sources)));
        self.out.flush();
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.out.trouble()
    }
}

/// The JSON form of an event; byte spans become places.
pub fn event_json(event: &Event, sources: &SourceMap) -> Json {
    let mut json = serde_json::to_value(event).unwrap_or(Json::Null);
    place(&mut json, sources);
    json
}

fn place(json: &mut Json, sources: &SourceMap) {
    match json {
        Json::Object(map) => {
            if let Some(span) = map.get("span").and_then(span_of)
                && let Some(file) = sources.file(span.file)
            {
                let at = file.line_col(span.start);
                map.remove("span");
                map.insert("file".to_owned(), Json::from(file.name.clone()));
                map.insert("line".to_owned(), Json::from(at.line));
                map.insert("column".to_owned(), Json::from(at.column));
            }
            map.values_mut().for_each(|value| place(value, sources));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| place(item, sources)),
        _ => {}
    }
}

fn span_of(json: &Json) -> Option<Span> {
    let number = |name: &str| u32::try_from(json.get(name)?.as_u64()?).ok();
    Some(Span::new(FileId(number("file")?), number("start")?, number("end")?))
}
