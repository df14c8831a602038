//! `hostctl log --follow` beside a run that is killed, by the real program.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

const PLAY: &str =
    "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: {msg: it began}\n    - command: sleep 20\n";

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
