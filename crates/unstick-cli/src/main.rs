//! The program `unstick`: reads its arguments, does what they say, and ends with an honest status.

#![allow(unreachable_pub)] // A program has no outside: `pub` marks what its modules offer each other.

mod args;
mod ask;
mod framings;
mod generate;
mod json;
mod output;
mod pipe;
mod plan;
mod prompt;
mod report;
mod run;
mod terminal;
mod visible;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

fn main() -> ExitCode {
    output::restore_on_panic();
    let matches = match args::Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return report::arguments(&error),
    };
    let result = match args::Cli::from_arg_matches(&matches) {
        Ok(cli) => run::run(cli, &matches),
        Err(error) => return report::arguments(&error),
    };
    let status = match result {
        Ok(status) => status,
        Err(error) => report::failure(&error),
    };
    // Ends at once: a thread that still reads standard input would hold a return from main back.
    output::exit(status)
}
