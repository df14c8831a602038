//! What ssh's log says, as one clear error with what to type.

use super::config::Resolved;
use crate::diag::{Diagnostic, Kind};
use crate::engine::TargetSpec;

/// The two logs of a failed login.
#[derive(Debug)]
pub(super) struct Logs {
    /// Of the master itself.
    pub(super) master: String,
    /// Of jump hosts and proxy commands.
    pub(super) proxies: String,
}

/// Lines that people are meant to read.
pub(super) fn plain_lines(log: &str) -> impl DoubleEndedIterator<Item = &str> {
    log.lines()
        .map(|line| line.trim_end_matches('\r').trim())
        .filter(|line| !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise)))
}

/// What `ssh -v` says besides messages: its steps, and the statistics of a connection that ended.
const NOISE: &[&str] =
    &["debug1:", "debug2:", "debug3:", "OpenSSH_", "Authenticated to ", "Transferred: ", "Bytes per second: "];

/// The text after a mark, up to the end of its line.
fn after<'a>(log: &'a str, mark: &str) -> Option<&'a str> {
    log.rsplit_once(mark).and_then(|(_, rest)| rest.lines().next()).map(str::trim)
}

/// `ssh` with the words that reach this host by hand.
fn by_hand(spec: &TargetSpec, options: &str) -> String {
    let mut words = vec!["ssh".to_owned()];
    if !options.is_empty() {
        words.push(options.to_owned());
    }
    words.extend(spec.ssh_args.iter().map(|arg| quote(arg)));
    if let Some(port) = spec.port {
        words.push(format!("-p {port}"));
    }
    if let Some(key) = &spec.key_file {
        words.push(format!("-i {}", quote(key)));
    }
    let user = spec.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    words.push("--".to_owned());
    words.push(quote(&format!("{user}{}", spec.address)));
    words.push("true".to_owned());
    words.join(" ")
}

/// Quotes a word for a shell where it needs it.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:@,%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Tells why a login failed; a registered result has ssh's own words, as with Ansible.
pub(super) fn diagnose(spec: &TargetSpec, resolved: &Resolved, logs: &Logs) -> Diagnostic {
    let said: Vec<&str> = plain_lines(&logs.proxies).chain(plain_lines(&logs.master)).collect();
    explain(spec, resolved, logs)
        .with_registered(format!("Task failed: Failed to connect to the host via ssh: {}", said.join("\n")))
}

fn explain(spec: &TargetSpec, resolved: &Resolved, logs: &Logs) -> Diagnostic {
    let jump = after(&logs.proxies, "debug1: Connecting to ").and_then(|rest| rest.split(' ').next());
    if let Some(diagnostic) = jump.and_then(|jump| known(spec, None, jump, &logs.proxies)) {
        return diagnostic.with_note(format!("`{}` is reached through this jump host", spec.host));
    }
    if let Some(diagnostic) = known(spec, Some(resolved), &spec.host, &logs.master) {
        return diagnostic;
    }
    let last = plain_lines(&logs.proxies).next_back().or_else(|| plain_lines(&logs.master).next_back());
    let text = last.unwrap_or("ssh ended without a message");
    unreachable("S0101", spec, &format!("ssh could not connect to `{}`: {text}", spec.host))
        .with_hint(format!("try by hand: {}", by_hand(spec, "-v")))
}

fn unreachable(code: &'static str, spec: &TargetSpec, message: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(code, Kind::Unreachable, message);
    if *spec.address == *spec.host || spec.address.is_empty() {
        diagnostic
    } else {
        diagnostic.with_note(format!("`{}` has the address `{}`", spec.host, spec.address))
    }
}

