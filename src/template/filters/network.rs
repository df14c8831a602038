//! `ipaddr` of `ansible.utils` with all its queries, and `ipv4`, `ipv6`, `ipwrap`.

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::Entry;
use super::net::Net;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("ipaddr", |call, value, args| filter(call, value, args, None)),
    ("ipv4", |call, value, args| filter(call, value, args, Some(4))),
    ("ipv6", |call, value, args| filter(call, value, args, Some(6))),
    ("ipwrap", ipwrap),
];

/// `False`, which these filters give for what is no address.
pub const NO: Val = Val::V(Value::Bool(false));

/// A value that was read: what it is, how it was written, and whether with a prefix.
pub struct Read {
    /// The address.
    pub net: Net,
    text: String,
    with_prefix: bool,
}

/// Reads an address, a network, a number, or a number with a prefix.
pub fn read(call: &Call, value: &Val, version: Option<i128>) -> R<Option<Read>> {
    if matches!(value, Val::V(Value::Bool(true))) || !value.truthy()? {
        return Ok(None);
    }
    let text = call.text(value)?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let Ok(number) = text.parse::<u128>() else { return Ok(None) };
        let six = version == Some(6) || number > u128::from(u32::MAX);
        let net = Net::host(six, number);
        return Ok(Some(Read { net, text: net.to_string(), with_prefix: false }));
    }
    if let Some(net) = Net::parse(&text) {
        let with_prefix = text.contains('/');
        return Ok(Some(Read { net, text: text.to_string(), with_prefix }));
    }
    let number = |(address, prefix): (&str, &str)| Some((address.parse::<u128>().ok()?, prefix.parse::<u8>().ok()?));
    let Some((ip, prefix)) = text.split_once('/').and_then(number) else { return Ok(None) };
    let six = ip > u128::from(u32::MAX) || prefix > 32;
    let net = Net { six, ip, prefix };
    Ok((prefix <= net.width()).then(|| Read { net, text: net.to_string(), with_prefix: true }))
}

/// An integer of any size.
pub fn big(number: u128) -> Val {
    i128::try_from(number).map_or_else(|_| Val::V(Value::BigInt(number.to_string().into())), Val::from)
}

/// Two to the power of `bits`, less something.
pub fn size(bits: u8, less: u8) -> Val {
    match 1_u128.checked_shl(u32::from(bits)) {
        Some(size) => big(size - u128::from(less)),
        // 2^128 is one more than fits.
        None if less == 0 => Val::V(Value::BigInt("340282366920938463463374607431768211456".into())),
        None => big(u128::MAX - (u128::from(less) - 1)),
    }
}

fn filter(call: &Call, value: Val, mut args: Args, version: Option<i128>) -> R<Val> {
    let query = args.take(0, "query").map_or(Ok("".into()), |query| call.text(&query.defined()?))?;
    let asked = args.take(1, "version").and_then(|version| match version {
        Val::V(Value::Int(version)) if version != 0 => Some(version),
        _ => None,
    });
    let _ = args.take(2, "alias");
    args.finish()?;
    if value.is_none() || !matches!(value, Val::V(_) | Val::List(_)) {
        return Err(Fail::said(
            format!("an address must be a string, not {}", value.kind()),
            format!("Unrecognized type <<class '{}'>> for ipaddr filter <value>", value.type_name()),
        ));
    }
    ipaddr(call, &value, &query, version.or(asked))
}

/// `ipaddr(value, query, version)`; a list gives those of its items that come out as something.
pub fn ipaddr(call: &Call, value: &Val, query: &str, version: Option<i128>) -> R<Val> {
    if let Val::List(list) = value {
        let _deeper = call.cx().deeper()?;
        let mut out = Vec::new();
        for item in list.items(call.cx())? {
            let found = ipaddr(call, &item.defined()?, query, version)?;
            if found.truthy()? {
                out.push(found);
            }
        }
        return Ok(Val::list(out));
    }
    let Some(found) = read(call, value, version)? else { return Ok(NO) };
    if version.is_some_and(|version| (version == 6) != found.net.six) {
        return Ok(NO);
    }
    answer(&found, query)
}

fn not_network() -> Fail {
    Fail::said("this is an address, not a network", "Not a network address")
}

