//! Tar archives as a stream: one header after the other, long names and pax records included.
//!
//! Read here and not by a crate, since what stands in headers is searched too, nothing may be
//! allocated by a claimed size, and a hostile archive must end in a reason.

use std::io::{Error, ErrorKind, Result};

use super::tap::Tap;

/// Bytes of a header and of the padding of content.
const BLOCK: usize = 512;
/// Longest extended header that is kept (all of it is searched).
const LONGEST: u64 = 1 << 20;

/// One entry.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The path as it stands there.
    pub(super) name: Vec<u8>,
    /// Where a link points; empty for others.
    pub(super) link: Vec<u8>,
    /// All headers of this entry, to be searched.
    pub(super) headers: Vec<u8>,
    /// Bytes of content that follow.
    pub(super) size: u64,
    /// An ordinary file.
    pub(super) is_file: bool,
}

/// True for the beginning of a tar archive, also of the oldest kind that has no magic number: the
/// checksum in its header is right.
pub(super) fn looks_like(head: &[u8]) -> bool {
    (head.get(257..262) == Some(b"ustar") || head.first().is_some_and(|byte| *byte != 0)) && checksum(head)
}

fn checksum(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK) else { return false };
    let Some(claimed) = number(&block[148..156]) else { return false };
    let blanked = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
    let sum: u64 = block.iter().enumerate().map(|(at, byte)| u64::from(blanked(at, *byte))).sum();
    let signed: i64 = block.iter().enumerate().map(|(at, byte)| i64::from(blanked(at, *byte).cast_signed())).sum();
    claimed == sum || i64::try_from(claimed) == Ok(signed)
}

/// Octal, or binary with the first bit set.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let (low, high) = (field.get(field.len().checked_sub(8)?..)?, field.get(1..field.len() - 8)?);
        if field[0] != 0x80 || high.iter().any(|byte| *byte != 0) {
            return None;
        }
        return Some(u64::from_be_bytes(low.try_into().ok()?));
    }
    let text = field.split(|byte| *byte == 0).next()?.trim_ascii();
    let digit = |value: u64, byte: &u8| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    };
    text.iter().try_fold(0, digit)
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// The next entry; its content must be read by the caller, and then its padding by [`pad`].
/// `None` at the end. `InvalidData` with the reason if what follows is no header; the stream then
/// stands at it, so that the caller can search the rest.
pub(super) fn next(tap: &mut Tap<'_>) -> Result<Option<Entry>> {
    let mut entry = Entry::default();
    let (mut path, mut target, mut size) = (None, None, None);
    let mut zeros = false;
    loop {
        // Several archives may stand one behind the other, with blocks of zeros between them.
        let mut block = [0_u8; BLOCK];
        match tap.fill(&mut block)? {
            0 => {
                return if entry.headers.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            BLOCK => {}
            // Some writers cut the last block of zeros.
            _ if block.iter().all(|byte| *byte == 0) => return Ok(None),
            _ => return Err(ErrorKind::UnexpectedEof.into()),
        }
        if block.iter().all(|byte| *byte == 0) {
            zeros = true;
            continue;
        }
        entry.headers.extend_from_slice(&block);
        if !checksum(&block) {
            return Err(broken(if zeros { "bytes behind the end of the archive" } else { "a header is damaged" }));
        }
        let claimed = number(&block[124..136]).ok_or_else(|| broken("an entry has no valid size"))?;
        match block[156] {
            kind @ (b'x' | b'g' | b'L' | b'K') => {
                if claimed > LONGEST || entry.headers.len() as u64 + claimed > 2 * LONGEST {
                    return Err(broken("an extended header is too long"));
                }
                let length = usize::try_from(claimed).map_err(|_| broken("an extended header is too long"))?;
                let mut data = vec![0; length];
                if tap.fill(&mut data)? < length {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                pad(tap, claimed)?;
                match kind {
                    b'L' => path = Some(until_zero(&data).to_vec()),
                    b'K' => target = Some(until_zero(&data).to_vec()),
                    b'x' => records(&data, &mut |key, value| match key {
                        b"path" | b"GNU.sparse.name" => path = Some(value.to_vec()),
                        b"linkpath" => target = Some(value.to_vec()),
                        b"size" => size = number_text(value),
                        _ => {}
                    }),
                    _ => {}
                }
                entry.headers.extend_from_slice(&data);
                entry.headers.push(0);
            }
            kind => {
                let prefix = if &block[257..263] == b"ustar\0" { until_zero(&block[345..500]) } else { b"" };
                let short = until_zero(&block[..100]);
                entry.name = path.unwrap_or_else(|| match prefix {
                    b"" => short.to_vec(),
                    prefix => [prefix, b"/", short].concat(),
                });
                entry.link = target.unwrap_or_else(|| until_zero(&block[157..257]).to_vec());
                entry.headers.extend_from_slice(&entry.name);
                entry.headers.push(0);
                entry.headers.extend_from_slice(&entry.link);
                entry.is_file = matches!(kind, b'0' | 0 | b'7' | b'S') && !entry.name.ends_with(b"/");
                // Links, devices and folders have no content, whatever their size says.
                entry.size = if matches!(kind, b'1'..=b'6') { 0 } else { size.unwrap_or(claimed) };
                if kind == b'S' && block[482] != 0 {
                    while tap.fill(&mut block)? == BLOCK && block[504] != 0 {}
                }
                return Ok(Some(entry));
            }
        }
    }
}

/// Reads past what fills the last block of content.
pub(super) fn pad(tap: &mut Tap<'_>, size: u64) -> Result<()> {
    let over = size % BLOCK as u64;
    match tap.skip(if over == 0 { 0 } else { BLOCK as u64 - over }) {
        // The last padding of an archive may be cut; a missing header is seen next.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        outcome => outcome,
    }
}

fn number_text(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `LENGTH KEY=VALUE\n` for each record; ends at the first that is damaged.
fn records(mut data: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) {
    while let Some(space) = data.iter().take(20).position(|byte| *byte == b' ') {
        let Some(length) = number_text(&data[..space]).and_then(|length| usize::try_from(length).ok()) else { return };
        let Some(record) = data.get(space + 1..length) else { return };
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let Some(equals) = record.iter().position(|byte| *byte == b'=') else { return };
        each(&record[..equals], &record[equals + 1..]);
        data = &data[length..];
    }
}
