//! The run itself: one loop over what ends, what is told, and the clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::builder::Builder;
use super::super::graph::Graph;
use super::super::proof::is_finding;
use super::super::retry::{Next, Tries, Work as Kind};
use super::super::reuse::Decision;
use super::plan::{Finished, Plan, Watcher};
use crate::event::ImageState;
use crate::system::engine::{BuildEvent, EngineError, Feed};

/// How often held builds are looked at again.
const LOOK: Duration = Duration::from_secs(1);
/// How often the host is told of.
const TELL: u32 = 5;

/// What ended.
pub(super) enum Ended {
    /// A build, and its seconds.
    Build(Result<(), EngineError>, f64),
    /// A reuse.
    Reuse(Result<Option<String>, EngineError>),
    /// A push, and its seconds.
    Push(Result<String, EngineError>, f64),
    /// The wait before the next try.
    Pause(Kind),
}

/// What ended for the run as a whole.
pub(super) enum Whole {
    /// The engine answers again, or not.
    Engine(bool),
    /// Room was made, so many bytes of it.
    Room(u64),
}

pub(super) type Tagged = mpsc::UnboundedSender<(usize, BuildEvent)>;

/// Runs the plan to its end, or until it is cancelled: then running work is dropped at once and
/// nothing more is started. Returns one entry for each selected image, in graph order.
pub async fn run(
    graph: &Graph,
    plan: &Plan,
    builder: &dyn Builder,
    watcher: &mut dyn Watcher,
    cancel: &CancellationToken,
) -> Vec<Finished> {
    run_after(graph, plan, &[], builder, watcher, cancel).await
}

/// [`run`] for a set after others: what those could not build blocks what hangs on it, a registry that let nobody push
/// is left alone, and after a fatal error nothing is started.
pub async fn run_after(
    graph: &Graph,
    plan: &Plan,
    before: &[Finished],
    builder: &dyn Builder,
    watcher: &mut dyn Watcher,
    cancel: &CancellationToken,
) -> Vec<Finished> {
    let (feed, mut events) = mpsc::unbounded_channel();
    let mut run = Run::new(graph, plan, builder, watcher, feed);
    run.announce();
    for end in before {
        if matches!(end.state, ImageState::Failed { .. } | ImageState::Blocked { .. } | ImageState::Cancelled) {
            run.block_below(end.image);
        }
        run.remember(end);
    }
    let mut clock = tokio::time::interval(LOOK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks = 0;
    // Lines of logs come by the thousand and start nothing.
    let mut look = true;
    loop {
        if std::mem::take(&mut look) && !cancel.is_cancelled() {
            run.start_ready();
            run.start_pushes();
        }
        if run.is_over() {
            break;
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                run.drop_all();
                break;
            }
            Some((image, event)) = events.recv() => run.watcher.event(image, event),
            Some((image, ended)) = run.work.next() => {
                while let Ok((image, event)) = events.try_recv() {
                    run.watcher.event(image, event);
                }
                run.ended(image, ended);
                look = true;
            }
            Some(whole) = run.wholes.next() => {
                run.whole(whole);
                look = true;
            }
            _ = clock.tick() => {
                look = true;
                run.watcher.tick();
                if ticks % TELL == 0 {
                    run.tell_host();
                }
                ticks = ticks.wrapping_add(1);
            }
        }
    }
    while let Ok((image, event)) = events.try_recv() {
        run.watcher.event(image, event);
    }
    run.finish()
}

pub(super) struct Run<'a> {
    pub(super) graph: &'a Graph,
    pub(super) plan: &'a Plan,
    pub(super) builder: &'a dyn Builder,
    pub(super) watcher: &'a mut dyn Watcher,
    pub(super) feed: Tagged,
    /// Seconds from each image to the end of the longest path below it.
    pub(super) paths: Vec<f64>,
    /// Selected parents that are not there yet.
    missing: Vec<usize>,
    pub(super) ready: Vec<usize>,
    /// Images whose reuse did not work out: they are built after all.
    pub(super) built_after_all: BTreeSet<usize>,
    pub(super) finished: Vec<Option<Finished>>,
    pub(super) tries: BTreeMap<(usize, bool), Tries>,
    /// Builds that run, and since when.
    pub(super) building: BTreeMap<usize, Instant>,
    pub(super) reusing: usize,
    pub(super) pushing: usize,
    pub(super) to_push: VecDeque<usize>,
    /// Images whose next try waits, or waits for the engine.
    pub(super) paused: usize,
    pub(super) parked: Vec<(usize, Kind)>,
    /// Images whose next try waits for room.
    pub(super) cramped: Vec<(usize, Kind)>,
    pub(super) away: bool,
    /// Registries to which nothing more is pushed, and why.
    pub(super) stopped: BTreeMap<String, EngineError>,
    /// Nothing more is started, and why.
    pub(super) fatal: Option<String>,
    /// What was last said about images that are held back.
    pub(super) held: BTreeMap<usize, String>,
    /// Room is being made; it was made, and nothing was won.
    pub(super) making_room: bool,
    pub(super) no_more_room: bool,
    pub(super) work: FuturesUnordered<BoxFuture<'a, (usize, Ended)>>,
    pub(super) wholes: FuturesUnordered<BoxFuture<'a, Whole>>,
}

