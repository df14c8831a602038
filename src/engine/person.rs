//! Who may be asked while a run goes on: `pause`, the debugger, `--step`, passwords.
//!
//! The engine has no terminal; what implements [`Person`] has one, or none.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// What ends an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The end of the line.
    Line,
    /// Time alone: keys are not taken.
    Time,
    /// `c` goes on, `a` interrupts.
    Choice,
}

/// A question and how its answer ends.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Shown first, as it is.
    pub prompt: &'a str,
    /// What is typed is not shown.
    pub hidden: bool,
    /// Nobody waits longer than so many seconds.
    pub seconds: Option<u64>,
    /// What ends the answer.
    pub until: Until,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was typed.
    Text(String),
    /// Ctrl-C, or `a` where that was offered.
    Interrupted,
    /// The time was over.
    TimedOut,
}

/// The person in front of a run. All methods wait, so they are called where waiting is no harm.
pub trait Person: Send + Sync {
    /// There is a terminal to ask at.
    fn is_there(&self) -> bool;
    /// Asks; `None` without a terminal, and when the run ends meanwhile.
    fn ask(&self, question: &Question<'_>, cancel: &CancellationToken) -> Option<Answer>;
    /// Reads a whole line from standard input, whatever that is; `None` at its end.
    fn line(&self, prompt: &str) -> Option<String>;
    /// Shows a text.
    fn show(&self, text: &str);
}

/// Nobody: what tests and servers have.
pub struct Nobody;

impl Person for Nobody {
    fn is_there(&self) -> bool {
        false
    }

    fn ask(&self, _: &Question<'_>, _: &CancellationToken) -> Option<Answer> {
        None
    }

    fn line(&self, _: &str) -> Option<String> {
        None
    }

    fn show(&self, _: &str) {}
}

/// Calls the person where waiting is no harm.
pub(super) async fn waiting<T: Send + 'static>(
    person: &Arc<dyn Person>,
    call: impl FnOnce(&dyn Person) -> T + Send + 'static,
) -> Option<T> {
    let person = Arc::clone(person);
    tokio::task::spawn_blocking(move || call(&*person)).await.ok()
}
