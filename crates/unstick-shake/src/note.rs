//! A sentence about a run, and advice on what the caller can change.

use std::fmt;

use unstick::Advice;

/// A sentence about a run, and what a caller can change about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// What to change, if that is known. It is not part of the text.
    pub advice: Option<Advice>,
}

impl Note {
    pub(super) fn with_advice(self, advice: Advice) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// The text and the advice, in the words that `say` has for it.
    pub fn told(&self, say: impl Fn(&Advice) -> String) -> String {
        match &self.advice {
            Some(advice) => advice_behind(&self.text, &say(advice)),
            None => self.text.clone(),
        }
    }
}

/// Appends the advice: after a question it begins a new sentence.
fn advice_behind(text: &str, advice: &str) -> String {
    let mut letters = advice.chars();
    match letters.next() {
        Some(first) if text.ends_with('?') => format!("{text} {}{}", first.to_uppercase(), letters.as_str()),
        _ => format!("{text}; {advice}"),
    }
}

impl<T: Into<String>> From<T> for Note {
    fn from(text: T) -> Self {
        Self { text: text.into(), advice: None }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(Advice::to_string))
    }
}
