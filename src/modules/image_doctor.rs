//! `image_doctor`: what may stop or spoil image builds on the host.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::image_build::{BuilderArg, Network, TreeHere};
use super::spec::{InputArg, Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::image::preflight::{Examination, Examined, Line, examine, failure, mirror_place};
use crate::secret::Secret;
use crate::system::engine::{BuilderKind, RegistryLogin, RegistrySettings};
use crate::value::{Map, Value, insert};

/// Looks for what stops or spoils image builds on the task's host: one line each, with what to type.
///
/// Engine, permission, storage driver, BuildKit, disk, memory; the registry's port, login, clock and certificate; the mirror and
/// the firewall before it; with `path` the Dockerfiles of a tree too. It changes nothing. What would make builds fail
/// is an error of the task, all else stands in the result: `lines` for people, `checks` for programs (each with `severity` (`ok`,
/// `warn`, `FAIL`), `check`, `code`, `found`, `fix`) and `capabilities`, what the builder can do.
/// `hostctl image doctor --host HOST` is the same without a playbook.
///
/// ```yaml
/// - name: Can images be built here?
///   image_doctor:
///     registry: registry.example.org:5000
///     mirror: 172.30.0.1:3142
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// A tree of Dockerfiles to read too: a folder on the controller (beside the playbook), or on the host with `remote_src`.
    #[serde(default)]
    path: Option<HostPath>,
    /// The tree is on the host already.
    #[serde(default)]
    remote_src: bool,
    /// Registry host and port that images are pushed to.
    #[serde(default)]
    registry: Option<String>,
    /// User at the registry; by default the login of Docker's or Podman's own credential files and helpers.
    #[serde(default)]
    registry_username: Option<String>,
    /// Password at the registry.
    #[serde(default)]
    registry_password: Option<String>,
    /// File on the host with the registry's CA, besides `/etc/docker/certs.d` and the host's own.
    #[serde(default)]
    registry_ca: Option<HostPath>,
    /// The registry may be asked over plain HTTP although it is not on loopback.
    #[serde(default)]
    registry_insecure: bool,
    /// Package mirror that builds use, as `HOST:PORT`.
    #[serde(default)]
    mirror: Option<String>,
    /// Network of `RUN` instructions.
    #[serde(default)]
    network: Network,
    /// Platforms to build for (`linux/arm64`).
    #[serde(default)]
    platforms: Vec<String>,
    /// Which builder of the engine.
    #[serde(default)]
    builder: BuilderArg,
    /// The engine's socket; by default `DOCKER_HOST` or `unix:///var/run/docker.sock`.
    #[serde(default)]
    docker_host: Option<String>,
}

/// The module.
pub struct ImageDoctor;

