//! The two halves of an open WebSocket: messages in, records of messages out, and how the connection closes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tungstenite::error::Error as WsError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes};

use super::super::closing::{Closing, Closings, may_be_sent};
use super::super::datagrams::{Batch, RecvDatagrams};
use super::super::options::{Options, Trace};
use super::super::transport::{LARGEST_RECORD, MessageTransport, PeerAddrs, RECORD, StreamWrite};
use super::breach::{Breach, unsent};
use super::carrier::Carrier;
use super::frames::{CHUNK, Frames};
use super::guarded::{Guarded, READ};
use super::settings::MessageKind;
use crate::activity::bounded;
use crate::advice::Advice;
use crate::budget::Share;
use crate::error::{Error, Result};
use crate::limits;

/// Number of bytes of frames to gather before a write, if more messages wait.
const GATHER: usize = 64 << 10;

/// Number of bytes that the write buffer may hold besides messages: a message's header, a ping, a Close.
const FRAMES: usize = 1 << 10;

/// Maximum number of messages taken at once, so that other tasks get their turn.
const AT_ONCE: usize = 256;

/// Makes the transport of an open connection. `rest`: the bytes that the peer has sent already.
pub(super) async fn transport<S: Carrier>(
    stream: S,
    rest: Vec<u8>,
    role: Role,
    names: PeerAddrs,
    options: &Options,
) -> MessageTransport {
    let largest = options.ws.largest;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(GATHER)
        // The queue makes writers wait before the buffer exceeds this size.
        .max_write_buffer_size(largest + GATHER + limits::MAX_UNREAD_ANSWERS + FRAMES)
        .max_frame_size(Some(CHUNK as usize))
        .max_message_size(Some(largest));
    let stream = Guarded::new(stream, &rest, Frames::new(largest, role));
    let stream = WebSocketStream::from_raw_socket(stream, role, Some(config)).await;
    let open = Arc::new(Open(Mutex::new(Shared { stream, writer: None })));
    let closings = Arc::new(Closings::with_ours(options.ws.close.clone()));
    let incoming = Incoming {
        closings: Arc::clone(&closings),
        open: Arc::clone(&open),
        pinging: options.ws.ping.map(Pinging::new),
        timing: options.frame_timeout.map(Timing::new),
        share: options.pending.share(),
        trace: options.trace.clone(),
        whom: names.remote.clone(),
        over: None,
    };
    let kind = options.ws.kind;
    let outgoing = Outgoing { open, kind, closings: Arc::clone(&closings) };
    let text_only = kind == MessageKind::Text;
    let (incoming, outgoing) = (Box::new(incoming), Box::new(outgoing));
    MessageTransport { incoming, outgoing, largest, text_only, names, request: None, closings }
}

/// The state that both halves share.
struct Open<S: Carrier>(Mutex<Shared<S>>);

struct Shared<S> {
    stream: WebSocketStream<Guarded<S>>,
    /// The task that waits to write. The stream remembers only one waker for that, and the reader sends too: answers,
    /// pings.
    writer: Option<Waker>,
}

impl<S: Carrier> Open<S> {
    /// Held for single polls only.
    fn lock(&self) -> MutexGuard<'_, Shared<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a Close for "going away", if none was sent, as far as that works without waiting: a program that a signal ends
/// should not look like a cut connection. The stream below is shut down in order too: TLS has an end of its own.
impl<S: Carrier> Drop for Open<S> {
    fn drop(&mut self) {
        let stream = &mut self.0.get_mut().unwrap_or_else(PoisonError::into_inner).stream;
        let cx = &mut Context::from_waker(Waker::noop());
        let close = Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: Utf8Bytes::default() }));
        if Pin::new(&mut *stream).start_send(close).is_ok() {
            let _ = Pin::new(&mut *stream).poll_flush(cx);
        }
        let _ = Pin::new(stream.get_mut()).poll_shutdown(cx);
    }
}

impl<S: Carrier> Shared<S> {
    /// Returns the stream, for the writer.
    fn writing(&mut self, cx: &Context<'_>) -> Pin<&mut WebSocketStream<Guarded<S>>> {
        if self.writer.as_ref().is_none_or(|writer| !writer.will_wake(cx.waker())) {
            self.writer = Some(cx.waker().clone());
        }
        Pin::new(&mut self.stream)
    }

