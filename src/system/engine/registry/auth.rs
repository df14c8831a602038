//! Who asks: challenges, basic logins, bearer tokens and their cache.
//!
//! A token is fetched for one repository and one right, and used until shortly before it expires. The login goes
//! to the registry itself (basic) or to the token server that the registry names (bearer), over TLS unless plain
//! HTTP is allowed for this registry.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;

use super::super::credentials::RegistryLogin;
use super::super::error::Right;
use crate::secret::Secret;

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token of this server.
    Bearer { realm: String, service: String, scope: Option<String> },
}

impl Challenge {
    /// The strongest challenge of an answer that is understood: bearer before basic.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values: Vec<&str> =
            headers.get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok()).collect();
        let with = |scheme: &str| {
            values.iter().copied().find(|value| {
                value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                    && value[scheme.len()..].chars().next().is_none_or(char::is_whitespace)
            })
        };
        if let Some(bearer) = with("bearer") {
            return Some(Self::Bearer {
                realm: parameter(bearer, "realm").unwrap_or_default(),
                service: parameter(bearer, "service").unwrap_or_default(),
                scope: parameter(bearer, "scope").filter(|scope| !scope.is_empty()),
            });
        }
        with("basic").map(|_| Self::Basic)
    }

    /// True if the same server is to be asked in the same way.
    pub(super) fn same_server(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Basic, Self::Basic) => true,
            (Self::Bearer { realm, service, .. }, Self::Bearer { realm: other, service: name, .. }) => {
                realm == other && service == name
            }
            _ => false,
        }
    }
}

/// A parameter of a `WWW-Authenticate` header, quoted or not.
pub(super) fn parameter(challenge: &str, name: &str) -> Option<String> {
    let lower = challenge.to_ascii_lowercase();
    let wanted = format!("{name}=");
    let at = lower.match_indices(&wanted).map(|(at, _)| at).find(|at| {
        // Not the end of another name, and not inside of a value.
        let before = &lower[..*at];
        before.ends_with([' ', ',', '\t']) && before.matches('"').count().is_multiple_of(2)
    })?;
    let rest = challenge.get(at + wanted.len()..)?;
    Some(match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?.to_owned(),
        None => rest.split([',', ' ']).next()?.to_owned(),
    })
}

/// The header of a basic login; `None` without a password.
pub(super) fn basic(login: &RegistryLogin) -> Option<String> {
    if login.username.is_empty() || (login.password.expose().is_empty() && login.identity_token.is_some()) {
        return None;
    }
    Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", login.username, login.password.expose()))))
}

/// The scope of a right to a repository; none for the API's root.
pub(super) fn scope(repository: &str, right: Right) -> Option<String> {
    let actions = match right {
        Right::Push => "pull,push",
        Right::Pull | Right::Login => "pull",
    };
    (!repository.is_empty()).then(|| format!("repository:{repository}:{actions}"))
}

/// A token server's answer.
#[derive(serde::Deserialize)]
pub(super) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

impl TokenAnswer {
    /// The token and for how long it is good: 60 s where nothing is said, at most an hour.
    pub(super) fn read(body: &[u8]) -> Option<(Secret, Duration)> {
        let answer: Self = serde_json::from_slice(body).ok()?;
        let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token)?;
        let seconds = answer.expires_in.filter(|seconds| seconds.is_finite()).unwrap_or(60.0).clamp(1.0, 3600.0);
        (!token.is_empty()).then(|| (Secret::new(token), Duration::from_secs_f64(seconds * 0.9)))
    }
}

/// Tokens by scope.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, (Secret, Instant)>>);

/// Tokens that are kept at most; more than a run of a thousand images needs.
const MOST: usize = 4096;

impl Tokens {
    pub(super) fn get(&self, scope: &str) -> Option<Secret> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(scope).filter(|(_, end)| *end > Instant::now()).map(|(token, _)| token.clone())
    }

    pub(super) fn keep(&self, scope: &str, token: &Secret, life: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(scope.to_owned(), (token.clone(), Instant::now() + life));
    }

    /// Forgets a token that was refused; true if it was still the one that is kept.
    pub(super) fn forget(&self, scope: &str, refused: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is = known.get(scope).is_some_and(|(token, _)| token.expose() == refused);
        if is {
            known.remove(scope);
        }
        is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_and_without_quotes() {
        let challenge = "Bearer realm=\"https://a/token?x=realm=1\",service=reg, scope=\"repository:x:pull,push\"";
        assert_eq!(parameter(challenge, "realm").as_deref(), Some("https://a/token?x=realm=1"));
        assert_eq!(parameter(challenge, "service").as_deref(), Some("reg"));
        assert_eq!(parameter(challenge, "scope").as_deref(), Some("repository:x:pull,push"));
        assert_eq!(parameter(challenge, "none"), None);
        assert_eq!(parameter("Bearer myrealm=\"x\"", "realm"), None);
    }

    #[test]
    fn bearer_is_preferred_to_basic() {
        let mut headers = HeaderMap::new();
        assert_eq!(Challenge::of(&headers), None);
        headers.append("www-authenticate", "Basic realm=\"x\"".parse().unwrap());
        assert_eq!(Challenge::of(&headers), Some(Challenge::Basic));
        headers.append("www-authenticate", "bearer realm=\"https://t\",service=\"s\"".parse().unwrap());
        let bearer = Challenge::Bearer { realm: "https://t".into(), service: "s".into(), scope: None };
        assert_eq!(Challenge::of(&headers), Some(bearer));
    }

    #[test]
    fn tokens_are_kept_until_they_expire_and_never_without_end() {
        let tokens = Tokens::default();
        let (token, life) = TokenAnswer::read(br#"{"token":"a","expires_in":100}"#).unwrap();
        assert_eq!(life, Duration::from_secs(90));
        tokens.keep("x", &token, life);
        assert_eq!(tokens.get("x").unwrap().expose(), "a");
        assert!(!tokens.forget("x", "another"));
        assert!(tokens.forget("x", "a") && tokens.get("x").is_none());
        tokens.keep("x", &token, Duration::ZERO);
        assert!(tokens.get("x").is_none());
        assert_eq!(TokenAnswer::read(br#"{"access_token":"b"}"#).unwrap().1, Duration::from_secs(54));
        assert_eq!(TokenAnswer::read(br#"{"token":"b","expires_in":1e300}"#).unwrap().1, Duration::from_mins(54));
        for bad in ["", "{}", r#"{"token":""}"#, "<html>"] {
            assert!(TokenAnswer::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
