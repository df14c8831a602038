//! `hostctl env`: what environments there are and what they set.

use std::path::Path;
use std::sync::Arc;

use super::project::{ProjectRequest, open};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::engine::HostList;
use crate::environment::{Listed, Project, ShownVariable, show};
use crate::vars::Scope;

fn project(named: Option<&Path>) -> Result<Project> {
    match named {
        Some(dir) => Project::at(dir),
        None => Project::discover(&std::env::current_dir().unwrap_or_default()),
    }
}

/// Every environment with its description and parents, and what is wrong with their files.
pub fn environment_list(named: Option<&Path>, sources: &SourceMap) -> Result<(Vec<Listed>, Vec<Diagnostic>)> {
    Ok(project(named)?.list(sources))
}

/// The variables of an environment, as a host sees them if one is named.
pub fn environment_show(
    request: &ProjectRequest,
    host: Option<&str>,
    var: Option<&str>,
    sources: &Arc<SourceMap>,
) -> Result<(Vec<ShownVariable>, Vec<Diagnostic>)> {
    let root = project(request.project.as_deref())?.root;
    variables(request, &root, host, var, sources)
}

/// The variables of a host, in an environment or without one.
pub fn host_show(
    request: &ProjectRequest,
    host: &str,
    var: Option<&str>,
    sources: &Arc<SourceMap>,
) -> Result<(Vec<ShownVariable>, Vec<Diagnostic>)> {
    let root = std::env::current_dir().unwrap_or_default();
    variables(request, &root, Some(host), var, sources)
}

fn variables(
    request: &ProjectRequest,
    root: &Path,
    host: Option<&str>,
    var: Option<&str>,
    sources: &Arc<SourceMap>,
) -> Result<(Vec<ShownVariable>, Vec<Diagnostic>)> {
    let opened = open(request, &root.join("playbook.yml"), sources, false)?;
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
    let shown = show(&Scope::from_layers(layers), sources, var);
    match (shown.is_empty(), var) {
        (true, Some(name)) => Err(Diagnostic::new("E0106", Kind::Usage, format!("`{name}` is not set"))
            .with_hint("leave `--var` out to see everything that is")),
        _ => Ok((shown, opened.problems)),
    }
}
