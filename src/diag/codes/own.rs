//! H03 to H05: what hostctl's own host modules (proxy, bridge, volumes) report.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "H0300",
        title: "the mirror proxy's settings are wrong",
        text: "The proxy listens only on addresses that are named one by one, and forwards only the path prefixes that are \
               listed as upstreams. An upstream is a plain `http://` or `https://` address without user, password, query or \
               fragment: credentials belong into `username` and `password`.",
    },
    CodeEntry {
        code: "H0301",
        title: "credentials would travel in clear text",
        text: "The upstream's address starts with `http://`, so the basic-auth header would be readable on the way. Use the \
               upstream's `https://` address, set `auth: false` for an upstream that wants no password, or accept the risk \
               with `allow_plaintext_upstream: true`.",
    },
    CodeEntry {
        code: "H0302",
        title: "the proxy cannot read its credentials",
        text: "Credentials come from the service manager (`LoadCredential`) or from a file that only the proxy's own user can \
               read (mode 0600). A file that others can read is refused.",
    },
    CodeEntry {
        code: "H0303",
        title: "certificates cannot be read",
        text: "The trust store of the host or the file of `upstream_ca` is missing, empty or not in PEM form. Install \
               `ca-certificates`, or name the upstream's own authority with `upstream_ca`.",
    },
    CodeEntry {
        code: "H0304",
        title: "the proxy cannot listen",
        text: "Another program holds the port, or the address is not usable. `ss -ltnp` shows who listens.",
    },
    CodeEntry {
        code: "H0305",
        title: "the proxy does not answer",
        text: "The service was started, but its health path did not answer in time. The message carries the last lines of its \
               log.",
    },
    CodeEntry {
        code: "H0306",
        title: "the proxy cannot be installed",
        text: "A file, the user or the service of the proxy could not be made or removed. The message names it.",
    },
    CodeEntry {
        code: "H0310",
        title: "a file of the host could not be read or written",
        text: "The message names the path and the system's reason.",
    },
    CodeEntry {
        code: "H0400",
        title: "wrong settings of a bridge",
        text: "Interface names have 1 to 15 characters without `/` and blanks; addresses carry their prefix length \
               (`10.0.0.1/24`).",
    },
    CodeEntry {
        code: "H0401",
        title: "the interface carries the connection",
        text: "A port of a bridge loses its own addresses and routes. The named interface carries the default route or the \
               connection that this run uses, so the host would be cut off. Use another interface, or a dummy port.",
    },
    CodeEntry {
        code: "H0402",
        title: "the kernel refused a change of the network",
        text: "The message names the change and the kernel's reason. A missing device type (`bridge`, `dummy`) means that the \
               kernel was built without it or its module is not installed.",
    },
    CodeEntry {
        code: "H0403",
        title: "the host's network manager is not supported",
        text: "Bridges are persisted through systemd-networkd or ifupdown. With another manager set `persist: false` for a bridge \
               that lives until the next boot.",
    },
    CodeEntry {
        code: "H0404",
        title: "an interface is missing or of another kind",
        text: "The name is taken by a device that is no bridge, or a port does not exist.",
    },
    CodeEntry {
        code: "H0500",
        title: "wrong size or volume",
        text: "A size is absolute (`60g`), a growth (`+10g`) or a share of what is free in the volume group (`100%FREE`). A volume \
               is named by `vg` and `lv`, by `device` or by `mountpoint`.",
    },
    CodeEntry {
        code: "H0501",
        title: "the volume does not exist",
        text: "The message lists what the host has, with the nearest name.",
    },
    CodeEntry {
        code: "H0502",
        title: "not enough room",
        text: "The volume group or the disk has less free space than the size asks for. The message has both figures.",
    },
    CodeEntry {
        code: "H0503",
        title: "shrinking is refused",
        text: "The wanted size is smaller than the volume is now. `volume_grow` never makes anything smaller.",
    },
    CodeEntry {
        code: "H0504",
        title: "this layer cannot be grown",
        text: "The stack under the volume has a layer that `volume_grow` does not resize (encryption, RAID, thin pools, another file \
               system). The message names it and what to do by hand.",
    },
];
