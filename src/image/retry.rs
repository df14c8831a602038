//! What to do about a failure of a build or push: a policy for each class of error. Pure: it starts nothing, waits
//! for nothing, and gets its chance from outside.

use std::time::Duration;

use crate::system::engine::{EngineError, ErrorClass, Right};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A build.
    Build,
    /// A push, or another request to the registry.
    Push,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same again after this time.
    Retry {
        /// How long to wait first.
        after: Duration,
    },
    /// Wait until the engine answers again, then the same once more.
    AwaitEngine,
    /// Make room (prune the build cache), then the same once more.
    FreeSpace,
    /// This image has failed; others go on.
    GiveUp,
    /// Nothing more can be pushed to this registry; builds go on.
    StopPushing {
        /// The right that is missing, and where.
        reason: String,
    },
    /// Nothing more may be done with what is there.
    Fatal {
        /// Why.
        reason: String,
    },
}

/// How often and after which waits something is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Waits after flaky answers; their number is that of the retries.
    pub backoff: Vec<Duration>,
    /// Retries after refusals for too many requests (429); each waits as long as the registry says.
    pub rate_limited: u32,
    /// The wait where a registry says nothing of its own.
    pub rate_wait: Duration,
    /// Retries of a build whose instruction failed (`build_retries`).
    pub build_retries: u32,
    /// Retries after the engine went away.
    pub engine_lost: u32,
    /// Retries after room was made.
    pub disk_full: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff: [1, 3, 10, 30].map(Duration::from_secs).to_vec(),
            rate_limited: 10,
            rate_wait: Duration::from_secs(30),
            build_retries: 0,
            engine_lost: 1,
            disk_full: 1,
        }
    }
}

/// The tries of one build or one push so far, by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    transient: usize,
    rate_limited: u32,
    build: u32,
    engine_lost: u32,
    disk_full: u32,
}

impl Tries {
    /// What to do about an error, counted. `chance` is from 0 to 1 and spreads waits of many that failed together: up
    /// to a quarter is added.
    pub fn next(&mut self, policy: &Policy, work: Work, error: &EngineError, chance: f64) -> Next {
        let chance = if chance.is_finite() { chance.clamp(0.0, 1.0) } else { 0.0 };
        let spread = |wait: Duration| wait.saturating_add(wait.min(Duration::from_hours(1)).mul_f64(0.25 * chance));
        let count = |tries: &mut u32, most: u32, next: Next| {
            if *tries < most {
                *tries += 1;
                next
            } else {
                Next::GiveUp
            }
        };
        match error.class {
            ErrorClass::Transient => match policy.backoff.get(self.transient) {
                Some(wait) => {
                    self.transient += 1;
                    Next::Retry { after: spread(error.retry_after.map_or(*wait, |named| named.max(*wait))) }
                }
                None => Next::GiveUp,
            },
            ErrorClass::RateLimited => {
                let after = spread(error.retry_after.unwrap_or(policy.rate_wait));
                count(&mut self.rate_limited, policy.rate_limited, Next::Retry { after })
            }
            // A build's login is for its base images: others may well have theirs.
            ErrorClass::Auth if work == Work::Build => Next::GiveUp,
            ErrorClass::Auth => Next::StopPushing { reason: missing_right(error) },
            ErrorClass::Digest => Next::Fatal { reason: error.message.clone() },
            ErrorClass::DiskFull => count(&mut self.disk_full, policy.disk_full, Next::FreeSpace),
            ErrorClass::Unreachable => count(&mut self.engine_lost, policy.engine_lost, Next::AwaitEngine),
            ErrorClass::Instruction if work == Work::Build => {
                count(&mut self.build, policy.build_retries, Next::Retry { after: Duration::ZERO })
            }
            // A certificate that is not trusted for one image is not for the next.
            ErrorClass::Certificate if work == Work::Push => Next::StopPushing { reason: error.message.clone() },
            _ => Next::GiveUp,
        }
    }

    /// Retries in all.
    pub fn count(&self) -> u32 {
        let transient = u32::try_from(self.transient).unwrap_or(u32::MAX);
        transient
            .saturating_add(self.rate_limited)
            .saturating_add(self.build)
            .saturating_add(self.engine_lost)
            .saturating_add(self.disk_full)
    }
}

