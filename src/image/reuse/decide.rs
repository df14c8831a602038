//! The decision for each image of a set, parents first.

use std::collections::BTreeSet;

use super::super::graph::Graph;
use super::super::key::{Key, Keys, difference};
use super::super::names::Names;
use super::super::record::{Entry, Record, Records};
use super::policy::Reuse;

/// A record from the future is not trusted if it is that far away: the clock was wrong then, or is now.
const CLOCK: i64 = 86_400;

/// Where the image of a recorded build is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// The engine has the image of that id.
    pub engine: bool,
    /// The registry has the digest in the repository. False if it was not asked or did not answer.
    pub registry: bool,
}

/// Where a reused image is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The registry: it gets the new tag there. A run that does not push pulls it by its digest.
    Registry,
    /// The engine: it gets the new tag there, and is pushed if the run pushes.
    Engine,
}

/// Why an image is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was never built here.
    New,
    /// An input differs.
    Changed,
    /// Neither engine nor registry have it any more.
    Gone,
    /// It is older than the policy allows.
    Age,
    /// A parent is built for its age, or without cached steps.
    ParentAge,
    /// The policy is to build.
    Never,
    /// It is asked for without cached steps.
    NoCache,
    /// Its inputs cannot be read.
    Unreadable,
}

/// What is done with an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is built.
    Build {
        /// Why.
        why: Why,
        /// Why, for people: `new`, `` `Dockerfile` line 4 ``, `older than 7d`.
        reason: String,
        /// Without cached steps, and with bases asked for in their registry: else an old step would stay.
        fresh: bool,
    },
    /// It is reused.
    Reuse {
        /// The build that made it.
        entry: Box<Entry>,
        /// Where it is.
        place: Place,
        /// Where it was found, for people.
        reason: String,
    },
}

impl Decision {
    /// It is built.
    pub fn builds(&self) -> bool {
        matches!(self, Self::Build { .. })
    }

    /// Why, for people.
    pub fn reason(&self) -> &str {
        match self {
            Self::Build { reason, .. } | Self::Reuse { reason, .. } => reason,
        }
    }

    fn build(why: Why, reason: impl Into<String>) -> Self {
        Self::Build { why, reason: reason.into(), fresh: matches!(why, Why::Age | Why::ParentAge | Why::NoCache) }
    }
}

/// What decisions are made from.
pub struct Setting<'a> {
    /// Images and edges.
    pub graph: &'a Graph,
    /// The run's names, for repositories.
    pub names: &'a Names,
    /// Keys of this run.
    pub keys: &'a Keys,
    /// Builds of earlier runs.
    pub records: &'a Records,
    /// The policy.
    pub policy: Reuse,
    /// Images that are to be built without cached steps (`nocache`) whatever the policy says, and with them all that
    /// is made from them.
    pub no_cache: &'a BTreeSet<usize>,
    /// The run pushes.
    pub push: bool,
    /// Seconds since 1970.
    pub now: i64,
}

/// A recorded build that could be reused.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// The image.
    pub image: usize,
    /// `registry:5000/lab/base`.
    pub repository: String,
    /// The build.
    pub entry: &'a Entry,
}

/// The builds that [`decide`] will ask the presence of: those with an image's key that are fresh enough, newest first.
/// The caller asks engine and registry for all of them at once beforehand.
pub fn candidates<'a>(setting: &'a Setting<'a>, selected: &BTreeSet<usize>) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    if setting.policy == Reuse::Never {
        return found;
    }
    for image in selected.difference(setting.no_cache) {
        let (repository, record) = setting.record(*image);
        let Some(key) = setting.keys.get(*image) else { continue };
        let entries = record.with_key(&key.digest).filter(|entry| setting.is_fresh(entry));
        found.extend(entries.map(|entry| Candidate { image: *image, repository: repository.clone(), entry }));
    }
    found
}

impl Setting<'_> {
    fn record(&self, image: usize) -> (String, &Record) {
        let repository = self.graph.untagged(image, self.names);
        let record = self.records.get(&repository);
        (repository, record)
    }

    fn is_fresh(&self, entry: &Entry) -> bool {
        match self.policy {
            Reuse::MaxAge(age) => {
                entry.fresh <= self.now.saturating_add(CLOCK) && self.now.saturating_sub(entry.fresh) <= age.seconds
            }
            Reuse::Inputs | Reuse::Never => true,
        }
    }
}

