//! The engine's targets: connections opened when first needed, agents kept for the run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::join_all;

use super::client::Agent;
use super::in_process::InProcess;
use super::launch::{Launch, launch};
use super::payload::Program;
use super::run::{Find, Leaving};
use crate::connection::{Connection, Local, Ssh, SshOptions};
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::{Become, Target, TargetSpec, Targets};
use crate::modules;
use crate::system::{accounts, folder};
use crate::value::{Map, Value, insert};

/// What a [`Pool`] is made of.
#[derive(Clone)]
pub struct Options {
    /// hostctl's own file: shipped as agent, and ssh's helper for passwords.
    pub program: PathBuf,
    /// Takes warnings, such as host-key checking that was turned off.
    pub warn: Arc<dyn Fn(Diagnostic) + Send + Sync>,
    /// Takes what is done to reach a host and a user, for those who look closely: the host, a line of text.
    pub trace: Arc<dyn Fn(&Arc<str>, String) + Send + Sync>,
    /// Set where this process is told to end and image builds shall go on without it.
    pub leaving: Leaving,
}

impl Options {
    /// This process's own file. Warnings go to `warn`.
    pub fn new(warn: Arc<dyn Fn(Diagnostic) + Send + Sync>) -> Self {
        // Through the process, since the file may be replaced while we run; and not `self`,
        // which would mean ssh when ssh opens it.
        let trace = Arc::new(|_: &Arc<str>, _| {});
        Self { program: format!("/proc/{}/exe", std::process::id()).into(), warn, trace, leaving: Leaving::default() }
    }
}

/// A place for something that is made by the first who needs it.
type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;
type Slots<T> = Mutex<HashMap<TargetSpec, Slot<T>>>;

