//! Every limit of the decoders and encoders, each with its unit and its reason.
//!
//! None of them is ever reserved up front: memory follows what has arrived, never what a header announced.

use std::time::Duration;

/// Default of `max=`: bytes in one message as the user sees it, in both directions. Large enough for what protocols
/// really send, small enough that a thousand peers cannot fill a machine's memory with one frame each.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The largest `max=` that a user can set, in bytes: positions inside a frame stay far from overflow.
pub const LARGEST_MAX: usize = 1 << 40;

/// Bytes in a block of header lines (`headers`) up to and with its empty line. Content-Length and Content-Type need
/// under 200; web servers commonly stop at 8 KiB.
pub const MAX_HEADER_BLOCK: usize = 8 << 10;

/// Bytes in the head of an HTTP, SIP or RTSP message, with its empty line. Servers stop at 8 to 48 KiB, and a head full
/// of cookies or tokens stays under this.
pub const MAX_MESSAGE_HEAD: usize = 64 << 10;

/// HEAD and CONNECT requests on one connection that wait for their responses: a few bytes are kept for each, and clients
/// send under ten ahead.
pub const MAX_OPEN_HEADS: usize = 4096;

/// Bytes that are kept of what `damaged=skip` passes over, to show them: enough to recognise them.
pub const MAX_DAMAGE_SHOWN: usize = 64;

/// Decimal digits of a length in text: `u64::MAX` has 20.
pub const MAX_DECIMAL_DIGITS: usize = 20;

/// Hexadecimal digits of a length in text: `u64::MAX` has 16.
pub const MAX_HEX_DIGITS: usize = 16;

/// Characters of a decimal length in a field of fixed width. Tutorials pad theirs with blanks to 10 or 64.
pub const MAX_TEXT_LENGTH: usize = 128;

/// Bytes of an ASN.1 tag: six hold tag numbers up to 35 bits, and real ones stay under 31.
pub const MAX_BER_TAG: usize = 6;

/// Bytes of a LEB128 length: ten times seven bits hold a `u64`.
pub const MAX_VARINT: usize = 10;

/// Nesting of a JSON value: one bit is kept for each level, and real data stays under a few dozen.
pub const MAX_JSON_DEPTH: usize = 512;

/// Nesting of a RESP value: a few bytes are kept for each level, and real replies stay under ten.
pub const MAX_RESP_DEPTH: usize = 128;

/// Nesting of CBOR items of indefinite length: a few bytes are kept for each level, and real data stays under ten.
pub const MAX_CBOR_DEPTH: usize = 128;

/// Segments of a Cap'n Proto message: its own readers stop there, and the table is read again whenever more arrives.
pub const MAX_CAPNPROTO_SEGMENTS: usize = 512;

/// Chunk streams of one side of an RTMP connection: a few bytes are kept for each, and real ones have under ten.
pub const MAX_RTMP_STREAMS: usize = 64;

/// Verbs of `command`: NATS and memcached have under ten with a payload.
pub const MAX_COMMANDS: usize = 32;

/// Bytes of each of FIX's first two fields: `8=FIXT.1.1` has ten, `9=` at most twenty digits.
pub const MAX_FIX_FIELD: usize = 32;

/// Bytes that the headers of a message in several parts may take up, beyond the message's own `max`: a peer that sends
/// empty parts without end is refused.
pub const MAX_PART_HEADERS: usize = 256;

/// Bytes before the end of a header in `length:off=...,width=...`: real headers end before 64.
pub const MAX_LENGTH_OFFSET: usize = 4096;

/// Bytes in a delimiter: longer ones are typing errors.
pub const MAX_DELIMITER: usize = 256;

/// Phases in one spec; this also bounds the length of what a user can mistype.
pub const MAX_PHASES: usize = 16;

/// Bytes that a fault injector holds back before it takes no more: a delay of 50 ms at 80 MB a second.
pub const MAX_HELD: usize = 4 << 20;

/// Ranges of volatile bytes that are learnt from two recordings. Two of the same conversation differ in ids and times; those that
/// differ in more places are of different conversations.
pub const MAX_LEARNT: usize = 65_536;

/// The longest time that a user can set: a year. Later moments overflow the clocks of some systems, and a longer wait
/// is a typing error.
pub const LONGEST_TIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// Bytes of TCP segments of one direction that wait for bytes before them. More than a usual window of a fast connection;
/// when they are over it, the missing bytes count as lost.
pub const MAX_REORDERED: usize = 4 << 20;

/// TCP segments of one direction that wait for bytes before them: each costs some bytes besides its own.
pub const MAX_REORDERED_SEGMENTS: usize = 4096;

/// Bytes by which a TCP segment may lie ahead of the next one in order: the largest window there is (RFC 7323, section
/// 2.2). A segment farther ahead does not belong to this connection.
pub const MAX_AHEAD: u64 = 1 << 30;

/// Packets of a connection that are waited for after its receiver has acknowledged bytes that were not captured. Captures
/// of several queues can show an acknowledgement before what it acknowledges.
pub const MAX_LATE_PACKETS: u32 = 16;

/// Bytes in one message of the transfer protocol: the longest piece of a file with its head, and a batch of entries, fit.
pub const MAX_TRANSFER_MESSAGE: usize = 256 << 10;

/// Bytes of a file in one message of the transfer protocol: few system calls a second, and little memory for what is on its way.
pub const MAX_TRANSFER_PIECE: usize = 128 << 10;

/// Files and directories in one transfer: each costs the receiver some hundred bytes of memory.
pub const MAX_TRANSFER_ENTRIES: usize = 1_000_000;

/// Bytes of all paths of one transfer together: with [`MAX_TRANSFER_ENTRIES`], what a manifest may cost the receiver in memory.
pub const MAX_TRANSFER_PATHS: usize = 64 << 20;

/// Bytes of one path in a transfer: what Linux takes (`PATH_MAX`) with its final zero.
pub const MAX_TRANSFER_PATH: usize = 4095;

/// Bytes of one component of a path in a transfer: what nearly every file system takes (`NAME_MAX`).
pub const MAX_TRANSFER_NAME: usize = 255;

/// Components of one path in a transfer: real trees stay under 50.
pub const MAX_TRANSFER_DEPTH: usize = 128;

/// Bytes of one transfer, and of one file in it: sums stay far from overflow.
pub const MAX_TRANSFER_SIZE: u64 = 1 << 60;

/// How many times a file may start again in one transfer because its source has changed: a log that always grows must
/// end somewhere.
pub const MAX_TRANSFER_RESTARTS: u8 = 8;

/// The shortest time limit of the other side of a transfer that this side heeds: with a shorter one, the other side could
/// make this one send without end.
pub const MIN_TRANSFER_STALL: Duration = Duration::from_millis(100);

/// Bytes of the sentence that says why a file or a transfer failed.
pub const MAX_TRANSFER_REASON: usize = 1024;

/// Bytes of the connections of one server that a guess looks at: a hundred framings are tried on them, in under 200 ms together.
pub const MAX_GUESS_BYTES: usize = 256 << 10;

/// Bytes of one direction of a connection that a guess looks at: the first messages of a connection tell the most.
pub const MAX_GUESS_DIRECTION: usize = 64 << 10;

/// Segments of one connection that a guess looks at: each costs some bytes besides its own, and a step of every framing.
pub const MAX_GUESS_SEGMENTS: usize = 2048;

/// Connections of one server that a guess looks at: the evidence of the next ones is mostly the same.
pub const MAX_GUESS_CONNECTIONS: usize = 32;
