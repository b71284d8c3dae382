//! `tcp://HOST:PORT`: every address tried, both families listened on.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{Accept, End, Names, Options, StreamEnd, StreamRead, StreamWrite, resolve};
use crate::address::HostPort;
use crate::error::{Error, Result};
use crate::limits;

impl StreamRead for OwnedReadHalf {}

impl StreamWrite for OwnedWriteHalf {
    fn reset(&mut self) {
        // Where it is refused the connection ends in order, which loses nothing.
        let _ = SockRef::from(self.as_ref()).set_linger(Some(Duration::ZERO));
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        OwnedWriteHalf::try_write(self, bytes)
    }

    #[cfg(unix)]
    fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        Some(self.as_ref().as_fd())
    }
}

/// Connects, trying again until `retry` is over.
pub(super) async fn connect(at: &HostPort, options: &Options) -> Result<StreamEnd> {
    let begun = Instant::now();
    loop {
        let tried = tokio::time::timeout(options.connect_timeout, try_all(at, options)).await;
        let error = match tried {
            Ok(Ok(stream)) => return end(stream, options),
            Ok(Err(error)) => error,
            Err(_) => Error::timed_out(format!("connecting to tcp://{at}"), options.connect_timeout),
        };
        match options.retry {
            Some(retry) if begun.elapsed() + limits::RETRY_PAUSE < retry => {
                options.tell(|| format!("{error}; trying again"));
                tokio::time::sleep(limits::RETRY_PAUSE).await;
            }
            _ => return Err(error),
        }
    }
}

/// Tries each address in turn, and says of the last what was wrong.
async fn try_all(at: &HostPort, options: &Options) -> Result<TcpStream> {
    let mut failure = None;
    for address in resolve(at, options).await? {
        let begun = Instant::now();
        match open(address, options).await {
            Ok(stream) => {
                options.tell(|| format!("connected to {address} ({:.1?})", begun.elapsed()));
                return Ok(stream);
            }
            Err(error) => {
                options.tell(|| format!("{address}: {error} ({:.1?})", begun.elapsed()));
                // A refusal from the first address says more than that the second family is missing.
                failure.get_or_insert(error);
            }
        }
    }
    let refused = failure.as_ref().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
    let error = Error::unreachable(format!("cannot connect to tcp://{at}"), failure);
    Err(if refused { error.with_hint("nothing listens there; --retry 10s keeps trying") } else { error })
}

async fn open(address: SocketAddr, options: &Options) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = options.source {
        socket.set_reuseaddr(true)?;
        socket.bind(source)?;
    }
    socket.connect(address).await
}

fn end(stream: TcpStream, options: &Options) -> Result<StreamEnd> {
    let failed = |e| Error::io("the connection", e);
    prepare(&stream, options).map_err(failed)?;
    let names = Names {
        remote: stream.peer_addr().map_err(failed)?.to_string(),
        local: stream.local_addr().map_err(failed)?.to_string(),
    };
    let (reader, writer) = stream.into_split();
    Ok(StreamEnd { reader: Box::new(reader), writer: Box::new(writer), names })
}

fn prepare(stream: &TcpStream, options: &Options) -> io::Result<()> {
    if options.nodelay {
        stream.set_nodelay(true)?;
    }
    if let Some(every) = options.keepalive {
        SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(every).with_interval(every))?;
    }
    Ok(())
}

/// Binds every address of the host: without a host, loopback of both families on one port.
pub(super) async fn listen(at: &HostPort, options: &Options) -> Result<Listener> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut port = at.port;
    for mut address in resolve(at, options).await? {
        address.set_port(port);
        match bind(address, options) {
            Ok(socket) => {
                // Port 0 is picked once, and is then the same for the other family.
                port = socket.local_addr().map_or(port, |bound| bound.port());
                sockets.push(socket);
            }
            Err(error) if super::may_be_missing(at, &error, !sockets.is_empty()) => {
                options.tell(|| format!("{address}: {error}"));
            }
            Err(error) => return Err(cannot_bind(at, address, error)),
        }
    }
    if sockets.is_empty() {
        return Err(Error::unreachable(format!("tcp://{at} has no address of this machine"), None));
    }
    let addresses = sockets.iter().filter_map(|s| s.local_addr().ok()).map(|a| format!("tcp://{a}")).collect();
    Ok(Listener { sockets, addresses, options: options.clone() })
}

fn bind(address: SocketAddr, options: &Options) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(options.reuse_address)?;
    if address.is_ipv6() && !address.ip().is_unspecified() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn cannot_bind(at: &HostPort, address: SocketAddr, error: io::Error) -> Error {
    let kind = error.kind();
    let what = Error::unreachable(format!("cannot listen on tcp://{address}"), error);
    super::bind_hint(what, kind, at.port, super::holder::of_tcp_port)
}

pub(super) struct Listener {
    sockets: Vec<TcpListener>,
    addresses: Vec<String>,
    options: Options,
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<End>> + Send + '_>> {
        Box::pin(async {
            let accepted = poll_fn(|cx| {
                for socket in &self.sockets {
                    if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                        return Poll::Ready(accepted);
                    }
                }
                Poll::Pending
            });
            let (stream, _) = accepted.await.map_err(|e| Error::io("accepting", e))?;
            end(stream, &self.options).map(End::Stream)
        })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }
}
