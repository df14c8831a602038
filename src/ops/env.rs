//! `hostctl env`: what environments there are and what they set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::project::{ProjectRequest, open, state_base};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::engine::HostList;
use crate::environment::{Config, ShownVariable, definitions, list, read_config};
use crate::vars::Scope;

fn project_dir(project: Option<&Path>) -> Result<PathBuf> {
    let dir = match project {
        Some(dir) => dir.to_path_buf(),
        None => {
            let here = std::env::current_dir()
                .map_err(|error| Diagnostic::local("E0001", format!("the working folder cannot be read: {error}")))?;
            crate::environment::find_project(&here).unwrap_or(here)
        }
    };
    if !dir.join("environments").is_dir() {
        return Err(Diagnostic::new(
            "E0101",
            Kind::Usage,
            "there is no project: no parent folder holds `environments/`",
        )
        .with_hint("run it from inside the project, or name the folder with `--project DIR`"));
    }
    Ok(dir)
}

/// Every environment with its configuration.
pub fn environment_list(project: Option<&Path>, sources: &SourceMap) -> Result<Vec<Config>> {
    let dir = project_dir(project)?;
    list(&dir)?.iter().map(|name| read_config(&dir, name, None, sources)).collect()
}

/// Names and descriptions, for completion: never fails loudly.
pub fn environment_names(project: Option<&Path>) -> Result<Vec<(String, String)>> {
    let sources = SourceMap::new();
    let dir = project_dir(project)?;
    Ok(list(&dir)?
        .into_iter()
        .map(|name| {
            let text = read_config(&dir, &name, None, &sources).map(|config| config.description).unwrap_or_default();
            (name, text)
        })
        .collect())
}

/// The variables of an environment, as a host sees them if one is named.
pub fn environment_show(
    request: &ProjectRequest,
    host: Option<&str>,
    var: Option<&str>,
    sources: &Arc<SourceMap>,
) -> Result<Vec<ShownVariable>> {
    let base = match &request.project {
        Some(dir) => dir.clone(),
        None => state_base(None)?,
    };
    let opened = open(request, &base.join("playbook.yml"), sources)?;
    let mut layers = opened.layers.clone();
    if let Some(name) = host {
        let record = opened.hosts.host(name).ok_or_else(|| {
            let groups = opened.hosts.groups();
            let known: Vec<String> = groups.values().flatten().map(ToString::to_string).collect();
            Diagnostic::new("I0101", Kind::Usage, format!("there is no host `{name}` in the inventory"))
                .with_nearest(name, known.iter().map(String::as_str))
        })?;
        layers.extend(record.layers);
    }
    let shown = definitions(&Scope::from_layers(layers), var, sources);
    match (shown.is_empty(), var) {
        (true, Some(name)) => Err(Diagnostic::new("E0106", Kind::Usage, format!("`{name}` is not set"))
            .with_hint("leave `--var` out to see everything that is")),
        _ => Ok(shown),
    }
}
