//! What is decided before the first build: digests of bases, keys, what is there already, what is built.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;

use super::{Prepared, SetRequest};
use crate::diag::Result;
use crate::image::docker::{Watched, key_tag, now};
use crate::image::key::{Contents, Inputs, Keys, bases, compute};
use crate::image::record::{Entry, Records, Request, Store};
use crate::image::registries::Registries;
use crate::image::reuse::{Candidate, Decision, Place, Presence, Reuse, Setting, candidates, decide};
use crate::secret::Redactor;
use crate::system::Mutate;
use crate::system::engine::{Backend, ErrorClass, split_name};

/// Questions to engine and registry at the same time.
pub(super) const ASKED: usize = 16;

/// How long the registry of a base is waited for. What it does not tell in time counts as the last build had it.
const BASE_PATIENCE: Duration = Duration::from_secs(3);

/// What is known before the first build.
pub(super) struct Known {
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) records: Records,
    pub(super) decisions: Vec<Option<Decision>>,
    pub(super) warnings: Vec<String>,
    /// What the keys were made from; none for a tree that was sent.
    pub(super) watched: Option<Watched>,
}

/// Where everything is asked.
pub(super) struct Sources<'a> {
    pub(super) mutate: &'a Mutate,
    pub(super) engine: &'a Backend,
    pub(super) registries: &'a Registries,
    pub(super) root: &'a Path,
    /// `linux/amd64`
    pub(super) platform: &'a str,
}

/// Reads records, computes keys and decides for each image.
pub(super) async fn decide_all(sources: &Sources<'_>, prepared: &Prepared, request: &SetRequest) -> Result<Known> {
    let probe = sources.mutate.probe();
    let graph = &prepared.graph;
    let store = Store::of_user(probe)?;
    let repositories: Vec<String> =
        prepared.selected.iter().map(|image| graph.untagged(*image, &request.names)).collect();
    let mut records = store.read(probe, repositories.iter().map(String::as_str));
    let mut warnings: Vec<String> = records.warnings.iter().map(|warning| warning.message.clone()).collect();
    let before = last_bases(&records, &repositories);
    let wanted = bases(graph, &prepared.selected, &request.settings.args);
    let digests = digests_of_bases(sources, wanted, &before, request.settings.pull).await;
    let look = |reference: &str| digests.get(reference).cloned();
    let secrets: BTreeSet<String> = request.settings.secrets.keys().cloned().collect();
    let inputs = Inputs {
        graph,
        tag: &request.names.tag,
        root: sources.root,
        args: &request.settings.args,
        labels: &request.settings.labels,
        secrets: &secrets,
        network_host: request.settings.network_host,
        target: None,
        platform: sources.platform,
        bases: &look,
    };
    // A tree that was sent lies in another folder each time, and its digests are known.
    let sent = !request.digests.is_empty();
    let mut contents = if sent { Contents::new(now()) } else { Contents::load(probe, store.folder(), now()) };
    for (path, digest) in &request.digests {
        contents.give(sources.root.join(path), digest.clone());
    }
    if let Some(sent) = &request.sent {
        contents.list_by(Arc::clone(sent));
    }
    let keys = compute(probe, &inputs, &prepared.selected, &mut contents);
    warnings.extend(keys.problems.iter().map(|(image, problem)| format!("`{}`: {problem}", graph.images[*image].name)));
    // Without the cache the next run reads all contexts again, and no more.
    if !sent {
        let _ = contents.save(sources.mutate, store.folder());
    }
    let mut asked = Request::new(&set_name(request), graph, &request.names, sources.root);
    asked.time = now();
    asked.run.clone_from(&request.run);
    asked.sent_from.clone_from(&request.sent_from);
    asked.args.clone_from(&request.settings.args);
    asked.labels.clone_from(&request.settings.labels);
    asked.secrets.clone_from(&secrets);
    asked.network_host = request.settings.network_host;
    sources.platform.clone_into(&mut asked.platform);
    asked.bases = digests.clone().into_iter().collect();
    let redactor = Redactor::default();
    for (_, secret) in request.settings.concealed() {
        redactor.learn(secret.expose());
    }
    asked.conceal(&|value| redactor.redact(value) != value);
    // Beside the questions to registry and engine: it waits for the disk.
    let saving = {
        let (store, mutate) = (store.clone(), sources.mutate.clone());
        // What is only planned was not asked for: `image why` goes on to tell of the last build.
        let keep = !request.plan;
        tokio::task::spawn_blocking(move || if keep { store.save_request(&mutate, &asked) } else { Ok(()) })
    };
    if request.settings.key_tags && request.reuse != Reuse::Never {
        ask_for_key_tags(sources, prepared, request, &keys, &mut records).await;
    }
    // With the run's `nocache` all are built anew.
    let no_cache: BTreeSet<usize> = prepared
        .selected
        .iter()
        .copied()
        .filter(|image| graph.images[*image].no_cache.unwrap_or(request.settings.no_cache))
        .collect();
    let setting = Setting {
        graph,
        names: &request.names,
        keys: &keys,
        records: &records,
        policy: request.reuse,
        push: request.push,
        no_cache: &no_cache,
        now: now(),
    };
    let tag = |image: usize| graph.tag(image, &request.names);
    let found = presence(sources, candidates(&setting, &prepared.selected), &tag).await;
    let of = |candidate: &Candidate<'_>| found.get(&name_of(candidate)).copied().unwrap_or_default();
    let mut decisions = decide(&setting, &prepared.selected, &of);
    if request.resume {
        resume(sources, prepared, request, (&keys, &records), &mut decisions).await;
    }
    if let Ok(Err(error)) = saving.await {
        warnings.push(error.message.clone());
    }
    let watched = (!sent).then(|| Watched {
        root: sources.root.to_path_buf(),
        tag: request.names.tag.clone(),
        args: request.settings.args.clone(),
        labels: request.settings.labels.clone(),
        secrets,
        network_host: request.settings.network_host,
        platform: sources.platform.to_owned(),
        bases: digests,
        contents: Mutex::new(contents),
    });
    Ok(Known { store, keys, records, decisions, warnings, watched })
}

