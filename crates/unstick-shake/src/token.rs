//! Splits bytes into words, and finds among them what differs from run to run: numbers, times of day, durations,
//! identifiers.

/// The parts in which byte strings are compared: a word or a number, or any other byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Token {
    Literal(Vec<u8>),
    /// A number of any length, because it was seen to differ; or part of a duration or a time of day, which always may
    /// differ.
    Number,
    /// Any number of fillers of a column. If a time of day has a fraction, its last digits come and go.
    Padding(u8),
    /// Letters, digits and signs as in a UUID or in base64, which were seen to differ; the least and the most of them.
    Id(usize, usize),
    /// Something that differs from run to run; the least and the most bytes of it.
    Gap(usize, usize),
}

/// The sign between the terms of a sum.
pub(super) const PLUS: &[u8] = b" + ";

/// The length of the number that begins here: digits, and more digits after dots.
pub(super) fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut length = digits(0);
    if length == 0 {
        return None;
    }
    while bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    Some(length)
}

impl Token {
    /// The least and the most bytes.
    pub(super) fn length(&self) -> (usize, usize) {
        match self {
            Self::Literal(literal) => (literal.len(), literal.len()),
            Self::Number => (1, LONGEST_NUMBER),
            Self::Padding(_) => (1, WIDEST),
            Self::Id(least, most) | Self::Gap(least, most) => (*least, *most),
        }
    }

    /// The usual number of bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Number => USUAL_NUMBER,
            Self::Padding(_) => USUAL_PADDING,
            other => other.length().1,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        match self {
            Self::Literal(one) => number(one) == Some(one.len()),
            Self::Number => true,
            Self::Id(..) | Self::Gap(..) | Self::Padding(_) => false,
        }
    }
}

/// Maximum bytes of a number of any length, as many as 64 bits and their fraction have; and the usual number of bytes.
const LONGEST_NUMBER: usize = 24;
const USUAL_NUMBER: usize = 4;

/// The same for the fillers of a column.
const WIDEST: usize = 256;
const USUAL_PADDING: usize = 16;

/// The least length of an identifier that counts as one word, with any signs; and of one that is only letters and
/// digits.
const IDENTIFIER: usize = 16;
const SHORT_IDENTIFIER: usize = 8;

