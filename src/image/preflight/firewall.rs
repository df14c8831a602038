//! Reads a firewall's rules as far as they decide whether a build's container reaches a port. What a
//! rule's conditions leave open is told as unknown, never guessed.

use crate::system::build_host::FirewallRules;

/// What the rules say of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing stops it.
    Open,
    /// This rule does.
    Blocked(String),
    /// It depends on what the rules alone do not tell.
    Unknown(String),
}

/// Rules between containers on `bridge` and a port: of this host (`local`), or of another one.
pub(super) fn judge(rules: &FirewallRules, bridge: &str, port: u16, local: bool) -> Verdict {
    if rules.iptables.trim().is_empty() && rules.nft.trim().is_empty() {
        return Verdict::Unknown("the firewall's rules cannot be read by this user".to_owned());
    }
    let chains: &[&str] = if local { &["INPUT"] } else { &["DOCKER-USER", "FORWARD"] };
    for chain in chains {
        match walk(&rules.iptables, chain, bridge, port) {
            Verdict::Open => {}
            // The engine's own rules let containers out whatever the policy is.
            Verdict::Blocked(rule) if *chain == "FORWARD" && rule.starts_with("-P ") => {}
            other => return other,
        }
    }
    nft(&rules.nft, if local { "input" } else { "forward" }, port)
}

fn walk(rules: &str, chain: &str, bridge: &str, port: u16) -> Verdict {
    let policy = format!("-P {chain} ");
    let append = format!("-A {chain} ");
    let mut open: Option<String> = None;
    // An earlier rule that may let it through.
    let mut passed: Option<String> = None;
    let blocked =
        |line: &str, passed: Option<String>| passed.map_or(Verdict::Blocked(line.to_owned()), Verdict::Unknown);
    for line in rules.lines().map(str::trim) {
        let Some(rule) = line.strip_prefix(&append) else { continue };
        let words: Vec<&str> = rule.split_whitespace().collect();
        let Some(fits) = fits(&words, bridge, port) else { continue };
        match after(&words, "-j") {
            Some("DROP" | "REJECT") if fits => return open.map_or_else(|| blocked(line, passed), Verdict::Unknown),
            Some("ACCEPT") if fits => return open.map_or(Verdict::Open, Verdict::Unknown),
            Some("RETURN") if fits => break,
            Some("ACCEPT" | "RETURN") => _ = passed.get_or_insert(format!("it depends on `{line}`")),
            Some("LOG" | "NFLOG") | None => {}
            Some(_) => _ = open.get_or_insert(format!("it depends on `{line}`")),
        }
    }
    if let Some(why) = open {
        return Verdict::Unknown(why);
    }
    let dropped = rules.lines().map(str::trim).find(|line| line.starts_with(&policy) && line.ends_with(" DROP"));
    dropped.map_or(Verdict::Open, |line| blocked(line, passed))
}

/// `None` if a rule does not concern the way; `Some(false)` if it may, by conditions not read here.
fn fits(words: &[&str], bridge: &str, port: u16) -> Option<bool> {
    let mut sure = true;
    if let Some(interface) = after(words, "-i") {
        let negated = before(words, "-i") == Some("!");
        let same = interface == bridge || interface.strip_suffix('+').is_some_and(|head| bridge.starts_with(head));
        if same == negated {
            return None;
        }
    }
    if after(words, "-p").is_some_and(|protocol| !matches!(protocol, "tcp" | "all")) {
        return None;
    }
    if let Some(ports) = after(words, "--dport").or_else(|| after(words, "--dports")) {
        let inside = ports.split(',').any(|one| match one.split_once(':') {
            Some((low, high)) => {
                let bound = |text: &str, default| if text.is_empty() { Ok(default) } else { text.parse::<u16>() };
                matches!((bound(low, 0), bound(high, u16::MAX)), (Ok(low), Ok(high)) if (low..=high).contains(&port))
            }
            None => one.parse() == Ok(port),
        });
        if !inside {
            return None;
        }
    }
    // New connections only.
    for flag in ["--ctstate", "--state"] {
        if after(words, flag).is_some_and(|states| !states.split(',').any(|state| state == "NEW")) {
            return None;
        }
    }
    let read =
        ["-i", "-p", "-m", "--dport", "--dports", "--ctstate", "--state", "-j", "--reject-with", "--comment", "!"];
    if words.iter().any(|word| word.starts_with('-') && !read.contains(word)) {
        sure = false;
    }
    Some(sure)
}

