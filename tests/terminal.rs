//! The real program at a pseudo-terminal: what a person types, and the state in which the terminal is left.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

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
        tcsetwinsize(&main, Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 })?;
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

    /// Another size of the window.
    fn resize(&self, rows: u16, columns: u16) -> std::io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.keys, size)?)
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

/// Opens once; who waits goes on then.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().expect("nobody panics with it") = true;
        self.0.1.notify_all();
    }
    fn wait(&self) {
        let mut open = self.0.0.lock().expect("nobody panics with it");
        while !*open {
            open = self.0.1.wait(open).expect("nobody panics with it");
        }
    }
}

/// Something that answers as an engine with the classic builder: each image has two steps and a thousand lines,
/// `base` waits at the gate between them, and `bad` fails. It knows no more of the API than the test needs.
fn engine(socket: &Path, gate: &Gate) {
    let listener = UnixListener::bind(socket).expect("a socket in the folder");
    let gate = gate.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let gate = gate.clone();
            std::thread::spawn(move || answer(stream, &gate));
        }
    });
}

fn answer(stream: UnixStream, gate: &Gate) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut chunked = false;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        chunked |= header.to_ascii_lowercase().starts_with("transfer-encoding: chunked");
        if header.trim().is_empty() {
            break;
        }
    }
    loop {
        if !chunked {
            break;
        }
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = u64::from_str_radix(size.trim(), 16).ok()?;
        std::io::copy(&mut reader.by_ref().take(size + 2), &mut std::io::sink()).ok()?;
        if size == 0 {
            break;
        }
    }
    // An engine without BuildKit.
    if request.contains("/session") || request.contains("/grpc") {
        let text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(text.as_bytes()).ok();
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    let Some((_, query)) = request.split_once("/build?") else {
        let body = if request.contains("/version") {
            r#"{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}"#
        } else {
            r#"{"Id": "sha256:1", "Size": 4400000, "RootFS": {"Type": "layers", "Layers": []}}"#
        };
        return stream.write_all(body.as_bytes()).ok();
    };
    let name = ["base", "bad", "web"].into_iter().find(|name| query.contains(&format!("{name}%3A")))?;
    let mut say = |text: String| writeln!(stream, "{}", serde_json::json!({ "stream": text + "\n" })).ok();
    say("Step 1/2 : FROM scratch".to_owned())?;
    if name == "base" {
        gate.wait();
    }
    say(format!("Step 2/2 : RUN make {name}"))?;
    for line in 0..1000 {
        say(format!("line {line} of {name} \u{1b}[2J"))?;
    }
    if name == "bad" {
        let text = "The command '/bin/sh -c make bad' returned a non-zero code: 7";
        writeln!(stream, "{}", serde_json::json!({ "error": text, "errorDetail": { "message": text } })).ok()?;
    }
    Some(())
}

#[test]
fn image_builds_move_and_leave_their_record() {
    let folder = folder(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n  - name: images\n    image_build: {path: images, namespace: lab, tag: t1, builder: classic, reuse: never, docker_host: 'unix://{{ playbook_dir }}/engine.sock'}\n",
    );
    for (name, text) in [("base", "FROM scratch\n"), ("web", "FROM base\n"), ("bad", "FROM base\nRUN make bad\n")] {
        std::fs::create_dir_all(folder.path().join("images").join(name)).unwrap();
        std::fs::write(folder.path().join("images").join(name).join("Dockerfile"), text).unwrap();
    }
    let gate = Gate::default();
    engine(&folder.path().join("engine.sock"), &gate);
    let mut screen = Screen::start(folder.path(), &["run", "play.yml"]).unwrap();
    screen.answer("1 building   2 waiting", "").unwrap();
    screen.answer("FROM scratch", "").unwrap();
    screen.resize(24, 60).unwrap();
    gate.open();
    let left = screen.end().unwrap();
    assert_eq!((left.code, left.sane), (Some(2), true), "{}", left.shown);
    // The failure, the table, and no line of a log that steers the terminal.
    for text in ["bad", "FAILED", "logs/bad.log", "slowest", "\u{1b}["] {
        assert!(left.shown.contains(text), "no `{text}` in {}", left.shown);
    }
    assert!(!left.shown.contains("\u{1b}[2J") && !left.shown.contains("\u{1b}[?"), "{:?}", left.shown);

    let log = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostctl"));
        let output =
            command.arg("log").args(args).current_dir(folder.path()).env("HOME", folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let journal = log(&[]);
    let line = |image: &str, word: &str| {
        journal.lines().any(|line| line.as_bytes().get(2) == Some(&b':') && line.contains(image) && line.contains(word))
    };
    assert!(line("base", "building") && line("base", "2/2") && line("base", "built"), "{journal}");
    assert!(
        line("bad", "FAILED") && !journal.contains("line 999 of base") && journal.contains("| line 999 of bad"),
        "{journal}"
    );
    for name in ["base", "bad", "web"] {
        let text = log(&["last", name]);
        assert_eq!(text.matches(&format!("of {name}")).count(), 1000, "{text}");
    }
    assert_eq!(log(&["--failed"]).matches("| line").count(), 39);
    assert!(log(&["--summary"]).contains("### Images: 2 built, 1 failed"), "{}", log(&["--summary"]));
    let runs = std::fs::read_dir(folder.path().join(".hostctl/runs")).unwrap();
    let run = runs.flatten().next().unwrap().path();
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("summary.json")).unwrap()).unwrap();
    assert_eq!(
        (&summary["version"], &summary["tag"], &summary["counts"]["built"]),
        (&1.into(), &"t1".into(), &2.into())
    );
    let bad = summary["images"].as_array().unwrap().iter().find(|image| image["name"] == "bad").unwrap();
    assert_eq!((&bad["state"], &bad["failed_at"]), (&"failed".into(), &"images/bad/Dockerfile:2".into()));
}
