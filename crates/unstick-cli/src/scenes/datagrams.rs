//! Shows what UDP does to messages: kept whole, cut short, lost; and what TCP does where UDP loses.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Instant;

use bytes::Bytes;
use socket2::SockRef;

use super::act::{Act, PATIENCE, Transport, What};
use super::recorder::{Pair, Recorder, cannot, queued};
use super::stream::{LONG, USUAL_ROOM};
use unstick::{Error, Result, limits};

/// Two connected UDP sockets and what happens on them.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) record: Recorder,
    near: UdpSocket,
    far: UdpSocket,
}

impl Datagrams {
    pub(super) fn open(name: &'static str) -> Result<Self> {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot);
        let (near, far) = (bind()?, bind()?);
        near.connect(far.local_addr().map_err(cannot)?).map_err(cannot)?;
        far.connect(near.local_addr().map_err(cannot)?).map_err(cannot)?;
        far.set_nonblocking(true).map_err(cannot)?;
        Ok(Self { record: Recorder::new(name, Transport::Udp), near, far })
    }

    /// Sends one datagram without recording it.
    pub(super) fn give(&self, bytes: &[u8]) -> io::Result<()> {
        self.near.send(bytes).map(drop)
    }

    /// Calls `send` once.
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.give(bytes).map_err(cannot)?;
        self.record.sent(bytes);
        Ok(())
    }

    /// Calls `recv` once with this much room. Returns the number of bytes, and how many more the datagram had; `None` if no
    /// datagram waits.
    pub(super) fn take(&self, room: &mut [u8]) -> Result<Option<(usize, usize)>> {
        // Only Linux reports with `MSG_TRUNC` how long a datagram was. Peeking at it first works everywhere.
        let mut all = [0; limits::LARGEST_PAYLOAD];
        let whole = match self.far.peek(&mut all) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            whole => whole.map_err(cannot)?,
        };
        let taken = self.far.recv(room).map_err(cannot)?;
        Ok(Some((taken, whole.saturating_sub(taken))))
    }

    /// Like [`Self::take`], but waits for a datagram.
    pub(super) fn wait(&self, room: &mut [u8]) -> Result<(usize, usize)> {
        let begun = Instant::now();
        loop {
            if let Some(taken) = self.take(room)? {
                return Ok(taken);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::timed_out("waiting for a datagram on loopback", PATIENCE));
            }
            std::thread::yield_now();
        }
    }

    fn read(&mut self, room: usize) -> Result<Bytes> {
        let mut buffer = vec![0; room];
        let (count, cut) = self.wait(&mut buffer)?;
        buffer.truncate(count);
        let bytes = Bytes::from(buffer);
        self.record.read(room, bytes.clone(), cut);
        Ok(bytes)
    }

    /// Records how long the first datagram in the receiver's kernel is.
    fn look(&mut self) -> Result<()> {
        let bytes = queued(&self.far)?;
        self.record.note(What::Queued { bytes });
        Ok(())
    }
}

/// Sends three messages, one of them empty, before the first is read.
pub(super) fn datagrams() -> Result<Vec<Act>> {
    let mut play = Datagrams::open("kept")?;
    let messages = [&b"Hello"[..], b"", b"World"];
    for message in messages {
        play.send(message)?;
    }
    play.look()?;
    let mut kept = true;
    for message in messages {
        let read = play.read(USUAL_ROOM)?;
        kept &= read == message;
        play.record.took(read);
    }
    Ok(vec![play.record.end(kept)])
}

/// Shows that bytes without room in a small buffer are lost, and that the next read starts with the next datagram.
pub(super) fn truncated() -> Result<Vec<Act>> {
    let mut play = Datagrams::open("cut")?;
    play.send(LONG)?;
    play.send(b"Next")?;
    play.look()?;
    let first = play.read(8)?;
    let second = play.read(8)?;
    let shown = first == LONG[..8] && second == b"Next"[..];
    Ok(vec![play.record.end(shown)])
}

/// Number of messages in the flood that is drawn.
const DRAWN: u32 = 60;

