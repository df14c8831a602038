//! `ansible-doc`'s text for people: lists, snippets, manuals, laid out as it lays them out.

use std::fmt::Write as _;
use std::sync::OnceLock;

use regex::Regex;

use crate::report::Paint;
use crate::value::{Map, StrKey, Value, python_str};

/// Python's `textwrap.fill` without breaks inside words.
fn fill(text: &str, width: usize, initial: &str, subsequent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut empty = true;
    for word in text.split_whitespace() {
        let indent = if lines.is_empty() { initial } else { subsequent };
        let used = if empty { indent.chars().count() } else { line.chars().count() + 1 };
        if !empty && used + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
            empty = true;
        }
        if empty {
            line.push_str(if lines.is_empty() { initial } else { subsequent });
            empty = false;
        } else {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}

/// Names with a line about each; of files, the whole path.
pub(super) fn list(rows: &[(String, String)], columns: usize, whole: bool) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let room = columns.saturating_sub(width + 5);
    let mut out = String::new();
    for (name, about) in rows {
        let about = if !whole && about.chars().count() > room {
            format!("{}...", about.chars().take(room).collect::<String>())
        } else {
            about.clone()
        };
        let _ = writeln!(out, "{name:<width$} {about:<room$}");
    }
    out
}

fn field<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| **value != Value::Null)
}

/// The text of a description.
fn described(option: &Value) -> Vec<String> {
    match field(option, "description") {
        Some(Value::List(parts)) => parts.iter().map(python_str).collect(),
        Some(text) => vec![python_str(text)],
        None => Vec::new(),
    }
}

/// Names and values in the order of the names.
fn sorted(map: Option<&Value>) -> Vec<(String, &Value)> {
    let mut found: Vec<(String, &Value)> = map
        .and_then(Value::as_map)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.text().to_string(), value))
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// `ansible-doc -s`
pub(super) fn snippet(document: &Value, kind: &str, columns: usize) -> String {
    let Some(doc) = document.get("doc") else { return String::new() };
    let text = |key: &str| field(doc, key).map(python_str).unwrap_or_default();
    if kind == "lookup" {
        return format!("lookup('{}')\n", text("name"));
    }
    let Some(options) = field(doc, "options") else { return String::new() };
    let mut out = format!("- name: {}\n  {}:\n", text("short_description"), text("module"));
    let limit = columns.saturating_sub(29);
    let indent = format!("{:>31}", "# ");
    for (name, option) in sorted(Some(options)) {
        let mut about = described(option).join(" ");
        if option.get("required") == Some(&Value::Bool(true)) {
            about = format!("(required) {about}");
        }
        let _ = writeln!(out, "      {:<20}   # {}", format!("{name}:"), fill(&about, limit, "", &indent));
    }
    out
}

/// A value in the line of an option, as YAML.
fn shown(value: &Value) -> String {
    match value {
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(crate::yaml::emit_scalar).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) if map.is_empty() => "{}".to_owned(),
        Value::Map(_) => crate::value::to_json_text(value, crate::value::JsonStyle::default()),
        scalar => crate::yaml::emit_scalar(scalar),
    }
}

/// Marks of Ansible's documentation as ansible-doc shows them without colours.
fn plain(text: &str) -> String {
    static MARKS: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    let marks = MARKS.get_or_init(|| {
        let one = r"\(([^)]+)\)";
        let two = r"\(([^)]+), *([^)]+)\)";
        let meaning = r"\(((?:[^\\)]+|\\.)+)\)";
        [
            (format!(r"\bI{one}"), "`$1`"),
            (format!(r"\bB{one}"), "*$1*"),
            (format!(r"\bM{one}"), "[$1]"),
            (format!(r"\bU{one}"), "$1"),
            (format!(r"\bL{two}"), "$1 <$2>"),
            (r"\bP\(([^#)]+)#([a-z]+)\)".to_owned(), "[$1]"),
            (format!(r"\bR{two}"), "$1"),
            (format!(r"\bC{one}"), "`$1'"),
            (format!(r"\b(?:O|V|E|RV){meaning}"), "`$1'"),
            (r"\bHORIZONTALLINE\b".to_owned(), "\n-------------\n"),
        ]
        .into_iter()
        .filter_map(|(pattern, shown)| Some((Regex::new(&pattern).ok()?, shown)))
        .collect()
    });
    let mut text = text.to_owned();
    for (pattern, shown) in marks {
        text = pattern.replace_all(&text, *shown).into_owned();
    }
    text
}

