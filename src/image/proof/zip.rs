//! Zip archives as a stream, by the headers before each member: the directory stands at the end.
//!
//! What those headers claim is believed as little as possible: a deflated member ends where its
//! data end, and after each member the next header is looked for.

use std::io::{BufRead, Read, Result};

use super::members::{Walk, read_exact, seek, xz};
use super::tap::Tap;

const HEADER: [u8; 4] = *b"PK\x03\x04";

struct Local {
    name: Vec<u8>,
    method: u16,
    encrypted: bool,
    /// `None`: told behind the data.
    packed: Option<u64>,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The length that the extra field of large archives gives.
fn large(mut extra: &[u8], whole_is_there: bool) -> Option<u64> {
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let data = extra.get(4..4 + length)?;
        if id == 1 {
            let at = if whole_is_there { 8 } else { 0 };
            return data.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        }
        extra = &extra[4 + length..];
    }
    None
}

fn local(tap: &mut Tap<'_>) -> Result<Option<Local>> {
    let mut fixed = [0; 26];
    if !read_exact(tap, &mut fixed)? {
        return Ok(None);
    }
    let mut name = vec![0; usize::from(u16_at(&fixed, 22))];
    let mut extra = vec![0; usize::from(u16_at(&fixed, 24))];
    if tap.fill(&mut name)? < name.len() || tap.fill(&mut extra)? < extra.len() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let flags = u16_at(&fixed, 2);
    let packed = match u32_at(&fixed, 14) {
        0 if flags & 8 != 0 => None,
        u32::MAX => large(&extra, u32_at(&fixed, 18) == u32::MAX).filter(|size| *size > 0 || flags & 8 == 0),
        size => Some(u64::from(size)),
    };
    Ok(Some(Local { name, method: u16_at(&fixed, 4), encrypted: flags & 1 != 0, packed }))
}

/// Opens each member of the archive that the stream stands at.
pub(super) fn walk(walk: &mut Walk, tap: &mut Tap<'_>, depth: u32) -> Result<()> {
    while seek(tap, HEADER)? {
        let Some(local) = local(tap)? else { return Ok(()) };
        if local.name.ends_with(b"/") && local.packed == Some(0) {
            continue;
        }
        if local.encrypted {
            walk.closed_member(&local.name, "it is encrypted");
            skip(tap, local.packed)?;
            continue;
        }
        let outcome = match (local.method, local.packed) {
            (0, Some(size)) => walk.sized(&local.name, &[], tap, size, depth),
            (8, _) => walk.member(&local.name, &mut flate2::bufread::DeflateDecoder::new(&mut *tap), depth, true),
            (12, Some(size)) => {
                let mut part = tap.take(size);
                walk.member(&local.name, &mut bzip2::bufread::BzDecoder::new(&mut part), depth, true)
            }
            (93, Some(size)) => {
                let mut part = tap.take(size);
                zstd::stream::read::Decoder::with_buffer(&mut part)
                    .and_then(|mut decoder| walk.member(&local.name, &mut decoder, depth, true))
            }
            (95, Some(size)) => {
                let mut part = tap.take(size);
                xz(&mut part).and_then(|mut decoder| walk.member(&local.name, &mut decoder, depth, true))
            }
            (0, None) => {
                walk.closed_member(&local.name, "it is stored without its length");
                Ok(())
            }
            (method, size) => {
                walk.closed_member(&local.name, &format!("zip's method {method} is not unpacked"));
                skip(tap, size)
            }
        };
        if let Err(error) = outcome {
            // Damage of one member; the image's own failure and the budget end the archive.
            if walk.meter.broken.get() || walk.meter.over.get() || tap.fill_buf().is_err() {
                return Err(error);
            }
            walk.closed_member(&local.name, "its data are damaged");
        }
    }
    Ok(())
}

fn skip(tap: &mut Tap<'_>, size: Option<u64>) -> Result<()> {
    tap.skip(size.unwrap_or(0))
}
