//! Turns events into text for people.

use std::collections::BTreeSet;
use std::fmt::Display;

use anstyle::Style;
use unstick::Error;
use unstick::endpoint::Closing;
use unstick::service::talk::{Event, PeerId, Reason, Recipient};
use unstick::wire::{Damage, Frame};

use crate::advice;
use crate::canvas::columns;
use crate::count::Count;
use crate::frame_dump;
use crate::sanitize::{self, Mark};
use crate::style::{BLUE, BOLD, CYAN, FAINT, GREEN, MAGENTA, RED, YELLOW, styled};

/// Number of bytes that are shown of an unfinished message: about a line.
const PREVIEW: usize = 48;

/// Colours that peers use in turn: all that terminals have except red, which is for errors, and black and white.
const COLOURS: [Style; 5] = [CYAN, MAGENTA, YELLOW, GREEN, BLUE];

/// Options of how a conversation is shown.
#[derive(Debug, Clone)]
pub struct DisplayOptions {
    /// Whether colours distinguish peers, and make escapes stand out.
    pub colour: bool,
    /// Whether messages are shown as dumps: offset, bytes, text.
    pub hex: bool,
    /// Whether everything is shown with the local time.
    pub time: bool,
    /// Whether times have their offset from UTC: they go to a file or a pipe, whose reader may be in another time zone.
    pub offset: bool,
    /// Whether this side's addresses are shown as well.
    pub verbose: bool,
}

/// `listening on ADDRESS and ADDRESS`: scripts read the port from it.
pub fn listening(addresses: &[impl AsRef<str> + Display]) -> String {
    let mut text = "listening on ".to_owned();
    for (at, address) in addresses.iter().enumerate() {
        if at > 0 {
            text.push_str(" and ");
        }
        text.push_str(address.as_ref());
    }
    text
}

/// The text of an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Whole lines.
    pub text: String,
    /// Whether it is a message, not a notice.
    pub message: bool,
}

/// Turns events into text.
pub struct Renderer {
    look: DisplayOptions,
    /// Whether notices have colour: they may go to another place than messages.
    notice_colour: bool,
    /// Whether there is only one peer, whose arrival is shown as a connection.
    single: bool,
    /// The peers whose transport is datagrams.
    datagrams: BTreeSet<PeerId>,
    /// Whether the hint about a peer that ends no message has been shown.
    hinted: bool,
    now: fn() -> String,
    columns: fn() -> usize,
}

impl Renderer {
    pub fn new(look: DisplayOptions, single: bool, notice_colour: bool) -> Self {
        let now = if look.offset { now_with_offset } else { now };
        Self { look, notice_colour, single, datagrams: BTreeSet::new(), hinted: false, now, columns }
    }

    /// Returns the text of an event; `None` if nothing is to be shown.
    pub fn render(&mut self, event: &Event<'_>) -> Option<Rendered> {
        let notice = match event {
            Event::Message { peer, message, frame, .. } => {
                return Some(Rendered { text: self.message(*peer, message, *frame), message: true });
            }
            Event::Listening { addresses } => listening(addresses),
            Event::Open { peer, names, datagram, .. } => self.open(*peer, names, *datagram),
            Event::Pending { peer, so_far } => self.pending(*peer, so_far),
            Event::Lost { peer, lost, cut_short } => losses(*peer, *lost, *cut_short, self.datagrams.contains(peer))?,
            Event::Damaged { peer, damage } => {
                format!("peer {peer}: {}", damaged(damage, |bytes| self.preview(bytes)))
            }
            Event::Unanswered { peer, messages } => {
                format!("peer {peer}: {} left unanswered (--max-answers)", Count(*messages, "datagram"))
            }
            Event::Notice { notice } => notice.to_string(),
            Event::Slow { peer, bytes } => {
                format!("peer {peer} reads slowly: {} wait for it", Count(*bytes as u64, "byte"))
            }
            Event::NoAnswer { .. } => no_answer(),
            Event::Reconnecting { attempt, after, sent } => reconnecting(*attempt, *after, *sent),
            Event::Close { peer, from, reason, closing } => return Some(self.close(*peer, from, reason, *closing)),
            Event::Error { peer, error, .. } => return Some(rendered(self.error(*peer, error))),
            _ => return None,
        };
        Some(rendered(self.notice(&notice)))
    }

