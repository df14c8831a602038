//! Lines where nothing moves, and what is expected before the first build.

use super::block_tests::Scene;
use super::view::Look;
use crate::diag::Diagnostic;
use crate::event::{ImageForecast, ImageState, Progress};
use crate::report::Paint;

fn plain(verbosity: u8) -> Scene {
    Scene::new(24, 100, move |options| (options.live, options.verbosity) = (false, verbosity))
}

fn told(scene: &mut Scene) {
    scene.play(&["one"]);
    for image in ["base", "web"] {
        scene.state(image, ImageState::Waiting);
    }
    scene.seconds(4);
    scene.state("base", ImageState::Building);
    scene.step("base", 1, 2, "FROM debian");
    scene.step("base", 1, 2, "FROM debian");
    scene.log("base", "Get:1 http://deb \u{1b}[2Jx");
    scene.seconds(70);
    let host =
        |left| Progress::ImageHost { disk_free: 61 << 30, disk_total: 100 << 30, cache: None, seconds_left: left };
    scene.tell("one", host(Some(90.0)));
    scene.tell("one", host(None));
    scene.state("base", ImageState::Built { seconds: 66.0 });
    scene.state("base", ImageState::Pushing);
    for layer in 0..7 {
        scene.seconds(71 + 4 * u64::from(layer));
        let bytes = u64::from(layer) * 40_000_000;
        scene.tell("one", Progress::ImagePush { image: "base".into(), done: layer, of: 7, bytes });
    }
    scene.state("base", ImageState::Pushed { digest: format!("sha256:{}", "0".repeat(64)), seconds: 25.0 });
    scene.state("web", ImageState::Held { reason: "memory".into() });
    scene.state("web", ImageState::Held { reason: "memory".into() });
    scene.state("web", ImageState::Building);
    for line in 0..50 {
        scene.log("web", &format!("line {line}"));
    }
    scene.state("web", ImageState::Failed { message: "img/web/Dockerfile:3: RUN false: exit code 1".into() });
}

#[test]
fn each_change_is_a_line_with_its_time() {
    let mut scene = plain(0);
    told(&mut scene);
    let text = scene.text();
    let (before, tail) = text.split_once("    | line 10\n").unwrap();
    assert_eq!(
        before,
        "\
play 1 of 1   images                                                                             one
06:00:04 base               building
06:00:04 base               1/2         FROM debian
06:01:10 images   1 building  1 waiting   1m10s, about 2 min left   disk 61 of 100 GiB free
06:01:10 base               built       1m06s
06:01:10 base               pushing
06:01:11 base               push        0 of 7 layers
06:01:23 base               push        3 of 7 layers  10 MB/s
06:01:35 base               push        6 of 7 layers  10 MB/s
06:01:35 base               pushed      25.0s
06:01:35 web                held        memory
06:01:35 web                building
06:01:35 web                FAILED      RUN false: exit code 1  (img.../Dockerfile:3)   logs/web.log
"
    );
    assert!(tail.starts_with("    | line 11\n") && tail.ends_with("    | line 49\n"), "{tail}");
}

/// Each image is one line where a push follows, and none of it stands in the table below, too.
#[test]
fn what_is_built_and_pushed_has_one_line_at_its_end() {
    let shown = |verbosity: u8, live: bool| {
        let mut scene = Scene::new(24, 100, move |options| (options.live, options.verbosity) = (live, verbosity));
        scene.play(&["one"]);
        let forecast = ImageForecast { pushed: vec!["base".into()], ..ImageForecast::default() };
        scene.tell("one", Progress::ImageForecast { forecast });
        for (image, pushes) in [("base", true), ("local", false)] {
            scene.state(image, ImageState::Waiting);
            scene.state(image, ImageState::Building);
            scene.state(image, ImageState::Built { seconds: 66.0 });
            if pushes {
                scene.state(image, ImageState::Pushing);
                scene.state(image, ImageState::Pushed { digest: "sha256:0123".into(), seconds: 2.5 });
            }
        }
        if live {
            scene.seconds(1);
            return scene.shown();
        }
        scene.text()
    };
    let text = shown(0, false);
    let told: Vec<&str> = text.lines().filter(|line| line.contains("1m06s")).collect();
    assert_eq!(
        told,
        [
            "06:00:00 base               pushed      built 1m06s, pushed 2.5s",
            "06:00:00 local              built       1m06s"
        ]
    );
    assert!(shown(1, false).contains("pushed 2.5s  sha256:0123\n"));
    let text = shown(0, true);
    assert_eq!(text.matches("base  ").count(), 1, "{text}");
}

