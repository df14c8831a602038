//! Runs a graph: what is ready is started in the order of the longest remaining path, under
//! a limit; a failure blocks what hangs on it and nothing else; a push follows each image
//! beside the builds. Knows no engine: all work is the [`Builder`]'s.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::builder::Builder;
use super::graph::Graph;
use crate::event::ImageState;
use crate::system::engine::{BuildEvent, EngineError, ErrorClass, Feed};

/// How a set is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The images to build.
    pub selected: BTreeSet<usize>,
    /// Builds at the same time, at least 1.
    pub parallel: usize,
    /// Push what may be pushed.
    pub push: bool,
    /// Waits between tries of a push after a transient error; their number is that of the retries.
    pub push_waits: Vec<Duration>,
}

/// Receives all that happens, in order.
pub trait Watcher: Send {
    /// An image has a new state.
    fn state(&mut self, image: usize, state: &ImageState);
    /// A build or push tells something.
    fn event(&mut self, image: usize, event: BuildEvent);
}

/// What became of one image.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Index in the graph.
    pub image: usize,
    /// The last state.
    pub state: ImageState,
    /// Seconds of the build, if it was started.
    pub seconds: f64,
    /// Tries of the push.
    pub push_tries: u32,
    /// The error of build or push.
    pub error: Option<EngineError>,
}

enum Work {
    Build(Result<(), EngineError>, f64),
    Push(Result<String, EngineError>, f64, u32),
}

/// Runs the plan to its end, or until it is cancelled: then running work is dropped at once and
/// nothing more is started. Returns one entry for each selected image, in graph order.
pub async fn run(
    graph: &Graph,
    plan: &Plan,
    builder: &dyn Builder,
    watcher: &mut dyn Watcher,
    cancel: &CancellationToken,
) -> Vec<Finished> {
    let mut run = Run::new(graph, plan, builder, watcher);
    let (feed, mut events) = mpsc::unbounded_channel();
    run.announce();
    loop {
        if !cancel.is_cancelled() {
            run.start_ready(&feed);
        }
        if run.building.is_empty() && run.pushing.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                run.building.clear();
                run.pushing.clear();
                break;
            }
            Some((image, event)) = events.recv() => run.watcher.event(image, event),
            Some((image, work)) = run.building.next() => {
                while let Ok((image, event)) = events.try_recv() {
                    run.watcher.event(image, event);
                }
                run.done(image, work, &feed);
            }
            Some((image, work)) = run.pushing.next() => {
                while let Ok((image, event)) = events.try_recv() {
                    run.watcher.event(image, event);
                }
                run.done(image, work, &feed);
            }
        }
    }
    while let Ok((image, event)) = events.try_recv() {
        run.watcher.event(image, event);
    }
    run.finish()
}

type Tagged = mpsc::UnboundedSender<(usize, BuildEvent)>;

struct Run<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    builder: &'a dyn Builder,
    watcher: &'a mut dyn Watcher,
    weights: Vec<f64>,
    /// Selected parents that are not built yet.
    missing: Vec<usize>,
    ready: Vec<usize>,
    finished: Vec<Option<Finished>>,
    building: FuturesUnordered<BoxFuture<'a, (usize, Work)>>,
    pushing: FuturesUnordered<BoxFuture<'a, (usize, Work)>>,
}

impl<'a> Run<'a> {
    fn new(graph: &'a Graph, plan: &'a Plan, builder: &'a dyn Builder, watcher: &'a mut dyn Watcher) -> Self {
        let count = graph.images.len();
        let missing: Vec<usize> = (0..count)
            .map(|image| graph.parents(image).into_iter().filter(|parent| plan.selected.contains(parent)).count())
            .collect();
        let ready = plan.selected.iter().copied().filter(|image| missing[*image] == 0).collect();
        Self {
            graph,
            plan,
            builder,
            watcher,
            weights: graph.path_weights(|image| if plan.selected.contains(&image) { 1.0 } else { 0.0 }),
            missing,
            ready,
            finished: (0..count).map(|_| None).collect(),
            building: FuturesUnordered::new(),
            pushing: FuturesUnordered::new(),
        }
    }

