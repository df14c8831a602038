//! Encodings: base64, URLs, UUIDs, dates.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::percent_decode_str;

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::super::{codec, time};
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("b64decode", b64decode),
    ("b64encode", b64encode),
    ("strftime", strftime),
    ("to_datetime", to_datetime),
    ("to_uuid", to_uuid),
    ("urldecode", urldecode),
    ("urlencode", urlencode),
    ("urlize", super::urlize::urlize),
    ("urlsplit", urlsplit),
    ("xmlattr", xmlattr),
];

/// The bytes of a value: text as UTF-8.
pub fn bytes(call: &Call, value: &Val) -> R<Vec<u8>> {
    Ok(match value {
        Val::V(Value::Bytes(bytes)) => bytes.to_vec(),
        other => call.text(other)?.as_bytes().to_vec(),
    })
}

fn encoded(call: &Call, value: &Val, encoding: &str) -> R<Vec<u8>> {
    match value {
        Val::V(Value::Bytes(bytes)) => Ok(bytes.to_vec()),
        other => Ok(codec::encode(&call.text(other)?, encoding)?),
    }
}

fn b64encode(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let encoding = args.text(call, 0, "encoding")?.unwrap_or_else(|| "utf-8".into());
    let url = args.flag(1, "urlsafe", false)?;
    args.finish()?;
    let bytes = encoded(call, &value, &encoding)?;
    Ok(Val::from(if url { URL_SAFE.encode(bytes) } else { STANDARD.encode(bytes) }))
}

fn b64decode(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let encoding = args.text(call, 0, "encoding")?.unwrap_or_else(|| "utf-8".into());
    let url = args.flag(1, "urlsafe", false)?;
    args.finish()?;
    let text: String = call.text(&value)?.chars().filter(|c| !c.is_whitespace()).collect();
    let found = if url { URL_SAFE.decode(&text) } else { STANDARD.decode(&text) };
    let bytes = found.map_err(|error| Fail::msg(format!("this is not base64: {error}")))?;
    Ok(Val::from(codec::decode(&bytes, &encoding)?))
}

fn strftime(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let second = args.take(0, "second").filter(|second| !second.is_none());
    let utc = args.flag(1, "utc", false)?;
    args.finish()?;
    let shown = second.as_ref().map(|second| call.text(second)).transpose()?.unwrap_or_default();
    let second = second.map(|second| super::math::float_of(&second)).transpose();
    let second = second.map_err(|_| {
        Fail::said(format!("`{shown}` is no time in seconds"), format!("Invalid value for epoch value ({shown})"))
    })?;
    // `time.gmtime(1.9)` drops the fraction.
    let at = time::local(second.map(f64::floor), utc)?;
    let text = time::format(&at, &call.text(&value)?.replace("%f", "%%f"), utc);
    Ok(Val::from(text))
}

fn to_datetime(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let format = args.text(call, 0, "format")?.unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".into());
    args.finish()?;
    let Some(text) = value.as_text() else {
        return Err(Fail::msg(format!("`to_datetime` wants a string, not {}", value.kind())));
    };
    time::parse(&text, &format)
}

fn to_uuid(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let namespace = args.text(call, 0, "namespace")?.unwrap_or_else(|| "361E6D51-FAEC-444A-9079-341386DA8E2E".into());
    args.finish()?;
    let namespace = uuid::Uuid::parse_str(&namespace).map_err(|_| {
        Fail::said(
            format!("the namespace `{namespace}` is not a UUID"),
            format!("Invalid value '{namespace}' for 'namespace': badly formed hexadecimal UUID string"),
        )
    })?;
    Ok(Val::from(uuid::Uuid::new_v5(&namespace, call.text(&value)?.as_bytes()).to_string()))
}