/// The known situations. `resolved` is of the target, not of a jump host.
fn known(spec: &TargetSpec, resolved: Option<&Resolved>, name: &str, log: &str) -> Option<Diagnostic> {
    let lower = log.to_lowercase();
    let has = |text: &str| lower.contains(text);
    let error = |code, text: &str| unreachable(code, spec, text);
    if has("host key verification failed") || has("remote host identification has changed") {
        return Some(host_key(spec, resolved.is_none(), name, log));
    }
    let address = resolved.map_or(name, |resolved| resolved.hostname.as_str());
    let port = resolved.map_or("22", |resolved| resolved.port.as_str());
    if has("could not resolve hostname") {
        return Some(
            error("S0105", &format!("the name `{address}` of host `{name}` could not be resolved"))
                .with_hint("set `ansible_host` to its address, or add a `Host` section to your ssh configuration"),
        );
    }
    if has("permission denied (") || has("too many authentication failures") {
        let user = resolved.map_or("", |resolved| resolved.user.as_str());
        let offered = after(log, "Permission denied (").and_then(|rest| rest.split(')').next()).unwrap_or("publickey");
        let who = if user.is_empty() { String::new() } else { format!(" to user `{user}`") };
        let diagnostic = error("S0104", &format!("`{name}` refused the login{who}"))
            .with_note(format!("the server accepts: {offered}"));
        return Some(if spec.password.is_some() {
            diagnostic.with_hint("the password was refused: check `ansible_password` and `ansible_user`")
        } else {
            diagnostic.with_hint(format!("this must work without a question: {}", by_hand(spec, "-o BatchMode=yes")))
        });
    }
    if has("connection refused") {
        return Some(
            error("S0106", &format!("`{name}` refused the connection to port {port}"))
                .with_hint("is sshd running there? another port is set with `ansible_port`"),
        );
    }
    if has("timed out") || has("timeout, server") {
        let seconds = spec.timeout.unwrap_or(super::config::TIMEOUT);
        return Some(
            error("S0107", &format!("`{name}` did not answer on port {port} within {seconds} s"))
                .with_hint("is it switched on, and does a firewall let ssh pass? more time: `ansible_timeout`"),
        );
    }
    if has("no route to host") || has("network is unreachable") {
        return Some(
            error("S0108", &format!("there is no route to `{name}` (`{address}`)"))
                .with_hint(format!("check the way there: ip route get {address}")),
        );
    }
    if has("connection closed by") || has("connection reset by") || has("kex_exchange_identification") {
        return Some(
            error("S0109", &format!("`{name}` closed the connection before the login"))
                .with_hint("the server's log tells why: journalctl -u ssh (often `MaxStartups` or a deny rule)"),
        );
    }
    None
}

/// Type and fingerprint of the key that the server showed.
pub(super) fn shown_key(log: &str) -> Option<(String, String)> {
    let (kind, fingerprint) = after(log, "Server host key: ")?.split_once(' ')?;
    Some((kind.to_owned(), fingerprint.split(' ').next().unwrap_or_default().to_owned()))
}

/// The start of the hint that pins a key.
const PIN: &str = "or pin it in the inventory: hostctl_host_key: ";

/// Puts the key itself into the hint.
pub(super) fn pin_with(mut error: Diagnostic, key: &str) -> Diagnostic {
    if let Some(hint) = error.hints.iter_mut().find(|hint| hint.starts_with(PIN)) {
        *hint = format!("{PIN}{key}");
    }
    error
}

