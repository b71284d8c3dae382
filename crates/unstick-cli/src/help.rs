//! Adds help around the options: `-h` is one screen for each verb, and `--help` ends with examples and exit statuses.

mod examples;
mod screens;

use clap::{Arg, ArgAction, Command};

use crate::status::STATUSES;
use screens::{PLAIN_STATUS, SCREENS, STATUS_LINES, Screen};

pub use examples::examples;

/// The groups of options in `--help`, in their order. Options without a group come first.
const HEADINGS: [&str; 16] = [
    "Framing",
    "Messages",
    "Captures",
    "Bytes",
    "End",
    "Bridge",
    "Recording",
    "Cases",
    "Report",
    "Listening",
    "Connecting",
    "Limits of peers",
    "Output",
    "TLS",
    "WebSocket",
    "UDP",
];

/// The width of the text below the options. A terminal of 80 columns does not break it.
const COLUMNS: usize = 80;

/// Prepares the verbs: an option that is given twice counts as given last, the groups of options stand in their order, and the
/// help ends with examples and exit statuses.
pub fn prepare(command: Command) -> Command {
    let every: Vec<Arg> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let command = command.mut_subcommands(|verb| {
        let verb = arranged(verb.args_override_self(true), &every);
        let below = below(&verb);
        verb.after_help(below)
    });
    command.after_help(statuses())
}

/// The verb with its options in the order of their groups. clap prints a group where its first option stands.
fn arranged(verb: Command, every: &[Arg]) -> Command {
    let Some(screen) = screen_of(verb.get_name()).filter(|_| !verb.has_subcommands()) else { return verb };
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help_heading("Output");
    let help = help.help("Print help; -h prints one screen of it");
    let mut args: Vec<Arg> = verb.get_arguments().chain(every).cloned().chain([help]).collect();
    args.sort_by_key(|arg| arg.get_help_heading().map(|heading| HEADINGS.iter().position(|known| *known == heading)));
    Command::new(screen.verb)
        .about(verb.get_about().cloned().unwrap_or_default())
        .args_override_self(true)
        .disable_help_flag(true)
        .args(args)
        .groups(verb.get_groups().cloned())
}

/// Examples and exit statuses of a verb.
fn below(verb: &Command) -> String {
    let mut text = "Examples:".to_owned();
    for (command, does) in examples(verb.get_name()) {
        text += &format!("\n  {command}\n      {does}");
    }
    let only_prints = screen_of(verb.get_name()).is_some_and(|screen| screen.status == PLAIN_STATUS);
    text + "\n\n" + &if only_prints { PLAIN_STATUS.to_owned() } else { statuses() }
}

/// Every exit status, with its meaning.
fn statuses() -> String {
    let mut text = "Exit status:".to_owned();
    for (status, meaning) in STATUSES {
        let number = format!("\n  {:<4}", *status as u8);
        text += &number;
        let mut used = number.len() - 1;
        for word in meaning.split(' ') {
            if used + 1 + word.chars().count() > COLUMNS {
                used = number.len() - 1;
                text += &format!("\n{}", " ".repeat(used));
            }
            text += &format!(" {word}");
            used += 1 + word.chars().count();
        }
    }
    text
}

fn screen_of(verb: &str) -> Option<&'static Screen> {
    SCREENS.iter().find(|screen| screen.verb == verb)
}

/// The screen of a verb, or of the program, if `-h` asked for help and not `--help` or `help`.
pub fn screen(typed: &[String], command: &Command) -> Option<String> {
    let name = typed.first()?;
    if name == "-h" {
        return Some(of_program(command));
    }
    let is_short = !typed.iter().any(|word| word == "--help");
    let verb = command.find_subcommand(name).filter(|_| is_short)?;
    // The subcommands of `generate` have their own help.
    let is_verb = !typed.iter().any(|word| verb.find_subcommand(word).is_some());
    screen_of(verb.get_name()).filter(|_| is_verb).map(|screen| drawn(screen, verb))
}

/// The screen of `unstick -h`.
fn of_program(command: &Command) -> String {
    let mut page = "Whole messages over any socket\nUsage: unstick <COMMAND>\n\n".to_owned();
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        page +=
            &format!("  {:<9} {}\n", verb.get_name(), verb.get_about().map(ToString::to_string).unwrap_or_default());
    }
    page += "\nExamples:\n  unstick listen 8080\n";
    page += "  unstick shake --to :8080 -- python3 client.py {host} {port}\n\n";
    page += STATUS_LINES;
    page + "\n`unstick COMMAND -h` shows the options used most, `unstick --help` says more.\n"
}

fn drawn(screen: &Screen, verb: &Command) -> String {
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    let options = if screen.options.is_empty() { "" } else { "[OPTIONS] " };
    let mut page = format!("{about}\n\nUsage: unstick {} {options}{}\n\n", screen.verb, screen.arguments);
    for (name, does) in screen.options {
        if let Some(arg) = verb.get_arguments().find(|arg| arg.get_id() == *name) {
            page += &format!("  {:<25} {does}\n", label(arg));
        }
    }
    page += if screen.options.is_empty() { "Examples:\n" } else { "\nExamples:\n" };
    for example in screen.examples {
        page += &format!("  {example}\n");
    }
    page + &format!(
        "\n{}\n`unstick {} --help` lists all options, `unstick framings` the framings.\n",
        screen.status, screen.verb
    )
}

/// Returns the label of an option, such as `-f, --frame SPEC`.
fn label(arg: &Arg) -> String {
    let short = arg.get_short().map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).and_then(|names| names.first());
    let value = value.map(|name| format!(" {name}")).unwrap_or_default();
    format!("{short}--{}{value}", arg.get_long().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;

    fn is_a_screen(page: &str) {
        assert!(page.lines().count() <= 24, "{page}");
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert!(page.contains("Exit status: "), "{page}");
    }

    #[test]
    fn every_screen_has_24_lines_of_80_columns_and_only_options_that_exist() {
        let command = Cli::whole();
        is_a_screen(&of_program(&command));
        for verb in command.get_subcommands() {
            let screen = screen_of(verb.get_name()).unwrap_or_else(|| panic!("{} has no screen", verb.get_name()));
            for (name, _) in screen.options {
                assert!(verb.get_arguments().any(|arg| arg.get_id() == *name), "{} has no {name}", screen.verb);
            }
            is_a_screen(&drawn(screen, verb));
        }
    }

    #[test]
    fn the_groups_of_options_stand_in_their_order_and_no_example_is_broken() {
        for verb in Cli::whole().get_subcommands_mut() {
            let mut last = None;
            for heading in verb.get_arguments().filter_map(Arg::get_help_heading) {
                let place = HEADINGS.iter().position(|known| *known == heading);
                assert!(place.is_some() && place >= last, "{}: {heading}", verb.get_name());
                last = place;
            }
            let below = below(verb);
            assert!(below.lines().all(|line| line.chars().count() <= COLUMNS), "{below}");
            assert!(below.contains("Exit status:"), "{below}");
            let whole = verb.render_long_help().to_string();
            assert!(whole.contains(&below), "{whole}");
        }
    }
}
