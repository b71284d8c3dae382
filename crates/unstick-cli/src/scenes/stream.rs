//! Shows what a stream does to sends and reads: it gathers, joins and splits them, and returns them in portions.

use super::act::Act;
use super::recorder::{Stream, cannot};
use unstick::Result;

/// Buffer size of a reader that knows nothing of messages, as in tutorials.
pub(super) const USUAL_ROOM: usize = 1024;

/// A message longer than a buffer of 8 bytes.
pub(super) const LONG: &[u8] = b"Longer than 8 bytes by far.";

/// How often the first scene may be played again. On a busy machine this thread may stop for the 40 ms after which the
/// acknowledgement arrives, before the sends that should wait for it.
const TRIES: usize = 5;

/// Two sends wait for a late acknowledgement, and go out together.
///
/// The receiver is told to acknowledge late, as it does by itself once a conversation goes back and forth.
pub(super) fn nagle() -> Result<Vec<Act>> {
    let mut act = gathered()?;
    for _ in 1..TRIES {
        if !act.shown {
            act = gathered()?;
        }
    }
    Ok(vec![act])
}

fn gathered() -> Result<Act> {
    let mut play = Stream::direct("gathered")?;
    play.pair.near.set_nodelay(false).map_err(cannot)?;
    acknowledge_late(&play)?;
    play.send(b"Hello")?;
    play.arrive(5)?;
    play.send(b"World")?;
    play.send(b"again")?;
    let held_back = play.look()? == 5;
    play.read(USUAL_ROOM)?;
    while play.record.read < play.record.sent {
        play.arrive(1)?;
        play.read(USUAL_ROOM)?;
    }
    let shown = held_back && play.record.joined();
    Ok(play.end(shown))
}

#[cfg(target_os = "linux")]
fn acknowledge_late(play: &Stream) -> Result<()> {
    rustix::net::sockopt::set_tcp_quickack(&play.pair.far, false).map_err(|error| cannot(error.into()))
}

/// On other systems the kernel decides, and the scene reports whether it happened.
#[cfg(not(target_os = "linux"))]
fn acknowledge_late(_: &Stream) -> Result<()> {
    Ok(())
}

/// Both sends have arrived before the reader looks.
pub(super) fn slow_reader() -> Result<Vec<Act>> {
    let mut play = Stream::direct("joined")?;
    play.send(b"Hello")?;
    play.arrive(5)?;
    play.send(b"World")?;
    play.arrive(10)?;
    play.read(USUAL_ROOM)?;
    let shown = play.record.joined();
    Ok(vec![play.end(shown)])
}

/// One send reaches its reader in three segments, each after the one before was read.
pub(super) fn split() -> Result<Vec<Act>> {
    let mut play = Stream::through_a_network("split")?;
    play.send(b"Hello, World")?;
    for piece in [3, 5, 4] {
        play.pass(piece)?;
        play.arrive(piece as u64)?;
        play.read(USUAL_ROOM)?;
    }
    let shown = play.record.calls() == (1, 3);
    Ok(vec![play.end(shown)])
}

/// The message is longer than the reader's buffer: the rest waits for the next read.
pub(super) fn small_buffer() -> Result<Vec<Act>> {
    let mut play = Stream::direct("portions")?;
    play.send(LONG)?;
    play.arrive(LONG.len() as u64)?;
    while play.record.read < play.record.sent {
        play.read(8)?;
    }
    let (sends, reads) = play.record.calls();
    Ok(vec![play.end(sends == 1 && reads > 1)])
}
