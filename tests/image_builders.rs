//! `image_build` by playbook with each builder and its options, for several platforms, killed at random, and with
//! contexts and output that mean ill. Each test has a real engine and a real registry of its own, and is skipped with
//! the reason where these cannot run.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/faults.rs"]
mod faults;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/lab.rs"]
mod lab;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/site.rs"]
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use faults::{Fault, Faults};
use rustix::process::{Signal, kill_process};
use serde_json::{Value as Json, json};
use site::{Site, builder, builds_of, ok, signal, skipped};

const CANARY: &str = "canary-5f0e77-not-for-images";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The digest in a link of the registry's own folder.
fn digest(site: &Site, image: &str, tag: &str) -> String {
    site.digest(image, tag).unwrap_or_else(|| panic!("no {image}:{tag}"))
}

#[test]
fn buildah_builds_proves_and_pushes() {
    if !Path::new("/usr/bin/buildah").exists() {
        return skipped("`buildah` is missing (apt-get install buildah)");
    }
    let files = [
        ("app/Dockerfile", "FROM base\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token > /size\n"),
        ("leak/Dockerfile", "FROM base\nRUN --mount=type=secret,id=token cat /run/secrets/token > /leaked\n"),
        ("top/Dockerfile", "FROM leak\nRUN true\n"),
    ];
    let Some(site) = Site::new(&files, &json!({})) else { return };
    // A store of the test's own, on no overlay.
    let store = site.lab.path("store.conf");
    let root = site.lab.path("store").display().to_string();
    fs::write(&store, format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{root}\"\nrunroot = \"{root}-run\"\n"))
        .unwrap();
    let environment = json!({ "CONTAINERS_STORAGE_CONF": store });
    let play = |more: Json| {
        let mut args = json!({ "builder": "buildah", "docker_host": null, "secrets": { "token": CANARY } });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        site.play_in(&args, &environment);
    };
    play(json!({}));
    let ended = site.run(&["run", "play.yml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    let run = site.last();
    let tag = site.tag(&run);
    for name in ["base", "app"] {
        let image = site.image(&run, name);
        assert_eq!(image["state"], "pushed", "{image}");
        // The digest is the registry's own.
        assert_eq!(image["digest"], digest(&site, name, &tag).trim(), "{name}");
    }
    let leak = site.image(&run, "leak");
    let message = leak["message"].as_str().unwrap();
    assert!(message.contains("build secret token") && message.contains("leaked"), "{message}");
    assert_eq!(site.image(&run, "top")["state"], "blocked");
    assert!(site.digest("leak", &tag).is_none());
    assert!(!ended.text.contains(CANARY), "{}", ended.text);
    assert_eq!(site.result(&run)["builder"], "buildah");
    // The secret is in the store's image that was refused, and nowhere else.
    let found = Command::new("grep").args(["-rlaF", CANARY]).arg(site.folder.join(".hostctl")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");

    play(json!({ "only": ["app"] }));
    ok(&site.run(&["run", "play.yml"]));
    let second = site.last();
    for name in ["base", "app"] {
        assert_eq!(site.image(&second, name)["state"], "reused", "{name}");
        assert_eq!(digest(&site, name, &site.tag(&second)), digest(&site, name, &tag), "{name}");
    }
    // A registry that has something else than what was pushed.
    let faults = Faults::new(Some(&site.lab.registry));
    let body = json!({ "schemaVersion": 2, "mediaType": DOCKER, "layers": [] }).to_string();
    let other = Fault::Answer(200, vec![("Content-Type".into(), DOCKER.into())], body);
    play(json!({ "registry": faults.address, "only": ["base"], "reuse": "never", "key_tags": false }));
    faults.rule("GET", "/base/manifests/", usize::MAX, other);
    let ended = site.run(&["run", "play.yml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    let image = site.image(&site.last(), "base");
    assert_eq!(
        (image["state"].as_str(), image["class"].as_str()),
        (Some("push_failed"), Some("digest mismatch")),
        "{image}"
    );
}

#[test]
fn the_classic_builder_builds_what_it_can_and_refuses_the_rest() {
    let files = [
        ("mid/Dockerfile", "FROM base\nARG WORD\nRUN echo \"word $WORD\" > /word\n"),
        ("leaf/Dockerfile", "FROM base\nCOPY --from=mid /word /from-mid\n"),
        ("loud/Dockerfile", "FROM base\nRUN yes 0123456789012345678901234567890 | head -c 8000000\n"),
        ("mounts/Dockerfile", "FROM base\nRUN --mount=type=cache,target=/c true\n"),
    ];
    let Some(site) = Site::new(&files, &json!({})) else { return };
    let args = |more: Json| {
        let mut args = json!({ "builder": "classic", "only": ["leaf"], "build_args": { "WORD": "w" } });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    site.play(&args(json!({})));
    ok(&site.run(&["run", "play.yml"]));
    let run = site.last();
    let tag = site.tag(&run);
    for name in ["base", "mid", "leaf"] {
        assert_eq!(site.image(&run, name)["digest"], digest(&site, name, &tag).trim(), "{name}");
    }
    assert_eq!(site.result(&run)["builder"], "classic");
    ok(&site.run(&["run", "play.yml"]));
    assert_eq!(site.image(&site.last(), "leaf")["state"], "reused");
    // The classic builder gives all that a step says, and all of it is kept: 250,000 lines of 32 bytes.
    let logs = site.lab.path("logs");
    site.play(&args(json!({ "only": ["loud"], "log_dir": logs, "push": false })));
    ok(&site.run(&["run", "play.yml"]));
    let said = |text: &str| text.lines().filter(|line| *line == "0123456789012345678901234567890").count();
    assert_eq!(said(&fs::read_to_string(logs.join("loud.log")).unwrap()), 250_000);
    let told = Site::told(&site.last());
    let told = told.iter().filter_map(|event| event["line"].as_str()).filter(|line| said(line) == 1).count();
    assert_eq!(told, 250_000);
    for (more, words) in [
        (json!({ "only": ["mounts"] }), "mounts/Dockerfile:2"),
        (json!({ "secrets": { "token": CANARY }, "reuse": "never" }), "build secret `token`"),
        (json!({ "platforms": ["linux/386"], "reuse": "never" }), "platform `linux/386`"),
        (json!({ "cache_to": ["inline"], "reuse": "never" }), "leave `cache_to` out"),
    ] {
        site.play(&args(more));
        let ended = site.run(&["run", "play.yml"]);
        assert!(ended.code == Some(2) && ended.text.contains(words), "{words}: {}", ended.text);
        assert!(!ended.text.contains(CANARY));
        assert!(Site::told(&site.last()).iter().all(|event| event["state"]["state"] != "building"), "{words}");
    }
}

/// What the image's last step wrote.
fn uuid(site: &Site, tag: &str) -> String {
    let name = format!("{}/{}/app:{tag}", site.lab.registry, site.namespace);
    let (good, text) = site.lab.docker(&["run", "--rm", "--network", "none", &name, "cat", "/uuid"]);
    assert!(good, "{text}");
    text.lines().next().unwrap().to_owned()
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn buildkit_has_cache_mounts_secrets_agents_and_caches() {
    let files = [(
        "app/Dockerfile",
        "FROM base\nRUN --mount=type=cache,target=/c --mount=type=secret,id=token --mount=type=ssh \
         echo x >> /c/count; wc -l < /c/count; wc -c < /run/secrets/token > /size; test -S \"$SSH_AUTH_SOCK\"\n\
         RUN sleep 1; cat /proc/sys/kernel/random/uuid > /uuid\n",
    )];
    let Some(site) = Site::new(&files, &json!({})) else { return };
    let socket = site.lab.path("agent");
    let agent = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn();
    let Ok(agent) = agent.map(Agent) else { return skipped("`ssh-agent` is missing (apt-get install openssh-client)") };
    let args = |more: Json| {
        let mut args = json!({ "builder": "buildkit", "secrets": { "token": CANARY }, "ssh": { "default": socket } });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    site.play(&args(json!({ "cache_to": ["inline"] })));
    ok(&site.run(&["run", "play.yml"]));
    let first = site.last();
    assert_eq!(site.result(&first)["builder"], "buildkit");
    // What the cache mount holds stays for the next build; the step is another one.
    let text = fs::read_to_string(site.folder.join("images/app/Dockerfile")).unwrap();
    site.write("app/Dockerfile", &text.replace("echo x", "echo y"));
    let again = site.run(&["run", "play.yml"]);
    ok(&again);
    let log = |run: &str| {
        let told = Site::told(run);
        let lines = told.iter().filter(|event| event["image"] == "app").filter_map(|event| event["line"].as_str());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(log(&site.last()).iter().any(|line| line == "2"), "{:?}", log(&site.last()));
    assert!(!again.text.contains(CANARY));
    let tag = site.tag(&site.last());
    // From the registry, after the engine has forgotten all.
    site.lab.docker(&["image", "prune", "-af"]);
    site.lab.docker(&["builder", "prune", "-af"]);
    let cache: Vec<String> =
        ["base", "app"].iter().map(|name| format!("{}/{}/{name}:{tag}", site.lab.registry, site.namespace)).collect();
    site.play(&args(json!({ "reuse": "never", "key_tags": false, "cache_from": cache })));
    ok(&site.run(&["run", "play.yml"]));
    let cached = log(&site.last());
    // The step that wrote what no other build writes was not run.
    assert_eq!(uuid(&site, &site.tag(&site.last())), uuid(&site, &tag), "{cached:?}");
    // A cache in a registry, where the engine cannot.
    site.play(&args(json!({ "reuse": "never", "cache_to": [format!("{}/cache:1", site.lab.registry)] })));
    let ended = site.run(&["run", "play.yml"]);
    if ended.code != Some(0) {
        assert!(ended.text.contains("B0106") && ended.text.contains("use `cache_to: inline`"), "{}", ended.text);
        assert_eq!(ended.text.matches("B0106").count(), 1, "{}", ended.text);
    }
    // Without an agent there is one error, and nothing is built.
    drop(agent);
    let ended = site.run(&["run", "play.yml"]);
    assert!(ended.code == Some(2) && ended.text.contains("B0109"), "{}", ended.text);
}

#[test]
fn several_platforms_are_one_list() {
    let files = [
        ("app/Dockerfile", "FROM data\nCOPY word /word\n"),
        ("app/word", "one"),
        ("data/Dockerfile", "FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY data /data\n"),
        ("data/data", "data"),
        (
            "cross/Dockerfile",
            "FROM --platform=$BUILDPLATFORM base AS made\nRUN echo made > /made\nFROM data\nCOPY --from=made /made /made\n",
        ),
        ("runs/Dockerfile", "FROM data\nCOPY data /data\nRUN [\"/x\"]\n"),
        ("runs/data", "x"),
    ];
    let platforms = json!(["linux/amd64", "linux/arm64"]);
    let Some(site) = Site::new(&files, &json!({})) else { return };
    site.play(&json!({ "platforms": platforms, "only": ["app"] }));
    ok(&site.run(&["run", "play.yml"]));
    let first = site.last();
    let tag = site.tag(&first);
    let list = |tag: &str, image: &str| -> Json {
        let (status, text) = site.ask(&format!("{image}/manifests/{tag}"), LIST);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    for name in ["data", "app"] {
        let found = list(&tag, name);
        assert_eq!(site.image(&first, name)["digest"], digest(&site, name, &tag).trim());
        let entries = found["manifests"].as_array().unwrap();
        let of: Vec<&str> = entries.iter().map(|one| one["platform"]["architecture"].as_str().unwrap()).collect();
        assert_eq!(of, ["amd64", "arm64"], "{found}");
        for one in entries {
            // Each is what the list says it is.
            let (status, text) = site.ask(&format!("{name}/manifests/{}", one["digest"].as_str().unwrap()), DOCKER);
            assert_eq!(status, 200, "{text}");
            let manifest: Json = serde_json::from_str(&text).unwrap();
            let (_, config) =
                site.ask(&format!("{name}/blobs/{}", manifest["config"]["digest"].as_str().unwrap()), "*/*");
            let config: Json = serde_json::from_str(&config).unwrap();
            assert_eq!(config["architecture"], one["platform"]["architecture"], "{config}");
            assert_eq!(config["config"]["Labels"]["arch"], one["platform"]["architecture"], "{config}");
        }
        // The run's tag and that of the key: none for a platform.
        let (_, tags) = site.ask(&format!("{name}/tags/list"), "*/*");
        let tags: Json = serde_json::from_str(&tags).unwrap();
        let tags: Vec<&str> = tags["tags"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        assert!(tags.iter().all(|one| *one == tag || one.starts_with("key-")), "{tags:?}");
    }
    // A changed child of a parent that is used again.
    site.write("app/word", "two");
    ok(&site.run(&["run", "play.yml"]));
    let second = site.last();
    assert_eq!(site.image(&second, "data")["state"], "reused");
    assert_eq!(site.image(&second, "app")["state"], "pushed");
    let again = list(&site.tag(&second), "app");
    assert_eq!(again["manifests"].as_array().unwrap().len(), 2, "{again}");
    assert_ne!(again, list(&tag, "app"));
    // Into a tag that is there: nobody pulls one platform's image for it at any time.
    site.play(&json!({ "platforms": platforms, "only": ["data"], "reuse": "never", "tag": tag, "key_tags": false }));
    ok(&site.run(&["run", "play.yml"]));
    let (_, tags) = site.ask("data/tags/list", "*/*");
    assert!(tags.contains(&format!("{tag}-linux-arm64")), "{tags}");
    assert_eq!(list(&tag, "data")["manifests"].as_array().unwrap().len(), 2);
    // Programs of the other platform, with no emulation here.
    let emulated = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten();
    if emulated.filter_map(Result::ok).any(|entry| entry.file_name() == "qemu-aarch64") {
        return;
    }
    site.play(&json!({ "platforms": platforms, "only": ["runs"] }));
    let ended = site.run(&["run", "play.yml"]);
    assert!(ended.code == Some(2) && ended.text.contains("B0107"), "{}", ended.text);
    assert!(ended.text.contains("runs/Dockerfile:3"), "{}", ended.text);
}

/// Further names in other repositories, at the same registry and at another, of one and of several platforms.
#[test]
fn further_names_elsewhere_have_the_whole_list() {
    let files = [
        ("app/Dockerfile", "FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY data /data\n"),
        ("app/data", "data"),
    ];
    let Some(site) = Site::new(&files, &json!({})) else { return };
    let other = Faults::new(Some(&site.lab.registry));
    let far = format!("{}/{}/far:v1", other.address, site.namespace);
    let near = format!("{}/{}/near:v1", site.lab.registry, site.namespace);
    let list = json!({ "images": [{ "name": "app", "context": "app", "tags": ["also", near, far] }] });
    site.write("images.yml", &list.to_string());
    let login = json!({ &other.address: { "username": "builder", "password": lab::PASSWORD } });
    let play = |platforms: &[&str], more: Json| {
        let mut args = json!({ "from": "list", "platforms": platforms, "registries": login });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        site.play(&args);
        ok(&site.run(&["run", "play.yml"]));
        site.image(&site.last(), "app")
    };
    let of = |image: &str, tag: &str| digest(&site, image, tag).trim().to_owned();
    let both = ["linux/amd64", "linux/arm64"];
    let built = play(&both, json!({}));
    let (_, text) = site.ask("near/manifests/v1", LIST);
    let found: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(found["manifests"].as_array().map(Vec::len), Some(2), "{text}");
    for (image, tag) in [("app", "also"), ("near", "v1"), ("far", "v1")] {
        assert_eq!(built["digest"], of(image, tag), "{image}");
    }
    // Each of the list is there, too.
    for one in found["manifests"].as_array().unwrap() {
        let (status, text) = site.ask(&format!("far/manifests/{}", one["digest"].as_str().unwrap()), DOCKER);
        assert_eq!(status, 200, "{text}");
    }
    // Nothing changed: nothing is written elsewhere.
    other.seen();
    let again = play(&both, json!({}));
    assert_eq!(again["state"], "reused");
    assert!(other.seen().iter().all(|seen| seen.method == "HEAD" || seen.method == "GET"), "{:?}", other.seen());
    // An engine that has nothing of a reused image.
    for image in site.lab.docker(&["images", "-aq"]).1.split_whitespace() {
        site.lab.docker(&["rmi", "-f", image]);
    }
    let list = list.to_string().replace("/near:v1", "/near:v2").replace("/far:v1", "/far:v2");
    site.write("images.yml", &list);
    let reused = play(&both, json!({}));
    assert_eq!((&reused["state"], &reused["digest"]), (&json!("reused"), &built["digest"]));
    assert_eq!((of("near", "v2"), of("far", "v2")), (of("near", "v1"), of("far", "v1")));
    // One platform, into tags that are there.
    let single = play(&[], json!({}));
    for (image, tag) in [("app", "also"), ("near", "v2"), ("far", "v2")] {
        assert_eq!(single["digest"], of(image, tag), "{image}");
    }
}

/// Numbers that look random; the seed makes them again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

const TREE: &[(&str, &str)] = &[
    ("a1/Dockerfile", "FROM base\nRUN sleep 0.4; date > /time\n"),
    ("a2/Dockerfile", "FROM a1\nRUN sleep 0.4; date > /time\n"),
    ("a3/Dockerfile", "FROM a2\nRUN sleep 0.4; date > /time\n"),
    ("b1/Dockerfile", "FROM base\nRUN sleep 0.6; date > /time\n"),
    ("b2/Dockerfile", "FROM b1\nRUN sleep 0.6; date > /time\n"),
    ("b3/Dockerfile", "FROM b1\nRUN sleep 0.2; date > /time\n"),
];
const NAMES: [&str; 7] = ["base", "a1", "a2", "a3", "b1", "b2", "b3"];

/// What runs have told as finished: image, digest and how often its manifest was put.
fn finished(site: &Site, run: &str, tag: &str) -> BTreeMap<&'static str, (String, usize)> {
    let done = |name: &&&str| {
        let states = Site::states(run, name);
        states.last().is_some_and(|state| state == "pushed" || state == "reused")
    };
    let found = NAMES.iter().filter(done);
    found.map(|name| (*name, (digest(site, name, tag), site.puts(name, tag)))).collect()
}

#[test]
fn killed_at_random_and_resumed_nothing_is_done_twice() {
    let Some(site) = Site::new(TREE, &json!({ "reuse": "never", "nocache": true })) else { return };
    let given = std::env::var("HOSTCTL_KILL_SEED").ok().and_then(|text| text.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = given.unwrap_or(u64::from(now.subsec_nanos()) << 20 | u64::from(std::process::id()));
    let mut random = Random(seed.max(1));
    println!("HOSTCTL_KILL_SEED={seed}");
    for round in 0..3 {
        let mut known: BTreeMap<&str, (String, usize)> = BTreeMap::new();
        let (mut first, mut tag): (Option<String>, Option<String>) = (None, None);
        for kill in 0..3 {
            std::thread::sleep(Duration::from_millis(1100));
            let before = site.runs().len();
            let mut command = vec!["run", "play.yml"];
            if let Some(run) = &first {
                command.extend(["--resume", run]);
            }
            let mut controller = site.begin(&command);
            std::thread::sleep(Duration::from_millis(1000 + random.below(4500)));
            let (both, build) = (random.below(3) == 0, random.below(2) == 0);
            let run = site.runs().get(before).cloned();
            // A resumed build may go on in the folder of the run that began it.
            let folders = site.runs().into_iter().flat_map(|run| builds_of(&run));
            let pids: Vec<_> = folders.filter_map(|folder| builder(&folder)).collect();
            println!("round {round}, kill {kill}: both {both}, build {build}, {} builds", pids.len());
            if both || build {
                for pid in pids {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            if (both || !build) && controller.try_wait().unwrap().is_none() {
                signal(&controller, Signal::KILL);
            }
            let status = site::end_of(&mut controller);
            let Some(run) = run else { continue };
            let tags = site.events(&run);
            let told = tags.iter().find_map(|event| event["done"]["result"]["tag"].as_str()).map(str::to_owned);
            if let (Some(told), Some(tag)) = (&told, &tag) {
                assert_eq!(told, tag, "a resumed run keeps the tag");
            }
            tag = tag.or(told);
            if let Some(tag) = &tag {
                for (name, found) in finished(&site, &run, tag) {
                    known.entry(name).or_insert(found);
                }
            }
            first = first.or(Some(run));
            if status.success() {
                break;
            }
        }
        let Some(first) = first else { continue };
        // A build that was left alone ends by itself, or is joined.
        let ended = site.run(&["run", "play.yml", "--resume", &first]);
        assert!(ended.code == Some(0) || ended.text.contains("R02"), "round {round}: {:?} {}", ended.code, ended.text);
        let last = site.last();
        let tag = tag.unwrap_or_else(|| site.tag(&last));
        for name in NAMES {
            let now = digest(&site, name, &tag);
            let Some((digest, puts)) = known.get(name) else { continue };
            assert_eq!(&now, digest, "{name} is another image now");
            assert_eq!(site.puts(name, &tag), *puts, "{name} was pushed again");
            let again = last != first && Site::states(&last, name).iter().any(|state| state == "building");
            assert!(!again, "{name} was built again");
        }
    }
}

#[test]
fn contexts_and_output_that_mean_ill_are_told_or_taken_as_they_are() {
    let files = [
        ("fifo/Dockerfile", "FROM base\nCOPY . /ctx\nRUN ls /ctx\n"),
        ("names/Dockerfile", "FROM base\nCOPY . /ctx\nRUN ls /ctx | wc -l\n"),
        ("loop/Dockerfile", "FROM base\nCOPY . /ctx\nRUN true\n"),
        ("sparse/Dockerfile", "FROM base\nCOPY word /word\n"),
        ("sparse/word", "w"),
        ("sparse/.dockerignore", "huge\n"),
        ("rules/Dockerfile", "FROM base\nCOPY . /ctx\nRUN ls /ctx\n"),
        (
            "escape/Dockerfile",
            "FROM base\nRUN printf '\\033]0;owned\\007\\033[2J\\033[31mred\\033[0m\\n'; printf 'a\\rb\\n'\n",
        ),
        (
            "flood/Dockerfile",
            "FROM base\nRUN yes 0123456789012345678901234567890123456789012345678901234567890123 | head -c 60000000\n",
        ),
        (
            "split/Dockerfile",
            "FROM base\nRUN --mount=type=secret,id=token for i in 1 2 3; do head -c 10 /run/secrets/token; sleep 0.3; tail -c +11 /run/secrets/token; echo; done; base64 /run/secrets/token; od -An -tx1 /run/secrets/token | tr -d ' \\n'; echo; head -c 12 /run/secrets/token; echo; tail -c +13 /run/secrets/token; echo\n",
        ),
    ];
    let Some(site) = Site::new(
        &files,
        &json!({ "secrets": { "token": CANARY }, "push": false, "registry_username": null, "registry_password": null }),
    ) else {
        return;
    };
    let images = site.folder.join("images");
    let folder = |name: &str| images.join(name);
    let fifo = Command::new("mkfifo").arg(folder("fifo/pipe")).status().unwrap();
    assert!(fifo.success());
    let _socket = std::os::unix::net::UnixListener::bind(folder("fifo/socket")).unwrap();
    for name in ["new\nline", "esc\u{1b}[2J", "-rf", "a b", "é"] {
        fs::write(folder("names").join(name), "x").unwrap();
    }
    let unreadable: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"bad-\xff\xfe".to_vec());
    fs::write(folder("names").join(&unreadable), "x").unwrap();
    std::os::unix::fs::symlink("loop", folder("loop/loop")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", folder("loop/out")).unwrap();
    std::os::unix::fs::symlink("..", folder("loop/up")).unwrap();
    fs::File::create(folder("sparse/huge")).unwrap().set_len(1 << 40).unwrap();
    fs::write(folder("rules/.dockerignore"), "**/a**/*b**\n".repeat(5000)).unwrap();
    for number in 0..300 {
        fs::write(folder("rules").join(format!("aaaaaaaaaaaaaaaaaaaa{number}")), "x").unwrap();
    }
    // On the host already, sent from the controller, and again without the file whose name cannot be sent.
    for (remote, good) in [(true, true), (false, false), (false, true)] {
        if !remote && !good {
            // The controller reads the rules of all contexts, each time.
            fs::remove_dir_all(folder("rules")).unwrap();
        } else if !remote {
            fs::remove_file(folder("names").join(&unreadable)).unwrap();
        }
        let path = if remote { images.display().to_string() } else { "images".to_owned() };
        for name in ["fifo", "names", "loop", "sparse", "rules", "escape", "flood", "split"] {
            if !remote && (["flood", "rules", "split"].contains(&name) || !good && name != "sparse") {
                continue;
            }
            site.play(&json!({
                "path": path, "remote_src": remote, "only": [name], "secrets": { "token": CANARY }, "push": false,
                "registry_username": null, "registry_password": null, "reuse": "never",
            }));
            let ended = site.run(&["run", "play.yml"]);
            // Text in a program's own code is data; none of a terminal's commands comes out.
            let commands = ['\u{1b}', '\u{7}'];
            assert!(!ended.text.contains(commands), "{}", ended.text);
            if !good {
                // The file whose name no journal could hold is named.
                assert!(ended.code == Some(2) && ended.text.contains("H0021"), "{name}: {}", ended.text);
                continue;
            }
            assert_eq!(ended.code, Some(0), "{name}: {}", ended.text);
            let told = Site::told(&site.last());
            let lines: Vec<&str> =
                told.iter().filter(|event| event["image"] == name).filter_map(|event| event["line"].as_str()).collect();
            println!("{name}: {} lines, {:?}", lines.len(), &lines[..lines.len().min(30)]);
            match name {
                "fifo" => {
                    assert!(!lines.contains(&"pipe") && !lines.contains(&"socket"), "{lines:?}");
                    let told = "`fifo/pipe` (a FIFO), `fifo/socket` (a socket)";
                    assert!(remote || ended.text.contains(told), "{}", ended.text);
                }
                // BuildKit itself clips what a step says too fast, or too much of.
                "flood" => {
                    assert!(lines.len() > 1000, "{}", lines.len());
                    let told = lines.iter().any(|line| line.contains("BUILDKIT_STEP_LOG_MAX_SIZE=2147483647"));
                    let warned = ended.text.contains("the engine clipped the logs of `flood`");
                    assert!(told && warned, "{}", ended.text);
                }
                "split" => {
                    let all = lines.concat();
                    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, CANARY);
                    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
                    // Over two lines it is one mask in the place of both.
                    assert!(lines.iter().filter(|line| line.contains("********")).count() >= 6, "{lines:?}");
                    for secret in [CANARY, &encoded, &hex, "canary-5f0e7", "7-not-for-images"] {
                        assert!(!all.contains(secret), "{lines:?}");
                    }
                }
                _ => {}
            }
        }
    }
}

/// The hash of a file of 1 TB would take hours in each of these scenes.
#[test]
fn a_controllers_tree_is_read_as_far_as_images_need_it_and_its_links_stay_links() {
    let files = [
        ("app/Dockerfile", "FROM base\nCOPY . /ctx\nRUN ls -l /ctx\n"),
        ("app/.dockerignore", "huge\nnode_modules\n*.sock\n"),
        ("app/word", "w"),
        ("app/node_modules/a/b", "b"),
        ("app/inner/Dockerfile", "FROM base\nCOPY kept /kept\n"),
        ("app/inner/kept", "k"),
        ("linked/docker/prod", "FROM base\nCOPY docker/prod /prod\nRUN echo linked\n"),
        ("away/word", "w"),
        (".git/HEAD", "ref"),
    ];
    let Some(site) = Site::new(&files, &json!({})) else { return };
    let images = site.folder.join("images");
    for huge in ["app/huge", "app/node_modules/a/huge", ".git/pack", "away/huge"] {
        fs::File::create(images.join(huge)).unwrap().set_len(1 << 40).unwrap();
    }
    for (target, link) in [
        ("/etc/shadow", "app/out"),
        ("..", "app/up"),
        ("loop", "app/loop"),
        ("/dev/zero", "app/zero"),
        ("docker/prod", "linked/Dockerfile"),
        ("/etc/hostname", "away/Dockerfile"),
    ] {
        std::os::unix::fs::symlink(target, images.join(link)).unwrap();
    }
    fs::write(images.join("away/.dockerignore"), "huge\n").unwrap();
    assert!(Command::new("mkfifo").arg(images.join("app/pipe")).status().unwrap().success());
    assert!(Command::new("mknod").arg(images.join("app/device")).args(["c", "1", "5"]).status().unwrap().success());
    let _told = std::os::unix::net::UnixListener::bind(images.join("app/socket")).unwrap();
    let _ignored = std::os::unix::net::UnixListener::bind(images.join("app/hidden.sock")).unwrap();
    site.play(&json!({ "path": "images" }));
    let ended = site.run(&["run", "play.yml"]);
    ok(&ended);
    let first = site.last();
    let lines = |name: &str| -> Vec<String> {
        let told = Site::told(&first).into_iter().filter(|event| event["image"] == name);
        told.filter_map(|event| Some(event["line"].as_str()?.to_owned())).collect()
    };
    let app = lines("app");
    for link in ["out -> /etc/shadow", "up -> ..", "loop -> loop", "zero -> /dev/zero"] {
        assert!(app.iter().any(|line| line.ends_with(link)), "{link}: {app:?}");
    }
    for gone in ["huge", "node_modules", "hidden.sock", "pipe", "device", "socket"] {
        assert!(!app.iter().any(|line| line.ends_with(gone)), "{gone}: {app:?}");
    }
    assert!(lines("linked").iter().any(|line| line == "linked"), "{:?}", lines("linked"));
    assert_eq!(site.image(&first, "inner")["state"], "pushed");
    // As the report wraps it.
    let text = ended.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in
        ["`app/device` (a device)", "`app/pipe` (a FIFO)", "`app/socket` (a socket)", "away/Dockerfile: is a link"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("hidden.sock"), "{text}");
    // The same tree on the host is the same to the keys.
    site.play(&json!({ "path": images, "remote_src": true }));
    ok(&site.run(&["run", "play.yml"]));
    let second = site.last();
    for name in ["app", "inner", "linked"] {
        assert_eq!(site.image(&second, name)["state"], "reused", "{name}");
    }
    // What no rule leaves out is read, told after some seconds, and left at an interrupt.
    fs::write(images.join("app/.dockerignore"), "node_modules\n").unwrap();
    site.play(&json!({ "path": "images" }));
    let mut controller = site.begin(&["run", "play.yml"]);
    site::until("what is read to be told", || {
        let told = fs::read_to_string(site.lab.path("out")).unwrap_or_default();
        told.contains("of 1.0 TiB, now `app/huge`").then_some(())
    });
    signal(&controller, Signal::INT);
    let asked = std::time::Instant::now();
    assert_eq!(site::end_of(&mut controller).code(), Some(99));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

/// A command with a file system of its own in the place of the machine's records.
fn with_state(site: &Site, image: &Path, before: &str) -> (Option<i32>, String) {
    std::thread::sleep(Duration::from_millis(1100));
    let script = format!(
        "mount -o loop '{}' /var/lib/hostctl || exit 77\ncd /var/lib/hostctl\n{before}\ncd \"$1\"\nshift\n\"$@\"\n\
         code=$?\nfind /var/lib/hostctl/builds -name part\nexit $code\n",
        image.display()
    );
    let plain = site.command(&[]);
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh"])
        .args([site.folder.as_os_str(), plain.get_program()])
        .args(["run", "play.yml"])
        .env("HOME", &site.folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn a_full_disk_below_the_records_is_told_and_keeps_the_old_ones() {
    let files = [("loud/Dockerfile", "FROM base\nRUN yes 0123456789012345678901234567890 | head -c 8000000\n")];
    let Some(site) = Site::new(&files, &json!({ "only": ["base"] })) else { return };
    let image = site.lab.path("state.img");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image).status();
    if !made.is_ok_and(|status| status.success()) {
        return skipped("`mkfs.ext4` is missing (apt-get install e2fsprogs)");
    }
    let _ = fs::create_dir_all("/var/lib/hostctl");
    let (code, text) = with_state(&site, &image, "");
    if code == Some(77) {
        return skipped("no file system can be mounted here");
    }
    assert_eq!(code, Some(0), "{text}");
    // No room for what is sent: one error, no half files, and the records are as they were.
    let sums = "find images -type f | sort | xargs sha256sum";
    let full = format!("{sums} > sums; dd if=/dev/zero of=fill bs=4k 2> /dev/null; truncate -s -200k fill");
    let (code, text) = with_state(&site, &image, &full);
    assert!(code == Some(2) && text.contains("B0141") && text.contains("No space left on device"), "{text}");
    assert!(text.matches("error[").count() == 1 && !text.contains("/part"), "{text}");
    // Full in the middle of a build, by its log: the build ends well and what is missing is told.
    let logs = json!({ "only": ["loud"], "builder": "classic", "log_dir": "/var/lib/hostctl/logs" });
    site.play(&logs);
    let (code, text) = with_state(&site, &image, &format!("test \"$({sums})\" = \"$(cat sums)\" || exit 78; rm fill"));
    assert_eq!(code, Some(0), "{text}");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in ["the log file of `loud` is not whole: No space left", "events of the build are not recorded: no room"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
    // With room again, what was recorded before is known.
    site.play(&json!({ "only": ["base"] }));
    let (code, text) = with_state(&site, &image, "rm -r logs builds");
    assert!(code == Some(0) && text.contains("1 reused"), "{text}");
}

#[test]
fn runs_at_once_lose_no_tag_and_a_stopped_controller_goes_on() {
    let files = [("slow/Dockerfile", "FROM base\nRUN for i in 1 2 3 4 5 6; do echo line $i; sleep 1; done\n")];
    let Some(site) = Site::new(&files, &json!({ "reuse": "never", "nocache": true })) else { return };
    // Several writers of one tag file.
    let tags = site.folder.join("tags.yml");
    fs::write(&tags, "kolla_image_tags:\n  openstack:\n    old: kept\n").unwrap();
    let writers: Vec<Child> = (0..8)
        .map(|number| {
            let args = json!({ "path": tags, "tag": format!("t{number}"), "distribution": format!("d{number}") });
            let tasks = json!([{ "image_tags": args }]);
            let play = json!([{ "hosts": "localhost", "connection": "local", "gather_facts": false, "tasks": tasks }]);
            let name = format!("tags{number}.yml");
            fs::write(site.folder.join(&name), play.to_string()).unwrap();
            site.begin(&["run", &name])
        })
        .collect();
    for mut writer in writers {
        assert!(site::end_of(&mut writer).success());
    }
    let text = fs::read_to_string(&tags).unwrap();
    assert!(text.contains("    old: kept\n"), "{text}");
    for number in 0..8 {
        assert!(text.contains(&format!("    d{number}: t{number}\n")), "{text}");
    }
    // Two runs for the same images, of which one's controller is stopped for longer than the builds take.
    let mut first = site.begin(&["run", "play.yml"]);
    let stopped = site.await_state("slow", "building");
    signal(&first, Signal::STOP);
    ok(&site.run(&["run", "play.yml"]));
    let other = site.last();
    std::thread::sleep(Duration::from_secs(3));
    signal(&first, Signal::CONT);
    assert!(site::end_of(&mut first).success());
    assert_ne!(stopped, other);
    for run in [&stopped, &other] {
        let image = site.image(run, "slow");
        assert_eq!(image["digest"], digest(&site, "slow", &site.tag(run)).trim(), "{image}");
        let told = Site::told(run);
        let lines: Vec<&str> = told.iter().filter_map(|event| event["line"].as_str()).collect();
        let wanted = (1..7).map(|number| format!("line {number}"));
        assert!(wanted.clone().all(|line| lines.iter().filter(|told| **told == line).count() == 1), "{lines:?}");
    }
}
