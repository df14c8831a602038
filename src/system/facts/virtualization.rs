//! Whether the host is a container or a virtual machine, and whether it runs some.

use super::{line, texts};
use crate::system::Probe;
use crate::value::{Map, insert};

pub(super) fn virtualization(probe: &Probe, facts: &mut Map) {
    let has = |path: &str| probe.exists(path.as_ref());
    let mut guest: Vec<String> = Vec::new();
    let mut host: Vec<String> = Vec::new();
    let mut main: Option<(String, &str)> = None;
    let mut found = |name: &str, is_guest: bool, main: &mut Option<(String, &'static str)>| {
        let list = if is_guest { &mut guest } else { &mut host };
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
        if main.is_none() {
            *main = Some((name.to_owned(), if is_guest { "guest" } else { "host" }));
        }
    };
    let cgroup = probe.text("/proc/1/cgroup").unwrap_or_default();
    if cgroup.contains("/docker/") || cgroup.contains("/docker-") {
        found("docker", true, &mut main);
    }
    if cgroup.contains("/lxc/") || cgroup.contains("/machine.slice/machine-lxc") {
        found("lxc", true, &mut main);
    }
    if cgroup.contains("/system.slice/containerd.service") {
        found("containerd", true, &mut main);
    }
    let environ = probe.text("/proc/1/environ").unwrap_or_default();
    for entry in environ.split('\0') {
        match entry.strip_prefix("container=") {
            Some(name @ ("lxc" | "podman")) => {
                found(name, true, &mut main);
                found("container", true, &mut main);
            }
            Some(name) if !name.is_empty() => found("container", true, &mut main),
            _ => {}
        }
    }
    if has("/proc/vz") && !has("/proc/lve") {
        found("openvz", !has("/proc/bc"), &mut main);
    }
    if let Some(name) = line(probe, "/run/systemd/container") {
        found(&name, true, &mut main);
        found("container", true, &mut main);
    }
    if has("/.dockerenv") || has("/.dockerinit") {
        found("docker", true, &mut main);
    }
    if guest_container(main.as_ref()) {
        found("container", true, &mut main);
    }
    machine(probe, &mut |name, is_guest, main| found(name, is_guest, main), &mut main);
    let modules = probe.text("/proc/modules").unwrap_or_default();
    let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    if has("/dev/kvm") || loaded("kvm") {
        found("kvm", false, &mut main);
    }
    if loaded("vboxdrv") {
        found("virtualbox", false, &mut main);
    }
    let (name, role) = main.map_or_else(|| ("NA".to_owned(), "NA"), |(name, role)| (name, role));
    guest.sort();
    host.sort();
    insert(facts, "virtualization_type", name);
    insert(facts, "virtualization_role", role);
    insert(facts, "virtualization_tech_guest", texts(guest));
    insert(facts, "virtualization_tech_host", texts(host));
}

fn guest_container(main: Option<&(String, &'static str)>) -> bool {
    let kinds = ["docker", "lxc", "podman", "openvz", "containerd"];
    main.is_some_and(|(name, role)| *role == "guest" && kinds.contains(&name.as_str()))
}

/// What the firmware says of the machine.
fn machine(
    probe: &Probe,
    found: &mut dyn FnMut(&str, bool, &mut Option<(String, &'static str)>),
    main: &mut Option<(String, &'static str)>,
) {
    let dmi = |name: &str| line(probe, &format!("/sys/devices/virtual/dmi/id/{name}")).unwrap_or_default();
    let (product, vendor, bios, family) =
        (dmi("product_name"), dmi("sys_vendor"), dmi("bios_vendor"), dmi("product_family"));
    let kvm_products = ["KVM", "KVM Server", "Bochs", "AHV", "CloudStack KVM Hypervisor"];
    let kvm_vendors =
        ["QEMU", "Red Hat", "Amazon EC2", "DigitalOcean", "Google", "Scaleway", "Nutanix", "KubeVirt", "Hetzner"];
    let name = if kvm_products.contains(&product.as_str()) || product.starts_with("OpenStack") {
        "kvm"
    } else if vendor == "oVirt" || family == "oVirt" {
        "oVirt"
    } else if family == "RHV" || product == "RHEV Hypervisor" {
        "RHEV"
    } else if product == "VMware Virtual Platform"
        || product == "VMware7,1"
        || product == "VMware20,1"
        || vendor == "VMware, Inc."
    {
        "VMware"
    } else if product == "VirtualBox" || bios == "innotek GmbH" {
        "virtualbox"
    } else if product == "HVM domU" || bios == "Xen" {
        "xen"
    } else if vendor == "Microsoft Corporation" && product == "Virtual Machine" {
        "VirtualPC"
    } else if vendor == "Parallels Software International Inc." || vendor == "Parallels International GmbH." {
        "parallels"
    } else if vendor == "OpenStack Foundation" {
        "openstack"
    } else if kvm_vendors.contains(&vendor.as_str()) || bios == "Amazon EC2" {
        "kvm"
    } else {
        let cpu = probe.text("/proc/cpuinfo").unwrap_or_default();
        if cpu.lines().any(|line| line.starts_with("model name") && line.contains("QEMU Virtual CPU")) {
            "kvm"
        } else {
            return;
        }
    };
    found(name, true, main);
}
