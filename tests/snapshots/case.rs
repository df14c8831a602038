//! Runs the real binary in a folder of its own and puts status, stdout and stderr into one text, with
//! what differs from run to run replaced by words of one kind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;

/// A temporary working folder, and a home without settings.
pub struct Case {
    temp: tempfile::TempDir,
}

impl Case {
    /// A copy of a folder's files (all but `command`, `codes` and `expected`), or an empty folder.
    pub fn prepare(from: Option<&Path>) -> Self {
        let temp = tempfile::Builder::new().prefix("hostctl-snapshot-").tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("home")).unwrap();
        std::fs::create_dir_all(temp.path().join("work")).unwrap();
        if let Some(from) = from {
            copy(from, &temp.path().join("work"));
        }
        Self { temp }
    }

    /// The folder in which the commands run.
    pub fn work(&self) -> PathBuf {
        self.temp.path().join("work")
    }

    /// Runs the lines of a command file with `sh -e`; `hostctl` is this build's binary.
    pub fn run(&self, command: &str) -> String {
        let binary = env!("CARGO_BIN_EXE_hostctl");
        let output = Command::new("/bin/sh")
            .arg("-ec")
            .arg(format!("hostctl() {{ {binary} \"$@\"; }}\n{command}"))
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.temp.path().join("home"))
            .env("LANG", "C.UTF-8")
            .env("COLUMNS", "120")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let status = output.status.code().map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let mut text = format!("status: {status}\n");
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let shown = self.normal(&String::from_utf8_lossy(bytes));
            text.push_str(&format!("--- {name}\n{shown}"));
            if !shown.is_empty() && !shown.ends_with('\n') {
                text.push_str("\n(no line break at the end)\n");
            }
        }
        text
    }

    /// Replaces run ids, times, durations and the temporary folder.
    fn normal(&self, text: &str) -> String {
        let folder = self.temp.path().display().to_string();
        let mut text = text.replace(&folder, "DIR");
        let rules = [
            (r"\d{8}T\d{6}-[0-9a-f]{4}", "RUN"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", "TIME"),
            (r#""(seconds|delta)":\s*("[0-9:.]+"|[0-9.e-]+)"#, "\"$1\":0"),
            // What took long enough to be told stands right-aligned before its line's end.
            (r"(?m)^(time\s+)\d+\.\d+s$", "${1}TIME"),
            (r"(?m)^(      \(.*\) [A-Za-z]+)  \d+\.\ds", "$1"),
            (r", \d+\.\d s\)", ", 0.0 s)"),
            (r"age1[0-9a-z]{58}", "KEY"),
        ];
        for (pattern, with) in rules {
            text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
        }
        // Task lines keep their columns.
        let duration = Regex::new(r"\d+\.\ds").unwrap();
        let text = duration.replace_all(&text, |found: &regex::Captures| " ".repeat(found[0].len()));
        Regex::new(r"(?m) +$").unwrap().replace_all(&text, "").into_owned()
    }
}

/// The folders below a folder, by name.
pub fn folders(root: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// Compares with the file, or writes it if `HOSTCTL_UPDATE` is set.
pub fn compare(file: &Path, shown: &str) -> Result<(), String> {
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    if expected == shown {
        return Ok(());
    }
    if std::env::var_os("HOSTCTL_UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, shown).unwrap();
        return Ok(());
    }
    let difference = similar::TextDiff::from_lines(expected.as_str(), shown)
        .unified_diff()
        .header(&file.display().to_string(), "now")
        .to_string();
    Err(format!("{difference}(HOSTCTL_UPDATE=1 takes the new text)"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else if name != "command" && name != "expected" && name != "codes" {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
