//! The package mirrors and proxies that build arguments name, for the preflight.

use std::collections::BTreeMap;

use super::{Prepared, SetRequest};
use crate::image::preflight::Mirror;
use crate::system::web_address::host_and_port;

/// What the images of the run are given: proxies, and what is called a mirror. Behind a proxy only the proxy is looked
/// for, since nothing else has to be reachable from this host.
pub(super) fn mirrors(prepared: &Prepared, request: &SetRequest) -> Vec<Mirror> {
    let mut found: Vec<Mirror> = request.mirror.iter().map(|(host, port)| Mirror::new(host, *port, true)).collect();
    let declared = |name: &String| {
        let mut images = prepared.selected.iter().map(|image| &prepared.graph.images[*image]);
        images.any(|image| image.dockerfile.declared_args().contains(name))
    };
    let hosts: BTreeMap<&str, &str> =
        request.settings.extra_hosts.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect();
    let (mut proxies, mut others) = (Vec::new(), Vec::new());
    for (name, value) in &request.settings.args {
        let Some((host, port)) = host_and_port(value) else { continue };
        let named = request.mirror_names.iter().any(|mirror| *mirror == host || *mirror == format!("{host}:{port}"));
        // Names of `extra_hosts` are known in builds only; `host-gateway` is this host.
        let host = match hosts.get(host.as_str()) {
            Some(&"host-gateway") => "127.0.0.1".to_owned(),
            Some(address) => (*address).to_owned(),
            None => host,
        };
        let name = name.to_ascii_lowercase();
        if matches!(name.as_str(), "http_proxy" | "https_proxy" | "all_proxy") {
            proxies.push(Mirror::new(&host, port, true));
        } else if (named || name.contains("mirror")) && prepared_declares(&declared, request, &name) {
            others.push(Mirror::new(&host, port, false));
        }
    }
    for mirror in if proxies.is_empty() { others } else { proxies } {
        if !found.iter().any(|known| (&known.host, known.port) == (&mirror.host, mirror.port)) {
            found.push(mirror);
        }
    }
    found
}

/// Some Dockerfile of the run declares the argument of that name in lower case.
fn prepared_declares(declared: &dyn Fn(&String) -> bool, request: &SetRequest, lower: &str) -> bool {
    request.settings.args.keys().any(|name| name.eq_ignore_ascii_case(lower) && declared(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::graph::tests::{image, names};
    use crate::image::set::prepare;

    fn found(args: &[(&str, &str)], names_of_mirror: &[&str], hosts: &[(&str, &str)]) -> Vec<(String, u16, bool)> {
        let mut request = SetRequest { names: names(), ..SetRequest::default() };
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        request.settings.args = args.iter().map(own).collect();
        request.settings.extra_hosts = hosts.iter().map(own).collect();
        request.mirror_names = names_of_mirror.iter().map(|name| (*name).to_owned()).collect();
        let base = image("base", "FROM scratch\nARG MIRROR_URL\nARG M\nARG SITE");
        let prepared = prepare(vec![base], &request).unwrap();
        mirrors(&prepared, &request).into_iter().map(|one| (one.host, one.port, one.sure)).collect()
    }

    #[test]
    fn proxies_and_mirrors_are_found_in_build_arguments() {
        let mirror = |host: &str, port, sure| vec![(host.to_owned(), port, sure)];
        assert_eq!(found(&[("MIRROR_URL", "http://10.0.0.1:3142/debian")], &[], &[]), mirror("10.0.0.1", 3142, false));
        assert_eq!(found(&[("M", "https://m.example/x")], &["m.example"], &[]), mirror("m.example", 443, false));
        let both = [("http_proxy", "http://u:p@proxy.example:3128"), ("MIRROR_URL", "http://m.example/")];
        assert_eq!(found(&both, &[], &[]), mirror("proxy.example", 3128, true));
        let same = [("HTTP_PROXY", "http://p:1"), ("https_proxy", "http://p:1")];
        assert_eq!(found(&same, &[], &[]), mirror("p", 1, true));
        assert_eq!(found(&[("M", "http://m:1")], &["m:1"], &[]), mirror("m", 1, false));
        assert_eq!(found(&[("MIRROR_URL", "http://m:1")], &[], &[("m", "192.0.2.1")]), mirror("192.0.2.1", 1, false));
        // No address, not declared, or somebody's site.
        for (name, value) in
            [("MIRROR_URL", "debian"), ("OTHER_MIRROR", "http://m/"), ("SITE", "http://m/"), ("no_proxy", "http://m/")]
        {
            assert_eq!(found(&[(name, value)], &[], &[]), [], "{name}");
        }
    }
}
