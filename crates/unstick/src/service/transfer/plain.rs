//! The plain protocol: files for scripts that know only sockets, lengths and JSON.
//!
//! An upload is a header in JSON (`{"name","size","sha256"}`), `size` bytes, and an answer in JSON. Each JSON object
//! follows its length. A download starts with a request and goes on in the same way. `docs/protocols/plain.md` is the
//! whole specification. [`send`] and [`receive`] are the two clients; [`serve`] serves many clients.

mod answer;
mod header;
mod incoming;
mod outgoing;
mod progress;
mod server;

use unstick_wire::{Framing, SpecError};

use crate::address::Framings;
use crate::error::Result;
use crate::limits::PLAIN_HEADER;
use crate::link::Link;
use header::Request;

pub use incoming::Received;
pub use outgoing::Sent;
pub use progress::Progress;
pub use server::{Config, Event, Files, Observer, Offer, Outcome, serve};

use super::{Inbox, Pacing, Source};

/// The framings on the side that sends a file. After the header come bytes without a length.
///
/// # Panics
///
/// Never: the specs are constants.
pub fn sender_framings() -> Framings {
    framings(true).expect("the specs are framings")
}

/// The framings on the side that receives a file.
///
/// # Panics
///
/// Never: the specs are constants.
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

/// Sends one file to a server, and waits for its answer.
///
/// # Errors
///
/// If the file cannot be read, the server refuses it, or the connection is lost.
/// [`Error::is_mismatch`](crate::Error::is_mismatch) if the answer does not prove that the server has these bytes.
/// [`Error::is_timeout`](crate::Error::is_timeout) if nothing moves for the time limit of `pacing`.
pub async fn send(link: Link, source: Source, pacing: impl Into<Pacing>, moved: Progress<'_>) -> Result<Sent> {
    outgoing::send(link, source, pacing.into(), moved).await
}

/// Requests a file from a server by name, or its only file, and receives it.
///
/// # Errors
///
/// As for [`send`]; also if the file may not be written here.
pub async fn receive(
    link: Link,
    name: Option<&str>,
    inbox: &Inbox,
    pacing: impl Into<Pacing>,
    moved: Progress<'_>,
) -> Result<Received> {
    link.send(&Request { name: name.map(str::to_owned) }.encode()).await?;
    incoming::receive(link, inbox, pacing.into(), &mut |_, _| {}, moved).await
}
