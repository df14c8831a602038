//! One value sealed: XChaCha20-Poly1305 with a random nonce, its full name authenticated.
//!
//! A sealed value is the text `sealed1.` and base64; opened under another name or in another
//! vault it is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::key::{FileKey, random};
use crate::diag::{Diagnostic, Kind, Result, SourceMap, Span};
use crate::value::Value;
use crate::yaml::{LoadOptions, emit, load};

/// What a sealed value begins with.
pub(super) const PREFIX: &str = "sealed1.";
const NONCE: usize = 24;

fn associated(name: &str) -> Vec<u8> {
    format!("hostctl secrets.yml 1\0{name}").into_bytes()
}

/// Seals a value under its full name.
pub(super) fn seal(key: &FileKey, name: &str, value: &Value) -> Result<String> {
    // One letter says what follows: text as it is, or YAML, so that types survive.
    let plain = match value {
        Value::Str(text) => format!("s{text}"),
        other => format!("y{}", emit(other)?),
    };
    let mut out = random::<NONCE>()?.to_vec();
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let sealed = cipher
        .encrypt(XNonce::from_slice(&out), Payload { msg: plain.as_bytes(), aad: &associated(name) })
        .map_err(|_| Diagnostic::internal("a value could not be sealed"))?;
    out.extend_from_slice(&sealed);
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(out)))
}

/// Opens what [`seal`] made, under the same name.
pub(super) fn open(key: &FileKey, name: &str, sealed: &str, span: Span) -> Result<Value> {
    let bytes = sealed
        .strip_prefix(PREFIX)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text.trim()).ok())
        .filter(|bytes| bytes.len() > NONCE)
        .ok_or_else(|| {
            Diagnostic::new("V0007", Kind::Vault, format!("the sealed value of `{name}` is damaged"))
                .with_label(span, "not a whole sealed value")
                .with_hint("restore the line from version control, or set it anew with `hostctl vault set`")
        })?;
    let (nonce, body) = bytes.split_at(NONCE);
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let plain = cipher
        .decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: &associated(name) })
        .ok()
        .and_then(|plain| String::from_utf8(plain).ok());
    let plain = plain.ok_or_else(|| {
        Diagnostic::new("V0007", Kind::Vault, format!("the sealed value of `{name}` was refused"))
            .with_label(span, "changed, moved from another name, or sealed for another vault")
            .with_hint("restore the line from version control, or set it anew with `hostctl vault set`")
    })?;
    match plain.split_at_checked(1) {
        Some(("s", text)) => Ok(Value::from(text)),
        Some(("y", text)) => {
            let sources = SourceMap::new();
            let file = sources.add("<sealed>", None, text);
            // Its text must not reach a message, so the reader's error is dropped.
            load(&sources, &file, &LoadOptions::default().sealed(true))
                .one(&file)
                .map(|node| node.to_value())
                .map_err(|_| newer(name))
        }
        _ => Err(newer(name)),
    }
}

fn newer(name: &str) -> Diagnostic {
    Diagnostic::new("V0002", Kind::Vault, format!("the value of `{name}` was sealed by a newer hostctl"))
        .with_hint("update hostctl")
}
