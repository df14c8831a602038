//! Connections by the ssh program: one master for each host, channels through its socket.
//!
//! The master is started by us, since the crate's builder can carry neither a password nor
//! extra options nor host-key settings for jump hosts; the crate attaches to its socket.

mod askpass;
mod config;
mod control;
mod failure;
mod master;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openssh::{Session, Stdio};

use super::{Connection, Duplex};
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::TargetSpec;
use crate::map;
use crate::value::Map;

pub use askpass::{ASKPASS_VARIABLE, main as askpass};
pub(crate) use control::Control;
use master::Master;

/// How long the master may take to say that it lives.
const LOOK: Duration = Duration::from_secs(5);

/// What connections share in a run.
#[derive(Clone)]
pub struct Options {
    /// hostctl's own file: it is also the helper that hands passwords to ssh.
    pub program: std::path::PathBuf,
    /// Takes warnings, such as host-key checking that was turned off.
    pub warn: Arc<dyn Fn(Diagnostic) + Send + Sync>,
}

/// A connection to one host.
pub struct Ssh {
    session: Arc<Session>,
    master: Master,
    host: Arc<str>,
}

impl Ssh {
    /// Logs in. The become settings of the spec are not looked at.
    pub async fn connect(spec: &TargetSpec, options: &Options) -> Result<Self> {
        let master = master::start(spec, options).await?;
        let socket = master.socket().into_boxed_path();
        let session = Arc::new(Session::resume_mux(socket, None));
        Ok(Self { session, master, host: Arc::clone(&spec.host) })
    }

    async fn channel_failed(&self, error: &openssh::Error) -> Diagnostic {
        let reason = self.lost_reason().await;
        if self.alive().await {
            let text = reason.unwrap_or_else(|| error.to_string());
            return Diagnostic::new("S0116", Kind::Unreachable, format!("`{}` refused a channel: {text}", self.host))
                .with_hint("the server's `MaxSessions` limits how many users one connection may become (sshd: 10)");
        }
        let text = reason.unwrap_or_else(|| "the ssh process is gone".to_owned());
        Diagnostic::new("S0201", Kind::Unreachable, format!("the connection to `{}` was lost: {text}", self.host))
    }
}

#[async_trait]
impl Connection for Ssh {
    async fn duplex(&self, command: &str) -> Result<Duplex> {
        let child = Session::to_raw_command(Arc::clone(&self.session), command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await;
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return Err(self.channel_failed(&error).await),
        };
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin().take(), child.stdout().take(), child.stderr().take())
        else {
            return Err(Diagnostic::internal("a channel without its pipes"));
        };
        Ok(Duplex {
            input: Box::new(input),
            output: Box::new(output),
            errors: Box::new(errors),
            ended: Box::pin(async move {
                match child.wait().await {
                    Ok(status) => status.code(),
                    // The crate's words for exit code 127.
                    Err(openssh::Error::Remote(error)) if error.kind() == std::io::ErrorKind::NotFound => Some(127),
                    Err(_) => None,
                }
            }),
        })
    }

    async fn alive(&self) -> bool {
        // The answer comes from the master on this machine.
        tokio::time::timeout(LOOK, self.session.check()).await.is_ok_and(|checked| checked.is_ok())
    }

    async fn lost_reason(&self) -> Option<String> {
        self.master.last_line().await
    }

    async fn close(&self) {
        self.master.exit().await;
    }

    fn describe(&self) -> Map {
        map! {
            "connection" => "ssh",
            "address" => self.master.address(),
            "socket" => self.master.socket().display().to_string(),
        }
    }
}
