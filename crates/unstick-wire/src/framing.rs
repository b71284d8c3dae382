//! The table of framings, and what each of them has to be able to do.
//!
//! A framing is one file below this one and one line in [`ENTRIES`], which feeds the parser, `unstick framings`, the
//! reference and the test suite; where it needs rules of its own, they are one line in `codecs!` too.

mod adb;
mod arrow;
mod ber;
mod between;
mod capnproto;
mod cbor;
mod cobs;
mod command;
mod delimited;
mod digits;
mod dle;
mod dnp3;
mod escape;
mod event_stream;
mod fix;
mod fixed;
mod flagged;
mod gdb;
mod hdlc;
mod headers;
mod http;
mod integer;
mod joined;
mod json;
mod json_seq;
mod jt808;
mod length;
mod messagepack;
mod modbus_rtu;
mod nsq;
mod prefixed;
mod python_struct;
mod resp;
mod rtmp;
mod slip;
mod stomp;
mod tns;
mod turn;
mod unframed;
mod varint;
mod x11;

use crate::args::Args;
use crate::error::{EncodeError, SpecError, Text};
use crate::lane::Lane;
use delimited::Needle;

/// Where a frame was found in the input, or what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// No whole frame yet.
    Need,
    /// `input[start..end]` is a message; its frame takes up `input[..total]`.
    Frame { start: usize, end: usize, total: usize },
    /// The message was written to the scratch buffer (its bytes do not stand in the input as they are); its frame
    /// takes up `input[..total]`.
    Built { total: usize },
    /// `input[..total]` stands between frames and belongs to none.
    Blank { total: usize },
}

/// Why no message can be had from the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Over the limit. `skip` bytes of input, beyond what is there maybe, hold the frame; `None` where only reading
    /// on can tell.
    TooLong { length: Option<u64>, skip: Option<u64> },
    /// Bytes that no frame of this framing holds.
    Broken(Text),
}

impl Fault {
    pub(crate) fn broken(what: impl Into<Text>) -> Self {
        Self::Broken(what.into())
    }
}

/// What a codec is given besides the input.
pub(crate) struct Cx<'a> {
    /// The longest message, in bytes.
    pub(crate) max: usize,
    /// For messages whose bytes do not stand in the input as they are. Cleared by who writes.
    pub(crate) scratch: &'a mut Vec<u8>,
}

/// Bytes as an error names them.
pub(crate) fn shown(bytes: &[u8]) -> String {
    match bytes {
        b"\n" => "LF".into(),
        b"\r" => "CR".into(),
        b"\r\n" => "CRLF".into(),
        b"\0" => "a zero byte".into(),
        text if text.iter().all(|b| (b' '..=b'~').contains(b)) => format!("\"{}\"", String::from_utf8_lossy(text)),
        other => other.iter().map(|b| format!("{b:02x}")).collect(),
    }
}

/// Appends a message that holds its own header, and what ends its frame, if a decoder in its first state finds exactly
/// that message in it; `wanted` says what it should have been.
pub(crate) fn encode_as_it_stands(
    mut codec: impl Codec,
    message: &[u8],
    end: &[u8],
    wanted: &str,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let from = out.len();
    out.extend_from_slice(message);
    out.extend_from_slice(end);
    let frame = &out[from..];
    let mut cx = Cx { max: message.len(), scratch: &mut Vec::new() };
    let found = if frame.is_empty() { Ok(Step::Need) } else { codec.decode(frame, &mut cx) };
    match found {
        Ok(Step::Frame { start: 0, end, total }) if end == message.len() && total == frame.len() => Ok(()),
        Err(Fault::Broken(what)) => Err(EncodeError::unfit(format!("the message is not {wanted}: {what}"))),
        _ => Err(EncodeError::unfit(format!("the message is not {wanted}"))),
    }
}

/// How much of an over-long frame can be thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    /// These bytes belong to it, and more to come do too.
    More(usize),
    /// These bytes are its last.
    Done(usize),
}

impl Discard {
    /// Up to and with the next `mark`, which ends a frame.
    fn behind(mark: &Needle, input: &[u8]) -> Self {
        match mark.find(input) {
            Some(at) => Self::Done(at + mark.bytes().len()),
            None => Self::More(input.len() - mark.keep(input)),
        }
    }

    /// Up to the next `mark`, which starts a frame, from `from` on.
    fn up_to(mark: &Needle, input: &[u8], from: usize) -> Self {
        match input.get(from..).and_then(|rest| mark.find(rest)) {
            Some(at) => Self::Done(from + at),
            // What is kept may be a mark's first bytes, but never all of a frame that is to be passed over.
            None => Self::More((input.len() - mark.keep(input)).max(from.min(input.len()))),
        }
    }
}

/// One framing's rules, with the state of one direction of one stream.
///
/// `decode` is called with everything that has arrived from a boundary on, again and again with a longer `input` until
/// it finds a frame; it remembers how far it has looked, so that the whole is linear. State is reset by the frame found.
pub(crate) trait Codec: Clone + std::fmt::Debug {
    /// A quicker way to most of its frames, where they are so simple.
    fn lane(&self, _max: usize) -> Lane {
        Lane::Closed
    }

