//! Endpoints: one file a transport. Streams and datagrams are different types: a framing wraps a stream, a datagram
//! already is a message.
//!
//! Not here: framings. What an endpoint hands out is put into frames by [`crate::link`].

mod accepting;
mod datagrams;
mod exec;
mod foreign;
mod handshakes;
mod holder;
mod inbox;
#[cfg(unix)]
mod inherited;
mod mem;
mod notices;
mod proxy;
#[cfg(unix)]
mod ready;
#[cfg(all(unix, feature = "serial"))]
mod serial;
#[cfg(unix)]
mod socket_file;
mod stdio;
mod tcp;
mod tls;
mod udp;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_dgram;
#[cfg(unix)]
mod unix_packets;
#[cfg(unix)]
mod unix_seqpacket;
pub(crate) mod write_error;
pub(crate) mod ws;
#[cfg(unix)]
pub(crate) mod ws_unix;
pub(crate) mod wss;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::address::{Address, HostPort};
use crate::budget::PendingBudget;
use crate::error::{Error, Result};
use crate::limits;
use crate::processes::Processes;

pub(crate) use datagrams::{Batch, RecvDatagrams};
use foreign::Foreign;
#[cfg(unix)]
pub use inherited::Inherited;
pub use notices::{Notice, Notices};
pub use proxy::Proxy;
#[cfg(unix)]
pub(crate) use ready::ReadySocket;
pub use tls::{Authorities, Fingerprint, Identity, TlsOptions};
pub(crate) use ws::Closings;
pub use ws::{Closing, MessageKind, Request, WsOptions};

/// What can be asked of an endpoint when it is opened.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// How long connecting may take, all addresses together. 10 s.
    pub connect_timeout: Duration,
    /// Keep trying to connect for so long after a refusal.
    pub retry: Option<Duration>,
    /// The address and port to connect from.
    pub source: Option<SocketAddr>,
    /// Send small segments at once instead of waiting to fill one (`TCP_NODELAY`). True.
    pub nodelay: bool,
    /// Ask a silent TCP peer whether it is still there, so often. One that has not answered after [`limits::UNANSWERED`] times as
    /// long has gone, and so has one that has not acknowledged, for as long, what was sent to it.
    pub keepalive: Option<Duration>,
    /// The same of connections that a listener accepts, where `keepalive` names no time: a peer that is asked and does not answer
    /// has gone. One that answers stays, though it reads nothing. [`limits::ACCEPTED_KEEPALIVE`].
    pub accepted_keepalive: Option<Duration>,
    /// Bytes that the system takes for a TCP peer ahead of what its connection can carry (`TCP_NOTSENT_LOWAT`, on Linux); what
    /// the system likes where nothing is said. With less, it is seen earlier that a peer does not read.
    pub max_unsent: Option<u32>,
    /// Listen on a port whose earlier connections still linger in the kernel (`SO_REUSEADDR`). True.
    pub reuse_address: bool,
    /// The longest time from a frame's first byte to its last.
    pub frame_timeout: Option<Duration>,
    /// What the unfinished frames of all links that are opened with these options may hold together. 256 MiB.
    pub pending: PendingBudget,
    /// The permissions of the file of a `unix:` socket that is listened on, as chmod takes them; what umask leaves where
    /// nothing is said.
    pub mode: Option<u32>,
    /// Sockets that were handed over: listening takes one of them, and binds none.
    #[cfg(unix)]
    pub inherited: Option<Arc<Inherited>>,
    /// What an `exec:` command finds in its environment besides this process's own.
    pub environment: Vec<(String, String)>,
    /// How many `exec:` commands run at once, and where their standard error goes. A further one waits for `connect_timeout`.
    pub processes: Processes,
    /// The proxy through which TCP, and what is spoken over it, is connected.
    pub proxy: Option<Proxy>,
    /// How long a serial line has to be silent, once the sending side has ended, until the conversation counts as over: nobody
    /// at the other end sees this one's end, or says its own. 1 s.
    pub serial_quiet: Duration,
    /// What is asked of UDP sockets.
    pub udp: UdpOptions,
    /// What is asked of TLS.
    pub tls: TlsOptions,
    /// What is asked of WebSocket.
    pub ws: WsOptions,
    /// Is told of names resolved, addresses tried and times taken.
    pub trace: Option<Trace>,
}

