//! `package`: packages by whichever manager the host has.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map as Json, Value as JsonValue};

use super::apt;
use super::call::Failure;
use super::cx::Cx;
use super::spec::{HandsTo, Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::value::{Map, Value, from_json};

/// Installs and removes packages with the host's own manager: apt, or dnf.
///
/// ```yaml
/// - package:
///     name: [lvm2, curl]
///     state: present
/// ```
#[derive(JsonSchema)]
pub struct Args {
    /// The packages, as the manager names them.
    #[serde(default)]
    name: Vec<String>,
    /// How they shall be.
    #[serde(default)]
    state: State,
    /// Read the package lists first. Goes to the manager, as Ansible hands it on.
    #[serde(default)]
    update_cache: Option<bool>,
    /// Seconds for which lists that were read count as fresh. Only apt knows it.
    #[serde(default)]
    cache_valid_time: Option<i64>,
    /// The manager to use: `auto`, `apt`, `dnf`, `dnf5` or `yum`. Where it is not given, the variable
    /// `ansible_package_use` says it.
    #[serde(default = "auto", rename = "use")]
    manager: String,
    /// What else was given: it goes to the manager's own module, as in Ansible.
    #[schemars(skip)]
    more: Json<String, JsonValue>,
}

/// One argument, taken out of all.
fn take<T: serde::de::DeserializeOwned + Default, E: serde::de::Error>(
    all: &mut Json<String, JsonValue>,
    name: &str,
) -> std::result::Result<T, E> {
    all.remove(name).map_or_else(|| Ok(T::default()), |value| serde_json::from_value(value).map_err(E::custom))
}

impl<'de> Deserialize<'de> for Args {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut more = Json::deserialize(deserializer)?;
        Ok(Self {
            name: take(&mut more, "name")?,
            state: take(&mut more, "state")?,
            update_cache: take(&mut more, "update_cache")?,
            cache_valid_time: take(&mut more, "cache_valid_time")?,
            manager: take::<Option<String>, _>(&mut more, "use")?.unwrap_or_else(auto),
            more,
        })
    }
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Present,
    Installed,
    Latest,
    Absent,
    Removed,
}

fn auto() -> String {
    "auto".to_owned()
}

/// The module.
pub struct Package;

impl Module for Package {
    type Args = Args;
    const META: Meta = Meta {
        name: "package",
        full_name: "ansible.builtin.package",
        also: &["ansible.legacy.package"],
        summary: "Manage packages with the host's own manager",
        any_argument: true,
        hands_to: Some(HandsTo { names: &["apt", "dnf"], variable: Some("ansible_package_use"), fact: "pkg_mgr" }),
        reads: &[
            "dpkg-query",
            "apt-cache",
            "apt-get -s",
            "dpkg --compare-versions",
            "dpkg-deb -f",
            "dpkg --print-architecture",
            "rpm -q",
            "rpm -qa",
            "dnf --assumeno",
            "dnf --quiet repoquery",
            "dnf --quiet repolist",
            "rpm -qp",
        ],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let has = |program: &str| cx.probe().which(program).is_some();
        let use_apt = match args.manager.as_str() {
            "apt" => true,
            "dnf" | "dnf5" | "yum" => false,
            "auto" if has("apt-get") && has("dpkg") => true,
            "auto" if has("dnf") => false,
            "auto" => {
                return Err(Diagnostic::task(
                    "H0103",
                    "this host has neither apt nor dnf, which are the package managers that hostctl knows",
                )
                .into());
            }
            other => {
                let words = format!("Could not find a matching action for the \"{other}\" package manager.");
                let message = format!("`{other}` is no package manager that hostctl knows");
                return Err(Diagnostic::task("H0103", message)
                    .with_registered(words)
                    .with_hint("use: auto, apt or dnf")
                    .into());
            }
        };
        if use_apt {
            return apt::run(cx, &handed("apt", args)?);
        }
        if args.cache_valid_time.is_some() {
            return Err(Diagnostic::task("H0103", "`cache_valid_time` is known to apt only, and this host has dnf")
                .with_hint("leave it out on such hosts: `{{ 3600 if ansible_facts.pkg_mgr == 'apt' else omit }}`")
                .into());
        }
        super::dnf::run(cx, handed("dnf", args)?)
    }
}

/// The arguments for the manager's own module, checked by its table.
fn handed<T: serde::de::DeserializeOwned>(name: &str, args: Args) -> Result<T, Failure> {
    let mut given = args.more;
    if !args.name.is_empty() {
        given.insert("name".to_owned(), args.name.into());
    }
    let state = serde_json::to_value(args.state)
        .map_err(|error| Diagnostic::internal(format!("a state has no text: {error}")))?;
    given.insert("state".to_owned(), state);
    given.extend(args.update_cache.map(|update| ("update_cache".to_owned(), update.into())));
    given.extend(args.cache_valid_time.map(|seconds| ("cache_valid_time".to_owned(), seconds.into())));
    let entry = super::find(name).ok_or_else(|| Diagnostic::internal(format!("there is no module `{name}`")))?;
    let Value::Map(map) = from_json(JsonValue::Object(given)) else {
        return Err(Diagnostic::internal("arguments are no mapping").into());
    };
    let json = entry.spec().coerce(&map, &|_| false).map_err(|errors| {
        let message = errors.first().map_or_else(String::new, |error| error.message.clone());
        let said = super::ansible_message(entry, &format!("ansible.legacy.{name}"), &errors).unwrap_or_default();
        let code = errors.first().map_or("M0002", |error| error.code);
        Diagnostic::task(code, message).with_registered(said)
    })?;
    let args =
        serde_json::from_value(json).map_err(|error| Diagnostic::task("M0001", format!("`package`: {error}")))?;
    Ok(args)
}
