//! The plan on made-up hosts, and the whole module in a network namespace of its own.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use super::*;
use crate::modules::call::{Blob, Call, Outcome};
use crate::modules::cx::Link;
use crate::system::network::Interface;

fn wanted() -> Wanted {
    Wanted {
        name: "br0".to_owned(),
        ports: vec!["eth1".to_owned()],
        addresses: Some(vec!["10.0.0.1/24".parse().expect("net")]),
        ..Wanted::default()
    }
}

fn host() -> Interfaces {
    let interface =
        |index, name: &str| Interface { index, name: name.to_owned(), up: true, mtu: 1500, ..Interface::default() };
    Interfaces { list: vec![interface(1, "lo"), interface(2, "eth0"), interface(3, "eth1")], default_route: vec![2] }
}

#[test]
fn a_whole_bridge_is_planned_in_a_working_order() {
    let steps = plan(&wanted(), &host(), &[1, 2]).expect("plans");
    assert_eq!(
        steps,
        [
            Step::CreateBridge,
            Step::Port("eth1".to_owned()),
            Step::AddAddress("10.0.0.1/24".parse().expect("net")),
            Step::Up("br0".to_owned())
        ]
    );
}

#[test]
fn a_finished_bridge_needs_nothing_and_other_addresses_go() {
    let mut host = host();
    host.list[2].master = Some(9);
    host.list.push(Interface {
        index: 9,
        name: "br0".to_owned(),
        kind: Some("bridge".to_owned()),
        up: true,
        mtu: 1500,
        addresses: vec!["10.0.0.1/24".parse().expect("net"), "fe80::1/64".parse().expect("net")],
        ..Interface::default()
    });
    // Its port carries the way out by now: still nothing to do, so nothing to refuse.
    assert_eq!(plan(&wanted(), &host, &[1, 2, 3]).expect("plans"), []);
    host.list[3].addresses.push("10.9.9.9/24".parse().expect("net"));
    assert_eq!(plan(&wanted(), &host, &[]).expect("plans"), [Step::RemoveAddress("10.9.9.9/24".parse().expect("net"))]);
    let without = Wanted { addresses: None, ..wanted() };
    assert_eq!(plan(&without, &host, &[]).expect("plans"), []);
}

#[test]
fn ports_that_would_cut_the_host_off_are_refused() {
    let with = |port: &str| Wanted { ports: vec![port.to_owned()], ..wanted() };
    assert_eq!(plan(&with("eth0"), &host(), &[1, 2]).expect_err("refused").code, "H0401");
    assert_eq!(plan(&with("lo"), &host(), &[1, 2]).expect_err("refused").code, "H0401");
    let error = plan(&with("eth2"), &host(), &[1, 2]).expect_err("refused");
    assert_eq!((error.code.as_ref(), error.hints.len()), ("H0404", 1));
    let taken = Wanted { name: "eth1".to_owned(), ports: Vec::new(), ..wanted() };
    assert_eq!(plan(&taken, &host(), &[]).expect_err("refused").code, "H0404");
    let mut other = host();
    other.list[2].master = Some(2);
    assert_eq!(plan(&with("eth1"), &other, &[]).expect_err("refused").code, "H0404");
}

#[test]
fn wrong_arguments_are_named() {
    let base = serde_json::json!({"name": "br0"});
    let code = |key: &str, value: serde_json::Value| {
        let mut args = base.clone();
        args[key] = value;
        let args: Args = serde_json::from_value(args).expect("types");
        super::check(&args).err().map(|error| error.code.to_string()).unwrap_or_default()
    };
    assert_eq!(code("addresses", serde_json::json!(["10.0.0.1/24", "10.0.0.1/32", "10.0.0.0/31", "fd00::1/64"])), "");
    for (key, value) in [
        ("name", serde_json::json!("a-name-that-is-too-long")),
        ("name", serde_json::json!("a/b")),
        ("name", serde_json::json!("..")),
        ("name", serde_json::json!("br0; reboot")),
        ("ports", serde_json::json!(["br0"])),
        ("dummy", serde_json::json!("")),
        ("addresses", serde_json::json!(["10.0.0.1"])),
        ("addresses", serde_json::json!(["10.0.0.0/24"])),
        ("addresses", serde_json::json!(["0.0.0.0/0"])),
        ("mtu", serde_json::json!(10)),
        ("forward_delay", serde_json::json!(31)),
    ] {
        assert_eq!(code(key, value.clone()), "H0400", "{key}: {value}");
    }
}

struct NoLink;

impl Link for NoLink {
    fn progress(&self, _: crate::event::Progress) {}
    fn blob(&self, _: &str) -> Result<Blob> {
        Err(Diagnostic::internal("no inputs here"))
    }
    fn cancelled(&self) -> bool {
        false
    }
}

fn run(runtime: &tokio::runtime::Runtime, args: serde_json::Value, check: bool) -> Result<Outcome, Failure> {
    let call = Call {
        check,
        diff: true,
        environment: vec![("SSH_CONNECTION".to_owned(), "10.77.0.2 50000 10.77.0.1 22".to_owned())],
        ..Call::new("network_bridge", args.clone())
    };
    let entry = crate::modules::find("network_bridge").expect("in the table");
    entry.run(crate::modules::cx::Cx::new(call, Arc::new(NoLink), runtime.handle().clone()), args)
}

