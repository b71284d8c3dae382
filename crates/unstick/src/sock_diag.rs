//! Asks the kernel about a TCP socket of this host: whether it listens, and how much of the arrived data has been read.
//!
//! Queries `sock_diag(7)` over netlink for one socket at a time, by its two addresses, as `ss` does for all. On systems
//! other than Linux, nothing is known.

use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A socket as the kernel's table shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    state: u8,
    /// Number of bytes that have arrived and have not been read.
    pub unread: u32,
    /// Number of bytes that have arrived since the connection began.
    pub received: u64,
    /// Number of bytes that it has written and that are not acknowledged; for a listener, its backlog.
    pub unsent: u32,
    /// Number of bytes that it has sent since the connection began, each counted once; `None` while some wait to be
    /// sent.
    pub sent: Option<u64>,
    /// The round-trip time to its peer, as far as it is known.
    pub round_trip: Duration,
    /// Whether no process holds it: it has not been accepted yet, or is closed.
    pub unheld: bool,
}

/// States of `include/net/tcp_states.h`.
const ESTABLISHED: u8 = 1;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const TIME_WAIT: u8 = 6;
const CLOSE_WAIT: u8 = 8;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
const LISTEN: u8 = 10;

impl Seen {
    /// Whether it has ended, and the system keeps its port for a minute.
    pub fn lingers(self) -> bool {
        self.state == TIME_WAIT
    }

    /// Whether its connection is open in both directions.
    pub fn is_established(self) -> bool {
        self.state == ESTABLISHED
    }

    /// Whether it was closed in order after all `sent` bytes had arrived. Closing a socket with unread data causes a
    /// reset, so an orderly close means that all of them were read.
    pub fn has_read_and_closed(self, sent: u64) -> bool {
        matches!(self.state, FIN_WAIT1 | FIN_WAIT2) && self.unread == 0 && self.received >= sent
    }

    /// Whether nobody will read from it any more.
    pub fn is_deaf(self) -> bool {
        match self.state {
            // While the backlog is full, a connection stays half made until there is room.
            ESTABLISHED | SYN_RECV | CLOSE_WAIT => false,
            FIN_WAIT1 | FIN_WAIT2 => self.unheld,
            _ => true,
        }
    }
}

/// A netlink socket to query the kernel's table of TCP sockets.
#[derive(Debug)]
pub struct Table {
    /// Locked for each question: answers come in the order of the questions, and whichever caller reads first gets the
    /// next one.
    #[cfg(target_os = "linux")]
    netlink: Mutex<rustix::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Table {
    /// Opens the netlink socket.
    pub fn open() -> io::Result<Self> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink, socket_with};
        let kind = Some(netlink::SOCK_DIAG);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, kind)?;
        Ok(Self { netlink: Mutex::new(socket) })
    }

    /// Returns the socket at `local` that is connected to `remote`; `None` if this host's table has none.
    pub fn connected(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Seen>> {
        // The kernel's lookup falls back to the port's listener.
        Ok(self.ask(local, remote)?.filter(|seen| seen.state != LISTEN))
    }

    /// Whether a socket listens at an address.
    pub fn is_listening(&self, at: SocketAddr) -> io::Result<bool> {
        Ok(self.backlog(at)?.is_some())
    }

    /// Returns how many connections may wait for a listener to accept them; `None` if nobody listens.
    pub fn backlog(&self, at: SocketAddr) -> io::Result<Option<u32>> {
        let nobody = SocketAddr::new(if at.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() }, 0);
        Ok(self.ask(at, nobody)?.filter(|seen| seen.state == LISTEN).map(|seen| seen.unsent))
    }

    fn ask(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Seen>> {
        let mut reply = [0u8; 1024];
        let length = self.exchange(&request(plain(local), plain(remote)), &mut reply)?;
        Ok(parse(&reply[..length]))
    }

    /// Sends a request for one socket; returns the length of the reply.
    pub fn exchange(&self, request: &[u8], reply: &mut [u8]) -> io::Result<usize> {
        use rustix::net::{RecvFlags, SendFlags, recv, send};
        let netlink = self.netlink.lock().unwrap_or_else(PoisonError::into_inner);
        send(&*netlink, request, SendFlags::empty())?;
        // The kernel answers a request for one socket before `send` returns.
        let (length, _) = recv(&*netlink, reply, RecvFlags::DONTWAIT)?;
        Ok(length)
    }
}

#[cfg(not(target_os = "linux"))]
impl Table {
    /// Fails: only Linux has this table.
    pub fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns `None`: the state of the socket is unknown here.
    pub fn connected(&self, _local: SocketAddr, _remote: SocketAddr) -> io::Result<Option<Seen>> {
        Ok(None)
    }

