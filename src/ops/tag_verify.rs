//! `hostctl tags verify`: asks registries for each digest of tag files, by tag and by digest.
//!
//! The login is the one that is given, then the environment's own (`registry`, `registry_username`,
//! `registry_password`), each sent to its registry only; else what Docker's and Podman's credential files and helpers
//! of this user have.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;

use super::project::ProjectRequest;
use super::tag_login::{GivenLogin, OwnRegistry, own_registry};
use super::tags::TagFileView;
use crate::diag::{Diagnostic, Result, SourceMap};
use crate::image::retry::{Next, Policy, Tries, Work};
use crate::image::{valid_tag, without_tag};
use crate::secret::Redactor;
use crate::system::Probe;
use crate::system::engine::{
    Credentials, EngineError, ErrorClass, RegistryClient, RegistryLogin, RegistrySettings, Right, is_digest,
    registry_of, split_name,
};

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
    /// A login that goes before all others.
    pub login: Option<GivenLogin>,
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
    /// What the registry gives under the digest has another one.
    Differs,
    /// The registry wants a login or a right that was not there (401, 403).
    Denied,
    /// The registry could not be asked.
    Unreachable,
}

impl TagState {
    /// All, best first.
    pub const ALL: [Self; 6] = [Self::Ok, Self::Moved, Self::Missing, Self::Differs, Self::Denied, Self::Unreachable];

    /// `ok`, `moved`, `missing`, `differs`, `denied` or `unreachable`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Moved => "moved",
            Self::Missing => "missing",
            Self::Differs => "differs",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
        }
    }

    /// True if nothing is known of the digest.
    pub fn is_unknown(self) -> bool {
        matches!(self, Self::Denied | Self::Unreachable)
    }

    fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Auth => Self::Denied,
            ErrorClass::Digest => Self::Differs,
            _ => Self::Unreachable,
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
    /// The registry's answer, if it is no answer to the question.
    pub reason: Option<String>,
    /// What to type or change, unless it is as recorded.
    pub hint: Option<String>,
}

/// Where the login for a registry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Nobody,
    Given,
    Environment,
    CredentialFile,
}

/// A registry and who asks it.
struct Registry {
    client: RegistryClient,
    origin: Origin,
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
    let recorded: Vec<Vec<Verified>> = files.iter().map(recorded).collect();
    let hosts: BTreeSet<String> = recorded.iter().flatten().map(|row| split_name(&row.image).0).collect();
    for (file, mut rows) in files.iter().zip(recorded) {
        if rows.is_empty() {
            continue;
        }
        let name = file.environment.as_ref().or(request.env.as_ref());
        let (own, given) = own_registry(request, name, options.login.as_ref(), &hosts, sources)?;
        let mut registries = BTreeMap::new();
        for row in &rows {
            let (host, repository) = split_name(&row.image);
            if let Entry::Vacant(place) = registries.entry(host) {
                let registry = client(place.key(), &repository, given.as_ref(), &own, options, redactor)?;
                place.insert(registry);
            }
        }
        runtime.block_on(ask_all(&mut rows, &registries));
        all.append(&mut rows);
    }
    Ok(all)
}

/// The digests of a file; the same of several sets once.
fn recorded(file: &TagFileView) -> Vec<Verified> {
    let mut rows: Vec<Verified> = Vec::new();
    for row in &file.rows {
        let Some(record) = row.current() else { continue };
        for (full, digest) in &record.digests {
            // An image may have a tag of its own.
            let image = without_tag(full);
            let tag = full[image.len()..].strip_prefix(':').unwrap_or(&record.tag);
            let same = rows.iter_mut().find(|known| {
                known.image == *image
                    && known.digest == *digest
                    && known.tag == tag
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
                image: image.to_owned(),
                tag: tag.to_owned(),
                digest: digest.clone(),
                state: TagState::Unreachable,
                found: None,
                reason: None,
                hint: None,
            });
        }
    }
    rows
}

