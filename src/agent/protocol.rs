//! Frames between controller and agent: two lengths, a JSON header, raw bytes.
//!
//! Lengths and JSON depth are capped on both sides, and memory grows with what arrives, never
//! with what is claimed. Calls are numbered; answers may come in any order.

use std::io::{self, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::diag::Diagnostic;
use crate::event::Progress;
use crate::modules::{Call, Failure, Outcome};

/// Version of this form. Both sides are the same binary, so any difference is an error.
pub const PROTOCOL: u32 = 1;
/// Longest header: a result with all output of a command fits.
pub const MAX_HEADER: usize = 64 << 20;
/// Longest raw part.
pub const MAX_BODY: usize = 1 << 20;
/// Deepest JSON. Below `serde_json`'s own limit of 128.
pub const MAX_DEPTH: usize = 120;
/// Blobs go in pieces of this size.
pub const CHUNK: usize = 128 << 10;
/// Blobs below this size are kept in memory, and go with the call.
pub const SMALL: u64 = 64 << 10;

/// What the controller says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToAgent {
    /// Run a module.
    Call {
        /// Its number, never used again on this stream.
        id: u64,
        /// Run only if that call ended well (for calls that are sent ahead).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// The call.
        call: Box<Call>,
        /// Small blobs that lie in the raw part, one after the other.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        inline: Vec<Inline>,
    },
    /// End a call soon.
    Cancel {
        /// Its number.
        id: u64,
    },
    /// A piece of a blob that was asked for.
    Blob {
        /// Its name.
        sha256: String,
        /// The last piece.
        last: bool,
    },
    /// A blob that was asked for cannot be had.
    BlobFailed {
        /// Its name.
        sha256: String,
        /// Why.
        diagnostic: Diagnostic,
    },
    /// End.
    Bye {},
}

/// A blob inside a call's raw part.
#[derive(Debug, Serialize, Deserialize)]
pub struct Inline {
    /// Its name.
    pub sha256: String,
    /// Bytes of the raw part.
    pub size: usize,
}

/// Who the agent is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// hostctl's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its file.
    pub path: String,
}

/// What the agent says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromAgent {
    /// First frame.
    Hello(Hello),
    /// The hash of its own file, told as soon as it is known.
    Verified {
        /// Hex.
        sha256: String,
    },
    /// A running call tells something.
    Progress {
        /// The call.
        id: u64,
        /// What.
        progress: Progress,
    },
    /// A blob is needed. Asked for once.
    NeedBlob {
        /// Its name.
        sha256: String,
    },
    /// A call ended well.
    Done {
        /// The call.
        id: u64,
        /// Its outcome.
        outcome: Box<Outcome>,
    },
    /// A call failed.
    Failed {
        /// The call.
        id: u64,
        /// Why.
        failure: Box<Failure>,
    },
    /// Last frame. An end of the stream without it is a lost connection.
    Goodbye {},
}

/// A frame that cannot be made or read.
#[derive(Debug)]
pub enum FrameError {
    /// The stream broke.
    Io(io::Error),
    /// The stream ended inside a frame.
    Cut,
    /// A length or the depth is above its cap.
    TooLarge(String),
    /// The header is no JSON of a known frame.
    Malformed(String),
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Cut => f.write_str("the stream ended inside a frame"),
            Self::TooLarge(what) => f.write_str(what),
            Self::Malformed(what) => write!(f, "malformed frame: {what}"),
        }
    }
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

/// A frame's bytes.
pub fn encode<T: Serialize>(frame: &T, body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 8];
    serde_json::to_writer(&mut bytes, frame).map_err(|error| FrameError::Malformed(error.to_string()))?;
    let header = bytes.len() - 8;
    check_lengths(header, body.len())?;
    check_depth(&bytes[8..])?;
    let lengths = [header, body.len()].map(|len| u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    bytes[..8].copy_from_slice(lengths.as_flattened());
    bytes.extend_from_slice(body);
    Ok(bytes)
}

fn check_lengths(header: usize, body: usize) -> Result<(), FrameError> {
    if header > MAX_HEADER {
        return Err(FrameError::TooLarge(format!("a frame of {header} bytes (at most {MAX_HEADER} are allowed)")));
    }
    if body > MAX_BODY {
        return Err(FrameError::TooLarge(format!("a raw part of {body} bytes (at most {MAX_BODY} are allowed)")));
    }
    Ok(())
}

fn check_depth(json: &[u8]) -> Result<(), FrameError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(FrameError::TooLarge(format!("data nested deeper than {MAX_DEPTH} levels")));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn lengths(prefix: [u8; 8]) -> Result<(usize, usize), FrameError> {
    let (lengths, _) = prefix.as_chunks::<4>();
    let length = |index: usize| lengths.get(index).map_or(0, |bytes| u32::from_be_bytes(*bytes) as usize);
    let (header, body) = (length(0), length(1));
    check_lengths(header, body)?;
    Ok((header, body))
}

