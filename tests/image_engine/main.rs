//! `image_build` against a real engine and a real registry that wants a password.
//!
//! One test, since all scenes share one engine; it is skipped with the reason where that cannot run.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod again;
#[expect(dead_code, reason = "other tests use the rest")]
mod faults;
#[expect(dead_code, reason = "other tests use the rest")]
mod lab;
mod proof;
mod registry;
mod unchanged;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hostctl::diag::{Diagnostic, Kind, Result};
use hostctl::event::{ImageState, Progress};
use hostctl::modules::{Blob, Call, Cx, Failure, Input, InputKind, Link, Outcome, TreeEntry, find};
use hostctl::value::{Map, Value, from_json};
use lab::{Lab, PASSWORD};
use serde_json::{Value as Json, json};

#[derive(Default)]
struct Watch {
    seen: Mutex<Vec<Progress>>,
    blobs: Mutex<Vec<(String, Arc<[u8]>)>>,
    /// Cancel when a log line holds this.
    stop_at: Option<&'static str>,
    stopped: AtomicBool,
}

impl Link for Watch {
    fn progress(&self, progress: Progress) {
        if let (Some(word), Progress::ImageLog { line, .. }) = (self.stop_at, &progress)
            && line == word
        {
            self.stopped.store(true, Ordering::SeqCst);
        }
        self.seen.lock().unwrap().push(progress);
    }
    fn blob(&self, sha256: &str) -> Result<Blob> {
        let blobs = self.blobs.lock().unwrap();
        let found = blobs.iter().find(|(name, _)| name == sha256);
        found.map(|(_, bytes)| Blob::Memory(Arc::clone(bytes))).ok_or_else(|| Diagnostic::internal("no blob"))
    }
    fn cancelled(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

fn run(module: &str, args: Json, inputs: Vec<Input>, watch: &Arc<Watch>) -> Result<Outcome, Failure> {
    run_with(module, args, inputs, watch, &[])
}

/// The same with a task's `environment`.
fn run_with(
    module: &str,
    args: Json,
    inputs: Vec<Input>,
    watch: &Arc<Watch>,
    environment: &[(&str, &str)],
) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entry = find(module).unwrap();
    let Value::Map(map) = from_json(args) else { panic!("arguments are a mapping") };
    let args = entry.spec().coerce(&map, &|_| false).unwrap_or_else(|errors| panic!("{errors:?}"));
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let call = Call { inputs, environment, ..Call::new(module, args.clone()) };
    let cx = Cx::new(call, Arc::clone(watch) as Arc<dyn Link>, runtime.handle().clone());
    entry.run(cx, args)
}

/// The tree as the controller would send it.
fn input(root: &Path, watch: &Watch) -> Input {
    fn walk(root: &Path, folder: &Path, watch: &Watch, entries: &mut Vec<TreeEntry>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                entries.push(TreeEntry { path: name, mode: 0o755, kind: InputKind::Dir });
                walk(root, &path, watch, entries);
                continue;
            }
            let bytes: Arc<[u8]> = fs::read(&path).unwrap().into();
            let sha256 = format!("blob-{name}");
            let size = bytes.len() as u64;
            watch.blobs.lock().unwrap().push((sha256.clone(), bytes));
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            entries.push(TreeEntry {
                path: name,
                mode,
                kind: InputKind::File { sha1: String::new(), sha256, size, source: None },
            });
        }
    }
    let mut entries = Vec::new();
    walk(root, root, watch, &mut entries);
    Input {
        arg: "path".into(),
        entries,
        is_tree: true,
        basename: "images".into(),
        contents_only: false,
        repositories: Vec::new(),
    }
}

fn arguments(lab: &Lab, root: &Path, builder: &str, more: Json) -> Json {
    let mut args = json!({
        "path": root, "remote_src": true, "registry": lab.registry, "registry_username": "builder",
        "registry_password": PASSWORD, "namespace": "lab", "tag": format!("t-{builder}"), "push": true,
        "network": "host", "builder": builder, "docker_host": lab.address(), "parallel": 2,
        // Each scene builds, whatever an earlier one or an earlier run of the tests has built.
        "reuse": "never", "key_tags": false,
    });
    for (key, value) in more.as_object().unwrap() {
        args[key] = value.clone();
    }
    args
}

