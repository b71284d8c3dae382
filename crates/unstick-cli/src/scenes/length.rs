//! Shows a length before each message: where the usual way to read it fails, where it works, and its largest value.

use bytes::Bytes;

use super::act::{Act, What};
use super::recorder::Stream;
use super::stream::USUAL_ROOM;
use unstick::Result;

/// Bytes of the length field.
const FIELD: usize = 4;

/// Writes a length as these scenes do: four bytes, the most significant first; bits that do not fit are cut off.
fn field(length: u64) -> [u8; FIELD] {
    (length as u32).to_be_bytes()
}

/// Reads the length with `recv(1024)`, with one `recv(4)`, and with as many reads as it takes.
pub(super) fn length() -> Result<Vec<Act>> {
    Ok(vec![joined()?, cut()?, exact()?])
}

/// Length and body arrive together.
fn joined() -> Result<Act> {
    let mut play = Stream::direct("joined")?;
    play.send(&field(5))?;
    play.send(b"Hello")?;
    play.arrive(9)?;
    let read = play.read(USUAL_ROOM)?;
    Ok(unpacked(play, &read))
}

/// The length itself arrives in two pieces.
fn cut() -> Result<Act> {
    let mut play = Stream::through_a_network("cut")?;
    play.send(&[&field(5), &b"Hello"[..]].concat())?;
    play.pass(2)?;
    play.arrive(2)?;
    let read = play.read(FIELD)?;
    Ok(unpacked(play, &read))
}

/// Records what happens to a program that takes one read for one length.
fn unpacked(mut play: Stream, read: &[u8]) -> Act {
    let fails = read.len() != FIELD;
    if fails {
        play.record.stuck(format!("a length has {FIELD} bytes, and this read returned {}", read.len()));
    }
    play.end(fails)
}

/// Plays the same two deliveries with a reader that reads until nothing is missing.
fn exact() -> Result<Act> {
    let mut play = Stream::through_a_network("exact")?;
    for (word, pieces) in [(b"Hello", &[9][..]), (b"World", &[2, 7])] {
        play.send(&field(word.len() as u64))?;
        play.send(word)?;
        let mut coming = pieces.iter();
        let length = exactly(&mut play, FIELD, &mut coming)?;
        let length = u32::from_be_bytes(length[..].try_into().expect("this many bytes were read"));
        let body = exactly(&mut play, length as usize, &mut coming)?;
        play.record.took(body);
    }
    let messages = play.record.events().filter_map(|what| match what {
        What::Took { bytes } => Some(&bytes[..]),
        _ => None,
    });
    let shown = messages.eq([&b"Hello"[..], b"World"]);
    Ok(play.end(shown))
}

/// Reads until `count` bytes are there. The network passes its next piece on when the last one was read.
fn exactly<'a>(play: &mut Stream, count: usize, coming: &mut impl Iterator<Item = &'a usize>) -> Result<Bytes> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        if super::recorder::queued(&play.pair.far)? == 0
            && let Some(piece) = coming.next()
        {
            play.pass(*piece)?;
            play.arrive(*piece as u64)?;
        }
        bytes.extend(play.read(count - bytes.len())?);
    }
    Ok(bytes.into())
}

/// Lengths around each limit of four bytes.
const LENGTHS: [u64; 6] = [5, i32::MAX as u64, 1 << 31, u32::MAX as u64, 1 << 32, (1 << 32) + 5];

/// Sends and reads every length, and then a message that is 4 GiB longer than its length says.
pub(super) fn range() -> Result<Vec<Act>> {
    Ok(vec![fields()?, past()?])
}

fn fields() -> Result<Act> {
    let mut play = Stream::direct("fields")?;
    for length in LENGTHS {
        play.send(&field(length))?;
        play.arrive(FIELD as u64)?;
        let bytes: [u8; FIELD] = play.read(FIELD)?[..].try_into().expect("these bytes have arrived");
        let (signed, unsigned) = (i32::from_be_bytes(bytes), u32::from_be_bytes(bytes));
        play.record.note(What::Length { length, bytes, signed, unsigned });
    }
    let wrong = play.record.events().filter(
        |what| matches!(what, What::Length { length, signed, .. } if u64::try_from(*signed).ok() != Some(*length)),
    );
    let shown = wrong.count() > 0;
    Ok(play.end(shown))
}

/// Sends the first bytes of a body of 4 GiB and 5 bytes, after a length that has no room for the 4 GiB.
fn past() -> Result<Act> {
    let mut play = Stream::direct("past")?;
    let announced = (1 << 32) + 5;
    play.send(&field(announced))?;
    play.send(b"Hello, World, and 4 GiB more")?;
    play.arrive(32)?;
    let length = play.read(FIELD)?;
    let length = u32::from_be_bytes(length[..].try_into().expect("these bytes have arrived"));
    let message = play.read(length as usize)?;
    play.record.took(message);
    let next = play.read(FIELD)?;
    let next = u32::from_be_bytes(next[..].try_into().expect("these bytes have arrived"));
    play.record.stuck(format!("4 bytes of the text are taken for the next length, {next}"));
    Ok(play.end(u64::from(length) != announced))
}
