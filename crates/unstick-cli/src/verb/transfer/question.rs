//! `--overwrite ask`: asks the user at the terminal whether to replace a file, once for each file.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::sync::Mutex;

use bytes::Bytes;
use unstick::wire::quantity;
use unstick::wire::transfer::Entry;
use unstick::{Error, Result};

use crate::unpoisoned::unpoisoned;
use crate::{output, sanitize};

/// The answers so far.
#[derive(Default)]
pub struct Question {
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    /// Answers by path. After a lost connection, the transfer asks again about the same file.
    known: BTreeMap<Bytes, bool>,
    /// The answer for all other files.
    all: Option<bool>,
}

impl Question {
    /// Checks that a user can answer.
    ///
    /// # Errors
    ///
    /// If standard input is not a terminal.
    pub fn new() -> Result<Self> {
        match std::io::stdin().is_terminal() {
            true => Ok(Self::default()),
            false => Err(Error::usage("--overwrite ask needs a terminal as standard input")),
        }
    }

    /// Asks whether to replace a file of `there` bytes.
    pub fn ask(&self, entry: &Entry, there: u64) -> bool {
        let mut answers = unpoisoned(self.answers.lock());
        if let Some(answer) = answers.known.get(&entry.path).copied().or(answers.all) {
            return answer;
        }
        let (name, there, size) =
            (sanitize::line_of_bytes(&entry.path), quantity::size(there), quantity::size(entry.size));
        output::plain(&format!("replace {name} ({there}) with the sender's file ({size})? yes, no, all or none [no]"));
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let answer = match line.trim() {
            "y" | "yes" => true,
            "all" => *answers.all.insert(true),
            "none" => *answers.all.insert(false),
            // At the end of input there is nobody to ask again.
            _ if !matches!(read, Ok(1..)) => *answers.all.insert(false),
            _ => false,
        };
        answers.known.insert(entry.path.clone(), answer);
        answer
    }
}
