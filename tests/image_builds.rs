//! `hostctl run` with image builds that are left alone: nothing changed, killed, resumed, an engine that goes away, a
//! disk that is full, a secret in a layer. Each test has a real engine and a real registry of its own, and is skipped
//! with the reason where these cannot run.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

#[path = "image_engine/calls.rs"]
mod calls;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/lab.rs"]
mod lab;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/site.rs"]
mod site;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use calls::Calls;
use lab::Lab;
use rustix::process::{Signal, kill_process};
use serde_json::{Value as Json, json};
use site::{Site, builder, builds_of, end_of, ok, signal, skipped, until};

const ALL: [&str; 10] = ["base", "m1", "m2", "m3", "l1", "l2", "l3", "l4", "l5", "l6"];

/// base, three on it, two on each of these.
const TREE: &[(&str, &str)] = &[
    ("m1/Dockerfile", "FROM base\nCOPY word /word\n"),
    ("m1/word", "one"),
    ("m2/Dockerfile", "FROM base\nCOPY word /word\n"),
    ("m2/word", "two"),
    ("m3/Dockerfile", "FROM base\nCOPY word /word\n"),
    ("m3/word", "three"),
    ("l1/Dockerfile", "FROM m1\nRUN echo 1 > /leaf\n"),
    ("l2/Dockerfile", "FROM m1\nRUN echo 2 > /leaf\n"),
    ("l3/Dockerfile", "FROM m2\nRUN echo 3 > /leaf\n"),
    ("l4/Dockerfile", "FROM m2\nRUN echo 4 > /leaf\n"),
    ("l5/Dockerfile", "FROM m3\nRUN echo 5 > /leaf\n"),
    ("l6/Dockerfile", "FROM m3\nRUN echo 6 > /leaf\n"),
];

#[test]
fn only_what_changed_is_built_and_digests_stay() {
    let Some(site) = Site::new(TREE, &json!({})) else { return };
    // A plan builds nothing.
    site.play(&json!({ "plan": true }));
    let planned = site.run(&["run", "play.yml"]);
    ok(&planned);
    assert!(site.last() != "" && ALL.iter().all(|name| site.digest(name, &site.tag(&site.last())).is_none()));
    assert!(!site.lab.docker(&["images", "-a"]).1.contains(&site.namespace));
    let building = |run: &str| {
        ALL.into_iter().filter(|name| Site::states(run, name).iter().any(|state| state == "building")).collect()
    };
    let built: Vec<&str> = building(&site.last());
    assert!(built.is_empty(), "{built:?}");

    site.play(&json!({}));
    ok(&site.run(&["run", "play.yml"]));
    let first = site.last();
    let tag = site.tag(&first);
    for name in ALL {
        assert_eq!(Site::states(&first, name).last().unwrap(), "pushed", "{name}");
        assert_eq!(site.puts(name, &tag), 1, "{name}");
    }

    ok(&site.run(&["run", "play.yml"]));
    let second = site.last();
    let again = site.tag(&second);
    assert_ne!(tag, again);
    for name in ALL {
        assert_eq!(site.image(&second, name)["state"], "reused", "{name}");
        assert_eq!(site.digest(name, &again).unwrap(), site.digest(name, &tag).unwrap(), "{name}");
    }
    let built: Vec<&str> = building(&second);
    assert!(built.is_empty(), "{built:?}");

    site.write("m2/word", "another");
    let tree = site.folder.join("images").display().to_string();
    let why = site.run(&["image", "why", "l3", "--tree", &tree]);
    ok(&why);
    assert!(why.text.contains("m2") && why.text.starts_with("l3: "), "{}", why.text);
    let why = site.run(&["image", "why", "m2", "--tree", &tree]);
    assert!(why.text.contains("word"), "{}", why.text);
    ok(&site.run(&["run", "play.yml"]));
    let third = site.last();
    let built: Vec<&str> = building(&third);
    assert_eq!(built, ["m2", "l3", "l4"]);
    let third_tag = site.tag(&third);
    for name in ALL {
        let same = site.digest(name, &third_tag).unwrap() == site.digest(name, &tag).unwrap();
        assert_eq!(same, !["m2", "l3", "l4"].contains(&name), "{name}");
    }

    // A plan asks engine and registry and changes nothing.
    site.write("m1/word", "planned");
    site.play(&json!({}));
    let (images, before) = (ids(&site), site.last());
    let planned = site.run(&["run", "play.yml", "--plan"]);
    ok(&planned);
    assert!(planned.text.contains("images: 3 to build"), "{}", planned.text);
    assert!(planned.text.contains("file `word`"), "{}", planned.text);
    let run = site.last();
    assert_ne!(run, before);
    let result = site.result(&run);
    assert!(result["images"].as_array().unwrap().iter().all(|image| image["state"] == "planned"), "{result}");
    assert_eq!(ids(&site), images);
    assert_eq!(site.events(&run)[0]["check"], true);
    // What only would be installed cannot be asked.
    site.play(&json!({ "docker_host": "unix:///nonexistent" }));
    let planned = site.run(&["run", "play.yml", "--plan"]);
    ok(&planned);
    assert!(planned.text.contains("what would be built and reused is not known yet"), "{}", planned.text);

    // Policies: never, and too old.
    site.play(&json!({ "reuse": "never", "only": ["l1"] }));
    ok(&site.run(&["run", "play.yml"]));
    let built: Vec<&str> = building(&site.last());
    assert_eq!(built, ["base", "m1", "l1"]);
    site.play(&json!({ "reuse": { "max_age": "1s" }, "only": ["l1"] }));
    ok(&site.run(&["run", "play.yml"]));
    let built: Vec<&str> = building(&site.last());
    assert_eq!(built, ["base", "m1", "l1"]);
    site.play(&json!({ "reuse": { "max_age": "1d" }, "only": ["l1"] }));
    ok(&site.run(&["run", "play.yml"]));
    let built: Vec<&str> = building(&site.last());
    assert!(built.is_empty(), "{built:?}");

    // Sets: the second begins when the first has ended.
    site.play(&json!({ "reuse": "never", "sets": [["m1"], ["m2"]] }));
    ok(&site.run(&["run", "play.yml"]));
    let run = site.last();
    let order: Vec<(String, String)> = Site::told(&run)
        .iter()
        .filter(|event| event["kind"] == "image")
        .map(|event| (event["image"].as_str().unwrap().into(), event["state"]["state"].as_str().unwrap().into()))
        .collect();
    let at = |name: &str, state: &str| order.iter().position(|(a, b)| a == name && b == state).unwrap();
    assert!(at("m1", "pushed") < at("m2", "building"), "{order:?}");
    let built: Vec<&str> = building(&run);
    assert_eq!(built, ["base", "m1", "m2"]);
}

