//! Tests a program at every boundary: the cases, their order, the machine that cuts and joins, and what findings mean.
//!
//! A [`Case`] says where one conversation's bytes are cut and joined. It uses the direction and the absolute stream
//! offset, never what a read happened to return. A [`Segmenter`] applies it to one direction. [`plan`] lists the cases
//! worth trying for a recorded [`Conversation`], and [`Random`] makes more from a seed. A [`Shrink`] finds which edits
//! of a failing case matter, and [`words`] says what failing cases have in common.
//!
//! Not here: sockets, processes and time. The crate `unstick-shake` moves the bytes and judges the outcomes.

mod case;
mod chance;
mod plan;
mod segmenter;
mod shrink;
pub mod words;

pub use case::{Case, Direction, Edit};
pub use chance::{chance, order};
pub use plan::{Conversation, Depth, Frame, Planned, Random, Recording, Stage, decoders, is_identity, plan, planned};
pub use segmenter::{Delivery, Segmenter, Step, Tally};
pub use shrink::{Shrink, atoms};