/// A listener to what happens while an endpoint is opened.
pub type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// What is asked of UDP sockets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UdpOptions {
    /// Allow sending to broadcast addresses.
    pub broadcast: bool,
    /// Multicast groups to join when listening.
    pub join: Vec<IpAddr>,
    /// Hops that multicast datagrams may take.
    pub ttl: Option<u32>,
    /// The interface for multicast, by name, number or address.
    pub interface: Option<String>,
    /// How long a session lives without a datagram. 300 s.
    pub session_idle: Duration,
    /// Sessions at once; the datagrams of further peers are dropped and counted. 10,000.
    pub max_sessions: usize,
    /// Bytes of the largest datagram that is received whole; longer ones are cut short and counted. 65,535.
    pub largest: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: limits::CONNECT_TIMEOUT,
            retry: None,
            source: None,
            nodelay: true,
            keepalive: None,
            accepted_keepalive: Some(limits::ACCEPTED_KEEPALIVE),
            max_unsent: None,
            reuse_address: true,
            frame_timeout: None,
            pending: PendingBudget::default(),
            mode: None,
            #[cfg(unix)]
            inherited: None,
            environment: Vec::new(),
            processes: Processes::default(),
            proxy: None,
            serial_quiet: limits::SERIAL_QUIET,
            udp: UdpOptions::default(),
            tls: TlsOptions::default(),
            ws: WsOptions::default(),
            trace: None,
        }
    }
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self {
            broadcast: false,
            join: Vec::new(),
            ttl: None,
            interface: None,
            session_idle: limits::SESSION_IDLE,
            max_sessions: limits::MAX_SESSIONS,
            largest: limits::LARGEST_DATAGRAM,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

impl Options {
    /// Tells the trace, if there is one. The text is only made where somebody listens.
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace(&what());
        }
    }
}

/// Who is at either end, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The peer: `127.0.0.1:51234`.
    pub remote: String,
    /// This side.
    pub local: String,
}

/// The receiving half of a stream.
pub(crate) trait StreamRead: AsyncRead + Send + Unpin {
    /// Whether its end is that of both directions: nobody is there any more.
    fn ends_both(&self) -> bool {
        false
    }

    /// Ready when the connection fails, with its error: for who has read its end and reads no more. A peer that goes in order is
    /// no failure. `None` where the transport cannot tell.
    fn lost(&mut self) -> Option<Lost<'_>> {
        None
    }

    /// As [`StreamWrite::reset`]: for who does not have the other half any more.
    fn reset(&mut self) {}

    /// The socket itself, where bytes can be taken off it past this half.
    #[cfg(unix)]
    fn ready(&self) -> Option<ReadySocket<'_>> {
        None
    }
}

/// How a connection fails that nobody reads any more.
pub(crate) type Lost<'a> = Pin<Box<dyn Future<Output = io::Error> + Send + 'a>>;

/// The sending half of a stream. Shutting it down half-closes, where the transport can.
pub(crate) trait StreamWrite: AsyncWrite + Send + Unpin {
    /// Makes the connection end in a reset instead of an orderly end, where the transport can.
    fn reset(&mut self) {}

    /// Writes at once as much as goes without waiting, where the transport can.
    fn try_write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// The socket itself, where bytes can be put onto it past this half.
    #[cfg(unix)]
    fn ready(&self) -> Option<ReadySocket<'_>> {
        None
    }

    /// The socket itself, for moving bytes without looking at them.
    #[cfg(unix)]
    fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

/// One open end of a stream.
pub struct StreamEnd {
    pub(crate) reader: Box<dyn StreamRead>,
    pub(crate) writer: Box<dyn StreamWrite>,
    pub(crate) names: Names,
}

