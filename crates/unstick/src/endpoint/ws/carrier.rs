//! What WebSocket can be spoken over: TCP, TLS, and in `ws_unix` sockets of this machine.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::super::tcp;
#[cfg(feature = "tls")]
use super::super::tls;

/// What WebSocket can be spoken over.
pub(in crate::endpoint) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The scheme of addresses where the same is spoken without WebSocket.
    const SCHEME: &'static str;

    /// Ends it in a reset.
    fn reset(&self);
}

impl Carrier for TcpStream {
    const SCHEME: &'static str = "tcp://";

    fn reset(&self) {
        tcp::reset(self);
    }
}

#[cfg(feature = "tls")]
impl Carrier for tls::Tls {
    const SCHEME: &'static str = "tls://";

    fn reset(&self) {
        tcp::reset(self.get_ref().0.socket());
    }
}
