//! The ways in which a secret may be spelled in output.
//!
//! Each function adds texts that, when found, give the secret away. Knows no secrets itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::fold::fold;

/// Shortest text that is masked, in characters.
pub(super) const SHORTEST: usize = 4;
/// Longer secrets (keys, certificates) are not sought reversed, in capitals or twice encoded.
const LONGEST_DERIVED: usize = 1024;

/// The texts that give secrets away.
#[derive(Clone, Debug, Default)]
pub(super) struct Needles {
    /// As they are.
    pub(super) exact: BTreeSet<Vec<u8>>,
    /// Without their white space, sought in a text without its white space.
    pub(super) folded: BTreeSet<Vec<u8>>,
}

impl Needles {
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// Takes all of another set.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.exact.append(&mut other.exact);
        self.folded.append(&mut other.folded);
    }

    pub(super) fn len(&self) -> usize {
        self.exact.len() + self.folded.len()
    }

    /// A text that is sought as it is, and folded if that is long enough to be told from prose:
    /// words that merely stand side by side are no secret.
    fn add(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let folded = fold(text);
        let enough = if folded.len() == text.len() { 16 } else { 8 };
        self.insert(text, folded, enough);
    }

    /// An encoding that is no prose: programs wrap it at any column.
    fn add_encoded(&mut self, text: impl AsRef<[u8]>) {
        self.insert(text.as_ref(), fold(text.as_ref()), 8);
    }

    fn insert(&mut self, text: &[u8], folded: Vec<u8>, enough: usize) {
        if String::from_utf8_lossy(text).chars().count() < SHORTEST {
            return;
        }
        self.exact.insert(text.to_vec());
        // What backslashes at an end are is told by what stands beside them: before white space they go.
        let first = folded.iter().position(|byte| *byte != b'\\').unwrap_or(folded.len());
        let behind = folded.iter().rposition(|byte| *byte != b'\\').map_or(first, |last| last + 1);
        let inner = &folded[first..behind];
        if inner.len() >= enough {
            self.folded.insert(inner.to_vec());
        }
    }
}

/// Adds a secret in all its spellings; each line of a longer one as well.
pub(super) fn spell(secret: &str, needles: &mut Needles) {
    spell_one(secret, needles);
    if secret.contains(['\n', '\r']) {
        spell_one(secret.trim_end_matches(['\n', '\r']), needles);
        for line in secret.split(['\n', '\r']) {
            spell_one(line, needles);
            spell_one(line.trim(), needles);
        }
    }
}

fn spell_one(secret: &str, needles: &mut Needles) {
    // A blank line or a line of dashes gives nothing away and would mask half of every output.
    let mut seen = BTreeSet::new();
    seen.extend(secret.chars().filter(|c| !c.is_whitespace()));
    if secret.chars().count() < SHORTEST || seen.is_empty() || (seen.len() == 1 && secret.contains("----")) {
        return;
    }
    needles.add(secret);
    base64(secret.as_bytes(), needles);
    needles.add_encoded(hex::encode(secret));
    needles.add_encoded(hex::encode_upper(secret));
    percent(secret, needles);
    json(secret, needles);
    shell(secret, needles);
    if !secret.is_ascii() || secret.contains(char::is_control) {
        numbers(secret, needles);
    }
    needles.add(secret.replace('\'', "''"));
    html(secret, needles);
    if secret.len() <= LONGEST_DERIVED {
        derived(secret, needles);
    }
}

/// Adds one family of spellings.
type Family = fn(&str, &mut Needles);

