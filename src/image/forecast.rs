//! What a run is expected to do, told before its first build; and the longest path, told after the last.

use std::collections::{BTreeSet, BinaryHeap};

use super::graph::Graph;
use super::history::History;
use super::record::median;
use super::reuse::Decision;
use crate::event::ImageForecast;

/// The forecast of a run. `decisions` are by index in the graph; `disks` are told on as they are: what for, bytes free,
/// bytes in all. Seconds are those of the same order that the schedule has, with `parallel` builds at a time and pushes
/// beside them; images without history count as the median of the others.
pub fn forecast(
    graph: &Graph,
    decisions: &[Option<Decision>],
    history: &History,
    parallel: usize,
    disks: Vec<(String, u64, u64)>,
) -> ImageForecast {
    let (mut build, mut reuse) = (Vec::new(), Vec::new());
    let mut builds = BTreeSet::new();
    for image in graph.parents_first() {
        let Some(decision) = decisions.get(image).and_then(Option::as_ref) else { continue };
        let line = (graph.images[image].name.clone(), decision.reason().to_owned());
        if decision.builds() {
            build.push(line);
            builds.insert(image);
        } else {
            reuse.push(line);
        }
    }
    ImageForecast {
        build,
        reuse,
        bytes: expected_bytes(graph, &builds, history),
        seconds: expected_seconds(graph, &builds, history, parallel),
        disks,
        pushed: Vec::new(),
        allowed_to_fail: named(graph, decisions, &|image| graph.images[image].allowed_to_fail),
    }
}

/// Names of images of the run, in the graph's order.
pub fn named(graph: &Graph, decisions: &[Option<Decision>], wanted: &dyn Fn(usize) -> bool) -> Vec<String> {
    let asked = (0..graph.images.len()).filter(|image| decisions.get(*image).is_some_and(Option::is_some));
    asked.filter(|image| wanted(*image)).map(|image| graph.images[image].name.clone()).collect()
}

/// Bytes that builds add: what is recorded, and the median of that for each image without a record. `None` if nothing
/// is recorded.
pub fn expected_bytes(graph: &Graph, builds: &BTreeSet<usize>, history: &History) -> Option<u64> {
    if builds.is_empty() {
        return Some(0);
    }
    let all: Vec<u64> = (0..graph.images.len()).filter_map(|image| history.own_bytes(graph, image)).collect();
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let middle = median(all.iter().map(|bytes| *bytes as f64).collect())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate of positive numbers")]
    let middle = middle as u64;
    let bytes = builds.iter().map(|image| history.own_bytes(graph, *image).unwrap_or(middle));
    Some(bytes.fold(0, u64::saturating_add))
}

/// Seconds until the last build and push has ended, if nothing else is done. `None` if nothing is recorded.
pub fn expected_seconds(graph: &Graph, builds: &BTreeSet<usize>, history: &History, parallel: usize) -> Option<f64> {
    if builds.is_empty() {
        return Some(0.0);
    }
    history.seconds(*builds.first()?)?;
    let weights = graph.path_weights(|image| if builds.contains(&image) { history.weight(image) } else { 0.0 });
    let mut missing: Vec<usize> = (0..graph.images.len())
        .map(|image| graph.parents(image).iter().filter(|parent| builds.contains(parent)).count())
        .collect();
    let mut ready: BinaryHeap<(Order, std::cmp::Reverse<usize>)> = BinaryHeap::new();
    let entry = |image: usize| (Order(weights[image]), std::cmp::Reverse(image));
    ready.extend(builds.iter().filter(|image| missing[**image] == 0).map(|image| entry(*image)));
    // Ends of running builds, the next on top.
    let mut running: BinaryHeap<(std::cmp::Reverse<Order>, usize)> = BinaryHeap::new();
    let (mut now, mut end) = (0.0_f64, 0.0_f64);
    loop {
        while running.len() < parallel.max(1) {
            let Some((_, std::cmp::Reverse(image))) = ready.pop() else { break };
            let seconds = history.seconds(image).unwrap_or(0.0);
            running.push((std::cmp::Reverse(Order(now + seconds)), image));
        }
        let Some((std::cmp::Reverse(Order(time)), image)) = running.pop() else { return Some(end) };
        now = time;
        let push = if graph.is_pushed(image) { history.push_seconds(image).unwrap_or(0.0) } else { 0.0 };
        end = end.max(now + push);
        for child in graph.children[image].iter().filter(|child| builds.contains(child)) {
            missing[*child] = missing[*child].saturating_sub(1);
            if missing[*child] == 0 {
                ready.push(entry(*child));
            }
        }
    }
}

