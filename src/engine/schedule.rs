//! Keeps hosts in step (linear) or lets them run (free).
//!
//! A host asks before each task, naming its position in the play. In linear order the gate
//! waits until every host of the batch has asked or has ended, then lets those with the
//! lowest position go. All that go together share a [`Round`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};

use indexmap::IndexMap;
use tokio::sync::{oneshot, watch};

use super::play::Included;
use super::state::lock;
use super::sweep::Sweep;
use crate::event::TaskId;

/// Where a task stands: the steps from the play down, compared in order. A dynamic include's
/// tasks stand below the include.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(pub Vec<u32>);

impl Position {
    /// The position one level down.
    pub fn child(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(u32::try_from(index).unwrap_or(u32::MAX));
        Self(steps)
    }
}

/// Hosts that run the same task together.
pub(super) struct Round {
    /// In batch order.
    pub hosts: Vec<Arc<str>>,
    announced: Once,
    begun: Once,
    done: watch::Sender<bool>,
    open: Mutex<Open>,
    verdict: watch::Sender<Option<Verdict>>,
    /// Which hosts have had their turn at a task that goes host by host, and how many of them from the first one on.
    passed: watch::Sender<(Vec<bool>, usize)>,
    /// What the first host says of `run_once`: it counts for all.
    once: watch::Sender<Option<bool>>,
    /// What each host includes, once it has said so.
    brought: Mutex<Vec<Option<Vec<Brought>>>>,
    /// All have.
    agreed: watch::Sender<bool>,
    /// What a person said to the task (`--step`).
    pub confirmed: tokio::sync::OnceCell<bool>,
}

/// Hosts that have not ended a task yet, and what became of the others.
struct Open {
    hosts: usize,
    /// Those that have.
    over: HashSet<Arc<str>>,
    failed: Vec<Arc<str>>,
    unreachable: Vec<Arc<str>>,
    /// One failure is all hosts' (`any_errors_fatal`).
    fatal: bool,
}

/// How a host ended a task.
pub(super) struct HostEnd<'a> {
    pub host: &'a Arc<str>,
    pub failed: bool,
    pub unreachable: bool,
    /// One failure is all hosts' (`any_errors_fatal`).
    pub fatal: bool,
    /// The keyword `run_once`.
    pub once: bool,
}

/// What a task means for the hosts that did not fail in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Next,
    /// They fail, too.
    Fail,
    /// They fail, and so does what would take that over.
    FailTwice,
    /// The batch is over.
    Stop,
}

/// One thing that a host includes.
#[derive(Clone)]
pub(super) struct Brought {
    /// What makes it the same for two hosts: file or role, its arguments, the loop's item.
    pub key: String,
    /// The file or role, as people are told.
    pub name: String,
    /// The loop's item, as people are told.
    pub label: Option<String>,
    /// Tasks or role.
    pub included: Included,
}

/// A host's part in a [`Round`] of an include. Dropped without a word, it includes nothing.
pub(super) struct Share<'a> {
    round: &'a Round,
    place: usize,
}

/// The order in which the hosts of a round go through what they include.
pub(super) struct Agreed {
    /// Of each thing that this host includes, where it stands in the whole.
    pub places: Vec<usize>,
    /// This host tells them all, in order: each with the hosts that include it.
    pub tell: Option<Vec<(Brought, Vec<Arc<str>>)>>,
}

impl Share<'_> {
    /// Waits until every host has said what it includes: hosts that include the same go through it together, in the
    /// order in which the first of them names it.
    pub async fn agree(self, brought: Vec<Brought>) -> Agreed {
        let (round, place) = (self.round, self.place);
        self.round.bring(place, brought);
        drop(self);
        let mut agreed = round.agreed.subscribe();
        let _ = agreed.wait_for(|all| *all).await;
        let all = lock(&round.brought);
        let mut files: Vec<(&Brought, Vec<usize>)> = Vec::new();
        let mut known: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut places = Vec::new();
        for (host, parts) in all.iter().enumerate() {
            for part in parts.iter().flatten() {
                let same = known.entry(&part.key).or_default();
                let index = match same.iter().find(|index| files[**index].1.last() != Some(&host)) {
                    Some(index) => *index,
                    None => {
                        files.push((part, Vec::new()));
                        same.push(files.len() - 1);
                        files.len() - 1
                    }
                };
                files[index].1.push(host);
                if host == place {
                    places.push(index);
                }
            }
        }
        let speaker = all.iter().position(|parts| parts.as_ref().is_some_and(|parts| !parts.is_empty()));
        let tell = (speaker == Some(place)).then(|| {
            let named = |hosts: &[usize]| hosts.iter().filter_map(|host| round.hosts.get(*host).cloned()).collect();
            files.iter().map(|(part, hosts)| ((*part).clone(), named(hosts))).collect()
        });
        Agreed { places, tell }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.round.bring(self.place, Vec::new());
    }
}

