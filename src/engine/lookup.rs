//! The controller's side of lookups: files, environment, commands, URLs, settings, ansible-vault text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Result};
use crate::inventory::Inventory;
use crate::playbook::expand_home;
use crate::secret::Redactor;
use crate::system::printed::printed;
use crate::system::proxy::Proxies;
use crate::system::web::{self, Follow, NoAnswer, WebRequest};
use crate::template::{LookupHost, Setting, WebLookup};
use crate::value::Value;
use crate::vars::{Entry, Scope};

/// Opens ansible-vault text; the redactor learns it on the way.
pub type Unseal = Arc<dyn Fn(&str) -> Result<String> + Send + Sync>;

/// A setting of Ansible by its name, or an option of one of its plugins (type and name).
pub type Settings = Arc<dyn Fn(Option<(&str, &str)>, &str) -> Result<Option<Setting>> + Send + Sync>;

/// Lookups against this machine.
pub struct ControllerFiles {
    /// The folder relative names end at: the playbook's.
    pub base: PathBuf,
    /// Opens ansible-vault text.
    pub unseal: Unseal,
    /// Learns the passwords that a lookup made or read, and what templates make of secrets.
    pub redactor: Arc<Redactor>,
    /// The settings that the `config` lookup shows.
    pub settings: Settings,
    /// No command is run and nothing fetched: an error instead.
    pub inert: bool,
}

/// Bytes of output of the longest command of a lookup.
const MAX_OUTPUT: usize = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// Bytes up to a limit.
struct Capped(Vec<u8>);

impl std::io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(std::io::Error::other(format!("the answer is larger than {} MiB", MAX_OUTPUT >> 20)));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Work that waits for something outside. Templates are rendered on threads of the runtime: the other tasks of this
/// one, and what looks for an interrupt, go on elsewhere meanwhile.
pub(super) fn waiting<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Login and password of the host of a URL in `~/.netrc` (or `$NETRC`).
fn netrc(url: &str) -> Option<(String, String)> {
    let path = std::env::var_os("NETRC").map(PathBuf::from);
    let path = path.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".netrc")))?;
    web::netrc_login(&std::fs::read_to_string(path).ok()?, url)
}

impl ControllerFiles {
    /// An error where only what is at hand is looked at.
    fn may(&self, what: &str) -> Result<()> {
        let told = || Diagnostic::local("T0201", format!("cannot {what} here")).with_hint("a run does it");
        if self.inert { Err(told()) } else { Ok(()) }
    }

    /// Sends a request of the `url` lookup; the answer's body, or Ansible's words for what went wrong.
    fn ask(&self, lookup: &WebLookup) -> std::result::Result<Vec<u8>, (String, String)> {
        let shown = web::mask_url(&lookup.url);
        let has_user = lookup.url.split('/').nth(2).unwrap_or_default().contains('@');
        let authorized = lookup.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let found = if lookup.use_netrc && lookup.user.is_none() && !has_user && !authorized {
            netrc(&lookup.url)
        } else {
            None
        };
        for (_, password) in lookup.user.iter().chain(&found) {
            self.redactor.learn(password);
        }
        let request = WebRequest {
            url: lookup.url.clone(),
            method: "GET".to_owned(),
            headers: lookup.headers.clone(),
            timeout: std::time::Duration::try_from_secs_f64(lookup.timeout.clamp(0.1, 86_400.0))
                .unwrap_or(std::time::Duration::from_secs(10)),
            follow: match lookup.follow_redirects.as_str() {
                "all" | "yes" | "True" => Follow::All,
                "none" | "no" | "False" => Follow::None,
                "safe" => Follow::Safe,
                _ => Follow::Urllib2,
            },
            force_basic: lookup.force_basic_auth || found.is_some(),
            user: lookup.user.clone().or(found),
            insecure: !lookup.validate_certs,
            ca_path: lookup.ca_path.as_ref().map(PathBuf::from),
            unredirected: lookup.unredirected.clone(),
            force: lookup.force,
            decompress: true,
            proxies: if lookup.use_proxy { Proxies::of(&|name| std::env::var(name).ok()) } else { Proxies::default() },
            unix_socket: lookup.unix_socket.as_ref().map(PathBuf::from),
            ciphers: lookup.ciphers.clone(),
            ..WebRequest::default()
        };
        let failed = |words: String| (format!("Failed lookup url for {shown}"), words);
        // Templates are rendered on threads of the runtime, which may not wait for it.
        let answer = waiting(|| {
            std::thread::scope(|scope| {
                let work = scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let mut body = Capped(Vec::new());
                    match runtime {
                        Ok(runtime) => runtime.block_on(web::fetch(&request, &mut body)).map(|answer| (answer, body.0)),
                        Err(error) => Err(NoAnswer(error.to_string())),
                    }
                });
                work.join().unwrap_or_else(|_| Err(NoAnswer("the request broke off".to_owned())))
            })
        });
        match answer {
            Ok((answer, body)) if (200..300).contains(&answer.status) => Ok(body),
            Ok((answer, _)) => Err((
                format!("Received HTTP error for {shown}"),
                format!("HTTP Error {}: {}", answer.status, answer.reason),
            )),
            Err(NoAnswer(words)) if words.contains("CERTIFICATE_VERIFY_FAILED") => {
                Err((format!("Error validating the server's certificate for {shown}"), words))
            }
            Err(NoAnswer(words)) => Err(match words.strip_prefix("Request failed: ") {
                Some(rest) => failed(rest.to_owned()),
                None if words.starts_with("Connection failure: ") => (format!("Error connecting to {shown}"), words),
                None => failed(words),
            }),
        }
    }
}

