//! Shows a bridge as lines or as JSON: clients that connect and disconnect, and with `--dump` the data that passes.

use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use unstick::service::bridge::{Event, Output, Passed, Reason};
use unstick::wire::faults::Unit;
use unstick::wire::shake::Direction;
use unstick::wire::{Frame, Framing, Role};
use unstick::{Address, Error, Options, Result, Sender};

use crate::advice;
use crate::count::Count;
use crate::frontend::terminal::render::{colour_of, listening, now};
use crate::output;
use crate::passed_text;
use crate::style::{CYAN, FAINT, MAGENTA, styled};
use crate::text_queue::{self, To};
use crate::{json_lines, sanitize};

/// How a bridge is shown.
#[derive(Debug, Clone, Copy)]
pub struct BridgeOutputOptions {
    /// One JSON object a line.
    pub json: bool,
    /// Whether the passing data is dumped: offset, bytes, text.
    pub hex: bool,
    /// Whether the counts of each fault are shown.
    pub verbose: bool,
    /// Whether notices say which clients connect and disconnect.
    pub joins: bool,
    /// Whether the traffic consists of messages, not of segments.
    pub messages: bool,
    /// Whether there is only one bridge, so that no line needs to name it.
    pub single: bool,
}

/// Where the lines go that are not notices.
enum Lines {
    /// Standard output, a file or a pipe, or JSON for a terminal: all of them, at the pace of its reader.
    Stream(Sender),
    /// Standard output, a terminal: queued with the notices, so that both keep their order.
    Screen,
    /// Standard output is an end of the bridge, so they go where notices go.
    Errors,
}

/// Shows the events on the bridges of a run.
pub struct BridgeOutput {
    look: BridgeOutputOptions,
    /// Where the bridges lead, as `tcp://127.0.0.1:80`.
    to: String,
    lines: Lines,
    /// Whether the passing data is shown in colours.
    colour: bool,
    versioned: bool,
    lost: Lost,
}

impl BridgeOutput {
    /// Opens standard output, unless it is taken.
    pub async fn open(look: BridgeOutputOptions, to: &Address, taken: bool) -> Result<Self> {
        let stdout = std::io::stdout();
        let lines = match taken {
            true => Lines::Errors,
            false if stdout.is_terminal() && !look.json => Lines::Screen,
            false => {
                let framings = Framing::parse("raw,max=1G")?.into();
                Lines::Stream(unstick::connect(&Address::Stdio, Some(&framings), &Options::default()).await?.split().0)
            }
        };
        // Elsewhere colours would be escaped, as a peer's are.
        let colour = !taken && output::colour_on(&stdout);
        Ok(Self { look, to: to.to_string(), lines, colour, versioned: false, lost: Lost::default() })
    }

    /// Says whether what passes from now on are messages, or segments.
    pub fn in_messages(&mut self, messages: bool) {
        self.look.messages = messages;
    }

    /// Shows that the messages of a connection are shown in this framing, which was guessed. People have read that in a notice.
    pub fn guessed(&mut self, peer: u64, framing: &str) -> Result<()> {
        match self.look.json {
            true => self.object(json!({ "event": "framing", "peer": peer, "framing": framing, "guessed": true })),
            false => Ok(()),
        }
    }

    /// Returns the sender to standard output, if it has one, so that the end of the run can wait for it.
    pub fn sender(&self) -> Option<Sender> {
        if let Lines::Stream(sender) = &self.lines { Some(sender.clone()) } else { None }
    }

    /// Returns the record of what could not be shown.
    pub fn lost(&self) -> Lost {
        self.lost.clone()
    }

    /// Shows lines of what passes: on standard output, unless that is an end of the bridge.
    fn show(&self, text: String) -> Result<()> {
        match &self.lines {
            Lines::Errors => {
                output::plain(text.trim_end());
                Ok(())
            }
            _ if self.lost.is_any() => Ok(()),
            Lines::Stream(lines) => lines.force_send(text.as_bytes()).map_err(output::unwritten),
            Lines::Screen => text_queue::show(text).map_err(output::unwritten_text),
        }
    }

    fn object(&mut self, mut object: Value) -> Result<()> {
        json_lines::stamp(&mut object, &mut self.versioned);
        self.show(json_lines::line(&object) + "\n")
    }