/// Seconds in their order.
#[derive(Clone, Copy, PartialEq)]
struct Order(f64);

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The path from a root to a leaf that takes longest, parents first, and its seconds: no number of builds at a time
/// makes the run shorter. `seconds` is 0 for what was not built; such images are left out at both ends of the path.
pub fn critical_path(graph: &Graph, seconds: &dyn Fn(usize) -> f64) -> (Vec<usize>, f64) {
    let clean = |image: usize| Some(seconds(image)).filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    let weights = graph.path_weights(|image| clean(image).unwrap_or(0.0));
    let heaviest = |images: &mut dyn Iterator<Item = usize>| -> Option<usize> {
        images.max_by(|a, b| weights[*a].total_cmp(&weights[*b]).then(b.cmp(a)))
    };
    let mut path = Vec::new();
    let mut at = heaviest(&mut (0..graph.images.len()).filter(|image| graph.edges[*image].is_empty()));
    let total = at.map_or(0.0, |image| weights[image]);
    while let Some(image) = at.filter(|image| weights[*image] > 0.0) {
        path.push(image);
        at = heaviest(&mut graph.children[image].iter().copied());
    }
    let first = path.iter().position(|image| clean(*image).is_some()).unwrap_or(path.len());
    path.drain(..first);
    (path, total)
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::built;
    use super::super::record::Entry;
    use super::super::reuse::{Place, Why};
    use super::*;

    fn build(reason: &str) -> Option<Decision> {
        Some(Decision::Build { why: Why::Changed, reason: reason.into(), fresh: false })
    }

    fn reuse() -> Option<Decision> {
        Some(Decision::Reuse { entry: Box::new(Entry::default()), place: Place::Engine, reason: "here".into() })
    }

    const IMAGES: [(&str, &str, Option<f64>, Option<u64>); 4] = [
        ("app", "FROM base", Some(20.0), Some(150)),
        ("base", "FROM scratch", Some(10.0), Some(100)),
        ("web", "FROM base", Some(30.0), Some(120)),
        ("new", "FROM base", None, None),
    ];

    #[test]
    fn a_forecast_counts_what_is_built() {
        let (graph, history) = built(&IMAGES);
        let disks = vec![("/".to_owned(), 1, 2)];
        let decisions = [build("x"), build("y"), reuse(), None];
        let found = forecast(&graph, &decisions, &history, 2, disks.clone());
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            found,
            ImageForecast {
                build: vec![pair("base", "y"), pair("app", "x")],
                reuse: vec![pair("web", "here")],
                bytes: Some(150),
                seconds: Some(30.0),
                disks,
                ..ImageForecast::default()
            }
        );
        let nothing = forecast(&graph, &[reuse(), reuse(), reuse(), None], &history, 2, Vec::new());
        assert_eq!((nothing.bytes, nothing.seconds), (Some(0), Some(0.0)));
    }

    #[test]
    fn seconds_are_those_of_the_schedule() {
        let (graph, history) = built(&IMAGES);
        let all: BTreeSet<usize> = (0..4).collect();
        let seconds = |parallel| expected_seconds(&graph, &all, &history, parallel);
        // `new` counts as the median of 10, 20, 30.
        assert_eq!([1, 2, 3, 9].map(seconds), [Some(80.0), Some(50.0), Some(40.0), Some(40.0)]);
        assert_eq!(seconds(0), Some(80.0));
        // Children of what is reused wait for nothing.
        assert_eq!(expected_seconds(&graph, &[0, 2].into(), &history, 2), Some(30.0));
        assert_eq!(expected_bytes(&graph, &all, &history), Some(100 + 50 + 20 + 50));
        let (graph, none) = built(&[("a", "FROM scratch", None, None)]);
        assert_eq!(expected_seconds(&graph, &[0].into(), &none, 1), None);
        assert_eq!(expected_bytes(&graph, &[0].into(), &none), None);
    }

    #[test]
    fn the_longest_path_goes_from_root_to_leaf() {
        let (graph, _) = built(&IMAGES);
        let seconds = [20.0, 10.0, 30.0, f64::NAN];
        assert_eq!(critical_path(&graph, &|image| seconds[image]), (vec![1, 2], 40.0));
        // The parent was reused.
        assert_eq!(critical_path(&graph, &|image| if image == 0 { 5.0 } else { 0.0 }), (vec![0], 5.0));
        assert_eq!(critical_path(&graph, &|_| 0.0), (vec![], 0.0));
    }

    proptest::proptest! {
        #[test]
        fn more_builds_at_a_time_never_beat_the_longest_path(
            times in proptest::collection::vec(0_u32..100, 12),
            parents in proptest::collection::vec(0_usize..12, 12),
            parallel in 1_u8..6,
        ) {
            let names: Vec<(String, String)> = (0..12)
                .map(|image| {
                    let parent = parents[image];
                    let from = if parent < image { format!("FROM i{parent}") } else { "FROM scratch".to_owned() };
                    (format!("i{image}"), from)
                })
                .collect();
            let images: Vec<_> = names
                .iter()
                .zip(&times)
                .map(|((name, text), time)| (name.as_str(), text.as_str(), Some(f64::from(*time)), None))
                .collect();
            let (graph, history) = built(&images);
            let all = (0..12).collect();
            let found = expected_seconds(&graph, &all, &history, usize::from(parallel)).unwrap();
            let (path, longest) = critical_path(&graph, &|image| f64::from(times[image]));
            let sum: u32 = times.iter().sum();
            proptest::prop_assert!(found >= longest - 1e-9 && found <= f64::from(sum) + 1e-9);
            proptest::prop_assert!(f64::from(sum) / f64::from(parallel) <= found + 1e-9);
            let along: u32 = path.iter().map(|image| times[*image]).sum();
            proptest::prop_assert!((f64::from(along) - longest).abs() < 1e-9);
            for pair in path.windows(2) {
                proptest::prop_assert!(graph.children[pair[0]].contains(&pair[1]));
            }
        }
    }
}
