//! The moving block, as a terminal shows it at given times and sizes.

use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::diag::{Diagnostic, SourceMap};
use crate::event::{Done, Event, EventKind, ImageState, Progress, Reporter, Status, TaskId};
use crate::report::canvas::tests::Terminal;
use crate::report::human::{Human, HumanOptions, Surroundings};
use crate::report::written::Written;
use crate::value::Value;

/// What was written, and in how many writes.
#[derive(Clone, Default)]
pub(super) struct Shared {
    text: Arc<Mutex<Vec<u8>>>,
    writes: Arc<AtomicUsize>,
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A reporter at a terminal whose clock and window the test moves.
pub(super) struct Scene {
    human: Human<Shared>,
    out: Shared,
    milliseconds: Arc<AtomicU64>,
    size: Arc<Mutex<(usize, usize)>>,
    pub terminal: Terminal,
    read: usize,
}

impl Scene {
    pub fn new(rows: usize, columns: usize, change: impl Fn(&mut HumanOptions)) -> Self {
        let mut options =
            HumanOptions { color: false, live: true, width: columns, verbosity: 0, diff: false, unicode: true };
        change(&mut options);
        let out = Shared::default();
        let milliseconds = Arc::new(AtomicU64::new(0));
        let size = Arc::new(Mutex::new((rows, columns)));
        let (clock, window) = (Arc::clone(&milliseconds), Arc::clone(&size));
        let surroundings = Surroundings {
            now: Box::new(move || Duration::from_millis(clock.load(Ordering::SeqCst))),
            size: Box::new(move || Some(*window.lock().unwrap())),
        };
        let human = Human::onto(Written::new(out.clone(), None), options, surroundings);
        Self { human, out, milliseconds, size, terminal: Terminal::new(rows, columns), read: 0 }
    }

    pub fn event(&mut self, host: &str, kind: EventKind) {
        let seconds = self.milliseconds.load(Ordering::SeqCst) / 1000;
        let time = format!("2026-11-21T{:02}:{:02}:{:02}.000Z", 6 + seconds / 3600, seconds / 60 % 60, seconds % 60);
        let event = Event { v: 1, run: "r".into(), seq: 1, time, host: Some(host.into()), kind };
        self.human.event(&event, &SourceMap::new());
    }

    pub fn tell(&mut self, host: &str, progress: Progress) {
        self.event(host, EventKind::Progress { task: TaskId(1), progress });
    }

    pub fn state(&mut self, image: &str, state: ImageState) {
        self.tell("one", Progress::Image { image: image.into(), state });
    }

    pub fn step(&mut self, image: &str, step: u32, of: u32, text: &str) {
        self.tell("one", Progress::ImageStep { image: image.into(), step, of, text: text.into() });
    }

    pub fn log(&mut self, image: &str, line: &str) {
        self.tell("one", Progress::ImageLog { image: image.into(), line: line.into() });
    }

    pub fn seconds(&self, seconds: u64) {
        self.milliseconds.store(seconds * 1000, Ordering::SeqCst);
    }

    pub fn resize(&mut self, rows: usize, columns: usize) {
        *self.size.lock().unwrap() = (rows, columns);
        self.terminal.resize(rows, columns);
    }

    /// All that was written so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.out.text.lock().unwrap().clone()).unwrap()
    }

    pub fn writes(&self) -> usize {
        self.out.writes.load(Ordering::SeqCst)
    }

    /// What the terminal shows after the next tick.
    pub fn shown(&mut self) -> String {
        self.human.tick();
        let text = self.text();
        self.terminal.write(&text[self.read..]);
        self.read = text.len();
        self.terminal.shown()
    }

    pub fn done(&mut self, host: &str, result: &str) {
        self.ended(host, result, None);
    }

    /// The same, or a failure.
    pub fn ended(&mut self, host: &str, result: &str, diagnostic: Option<Diagnostic>) {
        let Value::Map(result) = crate::value::from_json(serde_json::from_str(result).unwrap()) else {
            panic!("a result is a mapping")
        };
        let done = Done {
            status: if diagnostic.is_some() { Status::Failed } else { Status::Changed },
            result: (*result).clone(),
            changes: Vec::new(),
            reason: None,
            diffs: Vec::new(),
            diagnostic,
            ignored: false,
            rescued: false,
            verbose: false,
            seconds: 842.0,
            delegate: None,
            arguments: None,
            no_log: false,
        };
        self.event(host, EventKind::HostDone { task: TaskId(1), done, items: None });
    }

