//! Whether an image is built or reused: a pure function of its key, the record, what engine and registry have, the
//! policy and the time.
//!
//! **Keys and rebuilt parents.** A child whose own key is in the record is reused although its parent is built again,
//! as long as the parent's *key* is the same: the parent is built only because its image is gone, and the child was
//! made from the same inputs.
//!
//! **Age.** With `max_age` that is not enough: the point is that nothing in an image is older than so many days. So each
//! record holds since when all of it is *fresh* ([`fresh_since`]): the start of a build without cached steps, else what
//! the build before had (its cached steps may be in it), and never later than the freshness of the parents that it was
//! built on. An image that is not fresh enough is built without cached steps and with newer bases. A child can never be
//! fresher than the parent it was built on, so it is built too, also if the run that built the parent ended before it
//! came to the child. Besides, a parent that is built for its age or with `nocache` takes all its children along.

mod decide;
mod policy;

pub use decide::{Candidate, Decision, Place, Presence, Setting, Why, candidates, decide, explain, fresh_since};
pub use policy::{Age, Reuse};

#[cfg(test)]
mod decide_tests;
