//! How images hang together: parents, cycles, selection, and what a longest path is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::def::{ImageDef, Place};
use super::discover::all;
use super::names::{Meaning, Names};
use crate::diag::{Diagnostic, Result, nearest};

/// One reference from an image to another of the tree.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Index of the parent.
    pub parent: usize,
    /// The line that names it.
    pub place: Place,
    /// Where the name stands in the Dockerfile, to be replaced by the parent of this run.
    pub range: Range<usize>,
}

/// Images and their edges. Indices are places in [`Graph::images`].
#[derive(Clone, Debug)]
pub struct Graph {
    /// The images in file order.
    pub images: Vec<ImageDef>,
    /// Edges of each image to its parents, in file order; a parent may be named twice.
    pub edges: Vec<Vec<Edge>>,
    /// Children of each image, each once.
    pub children: Vec<Vec<usize>>,
}

impl Graph {
    /// Finds all edges; unknown parents and cycles are told all at once, edge by edge.
    pub fn new(images: Vec<ImageDef>, names: &Names, args: &BTreeMap<String, String>) -> Result<Self> {
        let by_name: BTreeMap<String, usize> =
            images.iter().enumerate().map(|(index, image)| (image.name.clone(), index)).collect();
        let mut edges = Vec::with_capacity(images.len());
        let mut broken = Vec::new();
        let mut unknown = Vec::new();
        for (index, image) in images.iter().enumerate() {
            let mut own = Vec::new();
            match image.dockerfile.references(&image.effective_args(args)) {
                Err(problem) => broken.push(format!("{}:{}: {}", image.shown, problem.line, problem.message)),
                Ok(references) => {
                    for reference in references {
                        let place = image.place(reference.line);
                        let parent = match names.meaning(&reference.image) {
                            Meaning::Full(name) | Meaning::Bare(name) if name == image.name => None,
                            Meaning::Full(name) => match by_name.get(name) {
                                Some(parent) => Some(*parent),
                                None => {
                                    let near = nearest(name, by_name.keys().map(String::as_str))
                                        .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                                    unknown.push(format!(
                                        "{place}: no image `{name}` in the tree, but `{}` has its registry and namespace{near}",
                                        reference.image
                                    ));
                                    None
                                }
                            },
                            Meaning::Bare(name) => by_name.get(name).copied(),
                            Meaning::Other => None,
                        };
                        if let Some(parent) = parent.filter(|parent| *parent != index) {
                            own.push(Edge { parent, place, range: reference.range });
                        }
                    }
                }
            }
            edges.push(own);
        }
        if !broken.is_empty() {
            return Err(all("B0002", "Dockerfiles that cannot be read", broken));
        }
        if !unknown.is_empty() {
            return Err(all("B0003", "unknown local parents", unknown));
        }
        let mut children = vec![Vec::new(); images.len()];
        for (index, own) in edges.iter().enumerate() {
            for parent in own.iter().map(|edge| edge.parent).collect::<BTreeSet<_>>() {
                children[parent].push(index);
            }
        }
        let graph = Self { images, edges, children };
        match graph.cycles() {
            cycles if cycles.is_empty() => Ok(graph),
            cycles => Err(graph.describe_cycles(&cycles)),
        }
    }

    /// The parents of an image, each once, in file order.
    pub fn parents(&self, image: usize) -> Vec<usize> {
        let mut found = Vec::new();
        for edge in &self.edges[image] {
            if !found.contains(&edge.parent) {
                found.push(edge.parent);
            }
        }
        found
    }

