//! What the events of a run tell of its images, folded into one record for each build: states from progress, sizes,
//! classes and parents from the task's result. Both the journal's summary and the terminal's tables come from it.
//!
//! Lenient: a result may lack any field, and a build that was cut off has no result at all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use super::{Event, EventKind, ImageForecast, ImageState, Progress, TaskId};
use crate::value::{Map, StrKey, Value};

impl ImageState {
    /// The state's name, as results and summaries have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Building => "building",
            Self::Built { .. } => "built",
            Self::Pushing => "pushing",
            Self::Pushed { .. } => "pushed",
            Self::Failed { .. } => "failed",
            Self::PushFailed { .. } => "push_failed",
            Self::Blocked { .. } => "blocked",
            Self::Cancelled => "cancelled",
            Self::Reused { .. } => "reused",
            Self::Held { .. } => "held",
        }
    }
}

/// What is known of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord {
    /// Its name in its tree.
    pub name: String,
    /// Its name with registry, namespace and tag; empty if unknown.
    pub full: String,
    /// The last state.
    pub state: ImageState,
    /// What kind of failure (`build error`, `registry trouble`); empty without one.
    pub class: String,
    /// The registry's digest.
    pub digest: Option<String>,
    /// Bytes of the image.
    pub size: Option<u64>,
    /// Seconds of the build.
    pub seconds: Option<f64>,
    /// Seconds of the push.
    pub push_seconds: Option<f64>,
    /// Names of its parents in the tree.
    pub parents: Vec<String>,
    /// Its log below the run's folder, `logs/base.log`.
    pub log: String,
    /// Its log on the build host.
    pub host_log: Option<String>,
    /// The instruction that failed, `docker/web/Dockerfile:41`.
    pub failed_at: Option<String>,
    /// Of what it is made, as a key.
    pub key: Option<String>,
    /// Its failure does not change the exit code.
    pub allowed_to_fail: bool,
}

impl ImageRecord {
    /// It has no end yet.
    fn is_under_way(&self) -> bool {
        use ImageState::{Building, Held, Pushing, Waiting};
        matches!(self.state, Waiting | Building | Pushing | Held { .. })
    }

    fn new(name: &str, log: String) -> Self {
        Self {
            name: name.to_owned(),
            full: String::new(),
            state: ImageState::Waiting,
            class: String::new(),
            digest: None,
            size: None,
            seconds: None,
            push_seconds: None,
            parents: Vec::new(),
            log,
            host_log: None,
            failed_at: None,
            key: None,
            allowed_to_fail: false,
        }
    }

    /// Why it is in its state: the failure's message, where it was found, what is waited for.
    pub fn reason(&self) -> Option<&str> {
        match &self.state {
            ImageState::Failed { message } | ImageState::PushFailed { message } => Some(message),
            ImageState::Reused { reason, .. } | ImageState::Held { reason } => Some(reason),
            _ => None,
        }
    }

    /// The failure's class, `build failed` and `push failed` where the result does not tell.
    pub fn failure(&self) -> Option<&str> {
        let unknown = match self.state {
            ImageState::Failed { .. } => "build failed",
            ImageState::PushFailed { .. } => "push failed",
            _ => return None,
        };
        Some(if self.class.is_empty() { unknown } else { &self.class })
    }

    fn set(&mut self, state: &ImageState) {
        match state {
            ImageState::Building => (self.seconds, self.push_seconds, self.failed_at) = (None, None, None),
            ImageState::Built { seconds } => self.seconds = Some(*seconds),
            ImageState::Pushed { digest, seconds } => {
                (self.digest, self.push_seconds) = (Some(digest.clone()), Some(*seconds));
            }
            ImageState::Reused { digest: Some(digest), .. } => self.digest = Some(digest.clone()),
            ImageState::Failed { message } | ImageState::PushFailed { message } => {
                self.failed_at = place(message).map(|(place, _)| place.to_owned());
            }
            _ => {}
        }
        self.state = state.clone();
    }

