//! Tests of the program from outside: it runs as users run it, and real programs are at the other end.
//!
//! One binary, one room a subject; `rig` starts the programs.

mod activation;
mod bridges;
mod children;
mod collections;
mod commands;
mod damaged;
mod docs;
mod ends;
mod examples;
mod faults;
mod generate;
mod hands_free;
mod hostile;
mod hostile_udp;
mod hostile_unix;
mod hostile_websocket;
mod json;
mod keys;
mod lab;
mod netcats;
mod numbers;
mod outcomes;
mod payloads;
mod pipes;
mod presets;
mod prompt;
mod proxies;
mod python;
mod rig;
mod servers;
mod shake;
mod shake_finds;
mod shake_ours;
mod shake_sound;
mod shake_spares;
mod shake_targets;
mod tls;
mod tree;
mod udp;
mod unix;
mod unread;
mod unsafe_text;
mod websocket;
mod wrong_use;
