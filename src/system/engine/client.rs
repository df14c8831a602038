//! The engine's API: connect, inspect, history, build, tag, push, remove.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, PruneBuildOptionsBuilder, PruneImagesOptionsBuilder,
    PushImageOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::credentials::RegistryLogin;
use super::error::{EngineError, ErrorClass};
use super::ping::ping;
use super::registry::is_digest;
use super::wire::{self, Wire};
use super::{BuildEvent, BuildSpec, BuilderKind, ContextSource, Feed, buildkit, classic, session, socket_path};
use crate::system::{Mutate, Probe};

/// What to push.
#[derive(Clone, Debug)]
pub struct PushSpec {
    /// `host/repo/name`.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The login, if the registry wants one.
    pub login: Option<RegistryLogin>,
}

/// What is known of an image that the engine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// `sha256:...` of its configuration.
    pub id: String,
    /// Bytes of all layers.
    pub size: u64,
    /// The layers' content digests, base first.
    pub layers: Vec<String>,
    /// `registry:5000/lab/base@sha256:...`, where it was pulled from or pushed to.
    pub digests: Vec<String>,
}

/// The engine, for reading.
#[derive(Clone)]
pub struct Engine {
    docker: Docker,
    socket: PathBuf,
    version: String,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("socket", &self.socket).field("version", &self.version).finish()
    }
}

/// The engine, for changes.
#[derive(Clone, Debug)]
pub struct EngineMut {
    engine: Engine,
    /// A push of which nothing is told for so long has failed.
    silence: Duration,
}

/// How long an engine may say nothing of a push: so long as a registry may take for what it was given.
const SILENCE: Duration = Duration::from_mins(10);

impl Probe {
    /// Connects to the engine at a `unix://` address and asks for its version.
    pub async fn engine(&self, address: &str) -> Result<Engine, EngineError> {
        let socket = socket_path(address)?;
        let text = socket.display().to_string();
        if let Some((api, version)) = ping(&socket).await {
            let newest = API_DEFAULT_VERSION;
            let both = |api: &ClientVersion| (api.major_version, api.minor_version);
            let api = if both(&api) < both(newest) { &api } else { newest };
            let docker = wire::connect(Wire::new(socket.clone()), api)?;
            return Ok(Engine { docker, socket, version });
        }
        let docker = wire::connect(Wire::new(socket.clone()), API_DEFAULT_VERSION)?
            .negotiate_version()
            .await
            .map_err(EngineError::from)
            .map_err(|error| {
                let message = format!("the engine at `{text}` does not answer: {}", error.message);
                let class = if error.class == ErrorClass::Unusable { error.class } else { ErrorClass::Unreachable };
                EngineError { hint: error.hint, ..EngineError::new(class, message) }
            })?;
        let version = docker.version().await?.version.unwrap_or_else(|| "unknown".to_owned());
        Ok(Engine { docker, socket, version })
    }
}

impl Mutate {
    /// The writing half of an engine.
    pub fn engine(&self, engine: &Engine) -> EngineMut {
        EngineMut { engine: engine.clone(), silence: SILENCE }
    }
}

/// Engines read the URL-safe alphabet, and a parameter for each extra host; bollard writes the standard
/// one, and one parameter.
pub(super) fn as_engines_read<B>(mut request: hyper::Request<B>) -> hyper::Request<B> {
    if let Some(uri) = each_host(request.uri()) {
        *request.uri_mut() = uri;
    }
    for name in ["x-registry-auth", "x-registry-config"] {
        let Some(value) = request.headers().get(name).and_then(|value| value.to_str().ok()) else { continue };
        let safe = value.replace('+', "-").replace('/', "_");
        if let Ok(safe) = hyper::header::HeaderValue::from_str(&safe) {
            request.headers_mut().insert(name, safe);
        }
    }
    request
}

