//! The messages of the transfer protocol as bytes: a type byte, then the fields. Integers are big-endian.

use bytes::{BufMut, Bytes};

use super::entry::Entry;
use super::fields::Fields;
use super::subtree::{self, Hash};
use super::violation::Violation;
use crate::limits::{MAX_TRANSFER_PIECE, MAX_TRANSFER_REASON};

/// The bytes of a hello after its type byte, which identify the protocol.
const MAGIC: &[u8; 16] = b"unstick transfer";

/// The version of the protocol that this code speaks.
pub const VERSION: u16 = 1;

/// The two sides of a transfer. Either may have opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The side that has the files.
    Sender,
    /// The side that gets the files.
    Receiver,
}

/// The first message of each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// Version of the protocol that this side speaks.
    pub version: u16,
    /// Which side it is.
    pub side: Side,
    /// The ticket's secret, from the side that connects; zeros from the side that listens.
    pub secret: [u8; 16],
    /// Milliseconds after which this side counts a silent connection as lost.
    pub stall: u32,
}

/// How the receiver came to have a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All its bytes have arrived, and it has its final name.
    Received,
    /// The receiver already had the same content.
    Present,
}

/// Why a file or a transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The sender could not read it.
    Unreadable,
    /// The receiver could not write it.
    Unwritable,
    /// The receiver has another file of the same name.
    Exists,
    /// The received bytes are not the bytes that were sent.
    Mismatch,
    /// The source kept changing.
    Changing,
    /// The receiver does not accept the list.
    Manifest,
    /// The receiver has not enough free space.
    Full,
    /// Any other reason.
    Other,
}

const REASONS: [Reason; 8] = [
    Reason::Unreadable,
    Reason::Unwritable,
    Reason::Exists,
    Reason::Mismatch,
    Reason::Changing,
    Reason::Manifest,
    Reason::Full,
    Reason::Other,
];

/// A message of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// From both: who this side is.
    Hello(Hello),
    /// From the sender: more entries of the list.
    Entries(Vec<Entry>),
    /// From the sender: the list ends.
    Listed {
        /// Number of entries.
        entries: u32,
        /// Sum of the sizes of all files, in bytes.
        size: u64,
    },
    /// From the receiver: send a file, starting at an offset.
    Want {
        /// The entry's number.
        file: u32,
        /// The offset, a multiple of [`SUBTREE`](super::SUBTREE). The receiver has all bytes before it, and has
        /// verified them.
        from: u64,
        /// Chaining values of the bytes before the offset, the largest subtree first.
        /// [`tree_values`](super::tree_values) says how many.
        tree: Vec<Hash>,
    },
    /// From the receiver: send only the hash of a file, because a file of the same name and size is there.
    Compare {
        /// The entry's number.
        file: u32,
    },
    /// From the sender: a piece of a file.
    Data {
        /// The entry's number.
        file: u32,
        /// The offset of the piece in the file.
        offset: u64,
        /// At least one byte. A piece does not cross the end of its subtree.
        bytes: Bytes,
    },
    /// From the sender, in place of data: the next bytes of a file are zeros, because the file has a hole there.
    Hole {
        /// The entry's number.
        file: u32,
        /// The offset of the hole in the file.
        offset: u64,
        /// Number of zeros, at least one. A hole does not cross the end of its subtree.
        length: u32,
    },
    /// From the sender: the chaining value of a subtree whose bytes have been sent.
    Subtree {
        /// The entry's number.
        file: u32,
        /// The subtree's number.
        index: u64,
        /// Its chaining value.
        value: Hash,
    },
    /// From the sender: the file ends.
    End {
        /// The entry's number.
        file: u32,
        /// Size of the file in bytes.
        size: u64,
        /// Its BLAKE3 hash.
        hash: Hash,
    },
    /// From the receiver: a file has its final name and is flushed to disk.
    Resolved {
        /// The entry's number.
        file: u32,
        /// How the receiver came to have it.
        outcome: Outcome,
        /// Its BLAKE3 hash.
        hash: Hash,
    },
    /// From both: an entry failed, and nothing more follows for it.
    Failed {
        /// The entry's number.
        file: u32,
        /// Why.
        reason: Reason,
        /// The reason as a sentence.
        text: Bytes,
    },
    /// From the sender: the source has changed, and the bytes sent so far are worthless.
    Changed {
        /// The entry's number.
        file: u32,
        /// The entry as it is now.
        entry: Entry,
    },
    /// From both: this side refuses the transfer as a whole.
    Refused {
        /// Why.
        reason: Reason,
        /// The reason as a sentence.
        text: Bytes,
    },
    /// From the receiver: every entry is resolved or has failed, and all is flushed to disk. From the sender: it has
    /// read that.
    Done,
    /// From both: this side is still there, and has nothing else to send.
    Alive,
}

