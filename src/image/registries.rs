//! The registries of a run: one client for each that images are pushed to or built from, and their logins.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::key::bases;
use super::names::{Names, without_tag};
use crate::diag::{Diagnostic, Result};
use crate::system::Probe;
use crate::system::engine::{
    Credentials, EngineError, RegistryClient, RegistryLogin, RegistrySettings, registry_of, split_name,
};

/// What registries are asked for.
pub struct Wanted<'a> {
    /// Images and edges.
    pub graph: &'a Graph,
    /// The images of the run.
    pub selected: &'a BTreeSet<usize>,
    /// The run's names.
    pub names: &'a Names,
    /// Build arguments of the run, which names of bases may hold.
    pub args: &'a BTreeMap<String, String>,
    /// How registries are reached that the user says something of; the run's own first.
    pub settings: Vec<&'a RegistrySettings>,
    /// Images are pushed.
    pub push: bool,
}

/// One client for each registry; it keeps its connections, its tokens and its rate budget for the whole run.
#[derive(Default)]
pub struct Registries {
    pushed: BTreeMap<String, RegistryClient>,
    bases: BTreeMap<String, RegistryClient>,
    logins: BTreeMap<String, RegistryLogin>,
}

/// A registry that refused for being asked too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Its name.
    pub registry: String,
    /// Answers 429.
    pub refusals: u64,
    /// Requests and pushes that waited for it.
    pub waits: u64,
}

impl Registries {
    /// Finds logins and makes the clients; asks no registry, but runs credential helpers. Beside it what the user should
    /// know. Errors (B0082, B0011): credentials that cannot be read, or a host that is none, for a registry that is
    /// pushed to. Without those of a base's registry only that base may fail.
    pub fn open(probe: &Probe, wanted: &Wanted<'_>) -> Result<(Self, Vec<String>)> {
        let Wanted { graph, selected, names, .. } = *wanted;
        let mut found = Self::default();
        let mut warnings = Vec::new();
        let mut files: Option<std::result::Result<Credentials, EngineError>> = None;
        let mut of_files = |host: &str, repository: &str| {
            let files = files.get_or_insert_with(|| probe.registry_credentials());
            files.as_ref().map_err(Clone::clone).and_then(|files| files.login(host, repository))
        };
        let given = |host: &str| {
            wanted.settings.iter().find(|settings| registry_of(&settings.host) == registry_of(host)).copied()
        };
        for settings in &wanted.settings {
            found.logins.extend(settings.login.clone().map(|login| (registry_of(&settings.host), login)));
        }
        for image in selected.iter().copied().filter(|image| wanted.push && graph.is_pushed(*image)) {
            for (host, repository) in pushed_to(graph, image, names) {
                if host.is_empty() || found.pushed.contains_key(&registry_of(&host)) {
                    continue;
                }
                let unknown = || RegistrySettings { host: host.clone(), ..RegistrySettings::default() };
                let mut settings = given(&host).cloned().unwrap_or_else(unknown);
                if settings.login.is_none() {
                    settings.login = of_files(&host, &repository).map_err(|error| unreadable(&error))?;
                }
                found.logins.extend(settings.login.clone().map(|login| (registry_of(&host), login)));
                let client = probe.registry(settings).map_err(|error| Diagnostic::task("B0011", error.message))?;
                found.pushed.insert(registry_of(&host), client);
            }
        }
        for reference in bases(graph, selected, wanted.args) {
            let (host, rest) = split_name(&reference);
            if found.pushed.contains_key(&host) || found.bases.contains_key(&host) {
                continue;
            }
            let mut settings =
                given(&host).cloned().unwrap_or_else(|| RegistrySettings { host: host.clone(), ..Default::default() });
            if settings.login.is_none() {
                match of_files(&host, &rest) {
                    Ok(login) => settings.login = login,
                    Err(error) => warnings.push(format!("the login for `{host}` (`{reference}`): {error}")),
                }
            }
            found.logins.extend(settings.login.clone().map(|login| (host.clone(), login)));
            // A name that is no host is told by whoever pulls it.
            if let Ok(client) = probe.registry(settings) {
                found.bases.insert(host, client);
            }
        }
        Ok((found, warnings))
    }

    /// The client of a registry that is pushed to.
    pub fn pushed(&self, host: &str) -> Option<&RegistryClient> {
        self.pushed.get(&registry_of(host))
    }

    /// All that are pushed to.
    pub fn all_pushed(&self) -> impl Iterator<Item = &RegistryClient> {
        self.pushed.values()
    }