    fn learn(&mut self, result: &Value) {
        let text = |key: &str| result.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let own = |key: &str| text(key).map(str::to_owned);
        let unfinished =
            matches!(self.state.name(), "waiting" | "building" | "pushing" | "held") || text("state").is_none();
        if let Some(state) = text("state").filter(|_| unfinished).and_then(|state| state_of(state, result)) {
            self.set(&state);
        }
        self.full = own("full").unwrap_or_default();
        self.class = own("class").unwrap_or_default();
        self.digest = own("digest").or(self.digest.take());
        self.host_log = own("log");
        self.key = own("key");
        self.allowed_to_fail |= matches!(result.get("allowed_to_fail"), Some(Value::Bool(true)));
        self.failed_at = own("failed_at").or(self.failed_at.take());
        self.size = number(result, "size").and_then(whole).or(self.size);
        self.seconds = self.seconds.or(number(result, "seconds").filter(|seconds| *seconds > 0.0));
        self.push_seconds = self.push_seconds.or(number(result, "push_seconds"));
        if let Some(parents) = result.get("parents").and_then(Value::as_list) {
            self.parents = parents.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
    }
}

/// `docker/web/Dockerfile:41: RUN npm ci: exit code 1` as place and the rest.
pub fn place(message: &str) -> Option<(&str, &str)> {
    let (before, rest) = message.split_once(": ")?;
    let (path, line) = before.rsplit_once(':')?;
    let known = !path.is_empty() && !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    // A host and its port are no place in a file.
    (known && path.to_ascii_lowercase().contains("dockerfile")).then_some((before, rest))
}

/// What a failed instruction's message says beside the instruction: `exit code 7` of the engines' long sentences.
pub fn exit_code(message: &str) -> Option<String> {
    let found = ["exit code: ", "returned a non-zero code: "].into_iter().find_map(|lead| message.rsplit_once(lead));
    let code = found?.1.trim().trim_end_matches('.');
    (!code.is_empty() && code.len() < 4 && code.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| format!("exit code {code}"))
}

fn number(result: &Value, key: &str) -> Option<f64> {
    match result.get(key)? {
        Value::Float(number) => Some(*number).filter(|number| number.is_finite()),
        #[expect(clippy::cast_precision_loss, reason = "sizes and seconds stay far below")]
        other => other.as_int().map(|number| number as f64),
    }
}

fn whole(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked before, and the cast saturates"
    )]
    (number >= 0.0).then_some(number as u64)
}

fn state_of(name: &str, result: &Value) -> Option<ImageState> {
    let text = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let seconds = |key: &str| number(result, key).unwrap_or_default();
    Some(match name {
        "built" => ImageState::Built { seconds: seconds("seconds") },
        "pushed" => ImageState::Pushed { digest: text("digest"), seconds: seconds("push_seconds") },
        "failed" => ImageState::Failed { message: text("message") },
        "push_failed" => ImageState::PushFailed { message: text("message") },
        "blocked" => ImageState::Blocked { by: text("blocked_by") },
        "cancelled" => ImageState::Cancelled,
        "reused" => {
            ImageState::Reused { digest: Some(text("digest")).filter(|text| !text.is_empty()), reason: text("reason") }
        }
        _ => return None,
    })
}

/// One task's images on one host; of a loop, those of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBuild {
    /// The host that builds.
    pub host: Option<Arc<str>>,
    /// The task.
    pub task: TaskId,
    /// By name, in the order in which they were announced.
    pub images: IndexMap<String, ImageRecord>,
    /// What was expected.
    pub forecast: Option<ImageForecast>,
    /// The images' tag.
    pub tag: Option<String>,
    /// The builder's name.
    pub builder: Option<String>,
    /// The task has ended.
    pub ended: bool,
    /// Seconds that the task took.
    pub seconds: Option<f64>,
    path: Vec<String>,
    /// Its place among the builds of the run.
    place: usize,
}

