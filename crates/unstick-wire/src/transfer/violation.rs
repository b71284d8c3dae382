//! What a peer does that the transfer protocol does not allow.

use std::borrow::Cow;
use std::fmt;

/// A peer broke the protocol, and the connection has to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(Cow<'static, str>);

impl Violation {
    pub(super) fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}
