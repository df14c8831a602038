//! Logins for registries out of Docker's and Podman's own files, and by Docker's credential helpers (ECR, GCR,
//! keychains). Nothing of a login is ever an argument or a variable of a program.
//!
//! For one registry: its own helper, then the store of all, then what the file holds; Docker's file before Podman's.
//! What a playbook gives goes before all of this and is not looked at here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bollard::auth::DockerCredentials;
use serde::Deserialize;

use super::error::{EngineError, ErrorClass, Right};
use super::registry::registry_of;
use crate::secret::Secret;
use crate::system::Probe;
use crate::system::process::{Program, which};

/// Bytes of a credential file.
const LARGEST: u64 = 1 << 20;
/// How long a helper may take; those of clouds ask a server.
const HELPER_TIME: Duration = Duration::from_secs(30);
/// Docker Hub's name in Docker's files and for its helpers.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// The user name by which helpers say that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// A login for one registry host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryLogin {
    /// `registry.example.org:5000`.
    pub host: String,
    /// User name.
    pub username: String,
    /// Password. Leaves this process only in request headers on the engine's socket or over TLS.
    pub password: Secret,
    /// A token of the registry's token server instead of a password, as `docker login` keeps it.
    pub identity_token: Option<Secret>,
}

impl RegistryLogin {
    /// A login by user name and password.
    pub fn new(host: impl Into<String>, username: impl Into<String>, password: Secret) -> Self {
        Self { host: host.into(), username: username.into(), password, identity_token: None }
    }

    /// The registry as engines key logins: Docker Hub by its old address.
    pub(super) fn engine_key(&self) -> String {
        if registry_of(&self.host) == "docker.io" { HUB_KEY.to_owned() } else { self.host.clone() }
    }

    pub(super) fn credentials(&self) -> DockerCredentials {
        DockerCredentials {
            username: Some(self.username.clone()),
            password: Some(self.password.expose().to_owned()),
            identitytoken: self.identity_token.as_ref().map(|token| token.expose().to_owned()),
            serveraddress: Some(self.engine_key()),
            ..DockerCredentials::default()
        }
    }

    /// User name and secret as BuildKit's session wants them: an identity token goes without a name.
    pub(super) fn for_session(&self) -> (String, String) {
        match &self.identity_token {
            Some(token) => (String::new(), token.expose().to_owned()),
            None => (self.username.clone(), self.password.expose().to_owned()),
        }
    }

    /// All that must not be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.password).chain(&self.identity_token).filter(|secret| !secret.expose().is_empty())
    }
}

/// The credential files of a user, read once.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    files: Vec<(PathBuf, File)>,
    /// Where helpers are looked for.
    path: Option<String>,
    environment: Vec<(String, String)>,
}

