//! UDP sockets with the options that the user asked for: broadcast, multicast, datagrams of any size.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::super::options::{Options, UdpOptions};
use super::super::resolve::source_for;
use super::packets;
use crate::advice::Advice;
use crate::error::{Error, Result};

/// Creates a socket of the address's family, not yet bound.
pub(super) fn open(address: SocketAddr, options: &Options) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    fragment(&socket, address.is_ipv4())?;
    packets::receive_joined(&socket, options.udp.largest);
    packets::learn_drops(&socket);
    if options.udp.broadcast && address.is_ipv4() {
        socket.set_broadcast(true)?;
    }
    Ok(socket)
}

/// Lets the system fragment datagrams that are larger than the path's MTU.
#[cfg(target_os = "linux")]
fn fragment(socket: &Socket, ipv4: bool) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };
    // A socket of both families has both options.
    set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
    if !ipv4 {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DONT)?;
    }
    Ok(())
}

/// Other systems do this by default.
#[cfg(not(target_os = "linux"))]
fn fragment(_: &Socket, _ipv4: bool) -> io::Result<()> {
    Ok(())
}

/// Binds a socket that peers send to. If the address is a multicast group, the socket joins it.
pub(super) fn bind(address: SocketAddr, options: &Options) -> io::Result<UdpSocket> {
    let socket = open(address, options)?;
    if address.is_ipv6() {
        // `[::]` means every address of both families.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    let own = address.ip().is_multicast().then(|| address.ip());
    let groups = || options.udp.join.iter().copied().chain(own).filter(|group| group.is_ipv4() == address.is_ipv4());
    if groups().next().is_some() {
        // A group has many members, also on one machine. Never set this otherwise: one program would take another's
        // datagrams.
        socket.set_reuse_address(true)?;
    }
    packets::learn_local(&socket, address.is_ipv4())?;
    socket.bind(&address.into())?;
    let interface = Interface::of(&options.udp)?;
    multicast(&socket, address.is_ipv4(), &interface, &options.udp)?;
    for group in groups() {
        join(&socket, group, &interface)?;
    }
    UdpSocket::from_std(socket.into())
}

/// Registers a socket that another process has bound.
#[cfg(unix)]
pub(super) fn inherited(socket: Socket) -> io::Result<UdpSocket> {
    let ipv4 = socket.local_addr()?.is_ipv4();
    packets::learn_local(&socket, ipv4)?;
    packets::learn_drops(&socket);
    UdpSocket::from_std(socket.into())
}

/// Sets how datagrams to multicast groups are sent.
pub(super) fn multicast(socket: &Socket, ipv4: bool, interface: &Interface, options: &UdpOptions) -> io::Result<()> {
    match (options.ttl, ipv4) {
        (Some(ttl), true) => socket.set_multicast_ttl_v4(ttl)?,
        (Some(ttl), false) => socket.set_multicast_hops_v6(ttl)?,
        (None, _) => {}
    }
    match (interface, ipv4) {
        (Interface::Any, _) => {}
        (Interface::Of { index, .. }, false) => socket.set_multicast_if_v6(*index)?,
        (Interface::Of { ipv4: Some(address), .. }, true) => socket.set_multicast_if_v4(address)?,
        (Interface::Of { ipv4: None, .. }, true) => return Err(io::ErrorKind::AddrNotAvailable.into()),
    }
    Ok(())
}

fn join(socket: &Socket, group: IpAddr, interface: &Interface) -> io::Result<()> {
    let index = match interface {
        Interface::Any => 0,
        Interface::Of { index, .. } => *index,
    };
    match group {
        IpAddr::V4(group) => {
            // Without this a socket bound to every address hears the groups that other programs joined.
            #[cfg(target_os = "linux")]
            socket.set_multicast_all_v4(false)?;
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
        }
        IpAddr::V6(group) => {
            #[cfg(target_os = "linux")]
            socket.set_multicast_all_v6(false)?;
            socket.join_multicast_v6(&group, index)
        }
    }
}

/// The interface for multicast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interface {
    /// The system picks one.
    Any,
    /// This one.
    Of { index: u32, ipv4: Option<std::net::Ipv4Addr> },
}

impl Interface {
    /// Finds an interface by name, number or address.
    pub(super) fn of(options: &UdpOptions) -> io::Result<Self> {
        match &options.interface {
            None => Ok(Self::Any),
            Some(wanted) => Self::find(wanted).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no interface has the name, number or address {wanted}"),
                )
            }),
        }
    }

    #[cfg(unix)]
    fn find(wanted: &str) -> Option<Self> {
        let number = number(wanted);
        let ip: Option<IpAddr> = wanted.parse().ok();
        let mut found = None;
        let all: Vec<_> = nix::ifaddrs::getifaddrs().ok()?.collect();
        for entry in &all {
            let index = nix::net::if_::if_nametoindex(entry.interface_name.as_str()).ok()?;
            let at = entry.address.as_ref();
            let v4 = at.and_then(|a| a.as_sockaddr_in()).map(|a| a.ip());
            let v6 = at.and_then(|a| a.as_sockaddr_in6()).map(|a| a.ip());
            let named = entry.interface_name == wanted || number == Some(index);
            let addressed = ip.is_some() && (ip == v4.map(IpAddr::V4) || ip == v6.map(IpAddr::V6));
            if named || addressed {
                found = Some(index);
            }
        }
        let index = found?;
        let ipv4 = all.iter().find_map(|entry| {
            let own = nix::net::if_::if_nametoindex(entry.interface_name.as_str()).ok()? == index;
            own.then(|| entry.address.as_ref()?.as_sockaddr_in().map(|a| a.ip())).flatten()
        });
        Some(Self::Of { index, ipv4 })
    }

    /// Only numbers and IPv4 addresses work here: they need no list of the interfaces.
    #[cfg(not(unix))]
    fn find(wanted: &str) -> Option<Self> {
        match number(wanted) {
            Some(index) => Some(Self::Of { index, ipv4: None }),
            None => Some(Self::Of { index: 0, ipv4: Some(wanted.parse().ok()?) }),
        }
    }
}

/// Reads an interface's number: digits only.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Opens a socket that sends to one address. It is connected, unless several peers may answer (multicast or broadcast),
/// each from its own address. Returns whether they may.
pub(super) fn connect(address: SocketAddr, options: &Options) -> Result<(UdpSocket, bool)> {
    let failed = |error: io::Error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let what = Error::unreachable(format!("cannot reach udp://{address}"), error);
        if denied { what.with_advice(Advice::AllowBroadcast) } else { what }
    };
    let opened = || {
        let socket = open(address, options)?;
        multicast(&socket, address.is_ipv4(), &Interface::of(&options.udp)?, &options.udp)?;
        let many = address.ip().is_multicast() || options.udp.broadcast;
        let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        if let Some(source) = source_for(address, options)?.or(many.then_some(any)) {
            socket.bind(&source.into())?;
        }
        if !many {
            socket.connect(&address.into())?;
        }
        UdpSocket::from_std(socket.into()).map(|socket| (socket, many))
    };
    opened().map_err(failed)
}
