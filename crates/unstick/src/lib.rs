//! Whole messages over any socket: addresses, endpoints, links and the services that drive them.
//!
//! A *link* is an endpoint with a framing: the thing that sends and receives messages.
//!
//! ```
//! use unstick::wire::Framing;
//! use unstick::{connect, listen, Options};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> unstick::Result<()> {
//! let framing = Framing::parse("u32be")?;
//! let mut listener = listen(&"mem:doc".parse()?, Some(&framing.clone().into()), &Options::default()).await?;
//! let (alice, _) = connect(&"mem:doc".parse()?, Some(&framing.into()), &Options::default()).await?.split();
//! let (_, mut bob) = listener.accept().await?.split();
//!
//! alice.send(b"one").await?;
//! alice.send(b"two").await?; // one read may return both: they are two messages all the same
//! assert_eq!(bob.recv().await?.as_deref(), Some(&b"one"[..]));
//! assert_eq!(bob.recv().await?.as_deref(), Some(&b"two"[..]));
//! # Ok(()) }
//! ```
//!
//! Not here: how messages lie in bytes (the crate `unstick-wire`, re-exported as [`wire`]), and the program's screens.

pub mod address;
pub mod endpoint;
mod error;
pub mod limits;
pub mod link;
pub mod service;

pub use address::{Address, FramedAddress, Framings};
pub use endpoint::Options;
pub use error::{Error, Result};
pub use link::{Link, Listener, Receiver, Sender, connect, listen};
pub use unstick_wire as wire;
