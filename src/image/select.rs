//! Which images of a graph are meant: names with `*` and `?`, regular expressions, groups.

use std::collections::BTreeSet;

use super::graph::Graph;
use crate::diag::{Diagnostic, Result, nearest};

/// One pattern of a selection.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    kind: PatternKind,
}

#[derive(Clone, Debug)]
enum PatternKind {
    /// A name, perhaps with `*` and `?`.
    Glob,
    /// Found anywhere in the name, as Python's `re.search` does.
    Regex(Box<fancy_regex::Regex>),
    /// A group's name, perhaps with `*` and `?`.
    Group(String),
}

/// Steps that a regular expression may go back.
const BACKTRACKS: usize = 100_000;

impl Pattern {
    /// `name`, `web-*`, `/regular expression/`, `regex:...`, `group:NAME` (or `profile:NAME`).
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(inner) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return Self::regex(text, inner);
        }
        if let Some(inner) = text.strip_prefix("regex:") {
            return Self::regex(text, inner);
        }
        let kind = match text.strip_prefix("group:").or_else(|| text.strip_prefix("profile:")) {
            Some(group) => PatternKind::Group(group.to_owned()),
            None => PatternKind::Glob,
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// A pattern of Kolla's: always a regular expression, found anywhere in the name.
    pub fn kolla(text: &str) -> Result<Self, String> {
        Self::regex(text, text)
    }

    fn regex(text: &str, inner: &str) -> Result<Self, String> {
        let regex = fancy_regex::RegexBuilder::new(inner)
            .backtrack_limit(BACKTRACKS)
            .build()
            .map_err(|error| format!("`{text}` is no regular expression: {}", brief(&error.to_string())))?;
        Ok(Self { text: text.to_owned(), kind: PatternKind::Regex(Box::new(regex)) })
    }

    /// True for an image of this name in these groups.
    pub fn matches(&self, name: &str, groups: &[String]) -> bool {
        match &self.kind {
            PatternKind::Glob => glob(&self.text, name),
            // An expression that takes too many steps means no image.
            PatternKind::Regex(regex) => regex.is_match(name).unwrap_or(false),
            PatternKind::Group(pattern) => groups.iter().any(|group| glob(pattern, group)),
        }
    }
}

