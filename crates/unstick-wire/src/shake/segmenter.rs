//! Cuts and joins one direction of one conversation: bytes in, steps out.

use std::collections::{BTreeSet, VecDeque};

use super::case::{Case, Direction, Edit};

/// The next thing to do with a direction's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Write these bytes in one call, then call [`Segmenter::wrote`].
    Write(&'a [u8]),
    /// Wait until the receiver has read everything that was written, then call [`Segmenter::drained`].
    Drain,
    /// More input is needed: [`Segmenter::push`] it, or call [`Segmenter::end`].
    Input,
    /// The same, but bytes are held back for a join: if no input comes for a while, call [`Segmenter::quiet`].
    Hold,
    /// Pass on the end of the stream, then call [`Segmenter::closed`].
    End,
    /// Nothing is left to do.
    Done,
}

/// What is known about a cut: how [`Step::Drain`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver had read everything before the cut.
    Read,
    /// The receiver had time to read it, but this cannot be seen from here.
    Unproven,
    /// The receiver did not read it within the time that it was given.
    Unread,
    /// The receiver has closed: it reads nothing more, so nothing can be cut for it.
    Gone,
}

/// How many cuts and joins were delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cuts that lay inside the stream, and joins whose bytes were sent.
    pub planned: u64,
    /// Cuts whose first part was read before the second was sent; joins that were written in one call.
    pub delivered: u64,
    /// Cuts that cannot be proven from here.
    pub unproven: u64,
    /// Cuts whose receiver did not read in time.
    pub unread: u64,
    /// Joins that cannot be made: the sender waits for an answer in the middle of them.
    pub impossible: u64,
    /// Cuts and joins that were not reached: the receiver had closed by then, or the bytes were never sent.
    pub gone: u64,
    /// Cuts and joins of cases that were planned and did not run.
    pub untried: u64,
}

impl Tally {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            planned: self.planned + other.planned,
            delivered: self.delivered + other.delivered,
            unproven: self.unproven + other.unproven,
            unread: self.unread + other.unread,
            impossible: self.impossible + other.impossible,
            gone: self.gone + other.gone,
            untried: self.untried + other.untried,
        }
    }

    /// The same for `planned` cuts and joins: those that were not made count as `gone`.
    #[must_use]
    pub fn of_planned(self, planned: u64) -> Self {
        // A stream that was longer this time has room for more.
        let mut left = planned;
        let mut of = |count: u64| {
            let count = count.min(left);
            left -= count;
            count
        };
        let (unproven, unread, impossible) = (of(self.unproven), of(self.unread), of(self.impossible));
        let delivered = of(self.delivered);
        Self { planned, delivered, unproven, unread, impossible, gone: left, untried: 0 }
    }

    /// The same, if this many more were planned in cases that did not run.
    #[must_use]
    pub fn with_untried(self, untried: u64) -> Self {
        Self { planned: self.planned + untried, untried: self.untried + untried, ..self }
    }

    /// Whether everything that was planned and possible was delivered.
    pub fn is_complete(self) -> bool {
        self.unproven == 0 && self.unread == 0
    }
}

/// A join that is still ahead or under way.
#[derive(Debug, Clone, Copy)]
struct Join {
    from: u64,
    to: u64,
    /// Whether it is in the tally already.
    counted: bool,
}

/// Delivers one direction's bytes as a [`Case`] says.
///
/// ```
/// use unstick_wire::shake::{Case, Direction, Segmenter, Delivery, Step};
/// let case: Case = "c2s:cut@2".parse()?;
/// let mut segmenter = Segmenter::new(&case, Direction::ClientToServer);
/// segmenter.push(b"hello");
/// assert_eq!(segmenter.step(), Step::Write(b"he"));
/// segmenter.wrote(2);
/// assert_eq!(segmenter.step(), Step::Drain);
/// segmenter.drained(Delivery::Read);
/// assert_eq!(segmenter.step(), Step::Write(b"llo"));
/// # Ok::<(), unstick_wire::SpecError>(())
/// ```
#[derive(Debug)]
pub struct Segmenter {
    cuts: BTreeSet<u64>,
    every: Vec<(u64, u64)>,
    cut_end: bool,
    joins: VecDeque<Join>,
    /// Bytes of the stream that have been written.
    sent: u64,
    held: VecDeque<u8>,
    /// Whether a cut lies at `sent`, and what was written before it has not been drained.
    at_cut: bool,
    /// Whether the sender is quiet: a join is given up.
    quiet: bool,
    ended: bool,
    closed: bool,
    tally: Tally,
}

