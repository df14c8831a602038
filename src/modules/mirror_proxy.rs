//! `mirror_proxy`: hostctl's own package-mirror proxy as a service on the host.
//!
//! What the proxy does is in the room `mirror`; this file makes it run: a root-owned copy of this
//! program, a user, configuration, credentials, a service, and the wait until it answers.

mod files;
mod service;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::mirror::{self, Config, Credentials, Upstream};
use crate::secret::Secret;
use crate::system::http::HttpClient;
use crate::value::{Map, Value};
use files::{Install, Layout};
use service::Manager;

/// Runs a proxy on the host that forwards package requests to mirrors that want a password.
///
/// Image builds and the host's own package manager ask it without credentials
/// (`http://172.30.0.1:3142/debian/...`); it adds the user and password of the upstream. It listens
/// only on the addresses named in `listen`, which need not exist yet when it starts, answers GET
/// and HEAD for the listed prefixes only, and streams. Redirects that stay within the listed
/// upstreams are rewritten to the proxy, those to other hosts are left to the client, which goes
/// there without the credentials.
///
/// The password is kept in a file that only root or the proxy's own user can read, and handed over
/// by systemd (`LoadCredential`) where the host has it. It never appears in arguments or
/// environments of a process.
///
/// ```yaml
/// - name: Package mirror for image builds
///   mirror_proxy:
///     listen: [127.0.0.1, 172.30.0.1]
///     upstreams:
///       - prefix: /debian
///         url: https://mirror.example.org/debian
///       - prefix: /debian-security
///         url: https://mirror.example.org/debian-security
///     username: builder
///     password: "{{ mirror_password }}"
///     upstream_ca: /etc/ssl/certs/example-ca.pem
///
/// - name: Remove it again
///   mirror_proxy:
///     state: absent
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Name of this proxy; its service is `hostctl-NAME`.
    #[serde(default = "default_name")]
    name: String,
    /// Whether the proxy runs, or is removed with all its files.
    #[serde(default)]
    state: State,
    /// Addresses to listen on, each named; they need not exist yet.
    #[serde(default = "default_listen")]
    listen: Vec<String>,
    /// Port on all these addresses.
    #[serde(default = "default_port")]
    port: u16,
    /// What is forwarded where: `prefix`, `url`, `auth` (send the credentials; default yes if there
    /// are any) and `paths` (only these folders below the prefix).
    #[serde(default)]
    upstreams: Vec<UpstreamArg>,
    /// User at the upstreams.
    #[serde(default)]
    username: Option<String>,
    /// Password at the upstreams.
    #[serde(default)]
    password: Option<String>,
    /// File on the host with certificates (PEM) to trust besides the host's own.
    #[serde(default)]
    upstream_ca: Option<PathBuf>,
    /// Accept that credentials go over plain HTTP.
    #[serde(default)]
    allow_plaintext_upstream: bool,
    /// Networks whose hosts may ask (`172.30.0.0/24`); everyone who reaches an address if empty.
    #[serde(default)]
    allow_from: Vec<String>,
    /// Log every request, not only failures.
    #[serde(default)]
    log_requests: bool,
    /// Connections at the same time.
    #[serde(default = "default_connections")]
    max_connections: u32,
    /// Seconds to wait until it answers.
    #[serde(default = "default_wait")]
    wait: u64,
}

/// One upstream.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpstreamArg {
    /// What stands before the path at the proxy.
    prefix: String,
    /// What it stands for.
    url: String,
    /// Send the credentials.
    #[serde(default)]
    auth: Option<bool>,
    /// Only these folders below the prefix.
    #[serde(default)]
    paths: Vec<String>,
}

/// Present or absent.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Installed and running.
    #[default]
    Present,
    /// Removed.
    Absent,
}

fn default_name() -> String {
    "mirror-proxy".to_owned()
}

fn default_listen() -> Vec<String> {
    vec!["127.0.0.1".to_owned()]
}

