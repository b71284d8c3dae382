//! The pipe of transports that have no socket of their own to show: what is encrypted, or made of something else.
//!
//! Not here: when it ends. That is the same for all ([`super::watch`]).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{COPY, Done, Failure, Filter, Progress};
use crate::address::Address;
use crate::endpoint::{self, End, Options, StreamEnd, StreamRead, StreamWrite};
use crate::error::{Error, Result};
use crate::stop::Stop;

/// Starts both directions; they end with what is returned.
pub(super) async fn start(
    end: StreamEnd,
    progress: &Arc<Progress>,
    report: mpsc::Sender<Done>,
    filter: Option<Filter>,
    stop: &Stop,
) -> Result<JoinSet<()>> {
    let End::Stream(stdio) = endpoint::connect(&Address::Stdio, &Options::default()).await? else {
        return Err(Error::usage("standard input and output are a stream"));
    };
    let mut directions = JoinSet::new();
    let (seen, to_peer, said, stopped) = (Arc::clone(progress), end.writer, report.clone(), stop.clone());
    directions.spawn(async move {
        // Nobody waits any more where the report is not taken: the run is over.
        let _ = said.send(Done::Input(send(stdio.reader, to_peer, &seen, &stopped).await)).await;
    });
    let (seen, stopped) = (Arc::clone(progress), stop.clone());
    directions.spawn(async move {
        let _ = report.send(Done::Peer(receive(end.reader, stdio.writer, &seen, filter, &stopped).await)).await;
    });
    Ok(directions)
}

async fn send(
    mut input: Box<dyn StreamRead>,
    mut peer: Box<dyn StreamWrite>,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut buffer = vec![0; COPY];
    loop {
        let length = tokio::select! {
            length = input.read(&mut buffer) => length.map_err(Failure::Reading)?,
            // An end, to the peer.
            () = stop.comes() => 0,
        };
        if length == 0 {
            // A peer that has gone needs no end.
            let _ = peer.shutdown().await;
            return Ok(());
        }
        let mut rest = &buffer[..length];
        poll_fn(|cx| {
            let written = poll_write_all(peer.as_mut(), cx, &mut rest, progress);
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
        progress.moved.note();
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
        progress.moved.note();
        if length == 0 {
            return Ok(());
        }
    }
}
