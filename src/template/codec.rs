//! Text encodings by Python's names, for filters and the `template` module.
//!
//! Unknown ones are refused by name; nothing is guessed.

use crate::diag::{Diagnostic, Kind, Result};
use crate::value::Codec;

/// The encoding of a name.
fn find(name: &str) -> Result<Codec> {
    Codec::of(name).ok_or_else(|| {
        Diagnostic::new("T0103", Kind::Template, format!("the encoding `{name}` is not supported"))
            .with_registered(format!("unknown encoding: {name}"))
            .with_hint("it is utf-8, utf-16, latin-1, windows-1252, ascii or another name of Python's")
    })
}

/// The bytes of a text; an error if a character does not fit.
pub fn encode(text: &str, name: &str) -> Result<Vec<u8>> {
    let codec = find(name)?;
    codec.encode(text).ok_or_else(|| {
        let first = text.chars().find(|c| codec.encode(c.encode_utf8(&mut [0; 4])).is_none()).unwrap_or('?');
        Diagnostic::new("T0103", Kind::Template, format!("`{first}` is no character of `{name}`"))
            .with_registered(format!("'{name}' codec can't encode character '{first}'"))
    })
}

/// The bytes of a text, with Python's way for what does not fit: `ignore`, `replace`, `xmlcharrefreplace`,
/// `backslashreplace`; an error otherwise.
pub fn encode_or(text: &str, name: &str, errors: Option<&str>) -> Result<Vec<u8>> {
    let plain = encode(text, name);
    let way = match errors {
        // The way is looked at only where a character does not fit.
        None | Some("strict" | "surrogateescape" | "surrogatepass") => return plain,
        _ if plain.is_ok() => return plain,
        Some(way @ ("ignore" | "replace" | "xmlcharrefreplace" | "backslashreplace")) => way,
        Some(other) => {
            return Err(Diagnostic::new("T0103", Kind::Template, format!("there is no way `{other}` to encode"))
                .with_registered(format!("unknown error handler name '{other}'"))
                .with_hint("it is strict, ignore, replace, xmlcharrefreplace or backslashreplace"));
        }
    };
    let mut fitting = String::with_capacity(text.len());
    for c in text.chars() {
        let code = u32::from(c);
        let one = c.encode_utf8(&mut [0; 4]).to_owned();
        if encode(&one, name).is_ok() {
            fitting.push(c);
            continue;
        }
        match (way, code) {
            ("ignore", _) => {}
            ("replace", _) => fitting.push('?'),
            ("xmlcharrefreplace", _) => fitting.push_str(&format!("&#{code};")),
            (_, 0..=0xff) => fitting.push_str(&format!("\\x{code:02x}")),
            (_, 0x100..=0xffff) => fitting.push_str(&format!("\\u{code:04x}")),
            _ => fitting.push_str(&format!("\\U{code:08x}")),
        }
    }
    encode(&fitting, name)
}

/// The text of bytes; what is no text is marked.
pub fn decode(bytes: &[u8], name: &str) -> Result<String> {
    Ok(find(name)?.decode_marked(bytes))
}

/// The value of a decimal digit of any script.
pub fn decimal(c: char) -> Option<u32> {
    // Where the digits 0 to 9 of a script begin.
    const ZEROS: [u32; 37] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
        0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
        0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    ];
    let code = u32::from(c);
    ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)).map(|zero| code - zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_round_trip_under_all_their_names() {
        for name in ["utf-8", "UTF_16", "utf-16-be", "utf-16-le", "iso8859-1", "Windows-1252"] {
            let bytes = encode("a\u{e9}", name).unwrap();
            assert_eq!(decode(&bytes, name).unwrap(), "a\u{e9}", "{name}");
        }
        assert_eq!(encode("\u{20ac}", "cp1252").unwrap(), [0x80]);
        assert_eq!(decode(&[0x80], "cp1252").unwrap(), "\u{20ac}");
        assert!(encode("\u{20ac}", "latin-1").is_err());
        assert!(encode("\u{e9}", "ascii").is_err());
        assert!(encode("a", "klingon").is_err());
        let way = |way| String::from_utf8(encode_or("a\u{e9}\u{20ac}", "ascii", Some(way)).unwrap()).unwrap();
        assert_eq!(way("ignore"), "a");
        assert_eq!(way("replace"), "a??");
        assert_eq!(way("xmlcharrefreplace"), "a&#233;&#8364;");
        assert_eq!(way("backslashreplace"), "a\\xe9\\u20ac");
        assert!(encode_or("\u{e9}", "ascii", Some("strict")).is_err());
        assert!(encode_or("\u{e9}", "ascii", Some("nope")).is_err());
    }
}
