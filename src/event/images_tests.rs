//! Tests of the record of images.

use super::*;
use crate::event::{Done, Status};
use crate::value::Value;

fn event(host: &str, kind: EventKind) -> Event {
    Event { v: 1, run: "r".into(), seq: 1, time: "2026-11-21T06:17:04.000Z".into(), host: Some(host.into()), kind }
}

fn state(host: &str, image: &str, state: ImageState) -> Event {
    event(host, EventKind::Progress { task: TaskId(1), progress: Progress::Image { image: image.into(), state } })
}

fn done(host: &str, result: Value) -> Event {
    let Value::Map(result) = result else { panic!("a result is a mapping") };
    let done = Done {
        status: Status::Changed,
        result: (*result).clone(),
        changes: Vec::new(),
        reason: None,
        diffs: Vec::new(),
        diagnostic: None,
        ignored: false,
        rescued: false,
        verbose: false,
        seconds: 9.0,
        delegate: None,
        arguments: None,
        no_log: false,
    };
    event(host, EventKind::HostDone { task: TaskId(1), done, items: None })
}

fn json(text: &str) -> Value {
    crate::value::from_json(serde_json::from_str(text).unwrap())
}

#[test]
fn progress_and_result_make_one_record() {
    let mut ledger = ImageLedger::default();
    ledger.event(&state("one", "base", ImageState::Waiting));
    ledger.event(&state("one", "web", ImageState::Waiting));
    ledger.event(&state("one", "base", ImageState::Building));
    ledger.event(&state("one", "base", ImageState::Built { seconds: 2.5 }));
    ledger.event(&state("one", "base", ImageState::Pushed { digest: "sha256:1".into(), seconds: 1.0 }));
    let message = "img/web/Dockerfile:3: RUN false: exit code 1".to_owned();
    ledger.event(&state("one", "web", ImageState::Failed { message }));
    // Without a result: the process may have been cut off.
    let build = ledger.builds().next().unwrap();
    assert_eq!((build.count("pushed"), build.count("failed"), build.ended), (1, 1, false));
    assert_eq!(build.images["web"].failed_at.as_deref(), Some("img/web/Dockerfile:3"));
    assert_eq!(build.images["web"].failure(), Some("build failed"));
    ledger.event(&done(
        "one",
        json(
            r#"{"tag": "t1", "builder": "buildkit", "images": [
                {"name": "base", "full": "r/base:t1", "state": "pushed", "size": 1000, "parents": [], "log": "/l/base.log"},
                {"name": "web", "state": "failed", "class": "build error", "parents": ["base"], "seconds": 4},
                {"name": "app", "state": "blocked", "blocked_by": "web"}, {"state": "no name"}, 7]}"#,
        ),
    ));
    let build = ledger.builds().next().unwrap();
    let base = &build.images["base"];
    assert_eq!((base.seconds, base.push_seconds, base.size), (Some(2.5), Some(1.0), Some(1000)));
    assert_eq!((base.digest.as_deref(), base.host_log.as_deref()), (Some("sha256:1"), Some("/l/base.log")));
    assert_eq!(build.images["web"].failure(), Some("build error"));
    assert_eq!(build.images["app"].state, ImageState::Blocked { by: "web".into() });
    assert_eq!((build.tag.as_deref(), build.ended, build.images.len()), (Some("t1"), true, 3));
    assert_eq!(build.slowest_path(), [("base".to_owned(), 2.5), ("web".to_owned(), 4.0)]);
}

/// An end of one item, or of the whole of a loop.
fn ends(items: Option<usize>, result: &str) -> Event {
    let mut event = done("one", json(result));
    event.kind = match (event.kind, items) {
        (EventKind::HostDone { task, done, .. }, None) => EventKind::ItemDone { task, label: String::new(), done },
        (EventKind::HostDone { task, done, .. }, items) => EventKind::HostDone { task, done, items },
        (other, _) => other,
    };
    event
}

