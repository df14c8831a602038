//! `ansible.cfg` as Python's `configparser` reads it: sections, `key = value` or `key: value`, lines that go on
//! indented, comments.

use std::collections::HashMap;

/// Values by section and key (keys in lower case); or the line and what is wrong with it.
pub(super) type Parsed = HashMap<(String, String), String>;

pub(super) fn parse(text: &str) -> Result<Parsed, (usize, String)> {
    let mut values = Parsed::new();
    let mut section: Option<String> = None;
    let mut open: Option<(String, String)> = None;
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        // A comment inside a line needs a space before it.
        let cut = raw
            .char_indices()
            .find(|(at, c)| *c == ';' && (*at == 0 || raw[..*at].ends_with(|c: char| c.is_whitespace())));
        let line = cut.map_or(raw, |(at, _)| &raw[..at]);
        let trimmed = line.trim();
        if trimmed.starts_with('#') || cut.is_some() && trimmed.is_empty() {
            continue;
        }
        if trimmed.is_empty() {
            open = None;
            continue;
        }
        if let (true, Some(key)) = (line.starts_with([' ', '\t']), &open) {
            let value = values.entry(key.clone()).or_default();
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            let Some(end) = name.find(']') else {
                return Err((index + 1, "a section's `]` is missing".to_owned()));
            };
            section = Some(name[..end].to_owned());
            open = None;
            continue;
        }
        let Some(section) = &section else {
            return Err((index + 1, "stands before the first `[section]`".to_owned()));
        };
        let Some(at) = trimmed.find(['=', ':']) else {
            return Err((index + 1, format!("`{trimmed}` is no `key = value`")));
        };
        let key = (section.clone(), trimmed[..at].trim().to_lowercase());
        values.insert(key.clone(), trimmed[at + 1..].trim().to_owned());
        open = Some(key);
    }
    Ok(values)
}

/// The place of a key in the text: the last one counts.
pub(super) fn place(text: &str, section: &str, key: &str) -> Option<(usize, usize)> {
    let mut here = "";
    let mut found = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[') {
            here = name.split(']').next().unwrap_or_default();
        } else if here == section
            && let Some((name, _)) = line.split_once(['=', ':'])
            && name.trim().to_lowercase() == key
        {
            let from = start + (line.len() - line.trim_start().len());
            found = Some((from, start + line.trim_end().len()));
        }
        start += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_place_of_a_key_is_its_line() {
        let text = "[a]\nx = 1\n[b]\n x: 2 \n; x = 4\n[a]\ny=3\n";
        let shown = |section: &str, key: &str| super::place(text, section, key).map(|(from, to)| &text[from..to]);
        assert_eq!((shown("a", "x"), shown("b", "x"), shown("c", "x")), (Some("x = 1"), Some("x: 2"), None));
    }

    #[test]
    fn sections_keys_comments_and_lines_that_go_on() {
        let parsed = parse("# c\n[a]\nKey = 1 ; x\nlong: one,\n   two\n\n[b]\nkey=;\nurl = a;b\n").unwrap();
        let get = |section: &str, key: &str| parsed[&(section.to_owned(), key.to_owned())].clone();
        assert_eq!(get("a", "key"), "1");
        assert_eq!(get("a", "long"), "one,\ntwo");
        assert_eq!(get("b", "url"), "a;b");
        assert_eq!(parse("x = 1\n").unwrap_err().0, 1);
    }
}
