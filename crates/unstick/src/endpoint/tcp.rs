//! `tcp://HOST:PORT`: tries every address of a host, and listens on both families.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::accepting::{self, AcceptBackoff, One};
#[cfg(any(feature = "tls", feature = "ws"))]
use super::handshakes::Arrivals;
use super::options::Options;
use super::port_owner;
#[cfg(feature = "proxy")]
use super::proxy;
#[cfg(unix)]
use super::ready::ReadySocket;
use super::resolve::{cannot_bind, may_be_missing, nothing_there, resolve, retrying, source_for};
use super::transport::{Accept, Lost, PeerAddrs, StreamRead, StreamTransport, StreamWrite, Transport};
use super::write_error::{self, Half};
use crate::address::HostPort;
use crate::error::{Error, Result};
use crate::limits;
use crate::sock_diag::Table;

impl StreamRead for Half<OwnedReadHalf> {
    fn lost(&mut self) -> Option<Lost<'_>> {
        Some(Box::pin(async {
            let socket: &TcpStream = self.get().as_ref();
            // This fails only when the runtime ends, and then nobody waits any more.
            let _ = socket.ready(Interest::ERROR).await;
            write_error::of_socket(socket.take_error())
        }))
    }

    fn reset(&mut self) {
        reset(self.get().as_ref());
    }

    fn unacknowledged(&self) -> Option<u32> {
        unacknowledged(self.get().as_ref())
    }

    #[cfg(unix)]
    fn ready(&self) -> Option<ReadySocket<'_>> {
        Some(ReadySocket::tcp(self.get().as_ref(), self.failed()))
    }
}

impl StreamWrite for Half<OwnedWriteHalf> {
    fn reset(&mut self) {
        reset(self.get().as_ref());
    }

    fn unacknowledged(&self) -> Option<u32> {
        unacknowledged(self.get().as_ref())
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.failed().during(|| self.get().try_write(bytes))
    }

    #[cfg(unix)]
    fn ready(&self) -> Option<ReadySocket<'_>> {
        Some(ReadySocket::tcp(self.get().as_ref(), self.failed()))
    }

    #[cfg(unix)]
    fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        Some(self.get().as_ref().as_fd())
    }
}

/// Number of bytes that the peer's system has not acknowledged; a half-close on its way counts as one.
pub(super) fn unacknowledged(stream: &TcpStream) -> Option<u32> {
    let (local, remote) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
    Some(Table::open().ok()?.connected(local, remote).ok()??.unsent)
}

/// Ends a connection in a reset.
pub(super) fn reset(stream: &TcpStream) {
    // If the system refuses this, the connection ends in order, which loses nothing.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    // The receiving half may hold the socket open for long, but the peer should learn of it now.
    #[cfg(target_os = "linux")]
    let _ = rustix::net::connect_unspec(stream);
}

pub(super) async fn connect(at: &HostPort, options: &Options) -> Result<StreamTransport> {
    let (stream, names) = dial(at, "tcp", options).await?;
    Ok(transport(stream, names))
}

/// A connection, and the names of both its ends.
type Named = (TcpStream, PeerAddrs);

/// Connects, trying again until `retry` is over. Errors name the address with `scheme`.
pub(super) async fn dial(at: &HostPort, scheme: &str, options: &Options) -> Result<Named> {
    let (stream, names) = retrying(options, || reach(at, scheme, options)).await?;
    prepare(&SockRef::from(&stream), options).map_err(|e| Error::io("the connection", e))?;
    Ok((stream, names))
}

/// Connects once, through the proxy if there is one for this host.
#[cfg(feature = "proxy")]
async fn reach(at: &HostPort, scheme: &str, options: &Options) -> Result<Named> {
    let proxy = options.proxy.as_ref().filter(|_| !options.unproxied.iter().any(|host| host == at.host()));
    let Some(proxy) = proxy else { return try_all(at, scheme, options).await };
    let (mut stream, names) = try_all(proxy.at(), &format!("the proxy {}", proxy.scheme()), options).await?;
    let begun = Instant::now();
    let passed = tokio::time::timeout(options.connect_timeout, Box::pin(proxy::pass(&mut stream, proxy, at))).await;
    passed.unwrap_or_else(|_| {
        Err(Error::timed_out(format!("connecting to {scheme}://{at} through {proxy}"), options.connect_timeout))
    })?;
    options.tell(|| format!("{proxy} has connected to {at} ({:.1?})", begun.elapsed()));
    Ok((stream, names))
}

