//! `send` and `receive`: encrypted transfers that resume, and the plain protocol for scripts.

mod applied;
mod encrypted;
mod plain;
mod progress;
mod question;
mod report;

use unstick::Result;

use crate::args;
use crate::status::Status;

/// Sends files.
pub async fn send(args: args::Send) -> Result<Status> {
    if args.transfer.plain.is_some() { plain::send(args).await } else { encrypted::send(args).await }
}

/// Receives files.
pub async fn receive(args: args::Receive) -> Result<Status> {
    if args.transfer.plain.is_some() { plain::receive(args).await } else { encrypted::receive(args).await }
}
