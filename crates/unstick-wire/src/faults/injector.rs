//! Applies a plan of faults to one direction of one conversation.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::kinds::{Chance, Fault, Kind, Unit};
use crate::limits::MAX_HELD;
use crate::role::Role;
use crate::splitmix::mix;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Send this on.
    Deliver(Bytes),
    /// Do nothing until then, unless there is more input.
    Wait(Instant),
    /// Do nothing until there is more input.
    Input,
    /// Everything has been delivered, and the input has ended.
    End,
    /// End the conversation in order.
    Close,
    /// Reset the conversation.
    Reset,
}

/// Takes what one side sends, and returns what the other side should receive.
#[derive(Debug, Clone)]
pub struct FaultInjector {
    faults: Vec<(usize, Fault)>,
    unit: Unit,
    seed: u64,
    /// Position of the next message, or byte.
    position: u64,
    taken: u64,
    waiting: VecDeque<Waiting>,
    /// Number of bytes that wait.
    held: usize,
    /// Messages that others should overtake.
    overtaken: Vec<Overtaken>,
    /// Nothing is delivered before this time: earlier input is delivered no sooner.
    not_before: Option<Instant>,
    /// Whether what was delivered last came with a mark.
    marked: bool,
    ended: bool,
    /// Whether what was delivered last differs from what was taken.
    altered: bool,
    counts: BTreeMap<&'static str, u64>,
}

/// How long a message waits to be overtaken: a peer that waits for it may not send what would overtake it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Number of pieces per second of a stream with a rate: fewer would arrive in lumps.
const PIECES: u64 = 20;

/// Number of bytes of a stream that share one draw of a delay: about a short message of a protocol, so that the next
/// message has another delay.
const BLOCK: u64 = 64;

#[derive(Debug, Clone)]
struct Overtaken {
    /// It goes once the position is greater than this, or at `at_last`.
    until: u64,
    at_last: Instant,
    words: Words,
}

#[derive(Debug, Clone)]
struct Words {
    data: Vec<u8>,
    /// Whether it differs from what was taken.
    altered: bool,
    marked: bool,
}

#[derive(Debug, Clone)]
struct Waiting {
    due: Option<Instant>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Data(Words),
    End,
    Close,
    Reset,
}

impl FaultInjector {
    pub(super) fn new(faults: Vec<(usize, Fault)>, from: Role, unit: Unit, seed: u64) -> Self {
        let seed = mix(seed ^ if from == Role::Client { 0x0c2_5000 } else { 0x052_c000 });
        Self {
            faults,
            unit,
            seed,
            position: 0,
            taken: 0,
            waiting: VecDeque::new(),
            held: 0,
            overtaken: Vec::new(),
            not_before: None,
            marked: false,
            ended: false,
            altered: false,
            counts: BTreeMap::new(),
        }
    }

