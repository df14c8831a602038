//! Sockets on addresses that may not exist yet.
//!
//! After a boot the proxy starts before the build bridge has its address. `IP_FREEBIND` lets it
//! bind all the same; the socket begins to answer when the address appears.

use std::net::{SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::diag::{Diagnostic, Result};

/// A listening socket on exactly this address, whether the host has it now or not.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    try_bind(address).map_err(|error| {
        let diagnostic = Diagnostic::local("H0304", format!("cannot listen on `{address}`: {error}"));
        if error == rustix::io::Errno::ADDRINUSE {
            diagnostic.with_hint(format!("see who holds it: ss -ltnp 'sport = :{}'", address.port()))
        } else {
            diagnostic
        }
    })
}

fn try_bind(address: SocketAddr) -> rustix::io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv4() {
        sockopt::set_ip_freebind(&socket, true)?;
    } else {
        sockopt::set_ipv6_v6only(&socket, true)?;
        sockopt::set_ipv6_freebind(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 256)?;
    Ok(TcpListener::from(socket))
}

/// True if the host has the address now.
pub fn is_local(address: std::net::IpAddr) -> bool {
    std::net::UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

#[cfg(test)]
mod listen_tests {
    use super::*;

    #[test]
    fn an_address_that_the_host_does_not_have_can_be_bound() {
        // TEST-NET-1 and the documentation prefix of IPv6 are on no host.
        let v4: SocketAddr = "192.0.2.77:0".parse().expect("address");
        assert!(!is_local(v4.ip()));
        assert!(TcpListener::bind(v4).is_err(), "the plain way must fail, else this test shows nothing");
        bind(v4).expect("binds");
        bind("[2001:db8::77]:0".parse().expect("address")).expect("binds");
    }

    #[test]
    fn a_held_port_is_named() {
        let first = bind("127.0.0.1:0".parse().expect("address")).expect("binds");
        let error = bind(first.local_addr().expect("address")).expect_err("held");
        assert_eq!(error.code, "H0304");
        assert!(error.hints[0].contains("ss -ltnp"), "{error:?}");
    }
}