fn answer(found: &Read, query: &str) -> R<Val> {
    let net = &found.net;
    let text = |text: String| Val::from(text);
    let same = || if found.text.is_empty() { Val::NONE } else { Val::from(found.text.as_str()) };
    let when = |holds: bool, value: &dyn Fn() -> Val| if holds { value() } else { Val::NONE };
    let address = || text(net.address());
    let whole = || text(net.to_string());
    // netaddr has no broadcast address for one or two addresses.
    let has_broadcast = net.bits() > 1;
    let usable = || if found.with_prefix { Ok(net.usable()) } else { Err(not_network()) };
    Ok(match query {
        "" if found.with_prefix => whole(),
        "" => address(),
        "address" | "ip" => {
            let shown = net.bits() == 0 || !net.is_network() || !has_broadcast || net.six;
            when(shown, &address)
        }
        "address/prefix" | "gateway" | "gw" | "host/prefix" | "hostnet" | "router" => {
            let edge = has_broadcast && (net.is_network() || net.ip == net.last());
            if edge { NO } else { whole() }
        }
        "bool" => Val::from(true),
        "broadcast" => when(net.bits() > 1, &|| text(net.text_of(net.last()))),
        "cidr" => whole(),
        "6to4" => six_to_four(found),
        "first_usable" => match usable()? {
            Some((first, _)) => text(net.text_of(first)),
            None => Val::NONE,
        },
        "last_usable" => match usable()? {
            Some((_, last)) => text(net.text_of(last)),
            None => Val::NONE,
        },
        "range_usable" => match usable()? {
            Some((first, last)) => text(format!("{}-{}", net.text_of(first), net.text_of(last))),
            None => Val::NONE,
        },
        "next_usable" => match usable()? {
            Some((first, last)) => beside(net, first, last, net.ip.checked_add(1))?,
            None => Val::NONE,
        },
        "previous_usable" => match usable()? {
            Some((first, last)) => beside(net, first, last, net.ip.checked_sub(1))?,
            None => Val::NONE,
        },
        "peer" => peer(found)?,
        "host" => when(net.bits() == 0 || !net.is_network() || !has_broadcast, &whole),
        "hostmask" | "wildcard" => text(net.text_of(net.host_mask())),
        "int" if found.with_prefix => text(format!("{}/{}", net.ip, net.prefix)),
        "int" => big(net.ip),
        "ip/prefix" => when(net.bits() == 1 || (net.bits() > 1 && !net.is_network()), &whole),
        "ip_netmask" => when(net.bits() == 1 || (net.bits() > 1 && !net.is_network()), &|| {
            text(format!("{} {}", net.address(), net.text_of(net.mask())))
        }),
        "ipv4" | "v4" if net.six => to_four(net).unwrap_or(NO),
        "ipv6" | "v6" if !net.six => {
            text(Net { six: true, ip: 0xffff_0000_0000 + net.ip, prefix: net.prefix + 96 }.to_string())
        }
        "ipv4" | "v4" | "ipv6" | "v6" => same(),
        "link-local" => when(net.is_link_local(), &same),
        "lo" | "loopback" => when(net.is_loopback(), &same),
        "multicast" => when(net.is_multicast(), &same),
        "unicast" => when(!net.is_multicast(), &same),
        "private" => when(!net.is_global(), &same),
        "public" => {
            let public = !net.is_multicast() && net.is_global() && !net.is_loopback() && !net.is_mask();
            when(public, &same)
        }
        "net" => when(net.bits() > 0 && net.is_network(), &whole),
        "netmask" => text(net.text_of(net.mask())),
        "network" | "network_id" => text(net.text_of(net.first())),
        "network/prefix" | "subnet" => text(net.cidr().to_string()),
        "network_netmask" => text(format!("{} {}", net.text_of(net.first()), net.text_of(net.mask()))),
        "network_wildcard" => text(format!("{} {}", net.text_of(net.first()), net.text_of(net.host_mask()))),
        "prefix" => Val::from(i128::from(net.prefix)),
        "revdns" => text(net.reverse()),
        "size" => size(net.bits(), 0),
        "size_usable" => match net.bits() {
            0 => Val::from(0_i64),
            1 => Val::from(2_i64),
            bits => size(bits, 2),
        },
        "type" => Val::from(if net.bits() > 0 && net.is_network() { "network" } else { "address" }),
        "version" => Val::from(if net.six { 6_i64 } else { 4 }),
        "wrap" if net.six && found.with_prefix => text(format!("[{}]/{}", net.address(), net.prefix)),
        "wrap" if net.six => text(format!("[{}]", net.address())),
        "wrap" => same(),
        other => return position_or_network(found, other),
    })
}

