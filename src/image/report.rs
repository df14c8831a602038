//! What became of a set: the result for people's playbooks, and the diagnostic of its failures.

use super::def::Place;
use super::graph::Graph;
use super::kolla::{SOURCE_DIFFERS, SOURCE_MISSING};
use super::names::Names;
use super::proof::{Cost, HOLDS_A_SECRET, NAMES_THE_MIRROR, NOT_SEARCHED};
use super::registries::Throttled;
use super::schedule::Finished;
use super::watch::LogEnd;
use crate::diag::{Diagnostic, Kind};
use crate::event::{ImageForecast, ImageState, LAST_LINES};
use crate::system::engine::{EngineError, ErrorClass, ImageFacts};
use crate::value::{Map, Value, insert};

/// One image's end.
#[derive(Clone, Debug)]
pub struct ImageReport {
    /// Bare name.
    pub name: String,
    /// Full name.
    pub full: String,
    /// The last state.
    pub state: ImageState,
    /// Seconds of the build.
    pub seconds: f64,
    /// Tries of the push.
    pub push_tries: u32,
    /// Names of the parents in the tree.
    pub parents: Vec<String>,
    /// The engine's facts, if it was built.
    pub facts: Option<ImageFacts>,
    /// The log.
    pub log: LogEnd,
    /// The error.
    pub error: Option<EngineError>,
    /// The instruction that failed.
    pub place: Option<Place>,
    /// The build key.
    pub key: Option<String>,
    /// Its failure does not change the exit code.
    pub allowed_to_fail: bool,
    /// A heredoc stands in the Dockerfile, which old engines do not know.
    heredoc: bool,
    /// How many images of the set it stands on, one above the other.
    level: usize,
}

/// A whole set's end.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By levels, then by name, once [`Report::sort`] was called.
    pub images: Vec<ImageReport>,
    /// The run's tag.
    pub tag: String,
    /// `buildkit` or `classic`.
    pub builder: &'static str,
    /// The engine's version.
    pub engine: String,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// The run was stopped.
    pub cancelled: bool,
    /// What was expected.
    pub forecast: Option<ImageForecast>,
    /// Nothing was built: only the forecast was asked for.
    pub planned: bool,
    /// What the search for secrets cost.
    pub proof: Option<Cost>,
    /// Something was built, pushed or tagged; false where all was in place.
    pub changed: bool,
    /// Registries that refused for being asked too often.
    pub throttled: Vec<Throttled>,
    /// The chain of images that took the longest.
    pub slowest_path: Vec<String>,
    /// Seconds of it.
    pub slowest_seconds: f64,
}

/// An image of a result with all keys that one can have: what is not known is null.
pub fn blank(name: &str, full: &str, state: &str, parents: &[String]) -> Map {
    let mut map = Map::new();
    insert(&mut map, "name", name);
    insert(&mut map, "full", full);
    insert(&mut map, "state", state);
    insert(&mut map, "parents", parents.iter().map(|name| Value::from(name.as_str())).collect::<Vec<_>>());
    for key in [
        "digest",
        "seconds",
        "push_seconds",
        "push_tries",
        "id",
        "size",
        "layers",
        "key",
        "reason",
        "message",
        "class",
        "failed_at",
        "blocked_by",
        "log",
    ] {
        insert(&mut map, key, Value::Null);
    }
    insert(&mut map, "allowed_to_fail", false);
    map
}

impl ImageReport {
    pub(super) fn new(graph: &Graph, names: &Names, end: Finished, facts: Option<ImageFacts>, log: LogEnd) -> Self {
        let def = &graph.images[end.image];
        let place = end.error.as_ref().and_then(|error| error.step.as_ref()).and_then(|step| {
            let instruction = def.dockerfile.instruction_of(step.classic, step.step, &step.text)?;
            let text = instruction.text.lines().next().unwrap_or_default().to_owned();
            Some(Place { file: def.shown.clone(), line: instruction.line, text })
        });
        Self {
            name: def.name.clone(),
            full: graph.full(end.image, names),
            state: end.state,
            seconds: end.seconds,
            push_tries: end.push_tries,
            parents: graph.parents(end.image).into_iter().map(|parent| graph.images[parent].name.clone()).collect(),
            facts,
            log,
            error: end.error,
            place,
            key: None,
            allowed_to_fail: def.allowed_to_fail,
            level: 0,
            heredoc: def.dockerfile.instructions.iter().any(|one| one.text.contains("<<")),
        }
    }

