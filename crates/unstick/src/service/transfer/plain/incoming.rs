//! Receives one file: checks its header, writes and hashes its bytes, and answers.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use unstick_wire::quantity;

use super::super::inbox::Inbox;
use super::super::overwrite::Overwrite;
use super::super::pacing::{Pacing, Rate};
use super::super::part::{Part, Placed};
use super::super::sha256::Sha256;
use super::answer::Answer;
use super::header::Header;
use super::progress::{Progress, pause, stalled};
use crate::error::{Error, Result, plain};
use crate::limits::PLAIN_DISCARDED;
use crate::link::{Link, Receiver};

/// Number of reads that wait for the disk.
const AHEAD: usize = 4;

/// A file that has its final name and is flushed to disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Path of the file below the inbox.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// Whether a file with the same content was there already.
    pub present: bool,
    /// Whether the sender announced the hash.
    pub announced: bool,
}

/// Receives a file and answers. `begun` gets name and size from the header.
pub(super) async fn receive(
    link: Link,
    inbox: &Inbox,
    pacing: Pacing,
    begun: &mut (dyn FnMut(&str, u64) + Send),
    moved: Progress<'_>,
) -> Result<Received> {
    let stall = pacing.stall;
    let (sender, mut receiver) = link.split();
    let outcome = take(&mut receiver, inbox, pacing, begun, moved).await;
    inbox.tidy();
    let answer = match &outcome {
        Ok(received) => Answer::received(received.sha256),
        Err(refused) => Answer { refusal: Some(refused.error.to_string()), sha256: refused.sha256 },
    };
    if let Err(refused) = &outcome {
        if refused.gone {
            sender.abort();
            return outcome.map_err(|refused| refused.error);
        }
        discard(&mut receiver, refused.left.min(PLAIN_DISCARDED), stall).await;
    }
    let answered = async {
        sender.send(&answer.encode()).await?;
        sender.finish().await
    };
    let answered = tokio::time::timeout(stall, answered).await.unwrap_or_else(|_| Err(stalled(stall)));
    let received = outcome.map_err(|refused| refused.error)?;
    // The file stays even if the answer could not be sent; then its sender does not know that.
    answered.map(|()| received)
}

/// A file that is not kept.
struct Refused {
    error: Error,
    /// The hash of what arrived, if all bytes arrived.
    sha256: Option<[u8; 32]>,
    /// Number of bytes that have yet to arrive.
    left: u64,
    /// Whether the sender can no longer get an answer.
    gone: bool,
}

impl Refused {
    fn before(size: u64, error: Error) -> Self {
        Self { error, sha256: None, left: size, gone: false }
    }

    fn lost(error: Error) -> Self {
        Self { error, sha256: None, left: 0, gone: true }
    }

    fn behind(sha256: Option<[u8; 32]>, error: Error) -> Self {
        Self { error, sha256, left: 0, gone: false }
    }
}

async fn take(
    receiver: &mut Receiver,
    inbox: &Inbox,
    pacing: Pacing,
    begun: &mut (dyn FnMut(&str, u64) + Send),
    moved: Progress<'_>,
) -> Result<Received, Refused> {
    let stall = pacing.stall;
    let first = tokio::time::timeout(stall, receiver.recv()).await.map_err(|_| Refused::lost(stalled(stall)))?;
    let first = first.map_err(Refused::lost)?;
    let first =
        first.ok_or_else(|| Refused::lost(Error::other("the sender closed the connection without a header")))?;
    // A server that refuses a request sends its refusal instead of a header.
    if let Ok(Answer { refusal: Some(why), .. }) = Answer::parse(&first) {
        return Err(Refused::lost(Error::other(format!("the sender refuses it: {why}"))));
    }
    let header = Header::parse(&first).map_err(|why| Refused::before(0, Error::other(why)))?;
    let named = |error: Error| Error::other(format!("{}: {error}", header.name));
    begun(&header.name, header.size);
    check(inbox, &header).map_err(|error| Refused::before(header.size, named(error)))?;
    let part = inbox.part().map_err(|error| Refused::before(header.size, named(Error::other(plain(&error)))))?;
    let (to, writer) = start_writer(part, header.size);
    let came = copy(receiver, &header, to, pacing, moved).await;
    // Waits even if the rest will not come: the written bytes are removed before anybody learns of the failure.
    let written =
        writer.await.unwrap_or_else(|_| Err(io::Error::other("the writer panicked, which is a bug in unstick")));
    let left = came?;
    let (part, sha256) =
        written.map_err(|error| Refused { left, ..Refused::behind(None, named(Error::other(plain(&error)))) })?;
    settle(inbox, &header, part, sha256)
}

