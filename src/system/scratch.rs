//! Temporary files and folders, where the task's own variables want them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::fs::{Content, file_error, fill};
use super::{Mutate, Probe};
use crate::diag::Result;

impl Probe {
    /// The folder for temporary files, as Python's `tempfile` finds it: that of the task's `TMPDIR`, if it is one.
    pub fn temp_dir(&self) -> PathBuf {
        let named = ["TMPDIR", "TEMP", "TMP"].iter().filter_map(|name| self.variable(name));
        let usable = |folder: &PathBuf| {
            folder.is_dir()
                && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
        };
        let all = named.filter(|name| !name.is_empty()).map(PathBuf::from);
        let mut all = all.chain(["/tmp", "/var/tmp", "/usr/tmp"].map(PathBuf::from));
        all.find(usable).unwrap_or_else(|| PathBuf::from("/tmp"))
    }
}

impl Mutate {
    /// A private temporary folder; removed when dropped.
    pub fn scratch_dir(&self) -> Result<tempfile::TempDir> {
        let folder = self.probe().temp_dir();
        super::leftovers::sweep();
        tempfile::Builder::new()
            .prefix(&super::leftovers::prefix())
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&folder)
            .map_err(|error| file_error("create a temporary folder in", &folder, &error))
    }

    /// A private temporary file with this content; removed when dropped.
    pub fn scratch_file(&self, content: Content<'_>) -> Result<tempfile::TempPath> {
        let folder = self.probe().temp_dir();
        super::leftovers::sweep();
        let mut file = tempfile::Builder::new()
            .prefix(&super::leftovers::prefix())
            .tempfile_in(&folder)
            .map_err(|error| file_error("create a temporary file in", &folder, &error))?;
        fill(file.as_file_mut(), content)?;
        Ok(file.into_temp_path())
    }

    /// A new private file or folder with a name of its own.
    pub fn new_temporary(&self, folder: &Path, prefix: &str, suffix: &str, directory: bool) -> Result<PathBuf> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).suffix(suffix).rand_bytes(8);
        let made = if directory {
            builder.permissions(Permissions::from_mode(0o700)).tempdir_in(folder).map(tempfile::TempDir::keep)
        } else {
            builder.tempfile_in(folder).and_then(|file| file.keep().map(|(_, path)| path).map_err(|error| error.error))
        };
        made.map_err(|error| file_error("create a temporary file in", folder, &error))
    }
}