    /// Looks for the frame that starts at `input[0]`. `input` is not empty.
    fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault>;

    /// The stream has ended and `decode` needs more: is the rest a message? (`Need`: no.)
    fn finish(&mut self, _input: &[u8], _cx: &mut Cx<'_>) -> Result<Step, Fault> {
        Ok(Step::Need)
    }

    /// Appends `message` (not over `max`) as a frame. On failure the caller restores `out`.
    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Whether what can be sent depends on what has been: then `sent` is told of each message.
    fn remembers(&self) -> bool {
        false
    }

    /// A message has been sent.
    fn sent(&mut self, _message: &[u8]) {}

    /// Why nothing can be sent with this spec, if so.
    fn unsendable(&self) -> Option<SpecError> {
        None
    }

    /// Bytes in the frame that `input` begins, once its header tells.
    fn announced(&self, _input: &[u8]) -> Option<u64> {
        None
    }

    /// Whether a frame that is too long can be passed over without losing the next boundary.
    fn can_discard(&self) -> bool {
        false
    }

    /// Passes over a frame that is too long, where only its end tells how long it is. The first call gets the input
    /// that `decode` refused, later ones what has arrived since. `ended`: nothing will follow `input`.
    fn discard(&mut self, input: &[u8], _ended: bool) -> Result<Discard, Fault> {
        Ok(Discard::More(input.len()))
    }

    /// Whether the next frame can be found behind bytes that break the framing: then `resync` finds it.
    fn can_resync(&self) -> bool {
        false
    }

    /// From now on, a frame whose checksum is wrong is damaged: for framings that otherwise leave checksums to who reads the frames.
    fn check_sums(&mut self) {}

    /// Looks for the next place where a frame can begin. The first call (`first`) gets all that has arrived of the frame
    /// that is damaged, and passes over its first byte at least; later calls get what the last one kept, and what has
    /// arrived since. The state is whatever `decode` left, and is reset afterwards.
    ///
    /// The whole is to be linear: no byte is looked at, here and by `decode` from the places found on, more than a fixed
    /// number of times.
    fn resync(&mut self, input: &[u8], _first: bool, _max: usize) -> Discard {
        Discard::More(input.len())
    }

    /// Why no other phase can follow, if so: where a frame ends is not a matter of its bytes alone.
    fn unfollowable(&self) -> Option<&'static str> {
        None
    }

    /// What its headers look like, for recognising what a peer really speaks.
    fn shape(&self) -> Shape {
        Shape::Other
    }
}

/// The outward look of a framing, for [`crate::recognise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A binary length of `width` bytes at `offset`.
    Binary {
        offset: usize,
        width: usize,
        little: bool,
        /// What is added to the value to get the bytes after it.
        adjust: i64,
        /// The value is a number of bytes as it stands: no mask, no unit.
        simple: bool,
    },
    /// A length, or a header, in text.
    TextHeader,
    /// Messages of HTTP itself.
    Http,
    /// Messages that end in LF or CRLF.
    Line { crlf: bool },
    /// JSON values.
    Json,
    /// Anything else.
    Other,
}

/// One line of the table of framings: its spec, what it is, and its parser.
#[derive(Debug)]
pub struct Entry {
    /// The name, or the pattern of names, as the reference shows it.
    pub name: &'static str,
    /// How it is written, arguments included.
    pub syntax: &'static str,
    /// What a frame is, in half a sentence.
    pub frame: &'static str,
    /// Specs that parse: the first is shown, all are tested.
    pub examples: &'static [&'static str],
    /// Whether boundaries are kept: false for `raw` and `gap`.
    pub keeps_boundaries: bool,
    pub(crate) matches: fn(&str) -> bool,
    pub(crate) parse: fn(&mut Args<'_>) -> Result<Machine, SpecError>,
}

