//! Kolla's `template/methods.py`, written anew: commands that install packages of Debian's, enable and disable
//! package repositories, and put those back that only a build may use.

use std::collections::BTreeSet;

use crate::value::{Key, Map, Value, python_str};

/// How a tree's `methods.py` works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Kolla 21 and 22: an own `repos.yaml` replaces the tree's.
    Replaced,
    /// Kolla 23: an own `repos.yaml` is merged into the tree's, and `build_only` repositories are put back.
    Merged,
}

impl Dialect {
    /// By the text of `template/methods.py`; without one that of Kolla 23.
    pub fn of(methods_py: Option<&str>) -> Self {
        if methods_py.is_none_or(|text| text.contains("def cleanup_repos(")) { Self::Merged } else { Self::Replaced }
    }
}

/// The repositories of one distribution and architecture.
#[derive(Debug)]
pub struct Repos {
    dialect: Dialect,
    package_type: String,
    codename: String,
    list: Map,
    defaults: Map,
    /// Why a `dnf` override contradicts the distribution's own files.
    conflict: Option<String>,
}

const BACKUP: &str = "/tmp/kolla-repos-backup";

fn get<'a>(repo: &'a Value, name: &str) -> Option<&'a Value> {
    repo.as_map()?.get(&Key::from(name))
}

fn truthy(repo: &Value, name: &str) -> bool {
    get(repo, name).is_some_and(Value::truthy)
}

fn text(repo: &Value, name: &str) -> Option<String> {
    get(repo, name).map(python_str)
}

/// Sections of the distribution flattened into one list.
fn flat(data: &Map, sections: &[String; 3], merge: bool) -> Map {
    let mut found = Map::new();
    for section in sections {
        let Some(repos) = data.get(&Key::from(section.as_str())).and_then(Value::as_map) else { continue };
        for (name, repo) in repos {
            let merged = match (found.get(name), repo) {
                (Some(Value::Map(before)), Value::Map(own)) if merge => {
                    let mut both: Map = (**before).clone();
                    both.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
                    let placed = ["baseurl", "metalink", "mirrorlist", "url"];
                    if placed.iter().any(|name| both.contains_key(&Key::from(*name))) {
                        both.shift_remove(&Key::from("distro"));
                    }
                    Value::Map(both.into())
                }
                _ => repo.clone(),
            };
            found.insert(name.clone(), merged);
        }
    }
    found
}

impl Repos {
    /// `tree` is `template/repos.yaml`, `own` the user's (`repos_yaml`).
    pub fn new(
        dialect: Dialect,
        (tree, own): (&Map, Option<&Map>),
        (package_type, base, arch): (&str, &str, &str),
        codename: &str,
    ) -> Self {
        let sections = [package_type.to_owned(), base.to_owned(), format!("{base}-{arch}")];
        let (list, defaults) = match (dialect, own) {
            (Dialect::Replaced, own) => (flat(own.unwrap_or(tree), &sections, false), Map::new()),
            (Dialect::Merged, None) => {
                let list = flat(tree, &sections, true);
                (list.clone(), list)
            }
            (Dialect::Merged, Some(own)) => {
                let mut data = tree.clone();
                for (section, repos) in own {
                    match (data.get_mut(section), repos) {
                        (Some(Value::Map(known)), Value::Map(repos)) => {
                            let mut both: Map = (**known).clone();
                            both.extend(repos.iter().map(|(key, value)| (key.clone(), value.clone())));
                            *known = both.into();
                        }
                        _ => {
                            data.insert(section.clone(), repos.clone());
                        }
                    }
                }
                (flat(&data, &sections, true), flat(tree, &sections, true))
            }
        };
        let conflict = (package_type == "rpm" && dialect == Dialect::Merged && own.is_some())
            .then(|| conflict(&list, &defaults))
            .flatten();
        Self { dialect, package_type: package_type.to_owned(), codename: codename.to_owned(), list, defaults, conflict }
    }

    /// The file that a repository lies in with others.
    fn file_group(&self, name: &str, repo: &Value) -> String {
        let default = || self.defaults.get(&Key::from(name)).and_then(|repo| text(repo, "file_group"));
        text(repo, "file_group")
            .filter(|group| !group.is_empty())
            .or_else(|| default().filter(|group| !group.is_empty()))
            .unwrap_or_else(|| format!("{name}.repo"))
    }

