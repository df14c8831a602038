//! The options of a connection: the user's own configuration first, our defaults after it.
//!
//! ssh takes the first value it finds, so a configuration file that includes the user's and
//! then says ours gives defaults that the user can change, to jump hosts too.

use std::path::{Path, PathBuf};

use super::Control;
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::TargetSpec;

/// Name under which a pinned key is looked up.
pub(super) const PINNED: &str = "hostctl-pinned";

/// Seconds to connect if nothing is said (Ansible's default).
pub(super) const TIMEOUT: u64 = 10;

/// Arguments that start every ssh for this host.
#[derive(Debug)]
pub(super) struct Config {
    /// Before the host name.
    pub(super) args: Vec<String>,
    /// The user's configuration files, by first value wins.
    pub(super) files: Vec<PathBuf>,
}

/// What ssh makes of the configuration (`ssh -G`).
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) hostname: String,
    pub(super) user: String,
    pub(super) port: String,
    pub(super) checking: String,
    pub(super) jumps: bool,
    pub(super) alias: Option<String>,
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|error| Diagnostic::local("S0111", format!("`{}` could not be written: {error}", path.display())))
}

/// In double quotes, as ssh's configuration has it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Takes `-F FILE` out of the user's arguments: ssh knows only one, and that is ours.
fn split_file(args: &[String]) -> (Vec<String>, Option<String>) {
    let mut rest = Vec::new();
    let mut file = None;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("-F") {
            Some("") => file = words.next().cloned(),
            Some(name) => file = Some(name.to_owned()),
            None => rest.push(word.clone()),
        }
    }
    (rest, file)
}

/// Makes the configuration file and the arguments.
pub(super) fn prepare(spec: &TargetSpec, control: &Control) -> Result<Config> {
    let (extra, file) = split_file(&spec.ssh_args);
    let files: Vec<PathBuf> = match file.as_deref() {
        Some("none") => Vec::new(),
        Some(file) => vec![absolute(file)],
        None => vec!["~/.ssh/config".into(), "/etc/ssh/ssh_config".into()],
    };
    let mut text = String::from("LogLevel DEBUG1\n");
    if spec.password.is_none() {
        text.push_str("BatchMode yes\n");
    }
    for file in &files {
        text.push_str(&format!("Include {}\n", quoted(&file.display().to_string())));
    }
    text.push_str("Host *\nStrictHostKeyChecking yes\nServerAliveInterval 10\nServerAliveCountMax 3\n");
    let path = control.path("config");
    write(&path, &text)?;

    let mut args = vec!["-F".to_owned(), path.display().to_string()];
    let mut option = |text: String| args.extend(["-o".to_owned(), text]);
    for fixed in ["ControlMaster=yes", "ControlPersist=60", "RemoteCommand=none", "RequestTTY=no", "ForwardX11=no"] {
        option(fixed.to_owned());
    }
    option(format!("ConnectTimeout={}", spec.timeout.unwrap_or(TIMEOUT).max(1)));
    if spec.password.is_some() {
        option("NumberOfPasswordPrompts=1".to_owned());
    }
    if let Some(key) = &spec.host_key {
        let known = control.path("known_hosts");
        write(&known, &format!("{PINNED} {}\n", pinned(key)?))?;
        let known = quoted(&known.display().to_string().replace('%', "%%"));
        option("StrictHostKeyChecking=yes".to_owned());
        option(format!("HostKeyAlias={PINNED}"));
        option(format!("UserKnownHostsFile={known}"));
        option("GlobalKnownHostsFile=/dev/null".to_owned());
        option("UpdateHostKeys=no".to_owned());
        option("VerifyHostKeyDNS=no".to_owned());
        option("CheckHostIP=no".to_owned());
    } else if let Some(checking) = spec.host_key_checking {
        option(format!("StrictHostKeyChecking={}", if checking { "yes" } else { "no" }));
    }
    args.extend(extra);
    if let Some(port) = spec.port {
        args.extend(["-p".to_owned(), port.to_string()]);
    }
    if let Some(user) = &spec.user {
        args.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(key) = &spec.key_file {
        args.extend(["-o".to_owned(), format!("IdentityFile={}", quoted(&key.replace('%', "%%")))]);
    }
    Ok(Config { args, files })
}

fn absolute(file: &str) -> PathBuf {
    if file.starts_with("~/") {
        return file.into();
    }
    std::path::absolute(file).unwrap_or_else(|_| file.into())
}

/// `TYPE BASE64` of a pinned key; a host name before it and a comment after it are dropped.
fn pinned(key: &str) -> Result<String> {
    let words: Vec<&str> = key.split_ascii_whitespace().collect();
    let is_type = |word: &str| {
        ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|prefix| word.starts_with(prefix)) && !word.contains(',')
    };
    let found = words.windows(2).find(|pair| is_type(pair[0]) && pair[1].starts_with("AAAA"));
    match found {
        Some([kind, data]) if data.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) => {
            Ok(format!("{kind} {data}"))
        }
        _ => Err(Diagnostic::new("S0113", Kind::Unreachable, "`hostctl_host_key` is not a public key")
            .with_note("expected the form `ssh-ed25519 AAAA...`")
            .with_hint("take it from the host itself: cat /etc/ssh/ssh_host_ed25519_key.pub")),
    }
}

