//! What an answer that is no success means: its class, the right that is missing, how long to wait, what to type.

use std::time::Duration;

use hyper::StatusCode;

use super::super::error::{EngineError, ErrorClass, Right};
use super::budget::LONGEST;
use super::transport::{Answer, Trouble};

/// Bytes of a server's own words that are shown.
const WORDS: usize = 300;

/// Who was asked for what.
pub(super) struct Asked<'a> {
    /// The registry as the user names it.
    pub(super) host: &'a str,
    /// The repository; empty for the API's root.
    pub(super) repository: &'a str,
    /// The right that it takes.
    pub(super) right: Right,
    /// There is a login.
    pub(super) login: bool,
    /// The login itself was sent, no token.
    pub(super) basic: bool,
    /// What was asked for, for the message.
    pub(super) what: &'a str,
}

impl Asked<'_> {
    /// The error that an answer is.
    pub(super) fn refused(&self, answer: &Answer) -> EngineError {
        let (host, status) = (self.host, answer.status);
        if let Some(error) = self.other_server(answer) {
            return error;
        }
        let said = words(answer);
        let tail = format!("(`{}`: {status}{}{said})", self.what, if said.is_empty() { "" } else { ": " });
        let error = match status.as_u16() {
            401 | 403 => self.lacking(status, &tail),
            404 if !self.repository.is_empty() && self.right == Right::Push => EngineError::new(
                ErrorClass::NotFound,
                format!("registry `{host}` has no repository `{}` and makes none by itself {tail}", self.repository),
            )
            .with_hint(if host.contains(".dkr.ecr.") {
                format!("aws ecr create-repository --repository-name {}", self.repository)
            } else {
                format!("create the repository `{}` at the registry first", self.repository)
            }),
            404 => EngineError::new(ErrorClass::NotFound, format!("registry `{host}` does not have it {tail}")),
            429 => EngineError::new(ErrorClass::RateLimited, format!("registry `{host}` wants fewer requests {tail}")),
            507 => EngineError::new(ErrorClass::Transient, format!("registry `{host}` has no space left {tail}"))
                .with_hint("make room at the registry, then push again"),
            408 | 425 | 500 | 502..=599 => {
                EngineError::new(ErrorClass::Transient, format!("registry `{host}` has trouble {tail}"))
            }
            300..=399 => {
                let place = answer.header("location").map(shown).unwrap_or_default();
                EngineError::new(ErrorClass::Refused, format!("registry `{host}` sends elsewhere: `{place}` {tail}"))
                    .with_hint("name the registry by the host that serves it")
            }
            400..=499 => EngineError::new(ErrorClass::Refused, format!("registry `{host}` refused the request {tail}")),
            _ => EngineError::new(ErrorClass::Other, format!("registry `{host}` gave an unexpected answer {tail}")),
        };
        EngineError { retry_after: retry_after(answer, jiff::Timestamp::now()), ..error }
    }

    fn lacking(&self, status: StatusCode, tail: &str) -> EngineError {
        let (host, repository) = (self.host, self.repository);
        if !self.login {
            let (right, verb) =
                if repository.is_empty() { (Right::Login, "") } else { (self.right, self.right.name()) };
            let what = if verb.is_empty() { String::new() } else { format!(" to {verb} `{repository}`") };
            return EngineError::new(ErrorClass::Auth, format!("registry `{host}` wants a login{what} {tail}"))
                .lacking(right)
                .with_hint(format!("docker login {host}"));
        }
        // A server that knows who asks denies a right; one that does not, the login.
        if repository.is_empty() || (status == StatusCode::UNAUTHORIZED && self.basic) {
            return EngineError::new(ErrorClass::Auth, format!("registry `{host}` refused the login {tail}"))
                .lacking(Right::Login)
                .with_hint("check user name and password: `registry_username`, `registry_password`");
        }
        let right = self.right.name();
        EngineError::new(
            ErrorClass::Auth,
            format!("registry `{host}`: the login lacks the right to {right} `{repository}` {tail}"),
        )
        .lacking(self.right)
        .with_hint(format!("give this login the right to {right} `{repository}` at `{host}`"))
    }

    /// Something else than a registry answers there, or TLS is wanted.
    pub(super) fn other_server(&self, answer: &Answer) -> Option<EngineError> {
        let host = self.host;
        let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(4096)]);
        let lower = text.to_ascii_lowercase();
        if answer.status == StatusCode::BAD_REQUEST
            && (lower.contains("http request to an https server")
                || lower.contains("http request was sent to https port"))
        {
            let text = format!("registry `{host}` speaks TLS on this port, but was asked by plain HTTP");
            return Some(EngineError::new(ErrorClass::Refused, text).with_hint("take `registry_insecure` away"));
        }
        let page = text.trim_start().starts_with('<') && answer.header("docker-distribution-api-version").is_none();
        // Gateways in front of registries make pages of their own for troubles.
        let told = answer.status.is_success() || matches!(answer.status.as_u16(), 300..=399 | 404 | 405);
        if !page && self.what == "/v2/" && answer.status == StatusCode::NOT_FOUND {
            let text = format!("`{host}` is no registry: it has no `/v2/`");
            return Some(EngineError::new(ErrorClass::Refused, text).with_hint(port_hint(host)));
        }
        if !page || !told {
            return None;
        }
        let title = lower.find("<title>").and_then(|at| text.get(at + 7..)).and_then(|rest| rest.split('<').next());
        let title = title.map(|title| format!(", titled `{}`", shown(title.trim()))).unwrap_or_default();
        let text = format!("`{host}` is no registry: it answers `/v2/` with a page for people{title}");
        Some(EngineError::new(ErrorClass::Refused, text).with_hint(port_hint(host)))
    }

    /// The error that a failed exchange is.
    pub(super) fn failed(&self, trouble: Trouble, plain_allowed: bool) -> EngineError {
        let host = self.host;
        let transient = |text: String| EngineError::new(ErrorClass::Transient, format!("registry `{host}`: {text}"));
        match trouble {
            Trouble::Nobody(words) | Trouble::Connect(words) => {
                let unnamed = !has_port(host);
                let text = if unnamed {
                    format!("cannot connect to port 443: {words}")
                } else {
                    format!("cannot connect: {words}")
                };
                let error = transient(text);
                if unnamed { error.with_hint(format!("is it at another port? `{host}:5000`")) } else { error }
            }
            Trouble::SpeaksHttp if !plain_allowed => EngineError::new(
                ErrorClass::Refused,
                format!("registry `{host}` speaks plain HTTP on this port, and TLS is wanted"),
            )
            .with_hint("name the port that speaks TLS, or allow plain HTTP for it: `registry_insecure: true`"),
            Trouble::SpeaksHttp => transient("it speaks plain HTTP on this port".to_owned()),
            Trouble::Certificate(words) => EngineError::new(
                ErrorClass::Certificate,
                format!("registry `{host}`: its certificate is not trusted: {words}"),
            )
            .with_hint(format!("place its CA in `/etc/docker/certs.d/{host}/ca.crt`, or name it: `registry_ca: FILE`")),
            Trouble::Handshake(words) => transient(format!("no TLS connection: {words}")),
            Trouble::NoHttp => {
                EngineError::new(ErrorClass::Refused, format!("what answers at `{host}` speaks no HTTP"))
                    .with_hint(port_hint(host))
            }
            Trouble::Broken(words) => transient(format!("the connection broke: {words}")),
            Trouble::Late(words) => transient(words),
            Trouble::TooLarge(limit) => EngineError::new(
                ErrorClass::Refused,
                format!("registry `{host}`: the answer to `{}` is larger than {limit} bytes", self.what),
            ),
            Trouble::Unwritable(words) => EngineError::new(ErrorClass::Refused, format!("registry `{host}`: {words}")),
        }
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()))
}