impl StreamEnd {
    /// An end of any other stream: a pipe, a child process, a stream that is encrypted or made of something else.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        names: Names,
    ) -> Self {
        let (reader, writer) = write_error::halves(Foreign(reader), Foreign(writer));
        Self { reader: Box::new(reader), writer: Box::new(writer), names }
    }

    /// Who is at either end.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The socket itself, where there is one: for what is asked of sockets only.
    #[cfg(unix)]
    pub fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.writer.socket()
    }
}

/// One end of a conversation in datagrams.
pub struct DatagramEnd {
    pub(crate) incoming: Box<dyn RecvDatagrams>,
    pub(crate) outgoing: Arc<dyn SendDatagram>,
    pub(crate) names: Names,
}

/// One end of a conversation in messages that arrive all of them, in order, until it ends: for both sides at once, there is
/// no half-close.
///
/// Neither of the others: a stream would need a framing, and what is a datagram may be lost and has no queue.
pub struct MessageEnd {
    pub(crate) incoming: Box<dyn RecvDatagrams>,
    /// Takes records: the length of a message in [`RECORD`] bytes, the highest first, and the message. Never a part of one,
    /// though many at once. The length's highest bit says that it is to be a binary message. Shutting it down ends the
    /// conversation.
    pub(crate) outgoing: Box<dyn StreamWrite>,
    /// Bytes of the longest message that can be sent.
    pub(crate) largest: usize,
    /// What is not UTF-8 cannot be sent.
    pub(crate) text_only: bool,
    pub(crate) names: Names,
    /// What the client asked for as it opened the conversation, where this end is the server.
    pub(crate) request: Option<Arc<Request>>,
    /// How it is closed.
    pub(crate) closings: Arc<Closings>,
}

impl MessageEnd {
    /// What the client asked for as it opened the conversation, where this end is the server.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }
}

/// Bytes of the length in front of a message on its way to a [`MessageEnd`].
pub(crate) const RECORD: usize = 4;

/// The longest message in bytes of which such a record can tell: the highest bit has a meaning of its own.
pub(crate) const LARGEST_RECORD: u32 = u32::MAX >> 1;

/// The sending side of a datagram session.
pub(crate) trait SendDatagram: Send + Sync {
    /// Sends at once, or says `WouldBlock`.
    fn try_send(&self, message: &[u8]) -> io::Result<()>;

    /// Resolves when sending may work again.
    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>;

    /// Whether the peer sees the end of what is sent, and its own end is seen.
    fn ends(&self) -> bool {
        false
    }

    /// Ends the sending side, where the peer sees that.
    fn finish(&self) {}

    /// What the network has said by now of a message that was sent and did not arrive, if anything; told once.
    fn failure(&self) -> Option<Error> {
        None
    }

    /// What to do about a message that is too large for the transport.
    fn too_large(&self) -> String {
        format!("a UDP datagram carries at most {} bytes", limits::LARGEST_PAYLOAD)
    }
}

/// One open end of any transport.
pub enum End {
    /// Bytes, to be framed.
    Stream(StreamEnd),
    /// Messages already.
    Datagram(DatagramEnd),
    /// Messages already, none of which is lost.
    Message(MessageEnd),
}

/// A bound endpoint that others connect to.
pub(crate) trait Accept: Send {
    /// The next one who comes. Cancel safe.
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = Result<End>> + Send + '_>>;

    /// The addresses that it is really bound to, as `tcp://127.0.0.1:8080`.
    fn addresses(&self) -> &[String];

    /// Whether there is one connection and no more: it was handed over to this process.
    fn serves_one(&self) -> bool {
        false
    }

    /// Messages of peers that were not let in.
    fn refused(&self) -> u64 {
        0
    }

    /// Where datagrams are counted that reached no session.
    fn notices(&self) -> Option<Arc<Notices>> {
        None
    }
}

