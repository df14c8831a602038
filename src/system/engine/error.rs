//! Errors of engine and registry, sorted by what helps against them.

use std::fmt;
use std::time::Duration;

use super::FailedStep;
use super::wire::TooLong;

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A flaky network or an overloaded server: try again.
    Transient,
    /// The registry wants fewer requests (429): wait as long as it says.
    RateLimited,
    /// Wrong or missing credentials, or a right that the login lacks: trying again does not help.
    Auth,
    /// What came back has another digest than what was sent or recorded.
    Digest,
    /// The thing asked for is not there.
    NotFound,
    /// An instruction of the Dockerfile failed.
    Instruction,
    /// The request itself was refused (a Dockerfile that cannot be parsed, a bad name).
    Refused,
    /// The engine does not answer, or went away.
    Unreachable,
    /// The engine or the address cannot do what is asked.
    Unusable,
    /// The certificate is not trusted.
    Certificate,
    /// The disk is full.
    DiskFull,
    /// A source that the image is made of could not be fetched.
    Source,
    /// Anything else.
    Other,
}

/// A right at a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To log in at all.
    Login,
    /// To read a repository.
    Pull,
    /// To write a repository.
    Push,
}

impl Right {
    /// `login`, `pull` or `push`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}

/// An error of engine or registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// What helps.
    pub class: ErrorClass,
    /// Lower case start, no final period; the server's own words where there are any.
    pub message: String,
    /// The instruction that failed.
    pub step: Option<FailedStep>,
    /// How long the server wants to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The right that is missing, with [`ErrorClass::Auth`], where the server lets it be known.
    pub right: Option<Right>,
    /// What to type or change.
    pub hint: Option<String>,
}

impl ErrorClass {
    /// The class as summaries name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "registry trouble",
            Self::RateLimited => "rate limit",
            Self::Auth => "no right",
            Self::Digest => "digest mismatch",
            Self::NotFound => "not found",
            Self::Instruction => "build error",
            Self::Refused => "refused",
            Self::Unreachable => "engine lost",
            Self::Unusable => "unusable engine",
            Self::Certificate => "certificate",
            Self::DiskFull => "disk full",
            Self::Source => "source not fetched",
            Self::Other => "other error",
        }
    }
}

impl EngineError {
    /// An error of a class.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), step: None, retry_after: None, right: None, hint: None }
    }

    /// The same with what to type.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the right that is missing.
    #[must_use]
    pub fn lacking(mut self, right: Right) -> Self {
        self.right = Some(right);
        self
    }

    /// An error whose class is told by its text, as engines give it.
    pub fn from_text(text: &str) -> Self {
        let text = text.trim().trim_end_matches('.');
        Self::new(classify(text), text)
    }

    /// The same with the instruction that failed.
    #[must_use]
    pub fn at_step(mut self, step: Option<FailedStep>) -> Self {
        if step.is_some() && matches!(self.class, ErrorClass::Other) {
            self.class = ErrorClass::Instruction;
        }
        self.step = step;
        self
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}

