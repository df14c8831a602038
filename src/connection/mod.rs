//! Moves bytes to a host: exec, upload, duplex. Knows nothing of tasks.
//!
//! `local` runs programs on this machine, `ssh` through the user's own ssh program and
//! configuration. Both run a command line by the login shell of the other side.

mod local;
mod ssh;

use std::path::Path;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::diag::{Diagnostic, Result};
use crate::value::Map;

pub use local::Local;
pub use ssh::{ASKPASS_VARIABLE, Options as SshOptions, Ssh, askpass};

/// Kept of each stream of [`Connection::exec`].
const KEEP: u64 = 1 << 20;

/// A program on the other side with its three streams.
pub struct Duplex {
    /// Its standard input; dropping it is the end of input.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub errors: Box<dyn AsyncRead + Send + Unpin>,
    /// Its exit code; `None` if a signal or the connection's loss ended it.
    pub ended: BoxFuture<'static, Option<i32>>,
}

/// A program that ended.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its exit code; `None` if a signal or the connection's loss ended it.
    pub status: Option<i32>,
    /// What it wrote, up to 1 MiB.
    pub stdout: String,
    /// What it wrote to standard error, up to 1 MiB.
    pub stderr: String,
}

/// A way to a host.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Starts a command line with all three streams connected.
    async fn duplex(&self, command: &str) -> Result<Duplex>;

    /// Whether the way is still open.
    async fn alive(&self) -> bool;

    /// Why it was lost, in the words of the program that carried it, if it told.
    async fn lost_reason(&self) -> Option<String>;

    /// Ends it.
    async fn close(&self);

    /// What is known of it, for `-vvv`.
    fn describe(&self) -> Map;

    /// Runs a command line to its end, without input.
    async fn exec(&self, command: &str) -> Result<Output> {
        let duplex = self.duplex(command).await?;
        drop(duplex.input);
        collect(duplex.output, duplex.errors, duplex.ended).await
    }

    /// Runs a command line to its end with a file as its input.
    async fn upload(&self, command: &str, file: &Path) -> Result<Output> {
        let mut source = tokio::fs::File::open(file).await.map_err(|error| {
            Diagnostic::local("S0208", format!("hostctl cannot read `{}`: {error}", file.display()))
        })?;
        let duplex = self.duplex(command).await?;
        let mut input = duplex.input;
        let send = async move {
            // A command that ended early says why in its output and exit code.
            let _ = tokio::io::copy(&mut source, &mut input).await;
            let _ = input.shutdown().await;
        };
        let (output, ()) = tokio::join!(collect(duplex.output, duplex.errors, duplex.ended), send);
        output
    }
}

async fn collect(
    mut output: Box<dyn AsyncRead + Send + Unpin>,
    mut errors: Box<dyn AsyncRead + Send + Unpin>,
    ended: BoxFuture<'static, Option<i32>>,
) -> Result<Output> {
    let (stdout, stderr) = tokio::join!(read_some(&mut output), read_some(&mut errors));
    Ok(Output { status: ended.await, stdout, stderr })
}

/// Reads to the end; keeps the beginning.
async fn read_some(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut kept = Vec::new();
    // A broken stream ends like a short one: the exit code tells the difference.
    let _ = (&mut *stream).take(KEEP).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}
