//! Host names to addresses: literals, `/etc/hosts`, DNS in Rust, then `getent ahosts`.
//!
//! Never through libc: a static glibc would load the host's `libnss_*` modules.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use crate::diag::{Diagnostic, Kind, Result};

const DEADLINE: Duration = Duration::from_secs(15);

/// The addresses of a host name, best first, never empty.
pub async fn resolve(name: &str) -> Result<Vec<IpAddr>> {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    if name.is_empty() || name.len() > 253 || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(unresolved(name, "it is not a host name"));
    }
    let hosts = tokio::fs::read("/etc/hosts").await.unwrap_or_default();
    let mut found = from_hosts(&String::from_utf8_lossy(&hosts), name);
    if found.is_empty() && is_localhost(name) {
        found = vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)];
    }
    let mut reason = "no address was found".to_owned();
    if found.is_empty() {
        match tokio::time::timeout(DEADLINE, from_dns(name)).await {
            Ok(Ok(addresses)) => found = addresses,
            Ok(Err(error)) => reason = error,
            Err(_) => reason = format!("no answer from DNS within {} s", DEADLINE.as_secs()),
        }
    }
    if found.is_empty() {
        found = from_getent(name).await;
    }
    if found.is_empty() { Err(unresolved(name, &reason)) } else { Ok(found) }
}

/// What Python says of a name without an address: that there is none, or that nobody could be asked.
fn python_words(reason: &str) -> &'static str {
    let unasked = ["no answer", "timed out", "no connections", "io error", "refused"];
    if unasked.iter().any(|words| reason.contains(words)) {
        "[Errno -3] Temporary failure in name resolution"
    } else {
        "[Errno -2] Name or service not known"
    }
}

fn unresolved(name: &str, reason: &str) -> Diagnostic {
    Diagnostic::new("S0501", Kind::Task, format!("the name `{name}` could not be resolved: {reason}"))
        .with_registered(python_words(reason))
        .with_hint(format!("try on that host: getent ahosts '{name}'"))
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn from_hosts(hosts: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let mut found = Vec::new();
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.split('%').next()).and_then(|word| word.parse().ok())
        else {
            continue;
        };
        if words.any(|alias| alias.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

async fn from_dns(name: &str) -> Result<Vec<IpAddr>, String> {
    let resolver = hickory_resolver::Resolver::builder_tokio()
        .and_then(hickory_resolver::ResolverBuilder::build)
        .map_err(|error| error.to_string())?;
    let answer = resolver.lookup_ip(name).await.map_err(|error| error.to_string())?;
    Ok(answer.iter().collect())
}

async fn from_getent(name: &str) -> Vec<IpAddr> {
    let child = tokio::process::Command::new("getent")
        .args(["ahosts", "--", name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(DEADLINE, child).await {
        Ok(Ok(output)) if output.status.success() => from_ahosts(&String::from_utf8_lossy(&output.stdout)),
        _ => Vec::new(),
    }
}

fn from_ahosts(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in text.lines().filter_map(|line| line.split_ascii_whitespace().next()?.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_file_is_read_as_the_system_reads_it() {
        let hosts =
            "# x mirror\n127.0.0.1 localhost\n10.0.0.7\tmirror.lab Mirror # mirror2\nfe80::1%eth0 mirror\nbad mirror\n";
        let check = |name: &str, expected: &[&str]| {
            let expected: Vec<IpAddr> = expected.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(from_hosts(hosts, name), expected, "{name}");
        };
        check("mirror", &["10.0.0.7", "fe80::1"]);
        check("MIRROR.lab.", &["10.0.0.7"]);
        check("mirror2", &[]);
    }

    #[test]
    fn getent_answers_are_taken_once_each() {
        let text = "10.0.0.7 STREAM a\n10.0.0.7 DGRAM\n::1 STREAM\n";
        assert_eq!(from_ahosts(text).len(), 2);
    }

    #[tokio::test]
    async fn literals_and_localhost_need_no_dns() {
        assert_eq!(resolve("[::1]").await.unwrap().len(), 1);
        assert!(resolve("localhost").await.unwrap()[0].is_loopback());
        assert_eq!(resolve("a b").await.unwrap_err().code, "S0501");
    }
}
