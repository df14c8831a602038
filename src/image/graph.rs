//! How images hang together: parents, cycles, order, full names, and what a longest path is.
//! Which of them are meant is in `select.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::def::{ImageDef, Place};
use super::discover::all;
use super::dockerfile::{Reference, ReferenceKind};
use super::names::{Meaning, Names, without_tag};
use crate::diag::{Diagnostic, Result, nearest};
use crate::system::engine::{PushSpec, RegistryLogin};

/// How an image names a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// `FROM image`, of any stage.
    From,
    /// `COPY --from=image`.
    CopyFrom,
    /// `RUN --mount=from=image`.
    Mount,
    /// Beside the Dockerfile: `parents` of a list.
    Declared,
}

/// One reference from an image to another of the set.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Index of the parent.
    pub parent: usize,
    /// How it is named.
    pub kind: EdgeKind,
    /// The line that names it.
    pub place: Place,
    /// Where the name stands in the Dockerfile, to be replaced by the parent of this run; `None` for a declared parent.
    pub range: Option<Range<usize>>,
}

/// Images and their edges. Indices are places in [`Graph::images`].
#[derive(Clone, Debug)]
pub struct Graph {
    /// The images in file order.
    pub images: Vec<ImageDef>,
    /// Edges of each image to its parents, in file order; a parent may be named twice.
    pub edges: Vec<Vec<Edge>>,
    /// Parents of each image, each once, in file order.
    pub parents: Vec<Vec<usize>>,
    /// Children of each image, each once.
    pub children: Vec<Vec<usize>>,
    by_name: HashMap<String, usize>,
}

/// The registry in Kaapana's labels that stands for none: such images are built and never pushed.
pub const LOCAL_ONLY: &str = "local-only";

/// Finds the image that a reference means.
struct Finder<'a> {
    images: &'a [ImageDef],
    names: &'a Names,
    by_name: &'a HashMap<String, usize>,
    /// Images whose last name is this one and whose tag has an end of its own, or that share the name with such.
    variants: HashMap<&'a str, Vec<usize>>,
    /// Whole names without tags of images that have one of their own.
    own: HashMap<String, usize>,
    /// What such names begin with if no registry ever has them.
    unpushed: BTreeSet<String>,
}

enum Found {
    Parent(usize),
    Elsewhere,
    /// It must be one of the set, and is not: its name, and how it is known.
    Missing(String, &'static str),
    /// It could be several variants of one name.
    Several(String),
}

impl<'a> Finder<'a> {
    fn new(images: &'a [ImageDef], names: &'a Names, by_name: &'a HashMap<String, usize>) -> Self {
        let mut own = HashMap::new();
        let mut unpushed = BTreeSet::new();
        let mut variants: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, image) in images.iter().enumerate() {
            if let Some(name) = &image.published {
                variants.entry(name).or_default().push(index);
            }
            let Some(name) = &image.own_name else { continue };
            let untagged = name.untagged();
            unpushed.insert(format!("{LOCAL_ONLY}/"));
            if image.local_only
                && let Some((before, _)) = untagged.rsplit_once('/')
            {
                unpushed.insert(format!("{before}/"));
            }
            own.entry(untagged).or_insert(index);
        }
        for (name, found) in &mut variants {
            found.extend(by_name.get(*name).filter(|index| images[**index].published.is_none()));
        }
        Self { images, names, by_name, variants, own, unpushed }
    }

    fn find(&self, reference: &str) -> Found {
        if reference.contains('@') {
            // A digest names exact content, which no image of this run has yet.
            return Found::Elsewhere;
        }
        let untagged = without_tag(reference);
        if let Some(index) = self.own.get(untagged) {
            return Found::Parent(*index);
        }
        if let Some(name) = self.unpushed.iter().find_map(|before| untagged.strip_prefix(before.as_str())) {
            return Found::Missing(name.to_owned(), "is never in a registry");
        }
        let tag = reference[untagged.len()..].trim_start_matches(':');
        match self.names.meaning(reference) {
            Meaning::Full(name) => self
                .named(name, tag, |image| image.own_name.is_none())
                .unwrap_or_else(|| Found::Missing(name.to_owned(), "has its registry and namespace")),
            Meaning::Bare(name) => self
                .named(name, tag, |image| image.own_name.is_none() && image.bare_reference)
                .unwrap_or(Found::Elsewhere),
            Meaning::Other => Found::Elsewhere,
        }
    }

