//! The file that is shipped to hosts: this very program, known by its hash.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::diag::{Diagnostic, Result};

/// Hash and size of the agent's file.
#[derive(Debug)]
pub(super) struct Payload {
    /// Where it can be read.
    pub(super) path: PathBuf,
    /// Hex.
    pub(super) sha256: String,
    /// Bytes.
    pub(super) size: u64,
}

/// Makes a [`Payload`] when it is first needed.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    payload: OnceCell<Arc<Payload>>,
}

/// The hex SHA-256 of a file.
pub(super) fn hash_of(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}

impl Program {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, payload: OnceCell::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn payload(&self) -> Result<Arc<Payload>> {
        let make = async || {
            let path = self.path.clone();
            let read = tokio::task::spawn_blocking(move || {
                let size = std::fs::metadata(&path)?.len();
                Ok::<_, io::Error>(Payload { sha256: hash_of(&path)?, size, path })
            });
            match read.await {
                Ok(Ok(payload)) => Ok(Arc::new(payload)),
                Ok(Err(error)) => Err(Diagnostic::local(
                    "S0208",
                    format!("hostctl cannot read its own file `{}`: {error}", self.path.display()),
                )),
                Err(error) => Err(Diagnostic::internal(error.to_string())),
            }
        };
        self.payload.get_or_try_init(make).await.map(Arc::clone)
    }
}
