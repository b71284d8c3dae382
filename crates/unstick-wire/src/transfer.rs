//! The transfer protocol, without I/O: messages go in, messages and actions come out. `docs/protocols/transfer.md`
//! describes it.
//!
//! One side sends files, the other receives them; either may have opened the connection. The sender lists its files
//! ([`Entry`]). The receiver checks the list as a whole ([`Manifest`]) and requests what it lacks. BLAKE3 verifies each
//! file: every subtree while the file moves, and the whole file at its end. [`Sender`] and [`Receiver`] check the order
//! of messages: a message out of order is a [`Violation`], never a panic.
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
