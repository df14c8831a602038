//! An engine and a registry of the test's own, on a private socket and a loopback port.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A password with everything that encodings stumble over.
pub const PASSWORD: &str = "p>a?s~s+/:@%\"'\\ x";

pub struct Lab {
    pub folder: tempfile::TempDir,
    pub registry: String,
    engine: Child,
    server: Child,
    /// The engine's folder.
    data: PathBuf,
    /// Removed after the engine has ended.
    bridge: Bridge,
}

/// A bridge of the test's own, with an address that nothing else here has.
struct Bridge(String);

impl Bridge {
    fn new(port: u16) -> Result<Self, String> {
        let name = format!("hct{port}");
        let [high, low] = port.to_be_bytes();
        let ip = |args: &[&str]| match Command::new("ip").args(args).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(format!("`ip` is missing (apt-get install iproute2): {error}")),
        };
        ip(&["link", "add", "name", &name, "type", "bridge"])?;
        let bridge = Self(name);
        ip(&["address", "add", &format!("10.{}.{low}.1/24", 100 + high % 100), "dev", &bridge.0])?;
        Ok(bridge)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).output();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// A static busybox as `busybox`: the host's own if it is static, else out of Debian's package.
fn static_busybox(root: &Path) -> Result<(), String> {
    let is_static = |path: &Path| {
        fs::read(path).is_ok_and(|bytes| {
            !bytes.is_empty() && !bytes[..bytes.len().min(4096)].windows(8).any(|part| part == b"ld-linux")
        })
    };
    let own = Path::new("/bin/busybox");
    if is_static(own) {
        return fs::copy(own, root.join("busybox")).map(drop).map_err(|error| error.to_string());
    }
    let script = "apt-get download -q busybox-static && dpkg-deb -x busybox-static_*.deb x && cp x/bin/busybox busybox";
    let output = Command::new("sh").args(["-c", script]).current_dir(root).output().map_err(|e| e.to_string())?;
    if output.status.success() && is_static(&root.join("busybox")) {
        Ok(())
    } else {
        Err("no static busybox (apt-get install busybox-static)".into())
    }
}

fn start_engine(root: &Path, data: &Path, bridge: &Bridge) -> Result<Child, String> {
    let path = |name: &str| root.join(name).display().to_string();
    let log = |name: &str| {
        let file = File::options().create(true).append(true).open(root.join(name));
        file.map(Stdio::from).map_err(|e| e.to_string())
    };
    Command::new(program("dockerd").ok_or("`dockerd` is missing")?)
        .args(["--host", &format!("unix://{}", path("docker.sock")), "--data-root", &data.display().to_string()])
        .args(["--exec-root", &path("exec"), "--pidfile", &path("pid"), "--storage-driver", "overlay2"])
        .args(["--bridge", &bridge.0, "--iptables=false", "--ip6tables=false", "--config-file", &path("none.json")])
        .stdin(Stdio::null())
        .stdout(log("dockerd.log")?)
        .stderr(log("dockerd.err")?)
        .spawn()
        .map_err(|e| e.to_string())
}

impl Lab {
    /// Starts both, or says why it cannot.
    pub fn start() -> Result<Self, String> {
        Self::start_on(|root| Ok(root.join("data")))
    }

