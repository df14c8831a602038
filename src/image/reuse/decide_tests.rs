//! Decisions on a small chain: `base`, `mid` from it, `app` from that.

use std::collections::BTreeSet;

use super::super::graph::tests::{image, names};
use super::super::key::{Key, Keys};
use super::super::record::{Entry, Record, Records};
use super::super::{Graph, ImageDef};
use super::*;

const DAY: i64 = 86_400;
const NOW: i64 = 100 * DAY;

fn key(name: &str, parts: &[(&str, &str)]) -> Key {
    let parts = [("platform", "p")].iter().chain(parts).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Key {
        digest: format!("key-{name}-{parts:?}", parts = parts.clone().collect::<Vec<_>>()),
        parts: parts.collect(),
        unpinned: vec![],
    }
}

struct Case {
    graph: Graph,
    keys: Keys,
    records: Records,
    policy: Reuse,
    no_cache: BTreeSet<usize>,
    push: bool,
    engine: BTreeSet<String>,
    registry: BTreeSet<String>,
}

/// All built 3 days ago, unchanged, in engine and registry.
fn case() -> Case {
    let images: Vec<ImageDef> =
        vec![image("base", "FROM scratch"), image("mid", "FROM base"), image("app", "FROM mid")];
    let mut case = Case {
        graph: Graph::new(images, &names(), &std::collections::BTreeMap::new()).unwrap(),
        keys: chain("1", "1", "1"),
        records: Records::default(),
        policy: Reuse::Inputs,
        no_cache: BTreeSet::new(),
        push: true,
        engine: BTreeSet::new(),
        registry: BTreeSet::new(),
    };
    for image in 0..3 {
        case.built(image, 3);
    }
    case
}

/// The three keys by what their own files are.
fn chain(base: &str, mid: &str, app: &str) -> Keys {
    let [base, mid, app] = [base, mid, app].map(|content| format!("file 644 {content}"));
    let base = key("base", &[("file a", &base)]);
    let mid = key("mid", &[("file m", &mid), ("parent base", &base.digest)]);
    let app = key("app", &[("file x", &app), ("parent mid", &mid.digest)]);
    Keys { keys: vec![Some(base), Some(mid), Some(app)], problems: vec![] }
}

impl Case {
    fn repository(&self, image: usize) -> String {
        names().untagged(&self.graph.images[image].name)
    }

    /// Records a build with the key of now.
    fn built(&mut self, image: usize, days_ago: i64) {
        let repository = self.repository(image);
        let mut record = Record { repository: repository.clone(), ..self.records.get(&repository).clone() };
        let time = NOW - days_ago * DAY;
        let id = format!("{repository}-{days_ago}");
        record.entries.push(Entry {
            id: Some(id.clone()),
            digest: Some(id.clone()),
            tag: "old".into(),
            time,
            fresh: time,
            ..Entry::new(self.keys.get(image).unwrap())
        });
        self.engine.insert(id.clone());
        self.registry.insert(id);
        self.records.insert(record);
    }

    fn entry(&mut self, image: usize, change: impl FnOnce(&mut Entry)) {
        let mut record = self.records.get(&self.repository(image)).clone();
        change(record.entries.last_mut().unwrap());
        self.records.insert(record);
    }

    fn gone(&mut self, image: usize) {
        let repository = self.repository(image);
        self.engine.retain(|id| !id.starts_with(&repository));
        self.registry.retain(|id| !id.starts_with(&repository));
    }

    fn max_age(mut self, age: &str) -> Self {
        self.policy = Reuse::MaxAge(age.parse().unwrap());
        self
    }