impl Segmenter {
    /// Makes the segmenter of one direction of a case.
    pub fn new(case: &Case, direction: Direction) -> Self {
        let mut segmenter = Self {
            cuts: BTreeSet::new(),
            every: Vec::new(),
            cut_end: false,
            joins: VecDeque::new(),
            sent: 0,
            held: VecDeque::new(),
            at_cut: false,
            quiet: false,
            ended: false,
            closed: false,
            tally: Tally::default(),
        };
        for edit in case.of(direction) {
            match edit {
                Edit::Cut(at) => drop(segmenter.cuts.insert(at)),
                Edit::Every(step, to) => segmenter.every.push((step, to.unwrap_or(u64::MAX))),
                Edit::Join(from, to) => {
                    segmenter.joins.push_back(Join { from, to: to.unwrap_or(u64::MAX), counted: false });
                }
                Edit::CutEnd => segmenter.cut_end = true,
                // The caller that passes on the end handles it.
                Edit::HalfClose => {}
            }
        }
        segmenter.joins.make_contiguous().sort_unstable_by_key(|join| join.from);
        segmenter
    }

    /// Adds bytes that have come from the sender.
    pub fn push(&mut self, bytes: &[u8]) {
        self.quiet = false;
        self.held.extend(bytes);
    }

    /// Says that the sender has ended.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Says that the sender has sent nothing for a while. The bytes that a join holds back are released, since the
    /// sender may be waiting for the answer to them.
    pub fn quiet(&mut self) {
        self.quiet = true;
    }

    /// Says how a [`Step::Drain`] ended.
    pub fn drained(&mut self, delivery: Delivery) {
        self.at_cut = false;
        if self.sent == 0 {
            return;
        }
        match delivery {
            Delivery::Gone => return,
            Delivery::Read => self.tally.delivered += 1,
            Delivery::Unproven => self.tally.unproven += 1,
            Delivery::Unread => self.tally.unread += 1,
        }
        self.tally.planned += 1;
    }

    /// Says that `count` bytes of a [`Step::Write`] have been written.
    pub fn wrote(&mut self, count: usize) {
        let begun = self.sent;
        self.sent += count as u64;
        self.held.drain(..count);
        self.at_cut = self.is_cut(self.sent);
        let over = self.ended && self.held.is_empty();
        while let Some(join) = self.joins.front_mut().filter(|join| join.from < self.sent) {
            if join.to == u64::MAX {
                // It joins what comes between two silences, each time, but counts once.
                join.from = self.sent;
                let new = u64::from(!std::mem::replace(&mut join.counted, true));
                self.tally.planned += new;
                self.tally.delivered += new;
                break;
            }
            self.tally.planned += 1;
            if begun <= join.from && (self.sent >= join.to || over) {
                self.tally.delivered += 1;
            } else {
                self.tally.impossible += 1;
            }
            self.joins.pop_front();
        }
    }

    /// Says that the end has been passed on.
    pub fn closed(&mut self) {
        self.closed = true;
    }

