//! The expected outcome of a run: any conversation of the baseline runs. Finds the places where an outcome matches none of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use unstick_wire::Framing;
use unstick_wire::shake::Direction;

use super::content::{content, place};
use super::difference::Difference;
use super::headline::Names;
use super::misfit::{Misfit, Misfits, Place};
use super::outcome::{Ending, Exchange, Exit, Outcome, Side};
use super::pattern::Pattern;

/// With less than this in common, two runs are two conversations, not the same conversation with a clock in it.
const ALIKE: f64 = 0.5;

/// Number of conversations to distinguish. A program with more of them may have any.
const CONVERSATIONS: usize = 16;

/// What the baseline runs have shown.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    /// The client's framing and the server's.
    framings: Option<[Framing; 2]>,
    /// Whether a reset counts as another end than an orderly one.
    strict_end: bool,
    /// The conversation of the first run, then others that baseline runs have shown.
    known: Vec<Known>,
}

/// One conversation: what was the same in all its runs, and what was not.
#[derive(Debug, Clone)]
struct Known {
    exchanges: Vec<[(Pattern, BTreeSet<Ending>); 2]>,
    connections: usize,
    exit: Option<Exit>,
    output: Option<Pattern>,
    late: bool,
    withheld: bool,
}

impl Expectation {
    /// Makes an expectation from a first run.
    pub(super) fn new(outcome: &Outcome, framing: Option<Framing>, strict_end: bool) -> Self {
        let framings = framing.map(|framing| Direction::BOTH.map(|way| framing.sent_by(way.sender())));
        let mut expectation = Self { framings, strict_end, known: Vec::new() };
        expectation.known.push(expectation.conversation(outcome));
        expectation
    }

    fn conversation(&self, outcome: &Outcome) -> Known {
        let side = |exchange: &Exchange, way| {
            let pattern = Pattern::new(&self.content(exchange, way));
            (pattern, BTreeSet::from([self.ending(exchange.of(way))]))
        };
        let exchanges =
            outcome.exchanges.iter().map(|exchange| Direction::BOTH.map(|way| side(exchange, way))).collect();
        Known {
            exchanges,
            connections: outcome.exchanges.len(),
            exit: outcome.exit,
            output: outcome.output.as_deref().map(Pattern::new),
            late: outcome.late,
            withheld: outcome.is_withheld(),
        }
    }

    /// The ways in which an outcome is not as expected: its differences from the first conversation. Empty if it equals the
    /// outcome of a baseline run.
    pub(super) fn differences(&self, outcome: &Outcome) -> Vec<Difference> {
        let mut from_first = Vec::new();
        for (number, known) in self.known.iter().enumerate() {
            let differences = self.compare(known, outcome);
            if differences.is_empty() {
                return differences;
            }
            if number == 0 {
                from_first = differences;
            }
        }
        from_first
    }

    fn compare(&self, known: &Known, outcome: &Outcome) -> Vec<Difference> {
        let mut found = BTreeSet::new();
        if outcome.late && !known.late {
            found.insert(Difference::Late);
        }
        if known.exit != outcome.exit {
            found.insert(Difference::Exit);
        }
        if let (Some(pattern), Some(output)) = (&known.output, &outcome.output)
            && pattern.misfit(output).is_some()
        {
            found.insert(Difference::Output);
        }
        if known.connections != outcome.exchanges.len() {
            found.insert(Difference::Connections);
        }
        for (exchange, expected) in outcome.exchanges.iter().zip(&known.exchanges) {
            for way in Direction::BOTH {
                let (pattern, endings) = &expected[way.index()];
                if pattern.misfit(&self.content(exchange, way)).is_some() {
                    found.insert(Difference::Bytes(way));
                } else if !endings.contains(&self.ending(exchange.of(way))) {
                    found.insert(Difference::Ending(way));
                }
            }
        }
        let same = !found.contains(&Difference::Bytes(Direction::ServerToClient));
        if same && outcome.is_withheld() && !known.withheld {
            found.insert(Difference::Withheld);
        }
        found.into_iter().collect()
    }

    /// The places where an outcome stops being as expected, compared with a run that is as expected.
    pub(super) fn misfits(&self, outcome: &Outcome, baseline: &Outcome) -> Misfits {
        let mut misfits = Misfits::default();
        let Some(known) = self.known.first() else { return misfits };
        if let (Some(pattern), Some(now), Some(before)) = (&known.output, &outcome.output, &baseline.output) {
            misfits.output = pattern.misfit_beside(now, before).map(|(now, before)| Place { before, now });
        }
        for way in Direction::BOTH {
            let pairs = outcome.exchanges.iter().zip(&baseline.exchanges).zip(&known.exchanges).enumerate();
            *misfits.of_mut(way) = pairs.into_iter().find_map(|(connection, ((now, before), sides))| {
                let pattern = &sides[way.index()].0;
                let (at, beside) = pattern.misfit_beside(&self.content(now, way), &self.content(before, way))?;
                let raw = |exchange, at| place(exchange, self.framings.as_ref(), way, at);
                let place = match pattern.first_gap() {
                    Some(_) => Place { before: raw(before, beside), now: raw(now, at) },
                    None => Place::of(&before.of(way).recording.bytes, &now.of(way).recording.bytes),
                };
                Some(Misfit { connection, place })
            });
        }
        misfits
    }

