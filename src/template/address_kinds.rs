//! The tests of ansible.utils for addresses and networks, as Python's `ipaddress` decides them.

use std::net::{IpAddr, Ipv6Addr};

use crate::value::Value;

use super::args::{Args, Call};
use super::fail::{Fail, R};
use super::filters::Net;
use super::tests::Test;
use super::val::Val;

/// The table of this file.
pub const TABLE: &[(&str, Test)] = &[
    ("ansible.utils.in_any_network", |call, value, args| networks(call, &value, args, |number| number > 0)),
    ("ansible.utils.in_network", |call, value, args| inside(call, &value, args, false)),
    ("ansible.utils.in_one_network", |call, value, args| networks(call, &value, args, |number| number == 1)),
    ("ansible.utils.ip", |call, value, _| Ok(network(call, &value)?.is_some())),
    ("ansible.utils.ip_address", |call, value, _| Ok(address(call, &value)?.is_some())),
    ("ansible.utils.ipv4", |call, value, _| Ok(network(call, &value)?.is_some_and(|net| !net.six))),
    ("ansible.utils.ipv4_address", |call, value, _| Ok(address(call, &value)?.is_some_and(|ip| ip.is_ipv4()))),
    ("ansible.utils.ipv4_hostmask", |call, value, _| mask(call, &value, true)),
    ("ansible.utils.ipv4_netmask", |call, value, _| mask(call, &value, false)),
    ("ansible.utils.ipv6", |call, value, _| Ok(network(call, &value)?.is_some_and(|net| net.six))),
    ("ansible.utils.ipv6_address", |call, value, _| Ok(address(call, &value)?.is_some_and(|ip| ip.is_ipv6()))),
    ("ansible.utils.ipv6_ipv4_mapped", |call, value, _| six(call, &value, |ip| ip.to_ipv4_mapped().is_some())),
    ("ansible.utils.ipv6_sixtofour", |call, value, _| six(call, &value, |ip| ip.segments()[0] == 0x2002)),
    ("ansible.utils.ipv6_teredo", |call, value, _| {
        six(call, &value, |ip| ip.segments()[0] == 0x2001 && ip.segments()[1] == 0)
    }),
    ("ansible.utils.loopback", |call, value, _| of_address(call, &value, IpAddr::is_loopback)),
    ("ansible.utils.mac", |call, value, _| Ok(is_mac(&call.text(&value)?))),
    ("ansible.utils.multicast", |call, value, _| of_address(call, &value, IpAddr::is_multicast)),
    ("ansible.utils.private", |call, value, _| of_address(call, &value, is_private)),
    ("ansible.utils.public", |call, value, _| of_address(call, &value, is_global)),
    ("ansible.utils.reserved", |call, value, _| of_address(call, &value, is_reserved)),
    ("ansible.utils.subnet_of", |call, value, args| inside(call, &value, args, false)),
    ("ansible.utils.supernet_of", |call, value, args| inside(call, &value, args, true)),
    ("ansible.utils.unspecified", |call, value, _| of_address(call, &value, IpAddr::is_unspecified)),
];

/// `ipaddress.ip_network`: no bits of the host may be set. No blanks are taken.
fn parse_network(text: &str) -> Option<Net> {
    if text != text.trim() || text.split_once('/').is_some_and(|(_, prefix)| prefix.starts_with('+')) {
        return None;
    }
    Net::parse(text).filter(Net::is_network)
}

fn text(call: &Call, value: &Val) -> R<String> {
    match value {
        Val::V(Value::Str(text)) => Ok(text.to_string()),
        Val::List(_) | Val::Map(_) => Err(Fail::msg(format!("an address is text, not {}", value.kind()))),
        other => Ok(call.text(other)?.to_string()),
    }
}

fn network(call: &Call, value: &Val) -> R<Option<Net>> {
    Ok(parse_network(&text(call, value)?))
}

