//! A real sshd on loopback with keys, configuration and users of its own, gone after the test.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hostctl::agent::{Options, Pool};
use hostctl::diag::Diagnostic;
use hostctl::engine::{Become, TargetSpec};

/// One at a time: the user database has one lock.
static USERS: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub const PASSWORD: &str = "s3cret pa$$'word\"";

/// Why the tests of this file cannot run here, if they cannot.
pub fn missing() -> Option<&'static str> {
    let exists = |path: &str| Path::new(path).exists();
    if !rustix::process::geteuid().is_root() {
        Some("not root, so no users can be made")
    } else if !exists("/usr/sbin/sshd") {
        Some("no sshd: apt install openssh-server")
    } else if !exists("/usr/bin/sudo") {
        Some("no sudo: apt install sudo")
    } else if !exists("/usr/bin/ssh-keygen") {
        Some("no ssh: apt install openssh-client")
    } else {
        None
    }
}

pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub struct User {
    pub name: String,
    sudoers: Option<PathBuf>,
}

impl Drop for User {
    fn drop(&mut self) {
        let _lock = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.sudoers {
            let _ = std::fs::remove_file(path);
        }
        let _ = Command::new("userdel").args(["-f", "-r", &self.name]).stderr(Stdio::null()).status();
        for place in ["/var/tmp", "/tmp", "/dev/shm"] {
            for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
                let ours = entry.file_name().to_string_lossy().starts_with(".hostctl-");
                if ours && entry.metadata().is_ok_and(|found| found.uid() >= 1000 && !known(found.uid())) {
                    let _ = std::fs::remove_dir_all(entry.path());
                }
            }
        }
    }
}

fn known(uid: u32) -> bool {
    Command::new("getent").args(["passwd", &uid.to_string()]).stdout(Stdio::null()).status().unwrap().success()
}

/// A user with [`PASSWORD`]; `sudo` is the end of its line in sudoers.
pub fn user(sudo: Option<&str>) -> User {
    let _lock = USERS.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("hct{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    run("useradd", &["-m", "-s", "/bin/bash", &name]);
    let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut chpasswd.stdin.take().unwrap(), format!("{name}:{PASSWORD}\n").as_bytes()).unwrap();
    assert!(chpasswd.wait().unwrap().success());
    let sudoers = sudo.map(|rule| {
        let path = PathBuf::from(format!("/etc/sudoers.d/{name}"));
        std::fs::write(&path, format!("{name} {rule}\n")).unwrap();
        path
    });
    User { name, sudoers }
}

pub struct Sshd {
    child: Child,
    pub port: u16,
    pub folder: tempfile::TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for pid in self.sessions() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    pub fn start() -> Self {
        Self::start_with("", &[])
    }

    /// With lines of configuration, and a command that becomes sshd.
    pub fn start_with(lines: &str, wrapper: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("hct").tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "id"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path(name)]);
        }
        std::fs::copy(path("id.pub"), path("authorized")).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let _ = std::fs::create_dir_all("/run/sshd");
        // A free port may be taken by another before sshd has it: then try the next.
        for _ in 0..5 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
                 PasswordAuthentication yes\nKbdInteractiveAuthentication no\nPidFile none\nPermitRootLogin yes\n\
                 MaxStartups 100\n{lines}\n",
                path("host"),
                path("authorized"),
            );
            std::fs::write(path("sshd_config"), config).unwrap();
            let mut command = match wrapper {
                [] => Command::new("/usr/sbin/sshd"),
                [program, args @ ..] => {
                    let mut command = Command::new(program);
                    command.args(args).arg("/usr/sbin/sshd");
                    command
                }
            };
            command.args(["-D", "-f", &path("sshd_config"), "-E", &path("sshd.log")]).stdin(Stdio::null());
            let mut child = command.spawn().unwrap();
            loop {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    let sshd = Self { child, port, folder };
                    sshd.trust("127.0.0.1");
                    return sshd;
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::yield_now();
            }
        }
        panic!("sshd does not start: {}", std::fs::read_to_string(path("sshd.log")).unwrap_or_default());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn host_key(&self) -> String {
        std::fs::read_to_string(self.path("host.pub")).unwrap()
    }

    /// Writes the user's ssh configuration, which knows the host's key.
    pub fn trust(&self, name: &str) {
        let key = self.host_key();
        let line = format!("[{name}]:{} {key}", self.port);
        std::fs::write(self.path("known"), line).unwrap();
        self.configure("");
    }

    pub fn configure(&self, more: &str) {
        let text = format!(
            "{more}\nHost *\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nIdentityFile {}\nIdentitiesOnly yes\n",
            self.path("known").display(),
            self.path("id").display()
        );
        std::fs::write(self.path("config"), text).unwrap();
    }

    pub fn spec(&self, user: &str) -> TargetSpec {
        TargetSpec {
            host: "web".into(),
            connection: "ssh".to_owned(),
            address: "127.0.0.1".to_owned(),
            port: Some(self.port),
            user: Some(user.to_owned()),
            ssh_args: vec!["-F".to_owned(), self.path("config").display().to_string()],
            ..TargetSpec::default()
        }
    }

    /// sshd's own processes of logins, without what they started.
    pub fn logins(&self) -> Vec<u32> {
        let is_sshd =
            |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sshd\n");
        self.sessions().into_iter().filter(is_sshd).collect()
    }

    /// Processes of logins on this sshd.
    pub fn sessions(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            let output = Command::new("pgrep").args(["-P", &parent.to_string()]).output().unwrap();
            found.extend(String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse::<u32>().ok()));
            next += 1;
        }
        found.split_off(1)
    }
}

pub fn pool() -> (Pool, Arc<Mutex<Vec<Diagnostic>>>) {
    let warnings: Arc<Mutex<Vec<Diagnostic>>> = Arc::default();
    let taken = Arc::clone(&warnings);
    let options = Options {
        program: env!("CARGO_BIN_EXE_hostctl").into(),
        ..Options::new(Arc::new(move |warning| taken.lock().unwrap().push(warning)))
    };
    (Pool::new(options), warnings)
}

pub fn sudo(user: &str, password: Option<&str>) -> Option<Become> {
    Some(Become {
        method: "sudo".to_owned(),
        user: user.to_owned(),
        password: password.map(str::to_owned),
        ..Become::default()
    })
}
