//! The ways in which a secret may be spelled in output.
//!
//! Each function adds texts that, when found, give the secret away. Knows no secrets itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Shortest text that is masked, in characters.
pub(super) const SHORTEST: usize = 4;

/// Adds a secret in all its spellings; each line of a longer one as well.
pub(super) fn spell(secret: &str, needles: &mut BTreeSet<Vec<u8>>) {
    spell_one(secret, needles);
    if secret.contains(['\n', '\r']) {
        spell_one(secret.trim_end_matches(['\n', '\r']), needles);
        for line in secret.split(['\n', '\r']) {
            spell_one(line, needles);
            spell_one(line.trim(), needles);
        }
    }
}

fn add(text: impl AsRef<[u8]>, needles: &mut BTreeSet<Vec<u8>>) {
    if String::from_utf8_lossy(text.as_ref()).chars().count() >= SHORTEST {
        needles.insert(text.as_ref().to_vec());
    }
}

fn spell_one(secret: &str, needles: &mut BTreeSet<Vec<u8>>) {
    // A blank line or a line of dashes gives nothing away and would mask half of every output.
    let mut seen = BTreeSet::new();
    seen.extend(secret.chars().filter(|c| !c.is_whitespace()));
    if secret.chars().count() < SHORTEST || seen.is_empty() || (seen.len() == 1 && secret.contains("----")) {
        return;
    }
    add(secret, needles);
    base64(secret.as_bytes(), needles);
    percent(secret, needles);
    json(secret, needles);
    shell(secret, needles);
    add(secret.replace('\'', "''"), needles);
    add(
        secret
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;"),
        needles,
    );
}

/// Base64 as it looks inside a longer text: at the three alignments, with and without the end.
pub(super) fn base64(secret: &[u8], needles: &mut BTreeSet<Vec<u8>>) {
    for engine in [&STANDARD, &URL_SAFE] {
        for shift in 0..3 {
            let mut bytes = vec![0; shift];
            bytes.extend_from_slice(secret);
            let whole = engine.encode(&bytes);
            // The first characters mix with what stands before, the last ones with what follows.
            let first = (shift * 8).div_ceil(6);
            let last = bytes.len() * 8 / 6;
            add(&whole[first.min(last)..last], needles);
            add(&whole[first..], needles);
            add(whole[first..].trim_end_matches('='), needles);
        }
    }
}

/// Percent encoding: what is kept differs, and so do hex digits and spaces.
fn percent(secret: &str, needles: &mut BTreeSet<Vec<u8>>) {
    for kept in ["-_.~", "-_.~/", "-_.~!'()*", "-_.*", "-_.~!$&'()*,;=:/@"] {
        for upper in [true, false] {
            for plus in [true, false] {
                let mut out = String::new();
                for byte in secret.bytes() {
                    let c = char::from(byte);
                    if byte.is_ascii_alphanumeric() || (byte.is_ascii() && kept.contains(c)) {
                        out.push(c);
                    } else if byte == b' ' && plus {
                        out.push('+');
                    } else {
                        let _ = if upper { write!(out, "%{byte:02X}") } else { write!(out, "%{byte:02x}") };
                    }
                }
                add(out, needles);
            }
        }
    }
}

/// JSON strings: minimal, ASCII only, and with `\/`; the same once more inside a JSON string.
fn json(secret: &str, needles: &mut BTreeSet<Vec<u8>>) {
    for ascii in [false, true] {
        for slash in [false, true] {
            let once = escape(secret, ascii, slash);
            add(escape(&once, ascii, false), needles);
            add(once, needles);
        }
    }
    // Python's repr, as in debug output.
    let repr = secret.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
    add(repr.replace('\'', "\\'"), needles);
    add(repr, needles);
}

fn escape(text: &str, ascii: bool, slash: bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if slash => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ascii && !c.is_ascii()) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Shell words: both ways to hold a single quote, backslashes, and inside double quotes.
fn shell(secret: &str, needles: &mut BTreeSet<Vec<u8>>) {
    add(secret.replace('\'', "'\\''"), needles);
    add(secret.replace('\'', "'\"'\"'"), needles);
    let backslashed = |special: &dyn Fn(char) -> bool| {
        let mut out = String::new();
        for c in secret.chars() {
            if special(c) {
                out.push('\\');
            }
            out.push(c);
        }
        out
    };
    // `printf %q`, Rust's shell-escape and Python's `re.escape` differ in what they escape.
    add(backslashed(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:@%+=,".contains(c)), needles);
    add(backslashed(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:@%+=".contains(c)), needles);
    add(backslashed(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_'), needles);
    add(backslashed(&|c| "\"$`\\".contains(c)), needles);
    add(backslashed(&|c| "\"$`\\!".contains(c)), needles);
    // `$'...'`
    add(
        secret
            .replace('\\', "\\\\")
            .replace('\'', "\\'")
            .replace('\n', "\\n")
            .replace('\t', "\\t")
            .replace('\r', "\\r"),
        needles,
    );
}
