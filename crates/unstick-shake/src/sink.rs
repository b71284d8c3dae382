//! Writes the bytes of one direction, and checks whether the receiver has read them: the proof that a cut was
//! delivered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::process::ChildStdin;
use unstick_wire::shake::Delivery;

#[cfg(unix)]
use super::local::{Local, Queue};
use crate::limits;
use unstick::internal::{Half, Writer, reset};
use unstick::internal::{Seen, Table};

/// How long to check without a pause whether a receiver has read: longer than a working reader takes, shorter than anybody
/// notices.
const EAGER_LOOKS: Duration = Duration::from_micros(500);

/// Minimum time for a receiver that cannot be seen to read the bytes before a cut, once they have arrived.
const BLIND_CUT: Duration = Duration::from_millis(5);

/// The receiver's end of a TCP connection, as the kernel's table names it.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    /// `None` if there is no table to look into.
    table: Option<Arc<Table>>,
    /// Whether the table has the receiver: it is on this host.
    visible: bool,
    /// Whether it carries other bytes than those that are counted: those of TLS, or of a handshake.
    inside: bool,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Wire {
    /// Finds the receiver's end, and whether it can be seen from here.
    pub(super) fn find(table: Option<&Arc<Table>>, half: &OwnedWriteHalf) -> io::Result<Self> {
        Ok(Self::between(table, half.peer_addr()?, half.local_addr()?))
    }

    /// The same below TLS, or after a handshake: the bytes that are counted are not the bytes that are sent.
    pub(super) fn inside(table: Option<&Arc<Table>>, there: SocketAddr, here: SocketAddr) -> Self {
        Self { inside: true, ..Self::between(table, there, here) }
    }

    fn between(table: Option<&Arc<Table>>, local: SocketAddr, remote: SocketAddr) -> Self {
        let here = local.ip().is_loopback() || local.ip() == remote.ip();
        let visible = table.is_some_and(|table| match table.connected(local, remote) {
            Ok(Some(_)) => true,
            // The listener's backlog is full: the end appears when there is room.
            Ok(None) => here && table.is_listening(local).unwrap_or(false),
            Err(_) => false,
        });
        Self { table: table.cloned(), visible, inside: false, local, remote }
    }

    /// Whether everything has arrived there.
    fn has_arrived(&self, seen: Seen, sent: u64) -> bool {
        if !self.inside {
            return seen.received >= sent;
        }
        let own = self.table.as_ref().and_then(|table| table.connected(self.remote, self.local).ok().flatten());
        own.is_some_and(|own| match own.sent {
            Some(sent) => seen.received >= sent,
            None => own.unsent == 0,
        })
    }

    /// What the table shows of the receiver's end, if that is on this host.
    fn seen(&self) -> Option<io::Result<Option<Seen>>> {
        let table = self.table.as_ref().filter(|_| self.visible)?;
        Some(table.connected(self.local, self.remote))
    }

    /// Waits until what was written has arrived at a receiver that cannot be seen, and then as long as it may need to
    /// read it: a few round-trip times.
    async fn give_time(&self) {
        let own = || self.table.as_ref().and_then(|table| table.connected(self.remote, self.local).ok().flatten());
        let begun = Instant::now();
        while own().is_some_and(|own| own.unsent > 0) && begun.elapsed() < limits::CUT_PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let round_trip = own().map_or(Duration::ZERO, |own| own.round_trip);
        tokio::time::sleep(BLIND_CUT.max(round_trip * 3).min(limits::CUT_PATIENCE)).await;
    }

    /// Whether it has ended, and keeps the server from listening on its port again.
    pub(super) fn lingers(&self) -> bool {
        matches!(self.seen(), Some(Ok(Some(seen))) if seen.lingers())
    }

    /// Ends such a lingering connection with a connection attempt from the same port. The old connection answers it
    /// with its last acknowledgement; the answer to that is a reset, which removes it (RFC 1337 calls that
    /// assassination). Call it only while nobody listens there.
    pub(super) fn end_lingering(&self) -> io::Result<()> {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::for_address(self.remote), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&self.remote.into())?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.local.into())
    }

    /// Whether the receiver's end is not there yet, though this one is: its listener's backlog was full.
    fn is_to_come(&self) -> bool {
        let own = self.table.as_ref().and_then(|table| table.connected(self.remote, self.local).ok().flatten());
        own.is_some_and(Seen::is_established)
    }

    /// Whether nobody will read from it, or write to it, any more.
    fn is_deaf(&self) -> bool {
        matches!(self.seen(), Some(Ok(seen)) if seen.is_none_or(Seen::is_deaf))
    }
}

