//! What can be asked of an endpoint when it is opened.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::family::AddressFamily;
#[cfg(feature = "proxy")]
use super::proxy::settings::Proxy;
#[cfg(unix)]
use super::socket_activation::Inherited;
#[cfg(feature = "tls")]
use super::tls::settings::TlsOptions;
#[cfg(feature = "ws")]
use super::ws::settings::WsOptions;
#[cfg(unix)]
use crate::address::{HostPort, SocketName};
use crate::budget::PendingBudget;
#[cfg(unix)]
use crate::error::Result;
use crate::limits;
#[cfg(feature = "exec")]
use crate::processes::Processes;

/// What can be asked of an endpoint when it is opened.
#[derive(Clone)]
#[non_exhaustive]
#[must_use = "options do nothing until something is opened with them"]
pub struct Options {
    /// How long connecting may take, all addresses together. 10 s.
    pub connect_timeout: Duration,
    /// Keep trying to connect for so long after a refusal.
    pub retry: Option<Duration>,
    /// Use only addresses of this family, where a host has both.
    pub family: Option<AddressFamily>,
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
    /// What the unfinished frames of all links that are opened with these options may hold together, with the room of
    /// their buffers. 24 MiB.
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
    #[cfg(feature = "exec")]
    pub processes: Processes,
    /// The proxy through which TCP, and what is spoken over it, is connected.
    #[cfg(feature = "proxy")]
    pub proxy: Option<Proxy>,
    /// How long a serial line has to be silent, once the sending side has ended, until the conversation counts as over: nobody
    /// at the other end sees this one's end, or says its own. 1 s.
    pub serial_quiet: Duration,
    /// What is asked of UDP sockets.
    pub udp: UdpOptions,
    /// What is asked of TLS.
    #[cfg(feature = "tls")]
    pub tls: TlsOptions,
    /// What is asked of WebSocket.
    #[cfg(feature = "ws")]
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
            family: None,
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
            #[cfg(feature = "exec")]
            processes: Processes::default(),
            #[cfg(feature = "proxy")]
            proxy: None,
            serial_quiet: limits::SERIAL_QUIET,
            udp: UdpOptions::default(),
            #[cfg(feature = "tls")]
            tls: TlsOptions::default(),
            #[cfg(feature = "ws")]
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

impl UdpOptions {
    /// How many sessions may wait to be accepted: as many as may be open, within reason.
    pub(super) fn waiting_sessions(&self) -> usize {
        self.max_sessions.clamp(1, limits::MAX_SESSIONS)
    }
}

/// Setters to be chained; every field can be set by itself too.
impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long connecting may take, all addresses together.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Keeps trying to connect for so long after a refusal.
    pub fn retry(mut self, time: Duration) -> Self {
        self.retry = Some(time);
        self
    }

    /// The address and port to connect from.
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Whether small segments are sent at once (`TCP_NODELAY`).
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Asks a silent TCP peer, so often, whether it is still there.
    pub fn keepalive(mut self, every: Duration) -> Self {
        self.keepalive = Some(every);
        self
    }

    /// The longest time from a frame's first byte to its last.
    pub fn frame_timeout(mut self, timeout: Duration) -> Self {
        self.frame_timeout = Some(timeout);
        self
    }

    /// What unfinished frames may hold together.
    pub fn pending(mut self, budget: PendingBudget) -> Self {
        self.pending = budget;
        self
    }

    /// The proxy through which TCP is connected.
    #[cfg(feature = "proxy")]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// What is asked of TLS.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// What is asked of WebSocket.
    #[cfg(feature = "ws")]
    pub fn ws(mut self, ws: WsOptions) -> Self {
        self.ws = ws;
        self
    }

    /// Tells of names resolved, addresses tried and times taken.
    pub fn trace(mut self, trace: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.trace = Some(Arc::new(trace));
        self
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

impl Options {
    /// Tells the trace, if there is one, and the subscriber of tracing. The text is only made where somebody listens.
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        #[cfg(feature = "tracing")]
        let is_traced = tracing::enabled!(tracing::Level::DEBUG);
        #[cfg(not(feature = "tracing"))]
        let is_traced = false;
        if self.trace.is_none() && !is_traced {
            return;
        }
        let text = what();
        #[cfg(feature = "tracing")]
        tracing::debug!("{text}");
        if let Some(trace) = &self.trace {
            trace(&text);
        }
    }

    /// The sockets for a host and port that were handed over; none where nothing was.
    ///
    /// # Errors
    ///
    /// As [`Inherited::take_ports`].
    #[cfg(unix)]
    pub(super) fn inherited_ports(&self, at: &HostPort, kind: socket2::Type) -> Result<Vec<socket2::Socket>> {
        let Some(inherited) = &self.inherited else { return Ok(Vec::new()) };
        let found = inherited.take_ports(at, kind)?;
        self.tell(|| format!("the socket for {at} was handed over (LISTEN_FDS)"));
        Ok(found)
    }

    /// The socket for a name of this machine that was handed over; none where nothing was.
    ///
    /// # Errors
    ///
    /// As [`Inherited::take_named`].
    #[cfg(unix)]
    pub(super) fn inherited_name(&self, name: &SocketName, kind: socket2::Type) -> Result<Option<socket2::Socket>> {
        let Some(inherited) = &self.inherited else { return Ok(None) };
        let found = inherited.take_named(name, kind)?;
        self.tell(|| format!("the socket for {name} was handed over (LISTEN_FDS)"));
        Ok(found)
    }
}
