//! `iptables`: one rule, chain or policy of the packet filter. The rule's words are Ansible's, in its order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused, refused_with};
use super::spec::{Meta, Module};
use crate::diag::Result;
use crate::map;
use crate::system::process::{Output, Program};
use crate::value::Map;

/// Keeps a rule, a chain or a policy of the packet filter. Rules live until the next boot unless something saves them.
///
/// ```yaml
/// - iptables:
///     chain: INPUT
///     protocol: tcp
///     destination_port: '8080'
///     source: 192.0.2.0/24
///     jump: ACCEPT
///     comment: builders
/// ```
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The table.
    #[serde(default)]
    table: Table,
    /// Whether the rule or chain shall be there.
    #[serde(default)]
    state: State,
    /// Where a new rule goes.
    #[serde(default)]
    action: Action,
    /// Which protocol's rules.
    #[serde(default)]
    ip_version: IpVersion,
    /// The chain.
    chain: Option<String>,
    /// The place of a rule that is inserted.
    rule_num: Option<String>,
    /// The packets' protocol. A leading `!` in this and others means all but.
    protocol: Option<String>,
    /// Seconds to wait for the lock.
    wait: Option<String>,
    /// Where packets come from.
    source: Option<String>,
    /// The new source of packets (SNAT).
    to_source: Option<String>,
    /// Where packets go.
    destination: Option<String>,
    /// The new destination of packets (DNAT).
    to_destination: Option<String>,
    /// Extensions to load.
    #[serde(default)]
    r#match: Vec<String>,
    /// Flags of TCP: which to look at, and which must be set.
    tcp_flags: Option<TcpFlags>,
    /// What to do with packets.
    jump: Option<String>,
    /// Where copies go (TEE).
    gateway: Option<String>,
    /// What log lines begin with.
    log_prefix: Option<String>,
    /// The level of log lines.
    log_level: Option<LogLevel>,
    /// The chain to go on in.
    goto: Option<String>,
    /// The interface that packets come in by.
    in_interface: Option<String>,
    /// The interface that packets go out by.
    out_interface: Option<String>,
    /// Later fragments of packets.
    fragment: Option<String>,
    /// First values of the counters.
    set_counters: Option<String>,
    /// The source's port, or a range.
    source_port: Option<String>,
    /// The destination's port, or a range.
    destination_port: Option<String>,
    /// Several destination ports.
    #[serde(default)]
    destination_ports: Vec<String>,
    /// The new port (REDIRECT).
    to_ports: Option<String>,
    /// A DSCP mark to set.
    set_dscp_mark: Option<String>,
    /// A DSCP class to set.
    set_dscp_mark_class: Option<String>,
    /// A comment.
    comment: Option<String>,
    /// States of connections.
    #[serde(default)]
    ctstate: Vec<String>,
    /// A range of sources.
    src_range: Option<String>,
    /// A range of destinations.
    dst_range: Option<String>,
    /// The name of a set.
    match_set: Option<String>,
    /// Which addresses to look for in the set.
    match_set_flags: Option<SetFlags>,
    /// How often at most.
    limit: Option<String>,
    /// How many at first.
    limit_burst: Option<String>,
    /// The sender's user.
    uid_owner: Option<String>,
    /// The sender's group.
    gid_owner: Option<String>,
    /// How to refuse.
    reject_with: Option<String>,
    /// The type of ICMP.
    icmp_type: Option<String>,
    /// Packets that begin a connection.
    #[serde(default)]
    syn: Syn,
    /// Remove all rules of the chain, or of all chains.
    #[serde(default)]
    flush: bool,
    /// What happens to packets that no rule takes.
    policy: Option<Policy>,
    /// Make and remove the chain itself.
    #[serde(default)]
    chain_management: bool,
    /// Do not look up names.
    #[serde(default)]
    numeric: bool,
}

#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TcpFlags {
    /// Flags to look at.
    flags: Option<Vec<String>>,
    /// Flags that must be set.
    flags_set: Option<Vec<String>>,
}

