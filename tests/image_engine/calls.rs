//! A proxy before an engine's socket that notes what is asked, and passes every byte on as it comes. Only the standard
//! library, so that all tests can use it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The proxy; it takes no more connections when this value is dropped.
pub struct Calls {
    socket: PathBuf,
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Calls {
    /// At `socket`, before the one at `upstream`.
    pub fn new(socket: PathBuf, upstream: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).unwrap();
        let (seen, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let (own, ended) = (Arc::clone(&seen), Arc::clone(&stop));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(client), Ok(engine)) = (client, UnixStream::connect(&upstream)) else { continue };
                let (back, forth) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
                let seen = Arc::clone(&own);
                std::thread::spawn(move || pass(&client, &engine, Some(&seen)));
                std::thread::spawn(move || pass(&back, &forth, None));
            }
        });
        Self { socket, seen, stop }
    }

    /// For `docker_host`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What was asked since the last time: `POST /v1.41/build?t=...`, in order.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Those that build, or open a session for a build.
    pub fn builds(seen: &[String]) -> Vec<&String> {
        let path = |call: &String| call.split(['?', ' ']).nth(1).unwrap_or_default().to_owned();
        let last = |call: &String| Path::new(&path(call)).file_name().map(|name| name.to_string_lossy().into_owned());
        let builds = |call: &&String| matches!(last(call).as_deref(), Some("build" | "session" | "grpc"));
        seen.iter().filter(|call| call.starts_with("POST ")).filter(builds).collect()
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.socket);
    }
}

/// Copies until one side ends; a request's first line may come in pieces.
fn pass(mut from: &UnixStream, mut to: &UnixStream, seen: Option<&Mutex<Vec<String>>>) {
    let (mut buffer, mut line) = (vec![0; 64 << 10], Vec::new());
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(seen) = seen {
            for byte in &buffer[..count] {
                match byte {
                    b'\n' => {
                        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                        if let Some(call) = text.strip_suffix(" HTTP/1.1") {
                            seen.lock().unwrap().push(call.to_owned());
                        }
                        line.clear();
                    }
                    byte if line.len() < 8 << 10 => line.push(*byte),
                    _ => {}
                }
            }
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
