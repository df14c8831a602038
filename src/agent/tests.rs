//! Client and server together, over pipes, with modules made for it.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::client::{Agent, Started};
use super::protocol::{self, FromAgent};
use super::run::Leaving;
use super::server::Server;
use crate::connection::Local;
use crate::diag::{Diagnostic, Kind};
use crate::engine::Target;
use crate::event::{Progress, Stream};
use crate::map;
use crate::modules::{
    Blob, BlobSource, Call, Cx, Failure, Input, InputKind, Meta, Module, ModuleEntry, Outcome, TreeEntry, entry,
};
use crate::value::{Map, StrKey};

#[derive(Deserialize, JsonSchema)]
struct Args {
    #[serde(default)]
    text: String,
    #[serde(default)]
    count: usize,
}

macro_rules! module {
    ($type:ident, $name:literal, |$cx:ident, $args:ident| $body:expr) => {
        struct $type;
        impl Module for $type {
            type Args = Args;
            const META: Meta = Meta { name: $name, ..Meta::NONE };
            fn run($cx: &Cx, $args: Args) -> Result<Map, Failure> {
                $body
            }
        }
    };
}

module!(Echo, "echo", |cx, args| {
    for index in 0..args.count {
        cx.progress(Progress::Output { stream: Stream::Stdout, text: index.to_string() });
    }
    Ok(map! { "text" => args.text })
});
module!(Panics, "panics", |_cx, args| panic!("{}", args.text));
module!(Waits, "waits", |cx, _args| {
    cx.progress(Progress::Output { stream: Stream::Stdout, text: "waiting".into() });
    while !cx.cancelled() {
        std::thread::yield_now();
    }
    CANCELLED.lock().unwrap().push(cx.environment()[0].1.clone());
    Err(Diagnostic::task("S0401", "cancelled").into())
});
module!(Reads, "reads", |cx, _args| {
    let entry = &cx.input("src").ok_or_else(|| Diagnostic::internal("no input"))?.entries[0];
    Ok(match cx.blob(entry)? {
        Blob::Memory(bytes) => map! { "size" => bytes.len(), "file" => false },
        Blob::File(path) => map! { "size" => std::fs::metadata(path).unwrap().len(), "file" => true },
    })
});
module!(Deep, "deep", |_cx, args| {
    let mut value = crate::value::Value::Null;
    for _ in 0..args.count {
        value = vec![value].into();
    }
    Ok(map! { "deep" => value })
});

static CANCELLED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static TABLE: [ModuleEntry; 5] =
    [entry::<Echo>(), entry::<Panics>(), entry::<Waits>(), entry::<Reads>(), entry::<Deep>()];

fn find(name: &str) -> Option<&'static ModuleEntry> {
    TABLE.iter().find(|entry| entry.meta.name == name)
}

fn call(module: &str, args: serde_json::Value) -> Call {
    Call::new(module, args)
}

fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().unwrap()
}

/// An agent in this process; the thread tells whether it ended in order.
async fn agent() -> (Arc<Agent>, std::thread::JoinHandle<bool>) {
    let (agent_in, client_out) = pipe();
    let (client_in, agent_out) = pipe();
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::spawn(move || {
        let server = Server::start(find, agent_out, runtime);
        let end = server.serve(agent_in);
        server.settle(end, std::time::Duration::from_secs(10), |_| {});
        server.finish(end.clean);
        end.clean
    });
    let mut output = pipe::Receiver::from_owned_fd(OwnedFd::from(client_in)).unwrap();
    let Some((FromAgent::Hello(hello), _)) = protocol::read(&mut output).await.unwrap() else { panic!("no hello") };
    let started = Started {
        input: Box::new(pipe::Sender::from_owned_fd(OwnedFd::from(client_out)).unwrap()),
        output: Box::new(output),
        ended: Box::pin(async { Some(0) }),
        errors: Arc::default(),
        hello,
        sha256: None,
        leaving: Leaving::default(),
    };
    (Agent::new("h".into(), Arc::new(Local::default()), started), thread)
}

async fn invoke(target: &dyn Target, call: Call) -> (Result<Outcome, Failure>, Vec<Progress>) {
    let (sender, mut progress) = mpsc::channel(10_000);
    let result = target.invoke(call, sender).await;
    let mut told = Vec::new();
    while let Ok(one) = progress.try_recv() {
        told.push(one);
    }
    (result, told)
}

