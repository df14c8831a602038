//! `url`: what is at a URL, fetched by the controller. The answer is data and is never rendered.

use crate::value::{Value, python_str};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::config::option;
use super::texts;

/// What is to be fetched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebLookup {
    /// The URL, perhaps with `user:password@`.
    pub url: String,
    /// Look at the server's certificate.
    pub validate_certs: bool,
    /// User and password.
    pub user: Option<(String, String)>,
    /// Send them at once.
    pub force_basic_auth: bool,
    /// Headers, `User-Agent` among them.
    pub headers: Vec<(String, String)>,
    /// Headers that do not go along when redirected.
    pub unredirected: Vec<String>,
    /// Ask caches on the way for a new copy.
    pub force: bool,
    /// Seconds to wait.
    pub timeout: f64,
    /// `urllib2`, `all`, `safe`, `none`.
    pub follow_redirects: String,
    /// Take credentials from `~/.netrc` if none are given.
    pub use_netrc: bool,
    /// The only authorities that are trusted.
    pub ca_path: Option<String>,
    /// Go through the proxies that the environment names.
    pub use_proxy: bool,
    /// The socket file that the server listens on.
    pub unix_socket: Option<String>,
    /// OpenSSL's names of the ciphers for TLS 1.2.
    pub ciphers: Vec<String>,
}

/// Options that hostctl does not have; the same as those of `uri`.
const REFUSED: &[(&str, &str)] = &[("use_gssapi", "hostctl has no Kerberos")];

/// The lookup.
pub fn url(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    for (name, why) in REFUSED {
        if option(call, args, "url", name)?.truthy() {
            return Err(Fail::msg(format!("the option `{name}` of the lookup `url` is not supported: {why}")));
        }
    }
    let mut given = |name: &str| option(call, args, "url", name);
    let text = |value: Value| if value == Value::Null { None } else { Some(python_str(&value)) };
    let flag = |value: Value, default: bool| if value == Value::Null { default } else { value.truthy() };
    let list = |value: Value| match value {
        Value::List(items) => items.iter().map(python_str).collect(),
        Value::Str(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        _ => Vec::new(),
    };
    let split_lines = flag(given("split_lines")?, true);
    let mut headers: Vec<(String, String)> = match given("headers")? {
        Value::Map(map) => map.iter().map(|(name, value)| (name.text().to_string(), python_str(value))).collect(),
        _ => Vec::new(),
    };
    let agent = text(given("http_agent")?).unwrap_or_else(|| "ansible-httpget".to_owned());
    if !agent.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        headers.push(("User-Agent".to_owned(), agent));
    }
    let user = text(given("username")?);
    let password = text(given("password")?);
    let timeout = match given("timeout")? {
        Value::Float(seconds) => seconds,
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        Value::Int(seconds) => seconds as f64,
        _ => 10.0,
    };
    let request = WebLookup {
        url: String::new(),
        validate_certs: flag(given("validate_certs")?, true),
        user: user.map(|user| (user, password.unwrap_or_default())),
        force_basic_auth: flag(given("force_basic_auth")?, false),
        headers,
        unredirected: list(given("unredirected_headers")?),
        force: flag(given("force")?, false),
        timeout,
        follow_redirects: text(given("follow_redirects")?).unwrap_or_else(|| "urllib2".to_owned()),
        use_netrc: flag(given("use_netrc")?, true),
        ca_path: text(given("ca_path")?),
        use_proxy: flag(given("use_proxy")?, true),
        unix_socket: text(given("unix_socket")?),
        ciphers: list(given("ciphers")?),
    };
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let bytes = call.cx().templates.host().fetch(&WebLookup { url: term.to_string(), ..request.clone() })?;
        let text = String::from_utf8_lossy(&bytes);
        if split_lines {
            out.extend(lines(&text).map(Val::from));
        } else {
            out.push(Val::from(text.into_owned()));
        }
    }
    Ok(out)
}

/// The lines of bytes as Python splits them: at `\n`, `\r\n` and `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = &rest[..end];
        let after = &rest[end..];
        rest = after.strip_prefix("\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_python() {
        assert_eq!(lines("a\nb\r\nc\rd\n\ne").collect::<Vec<_>>(), ["a", "b", "c", "d", "", "e"]);
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("\n").collect::<Vec<_>>(), [""]);
    }
}
