//! A listener that receives files from many clients at once, or sends files to them. No client can end it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::{Inbox, Pacing, Source};
use super::answer::Answer;
use super::header::Request;
use super::incoming::Received;
use super::outgoing::Sent;
use super::progress::stalled;
use super::{incoming, outgoing};
use crate::error::{Error, Result};
use crate::limits::PLAIN_CLIENTS;
use crate::link::{Link, Listener};
use crate::service::run::{AcceptErrors, PeerId};
use crate::stop::Stop;

/// Offered files, by the names that clients request.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<String, std::path::PathBuf>);

impl Files {
    /// Offers files, each under the last component of its path.
    ///
    /// # Errors
    ///
    /// If a file cannot be opened now, or two have the same name.
    pub fn new(paths: impl IntoIterator<Item = std::path::PathBuf>) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in paths {
            let source = Source::open(path)?;
            let name = source.name().to_owned();
            if let Some(other) = files.insert(name.clone(), source.path().to_owned()) {
                let (other, path) = (other.display(), source.path().display());
                return Err(Error::usage(format!("{other} and {path} would both be `{name}`")));
            }
        }
        Ok(Self(files))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn open(&self, request: &Request) -> Result<Source, String> {
        let (name, path) = match &request.name {
            Some(name) => self.0.get_key_value(name).ok_or_else(|| "no file of this name is offered".to_owned())?,
            None if self.0.len() == 1 => self.0.iter().next().ok_or("no file is offered")?,
            None => return Err("several files are offered: `get` has to name one".into()),
        };
        // A client must not learn the path on this machine.
        Source::open(path).map_err(|_| format!("{name} cannot be read"))
    }
}

/// What the server does for its clients.
#[derive(Debug)]
pub enum Offer {
    /// Receives their files into this directory.
    Inbox(Inbox),
    /// Sends them the files that they request.
    Files(Files),
}

/// When a server stops.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Config {
    /// Stop after this many complete files, received or sent.
    pub count: Option<u64>,
    /// Drop a client that moves nothing for its time limit. The rate limit is each client's.
    pub pacing: Pacing,
    /// Stops the run, and cuts transfers that are under way.
    pub stop: Stop,
}

/// What happens in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A client has announced a file.
    Begun {
        /// Name of the file, as the client wrote it.
        name: &'a str,
        /// Size in bytes.
        size: u64,
    },
    /// A file was received completely.
    Received(&'a Received),
    /// A file was sent, and the receiver has proven that it has it.
    Sent(&'a Sent),
    /// A client's transfer failed.
    Failed(&'a Error),
    /// A connection could not be accepted.
    NotAccepted(&'a Error),
}

/// Why a run stopped.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// [`Config::count`] files are complete.
    Reached,
    /// [`Config::stop`] asked for it.
    Stopped,
}

/// The function that gets the events of each client.
pub type Observer = Arc<dyn Fn(PeerId, Event<'_>) + Send + Sync>;

/// Serves the clients of a listener at the same time, at most [`PLAIN_CLIENTS`], until [`Config`] stops it. The
/// listener needs [`receiver_framings`](super::receiver_framings) for an inbox,
/// [`sender_framings`](super::sender_framings) for files.
pub async fn serve(mut listener: Listener, offer: Offer, config: Config, observer: Observer) -> Outcome {
    let offer = Arc::new(offer);
    let pacing = config.pacing;
    let (mut clients, mut errors, mut last, mut done) = (JoinSet::new(), AcceptErrors::default(), 0, 0);
    while config.count.is_none_or(|count| done < count) {
        tokio::select! {
            biased;
            () = config.stop.comes() => return Outcome::Stopped,
            Some(finished) = clients.join_next() => done += u64::from(matches!(finished, Ok(true))),
            link = listener.accept(), if clients.len() < PLAIN_CLIENTS => match link {
                Ok(link) => {
                    last += 1;
                    clients.spawn(client(link, Arc::clone(&offer), pacing, last, Arc::clone(&observer)));
                }
                Err(error) => errors.handle(error, |error| observer(last, Event::NotAccepted(error))).await,
            },
        }
    }
    Outcome::Reached
}

/// Serves one client. Returns whether a file is complete.
async fn client(link: Link, offer: Arc<Offer>, pacing: Pacing, peer: PeerId, observer: Observer) -> bool {
    let moved = &mut |_| {};
    let error = match &*offer {
        Offer::Inbox(inbox) => {
            let begun = &mut |name: &str, size| observer(peer, Event::Begun { name, size });
            match incoming::receive(link, inbox, pacing, begun, moved).await {
                Ok(received) => {
                    observer(peer, Event::Received(&received));
                    return true;
                }
                Err(error) => error,
            }
        }
        Offer::Files(files) => match give(link, files, pacing).await {
            Ok(sent) => {
                observer(peer, Event::Sent(&sent));
                return true;
            }
            Err(error) => error,
        },
    };
    observer(peer, Event::Failed(&error));
    false
}

/// Reads a request, and sends the file it names.
async fn give(mut link: Link, files: &Files, pacing: Pacing) -> Result<Sent> {
    let stall = pacing.stall;
    let request = tokio::time::timeout(stall, link.recv()).await.map_err(|_| stalled(stall))??;
    let request = request.ok_or_else(|| Error::other("the client closed the connection without a request"))?;
    match Request::parse(&request).and_then(|request| files.open(&request)) {
        Ok(source) => outgoing::send(link, source, pacing, &mut |_| {}).await,
        Err(why) => {
            let (sender, _receiver) = link.split();
            sender.send(&Answer::refused(why.as_str()).encode()).await?;
            let _ = tokio::time::timeout(stall, sender.finish()).await;
            Err(Error::other(why))
        }
    }
}
