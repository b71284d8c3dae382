//! Receives and sends datagrams on a socket, with the address of this machine that each was sent to.
//!
//! Everything specific to Linux is here: many datagrams in one system call, and answers from the address that the peer
//! sent to. Elsewhere datagrams come one by one, and the system picks the source address of answers.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;

/// What arrived at once from one peer: one datagram, or several of one size, of which the last may be shorter.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    bytes: &'a [u8],
    /// Size of each datagram, in bytes.
    size: usize,
    cut_short: bool,
    pub(super) peer: SocketAddr,
    pub(super) local: Option<Local>,
}

impl Packet<'_> {
    /// The datagrams, and whether each was longer than the longest that can be received.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (&[u8], bool)> {
        // An empty datagram counts as one too.
        let empty = self.bytes.is_empty().then_some(self.bytes);
        self.bytes.chunks(self.size.max(1)).chain(empty).map(|datagram| (datagram, self.cut_short))
    }
}

/// The address of this machine that a datagram was sent to; for broadcast and multicast, the address to answer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Local {
    pub(super) ip: IpAddr,
    /// The interface, if the address alone does not name it: every interface has an address in `fe80::`.
    pub(super) interface: u32,
}

pub(super) use system::{Intake, learn_drops, learn_local, receive_joined, send_from};

#[cfg(target_os = "linux")]
mod system {
    use std::cell::RefCell;
    use std::io::{IoSlice, IoSliceMut};
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
    use std::os::fd::AsRawFd;

