//! `hostctl tags verify`: asks registries for each digest of tag files, by tag and by digest.
//!
//! The login is the environment's own (`registry`, `registry_username`, `registry_password`), sent to that registry
//! only; else what Docker's and Podman's credential files and helpers of this user have.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;

use super::project::{ProjectRequest, open};
use super::tags::TagFileView;
use crate::diag::{Diagnostic, Result, SourceMap};
use crate::image::retry::{Next, Policy, Tries, Work};
use crate::image::{valid_tag, without_tag};
use crate::map;
use crate::secret::{Redactor, Secret};
use crate::system::Probe;
use crate::system::engine::{
    Credentials, EngineError, ErrorClass, RegistryClient, RegistryLogin, RegistrySettings, is_digest, registry_of,
    split_name,
};
use crate::value::{Value, python_str};
use crate::vars::{Layer, Level, Scope};
use crate::yaml;

/// Requests at the same time.
const PARALLEL: usize = 8;
/// The longest single wait that a person at a terminal is asked for.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// How registries are reached, besides what environments say.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Registries that may be asked by plain HTTP.
    pub insecure: Vec<String>,
    /// A CA file besides the host's own.
    pub ca_file: Option<PathBuf>,
}

/// What a registry has of a recorded digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TagState {
    /// The tag points to the digest.
    Ok,
    /// The digest is there, but the tag points elsewhere or nowhere.
    Moved,
    /// The digest is not there.
    Missing,
    /// The registry could not be asked.
    Unreachable,
}

impl TagState {
    /// `ok`, `moved`, `missing` or `unreachable`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Moved => "moved",
            Self::Missing => "missing",
            Self::Unreachable => "unreachable",
        }
    }
}

/// One recorded digest and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The file.
    pub file: String,
    /// The environment that names it.
    pub environment: Option<String>,
    /// The sets that record it.
    pub sets: Vec<String>,
    /// The distribution.
    pub distribution: String,
    /// Full name without tag.
    pub image: String,
    /// The tag.
    pub tag: String,
    /// The recorded digest.
    pub digest: String,
    /// What the registry has.
    pub state: TagState,
    /// Where the tag points to now, if elsewhere.
    pub found: Option<String>,
    /// Why the registry could not be asked.
    pub reason: Option<String>,
}

/// Asks for all digests of tag files. Logins are learned by the redactor before anything is said.
pub fn verify_tags(
    request: &ProjectRequest,
    files: &[TagFileView],
    options: &VerifyOptions,
    redactor: &Redactor,
    sources: &Arc<SourceMap>,
) -> Result<Vec<Verified>> {
    let mut all = Vec::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Diagnostic::internal(format!("no runtime: {error}")))?;
    for file in files {
        let mut rows = recorded(file);
        let own = match &file.environment {
            Some(name) if !rows.is_empty() => environment_login(request, name, sources)?,
            _ => OwnRegistry::default(),
        };
        let mut clients = BTreeMap::new();
        for row in &rows {
            let (host, repository) = split_name(&row.image);
            if let Entry::Vacant(place) = clients.entry(host) {
                let client = client(place.key(), &repository, &own, options, redactor)?;
                place.insert(client);
            }
        }
        runtime.block_on(ask_all(&mut rows, &clients));
        all.append(&mut rows);
    }
    Ok(all)
}

/// The digests of a file; the same of several sets once.
fn recorded(file: &TagFileView) -> Vec<Verified> {
    let mut rows: Vec<Verified> = Vec::new();
    for row in &file.rows {
        let Some(record) = row.current() else { continue };
        for (image, digest) in &record.digests {
            let same = rows.iter_mut().find(|known| {
                known.image == *image
                    && known.digest == *digest
                    && known.tag == record.tag
                    && known.distribution == row.distribution
            });
            if let Some(known) = same {
                known.sets.push(row.set.clone());
                continue;
            }
            rows.push(Verified {
                file: file.path.display().to_string(),
                environment: file.environment.clone(),
                sets: vec![row.set.clone()],
                distribution: row.distribution.clone(),
                image: without_tag(image).to_owned(),
                tag: record.tag.clone(),
                digest: digest.clone(),
                state: TagState::Unreachable,
                found: None,
                reason: None,
            });
        }
    }
    rows
}

/// What an environment says of its registry.
#[derive(Default)]
struct OwnRegistry {
    host: String,
    login: Option<RegistryLogin>,
    ca_file: Option<PathBuf>,
    insecure: bool,
}

/// The variables by which the playbooks name the registry.
const VARIABLES: &str = "host: \"{{ registry | default('') }}\"\n\
                         username: \"{{ registry_username | default('') }}\"\n\
                         password: \"{{ registry_password | default('') }}\"\n\
                         ca_file: \"{{ registry_ca_file | default('') }}\"\n\
                         insecure: \"{{ registry_insecure | default(false) | bool }}\"\n";