#[test]
fn forty_unchanged_images_ask_the_engine_for_no_build() {
    let names: Vec<String> = (1..40).map(|number| format!("i{number}")).collect();
    let mut files = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let parent = if place < 5 { "base" } else { &names[place % 5] };
        files.push((format!("{name}/Dockerfile"), format!("FROM {parent}\nCOPY word /{name}\nLABEL of={name}\n")));
        files.push((format!("{name}/word"), name.clone()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let Some(site) = Site::new(&files, &json!({})) else { return };
    let calls = Calls::new(site.lab.path("calls.sock"), site.lab.path("docker.sock"));
    let asked_before = std::cell::Cell::new(0);
    // What the registry was asked since the last time.
    let asked = || {
        let all = site.asked();
        all[asked_before.replace(all.len())..].to_vec()
    };
    let through = |push: bool| {
        let mut args = json!({ "docker_host": calls.address(), "push": push });
        if !push {
            args.as_object_mut()
                .unwrap()
                .extend(json!({ "registry_username": null, "registry_password": null }).as_object().unwrap().clone());
        }
        site.play(&args);
    };
    through(true);
    ok(&site.run(&["run", "play.yml"]));
    // That the calls of a build are seen at all.
    let seen = calls.seen();
    assert!(Calls::builds(&seen).len() >= 40, "{seen:?}");
    for push in [true, false] {
        through(push);
        asked();
        ok(&site.run(&["run", "play.yml"]));
        let seen = calls.seen();
        // Whether it has the image, and its new tag; beside them the login, once for the run.
        let asked = asked();
        let of_images = asked.iter().filter(|one| one.contains("/manifests/")).count();
        assert_eq!(of_images, if push { 2 * 40 } else { 0 }, "{asked:?}");
        assert!(asked.len() <= of_images + 4, "{asked:?}");
        assert!(!seen.is_empty() && Calls::builds(&seen).is_empty(), "{seen:?}");
        let run = site.last();
        let result = site.result(&run);
        let images = result["images"].as_array().unwrap();
        assert_eq!(images.len(), 40);
        assert!(images.iter().all(|image| image["state"] == "reused"), "{images:?}");
        // What is in the registry is not asked of the engine.
        let inspected = seen.iter().filter(|call| call.contains("/images/")).count();
        assert_eq!(inspected == 0, push, "{seen:?}");
        // `/version` starts programs each time; `/info` is asked once, for the disk.
        let asked = |end: &str| seen.iter().filter(|call| call.ends_with(end)).count();
        assert_eq!((asked("/_ping"), asked("/version"), asked("/info")), (1, 0, 1), "{seen:?}");
        // Nobody had to ask which builder there is.
        assert_eq!(result["builder"], "none");
    }
    // The record of the last tag was written for each of them, and a file that changed is seen.
    site.write("i1/word", "another");
    through(true);
    ok(&site.run(&["run", "play.yml"]));
    let run = site.last();
    let below = names.iter().enumerate().filter(|(place, _)| *place >= 5 && place % 5 == 0).count();
    let result = site.result(&run);
    let state =
        |wanted: &str| result["images"].as_array().unwrap().iter().filter(|image| image["state"] == wanted).count();
    assert_eq!((state("pushed"), state("reused")), (1 + below, 39 - below), "{result}");
    assert_eq!(result["builder"], "buildkit");
    let built = Calls::builds(&calls.seen()).iter().filter(|call| call.ends_with("/grpc")).count();
    assert!(built > below, "{built}");
}

/// A chain whose builds take a second each, and one beside it.
const SLOW: &[(&str, &str)] = &[
    ("s1/Dockerfile", "FROM base\nRUN sleep 1; date > /time\n"),
    ("s2/Dockerfile", "FROM s1\nRUN sleep 3; date > /time\n"),
    ("s3/Dockerfile", "FROM s2\nRUN sleep 1; date > /time\n"),
    ("other/Dockerfile", "FROM base\nRUN sleep 2; date > /time\n"),
];
const SLOW_ALL: [&str; 5] = ["base", "s1", "s2", "s3", "other"];

/// The engine's images; it tells those of one second in any order.
fn ids(site: &Site) -> std::collections::BTreeSet<String> {
    site.lab.docker(&["images", "-q"]).1.lines().map(str::to_owned).collect()
}

/// Each image was pushed once under the tag of a run.
#[track_caller]
fn each_once(site: &Site, run: &str) {
    let tag = site.tag(run);
    for name in SLOW_ALL {
        assert_eq!(site.puts(name, &tag), 1, "{name}:{tag}");
        assert!(site.digest(name, &tag).is_some(), "{name}:{tag}");
    }
}

#[test]
fn a_killed_controller_leaves_the_build_running_and_attach_sees_its_end() {
    let Some(site) = Site::new(SLOW, &json!({})) else { return };
    // Whatever asks it to leave, except what a user does at the keyboard.
    for (turn, kind) in [Signal::KILL, Signal::TERM, Signal::HUP].into_iter().enumerate() {
        // Cached steps would be over before the signal comes.
        site.play(&json!({ "reuse": "never", "nocache": true }));
        std::thread::sleep(Duration::from_millis(1100));
        let mut controller = site.begin(&["run", "play.yml"]);
        let run = match turn {
            0 => site.await_state("s2", "building"),
            1 => site.await_state("base", "building"),
            _ => site.await_state("s1", "building"),
        };
        std::thread::sleep(Duration::from_millis(u64::from(std::process::id()) % 7 * 100));
        signal(&controller, kind);
        let status = end_of(&mut controller);
        assert!(!status.success(), "{kind:?}: {status:?}");
        if kind != Signal::KILL {
            let text = fs::read_to_string(site.lab.path("out")).unwrap();
            assert!(text.contains("ending what runs but builds of images"), "{text}");
            assert!(text.contains(&format!("go on on their hosts: hostctl attach {run}")), "{text}");
            assert!(!text.contains("cancelled"), "{text}");
        }
        let folder = builds_of(&run).pop().unwrap();
        assert!(builder(&folder).is_some(), "{kind:?}: the build is gone");
        let attached = site.run(&["attach"]);
        ok(&attached);
        assert!(attached.text.contains("s3"), "{}", attached.text);
        let again = format!("resume    hostctl run play.yml --resume={run}");
        assert!(attached.text.contains(&again), "{}", attached.text);
        each_once(&site, &run);
        for name in SLOW_ALL {
            assert_eq!(Site::states(&run, name), ["waiting", "building", "built", "pushing", "pushed"], "{name}");
        }
        until("the build's process to end", || builder(&folder).is_none().then_some(()));
        // What the playbook has after the build is done by a resumed run, which builds nothing.
        let before = ids(&site);
        let resumed = site.run(&["run", "play.yml", "--resume", &run]);
        ok(&resumed);
        assert!(resumed.text.contains(&format!("after the build of {}", site.tag(&run))), "{}", resumed.text);
        assert_eq!(ids(&site), before);
        each_once(&site, &run);
    }
}

#[test]
fn a_build_that_is_stopped_from_afar_says_how_to_go_on() {
    let Some(site) = Site::new(SLOW, &json!({})) else { return };
    let mut controller = site.begin(&["run", "play.yml", "-e", "colour=red"]);
    let run = site.await_state("s2", "building");
    controller.kill().unwrap();
    controller.wait().unwrap();
    let stopped = site.run(&["attach", "--stop"]);
    assert_eq!(stopped.code, Some(2), "{}", stopped.text);
    let again = format!("again from here: hostctl run play.yml -e colour=red --resume={run}");
    assert!(stopped.text.contains(&again), "{}", stopped.text);
    // Nobody wrote the play that comes back, and nothing failed.
    assert!(!stopped.text.contains("--> "), "{}", stopped.text);
    for name in SLOW_ALL {
        let last = Site::states(&run, name).pop().unwrap();
        assert!(last == "pushed" || last == "cancelled", "{name}: {last}");
    }
    ok(&site.run(&["run", "play.yml", "-e", "colour=red", &format!("--resume={run}")]));
    each_once(&site, &run);
}

#[test]
fn an_interrupt_at_the_keyboard_stops_the_build() {
    let Some(site) = Site::new(SLOW, &json!({})) else { return };
    let mut controller = site.begin(&["run", "play.yml"]);
    let run = site.await_state("s1", "pushed");
    site.await_state("s2", "building");
    signal(&controller, Signal::INT);
    assert_eq!(end_of(&mut controller).code(), Some(99));
    let folder = builds_of(&run).pop().unwrap();
    until("the build's process to end", || builder(&folder).is_none().then_some(()));
    for name in ["s2", "s3"] {
        assert_eq!(Site::states(&run, name).last().unwrap(), "cancelled", "{name}");
        assert!(site.digest(name, &site.tag(&run)).is_none(), "{name}");
    }
    assert_eq!(Site::states(&run, "s1").last().unwrap(), "pushed");
    let text = fs::read_to_string(site.lab.path("out")).unwrap();
    let counts = text.lines().find(|line| line.starts_with("  images   ") && line.contains("cancelled"));
    assert!(counts.is_some_and(|line| line.contains(" done ") && !line.contains("building")), "{text}");
    let again = format!("resume    hostctl run play.yml --resume={run}");
    assert!(text.contains(&again), "{text}");
}

#[test]
fn a_killed_build_is_resumed_under_its_tag() {
    let Some(site) = Site::new(SLOW, &json!({})) else { return };
    // The build's process alone: the run fails, and says how to go on.
    let mut controller = site.begin(&["run", "play.yml"]);
    let run = site.await_state("s1", "pushed");
    let folder = builds_of(&run).pop().unwrap();
    kill_process(builder(&folder).unwrap(), Signal::KILL).unwrap();
    assert_eq!(end_of(&mut controller).code(), Some(2));
    let text = fs::read_to_string(site.lab.path("out")).unwrap();
    assert!(text.contains("B0143") && text.contains("--resume"), "{text}");
    let digest = site.digest("s1", &site.tag(&run)).unwrap();
    let resumed = site.run(&["run", "play.yml", "--resume"]);
    ok(&resumed);
    let last = site.last();
    assert_ne!(last, run);
    assert_eq!(site.tag(&last), site.tag(&run));
    for name in ["base", "s1"] {
        assert_eq!(site.image(&last, name)["state"], "reused", "{name}");
    }
    assert_eq!(site.digest("s1", &site.tag(&run)).unwrap(), digest);
    each_once(&site, &run);

    // Both: a plain run starts anew, with a warning. Cached steps would be over before the kill.
    site.play(&json!({ "reuse": "never", "nocache": true }));
    std::thread::sleep(Duration::from_millis(1100));
    let mut controller = site.begin(&["run", "play.yml"]);
    let killed = site.await_state("base", "pushed");
    controller.kill().unwrap();
    controller.wait().unwrap();
    let folder = builds_of(&killed).pop().unwrap();
    kill_process(builder(&folder).unwrap(), Signal::KILL).unwrap();
    let plain = site.run(&["run", "play.yml"]);
    ok(&plain);
    assert!(plain.text.contains("R0204") && plain.text.contains(&killed), "{}", plain.text);
    assert_ne!(site.tag(&site.last()), site.tag(&killed));
    each_once(&site, &site.last());
    // The killed one can still be resumed by its name.
    ok(&site.run(&["run", "play.yml", "--resume", &killed]));
    each_once(&site, &killed);
}

#[test]
fn an_engine_that_is_killed_and_comes_back_is_waited_for() {
    let Some(mut site) = Site::new(SLOW, &json!({})) else { return };
    for stopped in [false, true] {
        site.play(&json!({ "nocache": true }));
        std::thread::sleep(Duration::from_millis(1100));
        let mut controller = site.begin(&["run", "play.yml"]);
        let run = site.await_state("s2", "building");
        std::thread::sleep(Duration::from_millis(500));
        if stopped {
            site.lab.stop_engine();
        } else {
            site.lab.kill_engine();
        }
        std::thread::sleep(Duration::from_secs(3));
        assert!(controller.try_wait().unwrap().is_none(), "the run waits");
        site.lab.start_engine();
        let status = end_of(&mut controller);
        assert!(status.success(), "{status:?}");
        for name in SLOW_ALL {
            assert_eq!(Site::states(&run, name).last().unwrap(), "pushed", "{name}");
            assert!(site.digest(name, &site.tag(&run)).is_some(), "{name}");
        }
        let states = Site::states(&run, "s2");
        assert_eq!(states.iter().filter(|state| *state == "building").count(), 2, "{states:?}");
        assert!(states.iter().any(|state| state == "held"), "{states:?}");
    }
}

/// A small file system in a file, unmounted with this value.
struct Small {
    _keep: tempfile::TempDir,
    place: PathBuf,
    image: PathBuf,
}

impl Small {
    fn new(megabytes: u64) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("hostctl-small-").tempdir_in("/var/tmp").unwrap();
        let (image, place) = (folder.path().join("disk"), folder.path().join("mounted"));
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        fs::create_dir(&place).unwrap();
        let tool = |program: &str, args: &[&str]| match Command::new(program).args(args).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("{program}: {error}")),
        };
        let (from, to) = (image.display().to_string(), place.display().to_string());
        tool("mkfs.ext4", &["-q", "-F", "-m", "0", &from])?;
        tool("mount", &["-o", "loop", &from, &to])?;
        Ok(Self { _keep: folder, place, image })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.place, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn prunable_cache_is_given_up_first_and_a_full_disk_is_told_of() {
    let small = match Small::new(2100) {
        Ok(small) => small,
        Err(reason) => {
            skipped(&reason);
            return;
        }
    };
    let fat = "FROM base AS big\nRUN fallocate -l 500M /big\nFROM base\nCOPY --from=big /bin/busybox /copy\n";
    let other = fat.replace("500M", "501M");
    let files = [
        ("fat/Dockerfile", fat),
        ("other/Dockerfile", &other),
        ("next/Dockerfile", "FROM fat\nRUN fallocate -l 500M /big\n"),
        ("after/Dockerfile", "FROM next\nRUN echo after\n"),
        ("full/Dockerfile", "FROM after\nRUN echo begin && fallocate -l 1900M /big\n"),
        ("under/Dockerfile", "FROM full\nRUN echo never\n"),
    ];
    let place = small.place.clone();
    // Nothing is sought and nothing pushed: images of hundreds of megabytes need not be read.
    let quick = |more: Json| {
        let mut args = json!({ "push": false, "registry_username": null, "registry_password": null, "parallel": 1 });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    let Some(site) = Site::on(Lab::start_on(|_| Ok(place)), &files, &quick(json!({ "only": ["after"] }))) else {
        return;
    };
    // An image without history counts as 1 GiB: before `after` the cache is given up.
    ok(&site.run(&["run", "play.yml"]));
    let run = site.last();
    assert_eq!(Site::states(&run, "after").last().unwrap(), "built");
    let held = Site::told(&run).iter().any(|event| {
        event["state"]["state"] == "held" && event["state"]["reason"].as_str().unwrap().starts_with("disk: ")
    });
    assert!(held, "{:?}", Site::told(&run));

    // An image that takes more than there is.
    site.play(&quick(json!({ "only": ["under"] })));
    let ended = site.run(&["run", "play.yml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    let run = site.last();
    assert_eq!(site.image(&run, "full")["class"], "disk full", "{}", ended.text);
    assert_eq!(site.image(&run, "under")["state"], "blocked");
    assert!(ended.text.contains("disk full"), "{}", ended.text);

    // Less than 1 GiB is free, and cache that can be removed makes more of it.
    site.play(&quick(json!({ "only": ["other"] })));
    ok(&site.run(&["run", "play.yml"]));
    let filler = File::create(small.place.join("filler")).unwrap();
    let free = || rustix::fs::statvfs(&small.place).map(|room| room.f_bavail * room.f_frsize).unwrap();
    rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, free() - (700 << 20)).unwrap();
    site.play(&quick(json!({ "nocache": true, "only": ["base"] })));
    let ended = site.run(&["run", "play.yml"]);
    ok(&ended);
    assert!(ended.text.contains("removed to make room") && free() > 1100 << 20, "{}: {}", free(), ended.text);
    // With nothing to remove it is told before any build.
    let size = filler.metadata().unwrap().len();
    let more = free().saturating_sub(500 << 20);
    rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), size, more).unwrap();
    let ended = site.run(&["run", "play.yml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    assert!(ended.text.contains("B0116"), "{}", ended.text);
    drop(filler);

    // The file system is whole.
    drop(site);
    let unmounted = Command::new("umount").arg(&small.place).output().unwrap();
    assert!(unmounted.status.success(), "{}", String::from_utf8_lossy(&unmounted.stderr));
    let checked = Command::new("e2fsck").args(["-f", "-n"]).arg(&small.image).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Variables of all hosts in a file of ansible-vault; its password is in `pw`.
fn sealed(site: &Site, variables: &str) {
    fs::write(site.folder.join("pw"), "vault password\n").unwrap();
    let vars = site.folder.join("group_vars");
    fs::create_dir(&vars).unwrap();
    fs::write(vars.join("all.yml"), variables).unwrap();
    let links = site.lab.path("links");
    fs::create_dir(&links).unwrap();
    let vault = links.join("ansible-vault");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hostctl"), &vault).unwrap();
    let seal = Command::new(&vault)
        .args(["encrypt", "--vault-password-file", "pw", "group_vars/all.yml"])
        .current_dir(&site.folder)
        .output()
        .unwrap();
    assert!(seal.status.success(), "{}", String::from_utf8_lossy(&seal.stderr));
}

#[test]
fn each_value_of_a_list_in_the_vault_is_searched_for_also_in_the_background() {
    const TOKENS: [&str; 3] = ["canary-list-a-5Tq8", "canary-list-b-2Wd7", "canary-list-c-9Rk3"];
    let files = [
        ("plain/Dockerfile", "FROM base\nRUN echo plain\n"),
        ("given/Dockerfile", "FROM base\nARG TOKEN\nRUN echo \"$TOKEN\" > /token\n"),
    ];
    let Some(site) = Site::new(&files, &json!({})) else { return };
    let [a, b, c] = TOKENS;
    sealed(&site, &format!("tokens: [{a}, {b}]\nnested: {{deep: {{one: {c}}}}}\n"));
    let places = || ["/var/lib/hostctl/images".into(), site.folder.join(".hostctl"), site.lab.path("registry")];
    let nowhere = |text: &str| {
        for token in TOKENS {
            assert!(!text.contains(token), "{text}");
            for place in places() {
                let found = Command::new("grep").args(["-rlaF", token]).arg(&place).output().unwrap();
                assert_eq!(String::from_utf8_lossy(&found.stdout), "", "in {}", place.display());
            }
        }
    };
    let run = || site.run(&["run", "play.yml", "--vault-password-file", "pw"]);
    for value in ["{{ tokens[0] }}", "{{ tokens[1] }}", "{{ nested.deep.one }}"] {
        site.play(&json!({ "labels": { "note": value }, "only": ["plain"] }));
        let ended = run();
        assert_eq!(ended.code, Some(2), "{value}: {}", ended.text);
        let last = site.last();
        assert!(site.image(&last, "base")["message"].as_str().unwrap().contains("configuration"), "{}", ended.text);
        assert!(site.digest("base", &site.tag(&last)).is_none(), "{value}");
        nowhere(&ended.text);
    }
    // What was built with an argument of the vault is known again by its digest.
    let given = json!({ "build_args": { "TOKEN": "{{ tokens[0] }}" }, "only": ["given"], "search_except": ["tokens"] });
    site.play(&given);
    let ended = run();
    ok(&ended);
    let tree = site.folder.join("images").display().to_string();
    let why = site.run(&["image", "why", "given", "--tree", &tree]);
    assert_eq!(why.code, Some(0), "{}", why.text);
    assert!(!why.text.contains("TOKEN"), "the argument is the same: {}", why.text);
    // Who lets a value into images does not let it into records.
    let found = Command::new("grep").args(["-rlaF", a, "/var/lib/hostctl/images"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    // A task with `async` is a job of its own.
    let play = fs::read_to_string(site.folder.join("play.yml")).unwrap();
    let mut play: Json = serde_json::from_str(&play).unwrap();
    let task = &mut play[0]["tasks"][1];
    (task["async"], task["poll"]) = (json!(300), json!(1));
    let args = &mut task["image_build"];
    (args["labels"], args["only"]) = (json!({ "note": "{{ tokens[0] }}" }), json!(["plain"]));
    let args = args.as_object_mut().unwrap();
    args.remove("build_args");
    args.remove("search_except");
    fs::write(site.folder.join("play.yml"), play.to_string()).unwrap();
    let ended = run();
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    assert!(ended.text.contains("base") && !ended.text.contains(a), "{}", ended.text);
    assert!(site.digest("base", &site.tag(&site.last())).is_none(), "{}", ended.text);
}

#[test]
fn a_vault_value_in_a_layer_blocks_the_push_and_is_written_nowhere() {
    const CANARY: &str = "canary-81c7f3-do-not-tell";
    let files = [
        ("leak/Dockerfile", "FROM base\nCOPY leak.txt /etc/leak.txt\nRUN cat /etc/leak.txt\n"),
        ("leak/leak.txt", "password=canary-81c7f3-do-not-tell\n"),
        ("child/Dockerfile", "FROM leak\nRUN echo child\n"),
        ("fine/Dockerfile", "FROM base\nRUN echo fine > /fine\n"),
    ];
    let Some(site) = Site::new(&files, &json!({ "log_dir": "LOGS" })) else { return };
    let logs = site.lab.path("logs");
    site.play(&json!({ "log_dir": logs }));
    sealed(&site, &format!("database_password: {CANARY}\n"));

    let ended = site.run(&["run", "play.yml", "--vault-password-file", "pw"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    let run = site.last();
    let leak = site.image(&run, "leak");
    let message = leak["message"].as_str().unwrap();
    assert!(message.contains("database_password") && message.contains("etc/leak.txt"), "{message}");
    assert_eq!(site.image(&run, "child")["state"], "blocked");
    assert_eq!(site.image(&run, "fine")["state"], "pushed");
    let tag = site.tag(&run);
    assert!(site.digest("leak", &tag).is_none() && site.digest("fine", &tag).is_some());
    assert_eq!(site.puts("leak", &tag), 0);
    assert!(!site.lab.path(&format!("registry/docker/registry/v2/repositories/{}/leak", site.namespace)).exists());

    assert!(!ended.text.contains(CANARY), "{}", ended.text);
    let mut places =
        vec![site.folder.join(".hostctl"), logs, site.lab.path("registry"), "/var/lib/hostctl/images".into()];
    places.extend(builds_of(&run));
    for place in places {
        assert!(place.is_dir(), "{}", place.display());
        let found = Command::new("grep").args(["-rlaF", CANARY]).arg(&place).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "in {}", place.display());
    }
}
