//! This machine: programs started by `/bin/sh`.

use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;

use super::{Connection, Duplex};
use crate::diag::{Diagnostic, Kind, Result};
use crate::map;
use crate::value::Map;

/// This machine.
#[derive(Debug, Default)]
pub struct Local {
    /// Where programs start; otherwise in this process's own folder.
    pub folder: Option<PathBuf>,
}

#[async_trait]
impl Connection for Local {
    async fn duplex(&self, command: &str) -> Result<Duplex> {
        let failed = |what: String| Diagnostic::new("S0209", Kind::Unreachable, what);
        let mut program = tokio::process::Command::new("/bin/sh");
        if let Some(folder) = &self.folder {
            program.current_dir(folder);
        }
        let mut child = program
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is for hostctl, which then ends its agents in order.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(format!("`/bin/sh` could not be started on this machine: {error}")))?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Diagnostic::internal("a child without its pipes"));
        };
        Ok(Duplex {
            input: Box::new(input),
            output: Box::new(output),
            errors: Box::new(errors),
            ended: Box::pin(async move { child.wait().await.ok().and_then(|status| status.code()) }),
        })
    }

    async fn alive(&self) -> bool {
        true
    }

    async fn lost_reason(&self) -> Option<String> {
        None
    }

    async fn close(&self) {}

    fn describe(&self) -> Map {
        map! { "connection" => "local" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn exec_returns_both_streams_and_the_code() {
        let output = Local::default().exec("cat; echo out; echo err >&2; exit 3").await.unwrap();
        assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (Some(3), "out\n", "err\n"));
        assert_eq!(Local::default().exec("kill -9 $$").await.unwrap().status, None);
    }

    #[tokio::test]
    async fn upload_sends_the_whole_file_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, vec![b'x'; 300_000]).unwrap();
        assert_eq!(Local::default().upload("wc -c", &file).await.unwrap().stdout.trim(), "300000");
        assert_eq!(Local::default().upload("exit 4", &file).await.unwrap().status, Some(4), "an early end is no hang");
    }
}
