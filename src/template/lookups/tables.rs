//! `csvfile` and `ini`.

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::regex;
use super::super::val::Val;
use super::texts;

fn read(call: &Call, name: &str) -> R<String> {
    let host = call.cx().templates.host();
    let path = host.find("files", name, &call.ev.env.scope);
    let path = path.ok_or_else(|| Fail::msg(format!("the file `{name}` was not found")))?;
    Ok(String::from_utf8_lossy(&host.read(&path)?).into_owned())
}

/// `key=value` options may stand in the term itself.
fn term_options(term: &str) -> (String, Vec<(String, String)>) {
    let mut key = Vec::new();
    let mut options = Vec::new();
    for part in term.split_whitespace() {
        match part.split_once('=') {
            Some((name, value)) if !name.is_empty() => options.push((name.to_owned(), value.to_owned())),
            _ => key.push(part),
        }
    }
    (key.join(" "), options)
}

/// A cell of a table by the key in its key column.
pub fn csvfile(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let mut given = |name: &str, default: &str| -> R<String> {
        Ok(args.text(call, usize::MAX, name)?.map_or_else(|| default.to_owned(), |text| text.to_string()))
    };
    let (file, delimiter, col, key_col) =
        (given("file", "ansible.csv")?, given("delimiter", "TAB")?, given("col", "1")?, given("keycol", "0")?);
    let default = args.take_kw("default");
    let _ = args.take_kw("encoding");
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let (key, options) = term_options(&term);
        let option = |name: &str, usual: &str| {
            options.iter().find(|(known, _)| known == name).map_or_else(|| usual.to_owned(), |(_, value)| value.clone())
        };
        let delimiter = match option("delimiter", &delimiter).as_str() {
            "TAB" | "t" => '\t',
            other => other.chars().next().unwrap_or(','),
        };
        let number = |text: String| text.parse::<usize>().map_err(|_| Fail::msg(format!("`{text}` is no column")));
        let (col, key_col) = (number(option("col", &col))?, number(option("keycol", &key_col))?);
        let text = read(call, &option("file", &file))?;
        let rows = rows(&text, delimiter);
        let found = rows.iter().find(|row| row.get(key_col) == Some(&key)).and_then(|row| row.get(col));
        match (found, &default) {
            (Some(cell), _) => out.push(Val::from(cell.as_str())),
            (None, Some(default)) => out.push(default.clone()),
            (None, None) => {}
        }
    }
    Ok(out)
}

fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            c if !quoted && c == delimiter => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

/// A value of an INI or properties file.
pub fn ini(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let mut given = |name: &str, default: &str| -> R<String> {
        Ok(args.text(call, usize::MAX, name)?.map_or_else(|| default.to_owned(), |text| text.to_string()))
    };
    let (kind, file, section) = (given("type", "ini")?, given("file", "ansible.ini")?, given("section", "global")?);
    let default = args.take_kw("default");
    let is_regex = args.flag(usize::MAX, "re", false)?;
    let case = args.flag(usize::MAX, "case_sensitive", false)?;
    let allow_none = args.flag(usize::MAX, "allow_none", false)? | args.flag(usize::MAX, "allow_no_value", false)?;
    for ignored in ["encoding", "interpolation"] {
        let _ = args.take_kw(ignored);
    }
    let _ = allow_none;
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let (key, options) = term_options(&term);
        let option = |name: &str, usual: &str| {
            options.iter().find(|(known, _)| known == name).map_or_else(|| usual.to_owned(), |(_, value)| value.clone())
        };
        let section = if kind == "properties" { String::new() } else { option("section", &section) };
        let text = read(call, &option("file", &file))?;
        let entries = ini_entries(&text);
        let same = |a: &str, b: &str| if case { a == b } else { a.eq_ignore_ascii_case(b) };
        let mut found = Vec::new();
        for (at, name, value) in &entries {
            if *at != section && !(kind == "properties" && at.is_empty()) {
                continue;
            }
            let fits = if is_regex {
                regex::search(&*regex::compile(&key, !case, false)?, name, "search")?.is_some()
            } else {
                same(name, &key)
            };
            if fits {
                found.push(Val::from(value.as_str()));
            }
        }
        match (found.is_empty(), &default) {
            (false, _) if is_regex => out.extend(found),
            (false, _) => out.extend(found.pop()),
            (true, Some(default)) => out.push(default.clone()),
            (true, None) if is_regex => {}
            (true, None) => out.push(Val::V(Value::from(""))),
        }
    }
    Ok(out)
}

fn ini_entries(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut out: Vec<(String, String, String)> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let Some((_, _, value)) = out.last_mut()
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
            name.clone_into(&mut section);
            continue;
        }
        let (name, value) = match trimmed.find(['=', ':']) {
            Some(at) => (trimmed[..at].trim(), trimmed[at + 1..].trim()),
            None => (trimmed, ""),
        };
        out.push((section.clone(), name.to_owned(), value.to_owned()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quoted_cells_and_continued_values() {
        assert_eq!(rows("a,\"b,\"\"c\"\nd,e", ','), [vec!["a", "b,\"c"], vec!["d", "e"]]);
        let entries = ini_entries("[x]\na = 1\n  2\n[y]\nb: c\n");
        assert_eq!(entries[0], ("x".into(), "a".into(), "1\n2".into()));
        assert_eq!(entries[1], ("y".into(), "b".into(), "c".into()));
    }
}
