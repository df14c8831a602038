//! `get_url`: a file of a web server to a path of the host.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map as Json, Value as JsonValue};

use super::attributes::{StateDiff, add_path_info, apply, with_file_args};
use super::call::Failure;
use super::cx::Cx;
use super::place::{Place, first_mode};
use super::refusal::refused_with;
use super::spec::{Meta, Module};
use super::types::HostPath;
use super::uri::file_name;
use super::web::{Common, into_memory};
use crate::map;
use crate::system::digest::Digest;
use crate::system::fs::{Content, shown};
use crate::system::web::{Follow, NoAnswer, WebAnswer, WebRequest, fetch, mask_url};
use crate::value::{Map, Value, insert};

with_file_args! {
    /// Downloads a file. What is there already and has not changed is left as it is.
    ///
    /// ```yaml
    /// - name: The engine's package
    ///   get_url:
    ///     url: https://download.example/engine.deb
    ///     dest: /var/cache/engine.deb
    ///     checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    ///     mode: '0644'
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// `http://`, `https://` or `file://`.
        url: String,
        /// The file, or a folder.
        dest: HostPath,
        /// `ALGORITHM:DIGEST`, or `ALGORITHM:URL` of a file with digests.
        #[serde(default)]
        checksum: String,
        /// Download although the file is there.
        #[serde(default)]
        force: bool,
        /// Keep a copy of the file before a change.
        #[serde(default)]
        backup: bool,
        /// A folder for the file until it is complete.
        tmp_dest: Option<HostPath>,
        /// Seconds.
        #[serde(default = "ten")]
        timeout: i64,
        /// Headers.
        headers: Option<Json<String, JsonValue>>,
        /// A user for basic authentication.
        url_username: Option<String>,
        /// The password.
        url_password: Option<String>,
        /// Send user and password at once.
        #[serde(default)]
        force_basic_auth: bool,
        /// Check the server's certificate.
        #[serde(default = "yes")]
        validate_certs: bool,
        /// The client's certificate, as a PEM file on the host.
        client_cert: Option<HostPath>,
        /// Its key, if it is not in the same file.
        client_key: Option<HostPath>,
        /// The name that is sent as `User-Agent`.
        #[serde(default = "agent")]
        http_agent: String,
        /// Headers that do not go along when redirected.
        #[serde(default)]
        unredirected_headers: Vec<String>,
        /// Take an answer apart that is compressed.
        #[serde(default = "yes")]
        decompress: bool,
        /// Take user and password from `~/.netrc` if none are given.
        #[serde(default = "yes")]
        use_netrc: bool,
        /// Ciphers for TLS 1.2, by OpenSSL's names.
        #[serde(default)]
        ciphers: Vec<String>,
        /// Go through the proxies that `http_proxy` and `https_proxy` name in the task's environment, but for the hosts of
        /// `no_proxy`.
        #[serde(default = "yes")]
        use_proxy: bool,
    }
}

fn agent() -> String {
    "ansible-httpget".to_owned()
}

fn ten() -> i64 {
    10
}

fn yes() -> bool {
    true
}

/// The module.
pub struct GetUrl;

impl Module for GetUrl {
    type Args = Args;
    const META: Meta = Meta {
        name: "get_url",
        full_name: "ansible.builtin.get_url",
        also: &["ansible.legacy.get_url"],
        summary: "Download a file",
        aliases: &[("url_username", &["username"]), ("url_password", &["password"]), ("attributes", &["attr"])],
        refused: super::web::REFUSED,
        secret: &["url_password"],
        reads: &["lsattr"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let dest = args.dest.expand(cx.environment());
        let base = map! {
            "checksum_dest" => Value::Null, "checksum_src" => Value::Null, "dest" => shown(&dest), "elapsed" => 0,
            "url" => mask_url(&args.url),
        };
        let job = Job { cx, args: &args, result: base };
        job.run(dest)
    }
}

struct Job<'a> {
    cx: &'a Cx,
    args: &'a Args,
    result: Map,
}

