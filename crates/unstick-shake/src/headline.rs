//! Says in a few words what happened in a case, and names the two sides.

use unstick_wire::shake::{Case, Direction};

use super::conversation::Subject;
use super::difference::Difference;
use super::misfit::{Misfit, Misfits, Place};
use super::outcome::{Ending, Outcome, Side};

/// The names of the sides and their streams: pipes have no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    /// The side that answers.
    pub(super) other: &'static str,
    streams: [&'static str; 2],
}

impl Names {
    pub(super) fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Client { .. } | Subject::Server { .. } => {
                Self { other: "server", streams: ["client→server", "server→client"] }
            }
            Subject::Pipes { .. } => Self { other: "program", streams: ["stdin", "stdout"] },
            Subject::Service { .. } => Self { other: "service", streams: ["client→service", "service→client"] },
        }
    }

    /// The name of one direction.
    pub(super) fn stream(self, way: Direction) -> &'static str {
        self.streams[way.index()]
    }
}

/// A run, and the run that it is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) names: Names,
    /// The edits that every run had.
    pub(super) base: &'a Case,
    pub(super) before: &'a Outcome,
    pub(super) now: &'a Outcome,
    pub(super) misfits: Misfits,
}

impl<'a> Pair<'a> {
    /// Says what differs, in a few words.
    pub(super) fn headline(self, differences: &[Difference]) -> String {
        let words: Vec<String> = matter(differences).map(|difference| self.said(difference)).collect();
        words.join(", ")
    }

    /// The words for the baseline.
    pub(super) fn otherwise(self) -> String {
        match self.base.edits() {
            [] => "without cuts".into(),
            [_] => format!("with {}", self.base),
            _ => "as it should".into(),
        }
    }

    /// The first connection that is not as expected: its baseline side, its side now, and where they begin to differ.
    pub(super) fn sides(self, way: Direction) -> Option<(&'a Side, &'a Side, Place)> {
        let sides = |at: usize| Some((self.before.exchanges.get(at)?.of(way), self.now.exchanges.get(at)?.of(way)));
        if let Some(Misfit { connection, place }) = self.misfits.of(way) {
            return sides(connection).map(|(before, now)| (before, now, place));
        }
        let differ = |(before, now): &(&Side, &Side)| before.recording.bytes != now.recording.bytes;
        let (before, now) = (0..self.before.exchanges.len()).map_while(sides).find(differ)?;
        Some((before, now, Place::of(&before.recording.bytes, &now.recording.bytes)))
    }

    fn said(self, difference: Difference) -> String {
        let ending = |outcome: &Outcome, way| outcome.exchanges.first().map(|exchange| exchange.of(way).ending);
        match (difference, self.now.exit, self.before.exit) {
            (Difference::Exit, Some(now), Some(before)) if now != before => {
                format!("the program {now} ({} it {before})", self.otherwise())
            }
            (Difference::Ending(way), ..) => match (ending(self.now, way), ending(self.before, way)) {
                (Some(now), Some(before)) => {
                    format!("{} {now} ({} it {before})", self.names.stream(way), self.otherwise())
                }
                _ => difference.to_string(),
            },
            (Difference::Late, ..) => {
                let (now, before) = (self.now.took.as_secs_f64(), self.before.took.as_secs_f64());
                format!("it hangs: not over after {now:.1} s ({} {before:.2} s)", self.otherwise())
            }
            (Difference::Withheld, ..) => self.withheld(),
            (Difference::Bytes(way), ..) => match self.sides(way) {
                Some((before, now, place)) => self.bytes(way, before, now, place),
                None => difference.to_string(),
            },
            _ => difference.to_string(),
        }
    }

    /// Says what comes only after the client's end.
    fn withheld(self) -> String {
        let (answered, before_end) = (self.now.answered(), self.now.timing.before_end);
        let (who, end) = match self.names.streams[0] {
            "stdin" => ("prints", "its standard input ends"),
            _ => ("sends", "the client ends its side"),
        };
        let what = match before_end {
            0 => "its answer".to_owned(),
            _ => format!("the last {} of {answered} bytes", answered - before_end),
        };
        format!("the {} {who} {what} only after {end}", self.names.other)
    }

    fn bytes(self, way: Direction, before: &Side, now: &Side, place: Place) -> String {
        let what = if way == Direction::ServerToClient { "the answer" } else { "what the client sends" };
        let (before_bytes, now_bytes) = (&before.recording.bytes, &now.recording.bytes);
        let (before_count, count) = (before_bytes.len(), now_bytes.len());
        let end = match now.ending {
            Ending::Reset => ", reset",
            _ => "",
        };
        let is_tls = |bytes| super::tls_records::lines(bytes).is_some();
        if is_tls(before_bytes) && is_tls(now_bytes) {
            return format!("{what} has other TLS records{end}");
        }
        if count == 0 {
            let only = match self.base.edits() {
                [] => String::new(),
                _ => format!(", only {} there is one", self.otherwise()),
            };
            let nothing = if way == Direction::ServerToClient { "no answer" } else { "the client sends nothing" };
            format!("{nothing}{only}{end}")
        } else if before_count == 0 {
            format!("{what} comes, and nothing {}{end}", self.otherwise())
        } else if place.now == count {
            format!("{what} breaks off after {count} of {before_count} bytes{end}")
        } else if place.before == before_count {
            format!("{what} goes on: {count} bytes, not {before_count}{end}")
        } else if count == before_count {
            format!("{what} differs from byte {} on{end}", place.now)
        } else {
            format!("{what} differs from byte {} on: {count} bytes, not {before_count}{end}", place.now)
        }
    }
}

/// Leaves out differences that say little: how a side ends matters only if nothing else differs.
pub(super) fn matter(differences: &[Difference]) -> impl Iterator<Item = Difference> + '_ {
    let is_ending = |difference: &Difference| matches!(difference, Difference::Ending(_));
    let only_endings = differences.iter().all(is_ending);
    differences.iter().filter(move |difference| only_endings || !is_ending(difference)).copied()
}
