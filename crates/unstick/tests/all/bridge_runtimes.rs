//! A bridge with several threads: every thread serves some of the clients, and each kind of end works as with one
//! thread.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::ThreadId;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use unstick::service::bridge::{Clients, Config, Event, Faults, Outcome, Output, Reason, Target, bridge};
use unstick::{Options, Stopper, listen};

use crate::suite::framing;

/// Clients at once: four for each thread.
const CLIENTS: usize = 12;

/// The events, each with its thread.
enum Note {
    At(String),
    Opens(ThreadId),
    Closes(bool),
}

struct Told(mpsc::UnboundedSender<Note>);

impl Output for Told {
    fn event(&mut self, event: Event<'_>) -> unstick::Result<()> {
        let note = match event {
            Event::Listening { addresses } => Note::At(addresses[0].trim_start_matches("tcp://").to_owned()),
            Event::Open { .. } => Note::Opens(std::thread::current().id()),
            Event::Close { reason, .. } => Note::Closes(matches!(reason, Reason::Ended)),
            _ => return Ok(()),
        };
        let _ = self.0.send(note);
        Ok(())
    }
}

/// Tells a thread with a runtime to end when this is dropped, and waits for it.
struct Further(Option<oneshot::Sender<()>>, Option<std::thread::JoinHandle<()>>);

impl Further {
    fn new() -> (tokio::runtime::Handle, Self) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (end, ends) = oneshot::channel();
        let thread = std::thread::spawn(move || drop(runtime.block_on(ends)));
        (handle, Self(Some(end), Some(thread)))
    }
}

impl Drop for Further {
    fn drop(&mut self) {
        drop(self.0.take());
        self.1.take().unwrap().join().unwrap();
    }
}

/// Echoes what it reads from each client, on a thread for each, until the client ends.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming().take(CLIENTS) {
            let (mut from, mut to) = (socket.as_ref().unwrap().try_clone().unwrap(), socket.unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    at
}

#[test]
fn every_thread_serves_some_of_the_clients_and_all_end_as_on_one() {
    let (runtimes, _threads): (Vec<_>, Vec<_>) = [Further::new(), Further::new()].into_iter().unzip();
    let to = echo();
    let (tell, mut told) = mpsc::unbounded_channel();
    let stopper = Stopper::new();
    let mut rules = Config::default();
    (rules.runtimes, rules.stop) = (runtimes, stopper.of());
    let run = std::thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let framings = Some(framing("raw"));
            let address = "127.0.0.1:0".parse().unwrap();
            let listener = listen(&address, framings.as_ref(), &Options::default()).await.unwrap();
            let (client, server) = (framings.clone(), framings);
            let (options, faults) = (Options::default(), Faults::default());
            let target = Target { address: to.parse().unwrap(), options, client, server, faults };
            bridge(Clients::Many(listener), target, Told(tell), rules).await
        })
    });
    let Some(Note::At(at)) = told.blocking_recv() else { panic!("it does not listen") };
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(&at).unwrap()).collect();
    let opened: Vec<_> = (0..CLIENTS).map(|_| told.blocking_recv()).collect();
    let threads = opened.iter().map(|note| match note {
        Some(Note::Opens(thread)) => format!("{thread:?}"),
        _ => panic!("a client that has not opened"),
    });
    let threads: BTreeSet<_> = threads.collect();
    assert_eq!(threads.len(), 3, "each thread serves some: {threads:?}");
    for (number, client) in clients.iter_mut().enumerate() {
        let said = vec![b'a' + number as u8; 100_000];
        let mut heard = Vec::new();
        let mut from = client.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| from.read_to_end(&mut heard).unwrap());
            client.write_all(&said).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert!(heard == said, "client {number} heard {} bytes of {}", heard.len(), said.len());
        assert!(matches!(told.blocking_recv(), Some(Note::Closes(true))), "client {number}");
    }
    stopper.stop();
    assert!(matches!(run.join().unwrap(), Outcome::Stopped));
}
