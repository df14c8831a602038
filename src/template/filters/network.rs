//! The basics of `ansible.utils.ipaddr` and its relatives.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("ipaddr", |call, value, args| ipaddr(call, value, args, None)),
    ("ipv4", |call, value, args| ipaddr(call, value, args, Some(4))),
    ("ipv6", |call, value, args| ipaddr(call, value, args, Some(6))),
    ("ipwrap", ipwrap),
];

/// An address with the prefix that was written, if one was.
fn parse(text: &str) -> Option<(IpAddr, Option<u8>)> {
    if let Some((address, prefix)) = text.split_once('/') {
        let address: IpAddr = address.trim().parse().ok()?;
        let prefix = match prefix.trim().parse::<u8>() {
            Ok(prefix) => prefix,
            Err(_) => ipnet::ip_mask_to_prefix(prefix.trim().parse().ok()?).ok()?,
        };
        return (prefix <= max(address)).then_some((address, Some(prefix)));
    }
    text.trim().parse().ok().map(|address| (address, None))
}

fn max(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn query(address: IpAddr, prefix: Option<u8>, query: &str) -> Option<Val> {
    let net = IpNet::new(address, prefix.unwrap_or_else(|| max(address))).ok()?;
    let size =
        |net: &IpNet| -> i128 { 1_i128.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len())).unwrap_or(0) };
    let text = |text: String| Some(Val::from(text));
    let is_network = prefix.is_some() && net.network() == address;
    match query {
        "" => text(prefix.map_or_else(|| address.to_string(), |prefix| format!("{address}/{prefix}"))),
        "address" | "ip" => {
            (!is_network || net.prefix_len() == net.max_prefix_len()).then(|| Val::from(address.to_string()))
        }
        "host" => (prefix.is_none() || !is_network).then(|| Val::from(net.to_string())),
        "net" => (is_network).then(|| Val::from(net.trunc().to_string())),
        "network" | "network_id" => text(net.network().to_string()),
        "subnet" | "network/prefix" => text(net.trunc().to_string()),
        "netmask" => text(net.netmask().to_string()),
        "hostmask" | "wildcard" => text(net.hostmask().to_string()),
        "prefix" => Some(Val::from(i128::from(net.prefix_len()))),
        "broadcast" => (net.prefix_len() + 1 < net.max_prefix_len()).then(|| Val::from(net.broadcast().to_string())),
        "size" => Some(Val::from(size(&net))),
        "version" => Some(Val::from(if address.is_ipv4() { 4_i64 } else { 6 })),
        "type" => text(if is_network { "network" } else { "address" }.to_owned()),
        "cidr" | "host/prefix" | "address/prefix" | "gateway" | "gw" => text(net.to_string()),
        "int" => Some(Val::from(match address {
            IpAddr::V4(address) => i128::from(u32::from(address)),
            IpAddr::V6(address) => i128::try_from(u128::from(address)).unwrap_or(i128::MAX),
        })),
        "private" => private(address).then(|| Val::from(address.to_string())),
        "public" => (!private(address)).then(|| Val::from(address.to_string())),
        "loopback" | "lo" => address.is_loopback().then(|| Val::from(address.to_string())),
        "multicast" => address.is_multicast().then(|| Val::from(address.to_string())),
        "bool" => Some(Val::from(true)),
        "revdns" => match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                text(format!("{d}.{c}.{b}.{a}.in-addr.arpa."))
            }
            IpAddr::V6(_) => None,
        },
        other => {
            if let Ok(index) = i128::from_str(other) {
                return nth(&net, index);
            }
            let outer = parse(other)
                .and_then(|(address, prefix)| IpNet::new(address, prefix.unwrap_or_else(|| max(address))).ok())?;
            (outer.contains(&address))
                .then(|| Val::from(prefix.map_or_else(|| address.to_string(), |prefix| format!("{address}/{prefix}"))))
        }
    }
}

fn nth(net: &IpNet, index: i128) -> Option<Val> {
    let (base, last) = match (net.network(), net.broadcast()) {
        (IpAddr::V4(base), IpAddr::V4(last)) => (i128::from(u32::from(base)), i128::from(u32::from(last))),
        (IpAddr::V6(base), IpAddr::V6(last)) => {
            (i128::try_from(u128::from(base)).ok()?, i128::try_from(u128::from(last)).ok()?)
        }
        _ => return None,
    };
    let at = if index < 0 { last + 1 + index } else { base + index };
    if at < base || at > last {
        return None;
    }
    let address = if net.network().is_ipv4() {
        IpAddr::V4(u32::try_from(at).ok()?.into())
    } else {
        IpAddr::V6(u128::try_from(at).ok()?.into())
    };
    Some(Val::from(format!("{address}/{}", net.prefix_len())))
}

fn private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback()
                || (address.segments()[0] & 0xfe00) == 0xfc00
                || (address.segments()[0] & 0xffc0) == 0xfe80
        }
    }
}

fn ipaddr(call: &Call, value: Val, mut args: Args, version: Option<u8>) -> R<Val> {
    let wanted = args.text(call, 0, "query")?.unwrap_or_default();
    let _ = args.take(1, "version");
    args.finish()?;
    let one = |text: &str| -> Option<Val> {
        let (address, prefix) = parse(text)?;
        if version.is_some_and(|version| (version == 4) != address.is_ipv4()) {
            return None;
        }
        query(address, prefix, &wanted)
    };
    if let Val::List(list) = &value {
        let mut out = Vec::new();
        for item in list.items(call.cx())? {
            out.extend(one(&call.text(&item)?));
        }
        return Ok(Val::list(out));
    }
    if !matches!(value, Val::V(_)) {
        return Err(Fail::msg(format!("an address must be a string, not {}", value.kind())));
    }
    Ok(one(&call.text(&value)?).unwrap_or_else(|| Val::from(false)))
}

fn ipwrap(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let wrap = |text: &str| match parse(text) {
        Some((IpAddr::V6(address), prefix)) => {
            format!("[{address}]{}", prefix.map(|prefix| format!("/{prefix}")).unwrap_or_default())
        }
        _ => text.to_owned(),
    };
    if let Val::List(list) = &value {
        let mut out = Vec::new();
        for item in list.items(call.cx())? {
            out.push(Val::from(wrap(&call.text(&item)?)));
        }
        return Ok(Val::list(out));
    }
    Ok(Val::from(wrap(&call.text(&value)?)))
}