impl Round {
    pub fn new(hosts: Vec<Arc<str>>) -> Arc<Self> {
        let (failed, unreachable) = (Vec::new(), Vec::new());
        let open = Open { hosts: hosts.len(), over: HashSet::new(), failed, unreachable, fatal: false };
        let open = Mutex::new(open);
        let (done, verdict) = (watch::channel(false).0, watch::channel(None).0);
        let passed = watch::channel((vec![false; hosts.len()], 0)).0;
        let once = watch::channel(None).0;
        let brought = Mutex::new(hosts.iter().map(|_| None).collect());
        let agreed = watch::channel(false).0;
        let (announced, begun, confirmed) = (Once::new(), Once::new(), tokio::sync::OnceCell::new());
        Arc::new(Self { hosts, announced, begun, done, open, verdict, passed, once, brought, agreed, confirmed })
    }

    /// This host's part in an include that all hosts of the round go through.
    pub fn share(&self, host: &str) -> Option<Share<'_>> {
        let place = self.hosts.iter().position(|other| &**other == host)?;
        Some(Share { round: self, place })
    }

    /// What the first word of a host says counts.
    fn bring(&self, place: usize, parts: Vec<Brought>) {
        let all = {
            let mut brought = lock(&self.brought);
            if let Some(slot) = brought.get_mut(place) {
                slot.get_or_insert(parts);
            }
            brought.iter().all(Option::is_some)
        };
        if all {
            self.agreed.send_replace(true);
        }
    }

    /// This host has ended the task. The last one to do so has the play judge it, which may fail those that wait at
    /// other tasks.
    pub fn ended(&self, end: &HostEnd<'_>, play: &super::play::PlayRun, gate: &Gate) {
        let mut open = lock(&self.open);
        if !open.over.insert(Arc::clone(end.host)) {
            return;
        }
        open.hosts = open.hosts.saturating_sub(1);
        open.fatal |= end.fatal;
        if end.failed {
            open.failed.push(Arc::clone(end.host));
        } else if end.unreachable {
            open.unreachable.push(Arc::clone(end.host));
        }
        if open.hosts > 0 {
            return;
        }
        let (verdict, immune) = play.judge_round(&open.failed, &open.unreachable, open.fatal, end.once);
        drop(open);
        match verdict {
            Verdict::Next => {}
            Verdict::Fail | Verdict::FailTwice => gate.fail_waiting(verdict == Verdict::FailTwice, &immune),
            Verdict::Stop => gate.stop(),
        }
        self.verdict.send_replace(Some(verdict));
    }

    /// Waits until the hosts before this one have called [`Round::pass_on`].
    pub async fn in_order(&self, host: &str) {
        let place = self.hosts.iter().position(|other| &**other == host).unwrap_or(0);
        let _ = self.passed.subscribe().wait_for(|passed| passed.1 >= place).await;
    }

    /// This host has had its turn.
    pub fn pass_on(&self, host: &str) {
        let Some(place) = self.hosts.iter().position(|other| &**other == host) else { return };
        self.passed.send_modify(|(all, first)| {
            if let Some(one) = all.get_mut(place) {
                *one = true;
            }
            while all.get(*first) == Some(&true) {
                *first += 1;
            }
        });
    }

    /// Whether the task runs once for all: what the first host makes of `run_once`.
    pub async fn once(&self, host: &str, says: bool) -> bool {
        if self.is_leader(host) {
            self.once.send_replace(Some(says));
            return says;
        }
        let mut said = self.once.subscribe();
        said.wait_for(Option::is_some).await.is_ok_and(|said| *said == Some(true))
    }

    /// Nobody waits any more for what this host says or does at the task; only how it ends it counts still.
    pub fn release(&self, host: &str) {
        let settle = |said: &mut Option<bool>| said.is_none() && said.replace(false).is_none();
        self.pass_on(host);
        drop(self.share(host));
        if self.is_leader(host) {
            self.once.send_if_modified(settle);
            self.finish();
        }
    }

    /// A host's time at the task. When it is over, nobody waits for the host any more, whichever way it went.
    /// `judged`: the round is judged in the end; that of a `meta` is not.
    pub fn stay(self: &Arc<Self>, run: &super::interp::HostRun, judged: bool) -> Stay {
        let (play, gate) = (Arc::clone(&run.play), Arc::clone(&run.gate));
        Stay { round: Arc::clone(self), host: Arc::clone(&run.host), play, gate, judged }
    }

    /// Waits until every host has ended the task; tells what that means for those that did not fail.
    pub async fn verdict(&self) -> Verdict {
        let mut verdict = self.verdict.subscribe();
        verdict.wait_for(Option::is_some).await.ok().and_then(|value| *value).unwrap_or(Verdict::Next)
    }

    /// The task runs once for all.
    pub fn is_once(&self) -> bool {
        *self.once.borrow() == Some(true)
    }

    /// The first host tells that the task starts; the others wait until it is told. True for the first.
    pub fn announce(&self, tell: impl FnOnce()) -> bool {
        let mut first = false;
        self.announced.call_once_force(|_| {
            first = true;
            tell();
        });
        first
    }

    /// The first host to come here begins the task for all.
    pub fn begin(&self, with: impl FnOnce(&[Arc<str>])) {
        self.begun.call_once_force(|_| with(&self.hosts));
    }

    /// The host that runs a `run_once` task for all.
    pub fn is_leader(&self, host: &str) -> bool {
        self.hosts.first().is_some_and(|first| &**first == host)
    }

    /// The leader has run the task for all.
    pub fn finish(&self) {
        self.done.send_replace(true);
    }

    /// Waits for the leader.
    pub async fn wait(&self) {
        let _ = self.done.subscribe().wait_for(|done| *done).await;
    }
}

