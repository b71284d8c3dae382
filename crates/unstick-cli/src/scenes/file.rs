//! Shows a file over a stream: with its length in front, and with only the end of the stream to end it.

use super::act::{Act, What};
use super::recorder::Stream;
use super::stream::USUAL_ROOM;
use unstick::Result;

/// What is sent, in two pieces.
const FILE: [&[u8]; 2] = [b"Hello, ", b"file"];

/// Bytes of the length in front.
const FIELD: usize = 8;

/// The whole file after its length; a cut without a length, and a cut with one.
pub(super) fn file() -> Result<Vec<Act>> {
    Ok(vec![known()?, cut()?, noticed()?])
}

fn size() -> usize {
    FILE.iter().map(|piece| piece.len()).sum()
}

/// Everything has arrived before the receiver reads: the length says how much of it is the file.
fn known() -> Result<Act> {
    let mut play = Stream::direct("known")?;
    play.send(&(size() as u64).to_be_bytes())?;
    FILE.iter().try_for_each(|piece| play.send(piece))?;
    play.arrive((FIELD + size()) as u64)?;
    let length = length(&mut play)?;
    let file = play.read(length)?;
    play.record.took(file);
    let joined = play.record.joined();
    let whole = play.record.events().any(|what| matches!(what, What::Took { bytes } if **bytes == FILE.concat()[..]));
    Ok(play.end(joined && whole))
}

/// The sender ends in the middle, and the receiver takes the end of the stream for the end of the file.
fn cut() -> Result<Act> {
    let mut play = Stream::direct("cut")?;
    play.send(FILE[0])?;
    play.close()?;
    play.arrive(FILE[0].len() as u64)?;
    let mut file = Vec::new();
    loop {
        let bytes = play.read(USUAL_ROOM)?;
        if bytes.is_empty() {
            break;
        }
        file.extend_from_slice(&bytes);
    }
    let (came, size) = (file.len(), size());
    play.record.took(file);
    play.record
        .note(What::Fooled { why: format!("{came} of {size} bytes are taken for the file, and no error says so") });
    Ok(play.end(came < size))
}

/// The same cut, after a length.
fn noticed() -> Result<Act> {
    let mut play = Stream::direct("noticed")?;
    play.send(&(size() as u64).to_be_bytes())?;
    play.send(FILE[0])?;
    play.close()?;
    play.arrive((FIELD + FILE[0].len()) as u64)?;
    let (length, mut came) = (length(&mut play)?, 0);
    while came < length {
        let bytes = play.read(length - came)?;
        if bytes.is_empty() {
            play.record.stuck(format!("the stream ended after {came} of {length} bytes: the file is not whole"));
            break;
        }
        came += bytes.len();
    }
    Ok(play.end(came < length))
}

/// Reads the length, which has already arrived.
fn length(play: &mut Stream) -> Result<usize> {
    let field: [u8; FIELD] = play.read(FIELD)?[..].try_into().expect("these bytes have arrived");
    Ok(u64::from_be_bytes(field) as usize)
}