#[derive(Clone, Default, Deserialize)]
struct File {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(rename = "credsStore", default)]
    store: Option<String>,
    #[serde(rename = "credHelpers", default)]
    helpers: Option<BTreeMap<String, String>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts: Vec<&String> = self.auths.iter().flat_map(BTreeMap::keys).collect();
        f.debug_struct("File")
            .field("auths", &hosts)
            .field("store", &self.store)
            .field("helpers", &self.helpers)
            .finish()
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Probe {
    /// The credential files of this process's user: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, then
    /// `$REGISTRY_AUTH_FILE`, `$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`. One that is
    /// not there is none; one that cannot be read or understood is an error of class [`ErrorClass::Refused`].
    pub fn registry_credentials(&self) -> Result<Credentials, EngineError> {
        let set = |name: &str| self.variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = set("HOME");
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let docker = set("DOCKER_CONFIG").or_else(|| below_home(".docker")).map(|folder| folder.join("config.json"));
        let podman = [
            set("REGISTRY_AUTH_FILE"),
            set("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
            below_home(".config/containers/auth.json"),
        ];
        let mut files: Vec<(PathBuf, File)> = Vec::new();
        for path in docker.into_iter().chain(podman.into_iter().flatten()) {
            if !files.iter().any(|(known, _)| *known == path)
                && let Some(file) = read(&path)?
            {
                files.push((path, file));
            }
        }
        Ok(Credentials { files, path: self.variable("PATH"), environment: self.environment().to_vec() })
    }
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> EngineError {
    EngineError::new(ErrorClass::Refused, format!("the credential file `{}` cannot be read: {reason}", path.display()))
        .with_hint("correct it, or name another folder: DOCKER_CONFIG=DIR")
}

fn read(path: &Path) -> Result<Option<File>, EngineError> {
    use std::io::Read as _;
    let file = match crate::diag::read::open_plain(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(path, &format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Some(File::default()));
    }
    // Not serde's words: they may quote what is in the file.
    let place = |error: serde_json::Error| {
        unreadable(path, &format!("it is not what `docker login` writes (line {}:{})", error.line(), error.column()))
    };
    serde_json::from_slice(&bytes).map(Some).map_err(place)
}

impl Credentials {
    /// The login for a registry; Podman's files may have one for a part of it (`host/namespace`), so the repository
    /// counts. `None` if no file knows one. Blocks while a helper runs.
    pub fn login(&self, host: &str, repository: &str) -> Result<Option<RegistryLogin>, EngineError> {
        let registry = registry_of(host);
        for (path, file) in &self.files {
            if let Some(found) = self.of_file(path, file, &registry, repository)? {
                return Ok(Some(RegistryLogin { host: host.to_owned(), ..found }));
            }
        }
        Ok(None)
    }

    fn of_file(
        &self,
        path: &Path,
        file: &File,
        registry: &str,
        repository: &str,
    ) -> Result<Option<RegistryLogin>, EngineError> {
        let helpers = file.helpers.iter().flatten();
        let own = helpers.filter(|(host, _)| registry_of(host) == registry).map(|(_, name)| name).next();
        for name in own.into_iter().chain(&file.store).filter(|name| !name.is_empty()) {
            if let Some(login) = self.helper(path, name, registry)? {
                return Ok(Some(login));
            }
        }
        let entries = file.auths.iter().flatten();
        let mut best: Option<(usize, &String, Result<RegistryLogin, &'static str>)> = None;
        for (key, entry) in entries {
            let Some(length) = covers(key, registry, repository) else { continue };
            if let Some(found) = entry.login(registry).transpose()
                && best.as_ref().is_none_or(|(known, ..)| *known < length)
            {
                best = Some((length, key, found));
            }
        }
        match best {
            None => Ok(None),
            Some((_, _, Ok(login))) => Ok(Some(login)),
            Some((_, key, Err(reason))) => Err(unreadable(path, &format!("`auths`, `{key}`: {reason}"))),
        }
    }

    /// What a helper has: `docker-credential-NAME get`, the registry's name on standard input.
    fn helper(&self, file: &Path, name: &str, registry: &str) -> Result<Option<RegistryLogin>, EngineError> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(rename = "Username", default)]
            username: String,
            #[serde(rename = "Secret", default)]
            secret: String,
        }
        let plain =
            name.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c)) && !name.starts_with(['.', '-']);
        if !plain || name.len() > 100 {
            let name = name.escape_debug().to_string();
            return Err(unreadable(file, &format!("`{name}` is no name of a credential helper")));
        }
        let program_name = format!("docker-credential-{name}");
        let wrong = |reason: String| {
            let text = format!("the credential helper `{program_name}` for `{registry}` {reason}");
            EngineError::new(ErrorClass::Auth, text)
                .lacking(Right::Login)
                .with_hint(format!("try it: echo {registry} | {program_name} get; it is named in `{}`", file.display()))
        };
        let Some(program) = which(&program_name, self.path.as_deref()) else {
            return Err(wrong("is not installed".to_owned()));
        };
        let server = if registry == "docker.io" { HUB_KEY } else { registry };
        let probe = Probe::new(self.environment.clone());
        let program = Program::new([program.as_os_str(), "get".as_ref()]).stdin(server).timeout(HELPER_TIME);
        let output = probe.run_helper(program).map_err(|error| wrong(format!("failed: {}", error.message)))?;
        let said = output.out();
        if !output.success() {
            // The words of Docker's helper library for "I have none".
            let told = format!("{said}{}", output.err()).to_ascii_lowercase();
            if told.contains("credentials not found") {
                return Ok(None);
            }
            // Its output could hold half a secret: only its own words of trouble are shown.
            let words = output.err();
            let words: String = words.trim().lines().last().unwrap_or_default().chars().take(200).collect();
            let words =
                if words.is_empty() { format!("ended with code {}", output.rc) } else { format!("failed: {words}") };
            return Err(wrong(words));
        }
        let told: Told = serde_json::from_str(&said).map_err(|_| wrong("did not answer in JSON".to_owned()))?;
        if told.secret.is_empty() {
            return Ok(None);
        }
        let secret = Secret::new(told.secret);
        Ok(Some(if told.username == TOKEN_USER {
            RegistryLogin { identity_token: Some(secret), ..RegistryLogin::new(registry, TOKEN_USER, Secret::new("")) }
        } else {
            RegistryLogin::new(registry, told.username, secret)
        }))
    }
}

