//! Engines that say too much, and messages as engines cut them.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::system::engine::{BuildSpec, BuilderKind, ContextSource, Engine, Feed, PushSpec};
use crate::system::{Mutate, Probe};

#[test]
fn objects_are_cut_at_their_end_and_not_at_line_ends() {
    let text = b"{\"a\":\"}{\\\"\\\\\"}\r\n\n{\n \"b\": [{}]\n}{\"c\":1}nothing\n{\"d\"";
    for size in [1, 3, text.len()] {
        let mut cut = Cut::default();
        let mut found = Vec::new();
        for part in text.chunks(size) {
            cut.bytes.extend_from_slice(part);
            while let Some(message) = cut.next() {
                found.push(String::from_utf8(message.trim_ascii().to_vec()).unwrap());
            }
        }
        let expected = ["{\"a\":\"}{\\\"\\\\\"}", "{\n \"b\": [{}]\n}", "{\"c\":1}", "nothing"];
        assert_eq!(found, expected, "{size}");
        assert_eq!(cut.bytes, Bytes::from_static(b"{\"d\""));
    }
}

#[test]
fn answers_have_a_limit_by_their_path() {
    for path in ["/v1.41/build", "/build", "/v1.41/images/create", "/v1.41/images/r:5000/x/push", "/images/x:1/get"] {
        assert_eq!(Answer::of(path), Answer::Stream, "{path}");
    }
    for path in ["/info", "/v1.41/info", "/version", "/v1.41/networks/bridge"] {
        assert_eq!(Answer::of(path), Answer::Whole(ABOUT), "{path}");
    }
    for path in ["/v1.41/images/x/json", "/images/x/history", "/v1.41/containers/json", "/vx/info"] {
        assert_eq!(Answer::of(path), Answer::Whole(ANSWER), "{path}");
    }
}

/// An engine that answers `flooded` with a message of `bytes` bytes and all else as one of a real build would.
async fn flooding(folder: &std::path::Path, flooded: &'static str, status: u16, bytes: u64) -> Engine {
    let socket = folder.join("s");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = vec![0; 64 << 10];
                let count = stream.read(&mut asked).await.unwrap_or(0);
                let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
                let path = asked.split(' ').nth(1).unwrap_or_default();
                let head = "Api-Version: 1.41\r\nServer: Docker/20.10 (linux)\r\nConnection: close\r\n";
                if path.contains(flooded) {
                    let _ =
                        stream.write_all(format!("HTTP/1.1 {status} X\r\n{head}\r\n{{\"stream\":\"").as_bytes()).await;
                    let part = vec![b'a'; 1 << 20];
                    for _ in 0..bytes >> 20 {
                        if stream.write_all(&part).await.is_err() {
                            return;
                        }
                    }
                    let _ = stream.write_all(b"\"}\n").await;
                } else {
                    let answer = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 12\r\n\r\n{{\"Id\":\"abc\"}}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                let mut rest = Vec::new();
                let _ = tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut rest)).await;
            });
        }
    });
    Probe::new(Vec::new()).engine(&format!("unix://{}", socket.display())).await.unwrap()
}

struct Nothing;

impl ContextSource for Nothing {
    fn write_tar(&self, _: &mut dyn std::io::Write) -> io::Result<()> {
        Ok(())
    }
}

fn a_build() -> BuildSpec {
    BuildSpec { names: vec!["x:t".to_owned()], ..BuildSpec::new(Arc::new(Nothing)) }
}

fn too_long(error: &EngineError, limit: &str) {
    assert_eq!(error.class, ErrorClass::Unusable, "{error}");
    assert!(error.message.contains(&format!("longer than {limit} MiB")), "{error}");
    assert!(error.hint.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_end_is_refused_in_a_build_a_push_and_a_pull() {
    for flooded in ["/build", "/push", "/images/create"] {
        let folder = tempfile::tempdir().unwrap();
        let engine = flooding(folder.path(), flooded, 200, 1 << 30).await;
        let engine = Mutate::with_probe(Probe::new(Vec::new())).engine(&engine);
        let (spec, feed) = (a_build(), Feed::new(|_| {}));
        let push = PushSpec { repository: "r.test/x".into(), tag: "t".into(), login: None };
        let outcome = match flooded {
            "/build" => engine.build(BuilderKind::Classic, &spec, &feed).await,
            "/push" => engine.push(&push, &feed).await.map(drop),
            _ => engine.pull("r.test/x@sha256:00", None, &feed).await,
        };
        too_long(&outcome.unwrap_err(), "16");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_below_the_limit_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let engine = flooding(folder.path(), "/build", 200, 15 << 20).await;
    let engine = Mutate::with_probe(Probe::new(Vec::new())).engine(&engine);
    let lines = Arc::new(Mutex::new(0));
    let count = Arc::clone(&lines);
    let feed = Feed::new(move |_| *count.lock().unwrap() += 1);
    engine.build(BuilderKind::Classic, &a_build(), &feed).await.unwrap();
    assert_eq!(*lines.lock().unwrap(), (15 << 20) / (16 << 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_is_not_kept() {
    for (flooded, limit) in [("/info", "4"), ("/images/", "64")] {
        let folder = tempfile::tempdir().unwrap();
        let engine = flooding(folder.path(), flooded, 200, 1 << 30).await;
        let error = match flooded {
            "/info" => engine.docker().info().await.map(drop).map_err(EngineError::from),
            _ => engine.inspect("x").await.map(drop),
        };
        too_long(&error.unwrap_err(), limit);
    }
    // A refusal of a stream is an answer, too.
    let folder = tempfile::tempdir().unwrap();
    let engine = flooding(folder.path(), "/build", 500, 1 << 30).await;
    let engine = Mutate::with_probe(Probe::new(Vec::new())).engine(&engine);
    let error = engine.build(BuilderKind::Classic, &a_build(), &Feed::new(|_| {})).await.unwrap_err();
    too_long(&error, "64");
}
