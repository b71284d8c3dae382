//! What comes of reading at the sender's disk.

use unstick_wire::transfer::{Entry, Hash, Message, Reason};

/// What comes of reading a file.
#[derive(Debug)]
pub(super) enum Output {
    /// A message, and how many bytes of the file are in it.
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