/// Sets of the same names are the same set.
pub(super) fn set_name(request: &SetRequest) -> String {
    request.names.untagged("")
}

/// Digests of bases as the newest builds had them, for registries that do not answer.
fn last_bases(records: &Records, repositories: &[String]) -> HashMap<String, String> {
    let entries = repositories.iter().filter_map(|repository| records.get(repository).last());
    entries.flat_map(|entry| entry.bases.clone()).collect()
}

/// What builds will use: the engine's image, unless newer ones are asked for; else the registry's digest.
async fn digests_of_bases(
    sources: &Sources<'_>,
    wanted: BTreeSet<String>,
    before: &HashMap<String, String>,
    pull: bool,
) -> BTreeMap<String, String> {
    // A registry that does not answer is waited for once.
    let silent: Mutex<BTreeSet<String>> = Mutex::default();
    let silent = &silent;
    let one = |reference: String| async move {
        let (host, rest) = split_name(&reference);
        let (repository, tag) = rest.rsplit_once(':').unwrap_or((&rest, "latest"));
        if !pull && let Ok(Some(facts)) = sources.engine.inspect(&reference).await {
            // The registry's digest where it came from there: the same before and after it was pulled.
            let own = facts.digests.iter().filter_map(|digest| digest.split_once('@'));
            let own = own.filter(|(name, _)| split_name(name) == (host.clone(), repository.to_owned()));
            let digest = own.map(|(_, digest)| digest.to_owned()).next().unwrap_or(facts.id);
            return (reference.clone(), Some(digest));
        }
        let is_silent = || silent.lock().unwrap_or_else(PoisonError::into_inner).contains(&host);
        let digest = match sources.registries.any(&host).filter(|_| !is_silent()) {
            Some(registry) => match tokio::time::timeout(BASE_PATIENCE, registry.digest(repository, tag)).await {
                Ok(Ok(digest)) => digest,
                Ok(Err(error)) if !matches!(error.class, ErrorClass::Unreachable | ErrorClass::Transient) => None,
                Ok(Err(_)) | Err(_) => {
                    silent.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone());
                    None
                }
            },
            None => None,
        };
        (reference, digest)
    };
    let found: Vec<(String, Option<String>)> =
        futures_util::stream::iter(wanted).map(one).buffer_unordered(ASKED).collect().await;
    found
        .into_iter()
        .filter_map(|(reference, digest)| {
            let digest = digest.or_else(|| before.get(&reference).cloned())?;
            Some((reference, digest))
        })
        .collect()
}

