//! Whole messages over any socket: addresses, endpoints, links and the services that drive them, on tokio.
//!
//! * An [`Address`] says where: `tcp://HOST:PORT`, `udp://HOST:PORT`, `unix:PATH`, `mem:NAME`, `-`.
//! * A framing, [`wire::Framing`], says how messages are laid out in a stream: `line`, `u32be`, `struct:i`. A datagram
//!   already is a message and takes none.
//! * A [`Link`] is an endpoint with a framing: it sends and receives whole messages. [`Link::connect`] opens one, and a
//!   [`Listener`] accepts one for each peer. [`Options`] connects and listens with more settings. A link splits into a
//!   [`Sender`], which many tasks may share, and a [`Receiver`].
//! * [`service`]s run whole conversations over links: they offer to callers what the program `unstick` does.
//!
//! ```
//! use unstick::wire::Framing;
//! use unstick::{Link, Listener};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> unstick::Result<()> {
//! let mut listener = Listener::bind("mem:doc", Framing::parse("u32be")?).await?;
//! let (alice, _) = Link::connect("mem:doc", Framing::parse("u32be")?).await?.split();
//! let (_, mut bob) = listener.accept().await?.split();
//!
//! alice.send(b"one").await?;
//! alice.send(b"two").await?; // one read may return both: they are two messages all the same
//! assert_eq!(bob.recv().await?.as_deref(), Some(&b"one"[..]));
//! assert_eq!(bob.recv().await?.as_deref(), Some(&b"two"[..]));
//! # Ok(()) }
//! ```
//!
//! A sender waits while its queue is full, so a slow reader slows its writer. Every queue and buffer has a bound.
//! Functions that can be cancelled without loss say so. [`Error`] answers the questions that callers have:
//! [`Error::is_framing`], [`Error::is_timeout`], [`Error::is_unreachable`] ...
//!
//! Not here: how messages are encoded in bytes (the crate `unstick-wire`, re-exported as [`wire`]), and the program's
//! screens.

#![forbid(unsafe_code)]
#![cfg_attr(not(unix), allow(dead_code, reason = "bridges, pipes and sockets with a path are left out there"))]
#![deny(missing_docs)]
// Some code that transports share is unused when a feature leaves some of them out.
#![cfg_attr(
    not(all(feature = "exec", feature = "proxy", feature = "self-signed", feature = "tls", feature = "ws")),
    allow(dead_code)
)]

mod activity;
pub mod address;
mod advice;
mod budget;
#[cfg(feature = "tokio-util")]
pub mod codec;
pub mod endpoint;
mod error;
mod fairness;
mod half_close;
#[doc(hidden)]
pub mod internal;
#[doc(hidden)]
pub mod limits;
pub mod link;
#[cfg(feature = "exec")]
mod process_group;
#[cfg(feature = "exec")]
mod processes;
#[cfg(feature = "replay")]
pub mod recording;
pub mod service;
mod sock_diag;
mod stop;

pub use address::{Address, FramedAddress, Framings};
pub use advice::Advice;
pub use budget::PendingBudget;
pub use endpoint::Options;
pub use error::{Error, Result, Unfinished};
pub use half_close::HalfClose;
pub use link::{Link, Listener, Receiver, Sender, connect, listen};
#[cfg(feature = "exec")]
pub use processes::{Errors, Processes, end_processes, kill_processes};
pub use stop::{Stop, Stopper};
pub use unstick_wire as wire;

/// The README's example is compiled and run with the other doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
