//! `lab`: its screens, its code and its commands, each tried as it is printed.
//!
//! Not here: what happens in a scene, which the library's tests hold; its JSON (`docs`).

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

mod code;
mod commands;
mod screens;
mod snippets;
