//! A plan of faults on its way through one direction of one conversation.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Chance, Fault, Kind, Unit};
use crate::limits::MAX_HELD;
use crate::lot::mix;
use crate::preset::Role;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This is to be sent on.
    Deliver(Bytes),
    /// Nothing until then, unless there is more input.
    Wait(Instant),
    /// Nothing until there is more input.
    Input,
    /// Everything has been delivered, and the input has ended.
    End,
    /// The conversation is to be ended in order.
    Close,
    /// The conversation is to be reset.
    Reset,
}

/// Takes what one side says, and gives what the other is to hear of it.
#[derive(Debug, Clone)]
pub struct Course {
    faults: Vec<(usize, Fault)>,
    unit: Unit,
    seed: u64,
    /// Messages taken, or bytes.
    position: u64,
    taken: u64,
    waiting: VecDeque<Waiting>,
    /// Bytes that wait.
    held: usize,
    /// Messages that are to be overtaken.
    overtaken: Vec<Overtaken>,
    /// Nothing is delivered before: what came earlier was later.
    not_before: Option<Instant>,
    /// Of what was delivered last.
    marked: bool,
    ended: bool,
    counts: BTreeMap<&'static str, u64>,
}

/// How long a message waits to be overtaken: who waits for it may not send what would overtake it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pieces of a stream with a rate, a second: fewer would come in lumps.
const PIECES: u64 = 20;

#[derive(Debug, Clone)]
struct Overtaken {
    /// Until more than so many have been taken, or until then.
    until: u64,
    at_last: Instant,
    data: Bytes,
    mark: bool,
}

#[derive(Debug, Clone)]
struct Waiting {
    due: Option<Instant>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Data(Bytes, bool),
    End,
    Close,
    Reset,
}

