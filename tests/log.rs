//! `hostctl log --follow` beside a run that is killed, by the real program.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

const PLAY: &str =
    "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: {msg: it began}\n    - command: sleep 20\n";

#[test]
fn an_images_log_is_that_of_the_newest_run_that_built_it() {
    let folder = tempfile::tempdir().unwrap();
    for (run, images) in [
        ("20261122T000001-aaaa", &["base", "app"][..]),
        ("20261122T000002-bbbb", &["base"]),
        ("20261122T000003-cccc", &[]),
    ] {
        let logs = folder.path().join(".hostctl/runs").join(run).join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        for image in images {
            std::fs::write(logs.join(format!("{image}.log")), format!("{image} of {run}\n")).unwrap();
        }
    }
    let log = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        let output = command.arg("log").args(args).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    assert_eq!(log(&["app"]), (true, "app of 20261122T000001-aaaa\n".to_owned()));
    assert_eq!(log(&["base"]), (true, "base of 20261122T000002-bbbb\n".to_owned()));
    assert_eq!(log(&["aaaa", "base"]), (true, "base of 20261122T000001-aaaa\n".to_owned()));
    let (ok, text) = log(&["nova"]);
    assert!(!ok && text.contains("there is no run `nova`, and none built an image of that name"), "{text}");
}

#[test]
fn following_a_killed_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("play.yml"), PLAY).unwrap();
    let hostctl = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut run = hostctl().args(["run", "play.yml"]).spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("it began")));
    let mut follower = hostctl().args(["log", "--follow"]).spawn().unwrap();
    let mut followed = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(followed.any(|line| line.unwrap().contains("it began")));
    // The run lives: there is more to come.
    assert!(follower.try_wait().unwrap().is_none());
    run.kill().unwrap();
    run.wait().unwrap();
    // The end of its output is the end of the follower; the test's own time limit is the bound.
    assert_eq!(followed.count(), 0);
    assert!(follower.wait().unwrap().success());
}