/// Makes the one enum that dispatches to the codecs, so that hot loops are inlined rather than called through pointers.
macro_rules! codecs {
    ($($variant:ident($type:ty)),* $(,)?) => {
        /// Any codec.
        #[derive(Debug, Clone)]
        pub(crate) enum Machine { $($variant($type)),* }

        $(impl From<$type> for Machine {
            fn from(codec: $type) -> Self { Self::$variant(codec) }
        })*

        impl Codec for Machine {
            fn lane(&self, max: usize) -> Lane {
                match self { $(Self::$variant(codec) => codec.lane(max)),* }
            }
            fn decode(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
                match self { $(Self::$variant(codec) => codec.decode(input, cx)),* }
            }
            fn finish(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Result<Step, Fault> {
                match self { $(Self::$variant(codec) => codec.finish(input, cx)),* }
            }
            #[inline]
            fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
                match self { $(Self::$variant(codec) => codec.encode(message, out)),* }
            }
            fn remembers(&self) -> bool {
                match self { $(Self::$variant(codec) => codec.remembers()),* }
            }
            fn sent(&mut self, message: &[u8]) {
                match self { $(Self::$variant(codec) => codec.sent(message)),* }
            }
            fn unsendable(&self) -> Option<SpecError> {
                match self { $(Self::$variant(codec) => codec.unsendable()),* }
            }
            fn announced(&self, input: &[u8]) -> Option<u64> {
                match self { $(Self::$variant(codec) => codec.announced(input)),* }
            }
            fn can_discard(&self) -> bool {
                match self { $(Self::$variant(codec) => codec.can_discard()),* }
            }
            fn discard(&mut self, input: &[u8], ended: bool) -> Result<Discard, Fault> {
                match self { $(Self::$variant(codec) => codec.discard(input, ended)),* }
            }
            fn can_resync(&self) -> bool {
                match self { $(Self::$variant(codec) => codec.can_resync()),* }
            }
            fn check_sums(&mut self) {
                match self { $(Self::$variant(codec) => codec.check_sums()),* }
            }
            fn resync(&mut self, input: &[u8], first: bool, max: usize) -> Discard {
                match self { $(Self::$variant(codec) => codec.resync(input, first, max)),* }
            }
            fn unfollowable(&self) -> Option<&'static str> {
                match self { $(Self::$variant(codec) => codec.unfollowable()),* }
            }
            fn shape(&self) -> Shape {
                match self { $(Self::$variant(codec) => codec.shape()),* }
            }
        }
    };
}

codecs! {
    Raw(unframed::Raw),
    Gap(unframed::Gap),
    Line(delimited::Line),
    Delimited(delimited::Delimited),
    Between(between::Between),
    Integer(integer::Integer),
    Length(length::Length),
    Joined(joined::Joined),
    Varint(prefixed::Prefixed<varint::Varint>),
    Escape(prefixed::Prefixed<escape::Escape>),
    Msgpack(prefixed::Prefixed<escape::Msgpack>),
    Field(prefixed::Prefixed<digits::Field>),
    Count(prefixed::Prefixed<digits::Count>),
    Ber(ber::Ber),
    Headers(headers::Headers),
    Slip(slip::Slip),
    Cobs(cobs::Cobs),
    Hdlc(hdlc::Hdlc),
    Fixed(fixed::Fixed),
    Json(json::Json),
    JsonSeq(json_seq::JsonSeq),
    Resp(resp::Resp),
    Command(command::Command),
    Stomp(stomp::Stomp),
    Fix(fix::Fix),
    WebSocket(prefixed::Prefixed<flagged::WebSocket>),
    Zmtp(prefixed::Prefixed<flagged::Zmtp>),
    Coap(prefixed::Prefixed<flagged::Coap>),
    Dnp3(dnp3::Dnp3),
    ModbusRtu(modbus_rtu::ModbusRtu),
    Jt808(jt808::Jt808),
    X11(x11::X11Stream),
    Http(http::Message),
    EventStream(event_stream::EventStream),
    Dle(dle::Dle),
    Gdb(gdb::Gdb),
    Nsq(nsq::Nsq),
    Tns(tns::Tns),
    Turn(turn::Turn),
    Adb(prefixed::Prefixed<adb::AdbReply>),
    MessagePack(messagepack::MessagePack),
    Cbor(cbor::Cbor),
    CapnProto(prefixed::Prefixed<capnproto::CapnProto>),
    Arrow(arrow::Arrow),
    Rtmp(rtmp::Rtmp),
}

/// All framings, in the order in which the reference shows them.
pub const ENTRIES: &[Entry] = &[
    unframed::RAW,
    unframed::GAP,
    delimited::LINE,
    delimited::CRLF,
    delimited::DELIM,
    delimited::NULL,
    between::BETWEEN,
    between::MLLP,
    integer::INTEGERS,
    python_struct::STRUCT,
    length::GENERAL,
    varint::VARINT,
    escape::ESCAPE,
    escape::MSGPACK,
    ber::BER,
    digits::ASCII,
    digits::HEX,
    digits::DECIMAL,
    digits::NETSTRING,
    digits::OCTET_COUNT,
    headers::HEADERS,
    http::HTTP,
    http::SIP,
    http::RTSP,
    event_stream::EVENT_STREAM,
    slip::SLIP,
    cobs::COBS,
    hdlc::HDLC,
    dle::DLE,
    fixed::FIXED,
    messagepack::MESSAGEPACK,
    cbor::CBOR,
    capnproto::CAPNPROTO,
    arrow::ARROW,
    json::JSON,
    json_seq::JSON_SEQ,
    resp::RESP,
    command::COMMAND,
    stomp::STOMP,
    fix::FIX,
    flagged::WEBSOCKET,
    flagged::ZMTP,
    flagged::COAP,
    dnp3::DNP3,
    modbus_rtu::MODBUS_RTU,
    jt808::JT808,
    x11::X11,
    gdb::GDB,
    nsq::NSQ,
    tns::TNS,
    turn::TURN,
    adb::ADB,
    rtmp::RTMP,
];
