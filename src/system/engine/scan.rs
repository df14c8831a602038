//! Searches a saved image (`docker save`) for names that must not be in it.

use std::io::{BufReader, Read};

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which of the words.
    pub word: String,
    /// `layer 2b1f..., etc/apt/sources.list`, `configuration`, `history`.
    pub place: String,
}

/// Reads a saved image and names the first places where one of the words stands. File names and
/// file contents of every layer are searched, gzip layers unpacked; configuration files too, but for
/// texts in `recorded`: what the builder itself writes into the history (`KEY=value` of build arguments).
pub fn scan_saved_image(image: impl Read, words: &[String], recorded: &[String]) -> std::io::Result<Vec<Finding>> {
    let mut found = Vec::new();
    if words.is_empty() {
        return Ok(found);
    }
    let mut archive = tar::Archive::new(image);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut head = vec![0; 512];
        let filled = fill(&mut entry, &mut head)?;
        head.truncate(filled);
        let whole = std::io::Cursor::new(head.clone()).chain(entry);
        let label = layer_label(&name);
        if head.starts_with(&[0x1f, 0x8b]) {
            scan_layer(flate2::read::GzDecoder::new(whole), words, &label, &mut found)?;
        } else if head.get(257..262) == Some(b"ustar") {
            scan_layer(whole, words, &label, &mut found)?;
        } else {
            let mut text = Vec::new();
            whole.take(DESCRIPTION).read_to_end(&mut text)?;
            let text = without(&String::from_utf8_lossy(&text), recorded);
            search(text.as_bytes(), words, &name, &mut found)?;
        }
        if found.len() >= MOST {
            break;
        }
    }
    Ok(found)
}

const MOST: usize = 20;

/// Descriptions are small; anything larger than this is no JSON of an engine.
const DESCRIPTION: u64 = 64 << 20;

/// A text without what the builder itself recorded, as it stands in JSON.
pub fn without(text: &str, recorded: &[String]) -> String {
    let mut text = text.to_owned();
    for pair in recorded {
        let escaped = serde_json::to_string(pair).unwrap_or_default();
        text = text.replace(escaped.trim_matches('"'), "");
    }
    text
}

fn layer_label(name: &str) -> String {
    let id = name.trim_end_matches("/layer.tar").trim_start_matches("blobs/sha256/");
    format!("layer {}", id.get(..12).unwrap_or(id))
}

fn scan_layer(layer: impl Read, words: &[String], label: &str, found: &mut Vec<Finding>) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(layer);
    for entry in archive.entries()? {
        let entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let place = format!("{label}, {path}");
        let link = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        search(path.as_bytes(), words, &place, found)?;
        if let Some(link) = link {
            search(link.as_bytes(), words, &place, found)?;
        }
        if entry.header().entry_type().is_file() {
            search(entry, words, &place, found)?;
        }
        if found.len() >= MOST {
            break;
        }
    }
    Ok(())
}

/// Looks for each word in a stream, also where it lies over two reads.
fn search(stream: impl Read, words: &[String], place: &str, found: &mut Vec<Finding>) -> std::io::Result<()> {
    let longest = words.iter().map(String::len).max().unwrap_or(0);
    let mut stream = BufReader::with_capacity(128 << 10, stream);
    let mut window: Vec<u8> = Vec::new();
    let mut missing: Vec<&String> = words.iter().filter(|word| !word.is_empty()).collect();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        window.extend_from_slice(&buffer[..read]);
        missing.retain(|word| {
            let hit = contains(&window, word.as_bytes());
            let known = || found.iter().any(|finding| finding.word == **word && finding.place == place);
            if hit && !known() {
                found.push(Finding { word: (*word).clone(), place: place.to_owned() });
            }
            !hit
        });
        if missing.is_empty() {
            return Ok(());
        }
        let keep = longest.saturating_sub(1).min(window.len());
        window.drain(..window.len() - keep);
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|byte| byte == first) {
        let start = from + at;
        if hay[start..].starts_with(needle) {
            return true;
        }
        from = start + 1;
    }
    false
}

fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_name_is_found_in_layers_plain_and_gzip_and_in_the_configuration() {
        use std::io::Write;
        let layer = tar_of(&[("etc/apt/sources.list", b"deb http://proxy.lan:3142/debian stable main")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar_of(&[("opt/x", b"via proxy.lan")])).unwrap();
        let image = tar_of(&[
            ("abcdef0123456789/layer.tar", &layer),
            ("blobs/sha256/1234567890abcdef", &gzip.finish().unwrap()),
            ("cfg.json", br#"{"Env":["http_proxy=http://proxy.lan"]}"#),
            ("clean.json", b"{}"),
        ]);
        let found = scan_saved_image(image.as_slice(), &["proxy.lan".to_owned()], &[]).unwrap();
        let places: Vec<_> = found.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(places, ["layer abcdef012345, etc/apt/sources.list", "layer 1234567890ab, opt/x", "cfg.json"]);
        assert_eq!(scan_saved_image(image.as_slice(), &["other".to_owned()], &[]).unwrap(), []);
        let recorded = ["http_proxy=http://proxy.lan".to_owned()];
        let found = scan_saved_image(image.as_slice(), &["proxy.lan".to_owned()], &recorded).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_word_over_two_reads_is_found() {
        let mut content = vec![b'x'; (128 << 10) - 3];
        content.extend_from_slice(b"needle");
        let mut found = Vec::new();
        search(content.as_slice(), &["needle".to_owned()], "here", &mut found).unwrap();
        assert_eq!(found.len(), 1);
    }
}
