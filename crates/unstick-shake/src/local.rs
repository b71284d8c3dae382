//! Asks the kernel about this machine's Unix sockets (`unix:`): which names have a listener, and whether the peer has read
//! what was written.
//!
//! The queue is read over netlink (`sock_diag(7)`), by the inode number of our own socket. `/proc/net/unix` shows who
//! listens. On systems other than Linux nothing is known.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use unstick::address::SocketName;
use unstick::internal::Table;

/// Our end of a connection, as the kernel's table names it.
#[derive(Debug, Clone)]
pub(super) struct Local {
    /// `None` if there is no table to look into.
    table: Option<Arc<Table>>,
    number: u32,
}

/// What the table shows of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queue {
    /// Memory that holds what the peer has not read; 0 once the peer has read everything.
    pub(super) unread: u32,
    /// Whether the peer has closed, or reads no more.
    pub(super) is_deaf: bool,
}

impl Local {
    /// Names this socket by its inode number, as the kernel's table does.
    pub(super) fn of(table: Option<&Arc<Table>>, socket: impl AsFd) -> io::Result<Self> {
        let number = rustix::fs::fstat(socket)?.st_ino;
        // The table holds these numbers in 32 bits.
        let number = u32::try_from(number).map_err(|_| io::ErrorKind::Unsupported)?;
        Ok(Self { table: table.cloned(), number })
    }

    /// Reads the queue to the peer; `None` if it cannot be seen.
    pub(super) fn queue(&self) -> Option<Queue> {
        let mut reply = [0; 512];
        let length = self.table.as_ref()?.exchange(&request(self.number), &mut reply).ok()?;
        parse(&reply[..length])
    }
}

/// Whether a server listens at a name; `None` if that cannot be seen.
pub(super) fn is_listening(name: &SocketName) -> Option<bool> {
    /// `__SO_ACCEPTCON`, among the flags.
    const LISTENS: u32 = 1 << 16;
    let table = std::fs::read_to_string("/proc/net/unix").ok()?;
    let name = match name {
        SocketName::Path(path) => path.to_str()?.to_owned(),
        SocketName::Abstract(name) => format!("@{name}"),
    };
    let listens = |line: &str| {
        let (flags, named) = fields(line)?;
        Some(u32::from_str_radix(flags, 16).ok()? & LISTENS != 0 && named == name)
    };
    Some(table.lines().any(|line| listens(line) == Some(true)))
}

/// Splits a line into its flags and path: `Num RefCount Protocol Flags Type St Inode Path`. A path may hold spaces.
fn fields(line: &str) -> Option<(&str, &str)> {
    let (mut rest, mut flags) = (line, "");
    for number in 0..7 {
        let (word, more) = rest.trim_start_matches(' ').split_once(' ')?;
        if number == 3 {
            flags = word;
        }
        rest = more;
    }
    Some((flags, rest))
}

/// Builds the request: `struct nlmsghdr` and `struct unix_diag_req`.
fn request(number: u32) -> [u8; 40] {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const AF_UNIX: u8 = 1;
    /// `UDIAG_SHOW_RQLEN`: with the lengths of both queues.
    const LENGTHS: u32 = 0x10;
    let mut request = [0; 40];
    request[0..4].copy_from_slice(&40u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request[16] = AF_UNIX;
    request[20..24].fill(0xff); // every state
    request[24..28].copy_from_slice(&number.to_ne_bytes());
    request[28..32].copy_from_slice(&LENGTHS.to_ne_bytes());
    request[32..40].fill(0xff); // no cookie
    request
}

/// Parses `struct nlmsghdr`, `struct unix_diag_msg` and its attributes; `None` if the kernel sent an error instead.
fn parse(reply: &[u8]) -> Option<Queue> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const UNIX_DIAG_RQLEN: u16 = 4;
    const UNIX_DIAG_SHUTDOWN: u16 = 6;
    /// `SEND_SHUTDOWN`: nothing more can be sent.
    const SENDING: u8 = 2;
    let u16_at = |at: usize| Some(u16::from_ne_bytes(reply.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(reply.get(at..at + 4)?.try_into().ok()?));
    if u16_at(4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let (mut unread, mut is_deaf) = (None, false);
    let mut at = 32;
    while let (Some(length), Some(kind)) = (u16_at(at), u16_at(at + 2)) {
        match kind {
            // The lengths of the receive queue and of the send queue.
            UNIX_DIAG_RQLEN => unread = u32_at(at + 8),
            UNIX_DIAG_SHUTDOWN => is_deaf = reply.get(at + 4)? & SENDING != 0,
            _ => {}
        }
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    Some(Queue { unread: unread?, is_deaf })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn the_table_tells_what_the_peer_has_read_and_when_it_is_gone() {
        let table = Arc::new(Table::open().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a socket");
        let name = SocketName::Path(path.clone());
        assert_eq!(is_listening(&name), Some(false));
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(is_listening(&name), Some(true));
        assert_eq!(is_listening(&SocketName::Path("socket".into())), Some(false), "a name is whole");
        let mut client = UnixStream::connect(&path).unwrap();
        let local = Local::of(Some(&table), &client).unwrap();
        let queue = || local.queue().unwrap();
        assert_eq!(queue(), Queue { unread: 0, is_deaf: false });
        client.write_all(b"hello").unwrap();
        assert!(queue().unread > 0, "nobody has accepted it");
        let mut server = listener.accept().unwrap().0;
        server.read_exact(&mut [0; 3]).unwrap();
        assert!(queue().unread > 0, "two bytes are left");
        server.read_exact(&mut [0; 2]).unwrap();
        assert_eq!(queue(), Queue { unread: 0, is_deaf: false });
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!queue().is_deaf, "half-closed is not deaf");
        drop(server);
        assert!(queue().is_deaf);
        drop(listener);
        assert_eq!(is_listening(&name), Some(false));
    }
}
