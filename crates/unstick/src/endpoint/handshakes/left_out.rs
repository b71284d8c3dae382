//! Collects clients that were disconnected before their handshake was over, to report many of them at once.

use tokio::time::Instant;

use crate::error::Error;
use crate::limits;

/// Why clients were disconnected.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    /// They sent nothing for [`limits::HANDSHAKE_TIMEOUT`].
    Silent,
    /// Newer clients needed their place.
    Evicted,
}

/// The disconnected clients that have not been reported yet.
#[derive(Default)]
pub(super) struct LeftOut {
    tallies: [Tally; 2],
    reported: Option<Instant>,
}

#[derive(Default)]
struct Tally {
    /// The first of them.
    whom: String,
    clients: u64,
}

impl LeftOut {
    /// Counts a client that has been disconnected, if there was one.
    pub(super) fn note(&mut self, cause: Cause, whom: Option<String>) {
        let Some(whom) = whom else { return };
        let tally = &mut self.tallies[cause as usize];
        if tally.clients == 0 {
            tally.whom = whom;
        }
        tally.clients += 1;
    }

    /// Returns when the next report is due, if there is something to report.
    pub(super) fn report_at(&self) -> Option<Instant> {
        let any = self.tallies.iter().any(|tally| tally.clients > 0);
        let next = self.reported.map_or_else(Instant::now, |at| at + limits::HANDSHAKE_REPORTS);
        any.then_some(next)
    }

    /// Returns what there is to report, and forgets it.
    pub(super) fn report(&mut self) -> Vec<Error> {
        self.reported = Some(Instant::now());
        let causes = [Cause::Silent, Cause::Evicted].into_iter();
        let tallies = causes.zip(std::mem::take(&mut self.tallies)).filter(|(_, tally)| tally.clients > 0);
        tallies.map(|(cause, tally)| Error::handshake(said(cause, &tally))).collect()
    }
}

fn said(cause: Cause, tally: &Tally) -> String {
    let whom = match tally.clients {
        1 => tally.whom.clone(),
        2 => format!("{} and 1 more client", tally.whom),
        clients => format!("{} and {} more clients", tally.whom, clients - 1),
    };
    match cause {
        Cause::Silent => {
            format!("disconnected {whom}: no handshake began within {:?}", limits::HANDSHAKE_TIMEOUT)
        }
        Cause::Evicted => format!("disconnected {whom}: newer clients needed the place of an unfinished handshake"),
    }
}