    fn named(&self, name: &str, tag: &str, fits: impl Fn(&ImageDef) -> bool) -> Option<Found> {
        let known = |index: &usize| fits(&self.images[*index]);
        let Some(variants) = self.variants.get(name) else {
            return self.by_name.get(name).copied().filter(known).map(Found::Parent);
        };
        let suffix = |index: &usize| self.images[*index].tag_suffix.as_str();
        let fitting: Vec<usize> =
            variants.iter().copied().filter(known).filter(|index| tag.ends_with(suffix(index))).collect();
        match fitting.iter().max_by_key(|index| suffix(index).len()) {
            Some(best) => Some(Found::Parent(*best)),
            None if tag.is_empty() || !variants.iter().any(known) => None,
            None => Some(Found::Several(name.to_owned())),
        }
    }

    /// The edge of a reference, if it leads to another image of the set.
    fn edge(&self, index: usize, reference: Reference, unknown: &mut Vec<String>) -> Option<Edge> {
        let image = &self.images[index];
        let parent = match self.find(&reference.image) {
            Found::Parent(parent) if parent != index => parent,
            Found::Parent(_) | Found::Elsewhere => return None,
            Found::Missing(name, _) if name == image.name => return None,
            Found::Missing(..) if image.elsewhere.iter().any(|name| name == without_tag(&reference.image)) => {
                return None;
            }
            Found::Several(name) => {
                let place = image.place(reference.line);
                let variants = self.variants.get(name.as_str()).into_iter().flatten();
                let known: Vec<String> = variants.map(|index| format!("`{}`", self.images[*index].name)).collect();
                unknown.push(format!(
                    "{place}: the tag of `{}` is that of no variant of `{name}`; name one of {}",
                    reference.image,
                    known.join(", ")
                ));
                return None;
            }
            Found::Missing(name, reason) => {
                let place = image.place(reference.line);
                let near = self.near(&name);
                let image = &reference.image;
                unknown.push(format!("{place}: no image `{name}` in the tree, but `{image}` {reason}{near}"));
                return None;
            }
        };
        let kind = match reference.kind {
            ReferenceKind::From => EdgeKind::From,
            ReferenceKind::CopyFrom => EdgeKind::CopyFrom,
            ReferenceKind::Mount => EdgeKind::Mount,
        };
        Some(Edge { parent, kind, place: image.place(reference.line), range: Some(reference.range) })
    }

    fn near(&self, name: &str) -> String {
        nearest(name, self.images.iter().map(|image| image.name.as_str()))
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
    }

    /// All edges of an image in file order, declared parents last.
    fn edges(&self, index: usize, references: Vec<Reference>, unknown: &mut Vec<String>) -> Vec<Edge> {
        let image = &self.images[index];
        let mut own: Vec<Edge> =
            references.into_iter().filter_map(|reference| self.edge(index, reference, unknown)).collect();
        for declared in &image.parents {
            match self.by_name.get(&declared.name) {
                Some(parent) => {
                    own.push(Edge {
                        parent: *parent,
                        kind: EdgeKind::Declared,
                        place: declared.place.clone(),
                        range: None,
                    });
                }
                None => {
                    let near = self.near(&declared.name);
                    unknown.push(format!("{}: no image `{}` in the set{near}", declared.place, declared.name));
                }
            }
        }
        own
    }
}