    /// `handle_repos(names, mode)`: the `RUN` line, or nothing.
    pub fn handle(&self, names: &[String], mode: &str) -> Result<String, String> {
        if let Some(conflict) = &self.conflict {
            return Err(conflict.clone());
        }
        let mut out = String::new();
        let mut backed_up = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let repo = self.list.get(&Key::from(name.as_str())).ok_or_else(|| {
                format!("repos.yaml describes no repository `{name}` for this distribution and architecture")
            })?;
            let between = if index + 1 < names.len() { " && " } else { "" };
            match (self.package_type.as_str(), mode) {
                ("rpm", "enable") => {
                    self.rpm(name, repo, &mut backed_up, &mut out)?;
                    out.push_str(between);
                }
                ("rpm", "disable") if truthy(repo, "distro") => {
                    out.push_str(&format!("dnf config-manager --disable {} || true", needed(name, repo, "name")?));
                }
                ("deb", "enable") if self.dialect == Dialect::Replaced || !truthy(repo, "distro") => {
                    self.deb(name, repo, &mut backed_up, &mut out)?;
                    out.push_str(between);
                }
                _ => {}
            }
        }
        Ok(if out.is_empty() { out } else { format!("RUN {out}") })
    }

    fn rpm(&self, name: &str, repo: &Value, backed_up: &mut BTreeSet<String>, out: &mut String) -> Result<(), String> {
        let merged = self.dialect == Dialect::Merged;
        let file = format!("/etc/yum.repos.d/{name}.repo");
        let title = || needed(name, repo, "name");
        if truthy(repo, "distro") {
            out.push_str(&format!("dnf config-manager --enable {} || true", title()?));
            if !merged {
                addresses(repo, &file, out);
            }
            return Ok(());
        }
        if merged {
            if truthy(repo, "build_only") {
                let group = self.file_group(name, repo);
                if backed_up.insert(group.clone()) {
                    out.push_str(&format!(
                        "mkdir -p {BACKUP} && cp /etc/yum.repos.d/{group} {BACKUP}/{group} 2>/dev/null || true \
                         && touch {BACKUP}/{group}.enabled && "
                    ));
                }
            }
            let title = title()?;
            out.push_str(&format!("grep -rlF '[{title}]' /etc/yum.repos.d/ 2>/dev/null | xargs -r rm -f && "));
        }
        let title = title()?;
        out.push_str(&format!("echo '[{title}]' >{file} && echo 'name={title}' >>{file} && echo 'enabled=1' >>{file}"));
        for check in ["gpgcheck", "repo_gpgcheck"] {
            if truthy(repo, check) {
                out.push_str(&format!(" && echo '{check}={}' >>{file}", text(repo, check).unwrap_or_default()));
            }
        }
        if merged && !["baseurl", "metalink", "mirrorlist"].iter().any(|key| get(repo, key).is_some()) {
            return Err(format!("the repository `{name}` has no baseurl, metalink, or mirrorlist"));
        }
        for (index, key) in lines(&needed(name, repo, "gpgkey")?).enumerate() {
            let lead = if index == 0 { "gpgkey=" } else { "       " };
            out.push_str(&format!(" && echo '{lead}{key}' >>{file}"));
        }
        addresses(repo, &file, out);
        Ok(())
    }

    fn deb(&self, name: &str, repo: &Value, backed_up: &mut BTreeSet<String>, out: &mut String) -> Result<(), String> {
        let merged = self.dialect == Dialect::Merged;
        let file = format!("/etc/apt/sources.list.d/{name}.sources");
        if merged && truthy(repo, "build_only") && backed_up.insert(file.clone()) {
            out.push_str(&format!(
                "mkdir -p {BACKUP} && cp {file} {BACKUP}/{name}.sources 2>/dev/null || true \
                 && touch {BACKUP}/{name}.enabled && "
            ));
        }
        let key = needed(name, repo, "gpg_key")?;
        let signed_by = if merged && key.starts_with('/') { key } else { format!("/etc/kolla/apt-keys/{key}") };
        let mut suite = needed(name, repo, "suite")?;
        if merged {
            suite = suite.replace("{openstack_release_codename}", &self.codename.to_lowercase());
        }
        let (component, url) = (needed(name, repo, "component")?, needed(name, repo, "url")?);
        out.push_str(&format!(
            "echo 'Uris: {url}' >{file} && echo 'Components: {component}' >>{file} && echo 'Types: deb' >>{file} \
             && echo 'Suites: {suite}' >>{file} && echo 'Signed-By: {signed_by}' >>{file}"
        ));
        if merged && truthy(repo, "trusted") {
            out.push_str(&format!(" && echo 'Trusted: yes' >>{file}"));
        }
        if let Some(arch) = text(repo, "arch") {
            out.push_str(&format!(" && echo 'Architectures: {arch}' >>{file}"));
        }
        Ok(())
    }

    /// `cleanup_repos()`: puts the files of `build_only` repositories back.
    pub fn cleanup(&self) -> String {
        let mut commands = Vec::new();
        let mut restored = BTreeSet::new();
        let list = self.list.iter().filter(|(_, repo)| truthy(repo, "build_only") && !truthy(repo, "distro"));
        for (name, repo) in list {
            let name = name.text();
            let back = |mark: &str, file: &str, folder: &str| {
                format!(
                    "[ -f {BACKUP}/{mark}.enabled ] && ( mv {BACKUP}/{file} {folder}/{file} 2>/dev/null \
                     || rm -f {folder}/{file} ) || true"
                )
            };
            if self.package_type == "rpm" {
                let own = format!("{name}.repo");
                let group = self.file_group(&name, repo);
                if group != own {
                    commands.push(format!("rm -f /etc/yum.repos.d/{own}"));
                    if !restored.insert(group.clone()) {
                        continue;
                    }
                }
                commands.push(back(&group, &group, "/etc/yum.repos.d"));
            } else if self.package_type == "deb" {
                commands.push(back(&name, &format!("{name}.sources"), "/etc/apt/sources.list.d"));
            }
        }
        if commands.is_empty() {
            return String::new();
        }
        commands.push(format!("rm -rf {BACKUP}"));
        format!("RUN {}", commands.join(" \\\n    && "))
    }
}