fn address(call: &Call, value: &Val) -> R<Option<IpAddr>> {
    let text = text(call, value)?;
    // A zone may stand behind an address of IPv6.
    let plain = match text.split_once('%') {
        Some((plain, zone)) if !zone.is_empty() && !zone.contains('%') && plain.contains(':') => plain,
        _ => text.as_str(),
    };
    Ok(plain.parse().ok())
}

fn of_address(call: &Call, value: &Val, holds: fn(&IpAddr) -> bool) -> R<bool> {
    Ok(address(call, value)?.is_some_and(|ip| holds(&ip)))
}

fn six(call: &Call, value: &Val, holds: fn(&Ipv6Addr) -> bool) -> R<bool> {
    Ok(matches!(address(call, value)?, Some(IpAddr::V6(ip)) if holds(&ip)))
}

fn contains(outer: Option<&Net>, inner: Option<&Net>) -> bool {
    outer.zip(inner).is_some_and(|(outer, inner)| outer.contains(inner))
}

fn inside(call: &Call, value: &Val, mut args: Args, swap: bool) -> R<bool> {
    let other = match args.take(0, "network") {
        Some(other) => other,
        None => args.need(0, "network_b")?,
    };
    let (value, other) = (network(call, value)?, network(call, &other.defined()?)?);
    Ok(if swap { contains(value.as_ref(), other.as_ref()) } else { contains(other.as_ref(), value.as_ref()) })
}

fn networks(call: &Call, value: &Val, mut args: Args, holds: fn(usize) -> bool) -> R<bool> {
    let list = args.need(0, "networks")?.defined()?;
    let own = network(call, value)?;
    let mut number = 0;
    for item in call.items(&list)? {
        number += usize::from(contains(network(call, &item)?.as_ref(), own.as_ref()));
    }
    Ok(holds(number))
}

fn mask(call: &Call, value: &Val, of_host: bool) -> R<bool> {
    let text = text(call, value)?;
    let found = Net::parse(&format!("10.0.0.0/{text}"));
    Ok(found.is_some_and(|net| net.text_of(if of_host { net.host_mask() } else { net.mask() }) == text))
}

fn is_mac(text: &str) -> bool {
    let hex = |part: &str, len: usize| part.len() == len && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let text = text.strip_suffix('\n').unwrap_or(text);
    let pairs: Vec<&str> = text.split([':', '-']).collect();
    let words: Vec<&str> = text.split('.').collect();
    hex(text, 12)
        || pairs.len() == 6 && pairs.iter().all(|part| hex(part, 2))
        || words.len() == 3 && words.iter().all(|part| hex(part, 4))
}

fn net_of(ip: &IpAddr) -> Net {
    match ip {
        IpAddr::V4(ip) => Net::host(false, u128::from(u32::from(*ip))),
        IpAddr::V6(ip) => Net::host(true, u128::from(*ip)),
    }
}

fn in_one(ip: &IpAddr, list: &[&str]) -> bool {
    let host = net_of(ip);
    list.iter().filter_map(|text| Net::parse(text)).any(|net| net.contains(&host))
}

/// An address of IPv4 inside of one of IPv6 decides for it.
fn mapped(ip: &IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(*ip, IpAddr::V4),
        IpAddr::V4(_) => *ip,
    }
}

/// Python counts shared addresses (100.64.0.0/10) neither as private nor as global.
fn is_private(ip: &IpAddr) -> bool {
    let ip = mapped(ip);
    !net_of(&ip).is_global() && !in_one(&ip, &["100.64.0.0/10"])
}

fn is_global(ip: &IpAddr) -> bool {
    let ip = mapped(ip);
    net_of(&ip).is_global()
}

fn is_reserved(ip: &IpAddr) -> bool {
    const RESERVED: &[&str] = &[
        "240.0.0.0/4",
        "::/8",
        "100::/8",
        "200::/7",
        "400::/6",
        "800::/5",
        "1000::/4",
        "4000::/3",
        "6000::/3",
        "8000::/3",
        "a000::/3",
        "c000::/3",
        "e000::/4",
        "f000::/5",
        "f800::/6",
        "fe00::/9",
    ];
    in_one(&mapped(ip), RESERVED)
}
