//! The mirror proxy end to end: installed by its module, in front of a real nginx that speaks TLS by an
//! authority of the test's own and wants a password.
//!
//! Needs root and the programs nginx and openssl; without them it says so and ends.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use hostctl::diag::Result;
use hostctl::event::Progress;
use hostctl::modules::{Blob, Call, Cx, Failure, Link, Outcome, find};
use serde_json::json;

const PASSWORD: &str = "canary+pa/ss?w:ord~7";
const NAME: &str = "selftest";

struct NoLink;

impl Link for NoLink {
    fn progress(&self, _: Progress) {}
    fn blob(&self, _: &str) -> Result<Blob> {
        Err(hostctl::diag::Diagnostic::internal("no inputs here"))
    }
    fn cancelled(&self) -> bool {
        false
    }
}

fn call(runtime: &tokio::runtime::Runtime, args: &serde_json::Value, check: bool) -> Result<Outcome, Failure> {
    let call = Call { check, diff: true, ..Call::new("mirror_proxy", args.clone()) };
    let entry = find("mirror_proxy").expect("in the table");
    entry.run(Cx::new(call, Arc::new(NoLink), runtime.handle().clone()), args.clone())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("address").port()
}

fn run(program: &str, args: &[&str], folder: &Path) {
    let output = Command::new(program).args(args).current_dir(folder).output().expect("runs");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// nginx with TLS and a password, ended when dropped.
struct Upstream {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Upstream {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
        let port = free_port();
        run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
                "-days",
                "2",
                "-subj",
                "/CN=hostctl test authority",
            ],
            path,
        );
        run(
            "openssl",
            &[
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "server.key",
                "-out",
                "server.csr",
                "-subj",
                "/CN=localhost",
            ],
            path,
        );
        std::fs::write(path.join("san"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("write");
        run(
            "openssl",
            &[
                "x509",
                "-req",
                "-in",
                "server.csr",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                "san",
                "-out",
                "server.pem",
            ],
            path,
        );
        let hash = Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().expect("runs").stdout;
        std::fs::write(path.join("htpasswd"), format!("builder:{}\n", String::from_utf8_lossy(&hash).trim()))
            .expect("write");
        std::fs::create_dir_all(path.join("www/repo/debian")).expect("folders");
        std::fs::write(path.join("www/repo/debian/Release"), "Origin: test\n").expect("write");
        std::fs::write(path.join("www/repo/debian/big"), vec![b'x'; 5 << 20]).expect("write");
        let config = format!(
            "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log; events {{}}
             http {{ access_log {dir}/access.log; root {dir}/www; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
               fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
               server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;
                 location / {{ auth_basic x; auth_basic_user_file {dir}/htpasswd; }} }} }}",
            dir = path.display()
        );
        std::fs::write(path.join("nginx.conf"), config).expect("write");
        let child = Command::new("nginx")
            .args(["-p", &path.display().to_string(), "-c", &path.join("nginx.conf").display().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let upstream = Self { child, folder, port };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return upstream;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("nginx does not listen: {:?}", std::fs::read_to_string(upstream.folder.path().join("error.log")));
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

fn get(port: u16, path: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: p\r\nConnection: close\r\n{more}\r\n").expect("writes");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("reads");
    String::from_utf8_lossy(&answer).into_owned()
}

fn forms_of_the_secret() -> Vec<String> {
    use base64::Engine as _;
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    vec![PASSWORD.to_owned(), encode(PASSWORD.to_owned()), encode(format!("builder:{PASSWORD}"))]
}

fn has_secret(bytes: &[u8]) -> bool {
    forms_of_the_secret().iter().any(|form| bytes.windows(form.len()).any(|window| window == form.as_bytes()))
}

/// Command lines and environments of all processes; this test's own memory of the secret is in neither.
fn processes_with_the_secret() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        for file in ["cmdline", "environ"] {
            if std::fs::read(entry.path().join(file)).is_ok_and(|bytes| has_secret(&bytes)) {
                found.insert(format!("{}/{file}", entry.path().display()));
            }
        }
    }
    found
}

fn text(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("JSON")
}

/// Removes the proxy when the test ends, however it ends.
struct Cleanup<'a>(&'a tokio::runtime::Runtime);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        let _ = call(self.0, &json!({"name": NAME, "state": "absent"}), false);
    }
}

