//! Tests with programs under test: one binary, with one module for each kind.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

mod doubted;
#[cfg(target_os = "linux")]
mod shaken;
mod spared;
mod unkind;
mod unsteady;
