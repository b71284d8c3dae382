//! Tests `lab`: its screens, its code and its commands, each run as it is printed.
//!
//! Not here: what happens in a scene, whose tests are in `src/scenes`; its JSON (`docs`).

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

mod code;
mod commands;
mod screens;
mod snippets;

use crate::rig::unstick;

/// The scenes, as the help of `lab` names them.
fn scenes() -> Vec<String> {
    let mut help = unstick(&["lab", "--help"]);
    let help = help.rest().split_whitespace().collect::<Vec<_>>().join(" ");
    let names = help.split("Scenes to play: ").nth(1).and_then(|rest| rest.split(';').next()).expect("the names");
    names.split(", ").flat_map(|names| names.split(" or ")).map(str::to_owned).collect()
}
