//! A registry's bad days: an HTTP proxy that answers by a script, and passes on to a real registry what the script
//! does not name. Only the standard library, so that unit tests can use it too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer: status, headers, content.
    Answer(u16, Vec<(String, String)>, String),
    /// The connection is closed without an answer.
    Cut,
    /// The connection is closed after so many bytes of the request's content.
    CutUpload(usize),
    /// The request's content is read byte for byte with this pause, and never to its end.
    SlowUpload(Duration),
    /// The connection is closed after so many bytes of the answer.
    CutAnswer(usize),
    /// The answer's content comes byte for byte with this pause.
    Trickle(Duration),
    /// Nothing comes, and the connection stays open.
    Silent,
    /// The answer's header tells another digest.
    WrongDigest,
    /// One byte of the answer's content is another.
    WrongByte,
}

/// An answer without headers of its own.
pub fn answer(status: u16) -> Fault {
    Fault::Answer(status, Vec::new(), String::new())
}

/// An answer with a header.
pub fn answer_with(status: u16, name: &str, value: &str) -> Fault {
    Fault::Answer(status, vec![(name.to_owned(), value.to_owned())], String::new())
}

struct Rule {
    method: String,
    path: String,
    /// How often it still does nothing, and then how often it acts.
    skip: usize,
    times: usize,
    fault: Fault,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub authorization: String,
    pub body: Vec<u8>,
}

struct Shared {
    upstream: Option<String>,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    stop: AtomicBool,
}

/// The proxy; it ends with this value.
pub struct Faults {
    /// `127.0.0.1:PORT`.
    pub address: String,
    shared: Arc<Shared>,
}

impl Faults {
    /// Before a registry, or alone: then what no rule names is 404.
    pub fn new(upstream: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            upstream: upstream.map(str::to_owned),
            rules: Mutex::default(),
            seen: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stop.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), own) = (stream, Arc::clone(&own)) else { continue };
                std::thread::spawn(move || {
                    let _ = serve(&stream, &own);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    /// Requests of a method (any, if empty) whose path holds a text: `times` times.
    pub fn rule(&self, method: &str, path: &str, times: usize, fault: Fault) {
        self.rule_after(method, path, 0, times, fault);
    }

    /// The same after `skip` requests that go through.
    pub fn rule_after(&self, method: &str, path: &str, skip: usize, times: usize, fault: Fault) {
        let rule = Rule { method: method.to_owned(), path: path.to_owned(), skip, times, fault };
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// Forgets all rules.
    pub fn calm(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// What was asked since the last time.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

/// One request of a connection.
fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.by_ref().take(64 << 10).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if head.is_empty() && line.first() == Some(&0x16) {
            // TLS: answered as a server of plain HTTP does.
            return (&*stream).write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        }
        if line == b"\r\n" {
            break;
        }
        head.push(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
    let mut words = head.first().cloned().unwrap_or_default();
    words.truncate(words.rfind(' ').unwrap_or(0));
    let (method, path) = words.split_once(' ').unwrap_or_default();
    let header = |name: &str| {
        head.iter().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let fault = {
        let mut rules = shared.rules.lock().unwrap();
        let mut found = None;
        for rule in rules.iter_mut() {
            if (rule.method.is_empty() || rule.method == method) && path.contains(&rule.path) && rule.times > 0 {
                if rule.skip > 0 {
                    rule.skip -= 1;
                    continue;
                }
                rule.times = if rule.times == usize::MAX { usize::MAX } else { rule.times - 1 };
                found = Some(rule.fault.clone());
                break;
            }
        }
        found
    };
    if let Some(Fault::CutUpload(bytes)) = fault {
        let mut part = vec![0; bytes];
        return reader.read_exact(&mut part);
    }
    if let Some(Fault::SlowUpload(pause)) = fault {
        // Unbuffered: what is not read stays with the sender.
        let mut byte = [0];
        while !shared.stop.load(Ordering::SeqCst) && { stream }.read(&mut byte)? == 1 {
            std::thread::sleep(pause);
        }
        return Ok(());
    }
    let body = body(&mut reader, header("content-length"), header("transfer-encoding"))?;
    let seen = Seen {
        method: method.to_owned(),
        path: path.to_owned(),
        authorization: header("authorization").unwrap_or_default(),
        body: body.clone(),
    };
    shared.seen.lock().unwrap().push(seen);
    match fault {
        Some(Fault::Cut) => return Ok(()),
        Some(Fault::Silent) => {
            while !shared.stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        }
        Some(Fault::Answer(status, headers, content)) => {
            let mut text =
                format!("HTTP/1.1 {status} Told\r\nConnection: close\r\nContent-Length: {}\r\n", content.len());
            for (name, value) in headers {
                text += &format!("{name}: {value}\r\n");
            }
            let content = if method == "HEAD" { "" } else { &content };
            return (&*stream).write_all(format!("{text}\r\n{content}").as_bytes());
        }
        _ => {}
    }
    let Some(upstream) = &shared.upstream else {
        return (&*stream).write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    };
    let answer = ask(upstream, &head, &body)?;
    pass_on(stream, answer, fault, shared)
}

/// The request's content as it came, chunks with their sizes.
fn body(reader: &mut BufReader<TcpStream>, length: Option<String>, coding: Option<String>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = length {
        reader.take(length.parse().unwrap_or(0)).read_to_end(&mut body)?;
    } else if coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line)?;
            let size = String::from_utf8_lossy(&line).trim().to_owned();
            let size = u64::from_str_radix(size.split(';').next().unwrap_or_default(), 16).unwrap_or(0);
            body.extend_from_slice(&line);
            reader.take(size + 2).read_to_end(&mut body)?;
            if size == 0 {
                break;
            }
        }
    }
    Ok(body)
}

/// The whole answer of the registry, head and content.
fn ask(upstream: &str, head: &[String], body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream)?;
    let mut text = String::new();
    for line in head.iter().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        text += &format!("{line}\r\n");
    }
    server.write_all(format!("{text}Connection: close\r\n\r\n").as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

fn pass_on(mut stream: &TcpStream, mut answer: Vec<u8>, fault: Option<Fault>, shared: &Shared) -> std::io::Result<()> {
    let split = answer.windows(4).position(|part| part == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    match fault {
        Some(Fault::CutAnswer(bytes)) => answer.truncate(split + bytes),
        Some(Fault::WrongByte) if answer.len() > split => {
            if let Some(last) = answer.last_mut() {
                *last ^= 1;
            }
        }
        Some(Fault::WrongDigest) => {
            let name = b"docker-content-digest: sha256:";
            let at = answer[..split].windows(name.len()).position(|part| part.eq_ignore_ascii_case(name));
            if let Some(at) = at {
                let digit = &mut answer[at + name.len()];
                *digit = if *digit == b'0' { b'1' } else { b'0' };
            }
        }
        Some(Fault::Trickle(pause)) => {
            stream.write_all(&answer[..split])?;
            for byte in &answer[split..] {
                if shared.stop.load(Ordering::SeqCst) {
                    return Ok(());
                }
                stream.write_all(&[*byte])?;
                std::thread::sleep(pause);
            }
            return Ok(());
        }
        _ => {}
    }
    stream.write_all(&answer)
}