/// Connects once.
#[cfg(not(feature = "proxy"))]
async fn reach(at: &HostPort, scheme: &str, options: &Options) -> Result<Named> {
    try_all(at, scheme, options).await
}

/// Tries each address in turn, each with its share of the time, so that one that never answers leaves some for the
/// others. Reports the error of the first: its refusal tells more than that the second family is missing.
async fn try_all(at: &HostPort, scheme: &str, options: &Options) -> Result<Named> {
    let (begun, limit) = (Instant::now(), options.connect_timeout);
    let timed_out = || Error::timed_out(format!("connecting to {scheme}://{at}"), limit);
    let resolved = tokio::time::timeout(limit, resolve(at, options)).await;
    let mut addresses = resolved.unwrap_or_else(|_| Err(timed_out()))?;
    addresses.retain(|address| source_for(*address, options).is_ok());
    if addresses.is_empty() {
        return Err(Error::unreachable(format!("{scheme}://{at} has no address of the source's family"), None));
    }
    let mut failure = None;
    for (index, address) in addresses.iter().enumerate() {
        let tried = Instant::now();
        let share = limit.saturating_sub(begun.elapsed()) / (addresses.len() - index) as u32;
        let outcome = tokio::time::timeout(share, open(*address, options)).await;
        let error = match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(named) => {
                options.tell(|| format!("connected to {address} ({:.1?})", tried.elapsed()));
                return Ok(named);
            }
            Err(error) => error,
        };
        options.tell(|| format!("{address}: {} ({:.1?})", crate::error::plain(&error), tried.elapsed()));
        failure.get_or_insert(error);
    }
    Err(match failure {
        Some(error) if error.kind() == io::ErrorKind::TimedOut => timed_out(),
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            nothing_there(Error::unreachable(format!("cannot connect to {scheme}://{at}"), error))
        }
        failure => Error::unreachable(format!("cannot connect to {scheme}://{at}"), failure),
    })
}

async fn open(address: SocketAddr, options: &Options) -> io::Result<Named> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source_for(address, options)? {
        socket.set_reuseaddr(true)?;
        socket.bind(source)?;
    }
    let stream = socket.connect(address).await?;
    let local = stream.local_addr()?;
    // The address that stands for all of this machine is no peer's own.
    let peer = if address.ip().to_canonical().is_unspecified() { stream.peer_addr()? } else { address };
    // The system can pick a local port that nobody listens on for the connection's own end. TCP then lets it connect to
    // itself.
    if local == peer {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok((stream, PeerAddrs::of_sockets(peer, local)))
}

fn transport(stream: TcpStream, names: PeerAddrs) -> StreamTransport {
    let (reader, writer) = stream.into_split();
    let (reader, writer) = write_error::halves(reader, writer);
    StreamTransport { reader: Box::new(reader), writer: Box::new(writer), names }
}

fn prepare(socket: &Socket, options: &Options) -> io::Result<()> {
    if options.nodelay {
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(every) = options.keepalive {
        keep_alive(socket, every)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(bounded(every).saturating_mul(limits::UNANSWERED + 1)))?;
    }
    #[cfg(target_os = "linux")]
    if let Some(most) = options.max_unsent {
        socket.set_tcp_notsent_lowat(most)?;
    }
    Ok(())
}

/// Prepares an accepted connection. On Linux this prepares the listening socket instead, from which connections inherit
/// all of it: that saves five system calls for each. It sets no TCP_USER_TIMEOUT unless a user asks for one: that would
/// also end a live client that is stopped for some minutes and has no room for what it was sent.
fn prepare_accepted(socket: &Socket, options: &Options) -> io::Result<()> {
    prepare(socket, options)?;
    match options.accepted_keepalive {
        Some(every) if options.keepalive.is_none() => keep_alive(socket, every),
        _ => Ok(()),
    }
}

