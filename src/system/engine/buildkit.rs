//! One solve over `POST /grpc`: the request, its status stream, the step that failed.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{CacheOptions, CacheOptionsEntry, SolveRequest, StatusRequest};
use tonic::transport::{Channel, Endpoint, Uri};

use super::error::{EngineError, ErrorClass, chain};
use super::progress::Progress;
use super::session::{self, Session};
use super::upgrade::upgrade;
use super::{BuildEvent, BuildSpec, CacheTo, Feed};

/// Messages of the engine may be large (whole Dockerfiles in errors, bursts of log).
const MAX_MESSAGE: usize = 64 << 20;

/// Bytes of one stream that may wait to be read, and of a connection. The engine sends each line of a burst as a frame
/// of its own. `h2` takes that for an attack and closes the connection (`too_many_data_frames`) as soon as the frames
/// that wait cost more than half of the connection's window, at up to 256 bytes for each. What one stream can hold never
/// does with the largest window that there is; the memory is bounded by the streams, of which there are two or three.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How long nothing may come after a build's end before its last lines are given up.
const LAST_LINES: Duration = Duration::from_secs(3);

/// Builds one image. Dropping the future ends the running step at once.
pub(super) async fn build(socket: &Path, spec: &BuildSpec, feed: &Feed) -> Result<(), EngineError> {
    let no_buildkit = || EngineError::new(ErrorClass::Unusable, "this engine has no BuildKit");
    if let Some(kinds) = several(&spec.cache_to) {
        return Err(EngineError::new(ErrorClass::Refused, kinds));
    }
    let session = session::open(socket, spec).await?.ok_or_else(no_buildkit)?;
    let client = control(socket).await?.ok_or_else(no_buildkit)?;
    let reference = uuid::Uuid::new_v4().simple().to_string();
    let mut progress = Progress::new(feed.clone());

    let request = solve_request(spec, &session, &reference)?;
    let mut solver = client.clone();
    let solve = async move { solver.solve(request).await };
    let heard = AtomicU64::new(0);
    let (outcome, watched) = {
        let watch = watch(client, reference, &mut progress, &heard);
        tokio::pin!(solve, watch);
        let mut watched = None;
        let outcome = loop {
            tokio::select! {
                outcome = &mut solve => break outcome,
                end = &mut watch, if watched.is_none() => watched = Some(end),
            }
        };
        // The last lines are on their way, and may be many. A stream that hangs is not waited for.
        let mut before = u64::MAX;
        while watched.is_none() && before != heard.load(Ordering::Relaxed) {
            before = heard.load(Ordering::Relaxed);
            watched = tokio::time::timeout(LAST_LINES, &mut watch).await.ok();
        }
        (outcome, watched)
    };
    progress.finish();
    if let Some(Err(status)) = &watched
        && heard.load(Ordering::Relaxed) > 0
    {
        feed.send(BuildEvent::Log(format!("WARNING: the engine's log ends here: {}", chain(status))));
    }
    match outcome {
        Ok(_) => Ok(()),
        Err(status) => Err(failure(&status, &progress)),
    }
}

/// Whether the builder takes a build: of what it tells on the way nothing is kept, so nothing is waited for.
///
/// An engine that refuses at once has no status to tell any more, and keeps who asks for one waiting.
pub(super) async fn attempt(socket: &Path, spec: &BuildSpec) -> Result<(), EngineError> {
    let no_buildkit = || EngineError::new(ErrorClass::Unusable, "this engine has no BuildKit");
    let session = session::open(socket, spec).await?.ok_or_else(no_buildkit)?;
    let mut client = control(socket).await?.ok_or_else(no_buildkit)?;
    let reference = uuid::Uuid::new_v4().simple().to_string();
    let outcome = client.solve(solve_request(spec, &session, &reference)?).await;
    outcome.map(drop).map_err(|status| failure(&status, &Progress::new(Feed::new(|_| ()))))
}

