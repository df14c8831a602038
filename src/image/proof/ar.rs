//! `ar` archives: Debian packages and static libraries.

use std::io::{Error, ErrorKind, Result};

use super::members::{Walk, read_exact};
use super::tap::Tap;

/// Opens each member of the archive that the stream stands at.
pub(super) fn walk(walk: &mut Walk, tap: &mut Tap<'_>, depth: u32) -> Result<()> {
    tap.skip(8)?;
    let mut header = [0; 60];
    while read_exact(tap, &mut header)? {
        let text =
            |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).map(str::trim).unwrap_or_default();
        let size: u64 = match text(48..58).parse() {
            Ok(size) if &header[58..] == b"`\n" => size,
            _ => return Err(Error::new(ErrorKind::InvalidData, "a header is damaged")),
        };
        let name = header[..16].trim_ascii_end();
        let name = if name.len() > 1 { name.strip_suffix(b"/").unwrap_or(name) } else { name };
        walk.sized(name, &header, tap, size, depth)?;
        if size % 2 == 1 && tap.skip(1).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