impl LookupHost for ControllerFiles {
    fn find(&self, subfolder: &str, name: &str, scope: &Scope) -> Option<PathBuf> {
        let path = expand_home(name);
        if path.is_absolute() {
            return path.exists().then_some(path);
        }
        let found = |dir: PathBuf| crate::playbook::clean_path(&dir.join(&path));
        self.folders(subfolder, scope).into_iter().map(found).find(|path| path.exists())
    }

    fn folders(&self, subfolder: &str, scope: &Scope) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = match scope.get("ansible_search_path") {
            Some((Entry::Data(Value::List(dirs), _), _)) => {
                dirs.iter().filter_map(Value::as_str).map(PathBuf::from).collect()
            }
            _ => Vec::new(),
        };
        if let Some((Entry::Data(Value::Str(dir), _), _)) = scope.get("playbook_dir") {
            dirs.push(PathBuf::from(&**dir));
        }
        dirs.push(self.base.clone());
        dirs.into_iter()
            .map(|dir| std::path::absolute(&dir).unwrap_or(dir))
            .flat_map(|dir| [dir.join(subfolder), dir])
            .collect()
    }

    fn read_sealed(&self, path: &Path) -> Result<Vec<u8>> {
        crate::diag::read::read_source(path).map_err(|error| {
            Diagnostic::local("H0022", format!("cannot read `{}` on the controller: {error}", path.display()))
                .with_hint("check that the file exists and that you may read it")
        })
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let bytes = self.read_sealed(path)?;
        if bytes.starts_with(b"$ANSIBLE_VAULT")
            && let Ok(text) = std::str::from_utf8(&bytes)
        {
            return self.unseal(text).map(String::into_bytes);
        }
        Ok(bytes)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn pipe(&self, command: &str) -> Result<String> {
        self.may("run a command")?;
        let mut shell = std::process::Command::new("/bin/sh");
        shell
            .arg("-c")
            .arg(command)
            .current_dir(&self.base)
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped());
        let output = waiting(|| printed(&mut shell, MAX_OUTPUT))
            .map_err(|error| Diagnostic::local("T0201", format!("cannot run `{command}`: {error}")))?;
        if !output.status.success() {
            let code = output.status.code().unwrap_or(-1);
            return Err(Diagnostic::local("T0201", format!("`{command}` failed: {}", output.status))
                .with_registered(format!("lookup_plugin.pipe({command}) returned {code}"))
                .with_note(format!("stderr: {}", String::from_utf8_lossy(&output.stderr).trim()))
                .with_hint("the command runs on this machine; `errors='ignore'` gives nothing where it fails"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn setting(&self, plugin: Option<(&str, &str)>, name: &str) -> Result<Option<Setting>> {
        (self.settings)(plugin, name)
    }

    fn fetch(&self, request: &WebLookup) -> Result<Vec<u8>> {
        self.may("fetch from an address")?;
        self.ask(request).map_err(|(what, why)| {
            let shown = web::mask_url(&request.url);
            // A password that stands in the URL would be shown with the line of the playbook.
            let masked = web::password_of(&request.url);
            if let Some(password) = masked {
                self.redactor.learn(&password);
            }
            Diagnostic::local("T0202", format!("cannot fetch `{shown}`: {why}"))
                .with_registered(format!("{what}: {why}"))
                .with_hint("a task with `uri` or `get_url` fetches it from a host")
        })
    }

    fn hosts(&self, pattern: &str, groups: &Value) -> Result<Vec<String>> {
        let Value::Map(groups) = groups else { return Ok(Vec::new()) };
        let mut inventory = Inventory::new();
        for (group, hosts) in groups.iter() {
            let name = group.text();
            if let Value::List(hosts) = hosts {
                for host in hosts.iter().filter_map(Value::as_str) {
                    inventory.add_dynamic_host(host, &[name.to_string()], []);
                }
            }
        }
        let selected = inventory.select(pattern, None, None)?;
        Ok(selected.hosts.iter().map(ToString::to_string).collect())
    }

    fn template_vars(&self, name: &str, path: &Path, scope: &Scope) -> Result<Vec<(Arc<str>, Value)>> {
        let managed = super::managed::configured((self.settings)(None, "DEFAULT_MANAGED_STR"))?;
        super::managed::template_values(path, name, None, &managed, scope)
    }

    fn unseal(&self, text: &str) -> Result<String> {
        (self.unseal)(text)
    }

    fn learn(&self, secret: &str) {
        self.redactor.learn(secret);
    }

    fn redactor(&self) -> Option<&Redactor> {
        Some(&self.redactor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> ControllerFiles {
        ControllerFiles {
            base: "/".into(),
            unseal: Arc::new(|_| Ok(String::new())),
            redactor: Arc::default(),
            settings: Arc::new(|_, _| Ok(None)),
            inert: false,
        }
    }

    #[test]
    fn what_is_inert_runs_nothing() {
        let files = ControllerFiles { inert: true, ..files() };
        let told = files.pipe("touch /nowhere/at/all").unwrap_err();
        assert_eq!(told.message, "cannot run a command here");
    }

    #[test]
    fn a_sealed_file_can_be_looked_at_without_its_password() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "$ANSIBLE_VAULT;1.1;AES256\n00\n").unwrap();
        assert!(files().read_sealed(file.path()).unwrap().starts_with(b"$ANSIBLE_VAULT;"));
        assert_eq!(files().read(file.path()).unwrap(), b"");
    }

    /// A server for one request: answers with `text`; what was asked comes back.
    fn serve(text: &'static str) -> (String, std::thread::JoinHandle<String>) {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = listener.local_addr().unwrap().to_string();
        let work = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            while !seen.windows(4).any(|part| part == b"\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                seen.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(text.as_bytes()).unwrap();
            String::from_utf8(seen).unwrap()
        });
        (base, work)
    }

    #[test]
    fn a_url_is_fetched_and_no_message_has_a_password() {
        let lookup = |url: String| WebLookup {
            url,
            timeout: 20.0,
            validate_certs: true,
            headers: vec![("User-Agent".into(), "me".into()), ("X-A".into(), "b".into())],
            ..WebLookup::default()
        };
        let (base, work) = serve("HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\na\nb\n");
        let body = files().fetch(&lookup(format!("http://{base}/x"))).unwrap();
        let seen = work.join().unwrap().to_lowercase();
        assert_eq!(body, b"a\nb\n");
        assert!(seen.starts_with("get /x ") && seen.contains("user-agent: me") && seen.contains("x-a: b"), "{seen}");

        let (base, work) = serve("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let files = files();
        let error = files.fetch(&lookup(format!("http://me:s3cret@{base}/x"))).unwrap_err();
        work.join().unwrap();
        let words = format!("Received HTTP error for http://me:********@{base}/x: HTTP Error 404: Not Found");
        assert_eq!(error.registered(), words);
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(files.redactor.redact("s3cret"), "********");

        let error = files.fetch(&lookup("http://127.0.0.1:1/".to_owned())).unwrap_err();
        assert!(error.registered().starts_with("Failed lookup url for http://127.0.0.1:1/: "), "{error:?}");
    }

    #[test]
    fn while_a_lookup_waits_the_other_tasks_of_the_runtime_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("go");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let text = runtime.block_on(async {
            let command = format!("while ! test -e {}; do sleep 0.01; done; echo went", file.display());
            let waits = tokio::spawn(async move { files().pipe(&command).unwrap() });
            // The only thread of the runtime is in the lookup by the time this is its turn.
            let goes = tokio::spawn(async move { std::fs::write(file, "").unwrap() });
            goes.await.unwrap();
            waits.await.unwrap()
        });
        assert_eq!(text, "went\n");
    }

    #[test]
    fn a_command_that_prints_without_end_is_ended() {
        let files = files();
        let error = files.pipe("yes").expect_err("too much");
        assert!(error.message.ends_with("it printed more than 1 MiB"), "{error:?}");
        assert_eq!(files.pipe("echo a; yes | head -c 3000000 >&2").expect("output"), "a\n");
        assert!(
            files.read(Path::new("/dev/zero")).expect_err("a device").message.ends_with("it is a device, not a file")
        );
    }
}