/// Passes the bytes of a file to the writer. If the writer fails, returns how many bytes have yet to arrive.
async fn copy(
    receiver: &mut Receiver,
    header: &Header,
    to: mpsc::Sender<Bytes>,
    pacing: Pacing,
    moved: Progress<'_>,
) -> Result<u64, Refused> {
    let (stall, mut rate) = (pacing.stall, Rate::new(pacing.limit));
    let mut left = header.size;
    while left > 0 {
        pause(&rate).await;
        let bytes = tokio::time::timeout(stall, receiver.recv()).await.map_err(|_| Refused::lost(stalled(stall)))?;
        let bytes = bytes.map_err(Refused::lost)?.ok_or_else(|| {
            let (name, came, size) = (&header.name, header.size - left, header.size);
            Refused::lost(Error::other(format!("{name}: the connection ended after {came} of {size} bytes")))
        })?;
        let Some(rest) = left.checked_sub(bytes.len() as u64) else { return Err(too_many(header)) };
        left = rest;
        rate.spend(bytes.len(), Instant::now());
        if to.send(bytes).await.is_err() {
            // The disk failed, and the writer returns the reason.
            break;
        }
        moved(header.size - left);
    }
    Ok(left)
}

/// More bytes came than the header says. So nobody can tell where the file ends.
fn too_many(header: &Header) -> Refused {
    let what = format!("{}: more than the {} bytes that its header says", header.name, header.size);
    Refused::behind(None, Error::other(what))
}

/// Checks what can be checked before the bytes arrive.
fn check(inbox: &Inbox, header: &Header) -> Result<()> {
    if let Some(free) = inbox.free().filter(|free| *free < header.size) {
        let (size, free) = (quantity::size(header.size), quantity::size(free));
        return Err(Error::other(format!("{size} do not fit: {free} are free")));
    }
    match inbox.size_of(header.name.as_bytes()) {
        Some(size) if inbox.overwrite() != Overwrite::Always && size != header.size => {
            Err(Error::other("another file of this name is there"))
        }
        _ => Ok(()),
    }
}

/// Verifies the written file, and gives it its final name.
fn settle(inbox: &Inbox, header: &Header, part: Part, sha256: [u8; 32]) -> Result<Received, Refused> {
    if header.sha256.is_some_and(|said| said != sha256) {
        let said = HEXLOWER.encode(&header.sha256.unwrap_or_default());
        let what = format!("{}: its SHA-256 is {}, but its header says {said}", header.name, HEXLOWER.encode(&sha256));
        return Err(Refused::behind(Some(sha256), Error::mismatch(what)));
    }
    let failed = |why: &str| Refused::behind(None, Error::other(format!("{}: {why}", header.name)));
    let path = header.name.as_bytes();
    let placed = inbox.place(part, path).map_err(|error| failed(&plain(&error)))?;
    let present = placed == Placed::Exists;
    if present && hash_of(inbox, path, header.size).map_err(|error| failed(&plain(&error)))? != sha256 {
        return Err(failed("another file of this name is there"));
    }
    let announced = header.sha256.is_some();
    Ok(Received { name: header.name.clone(), size: header.size, sha256, present, announced })
}

/// SHA-256 of an existing file of this size.
fn hash_of(inbox: &Inbox, path: &[u8], size: u64) -> io::Result<[u8; 32]> {
    let (mut file, mut hash) = (inbox.existing(path)?, Sha256::new(size));
    loop {
        let mut piece = vec![0; 256 << 10];
        match file.read(&mut piece)? {
            0 => return Ok(hash.finish()),
            length => piece.truncate(length),
        }
        hash.update(&piece.into());
    }
}

/// A written part, and its hash.
type Written = io::Result<(Part, [u8; 32])>;

/// Writes on its own thread, and hashes beside it, until no more bytes come.
fn start_writer(mut part: Part, size: u64) -> (mpsc::Sender<Bytes>, JoinHandle<Written>) {
    let (to, mut pieces) = mpsc::channel::<Bytes>(AHEAD);
    let writer = tokio::task::spawn_blocking(move || {
        let mut hash = Sha256::new(size);
        while let Some(piece) = pieces.blocking_recv() {
            part.file().write_all(&piece)?;
            hash.update(&piece);
        }
        Ok((part, hash.finish()))
    });
    (to, writer)
}

/// Reads and drops the rest, so that the sender can finish writing and read the answer.
async fn discard(receiver: &mut Receiver, mut left: u64, stall: Duration) {
    while left > 0 {
        match tokio::time::timeout(stall, receiver.recv()).await {
            Ok(Ok(Some(bytes))) => left = left.saturating_sub(bytes.len() as u64),
            _ => return,
        }
    }
}