impl Job<'_> {
    /// A request that failed has nothing to compare.
    fn forget_checksums(&mut self) {
        for name in ["checksum_dest", "checksum_src"] {
            self.result.shift_remove(&crate::value::StrKey(name));
        }
    }

    fn fail(&self, message: impl Into<String>) -> Failure {
        refused_with("H0121", message, self.result.clone())
    }

    fn request(&self, url: &str, method: &str) -> WebRequest {
        let args = self.args;
        let common = Common {
            url,
            headers: args.headers.as_ref(),
            timeout: args.timeout,
            user: args.url_username.as_deref(),
            password: args.url_password.as_deref(),
            force_basic_auth: args.force_basic_auth,
            validate_certs: args.validate_certs,
            client_cert: args.client_cert.as_ref(),
            client_key: args.client_key.as_ref(),
            http_agent: &args.http_agent,
            force: args.force,
            unredirected: &args.unredirected_headers,
            decompress: args.decompress,
            use_netrc: args.use_netrc,
            direct: !args.use_proxy,
            unix_socket: None,
            ciphers: &args.ciphers,
        };
        common.request(self.cx, method, Follow::Urllib2)
    }

    fn run(mut self, mut dest: PathBuf) -> Result<Map, Failure> {
        let (cx, args) = (self.cx, self.args);
        let file = args.file_args();
        let checksum = self.checksum()?;
        let is_dir = cx.probe().is_dir(&dest);
        let mut force = args.force;
        let mut since = None;
        if !is_dir && let Some(found) = cx.probe().stat(&dest)? {
            if let (Some((digest, wanted)), false) = (&checksum, force) {
                if cx.probe().digest(&dest, *digest)? == *wanted {
                    let changed = apply(cx, &dest, &file, &mut StateDiff::default())?;
                    let message =
                        if changed { "file already exists but file attributes changed" } else { "file already exists" };
                    insert(&mut self.result, "msg", message);
                    add_path_info(cx, &mut self.result, &dest);
                    return Ok(self.result);
                }
                force = true;
            }
            since = found.modified().ok();
        }
        let clock = std::time::Instant::now();
        let mut scratch = self.scratch()?;
        let answer = self.download(&mut scratch, force, since);
        insert(&mut self.result, "elapsed", clock.elapsed().as_secs());
        let answer = answer.map_err(|NoAnswer(words)| {
            self.forget_checksums();
            if words.starts_with("unknown url type") {
                return refused_with("H0121", words, map! { "url" => mask_url(&args.url), "status" => -1 });
            }
            self.fail(words)
        })?;
        let words = if answer.status < 300 {
            format!("OK ({} bytes)", answer.header("content-length").unwrap_or("unknown"))
        } else {
            format!("HTTP Error {}: {}", answer.status, answer.reason)
        };
        if answer.status == 304 {
            let mut result = self.result.clone();
            for name in ["checksum_dest", "checksum_src"] {
                result.shift_remove(&crate::value::StrKey(name));
            }
            result.extend(map! { "msg" => words, "status_code" => 304 });
            add_path_info(cx, &mut result, &dest);
            return Ok(result);
        }
        if answer.status != 200 {
            self.forget_checksums();
            self.result.extend(map! { "status_code" => u32::from(answer.status), "response" => words });
            return Err(self.fail("Request failed"));
        }
        if let (Some(length), false) = (answer.header("content-length"), cx.check_mode())
            && length.parse() != Ok(answer.received)
        {
            return Err(self.fail(format!("Incomplete read, {} of {length} bytes came", answer.received)));
        }
        let temporary = scratch.path().to_owned();
        insert(&mut self.result, "src", shown(&temporary));
        if is_dir {
            let named = answer.header("content-disposition").and_then(file_name);
            dest.push(named.unwrap_or_else(|| url_name(&answer.url)));
            insert(&mut self.result, "dest", shown(&dest));
        }
        let new = cx.probe().digest(&temporary, Digest::Sha1)?;
        insert(&mut self.result, "checksum_src", new.as_str());
        let exists = cx.probe().exists(&dest);
        if exists {
            let old = cx.probe().digest(&dest, Digest::Sha1)?;
            insert(&mut self.result, "checksum_dest", old);
        } else if let Some(parent) = dest.parent()
            && !cx.probe().exists(parent)
        {
            return Err(self.fail(format!("Destination {} does not exist", shown(parent))));
        }
        let same = self.result.get(&crate::value::StrKey("checksum_dest")) == Some(&new.as_str().into());
        if cx.check_mode() {
            // Only the headers were asked for: whether the content differs is not known.
            if !same || !exists {
                cx.change(format!("download {}", shown(&dest)), |_| Ok(()))?;
            }
            insert(&mut self.result, "msg", words);
            add_path_info(cx, &mut self.result, &dest);
            return Ok(self.result);
        }
        if let Some((digest, wanted)) = &checksum {
            let found = cx.probe().digest(&temporary, *digest)?;
            if found != *wanted {
                let name = shown(&temporary);
                return Err(self.fail(format!("The checksum for {name} did not match {wanted}; it was {found}.")));
            }
        }
        if !same {
            let place = Place {
                path: &dest,
                spot: None,
                content: Content::File(&temporary),
                backup: args.backup,
                validate: None,
                file: &file,
                mode: first_mode(cx, &dest, file.mode.as_ref())?,
                keep_present: true,
            };
            let written = place.write(cx).map_err(|mut failure| {
                if failure.diagnostic.registered().contains("is not writable by the current user") {
                    let folder = dest.parent().map(shown).unwrap_or_default();
                    let words = format!("Destination {folder} is not writable");
                    failure.diagnostic = failure.diagnostic.with_registered(words);
                    failure.result.extend(self.result.clone());
                }
                failure
            })?;
            if let Some(copy) = written {
                insert(&mut self.result, "backup_file", shown(&copy));
            }
        }
        apply(cx, &dest, &file, &mut StateDiff::default())?;
        insert(&mut self.result, "md5sum", cx.probe().digest(&dest, Digest::Md5)?);
        // A `file:` URL is answered without a code.
        let status =
            if self.args.url.starts_with("http") { Value::from(u32::from(answer.status)) } else { Value::Null };
        self.result.extend(map! { "msg" => words, "status_code" => status });
        add_path_info(cx, &mut self.result, &dest);
        Ok(self.result)
    }

    /// A file for what comes, removed in the end.
    fn scratch(&self) -> Result<tempfile::NamedTempFile, Failure> {
        let folder = match &self.args.tmp_dest {
            None => self.cx.probe().temp_dir(),
            Some(path) => {
                let path = path.expand(self.cx.environment());
                if !self.cx.probe().exists(&path) {
                    return Err(self.fail(format!("{} directory does not exist.", shown(&path))));
                }
                if !self.cx.probe().is_dir(&path) {
                    return Err(self.fail(format!("{} is a file but should be a directory.", shown(&path))));
                }
                path
            }
        };
        tempfile::Builder::new()
            .prefix(&crate::system::leftovers::prefix())
            .tempfile_in(&folder)
            .map_err(|error| self.fail(format!("failed to create temporary content file: {error}")))
    }

    fn download(
        &self,
        into: &mut tempfile::NamedTempFile,
        force: bool,
        since: Option<std::time::SystemTime>,
    ) -> Result<WebAnswer, NoAnswer> {
        if let Some(path) = self.args.url.strip_prefix("file://") {
            return local(Path::new(path), into);
        }
        let method = if self.cx.check_mode() { "HEAD" } else { "GET" };
        let mut request = self.request(&self.args.url, method);
        request.force = force;
        request.modified_since = since.filter(|_| !force);
        self.cx.block_on(fetch(&request, into))
    }

    /// The digest that the file must have.
    fn checksum(&self) -> Result<Option<(Digest, String)>, Failure> {
        let text = &self.args.checksum;
        if text.is_empty() {
            return Ok(None);
        }
        let Some((algorithm, wanted)) = text.split_once(':') else {
            return Err(self.fail("The checksum parameter has to be in format <algorithm>:<checksum>"));
        };
        let digest = match algorithm.to_lowercase().as_str() {
            "md5" => Digest::Md5,
            "sha1" => Digest::Sha1,
            "sha224" => Digest::Sha224,
            "sha256" => Digest::Sha256,
            "sha384" => Digest::Sha384,
            "sha512" => Digest::Sha512,
            other => {
                let dest = self.args.dest.as_str();
                return Err(refused_with(
                    "H0121",
                    format!(
                        "Could not hash file '{dest}' with algorithm '{other}'. Available algorithms: md5, sha1, sha224, sha256, sha384, sha512"
                    ),
                    Map::new(),
                ));
            }
        };
        let is_url = ["http:", "https:", "ftp:", "file:"].iter().any(|scheme| wanted.starts_with(scheme));
        let wanted = if is_url { self.published(wanted)? } else { wanted.to_owned() };
        let wanted: String =
            wanted.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect::<String>().to_lowercase();
        if wanted.is_empty() || !wanted.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(self.fail("The checksum format is invalid"));
        }
        Ok(Some((digest, wanted)))
    }

    /// The digest of this file in a list of digests.
    fn published(&self, url: &str) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        let (status, reason) = if let Some(path) = url.strip_prefix("file://") {
            bytes = self.cx.probe().read(Path::new(path))?;
            (200, String::new())
        } else {
            let (answer, body) = into_memory(self.cx, &self.request(url, "GET"), 16 << 20)
                .map_err(|NoAnswer(words)| self.fail(words))?;
            bytes.extend(body);
            (answer.status, answer.reason)
        };
        if status != 200 {
            let mut failure = self.fail("Request failed");
            failure.result.extend(map! {
                "status_code" => u32::from(status), "response" => format!("HTTP Error {status}: {reason}"), "url" => mask_url(url),
            });
            return Err(failure);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let name = url_name(&self.args.url);
        digest_of(&text, &name)
            .ok_or_else(|| self.fail(format!("Unable to find a checksum for file '{name}' in '{}'", mask_url(url))))
    }
}