    /// The state's name in results.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            ImageState::Waiting => "waiting",
            ImageState::Building => "building",
            ImageState::Built { .. } => "built",
            ImageState::Pushing => "pushing",
            ImageState::Pushed { .. } => "pushed",
            ImageState::Failed { .. } => "failed",
            ImageState::PushFailed { .. } => "push_failed",
            ImageState::Blocked { .. } => "blocked",
            ImageState::Cancelled => "cancelled",
            ImageState::Reused { .. } => "reused",
            ImageState::Held { .. } => "held",
        }
    }

    fn to_value(&self) -> Value {
        let mut map = blank(&self.name, &self.full, self.state_name(), &self.parents);
        insert(&mut map, "seconds", rounded(self.seconds));
        insert(&mut map, "allowed_to_fail", self.allowed_to_fail);
        if let Some(path) = &self.log.path {
            insert(&mut map, "log", path.display().to_string());
        }
        match &self.state {
            ImageState::Pushed { digest, seconds } => {
                insert(&mut map, "digest", digest.as_str());
                insert(&mut map, "push_seconds", rounded(*seconds));
                insert(&mut map, "push_tries", i64::from(self.push_tries));
            }
            ImageState::Failed { message } => insert(&mut map, "message", message.as_str()),
            ImageState::PushFailed { message } => {
                insert(&mut map, "message", message.as_str());
                insert(&mut map, "push_tries", i64::from(self.push_tries));
            }
            ImageState::Blocked { by } => insert(&mut map, "blocked_by", by.as_str()),
            ImageState::Reused { digest, reason } => {
                insert(&mut map, "reason", reason.as_str());
                insert(&mut map, "digest", digest.as_deref().map_or(Value::Null, Value::from));
            }
            _ => {}
        }
        if let Some(error) = &self.error {
            insert(&mut map, "class", error.class.name());
        }
        if let Some(key) = &self.key {
            insert(&mut map, "key", key.as_str());
        }
        if let Some(place) = &self.place {
            insert(&mut map, "failed_at", format!("{}:{}", place.file, place.line));
        }
        if let Some(facts) = &self.facts {
            insert(&mut map, "id", facts.id.as_str());
            insert(&mut map, "size", Value::Int(i128::from(facts.size)));
            insert(&mut map, "layers", Value::Int(facts.layers.len() as i128));
        }
        map.into()
    }

    /// `images/web/Dockerfile:4: RUN false: exit code 1`.
    fn failure(&self) -> String {
        let text = match &self.state {
            ImageState::Failed { message } | ImageState::PushFailed { message } => message.as_str(),
            _ => "",
        };
        let text = exit_code(text).map_or_else(|| text.to_owned(), |code| format!("exit code {code}"));
        match &self.place {
            Some(place) => format!("{place}: {text}"),
            None => text,
        }
    }
}

impl Report {
    /// Puts the images into the order in which they are built: by levels, then by name.
    pub fn sort(&mut self, graph: &Graph) {
        let levels = graph.levels();
        let of: std::collections::HashMap<&str, usize> =
            graph.images.iter().zip(levels).map(|(image, level)| (image.name.as_str(), level)).collect();
        for image in &mut self.images {
            image.level = of.get(image.name.as_str()).copied().unwrap_or_default();
        }
        self.images.sort_by(|one, other| (one.level, &one.name).cmp(&(other.level, &other.name)));
    }

