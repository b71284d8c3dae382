//! The library's tests: one program, one room each.
#![allow(clippy::unwrap_used)] // Tests may: in their own functions too.

mod udp;