impl Course {
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
            counts: BTreeMap::new(),
        }
    }

    /// What has been done, by the names of the faults, and how often.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(name, count)| (*name, *count))
    }

    /// Messages, or bytes, that have been taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether so much waits ([`MAX_HELD`]) that no more is to be taken until something has been delivered.
    pub fn is_full(&self) -> bool {
        self.held >= MAX_HELD
    }

    /// Takes a message, or the next bytes of a stream.
    pub fn take(&mut self, data: &[u8], now: Instant) {
        self.take_marked(data, false, now);
    }

    /// The same of a message with a mark that stays with it, whatever happens to it: what only its transport knows of it.
    pub fn take_marked(&mut self, data: &[u8], mark: bool, now: Instant) {
        if self.ended {
            return;
        }
        match self.unit {
            Unit::Messages => {
                self.taken += 1;
                self.one(data, mark, now);
                self.position = self.position.saturating_add(1);
                self.let_go(now);
            }
            Unit::Bytes => self.bytes(data, now),
        }
    }

    /// Whether what was delivered last came with a mark.
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// The side has ended.
    pub fn end(&mut self, now: Instant) {
        if !self.ended {
            self.position = u64::MAX;
            self.let_go(now);
            self.finish(What::End, now);
        }
    }

    /// What is to be done now.
    pub fn next(&mut self, now: Instant) -> Next {
        self.let_go(now);
        let at_last = self.overtaken.iter().map(|overtaken| overtaken.at_last).min();
        let Some(first) = self.waiting.front() else { return at_last.map_or(Next::Input, Next::Wait) };
        if let Some(due) = first.due.filter(|due| *due > now) {
            return Next::Wait(at_last.map_or(due, |at| at.min(due)));
        }
        match self.waiting.pop_front().map(|waiting| waiting.what) {
            Some(What::Data(data, mark)) => {
                self.held -= data.len();
                self.marked = mark;
                Next::Deliver(data)
            }
            Some(What::Close) => Next::Close,
            Some(What::Reset) => Next::Reset,
            Some(What::End) | None => Next::End,
        }
    }

    /// Bytes, cut where something happens at an offset, so that it does not matter how they were read.
    fn bytes(&mut self, mut data: &[u8], now: Instant) {
        while !data.is_empty() && !self.ended {
            let happens = |fault: &Fault| matches!(fault.kind, Kind::Stall(_) | Kind::Close | Kind::Reset);
            let next = self.faults.iter().map(|(_, fault)| fault).filter(|fault| happens(fault));
            let next = next.map(|fault| fault.after).filter(|at| *at > self.position).min();
            let cut = self.faults.iter().filter_map(|(_, fault)| match fault.kind {
                Kind::Cut(most) if self.position >= fault.after => Some(most),
                Kind::Cut(_) => Some(fault.after - self.position),
                Kind::Rate(rate) => Some((rate / PIECES).max(1)),
                _ => None,
            });
            let most = cut.chain(next.map(|at| at - self.position)).min().unwrap_or(u64::MAX);
            let (piece, rest) = data.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(data.len()));
            if piece.len() < data.len() && self.faults.iter().any(|(_, fault)| matches!(fault.kind, Kind::Cut(_))) {
                self.count("cut");
            }
            let before = self.position;
            self.one(piece, false, now);
            if self.ended {
                // Nothing of what came at that offset has passed, however much of it was read at once.
                return;
            }
            self.taken = before + piece.len() as u64;
            self.position = self.taken;
            data = rest;
        }
    }

    /// One message, or a run of bytes in which nothing begins but at its first.
    fn one(&mut self, data: &[u8], mark: bool, now: Instant) {
        let mut data = data.to_vec();
        let (mut copies, mut overtaken, mut due) = (1, None, None::<Instant>);
        for (number, fault) in self.faults.clone() {
            if self.position < fault.after {
                continue;
            }
            match fault.kind {
                Kind::Loss(chance) if self.happens(number, chance) => {
                    self.count("loss");
                    return;
                }
                Kind::Duplicate(chance) if self.happens(number, chance) => copies += 1,
                Kind::Reorder(chance, gap) if self.happens(number, chance) => {
                    // Below the position at the end, which lets all of them go.
                    overtaken = Some(self.position.saturating_add(gap).min(u64::MAX - 1));
                }
                Kind::Corrupt(chance) => self.corrupt(number, chance, &mut data),
                Kind::Truncate(chance) => self.truncate(number, &fault, chance, &mut data),
                Kind::Delay(least, most) => {
                    let more = (most - least).mul_f64(share(self.roll(number, 0)));
                    due = due.max(Some(now + least + more));
                    self.count("delay");
                }
                Kind::Rate(rate) => {
                    let free = self.not_before.map_or(now, |at| at.max(now)).max(due.unwrap_or(now));
                    due = Some(free + Duration::from_secs_f64(data.len() as f64 / rate as f64));
                }
                Kind::Stall(time) if self.position == fault.after => {
                    self.count("stall");
                    due = due.max(Some(now + time));
                }
                Kind::Close if self.position == fault.after => return self.fails("close", What::Close, now),
                Kind::Reset if self.position == fault.after => return self.fails("reset", What::Reset, now),
                _ => {}
            }
        }
        let data = Bytes::from(data);
        if copies > 1 {
            self.count("dup");
        }
        for _ in 0..copies {
            match overtaken {
                Some(until) => {
                    self.count("reorder");
                    self.held += data.len();
                    self.overtaken.push(Overtaken { until, at_last: now + PATIENCE, data: data.clone(), mark });
                }
                None => self.queue(What::Data(data.clone(), mark), due),
            }
        }
    }

    /// Those that have been overtaken by enough are on their way.
    fn let_go(&mut self, now: Instant) {
        let position = self.position;
        if self.overtaken.is_empty() {
            return;
        }
        let goes = |overtaken: &Overtaken| overtaken.until < position || overtaken.at_last <= now;
        let (gone, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.overtaken).into_iter().partition(goes);
        self.overtaken = stay;
        for overtaken in gone {
            self.held -= overtaken.data.len();
            self.queue(What::Data(overtaken.data, overtaken.mark), Some(now));
        }
    }

    fn queue(&mut self, what: What, due: Option<Instant>) {
        // What comes later is delivered later: only reordering overtakes.
        let due = due.max(self.not_before);
        self.not_before = due;
        if let What::Data(data, _) = &what {
            self.held += data.len();
        }
        self.waiting.push_back(Waiting { due, what });
    }

    fn fails(&mut self, name: &'static str, what: What, now: Instant) {
        self.count(name);
        self.position = u64::MAX;
        self.let_go(now);
        self.finish(what, now);
    }

    fn finish(&mut self, what: What, now: Instant) {
        self.queue(what, Some(now));
        self.ended = true;
    }

    fn corrupt(&mut self, number: usize, chance: Chance, data: &mut [u8]) {
        let first = if self.unit == Unit::Bytes { self.position } else { self.position << 32 };
        let mut turned = 0;
        for (offset, byte) in data.iter_mut().enumerate() {
            let roll = self.roll_at(number, first + offset as u64, 1);
            if (roll >> 32) < chance.0 {
                *byte ^= 1 << (roll & 7);
                turned += 1;
            }
        }
        if turned > 0 {
            *self.counts.entry("corrupt").or_default() += turned;
        }
    }

    fn truncate(&mut self, number: usize, fault: &Fault, chance: Option<Chance>, data: &mut Vec<u8>) {
        let now = match chance {
            Some(chance) => self.happens(number, chance),
            None => self.position == fault.after,
        };
        if now && !data.is_empty() {
            let kept = (data.len() as f64 * share(self.roll(number, 2))) as usize;
            data.truncate(kept);
            self.count("truncate");
        }
    }

    fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    fn happens(&self, number: usize, chance: Chance) -> bool {
        (self.roll(number, 0) >> 32) < chance.0
    }

    fn roll(&self, number: usize, salt: u64) -> u64 {
        self.roll_at(number, self.position, salt)
    }

    /// The same for the same seed, direction, fault and position.
    fn roll_at(&self, number: usize, position: u64, salt: u64) -> u64 {
        mix(mix(self.seed ^ (number as u64) << 8 ^ salt) ^ position)
    }
}

/// Between 0 and 1.
fn share(roll: u64) -> f64 {
    (roll >> 11) as f64 / (1_u64 << 53) as f64
}
