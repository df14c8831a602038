//! The controller's side of lookups: files, environment, commands, ansible-vault text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Result};
use crate::inventory::Inventory;
use crate::template::LookupHost;
use crate::value::Value;
use crate::vars::{Entry, Scope};

/// Opens ansible-vault text; the redactor learns it on the way.
pub type Unseal = Arc<dyn Fn(&str) -> Result<String> + Send + Sync>;

/// Teaches the redactor a secret.
pub type Learn = Arc<dyn Fn(&str) + Send + Sync>;

/// Lookups against this machine.
pub struct ControllerFiles {
    /// The folder relative names end at: the playbook's.
    pub base: PathBuf,
    /// Opens ansible-vault text.
    pub unseal: Unseal,
    /// Teaches the redactor a password that a lookup made or read.
    pub learn: Learn,
}

/// Bytes of output of the longest command of a lookup.
const MAX_OUTPUT: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// What a child prints; one that prints without end is ended.
fn capped(mut child: std::process::Child, most: u64) -> std::io::Result<std::process::Output> {
    use std::io::Read as _;
    let errors = child.stderr.take().map(|pipe| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut pipe = pipe;
            let _ = pipe.by_ref().take(1 << 20).read_to_end(&mut bytes);
            // The rest is of no use, but the child must be able to write it.
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
            bytes
        })
    });
    let mut stdout = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(most + 1).read_to_end(&mut stdout)?;
    }
    let endless = stdout.len() as u64 > most;
    if endless {
        child.kill()?;
    }
    let status = child.wait()?;
    if endless {
        return Err(std::io::Error::other(format!("it printed more than {} MiB", most >> 20)));
    }
    let stderr = errors.and_then(|reading| reading.join().ok()).unwrap_or_default();
    Ok(std::process::Output { status, stdout, stderr })
}

impl LookupHost for ControllerFiles {
    fn find(&self, subfolder: &str, name: &str, scope: &Scope) -> Option<PathBuf> {
        let path = super::inputs::expand_home(name);
        if path.is_absolute() {
            return path.exists().then_some(path);
        }
        let found = |dir: PathBuf| crate::playbook::clean_path(&dir.join(&path));
        self.folders(subfolder, scope).into_iter().map(found).find(|path| path.exists())
    }

    fn folders(&self, subfolder: &str, scope: &Scope) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = match scope.get("ansible_search_path") {
            Some((Entry::Data(Value::List(dirs), _), _)) => {
                dirs.iter().filter_map(Value::as_str).map(PathBuf::from).collect()
            }
            _ => Vec::new(),
        };
        if let Some((Entry::Data(Value::Str(dir), _), _)) = scope.get("playbook_dir") {
            dirs.push(PathBuf::from(&**dir));
        }
        dirs.push(self.base.clone());
        dirs.into_iter()
            .map(|dir| std::path::absolute(&dir).unwrap_or(dir))
            .flat_map(|dir| [dir.join(subfolder), dir])
            .collect()
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let bytes = crate::diag::read::read_source(path).map_err(|error| {
            Diagnostic::local("H0022", format!("cannot read `{}` on the controller: {error}", path.display()))
                .with_hint("check that the file exists and that you may read it")
        })?;
        if bytes.starts_with(b"$ANSIBLE_VAULT")
            && let Ok(text) = std::str::from_utf8(&bytes)
        {
            return self.unseal(text).map(String::into_bytes);
        }
        Ok(bytes)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn pipe(&self, command: &str) -> Result<String> {
        let output = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(command)
            .current_dir(&self.base)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .and_then(|child| capped(child, MAX_OUTPUT))
            .map_err(|error| Diagnostic::local("T0201", format!("cannot run `{command}`: {error}")))?;
        if !output.status.success() {
            let code = output.status.code().unwrap_or(-1);
            return Err(Diagnostic::local("T0201", format!("`{command}` failed: {}", output.status))
                .with_registered(format!("lookup_plugin.pipe({command}) returned {code}"))
                .with_note(format!("stderr: {}", String::from_utf8_lossy(&output.stderr).trim()))
                .with_hint("the command runs on this machine; `errors='ignore'` gives nothing where it fails"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn hosts(&self, pattern: &str, groups: &Value) -> Result<Vec<String>> {
        let Value::Map(groups) = groups else { return Ok(Vec::new()) };
        let mut inventory = Inventory::new();
        for (group, hosts) in groups.iter() {
            let name = group.text();
            if let Value::List(hosts) = hosts {
                for host in hosts.iter().filter_map(Value::as_str) {
                    inventory.add_dynamic_host(host, &[name.to_string()], []);
                }
            }
        }
        let selected = inventory.select(pattern, None, None)?;
        Ok(selected.hosts.iter().map(ToString::to_string).collect())
    }

    fn template_vars(&self, path: &Path, _scope: &Scope) -> Vec<(Arc<str>, Value)> {
        let Ok(meta) = std::fs::metadata(path) else { return Vec::new() };
        super::inputs::template_values(path, &super::inputs::shown_path(path), None, &meta)
    }

    fn unseal(&self, text: &str) -> Result<String> {
        (self.unseal)(text)
    }

    fn learn(&self, secret: &str) {
        (self.learn)(secret);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_prints_without_end_is_ended() {
        let files =
            ControllerFiles { base: "/".into(), unseal: Arc::new(|_| Ok(String::new())), learn: Arc::new(|_| {}) };
        let error = files.pipe("yes").expect_err("too much");
        assert!(error.message.ends_with("it printed more than 1 MiB"), "{error:?}");
        assert_eq!(files.pipe("echo a; yes | head -c 3000000 >&2").expect("output"), "a\n");
        assert!(
            files.read(Path::new("/dev/zero")).expect_err("a device").message.ends_with("it is a device, not a file")
        );
    }
}
