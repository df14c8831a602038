//! An instruction that failed since the disk was full: the engine tells only its exit code, the reason is in its words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::system::engine::{BuildEvent, EngineError, ErrorClass, Feed};

/// What programs say, and lines that they may say after it.
const WORDS: &[&str] = &["No space left on device", "no space left on device", "Disk quota exceeded"];
const AFTER: usize = 40;

/// Lines since the words were last seen.
pub(super) struct Tail(Arc<AtomicUsize>);

/// A feed that passes everything on and looks for the words.
pub(super) fn full_disks(feed: &Feed) -> (Feed, Tail) {
    let since = Arc::new(AtomicUsize::new(usize::MAX));
    let (feed, own) = (feed.clone(), Arc::clone(&since));
    let watching = Feed::new(move |event| {
        if let BuildEvent::Log(line) = &event {
            if WORDS.iter().any(|words| line.contains(words)) {
                own.store(0, Ordering::Relaxed);
            } else {
                let _ = own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lines| lines.checked_add(1));
            }
        }
        feed.send(event);
    });
    (watching, Tail(since))
}

impl Tail {
    /// The error of the build, as one of the disk if that is what its last lines say.
    pub(super) fn sorted(&self, error: EngineError) -> EngineError {
        if error.class == ErrorClass::Instruction && self.0.load(Ordering::Relaxed) <= AFTER {
            let message = format!("no space left on device: {}", error.message);
            return EngineError { class: ErrorClass::DiskFull, message, ..error };
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(lines: &[&str], class: ErrorClass) -> ErrorClass {
        let (feed, tail) = full_disks(&Feed::new(|_| ()));
        lines.iter().for_each(|line| feed.send(BuildEvent::Log((*line).to_owned())));
        tail.sorted(EngineError::new(class, "exit code: 1")).class
    }

    #[test]
    fn the_last_words_tell_a_full_disk() {
        let full = "dd: error writing '/big': No space left on device";
        assert_eq!(class(&["begin", full, "0 records out"], ErrorClass::Instruction), ErrorClass::DiskFull);
        assert_eq!(class(&["begin"], ErrorClass::Instruction), ErrorClass::Instruction);
        assert_eq!(class(&[], ErrorClass::Instruction), ErrorClass::Instruction);
        assert_eq!(class(&[full], ErrorClass::Unreachable), ErrorClass::Unreachable);
        // Long before its end it was of no matter.
        let mut lines = vec![full];
        lines.extend(["more"; AFTER + 1]);
        assert_eq!(class(&lines, ErrorClass::Instruction), ErrorClass::Instruction);
    }
}
