//! Text between the callback inside and the events: what it wrote, cut where an event ends; the files of events.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::diag::Diagnostic;
use crate::event::Trouble;

/// What the callback inside writes, until it is known which event it belongs to.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<(bool, Vec<u8>)>>>);

/// One of the two streams of [`Captured`].
struct CapturedStream(Captured, bool);

impl Captured {
    /// Standard output, or standard error.
    pub fn stream(&self, err: bool) -> impl Write + Send + use<> {
        CapturedStream(self.clone(), err)
    }

    pub(super) fn take(&self) -> Vec<(bool, Vec<u8>)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for CapturedStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.last_mut() {
            Some((err, text)) if *err == self.1 => text.extend_from_slice(bytes),
            _ => all.push((self.1, bytes.to_vec())),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Pieces of text, each for standard output or for standard error.
pub(super) type Text = Vec<(bool, Vec<u8>)>;

/// All of the text for standard output, as one piece.
fn joined(text: Text) -> Vec<u8> {
    text.into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// Cuts a text behind a number of bytes; what stands behind.
fn split(text: &mut Text, at: impl Fn(&[u8]) -> usize) -> Text {
    let mut bytes = joined(std::mem::take(text));
    let behind = bytes.split_off(at(&bytes).min(bytes.len()));
    if !bytes.is_empty() {
        text.push((false, bytes));
    }
    if behind.is_empty() { Text::new() } else { vec![(false, behind)] }
}

/// Leaves the first line; what stands behind it.
pub(super) fn split_first_line(text: &mut Text) -> Text {
    split(text, |bytes| bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1))
}

/// Takes the last line off.
pub(super) fn split_last_line(text: &mut Text) -> Text {
    split(text, |bytes| {
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        body.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    })
}

/// Cuts a text that says the same twice.
pub(super) fn split_half(text: &mut Text) -> Text {
    split(text, |bytes| bytes.len() / 2)
}

pub(super) fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Writes an event's file: nobody else may read it, and nobody sees half of it.
pub(super) fn save(dir: &Path, uuid: &str, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let folder = dir.join("job_events");
    if !folder.is_dir() {
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    }
    let path = folder.join(format!("{uuid}-partial.json"));
    let beside = folder.join(format!("{uuid}-partial.json.tmp"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

pub(super) fn unsaved(dir: &Path, error: &std::io::Error) -> Trouble {
    let message = format!("the events of this run are incomplete: `{}`: {error}", dir.join("job_events").display());
    let diagnostic = Diagnostic::local("R0102", message)
        .warning()
        .with_hint("free some space, or set AWX_ISOLATED_DATA_DIR to another folder");
    Trouble { diagnostic, tell: true }
}
