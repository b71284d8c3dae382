//! The program `unstick`: reads its arguments, does what they say, and ends with an honest status.

#![allow(unreachable_pub)] // A program has no outside: `pub` marks what its modules offer each other.

mod advice;
mod args;
mod canvas;
mod complaints;
mod config;
mod count;
mod deadline;
mod frontend;
mod help;
mod hex;
mod io_format;
mod json_lines;
mod options;
mod output;
mod report;
mod run;
mod sanitize;
mod signals;
mod status;
mod style;
mod text_queue;
mod unpoisoned;
mod usage;
mod verb;
mod version;

use clap::{CommandFactory, FromArgMatches};

use args::Color;
use config::Config;
use status::Status;

fn main() {
    output::end_on_panic();
    let status = answer();
    // Ends at once: a thread that still reads standard input would hold a return from main back.
    output::exit(status)
}

fn answer() -> Status {
    let mut command = help::prepare(args::Cli::command());
    let typed: Vec<_> = std::env::args_os().collect();
    let config = Config::of_user(&typed, &command).and_then(|config| config.add_to(&typed, &command));
    let words = match config {
        Ok(words) => words,
        Err(error) => return report::failure(&error),
    };
    let matches = command.try_get_matches_from_mut(words);
    let parsed = matches.and_then(|matches| args::Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    match parsed {
        Ok((cli, matches)) => {
            output::set_colour(cli.color.unwrap_or(Color::Auto).into());
            run::run(cli, &matches).unwrap_or_else(|error| report::failure(&error))
        }
        Err(error) => usage::report(&error, &command),
    }
}