fn image(result: &Map, name: &str) -> Json {
    let images = hostctl::value::to_json(&Value::from(result.clone()));
    let found = images["images"].as_array().unwrap().iter().find(|image| image["name"] == name);
    found.cloned().unwrap_or_else(|| panic!("no `{name}` in {images}"))
}

const TREE: &[(&str, &str)] = &[
    (
        "mid/Dockerfile",
        "ARG PARENT=base\nFROM ${PARENT}\nARG WORD\nRUN echo \"word is $WORD\" > /word && echo out-$WORD\n",
    ),
    ("mid/.dockerignore", "secret*\n"),
    ("mid/secret.txt", "not sent"),
    (
        "leaf/Dockerfile",
        "FROM REGISTRY/lab/base:any\nCOPY --from=mid /word /from-mid\nCOPY . /ctx\nRUN cat /from-mid\n",
    ),
    ("leaf/hello", "hello"),
    ("broken/Dockerfile", "FROM mid\nRUN echo before\nRUN echo broken-here && \\\n    exit 7\n"),
    ("below/Dockerfile", "FROM broken\n"),
    ("deeper/Dockerfile", "FROM below\nCOPY --from=leaf /ctx /ctx\n"),
];

/// Three levels, one failure and what it blocks, pushed with a password full of symbols, read back by digest.
fn three_levels(lab: &Lab, builder: &str, sent: bool) {
    let root = lab.tree(&format!("tree-{builder}"), TREE);
    let leaf = root.join("leaf/Dockerfile");
    fs::write(&leaf, fs::read_to_string(&leaf).unwrap().replace("REGISTRY", &lab.registry)).unwrap();
    let watch = Arc::new(Watch::default());
    let logs = lab.path(&format!("logs-{builder}"));
    let mut args = arguments(lab, &root, builder, json!({ "build_args": { "WORD": builder }, "log_dir": logs }));
    let mut inputs = Vec::new();
    if sent {
        args["remote_src"] = json!(false);
        args["path"] = json!("images");
        inputs.push(input(&root, &watch));
    }
    let failure = run("image_build", args, inputs, &watch).expect_err("`broken` must fail");
    let diagnostic = &failure.diagnostic;
    let file = if sent { "images".to_owned() } else { root.display().to_string() };
    assert_eq!(diagnostic.code, "B0008", "{diagnostic:?}");
    let expected = format!("image `broken` failed at {file}/broken/Dockerfile:3: RUN echo broken-here");
    assert!(diagnostic.message.starts_with(&expected), "{diagnostic:?}");
    assert!(diagnostic.message.ends_with(": exit code 7"), "{diagnostic:?}");
    assert!(diagnostic.notes.iter().any(|note| note.contains("broken-here")), "{diagnostic:?}");
    let result = &failure.result;
    for name in ["base", "mid", "leaf"] {
        assert_eq!(image(result, name)["state"], "pushed", "{name}: {diagnostic:?}");
    }
    for name in ["below", "deeper"] {
        assert_eq!(image(result, name)["state"], "blocked");
        assert_eq!(image(result, name)["blocked_by"], "broken");
    }
    assert_eq!(image(result, "leaf")["parents"], json!(["base", "mid"]));
    let log = fs::read_to_string(logs.join("mid.log")).unwrap();
    assert!(log.lines().any(|line| line == format!("out-{builder}")), "{log}");
    assert_eq!(fs::metadata(logs.join("mid.log")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&logs).unwrap().permissions().mode() & 0o777, 0o700);

    let leaf = image(result, "leaf");
    let (name, digest) = (leaf["full"].as_str().unwrap(), leaf["digest"].as_str().unwrap());
    let (_, gone) = lab.docker(&["rmi", "-f", leaf["id"].as_str().unwrap()]);
    let pinned = format!("{}@{digest}", name.rsplit_once(':').unwrap().0);
    let (pulled, text) = lab.docker(&["pull", &pinned]);
    assert!(pulled, "{text} {gone}");
    let (_, files) = lab.docker(&["run", "--rm", "--network", "none", &pinned, "sh", "-c", "cat /from-mid; ls /ctx"]);
    assert!(files.contains(&format!("word is {builder}")) && files.contains("hello"), "{files}");
    let (_, files) =
        lab.docker(&["run", "--rm", "--network", "none", image(result, "mid")["full"].as_str().unwrap(), "ls", "/"]);
    assert!(!files.contains("secret.txt"), "{files}");

    let seen = watch.seen.lock().unwrap();
    assert!(
        seen.iter().any(
            |one| matches!(one, Progress::ImageStep { image, text, .. } if image == "mid" && text.contains("RUN"))
        )
    );
    assert!(
        seen.iter()
            .any(|one| matches!(one, Progress::Image { image, state: ImageState::Pushed { .. } } if image == "leaf"))
    );
    let all = format!("{seen:?} {failure:?}");
    assert!(!all.contains(PASSWORD), "the password is in the events or the result");
}