    /// The result's keys.
    pub fn to_map(&self) -> Map {
        let count = |name: &str| self.images.iter().filter(|image| image.state_name() == name).count() as i128;
        let mut map = Map::new();
        insert(&mut map, "tag", self.tag.as_str());
        insert(&mut map, "images", self.images.iter().map(ImageReport::to_value).collect::<Vec<_>>());
        for name in ["pushed", "push_failed", "failed", "blocked", "cancelled", "reused"] {
            let key = if name == "failed" { "build_failed" } else { name };
            insert(&mut map, key, Value::Int(count(name)));
        }
        insert(&mut map, "built", Value::Int(count("built") + count("pushed") + count("push_failed")));
        insert(&mut map, "builder", self.builder);
        insert(&mut map, "engine_version", self.engine.as_str());
        if !self.slowest_path.is_empty() {
            let names = self.slowest_path.iter().map(|name| Value::from(name.as_str())).collect::<Vec<_>>();
            insert(&mut map, "slowest_path", names);
            insert(&mut map, "slowest_seconds", rounded(self.slowest_seconds));
        }
        if let Some(cost) = self.proof.filter(|cost| cost.bytes > 0 || cost.layers_known > 0) {
            let mut proof = Map::new();
            for (name, number) in [
                ("bytes", cost.bytes),
                ("layers_searched", cost.layers_searched),
                ("layers_known", cost.layers_known),
                ("not_opened", cost.not_opened),
            ] {
                insert(&mut proof, name, Value::Int(i128::from(number)));
            }
            insert(&mut proof, "seconds", rounded(cost.seconds));
            insert(&mut proof, "seconds_per_gb", cost.rate().map_or(Value::Null, |rate| rounded(rate).into()));
            insert(&mut map, "proof", Value::from(proof));
        }
        if !self.throttled.is_empty() {
            let told = self.throttled.iter().map(|one| {
                let mut map = Map::new();
                insert(&mut map, "registry", one.registry.as_str());
                insert(&mut map, "refusals", Value::Int(i128::from(one.refusals)));
                insert(&mut map, "waits", Value::Int(i128::from(one.waits)));
                Value::from(map)
            });
            insert(&mut map, "throttled", told.collect::<Vec<_>>());
        }
        if let Some(forecast) = &self.forecast {
            let json = serde_json::to_value(forecast).unwrap_or_default();
            insert(&mut map, "forecast", crate::value::from_json(json));
        }
        map
    }

    /// What went wrong, if anything did.
    pub fn diagnostic(&self) -> Option<Diagnostic> {
        let counts = |image: &&ImageReport| !image.allowed_to_fail;
        let of = |name: &str| {
            self.images.iter().filter(|image| image.state_name() == name).filter(counts).collect::<Vec<_>>()
        };
        let (failed, unpushed, blocked) = (of("failed"), of("push_failed"), of("blocked"));
        if self.cancelled {
            let done =
                self.images.iter().filter(|image| matches!(image.state_name(), "built" | "pushed" | "reused")).count();
            return Some(
                Diagnostic::new("B0012", Kind::Interrupted, "the image builds were interrupted")
                    .with_note(format!("{done} of {} images were finished before", self.images.len())),
            );
        }
        let names = |images: &[&ImageReport]| {
            images.iter().map(|image| format!("`{}`", image.name)).collect::<Vec<_>>().join(", ")
        };
        let Some(first) = failed.first().or(unpushed.first()) else {
            // What may fail took along what may not, as kolla-build counts it.
            let may: Vec<&ImageReport> = self
                .images
                .iter()
                .filter(|image| image.allowed_to_fail && image.state_name().ends_with("failed"))
                .collect();
            let (count, all) = (blocked.len(), self.images.len());
            return (!blocked.is_empty()).then(|| {
                Diagnostic::task("B0008", format!("{count} of {all} images were not built: {}", names(&blocked)))
                    .with_note(format!("they need what failed and may fail: {}", names(&may)))
                    .with_hint("let them fail too (`allowed_to_fail: true`), or mend what they need")
            });
        };
        let (code, message) = match (failed.as_slice(), unpushed.as_slice()) {
            ([one], []) => ("B0008", format!("image `{}` failed at {}", one.name, one.failure())),
            ([], [one]) => ("B0009", format!("image `{}` was built, but not pushed: {}", one.name, one.failure())),
            ([], many) => (
                "B0009",
                format!("{} of {} images were built, but not pushed: {}", many.len(), self.images.len(), names(many)),
            ),
            (many, _) => ("B0008", format!("{} of {} images failed: {}", many.len(), self.images.len(), names(many))),
        };
        let message = if first.place.is_none() { message.replacen(" failed at ", " failed: ", 1) } else { message };
        let says = |text: &str| first.error.as_ref().is_some_and(|error| error.message.contains(text));
        let code = match code {
            _ if says(SOURCE_DIFFERS) => "B0152",
            _ if says(SOURCE_MISSING) => "B0151",
            _ if says(HOLDS_A_SECRET) => "B0100",
            _ if says(NOT_SEARCHED) => "B0101",
            _ if says(NAMES_THE_MIRROR) => "B0010",
            code => code,
        };
        let mut diagnostic = Diagnostic::task(code, message);
        if failed.len() + unpushed.len() > 1 {
            for image in failed.iter().chain(&unpushed) {
                diagnostic = diagnostic.with_note(format!("`{}`: {}", image.name, image.failure()));
            }
        }
        if !blocked.is_empty() {
            diagnostic = diagnostic.with_note(format!("not built, since a parent failed: {}", names(&blocked)));
        }
        if !first.log.tail.is_empty() {
            let tail = first.log.tail.join("\n  ");
            diagnostic = diagnostic.with_note(format!("{LAST_LINES}{}`:\n  {tail}", first.name));
        }
        if let Some(path) = &first.log.path {
            diagnostic = diagnostic.with_note(format!("the whole log is `{}` on the host", path.display()));
        }
        Some(hint(diagnostic, first))
    }
}

