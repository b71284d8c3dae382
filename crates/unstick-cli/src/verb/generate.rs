//! `generate`: prints the man page, shell completions, the reference and dissectors, all from the tables that the program uses.

mod dissector;
mod man;
pub(crate) mod reference;

use clap::CommandFactory;
use clap_complete::Shell;
use unstick::Result;

use crate::args::{Cli, Generate, Generated};
use crate::output;
use crate::status::Status;

/// Prints the requested text.
pub fn generate(args: &Generate) -> Result<Status> {
    Ok(output::print(&match &args.what {
        Generated::Man => man::page(Cli::command()),
        Generated::Completions { shell } => completions(*shell),
        Generated::Reference => reference::markdown(),
        Generated::Dissector { frame, port } => dissector::script(frame, port)?,
    }))
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "unstick", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Fish => script + &words_for_fish(),
        // With two colons zsh offers no option after the address.
        Shell::Zsh => script.replace("'*::address ", "'*:address "),
        _ => script,
    }
}

/// Completes the words after a verb, which clap's script for fish does not do.
fn words_for_fish() -> String {
    let mut lines = String::new();
    let command = Cli::command();
    let verbs = command.get_subcommands().map(|verb| (verb, String::new()));
    let below = command.get_subcommands().flat_map(|verb| {
        let name = verb.get_name().to_owned();
        verb.get_subcommands().map(move |word| (word, format!("{name}; and __fish_seen_subcommand_from ")))
    });
    for (verb, before) in verbs.chain(below) {
        let words: Vec<String> = verb
            .get_positionals()
            .flat_map(clap::Arg::get_possible_values)
            .map(|value| value.get_name().to_owned())
            .collect();
        if !words.is_empty() {
            let name = verb.get_name();
            let words = words.join(" ");
            lines += &format!(
                "complete -c unstick -n \"__fish_unstick_using_subcommand {before}{name}\" -f -a \"{words}\"\n"
            );
        }
    }
    lines
}
