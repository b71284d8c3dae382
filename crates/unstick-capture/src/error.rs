//! Why a capture cannot be read on.

use std::io;

/// Why a capture cannot be read on, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct CaptureError {
    kind: Kind,
}

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("it is neither pcap nor pcapng")]
    Unknown,
    #[error("the capture is malformed at byte {at}: {what}")]
    Malformed { at: u64, what: String },
    #[error("the capture ends in the middle, at byte {at}: {what} is cut short")]
    Truncated { at: u64, what: &'static str },
    #[error("reading the capture: {0}")]
    Io(#[from] io::Error),
}

impl CaptureError {
    pub(crate) fn unknown() -> Self {
        Self { kind: Kind::Unknown }
    }

    pub(crate) fn malformed(at: u64, what: impl Into<String>) -> Self {
        Self { kind: Kind::Malformed { at, what: what.into() } }
    }

    pub(crate) fn truncated(at: u64, what: &'static str) -> Self {
        Self { kind: Kind::Truncated { at, what } }
    }

    pub(crate) fn io(error: io::Error) -> Self {
        Self { kind: Kind::Io(error) }
    }

    /// Whether the file ends inside a packet, as it does when the program that wrote it was killed. What was read before is
    /// sound.
    pub fn is_truncated(&self) -> bool {
        matches!(self.kind, Kind::Truncated { .. })
    }

    /// The system's error, if reading failed.
    pub fn io_error(&self) -> Option<&io::Error> {
        match &self.kind {
            Kind::Io(error) => Some(error),
            _ => None,
        }
    }
}
