//! The client itself: how a registry is reached, who asks, the shared budget. What is asked is in `content`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::sync::OnceCell;

use super::super::credentials::RegistryLogin;
use super::super::error::{EngineError, ErrorClass, Right};
use super::address::{api_host, check_host, is_loopback};
use super::answers::{Asked, retry_after, shown};
use super::auth::{Challenge, TokenAnswer, Tokens, basic, scope};
use super::budget::RateBudget;
use super::kept::Kept;
use super::transport::{Answer, Patience, Sent, Transport, Trouble};
use crate::secret::Secret;
use crate::system::Probe;
use crate::system::web_address::{hides_its_host, host_and_port};

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// `registry.example.org:5000`.
    pub host: String,
    /// A CA file besides `/etc/docker/certs.d/HOST/*.crt` and the host's own.
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP is allowed although the registry is not on loopback.
    pub insecure: bool,
    /// The login.
    pub login: Option<RegistryLogin>,
}

/// A registry that can be asked. Share one for a run: it keeps connections, tokens and the rate budget.
pub struct RegistryClient {
    settings: RegistrySettings,
    /// The API's host, which is another than the name for Docker Hub.
    pub(super) host: String,
    transport: Transport,
    /// How often what does no harm is asked again.
    again: usize,
    scheme: OnceCell<&'static str>,
    challenge: Mutex<Option<Challenge>>,
    tokens: Tokens,
    budget: RateBudget,
    /// Manifests that were read.
    pub(super) kept: Kept,
    /// Nobody took the last connection.
    nobody: AtomicBool,
    /// Held by the one that asks what an engine was refused for.
    asking: tokio::sync::Mutex<()>,
}

/// A request to the API.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// A path of the registry, or a whole address at it.
    pub(super) path: &'a str,
    pub(super) repository: &'a str,
    pub(super) right: Right,
    pub(super) accept: Option<&'a str>,
    pub(super) content: Option<(&'a str, Bytes)>,
    pub(super) limit: usize,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, path: &'a str, repository: &'a str, right: Right) -> Self {
        Self { method, path, repository, right, accept: None, content: None, limit: SMALL }
    }
}

/// Waits before what failed is asked again.
const AGAIN: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
/// The longest time a registry may want to be left alone for that what it refused is asked again by itself.
const SHORT: Duration = Duration::from_mins(1);
/// Bytes of an answer that is no manifest, list or blob.
const SMALL: usize = 1 << 20;

/// What a request says of who asks.
enum Credential {
    Nobody,
    Basic(String),
    Token { scope: String, token: Secret, fresh: bool },
}

impl Probe {
    /// A client for a registry.
    pub fn registry(&self, settings: RegistrySettings) -> Result<RegistryClient, EngineError> {
        RegistryClient::new(settings, Path::new("/etc/docker/certs.d"), Patience::default())
    }
}

