//! The pattern that runs of the same conversation have in common, byte by byte: literal parts, and gaps where they differ.

use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

use super::token::{PLUS, Token, are_identifiers, is_of_identifiers, number, tokens};

/// How long two runs are compared before the rest counts as different. Megabytes with nothing in common would otherwise
/// take as many steps as the product of both lengths.
const COMPARING: Duration = Duration::from_secs(1);

/// Literal bytes, with gaps between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    /// The exact bytes, as long as nothing differed.
    exact: Option<Vec<u8>>,
    /// The bytes of the first run.
    first: Vec<u8>,
    /// Where in the first run a difference was first seen.
    differs: Option<usize>,
}

impl Pattern {
    /// Makes a pattern of one run's bytes.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let tokens = tokens(bytes);
        let has_duration = tokens.iter().any(|token| matches!(token, Token::Number));
        let first = bytes.to_vec();
        match has_duration {
            true => Self { tokens, exact: None, first, differs: None },
            false => Self { tokens: Vec::new(), exact: Some(first.clone()), first, differs: None },
        }
    }

    /// Learns another run's bytes: from now on there is a gap wherever they differ. Returns the share that they have in common
    /// with the known bytes, from 0 to 1. Other digits, and as many other bytes that are not text, count as common: a clock
    /// and a random value differ like that.
    pub(super) fn learn(&mut self, bytes: &[u8]) -> f64 {
        if self.misfit(bytes).is_none() {
            return 1.0;
        }
        if let Some(exact) = self.exact.take() {
            self.tokens = tokens(&exact);
        }
        let differs = self.word_of(common(&self.first, bytes));
        self.differs = Some(self.differs.map_or(differs, |before| before.min(differs)));
        let (merged, common, alike) = self.merge(bytes);
        self.tokens = merged;
        (common + alike) as f64 / bytes.len().max(1) as f64
    }

    /// Returns how much of the common part of all runs these bytes contain, from 0 to 1; less if they are far longer.
    pub(super) fn likeness(&self, bytes: &[u8]) -> f64 {
        let mut known = self.clone();
        if let Some(exact) = known.exact.take() {
            known.tokens = tokens(&exact);
        }
        let (_, common, _) = known.merge(bytes);
        let literal = known.tokens.iter().map(|token| if let Token::Literal(one) = token { one.len() } else { 0 });
        let most: usize = known.tokens.iter().map(Token::weight).sum();
        let share = |part: usize, whole: usize| if whole == 0 { 1.0 } else { (part as f64 / whole as f64).min(1.0) };
        share(common, literal.sum()).min(share(most, bytes.len()))
    }

    /// Merges these bytes into what is known. Returns the tokens, how many bytes were known, and how many are of the
    /// same kind.
    fn merge(&self, bytes: &[u8]) -> (Vec<Token>, usize, usize) {
        let new = tokens(bytes);
        let mut merged = Merged::default();
        let (mut common, mut alike) = (0, 0);
        let deadline = Some(Instant::now() + COMPARING);
        for op in capture_diff_slices_deadline(Algorithm::Myers, &self.tokens, &new, deadline) {
            match op {
                DiffOp::Equal { old_index, len, .. } => {
                    for token in &self.tokens[old_index..old_index + len] {
                        common += token.weight();
                        merged.known(token);
                    }
                }
                other => {
                    let (old, new) = (&self.tokens[other.old_range()], &new[other.new_range()]);
                    alike += kindred(old, new);
                    merged.gap(old, new);
                }
            }
        }
        (merged.tokens, common, alike)
    }

    /// Finds where these bytes stop matching; `None` if they match.
    pub(super) fn misfit(&self, bytes: &[u8]) -> Option<usize> {
        if let Some(exact) = &self.exact {
            let same = common(exact, bytes);
            return (same < exact.len().max(bytes.len())).then_some(same);
        }
        let (places, token) = self.walk(bytes, self.tokens.len());
        match self.tokens.get(token) {
            None if places.contains(&bytes.len()) => None,
            Some(Token::Literal(literal)) => places.last().map(|at| at + common(literal, &bytes[*at..])),
            _ => places.last().copied(),
        }
    }

    /// The same, and the corresponding place in a run that matches.
    pub(super) fn misfit_beside(&self, bytes: &[u8], fits: &[u8]) -> Option<(usize, usize)> {
        let at = self.misfit(bytes)?;
        if self.exact.is_some() {
            return Some((at, at));
        }
        let (places, token) = self.walk(bytes, self.tokens.len());
        let (beside, _) = self.walk(fits, token);
        let into = at - places.last().copied().unwrap_or(at);
        Some((at, (beside.last()? + into).min(fits.len())))
    }

    /// Finds all places where what is known up to a token may end, as a matcher of regular expressions does. Returns
    /// them for the first token that does not fit, or for the token `until`.
    fn walk(&self, bytes: &[u8], until: usize) -> (Vec<usize>, usize) {
        let mut places = vec![0];
        let mut at = 0;
        while at < until {
            let mut through = 1;
            let next = match &self.tokens[at] {
                Token::Literal(literal) => after_literal(&places, bytes, literal),
                Token::Number => after_number(&places, bytes),
                Token::Padding(filler) => after_padding(&places, bytes, *filler),
                Token::Id(least, most) => after_identifier(&places, bytes, (*least, *most)),
                Token::Gap(least, most) => match self.tokens.get(at + 1) {
                    Some(Token::Literal(literal)) => {
                        through = 2;
                        after_gap(&places, bytes, (*least, *most), literal)
                    }
                    _ => {
                        let fits = |from: &usize| (*least..=*most).contains(&(bytes.len() - from));
                        if places.iter().any(fits) { vec![bytes.len()] } else { Vec::new() }
                    }
                },
            };
            if next.is_empty() {
                break;
            }
            places = next;
            at += through;
        }
        (places, at)
    }

    /// The first offset where something differs from run to run; `None` if nothing does.
    pub(super) fn first_gap(&self) -> Option<usize> {
        self.differs
    }

    /// Finds the start of the word that holds this byte of the first run.
    fn word_of(&self, at: usize) -> usize {
        let is_word = |byte: &&u8| byte.is_ascii_alphanumeric();
        at - self.first[..at].iter().rev().take_while(is_word).count()
    }
}