/// See [`Round::stay`].
pub(super) struct Stay {
    round: Arc<Round>,
    host: Arc<str>,
    play: Arc<super::play::PlayRun>,
    gate: Arc<Gate>,
    judged: bool,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.round.release(&self.host);
        // Where the whole run ends, there is nothing to judge.
        if self.judged && !self.play.engine.cancel.is_cancelled() && lock(&self.play.broken).is_none() {
            let end = HostEnd { host: &self.host, failed: false, unreachable: false, fatal: false, once: false };
            self.round.ended(&end, &self.play, &self.gate);
        }
    }
}

/// What the gate answers.
pub(super) enum Turn {
    /// Run the task.
    Go(Arc<Round>),
    /// Another host's failure counts for this one too (`any_errors_fatal`); with `run_once` twice.
    Fail(bool),
    /// `max_fail_percentage` or an interrupt: run nothing more.
    Stop,
}

/// What becomes of a host that could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parked {
    /// It goes on where it stands.
    GoesOn,
    /// Another host's failure is its own; with `run_once` twice.
    Fails(bool),
    /// It takes no further part.
    Stays,
}

enum Seat {
    Running,
    Waiting(Position, TaskId, oneshot::Sender<Turn>),
    /// Out of reach; true if `meta: clear_host_errors` lets it go on.
    Parked(oneshot::Sender<Parked>, bool),
}

struct Inner {
    seats: IndexMap<Arc<str>, Seat>,
    stopped: bool,
}

/// The gate of one batch.
pub(super) struct Gate {
    inner: Mutex<Inner>,
    /// Of hosts that do not go in step.
    free: Option<Sweep>,
    /// A `meta` has ended the batch or the play.
    ended: AtomicBool,
}

impl Gate {
    /// A gate for a batch whose hosts go in step; every host counts as running until it asks or leaves.
    pub fn new(hosts: &[Arc<str>]) -> Self {
        let seats = hosts.iter().map(|host| (Arc::clone(host), Seat::Running)).collect();
        Self { inner: Mutex::new(Inner { seats, stopped: false }), free: None, ended: AtomicBool::new(false) }
    }