impl ImageBuild {
    fn is_of(&self, host: Option<&Arc<str>>, task: TaskId) -> bool {
        self.task == task && self.host.as_ref() == host
    }

    /// How many images failed whose failure counts, and how many that were allowed to.
    pub fn failures(&self) -> (usize, usize) {
        let failed = || self.images.values().filter(|image| image.failure().is_some());
        let allowed = failed().filter(|image| image.allowed_to_fail).count();
        (failed().count() - allowed, allowed)
    }

    /// How many images are in a state of this name.
    pub fn count(&self, state: &str) -> usize {
        self.images.values().filter(|image| image.state.name() == state).count()
    }

    /// The images that each had to wait for the one before, whose builds took longest together; with their seconds.
    /// As the result tells it, else from parents and durations.
    pub fn slowest_path(&self) -> Vec<(String, f64)> {
        let seconds = |name: &str| self.images.get(name).and_then(|image| image.seconds).unwrap_or_default();
        let path = if self.path.is_empty() { self.longest() } else { self.path.clone() };
        path.into_iter().map(|name| (seconds(&name), name)).map(|(seconds, name)| (name, seconds)).collect()
    }

    /// The longest way through the graph by recorded seconds; what is in a circle counts for nothing.
    fn longest(&self) -> Vec<String> {
        let count = self.images.len();
        let mut children = vec![Vec::new(); count];
        let mut missing = vec![0_usize; count];
        for (child, image) in self.images.values().enumerate() {
            for parent in image.parents.iter().filter_map(|parent| self.images.get_index_of(parent)) {
                children[parent].push(child);
                missing[child] += 1;
            }
        }
        let own: Vec<f64> = self.images.values().map(|image| image.seconds.unwrap_or_default()).collect();
        let mut total = own.clone();
        let mut before = vec![None; count];
        let mut ready: Vec<usize> = (0..count).filter(|image| missing[*image] == 0).collect();
        let mut last: Option<usize> = None;
        while let Some(image) = ready.pop() {
            if total[image] > last.map_or(0.0, |last| total[last]) {
                last = Some(image);
            }
            for &child in &children[image] {
                if total[image] + own[child] > total[child] {
                    (total[child], before[child]) = (total[image] + own[child], Some(image));
                }
                missing[child] -= 1;
                if missing[child] == 0 {
                    ready.push(child);
                }
            }
        }
        let mut path: Vec<String> = Vec::new();
        while let Some(image) = last.take() {
            // What was not built took no time.
            if own[image] > 0.0 {
                path.extend(self.images.get_index(image).map(|(name, _)| name.clone()));
            }
            last = before[image];
        }
        path.reverse();
        path
    }

    fn learn(&mut self, result: &Map, owners: &mut Owners) {
        let text = |key: &str| result.get(&StrKey(key)).and_then(Value::as_str).filter(|text| !text.is_empty());
        for image in result.get(&StrKey("images")).and_then(Value::as_list).unwrap_or_default() {
            let Some(name) = image.get("name").and_then(Value::as_str) else { continue };
            // What was only planned is no build either.
            let state = image.get("state").and_then(Value::as_str).filter(|state| *state != "planned");
            if state.is_none() && !self.images.contains_key(name) {
                continue;
            }
            self.image(name, owners).learn(image);
        }
        // The result has the order of the build; what it does not name stays behind.
        let listed = result.get(&StrKey("images")).and_then(Value::as_list).unwrap_or_default();
        let names = listed.iter().filter_map(|image| image.get("name").and_then(Value::as_str));
        let places: HashMap<&str, usize> = names.enumerate().map(|(place, name)| (name, place)).collect();
        let place = |name: &String| places.get(name.as_str()).copied().unwrap_or(usize::MAX);
        self.images.sort_by(|one, _, other, _| place(one).cmp(&place(other)));
        self.tag = text("tag").map(str::to_owned).or(self.tag.take());
        self.builder = text("builder").map(str::to_owned).or(self.builder.take());
        let named =
            |step: &Value| step.as_str().or_else(|| step.get("name").and_then(Value::as_str)).map(str::to_owned);
        let path = result.get(&StrKey("slowest_path"));
        let path = path.and_then(|path| path.as_list().or_else(|| path.get("images").and_then(Value::as_list)));
        if let Some(path) = path {
            self.path = path.iter().filter_map(named).collect();
        }
    }