const HELLO: u8 = 1;
const ENTRIES: u8 = 2;
const LISTED: u8 = 3;
const WANT: u8 = 4;
const COMPARE: u8 = 5;
const DATA: u8 = 6;
const SUBTREE: u8 = 7;
const END: u8 = 8;
const RESOLVED: u8 = 9;
const FAILED: u8 = 10;
const CHANGED: u8 = 11;
const REFUSED: u8 = 12;
const DONE: u8 = 13;
const ALIVE: u8 = 14;
const HOLE: u8 = 15;

/// Header of a data message. The caller can read the piece's bytes directly behind it.
pub fn data_head(file: u32, offset: u64) -> [u8; 13] {
    let mut head = [DATA; 13];
    head[1..5].copy_from_slice(&file.to_be_bytes());
    head[5..].copy_from_slice(&offset.to_be_bytes());
    head
}

/// The entry's number and the offset of a message with data or a hole; `None` for any other message.
pub fn placed(piece: &[u8]) -> Option<(u32, u64)> {
    let (head, _) = piece.split_first_chunk::<13>()?;
    let [kind, file @ .., _, _, _, _, _, _, _, _] = head;
    let offset = head.last_chunk()?;
    matches!(*kind, DATA | HOLE).then(|| (u32::from_be_bytes(*file), u64::from_be_bytes(*offset)))
}