#[test]
fn a_failure_that_is_allowed_looks_like_none_of_the_others() {
    let mut scene = plain(0);
    scene.play(&["one"]);
    let forecast = ImageForecast { allowed_to_fail: vec!["docs".into()], ..ImageForecast::default() };
    scene.tell("one", Progress::ImageForecast { forecast });
    for image in ["docs", "web"] {
        scene.state(image, ImageState::Building);
        scene.state(image, ImageState::Failed { message: "RUN false: exit code 1".into() });
    }
    let text = scene.text();
    assert!(text.contains("docs               failed, allowed RUN false: exit code 1"), "{text}");
    assert!(text.contains("web                FAILED      RUN false: exit code 1"), "{text}");
    let result = r#"{"tag": "t", "images": [
        {"name": "docs", "state": "failed", "class": "build error", "allowed_to_fail": true, "message": "exit code 1"},
        {"name": "web", "state": "failed", "class": "build error", "allowed_to_fail": false, "message": "exit code 1"}]}"#;
    scene.done("one", result);
    let text = scene.text();
    assert!(text.contains("images   1 failed   1 failed, allowed"), "{text}");
    let (first, last) = (text.find("    1 failed, build error"), text.find("    1 failed, allowed, build error"));
    assert!(first.is_some() && first < last, "{text}");
}

#[test]
fn the_time_left_is_told_in_words() {
    let mut scene = plain(0);
    scene.play(&["one"]);
    scene.state("web", ImageState::Building);
    scene.seconds(70);
    let left = Some(20.0);
    scene.tell("one", Progress::ImageHost { disk_free: 1 << 30, disk_total: 2 << 30, cache: None, seconds_left: left });
    let text = scene.text();
    assert!(text.contains("1m10s, less than a minute left   disk"), "{text}");
}

#[test]
fn more_is_told_when_asked_for() {
    let mut scene = plain(1);
    told(&mut scene);
    let text = scene.text();
    assert!(text.contains("06:00:04 base               | Get:1 http://deb x\n"), "{text}");
    // Every line was there before, so a failure does not tell them again.
    assert_eq!(text.matches("line 49").count(), 1);
    assert_eq!(text.matches("| line").count(), 50);
}

#[test]
fn last_lines_are_told_once() {
    let error = || {
        let note = "the last lines of `web`:\n  make: error 7\n  gone";
        Diagnostic::task("B0008", "web failed").with_note(note).with_note("`api`: failed")
    };
    let shown = |lines: bool| {
        let mut scene = plain(0);
        scene.play(&["one"]);
        scene.state("web", ImageState::Building);
        if lines {
            scene.log("web", "make: error 7");
            scene.log("web", "gone");
        }
        scene.state("web", ImageState::Failed { message: "make".into() });
        scene.ended("one", r#"{"images": [{"name": "web", "state": "failed"}]}"#, Some(error()));
        scene.text()
    };
    // Below its failure; where none was seen, in the error.
    for lines in [true, false] {
        let text = shown(lines);
        assert_eq!(text.matches("make: error 7").count(), 1, "{lines}: {text}");
        assert!(text.contains("`api`: failed"), "{text}");
    }
}

#[test]
fn a_failed_instruction_is_told_in_the_dockerfiles_words() {
    let mut scene = plain(0);
    scene.play(&["one"]);
    scene.state("web", ImageState::Building);
    scene.step("web", 2, 2, "RUN make");
    let message = "web/Dockerfile:3: executor failed running [/bin/sh -c make]: exit code: 2";
    scene.state("web", ImageState::Failed { message: message.into() });
    let text = scene.text();
    assert!(text.contains("FAILED      2/2 RUN make: exit code 2  (web/Dockerfile:3)   logs/web.log\n"), "{text}");
    let result = r#"{"tag": "t", "images": [{"name": "web", "state": "failed", "class": "build error", "seconds": 1,
        "failed_at": "web/Dockerfile:3", "message": "executor failed running [/bin/sh -c make]: exit code: 2"}]}"#;
    scene.done("one", result);
    let text = scene.text();
    assert!(text.contains("web   web/Dockerfile:3: exit code 2   logs/web.log"), "{text}");
}