/// Opens a connection.
///
/// # Errors
///
/// [`Error::is_unreachable`] where nobody answers or a name does not resolve; [`Error::is_timeout`] after
/// `connect_timeout`.
///
/// Cancel safe: nothing remains open.
pub async fn connect(address: &Address, options: &Options) -> Result<End> {
    match address {
        Address::Tcp(at) => tcp::connect(at, options).await.map(End::Stream),
        Address::Udp(at) => udp::connect(at, options).await.map(End::Datagram),
        Address::Tls(at) => tls::connect(at, options).await.map(End::Stream),
        Address::Ws(at) => ws::connect(at, options).await.map(End::Message),
        Address::Wss(at) => wss::connect(at, options).await.map(End::Message),
        #[cfg(unix)]
        Address::WsUnix(at) => ws_unix::connect(at, options).await.map(End::Message),
        #[cfg(unix)]
        Address::Unix(name) => unix::connect(name, options).await.map(End::Stream),
        #[cfg(unix)]
        Address::UnixDgram(name) => unix_dgram::connect(name, options).await.map(End::Datagram),
        #[cfg(unix)]
        Address::UnixSeqpacket(name) => unix_seqpacket::connect(name, options).await.map(End::Datagram),
        #[cfg(not(unix))]
        Address::WsUnix(_) | Address::Unix(_) | Address::UnixDgram(_) | Address::UnixSeqpacket(_) => {
            Err(not_here(address))
        }
        #[cfg(all(unix, feature = "serial"))]
        Address::Serial(line) => serial::connect(line, options).await.map(End::Stream),
        #[cfg(not(all(unix, feature = "serial")))]
        Address::Serial(_) => Err(no_serial_lines(address)),
        Address::Exec(command) => exec::connect(command, options).await.map(End::Stream),
        Address::Mem(name) => mem::connect(name).map(End::Stream),
        Address::Stdio => stdio::open().map(End::Stream),
    }
}

/// Binds an address to be connected to.
pub(crate) async fn listen(address: &Address, options: &Options) -> Result<Box<dyn Accept>> {
    Ok(match address {
        Address::Tcp(at) => Box::new(tcp::listen(at, options).await?),
        Address::Udp(at) => Box::new(udp::listen(at, options).await?),
        Address::Tls(at) => Box::new(tls::listen(at, options).await?),
        Address::Ws(at) => Box::new(ws::listen(at, options).await?),
        Address::Wss(at) => Box::new(wss::listen(at, options).await?),
        #[cfg(unix)]
        Address::WsUnix(at) => Box::new(ws_unix::listen(at, options)?),
        #[cfg(unix)]
        Address::Unix(name) => Box::new(unix::listen(name, options)?),
        #[cfg(unix)]
        Address::UnixDgram(name) => Box::new(unix_dgram::listen(name, options)?),
        #[cfg(unix)]
        Address::UnixSeqpacket(name) => Box::new(unix_seqpacket::listen(name, options)?),
        #[cfg(not(unix))]
        Address::WsUnix(_) | Address::Unix(_) | Address::UnixDgram(_) | Address::UnixSeqpacket(_) => {
            return Err(not_here(address));
        }
        #[cfg(all(unix, feature = "serial"))]
        Address::Serial(line) => Box::new(serial::listen(line, options)?),
        #[cfg(not(all(unix, feature = "serial")))]
        Address::Serial(_) => return Err(no_serial_lines(address)),
        Address::Mem(name) => Box::new(mem::listen(name)?),
        Address::Exec(_) => {
            return Err(Error::usage("nobody can connect to a command")
                .with_hint("connect exec:COMMAND, or listen ADDRESS --to exec:COMMAND"));
        }
        Address::Stdio => return Err(Error::usage("nobody can connect to standard input").with_hint("use connect -")),
    })
}

/// A transport that this system does not have.
#[cfg(not(unix))]
fn not_here(address: &Address) -> Error {
    Error::usage(format!("{address} is for systems that have such sockets"))
}

/// Serial lines were left out of this build.
#[cfg(not(all(unix, feature = "serial")))]
fn no_serial_lines(address: &Address) -> Error {
    let error = Error::usage(format!("{address}: this build has no serial lines"));
    error.with_hint(match cfg!(unix) {
        true => "the feature `serial` of the crate unstick has them",
        false => "they work on Linux, macOS and other Unix systems",
    })
}

