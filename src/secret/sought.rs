//! Searches large data for secrets: whether and in which encoding, at the speed of the disk.
//!
//! The redactor asks where each secret begins and ends, in small texts; here gigabytes are read
//! that almost never hold one. Every sought text is at least `m` bytes long, so it is enough to
//! look at four bytes at every `m - 3`th place: a bit table tells whether they can be part of
//! one, and only then they are compared. Knows no files.

use super::encodings::{CASED, FAMILIES, Needles, TWICE};
use super::fold::Folder;

/// Shorter values, in characters, are not sought: they stand in any image by chance.
pub const SHORTEST_SOUGHT: usize = 6;
/// The same in bytes, for each encoding.
const SHORTEST_BYTES: usize = 6;
/// Values under this length are not sought in capitals, reversed or twice encoded.
const DERIVED: usize = 8;
/// Of a longer value this many bytes are sought: they give it away as well as the whole.
const WINDOW: usize = 64;

/// One form of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// The bytes that are sought.
    pub bytes: Vec<u8>,
    /// They are sought in the data without its white space.
    pub folded: bool,
    /// `plain`, `base64`, `hex`...
    pub encoding: &'static str,
}

/// All forms of a value, the plainest first; none if it is too short to be sought. Of a long
/// value the part with the most different characters stands for the whole.
pub fn spellings(secret: &str) -> Vec<Spelling> {
    let secret = secret.trim();
    if secret.chars().count() < SHORTEST_SOUGHT {
        return Vec::new();
    }
    let mut out = Vec::new();
    let part = telling_part(secret);
    spell(part, &mut out);
    if part.contains('\n') && !part.contains('\r') {
        spell(&part.replace('\n', "\r\n"), &mut out);
    }
    prune(&out)
}

fn spell(part: &str, out: &mut Vec<Spelling>) {
    let short = part.chars().count() < DERIVED;
    for (encoding, family) in FAMILIES {
        if short && (encoding == CASED || encoding == TWICE) {
            continue;
        }
        let mut needles = Needles::default();
        family(part, &mut needles);
        for (set, folded) in [(needles.exact, false), (needles.folded, true)] {
            for bytes in set {
                let known = || out.iter().any(|other| other.folded == folded && other.bytes == bytes);
                if bytes.len() >= SHORTEST_BYTES && !known() {
                    out.push(Spelling { bytes, folded, encoding });
                }
            }
        }
    }
}

/// Leaves out what holds a shorter form of the same value.
fn prune(all: &[Spelling]) -> Vec<Spelling> {
    let holds = |long: &Spelling, short: &Spelling| {
        long.folded == short.folded
            && long.bytes.len() > short.bytes.len()
            && long.bytes.windows(short.bytes.len()).any(|part| part == short.bytes)
    };
    all.iter().filter(|long| !all.iter().any(|short| holds(long, short))).cloned().collect()
}

/// The stretch of a long text with the most different bytes: of a key not the header that all keys have.
fn telling_part(text: &str) -> &str {
    if text.len() <= WINDOW {
        return text;
    }
    let mut best = (0, &text[..0]);
    let mut from = 0;
    while from < text.len() {
        let start = ceil(text, from);
        let end = ceil(text, (start + WINDOW).min(text.len()));
        let part = text.get(start..end).unwrap_or_default();
        let mut seen = [false; 256];
        part.bytes()
            .filter(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80)
            .for_each(|byte| seen[usize::from(byte)] = true);
        let different = seen.iter().filter(|seen| **seen).count();
        if part.len() >= WINDOW && different > best.0 {
            best = (different, part);
        }
        from += WINDOW / 4;
    }
    if best.1.is_empty() { text.get(..ceil(text, WINDOW)).unwrap_or(text) } else { best.1 }
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Texts that are sought, ready for the search. Each has the number under which it was given.
#[derive(Clone)]
pub struct Sought {
    exact: Grams,
    folded: Grams,
}

impl std::fmt::Debug for Sought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sought")
    }
}

