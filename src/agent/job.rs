//! Tasks with `async`: a call that runs on in a process of its own, whatever becomes of the link.
//!
//! The job's controller files are laid into a private folder, this very binary is started on it as the leader of a
//! session of its own, gets the call through a pipe, and the result goes to one file that `async_status` reads (as Ansible's
//! `~/.ansible_async/JOB`): first "started", then the result, each by rename.

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::run::{Find, Flag, run_call};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::event::{Progress, redact_map};
use crate::map;
use crate::modules::{Blob, Call, Failure, HostPath, InputKind, Link, Outcome, job_result};
use crate::secret::Redactor;
use crate::system::{leftovers, lifetime};
use crate::value::{Map, StrKey, Value, to_json};

/// The first argument of a job's process: `hostctl agent job=FOLDER`.
pub(super) const ROLE: &str = "job=";
/// The largest answer that is taken from a job's process.
const ANSWER: u64 = 64 << 10;

/// What a job's process is given.
#[derive(Serialize, Deserialize)]
struct Order {
    call: Call,
    /// Where results go.
    results: PathBuf,
    /// Seconds.
    limit: u64,
}

/// What a job's process says when it is on its own.
#[derive(Serialize, Deserialize)]
struct Started {
    job: String,
    file: PathBuf,
}

