//! Records what happens in an act as it happens, and moves the two ends of a stream from one thread.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::act::{Act, Event, PATIENCE, Transport, What};
use unstick::{Error, Result};

/// How often to ask the kernel what it holds.
const LOOK: Duration = Duration::from_micros(50);

/// An act that is being played.
#[derive(Debug)]
pub(super) struct Recorder {
    name: &'static str,
    transport: Transport,
    begun: Instant,
    events: Vec<Event>,
    /// Bytes sent, passed on and read so far: the offsets of the next bytes.
    pub(super) sent: u64,
    passed: u64,
    pub(super) read: u64,
}

impl Recorder {
    pub(super) fn new(name: &'static str, transport: Transport) -> Self {
        Self { name, transport, begun: Instant::now(), events: Vec::new(), sent: 0, passed: 0, read: 0 }
    }

    /// Records what has just happened.
    pub(super) fn note(&mut self, what: What) {
        self.events.push(Event { at: self.begun.elapsed(), what });
    }

    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.note(What::Sent { offset: self.sent, bytes: Bytes::copy_from_slice(bytes) });
        self.sent += bytes.len() as u64;
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.note(What::Passed { offset: self.passed, bytes: Bytes::copy_from_slice(bytes) });
        self.passed += bytes.len() as u64;
    }

    pub(super) fn read(&mut self, room: usize, bytes: Bytes, cut: usize) {
        let next = self.read + (bytes.len() + cut) as u64;
        self.note(What::Read { offset: self.read, room, bytes, cut });
        self.read = next;
    }

    pub(super) fn took(&mut self, bytes: impl Into<Bytes>) {
        self.note(What::Took { bytes: bytes.into() });
    }

    pub(super) fn stuck(&mut self, why: impl Into<String>) {
        self.note(What::Stuck { why: why.into() });
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &What> {
        self.events.iter().map(|event| &event.what)
    }

    /// Returns where each send ended.
    fn boundaries(&self) -> Vec<u64> {
        let end = |what: &What| match what {
            What::Sent { offset, bytes } => Some(offset + bytes.len() as u64),
            _ => None,
        };
        self.events().filter_map(end).collect()
    }

    /// Returns where each read began and ended.
    pub(super) fn reads(&self) -> Vec<(u64, u64)> {
        let range = |what: &What| match what {
            What::Read { offset, bytes, .. } => Some((*offset, offset + bytes.len() as u64)),
            _ => None,
        };
        self.events().filter_map(range).collect()
    }

    /// Whether a read returned bytes of two sends.
    pub(super) fn joined(&self) -> bool {
        let inside = |(from, to): &(u64, u64)| self.boundaries().iter().any(|at| from < at && at < to);
        self.reads().iter().any(inside)
    }

    /// Counts the calls of `send`, and those of `recv`.
    pub(super) fn calls(&self) -> (usize, usize) {
        (self.boundaries().len(), self.reads().len())
    }

    pub(super) fn end(self, shown: bool) -> Act {
        Act { name: self.name, transport: self.transport, events: self.events, shown }
    }
}

/// Two connected TCP sockets: `near` sends, `far` receives. Nagle's algorithm is off, so that every send goes out at once.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) near: TcpStream,
    pub(super) far: TcpStream,
}

impl Pair {
    /// Opens a pair on loopback, on a port that the kernel picks.
    pub(super) fn open() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
        Self::through(&listener)
    }

    /// Connects to a listener whose settings the receiver inherits.
    pub(super) fn through(listener: &TcpListener) -> Result<Self> {
        let near = TcpStream::connect(listener.local_addr().map_err(cannot)?).map_err(cannot)?;
        let (far, _) = listener.accept().map_err(cannot)?;
        for socket in [&near, &far] {
            socket.set_nodelay(true).map_err(cannot)?;
            socket.set_read_timeout(Some(PATIENCE)).map_err(cannot)?;
            socket.set_write_timeout(Some(PATIENCE)).map_err(cannot)?;
        }
        Ok(Self { near, far })
    }
}

/// A stream and what happens on it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) record: Recorder,
    pub(super) pair: Pair,
    /// The network between the two, if the scene has one: it receives from `pair.near` what `pair.far` must get.
    between: Option<Pair>,
}

