//! What Python's `re` says of a wrong pattern: its parser (`re._parser`), for the words and the position only.

/// How deep groups may stand in each other before the pattern is left to the engine.
const MAX_DEPTH: usize = 100;
const FLAGS: &str = "iLmsxau";

/// Python's words for what is wrong with a pattern; `None` if nothing is. `bytes`: it is a bytes pattern.
pub fn pattern_error(pattern: &str, bytes: bool) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut parser =
        Parser { chars: &chars, index: 0, next: Token::default(), text: !bytes, groups: Vec::new(), depth: 0 };
    let (words, at) = match parser.whole() {
        Ok(()) | Err(Stop::Unknown) => return None,
        Err(Stop::Wrong(words, at)) => (words, at),
    };
    let lines = if chars.contains(&'\n') {
        let before = chars.get(..at).unwrap_or(&chars);
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rposition(|c| *c == '\n').map_or(at + 1, |newline| at - newline);
        format!(" (line {line}, column {column})")
    } else {
        String::new()
    };
    Some(format!("{words} at position {at}{lines}"))
}

/// Why parsing ended early.
enum Stop {
    /// The words and the position.
    Wrong(String, usize),
    /// The pattern has what is not looked into here.
    Unknown,
}

type Parsed<T> = Result<T, Stop>;

/// A character, or a backslash and one; nothing at the end.
type Token = Option<(char, Option<char>)>;

/// What a repetition would repeat.
#[derive(Clone, Copy, PartialEq)]
enum Item {
    Nothing,
    /// `^`, `\b`.
    Place,
    Repeat,
    Other,
}

struct Group {
    name: Option<String>,
    open: bool,
}

struct Parser<'p> {
    chars: &'p [char],
    /// Behind `next`.
    index: usize,
    next: Token,
    text: bool,
    groups: Vec<Group>,
    depth: usize,
}

fn width(token: Token) -> usize {
    match token {
        None => 0,
        Some((_, None)) => 1,
        Some(_) => 2,
    }
}

fn spelled(token: (char, Option<char>)) -> String {
    std::iter::once(token.0).chain(token.1).collect()
}

