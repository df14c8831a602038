//! Interfaces and their addresses, the default routes. From `ip -j` and `/sys/class/net`.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value as Json;

use super::platform::json;
use super::{line, texts};
use crate::map;
use crate::system::Probe;
use crate::value::{Map, StrKey, Value, insert};

fn mask(prefix: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0))
}

fn ipv4(one: &Json) -> Option<Map> {
    let address: Ipv4Addr = one["local"].as_str()?.parse().ok()?;
    let prefix = u32::try_from(one["prefixlen"].as_u64()?).ok()?;
    let netmask = mask(prefix);
    let network = Ipv4Addr::from(u32::from(address) & u32::from(netmask));
    Some(map! {
        "address" => address.to_string(), "broadcast" => one["broadcast"].as_str().unwrap_or_default(),
        "netmask" => netmask.to_string(), "network" => network.to_string(), "prefix" => prefix.to_string(),
    })
}

/// The kind of an interface, from the kernel's number for it.
fn kind(probe: &Probe, folder: &str) -> &'static str {
    if probe.exists(format!("{folder}/bridge").as_ref()) {
        return "bridge";
    }
    if probe.exists(format!("{folder}/bonding").as_ref()) {
        return "bonding";
    }
    match line(probe, &format!("{folder}/type")).as_deref() {
        Some("1") => "ether",
        Some("32") => "infiniband",
        Some("512") => "ppp",
        Some("772") => "loopback",
        Some("65534") => "tunnel",
        _ => "unknown",
    }
}

fn interface(probe: &Probe, link: &Json) -> Option<(String, Map)> {
    let name = link["ifname"].as_str()?.to_owned();
    let folder = format!("/sys/class/net/{name}");
    let read = |file: &str| line(probe, &format!("{folder}/{file}"));
    let mut facts = map! { "device" => name.clone() };
    if let Some(address) = read("address").filter(|address| address != "00:00:00:00:00:00") {
        insert(&mut facts, "macaddress", address);
    }
    insert(&mut facts, "mtu", read("mtu").and_then(|text| text.parse::<i64>().ok()));
    insert(&mut facts, "active", read("operstate").is_some_and(|state| state != "down"));
    if let Some(module) = std::fs::read_link(format!("{folder}/device/driver/module"))
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
    {
        insert(&mut facts, "module", module);
    }
    insert(&mut facts, "type", kind(probe, &folder));
    if let Some(speed) = read("speed").and_then(|text| text.parse::<i64>().ok()) {
        insert(&mut facts, "speed", speed);
    }
    if probe.exists(format!("{folder}/bridge").as_ref()) {
        let mut members: Vec<String> = probe
            .list(format!("{folder}/brif").as_ref())
            .unwrap_or_default()
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        members.sort();
        insert(&mut facts, "interfaces", texts(members));
        if let Some(id) = read("bridge/bridge_id") {
            insert(&mut facts, "id", id);
        }
        if let Some(stp) = read("bridge/stp_state") {
            insert(&mut facts, "stp", stp == "1");
        }
    }
    if let Some(slaves) = read("bonding/slaves") {
        insert(&mut facts, "slaves", texts(slaves.split_whitespace()));
        if let Some(mode) = read("bonding/mode") {
            insert(&mut facts, "mode", mode.split(' ').next().unwrap_or_default());
        }
    }
    if let Some(device) = std::fs::read_link(format!("{folder}/device"))
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
    {
        insert(&mut facts, "pciid", device);
    }
    let flags = read("flags").and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()).unwrap_or(0);
    insert(&mut facts, "promisc", flags & 0x100 != 0);
    let (mut first, mut others, mut six) = (None, Vec::new(), Vec::new());
    for one in link["addr_info"].as_array().into_iter().flatten() {
        match one["family"].as_str() {
            Some("inet") => match ipv4(one) {
                Some(found) if first.is_none() => first = Some(found),
                Some(found) => others.push(Value::from(found)),
                None => {}
            },
            Some("inet6") => six.push(Value::from(map! {
                "address" => one["local"].as_str().unwrap_or_default(),
                "prefix" => one["prefixlen"].as_u64().unwrap_or(0).to_string(), "scope" => one["scope"].as_str().unwrap_or_default(),
            })),
            _ => {}
        }
    }
    if let Some(first) = first {
        insert(&mut facts, "ipv4", first);
    }
    if !others.is_empty() {
        insert(&mut facts, "ipv4_secondaries", others);
    }
    if !six.is_empty() {
        insert(&mut facts, "ipv6", six);
    }
    Some((name, facts))
}

