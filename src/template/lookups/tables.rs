//! `csvfile`.

use super::super::args::{Args, Call};
use super::super::codec;
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::{kv, texts};

fn read(call: &Call, name: &str) -> R<Vec<u8>> {
    let host = call.cx().templates.host();
    let path = host.find("files", name, &call.ev.env.scope);
    let path = path.ok_or_else(|| {
        let words = "expected str, bytes or os.PathLike object, not NoneType";
        Fail::said(format!("the file `{name}` was not found"), words)
    })?;
    Ok(host.read(&path)?)
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

/// The options of `csvfile`, as they stand.
#[derive(Clone)]
struct Options {
    file: String,
    delimiter: String,
    col: String,
    keycol: String,
    encoding: String,
    default: Option<Val>,
}

impl Options {
    fn set(&mut self, name: &str, value: String) -> R<()> {
        match name {
            "file" => self.file = value,
            "delimiter" => self.delimiter = value,
            "col" => self.col = value,
            "keycol" => self.keycol = value,
            "encoding" => self.encoding = value,
            "default" => self.default = Some(Val::from(value)),
            _ => {
                let words = format!("'{name}' is not a valid option");
                return Err(Fail::said(format!("there is no option `{name}`"), words));
            }
        }
        Ok(())
    }

    fn delimiter(&self) -> R<char> {
        if self.delimiter == "TAB" {
            return Ok('\t');
        }
        let mut chars = self.delimiter.chars();
        match (chars.next(), chars.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(Fail::said(
                format!("the delimiter `{}` is not one character", self.delimiter),
                "\"delimiter\" must be a 1-character string",
            )),
        }
    }
}

/// The cell of a column; those below zero count from the end.
fn cell(row: &[String], col: i64) -> R<&String> {
    let index = if col < 0 { i64::try_from(row.len()).unwrap_or(i64::MAX) + col } else { col };
    usize::try_from(index)
        .ok()
        .and_then(|index| row.get(index))
        .ok_or_else(|| Fail::said(format!("a row has no column {col}"), "list index out of range"))
}

/// A cell of a table by the key in its key column.
pub fn csvfile(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let no_key = || Fail::said("`csvfile` needs the key to look for", "Search key is required but was not found");
    let mut options = Options {
        file: "ansible.csv".to_owned(),
        delimiter: "TAB".to_owned(),
        col: "1".to_owned(),
        keycol: "0".to_owned(),
        encoding: "utf-8".to_owned(),
        default: None,
    };
    for name in ["file", "delimiter", "col", "keycol", "encoding"] {
        if let Some(text) = args.text(call, usize::MAX, name)? {
            options.set(name, text.to_string())?;
        }
    }
    options.default = args.take_kw("default").filter(|default| !default.is_none());
    if terms.is_empty() {
        return Err(no_key());
    }
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let term = kv::parse(&term)?;
        let key = term.raw.ok_or_else(no_key)?;
        // What one term sets counts for those after it, as it does there.
        for (name, value) in term.options {
            options.set(&name, value)?;
        }
        let number = |name: &str, text: &str| {
            text.trim().parse::<i64>().map_err(|_| {
                Fail::said(
                    format!("`{name}` must be a number, not `{text}`"),
                    format!(
                        "Config '{name}' for 'csvfile' lookup plugin from 'Direct' has an invalid value: Invalid value provided for 'int': {}",
                        crate::value::python_repr(&crate::value::Value::from(text))
                    ),
                )
            })
        };
        let (col, key_col) = (number("col", &options.col)?, number("keycol", &options.keycol)?);
        let delimiter = options.delimiter()?;
        let text = codec::decode(&read(call, &options.file)?, &options.encoding)?;
        let mut found = None;
        for row in rows(&text, delimiter) {
            if *cell(&row, key_col)? == key {
                found = Some(Val::from(cell(&row, col)?.as_str()));
                break;
            }
        }
        match found.or_else(|| options.default.clone()) {
            Some(Val::List(list)) => out.extend(list.items(call.cx())?),
            Some(found) => out.push(found),
            None => {}
        }
    }
    Ok(out)
}

/// The rows of a table; lines without anything are none.
pub fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    // Inside of quotes; and whether anything of the cell was seen (`""` is an empty cell, not the start of one).
    let (mut quoted, mut begun) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                '\n'
            }
            other => other,
        };
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted => quoted = false,
            '"' if !begun => (quoted, begun) = (true, true),
            c if !quoted && c == delimiter => {
                row.push(std::mem::take(&mut cell));
                begun = false;
            }
            '\n' if !quoted => {
                if begun || !row.is_empty() {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                begun = false;
            }
            c => {
                cell.push(c);
                begun = true;
            }
        }
    }
    if begun || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cells_as_python_does() {
        assert_eq!(rows("a,\"b,\"\"c\"\nd,e", ','), [vec!["a", "b,\"c"], vec!["d", "e"]]);
        assert_eq!(rows("\"\",x\r\n\r\n\n,\n\"a\nb\",\"c\"d", ','), [vec!["", "x"], vec!["", ""], vec!["a\nb", "cd"]]);
        assert_eq!(rows("a \"b\" c", ' '), [["a", "b", "c"]]);
        assert_eq!(rows("", ','), Vec::<Vec<String>>::new());
    }

    #[test]
    fn columns_count_from_both_ends() {
        let row = ["a".to_owned(), "b".to_owned()];
        assert_eq!(cell(&row, -1).ok().map(String::as_str), Some("b"));
        assert_eq!(cell(&row, 0).ok().map(String::as_str), Some("a"));
        assert!(cell(&row, 2).is_err() && cell(&row, -3).is_err());
    }
}
