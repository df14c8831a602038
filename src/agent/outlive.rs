//! Calls that outlive their link: image builds run in a process of their own, whatever becomes of who asked for them.
//!
//! Whoever asks first starts the process (this very binary, a session and, with systemd, a scope of its own), hands
//! the call over through a pipe, and from then on only reads what [`RunningBuild`]'s folder tells. Who asks again with
//! the same name comes to the same build: while it runs, after its end, and after its process was killed (then it
//! is started anew; what was finished is known from the record of images).

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::pack::Pack;
use super::run::{Find, Flag, run_call};
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::event::{Progress, redact_diagnostic, redact_map, redact_progress};
use crate::modules::{Blob, Call, EndOfWork as Ended, Failure, InputKind, Link, Outcome, follow_work as follow};
use crate::secret::Redactor;
use crate::system::digest::{Digest, Hasher};
use crate::system::running_build::{BuildState, RunningBuild};
use crate::system::{Probe, changed_meanwhile, lifetime, own_binary};

/// The first argument of a build's process: `hostctl agent build=FOLDER`.
pub(super) const ROLE: &str = "build=";
/// What a build's process says when it is on its own.
const BEGUN: &str = "begun";
/// The longest order, in bytes: arguments and the names of controller files.
const LONGEST_ORDER: u64 = 256 << 20;
/// The small files of an order in one file, and the most bytes of one.
const PACK: &str = "pack";
const SMALL: u64 = 256 << 10;
/// How long systemd may take to start a process in a scope: one whose bus hangs is done without.
const SCOPE: Duration = Duration::from_secs(30);
/// How long a process may take to begin.
const START: Duration = Duration::from_mins(2);
/// How often a build looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(200);

/// Starts the build of a call, or comes back to it, and tells what happens until its end.
pub(super) fn run_or_come_back(mut call: Call, link: &dyn Link) -> Result<Outcome, Failure> {
    let Some(outlives) = call.outlives.take() else { return Err(Diagnostic::internal("no build was named").into()) };
    if let Some(by) = &mut call.asked_by {
        // Now: until the build's own process has its order, files are sent.
        by.arrived = i64::try_from(Probe::new(Vec::new()).clock()).ok();
    }
    let build = RunningBuild::of(&outlives.id)?;
    if let Some(other) = build.other_running().filter(|_| outlives.fresh) {
        let message = format!("the build `{other}` of this task still runs, with other arguments");
        return Err(Diagnostic::task("B0144", message)
            .with_hint("wait for its end: `hostctl attach`, or stop it: `hostctl attach --stop`")
            .into());
    }
    build.make()?;
    let leaves = || link.lost() || link.cancelled();
    // Of two that ask at the same moment one starts the process, and the other comes to it.
    let starting = build.starting(&leaves).map_err(|error| cannot_start(&build, &error.to_string()))?;
    let Some(starting) = starting else {
        return Err(Diagnostic::new("S0401", Kind::Interrupted, "the call was cancelled").into());
    };
    let state = build.state();
    let mut seen = outlives.seen;
    if matches!(state, BuildState::Absent | BuildState::Dead) || outlives.fresh && state == BuildState::Ended {
        if seen > 0 {
            // What its killed process told is forgotten: the new one's is told from its beginning.
            seen = 0;
            link.progress(Progress::BuildSeen { build: outlives.id.clone(), seen });
        }
        begin(&build, &call, link)?;
    }
    drop(starting);
    follow(&build, seen, link)
}

fn cannot_start(build: &RunningBuild, why: &str) -> Diagnostic {
    Diagnostic::task("B0141", format!("the build's process cannot be started: {why}"))
        .with_note(format!("its folder is `{}`", build.path().display()))
        .with_hint(format!("is there room, and may this user write there? df -h '{}'", build.path().display()))
}