impl Message {
    /// Appends the encoded message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.put_u8(HELLO);
                out.put_slice(MAGIC);
                out.put_u16(hello.version);
                out.put_u8(u8::from(hello.side == Side::Receiver));
                out.put_slice(&hello.secret);
                out.put_u32(hello.stall);
            }
            Self::Entries(entries) => {
                out.put_u8(ENTRIES);
                entries.iter().for_each(|entry| entry.encode(out));
            }
            Self::Listed { entries, size } => {
                out.put_u8(LISTED);
                out.put_u32(*entries);
                out.put_u64(*size);
            }
            Self::Want { file, from, tree } => {
                put_file(out, WANT, *file);
                out.put_u64(*from);
                tree.iter().for_each(|value| out.put_slice(value));
            }
            Self::Compare { file } => put_file(out, COMPARE, *file),
            Self::Data { file, offset, bytes } => {
                out.put_slice(&data_head(*file, *offset));
                out.put_slice(bytes);
            }
            Self::Hole { file, offset, length } => {
                put_file(out, HOLE, *file);
                out.put_u64(*offset);
                out.put_u32(*length);
            }
            Self::Subtree { file, index: number, value } | Self::End { file, size: number, hash: value } => {
                let is_end = matches!(self, Self::End { .. });
                put_file(out, if is_end { END } else { SUBTREE }, *file);
                out.put_u64(*number);
                out.put_slice(value);
            }
            Self::Resolved { file, outcome, hash } => {
                put_file(out, RESOLVED, *file);
                out.put_u8(u8::from(*outcome == Outcome::Present));
                out.put_slice(hash);
            }
            Self::Failed { file, reason, text } => {
                put_file(out, FAILED, *file);
                put_reason(out, *reason, text);
            }
            Self::Changed { file, entry } => {
                put_file(out, CHANGED, *file);
                entry.encode(out);
            }
            Self::Refused { reason, text } => {
                out.put_u8(REFUSED);
                put_reason(out, *reason, text);
            }
            Self::Done => out.put_u8(DONE),
            Self::Alive => out.put_u8(ALIVE),
        }
    }

    /// Decodes a message, without copying the bytes of a piece.
    ///
    /// # Errors
    ///
    /// If the bytes are not exactly one message.
    pub fn decode(bytes: Bytes) -> Result<Self, Violation> {
        let mut fields = Fields::new(bytes);
        let message = Self::read(&mut fields)?;
        match fields.rest().len() {
            0 => Ok(message),
            more => Err(Violation::new(format!("a message with {more} bytes after its end"))),
        }
    }

    fn read(fields: &mut Fields) -> Result<Self, Violation> {
        Ok(match fields.u8()? {
            HELLO => Self::Hello(hello(fields)?),
            ENTRIES => {
                let mut entries = Vec::new();
                while !fields.is_empty() {
                    entries.push(Entry::decode(fields)?);
                }
                Self::Entries(entries)
            }
            LISTED => Self::Listed { entries: fields.u32()?, size: fields.u64()? },
            WANT => {
                let (file, from, mut tree) = (fields.u32()?, fields.u64()?, Vec::new());
                while !fields.is_empty() {
                    tree.push(fields.hash()?);
                }
                Self::Want { file, from, tree }
            }
            COMPARE => Self::Compare { file: fields.u32()? },
            DATA => {
                let (file, offset) = (fields.u32()?, fields.u64()?);
                let bytes = fields.rest();
                if bytes.is_empty() || bytes.len() > MAX_TRANSFER_PIECE {
                    return Err(Violation::new(format!("a piece of {} bytes", bytes.len())));
                }
                Self::Data { file, offset, bytes }
            }
            SUBTREE => Self::Subtree { file: fields.u32()?, index: fields.u64()?, value: fields.hash()? },
            END => Self::End { file: fields.u32()?, size: fields.u64()?, hash: fields.hash()? },
            RESOLVED => {
                let file = fields.u32()?;
                let outcome = match fields.u8()? {
                    0 => Outcome::Received,
                    1 => Outcome::Present,
                    other => return Err(Violation::new(format!("the unknown outcome {other}"))),
                };
                Self::Resolved { file, outcome, hash: fields.hash()? }
            }
            FAILED => {
                let (file, (reason, text)) = (fields.u32()?, reason(fields)?);
                Self::Failed { file, reason, text }
            }
            CHANGED => Self::Changed { file: fields.u32()?, entry: Entry::decode(fields)? },
            REFUSED => {
                let (reason, text) = reason(fields)?;
                Self::Refused { reason, text }
            }
            DONE => Self::Done,
            ALIVE => Self::Alive,
            HOLE => {
                let (file, offset, length) = (fields.u32()?, fields.u64()?, fields.u32()?);
                if length == 0 || u64::from(length) > subtree::SUBTREE {
                    return Err(Violation::new(format!("a hole of {length} bytes")));
                }
                Self::Hole { file, offset, length }
            }
            other => return Err(Violation::new(format!("a message of the unknown kind {other}"))),
        })
    }
}

fn put_file(out: &mut Vec<u8>, kind: u8, file: u32) {
    out.put_u8(kind);
    out.put_u32(file);
}

/// The text of a reason, cut at a character boundary if it is too long.
pub(super) fn sentence(text: &str) -> Bytes {
    let mut end = text.len().min(MAX_TRANSFER_REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Bytes::copy_from_slice(&text.as_bytes()[..end])
}

fn put_reason(out: &mut Vec<u8>, reason: Reason, text: &[u8]) {
    let number = REASONS.iter().position(|known| *known == reason).unwrap_or(REASONS.len() - 1);
    out.put_u8(number as u8);
    out.put_slice(&text[..text.len().min(MAX_TRANSFER_REASON)]);
}

fn reason(fields: &mut Fields) -> Result<(Reason, Bytes), Violation> {
    // A later version may know more reasons. They are `Other` here.
    let reason = REASONS.get(usize::from(fields.u8()?)).copied().unwrap_or(Reason::Other);
    let text = fields.rest();
    if text.len() > MAX_TRANSFER_REASON {
        return Err(Violation::new(format!("a reason of {} bytes", text.len())));
    }
    Ok((reason, text))
}

fn hello(fields: &mut Fields) -> Result<Hello, Violation> {
    if fields.array::<16>()? != *MAGIC {
        return Err(Violation::new("the peer does not speak the transfer protocol"));
    }
    let version = fields.u16()?;
    let side = match fields.u8()? {
        0 => Side::Sender,
        1 => Side::Receiver,
        other => return Err(Violation::new(format!("the unknown side {other}"))),
    };
    Ok(Hello { version, side, secret: fields.array()?, stall: fields.u32()? })
}
