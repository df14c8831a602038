//! Connections of modules that ask whether something answers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
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
            Err(_) => (host, port).to_socket_addrs().ok()?.collect(),
        };
        addresses.iter().find_map(|address| TcpStream::connect_timeout(address, limit).ok())
    }
}