    /// The share of an outcome that is as expected: the least of all streams, from 0 to 1.
    pub(super) fn likeness(&self, outcome: &Outcome) -> f64 {
        let Some(known) = self.known.first() else { return 0.0 };
        let mut least: f64 = 1.0;
        if let (Some(pattern), Some(output)) = (&known.output, &outcome.output) {
            least = least.min(pattern.likeness(output));
        }
        for (exchange, expected) in outcome.exchanges.iter().zip(&known.exchanges) {
            for way in Direction::BOTH {
                least = least.min(expected[way.index()].0.likeness(&self.content(exchange, way)));
            }
        }
        least
    }

    /// Learns from another baseline run: its outcome is acceptable from now on. Returns false if it was not the
    /// conversation of the first run.
    pub(super) fn learn(&mut self, outcome: &Outcome) -> bool {
        if self.learn_alike(outcome) {
            return true;
        }
        if !self.differences(outcome).is_empty() && self.known.len() < CONVERSATIONS {
            let other = self.known.iter().skip(1).position(|known| self.merged(known, outcome).is_some());
            match other.and_then(|at| Some((at + 1, self.merged(&self.known[at + 1], outcome)?))) {
                Some((at, merged)) => self.known[at] = merged,
                None => self.known.push(self.conversation(outcome)),
            }
        }
        false
    }

    /// Learns from another run of the first conversation. Learns nothing, and returns false, if it is another
    /// conversation.
    pub(super) fn learn_alike(&mut self, outcome: &Outcome) -> bool {
        let Some(first) = self.known.first() else { return false };
        if self.compare(first, outcome).is_empty() {
            return true;
        }
        let merged = self.merged(first, outcome);
        let learnt = merged.is_some();
        if let Some(merged) = merged {
            self.known[0] = merged;
        }
        learnt
    }

    /// Accepts all that the other expectation has seen without cuts.
    pub(super) fn accept(&mut self, other: &Self) {
        let room = CONVERSATIONS.saturating_sub(self.known.len());
        self.known.extend(other.known.iter().take(room).cloned());
    }

    /// Merges another run into a conversation; `None` if the run is another conversation.
    fn merged(&self, known: &Known, outcome: &Outcome) -> Option<Known> {
        let other = [Difference::Late, Difference::Withheld, Difference::Exit, Difference::Connections];
        if self.compare(known, outcome).iter().any(|difference| other.contains(difference)) {
            return None;
        }
        let mut learnt = known.clone();
        if let (Some(pattern), Some(output)) = (&mut learnt.output, &outcome.output)
            && pattern.learn(output) < ALIKE
        {
            return None;
        }
        for (exchange, expected) in outcome.exchanges.iter().zip(&mut learnt.exchanges) {
            for way in Direction::BOTH {
                let (pattern, endings) = &mut expected[way.index()];
                endings.insert(self.ending(exchange.of(way)));
                if pattern.learn(&self.content(exchange, way)) < ALIKE {
                    return None;
                }
            }
        }
        Some(learnt)
    }

    /// How a side ended, as far as the settings compare it.
    fn ending(&self, side: &Side) -> Ending {
        match side.ending {
            Ending::Reset if !self.strict_end => Ending::Fin,
            other => other,
        }
    }

    fn content<'a>(&self, exchange: &'a Exchange, way: Direction) -> Cow<'a, [u8]> {
        content(exchange, self.framings.as_ref(), way)
    }

    /// Where baseline runs differ from each other, in words; empty if they do not.
    pub(super) fn volatile(&self, names: Names, baseline: &Outcome) -> Vec<String> {
        let mut places = Vec::new();
        let Some(known) = self.known.first() else { return places };
        for (index, sides) in known.exchanges.iter().enumerate() {
            for way in Direction::BOTH {
                if let Some(at) = sides[way.index()].0.first_gap() {
                    let connection = if index == 0 { String::new() } else { format!(" of connection {}", index + 1) };
                    let stream = names.stream(way);
                    let bytes = baseline.exchanges.get(index).map(|one| &one.of(way).recording.bytes[..]);
                    // If there are bytes between the messages, an offset in the content is not one in the stream.
                    places.push(match bytes.and_then(super::tls_records::lines) {
                        _ if self.framings.is_some() => format!("in the messages of {stream}{connection}"),
                        Some(_) => format!("in the lengths of the TLS records of {stream}{connection}"),
                        None => format!("from byte {at} of {stream}{connection}"),
                    });
                }
            }
        }
        places.extend(
            known.output.as_ref().and_then(Pattern::first_gap).map(|at| format!("from byte {at} of the output")),
        );
        places
    }

    /// Whether baseline runs differ at all.
    pub(super) fn is_volatile(&self) -> bool {
        let gap = |pattern: &Pattern| pattern.first_gap().is_some();
        self.known.first().is_some_and(|known| {
            known.exchanges.iter().flatten().any(|(pattern, _)| gap(pattern)) || known.output.as_ref().is_some_and(gap)
        })
    }

    /// Whether this direction of the first connection ended in every run.
    pub(super) fn ends(&self, way: Direction) -> bool {
        let ends =
            |known: &Known| known.exchanges.first().is_none_or(|sides| !sides[way.index()].1.contains(&Ending::Open));
        self.known.iter().all(ends)
    }
}
