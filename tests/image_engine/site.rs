//! A project whose playbook builds images, with an engine and a registry of its own.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use super::lab::{Lab, PASSWORD};

/// The longest a run of these small trees may take.
pub const LONGEST: Duration = Duration::from_secs(100);

#[expect(clippy::print_stdout, reason = "a skip is told with its reason")]
pub fn skipped(reason: &str) {
    assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
    println!("skipped: {reason}");
}

/// A project with a tree of images and a playbook that builds it.
pub struct Site {
    pub lab: Lab,
    pub folder: PathBuf,
    pub namespace: String,
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub text: String,
}

impl Site {
    /// `None` if there can be no engine here, said on standard output.
    pub fn new(files: &[(&str, &str)], more: &Json) -> Option<Self> {
        Self::on(Lab::start(), files, more)
    }

    pub fn on(lab: Result<Lab, String>, files: &[(&str, &str)], more: &Json) -> Option<Self> {
        let lab = match lab {
            Ok(lab) => lab,
            Err(reason) => {
                skipped(&reason);
                return None;
            }
        };
        lab.tree("site/images", files);
        let folder = lab.path("site");
        // Records of images are the machine's: no other test may know these names.
        let namespace = format!("n{}{}", std::process::id(), lab.registry.rsplit(':').next().unwrap());
        let site = Self { lab, folder, namespace };
        site.play(more);
        Some(site)
    }

    /// Writes the playbook anew with these arguments.
    pub fn play(&self, more: &Json) {
        self.play_in(more, &json!({}));
    }