/// Options with all that is said of each; `indent` is that of their rows, `base` that of their names. The error names
/// no option: ansible-doc's does not either.
fn fields(
    lines: &mut Vec<String>,
    options: &Value,
    limit: usize,
    indent: &str,
    base: &str,
    paint: Paint,
) -> Result<(), String> {
    for (name, option) in sorted(Some(options)) {
        let required = option.get("required") == Some(&Value::Bool(true));
        let key = format!("{base}{} {}", if required { "=" } else { "-" }, paint.bold(&name));
        let length = name.chars().count();
        let inline = " ".repeat(indent.len().saturating_sub(length + base.len()).max(2));
        let extra = format!("{base}{}", " ".repeat(length + 3));
        let under = format!("{inline}{extra}");
        if option.get("description").is_none() {
            return Err("All (sub-)options and return values must have a 'description' field".to_owned());
        }
        lines.push(String::new());
        for (at, part) in described(option).iter().enumerate() {
            let filled = fill(&plain(part), limit, &under, &under);
            if at == 0 {
                // The name takes the room of the indentation.
                lines.push(format!("{key}{}", filled.strip_prefix(&extra).unwrap_or(&filled)));
            } else {
                lines.push(filled);
            }
        }
        let inner: Vec<(&str, &Value)> = ["options", "suboptions", "contains", "spec"]
            .into_iter()
            .filter_map(|key| Some((key, field(option, key)?)))
            .collect();
        let mut rows: Map = option.as_map().cloned().unwrap_or_default();
        rows.retain(|key, _| {
            let hidden = ["description", "required", "options", "suboptions", "contains", "spec", "version_added"];
            !key.as_str().is_some_and(|key| hidden.contains(&key))
        });
        if !required && !rows.contains_key(&StrKey("default")) {
            rows.insert("default".into(), Value::Null);
        }
        let rows = Value::from(rows);
        lines.extend(sorted(Some(&rows)).into_iter().map(|(name, value)| format!("{indent}{name}: {}", shown(value))));
        for (key, options) in inner {
            lines.push(format!("{indent}{key}:"));
            fields(lines, options, limit, &format!("{indent}  "), indent, paint)?;
        }
    }
    Ok(())
}

/// A fifth of the screen stays empty.
fn limit(columns: usize) -> usize {
    (columns - columns / 5).max(70)
}

/// `ansible-doc -t role NAME`
pub(super) fn role(name: &str, document: &Value, columns: usize, paint: Paint) -> Result<String, String> {
    const INDENT: &str = "          ";
    let limit = limit(columns);
    let strong = |text: &str| if paint.color { paint.bold(text) } else { format!("*{text}*") };
    let path = field(document, "path").map(python_str).unwrap_or_default();
    let mut lines = vec![format!("> ROLE: {} ({path})", strong(name))];
    for (point, doc) in field(document, "entry_points").and_then(Value::as_map).into_iter().flatten() {
        let about = field(doc, "short_description").map(|text| format!("- {}", python_str(text))).unwrap_or_default();
        lines.extend([String::new(), format!("ENTRY POINT: {} {about}", strong(&point.text())), String::new()]);
        let description = described(doc);
        if !description.is_empty() {
            lines.extend(description.iter().map(|part| fill(&plain(part), limit, INDENT, INDENT)));
            lines.push(String::new());
        }
        if let Some(options) = field(doc, "options").filter(|options| options.truthy()) {
            lines.push(format!("{} (= indicates it is required):", paint.bold("Options")));
            fields(&mut lines, options, limit, INDENT, "", paint)
                .map_err(|error| format!("Error extracting role docs from '{name}': {error}"))?;
        }
        if let Some(author) = field(doc, "author") {
            let author = match author {
                Value::List(names) => names.iter().map(python_str).collect::<Vec<_>>().join(", "),
                one => python_str(one),
            };
            lines.extend([String::new(), format!("AUTHOR: {author}")]);
        }
        if let Some(examples) = field(doc, "examples") {
            lines.extend([String::new(), paint.bold("EXAMPLES:"), python_str(examples).trim().to_owned()]);
        }
    }
    Ok(lines.join("\n"))
}

