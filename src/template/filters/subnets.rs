//! The other filters of `ansible.utils` for addresses: arithmetic, subnets, ranges, hardware addresses.

use std::sync::Arc;

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::Entry;
use super::net::Net;
use super::network::{NO, read, size};

/// Most addresses that `usable_range` lists.
const MAX_LISTED: u128 = 1 << 20;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("cidr_merge", cidr_merge),
    ("hwaddr", |call, value, args| hwaddr(call, value, args, "hwaddr")),
    ("ip4_hex", ip4_hex),
    ("ipcut", ipcut),
    ("ipmath", ipmath),
    ("ipsubnet", ipsubnet),
    ("ipv6form", ipv6form),
    ("macaddr", |call, value, args| hwaddr(call, value, args, "macaddr")),
    ("network_in_network", |call, value, args| network_in(call, value, args, false)),
    ("network_in_usable", |call, value, args| network_in(call, value, args, true)),
    ("next_nth_usable", |call, value, args| nth_usable(call, value, args, false)),
    ("nthhost", nthhost),
    ("previous_nth_usable", |call, value, args| nth_usable(call, value, args, true)),
    ("reduce_on_network", reduce_on_network),
    ("slaac", slaac),
    ("usable_range", usable_range),
];

fn invalid(text: &str) -> Fail {
    Fail::said(format!("`{text}` is no address"), format!("You must pass a valid IP address; {text} is invalid"))
}

/// What counts: the address itself, or the network if the address is its own.
fn normal(call: &Call, value: &Val) -> R<Option<Net>> {
    Ok(read(call, value, None)?.map(|found| found.net))
}

fn host(call: &Call, value: &Val) -> R<Net> {
    let text = call.text(value)?;
    Net::parse(&text).filter(|net| net.bits() == 0).ok_or_else(|| invalid(&text))
}

fn integer(args: &mut Args, name: &str, words: &str) -> R<i128> {
    match args.need(0, name)?.defined()? {
        Val::V(Value::Int(amount)) => Ok(amount),
        other => Err(Fail::said(format!("`{name}` must be an integer, not {}", other.kind()), words.to_owned())),
    }
}

fn cidr_merge(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let action = args.text(call, 0, "action")?.unwrap_or_else(|| "merge".into());
    args.finish()?;
    let mut nets = Vec::new();
    for item in call.items(&value)? {
        let text = call.text(&item.defined()?)?;
        let words = format!("cidr_merge: error in netaddr:\ninvalid IPNetwork {text}");
        nets.push(Net::parse(&text).ok_or_else(|| Fail::said(format!("`{text}` is no network"), words))?);
    }
    match &*action {
        "merge" => {
            nets.sort_by_key(|net| (net.six, net.first(), net.last()));
            let mut ranges: Vec<(bool, u128, u128)> = Vec::new();
            for net in nets {
                match ranges.last_mut() {
                    Some((six, _, last)) if *six == net.six && net.first() <= last.saturating_add(1) => {
                        *last = (*last).max(net.last());
                    }
                    _ => ranges.push((net.six, net.first(), net.last())),
                }
            }
            let merged = ranges.into_iter().flat_map(|(six, first, last)| Net::range(six, first, last));
            Ok(Val::list(merged.map(|net| Val::from(net.to_string())).collect()))
        }
        "span" => {
            let Some(one) = nets.first().copied() else { return Ok(Val::NONE) };
            if nets.len() == 1 {
                return Ok(Val::from(one.to_string()));
            }
            if nets.iter().any(|net| net.six != one.six) {
                return Err(Fail::msg("addresses of both versions have no common network"));
            }
            let mut span = one.cidr();
            while span.prefix > 0 && !nets.iter().all(|net| span.contains(net)) {
                span = Net { prefix: span.prefix - 1, ..span }.cidr();
            }
            Ok(Val::from(span.to_string()))
        }
        other => Err(Fail::said(
            format!("`cidr_merge` has no action `{other}`"),
            format!("cidr_merge: invalid action '{other}'"),
        )),
    }
}

fn ip4_hex(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let delimiter = args.text(call, 0, "delimiter")?.unwrap_or_default();
    args.finish()?;
    let net = host(call, &value)?;
    let [a, b, c, d] = u32::try_from(net.ip).map_err(|_| invalid(&net.address()))?.to_be_bytes();
    Ok(Val::from(format!("{a:02x}{delimiter}{b:02x}{delimiter}{c:02x}{delimiter}{d:02x}")))
}

