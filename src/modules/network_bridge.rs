//! `network_bridge`: a bridge with optional dummy port and addresses, live and after the next boot.
//!
//! The plan (what is missing) is pure; the kernel is asked and changed over netlink; what keeps the
//! bridge over a boot is in `persist`.

mod persist;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::Mutate;
use crate::system::network::{BridgeSettings, Interfaces};
use crate::value::{Map, Value};

/// Makes a network bridge, now and for the boots to come.
///
/// The bridge is made in the kernel at once and written down for the network manager of the host:
/// systemd-networkd or ifupdown. Where there is none, as in a container, the bridge lives until the
/// next boot and the result says `persisted: false` with the `reason`. An interface that carries the
/// default route or the connection of this run is never taken as a port.
///
/// A `dummy` port gives a bridge without real ports a carrier, so that its addresses work at once.
/// Addresses that are not listed are taken away, except link-local ones.
///
/// ```yaml
/// - name: Bridge for image builds
///   network_bridge:
///     name: br-build
///     dummy: build0
///     addresses: [172.30.0.1/24]
///
/// - name: Remove it again
///   network_bridge:
///     name: br-build
///     dummy: build0
///     state: absent
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Name of the bridge, at most 15 characters.
    name: String,
    /// Whether the bridge exists.
    #[serde(default)]
    state: State,
    /// Interfaces of the host that become ports. Other ports of the bridge are left alone.
    #[serde(default)]
    ports: Vec<String>,
    /// Name of a dummy interface that is made as a port of the bridge.
    #[serde(default)]
    dummy: Option<String>,
    /// Addresses of the bridge with their prefix length (`172.30.0.1/24`).
    #[serde(default)]
    addresses: Option<Vec<String>>,
    /// Bytes a packet may have.
    #[serde(default)]
    mtu: Option<u32>,
    /// Spanning tree protocol.
    #[serde(default)]
    stp: Option<bool>,
    /// Seconds before a new port forwards packets.
    #[serde(default)]
    forward_delay: Option<u32>,
    /// Keep the bridge over a boot.
    #[serde(default = "yes")]
    persist: bool,
}

/// Present or absent.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// The bridge exists and is up.
    #[default]
    Present,
    /// There is no such bridge.
    Absent,
}

fn yes() -> bool {
    true
}

/// The checked arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    name: String,
    ports: Vec<String>,
    dummy: Option<String>,
    addresses: Option<Vec<IpNet>>,
    mtu: Option<u32>,
    settings: BridgeSettings,
}

impl Wanted {
    /// All ports, the dummy one too.
    fn all_ports(&self) -> impl Iterator<Item = &str> {
        self.ports.iter().chain(self.dummy.iter()).map(String::as_str)
    }
}

/// One change in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    CreateBridge,
    CreateDummy(String),
    Settings,
    Port(String),
    Mtu(String, u32),
    Up(String),
    RemoveAddress(IpNet),
    AddAddress(IpNet),
}

/// The module.
pub struct NetworkBridge;

impl Module for NetworkBridge {
    type Args = Args;
    const META: Meta = Meta {
        name: "network_bridge",
        full_name: "hostctl.core.network_bridge",
        summary: "make a network bridge, live and persisted",
        reads: &["systemctl is-active"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let wanted = check(&args)?;
        Ok(match args.state {
            State::Present => present(cx, &wanted, args.persist)?,
            State::Absent => absent(cx, &wanted)?,
        })
    }
}

fn check(args: &Args) -> Result<Wanted> {
    for name in std::iter::once(&args.name).chain(&args.ports).chain(&args.dummy) {
        check_name(name)?;
    }
    if args.ports.contains(&args.name) || args.dummy.as_ref() == Some(&args.name) {
        return Err(wrong(format!("`{}` cannot be a port of itself", args.name)));
    }
    if let Some(dummy) = args.dummy.as_ref().filter(|dummy| args.ports.contains(dummy)) {
        return Err(wrong(format!("`{dummy}` is both `dummy` and in `ports`"))
            .with_hint("`ports` are interfaces that exist, `dummy` is made by this module"));
    }
    let addresses = args
        .addresses
        .as_ref()
        .map(|texts| texts.iter().map(|text| parse_address(text)).collect::<Result<Vec<IpNet>>>());
    let mtu = args.mtu;
    if mtu.is_some_and(|mtu| !(68..=65535).contains(&mtu)) {
        return Err(wrong("`mtu` must be between 68 and 65535"));
    }
    if args.forward_delay.is_some_and(|delay| delay > 30)
        || args.stp == Some(true) && args.forward_delay.is_some_and(|delay| delay < 2)
    {
        return Err(wrong("`forward_delay` must be between 2 and 30 seconds (0 and 1 only without `stp`)"));
    }
    Ok(Wanted {
        name: args.name.clone(),
        ports: args.ports.clone(),
        dummy: args.dummy.clone(),
        addresses: addresses.transpose()?,
        mtu,
        settings: BridgeSettings { stp: args.stp, forward_delay: args.forward_delay },
    })
}

fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::task("H0400", message)
}

