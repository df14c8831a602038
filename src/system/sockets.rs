//! Connections of modules that ask whether something answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Probe;

impl Probe {
    /// A connection to a port of a host by address or name; `None` if nothing answers in time.
    pub fn connect(&self, host: &str, port: u16, limit: Duration) -> Option<TcpStream> {
        let limit = limit.max(Duration::from_millis(10));
        let addresses: Vec<SocketAddr> = match host.parse::<std::net::IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) if host == "localhost" => {
                vec![(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()]
            }
            Err(_) => resolve(host)?.into_iter().map(|address| (address, port).into()).collect(),
        };
        addresses.iter().find_map(|address| TcpStream::connect_timeout(address, limit).ok())
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
