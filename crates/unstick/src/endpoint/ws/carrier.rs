//! The streams that WebSocket can run over: TCP, TLS, and in `ws_unix` Unix sockets.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::super::tcp;
#[cfg(feature = "tls")]
use super::super::tls;

/// A stream that WebSocket can run over.
pub(in crate::endpoint) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The address scheme for the same stream without WebSocket.
    const SCHEME: &'static str;

    /// Ends the connection in a reset.
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