/// Turns on keep-alive probes.
fn keep_alive(socket: &Socket, every: Duration) -> io::Result<()> {
    let every = bounded(every);
    let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
    let set = socket.set_tcp_keepalive(&keepalive.clone().with_retries(limits::UNANSWERED));
    // Windows has let programs set the number of probes since 2017 (10, version 1703), and Wine does not: there are ten.
    if cfg!(windows) { set.or_else(|_| socket.set_tcp_keepalive(&keepalive)) } else { set }
}

/// Limits a time to what the system accepts: it refuses others, and the connection would be lost for that.
fn bounded(every: Duration) -> Duration {
    every.clamp(limits::SHORTEST_KEEPALIVE, limits::LONGEST_KEEPALIVE)
}

pub(super) async fn listen(at: &HostPort, options: &Options) -> Result<Listener> {
    bind_all(at, "tcp", options).await
}

/// Binds every address of the host; without a host, loopback of both families on one port. Addresses are shown with
/// `scheme`.
pub(super) async fn bind_all(at: &HostPort, scheme: &str, options: &Options) -> Result<Listener> {
    let mut sockets: Vec<Bound> = Vec::new();
    #[cfg(unix)]
    for socket in options.inherited_ports(at, Type::STREAM)? {
        if super::socket_activation::is_connection(&socket) {
            let connection = TcpStream::from_std(socket.into()).map_err(|e| Error::io("the socket", e))?;
            return handed_over(scheme, connection, options);
        }
        let socket = TcpListener::from_std(socket.into()).map_err(|e| Error::io("the socket", e))?;
        sockets.push(Bound { socket, local: None });
    }
    if !sockets.is_empty() {
        // Other processes share these sockets, so their options stay as they are.
        return Ok(listener(scheme, sockets, false, options));
    }
    let mut port = at.port;
    for mut address in resolve(at, options).await? {
        address.set_port(port);
        match bind(address, options) {
            Ok(socket) => {
                // The system picks port 0's number once; the other family then gets the same one.
                let local = socket.local_addr().ok();
                port = local.map_or(port, |bound| bound.port());
                let local = local.filter(|bound| !bound.ip().to_canonical().is_unspecified());
                sockets.push(Bound { socket, local });
            }
            Err(error) if may_be_missing(at, &error, !sockets.is_empty()) => {
                options.tell(|| format!("{address}: {}", crate::error::plain(&error)));
            }
            Err(error) => {
                let what = format!("cannot listen on {scheme}://{address}");
                return Err(cannot_bind(what, address, error, port_owner::of_tcp_port));
            }
        }
    }
    if sockets.is_empty() {
        return Err(Error::unreachable(format!("{scheme}://{at} has no address of this machine"), None));
    }
    Ok(listener(scheme, sockets, BEQUEATHS, options))
}

fn listener(scheme: &str, sockets: Vec<Bound>, are_prepared: bool, options: &Options) -> Listener {
    let addresses = sockets.iter().filter_map(|bound| bound.socket.local_addr().ok());
    let addresses = addresses.map(|address| format!("{scheme}://{address}")).collect();
    let (first, patience, one) = (0, AcceptBackoff::default(), One::default());
    Listener { sockets, addresses, options: options.clone(), are_prepared, first, patience, one }
}

/// Makes a listener that has one connection to hand out, and no socket.
#[cfg(unix)]
fn handed_over(scheme: &str, connection: TcpStream, options: &Options) -> Result<Listener> {
    let address = connection.local_addr().map_err(|e| Error::io("the socket", e))?;
    let (addresses, one) =
        (vec![format!("{scheme}://{}", super::resolve::display_address(address))], One::new(connection));
    let (sockets, options, patience) = (Vec::new(), options.clone(), AcceptBackoff::default());
    Ok(Listener { sockets, addresses, options, are_prepared: false, first: 0, patience, one })
}