    /// The same with variables of the task's environment.
    pub fn play_in(&self, more: &Json, environment: &Json) {
        let mut args = json!({
            "path": "images", "registry": self.lab.registry, "registry_username": "builder",
            "registry_password": PASSWORD, "namespace": self.namespace, "tag": "{{ made.tag }}", "push": true,
            "network": "host", "docker_host": self.lab.address(), "parallel": 2, "min_free": "1m",
        });
        for (key, value) in more.as_object().unwrap() {
            args[key] = value.clone();
        }
        args.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let play = json!([{
            "hosts": "localhost", "connection": "local", "gather_facts": false,
            "tasks": [
                { "image_tag": { "release": "t" }, "register": "made" },
                { "name": "images", "image_build": args, "register": "built", "environment": environment },
                { "debug": { "msg": "after the build of {{ built.tag }}" } },
            ],
        }]);
        fs::write(self.folder.join("play.yml"), play.to_string()).unwrap();
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.folder.join("images").join(path), text).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        command.args(args).current_dir(&self.folder).env("HOME", &self.folder).stdin(Stdio::null());
        for name in ["HOSTCTL_STATE_DIR", "HOSTCTL_ENV", "DOCKER_HOST", "ANSIBLE_CONFIG"] {
            command.env_remove(name);
        }
        command
    }

    /// Begins in the background; what it says goes to `out` in the lab's folder.
    pub fn begin(&self, args: &[&str]) -> Child {
        let out = File::create(self.lab.path("out")).unwrap();
        self.command(args).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        // A tag has seconds.
        std::thread::sleep(Duration::from_millis(1100));
        let mut child = self.begin(args);
        let status = end_of(&mut child);
        Ended { code: status.code(), text: fs::read_to_string(self.lab.path("out")).unwrap() }
    }

    pub fn runs(&self) -> Vec<String> {
        let runs = fs::read_dir(self.folder.join(".hostctl/runs")).into_iter().flatten();
        let mut names: Vec<String> = runs.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("20"));
        names.sort_by_key(|name| fs::metadata(self.folder.join(".hostctl/runs").join(name)).unwrap().ctime_nsec());
        names.sort_by(|a, b| a.split('-').next().cmp(&b.split('-').next()));
        names
    }

    pub fn last(&self) -> String {
        self.runs().pop().unwrap()
    }

    /// What a run's record has, one event a line.
    pub fn events(&self, run: &str) -> Vec<Json> {
        lines(&self.folder.join(".hostctl/runs").join(run).join("events.jsonl"))
    }

    /// What the builds of a run tell, on their host.
    pub fn told(run: &str) -> Vec<Json> {
        builds_of(run).iter().flat_map(|folder| lines(&folder.join("events"))).collect()
    }

    /// The states of an image, in order, as the build itself tells them.
    pub fn states(run: &str, image: &str) -> Vec<String> {
        let told = Self::told(run);
        let of = told.iter().filter(|event| event["kind"] == "image" && event["image"] == image);
        // A host that is loaded holds builds back.
        let calm = |event: &&Json| !event["state"]["reason"].as_str().is_some_and(|text| text.contains(" pressure: "));
        of.filter(calm).map(|event| event["state"]["state"].as_str().unwrap().to_owned()).collect()
    }

    /// `image_build`'s result in a run.
    pub fn result(&self, run: &str) -> Json {
        let events = self.events(run);
        let done = events.iter().filter(|event| event["event"] == "host_done");
        let found = done.map(|event| event["done"]["result"].clone()).find(|result| result["images"].is_array());
        found.unwrap_or_else(|| panic!("no result in {run}"))
    }

    pub fn image(&self, run: &str, name: &str) -> Json {
        let result = self.result(run);
        let found = result["images"].as_array().unwrap().iter().find(|image| image["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no `{name}` in {result}"))
    }

    /// The tag of a run or of the one that it resumed.
    pub fn tag(&self, run: &str) -> String {
        let events = self.events(run);
        let tags = events.iter().filter_map(|event| event["done"]["result"]["tag"].as_str());
        tags.map(str::to_owned).next().unwrap()
    }

    /// How often a manifest was put under a tag, as the registry's log has it.
    pub fn puts(&self, image: &str, tag: &str) -> usize {
        let log = fs::read_to_string(self.lab.path("registry.log")).unwrap()
            + &fs::read_to_string(self.lab.path("registry.err")).unwrap();
        let put = format!("\"PUT /v2/{}/{image}/manifests/{tag} ", self.namespace);
        log.lines().filter(|line| line.contains(&put)).count()
    }

    /// What the registry was asked, as its log has it: `PUT /v2/lab/base/manifests/t1`.
    pub fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.lab.path("registry.log")).unwrap();
        let asked = log.lines().filter_map(|line| line.split('"').nth(1)?.strip_suffix(" HTTP/1.1"));
        asked.filter(|asked| asked.contains(" /v2/")).map(str::to_owned).collect()
    }

    /// The digest that the registry has for a tag, from its own folder.
    pub fn digest(&self, image: &str, tag: &str) -> Option<String> {
        let tags = format!(
            "registry/docker/registry/v2/repositories/{}/{image}/_manifests/tags/{tag}/current/link",
            self.namespace
        );
        fs::read_to_string(self.lab.path(&tags)).ok()
    }

    /// What the registry answers, asked by curl: status and content.
    pub fn ask(&self, path: &str, accept: &str) -> (u32, String) {
        let login = format!("user = \"builder:{}\"\n", PASSWORD.replace('\\', "\\\\").replace('"', "\\\""));
        let config = self.lab.path("curlrc");
        fs::write(&config, login).unwrap();
        let url = format!("http://{}/v2/{}/{path}", self.lab.registry, self.namespace);
        let accept = format!("Accept: {accept}");
        let output = Command::new("curl")
            .args(["-s", "-w", "\n%{http_code}", "-H", &accept, "-K"])
            .arg(&config)
            .arg(&url)
            .output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let (content, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), content.to_owned())
    }

    /// Waits until an image of the newest run has a state.
    pub fn await_state(&self, image: &str, state: &str) -> String {
        until(&format!("`{image}` to be {state}"), || {
            let run = self.runs().pop()?;
            Self::states(&run, image).iter().any(|found| found == state).then_some(run)
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let folder = std::thread::panicking().then(|| fs::read_to_string(self.lab.path("out")).unwrap_or_default());
        if let Some(text) = folder {
            let _ = writeln!(std::io::stdout(), "the last command said:\n{text}");
        }
        for run in self.runs() {
            for build in builds_of(&run) {
                if let Some(pid) = builder(&build) {
                    let _ = kill_process(pid, Signal::KILL);
                }
                let _ = fs::remove_dir_all(build);
            }
        }
    }
}

/// JSON objects one a line; the last may not be whole yet.
pub fn lines(path: &Path) -> Vec<Json> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The folders of a run's builds on this host.
pub fn builds_of(run: &str) -> Vec<PathBuf> {
    let builds = fs::read_dir("/var/lib/hostctl/builds").into_iter().flatten();
    let paths = builds.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{run}."))).collect()
}

/// The process that builds, by its arguments.
pub fn builder(folder: &Path) -> Option<Pid> {
    let wanted = format!("build={}", folder.display());
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let own = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|argument| argument == wanted.as_bytes())
    };
    pids.filter(own).find_map(Pid::from_raw)
}

pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONGEST;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn end_of(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + LONGEST;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("hostctl does not come to an end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
pub fn ok(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}
