//! Framings: bytes in, whole messages out, and back.
//!
//! A stream of bytes has no messages in it; a *framing* puts them there. A framing is written as a short
//! [spec](Framing#specs) such as `u32be`, `line` or `struct:i/raw`, and parsed into a [`Framing`], which makes
//! an incremental [`Decoder`] (bytes in, messages out) and an [`Encoder`] (message in, frame out).
//!
//! ```
//! use unstick_wire::Framing;
//!
//! let framing = Framing::parse("u32be")?;
//! let mut wire = Vec::new();
//! framing.encoder()?.encode(b"hello", &mut wire)?;
//! assert_eq!(wire, b"\0\0\0\x05hello");
//!
//! let mut decoder = framing.decoder();
//! decoder.feed(&wire[..6]); // a segment: never a message
//! assert_eq!(decoder.next()?, None);
//! decoder.feed(&wire[6..]);
//! assert_eq!(decoder.next()?, Some(&b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: sockets, clocks, randomness and the environment. Time is passed in; the crate `unstick` moves the bytes.

#![forbid(unsafe_code)]

mod decoder;
mod encoder;
mod error;
mod framing;
mod lane;
pub mod limits;
pub mod quantity;
mod recognise;
mod spec;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::{DecodeError, EncodeError, SpecError};
pub use framing::{ENTRIES, Entry};
pub use spec::Framing;