    fn decide(&self) -> Vec<Decision> {
        let names = names();
        let setting = Setting {
            graph: &self.graph,
            names: &names,
            keys: &self.keys,
            records: &self.records,
            policy: self.policy,
            no_cache: &self.no_cache,
            push: self.push,
            now: NOW,
        };
        let selected = [0, 1, 2].into();
        let asked = candidates(&setting, &selected);
        let presence = |candidate: &Candidate<'_>| {
            assert!(asked.contains(candidate), "only what was announced is asked for");
            Presence {
                engine: candidate.entry.id.as_ref().is_some_and(|id| self.engine.contains(id)),
                registry: candidate.entry.digest.as_ref().is_some_and(|digest| self.registry.contains(digest)),
            }
        };
        decide(&setting, &selected, &presence).into_iter().map(Option::unwrap).collect()
    }

    #[track_caller]
    fn check(&self, expected: [&str; 3]) {
        let decisions = self.decide();
        let text = |decision: &Decision| match decision {
            Decision::Build { reason, fresh: true, .. } => format!("build fresh: {reason}"),
            Decision::Build { reason, .. } => format!("build: {reason}"),
            Decision::Reuse { place, .. } => format!("{place:?}"),
        };
        assert_eq!(decisions.iter().map(text).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_has_not_changed_is_reused_from_where_it_is() {
    case().check(["Registry", "Registry", "Registry"]);
    let mut case = case();
    case.push = false;
    case.check(["Engine", "Engine", "Engine"]);
    case.engine.clear();
    case.check(["Registry", "Registry", "Registry"]);
    case.push = true;
    let kept = case.decide();
    assert_eq!(kept[0].reason(), "unchanged, in the registry as `old`");
    case.registry.clear();
    case.engine.extend(["r:5000/lab/base-3".to_owned()]);
    assert_eq!(case.decide()[0].reason(), "unchanged, in the engine as `old`");
}

#[test]
fn a_change_is_named_down_to_the_input() {
    let mut changed = case();
    changed.keys = chain("2", "1", "1");
    changed.check([
        "build: context file `a`",
        "build: parent `base`: context file `a`",
        "build: parent `mid`: parent `base`: context file `a`",
    ]);
    changed.keys = chain("1", "2", "1");
    changed.check(["Registry", "build: context file `m`", "build: parent `mid`: context file `m`"]);
    changed.keys = chain("1", "1", "2");
    changed.check(["Registry", "Registry", "build: context file `x`"]);
    // An older build with the same key counts as well as the last.
    changed.built(2, 1);
    changed.keys = chain("1", "1", "1");
    changed.check(["Registry", "Registry", "Registry"]);
    let mut new = case();
    new.records = Records::default();
    new.check(["build: new", "build: new", "build: new"]);
}

#[test]
fn a_parent_that_is_gone_is_built_without_its_children() {
    let mut case = case();
    case.gone(0);
    case.check(["build: unchanged, but neither the engine nor the registry has it any more", "Registry", "Registry"]);
    case.keys.keys[1] = None;
    case.keys.keys[2] = None;
    let decisions = case.decide();
    assert_eq!(decisions[1].reason(), "its inputs cannot be read");
}

#[test]
fn never_builds_all() {
    let mut case = case();
    case.policy = Reuse::Never;
    case.check(["build: `reuse: never`"; 3]);
}

#[test]
fn what_is_built_without_cache_takes_its_children_along() {
    let mut case = case();
    case.no_cache = [1].into();
    case.check(["Registry", "build fresh: `nocache`", "build fresh: parent `mid` is built with `nocache`"]);
}

#[test]
fn what_is_too_old_is_built_afresh_with_all_below_it() {
    case().max_age("7d").check(["Registry", "Registry", "Registry"]);
    case().max_age("3d").check(["Registry", "Registry", "Registry"]);
    case().max_age("2d").check(["build fresh: older than 2d"; 3]);
    // A young child on an old parent.
    let mut young = case().max_age("2d");
    young.built(1, 1);
    young.built(2, 1);
    young.check([
        "build fresh: older than 2d",
        "build fresh: parent `base` is built anew",
        "build fresh: parent `mid` is built anew",
    ]);
    // Only `app` is old.
    let mut old = case().max_age("7d");
    old.entry(2, |entry| entry.fresh = NOW - 8 * DAY);
    old.check(["Registry", "Registry", "build fresh: older than 7d"]);
}

#[test]
fn a_child_left_behind_on_an_old_parent_is_built_in_the_next_run() {
    // `base` was built for its age an hour ago; then the run was killed. `mid` is of its own age of 1 day, but was made
    // from the old `base`.
    let mut case = case().max_age("7d");
    for image in 0..3 {
        case.entry(image, |entry| entry.fresh = NOW - 8 * DAY);
    }
    case.built(0, 0);
    let left = fresh_since(NOW - DAY, true, None, [NOW - 8 * DAY]);
    case.entry(1, |entry| (entry.time, entry.fresh) = (NOW - DAY, left));
    case.check(["Registry", "build fresh: older than 7d", "build fresh: older than 7d"]);
}

#[test]
fn cached_steps_keep_their_age() {
    let before = Entry { fresh: 50, ..Entry::default() };
    assert_eq!(fresh_since(100, true, Some(&before), [90]), 50);
    assert_eq!(fresh_since(100, false, Some(&before), [90]), 90);
    assert_eq!(fresh_since(100, false, Some(&before), []), 100);
    assert_eq!(fresh_since(100, true, None, [90, 20]), 20);
}

#[test]
fn a_record_from_the_future_is_not_fresh_for_ever() {
    let mut case = case().max_age("7d");
    case.entry(2, |entry| entry.fresh = NOW + 2 * DAY);
    case.check(["Registry", "Registry", "build fresh: older than 7d"]);
}

#[test]
fn what_was_not_looked_at_is_told() {
    let mut case = case();
    case.keys.keys[0].as_mut().unwrap().unpinned = vec!["debian:12".into()];
    assert_eq!(case.decide()[0].reason(), "unchanged, in the registry as `old`; not looked for changes: debian:12");
}
