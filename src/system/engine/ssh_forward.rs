//! `RUN --mount=type=ssh`: bytes between the build and an ssh agent on this host. Keys stay in the agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use futures_util::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

/// The agent of a mount without an id.
const DEFAULT: &str = "default";

/// An agent's answer is never larger.
const CHUNK: usize = 32 << 10;

/// The agents of one build, by id.
pub(super) struct ForwardAgents {
    pub(super) agents: BTreeMap<String, PathBuf>,
}

impl ForwardAgents {
    async fn connect(&self, id: &str) -> Result<UnixStream, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let Some(socket) = self.agents.get(id) else {
            return Err(Status::not_found(format!("no ssh agent `{id}` was given to this build")));
        };
        UnixStream::connect(socket)
            .await
            .map_err(|error| Status::unavailable(format!("the ssh agent `{id}` at `{}`: {error}", socket.display())))
    }
}

#[tonic::async_trait]
impl Ssh for ForwardAgents {
    async fn check_agent(&self, request: Request<CheckAgentRequest>) -> Result<Response<CheckAgentResponse>, Status> {
        self.connect(&request.get_ref().id).await?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    type ForwardAgentStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get("buildkit.ssh.id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let (mut from_agent, mut to_agent) = self.connect(id).await?.into_split();
        let mut asked = request.into_inner();
        let (sender, receiver) = mpsc::channel(8);
        tokio::spawn(async move {
            let ask = async {
                while let Ok(Some(message)) = asked.message().await {
                    if to_agent.write_all(&message.data).await.is_err() {
                        break;
                    }
                }
                let _ = to_agent.shutdown().await;
            };
            let answer = async {
                let mut buffer = vec![0; CHUNK];
                while let Ok(count @ 1..) = from_agent.read(&mut buffer).await {
                    if sender.send(Ok(BytesMessage { data: buffer[..count].to_vec() })).await.is_err() {
                        break;
                    }
                }
            };
            tokio::pin!(ask, answer);
            // The agent's end is the end; a build that asks no more may still wait for an answer.
            tokio::select! {
                () = &mut answer => {}
                () = &mut ask => answer.await,
            }
        });
        let answers = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|message| (message, receiver))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