fn started(module: &str) -> Event {
    let kind = EventKind::TaskStarted {
        task: TaskId(1),
        name: "x".into(),
        role: None,
        module: module.into(),
        place: String::new(),
        handler: false,
        include: false,
        check: false,
        span: None,
        hosts: Vec::new(),
        full_name: "".into(),
        with: None,
    };
    event("one", kind)
}

#[test]
fn each_item_of_a_loop_is_a_build_of_its_own() {
    let mut ledger = ImageLedger::default();
    for tag in ["t1", "t2"] {
        ledger.event(&state("one", "base", ImageState::Building));
        ledger.event(&state("one", "base", ImageState::Built { seconds: 1.0 }));
        let log = ledger.log_file(Some(&"one".into()), TaskId(1), "base");
        assert_eq!(log, if tag == "t1" { "base.log" } else { "base@2.log" });
        let result = r#"{"tag": "TAG", "images": [{"name": "base", "full": "r/base:TAG", "state": "built"}]}"#;
        ledger.event(&ends(None, &result.replace("TAG", tag)));
    }
    // One that was skipped built nothing.
    ledger.event(&ends(None, r#"{"skipped": true}"#));
    ledger.event(&ends(Some(3), r#"{"results": []}"#));
    let builds: Vec<_> = ledger.builds().collect();
    let images: Vec<_> =
        builds.iter().map(|build| (&build.images["base"].full[..], &build.images["base"].log[..])).collect();
    assert_eq!(images, [("r/base:t1", "logs/base.log"), ("r/base:t2", "logs/base@2.log")]);
    assert!(builds.iter().all(|build| build.ended && build.seconds == Some(9.0)));
    assert_eq!(ledger.builds_of(Some(&"one".into()), TaskId(1)).count(), 3);
    // Further hosts, and their further items.
    let log = |ledger: &mut ImageLedger| ledger.log_file(Some(&"two".into()), TaskId(1), "base");
    assert_eq!(log(&mut ledger), "base@two.log");
    ledger.item_ended(Some(&"two".into()), TaskId(1));
    ledger.event(&state("two", "base", ImageState::Building));
    assert_eq!(log(&mut ledger), "base@two.2.log");
}

#[test]
fn a_build_in_the_background_is_known_by_its_result() {
    let mut ledger = ImageLedger::default();
    ledger.event(&started("ansible.builtin.async_status"));
    ledger.event(&done("one", json(r#"{"started": 1, "finished": 0}"#)));
    assert_eq!(ledger.builds().count(), 0);
    ledger.event(&done("one", json(r#"{"images": [{"repo_tags": ["x"]}, {"name": "other"}]}"#)));
    assert_eq!(ledger.builds().count(), 0, "another module's result");
    ledger.event(&done("one", json(r#"{"tag": "t", "images": [{"name": "base", "state": "pushed"}]}"#)));
    assert_eq!(ledger.builds().next().map(|build| build.count("pushed")), Some(1));
}

#[test]
fn images_have_the_results_order_and_know_whether_they_may_fail() {
    let mut ledger = ImageLedger::default();
    for image in ["web", "gone", "base"] {
        ledger.event(&state("one", image, ImageState::Failed { message: "x".into() }));
    }
    let forecast = ImageForecast { allowed_to_fail: vec!["web".into(), "late".into()], ..ImageForecast::default() };
    let progress = Progress::ImageForecast { forecast };
    ledger.event(&event("one", EventKind::Progress { task: TaskId(1), progress }));
    ledger.event(&state("one", "late", ImageState::Failed { message: "x".into() }));
    assert_eq!(ledger.builds().next().unwrap().failures(), (2, 2));
    let images = r#"{"images": [{"name": "base", "allowed_to_fail": true}, {"name": "late"}, {"name": "web"}]}"#;
    ledger.event(&done("one", json(images)));
    let build = ledger.builds().next().unwrap();
    assert_eq!(build.images.keys().collect::<Vec<_>>(), ["base", "late", "web", "gone"]);
    assert_eq!(build.failures(), (1, 3));
}

#[test]
fn a_result_of_another_module_is_no_build() {
    let mut ledger = ImageLedger::default();
    ledger.event(&done("one", json(r#"{"images": [{"name": "base", "state": "built"}]}"#)));
    assert_eq!(ledger.builds().count(), 0);
    ledger.event(&started("hostctl.core.image_build"));
    ledger.event(&done("one", json(r#"{"images": [{"name": "base", "state": "planned"}]}"#)));
    assert!(ledger.builds().all(|build| build.images.is_empty()), "a plan is no build either");
    ledger.event(&done("one", json(r#"{"images": [{"name": "base", "state": "reused", "reason": "same"}]}"#)));
    assert_eq!(ledger.builds().next().unwrap().images["base"].reason(), Some("same"));
}

#[test]
fn a_circle_of_parents_ends() {
    let mut ledger = ImageLedger::default();
    ledger.event(&state("one", "a", ImageState::Built { seconds: 1.0 }));
    let images = r#"{"images": [
        {"name": "a", "state": "built", "parents": ["a", "b"]}, {"name": "b", "state": "built", "seconds": 5, "parents": ["a"]},
        {"name": "c", "state": "built", "seconds": 2, "parents": ["nowhere"]}]}"#;
    ledger.event(&done("one", json(images)));
    assert_eq!(ledger.builds().next().unwrap().slowest_path(), [("c".to_owned(), 2.0)]);
}

#[test]
fn names_make_files_of_their_own_in_one_folder() {
    assert_eq!(file_name("nova-compute_1.0"), "nova-compute_1.0");
    for odd in ["a/b", "../../etc/x", "..", ".hidden", "", "-rf", "ä", "a b", "x\n"] {
        let name = file_name(odd);
        assert!(!name.contains('/') && !name.starts_with(['.', '-']) && !name.contains(' '), "{odd:?}: {name}");
    }
    assert_ne!(file_name("a/b"), file_name("a_b"));
    assert_ne!(file_name("a/b"), file_name("a:b"));
    assert!(file_name(&"x".repeat(5000)).len() < 200);
    assert_ne!(file_name(&"x".repeat(5000)), file_name(&"x".repeat(5001)));
}

#[test]
fn a_second_host_has_logs_of_its_own() {
    let mut ledger = ImageLedger::default();
    let hosts: [Arc<str>; 2] = ["one".into(), "two".into()];
    ledger.event(&state("one", "base", ImageState::Waiting));
    ledger.event(&state("two", "base", ImageState::Waiting));
    ledger.event(&state("two", "own", ImageState::Waiting));
    assert_eq!(ledger.log_file(Some(&hosts[0]), TaskId(1), "base"), "base.log");
    assert_eq!(ledger.log_file(Some(&hosts[1]), TaskId(1), "base"), "base@two.log");
    assert_eq!(ledger.log_file(Some(&hosts[1]), TaskId(1), "own"), "own.log");
}

#[test]
fn places_are_those_of_dockerfiles() {
    assert_eq!(
        place("docker/web/Dockerfile:41: RUN x: exit code 1"),
        Some(("docker/web/Dockerfile:41", "RUN x: exit code 1"))
    );
    for none in ["registry:5000: refused", "exit code: 1", "", "Dockerfile: x", "a Dockerfile:x: y"] {
        assert_eq!(place(none), None, "{none}");
    }
}

#[test]
fn an_exit_code_is_read_from_what_engines_say() {
    for text in [
        "The command '/bin/sh -c make' returned a non-zero code: 7",
        "executor failed running [/bin/sh -c make]: exit code: 7",
        "process \"/bin/sh -c make\" did not complete successfully: exit code: 7",
    ] {
        assert_eq!(exit_code(text).as_deref(), Some("exit code 7"));
    }
    for none in ["", "exit code: ", "exit code: x", "returned a non-zero code: 7777 lines"] {
        assert_eq!(exit_code(none), None, "{none}");
    }
}
