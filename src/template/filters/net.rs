//! An address with a prefix, as Python's `netaddr.IPNetwork` has it. Knows nothing of templates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// IPv6.
    pub six: bool,
    /// The address as a number.
    pub ip: u128,
    /// Bits of the network.
    pub prefix: u8,
}

/// Networks that are not global, without those in [`GLOBAL`].
const NOT_GLOBAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.170/31",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];
const GLOBAL: &[&str] = &[
    "192.0.0.9/32",
    "192.0.0.10/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
];

fn number(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (false, u128::from(u32::from(address))),
        IpAddr::V6(address) => (true, u128::from(address)),
    }
}

/// The prefix of a mask or of its opposite.
fn mask_prefix(six: bool, mask: u128) -> Option<u8> {
    let width: u8 = if six { 128 } else { 32 };
    (0..=width).find(|prefix| {
        let net = Net { six, ip: 0, prefix: *prefix };
        mask == net.mask() || (mask == net.host_mask() && mask != 0)
    })
}

impl Net {
    /// `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let (six, ip) = number(address.parse().ok()?);
        let width = if six { 128 } else { 32 };
        let prefix = match prefix {
            None => width,
            Some(prefix) => match prefix.parse::<u8>() {
                Ok(prefix) => prefix,
                Err(_) => {
                    let (mask_six, mask) = number(prefix.parse().ok()?);
                    mask_prefix(six, mask).filter(|_| mask_six == six)?
                }
            },
        };
        (prefix <= width).then_some(Self { six, ip, prefix })
    }

    /// An address alone.
    pub fn host(six: bool, ip: u128) -> Self {
        Self { six, ip, prefix: if six { 128 } else { 32 } }
    }

    /// Bits of an address.
    pub fn width(&self) -> u8 {
        if self.six { 128 } else { 32 }
    }

    /// The largest address.
    pub fn max(&self) -> u128 {
        if self.six { u128::MAX } else { u128::from(u32::MAX) }
    }

    /// `255.255.255.0`
    pub fn mask(&self) -> u128 {
        self.max() & !self.host_mask()
    }

    /// `0.0.0.255`
    pub fn host_mask(&self) -> u128 {
        match self.width() - self.prefix {
            128 => u128::MAX,
            bits => (1_u128 << bits) - 1,
        }
    }

    /// The first address.
    pub fn first(&self) -> u128 {
        self.ip & self.mask()
    }

    /// The last address.
    pub fn last(&self) -> u128 {
        self.ip | self.host_mask()
    }

    /// Bits of the host: the size is two to the power of it.
    pub fn bits(&self) -> u8 {
        self.width() - self.prefix
    }

    /// The address is the network's own.
    pub fn is_network(&self) -> bool {
        self.ip == self.first()
    }

    /// The network of it.
    pub fn cidr(&self) -> Self {
        Self { ip: self.first(), ..*self }
    }

    /// First and last address for hosts; none of a single address.
    pub fn usable(&self) -> Option<(u128, u128)> {
        match self.bits() {
            0 => None,
            1 => Some((self.first(), self.last())),
            _ => Some((self.first() + 1, self.last() - 1)),
        }
    }

    /// An address of the same version as text.
    pub fn text_of(&self, ip: u128) -> String {
        if self.six {
            Ipv6Addr::from(ip).to_string()
        } else {
            Ipv4Addr::from(u32::try_from(ip & u128::from(u32::MAX)).unwrap_or(0)).to_string()
        }
    }

    /// The address as text.
    pub fn address(&self) -> String {
        self.text_of(self.ip)
    }

    /// The address `at` from the start, or from the end if it is negative.
    pub fn nth(&self, at: i128) -> Option<u128> {
        let found = if at < 0 {
            self.last().checked_sub(at.unsigned_abs() - 1)?
        } else {
            self.first().checked_add(at.unsigned_abs())?
        };
        (self.first()..=self.last()).contains(&found).then_some(found)
    }

    /// True if all of the other is in this one.
    pub fn contains(&self, other: &Self) -> bool {
        self.six == other.six && self.first() <= other.first() && other.last() <= self.last()
    }

    fn in_one(&self, list: &[&str]) -> bool {
        let host = Self::host(self.six, self.ip);
        list.iter().filter_map(|text| Self::parse(text)).any(|net| net.contains(&host))
    }

    /// Reachable from everywhere.
    pub fn is_global(&self) -> bool {
        !self.in_one(NOT_GLOBAL) || self.in_one(GLOBAL)
    }

    /// `127.0.0.0/8`, `::1`
    pub fn is_loopback(&self) -> bool {
        self.in_one(&["127.0.0.0/8", "::1/128"])
    }

    /// `224.0.0.0/4`, `ff00::/8`
    pub fn is_multicast(&self) -> bool {
        self.in_one(&["224.0.0.0/4", "ff00::/8"])
    }

    /// `169.254.0.0/16`, `fe80::/10`
    pub fn is_link_local(&self) -> bool {
        self.in_one(&["169.254.0.0/16", "fe80::/10"])
    }

    /// The address is a mask, or the opposite of one.
    pub fn is_mask(&self) -> bool {
        let power = |number: u128| number & number.wrapping_sub(1) == 0;
        power((self.ip ^ self.max()).wrapping_add(1)) || power(self.ip.wrapping_add(1))
    }

    /// The name for a reverse lookup.
    pub fn reverse(&self) -> String {
        if self.six {
            let digits = format!("{:032x}", self.ip);
            let parts: Vec<String> = digits.chars().rev().map(String::from).collect();
            return format!("{}.ip6.arpa.", parts.join("."));
        }
        let [a, b, c, d] = u32::try_from(self.ip).unwrap_or(0).to_be_bytes();
        format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
    }

    /// The networks that make up a range, the first first.
    pub fn range(six: bool, mut from: u128, to: u128) -> Vec<Self> {
        let mut out = Vec::new();
        loop {
            let mut net = Self::host(six, from);
            while net.prefix > 0 {
                let wider = Self { prefix: net.prefix - 1, ..net };
                if wider.first() != from || wider.last() > to {
                    break;
                }
                net = wider;
            }
            out.push(net);
            match net.last().checked_add(1) {
                Some(next) if next <= to => from = next,
                _ => return out,
            }
        }
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix)
    }
}