/// Number of bytes that both begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn after_literal(places: &[usize], bytes: &[u8], literal: &[u8]) -> Vec<usize> {
    places.iter().filter(|at| bytes[**at..].starts_with(literal)).map(|at| at + literal.len()).collect()
}

/// The places after the whole number that stands there.
fn after_number(places: &[usize], bytes: &[u8]) -> Vec<usize> {
    let mut after = Vec::new();
    for place in places {
        let mut at = *place;
        // A sum of durations has as many terms as the program happened to wait for.
        while let Some(length) = number(&bytes[at..]) {
            at += length;
            after.push(at);
            match bytes[at..].starts_with(PLUS) {
                true => at += PLUS.len(),
                false => break,
            }
        }
    }
    after.sort_unstable();
    after.dedup();
    after
}

/// The places after all the fillers of a column there.
fn after_padding(places: &[usize], bytes: &[u8], filler: u8) -> Vec<usize> {
    let run = |at: &usize| at + bytes[*at..].iter().take_while(|byte| **byte == filler).count();
    let mut after: Vec<usize> =
        places.iter().map(|at| (at, run(at))).filter(|(at, end)| end > at).map(|(_, end)| end).collect();
    after.dedup();
    after
}

/// The places after each byte that an identifier may end with.
fn after_identifier(places: &[usize], bytes: &[u8], (least, most): (usize, usize)) -> Vec<usize> {
    let mut after = Vec::new();
    for at in places {
        let run = bytes[*at..].iter().take(most).take_while(|byte| is_of_identifiers(**byte)).count();
        after.extend((least..=run).map(|length| at + length));
    }
    after.sort_unstable();
    after.dedup();
    after
}

