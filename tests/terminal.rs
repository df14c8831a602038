//! The real program at a pseudo-terminal: what a person types, and the state in which the terminal is left.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// A terminal with a program at it.
struct Screen {
    keys: File,
    pieces: Receiver<Vec<u8>>,
    terminal: File,
    program: Child,
    shown: String,
}

/// How a program ended.
struct Left {
    code: Option<i32>,
    /// What is typed is shown again, line by line, and interrupts.
    sane: bool,
    shown: String,
}

impl Screen {
    /// `hostctl` with these arguments in a folder, at a terminal of its own.
    fn start(folder: &Path, args: &[&str]) -> std::io::Result<Self> {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&main)?;
        unlockpt(&main)?;
        let name = ptsname(&main, Vec::new())?;
        let noctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap_or_default();
        let path = name.to_string_lossy().into_owned();
        let terminal = File::options().read(true).write(true).custom_flags(noctty).open(path)?;
        // A session of its own, with this terminal in front.
        let program = Command::new("setsid")
            .args(["-c", env!("CARGO_BIN_EXE_hostctl")])
            .args(args)
            .current_dir(folder)
            .env("HOME", folder)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            .stdin(terminal.try_clone()?)
            .stdout(terminal.try_clone()?)
            .stderr(terminal.try_clone()?)
            .spawn()?;
        let keys = File::from(main);
        let mut reader = keys.try_clone()?;
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The end is an error: the last one to have the terminal open has closed it.
            while let Ok(count @ 1..) = reader.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { keys, pieces, terminal, program, shown: String::new() })
    }

    /// Types when a text is shown; the test's own time limit is the bound.
    fn answer(&mut self, text: &str, keys: &str) -> std::io::Result<()> {
        let from = self.shown.len();
        while !self.shown[from..].contains(text) {
            let Ok(piece) = self.pieces.recv() else { break };
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
        self.keys.write_all(keys.as_bytes())
    }

    fn end(mut self) -> std::io::Result<Left> {
        let code = self.program.wait()?.code();
        let modes = tcgetattr(&self.terminal)?.local_modes;
        drop(self.terminal);
        for piece in self.pieces {
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
        let sane = modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        Ok(Left { code, sane, shown: self.shown })
    }
}

fn folder(playbook: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("play.yml"), playbook).expect("a file in it");
    folder
}

#[test]
fn an_interrupt_at_a_password_leaves_the_terminal_as_it_was() {
    let folder = folder("- hosts: localhost\n  gather_facts: false\n  tasks: [debug: ]\n");
    let mut screen = Screen::start(folder.path(), &["run", "play.yml", "-K"]).unwrap();
    screen.answer("BECOME password: ", "abc\u{3}").unwrap();
    let left = screen.end().unwrap();
    assert_eq!((left.code, left.sane), (Some(99), true), "{}", left.shown);
    assert!(!left.shown.contains("abc") && left.shown.contains("interrupted"), "{}", left.shown);
}

#[test]
fn a_line_is_edited_by_its_characters_and_never_before_its_start() {
    let folder = folder(
        "- hosts: localhost\n  gather_facts: false\n  vars_prompt: [{name: x, prompt: What, private: false}]\n  tasks:\n  - debug: {msg: '<{{ x }}>'}\n",
    );
    let mut screen = Screen::start(folder.path(), &["run", "play.yml"]).unwrap();
    screen.answer("What: ", "\u{7f}\u{7f}aä\u{7f}日本\u{7f}\r").unwrap();
    let left = screen.end().unwrap();
    assert_eq!((left.code, left.sane), (Some(0), true), "{}", left.shown);
    assert!(left.shown.contains("What: aä") && left.shown.contains("<a日>"), "{}", left.shown);
}

#[test]
fn an_interrupt_in_a_task_ends_its_program_too() {
    let folder = folder(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n  - shell: echo $$ >pid; echo it began; exec sleep 4242\n    args: {chdir: '{{ playbook_dir }}'}\n",
    );
    // From another folder a task runs on a thread of its own.
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    std::fs::copy(folder.path().join("play.yml"), below.join("play.yml")).unwrap();
    for (playbook, at) in [("play.yml", folder.path()), ("below/play.yml", &below)] {
        let mut screen = Screen::start(folder.path(), &["run", playbook]).unwrap();
        screen.answer("it began", "\u{3}").unwrap();
        let left = screen.end().unwrap();
        assert_eq!((left.code, left.sane), (Some(99), true), "{playbook}: {}", left.shown);
        let pid = std::fs::read_to_string(at.join("pid")).unwrap();
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        assert!(!command.contains("4242"), "{playbook}: {command}");
        // The cursor is never left hidden.
        assert!(!left.shown.contains("\u{1b}[?25l") || left.shown.contains("\u{1b}[?25h"), "{}", left.shown);
    }
}

#[test]
fn a_result_stands_above_the_debugger_that_asks_about_it() {
    let folder = folder(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n  - {debug: {msg: the result}, debugger: always}\n  - {command: 'echo {{ not_there }}', debugger: on_failed}\n",
    );
    let mut screen = Screen::start(folder.path(), &["run", "play.yml", "--output", "ansible"]).unwrap();
    screen.answer("(debug)> ", "c\r").unwrap();
    screen.answer("(debug)> ", "task_vars['not_there'] = 1\r").unwrap();
    screen.answer("(debug)> ", "r\r").unwrap();
    let left = screen.end().unwrap();
    assert_eq!((left.code, left.sane), (Some(0), true), "{}", left.shown);
    assert!(left.shown.find("the result") < left.shown.find("(debug)>"), "{}", left.shown);
}

#[test]
fn with_step_each_task_is_confirmed() {
    let folder = folder(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n  - {name: one, debug: {msg: is one}}\n  - {name: two, debug: {msg: is two}}\n  - {name: three, debug: {msg: is three}}\n",
    );
    let mut screen = Screen::start(folder.path(), &["run", "play.yml", "--step"]).unwrap();
    screen.answer("TASK: one (N)o/(y)es/(c)ontinue: ", "n\r").unwrap();
    screen.answer("TASK: two (N)o/(y)es/(c)ontinue: ", "c\r").unwrap();
    let left = screen.end().unwrap();
    assert_eq!(left.code, Some(0), "{}", left.shown);
    let ran = ["is one", "is two", "is three"].map(|text| left.shown.contains(text));
    assert_eq!(ran, [false, true, true], "{}", left.shown);
}
