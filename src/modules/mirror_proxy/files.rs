//! The proxy's files and user.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::service::Manager;
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::map;
use crate::mirror::Config;
use crate::modules::cx::Cx;
use crate::system::tool::{FileState, OwnFile, has_tool, passwd_ids};
use crate::value::Map;

/// The user that all proxies of a host run as.
pub(super) const USER: &str = "hostctl-mirror";

const CONFIG_FOLDER: &str = "/etc/hostctl";
const PROGRAM_FOLDER: &str = "/usr/local/libexec/hostctl";

/// Where everything of one proxy is.
pub(super) struct Layout {
    pub service: String,
    pub program: PathBuf,
    pub config: PathBuf,
    pub credentials: PathBuf,
    pub ca: PathBuf,
    pub pid_file: PathBuf,
    pub log_file: PathBuf,
    pub unit: PathBuf,
    pub init_script: PathBuf,
}

impl Layout {
    pub(super) fn new(name: &str) -> Self {
        let service = format!("hostctl-{name}");
        let config = |suffix: &str| PathBuf::from(format!("{CONFIG_FOLDER}/{name}.{suffix}"));
        Self {
            program: PathBuf::from(format!("{PROGRAM_FOLDER}/{service}")),
            config: config("json"),
            credentials: config("credentials"),
            ca: config("ca.pem"),
            pid_file: PathBuf::from(format!("/run/{service}.pid")),
            log_file: PathBuf::from(format!("/var/log/{service}.log")),
            unit: PathBuf::from(format!("/etc/systemd/system/{service}.service")),
            init_script: PathBuf::from(format!("/etc/init.d/{service}")),
            service,
        }
    }
}

/// What is to be there.
pub(super) struct Install<'a> {
    pub layout: &'a Layout,
    pub manager: Manager,
    pub config: &'a Config,
    pub text: &'a str,
    pub credentials: Option<String>,
    pub ca: Option<Vec<u8>>,
    pub unit_changed: Cell<bool>,
}

impl Install<'_> {
    /// Brings user and files into their state. True if the running proxy knows them no more.
    pub(super) fn apply(&self, cx: &Cx) -> Result<bool> {
        let layout = self.layout;
        user(cx)?;
        let (uid, gid) = passwd_ids(USER).unwrap_or((0, 0));
        for folder in [CONFIG_FOLDER, PROGRAM_FOLDER] {
            if !Path::new(folder).is_dir() {
                cx.change(format!("make the folder {folder}"), |mutate| mutate.make_folder(Path::new(folder)))?;
            }
        }
        let mut outdated = program(cx, layout)?;
        let root = |path: &Path, content: Vec<u8>, mode: u32| OwnFile {
            path: path.to_owned(),
            content,
            mode,
            owner: (0, 0),
            secret: false,
        };
        outdated |= keep(cx, &root(&layout.config, self.text.into(), 0o644))?;
        match &self.credentials {
            Some(text) => {
                let owner = if self.manager.hands_over_credentials() { (0, 0) } else { (uid, gid) };
                let content = text.clone().into_bytes();
                let file = OwnFile { path: layout.credentials.clone(), content, mode: 0o600, owner, secret: true };
                outdated |= keep(cx, &file)?;
            }
            None => outdated |= drop_file(cx, &layout.credentials)?,
        }
        match &self.ca {
            Some(content) => outdated |= keep(cx, &root(&layout.ca, content.clone(), 0o644))?,
            None => outdated |= drop_file(cx, &layout.ca)?,
        }
        let (path, text, mode) = self.manager.unit(layout, self.config, self.credentials.is_some());
        let changed = keep(cx, &root(path, text.into_bytes(), mode))?;
        self.unit_changed.set(changed);
        Ok(outdated | changed)
    }
}