    fn message(&self, peer: PeerId, message: &[u8], frame: Option<&Frame<'_>>) -> String {
        let time = self.time();
        let number = format!("{peer}>");
        let indent = time.len() + number.len() + 1;
        let columns = || (self.columns)().saturating_sub(indent);
        let below = |size: String, dump: String| if dump.is_empty() { size } else { format!("{size}\n{dump}") };
        let shown = match frame {
            Some(frame) => below(frame_dump::sizes(frame), frame_dump::dump(frame, columns(), self.look.colour)),
            None if self.look.hex => {
                let size = Count(message.len() as u64, "byte").to_string();
                below(size, sanitize::dump(message, columns(), self.look.colour))
            }
            None => sanitize::text_marked(message, self.mark()),
        };
        let shown = shown.replace('\n', &format!("\n{}", " ".repeat(indent)));
        let colour = self.look.colour;
        format!("{}{} {shown}\n", styled(colour, &time, FAINT), styled(colour, &number, colour_of(peer)))
    }

    fn open(&mut self, peer: PeerId, names: &unstick::endpoint::PeerAddrs, datagram: bool) -> String {
        if datagram {
            self.datagrams.insert(peer);
        }
        let remote = sanitize::line(&names.remote);
        let local = if self.look.verbose { format!(" (here {})", sanitize::line(&names.local)) } else { String::new() };
        if self.single && datagram {
            format!("datagrams go to {remote}{local}")
        } else if self.single {
            format!("connected to {remote}{local}")
        } else {
            format!("peer {peer} joined: {remote}{local}")
        }
    }

    /// Shows some bytes on one line.
    fn preview(&self, bytes: &[u8]) -> String {
        if self.look.hex { crate::hex::spaced(bytes) } else { quoted(bytes) }
    }

    fn pending(&mut self, peer: PeerId, so_far: &[u8]) -> String {
        let size = Count(so_far.len() as u64, "byte");
        let preview = &so_far[..so_far.len().min(PREVIEW)];
        let more = if preview.len() < so_far.len() { " ..." } else { "" };
        let shown = self.preview(preview);
        let mut text = format!("peer {peer}: {size} so far, and no end of a message: {shown}{more}");
        if !std::mem::replace(&mut self.hinted, true) {
            text.push_str(
                "\n  hint: --frame-in raw shows what arrives as it arrives, and what you type is sent as before",
            );
        }
        text
    }

    /// Describes the end of a conversation. Datagrams do not show that a peer has left, only that none came within the
    /// waiting time.
    fn close(&mut self, peer: PeerId, from: &str, reason: &Reason, closing: Option<&Closing>) -> Rendered {
        let datagrams = self.datagrams.remove(&peer);
        let from = sanitize::line(from);
        // The reason for refusing a peer was shown when it happened, unless the run ends with it.
        let told = !self.single && matches!(reason, Reason::Refused(_));
        let error = reason.error().filter(|_| !told).map(|error| self.error(Some(peer), error)).unwrap_or_default();
        let why = match reason {
            Reason::Closed | Reason::Refused(_) => " (closed from here)",
            Reason::Until => " (--until)",
            Reason::Idle(_) => " (closed from here: it was silent for --peer-idle)",
            Reason::Slow => " (closed from here: it did not read what was sent to it)",
            _ => "",
        };
        // The close reason is left out if an error has shown it already, or if it carries no information.
        let said = closing.filter(|it| reason.error().is_none() && why.is_empty() && !it.is_plain());
        let why = said.map_or_else(|| why.to_owned(), |closing| format!(" ({})", sanitize::line(&closing.to_string())));
        let gone = match reason {
            Reason::Ended if datagrams => {
                format!("peer {peer} has sent nothing for a while, and its session is closed: {from}")
            }
            _ if datagrams => format!("no more datagrams with peer {peer}: {from}{why}"),
            _ => format!("peer {peer} left: {from}{why}"),
        };
        rendered(error + &self.notice(&gone))
    }

    fn error(&self, peer: Option<PeerId>, error: &Error) -> String {
        let whose = peer.map(|peer| format!("peer {peer}: ")).unwrap_or_default();
        let mut text = format!("error: {whose}{}", sanitize::line(&error.to_string()));
        if let Some(unfinished) = error.unfinished() {
            text.push_str("\n  ");
            text.push_str(&sanitize::lost_message(unfinished));
        }
        if let Some(hint) = advice::hint(error) {
            text.push_str("\n  hint: ");
            text.push_str(&sanitize::line(&hint));
        }
        self.lines(&text, RED)
    }

    fn notice(&self, text: &str) -> String {
        self.lines(text, FAINT)
    }

    /// Prefixes the time, and colours the text line by line.
    fn lines(&self, text: &str, style: Style) -> String {
        let time = self.time();
        let mut out = styled(self.notice_colour, &time, FAINT);
        for (at, line) in text.lines().enumerate() {
            if at > 0 {
                out.extend(std::iter::repeat_n(' ', time.len()));
            }
            out.push_str(&styled(self.notice_colour, line, style));
            out.push('\n');
        }
        out
    }

    /// The local time and a blank; empty if times are not shown.
    fn time(&self) -> String {
        if self.look.time { (self.now)() + " " } else { String::new() }
    }

