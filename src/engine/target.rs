//! What the engine runs tasks against. It does not know whether that is this process or an agent.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc::Sender;

use crate::diag::Result;
use crate::event::Progress;
use crate::modules::{Call, Failure, Outcome};
use crate::value::Map;

/// A host as seen by one (become) user.
#[async_trait]
pub trait Target: Send + Sync {
    /// Runs a module. What it tells on the way goes to `progress`. A lost connection is a
    /// failure whose diagnostic is of kind `Unreachable`. Dropping the future cancels the call.
    async fn invoke(&self, call: Call, progress: Sender<Progress>) -> Result<Outcome, Failure>;
}

/// A listener that is gone already: what is told on the way is not shown, and nothing waits for it. (As the argument of
/// a call, `mpsc::channel(1).0` would keep a receiver that nobody reads until the call has ended.)
pub fn unheard() -> Sender<Progress> {
    tokio::sync::mpsc::channel(1).0
}

/// How a target is reached: connection and become settings after templating and inheritance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TargetSpec {
    /// `inventory_hostname`.
    pub host: Arc<str>,
    /// `ssh` or `local`.
    pub connection: String,
    /// `ansible_host`; the inventory name if not set.
    pub address: String,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user` / `remote_user`.
    pub user: Option<String>,
    /// `ansible_ssh_private_key_file`.
    pub key_file: Option<String>,
    /// `ansible_ssh_common_args` and friends, split as a shell does.
    pub ssh_args: Vec<String>,
    /// `hostctl_host_key`: the pinned public key (`ssh-ed25519 AAAA...`).
    pub host_key: Option<String>,
    /// `ansible_ssh_host_key_checking` / `ansible_host_key_checking`; `None` is strict.
    pub host_key_checking: Option<bool>,
    /// Password for ssh, already learned by the redactor.
    pub password: Option<String>,
    /// Seconds to connect.
    pub timeout: Option<u64>,
    /// How often connecting is tried again (`ansible_ssh_retries`).
    pub retries: u32,
    /// The folder that modules run in on this machine (`local`): the playbook's. On others it is the login's home.
    pub folder: Option<PathBuf>,
    /// Become settings, if the task becomes.
    pub r#become: Option<Become>,
}

/// Privilege escalation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Become {
    /// `sudo` or `su`.
    pub method: String,
    /// The user to become.
    pub user: String,
    /// Password, already learned by the redactor.
    pub password: Option<String>,
    /// `become_flags`, split.
    pub flags: Vec<String>,
    /// `become_exe`.
    pub exe: Option<String>,
    /// Who is that user already becomes it all the same (`become_allow_same_user`).
    pub same_user: bool,
    /// `ansible_sudo_chdir`: the folder that `sudo` is started in.
    pub chdir: Option<String>,
    /// `ansible_su_prompt_l10n`: what `su` asks for a password with; empty for the known languages.
    pub prompts: Vec<String>,
}

/// Gives targets, opens connections when first needed, keeps one agent for each become user.
#[async_trait]
pub trait Targets: Send + Sync {
    /// The target of a spec. A diagnostic of kind `Unreachable` if it cannot be reached.
    async fn target(&self, spec: &TargetSpec) -> Result<Arc<dyn Target>>;
    /// Forgets a host's connections after it was lost or `meta: reset_connection`.
    async fn reset(&self, host: &str);
    /// Ends what runs as this user on the machine of a spec: somebody takes the user away.
    async fn dismiss(&self, spec: &TargetSpec, user: &str);
    /// Ends all connections and agents.
    async fn close(&self);
    /// What is known of a host's connection (agent path, versions), for `-vvv`.
    fn describe(&self, host: &str) -> Map;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_waits_for_a_listener_that_is_gone() {
        let output = || Progress::Output { stream: crate::event::Stream::Stdout, text: "x".to_owned() };
        let tell = |sender: Sender<Progress>| async move {
            for _ in 0..3 {
                assert!(sender.send(output()).await.is_err());
            }
        };
        tell(unheard()).await;
    }
}