fn ipcut(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let amount = integer(&mut args, "amount", "You must pass an integer for arithmetic")?;
    args.finish()?;
    let net = host(call, &value)?;
    let width = usize::from(net.width());
    let bits = format!("{:0width$b}", net.ip);
    let keep = usize::try_from(amount.unsigned_abs()).unwrap_or(width).min(width);
    let part = if amount < 0 { &bits[width - keep..] } else { &bits[..keep] };
    let step = if net.six { 16 } else { 8 };
    let numbers = part.as_bytes().chunks(step).map(|chunk| {
        let number = u32::from_str_radix(&String::from_utf8_lossy(chunk), 2).unwrap_or(0);
        if net.six { format!("{number:x}") } else { number.to_string() }
    });
    Ok(Val::from(numbers.collect::<Vec<_>>().join(if net.six { ":" } else { "." })))
}

fn ipmath(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let amount = integer(&mut args, "amount", "You must pass an integer for arithmetic")?;
    args.finish()?;
    let text = call.text(&value)?;
    let net = Net::parse(&text).ok_or_else(|| invalid(&text))?;
    let moved =
        if amount < 0 { net.ip.checked_sub(amount.unsigned_abs()) } else { net.ip.checked_add(amount.unsigned_abs()) };
    let moved = moved.filter(|ip| *ip <= net.max()).ok_or_else(|| {
        Fail::said(format!("`{text}` and {amount} give no address"), "result outside valid IP address boundary!")
    })?;
    Ok(Val::from(net.text_of(moved)))
}

fn ipsubnet(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let query = args.text(call, 0, "query")?.unwrap_or_default();
    let index = match args.take(1, "index").filter(|index| !index.is_none()) {
        None => None,
        Some(Val::V(Value::Int(index))) => Some(index),
        Some(other) => {
            let text = call.text(&other.defined()?)?;
            Some(text.trim().parse::<i128>().map_err(|_| Fail::msg(format!("the index `{text}` is no integer")))?)
        }
    };
    args.finish()?;
    let Some(found) = normal(call, &value)? else { return Ok(NO) };
    let is_host = found.bits() == 0 || !found.is_network();
    // An address in a network counts with its network, as there.
    let net = found.cidr();
    let is_host = is_host && net.bits() == 0;
    if query.is_empty() {
        return Ok(Val::from(net.to_string()));
    }
    let width = i128::from(net.width());
    if !query.bytes().all(|byte| byte.is_ascii_digit()) {
        return position(call, &net, &query);
    }
    let wanted = query.parse::<i128>().unwrap_or(i128::MAX);
    if wanted > width {
        return Ok(NO);
    }
    let prefix = u8::try_from(wanted).unwrap_or(0);
    if is_host {
        let index = index.unwrap_or(0);
        if index > (width + 1).saturating_sub(index) || index < wanted - width {
            return Ok(NO);
        }
        // All networks around the address, the widest first.
        let count = width - wanted;
        let at = if index < 0 { index + count } else { index };
        if at < 0 || at >= count {
            return Err(Fail::said(format!("there is no network {index} around it"), "list index out of range"));
        }
        let prefix = prefix + u8::try_from(at).unwrap_or(0);
        return Ok(Val::from(Net { prefix, ..net }.cidr().to_string()));
    }
    let Some(bits) = prefix.checked_sub(net.prefix) else {
        return match index {
            None => Err(Fail::said(
                format!("the network has no subnets of size {query}"),
                format!("Requested subnet size of {query} is invalid"),
            )),
            Some(_) => Ok(NO),
        };
    };
    let Some(index) = index else {
        return Ok(Val::from(call.text(&size(bits, 0))?));
    };
    let count = 1_u128.checked_shl(u32::from(bits));
    let at = if index < 0 {
        count.unwrap_or(u128::MAX).checked_sub(index.unsigned_abs())
    } else {
        Some(index.unsigned_abs()).filter(|at| count.is_none_or(|count| *at < count))
    };
    let Some(at) = at else { return Ok(NO) };
    let step = u32::from(net.width() - prefix);
    let ip = net.first() + at.checked_shl(step).unwrap_or(0);
    Ok(Val::from(Net { ip, prefix, ..net }.to_string()))
}

