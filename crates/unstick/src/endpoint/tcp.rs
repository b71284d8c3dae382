//! `tcp://HOST:PORT`: every address tried, both families listened on.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::accepting::Patience;
use super::{Accept, End, Names, Options, StreamEnd, StreamRead, StreamWrite, resolve, shown, source_for};
use crate::address::HostPort;
use crate::error::{Error, Result};
use crate::limits;

impl StreamRead for OwnedReadHalf {}

impl StreamWrite for OwnedWriteHalf {
    fn reset(&mut self) {
        // Where it is refused the connection ends in order, which loses nothing.
        let _ = SockRef::from(self.as_ref()).set_linger(Some(Duration::ZERO));
        // The receiving half may hold the socket open for long: the peer is to know now.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::connect_unspec(self.as_ref());
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
    end(super::retrying(options, || try_all(at, options)).await?, options)
}

/// Tries each address in turn, each with its share of the time: one that never answers leaves some for the others. Says
/// of the first what was wrong: a refusal there tells more than that the second family is missing.
async fn try_all(at: &HostPort, options: &Options) -> Result<TcpStream> {
    let (begun, limit) = (Instant::now(), options.connect_timeout);
    let timed_out = || Error::timed_out(format!("connecting to tcp://{at}"), limit);
    let resolved = tokio::time::timeout(limit, resolve(at, options)).await;
    let mut addresses = resolved.unwrap_or_else(|_| Err(timed_out()))?;
    addresses.retain(|address| source_for(*address, options).is_ok());
    if addresses.is_empty() {
        return Err(Error::unreachable(format!("tcp://{at} has no address of the source's family"), None));
    }
    let mut failure = None;
    for (index, address) in addresses.iter().enumerate() {
        let tried = Instant::now();
        let share = limit.saturating_sub(begun.elapsed()) / (addresses.len() - index) as u32;
        let outcome = tokio::time::timeout(share, open(*address, options)).await;
        let error = match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                options.tell(|| format!("connected to {address} ({:.1?})", tried.elapsed()));
                return Ok(stream);
            }
            Err(error) => error,
        };
        options.tell(|| format!("{address}: {} ({:.1?})", crate::error::plain(&error), tried.elapsed()));
        failure.get_or_insert(error);
    }
    Err(match failure {
        Some(error) if error.kind() == io::ErrorKind::TimedOut => timed_out(),
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let error = Error::unreachable(format!("cannot connect to tcp://{at}"), error);
            error.with_hint("nothing listens there; --retry 10s keeps trying")
        }
        failure => Error::unreachable(format!("cannot connect to tcp://{at}"), failure),
    })
}

async fn open(address: SocketAddr, options: &Options) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source_for(address, options)? {
        socket.set_reuseaddr(true)?;
        socket.bind(source)?;
    }
    let stream = socket.connect(address).await?;
    // A port of this machine that nobody listens on can be picked for the connection's own end, and TCP then lets it
    // connect to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

fn end(stream: TcpStream, options: &Options) -> Result<StreamEnd> {
    let failed = |e| Error::io("the connection", e);
    prepare(&stream, options).map_err(failed)?;
    let names = Names {
        remote: shown(stream.peer_addr().map_err(failed)?),
        local: shown(stream.local_addr().map_err(failed)?),
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
                options.tell(|| format!("{address}: {}", crate::error::plain(&error)));
            }
            Err(error) => return Err(cannot_bind(at, address, error)),
        }
    }
    if sockets.is_empty() {
        return Err(Error::unreachable(format!("tcp://{at} has no address of this machine"), None));
    }
    let addresses = sockets.iter().filter_map(|s| s.local_addr().ok()).map(|a| format!("tcp://{a}")).collect();
    Ok(Listener { sockets, addresses, options: options.clone(), first: 0, patience: Patience::default() })
}

fn bind(address: SocketAddr, options: &Options) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(options.reuse_address)?;
    if address.is_ipv6() {
        // `[::]` is every address of both families.
        socket.set_only_v6(!address.ip().is_unspecified())?;
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
    /// The socket that is looked at first: each in turn, so that none starves the others.
    first: usize,
    patience: Patience,
}

impl Listener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        for step in 0..self.sockets.len() {
            let index = (self.first + step) % self.sockets.len();
            if let Poll::Ready(accepted) = self.sockets[index].poll_accept(cx) {
                self.first = index + 1;
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    }
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<End>> + Send + '_>> {
        Box::pin(async {
            loop {
                self.patience.wait().await;
                let stream = match poll_fn(|cx| self.poll_accept(cx)).await {
                    Ok(stream) => stream,
                    Err(error) => return Err(self.patience.failed(error)),
                };
                match end(stream, &self.options) {
                    Err(error) if error.io_kind() == Some(io::ErrorKind::NotConnected) => {
                        self.options.tell(|| "a connection was reset before it was accepted".to_owned());
                    }
                    other => return other.map(End::Stream),
                }
            }
        })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }
}