impl Module for ImageDoctor {
    type Args = Args;
    const META: Meta = Meta {
        name: "image_doctor",
        full_name: "hostctl.core.image_doctor",
        summary: "Look for what stops or spoils image builds on the host",
        knows_asker: true,
        leaves_out: &[".hostctl"],
        inputs: &[InputArg::File { arg: "path", unless: Some("remote_src"), unless_by_default: false }],
        secret: &["registry_password"],
        together: &[&["registry_username", "registry_password"]],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        // It asks in check mode, too.
        cx.only_plans();
        let tree = args.path.as_ref().map(|path| TreeHere::find(cx, path, args.remote_src)).transpose()?;
        let registry = args.registry.as_ref().map(|host| RegistrySettings {
            host: host.clone(),
            ca_file: args.registry_ca.as_ref().map(|path| path.expand(cx.environment())),
            insecure: args.registry_insecure,
            login: args
                .registry_username
                .as_ref()
                .zip(args.registry_password.as_ref())
                .map(|(user, password)| RegistryLogin::new(host, user, Secret::new(password.as_str()))),
        });
        let mirror = args.mirror.as_ref().map(|text| {
            mirror_place(text).ok_or_else(|| {
                Diagnostic::task("M0001", format!("`mirror`: `{}` is no place", text.escape_debug()))
                    .with_hint("mirror: 172.30.0.1:3142")
            })
        });
        let named = args.docker_host.clone().or_else(|| cx.probe().variable("DOCKER_HOST"));
        let clock = i64::try_from(cx.probe().clock()).ok();
        let asked = Examination {
            clocks: cx.asked_by().map(|by| by.clock).zip(clock),
            engine: named.filter(|host| !host.is_empty()),
            builder: match args.builder {
                BuilderArg::Auto => None,
                BuilderArg::Buildkit => Some(BuilderKind::BuildKit),
                BuilderArg::Classic => Some(BuilderKind::Classic),
                BuilderArg::Buildah => Some(BuilderKind::Buildah),
            },
            registry,
            tree: tree.as_ref().map(|tree| tree.root().to_path_buf()),
            shown: args.path.as_ref().map_or_else(String::new, |path| path.as_str().to_owned()),
            mirror: mirror.transpose()?,
            network_host: args.network == Network::Host,
            platforms: super::image_build::platforms(&args.platforms)?,
        };
        let found = cx.block_on(examine(cx.probe(), &asked))?;
        let result = told(&found);
        match failure(&found.lines) {
            None => Ok(result),
            Some(diagnostic) => Err(Failure::with_result(diagnostic, result)),
        }
    }
}

fn told(found: &Examined) -> Map {
    let check = |line: &Line| {
        let mut map = Map::new();
        insert(&mut map, "severity", line.severity.name());
        insert(&mut map, "check", line.check);
        insert(&mut map, "code", line.code);
        insert(&mut map, "found", line.found.as_str());
        insert(&mut map, "fix", line.fix.as_deref().map_or(Value::Null, Value::from));
        Value::from(map)
    };
    let texts = |all: Vec<String>| all.into_iter().map(Value::from).collect::<Vec<_>>();
    let mut map = Map::new();
    insert(&mut map, "lines", texts(found.lines.iter().map(Line::text).collect()));
    insert(&mut map, "checks", found.lines.iter().map(check).collect::<Vec<_>>());
    insert(&mut map, "capabilities", texts(found.capabilities.clone()));
    map
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Try, module};
    use crate::map;

    fn asked(more: crate::value::Map) -> Try {
        let mut args = map! { "docker_host" => "unix:///nonexistent/docker.sock" };
        args.extend(more);
        module("image_doctor", args)
    }

    #[test]
    fn what_would_fail_is_an_error_with_all_lines_in_its_result() {
        let failure = asked(crate::value::Map::new()).check(true).run().unwrap_err();
        assert_eq!(failure.diagnostic.code, "B0110", "{failure:?}");
        let checks = serde_json::to_value(&failure.result).unwrap()["checks"].clone();
        assert_eq!(checks[0]["severity"], "FAIL");
        assert_eq!(checks[0]["check"], "engine");
        assert!(checks.as_array().unwrap().iter().any(|line| line["check"] == "memory"), "{checks}");
    }

    #[test]
    fn a_clock_that_is_not_the_controllers_is_told() {
        const { assert!(<super::ImageDoctor as super::Module>::META.knows_asker) };
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let told = |clock: i64| {
            let failure = asked(crate::value::Map::new()).asked_at(clock).run().unwrap_err();
            serde_json::to_string(&failure.result).unwrap()
        };
        assert!(told(now + 4000).contains("behind its controller's"), "{}", told(now + 4000));
        assert!(!told(now).contains("its controller's"), "{}", told(now));
    }

    #[test]
    fn mistakes_have_a_hint() {
        let failure = asked(map! { "mirror" => "172.30.0.1" }).run().unwrap_err();
        assert_eq!(failure.diagnostic.hints, ["mirror: 172.30.0.1:3142"]);
        let failure = asked(map! { "platforms" => vec![crate::value::Value::from("arm")] }).run().unwrap_err();
        assert!(!failure.diagnostic.hints.is_empty(), "{failure:?}");
    }
}
