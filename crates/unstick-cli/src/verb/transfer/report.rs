//! The output of `send` and `receive`: one line for each file on standard output, in the format of sha256sum, or JSON
//! events.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use unstick::service::talk::PeerId;
use unstick::service::transfer::plain::{Event, Received, Sent};
use unstick::service::transfer::{self, Next, Observer, Ticket};
use unstick::wire::quantity;
use unstick::wire::transfer as wire;
use unstick::{Error, Result};

use super::progress::{self, Audience, Progress, Step};
use crate::count::Count;
use crate::json_lines;
use crate::options::transfer::TransferArgs;
use crate::unpoisoned::unpoisoned;
use crate::{frontend, output, sanitize};

/// Prints what happens in a run.
pub struct Report {
    json: bool,
    quiet: bool,
    /// Whether to draw the ticket as a QR code, too.
    qr: bool,
    /// The file itself goes to standard output.
    takes_stdout: bool,
    versioned: AtomicBool,
    /// The progress of an encrypted transfer.
    progress: Progress,
    losses: Mutex<Losses>,
    /// The error, if standard output has failed.
    failure: Mutex<Option<Error>>,
}

/// Lost connections and failed attempts in a row, with the same reason.
#[derive(Default)]
struct Losses {
    why: String,
    /// Number of losses since the last notice.
    more: u64,
    told: Option<Instant>,
}

/// How long to wait before a notice repeats the same reason.
const AGAIN: Duration = Duration::from_secs(60);

impl Losses {
    /// Records a loss. Returns the notice to print, if one is due. `then`: what this side does now.
    fn lost(&mut self, why: &str, then: &str, now: Instant) -> Option<String> {
        if self.why == why && self.told.is_some_and(|told| now.saturating_duration_since(told) < AGAIN) {
            self.more += 1;
            return None;
        }
        // These losses had the previous reason.
        let more = match std::mem::take(&mut self.more) {
            0 => String::new(),
            more => format!("and {more} more; "),
        };
        (self.why, self.told) = (why.to_owned(), Some(now));
        Some(format!("{more}{why}{then}"))
    }

    /// Resets the count after a success. Returns the notice to print, if some losses are not reported yet.
    fn over(&mut self) -> Option<String> {
        let more = std::mem::take(self).more;
        (more > 0).then(|| format!("connected, after {}", Count(more, "more failed attempt")))
    }
}