/// Python's `splitlines`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
}

fn addresses(repo: &Value, file: &str, out: &mut String) {
    let Some((key, value)) =
        ["baseurl", "metalink", "mirrorlist"].iter().find_map(|key| Some((*key, text(repo, key)?)))
    else {
        return;
    };
    if key == "baseurl" {
        for url in lines(&value) {
            out.push_str(&format!(" && echo 'baseurl={url}' >>{file}"));
        }
    } else {
        out.push_str(&format!(" && echo '{key}={value}' >>{file}"));
    }
}

fn needed(name: &str, repo: &Value, key: &str) -> Result<String, String> {
    text(repo, key).ok_or_else(|| format!("the repository `{name}` of repos.yaml has no `{key}`"))
}

/// Repositories of one file must all be overridden if one is: the file is removed.
fn conflict(list: &Map, defaults: &Map) -> Option<String> {
    let default = |name: &Key| defaults.get(name).unwrap_or(&Value::Null);
    let overridden: BTreeSet<&Key> = list
        .iter()
        .filter(|(name, repo)| !truthy(repo, "distro") && truthy(default(name), "distro"))
        .map(|(name, _)| name)
        .collect();
    let groups: BTreeSet<String> = overridden.iter().filter_map(|name| text(default(name), "file_group")).collect();
    let mut left: Vec<_> = list
        .iter()
        .filter(|(name, repo)| {
            truthy(repo, "distro")
                && !overridden.contains(name)
                && text(repo, "file_group").is_some_and(|group| groups.contains(&group))
        })
        .map(|(name, _)| name.text().to_string())
        .collect();
    left.sort();
    (!left.is_empty()).then(|| {
        let overridden: Vec<_> = overridden.iter().map(|name| name.text().to_string()).collect();
        format!(
            "the repositories {} override those of the distribution, whose .repo file is removed; {} are still in \
             that file: override them too",
            overridden.join(", "),
            left.join(", ")
        )
    })
}

