//! Network interfaces as the kernel has them: links, addresses, who carries the way out.
//!
//! Read and changed over netlink, so the picture is that of this process's network namespace
//! (`/sys/class/net` may show another one's).

use std::net::IpAddr;

use ipnet::IpNet;
use rustix::io::Errno;

use super::netlink::{self, Attributes, Message, Netlink, c_text, put_attribute, text, u32_at};
use super::{Mutate, Probe};
use crate::diag::{Diagnostic, Result};

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const BR_FORWARD_DELAY: u16 = 1;
const BR_STP_STATE: u16 = 5;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const UP: u32 = 1;
/// The kernel counts forward delays in hundredths of a second.
const CENTISECONDS: u32 = 100;

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `dummy`, `veth`, ...; none for hardware.
    pub kind: Option<String>,
    /// Switched on.
    pub up: bool,
    /// Bytes a packet.
    pub mtu: u32,
    /// The bridge or bond that it is a port of.
    pub master: Option<u32>,
    /// The interface below it (a VLAN's).
    pub lower: Option<u32>,
    /// Spanning tree is on (bridges).
    pub stp: Option<bool>,
    /// Forward delay in seconds (bridges).
    pub forward_delay: Option<u32>,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<IpNet>,
}

/// All interfaces, and those that carry the way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// All of them.
    pub list: Vec<Interface>,
    /// Numbers of those with a default route.
    pub default_route: Vec<u32>,
}

impl Interfaces {
    /// The interface of a name.
    pub fn get(&self, name: &str) -> Option<&Interface> {
        self.list.iter().find(|interface| interface.name == name)
    }

    /// The given interfaces and everything that carries them: what they lie on, and their ports.
    pub fn carriers(&self, of: &[u32]) -> Vec<u32> {
        let mut found: Vec<u32> = of.to_vec();
        let mut next = 0;
        while let Some(index) = found.get(next).copied() {
            next += 1;
            for interface in &self.list {
                let below = interface.master == Some(index)
                    || self.list.iter().any(|upper| upper.index == index && upper.lower == Some(interface.index));
                if below && !found.contains(&interface.index) {
                    found.push(interface.index);
                }
            }
        }
        found
    }
}

/// The settings of a bridge that can be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BridgeSettings {
    /// Spanning tree.
    pub stp: Option<bool>,
    /// Seconds.
    pub forward_delay: Option<u32>,
}

impl BridgeSettings {
    fn data(self) -> Vec<u8> {
        let mut data = Vec::new();
        // The delay goes first: with the spanning tree on, the kernel takes 2 to 30 seconds only.
        if let Some(seconds) = self.forward_delay {
            put_attribute(&mut data, BR_FORWARD_DELAY, &seconds.saturating_mul(CENTISECONDS).to_ne_bytes());
        }
        if let Some(stp) = self.stp {
            put_attribute(&mut data, BR_STP_STATE, &u32::from(stp).to_ne_bytes());
        }
        data
    }
}

fn link(what: &str, message: &Message) -> Result<()> {
    Netlink::open().and_then(|mut netlink| netlink.change(message)).map_err(|error| refused(what, error))
}

fn refused(what: &str, error: Errno) -> Diagnostic {
    let diagnostic = Diagnostic::task("H0402", format!("the kernel refuses to {what}: {error}"));
    match error {
        Errno::PERM | Errno::ACCESS => diagnostic.with_hint("set `become: true`; in a container, NET_ADMIN is needed"),
        _ => diagnostic,
    }
}

fn link_fixed(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..16].copy_from_slice(&change.to_ne_bytes());
    fixed
}

fn parse_link(body: &[u8]) -> Option<Interface> {
    let mut interface = Interface { index: u32_at(body, 4)?, up: u32_at(body, 8)? & UP != 0, ..Interface::default() };
    for (kind, value) in Attributes(body.get(16..)?) {
        match kind {
            IFLA_IFNAME => interface.name = text(value),
            IFLA_MTU => interface.mtu = u32_at(value, 0)?,
            IFLA_LINK => interface.lower = u32_at(value, 0).filter(|lower| *lower != 0 && *lower != interface.index),
            IFLA_MASTER => interface.master = u32_at(value, 0).filter(|master| *master != 0),
            IFLA_LINKINFO => parse_info(value, &mut interface),
            _ => {}
        }
    }
    Some(interface)
}

