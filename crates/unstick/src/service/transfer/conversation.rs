//! What both sides of a transfer do with a connection: exchange hellos, keep time limits, send and receive messages.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use bytes::Bytes;
use unstick_wire::transfer::{Due, Hello, Message, Reason, Side, Silence, VERSION, Violation};

use super::pacing::{Pacing, Rate};
use super::pieces::encoded;
use crate::error::{Error, Result};
use crate::limits::SECRET_PAUSE;
use crate::link::{Link, Receiver, Sender};

/// A connection on which both sides say hello, then send messages.
pub(super) struct Conversation {
    sender: Sender,
    receiver: Receiver,
    silence: Silence,
    rate: Rate,
    stall: Duration,
}

/// What [`hear`](Conversation::hear) has received.
pub(super) enum Heard {
    Message(Bytes),
    /// The other side has closed the connection in order.
    Ended,
}

impl Conversation {
    /// Starts on the side that has connected. It sends its hello first, and goes on without waiting for the answer.
    pub(super) async fn call(link: Link, side: Side, secret: [u8; 16], pacing: Pacing) -> Result<Self> {
        let mut conversation = Self::new(link, pacing);
        conversation.send(&conversation.own_hello(side, secret)).await?;
        Ok(conversation)
    }

    /// Starts on the side that listens. It checks the client's hello before it answers.
    pub(super) async fn answer(link: Link, side: Side, secret: [u8; 16], pacing: Pacing) -> Result<Self> {
        let mut conversation = Self::new(link, pacing);
        let hello = conversation.hello().await?;
        if let Err(error) = check_side(&hello, side) {
            let text = Bytes::from(error.to_string());
            conversation.send(&Message::Refused { reason: Reason::Other, text }).await?;
            conversation.finish().await;
            return Err(error);
        }
        // Comparing two BLAKE3 hashes takes constant time, so the time says nothing about the secret.
        if blake3::hash(&hello.secret) != blake3::hash(&secret) {
            // This slows down a client that guesses secrets.
            tokio::time::sleep(SECRET_PAUSE).await;
            let text = Bytes::from_static(b"the ticket is not for this transfer");
            conversation.send(&Message::Refused { reason: Reason::Other, text }).await?;
            conversation.finish().await;
            return Err(Error::handshake("a client did not have this transfer's secret"));
        }
        conversation.send(&conversation.own_hello(side, [0; 16])).await?;
        Ok(conversation)
    }

    fn new(link: Link, pacing: Pacing) -> Self {
        let (sender, receiver) = link.split();
        let Pacing { stall, limit } = pacing;
        Self { sender, receiver, silence: Silence::new(stall, Instant::now()), rate: Rate::new(limit), stall }
    }

    fn own_hello(&self, side: Side, secret: [u8; 16]) -> Message {
        let stall = u32::try_from(self.stall.as_millis()).unwrap_or(u32::MAX);
        Message::Hello(Hello { version: VERSION, side, secret, stall })
    }

    /// Receives the other side's hello, which is its first message.
    pub(super) async fn hello(&mut self) -> Result<Hello> {
        let first = tokio::time::timeout(self.stall, self.receiver.recv()).await;
        let first = first.map_err(|_| Error::timed_out("waiting for a hello", self.stall))?.map_err(lost)?;
        self.silence.heard(Instant::now());
        let first = first.ok_or_else(|| cut("it ended without a hello"))?;
        match Message::decode(first) {
            Ok(Message::Hello(hello)) if hello.version == VERSION => {
                self.silence.heed(Duration::from_millis(hello.stall.into()));
                Ok(hello)
            }
            Ok(Message::Hello(hello)) => {
                let theirs = hello.version;
                Err(Error::handshake(format!(
                    "the other side speaks version {theirs} of the protocol, and this one {VERSION}"
                )))
            }
            Ok(Message::Refused { text, .. }) => Err(refused(&text)),
            Ok(_) => Err(Error::protocol("the other side's first message is not a hello")),
            Err(why) => Err(Error::protocol(why.to_string())),
        }
    }

    pub(super) async fn send(&mut self, message: &Message) -> Result<()> {
        self.send_bytes(&encoded(message)).await
    }