    /// Fails: only Linux has this table.
    pub fn is_listening(&self, _at: SocketAddr) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fails: only Linux has this table.
    pub fn exchange(&self, _request: &[u8], _reply: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fails: only Linux has this table.
    pub fn backlog(&self, _at: SocketAddr) -> io::Result<Option<u32>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Turns an IPv4 address inside IPv6 into plain IPv4, as the table has it.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Builds a request: `struct nlmsghdr` and `struct inet_diag_req_v2`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn request(local: SocketAddr, remote: SocketAddr) -> [u8; 72] {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const IPPROTO_TCP: u8 = 6;
    /// `1 << (INET_DIAG_INFO - 1)`: with the bytes received.
    const INFO: u8 = 1 << 1;
    let mut request = [0; 72];
    request[0..4].copy_from_slice(&72u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request[16] = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    request[17] = IPPROTO_TCP;
    request[18] = INFO;
    request[20..24].fill(0xff); // every state
    request[24..26].copy_from_slice(&local.port().to_be_bytes());
    request[26..28].copy_from_slice(&remote.port().to_be_bytes());
    for (place, ip) in [(28, local.ip()), (44, remote.ip())] {
        match ip {
            IpAddr::V4(ip) => request[place..place + 4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => request[place..place + 16].copy_from_slice(&ip.octets()),
        }
    }
    request[64..72].fill(0xff); // no cookie
    request
}

/// Parses a reply: `struct nlmsghdr`, `struct inet_diag_msg` and the attribute that holds a `struct tcp_info`. Returns
/// `None` if it is an error instead.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn parse(reply: &[u8]) -> Option<Seen> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const INET_DIAG_INFO: u16 = 2;
    /// Offset of `tcpi_bytes_received` in `struct tcp_info`.
    const BYTES_RECEIVED: usize = 128;
    /// Offset of `tcpi_rtt`, in microseconds.
    const ROUND_TRIP: usize = 68;
    /// Offsets of `tcpi_notsent_bytes`, `tcpi_bytes_sent` and `tcpi_bytes_retrans`, which Linux has since 4.19.
    const WAITING: usize = 144;
    const BYTES_SENT: usize = 200;
    const SENT_AGAIN: usize = 208;
    let u16_at = |at: usize| Some(u16::from_ne_bytes(reply.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(reply.get(at..at + 4)?.try_into().ok()?));
    if u16_at(4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let u64_at = |at: usize| Some(u64::from_ne_bytes(reply.get(at..at + 8)?.try_into().ok()?));
    let mut seen = Seen {
        state: *reply.get(17)?,
        unread: u32_at(72)?,
        unsent: u32_at(76)?,
        received: 0,
        sent: None,
        round_trip: Duration::ZERO,
        unheld: u32_at(84)? == 0,
    };
    let mut at = 88;
    while let (Some(length), Some(kind)) = (u16_at(at), u16_at(at + 2)) {
        if kind == INET_DIAG_INFO {
            let info = at + 4;
            seen.received = u64_at(info + BYTES_RECEIVED)?;
            seen.round_trip = Duration::from_micros(u32_at(info + ROUND_TRIP)?.into());
            if usize::from(length) >= 4 + SENT_AGAIN + 8 && u32_at(info + WAITING)? == 0 {
                seen.sent = u64_at(info + BYTES_SENT)?.checked_sub(u64_at(info + SENT_AGAIN)?);
            }
        }
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    Some(seen)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn check(host: &str) {
        let table = Table::open().unwrap();
        let listener = TcpListener::bind((host, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let asked = SocketAddr::new(if at.ip().is_unspecified() { [127, 0, 0, 1].into() } else { at.ip() }, at.port());
        assert!(table.is_listening(asked).unwrap(), "{host}");
        assert_eq!(table.backlog(asked).unwrap(), Some(128), "as the standard library asks for");
        let mut client = TcpStream::connect(asked).unwrap();
        let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let seen = || table.connected(there, here).unwrap();
        client.write_all(b"hello").unwrap();
        while seen().unwrap().received < 5 {}
        assert_eq!((seen().unwrap().unread, seen().unwrap().unheld), (5, true), "nobody has accepted it");
        let mut server = listener.accept().unwrap().0;
        server.read_exact(&mut [0; 3]).unwrap();
        assert_eq!((seen().unwrap().unread, seen().unwrap().unheld, seen().unwrap().is_deaf()), (2, false, false));
        server.read_exact(&mut [0; 2]).unwrap();
        assert_eq!((seen().unwrap().unread, seen().unwrap().received), (0, 5));
        let own = table.connected(here, there).unwrap().unwrap();
        assert!(own.unsent == 0 && own.round_trip > Duration::ZERO, "{own:?}");
        assert_eq!(own.sent, Some(5), "as many as have arrived");
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!seen().unwrap().is_deaf(), "half-closed is not deaf");
        drop(server);
        assert!(seen().is_none_or(Seen::is_deaf));
        drop(listener);
        assert!(!table.is_listening(asked).unwrap());
    }

    #[test]
    fn the_table_tells_what_was_read() {
        check("127.0.0.1");
        check("::1");
        check("::"); // asked for by its IPv4 address
    }

    #[test]
    fn answers_go_to_who_has_asked() {
        let table = Table::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        std::thread::scope(|scope| {
            for length in 1..=4u32 {
                let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
                client.write_all(&vec![0; length as usize]).unwrap();
                let table = &table;
                scope.spawn(move || {
                    let _held = client;
                    while table.connected(there, here).unwrap().unwrap().unread < length {}
                    for _ in 0..5000 {
                        assert_eq!(table.connected(there, here).unwrap().unwrap().unread, length);
                    }
                });
            }
        });
    }
}
