//! Datagrams that the kernel dropped on a socket because its receive queue was full, read from the kernel's table.
//!
//! Received datagrams carry this count too (`SO_RXQ_OVFL`), but only its value when they were queued. Drops after the
//! last datagram show only here.

#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::time::Instant;

/// How long after a datagram the table is read; one read covers all datagrams that came in this time.
const LATER: Duration = Duration::from_millis(100);

/// When to read a socket's count next.
#[derive(Debug, Default)]
pub(super) struct NextLook {
    due: Option<Instant>,
}

impl NextLook {
    /// Notes that something was taken off the socket: datagrams after it may have been dropped.
    pub(super) fn after_this(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + LATER);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the time has come; true only once.
    pub(super) fn is_due(&mut self) -> bool {
        self.due.take_if(|due| *due <= Instant::now()).is_some()
    }
}

/// The number of datagrams dropped since the socket was created; `None` if this system does not report it.
#[cfg(target_os = "linux")]
pub(super) fn count(socket: impl AsFd, ipv4: bool) -> Option<u32> {
    let inode = rustix::fs::fstat(socket).ok()?.st_ino.to_string();
    let table = std::fs::read_to_string(if ipv4 { "/proc/self/net/udp" } else { "/proc/self/net/udp6" }).ok()?;
    drops_in(&table, &inode)
}

/// Reads the count of the socket with this inode. The inode is the tenth field of a line, the count is the last.
#[cfg(target_os = "linux")]
fn drops_in(table: &str, inode: &str) -> Option<u32> {
    let mut lines = table.lines().map(str::split_ascii_whitespace);
    lines.find(|fields| fields.clone().nth(9) == Some(inode))?.last()?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn count<S>(_: S, _ipv4: bool) -> Option<u32> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_in_the_kernels_table() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 12: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 55 2 0000000000000000 310\n";
        assert_eq!((drops_in(table, "55"), drops_in(table, "5")), (Some(310), None));
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        assert_eq!(count(&socket, true), Some(0));
    }
}