    pub fn play(&mut self, hosts: &[&str]) {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let (name, pattern) = ("images".to_owned(), String::new());
        self.event("", EventKind::PlayStarted { index: 1, of: 1, name, hosts, free: false, check: false, pattern });
    }
}

fn failed(message: &str) -> ImageState {
    ImageState::Failed { message: message.into() }
}

/// What terminal.md shows.
fn scene(scene: &mut Scene) {
    scene.play(&["one"]);
    for image in ["nova-compute", "neutron-server", "glance-api", "horizon", "base", "keystone", "cinder", "app"] {
        scene.state(image, ImageState::Waiting);
    }
    scene.state("keystone", ImageState::Reused { digest: None, reason: "in the registry".into() });
    scene.state("base", ImageState::Building);
    scene.state("base", ImageState::Built { seconds: 31.0 });
    scene.seconds(594);
    scene.state("nova-compute", ImageState::Building);
    scene.step("nova-compute", 14, 31, "RUN apt-get install -y libvirt-daemon-system nova-compute-kvm");
    scene.seconds(676);
    scene.state("neutron-server", ImageState::Building);
    scene.state("horizon", ImageState::Building);
    scene.step("horizon", 17, 19, "RUN npm ci");
    // Not shown again when it fails: the log has it, and so has the task's error.
    scene.log("horizon", "npm ERR! code E500");
    scene.step("neutron-server", 9, 22, "COPY extend_start.sh /usr/local/bin");
    scene.seconds(712);
    scene.state("glance-api", ImageState::Pushing);
    let push = |done, bytes| Progress::ImagePush { image: "glance-api".into(), done, of: 7, bytes };
    scene.tell("one", push(0, 0));
    scene.state("horizon", failed("docker/horizon/Dockerfile:41: RUN npm ci: exit code 1"));
    scene.state("app", ImageState::Blocked { by: "horizon".into() });
    scene.state("cinder", ImageState::Held { reason: "5 GiB free of 8 GiB needed".into() });
    scene.seconds(720);
    scene.tell("one", push(3, 384_000_000));
    let host = Progress::ImageHost {
        disk_free: 61 << 30,
        disk_total: 100 << 30,
        cache: Some(22 << 30),
        seconds_left: Some(2284.0),
    };
    scene.tell("one", host);
    scene.log("nova-compute", "\u{1b}[32mUnpacking\u{1b}[0m libvirt0 (9.0.0-4) ...\r");
    scene.seconds(724);
}

#[test]
fn the_block_at_a_hundred_columns() {
    let mut shown = Scene::new(24, 101, |_| ());
    scene(&mut shown);
    assert_eq!(
        shown.shown(),
        "\
play 1 of 1   images                                                                             one
    keystone           reused      in the registry
    base               built       31.0s
    horizon            FAILED      RUN npm ci: exit code 1  (dock...Dockerfile:41)   logs/horizon.log
    app                blocked     by horizon
images 1 done 1 reused 2 building 1 pushing 1 failed 1 blocked 1 held      12m04s, about 38 min left
  nova-compute     14/31  RUN apt-get in...te-kvm    2m10s   Unpacking libvirt0 (9.0.0-4) ...
  neutron-server    9/22  COPY extend_st...al/bin      48s   (no output for 48s)
  glance-api        push  3 of 7 layers                12s   32 MB/s
  cinder held: 5 GiB free of 8 GiB needed
✗ horizon  FAILED  17/19 RUN npm ci  (docker/horizon/Dockerfile:41)   logs/horizon.log
  disk 61 of 100 GiB free     cache 22 GiB     1 push 32 MB/s"
    );
}