/// Lays the call's files into the build's folder and starts its process.
fn begin(build: &RunningBuild, call: &Call, link: &dyn Link) -> Result<()> {
    let blobs = build.path().join("blobs");
    let cannot = |error: io::Error| {
        // A disk that is full must not stay so for files that no build will use.
        let _ = fs::remove_dir_all(&blobs);
        cannot_start(build, &error.to_string())
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&blobs).map_err(cannot)?;
    let mut pack = Pack::open(&blobs.join(PACK)).map_err(cannot)?;
    for entry in call.inputs.iter().flat_map(|input| &input.entries) {
        let InputKind::File { sha256, size, .. } = &entry.kind else { continue };
        if pack.has(sha256) {
            continue;
        }
        if *size <= SMALL {
            let bytes: Arc<[u8]> = match link.blob(sha256)? {
                Blob::Memory(bytes) => bytes,
                // Of a local connection it is the user's own file.
                Blob::File(source) => fs::read(source).map_err(cannot)?.into(),
            };
            if Hasher::of(Digest::Sha256, &bytes) != *sha256 {
                return Err(changed_meanwhile(format!("`{}` was changed after the run had listed it", entry.path)));
            }
            pack.add(sha256, &bytes).map_err(cannot)?;
            continue;
        }
        let path = blobs.join(sha256);
        if path.exists() {
            continue;
        }
        // Under another name until it is whole: a link that breaks here leaves no half file behind.
        let part = blobs.join("part");
        match link.blob(sha256)? {
            Blob::Memory(bytes) => fs::write(&part, &bytes).map_err(cannot)?,
            Blob::File(source) => drop(fs::copy(source, &part).map_err(cannot)?),
        }
        fs::rename(&part, &path).map_err(cannot)?;
    }
    drop(pack);
    let order = serde_json::to_vec(call).map_err(|error| Diagnostic::internal(format!("a build's order: {error}")))?;
    let order: Arc<[u8]> = order.into();
    let program = own_binary::path()?;
    let mut role = OsString::from(ROLE);
    role.push(build.path());
    let bare = |mut command: Command| {
        secret_variables(call, std::env::vars_os()).into_iter().for_each(|name| _ = command.env_remove(name));
        started(&mut command)
    };
    if let Some(child) = in_scope(build, &program, &role).and_then(|command| bare(command).ok())
        && hand_over(child, &order, SCOPE).is_ok()
    {
        return Ok(());
    }
    let mut command = Command::new(program);
    command.arg("agent").arg(role);
    let child = bare(command).map_err(cannot)?;
    match hand_over(child, &order, START) {
        Ok(()) => Ok(()),
        // One that was believed dead may have been about to begin, which is as good.
        Err(_) if matches!(build.state(), BuildState::Running | BuildState::Ended) => Ok(()),
        Err(why) => Err(cannot_start(build, &why)),
    }
}

fn started(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// With systemd the process gets a scope of its own, so that the end of a login session does not end it.
fn in_scope(build: &RunningBuild, program: &Path, role: &OsString) -> Option<Command> {
    if !Path::new("/run/systemd/system").is_dir() || !rustix::process::geteuid().is_root() {
        return None;
    }
    let name = build.path().file_name()?.to_string_lossy();
    // The process is `systemd-run` until then, so `/proc/self` would name another program.
    let program = fs::canonicalize(program).ok()?;
    let mut command = Command::new("systemd-run");
    command.args(["--scope", "--quiet", "--collect", &format!("--unit=hostctl-build-{name}"), "--"]);
    command.arg(program).arg("agent").arg(role);
    Some(command)
}

/// Variables that hold a secret of the call: they came from who started hostctl, and would stay in the environment of the
/// build's process and of what it starts for hours.
fn secret_variables(call: &Call, variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<OsString> {
    fn texts<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
        match value {
            serde_json::Value::String(text) => found.push(text),
            serde_json::Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
            serde_json::Value::Object(map) => map.values().for_each(|value| texts(value, found)),
            _ => {}
        }
    }
    let mut secrets: Vec<&str> = call.masked.iter().map(|(_, value)| value.as_str()).collect();
    let arguments = crate::modules::find(&call.module).map(|entry| entry.meta.secret).unwrap_or_default();
    arguments.iter().filter_map(|name| call.args.get(*name)).for_each(|value| texts(value, &mut secrets));
    let secrets: HashSet<&str> = secrets.into_iter().map(str::trim_end).filter(|text| !text.is_empty()).collect();
    let holds = |value: &OsString| value.to_str().is_some_and(|value| secrets.contains(value.trim_end()));
    // A password may be the word `root`, and programs need these.
    let needed =
        |name: &OsString| ["HOME", "LOGNAME", "PATH", "SHELL", "SHLVL", "USER"].iter().any(|known| name == known);
    variables.filter(|(name, value)| holds(value) && !needed(name)).map(|(name, _)| name).collect()
}

/// Gives the order to a build's process and waits until it says that it has begun; why not, if it does not.
fn hand_over(mut child: Child, order: &Arc<[u8]>, at_most: Duration) -> std::result::Result<(), String> {
    let (tell, told) = sync_channel(1);
    if let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) {
        let order = Arc::clone(order);
        std::thread::spawn(move || {
            // A process that ended at once is told by its silence.
            let _ = input.write_all(&order);
            drop(input);
            let mut line = String::new();
            let _ = BufReader::new(output.take(4 << 10)).read_line(&mut line);
            let _ = tell.send(line);
        });
    }
    let Ok(line) = told.recv_timeout(at_most) else {
        // It hangs: gone before another one is tried, so that there are never two.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it did not begin within {} s", at_most.as_secs()));
    };
    // It is the leader of its own session and goes on; a thread of ours takes its end, so that no zombie stays.
    std::thread::spawn(move || child.wait());
    match line.trim_end() {
        BEGUN => Ok(()),
        "" => Err("it ended before it began".to_owned()),
        why => Err(why.to_owned()),
    }
}