fn host_key(spec: &TargetSpec, jump: bool, name: &str, log: &str) -> Diagnostic {
    let (kind, fingerprint) =
        shown_key(log).map_or_else(|| ("unknown type".to_owned(), None), |(kind, print)| (kind, Some(print)));
    let fingerprint = fingerprint
        .as_deref()
        .or_else(|| log.split_ascii_whitespace().rev().find(|word| word.starts_with("SHA256:")))
        .unwrap_or("(not told)")
        .trim_end_matches('.')
        .to_owned();
    if spec.host_key.is_some() && !jump {
        return unreachable("S0112", spec, &format!("`{name}` does not have the host key that the inventory pins"))
            .with_note(format!("it showed the {kind} key {fingerprint}"))
            .with_hint("if the host was reinstalled, replace `hostctl_host_key`; if not, someone may be in between");
    }
    if log.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        let diagnostic = unreachable("S0103", spec, &format!("the host key of `{name}` has changed"))
            .with_note(format!("it now shows the {kind} key {fingerprint}"));
        let offending =
            log.lines().rev().find_map(|line| line.trim().strip_prefix("Offending ")?.split_once(" key in "));
        let hosts = after(log, "Host key for ").and_then(|rest| rest.split(" has changed").next());
        let diagnostic = match &offending {
            Some((_, place)) => diagnostic.with_note(format!("the known key stands in {}", place.trim())),
            None => diagnostic,
        };
        let file = offending.and_then(|(_, place)| place.trim().rsplit_once(':')).map(|(file, _)| file);
        return match (hosts, file) {
            (Some(hosts), Some(file)) => diagnostic.with_hint(format!(
                "if the host was reinstalled, forget the old key: ssh-keygen -R {} -f {}",
                quote(hosts),
                quote(file)
            )),
            _ => diagnostic,
        }
        .with_hint("if it was not, someone may be in between: do not log in");
    }
    let accept = if jump {
        format!("ssh -o StrictHostKeyChecking=ask -- {} true", quote(name))
    } else {
        by_hand(spec, "-o StrictHostKeyChecking=ask")
    };
    let diagnostic = unreachable("S0102", spec, &format!("the host key of `{name}` is not known"))
        .with_note(format!("it showed the {kind} key {fingerprint}"))
        .with_hint(format!("compare the fingerprint on the host itself, then accept it: {accept}"));
    if jump { diagnostic } else { diagnostic.with_hint(format!("{PIN}{kind} AAAA...")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TargetSpec {
        TargetSpec {
            host: "web".into(),
            address: "10.0.0.7".to_owned(),
            port: Some(2222),
            user: Some("deploy".to_owned()),
            ..TargetSpec::default()
        }
    }

    fn diagnose_log(spec: &TargetSpec, master: &str, proxies: &str) -> Diagnostic {
        let resolved = super::super::config::parse_resolved("hostname 10.0.0.7\nuser deploy\nport 2222\n");
        diagnose(spec, &resolved, &Logs { master: master.to_owned(), proxies: proxies.to_owned() })
    }

    #[test]
    fn an_unknown_key_is_told_with_fingerprint_and_command() {
        let log = "debug1: Server host key: ssh-ed25519 SHA256:abc/d\r\nNo ED25519 host key is known for [10.0.0.7]:2222 \
                   and you have requested strict checking.\r\nHost key verification failed.\r\n";
        let error = diagnose_log(&spec(), log, "");
        assert_eq!((&*error.code, error.kind), ("S0102", Kind::Unreachable));
        assert!(error.notes.iter().any(|note| note.contains("ssh-ed25519 key SHA256:abc/d")), "{error:?}");
        assert!(
            error.hints[0].ends_with("ssh -o StrictHostKeyChecking=ask -p 2222 -- deploy@10.0.0.7 true"),
            "{error:?}"
        );
        let error = pin_with(error, "ssh-ed25519 AAAAkey");
        assert_eq!(error.hints[1], "or pin it in the inventory: hostctl_host_key: ssh-ed25519 AAAAkey");
    }

    #[test]
    fn a_changed_key_names_the_command_that_forgets_it() {
        let log = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nThe fingerprint for the ED25519 key sent by the \
                   remote host is\nSHA256:new.\nAdd correct host key in /h/known to get rid of this message.\nOffending \
                   ED25519 key in /h/known:3\nHost key for [10.0.0.7]:2222 has changed and you have requested strict \
                   checking.\nHost key verification failed.\n";
        let error = diagnose_log(&spec(), log, "");
        assert_eq!(error.code, "S0103");
        assert!(error.notes.iter().any(|note| note.ends_with("SHA256:new")), "{error:?}");
        assert!(error.hints[0].ends_with("ssh-keygen -R '[10.0.0.7]:2222' -f /h/known"), "{error:?}");
    }

    #[test]
    fn each_known_end_has_its_own_code() {
        let check = |log: &str, code: &str| assert_eq!(diagnose_log(&spec(), log, "").code, code, "{log}");
        check("ssh: Could not resolve hostname nohost: Name or service not known\n", "S0105");
        check("deploy@10.0.0.7: Permission denied (publickey,password).\n", "S0104");
        check("ssh: connect to host 10.0.0.7 port 2222: Connection refused\n", "S0106");
        check("ssh: connect to host 10.0.0.7 port 2222: Connection timed out\n", "S0107");
        check("Connection timed out during banner exchange\n", "S0107");
        check("ssh: connect to host 10.0.0.7 port 2222: No route to host\n", "S0108");
        check("kex_exchange_identification: Connection closed by remote host\n", "S0109");
        check("debug1: x\n/c/config: line 3: Bad configuration option: nope\n", "S0101");
        check("", "S0101");
    }

    #[test]
    fn a_jump_hosts_failure_is_told_as_the_jump_hosts() {
        let proxies = "debug1: Connecting to bastion [10.0.0.1] port 22.\ndebug1: Server host key: ssh-ed25519 SHA256:j\n\
                       Host key verification failed.\n";
        let error = diagnose_log(&spec(), "kex_exchange_identification: Connection closed by remote host\n", proxies);
        assert_eq!(error.code, "S0102");
        assert!(error.message.contains("`bastion`"), "{error:?}");
        assert!(error.hints[0].ends_with("ssh -o StrictHostKeyChecking=ask -- bastion true"), "{error:?}");
    }

    #[test]
    fn statistics_of_a_connection_are_no_reason() {
        let log = "Authenticated to h ([::1]:22) using \"publickey\".\r\nTimeout, server h not responding.\r\n\
                   Transferred: sent 3220, received 2868 bytes, in 0.6 seconds\r\n\
                   Bytes per second: sent 5412.2, received 4820.5\r\n";
        assert_eq!(plain_lines(log).next_back(), Some("Timeout, server h not responding."));
    }
}
