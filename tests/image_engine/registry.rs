//! hostctl's own registry client and `hostctl tags` against a real registry, and pushes of a real engine, both behind
//! a proxy that has bad days.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use hostctl::secret::Secret;
use hostctl::system::Probe;
use hostctl::system::engine::{
    ErrorClass, IndexEntry, Manifest, Patience, RegistryClient, RegistryLogin, RegistrySettings, Right,
};
use serde_json::{Value as Json, json};

use super::faults::{Fault, Faults, answer, answer_with};
use super::lab::{Lab, PASSWORD};
use super::{Watch, arguments, image, run, run_with};

/// A registry program of the test's own.
pub(super) struct Registry {
    pub(super) folder: tempfile::TempDir,
    pub(super) address: String,
    server: Child,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[expect(clippy::print_stdout, reason = "a skip is told")]
pub(super) fn skipped(reason: &str) {
    assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
    println!("SKIPPED registry: {reason}");
}

impl Registry {
    pub(super) fn start(with_login: bool) -> Option<Self> {
        if !Path::new("/usr/bin/docker-registry").exists() || !Path::new("/usr/bin/htpasswd").exists() {
            skipped("`docker-registry` or `htpasswd` is missing (apt-get install docker-registry apache2-utils)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("hostctl-registry-").tempdir_in("/var/tmp").unwrap();
        let root = folder.path().to_path_buf();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {0}/data\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n",
            root.display()
        );
        if with_login {
            let hash = Command::new("htpasswd").args(["-Bbn", "builder", PASSWORD]).output().unwrap();
            fs::write(root.join("htpasswd"), hash.stdout).unwrap();
            config += &format!("auth:\n  htpasswd:\n    realm: lab\n    path: {}/htpasswd\n", root.display());
        }
        fs::write(root.join("registry.yml"), config).unwrap();
        let log = || Stdio::from(File::create(root.join("log")).unwrap());
        let server = Command::new("docker-registry")
            .args(["serve", &root.join("registry.yml").display().to_string()])
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "the registry does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { folder, address, server })
    }
}

pub(super) fn client(address: &str, password: Option<&str>) -> RegistryClient {
    let login = password.map(|password| RegistryLogin::new(address, "builder", Secret::new(password)));
    let settings = RegistrySettings { host: address.to_owned(), login, ..RegistrySettings::default() };
    Probe::new(Vec::new()).registry(settings).unwrap()
}

/// A small image of one layer, written by the client alone. The text makes it another one.
pub(super) async fn push(client: &RegistryClient, repository: &str, tag: &str, text: &str) -> Manifest {
    let layer = client.put_blob(repository, format!("layer {text}")).await.unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": { "Labels": { "text": text } }, "rootfs": { "type": "layers", "diff_ids": [layer] },
    })
    .to_string();
    let digest = client.put_blob(repository, config.clone()).await.unwrap();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len() },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": text.len() + 6 }],
    });
    client.put_manifest(repository, tag, manifest.to_string(), media_type).await.unwrap();
    client.manifest(repository, tag).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_does_all_that_a_build_needs_of_a_real_registry() {
    let Some(registry) = Registry::start(true) else { return };
    let own = client(&registry.address, Some(PASSWORD));
    own.check_login().await.unwrap();
    own.push_right("lab/base").await.unwrap();
    assert_eq!(own.digest("lab/base", "t1").await.unwrap(), None);
    assert_eq!(own.tags("lab/base").await.unwrap(), Vec::<String>::new());
    let first = push(&own, "lab/base", "t1", "one").await;
    assert_eq!(own.digest("lab/base", "t1").await.unwrap().as_deref(), Some(first.digest.as_str()));
    // One more tag: the same bytes, the same digest.
    assert_eq!(own.retag("lab/base", "t1", "t2").await.unwrap(), first.digest);
    assert_eq!(own.manifest("lab/base", "t2").await.unwrap(), first);
    let mut tags = own.tags("lab/base").await.unwrap();
    tags.sort();
    assert_eq!(tags, ["t1", "t2"]);
    let config = own.config("lab/base", &first).await.unwrap();
    assert_eq!((config.labels["text"].as_str(), config.platform.to_string().as_str()), ("one", "linux/amd64"));
    assert_eq!(config.created.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert!(own.exists_blob("lab/base", &config.digest).await.unwrap());
    assert!(!own.exists_blob("lab/base", &format!("sha256:{}", "0".repeat(64))).await.unwrap());
    // Two platforms under one tag.
    let second = push(&own, "lab/base", "arm", "two").await;
    let entry = |manifest: &Manifest, platform: &str| IndexEntry {
        digest: manifest.digest.clone(),
        size: manifest.bytes.len() as u64,
        media_type: manifest.media_type.clone(),
        platform: platform.parse().unwrap(),
    };
    let entries = [entry(&first, "linux/amd64"), entry(&second, "linux/arm64/v8")];
    let digest = own.put_index("lab/base", "multi", &entries).await.unwrap();
    let index = own.manifest("lab/base", "multi").await.unwrap();
    assert_eq!((index.digest.as_str(), index.is_index(), index.children().len()), (digest.as_str(), true, 2));
    assert_eq!(
        own.put_index("lab/base", "multi", &entries).await.unwrap(),
        digest,
        "the same entries, the same digest"
    );
    // Wrong logins.
    let error = client(&registry.address, Some("wrong")).push_right("lab/base").await.unwrap_err();
    assert_eq!((error.class, error.right), (ErrorClass::Auth, Some(Right::Login)), "{error}");
    let error = client(&registry.address, None).push_right("lab/base").await.unwrap_err();
    assert_eq!((error.class, error.right), (ErrorClass::Auth, Some(Right::Push)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_days_have_their_classes() {
    let Some(registry) = Registry::start(false) else { return };
    let faults = Faults::new(Some(&registry.address));
    let at_once = Patience { again: 0, ..Patience::USUAL };
    let own = client(&faults.address, None).patient(at_once).unwrap();
    let image = push(&own, "lab/base", "t1", "one").await;
    let class = async || own.manifest("lab/base", "t1").await.map(|found| found.digest).map_err(|error| error.class);
    for (fault, expected) in [
        (answer(500), ErrorClass::Transient),
        (answer(502), ErrorClass::Transient),
        (answer_with(429, "Retry-After", "0"), ErrorClass::RateLimited),
        (answer(401), ErrorClass::Auth),
        (answer(403), ErrorClass::Auth),
        (Fault::CutAnswer(10), ErrorClass::Transient),
        (Fault::WrongDigest, ErrorClass::Digest),
        (Fault::WrongByte, ErrorClass::Digest),
        (answer_with(302, "Location", "https://elsewhere.example/"), ErrorClass::Refused),
    ] {
        let shown = format!("{fault:?}");
        faults.rule("GET", "/manifests/", 1, fault);
        assert_eq!(class().await, Err(expected), "{shown}");
        assert_eq!(class().await.as_deref(), Ok(image.digest.as_str()), "after {shown}");
    }
    // Answers that trickle, and none at all, have an end.
    let hurried = Patience {
        answer: Duration::from_millis(500),
        idle: Duration::from_secs(5),
        grace: Duration::from_secs(1),
        ..at_once
    };
    let settings = RegistrySettings { host: faults.address.clone(), ..RegistrySettings::default() };
    let hurried = Probe::new(Vec::new()).registry(settings).unwrap().patient(hurried).unwrap();
    faults.rule("GET", "/manifests/", 1, Fault::Trickle(Duration::from_millis(300)));
    let error = hurried.manifest("lab/base", "t1").await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.message.contains("too slowly"), "{error}");
    faults.rule("GET", "/manifests/", 1, Fault::Silent);
    let error = hurried.manifest("lab/base", "t1").await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.message.contains("no answer within"), "{error}");
    assert!(faults.seen().iter().all(|seen| seen.authorization.is_empty()));
    // An upload that is cut leaves nothing under the digest.
    faults.rule("PUT", "/blobs/uploads/", 1, Fault::CutUpload(3));
    let error = own.put_blob("lab/base", "a blob that is cut").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient, "{error}");
    own.put_blob("lab/base", "a blob that is cut").await.unwrap();
    assert_eq!(faults.seen().iter().filter(|seen| seen.body == b"a blob that is cut").count(), 1);
}

/// Runs hostctl in a folder with a home of its own.
fn hostctl(folder: &Path, args: &[&str], docker: Option<&Path>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
    command.args(args).current_dir(folder).env_clear().env("HOME", folder).env("PATH", "/usr/bin:/bin");
    if let Some(docker) = docker {
        command.env("DOCKER_CONFIG", docker);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn tag_file(path: &Path, address: &str, tag: &str, digests: &[(&str, &str)]) {
    let digests: Vec<Json> = digests
        .iter()
        .map(|(name, digest)| json!({ "full": format!("{address}/lab/{name}:{tag}"), "digest": digest }))
        .collect();
    let args = json!({ "path": path, "tag": tag, "distribution": "rocky-9", "images": digests, "run": "run-1" });
    run("image_tags", args, Vec::new(), &Arc::new(Watch::default())).unwrap();
}

#[test]
fn tags_are_shown_compared_and_verified() {
    let Some(registry) = Registry::start(true) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let own = client(&registry.address, Some(PASSWORD));
    let (base, moved, old) = runtime.block_on(async {
        let base = push(&own, "lab/base", "t1", "base").await;
        let old = push(&own, "lab/moved", "t1", "old").await;
        let moved = push(&own, "lab/moved", "t1", "new").await;
        (base, moved, old)
    });
    let project: PathBuf = registry.folder.path().join("project");
    for name in ["one", "two", "none"] {
        fs::create_dir_all(project.join(format!("environments/{name}/vars"))).unwrap();
    }
    for name in ["one", "two"] {
        fs::write(project.join(format!("environments/{name}/environment.yml")), "tag_file: image-tags.yml\n").unwrap();
    }
    let password = serde_json::to_string(PASSWORD).unwrap();
    let variables = format!(
        "registry: {}\nregistry_username: builder\nsecret_part: {password}\nregistry_password: \"{{{{ secret_part }}}}\"\n",
        registry.address
    );
    fs::write(project.join("environments/one/vars/main.yml"), &variables).unwrap();
    let file = |name: &str| project.join(format!("environments/{name}/image-tags.yml"));
    let gone = format!("sha256:{}", "0".repeat(64));
    tag_file(&file("one"), &registry.address, "t1", &[("base", &base.digest), ("moved", &old.digest), ("gone", &gone)]);
    tag_file(&file("two"), &registry.address, "t1", &[("base", &base.digest)]);

    let (code, shown, _) = hostctl(&project, &["tags", "show", "one"], None);
    assert_eq!(code, 0);
    assert!(shown.contains("openstack  rocky-9  t1  3 digests") && shown.contains("run run-1"), "{shown}");
    let (code, shown, errors) = hostctl(&project, &["tags", "show", "--output", "json"], None);
    let shown: Json = serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{shown}{errors}"));
    assert_eq!((code, shown["files"].as_array().map(Vec::len)), (0, Some(2)), "{shown}");
    assert_eq!(
        shown["files"][0]["rows"][0]["record"]["digests"][format!("{}/lab/base", registry.address)],
        base.digest
    );
    let (code, _, errors) = hostctl(&project, &["tags", "show", "none"], None);
    assert!(code == 5 && errors.contains("B0080") && errors.contains("tag_file: image-tags.yml"), "{code} {errors}");

    let (code, shown, _) = hostctl(&project, &["tags", "diff", "one", "two"], None);
    assert_eq!(code, 0);
    assert!(shown.contains(&format!("- {}/lab/gone", registry.address)) && !shown.contains("lab/base"), "{shown}");
    let two = file("two").display().to_string();
    let (_, shown, _) = hostctl(&project, &["tags", "diff", "two", &two], None);
    assert_eq!(shown, "no differences\n");
    let (code, shown, errors) = hostctl(&project, &["tags", "history", "--env", "two"], None);
    assert!(
        code == 0 && shown.contains("run run-1") && errors.contains("only what the file itself records"),
        "{shown}{errors}"
    );

    // The environment's login; all states but one.
    let (code, shown, errors) = hostctl(&project, &["tags", "verify", "--env", "one", "--output", "json"], None);
    let found: Json = serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{shown}{errors}"));
    assert_eq!(code, 2, "{found}");
    assert_eq!(
        found["counts"],
        json!({ "ok": 1, "moved": 1, "missing": 1, "differs": 0, "denied": 0, "unreachable": 0 }),
        "{found}"
    );
    let of = |name: &str| {
        let image = format!("{}/lab/{name}", registry.address);
        found["images"].as_array().unwrap().iter().find(|row| row["image"] == image.as_str()).cloned().unwrap()
    };
    assert_eq!(
        (of("moved")["state"].as_str(), of("moved")["found"].as_str()),
        (Some("moved"), Some(moved.digest.as_str()))
    );
    assert_eq!(of("gone")["state"], "missing");
    assert!(of("gone")["hint"].as_str().is_some_and(|hint| hint.contains("hostctl tags history one")), "{found}");
    assert_eq!(of("base")["hint"], Json::Null);
    assert!(errors.contains("B0081") && errors.contains("1 ok, 1 moved, 1 missing"), "{errors}");
    assert!(!format!("{shown}{errors}").contains(PASSWORD));
    // Without one: Docker's credential file of this user, then nobody.
    let docker = registry.folder.path().join("docker");
    fs::create_dir_all(&docker).unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("builder:{PASSWORD}"));
    fs::write(docker.join("config.json"), json!({ "auths": { &registry.address: { "auth": auth } } }).to_string())
        .unwrap();
    let (code, shown, errors) = hostctl(&project, &["tags", "verify", "two"], Some(&docker));
    assert!(code == 0 && shown.starts_with("ok "), "{code} {shown}{errors}");
    // Nobody is let in: 4, since no digest is known to be wrong, and the hint is a login.
    let (code, shown, errors) = hostctl(&project, &["tags", "verify", "two"], None);
    assert!(code == 4 && shown.starts_with("denied ") && errors.contains("wants a login"), "{code} {shown}{errors}");
    assert!(errors.contains("B0205") && errors.contains(&format!("`docker login {}`", registry.address)), "{errors}");
    assert!(errors.contains("hostctl tags verify two --registry") && !errors.contains("push these images"), "{errors}");
    logins_of_the_command_line(&project, &registry.address);
    digests_that_differ(&project, &registry.address);
    // A registry that is gone is asked once.
    let mut registry = registry;
    let _ = registry.server.kill();
    let _ = registry.server.wait();
    let (code, shown, errors) = hostctl(&project, &["tags", "verify", "one"], None);
    assert!(code == 4 && shown.matches("unreachable").count() == 3, "{shown}{errors}");
    assert!(errors.contains("curl -sSI") && !errors.contains("push these images"), "{errors}");
}

/// `--username` with each place of a password, and the environment's login if it is wrong.
fn logins_of_the_command_line(project: &Path, address: &str) {
    fs::write(project.join("password"), format!("{PASSWORD}\nsecond line\n")).unwrap();
    fs::write(project.join("wrong"), "a-wrong-password\n").unwrap();
    let verify = |more: &[&str]| hostctl(project, &[&["tags", "verify"], more].concat(), None);
    let login = ["--username", "builder", "--password-file"];
    let (code, shown, errors) = verify(&[&["two"][..], &login, &["password"]].concat());
    assert!(code == 0 && shown.starts_with("ok "), "{code} {shown}{errors}");
    assert!(!format!("{shown}{errors}").contains(PASSWORD));
    // A variable of an environment, for a file that another one wrote.
    let file = project.join("environments/two/image-tags.yml").display().to_string();
    let variable = ["--username", "builder", "--password-var", "secret_part"];
    let (code, shown, errors) = verify(&[&[file.as_str(), "--env", "one"][..], &variable].concat());
    assert!(code == 0 && shown.starts_with("ok "), "{code} {shown}{errors}");
    let (code, _, errors) = verify(&[&[file.as_str()][..], &variable].concat());
    assert!(code == 5 && errors.contains("B0206") && errors.contains("`--env NAME`"), "{code} {errors}");
    let (code, _, errors) = verify(&["two", "--username", "builder", "--password-var", "a }}"]);
    assert!(code == 5 && errors.contains("B0171"), "{code} {errors}");
    let elsewhere = ["--registry", "other.example:5000"];
    let (code, _, errors) = verify(&[&["two"][..], &elsewhere, &login, &["password"]].concat());
    assert!(code == 5 && errors.contains("B0206") && errors.contains(&format!("--registry {address}")), "{errors}");
    // The given login goes before the environment's.
    let (code, shown, errors) = verify(&[&["one"][..], &login, &["wrong"]].concat());
    assert!(code == 4 && shown.matches("denied").count() == 3, "{code} {shown}{errors}");
    assert!(errors.contains("another user or password") && !errors.contains("a-wrong-password"), "{errors}");
    let variables = project.join("environments/one/vars/main.yml");
    let text = fs::read_to_string(&variables).unwrap();
    fs::write(&variables, text.replace("username: builder", "username: nobody")).unwrap();
    let (code, shown, errors) = verify(&["one"]);
    fs::write(&variables, text).unwrap();
    assert!(code == 4 && shown.matches("denied").count() == 3, "{code} {shown}{errors}");
    assert!(errors.contains("hostctl env show one --var registry_username"), "{errors}");
}

/// A registry that gives something else under a digest.
fn digests_that_differ(project: &Path, address: &str) {
    let faults = Faults::new(Some(address));
    let text = fs::read_to_string(project.join("environments/two/image-tags.yml")).unwrap();
    fs::write(project.join("differs.yml"), text.replace(address, &faults.address)).unwrap();
    faults.rule("HEAD", "/manifests/", usize::MAX, Fault::WrongDigest);
    let login = ["--username", "builder", "--password-file", "password"];
    let words = [&["tags", "verify", "differs.yml", "--output", "json"][..], &login].concat();
    let (code, shown, errors) = hostctl(project, &words, None);
    let found: Json = serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{shown}{errors}"));
    assert_eq!((code, &found["counts"]["differs"], &found["images"][0]["state"]), (2, &json!(1), &json!("differs")));
    assert!(found["images"][0]["hint"].as_str().is_some_and(|hint| hint.contains("storage")), "{found}");
    assert!(errors.contains("B0081") && errors.contains("1 differs"), "{errors}");
}

/// Two writers of one tag file: both are in it; merge markers are refused and stay.
#[test]
fn writers_of_a_tag_file_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tags.yml");
    fs::write(&path, "# site\n").unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let args = json!({
                    "path": path, "tag": format!("t{number}"), "distribution": "rocky-9", "sets": [format!("set{number}")],
                });
                run("image_tags", args, Vec::new(), &Arc::new(Watch::default())).unwrap();
            });
        }
    });
    let (code, shown, errors) = hostctl(folder.path(), &["tags", "show", "tags.yml"], None);
    assert!(code == 0 && (0..8).all(|number| shown.contains(&format!("set{number}"))), "{shown}{errors}");
    let text = fs::read_to_string(&path).unwrap() + "<<<<<<< HEAD\n";
    fs::write(&path, &text).unwrap();
    let args = json!({ "path": path, "tag": "t9", "distribution": "rocky-9" });
    let failure = run("image_tags", args, Vec::new(), &Arc::new(Watch::default())).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0013");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let (code, _, errors) = hostctl(folder.path(), &["tags", "show", "tags.yml"], None);
    assert!(code != 0 && errors.contains("merge marker"), "{errors}");
}

