//! What the agent does to its own process: standard streams, session, the end of its children.
//!
//! A child that must outlive a lost link starts a session of its own (`setsid`, a systemd scope); everything else of
//! this session ends with the agent then. After an orderly end what tasks left in the background lives on.

use std::fs::File;
use std::io;

use rustix::process::{Pid, Signal};

/// The agent's way in and out, taken away from descriptors 0 and 1.
#[derive(Debug)]
pub struct Stdio {
    /// What was standard input.
    pub input: File,
    /// What was standard output.
    pub output: File,
}

/// Takes standard input and output for frames alone: descriptor 0 becomes `/dev/null` (so
/// children read nothing), descriptor 1 becomes standard error (so nothing else writes there).
pub fn take_stdio() -> io::Result<Stdio> {
    use std::os::fd::AsFd;
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(io::stderr().as_fd())?;
    Ok(Stdio { input: input.into(), output: output.into() })
}

/// Starts a session, if this process does not lead one or a process group already.
pub fn own_session() {
    // Fails for a leader, which is what we want to be.
    let _ = rustix::process::setsid();
}

/// Another process of this machine, from `/proc/PID/stat`.
struct Process {
    pid: i32,
    parent: i32,
    session: i32,
}

fn parse_stat(stat: &str) -> Option<Process> {
    // The name in parentheses may hold anything, parentheses too.
    let pid = stat.split(' ').next()?.parse().ok()?;
    let mut rest = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let _state = rest.next()?;
    let parent = rest.next()?.parse().ok()?;
    let _group = rest.next()?;
    let session = rest.next()?.parse().ok()?;
    Some(Process { pid, parent, session })
}

fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter_map(|entry| std::fs::read(entry.path().join("stat")).ok())
        .filter_map(|stat| parse_stat(&String::from_utf8_lossy(&stat)))
        .collect()
}

/// The processes that end with this one: of its session if it leads it, else its descendants
/// that did not start a session of their own.
fn victims(all: &[Process], own: i32, session: i32) -> Vec<i32> {
    if session == own {
        return all.iter().filter(|other| other.session == own && other.pid != own).map(|other| other.pid).collect();
    }
    let mut found = vec![own];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            all.iter()
                .filter(|other| other.parent == parent && other.session == session && !found.contains(&other.pid))
                .map(|other| other.pid)
                .collect::<Vec<_>>(),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Ends the children: `SIGTERM`, or `SIGKILL` if `hard`. Returns how many were there.
pub fn end_children(hard: bool) -> usize {
    let own = rustix::process::getpid();
    let session = rustix::process::getsid(None).map_or(0, |pid| pid.as_raw_nonzero().get());
    let signal = if hard { Signal::KILL } else { Signal::TERM };
    let victims = victims(&processes(), own.as_raw_nonzero().get(), session);
    for pid in victims.iter().copied().filter_map(Pid::from_raw) {
        // It may have ended meanwhile, or belong to another user (sudo): nothing to do.
        let _ = rustix::process::kill_process(pid, signal);
    }
    victims.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_session() {
        let process = parse_stat("12 (a) b (c) S 7 12 9 0 -1").unwrap();
        assert_eq!((process.pid, process.parent, process.session), (12, 7, 9));
        assert!(parse_stat("12 (cut").is_none());
    }

    #[test]
    fn own_session_ends_and_others_stay() {
        let all = [(1, 0, 1), (10, 1, 10), (11, 10, 10), (12, 11, 10), (13, 10, 13), (14, 1, 14)]
            .map(|(pid, parent, session)| Process { pid, parent, session });
        assert_eq!(victims(&all, 10, 10), [11, 12]);
        let guest = [(10, 1, 10), (11, 10, 10), (12, 11, 10), (13, 11, 13), (14, 10, 10)]
            .map(|(pid, parent, session)| Process { pid, parent, session });
        assert_eq!(victims(&guest, 11, 10), [12], "the leader's other children are not ours");
    }
}