fn after<'a>(words: &[&'a str], flag: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == flag)?;
    words.get(at + 1).copied()
}

fn before<'a>(words: &[&'a str], flag: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == flag)?;
    words.get(at.checked_sub(1)?).copied()
}

/// A chain of nftables' own that drops by policy: which of its rules let the port through is not read.
fn nft(rules: &str, hook: &str, port: u16) -> Verdict {
    let marker = format!("hook {hook} ");
    let mut table = "";
    for line in rules.lines().map(str::trim) {
        if line.starts_with("table ") {
            table = line.trim_end_matches(" {");
        }
        // What `iptables` keeps there was read already.
        let own = !(table.ends_with(" filter") && rules.contains("DOCKER-USER"));
        if own && line.contains(&marker) && line.contains("policy drop") {
            let named = rules.contains(&format!("dport {port} "));
            let named = if named { "some rule names the port" } else { "no rule names the port" };
            return Verdict::Unknown(format!("`{table}` drops by policy, and {named}"));
        }
    }
    Verdict::Open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(iptables: &str, local: bool, expected: &Verdict) {
        let rules = FirewallRules { iptables: iptables.to_owned(), nft: String::new() };
        assert_eq!(judge(&rules, "docker0", 3142, local), *expected, "{iptables}");
    }

    #[test]
    fn rules_decide_in_their_order() {
        let blocked = |rule: &str| Verdict::Blocked(rule.to_owned());
        check("-P INPUT ACCEPT", true, &Verdict::Open);
        check("-P INPUT DROP", true, &blocked("-P INPUT DROP"));
        check("-P INPUT DROP\n-A INPUT -i docker0 -p tcp -m tcp --dport 3142 -j ACCEPT", true, &Verdict::Open);
        check("-P INPUT DROP\n-A INPUT -i docker0 -p tcp --dport 80 -j ACCEPT", true, &blocked("-P INPUT DROP"));
        check("-P INPUT DROP\n-A INPUT -p tcp -m multiport --dports 80,3000:4000 -j ACCEPT", true, &Verdict::Open);
        let rule = "-A INPUT -i docker+ -j REJECT --reject-with icmp-port-unreachable";
        check(&format!("-P INPUT ACCEPT\n{rule}"), true, &blocked(rule));
        check(
            "-P INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            true,
            &blocked("-P INPUT DROP"),
        );
        check("-P INPUT ACCEPT\n-A INPUT ! -i docker0 -j DROP", true, &Verdict::Open);
        let rule = "-A DOCKER-USER -i docker0 -j DROP";
        check(&format!("-P FORWARD DROP\n{rule}\n-A DOCKER-USER -j RETURN"), false, &blocked(rule));
        check("-P FORWARD DROP\n-A DOCKER-USER -j RETURN\n-A DOCKER-USER -j DROP", false, &Verdict::Open);
    }

    #[test]
    fn what_is_not_read_is_not_guessed() {
        let unknown = |text: &str, local| {
            let rules = FirewallRules { iptables: text.to_owned(), nft: String::new() };
            matches!(judge(&rules, "docker0", 3142, local), Verdict::Unknown(_))
        };
        assert!(unknown("", true));
        assert!(unknown("-P INPUT DROP\n-A INPUT -j ufw-before-input", true));
        assert!(!unknown("-P INPUT DROP\n-A INPUT -s 10.0.0.0/8 -j LOG", true));
        assert!(unknown("-P INPUT DROP\n-A INPUT -s 172.17.0.0/16 -j ACCEPT", true));
        assert!(unknown("-P INPUT ACCEPT\n-A INPUT -s 172.17.0.0/16 -j DROP", true));
        let nft = "table inet firewalld {\n chain filter_INPUT {\n type filter hook input priority filter + 10; policy drop;\n";
        let rules = FirewallRules { iptables: String::new(), nft: nft.to_owned() };
        let Verdict::Unknown(why) = judge(&rules, "docker0", 3142, true) else { panic!("unknown") };
        assert!(why.contains("table inet firewalld"), "{why}");
    }
}
