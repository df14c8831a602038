//! Who counts as failed, in the sets that Ansible keeps.
//!
//! A play's variables leave out hosts that were *removed*; later plays leave out hosts that are *listed* as failed or
//! are unreachable; the exit code follows from the hosts whose own way through the batch *failed*. The three differ
//! where rescues, `any_errors_fatal` and `meta: clear_host_errors` meet. Knows nothing of tasks and their results.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::play::PlayRun;
use super::schedule::Verdict;
use super::state::{HostState, Out, States, lock};
use crate::diag::ExitCode;
use crate::event::EventKind;

/// A part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Body,
    Rescue,
    Always,
    /// Failed, with nothing left to run.
    Over,
}

/// A block that a host is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub part: Part,
    /// Something in it failed, and no rescue of its own has taken that back.
    pub failed: bool,
    pub rescue: bool,
    pub always: bool,
}

impl Level {
    /// The body of a block with these parts.
    pub fn new(rescue: bool, always: bool) -> Self {
        Self { part: Part::Body, failed: false, rescue, always }
    }

    /// Something in it fails.
    fn fail(&mut self) {
        self.part = match self.part {
            Part::Over => return,
            Part::Body if self.rescue => Part::Rescue,
            Part::Body | Part::Rescue if self.always => Part::Always,
            Part::Body | Part::Rescue | Part::Always => Part::Over,
        };
        self.failed = true;
    }
}

/// What comes after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    NextBatch,
    /// The play's other batches, then nothing: more failed than `max_fail_percentage` allows.
    LastPlay,
    /// `meta: end_play`
    NextPlay,
    /// Every host of the batch has failed.
    Nothing,
}

/// Sets of hosts that failed, beside each other.
struct Counts {
    listed: usize,
    unreachable: usize,
}

impl HostState {
    /// A failure, its own or another host's, where the host last ran a task.
    pub fn fails_there(&mut self) {
        self.removed += 1;
        if let Some(level) = self.levels.last_mut() {
            level.fail();
        }
    }

    /// A `meta` ends the host's way. What failed stands, unless a rescue was at it, or the block outermost has not heard of it.
    pub fn ends(&mut self) {
        self.removed += 1;
        let rescuing = self.levels.last().is_some_and(|level| level.part == Part::Rescue);
        let heard = self.levels.first().is_some_and(|level| level.failed);
        self.out.get_or_insert(Out::Ended);
        // Who takes no part has nowhere to be.
        if !self.levels.is_empty() {
            self.failed = heard && !rescuing;
            self.failing = false;
        }
    }

    /// `meta: clear_host_errors`
    pub fn clear_errors(&mut self) {
        (self.listed, self.unreachable, self.failed, self.failing) = (false, false, false, false);
        if self.out == Some(Out::Unreachable) {
            self.out = None;
        }
        for level in &mut self.levels {
            level.failed = false;
        }
        self.clearings = self.clearings.wrapping_add(1);
    }
}

impl States {
    fn counts(&self) -> Counts {
        self.each(Counts { listed: 0, unreachable: 0 }, |counts, state| {
            counts.listed += usize::from(state.listed);
            counts.unreachable += usize::from(state.unreachable);
        })
    }

    /// How many hosts count as failed for good.
    pub fn failures(&self) -> usize {
        let counts = self.counts();
        counts.listed + counts.unreachable
    }

    /// A play begins: hosts that an earlier play could not reach stay out of reach.
    pub fn begin_play(&self) {
        self.each((), |(), state| state.unreachable |= state.lost);
    }

    /// A batch begins: who failed before takes no part.
    fn begin_batch(&self) {
        self.each((), |(), state| {
            state.failed = std::mem::take(&mut state.listed);
            state.removed = u32::from(state.failed) + u32::from(state.unreachable);
            state.out = match (state.failed, state.unreachable) {
                (true, _) => Some(Out::Failed),
                (_, true) => Some(Out::Unreachable),
                _ => None,
            };
            state.failing = false;
            state.levels.clear();
            state.coming = None;
        });
    }

    /// A batch is over: what it comes to, if nothing else decides that.
    fn end_batch(&self) -> ExitCode {
        let (failed, unreachable) = self.each((false, false), |all, state| {
            state.listed |= state.failed;
            all.0 |= state.failed;
            all.1 |= state.unreachable;
        });
        match (unreachable, failed) {
            (true, _) => ExitCode::Unreachable,
            (_, true) => ExitCode::HostFailed,
            _ => ExitCode::Ok,
        }
    }

    /// The hosts that could not be reached are so in later plays.
    fn keep_unreachable(&self) {
        self.each((), |(), state| state.lost |= state.unreachable);
    }
}

impl PlayRun {
    /// A batch begins; gives the hosts that go through it.
    pub(super) fn begin_batch(&self, batch: &[Arc<str>]) -> Vec<Arc<str>> {
        self.engine.states.begin_batch();
        *lock(&self.batch) = batch.to_vec();
        *lock(&self.magic_cache) = None;
        let takes_part = |host: &&Arc<str>| lock(&self.engine.states.get(host)).out != Some(Out::Failed);
        batch.iter().filter(takes_part).cloned().collect()
    }

