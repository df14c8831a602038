//! What was built on this host, for later runs: one file a repository in a private folder (`/var/lib/hostctl/images`
//! for root), the last request of each set, and the tags that its reused images were given.

mod again;
mod entry;
mod request;
mod store;

pub use again::Reused;
pub(in crate::image) use entry::median;
pub use entry::{Entry, Pushed, Record};
pub use request::{Request, SavedImage};
pub use store::{Records, Store};
