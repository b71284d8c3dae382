//! `generate`: the man page, shell completions and the reference tables, all out of the tables the program runs on.

mod man;
pub(crate) mod reference;

use clap::CommandFactory;
use unstick::Result;

use crate::args::{Cli, Generate, Generated};
use crate::output;
use crate::status::Status;

/// Prints what is asked for.
pub fn generate(args: &Generate) -> Result<Status> {
    Ok(output::print(&match args.what {
        Generated::Man => man::page(Cli::command()),
        Generated::Completions { shell } => completions(shell),
        Generated::Reference => reference::markdown(),
    }))
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "unstick", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
