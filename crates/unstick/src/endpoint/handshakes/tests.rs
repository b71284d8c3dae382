//! Tests of handshakes with clients made of channels, on a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::endpoint::StreamTransport;

/// A client: what it sends first, and whether the listener still holds it.
struct Fake {
    speaks: Mutex<Option<oneshot::Receiver<()>>>,
    finishes: bool,
    _held: Arc<()>,
}

struct Port(mpsc::UnboundedReceiver<(Fake, PeerAddrs)>);

impl Arrivals for Port {
    type Stream = Fake;

    async fn next(&mut self) -> Result<(Fake, PeerAddrs)> {
        match self.0.recv().await {
            Some(client) => Ok(client),
            None => std::future::pending().await,
        }
    }

    async fn spoken(stream: &Fake) {
        let speaks = stream.speaks.lock().unwrap().take();
        let _ = speaks.expect("it is waited for once").await;
    }

    fn addresses(&self) -> &[String] {
        &[]
    }
}

/// The test's handle of a client.
struct Outside {
    speak: oneshot::Sender<()>,
    held: Arc<()>,
}

impl Outside {
    /// Whether the listener has dropped the client.
    fn is_gone(&self) -> bool {
        Arc::strong_count(&self.held) == 1
    }
}

struct Street {
    come: mpsc::UnboundedSender<(Fake, PeerAddrs)>,
    came: u32,
    inside: Handshakes,
}

impl Street {
    fn new(bounds: Bounds) -> Self {
        let (come, port) = mpsc::unbounded_channel();
        let shake = |client: Fake, names: PeerAddrs| async move {
            let client = client; // The whole of it: the connection is held until this task ends.
            if !client.finishes {
                std::future::pending::<()>().await;
            }
            Ok(Transport::Stream(StreamTransport::new(tokio::io::empty(), tokio::io::sink(), names)))
        };
        Self { come, came: 0, inside: Handshakes::bounded(Port(port), shake, bounds) }
    }

    /// A client connects and sends nothing yet.
    fn comes(&mut self, finishes: bool) -> Outside {
        let (speak, speaks) = oneshot::channel();
        let held = Arc::new(());
        let fake = Fake { speaks: Mutex::new(Some(speaks)), finishes, _held: Arc::clone(&held) };
        self.came += 1;
        let names = PeerAddrs::new(format!("client {}", self.came), String::new());
        self.come.send((fake, names)).unwrap_or_else(|_| panic!("the listener is there"));
        Outside { speak, held }
    }

    /// A client connects and sends all that the handshake needs.
    fn good(&mut self) {
        let _ = self.comes(true).speak.send(());
    }

    async fn next(&mut self) -> Result<String> {
        match self.inside.accept().await? {
            Transport::Stream(end) => Ok(end.names.remote),
            _ => unreachable!("it is a stream"),
        }
    }

    /// Returns the next client that is accepted, and the reports that came before it.
    async fn next_peer(&mut self) -> (String, Vec<String>) {
        let mut reports = Vec::new();
        loop {
            match self.next().await {
                Ok(name) => return (name, reports),
                Err(error) => reports.push(error.to_string()),
            }
        }
    }
}

/// `MAX_SILENT`: more clients than this send nothing, and a good client is still served at once.
#[tokio::test(start_paused = true)]
async fn silent_clients_keep_nobody_out() {
    let mut street = Street::new(Bounds::default());
    let silent: Vec<_> = (0..limits::MAX_SILENT - 1).map(|_| street.comes(false)).collect();
    let begun = Instant::now();
    street.good();
    let number = silent.len() + 1;
    assert_eq!(street.next_peer().await, (format!("client {number}"), vec![]));
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited");
    assert!(silent.iter().all(|client| !client.is_gone()));
}

/// `HANDSHAKE_GRACE`: no client is disconnected before it is over. Then the oldest one is, and many are reported at
/// once.
#[tokio::test(start_paused = true)]
async fn the_oldest_silent_client_makes_room() {
    let mut street = Street::new(Bounds { silent: 10, shaking: 10 });
    let silent: Vec<_> = (0..10).map(|_| street.comes(false)).collect();
    let begun = Instant::now();
    street.good();
    assert!(timeout(limits::HANDSHAKE_GRACE / 2, street.next()).await.is_err(), "they have just connected");
    let (peer, mut reports) = street.next_peer().await;
    assert_eq!((peer.as_str(), begun.elapsed()), ("client 11", limits::HANDSHAKE_GRACE));
    assert_eq!(silent.iter().map(Outside::is_gone).collect::<Vec<_>>(), [vec![true], vec![false; 9]].concat());
    if reports.is_empty() {
        reports.push(street.next().await.unwrap_err().to_string());
    }
    // From now on each client finds room at once, and all that were disconnected for them are reported together.
    let more: Vec<_> = (0..5).map(|_| street.comes(false)).collect();
    street.good();
    let (peer, _) = street.next_peer().await;
    assert_eq!((peer.as_str(), begun.elapsed()), ("client 17", limits::HANDSHAKE_GRACE));
    let error = street.next().await.unwrap_err();
    assert!(error.is_handshake());
    let what = "newer clients needed the place of an unfinished handshake";
    assert_eq!(reports, [format!("disconnected client 1: {what}")]);
    assert_eq!(error.to_string(), format!("disconnected client 2 and 4 more clients: {what}"));
    drop(more);
}

/// `MAX_HANDSHAKES`: this many clients have begun their handshake and do not go on with it.
#[tokio::test(start_paused = true)]
async fn the_oldest_unfinished_handshake_makes_room() {
    let mut street = Street::new(Bounds { silent: 10, shaking: 10 });
    let mut begun = Vec::new();
    for _ in 0..10 {
        let client = street.comes(false);
        let _ = client.speak.send(());
        begun.push(client.held);
    }
    sleep(limits::HANDSHAKE_GRACE).await;
    let at = Instant::now();
    street.good();
    let (peer, reports) = street.next_peer().await;
    assert_eq!((peer.as_str(), at.elapsed()), ("client 11", Duration::ZERO), "{reports:?}");
    let gone = begun.iter().filter(|held| Arc::strong_count(held) == 1).count();
    assert_eq!((gone, Arc::strong_count(&begun[0])), (1, 1), "the oldest alone");
}

/// `HANDSHAKE_TIMEOUT`, `HANDSHAKE_REPORTS`: clients that send nothing are dropped after a while, and one report covers
/// all of them.
#[tokio::test(start_paused = true)]
async fn clients_that_say_nothing_are_let_go_together() {
    let mut street = Street::new(Bounds::default());
    let silent: Vec<_> = (0..600).map(|_| street.comes(false)).collect();
    let begun = Instant::now();
    let report = street.next().await.unwrap_err().to_string();
    assert!(silent.iter().all(Outside::is_gone));
    assert_eq!(begun.elapsed(), limits::HANDSHAKE_TIMEOUT);
    assert!(report.ends_with(" and 599 more clients: no handshake began within 10s"), "{report}");
}

/// Handshakes that are finished and that nobody takes are bounded as well, and none of them is lost.
#[tokio::test(start_paused = true)]
async fn peers_that_nobody_takes_yet_are_not_lost() {
    let mut street = Street::new(Bounds { silent: 100, shaking: 100 });
    let many = limits::MAX_HANDSHAKES + 500;
    for _ in 0..many {
        street.good();
    }
    sleep(limits::HANDSHAKE_TIMEOUT * 2).await;
    for _ in 0..many {
        street.next().await.unwrap();
    }
}