impl Stream {
    /// Connects sender and receiver with nothing but the kernel between them.
    pub(super) fn direct(name: &'static str) -> Result<Self> {
        let pair = Pair::open()?;
        Ok(Self { record: Recorder::new(name, Transport::Tcp), pair, between: None })
    }

    /// Puts a network between the two, which passes bytes on only as the scene says.
    pub(super) fn through_a_network(name: &'static str) -> Result<Self> {
        let (first, second) = (Pair::open()?, Pair::open()?);
        let pair = Pair { near: first.near, far: second.far };
        let between = Some(Pair { near: second.near, far: first.far });
        Ok(Self { record: Recorder::new(name, Transport::Tcp), pair, between })
    }

    /// Calls `send` once.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let taken = (&self.pair.near).write(bytes).map_err(cannot)?;
        if taken != bytes.len() {
            return Err(Error::other(format!("loopback took {taken} of {} bytes", bytes.len())));
        }
        self.record.sent(bytes);
        Ok(())
    }

    /// Lets the network take `count` bytes and pass them on with one write.
    pub(super) fn pass(&mut self, count: usize) -> Result<()> {
        let mut bytes = vec![0; count];
        let between = self.between.as_mut().expect("only scenes with a network between pass bytes on");
        between.far.read_exact(&mut bytes).map_err(cannot)?;
        between.near.write_all(&bytes).map_err(cannot)?;
        self.record.passed(&bytes);
        Ok(())
    }

    /// Waits until the receiver's kernel holds at least `count` bytes.
    pub(super) fn arrive(&mut self, count: u64) -> Result<u64> {
        let held = wait_for(&self.pair.far, count)?;
        self.record.note(What::Queued { bytes: held });
        Ok(held)
    }

    /// Records what the receiver's kernel holds now.
    pub(super) fn look(&mut self) -> Result<u64> {
        let held = queued(&self.pair.far)?;
        self.record.note(What::Queued { bytes: held });
        Ok(held)
    }

    /// Calls `recv` once with this much room.
    pub(super) fn read(&mut self, room: usize) -> Result<Bytes> {
        let mut buffer = vec![0; room];
        let count = (&self.pair.far).read(&mut buffer).map_err(cannot)?;
        buffer.truncate(count);
        let bytes = Bytes::from(buffer);
        match bytes.is_empty() {
            true => self.record.note(What::Ended),
            false => self.record.read(room, bytes.clone(), 0),
        }
        Ok(bytes)
    }

    /// Closes the sender's side of the stream.
    pub(super) fn close(&mut self) -> Result<()> {
        self.pair.near.shutdown(Shutdown::Write).map_err(cannot)?;
        self.record.note(What::Closed);
        Ok(())
    }

    pub(super) fn end(self, shown: bool) -> Act {
        self.record.end(shown)
    }
}

/// Returns the number of bytes in a socket's receive queue; for datagrams, those of the first.
pub(super) fn queued(socket: &impl AsFd) -> Result<u64> {
    rustix::io::ioctl_fionread(socket).map_err(|error| cannot(error.into()))
}

/// Waits until a receive queue holds at least `count` bytes. The kernel reports the number; nothing is guessed.
pub(super) fn wait_for(socket: &impl AsFd, count: u64) -> Result<u64> {
    wait_within(socket, count, PATIENCE)
}

fn wait_within(socket: &impl AsFd, count: u64, patience: Duration) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let held = queued(socket)?;
        if held >= count {
            return Ok(held);
        }
        if begun.elapsed() > patience {
            return Err(Error::timed_out(format!("waiting for {count} bytes on loopback"), patience));
        }
        std::thread::sleep(LOOK);
    }
}

/// Returns the error for something that loopback could not do.
pub(super) fn cannot(error: io::Error) -> Error {
    Error::io("a scene on 127.0.0.1", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every scene waits for [`PATIENCE`]; this test waits for a shorter time.
    #[test]
    fn what_does_not_come_is_not_waited_for_for_ever() {
        let mut play = Stream::direct("short").unwrap();
        play.send(b"four").unwrap();
        assert_eq!(wait_within(&play.pair.far, 4, PATIENCE).unwrap(), 4);
        let error = wait_within(&play.pair.far, 5, Duration::from_millis(5)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.to_string(), "waiting for 5 bytes on loopback timed out after 5ms");
    }
}