/// Tries something, and again until `retry` is over: what is connected to may not be there yet.
async fn retrying<T, F>(options: &Options, mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begun = std::time::Instant::now();
    loop {
        match attempt().await {
            Err(error) if !error.is_usage() && retries(options, begun) => {
                options.tell(|| format!("{error}; trying again"));
                tokio::time::sleep(limits::RETRY_PAUSE).await;
            }
            Err(error) => return Err(hint_after(error, options)),
            done => return done,
        }
    }
}

/// What to do where nothing listens.
const NOTHING_THERE: &str = "nothing listens there; --retry 10s keeps trying";

/// Who has kept trying is not told to.
fn hint_after(error: Error, options: &Options) -> Error {
    match options.retry {
        Some(retry) if error.hint() == Some(NOTHING_THERE) => {
            error.with_hint(format!("nothing has listened there for {retry:?} (--retry)"))
        }
        _ => error,
    }
}

fn retries(options: &Options, begun: std::time::Instant) -> bool {
    options.retry.is_some_and(|retry| begun.elapsed() + limits::RETRY_PAUSE < retry)
}

/// Resolves a host and port; numbers need no resolver.
pub(crate) async fn resolve(at: &HostPort, options: &Options) -> Result<Vec<SocketAddr>> {
    if let Ok(ip) = at.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, at.port)]);
    }
    if at.host.is_none() {
        return Ok(vec![
            SocketAddr::from(([127, 0, 0, 1], at.port)),
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], at.port)),
        ]);
    }
    let begun = std::time::Instant::now();
    let found = tokio::net::lookup_host((at.host(), at.port)).await;
    let found: Vec<_> = found.map_err(|e| Error::unreachable(format!("cannot resolve {}", at.host()), e))?.collect();
    if found.is_empty() {
        return Err(Error::unreachable(format!("{} has no address", at.host()), None));
    }
    options.tell(|| {
        let list: Vec<_> = found.iter().map(|a| a.ip().to_string()).collect();
        format!("{} is {} ({:.1?})", at.host(), list.join(", "), begun.elapsed())
    });
    Ok(found)
}

/// Whether a listener can do without an address that it could not be bound to: this machine does not speak that family,
/// or another program holds, on one family, the port that was picked on the other.
fn may_be_missing(at: &HostPort, error: &io::Error, have_another: bool) -> bool {
    if at.port == 0 && have_another {
        return true;
    }
    #[cfg(unix)]
    let unknown_family = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    #[cfg(not(unix))]
    let unknown_family = error.raw_os_error() == Some(10_047); // WSAEAFNOSUPPORT
    let missing = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported);
    (missing || unknown_family) && (at.host.is_none() || have_another)
}

/// An address as users know it: a socket of both families sees those of the older one in the newer one's form.
fn shown(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())).to_string(),
        IpAddr::V6(_) => address.to_string(),
    }
}

/// Adds to a failed bind what to do about it.
fn bind_hint(error: Error, kind: io::ErrorKind, port: u16, holder: impl Fn(u16) -> Option<String>) -> Error {
    match kind {
        io::ErrorKind::AddrInUse => error.with_hint(match holder(port) {
            Some(who) => format!("port {port} is held by {who}"),
            None => format!("port {port} is held by another program; port 0 picks a free one"),
        }),
        io::ErrorKind::PermissionDenied => error.with_hint("ports under 1024 need more rights on most systems"),
        io::ErrorKind::AddrNotAvailable => error.with_hint("that address is not of this machine"),
        _ => error,
    }
}

/// Where to connect from, if that was said; an error where it is of the other family. Without an address, a source is a
/// port on either family.
fn source_for(address: SocketAddr, options: &Options) -> io::Result<Option<SocketAddr>> {
    match options.source {
        Some(source) if source.is_ipv4() == address.is_ipv4() => Ok(Some(source)),
        Some(source) if source.ip().is_unspecified() && address.is_ipv4() => {
            Ok(Some(([0, 0, 0, 0], source.port()).into()))
        }
        Some(source) if source.ip().is_unspecified() => Ok(Some(([0u16; 8], source.port()).into())),
        Some(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
        None => Ok(None),
    }
}
