//! A transfer over as many connections as it takes: encrypted, invited by a ticket, and made again when it is lost.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};
use unstick_wire::Framing;
use unstick_wire::limits::MAX_TRANSFER_MESSAGE;
use unstick_wire::transfer::Side;

use super::conversation::Conversation;
use super::credentials::Credentials;
use super::event::{Event, Observer, Tally};
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
use crate::limits::{RECONNECT_LONGEST, RECONNECT_PAUSE, TRANSFER_GUESTS};
use crate::link::{Link, Listener};
use crate::service::run::AcceptErrors;

/// What a transfer is about.
#[derive(Debug, Clone)]
pub enum Transfer {
    /// These go out.
    Send(Arc<Outgoing>),
    /// What comes goes here.
    Receive(Arc<Inbox>),
    /// The one file that comes is written here.
    ReceiveInto(Arc<Outlet>),
    /// What would come is told, and nothing of it is taken. A sender that waits goes on waiting.
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

/// Whether another connection may mend it.
fn is_mended_by_another(error: &Error) -> bool {
    error.io_kind().is_some()
        || error.is_timeout()
        || error.is_cut()
        || (error.is_unreachable() && !error.is_handshake())
}

/// Connects to whoever has made a ticket, and again whenever the connection is lost, until everything is resolved.
///
/// # Errors
///
/// Where the other side is another than the ticket says, or the protocol is broken.
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
    loop {
        let mut last = None;
        for at in &ticket.addresses {
            match open(at, &framings, &options).await {
                Ok(link) => {
                    pause = RECONNECT_PAUSE;
                    match call(transfer, link, ticket, pacing, observer).await {
                        Ok(tally) => return Ok(tally),
                        Err(error) => last = Some(error),
                    }
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or_else(|| Error::usage("the ticket has no address"));
        if !is_mended_by_another(&error) {
            return Err(error);
        }
        observer(Event::Lost { error: &error });
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RECONNECT_LONGEST);
    }
}

/// Opens a connection to an address of a ticket. Others than those have a meaning only where they were typed: a ticket that a
/// stranger made starts no command.
async fn open(at: &str, framings: &Framings, options: &Options) -> Result<Link> {
    match at.parse::<Address>()? {
        Address::Tcp(at) => {
            let address: Address = format!("tls://{at}").parse()?;
            crate::link::connect(&address, Some(framings), options).await
        }
        address if can_carry(&address) => tunnel::connect(&address, framings, options).await,
        _ => Err(Error::usage("the ticket has an address of a kind that no ticket has")),
    }
}

/// Whether TLS can lie inside it, and an address of it can be in a ticket.
fn can_carry(address: &Address) -> bool {
    matches!(address, Address::Unix(_) | Address::Ws(_) | Address::Wss(_) | Address::WsUnix(_))
}

async fn call(transfer: &Transfer, link: Link, ticket: &Ticket, pacing: Pacing, observer: &Observer) -> Result<Tally> {
    let talk = Conversation::call(link, transfer.side(), ticket.secret, pacing).await?;
    transfer.run(talk, true, observer).await
}

/// A listener for one transfer, with a ticket.
pub struct Invitation {
    listener: Listener,
    /// With which clients shake hands inside what carries them, where that has no TLS of its own.
    inside: Option<Arc<Options>>,
    ticket: Ticket,
    kept: Option<Credentials>,
}

impl Invitation {
    /// Listens at a host of this machine, and makes a ticket. With a path, key, secret and port are kept in that file, readable
    /// for this user only, and used again until the transfer is complete.
    ///
    /// # Errors
    ///
    /// Where nothing can be listened on there, or the file cannot be read or written.
    pub async fn open(host: &str, port: u16, path: Option<&Path>, options: &Options) -> Result<Self> {
        Self::open_at(&format!("{host}:{port}").parse()?, path, options).await
    }

    /// The same at any address that bytes can be carried to: `HOST:PORT`, `unix:PATH`, `ws://HOST:PORT/PATH`. TLS 1.3 lies inside.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); where the address is of another kind.
    pub async fn open_at(at: &Address, path: Option<&Path>, options: &Options) -> Result<Self> {
        let mut credentials = Credentials::open(path)?;
        let mut options = options.clone();
        options.tls.identity = Some(credentials.identity.clone());
        options.tls.newest_only = true;
        let (listener, inside) = match at {
            Address::Tcp(at) => {
                let port = credentials.port.filter(|_| at.port == 0).unwrap_or(at.port);
                let host = at.host.as_deref().unwrap_or("[::]");
                let host =
                    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
                let address: Address = format!("tls://{host}:{port}").parse()?;
                (crate::link::listen(&address, Some(&framings()?), &options).await?, None)
            }
            at if can_carry(at) => {
                let listener = crate::link::listen(at, Some(&tunnel::framings()?), &options).await?;
                (listener, Some(Arc::new(options)))
            }
            at => return Err(Error::usage(format!("{at}: no files can be sent through that"))),
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

    /// What the other side has to know.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Waits for whoever has the ticket, again whenever the connection is lost, until everything is resolved. Others are
    /// let go, and end nothing.
    ///
    /// # Errors
    ///
    /// Where the other side has the ticket, and breaks the protocol or refuses.
    pub async fn run(mut self, transfer: &Transfer, pacing: impl Into<Pacing>, observer: &Observer) -> Result<Tally> {
        let pacing = pacing.into();
        let (mut guests, mut oldest, mut errors) = (JoinSet::new(), VecDeque::new(), AcceptErrors::default());
        let mut current = None;
        loop {
            tokio::select! {
                biased;
                Some(guest) = guests.join_next() => {
                    oldest.retain(|guest: &AbortHandle| !guest.is_finished());
                    match guest {
                        // Whoever is invited and comes again has lost the connection before.
                        Ok(Ok(talk)) => current = Some(Box::pin(transfer.run(talk, false, observer))),
                        Ok(Err(error)) => observer(Event::Lost { error: &error }),
                        Err(_) => {}
                    }
                }
                outcome = async { current.as_mut().expect("it is there").await }, if current.is_some() => {
                    current = None;
                    match outcome {
                        Ok(tally) => {
                            if let Some(kept) = self.kept.filter(|_| tally.failed == 0) {
                                kept.remove();
                            }
                            return Ok(tally);
                        }
                        Err(error) if is_mended_by_another(&error) => observer(Event::Lost { error: &error }),
                        Err(error) => return Err(error),
                    }
                }
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
                    Err(error) => errors.handle(error, |error| observer(Event::Lost { error })).await,
                },
            }
        }
    }
}
