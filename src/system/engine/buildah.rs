//! Builds without an engine: the program `buildah` with `chroot` isolation, for hosts that are containers
//! themselves. Logins and secrets go through private files in memory, never through arguments or
//! variables; build arguments are arguments, as they stay in the image's history anyway.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::backend::Saved;
use super::buildah_program::{Ended, Program, Told};
use super::client::{ImageFacts, PushSpec};
use super::credentials::RegistryLogin;
use super::error::{EngineError, ErrorClass};
use super::registry::is_loopback;
use super::{BuildEvent, BuildSpec, CacheTo, ContextSource, FailedStep, Feed};
use crate::secret::{Secret, passwords_in};
use crate::system::{Mutate, Probe};

/// Where `buildah` keeps images, and how registries are reached.
#[derive(Clone, Debug, Default)]
pub struct BuildahSettings {
    /// The store; by default that of the host's `storage.conf`.
    pub root: Option<PathBuf>,
    /// Its run-time state.
    pub run_root: Option<PathBuf>,
    /// `overlay`, `vfs`; by default `vfs` where the store lies on an overlay, else the host's own.
    pub driver: Option<String>,
    /// Registries reached over plain HTTP, besides those on loopback.
    pub insecure: Vec<String>,
    /// A CA file for registries besides the host's own.
    pub ca_file: Option<PathBuf>,
}

/// The program and its store.
#[derive(Clone, Debug)]
pub struct Buildah {
    program: Program,
    settings: BuildahSettings,
    version: String,
    mutate: Mutate,
}

/// Where the store is unless told otherwise.
const STORE: &str = "/var/lib/containers/storage";

/// The host's own rules for registries.
const REGISTRIES: &str = "/etc/containers/registries.conf";

impl Probe {
    /// Where `buildah` is; `None` if it is not installed.
    pub fn buildah(&self) -> Option<PathBuf> {
        self.which("buildah")
    }
}

impl Mutate {
    /// Finds the program and asks for its version.
    pub async fn buildah(&self, settings: BuildahSettings) -> Result<Buildah, EngineError> {
        let path = self.probe().buildah().ok_or_else(|| {
            EngineError::new(ErrorClass::Unusable, "`buildah` is not installed here: apt-get install buildah")
        })?;
        let mut global: Vec<OsString> = Vec::new();
        for (option, value) in [("--root", &settings.root), ("--runroot", &settings.run_root)] {
            if let Some(value) = value {
                global.extend([option.into(), value.into()]);
            }
        }
        let store = settings.root.as_deref().unwrap_or(Path::new(STORE));
        let nested = || self.probe().file_system(store).is_some_and(|kind| kind == "overlay");
        if let Some(driver) = settings.driver.clone().or_else(|| nested().then(|| "vfs".to_owned())) {
            global.extend(["--storage-driver".into(), driver.into()]);
        }
        let variables = self.probe().environment().iter().map(|(name, value)| (name.into(), value.into())).collect();
        let program = Program { path, global, variables };
        let (ended, out) = program.output(&["--version".into()]).await?;
        if !ended.success {
            return Err(EngineError::new(ErrorClass::Unusable, format!("`buildah`: {}", ended.words())));
        }
        // `buildah version 1.28.2 (image-spec 1.0.2-dev, ...)`
        let version = String::from_utf8_lossy(&out).split_whitespace().nth(2).unwrap_or("unknown").to_owned();
        Ok(Buildah { program, settings, version, mutate: self.clone() })
    }
}

