//! How a WebSocket closes: the code and the reason of the peer's Close and of this end's.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// The code and the reason of a Close (RFC 6455, section 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    code: Option<u16>,
    reason: String,
}

/// Size of the longest reason: a control frame has at most 125 bytes, of which the code takes two.
const LONGEST_REASON: usize = 123;

impl Closing {
    /// Creates a Close that this end may send.
    ///
    /// # Errors
    ///
    /// A usage error for a code that RFC 6455 reserves, and for a reason of more than 123 bytes.
    pub fn new(code: u16, reason: impl Into<String>) -> Result<Self> {
        let reason = reason.into();
        if !may_be_sent(code) {
            let error = Error::usage(format!("a WebSocket cannot be closed with the code {code}"));
            return Err(
                error.with_hint("1000 to 1003, 1007 to 1014, or 3000 to 4999; 4000 to 4999 are for anybody's use")
            );
        }
        if reason.len() > LONGEST_REASON {
            let error = Error::usage(format!("a reason of {} bytes does not fit a Close", reason.len()));
            return Err(error.with_hint(format!("it has {LONGEST_REASON} bytes at most")));
        }
        Ok(Self { code: Some(code), reason })
    }

    /// Reads the payload of a peer's Close, as it came.
    pub(super) fn read(payload: &[u8]) -> Self {
        match payload.split_first_chunk() {
            Some((code, reason)) => {
                let reason = String::from_utf8_lossy(reason).into_owned();
                Self { code: Some(u16::from_be_bytes(*code)), reason }
            }
            None => Self { code: None, reason: String::new() },
        }
    }

    /// The code; `None` if the Close had none.
    pub fn code(&self) -> Option<u16> {
        self.code
    }

    /// The reason; empty if there was none. It is the peer's own text.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether it carries no information: no reason, and no code or the one for a normal end.
    pub fn is_plain(&self) -> bool {
        matches!(self.code, None | Some(1000)) && self.reason.is_empty()
    }

    /// Whether this is the orderly end of a conversation.
    pub(super) fn is_in_order(&self) -> bool {
        matches!(self.code, None | Some(1000 | 1001))
    }

    /// The code with its meaning (RFC 6455, section 7.4.1, and IANA's registry), and the reason.
    pub(super) fn described(&self) -> String {
        let meaning = match self.code {
            None => "no code",
            Some(1000) => "normal",
            Some(1001) => "going away",
            Some(1002) => "protocol error",
            Some(1003) => "data that it does not take",
            Some(1007) => "data that is not what it says",
            Some(1008) => "against its policy",
            Some(1009) => "message too big",
            Some(1010) => "an extension is missing",
            Some(1011) => "internal error",
            Some(1012) => "it restarts",
            Some(1013) => "try again later",
            Some(1014) => "bad gateway",
            Some(3000) => "unauthorized",
            Some(3003) => "forbidden",
            Some(3008) => "timeout",
            Some(code) if may_be_sent(code) => "a code of its own",
            Some(_) => "a code that cannot be sent",
        };
        let code = self.code.map(|code| format!("{code}, ")).unwrap_or_default();
        match self.reason.as_str() {
            "" => format!("{code}{meaning}"),
            reason => format!("{code}{meaning} (\"{reason}\")"),
        }
    }
}

impl std::fmt::Display for Closing {
    /// The code with its meaning, and the reason.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.described())
    }
}

/// Whether a Close may have this code.
pub(super) fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// How either side closes a connection, known to both halves.
#[derive(Debug, Default)]
pub(crate) struct Closings {
    theirs: Mutex<Option<Closing>>,
    ours: Mutex<Option<Closing>>,
}

impl Closings {
    pub(super) fn with_ours(ours: Option<Closing>) -> Self {
        Self { theirs: Mutex::default(), ours: Mutex::new(ours) }
    }

    /// Returns how the peer closed it, if it did.
    pub(crate) fn theirs(&self) -> Option<Closing> {
        self.theirs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_theirs(&self, closing: Closing) {
        *self.theirs.lock().unwrap_or_else(PoisonError::into_inner) = Some(closing);
    }

    /// Returns how this end should close it, if that was set.
    pub(super) fn ours(&self) -> Option<Closing> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_ours(&self, closing: Closing) {
        *self.ours.lock().unwrap_or_else(PoisonError::into_inner) = Some(closing);
    }
}
