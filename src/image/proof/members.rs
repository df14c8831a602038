//! Looks into files: packed streams and archives are opened, what is inside is searched and
//! opened in turn, down to [`DEPTH`]. Whatever is not opened is told with its reason.

use std::collections::BTreeSet;
use std::io::{BufRead, ErrorKind, Read, Result};
use std::rc::Rc;
use std::sync::Arc;

use super::tap::{Buffers, Meter, Tap};
use super::{ar, tar, zip};
use crate::secret::{Search, Sought};

/// How deep members are opened below a file of a layer. A tar archive directly inside a packed
/// stream (`.tar.gz`) is no level of its own.
pub const DEPTH: u32 = 3;
/// Memory that unpacking one stream may take.
const MEMORY: u64 = 128 << 20;
/// Places that are kept of those not opened, and of those found.
const MOST: usize = 100;

/// Something that could not be looked into; its bytes were searched as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    /// Which layer, by its place in the archive; `None` outside of layers.
    pub(super) layer: Option<usize>,
    /// The path, then the members.
    pub(super) parts: Vec<Vec<u8>>,
    /// Why.
    pub(super) reason: String,
}

/// A sought text that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) layer: Option<usize>,
    pub(super) parts: Vec<Vec<u8>>,
    pub(super) needle: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Zip,
    Tar,
    Ar,
    /// Known by its first bytes, not opened.
    Foreign(&'static str),
}

/// Formats that are told and not opened.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"hsqs", "squashfs"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"070701", "cpio"),
];

impl Format {
    fn of(head: &[u8]) -> Self {
        let zip = b"PK\x03\x04".as_slice();
        if head.starts_with(&[0x1f, 0x8b, 8]) {
            Self::Gzip
        } else if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
            Self::Bzip2
        } else if head.starts_with(b"\xfd7zXZ\0") {
            Self::Xz
        } else if head.starts_with(b"\x28\xb5\x2f\xfd") {
            Self::Zstd
        } else if head.starts_with(zip)
            || head.starts_with(b"#!") && head[..head.len().min(512)].windows(4).any(|four| four == zip)
        {
            Self::Zip
        } else if head.starts_with(b"!<arch>\n") {
            Self::Ar
        } else if tar::looks_like(head) {
            Self::Tar
        } else {
            let named = |(magic, name): &(&[u8], &'static str)| head.starts_with(magic).then_some(Self::Foreign(name));
            FOREIGN.iter().find_map(named).unwrap_or(Self::Plain)
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Ar => "ar",
            Self::Foreign(name) => name,
        }
    }
}

/// The search of one image: where it is, what it found.
pub(super) struct Walk {
    pub(super) sought: Arc<Sought>,
    pub(super) meter: Rc<Meter>,
    /// The layer that is read.
    pub(super) layer: Option<usize>,
    /// The path inside it, then the members.
    place: Vec<Vec<u8>>,
    small: Search,
    pool: Vec<Buffers>,
    pub(super) hits: Vec<Hit>,
    /// Layers with hits, also those that are too many to be kept.
    pub(super) tainted: BTreeSet<usize>,
    pub(super) closed: Vec<Closed>,
    /// How many there were in all.
    pub(super) closed_count: u64,
    /// For this file it was told already that the budget is used up.
    told: bool,
}

impl Walk {
    pub(super) fn new(sought: Arc<Sought>) -> Self {
        Self {
            sought,
            meter: Rc::default(),
            layer: None,
            place: Vec::new(),
            small: Search::default(),
            pool: Vec::new(),
            hits: Vec::new(),
            tainted: BTreeSet::new(),
            closed: Vec::new(),
            closed_count: 0,
            told: false,
        }
    }

