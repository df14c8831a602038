//! Arguments to a request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::cx::Cx;
use super::super::types::HostPath;
use super::{Args, BuilderArg, Network};
use crate::diag::{Diagnostic, Result};
use crate::image::capabilities::ssh_agent;
use crate::image::platforms::Platform;
use crate::image::set::{BuilderChoice, SetRequest, Stage};
use crate::image::{Names, Reuse, Settings};
use crate::secret::{Secret, passwords_in};
use crate::system::engine::{BuilderKind, CacheTo, DEFAULT_SOCKET, RegistryLogin, RegistrySettings};

/// What a task's arguments ask for.
pub(super) fn request(cx: &Cx, args: &Args) -> Result<SetRequest> {
    let registry = args.registry.clone().unwrap_or_default();
    if !registry.chars().all(|c| c.is_ascii_alphanumeric() || "._-:[]/".contains(c)) {
        // Before an `@` a password may stand.
        let shown = registry.rsplit_once('@').map_or_else(|| registry.clone(), |(_, host)| format!("...@{host}"));
        return Err(Diagnostic::task("M0001", format!("`registry`: `{}` is no host", shown.escape_debug()))
            .with_hint("registry: registry.example.org:5000, and the rest of the name in `namespace`"));
    }
    let login = match (&args.registry_username, &args.registry_password) {
        (Some(username), Some(password)) if !username.is_empty() => {
            Some(RegistryLogin::new(registry.as_str(), username.as_str(), Secret::new(password.as_str())))
        }
        _ if registry.is_empty() => None,
        _ => stored_login(cx, args, &registry)?,
    };
    let registries = registries(cx, &args.registries)?;
    let mut build_args = texts("build_args", &args.build_args)?;
    if let Some(distro) = &args.base_distro {
        build_args.entry("BASE_DISTRO".to_owned()).or_insert_with(|| distro.clone());
    }
    // They reach every `RUN`, and some of them the image: masked, and searched for.
    let in_addresses = build_args
        .iter()
        .flat_map(|(name, value)| passwords_in(value).into_iter().map(move |password| (name, password)));
    let in_addresses: Vec<(String, Secret)> = in_addresses
        .map(|(name, password)| (format!("the password in build argument `{name}`"), Secret::new(password)))
        .collect();
    for (name, _) in &in_addresses {
        cx.warn(format!(
            "{name} is given to every `RUN`, and stays in the history of images that declare the argument; a proxy on the \
             host that logs in itself (`mirror_proxy`) needs none"
        ));
    }
    let others = registries.iter().filter_map(|one| one.login.as_ref()).map(|login| login.password.expose());
    let mut passwords = args.registry_password.as_deref().into_iter().chain(others).filter(|text| text.len() > 3);
    if let Some(name) = passwords
        .find_map(|password| build_args.iter().find(|(_, value)| value.contains(password)).map(|(name, _)| name))
    {
        return Err(Diagnostic::task("B0017", format!("the build argument `{name}` holds a registry's password"))
            .with_note("build arguments stay in the image's history")
            .with_hint("use `secrets` and `RUN --mount=type=secret`"));
    }
    let forbidden: Vec<String> = if args.forbid_mirror_in_image {
        args.mirror_names.iter().filter(|name| !name.is_empty()).cloned().collect()
    } else {
        Vec::new()
    };
    let default_parallel = || std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    let environment = cx.environment();
    let named = args.docker_host.clone().or_else(|| cx.probe().variable("DOCKER_HOST").filter(|host| !host.is_empty()));
    let engine_named = named.is_some();
    let engine = named.unwrap_or_else(|| DEFAULT_SOCKET.to_owned());
    for (name, count) in [("parallel", args.parallel), ("pushes", args.pushes)] {
        if count == Some(0) {
            return Err(Diagnostic::task("M0001", format!("`{name}`: nothing would ever start with 0"))
                .with_hint(format!("{name}: 1, or leave it out for as many as the host has processors, at most 4")));
        }
    }
    for name in args.search_except.iter().filter(|name| !cx.masked().iter().any(|(known, _)| known == *name)) {
        cx.warn(format!("`search_except`: no secret of this run is called `{}`", name.escape_debug()));
    }
    Ok(SetRequest {
        names: Names {
            registry: registry.clone(),
            namespace: args.namespace.clone(),
            prefix: args.prefix.clone(),
            tag: args.tag.clone(),
        },
        settings: Settings {
            args: build_args,
            labels: labels(&args.labels)?,
            secrets: secrets(&args.secrets)?.into_iter().map(|(id, text)| (id, Secret::new(text))).collect(),
            network_host: args.network == Some(Network::Host),
            no_cache: args.nocache,
            pull: args.pull,
            login: login.clone(),
            logins: Vec::new(),
            forbidden,
            ssh: ssh(cx, &args.ssh)?,
            cache_from: cache_names("cache_from", &args.cache_from)?,
            cache_to: cache_names("cache_to", &args.cache_to)?.iter().map(|text| cache_to(text)).collect(),
            extra_hosts: extra_hosts(&args.extra_hosts)?,
            platforms: platforms(&args.platforms)?,
            key_tags: args.key_tags,
            vault: cx
                .masked()
                .iter()
                .map(|(name, value)| (name.clone(), Secret::new(value.as_str())))
                .chain(in_addresses)
                .collect(),
            search_except: args.search_except.clone(),
        },
        only: args.only.clone(),
        skip: args.skip.clone(),
        parallel: args.parallel.map_or_else(default_parallel, |count| count.max(1) as usize),
        push: args.push,
        registry: RegistrySettings {
            host: registry,
            ca_file: args.registry_ca.as_ref().map(|path| whole(path.expand(environment))),
            insecure: args.registry_insecure,
            login,
        },
        log_dir: args.log_dir.as_ref().map(|path| whole(path.expand(environment))),
        engine,
        engine_named,
        builder: match args.builder {
            BuilderArg::Auto => BuilderChoice::Auto,
            BuilderArg::Buildkit => BuilderChoice::Only(BuilderKind::BuildKit),
            BuilderArg::Classic => BuilderChoice::Only(BuilderKind::Classic),
            BuilderArg::Buildah => BuilderChoice::Only(BuilderKind::Buildah),
        },
        stages: args
            .sets
            .iter()
            .enumerate()
            .map(|(place, only)| Stage { name: format!("set {}", place + 1), only: only.clone() })
            .collect(),
        reuse: args.reuse.as_ref().map(Reuse::from_json).transpose()?.unwrap_or_default(),
        resume: args.resume.unwrap_or(false),
        pushes: args.pushes.map_or_else(default_parallel, |count| count.max(1) as usize),
        build_retries: args.build_retries.unwrap_or(0),
        plan: args.plan == Some(true),
        min_free: args.min_free.as_deref().map(bytes).transpose()?,
        digests: Vec::new(),
        sent: None,
        sent_from: None,
        run: cx.asked_by().map(|by| by.run.clone()).unwrap_or_default(),
        clocks: cx.asked_by().and_then(|by| Some((by.clock, by.arrived?))),
        mirror: None,
        registries,
        mirror_names: args.mirror_names.clone(),
        squash: args.squash,
    })
}

