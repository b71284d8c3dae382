//! What is expected of a run, learnt from runs without cuts; and where an outcome is not that.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use unstick_wire::Framing;
use unstick_wire::shake::Direction;

use super::outcome::{Ending, Exchange, Exit, Outcome};
use super::pattern::Pattern;

/// What was the same in all runs, and what was not.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    /// What the client sends, and what the server does.
    framings: Option<[Framing; 2]>,
    exchanges: Vec<[(Pattern, BTreeSet<Ending>); 2]>,
    connections: BTreeSet<usize>,
    exits: BTreeSet<Option<Exit>>,
    output: Option<Pattern>,
}

/// In what an outcome is not as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// The run was not over when its time was.
    Late,
    /// The client, or the program on pipes, ended otherwise.
    Exit,
    /// It printed something else.
    Output,
    /// There were more or fewer connections.
    Connections,
    /// Other bytes (messages, where a framing is known) went this way.
    Bytes(Direction),
    /// This direction ended otherwise.
    Ending(Direction),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it hangs"),
            Self::Exit => f.write_str("the program ends otherwise"),
            Self::Output => f.write_str("the program prints something else"),
            Self::Connections => f.write_str("the number of connections differs"),
            Self::Bytes(Direction::ClientToServer) => f.write_str("the client sends something else"),
            Self::Bytes(Direction::ServerToClient) => f.write_str("the server answers something else"),
            Self::Ending(Direction::ClientToServer) => f.write_str("the client's side ends otherwise"),
            Self::Ending(Direction::ServerToClient) => f.write_str("the server's side ends otherwise"),
        }
    }
}

/// Less than this in common, and two runs are not the same conversation with a clock in it, but two conversations.
const ALIKE: f64 = 0.5;

impl Expectation {
    /// From a first run.
    pub(super) fn new(outcome: &Outcome, framing: Option<Framing>) -> Self {
        let framings = framing.map(|framing| Direction::BOTH.map(|way| framing.sent_by(way.sender())));
        let side = |exchange: &Exchange, way| {
            let side = exchange.of(way);
            (Pattern::new(&content(&side.recording.bytes, framings.as_ref(), way)), BTreeSet::from([side.ending]))
        };
        let exchanges =
            outcome.exchanges.iter().map(|exchange| Direction::BOTH.map(|way| side(exchange, way))).collect();
        Self {
            exchanges,
            connections: BTreeSet::from([outcome.exchanges.len()]),
            exits: BTreeSet::from([outcome.exit]),
            output: outcome.output.as_deref().map(Pattern::new),
            framings,
        }
    }

    /// In what an outcome is not as expected; empty where it is.
    pub(super) fn differences(&self, outcome: &Outcome) -> Vec<Difference> {
        let mut found = BTreeSet::new();
        if outcome.late {
            found.insert(Difference::Late);
        }
        if !self.exits.contains(&outcome.exit) {
            found.insert(Difference::Exit);
        }
        if let (Some(pattern), Some(output)) = (&self.output, &outcome.output)
            && pattern.misfit(output).is_some()
        {
            found.insert(Difference::Output);
        }
        if !self.connections.contains(&outcome.exchanges.len()) {
            found.insert(Difference::Connections);
        }
        for (exchange, expected) in outcome.exchanges.iter().zip(&self.exchanges) {
            for way in Direction::BOTH {
                let (side, (pattern, endings)) = (exchange.of(way), &expected[way.index()]);
                if pattern.misfit(&content(&side.recording.bytes, self.framings.as_ref(), way)).is_some() {
                    found.insert(Difference::Bytes(way));
                } else if !endings.contains(&side.ending) {
                    found.insert(Difference::Ending(way));
                }
            }
        }
        found.into_iter().collect()
    }

    /// How much of what was said an outcome has in common with what is expected: the least of all streams, from 0 to 1.
    pub(super) fn likeness(&self, outcome: &Outcome) -> f64 {
        let mut least: f64 = 1.0;
        if let (Some(pattern), Some(output)) = (&self.output, &outcome.output) {
            least = least.min(pattern.likeness(output));
        }
        for (exchange, expected) in outcome.exchanges.iter().zip(&self.exchanges) {
            for way in Direction::BOTH {
                let content = content(&exchange.of(way).recording.bytes, self.framings.as_ref(), way);
                least = least.min(expected[way.index()].0.likeness(&content));
            }
        }
        least
    }

    /// Takes in another run without cuts. False where it is not the same conversation: then nothing has been learnt.
    pub(super) fn learn(&mut self, outcome: &Outcome) -> bool {
        let differences = self.differences(outcome);
        if differences.is_empty() {
            return true;
        }
        let other = [Difference::Late, Difference::Exit, Difference::Connections];
        if differences.iter().any(|difference| other.contains(difference)) {
            return false;
        }
        let mut learnt = self.clone();
        if let (Some(pattern), Some(output)) = (&mut learnt.output, &outcome.output)
            && pattern.learn(output) < ALIKE
        {
            return false;
        }
        for (exchange, expected) in outcome.exchanges.iter().zip(&mut learnt.exchanges) {
            for way in Direction::BOTH {
                let (side, (pattern, endings)) = (exchange.of(way), &mut expected[way.index()]);
                endings.insert(side.ending);
                if pattern.learn(&content(&side.recording.bytes, learnt.framings.as_ref(), way)) < ALIKE {
                    return false;
                }
            }
        }
        *self = learnt;
        true
    }

    /// Where runs without cuts differ from each other, in words; empty: nowhere.
    pub(super) fn volatile(&self) -> Vec<String> {
        let mut places = Vec::new();
        for (index, sides) in self.exchanges.iter().enumerate() {
            for way in Direction::BOTH {
                if let Some(at) = sides[way.index()].0.first_gap() {
                    let connection = if index == 0 { String::new() } else { format!(" of connection {}", index + 1) };
                    places.push(format!("from byte {at} of {way}{connection}"));
                }
            }
        }
        places.extend(
            self.output.as_ref().and_then(Pattern::first_gap).map(|at| format!("from byte {at} of the output")),
        );
        places
    }

    /// Whether this direction of the first connection was seen to end.
    pub(super) fn ends(&self, way: Direction) -> bool {
        self.exchanges.first().is_none_or(|sides| !sides[way.index()].1.contains(&Ending::Open))
    }
}

/// What is compared of a stream: its messages where a framing is known, and what is left when it no longer holds; else
/// its bytes.
fn content<'a>(bytes: &'a [u8], framings: Option<&[Framing; 2]>, way: Direction) -> Cow<'a, [u8]> {
    let Some(framings) = framings else { return bytes.into() };
    let mut decoder = framings[way.index()].decoder();
    decoder.feed(bytes);
    decoder.end();
    let mut content = Vec::with_capacity(bytes.len());
    loop {
        let rest = bytes.len() - decoder.pending().len();
        match decoder.next() {
            Ok(Some(message)) => {
                content.extend_from_slice(message);
                content.extend_from_slice(b"\xff\n\xfe");
            }
            Ok(None) => return content.into(),
            Err(_) => {
                content.extend_from_slice(&bytes[rest..]);
                return content.into();
            }
        }
    }
}
