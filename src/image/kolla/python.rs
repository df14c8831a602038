//! Literals in Python files, read as data: `NAME = ...` at the left margin, with lists, dictionaries, texts,
//! numbers, names of earlier literals and calls (kept as such, never made). Everything else is [`Py::Other`].

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::value::{Key, Map, Value};

/// An expression of a Python file.
#[derive(Clone, Debug, PartialEq)]
pub enum Py {
    /// Text, number, boolean, `None`.
    Value(Value),
    /// List, tuple or set.
    List(Vec<Py>),
    /// Dictionary.
    Dict(Vec<(Py, Py)>),
    /// A call: the function's dotted name, arguments, named arguments.
    Call(String, Vec<Py>, Vec<(String, Py)>),
    /// What is not read.
    Other,
}

impl Py {
    /// The text of a literal text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Value(value) => value.as_str(),
            _ => None,
        }
    }

    /// The items of a list, tuple or set; an empty dictionary is an empty set.
    pub fn items(&self) -> Option<&[Py]> {
        match self {
            Self::List(items) => Some(items),
            Self::Dict(pairs) if pairs.is_empty() => Some(&[]),
            _ => None,
        }
    }

    /// As data; nothing if a part of it is a call or unread.
    pub fn data(&self) -> Option<Value> {
        Some(match self {
            Self::Value(value) => value.clone(),
            Self::List(items) => Value::List(items.iter().map(Self::data).collect::<Option<Vec<_>>>()?.into()),
            Self::Dict(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| Some((Key::from_value(&key.data()?)?, value.data()?)));
                Value::Map(pairs.collect::<Option<Map>>()?.into())
            }
            Self::Call(..) | Self::Other => return None,
        })
    }
}

/// What a file assigns at its left margin, the last of each name. `known` are names whose values are given. Of a
/// file over the limits of [`checked_assignments`], what stands before the first that is over them.
pub fn assignments(text: &str, known: &BTreeMap<String, Py>) -> BTreeMap<String, Py> {
    read_assignments(text, known).0
}

/// As [`assignments`]; the line (from one) and what is wrong if the file is nested too deeply, or if its values
/// would take more than 64 MiB when those of earlier names are written out.
pub fn checked_assignments(
    text: &str,
    known: &BTreeMap<String, Py>,
) -> Result<BTreeMap<String, Py>, (usize, &'static str)> {
    match read_assignments(text, known) {
        (_, Some((at, problem))) => Err((text.as_bytes()[..at].split(|byte| *byte == b'\n').count(), problem)),
        (names, None) => Ok(names),
    }
}