macro_rules! words {
    ($name:ident $(= $default:ident)?: $($variant:ident = $text:literal),+ $(,)?) => {
        #[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
        enum $name { $(#[serde(rename = $text)] $variant),+ }
        impl $name {
            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        $(impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        })?
    };
}

words!(Table = Filter: Filter = "filter", Nat = "nat", Mangle = "mangle", Raw = "raw", Security = "security");
words!(State = Present: Absent = "absent", Present = "present");

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Action {
    #[default]
    Append,
    Insert,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Syn {
    #[default]
    Ignore,
    Match,
    Negate,
}

words!(IpVersion = Four: Four = "ipv4", Six = "ipv6", Both = "both");
words!(Policy: Accept = "ACCEPT", Drop = "DROP", Queue = "QUEUE", Return = "RETURN");
words!(SetFlags: Src = "src", Dst = "dst", SrcDst = "src,dst", DstSrc = "dst,src", SrcSrc = "src,src", DstDst = "dst,dst");
words!(LogLevel: Zero = "0", One = "1", Two = "2", Three = "3", Four = "4", Five = "5", Six = "6", Seven = "7",
    Emerg = "emerg", Alert = "alert", Crit = "crit", Error = "error", Warning = "warning", Notice = "notice",
    Info = "info", Debug = "debug");

/// The module.
pub struct Iptables;

impl Module for Iptables {
    type Args = Args;
    const META: Meta = Meta {
        name: "iptables",
        full_name: "ansible.builtin.iptables",
        also: &["ansible.legacy.iptables"],
        summary: "Manage rules of the packet filter",
        exclusive: &[&["set_dscp_mark", "set_dscp_mark_class"], &["flush", "policy"]],
        required_if: &[("jump", "TEE", &["gateway"]), ("jump", "tee", &["gateway"]), ("flush", "false", &["chain"])],
        required_by: &[("set_dscp_mark", &["jump"]), ("set_dscp_mark_class", &["jump"])],
        reads: &[
            "iptables --version",
            "ip6tables --version",
            "iptables -t * -C",
            "ip6tables -t * -C",
            "iptables -t * -L",
            "ip6tables -t * -L",
        ],
        ..Meta::NONE
    };

    fn run(cx: &Cx, mut args: Args) -> Result<Map, Failure> {
        let programs: &[&str] = match args.ip_version {
            IpVersion::Four => &["iptables"],
            IpVersion::Six => &["ip6tables"],
            IpVersion::Both => &["iptables", "ip6tables"],
        };
        if let Some(missing) = programs.iter().find(|program| cx.probe().which(program).is_none()) {
            return Err(no_program(cx, missing));
        }
        let rule = rule(&args);
        let result = map! {
            "ip_version" => args.ip_version.text(), "table" => args.table.text(), "chain" => args.chain.clone(),
            "flush" => args.flush, "rule" => rule.join(" "), "state" => args.state.text(),
            "chain_management" => args.chain_management, "wait" => args.wait.clone(),
        };
        let empty = rule.is_empty();
        for program in programs {
            if args.log_prefix.as_deref().is_some_and(|text| !text.is_empty()) || args.log_level.is_some() {
                match args.jump.as_deref() {
                    None => args.jump = Some("LOG".to_owned()),
                    Some("LOG") => {}
                    Some(_) => {
                        return Err(refused("H0110", "Logging options can only be used with the LOG jump target."));
                    }
                }
            }
            let filter = Filter { cx, program, args: &args, wait: wait(cx, program, args.wait.as_deref())? };
            filter.settle(empty)?;
        }
        Ok(result)
    }
}

/// `wait`, as far as this program knows it.
fn wait(cx: &Cx, program: &str, given: Option<&str>) -> Result<Option<String>, Failure> {
    let output = cx.probe().run(Program::new([program, "--version"]).parsable())?;
    if !output.success() {
        return Err(failed(&[program, "--version"].map(str::to_owned), &output));
    }
    let text = output.out();
    let version = text.split('v').nth(1).unwrap_or_default();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u32>().ok());
    let version = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)];
    let given = given.filter(|text| !text.is_empty()).map(str::to_owned);
    // Between them seconds are not known, and Ansible leaves the option out.
    Ok(given.filter(|_| version >= [1, 6, 0]))
}

struct Filter<'a> {
    cx: &'a Cx,
    program: &'a str,
    args: &'a Args,
    wait: Option<String>,
}