impl RegistryClient {
    pub(super) fn new(settings: RegistrySettings, certs: &Path, patience: Patience) -> Result<Self, EngineError> {
        let host = api_host(&settings.host);
        check_host(&host)?;
        let again = patience.again;
        let transport = Transport::new(&settings, certs, patience)?;
        Ok(Self {
            host,
            again,
            settings,
            transport,
            scheme: OnceCell::new(),
            challenge: Mutex::new(None),
            tokens: Tokens::default(),
            budget: RateBudget::default(),
            kept: Kept::default(),
            nobody: AtomicBool::new(false),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// The same with other deadlines.
    pub fn patient(self, patience: Patience) -> Result<Self, EngineError> {
        let transport = Transport::new(&self.settings, Path::new("/etc/docker/certs.d"), patience)?;
        Ok(Self { transport, again: patience.again, ..self })
    }

    /// The same under a budget that others share.
    #[must_use]
    pub fn sharing(mut self, budget: RateBudget) -> Self {
        self.budget = budget;
        self
    }

    /// The rate budget: pushes of the engine wait for it too, by [`RateBudget::pass`].
    pub fn budget(&self) -> &RateBudget {
        &self.budget
    }

    /// The registry as the user names it.
    pub fn name(&self) -> &str {
        &self.settings.host
    }

    /// How it is reached.
    pub fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    /// True if requests carry a login.
    pub fn has_login(&self) -> bool {
        self.settings.login.is_some()
    }

    /// True if nobody listened at the registry's address when it was last asked, and it never answered before: a wrong
    /// port, or a registry that is not running.
    pub fn is_nowhere(&self) -> bool {
        self.nobody.load(Ordering::Relaxed) && self.scheme.get().is_none()
    }

    /// Asks for the API's root with the login: tells wrong credentials before a build is paid for.
    pub async fn check_login(&self) -> Result<(), EngineError> {
        let ask = Ask::new(Method::GET, "/v2/", "", Right::Login);
        let answer = self.ask(&ask).await?;
        self.expect_ok(&ask, &answer)
    }

    /// What the engine's text about a failed push means. For too many requests the registry is asked for its status and
    /// `Retry-After`: the budget is closed for as long as it says (or by its own waits), and the error given back has
    /// that wait. For missing credentials it is asked which right is missing. Other errors come back as they are.
    pub async fn explain(&self, error: EngineError, repository: &str) -> EngineError {
        match error.class {
            ErrorClass::RateLimited => {
                // Many pushes are refused together: one of them asks.
                let _one = self.asking.lock().await;
                if self.budget.remaining().is_zero() {
                    // As a push begins: registries may limit writing apart from reading.
                    match self.push_right(repository).await {
                        Err(own) if own.class == ErrorClass::RateLimited => {}
                        _ => _ = self.budget.limited(None),
                    }
                }
                EngineError { retry_after: Some(self.budget.remaining()), ..error }
            }
            ErrorClass::Auth if error.right.is_none() => match self.push_right(repository).await {
                Err(own) if own.class == ErrorClass::Auth => {
                    EngineError { message: format!("{}; the engine said: {}", own.message, error.message), ..own }
                }
                _ => error,
            },
            _ => error,
        }
    }

    pub(super) fn plain_allowed(&self) -> bool {
        self.settings.insecure || is_loopback(&self.settings.host)
    }

    pub(super) fn asked<'a>(&'a self, ask: &'a Ask<'_>) -> Asked<'a> {
        let bearer = matches!(&*self.challenge(), Some(Challenge::Bearer { .. }));
        Asked {
            host: &self.settings.host,
            repository: ask.repository,
            right: ask.right,
            login: self.settings.login.is_some(),
            basic: !bearer,
            what: ask.path,
        }
    }

    pub(super) fn expect_ok(&self, ask: &Ask<'_>, answer: &Answer) -> Result<(), EngineError> {
        if answer.status.is_success() { Ok(()) } else { Err(self.asked(ask).refused(answer)) }
    }

    /// The whole address of a path.
    pub(super) async fn address(&self, path: &str) -> Result<String, EngineError> {
        let scheme = match self.scheme.get() {
            Some(scheme) => scheme,
            None => self.scheme.get_or_try_init(|| self.find_scheme()).await?,
        };
        Ok(format!("{scheme}://{}{path}", self.host))
    }

    /// One request with whatever login it takes. What can be asked twice without harm is asked again after trouble at
    /// the server and after a refusal for too many requests, as often as [`Patience`] says.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, EngineError> {
        // A manifest is the same however often it is written; an upload that broke has lost its place.
        let harmless = match ask.method {
            Method::PUT => ask.path.contains("/manifests/"),
            _ => matches!(ask.method, Method::GET | Method::HEAD),
        };
        let mut nowhere = false;
        let mut waits = AGAIN.iter().take(if harmless { self.again } else { 0 });
        loop {
            let outcome = self.ask_once(ask).await;
            let trouble = match &outcome {
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => self.budget.remaining() <= SHORT,
                Ok(answer) => matches!(answer.status.as_u16(), 500 | 502..=504),
                Err(error) => error.class == ErrorClass::Transient,
            };
            match waits.next() {
                // Where nobody listens from the beginning, time will hardly help.
                Some(wait) if trouble && !(self.is_nowhere() && std::mem::replace(&mut nowhere, true)) => {
                    tokio::time::sleep(*wait).await;
                }
                _ => return outcome,
            }
        }
    }

