//! A graph of images as JSON, as lines of text, for graphviz and as a picture.

mod dot;
mod lines;
mod svg;
mod svg_layout;

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::graph::{EdgeKind, Graph};

/// The images of a selection, by level and name.
#[derive(Clone, Debug)]
pub struct Picture {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    name: String,
    level: usize,
    /// Parents in file order, as places in the picture, with the first way in which each is named.
    parents: Vec<(usize, EdgeKind)>,
    dockerfile: String,
    local_only: bool,
    groups: Vec<String>,
}

#[derive(Serialize)]
struct Images<'a> {
    images: Vec<Image<'a>>,
}

#[derive(Serialize)]
struct Image<'a> {
    name: &'a str,
    level: usize,
    parents: Vec<&'a str>,
    dockerfile: &'a str,
    local_only: bool,
}

impl Picture {
    /// The selected images; parents that are not selected are left out. Levels are those in the whole graph, which is
    /// the same for a selection with all its ancestors.
    pub fn new(graph: &Graph, selected: &BTreeSet<usize>) -> Self {
        let levels = graph.levels();
        let mut order: Vec<usize> = selected.iter().copied().collect();
        order.sort_by(|a, b| (levels[*a], &graph.images[*a].name).cmp(&(levels[*b], &graph.images[*b].name)));
        let places: HashMap<usize, usize> = order.iter().enumerate().map(|(place, image)| (*image, place)).collect();
        let nodes = order
            .iter()
            .map(|image| {
                let def = &graph.images[*image];
                let kind = |parent: usize| {
                    let mut edges = graph.edges[*image].iter().filter(|edge| edge.parent == parent);
                    edges.next().map_or(EdgeKind::From, |edge| edge.kind)
                };
                let parents = graph.parents[*image].iter();
                Node {
                    name: def.name.clone(),
                    level: levels[*image],
                    parents: parents.filter_map(|parent| Some((*places.get(parent)?, kind(*parent)))).collect(),
                    dockerfile: def.shown.clone(),
                    local_only: def.local_only,
                    groups: def.groups.clone(),
                }
            })
            .collect();
        Self { nodes }
    }

    /// `{"images": [{"name", "level", "parents", "dockerfile", "local_only"}]}`, by level and name. Level 0 has no parent in
    /// the set; every other is one more than its highest parent's.
    pub fn json(&self) -> String {
        let images = self
            .nodes
            .iter()
            .map(|node| Image {
                name: &node.name,
                level: node.level,
                parents: node.parents.iter().map(|(parent, _)| self.nodes[*parent].name.as_str()).collect(),
                dockerfile: &node.dockerfile,
                local_only: node.local_only,
            })
            .collect();
        // Texts and numbers can always be written.
        let mut text = serde_json::to_string_pretty(&Images { images }).unwrap_or_default();
        text.push('\n');
        text
    }

    fn levels(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.level + 1)
    }

    /// `60 images in 4 levels`.
    fn summary(&self) -> String {
        let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        format!("{} in {}", many(self.nodes.len(), "image"), many(self.levels(), "level"))
    }
}

/// How an edge is named for people.
fn edge_words(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::From => "FROM",
        EdgeKind::CopyFrom => "COPY --from",
        EdgeKind::Mount => "RUN --mount=from",
        EdgeKind::Declared => "parents",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::graph::tests::{graph, image, names};

    /// Six images, one with two parents, one apart.
    pub(super) fn picture() -> Picture {
        let mut graph = graph(&[
            ("app", "FROM base\nCOPY --from=tools /a /b\nRUN --mount=type=bind,from=deep,target=/d x"),
            ("base", "FROM debian:12"),
            ("deep", "FROM base"),
            ("leaf", "FROM app"),
            ("other", "FROM scratch"),
            ("tools", "FROM base"),
        ])
        .unwrap();
        graph.images[1].local_only = true;
        graph.images[3].groups = vec!["web".into()];
        graph.images[4].shown = "images/<\"&'>\u{1}\\x/Dockerfile".into();
        Picture::new(&graph, &(0..6).collect())
    }

    #[test]
    fn json_has_levels_and_parents() {
        let picture = picture();
        let json: serde_json::Value = serde_json::from_str(&picture.json()).unwrap();
        let images = json["images"].as_array().unwrap();
        let short: Vec<String> =
            images.iter().map(|image| format!("{} {} {}", image["name"], image["level"], image["parents"])).collect();
        assert_eq!(
            short,
            [
                "\"base\" 0 []",
                "\"other\" 0 []",
                "\"deep\" 1 [\"base\"]",
                "\"tools\" 1 [\"base\"]",
                "\"app\" 2 [\"base\",\"tools\",\"deep\"]",
                "\"leaf\" 3 [\"app\"]",
            ]
        );
        assert_eq!(images[0]["dockerfile"], "images/base/Dockerfile");
        assert_eq!(images[0]["local_only"], true);
        assert_eq!(images[0].as_object().unwrap().len(), 5);
        let none = Picture::new(&graph(&[("a", "FROM scratch")]).unwrap(), &BTreeSet::new());
        assert_eq!(none.json(), "{\n  \"images\": []\n}\n");
        assert_eq!(none.lines(), "0 images in 0 levels\n");
        assert!(none.svg().starts_with("<svg ") && none.dot().starts_with("digraph "));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn every_picture_of_a_selection_has_each_image_once(
            parents in proptest::collection::vec(proptest::collection::vec(0usize..1000, 0..4), 1..40),
            leave in 0usize..1000,
        ) {
            let images = parents.iter().enumerate().map(|(index, own)| {
                let mut text = "FROM scratch\n".to_owned();
                for parent in own.iter().filter(|_| index > 0) {
                    text.push_str(&format!("COPY --from=i{} / /\n", parent % index));
                }
                image(&format!("i{index}"), &text)
            }).collect();
            let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
            let leave = leave % graph.images.len();
            let selected: BTreeSet<usize> = (0..graph.images.len()).filter(|image| *image != leave).collect();
            let picture = Picture::new(&graph, &selected);
            let lines = picture.lines();
            let svg = picture.svg();
            let dot = picture.dot();
            for image in &selected {
                let name = &graph.images[*image].name;
                let once = |text: &str, word: String| text.matches(&word).count() == 1;
                let in_lines = lines.lines().filter(|line| {
                    line.trim_start_matches(['│', '├', '└', '─', ' ']).split(' ').next() == Some(name.as_str())
                }).count();
                proptest::prop_assert_eq!(in_lines, 1, "{}\n{}", name, lines);
                proptest::prop_assert!(once(&svg, format!(">{name}</text>")), "{}", svg);
                proptest::prop_assert!(once(&dot, format!("  \"{name}\" [")), "{}", dot);
            }
        }
    }
}