    use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
    use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, RxqOvfl, UdpGroSegment};
    use nix::sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, SockaddrIn6, SockaddrLike,
        recvmmsg, sendmsg, setsockopt,
    };
    use tokio::io::Interest;

    use super::{IpAddr, Local, Packet, SocketAddr, UdpSocket, io};
    use crate::limits;

    /// Number of datagrams for one system call: with more, sharing the call's cost gains nothing.
    const AT_ONCE: usize = 32;

    thread_local! {
        /// The buffer that datagrams are received into: one for each thread, however many sockets it serves. Only the
        /// pages that datagrams reach are ever touched.
        static LANDING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    /// Asks the kernel to report the address that each datagram was sent to.
    pub(in super::super) fn learn_local(socket: &socket2::Socket, ipv4: bool) -> io::Result<()> {
        if ipv4 {
            setsockopt(socket, Ipv4PacketInfo, &true)?;
        } else {
            setsockopt(socket, Ipv6RecvPacketInfo, &true)?;
        }
        Ok(())
    }

    /// Asks the kernel to hand over in one piece what a sender sent in one piece (`UDP_SEGMENT`) or the network card
    /// has joined: many datagrams of one size for the price of one. Only for buffers that take the largest such piece.
    pub(in super::super) fn receive_joined(socket: &socket2::Socket, largest: usize) {
        if largest >= limits::LARGEST_DATAGRAM {
            // An old kernel cannot do this, and hands them over one by one.
            let _ = setsockopt(socket, UdpGroSegment, &true);
        }
    }

    /// Asks the kernel to report with each datagram how many it has dropped because the receive queue was full.
    pub(in super::super) fn learn_drops(socket: &socket2::Socket) {
        // If it cannot, the kernel's table still has the count.
        let _ = setsockopt(socket, RxqOvfl, &1);
    }

    /// Receives from one socket.
    #[derive(Debug)]
    pub(in super::super) struct Intake {
        ipv4: bool,
        largest: usize,
        /// The kernel's last reported count of dropped datagrams; and the drops that are not reported yet.
        dropped: u32,
        lost: u64,
        /// Number of datagrams that the next system call has room for. Twice the size of the last batch: preparing
        /// for datagrams that do not come costs more than a system call for one.
        room: usize,
    }

    impl Intake {
        pub(in super::super) fn new(ipv4: bool, largest: usize) -> Self {
            Self { ipv4, largest: largest.max(1), dropped: 0, lost: 0, room: 2 }
        }

        /// Takes over the kernel's count of the datagrams that it has dropped on this socket.
        pub(in super::super) fn dropped_by_now(&mut self, count: Option<u32>) {
            let Some(count) = count else { return };
            let more = count.wrapping_sub(self.dropped);
            // A datagram that was queued before the table was read carries an older count.
            if more < u32::MAX / 2 {
                self.dropped = count;
                self.lost += u64::from(more);
            }
        }

        /// Number of datagrams that the kernel has dropped since the last call.
        pub(in super::super) fn take_lost(&mut self) -> u64 {
            std::mem::take(&mut self.lost)
        }

        /// Takes what has arrived off the socket with one system call, without waiting. Returns true if there may be
        /// more, and `WouldBlock` if nothing has arrived.
        pub(in super::super) fn receive(
            &mut self,
            socket: &UdpSocket,
            each: impl FnMut(Packet<'_>),
        ) -> io::Result<bool> {
            if self.ipv4 { self.take::<SockaddrIn>(socket, each) } else { self.take::<SockaddrIn6>(socket, each) }
        }

        fn take<S: Name>(&mut self, socket: &UdpSocket, mut each: impl FnMut(Packet<'_>)) -> io::Result<bool> {
            LANDING.with_borrow_mut(|landing| {
                if landing.len() < AT_ONCE * self.largest {
                    *landing = vec![0; AT_ONCE * self.largest];
                }
                let (mut came, mut dropped, room) = (0, None, self.room);
                let tried = socket.try_io(Interest::READABLE, || {
                    let mut parts = landing.chunks_exact_mut(self.largest);
                    let mut slots: [[IoSliceMut<'_>; 1]; AT_ONCE] =
                        std::array::from_fn(|_| [IoSliceMut::new(parts.next().unwrap_or_default())]);
                    // Created anew for each call: the kernel overwrites their lengths.
                    let mut headers =
                        MultiHeaders::<S>::preallocate(room, Some(nix::cmsg_space!(in6_pktinfo, i32, u32)));
                    let flags = MsgFlags::MSG_DONTWAIT;
                    for message in recvmmsg(socket.as_raw_fd(), &mut headers, &mut slots, flags, None)? {
                        came += 1;
                        dropped = hand_on(&message, &mut each).or(dropped);
                    }
                    // Fewer arrived than there was room for, so the socket is empty: another system call would only
                    // confirm that.
                    if came < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
                });
                self.dropped_by_now(dropped);
                self.room = (2 * came).clamp(2, AT_ONCE);
                if came > 0 { Ok(came == room) } else { tried.map(|()| false) }
            })
        }
    }

    /// An address of either family, as the kernel writes it.
    trait Name: SockaddrLike + Copy {
        fn socket_addr(&self) -> SocketAddr;
    }

    impl Name for SockaddrIn {
        fn socket_addr(&self) -> SocketAddr {
            SocketAddrV4::new(self.ip(), self.port()).into()
        }
    }

    impl Name for SockaddrIn6 {
        fn socket_addr(&self) -> SocketAddr {
            SocketAddrV6::new(self.ip(), self.port(), self.flowinfo(), self.scope_id()).into()
        }
    }

    /// Passes a message on. Returns how many datagrams the kernel has dropped, if it reports that.
    fn hand_on<S: Name>(message: &RecvMsg<'_, '_, S>, each: &mut impl FnMut(Packet<'_>)) -> Option<u32> {
        let peer = message.address.map(|address| address.socket_addr())?;
        let bytes = message.iovs().next().unwrap_or_default();
        let cut_short = message.flags.contains(MsgFlags::MSG_TRUNC);
        let (mut local, mut size, mut dropped) = (None, bytes.len(), None);
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::UdpGroSegments(joined) => size = usize::try_from(joined).unwrap_or(size),
                ControlMessageOwned::RxqOvfl(count) => dropped = Some(count),
                other => local = local.or(local_of(&other)),
            }
        }
        each(Packet { bytes, size, cut_short, peer, local });
        dropped
    }

    fn local_of(control: &ControlMessageOwned) -> Option<Local> {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                // Unlike `ipi_addr`, `ipi_spec_dst` is an address of this machine even if the datagram was sent to a
                // group.
                let ip = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
                Some(Local { ip: ip.into(), interface: 0 })
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                let everybody = match ip.to_canonical() {
                    IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
                    IpAddr::V6(ip) => ip.is_multicast(),
                };
                let interface = if everybody || ip.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                let ip = if everybody { Ipv6Addr::UNSPECIFIED } else { ip };
                Some(Local { ip: ip.into(), interface })
            }
            _ => None,
        }
    }

    /// Sends one datagram from an address of this machine, without waiting.
    pub(in super::super) fn send_from(
        socket: &UdpSocket,
        local: Option<Local>,
        peer: SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()> {
        let Some(local) = local else { return socket.try_send_to(datagram, peer).map(|_| ()) };
        socket.try_io(Interest::WRITABLE, || {
            let fd = socket.as_raw_fd();
            let parts = [IoSlice::new(datagram)];
            let flags = MsgFlags::MSG_DONTWAIT;
            match (local.ip, peer) {
                (IpAddr::V4(ip), SocketAddr::V4(peer)) => {
                    let s_addr = u32::from_ne_bytes(ip.octets());
                    let info = in_pktinfo {
                        ipi_ifindex: 0,
                        ipi_spec_dst: in_addr { s_addr },
                        ipi_addr: in_addr { s_addr: 0 },
                    };
                    sendmsg(
                        fd,
                        &parts,
                        &[ControlMessage::Ipv4PacketInfo(&info)],
                        flags,
                        Some(&SockaddrIn::from(peer)),
                    )?;
                }
                (IpAddr::V6(ip), SocketAddr::V6(peer)) => {
                    let ipi6_addr = in6_addr { s6_addr: ip.octets() };
                    let info = in6_pktinfo { ipi6_addr, ipi6_ifindex: local.interface };
                    let to = SockaddrIn6::from(peer);
                    sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))?;
                }
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            }
            Ok(())
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Local, Packet, SocketAddr, UdpSocket, io};

    /// Not available on this system.
    pub(in super::super) fn learn_local(_: &socket2::Socket, _ipv4: bool) -> io::Result<()> {
        Ok(())
    }

    /// Not available on this system.
    pub(in super::super) fn receive_joined(_: &socket2::Socket, _largest: usize) {}

    /// Not available on this system.
    pub(in super::super) fn learn_drops(_: &socket2::Socket) {}

    /// Receives from one socket.
    #[derive(Debug)]
    pub(in super::super) struct Intake {
        landing: Vec<u8>,
    }

    impl Intake {
        pub(in super::super) fn new(_ipv4: bool, largest: usize) -> Self {
            // One byte more than the limit shows that a datagram was longer.
            Self { landing: vec![0; largest + 1] }
        }

        pub(in super::super) fn dropped_by_now(&mut self, _count: Option<u32>) {}

        /// Not available on this system.
        pub(in super::super) fn take_lost(&mut self) -> u64 {
            0
        }

        /// Takes one datagram off the socket, without waiting. Returns true, as there may always be more, and
        /// `WouldBlock` if none has arrived.
        pub(in super::super) fn receive(
            &mut self,
            socket: &UdpSocket,
            mut each: impl FnMut(Packet<'_>),
        ) -> io::Result<bool> {
            let (length, peer) = socket.try_recv_from(&mut self.landing)?;
            let largest = self.landing.len() - 1;
            let bytes = &self.landing[..length.min(largest)];
            each(Packet { bytes, size: bytes.len(), cut_short: length > largest, peer, local: None });
            Ok(true)
        }
    }

    /// Sends one datagram, without waiting.
    pub(in super::super) fn send_from(
        socket: &UdpSocket,
        _local: Option<Local>,
        peer: SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()> {
        socket.try_send_to(datagram, peer).map(|_| ())
    }
}
