//! The program `unstick`: reads its arguments, does what they say, and ends with an honest status.

#![allow(unreachable_pub)] // A program has no outside: `pub` marks what its modules offer each other.

mod args;
mod ask;
mod bridge;
mod children;
mod complaints;
mod framings;
mod generate;
mod help;
mod json;
mod json_command;
mod lab;
mod misuse;
mod output;
mod payload;
mod peer_limits;
mod pipe;
mod plan;
mod prompt;
mod proxy;
mod report;
mod run;
mod screen;
mod secrets;
mod secure;
mod sendable;
mod shake;
mod signals;
mod terminal;
mod traffic;
mod visible;
mod websocket;

use clap::{CommandFactory, FromArgMatches};

use report::Status;

fn main() {
    output::end_on_panic();
    let status = answer();
    // Ends at once: a thread that still reads standard input would hold a return from main back.
    output::exit(status)
}

fn answer() -> Status {
    let mut command = help::prepare(args::Cli::command());
    let typed = command.try_get_matches_from_mut(std::env::args_os());
    let parsed = typed.and_then(|matches| args::Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    match parsed {
        Ok((cli, matches)) => run::run(cli, &matches).unwrap_or_else(|error| report::failure(&error)),
        Err(error) => misuse::report(&error, &command),
    }
}
