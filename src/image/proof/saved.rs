//! A saved image as engines write it, read as a stream: Docker's archive (`ID/layer.tar`), the
//! one with an OCI layout inside (`blobs/sha256/DIGEST`, layers plain or packed), and those of
//! other tools (`DIGEST.tar`).

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result};

use serde_json::Value as Json;

use super::describe::Describe;
use super::members::Walk;
use super::tar;

/// Largest description that is read as JSON; a larger one is searched as a file.
const DESCRIPTION: u64 = 64 << 20;

/// A layer of the saved image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layer {
    /// Its file in the archive.
    pub(super) file: String,
    /// By what the engine names it: the content's digest, or the digest of it and all below it.
    pub(super) id: String,
    /// The content's digest.
    pub(super) diff: Option<String>,
    /// Place in the image, from 1.
    pub(super) number: Option<usize>,
    /// It was searched; else it was known.
    pub(super) searched: bool,
    /// Members that were not opened.
    pub(super) closed: u64,
}

/// What the reading of a saved image needs.
pub(super) struct Saved<'a> {
    pub(super) walk: &'a mut Walk,
    pub(super) is_word: &'a dyn Fn(u32) -> bool,
    pub(super) recorded: &'a [String],
    /// Members not opened of a layer that is known to be clean, by its ID in the archive.
    pub(super) known: &'a dyn Fn(&str) -> Option<u64>,
}

#[derive(Default)]
struct Found {
    layers: Vec<Layer>,
    links: BTreeMap<String, String>,
    /// Docker's list of images, and OCI's manifests: configuration and layers by file.
    images: Vec<(String, Vec<String>)>,
    manifests: Vec<(String, Vec<String>)>,
    /// Content digests by the file of the configuration.
    diffs: BTreeMap<String, Vec<String>>,
}

impl Saved<'_> {
    /// Reads the whole stream. An error means that it was not read whole: nothing is proved then.
    pub(super) fn read(&mut self, image: &mut dyn Read) -> Result<Vec<Layer>> {
        let mut found = Found::default();
        let mut tap = self.walk.quiet(image);
        while let Some(entry) = tar::next(&mut tap)? {
            let name = String::from_utf8_lossy(&entry.name).trim_start_matches("./").to_owned();
            let mut content = Read::take(&mut tap, entry.size);
            if entry.is_file {
                self.one(&name, entry.size, &mut content, &mut found)?;
            } else if !entry.link.is_empty() {
                found.links.insert(name, String::from_utf8_lossy(&entry.link).into_owned());
            }
            std::io::copy(&mut content, &mut std::io::sink())?;
            if content.limit() > 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            tar::pad(&mut tap, entry.size)?;
        }
        tap.drain()?;
        self.walk.done(tap);
        found.finish()
    }

    fn one(&mut self, name: &str, size: u64, content: &mut dyn Read, found: &mut Found) -> Result<()> {
        let id = id_of(name);
        if let Some(closed) = (self.known)(&id) {
            let file = name.to_owned();
            found.layers.push(Layer { file, id, closed, ..Layer::default() });
            return Ok(());
        }
        let mut head = Vec::with_capacity(512);
        content.take(512).read_to_end(&mut head)?;
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
        let packed = head.starts_with(&[0x1f, 0x8b]) || head.starts_with(b"\x28\xb5\x2f\xfd");
        let empty = head.len() == 512 && head.iter().all(|byte| *byte == 0);
        if matches!(first, Some(b'{' | b'[')) && size <= DESCRIPTION {
            content.read_to_end(&mut head)?;
            let mut describe = Describe { walk: self.walk, is_word: self.is_word, recorded: self.recorded };
            if let Some(json) = describe.file(name, &head) {
                found.json(name, &json);
            }
            return Ok(());
        }
        let mut whole = std::io::Cursor::new(head).chain(content);
        let is_layer = name.ends_with(".tar") || name.starts_with("blobs/");
        if is_layer && (packed || empty || tar::looks_like(whole.get_ref().0.get_ref())) {
            let before = self.walk.closed_count;
            self.walk.layer(found.layers.len(), &mut whole)?;
            let closed = self.walk.closed_count - before;
            found.layers.push(Layer { file: name.to_owned(), id, closed, searched: true, ..Layer::default() });
            Ok(())
        } else {
            self.walk.file(name.as_bytes(), &mut whole)
        }
    }
}

/// `blobs/sha256/ID`, `ID/layer.tar`, `ID.tar`: the ID with the kind of its digest before it, so
/// that no two kinds are taken for each other.
fn id_of(name: &str) -> String {
    if let Some(id) = name.strip_prefix("blobs/sha256/") {
        format!("sha256:{id}")
    } else if let Some(id) = name.strip_suffix("/layer.tar") {
        format!("chain:{id}")
    } else if let Some(id) = name.strip_suffix(".tar").filter(|id| id.len() == 64 && !id.contains('/')) {
        format!("sha256:{id}")
    } else {
        name.to_owned()
    }
}

fn texts(list: Option<&Json>) -> Vec<String> {
    let list = list.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn blob(descriptor: &Json) -> Option<String> {
    let digest = descriptor.get("digest")?.as_str()?;
    Some(format!("blobs/{}", digest.replace(':', "/")))
}

impl Found {
    fn json(&mut self, name: &str, json: &Json) {
        if name == "manifest.json" {
            for image in json.as_array().map(Vec::as_slice).unwrap_or_default() {
                let config = image.get("Config").and_then(Json::as_str).unwrap_or_default();
                self.images.push((config.to_owned(), texts(image.get("Layers"))));
            }
        } else if let Some(diffs) = json.pointer("/rootfs/diff_ids") {
            self.diffs.insert(name.to_owned(), texts(Some(diffs)));
        } else if let (Some(config), Some(Json::Array(layers))) = (json.get("config"), json.get("layers")) {
            // Statements about an image are in layers too; they are no file systems.
            let tar =
                |layer: &&Json| layer.get("mediaType").and_then(Json::as_str).is_some_and(|kind| kind.contains("tar"));
            let layers = layers.iter().filter(tar).filter_map(blob).collect();
            self.manifests.push((blob(config).unwrap_or_default(), layers));
        }
    }

    /// The layers with their places in the image; an error if one of them was not in the stream.
    fn finish(mut self) -> Result<Vec<Layer>> {
        let invalid = |text: String| Error::new(ErrorKind::InvalidData, text);
        if let Some((config, _)) = self.images.iter().find(|(config, _)| !self.diffs.contains_key(config)) {
            return Err(invalid(format!("the saved image has no configuration `{config}`")));
        }
        let images =
            if self.images.is_empty() { std::mem::take(&mut self.manifests) } else { std::mem::take(&mut self.images) };
        if images.is_empty() {
            return Err(invalid("the saved image has no manifest".to_owned()));
        }
        for (config, files) in images {
            let diffs = self.diffs.get(&config).cloned().unwrap_or_default();
            for (at, file) in files.iter().enumerate() {
                let target = self.links.get(file).map(|target| target.trim_start_matches("../").to_owned());
                let target = target.as_ref().unwrap_or(file);
                let Some(layer) = self.layers.iter_mut().find(|layer| layer.file == *target) else {
                    return Err(invalid(format!("the saved image has no layer {}", at + 1)));
                };
                layer.number = layer.number.or(Some(at + 1));
                if diffs.len() == files.len() {
                    layer.diff = Some(diffs[at].clone());
                }
            }
        }
        Ok(self.layers)
    }
}
