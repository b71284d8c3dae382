//! What is printed of files: a line for each on standard output, as sha256sum writes it, or events as JSON.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use unstick::service::talk::PeerId;
use unstick::service::transfer::plain::{Event, Received, Sent};
use unstick::service::transfer::{self, Observer, Ticket};
use unstick::wire::quantity;
use unstick::wire::transfer as wire;
use unstick::{Error, Result};

use crate::json_lines;
use crate::options::transfer::TransferArgs;
use crate::unpoisoned::unpoisoned;
use crate::{frontend, output, sanitize};

/// Where a run's news goes.
pub struct Report {
    json: bool,
    quiet: bool,
    versioned: AtomicBool,
    /// Progress of a whole transfer.
    whole: ProgressBar,
    /// Standard output took no more.
    failure: Mutex<Option<Error>>,
}

impl Report {
    pub fn new(args: &TransferArgs) -> Self {
        let (versioned, failure) = (AtomicBool::new(false), Mutex::default());
        let mut report = Self { json: args.json, quiet: args.quiet, versioned, whole: ProgressBar::hidden(), failure };
        if args.plain.is_none() {
            report.whole = report.bar("", Some(0));
        }
        report
    }

    /// Why nothing more can be printed, told once.
    pub fn failure(&self) -> Option<Error> {
        unpoisoned(self.failure.lock()).take()
    }

    /// Progress of one file, where a person sees it.
    pub fn bar(&self, name: &str, size: Option<u64>) -> ProgressBar {
        if self.json || self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let template = match size {
            Some(_) => "{bar:20} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {msg}",
            None => "{spinner} {bytes}  {bytes_per_sec}  {msg}",
        };
        let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(sanitize::line(name));
        bar.enable_steady_tick(Duration::from_millis(200));
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
        print(&format!("{hash}  {}\n", sanitize::line(name)))
    }

    /// A file failed, or a client of whom nothing is known.
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

    /// What happens at a listener. It goes on when standard output fails, until its end is seen.
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

    /// What the other side needs.
    pub fn ticket(&self, ticket: &Ticket, line: &str) -> Result<()> {
        if self.json {
            return self.put(json!({ "event": "ticket", "ticket": ticket.to_string(), "addresses": ticket.addresses }));
        }
        output::plain(&format!("waiting; on the other machine, type:\n  {line} {ticket}"));
        Ok(())
    }

    /// Tells what happens in a transfer.
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
                self.whole.set_length(*size);
                match self.json {
                    true => self.put(json!({ "event": "listed", "entries": entries, "size": size })),
                    false => Ok(()),
                }
            }
            transfer::Event::Moved { bytes } => {
                self.whole.inc(*bytes);
                Ok(())
            }
            transfer::Event::Resolved { path, size, hash, outcome } => {
                self.resolved(path, *size, *hash, *outcome == wire::Outcome::Present)
            }
            transfer::Event::Failed { path, text, .. } => self.not_there(path, text),
            transfer::Event::Lost { error } => {
                self.whole.set_position(0);
                match self.json {
                    true => self.put(json!({ "event": "lost", "error": error.to_string() })),
                    false => self.aside(|| {
                        output::notice(&format!(
                            "{}; waiting for another connection",
                            sanitize::line(&error.to_string())
                        ))
                    }),
                }
            }
            _ => Ok(()),
        }
    }

    fn resolved(&self, path: &[u8], size: u64, hash: [u8; 32], present: bool) -> Result<()> {
        let hash = HEXLOWER.encode(&hash);
        if self.json {
            let path = json_lines::text_or_base64(path);
            return self
                .put(json!({ "event": "file", "path": path, "size": size, "blake3": hash, "present": present }));
        }
        let mut printed = Ok(());
        self.aside(|| printed = print(&format!("{hash}  {}\n", sanitize::line_of_bytes(path))))?;
        printed
    }

    fn not_there(&self, path: &[u8], why: &str) -> Result<()> {
        if self.json {
            let path = json_lines::text_or_base64(path);
            return self.put(json!({ "event": "failed", "path": path, "error": why }));
        }
        self.aside(|| output::problem(&format!("{}: {}", sanitize::line_of_bytes(path), sanitize::line(why))))
    }

    /// Prints while no progress is in the way.
    fn aside(&self, print: impl FnOnce()) -> Result<()> {
        self.whole.suspend(print);
        Ok(())
    }

    /// Nothing more happens.
    pub fn end(&self) {
        self.whole.finish_and_clear();
    }

    fn put(&self, mut object: Value) -> Result<()> {
        let mut versioned = self.versioned.swap(true, Ordering::Relaxed);
        json_lines::stamp(&mut object, &mut versioned);
        print(&(json_lines::line(&object) + "\n"))
    }
}

fn print(text: &str) -> Result<()> {
    output::put(text).map_err(output::unwritten_text)
}
