//! Programs that are tried: one program, one room each.

#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

mod doubted;
#[cfg(target_os = "linux")]
mod shaken;
mod spared;
mod unkind;
