//! `http-message`, `sip-message`, `rtsp-message`: a start line, header lines, an empty line, and the body that the
//! headers announce.
//!
//! The message holds every byte as it is on the wire, including chunks. A response to HEAD or CONNECT has no body,
//! whatever its headers say; only the other direction knows this: [`Dialogue`]. Not here: what follows an upgrade; and
//! headers without a start line, which are `headers`.

use memchr::memchr;

use crate::args::Args;
use crate::byte_count::ByteCount;
use crate::codec::{Codec, Context, FrameError, Row, Shape, Step, quoted};
use crate::dialogue::Dialogue;
use crate::error::{EncodeError, SpecError};
use crate::limits::{MAX_DECIMAL_DIGITS, MAX_HEX_DIGITS, MAX_MESSAGE_HEAD, MAX_OPEN_HEADS};

/// RFC 9112: sections 2.1 and 2.2 (messages), 6.3 (where a body ends), 7.1 (chunks).
pub(super) const HTTP: Row<Message> = Row {
    name: "http-message",
    syntax: "http-message[,body=none]",
    frame: "a whole HTTP/1 request or response: head, empty line, then Content-Length bytes, chunks, or everything up to the end; body=none: all responses are replies to HEAD, where only one direction is seen",
    examples: &["http-message", "http-message,body=none", "http-message,max=200"],
    keeps_boundaries: true,
    matches: |name| name == "http-message",
    parse: parse_http,
};

/// RFC 3261: sections 7 (messages) and 18.3 (on a stream each message gives its length); RFC 5626, section 3.5.1
/// (keep-alives).
pub(super) const SIP: Row<Message> = Row {
    name: "sip-message",
    syntax: "sip-message",
    frame: "a whole SIP request or response, with Content-Length (or l); empty lines between two are skipped",
    examples: &["sip-message"],
    keeps_boundaries: true,
    matches: |name| name == "sip-message",
    parse: |_| Ok(Message::new(Dialect::Sip)),
};

/// RFC 2326: sections 4 and 10.12; RFC 7826: sections 5 and 14. They differ in where a body ends: see 4.4 and 5.4.
pub(super) const RTSP: Row<Message> = Row {
    name: "rtsp-message",
    syntax: "rtsp-message",
    frame: "a whole RTSP request or response, or an interleaved frame: $, a channel, a length of 2 bytes, that many bytes",
    examples: &["rtsp-message"],
    keeps_boundaries: true,
    matches: |name| name == "rtsp-message",
    parse: |_| Ok(Message::new(Dialect::Rtsp)),
};

fn parse_http(args: &mut Args<'_>) -> Result<Message, SpecError> {
    let bodiless = match args.value("body") {
        None => false,
        Some("none") => true,
        Some(other) => return Err(SpecError::new(format!("body={other}: none, for the replies to HEAD"))),
    };
    Ok(Message { bodiless, ..Message::new(Dialect::Http) })
}

/// The protocol of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Http,
    Sip,
    Rtsp,
}

impl Dialect {
    /// Its name in a start line.
    fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Sip => "SIP",
            Self::Rtsp => "RTSP",
        }
    }
}

/// Number of bytes before an interleaved frame's data: `$`, its channel, its length.
const INTERLEAVED: usize = 4;

/// Number of bytes of a line that an error quotes.
const QUOTED: usize = 40;

/// A message in progress.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    dialect: Dialect,
    /// Responses have no bodies, whatever their headers say.
    bodiless: bool,
    /// What the other direction of the conversation has sent.
    dialogue: Option<Dialogue>,
    /// Number of bytes of the input that have been parsed.
    at: usize,
    /// Number of bytes after that which are known to hold no end of line.
    scanned: usize,
    head: Head,
    stage: Stage,
}

/// What the head has announced so far.
#[derive(Debug, Clone, Default)]
struct Head {
    /// What sends this message, a client or a server; `None` until the start line has arrived.
    start: Option<Start>,
    /// Where in the input the current field begins and ends: lines that begin with a blank continue it.
    field: Option<(usize, usize)>,
    length: Option<u64>,
    coding: Option<Coding>,
    /// A given length applies to every status: RTSP 2.0.
    length_rules: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Request,
    Response(u16),
}