fn wrong_password(lab: &Lab) {
    let root = lab.tree("tree-login", &[]);
    let watch = Arc::new(Watch::default());
    let args = arguments(lab, &root, "buildkit", json!({ "registry_password": "wrong" }));
    let failure = run("image_build", args, Vec::new(), &watch).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0011", "{:?}", failure.diagnostic);
    assert!(watch.seen.lock().unwrap().is_empty(), "nothing was built");
}

fn processes_with(word: &str) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(word))
        .count()
}

fn cancelled(lab: &Lab, builder: &str) {
    let word = format!("98765.{}", builder.len());
    let root = lab.tree(
        &format!("tree-cancel-{builder}"),
        &[
            ("slow/Dockerfile", &format!("FROM base\nRUN echo sleeping; sleep {word}\n")),
            ("after/Dockerfile", "FROM slow\n"),
        ],
    );
    let watch = Arc::new(Watch { stop_at: Some("sleeping"), ..Watch::default() });
    let args = arguments(lab, &root, builder, json!({ "push": false, "tag": "c" }));
    let failure = run("image_build", args, Vec::new(), &watch).unwrap_err();
    assert_eq!((failure.diagnostic.code.as_ref(), failure.diagnostic.kind), ("B0012", Kind::Interrupted));
    assert_eq!(image(&failure.result, "slow")["state"], "cancelled");
    assert_eq!(image(&failure.result, "after")["state"], "cancelled");
    assert_eq!(image(&failure.result, "base")["state"], "built");
    let deadline = Instant::now() + Duration::from_secs(20);
    while processes_with(&word) > 0 {
        assert!(Instant::now() < deadline, "the step goes on after the run was stopped");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn mirror_is_forbidden(lab: &Lab, builder: &str) {
    let root = lab.tree(
        &format!("tree-mirror-{builder}"),
        &[
            ("dirty/Dockerfile", "FROM base\nRUN mkdir -p /etc/apt && echo deb http://proxy.lab:3142/d > /etc/apt/sources.list\nRUN rm /etc/apt/sources.list\n"),
            ("history/Dockerfile", "FROM base\nENV http_proxy=http://proxy.lab:3142\n"),
            ("clean/Dockerfile", "FROM base\nARG M\nRUN echo $M > /s && rm /s\n"),
            ("env/Dockerfile", "FROM base\nARG M\nENV M=$M\n"),
            ("over-dirty/Dockerfile", "FROM dirty\n"),
        ],
    );
    let watch = Arc::new(Watch::default());
    let more = json!({ "forbid_mirror_in_image": true, "mirror_names": ["proxy.lab"], "build_args": { "M": "http://proxy.lab:3142/d" }, "tag": format!("m-{builder}") });
    let failure = run("image_build", arguments(lab, &root, builder, more), Vec::new(), &watch).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0010", "{:?}", failure.diagnostic);
    let message = image(&failure.result, "dirty")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("layer ") && message.contains("etc/apt/sources.list"), "{message}");
    assert!(image(&failure.result, "history")["message"].as_str().unwrap().contains("configuration"));
    assert!(image(&failure.result, "env")["message"].as_str().unwrap().contains("configuration"));
    assert_eq!(image(&failure.result, "clean")["state"], "pushed", "{}", image(&failure.result, "clean"));
    assert_eq!(image(&failure.result, "over-dirty")["state"], "blocked");
}

fn secrets_stay_out(lab: &Lab) {
    let root = lab.tree(
        "tree-secret",
        &[("uses/Dockerfile", "FROM base\nRUN --mount=type=secret,id=token,required=true sha1sum < /run/secrets/token; cat /run/secrets/token\n")],
    );
    let watch = Arc::new(Watch::default());
    let more =
        json!({ "secrets": { "token": "very-secret-token" }, "push": false, "log_dir": lab.path("logs-secret") });
    let outcome = run("image_build", arguments(lab, &root, "auto", more.clone()), Vec::new(), &watch).unwrap();
    assert_eq!(image(&outcome.result, "uses")["state"], "built");
    let log = fs::read_to_string(lab.path("logs-secret/uses.log")).unwrap();
    assert!(log.contains('-') && !log.contains("very-secret-token"), "{log}");
    let failure = run("image_build", arguments(lab, &root, "classic", more), Vec::new(), &watch).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0105", "the classic builder has no secrets");
}

fn an_unknown_engine(lab: &Lab) {
    let root = lab.tree("tree-none", &[]);
    let watch = Arc::new(Watch::default());
    let more = json!({ "docker_host": "unix:///nonexistent/docker.sock", "push": false });
    let failure = run("image_build", arguments(lab, &root, "auto", more), Vec::new(), &watch).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0007", "{:?}", failure.diagnostic);
}

/// The digest reader trusts the CA that it is given, and nothing else.
fn a_registry_with_a_private_ca(lab: &Lab) {
    let (_server, address, ca) = lab.tls_registry();
    let root = lab.tree("tree-tls", &[]);
    let watch = Arc::new(Watch::default());
    let more = json!({ "registry": address });
    let failure = run("image_build", arguments(lab, &root, "auto", more), Vec::new(), &watch).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0011");
    assert!(failure.diagnostic.message.contains("certificate"), "{:?}", failure.diagnostic);
    let more = json!({ "registry": address, "registry_ca": ca });
    let outcome = run("image_build", arguments(lab, &root, "auto", more), Vec::new(), &watch).unwrap();
    assert_eq!(image(&outcome.result, "base")["state"], "pushed");
}

#[test]
fn images_are_built_and_pushed_by_a_real_engine() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => {
            assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
            println!("SKIPPED image_engine: {reason}");
            return;
        }
    };
    for (builder, sent) in [("buildkit", true), ("classic", false)] {
        let start = Instant::now();
        three_levels(&lab, builder, sent);
        println!("three_levels {builder}: {:.1} s", start.elapsed().as_secs_f64());
        cancelled(&lab, builder);
        mirror_is_forbidden(&lab, builder);
        println!("{builder}: {:.1} s", start.elapsed().as_secs_f64());
    }
    let before = lab.open_files();
    for _ in 0..3 {
        cancelled(&lab, "buildkit");
    }
    secrets_stay_out(&lab);
    let after = lab.open_files();
    assert!(after <= before + 8, "sessions stay open in the engine: {before} open files became {after}");
    a_registry_with_a_private_ca(&lab);
    wrong_password(&lab);
    an_unknown_engine(&lab);
}