fn quote_url(text: &str, safe_slash: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || (byte == b'/' && safe_slash) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn urlencode(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let pairs: Vec<(Val, Val)> = match &value {
        Val::Map(map) => {
            map.items(call.cx())?.into_iter().map(|(key, value)| (Val::from(key.to_value()), value)).collect()
        }
        Val::List(list) => {
            let mut pairs = Vec::new();
            for pair in list.items(call.cx())? {
                match call.items(&pair)?.as_slice() {
                    [key, value] => pairs.push((key.clone(), value.clone())),
                    _ => return Err(Fail::msg("`urlencode` wants a mapping, pairs or a string")),
                }
            }
            pairs
        }
        other => return Ok(Val::from(quote_url(&call.text(other)?, true))),
    };
    let mut parts = Vec::new();
    for (key, value) in pairs {
        let quote = |text: &str| quote_url(text, false).replace("%20", "+");
        parts.push(format!("{}={}", quote(&call.text(&key)?), quote(&call.text(&value)?)));
    }
    Ok(Val::from(parts.join("&")))
}

fn urldecode(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let text = call.text(&value)?.replace('+', " ");
    Ok(Val::from(percent_decode_str(&text).decode_utf8_lossy().into_owned()))
}

/// The parts of a URL as Python's `urlsplit` has them.
pub fn url_parts(text: &str) -> [(&'static str, Val); 10] {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let scheme_end = rest.find(':').filter(|at| {
        rest.starts_with(|c: char| c.is_ascii_alphabetic())
            && rest[..*at].chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let (scheme, rest) = scheme_end.map_or((String::new(), rest), |at| (rest[..at].to_lowercase(), &rest[at + 1..]));
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user_info, host_port) = netloc.rsplit_once('@').map_or((None, netloc), |(user, host)| (Some(user), host));
    let (username, password) = match user_info {
        Some(info) => match info.split_once(':') {
            Some((user, password)) => (Val::from(user), Val::from(password)),
            None => (Val::from(info), Val::NONE),
        },
        None => (Val::NONE, Val::NONE),
    };
    let (host, port) = match host_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => match host_port.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host_port, None),
        },
    };
    let port = match port.filter(|port| !port.is_empty()) {
        None => Val::NONE,
        // What is no number stays text: only who asks for the port is told.
        Some(port) => port.parse::<u16>().map_or_else(|_| Val::from(port), |port| Val::from(i64::from(port))),
    };
    let hostname = if host.is_empty() { Val::NONE } else { Val::from(host.to_lowercase()) };
    [
        ("fragment", Val::from(fragment)),
        ("hostname", hostname),
        ("netloc", Val::from(netloc)),
        ("password", password),
        ("path", Val::from(path)),
        ("port", port),
        ("query", Val::from(query)),
        ("scheme", Val::from(scheme)),
        ("username", username),
        ("", Val::NONE),
    ]
}

fn urlsplit(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let query = args.text(call, 0, "query")?;
    args.finish()?;
    let parts = url_parts(&call.text(&value)?);
    let wanted = |name: &str| query.as_deref().is_none_or(|query| query.is_empty() || query == name);
    if let Some(port) =
        parts.iter().find(|(name, _)| *name == "port" && wanted(name)).and_then(|(_, port)| port.as_str())
    {
        let words = if port.chars().all(|c| c.is_ascii_digit()) {
            "Port out of range 0-65535".to_owned()
        } else {
            format!("Port could not be cast to integer value as '{port}'")
        };
        return Err(Fail::said(format!("`{port}` is no port"), words));
    }
    if let Some(name) = query.filter(|name| !name.is_empty()) {
        return match parts.into_iter().find(|(known, _)| *known == &*name) {
            Some((_, value)) => Ok(value),
            None => Err(Fail::said(
                format!("a URL has no part `{name}`"),
                format!("urlsplit: unknown URL component: {name}"),
            )),
        };
    }
    let entries = parts.into_iter().filter(|(name, _)| !name.is_empty());
    Ok(Val::map(entries.map(|(name, value)| (crate::value::Key::from(name), value)).collect()))
}

fn xmlattr(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let space = args.flag(0, "autospace", true)?;
    args.finish()?;
    let Val::Map(map) = &value else { return Err(Fail::msg("`xmlattr` wants a mapping")) };
    let mut parts = Vec::new();
    for (key, value) in map.items(call.cx())? {
        if value.is_none() || matches!(value, Val::Undef(_)) {
            continue;
        }
        let name = key.text();
        if name.contains(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=')) {
            let words = format!("Invalid character in attribute name: '{name}'");
            return Err(Fail::said(format!("`{name}` is no name of an attribute"), words));
        }
        let text = call.text(&value)?;
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
        parts.push(format!("{}=\"{}\"", name, text.replace('\'', "&#39;")));
    }
    let joined = parts.join(" ");
    Ok(Val::from(if space && !joined.is_empty() { format!(" {joined}") } else { joined }))
}