/// A stream inside another, or on a socket that is not TCP. Each write is flushed, so that it travels alone below.
pub(super) struct Over {
    pub(super) writer: Writer,
    pub(super) below: Below,
    /// What is sent in place of the end of the stream, once.
    pub(super) farewell: Option<Vec<u8>>,
}

/// What lies below a stream.
pub(super) enum Below {
    Tcp(Wire),
    #[cfg(unix)]
    Local(Local),
    /// Nothing that can be seen.
    Dark,
}

/// Where bytes are written to.
pub(super) enum Sink {
    Tcp(Half<OwnedWriteHalf>, Wire),
    Over(Over),
    /// A process's standard input; `None` once it is closed.
    Pipe(Option<ChildStdin>),
}

/// The result of one look at the receiver.
enum Reading {
    Read,
    NotYet,
    Gone,
    /// Nothing can be seen: the receiver is not on this host.
    Blind,
}

impl Sink {
    /// Writes some of the bytes in one call.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half, _) => half.write(bytes).await,
            Self::Over(over) => {
                let count = over.writer.write(bytes).await?;
                over.writer.flush().await?;
                Ok(count)
            }
            Self::Pipe(Some(pipe)) => pipe.write(bytes).await,
            Self::Pipe(None) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Passes on the end of the stream.
    pub(super) async fn end(&mut self) {
        match self {
            Self::Tcp(half, _) => drop(half.shutdown().await),
            Self::Over(over) => match over.farewell.take() {
                // The server answers it, and closes the connection.
                Some(frame) => {
                    let _ = over.writer.write_all(&frame).await;
                    let _ = over.writer.flush().await;
                }
                None => drop(over.writer.shutdown().await),
            },
            Self::Pipe(pipe) => *pipe = None,
        }
    }

    /// Whether the receiver has closed: it will not read the end of the stream.
    pub(super) fn is_deaf(&self) -> bool {
        self.wire().is_some_and(Wire::is_deaf)
    }

    /// The receiver's end, as the kernel's table names it.
    pub(super) fn wire(&self) -> Option<&Wire> {
        match self {
            Self::Tcp(_, wire) | Self::Over(Over { below: Below::Tcp(wire), .. }) => Some(wire),
            Self::Over(_) | Self::Pipe(_) => None,
        }
    }