    /// Sends from the reader's side, as far as that works without waiting.
    fn interject(&mut self, message: Message, cx: &mut Context<'_>) {
        if Pin::new(&mut self.stream).start_send(message).is_ok() {
            // If this fails, a later read of the connection reports it.
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

// ---- in ----

struct Incoming<S: Carrier> {
    open: Arc<Open<S>>,
    closings: Arc<Closings>,
    pinging: Option<Pinging>,
    timing: Option<Timing>,
    /// The share of the common memory budget that the message in progress holds.
    share: Share,
    trace: Option<Trace>,
    whom: String,
    /// How the conversation ended; reported once everything that came before has been taken.
    over: Option<Result<()>>,
}

/// The pings that check whether the peer is still there.
struct Pinging {
    every: Duration,
    next: Pin<Box<Sleep>>,
    /// Whether something has come since the last ping.
    alive: bool,
}

impl Pinging {
    fn new(every: Duration) -> Self {
        Self { every, next: Box::pin(tokio::time::sleep(every)), alive: true }
    }
}

/// How long a message may be in progress.
struct Timing {
    limit: Duration,
    /// When the message in progress, if there is one, has taken too long.
    due: Pin<Box<Sleep>>,
    within: bool,
}

impl Timing {
    fn new(limit: Duration) -> Self {
        Self { limit, due: Box::pin(tokio::time::sleep(limit)), within: false }
    }

    /// Ready when a message has been in progress for too long. Call this when no more has come for now.
    fn poll(&mut self, within: bool, cx: &mut Context<'_>) -> Poll<()> {
        if within && !std::mem::replace(&mut self.within, true) {
            self.due.as_mut().reset(Instant::now() + self.limit);
        }
        self.within = within;
        if within { self.due.as_mut().poll(cx) } else { Poll::Pending }
    }
}

impl<S: Carrier> RecvDatagrams for Incoming<S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<bool>> {
        batch.clear();
        if self.over.is_none()
            && let Poll::Ready(over) = self.poll_messages(cx, batch)
        {
            self.over = Some(over);
        }
        if !batch.is_empty() {
            return Poll::Ready(Ok(true));
        }
        batch.release();
        match &mut self.over {
            // An error is reported once; after it comes nothing more.
            Some(over) => Poll::Ready(std::mem::replace(over, Ok(())).map(|()| false)),
            None => Poll::Pending,
        }
    }

    fn dropped(&self) -> u64 {
        0
    }
}

impl<S: Carrier> Incoming<S> {
    /// Takes messages; ready when the conversation has ended.
    fn poll_messages(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<()>> {
        while batch.len() < AT_ONCE {
            let next = Pin::new(&mut self.open.lock().stream).poll_next(cx);
            let message = match next {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.fail(error, cx))),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return self.poll_waits(cx).map(Err),
            };
            if let Some(pinging) = &mut self.pinging {
                pinging.alive = true;
            }
            if let (Some(timing), Message::Text(_) | Message::Binary(_)) = (&mut self.timing, &message) {
                timing.within = false;
            }
            match message {
                Message::Text(text) => batch.push_message(text.as_bytes(), false),
                Message::Binary(bytes) => batch.push_message(&bytes, true),
                Message::Close(_) => return Poll::Ready(self.closed(cx)),
                // The codec answers a ping; a pong is the answer to a ping of ours.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        // There may be more: the caller polls again once it has taken these.
        Poll::Pending
    }

    /// Handles the peer's Close.
    fn closed(&self, cx: &mut Context<'_>) -> Result<()> {
        // This sends the answer; nothing more will come.
        let _ = Pin::new(&mut self.open.lock().stream).poll_next(cx);
        let said = Closing::read(self.open.lock().stream.get_ref().frames.close().unwrap_or_default());
        self.closings.set_theirs(said.clone());
        let why = said.described();
        if let Some(trace) = &self.trace {
            trace(&format!("{} closed the WebSocket: {why}", self.whom));
        }
        match said.is_in_order() {
            true => Ok(()),
            false => Err(Error::other(format!("the peer closed the WebSocket: {why}"))),
        }
    }

    /// Handles an error in what came: sends a Close to the peer, and returns the error for this end.
    fn fail(&self, error: WsError, cx: &mut Context<'_>) -> Error {
        let Breach { code, told } = Breach::of(error);
        if let Some(code) = code {
            self.leave(code, cx);
        }
        told
    }

    /// Call this when no more has come for now. Ready if the message in progress does not fit the common memory budget,
    /// or if a time limit has passed.
    fn poll_waits(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let pending = self.open.lock().stream.get_ref().frames.pending();
        if let Poll::Ready(Err(told)) = self.share.poll_hold(pending, cx) {
            self.leave(CloseCode::Again, cx);
            return Poll::Ready(told);
        }
        self.poll_times(cx)
    }

    /// Sends a Close, as far as that works without waiting.
    fn leave(&self, code: CloseCode, cx: &mut Context<'_>) {
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::default() }));
        self.open.lock().interject(close, cx);
    }