type Excess = (usize, &'static str);

fn read_assignments(text: &str, known: &BTreeMap<String, Py>) -> (BTreeMap<String, Py>, Option<Excess>) {
    let mut names = known.clone();
    let limits = Limits { left: Cell::new(MOST), excess: Cell::new(None) };
    let mut at = 0;
    while at < text.len() {
        let line = &text[at..];
        let end = line.find('\n').map_or(text.len(), |end| at + end + 1);
        let word: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let rest = line[word.len()..].trim_start_matches([' ', '\t']);
        let assigned = !word.is_empty() && rest.starts_with('=') && !rest.starts_with("==");
        if !assigned {
            // A text over several lines (a docstring) is stepped over whole.
            at = if rest.starts_with(['"', '\'']) || word.is_empty() && line.starts_with(['"', '\'']) {
                let mut reader = Reader { text, at, depth: 0, nested: 0, names: &names, limits: &limits };
                reader.string().map_or(end, |_| reader.at.max(at + 1))
            } else {
                end
            };
            continue;
        }
        let start = text.len() - rest.len() + 1;
        let mut reader = Reader { text, at: start, depth: 0, nested: 0, names: &names, limits: &limits };
        let found = reader.expression();
        let stopped = reader.at;
        if !known.contains_key(&word) {
            names.insert(word, if limits.excess.get().is_some() { Py::Other } else { found });
        }
        if let Some(excess) = limits.excess.get() {
            return (names, Some(excess));
        }
        // On to the line after the one in which the reader stopped.
        let from = stopped.clamp(at, text.len());
        at = text[from..].find('\n').map_or(text.len(), |end| from + end + 1);
    }
    (names, None)
}

/// Deepest nesting that is read: brackets and signs.
const DEEPEST: usize = 50;

/// Bytes that all values made of one file may take, copies of earlier names included.
const MOST: usize = 64 << 20;

/// What one item takes at least.
const ITEM: usize = 64;

struct Limits {
    left: Cell<usize>,
    /// The place of the first thing over a limit.
    excess: Cell<Option<Excess>>,
}

/// Bytes of a value when nothing of it is shared.
fn weight(value: &Py) -> usize {
    let all = |items: &[Py]| items.iter().map(weight).sum::<usize>();
    ITEM + match value {
        Py::Value(value) => value.as_str().map_or(0, str::len),
        Py::List(items) => all(items),
        Py::Dict(pairs) => pairs.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
        Py::Call(name, args, named) => {
            name.len() + all(args) + named.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>()
        }
        Py::Other => 0,
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Open brackets: line ends count for nothing in them.
    depth: usize,
    /// Expressions that are being read, each in the one before.
    nested: usize,
    names: &'a BTreeMap<String, Py>,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Ends the reading: something is over a limit.
    fn over(&mut self, problem: &'static str) -> Py {
        if self.limits.excess.get().is_none() {
            self.limits.excess.set(Some((self.at.min(self.text.len()), problem)));
        }
        self.at = self.text.len();
        Py::Other
    }

    /// Counts bytes that a value takes; false, and the end of the reading, if they are too many.
    fn charge(&mut self, bytes: usize) -> bool {
        match self.limits.left.get().checked_sub(bytes) {
            Some(left) => self.limits.left.set(left),
            None => {
                self.over("the values of this file take more than 64 MiB");
                return false;
            }
        }
        true
    }

    /// White space, comments, continued lines.
    fn space(&mut self) {
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return };
            match c {
                '\n' if self.depth > 0 => self.at += 1,
                '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
                '\\' if rest[1..].starts_with('\n') => self.at += 2,
                ' ' | '\t' | '\r' | '\x0c' => self.at += 1,
                _ => return,
            }
        }
    }

    fn take(&mut self, token: char) -> bool {
        self.space();
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len_utf8();
        }
        there
    }

    /// One expression; if more stands before its end, it is read over and the whole is `Other`.
    fn expression(&mut self) -> Py {
        let mut found = self.primary();
        loop {
            self.space();
            match self.rest().chars().next() {
                None | Some(',' | ')' | ']' | '}' | ':' | '\n' | ';') => return found,
                Some('+') => {
                    self.at += 1;
                    let next = self.primary();
                    // The sum of texts is a new text.
                    let texts = found.text().map_or(0, str::len) + next.text().map_or(0, str::len);
                    if !self.charge(texts) {
                        return Py::Other;
                    }
                    found = sum(found, next);
                }
                Some(_) => {
                    self.skip();
                    return Py::Other;
                }
            }
        }
    }

    /// Over all up to the comma, colon or bracket that ends this expression.
    fn skip(&mut self) {
        let mut open = 0_usize;
        loop {
            self.space();
            let Some(c) = self.rest().chars().next() else { return };
            match c {
                '\n' if open == 0 => return,
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' if open == 0 => return,
                ')' | ']' | '}' => open -= 1,
                ',' | ':' if open == 0 => return,
                '"' | '\'' => {
                    if self.string().is_none() {
                        self.at = self.text.len();
                    }
                    continue;
                }
                _ => {}
            }
            self.at += c.len_utf8();
        }
    }

    fn primary(&mut self) -> Py {
        self.space();
        if self.nested > DEEPEST {
            return self.over("more than 50 brackets or signs are nested");
        }
        if !self.charge(ITEM) {
            return Py::Other;
        }
        self.nested += 1;
        let found = self.inner();
        self.nested -= 1;
        found
    }

    fn inner(&mut self) -> Py {
        let Some(c) = self.rest().chars().next() else { return Py::Other };
        match c {
            '(' => {
                let (items, commas) = self.list(')');
                match <[Py; 1]>::try_from(items) {
                    Ok([only]) if !commas => only,
                    Ok(only) => Py::List(only.into()),
                    Err(items) => Py::List(items),
                }
            }
            '[' => Py::List(self.list(']').0),
            '{' => self.braces(),
            '-' => {
                self.at += 1;
                match self.primary() {
                    Py::Value(Value::Int(number)) => Py::Value(Value::Int(number.saturating_neg())),
                    Py::Value(Value::Float(number)) => Py::Value(Value::Float(-number)),
                    _ => Py::Other,
                }
            }
            '0'..='9' => self.number(),
            _ if self.at_string() => self.strings(),
            c if c.is_alphabetic() || c == '_' => self.name(),
            _ => {
                self.skip();
                Py::Other
            }
        }
    }

    /// Items up to `end`, and whether a comma was among them.
    fn list(&mut self, end: char) -> (Vec<Py>, bool) {
        self.at += 1;
        self.depth += 1;
        let mut items = Vec::new();
        let mut commas = false;
        while !self.take(end) && self.at < self.text.len() {
            let before = self.at;
            items.push(self.expression());
            commas |= self.take(',');
            self.forced(before);
        }
        self.depth -= 1;
        (items, commas)
    }

    /// Never stands still: over a character that fits nothing.
    fn forced(&mut self, before: usize) {
        if self.at == before {
            self.at += self.rest().chars().next().map_or(1, char::len_utf8);
        }
    }

    fn braces(&mut self) -> Py {
        self.at += 1;
        self.depth += 1;
        let mut pairs = Vec::new();
        let mut items = Vec::new();
        while !self.take('}') && self.at < self.text.len() {
            let before = self.at;
            let key = self.expression();
            if self.take(':') {
                pairs.push((key, self.expression()));
            } else {
                items.push(key);
            }
            self.take(',');
            self.forced(before);
        }
        self.depth -= 1;
        match (items.is_empty(), pairs.is_empty()) {
            (true, _) => Py::Dict(pairs),
            (false, true) => Py::List(items),
            _ => Py::Other,
        }
    }

    fn number(&mut self) -> Py {
        let end = self.rest().find(|c: char| !c.is_alphanumeric() && c != '.' && c != '_');
        let end = end.unwrap_or(self.rest().len());
        let word = self.rest()[..end].replace('_', "");
        self.at += end;
        let radix = |digits: &str, radix| i128::from_str_radix(digits, radix).ok().map(Value::Int);
        let lower = word.to_ascii_lowercase();
        let value = if let Some(digits) = lower.strip_prefix("0x") {
            radix(digits, 16)
        } else if let Some(digits) = lower.strip_prefix("0o") {
            radix(digits, 8)
        } else if lower.contains(['.', 'e']) {
            lower.parse().ok().map(Value::Float)
        } else {
            radix(&lower, 10)
        };
        value.map_or(Py::Other, Py::Value)
    }

    fn name(&mut self) -> Py {
        let end = self.rest().find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
        let end = end.unwrap_or(self.rest().len());
        let name = self.rest()[..end].to_owned();
        self.at += end;
        self.space();
        if self.rest().starts_with('(') {
            return self.call(name);
        }
        if self.rest().starts_with('[') {
            self.skip();
            return Py::Other;
        }
        match name.as_str() {
            "True" => Py::Value(Value::Bool(true)),
            "False" => Py::Value(Value::Bool(false)),
            "None" => Py::Value(Value::Null),
            _ => {
                let names = self.names;
                let Some(value) = names.get(&name) else { return Py::Other };
                if self.charge(weight(value)) { value.clone() } else { Py::Other }
            }
        }
    }

    fn call(&mut self, function: String) -> Py {
        self.at += 1;
        self.depth += 1;
        let mut args = Vec::new();
        let mut named = Vec::new();
        while !self.take(')') && self.at < self.text.len() {
            let before = self.at;
            let rest = self.rest();
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let after = rest[end..].trim_start();
            if end > 0 && after.starts_with('=') && !after.starts_with("==") {
                let name = rest[..end].to_owned();
                self.at = self.text.len() - after.len() + 1;
                named.push((name, self.expression()));
            } else {
                args.push(self.expression());
            }
            self.take(',');
            self.forced(before);
        }
        self.depth -= 1;
        self.space();
        // What follows on a call (a method of its result, an index) is not read.
        if self.rest().starts_with(['.', '[', '(']) {
            self.skip();
            return Py::Other;
        }
        Py::Call(function, args, named)
    }

    fn at_string(&self) -> bool {
        let rest = self.rest();
        let letters = rest.find(['"', '\'']).unwrap_or(rest.len());
        letters <= 2 && letters < rest.len() && rest[..letters].chars().all(|c| "rRbBuUfF".contains(c))
    }

    /// Adjacent texts are one.
    fn strings(&mut self) -> Py {
        let mut text = String::new();
        let mut plain = true;
        while self.at_string() {
            match self.string() {
                Some((part, literal)) => {
                    text.push_str(&part);
                    plain &= literal;
                }
                None => {
                    self.at = self.text.len();
                    return Py::Other;
                }
            }
            self.space();
        }
        if !self.charge(text.len()) {
            return Py::Other;
        }
        if plain { Py::Value(Value::from(text)) } else { Py::Other }
    }

    /// One text and whether it is a literal (no `f"{}"`, no bytes); nothing if it does not end.
    fn string(&mut self) -> Option<(String, bool)> {
        let rest = self.rest();
        let quote_at = rest.find(['"', '\''])?;
        let prefix = rest[..quote_at].to_ascii_lowercase();
        let quote = &rest[quote_at..=quote_at];
        let triple = quote.repeat(3);
        let close = if rest[quote_at..].starts_with(&triple) { triple.as_str() } else { quote };
        let body_at = quote_at + close.len();
        let raw = prefix.contains('r');
        let body = &rest[body_at..];
        let mut out = String::new();
        let mut chars = body.char_indices();
        while let Some((place, c)) = chars.next() {
            if body[place..].starts_with(close) {
                let end = self.at + body_at + place + close.len();
                self.at = end;
                return Some((out, !prefix.contains(['f', 'b'])));
            }
            match c {
                '\n' if close.len() == 1 => return None,
                '\\' => {
                    let (_, next) = chars.next()?;
                    if raw {
                        out.extend(['\\', next]);
                    } else {
                        escape(next, &mut chars, body, &mut out);
                    }
                }
                c => out.push(c),
            }
        }
        None
    }
}