/// The last transfer coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// A body that ends at this byte of the input.
    Counted(u64),
    ChunkLine,
    /// A chunk that ends at this byte, with its CRLF.
    Chunk(u64),
    Trailers,
    /// Everything up to the end of the stream.
    Rest,
}

fn too_long(length: Option<u64>) -> FrameError {
    FrameError::TooLong { length, skip: None }
}

fn quoted_line(line: &[u8]) -> String {
    quoted(&line[..line.len().min(QUOTED)])
}

/// RFC 9110, section 5.6.2.
fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn number(digits: &[u8], radix: u32, most: usize) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = !text.is_empty() && text.len() <= most && text.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(text, radix).ok().filter(|_| plain)
}

impl Head {
    /// Reads the start line, which shows what sends this message.
    fn read_start(&mut self, line: &[u8], dialect: Dialect) -> Result<(), FrameError> {
        let is_version = |word: &[u8]| {
            let rest = word.strip_prefix(dialect.name().as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
            rest.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
        };
        let mut words = line.split(|byte| *byte == b' ');
        let first = words.next().unwrap_or_default();
        let found = if is_version(first) {
            let status = words.next().filter(|digits| digits.len() == 3).and_then(|digits| number(digits, 10, 3));
            status.map(|status| Start::Response(status as u16))
        } else {
            let version = words.next_back().filter(|word| is_version(word));
            (version.is_some() && words.next().is_some() && is_token(first)).then_some(Start::Request)
        };
        self.start = found;
        self.length_rules = dialect == Dialect::Rtsp && !first.starts_with(b"RTSP/1");
        match found {
            Some(_) => Ok(()),
            None => Err(FrameError::broken(format!("{} is not a start line of {}", quoted_line(line), dialect.name()))),
        }
    }

    /// Reads a field with its continuation lines.
    fn read_field(&mut self, field: &[u8], dialect: Dialect) -> Result<(), FrameError> {
        let name = memchr(b':', field).map(|colon| &field[..colon]);
        // HTTP forbids blanks before the colon; the other protocols allow them.
        let name = if dialect == Dialect::Http { name } else { name.map(<[u8]>::trim_ascii_end) };
        let Some(name) = name.filter(|name| is_token(name)) else {
            return Err(FrameError::broken(format!("{} is not a header line", quoted_line(field))));
        };
        let value = field[memchr(b':', field).map_or(0, |colon| colon + 1)..].trim_ascii();
        let compact = dialect == Dialect::Sip && name.eq_ignore_ascii_case(b"l");
        if compact || name.eq_ignore_ascii_case(b"content-length") {
            for part in value.split(|byte| *byte == b',') {
                self.read_length(part.trim_ascii())?;
            }
        } else if dialect == Dialect::Http && name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
            let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            self.coding = Some(if chunked { Coding::Chunked } else { Coding::Other });
        }
        Ok(())
    }

    fn read_length(&mut self, digits: &[u8]) -> Result<(), FrameError> {
        let length = number(digits, 10, MAX_DECIMAL_DIGITS)
            .ok_or_else(|| FrameError::broken(format!("Content-Length {} is not a length", quoted_line(digits))))?;
        if self.length.is_some_and(|before| before != length) {
            return Err(FrameError::broken("Content-Length is given twice, and differs"));
        }
        self.length = Some(length);
        Ok(())
    }

