//! The user's editor on a vault's clear text: a private folder in memory that never stays behind,
//! and an edit that is never lost.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::output::Output;
use crate::diag::{Diagnostic, Kind, Result};
use crate::ops::{self, Edited};
use crate::vault::{Keyring, Vault};

/// Folders of running edits; locked while they live.
const PREFIX: &str = "hostctl-vault-";
/// Folders that keep an edit that was refused twice.
const KEPT: &str = "hostctl-kept-";
/// Bytes of an edited text, at most.
const MOST: u64 = 1 << 30;
/// How long an editor may take to end when hostctl is ended.
const PATIENCE: Duration = Duration::from_secs(3);

fn wrong(what: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::local("C0108", format!("{what}: {error}")).with_hint("nothing was changed")
}

/// Lets the user edit until the vault takes the text, twice at most; false if nothing changed.
pub(super) fn session(vault: &mut Vault, keyring: &Keyring, output: &Output) -> Result<bool> {
    let base = base();
    let mut from: Option<String> = None;
    loop {
        let again = from.is_some();
        let edited = ops::edit(vault, keyring, from.as_deref(), &mut |text| edit(&base, text));
        let (error, text) = match (edited, from) {
            (Ok(Edited::Changed), _) => return Ok(true),
            (Ok(Edited::Unchanged), _) => return Ok(false),
            (Ok(Edited::Refused(error, text)), _) => (error, text),
            // The editor failed on the text of the first edit: that one is kept.
            (Err(error), Some(text)) => (error, text),
            (Err(error), None) => return Err(error),
        };
        if again || error.code == "C0109" {
            return Err(keep(&base, error, text.as_bytes()));
        }
        output.fail(&error);
        if !ask_again(output) {
            return Err(keep(&base, error, text.as_bytes()));
        }
        from = Some(text);
    }
}

/// Waits for the user before the editor hides the message; false if there is nobody to ask.
fn ask_again(output: &Output) -> bool {
    let term = console::Term::stderr();
    if !term.is_term() {
        return true;
    }
    output.note("press Enter to edit it again\n");
    term.read_line().is_ok()
}

/// In memory where the machine has such a folder, so that no disk sees the clear text.
fn base() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() }
}

/// A folder that only this user may enter.
fn private(base: &Path, prefix: &str) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(base)
        .map_err(|error| wrong("cannot make a private folder", &error))
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text))
        .map_err(|error| wrong("cannot write the clear text", &error))
}

/// Puts a refused edit where the user finds it.
fn keep(base: &Path, error: Diagnostic, text: &[u8]) -> Diagnostic {
    let kept = private(base, KEPT).and_then(|dir| write(&dir.path().join("secrets.yml"), text).map(|()| dir));
    match kept {
        Ok(dir) => {
            let path = dir.keep().join("secrets.yml");
            error
                .with_note(format!("your edit is kept, in clear, in {}", path.display()))
                .with_hint("mend it there and paste it in when you edit again; then remove the file")
        }
        Err(lost) => error.with_note(format!("your edit could not be kept: {}", lost.message)),
    }
}

/// Removes the folders of edits whose hostctl was killed.
pub(super) fn sweep_left() {
    sweep(&base());
}

/// Nobody holds the lock of such a folder any more.
fn sweep(base: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let Ok(meta) = std::fs::symlink_metadata(entry.path()) else { continue };
        // One that was made just now may not be locked yet.
        let fresh =
            meta.modified().ok().and_then(|at| at.elapsed().ok()).is_none_or(|age| age < Duration::from_secs(5));
        if !ours || !meta.is_dir() || meta.uid() != own || fresh {
            continue;
        }
        if File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
            // What cannot be removed now is tried again by the next edit.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Lets the user edit bytes once with this editor; what it left, and how it ended. The file has this extension.
pub(super) fn once(editor: &str, clear: &[u8], extension: Option<&str>) -> Result<(Vec<u8>, ExitStatus)> {
    // Without a program the shell would run the text itself.
    let editor = if editor.trim().is_empty() { "vi" } else { editor };
    let name = extension.map_or_else(|| "secrets".to_owned(), |end| format!("secrets.{end}"));
    let (bytes, status) = open(&base(), editor, &name, clear)?;
    if matches!(status.code(), Some(126 | 127)) {
        let told = format!("Unable to execute the command \"{editor} {name}\": it ended with {status}");
        return Err(Diagnostic::local("C0108", format!("the editor `{editor}` cannot be started"))
            .with_hint("nothing was changed; name another: `EDITOR=vi`")
            .with_registered(told));
    }
    Ok((bytes, status))
}

/// Keeps a text that could not be written; the error says where.
pub(super) fn keep_aside(error: Diagnostic, text: &[u8]) -> Diagnostic {
    keep(&base(), error, text)
}

/// Lets the user of a vault edit its text.
fn edit(base: &Path, clear: &str) -> Result<String> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty()))
        .unwrap_or_else(|| "vi".to_owned());
    let (bytes, status) = open(base, &editor, "secrets.yml", clear.as_bytes())?;
    if !status.success() {
        return Err(Diagnostic::local("C0108", format!("the editor `{editor}` ended with {status}"))
            .with_hint("nothing was changed"));
    }
    String::from_utf8(bytes)
        .map_err(|_| Diagnostic::local("C0108", "the edited text is not UTF-8").with_hint("nothing was changed"))
}