    /// Checks the time limits; ready when the peer is too slow or has gone.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Some(timing) = &mut self.timing {
            let within = self.open.lock().stream.get_ref().frames.is_within_message();
            if timing.poll(within, cx).is_ready() {
                let told =
                    Error::timed_out("a WebSocket message", timing.limit).with_advice(Advice::AllowSlowerMessages);
                self.leave(CloseCode::Policy, cx);
                return Poll::Ready(told);
            }
        }
        self.poll_ping(cx)
    }

    /// Sends the peer a ping from time to time; ready when the peer has not answered.
    fn poll_ping(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(pinging) = &mut self.pinging else { return Poll::Pending };
        loop {
            ready!(pinging.next.as_mut().poll(cx));
            if !std::mem::take(&mut pinging.alive) {
                let told = Error::timed_out("the peer's answer to a ping", pinging.every);
                return Poll::Ready(told.with_advice(Advice::PingLessOften));
            }
            pinging.next.as_mut().reset(Instant::now() + bounded(pinging.every));
            self.open.lock().interject(Message::Ping(Bytes::new()), cx);
        }
    }
}

// ---- out ----

struct Outgoing<S: Carrier> {
    open: Arc<Open<S>>,
    kind: MessageKind,
    closings: Arc<Closings>,
}

impl<S: Carrier> Outgoing<S> {
    fn message(&self, content: &[u8], binary: bool) -> Message {
        let text = match self.kind {
            MessageKind::Binary => None,
            MessageKind::ByContent if binary => None,
            // With `Text`, messages that are not UTF-8 were refused before this.
            MessageKind::ByContent | MessageKind::Text => std::str::from_utf8(content).ok(),
        };
        text.map_or_else(|| Message::Binary(Bytes::copy_from_slice(content)), |text| Message::Text(text.into()))
    }
}

/// Splits off the first record: its message, whether it is a binary one, and the records after it.
fn record(records: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let (length, rest) = records.split_first_chunk::<RECORD>()?;
    let length = u32::from_be_bytes(*length);
    let (message, rest) = rest.split_at_checked((length & LARGEST_RECORD) as usize)?;
    Some((message, length > LARGEST_RECORD, rest))
}

/// Makes the Close that this end sends.
fn goodbye(ours: Option<&Closing>) -> Option<CloseFrame> {
    let (code, reason) = ours.map_or((Some(1000), ""), |ours| (ours.code(), ours.reason()));
    let code = code.map(|code| if may_be_sent(code) { code } else { u16::from(CloseCode::Protocol) });
    code.map(|code| CloseFrame { code: CloseCode::from(code), reason: reason.into() })
}

impl<S: Carrier> AsyncWrite for Outgoing<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, records: &[u8]) -> Poll<io::Result<usize>> {
        let mut open = self.open.lock();
        let mut stream = open.writing(cx);
        let mut rest = records;
        while let Some((message, binary, behind)) = record(rest) {
            match stream.as_mut().poll_ready(cx) {
                Poll::Ready(ready) => ready.map_err(unsent)?,
                Poll::Pending if rest.len() < records.len() => break,
                Poll::Pending => return Poll::Pending,
            }
            stream.as_mut().start_send(self.message(message, binary)).map_err(unsent)?;
            rest = behind;
        }
        Poll::Ready(Ok(records.len() - rest.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open.lock().writing(cx).poll_flush(cx).map_err(unsent)
    }

    /// Sends a Close with the code that the user set, or else the one for a normal end, unless the peer has sent one.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut open = self.open.lock();
        let mut stream = open.writing(cx);
        let close = Message::Close(goodbye(self.closings.ours().as_ref()));
        stream.as_mut().get_mut().get_mut().frames.closing();
        match stream.as_mut().start_send(close) {
            // Closed already, by the peer or in an earlier poll.
            Ok(()) | Err(WsError::Protocol(_) | WsError::ConnectionClosed | WsError::AlreadyClosed) => {}
            Err(error) => return Poll::Ready(Err(unsent(error))),
        }
        match ready!(stream.poll_flush(cx)) {
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed) | Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(unsent(error))),
        }
    }
}

impl<S: Carrier> StreamWrite for Outgoing<S> {
    fn reset(&mut self) {
        self.open.lock().stream.get_ref().reset();
    }
}