    /// Shows an event to people, on standard error.
    fn notice(&self, event: &Event<'_>) {
        match event {
            Event::Listening { addresses } => {
                output::notice(&format!("{} for {}", listening(addresses), self.to));
            }
            Event::Open { peer, client, server, .. } if self.look.joins => {
                let (client, server) = (sanitize::line(&client.remote), sanitize::line(&server.remote));
                output::notice(&format!("peer {peer} joined: {client}, connected to {server}"));
            }
            Event::Close { peer, from, reason, passed, bytes } => {
                if let Reason::Failed { side, error } = reason {
                    let who = if *side == Role::Client { "the client" } else { "the server" };
                    output::error_of(&self.whose(Some(*peer), who), error);
                }
                if self.look.joins {
                    let from = sanitize::line(from);
                    output::notice(&format!("peer {peer} left: {from} ({})", counted(*passed, *bytes)));
                }
            }
            Event::Error { peer, error } => output::error_of(&self.whose(*peer, ""), error),
            Event::Reconnecting { peer, attempt, after, sent, unanswered, error } => {
                if let Some(error) = error {
                    // Without its hint, which is --retry: the bridge already tries again.
                    output::problem(&format!("{}{error}", self.whose(Some(*peer), "the server")));
                }
                let whose = self.whose(Some(*peer), "");
                output::notice(&format!("{whose}{}", reconnecting(*attempt, *after, *sent, *unanswered)));
            }
            Event::Reconnected { peer, server } if self.look.joins => {
                let server = sanitize::line(&server.remote);
                output::notice(&format!("{}connected again to {server}", self.whose(Some(*peer), "")));
            }
            Event::Faulted { peer, from, unit, taken, counts } if self.look.verbose => {
                let done: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
                let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
                let taken = amount(*taken, *unit == Unit::Bytes);
                output::notice(&format!("peer {peer} {}: {done} of {taken} taken", direction(*from)));
            }
            _ => {}
        }
    }

    /// Returns the prefix that names where an error occurred. With only one bridge, no peer needs a name.
    fn whose(&self, peer: Option<u64>, who: &str) -> String {
        let peer = peer.filter(|_| !self.look.single).map(|peer| format!("peer {peer}"));
        let named: Vec<String> = peer.into_iter().chain((!who.is_empty()).then(|| who.to_owned())).collect();
        if named.is_empty() { String::new() } else { named.join(", ") + ": " }
    }

    fn passed(&self, peer: u64, from: Role, data: &[u8], frame: Option<&Frame<'_>>) -> String {
        let colour = self.colour;
        let way = styled(colour, direction(from), if from == Role::Client { CYAN } else { MAGENTA });
        let number = styled(colour, &peer.to_string(), colour_of(peer));
        let head = format!("{} {number} {way}", styled(colour, &now(), FAINT));
        passed_text::lines(&head, data, frame, self.look.hex, colour)
    }
}

/// Client to server, or back.
fn direction(from: Role) -> &'static str {
    Direction::from(from).short()
}

/// A number of bytes, or of messages.
fn amount(count: u64, bytes: bool) -> String {
    let what = if bytes { "byte" } else { "message" };
    Count(count, what).to_string()
}

fn counted(passed: Passed, bytes: bool) -> String {
    format!("{} to the server, {} back", amount(passed.up, bytes), amount(passed.down, bytes))
}

