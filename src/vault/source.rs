//! Reads a text file for the loader, opening it first if Ansible's vault holds it.

use std::path::Path;
use std::sync::Arc;

use super::{Keyring, ansible};
use crate::diag::{Diagnostic, Result, SourceFile, SourceMap};

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text in the source map; of a vaulted file the opened text.
    pub file: Arc<SourceFile>,
    /// It was vaulted as a whole: every value in it is a secret.
    pub vaulted: bool,
}

/// Reads a file as UTF-8. `name` is what messages show. Without a keyring a vaulted file is
/// returned as it is.
pub fn read_text(sources: &SourceMap, path: &Path, name: &str, keyring: Option<&Keyring>) -> Result<Text> {
    let bytes = crate::diag::read::read_source(path).map_err(|error| {
        Diagnostic::source("Y0301", format!("`{name}` could not be read: {}", reason(&error)))
            .with_hint("check the path and its permissions")
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        Diagnostic::source("Y0301", format!("`{name}` is not UTF-8 text"))
            .with_note(format!("the first odd byte is on line {line}"))
            .with_hint(format!("convert it: `iconv -f latin1 -t utf-8 {name}`"))
    })?;
    let Some(keyring) = keyring.filter(|_| ansible::is_vault(&text)) else {
        return Ok(Text { file: sources.add(name, Some(path), text), vaulted: false });
    };
    let plain = keyring.unseal(&text).map_err(|error| error.with_note(format!("in `{name}`")))?;
    Ok(Text { file: sources.add(name, Some(path), plain), vaulted: true })
}

/// An input error in words, without the number that Rust adds.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}
