//! Ansible's log file: each message as a record with time, process and level.

use std::io::{Result, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes the messages of a callback, one a write, and makes records of them.
pub struct LogLines<W: Write + Send> {
    out: Arc<Mutex<W>>,
    user: Arc<str>,
}

impl<W: Write + Send> Clone for LogLines<W> {
    fn clone(&self) -> Self {
        Self { out: Arc::clone(&self.out), user: Arc::clone(&self.user) }
    }
}

impl<W: Write + Send> LogLines<W> {
    /// Records into a file; `user` is who runs this.
    pub fn new(out: W, user: &str) -> Self {
        Self { out: Arc::new(Mutex::new(out)), user: user.into() }
    }
}

impl<W: Write + Send> Write for LogLines<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        // The line that keeps parts of the output apart is none of the log.
        if text == "\n" {
            return Ok(bytes.len());
        }
        let now = jiff::Zoned::now();
        let time = now.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let line = format!(
            "{time},{:03} p={} u={} n=ansible {}| {}\n",
            now.millisecond(),
            std::process::id(),
            self.user,
            level(&text),
            text.strip_suffix('\n').unwrap_or(&text).trim_start_matches('\n'),
        );
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that takes nothing must not end the run.
        let _ = out.write_all(line.as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.flush();
        Ok(())
    }
}

fn level(text: &str) -> &'static str {
    let text = text.trim_start();
    if text.starts_with("[ERROR]") {
        "ERROR"
    } else if text.starts_with("[WARNING]") {
        "WARNING"
    } else {
        "INFO"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_record() {
        let mut log = LogLines::new(Vec::new(), "me");
        log.write_all(b"\nPLAY [a] ****\n").unwrap();
        log.write_all(b"[WARNING]: odd\n").unwrap();
        log.write_all(b"[DEPRECATION WARNING]: old\n").unwrap();
        log.write_all(b"\n").unwrap();
        let out = log.out.lock().unwrap().clone();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once(" p=").unwrap().1).collect();
        let process = std::process::id();
        assert_eq!(
            lines,
            [
                format!("{process} u=me n=ansible INFO| PLAY [a] ****"),
                format!("{process} u=me n=ansible WARNING| [WARNING]: odd"),
                format!("{process} u=me n=ansible INFO| [DEPRECATION WARNING]: old"),
            ]
        );
        assert!(text.as_bytes()[19] == b',' && text.as_bytes()[10] == b' ', "{text}");
    }
}
