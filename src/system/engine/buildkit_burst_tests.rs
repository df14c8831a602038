//! A builder that tells a burst of log, each line as a message of its own.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bollard_buildkit_proto::moby::buildkit::v1::control_server::{Control, ControlServer};
use bollard_buildkit_proto::moby::buildkit::v1::{
    BuildHistoryEvent, BuildHistoryRequest, BytesMessage, DiskUsageRequest, DiskUsageResponse, InfoRequest,
    InfoResponse, ListWorkersRequest, ListWorkersResponse, PruneRequest, SolveResponse, StatusResponse,
    UpdateBuildHistoryRequest, UpdateBuildHistoryResponse, UsageRecord, Vertex, VertexLog,
};
use futures_util::{Stream, StreamExt};
use hyper_util::rt::TokioIo;
use tonic::{Request, Response, Status, Streaming};

use super::*;

const LINES: usize = 60_000;

struct Bursts;

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn none<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not here"))
}

#[tonic::async_trait]
impl Control for Bursts {
    type PruneStream = Events<UsageRecord>;
    type StatusStream = Events<StatusResponse>;
    type SessionStream = Events<BytesMessage>;
    type ListenBuildHistoryStream = Events<BuildHistoryEvent>;

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<Self::StatusStream>, Status> {
        let vertex = Vertex { digest: "v".into(), name: "[1/1] RUN x".into(), ..Vertex::default() };
        let first = StatusResponse { vertexes: vec![vertex], ..StatusResponse::default() };
        let lines = futures_util::stream::unfold(0, |count| async move {
            // Not two messages in one frame.
            tokio::task::yield_now().await;
            let log = VertexLog { vertex: "v".into(), msg: b"a line\n".to_vec(), ..VertexLog::default() };
            (count < LINES).then(|| (Ok(StatusResponse { logs: vec![log], ..StatusResponse::default() }), count + 1))
        });
        Ok(Response::new(Box::pin(futures_util::stream::iter([Ok(first)]).chain(lines))))
    }

    async fn disk_usage(&self, _: Request<DiskUsageRequest>) -> Result<Response<DiskUsageResponse>, Status> {
        none()
    }
    async fn prune(&self, _: Request<PruneRequest>) -> Result<Response<Self::PruneStream>, Status> {
        none()
    }
    async fn solve(&self, _: Request<SolveRequest>) -> Result<Response<SolveResponse>, Status> {
        none()
    }
    async fn session(&self, _: Request<Streaming<BytesMessage>>) -> Result<Response<Self::SessionStream>, Status> {
        none()
    }
    async fn list_workers(&self, _: Request<ListWorkersRequest>) -> Result<Response<ListWorkersResponse>, Status> {
        none()
    }
    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        none()
    }
    async fn listen_build_history(
        &self,
        _: Request<BuildHistoryRequest>,
    ) -> Result<Response<Self::ListenBuildHistoryStream>, Status> {
        none()
    }
    async fn update_build_history(
        &self,
        _: Request<UpdateBuildHistoryRequest>,
    ) -> Result<Response<UpdateBuildHistoryResponse>, Status> {
        none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_lines_that_are_read_slowly_is_no_attack() {
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let incoming = futures_util::stream::once(async move { Ok::<_, std::io::Error>(theirs) })
        .chain(futures_util::stream::pending());
    let server = tonic::transport::Server::builder().add_service(ControlServer::new(Bursts));
    let server = tokio::spawn(server.serve_with_incoming(incoming));
    let client = client(TokioIo::new(ours)).await.unwrap();
    let told = Arc::new(Mutex::new(0));
    let count = Arc::clone(&told);
    let feed = Feed::new(move |event| {
        if event == BuildEvent::Log("a line".into()) {
            let mut count = count.lock().unwrap();
            *count += 1;
            if *count == 1 {
                // The disk of a log may take its time.
                std::thread::sleep(Duration::from_secs(2));
            }
        }
    });
    let mut progress = Progress::new(feed);
    let ended = watch(client, "x".into(), &mut progress, &AtomicU64::new(0)).await;
    server.abort();
    assert!(ended.is_ok(), "after {} lines: {}", told.lock().unwrap(), chain(&ended.unwrap_err()));
    assert_eq!(*told.lock().unwrap(), LINES);
}
