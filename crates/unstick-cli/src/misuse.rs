//! Wrong arguments → one sentence and a hint, in the words of every other error.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use unstick::Error;

use crate::report::{self, Status};

/// Says what was wrong with the arguments. Help and version come this way too, and are no error.
pub fn report(error: &clap::Error, command: &Command) -> Status {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed standard output is no error here either.
            let _ = error.print();
            Status::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let _ = error.print();
            Status::Usage
        }
        _ => report::failure(&explain(error, &verb(command))),
    }
}

/// The verb that was typed, for `unstick VERB --help`.
fn verb(command: &Command) -> String {
    let typed = std::env::args().nth(1).unwrap_or_default();
    match command.find_subcommand(&typed) {
        Some(verb) => format!("unstick {}", verb.get_name()),
        None => "unstick".to_owned(),
    }
}

fn explain(error: &clap::Error, verb: &str) -> Error {
    let arg = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    let help = format!("{verb} --help tells what it takes");
    let (what, hint) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = text(error, ContextKind::InvalidSubcommand);
            (format!("`{name}` is nothing that unstick does"), suggestion(error, ContextKind::SuggestedSubcommand))
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => {
            (format!("{verb} has no option {arg}"), suggestion(error, ContextKind::SuggestedArg))
        }
        ErrorKind::UnknownArgument => (format!("`{arg}` is one word too many for {verb}"), None),
        ErrorKind::InvalidValue if value.is_empty() => (format!("{} needs a value", option(&arg)), None),
        ErrorKind::InvalidValue => {
            let valid = list(error, ContextKind::ValidValue, ", ");
            (format!("{} cannot be `{value}`", option(&arg)), Some(format!("it is one of {valid}")))
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string);
            (format!("{} cannot be `{value}`", option(&arg)), why)
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = list(error, ContextKind::InvalidArg, " and ").replace(['<', '>'], "").replace("...", "");
            (format!("{verb} needs {missing}"), None)
        }
        ErrorKind::ArgumentConflict => {
            let prior = list(error, ContextKind::PriorArg, " and ");
            (format!("{} and {} exclude each other", option(&arg), option(&prior)), None)
        }
        _ => (first_line(error), None),
    };
    Error::usage(what).with_hint(hint.unwrap_or(help))
}

/// An argument as clap names it, without the name of its value: `--count <N>` is `--count`.
fn option(arg: &str) -> String {
    let end = arg.find(" <").unwrap_or(arg.len());
    arg[..end].replace(['<', '>'], "").replace("...", "")
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    list(error, kind, " and ")
}

fn list(error: &clap::Error, kind: ContextKind, between: &str) -> String {
    match error.get(kind) {
        Some(ContextValue::String(one)) => one.clone(),
        Some(ContextValue::Strings(many)) => many.join(between),
        _ => String::new(),
    }
}

fn suggestion(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let suggested = list(error, kind, "` or `");
    (!suggested.is_empty()).then(|| format!("did you mean `{suggested}`?"))
}

/// What clap says where nothing better is known.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