/// A `file://` URL, answered as a server would.
fn local(path: &Path, into: &mut tempfile::NamedTempFile) -> Result<WebAnswer, NoAnswer> {
    let failed = |error: std::io::Error| {
        NoAnswer(format!("Request failed: <urlopen error {}>", crate::system::fs::python_error(&error, path)))
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut answer = WebAnswer { status: 200, url: format!("file://{}", path.display()), ..WebAnswer::default() };
    answer.received = std::io::copy(&mut file, into).and_then(|count| into.flush().map(|()| count)).map_err(failed)?;
    answer.headers.push(("content-length".to_owned(), answer.received.to_string()));
    Ok(answer)
}

/// The last part of a URL's path.
fn url_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let name = path.rsplit('/').next().unwrap_or_default();
    if matches!(name, "" | "." | "..") { "index.html".to_owned() } else { name.to_owned() }
}

/// The digest of a name among lines of `DIGEST  NAME` or `SHA256 (NAME) = DIGEST`.
fn digest_of(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    if let [line] = lines.as_slice()
        && line.split_whitespace().count() == 1
    {
        return Some((*line).to_owned());
    }
    for line in lines {
        let bsd = line.split_once('(').and_then(|(_, rest)| {
            let (path, digest) = rest.rsplit_once(')')?;
            Some((digest.trim_start().strip_prefix('=')?.trim(), path))
        });
        let gnu = || {
            let (digest, path) = line.split_once(char::is_whitespace)?;
            let path = path.trim_start();
            let path = path.strip_prefix('*').unwrap_or(path);
            Some((digest, path.trim_start_matches(['.', '/'])))
        };
        if let Some((digest, path)) = bsd.or_else(gnu)
            && path == name
        {
            return Some(digest.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::super::web::server::{answer, serve};
    use super::*;

    const SHA256_OF_CONTENT: &str = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";

    fn answers(path: &str, headers: &str) -> String {
        match path {
            "/file.txt" if headers.contains("if-modified-since") => answer("304 Not Modified", "", ""),
            "/file.txt" => answer("200 OK", "", "content"),
            "/named" => answer("200 OK", "Content-Disposition: attachment; filename=\"../../x.txt\"\r\n", "content"),
            "/sums" => answer("200 OK", "", &format!("{SHA256_OF_CONTENT}  ./file.txt\n0000 other\n")),
            _ => answer("404 Not Found", "", ""),
        }
    }

    fn msg(failure: &Failure) -> String {
        failure.result.get(&crate::value::StrKey("msg")).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    #[test]
    fn files_come_once() {
        let (url, seen) = serve(answers);
        let folder = tempfile::tempdir().expect("folder");
        let dest = shown(&folder.path().join("f"));
        let args = map! { "url" => format!("{url}/file.txt"), "dest" => dest.clone(), "mode" => "0640" };
        let outcome = module("get_url", args.clone()).check(true).ok();
        assert!(outcome.changed && !Path::new(&dest).exists());
        assert!(seen.lock().expect("lock")[0].0.starts_with("HEAD "));
        let outcome = module("get_url", args.clone()).ok();
        assert_eq!((get(&outcome, "status_code"), get(&outcome, "mode")), (json!(200), json!("0640")));
        assert_eq!(get(&outcome, "md5sum"), json!("9a0364b9e99bb480dd25e1f0284c8555"));
        let outcome = module("get_url", args).ok();
        assert_eq!((get(&outcome, "status_code"), outcome.changed), (json!(304), false));
        let args = map! { "url" => format!("{url}/named"), "dest" => shown(folder.path()) };
        module("get_url", args).ok();
        assert_eq!(std::fs::read_to_string(folder.path().join("x.txt")).expect("read"), "content");
    }

    #[test]
    fn checksums_are_checked_before_anything_is_replaced() {
        let (url, _) = serve(answers);
        let folder = tempfile::tempdir().expect("folder");
        let dest = folder.path().join("f");
        let args = |checksum: &str| map! { "url" => format!("{url}/file.txt"), "dest" => shown(&dest), "checksum" => checksum };
        let failure = module("get_url", args("sha256:00ff")).fails();
        assert!(msg(&failure).starts_with("The checksum for ") && !dest.exists(), "{}", msg(&failure));
        module("get_url", args(&format!("sha256:{url}/sums"))).ok();
        let outcome = module("get_url", args(&format!("sha256:{SHA256_OF_CONTENT}"))).ok();
        assert_eq!(get(&outcome, "msg"), json!("file already exists"));
        assert_eq!(
            msg(&module("get_url", args("sha256")).fails()),
            "The checksum parameter has to be in format <algorithm>:<checksum>"
        );
        assert_eq!(msg(&module("get_url", args("sha256:xyz")).fails()), "The checksum format is invalid");
        let failure = module("get_url", map! { "url" => format!("{url}/none"), "dest" => shown(&dest) }).fails();
        assert_eq!(msg(&failure), "Request failed");
        assert_eq!(digest_of("SHA256 (a b) = ff\n", "a b").as_deref(), Some("ff"));
    }

    #[test]
    fn local_files_are_urls_too() {
        let folder = tempfile::tempdir().expect("folder");
        let (source, dest) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&source, "x").expect("write");
        let args = map! { "url" => format!("file://{}", source.display()), "dest" => shown(&dest) };
        assert!(module("get_url", args).ok().changed);
        assert_eq!(std::fs::read_to_string(&dest).expect("read"), "x");
        let args = map! { "url" => "file:///no/such", "dest" => shown(&dest) };
        assert!(msg(&module("get_url", args).fails()).contains("[Errno 2] No such file or directory"));
    }
}