    fn image(&mut self, name: &str, owners: &mut Owners) -> &mut ImageRecord {
        if !self.images.contains_key(name) {
            let log = format!("logs/{}", owners.log_file(self.host.as_ref(), self.place, name));
            let mut record = ImageRecord::new(name, log);
            let forecast = self.forecast.as_ref();
            record.allowed_to_fail =
                forecast.is_some_and(|forecast| forecast.allowed_to_fail.iter().any(|allowed| allowed == name));
            self.images.insert(name.to_owned(), record);
        }
        &mut self.images[name]
    }
}

/// Which builds have an image of a name, with their hosts, in the order in which they told of it.
#[derive(Default)]
struct Owners(HashMap<String, Vec<(usize, Option<Arc<str>>)>>);

impl Owners {
    /// The first has the plain name.
    fn log_file(&mut self, host: Option<&Arc<str>>, build: usize, image: &str) -> String {
        if !self.0.contains_key(image) {
            self.0.insert(image.to_owned(), Vec::new());
        }
        let Some(owners) = self.0.get_mut(image) else { return format!("{}.log", file_name(image)) };
        let place = owners.iter().position(|(owner, _)| *owner == build).unwrap_or_else(|| {
            owners.push((build, host.cloned()));
            owners.len() - 1
        });
        let number = owners[..place].iter().filter(|(_, other)| other.as_ref() == host).count() + 1;
        let other = host.filter(|_| owners[0].1.as_ref() != host).map(|host| file_name(host));
        let mark = match (other, number) {
            (None, 1) => String::new(),
            (None, number) => format!("@{number}"),
            (Some(host), 1) => format!("@{host}"),
            (Some(host), number) => format!("@{host}.{number}"),
        };
        format!("{}{mark}.log", file_name(image))
    }
}

/// A name as part of a file's name: what is no plain character becomes `_`, and then a part of the name's hash keeps
/// two such names apart.
pub fn file_name(name: &str) -> String {
    const LONGEST: usize = 100;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let clean: String = name.chars().take(LONGEST).map(|c| if plain(c) { c } else { '_' }).collect();
    if clean == name && !name.is_empty() && !name.starts_with(['.', '-']) {
        return clean;
    }
    let hash = hex::encode(&Sha256::digest(name.as_bytes())[..4]);
    match clean.trim_start_matches(['.', '-']) {
        "" => format!("image-{hash}"),
        clean => format!("{clean}-{hash}"),
    }
}

/// How the note of an error begins that has an image's last lines of log: its name in backticks comes next.
pub const LAST_LINES: &str = "the last lines of `";

/// The closing note of a run whose builds go on without it.
pub const LEFT: &str = "builds";

/// All image builds of a run.
#[derive(Default)]
pub struct ImageLedger {
    builds: Vec<ImageBuild>,
    tasks: HashSet<TaskId>,
    owners: Owners,
}