impl Filter<'_> {
    fn words(&self, action: &str, with_rule: bool) -> Vec<String> {
        let mut words = [self.program, "-t", self.args.table.text(), action].map(str::to_owned).to_vec();
        words.extend(self.args.chain.clone());
        if action == "-I" {
            words.extend(self.args.rule_num.clone().filter(|number| !number.is_empty()));
        }
        if let Some(wait) = &self.wait {
            words.extend(["-w".to_owned(), wait.clone()]);
        }
        if with_rule {
            words.extend(rule(self.args));
        }
        words
    }

    fn list(&self) -> Vec<String> {
        let mut words = self.words("-L", false);
        if self.args.numeric {
            words.push("--numeric".to_owned());
        }
        words
    }

    fn ask(&self, words: Vec<String>) -> Result<Output> {
        self.cx.probe().run(Program::new(words).parsable())
    }

    fn apply(&self, words: Vec<String>) -> Result<(), Failure> {
        let output = self.cx.change(words.join(" "), |host| host.run(Program::new(words.clone()).parsable()))?;
        match output {
            Some(output) if !output.success() => Err(failed(&words, &output)),
            _ => Ok(()),
        }
    }

    fn settle(&self, empty: bool) -> Result<(), Failure> {
        let args = self.args;
        let present = args.state == State::Present;
        if args.flush {
            return self.apply(self.words("-F", false));
        }
        if let Some(policy) = args.policy {
            let words = self.list();
            let output = self.ask(words.clone())?;
            if !output.success() {
                return Err(failed(&words, &output));
            }
            let text = output.out();
            let header = text.lines().next().unwrap_or_default();
            let current = header.split_once("(policy ").map_or("", |(_, rest)| {
                let end = rest.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(rest.len());
                &rest[..end]
            });
            if current.is_empty() {
                return Err(refused("H0110", "Can't detect current policy"));
            }
            if current != policy.text() {
                let mut words = self.words("-P", false);
                words.push(policy.text().to_owned());
                self.apply(words)?;
            }
            return Ok(());
        }
        if empty {
            let there = self.ask(self.list())?.success();
            if there != present {
                let words = self.words(if present { "-N" } else { "-X" }, false);
                if args.chain_management {
                    self.apply(words)?;
                } else {
                    // Ansible calls this a change although nothing is done.
                    self.cx.change(format!("chain {}", args.chain.as_deref().unwrap_or_default()), |_| Ok(()))?;
                }
            }
            return Ok(());
        }
        let there = self.ask(self.words("-C", true))?.success();
        if there == present {
            return Ok(());
        }
        let action = match (present, args.action) {
            (false, _) => "-D",
            (true, Action::Insert) => "-I",
            (true, Action::Append) => "-A",
        };
        self.apply(self.words(action, true))
    }
}

fn failed(words: &[String], output: &Output) -> Failure {
    let cmd: Vec<String> = words.iter().map(|word| crate::system::process::quote(word)).collect();
    let result = map! {
        "cmd" => cmd.join(" "), "rc" => i64::from(output.rc), "stdout" => output.out(), "stderr" => output.err(),
    };
    refused_with("H0102", output.err().trim_end().to_owned(), result)
}

