//! The program `unstick`: reads its arguments, does what they say, and exits with an honest status.

#![allow(unreachable_pub)] // A program has no outside: `pub` marks what its modules offer each other.

mod advice;
mod args;
mod ascii_words;
mod canvas;
mod captured;
mod complaints;
mod config;
mod count;
mod deadline;
mod fitting;
mod frame_dump;
mod frontend;
mod help;
mod hex;
mod input_file;
mod io_format;
mod json_lines;
mod json_text;
mod junit;
mod options;
mod output;
mod packets;
mod passed_text;
mod private_file;
mod recorder;
mod report;
mod run;
mod runtimes;
mod samples;
mod sanitize;
mod scene;
#[cfg(unix)]
mod scenes;
mod signals;
mod status;
mod style;
mod text_queue;
mod timeline;
mod unpoisoned;
mod usage;
mod user_folders;
mod verb;
mod version;

use std::ffi::OsString;

use clap::{ArgMatches, Command, FromArgMatches};

use args::{Cli, Color};
use config::Config;
use status::Status;

fn main() {
    output::end_on_panic();
    let status = answer();
    // Exits at once: a thread that still reads standard input would delay a return from main.
    output::exit(status)
}

fn answer() -> Status {
    let typed: Vec<_> = std::env::args_os().collect();
    let alone = typed.get(1).and_then(|verb| verb.to_str()).and_then(Cli::with_verb_alone);
    let is_alone = alone.is_some();
    let mut command = alone.unwrap_or_else(Cli::whole);
    let config = match Config::of_user(&typed, &command) {
        Ok(config) => config,
        Err(error) => return report::failure(&error),
    };
    if is_alone
        && config.is_empty()
        && let Ok((cli, matches)) = parse(&mut command, typed.clone())
    {
        // The program ends with its run: freeing hundreds of options gains nothing.
        std::mem::forget(command);
        return run(cli, &matches);
    }
    // Help and error messages may name any verb.
    let mut command = if is_alone { Cli::whole() } else { command };
    let words = match config.add_to(&typed, &command) {
        Ok(words) => words,
        Err(error) => return report::failure(&error),
    };
    match parse(&mut command, words) {
        Ok((cli, matches)) => run(cli, &matches),
        Err(error) => usage::report(&error, &command),
    }
}

fn parse(command: &mut Command, words: Vec<OsString>) -> Result<(Cli, ArgMatches), clap::Error> {
    let matches = command.try_get_matches_from_mut(words)?;
    Ok((Cli::from_arg_matches(&matches)?, matches))
}

fn run(cli: Cli, matches: &ArgMatches) -> Status {
    output::set_colour(cli.every.color.unwrap_or(Color::Auto).into());
    run::run(cli, matches).unwrap_or_else(|error| report::failure(&error))
}