fn missing_right(error: &EngineError) -> String {
    match error.right {
        Some(Right::Login) => format!("the login is refused: {error}"),
        Some(right) => format!("the right to {} is missing: {error}", right.name()),
        None => format!("the login or a right is missing: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: ErrorClass) -> EngineError {
        EngineError::new(class, "no")
    }

    /// All that follows on the same error again and again.
    fn run(policy: &Policy, work: Work, error: &EngineError) -> Vec<Next> {
        let mut tries = Tries::default();
        let mut all = Vec::new();
        for _ in 0..50 {
            let next = tries.next(policy, work, error, 0.0);
            let over = !matches!(next, Next::Retry { .. } | Next::AwaitEngine | Next::FreeSpace);
            all.push(next);
            if over {
                assert_eq!(tries.count() as usize, all.len() - 1);
                return all;
            }
        }
        panic!("no end: {error:?}");
    }

    fn waits(all: &[Next]) -> Vec<u64> {
        all.iter()
            .filter_map(|next| if let Next::Retry { after } = next { Some(after.as_secs()) } else { None })
            .collect()
    }

    #[test]
    fn flaky_answers_are_tried_again_with_growing_waits() {
        let all = run(&Policy::default(), Work::Push, &error(ErrorClass::Transient));
        assert_eq!((waits(&all), all.last()), (vec![1, 3, 10, 30], Some(&Next::GiveUp)));
        // A registry that names a longer wait gets it.
        let named = EngineError { retry_after: Some(Duration::from_secs(5)), ..error(ErrorClass::Transient) };
        assert_eq!(waits(&run(&Policy::default(), Work::Push, &named)), [5, 5, 10, 30]);
    }

    #[test]
    fn rate_limits_wait_as_long_as_the_registry_says() {
        let named = EngineError { retry_after: Some(Duration::from_secs(7)), ..error(ErrorClass::RateLimited) };
        let policy = Policy { rate_limited: 3, ..Policy::default() };
        let all = run(&policy, Work::Push, &named);
        assert_eq!((waits(&all), all.last()), (vec![7, 7, 7], Some(&Next::GiveUp)));
        assert_eq!(waits(&run(&policy, Work::Push, &error(ErrorClass::RateLimited))), [30, 30, 30]);
    }

    #[test]
    fn each_class_has_its_end() {
        let policy = Policy::default();
        let all = |work, class| run(&policy, work, &error(class));
        assert_eq!(all(Work::Build, ErrorClass::Unreachable), [Next::AwaitEngine, Next::GiveUp]);
        assert_eq!(all(Work::Build, ErrorClass::DiskFull), [Next::FreeSpace, Next::GiveUp]);
        assert_eq!(all(Work::Build, ErrorClass::Instruction), [Next::GiveUp]);
        assert_eq!(all(Work::Push, ErrorClass::Digest), [Next::Fatal { reason: "no".into() }]);
        assert_eq!(all(Work::Build, ErrorClass::Auth), [Next::GiveUp]);
        for class in [ErrorClass::NotFound, ErrorClass::Refused, ErrorClass::Unusable, ErrorClass::Other] {
            assert_eq!(all(Work::Push, class), [Next::GiveUp], "{class:?}");
        }
        assert!(matches!(all(Work::Push, ErrorClass::Certificate)[..], [Next::StopPushing { .. }]));
        let twice = Policy { build_retries: 2, ..Policy::default() };
        assert_eq!(run(&twice, Work::Build, &error(ErrorClass::Instruction)).len(), 3);
    }

    #[test]
    fn a_missing_right_stops_all_pushes_and_is_named() {
        let lacking = error(ErrorClass::Auth).lacking(Right::Push);
        let next = Tries::default().next(&Policy::default(), Work::Push, &lacking, 0.5);
        assert_eq!(next, Next::StopPushing { reason: "the right to push is missing: no".into() });
    }

    #[test]
    fn classes_are_counted_apart_and_waits_are_spread() {
        let mut tries = Tries::default();
        let policy = Policy::default();
        tries.next(&policy, Work::Push, &error(ErrorClass::RateLimited), 0.0);
        let next = tries.next(&policy, Work::Push, &error(ErrorClass::Transient), 1.0);
        assert_eq!(next, Next::Retry { after: Duration::from_millis(1250) });
        assert_eq!(
            tries.next(&policy, Work::Push, &error(ErrorClass::Transient), f64::NAN),
            Next::Retry { after: Duration::from_secs(3) }
        );
    }
}
