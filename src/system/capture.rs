//! The output of programs as it comes in: kept up to a limit, cut into whole characters.

/// Bytes of each stream that are kept; beyond it the middle is dropped.
pub const CAPTURE_LIMIT: usize = 16 << 20;

/// Keeps the beginning and the end of a long stream.
#[derive(Default)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    dropped: u64,
}

impl Capture {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let half = CAPTURE_LIMIT / 2;
        let room = half.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.tail.extend(&bytes[room..]);
        if self.tail.len() > half {
            let surplus = self.tail.len() - half;
            self.tail.drain(..surplus);
            self.dropped += surplus as u64;
        }
    }

    pub(super) fn finish(mut self) -> (Vec<u8>, u64) {
        if self.dropped > 0 {
            let note = format!("\n[hostctl: {} bytes left out here]\n", self.dropped);
            self.head.extend_from_slice(note.as_bytes());
        }
        self.head.extend(self.tail);
        (self.head, self.dropped)
    }
}

/// Text out of bytes that come in pieces: a character cut by a piece's end waits for the next.
#[derive(Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// The text that is complete now; bytes that are no UTF-8 become U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut out = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    out.push_str(text);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    out.push_str(&String::from_utf8_lossy(good));
                    if let Some(len) = error.error_len() {
                        out.push('\u{fffd}');
                        rest = &bad[len..];
                    } else {
                        rest = bad;
                        break;
                    }
                }
            }
        }
        let keep = rest.to_vec();
        self.pending = keep;
        out
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}
