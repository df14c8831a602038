//! The schedule with a fake builder: order, limits, failures by class, stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::event::ImageState;
use crate::image::Graph;
use crate::image::admission::{Admission, Work};
use crate::image::builder::Builder;
use crate::image::graph::tests::{image, names};
use crate::image::record::Entry;
use crate::image::retry::Policy;
use crate::image::reuse::{Decision, Place};
use crate::system::engine::{BuildEvent, EngineError, ErrorClass, Feed, ImageFacts};

/// Builds take turns; what `fails` names fails; `stop_after` builds cancel the run.
#[derive(Default)]
struct Fake {
    fails: BTreeSet<usize>,
    push_errors: Mutex<BTreeMap<usize, Vec<ErrorClass>>>,
    stop_after: Option<(usize, CancellationToken)>,
    log: Mutex<Vec<String>>,
    running: Mutex<(usize, usize)>,
    /// Errors of builds, taken from the end.
    build_errors: Mutex<BTreeMap<usize, Vec<ErrorClass>>>,
    /// Images that are gone when they shall be reused.
    gone: BTreeSet<usize>,
    /// What is said about room, taken from the end; then there is room.
    room: Mutex<Vec<Admission>>,
    /// The engine does not answer so many times.
    away: AtomicU32,
}

#[async_trait]
impl Builder for Fake {
    async fn build(&self, image: usize, _: bool, feed: &Feed) -> Result<(), EngineError> {
        {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
            let mut log = self.log.lock().unwrap();
            log.push(format!("build {image}"));
            let builds = log.iter().filter(|line| line.starts_with("build")).count();
            if let Some((after, cancel)) = &self.stop_after
                && builds == *after
            {
                log.push("stop".to_owned());
                cancel.cancel();
            }
        }
        for _ in 0..image % 3 {
            tokio::task::yield_now().await;
        }
        feed.send(BuildEvent::Log(format!("line of {image}")));
        self.running.lock().unwrap().0 -= 1;
        self.log.lock().unwrap().push(format!("built {image}"));
        if let Some(class) = self.build_errors.lock().unwrap().get_mut(&image).and_then(Vec::pop) {
            return Err(EngineError::new(class, "no"));
        }
        if self.fails.contains(&image) {
            return Err(EngineError::new(ErrorClass::Instruction, "exit code: 1"));
        }
        Ok(())
    }
    async fn reuse(&self, image: usize, _: &Entry, place: Place, _: &Feed) -> Result<Option<String>, EngineError> {
        self.log.lock().unwrap().push(format!("reuse {image}"));
        if self.gone.contains(&image) {
            return Err(EngineError::new(ErrorClass::NotFound, "gone"));
        }
        Ok((place == Place::Registry).then(|| format!("sha256:{image}")))
    }
    async fn push(&self, image: usize, _: &Feed) -> Result<String, EngineError> {
        self.log.lock().unwrap().push(format!("push {image}"));
        let mut errors = self.push_errors.lock().unwrap();
        match errors.get_mut(&image).and_then(Vec::pop) {
            Some(class) => Err(EngineError::new(class, "no")),
            None => Ok(format!("sha256:{image}")),
        }
    }
    async fn inspect(&self, _: usize) -> Result<Option<ImageFacts>, EngineError> {
        Ok(None)
    }
    fn registry(&self, _: usize) -> String {
        "r:5000".to_owned()
    }
    fn admit(&self, _: &Work) -> Admission {
        self.room.lock().unwrap().pop().unwrap_or(Admission::Start)
    }
    async fn make_room(&self) -> Result<u64, EngineError> {
        self.log.lock().unwrap().push("make room".to_owned());
        Ok(1)
    }
    async fn engine_answers(&self) -> bool {
        self.log.lock().unwrap().push("ask".to_owned());
        self.away.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
    fn room(&self) -> Option<(u64, u64)> {
        Some((1, 2))
    }
}

#[derive(Default)]
struct Seen {
    states: Vec<(usize, ImageState)>,
    lines: Vec<(usize, String)>,
    hosts: usize,
}

impl Watcher for Seen {
    fn state(&mut self, image: usize, state: &ImageState) {
        self.states.push((image, state.clone()));
    }
    fn event(&mut self, image: usize, event: BuildEvent) {
        if let BuildEvent::Log(line) = event
            && line.starts_with("line of")
        {
            assert!(!self.states.iter().any(|(other, state)| *other == image
                && matches!(state, ImageState::Built { .. } | ImageState::Failed { .. })));
            self.lines.push((image, line));
        }
    }
    fn host(&mut self, _: u64, _: u64, _: Option<f64>) {
        self.hosts += 1;
    }
}

fn graph(parents: &[Vec<usize>]) -> Graph {
    let images = parents
        .iter()
        .enumerate()
        .map(|(index, own)| {
            let mut text = "FROM scratch\n".to_owned();
            for parent in own {
                text.push_str(&format!("COPY --from=i{parent} / /\n"));
            }
            image(&format!("i{index}"), &text)
        })
        .collect();
    Graph::new(images, &names(), &BTreeMap::new()).unwrap()
}

fn plan(count: usize, parallel: usize, push: bool) -> Plan {
    Plan {
        selected: (0..count).collect(),
        parallel,
        pushes: 2,
        push,
        policy: Policy { backoff: vec![Duration::ZERO; 2], ..Policy::default() },
        engine_patience: Duration::from_secs(30),
        ..Plan::default()
    }
}

async fn go(graph: &Graph, plan: &Plan, fake: &Fake) -> (Vec<Finished>, Seen) {
    let mut seen = Seen::default();
    let cancel = fake.stop_after.as_ref().map(|(_, cancel)| cancel.clone()).unwrap_or_default();
    let finished = run(graph, plan, fake, &mut seen, &cancel).await;
    (finished, seen)
}

#[tokio::test]
async fn a_failure_blocks_what_hangs_on_it_and_the_rest_goes_on() {
    let graph = graph(&[vec![], vec![0], vec![1], vec![0], vec![2, 3]]);
    let fake = Fake { fails: BTreeSet::from([1]), ..Fake::default() };
    let (finished, seen) = go(&graph, &plan(5, 2, true), &fake).await;
    let states: Vec<&ImageState> = finished.iter().map(|end| &end.state).collect();
    assert!(matches!(states[0], ImageState::Pushed { digest, .. } if digest == "sha256:0"));
    assert!(matches!(states[1], ImageState::Failed { .. }));
    assert_eq!(*states[2], ImageState::Blocked { by: "i1".into() });
    assert!(matches!(states[3], ImageState::Pushed { .. }));
    assert_eq!(*states[4], ImageState::Blocked { by: "i1".into() }, "the root cause, not the blocked parent");
    assert_eq!(seen.lines.len(), 3);
}

#[tokio::test]
async fn the_longest_path_goes_first_and_equals_keep_file_order() {
    let graph = graph(&[vec![], vec![], vec![], vec![2], vec![3]]);
    let fake = Fake::default();
    go(&graph, &plan(5, 1, false), &fake).await;
    let log = fake.log.lock().unwrap();
    let builds: Vec<&str> = log.iter().filter_map(|line| line.strip_prefix("build ")).collect();
    assert_eq!(builds, ["2", "3", "0", "1", "4"]);
}

#[tokio::test]
async fn pushes_are_tried_again_only_after_transient_errors() {
    use ErrorClass::{NotFound, Transient};
    let graph = graph(&[vec![], vec![], vec![]]);
    let errors = BTreeMap::from([(0, vec![Transient, Transient]), (1, vec![NotFound]), (2, vec![Transient; 3])]);
    let fake = Fake { push_errors: Mutex::new(errors), ..Fake::default() };
    let (finished, seen) = go(&graph, &plan(3, 1, true), &fake).await;
    let told = |image: usize| {
        let again = |state: &ImageState| matches!(state, ImageState::Held { reason } if reason.starts_with("push failed: ") && reason.contains("; again "));
        seen.states.iter().filter(|(of, state)| *of == image && again(state)).count()
    };
    assert_eq!([told(0), told(1), told(2)], [2, 0, 2], "why and when it is tried again: {:?}", seen.states);
    assert!(matches!(finished[0].state, ImageState::Pushed { .. }));
    assert!(matches!(finished[1].state, ImageState::PushFailed { .. }));
    assert!(matches!(finished[2].state, ImageState::PushFailed { .. }));
    assert_eq!([finished[0].push_tries, finished[1].push_tries, finished[2].push_tries], [3, 1, 3]);
}

#[tokio::test]
async fn a_missing_right_stops_all_pushes_and_no_build() {
    let graph = graph(&[vec![], vec![0], vec![1]]);
    let fake = Fake { push_errors: Mutex::new(BTreeMap::from([(0, vec![ErrorClass::Auth])])), ..Fake::default() };
    let (finished, _) = go(&graph, &plan(3, 1, true), &fake).await;
    assert!(finished.iter().all(|end| matches!(end.state, ImageState::PushFailed { .. })), "{finished:?}");
    let log = fake.log.lock().unwrap();
    assert_eq!(log.iter().filter(|line| line.starts_with("push ")).count(), 1, "{log:?}");
    assert_eq!(log.iter().filter(|line| line.starts_with("build ")).count(), 3);
}

fn reused(place: Place) -> Option<Decision> {
    Some(Decision::Reuse { entry: Box::default(), place, reason: "unchanged".into() })
}

#[tokio::test]
async fn what_is_unchanged_is_not_built_and_what_is_gone_is() {
    let graph = graph(&[vec![], vec![0], vec![0], vec![2]]);
    let decisions = vec![reused(Place::Registry), reused(Place::Engine), reused(Place::Registry), None];
    let fake = Fake { gone: BTreeSet::from([2]), ..Fake::default() };
    let (finished, _) = go(&graph, &Plan { decisions, ..plan(4, 2, true) }, &fake).await;
    assert!(matches!(&finished[0].state, ImageState::Reused { digest: Some(digest), .. } if digest == "sha256:0"));
    assert!(matches!(finished[1].state, ImageState::Pushed { .. }), "the registry has it not yet");
    assert!(matches!(finished[2].state, ImageState::Pushed { .. }) && finished[2].build_tries == 1);
    let log = fake.log.lock().unwrap();
    let builds: Vec<&String> = log.iter().filter(|line| line.starts_with("build ")).collect();
    assert_eq!(builds, ["build 2", "build 3"], "{log:?}");
}

#[tokio::test]
async fn a_lost_engine_is_waited_for_and_the_build_tried_once_more() {
    let graph = graph(&[vec![], vec![]]);
    let errors = BTreeMap::from([(0, vec![ErrorClass::Unreachable])]);
    let fake = Fake { build_errors: Mutex::new(errors), away: AtomicU32::new(1), ..Fake::default() };
    let (finished, seen) = go(&graph, &plan(2, 1, false), &fake).await;
    assert!(finished.iter().all(|end| matches!(end.state, ImageState::Built { .. })), "{finished:?}");
    assert_eq!(finished[0].build_tries, 2);
    assert_eq!(fake.log.lock().unwrap().iter().filter(|line| *line == "ask").count(), 2);
    assert!(seen.states.iter().any(|(_, state)| matches!(state, ImageState::Held { .. })));
    // One that does not come back fails what waits for it, and nothing hangs.
    let errors = BTreeMap::from([(0, vec![ErrorClass::Unreachable])]);
    let fake = Fake { build_errors: Mutex::new(errors), away: AtomicU32::new(u32::MAX), ..Fake::default() };
    let short = Plan { engine_patience: Duration::ZERO, ..plan(2, 1, false) };
    let (finished, _) = go(&graph, &short, &fake).await;
    assert!(matches!(finished[0].state, ImageState::Failed { .. }));
    assert_eq!(finished[0].error.as_ref().map(|error| error.class), Some(ErrorClass::Unreachable));
}

#[tokio::test]
async fn without_room_the_run_makes_some_or_stops_with_the_reason() {
    let graph = graph(&[vec![], vec![0]]);
    let hold = || Admission::Hold("disk: 1 GiB free, 2 needed".into());
    let fake = Fake { room: Mutex::new(vec![hold()]), ..Fake::default() };
    let (finished, _) = go(&graph, &plan(2, 1, false), &fake).await;
    assert!(finished.iter().all(|end| matches!(end.state, ImageState::Built { .. })));
    assert!(fake.log.lock().unwrap().contains(&"make room".to_owned()));
    let fake = Fake { room: Mutex::new(vec![Admission::Stop("disk: full".into())]), ..Fake::default() };
    let (finished, _) = go(&graph, &plan(2, 1, false), &fake).await;
    assert_eq!(finished[0].error.as_ref().map(|error| error.class), Some(ErrorClass::DiskFull));
    assert_eq!(finished[1].state, ImageState::Blocked { by: "i0".into() });
    // A build that filled the disk is tried once more after room was made.
    let errors = BTreeMap::from([(0, vec![ErrorClass::DiskFull])]);
    let fake = Fake { build_errors: Mutex::new(errors), ..Fake::default() };
    let (finished, _) = go(&graph, &plan(2, 1, false), &fake).await;
    assert!(matches!(finished[1].state, ImageState::Built { .. }) && finished[0].build_tries == 2, "{finished:?}");
}

#[tokio::test]
async fn a_digest_that_differs_ends_the_run() {
    let graph = graph(&[vec![], vec![0], vec![1]]);
    let fake = Fake { push_errors: Mutex::new(BTreeMap::from([(0, vec![ErrorClass::Digest])])), ..Fake::default() };
    let (finished, _) = go(&graph, &plan(3, 1, true), &fake).await;
    assert!(matches!(finished[0].state, ImageState::PushFailed { .. }));
    assert_eq!(finished[2].state, ImageState::Cancelled);
}

#[tokio::test]
async fn a_later_set_is_blocked_by_what_an_earlier_one_could_not_build() {
    let graph = graph(&[vec![], vec![0], vec![]]);
    let fake = Fake { fails: BTreeSet::from([0]), ..Fake::default() };
    let first = Plan { selected: BTreeSet::from([0]), ..plan(3, 1, false) };
    let (before, _) = go(&graph, &first, &fake).await;
    let later = Plan { selected: BTreeSet::from([1, 2]), ..plan(3, 1, false) };
    let mut seen = Seen::default();
    let cancel = CancellationToken::new();
    let finished = run_after(&graph, &later, &before, &fake, &mut seen, &cancel).await;
    assert_eq!(finished[0].state, ImageState::Blocked { by: "i0".into() });
    assert!(matches!(finished[1].state, ImageState::Built { .. }));
}

#[tokio::test]
async fn a_later_set_knows_what_ended_an_earlier_one() {
    for (class, pushes) in [(ErrorClass::Auth, 1), (ErrorClass::Digest, 1), (ErrorClass::NotFound, 2)] {
        let graph = graph(&[vec![], vec![]]);
        let fake = Fake { push_errors: Mutex::new(BTreeMap::from([(0, vec![class])])), ..Fake::default() };
        let first = Plan { selected: BTreeSet::from([0]), ..plan(2, 1, true) };
        let (before, _) = go(&graph, &first, &fake).await;
        let later = Plan { selected: BTreeSet::from([1]), ..plan(2, 1, true) };
        let cancel = CancellationToken::new();
        let finished = run_after(&graph, &later, &before, &fake, &mut Seen::default(), &cancel).await;
        let log = fake.log.lock().unwrap();
        assert_eq!(log.iter().filter(|line| line.starts_with("push ")).count(), pushes, "{class:?}: {log:?}");
        match class {
            ErrorClass::Auth => assert!(matches!(finished[0].state, ImageState::PushFailed { .. })),
            ErrorClass::Digest => assert_eq!(finished[0].state, ImageState::Cancelled),
            _ => assert!(matches!(finished[0].state, ImageState::Pushed { .. })),
        }
    }
}

#[tokio::test]
async fn a_thousand_images_are_built_once_each() {
    let parents: Vec<Vec<usize>> =
        (0..1000_usize).map(|image| if image == 0 { vec![] } else { vec![(image - 1) / 3] }).collect();
    let graph = graph(&parents);
    let fake = Fake::default();
    let (finished, _) = go(&graph, &plan(1000, 8, true), &fake).await;
    assert!(finished.iter().all(|end| matches!(end.state, ImageState::Pushed { .. })));
    let builds = fake.log.lock().unwrap().iter().filter(|line| line.starts_with("build ")).count();
    assert_eq!(builds, 1000);
}

fn dag() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 1..30).prop_map(|raw| {
        raw.into_iter()
            .enumerate()
            .map(|(image, own)| {
                let parents: BTreeSet<usize> =
                    if image == 0 { BTreeSet::new() } else { own.iter().map(|index| index.index(image)).collect() };
                parents.into_iter().collect()
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn each_is_built_once_parents_first_and_nothing_starts_after_a_stop(
        parents in dag(),
        fails in proptest::collection::btree_set(0usize..30, 0..4),
        parallel in 1usize..5,
        stop in proptest::option::of(1usize..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let graph = graph(&parents);
        let fake = Fake {
            fails: fails.clone(),
            stop_after: stop.map(|after| (after, CancellationToken::new())),
            ..Fake::default()
        };
        let (finished, _) = runtime.block_on(go(&graph, &plan(parents.len(), parallel, true), &fake));
        let log = fake.log.lock().unwrap().clone();
        let at = |line: String| log.iter().position(|other| *other == line);
        for (image, own) in parents.iter().enumerate() {
            let builds = log.iter().filter(|line| **line == format!("build {image}")).count();
            prop_assert!(builds <= 1);
            if builds == 1 {
                for parent in own {
                    let ordered = at(format!("built {parent}")) < at(format!("build {image}"));
                    prop_assert!(ordered);
                    prop_assert!(!fails.contains(parent));
                }
            }
            let state = &finished[image].state;
            let blocked = matches!(state, ImageState::Blocked { .. });
            if log.iter().all(|line| line != "stop") {
                prop_assert_eq!(blocked, builds == 0);
                prop_assert_eq!(matches!(state, ImageState::Failed { .. }), builds == 1 && fails.contains(&image));
            } else if builds == 0 {
                let cancelled = matches!(state, ImageState::Cancelled);
                prop_assert!(blocked || cancelled);
            }
        }
        if let Some(stop) = at("stop".to_owned()) {
            // Builds of the same turn may have been started; none later.
            let started = log[stop..].iter().filter(|line| line.starts_with("build ")).count();
            prop_assert!(started < parallel, "{log:?}");
        }
        prop_assert!(fake.running.lock().unwrap().1 <= parallel);
    }
}
