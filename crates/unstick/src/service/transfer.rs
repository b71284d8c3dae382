//! Files: sent and received whole, or not at all.
//!
//! * [`Inbox`] is the directory that files go to. Nothing of a peer ever leaves it, and no file in it is half written.
//! * [`plain`] is the protocol for scripts: a header in JSON, the bytes, an answer.
//!
//! Not here: where connections come from ([`crate::link`]).

mod inbox;
pub mod plain;
mod source;

pub use inbox::{Inbox, Overwrite};
pub use source::Source;
