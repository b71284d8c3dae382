//! Links the two directions of one conversation: which HTTP request a response answers.
//!
//! A response to HEAD has no body, and neither has one that accepts CONNECT, whatever their heads announce (RFC 9112,
//! section 6.3). Only a side that has seen the request can know.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::MAX_OPEN_HEADS;

/// One direction's share in the dialogue of requests and responses, for its [`Decoder`](crate::Decoder) or
/// [`Encoder`](crate::Encoder).
///
/// Clones share the same dialogue.
///
/// ```
/// use unstick_wire::Framing;
///
/// let http = Framing::parse("http")?;
/// let (asking, answering) = http.dialogue_with(&http).expect("HTTP has requests and responses");
/// let mut requests = http.encoder()?;
/// let mut responses = http.decoder();
/// requests.follow(&asking);
/// responses.follow(&answering);
///
/// requests.encode(b"HEAD / HTTP/1.1\r\n\r\n", &mut Vec::new()).unwrap();
/// let response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
/// responses.feed(response);
/// assert_eq!(responses.next().unwrap(), Some(&response[..]));
/// # Ok::<(), unstick_wire::SpecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dialogue {
    /// Requests of this direction.
    asks: Arc<Mutex<Open>>,
    /// Requests of the other direction, which this direction's responses answer.
    answers: Arc<Mutex<Open>>,
}

impl Dialogue {
    /// Makes the shares of a conversation's two directions.
    pub(crate) fn pair() -> (Self, Self) {
        let (one, other) = (Arc::default(), Arc::default());
        let back = Self { asks: Arc::clone(&other), answers: Arc::clone(&one) };
        (Self { asks: one, answers: other }, back)
    }

    /// Records a request. Returns false if too many requests already wait for responses that may have no body.
    pub(crate) fn ask(&self, method: &[u8]) -> bool {
        let mut open = lock(&self.asks);
        let number = open.asked;
        open.asked += 1;
        let Some(kind) = Bodiless::of(method) else { return true };
        let room = open.bodiless.len() < MAX_OPEN_HEADS;
        if room {
            open.bodiless.push_back((number, kind));
        }
        room
    }

    /// Whether there is no room to remember such a request.
    pub(crate) fn is_full(&self, method: &[u8]) -> bool {
        Bodiless::of(method).is_some() && lock(&self.asks).bodiless.len() >= MAX_OPEN_HEADS
    }

    /// Whether the next response, with this status, has no body because of its request.
    pub(crate) fn is_bodiless(&self, status: u16) -> bool {
        let open = lock(&self.answers);
        match open.bodiless.front() {
            Some((number, Bodiless::Always)) => *number == open.answered,
            Some((number, Bodiless::Accepted)) => *number == open.answered && matches!(status, 200..300),
            None => false,
        }
    }

    /// Records that the head of a response has arrived, or that the response was sent. Interim responses answer nothing
    /// yet.
    pub(crate) fn answer(&self, status: u16) {
        let mut open = lock(&self.answers);
        // A response without a request answers nothing: a server may close an idle connection with 408.
        if status < 200 || open.answered == open.asked {
            return;
        }
        let answered = open.answered;
        open.answered += 1;
        if open.bodiless.front().is_some_and(|(number, _)| *number == answered) {
            open.bodiless.pop_front();
        }
    }
}

/// Requests of one direction.
#[derive(Debug, Default)]
struct Open {
    /// Number of requests.
    asked: u64,
    /// Number of requests that have been answered.
    answered: u64,
    /// The number of each unanswered request whose response may have no body, and when it has none.
    bodiless: VecDeque<(u64, Bodiless)>,
}

/// When a response has no body.
#[derive(Debug, Clone, Copy)]
enum Bodiless {
    /// After HEAD.
    Always,
    /// After CONNECT, if it was accepted.
    Accepted,
}

impl Bodiless {
    /// What a request with this method implies for its response. Methods are case-sensitive.
    fn of(method: &[u8]) -> Option<Self> {
        match method {
            b"HEAD" => Some(Self::Always),
            b"CONNECT" => Some(Self::Accepted),
            _ => None,
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