impl Buildah {
    /// The program's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Builds an image and gives it its names. Dropping the future ends the running step.
    pub async fn build(&self, spec: &BuildSpec, feed: &Feed) -> Result<(), EngineError> {
        let private = Private::new(&spec.logins, &spec.secrets, self.insecure(&spec.logins))?;
        let context = self.unpack(spec).await?;
        let mut program = self.program.clone();
        program.variables.push(("CONTAINERS_REGISTRIES_CONF".into(), private.path("registries.conf").into()));
        let arguments = arguments(spec, &private, context.path(), self.settings.ca_file.as_deref())?;
        let mut step = None;
        let mut tell = |told: Told<'_>| {
            let line = match told {
                Told::Out(line) | Told::Err(line) => line,
            };
            if let Some((stage, number, of, text)) = step_of(line) {
                feed.send(BuildEvent::Step { step: number, of, text: text.to_owned() });
                step = Some(FailedStep { step: number, stage, text: text.to_owned(), classic: false });
            }
            feed.send(BuildEvent::Log(line.to_owned()));
        };
        let ended = program.run(&arguments, &mut tell).await?;
        if ended.success { Ok(()) } else { Err(build_failed(&ended, step)) }
    }

    /// Gives an image one more name.
    pub async fn tag(&self, image: &str, name: &str) -> Result<(), EngineError> {
        self.short(&["tag", image, name]).await.map(drop)
    }

    /// One try of a push; the digest of what was sent.
    pub async fn push(&self, spec: &PushSpec, feed: &Feed) -> Result<String, EngineError> {
        let logins: Vec<RegistryLogin> = spec.login.iter().cloned().collect();
        let private = Private::new(&logins, &Default::default(), self.insecure(&logins))?;
        let name = format!("{}:{}", spec.repository, spec.tag);
        let host = spec.repository.split('/').next().unwrap_or_default();
        let mut arguments: Vec<OsString> = vec!["push".into(), "--authfile".into(), private.path("auth.json").into()];
        arguments.extend(["--digestfile".into(), private.path("digest").into()]);
        if is_loopback(host) || self.settings.insecure.iter().any(|one| one == host) {
            arguments.push("--tls-verify=false".into());
        }
        if let Some(folder) = certs(&private, self.settings.ca_file.as_deref())? {
            arguments.extend(["--cert-dir".into(), folder.into()]);
        }
        arguments.extend(["--".into(), name.clone().into(), format!("docker://{name}").into()]);
        let mut tell = |told: Told<'_>| {
            let (Told::Out(line) | Told::Err(line)) = told;
            feed.send(BuildEvent::Log(format!("push: {line}")));
        };
        let ended = self.program.run(&arguments, &mut tell).await?;
        if !ended.success {
            return Err(EngineError::from_text(&ended.words()));
        }
        let digest = fs::read_to_string(private.path("digest")).unwrap_or_default();
        Ok(digest.trim().to_owned())
    }

    /// Pulls an image by its digest.
    pub async fn pull(&self, reference: &str, login: Option<&RegistryLogin>, feed: &Feed) -> Result<(), EngineError> {
        let logins: Vec<RegistryLogin> = login.cloned().into_iter().collect();
        let private = Private::new(&logins, &Default::default(), self.insecure(&logins))?;
        let host = reference.split('/').next().unwrap_or_default();
        let mut arguments: Vec<OsString> = vec!["pull".into(), "--authfile".into(), private.path("auth.json").into()];
        if is_loopback(host) || self.settings.insecure.iter().any(|one| one == host) {
            arguments.push("--tls-verify=false".into());
        }
        if let Some(folder) = certs(&private, self.settings.ca_file.as_deref())? {
            arguments.extend(["--cert-dir".into(), folder.into()]);
        }
        arguments.extend(["--".into(), format!("docker://{reference}").into()]);
        let mut tell = |told: Told<'_>| {
            let (Told::Out(line) | Told::Err(line)) = told;
            feed.send(BuildEvent::Log(format!("pull: {line}")));
        };
        let ended = self.program.run(&arguments, &mut tell).await?;
        if ended.success { Ok(()) } else { Err(EngineError::from_text(&ended.words())) }
    }

    /// Takes a name away from an image, and the image if it was the last one.
    pub async fn remove(&self, image: &str) -> Result<(), EngineError> {
        self.short(&["rmi", "--", image]).await.map(drop)
    }

    /// Removes images without a name; returns the bytes won on the store's file system.
    pub async fn prune(&self) -> Result<u64, EngineError> {
        let store = self.settings.root.clone().unwrap_or_else(|| STORE.into());
        let free = || self.mutate.probe().room(&store).map_or(0, |room| room.free);
        let before = free();
        self.short(&["rmi", "--prune", "--force"]).await?;
        Ok(free().saturating_sub(before))
    }

    /// What the store has under a name; `None` if nothing.
    pub async fn inspect(&self, image: &str) -> Result<Option<ImageFacts>, EngineError> {
        let Some(found) = self.look(image).await? else { return Ok(None) };
        let id = found["FromImageID"].as_str().unwrap_or_default();
        let manifest: Json = serde_json::from_str(found["Manifest"].as_str().unwrap_or_default()).unwrap_or_default();
        let sizes = manifest["layers"].as_array().into_iter().flatten().filter_map(|layer| layer["size"].as_u64());
        let layers = found["Docker"]["rootfs"]["diff_ids"].as_array().into_iter().flatten();
        Ok(Some(ImageFacts {
            id: if id.starts_with("sha256:") { id.to_owned() } else { format!("sha256:{id}") },
            size: sizes.fold(0, u64::saturating_add),
            layers: layers.filter_map(|layer| layer.as_str().map(str::to_owned)).collect(),
            digests: Vec::new(),
        }))
    }

    /// The image's configuration and history as JSON text, for searches.
    pub async fn description(&self, image: &str) -> Result<Vec<(&'static str, String)>, EngineError> {
        let found = self
            .look(image)
            .await?
            .ok_or_else(|| EngineError::new(ErrorClass::NotFound, format!("`buildah` has no image `{image}`")))?;
        Ok(vec![("configuration", found["Docker"]["config"].to_string()), ("history", found["History"].to_string())])
    }

    /// The image as `docker save` writes it.
    pub fn save<'a>(&'a self, image: &'a str) -> Saved<'a> {
        let words = ["push", "--quiet", "--", image, "docker-archive:/dev/stdout"];
        self.program.stream(words.map(OsString::from).into())
    }

    async fn look(&self, image: &str) -> Result<Option<Json>, EngineError> {
        let words = ["inspect", "--type", "image", "--", image].map(OsString::from);
        let (ended, out) = self.program.output(&words).await?;
        if ended.success {
            let bad = |error| EngineError::new(ErrorClass::Other, format!("`buildah inspect` gave no JSON: {error}"));
            return serde_json::from_slice(&out).map(Some).map_err(bad);
        }
        let words = ended.words();
        if words.contains("image not known") { Ok(None) } else { Err(EngineError::from_text(&words)) }
    }

    async fn short(&self, words: &[&str]) -> Result<Vec<u8>, EngineError> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let (ended, out) = self.program.output(&words).await?;
        if ended.success { Ok(out) } else { Err(EngineError::from_text(&ended.words())) }
    }

    fn insecure(&self, logins: &[RegistryLogin]) -> Vec<String> {
        let local = logins.iter().map(|login| login.host.clone()).filter(|host| is_loopback(host));
        let mut all: Vec<String> = self.settings.insecure.iter().cloned().chain(local).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The context as a private folder, since `buildah` reads one.
    async fn unpack(&self, spec: &BuildSpec) -> Result<tempfile::TempDir, EngineError> {
        let failed = |error: &dyn std::fmt::Display| {
            EngineError::from_text(&format!("the build context cannot be laid out: {error}"))
        };
        let folder = self.mutate.scratch_tree(&[]).map_err(|error| failed(&error))?;
        let (source, root) = (Arc::clone(&spec.context), folder.path().to_path_buf());
        let work = tokio::task::spawn_blocking(move || unpack(&*source, &root));
        work.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        Ok(folder)
    }
}