fn client(
    host: &str,
    repository: &str,
    given: Option<&RegistryLogin>,
    own: &OwnRegistry,
    options: &VerifyOptions,
    redactor: &Redactor,
) -> Result<Registry> {
    let wrong = |error: EngineError| {
        let problem = Diagnostic::local("B0082", error.message);
        match error.hint {
            Some(hint) => problem.with_hint(hint),
            None => problem.with_hint(format!("docker login {host}")),
        }
    };
    let probe = Probe::new(Vec::new());
    // A login is for its own registry and no other.
    let is_own = !own.host.is_empty() && registry_of(&own.host) == host;
    let mut origin = Origin::Given;
    let mut login = given.filter(|login| registry_of(&login.host) == host).cloned();
    if login.is_none() {
        origin = Origin::Environment;
        login = own.login.clone().filter(|_| is_own);
    }
    if login.is_none() {
        let credentials: Credentials = probe.registry_credentials().map_err(wrong)?;
        login = credentials.login(host, repository).map_err(wrong)?;
        origin = if login.is_some() { Origin::CredentialFile } else { Origin::Nobody };
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
    Ok(Registry { client: probe.registry(settings).map_err(wrong)?, origin })
}

async fn ask_all(rows: &mut [Verified], registries: &BTreeMap<String, Registry>) {
    // A registry that does not answer is asked once, not for each image.
    let mut down = BTreeMap::new();
    for (host, Registry { client, .. }) in registries {
        // Nor is a login that is refused sent again and again. Without one, what is public may still be read.
        if let Err(error) = patiently(async || client.check_login().await).await
            && (client.has_login() || error.class != ErrorClass::Auth)
        {
            down.insert(host.clone(), error);
        }
    }
    let work = rows.iter_mut().map(|row| async {
        let (host, repository) = split_name(&row.image);
        let Some(registry) = registries.get(&host) else { return };
        let answer = match down.get(&host) {
            Some(error) => Err(error.clone()),
            None => find(&registry.client, &repository, row).await,
        };
        match answer {
            Ok((state, found)) => {
                (row.state, row.found) = (state, found);
                row.hint = what_to_do(row);
            }
            Err(error) => {
                row.state = TagState::of(error.class);
                row.hint = Some(hint(row, &host, &repository, registry.origin, &error));
                row.reason = Some(error.message);
            }
        }
    });
    futures_util::stream::iter(work).buffer_unordered(PARALLEL).collect::<Vec<()>>().await;
}

/// What helps where the registry answered.
fn what_to_do(row: &Verified) -> Option<String> {
    let file = row.environment.as_ref().unwrap_or(&row.file);
    match row.state {
        TagState::Moved => Some(format!(
            "build again to record what the tags are now, or see what was recorded when: `hostctl tags history {file}`"
        )),
        TagState::Missing => Some(format!(
            "push these images again, or see what the tag file said before: `hostctl tags history {file}`"
        )),
        _ => None,
    }
}

/// What helps against an error, in words of this command.
fn hint(row: &Verified, host: &str, repository: &str, origin: Origin, error: &EngineError) -> String {
    let file = row.environment.as_ref().unwrap_or(&row.file);
    let again = format!("hostctl tags verify {file} --registry {host} --username USER --password-stdin");
    match error.class {
        // Who asks is known; a right is missing.
        ErrorClass::Auth if origin != Origin::Nobody && error.right == Some(Right::Pull) => {
            error.hint.clone().unwrap_or_else(|| format!("give the login the right to pull `{repository}` at `{host}`"))
        }
        ErrorClass::Auth if origin == Origin::Environment => format!(
            "correct `registry_username` and `registry_password` of `{file}` (`hostctl env show {file} --var \
             registry_username`), or give another login: `{again}`"
        ),
        ErrorClass::Auth if origin == Origin::Given => {
            format!("another user or password: `{again}`, or without both after `docker login {host}`")
        }
        ErrorClass::Auth => format!("log in: `docker login {host}`, or `{again}`"),
        ErrorClass::Digest => format!(
            "the registry's storage, or a proxy before it, is damaged: see its log, then push `{repository}:{}` again",
            row.tag
        ),
        _ => match &error.hint {
            Some(hint) => hint
                .replace("`registry_insecure: true`", &format!("`--insecure {host}`"))
                .replace("`registry_ca: FILE`", "`--ca FILE`"),
            None => format!("ask it by hand: `curl -sSI https://{host}/v2/`"),
        },
    }
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