/// The way back of a call that runs on its own: everything goes into the build's folder.
struct OwnLink {
    build: RunningBuild,
    events: Mutex<Events>,
    redactor: Redactor,
    cancel: Flag,
    /// The small files of the order.
    pack: OnceLock<Option<Pack>>,
}

/// What a build tells, as whole lines.
struct Events {
    file: fs::File,
    /// Bytes of whole lines.
    length: u64,
    /// Lines that found no room.
    left_out: u64,
}

impl Events {
    /// Appends a line, all of it or nothing: a disk that is full does not end the build, and what comes after there
    /// is room again is told.
    fn append(&mut self, line: &[u8]) {
        match self.file.write_all(line) {
            Ok(()) => self.length += line.len() as u64,
            Err(_) => {
                self.left_out += 1;
                let _ = self.file.set_len(self.length);
            }
        }
    }
}

impl Link for OwnLink {
    fn progress(&self, mut progress: Progress) {
        redact_progress(&mut progress, &self.redactor);
        let Ok(mut line) = serde_json::to_vec(&progress) else { return };
        line.push(b'\n');
        self.events.lock().unwrap_or_else(PoisonError::into_inner).append(&line);
    }

    fn blob(&self, sha256: &str) -> Result<Blob> {
        let blobs = self.build.path().join("blobs");
        let pack = self.pack.get_or_init(|| Pack::open(&blobs.join(PACK)).ok());
        let cannot = |error: io::Error| Diagnostic::internal(format!("a file of the build's order: {error}"));
        if let Some(bytes) = pack.as_ref().map(|pack| pack.get(sha256)).transpose().map_err(cannot)?.flatten() {
            return Ok(Blob::Memory(bytes));
        }
        let path = blobs.join(sha256);
        let known = sha256.chars().all(|c| c.is_ascii_hexdigit()) && path.is_file();
        if known { Ok(Blob::File(path)) } else { Err(Diagnostic::internal("the build has no such file")) }
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_set()
    }
}

/// `hostctl agent build=FOLDER`: runs the order that comes through standard input.
pub(super) fn main(find: Find, folder: &Path) -> ExitCode {
    lifetime::own_session();
    let build = RunningBuild::at(PathBuf::from(folder));
    let Ok(stdio) = lifetime::take_stdio() else { return ExitCode::Internal };
    let mut output = stdio.output;
    let began = begun(&build, stdio.input);
    // Whoever asked may be gone already.
    let _ = output.write_all(format!("{}\n", began.as_ref().map_or_else(String::as_str, |_| BEGUN)).as_bytes());
    drop(output);
    let Ok((call, held, events)) = began else { return ExitCode::Error };
    let ended = run(find, call, &build, events);
    let written = serde_json::to_vec(&ended).map_err(io::Error::other).and_then(|text| build.end(&text));
    let _ = fs::remove_dir_all(build.path().join("blobs"));
    drop(held);
    if written.is_ok() { ExitCode::Ok } else { ExitCode::Error }
}

/// Reads the order, then takes the build: who waits for the order's rest has no build, so that one who asks anew while
/// a link that broke in it is not yet told apart need not wait. Else why not, in one line.
fn begun(build: &RunningBuild, input: fs::File) -> std::result::Result<(Call, fs::File, fs::File), String> {
    let line = |error: io::Error| error.to_string().replace('\n', " ");
    let mut text = Vec::new();
    input.take(LONGEST_ORDER).read_to_end(&mut text).map_err(line)?;
    let call = serde_json::from_slice::<Call>(&text).map_err(|_| "its order is cut".to_owned())?;
    drop(text);
    let held = build.take().map_err(line)?.ok_or("another process has the build")?;
    build.forget();
    build.reserve().map_err(line)?;
    let events = build.events().map_err(line)?;
    Ok((call, held, events))
}