fn after_gap(places: &[usize], bytes: &[u8], (least, most): (usize, usize), literal: &[u8]) -> Vec<usize> {
    let first = places.first().map_or(0, |at| (at + least).min(bytes.len()));
    let last = places.last().map_or(0, |at| (at + most + literal.len()).min(bytes.len()));
    let reach = |found: usize| places.iter().any(|at| (at + least..=at + most).contains(&found));
    let found = (first..last.saturating_sub(literal.len() - 1)).filter(|at| bytes[*at..].starts_with(literal));
    found.filter(|at| reach(*at)).map(|at| at + literal.len()).collect()
}

/// Number of bytes of `new` that differ only as such bytes always do: they are in a known gap, are other digits, are another
/// identifier, or are as many bytes that are not text.
fn kindred(old: &[Token], new: &[Token]) -> usize {
    let sum = |tokens: &[Token]| tokens.iter().map(|token| token.length().1).sum::<usize>();
    let gaps = old.iter().filter(|token| matches!(token, Token::Gap(..))).map(|token| token.length().1).sum::<usize>();
    let digits = Token::is_number;
    let text = |token: &Token| matches!(token, Token::Literal(one) if one.iter().all(|byte| byte.is_ascii()));
    let numbers = !old.is_empty() && old.iter().chain(new).all(digits);
    let binary = sum(old) == sum(new) && !(old.iter().all(text) && new.iter().all(text));
    if numbers || binary || are_identifiers(old, new) { sum(new) } else { sum(new).min(gaps) }
}

#[derive(Default)]
struct Merged {
    tokens: Vec<Token>,
}

impl Merged {
    /// Adds a token that is still the same.
    fn known(&mut self, token: &Token) {
        match (self.tokens.last_mut(), token) {
            // Nothing shows where one ends and the other begins.
            (Some(Token::Gap(least, most)), Token::Number | Token::Padding(_) | Token::Id(..)) => {
                let (shortest, longest) = token.length();
                (*least, *most) = (*least + shortest, *most + longest);
            }
            _ => self.tokens.push(token.clone()),
        }
    }