impl<'a> Run<'a> {
    fn new(
        graph: &'a Graph,
        plan: &'a Plan,
        builder: &'a dyn Builder,
        watcher: &'a mut dyn Watcher,
        feed: Tagged,
    ) -> Self {
        let count = graph.images.len();
        let missing: Vec<usize> = (0..count)
            .map(|image| graph.parents(image).into_iter().filter(|parent| plan.selected.contains(parent)).count())
            .collect();
        let ready = plan.selected.iter().copied().filter(|image| missing[*image] == 0).collect();
        let builds = |image: usize| {
            plan.selected.contains(&image)
                && plan.decisions.get(image).and_then(Option::as_ref).is_none_or(Decision::builds)
        };
        let weight = |image: usize| plan.weights.get(image).copied().unwrap_or(1.0);
        Self {
            graph,
            plan,
            builder,
            watcher,
            feed,
            paths: graph.path_weights(|image| if builds(image) { weight(image) } else { 0.0 }),
            missing,
            ready,
            built_after_all: BTreeSet::new(),
            finished: (0..count).map(|_| None).collect(),
            tries: BTreeMap::new(),
            building: BTreeMap::new(),
            reusing: 0,
            pushing: 0,
            to_push: VecDeque::new(),
            paused: 0,
            parked: Vec::new(),
            cramped: Vec::new(),
            away: false,
            stopped: BTreeMap::new(),
            fatal: None,
            held: BTreeMap::new(),
            making_room: false,
            no_more_room: false,
            work: FuturesUnordered::new(),
            wholes: FuturesUnordered::new(),
        }
    }

    /// What an image of an earlier set came to, as far as it is true for all.
    fn remember(&mut self, end: &Finished) {
        let Some(error) = &end.error else { return };
        let kind = if matches!(end.state, ImageState::PushFailed { .. }) { Kind::Push } else { Kind::Build };
        match Tries::default().next(&self.plan.policy, kind, error, 0.0) {
            Next::StopPushing { .. } => {
                self.stopped.insert(self.builder.registry(end.image), error.clone());
            }
            Next::Fatal { reason } => self.fatal = Some(reason),
            _ => {}
        }
    }

    fn announce(&mut self) {
        for image in self.graph.parents_first() {
            if self.plan.selected.contains(&image) {
                self.watcher.state(image, &ImageState::Waiting);
            }
        }
    }

    fn is_over(&self) -> bool {
        let waits = !self.ready.is_empty() || !self.to_push.is_empty();
        self.work.is_empty() && self.wholes.is_empty() && (self.fatal.is_some() || !waits)
    }

    fn drop_all(&mut self) {
        self.work.clear();
        self.wholes.clear();
    }

    fn ended(&mut self, image: usize, ended: Ended) {
        match ended {
            Ended::Build(outcome, seconds) => {
                self.building.remove(&image);
                self.build_ended(image, outcome, seconds);
            }
            Ended::Reuse(outcome) => {
                self.reusing -= 1;
                self.reuse_ended(image, outcome);
            }
            Ended::Push(outcome, seconds) => {
                self.pushing -= 1;
                self.push_ended(image, outcome, seconds);
            }
            Ended::Pause(kind) => {
                self.paused -= 1;
                self.again(image, kind);
            }
        }
    }

    pub(super) fn again(&mut self, image: usize, kind: Kind) {
        match kind {
            Kind::Build => self.ready.push(image),
            Kind::Push => self.to_push.push_back(image),
        }
    }