    /// A reader that does not search, for the archives around the files.
    pub(super) fn quiet<'a>(&mut self, inner: &'a mut dyn Read) -> Tap<'a> {
        let mut tap = Tap::new(inner, Arc::clone(&self.sought), self.pool.pop().unwrap_or_default(), None);
        tap.searching(false);
        tap
    }

    /// Takes the memory of a reader back, and what it found.
    pub(super) fn done(&mut self, tap: Tap<'_>) {
        let (hits, buffers) = tap.finish();
        self.pool.push(buffers);
        self.record(&hits);
    }

    /// Reads a layer to its end: a tar archive, plain or packed. An error means that it could not
    /// be read whole.
    pub(super) fn layer(&mut self, index: usize, inner: &mut dyn Read) -> Result<()> {
        self.layer = Some(index);
        self.meter.new_layer();
        let mut tap = self.quiet(inner);
        let outcome = match tap.head().map(Format::of) {
            Ok(Format::Gzip) => self.packed_layer(&mut flate2::bufread::MultiGzDecoder::new(&mut tap)),
            Ok(Format::Zstd) => zstd::stream::read::Decoder::with_buffer(&mut tap)
                .and_then(|mut decoder| self.packed_layer(&mut decoder)),
            Ok(_) => self.entries_or_bytes(&mut tap, 0),
            Err(error) => Err(error),
        };
        let outcome = outcome.and_then(|()| tap.drain());
        self.done(tap);
        self.layer = None;
        self.place.clear();
        outcome
    }

    fn packed_layer(&mut self, inner: &mut dyn Read) -> Result<()> {
        let mut tap = self.quiet(inner);
        let outcome = self.entries_or_bytes(&mut tap, 0).and_then(|()| tap.drain());
        self.done(tap);
        outcome
    }

    /// A file outside of layers, opened as one of a layer would be.
    pub(super) fn file(&mut self, name: &[u8], inner: &mut dyn Read) -> Result<()> {
        self.meter.new_layer();
        self.begin(name);
        let outcome = self.content(inner, 0, false);
        self.place.clear();
        outcome
    }

    /// Searches a text at a place outside of layers.
    pub(super) fn text(&mut self, text: &[u8]) -> Vec<u32> {
        self.small.feed(&self.sought, text, 0);
        self.small.end(&self.sought)
    }

    /// A new file of a layer: its place and its budget.
    fn begin(&mut self, name: &[u8]) {
        self.place.push(name.to_vec());
        self.told = false;
        self.meter.new_file();
    }

    fn record(&mut self, hits: &[u32]) {
        if !hits.is_empty() {
            self.tainted.extend(self.layer);
        }
        for needle in hits {
            let hit = Hit { layer: self.layer, parts: self.place.clone(), needle: *needle };
            if self.hits.len() < 10 * MOST && !self.hits.contains(&hit) {
                self.hits.push(hit);
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let hits = self.text(bytes);
        self.record(&hits);
    }

    /// Tells that something at the present place is not opened.
    pub(super) fn not_opened(&mut self, reason: impl Into<String>) {
        self.closed_count += 1;
        if self.closed.len() < MOST {
            self.closed.push(Closed { layer: self.layer, parts: self.place.clone(), reason: reason.into() });
        }
    }

    /// A member of an archive at the present place.
    pub(super) fn member(&mut self, name: &[u8], inner: &mut dyn Read, depth: u32, unpacked: bool) -> Result<()> {
        self.place.push(name.to_vec());
        let outcome = self.content(inner, depth, unpacked);
        self.place.pop();
        outcome
    }

    /// The same, with a word why the member is not opened.
    pub(super) fn closed_member(&mut self, name: &[u8], reason: &str) {
        self.place.push(name.to_vec());
        self.not_opened(reason);
        self.place.pop();
    }

    /// Searches a stream to its end and opens it if it is packed. An error is the stream's own.
    fn content(&mut self, inner: &mut dyn Read, depth: u32, unpacked: bool) -> Result<()> {
        let meter = unpacked.then(|| Rc::clone(&self.meter));
        let buffers = self.pool.pop().unwrap_or_default();
        let mut tap = Tap::new(inner, Arc::clone(&self.sought), buffers, meter);
        let outcome = self.open(&mut tap, depth, unpacked).and_then(|()| tap.drain());
        self.done(tap);
        outcome
    }

    fn open(&mut self, tap: &mut Tap<'_>, depth: u32, unpacked: bool) -> Result<()> {
        let format = Format::of(tap.head()?);
        let free = unpacked && format == Format::Tar;
        match format {
            Format::Plain => return Ok(()),
            Format::Foreign(name) => {
                self.not_opened(format!("{name} is not unpacked"));
                return Ok(());
            }
            _ if depth >= DEPTH && !free => {
                self.not_opened(format!("it lies deeper than {DEPTH} levels"));
                return Ok(());
            }
            _ => {}
        }
        let deeper = if free { depth } else { depth + 1 };
        let outcome = match format {
            Format::Gzip => self.packed(&mut flate2::bufread::MultiGzDecoder::new(&mut *tap), deeper),
            Format::Bzip2 => self.packed(&mut bzip2::bufread::MultiBzDecoder::new(&mut *tap), deeper),
            Format::Xz => xz(&mut *tap).and_then(|mut decoder| self.packed(&mut decoder, deeper)),
            Format::Zstd => zstd::stream::read::Decoder::with_buffer(&mut *tap)
                .and_then(|mut decoder| self.packed(&mut decoder, deeper)),
            Format::Zip => zip::walk(self, tap, deeper),
            Format::Tar => self.entries_or_bytes(tap, deeper),
            Format::Ar => {
                tap.searching(false);
                let outcome = ar::walk(self, tap, deeper);
                tap.searching(outcome.is_err());
                outcome
            }
            Format::Plain | Format::Foreign(_) => Ok(()),
        };
        outcome.or_else(|error| self.forgive(&error, format.name()).map_or(Err(error), |()| Ok(())))
    }

    /// Tells why a member could not be opened; `None` if the image itself could not be read.
    pub(super) fn forgive(&mut self, error: &std::io::Error, format: &str) -> Option<()> {
        if self.meter.broken.get() {
            return None;
        }
        if self.meter.over.get() {
            if !std::mem::replace(&mut self.told, true) {
                self.not_opened("it unpacks to more than its budget");
            }
        } else if error.to_string().to_ascii_lowercase().contains("mem") {
            self.not_opened(format!("its {format} data need more than {} MB of memory", MEMORY >> 20));
        } else if error.kind() == ErrorKind::UnexpectedEof {
            self.not_opened(format!("its {format} data end early"));
        } else {
            self.not_opened(format!("its {format} data are damaged"));
        }
        Some(())
    }

    /// A single packed stream: named as its file is without the ending.
    fn packed(&mut self, decoder: &mut dyn Read, depth: u32) -> Result<()> {
        let name = self.place.last().map(|name| stem(name)).unwrap_or_default();
        self.member(&name, decoder, depth, true)
    }

    /// The entries of a tar archive. If a header is damaged, the rest is searched as it is.
    fn entries_or_bytes(&mut self, tap: &mut Tap<'_>, depth: u32) -> Result<()> {
        tap.searching(false);
        match self.entries(tap, depth) {
            Err(error)
                if error.kind() == ErrorKind::InvalidData && !self.meter.broken.get() && !self.meter.over.get() =>
            {
                tap.searching(true);
                self.not_opened(format!("tar: {error}"));
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn entries(&mut self, tap: &mut Tap<'_>, depth: u32) -> Result<()> {
        while let Some(entry) = tar::next(tap)? {
            if self.place.is_empty() {
                self.begin(&entry.name);
            } else {
                self.place.push(entry.name);
            }
            self.bytes(&entry.headers);
            let outcome = self.exactly(tap, entry.size, depth);
            self.place.pop();
            outcome?;
            tar::pad(tap, entry.size)?;
        }
        Ok(())
    }

    /// The next bytes as a stream of their own; `UnexpectedEof` if there are fewer.
    fn exactly(&mut self, tap: &mut Tap<'_>, size: u64, depth: u32) -> Result<()> {
        if size == 0 {
            return Ok(());
        }
        let mut part = tap.take(size);
        self.content(&mut part, depth, false)?;
        if part.limit() > 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The same for a member of an archive, whose header is searched too.
    pub(super) fn sized(&mut self, name: &[u8], header: &[u8], tap: &mut Tap<'_>, size: u64, depth: u32) -> Result<()> {
        self.place.push(name.to_vec());
        self.bytes(header);
        let outcome = self.exactly(tap, size, depth);
        self.place.pop();
        outcome
    }
}

/// Unpacks xz, also several streams behind each other, within [`MEMORY`].
pub(super) fn xz<R: BufRead>(packed: R) -> Result<liblzma::bufread::XzDecoder<R>> {
    let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)?;
    Ok(liblzma::bufread::XzDecoder::new_stream(packed, stream))
}

/// `notes.txt.gz` holds `notes.txt`.
fn stem(name: &[u8]) -> Vec<u8> {
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    if [b".tgz".as_slice(), b".tbz", b".txz"].iter().any(|end| name.ends_with(end)) {
        return [&name[..name.len() - 3], b"tar"].concat();
    }
    let ends = [b".gz".as_slice(), b".bz2", b".xz", b".zst"];
    let cut = ends.iter().find_map(|end| name.strip_suffix(*end)).unwrap_or(name);
    if cut.is_empty() { b"(unpacked)".to_vec() } else { cut.to_vec() }
}

/// Reads exactly; `false` at the end of the stream.
pub(super) fn read_exact(tap: &mut Tap<'_>, buffer: &mut [u8]) -> Result<bool> {
    match tap.fill(buffer)? {
        0 => Ok(false),
        read if read == buffer.len() => Ok(true),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads up to and past four bytes; `false` if they do not come.
pub(super) fn seek(tap: &mut Tap<'_>, four: [u8; 4]) -> Result<bool> {
    let mut matched = 0;
    loop {
        let data = tap.fill_buf()?;
        if data.is_empty() {
            return Ok(false);
        }
        let mut used = data.len();
        for (at, byte) in data.iter().enumerate() {
            matched = if *byte == four[matched] { matched + 1 } else { usize::from(*byte == four[0]) };
            if matched == four.len() {
                used = at + 1;
                break;
            }
        }
        tap.consume(used);
        if matched == four.len() {
            return Ok(true);
        }
    }
}
