//! Handles keys for which rustyline would wait for the next one. Here each is one step, so that messages are still
//! shown.
//!
//! In rustyline, a search of the history and a choice of completions read keys and do nothing else. And if ^C ends
//! reading, text that was typed after it is lost with the line. Here ^C empties the line, and reading goes on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use rustyline::completion::{FilenameCompleter, Pair, longest_common_prefix};
use rustyline::{Cmd, ConditionalEventHandler, Event, EventContext, Movement, RepeatCount};

use super::command::COMMANDS;
use super::screen::PromptScreen;
use crate::sanitize;
use crate::unpoisoned::unpoisoned;

/// Most completions that are shown: more do not help.
const SHOWN: usize = 40;

/// Lines that ^R can find, oldest first.
#[derive(Default)]
pub(super) struct Earlier {
    lines: Mutex<VecDeque<String>>,
}

impl Earlier {
    /// Adds a line. Beyond `most` lines the oldest is dropped.
    pub(super) fn add(&self, line: &str, most: usize) {
        let mut lines = lock(&self.lines);
        lines.push_back(line.to_owned());
        if lines.len() > most {
            lines.pop_front();
        }
    }

    /// Returns the last line before this place that holds the needle and differs from `other`, and its place.
    fn find(&self, needle: &str, before: usize, other: &str) -> Option<(usize, String)> {
        let lines = lock(&self.lines);
        let at = lines.iter().take(before).rposition(|line| line.contains(needle) && line != other)?;
        Some((at, lines[at].clone()))
    }
}

/// ^R: finds the last line that holds the typed text; again, the one before it. The cursor is at the line's start,
/// where rustyline leaves it.
pub(super) struct Find {
    pub(super) screen: Arc<PromptScreen>,
    pub(super) earlier: Arc<Earlier>,
    found: Mutex<Option<Found>>,
}

/// The line that ^R has found.
struct Found {
    needle: String,
    line: String,
    at: usize,
}

impl Find {
    pub(super) fn new(screen: Arc<PromptScreen>, earlier: Arc<Earlier>) -> Self {
        Self { screen, earlier, found: Mutex::new(None) }
    }
}

impl ConditionalEventHandler for Find {
    fn handle(&self, _event: &Event, _n: RepeatCount, _positive: bool, context: &EventContext) -> Option<Cmd> {
        let mut found = lock(&self.found);
        let (needle, before) = match found.take().filter(|found| found.line == context.line()) {
            Some(last) => (last.needle, last.at),
            None => (context.line().to_owned(), usize::MAX),
        };
        if needle.is_empty() {
            self.screen.say("type a part of an earlier line, then ^R (again for older)\n");
            return Some(Cmd::Noop);
        }
        match self.earlier.find(&needle, before, context.line()) {
            Some((at, line)) => {
                *found = Some(Found { needle, line: line.clone(), at });
                Some(Cmd::Replace(Movement::WholeBuffer, Some(line)))
            }
            None => {
                self.screen.say(&format!("no earlier line has \"{}\" in it\n", sanitize::line(&needle)));
                Some(Cmd::Noop)
            }
        }
    }
}

/// Tab: completes commands, and the path after `/file`. In a text it is a tab.
pub(super) struct Complete {
    pub(super) screen: Arc<PromptScreen>,
    pub(super) files: FilenameCompleter,
}

impl Complete {
    /// Returns the possible continuations of the line, and where they start.
    fn candidates(&self, line: &str) -> (usize, Vec<Pair>) {
        if line.starts_with("/file ") {
            return self.files.complete_path(line, line.len()).unwrap_or_default();
        }
        let known = COMMANDS.iter().map(|command| format!("/{}", command.name));
        let fitting = known.filter(|name| name.starts_with(line));
        (0, fitting.map(|name| Pair { replacement: name.clone() + " ", display: name }).collect())
    }
}

impl ConditionalEventHandler for Complete {
    fn handle(&self, _event: &Event, n: RepeatCount, _positive: bool, context: &EventContext) -> Option<Cmd> {
        let line = context.line();
        if !line.starts_with('/') || line.starts_with("//") {
            return Some(Cmd::Insert(n, "\t".to_owned()));
        }
        if context.pos() < line.len() {
            return Some(Cmd::Noop);
        }
        let (start, candidates) = self.candidates(line);
        let common = longest_common_prefix(&candidates).unwrap_or_default();
        match common.strip_prefix(&line[start..]) {
            Some("") => {}
            Some(rest) => return Some(Cmd::Insert(1, rest.to_owned())),
            // A path that must be escaped differs from the typed text.
            None if candidates.len() == 1 => {
                return Some(Cmd::Replace(Movement::WholeBuffer, Some(line[..start].to_owned() + common)));
            }
            None => {}
        }
        if candidates.len() > 1 {
            let shown = candidates.iter().take(SHOWN).map(|one| sanitize::line(&one.display));
            let shown = shown.collect::<Vec<_>>().join("  ");
            let more = candidates.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!("  and {more} more") } else { String::new() };
            self.screen.say(&format!("{shown}{more}\n"));
        }
        Some(Cmd::Noop)
    }
}

/// ^C: drops the typed line, which stays visible. On an empty line it ends the program.
pub(super) struct DropLine(pub(super) Arc<PromptScreen>);

impl ConditionalEventHandler for DropLine {
    fn handle(&self, _event: &Event, _n: RepeatCount, _positive: bool, context: &EventContext) -> Option<Cmd> {
        if context.line().is_empty() {
            return None;
        }
        let prompt = self.0.recipients(|recipients, shown| recipients.prompt(shown));
        self.0.say(&format!("{prompt}{}\n", sanitize::line(context.line())));
        Some(Cmd::Kill(Movement::WholeBuffer))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_holds_it_comes_first() {
        let earlier = Earlier::default();
        for line in ["one fish", "two fish", "no bird", "two fish"] {
            earlier.add(line, 3);
        }
        let find = |before, other| earlier.find("fish", before, other);
        assert_eq!(find(usize::MAX, "fish"), Some((2, "two fish".into())));
        assert_eq!(
            find(2, "two fish"),
            None,
            "an equal line does not count as an earlier one, and the oldest was dropped"
        );
        assert_eq!(find(2, ""), Some((0, "two fish".into())));
    }

    #[test]
    fn commands_are_completed_as_far_as_they_are_clear() {
        let screen = Arc::new(PromptScreen::new(true, false));
        let complete = Complete { screen, files: FilenameCompleter::new() };
        let names =
            |line: &str| complete.candidates(line).1.iter().map(|pair| pair.display.clone()).collect::<Vec<_>>();
        assert_eq!(names("/he"), ["/hex", "/help"]);
        assert_eq!(names("/hel"), ["/help"]);
        assert_eq!(names("/x"), [""; 0]);
    }
}