fn escape(c: char, chars: &mut std::str::CharIndices<'_>, body: &str, out: &mut String) {
    let mut digits = |count: usize, radix: u32, out: &mut String| {
        let at = chars.clone().next().map_or(body.len(), |(at, _)| at);
        let code: String = body[at..].chars().take(count).take_while(|c| c.is_digit(radix)).collect();
        for _ in 0..code.len() {
            chars.next();
        }
        out.extend(u32::from_str_radix(&code, radix).ok().and_then(char::from_u32));
    };
    match c {
        '\n' => {}
        'n' => out.push('\n'),
        't' => out.push('\t'),
        'r' => out.push('\r'),
        '0' => out.push('\0'),
        '\\' | '\'' | '"' => out.push(c),
        'x' => digits(2, 16, out),
        'u' => digits(4, 16, out),
        'U' => digits(8, 16, out),
        other => out.extend(['\\', other]),
    }
}

fn sum(left: Py, right: Py) -> Py {
    match (left, right) {
        (Py::Value(Value::Str(left)), Py::Value(Value::Str(right))) => Py::Value(Value::from(format!("{left}{right}"))),
        (Py::List(mut left), Py::List(right)) => {
            left.extend(right);
            Py::List(left)
        }
        _ => Py::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BTreeMap<String, Py> {
        assignments(text, &BTreeMap::from([("given".to_owned(), Py::Value(Value::from("G")))]))
    }

    fn shown(text: &str) -> String {
        let found = read(&format!("X = {text}\n"));
        match &found["X"] {
            Py::Other => "other".to_owned(),
            Py::Call(name, args, named) => format!("{name}{}{}", args.len(), named.len()),
            value => value.data().map_or("no data".to_owned(), |value| crate::value::python_repr(&value)),
        }
    }

    fn refused(text: &str) -> (usize, &'static str) {
        checked_assignments(text, &BTreeMap::new()).unwrap_err()
    }

    #[test]
    fn values_that_double_with_each_line_are_refused_with_their_line() {
        for (first, next) in
            [("['x']", "A + A"), ("['x']", "[A, A]"), ("'x'", "A + A"), ("{'a': 1}", "{'a': A, 'b': A}")]
        {
            let text = format!("A = {first}\n{}", format!("A = {next}\n").repeat(60));
            let (line, problem) = refused(&text);
            assert!((10..40).contains(&line) && problem.contains("64 MiB"), "{next}: {line} {problem}");
        }
        let calm = format!("A = ['x']\n{}", "A = A + ['x']\n".repeat(100));
        assert!(checked_assignments(&calm, &BTreeMap::new()).is_ok());
    }

    #[test]
    fn deep_nesting_is_refused_with_its_line() {
        for open in ["-", "[", "(", "{", "{1:", "f(", "[-", "- ", "1 + -"] {
            let text = format!("B = 1\nA = {}1\n", open.repeat(200_000));
            if open == "1 + -" {
                assert!(checked_assignments(&text, &BTreeMap::new()).is_ok());
                continue;
            }
            let (line, problem) = refused(&text);
            assert!(line == 2 && problem.contains("nested"), "{open}: {line} {problem}");
        }
        assert_eq!(shown("--1"), "1");
    }

    #[test]
    fn literals_are_data() {
        assert_eq!(
            shown("{'a': {'uid': 42400, 'gid': -1}, \"b\": [None, True, 1.5,]}"),
            "{'a': {'uid': 42400, 'gid': -1}, 'b': [None, True, 1.5]}"
        );
        assert_eq!(shown("('one'\n     \"two\")  # noqa"), "'onetwo'");
        assert_eq!(shown("{\n 'x',  # why\n 'y',\n}"), "['x', 'y']");
        assert_eq!(shown("('x',)"), "['x']");
        assert_eq!(shown("r'\\d' + '\\n\\x41\\u00e4\\q'"), r"'\\d\nAä\\q'");
        assert_eq!(shown("'''a\nb'''"), "'a\\nb'");
        assert_eq!(shown("[given] + ['x']"), "['G', 'x']");
    }

    #[test]
    fn what_is_no_literal_is_read_over() {
        assert_eq!(shown("os.uname()[4]"), "other");
        assert_eq!(shown("f'{x}'"), "other");
        assert_eq!(shown("[i for i in range(3)]"), "no data");
        assert_eq!(shown("cfg.StrOpt('a', default='b', help=('x {}'.format(', '.join(y))))"), "cfg.StrOpt12");
        assert_eq!(shown("unknown"), "other");
        for broken in ["[", "{'a'", "'", "((((", "{:}", "]", "f(=)", "\\", "{'a' 'b': [}, )", "-"] {
            let _ = shown(broken);
        }
        let _ = shown(&"[".repeat(100_000));
    }

    #[test]
    fn only_the_left_margin_counts() {
        let found = read(
            "\"\"\"doc\nA = 1\n\"\"\"\nimport os\nB = 'b'\nif x:\n    B = 'c'\nC = B\ngiven = 'no'\nB == 1\ndef f():\n    D = 1\n",
        );
        assert_eq!(found.get("A"), None);
        assert_eq!(found["B"].text(), Some("b"));
        assert_eq!(found["C"].text(), Some("b"));
        assert_eq!(found["given"].text(), Some("G"));
        assert_eq!(found.get("D"), None);
    }
}