#[test]
fn a_forecast_in_few_words() {
    let shown = |forecast: ImageForecast| {
        let mut scene = plain(0);
        scene.tell("one", Progress::ImageForecast { forecast });
        scene.text()
    };
    let reason = "unchanged, in the registry as `2024.1-debian-bookworm-20261122T210304`";
    let disks = vec![("engine".to_owned(), 61 << 30, 100 << 30), ("root".to_owned(), 61 << 30, 100 << 30)];
    let forecast = ImageForecast {
        reuse: vec![("base".into(), reason.into()), ("web".into(), reason.into())],
        bytes: Some(0),
        seconds: Some(0.0),
        disks,
        ..ImageForecast::default()
    };
    // The reason is whole where there is room, nothing is expected of no builds, one file system is told once.
    assert_eq!(
        shown(forecast.clone()),
        format!(
            "  images: 0 to build, 2 to reuse\n    reuse   2 {reason}   base, web\n    free      61 of 100 GiB on engine and root\n"
        )
    );
    let some = ImageForecast { build: vec![("app".into(), "new".into())], bytes: Some(4_400_000), ..forecast };
    assert!(shown(some).contains("    expected  space about 4.1 MiB   time less than a minute\n"));
}

#[test]
fn the_forecast_keeps_to_the_window() {
    let reason = "unchanged, in the engine as `lab/base:2024.1-debian-bookworm-20261122T210304`";
    let forecast = ImageForecast {
        build: vec![("broken".into(), "new".into()), ("brokenchild".into(), "new".into())],
        reuse: ["base", "tools-with-a-long-name", "web"].map(|name| (name.to_owned(), reason.to_owned())).into(),
        disks: vec![("root".to_owned(), 61 << 30, 100 << 30)],
        ..ImageForecast::default()
    };
    for width in [40, 60, 80, 81, 100, 140] {
        let look = Look { paint: Paint { color: false }, width, verbosity: 0, live: true, ascii: false };
        let text = super::forecast::text(&forecast, None, &look);
        assert!(text.lines().all(|line| console::measure_text_width(line) <= width), "{width}:\n{text}");
        assert!(text.contains("3 un") && text.contains("base, "), "{width}:\n{text}");
    }
}

#[test]
fn the_forecast_groups_by_reason() {
    let name = |count: usize| (0..count).map(|image| format!("image-number-{image}"));
    let forecast = ImageForecast {
        build: name(30)
            .map(|name| (name, "parent base".to_owned()))
            .chain([("web".into(), "Dockerfile".into())])
            .collect(),
        reuse: vec![("keystone".into(), "in the registry".into())],
        bytes: Some(12 << 30),
        seconds: Some(2280.0),
        disks: vec![("/".into(), 61 << 30, 100 << 30), ("/var/lib/docker".into(), 8 << 30, 200 << 30)],
        ..ImageForecast::default()
    };
    let shown = |verbosity, forecast: &ImageForecast| {
        let mut scene = plain(verbosity);
        scene.tell("one", Progress::ImageForecast { forecast: forecast.clone() });
        scene.text()
    };
    assert_eq!(
        shown(0, &forecast),
        "  images: 31 to build, 1 to reuse
    build  30 parent base   image-number-0, image-number-1, image-number-2, and 27 more
            1 Dockerfile    web
    reuse   1 in the registry   keystone
    expected  space about 12 GiB   time 38 min
    free      61 of 100 GiB on /
              8.0 of 200 GiB on /var/lib/docker   less than expected
"
    );
    let all = shown(1, &forecast);
    assert!((0..30).all(|image| all.contains(&format!("image-number-{image}"))), "{all}");
    assert!(all.lines().all(|line| line.len() <= 100), "{all}");
    let nothing = shown(0, &ImageForecast { build: vec![("web".into(), "new".into())], ..ImageForecast::default() });
    assert_eq!(
        nothing,
        "  images: 1 to build, 0 to reuse
    build   1 new   web
    expected  space unknown   time unknown
"
    );
    // As many reasons as images: they are counted.
    let many =
        ImageForecast { build: name(50).map(|name| (name.clone(), format!("parent {name}"))).collect(), ..forecast };
    let shown = shown(0, &many);
    assert!(shown.contains("  39 for 39 other reasons") && shown.lines().count() == 17, "{shown}");
}

#[test]
fn what_names_and_logs_hold_steers_no_terminal() {
    let mut scene = plain(1);
    scene.state("a\u{1b}[2Jb\n", ImageState::Building);
    scene.step("a\u{1b}[2Jb\n", 1, 2, "RUN \u{1b}]0;x\u{7}\u{202e}");
    scene.log("a\u{1b}[2Jb\n", "\u{1b}[8mx\u{9b}2J");
    scene.state("a\u{1b}[2Jb\n", ImageState::Failed { message: "\u{1b}[1A\nx".into() });
    let text = scene.text();
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']) && text.lines().count() == 4, "{text:?}");
}
