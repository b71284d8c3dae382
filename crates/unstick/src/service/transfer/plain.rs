//! The plain protocol: files for scripts that know nothing but a socket, a length and JSON.
//!
//! An upload is a header in JSON behind its length, `{"name","size","sha256"}`, as many bytes as it says, and an answer in JSON
//! behind its length. A download is the same, with a request in front. `docs/protocols/plain.md` has every sentence of it.
//! Either side may have connected: [`send`] and [`receive`] are a client's, [`serve`] answers many.

mod answer;
mod header;
mod incoming;
mod outgoing;
mod progress;
mod server;

use std::time::Duration;

use unstick_wire::{Framing, SpecError};

use crate::address::Framings;
use crate::error::Result;
use crate::limits::{PLAIN_HEADER, TRANSFER_STALL};
use crate::link::Link;
use header::Request;

pub use incoming::Received;
pub use outgoing::Sent;
pub use progress::Progress;
pub use server::{Config, Event, Files, Observer, Offer, Outcome, serve};

use super::{Inbox, Source};

/// How bytes lie on the wire at the side that sends files: what it sends ends in bytes that no length stands in front of.
///
/// # Panics
///
/// Never: the specs are fixed.
pub fn sender_framings() -> Framings {
    framings(true).expect("the specs are framings")
}

/// The same at the side that receives them.
///
/// # Panics
///
/// Never: the specs are fixed.
pub fn receiver_framings() -> Framings {
    framings(false).expect("the specs are framings")
}

fn framings(sends: bool) -> Result<Framings, SpecError> {
    let objects = Framing::parse(&format!("u32be,max={PLAIN_HEADER}"))?;
    let file = Framing::parse(&format!("u32be,max={PLAIN_HEADER}/raw"))?;
    Ok(match sends {
        true => Framings { inbound: objects, outbound: file },
        false => Framings { inbound: file, outbound: objects },
    })
}

/// Sends one file to a server that takes it, and waits for its answer.
///
/// # Errors
///
/// Where the file cannot be read, the server refuses it, or the connection is lost; [`Error::is_mismatch`](crate::Error::is_mismatch)
/// where the server does not prove that it has these bytes; [`Error::is_timeout`](crate::Error::is_timeout) where nothing moves for
/// `stall`.
pub async fn send(link: Link, source: Source, stall: Option<Duration>, moved: Progress<'_>) -> Result<Sent> {
    outgoing::send(link, source, stall.unwrap_or(TRANSFER_STALL), moved).await
}

/// Asks a server for a file by its name, or for its only one, and receives it.
///
/// # Errors
///
/// As [`send`]; where the server's file may not be written here, too.
pub async fn receive(
    link: Link,
    name: Option<&str>,
    inbox: &Inbox,
    stall: Option<Duration>,
    moved: Progress<'_>,
) -> Result<Received> {
    link.send(&Request { name: name.map(str::to_owned) }.encode()).await?;
    incoming::receive(link, inbox, stall.unwrap_or(TRANSFER_STALL), &mut |_, _| {}, moved).await
}