    /// One request with whatever login it takes. A token that expired is renewed once.
    async fn ask_once(&self, ask: &Ask<'_>) -> Result<Answer, EngineError> {
        let address = if ask.path.starts_with('/') { self.address(ask.path).await? } else { ask.path.to_owned() };
        let mut wanted = None;
        let mut first = true;
        loop {
            let credential = self.credential(ask, wanted.as_deref()).await?;
            let authorization = match &credential {
                Credential::Nobody => None,
                Credential::Basic(value) => Some(value.clone()),
                Credential::Token { token, .. } => Some(format!("Bearer {}", token.expose())),
            };
            let sent = Sent {
                method: ask.method.clone(),
                address: &address,
                accept: ask.accept,
                authorization,
                content: ask.content.clone(),
                limit: ask.limit,
            };
            let answer = self.send(sent).await.map_err(|trouble| {
                let trouble = match trouble {
                    // It has spoken HTTP before.
                    Trouble::NoHttp => Trouble::Broken("what came is no HTTP".to_owned()),
                    other => other,
                };
                self.asked(ask).failed(trouble, self.plain_allowed())
            })?;
            if answer.status != StatusCode::UNAUTHORIZED || !first {
                return Ok(answer);
            }
            first = false;
            let Some(challenge) = Challenge::of(&answer.headers) else { return Ok(answer) };
            self.remember(&challenge);
            let server_scope = match &challenge {
                Challenge::Bearer { scope, .. } => scope.clone(),
                Challenge::Basic => None,
            };
            let again = match &credential {
                Credential::Token { scope, token, fresh } => {
                    self.tokens.forget(scope, token.expose());
                    !fresh || server_scope.as_ref().is_some_and(|wanted| wanted != scope)
                }
                Credential::Basic(_) => challenge != Challenge::Basic,
                Credential::Nobody => {
                    challenge != Challenge::Basic || self.settings.login.as_ref().and_then(basic).is_some()
                }
            };
            if !again {
                return Ok(answer);
            }
            wanted = server_scope;
        }
    }