    /// Returns how the body after the head's `at` bytes ends.
    fn body(&self, dialect: Dialect, at: usize) -> Result<Stage, FrameError> {
        let counted = |length: u64| Stage::Counted(length.saturating_add(at as u64));
        match (dialect, self.start, self.coding, self.length) {
            (Dialect::Http | Dialect::Rtsp, Some(Start::Response(100..200 | 204 | 304)), _, _)
                if !self.length_rules =>
            {
                Ok(counted(0))
            }
            (Dialect::Http, _, Some(_), Some(_)) => Err(FrameError::broken(
                "both Transfer-Encoding and Content-Length are there: readers disagree on where the body ends",
            )),
            (Dialect::Http, _, Some(Coding::Chunked), _) => Ok(Stage::ChunkLine),
            (Dialect::Http, Some(Start::Request), Some(Coding::Other), _) => {
                Err(FrameError::broken("the last Transfer-Encoding of a request is not chunked, so its end is unknown"))
            }
            (_, _, _, Some(length)) => Ok(counted(length)),
            (Dialect::Http, Some(Start::Response(_)), _, None) => Ok(Stage::Rest),
            (Dialect::Sip, ..) => Err(FrameError::broken(
                "the message has no Content-Length, which SIP wants of each message on a stream",
            )),
            (Dialect::Http | Dialect::Rtsp, ..) => Ok(counted(0)),
        }
    }
}

