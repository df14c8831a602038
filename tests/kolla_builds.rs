//! `image_build` with `from: kolla`: a small tree of Kolla's form, really built and pushed, with sources from a server
//! that fails first, a repository and folders. Skipped with the reason where no engine can run.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "image_engine/lab.rs"]
mod lab;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hostctl::system::digest::{Digest, Hasher};
use lab::{Lab, PASSWORD};
use serde_json::{Value as Json, json};

/// In the address of the server; no output may tell it.
const LOGIN: &str = "pass-word-of-the-server";

#[expect(clippy::print_stdout, reason = "a skip is told with its reason")]
fn skipped(reason: &str) {
    assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
    println!("skipped: {reason}");
}

/// A server of one file; its first answer is 503. Address and number of requests.
fn serve(content: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let (status, body) = match seen.fetch_add(1, Ordering::SeqCst) {
                0 => ("503 Busy", &b""[..]),
                _ => ("200 OK", content.as_slice()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    (address, count)
}

fn tool(folder: &Path, words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// `FROM` an image of the tree, as Kolla's templates have it.
fn on(parent: &str, rest: &str) -> String {
    format!("FROM {{{{ namespace }}}}/{{{{ image_prefix }}}}{parent}:{{{{ tag }}}}\n{rest}")
}

struct Site {
    lab: Lab,
    folder: PathBuf,
    namespace: String,
    server: String,
    sum: String,
}

impl Site {
    fn new(lab: Lab, server: String, sum: String) -> Self {
        let folder = lab.path("site");
        let kolla = folder.join("images/kolla");
        let base = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\n";
        write(
            &kolla,
            &[
                ("docker/base/Dockerfile.j2", base),
                ("docker/openstack-base/Dockerfile.j2", &on("base", "RUN echo {{ base_distro }} > /distro\n")),
                (
                    "docker/nova/Dockerfile.j2",
                    &on(
                        "openstack-base",
                        "ADD nova-archive /src\nADD plugins-archive /\nADD additions-archive /\nCOPY plugins-archive /plugins.tar\n",
                    ),
                ),
                ("docker/keystone/Dockerfile.j2", &on("openstack-base", "ADD keystone-archive /src\n")),
                ("docker/glance/Dockerfile.j2", &on("openstack-base", "ADD glance-archive /src\n")),
                ("docker/broken/Dockerfile.j2", &on("openstack-base", "RUN false\n")),
                ("docker/broken-api/Dockerfile.j2", &on("broken", "RUN true\n")),
                ("docker/horizon/Dockerfile.j2", &on("openstack-base", "RUN true\n")),
                ("image/unbuildable.py", "UNBUILDABLE_IMAGES = {'debian': {'horizon'}}\n"),
                ("template/methods.py", "def cleanup_repos(x):\n    pass\n"),
            ],
        );
        fs::copy(lab.path("busybox"), kolla.join("docker/base/busybox")).unwrap();
        tool(&kolla, &["chmod", "755", "docker/base/busybox"]);
        write(
            &folder,
            &[
                ("images/kolla.egg-info/PKG-INFO", "Version: 23.0.0\n"),
                ("images/sources/glance/setup.py", "glance\n"),
                ("images/sources/plugin/plugin.py", "plugin\n"),
            ],
        );
        let repository = lab.path("repository");
        write(&repository, &[("setup.py", "keystone\n")]);
        tool(&repository, &["git", "init", "-q", "-b", "master"]);
        tool(&repository, &["git", "add", "."]);
        let commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"];
        tool(&repository, &[&["git"], &commit[..]].concat());
        tool(&repository, &["git", "tag", "1.0"]);
        let namespace = format!("n{}{}", std::process::id(), lab.registry.rsplit(':').next().unwrap());
        let site = Self { lab, folder, namespace, server, sum };
        site.configure(&site.sum, "");
        site
    }

    fn configure(&self, sum: &str, more: &str) {
        let repository = self.lab.path("repository");
        let repository = repository.display();
        let text = format!(
            "[DEFAULT]\nbase = debian\ntag = t1\nretries = 1\nallowed_to_fail = broken, broken-api\n{more}\n\
             [nova]\ntype = url\nlocation = http://me:{LOGIN}@{}/nova.tar.gz\nsha256 = amd64:{sum},arm64:{sum}\n\
             [nova-plugin-one]\ntype = local\nlocation = sources/plugin\n\
             [nova-additions-two]\ntype = git\nlocation = {repository}\nreference = master\n\
             [keystone]\ntype = git\nlocation = {repository}\nreference = 1.0\n\
             [glance]\ntype = local\nlocation = sources/glance\n",
            self.server
        );
        fs::write(self.folder.join("images/kolla-build.conf"), text).unwrap();
    }

    /// Runs the playbook; its exit code, all output, and the module's result.
    fn run(&self, set: &Json) -> (Option<i32>, String, Json) {
        let args = json!({
            "path": "images", "from": "kolla", "registry": self.lab.registry, "registry_username": "builder",
            "registry_password": PASSWORD, "namespace": self.namespace, "push": true,
            "docker_host": self.lab.address(), "parallel": 2, "min_free": "1m",
            "kolla": {
                "config_files": ["kolla-build.conf"], "set": set,
                "summary_json_file": self.lab.path("summary.json"),
            },
        });
        let play = json!([{
            "hosts": "localhost", "connection": "local", "gather_facts": false,
            "tasks": [{ "name": "images", "image_build": args }],
        }]);
        fs::write(self.folder.join("play.yml"), play.to_string()).unwrap();
        let _ = fs::remove_file(self.lab.path("summary.json"));
        let out = File::create(self.lab.path("out")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        command.args(["run", "play.yml", "--output", "jsonl"]).current_dir(&self.folder).env("HOME", &self.folder);
        for name in ["HOSTCTL_STATE_DIR", "HOSTCTL_ENV", "DOCKER_HOST", "ANSIBLE_CONFIG"] {
            command.env_remove(name);
        }
        let status = command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).status().unwrap();
        let text = fs::read_to_string(self.lab.path("out")).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let mut done =
            events.filter(|event| event["event"] == "host_done").map(|event| event["done"]["result"].clone());
        let result = done.find(|result| result["images"].is_array()).unwrap_or_else(|| panic!("no result in {text}"));
        assert!(!text.contains(LOGIN), "the server's password is told: {text}");
        (status.code(), text, result)
    }

    /// `hostctl image build` in the site's folder, with its summary in `here.json`.
    fn command(&self, more: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        command.args(["image", "build", "--kolla", "images", "--config", "images/kolla-build.conf", "--tag", "t1"]);
        command.args(["--engine", &self.lab.address(), "--namespace", &self.namespace, "--min-free", "1m"]);
        command.args(["--summary-json-file", "here.json"]).args(more);
        for name in ["HOSTCTL_STATE_DIR", "HOSTCTL_ENV", "DOCKER_HOST", "ANSIBLE_CONFIG"] {
            command.env_remove(name);
        }
        let output = command.current_dir(&self.folder).env("HOME", &self.folder).stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(!text.contains(LOGIN), "the server's password is told: {text}");
        (output.status.success(), text)
    }

    fn in_image(&self, image: &str, script: &str) -> String {
        let name = format!("{}/{}/{image}:t1", self.lab.registry, self.namespace);
        let (good, text) = self.lab.docker(&["run", "--rm", "--network", "none", &name, "sh", "-c", script]);
        assert!(good, "{text}");
        text
    }

    fn summary(&self) -> Json {
        let text = fs::read_to_string(self.lab.path("summary.json")).unwrap();
        assert!(text.starts_with("{\n    \"built\": [") && text.ends_with("\n}"), "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn names(list: &Json) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn a_kolla_tree_is_built_with_its_sources_and_only_once() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => return skipped(&reason),
    };
    write(&lab.path("tarball"), &[("nova-1.0/setup.py", "nova\n"), ("nova-1.0/id", &lab.registry)]);
    tool(&lab.path("tarball"), &["tar", "czf", "../nova.tar.gz", "nova-1.0"]);
    let content = fs::read(lab.path("nova.tar.gz")).unwrap();
    let sum = Hasher::of(Digest::Sha256, &content);
    let (server, asked) = serve(content);
    let site = Site::new(lab, server, sum);

    // All is built but what may fail, and what hangs on it.
    let (code, text, result) = site.run(&json!({}));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "a server that is busy is asked once more");
    let expected = json!({
        "built": [
            { "name": "base" }, { "name": "glance" }, { "name": "keystone" }, { "name": "nova" }, { "name": "openstack-base" },
        ],
        "failed": [{ "name": "broken", "status": "error" }, { "name": "broken-api", "status": "parent_error" }],
        "not_matched": [], "skipped": [], "unbuildable": [{ "name": "horizon" }],
    });
    assert_eq!(site.summary(), expected);
    assert_eq!(result["kolla_summary"], expected);
    assert_eq!((&result["tag"], &result["pushed"]), (&json!("t1"), &json!(5)), "{result}");

    assert_eq!(
        site.in_image("nova", "cat /src/nova-1.0/setup.py /plugins/plugin/plugin.py /distro"),
        "nova\nplugin\ndebian\n"
    );
    assert_eq!(site.in_image("nova", "cat /additions/*/setup.py"), "keystone\n");
    assert_eq!(site.in_image("nova", "ls /additions"), "nova-additions-two-archive-master\n");
    assert_eq!(
        site.in_image("keystone", "cat /src/keystone-archive-1.0/setup.py; ls -d /src/*/.git/HEAD"),
        "keystone\n/src/keystone-archive-1.0/.git/HEAD\n"
    );
    assert_eq!(
        site.in_image("glance", "stat -c '%u %g %Y %n' /src/glance /src/glance/setup.py"),
        "0 0 0 /src/glance\n0 0 0 /src/glance/setup.py\n"
    );
    let listed = site.in_image("nova", "tar tvf /plugins.tar");
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.lines().all(|line| line.contains("root/root") && line.contains("1970-01-01 00:00:00")), "{listed}");
    let labels = site
        .lab
        .docker(&[
            "inspect",
            "--format",
            "{{json .Config.Labels}}",
            &format!("{}/{}/nova:t1", site.lab.registry, site.namespace),
        ])
        .1;
    let labels: Json = serde_json::from_str(&labels).unwrap();
    assert_eq!(labels["org.opencontainers.image.title"], "nova");
    assert!(labels["org.opencontainers.image.created"].as_str().unwrap().ends_with('Z'), "{labels}");

    // Nothing has changed, although the labels have another time; what has a checksum does not come again.
    let (code, text, result) = site.run(&json!({}));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the second run downloads nothing");
    assert_eq!((code, &result["reused"], &result["built"]), (Some(0), &json!(5), &json!(0)), "{text}");
    assert_eq!(site.summary(), expected);

    // Another content than the checksum says is no content. Only what needs it fails.
    site.configure(&"0".repeat(64), "");
    let (code, text, result) = site.run(&json!({ "retries": 0 }));
    assert_ne!(code, Some(0));
    assert!(text.contains("B0152") && text.contains("another SHA-256"), "{text}");
    assert_eq!((&result["reused"], &result["build_failed"]), (&json!(4), &json!(2)), "{text}");
    site.configure(&site.sum, "");

    // The command writes the summary beside whoever called it, after a failure, too.
    let (good, text) = site.command(&["--skip", "nova", "--set", "allowed_to_fail="]);
    assert!(!good && text.contains("image `broken` failed"), "{text}");
    let here = fs::read_to_string(site.folder.join("here.json")).unwrap();
    assert!(here.starts_with("{\n    \"built\": [\n        {\n            \"name\": \"base\"\n"), "{here}");
    let here: Json = serde_json::from_str(&here).unwrap();
    assert_eq!(names(&here["failed"]), ["broken", "broken-api"]);

    // Parents are taken as they are; children are built on them.
    let (code, text, result) = site.run(&json!({ "skip_parents": true, "allowed_to_fail": ["broken-api"] }));
    assert_eq!(code, Some(0), "{text}");
    let summary = &result["kolla_summary"];
    assert_eq!(names(&summary["skipped"]), ["base", "broken", "openstack-base"], "{text}");
    assert!(names(&summary["built"]).starts_with(&["glance", "keystone", "nova"]), "{summary} {text}");

    // What may fail takes along what may not, which counts.
    let (code, text, _) = site.run(&json!({ "allowed_to_fail": ["broken"] }));
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("they need what failed and may fail: `broken`"), "{text}");

    // What the engine has is not looked at again.
    site.configure(&site.sum, "skip_existing = true");
    let (code, text, result) = site.run(&json!({ "allowed_to_fail": ["broken", "broken-api"] }));
    assert_eq!(code, Some(0), "{text}");
    let summary = &result["kolla_summary"];
    assert_eq!(names(&summary["skipped"]), ["base", "glance", "keystone", "nova", "openstack-base"], "{text}");
    assert_eq!(names(&summary["failed"]), ["broken", "broken-api"]);

    // One that may not fail changes the exit code.
    let (code, text, _) = site.run(&json!({ "allowed_to_fail": "" }));
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains("image `broken` failed"), "{text}");
}
