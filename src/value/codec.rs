//! Text encodings by Python's names, with Python's `surrogateescape`: bytes that are no text survive a round trip.
//!
//! A byte that cannot be decoded becomes a character of the last private plane, and that byte again when encoded.

use std::borrow::Cow;

/// Stands for byte 0 of those that could not be decoded. The plane is for private use; these last places of it are
/// not used by anything known.
const ESCAPE: u32 = 0x0010_FE00;

/// An encoding.
#[derive(Clone, Copy, Debug)]
pub struct Codec(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Utf8,
    Utf8Sig,
    Ascii,
    Latin1,
    Utf16 { big: bool, mark: bool },
    Other(&'static encoding_rs::Encoding),
}

/// UTF-8 text of any bytes; [`kept_bytes`] gives the same bytes again.
pub fn kept_text(bytes: &[u8]) -> String {
    utf8(bytes, true).unwrap_or_default()
}

/// The bytes of a [`kept_text`].
pub fn kept_bytes(text: &str) -> Vec<u8> {
    utf8_bytes(text)
}

/// A [`kept_text`] for people.
pub fn kept_shown(text: &str) -> String {
    String::from_utf8_lossy(&utf8_bytes(text)).into_owned()
}

/// What to do with bytes that are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// Decoding fails.
    Refuse,
    /// They come back when the text is encoded.
    Keep,
}

impl Codec {
    /// The encoding of a name, as Python's `codecs.lookup` finds it.
    pub fn of(name: &str) -> Option<Self> {
        let plain: String = name.to_ascii_lowercase().replace(['_', ' '], "-");
        Some(Self(match plain.as_str() {
            "utf-8" | "utf8" | "u8" | "utf" | "cp65001" => Kind::Utf8,
            "utf-8-sig" => Kind::Utf8Sig,
            "ascii" | "us-ascii" | "646" => Kind::Ascii,
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "8859" | "iso8859" | "iso88591" | "latin" | "l1"
            | "cp819" => Kind::Latin1,
            "utf-16" | "utf16" | "u16" => Kind::Utf16 { big: false, mark: true },
            "utf-16-le" | "utf-16le" => Kind::Utf16 { big: false, mark: false },
            "utf-16-be" | "utf-16be" => Kind::Utf16 { big: true, mark: false },
            other => {
                let label = match other.strip_prefix("cp125") {
                    Some(rest) => format!("windows-125{rest}"),
                    None => other.to_owned(),
                };
                let found = encoding_rs::Encoding::for_label(label.as_bytes())?;
                // Names of the web that stand for nothing, or for another encoding than Python's.
                if found == encoding_rs::REPLACEMENT || found == encoding_rs::X_USER_DEFINED {
                    return None;
                }
                Kind::Other(found)
            }
        }))
    }