    /// Names of the faults that happened, with the number of messages or bytes that each changed. `cut`, `stall`,
    /// `close` and `reset` count how many times they happened.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(name, count)| (*name, *count))
    }

    /// Number of messages, or bytes, that were taken. Those in whose place everything ended are not counted.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether so many bytes wait ([`MAX_HELD`]) that the caller should take no more until something was delivered.
    pub fn is_full(&self) -> bool {
        self.held >= MAX_HELD
    }

    /// Whether segments are cut: then each delivery must be sent alone, so that no two are joined on their way.
    pub fn cuts(&self) -> bool {
        self.faults.iter().any(|(_, fault)| matches!(fault.kind, Kind::Cut(_)))
    }

    /// Reports that what was last delivered cannot be sent on. Returns true if a fault caused that: then it is left
    /// out, and counted as such.
    pub fn leave_out(&mut self) -> bool {
        if self.altered {
            self.count("left out", 1);
        }
        self.altered
    }

    /// Takes a message, or the next bytes of a stream.
    pub fn take(&mut self, data: &[u8], now: Instant) {
        self.take_marked(data, false, now);
    }

    /// Takes a message with a mark that stays with it, whatever happens to it: something that only its transport knows.
    pub fn take_marked(&mut self, data: &[u8], mark: bool, now: Instant) {
        if self.ended {
            return;
        }
        match self.unit {
            Unit::Messages => {
                self.one(data, mark, now, false);
                self.passes(1);
                self.let_go(now);
            }
            Unit::Bytes => self.bytes(data, now),
        }
    }

    /// Whether what was delivered last came with a mark.
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// Says that the side has ended.
    pub fn end(&mut self, now: Instant) {
        if !self.ended {
            self.position = u64::MAX;
            self.let_go(now);
            self.finish(What::End, now);
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: Instant) -> Next {
        self.let_go(now);
        let at_last = self.overtaken.iter().map(|overtaken| overtaken.at_last).min();
        let Some(first) = self.waiting.front() else { return at_last.map_or(Next::Input, Next::Wait) };
        if let Some(due) = first.due.filter(|due| *due > now) {
            return Next::Wait(at_last.map_or(due, |at| at.min(due)));
        }
        match self.waiting.pop_front().map(|waiting| waiting.what) {
            Some(What::Data(Words { data, altered, marked })) => {
                self.held -= data.len();
                (self.altered, self.marked) = (altered, marked);
                Next::Deliver(data.into())
            }
            Some(What::Close) => Next::Close,
            Some(What::Reset) => Next::Reset,
            Some(What::End) | None => Next::End,
        }
    }

    /// Takes bytes in pieces, with one fault decision for each. Their ends depend on offsets, never on reads.
    fn bytes(&mut self, mut data: &[u8], now: Instant) {
        let mut joins = false;
        while !data.is_empty() && !self.ended {
            let length = usize::try_from(self.alike()).unwrap_or(usize::MAX).min(data.len());
            let (piece, rest) = data.split_at(length);
            if self.is_cut() {
                self.count("cut", 1);
                joins = false;
            }
            self.one(piece, false, now, joins);
            self.passes(piece.len() as u64);
            (data, joins) = (rest, true);
        }
    }

    /// Counts what was taken, unless everything ended with it.
    fn passes(&mut self, units: u64) {
        if !self.ended {
            self.taken += units;
            self.position += units;
        }
    }

    /// Number of bytes from here on with the same faults.
    fn alike(&self) -> u64 {
        let alike = self.faults.iter().map(|(_, fault)| {
            let Some(offset) = self.position.checked_sub(fault.after) else { return fault.after - self.position };
            let step = match fault.kind {
                Kind::Cut(most) => most,
                Kind::Rate(rate) => (rate / PIECES).max(1),
                Kind::Delay(least, most) if least < most => BLOCK,
                _ => return u64::MAX,
            };
            step - offset % step
        });
        alike.min().unwrap_or(u64::MAX)
    }

    /// Whether a segment ends here.
    fn is_cut(&self) -> bool {
        let cuts = |fault: &Fault| match (fault.kind, self.position.checked_sub(fault.after)) {
            (Kind::Cut(most), Some(offset)) => offset % most == 0,
            _ => false,
        };
        self.position > 0 && self.faults.iter().any(|(_, fault)| cuts(fault))
    }

    /// Applies the faults to one message, or to bytes with the same faults. Bytes may join those before them, if both are
    /// due together.
    fn one(&mut self, data: &[u8], marked: bool, now: Instant, joins: bool) {
        let mut words = Words { data: data.to_vec(), altered: false, marked };
        let units = if self.unit == Unit::Bytes { data.len() as u64 } else { 1 };
        let (mut copies, mut overtaken, mut due) = (1, None, None::<Instant>);
        for index in 0..self.faults.len() {
            let (number, fault) = self.faults[index];
            let Some(offset) = self.position.checked_sub(fault.after) else { continue };
            match fault.kind {
                Kind::Loss(chance) if self.happens(number, chance) => return self.count("loss", 1),
                Kind::Duplicate(chance) if self.happens(number, chance) => copies += 1,
                Kind::Reorder(chance, gap) if self.happens(number, chance) => {
                    // Below the last position of all, at which it goes in any case.
                    overtaken = Some(self.position.saturating_add(gap).min(u64::MAX - 1));
                }
                Kind::Corrupt(chance) => self.corrupt(number, chance, &mut words),
                Kind::Truncate(chance) => self.truncate(number, &fault, chance, &mut words),
                Kind::Delay(least, most) => {
                    let at = if self.unit == Unit::Bytes { offset / BLOCK } else { self.position };
                    let more = (most - least).mul_f64(share(self.roll_at(number, at, 0)));
                    due = due.max(Some(now + least + more));
                    self.count("delay", units);
                }
                Kind::Stall(time) if offset == 0 => {
                    self.count("stall", 1);
                    due = due.max(Some(now + time));
                }
                Kind::Close if offset == 0 => return self.fails("close", What::Close, now),
                Kind::Reset if offset == 0 => return self.fails("reset", What::Reset, now),
                _ => {}
            }
        }
        let due = self.at_rate(words.data.len(), units, due, now);
        if copies > 1 {
            self.count("dup", 1);
        }
        // The last one is moved, not copied: usually there is only one.
        let words = std::iter::repeat_n(words, copies);
        let Some(until) = overtaken else {
            return words.for_each(|words| self.send(words, due, joins));
        };
        self.count("reorder", 1);
        words.for_each(|words| {
            self.held += words.data.len();
            self.overtaken.push(Overtaken { until, at_last: now + PATIENCE, words });
        });
    }

    /// When bytes with a rate limit are due, after those before them and whatever else delays them.
    fn at_rate(&mut self, length: usize, units: u64, mut due: Option<Instant>, now: Instant) -> Option<Instant> {
        for index in 0..self.faults.len() {
            let (_, Fault { after, kind: Kind::Rate(rate), .. }) = self.faults[index] else { continue };
            if self.position >= after {
                let free = due.max(self.not_before).unwrap_or(now).max(now);
                due = Some(free + Duration::from_secs_f64(length as f64 / rate as f64));
                self.count("rate", units);
            }
        }
        due
    }

    /// Sends the messages that enough others have overtaken.
    fn let_go(&mut self, now: Instant) {
        let position = self.position;
        if self.overtaken.is_empty() {
            return;
        }
        let goes = |overtaken: &Overtaken| overtaken.until < position || overtaken.at_last <= now;
        let (gone, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.overtaken).into_iter().partition(goes);
        self.overtaken = stay;
        for overtaken in gone {
            self.held -= overtaken.words.data.len();
            self.send(overtaken.words, Some(now), false);
        }
    }

    /// Queues bytes or a message; joins it to what was sent before if it may and both are due together.
    fn send(&mut self, words: Words, due: Option<Instant>, joins: bool) {
        self.held += words.data.len();
        let due = due.max(self.not_before);
        match self.waiting.back_mut() {
            Some(Waiting { due: before, what: What::Data(last) }) if joins && *before == due => {
                last.data.extend(words.data);
            }
            _ => self.queue(What::Data(words), due),
        }
    }

    fn queue(&mut self, what: What, due: Option<Instant>) {
        // What comes later is delivered later: only reordering overtakes.
        let due = due.max(self.not_before);
        self.not_before = due;
        self.waiting.push_back(Waiting { due, what });
    }

    fn fails(&mut self, name: &'static str, what: What, now: Instant) {
        self.count(name, 1);
        self.position = u64::MAX;
        self.let_go(now);
        self.finish(what, now);
    }

    fn finish(&mut self, what: What, now: Instant) {
        self.queue(what, Some(now));
        self.ended = true;
    }

    fn corrupt(&mut self, number: usize, chance: Chance, words: &mut Words) {
        let first = if self.unit == Unit::Bytes { self.position } else { self.position << 32 };
        let mut turned = 0;
        for (offset, byte) in words.data.iter_mut().enumerate() {
            let roll = self.roll_at(number, first + offset as u64, 1);
            if (roll >> 32) < chance.0 {
                *byte ^= 1 << (roll & 7);
                turned += 1;
            }
        }
        if turned > 0 {
            words.altered = true;
            self.count("corrupt", if self.unit == Unit::Bytes { turned } else { 1 });
        }
    }

    fn truncate(&mut self, number: usize, fault: &Fault, chance: Option<Chance>, words: &mut Words) {
        let now = match chance {
            Some(chance) => self.happens(number, chance),
            None => self.position == fault.after,
        };
        if now && !words.data.is_empty() {
            let kept = (words.data.len() as f64 * share(self.roll(number, 2))) as usize;
            words.data.truncate(kept);
            words.altered = true;
            self.count("truncate", 1);
        }
    }

    fn count(&mut self, name: &'static str, more: u64) {
        *self.counts.entry(name).or_default() += more;
    }

    fn happens(&self, number: usize, chance: Chance) -> bool {
        (self.roll(number, 0) >> 32) < chance.0
    }

    fn roll(&self, number: usize, salt: u64) -> u64 {
        self.roll_at(number, self.position, salt)
    }

    /// A random number: the same for the same seed, direction, fault and position.
    fn roll_at(&self, number: usize, position: u64, salt: u64) -> u64 {
        mix(mix(self.seed ^ (number as u64) << 8 ^ salt) ^ position)
    }
}

/// Maps a random number to a number between 0 and 1.
fn share(roll: u64) -> f64 {
    (roll >> 11) as f64 / (1_u64 << 53) as f64
}
