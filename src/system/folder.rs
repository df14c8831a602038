//! Working folders: a thread with one of its own, and a way out of one that is closed to this user.
//!
//! Linux keeps the working folder by thread for those who ask for it, so calls of several playbooks and hosts can run
//! side by side in one process, each in its folder; children and threads that they start begin there too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{Access, Mode, OFlags};
use rustix::thread::UnshareFlags;

/// Takes this thread's working folder away from the other threads'.
fn part() -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "`UnshareFlags::FS` is none of those that are unsafe; the new name is for all of them"
    )]
    Ok(rustix::thread::unshare(UnshareFlags::FS)?)
}

/// Threads of this process may have a working folder of their own. Container engines forbid it to some.
pub fn may_differ() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| std::thread::spawn(|| part().is_ok()).join().unwrap_or(false))
}

/// Runs work in a folder, on a thread that begins and ends with it, and waits for it.
pub fn within<T: Send + 'static>(folder: PathBuf, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let run = move || {
        part()?;
        std::env::set_current_dir(&folder)?;
        Ok(work())
    };
    std::thread::Builder::new()
        .spawn(run)?
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread of a task broke off")))
}

/// For the threads of a runtime, which serve many calls: one begins in the folder of whoever started it, and that may
/// be a call with a folder of its own.
pub fn keeper() -> impl Fn() + Send + Sync + 'static {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let home = rustix::fs::open(".", flags, Mode::empty()).ok();
    move || {
        // Where threads cannot part, no call has a folder of its own.
        if let Some(home) = &home
            && part().is_ok()
        {
            let _ = rustix::process::fchdir(home);
        }
    }
}

/// The working folder as `PWD` has it in a shell that starts here: with the links of the way that led here, where the
/// variable that came with this process tells of the same folder.
pub fn named() -> Option<String> {
    // A closed one keeps its name, as for Ansible's modules, which only leave it.
    if let Some(begun) = BEGUN.get() {
        return begun.name.clone();
    }
    let inherited = std::env::var("PWD").ok();
    let same = inherited.as_ref().is_some_and(|path| {
        let known = std::fs::metadata(path).ok().map(|meta| super::fs::identity(&meta));
        path.starts_with('/')
            && known.is_some()
            && known == std::fs::metadata(".").ok().map(|meta| super::fs::identity(&meta))
    });
    if same {
        inherited
    } else {
        std::env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok())
    }
}

/// A variable of this process, with `PWD` as it is for this thread.
pub fn variable(name: &str) -> Option<String> {
    if name == "PWD" { named() } else { std::env::var(name).ok() }
}

type Job = Box<dyn FnOnce() + Send>;

/// The closed folder that this process began in.
struct Begun {
    name: Option<String>,
    /// A thread that is still there.
    thread: Option<Mutex<Sender<Job>>>,
}

static BEGUN: OnceLock<Begun> = OnceLock::new();

/// Leaves a working folder that this user may not read, for its home or the folder of temporary files: programs fail
/// there for no reason of their own. (As the start of Ansible's modules; sudo leaves its caller's folder as it is.)
pub fn leave_closed() {
    let open = |path: &Path| rustix::fs::access(path, Access::EXISTS | Access::READ_OK).is_ok();
    let current = std::env::current_dir();
    if current.as_ref().is_ok_and(|folder| open(folder)) {
        return;
    }
    let name = current.ok().and_then(|path| path.into_os_string().into_string().ok());
    let _ = BEGUN.set(Begun { name, thread: stayer() });
    for folder in std::env::var_os("HOME").map(PathBuf::from).into_iter().chain([std::env::temp_dir()]) {
        if open(&folder) && std::env::set_current_dir(&folder).is_ok() {
            return;
        }
    }
}

/// A thread that stays in the folder: nobody could come back to one that is closed. Containers may forbid it.
fn stayer() -> Option<Mutex<Sender<Job>>> {
    let (jobs, wanted) = channel::<Job>();
    let (ready, parted) = channel();
    let stay = move || {
        let alone = part().is_ok();
        if ready.send(alone).is_ok() && alone {
            wanted.into_iter().for_each(|job| job());
        }
    };
    std::thread::Builder::new().name("begun".into()).spawn(stay).ok()?;
    parted.recv().unwrap_or(false).then(|| Mutex::new(jobs))
}

/// Runs work in the folder that this process began in, even if it has left it.
pub fn where_begun<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let Some(thread) = BEGUN.get().and_then(|begun| begun.thread.as_ref()) else { return Ok(work()) };
    let (told, answer) = channel();
    let job: Job = Box::new(move || drop(told.send(work())));
    let sent = thread.lock().unwrap_or_else(PoisonError::into_inner).send(job);
    if let Err(SendError(job)) = sent {
        job();
    }
    answer.recv().map_err(|_| io::Error::other("the thread of the first folder broke off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(folder: &Path) -> io::Result<(PathBuf, String)> {
        within(folder.to_owned(), || {
            std::fs::write("here", "").unwrap();
            let output = std::process::Command::new("ls").output().unwrap();
            (std::env::current_dir().unwrap(), String::from_utf8(output.stdout).unwrap())
        })
    }

    /// This process may not have working folders by thread at all.
    fn forbidden() -> bool {
        #[expect(deprecated, reason = "as in `part`")]
        let tried = std::thread::spawn(|| rustix::thread::unshare(UnshareFlags::FS)).join().unwrap();
        let forbidden = tried == Err(rustix::io::Errno::PERM);
        if forbidden {
            println!("skip: this container forbids working folders by thread");
        }
        forbidden
    }

    #[test]
    fn a_thread_has_its_folder_and_the_process_keeps_its_own() {
        if forbidden() {
            return;
        }
        assert!(may_differ());
        let before = std::env::current_dir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (found, names) = listed(folder.path()).unwrap();
        assert_eq!((found, names.as_str()), (folder.path().canonicalize().unwrap(), "here\n"));
        assert!(folder.path().join("here").exists());
        assert_eq!(std::env::current_dir().unwrap(), before);
        assert!(listed(&folder.path().join("none")).is_err());
    }

    #[test]
    fn threads_that_a_runtime_starts_for_a_call_are_in_the_folder_of_the_process() {
        if forbidden() {
            return;
        }
        let before = std::env::current_dir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).on_thread_start(keeper()).build();
        let runtime = runtime.unwrap();
        let handle = runtime.handle().clone();
        let folder = tempfile::tempdir().unwrap();
        let started = within(folder.path().to_owned(), move || {
            let ask = || std::env::current_dir().unwrap();
            handle.block_on(async move { tokio::task::spawn_blocking(ask).await }).unwrap()
        });
        assert_eq!(started.unwrap(), before);
    }
}
