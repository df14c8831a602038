//! `wait_for`: a port, a file, a text in either, or the end of connections.

use std::io::Read as _;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::spec::{ChangedAt, Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Kind, Result};
use crate::map;
use crate::system::fs::shown;
use crate::value::{Map, Match, PythonRegex, Value, insert};

/// Waits until a port answers or is closed, a file is there or gone, or a text appears.
///
/// ```yaml
/// - wait_for:
///     port: 5000
///     timeout: 60
/// - wait_for:
///     path: /var/log/build.log
///     search_regex: 'finished in (\d+) s'
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The host of the port.
    #[serde(default = "loopback")]
    host: String,
    /// The port.
    port: Option<u16>,
    /// A file instead of a port.
    path: Option<HostPath>,
    /// What to wait for.
    #[serde(default)]
    state: State,
    /// A pattern that must appear in the file, or in what the port sends.
    search_regex: Option<String>,
    /// Seconds in all.
    #[serde(default = "five_minutes")]
    timeout: u64,
    /// Seconds for one try to connect.
    #[serde(default = "five")]
    connect_timeout: u64,
    /// Seconds to wait before the first look.
    #[serde(default)]
    delay: u64,
    /// Seconds between looks.
    #[serde(default = "one")]
    sleep: u64,
    /// The states that count as connections for `drained`.
    #[serde(default = "active")]
    active_connection_states: Vec<String>,
    /// Hosts whose connections do not count for `drained`.
    exclude_hosts: Option<Vec<String>>,
    /// What to say when the time is over.
    msg: Option<String>,
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}
fn five_minutes() -> u64 {
    300
}
fn five() -> u64 {
    5
}
fn one() -> u64 {
    1
}
fn active() -> Vec<String> {
    ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT", "TIME_WAIT"].map(str::to_owned).to_vec()
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Absent,
    Drained,
    Present,
    #[default]
    Started,
    Stopped,
}

/// The states of TCP in /proc/net/tcp.
const TCP_STATES: &[(&str, &str)] = &[
    ("ESTABLISHED", "01"),
    ("SYN_SENT", "02"),
    ("SYN_RECV", "03"),
    ("FIN_WAIT1", "04"),
    ("FIN_WAIT2", "05"),
    ("TIME_WAIT", "06"),
];

/// The module.
pub struct WaitFor;

impl Module for WaitFor {
    type Args = Args;
    const META: Meta = Meta {
        name: "wait_for",
        full_name: "ansible.builtin.wait_for",
        also: &["ansible.legacy.wait_for"],
        summary: "Wait for a port, a file or a text",
        exclusive: &[&["port", "path"]],
        changed_at: ChangedAt::Last,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if cx.check_mode() {
            cx.skip();
            return Ok(map! { "msg" => "remote module (wait_for) does not support check mode" });
        }
        let path = args.path.as_ref().map(|path| path.expand(cx.environment()));
        let refuse = |message: &str| {
            Failure::with_result(Diagnostic::task("M0006", message.to_owned()), map! { "elapsed" => 0 })
        };
        if path.is_some() && matches!(args.state, State::Stopped | State::Drained) {
            let state = if args.state == State::Stopped { "stopped" } else { "drained" };
            let words = format!("state={state} should only be used for checking a port in the wait_for module");
            return Err(refuse(&words));
        }
        if args.exclude_hosts.is_some() && args.state != State::Drained {
            return Err(refuse("exclude_hosts should only be with state=drained"));
        }
        if let Some(unknown) =
            args.active_connection_states.iter().find(|name| !TCP_STATES.iter().any(|(state, _)| state == name))
        {
            return Err(refuse(&format!("there is no connection state `{unknown}`")));
        }
        // Python compiles it with re.MULTILINE.
        let regex = match &args.search_regex {
            Some(text) => Some(
                PythonRegex::bytes_with("m", text)
                    .map_err(|reason| super::refusal::wrong_pattern("search_regex", &reason))?,
            ),
            None => None,
        };
        let wait = Wait { cx, args: &args, path, regex, began: Instant::now() };
        wait.run()
    }
}

