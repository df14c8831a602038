//! `kolla-build.conf` as oslo.config reads it (`oslo_config/iniparser.py`): sections, `name = value` or
//! `name: value`, values that go on in lines that begin with white space, names that stand several times.

use std::collections::BTreeMap;

/// A file's sections by name; of each name all values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    /// As written, in order of their first line.
    pub sections: Vec<String>,
    values: BTreeMap<(String, String), Vec<String>>,
}

/// A section's name as options are looked up by: case counts in `DEFAULT` alone.
fn normal(section: &str) -> String {
    if section == "DEFAULT" { section.to_owned() } else { section.to_lowercase() }
}

impl Ini {
    /// All values of a name.
    pub fn get(&self, section: &str, name: &str) -> Option<&[String]> {
        self.values.get(&(normal(section), name.to_owned())).map(Vec::as_slice)
    }

    /// Adds a file that is read after this one: its values come last, and so win where one counts.
    pub fn extend(&mut self, later: Self) {
        self.sections.extend(later.sections);
        for (name, values) in later.values {
            self.values.entry(name).or_default().extend(values);
        }
    }

    /// The names of a section.
    pub fn names(&self, section: &str) -> impl Iterator<Item = &str> {
        let section = normal(section);
        self.values.keys().filter(move |(found, _)| *found == section).map(|(_, name)| name.as_str())
    }
}

/// Reads a file; the error is the line (from 1) and what is wrong with it.
pub fn parse(text: &str) -> Result<Ini, (usize, String)> {
    let mut ini = Ini::default();
    let mut section: Option<String> = None;
    let mut open: Option<(String, Vec<String>)> = None;
    let close = |open: &mut Option<(String, Vec<String>)>, section: &Option<String>, ini: &mut Ini| {
        if let (Some((name, lines)), Some(section)) = (open.take(), section) {
            ini.values.entry((normal(section), name)).or_default().push(lines.join("\n"));
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
                Some((_, lines)) => lines.push(line.trim_start().to_owned()),
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
            open = Some((name.to_owned(), vec![unquoted(line[at + 1..].trim()).to_owned()]));
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
        let ini = parse("# c\n[DEFAULT]\nbase=ubuntu\nurl: http://x=y\nlist = a,\n   b\n\n; c\nq = \"a b\"\nm = 1\nm = 2\n[Nova-Base]\ntype = git\n[DEFAULT]\ntag=t").unwrap();
        assert_eq!(ini.sections, ["DEFAULT", "Nova-Base"]);
        let get = |section, name| ini.get(section, name).map(|values| values.join("|"));
        assert_eq!(get("DEFAULT", "base").as_deref(), Some("ubuntu"));
        assert_eq!(get("DEFAULT", "url").as_deref(), Some("http://x=y"));
        assert_eq!(get("DEFAULT", "list").as_deref(), Some("a,\nb"));
        assert_eq!(get("DEFAULT", "q").as_deref(), Some("a b"));
        assert_eq!(get("DEFAULT", "m").as_deref(), Some("1|2"));
        assert_eq!(get("DEFAULT", "tag").as_deref(), Some("t"));
        assert_eq!(get("nova-base", "type").as_deref(), Some("git"));
        assert_eq!(get("default", "tag"), None);
    }

    #[test]
    fn mistakes_have_their_line() {
        let line = |text| parse(text).unwrap_err();
        assert_eq!(line("[a]\nx").0, 2);
        assert_eq!(line("a = 1").1, "a value stands before the first section");
        assert_eq!(line("[a\n").0, 1);
        assert_eq!(line("[]\n").1, "a section's name is empty");
        assert_eq!(line("[a]\n  x = 1\n").0, 2);
        assert_eq!(line("[a]\n= 1\n").1, "a name is empty");
    }
}
