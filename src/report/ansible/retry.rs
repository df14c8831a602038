//! The file of hosts that failed, for `--limit @FILE` of the next run.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::display::{Display, Tone};

/// Where such files are kept: a folder, or beside the playbook.
#[derive(Clone, Debug, Default)]
pub struct RetryFiles {
    /// `retry_files_save_path`
    pub dir: Option<PathBuf>,
}

impl RetryFiles {
    /// Writes the file, and tells of it.
    pub(super) fn tell<O: Write + Send, E: Write + Send>(
        &self,
        playbook: &str,
        hosts: &[String],
        display: &mut Display<O, E>,
    ) {
        match self.write(playbook, hosts) {
            Some((text, false)) => display.line(&text, None),
            Some((text, true)) => {
                let text = display.painted(&text, Some(Tone::Warning));
                display.write_err(&text);
            }
            None => {}
        }
    }

    /// Writes the hosts; what is told of that, and whether it is a warning.
    fn write(&self, playbook: &str, hosts: &[String]) -> Option<(String, bool)> {
        if hosts.is_empty() {
            return None;
        }
        let playbook = std::path::absolute(playbook).ok()?;
        let dir = self.dir.clone().or_else(|| playbook.parent().map(Path::to_owned))?;
        let path = dir.join(format!("{}.retry", playbook.file_stem()?.to_string_lossy()));
        let written = || -> std::io::Result<()> {
            std::fs::create_dir_all(&dir)?;
            // Replaced whole: a link in its place leads nowhere.
            let mut file = tempfile::Builder::new().permissions(mode()).tempfile_in(&dir)?;
            hosts.iter().try_for_each(|host| writeln!(file, "{host}"))?;
            file.persist(&path).map(|_| ()).map_err(|error| error.error)
        };
        Some(match written() {
            Ok(()) => (format!("\tto retry, use: --limit @{}\n", path.display()), false),
            Err(error) => (format!("[WARNING]: Could not create retry file '{}'.\n\t{error}", path.display()), true),
        })
    }
}

fn mode() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_failed_stand_in_a_file_beside_the_playbook() {
        let dir = tempfile::tempdir().unwrap();
        let playbook = dir.path().join("site.yml").display().to_string();
        let hosts = ["a".to_owned(), "c".to_owned()];
        let path = dir.path().join("site.retry");
        let told = RetryFiles::default().write(&playbook, &hosts).unwrap();
        assert_eq!(told, (format!("\tto retry, use: --limit @{}\n", path.display()), false));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a\nc\n");
        assert_eq!(RetryFiles::default().write(&playbook, &[]), None);
        let nowhere = RetryFiles { dir: Some("/proc/nowhere".into()) };
        assert!(nowhere.write(&playbook, &hosts).unwrap().1);
    }
}
