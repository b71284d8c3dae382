//! Sends one file: its header, its bytes, and then reads the answer.

use std::time::Duration;

use bytes::Bytes;

use super::super::Source;
use super::super::source::Piece;
use super::answer::Answer;
use super::header::Header;
use super::progress::{Progress, stalled};
use crate::error::{Error, Result};
use crate::link::{Link, Receiver, Sender};

/// A file that the receiver has, as its answer proves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Name under which the file was sent.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, which the receiver's answer confirms.
    pub sha256: [u8; 32],
}

pub(super) async fn send(link: Link, source: Source, stall: Duration, moved: Progress<'_>) -> Result<Sent> {
    let (sender, mut receiver) = link.split();
    let (name, size) = (source.name().to_owned(), source.size());
    let header = Header { name: name.clone(), size, sha256: None };
    sender.send(&header.encode()).await?;
    let (sha256, answer) = exchange(&sender, &mut receiver, source, stall, moved).await?;
    let Some(sha256) = sha256 else {
        // The receiver answered before it had all bytes.
        let refusal = answer.refusal.unwrap_or_else(|| "it answered before it had all bytes".into());
        return Err(Error::other(format!("{name}: the receiver refuses it: {refusal}")));
    };
    answer.prove(&name, sha256)?;
    // The answer has arrived, so the receiver has read all that was sent.
    sender.end();
    Ok(Sent { name, size, sha256 })
}

/// Sends the bytes until the answer arrives. If it arrives before the last byte is sent, the hash is `None`.
async fn exchange(
    sender: &Sender,
    receiver: &mut Receiver,
    source: Source,
    stall: Duration,
    moved: Progress<'_>,
) -> Result<(Option<[u8; 32]>, Answer)> {
    let size = source.size();
    let (mut pieces, mut done, mut hash) = (source.pieces(), 0, None);
    loop {
        let sending = async {
            match pieces.recv().await {
                Some(Piece::Bytes(bytes)) => push(sender, bytes).await.map(Step::Sent),
                Some(Piece::End(hash)) => Ok(Step::End(hash)),
                Some(Piece::Failed(error)) => Err(error),
                None => Err(Error::panicked("the reader of a file")),
            }
        };
        tokio::select! {
            biased;
            step = tokio::time::timeout(stall, sending), if hash.is_none() => {
                match step.map_err(|_| stalled(stall))? {
                    Ok(Step::Sent(length)) => {
                        done += length;
                        moved(done);
                    }
                    Ok(Step::End(sha256)) => hash = Some(sha256),
                    Err(error) => return failed(sender, receiver, error).await,
                }
            }
            answer = answer(receiver, stall, hash.is_some()) => {
                let answer = answer?;
                // The answer to the last byte may arrive before the reading thread has reported the hash.
                if hash.is_none()
                    && done == size
                    && answer.refusal.is_none()
                    && let Ok(Some(Piece::End(sha256))) = tokio::time::timeout(stall, pieces.recv()).await
                {
                    hash = Some(sha256);
                }
                return Ok((hash, answer));
            }
        }
    }
}

enum Step {
    Sent(u64),
    End([u8; 32]),
}

async fn push(sender: &Sender, bytes: Bytes) -> Result<u64> {
    sender.send(&bytes).await?;
    Ok(bytes.len() as u64)
}

/// Handles a failed write. If the receiver reset the connection after answering, its answer is the reason.
async fn failed(sender: &Sender, receiver: &mut Receiver, error: Error) -> Result<(Option<[u8; 32]>, Answer)> {
    // A receiver that waits for the rest notices the abort, and keeps nothing.
    sender.abort();
    if error.is_reset()
        && let Ok(Ok(Some(answer))) = tokio::time::timeout(crate::limits::FINAL_FLUSH_TIMEOUT, receiver.recv()).await
    {
        return answered(Some(answer)).map(|answer| (None, answer));
    }
    Err(error)
}

/// Waits for the answer. Once everything is sent, the time limit applies. Cancel safe.
async fn answer(receiver: &mut Receiver, stall: Duration, sent: bool) -> Result<Answer> {
    let answer = match sent {
        true => tokio::time::timeout(stall, receiver.recv()).await.map_err(|_| stalled(stall))?,
        false => receiver.recv().await,
    };
    answered(answer?)
}

fn answered(message: Option<Bytes>) -> Result<Answer> {
    let message = message.ok_or_else(|| Error::other("the receiver closed the connection without an answer"))?;
    Answer::parse(&message).map_err(|why| Error::protocol(format!("the receiver's answer: {why}")))
}