    /// The same with the engine's folder somewhere else.
    pub fn start_on(data: impl FnOnce(&Path) -> Result<PathBuf, String>) -> Result<Self, String> {
        if !rustix::process::getuid().is_root() {
            return Err("the engine needs root".into());
        }
        let need = |name: &str, package: &str| {
            program(name).ok_or_else(|| format!("`{name}` is missing (apt-get install {package})"))
        };
        need("dockerd", "docker.io")?;
        let registry = need("docker-registry", "docker-registry")?;
        let htpasswd = need("htpasswd", "apache2-utils")?;
        let folder =
            tempfile::Builder::new().prefix("hostctl-lab-").tempdir_in("/var/tmp").map_err(|e| e.to_string())?;
        let root = folder.path().to_path_buf();
        static_busybox(&root)?;
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(|e| e.to_string())?.port();
        let hash = Command::new(htpasswd).args(["-Bbn", "builder", PASSWORD]).output().map_err(|e| e.to_string())?;
        fs::write(root.join("htpasswd"), hash.stdout).map_err(|e| e.to_string())?;
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {0}/registry\nhttp:\n  addr: 127.0.0.1:{port}\nauth:\n  htpasswd:\n    realm: lab\n    path: {0}/htpasswd\n",
            root.display()
        );
        fs::write(root.join("registry.yml"), config).map_err(|e| e.to_string())?;
        let log = |name: &str| File::create(root.join(name)).map(Stdio::from).map_err(|e| e.to_string());
        let server = Command::new(registry)
            .args(["serve", &root.join("registry.yml").display().to_string()])
            .stdin(Stdio::null())
            .stdout(log("registry.log")?)
            .stderr(log("registry.err")?)
            .spawn()
            .map_err(|e| e.to_string())?;
        // Not the machine's own configuration.
        fs::write(root.join("none.json"), "{}").map_err(|e| e.to_string())?;
        // With `--bridge none` an engine removes `docker0`, which may be another engine's: this one has its own.
        let bridge = Bridge::new(port)?;
        let data = data(&root)?;
        let engine = start_engine(&root, &data, &bridge)?;
        let mut lab = Self { folder, registry: format!("127.0.0.1:{port}"), engine, server, data, bridge };
        lab.await_engine()?;
        Ok(lab)
    }

    /// Until engine and registry answer.
    fn await_engine(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let answers = Command::new("docker").args(["-H", &self.address(), "info"]).output();
            if answers.is_ok_and(|output| output.status.success())
                && std::net::TcpStream::connect(&self.registry).is_ok()
            {
                return Ok(());
            }
            let ended = self.engine.try_wait().ok().flatten().is_some();
            if ended || Instant::now() > deadline {
                let words = fs::read_to_string(self.path("dockerd.err")).unwrap_or_default();
                return Err(format!("dockerd does not start: {}", words.lines().last().unwrap_or_default()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills the engine without a word.
    pub fn kill_engine(&mut self) {
        self.engine.kill().unwrap();
        self.engine.wait().unwrap();
    }

    /// Ends the engine as its service does.
    pub fn stop_engine(&mut self) {
        let pid = i32::try_from(self.engine.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.engine.wait().unwrap();
    }

    /// Starts the engine that was killed or stopped.
    pub fn start_engine(&mut self) {
        self.engine = start_engine(self.folder.path(), &self.data, &self.bridge).unwrap();
        self.await_engine().unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// The docker program on this engine, logged in.
    pub fn docker(&self, args: &[&str]) -> (bool, String) {
        use base64::Engine as _;
        let login = base64::engine::general_purpose::STANDARD.encode(format!("builder:{PASSWORD}"));
        let folder = self.path("client");
        fs::create_dir_all(&folder).unwrap();
        let config = serde_json::json!({ "auths": { &self.registry: { "auth": login } } });
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let output = Command::new("docker")
            .args(["--config", &folder.display().to_string(), "-H", &self.address()])
            .args(args)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }

    /// A second registry that speaks TLS by a CA of its own: its process, address and CA file.
    pub fn tls_registry(&self) -> (Server, String, PathBuf) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| self.path(name).display().to_string();
        let openssl = |args: &[&str]| {
            let output = Command::new("openssl").args(args).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let (ca, ca_key) = (path("ca.crt"), path("ca.key"));
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        openssl(
            &[&["req", "-x509", "-days", "2", "-subj", "/CN=lab CA", "-keyout", &ca_key, "-out", &ca], &new_key[..]]
                .concat(),
        );
        let (key, request, cert) = (path("tls.key"), path("tls.csr"), path("tls.crt"));
        openssl(&[&["req", "-subj", "/CN=127.0.0.1", "-keyout", &key, "-out", &request], &new_key[..]].concat());
        fs::write(self.path("ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-extfile",
            &path("ext"),
            "-out",
            &cert,
        ]);
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {0}/tls\nhttp:\n  addr: 127.0.0.1:{port}\n  tls:\n    certificate: {cert}\n    key: {key}\nauth:\n  htpasswd:\n    realm: lab\n    path: {0}/htpasswd\n",
            self.folder.path().display()
        );
        fs::write(self.path("tls.yml"), config).unwrap();
        let log = || Stdio::from(File::create(self.path("tls.log")).unwrap());
        let server = Command::new("docker-registry")
            .args(["serve", &path("tls.yml")])
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "the registry with TLS does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        (Server(server), address, ca.into())
    }

    /// Open files of the engine, to see that sessions end.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.engine.id())).unwrap().count()
    }

    /// A tree of images on static busybox.
    pub fn tree(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = self.path(name);
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir_all(root.join("base")).unwrap();
        let busybox = root.join("base/busybox");
        fs::copy(self.path("busybox"), &busybox).unwrap();
        fs::set_permissions(&busybox, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("base/Dockerfile"), BASE).unwrap();
        root
    }
}

const BASE: &str =
    "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\n";

/// A server that ends with its scene.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in [&mut self.engine, &mut self.server] {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = child.wait();
        }
        // What the engine left mounted would keep its folder from being removed.
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let own = self.folder.path().display().to_string();
        for place in
            mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(|place| place.starts_with(&own))
        {
            let _ = rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH);
        }
    }
}