/// How much of `registry/repository` a key of `auths` covers; `None` if nothing. Docker's keys are a host, with scheme
/// and path as in old files; Podman's may go on with a namespace.
fn covers(key: &str, registry: &str, repository: &str) -> Option<usize> {
    if registry_of(key) != registry {
        return None;
    }
    let with_scheme = key.contains("://");
    let namespace = key.split_once('/').map(|(_, rest)| rest.trim_matches('/')).filter(|_| !with_scheme);
    match namespace {
        None | Some("" | "v1" | "v2") => Some(0),
        Some(namespace) => {
            let rest = repository.strip_prefix(namespace)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(namespace.len())
        }
    }
}

impl Entry {
    /// The login of an entry; none for an empty one, as files have it whose secrets are in a store.
    fn login(&self, registry: &str) -> Result<Option<RegistryLogin>, &'static str> {
        let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let token = text(&self.identitytoken).map(Secret::new);
        let (username, password) = match text(&self.auth) {
            Some(auth) => decode(&auth)?,
            None => match (text(&self.username), text(&self.password)) {
                (Some(username), Some(password)) => (username, password),
                _ if token.is_some() => (TOKEN_USER.to_owned(), String::new()),
                _ => return Ok(None),
            },
        };
        Ok(Some(RegistryLogin {
            identity_token: token,
            ..RegistryLogin::new(registry, username, Secret::new(password))
        }))
    }
}