/// Bytes of each: two or three of them fill the smallest receive queue there is.
const DRAWN_BYTES: usize = 512;

/// The reader takes one message while the sender sends three.
const SLOWER: u32 = 3;

fn numbered(number: u32) -> [u8; DRAWN_BYTES] {
    let mut message = [b'.'; DRAWN_BYTES];
    message[..4].copy_from_slice(&number.to_be_bytes());
    message
}

/// Sends the same numbered messages over UDP and over TCP, with the same slow reader and the smallest receive queue.
pub(super) fn loss() -> Result<Vec<Act>> {
    Ok(vec![lost()?, waited()?])
}

fn lost() -> Result<Act> {
    let mut play = Datagrams::open("udp")?;
    // The kernel makes the queue as small as it allows.
    SockRef::from(&play.far).set_recv_buffer_size(1).map_err(cannot)?;
    for number in 0..DRAWN {
        play.send(&numbered(number))?;
        if number % SLOWER == SLOWER - 1 {
            play.read_numbered()?;
        }
    }
    while play.read_numbered()? {}
    let (sent, received) = play.record.calls();
    Ok(play.record.end(received < sent))
}

impl Datagrams {
    /// Reads a datagram, if there is one; its number tells which one it is.
    fn read_numbered(&mut self) -> Result<bool> {
        let mut buffer = [0; DRAWN_BYTES];
        let Some((count, cut)) = self.take(&mut buffer)? else { return Ok(false) };
        let number = u32::from_be_bytes(buffer[..4].try_into().expect("four bytes are four bytes"));
        self.record.read = u64::from(number) * DRAWN_BYTES as u64;
        self.record.read(buffer.len(), Bytes::copy_from_slice(&buffer[..count]), cut);
        Ok(true)
    }
}

fn waited() -> Result<Act> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
    SockRef::from(&listener).set_recv_buffer_size(1).map_err(cannot)?;
    let pair = Pair::through(&listener)?;
    SockRef::from(&pair.near).set_send_buffer_size(1).map_err(cannot)?;
    pair.near.set_nonblocking(true).map_err(cannot)?;
    pair.far.set_nonblocking(true).map_err(cannot)?;
    let mut record = Recorder::new("tcp", Transport::Tcp);
    let mut received = Vec::new();
    for number in 0..DRAWN {
        let message = numbered(number);
        push(&pair, &message, &mut record, &mut received)?;
        record.sent(&message);
        if number % SLOWER == SLOWER - 1 {
            portion(&pair, &mut record, &mut received)?;
        }
    }
    let begun = Instant::now();
    while record.read < record.sent && begun.elapsed() < PATIENCE {
        portion(&pair, &mut record, &mut received)?;
    }
    let whole = received.chunks(DRAWN_BYTES).zip(0..DRAWN).all(|(chunk, number)| chunk == numbered(number));
    let waited = record.events().any(|what| matches!(what, What::Full));
    let shown = waited && whole && record.read == record.sent;
    Ok(record.end(shown))
}

/// Writes a message. While the kernel takes no more, the reader reads.
fn push(pair: &Pair, message: &[u8], record: &mut Recorder, received: &mut Vec<u8>) -> Result<()> {
    let begun = Instant::now();
    let mut rest = message;
    while !rest.is_empty() {
        match (&pair.near).write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                record.note(What::Full);
                while !portion(pair, record, received)? && begun.elapsed() < PATIENCE {}
            }
            Err(error) => return Err(cannot(error)),
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::timed_out("sending on loopback", PATIENCE));
        }
    }
    Ok(())
}

/// Calls `recv` once with room for one message, if anything waits.
fn portion(pair: &Pair, record: &mut Recorder, received: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; DRAWN_BYTES];
    match (&pair.far).read(&mut buffer) {
        Ok(count) => {
            received.extend_from_slice(&buffer[..count]);
            record.read(buffer.len(), Bytes::copy_from_slice(&buffer[..count]), 0);
            Ok(count > 0)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(cannot(error)),
    }
}
