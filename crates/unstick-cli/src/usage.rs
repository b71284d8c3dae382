//! Turns wrong arguments into one sentence and a hint, in the words of every other error.

mod netcat;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, ValueEnum};
use colorchoice::ColorChoice;
use unstick::Error;

use crate::args::Color;
use crate::help;
use crate::output;
use crate::report;
use crate::status::Status;

/// Reports what is wrong with the arguments. Help and version arrive here too, and are not errors.
pub fn report(error: &clap::Error, command: &Command) -> Status {
    output::set_colour(colour_of(&words()));
    match error.kind() {
        ErrorKind::DisplayHelp => match help::screen(&words(), command) {
            Some(screen) => output::print(&screen),
            None => output::styled(&error.render()),
        },
        ErrorKind::DisplayVersion => output::styled(&error.render()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            output::guide(&error.render());
            Status::Usage
        }
        _ => report::failure(&explain(error, verb(command).as_deref(), command)),
    }
}

/// Returns the sentence alone, for an error whose place is printed in front.
pub fn sentence(error: &clap::Error, command: &Command) -> String {
    explain(error, verb(command).as_deref(), command).to_string()
}

/// Returns the words that were typed after the program's name.
fn words() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Returns the value of `--color`, for arguments that clap did not parse to their end.
fn colour_of(words: &[String]) -> ColorChoice {
    let typed = words.iter().enumerate().filter_map(|(at, word)| match word.strip_prefix("--color")? {
        "" => words.get(at + 1).map(String::as_str),
        value => value.strip_prefix('='),
    });
    let mut known = typed.filter_map(|value| Color::from_str(value, false).ok());
    known.next_back().unwrap_or(Color::Auto).into()
}

/// Returns the typed verb, with its own subcommand if it has some: `generate dissector`.
fn verb(command: &Command) -> Option<String> {
    let mut typed = std::env::args_os().skip(1);
    let verb = command.find_subcommand(typed.next()?)?;
    let inner = typed.next().and_then(|word| verb.find_subcommand(word));
    let words = [Some(verb), inner].into_iter().flatten().map(Command::get_name);
    Some(words.collect::<Vec<_>>().join(" "))
}

fn explain(error: &clap::Error, typed: Option<&str>, command: &Command) -> Error {
    let arg = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    let verb = typed.unwrap_or("unstick");
    let help = match typed {
        Some("help") | None => VERBS.to_owned(),
        Some(verb) => format!("unstick {verb} --help lists its options"),
    };
    let (what, hint) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = text(error, ContextKind::InvalidSubcommand);
            let meant = netcat::verb(&name).filter(|_| typed.is_none());
            (no_verb(&name, typed), meant.or_else(|| suggestion(error, ContextKind::SuggestedSubcommand)))
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') && typed.is_none() => {
            let words = words();
            let verb = words.iter().find(|word| command.find_subcommand(word).is_some());
            let hint = match verb {
                Some(verb) => Some(format!("options come after the verb, as in unstick {verb} {arg}")),
                None => netcat::command(&words).or_else(|| behind_the_verb(command, &arg)),
            };
            (format!("expected a verb, found {arg}"), Some(hint.unwrap_or(VERBS.to_owned())))
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => {
            let hint = netcat::option(&arg, verb).or_else(|| elsewhere(command, &arg));
            (format!("{verb} has no option {arg}"), hint.or_else(|| suggestion(error, ContextKind::SuggestedArg)))
        }
        ErrorKind::UnknownArgument => (too_many(&arg, verb), None),
        ErrorKind::TooManyValues => (too_many(&value, verb), None),
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
            let what = bare(&list(error, ContextKind::InvalidArg, " and ")).replace("--frame ", "-f ");
            (format!("{verb} needs {what}"), example(verb))
        }
        ErrorKind::ArgumentConflict => {
            let prior = list(error, ContextKind::PriorArg, " and ");
            (format!("{} and {} exclude each other", option(&arg), option(&prior)), None)
        }
        ErrorKind::InvalidUtf8 => {
            let hint = "--send-hex and --send-file send any bytes".to_owned();
            ("an argument is not text in UTF-8".to_owned(), Some(hint))
        }
        _ => (first_line(error), None),
    };
    Error::usage(what).with_hint(hint.unwrap_or(help))
}

/// Says where the verbs are listed.
const VERBS: &str = "unstick --help lists the verbs";

/// Returns the error for an unknown word in the place of a verb, or of a subcommand of a verb.
fn no_verb(name: &str, verb: Option<&str>) -> String {
    match verb {
        None | Some("help") => format!("`{name}` is not a verb of unstick"),
        Some(verb) => format!("{verb} does not know `{name}`"),
    }
}

/// For an option before its verb: returns a command with the option after a verb that has it.
fn behind_the_verb(command: &Command, arg: &str) -> Option<String> {
    let has = |known: &clap::Arg| match arg.strip_prefix("--") {
        Some(name) => known.get_long() == Some(name),
        None => arg.strip_prefix('-').and_then(|letter| letter.chars().next()) == known.get_short(),
    };
    let verb = command.get_subcommands().find(|verb| verb.get_arguments().any(has))?;
    Some(format!("options come after the verb, as in unstick {} ADDRESS {arg}", verb.get_name()))
}

/// Returns the verbs that have exactly this option.
fn elsewhere(command: &Command, arg: &str) -> Option<String> {
    let name = arg.strip_prefix("--")?;
    let has = |verb: &&Command| verb.get_arguments().any(|known| known.get_long() == Some(name));
    let verbs: Vec<&str> = command.get_subcommands().filter(has).map(Command::get_name).collect();
    (!verbs.is_empty()).then(|| format!("it is an option of {}", verbs.join(" and of ")))
}

/// Returns an argument as clap names it, without the name of its value: `--count <N>` becomes `--count`.
fn option(arg: &str) -> String {
    bare(&arg[..arg.find(" <").unwrap_or(arg.len())])
}

/// Removes the signs for "optional" and "repeatable".
fn bare(arg: &str) -> String {
    arg.replace(['<', '>', '[', ']'], "").replace("...", "")
}

/// Shows the example of a verb with a word after it, such as `generate dissector`.
fn example(typed: &str) -> Option<String> {
    let (verb, _) = typed.split_once(' ')?;
    let start = format!("unstick {typed} ");
    let (example, _) = help::examples(verb).iter().find(|(example, _)| example.starts_with(&start))?;
    Some(format!("such as {example}"))
}

fn too_many(word: &str, verb: &str) -> String {
    format!("`{word}` is one word too many for {verb}")
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

/// Returns clap's own first line, for errors about which nothing better is known.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
