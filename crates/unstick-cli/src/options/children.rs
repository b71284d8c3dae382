//! Commands that run for messages (`--each`) and connections (`exec:`): how many at once, and how a terminal shows
//! their errors.

use std::io::IsTerminal;

use clap::Args;
use unstick::endpoint::Options;
use unstick::service::talk::{AutoReply, Config};
use unstick::{Address, Error, Errors, Processes, Result};

use crate::{output, sanitize};

/// How to run commands.
#[derive(Debug, Args)]
pub struct Children {
    /// Run at most N processes of --each and exec: at once; later messages and connections wait [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_processes: Option<u32>,
}

/// Number of bytes of a line of standard error that is shown in one piece; a longer line is split.
const LONGEST_LINE: usize = 4096;

/// The processes for commands, with the limit that the user set or the default one. Commands write errors to this
/// program's standard error. If that is a terminal, this program shows them instead and makes them safe: they may quote
/// what a peer sent.
pub fn processes(asked: Option<u32>) -> Processes {
    let processes = asked.map_or_else(Processes::default, |most| Processes::at_most(most as usize));
    match std::io::stderr().is_terminal() {
        true => processes.errors_to(|| lines(output::plain)),
        false => processes,
    }
}

impl Children {
    /// Applies the limit to whatever here runs commands: these ends, or the answers to messages.
    pub fn apply(&self, rules: Option<&mut Config>, ends: &mut [(&Address, &mut Options)]) -> Result<()> {
        let each = rules.as_ref().is_some_and(|rules| matches!(rules.answer, AutoReply::Each(_)));
        let runs = each || ends.iter().any(|(address, _)| matches!(address, Address::Exec(_)));
        if self.max_processes.is_some() && !runs {
            return Err(Error::usage("--max-processes is for the commands of --each and exec:, and none runs here")
                .with_hint("--max-peers N is for peers at once"));
        }
        let processes = processes(self.max_processes);
        if let Some(rules) = rules {
            rules.processes = processes.clone();
        }
        for (_, options) in ends {
            options.processes = processes.clone();
        }
        Ok(())
    }
}

/// Shows output line by line; an unfinished last line when the output ends.
fn lines(show: impl Fn(&str) + Send + 'static) -> Errors {
    let mut held: Vec<u8> = Vec::new();
    Box::new(move |piece| {
        held.extend_from_slice(piece);
        while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = held.drain(..=end).collect();
            show(&sanitize::line_of_bytes(&line[..end]));
        }
        if !held.is_empty() && (piece.is_empty() || held.len() >= LONGEST_LINE) {
            show(&sanitize::line_of_bytes(&std::mem::take(&mut held)));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn errors_are_shown_line_by_line_and_safely() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        let mut errors = lines(move |line: &str| seen.lock().unwrap().push(line.to_owned()));
        errors(b"one\ntw");
        errors("o \x1b[2J\u{9b}2J\n".as_bytes());
        errors(&vec![b'x'; LONGEST_LINE]);
        errors(b"last\xff");
        errors(b"");
        let long = "x".repeat(LONGEST_LINE);
        assert_eq!(*shown.lock().unwrap(), ["one", "two \\x1b[2J\\u{9b}2J", &long, "last\\xff"]);
    }
}
