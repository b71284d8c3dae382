//! The words of one phase of a framing spec, which the framing's parser takes one by one.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::SpecError;
use crate::{limits, quantity};

/// The words of one phase, taken one by one; a word that nothing took is an error.
pub(crate) struct Args<'a> {
    name: &'a str,
    positional: std::vec::IntoIter<&'a str>,
    keys: Vec<(&'a str, &'a str)>,
    /// The longest message in bytes, as `max=` says.
    pub(crate) max: usize,
}

impl<'a> Args<'a> {
    /// Splits the text between two slashes of a spec.
    pub(crate) fn split(text: &'a str) -> Result<Self, SpecError> {
        let (name, rest) = text.split_at(text.find([':', ',']).unwrap_or(text.len()));
        if name.is_empty() {
            return Err(SpecError::new("a framing is missing").with_hint("such as `line`, `u32be` or `struct:i`"));
        }
        let mut positional = Vec::new();
        let mut keys = Vec::new();
        for (i, word) in rest.split(',').enumerate() {
            // The first word holds the arguments; but `length:off=1` begins with a key.
            let word = if i == 0 { word.strip_prefix(':').unwrap_or(word) } else { word };
            match word.split_once('=') {
                // `struct:=I` is an argument whose first letter is `=`, not a key without a name.
                Some((key, value)) if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic()) => {
                    keys.push((key, value))
                }
                None if i > 0 && word == "keep" => keys.push((word, "yes")),
                _ if i == 0 => positional = rest.split(',').next().unwrap_or("").split(':').skip(1).collect(),
                _ => return Err(SpecError::new(format!("`{word}` in `{text}` is not a key=value"))),
            }
        }
        Ok(Self { name, positional: positional.into_iter(), keys, max: limits::MAX_MESSAGE })
    }

    /// The framing's name as written.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// The next argument after a colon.
    pub(crate) fn argument(&mut self) -> Option<&'a str> {
        self.positional.next()
    }

    /// The next argument, which must be there.
    pub(crate) fn required(&mut self, what: &str) -> Result<&'a str, SpecError> {
        let name = self.name;
        self.argument().filter(|word| !word.is_empty()).ok_or_else(|| SpecError::new(format!("`{name}` needs {what}")))
    }

    /// The next argument as a whole number within bounds.
    pub(crate) fn count(&mut self, bounds: RangeInclusive<u64>, what: &str) -> Result<u64, SpecError> {
        let name = self.name;
        let word = self.required(what)?;
        quantity::parse_number(word).filter(|n| bounds.contains(n)).ok_or_else(|| {
            SpecError::new(format!("`{name}:{word}`: a number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    /// The next argument as bytes in hexadecimal.
    pub(crate) fn hex(&mut self, most: usize, what: &str) -> Result<Vec<u8>, SpecError> {
        let word = self.required(what)?;
        parse_hex(word, most).ok_or_else(|| not_hex(word, most))
    }

    pub(crate) fn duration(&mut self, what: &str) -> Result<Duration, SpecError> {
        let word = self.required(what)?;
        quantity::parse_duration(word).filter(|duration| !duration.is_zero()).ok_or_else(|| {
            SpecError::new(format!("`{word}` is not a duration such as 100ms or 2s")).with_hint(quantity::DURATIONS)
        })
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(k, _)| *k == key)
    }

    /// Takes a key's value.
    pub(crate) fn value(&mut self, key: &str) -> Option<&'a str> {
        let at = self.keys.iter().position(|(k, _)| *k == key)?;
        Some(self.keys.remove(at).1)
    }

    pub(crate) fn number(&mut self, key: &str, bounds: RangeInclusive<u64>) -> Result<Option<u64>, SpecError> {
        let Some(text) = self.value(key) else { return Ok(None) };
        let number = quantity::parse_number(text).filter(|n| bounds.contains(n));
        number.map(Some).ok_or_else(|| {
            SpecError::new(format!("{key}={text}: a number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    pub(crate) fn signed(&mut self, key: &str) -> Result<Option<i64>, SpecError> {
        let Some(text) = self.value(key) else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let number = quantity::parse_number::<i64>(digits).filter(|n| *n <= limits::LARGEST_MAX as i64);
        let number = number.map(|n| if digits == text { n } else { -n });
        number.map(Some).ok_or_else(|| SpecError::new(format!("{key}={text}: a number such as -4 or 20")))
    }

    pub(crate) fn mask(&mut self, key: &str) -> Result<Option<u64>, SpecError> {
        let Some(text) = self.value(key) else { return Ok(None) };
        let mask = quantity::parse_hex_number(text).filter(|mask| *mask != 0);
        mask.map(Some).ok_or_else(|| SpecError::new(format!("{key}={text}: hexadecimal digits, such as 7fffffff")))
    }

    pub(crate) fn bytes(&mut self, key: &str, most: usize) -> Result<Option<Vec<u8>>, SpecError> {
        let Some(text) = self.value(key) else { return Ok(None) };
        parse_hex(text, most).map(Some).ok_or_else(|| not_hex(text, most))
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<bool, SpecError> {
        match self.value(key) {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => Err(SpecError::new(format!("{key}={other}: yes or no"))),
        }
    }

    /// Refuses words that nothing took.
    pub(crate) fn nothing_left(&mut self) -> Result<(), SpecError> {
        let name = self.name;
        if let Some(word) = self.positional.next() {
            return Err(SpecError::new(format!("`{name}` takes no further argument `{word}`")));
        }
        match self.keys.first() {
            None => Ok(()),
            Some((key, _)) => {
                Err(SpecError::new(format!("`{name}` does not know the key `{key}`, or it was given twice")))
            }
        }
    }
}

fn not_hex(word: &str, most: usize) -> SpecError {
    SpecError::new(format!("`{word}` is not 1 to {most} bytes in hexadecimal, such as 0d0a"))
}

/// Bytes from pairs of hexadecimal digits.
pub(crate) fn parse_hex(text: &str, most: usize) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() / 2 > most {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}
