//! Reads captures of network traffic: packets in, connections and the bytes of each direction in order out.
//!
//! [`CaptureFile`] reads pcap and pcapng, also compressed with gzip, packet by packet. [`Connections`] takes the packets and
//! hands out [`Event`]s: connections that open, their bytes in order, gaps, datagrams and ends. The messages in these bytes
//! are found by [`unstick_wire::Transcript`].
//!
//! A capture may come from anybody. Every buffer has a bound (see [`limits`]), and what is malformed is an error with its
//! place, or a packet that is counted and left out.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod connections;
mod error;
mod file;
mod fragments;
#[doc(hidden)]
pub mod limits;
mod packet;

pub use connections::{CloseReason, Connections, Event, Filter, LeftOut, Protocol};
pub use error::CaptureError;
pub use file::{CaptureFile, Captured, is_capture};

/// The README's example is compiled and run with the other doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
