//! TLS 1.3 inside whatever carries bytes or messages both ways: for transports that have no TLS of their own.
//!
//! Not here: TLS on TCP, which an address `tls://` opens.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use unstick_wire::Framing;

use crate::address::{Address, Framings};
use crate::endpoint::tls::inside;
use crate::endpoint::{Options, PeerAddrs, StreamTransport};
use crate::error::Result;
use crate::link::Link;

/// Bytes on their way between TLS and what carries it, each way.
const ROOM: usize = 256 << 10;

/// How bytes lie on a stream that carries TLS: as they come. A transport of messages has no use for it.
pub(super) fn framings() -> Result<Framings> {
    Ok(Framing::parse("raw")?.into())
}

/// Connects, and shakes hands with whoever has the certificate that the options name.
pub(super) async fn connect(address: &Address, framings: &Framings, options: &Options) -> Result<Link> {
    let link = crate::link::connect(address, Some(&self::framings()?), options).await?;
    let (stream, names) = bytes_of(link);
    Link::framed(inside::connect(stream, names, options).await?, framings, options)
}

/// Shakes hands with a client that has come.
pub(super) async fn accept(link: Link, framings: &Framings, options: &Options) -> Result<Link> {
    let (stream, names) = bytes_of(link);
    let end: StreamTransport = inside::accept(stream, names, options).await?;
    Link::framed(end, framings, options)
}

/// A link as a stream of bytes: where messages begin and end is not kept. Two tasks move the bytes, until either side ends.
fn bytes_of(link: Link) -> (DuplexStream, PeerAddrs) {
    let names = link.addrs().clone();
    let (sender, mut receiver) = link.split();
    let (near, far) = tokio::io::duplex(ROOM);
    let (mut outgoing, mut incoming) = tokio::io::split(far);
    tokio::spawn(async move {
        let mut piece = vec![0; ROOM / 4];
        while let Ok(length @ 1..) = outgoing.read(&mut piece).await {
            if sender.send_binary(&piece[..length]).await.is_err() {
                return;
            }
        }
        // What is still queued goes out.
        let _ = sender.finish().await;
    });
    tokio::spawn(async move {
        while let Ok(Some(piece)) = receiver.recv().await {
            if incoming.write_all(&piece).await.is_err() {
                return;
            }
        }
        // Whether it ended in order is for TLS to say.
        let _ = incoming.shutdown().await;
    });
    (near, names)
}
