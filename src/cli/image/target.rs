//! Where an image command works: this machine, a host over ssh, or hosts of an environment.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::arguments::ProjectArgs;
use super::super::run::RunArgs;
use crate::diag::{Diagnostic, Kind, Result};

/// The group of hosts that build images.
const GROUP: &str = "build_hosts";

/// Which machine.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where")]
pub struct TargetArgs {
    /// Work on this host over ssh; it need not stand in an inventory. With `--env`, that one's variables count.
    #[arg(long, value_name = "[USER@]HOST[:PORT]", conflicts_with = "limit")]
    host: Option<String>,
    #[command(flatten)]
    project: ProjectArgs,
    /// The private key to log in with.
    #[arg(long, value_name = "FILE", visible_alias = "key-file")]
    private_key: Option<PathBuf>,
    /// Seconds to wait for a connection.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Arguments for every ssh, for example -o ProxyJump=HOST.
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    ssh_common_args: Option<String>,
    /// Ask for the login password.
    #[arg(short = 'k', long, visible_alias = "ask-pass")]
    ask_password: bool,
    /// Work as root, or as `--become-user`.
    #[arg(long)]
    r#become: bool,
    /// The user to become.
    #[arg(long, value_name = "USER", requires = "become")]
    become_user: Option<String>,
    /// How to become that user: sudo or su.
    #[arg(long, value_name = "METHOD", requires = "become")]
    become_method: Option<String>,
    /// Ask for the password to become that user.
    #[arg(short = 'K', long, visible_alias = "ask-become-pass")]
    ask_become_password: bool,
    /// More detail: -v results, -vv arguments, -vvv the connection.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// A host as it was typed.
#[derive(Debug, PartialEq, Eq)]
struct Typed<'a> {
    user: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
}

impl TargetArgs {
    /// True for the machine that this runs on.
    pub(super) fn is_here(&self) -> bool {
        self.host.is_none() && self.environment().is_none() && self.project.inventory.is_empty()
    }

    /// True if files of this machine can be read where the work is done, in the same way.
    pub(super) fn shares_files(&self) -> bool {
        self.is_here() && !self.r#become
    }

    /// A source as a task names it: whole if it lies on this machine, as it is typed if it lies on the hosts.
    pub(super) fn source(&self, path: &Path, remote_src: bool) -> Result<PathBuf> {
        if remote_src && !self.is_here() { Ok(path.to_owned()) } else { super::absolute(path) }
    }

    /// An empty `HOSTCTL_ENV` is none.
    fn environment(&self) -> Option<&String> {
        self.project.env.as_ref().filter(|name| !name.is_empty())
    }

    /// `--host` in its parts; an address of IPv6 with a port stands in brackets.
    fn typed(&self) -> Result<Option<Typed<'_>>> {
        let Some(text) = &self.host else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| {
            let message = format!("`{}` is no host: expected [USER@]HOST[:PORT]", text.escape_debug());
            Diagnostic::new("B0170", Kind::Usage, message).with_hint("--host builder@build1.example.org:22")
        })
    }

    /// The keywords of a play for the hosts, JSON values by name; the first ones of the play.
    pub(super) fn play(&self) -> Result<serde_json::Map<String, serde_json::Value>> {
        let mut play = serde_json::Map::new();
        let mut set = |name: &str, value: serde_json::Value| play.insert(name.to_owned(), value);
        if let Some(typed) = self.typed()? {
            set("hosts", "all".into());
            set("connection", "ssh".into());
            if let Some(user) = typed.user {
                set("remote_user", user.into());
            }
            if let Some(port) = typed.port {
                set("port", port.into());
            }
        } else if self.is_here() {
            set("hosts", "localhost".into());
            set("connection", "local".into());
        } else {
            // `--limit` names the hosts.
            set("hosts", if self.project.limit.is_some() { "all".into() } else { GROUP.into() });
        }
        set("gather_facts", false.into());
        Ok(play)
    }

    /// How the hosts are reached, as arguments of a run without a playbook.
    pub(super) fn run_args(&self) -> Result<RunArgs> {
        let mut project = self.project.clone();
        project.env = self.environment().cloned();
        if let Some(typed) = self.typed()? {
            // The comma makes it a list of hosts.
            project.inventory = vec![format!("{},", typed.host)];
        }
        Ok(RunArgs {
            project,
            private_key: self.private_key.clone(),
            timeout: self.timeout,
            ssh_common_args: self.ssh_common_args.clone(),
            ask_password: self.ask_password,
            r#become: self.r#become,
            become_user: self.become_user.clone(),
            become_method: self.become_method.clone(),
            ask_become_password: self.ask_become_password,
            verbose: self.verbose,
            ..RunArgs::default()
        })
    }
}

/// Nothing that ssh could take for an option, and nothing that a list of hosts or a pattern would expand.
fn parse(text: &str) -> Option<Typed<'_>> {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None if rest.matches(':').count() == 1 => rest.split_once(':').map(|(host, port)| (host, Some(port)))?,
        None => (rest, None),
    };
    let good = |text: &str, more: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port: &u16| *port > 0)?),
        None => None,
    };
    (good(host, "._-:%") && user.is_none_or(|user| good(user, "._-\\@+"))).then_some(Typed { user, host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_typed_as_for_ssh_and_nothing_else_is_one() {
        let typed = |user, host, port| Some(Typed { user, host, port });
        assert_eq!(parse("b1"), typed(None, "b1", None));
        assert_eq!(parse("root@b1.example.org:2222"), typed(Some("root"), "b1.example.org", Some(2222)));
        assert_eq!(parse("a@x.org@b1"), typed(Some("a@x.org"), "b1", None));
        assert_eq!(parse("fe80::1%eth0"), typed(None, "fe80::1%eth0", None));
        assert_eq!(parse("root@[::1]:22"), typed(Some("root"), "::1", Some(22)));
        for text in [
            "",
            "@b1",
            "-oProxyCommand=x",
            "a@-b",
            "-a@b",
            "b1,b2",
            "b[1:3]",
            "b1:",
            "b1:0",
            "b1:99999",
            "[::1]22",
            "a b",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_environment_has_a_group_for_builds_and_a_limit_names_others() {
        let hosts = |target: &TargetArgs| target.play().unwrap()["hosts"].clone();
        let here = TargetArgs::default();
        assert!(here.is_here() && here.shares_files());
        assert_eq!(hosts(&here), "localhost");
        assert_eq!(here.play().unwrap()["connection"], "local");
        let mut there = TargetArgs::default();
        there.project.env = Some(String::new());
        assert!(there.is_here(), "an empty HOSTCTL_ENV is none");
        there.project.env = Some("ci".to_owned());
        assert!(!there.is_here());
        assert_eq!(hosts(&there), "build_hosts");
        there.project.limit = Some("b2".to_owned());
        assert_eq!(hosts(&there), "all");
        let host = TargetArgs { host: Some("u@b1:22".to_owned()), ..TargetArgs::default() };
        assert_eq!(host.run_args().unwrap().project.inventory, ["b1,"]);
        assert_eq!(host.play().unwrap()["port"], 22);
        let wrong = TargetArgs { host: Some("-x".to_owned()), ..TargetArgs::default() };
        assert_eq!(wrong.play().unwrap_err().code, "B0170");
    }
}
