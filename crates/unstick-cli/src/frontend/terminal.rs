//! Shows a conversation to a person without a prompt: messages with their peer's number, and what else happens.
//!
//! Not here: the prompt (`prompt`), and how an event reads (`render`).

pub mod render;

use std::future::Future;
use std::io;
use std::pin::Pin;

use unstick::Result;
use unstick::service::talk::{Event, Output, Reason};

use crate::output::{self, colour_on};
use crate::text_queue::{self, To};
use render::{DisplayOptions, Rendered, Renderer};

/// Prints to standard error what a pipe cannot say on standard output.
pub struct Notices {
    renderer: Renderer,
    verbose: bool,
    /// Whether there is at most one peer: its failure is the run's, and is reported at the end.
    single: bool,
}

impl Notices {
    pub fn new(verbose: bool, single: bool) -> Self {
        let look = DisplayOptions { colour: false, hex: false, time: false, offset: false, verbose };
        Self { renderer: Renderer::new(look, single, false), verbose, single }
    }

    /// Reports an event, if it needs a report.
    pub fn say(&mut self, event: &Event<'_>) {
        if let Event::Message { .. } = event {
            return;
        }
        // The renderer must see every event: it remembers which peers use datagrams.
        let rendered = self.renderer.render(event);
        let said = match event {
            Event::Error { peer: Some(peer), error, .. } if !self.single => {
                return output::error_of_peer(*peer, error);
            }
            Event::Error { error, .. } => return output::error(error),
            // The reason for refusing a peer was reported when it happened.
            Event::Close { reason: Reason::Refused(_), .. } if !self.single => self.verbose,
            Event::Close { peer, reason, .. } if let Some(error) = reason.error() => {
                if !self.single {
                    output::error_of_peer(*peer, error);
                }
                return;
            }
            Event::Listening { .. }
            | Event::Lost { .. }
            | Event::Pending { .. }
            | Event::Slow { .. }
            | Event::NoAnswer { .. }
            | Event::Reconnecting { .. } => true,
            Event::Unanswered { .. }
            | Event::Notice { .. }
            | Event::Close { reason: Reason::Slow | Reason::Idle(_), .. } => true,
            Event::Damaged { .. } => true,
            _ => self.verbose,
        };
        if said && let Some(rendered) = rendered {
            match is_trouble(event) {
                true => output::loss(rendered.text.trim_end()),
                false => output::notice(rendered.text.trim_end()),
            }
        }
    }
}

/// A connection on standard output leaves no room there for messages, so they are not shown.
impl Output for Notices {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        self.say(&event);
        Ok(())
    }
}

/// Shows a conversation without a prompt: messages on standard output, everything else on standard error.
pub struct TerminalOutput {
    renderer: Renderer,
}

impl TerminalOutput {
    /// With a single peer, its arrival is shown as a connection.
    pub fn new(options: DisplayOptions, single: bool) -> Self {
        let notice_colour = colour_on(&io::stderr());
        Self { renderer: Renderer::new(options, single, notice_colour) }
    }
}

impl Output for TerminalOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        let Some(Rendered { text, message }) = self.renderer.render(&event) else { return Ok(()) };
        if message {
            return text_queue::show(text).map_err(output::unwritten_text);
        }
        if is_printed(&event) {
            text_queue::say(To::Errors, text);
        }
        Ok(())
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        text_queue::room(To::Output)
    }
}

/// Whether an event reports a failure or a loss: `--quiet` prints those too.
fn is_trouble(event: &Event<'_>) -> bool {
    match event {
        Event::Close { reason, .. } => matches!(reason, Reason::Slow | Reason::Idle(_)) || reason.error().is_some(),
        Event::Error { .. } | Event::Lost { .. } | Event::Damaged { .. } | Event::Unanswered { .. } => true,
        Event::Notice { .. } => true,
        _ => false,
    }
}

/// Whether a notice is printed now. `--quiet` prints only failures and losses. The same error of many peers is printed
/// a few times, then counted.
pub fn is_printed(event: &Event<'_>) -> bool {
    if output::is_quiet() && !is_trouble(event) {
        return false;
    }
    let Event::Error { peer, error, .. } = event else { return true };
    output::should_print(&format!("peer {}: {error}", peer.unwrap_or_default()))
}
