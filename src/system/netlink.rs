//! The kernel's routing socket, as far as bridges need it: a request, its answers, attributes.
//!
//! `rtnetlink` would bring 44 crates for six message types. Lengths from the kernel are checked all
//! the same: a short or odd message ends the reading, it never panics.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

pub(super) const NEW_LINK: u16 = 16;
pub(super) const DEL_LINK: u16 = 17;
pub(super) const GET_LINK: u16 = 18;
pub(super) const NEW_ADDRESS: u16 = 20;
pub(super) const DEL_ADDRESS: u16 = 21;
pub(super) const GET_ADDRESS: u16 = 22;
pub(super) const NEW_ROUTE: u16 = 24;
pub(super) const GET_ROUTE: u16 = 26;

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
/// Create, and fail if it exists.
pub(super) const CREATE: u16 = 0x400 | 0x200;
const DUMP_INTERRUPTED: u16 = 0x10;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEADER: usize = 16;

/// A request being built.
#[derive(Clone, Debug)]
pub(super) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A request with its fixed part.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        Self { kind, flags, body: fixed.to_vec() }
    }

    /// Adds an attribute.
    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        put_attribute(&mut self.body, kind, value);
        self
    }

    fn bytes(&self, sequence: u32, flags: u16) -> Vec<u8> {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&self.kind.to_ne_bytes());
        bytes.extend_from_slice(&(self.flags | REQUEST | flags).to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Appends an attribute, padded to four bytes.
pub(super) fn put_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// A text as the kernel wants it.
pub(super) fn c_text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The attributes in a byte range.
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        // The upper two bits are flags (nested, byte order).
        let kind = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Text up to the first NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The socket.
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub(super) fn open() -> Result<Self, Errno> {
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(Duration::from_secs(10)))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// A change; waits for the kernel's word.
    pub(super) fn change(&mut self, message: &Message) -> Result<(), Errno> {
        self.exchange(message, ACK).map(drop)
    }

    /// One question with one answer (`GET_ROUTE` of an address).
    pub(super) fn ask(&mut self, message: &Message) -> Result<Option<Vec<u8>>, Errno> {
        Ok(self.exchange(message, ACK)?.into_iter().next().map(|(_, body)| body))
    }

    /// Everything of a kind: the messages' bodies with their types.
    pub(super) fn dump(&mut self, message: &Message) -> Result<Vec<(u16, Vec<u8>)>, Errno> {
        let mut tries = 0;
        loop {
            match self.exchange(message, DUMP) {
                // Something changed while the kernel was listing.
                Err(Errno::INTR) if tries < 5 => tries += 1,
                other => return other,
            }
        }
    }

    fn exchange(&mut self, message: &Message, flags: u16) -> Result<Vec<(u16, Vec<u8>)>, Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        rustix::net::send(&self.socket, &message.bytes(self.sequence, flags), SendFlags::empty())?;
        let mut answers = Vec::new();
        let mut interrupted = false;
        let mut buffer = vec![0_u8; 256 * 1024];
        loop {
            let (_, received) = match rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            if received == 0 {
                return Err(Errno::IO);
            }
            let mut rest = buffer.get(..received).unwrap_or_default();
            while let Some(length) = u32_at(rest, 0).map(|length| length as usize) {
                let (Some(whole), true) = (rest.get(..length), length >= HEADER) else { break };
                let kind = u16_at(whole, 4).unwrap_or(0);
                let sequence = u32_at(whole, 8).unwrap_or(0);
                let body = &whole[HEADER..];
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if sequence != self.sequence {
                    continue;
                }
                interrupted |= u16_at(whole, 6).unwrap_or(0) & DUMP_INTERRUPTED != 0;
                match kind {
                    DONE if interrupted => return Err(Errno::INTR),
                    DONE => return Ok(answers),
                    ERROR => match i32::from_ne_bytes(u32_at(body, 0).unwrap_or(0).to_ne_bytes()) {
                        0 => return Ok(answers),
                        code => return Err(Errno::from_raw_os_error(code.saturating_neg())),
                    },
                    _ => answers.push((kind, body.to_vec())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_and_broken_ones_end_the_reading() {
        let mut body = Vec::new();
        put_attribute(&mut body, 3, &c_text("br0"));
        put_attribute(&mut body, 0x8000 | 4, &1500_u32.to_ne_bytes());
        let found: Vec<(u16, Vec<u8>)> = Attributes(&body).map(|(kind, value)| (kind, value.to_vec())).collect();
        assert_eq!(found, [(3, b"br0\0".to_vec()), (4, 1500_u32.to_ne_bytes().to_vec())]);
        for cut in 0..body.len() {
            let _ = Attributes(&body[..cut]).count();
        }
        assert_eq!(Attributes(&[0, 0, 0, 0, 0, 0, 0, 0]).count(), 0);
        assert_eq!(Attributes(&[255, 255, 0, 0]).count(), 0);
    }
}