/// Starts a call as a job; the answer of a task with `async`.
pub(super) fn start(mut call: Call, link: &dyn Link) -> Result<Outcome, Failure> {
    let limit = call.detach.take().unwrap_or_default();
    let named = call.environment.iter().rev().find(|(name, _)| name == "ANSIBLE_ASYNC_DIR");
    let named = named.map_or_else(|| "~/.ansible_async".to_owned(), |(_, folder)| folder.clone());
    let results = HostPath(named).expand(&call.environment);
    let cannot = |error: io::Error| {
        let text = format!("could not create directory: {} - {error}", results.display());
        Failure::with_result(Diagnostic::task("S0410", text.clone()), map! { "msg" => text })
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&results).map_err(cannot)?;
    let no_room = |error: io::Error| {
        Diagnostic::task("S0410", format!("cannot lay out a job of its own: {error}"))
            .with_hint("free space in /var/tmp or /tmp of that host")
    };
    let order = Order { call, results, limit };
    let folder = lay_out(&order, link)?;
    let text = serde_json::to_vec(&order).map_err(|error| Diagnostic::internal(format!("a job's order: {error}")))?;
    let program = crate::system::own_binary::path()?;
    let mut role = std::ffi::OsString::from(ROLE);
    role.push(folder.path());
    let mut child = Command::new(program)
        .arg("agent")
        .arg(role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(no_room)?;
    // The job owns its folder from here on.
    let folder = folder.keep();
    let mut line = String::new();
    // Through a pipe: it holds the arguments, and may hold the secrets of the vault. A process that ended at once is told by
    // its silence.
    let _ = child.stdin.take().map(|mut input| input.write_all(&text));
    if let Some(output) = child.stdout.take() {
        BufReader::new(output.take(ANSWER)).read_line(&mut line).map_err(no_room)?;
    }
    let started: Result<Started, _> = serde_json::from_str(&line);
    // It is the leader of its own session and goes on; a thread of ours takes its end, so that no zombie stays.
    std::thread::spawn(move || child.wait());
    let Ok(started) = started else {
        let _ = fs::remove_dir_all(folder);
        return Err(Diagnostic::task("S0410", "the job ended before it began").into());
    };
    let result = map! {
        "started" => true, "finished" => false, "ansible_job_id" => started.job,
        "results_file" => started.file.display().to_string(),
    };
    Ok(Outcome { changed: true, result, ..Outcome::default() })
}

/// A private folder with every blob that an order's call may ask for.
fn lay_out(order: &Order, link: &dyn Link) -> Result<tempfile::TempDir> {
    let cannot = |error: io::Error| {
        Diagnostic::task("S0410", format!("cannot lay out a job of its own: {error}"))
            .with_hint("free space in /var/tmp or /tmp of that host")
    };
    leftovers::sweep();
    let private = Permissions::from_mode(0o700);
    let places = ["/var/tmp", "/tmp", "/dev/shm"].into_iter().filter(|place| Path::new(place).is_dir());
    let mut made = Err(io::Error::other("no folder for temporary files"));
    for place in places {
        made = tempfile::Builder::new().prefix("hostctl-job-").permissions(private.clone()).tempdir_in(place);
        if made.is_ok() {
            break;
        }
    }
    let folder = made.map_err(cannot)?;
    for entry in order.call.inputs.iter().flat_map(|input| &input.entries) {
        let InputKind::File { sha256, .. } = &entry.kind else { continue };
        let path = folder.path().join(sha256);
        if path.exists() {
            continue;
        }
        match link.blob(sha256)? {
            Blob::Memory(bytes) => fs::write(&path, &bytes).map_err(cannot)?,
            Blob::File(source) => drop(fs::copy(source, &path).map_err(cannot)?),
        }
    }
    Ok(folder)
}

struct JobLink {
    folder: PathBuf,
    cancel: Flag,
}

impl Link for JobLink {
    fn progress(&self, _: Progress) {}

    fn blob(&self, sha256: &str) -> Result<Blob> {
        let path = self.folder.join(sha256);
        let known = sha256.chars().all(|c| c.is_ascii_hexdigit()) && path.is_file();
        if known { Ok(Blob::File(path)) } else { Err(Diagnostic::internal("the job has no such file")) }
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_set()
    }
}

/// `hostctl agent job=FOLDER`: runs the order that lies there.
pub(super) fn main(find: Find, folder: &Path) -> ExitCode {
    // From here on nothing that ends the agent ends this.
    lifetime::own_session();
    let _held = leftovers::hold(folder);
    let Ok(mut stdio) = lifetime::take_stdio() else { return ExitCode::Internal };
    let mut text = Vec::new();
    if stdio.input.read_to_end(&mut text).is_err() {
        return ExitCode::Error;
    }
    let Ok(order) = serde_json::from_slice::<Order>(&text) else { return ExitCode::Error };
    let mut random = [0; 5];
    if getrandom::fill(&mut random).is_err() {
        return ExitCode::Internal;
    }
    let number = random.iter().fold(0_u64, |number, byte| number * 256 + u64::from(*byte)) % 999_999_999_999;
    let job = format!("j{number}.{}", std::process::id());
    let file = order.results.join(&job);
    let begun = serde_json::json!({ "started": true, "finished": false, "ansible_job_id": job });
    if write(&file, &begun).is_err() {
        return ExitCode::Error;
    }
    let mut output = stdio.output;
    let answer = serde_json::to_string(&Started { job: job.clone(), file: file.clone() }).unwrap_or_default();
    // Whoever asked may be gone already.
    let _ = output.write_all(answer.as_bytes()).and_then(|()| output.write_all(b"\n"));
    drop(output);
    drop(stdio.input);
    let result = run(find, order, folder);
    let _ = fs::remove_dir_all(folder);
    let mut result = to_json(&Value::from(result));
    result["ansible_job_id"] = job.into();
    let ended = write(&file, &result);
    // What the job started in the background lives on, unless its time was up.
    if result.get("child_pid").is_some() {
        lifetime::end_children(true);
    }
    if ended.is_ok() { ExitCode::Ok } else { ExitCode::Error }
}

fn run(find: Find, order: Order, folder: &Path) -> Map {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let Ok(runtime) = runtime else { return map! { "failed" => true, "msg" => "no threads for the job" } };
    let cancel = Flag::default();
    let link = Arc::new(JobLink { folder: folder.to_owned(), cancel: cancel.clone() });
    let call = Call { timeout: Some(order.limit).filter(|limit| *limit > 0), ..order.call };
    // What builds images has the vault's values, and says none of them: its result lies in a file.
    let redactor = Redactor::default();
    for (_, value) in &call.masked {
        redactor.learn(value);
    }
    let ended = runtime.block_on(run_call(find, call, None, link, cancel));
    runtime.shutdown_background();
    let mut result = match ended {
        Err(failure) if failure.diagnostic.code == "S0402" => {
            let mut result = job_result(Err(failure));
            result.shift_remove(&StrKey("rc"));
            result.extend(map! { "msg" => "Timeout exceeded", "child_pid" => std::process::id() });
            result
        }
        ended => job_result(ended),
    };
    redact_map(&mut result, &redactor);
    result
}

/// A result file, whole or not at all.
fn write(path: &Path, result: &serde_json::Value) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    // Whoever may open it before its mode is set could read on; the folder may be one for all (`ANSIBLE_ASYNC_DIR`).
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(result.to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(results: &Path, args: serde_json::Value, limit: u64) -> Order {
        let call = Call::new("shell", args);
        Order { call, results: results.to_owned(), limit }
    }

    #[test]
    fn a_jobs_result_is_that_of_its_module() {
        let folder = tempfile::tempdir().unwrap();
        let ended = |line: &str, limit| {
            run(crate::modules::find, order(folder.path(), serde_json::json!({ "cmd": line }), limit), folder.path())
        };
        let result = ended("echo out; exit 3", 60);
        let get = |result: &Map, key: &str| result.get(&StrKey(key)).cloned();
        assert_eq!(get(&result, "rc"), Some(Value::Int(3)));
        assert_eq!((get(&result, "failed"), get(&result, "stdout")), (Some(true.into()), Some("out".into())));
        let result = ended("exec cat /dev/zero > /dev/null", 1);
        assert_eq!((get(&result, "msg"), get(&result, "failed")), (Some("Timeout exceeded".into()), Some(true.into())));
    }

    #[test]
    fn a_job_that_knows_the_vault_says_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut order = order(folder.path(), serde_json::json!({ "cmd": "echo out canary-4711-value" }), 60);
        order.call.masked = vec![("name".into(), "canary-4711-value".into())];
        let result = to_json(&Value::from(run(crate::modules::find, order, folder.path())));
        assert!(result["stdout"] == "out ********" && !result.to_string().contains("canary"), "{result}");
    }

    #[test]
    fn an_order_comes_back_with_its_files_and_results_are_whole() {
        struct OneBlob;
        impl Link for OneBlob {
            fn progress(&self, _: Progress) {}
            fn blob(&self, _: &str) -> Result<Blob> {
                Ok(Blob::Memory(Arc::from(b"content".as_slice())))
            }
            fn cancelled(&self) -> bool {
                false
            }
        }
        let results = tempfile::tempdir().unwrap();
        let mut order = order(results.path(), serde_json::json!({ "cmd": "true" }), 5);
        let kind = InputKind::File { sha1: "aa".into(), sha256: "bb".into(), size: 7, source: None };
        let entry = crate::modules::TreeEntry { path: String::new(), mode: 0o644, kind };
        let input = crate::modules::Input {
            arg: "src".into(),
            entries: vec![entry],
            is_tree: false,
            basename: "x".into(),
            contents_only: false,
            repositories: Vec::new(),
        };
        order.call.inputs.push(input);
        let folder = lay_out(&order, &OneBlob).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["bb"], "arguments lie in no file");
        let link = JobLink { folder: folder.path().to_owned(), cancel: Flag::default() };
        let Blob::File(path) = link.blob("bb").unwrap() else { panic!("a file") };
        assert_eq!(fs::read(path).unwrap(), b"content");
        assert!(link.blob("../order.json").is_err());
        write(&results.path().join("j1.2"), &serde_json::json!({ "rc": 0 })).unwrap();
        assert_eq!(fs::read_to_string(results.path().join("j1.2")).unwrap(), "{\"rc\":0}");
        assert_eq!(fs::metadata(results.path().join("j1.2")).unwrap().permissions().mode() & 0o777, 0o600);
        // What somebody laid there before is not written through.
        std::os::unix::fs::symlink(results.path().join("other"), results.path().join("j3.4.tmp")).unwrap();
        assert!(write(&results.path().join("j3.4"), &serde_json::json!({ "rc": 0 })).is_err());
        assert!(!results.path().join("other").exists());
    }
}
