//! Compares TCP and UDP: which boundaries are kept, how long a message may be, how many are lost, how long one takes.

use std::io::{self, Read, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::act::{Act, FLOOD, PATIENCE, Transport, What};
use super::datagrams::Datagrams;
use super::recorder::{Pair, Recorder, cannot, wait_for};
use unstick::{Error, Result};

/// Bytes of a message in the flood, and of a timed one.
const SMALL: usize = 64;

/// Number of messages that are sent before the first read, to see whether they stay apart.
const APART: u32 = 10;

/// Bytes of the longest message that is tried: enough to show that TCP has no limit like UDP's.
const LONGEST: usize = 16 << 20;

/// Most bytes that one call writes or reads.
const BLOCK: usize = 64 << 10;

/// Created on first use: as a constant it would add 64 KiB to every program.
static FILLER: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b'.'; BLOCK]);

/// Number of timed messages.
const TIMED: u32 = 1000;

pub(super) fn compare() -> Result<Vec<Act>> {
    Ok(vec![tcp()?, udp()?])
}

fn tcp() -> Result<Act> {
    let pair = Pair::open()?;
    pair.near.set_nonblocking(true).map_err(cannot)?;
    pair.far.set_nonblocking(true).map_err(cannot)?;
    let mut record = Recorder::new("tcp", Transport::Tcp);
    let mut room = vec![0; BLOCK];
    let reads = apart(&pair, &mut room)?;
    record.note(What::Boundaries { sent: APART, reads });
    let (_, bytes) = carry(&pair, &mut std::iter::once(LONGEST), LONGEST as u64, &mut room)?;
    record.note(What::Largest { bytes, refused: None });
    let flood = u64::from(FLOOD) * SMALL as u64;
    let (_, bytes) = carry(&pair, &mut std::iter::repeat_n(SMALL, FLOOD as usize), flood, &mut room)?;
    record.note(What::Flood { sent: FLOOD, received: (bytes / SMALL as u64) as u32 });
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let begun = Instant::now();
        carry(&pair, &mut std::iter::once(SMALL), SMALL as u64, &mut room)?;
        times.push(begun.elapsed());
    }
    record.note(What::Time { messages: TIMED, median: median(times) });
    let shown = reads < APART;
    Ok(record.end(shown))
}

/// Sends some messages, waits until all have arrived, and counts the reads that return them.
fn apart(pair: &Pair, room: &mut [u8]) -> Result<u32> {
    let whole = u64::from(APART) * SMALL as u64;
    for _ in 0..APART {
        (&pair.near).write_all(&[b'.'; SMALL]).map_err(cannot)?;
    }
    wait_for(&pair.far, whole)?;
    let (reads, _) = carry(pair, &mut std::iter::empty(), whole, room)?;
    Ok(reads)
}

/// Sends messages of these sizes; the reader reads once all are sent, or the sender has to wait. Returns the number of reads
/// until the expected bytes had arrived, and the number of those bytes. Fewer bytes are an error. The caller measures its time,
/// so everything that it needs is made before.
fn carry(pair: &Pair, sizes: &mut dyn Iterator<Item = usize>, expected: u64, room: &mut [u8]) -> Result<(u32, u64)> {
    let begun = Instant::now();
    let (mut left, mut received, mut reads) = (0, 0, 0);
    while received < expected {
        if left == 0 {
            left = sizes.next().unwrap_or(0);
        }
        if left > 0 {
            match (&pair.near).write(&FILLER[..left.min(BLOCK)]) {
                Ok(count) => {
                    left -= count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(cannot(error)),
            }
        }
        match (&pair.far).read(room) {
            Ok(count) => (received, reads) = (received + count as u64, reads + 1),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => return Err(cannot(error)),
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::timed_out("sending on loopback", PATIENCE));
        }
    }
    Ok((reads, received))
}

fn udp() -> Result<Act> {
    let mut play = Datagrams::open("udp")?;
    let mut room = vec![0; 1 << 16];
    let message = [b'.'; SMALL];
    for _ in 0..APART {
        play.give(&message).map_err(cannot)?;
    }
    let mut reads = 0;
    while reads < APART && play.wait(&mut room)? == (SMALL, 0) {
        reads += 1;
    }
    play.record.note(What::Boundaries { sent: APART, reads });
    let (bytes, refused) = largest(&play, &mut room)?;
    play.record.note(What::Largest { bytes, refused });
    let received = flood(&play, FLOOD, &mut room)?;
    play.record.note(What::Flood { sent: FLOOD, received });
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let begun = Instant::now();
        play.give(&message).map_err(cannot)?;
        play.wait(&mut room)?;
        times.push(begun.elapsed());
    }
    play.record.note(What::Time { messages: TIMED, median: median(times) });
    Ok(play.record.end(reads == APART && received < FLOOD))
}

/// Sends this many messages, then reads those that are there, and returns their number.
fn flood(play: &Datagrams, count: u32, room: &mut [u8]) -> Result<u32> {
    let message = [b'.'; SMALL];
    for _ in 0..count {
        play.give(&message).map_err(cannot)?;
    }
    let mut reads = 0;
    while play.take(room)?.is_some() {
        reads += 1;
    }
    Ok(reads)
}

/// Returns the longest datagram that is sent and arrives whole, and the shortest that is refused.
fn largest(play: &Datagrams, room: &mut [u8]) -> Result<(u64, Option<u64>)> {
    let filler = vec![b'.'; room.len()];
    let (mut goes, mut refused) = (0, filler.len());
    while refused - goes > 1 {
        let length = usize::midpoint(goes, refused);
        let whole = play.give(&filler[..length]).is_ok() && play.wait(room)? == (length, 0);
        *(if whole { &mut goes } else { &mut refused }) = length;
    }
    Ok((goes as u64, Some(refused as u64)))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
