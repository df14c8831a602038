//! Runs one call of the module table: on a blocking thread, with its deadline, panics caught.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::diag::{Diagnostic, Kind, guarded};
use crate::modules::{Call, Cx, Failure, Link, ModuleEntry, Outcome};

/// How a table is asked for a module.
pub(super) type Find = fn(&str) -> Option<&'static ModuleEntry>;

/// How long a call that was told to end may take for it.
const GRACE: Duration = Duration::from_secs(5);

/// A flag that tells a call to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Flag(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    set: AtomicBool,
    lost: AtomicBool,
}

impl Flag {
    /// The call shall end.
    pub(super) fn set(&self) {
        self.0.set.store(true, Ordering::Release);
    }

    /// Whoever waited for the call is gone: it ends, but what outlives its link goes on elsewhere.
    pub(super) fn lose(&self) {
        // A call that was told to end before stays told.
        if !self.is_set() {
            self.0.lost.store(true, Ordering::Release);
            self.set();
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.0.lost.load(Ordering::Acquire)
    }
}

/// Sets its flag when dropped: the one who waited is gone. If `leaves` says so, what outlives its link goes on.
pub(super) struct SetOnDrop {
    pub(super) flag: Flag,
    pub(super) leaves: Leaving,
}

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        if self.leaves.is_set() { self.flag.lose() } else { self.flag.set() }
    }
}

/// True once this process was told to end (not interrupted by its user): image builds go on without it.
#[derive(Clone, Debug, Default)]
pub struct Leaving(Arc<AtomicBool>);

impl Leaving {
    /// From now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is so.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Work on a thread where it may block; in a working folder of its own where one is given.
fn blocking<T: Send + 'static>(
    folder: Option<PathBuf>,
    work: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<io::Result<T>> {
    let (sender, receiver) = oneshot::channel();
    // Whoever waited may be gone.
    match folder {
        None => drop(tokio::task::spawn_blocking(move || drop(sender.send(Ok(work()))))),
        // A thread of the pool waits for it: the end of the program then does, too.
        Some(folder) => drop(tokio::task::spawn_blocking(move || {
            drop(sender.send(crate::system::folder::within(folder, work)));
        })),
    }
    receiver
}

/// Runs a call to its end, in a folder where one is given.
pub(super) async fn run_call(
    find: Find,
    mut call: Call,
    folder: Option<PathBuf>,
    link: Arc<dyn Link>,
    cancel: Flag,
) -> Result<Outcome, Failure> {
    let Some(entry) = find(&call.module) else {
        return Err(Diagnostic::internal(format!("the agent has no module `{}`", call.module)).into());
    };
    if call.detach.is_some() {
        let started = blocking(folder.clone(), move || super::job::start(call, &*link)).await;
        return match started {
            Ok(Ok(started)) => started,
            Ok(Err(error)) => Err(no_folder(folder, &error).into()),
            Err(error) => Err(Diagnostic::internal(format!("the job did not start: {error}")).into()),
        };
    }
    if call.outlives.is_some() {
        let ended = blocking(folder.clone(), move || super::outlive::run_or_come_back(call, &*link)).await;
        return match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => Err(no_folder(folder, &error).into()),
            Err(error) => Err(Diagnostic::internal(format!("the build was not followed: {error}")).into()),
        };
    }
    let args = call.args.take();
    let seconds = call.timeout;
    let name = call.module.clone();
    let runtime = Handle::current();
    let mut task = blocking(folder.clone(), move || {
        guarded(|| {
            let cx = Cx::new(call, link, runtime);
            entry.run(cx, args)
        })
    });
    let ended = match seconds.filter(|seconds| *seconds > 0) {
        None => (&mut task).await,
        Some(seconds) => match tokio::time::timeout(Duration::from_secs(seconds), &mut task).await {
            Ok(ended) => ended,
            Err(_) => {
                cancel.set();
                let late = tokio::time::timeout(GRACE, task).await;
                return Err(timed_out(
                    &name,
                    seconds,
                    late.ok().and_then(Result::ok).and_then(Result::ok).and_then(Result::ok),
                ));
            }
        },
    };
    match ended {
        Ok(Ok(Ok(result))) => result,
        Ok(Ok(Err(panic))) => Err(panicked(&name, &panic).into()),
        Ok(Err(error)) => Err(no_folder(folder, &error).into()),
        Err(error) => Err(Diagnostic::internal(format!("module `{name}` did not run: {error}")).into()),
    }
}

fn no_folder(folder: Option<PathBuf>, error: &io::Error) -> Diagnostic {
    let folder = folder.unwrap_or_default();
    Diagnostic::task("H0101", format!("nothing can run in the playbook's folder `{}`: {error}", folder.display()))
        .with_hint("start hostctl as a user who may enter the playbook's folder")
}

fn timed_out(name: &str, seconds: u64, late: Option<Result<Outcome, Failure>>) -> Failure {
    let diagnostic =
        Diagnostic::task("S0402", format!("`{name}` did not end within the task's timeout of {seconds} s"))
            .with_hint("raise the task's `timeout`, or let long work run on with `async`");
    let mut failure = Failure::from(diagnostic);
    match late {
        Some(Ok(outcome)) => {
            failure.changed = outcome.changed;
            failure.result = outcome.result;
            failure.diffs = outcome.diffs;
            failure.warnings = outcome.warnings;
        }
        Some(Err(late)) => {
            failure = Failure { diagnostic: failure.diagnostic, ..late };
        }
        None => failure.diagnostic.notes.push("it was told to end, but had not ended 5 s later".to_owned()),
    }
    failure
}

fn panicked(name: &str, text: &str) -> Diagnostic {
    Diagnostic::new("X0002", Kind::Internal, format!("module `{name}` crashed: {text}"))
        .with_hint("this is a defect of hostctl: please report it with the task that shows it")
}
