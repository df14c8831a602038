//! Image builds as people see them: a moving block of lanes on a terminal (`block`), plain lines (`plain`), what is
//! expected before (`forecast`) and what became of it (`table`). All of it comes from events.

mod block;
mod forecast;
mod plain;
mod set;
mod table;
mod view;

pub(super) use view::{Images, Look};

#[cfg(test)]
mod block_tests;
#[cfg(test)]
mod plain_tests;