impl Sought {
    /// Makes the tables. `all`: the bytes, and whether they are sought folded; empty ones are left out.
    pub fn new<'a>(all: impl IntoIterator<Item = (&'a [u8], bool)>) -> Self {
        let (mut exact, mut folded) = (Vec::new(), Vec::new());
        for (number, (bytes, fold)) in all.into_iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let set = if fold { &mut folded } else { &mut exact };
            if !bytes.is_empty() {
                set.push((number, bytes.to_vec()));
            }
        }
        Self { exact: Grams::new(exact), folded: Grams::new(folded) }
    }

    /// True if nothing is sought.
    pub fn is_empty(&self) -> bool {
        self.exact.needles.is_empty() && self.folded.needles.is_empty()
    }

    /// How many bytes of a piece must stand again before the next one.
    pub fn overlap(&self) -> usize {
        self.exact.longest.saturating_sub(1)
    }
}

/// The search of one stream.
#[derive(Debug, Default)]
pub struct Search {
    folder: Folder,
    folded: Vec<u8>,
    hits: Vec<u32>,
}

impl Search {
    /// Takes the next piece. `data` begins with up to [`Sought::overlap`] bytes of the piece before;
    /// the new ones begin at `fresh`.
    pub fn feed(&mut self, sought: &Sought, data: &[u8], fresh: usize) {
        let hits = &mut self.hits;
        let mut hit = |number| {
            if !hits.contains(&number) {
                hits.push(number);
            }
        };
        sought.exact.find(data, &mut hit);
        if sought.folded.needles.is_empty() {
            return;
        }
        self.folder.push(data.get(fresh..).unwrap_or_default(), &mut self.folded);
        sought.folded.find(&self.folded, &mut hit);
        let keep = self.folded.len().min(sought.folded.longest - 1);
        self.folded.drain(..self.folded.len() - keep);
    }

    /// The end of the stream: what was found, by number, sorted. Ready for another stream.
    pub fn end(&mut self, sought: &Sought) -> Vec<u32> {
        self.folder.flush(&mut self.folded);
        let hits = &mut self.hits;
        sought.folded.find(&self.folded, &mut |number| {
            if !hits.contains(&number) {
                hits.push(number);
            }
        });
        self.folded.clear();
        let mut hits = std::mem::take(&mut self.hits);
        hits.sort_unstable();
        hits
    }
}

/// Bytes that are looked at.
const GRAM: usize = 4;