fn hint(diagnostic: Diagnostic, image: &ImageReport) -> Diagnostic {
    let Some(error) = &image.error else { return diagnostic };
    if let Some(hint) = &error.hint {
        return diagnostic.with_hint(hint.as_str());
    }
    match error.class {
        ErrorClass::Auth => diagnostic.with_hint("check `registry_username` and `registry_password`"),
        ErrorClass::DiskFull => diagnostic.with_hint("free space on the engine's disk: `docker system df`, `docker builder prune`"),
        ErrorClass::Certificate => diagnostic
            .with_hint("place the registry's CA in `/etc/docker/certs.d/HOST:PORT/ca.crt` and restart nothing: it is read at each push"),
        ErrorClass::Unreachable => diagnostic.with_hint("is the engine still running? `systemctl status docker`"),
        _ if image.heredoc && error.message.contains("unknown instruction") => {
            diagnostic.with_hint("heredocs (`<<EOF`) need Docker 23 or newer; older engines read their lines as instructions")
        }
        _ if error.message.contains(HOLDS_A_SECRET) => diagnostic.with_hint(
            "read it with `RUN --mount=type=secret,id=ID` instead of `COPY`, `ARG` or `ENV`; a later `RUN rm` does not remove it",
        ),
        _ if error.message.contains(NAMES_THE_MIRROR) => diagnostic.with_hint(
            "restore the package sources in the same `RUN` that used the mirror, so that no layer keeps its name",
        ),
        _ => diagnostic,
    }
}