    /// A batch is over. `before` is how many hosts had failed before it.
    pub(super) fn end_batch(&self, batch: &[Arc<str>], before: &mut usize) -> After {
        let states = &self.engine.states;
        let exit = states.end_batch();
        let fatal = self.fatal.swap(false, Ordering::SeqCst);
        *lock(&self.engine.exit) = if fatal { ExitCode::HostFailed } else { exit };
        if self.ended.load(Ordering::SeqCst) {
            return After::NextPlay;
        }
        let now = states.failures();
        if now.saturating_sub(*before) == batch.len() {
            return After::Nothing;
        }
        *before = now;
        states.keep_unreachable();
        if fatal { After::LastPlay } else { After::NextBatch }
    }

    /// A host's own failure. `rescued` takes it; `over` tells that nothing is left for it to run.
    pub(super) fn own_failure(&self, host: &Arc<str>, rescued: bool, over: bool) {
        let state = self.engine.states.get(host);
        let mut state = lock(&state);
        state.fails_there();
        state.removed -= u32::from(rescued);
        state.failing |= !rescued;
        state.listed |= over;
        drop(state);
        *lock(&self.magic_cache) = None;
    }

    /// All hosts have ended a task: what that means for those that did not fail.
    /// Also tells which hosts have nowhere left to fail: they are on their way out of a block as it is.
    pub(super) fn judge_round(
        &self,
        failed: &[Arc<str>],
        unreachable: &[Arc<str>],
        fatal: bool,
        once: bool,
    ) -> (Verdict, Vec<Arc<str>>) {
        let batch = lock(&self.batch).clone();
        let over = |host: &&Arc<str>| {
            let state = self.engine.states.get(host);
            let state = lock(&state);
            state.levels.last().is_some_and(|level| level.part == Part::Over)
        };
        let immune = batch.iter().filter(over).cloned().collect();
        let mut times = 0;
        if once && !failed.is_empty() {
            times += 1;
        }
        let all = fatal && !(failed.is_empty() && unreachable.is_empty());
        times += u32::from(all);
        let mut left = 0;
        let fail_others = |times: u32, listed: bool, left: &mut usize| {
            for host in &batch {
                let state = self.engine.states.get(host);
                let mut state = lock(&state);
                if state.unreachable && !unreachable.contains(host) {
                    continue;
                }
                *left += 1;
                if !failed.contains(host) {
                    state.listed |= listed;
                    (0..times).for_each(|_| state.fails_there());
                }
            }
        };
        if times > 0 {
            fail_others(times, all, &mut left);
        }
        let mut stop = false;
        if let Some(share) = self.max_fail.filter(|_| !self.free) {
            #[expect(clippy::cast_precision_loss, reason = "counts of hosts are small")]
            let over = self.engine.states.counts().listed as f64 / batch.len().max(1) as f64 > share / 100.0;
            if over {
                left = 0;
                fail_others(1, true, &mut left);
                times += 1;
                self.engine.sink.emit(None, EventKind::NoHostsLeft);
                self.fatal.store(true, Ordering::SeqCst);
            }
            stop = self.fatal.load(Ordering::SeqCst) && self.engine.states.counts().listed >= left;
            if stop {
                self.engine.sink.emit(None, EventKind::NoHostsLeft);
            }
        }
        if times > 0 {
            *lock(&self.magic_cache) = None;
        }
        let verdict = match (stop, times) {
            (true, _) => Verdict::Stop,
            (_, 0) => Verdict::Next,
            (_, 1) => Verdict::Fail,
            _ => Verdict::FailTwice,
        };
        (verdict, immune)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_moves_on_to_rescue_then_always_then_the_end() {
        let mut level = Level::new(true, true);
        for part in [Part::Rescue, Part::Always, Part::Over, Part::Over] {
            level.fail();
            assert_eq!((level.part, level.failed), (part, true));
        }
        let mut level = Level::new(false, false);
        level.fail();
        assert_eq!(level.part, Part::Over);
    }

    #[test]
    fn an_ended_host_has_failed_only_if_the_outermost_block_has() {
        let ended = |levels: &[Level], fails: bool| {
            let mut state = HostState { levels: levels.to_vec(), ..HostState::default() };
            if fails {
                state.fails_there();
            }
            state.ends();
            (state.failed, state.out)
        };
        let (plain, rescue, always) = (Level::new(false, false), Level::new(true, false), Level::new(false, true));
        assert_eq!(ended(&[plain], false), (false, Some(Out::Ended)));
        assert_eq!(ended(&[plain], true), (true, Some(Out::Ended)));
        assert_eq!(ended(&[always], true), (true, Some(Out::Ended)));
        assert_eq!(ended(&[rescue], true), (false, Some(Out::Ended)));
        // The block around has not heard of it yet.
        assert_eq!(ended(&[always, plain], true), (false, Some(Out::Ended)));
    }

    #[test]
    fn cleared_errors_leave_a_host_removed_from_the_lists() {
        let mut state = HostState { levels: vec![Level::new(false, true)], ..HostState::default() };
        state.fails_there();
        (state.listed, state.unreachable, state.out) = (true, true, Some(Out::Unreachable));
        state.clear_errors();
        assert_eq!((state.removed, state.listed, state.unreachable, state.out), (1, false, false, None));
        state.ends();
        assert!(!state.failed);
    }
}
