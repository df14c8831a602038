//! A reader that searches what is read through it, and the budget of what is unpacked.

use std::cell::Cell;
use std::io::{BufRead, Error, ErrorKind, Read, Result};
use std::rc::Rc;
use std::sync::Arc;

use crate::secret::{Search, Sought};

/// Bytes that are read and searched at once.
const PIECE: usize = 128 << 10;

/// Memory of a tap; used again for the next file.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    bytes: Vec<u8>,
    search: Search,
}

/// How much may still be unpacked, and whether the stream below everything failed.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Of the file of the layer that is read.
    pub(super) file: Cell<u64>,
    /// Of the layer.
    pub(super) layer: Cell<u64>,
    /// All that was unpacked.
    pub(super) opened: Cell<u64>,
    /// The budget was used up.
    pub(super) over: Cell<bool>,
    /// The image's own stream failed: no fault of what it holds.
    pub(super) broken: Cell<bool>,
}

impl Meter {
    fn take(&self, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        self.opened.set(self.opened.get() + bytes);
        if bytes > self.file.get() || bytes > self.layer.get() {
            self.over.set(true);
            return Err(Error::other("budget"));
        }
        self.file.set(self.file.get() - bytes);
        self.layer.set(self.layer.get() - bytes);
        Ok(())
    }
}

/// A buffered reader over another; each piece is searched when it has been read to its end.
pub(super) struct Tap<'a> {
    inner: &'a mut dyn Read,
    sought: Arc<Sought>,
    buffers: Buffers,
    /// Of the buffer: where new bytes began, what was read of them, where they end.
    fresh: usize,
    at: usize,
    end: usize,
    /// The piece in the buffer is still to be searched.
    pending: bool,
    /// Whether pieces are searched.
    on: bool,
    /// What is read here was unpacked and counts.
    meter: Option<Rc<Meter>>,
}

impl<'a> Tap<'a> {
    pub(super) fn new(
        inner: &'a mut dyn Read,
        sought: Arc<Sought>,
        buffers: Buffers,
        meter: Option<Rc<Meter>>,
    ) -> Self {
        Self { inner, sought, buffers, fresh: 0, at: 0, end: 0, pending: false, on: true, meter }
    }

    /// Searches what is read from now on, the piece in the buffer included; or does not.
    pub(super) fn searching(&mut self, on: bool) {
        self.on = on;
    }

    /// What is in the buffer and not read yet; empty at the end.
    pub(super) fn head(&mut self) -> Result<&[u8]> {
        self.fill_buf()
    }

    /// Reads to the end.
    pub(super) fn drain(&mut self) -> Result<()> {
        loop {
            let left = self.fill_buf()?.len();
            if left == 0 {
                return Ok(());
            }
            self.consume(left);
        }
    }

    /// Fills a small buffer; how much came before the end.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    /// Reads past bytes; `UnexpectedEof` if there are fewer.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            let left = self.fill_buf()?.len();
            if left == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let take = usize::try_from(bytes).unwrap_or(usize::MAX).min(left);
            self.consume(take);
            bytes -= take as u64;
        }
        Ok(())
    }

    fn search(&mut self) {
        if std::mem::take(&mut self.pending) && self.on {
            let Buffers { bytes, search } = &mut self.buffers;
            search.feed(&self.sought, &bytes[..self.end], self.fresh);
        }
    }

    /// The end: what was found, and the memory for the next one.
    pub(super) fn finish(mut self) -> (Vec<u32>, Buffers) {
        self.search();
        let hits = self.buffers.search.end(&self.sought);
        (hits, self.buffers)
    }
}

impl BufRead for Tap<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.at >= self.end {
            self.search();
            let keep = if self.on { self.sought.overlap().min(self.end) } else { 0 };
            if self.buffers.bytes.len() < PIECE + self.sought.overlap() {
                self.buffers.bytes.resize(PIECE + self.sought.overlap(), 0);
            }
            self.buffers.bytes.copy_within(self.end - keep..self.end, 0);
            (self.fresh, self.at, self.end) = (keep, keep, keep);
            let until = keep + PIECE;
            while self.end < until {
                match self.inner.read(&mut self.buffers.bytes[self.end..until]) {
                    Ok(0) => break,
                    Ok(read) => {
                        // What was read before the budget ended is searched all the same.
                        self.end += read;
                        self.pending = true;
                        if let Some(meter) = &self.meter {
                            meter.take(read)?;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(&self.buffers.bytes[self.at..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.end);
    }
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.at >= self.end && !self.on && self.meter.is_none() && buffer.len() >= PIECE / 2 {
            return self.inner.read(buffer);
        }
        let ready = self.fill_buf()?;
        let take = ready.len().min(buffer.len());
        buffer[..take].copy_from_slice(&ready[..take]);
        self.consume(take);
        Ok(take)
    }
}

/// The stream of the whole image: counts its bytes, and remembers that it failed.
pub(super) struct Source<R> {
    inner: R,
    meter: Rc<Meter>,
    /// Bytes so far.
    pub(super) bytes: Rc<Cell<u64>>,
    /// Time spent waiting for it.
    pub(super) waited: Rc<Cell<std::time::Duration>>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, meter: Rc<Meter>) -> Self {
        Self { inner, meter, bytes: Rc::default(), waited: Rc::default() }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let start = std::time::Instant::now();
        let read = self.inner.read(buffer);
        self.waited.set(self.waited.get() + start.elapsed());
        match &read {
            Ok(read) => self.bytes.set(self.bytes.get() + *read as u64),
            Err(error) if error.kind() != ErrorKind::Interrupted => self.meter.broken.set(true),
            Err(_) => {}
        }
        read
    }
}
