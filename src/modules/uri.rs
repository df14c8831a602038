//! `uri`: a request to a web service, its answer as the result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map as Json, Value as JsonValue};

use super::attributes::{StateDiff, apply, with_file_args};
use super::call::{Blob, Failure};
use super::cx::Cx;
use super::multipart;
use super::place::{Place, first_mode};
use super::refusal::{refused, refused_with};
use super::spec::{InputArg, Meta, Module};
use super::types::HostPath;
use super::web::{Common, into_memory};
use crate::diag::Diagnostic;
use crate::map;
use crate::system::digest::{Digest, Hasher};
use crate::system::fs::{Content, shown};
use crate::system::web::{Follow, joined, mask_url};
use crate::value::{Codec, JsonStyle, Map, Stray, from_json, insert, python_str, to_json_text};

/// What an answer may hold at most.
const LIMIT: usize = 256 << 20;

with_file_args! {
    /// Speaks to a web service. Names of headers in the result are in lower case with `_` for `-`.
    ///
    /// ```yaml
    /// - name: Wait until the registry answers
    ///   uri:
    ///     url: https://registry.example/v2/
    ///     status_code: [200, 401]
    ///   register: answer
    ///   until: answer.status is defined
    /// - uri:
    ///     url: https://ci.example/api/hooks
    ///     method: POST
    ///     body: {image: base, tag: "{{ tag }}"}
    ///     body_format: json
    ///     status_code: 201
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// `http://` or `https://`.
        url: String,
        /// The method.
        #[serde(default = "get")]
        method: String,
        /// What is sent.
        body: Option<JsonValue>,
        /// How `body` is written.
        #[serde(default)]
        body_format: BodyFormat,
        /// A file that is sent, of the controller unless `remote_src`.
        src: Option<HostPath>,
        /// `src` is on the host.
        #[serde(default)]
        remote_src: bool,
        /// A file, or a folder, that the answer is written to.
        dest: Option<HostPath>,
        /// Headers.
        #[serde(default)]
        headers: Json<String, JsonValue>,
        /// Statuses that count as success.
        #[serde(default = "ok")]
        status_code: Vec<i64>,
        /// Put the answer's text into the result.
        #[serde(default)]
        return_content: bool,
        /// Which redirects are followed.
        #[serde(default)]
        follow_redirects: Redirects,
        /// Do nothing if this path exists.
        creates: Option<HostPath>,
        /// Do nothing if this path does not exist.
        removes: Option<HostPath>,
        /// Seconds.
        #[serde(default = "thirty")]
        timeout: i64,
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
        /// The only authorities that are trusted, as a PEM file on the host.
        ca_path: Option<HostPath>,
        /// The client's certificate, as a PEM file on the host.
        client_cert: Option<HostPath>,
        /// Its key, if it is not in the same file.
        client_key: Option<HostPath>,
        /// The name that is sent as `User-Agent`.
        #[serde(default = "agent")]
        http_agent: String,
        /// Ask caches on the way for a new copy.
        #[serde(default)]
        force: bool,
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
        /// The socket file that the server listens on, instead of the URL's host and port.
        unix_socket: Option<HostPath>,
        /// Go through the proxies that `http_proxy` and `https_proxy` name in the task's environment, but for the hosts of
        /// `no_proxy`.
        #[serde(default = "yes")]
        use_proxy: bool,
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn agent() -> String {
    "ansible-httpget".to_owned()
}

fn ok() -> Vec<i64> {
    vec![200]
}

fn thirty() -> i64 {
    30
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum BodyFormat {
    FormUrlencoded,
    Json,
    #[default]
    Raw,
    FormMultipart,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
enum Redirects {
    All,
    No,
    None,
    #[default]
    Safe,
    Urllib2,
    Yes,
}

impl From<Redirects> for Follow {
    fn from(redirects: Redirects) -> Self {
        match redirects {
            Redirects::All | Redirects::Yes => Self::All,
            Redirects::No | Redirects::None => Self::None,
            Redirects::Safe => Self::Safe,
            Redirects::Urllib2 => Self::Urllib2,
        }
    }
}

/// The module.
pub struct UriModule;

impl Module for UriModule {
    type Args = Args;
    const META: Meta = Meta {
        name: "uri",
        full_name: "ansible.builtin.uri",
        also: &["ansible.legacy.uri"],
        summary: "Speak to a web service",
        aliases: &[("url_username", &["user"]), ("url_password", &["password"]), ("attributes", &["attr"])],
        exclusive: &[&["body", "src"]],
        refused: super::web::REFUSED,
        inputs: &[InputArg::File { arg: "src", unless: Some("remote_src"), unless_by_default: false }],
        secret: &["url_password"],
        reads: &["lsattr"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, mut args: Args) -> Result<Map, Failure> {
        if cx.check_mode() {
            cx.skip();
            return Ok(map! { "msg" => "remote module (uri) does not support check mode" });
        }
        let method = args.method.to_uppercase();
        if method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()) {
            let message = "Parameter 'method' needs to be a single word in uppercase, like GET or POST.";
            return Err(refused("H0120", message));
        }
        let there = |path: &HostPath| cx.probe().exists(&path.expand(cx.environment()));
        if let Some(path) = args.creates.as_ref().filter(|path| there(path)) {
            return Ok(map! { "stdout" => format!("skipped, since '{}' exists", path.as_str()) });
        }
        if let Some(path) = args.removes.as_ref().filter(|path| !there(path)) {
            return Ok(map! { "stdout" => format!("skipped, since '{}' does not exist", path.as_str()) });
        }
        let body = body(cx, &mut args)?;
        let mut request = common(&args).request(cx, &method, args.follow_redirects.into());
        request.body = body;
        request.ca_path = args.ca_path.as_ref().map(|path| path.expand(cx.environment()));
        let dest = args.dest.as_ref().map(|path| path.expand(cx.environment()));
        if let Some(found) = dest.as_deref().map(|path| cx.probe().stat(path)).transpose()?.flatten()
            && found.is_file()
        {
            request.modified_since = found.modified().ok();
        }
        let clock = std::time::Instant::now();
        let (answer, bytes) = match into_memory(cx, &request, LIMIT) {
            Ok(found) => found,
            Err(error) => {
                let result = map! {
                    "status" => -1, "url" => mask_url(&args.url), "elapsed" => clock.elapsed().as_secs(),
                    "redirected" => false,
                };
                let wanted = list(&args.status_code);
                let message = format!("Status code was -1 and not {wanted}: {}", error.0);
                return Err(refused_with("H0120", message, result));
            }
        };
        let good = args.status_code.contains(&i64::from(answer.status));
        let mut result = Map::new();
        for (name, value) in &answer.headers {
            insert(&mut result, &name.replace('-', "_"), value.as_str());
        }
        let masked = mask_url(&args.url);
        let words = if answer.status < 300 {
            format!("OK ({} bytes)", answer.header("content-length").unwrap_or("unknown"))
        } else {
            format!("HTTP Error {}: {}", answer.status, answer.reason)
        };
        let cookies: Vec<String> = answer.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let jar: Map =
            answer.cookies.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
        result.extend(map! {
            "redirected" => answer.url != masked && answer.status < 400, "url" => if answer.status < 400 { answer.url.clone() } else { masked.clone() },
            "status" => u32::from(answer.status), "elapsed" => clock.elapsed().as_secs(), "msg" => words.clone(),
        });
        if answer.status < 300 {
            result.extend(map! { "cookies" => jar, "cookies_string" => cookies.join("; ") });
        }
        if let Some(location) = answer.header("location") {
            insert(&mut result, "location", joined(&masked, location));
        }
        if let Some(dest) = &dest {
            write(cx, &args, dest, &answer, &bytes, good, &mut result)?;
        }
        let kind = answer.header("content-type").unwrap_or("application/octet-stream");
        let (mime, parameters) = kind.split_once(';').unwrap_or((kind, ""));
        let subtype = mime.trim().split_once('/').map_or("", |(_, subtype)| subtype).to_lowercase();
        let maybe_json = matches!(subtype.rsplit('+').next(), Some("json" | "javascript"));
        let charset = parameters.split(';').find_map(|part| part.trim().strip_prefix("charset="));
        let codec = charset.and_then(|name| Codec::of(name.trim_matches('"')));
        let text = match codec {
            Some(codec) => codec.decode(&bytes, Stray::Keep).unwrap_or_default(),
            None => String::from_utf8_lossy(&bytes).into_owned(),
        };
        if maybe_json && let Ok(json) = serde_json::from_str::<JsonValue>(&text) {
            insert(&mut result, "json", from_json(json));
        }
        if args.return_content {
            insert(&mut result, "content", text);
        }
        if good {
            return Ok(result);
        }
        let message = format!("Status code was {} and not {}: {words}", answer.status, list(&args.status_code));
        Err(refused_with("H0120", message, result))
    }
}

fn common(args: &Args) -> Common<'_> {
    Common {
        url: &args.url,
        headers: Some(&args.headers),
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
        unix_socket: args.unix_socket.as_ref(),
        ciphers: &args.ciphers,
    }
}

/// `[200, 201]`
fn list(codes: &[i64]) -> String {
    format!("[{}]", codes.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
}

/// What is sent; the header that says what it is.
fn body(cx: &Cx, args: &mut Args) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(src) = &args.src {
        if args.remote_src {
            let path = src.expand(cx.environment());
            return match cx.probe().read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(_) => Err(refused("H0120", format!("Unable to open source file {}", shown(&path)))),
            };
        }
        let input = cx.input("src").and_then(|input| input.entries.first());
        let entry = input.ok_or_else(|| Diagnostic::internal("`uri` was called without its source"))?;
        return Ok(Some(match cx.blob(entry)? {
            Blob::Memory(bytes) => bytes.to_vec(),
            Blob::File(path) => cx.probe().read(&path)?,
        }));
    }
    let Some(body) = args.body.take().filter(|body| !body.is_null()) else {
        if args.body_format == BodyFormat::Json {
            args.headers.entry("Content-Type").or_insert_with(|| "application/json".into());
            return Ok(Some(b"null".to_vec()));
        }
        return Ok(None);
    };
    let typed = args.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
    let mut set = |kind: &str| {
        if !typed {
            args.headers.insert("Content-Type".to_owned(), kind.into());
        }
    };
    let text = match (args.body_format, &body) {
        (BodyFormat::Json, JsonValue::String(text)) => {
            set("application/json");
            text.clone()
        }
        (BodyFormat::Json, other) => {
            set("application/json");
            to_json_text(&from_json(other.clone()), JsonStyle::default())
        }
        (BodyFormat::FormUrlencoded, JsonValue::String(text)) => {
            set("application/x-www-form-urlencoded");
            text.clone()
        }
        (BodyFormat::FormUrlencoded, other) => {
            set("application/x-www-form-urlencoded");
            form(other).ok_or_else(|| {
                let message = "failed to parse body as form_urlencoded: too many values to unpack (expected 2)";
                refused_with("H0120", message, map! { "elapsed" => 0 })
            })?
        }
        (BodyFormat::FormMultipart, other) => {
            let (kind, bytes) = multipart::encode(cx, other)
                .map_err(|reason| refused("H0120", format!("failed to parse body as form-multipart: {reason}")))?;
            args.headers.retain(|name, _| !name.eq_ignore_ascii_case("content-type"));
            args.headers.insert("Content-Type".to_owned(), kind.into());
            return Ok(Some(bytes));
        }
        (BodyFormat::Raw, JsonValue::String(text)) => text.clone(),
        (BodyFormat::Raw, other) => python_str(&from_json(other.clone())),
    };
    Ok(Some(text.into_bytes()))
}

/// `urlencode` of a mapping or of a list of pairs.
fn form(body: &JsonValue) -> Option<String> {
    let pairs: Vec<(String, JsonValue)> = match body {
        JsonValue::Object(map) => map.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        JsonValue::Array(items) => items
            .iter()
            .map(|item| match item.as_array().map(Vec::as_slice) {
                Some([name, value]) => Some((python_str(&from_json(name.clone())), value.clone())),
                _ => None,
            })
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let mut parts = Vec::new();
    for (name, value) in pairs {
        let values = match value {
            JsonValue::Array(values) => values,
            JsonValue::Object(map) => map.keys().map(|key| key.as_str().into()).collect(),
            one => vec![one],
        };
        for value in values.into_iter().filter(|value| !value.is_null()) {
            parts.push(format!("{}={}", quoted(&name), quoted(&python_str(&from_json(value)))));
        }
    }
    Some(parts.join("&"))
}

/// `quote_plus`.
fn quoted(text: &str) -> String {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b' ');
    percent_encoding::utf8_percent_encode(text, &KEPT).to_string().replace(' ', "+")
}

fn write(
    cx: &Cx,
    args: &Args,
    dest: &std::path::Path,
    answer: &crate::system::web::WebAnswer,
    bytes: &[u8],
    good: bool,
    result: &mut Map,
) -> Result<(), Failure> {
    let mut path = dest.to_owned();
    if cx.probe().is_dir(&path) {
        let named = answer.header("content-disposition").and_then(file_name);
        let of_url = || {
            let path = answer.url.split(['?', '#']).next().unwrap_or_default();
            let name = path.splitn(4, '/').nth(3).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            Some(name.to_owned()).filter(|name| !name.is_empty())
        };
        path.push(named.or_else(of_url).unwrap_or_else(|| "index.html".to_owned()));
    }
    insert(result, "path", shown(&path));
    if !good || answer.status == 304 {
        return Ok(());
    }
    let file = args.file_args();
    let same = cx.probe().stat(&path)?.is_some_and(|found| found.is_file())
        && cx.probe().digest(&path, Digest::Sha1)? == Hasher::of(Digest::Sha1, bytes);
    if same {
        // Ansible counts every answer that is written out as a change.
        cx.adopt(true, false);
    } else {
        let place = Place {
            path: &path,
            spot: None,
            content: Content::Bytes(bytes),
            backup: false,
            validate: None,
            file: &file,
            mode: first_mode(cx, &path, file.mode.as_ref())?,
            keep_present: true,
        };
        place.write(cx)?;
    }
    apply(cx, &path, &file, &mut StateDiff::default())?;
    super::attributes::add_path_info(cx, result, &path);
    Ok(())
}

/// The file's name that a `Content-Disposition` header gives, without folders.
pub(super) fn file_name(header: &str) -> Option<String> {
    let value = header.split(';').find_map(|part| part.trim().strip_prefix("filename="))?;
    let name = value.trim_matches('"').rsplit('/').next()?.to_owned();
    Some(name).filter(|name| !matches!(name.as_str(), "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::super::web::server::{answer, serve};
    use super::*;
    use crate::value::Value;

    fn answers(path: &str, headers: &str) -> String {
        match path {
            "/json" => answer(
                "200 OK",
                "Content-Type: application/json\r\nX-Some-Thing: 1\r\nSet-Cookie: a=b; path=/\r\n",
                "{\"k\": [1]}",
            ),
            "/move" => answer("302 Found", "Location: /json\r\n", ""),
            "/login" => answer("302 Found", "Location: /in\r\nSet-Cookie: sid=42\r\n", ""),
            "/in" if headers.contains("cookie: sid=42") => answer("200 OK", "", "in"),
            "/in" => answer("403 Forbidden", "", "no"),
            "/auth" if headers.contains("authorization: basic dtpw") => answer("200 OK", "", "in"),
            "/auth" => answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "no"),
            "/made" => answer("201 Created", "", "made"),
            _ => answer("404 File not found", "Content-Type: text/plain; charset=latin-1\r\n", "gone"),
        }
    }

    #[test]
    fn answers_become_results() {
        let (url, seen) = serve(answers);
        let at = |path: &str| format!("{url}{path}");
        let outcome = module("uri", map! { "url" => at("/move"), "return_content" => true }).ok();
        assert_eq!((get(&outcome, "status"), get(&outcome, "redirected")), (json!(200), json!(true)));
        assert_eq!((get(&outcome, "json"), get(&outcome, "x_some_thing")), (json!({"k": [1]}), json!("1")));
        assert_eq!((get(&outcome, "cookies"), get(&outcome, "cookies_string")), (json!({"a": "b"}), json!("a=b")));
        assert_eq!((get(&outcome, "msg"), outcome.changed), (json!("OK (10 bytes)"), false));
        let outcome = module("uri", map! { "url" => at("/login") }).ok();
        assert_eq!((get(&outcome, "cookies"), get(&outcome, "status")), (json!({"sid": "42"}), json!(200)));
        let outcome =
            module("uri", map! { "url" => at("/move"), "follow_redirects" => "none", "status_code" => 302 }).ok();
        assert_eq!(get(&outcome, "location"), json!(at("/json")));
        let failure = module("uri", map! { "url" => at("/none"), "return_content" => true }).fails();
        let result = Value::from(failure.result);
        assert_eq!(
            result.get("msg"),
            Some(&"Status code was 404 and not [200]: HTTP Error 404: File not found".into())
        );
        assert_eq!(result.get("content"), Some(&"gone".into()));
        module("uri", map! { "url" => at("/auth"), "user" => "u", "password" => "pw" }).ok();
        module("uri", map! { "url" => at("/auth"), "user" => "v", "password" => "pw", "status_code" => "200,401" })
            .ok();
        let seen = seen.lock().expect("lock");
        assert!(
            seen.iter()
                .any(|(first, headers, _)| first.starts_with("GET /auth") && headers.contains("authorization: basic"))
        );
        assert!(seen.iter().all(|(_, headers, _)| headers.contains("user-agent: ansible-httpget")));
    }

    #[test]
    fn bodies_are_written_as_asked() {
        let (url, seen) = serve(answers);
        let send = |format: &str, body: Value| {
            module("uri", map! {
                "url" => format!("{url}/made"), "method" => "post", "body_format" => format, "body" => body, "status_code" => 201,
            })
            .ok();
            seen.lock().expect("lock").pop().expect("a request")
        };
        let (first, headers, body) = send("json", map! { "a" => 1 }.into());
        assert_eq!((first.as_str(), body.as_str()), ("POST /made HTTP/1.1", "{\"a\": 1}"));
        assert!(headers.contains("content-type: application/json"));
        let (_, _, body) = send(
            "form-urlencoded",
            map! { "a" => "x y&", "b" => Value::from(vec![Value::Int(1), Value::Int(2)]) }.into(),
        );
        assert_eq!(body, "a=x+y%26&b=1&b=2");
        let (_, headers, body) = send("form-multipart", map! { "a" => "text", "f" => map! { "content" => "c", "filename" => "n.txt", "mime_type" => "text/plain" } }.into());
        assert!(headers.contains("multipart/form-data; boundary="), "{headers}");
        assert!(body.contains("name=\"f\"; filename=\"n.txt\""), "{body}");
    }

    #[test]
    fn files_are_written_and_nothing_is_sent_in_check_mode() {
        let (url, seen) = serve(answers);
        let folder = tempfile::tempdir().expect("folder");
        let dest = folder.path().to_string_lossy().into_owned();
        let args = map! { "url" => format!("{url}/json"), "dest" => dest, "mode" => "0600" };
        assert!(module("uri", args.clone()).check(true).ok().skipped);
        assert!(seen.lock().expect("lock").is_empty());
        assert!(module("uri", args).ok().changed);
        assert_eq!(std::fs::read_to_string(folder.path().join("json")).expect("read"), "{\"k\": [1]}");
        let failure = module("uri", map! { "url" => "http://127.0.0.1:1/", "timeout" => 5 }).fails();
        let message =
            "Status code was -1 and not [200]: Request failed: <urlopen error [Errno 111] Connection refused>";
        assert_eq!(failure.result.get(&crate::value::StrKey("msg")), Some(&message.into()));
    }

    #[test]
    fn a_server_may_listen_on_a_socket_file() {
        use std::io::{Read as _, Write as _};
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("s.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("socket");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accept");
            let mut head = [0; 4096];
            let count = stream.read(&mut head).expect("read");
            let text = super::super::web::server::answer("200 OK", "", "here");
            stream.write_all(text.as_bytes()).expect("write");
            String::from_utf8_lossy(&head[..count]).into_owned()
        });
        let args = |socket: &std::path::Path| {
            map! { "url" => "http://nowhere.invalid/x", "unix_socket" => socket.display().to_string(), "return_content" => true }
        };
        let outcome = module("uri", args(&path)).ok();
        assert_eq!(get(&outcome, "content"), json!("here"));
        let asked = server.join().expect("server");
        assert!(asked.starts_with("GET /x HTTP/1.1") && asked.contains("nowhere.invalid"), "{asked}");
        let failure = module("uri", args(&folder.path().join("none"))).fails();
        let words = failure.result.get(&crate::value::StrKey("msg")).map(python_str).unwrap_or_default();
        assert!(
            words.contains("Invalid Socket File") && words.contains("[Errno 2] No such file or directory"),
            "{words}"
        );
    }
}