/// A full disk leaves the old tag file as it was.
#[test]
fn a_full_disk_leaves_the_old_tag_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("small");
    fs::create_dir(&place).unwrap();
    let mounted = rustix::mount::mount("tmpfs", &place, "tmpfs", rustix::mount::MountFlags::empty(), Some(c"size=16k"));
    if let Err(error) = mounted {
        println!("SKIPPED full disk: no tmpfs can be mounted here: {error}");
        return;
    }
    let tags = place.join("tags.yml");
    fs::write(&tags, "kolla_image_tags:\n  openstack:\n    rocky-9: old\n").unwrap();
    let mut fill = vec![0; 64 << 10];
    while fs::write(place.join("fill"), &fill).is_err() && !fill.is_empty() {
        fill.truncate(fill.len() - 4096);
    }
    let args = json!({ "path": tags, "tag": "new", "distribution": "rocky-9" });
    let failure = run("image_tags", args.clone(), Vec::new(), &Arc::default()).unwrap_err();
    let text = fs::read_to_string(&tags).unwrap();
    let left: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    fs::remove_file(place.join("fill")).unwrap();
    let again = run("image_tags", args, Vec::new(), &Arc::default());
    let after = fs::read_to_string(&tags).unwrap();
    // Detached: a program that the other test starts meanwhile holds what is open until it has begun.
    rustix::mount::unmount(&place, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert_eq!(failure.diagnostic.code, "B0014", "{:?}", failure.diagnostic);
    assert!(text.contains("rocky-9: old"), "{text}");
    assert_eq!(left.len(), 2, "no temporary file stays: {left:?}");
    assert!(again.unwrap().changed);
    assert!(after.contains("rocky-9: new"), "{after}");
}
