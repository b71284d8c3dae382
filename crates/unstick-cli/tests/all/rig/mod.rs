//! Starts `unstick` and the programs that it talks to, on free ports: ready when returned, ended when dropped.

mod daemons;
mod gate;
mod hostile;
mod peer;
mod peers;
mod process;
mod protocols;
mod sound;
mod talk;
mod terminal;
mod unread;

use std::ffi::OsStr;
use std::process::Command;

pub(crate) use daemons::{HttpServer, Mosquitto, Nginx, socat_echo};
pub(crate) use gate::Gate;
pub(crate) use hostile::{Arena, trial};
pub(crate) use peer::{Peer, Vacancy, listener};
pub(crate) use peers::{
    Dns, Postgres, Redis, free_port, ncat_server, netcat, netcat_server, node_packages, on_a_free_port, python,
    python_code, python_itself, python_of, python_of_packages, python_server, python_with_packages, socat_server,
    temporary,
};
pub(crate) use process::{Process, is_gone};
pub(crate) use protocols::Server;
pub(crate) use sound::{certificate, script, sound};
pub(crate) use talk::{Talk, ask, connect, listen};
pub(crate) use terminal::Terminal;
pub(crate) use unread::Unread;

/// The command that starts the program under test.
///
/// A shell that runs these tests in the background makes all of them ignore ^C; `env` switches ^C on again.
pub(crate) fn program() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,HUP", env!("CARGO_BIN_EXE_unstick")]);
    // The config file of the user who runs the tests must not apply.
    command.env("UNSTICK_CONFIG", "");
    command
}

/// The program under test, with these arguments and its standard input open.
pub(crate) fn unstick<S: AsRef<OsStr>>(arguments: &[S]) -> Process {
    Process::start(program().args(arguments))
}

/// `unstick listen` with these arguments, before it has printed anything.
pub(crate) fn listening<S: AsRef<OsStr>>(arguments: &[S]) -> Process {
    Process::start(program().arg("listen").args(arguments))
}

/// `unstick listen` with these arguments, which include the address, and the port that it reports.
pub(crate) fn unstick_listen<S: AsRef<OsStr>>(arguments: &[S]) -> (Process, u16) {
    let mut process = listening(arguments);
    let line = process.error_line_with("listening on ");
    // A bridge names its target after its own address.
    let own = line.split(" for ").next().unwrap_or_default();
    let port = port_at_end(own).unwrap_or_else(|| panic!("no port at the end of {line:?}"));
    (process, port)
}

/// The port of an address that a line ends with.
pub(crate) fn port_at_end(line: &str) -> Option<u16> {
    line.trim_end().rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Bytes without any order; the same seed gives the same ones.
pub(crate) fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}