/// Runs one test of this program again in a new network namespace; true inside it.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os("HOSTCTL_TEST_NAMESPACE").is_some() {
        return true;
    }
    if !Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skip {test}: no network namespaces here (needs root and `unshare`)");
        return false;
    }
    let program = std::env::current_exe().expect("own path");
    let name = format!("modules::network_bridge::tests::{test}");
    let output = Command::new("unshare")
        .args(["-n", "--"])
        .arg(program)
        .args(["--exact", &name, "--nocapture"])
        .env("HOSTCTL_TEST_NAMESPACE", "1")
        .output()
        .expect("runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

fn ip(args: &str) {
    let output = Command::new("ip").args(args.split(' ')).output().expect("ip");
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_bridge_with_a_veth_is_made_kept_changed_and_removed() {
    if !in_namespace("a_bridge_with_a_veth_is_made_kept_changed_and_removed") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    ip("link set lo up");
    ip("link add wan0 type veth peer name wan1");
    ip("address add 10.77.0.1/24 dev wan0");
    ip("link set wan0 up");
    ip("link set wan1 up");
    ip("link add p0 type veth peer name p1");
    let args = serde_json::json!({
        "name": "br-t", "ports": ["p0"], "addresses": ["10.88.0.1/24", "fd88::1/64"], "mtu": 1400, "stp": false,
        "forward_delay": 4, "persist": false,
    });
    assert!(run(&runtime, args.clone(), true).expect("check mode").changed);
    let probe = crate::system::Probe::new(Vec::new());
    assert!(probe.interfaces().expect("lists").get("br-t").is_none());

    let first = run(&runtime, args.clone(), false).expect("makes");
    assert!(first.changed);
    assert_eq!(Value::from(first.result.clone()).get("persisted"), Some(&Value::Bool(false)));
    let now = probe.interfaces().expect("lists");
    let bridge = now.get("br-t").expect("bridge").clone();
    assert_eq!((bridge.kind.as_deref(), bridge.mtu, bridge.up), (Some("bridge"), 1400, true));
    assert_eq!((bridge.stp, bridge.forward_delay), (Some(false), Some(4)));
    assert!(bridge.addresses.contains(&"10.88.0.1/24".parse().expect("net")), "{bridge:?}");
    assert_eq!(now.get("p0").expect("port").master, Some(bridge.index));
    let second = run(&runtime, args.clone(), false).expect("again");
    assert!(!second.changed, "{:?}", second.changes);

    let mut moved = args.clone();
    moved["addresses"] = serde_json::json!(["10.88.1.1/24"]);
    moved["stp"] = serde_json::json!(true);
    assert!(run(&runtime, moved.clone(), false).expect("changes").changed);
    assert!(!run(&runtime, moved, false).expect("again").changed);
    let bridge = probe.interfaces().expect("lists").get("br-t").expect("bridge").clone();
    assert_eq!(bridge.stp, Some(true));
    assert!(!bridge.addresses.contains(&"10.88.0.1/24".parse().expect("net")), "{bridge:?}");

    // The peer of the (pretended) ssh login is behind wan0.
    let cut = serde_json::json!({"name": "br-t", "ports": ["wan0"], "persist": false});
    assert_eq!(run(&runtime, cut, false).expect_err("refused").diagnostic.code, "H0401");
    // By default route as well, whatever carries it.
    ip("route add default via 10.88.1.2 dev br-t");
    let lost = serde_json::json!({"name": "br-t", "state": "absent"});
    assert_eq!(run(&runtime, lost.clone(), false).expect_err("refused").diagnostic.code, "H0401");
    ip("route del default");

    // A kernel without dummy devices says so; one with them makes the port.
    let dummy = serde_json::json!({"name": "br-d", "dummy": "d0", "addresses": ["10.99.0.1/24"], "persist": false});
    match run(&runtime, dummy.clone(), false) {
        Ok(outcome) => {
            assert!(outcome.changed && !run(&runtime, dummy.clone(), false).expect("again").changed);
            let gone = serde_json::json!({"name": "br-d", "dummy": "d0", "state": "absent"});
            assert!(run(&runtime, gone, false).expect("removes").changed);
            assert!(probe.interfaces().expect("lists").get("d0").is_none());
        }
        Err(failure) => {
            assert!(failure.diagnostic.message.contains("no `dummy` network devices"), "{:?}", failure.diagnostic);
            eprintln!("skip: this kernel has no dummy devices");
        }
    }

    assert!(run(&runtime, lost.clone(), true).expect("check mode").changed);
    assert!(run(&runtime, lost.clone(), false).expect("removes").changed);
    assert!(probe.interfaces().expect("lists").get("br-t").is_none());
    assert!(!run(&runtime, lost, false).expect("again").changed);
}

/// The proxy's promise: a socket on the bridge's address answers once the bridge is there.
#[test]
fn the_mirror_proxy_answers_on_a_bridge_that_comes_later() {
    if !in_namespace("the_mirror_proxy_answers_on_a_bridge_that_comes_later") {
        return;
    }
    ip("link set lo up");
    let listener = crate::mirror::bind("10.88.0.1:3142".parse().expect("address")).expect("binds before the bridge");
    assert!(TcpStream::connect("10.88.0.1:3142").is_err());
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let args = serde_json::json!({"name": "br-t", "addresses": ["10.88.0.1/24"], "persist": false});
    assert!(run(&runtime, args, false).expect("makes").changed);
    TcpStream::connect("10.88.0.1:3142").expect("answers");
    assert!(listener.accept().is_ok());
    assert!(TcpStream::connect("127.0.0.1:3142").is_err(), "and nowhere else");
}
