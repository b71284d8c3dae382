//! What runs of the same conversation have in common, byte by byte: their literal parts, and gaps where they differ.

use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// How long two runs are compared before what is left counts as all different: megabytes that have nothing in common would
/// otherwise take as many steps as both have bytes, multiplied.
const COMPARING: Duration = Duration::from_secs(1);

/// The parts of a byte string that a difference is reckoned in: a word or a number, or any other byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Token {
    Literal(Vec<u8>),
    /// Something that differs from run to run, in so many bytes.
    Gap(usize, usize),
}

/// Literal bytes, with gaps between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    /// As long as nothing differed.
    exact: Option<Vec<u8>>,
}

impl Pattern {
    /// One run's bytes.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { tokens: Vec::new(), exact: Some(bytes.to_vec()) }
    }

    /// Takes in another run's bytes: where they differ there are gaps from now on. Returns how much they have in common
    /// with what was known, from 0 to 1. Other digits, and as many other bytes that are no text, count as common: so differ
    /// a clock and a random value.
    pub(super) fn learn(&mut self, bytes: &[u8]) -> f64 {
        if self.misfit(bytes).is_none() {
            return 1.0;
        }
        if let Some(exact) = self.exact.take() {
            self.tokens = tokens(&exact);
        }
        let (merged, common, alike) = self.merge(bytes);
        self.tokens = merged;
        (common + alike) as f64 / bytes.len().max(1) as f64
    }

    /// How much of what is the same in all runs is in these bytes too, from 0 to 1; less if they are far longer.
    pub(super) fn likeness(&self, bytes: &[u8]) -> f64 {
        let mut known = self.clone();
        if let Some(exact) = known.exact.take() {
            known.tokens = tokens(&exact);
        }
        let (_, common, _) = known.merge(bytes);
        let literal = known.tokens.iter().map(|token| if let Token::Literal(one) = token { one.len() } else { 0 });
        let most: usize = known.tokens.iter().map(|token| token.length().1).sum();
        let share = |part: usize, whole: usize| if whole == 0 { 1.0 } else { (part as f64 / whole as f64).min(1.0) };
        share(common, literal.sum()).min(share(most, bytes.len()))
    }

    /// What is known once these bytes are too; how many of them were, and how many are of the same kind.
    fn merge(&self, bytes: &[u8]) -> (Vec<Token>, usize, usize) {
        let new = tokens(bytes);
        let mut merged = Merged::default();
        let (mut common, mut alike) = (0, 0);
        let deadline = Some(Instant::now() + COMPARING);
        for op in capture_diff_slices_deadline(Algorithm::Myers, &self.tokens, &new, deadline) {
            match op {
                DiffOp::Equal { old_index, len, .. } => {
                    for token in &self.tokens[old_index..old_index + len] {
                        common += token.length().1;
                        merged.tokens.push(token.clone());
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

    /// Where these bytes stop being what is known; `None`: nowhere.
    pub(super) fn misfit(&self, bytes: &[u8]) -> Option<usize> {
        if let Some(exact) = &self.exact {
            let same = exact.iter().zip(bytes).take_while(|(one, other)| one == other).count();
            return (same < exact.len().max(bytes.len())).then_some(same);
        }
        // All places where what is known up to a token may end, as in a matcher of regular expressions.
        let mut places = vec![0];
        let mut tokens = self.tokens.iter().peekable();
        while let Some(token) = tokens.next() {
            let next = match token {
                Token::Literal(literal) => after_literal(&places, bytes, literal),
                Token::Gap(least, most) => match tokens.next() {
                    Some(Token::Literal(literal)) => after_gap(&places, bytes, (*least, *most), literal),
                    _ => {
                        let fits = |from: &usize| (*least..=*most).contains(&(bytes.len() - from));
                        if places.iter().any(fits) { vec![bytes.len()] } else { Vec::new() }
                    }
                },
            };
            if next.is_empty() {
                return places.last().copied();
            }
            places = next;
        }
        if places.contains(&bytes.len()) { None } else { places.last().copied() }
    }

    /// Where something differs from run to run: the first offset; `None`: nowhere.
    pub(super) fn first_gap(&self) -> Option<usize> {
        if self.exact.is_some() {
            return None;
        }
        let literal = self.tokens.iter().take_while(|token| matches!(token, Token::Literal(_)));
        Some(literal.map(|token| token.length().0).sum())
    }
}

fn after_literal(places: &[usize], bytes: &[u8], literal: &[u8]) -> Vec<usize> {
    places.iter().filter(|at| bytes[**at..].starts_with(literal)).map(|at| at + literal.len()).collect()
}

fn after_gap(places: &[usize], bytes: &[u8], (least, most): (usize, usize), literal: &[u8]) -> Vec<usize> {
    let first = places.first().map_or(0, |at| (at + least).min(bytes.len()));
    let last = places.last().map_or(0, |at| (at + most + literal.len()).min(bytes.len()));
    let reach = |found: usize| places.iter().any(|at| (at + least..=at + most).contains(&found));
    let found = (first..last.saturating_sub(literal.len() - 1)).filter(|at| bytes[*at..].starts_with(literal));
    found.filter(|at| reach(*at)).map(|at| at + literal.len()).collect()
}

/// Bytes of `new` that stand where such bytes always change: in a known gap, digits for digits, or as many bytes where
/// they are no text.
fn kindred(old: &[Token], new: &[Token]) -> usize {
    let sum = |tokens: &[Token]| tokens.iter().map(|token| token.length().1).sum::<usize>();
    let gaps = old.iter().filter(|token| matches!(token, Token::Gap(..))).map(|token| token.length().1).sum::<usize>();
    let digits = |token: &Token| matches!(token, Token::Literal(one) if one.iter().all(u8::is_ascii_digit));
    let text = |token: &Token| matches!(token, Token::Literal(one) if one.iter().all(|byte| byte.is_ascii()));
    let numbers = !old.is_empty() && old.iter().chain(new).all(digits);
    let binary = sum(old) == sum(new) && !(old.iter().all(text) && new.iter().all(text));
    if numbers || binary { sum(new) } else { sum(new).min(gaps) }
}

impl Token {
    /// Bytes, at least and at most.
    fn length(&self) -> (usize, usize) {
        match self {
            Self::Literal(literal) => (literal.len(), literal.len()),
            Self::Gap(least, most) => (*least, *most),
        }
    }
}

#[derive(Default)]
struct Merged {
    tokens: Vec<Token>,
}

impl Merged {
    /// A gap for what was known there, and what stands there now.
    fn gap(&mut self, known: &[Token], new: &[Token]) {
        let span = |tokens: &[Token]| {
            let lengths = tokens.iter().map(Token::length);
            lengths.fold((0, 0), |sum, length| (sum.0 + length.0, sum.1 + length.1))
        };
        let (known, new) = (span(known), span(new));
        let (mut least, mut most) = (known.0.min(new.0), known.1.max(new.1));
        if least != most {
            // A number that has had two lengths may have others.
            (least, most) = (least / 2, most * 2 + 8);
        }
        match self.tokens.last_mut() {
            Some(Token::Gap(before, after)) => (*before, *after) = (*before + least, *after + most),
            _ => self.tokens.push(Token::Gap(least, most)),
        }
    }
}

fn tokens(bytes: &[u8]) -> Vec<Token> {
    bytes
        .chunk_by(|one, other| one.is_ascii_alphanumeric() && other.is_ascii_alphanumeric())
        .map(|chunk| Token::Literal(chunk.to_vec()))
        .collect()
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
    fn a_clock_is_a_gap_and_the_rest_still_counts() {
        let pattern = learnt(&["Date: 12:34:56\r\nbody", "Date: 12:34:57\r\nbody"]);
        assert_eq!(pattern.first_gap(), Some(12));
        assert_eq!(pattern.misfit(b"Date: 12:34:01\r\nbody"), None);
        assert!(pattern.misfit(b"Date: 12:35:01\r\nbody").is_some(), "minutes have not been seen to change");
        assert!(pattern.misfit(b"Date: 12:34:01\r\nbod").is_some(), "cut short");
        assert!(pattern.misfit(b"Date: 12:34:001\r\nbody").is_some(), "two digits were always two");
        assert!(pattern.misfit(b"").is_some());
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