/// `debian_package_install(packages, clean_package_cache)`.
pub fn debian_package_install(packages: &[String], clean: bool) -> String {
    let (urls, packages): (Vec<&String>, Vec<&String>) = packages.iter().partition(|name| name.starts_with("http"));
    let mut commands = Vec::new();
    if !packages.is_empty() {
        commands.push("apt-get --error-on=any update".to_owned());
        let packages: Vec<&str> = packages.into_iter().map(String::as_str).collect();
        commands.push(format!("apt-get -y install --no-install-recommends {}", packages.join(" ")));
        if clean {
            commands.extend(["apt-get clean".to_owned(), "rm -rf /var/lib/apt/lists/*".to_owned()]);
        }
    }
    for url in urls {
        let name = url.rsplit('/').next().unwrap_or_default();
        commands.push(format!("curl --location {url} -o {name}"));
        commands.push(format!("dpkg -i {name}"));
        commands.push(format!("rm -rf {name}"));
    }
    commands.join(" && ")
}

/// `rpm_setup_config`: a line for each `.rpm` or `.repo`.
pub fn rpm_setup(configured: &[String]) -> Result<Vec<String>, String> {
    configured
        .iter()
        .map(|config| {
            let end = config.rsplit_once('.').map_or("", |(_, end)| end);
            Ok(if end == "rpm" {
                format!("RUN dnf -y install {config}")
            } else if end == "repo" && config.starts_with("http") {
                let name = config.rsplit('/').next().unwrap_or_default();
                format!("RUN curl -L {config} -o /etc/yum.repos.d/{name}")
            } else if end == "repo" {
                format!("COPY {config} /etc/yum.repos.d/")
            } else if config.is_empty() {
                String::new()
            } else {
                return Err(format!("`rpm_setup_config`: expected .rpm or .repo files, found `{config}`"));
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::from_json;

    fn map(json: &str) -> Map {
        from_json(serde_json::from_str(json).unwrap()).as_map().unwrap().clone()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const RPM: &str = r#"{"rpm": {"a": {"name": "A", "baseurl": "http://a", "gpgkey": "k1\nk2", "gpgcheck": 1}},
        "rocky": {"crb": {"name": "crb", "distro": true, "file_group": "rocky.repo"},
                  "base": {"name": "base", "distro": true, "file_group": "rocky.repo"}}}"#;
    const DEB: &str = r#"{"debian": {"x": {"url": "http://x", "suite": "t-{openstack_release_codename}",
        "component": "main", "gpg_key": "/k.asc"}}, "debian-x86_64": {"y": {"url": "http://y", "suite": "s",
        "component": "c", "gpg_key": "y.gpg", "arch": "amd64", "build_only": true}}}"#;

    fn repos(dialect: Dialect, tree: &str, own: Option<&str>, on: (&str, &str, &str)) -> Repos {
        Repos::new(dialect, (&map(tree), own.map(map).as_ref()), on, "Hibiscus")
    }

    const ROCKY: (&str, &str, &str) = ("rpm", "rocky", "x86_64");
    const DEBIAN: (&str, &str, &str) = ("deb", "debian", "x86_64");

    #[test]
    fn rpm_repositories_are_written_anew_or_enabled() {
        let new = repos(Dialect::Merged, RPM, None, ROCKY);
        assert_eq!(
            new.handle(&names(&["a", "crb"]), "enable").unwrap(),
            "RUN grep -rlF '[A]' /etc/yum.repos.d/ 2>/dev/null | xargs -r rm -f && echo '[A]' >/etc/yum.repos.d/a.repo \
             && echo 'name=A' >>/etc/yum.repos.d/a.repo && echo 'enabled=1' >>/etc/yum.repos.d/a.repo \
             && echo 'gpgcheck=1' >>/etc/yum.repos.d/a.repo && echo 'gpgkey=k1' >>/etc/yum.repos.d/a.repo \
             && echo '       k2' >>/etc/yum.repos.d/a.repo && echo 'baseurl=http://a' >>/etc/yum.repos.d/a.repo \
             && dnf config-manager --enable crb || true"
        );
        assert_eq!(
            new.handle(&names(&["a", "crb"]), "disable").unwrap(),
            "RUN dnf config-manager --disable crb || true"
        );
        let old = repos(Dialect::Replaced, RPM, None, ROCKY);
        assert!(old.handle(&names(&["a"]), "enable").unwrap().starts_with("RUN echo '[A]' >/etc"));
        assert!(new.handle(&names(&["zzz"]), "enable").unwrap_err().contains("no repository `zzz`"));
        assert_eq!(new.handle(&[], "enable").unwrap(), "");
    }

    #[test]
    fn an_own_file_is_merged_or_replaces() {
        let own = r#"{"rpm": {"b": {"name": "B", "metalink": "http://m", "gpgkey": "k"}}}"#;
        assert!(repos(Dialect::Merged, RPM, Some(own), ROCKY).handle(&names(&["a", "b"]), "enable").is_ok());
        assert!(repos(Dialect::Replaced, RPM, Some(own), ROCKY).handle(&names(&["a"]), "enable").is_err());
        let half = r#"{"rocky": {"crb": {"name": "crb", "baseurl": "http://c", "gpgkey": "k"}}}"#;
        let problem = repos(Dialect::Merged, RPM, Some(half), ROCKY).handle(&names(&["crb"]), "enable").unwrap_err();
        assert!(problem.contains("override them too") && problem.contains("base are still"), "{problem}");
    }

    #[test]
    fn build_only_repositories_are_put_back() {
        let own = r#"{"rocky": {"crb": {"name": "crb", "baseurl": "u", "gpgkey": "k", "build_only": true},
            "base": {"name": "base", "baseurl": "u", "gpgkey": "k", "build_only": true}}}"#;
        let found = repos(Dialect::Merged, RPM, Some(own), ROCKY);
        let enabled = found.handle(&names(&["crb", "base"]), "enable").unwrap();
        assert_eq!(enabled.matches("cp /etc/yum.repos.d/rocky.repo").count(), 1, "{enabled}");
        assert_eq!(
            found.cleanup(),
            "RUN rm -f /etc/yum.repos.d/crb.repo \\\n    && [ -f /tmp/kolla-repos-backup/rocky.repo.enabled ] \
             && ( mv /tmp/kolla-repos-backup/rocky.repo /etc/yum.repos.d/rocky.repo 2>/dev/null \
             || rm -f /etc/yum.repos.d/rocky.repo ) || true \\\n    && rm -f /etc/yum.repos.d/base.repo \
             \\\n    && rm -rf /tmp/kolla-repos-backup"
        );
        assert_eq!(repos(Dialect::Merged, RPM, None, ROCKY).cleanup(), "");
    }

    #[test]
    fn deb_repositories_have_keys_suites_and_architectures() {
        let new = repos(Dialect::Merged, DEB, None, DEBIAN).handle(&names(&["x"]), "enable").unwrap();
        assert!(new.contains("'Suites: t-hibiscus'") && new.contains("'Signed-By: /k.asc'"), "{new}");
        let old = repos(Dialect::Replaced, DEB, None, DEBIAN).handle(&names(&["x", "y"]), "enable").unwrap();
        assert!(
            old.contains("/etc/kolla/apt-keys//k.asc")
                && old.ends_with("'Architectures: amd64' >>/etc/apt/sources.list.d/y.sources"),
            "{old}"
        );
        assert!(repos(Dialect::Merged, DEB, None, DEBIAN).cleanup().contains("y.sources"));
    }

    #[test]
    fn debian_packages_may_be_addresses() {
        let found = debian_package_install(&names(&["a", "http://x/y/z.deb", "b"]), true);
        assert_eq!(
            found,
            "apt-get --error-on=any update && apt-get -y install --no-install-recommends a b && apt-get clean \
             && rm -rf /var/lib/apt/lists/* && curl --location http://x/y/z.deb -o z.deb && dpkg -i z.deb && rm -rf z.deb"
        );
        assert_eq!(debian_package_install(&[], true), "");
    }

    #[test]
    fn rpm_setup_is_lines() {
        let found = rpm_setup(&names(&["a.rpm", "http://h/x.repo", "f.repo", ""])).unwrap();
        assert_eq!(
            found,
            [
                "RUN dnf -y install a.rpm",
                "RUN curl -L http://h/x.repo -o /etc/yum.repos.d/x.repo",
                "COPY f.repo /etc/yum.repos.d/",
                ""
            ]
        );
        assert!(rpm_setup(&names(&["x.txt"])).is_err());
    }
}