    fn announce(&mut self) {
        for image in self.graph.parents_first() {
            if self.plan.selected.contains(&image) {
                self.watcher.state(image, &ImageState::Waiting);
            }
        }
    }

    fn start_ready(&mut self, events: &Tagged) {
        while self.building.len() < self.plan.parallel.max(1) && !self.ready.is_empty() {
            // The heaviest first; among equals the first in file order.
            let mut best = 0;
            for place in 1..self.ready.len() {
                let (new, old) = (self.ready[place], self.ready[best]);
                let heavier = self.weights[new].total_cmp(&self.weights[old]);
                if heavier.is_gt() || (heavier.is_eq() && new < old) {
                    best = place;
                }
            }
            let image = self.ready.swap_remove(best);
            self.watcher.state(image, &ImageState::Building);
            let builder = self.builder;
            let feed = tagged(image, events);
            self.building.push(Box::pin(async move {
                let start = Instant::now();
                let outcome = builder.build(image, &feed).await;
                (image, Work::Build(outcome, start.elapsed().as_secs_f64()))
            }));
        }
    }

    fn done(&mut self, image: usize, work: Work, events: &Tagged) {
        match work {
            Work::Build(Ok(()), seconds) => {
                let state = ImageState::Built { seconds };
                self.watcher.state(image, &state);
                self.finished[image] = Some(Finished { image, state, seconds, push_tries: 0, error: None });
                for child in &self.graph.children[image] {
                    self.missing[*child] = self.missing[*child].saturating_sub(1);
                    if self.missing[*child] == 0
                        && self.plan.selected.contains(child)
                        && self.finished[*child].is_none()
                    {
                        self.ready.push(*child);
                    }
                }
                if self.plan.push && self.graph.is_pushed(image) {
                    self.start_push(image, events);
                }
            }
            Work::Build(Err(error), seconds) => {
                let state = ImageState::Failed { message: error.message.clone() };
                self.watcher.state(image, &state);
                self.finished[image] = Some(Finished { image, state, seconds, push_tries: 0, error: Some(error) });
                self.block_below(image);
            }
            Work::Push(outcome, seconds, tries) => {
                let (state, error) = match outcome {
                    Ok(digest) => (ImageState::Pushed { digest, seconds }, None),
                    Err(error) => (ImageState::PushFailed { message: error.message.clone() }, Some(error)),
                };
                self.watcher.state(image, &state);
                if let Some(finished) = &mut self.finished[image] {
                    finished.state = state;
                    finished.error = error;
                    finished.push_tries = tries;
                }
            }
        }
    }

    fn start_push(&mut self, image: usize, events: &Tagged) {
        self.watcher.state(image, &ImageState::Pushing);
        let (builder, plan) = (self.builder, self.plan);
        let feed = tagged(image, events);
        self.pushing.push(Box::pin(async move {
            let start = Instant::now();
            let mut waits = plan.push_waits.iter();
            let mut tries = 1;
            let outcome = loop {
                match builder.push(image, &feed).await {
                    Err(error) if matches!(error.class, ErrorClass::Transient | ErrorClass::RateLimited) => {
                        let Some(wait) = waits.next() else { break Err(error) };
                        let text = format!("push: {error}; next try in {} s", wait.as_secs_f32());
                        feed.send(BuildEvent::Log(text));
                        tokio::time::sleep(*wait).await;
                        tries += 1;
                    }
                    outcome => break outcome,
                }
            };
            (image, Work::Push(outcome, start.elapsed().as_secs_f64(), tries))
        }));
    }

    /// Everything below a failed image is blocked by it, unless something else blocked it before.
    fn block_below(&mut self, failed: usize) {
        let by = self.graph.images[failed].name.clone();
        let below = self.graph.closure(&BTreeSet::from([failed]), |image| self.graph.children[image].clone());
        for image in below {
            if image != failed && self.plan.selected.contains(&image) && self.finished[image].is_none() {
                let state = ImageState::Blocked { by: by.clone() };
                self.watcher.state(image, &state);
                self.finished[image] = Some(Finished { image, state, seconds: 0.0, push_tries: 0, error: None });
            }
        }
    }