impl Graph {
    /// Finds all edges; unknown parents and cycles are told all at once, edge by edge.
    pub fn new(images: Vec<ImageDef>, names: &Names, args: &BTreeMap<String, String>) -> Result<Self> {
        let mut by_name: HashMap<String, usize> = HashMap::with_capacity(images.len());
        for (index, image) in images.iter().enumerate() {
            by_name.entry(image.name.clone()).or_insert(index);
        }
        let finder = Finder::new(&images, names, &by_name);
        let mut edges = Vec::with_capacity(images.len());
        let mut broken = Vec::new();
        let mut unknown = Vec::new();
        for (index, image) in images.iter().enumerate() {
            // Most images have no arguments of their own.
            let references = if image.args.is_empty() {
                image.dockerfile.references(args)
            } else {
                image.dockerfile.references(&image.effective_args(args))
            };
            match references {
                Err(problem) => {
                    broken.push(format!("{}:{}: {}", image.shown, problem.line, problem.message));
                    edges.push(Vec::new());
                }
                Ok(references) => edges.push(finder.edges(index, references, &mut unknown)),
            }
        }
        if !broken.is_empty() {
            return Err(all("B0002", "Dockerfiles that cannot be read", broken));
        }
        if !unknown.is_empty() {
            return Err(all("B0003", "unknown local parents", unknown));
        }
        let mut parents: Vec<Vec<usize>> = Vec::with_capacity(images.len());
        let mut children = vec![Vec::new(); images.len()];
        let mut seen = BTreeSet::new();
        for (index, own) in edges.iter().enumerate() {
            seen.clear();
            let each: Vec<usize> = own.iter().map(|edge| edge.parent).filter(|parent| seen.insert(*parent)).collect();
            for parent in &each {
                children[*parent].push(index);
            }
            parents.push(each);
        }
        let graph = Self { images, edges, parents, children, by_name };
        match graph.cycles() {
            cycles if cycles.is_empty() => Ok(graph),
            cycles => Err(graph.describe_cycles(&cycles)),
        }
    }

    /// The parents of an image, each once, in file order.
    pub fn parents(&self, image: usize) -> Vec<usize> {
        self.parents[image].clone()
    }

    /// The index of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The image's name without a tag: the run's, or its own.
    pub fn untagged(&self, image: usize, names: &Names) -> String {
        let def = &self.images[image];
        def.own_name.as_ref().map_or_else(|| names.untagged(def.published_name()), super::def::OwnName::untagged)
    }

    /// The image's tag: the run's, or its own, with the variant's end.
    pub fn tag(&self, image: usize, names: &Names) -> String {
        let def = &self.images[image];
        format!("{}{}", def.own_tag.as_deref().unwrap_or(&names.tag), def.tag_suffix)
    }

    /// The tag of these images together: the run's, unless all that a registry may have share one of their own (Kaapana's
    /// version).
    pub fn tag_of<'a>(&'a self, selected: &BTreeSet<usize>, names: &'a Names) -> &'a str {
        let shared = selected.iter().map(|image| &self.images[*image]).filter(|image| !image.local_only);
        let mut own = shared.map(|image| image.own_tag.as_deref());
        let first = own.next().flatten();
        first.filter(|_| own.all(|tag| tag == first)).unwrap_or(&names.tag)
    }

    /// The image's full name: what it is built, pushed and referred to as.
    pub fn full(&self, image: usize, names: &Names) -> String {
        format!("{}:{}", self.untagged(image, names), self.tag(image, names))
    }

    /// The part of its name that the registry sees.
    pub fn repository(&self, image: usize, names: &Names) -> String {
        let def = &self.images[image];
        def.own_name.as_ref().map_or_else(|| names.repository(def.published_name()), |own| own.repository.clone())
    }

    /// The registry that its name begins with; empty for none.
    pub fn registry<'a>(&'a self, image: usize, names: &'a Names) -> &'a str {
        self.images[image].own_name.as_ref().map_or(names.registry.as_str(), |own| own.registry.as_str())
    }