/// Writes the tar into a folder through a pipe; names that would leave the folder are refused.
fn unpack(source: &dyn ContextSource, root: &Path) -> io::Result<()> {
    let (reader, mut writer) = io::pipe()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || source.write_tar(&mut writer).and_then(|()| writer.flush()));
        let mut archive = tar::Archive::new(reader);
        archive.set_preserve_permissions(true);
        let read = (|| {
            for entry in archive.entries()? {
                let mut entry = entry?;
                let path = entry.path()?.into_owned();
                let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
                if !inside || !entry.unpack_in(root)? {
                    let text = format!("`{}` would lie outside of its context", path.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
            }
            Ok(())
        })();
        // Padding behind the last entry is read, so that the writer does not see a closed pipe.
        let drained = read.and_then(|()| io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop));
        let written = writing.join().unwrap_or_else(|_| Err(io::Error::other("the context's writer stopped")));
        match (drained, written) {
            (Err(error), _) => Err(error),
            (Ok(()), written) => written,
        }
    })
}

/// A private folder in memory (0700, files 0600), removed when dropped.
struct Private {
    folder: tempfile::TempDir,
}

impl Private {
    fn new(
        logins: &[RegistryLogin],
        secrets: &std::collections::BTreeMap<String, Secret>,
        insecure: Vec<String>,
    ) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::from_text(&format!("no private folder for logins: {error}"));
        // Memory first: what is written there is gone with the machine.
        let places = ["/dev/shm", "/run", "/var/tmp"].map(Path::new);
        let made = places.iter().filter(|place| place.is_dir()).map(|place| {
            use std::os::unix::fs::PermissionsExt as _;
            tempfile::Builder::new()
                .prefix(&crate::system::leftovers::prefix())
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(place)
        });
        let mut refused = io::Error::other("no folder for temporary files");
        let mut found = None;
        for one in made {
            match one {
                Ok(folder) => {
                    found = Some(folder);
                    break;
                }
                Err(error) => refused = error,
            }
        }
        let own = Self { folder: found.ok_or_else(|| failed(refused))? };
        let auths: serde_json::Map<String, Json> = logins
            .iter()
            .map(|login| {
                let pair = format!("{}:{}", login.username, login.password.expose());
                let mut entry = json!({ "auth": STANDARD.encode(pair) });
                if let Some(token) = &login.identity_token {
                    entry["identitytoken"] = token.expose().into();
                }
                (login.host.clone(), entry)
            })
            .collect();
        own.write("auth.json", json!({ "auths": auths }).to_string().as_bytes()).map_err(failed)?;
        let host_rules = fs::read_to_string(REGISTRIES).unwrap_or_default();
        own.write("registries.conf", registries(&host_rules, &insecure).as_bytes()).map_err(failed)?;
        own.write("ignore", b"").map_err(failed)?;
        for (number, (_, secret)) in secrets.iter().enumerate() {
            own.write(&format!("secret-{number}"), secret.expose().as_bytes()).map_err(failed)?;
        }
        Ok(own)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path(name))?.write_all(bytes)
    }
}