    /// The index of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.images.iter().position(|image| image.name == name)
    }

    /// Which images to build: those that `only` names (all if it is empty) with their ancestors, less
    /// those that `skip` names and all that need them.
    pub fn select(&self, only: &[String], skip: &[String]) -> Result<BTreeSet<usize>> {
        let wanted = if only.is_empty() { (0..self.images.len()).collect() } else { self.matching("only", only)? };
        let left_out = self.closure(&self.matching("skip", skip)?, |image| self.children[image].clone());
        let mut selected = self.closure(&wanted, |image| self.parents(image));
        let torn: Vec<_> = if only.is_empty() { Vec::new() } else { wanted.intersection(&left_out).copied().collect() };
        if let Some(image) = torn.first() {
            let name = &self.images[*image].name;
            return Err(Diagnostic::task(
                "B0006",
                format!("`only` asks for `{name}`, but `skip` leaves it or one of its parents out"),
            ));
        }
        selected.retain(|image| !left_out.contains(image));
        // Ancestors that are needed by nothing any more stay: they were asked for by `only` or by all.
        Ok(selected)
    }

    fn matching(&self, argument: &str, patterns: &[String]) -> Result<BTreeSet<usize>> {
        let mut found = BTreeSet::new();
        for pattern in patterns {
            let before = found.len();
            let hits = self.images.iter().enumerate().filter(|(_, image)| glob(pattern, &image.name));
            let hits: Vec<usize> = hits.map(|(index, _)| index).collect();
            found.extend(&hits);
            if hits.is_empty() && found.len() == before {
                return Err(Diagnostic::task("B0006", format!("`{argument}`: no image matches `{pattern}`"))
                    .with_nearest(pattern, self.images.iter().map(|image| image.name.as_str())));
            }
        }
        Ok(found)
    }

    /// A set and all that `next` leads to.
    pub fn closure(&self, from: &BTreeSet<usize>, next: impl Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
        let mut reached = from.clone();
        let mut waiting: Vec<usize> = from.iter().copied().collect();
        while let Some(image) = waiting.pop() {
            waiting.extend(next(image).into_iter().filter(|other| reached.insert(*other)));
        }
        reached
    }

    /// For each image the weight of the heaviest path from it down to a leaf, itself included.
    pub fn path_weights(&self, weight: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut weights = vec![0.0; self.images.len()];
        for image in self.parents_first().into_iter().rev() {
            let below = self.children[image].iter().map(|child| weights[*child]).fold(0.0, f64::max);
            weights[image] = weight(image) + below;
        }
        weights
    }

    /// All images, parents before children. Images on a cycle are missing.
    pub fn parents_first(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = (0..self.images.len()).map(|image| self.parents(image).len()).collect();
        let mut ready: Vec<usize> = (0..self.images.len()).rev().filter(|image| missing[*image] == 0).collect();
        let mut order = Vec::with_capacity(self.images.len());
        while let Some(image) = ready.pop() {
            order.push(image);
            for child in self.children[image].iter().rev() {
                missing[*child] -= 1;
                if missing[*child] == 0 {
                    ready.push(*child);
                }
            }
        }
        order
    }

    /// One cycle for each knot that the order leaves over, as edges that lead around it.
    fn cycles(&self) -> Vec<Vec<(usize, &Edge)>> {
        let ordered: BTreeSet<usize> = self.parents_first().into_iter().collect();
        let mut left: BTreeSet<usize> = (0..self.images.len()).filter(|image| !ordered.contains(image)).collect();
        let mut cycles = Vec::new();
        while let Some(start) = left.first().copied() {
            let mut path: Vec<(usize, &Edge)> = Vec::new();
            let mut at = start;
            let found = loop {
                if let Some(begin) = path.iter().position(|(image, _)| *image == at) {
                    break Some(path.split_off(begin));
                }
                match self.edges[at].iter().find(|edge| left.contains(&edge.parent)) {
                    Some(edge) => {
                        path.push((at, edge));
                        at = edge.parent;
                    }
                    None => break None,
                }
            };
            match found {
                Some(cycle) => {
                    for (image, _) in &cycle {
                        left.remove(image);
                    }
                    cycles.push(cycle);
                }
                // It only hangs below a cycle that was already told.
                None => _ = left.remove(&at),
            }
        }
        cycles
    }

    fn describe_cycles(&self, cycles: &[Vec<(usize, &Edge)>]) -> Diagnostic {
        let name = |image: usize| self.images[image].name.as_str();
        let rings: Vec<String> = cycles
            .iter()
            .map(|cycle| {
                let mut ring: Vec<&str> = cycle.iter().map(|(image, _)| name(*image)).collect();
                ring.push(cycle.first().map_or("", |(image, _)| name(*image)));
                ring.join(" -> ")
            })
            .collect();
        let mut diagnostic = Diagnostic::task("B0004", format!("images need each other: {}", rings.join("; ")));
        for (image, edge) in cycles.iter().flatten() {
            diagnostic =
                diagnostic.with_note(format!("`{}` needs `{}`: {}", name(*image), name(edge.parent), edge.place));
        }
        diagnostic
    }

    /// The image's Dockerfile with every parent of this run pinned to its full name.
    pub fn pinned_dockerfile(&self, image: usize, names: &Names) -> String {
        let changes = self.edges[image]
            .iter()
            .map(|edge| (edge.range.clone(), names.full(&self.images[edge.parent].name)))
            .collect();
        self.images[image].dockerfile.rewritten(changes)
    }
}

