//! The options with which an endpoint is opened.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::family::AddressFamily;
#[cfg(feature = "proxy")]
use super::proxy::settings::Proxy;
use super::record::Recorder;
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

/// The options with which an endpoint is opened.
#[derive(Clone)]
#[non_exhaustive]
#[must_use = "options do nothing until something is opened with them"]
pub struct Options {
    /// How long connecting may take, for all addresses together. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long to keep trying to connect after a refusal.
    pub retry: Option<Duration>,
    /// Use only addresses of this family, if a host has both.
    pub family: Option<AddressFamily>,
    /// The address and port to connect from.
    pub source: Option<SocketAddr>,
    /// Whether to send small segments at once, instead of waiting to fill one (`TCP_NODELAY`). Default: true.
    pub nodelay: bool,
    /// How often to probe a silent TCP peer. A peer counts as gone if it has not answered after [`limits::UNANSWERED`]
    /// times this time. So does one that has not acknowledged sent data for as long.
    pub keepalive: Option<Duration>,
    /// The same for connections that a listener accepts, if `keepalive` is not set: a peer that does not answer a probe
    /// counts as gone. A peer that answers stays, even if it reads nothing. Default: [`limits::ACCEPTED_KEEPALIVE`].
    pub accepted_keepalive: Option<Duration>,
    /// Bytes that the system accepts for a TCP peer beyond what its connection can carry (`TCP_NOTSENT_LOWAT`, on
    /// Linux). Default: the system's own choice. A smaller number shows sooner that a peer does not read.
    pub max_unsent: Option<u32>,
    /// Whether to listen on a port whose earlier connections still linger in the kernel (`SO_REUSEADDR`). Default:
    /// true.
    pub reuse_address: bool,
    /// The longest time from a frame's first byte to its last.
    pub frame_timeout: Option<Duration>,
    /// The memory that the unfinished frames of all links opened with these options may hold together, with the room of
    /// their buffers. Default: 24 MiB.
    pub pending: PendingBudget,
    /// The permissions of the file of a listening `unix:` socket, as chmod takes them. Default: what umask leaves.
    pub mode: Option<u32>,
    /// Sockets that were handed over to this process: a listener takes one of them instead of binding one.
    #[cfg(unix)]
    pub inherited: Option<Arc<Inherited>>,
    /// Variables added to the environment of an `exec:` command, besides this process's own.
    pub environment: Vec<(String, String)>,
    /// How many `exec:` commands run at once, and where their standard error goes. A further command waits for
    /// `connect_timeout`.
    #[cfg(feature = "exec")]
    pub processes: Processes,
    /// The proxy for TCP connections, and for all protocols over TCP.
    #[cfg(feature = "proxy")]
    pub proxy: Option<Proxy>,
    /// Hosts that are connected to directly although there is a proxy, as they are written in an address.
    #[cfg(feature = "proxy")]
    pub unproxied: Vec<String>,
    /// Once the sending side has ended, silence on a serial line after which the conversation counts as over: nobody at
    /// the other end sees this end's end of file, or sends one. Default: 1 s.
    pub serial_quiet: Duration,
    /// The options of UDP sockets.
    pub udp: UdpOptions,
    /// The options of TLS.
    #[cfg(feature = "tls")]
    pub tls: TlsOptions,
    /// The options of WebSocket.
    #[cfg(feature = "ws")]
    pub ws: WsOptions,
    /// Called with the names resolved, addresses tried and times taken.
    pub trace: Option<Trace>,
    /// Takes a copy of everything that passes.
    pub recorder: Option<Arc<dyn Recorder>>,
}

/// A callback for what happens while an endpoint is opened.
pub type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// The options of UDP sockets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UdpOptions {
    /// Whether sending to broadcast addresses is allowed.
    pub broadcast: bool,
    /// Multicast groups to join when listening.
    pub join: Vec<IpAddr>,
    /// Hops that multicast datagrams may take.
    pub ttl: Option<u32>,
    /// The interface for multicast, by name, number or address.
    pub interface: Option<String>,
    /// How long a session lives without a datagram. Default: 300 s.
    pub session_idle: Duration,
    /// Maximum number of sessions at once; the datagrams of further peers are dropped and counted. Default: 10,000.
    pub max_sessions: usize,
    /// Bytes of the largest datagram that is received whole; longer ones are cut short and counted. Default: 65,535.
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
            #[cfg(feature = "proxy")]
            unproxied: Vec::new(),
            serial_quiet: limits::SERIAL_QUIET,
            udp: UdpOptions::default(),
            #[cfg(feature = "tls")]
            tls: TlsOptions::default(),
            #[cfg(feature = "ws")]
            ws: WsOptions::default(),
            trace: None,
            recorder: None,
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
    /// Number of sessions that may wait to be accepted: as many as may be open, with an upper limit.
    pub(super) fn waiting_sessions(&self) -> usize {
        self.max_sessions.clamp(1, limits::MAX_SESSIONS)
    }
}

/// Setters to chain; every field can also be set directly.
impl Options {
    /// Creates the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long connecting may take, for all addresses together.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Keeps trying to connect for this time after a refusal.
    pub fn retry(mut self, time: Duration) -> Self {
        self.retry = Some(time);
        self
    }

    /// The address and port to connect from.
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets whether small segments are sent at once (`TCP_NODELAY`).
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Sets how often to probe a silent TCP peer.
    pub fn keepalive(mut self, every: Duration) -> Self {
        self.keepalive = Some(every);
        self
    }

    /// The longest time from a frame's first byte to its last.
    pub fn frame_timeout(mut self, timeout: Duration) -> Self {
        self.frame_timeout = Some(timeout);
        self
    }

    /// Sets the memory that unfinished frames may hold together.
    pub fn pending(mut self, budget: PendingBudget) -> Self {
        self.pending = budget;
        self
    }

    /// Sets the proxy for TCP connections.
    #[cfg(feature = "proxy")]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// The options of TLS.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// The options of WebSocket.
    #[cfg(feature = "ws")]
    pub fn ws(mut self, ws: WsOptions) -> Self {
        self.ws = ws;
        self
    }

    /// Sets a callback for names resolved, addresses tried and times taken.
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
    /// Tells the trace, if there is one, and the `tracing` subscriber. The text is made only if somebody listens.
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

    /// Returns the sockets for a host and port that were handed over; none if no sockets were.
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

    /// Returns the socket for a name of this machine that was handed over; `None` if no sockets were.
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
