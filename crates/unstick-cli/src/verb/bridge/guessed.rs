//! `-f auto` on a bridge: what passes is shown once it is known in which framing. The bytes pass unchanged and at once; only the dump waits.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use unstick::service::bridge::{Event, Output};
use unstick::wire::guess::{Answer, Watch};
use unstick::wire::limits::{MAX_GUESS_DIRECTION, MAX_GUESS_SEGMENTS};
use unstick::wire::{Framing, Piece, Role, Transcript};
use unstick::{Error, Result};

use super::bridge_output::BridgeOutput;
use crate::count::Count;
use crate::output;

/// Bytes of one connection that wait for a guess: it looks at no more.
const MAX_HELD: usize = 2 * MAX_GUESS_DIRECTION;

/// Bytes of all connections that wait.
const MAX_HELD_TOGETHER: usize = 16 << 20;

/// Shows the messages of a bridge whose framing nobody named.
pub struct GuessedOutput {
    shown: BridgeOutput,
    /// Whether messages are shown with their frames.
    frames: bool,
    server: Server,
    /// The connections in which bytes have passed.
    connections: HashMap<u64, Connection>,
    held: usize,
}

/// What the server of the bridge speaks.
enum Server {
    Watched(Box<Watch>),
    Known(Framing),
    /// As much as a guess looks at has told nothing.
    Unknown,
}

/// How a connection is shown.
enum Connection {
    /// Not yet: this has passed.
    Held { passed: Vec<(Role, Vec<u8>)>, bytes: usize },
    /// In messages. A side that has broken the framing is shown in segments.
    Decoded { transcript: Box<Transcript>, broken: [bool; 2] },
    /// In segments.
    Segments,
}

impl GuessedOutput {
    /// Shows messages as this output does. `frames`: with their frames.
    pub fn new(shown: BridgeOutput, frames: bool) -> Self {
        let server = Server::Watched(Box::new(Watch::new(0)));
        Self { shown, frames, server, connections: HashMap::new(), held: 0 }
    }

    /// Takes a segment that passes.
    fn passes(&mut self, peer: u64, from: Role, data: &[u8]) -> Result<()> {
        let mut connection = match self.connections.remove(&peer) {
            Some(connection) => connection,
            None => self.begins(peer)?,
        };
        if let Connection::Held { passed, bytes } = &mut connection {
            passed.push((from, data.to_vec()));
            *bytes += data.len();
            self.held += data.len();
            let is_full = *bytes > MAX_HELD || passed.len() > MAX_GUESS_SEGMENTS || self.held > MAX_HELD_TOGETHER;
            if let Server::Watched(watch) = &mut self.server {
                watch.segment(peer, from, data);
            }
            connection = self.guess(peer, connection, is_full)?;
        } else {
            self.show(peer, &mut connection, from, data)?;
        }
        self.connections.insert(peer, connection);
        Ok(())
    }

    /// A connection in which the first bytes pass.
    fn begins(&mut self, peer: u64) -> Result<Connection> {
        match &mut self.server {
            Server::Watched(watch) => {
                watch.open(peer, true);
                Ok(Connection::Held { passed: Vec::new(), bytes: 0 })
            }
            Server::Known(framing) => {
                let framing = framing.clone();
                self.decoded(peer, &framing)
            }
            Server::Unknown => Ok(Connection::Segments),
        }
    }

    fn decoded(&mut self, peer: u64, framing: &Framing) -> Result<Connection> {
        self.shown.guessed(peer, framing.as_str())?;
        Ok(Connection::Decoded { transcript: Box::new(Transcript::new(framing)), broken: [false; 2] })
    }

    /// Guesses, and shows what waits if that is certain, or if it waits no longer (`last`).
    fn guess(&mut self, peer: u64, held: Connection, last: bool) -> Result<Connection> {
        let Connection::Held { passed, bytes } = held else { return Ok(held) };
        let known = match &mut self.server {
            Server::Watched(watch) => match watch.ask(last) {
                Answer::Certain(first) => {
                    let framing = Framing::parse(&first.spec)?;
                    output::notice(&format!("guessed {}: {}", first.spec, first.evidence.join("; ")));
                    self.server = Server::Known(framing.clone());
                    Some(framing)
                }
                Answer::Open if !last => return Ok(Connection::Held { passed, bytes }),
                _ => None,
            },
            Server::Known(framing) => Some(framing.clone()),
            Server::Unknown => None,
        };
        self.held -= bytes;
        let mut connection = match known {
            Some(framing) => self.decoded(peer, &framing)?,
            None => {
                let bytes = Count(bytes, "byte");
                output::loss(&format!("peer {peer}: cannot tell the framing from {bytes}: it is shown in segments"));
                Connection::Segments
            }
        };
        if matches!(&self.server, Server::Watched(watch) if watch.is_full()) {
            self.server = Server::Unknown;
        }
        for (from, data) in passed {
            self.show(peer, &mut connection, from, &data)?;
        }
        Ok(connection)
    }

    /// Shows a segment as what this connection is shown in.
    fn show(&mut self, peer: u64, connection: &mut Connection, from: Role, data: &[u8]) -> Result<()> {
        match connection {
            Connection::Decoded { transcript, broken } if !broken[from as usize] => {
                transcript.segment(from, data);
                self.messages(peer, transcript, broken, from)
            }
            _ => self.segment(peer, from, data),
        }
    }

    /// Shows the messages that are complete. Bytes that break the framing are shown as they come.
    fn messages(&mut self, peer: u64, transcript: &mut Transcript, broken: &mut [bool; 2], from: Role) -> Result<()> {
        while let Some(piece) = transcript.next(from) {
            match piece {
                Piece::Message(frame) => {
                    let shown = Some(&frame).filter(|_| self.frames);
                    self.shown.in_messages(true);
                    self.shown.event(Event::Passed { peer, from, data: frame.message, frame: shown })?;
                }
                Piece::Failed(error) => {
                    broken[from as usize] = true;
                    let rest = transcript.pending(from).to_vec();
                    self.shown.event(Event::Error { peer: Some(peer), error: &Error::from(error) })?;
                    return if rest.is_empty() { Ok(()) } else { self.segment(peer, from, &rest) };
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn segment(&mut self, peer: u64, from: Role, data: &[u8]) -> Result<()> {
        self.shown.in_messages(false);
        self.shown.event(Event::Passed { peer, from, data, frame: None })
    }

    /// Shows what is left of a connection.
    fn close(&mut self, peer: u64) -> Result<()> {
        let Some(mut connection) = self.connections.remove(&peer) else { return Ok(()) };
        if let (Connection::Held { .. }, Server::Watched(watch)) = (&connection, &mut self.server) {
            [Role::Client, Role::Server].into_iter().for_each(|from| watch.end(peer, from));
        }
        connection = self.guess(peer, connection, true)?;
        if let Connection::Decoded { transcript, broken } = &mut connection {
            for from in [Role::Client, Role::Server] {
                if !broken[from as usize] {
                    transcript.finish(from);
                    self.messages(peer, transcript, broken, from)?;
                }
            }
        }
        Ok(())
    }
}

impl Output for GuessedOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Passed { peer, from, data, .. } => self.passes(peer, from, data),
            Event::Close { peer, .. } => {
                self.close(peer)?;
                self.shown.event(event)
            }
            event => self.shown.event(event),
        }
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.shown.room()
    }

    fn written(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.shown.written()
    }
}