/// The words of the rule.
fn rule(args: &Args) -> Vec<String> {
    let mut rule: Vec<String> = Vec::new();
    let has = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let mut add = Words(&mut rule);
    let jump = args.jump.as_deref().unwrap_or_default().to_lowercase();
    add.option("-p", args.protocol.as_deref());
    add.option("-s", args.source.as_deref());
    add.option("-d", args.destination.as_deref());
    args.r#match.iter().for_each(|name| add.option("-m", Some(name)));
    if let Some(TcpFlags { flags: Some(flags), flags_set: Some(set) }) = &args.tcp_flags {
        add.all(&["--tcp-flags", &flags.join(","), &set.join(",")]);
    }
    add.option("-j", args.jump.as_deref());
    if jump == "tee" {
        add.option("--gateway", args.gateway.as_deref());
    }
    add.option("--log-prefix", args.log_prefix.as_deref());
    add.option("--log-level", args.log_level.map(LogLevel::text));
    add.option("--to-destination", args.to_destination.as_deref());
    if !args.destination_ports.is_empty() {
        add.all(&["-m", "multiport", "--dports", &args.destination_ports.join(",")]);
    }
    add.option("--to-source", args.to_source.as_deref());
    add.option("-g", args.goto.as_deref());
    add.option("-i", args.in_interface.as_deref());
    add.option("-o", args.out_interface.as_deref());
    add.option("-f", args.fragment.as_deref());
    add.option("-c", args.set_counters.as_deref());
    add.option("--source-port", args.source_port.as_deref());
    add.option("--destination-port", args.destination_port.as_deref());
    add.option("--to-ports", args.to_ports.as_deref());
    for (flag, mark) in [("--set-dscp", &args.set_dscp_mark), ("--set-dscp-class", &args.set_dscp_mark_class)] {
        add.option(flag, mark.as_deref());
        if has(mark) && jump != "dscp" {
            add.all(&["-j", "DSCP"]);
        }
    }
    match args.syn {
        Syn::Ignore => {}
        Syn::Match => add.all(&["--syn"]),
        Syn::Negate => add.all(&["!", "--syn"]),
    }
    let matched = |name: &str| args.r#match.iter().any(|found| found == name);
    if !args.ctstate.is_empty() {
        let states = args.ctstate.join(",");
        if matched("conntrack") {
            add.all(&["--ctstate", &states]);
        } else if matched("state") {
            add.all(&["--state", &states]);
        } else {
            add.all(&["-m", "conntrack", "--ctstate", &states]);
        }
    }
    if !matched("iprange") && (has(&args.src_range) || has(&args.dst_range)) {
        add.all(&["-m", "iprange"]);
    }
    add.option("--src-range", args.src_range.as_deref());
    add.option("--dst-range", args.dst_range.as_deref());
    if matched("set") || has(&args.match_set) {
        if !matched("set") {
            add.all(&["-m", "set"]);
        }
        add.option("--match-set", args.match_set.as_deref());
        add.option_flag(args.match_set_flags.map(SetFlags::text));
    }
    if has(&args.limit) || has(&args.limit_burst) {
        add.all(&["-m", "limit"]);
    }
    add.option("--limit", args.limit.as_deref());
    add.option("--limit-burst", args.limit_burst.as_deref());
    for (flag, owner) in [("--uid-owner", &args.uid_owner), ("--gid-owner", &args.gid_owner)] {
        if has(owner) {
            add.all(&["-m", "owner"]);
        }
        match owner.as_deref() {
            // The bare words `match` and `negate` are flags of their own in Ansible's module.
            Some("match") => add.all(&[flag]),
            Some("negate") => add.all(&["!", flag]),
            _ => {}
        }
        add.option(flag, owner.as_deref());
    }
    if args.jump.is_none() && has(&args.reject_with) {
        add.all(&["-j", "REJECT"]);
    }
    add.option("--reject-with", args.reject_with.as_deref());
    let icmp = match args.ip_version {
        IpVersion::Four => "--icmp-type",
        IpVersion::Six => "--icmpv6-type",
        IpVersion::Both => "--icmp-type --icmpv6-type",
    };
    add.option(icmp, args.icmp_type.as_deref());
    if has(&args.comment) {
        add.all(&["-m", "comment"]);
    }
    add.option("--comment", args.comment.as_deref());
    rule
}

struct Words<'a>(&'a mut Vec<String>);

