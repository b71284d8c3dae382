//! `generate`: the man page, shell completions and the reference tables, all out of the tables the program runs on.

use clap::{CommandFactory, ValueEnum};
use unstick::wire::ENTRIES;
use unstick::{Error, Result};

use crate::args::{Cli, Generate, Generated};
use crate::output;
use crate::report::Status;

/// Prints what is asked for.
pub fn generate(args: &Generate) -> Result<Status> {
    Ok(output::print(&match &args.what {
        Generated::Man => man()?,
        Generated::Completions { shell } => completions(shell)?,
        Generated::Reference => reference(),
    }))
}

fn man() -> Result<String> {
    let failed = |e: std::io::Error| Error::other(format!("the man page: {e}"));
    let mut page = Vec::new();
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for verb in command.get_subcommands() {
        clap_mangen::Man::new(verb.clone().display_name(format!("unstick-{}", verb.get_name())))
            .render(&mut page)
            .map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn completions(shell: &str) -> Result<String> {
    let shell = clap_complete::Shell::from_str(shell, true).map_err(|_| {
        Error::usage(format!("`{shell}` is no shell with completions"))
            .with_hint("bash, elvish, fish, powershell or zsh")
    })?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "unstick", &mut script);
    Ok(String::from_utf8_lossy(&script).into_owned())
}

fn reference() -> String {
    let mut text = String::from("| spec | frame |\n|---|---|\n");
    for entry in ENTRIES {
        text += &format!("| `{}` | {} |\n", entry.syntax.replace('|', "\\|"), entry.frame);
    }
    text
}
