//! Image builds over a real sshd whose links are cut: ssh's master, sshd's session, the controller itself.
//!
//! One test, since all scenes share one engine; it is skipped with the reason where that cannot run.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

#[expect(dead_code, reason = "other tests use more of it")]
#[path = "image_engine/lab.rs"]
mod lab;
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "connection/lab.rs"]
mod ssh_lab;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::Lab;
use serde_json::Value as Json;
use ssh_lab::{Sshd, User};

/// The names of the tree's images.
const IMAGES: [&str; 8] = ["base", "i1", "i2", "i3", "i4", "i5", "i6", "i7"];
/// The folder of root's builds.
const BUILDS: &str = "/var/lib/hostctl/builds";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A project whose host `b1` is this machine, by ssh as a user who may become root.
struct Place {
    lab: Lab,
    sshd: Sshd,
    user: User,
    folder: tempfile::TempDir,
}

/// What a run of the program came to.
struct Said {
    code: Option<i32>,
    text: String,
}

/// Waits for something that must come.
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn kill(pid: u32) {
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
}

fn jsons(path: &Path) -> Vec<Json> {
    let text = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What a run's record has of its host's progress, in order.
fn progress(events: &Path) -> Vec<Json> {
    let told = jsons(events).into_iter().filter(|event| event["event"] == "progress");
    told.map(|mut event| event["progress"].take()).filter(|told| told["kind"] != "build_seen").collect()
}

/// How often each image came to a state.
fn counts(progress: &[Json], state: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for told in progress.iter().filter(|told| told["kind"] == "image") {
        if told["state"]["state"] == state || told["state"] == state || told["state"].get(state).is_some() {
            *found.entry(told["image"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    found
}

fn each_once() -> BTreeMap<String, usize> {
    IMAGES.iter().map(|name| ((*name).to_owned(), 1)).collect()
}

impl Place {
    fn new(lab: Lab) -> Self {
        let sshd = Sshd::start();
        let user = ssh_lab::user(Some("ALL=(ALL) NOPASSWD: ALL"));
        let folder = tempfile::Builder::new().prefix("hostctl-link-").tempdir_in("/var/tmp").unwrap();
        let place = Self { lab, sshd, user, folder };
        let environment = place.at("environments/e");
        fs::create_dir_all(environment.join("inventory")).unwrap();
        fs::write(environment.join("environment.yml"), "description: x\n").unwrap();
        let host = format!(
            "b1 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={} ansible_user={} ansible_ssh_common_args='-F {}'\n",
            place.sshd.port,
            place.user.name,
            place.sshd.path("config").display()
        );
        fs::write(environment.join("inventory/hosts"), host).unwrap();
        place.good(&["vault", "init", "--env", "e"]);
        let mut set = place.command(&["vault", "set", "--env", "e", "registry_password"]);
        let mut child = set.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lab::PASSWORD.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command
    }

    fn start(&self, args: &[&str], log: &str) -> Child {
        let log = fs::File::create(self.at(log)).unwrap();
        let mut command = self.command(args);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    }

    /// Runs the program to its end, which must come.
    fn run(&self, args: &[&str]) -> Said {
        let child = self.start(args, "said.log");
        self.end(child, "said.log")
    }

    fn end(&self, mut child: Child, log: &str) -> Said {
        let end = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it hangs: {}", fs::read_to_string(self.at(log)).unwrap());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        Said { code, text: fs::read_to_string(self.at(log)).unwrap() }
    }

    fn good(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {}", said.text);
        said.text
    }

    /// One error of this code, and an end.
    fn bad(&self, args: &[&str], code: &str) -> String {
        let said = self.run(args);
        assert_ne!(said.code, Some(0), "{args:?}: {}", said.text);
        assert_eq!(said.text.matches(&format!("error[{code}]")).count(), 1, "{args:?}: {}", said.text);
        assert!(!said.text.contains("E9"), "{}", said.text);
        said.text
    }

    /// A tree and a playbook `NAME.yml` that builds it.
    fn playbook(&self, name: &str) {
        let files: Vec<(String, String)> = (1..IMAGES.len())
            .map(|number| {
                let parent = if number == 1 { "base".to_owned() } else { format!("i{}", number / 2) };
                let parent = if parent == "i0" { "base".to_owned() } else { parent };
                let text = format!("FROM {parent}\nRUN sleep 1.5 && echo did-{name}-i{number}- > /did-{number}\n");
                (format!("i{number}/Dockerfile"), text)
            })
            .collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let root = self.lab.tree(&format!("tree-{name}"), &files);
        fs::set_permissions(self.lab.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let text = format!(
            "- hosts: b1\n  gather_facts: false\n  become: true\n  tasks:\n    - name: images\n      image_build:\n        \
             path: {}\n        remote_src: true\n        registry: \"{}\"\n        registry_username: builder\n        \
             registry_password: \"{{{{ registry_password }}}}\"\n        namespace: {name}\n        tag: \"{{{{ hostctl_run.time }}}}\"\n        push: true\n        \
             network: host\n        builder: classic\n        docker_host: \"{}\"\n        parallel: 1\n      register: built\n    - debug:\n        \
             msg: \"the tag is {{{{ built.tag }}}}.\"\n",
            root.display(),
            self.lab.registry,
            self.lab.address()
        );
        fs::write(self.at(&format!("{name}.yml")), text).unwrap();
    }

    /// The runs' folders, oldest first.
    fn runs(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.at(".hostctl/runs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.join("events.jsonl").exists())
            .collect();
        found.sort();
        found
    }

    /// The folder of a run that has just begun, behind those that were there.
    fn new_run(&self, before: usize) -> PathBuf {
        wait_for("a new run", || self.runs().into_iter().nth(before))
    }

    /// The process that holds the connection to sshd.
    fn master(&self) -> Option<u32> {
        let filter = format!("dport = :{}", self.sshd.port);
        let output = Command::new("ss").args(["-Htnp", "state", "established", &filter]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, rest) = text.split_once("(\"ssh\",pid=")?;
        rest.split(',').next()?.parse().ok()
    }
}

/// The build's folder of a run.
fn build_of(run: &Path) -> Option<PathBuf> {
    let begun = jsons(&run.join("events.jsonl")).into_iter().find(|event| event["event"] == "work_begun")?;
    Some(Path::new(BUILDS).join(begun["build"].as_str()?))
}

/// The process that builds in a folder, not the program that asked for it.
fn process_of(build: &Path) -> Option<u32> {
    let role = format!("build={}", build.display());
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        line.split(|byte| *byte == 0).any(|word| word == role.as_bytes()).then_some(pid)
    })
}

fn pushed(events: &Path) -> usize {
    counts(&progress(events), "pushed").len()
}

fn tag_of(text: &str) -> String {
    let (_, rest) = text.rsplit_once("the tag is ").unwrap_or_else(|| panic!("no tag: {text}"));
    rest.split('.').next().unwrap().to_owned()
}

/// No secret in the arguments or the environment of any process that builds or leads there, or in the folder.
fn no_secret_is_seen(place: &Place, build: &Path) {
    let secret = lab::PASSWORD.as_bytes();
    let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
    let own = process_of(build).expect("the build runs");
    let mut pids = place.sshd.sessions();
    pids.push(own);
    pids.extend(place.master());
    for pid in pids {
        for name in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            assert!(!has(&bytes), "{name} of {pid}: {}", String::from_utf8_lossy(&bytes));
        }
    }
    for entry in fs::read_dir(build).unwrap().flatten() {
        let found = entry.metadata().unwrap();
        assert_eq!((found.uid(), found.mode() & 0o077), (0, 0), "{}", entry.path().display());
        assert!(!has(&fs::read(entry.path()).unwrap_or_default()), "{}", entry.path().display());
    }
    let folder = fs::metadata(build).unwrap();
    assert_eq!((folder.uid(), folder.mode() & 0o777), (0, 0o700));
}

/// ssh's master killed three times in one set.
fn the_master_is_killed_three_times(place: &Place) {
    place.playbook("master");
    let before = place.runs().len();
    let child = place.start(&["run", "--env", "e", "master.yml"], "master.log");
    let run = place.new_run(before);
    let events = run.join("events.jsonl");
    let build = wait_for("the build", || build_of(&run).filter(|build| build.join("events").exists()));
    let mut masters = Vec::new();
    for number in [1, 3, 5] {
        wait_for("pushed images", || (pushed(&events) >= number).then_some(()));
        let pid = wait_for("a new master", || place.master().filter(|pid| !masters.contains(pid)));
        if masters.is_empty() {
            no_secret_is_seen(place, &build);
        }
        kill(pid);
        masters.push(pid);
    }
    let said = place.end(child, "master.log");
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(said.text.matches("S0211").count(), 3, "{}", said.text);
    whole(&build, &progress(&events));
    assert!(!fs::read_to_string(&events).unwrap().contains(lab::PASSWORD));
}

/// What was told of each image, in order.
fn by_image(told: &[Json]) -> BTreeMap<String, Vec<Json>> {
    let mut found: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for told in told {
        found.entry(told["image"].as_str().unwrap_or_default().to_owned()).or_default().push(told.clone());
    }
    found
}

/// Everything that a build told has arrived, once and in order, and each image was built and pushed once.
fn whole(build: &Path, told: &[Json]) {
    let own = jsons(&build.join("events"));
    assert_eq!(own.len(), told.len());
    // Lines of one image may wait for others of it, since a secret could go on there.
    assert_eq!(by_image(&own), by_image(told));
    for state in ["built", "pushed"] {
        assert_eq!(counts(&own, state), each_once(), "{state} in {own:?}");
    }
}

/// sshd's processes killed, then the controller; `attach` sees the end, and `--resume` keeps the tag.
fn the_controller_is_killed(place: &Place) {
    place.playbook("controller");
    let before = place.runs().len();
    let mut child = place.start(&["run", "--env", "e", "controller.yml"], "controller.log");
    let run = place.new_run(before);
    let events = run.join("events.jsonl");
    let build = wait_for("the build", || build_of(&run).filter(|build| build.join("events").exists()));
    wait_for("a pushed image", || (pushed(&events) >= 1).then_some(()));
    for pid in place.sshd.logins() {
        kill(pid);
    }
    wait_for("three pushed images", || (pushed(&events) >= 3).then_some(()));
    let text = fs::read_to_string(&events).unwrap();
    assert_eq!(text.matches("S0211").count(), 1, "{text}");
    let _ = child.kill();
    let _ = child.wait();
    assert!(process_of(&build).is_some(), "the build goes on");
    let name = run.file_name().unwrap().to_str().unwrap();
    let said = place.run(&["attach", name]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let own = jsons(&build.join("events"));
    for state in ["built", "pushed"] {
        assert_eq!(counts(&own, state), each_once(), "{state} in {own:?}");
    }
    wait_for("the end of the build's process", || process_of(&build).is_none().then_some(()));
    // What was seen before and after is all of it; only what the record had not marked yet may be told twice.
    let attached = place.runs().last().unwrap().join("events.jsonl");
    let (first, second) = (progress(&events), progress(&attached));
    assert!(first.len() + second.len() >= own.len(), "nothing is lost");
    assert!(second.len() < own.len(), "it goes on from the last event seen");
    let (first, second) = (by_image(&first), by_image(&second));
    for (image, own) in by_image(&own) {
        let before = first.get(&image).map_or(&[][..], Vec::as_slice);
        let after = second.get(&image).map_or(&[][..], Vec::as_slice);
        assert!(own.starts_with(before) && own.ends_with(after), "{image}: {own:?}");
        assert!(
            before.len() + after.len() >= own.len(),
            "{image}: {} of {} are lost",
            before.len() + after.len(),
            own.len()
        );
    }
    // Once more: its end is told again.
    let said = place.run(&["run", "--env", "e", "controller.yml", "--resume", name]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let resumed = place.runs().last().unwrap().join("events.jsonl");
    assert!(counts(&progress(&resumed), "built").is_empty(), "{}", said.text);
    assert!(counts(&progress(&resumed), "pushed").is_empty(), "{}", said.text);
    assert_eq!(tag_of(&said.text), name.split('-').next().unwrap(), "{}", said.text);
}

/// What cannot be: one error each, and an end.
fn wrong_uses(place: &Place) {
    fs::create_dir_all(place.at("empty/environments")).unwrap();
    let text = place.bad(&["attach", "--project", "empty"], "R0201");
    assert!(text.contains("hint") || text.contains("help"), "{text}");
    place.bad(&["attach", "20010101T000000-none"], "R0201");
    let done = place.runs().into_iter().next().unwrap();
    place.bad(&["attach", done.file_name().unwrap().to_str().unwrap()], "R0205");
    let id = |number: u32| format!("20010101T00000{number}-{}.task.args", std::process::id());
    let attach = |id: &str, code: &str| {
        let text = format!(
            "- hosts: b1\n  gather_facts: false\n  become: true\n  tasks:\n    - image_attach:\n        build: {id}\n"
        );
        fs::write(place.at("attach.yml"), text).unwrap();
        place.bad(&["run", "--env", "e", "attach.yml"], code)
    };
    let folder = |number: u32| Path::new(BUILDS).join(id(number));
    let made = Made(std::cell::RefCell::default());
    let make = |number: u32| {
        let path = folder(number);
        fs::create_dir(&path).unwrap();
        made.0.borrow_mut().push(path.clone());
        path
    };
    attach(&id(0), "B0140");
    // A link in the place of a build, and in the place of its events.
    let outside = place.at("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("events"), "\"x\"\n").unwrap();
    fs::write(outside.join("result"), "{}").unwrap();
    std::os::unix::fs::symlink(&outside, folder(1)).unwrap();
    made.0.borrow_mut().push(folder(1));
    let text = attach(&id(1), "B0141");
    assert!(text.contains("is a link"), "{text}");
    let planted = make(2);
    std::os::unix::fs::symlink(outside.join("events"), planted.join("events")).unwrap();
    fs::write(planted.join("result"), "{}").unwrap();
    attach(&id(2), "B0142");
    // Another user's.
    let other = make(3);
    let uid = fs::metadata(format!("/home/{}", place.user.name)).unwrap().uid();
    std::os::unix::fs::chown(&other, Some(uid), None).unwrap();
    let text = attach(&id(3), "B0141");
    assert!(text.contains("belongs to"), "{text}");
    // A pipe that nobody writes to.
    let pipe = make(4);
    ssh_lab::run("mkfifo", &[&pipe.join("events").display().to_string()]);
    fs::write(pipe.join("result"), "{}").unwrap();
    attach(&id(4), "B0142");
    // Lines that are none, and an end that is cut.
    let garbage = make(5);
    fs::write(garbage.join("events"), b"{\n\xff\xfe\0\n\n{\"kind\":\"of a newer one\"}\ncut").unwrap();
    fs::write(garbage.join("result"), "{\"done\":{\"changed\":tr").unwrap();
    let text = attach(&id(5), "B0142");
    assert!(text.contains("not understood"), "{text}");
    // No process and no end.
    make(6);
    attach(&id(6), "B0143");
}

/// Folders that a test made.
struct Made(std::cell::RefCell<Vec<PathBuf>>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.borrow().iter() {
            if fs::remove_file(path).is_err() {
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

#[test]
fn builds_outlive_their_links() {
    let skip = |reason: &str| {
        assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
        println!("SKIPPED link loss: {reason}");
    };
    if let Some(reason) = ssh_lab::missing() {
        return skip(reason);
    }
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => return skip(&reason),
    };
    let place = Place::new(lab);
    the_master_is_killed_three_times(&place);
    the_controller_is_killed(&place);
    wrong_uses(&place);
    for build in place.runs().iter().filter_map(|run| build_of(run)) {
        let _ = fs::remove_dir_all(build);
    }
}
