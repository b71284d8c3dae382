//! A conversation as a person sees it: messages with their peer's number, and what happens besides.
//!
//! Not here: the prompt below it (`prompt`), and how an event reads (`paint`).

mod paint;

use std::fmt::Display;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::sync::Arc;

use unstick::service::talk::{Event, Output, Reason};
use unstick::{Error, Result};

use crate::complaints;
use crate::output::colour_on;
use crate::prompt::Board;
use crate::screen::{self, To};
use paint::{Painted, Painter};
pub(crate) use paint::{coloured_prompt, columns, now, now_with_offset};

/// How a conversation is shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// Peers are told apart by colour as well, and escapes stand out.
    pub colour: bool,
    /// Messages are dumped: offset, bytes, text.
    pub hex: bool,
    /// Everything is shown with the local time.
    pub time: bool,
    /// This side's addresses are shown as well.
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

/// What a pipe cannot say on standard output goes to standard error.
pub struct Notices {
    painter: Painter,
    verbose: bool,
    /// There is no more than one peer: its failure is the run's, which is said at the end.
    single: bool,
}

impl Notices {
    pub fn new(verbose: bool, single: bool) -> Self {
        let look = Look { colour: false, hex: false, time: false, verbose };
        Self { painter: Painter::new(look, single, false), verbose, single }
    }

    /// Says what has happened, if that has to be said.
    pub fn say(&mut self, event: &Event<'_>) {
        if let Event::Message { .. } = event {
            return;
        }
        // It remembers who is spoken to in datagrams, said or not.
        let painted = self.painter.paint(event);
        let said = match event {
            Event::Error { peer: Some(peer), error, .. } if !self.single => {
                return crate::output::error_of_peer(*peer, error);
            }
            Event::Error { error, .. } => return crate::output::error(error),
            // Why a peer was refused was said as it happened.
            Event::Close { reason: Reason::Refused(_), .. } if !self.single => self.verbose,
            Event::Close { peer, reason, .. } if let Some(error) = reason.error() => {
                if !self.single {
                    crate::output::error_of_peer(*peer, error);
                }
                return;
            }
            Event::Listening { .. }
            | Event::Lost { .. }
            | Event::Pending { .. }
            | Event::Slow { .. }
            | Event::Reconnecting { .. } => true,
            Event::Unanswered { .. }
            | Event::Notice { .. }
            | Event::Close { reason: Reason::Slow | Reason::Idle(_), .. } => true,
            Event::Damaged { .. } => true,
            _ => self.verbose,
        };
        if said && let Some(painted) = painted {
            crate::output::notice(painted.text.trim_end());
        }
    }
}

/// A connection on standard output leaves no room there for messages: they are not shown.
impl Output for Notices {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        self.say(&event);
        Ok(())
    }
}

/// Shows a conversation.
pub struct TerminalOutput {
    painter: Painter,
    place: Place,
}

/// Where it is shown.
enum Place {
    /// Above a prompt; what is no message goes to standard error where that is not the terminal.
    Above { board: Arc<Board>, aside: bool },
    /// Messages on standard output, the rest on standard error.
    Streams,
}

impl TerminalOutput {
    /// Without a prompt: messages on standard output, everything else on standard error.
    pub fn plain(look: Look, single: bool) -> Self {
        let notice_colour = colour_on(&io::stderr());
        Self { painter: Painter::new(look, single, notice_colour), place: Place::Streams }
    }

    /// Above a prompt. With a single peer its coming is a connection.
    pub(crate) fn above(board: Arc<Board>, look: Look, single: bool) -> Self {
        let aside = !io::stderr().is_terminal();
        let notice_colour = look.colour && !aside;
        Self { painter: Painter::new(look, single, notice_colour), place: Place::Above { board, aside } }
    }
}

impl Output for TerminalOutput {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        if let Place::Above { board, .. } = &self.place {
            board.note(&event);
        }
        let Some(Painted { text, message }) = self.painter.paint(&event) else { return Ok(()) };
        if let Event::Error { peer, error, .. } = &event
            && !complaints::is_to_be_said(&format!("peer {}: {error}", peer.unwrap_or_default()))
        {
            return Ok(());
        }
        match &self.place {
            Place::Above { aside: true, .. } | Place::Streams if !message => {
                screen::say(To::Errors, text);
                Ok(())
            }
            Place::Above { board, .. } => {
                board.say(&text);
                Ok(())
            }
            Place::Streams => screen::show(text).map_err(unwritten),
        }
    }

    fn room(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        match &self.place {
            Place::Above { board, .. } => Board::room(board),
            Place::Streams => screen::room(To::Output),
        }
    }
}

fn unwritten(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::output_closed(),
        _ => Error::other(format!("standard output: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_scripts_read() {
        assert_eq!(listening(&["tcp://127.0.0.1:8080"]), "listening on tcp://127.0.0.1:8080");
        let two = ["tcp://127.0.0.1:8080", "tcp://[::1]:8080"];
        assert_eq!(listening(&two), "listening on tcp://127.0.0.1:8080 and tcp://[::1]:8080");
    }
}