/// How often children are ended after these frames, and how serving ended.
async fn after(frames: &[protocol::ToAgent]) -> (Vec<bool>, super::server::End) {
    let (agent_in, mut client_out) = pipe();
    let (mut client_in, agent_out) = pipe();
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::spawn(move || {
        let server = Server::start(find, agent_out, runtime);
        let end = server.serve(agent_in);
        let ended = Mutex::new(Vec::new());
        server.settle(end, std::time::Duration::from_secs(10), |hard| ended.lock().unwrap().push(hard));
        server.finish(end.clean);
        (ended.into_inner().unwrap(), end)
    });
    for frame in frames {
        std::io::Write::write_all(&mut client_out, &protocol::encode(frame, &[]).unwrap()).unwrap();
        // Until the call runs.
        if matches!(frame, protocol::ToAgent::Call { .. }) {
            loop {
                let (told, _) = protocol::read_blocking::<FromAgent>(&mut client_in).unwrap().unwrap();
                if matches!(told, FromAgent::Progress { .. }) {
                    break;
                }
            }
        }
    }
    drop(client_out);
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tasks_left_in_the_background_lives_on_after_an_orderly_end_alone() {
    use protocol::ToAgent;
    let (ended, end) = after(&[ToAgent::Bye {}]).await;
    assert_eq!((ended, end.clean, end.idle), (vec![], true, true));
    let (ended, end) = after(&[]).await;
    assert_eq!((ended, end.clean), (vec![false, true], false), "a lost link");
    let mut waiting = call("waits", serde_json::json!({}));
    waiting.environment.push(("WHO".into(), "background".into()));
    let frames = [ToAgent::Call { id: 1, after: None, call: Box::new(waiting), inline: Vec::new() }, ToAgent::Bye {}];
    let (ended, end) = after(&frames).await;
    assert_eq!((ended, end.clean, end.idle), (vec![false, true], true, false), "an interruption");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_arrives_in_order_before_the_outcome() {
    let (agent, thread) = agent().await;
    let (result, told) = invoke(&*agent, call("echo", serde_json::json!({"text": "ä", "count": 1000}))).await;
    assert_eq!(result.unwrap().result[&StrKey("text")], "ä".into());
    assert_eq!(told.len(), 1000);
    assert!(matches!(&told[999], Progress::Output { text, .. } if text == "999"));
    agent.close().await;
    assert!(thread.join().unwrap(), "the goodbye was heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_calls_at_once_get_their_own_answers() {
    let (agent, _thread) = agent().await;
    let calls = (0..40).map(|index| {
        let agent = Arc::clone(&agent);
        async move {
            let (result, _) = invoke(&*agent, call("echo", serde_json::json!({"text": index.to_string()}))).await;
            assert_eq!(result.unwrap().result[&StrKey("text")], index.to_string().into());
        }
    });
    futures_util::future::join_all(calls).await;
    agent.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_call_and_the_agent_goes_on() {
    let (agent, _thread) = agent().await;
    let (result, _) = invoke(&*agent, call("panics", serde_json::json!({"text": "oh no"}))).await;
    let failure = result.unwrap_err();
    assert_eq!((&*failure.diagnostic.code, failure.diagnostic.kind), ("X0002", Kind::Internal));
    assert!(failure.diagnostic.message.contains("oh no (src/agent/tests.rs:"), "{}", failure.diagnostic.message);
    assert!(invoke(&*agent, call("echo", serde_json::json!({}))).await.0.is_ok());
    let unknown = invoke(&*agent, call("nothing", serde_json::json!({}))).await.0.unwrap_err();
    assert_eq!(unknown.diagnostic.kind, Kind::Internal);
    agent.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_call_cancels_it_on_the_host() {
    let (agent, thread) = agent().await;
    let mut waiting = call("waits", serde_json::json!({}));
    waiting.environment = vec![("ID".into(), "dropped".into())];
    let (sender, mut progress) = mpsc::channel(10_000);
    tokio::select! {
        _ = agent.invoke(waiting, sender) => panic!("it ended by itself"),
        told = progress.recv() => assert!(told.is_some()),
    }
    agent.close().await;
    assert!(thread.join().unwrap());
    assert!(CANCELLED.lock().unwrap().contains(&"dropped".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_timeout_ends_it() {
    let (agent, _thread) = agent().await;
    let mut waiting = call("waits", serde_json::json!({}));
    waiting.environment = vec![("ID".into(), "late".into())];
    waiting.timeout = Some(1);
    let failure = invoke(&*agent, waiting).await.0.unwrap_err();
    assert_eq!(failure.diagnostic.code, "S0402");
    assert!(CANCELLED.lock().unwrap().contains(&"late".to_owned()));
    agent.close().await;
}

fn with_input(content: &[u8], source: BlobSource) -> Call {
    use sha2::Digest;
    let kind = InputKind::File {
        sha1: String::new(),
        sha256: hex::encode(sha2::Sha256::digest(content)),
        size: content.len() as u64,
        source: Some(source),
    };
    let entries = vec![TreeEntry { path: String::new(), mode: 0o644, kind }];
    let input = Input {
        arg: "src".into(),
        entries,
        is_tree: false,
        basename: String::new(),
        contents_only: false,
        repositories: Vec::new(),
    };
    Call { inputs: vec![input], ..call("reads", serde_json::json!({})) }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_all_sizes_arrive_whole() {
    let (agent, _thread) = agent().await;
    let folder = tempfile::tempdir().unwrap();
    for (size, in_file) in [(0, false), (10, false), (65_535, false), (131_072, true), (3_000_001, true)] {
        let content: Vec<u8> = (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let file = folder.path().join(size.to_string());
        std::fs::write(&file, &content).unwrap();
        for source in [BlobSource::File(file), BlobSource::Memory(content.clone().into())] {
            let result = invoke(&*agent, with_input(&content, source)).await.0.unwrap().result;
            assert_eq!((&result[&StrKey("size")], &result[&StrKey("file")]), (&size.into(), &in_file.into()), "{size}");
        }
    }
    let gone = with_input(b"gone", BlobSource::File(folder.path().join("gone")));
    assert_eq!(invoke(&*agent, gone).await.0.unwrap_err().diagnostic.code, "S0405");
    agent.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_deep_a_result_is_a_failure_and_no_broken_stream() {
    let (agent, _thread) = agent().await;
    let failure = invoke(&*agent, call("deep", serde_json::json!({"count": 200}))).await.0.unwrap_err();
    assert_eq!(failure.diagnostic.code, "S0404");
    assert!(invoke(&*agent, call("deep", serde_json::json!({"count": 100}))).await.0.is_ok());
    agent.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_goodbye_is_a_lost_connection() {
    let (agent_in, client_out) = pipe();
    let (client_in, agent_out) = pipe();
    let hello =
        protocol::Hello { protocol: protocol::PROTOCOL, version: String::new(), pid: 0, uid: 0, path: String::new() };
    let started = Started {
        input: Box::new(pipe::Sender::from_owned_fd(OwnedFd::from(client_out)).unwrap()),
        output: Box::new(pipe::Receiver::from_owned_fd(OwnedFd::from(client_in)).unwrap()),
        ended: Box::pin(async { None }),
        errors: Arc::default(),
        hello,
        sha256: None,
        leaving: Leaving::default(),
    };
    let agent = Agent::new("h".into(), Arc::new(Local::default()), started);
    let waiting = { invoke(&*agent, call("echo", serde_json::json!({}))) };
    let end = tokio::task::spawn_blocking(move || {
        let mut agent_in = agent_in;
        protocol::read_blocking::<protocol::ToAgent>(&mut agent_in).unwrap();
        drop(agent_out);
    });
    let failure = waiting.await.0.unwrap_err();
    end.await.unwrap();
    assert_eq!(failure.diagnostic.kind, Kind::Unreachable);
    assert!(failure.diagnostic.message.contains("was lost"), "{}", failure.diagnostic.message);
    let again = invoke(&*agent, call("echo", serde_json::json!({}))).await.0.unwrap_err();
    assert_eq!(again.diagnostic.kind, Kind::Unreachable);
    assert!(!agent.is_open());
}

/// An agent that says what a test tells it to.
fn evil(frames: Vec<FromAgent>) -> Arc<Agent> {
    let (from_agent, mut to_client) = std::io::pipe().unwrap();
    let (from_client, to_agent) = std::io::pipe().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let mut start = [0; 8];
        let mut from_client = from_client;
        from_client.read_exact(&mut start).unwrap();
        for frame in frames {
            if to_client.write_all(&protocol::encode(&frame, &[]).unwrap()).is_err() {
                return;
            }
        }
        // Reads no more, and does not end.
        std::thread::park();
    });
    let hello =
        protocol::Hello { protocol: protocol::PROTOCOL, version: String::new(), pid: 1, uid: 0, path: String::new() };
    let started = Started {
        input: Box::new(pipe::Sender::from_owned_fd(OwnedFd::from(to_agent)).unwrap()),
        output: Box::new(pipe::Receiver::from_owned_fd(OwnedFd::from(from_agent)).unwrap()),
        ended: Box::pin(std::future::pending()),
        errors: Arc::default(),
        hello,
        sha256: None,
        leaving: Leaving::default(),
    };
    Agent::new("evil".into(), Arc::new(Local::default()), started)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_cannot_ask_without_end_nor_point_into_the_controllers_files() {
    let ask = |index: usize| FromAgent::NeedBlob { sha256: format!("{index:064}") };
    let agent = evil((0..10_000).map(ask).collect());
    let (ended, _) = invoke(&*agent, call("echo", serde_json::json!({}))).await;
    assert_eq!(ended.expect_err("refused").diagnostic.code, "S0206");
    let place = crate::diag::Span::new(crate::diag::FileId(0), 0, 5);
    let failure = Failure::from(Diagnostic::task("H0101", "no").with_label(place, "look here"));
    let agent = evil(vec![FromAgent::Failed { id: 1, failure: Box::new(failure) }]);
    let (ended, _) = invoke(&*agent, call("echo", serde_json::json!({}))).await;
    assert!(ended.expect_err("failed").diagnostic.labels.is_empty());
}