/// Images that another build host pushed under the tag of their key.
async fn ask_for_key_tags(
    sources: &Sources<'_>,
    prepared: &Prepared,
    request: &SetRequest,
    keys: &Keys,
    records: &mut Records,
) {
    let graph = &prepared.graph;
    let unknown = prepared.selected.iter().copied().filter_map(|image| {
        let key = keys.get(image)?;
        let known = records.get(&graph.untagged(image, &request.names)).by_key(&key.digest).is_some();
        (graph.is_pushed(image) && !known).then(|| (image, key.clone()))
    });
    let unknown: Vec<_> = unknown.collect();
    let ask = |(image, key): (usize, crate::image::key::Key)| async move {
        let repository = graph.repository(image, &request.names);
        let registry = sources.registries.pushed(graph.registry(image, &request.names))?;
        let digest = registry.digest(&repository, &key_tag(&key.digest)).await.ok().flatten()?;
        Some((image, key, digest))
    };
    let found: Vec<_> = futures_util::stream::iter(unknown).map(ask).buffer_unordered(ASKED).collect().await;
    for (image, key, digest) in found.into_iter().flatten() {
        let repository = graph.untagged(image, &request.names);
        let mut record = records.get(&repository).clone();
        record.repository = repository;
        let key_tagged = Some(now());
        record.entries.push(Entry { digest: Some(digest), time: now(), key_tagged, ..Entry::new(&key) });
        records.insert(record);
    }
}

fn name_of(candidate: &Candidate<'_>) -> (usize, String, String) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (candidate.image, text(&candidate.entry.id), text(&candidate.entry.digest))
}

type Found = HashMap<(usize, String, String), Presence>;

/// Recorded builds of an image that are asked for.
const FEW: usize = 3;

/// Asks for recorded builds, of each image the newest first until one is found: the registry, and the engine only for what
/// the registry does not have. `tag` tells an image's tag in this run.
async fn presence<'a>(
    sources: &Sources<'_>,
    candidates: Vec<Candidate<'a>>,
    tag: &(dyn Fn(usize) -> String + Sync),
) -> Found {
    let mut images: BTreeMap<usize, Vec<Candidate<'a>>> = BTreeMap::new();
    for candidate in candidates {
        images.entry(candidate.image).or_default().push(candidate);
    }
    let ask = |candidates: Vec<Candidate<'a>>| async move {
        let mut found = Vec::new();
        for candidate in candidates.into_iter().take(FEW) {
            let name = name_of(&candidate);
            let (host, repository) = split_name(&candidate.repository);
            let registry = match (sources.registries.pushed(&host), name.2.as_str()) {
                (Some(registry), digest) if !digest.is_empty() => {
                    let tag = tag(candidate.image);
                    let tag = candidate.entry.had(&tag).then_some(tag.as_str());
                    registry.holds(&repository, digest, tag).await.unwrap_or(false)
                }
                _ => false,
            };
            // What a run that pushes has in the registry is taken from there, whatever the engine has.
            let engine = match name.1.as_str() {
                id if !registry && !id.is_empty() => {
                    sources.engine.inspect(id).await.is_ok_and(|facts| facts.is_some())
                }
                _ => false,
            };
            found.push((name, Presence { engine, registry }));
            if engine || registry {
                break;
            }
        }
        found
    };
    let found: Vec<_> =
        futures_util::stream::iter(images.into_values()).map(ask).buffer_unordered(ASKED).collect().await;
    found.into_iter().flatten().collect()
}

/// Images that the run that is resumed finished under its tag are not built again.
async fn resume(
    sources: &Sources<'_>,
    prepared: &Prepared,
    request: &SetRequest,
    (keys, records): (&Keys, &Records),
    decisions: &mut [Option<Decision>],
) {
    let graph = &prepared.graph;
    for image in prepared.selected.iter().copied() {
        if !matches!(decisions[image], Some(Decision::Build { .. })) {
            continue;
        }
        let tag = graph.tag(image, &request.names);
        let repository = graph.untagged(image, &request.names);
        let Some(key) = keys.get(image) else { continue };
        let record = records.get(&repository);
        let Some(entry) = record.with_key(&key.digest).find(|entry| entry.tag == tag) else { continue };
        let candidate = Candidate { image, repository: repository.clone(), entry };
        let found = presence(sources, vec![candidate], &|_| tag.clone()).await.into_values().next().unwrap_or_default();
        let place = match (found.registry, found.engine) {
            (true, _) => Place::Registry,
            (false, true) => Place::Engine,
            (false, false) => continue,
        };
        let reason = "finished before in this run".to_owned();
        decisions[image] = Some(Decision::Reuse { entry: Box::new(entry.clone()), place, reason });
    }
}
