//! One request: checked, matched with an upstream, answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Method, Request, Response, StatusCode, Uri};

use super::body::ProxyBody;
use super::config::Route;
use super::path::{HEALTH_PATH, for_log, segments};
use super::redirect::{Redirect, decide};
use super::{headers, server};
use crate::system::http::{HttpClient, HttpError};

/// Time to the first byte of an upstream's answer.
const FIRST_BYTE: Duration = Duration::from_mins(1);
/// Time without any byte in the middle of an answer.
const SILENCE: Duration = Duration::from_mins(1);

/// What all requests share.
pub(super) struct Shared {
    pub routes: Vec<Route>,
    pub client: HttpClient,
    /// The value of `Authorization`.
    pub header: Option<HeaderValue>,
    pub health: String,
    pub log_requests: bool,
}

/// An answer that is no upstream's.
struct Own {
    status: StatusCode,
    text: String,
}

fn own(status: StatusCode, text: impl Into<String>) -> Own {
    Own { status, text: text.into() }
}

impl Shared {
    /// Answers one request. Never fails: what goes wrong becomes a status with a line of text.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Response<ProxyBody> {
        let started = Instant::now();
        let method = request.method().clone();
        let path = for_log(request.uri().path());
        let (mut response, own_text) = match self.handle(&request, local).await {
            Ok(response) => (response, None),
            Err(own) => (own_response(&own), Some(own.text)),
        };
        let status = response.status();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        let failure = status.is_server_error()
            || matches!(status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED);
        let wanted = self.log_requests && path != HEALTH_PATH;
        if !(failure || wanted) {
            return response;
        }
        response.map(|body| {
            body.at_end(Box::new(move |bytes, whole| {
                let why = own_text.map(|text| format!(" ({})", text.trim_end())).unwrap_or_default();
                let cut = if whole || method == Method::HEAD { "" } else { " broken off" };
                let seconds = started.elapsed().as_secs_f64();
                let client = peer.ip();
                server::log(&format!(
                    "{client} {method} {path} {} {bytes} bytes {seconds:.3} s{cut}{why}",
                    status.as_u16()
                ));
            }))
        })
    }

    async fn handle(&self, request: &Request<Incoming>, local: SocketAddr) -> Result<Response<ProxyBody>, Own> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Err(own(StatusCode::METHOD_NOT_ALLOWED, "this mirror answers GET and HEAD only"));
        }
        self.check_target(request.uri(), local)?;
        if request.uri().path() == HEALTH_PATH {
            let mut response = Response::new(ProxyBody::text(self.health.clone()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(response);
        }
        let path = segments(request.uri().path())
            .map_err(|reason| own(StatusCode::BAD_REQUEST, format!("the path is refused: {reason}")))?;
        let Some((route, rest)) = self.routes.iter().find_map(|route| Some((route, route.pattern.rest(&path)?))) else {
            let served: Vec<&str> = self.routes.iter().map(|route| route.prefix.as_str()).collect();
            return Err(own(
                StatusCode::FORBIDDEN,
                format!("this path is not served here; served are {}", served.join(", ")),
            ));
        };
        let target = upstream_uri(route, rest, request.uri())
            .ok_or_else(|| own(StatusCode::BAD_REQUEST, "the path is refused: it makes no address"))?;
        self.ask(request, route, target).await
    }

    /// Origin form (`/debian/...`), or absolute form that names this very proxy.
    fn check_target(&self, uri: &Uri, local: SocketAddr) -> Result<(), Own> {
        let Some(authority) = uri.authority() else { return Ok(()) };
        let host = authority.host().trim_matches(['[', ']']);
        let is_self = uri.scheme() == Some(&Scheme::HTTP)
            && authority.port_u16().unwrap_or(80) == local.port()
            && host.parse().is_ok_and(|address: std::net::IpAddr| address == local.ip());
        if is_self {
            return Ok(());
        }
        let served = self.routes.first().map_or("/", |route| route.prefix.as_str());
        Err(own(
            StatusCode::FORBIDDEN,
            format!("this is a mirror, not a general proxy: use http://{local}{served}/ as the package source"),
        ))
    }

    async fn ask(&self, request: &Request<Incoming>, route: &Route, target: Uri) -> Result<Response<ProxyBody>, Own> {
        let mut upstream = Request::new(Empty::new());
        *upstream.method_mut() = request.method().clone();
        *upstream.uri_mut() = target.clone();
        *upstream.headers_mut() = headers::to_upstream(request.headers());
        let sent_credentials = match &self.header {
            Some(value) if route.auth => {
                upstream.headers_mut().insert(header::AUTHORIZATION, value.clone());
                true
            }
            _ => false,
        };
        let answer = self.client.send(upstream, FIRST_BYTE).await.map_err(|error| {
            let status = match error {
                HttpError::Timeout => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            };
            own(status, format!("the upstream of `{}` gave no answer: {error}", route.prefix))
        })?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let what = if sent_credentials { "refused this proxy's credentials" } else { "wants credentials" };
            let prefix = &route.prefix;
            return Err(own(
                StatusCode::BAD_GATEWAY,
                format!("the upstream of `{prefix}` {what} ({})", status.as_u16()),
            ));
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(own(StatusCode::BAD_GATEWAY, "the upstream switched to another protocol"));
        }
        let location = answer.headers().get(header::LOCATION).cloned();
        if let Some(location) = location.filter(|_| status.is_redirection() && status != StatusCode::NOT_MODIFIED) {
            return self.redirect(route, status, &target, &location);
        }
        let passed = headers::to_client(answer.headers());
        let mut response = Response::new(ProxyBody::stream(answer.into_body(), SILENCE));
        *response.status_mut() = status;
        *response.headers_mut() = passed;
        Ok(response)
    }

    fn redirect(
        &self,
        route: &Route,
        status: StatusCode,
        asked: &Uri,
        location: &HeaderValue,
    ) -> Result<Response<ProxyBody>, Own> {
        let prefix = &route.prefix;
        let refused = |reason: &str| {
            own(
                StatusCode::BAD_GATEWAY,
                format!("the upstream of `{prefix}` answered with a redirect that is refused: {reason}"),
            )
        };
        let text = location.to_str().map_err(|_| refused("its target is no address"))?;
        let target = match decide(asked, text, &self.routes) {
            Redirect::Here(path) => path,
            Redirect::Elsewhere(uri) => uri,
            Redirect::Refused(reason) => return Err(refused(reason)),
        };
        let target = HeaderValue::from_str(&target).map_err(|_| refused("its target is no address"))?;
        let mut response = Response::new(ProxyBody::text(""));
        *response.status_mut() = status;
        response.headers_mut().insert(header::LOCATION, target);
        Ok(response)
    }
}

fn own_response(own: &Own) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::text(format!("hostctl mirror-proxy: {}\n", own.text)));
    *response.status_mut() = own.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn upstream_uri(route: &Route, rest: &[String], asked: &Uri) -> Option<Uri> {
    let mut path = String::new();
    for segment in route.base.iter().chain(rest) {
        path.push('/');
        path.push_str(segment);
    }
    if path.is_empty() || asked.path().ends_with('/') || asked.path().ends_with("/.") {
        path.push('/');
    }
    if let Some(query) = asked.query() {
        path.push('?');
        path.push_str(query);
    }
    let path: PathAndQuery = path.parse().ok()?;
    Uri::builder().scheme(route.scheme.clone()).authority(route.authority.clone()).path_and_query(path).build().ok()
}
