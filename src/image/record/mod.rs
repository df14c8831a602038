//! What was built on this host, for later runs: one file a repository in a private folder (`/var/lib/hostctl/images`
//! for root), and the last request of each set.

mod entry;
mod request;
mod store;

pub(in crate::image) use entry::median;
pub use entry::{Entry, Record};
pub use request::{Request, SavedImage};
pub use store::{Pushed, Records, Store};