/// The class of an engine's or registry's own words.
pub(super) fn classify(text: &str) -> ErrorClass {
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["no space left on device", "disk quota exceeded"]) {
        ErrorClass::DiskFull
    } else if has(&["returned a non-zero code", "executor failed running", "did not complete successfully"]) {
        ErrorClass::Instruction
    } else if has(&["x509:", "certificate signed by unknown", "unknownissuer", "invalid peer certificate"]) {
        ErrorClass::Certificate
    } else if has(&[
        "unauthorized",
        "no basic auth credentials",
        "authentication required",
        "requested access to the resource is denied",
        "401 ",
        "403 forbidden",
        "insufficient_scope",
        "access to the requested resource is not authorized",
    ]) {
        ErrorClass::Auth
    } else if has(&["429 too many", "toomanyrequests", "too many requests", "http status: 429", "http 429 "]) {
        ErrorClass::RateLimited
    } else if has(&["digest mismatch", "digest did not match", "did not match the digest", "failed commit on ref"]) {
        ErrorClass::Digest
    } else if has(&[
        "500 internal server error",
        "502 bad gateway",
        "503 service unavailable",
        "504 gateway",
        "unexpected eof",
        ": eof",
        "connection reset",
        "connection refused",
        "broken pipe",
        "i/o timeout",
        "tls handshake timeout",
        "timeout exceeded",
        "temporary failure",
        "server misbehaving",
        "http2: ",
        "unexpected http status: 5",
        "received unexpected http status: 5",
        "blob upload unknown",
        "blob upload invalid",
    ]) {
        ErrorClass::Transient
    } else if has(&["not found", "no such image", "manifest unknown"]) {
        ErrorClass::NotFound
    } else {
        ErrorClass::Other
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as E;
        if let Some(long) = TooLong::behind(&error) {
            return long.error();
        }
        match error {
            E::DockerResponseServerError { status_code, message } => {
                let message = message.trim().to_owned();
                let class = match (status_code, classify(&message)) {
                    (_, class @ (ErrorClass::DiskFull | ErrorClass::Auth | ErrorClass::Certificate)) => class,
                    (429, _) => ErrorClass::RateLimited,
                    (404, _) => ErrorClass::NotFound,
                    (400 | 409, _) => ErrorClass::Refused,
                    (401 | 403, _) => ErrorClass::Auth,
                    (_, class) => class,
                };
                Self::new(class, message)
            }
            E::DockerStreamError { error } => Self::from_text(&error),
            E::SocketNotFoundError(path) => {
                Self::new(ErrorClass::Unreachable, format!("there is no engine socket at `{path}`"))
            }
            E::RequestTimeoutError => Self::new(ErrorClass::Unreachable, "the engine did not answer in time"),
            E::HyperResponseError { err } => Self::new(ErrorClass::Unreachable, chain(&err)),
            E::IOError { err } => Self::new(ErrorClass::Unreachable, chain(&err)),
            // A connection that was kept, whose engine is gone: reset, closed, or not made anew.
            E::HyperLegacyError { err } => Self::new(ErrorClass::Unreachable, chain(&err)),
            other => {
                let text = chain(&other);
                let class = if text.contains("onnection refused")
                    || text.contains("error sending request")
                    || text.contains("client error (Connect)")
                    || text.contains("connection closed")
                {
                    ErrorClass::Unreachable
                } else {
                    classify(&text)
                };
                Self::new(class, text)
            }
        }
    }
}

/// An error and its causes on one line, repeated texts once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_words_are_sorted_by_what_helps() {
        for (text, class) in [
            ("unauthorized: authentication required", ErrorClass::Auth),
            ("no basic auth credentials", ErrorClass::Auth),
            ("received unexpected HTTP status: 502 Bad Gateway", ErrorClass::Transient),
            ("Put \"http://127.0.0.1:5000/v2/\": unexpected EOF", ErrorClass::Transient),
            ("The command '/bin/sh -c false' returned a non-zero code: 1", ErrorClass::Instruction),
            ("executor failed running [/bin/false]: exit code: 3", ErrorClass::Instruction),
            ("write /x: no space left on device", ErrorClass::DiskFull),
            ("toomanyrequests: You have reached your pull rate limit", ErrorClass::RateLimited),
            ("received unexpected HTTP status: 429 Too Many Requests", ErrorClass::RateLimited),
            ("error parsing HTTP 429 response body: unexpected end of JSON input: \"\"", ErrorClass::RateLimited),
            ("digest did not match uploaded content", ErrorClass::Digest),
            ("denied: requested access to the resource is denied", ErrorClass::Auth),
            ("x509: certificate signed by unknown authority", ErrorClass::Certificate),
            ("manifest for busybox:nope not found: manifest unknown", ErrorClass::NotFound),
        ] {
            assert_eq!(classify(text), class, "{text}");
        }
    }

    #[tokio::test]
    async fn an_engine_that_hangs_up_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let server = tokio::spawn(async move {
            // Closed with the request unread, the connection is reset.
            for _ in 0..2 {
                let (stream, _) = listener.accept().await.unwrap();
                stream.readable().await.unwrap();
            }
        });
        let docker =
            bollard::Docker::connect_with_unix(&socket.display().to_string(), 5, bollard::API_DEFAULT_VERSION).unwrap();
        for _ in 0..3 {
            let error = EngineError::from(docker.inspect_image("x").await.unwrap_err());
            assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
        }
        server.await.unwrap();
    }
}