/// `ansible-doc NAME`
pub(super) fn manual(document: &Value, kind: &str, columns: usize, paint: Paint) -> String {
    const INDENT: &str = "        ";
    let Some(doc) = document.get("doc") else { return String::new() };
    let limit = limit(columns);
    let text = |key: &str| field(doc, key).map(python_str).unwrap_or_default();
    let mut lines = vec![
        format!("> {} {} ({})", kind.to_uppercase(), paint.bold(&text("plugin_name")), text("filename")),
        String::new(),
    ];
    lines.extend(described(doc).iter().map(|part| fill(&plain(part), limit, "  ", "  ")));
    if doc.get("has_action") == Some(&Value::Bool(true)) {
        lines.push(String::new());
        lines.push(format!("{} This module has a corresponding action plugin.", paint.bold("  * note:")));
    }
    if let Some(options) = field(doc, "options") {
        lines.push(String::new());
        lines.push(format!("{} (= indicates it is required):", paint.bold("OPTIONS")));
        // Every argument of a compiled-in module has a text.
        let _ = fields(&mut lines, options, limit, INDENT, "", paint);
    }
    if let Some(notes) = field(doc, "notes").and_then(Value::as_list) {
        lines.push(String::new());
        lines.push(paint.bold("NOTES:"));
        lines.extend(notes.iter().map(|note| fill(&plain(&python_str(note)), limit - 6, "      * ", INDENT)));
    }
    if let Some(name) = field(doc, "name") {
        lines.push(String::new());
        lines.push(format!("{}: {}", paint.bold("NAME"), python_str(name)));
    }
    if let Some(examples) = document.get("examples").and_then(Value::as_str) {
        lines.push(String::new());
        lines.push(paint.bold("EXAMPLES:"));
        lines.push(examples.trim().to_owned());
    }
    lines.push("\n".to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn text_is_filled_as_pythons_textwrap_fills_it() {
        assert_eq!(fill("a bb ccc dddd", 6, "", "  "), "a bb\n  ccc\n  dddd");
        assert_eq!(fill("one two", 20, "    ", ""), "    one two");
        assert_eq!(fill("averylongword x", 5, "", ""), "averylongword\nx");
    }

    #[test]
    fn marks_are_shown_as_text() {
        assert_eq!(
            plain("C(x) and O(a=b), see M(a.b.c) or L(here, https://x)"),
            "`x' and `a=b', see [a.b.c] or here <https://x>"
        );
    }

    #[test]
    fn a_list_is_cut_to_the_screen() {
        let rows = [
            ("a.b.copy".to_owned(), "Copy files to remote locations".to_owned()),
            ("a.b.x".to_owned(), "y".to_owned()),
        ];
        assert_eq!(list(&rows, 33, false), "a.b.copy Copy files to remote...\na.b.x    y                   \n");
    }

    /// ansible-core 2.19's own lines for the same option, with `ANSIBLE_NOCOLOR`.
    #[test]
    fn an_option_stands_as_in_ansible_doc() {
        let option = map! { "description" => vec![Value::from("Maximum number of seconds to wait for a connection to happen before closing and retrying.")], "type" => "int", "default" => 5 };
        let doc = map! { "plugin_name" => "x", "filename" => "f", "options" => map! { "connect_timeout" => option.clone(), "delay" => option } };
        let text = manual(&Value::from(map! { "doc" => doc }), "module", 79, Paint { color: false });
        let expected = "\
- connect_timeout  Maximum number of seconds to wait for a connection
                    to happen before closing and retrying.
        default: 5
        type: int

- delay   Maximum number";
        assert!(text.contains(expected), "{text}");
    }
}
