//! `multipart/form-data` bodies out of a mapping, as Ansible's `prepare_multipart` makes them.

use base64::Engine as _;
use serde_json::Value as Json;

use super::cx::Cx;
use super::types::HostPath;
use crate::system::fs::shown;

/// Content type and body.
pub(super) fn encode(cx: &Cx, fields: &Json) -> Result<(String, Vec<u8>), String> {
    let Json::Object(fields) = fields else {
        return Err("Mapping is required, cannot be type list".to_owned());
    };
    let boundary = format!("==============={}==", uuid::Uuid::new_v4().simple());
    let mut body = Vec::new();
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort();
    for name in names {
        let Some(value) = fields.get(name) else { continue };
        let part = part(cx, value)?;
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if part.encoded {
            body.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n");
        }
        body.extend_from_slice(format!("Content-Type: {}\r\n", part.mime).as_bytes());
        body.extend_from_slice(format!("Content-Disposition: form-data; name=\"{}\"", escaped(name)).as_bytes());
        if let Some(file) = &part.filename {
            body.extend_from_slice(format!("; filename=\"{}\"", escaped(file)).as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary=\"{boundary}\""), body))
}

struct Part {
    mime: String,
    filename: Option<String>,
    content: Vec<u8>,
    encoded: bool,
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], " ")
}

fn part(cx: &Cx, value: &Json) -> Result<Part, String> {
    let map = match value {
        Json::String(text) => {
            return Ok(Part {
                mime: "text/plain".to_owned(),
                filename: None,
                content: text.clone().into_bytes(),
                encoded: false,
            });
        }
        Json::Object(map) => map,
        other => {
            let kind = match other {
                Json::Null => "NoneType",
                Json::Bool(_) => "bool",
                Json::Number(_) => "int",
                _ => "list",
            };
            return Err(format!("value must be a string, or mapping, cannot be type {kind}"));
        }
    };
    let text = |name: &str| map.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let (filename, content) = (text("filename"), text("content"));
    if filename.is_none() && content.is_none() {
        return Err("at least one of filename or content must be provided".to_owned());
    }
    let encoding = text("multipart_encoding").unwrap_or_else(|| "base64".to_owned());
    if !matches!(encoding.as_str(), "base64" | "7or8bit") {
        return Err("multipart_encoding must be one of dict_keys(['base64', '7or8bit']).".to_owned());
    }
    let base = filename.as_deref().map(|name| name.rsplit('/').next().unwrap_or_default().to_owned());
    let mime = text("mime_type").unwrap_or_else(|| guess(base.as_deref().unwrap_or_default()).to_owned());
    let Some(content) = content else {
        let path = HostPath(filename.unwrap_or_default()).expand(cx.environment());
        let bytes = cx.probe().read(&path).map_err(|_| format!("cannot read {} on the host", shown(&path)))?;
        let encoded = encoding == "base64";
        let content = if encoded { folded(&bytes) } else { bytes };
        return Ok(Part { mime, filename: base, content, encoded });
    };
    Ok(Part { mime, filename: base, content: content.into_bytes(), encoded: false })
}

/// Base64 in lines of 76 characters.
fn folded(bytes: &[u8]) -> Vec<u8> {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    text.as_bytes().chunks(76).collect::<Vec<_>>().join(b"\r\n".as_slice())
}

/// Python's `mimetypes` for what is sent most.
fn guess(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_lowercase().as_str() {
        "txt" | "log" | "cfg" | "conf" => "text/plain",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "js" => "text/javascript",
        "xml" => "text/xml",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "tar" => "application/x-tar",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
