//! One file out: its header, its bytes, and the answer to them.

use std::time::Duration;

use bytes::Bytes;

use super::super::Source;
use super::super::source::Piece;
use super::answer::Answer;
use super::header::Header;
use super::progress::{Progress, stalled};
use crate::error::{Error, Result};
use crate::link::{Link, Receiver, Sender};

/// A file that its receiver has, which is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// What it was sent under.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256, which the receiver has named as well.
    pub sha256: [u8; 32],
}

pub(super) async fn send(link: Link, source: Source, stall: Duration, moved: Progress<'_>) -> Result<Sent> {
    let (sender, mut receiver) = link.split();
    let (name, size) = (source.name().to_owned(), source.size());
    let header = Header { name: name.clone(), size, sha256: None };
    sender.send(&header.encode()).await?;
    let (sha256, answer) = exchange(&sender, &mut receiver, source, stall, moved).await?;
    let Some(sha256) = sha256 else {
        // It has answered before it had all.
        let refusal = answer.refusal.unwrap_or_else(|| "it answered before it had all".into());
        return Err(Error::other(format!("{name}: the receiver refuses it: {refusal}")));
    };
    answer.prove(&name, sha256)?;
    // The answer has come, so nothing that was sent is on its way any more.
    sender.end();
    Ok(Sent { name, size, sha256 })
}

/// Sends the bytes, until the answer comes: behind them, or before their end. The hash is `None` then.
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
                // The last byte has been answered before the thread that reads the file has told its hash.
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

/// Sending failed: where the receiver has said why before it went, that is the reason.
async fn failed(sender: &Sender, receiver: &mut Receiver, error: Error) -> Result<(Option<[u8; 32]>, Answer)> {
    // Whoever waits for the rest sees that it does not come, and keeps nothing.
    sender.abort();
    if error.is_reset()
        && let Ok(Ok(Some(answer))) = tokio::time::timeout(crate::limits::FINAL_FLUSH_TIMEOUT, receiver.recv()).await
    {
        return answered(Some(answer)).map(|answer| (None, answer));
    }
    Err(error)
}

/// The answer. It is late once there is nothing left to send. Cancel safe.
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
