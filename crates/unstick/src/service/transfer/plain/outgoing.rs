//! Sends one file: its header, its bytes, and then reads the answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::pacing::Rate;
use super::super::source::Piece;
use super::super::{Pacing, Source};
use super::answer::Answer;
use super::header::Header;
use super::progress::{Progress, pause, stalled};
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

pub(super) async fn send(link: Link, source: Source, pacing: Pacing, moved: Progress<'_>) -> Result<Sent> {
    let (sender, mut receiver) = link.split();
    let (name, size) = (source.name().to_owned(), source.size());
    let header = Header { name: name.clone(), size, sha256: None };
    sender.send(&header.encode()).await?;
    let (sha256, answer) = exchange(&sender, &mut receiver, source, pacing, moved).await?;
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
    pacing: Pacing,
    moved: Progress<'_>,
) -> Result<(Option<[u8; 32]>, Answer)> {
    let size = source.size();
    let stall = pacing.stall;
    let mut outflow =
        Outflow { sender, pieces: source.pieces(), rest: Bytes::new(), rate: Rate::new(pacing.limit), stall };
    let (mut done, mut hash) = (0, None);
    loop {
        tokio::select! {
            biased;
            step = outflow.step(), if hash.is_none() => {
                match step {
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
                    && let Ok(Some(Piece::End(sha256))) = tokio::time::timeout(stall, outflow.pieces.recv()).await
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

/// The bytes of a file on their way out.
struct Outflow<'a> {
    sender: &'a Sender,
    pieces: mpsc::Receiver<Piece>,
    /// What is left of the last piece.
    rest: Bytes,
    rate: Rate,
    stall: Duration,
}

impl Outflow<'_> {
    /// Sends the next bytes. The time limit is for the file and the receiver; a pause for the rate limit is no stall.
    async fn step(&mut self) -> Result<Step> {
        if self.rest.is_empty() {
            match in_time(self.stall, self.pieces.recv()).await? {
                Some(Piece::Bytes(bytes)) => self.rest = bytes,
                Some(Piece::End(hash)) => return Ok(Step::End(hash)),
                Some(Piece::Failed(error)) => return Err(error),
                None => return Err(Error::panicked("the reader of a file")),
            }
        }
        pause(&self.rate).await;
        let bytes = self.rest.split_to(self.rate.most(self.rest.len()));
        in_time(self.stall, self.sender.send(&bytes)).await??;
        self.rate.spend(bytes.len(), Instant::now());
        Ok(Step::Sent(bytes.len() as u64))
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(limit, work).await.map_err(|_| stalled(limit))
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