fn exit_code(text: &str) -> Option<&str> {
    let rest = text.rsplit_once("exit code: ").or_else(|| text.rsplit_once("returned a non-zero code: "))?.1;
    let digits = rest.trim();
    (!digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())).then_some(digits)
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::graph::tests::{image, names};
    use crate::system::engine::FailedStep;
    use std::collections::BTreeMap;

    #[test]
    fn every_image_has_the_same_keys_in_the_order_of_the_build() {
        let digest = || "sha256:1".to_owned();
        let images = [("z", "FROM scratch"), ("b", "FROM z"), ("a", "FROM z"), ("y", "FROM scratch")];
        let images = images.iter().map(|(name, text)| image(name, text)).collect();
        let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
        let states = [
            ImageState::Failed { message: "x".into() },
            ImageState::Blocked { by: "z".into() },
            ImageState::Cancelled,
            ImageState::Pushed { digest: digest(), seconds: 1.0 },
        ];
        let end = |(index, state)| {
            let end = Finished { image: index, state, seconds: 1.0, build_tries: 1, push_tries: 1, error: None };
            ImageReport::new(&graph, &names(), end, None, LogEnd::default())
        };
        let mut report = Report { images: states.into_iter().enumerate().map(end).collect(), ..Report::default() };
        report.sort(&graph);
        let json = crate::value::to_json(&Value::from(report.to_map()));
        let images = json["images"].as_array().unwrap();
        let of = |key: &str| images.iter().map(|image| image[key].as_str()).collect::<Vec<_>>();
        assert_eq!(of("name"), [Some("y"), Some("z"), Some("a"), Some("b")]);
        assert_eq!(of("digest"), [Some("sha256:1"), None, None, None]);
        let keys = |image: &serde_json::Value| {
            let mut keys: Vec<String> = image.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys
        };
        let planned = crate::value::to_json(&Value::from(blank("x", "lab/x:t", "planned", &[])));
        assert!(images.iter().all(|image| keys(image) == keys(&planned)), "{images:?}");
    }

    fn report(states: Vec<(ImageState, Option<EngineError>)>) -> Report {
        let images =
            ["base", "web", "app"].iter().map(|name| image(name, "FROM scratch\nRUN one\nRUN false\n")).collect();
        let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
        let images = states
            .into_iter()
            .enumerate()
            .map(|(index, (state, error))| {
                let end = Finished { image: index, state, seconds: 1.0, build_tries: 1, push_tries: 1, error };
                let log = LogEnd { path: Some("/l/x.log".into()), tail: vec!["boom".into()] };
                ImageReport::new(&graph, &names(), end, None, log)
            })
            .collect();
        Report { images, tag: "t".into(), builder: "buildkit", engine: "20".into(), ..Report::default() }
    }

    #[test]
    fn a_failure_names_the_line_the_log_and_what_it_blocks() {
        let text = "executor failed running [/bin/sh -c false]: exit code: 1";
        let step = FailedStep { step: 2, stage: None, text: "RUN false".into(), classic: false };
        let report = report(vec![
            (ImageState::Built { seconds: 1.0 }, None),
            (
                ImageState::Failed { message: text.into() },
                Some(EngineError::new(ErrorClass::Instruction, text).at_step(Some(step))),
            ),
            (ImageState::Blocked { by: "web".into() }, None),
        ]);
        let diagnostic = report.diagnostic().unwrap();
        assert_eq!(diagnostic.code, "B0008");
        assert_eq!(diagnostic.message, "image `web` failed at images/web/Dockerfile:3: RUN false: exit code 1");
        assert_eq!(
            diagnostic.notes,
            [
                "not built, since a parent failed: `app`",
                "the last lines of `web`:\n  boom",
                "the whole log is `/l/x.log` on the host"
            ]
        );
        let map = Value::from(report.to_map());
        assert_eq!(map.get("build_failed").and_then(Value::as_int), Some(1));
        assert_eq!(map.get("built").and_then(Value::as_int), Some(1));
        let web = &map.get("images").and_then(Value::as_list).unwrap()[1];
        assert_eq!(web.get("failed_at").and_then(Value::as_str), Some("images/web/Dockerfile:3"));
    }

    #[test]
    fn a_push_that_failed_is_another_state_than_a_build_that_failed() {
        let error = EngineError::new(ErrorClass::Auth, "unauthorized");
        let report = report(vec![
            (ImageState::Pushed { digest: "sha256:1".into(), seconds: 1.0 }, None),
            (ImageState::PushFailed { message: "unauthorized".into() }, Some(error)),
        ]);
        let diagnostic = report.diagnostic().unwrap();
        assert_eq!((diagnostic.code.as_ref(), diagnostic.hints.len()), ("B0009", 1));
        assert_eq!(diagnostic.message, "image `web` was built, but not pushed: unauthorized");
        assert_eq!(Value::from(report.to_map()).get("built").and_then(Value::as_int), Some(2));
    }
}