fn default_port() -> u16 {
    mirror::DEFAULT_PORT
}

fn default_connections() -> u32 {
    256
}

fn default_wait() -> u64 {
    30
}

/// The module.
pub struct MirrorProxy;

impl Module for MirrorProxy {
    type Args = Args;
    const META: Meta = Meta {
        name: "mirror_proxy",
        full_name: "hostctl.core.mirror_proxy",
        summary: "run hostctl's authenticating package-mirror proxy as a service",
        together: &[&["username", "password"]],
        required_if: &[("state", "present", &["upstreams"])],
        secret: &["password"],
        reads: &["systemctl --version", "systemctl is-active", "systemctl is-enabled", "journalctl"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        check_name(&args.name)?;
        if !cx.check_mode() && !rustix::process::geteuid().is_root() {
            return Err(Diagnostic::task("H0306", "the proxy can only be installed by root")
                .with_hint("set `become: true` for this task")
                .into());
        }
        let layout = Layout::new(&args.name);
        match args.state {
            State::Present => Ok(present(cx, &args, &layout)?),
            State::Absent => Ok(files::remove(cx, &layout, Manager::of_host(cx))?),
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    let fine = !name.is_empty()
        && name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fine {
        return Ok(());
    }
    Err(Diagnostic::task("H0300", format!("`{name}` cannot be the name of a proxy"))
        .with_hint("lower case letters, digits and `-`, at most 40, such as `mirror-proxy`"))
}

fn config(args: &Args, layout: &Layout, manager: Manager) -> Result<Config> {
    let wrong = |message: String| Diagnostic::task("H0300", message);
    if args.port < 1024 {
        return Err(wrong(format!("port {} is only for root, and the proxy runs as a user of its own", args.port))
            .with_hint(format!("take one above 1023, such as {}", mirror::DEFAULT_PORT)));
    }
    let mut listen = Vec::with_capacity(args.listen.len());
    for text in &args.listen {
        let address = text.trim_matches(['[', ']']).parse().map_err(|_| {
            wrong(format!("`{text}` in `listen` is no IP address"))
                .with_hint("addresses only, without a port: `listen: [127.0.0.1, 172.30.0.1]`")
        })?;
        let address = std::net::SocketAddr::new(address, args.port);
        if !listen.contains(&address) {
            listen.push(address);
        }
    }
    let mut allow_from = Vec::with_capacity(args.allow_from.len());
    for text in &args.allow_from {
        let net = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from)).map_err(|_| {
            wrong(format!("`{text}` in `allow_from` is no network")).with_hint("such as `172.30.0.0/24`")
        })?;
        allow_from.push(net);
    }
    let with_credentials = args.username.is_some();
    let upstreams = args
        .upstreams
        .iter()
        .map(|upstream| Upstream {
            prefix: upstream.prefix.clone(),
            url: upstream.url.clone(),
            auth: upstream.auth.unwrap_or(with_credentials),
            paths: upstream.paths.clone(),
        })
        .collect();
    let config = Config {
        version: mirror::VERSION,
        name: args.name.clone(),
        listen,
        upstreams,
        credentials_file: (with_credentials && !manager.hands_over_credentials()).then(|| layout.credentials.clone()),
        upstream_ca: args.upstream_ca.is_some().then(|| layout.ca.clone()),
        allow_plaintext_upstream: args.allow_plaintext_upstream,
        allow_from,
        log_requests: args.log_requests,
        max_connections: args.max_connections.clamp(1, 10_000) as usize,
        user: files::USER.to_owned(),
        pid_file: layout.pid_file.clone(),
        log_file: layout.log_file.clone(),
    };
    config.check()?;
    if config.wants_credentials() && !with_credentials {
        return Err(wrong("an upstream says `auth: true`, and the task has no `username` and `password`".to_owned()));
    }
    Ok(config)
}

fn credentials(args: &Args) -> Result<Option<String>> {
    match (&args.username, &args.password) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) if !password.is_empty() => {
            Credentials::new(user, Secret::new(password))?.to_text().map(Some)
        }
        (Some(_), _) => Err(Diagnostic::task("H0300", "`username` is given, and `password` is missing or empty")),
        (None, Some(_)) => Err(Diagnostic::task("H0300", "`password` is given without `username`")),
    }
}