fn parse<T: DeserializeOwned>(mut bytes: Vec<u8>, header: usize, body: usize) -> Result<(T, Vec<u8>), FrameError> {
    if bytes.len() != header + body {
        return Err(FrameError::Cut);
    }
    let body = bytes.split_off(header);
    check_depth(&bytes)?;
    let frame = serde_json::from_slice(&bytes).map_err(|error| FrameError::Malformed(error.to_string()))?;
    Ok((frame, body))
}

/// The next frame; `None` at the end of the stream.
pub fn read_blocking<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<(T, Vec<u8>)>, FrameError> {
    let mut prefix = Vec::with_capacity(8);
    input.by_ref().take(8).read_to_end(&mut prefix)?;
    let Ok(prefix) = <[u8; 8]>::try_from(prefix.as_slice()) else {
        return if prefix.is_empty() { Ok(None) } else { Err(FrameError::Cut) };
    };
    let (header, body) = lengths(prefix)?;
    let mut bytes = Vec::new();
    input.by_ref().take((header + body) as u64).read_to_end(&mut bytes)?;
    parse(bytes, header, body).map(Some)
}

/// The next frame; `None` at the end of the stream.
pub async fn read<T: DeserializeOwned>(
    input: &mut (impl AsyncRead + Unpin),
) -> Result<Option<(T, Vec<u8>)>, FrameError> {
    let mut prefix = Vec::with_capacity(8);
    (&mut *input).take(8).read_to_end(&mut prefix).await?;
    let Ok(prefix) = <[u8; 8]>::try_from(prefix.as_slice()) else {
        return if prefix.is_empty() { Ok(None) } else { Err(FrameError::Cut) };
    };
    let (header, body) = lengths(prefix)?;
    let mut bytes = Vec::new();
    (&mut *input).take((header + body) as u64).read_to_end(&mut bytes).await?;
    parse(bytes, header, body).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(mut bytes: &[u8]) -> Result<Option<(ToAgent, Vec<u8>)>, FrameError> {
        read_blocking(&mut bytes)
    }

    #[test]
    fn a_frame_comes_back_with_its_bytes() {
        let bytes = encode(&ToAgent::Blob { sha256: "ab".into(), last: true }, b"\0raw").unwrap();
        let (frame, body) = decode(&bytes).unwrap().unwrap();
        assert!(matches!(frame, ToAgent::Blob { last: true, .. }));
        assert_eq!(body, b"\0raw");
        assert!(decode(b"").unwrap().is_none());
        for cut in 1..bytes.len() {
            assert!(matches!(decode(&bytes[..cut]), Err(FrameError::Cut)), "{cut}");
        }
    }

    #[tokio::test]
    async fn both_readers_agree() {
        let bytes = encode(&ToAgent::Cancel { id: 7 }, b"").unwrap();
        let mut input = &bytes[..];
        let (frame, _) = read::<ToAgent>(&mut input).await.unwrap().unwrap();
        assert!(matches!(frame, ToAgent::Cancel { id: 7 }));
        assert!(read::<ToAgent>(&mut input).await.unwrap().is_none());
        let mut half = &bytes[..9];
        assert!(matches!(read::<ToAgent>(&mut half).await, Err(FrameError::Cut)));
    }

    #[test]
    fn claimed_lengths_are_capped_and_not_allocated() {
        let claim = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert!(matches!(decode(&claim), Err(FrameError::TooLarge(_))));
        let claim = [0, 0, 0, 2, 0xff, 0, 0, 0];
        assert!(matches!(decode(&claim), Err(FrameError::TooLarge(_))));
        let mut below_cap = u32::try_from(MAX_HEADER).unwrap().to_be_bytes().to_vec();
        below_cap.extend_from_slice(&[0, 0, 0, 0, b'{']);
        assert!(matches!(decode(&below_cap), Err(FrameError::Cut)));
    }

    #[test]
    fn depth_is_capped_on_both_sides() {
        let mut deep = serde_json::Value::Null;
        for _ in 0..=MAX_DEPTH {
            deep = serde_json::Value::Array(vec![deep]);
        }
        assert!(matches!(encode(&deep, b""), Err(FrameError::TooLarge(_))));
        let json = [b"[".repeat(MAX_DEPTH + 1), b"]".repeat(MAX_DEPTH + 1)].concat();
        let mut bytes = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&json);
        assert!(matches!(decode(&bytes), Err(FrameError::TooLarge(_))));
        assert!(check_depth(br#"["[[[[\"[[", {}]"#).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