fn environment_login(request: &ProjectRequest, name: &str, sources: &Arc<SourceMap>) -> Result<OwnRegistry> {
    let root = match &request.project {
        Some(dir) => dir.clone(),
        None => crate::environment::Project::discover(&std::env::current_dir().unwrap_or_default())?.root,
    };
    // The environment's own variables count; no inventory is asked for them.
    let request = ProjectRequest {
        env: Some(name.to_owned()),
        project: Some(root.clone()),
        inventory: vec!["localhost,".to_owned()],
        ..request.clone()
    };
    let opened = open(&request, &root.join("playbook.yml"), sources, true)?;
    let absolute = std::path::absolute(&root).unwrap_or(root);
    let run: Value = map! { "project" => absolute.display().to_string(), "environment" => name }.into();
    let mut layers = opened.layers.clone();
    layers.push(Layer::data(Level::Magic, "hostctl tags verify", [("hostctl_run".into(), run)]));
    let scope = Scope::from_layers(layers);
    let file = sources.add("hostctl tags verify", None, VARIABLES);
    let node = yaml::load(sources, &file, &yaml::LoadOptions::strict()).one(&file)?;
    let text = |key: &str| -> Result<String> {
        let Some(node) = node.get(key) else { return Ok(String::new()) };
        let value = opened.templates.render(node, &scope).map_err(|error| {
            error.with_note(format!("a variable of the environment `{name}`, for the login at its registry"))
        })?;
        Ok(if value == Value::Null { String::new() } else { python_str(&value) })
    };
    let host = text("host")?;
    if host.is_empty() {
        return Ok(OwnRegistry::default());
    }
    let username = text("username")?;
    let login = if username.is_empty() {
        None
    } else {
        Some(RegistryLogin::new(host.as_str(), username, Secret::new(text("password")?)))
    };
    Ok(OwnRegistry {
        login,
        ca_file: Some(text("ca_file")?).filter(|path| !path.is_empty()).map(PathBuf::from),
        insecure: text("insecure")?.eq_ignore_ascii_case("true"),
        host,
    })
}

fn client(
    host: &str,
    repository: &str,
    own: &OwnRegistry,
    options: &VerifyOptions,
    redactor: &Redactor,
) -> Result<RegistryClient> {
    let wrong = |error: EngineError| {
        let problem = Diagnostic::local("B0082", error.message);
        match error.hint {
            Some(hint) => problem.with_hint(hint),
            None => problem.with_hint(format!("docker login {host}")),
        }
    };
    let probe = Probe::new(Vec::new());
    // The environment's login is for its own registry and no other.
    let is_own = !own.host.is_empty() && registry_of(&own.host) == host;
    let mut login = own.login.clone().filter(|_| is_own);
    if login.is_none() {
        let credentials: Credentials = probe.registry_credentials().map_err(wrong)?;
        login = credentials.login(host, repository).map_err(wrong)?;
    }
    for secret in login.iter().flat_map(RegistryLogin::secrets) {
        redactor.learn(secret.expose());
    }
    let settings = RegistrySettings {
        host: host.to_owned(),
        // Where the environment's file is not here, this machine's own authorities are asked.
        ca_file: options.ca_file.clone().or_else(|| own.ca_file.clone().filter(|path| is_own && path.is_file())),
        insecure: (own.insecure && is_own) || options.insecure.iter().any(|named| registry_of(named) == host),
        login,
    };
    probe.registry(settings).map_err(wrong)
}

async fn ask_all(rows: &mut [Verified], clients: &BTreeMap<String, RegistryClient>) {
    // A registry that does not answer is asked once, not for each image.
    let mut down = BTreeMap::new();
    for (host, client) in clients {
        // Nor is a login that is refused sent again and again. Without one, what is public may still be read.
        if let Err(error) = patiently(async || client.check_login().await).await
            && (client.has_login() || error.class != ErrorClass::Auth)
        {
            down.insert(host.clone(), error);
        }
    }
    let work = rows.iter_mut().map(|row| async {
        let (host, repository) = split_name(&row.image);
        let answer = match (down.get(&host), clients.get(&host)) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(client)) => find(client, &repository, row).await,
            (None, None) => return,
        };
        match answer {
            Ok((state, found)) => (row.state, row.found) = (state, found),
            Err(error) => row.reason = Some(error.message),
        }
    });
    futures_util::stream::iter(work).buffer_unordered(PARALLEL).collect::<Vec<()>>().await;
}

async fn find(
    client: &RegistryClient,
    repository: &str,
    row: &Verified,
) -> std::result::Result<(TagState, Option<String>), EngineError> {
    let by_tag =
        if valid_tag(&row.tag) { patiently(async || client.digest(repository, &row.tag).await).await? } else { None };
    if by_tag.as_deref() == Some(row.digest.as_str()) {
        return Ok((TagState::Ok, None));
    }
    // What no registry can have is not there.
    if !is_digest(&row.digest) {
        return Ok((TagState::Missing, by_tag));
    }
    let there = patiently(async || client.digest(repository, &row.digest).await).await?.is_some();
    Ok((if there { TagState::Moved } else { TagState::Missing }, by_tag))
}

/// Asks again as the policy has it, for as long as a person waits.
async fn patiently<T>(
    ask: impl AsyncFn() -> std::result::Result<T, EngineError>,
) -> std::result::Result<T, EngineError> {
    let policy = Policy { backoff: [1, 3].map(Duration::from_secs).to_vec(), rate_limited: 3, ..Policy::default() };
    let mut tries = Tries::default();
    loop {
        let error = match ask().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        match tries.next(&policy, Work::Push, &error, 0.5) {
            Next::Retry { after } if after <= LONGEST_WAIT => tokio::time::sleep(after).await,
            _ => return Err(error),
        }
    }
}
