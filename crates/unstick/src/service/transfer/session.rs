//! An encrypted transfer between the two ends of a ticket. If a connection is lost, another one continues.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use unstick_wire::Framing;
use unstick_wire::limits::MAX_TRANSFER_MESSAGE;
use unstick_wire::transfer::Side;

use super::conversation::{Conversation, cut};
use super::credentials::Credentials;
use super::event::{Event, Next, Observer, Tally};
use super::inbox::Inbox;
use super::outgoing::Outgoing;
use super::outlet::Outlet;
use super::pacing::Pacing;
use super::reachable::{bound, reachable, reachable_inside};
use super::receiving::Target;
use super::ticket::Ticket;
use super::tunnel;
use super::{looking, receiving, sending};
use crate::address::{Address, Framings};
use crate::endpoint::Options;
use crate::error::{Error, Result};
use crate::limits::{RECONNECT_LONGEST, RECONNECT_PAUSE, TRANSFER_GUESTS, TRANSFER_LINGER};
use crate::link::{Link, Listener};
use crate::service::run::AcceptErrors;

/// What a transfer does.
#[derive(Debug, Clone)]
pub enum Transfer {
    /// Sends these files.
    Send(Arc<Outgoing>),
    /// Receives files into this directory.
    Receive(Arc<Inbox>),
    /// Receives one file into this descriptor.
    ReceiveInto(Arc<Outlet>),
    /// Reports what would arrive, and takes nothing. A sender that listens goes on waiting.
    Look,
}

impl Transfer {
    fn side(&self) -> Side {
        match self {
            Self::Send(_) => Side::Sender,
            Self::Receive(_) | Self::ReceiveInto(_) | Self::Look => Side::Receiver,
        }
    }

    async fn run(&self, talk: Conversation, hello: bool, observer: &Observer) -> Result<Tally> {
        match self {
            Self::Send(files) => sending::run(talk, files, hello, observer).await,
            Self::Receive(inbox) => receiving::run(talk, &Target::Inbox(Arc::clone(inbox)), hello, observer).await,
            Self::ReceiveInto(outlet) => {
                receiving::run(talk, &Target::Outlet(Arc::clone(outlet)), hello, observer).await
            }
            Self::Look => looking::run(talk, hello, observer).await,
        }
    }
}

fn framings() -> Result<Framings> {
    Ok(Framing::parse(&format!("u32be,max={MAX_TRANSFER_MESSAGE}"))?.into())
}

/// Whether a new connection can help after this error.
fn is_mended_by_another(error: &Error) -> bool {
    error.io_kind().is_some()
        || error.is_timeout()
        || error.is_cut()
        || (error.is_unreachable() && !error.is_handshake())
}