/// Reads the output of `ssh -G`.
pub(super) fn parse_resolved(text: &str) -> Resolved {
    let mut resolved = Resolved::default();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "hostname" => value.clone_into(&mut resolved.hostname),
            "user" => value.clone_into(&mut resolved.user),
            "port" => value.clone_into(&mut resolved.port),
            "stricthostkeychecking" => value.clone_into(&mut resolved.checking),
            "hostkeyalias" => resolved.alias = Some(value.to_owned()),
            "proxyjump" | "proxycommand" if value != "none" => resolved.jumps = true,
            _ => {}
        }
    }
    resolved
}

/// Where host-key checking was turned off, if it was.
pub(super) fn unchecked_place(spec: &TargetSpec, config: &Config, resolved: &Resolved) -> Option<String> {
    let lax = ["no", "off", "false", "accept-new"];
    if !lax.contains(&resolved.checking.as_str()) {
        return None;
    }
    if spec.host_key_checking == Some(false) {
        return Some("`ansible_host_key_checking`".to_owned());
    }
    if spec.ssh_args.iter().any(|arg| arg.to_ascii_lowercase().contains("stricthostkeychecking")) {
        return Some("`ansible_ssh_common_args`".to_owned());
    }
    for file in &config.files {
        let path = match (file.strip_prefix("~"), std::env::home_dir()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => file.clone(),
        };
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().position(|line| {
            let line = line.trim_start().to_ascii_lowercase();
            line.strip_prefix("stricthostkeychecking").is_some_and(|rest| {
                let value = rest.trim_start_matches([' ', '\t', '=', '"']).trim_end_matches([' ', '\t', '"']);
                lax.contains(&value)
            })
        });
        if let Some(index) = found {
            return Some(format!("`{}:{}`", file.display(), index + 1));
        }
    }
    Some("your ssh configuration".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_key_is_taken_from_any_usual_line() {
        assert_eq!(pinned("ssh-ed25519 AAAAC3 root@h").unwrap(), "ssh-ed25519 AAAAC3");
        assert_eq!(pinned("h,10.0.0.1 ecdsa-sha2-nistp256 AAAAE2=").unwrap(), "ecdsa-sha2-nistp256 AAAAE2=");
        for bad in ["", "SHA256:abc", "ssh-ed25519", "ssh-ed25519 BBBB", "ssh-ed25519 AAAA\u{e4}"] {
            assert_eq!(pinned(bad).unwrap_err().code, "S0113", "{bad}");
        }
    }

    #[test]
    fn the_users_file_is_included_before_our_defaults() {
        let control = Control::new().unwrap();
        let spec = TargetSpec {
            ssh_args: ["-F", "/a b/c", "-J", "jump"].map(str::to_owned).to_vec(),
            ..TargetSpec::default()
        };
        let config = prepare(&spec, &control).unwrap();
        let text = std::fs::read_to_string(control.path("config")).unwrap();
        let (user, ours) =
            (text.find("Include \"/a b/c\"\n").unwrap(), text.find("StrictHostKeyChecking yes").unwrap());
        assert!(user < ours && !text.contains("~/.ssh/config"), "{text}");
        assert_eq!(config.args.iter().filter(|arg| *arg == "-F").count(), 1);
        assert!(config.args.ends_with(&["-J".to_owned(), "jump".to_owned()]));
    }

    #[test]
    fn the_place_that_turns_checking_off_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, "Host *\n  # StrictHostKeyChecking no\n  StrictHostKeyChecking=no\n").unwrap();
        let config = Config { args: Vec::new(), files: vec![file.clone()] };
        let place = |checking: &str, spec: &TargetSpec| {
            let resolved = Resolved { checking: checking.to_owned(), ..Resolved::default() };
            unchecked_place(spec, &config, &resolved)
        };
        let mut spec = TargetSpec::default();
        assert_eq!(place("true", &spec), None);
        assert_eq!(place("false", &spec), Some(format!("`{}:3`", file.display())));
        spec.ssh_args.push("-oStrictHostKeyChecking=no".to_owned());
        assert_eq!(place("accept-new", &spec), Some("`ansible_ssh_common_args`".to_owned()));
        spec.host_key_checking = Some(false);
        assert_eq!(place("false", &spec), Some("`ansible_host_key_checking`".to_owned()));
    }
}