/// Whether a byte occurs in identifiers: hexadecimal digits, base64 and its other alphabet, UUIDs.
pub(super) fn is_of_identifiers(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// The length of the identifier that begins here: a UUID, or base64 with its padding.
fn identifier(bytes: &[u8]) -> Option<usize> {
    let uuid = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let run = bytes.iter().take_while(|byte| is_of_identifiers(**byte) && **byte != b'=').count();
    if run == 36 && bytes[..run].iter().enumerate().all(uuid) {
        return Some(run);
    }
    let filling = bytes[run..].iter().take(2).take_while(|byte| **byte == b'=').count();
    (run >= IDENTIFIER && is_base64(&bytes[..run])).then_some(run + filling)
}

/// Whether these are capital letters, small letters and digits, mixed: no words with signs between them.
fn is_base64(bytes: &[u8]) -> bool {
    let kind = |byte: &u8| (byte.is_ascii_digit(), byte.is_ascii_lowercase(), byte.is_ascii_uppercase());
    let changes = bytes.windows(2).filter(|pair| kind(&pair[0]) != kind(&pair[1])).count();
    let has = |is: fn(&u8) -> bool| bytes.iter().any(is);
    has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && changes * 3 >= bytes.len()
}

/// Whether these are digits and small or capital letters, some of each: usually hexadecimal digits.
fn is_mixed(bytes: &[u8]) -> bool {
    bytes.len() >= SHORT_IDENTIFIER
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && bytes.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether these tokens, from the same place in two runs, are two identifiers: one looks like one, the other may be
/// one.
pub(super) fn are_identifiers(one: &[Token], other: &[Token]) -> bool {
    let bytes = |tokens: &[Token]| {
        let mut bytes = Vec::new();
        let mut known = false;
        for token in tokens {
            match token {
                Token::Literal(literal) if literal.iter().all(|byte| is_of_identifiers(*byte)) => bytes.extend(literal),
                Token::Id(..) => known = true,
                _ => return None,
            }
        }
        let random = known || is_mixed(&bytes) || identifier(&bytes) == Some(bytes.len());
        (!tokens.is_empty()).then_some(random)
    };
    matches!((bytes(one), bytes(other)), (Some(one), Some(other)) if one || other)
}

pub(super) fn tokens(bytes: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let word = match bytes[at] {
            // A number decides the width of these.
            filler @ (b' ' | b'-' | b'=') => bytes[at..].iter().take_while(|byte| **byte == filler).count(),
            _ => bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count().max(1),
        };
        let length = match (identifier(&bytes[at..]), number(&bytes[at..])) {
            (Some(length), _) => length,
            (None, Some(length)) if length >= word => length,
            _ => word,
        };
        tokens.push(Token::Literal(bytes[at..at + length].to_vec()));
        at += length;
    }
    find_durations(&mut tokens);
    find_clocks(&mut tokens);
    tokens
}

/// Marks numbers before a unit of time, and sums of them: `0.002 + 0.000 secs`. Whole seconds stay as they are.
fn find_durations(tokens: &mut Vec<Token>) {
    const UNITS: [&[u8]; 14] = [
        b"s",
        b"sec",
        b"secs",
        b"second",
        b"seconds",
        b"ms",
        b"msec",
        b"msecs",
        b"us",
        b"usec",
        b"usecs",
        b"ns",
        b"milliseconds",
        b"microseconds",
    ];
    let mut unit: Option<&[u8]> = None;
    for token in tokens.iter_mut().rev() {
        let Token::Literal(literal) = token else { continue };
        let is_number = number(literal) == Some(literal.len());
        let is_unit = UNITS.iter().find(|unit| literal.eq_ignore_ascii_case(unit));
        if let (true, Some(unit)) = (is_number, unit) {
            if literal.contains(&b'.') || !unit.starts_with(b"s") {
                *token = Token::Number;
            }
        } else if let Some(found) = is_unit {
            unit = Some(found);
        } else if !matches!(literal[..], [b' ' | b'+' | b'/' | b',']) {
            unit = None;
        }
    }
    add_up(tokens);
}

/// Marks times of day: `12:34:56`, and with a fraction `12:34:56.789`, on which the width of a table may depend.
fn find_clocks(tokens: &mut [Token]) {
    let digits = |token: &Token| match token {
        Token::Literal(one) if number(one) == Some(one.len()) => {
            one.iter().position(|byte| *byte == b'.').or(Some(one.len()))
        }
        _ => None,
    };
    let colon = |token: &Token| matches!(token, Token::Literal(one) if one == b":");
    let mut wide = false;
    for at in 0..tokens.len().saturating_sub(4) {
        let [hours, one, minutes, other, seconds] = &tokens[at..at + 5] else { continue };
        let clock = colon(one) && colon(other) && digits(hours).is_some_and(|digits| digits <= 2);
        if clock && digits(minutes) == Some(2) && digits(seconds) == Some(2) {
            wide |= seconds.length().0 > 2;
            for part in [at, at + 2, at + 4] {
                tokens[part] = Token::Number;
            }
        }
    }
    for token in tokens.iter_mut().filter(|_| wide) {
        if let Token::Literal(one) = token
            && let [filler @ (b' ' | b'-' | b'='), _, ..] = one[..]
        {
            *token = Token::Padding(filler);
        }
    }
}

/// Makes one token of a sum of durations: `0.002 + 0.000 secs` and `0.002 + 0.000 + 0.001 secs` differ in time alone.
fn add_up(tokens: &mut Vec<Token>) {
    let is = |token: Option<&Token>, sign: &[u8]| matches!(token, Some(Token::Literal(literal)) if literal == sign);
    let mut at = 0;
    while at < tokens.len() {
        let is_number = |at: usize| matches!(tokens.get(at), Some(Token::Number));
        let is_sum = is(tokens.get(at + 1), b" ") && is(tokens.get(at + 2), b"+") && is(tokens.get(at + 3), b" ");
        match is_number(at) && is_sum && is_number(at + 4) {
            true => drop(tokens.drain(at + 1..at + 5)),
            false => at += 1,
        }
    }
}
