//! Replays a recording: as a server with the recorded answers, or as a client that compares the answers with the recorded ones.
//!
//! [`Recorded`] reads the messages of a recording. A [`Replay`] plays them: [`Replay::serve`] to clients, [`Replay::ask`] to a
//! server. In a test, a [`Mock`] is a server on a thread of its own:
//!
//! ```
//! use unstick::service::replay::{Mock, Recorded, Replay};
//! use unstick::wire::Framing;
//! use unstick::Link;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> unstick::Result<()> {
//! // In a test: Recorded::open("tests/session.jsonl")
//! let recording = concat!(
//!     "{\"event\":\"recording\",\"version\":1,\"framing\":\"line\"}\n",
//!     "{\"event\":\"open\",\"peer\":1,\"from\":\"a\",\"to\":\"b\",\"protocol\":\"tcp\",\"carries\":\"bytes\"}\n",
//!     "{\"event\":\"segment\",\"peer\":1,\"direction\":\"c2s\",\"text\":\"ping\\n\"}\n",
//!     "{\"event\":\"segment\",\"peer\":1,\"direction\":\"s2c\",\"text\":\"pong\\n\"}\n",
//! );
//! let recorded = Recorded::read("doc", Box::new(recording.as_bytes()), None, None)?;
//! let mock = Mock::start(Replay::new(recorded), "127.0.0.1:0")?;
//!
//! let (sender, mut receiver) = Link::connect(mock.address(), Framing::parse("line")?).await?.split();
//! sender.send(b"ping").await?;
//! assert_eq!(receiver.recv().await?.as_deref(), Some(&b"pong"[..]));
//! drop((sender, receiver));
//!
//! let outcome = mock.finish().await?;
//! assert!(outcome.is_same(), "{outcome}");
//! # Ok(()) }
//! ```
//!
//! Not here: which message fits and what is left out, which is [`wire::replay`](crate::wire::replay).

mod client;
mod config;
mod event;
mod mock;
mod plan;
mod recorded;
mod server;
mod speech;

pub use config::{Config, OnMismatch, Speed};
pub use event::{Event, Outcome, Place};
pub use mock::Mock;
pub use plan::Replay;
pub use recorded::{LeftOut, Recorded};