/// Decides for each selected image, parents first; by index in the graph, `None` for images that are not selected.
pub fn decide(
    setting: &Setting<'_>,
    selected: &BTreeSet<usize>,
    presence: &dyn Fn(&Candidate<'_>) -> Presence,
) -> Vec<Option<Decision>> {
    let mut decisions: Vec<Option<Decision>> = vec![None; setting.graph.images.len()];
    for image in setting.graph.parents_first() {
        if selected.contains(&image) {
            decisions[image] = Some(one(setting, image, &decisions, presence));
        }
    }
    decisions
}

fn one(
    setting: &Setting<'_>,
    image: usize,
    decisions: &[Option<Decision>],
    presence: &dyn Fn(&Candidate<'_>) -> Presence,
) -> Decision {
    let (repository, record) = setting.record(image);
    let Some(key) = setting.keys.get(image) else {
        return Decision::build(Why::Unreadable, "its inputs cannot be read");
    };
    if setting.no_cache.contains(&image) {
        return Decision::build(Why::NoCache, "`nocache`");
    }
    if setting.policy == Reuse::Never {
        return Decision::build(Why::Never, "`reuse: never`");
    }
    if record.by_key(&key.digest).is_none() {
        return match explain(setting, image) {
            Some(difference) => Decision::build(Why::Changed, difference),
            None => Decision::build(Why::New, "new"),
        };
    }
    let afresh = |parent: &usize| match decisions[*parent] {
        Some(Decision::Build { why: why @ (Why::Age | Why::ParentAge | Why::NoCache), .. }) => Some((*parent, why)),
        _ => None,
    };
    let afresh = setting.graph.parents(image).iter().find_map(afresh);
    let mut fresh = record.with_key(&key.digest).filter(|entry| setting.is_fresh(entry)).peekable();
    if let (None, Reuse::MaxAge(age)) = (fresh.peek(), setting.policy) {
        return Decision::build(Why::Age, format!("older than {age}"));
    }
    if let Some((parent, why)) = afresh {
        let name = &setting.graph.images[parent].name;
        let reason = if why == Why::NoCache { "with `nocache`" } else { "anew" };
        return Decision::build(Why::ParentAge, format!("parent `{name}` is built {reason}"));
    }
    for entry in fresh {
        let here = presence(&Candidate { image, repository: repository.clone(), entry });
        let place = match (here.engine, here.registry, setting.push) {
            (true, true, true) | (false, true, _) => Place::Registry,
            (true, _, _) => Place::Engine,
            (false, false, _) => continue,
        };
        let found = match place {
            Place::Registry => "unchanged, in the registry",
            Place::Engine => "unchanged, in the engine",
        };
        let mut reason = if entry.tag.is_empty() { found.to_owned() } else { format!("{found} as `{}`", entry.tag) };
        if !key.unpinned.is_empty() {
            reason.push_str(&format!("; not looked for changes: {}", key.unpinned.join(", ")));
        }
        return Decision::Reuse { entry: Box::new(entry.clone()), place, reason };
    }
    Decision::build(Why::Gone, "unchanged, but neither the engine nor the registry has it any more")
}

/// The first input that differs from the last recorded build, in words; through parents down to the input itself:
/// ``parent `base`: context file `src/a.c` ``. `None` if nothing differs or nothing is recorded.
pub fn explain(setting: &Setting<'_>, image: usize) -> Option<String> {
    let record = setting.record(image).1;
    let key = setting.keys.get(image)?;
    let last = record.last_of(key.platform()).or(record.last())?;
    let mut words = Vec::new();
    let (mut key, mut old, mut image) = (key, last, image);
    // Down a chain of parents, which has no cycle; the bound is for safety.
    for _ in 0..setting.graph.images.len() {
        if key.digest == old.key {
            break;
        }
        if old.parts.is_empty() {
            words.push("an input (the record of that build no longer says which)".to_owned());
            break;
        }
        let (part, text) = difference(&key.parts, &old.parts)?;
        words.push(text);
        let below = part.strip_prefix("parent ").and_then(|name| parent_of(setting, image, name, old));
        let Some(next) = below else { break };
        (image, key, old) = next;
    }
    (!words.is_empty()).then(|| words.join(": "))
}

/// A parent whose key differs: its key now, and the build that the child was made from.
fn parent_of<'a>(
    setting: &'a Setting<'_>,
    image: usize,
    name: &str,
    old: &Entry,
) -> Option<(usize, &'a Key, &'a Entry)> {
    let parent = setting.graph.parents(image).into_iter().find(|parent| setting.graph.images[*parent].name == name)?;
    let then = old.parts.iter().find(|(part, _)| part.strip_prefix("parent ") == Some(name)).map(|(_, key)| key)?;
    let entry = setting.record(parent).1.by_key(then)?;
    Some((parent, setting.keys.get(parent)?, entry))
}

/// Since when everything in a new build is fresh. `started` is when its build began; `cached` says that it may hold
/// cached steps; `before` is the newest build of the repository; `parents` are the freshness of its parents: of the
/// entry for those that were reused, of their own new entry for those that were built.
pub fn fresh_since(started: i64, cached: bool, before: Option<&Entry>, parents: impl IntoIterator<Item = i64>) -> i64 {
    let steps = before.filter(|_| cached).map(|entry| entry.fresh);
    parents.into_iter().chain(steps).fold(started, i64::min)
}