/// The families of spellings by the name that a finding gives them, the plainest first.
pub(super) const FAMILIES: [(&str, Family); 11] = [
    ("plain", |secret, needles| needles.add(secret)),
    ("base64", |secret, needles| base64(secret.as_bytes(), needles)),
    ("hex", |secret, needles| {
        needles.add_encoded(hex::encode(secret));
        needles.add_encoded(hex::encode_upper(secret));
    }),
    ("JSON", json),
    ("percent-encoded", percent),
    ("shell-quoted", shell),
    ("escaped", |secret, needles| {
        numbers(secret, needles);
        needles.add(secret.replace('\'', "''"));
    }),
    ("HTML", html),
    ("UTF-16", |secret, needles| {
        // Without the zero at one end: little and big endian are the same then.
        let bytes: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        needles.exact.insert(bytes[..bytes.len().saturating_sub(1)].to_vec());
    }),
    (TWICE, twice),
    (CASED, cased),
];
/// The family of base64 in base64.
pub(super) const TWICE: &str = "base64 twice";
/// The family of capitals, small letters and the reversed text.
pub(super) const CASED: &str = "changed case or reversed";

/// HTML as its writers spell quotes.
fn html(text: &str, needles: &mut Needles) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for double in ["&quot;", "&#34;"] {
        for single in ["&#39;", "&#x27;"] {
            needles.add(text.replace('"', double).replace('\'', single));
        }
    }
}

/// Adds bytes that a secret was encoded to: what of them is text, and what programs make of bytes.
pub(super) fn spell_bytes(bytes: &[u8], needles: &mut Needles) {
    // Needles are text, since they are sought in texts.
    bytes.utf8_chunks().for_each(|chunk| needles.add(chunk.valid()));
    base64(bytes, needles);
    needles.add_encoded(hex::encode(bytes));
    needles.add_encoded(hex::encode_upper(bytes));
    let mut repr = String::new();
    for byte in bytes {
        match byte {
            b' '..=b'~' => repr.push(char::from(*byte)),
            _ => drop(write!(repr, "\\x{byte:02x}")),
        }
    }
    needles.add(repr.replace('\\', "\\\\"));
    needles.add(repr);
}

/// Adds what was made of a secret, as it is and as programs quote it.
pub(super) fn spell_derived(text: &str, needles: &mut Needles) {
    needles.add(text);
    base64(text.as_bytes(), needles);
    json(text, needles);
    shell(text, needles);
}

/// What one filter makes of it: `upper`, `lower`, `capitalize`, `reverse`, `b64encode` twice.
fn derived(secret: &str, needles: &mut Needles) {
    cased(secret, needles);
    twice(secret, needles);
}

fn cased(secret: &str, needles: &mut Needles) {
    needles.add(secret.to_uppercase());
    needles.add(secret.to_lowercase());
    let mut chars = secret.chars();
    if let Some(first) = chars.next() {
        let rest = chars.as_str();
        needles.add(first.to_uppercase().chain(rest.chars()).collect::<String>());
        needles.add(first.to_uppercase().chain(rest.to_lowercase().chars()).collect::<String>());
    }
    needles.add(secret.chars().rev().collect::<String>());
}

fn twice(secret: &str, needles: &mut Needles) {
    needles.add_encoded(STANDARD.encode(STANDARD.encode(secret)));
    for shift in 0..3 {
        let inner = decided_base64(secret.as_bytes(), shift);
        for shift in 0..3 {
            needles.add_encoded(decided_base64(inner.as_bytes(), shift));
        }
    }
}

/// The part of a base64 text that a secret alone decides, whatever stands around it.
fn decided_base64(secret: &[u8], shift: usize) -> String {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(secret);
    let first = (shift * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    STANDARD.encode(&bytes)[first.min(last)..last].to_owned()
}

/// Base64 as it looks inside a longer text: at the three alignments, with and without the end.
pub(super) fn base64(secret: &[u8], needles: &mut Needles) {
    for engine in [&STANDARD, &URL_SAFE] {
        for shift in 0..3 {
            let mut bytes = vec![0; shift];
            bytes.extend_from_slice(secret);
            let whole = engine.encode(&bytes);
            // The first characters mix with what stands before, the last ones with what follows.
            let first = (shift * 8).div_ceil(6);
            let last = bytes.len() * 8 / 6;
            needles.add_encoded(&whole[first.min(last)..last]);
            needles.add_encoded(&whole[first..]);
            needles.add_encoded(whole[first..].trim_end_matches('='));
        }
    }
}

/// Percent encoding: what is kept differs, and so do hex digits and spaces.
fn percent(secret: &str, needles: &mut Needles) {
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
                needles.add(out);
            }
        }
    }
}

