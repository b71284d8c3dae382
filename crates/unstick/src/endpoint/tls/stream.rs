//! The two halves of a TLS connection, and the socket below it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::super::tcp;
use super::super::transport::{PeerAddrs, StreamRead, StreamTransport, StreamWrite};
use super::super::write_error::WriteError;
use super::wording::Help;
use crate::advice::Advised;
use crate::limits;

/// Number of a peer's first bytes that are remembered, to show them if the peer does not speak TLS.
const OPENING: usize = 16;

/// Number of bytes to read off the socket at once: rustls asks for 4 KiB at a time, a quarter of a record.
const AHEAD: usize = 64 << 10;

thread_local! {
    /// The buffer that reads use: one for each thread.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; AHEAD].into());
}

/// The socket. It reads ahead of what rustls asks for, and remembers the peer's first bytes.
#[derive(Debug)]
pub(in crate::endpoint) struct Wire {
    stream: TcpStream,
    /// Bytes that were read off the socket and not asked for yet. It holds no memory while nothing comes: idle
    /// connections should cost little.
    ahead: BytesMut,
    opening: [u8; OPENING],
    /// Number of bytes of `opening` that have arrived.
    known: usize,
    /// The error of a failed write or read.
    failed: WriteError,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: BytesMut::new(), opening: [0; OPENING], known: 0, failed: WriteError::default() }
    }

    /// The first bytes that the peer sent.
    pub(super) fn opening(&self) -> &[u8] {
        &self.opening[..self.known]
    }

    pub(in crate::endpoint) fn socket(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, ahead, opening, known, failed } = &mut *self;
        if ahead.is_empty() {
            let arrived = LANDING.with_borrow_mut(|landing| {
                let mut landing = ReadBuf::new(landing);
                let read = Pin::new(stream).poll_read(cx, &mut landing);
                let arrived = landing.filled();
                if *known < OPENING {
                    let more = arrived.len().min(OPENING - *known);
                    opening[*known..*known + more].copy_from_slice(&arrived[..more]);
                    *known += more;
                }
                let (now, later) = arrived.split_at(arrived.len().min(buf.remaining()));
                buf.put_slice(now);
                ahead.extend_from_slice(later);
                match &read {
                    // If earlier bytes are taken first, the caller asks for the error again.
                    Poll::Ready(Err(error)) => failed.note(error),
                    Poll::Ready(Ok(())) if arrived.is_empty() => failed.at_end()?,
                    _ => {}
                }
                read
            });
            if arrived.is_pending() {
                *ahead = BytesMut::new();
            }
            return arrived;
        }
        let length = ahead.len().min(buf.remaining());
        buf.put_slice(&ahead[..length]);
        ahead.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, failed, .. } = &mut *self;
        failed.poll_during(|| Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, failed, .. } = &mut *self;
        failed.poll_during(|| Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection whose handshake is over.
pub(in crate::endpoint) type Tls = TlsStream<Wire>;

/// Makes a stream transport of the connection.
pub(in crate::endpoint) fn transport(stream: Tls, names: PeerAddrs) -> StreamTransport {
    let stream = Arc::new(Mutex::new(stream));
    StreamTransport { reader: Box::new(Half(Arc::clone(&stream))), writer: Box::new(Half(stream)), names }
}

/// One half of the connection. The lock is held for single polls only.
struct Half(Arc<Mutex<Tls>>);

impl Half {
    fn lock(&self) -> MutexGuard<'_, Tls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Half {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut stream = self.lock();
        let before = buf.filled().len();
        // A record has at most 16 KiB, and more records may be waiting. If each holds one byte, they are not all taken
        // at once: the tasks of other peers wait.
        for _ in 0..limits::RECORDS_AT_ONCE {
            if buf.remaining() == 0 {
                break;
            }
            let already = buf.filled().len();
            match Pin::new(&mut *stream).poll_read(cx, buf) {
                Poll::Ready(Ok(())) if buf.filled().len() > already => {}
                // What has arrived is taken first; the error comes again.
                _ if already > before => break,
                other => return other.map_err(explained),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Half {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes).map_err(explained)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx).map_err(explained)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx).map_err(explained)
    }
}

impl StreamRead for Half {
    fn unacknowledged(&self) -> Option<u32> {
        tcp::unacknowledged(self.lock().get_ref().0.socket())
    }
}

impl StreamWrite for Half {
    fn reset(&mut self) {
        tcp::reset(self.lock().get_ref().0.socket());
    }

    fn unacknowledged(&self) -> Option<u32> {
        tcp::unacknowledged(self.lock().get_ref().0.socket())
    }
}

/// Rewords what rustls reports once a conversation is in progress.
pub(in crate::endpoint) fn explained(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let what =
            "the connection was cut: it ended without TLS's own end (close_notify), and what came may not be all";
        return io::Error::new(io::ErrorKind::UnexpectedEof, what);
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => {
            let (what, help) = super::wording::of_alert(*alert);
            let text = format!("the peer ended TLS: {what}");
            match help {
                Some(Help::Hint(hint)) => io::Error::new(error.kind(), format!("{text} ({hint})")),
                Some(Help::Advice(advice)) => io::Error::new(error.kind(), Advised { text, advice }),
                None => io::Error::new(error.kind(), text),
            }
        }
        Some(inner) => io::Error::new(error.kind(), format!("TLS: {}", super::wording::of(inner))),
        None => error,
    }
}
