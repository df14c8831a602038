//! The values of a run, and the search of one image for them.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::clean::Clean;
use super::describe::Describe;
use super::members::Walk;
use super::report::{Cost, Finding, NotOpened, Searched};
use super::saved::{Layer, Saved};
use super::tap::Source;
use super::v1::Chains;
use crate::secret::{Redactor, SHORTEST_SOUGHT, Secret, Sought, spellings};

/// Findings that are told.
const MOST: usize = 20;
/// Longest part of a place, in characters.
const PART: usize = 200;

/// What is known of an image besides its saved form.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The engine's ID of the image; it covers all of it.
    pub id: String,
    /// The layers' content digests, base first.
    pub layers: Vec<String>,
    /// `configuration` and `history` as the engine tells them, as JSON.
    pub descriptions: Vec<(&'static str, String)>,
    /// `KEY=value` of build arguments: forbidden words in the builder's own record of them do not count.
    pub recorded: Vec<String>,
}

/// One sought text by its number.
struct Form {
    /// Index into the names.
    what: usize,
    encoding: &'static str,
    word: bool,
}

/// Searches images for secrets and words. One for a whole run: it remembers clean layers.
pub struct Proof {
    names: Vec<String>,
    forms: Vec<Form>,
    sought: Arc<Sought>,
    redactor: Redactor,
    fingerprint: [u8; 32],
    clean: Mutex<Clean>,
    /// The engine names layers as Docker up to 24 does.
    named_by_chain: AtomicBool,
    total: Mutex<Cost>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl Proof {
    /// A search for values (by their names, in all encodings) and for words (as they are).
    pub fn new(values: &[(String, Secret)], words: &[String], clean: Clean) -> Self {
        let (mut names, mut forms, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let redactor = Redactor::default();
        for (name, value) in values {
            redactor.learn(value.expose());
            for form in spellings(value.expose()) {
                forms.push(Form { what: names.len(), encoding: form.encoding, word: false });
                texts.push((form.bytes, form.folded));
            }
            names.push(name.clone());
        }
        for word in words.iter().filter(|word| !word.is_empty()) {
            forms.push(Form { what: names.len(), encoding: "plain", word: true });
            texts.push((word.clone().into_bytes(), false));
            names.push(word.clone());
        }
        let mut sorted: Vec<&str> = values.iter().map(|(_, value)| value.expose()).collect();
        sorted.sort_unstable();
        sorted.push("\u{0}words");
        let from = sorted.len();
        sorted.extend(words.iter().map(String::as_str));
        sorted[from..].sort_unstable();
        Self {
            fingerprint: clean.fingerprint(sorted.into_iter()),
            sought: Arc::new(Sought::new(texts.iter().map(|(bytes, folded)| (bytes.as_slice(), *folded)))),
            names,
            forms,
            redactor,
            clean: Mutex::new(clean),
            named_by_chain: AtomicBool::new(false),
            total: Mutex::default(),
        }
    }

    /// Names of the values that are too short to be searched for; the caller warns of them.
    pub fn too_short(values: &[(String, Secret)]) -> Vec<String> {
        let short = |value: &Secret| value.expose().trim().chars().count() < SHORTEST_SOUGHT;
        // An empty value is none.
        let told = |value: &Secret| short(value) && !value.expose().trim().is_empty();
        let mut names: Vec<String> =
            values.iter().filter(|(_, value)| told(value)).map(|(name, _)| name.clone()).collect();
        names.dedup();
        names
    }

    /// True if nothing is sought.
    pub fn is_empty(&self) -> bool {
        self.sought.is_empty()
    }

    /// The record of clean layers, to be kept for the next run.
    pub fn clean(&self) -> Clean {
        self.record().clone()
    }

    /// True if the image of this ID was searched before, whole, and held nothing.
    pub fn knows(&self, id: &str) -> bool {
        !id.is_empty() && self.record().get(&self.fingerprint, &format!("image {id}")).is_some()
    }

    /// What all searches cost so far.
    pub fn total(&self) -> Cost {
        *self.total.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Clean> {
        self.clean.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches a saved image. An error means that it could not be read whole: nothing is proved.
    pub fn search(&self, image: impl Read, about: &About) -> Result<Searched> {
        let start = Instant::now();
        let mut walk = Walk::new(Arc::clone(&self.sought));
        let mut source = Source::new(image, Rc::clone(&walk.meter));
        let waited = Rc::clone(&source.waited);
        let is_word = |number: u32| self.forms.get(number as usize).is_some_and(|form| form.word);
        for (name, text) in &about.descriptions {
            let mut describe = Describe { walk: &mut walk, is_word: &is_word, recorded: &about.recorded };
            describe.file(name, text.as_bytes());
        }
        let chains = Chains::new(&about.layers, &self.named_by_chain);
        let known = |id: &str| {
            if !names_content(id) {
                return None;
            }
            let record = self.record();
            let by_content = chains.content(id).and_then(|diff| record.get(&self.fingerprint, diff));
            by_content.or_else(|| record.get(&self.fingerprint, id))
        };
        let mut saved = Saved { walk: &mut walk, is_word: &is_word, recorded: &about.recorded, known: &known };
        let (layers, contents) = saved.read(&mut source)?;
        if !about.layers.is_empty() && !contents.contains(&about.layers) {
            return Err(Error::new(ErrorKind::InvalidData, "the image was replaced while it was read"));
        }
        let mut cost = Cost {
            bytes: walk.meter.read.get(),
            opened: walk.meter.opened.get(),
            waited: waited.get().as_secs_f64(),
            not_opened: walk.closed_count,
            ..Cost::default()
        };
        for (index, layer) in layers.iter().enumerate() {
            if layer.searched {
                cost.layers_searched += 1;
                if !walk.tainted.contains(&index) {
                    let mut record = self.record();
                    for thing in layer.diff.iter().chain([&layer.id]).filter(|id| names_content(id)) {
                        record.learn(&self.fingerprint, thing, layer.closed);
                    }
                }
            } else {
                cost.layers_known += 1;
                cost.not_opened += layer.closed;
            }
        }
        if walk.hits.is_empty() && !about.id.is_empty() {
            self.record().learn(&self.fingerprint, &format!("image {}", about.id), cost.not_opened);
        }
        cost.seconds = start.elapsed().as_secs_f64();
        self.total.lock().unwrap_or_else(PoisonError::into_inner).add(&cost);
        Ok(Searched { findings: self.findings(&walk, &layers), not_opened: self.not_opened(&walk, &layers), cost })
    }

    /// Each value once at each place, in its plainest encoding; secrets before words, layers in order.
    fn findings(&self, walk: &Walk, layers: &[Layer]) -> Vec<Finding> {
        let mut best: BTreeMap<(usize, Option<usize>, &[Vec<u8>]), u32> = BTreeMap::new();
        for hit in &walk.hits {
            let Some(form) = self.forms.get(hit.needle as usize) else { continue };
            let entry = best.entry((form.what, hit.layer, &hit.parts)).or_insert(hit.needle);
            *entry = (*entry).min(hit.needle);
        }
        // A member that is stored and not packed is found in its archive's bytes as well.
        let inside = |(what, layer, parts): &(usize, Option<usize>, &[Vec<u8>])| {
            let next = best.range((*what, *layer, *parts)..).nth(1);
            next.is_some_and(|((w, l, p), _)| w == what && l == layer && p.len() > parts.len() && p.starts_with(parts))
        };
        let mut findings: Vec<Finding> = Vec::new();
        for ((what, layer, parts), needle) in best.iter().filter(|(key, _)| !inside(key)).map(|(key, n)| (*key, *n)) {
            let Some(form) = self.forms.get(needle as usize) else { continue };
            let place = self.place(layer, parts, layers);
            let finding = Finding { what: self.names[what].clone(), word: form.word, place, encoding: form.encoding };
            if findings.len() < MOST && !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        findings
    }

    fn not_opened(&self, walk: &Walk, layers: &[Layer]) -> Vec<NotOpened> {
        let told = walk.closed.iter();
        told.map(|one| NotOpened { place: self.place(one.layer, &one.parts, layers), reason: one.reason.clone() })
            .collect()
    }

    /// The place in words. A name may hold a value itself: it is masked.
    fn place(&self, layer: Option<usize>, parts: &[Vec<u8>], layers: &[Layer]) -> String {
        let mut parts = parts.iter().map(|part| self.shown(part)).collect::<Vec<_>>().join(" > ");
        let Some(layer) = layer.and_then(|index| layers.get(index)) else { return parts };
        if !parts.is_empty() && !parts.starts_with(['/', '.']) {
            parts.insert(0, '/');
        }
        let digest = layer.diff.as_ref().unwrap_or(&layer.id);
        let (kind, hex) = digest.split_once(':').unwrap_or(("", digest));
        let short = format!("{kind}:{}…", hex.get(..12).unwrap_or(hex));
        let label = match layer.number {
            Some(number) => format!("layer {number} ({short})"),
            None => format!("layer {short}"),
        };
        if parts.is_empty() { label } else { format!("{label} {parts}") }
    }

    fn shown(&self, part: &[u8]) -> String {
        let text = String::from_utf8_lossy(part);
        let clean = self.redactor.redact(&text);
        let mut shown = String::new();
        for (at, c) in clean.chars().enumerate() {
            if at >= PART {
                shown.push('…');
                break;
            }
            if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
        }
        shown
    }
}

/// True for an ID that stands for content; a mere file name does not.
fn names_content(id: &str) -> bool {
    id.starts_with("sha256:") || id.starts_with("chain:")
}
