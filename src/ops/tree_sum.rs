//! What `hostctl check FOLDER` counts, and which names of modules, filters and the like hostctl does not have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::diag::{Diagnostic, SourceMap, Span, Subject};

/// Something that is used and that hostctl does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// `module`, `filter`, `test`, `lookup`, `connection`, `strategy`, `keyword`, `argument` and the like.
    pub kind: String,
    /// Its name as written; of an argument with its module.
    pub name: String,
    /// In how many places it is used.
    pub places: usize,
    /// In how many files.
    pub files: usize,
}

/// Counts of a check of many files.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Files by kind.
    pub files: BTreeMap<&'static str, usize>,
    /// Folders of roles.
    pub roles: usize,
    /// Templates that were compiled, each place once.
    pub templates: usize,
    /// Errors by code.
    pub errors: BTreeMap<String, usize>,
    /// Warnings by code.
    pub warnings: BTreeMap<String, usize>,
    names: BTreeMap<(String, String), BTreeSet<(u32, u32)>>,
}

impl Sum {
    pub(super) fn note(&mut self, kind: String, name: String, at: (u32, u32)) {
        self.names.entry((kind, name)).or_default().insert(at);
    }

    /// What hostctl does not have, the commonest first.
    pub fn missing(&self) -> Vec<Missing> {
        let mut found: Vec<Missing> = self
            .names
            .iter()
            .map(|((kind, name), places)| Missing {
                kind: kind.clone(),
                name: name.clone(),
                places: places.len(),
                files: places.iter().map(|(file, _)| file).collect::<BTreeSet<_>>().len(),
            })
            .collect();
        // The order of names stays among those of one count.
        found.sort_by_key(|found| std::cmp::Reverse(found.places));
        found
    }

    /// All of it as JSON.
    pub fn json(&self) -> serde_json::Value {
        let missing = |found: Missing| json!({ "kind": found.kind, "name": found.name, "places": found.places, "files": found.files });
        json!({
            "files": self.files,
            "roles": self.roles,
            "templates": self.templates,
            "errors": self.errors,
            "warnings": self.warnings,
            "not_supported": self.missing().into_iter().map(missing).collect::<Vec<_>>(),
        })
    }
}

/// What a diagnostic says that hostctl does not have: kind, name, place.
pub(super) fn missing(problem: &Diagnostic, sources: &SourceMap) -> Vec<(String, String, Span)> {
    let text = |span: Span| {
        let file = sources.file(span.file)?;
        let text = file.text.get(span.start as usize..span.end as usize)?;
        let word = text.trim().trim_matches(['\'', '"']).split_whitespace().next()?;
        Some(word.trim_end_matches(':').to_owned())
    };
    let first = || problem.labels.first();
    let kind = match &*problem.code {
        "P0304" => {
            // Each label says what is used there.
            let named = problem.labels.iter().filter_map(|label| {
                let kind = label.text.split_once(' ').map_or("plugin", |(_, kind)| kind).to_owned();
                let name = text(label.span)?;
                let name = name.strip_prefix("with_").filter(|_| kind == "lookup").unwrap_or(&name).to_owned();
                Some((kind, name, label.span))
            });
            return named.collect();
        }
        "P0202" => {
            let labels = problem.labels.iter();
            return labels.filter_map(|label| Some(("module".to_owned(), text(label.span)?, label.span))).collect();
        }
        "M0010" => {
            let Some((Subject::Argument { module, argument }, label)) = problem.subject.as_ref().zip(first()) else {
                return Vec::new();
            };
            return vec![("argument".to_owned(), format!("{module}.{argument}"), label.span)];
        }
        "T0104" => "filter",
        "T0105" => "test",
        "T0107" | "P0105" => "lookup",
        "S0115" => "connection",
        "P0140" => "strategy",
        "P0101" => "keyword",
        _ => return Vec::new(),
    };
    let found = first().and_then(|label| Some((text(label.span)?, label.span)));
    let named = found.map(|(name, span)| {
        let name = name.strip_prefix("with_").filter(|_| kind == "lookup").unwrap_or(&name).to_owned();
        (kind.to_owned(), name, span)
    });
    named.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_marked_text_holds() {
        let sources = SourceMap::new();
        let file = sources.add("a.yml", None, "with_cached: 'is_in' x.y.z a=1");
        let span = |start, end| Span::new(file.id, start, end);
        let check = |problem: Diagnostic, expected: &[(&str, &str)]| {
            let found = missing(&problem, &sources);
            let found: Vec<(&str, &str)> = found.iter().map(|(kind, name, _)| (&**kind, &**name)).collect();
            assert_eq!(found, expected);
        };
        let problem = |code| Diagnostic::source(code, "`m` and `a` and `b`");
        let plugins = problem("P0304").with_label(span(0, 11), "a lookup").with_label(span(21, 30), "a module");
        check(plugins, &[("lookup", "cached"), ("module", "x.y.z")]);
        check(problem("T0107").with_label(span(13, 20), ""), &[("lookup", "is_in")]);
        let argument = Subject::Argument { module: "m", argument: "a".to_owned() };
        check(problem("M0010").with_subject(argument).with_label(span(13, 20), ""), &[("argument", "m.a")]);
        check(problem("P0301").with_label(span(13, 20), ""), &[]);
    }

    #[test]
    fn the_commonest_come_first() {
        let mut sum = Sum::default();
        for (name, at) in [("b", (0, 1)), ("a", (0, 2)), ("c", (0, 3)), ("c", (1, 3)), ("c", (1, 3))] {
            sum.note("filter".to_owned(), name.to_owned(), at);
        }
        let found: Vec<(String, usize, usize)> =
            sum.missing().into_iter().map(|found| (found.name, found.places, found.files)).collect();
        assert_eq!(found, [("c".to_owned(), 2, 2), ("a".to_owned(), 1, 1), ("b".to_owned(), 1, 1)]);
    }
}