    fn whole(&mut self, whole: Whole) {
        match whole {
            Whole::Engine(answers) => {
                self.away = false;
                for (image, kind) in std::mem::take(&mut self.parked) {
                    if answers {
                        self.again(image, kind);
                    } else {
                        let text = "the engine went away and did not come back";
                        let error = EngineError::new(crate::system::engine::ErrorClass::Unreachable, text);
                        self.failed(image, kind, error, 0.0);
                    }
                }
            }
            Whole::Room(bytes) => {
                self.making_room = false;
                self.no_more_room = bytes == 0;
                for (image, kind) in std::mem::take(&mut self.cramped) {
                    self.again(image, kind);
                }
            }
        }
    }

    fn build_ended(&mut self, image: usize, outcome: Result<(), EngineError>, seconds: f64) {
        match outcome {
            Ok(()) => {
                let state = ImageState::Built { seconds };
                self.watcher.state(image, &state);
                let build_tries = self.tries.get(&(image, true)).map_or(0, Tries::count) + 1;
                self.finished[image] = Some(Finished { seconds, build_tries, ..Finished::new(image, state) });
                self.release_children(image);
                if self.plan.push && self.graph.is_pushed(image) {
                    self.to_push.push_back(image);
                }
                // What was won by a build's end may do for the next.
                self.no_more_room = false;
            }
            Err(error) => self.unwell(image, Kind::Build, error, seconds),
        }
    }

    fn reuse_ended(&mut self, image: usize, outcome: Result<Option<String>, EngineError>) {
        match outcome {
            Ok(digest) => {
                let reason = self.plan.decisions[image].as_ref().map_or("", Decision::reason).to_owned();
                let to_push = digest.is_none() && self.plan.push && self.graph.is_pushed(image);
                let state = ImageState::Reused { digest, reason };
                self.watcher.state(image, &state);
                self.finished[image] = Some(Finished::new(image, state));
                self.release_children(image);
                if to_push {
                    self.to_push.push_back(image);
                }
            }
            // The same inputs would give the same image.
            Err(error) if is_finding(&error.message) => self.failed(image, Kind::Build, error, 0.0),
            Err(error) => {
                let line = format!("cannot be reused: {error}; it is built");
                self.watcher.event(image, BuildEvent::Log(line));
                self.built_after_all.insert(image);
                self.ready.push(image);
            }
        }
    }

    fn release_children(&mut self, image: usize) {
        for child in &self.graph.children[image] {
            self.missing[*child] = self.missing[*child].saturating_sub(1);
            let next = self.plan.selected.contains(child) && self.finished[*child].is_none();
            if self.missing[*child] == 0 && next {
                self.ready.push(*child);
            }
        }
    }

    /// An error of a build or push: what its policy says.
    pub(super) fn unwell(&mut self, image: usize, kind: Kind, error: EngineError, seconds: f64) {
        let tries = self.tries.entry((image, kind == Kind::Build)).or_default();
        let next = tries.next(&self.plan.policy, kind, &error, chance());
        let word = if kind == Kind::Build { "build" } else { "push" };
        match next {
            Next::Retry { after } => {
                let text = format!("{word}: {error}; next try in {:.1} s", after.as_secs_f32());
                self.watcher.event(image, BuildEvent::Log(text));
                // Each try is told, also one that failed as the one before.
                self.held.remove(&image);
                let when = if after.is_zero() { "now".to_owned() } else { format!("in {:.1} s", after.as_secs_f32()) };
                self.hold(image, &format!("{word} failed: {}; again {when}", error.message));
                self.paused += 1;
                self.work.push(Box::pin(async move {
                    tokio::time::sleep(after).await;
                    (image, Ended::Pause(kind))
                }));
            }
            Next::AwaitEngine => {
                self.watcher.event(image, BuildEvent::Log(format!("{word}: {error}; waiting for the engine")));
                self.parked.push((image, kind));
                self.hold(image, "the engine does not answer");
                self.await_engine();
            }
            Next::FreeSpace => {
                self.watcher.event(image, BuildEvent::Log(format!("{word}: {error}; making room")));
                self.cramped.push((image, kind));
                self.hold(image, "room is made on the engine's disk");
                self.make_room();
            }
            Next::GiveUp => self.failed(image, kind, error, seconds),
            Next::StopPushing { reason } => {
                let stopped = EngineError { message: reason, ..error };
                self.stopped.insert(self.builder.registry(image), stopped.clone());
                self.failed(image, kind, stopped, seconds);
            }
            Next::Fatal { reason } => {
                self.fatal = Some(reason);
                self.failed(image, kind, error, seconds);
            }
        }
    }

