//! Connections of modules that ask whether something answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Probe;

impl Probe {
    /// A connection to a port of a host by address or name; `None` if nothing answers in time.
    pub fn connect(&self, host: &str, port: u16, limit: Duration) -> Option<TcpStream> {
        let limit = limit.max(Duration::from_millis(10));
        let addresses = self.addresses(host)?.into_iter().map(|address| SocketAddr::from((address, port)));
        addresses.into_iter().find_map(|address| TcpStream::connect_timeout(&address, limit).ok())
    }

    /// The addresses of a host by address or name; `None` if the name has none.
    pub fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        match host.parse() {
            Ok(address) => Some(vec![address]),
            Err(_) if host == "localhost" => Some(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]),
            Err(_) => resolve(host).filter(|found| !found.is_empty()),
        }
    }
}

/// A name's addresses, never through libc: a static glibc must not load the host's name services.
fn resolve(name: &str) -> Option<Vec<IpAddr>> {
    let work = super::names::resolve(name);
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => handle.block_on(work).ok(),
        Err(_) => tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?.block_on(work).ok(),
    }
}