/// Connects to the side that made the ticket. Reconnects when the connection is lost, until every entry is resolved.
///
/// # Errors
///
/// If the other side is not the one in the ticket, breaks the protocol, or refuses.
pub async fn connect(
    transfer: &Transfer,
    ticket: &Ticket,
    options: &Options,
    pacing: impl Into<Pacing>,
    observer: &Observer,
) -> Result<Tally> {
    let pacing = pacing.into();
    let mut options = options.clone();
    options.tls.pins = vec![ticket.fingerprint];
    options.tls.newest_only = true;
    let framings = framings()?;
    let mut pause = RECONNECT_PAUSE;
    let mut last_words = LastWords::default();
    loop {
        let mut last = None;
        for at in &ticket.addresses {
            match open(at, &framings, &options).await.map_err(stranger) {
                Ok(link) => {
                    let (progress, watched) = Progress::watched(last_words.observer(observer));
                    match call(transfer, link, ticket, pacing, &watched).await {
                        Ok(tally) => match last_words.over(tally) {
                            Some(tally) => return Ok(tally),
                            None => last = Some(cut("the connection was lost at the very end")),
                        },
                        Err(error) => last = Some(error),
                    }
                    // A server that accepts and drops at once is as good as none.
                    if progress.was_made() {
                        pause = RECONNECT_PAUSE;
                    }
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or_else(|| Error::usage("the ticket has no address"));
        if let Some((tally, until)) = last_words.waiting {
            // A sender that no longer listens has ended, because it knew.
            if error.is_unreachable() || Instant::now() + pause > until {
                return Ok(tally);
            }
        } else if !is_mended_by_another(&error) {
            return Err(error);
        } else {
            observer(Event::Lost { error: &error, next: Next::Connect(pause) });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RECONNECT_LONGEST);
    }
}

/// A receiver that has everything, and a sender that may not know it.
#[derive(Default)]
struct LastWords {
    /// What to return, and when at the latest.
    waiting: Option<(Tally, Instant)>,
}

impl LastWords {
    /// Takes the outcome of a connection. Returns the transfer's, if it is over.
    fn over(&mut self, tally: Tally) -> Option<Tally> {
        match (self.waiting, tally.unconfirmed) {
            // The files of the first connection count, and those of this one are the same.
            (Some((first, _)), false) => Some(first),
            (Some(_), true) => None,
            (None, false) => Some(tally),
            (None, true) => {
                self.waiting = Some((tally, Instant::now() + TRANSFER_LINGER));
                None
            }
        }
    }

    /// The observer of the next connection. A connection that only tells the sender reports nothing again.
    fn observer(&self, observer: &Observer) -> Observer {
        match self.waiting {
            Some(_) => Arc::new(|_| {}),
            None => Arc::clone(observer),
        }
    }

    /// Waits until it is too late for the sender to come.
    async fn too_late(&self) -> Tally {
        match self.waiting {
            Some((tally, until)) => {
                tokio::time::sleep_until(until).await;
                tally
            }
            None => std::future::pending().await,
        }
    }
}

/// Whether a connection has brought the transfer further. How long it lasted says nothing here: a transfer that is cut every few
/// seconds goes on, and must not wait longer each time.
#[derive(Default)]
struct Progress(AtomicBool);

impl Progress {
    /// Also returns an observer that passes everything on and notes progress.
    fn watched(observer: Observer) -> (Arc<Self>, Observer) {
        let progress = Arc::new(Self::default());
        let (noted, told) = (Arc::clone(&progress), observer);
        let watched = move |event: Event<'_>| {
            if matches!(event, Event::Moved { .. } | Event::Resolved { .. }) {
                noted.0.store(true, Ordering::Relaxed);
            }
            told(event);
        };
        (progress, Arc::new(watched))
    }

    fn was_made(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Adds a hint to the error of a server that is not the one of the ticket.
fn stranger(error: Error) -> Error {
    match error.is_handshake() {
        true => {
            error.with_hint("what answers there has not made this ticket: ask the other side for its current ticket")
        }
        false => error,
    }
}

/// Opens a connection to an address of a ticket. Other kinds of addresses are allowed only if the user types them.
/// So a ticket from a stranger can start no command.
async fn open(at: &str, framings: &Framings, options: &Options) -> Result<Link> {
    match at.parse::<Address>()? {
        Address::Tcp(at) => {
            let address: Address = format!("tls://{at}").parse()?;
            crate::link::connect(&address, Some(framings), options).await
        }
        address if can_carry(&address) => tunnel::connect(&address, framings, options).await,
        _ => Err(Error::usage("the ticket has an address of a kind that tickets may not have")),
    }
}

/// Listens at every address of this machine. `[::]` covers both families if the machine has IPv6.
async fn listen_everywhere(port: u16, options: &Options) -> Result<Listener> {
    match listen_at("::", port, options).await {
        // If another program holds the port, half of the families would be no help: clients could reach that program.
        Err(error) if !matches!(error.io_kind(), Some(ErrorKind::AddrInUse | ErrorKind::PermissionDenied)) => {
            listen_at("0.0.0.0", port, options).await.map_err(|_| error)
        }
        listening => listening,
    }
}

async fn listen_at(host: &str, port: u16, options: &Options) -> Result<Listener> {
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let address: Address = format!("tls://{host}:{port}").parse()?;
    crate::link::listen(&address, Some(&framings()?), options).await
}

/// Adds to the error of a port that nobody typed where the port comes from.
fn of_kept_port(error: Error) -> Error {
    let kept = "the ticket of an earlier run names this port: is the same command running already? With another port it makes another ticket";
    match (error.io_kind(), error.hint()) {
        (Some(ErrorKind::AddrInUse), Some(hint)) => {
            let hint = format!("{hint}; {kept}");
            error.with_hint(hint)
        }
        _ => error,
    }
}

/// Whether TLS can run inside this kind of address, and a ticket can name it.
fn can_carry(address: &Address) -> bool {
    matches!(address, Address::Unix(_) | Address::Ws(_) | Address::Wss(_) | Address::WsUnix(_))
}

async fn call(transfer: &Transfer, link: Link, ticket: &Ticket, pacing: Pacing, observer: &Observer) -> Result<Tally> {
    let talk = Conversation::call(link, transfer.side(), ticket.secret, pacing).await?;
    transfer.run(talk, true, observer).await
}

/// A listener for one transfer, and its ticket.
pub struct Invitation {
    listener: Listener,
    /// For a transport without TLS of its own: the options for the TLS handshake inside it.
    inside: Option<Arc<Options>>,
    ticket: Ticket,
    kept: Option<Credentials>,
}

impl Invitation {
    /// Listens at any address that TLS 1.3 can run inside (`HOST:PORT`, `unix:PATH`, `ws://HOST:PORT/PATH`), and makes a
    /// ticket. With a `path`, key, secret and port are kept in that file, readable only for this user. They are used again
    /// until the transfer is complete.
    ///
    /// # Errors
    ///
    /// If it cannot listen there, the address is of another kind, or the file cannot be read or written.
    pub async fn open(at: &Address, path: Option<&Path>, options: &Options) -> Result<Self> {
        let mut credentials = Credentials::open(path)?;
        let mut options = options.clone();
        options.tls.identity = Some(credentials.identity.clone());
        options.tls.newest_only = true;
        let (listener, inside) = match at {
            Address::Tcp(at) => {
                let port = credentials.port.filter(|_| at.port == 0).unwrap_or(at.port);
                let listener = match at.host.as_deref() {
                    None => listen_everywhere(port, &options).await,
                    Some(host) => listen_at(host, port, &options).await,
                };
                (listener.map_err(|error| if port == at.port { error } else { of_kept_port(error) })?, None)
            }
            at if can_carry(at) => {
                let listener = crate::link::listen(at, Some(&tunnel::framings()?), &options).await?;
                (listener, Some(Arc::new(options)))
            }
            at => {
                let error = Error::usage(format!("{at}: a transfer cannot use this kind of address"));
                return Err(match at {
                    Address::Tls(_) => error.with_hint("HOST:PORT has TLS in any case: leave out tls://"),
                    _ => error.with_hint("it can use HOST:PORT, unix:, ws://, wss:// and ws+unix:"),
                });
            }
        };
        let addresses = match inside {
            None => {
                let bound: Vec<SocketAddr> = listener.addresses().iter().filter_map(|at| bound(at)).collect();
                credentials.keep(bound.first().map_or(0, SocketAddr::port))?;
                reachable(&bound)
            }
            Some(_) => {
                credentials.keep(0)?;
                listener.addresses().iter().flat_map(|at| reachable_inside(at)).collect()
            }
        };
        let ticket = Ticket { addresses, fingerprint: credentials.identity.fingerprint(), secret: credentials.secret };
        Ok(Self { listener, inside, ticket, kept: path.is_some().then_some(credentials) })
    }

    /// The ticket for the other side.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Waits for the side that has the ticket, and again whenever the connection is lost, until every entry is
    /// resolved. Clients without the ticket are turned away, and do not end the transfer.
    ///
    /// # Errors
    ///
    /// If the side with the ticket breaks the protocol or refuses.
    pub async fn run(mut self, transfer: &Transfer, pacing: impl Into<Pacing>, observer: &Observer) -> Result<Tally> {
        let pacing = pacing.into();
        let (mut guests, mut oldest, mut errors) = (JoinSet::new(), VecDeque::new(), AcceptErrors::default());
        let (mut current, mut last_words) = (None, LastWords::default());
        loop {
            let next = if current.is_some() { Next::GoOn } else { Next::Wait };
            tokio::select! {
                biased;
                Some(guest) = guests.join_next() => {
                    oldest.retain(|guest: &AbortHandle| !guest.is_finished());
                    match guest {
                        // A client that has the secret and comes again has lost its earlier connection.
                        Ok(Ok(talk)) => {
                            let observer = last_words.observer(observer);
                            current = Some(Box::pin(async move { transfer.run(talk, false, &observer).await }));
                        }
                        Ok(Err(error)) => observer(Event::Lost { error: &error, next }),
                        Err(_) => {}
                    }
                }
                outcome = async { current.as_mut().expect("it is there").await }, if current.is_some() => {
                    current = None;
                    match outcome {
                        Ok(tally) => {
                            if let Some(tally) = last_words.over(tally) {
                                return Ok(self.end(tally));
                            }
                        }
                        Err(_) if last_words.waiting.is_some() => {}
                        Err(error) if is_mended_by_another(&error) => {
                            observer(Event::Lost { error: &error, next: Next::Wait });
                        }
                        Err(error) => return Err(error),
                    }
                }
                tally = last_words.too_late(), if current.is_none() => return Ok(self.end(tally)),
                link = self.listener.accept() => match link {
                    Ok(link) => {
                        if guests.len() >= TRANSFER_GUESTS && let Some(first) = oldest.pop_front() {
                            first.abort();
                        }
                        let (side, secret, inside) = (transfer.side(), self.ticket.secret, self.inside.clone());
                        oldest.push_back(guests.spawn(async move {
                            let link = match inside {
                                Some(options) => tunnel::accept(link, &framings()?, &options).await?,
                                None => link,
                            };
                            Conversation::answer(link, side, secret, pacing).await
                        }));
                    }
                    Err(error) => errors.handle(error, |error| observer(Event::Lost { error, next })).await,
                },
            }
        }
    }

    /// The transfer is over: its ticket is of no use any more, unless a file has failed.
    fn end(&mut self, tally: Tally) -> Tally {
        if let Some(kept) = self.kept.take_if(|_| tally.failed == 0) {
            kept.remove();
        }
        tally
    }
}