fn present(cx: &Cx, args: &Args, layout: &Layout) -> Result<Map> {
    let manager = Manager::of_host(cx);
    let config = config(args, layout, manager)?;
    let text = config.to_text()?;
    let credentials = credentials(args)?;
    let ca = match &args.upstream_ca {
        Some(path) => {
            crate::system::tls::client_config(Some(path))?;
            let read = std::fs::read(path).map_err(|error| {
                Diagnostic::task("H0303", format!("cannot read `upstream_ca` `{}`: {error}", path.display()))
            })?;
            Some(read)
        }
        None => None,
    };
    let install =
        Install { layout, manager, config: &config, text: &text, credentials, ca, unit_changed: Cell::new(false) };
    let outdated = install.apply(cx)?;
    let hash = mirror::health_hash(&text);
    let healthy = !outdated && answers_all(cx, &config, &hash)?;
    manager.keep_running(cx, layout, &config, outdated || !healthy, install.unit_changed.get())?;
    if !cx.check_mode() {
        wait(cx, args, layout, manager, &config, &hash)?;
    }
    let urls: Vec<Value> = config.listen.iter().map(|address| Value::from(format!("http://{address}"))).collect();
    let pending: Vec<Value> = config
        .listen
        .iter()
        .filter(|address| !mirror::is_local(address.ip()))
        .map(|address| Value::from(address.ip().to_string()))
        .collect();
    if !pending.is_empty() && !cx.check_mode() {
        let names: Vec<&str> = pending.iter().filter_map(Value::as_str).collect();
        cx.warn(format!("the host does not have {} yet; the proxy answers there once it does", names.join(", ")));
    }
    Ok(map! {
        "name" => args.name.clone(),
        "state" => "present",
        "service" => layout.service.clone(),
        "manager" => manager.name(),
        "url" => urls.first().cloned().unwrap_or_default(),
        "urls" => urls,
        "pending_addresses" => pending,
        "config" => layout.config.display().to_string(),
    })
}

/// The service's own word on every address that the host has.
fn answers_all(cx: &Cx, config: &Config, hash: &str) -> Result<bool> {
    let client = HttpClient::plain()?;
    for address in config.listen.iter().filter(|address| mirror::is_local(address.ip())) {
        let uri = format!("http://{address}{}", mirror::HEALTH_PATH)
            .parse()
            .map_err(|error| Diagnostic::internal(format!("the health address is no address: {error}")))?;
        let answer = cx.block_on(client.get(uri, Duration::from_secs(3), 4096));
        let right = matches!(&answer, Ok((200, body)) if serde_json::from_slice::<serde_json::Value>(body)
            .is_ok_and(|body| body["config"] == hash));
        if !right {
            return Ok(false);
        }
    }
    Ok(true)
}

fn wait(cx: &Cx, args: &Args, layout: &Layout, manager: Manager, config: &Config, hash: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    loop {
        if manager.is_running(cx, layout, config)? && answers_all(cx, config, hash)? {
            return Ok(());
        }
        if cx.cancelled() {
            return Err(Diagnostic::task("H0305", "interrupted while waiting for the proxy"));
        }
        if Instant::now() >= deadline {
            let mut error = Diagnostic::task(
                "H0305",
                format!("the proxy `{}` does not answer within {} seconds", args.name, args.wait),
            );
            let log = manager.last_log(cx, layout);
            if !log.is_empty() {
                error = error.with_note(log);
            }
            return Err(error.with_hint(manager.log_command(layout)));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