/// The host's rules, with Docker Hub for bare names where they name nothing, and the insecure registries.
fn registries(host: &str, insecure: &[String]) -> String {
    let has = |key: &str| host.lines().any(|line| line.trim_start().starts_with(key));
    let mut text = String::new();
    if !has("unqualified-search-registries") {
        text += "unqualified-search-registries = [\"docker.io\"]\n";
    }
    text += host;
    for name in insecure.iter().filter(|name| !host.contains(&format!("\"{name}\""))) {
        let name = Json::from(name.as_str());
        text += &format!("\n[[registry]]\nlocation = {name}\ninsecure = true\n");
    }
    text
}

/// A folder with the CA, as `--cert-dir` wants it.
fn certs(private: &Private, ca_file: Option<&Path>) -> Result<Option<PathBuf>, EngineError> {
    let Some(file) = ca_file else { return Ok(None) };
    let failed = |error: io::Error| {
        EngineError::new(ErrorClass::Certificate, format!("the CA file `{}`: {error}", file.display()))
    };
    let folder = private.path("certs");
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
    fs::copy(file, folder.join("ca.crt")).map_err(failed)?;
    Ok(Some(folder))
}

fn arguments(
    spec: &BuildSpec,
    private: &Private,
    context: &Path,
    ca_file: Option<&Path>,
) -> Result<Vec<OsString>, EngineError> {
    let refused = |text: String| Err(EngineError::new(ErrorClass::Refused, text));
    let mut words: Vec<OsString> = Vec::new();
    let mut add = |parts: &[&dyn AsRef<std::ffi::OsStr>]| words.extend(parts.iter().map(|part| part.as_ref().into()));
    // The format of Docker keeps HEALTHCHECK, SHELL and ONBUILD, which OCI's would drop.
    add(&[&"build", &"--isolation", &"chroot", &"--layers", &"--force-rm", &"--format", &"docker"]);
    add(&[&"--identity-label=false", &"--http-proxy=false"]);
    add(&[&"--authfile", &private.path("auth.json")]);
    // `.dockerignore` was applied when the context was made.
    add(&[&"--ignorefile", &private.path("ignore")]);
    add(&[&"--file", &context.join(&spec.dockerfile)]);
    // Parents of this run need not be in a registry yet.
    add(&[if spec.pull { &"--pull=true" } else { &"--pull=false" }]);
    for (key, value) in &spec.args {
        if !passwords_in(value).is_empty() {
            return refused(format!(
                "the build argument `{key}` holds a password, which all users would see: buildah has it on its command line"
            ));
        }
        add(&[&"--build-arg", &format!("{key}={value}")]);
    }
    for (key, value) in &spec.labels {
        add(&[&"--label", &format!("{key}={value}")]);
    }
    for (number, id) in spec.secrets.keys().enumerate() {
        if id.contains([',', '=']) {
            return refused(format!("`{id}` cannot name a build secret: no `,` and no `=`"));
        }
        add(&[&"--secret", &format!("id={id},src={}", private.path(&format!("secret-{number}")).display())]);
    }
    for (id, socket) in &spec.ssh {
        if id.contains([',', '=']) {
            return refused(format!("`{id}` cannot name an ssh agent: no `,` and no `=`"));
        }
        add(&[&"--ssh", &format!("{id}={}", socket.display())]);
    }
    for name in &spec.cache_from {
        add(&[&"--cache-from", &repository(name)]);
    }
    for to in &spec.cache_to {
        match to {
            CacheTo::Registry { name, .. } => add(&[&"--cache-to", &repository(name)]),
            CacheTo::Inline => {
                return refused(
                    "`buildah` cannot write its cache into the image: use a registry in `cache_to`".to_owned(),
                );
            }
        }
    }
    for (name, address) in &spec.extra_hosts {
        add(&[&"--add-host", &format!("{name}:{address}")]);
    }
    if spec.network_host {
        add(&[&"--network", &"host"]);
    }
    if let Some(target) = &spec.target {
        add(&[&"--target", target]);
    }
    if let Some(platform) = &spec.platform {
        add(&[&"--platform", platform]);
    }
    if spec.no_cache {
        add(&[&"--no-cache"]);
    }
    if let Some(folder) = certs(private, ca_file)? {
        add(&[&"--cert-dir", &folder]);
    }
    for name in &spec.names {
        add(&[&"--tag", name]);
    }
    add(&[&"--", &context]);
    Ok(words)
}