fn parse_info(info: &[u8], interface: &mut Interface) {
    let of = |wanted: u16| Attributes(info).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    interface.kind = of(INFO_KIND).map(text);
    if interface.kind.as_deref() == Some("veth") {
        // A veth's `link` is its other end, perhaps in another namespace: it carries nothing.
        interface.lower = None;
    }
    if interface.kind.as_deref() == Some("bridge")
        && let Some(data) = of(INFO_DATA)
    {
        for (kind, value) in Attributes(data) {
            match kind {
                BR_STP_STATE => interface.stp = u32_at(value, 0).map(|state| state != 0),
                BR_FORWARD_DELAY => interface.forward_delay = u32_at(value, 0).map(|delay| delay / CENTISECONDS),
                _ => {}
            }
        }
    }
}

fn parse_ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn parse_address(body: &[u8]) -> Option<(u32, IpNet)> {
    let prefix = *body.get(1)?;
    let index = u32_at(body, 4)?;
    let mut local = None;
    let mut address = None;
    for (kind, value) in Attributes(body.get(8..)?) {
        match kind {
            IFA_LOCAL => local = parse_ip(value),
            IFA_ADDRESS => address = parse_ip(value),
            _ => {}
        }
    }
    Some((index, IpNet::new(local.or(address)?, prefix).ok()?))
}

/// The interfaces of a default route in the main table.
fn parse_default_route(body: &[u8]) -> Vec<u32> {
    let (destination_length, table, kind) = (body.get(1), body.get(4), body.get(7));
    if destination_length != Some(&0) || table != Some(&254) || kind != Some(&1) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (kind, value) in Attributes(body.get(12..).unwrap_or_default()) {
        match kind {
            RTA_OIF => found.extend(u32_at(value, 0)),
            RTA_MULTIPATH => {
                let mut hops = value;
                while let (Some(length), Some(index)) = (netlink::u16_at(hops, 0), u32_at(hops, 4)) {
                    found.push(index);
                    match hops.get(usize::from(length).next_multiple_of(4).max(8)..) {
                        Some(rest) => hops = rest,
                        None => break,
                    }
                }
            }
            _ => {}
        }
    }
    found
}

impl Probe {
    /// All interfaces of this network namespace.
    pub fn interfaces(&self) -> Result<Interfaces> {
        let failed = |error| refused("list the network interfaces", error);
        let mut netlink = Netlink::open().map_err(failed)?;
        let links = netlink.dump(&Message::new(netlink::GET_LINK, 0, &[0; 16])).map_err(failed)?;
        let mut list: Vec<Interface> = links
            .iter()
            .filter(|(kind, _)| *kind == netlink::NEW_LINK)
            .filter_map(|(_, body)| parse_link(body))
            .collect();
        let addresses = netlink.dump(&Message::new(netlink::GET_ADDRESS, 0, &[0; 8])).map_err(failed)?;
        for (_, body) in addresses.iter().filter(|(kind, _)| *kind == netlink::NEW_ADDRESS) {
            if let Some((index, address)) = parse_address(body)
                && let Some(interface) = list.iter_mut().find(|interface| interface.index == index)
            {
                interface.addresses.push(address);
            }
        }
        let routes = netlink.dump(&Message::new(netlink::GET_ROUTE, 0, &[0; 12])).map_err(failed)?;
        let default_route = routes
            .iter()
            .filter(|(kind, _)| *kind == netlink::NEW_ROUTE)
            .flat_map(|(_, body)| parse_default_route(body))
            .collect();
        Ok(Interfaces { list, default_route })
    }