/// Returns an event as an object, without its time.
fn object(event: &Event<'_>, messages: bool, to: &str) -> Option<Value> {
    Some(match event {
        Event::Listening { addresses } => json!({
            "event": "listening", "address": addresses.first(), "addresses": addresses,
        }),
        Event::Open { peer, client, server, request } => {
            let mut object = json!({
                "event": "open", "peer": peer, "from": client.remote, "local": client.local, "to": server.remote,
            });
            json_lines::put_request(&mut object, *request);
            object
        }
        Event::Passed { peer, from, data, .. } => {
            let event = if messages { "message" } else { "segment" };
            let mut object =
                json!({ "event": event, "peer": peer, "direction": direction(*from), "bytes": data.len() });
            json_lines::put_message(&mut object, data);
            object
        }
        Event::Close { peer, from, reason, passed, bytes } => {
            let unit = if *bytes { "bytes" } else { "messages" };
            let mut object = json!({
                "event": "close", "peer": peer, "from": from, "reason": reason_name(reason),
                "unit": unit, "c2s": passed.up, "s2c": passed.down,
            });
            let failure = if let Reason::Failed { error, .. } = reason { Some(error) } else { None };
            json_lines::put_status(&mut object, to, matches!(reason, Reason::Ended), failure);
            if let Reason::Failed { side, error } = reason {
                object["error"] = error.to_string().into();
                object["side"] = if *side == Role::Client { "client" } else { "server" }.into();
            }
            object
        }
        Event::Reconnecting { peer, attempt, after, sent, unanswered, error } => {
            let mut object = json!({
                "event": "reconnecting", "peer": peer, "attempt": attempt, "after": after.as_secs_f64(),
                "sent": sent, "unanswered": unanswered,
            });
            if let Some(error) = error {
                object["error"] = error.to_string().into();
            }
            object
        }
        Event::Reconnected { peer, server } => {
            json!({ "event": "reconnected", "peer": peer, "to": server.remote })
        }
        Event::Faulted { peer, from, unit, taken, counts } => {
            let done = counts.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count)));
            json!({
                "event": "faults", "peer": peer, "direction": direction(*from), "taken": taken,
                "unit": if *unit == Unit::Bytes { "bytes" } else { "messages" },
                "done": done.collect::<serde_json::Map<_, _>>(),
            })
        }
        Event::Error { peer, error } => json!({
            "event": "error", "peer": peer, "error": error.to_string(), "hint": advice::hint(error),
        }),
        _ => return None,
    })
}

fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Failed { error, .. } => json_lines::failure_name(error),
        Reason::Fault(_) => "fault",
        Reason::Closed => "closed",
        Reason::Idle(_) => "idle",
        _ => "ended",
    }
}

/// Whether some of the traffic could not be shown. It is reported once, and the traffic goes on.
#[derive(Debug, Clone, Default)]
pub struct Lost(Arc<AtomicU8>);

/// The reader has closed: it has seen what it wanted.
const CLOSED: u8 = 1;

/// Writing failed, so the run must not succeed.
const FAILED: u8 = 2;

impl Lost {
    /// Notes that standard output takes no more.
    pub fn note(&self, error: &Error) {
        let (how, what) = match error.is_closed() {
            true => (CLOSED, "the reader of standard output has closed it".to_owned()),
            false => (FAILED, error.to_string()),
        };
        if self.0.fetch_max(how, Ordering::Relaxed) == 0 {
            output::problem(&format!("{what}; forwarding goes on, and nothing more is shown"));
        }
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Whether writing failed for another reason than a reader that has gone.
    pub fn is_failure(&self) -> bool {
        self.0.load(Ordering::Relaxed) == FAILED
    }
}

impl Output for BridgeOutput {
    /// Never fails: traffic goes on if it cannot be shown.
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        if let Err(error) = self.tell(&event) {
            self.lost.note(&error);
        }
        Ok(())
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let sender = match &self.lines {
            Lines::Errors => return text_queue::room(To::Errors),
            Lines::Screen => return text_queue::room(To::Output),
            Lines::Stream(sender) => Some(sender.clone()).filter(Sender::is_full)?,
        };
        Some(Box::pin(async move { sender.writable().await }))
    }

    fn written(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        // Events as JSON stand in one stream, in their order.
        let sender = self.sender().filter(|_| !self.look.json)?;
        Some(Box::pin(async move { drop(sender.flush().await) }))
    }
}

impl BridgeOutput {
    fn tell(&mut self, event: &Event<'_>) -> Result<()> {
        if let Event::Passed { peer, from, data, frame } = event
            && !self.look.json
        {
            return self.show(self.passed(*peer, *from, data, *frame));
        }
        if !self.look.json {
            self.notice(event);
            return Ok(());
        }
        if matches!(event, Event::Listening { .. }) {
            self.notice(event);
        }
        match object(event, self.look.messages, &self.to) {
            Some(object) => self.object(object),
            None => Ok(()),
        }
    }
}

/// Says that the bridge will connect to the server again, and what that means for the data that was passed on.
fn reconnecting(attempt: u64, after: Duration, sent: u64, unanswered: u64) -> String {
    let times = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
    let messages = amount(sent, false);
    let lost = match unanswered {
        0 => String::new(),
        _ => format!(
            "; {messages} went to the lost connection, {unanswered} of them without an answer: none is sent again"
        ),
    };
    format!("connecting to the server again in {after:?}{times}{lost}")
}