/// `auth` is base64 of `user:password`; Docker takes zero bytes at the password's ends away.
fn decode(auth: &str) -> Result<(String, String), &'static str> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, config).decode(auth.trim());
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or("`auth` is no base64 of text")?;
    let (username, password) = text.split_once(':').ok_or("`auth` is no base64 of `user:password`")?;
    Ok((username.to_owned(), password.trim_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            }
            Self(folder)
        }

        fn credentials(&self) -> Result<Credentials, EngineError> {
            let path = |name: &str| self.0.path().join(name).display().to_string();
            let variables = [
                ("HOME", path("home")),
                ("DOCKER_CONFIG", String::new()),
                ("REGISTRY_AUTH_FILE", String::new()),
                ("XDG_RUNTIME_DIR", path("run")),
                ("PATH", format!("{}:/usr/bin:/bin", path("bin"))),
                ("HELPER_LOG", path("log")),
            ];
            Probe::new(variables.map(|(name, value)| (name.to_owned(), value)).to_vec()).registry_credentials()
        }

        fn login(&self, host: &str, repository: &str) -> Option<(String, String, Option<String>)> {
            let login = self.credentials().unwrap().login(host, repository).unwrap()?;
            assert_eq!(login.host, host);
            let token = login.identity_token.as_ref().map(|token| token.expose().to_owned());
            Some((login.username.clone(), login.password.expose().to_owned(), token))
        }

        fn fails(&self, host: &str) -> EngineError {
            self.credentials().and_then(|found| found.login(host, "x")).unwrap_err()
        }
    }

    fn pair(name: &str, password: &str) -> Option<(String, String, Option<String>)> {
        Some((name.to_owned(), password.to_owned(), None))
    }

    const DOCKER: &str = "home/.docker/config.json";
    // u:p:w, hub:pw, me: (with a token)
    const AUTHS: &str = r#"{"auths":{"R.example:5000":{"auth":"dTpwOnc="},"https://index.docker.io/v1/":{"auth":"aHViOnB3"},
        "https://old.example/v1/":{"username":"a","password":"b"},"gone.example":{},
        "token.example":{"auth":"bWU6","identitytoken":"T0k"},"bad.example":{"auth":"%%%"}},"other":1}"#;

    #[test]
    fn dockers_file_is_read_as_docker_reads_it() {
        let home = Home::new(&[(DOCKER, AUTHS)]);
        assert_eq!(home.login("r.example:5000", "lab/x"), pair("u", "p:w"));
        for hub in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(home.login(hub, "lab/x"), pair("hub", "pw"), "{hub}");
        }
        assert_eq!(home.login("old.example", "x"), pair("a", "b"));
        assert_eq!(home.login("gone.example", "x"), None);
        assert_eq!(home.login("r.example", "x"), None, "another port is another registry");
        assert_eq!(home.login("token.example", "x"), Some(("me".into(), String::new(), Some("T0k".into()))));
        let error = home.fails("bad.example");
        assert!(error.message.contains("`bad.example`: `auth` is no base64"), "{error}");
        assert_eq!(Home::new(&[]).login("r.example", "x"), None);
        assert_eq!(Home::new(&[(DOCKER, "\n")]).login("r.example", "x"), None);
    }

    #[test]
    fn a_file_that_is_not_understood_is_named_and_not_quoted() {
        let error = Home::new(&[(DOCKER, "{\"auths\": {\"r\": {\"auth\": s3cret}}}")]).fails("r");
        assert!(error.message.contains(".docker/config.json") && !error.message.contains("s3cret"), "{error}");
        let error = Home::new(&[(DOCKER, r#"{"auths":{"r":"s3cret"}}"#)]).fails("r");
        assert!(!error.message.contains("s3cret"), "{error}");
        let large = format!("{{\"x\":\"{}\"}}", "a".repeat(2 << 20));
        assert!(Home::new(&[(DOCKER, &large)]).fails("r").message.contains("larger than 1 MiB"));
    }

    #[test]
    fn podmans_file_comes_second_and_may_name_a_namespace() {
        let podman = r#"{"auths":{"r.example:5000":{"auth":"dTpwOnc="},"r.example:5000/lab":{"auth":"bGFiOjE="},
            "p.example/a/b":{"auth":"YWI6Mg=="}}}"#;
        let home = Home::new(&[("run/containers/auth.json", podman)]);
        assert_eq!(home.login("r.example:5000", "other/x"), pair("u", "p:w"));
        assert_eq!(home.login("r.example:5000", "lab/x"), pair("lab", "1"));
        assert_eq!(home.login("r.example:5000", "labour/x"), pair("u", "p:w"));
        assert_eq!(home.login("p.example", "a/b/c"), pair("ab", "2"));
        assert_eq!(home.login("p.example", "a/x"), None);
        let docker = r#"{"auths":{"r.example:5000":{"auth":"aHViOnB3"}}}"#;
        let home = Home::new(&[("run/containers/auth.json", podman), (DOCKER, docker)]);
        assert_eq!(home.login("r.example:5000", "lab/x"), pair("hub", "pw"));
    }

    #[test]
    fn helpers_are_asked_by_standard_input_and_go_before_the_file() {
        let helper = "#!/bin/sh\nread host\necho \"$0 $* $host\" >> \"$HELPER_LOG\"\nprintf '{\"ServerURL\":\"%s\",\
                      \"Username\":\"AWS\",\"Secret\":\"s3:cret\"}' \"$host\"\n";
        let none = "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n";
        let token = "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"tok\"}'\n";
        let config = r#"{"credsStore":"none","credHelpers":{"r.example:5000":"ecr-login","https://index.docker.io/v1/":"ecr-login",
            "t.example":"token","lost.example":"lost","evil.example":"../x"},
            "auths":{"r.example:5000":{"auth":"dTpwOnc="},"plain.example":{"auth":"dTpwOnc="}}}"#;
        let home = Home::new(&[
            (DOCKER, config),
            ("bin/docker-credential-ecr-login", helper),
            ("bin/docker-credential-none", none),
            ("bin/docker-credential-token", token),
        ]);
        assert_eq!(home.login("r.example:5000", "x"), pair("AWS", "s3:cret"));
        assert_eq!(home.login("docker.io", "x"), pair("AWS", "s3:cret"));
        let log = fs::read_to_string(home.0.path().join("log")).unwrap();
        let asked: Vec<&str> = log.lines().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest).collect();
        assert_eq!(asked, ["get r.example:5000", "get https://index.docker.io/v1/"]);
        // A store that has none leaves it to the file.
        assert_eq!(home.login("plain.example", "x"), pair("u", "p:w"));
        assert_eq!(home.login("t.example", "x"), Some(("<token>".into(), String::new(), Some("tok".into()))));
        assert!(
            home.fails("lost.example").message.contains("`docker-credential-lost` for `lost.example` is not installed")
        );
        assert!(home.fails("evil.example").message.contains("no name of a credential helper"));
    }

    #[test]
    fn a_helper_that_fails_is_told_without_its_output() {
        let config = r#"{"credsStore":"x"}"#;
        let fails = |script: &str| {
            Home::new(&[(DOCKER, config), ("bin/docker-credential-x", script)]).fails("r.example").message
        };
        let text = fails("#!/bin/sh\necho s3cret; echo 'no such profile' >&2; exit 3\n");
        assert!(text.contains("failed: no such profile") && !text.contains("s3cret"), "{text}");
        let text = fails("#!/bin/sh\necho s3cret\n");
        assert!(text.contains("did not answer in JSON") && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn secrets_are_not_in_what_is_shown_for_a_defect() {
        let home = Home::new(&[(DOCKER, AUTHS)]);
        let shown = format!("{:?} {:?}", home.credentials().unwrap(), home.login("r.example:5000", "x").is_some());
        assert!(shown.contains("r.example") || shown.contains("R.example"), "{shown}");
        for secret in ["dTpwOnc", "p:w", "T0k"] {
            assert!(!shown.contains(secret), "{secret}");
        }
    }
}
