//! The pipe for transports without a plain socket: those that are encrypted, or made of something else.
//!
//! Not here: when it ends. That is the same for all transports ([`super::watch`]).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::progress::{COPY, Done, EndOfInput, Failure, Filter, Progress};
use crate::address::Address;
use crate::endpoint::{self, Options, StreamRead, StreamTransport, StreamWrite, Transport};
use crate::error::{Error, Result};
use crate::stop::Stop;

/// Starts both directions. They end when the returned set is dropped.
pub(super) async fn start(
    end: StreamTransport,
    progress: &Arc<Progress>,
    report: mpsc::Sender<Done>,
    filter: Option<Filter>,
    input: Option<EndOfInput>,
    stop: &Stop,
) -> Result<JoinSet<()>> {
    let Transport::Stream(stdio) = endpoint::connect(&Address::Stdio, &Options::default()).await? else {
        return Err(Error::usage("standard input and output are a stream"));
    };
    let mut directions = JoinSet::new();
    let (seen, to_peer, said, stopped) = (Arc::clone(progress), end.writer, report.clone(), stop.clone());
    directions.spawn(async move {
        match input {
            Some(end) => send_all(stdio.reader, to_peer, &seen, &said, end, &stopped).await,
            // Without this task, the writer would be dropped, which ends one half of the connection.
            None => {
                let mut peer = to_peer;
                stopped.comes().await;
                let _ = peer.shutdown().await;
            }
        }
    });
    let (seen, stopped) = (Arc::clone(progress), stop.clone());
    directions.spawn(async move {
        let _ = report.send(Done::Peer(receive(end.reader, stdio.writer, &seen, filter, &stopped).await)).await;
    });
    Ok(directions)
}

/// Sends all of the input, and ends the sending side when it is time.
async fn send_all(
    input: Box<dyn StreamRead>,
    mut peer: Box<dyn StreamWrite>,
    progress: &Progress,
    report: &mpsc::Sender<Done>,
    end: EndOfInput,
    stop: &Stop,
) {
    let result = send(input, peer.as_mut(), progress, stop).await;
    let sent = result.is_ok();
    let at_once = sent && (stop.has_come() || end.closing.at_once(progress));
    // A peer that has gone needs no half-close.
    if at_once {
        let _ = peer.shutdown().await;
    }
    // If nobody receives the report, the run is over.
    let _ = report.send(Done::Input(result)).await;
    if sent && !at_once {
        let told = tokio::select! {
            told = end.closed => told.is_ok(),
            () = stop.comes() => true,
        };
        if told {
            let _ = peer.shutdown().await;
        }
    }
}

async fn send(
    mut input: Box<dyn StreamRead>,
    peer: &mut dyn StreamWrite,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut buffer = vec![0; COPY];
    loop {
        let length = tokio::select! {
            length = input.read(&mut buffer) => length.map_err(Failure::Reading)?,
            // The peer then sees an end.
            () = stop.comes() => 0,
        };
        if length == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..length];
        poll_fn(|cx| {
            let written = poll_write_all(peer, cx, &mut rest, progress);
            progress.held_up.store(written.is_pending(), Ordering::Relaxed);
            written
        })
        .await
        .map_err(Failure::Writing)?;
    }
}

fn poll_write_all(
    peer: &mut dyn StreamWrite,
    cx: &mut std::task::Context<'_>,
    rest: &mut &[u8],
    progress: &Progress,
) -> Poll<io::Result<()>> {
    let mut peer: Pin<&mut (dyn StreamWrite + '_)> = Pin::new(peer);
    while !rest.is_empty() {
        match std::task::ready!(peer.as_mut().poll_write(cx, rest))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => *rest = &rest[count..],
        }
        progress.sent.note();
    }
    AsyncWrite::poll_flush(peer, cx)
}

async fn receive(
    mut peer: Box<dyn StreamRead>,
    mut output: Box<dyn StreamWrite>,
    progress: &Progress,
    mut filter: Option<Filter>,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut buffer = vec![0; COPY];
    loop {
        let length = tokio::select! {
            length = peer.read(&mut buffer) => length.map_err(Failure::Reading)?,
            () = stop.comes() => 0,
        };
        let written = match &mut filter {
            Some(filter) => output.write_all(&filter(&buffer[..length])).await,
            None => output.write_all(&buffer[..length]).await,
        };
        written.map_err(Failure::Writing)?;
        output.flush().await.map_err(Failure::Writing)?;
        if length == 0 {
            return Ok(());
        }
        progress.came.note();
    }
}
