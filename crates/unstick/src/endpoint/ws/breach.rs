//! Describes what a peer did wrong on a WebSocket, and every end without a Close: a sentence, and the code to send to
//! the peer.

use std::io;

use tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode;

use super::frames::Violation;
use crate::advice::Advice;
use crate::error::Error;

#[cfg(feature = "tls")]
use super::super::tls::explained;

/// Without TLS no error needs rewording.
#[cfg(not(feature = "tls"))]
fn explained(error: io::Error) -> io::Error {
    error
}

/// How a connection failed.
pub(super) struct Breach {
    /// The code to send to the peer; `None` if the peer is not there any more.
    pub(super) code: Option<CloseCode>,
    /// The error for this end.
    pub(super) told: Error,
}

impl Breach {
    pub(super) fn of(error: WsError) -> Self {
        match error {
            WsError::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>()) {
                Some(fault) => Self::crossed(*fault),
                None => Self { code: None, told: Error::io("receiving", explained(error)) },
            },
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                let what = "the connection was cut: it ended without WebSocket's own end (Close)";
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, what);
                Self { code: None, told: Error::io("receiving", error) }
            }
            WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::crossed(Violation::TooLong { size: size as u64, largest: max_size })
            }
            WsError::Utf8(_) => Self::broke(CloseCode::Invalid, "a text message is not UTF-8"),
            WsError::Protocol(problem) => Self::broke(CloseCode::Protocol, broken(&problem)),
            // These concern handshakes and writing, and do not come here.
            WsError::Capacity(CapacityError::TooManyHeaders) | WsError::Http(_) | WsError::HttpFormat(_) => {
                Self::broke(CloseCode::Protocol, "it began another handshake")
            }
            WsError::ConnectionClosed | WsError::AlreadyClosed => {
                Self { code: None, told: Error::io("receiving", io::ErrorKind::NotConnected.into()) }
            }
            WsError::WriteBufferFull(_) => Self::crossed(Violation::UnreadAnswers),
            WsError::Tls(_) | WsError::AttackAttempt | WsError::Url(_) => {
                Self::broke(CloseCode::Protocol, "its connection cannot be used")
            }
        }
    }

    fn broke(code: CloseCode, how: &str) -> Self {
        Self { code: Some(code), told: Error::protocol(format!("the peer broke WebSocket: {how}")) }
    }

    fn crossed(fault: Violation) -> Self {
        let told = Error::protocol(fault.to_string());
        match fault {
            Violation::TooLong { .. } => {
                Self { code: Some(CloseCode::Size), told: told.with_advice(Advice::AllowLongerMessages) }
            }
            Violation::LongControl(_) => Self { code: Some(CloseCode::Protocol), told },
            Violation::EmptyFrames | Violation::UnreadAnswers => Self { code: Some(CloseCode::Policy), told },
        }
    }
}

/// Says how the peer broke RFC 6455, as the rest of a sentence.
fn broken(problem: &ProtocolError) -> &'static str {
    use ProtocolError as Problem;
    match problem {
        Problem::NonZeroReservedBits => "a frame has a reserved bit set, which needs an extension",
        Problem::UnmaskedFrameFromClient => "a client's frame is not masked",
        Problem::MaskedFrameFromServer => "a server's frame is masked",
        Problem::FragmentedControlFrame => "a control frame is fragmented",
        Problem::ControlFrameTooBig => "a control frame is longer than 125 bytes",
        Problem::UnknownControlFrameType(_) | Problem::UnknownDataFrameType(_) | Problem::InvalidOpcode(_) => {
            "a frame has an unknown opcode"
        }
        Problem::UnexpectedContinueFrame => "a frame continues a message, and none has begun",
        Problem::ExpectedFragment(_) => "a message begins before the one under way has ended",
        Problem::ReceivedAfterClosing => "it sent more after its Close",
        Problem::InvalidCloseSequence => "its Close has a payload that is not a code and a reason",
        Problem::SendAfterClosing => "something was to be sent after the Close",
        Problem::ResetWithoutClosingHandshake => "it ended without a Close",
        Problem::WrongHttpMethod
        | Problem::WrongHttpVersion
        | Problem::MissingConnectionUpgradeHeader
        | Problem::MissingUpgradeWebSocketHeader
        | Problem::MissingSecWebSocketVersionHeader
        | Problem::MissingSecWebSocketKey
        | Problem::SecWebSocketAcceptKeyMismatch
        | Problem::SecWebSocketSubProtocolError(_)
        | Problem::JunkAfterRequest
        | Problem::CustomResponseSuccessful
        | Problem::InvalidHeader(_)
        | Problem::HandshakeIncomplete
        | Problem::HttparseError(_) => "its handshake is wrong",
    }
}

/// Makes an error of the connection from what could not be sent.
pub(super) fn unsent(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => explained(error),
        WsError::ConnectionClosed | WsError::AlreadyClosed | WsError::Protocol(_) => io::ErrorKind::BrokenPipe.into(),
        WsError::WriteBufferFull(_) => io::Error::other("the peer does not read what it is sent"),
        _ => io::Error::other("the WebSocket cannot be written to"),
    }
}