fn user(cx: &Cx) -> Result<()> {
    if passwd_ids(USER).is_some() {
        return Ok(());
    }
    cx.change(format!("create the user {USER}"), |mutate| {
        let shell = ["/usr/sbin/nologin", "/sbin/nologin", "/bin/false"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .unwrap_or("/bin/false");
        let made = mutate.run_tool(
            "useradd",
            &[
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                shell,
                "--comment",
                "hostctl mirror proxy",
                USER,
            ],
        )?;
        made.checked().map(drop)
    })?;
    Ok(())
}

/// The root-owned copy of this program.
fn program(cx: &Cx, layout: &Layout) -> Result<bool> {
    let own = crate::system::own_binary::path()?;
    let cannot = |error: std::io::Error| {
        Diagnostic::task("H0306", format!("cannot read the program's own file `{}`: {error}", own.display()))
    };
    let content = std::fs::read(&own).map_err(cannot)?;
    let file = OwnFile { path: layout.program.clone(), content, mode: 0o755, owner: (0, 0), secret: true };
    let state = cx.probe().own_file_state(&file)?;
    if state == FileState::Same {
        return Ok(false);
    }
    cx.diff(Diff {
        before_header: layout.program.display().to_string(),
        after_header: layout.program.display().to_string(),
        before: if state == FileState::Missing { String::new() } else { "(another program)\n".to_owned() },
        after: format!("(hostctl {}, {} bytes)\n", env!("CARGO_PKG_VERSION"), file.content.len()),
        ..Diff::default()
    });
    cx.change(format!("install {}", layout.program.display()), |mutate| mutate.put_own_file(&file))?;
    Ok(true)
}

/// Keeps one file; true if it was changed.
fn keep(cx: &Cx, file: &OwnFile) -> Result<bool> {
    let state = cx.probe().own_file_state(file)?;
    let name = file.path.display().to_string();
    let hidden = "(content not shown)\n";
    let (what, before, after) = match state {
        FileState::Same => return Ok(false),
        FileState::Missing if file.secret => ("create", String::new(), hidden.to_owned()),
        FileState::Missing => ("create", String::new(), String::from_utf8_lossy(&file.content).into_owned()),
        FileState::Content(_) if file.secret => {
            ("change", "(other content, not shown)\n".to_owned(), hidden.to_owned())
        }
        FileState::Content(old) => ("change", old, String::from_utf8_lossy(&file.content).into_owned()),
        FileState::Attributes(old) => (
            "change mode and owner of",
            format!("{old}\n"),
            format!("mode {:04o}, owner {}:{}\n", file.mode, file.owner.0, file.owner.1),
        ),
    };
    cx.diff(Diff { before_header: name.clone(), after_header: name.clone(), before, after, ..Diff::default() });
    cx.change(format!("{what} {name}"), |mutate| mutate.put_own_file(file))?;
    Ok(true)
}

fn drop_file(cx: &Cx, path: &Path) -> Result<bool> {
    if path.symlink_metadata().is_err() {
        return Ok(false);
    }
    cx.change(format!("remove {}", path.display()), |mutate| mutate.remove_file(path))?;
    Ok(true)
}

/// Ends the proxy and removes all of it; the user too, if no other proxy is left.
pub(super) fn remove(cx: &Cx, layout: &Layout, manager: Manager) -> Result<Map> {
    manager.end(cx, layout)?;
    for path in [
        &layout.unit,
        &layout.init_script,
        &layout.config,
        &layout.credentials,
        &layout.ca,
        &layout.program,
        &layout.pid_file,
        &layout.log_file,
    ] {
        drop_file(cx, path)?;
    }
    manager.forget(cx)?;
    if passwd_ids(USER).is_some() && !others(layout) && has_tool("userdel") {
        cx.change(format!("remove the user {USER}"), |mutate| {
            mutate.run_tool("userdel", &[USER])?.checked().map(drop)
        })?;
    }
    cx.scratch(|_| {
        // Empty folders only: other files of hostctl keep theirs.
        let _ = std::fs::remove_dir(PROGRAM_FOLDER);
        let _ = std::fs::remove_dir(CONFIG_FOLDER);
        Ok(())
    })?;
    Ok(map! { "state" => "absent", "service" => layout.service.clone() })
}

/// True if the host has another proxy.
fn others(layout: &Layout) -> bool {
    std::fs::read_dir(PROGRAM_FOLDER).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let path = entry.path();
            path != layout.program
                && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
                    name.strip_prefix("hostctl-")
                        .is_some_and(|name| Path::new(&format!("{CONFIG_FOLDER}/{name}.json")).exists())
                })
        })
    })
}