/// The position of a network among those of its size in another.
fn position(call: &Call, net: &Net, query: &str) -> R<Val> {
    let outer = normal(call, &Val::from(query))?.ok_or_else(|| {
        Fail::said(
            format!("`{query}` is no subnet"),
            format!("You must pass a valid subnet or IP address; {query} is invalid"),
        )
    })?;
    let same = outer.six == net.six && Net { prefix: outer.prefix, ..*net }.first() == outer.first();
    if !same {
        return Err(Fail::said(
            format!("`{net}` is not in `{}`", outer.cidr()),
            format!("{net} is not in the subnet {}", outer.cidr()),
        ));
    }
    let Some(bits) = net.prefix.checked_sub(outer.prefix) else { return Ok(NO) };
    let mask = 1_u128.checked_shl(u32::from(bits)).map_or(u128::MAX, |size| size - 1);
    let at = net.first().checked_shr(u32::from(net.bits())).unwrap_or(0) & mask;
    Ok(Val::from((at + 1).to_string()))
}

fn ipv6form(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let format = call.text(&args.need(0, "format")?.defined()?)?;
    args.finish()?;
    let net = host(call, &value)?;
    let groups = |full: bool| -> String {
        let parts = (0..8).rev().map(|index| {
            let part = (net.ip >> (16 * index)) & 0xffff;
            if full { format!("{part:04x}") } else { format!("{part:x}") }
        });
        parts.collect::<Vec<_>>().join(":")
    };
    Ok(match &*format {
        _ if !net.six => Val::from(net.address()),
        "expand" => Val::from(groups(true)),
        "compress" => Val::from(net.address()),
        "x509" => Val::from(groups(false)),
        _ => Val::NONE,
    })
}

/// First and last number of what an address stands for.
fn bounds(net: Option<Net>, usable: bool) -> (u128, u128) {
    // What is no address counts as zero there.
    let Some(net) = net else { return (0, 0) };
    let net = net.cidr();
    match (usable, net.bits()) {
        (true, _) => net.usable().unwrap_or((net.ip, net.ip)),
        // netaddr has no broadcast address for two.
        (false, 0 | 1) => (net.first(), net.first()),
        (false, _) => (net.first(), net.last()),
    }
}

fn network_in(call: &Call, value: Val, mut args: Args, usable: bool) -> R<Val> {
    let test = args.need(0, "test")?.defined()?;
    args.finish()?;
    let (first, last) = bounds(normal(call, &value)?, usable);
    let (low, high) = bounds(normal(call, &test)?, false);
    Ok(Val::from((first..=last).contains(&low) && (first..=last).contains(&high)))
}

fn reduce_on_network(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let network = args.need(0, "network")?.defined()?;
    args.finish()?;
    let (first, last) = bounds(normal(call, &network)?, false);
    let mut out = Vec::new();
    for item in call.items(&value)? {
        let (low, high) = bounds(normal(call, &item.clone().defined()?)?, false);
        if (first..=last).contains(&low) && (first..=last).contains(&high) {
            out.push(item);
        }
    }
    Ok(Val::list(out))
}

fn nth_usable(call: &Call, value: Val, mut args: Args, back: bool) -> R<Val> {
    let offset = integer(&mut args, "offset", "Must pass in an integer")?;
    args.finish()?;
    let Some(net) = normal(call, &value)? else { return Ok(NO) };
    let Some((first, last)) = net.usable() else { return Ok(Val::NONE) };
    let offset = if back { offset.checked_neg().unwrap_or(0) } else { offset };
    let ip =
        if offset < 0 { net.ip.checked_sub(offset.unsigned_abs()) } else { net.ip.checked_add(offset.unsigned_abs()) };
    Ok(match ip {
        Some(ip) if (first..=last).contains(&ip) => Val::from(net.text_of(ip)),
        _ => Val::NONE,
    })
}

fn nthhost(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let query = args.take(0, "query").map_or(Ok("".into()), |query| call.text(&query.defined()?))?;
    args.finish()?;
    let Some(net) = normal(call, &value)? else { return Ok(NO) };
    let Ok(at) = query.trim().parse::<i128>() else { return Ok(NO) };
    // Python's `value[nth]`, where only the upper end was asked for before.
    Ok(net.nth(at).map_or(NO, |ip| Val::from(net.text_of(ip))))
}

