//! What Python's `re.sub` puts in a match's place: `\1`, `\g<1>`, `\g<name>`, `\n` and the like.

/// A replacement that was read.
#[derive(Clone, Debug)]
pub struct Replacement(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Group(usize),
}

/// An error as Python words it.
fn at(words: impl std::fmt::Display, place: usize) -> String {
    format!("{words} at position {place}")
}

impl Replacement {
    /// Reads a replacement for a pattern whose groups have these names, the whole match first. The error is Python's.
    pub fn parse(template: &str, names: &[Option<String>]) -> Result<Self, String> {
        let chars: Vec<char> = template.chars().collect();
        let (mut parts, mut text, mut place) = (Vec::new(), String::new(), 0);
        let mut group = |text: &mut String, index: usize, place: usize| {
            if index >= names.len() {
                return Err(at(format_args!("invalid group reference {index}"), place));
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(text)));
            }
            parts.push(Part::Group(index));
            Ok(())
        };
        while let Some(c) = chars.get(place).copied() {
            if c != '\\' {
                text.push(c);
                place += 1;
                continue;
            }
            let begin = place;
            place += 2;
            let Some(next) = chars.get(begin + 1).copied() else {
                return Err(at("bad escape (end of pattern)", begin));
            };
            match next {
                'g' => {
                    let name = named(&chars, place)?;
                    let index = match name.parse::<usize>() {
                        Ok(index) if name.bytes().all(|byte| byte.is_ascii_digit()) => index,
                        _ if !is_identifier(&name) => {
                            let shown = super::python_repr(&super::Value::from(name.as_str()));
                            return Err(at(format_args!("bad character in group name {shown}"), place + 1));
                        }
                        _ => {
                            let found = names.iter().position(|known| known.as_deref() == Some(&name));
                            found.ok_or_else(|| format!("unknown group name '{name}'"))?
                        }
                    };
                    group(&mut text, index, place + 1)?;
                    place += name.chars().count() + 2;
                }
                '0'..='9' => {
                    let octal = |chars: &[char]| chars.iter().take_while(|c| matches!(c, '0'..='7')).count();
                    let digits = &chars[begin + 1..(begin + 4).min(chars.len())];
                    let length = octal(digits);
                    if next == '0' || length == 3 {
                        let code = digits[..length].iter().fold(0, |code, c| code * 8 + c.to_digit(8).unwrap_or(0));
                        if code > 0o377 {
                            let shown: String = digits.iter().collect();
                            return Err(at(
                                format_args!("octal escape value \\{shown} outside of range 0-0o377"),
                                begin,
                            ));
                        }
                        text.extend(char::from_u32(code));
                        place = begin + 1 + length;
                    } else {
                        let length = digits.iter().take(2).take_while(|c| c.is_ascii_digit()).count();
                        let number: String = digits[..length].iter().collect();
                        group(&mut text, number.parse().unwrap_or(usize::MAX), begin + 1)?;
                        place = begin + 1 + length;
                    }
                }
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'a' => text.push('\u{7}'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'v' => text.push('\u{b}'),
                '\\' => text.push('\\'),
                other if other.is_ascii_alphabetic() => return Err(at(format_args!("bad escape \\{other}"), begin)),
                other => text.extend(['\\', other]),
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self(parts))
    }

    /// Adds the replacement of a match, whose groups `group` gives; one that took no part is empty.
    pub fn expand<'t>(&self, out: &mut String, group: impl Fn(usize) -> Option<&'t str>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(index) => out.push_str(group(*index).unwrap_or_default()),
            }
        }
    }
}

/// The name in `<name>`, which begins at `place`.
fn named(chars: &[char], place: usize) -> Result<String, String> {
    if chars.get(place) != Some(&'<') {
        return Err(at("missing <", place));
    }
    let rest = &chars[place + 1..];
    match rest.iter().position(|c| *c == '>') {
        Some(0) => Err(at("missing group name", place + 1)),
        Some(end) => Ok(rest[..end].iter().collect()),
        None if rest.is_empty() => Err(at("missing group name", place + 1)),
        None => Err(at("missing >, unterminated name", place + 1)),
    }
}

fn is_identifier(name: &str) -> bool {
    name.chars().enumerate().all(|(index, c)| c == '_' || c.is_alphabetic() || index > 0 && c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(template: &str) -> Result<String, String> {
        let names = [None, Some("key".to_owned()), None];
        let groups = [Some("whole"), Some("k"), None];
        let mut out = String::new();
        Replacement::parse(template, &names)?.expand(&mut out, |index| groups[index]);
        Ok(out)
    }

    /// Python 3.13: `re.sub(r"(?P<key>k)(x)?", template, "k")`.
    #[test]
    fn replacements_are_read_as_python_reads_them() {
        for (template, wanted) in [
            (r"<\1\2>", "<k>"),
            (r"\g<key>\g<1>\g<0>", "kkwhole"),
            (r"\n\t\\\-\.", "\n\t\\\\-\\."),
            (r"\0\012\101\08", "\0\nA\u{0}8"),
            ("é\\1é", "éké"),
        ] {
            assert_eq!(replaced(template).as_deref(), Ok(wanted), "{template}");
        }
        for (template, wanted) in [
            (r"a\3", "invalid group reference 3 at position 2"),
            (r"\12", "invalid group reference 12 at position 1"),
            (r"\g<7>", "invalid group reference 7 at position 3"),
            (r"\g<no>", "unknown group name 'no'"),
            (r"\g<n-o>", "bad character in group name 'n-o' at position 3"),
            (r"\gno", "missing < at position 2"),
            (r"\g<no", "missing >, unterminated name at position 3"),
            (r"\g<>", "missing group name at position 3"),
            (r"a\q", "bad escape \\q at position 1"),
            (r"\777", "octal escape value \\777 outside of range 0-0o377 at position 0"),
            ("a\\", "bad escape (end of pattern) at position 1"),
        ] {
            assert_eq!(replaced(template).unwrap_err(), wanted, "{template}");
        }
    }
}