    /// Number of bytes written up to now.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How the cuts and joins of the case were delivered.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The next thing to do.
    pub fn step(&mut self) -> Step<'_> {
        if self.closed {
            return Step::Done;
        }
        if self.held.is_empty() {
            return match self.ended {
                false => Step::Input,
                true if self.cut_end && self.sent > 0 => {
                    self.cut_end = false;
                    self.at_cut = true;
                    Step::Drain
                }
                true => Step::End,
            };
        }
        if self.at_cut {
            return Step::Drain;
        }
        let there = self.sent + self.held.len() as u64;
        let mut until = there;
        if let Some(join) = self.joins.front() {
            let whole = there >= join.to || self.ended || self.quiet;
            if !whole && join.from <= self.sent {
                return Step::Hold;
            }
            if !whole {
                until = until.min(join.from);
            }
        }
        let until = self.next_cut(until);
        let count = (until - self.sent) as usize;
        Step::Write(&self.held.make_contiguous()[..count])
    }

    fn is_cut(&self, at: u64) -> bool {
        let asked =
            self.cuts.contains(&at) || self.every.iter().any(|(step, to)| at <= *to && at.is_multiple_of(*step));
        asked && !self.joins.iter().any(|join| join.from < at && at < join.to)
    }

    /// The first cut after what has been sent, or `until`.
    fn next_cut(&self, until: u64) -> u64 {
        let mut at = self.sent;
        loop {
            let single = self.cuts.range(at + 1..).next().copied();
            let regular = self.every.iter().map(|(step, to)| ((at / step + 1) * step, to));
            let regular = regular.filter(|(next, to)| next <= to).map(|(next, _)| next).min();
            match single.into_iter().chain(regular).min() {
                Some(next) if next < until && self.is_cut(next) => return next,
                Some(next) if next < until => at = next,
                _ => return until,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Runs a case over segments; returns the writes, with `|` for a drain between them, and `.` for the end.
    fn run(case: &str, segments: &[&str]) -> (String, Tally) {
        let mut segmenter = Segmenter::new(&case.parse().unwrap(), Direction::ClientToServer);
        let mut segments = segments.iter();
        let mut shown = String::new();
        loop {
            match segmenter.step() {
                Step::Write(bytes) => {
                    let count = bytes.len();
                    shown += &format!("[{}]", String::from_utf8_lossy(bytes));
                    segmenter.wrote(count);
                }
                Step::Drain => {
                    shown.push('|');
                    segmenter.drained(Delivery::Read);
                }
                Step::Hold if segments.as_slice().first() == Some(&"~") => {
                    segments.next();
                    segmenter.quiet();
                }
                Step::Input | Step::Hold => match segments.next() {
                    Some(&"~") => {}
                    Some(segment) => segmenter.push(segment.as_bytes()),
                    None => segmenter.end(),
                },
                Step::End => {
                    shown.push('.');
                    segmenter.closed();
                }
                Step::Done => return (shown, segmenter.tally()),
            }
        }
    }

    #[test]
    fn a_cut_waits_for_the_reader_wherever_the_sender_s_segments_lie() {
        for segments in [&["hello"][..], &["he", "llo"], &["h", "ell", "o"], &["hel", "lo"]] {
            let (shown, tally) = run("c2s:cut@2", segments);
            assert_eq!(shown.replace("][", ""), "[he]|[llo].", "{segments:?}");
            assert_eq!((tally.planned, tally.delivered), (1, 1));
        }
    }

    #[test]
    fn a_cut_at_or_behind_the_end_is_none() {
        for case in ["c2s:cut@5", "c2s:cut@6", "s2c:cut@2", "uncut"] {
            assert_eq!(run(case, &["hello"]), ("[hello].".into(), Tally::default()), "{case}");
        }
        assert_eq!(run("c2s:cut@end", &["hello"]).0, "[hello]|.");
        assert_eq!(run("c2s:cut@end", &[]).0, ".");
    }

    #[test]
    fn every_byte_and_every_so_many() {
        assert_eq!(run("c2s:bytes", &["abc", "d"]).0, "[a]|[b]|[c]|[d].");
        assert_eq!(run("c2s:every@2", &["abcde"]).0, "[ab]|[cd]|[e].");
        assert_eq!(run("c2s:every@1..2", &["abcde"]).0, "[a]|[b]|[cde].");
        assert_eq!(run("c2s:every@2,c2s:cut@3", &["abcde"]).0, "[ab]|[c]|[d]|[e].");
    }

    #[test]
    fn a_join_gathers_what_was_sent_apart() {
        let (shown, tally) = run("c2s:join@1..4", &["a", "b", "c", "d", "e"]);
        assert_eq!((shown.as_str(), tally.delivered), ("[a][bcd][e].", 1));
        assert_eq!(run("c2s:join@0..9", &["a", "bc"]).0, "[abc].", "the end comes first");
        assert_eq!(
            run("c2s:join@0..3,c2s:cut@1,c2s:cut@4", &["ab", "cde"]).0,
            "[abcd]|[e].",
            "a join rules out cuts in it"
        );
    }

    #[test]
    fn a_join_lets_go_when_its_sender_waits_for_the_answer() {
        let (shown, tally) = run("c2s:join@0..4", &["ab", "~", "cd"]);
        assert_eq!((shown.as_str(), tally.planned, tally.delivered, tally.impossible), ("[ab][cd].", 1, 0, 1));
        let (shown, tally) = run("c2s:join@0..end", &["a", "b", "~", "c", "d"]);
        assert_eq!((shown.as_str(), tally.delivered, tally.impossible), ("[ab][cd].", 1, 0));
    }

    #[test]
    fn what_cannot_be_proven_is_counted_as_that() {
        for (delivery, unproven, unread, planned) in
            [(Delivery::Unproven, 1, 0, 1), (Delivery::Unread, 0, 1, 1), (Delivery::Gone, 0, 0, 0)]
        {
            let mut segmenter = Segmenter::new(&"c2s:cut@1".parse().unwrap(), Direction::ClientToServer);
            segmenter.push(b"ab");
            segmenter.wrote(1);
            assert_eq!(segmenter.step(), Step::Drain);
            segmenter.drained(delivery);
            let tally = segmenter.tally();
            assert_eq!((tally.unproven, tally.unread, tally.planned), (unproven, unread, planned));
            assert_eq!(tally.is_complete(), delivery == Delivery::Gone);
        }
    }
}