/// JSON strings: minimal, ASCII only, and with `\/`; the same once more inside a JSON string.
fn json(secret: &str, needles: &mut Needles) {
    for ascii in [false, true] {
        for slash in [false, true] {
            let once = escape(secret, ascii, slash);
            needles.add(escape(&once, ascii, false));
            // As it may stand in HTML (`tojson`).
            if once.contains(['<', '>', '&', '\'']) {
                let safe = once.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
                let safe = safe.replace('\'', "\\u0027");
                needles.add(escape(&safe, ascii, false));
                needles.add(safe);
            }
            // As .NET and careful web frameworks write it.
            if once.contains(CAREFUL) {
                for upper in [false, true] {
                    needles.add(careful(&once, upper));
                }
            }
            needles.add(once);
        }
    }
    // Python's repr, as in debug output.
    let repr = secret.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
    needles.add(repr.replace('\'', "\\'"));
    needles.add(repr);
}

/// Characters that some JSON writers escape beside those that must be.
const CAREFUL: [char; 6] = ['+', '<', '>', '&', '\'', '`'];

fn careful(json: &str, upper: bool) -> String {
    let mut out = String::new();
    for c in json.chars() {
        match (CAREFUL.contains(&c), upper) {
            (true, true) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            (true, false) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
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

/// What is not ASCII as numbers: YAML in double quotes, Python's bytes, a shell's `$'..'`.
fn numbers(secret: &str, needles: &mut Needles) {
    let written = |yaml: bool| {
        let mut out = String::new();
        for c in secret.chars() {
            let code = u32::from(c);
            match c {
                '"' if yaml => out.push_str("\\\""),
                '\'' if !yaml => out.push_str("\\'"),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if (' '..='~').contains(&c) => out.push(c),
                _ if !yaml => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        let _ = write!(out, "\\x{byte:02x}");
                    }
                }
                _ if code < 0x100 => drop(write!(out, "\\x{code:02X}")),
                _ if code < 0x1_0000 => drop(write!(out, "\\u{code:04X}")),
                _ => drop(write!(out, "\\U{code:08X}")),
            }
        }
        out
    };
    needles.add(written(true));
    needles.add(written(false));
    let octal = |byte: u8| if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\{byte:03o}") };
    needles.add(secret.bytes().map(octal).collect::<String>());
}

/// Shell words: both ways to hold a single quote, backslashes, and inside double quotes.
fn shell(secret: &str, needles: &mut Needles) {
    needles.add(secret.replace('\'', "'\\''"));
    needles.add(secret.replace('\'', "'\"'\"'"));
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
    needles.add(backslashed(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:@%+=,".contains(c)));
    needles.add(backslashed(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:@%+=".contains(c)));
    needles.add(backslashed(&|c| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_'));
    // What Python escapes since 3.7, for `regex_escape`; a JSON text doubles the backslashes.
    let regex = backslashed(&|c| "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c));
    needles.add(regex.replace('\\', "\\\\"));
    needles.add(regex);
    needles.add(backslashed(&|c| "\"$`\\".contains(c)));
    needles.add(backslashed(&|c| "\"$`\\!".contains(c)));
    // `$'...'`
    needles.add(
        secret
            .replace('\\', "\\\\")
            .replace('\'', "\\'")
            .replace('\n', "\\n")
            .replace('\t', "\\t")
            .replace('\r', "\\r"),
    );
}