fn run(find: Find, call: Call, build: &RunningBuild, events: fs::File) -> Ended {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return Ended::Failed(Diagnostic::task("B0141", format!("no threads for the build: {error}")).into());
        }
    };
    let redactor = Redactor::default();
    for (_, value) in &call.masked {
        redactor.learn(value);
    }
    let cancel = Flag::default();
    let watch = (build.clone(), cancel.clone());
    std::thread::spawn(move || {
        while !watch.0.is_stopped() {
            std::thread::sleep(LOOK);
        }
        watch.1.set();
    });
    let events = Mutex::new(Events { file: events, length: 0, left_out: 0 });
    let link =
        Arc::new(OwnLink { build: build.clone(), events, redactor, cancel: cancel.clone(), pack: OnceLock::new() });
    let way_back: Arc<dyn Link> = Arc::<OwnLink>::clone(&link);
    let ended = runtime.block_on(run_call(find, call, None, way_back, cancel));
    runtime.shutdown_background();
    let left_out = link.events.lock().unwrap_or_else(PoisonError::into_inner).left_out;
    let warning = (left_out > 0)
        .then(|| format!("{left_out} events of the build are not recorded: no room in `{}`", build.path().display()));
    match ended {
        Ok(mut outcome) => {
            outcome.warnings.extend(warning);
            redact_map(&mut outcome.result, &link.redactor);
            Ended::Done(outcome)
        }
        Err(mut failure) => {
            failure.warnings.extend(warning);
            redact_map(&mut failure.result, &link.redactor);
            redact_diagnostic(&mut failure.diagnostic, &link.redactor);
            Ended::Failed(failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::AskedBy;

    struct Reader(Mutex<Vec<Progress>>);
    impl Link for Reader {
        fn progress(&self, progress: Progress) {
            self.0.lock().unwrap().push(progress);
        }
        fn blob(&self, _: &str) -> Result<Blob> {
            Err(Diagnostic::internal("none"))
        }
        fn cancelled(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_build_of_ones_own_tells_masks_and_ends_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let build = RunningBuild::below(folder.path(), "b1").unwrap();
        build.make().unwrap();
        let held = build.take().unwrap();
        let mut call = Call::new("shell", serde_json::json!({ "cmd": "echo out canary-4711-value; exit 3" }));
        call.masked = vec![("name".into(), "canary-4711-value".into())];
        let ended = run(crate::modules::find, call, &build, build.events().unwrap());
        build.end(&serde_json::to_vec(&ended).unwrap()).unwrap();
        drop(held);
        let Ended::Failed(failure) = ended else { panic!("exit 3 is a failure") };
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        let events = fs::read_to_string(build.path().join("events")).unwrap();
        assert!(events.contains("out ****") && !events.contains("canary"), "{events}");

        let reader = Reader(Mutex::default());
        let again = follow(&build, 0, &reader).unwrap_err();
        assert_eq!(again.diagnostic.code, failure.diagnostic.code);
        let told = reader.0.into_inner().unwrap();
        assert!(matches!(told.last(), Some(Progress::BuildSeen { seen, .. }) if *seen >= 1), "{told:?}");
    }

    #[test]
    fn variables_that_hold_a_secret_do_not_go_along() {
        let call = Call {
            masked: vec![("vault_token".into(), "canary-1\n".into())],
            ..Call::new(
                "image_build",
                serde_json::json!({ "secrets": { "npm": "canary-2", "u": "root" }, "namespace": "lab" }),
            )
        };
        let variables = [("A", "canary-1"), ("NPM", "canary-2"), ("NAME", "lab"), ("EMPTY", ""), ("USER", "root")];
        let found = secret_variables(&call, variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        assert_eq!(found, ["A", "NPM"]);
    }

    fn order(script: &str) -> (Child, Arc<[u8]>) {
        (started(Command::new("sh").args(["-c", script])).unwrap(), Arc::from(&b"the order"[..]))
    }

    #[test]
    fn a_process_that_hangs_ends_or_says_why_is_told() {
        let given = |script: &str, at_most| {
            let (child, order) = order(script);
            hand_over(child, &order, at_most)
        };
        let long = Duration::from_mins(1);
        // As `systemd-run` whose bus does not answer.
        let hangs = given("exec sleep 50", Duration::from_millis(300));
        assert!(hangs.unwrap_err().contains("did not begin"));
        assert_eq!(given("exit 1", long).unwrap_err(), "it ended before it began");
        assert_eq!(given("cat > /dev/null; echo 'no room'; exit 1", long).unwrap_err(), "no room");
        assert_eq!(given("[ \"$(cat)\" = 'the order' ] && echo begun", long), Ok(()));
        // More than a pipe holds, to one that reads nothing.
        let (child, _) = order("exec sleep 50");
        let large: Arc<[u8]> = vec![0; 1 << 20].into();
        assert!(hand_over(child, &large, Duration::from_millis(300)).is_err());
    }

    #[test]
    fn a_build_is_taken_with_a_whole_order_alone() {
        let folder = tempfile::tempdir().unwrap();
        let build = RunningBuild::below(folder.path(), "b1").unwrap();
        build.make().unwrap();
        let given = |text: &[u8]| {
            let path = folder.path().join("order");
            fs::write(&path, text).unwrap();
            begun(&build, fs::File::open(&path).unwrap())
        };
        fs::write(build.path().join("events"), "old\n").unwrap();
        let whole = serde_json::to_vec(&Call::new("ping", serde_json::json!({}))).unwrap();
        assert_eq!(given(&whole[..whole.len() / 2]).unwrap_err(), "its order is cut");
        assert_eq!(build.state(), BuildState::Dead);
        let (_, held, _) = given(&whole).unwrap();
        assert_eq!(build.state(), BuildState::Running);
        assert_eq!(fs::read(build.path().join("events")).unwrap(), b"", "what a killed one told is forgotten");
        assert_eq!(given(&whole).unwrap_err(), "another process has the build");
        drop(held);
    }

    #[test]
    fn a_full_disk_takes_whole_lines_only() {
        let file = fs::File::options().append(true).open("/dev/full").unwrap();
        let mut events = Events { file, length: 0, left_out: 0 };
        events.append(b"\"one\"\n");
        assert_eq!((events.length, events.left_out), (0, 1));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"\"one\"\n\"tw").unwrap();
        file.set_len(6).unwrap();
        events = Events { file, length: 6, left_out: 1 };
        events.append(b"\"two\"\n");
        assert_eq!(events.length, 12);
    }

    #[test]
    fn a_build_that_is_told_to_stop_is_cancelled() {
        let folder = tempfile::tempdir().unwrap();
        let build = RunningBuild::below(folder.path(), "b1").unwrap();
        build.make().unwrap();
        build.stop().unwrap();
        let call = Call::new("shell", serde_json::json!({ "cmd": "exec sleep 60" }));
        let ended = run(crate::modules::find, call, &build, build.events().unwrap());
        // Its end would have been a success.
        assert!(matches!(ended, Ended::Failed(_)));
    }

    /// An engine at a socket in `folder`, of which one request is answered in a bad way: with nothing at all, or with
    /// lines without an end. What is written for a connection, and whether it then stays open.
    fn bad_engine(folder: &std::path::Path, bad: &'static str, endless: bool) -> String {
        let socket = folder.join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let given_up = folder.join("given up");
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let given_up = given_up.clone();
                std::thread::spawn(move || {
                    let mut asked = [0; 16 << 10];
                    let count = stream.read(&mut asked).unwrap_or(0);
                    let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
                    let path = asked.split(' ').nth(1).unwrap_or_default();
                    let head = "Api-Version: 1.41\r\nServer: Docker/20.10 (linux)\r\nConnection: close\r\n";
                    if path.contains(bad) && !endless {
                        std::thread::sleep(Duration::from_mins(10));
                        let _ = fs::write(given_up, "");
                    } else if path.contains(bad) {
                        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes());
                        let lines = b"{\"stream\":\"a\\n\"}\n".repeat(4 << 10);
                        while stream.write_all(&lines).is_ok() {}
                    } else {
                        let found = ["/_ping", "/info", "/version"].iter().any(|known| path.contains(known));
                        let status = if found { "200 OK" } else { "404 Not Found" };
                        let answer = format!("HTTP/1.1 {status}\r\n{head}Content-Length: 2\r\n\r\n{{}}");
                        let _ = stream.write_all(answer.as_bytes());
                    }
                });
            }
        });
        format!("unix://{}", socket.display())
    }

    /// The order to build one image by an engine.
    fn of_one_image(folder: &std::path::Path, engine: String) -> Call {
        let image = folder.join("images/one");
        fs::create_dir_all(&image).unwrap();
        fs::write(image.join("Dockerfile"), "FROM scratch\nCOPY Dockerfile /x\n").unwrap();
        let args = serde_json::json!({
            "path": folder.join("images"), "remote_src": true, "push": false, "namespace": "x",
            "tag": "t", "registry": "r.test", "docker_host": engine,
        });
        let asked_by = Some(AskedBy { run: "20261122T010203-7f3a".into(), clock: 1000, arrived: Some(2000) });
        Call { asked_by, ..Call::new("image_build", args) }
    }

    /// The saved requests whose images lie in a folder; they are removed.
    fn requests(folder: &std::path::Path) -> Vec<serde_json::Value> {
        let state = Probe::new(Vec::new()).state_folder("images").unwrap().join("requests");
        let mut found = Vec::new();
        for file in fs::read_dir(state).into_iter().flatten().flatten() {
            let Ok(text) = fs::read_to_string(file.path()) else { continue };
            if text.contains(&folder.display().to_string()) {
                fs::remove_file(file.path()).unwrap();
                found.push(serde_json::from_str(&text).unwrap());
            }
        }
        found
    }

    #[test]
    fn a_build_is_saved_with_its_run_and_a_plan_is_not() {
        for plan in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let build = RunningBuild::below(folder.path(), "b1").unwrap();
            build.make().unwrap();
            let mut call = of_one_image(folder.path(), bad_engine(folder.path(), "/nothing", false));
            call.args["plan"] = plan.into();
            let ended = run(crate::modules::find, call, &build, build.events().unwrap());
            let warnings = match &ended {
                Ended::Done(outcome) => &outcome.warnings,
                Ended::Failed(failure) => &failure.warnings,
            };
            let told = warnings.iter().any(|warning| warning.contains("is 1000 s ahead of its controller's"));
            assert!(told, "{plan} {warnings:?}");
            let saved = requests(folder.path());
            assert_eq!(saved.len(), usize::from(!plan), "{saved:?}");
            assert!(saved.iter().all(|one| one["run"] == "20261122T010203-7f3a"), "{saved:?}");
        }
    }

    #[test]
    fn what_the_builder_cannot_do_is_told_before_a_forecast() {
        for (text, refused) in
            [("FROM scratch\nCOPY <<E /x\na\nE\n", true), ("FROM scratch\nCOPY Dockerfile /x\n", false)]
        {
            let folder = tempfile::tempdir().unwrap();
            let build = RunningBuild::below(folder.path(), "b1").unwrap();
            build.make().unwrap();
            let call = of_one_image(folder.path(), bad_engine(folder.path(), "/nothing", false));
            fs::write(folder.path().join("images/one/Dockerfile"), text).unwrap();
            let Ended::Failed(failure) = run(crate::modules::find, call, &build, build.events().unwrap()) else {
                panic!("it was built")
            };
            requests(folder.path());
            assert_eq!(failure.diagnostic.code == "B0105", refused, "{}", failure.diagnostic);
            let events = fs::read_to_string(build.path().join("events")).unwrap();
            assert_eq!(events.contains("forecast"), !refused, "{events}");
        }
    }

    /// A build by a bad engine that is told to stop, and ends before the engine does anything.
    fn stopped(bad: &'static str, endless: bool) {
        let folder = tempfile::tempdir().unwrap();
        let build = RunningBuild::below(folder.path(), "b1").unwrap();
        build.make().unwrap();
        let call = of_one_image(folder.path(), bad_engine(folder.path(), bad, endless));
        let stop = build.clone();
        let asked = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(2));
            stop.stop().unwrap();
        });
        let ended = run(crate::modules::find, call, &build, build.events().unwrap());
        let stopped = asked.is_finished();
        asked.join().unwrap();
        requests(folder.path());
        let Ended::Failed(failure) = ended else { panic!("{bad}: a success") };
        assert!(stopped, "{bad}: it ended by itself: {}", failure.diagnostic);
        assert!(
            !folder.path().join("given up").exists(),
            "{bad} {endless}: the engine ended it: {}",
            failure.diagnostic
        );
    }

    #[test]
    fn a_stop_ends_every_wait_for_an_engine() {
        let asked = ["/_ping", "/session", "/info", "/version", "/build"].map(|bad| (bad, false));
        let cases: Vec<_> = asked.into_iter().chain([("/build", true)]).collect();
        let threads: Vec<_> =
            cases.into_iter().map(|(bad, endless)| std::thread::spawn(move || stopped(bad, endless))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