/// Addresses of connections: on this host, and at the other end those that do not count.
struct Ends {
    here: Vec<IpAddr>,
    excluded: Vec<IpAddr>,
}

struct Wait<'a> {
    cx: &'a Cx,
    args: &'a Args,
    path: Option<PathBuf>,
    regex: Option<PythonRegex>,
    began: Instant,
}

impl Wait<'_> {
    fn run(&self) -> Result<Map, Failure> {
        let args = self.args;
        self.sleep(Duration::from_secs(args.delay))?;
        let ends = if args.state == State::Drained { Some(self.ends()?) } else { None };
        let end = self.began.checked_add(Duration::from_secs(args.timeout)).unwrap_or(self.began);
        let mut found = None;
        if args.port.is_none() && self.path.is_none() && args.state != State::Drained {
            self.sleep(Duration::from_secs(args.timeout))?;
        } else {
            loop {
                if Instant::now() >= end {
                    return Err(self.too_late());
                }
                let (done, groups) = match args.state {
                    State::Absent | State::Stopped => (self.is_gone(), None),
                    State::Started | State::Present => self.is_there(end)?,
                    State::Drained => match &ends {
                        Some(ends) => (self.connections(ends)? == 0, None),
                        None => (true, None),
                    },
                };
                if done {
                    found = groups;
                    break;
                }
                self.sleep(Duration::from_secs(args.sleep))?;
            }
        }
        let text = |groups: Option<&str>| Value::from(groups);
        let groups = found.as_ref().map(|found| found.groups().into_iter().map(text).collect::<Vec<_>>());
        let mut named = Map::new();
        for (name, value) in found.as_ref().map(Match::named).unwrap_or_default() {
            insert(&mut named, name, value);
        }
        let state = serde_json::to_value(args.state).map(crate::value::from_json).unwrap_or_default();
        let mut result = map! {
            "state" => state, "port" => args.port.map(u32::from), "search_regex" => args.search_regex.clone(),
            "match_groups" => groups.unwrap_or_default(), "match_groupdict" => named,
            "path" => self.path.as_deref().map(shown), "elapsed" => self.began.elapsed().as_secs(),
        };
        if let Some(path) = &self.path {
            // As in Ansible, which puts the file's own state over the one waited for.
            super::attributes::add_path_info(self.cx, &mut result, path);
        }
        Ok(result)
    }

    /// Sleeps, and ends early when the run is interrupted.
    fn sleep(&self, time: Duration) -> Result<()> {
        let end = Instant::now().checked_add(time);
        loop {
            if self.cx.cancelled() {
                return Err(Diagnostic::new("H0105", Kind::Interrupted, "waiting was ended: the run was interrupted"));
            }
            let left = end.map_or(Duration::from_secs(1), |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(200)));
        }
    }

    fn connect(&self, limit: Duration) -> Option<TcpStream> {
        let port = self.args.port?;
        self.cx.probe().connect(&self.args.host, port, limit)
    }

    fn is_gone(&self) -> bool {
        if let Some(path) = &self.path {
            return !self.cx.probe().exists(path);
        }
        match self.connect(Duration::from_secs(self.args.connect_timeout)) {
            Some(stream) => {
                let _ = stream.shutdown(Shutdown::Both);
                false
            }
            None => true,
        }
    }

    fn search(&self, hay: &[u8]) -> Result<Option<Match>> {
        let Some(regex) = &self.regex else { return Ok(None) };
        regex
            .search_bytes(hay)
            .map_err(|reason| Diagnostic::task("H0110", format!("the pattern took too long: {reason}")))
    }

    fn is_there(&self, end: Instant) -> Result<(bool, Option<Match>)> {
        if let Some(path) = &self.path {
            return self.file_is_there(path);
        }
        let left = end.saturating_duration_since(Instant::now());
        let Some(mut stream) = self.connect(left.min(Duration::from_secs(self.args.connect_timeout))) else {
            return Ok((false, None));
        };
        let mut found = None;
        if self.regex.is_some() {
            let mut data = Vec::new();
            let mut buffer = [0; 4096];
            while Instant::now() < end && !self.cx.cancelled() {
                let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        data.extend_from_slice(&buffer[..count]);
                        found = self.search(&data)?;
                        if found.is_some() || data.len() > (16 << 20) {
                            break;
                        }
                    }
                    Err(error)
                        if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                    Err(_) => break,
                }
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
        Ok((self.regex.is_none() || found.is_some(), found))
    }

    fn file_is_there(&self, path: &Path) -> Result<(bool, Option<Match>)> {
        if self.cx.probe().stat(path)?.is_none() {
            return Ok((false, None));
        }
        if self.regex.is_none() {
            return Ok((true, None));
        }
        let found = match self.cx.probe().read(path) {
            Ok(bytes) => self.search(&bytes)?,
            Err(_) => None,
        };
        Ok((found.is_some(), found))
    }

    /// The ends of the connections that are counted; names are looked up once.
    fn ends(&self) -> Result<Ends> {
        let addresses = |host: &String| {
            self.cx.probe().addresses(host).ok_or_else(|| {
                Diagnostic::task("S0501", format!("the name `{host}` could not be resolved"))
                    .with_registered(format!("failed to resolve the name {host}"))
                    .with_hint(format!("try on that host: getent ahosts '{host}'"))
            })
        };
        let here = addresses(&self.args.host)?;
        let excluded = self.args.exclude_hosts.iter().flatten().map(addresses).collect::<Result<Vec<_>>>()?;
        Ok(Ends { here, excluded: excluded.concat() })
    }

    /// Connections of the port in one of the active states.
    fn connections(&self, ends: &Ends) -> Result<usize> {
        let Some(port) = self.args.port else {
            return Err(Diagnostic::task("M0009", "`state: drained` needs `port`"));
        };
        let states: Vec<&str> = TCP_STATES
            .iter()
            .filter(|(name, _)| self.args.active_connection_states.iter().any(|wanted| wanted == name))
            .map(|(_, hex)| *hex)
            .collect();
        let all = ends.here.iter().any(IpAddr::is_unspecified);
        let mut count = 0;
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = self.cx.probe().text(table).unwrap_or_default();
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let (Some(local), Some(remote), Some(state)) = (fields.get(1), fields.get(2), fields.get(3)) else {
                    continue;
                };
                let (Some(local), Some(remote)) = (endpoint(local), endpoint(remote)) else { continue };
                let here = local.1 == port && (all || ends.here.contains(&local.0));
                if states.contains(state) && here && !ends.excluded.contains(&remote.0) {
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    fn too_late(&self) -> Failure {
        let args = self.args;
        let place = match (&self.path, args.port) {
            (Some(path), _) => shown(path),
            (None, Some(port)) => format!("{}:{port}", args.host),
            (None, None) => args.host.clone(),
        };
        let what = match (args.state, &args.search_regex) {
            (State::Absent | State::Stopped, _) if self.path.is_some() => {
                format!("Timeout when waiting for {place} to be absent.")
            }
            (State::Absent | State::Stopped, _) => format!("Timeout when waiting for {place} to stop."),
            (State::Drained, _) => format!("Timeout when waiting for {place} to drain"),
            (_, Some(text)) if self.path.is_some() => {
                format!("Timeout when waiting for search string {text} in {place}")
            }
            (_, Some(text)) => format!("Timeout when waiting for search string {text} in {place}"),
            (_, None) if self.path.is_some() => format!("Timeout when waiting for file {place}"),
            (_, None) => format!("Timeout when waiting for {place}"),
        };
        let msg = args.msg.clone().unwrap_or(what);
        let elapsed = self.began.elapsed().as_secs();
        let error = Diagnostic::task("H0111", msg.clone()).with_note(format!("waited {elapsed} s"));
        Failure::with_result(error, map! { "elapsed" => elapsed, "msg" => msg })
    }
}

/// An address and port of /proc/net/tcp; addresses are groups of four bytes in the machine's order.
fn endpoint(text: &str) -> Option<(std::net::IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = hex::decode(address).ok()?;
    for word in bytes.chunks_mut(4) {
        if cfg!(target_endian = "little") {
            word.reverse();
        }
    }
    let address = match bytes.len() {
        4 => std::net::IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => {
            let address = std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            address.to_ipv4_mapped().map_or(std::net::IpAddr::V6(address), std::net::IpAddr::V4)
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn ports_and_what_they_say() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = u32::from(listener.local_addr().expect("address").port());
        let server = std::thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let _ = stream.expect("stream").write_all(b"SSH-2.0-Test_9\r\n");
            }
        });
        let outcome = module("wait_for", map! { "port" => port, "timeout" => 10 }).ok();
        assert_eq!((get(&outcome, "state"), get(&outcome, "port")), (json!("started"), json!(port)));
        let args = map! { "port" => port, "timeout" => 10, "search_regex" => r"SSH-(?P<v>[\d.]+)-(\w+)" };
        let outcome = module("wait_for", args).ok();
        assert_eq!(get(&outcome, "match_groups"), json!(["2.0", "Test_9"]));
        assert_eq!(get(&outcome, "match_groupdict"), json!({"v": "2.0"}));
        server.join().expect("server");
        assert!(!module("wait_for", map! { "port" => port, "state" => "stopped", "timeout" => 10 }).ok().changed);
    }

    #[test]
    fn files_and_the_end_of_time() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "line\nready 5\n").expect("write");
        let text = shown(&path);
        let outcome =
            module("wait_for", map! { "path" => text.clone(), "search_regex" => r"^ready (\d)$", "timeout" => 5 }).ok();
        assert_eq!(get(&outcome, "match_groups"), json!(["5"]));
        let failure = module("wait_for", map! { "path" => text, "state" => "absent", "timeout" => 0 }).fails();
        assert!(failure.diagnostic.message.ends_with("to be absent."));
        let failure = module("wait_for", map! { "path" => "/no/such", "timeout" => 0, "msg" => "too slow" }).fails();
        assert_eq!((failure.diagnostic.code.as_ref(), failure.diagnostic.message.as_str()), ("H0111", "too slow"));
        let failure = module("wait_for", map! { "path" => "/x", "state" => "drained" }).fails();
        assert!(failure.diagnostic.message.contains("should only be used for checking a port"));
    }

    #[test]
    fn connections_drain() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = u32::from(listener.local_addr().expect("address").port());
        let client = TcpStream::connect(("127.0.0.1", u16::try_from(port).expect("port"))).expect("connect");
        let (_server, _) = listener.accept().expect("accept");
        let args = map! { "port" => port, "state" => "drained", "timeout" => 1, "sleep" => 0 };
        assert!(module("wait_for", args).fails().diagnostic.message.contains("to drain"));
        let args = map! { "port" => port, "state" => "drained", "timeout" => 5, "exclude_hosts" => "127.0.0.1" };
        module("wait_for", args).ok();
        // Names are meant as what they lead to.
        let args = map! { "port" => port, "state" => "drained", "timeout" => 5, "exclude_hosts" => "localhost" };
        module("wait_for", args).ok();
        let args = map! { "port" => port, "state" => "drained", "timeout" => 1, "sleep" => 0, "host" => "localhost" };
        assert!(module("wait_for", args).fails().diagnostic.message.contains("to drain"));
        let args = map! { "port" => port, "state" => "drained", "timeout" => 5, "exclude_hosts" => "no name" };
        assert_eq!(module("wait_for", args).fails().diagnostic.code, "S0501");
        drop(client);
    }
}