/// The builder's own API; `None` if the engine has none.
pub(super) async fn control(socket: &Path) -> Result<Option<ControlClient<Channel>>, EngineError> {
    let Some(stream) = upgrade(socket, "/grpc", &[]).await? else { return Ok(None) };
    let client = client(stream).await.map_err(|error| EngineError::new(ErrorClass::Unreachable, chain(&error)))?;
    Ok(Some(client))
}

async fn client<S>(stream: S) -> Result<ControlClient<Channel>, tonic::transport::Error>
where
    S: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let channel = Endpoint::from_static("http://buildkit")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect_with_connector(Once(Mutex::new(Some(stream))))
        .await?;
    Ok(ControlClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
}

async fn watch(
    mut client: ControlClient<Channel>,
    reference: String,
    progress: &mut Progress,
    heard: &AtomicU64,
) -> Result<(), tonic::Status> {
    let mut updates = client.status(StatusRequest { r#ref: reference }).await?.into_inner();
    while let Some(update) = updates.message().await? {
        progress.update(update);
        heard.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The engine takes one cache export a build.
fn several(cache_to: &[CacheTo]) -> Option<String> {
    let kinds: Vec<&str> = cache_to.iter().map(CacheTo::kind).collect();
    (kinds.len() > 1).then(|| {
        format!("`cache_to` names {}: this engine's builder takes one place for its cache", kinds.join(" and "))
    })
}

/// What the builder calls the cache's places.
fn cache_options(cache_to: &[CacheTo]) -> CacheOptions {
    let export = |to: &CacheTo| {
        let mut attrs = HashMap::new();
        if let CacheTo::Registry { name, all_stages } = to {
            attrs.insert("ref".to_owned(), name.clone());
            attrs.insert("mode".to_owned(), if *all_stages { "max" } else { "min" }.to_owned());
        }
        CacheOptionsEntry { r#type: to.kind().to_owned(), attrs }
    };
    CacheOptions { exports: cache_to.iter().map(export).collect(), ..CacheOptions::default() }
}

fn solve_request(spec: &BuildSpec, session: &Session, reference: &str) -> Result<SolveRequest, EngineError> {
    let mut attrs = HashMap::from([
        ("context".to_owned(), session.context_address()),
        ("filename".to_owned(), spec.dockerfile.clone()),
    ]);
    for (key, value) in &spec.args {
        attrs.insert(format!("build-arg:{key}"), value.clone());
    }
    for (key, value) in &spec.labels {
        attrs.insert(format!("label:{key}"), value.clone());
    }
    if let Some(target) = &spec.target {
        attrs.insert("target".to_owned(), target.clone());
    }
    if let Some(platform) = &spec.platform {
        attrs.insert("platform".to_owned(), platform.clone());
    }
    if spec.no_cache {
        attrs.insert("no-cache".to_owned(), String::new());
    }
    if spec.pull {
        attrs.insert("image-resolve-mode".to_owned(), "pull".to_owned());
    }
    if !spec.cache_from.is_empty() {
        attrs.insert("cache-from".to_owned(), spec.cache_from.join(","));
    }
    if !spec.extra_hosts.is_empty() {
        attrs.insert("add-hosts".to_owned(), add_hosts(&spec.extra_hosts)?);
    }
    let mut entitlements = Vec::new();
    if spec.network_host {
        attrs.insert("force-network-mode".to_owned(), "host".to_owned());
        entitlements.push("network.host".to_owned());
    }
    Ok(SolveRequest {
        r#ref: reference.to_owned(),
        session: session.id.clone(),
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attrs,
        // Without a name nothing is kept: a trial.
        exporter_deprecated: if spec.names.is_empty() { String::new() } else { "moby".to_owned() },
        exporter_attrs_deprecated: HashMap::from([("name".to_owned(), spec.names.join(","))]),
        cache: Some(cache_options(&spec.cache_to)),
        entitlements,
        ..SolveRequest::default()
    })
}

/// One line of CSV, as the frontend reads it.
fn add_hosts(hosts: &[(String, String)]) -> Result<String, EngineError> {
    let mut entries = Vec::with_capacity(hosts.len());
    for (name, address) in hosts {
        if name.is_empty() || name.contains([',', '"', '=', '\n', ' ']) || address.parse::<std::net::IpAddr>().is_err()
        {
            let text = format!("`{name}:{address}` is no extra host: expected a name and an address");
            return Err(EngineError::new(ErrorClass::Refused, text));
        }
        entries.push(format!("{name}={address}"));
    }
    Ok(entries.join(","))
}

/// The cache exporter that the builder's words say it does not have.
pub(super) fn missing_exporter(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let known = ["unknown cache exporter", "unsupported cache exporter", "cache export is not supported"];
    if !known.iter().any(|words| lower.contains(words)) {
        return None;
    }
    Some(text.split('"').nth(1).unwrap_or("registry"))
}

fn failure(status: &tonic::Status, progress: &Progress) -> EngineError {
    let text = status.message();
    let step = progress.failed_step();
    let gone = status.code() == tonic::Code::Unavailable || text.contains("transport error");
    if gone && step.is_none() {
        return EngineError::new(ErrorClass::Unreachable, format!("the engine went away during the build: {text}"));
    }
    let text = text.strip_prefix("failed to solve with frontend dockerfile.v0: ").unwrap_or(text);
    let text = text.strip_prefix("failed to build LLB: ").unwrap_or(text);
    let text = text.strip_prefix("rpc error: code = Unknown desc = ").unwrap_or(text);
    if let Some(kind) = missing_exporter(text) {
        return EngineError::new(
            ErrorClass::Unusable,
            format!(
                "this engine's builder cannot write its cache to `{kind}`: use `cache_to: inline`, or an engine whose \
                 builder has that exporter (Docker with the containerd image store, `buildah`)"
            ),
        );
    }
    let mut error = EngineError::from_text(text).at_step(step);
    if error.class == ErrorClass::Other && (text.contains("failed to create LLB definition") || text.contains("parse"))
    {
        error.class = ErrorClass::Refused;
    }
    error
}

/// Gives one stream to the channel; a second connect is an error, since the engine is gone then.
struct Once<S>(Mutex<Option<S>>);

impl<S: Send + 'static> tower_service::Service<Uri> for Once<S> {
    type Response = S;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        Box::pin(async move {
            stream.ok_or_else(|| {
                std::io::Error::new(std::io::ErrorKind::NotConnected, "the engine closed the connection")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_cache_exporter_is_one_clear_error() {
        let status = tonic::Status::unknown("unknown cache exporter: \"registry\"");
        let error = failure(&status, &Progress::new(Feed::new(|_| ())));
        assert_eq!(error.class, ErrorClass::Unusable);
        assert!(error.message.contains("`registry`") && error.message.contains("cache_to: inline"), "{error}");
        assert_eq!(missing_exporter("failed to solve: process did not complete"), None);
    }

    #[test]
    fn cache_places_become_the_builders_words() {
        let to = [CacheTo::Registry { name: "r:5000/cache".into(), all_stages: true }];
        let options = cache_options(&to);
        assert_eq!(options.exports[0].r#type, "registry");
        assert_eq!(options.exports[0].attrs["ref"], "r:5000/cache");
        assert_eq!(options.exports[0].attrs["mode"], "max");
        assert_eq!(several(&to), None);
        let two = several(&[CacheTo::Inline, to[0].clone()]).unwrap();
        assert!(two.contains("inline and registry"), "{two}");
    }

    #[test]
    fn extra_hosts_are_names_with_addresses() {
        let pair = |name: &str, address: &str| (name.to_owned(), address.to_owned());
        assert_eq!(add_hosts(&[pair("a", "10.0.0.1"), pair("b", "::1")]).unwrap(), "a=10.0.0.1,b=::1");
        assert!(add_hosts(&[pair("a,x", "10.0.0.1")]).is_err());
        assert!(add_hosts(&[pair("a", "host")]).is_err());
    }
}

#[cfg(test)]
#[path = "buildkit_burst_tests.rs"]
mod burst_tests;
