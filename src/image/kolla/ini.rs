//! `kolla-build.conf` as oslo.config reads it (`oslo_config/iniparser.py`): sections, `name = value` or
//! `name: value`, values that go on in lines that begin with white space, names that stand several times.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// As it stands there, without quotes around it.
    pub text: String,
    file: Arc<str>,
    /// From 1.
    line: usize,
}

impl Written {
    /// `FILE:LINE`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Files' sections by name; of each name all values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    /// As written, in order of their first line.
    pub sections: Vec<String>,
    values: BTreeMap<(String, String), Vec<Written>>,
}

/// A section's name as options are looked up by: case counts in `DEFAULT` alone.
fn normal(section: &str) -> String {
    if section == "DEFAULT" { section.to_owned() } else { section.to_lowercase() }
}

impl Ini {
    /// All values of a name.
    pub fn get(&self, section: &str, name: &str) -> Option<&[Written]> {
        self.values.get(&(normal(section), name.to_owned())).map(Vec::as_slice)
    }

    /// Adds a file that is read after this one: its values come last, and so win where one counts.
    pub fn extend(&mut self, later: Self) {
        self.sections.extend(later.sections);
        for (name, values) in later.values {
            self.values.entry(name).or_default().extend(values);
        }
    }

    /// Sections with values, as options are looked up by, and the names in them, each with its last place.
    pub fn written(&self) -> impl Iterator<Item = (&str, &str, &Written)> {
        self.values.iter().filter_map(|((section, name), all)| Some((section.as_str(), name.as_str(), all.last()?)))
    }
}

/// Reads a file's text, `file` being its name in messages; the error is the line (from 1) and what is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Ini, (usize, String)> {
    let mut ini = Ini::default();
    let mut section: Option<String> = None;
    let file: Arc<str> = file.into();
    let mut open: Option<(usize, String, Vec<String>)> = None;
    let close = |open: &mut Option<(usize, String, Vec<String>)>, section: &Option<String>, ini: &mut Ini| {
        if let (Some((line, name, lines)), Some(section)) = (open.take(), section) {
            let written = Written { text: lines.join("\n"), file: Arc::clone(&file), line };
            ini.values.entry((normal(section), name)).or_default().push(written);
        }
    };
    for (index, line) in text.lines().enumerate() {
        let wrong = |what: &str| (index + 1, what.to_owned());
        let line = line.trim_end();
        if line.is_empty() {
            close(&mut open, &section, &mut ini);
            continue;
        }
        if line.starts_with([' ', '\t']) {
            match &mut open {
                Some((.., lines)) => lines.push(line.trim_start().to_owned()),
                None => return Err(wrong("this line goes on, but nothing is before it that could")),
            }
            continue;
        }
        close(&mut open, &section, &mut ini);
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').ok_or_else(|| wrong("expected `]` at the end of a section's name"))?;
            if name.is_empty() {
                return Err(wrong("a section's name is empty"));
            }
            if !ini.sections.iter().any(|known| known == name) {
                ini.sections.push(name.to_owned());
            }
            section = Some(name.to_owned());
        } else if !line.starts_with(['#', ';']) {
            let at = line.find(['=', ':']).ok_or_else(|| wrong("expected `name = value`"))?;
            let name = line[..at].trim();
            if name.is_empty() {
                return Err(wrong("a name is empty"));
            }
            if section.is_none() {
                return Err(wrong("a value stands before the first section"));
            }
            open = Some((index + 1, name.to_owned(), vec![unquoted(line[at + 1..].trim()).to_owned()]));
        }
    }
    close(&mut open, &section, &mut ini);
    Ok(ini)
}

fn unquoted(value: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_oslo_config_reads_it() {
        let ini = parse("k", "# c\n[DEFAULT]\nbase=ubuntu\nurl: http://x=y\nlist = a,\n   b\n\n; c\nq = \"a b\"\nm = 1\nm = 2\n[Nova-Base]\ntype = git\n[DEFAULT]\ntag=t").unwrap();
        assert_eq!(ini.sections, ["DEFAULT", "Nova-Base"]);
        let get = |section, name| {
            ini.get(section, name)
                .map(|values| values.iter().map(|value| value.text.as_str()).collect::<Vec<_>>().join("|"))
        };
        assert_eq!(get("DEFAULT", "base").as_deref(), Some("ubuntu"));
        assert_eq!(get("DEFAULT", "url").as_deref(), Some("http://x=y"));
        assert_eq!(get("DEFAULT", "list").as_deref(), Some("a,\nb"));
        assert_eq!(get("DEFAULT", "q").as_deref(), Some("a b"));
        assert_eq!(get("DEFAULT", "m").as_deref(), Some("1|2"));
        assert_eq!(get("DEFAULT", "tag").as_deref(), Some("t"));
        assert_eq!(get("nova-base", "type").as_deref(), Some("git"));
        assert_eq!(get("default", "tag"), None);
        let place = |section, name| ini.get(section, name).and_then(<[Written]>::last).map(Written::place);
        assert_eq!((place("DEFAULT", "base"), place("DEFAULT", "list")), (Some("k:3".into()), Some("k:5".into())));
    }

    #[test]
    fn mistakes_have_their_line() {
        let line = |text| parse("k", text).unwrap_err();
        assert_eq!(line("[a]\nx").0, 2);
        assert_eq!(line("a = 1").1, "a value stands before the first section");
        assert_eq!(line("[a\n").0, 1);
        assert_eq!(line("[]\n").1, "a section's name is empty");
        assert_eq!(line("[a]\n  x = 1\n").0, 2);
        assert_eq!(line("[a]\n= 1\n").1, "a name is empty");
    }
}
