//! The file of hosts that failed, for `--limit @FILE` of the next run.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::event::Stats;

/// Where such files are kept: a folder, or beside the playbook.
#[derive(Clone, Debug, Default)]
pub struct RetryFiles {
    /// `retry_files_save_path`
    pub dir: Option<PathBuf>,
}

impl RetryFiles {
    /// Writes the hosts that failed or were unreachable; what is told of that, and whether it is a warning.
    pub(super) fn write(&self, playbook: &str, stats: &BTreeMap<String, Stats>) -> Option<(String, bool)> {
        let failed = |stats: &Stats| stats.failed > 0 || stats.unreachable > 0;
        let hosts: Vec<&str> = stats.iter().filter(|(_, stats)| failed(stats)).map(|(host, _)| &**host).collect();
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
        let stats = BTreeMap::from([
            ("a".to_owned(), Stats { failed: 1, ..Stats::default() }),
            ("b".to_owned(), Stats { ok: 1, ..Stats::default() }),
            ("c".to_owned(), Stats { unreachable: 1, ..Stats::default() }),
        ]);
        let path = dir.path().join("site.retry");
        let told = RetryFiles::default().write(&playbook, &stats).unwrap();
        assert_eq!(told, (format!("\tto retry, use: --limit @{}\n", path.display()), false));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a\nc\n");
        assert_eq!(RetryFiles::default().write(&playbook, &BTreeMap::new()), None);
        let nowhere = RetryFiles { dir: Some("/proc/nowhere".into()) };
        assert!(nowhere.write(&playbook, &stats).unwrap().1);
    }
}