    /// Resets the connection.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Tcp(half, _) => reset(half),
            Self::Over(over) => over.writer.reset(),
            Self::Pipe(pipe) => *pipe = None,
        }
    }

    /// Waits until the receiver has read all `sent` bytes, for at most `patience`.
    pub(super) async fn drained(&mut self, sent: u64, patience: Duration) -> Delivery {
        let begun = Instant::now();
        let mut arrived = false;
        loop {
            match self.look(sent, &mut arrived) {
                Reading::Read => return Delivery::Read,
                Reading::Gone => return Delivery::Gone,
                Reading::Blind => {
                    match self.wire() {
                        Some(wire) => wire.give_time().await,
                        None => tokio::time::sleep(BLIND_CUT).await,
                    }
                    return Delivery::Unproven;
                }
                Reading::NotYet if begun.elapsed() >= patience => return Delivery::Unread,
                // A working reader reads within microseconds, which is far less than a timer can wait.
                Reading::NotYet if begun.elapsed() < EAGER_LOOKS => {
                    std::thread::yield_now();
                    tokio::task::yield_now().await;
                }
                Reading::NotYet => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    fn look(&self, sent: u64, arrived: &mut bool) -> Reading {
        let wire = match self {
            Self::Tcp(_, wire) | Self::Over(Over { below: Below::Tcp(wire), .. }) => wire,
            #[cfg(unix)]
            Self::Over(Over { below: Below::Local(local), .. }) => return look_at_queue(local),
            Self::Over(_) => return Reading::Blind,
            Self::Pipe(pipe) => return look_at_pipe(pipe.as_ref()),
        };
        loop {
            match wire.seen() {
                None | Some(Err(_)) => return Reading::Blind,
                Some(Ok(None)) if wire.is_to_come() => return Reading::NotYet,
                Some(Ok(None)) => return Reading::Gone,
                Some(Ok(Some(seen))) if seen.is_deaf() => {
                    return if seen.has_read_and_closed(sent) { Reading::Read } else { Reading::Gone };
                }
                // Before the bytes have arrived the queue is empty, too. So the counter is read first, and the queue in
                // a later reply.
                Some(Ok(Some(seen))) if !*arrived => {
                    if !wire.has_arrived(seen, sent) {
                        return Reading::NotYet;
                    }
                    *arrived = true;
                }
                Some(Ok(Some(seen))) => return if seen.unread == 0 { Reading::Read } else { Reading::NotYet },
            }
        }
    }
}

/// Looks into the queue of a Unix socket. Written bytes reach the peer at once.
#[cfg(unix)]
fn look_at_queue(local: &Local) -> Reading {
    match local.queue() {
        None => Reading::Blind,
        Some(Queue { unread: 0, .. }) => Reading::Read,
        Some(Queue { is_deaf: true, .. }) => Reading::Gone,
        Some(_) => Reading::NotYet,
    }
}

/// Looks into a pipe. Written bytes are in it at once.
#[cfg(unix)]
fn look_at_pipe(pipe: Option<&ChildStdin>) -> Reading {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::os::fd::AsFd;
    let Some(pipe) = pipe else { return Reading::Gone };
    // For a pipe's writing end, this error means that nobody holds the other end.
    let mut ends = [PollFd::new(pipe, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut ends, Some(&at_once)).is_ok() && ends[0].revents().contains(PollFlags::ERR) {
        return Reading::Gone;
    }
    match rustix::io::ioctl_fionread(pipe.as_fd()) {
        Ok(0) => Reading::Read,
        Ok(_) => Reading::NotYet,
        Err(_) => Reading::Blind,
    }
}

#[cfg(not(unix))]
fn look_at_pipe(_pipe: Option<&ChildStdin>) -> Reading {
    Reading::Blind
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use unstick::internal::halves;

    #[tokio::test]
    async fn a_receiver_on_another_host_is_given_time_and_its_cut_is_not_called_proven() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_, half) = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into_split();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut wire = Wire::find(Some(&Arc::new(Table::open().unwrap())), &half).unwrap();
        assert!(wire.visible);
        wire.visible = false; // as it is for a receiver on another host
        let mut outlet = Sink::Tcp(halves((), half).1, wire);
        outlet.write(b"hello").await.unwrap();
        let begun = Instant::now();
        assert_eq!(outlet.drained(5, limits::CUT_PATIENCE).await, Delivery::Unproven);
        assert!(begun.elapsed() >= BLIND_CUT);
        let mut arrived = [0; 5];
        assert_eq!(server.read(&mut arrived).await.unwrap(), 5, "it had arrived by then");
    }

    #[tokio::test]
    async fn a_stream_over_what_cannot_be_seen_is_given_time_and_its_cut_is_not_called_proven() {
        let (here, mut there) = tokio::io::duplex(64);
        let names = unstick::endpoint::PeerAddrs::new("", "");
        let end = unstick::endpoint::StreamTransport::new(tokio::io::empty(), here, names);
        let (_, writer) = unstick::internal::into_halves(end);
        let mut outlet = Sink::Over(Over { writer, below: Below::Dark, farewell: Some(b"bye".to_vec()) });
        outlet.write(b"hello").await.unwrap();
        let begun = Instant::now();
        assert_eq!(outlet.drained(5, limits::CUT_PATIENCE).await, Delivery::Unproven);
        assert!(begun.elapsed() >= BLIND_CUT);
        outlet.end().await;
        outlet.end().await;
        let mut all = Vec::new();
        there.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"hellobye", "the farewell once, then the end");
    }
}