    /// Text of bytes; `None` if they are none.
    pub fn decode(self, bytes: &[u8], stray: Stray) -> Option<String> {
        let keep = stray == Stray::Keep;
        match self.0 {
            Kind::Utf8 => utf8(bytes, keep),
            Kind::Utf8Sig => utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), keep),
            Kind::Ascii if bytes.is_ascii() || keep => {
                Some(bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { escape(*byte) }).collect())
            }
            Kind::Ascii => None,
            Kind::Latin1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Kind::Utf16 { .. } => {
                let (units, rest) = self.units(bytes);
                if rest { None } else { char::decode_utf16(units).collect::<Result<String, _>>().ok() }
            }
            Kind::Other(encoding) => {
                let (text, broken) = encoding.decode_without_bom_handling(bytes);
                if !broken {
                    return Some(text.into_owned());
                }
                if !keep {
                    return None;
                }
                // One by one: what is no text alone is kept as it is.
                Some(bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { escape(*byte) }).collect())
            }
        }
    }

    /// Text of bytes, with a mark (U+FFFD) for what is none.
    pub fn decode_marked(self, bytes: &[u8]) -> String {
        match self.0 {
            Kind::Utf8Sig => String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned(),
            Kind::Utf8 | Kind::Ascii => String::from_utf8_lossy(bytes).into_owned(),
            Kind::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Kind::Utf16 { .. } => {
                let (units, rest) = self.units(bytes);
                let text: String =
                    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
                if rest { text + "\u{fffd}" } else { text }
            }
            Kind::Other(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        }
    }

    /// The units of UTF-16, and whether half of one is left.
    fn units(self, bytes: &[u8]) -> (impl Iterator<Item = u16>, bool) {
        let (big, bytes) = match (self.0, bytes) {
            (Kind::Utf16 { mark: true, .. }, [0xff, 0xfe, rest @ ..]) => (false, rest),
            (Kind::Utf16 { mark: true, .. }, [0xfe, 0xff, rest @ ..]) => (true, rest),
            (Kind::Utf16 { big, .. }, all) => (big, all),
            (_, all) => (false, all),
        };
        let (pairs, rest) = bytes.as_chunks::<2>();
        let unit = move |pair: &[u8; 2]| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        (pairs.iter().map(unit), !rest.is_empty())
    }

    /// Bytes of a text; `None` if a character has none.
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self.0 {
            Kind::Utf8 => Some(utf8_bytes(text)),
            Kind::Utf8Sig => Some([b"\xef\xbb\xbf".as_slice(), &utf8_bytes(text)].concat()),
            Kind::Ascii => text.chars().map(|c| escaped(c).or_else(|| c.is_ascii().then_some(c as u8))).collect(),
            Kind::Latin1 => text.chars().map(|c| escaped(c).or_else(|| u8::try_from(u32::from(c)).ok())).collect(),
            Kind::Utf16 { big, mark } => {
                let mut bytes = if mark { vec![0xff, 0xfe] } else { Vec::new() };
                for unit in text.encode_utf16() {
                    bytes.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
                }
                Some(bytes)
            }
            Kind::Other(encoding) => {
                let mut bytes = Vec::with_capacity(text.len());
                for part in text.split_inclusive(|c| escaped(c).is_some()) {
                    let (plain, stray) = match part.chars().next_back().and_then(|c| Some((c, escaped(c)?))) {
                        Some((c, byte)) => (&part[..part.len() - c.len_utf8()], Some(byte)),
                        None => (part, None),
                    };
                    let (encoded, _, broken): (Cow<'_, [u8]>, _, _) = encoding.encode(plain);
                    if broken {
                        return None;
                    }
                    bytes.extend_from_slice(&encoded);
                    bytes.extend(stray);
                }
                Some(bytes)
            }
        }
    }
}

fn escape(byte: u8) -> char {
    char::from_u32(ESCAPE + u32::from(byte)).unwrap_or('\u{fffd}')
}

fn escaped(c: char) -> Option<u8> {
    u32::from(c).checked_sub(ESCAPE).and_then(|byte| u8::try_from(byte).ok())
}

fn utf8(bytes: &[u8], keep: bool) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            if !keep {
                return None;
            }
            text.extend(chunk.invalid().iter().map(|byte| escape(*byte)));
        }
    }
    Some(text)
}

fn utf8_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        match escaped(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_come_back() {
        for name in ["utf-8", "ascii", "gbk", "latin-1", "cp1252", "shift_jis"] {
            let codec = Codec::of(name).expect(name);
            let bytes = b"caf\xe9\xff\n";
            let text = codec.decode(bytes, Stray::Keep).expect(name);
            assert_eq!(codec.encode(&text).expect(name), bytes, "{name}");
        }
        assert!(Codec::of("utf-8").expect("known").decode(b"\xff", Stray::Refuse).is_none());
        assert!(Codec::of("idontexist").is_none());
    }

    #[test]
    fn texts_are_pythons() {
        let check = |name: &str, text: &str, bytes: &[u8]| {
            let codec = Codec::of(name).expect(name);
            assert_eq!(codec.encode(text).as_deref(), Some(bytes), "{name}");
            assert_eq!(codec.decode(bytes, Stray::Refuse).as_deref(), Some(text), "{name}");
        };
        check("utf-16", "aé", b"\xff\xfea\0\xe9\0");
        check("UTF_16_BE", "aé", b"\0a\0\xe9");
        check("gbk", "你好", b"\xc4\xe3\xba\xc3");
        check("latin1", "é", b"\xe9");
        check("utf-8-sig", "a", b"\xef\xbb\xbfa");
        assert!(Codec::of("ascii").expect("known").encode("é").is_none());
    }
}
