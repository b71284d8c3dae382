//! `event-stream`: server-sent events: lines, and an empty one after them; lines end in LF, CRLF or CR.
//!
//! Not here: HTTP, whose bodies carry such events, and what a field means.

use memchr::memchr2;

use crate::codec::{Codec, Context, FrameError, Row, Step};
use crate::error::EncodeError;

/// WHATWG HTML, section 9.2.5, "Parsing an event stream".
pub(super) const EVENT_STREAM: Row<EventStream> = Row {
    name: "event-stream",
    syntax: "event-stream",
    frame: "server-sent events: lines that end in LF, CRLF or CR, up to an empty one",
    examples: &["event-stream", "event-stream,max=100"],
    keeps_boundaries: true,
    matches: |name| name == "event-stream",
    parse: |_| Ok(EventStream::default()),
};

/// Events one after another. The message is an event's lines, without the end of the last.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventStream {
    /// Where the current line begins.
    line: usize,
    /// Where the line before it ends, without its line end.
    before: usize,
    /// Number of bytes that are known to hold no end of the current line.
    scanned: usize,
}

impl EventStream {
    /// Finds where the event and its empty line end, if that has arrived.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<(usize, usize)>, FrameError> {
        loop {
            let found = memchr2(b'\r', b'\n', &input[self.scanned..]);
            let at = self.scanned + found.unwrap_or(input.len() - self.scanned);
            self.scanned = at;
            // The end of the last line and the empty line are not part of the message.
            let least = if at > self.line { at } else { self.before };
            if least > max {
                return Err(FrameError::TooLong { length: None, skip: None });
            }
            if found.is_none() {
                return Ok(None);
            }
            self.scanned = at + 1;
            if at == self.line && at > 0 && input[at - 1] == b'\r' && input[at] == b'\n' {
                // The second half of the line end.
                self.line = at + 1;
            } else if at == self.line {
                return Ok(Some((self.before, at + 1)));
            } else {
                (self.before, self.line) = (at, at + 1);
            }
        }
    }
}

impl Codec for EventStream {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if matches!(input[0], b'\r' | b'\n') {
            // An empty line before an event, or the LF of the line end that ended the last event.
            return Ok(Step::Blank { total: 1 });
        }
        let Some((end, total)) = self.find_end(input, cx.max)? else { return Ok(Step::Need) };
        *self = Self::default();
        Ok(Step::Frame { start: 0, end, total })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        crate::codec::encode_as_it_stands(
            Self::default(),
            message,
            b"\n\n",
            "one event: lines, none of them empty",
            out,
        )
    }
}
