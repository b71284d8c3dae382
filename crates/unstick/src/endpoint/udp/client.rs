//! A UDP socket that belongs to one peer: it sends to one address only.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::net::UdpSocket;

use super::super::datagrams::{Batch, RecvDatagrams};
use super::super::options::Options;
use super::super::resolve::resolve;
use super::super::transport::{DatagramTransport, PeerAddrs, SendDatagram};
use super::kernel_drops::{self, NextLook};
use super::packets::Intake;
use super::socket;
use crate::address::HostPort;
use crate::error::{Error, Result};

/// Opens a socket to the first address to which this machine has a route.
///
/// It sends nothing, so it does not learn whether a program listens there. If none does, the peer's machine may report
/// that after the first datagram, and the receiver then returns the error.
pub(in super::super) async fn connect(at: &HostPort, options: &Options) -> Result<DatagramTransport> {
    let mut failure = None;
    let mut addresses = resolve(at, options).await?;
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        // Which family the server listens on is unknown; on this machine it usually is IPv4, so IPv4 comes first.
        addresses.sort_by_key(SocketAddr::is_ipv6);
    }
    for address in addresses {
        match socket::connect(address, options).and_then(|(socket, many)| transport(socket, address, many, options)) {
            Ok(end) => {
                options.tell(|| format!("datagrams go to {address}"));
                return Ok(end);
            }
            Err(error) => {
                options.tell(|| error.to_string());
                failure.get_or_insert(error);
            }
        }
    }
    Err(failure.unwrap_or_else(|| Error::unreachable(format!("udp://{at} has no address"), None)))
}

fn transport(socket: UdpSocket, peer: SocketAddr, many: bool, options: &Options) -> Result<DatagramTransport> {
    let local = socket.local_addr().map_err(|e| Error::io("the socket", e))?;
    if local == peer {
        // The system picked the very port that nobody listens on, or --source names it: the socket would talk to
        // itself.
        let what = Error::unreachable(format!("nothing listens on udp://{peer}"), None);
        return Err(what.with_hint("that is the address that this end sends from"));
    }
    let intake = Intake::new(peer.is_ipv4(), options.udp.largest);
    let client = Arc::new(Client { socket, peer, many, told: Mutex::default() });
    Ok(DatagramTransport {
        incoming: Box::new(Reader { client: Arc::clone(&client), intake, trouble: None, drops: Drops::default() }),
        outgoing: client,
        names: PeerAddrs::of_sockets(peer, local),
    })
}

/// The socket, and the state that its two halves share.
struct Client {
    socket: UdpSocket,
    peer: SocketAddr,
    /// Whether several peers may answer: the address is a multicast group, or broadcasting is allowed. The socket is
    /// then not connected, so that all answers arrive.
    many: bool,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// The error that the sending half got for an earlier datagram; the receiving half reports it.
    trouble: Option<io::Error>,
    reader: Option<Waker>,
}

/// Whether the network reports with this error that a datagram did not arrive.
fn undelivered(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

impl Client {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreachable(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                Error::unreachable(format!("nothing listens on udp://{}", self.peer), error)
            }
            _ => Error::unreachable(format!("udp://{} cannot be reached", self.peer), error),
        }
    }
}

impl SendDatagram for Client {
    fn try_send(&self, message: &[u8]) -> io::Result<()> {
        let send = || match self.many {
            true => self.socket.try_send_to(message, self.peer).map(|_| ()),
            false => self.socket.try_send(message).map(|_| ()),
        };
        match send() {
            // The error of an earlier datagram, reported once. This datagram may not have been sent yet, so send it
            // again.
            Err(error) if undelivered(&error) => {
                let mut told = self.told();
                told.trouble = Some(error);
                let reader = told.reader.take();
                drop(told);
                if let Some(reader) = reader {
                    reader.wake();
                }
                send()
            }
            other => other,
        }
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(self.socket.writable())
    }