/// A query that is no word: a position, or a network that the address must be in.
fn position_or_network(found: &Read, query: &str) -> R<Val> {
    let net = &found.net;
    if let Ok(at) = query.trim().parse::<i128>() {
        return Ok(match net.bits() {
            0 if found.with_prefix => Val::from(net.to_string()),
            0 => Val::from(net.address()),
            _ => net.nth(at).map_or(NO, |ip| Val::from(format!("{}/{}", net.text_of(ip), net.prefix))),
        });
    }
    if query.trim().parse::<f64>().is_ok() {
        return Ok(NO);
    }
    match Net::parse(query) {
        Some(outer) if outer.contains(net) => Ok(Val::from(found.text.as_str())),
        Some(_) => Ok(Val::NONE),
        None => {
            Err(Fail::said(format!("`ipaddr` has no query `{query}`"), format!("ipaddr: unknown filter type: {query}")))
        }
    }
}

fn beside(net: &Net, first: u128, last: u128, ip: Option<u128>) -> R<Val> {
    let ip =
        ip.filter(|ip| *ip <= net.max()).ok_or_else(|| Fail::msg(format!("there is no address beside `{net}`")))?;
    Ok(if (first..=last).contains(&ip) { Val::from(net.text_of(ip)) } else { Val::NONE })
}

fn peer(found: &Read) -> R<Val> {
    let net = &found.net;
    if !found.with_prefix {
        return Err(not_network());
    }
    let wrong = |what: &str, words: &str| Err(Fail::said(what, words));
    match (net.bits(), net.ip % 4) {
        (1, _) => Ok(Val::from(net.text_of(net.ip ^ 1))),
        (2, 0) => wrong("the network's own address has no peer", "Network address of /30 has no peer"),
        (2, 3) => wrong("the broadcast address has no peer", "Broadcast address of /30 has no peer"),
        (2, _) => Ok(Val::from(net.text_of(net.ip ^ 3))),
        _ => wrong("this network has more than two hosts", "Not a point-to-point network"),
    }
}

fn to_four(net: &Net) -> Option<Val> {
    let ip = match net.ip {
        ip if ip <= u128::from(u32::MAX) => ip,
        ip if ip >> 32 == 0xffff => ip & u128::from(u32::MAX),
        _ => return None,
    };
    let prefix = net.prefix.checked_sub(96)?;
    Some(Val::from(Net { six: false, ip, prefix }.to_string()))
}

fn six_to_four(found: &Read) -> Val {
    let net = &found.net;
    if net.six {
        let inside = Net { six: true, ip: 0x2002 << 112, prefix: 16 }.contains(&Net::host(true, net.ip));
        let fits = inside && (!found.with_prefix || !net.is_network());
        return if fits { Val::from(found.text.as_str()) } else { NO };
    }
    let public = net.is_global() && !net.is_multicast() && !net.is_mask();
    if (net.bits() > 0 && net.is_network()) || (net.is_global() && !public) {
        return NO;
    }
    let [a, b, c, d] = u32::try_from(net.ip).unwrap_or(0).to_be_bytes();
    Val::from(format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1/48"))
}

fn ipwrap(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let query = args.text(call, 0, "query")?.unwrap_or_default();
    args.finish()?;
    if let Val::List(list) = &value {
        let mut out = Vec::new();
        for item in list.items(call.cx())? {
            let known = ipaddr(call, &item.clone().defined()?, &query, None)?.truthy()?;
            out.push(if known { ipaddr(call, &item, "wrap", None)? } else { item });
        }
        return Ok(Val::list(out));
    }
    let found = ipaddr(call, &value, &query, None)?;
    if found.truthy()? { ipaddr(call, &found, "wrap", None) } else { Ok(value) }
}