/// `extrahosts=a%3A1%2Cb%3A2` as two parameters.
fn each_host(uri: &hyper::Uri) -> Option<hyper::Uri> {
    let query = uri.query().filter(|query| query.contains("extrahosts="))?;
    let each = |part: &str| match part.strip_prefix("extrahosts=") {
        Some(hosts) => hosts.split("%2C").map(|host| format!("extrahosts={host}")).collect::<Vec<_>>().join("&"),
        None => part.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(each).collect();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{}", uri.path(), query.join("&")).parse().ok()?);
    hyper::Uri::from_parts(parts).ok()
}

impl Engine {
    /// The engine's own version (`20.10.24`).
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder that the engine keeps everything in.
    pub async fn root_folder(&self) -> Option<PathBuf> {
        self.docker.info().await.ok()?.docker_root_dir.filter(|dir| !dir.is_empty()).map(PathBuf::from)
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// BuildKit if a session can be opened, else the classic builder.
    pub async fn builder(&self) -> Result<BuilderKind, EngineError> {
        Ok(if session::probe(&self.socket).await? { BuilderKind::BuildKit } else { BuilderKind::Classic })
    }

    /// What the engine has under a name; `None` if nothing.
    pub async fn inspect(&self, image: &str) -> Result<Option<ImageFacts>, EngineError> {
        match self.docker.inspect_image(image).await.map_err(EngineError::from) {
            Ok(found) => Ok(Some(ImageFacts {
                id: found.id.unwrap_or_default(),
                size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                layers: found.root_fs.and_then(|fs| fs.layers).unwrap_or_default(),
                digests: found.repo_digests.unwrap_or_default(),
            })),
            Err(error) if error.class == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The image's configuration and history as JSON text, for searches.
    pub async fn description(&self, image: &str) -> Result<Vec<(&'static str, String)>, EngineError> {
        let config = self.docker.inspect_image(image).await?.config;
        let history = self.docker.image_history(image).await?;
        let text = |json: serde_json::Result<String>| json.unwrap_or_default();
        Ok(vec![
            ("configuration", text(serde_json::to_string(&config))),
            ("history", text(serde_json::to_string(&history))),
        ])
    }

    /// The image as `docker save` writes it.
    pub fn save(&self, image: &str) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + '_ {
        self.docker.export_image(image).map(|chunk| chunk.map_err(EngineError::from))
    }

    /// Names of running containers (for tests and for honest messages after an engine restart).
    pub async fn running(&self) -> Result<Vec<String>, EngineError> {
        let options = ListContainersOptionsBuilder::new().all(false).build();
        let found = self.docker.list_containers(Some(options)).await?;
        Ok(found.into_iter().filter_map(|container| container.id).collect())
    }
}

impl EngineMut {
    /// The reading half.
    pub fn reader(&self) -> &Engine {
        &self.engine
    }

    /// The same with another limit for pushes of which nothing is told.
    #[must_use]
    pub fn patient(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Builds an image and gives it its names. Dropping the future ends the running step.
    pub async fn build(&self, kind: BuilderKind, spec: &BuildSpec, feed: &Feed) -> Result<(), EngineError> {
        match kind {
            BuilderKind::BuildKit => buildkit::build(&self.engine.socket, spec, feed).await?,
            BuilderKind::Classic => classic::build(&self.engine, spec, feed).await?,
            BuilderKind::Buildah => {
                return Err(EngineError::new(ErrorClass::Unusable, "`buildah` builds without this engine"));
            }
        }
        let Some(name) = spec.names.first() else { return Ok(()) };
        // What an engine says of a build is believed only if it then has the image.
        if self.engine.inspect(name).await?.is_some_and(|facts| !facts.id.is_empty()) {
            return Ok(());
        }
        let message = format!("the engine told of a successful build, but has no image `{name}`");
        Err(EngineError::new(ErrorClass::Unusable, message)
            .with_hint(format!("ask the engine: `docker inspect {name}`")))
    }

    /// Gives an image one more name.
    pub async fn tag(&self, image: &str, name: &str) -> Result<(), EngineError> {
        tag(&self.engine.docker, image, name).await
    }

    /// One try of a push. The digest that the engine says it has pushed. Engines have no limit for a registry that
    /// takes nothing more: when nothing is told for ten minutes the push is ended, as trouble that may pass.
    pub async fn push(&self, spec: &PushSpec, feed: &Feed) -> Result<Option<String>, EngineError> {
        let options = PushImageOptionsBuilder::new().tag(&spec.tag).build();
        let login = spec.login.as_ref().map(RegistryLogin::credentials);
        let (docker, taken) = self.engine.streaming()?;
        let mut digest = None;
        let late = |_| {
            let minutes = self.silence.as_secs_f64() / 60.0;
            let host = spec.repository.split('/').next().unwrap_or_default();
            EngineError::new(
                ErrorClass::Transient,
                format!("registry `{host}`: the push made no progress for {minutes:.0} min and was ended"),
            )
            .with_hint(format!("see what the registry and the way to it do: `curl -sSI https://{host}/v2/`"))
        };
        let asked = wire::messages(taken, docker.push_image(&spec.repository, Some(options), login));
        let mut answers = tokio::time::timeout(self.silence, asked).await.map_err(late)??;
        while let Some(info) = tokio::time::timeout(self.silence, answers.next()).await.map_err(late)?? {
            if let Some(error) = info.error_detail {
                return Err(EngineError::from_text(&error.message.unwrap_or_default()));
            }
            if let Some(status) = info.status
                && info.progress_detail.is_none_or(|detail| detail.total.is_none())
            {
                digest = pushed_digest(&status, &spec.tag).or(digest);
                // What is only planned is told once for each layer, and says nothing.
                if !matches!(status.as_str(), "Preparing" | "Waiting") {
                    feed.send(BuildEvent::Log(format!("push: {status}")));
                }
            }
        }
        Ok(digest)
    }

    /// Pulls an image by its digest: `registry:5000/lab/base@sha256:...`.
    pub async fn pull(&self, reference: &str, login: Option<&RegistryLogin>, feed: &Feed) -> Result<(), EngineError> {
        let (repository, digest) = reference.split_once('@').unwrap_or((reference, ""));
        let options = CreateImageOptionsBuilder::new().from_image(repository).tag(digest).build();
        let login = login.map(RegistryLogin::credentials);
        let (docker, taken) = self.engine.streaming()?;
        let mut answers = wire::messages(taken, docker.create_image(Some(options), None, login)).await?;
        while let Some(info) = answers.next().await? {
            if let Some(error) = info.error_detail {
                return Err(EngineError::from_text(&error.message.unwrap_or_default()));
            }
            if let Some(status) = info.status
                && info.progress_detail.is_none_or(|detail| detail.total.is_none())
            {
                feed.send(BuildEvent::Log(format!("pull: {status}")));
            }
        }
        Ok(())
    }

    /// Takes a name away from an image, and the image if it was the last one.
    pub async fn remove(&self, image: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::new().build();
        self.engine.docker.remove_image(image, Some(options), None).await?;
        Ok(())
    }

    /// Removes images without a name; returns the bytes won.
    pub async fn prune(&self) -> Result<u64, EngineError> {
        let filters = std::collections::HashMap::from([("dangling".to_owned(), vec!["true".to_owned()])]);
        let options = PruneImagesOptionsBuilder::new().filters(&filters).build();
        let pruned = self.engine.docker.prune_images(Some(options)).await?;
        Ok(pruned.space_reclaimed.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// Removes build cache that nothing uses; returns the bytes won.
    pub async fn prune_cache(&self) -> Result<u64, EngineError> {
        let options = PruneBuildOptionsBuilder::new().all(true).build();
        let pruned = self.engine.docker.prune_build(Some(options)).await?;
        Ok(pruned.space_reclaimed.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }
}

/// `1.2: digest: sha256:... size: 1234`: the last line of a push.
fn pushed_digest(status: &str, tag: &str) -> Option<String> {
    let rest = status.strip_prefix(tag)?.strip_prefix(": digest: ")?;
    rest.split(' ').next().filter(|digest| is_digest(digest)).map(str::to_owned)
}

pub(super) async fn tag(docker: &Docker, image: &str, name: &str) -> Result<(), EngineError> {
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    };
    let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
    docker.tag_image(image, Some(options)).await.map_err(EngineError::from)
}

/// The context's tar in chunks, written by a blocking thread only as fast as it is read.
pub(super) fn tar_chunks(source: Arc<dyn ContextSource>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(8);
    tokio::task::spawn_blocking(move || {
        let mut writer = ChunkWriter { sender: sender.clone(), buffer: Vec::with_capacity(CHUNK) };
        let done = source.write_tar(&mut writer).and_then(|()| writer.flush());
        if let Err(error) = done {
            // If nobody listens the engine hung up first, and has said why.
            let _ = sender.blocking_send(Err(error));
        }
    });
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    })
}

const CHUNK: usize = 256 << 10;

struct ChunkWriter {
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    buffer: Vec<u8>,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let take = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..take]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender
            .blocking_send(Ok(chunk.into()))
            .map_err(|_| std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the engine stopped reading the context"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl ContextSource for Nothing {
        fn write_tar(&self, _: &mut dyn Write) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// An engine that says yes to every build; whether it then has the image is given.
    async fn says_built(id: &'static str) -> Result<(), EngineError> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = vec![0; 64 << 10];
                let count = stream.read(&mut asked).await.unwrap_or(0);
                let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
                let (status, body) = if asked.contains("/_ping") {
                    ("200 OK", "OK".to_owned())
                } else if asked.contains("/build") {
                    ("200 OK", "{\"stream\":\"Successfully built abc\\n\"}\n".to_owned())
                } else if id.is_empty() {
                    ("404 Not Found", "{\"message\":\"no such image\"}".to_owned())
                } else {
                    ("200 OK", format!("{{\"Id\":\"{id}\"}}"))
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nServer: Docker/20.10 (linux)\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let mut rest = Vec::new();
                let _ = tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut rest)).await;
            }
        });
        let probe = Probe::new(Vec::new());
        let mutate = Mutate::with_probe(probe);
        let engine = mutate.probe().engine(&format!("unix://{}", socket.display())).await.unwrap();
        let spec = BuildSpec { names: vec!["x:t".to_owned()], ..BuildSpec::new(Arc::new(Nothing)) };
        let built = mutate.engine(&engine).build(BuilderKind::Classic, &spec, &Feed::new(|_| {})).await;
        server.abort();
        built
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_build_counts_only_if_the_engine_has_the_image() {
        says_built("sha256:abc").await.unwrap();
        let error = says_built("").await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unusable);
        assert!(error.message.contains("has no image `x:t`"), "{error:?}");
    }

    #[test]
    fn logins_are_sent_in_the_alphabet_that_engines_read() {
        let request = hyper::Request::builder().header("X-Registry-Auth", "a+b/c=").body(()).unwrap();
        let fixed = as_engines_read(request);
        assert_eq!(fixed.headers()["x-registry-auth"], "a-b_c=");
    }

    #[test]
    fn each_extra_host_is_a_parameter() {
        let uri: hyper::Uri = "http://localhost/build?t=x&extrahosts=a%3A1%2Cb%3A2&rm=true".parse().unwrap();
        let expected = "http://localhost/build?t=x&extrahosts=a%3A1&extrahosts=b%3A2&rm=true";
        assert_eq!(each_host(&uri).unwrap().to_string(), expected);
        assert_eq!(each_host(&"http://localhost/build?t=a%2Cb".parse().unwrap()), None);
    }

    #[test]
    fn the_engine_tells_what_it_pushed() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let found = |line: &str| pushed_digest(line, "1.2");
        assert_eq!(found(&format!("1.2: digest: {digest} size: 528")), Some(digest.clone()));
        assert_eq!(found(&format!("1.20: digest: {digest} size: 528")), None);
        assert_eq!(found("1.2: digest: sha256:short size: 528"), None);
        assert_eq!(found("Layer already exists"), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_context_larger_than_the_channel_arrives_whole() {
        struct Big;
        impl ContextSource for Big {
            fn write_tar(&self, out: &mut dyn Write) -> std::io::Result<()> {
                out.write_all(&vec![7; 5 << 20])
            }
        }
        let chunks: Vec<_> = tar_chunks(Arc::new(Big)).collect().await;
        let bytes: usize = chunks.into_iter().map(|chunk| chunk.unwrap().len()).sum();
        assert_eq!(bytes, 5 << 20);
    }
}