    /// Sends a message. It fails if the other side takes no bytes for the time limit.
    pub(super) async fn send_bytes(&mut self, message: &[u8]) -> Result<()> {
        let sent = tokio::time::timeout(self.stall, self.sender.send(message)).await;
        sent.unwrap_or_else(|_| Err(self.stalled()))?;
        let now = Instant::now();
        self.silence.said(now);
        self.rate.spend(message.len(), now);
        Ok(())
    }

    /// Waits until a message can be sent at once, without exceeding the rate limit. Cancel safe.
    pub(super) fn writable(&self) -> impl Future<Output = ()> + use<> {
        let (sender, wait) = (self.sender.clone(), self.rate.wait(Instant::now()));
        async move {
            if let Some(until) = wait {
                tokio::time::sleep_until(until.into()).await;
            }
            sender.writable().await;
        }
    }

    /// Receives the next message. Meanwhile, tells the other side that this one is still there. Cancel safe.
    pub(super) async fn hear(&mut self) -> Result<Heard> {
        loop {
            match self.silence.due(Instant::now()) {
                Due::Stalled => return Err(self.stalled()),
                Due::Alive => self.say_alive(Instant::now()),
                Due::At(at) => tokio::select! {
                    message = self.receiver.recv() => {
                        let now = Instant::now();
                        self.silence.heard(now);
                        let message = message.map_err(lost)?;
                        self.rate.spend(message.as_ref().map_or(0, Bytes::len), now);
                        return Ok(message.map_or(Heard::Ended, Heard::Message));
                    }
                    () = tokio::time::sleep_until(at.into()) => {}
                },
            }
        }
    }

    /// Receives the next message if this side can take one now, without exceeding the rate limit. Otherwise it only
    /// tells the other side that this one is still there. Cancel safe.
    pub(super) async fn hear_if(&mut self, can: bool) -> Result<Heard> {
        loop {
            let now = Instant::now();
            let wait = self.rate.wait(now);
            if can && wait.is_none() {
                return self.hear().await;
            }
            // While this side does not read, it cannot know whether the other side is silent.
            self.silence.heard(now);
            match self.silence.due(now) {
                Due::At(at) => {
                    let at = wait.filter(|_| can).map_or(at, |wait| wait.min(at));
                    tokio::time::sleep_until(at.into()).await;
                }
                Due::Alive | Due::Stalled => self.say_alive(now),
            }
        }
    }

    fn say_alive(&mut self, now: Instant) {
        // If the queue is full, its content shows just as well that this side is there.
        let _ = self.sender.try_send(&encoded(&Message::Alive));
        self.silence.said(now);
    }

    /// Ends in order: everything queued is still sent.
    pub(super) async fn finish(self) {
        let _ = tokio::time::timeout(self.stall, self.sender.finish()).await;
    }

    fn stalled(&self) -> Error {
        Error::timed_out("waiting for the other side to go on", self.stall)
    }
}

/// Fails if both sides send, or both receive.
pub(super) fn check_side(hello: &Hello, own: Side) -> Result<()> {
    match (hello.side, own) {
        (Side::Sender, Side::Sender) => Err(Error::handshake("both sides send: one of them has to receive")),
        (Side::Receiver, Side::Receiver) => Err(Error::handshake("both sides receive: one of them has to send")),
        _ => Ok(()),
    }
}

/// The error of a lost connection, which a new connection can repair.
pub(super) fn lost(error: Error) -> Error {
    match error.io_kind() {
        // A connection cut inside a frame does not mean that the peer broke the protocol.
        _ if error.is_framing() => cut(error.to_string()),
        // Hashes prove what has arrived, so it does not matter whether TLS knows that nothing is missing.
        Some(ErrorKind::UnexpectedEof) => {
            Error::io("receiving", std::io::Error::new(ErrorKind::UnexpectedEof, "the connection was cut"))
        }
        _ => error,
    }
}

/// The error of a connection that was lost for this reason.
pub(super) fn cut(why: impl Into<String>) -> Error {
    Error::io("the connection", std::io::Error::new(ErrorKind::UnexpectedEof, why.into()))
}

pub(super) fn broken(why: Violation) -> Error {
    Error::protocol(format!("the other side broke the protocol: {why}"))
}

pub(super) fn refused(text: &[u8]) -> Error {
    Error::other(format!("the other side refuses: {}", String::from_utf8_lossy(text)))
}