    fn mark(&self) -> Mark {
        if self.look.colour { Mark::REVERSED } else { Mark::NONE }
    }
}

/// A prompt in the colour of the peer that it names, or else in bold.
pub fn coloured_prompt(on: bool, text: &str, to: Option<Recipient>) -> String {
    let colour = match to {
        Some(Recipient::Peer(peer)) => colour_of(peer),
        _ => BOLD,
    };
    styled(on, text, colour)
}

pub fn colour_of(peer: PeerId) -> Style {
    let turn = peer.wrapping_sub(1) % COLOURS.len() as u64;
    COLOURS[usize::try_from(turn).unwrap_or_default()]
}

fn rendered(text: String) -> Rendered {
    Rendered { text, message: false }
}

/// Describes bytes that were skipped as damaged, and shows the first of them.
pub fn damaged(damage: &Damage, preview: impl Fn(&[u8]) -> String) -> String {
    let more = if (damage.preview.len() as u64) < damage.bytes { " ..." } else { "" };
    format!("{}: {}{more}", sanitize::line(&damage.to_string()), preview(&damage.preview))
}

pub fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", sanitize::line_of_bytes(bytes))
}

/// Describes how many messages were lost. A stream loses only messages that are too long; it skips them.
fn losses(peer: PeerId, lost: u64, cut_short: u64, datagrams: bool) -> Option<String> {
    let how = if datagrams { "lost on the way in" } else { "passed over as too long (oversize=discard)" };
    let parts = [
        (lost > 0).then(|| format!("{} {how}", Count(lost, "message"))),
        (cut_short > 0).then(|| format!("{} cut short", Count(cut_short, "datagram"))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("peer {peer}: {}", parts.join(", ")))
}

pub fn now() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S%.3f").to_string()
}

/// The local time for a log, with its offset from UTC: the reader may be in another time zone.
pub fn now_with_offset() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S%.3f%:z").to_string()
}

/// Says that no answer came in time, and which option waits longer.
pub fn no_answer() -> String {
    let patience = unstick::limits::HALF_CLOSE_PATIENCE;
    format!(
        "no answer came within {patience:?} of the end of input\n  hint: --half-close never waits longer; now does not wait"
    )
}

