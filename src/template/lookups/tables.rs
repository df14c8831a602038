//! `csvfile`.

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::texts;

fn read(call: &Call, name: &str) -> R<String> {
    let host = call.cx().templates.host();
    let path = host.find("files", name, &call.ev.env.scope);
    let path = path.ok_or_else(|| {
        let words = "expected str, bytes or os.PathLike object, not NoneType";
        Fail::said(format!("the file `{name}` was not found"), words)
    })?;
    Ok(String::from_utf8_lossy(&host.read(&path)?).into_owned())
}

/// `key=value` options may stand in the term itself: the key and the options, or what is wrong.
pub fn term_options(term: &str, known: &[&str]) -> R<(Option<String>, Vec<(String, String)>)> {
    if !term.contains('=') && !term.trim().contains(' ') {
        return Ok((Some(term.to_owned()), Vec::new()));
    }
    let mut key: Vec<&str> = Vec::new();
    let mut options: Vec<(String, String)> = Vec::new();
    for part in term.split_whitespace() {
        match part.split_once('=') {
            Some((name, value)) if known.contains(&name) => options.push((name.to_owned(), value.to_owned())),
            Some((name, _)) if options.is_empty() => {
                let words = format!("'{name}' is not a valid option.");
                return Err(Fail::said(format!("there is no option `{name}`"), words));
            }
            _ => match options.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(part);
                }
                None => key.push(part),
            },
        }
    }
    Ok(((!key.is_empty()).then(|| key.join(" ")), options))
}

/// A term's words, and the options in it: whatever has a `=` must be one.
fn words_and_options(term: &str) -> R<(Option<String>, Vec<(String, String)>)> {
    const OPTIONS: [&str; 6] = ["file", "delimiter", "col", "keycol", "encoding", "default"];
    if !term.contains('=') {
        return Ok((Some(term.to_owned()), Vec::new()));
    }
    let mut key: Vec<&str> = Vec::new();
    let mut options: Vec<(String, String)> = Vec::new();
    for part in quoted_words(term) {
        match part.split_once('=') {
            Some((name, value)) if OPTIONS.contains(&name) => {
                options.push((name.to_owned(), unquoted(value.trim()).to_owned()));
            }
            Some((name, _)) => {
                let words = format!("'{name}' is not a valid option");
                return Err(Fail::said(format!("there is no option `{name}`"), words));
            }
            None => key.push(part),
        }
    }
    Ok(((!key.is_empty()).then(|| key.join(" ")), options))
}

/// The words of a text, which only blanks and line ends part; quotes keep together what is in them, and stay.
fn quoted_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut escaped) = (None, None, false);
    for (at, c) in text.char_indices() {
        let parts = quote.is_none() && matches!(c, ' ' | '\n');
        match (start, parts) {
            (Some(from), true) => {
                words.push(&text[from..at]);
                start = None;
            }
            (None, false) => start = Some(at),
            _ => {}
        }
        match quote {
            Some(open) if c == open && !escaped => quote = None,
            None if matches!(c, '"' | '\'') && !escaped => quote = Some(c),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    words.extend(start.map(|from| &text[from..]));
    words
}

/// A text without the quotes around the whole of it.
fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
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
    if terms.is_empty() {
        return Err(Fail::said("`csvfile` needs the key to look for", "Search key is required but was not found"));
    }
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let (key, options) = words_and_options(&term)?;
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
            Fail::said("`csvfile` needs the key to look for", "Search key is required but was not found")
        })?;
        let option = |name: &str, usual: &str| {
            options.iter().find(|(known, _)| known == name).map_or_else(|| usual.to_owned(), |(_, value)| value.clone())
        };
        let delimiter = match option("delimiter", &delimiter).as_str() {
            "TAB" | "t" => '\t',
            other => other.chars().next().unwrap_or(','),
        };
        let number = |name: &str, text: String| {
            text.parse::<usize>().map_err(|_| {
                let words = format!(
                    "Config '{name}' for 'csvfile' lookup plugin from 'Direct' has an invalid value: Invalid value provided for 'int': '{text}'"
                );
                Fail::said(format!("`{text}` is no column"), words)
            })
        };
        let (col, key_col) = (number("col", option("col", &col))?, number("keycol", option("keycol", &key_col))?);
        let text = read(call, &option("file", &file))?;
        let rows = rows(&text, delimiter);
        let found = match rows.iter().find(|row| row.get(key_col) == Some(&key)) {
            None => None,
            Some(row) => Some(row.get(col).ok_or_else(|| {
                Fail::said(format!("the row of `{key}` has no column {col}"), "list index out of range")
            })?),
        };
        let inline = options.iter().any(|(name, _)| name == "default").then(|| Val::from(option("default", "")));
        match (found, inline.as_ref().or(default.as_ref())) {
            (Some(cell), _) => out.push(Val::from(cell.as_str())),
            (None, Some(Val::List(list))) => out.extend(list.items(call.cx())?),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_may_hold_options() {
        let parsed = words_and_options("von Last file=a.csv delimiter=, col=1").ok().unwrap();
        assert_eq!(parsed.0.as_deref(), Some("von Last"));
        assert_eq!(parsed.1.len(), 3);
        assert!(words_and_options("a file=x nope=1").is_err());
        assert_eq!(words_and_options("file=x").ok().unwrap().0, None);
    }

    #[test]
    fn reads_quoted_cells() {
        assert_eq!(rows("a,\"b,\"\"c\"\nd,e", ','), [vec!["a", "b,\"c"], vec!["d", "e"]]);
    }
}