    /// The number of the interface that packets to an address leave through.
    pub fn route_to(&self, address: IpAddr) -> Option<u32> {
        let (family, bits, bytes) = match address {
            IpAddr::V4(v4) => (2, 32, v4.octets().to_vec()),
            IpAddr::V6(v6) => (10, 128, v6.octets().to_vec()),
        };
        let mut fixed = [0_u8; 12];
        fixed[0] = family;
        fixed[1] = bits;
        let message = Message::new(netlink::GET_ROUTE, 0, &fixed).attribute(RTA_DST, &bytes);
        let answer = Netlink::open().ok()?.ask(&message).ok()??;
        Attributes(answer.get(12..)?).find(|(kind, _)| *kind == RTA_OIF).and_then(|(_, value)| u32_at(value, 0))
    }

    /// The peer's and the own address of the ssh login that this process stands in, if any:
    /// its own variable, or (sudo drops it) that of a parent.
    pub fn ssh_peers(&self) -> Vec<IpAddr> {
        let own = self.variable("SSH_CONNECTION");
        let found = own.or_else(|| {
            let mut pid = std::process::id();
            for _ in 0..32 {
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                let entry =
                    environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"SSH_CONNECTION="));
                if let Some(value) = entry {
                    return Some(String::from_utf8_lossy(value).into_owned());
                }
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
                pid = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
                if pid < 2 {
                    return None;
                }
            }
            None
        });
        found
            .map(|text| {
                let words: Vec<&str> = text.split_whitespace().collect();
                [words.first(), words.get(2)].into_iter().flatten().filter_map(|word| word.parse().ok()).collect()
            })
            .unwrap_or_default()
    }
}

impl Mutate {
    fn index(&self, name: &str) -> Result<u32> {
        self.probe()
            .interfaces()?
            .get(name)
            .map(|interface| interface.index)
            .ok_or_else(|| Diagnostic::task("H0404", format!("there is no interface `{name}`")))
    }