fn slot<T>(slots: &Slots<T>, key: TargetSpec) -> Slot<T> {
    Arc::clone(lock(slots).entry(key).or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what the slots of these specs hold.
async fn take<T>(slots: &Slots<T>, chosen: impl Fn(&TargetSpec) -> bool) -> Vec<T> {
    let mut taken = Vec::new();
    lock(slots).retain(|spec, slot| {
        let goes = chosen(spec);
        if goes {
            taken.push(Arc::clone(slot));
        }
        !goes
    });
    let mut found = Vec::new();
    for slot in taken {
        found.extend(slot.lock().await.take());
    }
    found
}

/// All targets of a run.
pub struct Pool {
    options: Options,
    program: Program,
    find: Find,
    connections: Slots<Arc<dyn Connection>>,
    agents: Slots<Arc<Agent>>,
    warned: Arc<Mutex<Vec<String>>>,
}

impl Pool {
    /// A pool without connections.
    pub fn new(options: Options) -> Self {
        Self {
            program: Program::new(options.program.clone()),
            options,
            find: modules::find,
            connections: Mutex::default(),
            agents: Mutex::default(),
            warned: Arc::default(),
        }
    }

    fn ssh_options(&self) -> SshOptions {
        let (warned, warn) = (Arc::clone(&self.warned), Arc::clone(&self.options.warn));
        SshOptions {
            program: self.options.program.clone(),
            // The same setting for many hosts is one warning.
            warn: Arc::new(move |diagnostic| {
                let mut warned = lock(&warned);
                if !warned.contains(&diagnostic.message) {
                    warned.push(diagnostic.message.clone());
                    drop(warned);
                    warn(diagnostic);
                }
            }),
        }
    }

    /// The connection of a key: shared by all become users if the key has none.
    async fn connection(&self, spec: &TargetSpec) -> Result<Arc<dyn Connection>> {
        let slot = slot(&self.connections, spec.clone());
        let mut place = slot.lock().await;
        if let Some(connection) = &*place {
            if connection.alive().await {
                return Ok(Arc::clone(connection));
            }
            connection.close().await;
        }
        let connection: Arc<dyn Connection> = match spec.connection.as_str() {
            "local" => Arc::new(Local { folder: spec.folder.clone() }),
            "ssh" | "smart" | "paramiko" | "ansible.builtin.ssh" | "ansible.builtin.paramiko_ssh" => {
                let options = self.ssh_options();
                let mut tries = 0;
                loop {
                    match Ssh::connect(spec, &options).await {
                        Ok(connection) => break Arc::new(connection),
                        Err(error) => {
                            let pause = pause(spec, &error, tries).ok_or(error)?;
                            tries += 1;
                            tokio::time::sleep(pause).await;
                        }
                    }
                }
            }
            other => {
                let message = format!("`{}` has the connection `{other}`, which is not supported", spec.host);
                return Err(Diagnostic::new("S0115", Kind::Unreachable, message)
                    .with_nearest(other, ["ssh", "local"])
                    .with_hint("set `ansible_connection` to `ssh` or `local`"));
            }
        };
        *place = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

/// How long to wait before connecting is tried once more, as Ansible does; `None` if it is not.
fn pause(spec: &TargetSpec, error: &Diagnostic, tries: u32) -> Option<std::time::Duration> {
    // Another try with a wrong password may lock the account.
    let locks = error.code == "S0104" && spec.password.is_some();
    let again = tries < spec.retries && error.kind == Kind::Unreachable && !locks;
    again.then(|| std::time::Duration::from_secs(2_u64.saturating_pow(tries).saturating_sub(1).min(30)))
}

fn is_local(spec: &TargetSpec) -> bool {
    matches!(spec.connection.as_str(), "local" | "ansible.builtin.local")
}

/// The become of a spec, if it leads to another user than the one who logs in.
fn effective(spec: &TargetSpec) -> Option<&Become> {
    let wanted = spec.r#become.as_ref()?;
    let same = if is_local(spec) {
        let own = rustix::process::geteuid().as_raw();
        accounts::account_of_uid(own).is_some_and(|user| user.name == wanted.user)
    } else {
        spec.user.as_deref() == Some(wanted.user.as_str())
    };
    (!same || wanted.same_user).then_some(wanted)
}

/// The path of our own file, if the user to become can run it there.
fn runnable_in_place(program: &Path, user: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    // Through `/proc/PID/exe` too; a file that was deleted since is not found.
    let file = std::fs::canonicalize(program).ok()?;
    let open =
        |path: &Path, bits: u32| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & bits == bits);
    let ways_open = file.ancestors().skip(1).all(|folder| open(folder, 0o001));
    (user == "root" || (open(&file, 0o005) && ways_open)).then(|| file.to_str().map(str::to_owned)).flatten()
}

#[async_trait]
impl Targets for Pool {
    async fn target(&self, spec: &TargetSpec) -> Result<Arc<dyn Target>> {
        let wanted = effective(spec);
        if is_local(spec) && wanted.is_none() {
            let own = std::env::current_dir().ok();
            let folder = spec.folder.clone().filter(|folder| own.as_ref() != Some(folder));
            if folder.is_none() || folder::may_differ() {
                return Ok(Arc::new(InProcess { find: self.find, folder, leaving: self.options.leaving.clone() }));
            }
        }
        let mut key = TargetSpec { r#become: wanted.cloned(), ..spec.clone() };
        if is_local(spec) {
            "local".clone_into(&mut key.connection);
        }
        let slot = slot(&self.agents, key.clone());
        let mut place = slot.lock().await;
        if let Some(agent) = place.as_ref().filter(|agent| agent.is_open()) {
            return Ok(Arc::clone(agent) as Arc<dyn Target>);
        }
        let direct = match wanted {
            _ if !is_local(spec) => None,
            Some(wanted) => runnable_in_place(self.program.path(), &wanted.user),
            None => std::fs::canonicalize(self.program.path()).ok().and_then(|path| path.to_str().map(str::to_owned)),
        };
        let start = async |connection| {
            let (host, direct) = (Arc::clone(&spec.host), direct.clone());
            let leaving = self.options.leaving.clone();
            launch(&Launch { host, connection, program: &self.program, wanted, direct, leaving }).await
        };
        if let Some(wanted) = wanted {
            (self.options.trace)(&spec.host, format!("EXEC {}", super::elevate::elevation(Some(wanted), "...")?.exec));
        }
        let shared = TargetSpec { r#become: None, ..key.clone() };
        let agent = match start(self.connection(&shared).await?).await {
            // As many channels as the server allows on one connection: take another.
            Err(refused) if refused.code == "S0116" && wanted.is_some() => start(self.connection(&key).await?).await?,
            other => other?,
        };
        *place = Some(Arc::clone(&agent));
        Ok(agent)
    }

    async fn reset(&self, host: &str) {
        let agents = take(&self.agents, |spec| &*spec.host == host).await;
        join_all(agents.iter().map(|agent| agent.close())).await;
        let connections = take(&self.connections, |spec| &*spec.host == host).await;
        join_all(connections.iter().map(|connection| connection.close())).await;
    }

    async fn dismiss(&self, spec: &TargetSpec, user: &str) {
        let same = |other: &TargetSpec| {
            other.r#become.as_ref().is_some_and(|wanted| wanted.user == user)
                && is_local(other) == is_local(spec)
                && (is_local(spec) || other.address == spec.address)
        };
        let agents = take(&self.agents, same).await;
        join_all(agents.iter().map(|agent| agent.close())).await;
    }

    async fn close(&self) {
        let agents = take(&self.agents, |_| true).await;
        join_all(agents.iter().map(|agent| agent.close())).await;
        let connections = take(&self.connections, |_| true).await;
        join_all(connections.iter().map(|connection| connection.close())).await;
    }

    fn describe(&self, host: &str) -> Map {
        let mut map = Map::new();
        for (spec, slot) in lock(&self.connections).iter().filter(|(spec, _)| &*spec.host == host) {
            insert(&mut map, "connection", spec.connection.as_str());
            if let Some(connection) = slot.try_lock().ok().and_then(|place| place.clone()) {
                map.extend(connection.describe());
            }
        }
        let mut agents = Vec::new();
        for (spec, slot) in lock(&self.agents).iter().filter(|(spec, _)| &*spec.host == host) {
            let Some(agent) = slot.try_lock().ok().and_then(|place| place.clone()) else { continue };
            let hello = agent.hello();
            agents.push(Value::from(crate::map! {
                "become" => spec.r#become.as_ref().map(|wanted| wanted.user.as_str()),
                "path" => hello.path.as_str(),
                "pid" => hello.pid,
                "uid" => hello.uid,
                "version" => hello.version.as_str(),
            }));
        }
        insert(&mut map, "agents", agents);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becoming_oneself_is_no_become() {
        let wanted = |user: &str| Some(Become { method: "sudo".into(), user: user.into(), ..Become::default() });
        let spec = |connection: &str, user: Option<&str>, target: &str| TargetSpec {
            connection: connection.to_owned(),
            user: user.map(str::to_owned),
            r#become: wanted(target),
            ..TargetSpec::default()
        };
        assert!(effective(&spec("ssh", Some("deploy"), "deploy")).is_none());
        assert!(effective(&spec("ssh", None, "root")).is_some(), "ssh's configuration may name any user");
        assert!(effective(&spec("ssh", Some("deploy"), "root")).is_some());
    }

    #[test]
    fn connecting_is_tried_as_often_as_wanted_and_no_longer_than_it_helps() {
        let spec = |password: bool| TargetSpec {
            retries: 7,
            password: password.then(|| "x".to_owned()),
            ..TargetSpec::default()
        };
        let away = Diagnostic::new("S0106", Kind::Unreachable, "refused");
        let pauses: Vec<_> =
            (0..9).map(|tries| pause(&spec(true), &away, tries).map(|pause| pause.as_secs())).collect();
        assert_eq!(pauses, [Some(0), Some(1), Some(3), Some(7), Some(15), Some(30), Some(30), None, None]);
        let refused = Diagnostic::new("S0104", Kind::Unreachable, "wrong password");
        assert!(pause(&spec(true), &refused, 0).is_none() && pause(&spec(false), &refused, 0).is_some());
        assert!(pause(&spec(false), &Diagnostic::local("S0101", "no ssh"), 0).is_none());
    }

    #[test]
    fn a_file_in_a_closed_folder_is_not_run_in_place_by_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let file = folder.path().join("hostctl");
        std::fs::copy("/bin/true", &file).unwrap();
        assert_eq!(runnable_in_place(&file, "nobody"), None);
        assert!(runnable_in_place(&file, "root").is_some());
        assert!(runnable_in_place("/bin/sh".as_ref(), "nobody").is_some());
    }
}