    /// The last word about an image.
    pub(super) fn failed(&mut self, image: usize, kind: Kind, error: EngineError, seconds: f64) {
        let message = error.message.clone();
        let count = |run: &Self| run.tries.get(&(image, kind == Kind::Build)).map_or(0, Tries::count) + 1;
        match kind {
            Kind::Build => {
                let state = ImageState::Failed { message };
                self.watcher.state(image, &self.placed(image, &state, &error));
                let build_tries = count(self);
                let end = Finished { seconds, build_tries, error: Some(error), ..Finished::new(image, state) };
                self.finished[image] = Some(end);
                self.block_below(image);
            }
            Kind::Push => {
                let state = ImageState::PushFailed { message };
                self.watcher.state(image, &state);
                let push_tries = count(self);
                if let Some(finished) = &mut self.finished[image] {
                    (finished.state, finished.error, finished.push_tries) = (state, Some(error), push_tries);
                }
            }
        }
    }

    /// The state with the failed instruction's place before its message, as people see it.
    fn placed(&self, image: usize, state: &ImageState, error: &EngineError) -> ImageState {
        let ImageState::Failed { message } = state else { return state.clone() };
        let def = &self.graph.images[image];
        let found = error.step.as_ref().and_then(|step| {
            let line = def.dockerfile.instruction_of(step.classic, step.step, &step.text)?.line;
            Some(format!("{}:{line}: {message}", def.shown))
        });
        ImageState::Failed { message: found.unwrap_or_else(|| message.clone()) }
    }

    /// Everything below a failed image is blocked by it, unless something else blocked it before.
    fn block_below(&mut self, failed: usize) {
        let by = self.graph.images[failed].name.clone();
        let below = self.graph.closure(&BTreeSet::from([failed]), |image| self.graph.children[image].clone());
        for image in below {
            if image != failed && self.plan.selected.contains(&image) && self.finished[image].is_none() {
                let state = ImageState::Blocked { by: by.clone() };
                self.watcher.state(image, &state);
                self.finished[image] = Some(Finished::new(image, state));
            }
        }
    }

    fn tell_host(&mut self) {
        let Some((free, total)) = self.builder.room() else { return };
        let left = self.plan.timed.then(|| self.seconds_left());
        self.watcher.host(free, total, left);
    }

    /// What is left by what earlier builds took: the longest way, or all of it shared out, whichever is more.
    fn seconds_left(&self) -> f64 {
        let rest = |image: usize| {
            let whole = self.plan.weights.get(image).copied().unwrap_or(1.0);
            let gone = self.building.get(&image).map_or(0.0, |since| since.elapsed().as_secs_f64());
            (whole - gone).max(0.0)
        };
        let builds = |image: &usize| {
            let decision = self.plan.decisions.get(*image).and_then(Option::as_ref);
            self.finished[*image].is_none()
                && (self.built_after_all.contains(image) || decision.is_none_or(Decision::builds))
        };
        let open: Vec<usize> = self.plan.selected.iter().copied().filter(builds).collect();
        let all: f64 = open.iter().map(|image| rest(*image)).sum();
        let open: BTreeSet<usize> = open.into_iter().collect();
        let paths = self.graph.path_weights(|image| if open.contains(&image) { rest(image) } else { 0.0 });
        let longest = paths.into_iter().fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let parallel = self.plan.parallel.max(1) as f64;
        longest.max(all / parallel)
    }

    /// Whatever has no end yet was cancelled, and so was what was built but is not pushed: it did not fail.
    fn finish(self) -> Vec<Finished> {
        let Self { graph, plan, watcher, mut finished, stopped: _, .. } = self;
        let mut all = Vec::with_capacity(plan.selected.len());
        for image in &plan.selected {
            let mut end = finished[*image].take().unwrap_or_else(|| {
                watcher.state(*image, &ImageState::Cancelled);
                Finished::new(*image, ImageState::Cancelled)
            });
            let unpushed = matches!(end.state, ImageState::Built { .. } | ImageState::Reused { digest: None, .. });
            if unpushed && plan.push && graph.is_pushed(*image) {
                end.state = ImageState::Cancelled;
                watcher.state(*image, &end.state);
            }
            all.push(end);
        }
        all
    }
}

/// A feed whose events carry the image.
pub(super) fn tagged(image: usize, events: &Tagged) -> Feed {
    let events = events.clone();
    // Nobody listens only when the run is over.
    Feed::new(move |event| _ = events.send((image, event)))
}

/// From 0 to 1, to spread what would else happen at once.
fn chance() -> f64 {
    let mut random = [0; 2];
    // Without randomness waits are not spread, which does no harm.
    let _ = getrandom::fill(&mut random);
    f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX)
}
