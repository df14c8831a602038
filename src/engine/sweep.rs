//! Hosts that do not wait for each other (`free`, `host_pinned`): who goes next.
//!
//! As in Ansible's loop over its hosts, `meta` takes no time: hosts that stand at one are gone through in order, one
//! after the other, before anything else begins. What `meta: end_play` first in a play leaves out is thus always the
//! same. Tasks that take time hold nobody up.

use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use tokio::sync::oneshot;

use super::schedule::{Round, Turn};
use super::state::lock;

enum Seat {
    /// Not begun yet (`host_pinned`).
    Later,
    /// On its way to its next task, which takes no time.
    Coming,
    /// At a task.
    Working,
    /// At a `meta`.
    Meta,
    /// Waits for its turn; true at a `meta`.
    Asking(bool, oneshot::Sender<Turn>),
    /// Out of reach, until `meta: clear_host_errors` lets it go on.
    Parked(oneshot::Sender<bool>),
}

struct Inner {
    seats: IndexMap<Arc<str>, Seat>,
    /// How many are `Coming` or at a `Meta`.
    short: usize,
    /// How many are at a `Meta`.
    metas: usize,
    /// How many are `Asking`.
    asking: usize,
    /// The seat that is looked at next.
    next: usize,
    stopped: bool,
}

/// The hosts of one batch.
pub(super) struct Sweep(Mutex<Inner>);

impl Sweep {
    /// All hosts of a batch; the first `begun` of them begin at once.
    pub fn new(hosts: &[Arc<str>], begun: usize) -> Self {
        let seat = |index| if index < begun { Seat::Coming } else { Seat::Later };
        let seats = hosts.iter().enumerate().map(|(index, host)| (Arc::clone(host), seat(index))).collect();
        let short = begun.min(hosts.len());
        Self(Mutex::new(Inner { seats, short, metas: 0, asking: 0, next: 0, stopped: false }))
    }

    /// The host begins the play.
    pub fn begin(&self, host: &Arc<str>) {
        lock(&self.0).set(host, Seat::Coming);
    }

    /// Waits for this host's turn; `meta` tells what it stands at.
    pub async fn turn(&self, host: &Arc<str>, meta: bool) -> Turn {
        let receiver = {
            let mut inner = lock(&self.0);
            if inner.stopped {
                return Turn::Stop;
            }
            let (sender, receiver) = oneshot::channel();
            inner.set(host, Seat::Asking(meta, sender));
            inner.go_on();
            receiver
        };
        receiver.await.unwrap_or(Turn::Stop)
    }

    /// The host's `meta` is over, or it begins to take time (`works`).
    pub fn meta_over(&self, host: &Arc<str>, works: bool) {
        let mut inner = lock(&self.0);
        if matches!(inner.seats.get(host), Some(Seat::Meta)) {
            inner.set(host, if works { Seat::Working } else { Seat::Coming });
            inner.go_on();
        }
    }

    /// The host cannot be reached. True once `meta: clear_host_errors` lets it go on; false when nobody is left who
    /// could say so. `pardoned` tells whether that was said before the host came here; `waits` is called if it does wait.
    pub async fn park(&self, host: &Arc<str>, pardoned: impl Fn() -> bool, waits: impl FnOnce()) -> bool {
        let receiver = {
            let mut inner = lock(&self.0);
            if inner.stopped || pardoned() {
                return !inner.stopped;
            }
            let (sender, receiver) = oneshot::channel();
            inner.set(host, Seat::Parked(sender));
            waits();
            inner.go_on();
            receiver
        };
        receiver.await.unwrap_or(false)
    }

    /// Those that cannot be reached go on.
    pub fn pardon(&self) {
        let mut inner = lock(&self.0);
        let parked: Vec<Arc<str>> = inner
            .seats
            .iter()
            .filter(|(_, seat)| matches!(seat, Seat::Parked(_)))
            .map(|(host, _)| Arc::clone(host))
            .collect();
        for host in parked {
            if let Some(Seat::Parked(sender)) = inner.set(&host, Seat::Coming) {
                let _ = sender.send(true);
            }
        }
    }

    /// The host takes no further part.
    pub fn leave(&self, host: &Arc<str>) {
        let mut inner = lock(&self.0);
        inner.set(host, Seat::Working);
        if let Some((index, ..)) = inner.seats.shift_remove_full(host)
            && index < inner.next
        {
            inner.next -= 1;
        }
        inner.go_on();
    }

    /// Nobody begins another task.
    pub fn stop(&self) {
        let mut inner = lock(&self.0);
        inner.stopped = true;
        inner.go_on();
    }

    /// Nobody begins another task any more.
    pub fn stopped(&self) -> bool {
        lock(&self.0).stopped
    }
}

impl Inner {
    fn set(&mut self, host: &Arc<str>, seat: Seat) -> Option<Seat> {
        let slot = self.seats.get_mut(host)?;
        let counts = |seat: &Seat| match seat {
            Seat::Coming => (1, 0, 0),
            Seat::Meta => (1, 1, 0),
            Seat::Asking(..) => (0, 0, 1),
            Seat::Later | Seat::Working | Seat::Parked(_) => (0, 0, 0),
        };
        let new = counts(&seat);
        let old = std::mem::replace(slot, seat);
        let before = counts(&old);
        self.short = self.short + new.0 - before.0;
        self.metas = self.metas + new.1 - before.1;
        self.asking = self.asking + new.2 - before.2;
        Some(old)
    }

