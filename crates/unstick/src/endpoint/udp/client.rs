//! A socket of our own that speaks to one address.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::net::UdpSocket;

use super::super::datagrams::{Batch, RecvDatagrams};
use super::super::{DatagramEnd, Names, Options, SendDatagram, resolve};
use super::{packets, socket};
use crate::address::HostPort;
use crate::error::{Error, Result};

/// Opens a socket to the first address that this machine has a way to.
///
/// Nothing is sent, so whether somebody listens there is not known: where nobody does, the peer's machine may say so
/// after the first datagram, and the receiver reports it.
pub(in super::super) async fn connect(at: &HostPort, options: &Options) -> Result<DatagramEnd> {
    let mut failure = None;
    let mut addresses = resolve(at, options).await?;
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        // Nobody says which family is listened on, and on this machine it mostly is the older one.
        addresses.sort_by_key(SocketAddr::is_ipv6);
    }
    for address in addresses {
        match socket::connect(address, options).and_then(|(socket, many)| end(socket, address, many, options)) {
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

fn end(socket: UdpSocket, peer: SocketAddr, many: bool, options: &Options) -> Result<DatagramEnd> {
    let local = socket.local_addr().map_err(|e| Error::io("the socket", e))?;
    let client = Arc::new(Client {
        socket,
        ipv4: peer.is_ipv4(),
        peer,
        many,
        largest: options.udp.largest,
        refused: AtomicBool::new(false),
        reader: Mutex::new(None),
    });
    Ok(DatagramEnd {
        incoming: Box::new(Reader(Arc::clone(&client))),
        outgoing: client,
        names: Names { remote: peer.to_string(), local: local.to_string() },
    })
}

/// The socket and what its two halves tell each other.
struct Client {
    socket: UdpSocket,
    ipv4: bool,
    peer: SocketAddr,
    /// The address is a group's: the socket is not connected, so that its members' answers arrive.
    many: bool,
    largest: usize,
    /// The sending half has heard that nothing listens there, which the receiving half reports.
    refused: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl SendDatagram for Client {
    fn try_send(&self, message: &[u8]) -> io::Result<()> {
        let send = || match self.many {
            true => self.socket.try_send_to(message, self.peer).map(|_| ()),
            false => self.socket.try_send(message).map(|_| ()),
        };
        match send() {
            // An earlier datagram's fate, told once; this one has not been tried yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.refused.store(true, Ordering::Relaxed);
                let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
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
}

/// The receiving half.
struct Reader(Arc<Client>);

impl Reader {
    fn refusal(&self) -> Error {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        Error::unreachable(format!("nothing listens on udp://{}", self.0.peer), refused)
    }
}

impl RecvDatagrams for Reader {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        let client = &*self.0;
        loop {
            *client.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            if client.refused.swap(false, Ordering::Relaxed) {
                return Poll::Ready(Err(self.refusal()));
            }
            let polled = client.socket.poll_recv_ready(cx);
            if polled.is_pending() {
                batch.release();
            }
            ready!(polled).map_err(|e| Error::io("receiving", e))?;
            batch.clear();
            let taken = packets::receive(&client.socket, client.ipv4, client.largest, |packet| {
                batch.push(packet.bytes, packet.cut_short);
            });
            match taken {
                Ok(()) => return Poll::Ready(Ok(true)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Poll::Ready(Err(self.refusal()));
                }
                Err(error) => return Poll::Ready(Err(Error::io("receiving", error))),
            }
        }
    }

    /// The kernel drops them, uncounted here.
    fn dropped(&self) -> u64 {
        0
    }
}
