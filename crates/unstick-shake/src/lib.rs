//! Tests a program for partial reads: the same conversation, repeated with its bytes cut and joined at every place.
//!
//! A [`Shake`] tests a server, a client, a program on pipes, or a service inside a test, and returns a [`Report`]. Each
//! cut is proven where the system can show it: the receiver had read what was before the cut when the rest was sent.
//!
//! ```no_run
//! # async fn test() -> unstick::Result<()> {
//! let address: std::net::SocketAddr = "127.0.0.1:8080".parse().expect("an address");
//! let report = unstick_shake::Shake::server(*b"hello\n", address).run().await?;
//! assert!(report.passed(), "{report}");
//! # Ok(()) }
//! ```
//!
//! Not here: which cases there are and what findings have in common, which is [`unstick_wire::shake`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod awaited;
mod baseline;
mod cancelled;
mod child;
mod config;
mod confirm;
mod content;
mod conversation;
mod difference;
mod evidence;
mod excerpt;
mod expect;
mod findings;
mod forward;
mod handshakes;
mod headline;
mod hold;
mod in_process;
#[doc(hidden)]
pub mod limits;
#[cfg(unix)]
mod local;
mod misfit;
mod note;
mod opening;
mod outcome;
mod pattern;
mod procedure;
mod proof;
mod recorder;
mod report;
mod rounds;
mod script;
mod sink;
mod stop;
mod target;
mod tls_records;
mod token;
mod trial;
mod unrepeated;
mod verdict;

#[cfg(feature = "ws")]
use unstick_wire::Framing;
use unstick_wire::shake::Case;

use conversation::Subject;
use unstick::{Error, Result};

pub use config::{DEPTH, Progress, Shake};
pub use difference::Difference;
pub use evidence::Evidence;
pub use in_process::Stream;
pub use note::Note;
pub use outcome::{Ending, Exchange, Exit, Outcome, Side};
pub use report::{Finding, Report, Verdict};
pub use stop::Stop;
pub use target::Target;
pub use unrepeated::Unrepeated;
pub use unstick_wire::shake::{Conversation, Direction, Edit, Stage, Tally};

impl Shake {
    /// Runs the conversation without cuts, then every case, and reports what was found.
    ///
    /// When it is cancelled, it ends the programs that it has started.
    ///
    /// # Errors
    ///
    /// When the conversation cannot run at all: nothing listens, a command does not start, the client does not connect,
    /// the baseline runs do not end.
    pub async fn run(#[cfg_attr(not(feature = "ws"), expect(unused_mut))] mut self) -> Result<Report> {
        if matches!(self.subject, Subject::Client { .. }) && self.cases.iter().any(has_half_close) {
            return Err(Error::usage(
                "a client ends its side itself: half-close is a case where unstick is the client",
            )
            .with_hint("c2s:cut@end: the client's end comes after its last byte was read"));
        }
        if let Subject::Client { command, .. } | Subject::Pipes { command, .. } = &self.subject
            && command.is_empty()
        {
            return Err(Error::usage("a command is missing"));
        }
        #[cfg(feature = "ws")]
        self.enter_web_socket()?;
        procedure::run(self).await
    }

    /// Frames the messages for a WebSocket, and compares its frames.
    #[cfg(feature = "ws")]
    fn enter_web_socket(&mut self) -> Result<()> {
        let Subject::Server { writes, server } = &mut self.subject else { return Ok(()) };
        if !server.address.is_web_socket() {
            return Ok(());
        }
        if self.framing.is_some() {
            return Err(Error::usage("a WebSocket message already is a whole message, and needs no framing"));
        }
        for message in writes {
            *message = server.address.framed(std::mem::take(message))?;
        }
        self.framing = Some(Framing::parse("websocket-frame")?);
        Ok(())
    }
}

fn has_half_close(case: &Case) -> bool {
    case.edits().iter().any(|(_, edit)| matches!(edit, Edit::HalfClose))
}

/// The README's example is compiled and run with the other doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
