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
//! However a stream is cut into segments, its messages are the same. Memory grows with what has arrived, never with
//! what a header announced; every buffer has a bound. If a peer sends bytes that are no frame, the error says what they
//! look like:
//!
//! ```
//! let mut decoder = unstick_wire::Framing::parse("u32be")?.decoder();
//! decoder.feed(b"GET / HTTP/1.1\r\n");
//! let error = decoder.next().unwrap_err();
//! assert_eq!(error.hint(), Some("its bytes are the text \"GET \": is the peer speaking HTTP?"));
//! # Ok::<(), unstick_wire::SpecError>(())
//! ```
//!
//! [`PRESETS`] is the table of the protocols that can be named, [`FRAMINGS`] that of the framings:
//!
#![doc = include_str!("framings.md")]
//!
//!
//! Not here: sockets, clocks, randomness and the environment. Time is passed in; the crate `unstick` moves the bytes.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod args;
mod byte_count;
mod chosen;
mod codec;
mod custom;
mod decoder;
mod diagnose;
mod dialogue;
mod encoder;
mod error;
mod fast_path;
pub mod faults;
mod frame;
mod framing;
pub mod guess;
mod layout;
#[doc(hidden)]
pub mod limits;
mod phase;
mod preset;
#[doc(hidden)]
pub mod quantity;
pub mod reassembly;
#[doc(hidden)]
pub mod recipe;
pub mod replay;
mod role;
pub mod shake;
mod spec;
mod splitmix;
mod suggest;
mod transcript;
pub mod transfer;
mod typed;

pub use chosen::ChooseFraming;
pub use codec::FramingInfo;
pub use custom::{CustomFraming, FoundFrame};
pub use decoder::{Damage, Decoder, Messages};
pub use dialogue::Dialogue;
pub use encoder::Encoder;
pub use error::{DecodeError, EncodeError, SpecError};
pub use frame::{Frame, FrameLayout, LengthField};
pub use framing::FRAMINGS;
pub use preset::{Family, MessageFormat, PRESETS, Preset, UNSUPPORTED, UnsupportedProtocol};
pub use role::Role;
pub use spec::Framing;
pub use transcript::{Gap, Piece, Transcript};
pub use typed::LengthPrefix;

/// The README's example is compiled and run with the other doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
