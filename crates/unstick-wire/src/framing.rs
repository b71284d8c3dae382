//! The table of framings, and the one enum that dispatches to them.
//!
//! A framing is one file below this one, and one line in `framings!`, which feeds the parser, `unstick framings`, the
//! reference and the test suite. A framing with its own codec also has one line in `codecs!`.

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
mod lengths;
mod messagepack;
mod modbus_rtu;
mod needle;
mod nsq;
mod prefixed;
mod python_struct;
mod resp;
mod rtmp;
mod slip;
mod stomp;
mod stuffing;
mod tns;
mod turn;
mod unframed;
mod varint;
mod x11;

use crate::args::Args;
use crate::codec::{Codec, Context, Discard, FrameError, FramingInfo, Shape, Step};
use crate::custom::Custom;
use crate::dialogue::Dialogue;
use crate::error::{EncodeError, SpecError};
use crate::fast_path::FastPath;
use crate::recipe::Recipe;

/// Makes the one enum that dispatches to the codecs, so that the compiler can inline hot loops instead of calling them
/// through pointers.
macro_rules! codecs {
    ($($variant:ident($type:ty)),* $(,)?) => {
        /// Any codec.
        #[derive(Debug, Clone)]
        pub(crate) enum AnyCodec { $($variant($type)),* }

        $(impl From<$type> for AnyCodec {
            fn from(codec: $type) -> Self { Self::$variant(codec) }
        })*

        impl Codec for AnyCodec {
            fn fast_path(&self, max: usize) -> FastPath {
                match self { $(Self::$variant(codec) => codec.fast_path(max)),* }
            }
            fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
                match self { $(Self::$variant(codec) => codec.decode(input, cx)),* }
            }
            fn finish(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
                match self { $(Self::$variant(codec) => codec.finish(input, cx)),* }
            }
            #[inline]
            fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
                match self { $(Self::$variant(codec) => codec.encode(message, out)),* }
            }
            fn depends_on_requests(&self) -> bool {
                match self { $(Self::$variant(codec) => codec.depends_on_requests()),* }
            }
            fn follow(&mut self, dialogue: &Dialogue) {
                match self { $(Self::$variant(codec) => codec.follow(dialogue)),* }
            }
            fn is_stateful(&self) -> bool {
                match self { $(Self::$variant(codec) => codec.is_stateful()),* }
            }
            fn sent(&mut self, message: &[u8]) {
                match self { $(Self::$variant(codec) => codec.sent(message)),* }
            }
            fn decode_only(&self) -> Option<SpecError> {
                match self { $(Self::$variant(codec) => codec.decode_only()),* }
            }
            fn announced(&self, input: &[u8]) -> Option<u64> {
                match self { $(Self::$variant(codec) => codec.announced(input)),* }
            }
            fn can_discard(&self) -> bool {
                match self { $(Self::$variant(codec) => codec.can_discard()),* }
            }
            fn discard(&mut self, input: &[u8], ended: bool) -> Result<Discard, FrameError> {
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
            fn must_be_last(&self) -> Option<&'static str> {
                match self { $(Self::$variant(codec) => codec.must_be_last()),* }
            }
            fn recipe(&self) -> Option<Recipe> {
                match self { $(Self::$variant(codec) => codec.recipe()),* }
            }
            fn shape(&self) -> Shape {
                match self { $(Self::$variant(codec) => codec.shape()),* }
            }
        }
    };
}

codecs! {
    Custom(Custom),
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

impl From<lengths::AnyLength> for AnyCodec {
    fn from(codec: lengths::AnyLength) -> Self {
        match codec {
            lengths::AnyLength::Integer(integer) => integer.into(),
            lengths::AnyLength::Length(length) => length.into(),
            lengths::AnyLength::Joined(joined) => joined.into(),
        }
    }
}

/// Makes the public table of the rows, and the parser that tries them in order.
macro_rules! framings {
    ($($row:path),* $(,)?) => {
        /// All framings, in the order in which the reference shows them.
        pub const FRAMINGS: &[FramingInfo] = &[$($row.info()),*];

        /// Parses the codec that a phase names, and whether it keeps boundaries; `None` if no framing has that name.
        pub(crate) fn parse(args: &mut Args<'_>) -> Option<Result<(AnyCodec, bool), SpecError>> {
            $(if ($row.matches)(args.name()) {
                return Some(($row.parse)(args).map(|codec| (codec.into(), $row.keeps_boundaries)));
            })*
            None
        }
    };
}

framings! {
    unframed::RAW,
    unframed::GAP,
    delimited::LINE,
    delimited::CRLF,
    delimited::DELIM,
    delimited::NULL,
    between::BETWEEN,
    between::MLLP,
    lengths::INTEGERS,
    python_struct::STRUCT,
    lengths::GENERAL,
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
}