    /// A gate for hosts that do not wait for each other; the first `begun` of them begin at once.
    pub fn free(hosts: &[Arc<str>], begun: usize) -> Self {
        Self { free: Some(Sweep::new(hosts, begun)), ..Self::new(&[]) }
    }

    /// Another host begins the play.
    pub fn begin(&self, host: &Arc<str>) {
        if let Some(free) = &self.free {
            free.begin(host);
        }
    }

    /// Waits for this host's turn; `meta` tells whether it is at a `meta`, which takes no time.
    pub async fn turn(&self, host: &Arc<str>, position: &Position, task: TaskId, meta: bool) -> Turn {
        if let Some(free) = &self.free {
            return free.turn(host, meta).await;
        }
        let receiver = {
            let mut inner = lock(&self.inner);
            if inner.stopped {
                return Turn::Stop;
            }
            let (sender, receiver) = oneshot::channel();
            inner.seats.insert(Arc::clone(host), Seat::Waiting(position.clone(), task, sender));
            release(&mut inner);
            receiver
        };
        receiver.await.unwrap_or(Turn::Stop)
    }

    /// Waits until no host has a task before this position. The hosts of a batch enter and leave blocks with a rescue or
    /// an `always` together, so that each fails where it stands (`any_errors_fatal`).
    pub async fn border(&self, host: &Arc<str>, position: &Position) -> Turn {
        let alone = match &self.free {
            Some(free) => !free.stopped(),
            None => {
                let inner = lock(&self.inner);
                !inner.stopped && inner.seats.len() < 2
            }
        };
        if alone { Turn::Go(Round::new(Vec::new())) } else { self.turn(host, position, TaskId(0), false).await }
    }

    /// The `meta` that the host is at is over, or begins to take time (`works`).
    pub fn meta_over(&self, host: &Arc<str>, works: bool) {
        if let Some(free) = &self.free {
            free.meta_over(host, works);
        }
    }

    /// The host cannot be reached. It may go on where it stands with `meta: clear_host_errors`, and once all
    /// others have ended, as Ansible picks up the tasks that such a host has left. Of hosts that are not in step it
    /// goes on at once; `pardoned` tells whether that was said before it came here, and `waits` is called if it has to wait
    /// beside others that go on meanwhile.
    pub async fn park(&self, host: &Arc<str>, pardoned: impl Fn() -> bool, waits: impl FnOnce()) -> Parked {
        if let Some(free) = &self.free {
            return if free.park(host, pardoned, waits).await { Parked::GoesOn } else { Parked::Stays };
        }
        let receiver = {
            let mut inner = lock(&self.inner);
            if inner.stopped {
                return Parked::Stays;
            }
            let (sender, receiver) = oneshot::channel();
            inner.seats.insert(Arc::clone(host), Seat::Parked(sender, false));
            release(&mut inner);
            receiver
        };
        receiver.await.unwrap_or(Parked::Stays)
    }

    /// Those that cannot be reached may go on later.
    pub fn pardon(&self) {
        if let Some(free) = &self.free {
            return free.pardon();
        }
        for (_, seat) in &mut lock(&self.inner).seats {
            if let Seat::Parked(_, pardoned) = seat {
                *pardoned = true;
            }
        }
    }

    /// The host takes no further part in the batch.
    pub fn leave(&self, host: &Arc<str>) {
        if let Some(free) = &self.free {
            return free.leave(host);
        }
        let mut inner = lock(&self.inner);
        inner.seats.shift_remove(host);
        release(&mut inner);
    }

    /// Fails every host that waits for its turn, or waits to go on where it could not be reached, but for those that are
    /// immune.
    fn fail_waiting(&self, twice: bool, immune: &[Arc<str>]) {
        for (host, seat) in &mut lock(&self.inner).seats {
            if !matches!(seat, Seat::Waiting(..) | Seat::Parked(_, true)) || immune.contains(host) {
                continue;
            }
            match std::mem::replace(seat, Seat::Running) {
                Seat::Waiting(_, _, sender) => drop(sender.send(Turn::Fail(twice))),
                Seat::Parked(sender, _) => drop(sender.send(Parked::Fails(twice))),
                Seat::Running => {}
            }
        }
    }

