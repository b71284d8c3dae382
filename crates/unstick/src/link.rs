//! A link: an endpoint with a framing, which sends and receives whole messages. All services sit on top of it.
//!
//! Not here: what a frame looks like (`wire`), and what a socket is ([`crate::endpoint`]). Services see only links.

mod buffer_pool;
mod outbox;
mod receiver;
mod sender;
#[cfg(feature = "sink")]
mod sink;

pub use receiver::Receiver;
pub use sender::Sender;
#[cfg(feature = "sink")]
pub use sink::MessageSink;

use std::net::SocketAddr;
use std::sync::Arc;

use unstick_wire::Role;

use crate::address::{Address, Framings};
use crate::endpoint::{self, Accept, Options, PeerAddrs, StreamTransport, Transport};
use crate::error::{Error, Result};

/// A conversation with one peer, in messages.
#[derive(Debug)]
pub struct Link {
    addrs: PeerAddrs,
    sender: Sender,
    receiver: Receiver,
    /// The request with which a client opened a WebSocket.
    request: Option<Arc<endpoint::Request>>,
}

impl Link {
    /// Puts a framing around a stream. If a preset's two sides differ, this end takes the client's side, unless the
    /// framings already have [a role](Framings::as_seen_by).
    ///
    /// ```
    /// use unstick::endpoint::{PeerAddrs, StreamTransport};
    /// use unstick::{Link, Options, wire::Framing};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> unstick::Result<()> {
    /// let (ours, theirs) = tokio::io::duplex(1024);
    /// let (reader, writer) = tokio::io::split(ours);
    /// let names = PeerAddrs::new("a pipe", "here");
    /// let end = StreamTransport::new(reader, writer, names);
    /// let link = Link::framed(end, &Framing::parse("netstring")?.into(), &Options::default())?;
    /// link.send(b"hello").await?;
    /// # let mut theirs = theirs;
    /// # let mut bytes = [0; 8];
    /// # tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut bytes).await.unwrap();
    /// # assert_eq!(&bytes, b"5:hello,");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the outbound framing can only be read.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, because one of its tasks writes the messages.
    pub fn framed(end: StreamTransport, framings: &Framings, options: &Options) -> Result<Self> {
        let framings = framings.as_seen_by(Role::Client);
        let mut encoder = framings.outbound.encoder()?;
        let mut decoder = framings.inbound.decoder();
        if let Some((outbound, inbound)) = framings.outbound.dialogue_with(&framings.inbound) {
            encoder.follow(&outbound);
            decoder.follow(&inbound);
        }
        decoder.set_frame_timeout(options.frame_timeout);
        // One of the framings that do not keep boundaries waits for a silence, and so may the choice of a framing.
        let inbound = &framings.inbound;
        let timed = options.frame_timeout.is_some() || !inbound.keeps_boundaries() || inbound.is_chosen();
        let sender = Sender::stream(end.writer, encoder);
        let receiver = Receiver::stream(end.reader, decoder, timed, sender.turn(), options.pending.share());
        Ok(Self { addrs: end.names, sender, receiver, request: None })
    }

    /// Makes a link over any transport: a stream gets a framing, a datagram already is a message.
    ///
    /// # Errors
    ///
    /// A usage error if a stream has no framing, or its framing can only be read.
    ///
    /// # Panics
    ///
    /// As [`framed`](Self::framed).
    pub fn new(end: Transport, framings: Option<&Framings>, options: &Options) -> Result<Self> {
        match (end, framings) {
            (Transport::Stream(end), Some(framings)) => Self::framed(end, framings, options),
            (Transport::Stream(_), None) => {
                Err(Error::usage("a stream needs a framing").with_hint("such as line or u32be"))
            }
            (Transport::Datagram(end), _) => Ok(Self {
                addrs: end.names,
                sender: Sender::datagram(end.outgoing),
                receiver: Receiver::datagram(end.incoming),
                request: None,
            }),
            (Transport::Message(end), _) => Ok(Self {
                addrs: end.names,
                sender: Sender::messages(end.outgoing, end.largest, end.text_only, Arc::clone(&end.closings)),
                receiver: Receiver::messages(end.incoming, end.closings),
                request: end.request,
            }),
        }
    }

    /// Returns the names of both ends, as text and as addresses.
    pub fn addrs(&self) -> &PeerAddrs {
        &self.addrs
    }

    /// Returns the peer's address and port, if its transport has them: TCP, UDP, TLS and WebSocket do.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.addrs.peer_addr
    }

    /// Returns this end's address and port, if its transport has them.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addrs.local_addr
    }

    /// Returns the request with which a client opened a WebSocket, if this end is the server.
    pub fn request(&self) -> Option<&endpoint::Request> {
        self.request.as_deref()
    }

    /// Splits the link into its two directions, for use by two tasks.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// Sends one message; see [`Sender::send`]. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    pub fn send<'a>(&'a self, message: &'a [u8]) -> impl Future<Output = Result<()>> + Send + 'a {
        // This is not an async fn: its future would borrow the receiving half too, and no task could be spawned with
        // it.
        self.sender.send(message)
    }

    /// Receives one message; see [`Receiver::recv`]. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    pub async fn recv(&mut self) -> Result<Option<bytes::Bytes>> {
        self.receiver.recv().await
    }
}

