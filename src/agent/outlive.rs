//! Calls that outlive their link: image builds run in a process of their own, whatever becomes of who asked for them.
//!
//! Whoever asks first starts the process (this very binary, a session and, with systemd, a scope of its own), hands
//! the call over through a pipe, and from then on only reads what [`RunningBuild`]'s folder tells. Who asks again with
//! the same name comes to the same build: while it runs, after its end, and after its process was killed (then it
//! is started anew; what was finished is known from the record of images).

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::run::{Find, Flag, run_call};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::event::{Progress, redact_diagnostic, redact_map, redact_progress};
use crate::modules::{Blob, Call, EndOfWork as Ended, Failure, InputKind, Link, Outcome, follow_work as follow};
use crate::secret::Redactor;
use crate::system::running_build::{BuildState, RunningBuild};
use crate::system::{lifetime, own_binary};

/// The first argument of a build's process: `hostctl agent build=FOLDER`.
pub(super) const ROLE: &str = "build=";
/// What a build's process says when it is on its own.
const BEGUN: &str = "begun";
/// The longest order, in bytes: arguments and the names of controller files.
const LONGEST_ORDER: u64 = 256 << 20;
/// How often a build looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(200);

/// Starts the build of a call, or comes back to it, and tells what happens until its end.
pub(super) fn run_or_come_back(mut call: Call, link: &dyn Link) -> Result<Outcome, Failure> {
    let Some(outlives) = call.outlives.take() else { return Err(Diagnostic::internal("no build was named").into()) };
    let build = RunningBuild::of(&outlives.id)?;
    if let Some(other) = build.other_running().filter(|_| outlives.fresh) {
        let message = format!("the build `{other}` of this task still runs, with other arguments");
        return Err(Diagnostic::task("B0144", message)
            .with_hint("wait for its end: `hostctl attach`, or stop it: `hostctl attach --stop`")
            .into());
    }
    let made = build.make()?;
    let state = build.state();
    if made || state == BuildState::Dead || outlives.fresh && state == BuildState::Ended {
        build.forget();
        begin(&build, &call, link)?;
    }
    follow(&build, outlives.seen, link)
}