/// `*` and `?` as in a shell.
fn glob(pattern: &str, name: &str) -> bool {
    let mut escaped = String::from("^");
    for c in pattern.chars() {
        match c {
            '*' => escaped.push_str(".*"),
            '?' => escaped.push('.'),
            c => escaped.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    escaped.push('$');
    regex::Regex::new(&escaped).is_ok_and(|pattern| pattern.is_match(name))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::image::dockerfile::Dockerfile;

    pub(in crate::image) fn names() -> Names {
        Names { registry: "r:5000".into(), namespace: "lab".into(), prefix: String::new(), tag: "t".into() }
    }

    pub(in crate::image) fn image(name: &str, text: &str) -> ImageDef {
        ImageDef {
            name: name.into(),
            context: name.into(),
            dockerfile_path: "Dockerfile".into(),
            shown: format!("images/{name}/Dockerfile"),
            dockerfile: Dockerfile::parse(text).unwrap(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            push: true,
        }
    }

    fn graph(images: &[(&str, &str)]) -> Result<Graph> {
        Graph::new(images.iter().map(|(name, text)| image(name, text)).collect(), &names(), &BTreeMap::new())
    }

    #[test]
    fn edges_are_found_by_full_and_bare_name_and_never_to_itself() {
        let graph = graph(&[
            ("app", "FROM r:5000/lab/base:old\nCOPY --from=tools /a /b"),
            ("base", "FROM debian:12"),
            ("nginx", "FROM nginx:1.25"),
            ("tools", "FROM base"),
        ])
        .unwrap();
        assert_eq!(graph.parents(0), [1, 3]);
        assert_eq!(graph.parents(1), [] as [usize; 0]);
        assert_eq!(graph.parents(2), [] as [usize; 0]);
        assert_eq!(graph.parents_first(), [1, 3, 0, 2]);
        assert_eq!(graph.path_weights(|_| 1.0), [1.0, 3.0, 1.0, 2.0]);
        assert_eq!(
            graph.pinned_dockerfile(0, &names()),
            "FROM r:5000/lab/base:t\nCOPY --from=r:5000/lab/tools:t /a /b"
        );
    }

    #[test]
    fn unknown_parents_and_cycles_show_their_edges() {
        let error = graph(&[("app", "FROM r:5000/lab/bsae"), ("base", "FROM scratch")]).unwrap_err();
        assert_eq!(
            error.message,
            "images/app/Dockerfile:1: FROM r:5000/lab/bsae: no image `bsae` in the tree, but `r:5000/lab/bsae` has \
             its registry and namespace; did you mean `base`?"
        );
        let error = graph(&[
            ("a", "ARG X=b\nFROM $X"),
            ("b", "FROM scratch\nCOPY --from=c / /"),
            ("c", "FROM a"),
            ("below", "FROM c"),
        ])
        .unwrap_err();
        assert_eq!(error.message, "images need each other: a -> b -> c -> a");
        assert_eq!(
            error.notes,
            [
                "`a` needs `b`: images/a/Dockerfile:2: FROM $X",
                "`b` needs `c`: images/b/Dockerfile:2: COPY --from=c / /",
                "`c` needs `a`: images/c/Dockerfile:1: FROM a",
            ]
        );
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
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            graph.select(&owned(only), &owned(skip)).map(|set| set.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(select(&[], &[]).unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(select(&["web-*"], &[]).unwrap(), [0, 1, 2, 3]);
        assert_eq!(select(&["other"], &[]).unwrap(), [0, 4]);
        assert_eq!(select(&[], &["mid"]).unwrap(), [0, 4]);
        assert_eq!(select(&["web-a"], &["mid"]).unwrap_err().code, "B0006");
        assert_eq!(select(&["othre"], &[]).unwrap_err().hints, ["did you mean `other`?"]);
    }
}