    /// One exchange under the budget.
    pub(super) async fn send(&self, sent: Sent<'_>) -> Result<Answer, Trouble> {
        self.budget.pass().await;
        let answer = self.transport.send(sent).await;
        self.nobody.store(matches!(answer, Err(Trouble::Nobody(_))), Ordering::Relaxed);
        let answer = answer?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            self.budget.limited(retry_after(&answer, jiff::Timestamp::now()));
        } else {
            self.budget.served();
        }
        Ok(answer)
    }

    /// One exchange with another server, beside the budget.
    pub(super) async fn fetch(&self, sent: Sent<'_>) -> Result<Answer, Trouble> {
        self.transport.send(sent).await
    }

    async fn credential(&self, ask: &Ask<'_>, wanted: Option<&str>) -> Result<Credential, EngineError> {
        let login = self.settings.login.as_ref();
        let challenge = self.challenge().clone();
        let Some(Challenge::Bearer { realm, service, .. }) = challenge else {
            // A registry that lets everybody look still gets the login: it may want one to write.
            return Ok(login.and_then(basic).map_or(Credential::Nobody, Credential::Basic));
        };
        let scope = wanted.map(str::to_owned).or_else(|| scope(ask.repository, ask.right)).unwrap_or_default();
        if let Some(token) = self.tokens.get(&scope) {
            return Ok(Credential::Token { scope, token, fresh: false });
        }
        let token = self.token(&realm, &service, &scope).await?;
        Ok(Credential::Token { scope, token, fresh: true })
    }

    /// Fetches a token, and keeps it.
    async fn token(&self, realm: &str, service: &str, scope: &str) -> Result<Secret, EngineError> {
        let plain = self.plain_allowed();
        let host = &self.settings.host;
        if !may_have_login(realm, host, plain) {
            let text = format!("registry `{host}` asks for a token from `{}`, which is no https address", shown(realm));
            return Err(EngineError::new(ErrorClass::Auth, text).lacking(Right::Login));
        }
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let login = self.settings.login.as_ref();
        let identity = login.and_then(|login| login.identity_token.as_ref());
        let mut query = format!("service={}", encode(service));
        for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
            query.push_str(&format!("&scope={}", encode(scope)));
        }
        let with_query = format!("{realm}{}{query}", if realm.contains('?') { '&' } else { '?' });
        let sent = match identity {
            // OAuth2, as identity tokens want it; scopes are one word list there.
            Some(token) => {
                let form = format!(
                    "grant_type=refresh_token&client_id=hostctl&service={}&scope={}&refresh_token={}",
                    encode(service),
                    encode(scope),
                    encode(token.expose())
                );
                let content = Some(("application/x-www-form-urlencoded", Bytes::from(form)));
                Sent { method: Method::POST, address: realm, accept: None, authorization: None, content, limit: SMALL }
            }
            None => Sent {
                method: Method::GET,
                address: &with_query,
                accept: None,
                authorization: login.and_then(basic),
                content: None,
                limit: SMALL,
            },
        };
        let what = format!("token of {}", shown(realm));
        let asked =
            Asked { host, repository: "", right: Right::Login, login: login.is_some(), basic: true, what: &what };
        let answer = self.send(sent).await.map_err(|trouble| asked.failed(trouble, plain))?;
        if !answer.status.is_success() {
            return Err(asked.refused(&answer));
        }
        let (token, life) = TokenAnswer::read(&answer.body).ok_or_else(|| {
            EngineError::new(ErrorClass::Auth, format!("registry `{host}`: `{}` gave no token", shown(realm)))
                .lacking(Right::Login)
        })?;
        self.tokens.keep(scope, &token, life);
        Ok(token)
    }

    /// `https`; `http` only where that is allowed and the server speaks no TLS. Asked without a login; what answers must
    /// be a registry.
    async fn find_scheme(&self) -> Result<&'static str, EngineError> {
        let ask = Ask::new(Method::GET, "/v2/", "", Right::Login);
        let plain = self.plain_allowed();
        let ping = async |scheme: &str| {
            let address = format!("{scheme}://{}/v2/", self.host);
            let sent = Sent {
                method: Method::GET,
                address: &address,
                accept: None,
                authorization: None,
                content: None,
                limit: SMALL,
            };
            self.send(sent).await
        };
        let (scheme, answer) = match ping("https").await {
            Err(Trouble::SpeaksHttp | Trouble::Handshake(_)) if plain => ("http", ping("http").await),
            answer => ("https", answer),
        };
        let answer = answer.map_err(|trouble| self.asked(&ask).failed(trouble, plain))?;
        let asked = self.asked(&ask);
        if let Some(error) = asked.other_server(&answer) {
            return Err(error);
        }
        if !answer.status.is_success() && answer.status != StatusCode::UNAUTHORIZED {
            let error = asked.refused(&answer);
            // A registry may well have no root for those who did not log in.
            if error.class != ErrorClass::Auth {
                return Err(error);
            }
        }
        if let Some(challenge) = Challenge::of(&answer.headers) {
            self.remember(&challenge);
        }
        Ok(scheme)
    }

    fn challenge(&self) -> std::sync::MutexGuard<'_, Option<Challenge>> {
        self.challenge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, challenge: &Challenge) {
        let mut known = self.challenge();
        if !known.as_ref().is_some_and(|known| known.same_server(challenge)) {
            *known = Some(challenge.clone());
        }
    }
}

/// A login is sent to any https address, as Docker does; without encryption only to the registry's own host. Never to one
/// that hides behind a user's name.
pub(super) fn may_have_login(realm: &str, registry: &str, plain: bool) -> bool {
    let (place, own) = (host_and_port(realm), host_and_port(&format!("http://{registry}")));
    let (Some((host, _)), Some((own, _))) = (place, own) else { return false };
    let safe = realm.starts_with("https://") || plain && host.eq_ignore_ascii_case(&own);
    safe && !hides_its_host(realm)
}