fn labels(given: &serde_json::Map<String, serde_json::Value>) -> Result<BTreeMap<String, String>> {
    let labels = texts("labels", given)?;
    match labels.keys().find(|name| name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control())) {
        Some(name) => Err(Diagnostic::task("M0001", format!("`labels`: `{}` is no label", name.escape_debug()))
            .with_hint("labels: {org.opencontainers.image.vendor: lab}")),
        None => Ok(labels),
    }
}

/// Ids are file names below `/run/secrets`.
fn secrets(given: &serde_json::Map<String, serde_json::Value>) -> Result<BTreeMap<String, String>> {
    let secrets = texts("secrets", given)?;
    let good = |id: &str| {
        id.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    match secrets.keys().find(|id| !good(id)) {
        Some(id) => Err(Diagnostic::task("M0001", format!("`secrets`: `{}` is no id", id.escape_debug()))
            .with_note("builds read it as the file `/run/secrets/ID`")
            .with_hint("secrets: {pip_token: \"{{ pip_token }}\"}")),
        None => Ok(secrets),
    }
}

/// Other registries, each a mapping.
fn registries(cx: &Cx, given: &serde_json::Map<String, serde_json::Value>) -> Result<Vec<RegistrySettings>> {
    #[derive(Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Other {
        username: Option<String>,
        password: Option<String>,
        ca: Option<String>,
        insecure: bool,
    }
    let one = |(host, value): (&String, &serde_json::Value)| {
        // The words of the parser may hold the value.
        let wrong = |problem: &str| {
            Diagnostic::task("M0001", format!("`registries.{}`: {problem}", host.escape_debug()))
                .with_hint("registries: {registry.example:5000: {username: builder, password: \"{{ password }}\"}}")
        };
        let other: Other = serde_json::from_value(value.clone())
            .map_err(|_| wrong("expected a mapping of `username`, `password`, `ca` and `insecure` (true or false)"))?;
        let login = match (other.username, other.password) {
            (Some(username), Some(password)) => {
                Some(RegistryLogin::new(host.as_str(), username, Secret::new(password)))
            }
            (None, None) => None,
            _ => return Err(wrong("`username` and `password` go together")),
        };
        let ca_file = other.ca.map(|path| whole(HostPath(path).expand(cx.environment())));
        Ok(RegistrySettings { host: host.clone(), ca_file, insecure: other.insecure, login })
    };
    given.iter().map(one).collect()
}

