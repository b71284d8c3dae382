//! Sends and receives files: each arrives whole, or not at all.
//!
//! * [`connect`] and an [`Invitation`] are the two ends of an encrypted transfer of files and directories. It
//!   reconnects until all is done. A [`Ticket`] brings the two ends together.
//! * [`Inbox`] is the directory that receives files. No peer can write outside it, and no file in it is ever half
//!   written.
//! * [`plain`] is the protocol for scripts: a header in JSON, the bytes, an answer in JSON.
//!
//! Not here: the order of messages (`wire::transfer`), and how connections are opened ([`crate::link`]).

mod complete;
mod conversation;
mod credentials;
mod event;
mod glob;
mod inbox;
mod journal;
mod looking;
mod outgoing;
mod outlet;
mod overwrite;
mod pacing;
mod part;
mod pieces;
pub mod plain;
mod reachable;
mod reader;
mod receiving;
mod recorder;
mod sending;
mod session;
mod settler;
mod sha256;
mod source;
mod stream;
mod symlink;
mod ticket;
mod tree;
mod tunnel;
mod verdict;
mod writer;

pub use event::{Event, Next, Observer, Tally};
pub use inbox::Inbox;
pub use outgoing::{Links, Listing, Outgoing};
pub use outlet::Outlet;
pub use overwrite::Overwrite;
pub use pacing::Pacing;
pub use session::{Invitation, Transfer, connect};
pub use source::Source;
pub use ticket::Ticket;