impl Words<'_> {
    fn all(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }

    /// A flag and its value; a leading `!` goes before the flag.
    fn option(&mut self, flag: &str, value: Option<&str>) {
        match value {
            None | Some("") => {}
            Some(value) => match value.strip_prefix('!') {
                Some(rest) => self.all(&["!", flag, rest]),
                None => self.all(&[flag, value]),
            },
        }
    }

    fn option_flag(&mut self, word: Option<&str>) {
        self.0.extend(word.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Try, get, module};
    use super::*;
    use crate::value::Value;

    fn words(args: Map) -> String {
        let entry = super::super::find("iptables").expect("module");
        let json = entry.spec().coerce(&args, &|_| false).expect("arguments");
        rule(&serde_json::from_value(json).expect("arguments")).join(" ")
    }

    #[test]
    fn rules_have_ansibles_words() {
        let check = |args: Map, expected: &str| assert_eq!(words(args), expected);
        check(
            map! { "chain" => "INPUT", "protocol" => "tcp", "destination_port" => 80, "source" => "!10.0.0.0/8", "jump" => "ACCEPT", "comment" => "a b" },
            "-p tcp ! -s 10.0.0.0/8 -j ACCEPT --destination-port 80 -m comment --comment a b",
        );
        check(
            map! { "chain" => "F", "ctstate" => "ESTABLISHED,RELATED", "syn" => "negate", "reject_with" => "tcp-reset" },
            "! --syn -m conntrack --ctstate ESTABLISHED,RELATED -j REJECT --reject-with tcp-reset",
        );
        check(
            map! {
                "chain" => "F", "match" => "state,set", "ctstate" => "NEW", "match_set" => "admin", "match_set_flags" => "src",
                "limit" => "1/s", "destination_ports" => vec![Value::from("80"), Value::from("8000:8100")],
            },
            "-m state -m set -m multiport --dports 80,8000:8100 --state NEW --match-set admin src -m limit --limit 1/s",
        );
        check(map! { "chain" => "F" }, "");
    }

    /// The module in a network namespace that lives as long as this.
    struct Namespace {
        keeper: std::process::Child,
        folder: tempfile::TempDir,
    }

    impl Drop for Namespace {
        fn drop(&mut self) {
            let _ = self.keeper.kill();
            let _ = self.keeper.wait();
        }
    }

    impl Namespace {
        fn new() -> Option<Self> {
            use std::os::unix::fs::PermissionsExt as _;
            let usable = std::process::Command::new("unshare").args(["-n", "iptables", "-S"]).output();
            if !usable.is_ok_and(|output| output.status.success()) {
                println!("skipped: there is no iptables that works in a namespace here");
                return None;
            }
            let keeper = std::process::Command::new("unshare")
                .args(["-n", "sh", "-c", "echo ready; exec sleep 600"])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("namespace");
            let mut this = Self { keeper, folder: tempfile::tempdir().expect("folder") };
            let mut line = String::new();
            let out = this.keeper.stdout.take().expect("output");
            std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("ready");
            for name in ["iptables", "ip6tables"] {
                let path = this.folder.path().join(name);
                let text = format!(
                    "#!/bin/sh\nexec nsenter --net=/proc/{}/ns/net /usr/sbin/{name} \"$@\"\n",
                    this.keeper.id()
                );
                std::fs::write(&path, text).expect("program");
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
            }
            Some(this)
        }

        fn run(&self, args: Map) -> Try {
            module("iptables", args).env("PATH", &format!("{}:/usr/bin:/bin", self.folder.path().display()))
        }
    }

    #[test]
    fn rules_chains_and_policies_come_and_go() {
        let Some(space) = Namespace::new() else { return };
        let rule = |more: Map| {
            let mut args = map! { "chain" => "INPUT", "protocol" => "tcp", "destination_port" => 8080, "jump" => "ACCEPT", "wait" => 5 };
            args.extend(more);
            space.run(args)
        };
        assert!(rule(Map::new()).check(true).ok().changed);
        let outcome = rule(Map::new()).ok();
        assert!(outcome.changed);
        assert_eq!(get(&outcome, "rule"), json!("-p tcp -j ACCEPT --destination-port 8080"));
        assert!(!rule(Map::new()).ok().changed);
        assert!(
            rule(map! { "ip_version" => "both" }).ok().changed && !rule(map! { "ip_version" => "both" }).ok().changed
        );
        assert!(rule(map! { "state" => "absent" }).ok().changed && !rule(map! { "state" => "absent" }).ok().changed);
        let chain = |state: &str| space.run(map! { "chain" => "HCT", "chain_management" => true, "state" => state });
        assert!(chain("present").ok().changed && !chain("present").ok().changed);
        assert!(chain("absent").ok().changed && !chain("absent").ok().changed);
        let policy = || space.run(map! { "chain" => "FORWARD", "policy" => "DROP" });
        assert!(policy().check(true).ok().changed);
        assert!(policy().ok().changed && !policy().ok().changed);
        assert!(space.run(map! { "flush" => true }).ok().changed);
        let failure = space.run(map! { "chain" => "NO_SUCH", "jump" => "ACCEPT" }).fails();
        assert!(failure.result.get(&crate::value::StrKey("rc")).is_some());
    }
}