    /// A `meta` ends the batch or the play: tasks that run meanwhile end, but decide nothing any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// A `meta` has ended the batch or the play.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Lets nobody run another task.
    pub fn stop(&self) {
        if let Some(free) = &self.free {
            return free.stop();
        }
        let mut inner = lock(&self.inner);
        inner.stopped = true;
        release(&mut inner);
    }
}

fn release(inner: &mut Inner) {
    if inner.stopped {
        for (_, seat) in &mut inner.seats {
            match std::mem::replace(seat, Seat::Running) {
                Seat::Waiting(_, _, sender) => drop(sender.send(Turn::Stop)),
                Seat::Parked(sender, _) => drop(sender.send(Parked::Stays)),
                Seat::Running => {}
            }
        }
        return;
    }
    let mut lowest: Option<(&Position, TaskId)> = None;
    for seat in inner.seats.values() {
        match seat {
            Seat::Running => return,
            Seat::Parked(..) => {}
            Seat::Waiting(position, task, _) => {
                if lowest.is_none_or(|low| (position, *task) < low) {
                    lowest = Some((position, *task));
                }
            }
        }
    }
    let Some((position, task)) = lowest.map(|(position, task)| (position.clone(), task)) else {
        // Nobody is left but those that are out of reach.
        for (_, seat) in &mut inner.seats {
            if let Seat::Parked(sender, pardoned) = std::mem::replace(seat, Seat::Running) {
                let _ = sender.send(if pardoned { Parked::GoesOn } else { Parked::Stays });
            }
        }
        return;
    };
    let mut senders = Vec::new();
    let mut hosts = Vec::new();
    for (host, seat) in &mut inner.seats {
        if matches!(seat, Seat::Waiting(at, id, _) if *at == position && *id == task)
            && let Seat::Waiting(_, _, sender) = std::mem::replace(seat, Seat::Running)
        {
            senders.push(sender);
            hosts.push(Arc::clone(host));
        }
    }
    let round = Round::new(hosts);
    for sender in senders {
        let _ = sender.send(Turn::Go(Arc::clone(&round)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks two hosts over positions and records the order in which turns come.
    async fn order(plans: &[(&str, &[u32])]) -> Vec<String> {
        let hosts: Vec<Arc<str>> = plans.iter().map(|(host, _)| Arc::from(*host)).collect();
        let gate = Arc::new(Gate::new(&hosts));
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (host, steps) in plans {
            let (gate, log) = (Arc::clone(&gate), Arc::clone(&log));
            let host: Arc<str> = Arc::from(*host);
            let steps = steps.to_vec();
            tasks.push(tokio::spawn(async move {
                for step in steps {
                    if let Turn::Go(round) = gate.turn(&host, &Position(vec![step]), TaskId(step.into()), false).await {
                        lock(&log).push(format!("{step}x{}", round.hosts.len()));
                    }
                }
                gate.leave(&host);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        lock(&log).clone()
    }

    #[tokio::test]
    async fn linear_keeps_hosts_at_the_same_task() {
        let log = order(&[("a", &[1, 2, 3]), ("b", &[1, 3])]).await;
        assert_eq!(log, ["1x2", "1x2", "2x1", "3x2", "3x2"]);
    }

    #[tokio::test]
    async fn a_pardoned_host_goes_on_when_the_others_have_ended() {
        for pardoned in [false, true] {
            let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
            let gate = Arc::new(Gate::new(&[Arc::clone(&a), Arc::clone(&b)]));
            let parked = tokio::spawn({
                let gate = Arc::clone(&gate);
                async move { gate.park(&a, || false, || {}).await }
            });
            // The other one goes on alone.
            let Turn::Go(round) = gate.turn(&b, &Position(vec![1]), TaskId(1), false).await else { panic!("stopped") };
            assert_eq!(round.hosts.len(), 1);
            if pardoned {
                gate.pardon();
            }
            assert!(!parked.is_finished());
            gate.leave(&b);
            assert_eq!(parked.await.unwrap() == Parked::GoesOn, pardoned);
        }
    }

    #[tokio::test]
    async fn a_stopped_gate_lets_nobody_pass() {
        let gate = Gate::new(&[Arc::from("a")]);
        gate.stop();
        assert!(matches!(gate.turn(&Arc::from("a"), &Position::default(), TaskId(1), false).await, Turn::Stop));
    }
}
