//! Variables: ordered layers of lazily rendered source and plain data, each with its origin.
//!
//! Does not render: `template` does, with a [`Scope`] in hand.

mod merge;
mod scope;

pub use merge::merge_values;
pub use scope::{Entry, HostVars, Layer, Level, Origin, Scope, Sealed};
