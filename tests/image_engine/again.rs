//! Runs after the first one: what is in place is no change, what is reused is proven for new values, what was pushed
//! is not pushed again, and private bases are pulled with their registry's login.

use std::fs;
use std::sync::Arc;

use hostctl::event::Progress;
use serde_json::{Value as Json, json};

use super::lab::{Lab, PASSWORD};
use super::{Watch, arguments, image, run};

const LATE: &str = "L4te-v4lue/of+the-vault";

#[test]
fn later_runs_change_only_what_they_must() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => {
            assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
            println!("SKIPPED later runs: {reason}");
            return;
        }
    };
    let root = lab.tree(
        "tree-again",
        &[
            ("held/Dockerfile", &format!("FROM base\nRUN echo {LATE} > /held\n")),
            ("below/Dockerfile", "FROM held\nLABEL a=b\n"),
        ],
    );
    // Other runs of the tests have the same host's record.
    let namespace = format!("again{}", std::process::id());
    let go = |more: Json| {
        let watch = Arc::new(Watch::default());
        let mut args = arguments(&lab, &root, "buildkit", json!({ "reuse": "inputs", "key_tags": true }));
        args["namespace"] = json!(namespace);
        for (key, value) in more.as_object().unwrap() {
            args[key] = value.clone();
        }
        let ended = run("image_build", args, Vec::new(), &watch);
        let logs: Vec<String> = watch
            .seen
            .lock()
            .unwrap()
            .iter()
            .filter_map(|one| match one {
                Progress::ImageLog { image, line } => Some(format!("{image}: {line}")),
                _ => None,
            })
            .collect();
        (ended, logs)
    };
    let first = go(json!({ "tag": "a1" })).0.unwrap();
    assert!(first.changed);
    let digest = image(&first.result, "held")["digest"].clone();

    let same = go(json!({ "tag": "a1" })).0.unwrap();
    for name in ["base", "held", "below"] {
        assert_eq!(image(&same.result, name)["state"], "reused", "{:?}", same.result);
    }
    assert!(!same.changed && same.changes.is_empty(), "all was in place: {:?}", same.changes);

    let other = go(json!({ "tag": "a2" })).0.unwrap();
    assert!(other.changed, "a new tag is a change");
    assert_eq!(image(&other.result, "held")["digest"], digest);
    // The same without a registry: names in the engine.
    let local = json!({ "tag": "l1", "push": false });
    assert!(go(local.clone()).0.unwrap().changed);
    assert!(!go(local).0.unwrap().changed);

    // The registry has what the engine has: a push that was not recorded is not done again.
    let (ended, logs) = go(json!({ "tag": "a2", "reuse": "never" }));
    let ended = ended.unwrap();
    assert_eq!(
        (image(&ended.result, "held")["state"].as_str(), &image(&ended.result, "held")["digest"]),
        (Some("pushed"), &digest)
    );
    assert!(logs.iter().any(|line| line.starts_with("held: not pushed again: ")), "{logs:?}");

    // A value that the build did not know: found in the reused image, in the engine and in the registry alone.
    for (tag, gone) in [("a3", false), ("a4", true)] {
        if gone {
            for name in ["held", "below"] {
                for tag in ["a1", "a2", "l1"] {
                    lab.docker(&["rmi", "-f", &format!("{}/{namespace}/{name}:{tag}", lab.registry)]);
                }
            }
            let id = image(&first.result, "held")["id"].as_str().unwrap().to_owned();
            lab.docker(&["rmi", "-f", &id]);
            assert!(!lab.docker(&["inspect", &id]).0, "the engine still has it");
        }
        let (ended, logs) = go(json!({ "tag": tag, "secrets": { "late": LATE } }));
        let failure = ended.unwrap_err();
        assert_eq!(failure.diagnostic.code, "B0100", "{:?} {logs:?}", failure.diagnostic);
        assert_eq!(image(&failure.result, "base")["state"], "reused");
        assert_eq!(image(&failure.result, "held")["state"], "failed");
        assert_eq!(image(&failure.result, "below")["state"], "blocked");
        assert_eq!(logs.iter().any(|line| line.contains("is pulled, to be searched")), gone, "{logs:?}");
        assert!(!format!("{failure:?} {logs:?}").contains(LATE));
        let name = format!("{}/{namespace}/held:{tag}", lab.registry);
        assert!(!lab.docker(&["pull", &name]).0, "{name} was tagged although it holds a secret");
    }

    // A private base: with the login for its registry, and not without.
    let base = format!("{}/{namespace}/base:a1", lab.registry);
    for tag in ["a1", "a2", "a3", "a4", "l1"] {
        lab.docker(&["rmi", "-f", &format!("{}/{namespace}/base:{tag}", lab.registry)]);
    }
    lab.docker(&["rmi", "-f", image(&first.result, "base")["id"].as_str().unwrap()]);
    let private = lab.path("tree-private");
    fs::create_dir_all(private.join("app")).unwrap();
    fs::write(private.join("app/Dockerfile"), format!("FROM {base}\nLABEL own=1\n")).unwrap();
    let more = |registries: Json| {
        json!({ "path": private, "registry": null, "registry_username": null, "registry_password": null, "push": false,
            "namespace": format!("{namespace}x"), "tag": "p", "registries": registries, "nocache": true })
    };
    let failure = go(more(json!({}))).0.unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0008", "{:?}", failure.diagnostic);
    let logins = json!({ lab.registry.clone(): { "username": "builder", "password": PASSWORD } });
    let (ended, logs) = go(more(logins));
    let outcome = ended.unwrap_or_else(|failure| panic!("{:?} {logs:?}", failure.diagnostic));
    assert_eq!(image(&outcome.result, "app")["state"], "built");
    assert!(!format!("{:?} {logs:?}", outcome.result).contains(PASSWORD));
}