/// Opens a private file in an editor and reads it back.
fn open(base: &Path, editor: &str, name: &str, clear: &[u8]) -> Result<(Vec<u8>, ExitStatus)> {
    let dir = private(base, PREFIX)?;
    let lock = File::open(dir.path()).map_err(|error| wrong("cannot make a private folder", &error))?;
    // Where locks are unknown nothing is swept either.
    let _ = lock.try_lock();
    let path = dir.path().join(name);
    write(&path, clear)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| wrong("cannot start the runtime", &error))?;
    let ended = runtime.block_on(run(editor, &path));
    match ended.map_err(|error| wrong(&format!("cannot start the editor `{editor}`"), &error))? {
        Ended::Done(status) => {
            // An editor may have put anything in its place.
            let bytes = crate::diag::read::read_capped(&path, MOST)
                .map_err(|error| wrong("cannot read the edited text", &error))?;
            Ok((bytes, status))
        }
        Ended::Stopped => Err(Diagnostic::new("C0109", Kind::Interrupted, "the edit was ended from outside")
            .with_note("the text in clear was removed; nothing was changed")),
    }
}

enum Ended {
    Done(ExitStatus),
    /// hostctl was told to end.
    Stopped,
}

/// Runs the editor. Interrupt and quit are the editor's: the terminal sends them to both. Terminate
/// and hangup end it, so that the folder can be removed.
async fn run(editor: &str, path: &Path) -> std::io::Result<Ended> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // As git and ansible-vault do: the variable may hold arguments, the shell splits them.
    let mut child = tokio::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("editor")
        .arg(path)
        .spawn()?;
    let pid = child.id();
    loop {
        tokio::select! {
            status = child.wait() => return Ok(Ended::Done(status?)),
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
        }
    }
    let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) else { return Ok(Ended::Stopped) };
    let all = family(pid);
    send(&all, Signal::TERM);
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
        send(&all, Signal::KILL);
        let _ = child.wait().await;
    }
    // The shell may have ended before its editor.
    send(&all[1..], Signal::KILL);
    Ok(Ended::Stopped)
}

fn send(pids: &[i32], signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // One that has ended already is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

/// A process and all below it.
fn family(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", all[at])).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_nobody_uses_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let old = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now() - Duration::from_mins(1));
        let make = |name: &str| {
            let path = base.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("secrets.yml"), "a: clear\n").unwrap();
            let folder = File::open(&path).unwrap();
            folder.set_times(old).unwrap();
            (path, folder)
        };
        let (stale, _) = make("hostctl-vault-dead00");
        let (used, lock) = make("hostctl-vault-alive0");
        lock.try_lock().unwrap();
        let (other, _) = make("hostctl-kept-abc000");
        sweep(base.path());
        assert!(!stale.exists() && used.exists() && other.exists());
    }

    #[test]
    fn what_an_editor_leaves_may_be_no_file() {
        for left in ["mkfifo \"$1\"", "ln -s /dev/zero \"$1\"", "truncate -s 2G \"$1\""] {
            let error = once(&format!("sh -c 'rm \"$1\"; {left}' sh"), b"clear", None).unwrap_err();
            assert_eq!(error.code, "C0108", "{left}: {error}");
        }
    }

    #[test]
    fn the_clear_text_is_private() {
        let base = tempfile::tempdir().unwrap();
        let dir = private(base.path(), PREFIX).unwrap();
        write(&dir.path().join("secrets.yml"), b"a: b\n").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(dir.path()), mode(&dir.path().join("secrets.yml"))), (0o700, 0o600));
        let error = keep(base.path(), Diagnostic::local("V0011", "refused"), b"a: 'b\n");
        let note = error.notes.iter().find(|note| note.contains("is kept")).unwrap();
        let path = Path::new(note.rsplit(' ').next().unwrap());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a: 'b\n");
        assert_eq!(mode(path), 0o600);
    }
}