/// Lays the call's files into the build's folder and starts its process.
fn begin(build: &RunningBuild, call: &Call, link: &dyn Link) -> Result<()> {
    let cannot = |error: io::Error| {
        Diagnostic::task("B0141", format!("the build's process cannot be started: {error}"))
            .with_note(format!("its folder is `{}`", build.path().display()))
            .with_hint("free space there, or see what the host's process limits are")
    };
    let blobs = build.path().join("blobs");
    fs::create_dir_all(&blobs).map_err(cannot)?;
    for entry in call.inputs.iter().flat_map(|input| &input.entries) {
        let InputKind::File { sha256, .. } = &entry.kind else { continue };
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
    let order = serde_json::to_vec(call).map_err(|error| Diagnostic::internal(format!("a build's order: {error}")))?;
    let program = own_binary::path()?;
    let mut role = OsString::from(ROLE);
    role.push(build.path());
    if let Some(child) = in_scope(build, &program, &role)
        && hand_over(child, &order)?
    {
        return Ok(());
    }
    let child = started(Command::new(program).arg("agent").arg(role)).map_err(cannot)?;
    // Another one may have been faster, which is as good.
    if hand_over(child, &order)? || matches!(build.state(), BuildState::Running | BuildState::Ended) {
        return Ok(());
    }
    Err(Diagnostic::task("B0141", "the build's process ended before it began"))
}

fn started(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// With systemd the process gets a scope of its own, so that the end of a login session does not end it.
fn in_scope(build: &RunningBuild, program: &Path, role: &OsString) -> Option<Child> {
    if !Path::new("/run/systemd/system").is_dir() || !rustix::process::geteuid().is_root() {
        return None;
    }
    let name = build.path().file_name()?.to_string_lossy();
    // The process is `systemd-run` until then, so `/proc/self` would name another program.
    let program = fs::canonicalize(program).ok()?;
    let mut command = Command::new("systemd-run");
    command.args(["--scope", "--quiet", "--collect", &format!("--unit=hostctl-build-{name}"), "--"]);
    started(command.arg(program).arg("agent").arg(role)).ok()
}

/// Gives the order to a build's process; true if it says that it has begun.
fn hand_over(mut child: Child, order: &[u8]) -> Result<bool> {
    let mut line = String::new();
    if let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) {
        // A process that ended at once is told by its silence.
        let _ = input.write_all(order);
        drop(input);
        let _ = BufReader::new(output.take(1 << 10)).read_line(&mut line);
    }
    // It is the leader of its own session and goes on; a thread of ours takes its end, so that no zombie stays.
    std::thread::spawn(move || child.wait());
    Ok(line.trim_end() == BEGUN)
}

/// The way back of a call that runs on its own: everything goes into the build's folder.
struct OwnLink {
    build: RunningBuild,
    events: Mutex<Option<fs::File>>,
    redactor: Redactor,
    cancel: Flag,
}

impl Link for OwnLink {
    fn progress(&self, mut progress: Progress) {
        redact_progress(&mut progress, &self.redactor);
        let Ok(mut line) = serde_json::to_vec(&progress) else { return };
        line.push(b'\n');
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        // A disk that is full does not end the build; a line that is cut would be taken for two.
        if let Some(file) = &mut *events
            && file.write_all(&line).is_err()
        {
            *events = None;
        }
    }

    fn blob(&self, sha256: &str) -> Result<Blob> {
        let path = self.build.path().join("blobs").join(sha256);
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
    let Ok(Some(held)) = build.take() else { return ExitCode::Error };
    let Ok(stdio) = lifetime::take_stdio() else { return ExitCode::Internal };
    let mut text = Vec::new();
    if stdio.input.take(LONGEST_ORDER).read_to_end(&mut text).is_err() {
        return ExitCode::Error;
    }
    let Ok(call) = serde_json::from_slice::<Call>(&text) else { return ExitCode::Error };
    drop(text);
    let Ok(events) = build.events() else { return ExitCode::Error };
    let mut output = stdio.output;
    // Whoever asked may be gone already.
    let _ = output.write_all(format!("{BEGUN}\n").as_bytes());
    drop(output);
    let ended = run(find, call, &build, events);
    let written = serde_json::to_vec(&ended).map_err(io::Error::other).and_then(|text| build.end(&text));
    let _ = fs::remove_dir_all(build.path().join("blobs"));
    drop(held);
    if written.is_ok() { ExitCode::Ok } else { ExitCode::Error }
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
    let events = Mutex::new(Some(events));
    let link = Arc::new(OwnLink { build: build.clone(), events, redactor, cancel: cancel.clone() });
    let way_back: Arc<dyn Link> = Arc::<OwnLink>::clone(&link);
    let ended = runtime.block_on(run_call(find, call, None, way_back, cancel));
    runtime.shutdown_background();
    match ended {
        Ok(mut outcome) => {
            redact_map(&mut outcome.result, &link.redactor);
            Ended::Done(outcome)
        }
        Err(mut failure) => {
            redact_map(&mut failure.result, &link.redactor);
            redact_diagnostic(&mut failure.diagnostic, &link.redactor);
            Ended::Failed(failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_build_that_is_told_to_stop_is_cancelled() {
        let folder = tempfile::tempdir().unwrap();
        let build = RunningBuild::below(folder.path(), "b1").unwrap();
        build.make().unwrap();
        build.stop().unwrap();
        let call = Call::new("shell", serde_json::json!({ "cmd": "exec sleep 60" }));
        let start = std::time::Instant::now();
        let ended = run(crate::modules::find, call, &build, build.events().unwrap());
        assert!(matches!(ended, Ended::Failed(_)));
        assert!(start.elapsed() < Duration::from_secs(50), "it did not wait for its end");
    }
}