/// One set of texts by four bytes of theirs.
#[derive(Clone, Default)]
struct Grams {
    needles: Vec<(u32, Vec<u8>)>,
    /// A bit for each hash of four bytes that occur.
    bits: Vec<u64>,
    shift: u32,
    /// Every how many bytes the data is looked at.
    stride: usize,
    /// Where the entries of each bucket begin.
    buckets: Vec<u32>,
    bucket_shift: u32,
    entries: Vec<Entry>,
    longest: usize,
    /// Shorter than four bytes: compared one by one.
    tiny: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Entry {
    gram: u32,
    needle: u32,
    offset: u32,
}

fn hash(gram: u32, shift: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

fn gram(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<GRAM>().map_or(0, |four| u32::from_le_bytes(*four))
}

impl Grams {
    fn new(needles: Vec<(u32, Vec<u8>)>) -> Self {
        let longest = needles.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        let tiny: Vec<usize> = (0..needles.len()).filter(|index| needles[*index].1.len() < GRAM).collect();
        let shortest = needles.iter().map(|(_, bytes)| bytes.len()).filter(|length| *length >= GRAM).min();
        let stride = shortest.map_or(1, |length| (length - GRAM + 1).clamp(1, 8));
        let mut entries = Vec::new();
        for (index, (_, bytes)) in needles.iter().enumerate() {
            if bytes.len() < GRAM {
                continue;
            }
            let start = rarest(bytes, stride);
            for offset in start..start + stride {
                let needle = u32::try_from(index).unwrap_or(u32::MAX);
                let offset_32 = u32::try_from(offset).unwrap_or(u32::MAX);
                entries.push(Entry { gram: gram(&bytes[offset..]), needle, offset: offset_32 });
            }
        }
        // About one bit in 32 is set; at most 512 KB, which a processor's second cache holds.
        let size = (entries.len() * 32).next_power_of_two().clamp(1 << 12, 1 << 22);
        let shift = 32 - size.trailing_zeros();
        let mut bits = vec![0; size / 64];
        for entry in &entries {
            let at = hash(entry.gram, shift);
            bits[at / 64] |= 1 << (at % 64);
        }
        let count = entries.len().next_power_of_two().clamp(16, 1 << 20);
        let bucket_shift = 32 - count.trailing_zeros();
        entries.sort_by_key(|entry| hash(entry.gram, bucket_shift));
        let mut buckets = vec![0_u32; count + 1];
        for entry in &entries {
            buckets[hash(entry.gram, bucket_shift) + 1] += 1;
        }
        for bucket in 1..buckets.len() {
            buckets[bucket] += buckets[bucket - 1];
        }
        Self { needles, bits, shift, stride, buckets, bucket_shift, entries, longest, tiny }
    }

    fn find(&self, data: &[u8], hit: &mut impl FnMut(u32)) {
        for index in &self.tiny {
            let (number, bytes) = &self.needles[*index];
            if data.windows(bytes.len()).any(|part| part == bytes) {
                hit(*number);
            }
        }
        if self.entries.is_empty() {
            return;
        }
        let mut at = 0;
        while let Some(four) = data.get(at..at + GRAM) {
            let gram = gram(four);
            let bit = hash(gram, self.shift);
            if self.bits[bit / 64] >> (bit % 64) & 1 == 1 {
                self.compare(data, at, gram, hit);
            }
            at += self.stride;
        }
    }

    #[inline(never)]
    fn compare(&self, data: &[u8], at: usize, gram: u32, hit: &mut impl FnMut(u32)) {
        let bucket = hash(gram, self.bucket_shift);
        let entries = self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize;
        for entry in self.entries[entries].iter().filter(|entry| entry.gram == gram) {
            let (number, bytes) = &self.needles[entry.needle as usize];
            let Some(start) = at.checked_sub(entry.offset as usize) else { continue };
            if data.get(start..start + bytes.len()) == Some(bytes) {
                hit(*number);
            }
        }
    }
}

/// Where the part of a text begins by which it is recognised: the one least like prose.
fn rarest(bytes: &[u8], stride: usize) -> usize {
    let common = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b' ' | b'/' | b'-' | b'.' | b'_' | 0);
    let width = stride + GRAM - 1;
    (0..=bytes.len() - width)
        .min_by_key(|start| bytes[*start..start + width].iter().filter(|byte| common(byte)).count())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn sought(secret: &str) -> (Sought, Vec<Spelling>) {
        let spellings = spellings(secret);
        (Sought::new(spellings.iter().map(|one| (one.bytes.as_slice(), one.folded))), spellings)
    }

    /// The encodings under which a value is found in a text that comes in pieces.
    fn found(secret: &str, text: &[u8], piece: usize) -> Vec<&'static str> {
        let (sought, spellings) = sought(secret);
        let mut search = Search::default();
        let mut from = 0;
        while from < text.len() {
            let to = (from + piece).min(text.len());
            let start = from.saturating_sub(sought.overlap());
            search.feed(&sought, &text[start..to], from - start);
            from = to;
        }
        let mut found: Vec<_> = search.end(&sought).iter().map(|number| spellings[*number as usize].encoding).collect();
        found.dedup();
        found
    }