fn check_name(name: &str) -> Result<()> {
    let fine = (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if fine {
        return Ok(());
    }
    Err(wrong(format!("`{name}` is no name for an interface"))
        .with_hint("1 to 15 letters, digits, `-`, `_` and `.`, such as `br-build`"))
}

fn parse_address(text: &str) -> Result<IpNet> {
    let net: IpNet = text.parse().map_err(|_| {
        wrong(format!("`{text}` is no address with prefix length")).with_hint("such as `172.30.0.1/24`")
    })?;
    let all_hosts = net.prefix_len() < net.max_prefix_len().saturating_sub(1);
    if net.addr().is_unspecified() || net.addr().is_multicast() || all_hosts && net.addr() == net.network() {
        return Err(wrong(format!("`{text}` is a network, not the address of a host in it")));
    }
    Ok(net)
}

fn link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if (v6.segments()[0] & 0xffc0) == 0xfe80)
}

/// What is missing. `carriers` are the interfaces that must not become ports.
fn plan(wanted: &Wanted, now: &Interfaces, carriers: &[u32]) -> Result<Vec<Step>> {
    let bridge = now.get(&wanted.name);
    if let Some(other) = bridge.filter(|bridge| bridge.kind.as_deref() != Some("bridge")) {
        let kind = other.kind.as_deref().unwrap_or("a hardware interface");
        return Err(Diagnostic::task("H0404", format!("`{}` exists and is no bridge ({kind})", wanted.name)));
    }
    let mut steps = Vec::new();
    if bridge.is_none() {
        steps.push(Step::CreateBridge);
    }
    let differs = bridge.is_some_and(|bridge| {
        wanted.settings.stp.is_some() && wanted.settings.stp != bridge.stp
            || wanted.settings.forward_delay.is_some() && wanted.settings.forward_delay != bridge.forward_delay
    });
    if differs {
        steps.push(Step::Settings);
    }
    for port in wanted.all_ports() {
        let found = now.get(port);
        let is_dummy = wanted.dummy.as_deref() == Some(port);
        match found {
            // First of all: a kernel without dummy devices must not leave half a bridge.
            None if is_dummy => steps.insert(0, Step::CreateDummy(port.to_owned())),
            None => {
                let names = now.list.iter().map(|interface| interface.name.as_str());
                return Err(Diagnostic::task(
                    "H0404",
                    format!("there is no interface `{port}` to be a port of `{}`", wanted.name),
                )
                .with_nearest(port, names));
            }
            Some(found) if is_dummy && found.kind.as_deref() != Some("dummy") => {
                return Err(Diagnostic::task("H0404", format!("`{port}` exists and is no dummy interface")));
            }
            Some(_) => {}
        }
        let master = found.and_then(|found| found.master);
        if master.is_none() || master != bridge.map(|bridge| bridge.index) {
            if let Some(found) = found {
                check_port(wanted, now, carriers, found.index, port, master)?;
            }
            steps.push(Step::Port(port.to_owned()));
        }
        if let Some(mtu) = wanted.mtu
            && found.is_none_or(|found| found.mtu != mtu)
        {
            steps.push(Step::Mtu(port.to_owned(), mtu));
        }
        if found.is_none_or(|found| !found.up) {
            steps.push(Step::Up(port.to_owned()));
        }
    }
    if let Some(mtu) = wanted.mtu
        && bridge.is_none_or(|bridge| bridge.mtu != mtu)
    {
        steps.push(Step::Mtu(wanted.name.clone(), mtu));
    }
    let has: &[IpNet] = bridge.map_or(&[], |bridge| bridge.addresses.as_slice());
    if let Some(addresses) = &wanted.addresses {
        for old in has.iter().filter(|old| !addresses.contains(old) && !link_local(old.addr())) {
            steps.push(Step::RemoveAddress(*old));
        }
        for new in addresses.iter().filter(|new| !has.contains(new)) {
            steps.push(Step::AddAddress(*new));
        }
    }
    if bridge.is_none_or(|bridge| !bridge.up) {
        steps.push(Step::Up(wanted.name.clone()));
    }
    Ok(steps)
}

fn check_port(
    wanted: &Wanted,
    now: &Interfaces,
    carriers: &[u32],
    index: u32,
    port: &str,
    master: Option<u32>,
) -> Result<()> {
    if carriers.contains(&index) {
        return Err(Diagnostic::task(
            "H0401",
            format!(
                "`{port}` carries the default route or this connection: as a port of `{}` it would cut the host off",
                wanted.name
            ),
        )
        .with_hint("use another interface, or `dummy: NAME` for a bridge without real ports"));
    }
    if let Some(other) = now.list.iter().find(|interface| Some(interface.index) == master) {
        return Err(Diagnostic::task("H0404", format!("`{port}` is a port of `{}` already", other.name))
            .with_hint(format!("take it out first: ip link set {port} nomaster")));
    }
    Ok(())
}

fn carriers(cx: &Cx, now: &Interfaces) -> Vec<u32> {
    let mut ways = now.default_route.clone();
    for peer in cx.probe().ssh_peers() {
        ways.extend(cx.probe().route_to(peer));
        ways.extend(
            now.list.iter().filter(|one| one.addresses.iter().any(|net| net.addr() == peer)).map(|one| one.index),
        );
    }
    // Loopback is nobody's port.
    ways.extend(now.get("lo").map(|lo| lo.index));
    now.carriers(&ways)
}