#[test]
fn a_proxy_is_installed_serves_and_goes_away() {
    let missing = ["nginx", "openssl"].into_iter().find(|name| Command::new(name).arg("-v").output().is_err());
    if !rustix::process::geteuid().is_root() || missing.is_some() {
        eprintln!("skip: needs root, nginx and openssl (missing: {missing:?})");
        return;
    }
    hostctl::system::own_binary::set_path(PathBuf::from(env!("CARGO_BIN_EXE_hostctl")));
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let upstream = Upstream::start();
    let port = free_port();
    let with = |password: &str| {
        json!({
            "name": NAME, "listen": ["127.0.0.1", "192.0.2.77"], "port": port,
            "upstreams": [{"prefix": "/debian", "url": format!("https://localhost:{}/repo/debian", upstream.port)}],
            "username": "builder", "password": password, "upstream_ca": upstream.ca(), "log_requests": true,
        })
    };
    let _cleanup = Cleanup(&runtime);

    // Check mode first: says all, does nothing.
    let planned = call(&runtime, &with(PASSWORD), true).expect("check mode");
    assert!(planned.changed && !Path::new("/etc/hostctl/selftest.json").exists());
    assert!(!has_secret(text(&planned).as_bytes()), "{}", text(&planned));

    let first = call(&runtime, &with(PASSWORD), false).expect("installs");
    assert!(first.changed);
    assert!(first.warnings.iter().any(|text| text.contains("192.0.2.77")), "{:?}", first.warnings);
    let release = get(port, "/debian/Release", "");
    assert!(release.starts_with("HTTP/1.1 200") && release.ends_with("Origin: test\n"), "{release}");
    assert!(get(port, "/debian/big", "Range: bytes=5-9\r\n").starts_with("HTTP/1.1 206"));
    assert!(get(port, "/debian/big", "").len() > 5 << 20);
    let modified = release.lines().find(|line| line.starts_with("last-modified")).expect("header").to_owned();
    let condition = modified.replace("last-modified", "If-Modified-Since");
    assert!(get(port, "/debian/Release", &format!("{condition}\r\n")).starts_with("HTTP/1.1 304"));
    assert!(get(port, "/debian/../Release", "").starts_with("HTTP/1.1 400"));
    assert!(get(port, "/", "").starts_with("HTTP/1.1 403"));

    // The canary: nowhere but in the one file.
    assert_eq!(processes_with_the_secret(), BTreeSet::new());
    assert!(!has_secret(text(&first).as_bytes()));
    for entry in std::fs::read_dir("/etc/hostctl").expect("folder").flatten() {
        let bytes = std::fs::read(entry.path()).expect("reads");
        let mode = std::os::unix::fs::PermissionsExt::mode(&entry.metadata().expect("metadata").permissions()) & 0o777;
        let is_file_of_it = entry.file_name() == "selftest.credentials";
        assert_eq!(
            (bytes.windows(6).any(|w| w == b"canary"), mode == 0o600),
            (is_file_of_it, is_file_of_it),
            "{entry:?}"
        );
    }
    let log = std::fs::read("/var/log/hostctl-selftest.log").unwrap_or_default();
    assert!(!has_secret(&log));
    let health = get(port, "/.hostctl/health", "");
    let pid = |health: &str| health.split("\"pid\":").nth(1).map(str::to_owned);
    assert!(health.contains("\"status\":\"ok\"") && !has_secret(health.as_bytes()), "{health}");

    let second = call(&runtime, &with(PASSWORD), false).expect("again");
    assert!(!second.changed, "{:?}", second.changes);
    assert_eq!(pid(&health), pid(&get(port, "/.hostctl/health", "")));

    // Another password is noticed, and a refused one is a clear 502.
    let other = call(&runtime, &with("wrong-password"), false).expect("changes");
    assert!(
        other.changed && other.changes.iter().any(|text| text.contains("selftest.credentials")),
        "{:?}",
        other.changes
    );
    assert_ne!(pid(&health), pid(&get(port, "/.hostctl/health", "")));
    let refused = get(port, "/debian/Release", "");
    assert!(refused.starts_with("HTTP/1.1 502") && refused.contains("refused this proxy's credentials"), "{refused}");
    assert!(!refused.to_ascii_lowercase().contains("www-authenticate"), "{refused}");

    // Without its authority the upstream is not trusted.
    let mut no_ca = with(PASSWORD);
    no_ca.as_object_mut().expect("object").remove("upstream_ca");
    call(&runtime, &no_ca, false).expect("changes");
    let untrusted = get(port, "/debian/Release", "");
    assert!(untrusted.starts_with("HTTP/1.1 502") && untrusted.contains("no trusted TLS connection"), "{untrusted}");

    // Killed from outside: the next run brings it back.
    if !Path::new("/run/systemd/system").exists() {
        let noted = std::fs::read_to_string("/run/hostctl-selftest.pid").expect("noted");
        let noted = rustix::process::Pid::from_raw(noted.trim().parse().expect("number")).expect("pid");
        rustix::process::kill_process(noted, rustix::process::Signal::KILL).expect("kills");
        let revived = call(&runtime, &with(PASSWORD), false).expect("starts");
        assert!(revived.changed);
        assert!(get(port, "/debian/Release", "").starts_with("HTTP/1.1 200"));
    }

    let gone = call(&runtime, &json!({"name": NAME, "state": "absent"}), false).expect("removes");
    assert!(gone.changed);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    for path in [
        "/etc/hostctl/selftest.json",
        "/etc/hostctl/selftest.credentials",
        "/etc/init.d/hostctl-selftest",
        "/etc/systemd/system/hostctl-selftest.service",
        "/usr/local/libexec/hostctl/hostctl-selftest",
        "/var/log/hostctl-selftest.log",
    ] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    assert!(!call(&runtime, &json!({"name": NAME, "state": "absent"}), false).expect("again").changed);
}
