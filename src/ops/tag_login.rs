//! Logins for `hostctl tags verify`: the one that is given on the command line, and what an environment says of its
//! registry. Nothing here asks a registry.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::project::{ProjectRequest, open};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::map;
use crate::secret::Secret;
use crate::system::engine::{RegistryLogin, registry_of};
use crate::value::{Value, python_str};
use crate::vars::{Layer, Level, Scope};
use crate::yaml;

/// A login as the command line gives it.
#[derive(Clone, Debug)]
pub struct GivenLogin {
    /// The registry that it is for; default: the environment's own, else the only one of all files.
    pub registry: Option<String>,
    /// User name.
    pub username: String,
    /// Password.
    pub password: GivenPassword,
}

/// Where a given password stands.
#[derive(Clone, Debug)]
pub enum GivenPassword {
    /// It is this.
    Text(Secret),
    /// It is the value of this variable of the environment; the name is made of letters, digits and `_`.
    Variable(String),
}

/// What an environment says of its registry.
#[derive(Default)]
pub(super) struct OwnRegistry {
    /// Empty if it names none.
    pub(super) host: String,
    /// The login, if there is a user name.
    pub(super) login: Option<RegistryLogin>,
    /// The registry's CA.
    pub(super) ca_file: Option<PathBuf>,
    /// Plain HTTP is allowed.
    pub(super) insecure: bool,
}

/// The variables by which the playbooks name the registry.
const VARIABLES: &str = "host: \"{{ registry | default('') }}\"\n\
                         username: \"{{ registry_username | default('') }}\"\n\
                         password: \"{{ registry_password | default('') }}\"\n\
                         ca_file: \"{{ registry_ca_file | default('') }}\"\n\
                         insecure: \"{{ registry_insecure | default(false) | bool }}\"\n";

/// What the environment says of its registry, and the login that was given.
pub(super) fn own_registry(
    request: &ProjectRequest,
    name: Option<&String>,
    given: Option<&GivenLogin>,
    hosts: &BTreeSet<String>,
    sources: &Arc<SourceMap>,
) -> Result<(OwnRegistry, Option<RegistryLogin>)> {
    let variable = match given.map(|given| &given.password) {
        Some(GivenPassword::Variable(variable)) => Some(variable),
        _ => None,
    };
    let (own, rendered) = match (name, variable) {
        (Some(name), _) => of_environment(request, name, variable, sources)?,
        (None, None) => (OwnRegistry::default(), String::new()),
        (None, Some(variable)) => {
            return Err(Diagnostic::new("B0206", Kind::Usage, format!("`{variable}` is a variable of no environment"))
                .with_note("a tag file that is named as a file belongs to none")
                .with_hint("name its environment: `--env NAME`"));
        }
    };
    let Some(given) = given else { return Ok((own, None)) };
    let first = || hosts.first().map_or("HOST", String::as_str);
    let host = match &given.registry {
        Some(host) if !hosts.iter().any(|known| registry_of(known) == registry_of(host)) => {
            let text = format!("no recorded image is in the registry `{}`", host.escape_debug());
            return Err(Diagnostic::new("B0206", Kind::Usage, text).with_hint(format!("--registry {}", first())));
        }
        Some(host) => host.clone(),
        None if !own.host.is_empty() => own.host.clone(),
        None => {
            let mut found = hosts.iter();
            let (Some(only), None) = (found.next(), found.next()) else {
                let names: Vec<String> = hosts.iter().map(|host| format!("`{host}`")).collect();
                let text = format!("it is not said which registry the login is for: {}", names.join(", "));
                return Err(Diagnostic::new("B0206", Kind::Usage, text).with_hint(format!("--registry {}", first())));
            };
            only.clone()
        }
    };
    let password = match &given.password {
        GivenPassword::Text(secret) => secret.clone(),
        GivenPassword::Variable(_) => Secret::new(rendered),
    };
    Ok((own, Some(RegistryLogin::new(host, given.username.as_str(), password))))
}

/// The environment's registry, and the value of a variable.
fn of_environment(
    request: &ProjectRequest,
    name: &str,
    variable: Option<&String>,
    sources: &Arc<SourceMap>,
) -> Result<(OwnRegistry, String)> {
    let root = match &request.project {
        Some(dir) => dir.clone(),
        None => crate::environment::Project::discover(&std::env::current_dir().unwrap_or_default())?.root,
    };
    // The environment's own variables count; no inventory is asked for them.
    let request = ProjectRequest {
        env: Some(name.to_owned()),
        project: Some(root.clone()),
        inventory: vec!["localhost,".to_owned()],
        ..request.clone()
    };
    let opened = open(&request, &root.join("playbook.yml"), sources, true)?;
    let absolute = std::path::absolute(&root).unwrap_or(root);
    let run: Value = map! { "project" => absolute.display().to_string(), "environment" => name }.into();
    let mut layers = opened.layers.clone();
    layers.push(Layer::data(Level::Magic, "hostctl tags verify", [("hostctl_run".into(), run)]));
    let scope = Scope::from_layers(layers);
    let mut lines = VARIABLES.to_owned();
    if let Some(variable) = variable {
        lines.push_str(&format!("given: \"{{{{ {variable} }}}}\"\n"));
    }
    let file = sources.add("hostctl tags verify", None, lines);
    let node = yaml::load(sources, &file, &yaml::LoadOptions::strict()).one(&file)?;
    let text = |key: &str| -> Result<String> {
        let Some(node) = node.get(key) else { return Ok(String::new()) };
        let value = opened.templates.render(node, &scope).map_err(|error| {
            error.with_note(format!("a variable of the environment `{name}`, for the login at its registry"))
        })?;
        Ok(if value == Value::Null { String::new() } else { python_str(&value) })
    };
    let rendered = text("given")?;
    let host = text("host")?;
    if host.is_empty() {
        return Ok((OwnRegistry::default(), rendered));
    }
    let username = text("username")?;
    let login = if username.is_empty() {
        None
    } else {
        Some(RegistryLogin::new(host.as_str(), username, Secret::new(text("password")?)))
    };
    let own = OwnRegistry {
        login,
        ca_file: Some(text("ca_file")?).filter(|path| !path.is_empty()).map(PathBuf::from),
        insecure: text("insecure")?.eq_ignore_ascii_case("true"),
        host,
    };
    Ok((own, rendered))
}