impl Parser<'_> {
    fn advance(&mut self) -> Parsed<()> {
        let Some(c) = self.chars.get(self.index) else {
            self.next = None;
            return Ok(());
        };
        self.index += 1;
        self.next = Some((*c, None));
        if *c == '\\' {
            let Some(escaped) = self.chars.get(self.index) else {
                return Err(Stop::Wrong("bad escape (end of pattern)".to_owned(), self.chars.len() - 1));
            };
            self.index += 1;
            self.next = Some((*c, Some(*escaped)));
        }
        Ok(())
    }

    fn get(&mut self) -> Parsed<Token> {
        let this = self.next;
        self.advance()?;
        Ok(this)
    }

    fn plain(&self) -> Option<char> {
        self.next.and_then(|(c, escaped)| escaped.is_none().then_some(c))
    }

    fn matches(&mut self, wanted: char) -> Parsed<bool> {
        let found = self.plain() == Some(wanted);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn tell(&self) -> usize {
        self.index - width(self.next)
    }

    fn wrong<T>(&self, words: impl Into<String>, back: usize) -> Parsed<T> {
        Err(Stop::Wrong(words.into(), self.tell().saturating_sub(back)))
    }

    /// Takes up to a number of characters of a kind.
    fn take_while(&mut self, most: usize, kind: impl Fn(char) -> bool) -> Parsed<String> {
        let mut taken = String::new();
        while taken.len() < most
            && let Some(c) = self.plain().filter(|c| kind(*c))
        {
            taken.push(c);
            self.advance()?;
        }
        Ok(taken)
    }

    fn until(&mut self, end: char, what: &str) -> Parsed<String> {
        let mut taken = String::new();
        loop {
            let this = self.next;
            self.advance()?;
            match this {
                None if taken.is_empty() => return self.wrong(format!("missing {what}"), 0),
                None => return self.wrong(format!("missing {end}, unterminated name"), taken.chars().count()),
                Some((c, None)) if c == end => {
                    return if taken.is_empty() { self.wrong(format!("missing {what}"), 1) } else { Ok(taken) };
                }
                Some(token) => taken.push_str(&spelled(token)),
            }
        }
    }

    fn group_name(&mut self, end: char) -> Parsed<String> {
        let name = self.until(end, "group name")?;
        let mut chars = name.chars();
        let good = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && chars.all(|c| c.is_alphanumeric() || c == '_');
        if good {
            Ok(name)
        } else {
            self.wrong(format!("bad character in group name '{name}'"), name.chars().count() + 1)
        }
    }

    fn whole(&mut self) -> Parsed<()> {
        self.advance()?;
        self.branches()?;
        if self.next.is_some() { self.wrong("unbalanced parenthesis", 0) } else { Ok(()) }
    }

    fn branches(&mut self) -> Parsed<()> {
        if self.depth > MAX_DEPTH {
            return Err(Stop::Unknown);
        }
        self.depth += 1;
        let mut first = self.depth == 1;
        loop {
            self.branch(first)?;
            first = false;
            if !self.matches('|')? {
                break;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn branch(&mut self, first: bool) -> Parsed<()> {
        let mut last = Item::Nothing;
        while let Some(token) = self.next {
            if matches!(token, ('|' | ')', None)) {
                break;
            }
            self.advance()?;
            last = match token {
                ('\\', Some(escaped)) => self.escape(escaped)?,
                ('[', _) => {
                    self.class()?;
                    Item::Other
                }
                (sign @ ('*' | '+' | '?' | '{'), _) => self.repeat(sign, last)?,
                ('^' | '$', _) => Item::Place,
                ('(', _) => self.group(first, last)?,
                _ => Item::Other,
            };
        }
        Ok(())
    }

    fn repeat(&mut self, sign: char, last: Item) -> Parsed<Item> {
        let here = self.tell();
        if sign == '{' {
            if self.plain() == Some('}') {
                return Ok(Item::Other);
            }
            let digit = |c: char| c.is_ascii_digit();
            let low = self.take_while(usize::MAX, digit)?;
            let high = if self.matches(',')? { self.take_while(usize::MAX, digit)? } else { low.clone() };
            if !self.matches('}')? {
                self.index = here;
                self.advance()?;
                return Ok(Item::Other);
            }
            if let (Ok(low), Ok(high)) = (low.parse::<u64>(), high.parse::<u64>())
                && high < low
            {
                return self.wrong("min repeat greater than max repeat", self.tell() - here);
            }
        }
        match last {
            Item::Nothing | Item::Place => return self.wrong("nothing to repeat", self.tell() - here + 1),
            Item::Repeat => return self.wrong("multiple repeat", self.tell() - here + 1),
            Item::Other => {}
        }
        if !self.matches('?')? {
            self.matches('+')?;
        }
        Ok(Item::Repeat)
    }

    /// `\x41` and the like, in a class and outside; the code of the character.
    fn coded(&mut self, c: char) -> Parsed<Option<u32>> {
        let digits = match c {
            'x' => 2,
            'u' if self.text => 4,
            'U' if self.text => 8,
            _ => return Ok(None),
        };
        let found = self.take_while(digits, |c| c.is_ascii_hexdigit())?;
        if found.len() != digits {
            return self.wrong(format!("incomplete escape \\{c}{found}"), found.len() + 2);
        }
        match u32::from_str_radix(&found, 16).ok().filter(|code| *code <= 0x10_ffff) {
            Some(code) => Ok(Some(code)),
            None => self.wrong(format!("bad escape \\{c}{found}"), found.len() + 2),
        }
    }

    fn escape(&mut self, c: char) -> Parsed<Item> {
        if matches!(c, 'A' | 'b' | 'B' | 'Z') {
            return Ok(Item::Place);
        }
        if "dDsSwWafnrtv\\".contains(c) || self.coded(c)?.is_some() {
            return Ok(Item::Other);
        }
        let octal = |c: char| c.is_digit(8);
        match c {
            'N' if self.text => return Err(Stop::Unknown),
            '0' => {
                self.take_while(2, octal)?;
            }
            '1'..='9' => {
                let mut digits = String::from(c);
                digits.push_str(&self.take_while(1, |c| c.is_ascii_digit())?);
                if digits.len() == 2 && digits.chars().all(octal) && self.plain().is_some_and(octal) {
                    digits.push_str(&self.take_while(1, octal)?);
                    if u32::from_str_radix(&digits, 8).unwrap_or(0) > 0o377 {
                        let words = format!("octal escape value \\{digits} outside of range 0-0o377");
                        return self.wrong(words, digits.len() + 1);
                    }
                    return Ok(Item::Other);
                }
                let number: usize = digits.parse().unwrap_or(0);
                match number.checked_sub(1).and_then(|at| self.groups.get(at)) {
                    Some(group) if group.open => return self.wrong("cannot refer to an open group", digits.len() + 1),
                    Some(_) => {}
                    None => return self.wrong(format!("invalid group reference {number}"), digits.len()),
                }
            }
            c if c.is_ascii_alphabetic() => return self.wrong(format!("bad escape \\{c}"), 2),
            _ => {}
        }
        Ok(Item::Other)
    }

    /// The character of an escape in a class; `None` for a category.
    fn class_escape(&mut self, c: char) -> Parsed<Option<u32>> {
        let plain = match c {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            _ => u32::from(c),
        };
        if "dDsSwW".contains(c) {
            return Ok(None);
        }
        if "abfnrtv\\".contains(c) {
            return Ok(Some(plain));
        }
        if let Some(code) = self.coded(c)? {
            return Ok(Some(code));
        }
        match c {
            'N' if self.text => Err(Stop::Unknown),
            '0'..='7' => {
                let mut digits = String::from(c);
                digits.push_str(&self.take_while(2, |c| c.is_digit(8))?);
                match u32::from_str_radix(&digits, 8).unwrap_or(0) {
                    code if code > 0o377 => {
                        let words = format!("octal escape value \\{digits} outside of range 0-0o377");
                        self.wrong(words, digits.len() + 1)
                    }
                    code => Ok(Some(code)),
                }
            }
            c if c.is_ascii_alphanumeric() => self.wrong(format!("bad escape \\{c}"), 2),
            _ => Ok(Some(plain)),
        }
    }

    fn member(&mut self, token: (char, Option<char>)) -> Parsed<Option<u32>> {
        match token.1 {
            Some(escaped) => self.class_escape(escaped),
            None => Ok(Some(u32::from(token.0))),
        }
    }

    fn class(&mut self) -> Parsed<()> {
        let here = self.tell() - 1;
        let open = |parser: &Self| parser.wrong("unterminated character set", parser.tell() - here);
        self.matches('^')?;
        let mut empty = true;
        loop {
            let Some(this) = self.get()? else { return open(self) };
            if this == (']', None) && !empty {
                return Ok(());
            }
            empty = false;
            let low = self.member(this)?;
            if !self.matches('-')? {
                continue;
            }
            let Some(that) = self.get()? else { return open(self) };
            if that == (']', None) {
                return Ok(());
            }
            let high = self.member(that)?;
            if !matches!((low, high), (Some(low), Some(high)) if low <= high) {
                let words = format!("bad character range {}-{}", spelled(this), spelled(that));
                return self.wrong(words, width(Some(this)) + 1 + width(Some(that)));
            }
        }
    }

    fn group(&mut self, first: bool, last: Item) -> Parsed<Item> {
        let start = self.tell() - 1;
        let mut name = None;
        let mut capture = true;
        if self.matches('?')? {
            capture = false;
            let Some(token) = self.get()? else { return self.wrong("unexpected end of pattern", 0) };
            match token {
                ('P', None) if self.matches('<')? => {
                    name = Some(self.group_name('>')?);
                    capture = true;
                }
                ('P', None) if self.matches('=')? => {
                    let name = self.group_name(')')?;
                    let back = name.chars().count() + 1;
                    return match self.groups.iter().find(|group| group.name.as_ref() == Some(&name)) {
                        None => self.wrong(format!("unknown group name '{name}'"), back),
                        Some(group) if group.open => self.wrong("cannot refer to an open group", back),
                        Some(_) => Ok(Item::Other),
                    };
                }
                (sign @ ('P' | '<'), None) => {
                    let Some(token) = self.get()? else { return self.wrong("unexpected end of pattern", 0) };
                    if sign == 'P' || !matches!(token, ('=' | '!', None)) {
                        return self
                            .wrong(format!("unknown extension ?{sign}{}", spelled(token)), width(Some(token)) + 2);
                    }
                }
                ('#', None) => loop {
                    match self.get()? {
                        None => return self.wrong("missing ), unterminated comment", self.tell() - start),
                        Some((')', None)) => return Ok(last),
                        Some(_) => {}
                    }
                },
                (':' | '=' | '!' | '>', None) => {}
                // A choice by a group: the engine knows.
                ('(', None) => return Err(Stop::Unknown),
                (flag, None) if flag == '-' || FLAGS.contains(flag) => {
                    if !self.flags(flag)? {
                        if self.text && (!first || last != Item::Nothing) {
                            let words = "global flags not at the start of the expression";
                            return self.wrong(words, self.tell() - start);
                        }
                        return Ok(last);
                    }
                }
                other => return self.wrong(format!("unknown extension ?{}", spelled(other)), width(Some(other)) + 1),
            }
        }
        let number = self.groups.len();
        if capture {
            if let Some(name) = &name
                && let Some(at) = self.groups.iter().position(|group| group.name.as_ref() == Some(name))
            {
                let words =
                    format!("redefinition of group name '{name}' as group {}; was group {}", number + 1, at + 1);
                return self.wrong(words, name.chars().count() + 1);
            }
            self.groups.push(Group { name, open: true });
        }
        self.branches()?;
        if !self.matches(')')? {
            return self.wrong("missing ), unterminated subpattern", self.tell() - start);
        }
        if capture && let Some(group) = self.groups.get_mut(number) {
            group.open = false;
        }
        Ok(Item::Other)
    }

    /// Inline flags; true if a group follows them.
    fn flags(&mut self, first: char) -> Parsed<bool> {
        let mut flag = first;
        let said = |words: &'static str, c: char| if c.is_alphabetic() { "unknown flag" } else { words };
        while flag != '-' {
            match flag {
                // White space and comments mean nothing then.
                'x' => return Err(Stop::Unknown),
                'L' if self.text => {
                    return self.wrong("bad inline flags: cannot use 'L' flag with a str pattern", 0);
                }
                'u' if !self.text => {
                    return self.wrong("bad inline flags: cannot use 'u' flag with a bytes pattern", 0);
                }
                _ => {}
            }
            match self.get()? {
                None => return self.wrong("missing -, : or )", 0),
                Some((')', None)) => return Ok(false),
                Some((':', None)) => return Ok(true),
                Some((c, None)) if c == '-' || FLAGS.contains(c) => flag = c,
                Some(token) => return self.wrong(said("missing -, : or )", token.0), width(Some(token))),
            }
        }
        let mut missing = "missing flag";
        loop {
            match self.get()? {
                None => return self.wrong(missing, 0),
                Some((':', None)) if missing == "missing :" => return Ok(true),
                Some((c, None)) if FLAGS.contains(c) => missing = "missing :",
                Some(token) => return self.wrong(said(missing, token.0), width(Some(token))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pattern_error;

    #[test]
    fn says_what_python_says() {
        let check = |pattern: &str, expected: Option<&str>| {
            assert_eq!(pattern_error(pattern, false).as_deref(), expected, "{pattern:?}");
        };
        check("[", Some("unterminated character set at position 0"));
        check("(", Some("missing ), unterminated subpattern at position 0"));
        check(")", Some("unbalanced parenthesis at position 0"));
        check("*", Some("nothing to repeat at position 0"));
        check("a**", Some("multiple repeat at position 2"));
        check("a{2", None);
        check("a{2,1}", Some("min repeat greater than max repeat at position 2"));
        check("^*", Some("nothing to repeat at position 1"));
        check(r"\q", Some(r"bad escape \q at position 0"));
        check(r"\Q", Some(r"bad escape \Q at position 0"));
        check(r"\", Some("bad escape (end of pattern) at position 0"));
        check(r"ab\", Some("bad escape (end of pattern) at position 2"));
        check("[z-a]", Some("bad character range z-a at position 1"));
        check(r"[\d-z]", Some(r"bad character range \d-z at position 1"));
        check(r"[a-\d]", Some(r"bad character range a-\d at position 1"));
        check("[a", Some("unterminated character set at position 0"));
        check("[]", Some("unterminated character set at position 0"));
        check("[]a]", None);
        check("[^]", Some("unterminated character set at position 0"));
        check("[^]]", None);
        check("(?P<a>x)(?P<a>y)", Some("redefinition of group name 'a' as group 2; was group 1 at position 12"));
        check("(?P<a", Some("missing >, unterminated name at position 4"));
        check("(?P<>x)", Some("missing group name at position 4"));
        check("(?P<1a>x)", Some("bad character in group name '1a' at position 4"));
        check("(?P=a)", Some("unknown group name 'a' at position 4"));
        check("(?Px)", Some("unknown extension ?Px at position 1"));
        check("(?P", Some("unexpected end of pattern at position 3"));
        check("(?", Some("unexpected end of pattern at position 2"));
        check("(?<a>x)", Some("unknown extension ?<a at position 1"));
        check("(?<=a)b", None);
        check("(?z)", Some("unknown extension ?z at position 1"));
        check("(?#abc", Some("missing ), unterminated comment at position 0"));
        check("(?#abc)*", Some("nothing to repeat at position 7"));
        check(r"\1", Some("invalid group reference 1 at position 1"));
        check(r"(a)\1", None);
        check(r"(a\1)", Some("cannot refer to an open group at position 2"));
        check(r"(a)\2", Some("invalid group reference 2 at position 4"));
        check(r"\x4", Some(r"incomplete escape \x4 at position 0"));
        check(r"\x41", None);
        check(r"\u12", Some(r"incomplete escape \u12 at position 0"));
        check(r"\u0041", None);
        check(r"\U00110000", Some(r"bad escape \U00110000 at position 0"));
        check(r"[\x4]", Some(r"incomplete escape \x4 at position 1"));
        check(r"[\8]", Some(r"bad escape \8 at position 1"));
        check(r"\400", Some(r"octal escape value \400 outside of range 0-0o377 at position 0"));
        check(r"\377", None);
        check(r"[\777]", Some(r"octal escape value \777 outside of range 0-0o377 at position 1"));
        check("a(b(c", Some("missing ), unterminated subpattern at position 3"));
        check("a)b", Some("unbalanced parenthesis at position 1"));
        check("a|*", Some("nothing to repeat at position 2"));
        check("(*)", Some("nothing to repeat at position 1"));
        check("(?:*)", Some("nothing to repeat at position 3"));
        check("(?i)a", None);
        check("a(?i)b", Some("global flags not at the start of the expression at position 1"));
        check("(?i:a)b", None);
        check("(?-i:a)", None);
        check("(?i-)", Some("missing flag at position 4"));
        check("(?iq)", Some("unknown flag at position 3"));
        check("(?i", Some("missing -, : or ) at position 3"));
        check("(?-", Some("missing flag at position 3"));
        check("x{,3}", None);
        check("x{,}", None);
        check("x{}", None);
        check("{", None);
        check("{2}", Some("nothing to repeat at position 0"));
        check("a{2}{3}", Some("multiple repeat at position 4"));
        check("a*?", None);
        check("a*+", None);
        check("a*??", Some("multiple repeat at position 3"));
        check(r"\b+", Some("nothing to repeat at position 2"));
        check("(^)*", None);
        check("$?", Some("nothing to repeat at position 1"));
        check("a++b", None);
        check(r"\Z", None);
        check(r"\z", Some(r"bad escape \z at position 0"));
        check(r"[\b]", None);
        check(r"[\A]", Some(r"bad escape \A at position 1"));
        check("[a-]", None);
        check("[-a]", None);
        check("[a-z-9]", None);
        check("(?>a)b", None);
        check("(?=a)*", None);
        check("(?!a", Some("missing ), unterminated subpattern at position 0"));
        check("(?L)a", Some("bad inline flags: cannot use 'L' flag with a str pattern at position 3"));
        check("(?u)a", None);
        check(r"\08", None);
        check("(?i)(?m)a", None);
        check("é[", Some("unterminated character set at position 1"));
        check("\\é", None);
        check(r"\ a", None);
        check(r"\_", None);
        check(r"\<a\>", None);
        check("[[:alpha:]", None);
        check(r#"^\s*(?P<q>["'])"#, None);
        check("(?:a|b", Some("missing ), unterminated subpattern at position 0"));
        check(r"^(?!#)\s*$", None);
        check("*.txt", Some("nothing to repeat at position 0"));
        check("+1", Some("nothing to repeat at position 0"));
        check("?", Some("nothing to repeat at position 0"));
        check(r"C:\Users", Some(r"incomplete escape \U at position 2"));
        check(r"\p{L}", Some(r"bad escape \p at position 0"));
        check(r"\e", Some(r"bad escape \e at position 0"));
        check(r"\h", Some(r"bad escape \h at position 0"));
        check(r"\K", Some(r"bad escape \K at position 0"));
        check(":ad!1", None);
        check("]a^", None);
        check("b|]P", None);
        check("(:?-", Some("missing ), unterminated subpattern at position 0"));
        check("+x.#b", Some("nothing to repeat at position 0"));
        check("#d[", Some("unterminated character set at position 2"));
        check(r"<<\", Some("bad escape (end of pattern) at position 2"));
        check("*(.", Some("nothing to repeat at position 0"));
        check("1+.+", None);
        check("a\nb)", Some("unbalanced parenthesis at position 3 (line 2, column 2)"));
        assert_eq!(pattern_error(r"\u0041", true).as_deref(), Some(r"bad escape \u at position 0"));
    }
}
