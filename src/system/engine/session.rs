//! The session that BuildKit calls back: context, secrets and registry logins, all from memory;
//! ssh agents by their sockets.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use bollard_buildkit_proto::moby::upload::v1::BytesMessage;
use bollard_buildkit_proto::moby::upload::v1::upload_server::{Upload, UploadServer};
use futures_util::{Stream, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use super::client::tar_chunks;
use super::credentials::RegistryLogin;
use super::error::EngineError;
use super::ssh_forward::ForwardAgents;
use super::upgrade::upgrade;
use super::{BuildSpec, ContextSource};
use crate::secret::Secret;

/// A session being served; ends when dropped.
pub(super) struct Session {
    /// Its id, for the solve request. The context is served under it: the engine joins running builds
    /// that name the same address, so one name for all would mix the contexts of parallel builds.
    pub(super) id: String,
    /// Dropping it ends the server and with it the engine's session.
    _stop: oneshot::Sender<()>,
}

impl Session {
    /// The address of the context in `frontend_attrs`.
    pub(super) fn context_address(&self) -> String {
        format!("http://buildkit-session/{}", self.id)
    }
}

/// Opens a session; `None` if the engine has none (no BuildKit).
pub(super) async fn open(socket: &Path, spec: &BuildSpec) -> Result<Option<Session>, EngineError> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut headers = vec![("X-Docker-Expose-Session-Uuid", id.as_str())];
    let methods = [
        "/moby.filesync.v1.Auth/Credentials",
        "/moby.filesync.v1.Auth/FetchToken",
        "/moby.upload.v1.Upload/Pull",
        "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    ];
    let ssh = ["/moby.sshforward.v1.SSH/CheckAgent", "/moby.sshforward.v1.SSH/ForwardAgent"];
    let methods = methods.iter().chain(ssh.iter().filter(|_| !spec.ssh.is_empty()));
    headers.extend(methods.map(|method| ("X-Docker-Expose-Session-Grpc-Method", *method)));
    let Some(stream) = upgrade(socket, "/session", &headers).await? else {
        return Ok(None);
    };
    let transport = Transport(TokioIo::new(stream));
    let router = tonic::transport::Server::builder()
        .add_service(HealthServer::new(Healthy))
        .add_service(UploadServer::new(ServeContext { name: id.clone(), source: Arc::clone(&spec.context) }))
        .add_service(SecretsServer::new(ServeSecrets { secrets: spec.secrets.clone() }))
        .add_service(SshServer::new(ForwardAgents { agents: spec.ssh.clone() }))
        .add_service(AuthServer::new(ServeLogins {
            logins: spec.logins.iter().map(|login| (super::registry_of(&login.host), login.clone())).collect(),
        }));
    let incoming = futures_util::stream::once(async move { Ok::<_, std::io::Error>(transport) })
        .chain(futures_util::stream::pending());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        // A session that breaks shows as an error of the solve request.
        let _ = router.serve_with_incoming_shutdown(incoming, async move { _ = stopped.await }).await;
    });
    Ok(Some(Session { id, _stop: stop }))
}

/// True if the engine lets a session be opened, which is the only honest sign of BuildKit.
pub(super) async fn probe(socket: &Path) -> Result<bool, EngineError> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    Ok(upgrade(socket, "/session", &[("X-Docker-Expose-Session-Uuid", &id)]).await?.is_some())
}

struct Transport(TokioIo<Upgraded>);

impl Connected for Transport {
    type ConnectInfo = ();
    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct Healthy;

#[tonic::async_trait]
impl Health for Healthy {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving as i32 }))
    }
    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("list"))
    }
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;
    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("watch"))
    }
}

struct ServeContext {
    name: String,
    source: Arc<dyn ContextSource>,
}

#[tonic::async_trait]
impl Upload for ServeContext {
    type PullStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;
    async fn pull(&self, request: Request<Streaming<BytesMessage>>) -> Result<Response<Self::PullStream>, Status> {
        let path = request.metadata().get("urlpath").and_then(|path| path.to_str().ok()).unwrap_or_default();
        if path.trim_start_matches('/') != self.name {
            return Err(Status::not_found(format!("nothing is served at `{path}`")));
        }
        let chunks = tar_chunks(Arc::clone(&self.source)).map(|chunk| {
            chunk
                .map(|data| BytesMessage { data: data.to_vec() })
                .map_err(|error| Status::aborted(format!("reading the build context: {error}")))
        });
        Ok(Response::new(Box::pin(chunks)))
    }
}

struct ServeSecrets {
    secrets: BTreeMap<String, Secret>,
}

#[tonic::async_trait]
impl Secrets for ServeSecrets {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = &request.get_ref().id;
        match self.secrets.get(id) {
            Some(secret) => Ok(Response::new(GetSecretResponse { data: secret.expose().as_bytes().to_vec() })),
            None => Err(Status::not_found(format!("secret {id} not found"))),
        }
    }
}

struct ServeLogins {
    logins: HashMap<String, RegistryLogin>,
}

#[tonic::async_trait]
impl Auth for ServeLogins {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        // Only the registry that was named gets the login; all others are read without one.
        let answer = match self.logins.get(&super::registry_of(&request.get_ref().host)) {
            Some(login) => {
                let (username, secret) = login.for_session();
                CredentialsResponse { username, secret }
            }
            None => CredentialsResponse::default(),
        };
        Ok(Response::new(answer))
    }
    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("fetch token"))
    }
    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("token authority"))
    }
    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("token authority"))
    }
}
