//! The waist: an endpoint with a framing, which sends and receives whole messages.
//!
//! Not here: what a frame looks like (`wire`), and what a socket is ([`crate::endpoint`]). Services see only this.

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
    /// What the client of a WebSocket asked for.
    request: Option<Arc<endpoint::Request>>,
}

impl Link {
    /// Puts a framing around a stream. Of a preset whose sides differ this is the client's, unless the framings are
    /// somebody else's [already](Framings::as_seen_by).
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
    /// Where the outbound framing can only be read.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime: a task of it writes what is sent.
    pub fn framed(end: StreamTransport, framings: &Framings, options: &Options) -> Result<Self> {
        let framings = framings.as_seen_by(Role::Client);
        let mut encoder = framings.outbound.encoder()?;
        let mut decoder = framings.inbound.decoder();
        if let Some((outbound, inbound)) = framings.outbound.dialogue_with(&framings.inbound) {
            encoder.follow(&outbound);
            decoder.follow(&inbound);
        }
        decoder.set_frame_timeout(options.frame_timeout);
        // Of the framings that do not keep boundaries, one waits for a silence.
        let timed = options.frame_timeout.is_some() || !framings.inbound.keeps_boundaries();
        let sender = Sender::stream(end.writer, encoder);
        let receiver = Receiver::stream(end.reader, decoder, timed, sender.turn(), options.pending.share());
        Ok(Self { addrs: end.names, sender, receiver, request: None })
    }

    /// A link over any end: a stream is put in frames, a datagram already is a message.
    ///
    /// # Errors
    ///
    /// A usage error where a stream comes without a framing, or its framing can only be read.
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

    /// Who is at either end, as text and as addresses.
    pub fn addrs(&self) -> &PeerAddrs {
        &self.addrs
    }

    /// The peer's address and port, where its transport has such: TCP, UDP, TLS and WebSocket do.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.addrs.peer_addr
    }

    /// This side's address and port, where its transport has such.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addrs.local_addr
    }

    /// What the client of a WebSocket asked for as it opened it, where this end is the server.
    pub fn request(&self) -> Option<&endpoint::Request> {
        self.request.as_deref()
    }

    /// The two directions, to be used by two tasks.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// Sends one message; see [`Sender::send`]. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    pub fn send<'a>(&'a self, message: &'a [u8]) -> impl Future<Output = Result<()>> + Send + 'a {
        // Not an async fn: its future would borrow the receiving half too, and no task could be spawned with it.
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
    /// As [`connect`](fn@connect), and where the address means nothing.
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
    /// As [`connect`](fn@connect), and where the address means nothing.
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
    /// As [`listen`](fn@listen), and where the address means nothing.
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

/// Binds an address to be connected to.
///
/// # Errors
///
/// [`Error::is_unreachable`] where the address cannot be bound; the hint says who holds it, where that can be known. A
/// usage error where a stream comes without a framing.
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

/// A bound address that peers connect to. Dropping it lets nobody in any more; the links that it has accepted go on. On
/// UDP the address is free again when the last of them has gone.
pub struct Listener {
    endpoint: Box<dyn Accept>,
    framings: Option<Framings>,
    /// In a box: they are many.
    options: Box<Options>,
}

impl Listener {
    /// Listens on an address, with default options: `Listener::bind("127.0.0.1:8080", Framing::lines())`. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// As [`listen`](fn@listen), and where the address means nothing.
    pub async fn bind<A: TryInto<Address>>(address: A, framing: impl Into<Framings>) -> Result<Self>
    where
        Error: From<A::Error>,
    {
        Options::default().listen(address, framing).await
    }

    /// The next peer's link.
    ///
    /// # Errors
    ///
    /// What concerns one connection, or a lack of open files; the listener can go on.
    ///
    /// Cancel safe: no connection is lost.
    pub async fn accept(&mut self) -> Result<Link> {
        let end = self.endpoint.accept().await?;
        Link::new(end, self.framings.as_ref(), &self.options)
    }

    /// The same before it is put in frames: for whoever moves bytes. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub async fn accept_transport(&mut self) -> Result<Transport> {
        self.endpoint.accept().await
    }

    /// The address and port that it is really bound to, where its transport has such; the first, where there are several.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses().iter().find_map(|address| address.parse::<Address>().ok()?.socket_addr())
    }

    /// The addresses that it is really bound to, as `tcp://127.0.0.1:8080`.
    pub fn addresses(&self) -> &[String] {
        self.endpoint.addresses()
    }

    /// Whether one connection was handed over in place of a socket to listen on (systemd's `Accept=yes`):
    /// [`accept`](Self::accept) returns it once, and nobody else ever connects.
    pub fn serves_one(&self) -> bool {
        self.endpoint.serves_one()
    }

    /// Where a listener for datagrams reports those that reached no session; `None` on other transports. What it holds goes
    /// on counting when the listener has gone.
    pub fn notices(&self) -> Option<std::sync::Arc<endpoint::Notices>> {
        self.endpoint.notices()
    }

    /// Messages of peers that were not let in: on UDP, those beyond `max_sessions` at once.
    pub fn refused(&self) -> u64 {
        self.endpoint.refused()
    }
}