    /// Adds a gap for what was known there, and what stands there now.
    fn gap(&mut self, known: &[Token], new: &[Token]) {
        if let ([one], [other]) = (known, new)
            && one.is_number()
            && other.is_number()
        {
            return self.known(&Token::Number);
        }
        let span = |tokens: &[Token]| {
            let lengths = tokens.iter().map(Token::length);
            lengths.fold((0, 0), |sum, length| (sum.0 + length.0, sum.1 + length.1))
        };
        let (before, now) = (span(known), span(new));
        let (mut least, mut most) = (before.0.min(now.0), before.1.max(now.1));
        let is_known = matches!(known, [Token::Id(..) | Token::Gap(..)]) && (least, most) == before;
        if least != most && !is_known {
            // A number that has had two lengths may have others.
            (least, most) = (least / 2, most * 2 + 8);
        }
        if are_identifiers(known, new) {
            return self.known(&Token::Id(least, most));
        }
        match self.tokens.last_mut() {
            Some(Token::Gap(before, after)) => (*before, *after) = (*before + least, *after + most),
            _ => self.tokens.push(Token::Gap(least, most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(samples: &[&str]) -> Pattern {
        let mut pattern = Pattern::new(samples[0].as_bytes());
        for sample in &samples[1..] {
            pattern.learn(sample.as_bytes());
        }
        pattern
    }

    #[test]
    fn without_differences_every_byte_counts() {
        let pattern = learnt(&["hello", "hello"]);
        assert_eq!(pattern.first_gap(), None);
        assert_eq!(pattern.misfit(b"hello"), None);
        assert_eq!(pattern.misfit(b"help"), Some(3));
        assert_eq!(pattern.misfit(b"hell"), Some(4));
        assert_eq!(pattern.misfit(b"hello!"), Some(5));
        assert_eq!(learnt(&[""]).misfit(b""), None);
    }

    #[test]
    fn a_counter_is_a_gap_and_the_rest_still_counts() {
        let pattern = learnt(&["Ids: 12/34/56\r\nbody", "Ids: 12/34/57\r\nbody"]);
        assert_eq!(pattern.first_gap(), Some(11));
        assert_eq!(pattern.misfit(b"Ids: 12/34/01\r\nbody"), None);
        assert!(pattern.misfit(b"Ids: 12/35/01\r\nbody").is_some(), "the middle one has not been seen to change");
        assert!(pattern.misfit(b"Ids: 12/34/01\r\nbod").is_some(), "cut short");
        assert_eq!(pattern.misfit(b"Ids: 12/34/5\r\nbody"), None, "a number that differs may have any length");
        assert!(pattern.misfit(b"Ids: 12/34/xy\r\nbody").is_some(), "that is no number");
        assert!(pattern.misfit(b"").is_some());
    }

    #[test]
    fn a_table_around_a_time_of_day_may_have_any_width() {
        let table = |time: &str| {
            let (width, head) = (time.len() + 2, "now");
            format!("{head:^width$}\n{}\n {time}\n(1 row)\n", "-".repeat(width))
        };
        let pattern = learnt(&[&table("2026-11-26 23:39:58.859123+00"), &table("2026-11-26 23:39:58.912345+00")]);
        for time in ["2026-11-26 23:39:59+00", "2026-11-26 23:40:01.1+00", "2026-11-26 00:00:00.85912+00"] {
            assert_eq!(pattern.misfit(table(time).as_bytes()), None, "{time}");
        }
        assert!(pattern.misfit(table("2026-11-26 23:39:58.859123").as_bytes()).is_some(), "the zone counts");
        assert!(pattern.misfit(table("2026-11-26 23:39:58.859123+00").replace("(1", "(2").as_bytes()).is_some());
        assert!(pattern.misfit(table("2026-11-26 23:39:58.859123+00").replace('-', "").as_bytes()).is_some());
    }

    #[test]
    fn blanks_and_dashes_count_where_no_time_of_day_decides_on_them() {
        let pattern = learnt(&["a   b --- 12:34:56 c", "a   b --- 12:34:57 c"]);
        assert_eq!(pattern.misfit(b"a   b --- 13:00:00 c"), None, "an hour later");
        assert!(pattern.misfit(b"a  b --- 12:34:56 c").is_some());
        assert!(pattern.misfit(b"a   b -- 12:34:56 c").is_some());
        assert!(learnt(&["ids 1:2:3   x"]).misfit(b"ids 1:2:4   x").is_some(), "that is no time of day");
    }

    #[test]
    fn lengths_that_have_differed_may_differ() {
        let pattern = learnt(&["id=7;x", "id=1234;x"]);
        assert_eq!(pattern.misfit(b"id=99;x"), None);
        assert!(pattern.misfit(b"id=99;").is_some());
        let two = learnt(&["a=1,b=22", "a=333,b=4"]);
        assert_eq!(two.misfit(b"a=55,b=66"), None);
        assert!(two.misfit(b"a=55;b=66").is_some());
    }

    #[test]
    fn numbers_and_durations_may_have_any_length() {
        let taken = learnt(&["* OK Fetch completed (0.002 + 0.000 secs).\r\n"]);
        assert_eq!(taken.first_gap(), None, "nothing has differed yet");
        for other in [
            "(0.012 + 0.001 secs)",
            "(1.5 + 0.000 secs)",
            "(10.002 + 12 secs)",
            "(0.1 + 0.0 + 0.3 secs)",
            "(0.002 secs)",
        ] {
            assert_eq!(taken.misfit(format!("* OK Fetch completed {other}.\r\n").as_bytes()), None, "{other}");
        }
        assert!(taken.misfit(b"* OK Fetch completed (0.002 + 0.000 secs)").is_some(), "cut short");
        assert!(taken.misfit(b"* OK Fetch completed (0.002 + secs).\r\n").is_some(), "a number is missing");
        let number = learnt(&["took 9 ms, id=99", "took 11 ms, id=100"]);
        assert_eq!(number.misfit(b"took 1000 ms, id=5"), None);
        assert_eq!(number.first_gap(), Some(5));
        assert!(learnt(&["slept 15 s"]).misfit(b"slept 1 s").is_some(), "whole seconds may be the requested value");
        assert!(learnt(&["1.5"]).misfit(b"1.6").is_some(), "and so may a number be");
    }

    #[test]
    fn identifiers_may_be_any_and_are_still_no_text() {
        let uuids = ["ok 3b656383-90ac-40e6-a9f3-aa34a616061b one", "ok eeb7cb3e-7379-42dc-8d11-0a8b5f893be3 one"];
        let uuid = learnt(&uuids);
        assert_eq!(uuid.misfit(b"ok e655f8bd-3385-4be0-9ed6-ad73f5070c88 one"), None);
        assert_eq!(uuid.misfit(b"ok e655f8bd-3385-4be0-9ed6-ad73f5070c88 two"), Some(40));
        assert!(uuid.misfit(b"ok no, that is no good request of yours on one").is_some());
        let session = learnt(&["id=R9Zsp6QAH9XcAL4k;x", "id=/s0TcKubB60/7wcTkubBa0==;x"]);
        assert_eq!(session.misfit(b"id=MTIzNDU2Nzg5MDEyMzQ=;x"), None);
        assert!(session.misfit(b"id=not now, please;x").is_some());
        assert_eq!(session.misfit_beside(b"id=MTIzNDU2Nzg5MDEyMzQ=;y", b"id=R9Zsp6QAH9XcAL4k;x"), Some((24, 20)));
        assert!(learnt(&["all is right", "all is wrong"]).misfit(b"all is right").is_none());
        assert!(Pattern::new(b"everything is right").learn(b"something went wrong") < 0.5, "words are no identifiers");
    }

    #[test]
    fn gaps_begin_end_and_grow() {
        let pattern = learnt(&["1 x 1", "2 x 2", "3 x 3"]);
        assert_eq!(pattern.misfit(b"9 x 9"), None);
        assert_eq!(learnt(&["1", "2"]).misfit(b"3"), None);
        assert!(learnt(&["1", "2"]).misfit(b"").is_some());
    }

    #[test]
    fn a_part_is_not_like_the_whole() {
        let pattern = learnt(&["Date: 12:34:56\r\nbody", "Date: 12:34:57\r\nbody"]);
        assert!(pattern.likeness(b"Date: 12:35:01\r\nbody") > 0.8, "another minute");
        assert!(pattern.likeness(b"Date: 12:34") < 0.8);
        assert!(pattern.likeness(b"Date: 12:34:56\r\nbodyDate: 12:34:56\r\nbody") < 0.8);
    }

    #[test]
    fn what_two_runs_have_in_common_is_measured() {
        let mut pattern = Pattern::new(b"Traceback (most recent call last)");
        assert!(pattern.learn(b"hello\nworld\n") < 0.4);
        assert!(Pattern::new(b"Date: 1").learn(b"Date: 2") > 0.8);
        assert!(Pattern::new(b"1795354867.25").learn(b"1795354868.125") > 0.8, "nothing but a clock");
        assert!(Pattern::new(b"\x9a\x01q\xff\x1c").learn(b"\x02\xee\x13\x07z") > 0.8, "nothing but a lot");
        assert!(Pattern::new(b"right").learn(b"wrong") < 0.5);
    }
}