    /// The client of any registry of the run, to be read from.
    pub fn any(&self, host: &str) -> Option<&RegistryClient> {
        self.pushed(host).or_else(|| self.bases.get(&registry_of(host)))
    }

    /// The login for a registry.
    pub fn login(&self, host: &str) -> Option<RegistryLogin> {
        self.logins.get(&registry_of(host)).cloned()
    }

    /// All logins: builds pull their bases with them.
    pub fn logins(&self) -> Vec<RegistryLogin> {
        self.logins.values().cloned().collect()
    }

    /// The registries that refused for being asked too often.
    pub fn throttled(&self) -> Vec<Throttled> {
        let clients = self.pushed.values().chain(self.bases.values());
        let told = clients.map(|client| Throttled {
            registry: client.name().to_owned(),
            refusals: client.budget().refusals(),
            waits: client.budget().waits(),
        });
        told.filter(|one| one.refusals > 0 || one.waits > 0).collect()
    }
}

/// Registries and repositories of all names of an image.
pub fn pushed_to(graph: &Graph, image: usize, names: &Names) -> Vec<(String, String)> {
    let own = graph.untagged(image, names);
    let mut found = vec![(graph.registry(image, names).to_owned(), graph.repository(image, names))];
    for name in graph.extra_names(image, names) {
        let untagged = without_tag(&name);
        if untagged != own {
            found.push(split_name(untagged));
        }
    }
    found
}

fn unreadable(error: &EngineError) -> Diagnostic {
    let problem = Diagnostic::task("B0082", error.message.clone());
    match &error.hint {
        Some(hint) => problem.with_hint(hint.clone()),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::image::def::OwnName;
    use crate::image::graph::tests::{image, names};
    use crate::secret::Secret;

    fn open(
        config: &str,
        own: &RegistrySettings,
        push: bool,
    ) -> std::result::Result<(Registries, Vec<String>), Box<Diagnostic>> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        let probe = Probe::new(vec![
            ("DOCKER_CONFIG".into(), folder.path().display().to_string()),
            ("HOME".into(), folder.path().display().to_string()),
        ]);
        let names = Names { registry: own.host.clone(), ..names() };
        let mut other = image("other", "FROM private.example/lab/base:1");
        other.tags = vec!["latest".into(), "third.example/y/other:2".into()];
        other.own_name = Some(OwnName { registry: "second.example:5000".into(), repository: "x/other".into() });
        let local = crate::image::def::ImageDef { push: false, local_only: true, ..image("local", "FROM debian:12") };
        let args = BTreeMap::new();
        let graph = Graph::new(vec![image("own", "FROM scratch"), other, local], &names, &args).unwrap();
        let selected = (0..3).collect();
        let wanted =
            Wanted { graph: &graph, selected: &selected, names: &names, args: &args, settings: vec![own], push };
        Registries::open(&probe, &wanted).map_err(Box::new)
    }

    const CONFIG: &str = r#"{"auths": {"second.example:5000": {"username": "two", "password": "two-password"},
        "private.example": {"username": "base", "password": "base-password"}}}"#;

    #[test]
    fn each_registry_has_its_client_and_its_login() {
        let own = RegistrySettings {
            host: "own.example:5000".into(),
            login: Some(RegistryLogin::new("own.example:5000", "one", Secret::new("one-password"))),
            ..Default::default()
        };
        let (found, warnings) = open(CONFIG, &own, true).unwrap();
        assert_eq!(warnings, [""; 0]);
        let pushed: Vec<&str> = found.all_pushed().map(RegistryClient::name).collect();
        assert_eq!(pushed, ["own.example:5000", "second.example:5000", "third.example"]);
        assert!(found.pushed("second.example:5000").unwrap().has_login());
        assert!(found.pushed("private.example").is_none() && found.any("private.example").unwrap().has_login());
        assert!(!found.any("docker.io").unwrap().has_login());
        let users: Vec<String> = found.logins().into_iter().map(|login| login.username).collect();
        assert_eq!(users, ["one", "base", "two"]);
        assert_eq!(found.login("second.example:5000").unwrap().username, "two");
        // Bases need theirs although nothing is pushed.
        let (found, _) = open(CONFIG, &own, false).unwrap();
        assert_eq!(found.all_pushed().count(), 0);
        assert_eq!(found.login("private.example").unwrap().username, "base");
    }

    #[test]
    fn credentials_that_cannot_be_read_stop_pushes_only() {
        let own = RegistrySettings::default();
        assert_eq!(open("{", &own, true).err().unwrap().code, "B0082");
        let (_, warnings) = open("{", &own, false).unwrap();
        assert!(warnings.iter().any(|warning| warning.contains("private.example")), "{warnings:?}");
    }
}