impl Message {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, bodiless: false, dialogue: None, at: 0, scanned: 0, head: Head::default(), stage: Stage::Head }
    }

    /// The state before the next message, without a link to the other direction.
    fn fresh(&self) -> Self {
        Self { bodiless: self.bodiless, ..Self::new(self.dialect) }
    }

    /// Resets the state for the next message.
    fn reset(&mut self) {
        *self = Self { dialogue: self.dialogue.take(), ..self.fresh() };
    }

    /// Handles a complete head: reports to the other direction what it asks for. Returns true if the other direction
    /// says that this message has no body.
    fn dialogue(&self, input: &[u8]) -> Result<bool, FrameError> {
        match (&self.dialogue, self.head.start) {
            (Some(dialogue), Some(Start::Request)) if !dialogue.ask(method(input)) => {
                Err(FrameError::broken(unanswered()))
            }
            (Some(dialogue), Some(Start::Response(status))) => {
                let bodiless = dialogue.is_bodiless(status);
                dialogue.answer(status);
                Ok(bodiless)
            }
            _ => Ok(false),
        }
    }

    /// What sends this message, if its first line shows that.
    fn start_of(&self, message: &[u8]) -> Option<Start> {
        let line = &message[..memchr(b'\n', message)?];
        let mut head = Head::default();
        head.read_start(line.strip_suffix(b"\r").unwrap_or(line), self.dialect).ok()?;
        head.start
    }

    /// Finds where a message to send ends. A response to HEAD ends after its head, unless the sender wants to send a
    /// body all the same.
    fn end_of(&self, own: &mut Self, message: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(dialogue) = &self.dialogue else { return own.find_end(message, message.len() + 1) };
        match self.start_of(message) {
            Some(Start::Request) if dialogue.is_full(method(message)) => return Err(FrameError::broken(unanswered())),
            Some(Start::Response(status)) if dialogue.is_bodiless(status) => {
                let mut bare = Self { bodiless: true, ..self.fresh() };
                let end = bare.find_end(message, message.len() + 1)?;
                if end == Some(message.len()) {
                    return Ok(end);
                }
            }
            _ => {}
        }
        own.find_end(message, message.len() + 1)
    }

    /// Returns the line that begins at `self.at`, without its line end; `None` until that has arrived. All lines must
    /// end within `bound` bytes.
    fn line<'a>(
        &mut self,
        input: &'a [u8],
        bound: usize,
        over: fn() -> FrameError,
    ) -> Result<Option<&'a [u8]>, FrameError> {
        let part = &input[..input.len().min(bound)];
        let Some(found) = memchr(b'\n', &part[self.scanned..]) else {
            self.scanned = part.len();
            return if part.len() == bound { Err(over()) } else { Ok(None) };
        };
        let lf = self.scanned + found;
        let line = &input[self.at..lf];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if memchr(b'\r', line).is_some() {
            return Err(FrameError::broken(format!("a line holds a CR that is not its end: {}", quoted_line(line))));
        }
        self.at = lf + 1;
        self.scanned = lf + 1;
        Ok(Some(line))
    }

    /// Reads the lines of the head that have arrived; returns true when the head is complete.
    fn read_head(&mut self, input: &[u8], max: usize) -> Result<bool, FrameError> {
        let over: fn() -> FrameError = if max <= MAX_MESSAGE_HEAD {
            || too_long(None)
        } else {
            || FrameError::broken(format!("the head is over {MAX_MESSAGE_HEAD} bytes"))
        };
        loop {
            let from = self.at;
            let Some(line) = self.line(input, max.min(MAX_MESSAGE_HEAD), over)? else { return Ok(false) };
            if self.head.start.is_none() {
                self.head.read_start(line, self.dialect)?;
                continue;
            }
            match (line.first(), &mut self.head.field) {
                (Some(b' ' | b'\t'), Some(field)) => field.1 = from + line.len(),
                (first, field) => {
                    let next = first.map(|_| (from, from + line.len()));
                    if let Some((start, end)) = std::mem::replace(field, next) {
                        self.head.read_field(&input[start..end], self.dialect)?;
                    }
                    if first.is_none() {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Returns where the message that starts at `input[0]` ends.
    fn find_end(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        loop {
            match self.stage {
                Stage::Head => {
                    if !self.read_head(input, max)? {
                        return Ok(None);
                    }
                    let asked = self.dialogue(input)?;
                    let bodiless = self.bodiless && matches!(self.head.start, Some(Start::Response(_)));
                    self.stage = match bodiless || asked {
                        true => Stage::Counted(self.at as u64),
                        false => self.head.body(self.dialect, self.at)?,
                    };
                }
                Stage::Counted(end) if end > max as u64 => return Err(too_long(Some(end))),
                Stage::Counted(end) => return Ok(Some(end as usize).filter(|end| input.len() >= *end)),
                Stage::ChunkLine => {
                    let Some(line) = self.line(input, max, || too_long(None))? else { return Ok(None) };
                    self.stage = chunk(line, self.at)?;
                }
                Stage::Chunk(end) if end > max as u64 => return Err(too_long(None)),
                Stage::Chunk(end) => {
                    let end = end as usize;
                    let Some(behind) = input.get(end - 2..end) else { return Ok(None) };
                    if behind != b"\r\n" {
                        let what = format!("expected CRLF after a chunk, found {}", quoted(behind));
                        return Err(FrameError::broken(what));
                    }
                    (self.at, self.scanned, self.stage) = (end, end, Stage::ChunkLine);
                }
                Stage::Trailers => match self.line(input, max, || too_long(None))? {
                    None => return Ok(None),
                    Some(b"") => return Ok(Some(self.at)),
                    Some(_) => {}
                },
                Stage::Rest if input.len() > max => return Err(too_long(None)),
                Stage::Rest => return Ok(None),
            }
        }
    }
}

impl Message {
    /// Returns why a message to send has no end.
    fn unfinished(&self, length: usize) -> EncodeError {
        match self.stage {
            Stage::Head => EncodeError::unfit_but(
                "the message's head does not end in an empty line",
                "in a shell: $'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'",
            ),
            Stage::Counted(end) => EncodeError::unfit(format!(
                "the message's head announces {} in all, and {length} are there",
                ByteCount(end)
            )),
            Stage::ChunkLine | Stage::Chunk(_) | Stage::Trailers => {
                EncodeError::unfit_but("the message's chunks do not end", "the last has length 0 and an empty line")
            }
            Stage::Rest => EncodeError::unfit_but(
                "the response has neither Content-Length nor chunks: only the end of the stream would end it",
                "give it a Content-Length",
            ),
        }
    }
}

/// Returns the first word of a request.
fn method(request: &[u8]) -> &[u8] {
    request.split(|byte| *byte == b' ').next().unwrap_or_default()
}

fn unanswered() -> String {
    format!("over {MAX_OPEN_HEADS} HEAD and CONNECT requests wait for their responses")
}

/// Returns what follows a chunk's size line: the chunk's bytes, or the trailers after the last chunk.
fn chunk(line: &[u8], at: usize) -> Result<Stage, FrameError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    match number(digits, 16, MAX_HEX_DIGITS) {
        Some(0) => Ok(Stage::Trailers),
        Some(length) => Ok(Stage::Chunk(length.saturating_add(at as u64 + 2))),
        None => Err(FrameError::broken(format!("{} is not the length of a chunk", quoted_line(line)))),
    }
}

/// Size of the interleaved frame that starts at `input[0]`, in bytes; `None` until its header has arrived.
fn interleaved(input: &[u8]) -> Option<usize> {
    let header = input.get(..INTERLEAVED)?;
    Some(INTERLEAVED + usize::from(u16::from_be_bytes([header[2], header[3]])))
}

impl Codec for Message {
    fn decode(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<Step, FrameError> {
        let end = match input {
            [b'\n', ..] => return Ok(Step::Blank { total: 1 }),
            [b'\r', b'\n', ..] => return Ok(Step::Blank { total: 2 }),
            [b'\r'] => return Ok(Step::Need),
            [b'$', ..] if self.dialect == Dialect::Rtsp => match interleaved(input) {
                Some(end) if end > cx.max => return Err(too_long(Some(end as u64))),
                end => end.filter(|end| input.len() >= *end),
            },
            [first, ..] if !is_token(&[*first]) => {
                return Err(FrameError::broken(format!(
                    "{} begins no message of {}",
                    quoted(&[*first]),
                    self.dialect.name()
                )));
            }
            _ => self.find_end(input, cx.max)?,
        };
        let Some(end) = end else { return Ok(Step::Need) };
        self.reset();
        Ok(Step::Frame { start: 0, end, total: end })
    }

    fn finish(&mut self, input: &[u8], _cx: &mut Context<'_>) -> Result<Step, FrameError> {
        if self.stage != Stage::Rest {
            return Ok(Step::Need);
        }
        self.reset();
        Ok(Step::Frame { start: 0, end: input.len(), total: input.len() })
    }

    fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut own = self.fresh();
        let found = match message {
            [b'$', ..] if self.dialect == Dialect::Rtsp => {
                let end = interleaved(message);
                if end.is_none_or(|end| end > message.len()) {
                    let (end, here) = (end.unwrap_or(INTERLEAVED), message.len());
                    let what = format!("the frame announces {} in all, and {here} are there", ByteCount(end));
                    return Err(EncodeError::unfit(what));
                }
                Ok(end)
            }
            [first, ..] if is_token(&[*first]) => self.end_of(&mut own, message),
            _ => return Err(EncodeError::unfit("the message begins with no start line")),
        };
        match found {
            Ok(Some(end)) if end == message.len() => {
                out.extend_from_slice(message);
                Ok(())
            }
            Ok(Some(end)) if end < message.len() => {
                Err(EncodeError::unfit(format!("the message ends after {}, but more follow", ByteCount(end))))
            }
            Err(FrameError::Broken(what)) => {
                Err(EncodeError::unfit(format!("not a message of {}: {what}", self.dialect.name())))
            }
            _ => Err(own.unfinished(message.len())),
        }
    }

    fn depends_on_requests(&self) -> bool {
        self.dialect == Dialect::Http
    }

    fn follow(&mut self, dialogue: &Dialogue) {
        self.dialogue = self.depends_on_requests().then(|| dialogue.clone());
    }

    fn is_stateful(&self) -> bool {
        self.dialogue.is_some()
    }

    fn sent(&mut self, message: &[u8]) {
        match (&self.dialogue, self.start_of(message)) {
            (Some(dialogue), Some(Start::Request)) => drop(dialogue.ask(method(message))),
            (Some(dialogue), Some(Start::Response(status))) => dialogue.answer(status),
            _ => {}
        }
    }

    fn announced(&self, input: &[u8]) -> Option<u64> {
        match self.stage {
            Stage::Counted(end) => Some(end),
            _ if self.dialect == Dialect::Rtsp && input.first() == Some(&b'$') => Some(interleaved(input)? as u64),
            _ => None,
        }
    }

    fn must_be_last(&self) -> Option<&'static str> {
        (self.dialect == Dialect::Http).then_some("a response without a length goes on to the end of the stream")
    }

    fn shape(&self) -> Shape {
        if self.dialect == Dialect::Http { Shape::Http } else { Shape::TextHeader }
    }
}