    /// Gives turns as far as it goes.
    fn go_on(&mut self) {
        if self.stopped {
            for (_, seat) in &mut self.seats {
                match std::mem::replace(seat, Seat::Working) {
                    Seat::Asking(_, sender) => drop(sender.send(Turn::Stop)),
                    Seat::Parked(sender) => drop(sender.send(false)),
                    Seat::Later | Seat::Coming | Seat::Working | Seat::Meta => {}
                }
            }
            (self.short, self.metas, self.asking) = (0, 0, 0);
            return;
        }
        // In the middle of the line those who come belong to the next time through it.
        while self.asking > 0 {
            if self.next == 0 && self.short > 0 || self.metas > 0 {
                return;
            }
            let Some((host, _)) = self.seats.get_index(self.next) else {
                self.next = 0;
                continue;
            };
            let host = Arc::clone(host);
            self.next += 1;
            let meta = match self.seats.get(&host) {
                Some(Seat::Asking(meta, _)) => *meta,
                _ => continue,
            };
            if let Some(Seat::Asking(_, sender)) = self.set(&host, if meta { Seat::Meta } else { Seat::Working }) {
                let _ = sender.send(Turn::Go(Round::new(vec![host])));
            }
        }
        if !self.seats.values().all(|seat| matches!(seat, Seat::Parked(_))) {
            return;
        }
        for (_, seat) in &mut self.seats {
            if let Seat::Parked(sender) = std::mem::replace(seat, Seat::Working) {
                let _ = sender.send(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks hosts over what they stand at (`true`: a `meta`) and records who went when. The last `meta` of `ends`
    /// stops all.
    async fn walk(plans: &[(&str, &[bool])], ends: Option<&str>) -> Vec<String> {
        let hosts: Vec<Arc<str>> = plans.iter().map(|(host, _)| Arc::from(*host)).collect();
        let sweep = Arc::new(Sweep::new(&hosts, hosts.len()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        // The last one comes first.
        for (host, plan) in plans.iter().rev() {
            let (sweep, log, host): (_, _, Arc<str>) = (Arc::clone(&sweep), Arc::clone(&log), Arc::from(*host));
            let (plan, ends) = (plan.to_vec(), ends.map(str::to_owned));
            tasks.spawn(async move {
                for (index, meta) in plan.iter().enumerate() {
                    if !matches!(sweep.turn(&host, *meta).await, Turn::Go(_)) {
                        break;
                    }
                    lock(&log).push(format!("{host}{index}"));
                    if *meta {
                        tokio::task::yield_now().await;
                        if ends.as_deref() == Some(&*host) && index + 1 == plan.iter().filter(|meta| **meta).count() {
                            sweep.stop();
                        }
                        sweep.meta_over(&host, false);
                    }
                }
                sweep.leave(&host);
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        lock(&log).clone()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn metas_are_gone_through_in_order_before_anything_begins() {
        for _ in 0..50 {
            let same: &[bool] = &[true, true, false];
            let log = walk(&[("a", same), ("b", same), ("c", same)], Some("b")).await;
            assert_eq!(log, ["a0", "b0", "c0", "a1", "b1"]);
            let log = walk(&[("a", &[false]), ("b", &[true, false]), ("c", &[true])], None).await;
            let metas: Vec<&str> = log.iter().map(String::as_str).filter(|step| *step != "a0").collect();
            assert_eq!((log.len(), metas), (4, vec!["b0", "c0", "b1"]));
        }
    }

    #[tokio::test]
    async fn a_task_that_takes_time_holds_nobody_up() {
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        let sweep = Sweep::new(&[Arc::clone(&a), Arc::clone(&b)], 2);
        let (first, second) = tokio::join!(sweep.turn(&a, false), sweep.turn(&b, true));
        assert!(matches!((first, second), (Turn::Go(_), Turn::Go(_))));
        sweep.meta_over(&b, false);
        assert!(matches!(sweep.turn(&b, false).await, Turn::Go(_)));
        assert!(matches!(sweep.turn(&b, true).await, Turn::Go(_)));
        sweep.meta_over(&b, true);
        assert!(matches!(sweep.turn(&a, false).await, Turn::Go(_)));
    }

    #[tokio::test]
    async fn a_host_out_of_reach_goes_on_when_pardoned_and_else_ends_with_the_last() {
        for pardoned in [false, true] {
            let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
            let sweep = Arc::new(Sweep::new(&[Arc::clone(&a), Arc::clone(&b)], 2));
            let (first, _) = tokio::join!(sweep.turn(&a, false), sweep.turn(&b, false));
            assert!(matches!(first, Turn::Go(_)));
            let parked = tokio::spawn({
                let (sweep, a) = (Arc::clone(&sweep), Arc::clone(&a));
                async move { sweep.park(&a, || false, || {}).await }
            });
            assert!(matches!(sweep.turn(&b, true).await, Turn::Go(_)));
            while !matches!(lock(&sweep.0).seats[&a], Seat::Parked(_)) {
                tokio::task::yield_now().await;
            }
            if pardoned {
                sweep.pardon();
            }
            sweep.leave(&b);
            assert_eq!(parked.await.unwrap(), pardoned);
        }
        let alone: Arc<str> = Arc::from("a");
        let begins = || panic!("it does not wait, so no other host may begin in its place");
        assert!(Sweep::new(&[Arc::clone(&alone)], 1).park(&alone, || true, begins).await);
        let ended = Sweep::new(&[Arc::clone(&alone)], 1);
        ended.stop();
        assert!(!ended.park(&alone, || false, begins).await);
    }
}