pub(super) fn interfaces(probe: &Probe, facts: &mut Map) {
    let Some(Json::Array(links)) = json(probe, &["ip", "-j", "addr", "show"]) else {
        let names = probe.list("/sys/class/net".as_ref()).unwrap_or_default();
        insert(
            facts,
            "interfaces",
            texts(names.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))),
        );
        return;
    };
    let (mut names, mut four, mut six) = (Vec::new(), Vec::new(), Vec::new());
    let mut found = Map::new();
    for link in &links {
        let Some((name, one)) = interface(probe, link) else { continue };
        for address in link["addr_info"].as_array().into_iter().flatten() {
            let Some(text) = address["local"].as_str() else { continue };
            match address["family"].as_str() {
                Some("inet") if text.parse::<Ipv4Addr>().is_ok_and(|address| !address.is_loopback()) => {
                    four.push(Value::from(text));
                }
                Some("inet6") if text.parse::<Ipv6Addr>().is_ok_and(|address| !address.is_loopback()) => {
                    six.push(Value::from(text));
                }
                _ => {}
            }
        }
        names.push(Value::from(name.clone()));
        insert(&mut found, &name, one);
    }
    insert(facts, "default_ipv4", default_route(probe, &["ip", "-j", "-4", "route", "get", "8.8.8.8"], &found, false));
    insert(
        facts,
        "default_ipv6",
        default_route(probe, &["ip", "-j", "-6", "route", "get", "2404:6800:400a:800::1012"], &found, true),
    );
    insert(facts, "interfaces", names);
    insert(facts, "all_ipv4_addresses", four);
    insert(facts, "all_ipv6_addresses", six);
    for (name, one) in found {
        // Names of facts have underscores.
        let name = name.text().replace(['-', '.', ':'], "_");
        insert(facts, &name, one);
    }
    insert(facts, "locally_reachable_ips", reachable(probe));
}

/// Addresses that the kernel keeps for this host, which includes whole loopback ranges.
fn reachable(probe: &Probe) -> Map {
    let list = |family: &str| {
        let routes = json(probe, &["ip", "-j", family, "route", "show", "table", "local"]);
        let mut found: Vec<String> = routes
            .as_ref()
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter(|route| route["type"] == "local")
            .filter_map(|route| route["dst"].as_str().map(str::to_owned))
            .collect();
        found.sort();
        found.dedup();
        texts(found)
    };
    map! { "ipv4" => list("-4"), "ipv6" => list("-6") }
}

fn default_route(probe: &Probe, words: &[&str], interfaces: &Map, six: bool) -> Map {
    let Some(Json::Array(routes)) = json(probe, words) else { return Map::new() };
    let Some(route) = routes.first() else { return Map::new() };
    let (Some(device), Some(source)) = (route["dev"].as_str(), route["prefsrc"].as_str()) else { return Map::new() };
    let mut found = map! { "gateway" => route["gateway"].as_str(), "interface" => device, "address" => source };
    let Some(Value::Map(facts)) = interfaces.get(&StrKey(device)) else { return found };
    for key in ["macaddress", "mtu", "type"] {
        if let Some(value) = facts.get(&StrKey(key)) {
            insert(&mut found, key, value.clone());
        }
    }
    if six {
        let lists = facts.get(&StrKey("ipv6")).and_then(Value::as_list).unwrap_or_default();
        let one = lists.iter().find(|one| one.get("address").and_then(Value::as_str) == Some(source));
        for key in ["prefix", "scope"] {
            if let Some(value) = one.and_then(|one| one.get(key)) {
                insert(&mut found, key, value.clone());
            }
        }
    } else {
        insert(&mut found, "alias", device);
        let others = facts.get(&StrKey("ipv4_secondaries")).and_then(Value::as_list).unwrap_or_default();
        let mut all = facts.get(&StrKey("ipv4")).into_iter().chain(others);
        let one = all.find(|one| one.get("address").and_then(Value::as_str) == Some(source));
        for key in ["broadcast", "netmask", "network", "prefix"] {
            if let Some(value) = one.and_then(|one| one.get(key)) {
                insert(&mut found, key, value.clone());
            }
        }
    }
    found
}

pub(super) fn storage_names(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/etc/iscsi/initiatorname.iscsi").unwrap_or_default();
    let name = text.lines().find_map(|line| line.trim().strip_prefix("InitiatorName="));
    insert(facts, "iscsi_iqn", name.unwrap_or_default());
    insert(facts, "hostnqn", line(probe, "/etc/nvme/hostnqn").unwrap_or_default());
    let hosts = probe.list("/sys/class/fc_host".as_ref()).unwrap_or_default();
    let ports = hosts.iter().filter_map(|host| line(probe, &host.join("port_name").to_string_lossy()));
    insert(facts, "fibre_channel_wwn", texts(ports.map(|port| port.trim_start_matches("0x").to_owned())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_networks() {
        assert_eq!(mask(24).to_string(), "255.255.255.0");
        assert_eq!((mask(0).to_string(), mask(32).to_string()), ("0.0.0.0".to_owned(), "255.255.255.255".to_owned()));
        let one = serde_json::json!({"local": "10.1.2.3", "prefixlen": 20, "broadcast": "10.1.15.255"});
        let found = ipv4(&one).map(Value::from).expect("address");
        assert_eq!(found.get("network").and_then(Value::as_str), Some("10.1.0.0"));
    }
}