#[test]
fn a_narrow_and_low_window_shows_what_matters() {
    let mut shown = Scene::new(6, 45, |options| options.unicode = false);
    scene(&mut shown);
    shown.log("nova-compute", "größer");
    assert_eq!(
        shown.shown(),
        "\
play 1 of 1   images                      one
    keystone    reused      in the registry
    base        built       31.0s
    horizon     FAILED      RUN np...41)   lo
gs/horizon.log
    app         blocked     by horizon
images 1 done 1 reused 2 bui...t 38 min left
  nova-c...te   14/31    2m10s   gr??er
  and 3 more
x horizon  FAILED   logs/horizon.log
  disk 61 of 100 GiB free   ... push 32 MB/s"
    );
    shown.resize(20, 30);
    assert_eq!(
        shown.shown(),
        "\
play 1 of 1   images
            one
    keystone    reused      in
 the registry
    base        built       31
.0s
    horizon     FAILED      RU
N np...41)   lo
gs/horizon.log
    app         blocked     by
 horizon
images 1 done 1 re...min left
  nova...e   14/31    2m10s
  neut...r    9/22      48s
  glan...i    push      12s
  cinder held: 5 G...B needed
x horizon  FAILED   logs/hori
  disk 61 of 100 G... 32 MB/s"
    );
}

#[test]
fn the_end_takes_the_block_away_and_leaves_a_table() {
    let mut shown = Scene::new(40, 101, |_| ());
    scene(&mut shown);
    shown.shown();
    shown.seconds(842);
    shown.done(
        "one",
        r#"{"tag": "2024.1-t", "images": [
            {"name": "base", "state": "pushed", "digest": "sha256:0123456789abcdef0123", "size": 130000000, "push_seconds": 3.5},
            {"name": "horizon", "state": "failed", "class": "build error", "seconds": 48, "parents": ["base"],
             "failed_at": "docker/horizon/Dockerfile:41", "message": "RUN npm ci: exit code 1"}]}"#,
    );
    assert_eq!(
        shown.shown(),
        "\
play 1 of 1   images                                                                             one
    keystone           reused      in the registry
    base               built       31.0s
    horizon            FAILED      RUN npm ci: exit code 1  (dock...Dockerfile:41)   logs/horizon.log
    app                blocked     by horizon
                                        changed  one       14m02s

  images   1 done   1 reused   2 building   1 pushing   1 failed   1 blocked   1 held   14m02s
    1 failed, build error
      horizon  docker/horizon/Dockerfile:41: RUN npm ci: exit code 1   logs/horizon.log
    1 blocked by horizon   app
    image   state          build     push      size  digest
    base    built          31.0s     3.5s   123 MiB  sha256:0123456789ab
    horizon failed         48.0s
    sizes    123 MiB in 1 image, shared layers counted in each
    slowest  1m19s: base 31.0s, horizon 48.0s
    tag      2024.1-t"
    );
}

