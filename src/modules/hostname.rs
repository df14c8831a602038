//! `hostname`: the name of the host, now and after a restart.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::map;
use crate::system::fs::{Content, WriteOptions};
use crate::system::process::Program;
use crate::value::Map;

/// Sets the host's name. `/etc/hosts` is left alone.
///
/// ```yaml
/// - hostname:
///     name: builder-3
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The name.
    name: String,
    /// How it is set; by `hostnamectl` where systemd runs, else by `/etc/hostname`.
    r#use: Option<Strategy>,
}

/// Ansible's strategies, as far as they are for Linux.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    Alpine,
    Debian,
    Generic,
    Redhat,
    Sles,
    Systemd,
}

/// The module.
pub struct Hostname;

impl Module for Hostname {
    type Args = Args;
    const META: Meta = Meta {
        name: "hostname",
        full_name: "ansible.builtin.hostname",
        also: &["ansible.legacy.hostname"],
        summary: "Set the host's name",
        reads: &["hostnamectl --static status"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let name = &args.name;
        let systemd = Path::new("/run/systemd/system").is_dir() && cx.probe().which("hostnamectl").is_some();
        let strategy = args.r#use.unwrap_or(if systemd { Strategy::Systemd } else { Strategy::Debian });
        let read = |path: &str| cx.probe().text(path).unwrap_or_default().trim().to_owned();
        let current = read("/proc/sys/kernel/hostname");
        let file = match strategy {
            Strategy::Sles => "/etc/HOSTNAME",
            Strategy::Redhat => "/etc/sysconfig/network",
            _ => "/etc/hostname",
        };
        let whole = read(file);
        let permanent = match strategy {
            Strategy::Redhat => whole
                .lines()
                .find_map(|line| line.strip_prefix("HOSTNAME="))
                .map(|value| value.trim().trim_matches('"').to_owned())
                .unwrap_or_default(),
            // As `hostnamectl --static` reads it, without comments.
            _ => whole
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty() && !line.starts_with('#'))
                .unwrap_or_default()
                .to_owned(),
        };
        let (now, later) = (*name != current, *name != permanent);
        if strategy == Strategy::Systemd {
            if now {
                let program = Program::new(["hostnamectl", "--transient", "set-hostname"]).arg(name).parsable();
                cx.change(format!("name of the host to {name}"), |host| host.run_ok(program))?;
            }
            if later {
                if name.len() > 64 {
                    let message = "name cannot be longer than 64 characters on systemd servers, try a shorter name";
                    return Err(Diagnostic::task("H0123", message).into());
                }
                for kind in ["--pretty", "--static"] {
                    let program = Program::new(["hostnamectl", kind, "set-hostname"]).arg(name).parsable();
                    cx.change(format!("name of the host ({}) to {name}", &kind[2..]), |host| host.run_ok(program))?;
                }
            }
        } else {
            if now {
                cx.change(format!("name of the host to {name}"), |host| host.set_hostname(name))?;
            }
            if later {
                let text = match strategy {
                    Strategy::Redhat => {
                        let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
                        let new = format!("HOSTNAME={name}");
                        match lines.iter_mut().find(|line| line.starts_with("HOSTNAME=")) {
                            Some(line) => *line = new,
                            None => lines.push(new),
                        }
                        lines.join("\n") + "\n"
                    }
                    _ => format!("{name}\n"),
                };
                let options = WriteOptions { unsafe_writes: true, ..WriteOptions::default() };
                cx.change(format!("{file} to {name}"), |host| {
                    host.write(Path::new(file), Content::Bytes(text.as_bytes()), options)
                })?;
            }
        }
        if now || later {
            let before = if now { &current } else { &permanent };
            cx.diff(Diff {
                before: format!("hostname = {before}\n"),
                after: format!("hostname = {name}\n"),
                ..Diff::default()
            });
        }
        let short = name.split('.').next().unwrap_or_default();
        let domain = name.split_once('.').map_or("", |(_, domain)| domain);
        Ok(map! {
            "name" => name.as_str(),
            "ansible_facts" => map! {
                "ansible_hostname" => short, "ansible_nodename" => name.as_str(),
                "ansible_fqdn" => name.as_str(), "ansible_domain" => domain,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use crate::map;

    #[test]
    fn a_name_is_planned_and_told() {
        let outcome = module("hostname", map! { "name" => "hct-other.example", "use" => "debian" }).check(true).ok();
        assert!(outcome.changed);
        let facts = get(&outcome, "ansible_facts");
        assert_eq!((&facts["ansible_hostname"], &facts["ansible_domain"]), (&json!("hct-other"), &json!("example")));
        assert_eq!(outcome.diffs.len(), 1);
        assert!(outcome.diffs[0].after.contains("hct-other.example"));
    }
}