impl ImageLedger {
    /// Takes what an event tells.
    pub fn event(&mut self, event: &Event) {
        let host = event.host.as_ref();
        match &event.kind {
            EventKind::TaskStarted { task, module, .. }
                if matches!(module.rsplit('.').next(), Some("image_build" | "async_status")) =>
            {
                self.tasks.insert(*task);
            }
            EventKind::Progress { task, progress } => match progress {
                Progress::Image { image, state } => {
                    let (build, owners) = self.open(host, *task);
                    build.image(image, owners).set(state);
                }
                Progress::ImageForecast { forecast } => {
                    let build = self.open(host, *task).0;
                    for name in &forecast.allowed_to_fail {
                        if let Some(image) = build.images.get_mut(name) {
                            image.allowed_to_fail = true;
                        }
                    }
                    build.forecast = Some(forecast.clone());
                }
                _ => {}
            },
            // The whole of a loop has its items' ends behind it.
            EventKind::HostDone { task, done, items: Some(_) } if self.known(host, *task) => {
                for build in self.builds.iter_mut().filter(|build| build.is_of(host, *task) && !build.ended) {
                    (build.ended, build.seconds) = (true, Some(done.seconds));
                }
            }
            EventKind::ItemDone { task, done, .. } | EventKind::HostDone { task, done, .. }
                if self.known(host, *task) =>
            {
                let (build, owners) = self.open(host, *task);
                build.learn(&done.result, owners);
                (build.ended, build.seconds) = (true, Some(done.seconds));
            }
            // Interrupted: the host was told to stop, and nobody waited for it. What was left alone goes on.
            EventKind::RunEnded { notes, .. } if !notes.iter().any(|(name, _)| name == LEFT) => {
                for build in self.builds.iter_mut().filter(|build| !build.ended) {
                    for image in build.images.values_mut().filter(|image| image.is_under_way()) {
                        image.state = ImageState::Cancelled;
                    }
                }
            }
            _ => {}
        }
    }

    fn known(&self, host: Option<&Arc<str>>, task: TaskId) -> bool {
        self.tasks.contains(&task) || self.build(host, task).is_some()
    }

    fn open(&mut self, host: Option<&Arc<str>>, task: TaskId) -> (&mut ImageBuild, &mut Owners) {
        let found = self.builds.iter().rposition(|build| build.is_of(host, task) && !build.ended);
        let place = self.builds.len();
        let index = found.unwrap_or_else(|| {
            self.builds.push(ImageBuild {
                host: host.cloned(),
                task,
                images: IndexMap::new(),
                forecast: None,
                tag: None,
                builder: None,
                ended: false,
                seconds: None,
                path: Vec::new(),
                place,
            });
            place
        });
        (&mut self.builds[index], &mut self.owners)
    }

    /// A task's newest build on a host.
    pub fn build(&self, host: Option<&Arc<str>>, task: TaskId) -> Option<&ImageBuild> {
        self.builds_of(host, task).next_back()
    }

    /// A task's builds on a host: one, or one for each item of a loop.
    pub fn builds_of(&self, host: Option<&Arc<str>>, task: TaskId) -> impl DoubleEndedIterator<Item = &ImageBuild> {
        self.builds.iter().filter(move |build| build.is_of(host, task))
    }

    /// All builds that have images or told what they expect, in the order of their beginnings.
    pub fn builds(&self) -> impl Iterator<Item = &ImageBuild> {
        self.builds.iter().filter(|build| !build.images.is_empty() || build.forecast.is_some())
    }

    /// The file's name of an image's log in a task's build that is under way, or was the last: `IMAGE.log`,
    /// `IMAGE@HOST.log` for each further host that builds it, `IMAGE@2.log` and `IMAGE@HOST.2.log` for a second image of
    /// the name in the same run.
    pub fn log_file(&mut self, host: Option<&Arc<str>>, task: TaskId, image: &str) -> String {
        let place = self.build(host, task).map(|build| build.place);
        let place = place.unwrap_or_else(|| self.open(host, task).0.place);
        self.owners.log_file(host, place, image)
    }

    /// An item of a task's loop ended on a host: the next has a build of its own.
    pub fn item_ended(&mut self, host: Option<&Arc<str>>, task: TaskId) {
        if let Some(build) = self.builds.iter_mut().rev().find(|build| build.is_of(host, task)) {
            build.ended = true;
        }
    }
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
