//! `rtmp-chunk`: RTMP's chunks. A header may leave out what an earlier header of the same chunk stream contained. The
//! chunk is the message.
//!
//! Not here: RTMP messages assembled from the chunks of one chunk stream, and the handshake, which is
//! `fixed:1537/fixed:1536`.

use std::collections::BTreeMap;

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;
use crate::limits::MAX_RTMP_STREAMS;

/// Adobe RTMP 1.0: sections 5.3.1 (chunk format) and 5.4.1 (Set Chunk Size).
pub(super) const RTMP: Row<Rtmp> = Row {
    name: "rtmp-chunk",
    syntax: "rtmp-chunk",
    frame: "a whole RTMP chunk; its length depends on earlier headers of its chunk stream, and on Set Chunk Size",
    examples: &["rtmp-chunk", "rtmp-chunk,max=100"],
    keeps_boundaries: true,
    matches: |name| name == "rtmp-chunk",
    parse: |_| Ok(Rtmp { size: 128, streams: BTreeMap::new() }),
};

/// The chunks of one direction.
#[derive(Debug, Clone)]
pub(crate) struct Rtmp {
    /// Maximum number of payload bytes in a chunk.
    size: u32,
    /// The last header of each chunk stream.
    streams: BTreeMap<u32, Stream>,
}

/// A chunk stream.
#[derive(Debug, Clone, Copy)]
struct Stream {
    /// Size of a message, in bytes.
    length: u32,
    kind: u8,
    /// Whether a timestamp of four bytes follows each header.
    extended: bool,
    /// Number of bytes of the current message that are still to come.
    left: u32,
}

/// A chunk: where its header and the whole chunk end, and the new state of its stream.
struct Chunk {
    id: u32,
    payload: usize,
    end: usize,
    stream: Stream,
}

/// The type of messages that change the size of chunks, and the size of such a message's payload.
const SET_CHUNK_SIZE: u8 = 1;
const SIZE_WIDTH: u32 = 4;

/// The type of messages that abort another message; they contain its chunk stream's number.
const ABORT: u8 = 2;

/// The value that means: the timestamp follows the header.
const EXTENDED: u32 = 0xff_ffff;

/// Size of a message header in bytes, by the upper two bits of a chunk's first byte.
const HEADERS: [usize; 4] = [11, 7, 3, 0];

fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Returns the number of the chunk stream, and the size of the basic header that contains it.
fn basic_header(input: &[u8]) -> Option<(u32, usize)> {
    match (input[0] & 0x3f, input) {
        (0, [_, id, ..]) => Some((u32::from(*id) + 64, 2)),
        (1, [_, low, high, ..]) => Some((u32::from(*high) * 256 + u32::from(*low) + 64, 3)),
        (0 | 1, _) => None,
        (id, _) => Some((id.into(), 1)),
    }
}

impl Rtmp {
    /// Returns the chunk that starts at `input[0]`; `None` until its header has arrived.
    fn chunk(&self, input: &[u8]) -> Result<Option<Chunk>, FrameError> {
        let Some((id, basic)) = basic_header(input) else { return Ok(None) };
        let form = usize::from(input[0] >> 6);
        let known = self.streams.get(&id).copied();
        if known.is_none() && form > 1 {
            return Err(FrameError::broken(format!(
                "chunk stream {id} begins with a header that leaves out its length"
            )));
        }
        if known.is_none() && self.streams.len() == MAX_RTMP_STREAMS {
            return Err(FrameError::broken(format!("a peer has more than {MAX_RTMP_STREAMS} chunk streams")));
        }
        let end = basic + HEADERS[form];
        let Some(header) = input.get(basic..end) else { return Ok(None) };
        let mut stream = known.unwrap_or(Stream { length: 0, kind: 0, extended: false, left: 0 });
        if form < 3 {
            stream.extended = big_endian(&header[..3]) == EXTENDED;
        }
        if form < 2 {
            (stream.length, stream.kind) = (big_endian(&header[3..6]), header[6]);
        }
        if form < 3 || stream.left == 0 {
            stream.left = stream.length;
        }
        let payload = end + if stream.extended { 4 } else { 0 };
        let length = stream.left.min(self.size);
        stream.left -= length;
        Ok(Some(Chunk { id, payload, end: payload + length as usize, stream }))
    }

    /// Applies the changes that a whole chunk makes for later chunks.
    fn take(&mut self, chunk: &Chunk, frame: &[u8]) -> Result<(), FrameError> {
        self.streams.insert(chunk.id, chunk.stream);
        if chunk.stream.left > 0 || chunk.stream.length != SIZE_WIDTH {
            return Ok(());
        }
        // The chunk size is never too small for these four bytes.
        let value = big_endian(&frame[chunk.payload..]);
        match chunk.stream.kind {
            SET_CHUNK_SIZE if !(SIZE_WIDTH..1 << 31).contains(&value) => {
                Err(FrameError::broken(format!("chunks of {value} bytes: RTMP has at least 128, and less than 2 GiB")))
            }
            SET_CHUNK_SIZE => {
                self.size = value;
                Ok(())
            }
            ABORT => {
                if let Some(stream) = self.streams.get_mut(&value) {
                    stream.left = 0;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Codec for Rtmp {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let Some(chunk) = self.chunk(input)? else { return Ok(Step::Need) };
        if chunk.end > cx.max {
            return Err(FrameError::TooLong { length: Some(chunk.end as u64), skip: None });
        }
        let Some(frame) = input.get(..chunk.end) else { return Ok(Step::Need) };
        self.take(&chunk, frame)?;
        Ok(Step::Frame { start: 0, end: chunk.end, total: chunk.end })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let chunk = if message.is_empty() { Ok(None) } else { self.chunk(message) };
        let taken = match chunk {
            Ok(Some(chunk)) if chunk.end == message.len() => self.clone().take(&chunk, message),
            Ok(_) => {
                return Err(EncodeError::unfit(
                    "the message is not one RTMP chunk with the length that its header gives",
                ));
            }
            Err(fault) => Err(fault),
        };
        if let Err(FrameError::Broken(what)) = taken {
            return Err(EncodeError::unfit(format!("the message is not a chunk of RTMP: {what}")));
        }
        out.extend_from_slice(message);
        Ok(())
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn sent(&mut self, message: &[u8]) {
        if let Ok(Some(chunk)) = self.chunk(message) {
            // A call before has checked that this works.
            let _ = self.take(&chunk, message);
        }
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        self.chunk(input).ok()?.map(|chunk| chunk.end as u64)
    }
}
