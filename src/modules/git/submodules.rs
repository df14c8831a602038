//! Submodules of a checkout.

use std::collections::BTreeMap;

use super::repository::Repository;
use crate::map;
use crate::modules::call::Failure;
use crate::modules::refusal::{refused, refused_with};

impl Repository<'_> {
    /// Paths of submodules, as `.gitmodules` has them.
    fn submodules(&self) -> Vec<String> {
        let Some(dest) = &self.dest else { return Vec::new() };
        let text = std::fs::read_to_string(dest.join(".gitmodules")).unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("path"));
        lines.filter_map(|line| line.split_once('=')).map(|(_, path)| path.trim().to_owned()).collect()
    }

    /// True if one is missing, or stands elsewhere than it should.
    pub fn submodules_differ(&self) -> Result<bool, Failure> {
        let Some(dest) = &self.dest else { return Ok(false) };
        if !dest.join(".gitmodules").exists() {
            return Ok(false);
        }
        if self.submodules().iter().any(|path| !dest.join(path).join(".git").exists()) {
            return Ok(true);
        }
        let before = self.submodule_commits("HEAD")?;
        self.checked(&["submodule", "foreach", "git", "fetch"])?;
        if self.track_submodules() {
            return Ok(before != self.submodule_commits(&format!("{}/master", self.remote()))?);
        }
        let output = self.checked(&["submodule", "status"])?;
        Ok(output.out().lines().any(|line| !line.starts_with(' ')))
    }

    fn submodule_commits(&self, version: &str) -> Result<BTreeMap<String, String>, Failure> {
        let output = self.read(&["submodule", "foreach", "git", "rev-parse", version], true)?;
        if !output.success() {
            let result = map! {
                "stdout" => output.out(), "stderr" => output.err(), "rc" => i64::from(output.rc),
            };
            return Err(refused_with("H0102", "Unable to determine hashes of submodules", result));
        }
        let mut commits = BTreeMap::new();
        let mut name: Option<String> = None;
        for line in output.out().lines() {
            if let Some(path) = line.strip_prefix("Entering '") {
                name = Some(path.trim_end_matches('\'').to_owned());
                continue;
            }
            match name.take().filter(|_| line.trim().len() == 40) {
                Some(name) => drop(commits.insert(name, line.trim().to_owned())),
                None => {
                    return Err(refused("H0110", format!("Unable to parse submodule hash line: {}", line.trim())));
                }
            }
        }
        match name {
            Some(name) => Err(refused("H0110", format!("Unable to find hash for submodule: {name}"))),
            None => Ok(commits),
        }
    }

    /// Brings them to what the checkout records, or to their branch.
    pub fn update_submodules(&self) -> Result<(), Failure> {
        self.checked(&["submodule", "sync"])?;
        let mut words = vec!["submodule", "update", "--init", "--recursive"];
        if self.track_submodules() {
            words.push("--remote");
        }
        if self.force() {
            words.push("--force");
        }
        let output = self.write(&words)?;
        if output.success() {
            return Ok(());
        }
        let message = format!("Failed to init/update submodules: {}{}", output.out(), output.err());
        Err(refused("H0102", message))
    }
}