/// `--cache-from` wants a repository without a tag.
fn repository(name: &str) -> String {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository.to_owned(),
        _ => name.to_owned(),
    }
}

/// `[2/3] STEP 4/5: RUN make` is step 4 of 5 of stage 2.
fn step_of(line: &str) -> Option<(Option<String>, u32, u32, &str)> {
    let (stage, rest) = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((stage, rest)) => (Some(stage.split('/').next()?.to_owned()), rest),
        None => (None, line),
    };
    let (numbers, text) = rest.strip_prefix("STEP ")?.split_once(": ")?;
    let (step, of) = numbers.split_once('/')?;
    Some((stage, step.parse().ok()?, of.parse().ok()?, text))
}

/// `building at STEP "RUN x": exit status 7` with the step before it; the exit code in the words of the
/// other builders.
fn build_failed(ended: &Ended, step: Option<FailedStep>) -> EngineError {
    let words = ended.words();
    let at_step = words.contains("at STEP \"");
    let text = match words.rsplit_once("exit status ") {
        Some((before, code)) if at_step && code.chars().all(|c| c.is_ascii_digit()) => {
            format!("{}exit code: {code}", before.strip_suffix("while running runtime: ").unwrap_or(before))
        }
        _ => words.clone(),
    };
    EngineError::from_text(&text).at_step(step.filter(|_| at_step))
}

#[cfg(test)]
#[path = "buildah_tests.rs"]
mod tests;
