//! The transfer protocol, without I/O: messages in, messages and actions out. `docs/protocols/transfer.md` describes it.
//!
//! One side sends files, the other receives them; either may have connected. The sender lists what it has ([`Entry`]), the
//! receiver checks the list as a whole ([`Manifest`]) and says what it wants, and each file is proven by its BLAKE3 hash, subtree
//! by subtree on the way and as a whole at its end. [`Sender`] and [`Receiver`] keep the order of messages: what comes out of
//! turn is a [`Violation`], never a panic.
//!
//! Not here: hashing, files and sockets. Hashes are 32 bytes that the caller computes and compares.

mod entry;
mod fields;
mod manifest;
mod message;
mod receiver;
mod sender;
mod silence;
mod subtree;
mod violation;

pub use entry::{Entry, Kind};
pub use manifest::{Manifest, Naming, RESERVED, stays_inside};
pub use message::{Hello, Message, Outcome, Reason, Side, VERSION, data_head, placed};
pub use receiver::{Arrival, Receiver};
pub use sender::{Request, Sender};
pub use silence::{Due, Silence};
pub use subtree::{Hash, SUBTREE, tree_values};
pub use violation::Violation;