impl Link {
    /// Connects to an address, with default options: `Link::connect("localhost:8080", Framing::lines())`.
    ///
    /// ```
    /// use unstick::wire::Framing;
    /// use unstick::{Link, Listener};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> unstick::Result<()> {
    /// let mut listener = Listener::bind("tcp://127.0.0.1:0", Framing::length(4).big_endian()).await?;
    /// let at = listener.local_addr().expect("TCP has one");
    /// let client = Link::connect(at, Framing::length(4).big_endian()).await?;
    /// client.send(b"hello").await?;
    /// assert_eq!(listener.accept().await?.recv().await?.as_deref(), Some(&b"hello"[..]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](fn@connect), and if the address is not valid.
    pub async fn connect<A: TryInto<Address>>(address: A, framing: impl Into<Framings>) -> Result<Self>
    where
        Error: From<A::Error>,
    {
        Options::default().connect(address, framing).await
    }
}

impl Options {
    /// Connects with these options.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use unstick::{Options, wire::Framing};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> unstick::Result<()> {
    /// let options = Options::new().retry(Duration::from_secs(10)).frame_timeout(Duration::from_secs(5));
    /// let link = options.connect("tcp://example.org:7000", Framing::lines()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](fn@connect), and if the address is not valid.
    pub async fn connect<A: TryInto<Address>>(&self, address: A, framing: impl Into<Framings>) -> Result<Link>
    where
        Error: From<A::Error>,
    {
        let (address, framings) = (address.try_into()?, framing.into());
        connect(&address, Some(&framings), self).await
    }

    /// Listens with these options.
    ///
    /// # Errors
    ///
    /// As [`listen`](fn@listen), and if the address is not valid.
    pub async fn listen<A: TryInto<Address>>(&self, address: A, framing: impl Into<Framings>) -> Result<Listener>
    where
        Error: From<A::Error>,
    {
        let (address, framings) = (address.try_into()?, framing.into());
        listen(&address, Some(&framings), self).await
    }
}

/// Opens a link to an address. `framings` is for streams; a datagram needs none.
///
/// # Errors
///
/// As [`endpoint::connect`] and [`Link::new`].
///
/// Cancel safe: nothing remains open.
pub async fn connect(address: &Address, framings: Option<&Framings>, options: &Options) -> Result<Link> {
    let framings = framings.map(|framings| framings.as_seen_by(Role::Client));
    Link::new(endpoint::connect(address, options).await?, framings.as_ref(), options)
}

/// Binds an address, so that peers can connect to it.
///
/// # Errors
///
/// [`Error::is_unreachable`] if the address cannot be bound; the hint names the program that holds it, if that is
/// known. A usage error if a stream has no framing.
///
/// Cancel safe: nothing remains bound.
pub async fn listen(address: &Address, framings: Option<&Framings>, options: &Options) -> Result<Listener> {
    if address.is_stream() && framings.is_none() {
        return Err(Error::usage("a stream needs a framing").with_hint("such as line or u32be"));
    }
    let endpoint = endpoint::listen(address, options).await?;
    let framings = framings.map(|framings| framings.as_seen_by(Role::Server));
    Ok(Listener { endpoint, framings, options: Box::new(options.clone()) })
}

/// A bound address that peers connect to. After it is dropped, nobody can connect; links that it has accepted go on. On
/// UDP the address is free again when the last of these links is gone.
pub struct Listener {
    endpoint: Box<dyn Accept>,
    framings: Option<Framings>,
    /// In a box, because they are large.
    options: Box<Options>,
}

impl Listener {
    /// Listens on an address, with default options: `Listener::bind("127.0.0.1:8080", Framing::lines())`. Port 0 means
    /// any free port.
    ///
    /// # Errors
    ///
    /// As [`listen`](fn@listen), and if the address is not valid.
    pub async fn bind<A: TryInto<Address>>(address: A, framing: impl Into<Framings>) -> Result<Self>
    where
        Error: From<A::Error>,
    {
        Options::default().listen(address, framing).await
    }

    /// Accepts the next peer and returns its link.
    ///
    /// # Errors
    ///
    /// An error of one connection, or a lack of open files. The listener can go on.
    ///
    /// Cancel safe: no connection is lost.
    pub async fn accept(&mut self) -> Result<Link> {
        let end = self.accept_transport().await?;
        Link::new(end, self.framings.as_ref(), &self.options)
    }

    /// Accepts the next peer without a framing: for callers that move bytes. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub async fn accept_transport(&mut self) -> Result<Transport> {
        let end = self.endpoint.accept().await?;
        Ok(endpoint::recorded(end, self.options.recorder.as_ref()))
    }

    /// Returns the address and port that it is actually bound to, if its transport has them; the first, if there are
    /// several.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses().iter().find_map(|address| address.parse::<Address>().ok()?.socket_addr())
    }

    /// Returns the addresses that it is actually bound to, as `tcp://127.0.0.1:8080`.
    pub fn addresses(&self) -> &[String] {
        self.endpoint.addresses()
    }

    /// Whether systemd handed over one connection in place of a listening socket (`Accept=yes`). Then
    /// [`accept`](Self::accept) returns it once, and nobody else ever connects.
    pub fn serves_one(&self) -> bool {
        self.endpoint.serves_one()
    }

    /// Returns where a datagram listener reports datagrams that reached no session; `None` on other transports. It goes
    /// on counting when the listener is gone.
    pub fn notices(&self) -> Option<std::sync::Arc<endpoint::Notices>> {
        self.endpoint.notices()
    }

    /// Number of messages from peers that were refused: on UDP, those beyond `max_sessions` at once.
    pub fn refused(&self) -> u64 {
        self.endpoint.refused()
    }
}
