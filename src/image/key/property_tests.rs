//! What changes a key, and what does not, on trees in real folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::image::dockerfile::Dockerfile;
use crate::image::{Graph, ImageDef, Names};
use crate::system::Probe;

/// A tree of two images and all that a run gives.
#[derive(Clone, Debug)]
struct Case {
    base: String,
    app: String,
    files: BTreeMap<String, (String, u32)>,
    args: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
    names: Names,
    network_host: bool,
    target: Option<String>,
    platform: String,
    digests: BTreeMap<String, String>,
}

fn texts<const COUNT: usize>(list: [(&str, &str); COUNT]) -> BTreeMap<String, String> {
    list.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn case() -> Case {
    Case {
        base: "FROM debian:12\nRUN apt-get update\n".into(),
        app: "ARG TAG\nFROM r:5000/lab/base:$TAG\nARG VERSION\nRUN --mount=type=secret,id=pypi make\nCOPY . /x\n"
            .into(),
        files: [("src/a.c", "int a;"), ("run.sh", "true"), ("skip.log", "x")]
            .map(|(path, text)| (path.to_owned(), (text.to_owned(), 0o644)))
            .into_iter()
            .chain([(".dockerignore".to_owned(), ("*.log\n".to_owned(), 0o644))])
            .collect(),
        args: texts([("TAG", "t1"), ("VERSION", "7"), ("OTHER", "1"), ("http_proxy", "http://p:1")]),
        labels: texts([("vendor", "lab"), ("org.opencontainers.image.version", "t1")]),
        secrets: ["pypi".to_owned()].into(),
        names: Names { registry: "r:5000".into(), namespace: "lab".into(), prefix: String::new(), tag: "t1".into() },
        network_host: false,
        target: None,
        platform: "linux/amd64".into(),
        digests: texts([("debian:12", "sha256:d12")]),
    }
}

impl Case {
    fn lay_out(&self, root: &Path) {
        for (path, (text, mode)) in &self.files {
            let path = root.join("app").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        fs::create_dir_all(root.join("base")).unwrap();
        fs::write(root.join("base/Dockerfile"), &self.base).unwrap();
        fs::write(root.join("app/Dockerfile"), &self.app).unwrap();
    }

    fn graph(&self) -> Graph {
        let def = |name: &str, text: &str| ImageDef {
            dockerfile: Dockerfile::parse(text).unwrap(),
            ..crate::image::graph::tests::image(name, "FROM scratch")
        };
        Graph::new(vec![def("base", &self.base), def("app", &self.app)], &self.names, &self.args).unwrap()
    }

    /// The keys of `base` and `app`.
    fn keys_in(&self, root: &Path) -> [Key; 2] {
        let graph = self.graph();
        let bases = |reference: &str| self.digests.get(reference).cloned();
        let inputs = Inputs {
            graph: &graph,
            tag: &self.names.tag,
            root,
            args: &self.args,
            labels: &self.labels,
            secrets: &self.secrets,
            network_host: self.network_host,
            target: self.target.as_deref(),
            platform: &self.platform,
            bases: &bases,
        };
        let found = compute(&Probe::new(Vec::new()), &inputs, &[1].into(), &mut Contents::new(0));
        assert_eq!(found.problems, []);
        [0, 1].map(|image| found.get(image).unwrap().clone())
    }

    fn keys(&self) -> [Key; 2] {
        let root = tempfile::tempdir().unwrap();
        self.lay_out(root.path());
        self.keys_in(root.path())
    }
}

#[track_caller]
fn same(change: impl FnOnce(&mut Case)) {
    let mut new = case();
    change(&mut new);
    assert_eq!(new.keys(), case().keys());
}

/// Changes the keys of `base` and `app`, and says so.
#[track_caller]
fn differs(change: impl FnOnce(&mut Case), base: Option<&str>, app: &str) {
    let mut new = case();
    change(&mut new);
    let (new, old) = (new.keys(), case().keys());
    assert_eq!(new[0].first_difference(&old[0]).as_deref(), base);
    assert_eq!(new[0].digest == old[0].digest, base.is_none());
    assert_eq!(new[1].first_difference(&old[1]).as_deref(), Some(app));
    assert_ne!(new[1].digest, old[1].digest);
}

fn set(map: &mut BTreeMap<String, String>, name: &str, value: &str) {
    map.insert(name.to_owned(), value.to_owned());
}

#[test]
fn a_new_tag_or_place_changes_nothing() {
    same(|case| {
        case.names.tag = "t2".into();
        set(&mut case.args, "TAG", "t2");
        set(&mut case.labels, "org.opencontainers.image.version", "t2");
        set(&mut case.labels, "org.opencontainers.image.created", "2026-11-22");
        set(&mut case.labels, "org.opencontainers.image.revision", "abc");
    });
    same(|case| {
        case.names.registry = "other".into();
        case.app = case.app.replace("r:5000", "other");
    });
    same(|case| case.app = case.app.replace("r:5000/lab/base:$TAG", "base"));
    same(|case| case.app = case.app.replace('\n', "\r\n"));
    same(|case| set(&mut case.args, "OTHER", "2"));
    same(|case| set(&mut case.args, "http_proxy", "http://q:2"));
    same(|case| _ = case.secrets.insert("npm".into()));
    same(|case| _ = case.files.insert("new.log".into(), ("x".into(), 0o644)));
    same(|case| set(&mut case.digests, "unused", "sha256:0"));
}

#[test]
fn each_real_input_changes_the_key_and_is_named() {
    differs(|case| case.app.push_str("RUN y\n"), None, "`Dockerfile` line 6");
    differs(|case| case.base.push_str("RUN y\n"), Some("`Dockerfile` line 3"), "parent `base`");
    differs(|case| set(&mut case.args, "VERSION", "8"), None, "build argument `VERSION`");
    differs(|case| _ = case.args.remove("VERSION"), None, "build argument `VERSION` (gone)");
    differs(|case| set(&mut case.labels, "vendor", "x"), Some("label `vendor`"), "label `vendor`");
    differs(|case| case.secrets.clear(), None, "secret `pypi` (gone)");
    let host = "network `host`, was `default`";
    differs(|case| case.network_host = true, Some(host), host);
    let target = "target `x`, was `none`";
    differs(|case| case.target = Some("x".into()), Some(target), target);
    let platform = "platform `linux/arm64`, was `linux/amd64`";
    differs(|case| case.platform = "linux/arm64".into(), Some(platform), platform);
    let base = "base `debian:12` (sha256:d13, was sha256:d12)";
    differs(|case| set(&mut case.digests, "debian:12", "sha256:d13"), Some(base), "parent `base`");
    let base = "base `debian:12` (unpinned, was sha256:d12)";
    differs(|case| case.digests.clear(), Some(base), "parent `base`");
    let file = |case: &mut Case, path: &str, text: &str, mode| {
        case.files.insert(path.to_owned(), (text.to_owned(), mode));
    };
    differs(|case| file(case, "src/a.c", "int b;", 0o644), None, "context file `src/a.c`");
    differs(|case| file(case, "run.sh", "true", 0o755), None, "context file `run.sh` (mode 755, was 644)");
    differs(|case| file(case, "src/b.c", "", 0o644), None, "context file `src/b.c` (new)");
    differs(|case| _ = case.files.remove("src/a.c"), None, "context file `src/a.c` (gone)");
    differs(|case| file(case, ".dockerignore", "*.log\n*.c\n", 0o644), None, "context file `.dockerignore`");
}

#[test]
fn two_bases_that_change_places_are_another_input() {
    let mut one = case();
    one.base = "ARG A=a\nARG B=b\nFROM $A\nFROM $B\nRUN x\n".into();
    let mut two = one.clone();
    set(&mut one.args, "A", "x");
    set(&mut one.args, "B", "y");
    set(&mut two.args, "A", "y");
    set(&mut two.args, "B", "x");
    assert_ne!(one.keys()[0].digest, two.keys()[0].digest);
}

#[test]
fn bases_without_a_digest_are_told_and_pinned_ones_need_no_answer() {
    let mut case = case();
    case.base = "FROM debian:12 AS a\nFROM x@sha256:11\nADD https://h/f /f\n".into();
    case.digests.clear();
    let [base, app] = case.keys();
    assert_eq!(base.unpinned, ["https://h/f", "debian:12"]);
    assert_eq!(app.unpinned, [] as [&str; 0]);
    assert!(base.parts.contains(&("base x@sha256:11".into(), "sha256:11 #1".into())), "{:?}", base.parts);
    assert_eq!(bases(&case.graph(), &[0, 1].into(), &case.args), BTreeSet::from(["debian:12".to_owned()]));
}

#[test]
fn a_change_while_it_was_built_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let case = case();
    case.lay_out(root.path());
    let graph = case.graph();
    let inputs = Inputs {
        graph: &graph,
        tag: "t",
        root: root.path(),
        args: &case.args,
        labels: &case.labels,
        secrets: &case.secrets,
        network_host: false,
        target: None,
        platform: "p",
        bases: &|_| None,
    };
    let (probe, mut contents) = (Probe::new(Vec::new()), Contents::new(0));
    let keys = compute(&probe, &inputs, &[1].into(), &mut contents);
    assert!(still(&probe, &inputs, 1, &keys, &mut contents));
    fs::write(root.path().join("base/new"), "x").unwrap();
    assert!(still(&probe, &inputs, 1, &keys, &mut contents), "that is the parent's matter");
    fs::write(root.path().join("app/src/a.c"), "int c;").unwrap();
    assert!(!still(&probe, &inputs, 1, &keys, &mut contents));
    assert!(!still(&probe, &inputs, 0, &keys, &mut contents));
    assert!(!still(&probe, &inputs, 7, &keys, &mut contents));
}

#[test]
fn an_unreadable_context_leaves_it_and_its_children_without_keys() {
    let root = tempfile::tempdir().unwrap();
    let case = case();
    case.lay_out(root.path());
    fs::write(root.path().join("base/.dockerignore"), "[").unwrap();
    let graph = case.graph();
    let inputs = Inputs {
        graph: &graph,
        tag: "t",
        root: root.path(),
        args: &case.args,
        labels: &case.labels,
        secrets: &case.secrets,
        network_host: false,
        target: None,
        platform: "p",
        bases: &|_| None,
    };
    let found = compute(&Probe::new(Vec::new()), &inputs, &[1].into(), &mut Contents::new(0));
    assert!(found.get(0).is_none() && found.get(1).is_none());
    assert!(found.problems[0].1.contains("`[` is no pattern"), "{:?}", found.problems);
    assert_eq!(found.problems[1], (1, "its parent `base` has no key".into()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn times_tags_and_places_never_count(seconds in 1_u64..2_000_000_000, tag in "[a-z][a-z0-9.]{3,12}", prefix in "[a-z]{0,4}") {
        let mut new = case();
        new.names.prefix = prefix.clone();
        new.names.tag = tag.clone();
        new.app = new.app.replace("lab/base", &format!("lab/{prefix}base"));
        set(&mut new.args, "TAG", &tag);
        set(&mut new.labels, "org.opencontainers.image.version", &tag);
        let root = tempfile::tempdir().unwrap();
        new.lay_out(root.path());
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for path in ["app/src/a.c", "app/run.sh", "base/Dockerfile"] {
            fs::File::options().write(true).open(root.path().join(path)).unwrap().set_modified(time).unwrap();
        }
        prop_assert_eq!(new.keys_in(root.path()), case().keys());
    }

    #[test]
    fn any_change_of_a_file_counts(text in "[a-z]{0,9}", mode in 0_u32..8, path in "[a-z]{1,6}(/[a-z]{1,3})?") {
        let mut new = case();
        let known = new.files.insert(path.clone(), (text.clone(), 0o600 + mode));
        let root = tempfile::tempdir().unwrap();
        // `src` is a folder, and a folder is no file.
        prop_assume!(path != "src" && !PathBuf::from(&path).starts_with("run.sh"));
        new.lay_out(root.path());
        let differs = known != Some((text, 0o600 + mode));
        prop_assert_eq!(new.keys_in(root.path())[1].digest != case().keys()[1].digest, differs);
    }
}
