//! `summary.json`: how a run ended, for programs.

use std::collections::BTreeMap;

use serde_json::{Map as Json, Value, json};

use crate::event::{Event, EventKind, ImageBuild, ImageForecast, ImageLedger, ImageRecord, ImageState, Stats};

/// The version written into `summary.json`.
pub const SUMMARY_VERSION: u32 = 1;

/// States that are counted, in the order in which they are told.
const STATES: [&str; 11] = [
    "built",
    "pushed",
    "reused",
    "failed",
    "push_failed",
    "blocked",
    "cancelled",
    "waiting",
    "held",
    "building",
    "pushing",
];

/// What the summary holds beside images.
#[derive(Default)]
pub(super) struct RunSummary {
    started: String,
    playbook: String,
    environments: Vec<String>,
    stats: BTreeMap<String, Stats>,
}

impl RunSummary {
    /// Takes what an event tells.
    pub fn event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted { playbook, environments, .. } => {
                self.started.clone_from(&event.time);
                self.playbook.clone_from(playbook);
                self.environments.clone_from(environments);
            }
            EventKind::Recap { stats, .. } => self.stats.clone_from(stats),
            _ => {}
        }
    }

    /// The summary. `images` has those of all builds in their order; `builds` what is one for each task and host.
    pub fn json(
        &self,
        event: &Event,
        (exit_code, seconds): (u8, f64),
        notes: &[(String, String)],
        images: &ImageLedger,
    ) -> Value {
        let notes: Json<String, Value> = notes.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
        let builds: Vec<&ImageBuild> = images.builds().collect();
        let tags: Vec<&str> = builds.iter().filter_map(|build| build.tag.as_deref()).collect();
        // A run has one tag; where tasks were given others, no single one stands for all.
        let tag = tags.first().filter(|first| tags.iter().all(|tag| tag == *first));
        let total = |path: &[(String, f64)]| path.iter().map(|(_, seconds)| *seconds).sum::<f64>();
        let slowest = builds.iter().map(|build| build.slowest_path());
        let slowest = slowest.max_by(|one, other| total(one).total_cmp(&total(other))).unwrap_or_default();
        let only = if let [build] = builds.as_slice() { build.forecast.as_ref() } else { None };
        json!({
            "version": SUMMARY_VERSION,
            "run": event.run,
            "playbook": self.playbook,
            "environments": self.environments,
            "started": self.started,
            "ended": event.time,
            "seconds": seconds,
            "exit_code": exit_code,
            "stats": self.stats,
            "tag": tag,
            "counts": counts(&builds),
            "images": builds.iter().flat_map(|build| build.images.values().map(|one| image(build, one))).collect::<Vec<_>>(),
            "slowest_path": path(&slowest),
            "forecast": only.map(forecast),
            "builds": builds.iter().map(|build| json!({
                "host": build.host,
                "task": build.task,
                "tag": build.tag,
                "builder": build.builder,
                "ended": build.ended,
                "seconds": build.seconds,
                "counts": counts(&[build]),
                "slowest_path": path(&build.slowest_path()),
                "forecast": build.forecast.as_ref().map(forecast),
            })).collect::<Vec<_>>(),
            "notes": notes,
        })
    }
}

fn counts(builds: &[&ImageBuild]) -> Value {
    let count = |state: &str| builds.iter().map(|build| build.count(state)).sum::<usize>();
    let mut counts: Json<String, Value> =
        STATES.iter().map(|state| ((*state).to_owned(), count(state).into())).collect();
    counts.insert("all".to_owned(), builds.iter().map(|build| build.images.len()).sum::<usize>().into());
    counts.into()
}

fn path(path: &[(String, f64)]) -> Value {
    path.iter().map(|(name, seconds)| json!({ "name": name, "seconds": seconds })).collect()
}

fn image(build: &ImageBuild, image: &ImageRecord) -> Value {
    let blocked_by = if let ImageState::Blocked { by } = &image.state { Some(by) } else { None };
    json!({
        "name": image.name,
        "host": build.host,
        "full": Some(&image.full).filter(|full| !full.is_empty()),
        "state": image.state.name(),
        "class": image.failure(),
        "digest": image.digest,
        "size": image.size,
        "seconds": image.seconds,
        "push_seconds": image.push_seconds,
        "parents": image.parents,
        "log": image.log,
        "host_log": image.host_log,
        "blocked_by": blocked_by,
        "reason": image.reason(),
        "failed_at": image.failed_at,
        "key": image.key,
        "allowed_to_fail": image.allowed_to_fail,
    })
}

fn forecast(forecast: &ImageForecast) -> Value {
    let list = |list: &[(String, String)]| {
        list.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect::<Vec<_>>()
    };
    let disks = forecast.disks.iter();
    json!({
        "build": list(&forecast.build),
        "reuse": list(&forecast.reuse),
        "bytes": forecast.bytes,
        "seconds": forecast.seconds,
        "disks": disks.map(|(what, free, all)| json!({ "for": what, "free": free, "total": all })).collect::<Vec<_>>(),
    })
}