/// A hardware address: 48 bits.
fn hardware(text: &str) -> Option<u64> {
    let text = text.trim();
    let (separator, groups, width) = match text {
        text if text.contains('-') => ('-', 6, 2),
        text if text.contains('.') => ('.', 3, 4),
        text if text.matches(':').count() == 1 => (':', 2, 6),
        text if text.matches(':').count() == 2 => (':', 3, 4),
        text if text.contains(':') => (':', 6, 2),
        text => {
            let hex = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            return u64::from_str_radix(text, 16).ok().filter(|_| hex);
        }
    };
    let parts: Vec<&str> = text.split(separator).collect();
    let good = |part: &&str| (1..=width).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if parts.len() != groups || !parts.iter().all(good) {
        return None;
    }
    parts.iter().try_fold(0_u64, |all, part| Some((all << (4 * width)) | u64::from_str_radix(part, 16).ok()?))
}

fn hwaddr(call: &Call, value: Val, mut args: Args, alias: &str) -> R<Val> {
    let query = args.text(call, 0, "query")?.unwrap_or_default();
    let _ = args.take(1, "alias");
    args.finish()?;
    let found = match &value {
        Val::V(Value::Int(number)) => u64::try_from(*number).ok().filter(|number| *number < 1 << 48),
        other => hardware(&call.text(other)?),
    };
    let Some(number) = found else {
        if matches!(&*query, "" | "bool") {
            return Ok(Val::NONE);
        }
        let text = call.text(&value)?;
        return Err(Fail::said(
            format!("`{text}` is no hardware address"),
            format!("{alias}: not a hardware address: {text}"),
        ));
    };
    let words = |count: u32, separator: &str, one: &dyn Fn(u64) -> String| -> Val {
        let width = 48 / count;
        let parts = (0..count).rev().map(|index| one((number >> (width * index)) & ((1 << width) - 1)));
        Val::from(parts.collect::<Vec<_>>().join(separator))
    };
    Ok(match &*query {
        "" => value,
        "bare" => Val::from(format!("{number:012X}")),
        "bool" => Val::from(true),
        "int" => Val::from(i128::from(number)),
        "cisco" => words(3, ".", &|part| format!("{part:04x}")),
        "eui48" | "win" => words(6, "-", &|part| format!("{part:02X}")),
        "linux" => words(6, ":", &|part| format!("{part:02x}")),
        "pgsql" | "postgresql" | "psql" => words(2, ":", &|part| format!("{part:06x}")),
        "unix" => words(6, ":", &|part| format!("{part:x}")),
        other => {
            return Err(Fail::said(
                format!("`{alias}` has no query `{other}`"),
                format!("{alias}: unknown filter type: {other}"),
            ));
        }
    })
}

fn slaac(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let query: Arc<str> = args.text(call, 0, "query")?.unwrap_or_default();
    args.finish()?;
    let Some(net) = normal(call, &value)?.filter(|net| net.six) else { return Ok(NO) };
    let Some(mac) = hardware(&query) else { return Ok(NO) };
    let mac = u128::from(mac);
    let id = ((mac >> 24) << 40 | 0xff_fe00_0000 | (mac & 0xff_ffff)) ^ (1 << 57);
    Ok(net.first().checked_add(id).map_or(NO, |ip| Val::from(net.text_of(ip))))
}

fn usable_range(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let text = call.text(&value)?;
    let wrong = |why: &str| {
        Fail::said(format!("`{text}`: {why}"), format!("Error while using plugin 'usable_range': {text} {why}"))
    };
    let net = Net::parse(&text).ok_or_else(|| wrong("does not appear to be an IPv4 or IPv6 network"))?;
    if !net.is_network() {
        return Err(wrong("has host bits set"));
    }
    if net.last() - net.first() >= MAX_LISTED {
        return Err(wrong("is too large to be listed"));
    }
    let all = (net.first()..=net.last()).map(|ip| Val::from(net.text_of(ip))).collect();
    Ok(Val::pairs([("usable_ips", Val::list(all)), ("number_of_ips", size(net.bits(), 0))]))
}