fn port_hint(host: &str) -> String {
    let name = if has_port(host) { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
    format!("name the registry's own host and port, such as `{name}:5000`")
}

/// How long a server wants to be left alone: `Retry-After` in seconds or as an HTTP date, at most ten minutes.
pub(super) fn retry_after(answer: &Answer, now: jiff::Timestamp) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let when = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
        Duration::try_from(when.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST))
}

/// A server's own words: of the API's errors, or the first line of a plain text.
fn words(answer: &Answer) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let errors = json.as_ref().and_then(|json| json.get("errors")).and_then(serde_json::Value::as_array);
    if let Some(errors) = errors {
        let text = |error: &serde_json::Value, key: &str| {
            error.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let told: Vec<String> = errors
            .iter()
            .take(3)
            .map(|error| match (text(error, "code"), text(error, "message")) {
                (code, message) if message.is_empty() => code,
                (code, message) if code.is_empty() => message,
                (code, message) => format!("{code}: {message}"),
            })
            .filter(|told| !told.is_empty())
            .collect();
        return shown(&told.join("; "));
    }
    if json.is_some() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(1024)]);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.starts_with('<') { String::new() } else { shown(line) }
}

/// A text of a server for a message: short, without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut end = text.len().min(WORDS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned().into() }
    }

    fn asked(repository: &'static str, right: Right, login: bool) -> Asked<'static> {
        Asked { host: "r:5000", repository, right, login, basic: false, what: "/v2/x" }
    }

    #[test]
    fn each_status_has_its_class() {
        use ErrorClass as C;
        for (status, class) in [
            (400, C::Refused),
            (401, C::Auth),
            (403, C::Auth),
            (404, C::NotFound),
            (405, C::Refused),
            (408, C::Transient),
            (429, C::RateLimited),
            (500, C::Transient),
            (501, C::Other),
            (502, C::Transient),
            (503, C::Transient),
            (307, C::Refused),
        ] {
            let error = asked("lab/x", Right::Pull, true).refused(&answer(status, &[], ""));
            assert_eq!(error.class, class, "{status}: {error}");
        }
    }

    #[test]
    fn the_missing_right_is_told_with_its_repository() {
        let denied = answer(403, &[], r#"{"errors":[{"code":"DENIED","message":"requested access is denied"}]}"#);
        let error = asked("lab/x", Right::Push, true).refused(&denied);
        assert_eq!(error.right, Some(Right::Push));
        assert_eq!(
            error.message,
            "registry `r:5000`: the login lacks the right to push `lab/x` (`/v2/x`: 403 Forbidden: DENIED: requested \
             access is denied)"
        );
        let error = asked("lab/x", Right::Pull, true).refused(&denied);
        assert_eq!(error.right, Some(Right::Pull));
        let error = asked("", Right::Login, true).refused(&answer(401, &[], ""));
        assert_eq!((error.right, error.message.contains("refused the login")), (Some(Right::Login), true));
        let basic = Asked { basic: true, ..asked("lab/x", Right::Push, true) };
        assert_eq!(basic.refused(&answer(401, &[], "")).right, Some(Right::Login));
        assert_eq!(basic.refused(&answer(403, &[], "")).right, Some(Right::Push));
        let error = asked("lab/x", Right::Push, false).refused(&answer(401, &[], ""));
        assert_eq!(error.right, Some(Right::Push));
        assert!(error.message.contains("wants a login to push `lab/x`"), "{error}");
        assert_eq!(error.hint.as_deref(), Some("docker login r:5000"));
    }

    #[test]
    fn waits_are_seconds_or_a_date_and_have_an_end() {
        let now: jiff::Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let wait = |text: &str| retry_after(&answer(429, &[("retry-after", text)], ""), now).map(|wait| wait.as_secs());
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(wait("Sun, 06 Nov 1994 07:49:37 GMT"), Some(0));
        assert_eq!(wait("99999999999999999999999999"), Some(600));
        assert_eq!(wait("Sun, 06 Nov 2094 08:49:37 GMT"), Some(600));
        for bad in ["", "-5", "soon", "1.5"] {
            assert_eq!(wait(bad), None, "{bad}");
        }
        assert_eq!(retry_after(&answer(429, &[], ""), now), None);
    }

    #[test]
    fn what_is_no_registry_is_told() {
        let page = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title>";
        for status in [200, 404] {
            let error = asked("", Right::Login, false).refused(&answer(status, &[("content-type", "text/html")], page));
            assert!(error.message.contains("no registry") && error.message.contains("Welcome to nginx!"), "{error}");
            assert_eq!(error.hint.as_deref(), Some("name the registry's own host and port, such as `r:5000`"));
        }
        // A gateway's page for its trouble is no sign of another server.
        let error = asked("", Right::Login, false).refused(&answer(502, &[], "<html><title>502 Bad Gateway"));
        assert_eq!(error.class, ErrorClass::Transient);
        let go = "Client sent an HTTP request to an HTTPS server.\n";
        let error = asked("", Right::Login, false).refused(&answer(400, &[], go));
        assert!(error.message.contains("speaks TLS"), "{error}");
    }

    #[test]
    fn words_of_a_server_are_short_and_harmless() {
        let long = format!("bad\u{1b}[31m\r\n{}", "x".repeat(1000));
        let error = asked("lab/x", Right::Pull, true).refused(&answer(400, &[], &long));
        assert!(!error.message.contains('\u{1b}') && error.message.len() < 500, "{error}");
    }
}
