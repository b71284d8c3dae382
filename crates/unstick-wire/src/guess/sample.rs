//! What has passed between a server and its clients, as far as a guess needs it.

use crate::limits::{MAX_GUESS_BYTES, MAX_GUESS_CONNECTIONS, MAX_GUESS_DIRECTION, MAX_GUESS_SEGMENTS};
use crate::role::Role;

/// The first bytes of the connections of one server, in the segments in which they were sent.
///
/// Everything beyond the limits is left out, so a sample may be handed whole captures.
#[derive(Debug, Default)]
pub struct Sample {
    pub(super) port: u16,
    pub(super) connections: Vec<Connection>,
    bytes: usize,
}

/// The first bytes of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    number: u64,
    pub(super) whole: bool,
    bytes: Vec<u8>,
    segments: Vec<Segment>,
    /// Number of bytes of each side.
    lengths: [usize; 2],
    /// Whether nothing more is taken of a side: there was a gap, or a limit was reached.
    full: [bool; 2],
    pub(super) ended: [bool; 2],
    /// Whether the ends of its segments are known.
    pub(super) segmented: bool,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    from: Role,
    start: usize,
    end: usize,
}

impl Sample {
    /// Makes an empty sample of a server with this port, or 0 where it has none.
    pub fn new(port: u16) -> Self {
        Self { port, ..Self::default() }
    }

    /// Makes a sample of a file that holds what one side has sent. Where its segments end is not known. `rest`: the file is longer.
    pub fn of_stream(from: Role, bytes: &[u8], rest: bool) -> Self {
        let mut sample = Self::new(0);
        sample.open(1, true);
        sample.segment(1, from, bytes);
        if let Some(connection) = sample.connections.first_mut() {
            connection.segmented = false;
            connection.full[from as usize] |= rest;
        }
        if !rest {
            sample.end(1, from);
        }
        sample
    }

    /// Adds a connection. `whole`: its beginning was recorded.
    pub fn open(&mut self, number: u64, whole: bool) {
        if self.connections.len() < MAX_GUESS_CONNECTIONS && self.bytes < MAX_GUESS_BYTES {
            let (lengths, full, ended) = ([0; 2], [false; 2], [false; 2]);
            let (bytes, segments) = (Vec::new(), Vec::new());
            self.connections.push(Connection { number, whole, bytes, segments, lengths, full, ended, segmented: true });
        }
    }

    /// Adds a segment that this side of a connection has sent.
    pub fn segment(&mut self, number: u64, from: Role, bytes: &[u8]) {
        let room = MAX_GUESS_BYTES - self.bytes;
        if let Some(connection) = self.connection(number) {
            self.bytes += connection.take(from, bytes, room);
        }
    }

    /// Says that bytes of this side are missing: what follows them is not looked at.
    pub fn gap(&mut self, number: u64, from: Role) {
        if let Some(connection) = self.connection(number) {
            connection.full[from as usize] = true;
        }
    }

    /// Says that this side has ended its direction.
    pub fn end(&mut self, number: u64, from: Role) {
        if let Some(connection) = self.connection(number) {
            connection.ended[from as usize] = !connection.full[from as usize];
        }
    }

    /// Number of bytes that it keeps.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing more is taken: there are as many bytes as a guess looks at, or all its connections are full.
    pub fn is_full(&self) -> bool {
        let full = |connection: &Connection| connection.full == [true; 2];
        self.bytes >= MAX_GUESS_BYTES
            || self.connections.len() == MAX_GUESS_CONNECTIONS && self.connections.iter().all(full)
    }

    /// Number of connections in which bytes have passed.
    pub fn connections(&self) -> usize {
        self.connections.iter().filter(|connection| !connection.bytes.is_empty()).count()
    }

    fn connection(&mut self, number: u64) -> Option<&mut Connection> {
        // Mostly the last ones speak.
        self.connections.iter_mut().rev().find(|connection| connection.number == number)
    }
}

impl Connection {
    /// Takes as much of a segment as there is room for, and returns the number of bytes. A segment is taken whole or ends the
    /// sample of its direction: the end of a part is not the end of a segment.
    fn take(&mut self, from: Role, bytes: &[u8], room: usize) -> usize {
        let side = from as usize;
        if self.full[side] || bytes.is_empty() {
            return 0;
        }
        let room = room.min(MAX_GUESS_DIRECTION - self.lengths[side]);
        if self.segments.len() == MAX_GUESS_SEGMENTS || room == 0 {
            self.full[side] = true;
            return 0;
        }
        let taken = bytes.len().min(room);
        self.full[side] = taken < bytes.len();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.segments.push(Segment { from, start, end: start + taken });
        self.lengths[side] += taken;
        taken
    }

    /// Its segments in order. The last value says whether the end of the segment is known.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Role, &[u8], bool)> {
        let last = |role: Role| self.segments.iter().rposition(|segment| segment.from == role);
        let lasts = [Role::Client, Role::Server].map(last);
        self.segments.iter().enumerate().map(move |(index, segment)| {
            let cut = self.full[segment.from as usize] && lasts[segment.from as usize] == Some(index);
            (segment.from, &self.bytes[segment.start..segment.end], !cut)
        })
    }

    /// All bytes of one side.
    pub(super) fn side(&self, from: Role) -> Vec<u8> {
        self.segments().filter(|(role, ..)| *role == from).flat_map(|(_, bytes, _)| bytes).copied().collect()
    }

    /// The size of the largest segment of each side: what was written at once may be cut there.
    pub(super) fn largest(&self) -> [usize; 2] {
        [Role::Client, Role::Server].map(|role| {
            self.segments().filter(|(from, ..)| *from == role).map(|(_, bytes, _)| bytes.len()).max().unwrap_or(0)
        })
    }
}
