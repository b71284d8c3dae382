//! What the crate `unstick-shake` needs of transports and processes, and the program of links. It is not part of the public
//! API: it may change in any version.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::tcp::OwnedWriteHalf;

use crate::endpoint::{StreamTransport, StreamWrite};
use crate::error::Result;
use crate::link::Receiver;

pub use crate::endpoint::resolve::resolve;
pub use crate::endpoint::write_error::{Half, halves};
#[cfg(feature = "ws")]
pub use crate::endpoint::ws::frames as ws_frames;
#[cfg(all(unix, feature = "ws"))]
pub use crate::endpoint::ws_unix::frames as ws_unix_frames;
#[cfg(all(feature = "tls", feature = "ws"))]
pub use crate::endpoint::wss::frames as wss_frames;
pub use crate::error::plain;
#[cfg(feature = "exec")]
pub use crate::process_group::{Group, shell};
pub use crate::sock_diag::{Seen, Table};

/// Takes the next message, as [`Receiver::try_recv_ref`] does. This one is compiled in this crate, for speed. A program that is
/// compiled for size would inline the other one and make it slow: that costs a third of `pipe-framed`.
///
/// # Errors
///
/// If the peer breaks the framing or ended inside a frame.
#[inline(never)]
pub fn try_recv_ref(receiver: &mut Receiver) -> Result<Option<&[u8]>> {
    receiver.try_recv_ref()
}

/// The sending half of any stream.
pub struct Writer(Box<dyn StreamWrite>);

impl Writer {
    /// Makes the connection end in a reset instead of an orderly close, if the transport can.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Makes a TCP connection end in a reset instead of an orderly close.
pub fn reset(half: &mut Half<OwnedWriteHalf>) {
    StreamWrite::reset(half);
}

/// Splits a stream into its two halves.
pub fn into_halves(stream: StreamTransport) -> (impl AsyncRead + Send + Unpin + 'static, Writer) {
    (stream.reader, Writer(stream.writer))
}