    fn failure(&self) -> Option<Error> {
        let told = self.told().trouble.take();
        let error = told.or_else(|| self.socket.take_error().ok().flatten())?;
        Some(self.unreachable(error))
    }
}

/// The receiving half.
struct Reader {
    client: Arc<Client>,
    intake: Intake,
    /// Completes when the socket has an error to report. An error alone does not wake a task that waits for datagrams.
    trouble: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    drops: Drops,
}

/// Counts the peer's datagrams that the kernel has dropped.
#[derive(Default)]
struct Drops {
    datagrams: u64,
    look: NextLook,
    /// Fires when it is time to read the count.
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Drops {
    /// Ready if the kernel turns out to have dropped datagrams.
    fn poll(&mut self, cx: &mut Context<'_>, socket: &UdpSocket, ipv4: bool, intake: &mut Intake) -> Poll<()> {
        let Some(due) = self.look.due() else { return Poll::Pending };
        ready!(self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due))).as_mut().poll(cx));
        self.timer = None;
        if self.look.is_due() {
            intake.dropped_by_now(kernel_drops::count(socket, ipv4));
        }
        match intake.take_lost() {
            0 => Poll::Pending,
            lost => {
                self.datagrams += lost;
                Poll::Ready(())
            }
        }
    }
}

impl Reader {
    /// Ready with an error that the network reported for a datagram that was sent.
    fn poll_trouble(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut told = self.client.told();
        if let Some(trouble) = told.trouble.take() {
            return Poll::Ready(trouble);
        }
        if told.reader.as_ref().is_none_or(|reader| !reader.will_wake(cx.waker())) {
            told.reader = Some(cx.waker().clone());
        }
        drop(told);
        self.poll_error(cx)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        use tokio::io::Interest;
        loop {
            let client = &self.client;
            let trouble = self.trouble.get_or_insert_with(|| {
                let client = Arc::clone(client);
                Box::pin(async move { drop(client.socket.ready(Interest::ERROR).await) })
            });
            ready!(trouble.as_mut().poll(cx));
            self.trouble = None;
            // Reading the error clears it. The next read finds none, returns `WouldBlock`, and waits for the next
            // error.
            let taken = client.socket.try_io(Interest::ERROR, || match client.socket.take_error()? {
                Some(error) => Ok(error),
                None => Err(io::ErrorKind::WouldBlock.into()),
            });
            match taken {
                Ok(error) => return Poll::Ready(error),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(error),
            }
        }
    }

    /// On these systems the code cannot wait for an error; the next send or receive reports it.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn poll_error(&mut self, _: &mut Context<'_>) -> Poll<io::Error> {
        let _ = &self.trouble;
        Poll::Pending
    }
}

impl RecvDatagrams for Reader {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        let error = loop {
            let client = &*self.client;
            let polled = client.socket.poll_recv_ready(cx);
            if polled.is_pending() {
                batch.release();
                let Self { client, intake, drops, .. } = self;
                if drops.poll(cx, &client.socket, client.peer.is_ipv4(), intake).is_ready() {
                    return Poll::Ready(Ok(true));
                }
                break ready!(self.poll_trouble(cx));
            }
            ready!(polled).map_err(|e| Error::io("receiving", e))?;
            batch.clear();
            let taken = self.intake.receive(&client.socket, |packet| {
                packet.datagrams().for_each(|(datagram, cut_short)| batch.push(datagram, cut_short));
            });
            self.drops.look.after_this();
            self.drops.datagrams += self.intake.take_lost();
            match taken {
                Ok(_) => return Poll::Ready(Ok(true)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break error,
            }
        };
        Poll::Ready(Err(match undelivered(&error) {
            true => self.client.unreachable(error),
            false => Error::io("receiving", error),
        }))
    }

    /// Number of datagrams that the kernel dropped.
    fn dropped(&self) -> u64 {
        self.drops.datagrams
    }
}
