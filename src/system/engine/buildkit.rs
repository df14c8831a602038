//! One solve over `POST /grpc`: the request, its status stream, the step that failed.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{CacheOptions, SolveRequest, StatusRequest};
use hyper::upgrade::Upgraded;
use tonic::transport::{Channel, Endpoint, Uri};

use super::error::{EngineError, ErrorClass, chain};
use super::progress::Progress;
use super::session::{self, Session};
use super::upgrade::upgrade;
use super::{BuildSpec, Feed};

/// Messages of the engine may be large (whole Dockerfiles in errors, bursts of log).
const MAX_MESSAGE: usize = 64 << 20;

/// Builds one image. Dropping the future ends the running step at once.
pub(super) async fn build(socket: &Path, spec: &BuildSpec, feed: &Feed) -> Result<(), EngineError> {
    let no_buildkit = || EngineError::new(ErrorClass::Unusable, "this engine has no BuildKit");
    let session = session::open(socket, spec).await?.ok_or_else(no_buildkit)?;
    let stream = upgrade(socket, "/grpc", &[]).await?.ok_or_else(no_buildkit)?;
    let channel = Endpoint::from_static("http://buildkit")
        .connect_with_connector(Once(Mutex::new(Some(stream))))
        .await
        .map_err(|error| EngineError::new(ErrorClass::Unreachable, chain(&error)))?;
    let client = ControlClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let reference = uuid::Uuid::new_v4().simple().to_string();
    let mut progress = Progress::new(feed.clone());

    let request = solve_request(spec, &session, &reference);
    let mut solver = client.clone();
    let solve = async move { solver.solve(request).await };
    let outcome = {
        let watch = watch(client, reference, &mut progress);
        tokio::pin!(solve, watch);
        let mut watching = true;
        loop {
            tokio::select! {
                outcome = &mut solve => {
                    if watching {
                        // The last lines are on their way; a stream that hangs is not waited for.
                        let _ = tokio::time::timeout(Duration::from_secs(3), &mut watch).await;
                    }
                    break outcome;
                }
                () = &mut watch, if watching => watching = false,
            }
        }
    };
    progress.finish();
    match outcome {
        Ok(_) => Ok(()),
        Err(status) => Err(failure(&status, &progress)),
    }
}

async fn watch(mut client: ControlClient<Channel>, reference: String, progress: &mut Progress) {
    let Ok(answer) = client.status(StatusRequest { r#ref: reference }).await else {
        return;
    };
    let mut updates = answer.into_inner();
    while let Ok(Some(update)) = updates.message().await {
        progress.update(update);
    }
}

fn solve_request(spec: &BuildSpec, session: &Session, reference: &str) -> SolveRequest {
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
    let mut entitlements = Vec::new();
    if spec.network_host {
        attrs.insert("force-network-mode".to_owned(), "host".to_owned());
        entitlements.push("network.host".to_owned());
    }
    SolveRequest {
        r#ref: reference.to_owned(),
        session: session.id.clone(),
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attrs,
        exporter_deprecated: "moby".to_owned(),
        exporter_attrs_deprecated: HashMap::from([("name".to_owned(), spec.names.join(","))]),
        cache: Some(CacheOptions::default()),
        entitlements,
        ..SolveRequest::default()
    }
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
    let mut error = EngineError::from_text(text).at_step(step);
    if error.class == ErrorClass::Other && (text.contains("failed to create LLB definition") || text.contains("parse"))
    {
        error.class = ErrorClass::Refused;
    }
    error
}

/// Gives one stream to the channel; a second connect is an error, since the engine is gone then.
struct Once(Mutex<Option<Upgraded>>);

impl tower_service::Service<Uri> for Once {
    type Response = Upgraded;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Upgraded, std::io::Error>> + Send>>;

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
