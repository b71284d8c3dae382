//! A socket of our own that speaks to one address.

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

/// Opens a socket to the first address that this machine has a way to.
///
/// Nothing is sent, so whether somebody listens there is not known: where nobody does, the peer's machine may say so
/// after the first datagram, and the receiver reports it.
pub(in super::super) async fn connect(at: &HostPort, options: &Options) -> Result<DatagramTransport> {
    let mut failure = None;
    let mut addresses = resolve(at, options).await?;
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        // Nobody says which family is listened on, and on this machine it mostly is the older one.
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
        // The system picked the port that nobody listens on, or --source names it: the socket would talk to itself.
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

/// The socket and what its two halves tell each other.
struct Client {
    socket: UdpSocket,
    peer: SocketAddr,
    /// The address is a group's: the socket is not connected, so that its members' answers arrive.
    many: bool,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// What the sending half has heard of an earlier datagram, for the receiving half to report.
    trouble: Option<io::Error>,
    reader: Option<Waker>,
}

/// What the network says of a datagram that did not arrive.
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
            // An earlier datagram's fate, told once; this one may not have been tried yet.
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
    /// Ends when the socket has an error to tell, which wakes nobody who waits for datagrams only.
    trouble: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    drops: Drops,
}

/// What the kernel has dropped of what the peer sent.
#[derive(Default)]
struct Drops {
    datagrams: u64,
    look: NextLook,
    /// Rings when the look is due.
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Drops {
    /// Ready where datagrams turn out to have been dropped.
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
    /// An error that the network has told of a datagram that was sent.
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
            // Taken from the socket once; asked again, it has none, and waits for the next.
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

    /// Where an error cannot be waited for, the next datagram meets it.
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

    /// The kernel drops them.
    fn dropped(&self) -> u64 {
        self.drops.datagrams
    }
}
