//! A panic of one piece of work becomes its text and place, so that only this work fails.
//!
//! The last line of defence: nothing may panic on any input, and where something does all the same, the
//! task that met it fails and the rest of the run goes on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

use super::{Diagnostic, Span};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs work; a panic becomes its text and place, and prints nothing.
pub fn guarded<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
                let text = format!("{}{place}", payload_text(info.payload()));
                LAST_PANIC.with_borrow_mut(|last| *last = Some(text));
            } else {
                previous(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|payload| {
        LAST_PANIC.with_borrow_mut(Option::take).unwrap_or_else(|| payload_text(payload.as_ref()).to_owned())
    })
}

/// The same for work that waits.
pub async fn guarded_future<T>(work: impl Future<Output = T>) -> std::result::Result<T, String> {
    let mut work = pin!(work);
    poll_fn(|cx| match guarded(|| work.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn payload_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

impl Diagnostic {
    /// A defect that ended a piece of work: `what` names it (`this template`), `panic` is what [`guarded`] gave.
    pub fn crash(what: &str, panic: &str, place: Option<Span>) -> Self {
        Self::internal(format!("{what} crashed: {panic}")).with_label_opt(place, "in this")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_place() {
        let text = guarded(|| -> () { panic!("gone {}", 7) }).unwrap_err();
        assert!(text.starts_with("gone 7 (src/diag/guard.rs:"), "{text}");
        assert_eq!(guarded(|| 3), Ok(3));
    }

    #[test]
    fn one_guard_inside_another_leaves_the_outer_one_in_place() {
        let text = guarded(|| -> () {
            assert!(guarded(|| -> () { panic!("inner") }).is_err());
            panic!("outer")
        })
        .unwrap_err();
        assert!(text.starts_with("outer (src/diag/guard.rs:"), "{text}");
        assert!(!GUARDED.get());
    }

    #[tokio::test]
    async fn work_that_waits_is_guarded_in_each_of_its_steps() {
        let text = guarded_future(async {
            tokio::task::yield_now().await;
            let empty: [u8; 0] = [];
            empty[std::hint::black_box(1)]
        })
        .await
        .unwrap_err();
        assert!(text.contains("out of bounds") && text.contains("src/diag/guard.rs:"), "{text}");
        assert_eq!(guarded_future(async { 4 }).await, Ok(4));
    }
}