#[test]
fn a_step_is_not_told_twice_and_a_narrow_table_keeps_to_its_width() {
    let mut shown = Scene::new(24, 61, |_| ());
    shown.play(&["one"]);
    shown.state("kolla-base", ImageState::Building);
    shown.step("kolla-base", 2, 2, "RUN make");
    shown.log("kolla-base", "[2/2] RUN make");
    let lanes = shown.shown();
    assert!(lanes.contains("RUN make") && !lanes.contains("[2/2]"), "{lanes}");
    shown.log("kolla-base", "cc main.c");
    assert!(shown.shown().contains("cc main.c"));
    let digest = "0".repeat(64);
    let image = format!(
        r#"{{"name": "kolla-base", "state": "pushed", "digest": "sha256:{digest}", "size": 130000000, "seconds": 9.0, "push_seconds": 3.5}}"#
    );
    shown.done("one", &format!(r#"{{"tag": "t", "images": [{image}]}}"#));
    let table = shown.shown();
    assert!(table.contains("    kolla-base pushed          9.0s     3.5s   123 MiB\n"), "{table}");
    assert!(table.contains(" size\n") && !table.contains("sha256"), "{table}");
}

#[test]
fn several_hosts_have_a_head_each() {
    let mut shown = Scene::new(24, 80, |_| ());
    shown.play(&["one", "two"]);
    for host in ["one", "two"] {
        for image in ["base", "web"] {
            shown.tell(host, Progress::Image { image: image.into(), state: ImageState::Waiting });
        }
        shown.tell(host, Progress::Image { image: "base".into(), state: ImageState::Building });
    }
    assert_eq!(
        shown.shown(),
        "\
play 1 of 1   images                                                     2 hosts
images on one   1 building   1 waiting        0s
  base                                    0s
images on two   1 building   1 waiting        0s
  base                                    0s"
    );
}

#[test]
fn more_lanes_than_rows_show_those_that_run_longest() {
    let mut shown = Scene::new(8, 80, |_| ());
    shown.play(&["one"]);
    for image in 0..12_u64 {
        shown.seconds(image);
        shown.state(&format!("image-{image}"), ImageState::Building);
    }
    for image in 0..3 {
        shown.state(&format!("image-{image}"), failed("no"));
    }
    assert_eq!(
        shown.shown(),
        "\
play 1 of 1   images                                                         one
    image-0            FAILED      no   logs/image-0.log
    image-1            FAILED      no   logs/image-1.log
    image-2            FAILED      no   logs/image-2.log
images   9 building   3 failed        11s
  image-3                                   8s
  image-4                                   7s
  image-5                                   6s
  and 6 more
✗ image-0  FAILED  no   logs/image-0.log
  and 2 more failed"
    );
}

/// 200 images, 200,000 lines: what is written grows with time, not with lines.
#[test]
fn a_flood_of_lines_costs_few_frames() {
    let mut shown = Scene::new(24, 100, |_| ());
    shown.play(&["one"]);
    for image in 0..200 {
        shown.state(&format!("image-{image}"), ImageState::Waiting);
    }
    for image in 0..200 {
        shown.state(&format!("image-{image}"), ImageState::Building);
    }
    shown.shown();
    let before = shown.writes();
    let line = "a line of output of a build that is about as long as most are";
    for number in 0..200_000_u64 {
        // 20,000 lines a second, four ticks a second.
        shown.milliseconds.store(1000 + number / 20, Ordering::SeqCst);
        shown.log(&format!("image-{}", number % 200), line);
        if number % 5000 == 0 {
            shown.shown();
        }
    }
    let writes = shown.writes() - before;
    assert!(writes <= 41, "{writes} writes for 40 ticks");
    assert!(shown.text().len() < 42 * 24 * 110, "{}", shown.text().len());
}

/// Nothing that can be shortened is broken by the window, and texts are broken between words.
#[test]
fn a_narrow_window_breaks_no_word() {
    let mut scene = Scene::new(40, 40, |_| {});
    let environments = vec!["base".to_owned(), "ci-builder".to_owned()];
    let command = "hostctl run playbooks/build.yml --env ci-builder".to_owned();
    scene.event(
        "one",
        EventKind::RunStarted {
            version: "0.1.0".into(),
            playbook: "playbooks/build.yml".into(),
            environments,
            check: false,
            command,
            plays: 1,
            resumes: None,
        },
    );
    scene.play(&["builder1"]);
    let diagnostic =
        crate::diag::Diagnostic::task("B0008", "image `web` failed at images/web/Dockerfile:3: exit code 1")
            .with_note("not built, since a parent failed: `child`, `grandchild`")
            .with_hint("docker login registry.example:5000 --username builder");
    scene.event("builder1", EventKind::Error { diagnostic });
    let stats = crate::event::Stats { ok: 3, changed: 1, failed: 1, ..crate::event::Stats::default() };
    scene.event("", EventKind::Recap { stats: [("builder1".to_owned(), stats)].into(), failed: Vec::new() });
    scene.event("", EventKind::RunEnded { exit_code: 2, notes: Vec::new(), seconds: 7.0 });
    let text = scene.text();
    let plain = console::strip_ansi_codes(&text).replace('\r', "");
    for words in [
        "hostctl 0.1.0   playbooks/build.yml\n  env ci-builder",
        "  error[B0008]: image `web` failed at\n       images/web/Dockerfile:3: exit\n       code 1\n",
        "     = not built, since a parent failed:\n       `child`, `grandchild`\n",
        "     hint: docker login registry.example:5000 --username builder\n",
        " : ok=3 changed=1 unreachable=0\n            failed=1 skipped=0 rescued=0\n            ignored=0\n",
    ] {
        assert!(plain.contains(words), "{words:?} in\n{plain}");
    }
    let wide: Vec<&str> =
        plain.lines().filter(|line| console::measure_text_width(line) > 40 && !line.contains("hint:")).collect();
    assert!(wide.is_empty(), "{wide:?}");
}