/// Says that a lost connection will be made again, and what that means for the messages that were sent on it.
fn reconnecting(attempt: u64, after: std::time::Duration, sent: u64) -> String {
    let times = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
    let lost = match sent {
        0 => String::new(),
        1 => "; 1 message was sent on the lost connection: it may not have arrived, and is not sent again".to_owned(),
        sent => format!(
            "; {sent} messages were sent on the lost connection: the last may not have arrived, and are not sent again"
        ),
    };
    format!("connecting again in {after:?}{times}{lost}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use unstick::endpoint::PeerAddrs;

    fn renderer() -> Renderer {
        let look = DisplayOptions { colour: false, hex: false, time: false, offset: false, verbose: false };
        Renderer {
            look,
            notice_colour: false,
            single: false,
            datagrams: BTreeSet::new(),
            hinted: false,
            now: || "12:00:00.000".into(),
            columns: || 60,
        }
    }

    fn message(text: &[u8]) -> Event<'_> {
        Event::Message { peer: 12, from: "127.0.0.1:5", message: text, binary: None, frame: None }
    }

    #[test]
    fn a_message_stands_behind_its_peers_number() {
        let mut renderer = renderer();
        let rendered = renderer.render(&message(b"hello")).unwrap();
        assert_eq!(rendered, Rendered { text: "12> hello\n".into(), message: true });
        assert_eq!(renderer.render(&message(b"one\ntwo\n")).unwrap().text, "12> one\n    two\\n\n");
        assert_eq!(renderer.render(&message(b"")).unwrap().text, "12> \n");
    }

    #[test]
    fn times_are_shown_where_asked() {
        let mut renderer = renderer();
        renderer.look.time = true;
        assert_eq!(renderer.render(&message(b"a\nb")).unwrap().text, "12:00:00.000 12> a\n                 b\n");
        let error = Error::usage("no").with_hint("yes");
        let text = renderer.render(&Event::Error { peer: None, id: None, error: &error }).unwrap().text;
        assert_eq!(text, "12:00:00.000 error: no\n               hint: yes\n");
    }

    #[test]
    fn no_escape_of_a_peer_passes() {
        let mut renderer = renderer();
        assert_eq!(renderer.render(&message(b"\x1b[2J\xff")).unwrap().text, "12> \\x1b[2J\\xff\n");
        renderer.look.colour = true;
        let text = renderer.render(&message(b"\x1b[2J")).unwrap().text;
        assert_eq!(text, "\x1b[35m12>\x1b[0m \x1b[7m\\x1b\x1b[27m[2J\n");
        renderer.look.colour = false;
        let close = Event::Close { peer: 1, from: "\x1b]0;x\x07", reason: &Reason::Ended, closing: None };
        assert_eq!(renderer.render(&close).unwrap().text, "peer 1 left: \\x1b]0;x\\x07\n");
    }

    #[test]
    fn a_dump_stands_below_its_size() {
        let mut renderer = renderer();
        renderer.look.hex = true;
        let text = renderer.render(&message(b"0123456789")).unwrap().text;
        let rows = ["12> 10 bytes", "    0000  30 31 32 33 34 35 36 37  01234567"];
        assert!(text.starts_with(&rows.join("\n")), "{text}");
        assert!(text.lines().all(|line| line.len() <= 60), "{text}");
        assert_eq!(renderer.render(&message(b"")).unwrap().text, "12> 0 bytes\n");
    }

    #[test]
    fn joins_and_leaves_have_addresses_and_reasons() {
        let mut renderer = renderer();
        let names = PeerAddrs::new("127.0.0.1:51234", "127.0.0.1:80");
        let open = Event::Open { peer: 1, names: &names, datagram: false, request: None };
        assert_eq!(renderer.render(&open).unwrap().text, "peer 1 joined: 127.0.0.1:51234\n");
        renderer.look.verbose = true;
        assert_eq!(renderer.render(&open).unwrap().text, "peer 1 joined: 127.0.0.1:51234 (here 127.0.0.1:80)\n");
        renderer.single = true;
        assert_eq!(renderer.render(&open).unwrap().text, "connected to 127.0.0.1:51234 (here 127.0.0.1:80)\n");
        let mut close = |reason| renderer.close(1, "127.0.0.1:51234", &reason, None).text;
        assert_eq!(close(Reason::Ended), "peer 1 left: 127.0.0.1:51234\n");
        assert_eq!(close(Reason::Closed), "peer 1 left: 127.0.0.1:51234 (closed from here)\n");
        let failed = close(Reason::Failed(Error::usage("odd").with_hint("even")));
        assert_eq!(failed, "error: peer 1: odd\n  hint: even\npeer 1 left: 127.0.0.1:51234\n");
    }

    #[test]
    fn datagrams_are_no_connection() {
        let mut renderer = renderer();
        renderer.single = true;
        let names = PeerAddrs::new("127.0.0.1:51234", "127.0.0.1:80");
        let mut comes_and_goes = |reason| {
            let open =
                renderer.render(&Event::Open { peer: 1, names: &names, datagram: true, request: None }).unwrap().text;
            assert_eq!(open, "datagrams go to 127.0.0.1:51234\n");
            renderer.close(1, "127.0.0.1:51234", &reason, None).text
        };
        let quiet = "peer 1 has sent nothing for a while, and its session is closed: 127.0.0.1:51234\n";
        assert_eq!(comes_and_goes(Reason::Ended), quiet);
        let closed = "no more datagrams with peer 1: 127.0.0.1:51234 (closed from here)\n";
        assert_eq!(comes_and_goes(Reason::Closed), closed);
    }

    #[test]
    fn what_has_no_end_is_shown_with_a_hint_once() {
        let mut renderer = renderer();
        let mut pending = |so_far| renderer.render(&Event::Pending { peer: 1, so_far }).unwrap().text;
        let first = "peer 1: 5 bytes so far, and no end of a message: \"hello\"\n";
        assert_eq!(
            pending(b"hello"),
            format!(
                "{first}  hint: --frame-in raw shows what arrives as it arrives, and what you type is sent as before\n"
            )
        );
        assert_eq!(pending(b"\r"), "peer 1: 1 byte so far, and no end of a message: \"\\r\"\n");
        let long = pending(&[b'x'; 1000]);
        assert!(long.starts_with("peer 1: 1000 bytes so far") && long.ends_with("x\" ...\n"), "{long}");
    }

    #[test]
    fn losses_are_counted() {
        let of_datagrams = |lost, cut_short| losses(1, lost, cut_short, true);
        assert_eq!(of_datagrams(2, 0).as_deref(), Some("peer 1: 2 messages lost on the way in"));
        assert_eq!(of_datagrams(1, 1).as_deref(), Some("peer 1: 1 message lost on the way in, 1 datagram cut short"));
        assert_eq!(of_datagrams(0, 0), None);
        let long = "peer 1: 1 message passed over as too long (oversize=discard)";
        assert_eq!(losses(1, 1, 0, false).as_deref(), Some(long));
    }

    #[test]
    fn the_line_that_scripts_read() {
        assert_eq!(listening(&["tcp://127.0.0.1:8080"]), "listening on tcp://127.0.0.1:8080");
        let two = ["tcp://127.0.0.1:8080", "tcp://[::1]:8080"];
        assert_eq!(listening(&two), "listening on tcp://127.0.0.1:8080 and tcp://[::1]:8080");
    }
}
