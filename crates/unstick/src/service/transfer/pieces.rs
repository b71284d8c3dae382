//! What the sender's disk thread produces.

use unstick_wire::transfer::{Entry, Hash, Message, Reason};

/// The result of reading a file or a piece of it.
#[derive(Debug)]
pub(super) enum Output {
    /// A message, and the number of file bytes in it.
    Message(Vec<u8>, u64),
    End {
        file: u32,
        size: u64,
        hash: Hash,
    },
    Changed {
        file: u32,
        entry: Entry,
    },
    Failed {
        file: u32,
        reason: Reason,
        text: String,
    },
}

pub(super) fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}
