//! Whether a file is replaced: a person at a terminal is asked, once about each.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::sync::Mutex;

use bytes::Bytes;
use unstick::wire::quantity;
use unstick::wire::transfer::Entry;
use unstick::{Error, Result};

use crate::unpoisoned::unpoisoned;
use crate::{output, sanitize};

/// What was answered.
#[derive(Default)]
pub struct Question {
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    /// By path: the same is asked again after a connection was lost.
    known: BTreeMap<Bytes, bool>,
    /// The answer about all that follow.
    all: Option<bool>,
}

impl Question {
    /// With somebody there to answer.
    ///
    /// # Errors
    ///
    /// Where standard input is no terminal.
    pub fn new() -> Result<Self> {
        match std::io::stdin().is_terminal() {
            true => Ok(Self::default()),
            false => Err(Error::usage("--overwrite ask needs a terminal as standard input")),
        }
    }

    /// Whether a file of so many bytes is replaced.
    pub fn ask(&self, entry: &Entry, there: u64) -> bool {
        let mut answers = unpoisoned(self.answers.lock());
        if let Some(answer) = answers.known.get(&entry.path).copied().or(answers.all) {
            return answer;
        }
        let (name, there, size) =
            (sanitize::line_of_bytes(&entry.path), quantity::size(there), quantity::size(entry.size));
        output::plain(&format!("replace {name}, {there}, by the sender's, {size}? yes, no, all or none [no]"));
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let answer = match line.trim() {
            "y" | "yes" => true,
            "all" => *answers.all.insert(true),
            "none" => *answers.all.insert(false),
            // Who has gone is not asked again.
            _ if !matches!(read, Ok(1..)) => *answers.all.insert(false),
            _ => false,
        };
        answers.known.insert(entry.path.clone(), answer);
        answer
    }
}