    /// The full names that the result has beside [`Graph::full`], each once.
    pub fn extra_names(&self, image: usize, names: &Names) -> Vec<String> {
        let full = self.full(image, names);
        let mut found: Vec<String> = Vec::new();
        for tag in &self.images[image].tags {
            let name = if tag.contains(['/', ':']) {
                tag.clone()
            } else {
                format!("{}:{tag}{}", self.untagged(image, names), self.images[image].tag_suffix)
            };
            if name != full && !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }

    /// True if the image goes to a registry when the run pushes.
    pub fn is_pushed(&self, image: usize) -> bool {
        self.images[image].push && !self.images[image].local_only
    }

    /// What to push for an image.
    pub fn push_spec(&self, image: usize, names: &Names, login: Option<RegistryLogin>) -> PushSpec {
        PushSpec { repository: self.untagged(image, names), tag: self.tag(image, names), login }
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

    /// How deep each image stands: 0 without a parent in the set, else one more than its highest parent.
    pub fn levels(&self) -> Vec<usize> {
        let mut levels = vec![0; self.images.len()];
        for image in self.parents_first() {
            levels[image] = self.parents[image].iter().map(|parent| levels[*parent] + 1).max().unwrap_or(0);
        }
        levels
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
        let mut missing: Vec<usize> = self.parents.iter().map(Vec::len).collect();
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
        let mut left = vec![true; self.images.len()];
        for image in self.parents_first() {
            left[image] = false;
        }
        let mut cycles = Vec::new();
        let mut on_path: HashMap<usize, usize> = HashMap::new();
        for start in 0..left.len() {
            let mut path: Vec<(usize, &Edge)> = Vec::new();
            let mut at = start;
            while left[at] {
                if let Some(begin) = on_path.get(&at) {
                    let cycle = path.split_off(*begin);
                    for (image, _) in &cycle {
                        left[*image] = false;
                    }
                    cycles.push(cycle);
                    break;
                }
                let Some(edge) = self.edges[at].iter().find(|edge| left[edge.parent]) else { break };
                on_path.insert(at, path.len());
                path.push((at, edge));
                at = edge.parent;
            }
            // What led there hangs below a cycle that was told; another cycle through it would begin elsewhere.
            for (image, _) in path {
                left[image] =
                    self.edges[image].iter().any(|edge| left[edge.parent] && !on_path.contains_key(&edge.parent));
            }
            on_path.clear();
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
        self.dockerfile_with(image, |parent| self.full(parent, names))
    }

    /// The image's Dockerfile with every parent of the set replaced by what `name` gives for its index.
    pub fn dockerfile_with(&self, image: usize, name: impl Fn(usize) -> String) -> String {
        let changes =
            self.edges[image].iter().filter_map(|edge| Some((edge.range.clone()?, name(edge.parent)))).collect();
        self.images[image].dockerfile.rewritten(changes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::image::def::{OwnName, ParentName};
    use crate::image::dockerfile::Dockerfile;

    pub(in crate::image) fn names() -> Names {
        Names { registry: "r:5000".into(), namespace: "lab".into(), prefix: String::new(), tag: "t".into() }
    }

    pub(in crate::image) fn image(name: &str, text: &str) -> ImageDef {
        ImageDef::new(name, name, "Dockerfile", format!("images/{name}/Dockerfile"), Dockerfile::parse(text).unwrap())
    }

    pub(in crate::image) fn graph(images: &[(&str, &str)]) -> Result<Graph> {
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
    fn images_with_one_tag_of_their_own_have_that_together() {
        let mut graph = graph(&[("a", "FROM scratch"), ("b", "FROM scratch"), ("c", "FROM scratch")]).unwrap();
        let names = names();
        let all = BTreeSet::from([0, 1, 2]);
        assert_eq!(graph.tag_of(&all, &names), "t");
        graph.images[0].own_tag = Some("0.3.0".into());
        graph.images[1].own_tag = Some("0.3.0".into());
        assert_eq!(graph.tag_of(&all, &names), "t");
        assert_eq!(graph.tag_of(&BTreeSet::from([0, 1]), &names), "0.3.0");
        graph.images[2].own_tag = Some("latest".into());
        assert_eq!(graph.tag_of(&all, &names), "t");
        graph.images[2].local_only = true;
        assert_eq!(graph.tag_of(&all, &names), "0.3.0");
        assert_eq!(graph.tag_of(&BTreeSet::new(), &names), "t");
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
    fn an_image_with_a_name_of_its_own_is_known_by_it_alone() {
        let own = |name: &str, registry: &str, repository: &str, tag: &str, text: &str| {
            let mut def = image(name, text);
            def.own_name = Some(OwnName { registry: registry.into(), repository: repository.into() });
            def.own_tag = Some(tag.into());
            def.local_only = repository.starts_with("local-only/");
            def
        };
        let images = vec![
            own("base", "", "local-only/base", "latest", "FROM nginx:1"),
            own("nginx", "other:5000", "x/nginx", "0.2", "FROM local-only/base:latest"),
            image("app", "FROM other:5000/x/nginx:0.1\nCOPY --from=base / /\nCOPY --from=local-only/base / /"),
        ];
        let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
        assert_eq!(graph.parents, [vec![], vec![0], vec![1, 0]]);
        assert_eq!(graph.levels(), [0, 1, 2]);
        assert_eq!(
            graph.pinned_dockerfile(2, &names()),
            "FROM other:5000/x/nginx:0.2\nCOPY --from=base / /\nCOPY --from=local-only/base:latest / /"
        );
        assert_eq!(graph.full(0, &names()), "local-only/base:latest");
        assert_eq!(
            (graph.repository(1, &names()).as_str(), graph.registry(1, &names()), graph.tag(1, &names()).as_str()),
            ("x/nginx", "other:5000", "0.2")
        );
        assert_eq!(
            (graph.repository(2, &names()).as_str(), graph.registry(2, &names()), graph.tag(2, &names()).as_str()),
            ("lab/app", "r:5000", "t")
        );
        assert!(!graph.is_pushed(0) && graph.is_pushed(1));
        let images =
            vec![own("base", "", "local-only/base", "latest", "FROM a"), image("app", "FROM local-only/bsae:1")];
        assert_eq!(
            Graph::new(images, &names(), &BTreeMap::new()).unwrap_err().message,
            "images/app/Dockerfile:1: FROM local-only/bsae:1: no image `bsae` in the tree, but `local-only/bsae:1` is \
             never in a registry; did you mean `base`?"
        );
    }

    #[test]
    fn more_names_are_tags_or_whole_names() {
        let mut def = image("app", "FROM scratch");
        def.tags = ["latest", "ghcr.io/lab/app:1", "t", "latest"].map(str::to_owned).to_vec();
        let graph = Graph::new(vec![def], &names(), &BTreeMap::new()).unwrap();
        assert_eq!(graph.extra_names(0, &names()), ["r:5000/lab/app:latest", "ghcr.io/lab/app:1"]);
    }

    #[test]
    fn variants_of_one_name_are_told_apart_by_their_tags() {
        let variant = |name: &str, suffix: &str| {
            let mut def = image(name, "FROM scratch");
            def.published = Some("app".into());
            def.tag_suffix = suffix.into();
            def
        };
        let with = |text: &str| {
            Graph::new(
                vec![variant("app-a", "-a"), variant("app-b", "-b"), image("x", text)],
                &names(),
                &BTreeMap::new(),
            )
        };
        let graph = with("FROM r:5000/lab/app:old-b\nCOPY --from=app-a / /").unwrap();
        assert_eq!(graph.parents[2], [1, 0]);
        assert_eq!(graph.pinned_dockerfile(2, &names()), "FROM r:5000/lab/app:t-b\nCOPY --from=r:5000/lab/app:t-a / /");
        assert_eq!(
            with("FROM r:5000/lab/app:old").unwrap_err().message,
            "images/x/Dockerfile:1: FROM r:5000/lab/app:old: the tag of `r:5000/lab/app:old` is that of no variant of \
             `app`; name one of `app-a`, `app-b`"
        );
        // With a plain one beside them it is that one.
        let images = vec![image("app", "FROM scratch"), variant("app-b", "-b"), image("x", "FROM app:7")];
        assert_eq!(Graph::new(images, &names(), &BTreeMap::new()).unwrap().parents[2], [0]);
    }

    #[test]
    fn declared_parents_order_and_are_told_like_others() {
        let with = |name: &str, text: &str, parents: &[&str]| {
            let mut def = image(name, text);
            let place = |parent: &str| Place { file: "list.yml".into(), line: 7, text: format!("- {parent}") };
            def.parents =
                parents.iter().map(|name| ParentName { name: (*name).to_owned(), place: place(name) }).collect();
            def
        };
        let images = vec![with("a", "FROM scratch", &["b", "c"]), with("b", "FROM c", &[]), with("c", "FROM x", &[])];
        let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
        assert_eq!((graph.parents_first(), graph.levels()), (vec![2, 1, 0], vec![2, 1, 0]));
        assert_eq!(graph.pinned_dockerfile(0, &names()), "FROM scratch");
        let images = vec![with("a", "FROM scratch", &["b"]), with("b", "FROM a", &[])];
        let error = Graph::new(images, &names(), &BTreeMap::new()).unwrap_err();
        assert_eq!(error.notes, ["`a` needs `b`: list.yml:7: - b", "`b` needs `a`: images/b/Dockerfile:1: FROM a"]);
        let images = vec![with("a", "FROM scratch", &["bb"]), with("b", "FROM scratch", &["b"])];
        let error = Graph::new(images, &names(), &BTreeMap::new()).unwrap_err();
        assert_eq!(error.message, "list.yml:7: - bb: no image `bb` in the set; did you mean `b`?");
        // An image cannot be a parent of itself where it is asked for by name.
        let error = Graph::new(vec![with("b", "FROM scratch", &["b"])], &names(), &BTreeMap::new()).unwrap_err();
        assert_eq!((error.code.as_ref(), error.message.as_str()), ("B0004", "images need each other: b -> b"));
    }

    #[test]
    fn each_knot_gives_one_cycle_and_what_hangs_below_gives_none() {
        let error = graph(&[
            ("z", "FROM y"),
            ("y", "FROM b"),
            ("a", "FROM b"),
            ("b", "FROM a"),
            ("c", "FROM b\nCOPY --from=d / /"),
            ("d", "FROM c"),
        ])
        .unwrap_err();
        assert_eq!(error.message, "images need each other: b -> a -> b; c -> d -> c");
    }

    proptest::proptest! {
        #[test]
        fn cycles_are_told_exactly_when_there_are_some(
            edges in proptest::collection::vec((0usize..12, 0usize..12), 0..30)
        ) {
            let images = (0..12).map(|index| {
                let mut text = "FROM scratch\n".to_owned();
                for (_, parent) in edges.iter().filter(|(child, _)| *child == index) {
                    text.push_str(&format!("COPY --from=i{parent} / /\n"));
                }
                image(&format!("i{index}"), &text)
            }).collect();
            // The plain rule: an image that reaches itself over at least two.
            let mut reach = [[false; 12]; 12];
            for (child, parent) in &edges {
                reach[*child][*parent] |= child != parent;
            }
            for by in 0..12 {
                for from in 0..12 {
                    for to in 0..12 {
                        reach[from][to] |= reach[from][by] && reach[by][to];
                    }
                }
            }
            let cyclic = (0..12).any(|index| reach[index][index]);
            match Graph::new(images, &names(), &BTreeMap::new()) {
                Ok(_) => proptest::prop_assert!(!cyclic),
                Err(error) => {
                    proptest::prop_assert!(cyclic);
                    proptest::prop_assert!(error.notes.len() >= 2);
                }
            }
        }
    }
}
