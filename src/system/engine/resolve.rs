//! Names to addresses without libc: a literal, `/etc/hosts` and DNS in Rust, then `getent`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hickory_resolver::Resolver;
use hyper_util::client::legacy::connect::dns::Name;

/// All addresses of a name, in the order in which they should be tried.
pub(super) async fn lookup(name: &str) -> std::io::Result<Vec<IpAddr>> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    if bare.eq_ignore_ascii_case("localhost") || bare.to_ascii_lowercase().ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    // The resolver reads /etc/hosts itself. Any failure leads to the second way.
    if let Ok(resolver) = Resolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build)
        && let Ok(found) = resolver.lookup_ip(bare).await
    {
        let addresses: Vec<IpAddr> = found.iter().collect();
        if !addresses.is_empty() {
            return Ok(addresses);
        }
    }
    let output = tokio::process::Command::new("getent")
        .args(["ahosts", "--", bare])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, format!("the host name `{bare}` is unknown")));
    }
    Ok(addresses)
}

/// [`lookup`] as hyper's connector wants it.
#[derive(Clone, Debug)]
pub(super) struct OwnResolver;

impl tower_service::Service<Name> for OwnResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let addresses = lookup(name.as_str()).await?;
            Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter())
        })
    }
}