/// The login of Docker's or Podman's own files and helpers. Only a push cannot do without it.
fn stored_login(cx: &Cx, args: &Args, registry: &str) -> Result<Option<RegistryLogin>> {
    let found = cx.probe().registry_credentials().and_then(|known| known.login(registry, &args.namespace));
    match found {
        Ok(login) => Ok(login),
        Err(error) if args.push => {
            let problem = Diagnostic::task("B0082", error.message);
            Err(match error.hint {
                Some(hint) => problem.with_hint(hint),
                None => problem,
            })
        }
        Err(error) => {
            cx.warn(error.message);
            Ok(None)
        }
    }
}

/// Scalars as text; lists and mappings are refused.
fn texts(argument: &str, given: &serde_json::Map<String, serde_json::Value>) -> Result<BTreeMap<String, String>> {
    given
        .iter()
        .map(|(name, value)| {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Null => String::new(),
                serde_json::Value::Bool(_) | serde_json::Value::Number(_) => value.to_string(),
                _ => {
                    let message = format!("`{argument}.{name}`: expected text, found a list or mapping");
                    return Err(Diagnostic::task("M0001", message));
                }
            };
            Ok((name.clone(), text))
        })
        .collect()
}

pub(in crate::modules) fn platforms(texts: &[String]) -> Result<Vec<Platform>> {
    let one = |text: &String| {
        text.parse().map_err(|problem: String| {
            Diagnostic::task("M0001", format!("`platforms`: {problem}"))
                .with_hint("platforms: [linux/amd64, linux/arm64]")
        })
    };
    texts.iter().map(one).collect()
}

/// Names of images or caches. The engine takes a list as text with commas, so none may hold one.
fn cache_names(argument: &str, names: &[String]) -> Result<Vec<String>> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    match names.iter().find(|name| name.is_empty() || !name.chars().all(good)) {
        Some(name) => Err(Diagnostic::task(
            "M0001",
            format!("`{argument}`: `{}` is no name of an image or cache", name.escape_debug()),
        )
        .with_hint(format!("{argument}: [\"registry.example:5000/lab/cache:main\"]"))),
        None => Ok(names.to_vec()),
    }
}

/// Names and addresses; `host-gateway` is the engine's word for the host.
fn extra_hosts(given: &serde_json::Map<String, serde_json::Value>) -> Result<Vec<(String, String)>> {
    let hosts = texts("extra_hosts", given)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    for (name, address) in &hosts {
        let wrong = if name.is_empty() || !name.chars().all(good) {
            format!("`{}` is no host name", name.escape_debug())
        } else if address != "host-gateway" && address.parse::<std::net::IpAddr>().is_err() {
            format!("`{}` of `{name}` is no address", address.escape_debug())
        } else {
            continue;
        };
        return Err(Diagnostic::task("M0001", format!("`extra_hosts`: {wrong}"))
            .with_hint("extra_hosts: {mirror.example: 192.0.2.7}"));
    }
    Ok(hosts.into_iter().collect())
}

fn cache_to(text: &str) -> CacheTo {
    match text {
        "inline" => CacheTo::Inline,
        name => CacheTo::Registry { name: name.to_owned(), all_stages: true },
    }
}

fn ssh(cx: &Cx, given: &serde_json::Map<String, serde_json::Value>) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for (id, value) in given {
        let named = match value {
            serde_json::Value::Bool(true) | serde_json::Value::Null => None,
            serde_json::Value::String(path) => Some(Path::new(path)),
            _ => {
                return Err(Diagnostic::task("M0001", format!("`ssh.{id}`: expected a socket's path, or true"))
                    .with_hint("ssh: {default: true}"));
            }
        };
        found.insert(id.clone(), ssh_agent(cx.probe(), named)?);
    }
    Ok(found)
}

/// `20g`, `512M`, `1.5 GiB`: units of 1024.
fn bytes(text: &str) -> Result<u64> {
    let bad = || {
        Diagnostic::task("M0001", format!("`min_free`: `{}` is no size", text.escape_debug()))
            .with_hint("min_free: 20g")
    };
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| bad())?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let unit = unit.trim_end_matches('b').trim_end_matches('i');
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(bad()),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes far below the limit")]
    let bytes = (number * 1024_f64.powi(power)).clamp(0.0, 1e18) as u64;
    Ok(bytes)
}

/// A path from the module's working folder: contexts are read and logs written by other threads, which may have another.
pub(super) fn whole(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, expected) in [("0", 0), ("512", 512), ("1k", 1024), ("1.5 GiB", 3 << 29), ("20g", 20 << 30)] {
            assert_eq!(bytes(text).unwrap(), expected, "{text}");
        }
        for text in ["", "g", "-1", "1x", "1.2.3g"] {
            assert_eq!(bytes(text).unwrap_err().code, "M0001", "{text}");
        }
    }
}