impl Report {
    pub fn new(args: &TransferArgs) -> Self {
        let audience = match args {
            args if args.plain.is_some() => Audience::Nobody,
            args if args.json => Audience::Program,
            args if args.quiet => Audience::Nobody,
            _ if std::io::stderr().is_terminal() => Audience::Terminal,
            _ => Audience::Log,
        };
        Self {
            json: args.json,
            quiet: args.quiet,
            qr: args.qr,
            takes_stdout: false,
            versioned: AtomicBool::new(false),
            progress: Progress::new(audience),
            losses: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// Prints hashes on standard error, because the file goes to standard output.
    pub fn leave_stdout(&mut self) {
        self.takes_stdout = true;
    }

    /// Prints an entry that would be sent or received.
    pub fn offered(&self, kind: wire::Kind, path: &[u8], size: u64) -> Result<()> {
        let kind = match kind {
            wire::Kind::File => "file",
            wire::Kind::Directory => "directory",
            wire::Kind::Stream => "stream",
            wire::Kind::Link => "link",
        };
        if self.json {
            let path = json_lines::text_or_base64(path);
            return self.put(json!({ "event": "offered", "kind": kind, "path": path, "size": size }));
        }
        let (path, end) = (sanitize::line_of_bytes(path), if kind == "directory" { "/" } else { "" });
        let size = if kind == "stream" { "?".to_owned() } else { size.to_string() };
        output::put_all(&format!("{size:>14}  {path}{end}\n"))
    }

    /// Takes the error of standard output, so that only one place reports it.
    pub fn failure(&self) -> Option<Error> {
        unpoisoned(self.failure.lock()).take()
    }

    /// A progress bar for one file, if a user can see it.
    pub fn bar(&self, name: &str, size: Option<u64>) -> ProgressBar {
        if self.json || self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = progress::bar(size);
        bar.set_message(sanitize::line(name));
        bar
    }

    pub fn listening(&self, addresses: &[String]) -> Result<()> {
        if !self.json {
            if !output::is_quiet() {
                output::plain(&frontend::terminal::render::listening(addresses));
            }
            return Ok(());
        }
        addresses.iter().try_for_each(|address| self.put(json!({ "event": "listening", "address": address })))
    }

    pub fn sent(&self, peer: Option<PeerId>, sent: &Sent) -> Result<()> {
        self.file("sent", peer, &sent.name, sent.size, sent.sha256, false)
    }

    pub fn received(&self, peer: Option<PeerId>, received: &Received) -> Result<()> {
        self.file("received", peer, &received.name, received.size, received.sha256, received.present)
    }

    fn file(
        &self,
        event: &str,
        peer: Option<PeerId>,
        name: &str,
        size: u64,
        hash: [u8; 32],
        present: bool,
    ) -> Result<()> {
        let hash = HEXLOWER.encode(&hash);
        if self.json {
            let object = json!({
                "event": event, "peer": peer, "name": name, "size": size, "sha256": hash, "present": present,
            });
            return self.put(object);
        }
        if present {
            output::notice(&format!("{} was there already", sanitize::line(name)));
        }
        output::put_all(&format!("{hash}  {}\n", sanitize::line(name)))
    }

    /// Prints the failure of a file, or of a client. Only JSON events have the `name`.
    pub fn failed(&self, peer: Option<PeerId>, name: Option<&str>, error: &Error) -> Result<()> {
        if self.json {
            let object = json!({ "event": "failed", "peer": peer, "name": name, "error": error.to_string() });
            return self.put(object);
        }
        match peer {
            Some(peer) => output::error_of_peer(peer, error),
            None => output::error(error),
        }
        Ok(())
    }

    /// Prints what happens at a listener. The listener goes on even if standard output fails.
    pub fn event(&self, peer: PeerId, event: &Event<'_>) {
        let peer = Some(peer);
        let told = match event {
            Event::Begun { name, size } if self.json => {
                self.put(json!({ "event": "begun", "peer": peer, "name": name, "size": size }))
            }
            Event::Begun { name, size } => {
                output::notice(&format!("receiving {}, {}", sanitize::line(name), quantity::size(*size)));
                Ok(())
            }
            Event::Received(received) => self.received(peer, received),
            Event::Sent(sent) => self.sent(peer, sent),
            Event::Failed(error) => self.failed(peer, None, error),
            Event::NotAccepted(error) => self.failed(None, None, error),
            _ => Ok(()),
        };
        if let Err(error) = told {
            unpoisoned(self.failure.lock()).get_or_insert(error);
        }
    }

    /// Prints the ticket, and the command for the other side.
    pub fn ticket(&self, ticket: &Ticket, line: &str) -> Result<()> {
        if self.json {
            return self.put(json!({ "event": "ticket", "ticket": ticket.to_string(), "addresses": ticket.addresses }));
        }
        output::plain(&format!("waiting; on the other machine, type:\n  {line} {ticket}"));
        output::plain(&format!("it connects to the first of these that answers: {}", ticket.addresses.join(", ")));
        if self.qr {
            output::plain(&qr_code(&ticket.to_string())?);
        }
        Ok(())
    }

    /// Returns the observer that prints the events of a transfer.
    pub fn observer(self: Arc<Self>) -> Observer {
        Arc::new(move |event| {
            if let Err(error) = self.transfer(&event) {
                unpoisoned(self.failure.lock()).get_or_insert(error);
            }
        })
    }

    fn transfer(&self, event: &transfer::Event<'_>) -> Result<()> {
        match event {
            transfer::Event::Listed { entries, size } => {
                self.progress.begin(*size);
                if let Some(text) = unpoisoned(self.losses.lock()).over().filter(|_| !self.json) {
                    self.progress.aside(|| output::notice(&text));
                }
                match self.json {
                    true => self.put(json!({ "event": "listed", "entries": entries, "size": size })),
                    false => Ok(()),
                }
            }
            transfer::Event::Offered { entry } => self.offered(entry.kind, &entry.path, entry.size),
            transfer::Event::Kept { bytes } => {
                self.progress.there(*bytes);
                Ok(())
            }
            transfer::Event::Moved { bytes, entry, offset } => {
                let Some(step) = self.progress.moved(*bytes, entry, *offset) else { return Ok(()) };
                if self.json {
                    let path = json_lines::text_or_base64(&entry.path);
                    let Step { moved, size, rate } = step;
                    return self.put(json!({
                        "event": "progress", "moved": moved, "size": size, "rate": rate, "path": path, "offset": offset,
                    }));
                }
                output::notice(&step.line(&entry.path));
                Ok(())
            }
            transfer::Event::Resolved { path, size, hash, outcome } => {
                let present = *outcome == wire::Outcome::Present;
                if present {
                    self.progress.there(*size);
                }
                self.resolved(path, *size, *hash, present)
            }
            transfer::Event::Failed { path, text, .. } => self.not_there(path, text),
            transfer::Event::Lost { error, next } => self.lost(error, *next),
            _ => Ok(()),
        }
    }

    fn lost(&self, error: &Error, next: Next) -> Result<()> {
        let (then, after) = match next {
            Next::Connect(pause) => ("; connecting again until the other side answers", Some(pause.as_secs_f64())),
            Next::Wait => ("; waiting for another connection", None),
            Next::GoOn => ("", None),
        };
        if next != Next::GoOn {
            self.progress.wait();
        }
        if self.json {
            return self.put(json!({ "event": "lost", "error": error.to_string(), "after": after }));
        }
        let why = sanitize::line(&error.to_string());
        if let Some(text) = unpoisoned(self.losses.lock()).lost(&why, then, Instant::now()) {
            self.progress.aside(|| output::notice(&text));
        }
        Ok(())
    }

    fn resolved(&self, path: &[u8], size: u64, hash: [u8; 32], present: bool) -> Result<()> {
        let hash = HEXLOWER.encode(&hash);
        if self.json {
            let path = json_lines::text_or_base64(path);
            return self
                .put(json!({ "event": "file", "path": path, "size": size, "blake3": hash, "present": present }));
        }
        let mut printed = Ok(());
        let line = format!("{hash}  {}", sanitize::line_of_bytes(path));
        self.progress.aside(|| match self.takes_stdout {
            true => output::plain(&line),
            false => printed = output::put_all(&(line + "\n")),
        });
        printed
    }

    fn not_there(&self, path: &[u8], why: &str) -> Result<()> {
        if self.json {
            let path = json_lines::text_or_base64(path);
            return self.put(json!({ "event": "failed", "path": path, "error": why }));
        }
        let text = format!("{}: {}", sanitize::line_of_bytes(path), sanitize::line(why));
        self.progress.aside(|| output::problem(&text));
        Ok(())
    }

    /// Says that nothing is lost if a signal ends the transfer in the middle.
    pub fn interrupted(&self) {
        if self.progress.has_moved() && !self.json {
            output::notice("the same command continues this transfer");
        }
    }

    /// Ends the progress bar.
    pub fn end(&self) {
        self.progress.end();
    }

    fn put(&self, mut object: Value) -> Result<()> {
        let mut versioned = self.versioned.swap(true, Ordering::Relaxed);
        json_lines::stamp(&mut object, &mut versioned);
        output::put_all(&(json_lines::line(&object) + "\n"))
    }
}

/// Draws a text as a QR code of half blocks: dark on light, whatever the colours of the terminal.
fn qr_code(text: &str) -> Result<String> {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L);
    let code = code.map_err(|error| Error::other(format!("the ticket does not fit into a QR code: {error}")))?;
    // Most terminals are dark. So the picture draws the light parts of the code.
    let mut picture = code.render::<qrcode::render::unicode::Dense1x2>();
    let (dark, light) = (qrcode::render::unicode::Dense1x2::Light, qrcode::render::unicode::Dense1x2::Dark);
    Ok(picture.dark_color(dark).light_color(light).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_is_told_once_a_minute_with_a_count() {
        let (mut losses, begun) = (Losses::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        let told = |why: &str| Some(format!("{why}; again"));
        let lost = |losses: &mut Losses, why, second| losses.lost(why, "; again", after(second));
        assert_eq!(lost(&mut losses, "refused", 0), told("refused"));
        assert!((1..60).all(|second| lost(&mut losses, "refused", second).is_none()));
        assert_eq!(lost(&mut losses, "refused", 60), told("and 59 more; refused"));
        assert_eq!(losses.over(), None);
        assert_eq!(lost(&mut losses, "refused", 61), told("refused"), "there was a connection in between");
        assert_eq!(lost(&mut losses, "refused", 62), None);
        assert_eq!(lost(&mut losses, "reset", 63), told("and 1 more; reset"));
        assert_eq!(lost(&mut losses, "reset", 64), None);
        assert_eq!(losses.over(), Some("connected, after 1 more failed attempt".to_owned()));
    }
}