    /// Creates a `bridge` or `dummy`.
    pub fn create_interface(&self, name: &str, kind: &str, settings: BridgeSettings) -> Result<()> {
        let mut info = Vec::new();
        put_attribute(&mut info, INFO_KIND, kind.as_bytes());
        let data = settings.data();
        if !data.is_empty() {
            put_attribute(&mut info, INFO_DATA, &data);
        }
        let message = Message::new(netlink::NEW_LINK, netlink::CREATE, &link_fixed(0, 0, 0))
            .attribute(IFLA_IFNAME, &c_text(name))
            .attribute(IFLA_LINKINFO, &info);
        match Netlink::open().and_then(|mut netlink| netlink.change(&message)) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NODEV) => {
                Err(Diagnostic::task("H0402", format!("this kernel has no `{kind}` network devices"))
                    .with_hint(format!("try `modprobe {kind}`, or install the kernel's extra modules")))
            }
            Err(error) => Err(refused(&format!("create the {kind} `{name}`"), error)),
        }
    }

    /// Changes a bridge's settings.
    pub fn set_bridge(&self, name: &str, settings: BridgeSettings) -> Result<()> {
        let mut info = Vec::new();
        put_attribute(&mut info, INFO_KIND, b"bridge");
        put_attribute(&mut info, INFO_DATA, &settings.data());
        let index = self.index(name)?;
        let message = Message::new(netlink::NEW_LINK, 0, &link_fixed(index, 0, 0)).attribute(IFLA_LINKINFO, &info);
        link(&format!("change the bridge `{name}`"), &message)
    }

    /// Sets the packet size.
    pub fn set_mtu(&self, name: &str, mtu: u32) -> Result<()> {
        let message = Message::new(netlink::NEW_LINK, 0, &link_fixed(self.index(name)?, 0, 0))
            .attribute(IFLA_MTU, &mtu.to_ne_bytes());
        link(&format!("set the mtu of `{name}` to {mtu}"), &message)
    }

    /// Makes an interface a port of a bridge.
    pub fn set_master(&self, name: &str, bridge: &str) -> Result<()> {
        let message = Message::new(netlink::NEW_LINK, 0, &link_fixed(self.index(name)?, 0, 0))
            .attribute(IFLA_MASTER, &self.index(bridge)?.to_ne_bytes());
        link(&format!("make `{name}` a port of `{bridge}`"), &message)
    }

    /// Switches an interface on.
    pub fn set_up(&self, name: &str) -> Result<()> {
        let message = Message::new(netlink::NEW_LINK, 0, &link_fixed(self.index(name)?, UP, UP));
        link(&format!("switch `{name}` on"), &message)
    }

    /// Adds an address.
    pub fn add_address(&self, name: &str, address: IpNet) -> Result<()> {
        let message = self.address_message(netlink::NEW_ADDRESS, netlink::CREATE, name, address)?;
        link(&format!("give `{name}` the address {address}"), &message)
    }

    /// Takes an address away.
    pub fn remove_address(&self, name: &str, address: IpNet) -> Result<()> {
        let message = self.address_message(netlink::DEL_ADDRESS, 0, name, address)?;
        link(&format!("take the address {address} from `{name}`"), &message)
    }

    fn address_message(&self, kind: u16, flags: u16, name: &str, address: IpNet) -> Result<Message> {
        let (family, bytes) = match address.addr() {
            IpAddr::V4(v4) => (2_u8, v4.octets().to_vec()),
            IpAddr::V6(v6) => (10, v6.octets().to_vec()),
        };
        let mut fixed = [0_u8; 8];
        fixed[0] = family;
        fixed[1] = address.prefix_len();
        fixed[4..8].copy_from_slice(&self.index(name)?.to_ne_bytes());
        let mut message = Message::new(kind, flags, &fixed).attribute(IFA_LOCAL, &bytes).attribute(IFA_ADDRESS, &bytes);
        if let IpNet::V4(net) = address
            && net.prefix_len() < 31
        {
            message = message.attribute(IFA_BROADCAST, &net.broadcast().octets());
        }
        Ok(message)
    }

    /// Removes a virtual interface.
    pub fn delete_interface(&self, name: &str) -> Result<()> {
        let message = Message::new(netlink::DEL_LINK, 0, &link_fixed(self.index(name)?, 0, 0));
        link(&format!("remove `{name}`"), &message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_with_its_address() {
        let interfaces = Probe::new(Vec::new()).interfaces().expect("lists");
        let loopback = interfaces.get("lo").expect("lo");
        assert!(loopback.index > 0 && loopback.mtu > 0);
        if loopback.up {
            assert!(loopback.addresses.iter().any(|net| net.addr().is_loopback()), "{loopback:?}");
            assert_eq!(Probe::new(Vec::new()).route_to("127.0.0.1".parse().expect("ip")), Some(loopback.index));
        }
    }

    #[test]
    fn carriers_go_down_through_vlans_bonds_and_bridges() {
        let interface = |index, master, lower| Interface { index, master, lower, ..Interface::default() };
        let interfaces = Interfaces {
            list: vec![
                interface(1, None, None),
                interface(2, Some(4), None), // eth0, in bond 4
                interface(3, Some(4), None), // eth1, in bond 4
                interface(4, None, None),    // bond
                interface(5, None, Some(4)), // vlan on the bond
            ],
            default_route: vec![5],
        };
        let mut found = interfaces.carriers(&interfaces.default_route);
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4, 5]);
    }

    #[test]
    fn default_routes_with_several_ways_are_read_whole() {
        let mut body = vec![2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
        let mut hops = Vec::new();
        for index in [7_u32, 9] {
            hops.extend_from_slice(&8_u16.to_ne_bytes());
            hops.extend_from_slice(&[0, 0]);
            hops.extend_from_slice(&index.to_ne_bytes());
        }
        put_attribute(&mut body, RTA_MULTIPATH, &hops);
        assert_eq!(parse_default_route(&body), [7, 9]);
        body[1] = 24;
        assert_eq!(parse_default_route(&body), [0; 0]);
        assert_eq!(parse_default_route(&[]), [0; 0]);
    }
}
