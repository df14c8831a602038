//! What earlier builds tell of the next: seconds and bytes of each image, and weights for the schedule.

use super::graph::Graph;
use super::names::Names;
use super::record::{Records, median};

/// Durations and sizes by index in the graph; `None` where nothing is recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Seconds of a build: the median of the last five.
    pub build: Vec<Option<f64>>,
    /// Seconds of a push: the median of the last five.
    pub push: Vec<Option<f64>>,
    /// Bytes of all layers.
    pub size: Vec<Option<u64>>,
    build_median: Option<f64>,
    push_median: Option<f64>,
}

impl History {
    /// What the records tell of a graph.
    pub fn new(graph: &Graph, names: &Names, records: &Records) -> Self {
        let record = |image: usize| records.get(&graph.untagged(image, names));
        let of = |get: fn(&super::record::Record) -> Option<f64>| -> Vec<Option<f64>> {
            (0..graph.images.len()).map(|image| get(record(image))).collect()
        };
        let (build, push) = (of(super::record::Record::build_seconds), of(super::record::Record::push_seconds));
        let middle = |list: &[Option<f64>]| median(list.iter().flatten().copied().collect());
        Self {
            build_median: middle(&build),
            push_median: middle(&push),
            build,
            push,
            size: (0..graph.images.len()).map(|image| record(image).size()).collect(),
        }
    }

    /// Seconds of an image's build: recorded, else the median of the others; `None` if nothing is recorded.
    pub fn seconds(&self, image: usize) -> Option<f64> {
        self.build.get(image).copied().flatten().or(self.build_median)
    }

    /// Seconds of an image's push, as [`History::seconds`].
    pub fn push_seconds(&self, image: usize) -> Option<f64> {
        self.push.get(image).copied().flatten().or(self.push_median)
    }

    /// What an image weighs in the order of builds: its seconds, or 1 for all if nothing is recorded. Never 0, so that
    /// a longer chain is heavier.
    pub fn weight(&self, image: usize) -> f64 {
        self.seconds(image).map_or(1.0, |seconds| seconds.max(0.01))
    }

    /// Bytes that a build of the image adds: its size less that of the parent that its last stage is made from, as far
    /// as both are recorded. The size alone without such a parent.
    pub fn own_bytes(&self, graph: &Graph, image: usize) -> Option<u64> {
        let size = self.size.get(image).copied().flatten()?;
        let parent = last_parent(graph, image).and_then(|parent| self.size.get(parent).copied().flatten());
        Some(size.saturating_sub(parent.unwrap_or(0)))
    }
}

/// The image of the set that the last stage begins with.
fn last_parent(graph: &Graph, image: usize) -> Option<usize> {
    let from = graph.images[image].dockerfile.instructions.iter().rfind(|one| one.keyword == "FROM")?;
    graph.edges[image].iter().find(|edge| edge.place.line == from.line).map(|edge| edge.parent)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::graph::tests::{image, names};
    use super::super::record::{Entry, Record};
    use super::*;

    /// A graph and a record of one build for each image: name, Dockerfile, seconds, bytes.
    pub(in crate::image) fn built(images: &[(&str, &str, Option<f64>, Option<u64>)]) -> (Graph, History) {
        let defs = images.iter().map(|(name, text, ..)| image(name, text)).collect();
        let graph = Graph::new(defs, &names(), &std::collections::BTreeMap::new()).unwrap();
        let mut records = Records::default();
        for (name, _, build_seconds, size) in images {
            let entry = Entry { build_seconds: *build_seconds, size: *size, ..Entry::default() };
            records.insert(Record { repository: names().untagged(name), entries: vec![entry] });
        }
        let history = History::new(&graph, &names(), &records);
        (graph, history)
    }

    #[test]
    fn what_is_unknown_is_guessed_from_the_rest() {
        let (graph, history) = built(&[
            ("base", "FROM scratch", Some(10.0), Some(100)),
            ("app", "FROM x AS b\nCOPY --from=tools / /\nFROM base\n", Some(30.0), Some(160)),
            ("tools", "FROM scratch", None, None),
            ("odd", "FROM base", Some(0.0), Some(90)),
        ]);
        assert_eq!([0, 1, 2].map(|image| history.seconds(image)), [Some(10.0), Some(30.0), Some(10.0)]);
        assert_eq!([2, 3].map(|image| format!("{}", history.weight(image))), ["10", "0.01"]);
        assert_eq!([0, 1, 2, 3].map(|image| history.own_bytes(&graph, image)), [Some(100), Some(60), None, Some(0)]);
        assert_eq!(history.push_seconds(0), None);
        let (_, none) = built(&[("a", "FROM scratch", None, None)]);
        assert_eq!((none.seconds(0), none.weight(0)), (None, 1.0));
    }
}
