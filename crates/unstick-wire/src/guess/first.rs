//! The first messages of a sample, to show them.

use crate::role::Role;

/// One of the first messages, with its frame.
#[derive(Debug)]
#[non_exhaustive]
pub struct FirstFrame {
    /// Who has sent it.
    pub from: Role,
    /// The first bytes of the frame.
    pub bytes: Vec<u8>,
    /// Length of the whole frame in bytes.
    pub length: usize,
}
