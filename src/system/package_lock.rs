//! Package managers work one at a time: who holds the lock of one, and waiting for it.

use std::time::{Duration, Instant};

use super::Probe;
use crate::diag::{Diagnostic, Kind, Result};

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The lock's file.
    pub path: String,
    /// The process.
    pub pid: u32,
    /// Its program's name, as far as it can be read. Never its arguments: passwords may stand there.
    pub program: String,
}

impl Holder {
    /// The holder of a lock by its process.
    pub fn new(path: &str, pid: u32) -> Self {
        // Some programs write all their arguments into the first one; only what leads to a program is one.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let first = first.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-".contains(byte);
        let program = if !first.is_empty() && first.iter().all(plain) {
            first.to_vec()
        } else {
            std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default()
        };
        let program = String::from_utf8_lossy(&program).trim().to_owned();
        Self { path: path.to_owned(), pid, program }
    }

    /// How messages name it.
    pub fn who(&self) -> String {
        let Self { program, pid, .. } = self;
        if program.is_empty() { format!("process {pid}") } else { format!("`{program}` (process {pid})") }
    }
}

impl Probe {
    /// Waits until nobody holds the lock of `manager`; names the holder when the time is over.
    pub fn wait_while_held(
        &self,
        manager: &str,
        seconds: u64,
        holder: impl Fn() -> Option<Holder>,
        mut waiting: impl FnMut(&str),
    ) -> Result<()> {
        let end = Instant::now().checked_add(Duration::from_secs(seconds));
        let mut told = false;
        while let Some(holder) = holder() {
            if self.control().interrupted() {
                let words = format!("waiting for {manager}'s lock was ended: the run was interrupted");
                return Err(Diagnostic::new("H0105", Kind::Interrupted, words));
            }
            let (path, who) = (&holder.path, holder.who());
            if end.is_none_or(|end| Instant::now() >= end) {
                return Err(Diagnostic::task("H0115", format!("the lock `{path}` is held by {who}"))
                    .with_note(format!("waited {seconds} s"))
                    .with_hint("wait for it to end, or raise `lock_timeout`"));
            }
            if !told {
                waiting(&format!("waiting for the lock `{path}`, held by {who}\n"));
                told = true;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn messages_name_the_program_that_holds_a_lock_and_never_its_arguments() {
        for program in ["/bin/sh", "sh"] {
            let mut child = std::process::Command::new(program)
                .args(["-c", "echo; read line", "-e", "db_password=canary"])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            // It is the program by then.
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            let holder = Holder::new("/var/lib/lock", child.id());
            let probe = Probe::new(Vec::new());
            let error = probe.wait_while_held("apt", 0, || Some(holder.clone()), |_| {}).unwrap_err();
            drop(child.stdin.take());
            child.wait().unwrap();
            assert_eq!(holder.who(), format!("`sh` (process {})", child.id()));
            assert!(error.code == "H0115" && error.message.contains(&holder.who()), "{error:?}");
            assert!(!format!("{error:?}").contains("canary"));
        }
        assert_eq!(Holder::new("", u32::MAX).who(), format!("process {}", u32::MAX));
    }
}
