//! TLS 1.3 inside any transport that carries bytes or messages both ways, for transports without TLS of their own.
//!
//! Not here: TLS on TCP, which the endpoint `tls://` opens.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use unstick_wire::Framing;

use crate::address::{Address, Framings};
use crate::endpoint::tls::inside;
use crate::endpoint::{Options, PeerAddrs, StreamTransport};
use crate::error::Result;
use crate::link::Link;

/// Size of the buffer between TLS and the transport, in bytes, for each direction.
const ROOM: usize = 256 << 10;

/// The framing of a transport that carries TLS: raw bytes. A message transport ignores it.
pub(super) fn framings() -> Result<Framings> {
    Ok(Framing::parse("raw")?.into())
}

/// Connects, and completes the TLS handshake with the server whose certificate the options pin.
pub(super) async fn connect(address: &Address, framings: &Framings, options: &Options) -> Result<Link> {
    let link = crate::link::connect(address, Some(&self::framings()?), options).await?;
    let (stream, names) = bytes_of(link);
    Link::framed(inside::connect(stream, names, options).await?, framings, options)
}

/// Completes the TLS handshake with a client that has connected.
pub(super) async fn accept(link: Link, framings: &Framings, options: &Options) -> Result<Link> {
    let (stream, names) = bytes_of(link);
    let end: StreamTransport = inside::accept(stream, names, options).await?;
    Link::framed(end, framings, options)
}

/// Turns a link into a stream of bytes, without message boundaries. Two tasks copy the bytes until either side ends.
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
        // Sends what is still queued.
        let _ = sender.finish().await;
    });
    tokio::spawn(async move {
        while let Ok(Some(piece)) = receiver.recv().await {
            if incoming.write_all(&piece).await.is_err() {
                return;
            }
        }
        // TLS can tell whether the stream ended in order.
        let _ = incoming.shutdown().await;
    });
    (near, names)
}