    /// Whatever has no end yet was cancelled; a push that was cut has failed.
    fn finish(self) -> Vec<Finished> {
        let Self { graph, plan, watcher, mut finished, .. } = self;
        let mut all = Vec::with_capacity(plan.selected.len());
        for image in &plan.selected {
            let mut end = finished[*image].take().unwrap_or_else(|| {
                watcher.state(*image, &ImageState::Cancelled);
                Finished { image: *image, state: ImageState::Cancelled, seconds: 0.0, push_tries: 0, error: None }
            });
            if matches!(end.state, ImageState::Built { .. }) && plan.push && graph.is_pushed(*image) {
                end.state = ImageState::PushFailed { message: "the push was interrupted".to_owned() };
                watcher.state(*image, &end.state);
            }
            all.push(end);
        }
        all
    }
}

/// A feed whose events carry the image.
fn tagged(image: usize, events: &Tagged) -> Feed {
    let events = events.clone();
    // Nobody listens only when the run is over.
    Feed::new(move |event| _ = events.send((image, event)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Mutex;

    use async_trait::async_trait;
    use proptest::prelude::*;

    use super::*;
    use crate::image::graph::tests::{image, names};
    use crate::system::engine::ImageFacts;

    /// Builds take turns; what `fails` names fails; `stop_after` builds cancel the run.
    #[derive(Default)]
    struct Fake {
        fails: BTreeSet<usize>,
        push_errors: Mutex<BTreeMap<usize, Vec<ErrorClass>>>,
        stop_after: Option<(usize, CancellationToken)>,
        log: Mutex<Vec<String>>,
        running: Mutex<(usize, usize)>,
    }

    #[async_trait]
    impl Builder for Fake {
        async fn build(&self, image: usize, feed: &Feed) -> Result<(), EngineError> {
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
            if self.fails.contains(&image) {
                return Err(EngineError::new(ErrorClass::Instruction, "exit code: 1"));
            }
            Ok(())
        }
        async fn tag(&self, _: usize, _: &str) -> Result<(), EngineError> {
            Ok(())
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
        async fn prune(&self) -> Result<u64, EngineError> {
            Ok(0)
        }
    }

    #[derive(Default)]
    struct Seen {
        states: Vec<(usize, ImageState)>,
        lines: Vec<(usize, String)>,
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
        Plan { selected: (0..count).collect(), parallel, push, push_waits: vec![Duration::ZERO; 2] }
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
        use ErrorClass::{Auth, Transient};
        let graph = graph(&[vec![], vec![], vec![]]);
        let errors = BTreeMap::from([(0, vec![Transient, Transient]), (1, vec![Auth]), (2, vec![Transient; 3])]);
        let fake = Fake { push_errors: Mutex::new(errors), ..Fake::default() };
        let (finished, _) = go(&graph, &plan(3, 1, true), &fake).await;
        assert!(matches!(finished[0].state, ImageState::Pushed { .. }));
        assert!(matches!(finished[1].state, ImageState::PushFailed { .. }));
        assert!(matches!(finished[2].state, ImageState::PushFailed { .. }));
        assert_eq!([finished[0].push_tries, finished[1].push_tries, finished[2].push_tries], [3, 1, 3]);
    }

    fn dag() -> impl Strategy<Value = Vec<Vec<usize>>> {
        proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 1..30).prop_map(
            |raw| {
                raw.into_iter()
                    .enumerate()
                    .map(|(image, own)| {
                        let parents: BTreeSet<usize> = if image == 0 {
                            BTreeSet::new()
                        } else {
                            own.iter().map(|index| index.index(image)).collect()
                        };
                        parents.into_iter().collect()
                    })
                    .collect()
            },
        )
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
}