/// Uploads of an engine that are cut.
fn uploads(lab: &Lab, faults: &Faults) {
    let built = |name: &str| {
        let text = format!("FROM scratch\nCOPY busybox /bin/busybox\nCOPY text /{name}\n");
        let root = lab.tree(&format!("tree-{name}"), &[("app/Dockerfile", &text), ("app/text", name)]);
        fs::copy(root.join("base/busybox"), root.join("app/busybox")).unwrap();
        fs::remove_dir_all(root.join("base")).unwrap();
        let more = json!({ "registry": faults.address, "tag": name, "namespace": name, "nocache": true });
        run("image_build", arguments(lab, &root, "auto", more), Vec::new(), &Arc::new(Watch::default()))
    };
    faults.seen();
    faults.rule("PATCH", "/v2/cut/", 1, Fault::CutUpload(1000));
    let outcome = built("cut").unwrap();
    assert_eq!(image(&outcome.result, "app")["state"], "pushed");
    faults.calm();
}

/// Pushes of a real engine through the proxy.
#[test]
fn pushes_outlive_a_registry_with_bad_days() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => return skipped(&reason),
    };
    let faults = Faults::new(Some(&lab.registry));
    let root = lab.tree("tree-faults", &[]);
    let pushed = |tag: &str| {
        let more = json!({ "registry": faults.address, "tag": tag });
        let start = Instant::now();
        let outcome = run("image_build", arguments(&lab, &root, "auto", more), Vec::new(), &Arc::new(Watch::default()));
        println!("{tag}: {:.1} s", start.elapsed().as_secs_f64());
        (outcome, start.elapsed())
    };
    let puts = || faults.seen().iter().filter(|seen| seen.method == "PUT" && seen.path.contains("/manifests/")).count();
    let (outcome, _) = pushed("calm");
    let digest = image(&outcome.unwrap().result, "base")["digest"].clone();
    assert_eq!(puts(), 1);
    for (tag, fault) in [("f500", answer(500)), ("f502", answer(502)), ("cut", Fault::Cut)] {
        faults.rule("PUT", "/manifests/", 1, fault);
        let (outcome, _) = pushed(tag);
        assert_eq!(image(&outcome.unwrap().result, "base")["digest"], digest, "{tag}");
        // The engine may try again by itself.
        assert!(puts() >= 2, "{tag}");
    }
    // Too many requests: the engine tells only text, the registry says how long.
    faults.rule("PUT", "/manifests/", 1, answer(429));
    // Once for the preflight's own try, which only warns, and once for the question after the push.
    faults.rule("POST", "/blobs/uploads/", 2, answer_with(429, "Retry-After", "3"));
    let (outcome, took) = pushed("f429");
    assert_eq!(image(&outcome.unwrap().result, "base")["digest"], digest);
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert!(faults.seen().iter().any(|seen| seen.method == "POST"), "the registry was asked by our own client");
    // Without a time the budget's own wait counts.
    faults.calm();
    faults.rule("PUT", "/manifests/", 1, answer(429));
    faults.rule("POST", "/blobs/uploads/", 2, answer(429));
    let (outcome, took) = pushed("f429bare");
    assert_eq!(image(&outcome.unwrap().result, "base")["digest"], digest);
    assert!(took >= Duration::from_secs(5), "{took:?}");
    faults.calm();
    uploads(&lab, &faults);
    // Without a login of the playbook: that of a helper in Docker's own files, which sees nothing in its arguments.
    let bin = lab.path("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(lab.path("docker")).unwrap();
    let told = json!({ "Username": "builder", "Secret": PASSWORD }).to_string();
    fs::write(lab.path("told"), told).unwrap();
    let helper = bin.join("docker-credential-lab");
    fs::write(&helper, format!("#!/bin/sh\n[ \"$1\" = get ] && exec cat {}\n", lab.path("told").display())).unwrap();
    fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = json!({ "credHelpers": { &faults.address: "lab" } }).to_string();
    fs::write(lab.path("docker/config.json"), config).unwrap();
    let mut args = arguments(&lab, &root, "auto", json!({ "registry": faults.address, "tag": "helper" }));
    args.as_object_mut().unwrap().retain(|name, _| !name.starts_with("registry_"));
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    let docker = lab.path("docker").display().to_string();
    let variables = [("PATH", path.as_str()), ("DOCKER_CONFIG", docker.as_str())];
    let outcome = run_with("image_build", args, Vec::new(), &Arc::new(Watch::default()), &variables);
    assert_eq!(image(&outcome.unwrap().result, "base")["digest"], digest);
    faults.seen();
    // A right that is gone in the middle: no second try.
    faults.rule("PUT", "/manifests/", 5, answer(401));
    let (outcome, _) = pushed("f401");
    let failure = outcome.unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0009", "{:?}", failure.diagnostic);
    assert_eq!(image(&failure.result, "base")["state"], "push_failed");
    assert!(puts() <= 2, "no retries of ours");
    faults.calm();
    // What comes back is not what was sent.
    faults.rule("GET", "/manifests/", 5, Fault::WrongByte);
    let (outcome, _) = pushed("wrong");
    let failure = outcome.unwrap_err();
    assert!(
        image(&failure.result, "base")["message"].as_str().is_some_and(|text| text.contains("expected digest")),
        "{failure:?}"
    );
}
