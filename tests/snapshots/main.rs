//! What the real binary says, word for word: mistakes (`tests/errors/`), help, exit codes and runs
//! (`tests/cli/`), and the README's tour.

#[cfg(test)]
mod case;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod tour;
