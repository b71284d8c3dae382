//! What runs of the same conversation have in common, byte by byte: their literal parts, and gaps where they differ.

use similar::{Algorithm, DiffOp, capture_diff_slices};

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
    /// with what was known, from 0 to 1.
    pub(super) fn learn(&mut self, bytes: &[u8]) -> f64 {
        if self.misfit(bytes).is_none() {
            return 1.0;
        }
        if let Some(exact) = self.exact.take() {
            self.tokens = tokens(&exact);
        }
        let new = tokens(bytes);
        let mut merged = Merged::default();
        let mut common = 0;
        for op in capture_diff_slices(Algorithm::Myers, &self.tokens, &new) {
            match op {
                DiffOp::Equal { old_index, len, .. } => {
                    for token in &self.tokens[old_index..old_index + len] {
                        common += token.length().1;
                        merged.tokens.push(token.clone());
                    }
                }
                other => merged.gap(&self.tokens[other.old_range()], &new[other.new_range()]),
            }
        }
        self.tokens = merged.tokens;
        common as f64 / bytes.len().max(1) as f64
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
    fn what_two_runs_have_in_common_is_measured() {
        let mut pattern = Pattern::new(b"Traceback (most recent call last)");
        assert!(pattern.learn(b"hello\nworld\n") < 0.4);
        assert!(Pattern::new(b"Date: 1").learn(b"Date: 2") > 0.8);
    }
}
