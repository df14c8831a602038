//! One rate budget for each registry: after a 429 all pushes and all requests of our own wait until the time
//! that the registry named, and start again spread out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest wait that a server can ask for.
pub(super) const LONGEST: Duration = Duration::from_mins(10);
/// The first wait where the server names none; doubled each time.
const FIRST: Duration = Duration::from_secs(5);
/// Spread of those that waited, at most.
const SPREAD: Duration = Duration::from_secs(2);

/// What all users of a registry share. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RateBudget(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    gate: Mutex<Gate>,
    limited: AtomicU64,
    waits: AtomicU64,
}

#[derive(Debug, Default)]
struct Gate {
    until: Option<Instant>,
    /// Refusals without an answer of another kind in between.
    strikes: u32,
}

impl RateBudget {
    /// The registry answered 429. Returns how long everybody waits now: what it named (at most ten minutes), else
    /// 5, 10, 20... seconds. Refusals of requests that were under way together count once.
    pub fn limited(&self, retry_after: Option<Duration>) -> Duration {
        self.limited_at(Instant::now(), retry_after)
    }

    fn limited_at(&self, now: Instant, retry_after: Option<Duration>) -> Duration {
        self.0.limited.fetch_add(1, Ordering::Relaxed);
        let mut gate = self.lock();
        let open = gate.until.is_none_or(|until| until <= now);
        if open {
            gate.strikes = gate.strikes.saturating_add(1);
        }
        let wait = match retry_after {
            Some(named) => named.min(LONGEST),
            None => FIRST.saturating_mul(1 << gate.strikes.saturating_sub(1).min(10)).min(LONGEST),
        };
        let until = now + wait;
        if open || (retry_after.is_some() && gate.until.is_some_and(|old| old < until)) {
            gate.until = Some(until);
        }
        gate.until.map_or(wait, |until| until.saturating_duration_since(now))
    }

    /// The registry took a request.
    pub fn served(&self) {
        self.served_at(Instant::now());
    }

    fn served_at(&self, now: Instant) {
        let mut gate = self.lock();
        // One that was under way before the refusal says nothing.
        if gate.until.is_none_or(|until| until <= now) {
            gate.strikes = 0;
            gate.until = None;
        }
    }

    /// Waits until the registry may be asked again; at once if nothing was refused.
    pub async fn pass(&self) {
        let mut waited = false;
        loop {
            let until = self.lock().until;
            let Some(until) = until.filter(|until| *until > Instant::now()) else { break };
            if !waited {
                waited = true;
                self.0.waits.fetch_add(1, Ordering::Relaxed);
            }
            let rest = until.saturating_duration_since(Instant::now());
            tokio::time::sleep_until(until).await;
            // All that waited would come at once and be refused again.
            tokio::time::sleep(rest.min(SPREAD).mul_f64(chance())).await;
        }
    }

    /// How long [`RateBudget::pass`] would wait now.
    pub fn remaining(&self) -> Duration {
        self.lock().until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// How often the registry answered 429.
    pub fn refusals(&self) -> u64 {
        self.0.limited.load(Ordering::Relaxed)
    }

    /// How many requests and pushes were held back.
    pub fn waits(&self) -> u64 {
        self.0.waits.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.0.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From 0 to 1; one half where there is no chance to be had.
fn chance() -> f64 {
    let mut byte = [128];
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_wait_until_the_time_that_was_named() {
        let budget = RateBudget::default();
        budget.pass().await;
        assert_eq!((budget.refusals(), budget.waits()), (0, 0));
        let start = Instant::now();
        let named = Duration::from_millis(80);
        assert_eq!(budget.limited_at(start, Some(named)), named);
        let other = budget.clone();
        tokio::join!(budget.pass(), other.pass());
        assert!(start.elapsed() >= named);
        assert_eq!((budget.refusals(), budget.waits()), (1, 2));
        // A day is not waited.
        assert!(budget.limited(Some(Duration::from_hours(24))) <= LONGEST);
    }

    #[test]
    fn without_a_time_the_waits_double_and_refusals_together_count_once() {
        let budget = RateBudget::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..4 {
            let wait = budget.limited_at(now, None);
            waits.push(wait.as_secs());
            assert_eq!(budget.limited_at(now, None), wait);
            now += wait;
        }
        assert_eq!(waits, [5, 10, 20, 40]);
        budget.served_at(now);
        assert_eq!(budget.limited_at(now, None).as_secs(), 5);
        // What was under way before does not open the gate.
        budget.served_at(now);
        now += Duration::from_secs(5);
        assert_eq!(budget.limited_at(now, None).as_secs(), 10);
    }
}
