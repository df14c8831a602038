//! Runs in which nothing changed, of a registry that did: requests are few, and whatever somebody did to the registry in
//! between, each image has the run's tag and the right digest in the end.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hostctl::event::Progress;
use hostctl::system::engine::{ErrorClass, IndexEntry};
use serde_json::{Value as Json, json};

use super::faults::{Fault, Faults, answer, answer_with};
use super::lab::{Lab, PASSWORD};
use super::registry::{Registry, client, push, skipped};
use super::{Watch, arguments, image, run};

const NAMES: [&str; 3] = ["base", "app", "leaf"];

/// Where a registry of files keeps a manifest of a repository.
fn revision(storage: &Path, repository: &str, digest: &str) -> PathBuf {
    let digest = digest.strip_prefix("sha256:").unwrap();
    storage.join(format!("docker/registry/v2/repositories/{repository}/_manifests/revisions/sha256/{digest}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_never_given_to_what_a_registry_has_lost() {
    let Some(registry) = Registry::start(false) else { return };
    let storage = registry.folder.path().join("data");
    let own = client(&registry.address, None);
    let first = push(&own, "lab/base", "t1", "one").await;
    let second = push(&own, "lab/base", "arm", "two").await;
    assert!(own.holds("lab/base", &first.digest, None).await.unwrap());
    assert!(own.set_tag("lab/base", &first.digest, "t2", false).await.unwrap());
    assert_eq!(own.manifest("lab/base", "t2").await.unwrap(), first);
    // A tag that stands is the whole question, and nothing is written; one that was moved is set again.
    let other = client(&registry.address, None);
    assert!(other.holds("lab/base", &first.digest, Some("t2")).await.unwrap());
    assert!(!other.set_tag("lab/base", &first.digest, "t2", true).await.unwrap());
    own.retag("lab/base", "arm", "t2").await.unwrap();
    let other = client(&registry.address, None);
    assert!(other.holds("lab/base", &first.digest, Some("t2")).await.unwrap());
    assert!(other.set_tag("lab/base", &first.digest, "t2", true).await.unwrap());
    assert_eq!(own.digest("lab/base", "t2").await.unwrap(), Some(first.digest.clone()));
    // A list is there with all that it lists, whether it is looked for by its digest or by its tag.
    let entry = |manifest: &hostctl::system::engine::Manifest, platform: &str| IndexEntry {
        digest: manifest.digest.clone(),
        size: manifest.bytes.len() as u64,
        media_type: manifest.media_type.clone(),
        platform: platform.parse().unwrap(),
    };
    let entries = [entry(&first, "linux/amd64"), entry(&second, "linux/arm64")];
    let list = own.put_index("lab/base", "multi", &entries).await.unwrap();
    for tag in [None, Some("multi")] {
        assert!(own.holds("lab/base", &list, tag).await.unwrap());
    }
    fs::remove_dir_all(revision(&storage, "lab/base", &second.digest)).unwrap();
    for tag in [None, Some("multi")] {
        assert!(!client(&registry.address, None).holds("lab/base", &list, tag).await.unwrap(), "{tag:?}");
    }
    // Gone between the look and the tag: the registry refuses it.
    assert!(own.set_tag("lab/base", &list, "multi2", false).await.is_err());
    // A manifest that is gone, and a registry that was replaced by an empty one.
    let third = push(&own, "lab/base", "t3", "three").await;
    assert!(own.holds("lab/base", &third.digest, None).await.unwrap());
    fs::remove_dir_all(revision(&storage, "lab/base", &third.digest)).unwrap();
    assert!(!client(&registry.address, None).holds("lab/base", &third.digest, None).await.unwrap());
    fs::remove_dir_all(storage.join("docker")).unwrap();
    for digest in [&first.digest, &third.digest] {
        assert!(!own.holds("lab/base", digest, Some("t2")).await.unwrap());
        let error = own.set_tag("lab/base", digest, "t4", false).await.unwrap_err();
        assert!(matches!(error.class, ErrorClass::Refused | ErrorClass::NotFound), "{error:?}");
        assert_eq!(own.digest("lab/base", "t4").await.unwrap(), None);
    }
}

#[test]
fn whatever_happened_to_the_registry_each_image_is_right_in_the_end() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => return skipped(&reason),
    };
    let faults = Faults::new(Some(&lab.registry));
    let root = lab.tree(
        "tree-unchanged",
        &[("app/Dockerfile", "FROM base\nRUN echo app > /app\n"), ("leaf/Dockerfile", "FROM app\nLABEL a=b\n")],
    );
    // Records are the machine's.
    let namespace = format!("unchanged{}", std::process::id());
    let own = client(&lab.registry, Some(PASSWORD));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let there = |name: &str, tag: &str| {
        runtime.block_on(own.digest(&format!("{namespace}/{name}"), tag)).unwrap().unwrap_or_default()
    };
    let go = |tag: &str| {
        let watch = Arc::new(Watch::default());
        let more = json!({ "registry": faults.address, "namespace": namespace, "tag": tag, "reuse": "inputs", "key_tags": true });
        faults.seen();
        let outcome = run("image_build", arguments(&lab, &root, "buildkit", more), Vec::new(), &watch)
            .unwrap_or_else(|failure| panic!("{tag}: {failure:?}"));
        let asked: Vec<String> =
            faults.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
        let forecast = watch.seen.lock().unwrap().iter().find_map(|one| match one {
            Progress::ImageForecast { forecast } => Some((forecast.build.len(), forecast.reuse.len())),
            _ => None,
        });
        for name in NAMES {
            // What the result says is what the registry has.
            assert_eq!(image(&outcome.result, name)["digest"], there(name, tag), "{tag} {name}");
        }
        (outcome, asked, forecast.unwrap())
    };
    let states =
        |result: &hostctl::value::Map| NAMES.map(|name| image(result, name)["state"].as_str().unwrap().to_owned());
    let digests = |result: &hostctl::value::Map| NAMES.map(|name| image(result, name)["digest"].clone());
    let of_images = |asked: &[String]| asked.iter().filter(|one| one.contains("/manifests/")).count();

    let (first, ..) = go("u1");
    assert_eq!(states(&first.result), ["pushed"; 3]);
    let all = digests(&first.result);
    // A new tag: one look and one tag for each. The same once more: one look.
    let (next, asked, forecast) = go("u2");
    assert_eq!(
        (states(&next.result), digests(&next.result), forecast),
        (["reused"; 3].map(str::to_owned), all.clone(), (0, 3))
    );
    assert_eq!((of_images(&asked), next.changed), (6, true), "{asked:?}");
    let (same, asked, _) = go("u2");
    assert_eq!((of_images(&asked), same.changed), (3, false), "{asked:?}");
    // An older tag is known to stand.
    let (same, asked, _) = go("u1");
    assert_eq!((of_images(&asked), same.changed), (3, false), "{asked:?}");

    // Somebody moved the tag.
    runtime.block_on(own.retag(&format!("{namespace}/app"), &there("app", "u1"), "moved")).unwrap();
    let foreign = runtime.block_on(push(&own, &format!("{namespace}/app"), "u1", "foreign"));
    assert_eq!(there("app", "u1"), foreign.digest);
    let (moved, ..) = go("u1");
    assert!(moved.changed && states(&moved.result) == ["reused"; 3], "{:?}", moved.result);
    assert_eq!(digests(&moved.result), all);
    // The same under a tag that this host has never used.
    runtime.block_on(push(&own, &format!("{namespace}/app"), "u3", "foreign"));
    let (taken, ..) = go("u3");
    assert_eq!(digests(&taken.result), all);

    // A bad moment: asked again, and nothing is built for it.
    faults.rule("GET", "/manifests/sha256", 1, answer(502));
    faults.rule("GET", "/manifests/sha256", 1, answer_with(429, "Retry-After", "1"));
    faults.rule("PUT", "/manifests/", 1, Fault::Cut);
    faults.rule("PUT", "/manifests/", 1, answer_with(429, "Retry-After", "1"));
    let (bad, ..) = go("u4");
    assert_eq!((states(&bad.result), digests(&bad.result)), (["reused"; 3].map(str::to_owned), all.clone()));
    faults.calm();

    // The registry loses a manifest: the engine has the image, and it is pushed from there.
    let storage = lab.path("registry");
    let lost = all[1].as_str().unwrap().to_owned();
    fs::remove_dir_all(revision(&storage, &format!("{namespace}/app"), &lost)).unwrap();
    let (again, _, forecast) = go("u5");
    assert_eq!((digests(&again.result), forecast), (all.clone(), (0, 3)));
    assert_eq!(states(&again.result), ["reused", "pushed", "reused"]);

    // It loses it between the decision and the tag: what it refuses is built, with its cache, and pushed.
    let unknown = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;
    faults.rule("PUT", "/leaf/manifests/u6", 1, Fault::Answer(400, Vec::new(), unknown.to_owned()));
    let (refused, ..) = go("u6");
    assert_eq!(states(&refused.result), ["reused", "reused", "pushed"], "{:?}", refused.result);

    // Another registry under the same name, with nothing in it.
    fs::remove_dir_all(storage.join("docker")).unwrap();
    let (empty, ..) = go("u7");
    assert_eq!(states(&empty.result), ["pushed"; 3], "{:?}", empty.result);
    // The engine has lost them, too: they are built.
    fs::remove_dir_all(storage.join("docker")).unwrap();
    let (_, images) = lab.docker(&["images", "-q", "--no-trunc"]);
    for id in images.lines() {
        lab.docker(&["rmi", "-f", id]);
    }
    let (gone, _, forecast) = go("u8");
    assert_eq!((states(&gone.result), forecast), (["pushed"; 3].map(str::to_owned), (3, 0)), "{:?}", gone.result);

    // Where nobody listens that is told at once, before any build.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let watch = Arc::new(Watch::default());
    let more: Json = json!({ "registry": nobody, "namespace": namespace, "tag": "u9" });
    let failure = run("image_build", arguments(&lab, &root, "buildkit", more), Vec::new(), &watch).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0011", "{:?}", failure.diagnostic);
    assert!(failure.diagnostic.message.contains("cannot connect"), "{:?}", failure.diagnostic);
    assert_eq!(watch.seen.lock().unwrap().len(), 0);
}
