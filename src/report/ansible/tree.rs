//! `ansible --tree`: the result of each host in a file of its own.

use std::io::Write as _;
use std::path::PathBuf;

use super::display::AnsibleOptions;
use super::dump;
use crate::diag::{Diagnostic, SourceMap};
use crate::event::{Event, EventKind, Reporter, Trouble};

/// Writes results into a folder.
pub struct Tree {
    dir: PathBuf,
    options: AnsibleOptions,
    trouble: Option<Trouble>,
}

impl Tree {
    /// Into a folder, which is made.
    pub fn new(dir: PathBuf, options: AnsibleOptions) -> Self {
        Self { dir, options: options.plain_json(), trouble: None }
    }

    /// The file of a host is replaced whole: a link in its place leads nowhere.
    fn write(&self, host: &str, text: &str) -> std::io::Result<()> {
        if host.contains('/') || host.starts_with('.') {
            return Err(std::io::Error::other("the host's name is none of a file"));
        }
        std::fs::create_dir_all(&self.dir)?;
        let mut file = tempfile::Builder::new().permissions(mode(0o644)).tempfile_in(&self.dir)?;
        file.write_all(text.as_bytes())?;
        file.persist(self.dir.join(host)).map_err(|error| error.error)?;
        Ok(())
    }
}

fn mode(mode: u32) -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

impl Reporter for Tree {
    fn event(&mut self, event: &Event, _sources: &SourceMap) {
        let (EventKind::HostDone { done, .. }, Some(host)) = (&event.kind, &event.host) else { return };
        let text = dump::dump(&done.result, done.verbose, &self.options);
        if let Err(error) = self.write(host, &text) {
            let path = self.dir.join(&**host);
            let message = format!("the result cannot be written to `{}`: {error}", path.display());
            let diagnostic = Diagnostic::local("C0115", message).warning();
            self.trouble = Some(Trouble { diagnostic, tell: true });
        }
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_replaces_what_stands_there_and_stays_in_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(dir.path().join("tree"), AnsibleOptions::default());
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", dir.path().join("tree/h")).unwrap();
        tree.write("h", "{}").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("tree/h")).unwrap(), "{}");
        assert!(!dir.path().join("elsewhere").exists());
        assert!(tree.write("../h", "{}").is_err());
    }
}