/// Whether a connection inherits the options of its listening socket. Other systems document this less than Linux does.
const BEQUEATHS: bool = cfg!(target_os = "linux");

fn bind(address: SocketAddr, options: &Options) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(options.reuse_address)?;
    if address.is_ipv6() {
        // `[::]` is every address of both families.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if BEQUEATHS {
        prepare_accepted(&socket, options)?;
    }
    socket.listen(limits::BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket that clients connect to.
struct Bound {
    socket: TcpListener,
    /// The one address at which clients reach it, so that the system need not be asked for each connection. `None` if
    /// it may have several, or if another process made the socket.
    local: Option<SocketAddr>,
}

pub(super) struct Listener {
    sockets: Vec<Bound>,
    addresses: Vec<String>,
    options: Options,
    /// Whether its connections inherit their options from its sockets.
    are_prepared: bool,
    /// The socket that is polled first: each in turn, so that none starves the others.
    first: usize,
    patience: AcceptBackoff,
    /// The connection that was handed over.
    one: One<TcpStream>,
}

impl Listener {
    /// Accepts the next connection. Returns the addresses of its ends too, as far as they are known without another
    /// system call.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        if let Some(stream) = self.one.take() {
            return Poll::Ready(Ok(Accepted { stream, peer: None, local: None }));
        }
        for step in 0..self.sockets.len() {
            let index = (self.first + step) % self.sockets.len();
            let Bound { socket, local } = &self.sockets[index];
            if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                self.first = index + 1;
                return Poll::Ready(accepted.map(|(stream, peer)| Accepted {
                    stream,
                    peer: Some(peer),
                    local: *local,
                }));
            }
        }
        Poll::Pending
    }

    /// Makes a connection ready for use.
    fn prepared(&self, accepted: Accepted) -> io::Result<Named> {
        let Accepted { stream, peer, local } = accepted;
        if !self.are_prepared {
            prepare_accepted(&SockRef::from(&stream), &self.options)?;
        }
        let peer = peer.map_or_else(|| stream.peer_addr(), Ok)?;
        let local = local.map_or_else(|| stream.local_addr(), Ok)?;
        Ok((stream, PeerAddrs::of_sockets(peer, local)))
    }

    /// Accepts the next connection, before any protocol. Cancel safe.
    async fn accept_stream(&mut self) -> Result<Named> {
        loop {
            self.patience.wait().await;
            let accepted = poll_fn(|cx| self.poll_accept(cx)).await;
            // An error on a connection that was accepted concerns only that connection.
            match accepted.and_then(|accepted| self.prepared(accepted).map_err(as_of_one_client)) {
                Ok(named) => return Ok(named),
                Err(error) => {
                    let refused = error.get_ref().map(|refused| format!("a connection was closed at once: {refused}"));
                    if let Some(error) = self.patience.failed(error) {
                        return Err(error);
                    }
                    let gone = || "a client reset its connection before it was accepted".to_owned();
                    self.options.tell(|| refused.unwrap_or_else(gone));
                }
            }
        }
    }
}

/// A connection in the form in which the system returns it.
struct Accepted {
    stream: TcpStream,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
}

fn as_of_one_client(error: io::Error) -> io::Error {
    if accepting::is_of_one_client(&error) { error } else { io::Error::new(io::ErrorKind::ConnectionAborted, error) }
}

impl Accept for Listener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<Transport>> + Send + '_>> {
        Box::pin(async {
            let (stream, names) = self.accept_stream().await?;
            Ok(Transport::Stream(transport(stream, names)))
        })
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        self.one.is_all()
    }
}

#[cfg(any(feature = "tls", feature = "ws"))]
impl Arrivals for Listener {
    type Stream = TcpStream;

    fn next(&mut self) -> impl Future<Output = Result<(TcpStream, PeerAddrs)>> + Send {
        self.accept_stream()
    }

    async fn spoken(stream: &TcpStream) {
        // If this fails, the handshake reports why.
        let _ = stream.readable().await;
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn serves_one(&self) -> bool {
        self.one.is_all()
    }
}