fn words(wanted: &Wanted, step: &Step) -> String {
    let name = &wanted.name;
    match step {
        Step::CreateBridge => format!("create the bridge {name}"),
        Step::CreateDummy(port) => format!("create the dummy interface {port}"),
        Step::Settings => format!("change the settings of {name}"),
        Step::Port(port) => format!("make {port} a port of {name}"),
        Step::Mtu(port, mtu) => format!("set the mtu of {port} to {mtu}"),
        Step::Up(port) => format!("switch {port} on"),
        Step::RemoveAddress(address) => format!("take {address} from {name}"),
        Step::AddAddress(address) => format!("give {name} the address {address}"),
    }
}

fn apply(wanted: &Wanted, step: &Step, mutate: &Mutate) -> Result<()> {
    let name = wanted.name.as_str();
    match step {
        Step::CreateBridge => mutate.create_interface(name, "bridge", wanted.settings),
        Step::CreateDummy(port) => mutate.create_interface(port, "dummy", BridgeSettings::default()),
        Step::Settings => mutate.set_bridge(name, wanted.settings),
        Step::Port(port) => mutate.set_master(port, name),
        Step::Mtu(port, mtu) => mutate.set_mtu(port, *mtu),
        Step::Up(port) => mutate.set_up(port),
        Step::RemoveAddress(address) => mutate.remove_address(name, *address),
        Step::AddAddress(address) => mutate.add_address(name, *address),
    }
}

fn present(cx: &Cx, wanted: &Wanted, persist: bool) -> Result<Map> {
    let now = cx.probe().interfaces()?;
    let carriers = carriers(cx, &now);
    let steps = plan(wanted, &now, &carriers)?;
    // Decided before anything is touched: an unsupported manager leaves no half a bridge.
    let keeper = if persist { persist::keeper(cx)? } else { persist::Keeper::none("`persist` is off") };
    for step in &steps {
        cx.change(words(wanted, step), |mutate| apply(wanted, step, mutate))?;
    }
    let rewritten = keeper.write(cx, wanted)?;
    if rewritten && !cx.check_mode() {
        settle(cx, wanted, &carriers)?;
    }
    let mut result = map! {
        "name" => wanted.name.clone(),
        "state" => "present",
        "ports" => wanted.all_ports().map(Value::from).collect::<Vec<_>>(),
        "addresses" => wanted.addresses.iter().flatten().map(|net| Value::from(net.to_string())).collect::<Vec<_>>(),
        "persisted" => keeper.reason().is_none(),
    };
    match keeper.reason() {
        Some(reason) => result.insert("reason".into(), reason.into()),
        None => result.insert("manager".into(), keeper.name().into()),
    };
    Ok(result)
}

/// The network manager may take the bridge through its own hands after a reload: waits until
/// everything is there, and mends what it left out.
fn settle(cx: &Cx, wanted: &Wanted, carriers: &[u32]) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut quiet = 0;
    loop {
        let missing = plan(wanted, &cx.probe().interfaces()?, carriers)?;
        quiet = if missing.is_empty() { quiet + 1 } else { 0 };
        // Twice in a row: the manager may just be about to begin.
        if quiet == 3 {
            return Ok(());
        }
        if Instant::now() > deadline || cx.cancelled() {
            for step in &missing {
                cx.change(words(wanted, step), |mutate| apply(wanted, step, mutate))?;
            }
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn absent(cx: &Cx, wanted: &Wanted) -> Result<Map> {
    let now = cx.probe().interfaces()?;
    let carriers = carriers(cx, &now);
    if let Some(bridge) = now.get(&wanted.name) {
        if bridge.kind.as_deref() != Some("bridge") {
            return Err(Diagnostic::task("H0404", format!("`{}` exists and is no bridge", wanted.name)));
        }
        if carriers.contains(&bridge.index) {
            return Err(Diagnostic::task(
                "H0401",
                format!(
                    "`{}` carries the default route or this connection: without it the host would be cut off",
                    wanted.name
                ),
            ));
        }
    }
    persist::forget(cx, wanted)?;
    // After the manager forgot it: it could remove the interface by itself.
    let now = cx.probe().interfaces()?;
    if now.get(&wanted.name).is_some() {
        cx.change(format!("remove the bridge {}", wanted.name), |mutate| mutate.delete_interface(&wanted.name))?;
    }
    if let Some(dummy) = wanted.dummy.as_deref().and_then(|name| now.get(name)) {
        if dummy.kind.as_deref() != Some("dummy") {
            return Err(Diagnostic::task("H0404", format!("`{}` exists and is no dummy interface", dummy.name)));
        }
        cx.change(format!("remove the dummy interface {}", dummy.name), |mutate| mutate.delete_interface(&dummy.name))?;
    }
    Ok(map! { "name" => wanted.name.clone(), "state" => "absent" })
}

#[cfg(test)]
mod tests;