    #[test]
    fn each_encoding_has_its_name() {
        let secret = "p4ss<w>ord/9 x";
        for (text, encoding) in [
            (format!("a{secret}b"), "plain"),
            (STANDARD.encode(format!("ab{secret}c")), "base64"),
            (hex::encode(secret), "hex"),
            (r"{p4ss\u003cw\u003eord/9 x}".to_owned(), "JSON"),
            ("?q=p4ss%3Cw%3Eord%2F9+x".to_owned(), "percent-encoded"),
            (r"p4ss\<w\>ord/9\ x".to_owned(), "shell-quoted"),
            ("p4ss&lt;w&gt;ord/9 x".to_owned(), "HTML"),
            (STANDARD.encode(STANDARD.encode(secret)), TWICE),
            (secret.to_uppercase(), CASED),
        ] {
            assert_eq!(found(secret, text.as_bytes(), 7).first(), Some(&encoding), "{text}");
        }
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(found(secret, &wide, 5), ["UTF-16"]);
        assert_eq!(found(secret, b"p4ss<w>ord/9 y", 5), Vec::<&str>::new());
    }

    #[test]
    fn short_values_are_not_sought_and_six_characters_are() {
        assert!(spellings(" 12345\n").is_empty());
        assert_eq!(found("123456", b"x123456", 3), ["plain"]);
    }

    #[test]
    fn a_key_is_found_in_any_layout_and_its_header_is_not_sought() {
        let body: Vec<String> =
            (0_u32..8).map(|line| STANDARD.encode(format!("{:045}", line.wrapping_mul(0x9e37_79b1)))).collect();
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", body.join("\n"));
        assert!(!found(&key, key.as_bytes(), 50).is_empty());
        assert!(!found(&key, key.replace('\n', "\r\n    ").as_bytes(), 50).is_empty());
        assert!(!found(&key, key.replace('\n', "\\n").as_bytes(), 50).is_empty());
        assert!(!found(&key, body.concat().as_bytes(), 50).is_empty());
        assert!(!found(&key, STANDARD.encode(&key).as_bytes(), 50).is_empty());
        assert!(!found(&key, STANDARD.encode(key.replace('\n', "\r\n")).as_bytes(), 50).is_empty());
        let other = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(found(&key, other.as_bytes(), 50), Vec::<&str>::new());
    }

    #[test]
    fn words_of_any_length_are_found() {
        for word in ["a", "ab", "abc", "abcd", "abcdefghijklmnop"] {
            let sought = Sought::new([(word.as_bytes(), false), (b"zzzzzzzz".as_slice(), false)]);
            let mut search = Search::default();
            search.feed(&sought, format!("--{word}").as_bytes(), 0);
            assert_eq!(search.end(&sought), [0], "{word}");
        }
        assert!(Sought::new([(b"".as_slice(), false)]).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_needle_anywhere_over_any_border_is_found(
            secret in "[a-zA-Z0-9é/+ ]{6,90}",
            before in prop::collection::vec(any::<u8>(), 0..200),
            after in prop::collection::vec(any::<u8>(), 0..100),
            piece in 1usize..90,
            form in 0usize..4,
        ) {
            prop_assume!(secret.trim().chars().count() >= SHORTEST_SOUGHT);
            let inner = match form {
                0 => secret.clone().into_bytes(),
                1 => STANDARD.encode(format!("x{secret}yz")).into_bytes(),
                2 => hex::encode(&secret).into_bytes(),
                _ => {
                    let text = STANDARD.encode(&secret);
                    text.as_bytes().chunks(11).flat_map(|line| [line, b"\n  "].concat()).collect()
                }
            };
            let text = [before.as_slice(), &inner, &after].concat();
            prop_assert!(!found(&secret, &text, piece).is_empty());
        }

        #[test]
        fn what_is_not_there_is_not_found(text in "[a-m]{0,300}", piece in 1usize..50) {
            prop_assert_eq!(found("nopqrstuv", text.as_bytes(), piece), Vec::<&str>::new());
        }
    }
}