/// The last line of an error, which is the reason; the lines before it draw the expression.
fn brief(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

/// `*` and `?` as in a shell, over the whole name. Takes steps in the order of both lengths' product at most.
pub(super) fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut on) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while on < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, on));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[on] => {
                at += 1;
                on += 1;
            }
            _ => match star {
                // The last star takes one more.
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    on = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

impl Graph {
    /// Which images to build: those that `only` names (all if it is empty) with their ancestors, less
    /// those that `skip` names and all that need them. Patterns are those of [`Pattern::parse`].
    pub fn select(&self, only: &[String], skip: &[String]) -> Result<BTreeSet<usize>> {
        self.select_named(("only", &patterns("only", only)?), ("skip", &patterns("skip", skip)?))
    }

    /// [`Graph::select`] with patterns that were read before, each list with what messages call it.
    pub fn select_named(&self, only: (&str, &[Pattern]), skip: (&str, &[Pattern])) -> Result<BTreeSet<usize>> {
        let (named, only) = only;
        let wanted = if only.is_empty() { (0..self.images.len()).collect() } else { self.matching(named, only)? };
        let left_out = self.with_descendants(&self.matching(skip.0, skip.1)?);
        let mut selected = self.with_ancestors(&wanted);
        let torn = if only.is_empty() { None } else { wanted.intersection(&left_out).next() };
        if let Some(image) = torn {
            let name = &self.images[*image].name;
            return Err(Diagnostic::task(
                "B0006",
                format!("`{named}` asks for `{name}`, but `{}` leaves it or one of its parents out", skip.0),
            )
            .with_hint(format!("leave `{name}` and what it is made from out of `{}`", skip.0)));
        }
        selected.retain(|image| !left_out.contains(image));
        // Ancestors that are needed by nothing any more stay: they were asked for by `only` or by all.
        Ok(selected)
    }

    /// The images that at least one pattern matches; a pattern that matches none is an error of `argument`.
    pub fn matching(&self, argument: &str, patterns: &[Pattern]) -> Result<BTreeSet<usize>> {
        let mut found = BTreeSet::new();
        for pattern in patterns {
            let hits: Vec<usize> = self
                .images
                .iter()
                .enumerate()
                .filter(|(_, image)| pattern.matches(&image.name, &image.groups))
                .map(|(index, _)| index)
                .collect();
            if hits.is_empty() {
                return Err(self.unmatched(argument, pattern));
            }
            found.extend(hits);
        }
        Ok(found)
    }

    fn unmatched(&self, argument: &str, pattern: &Pattern) -> Diagnostic {
        let text = &pattern.text;
        let error = Diagnostic::task("B0006", format!("`{argument}`: no image matches `{text}`"));
        let groups: BTreeSet<&str> = self.images.iter().flat_map(|image| &image.groups).map(String::as_str).collect();
        match &pattern.kind {
            PatternKind::Group(group) => match nearest(group, groups.iter().copied()) {
                Some(near) => error.with_hint(format!("did you mean `group:{near}`?")),
                None if groups.is_empty() => error.with_hint("no image of this set is in a group; name images instead"),
                None => error.with_hint(format!("groups here: {}", listed(groups))),
            },
            PatternKind::Glob if groups.contains(text.as_str()) => {
                error.with_hint(format!("there is a group of this name: `group:{text}`"))
            }
            PatternKind::Glob => {
                let names = || self.images.iter().map(|image| image.name.as_str());
                match nearest(text, names()) {
                    Some(_) => error.with_nearest(text, names()),
                    None if self.images.len() > 12 => error.with_hint(format!(
                        "`hostctl image graph` draws the {} images that are here; a pattern may have stars: `*{text}*`",
                        self.images.len()
                    )),
                    None => error.with_hint(format!("images here: {}", listed(names()))),
                }
            }
            PatternKind::Regex(_) => {
                error.with_hint("the expression is looked for anywhere in a name; anchor it with `^` and `$`")
            }
        }
    }

    /// A set and all its ancestors.
    pub fn with_ancestors(&self, from: &BTreeSet<usize>) -> BTreeSet<usize> {
        self.closure_over(from, &self.parents)
    }

    /// A set and all that needs one of it.
    pub fn with_descendants(&self, from: &BTreeSet<usize>) -> BTreeSet<usize> {
        self.closure_over(from, &self.children)
    }

    fn closure_over(&self, from: &BTreeSet<usize>, next: &[Vec<usize>]) -> BTreeSet<usize> {
        let mut reached = from.clone();
        let mut waiting: Vec<usize> = from.iter().copied().collect();
        while let Some(image) = waiting.pop() {
            waiting.extend(next[image].iter().copied().filter(|other| reached.insert(*other)));
        }
        reached
    }
}

/// Patterns of a user; one that cannot be read is an error of `argument`.
pub fn patterns(argument: &str, texts: &[String]) -> Result<Vec<Pattern>> {
    let read = |text: &String| {
        Pattern::parse(text).map_err(|problem| {
            Diagnostic::task("B0006", format!("`{argument}`: {problem}"))
                .with_hint("a plain name needs no slashes: `web-*`")
        })
    };
    texts.iter().map(read).collect()
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::image::graph::tests::{graph, image, names};

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn selection_takes_ancestors_and_leaves_out_what_needs_the_skipped() {
        let graph = graph(&[
            ("base", "FROM scratch"),
            ("mid", "FROM base"),
            ("web-a", "FROM mid"),
            ("web-b", "FROM mid"),
            ("other", "FROM base"),
        ])
        .unwrap();
        let select = |only: &[&str], skip: &[&str]| {
            graph.select(&owned(only), &owned(skip)).map(|set| set.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(select(&[], &[]).unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(select(&["web-*"], &[]).unwrap(), [0, 1, 2, 3]);
        assert_eq!(select(&["other"], &[]).unwrap(), [0, 4]);
        assert_eq!(select(&["/b-.$/"], &[]).unwrap(), [0, 1, 2, 3]);
        assert_eq!(select(&["regex:the"], &[]).unwrap(), [0, 4]);
        assert_eq!(select(&[], &["mid"]).unwrap(), [0, 4]);
        assert_eq!(select(&[], &["/^web/"]).unwrap(), [0, 1, 4]);
        assert_eq!(select(&["web-a"], &["mid"]).unwrap_err().code, "B0006");
        assert_eq!(select(&["web-a"], &["mid"]).unwrap_err().hints.len(), 1);
        let hints = select(&["zzzzzzzz"], &[]).unwrap_err().hints.clone();
        assert_eq!(hints, ["images here: `base`, `mid`, `web-a`, `web-b`, `other`"]);
        assert_eq!(select(&["othre"], &[]).unwrap_err().hints, ["did you mean `other`?"]);
        let error = select(&["/(/"], &[]).unwrap_err();
        assert!(error.message.starts_with("`only`: `/(/` is no regular expression: "), "{}", error.message);
        assert_eq!(select(&["/^ase/"], &[]).unwrap_err().hints.len(), 1);
    }

    #[test]
    fn groups_select_and_are_told() {
        let mut images = vec![image("base", "FROM scratch"), image("nova", "FROM base"), image("x", "FROM scratch")];
        images[1].groups = owned(&["compute", "main"]);
        let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
        let select = |only: &str| graph.select(&owned(&[only]), &[]);
        assert_eq!(select("group:compute").unwrap(), BTreeSet::from([0, 1]));
        assert_eq!(select("profile:ma*").unwrap(), BTreeSet::from([0, 1]));
        assert_eq!(select("group:compite").unwrap_err().hints, ["did you mean `group:compute`?"]);
        assert_eq!(select("group:zzzzzzzz").unwrap_err().hints, ["groups here: `compute`, `main`"]);
        assert_eq!(select("main").unwrap_err().hints, ["there is a group of this name: `group:main`"]);
    }

    #[test]
    fn kollas_patterns_are_searched_as_python_does() {
        let matches = |pattern: &str, name: &str| Pattern::kolla(pattern).unwrap().matches(name, &[]);
        assert!(matches("nova", "openstack-nova-api"));
        assert!(matches("^nova-(?!base)", "nova-api"));
        assert!(!matches("^nova-(?!base)", "nova-base"));
        assert!(matches("", "anything"));
        assert!(Pattern::kolla("*").is_err());
        // An expression that would take forever ends.
        assert!(!matches("^(a+)+(?=b)c$", &"a".repeat(200)));
    }

    proptest! {
        #[test]
        fn globs_are_those_of_a_regular_expression(pattern in "[ab*?é]{0,8}", name in "[abé]{0,10}") {
            let mut text = String::from("^");
            for c in pattern.chars() {
                match c {
                    '*' => text.push_str(".*"),
                    '?' => text.push('.'),
                    c => text.push(c),
                }
            }
            text.push('$');
            prop_assert_eq!(glob(&pattern, &name), regex::Regex::new(&text).unwrap().is_match(&name));
        }

        #[test]
        fn a_selection_is_closed_and_what_is_skipped_takes_its_children_along(
            parents in proptest::collection::vec(proptest::collection::vec(0usize..1000, 0..4), 1..60),
            only in 0usize..1000,
            skip in proptest::option::of(0usize..1000),
        ) {
            let count = parents.len();
            // Parents stand before or after: the numbers are mixed by a step that shares no factor with the count.
            let images = parents.iter().enumerate().map(|(index, own)| {
                let mut text = "FROM scratch\n".to_owned();
                for parent in own.iter().filter(|_| index > 0) {
                    text.push_str(&format!("COPY --from=i{} / /\n", parent % index));
                }
                image(&format!("i{index}"), &text)
            }).rev().collect();
            let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
            let name = |index: usize| graph.images[index % count].name.clone();
            let skips: Vec<String> = skip.into_iter().map(name).collect();
            let all = graph.select(&[], &skips).unwrap();
            let left_out: BTreeSet<usize> = (0..count).filter(|image| !all.contains(image)).collect();
            // What is left out is closed downwards, what stays upwards.
            for image in &all {
                prop_assert!(graph.parents(*image).iter().all(|parent| all.contains(parent)));
            }
            for image in &left_out {
                prop_assert!(graph.children[*image].iter().all(|child| left_out.contains(child)));
            }
            let some = graph.select(&[name(only)], &[]).unwrap();
            prop_assert!(some.contains(&(only % count)));
            for image in &some {
                prop_assert!(graph.parents(*image).iter().all(|parent| some.contains(parent)));
                // Nothing is there that is not needed.
                prop_assert!(*image == only % count || graph.children[*image].iter().any(|child| some.contains(child)));
            }
            // The order: each once, parents first.
            let order = graph.parents_first();
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), count);
            let place: BTreeMap<usize, usize> = order.iter().enumerate().map(|(at, image)| (*image, at)).collect();
            let levels = graph.levels();
            for image in 0..count {
                let parents = graph.parents(image);
                prop_assert!(parents.iter().all(|parent| place[parent] < place[&image]));
                let highest = parents.iter().map(|parent| levels[*parent] + 1).max().unwrap_or(0);
                prop_assert_eq!(levels[image], highest);
            }
        }
    }
}
