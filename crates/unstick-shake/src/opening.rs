//! Starts the server of a conversation and connects to it.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::child::{self, Output, Program};
use super::conversation::{Runner, Server};
use super::handshakes::Handshakes;
use super::sink::Sink;
use super::target::{Inlet, Target};
use crate::limits;
use unstick::Advice;
use unstick::{Error, Result};

/// The pause before another try of a handshake.
const AGAIN: Duration = Duration::from_millis(20);

impl Runner {
    /// Starts the server, if it has a command, and waits until it listens.
    pub(super) async fn start(&self, server: &Server) -> Result<(Option<Program>, Target)> {
        let mut address = server.address.clone();
        let Some(line) = &server.start else { return Ok((None, address)) };
        if let Some(at) = address.tcp().filter(|at| at.port() == 0) {
            // The port is free now; the server binds it in a moment.
            let free = std::net::TcpListener::bind(at).and_then(|listener| listener.local_addr());
            address = address.at(free.map_err(|e| Error::io("choosing a port for the server", e))?);
        }
        self.port_is_free().await;
        address.clear();
        let (line, variables) = address.in_command(line);
        let mut command = child::shell(&line);
        command.envs(variables);
        let mut program = Program::start(command, &line, Output::Said)?;
        let begun = Instant::now();
        while !self.is_listening(&address) {
            if let Some(exit) = program.has_ended() {
                let said = program.end().await;
                let error = Error::other(format!(
                    "the server `{line}` {exit} before it listens on {}",
                    display_target(&address)
                ));
                return Err(match said.lines().last() {
                    Some(last) => error.with_hint(format!("it said: {}", super::excerpt::shown(last.as_bytes()))),
                    None => error,
                });
            }
            if begun.elapsed() > limits::START_PATIENCE {
                let error =
                    Error::other(format!("the server `{line}` does not listen on {}", display_target(&address)));
                return Err(error.with_advice(Advice::NameServerAddress));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok((Some(program), address))
    }

    /// Connects. If listeners cannot be seen, it retries a server that was just started until the server listens.
    pub(super) async fn connect(&self, to: &Target, started: bool) -> Result<(Inlet, Sink)> {
        let begun = Instant::now();
        let table = self.table.as_ref();
        let mut tries = 1;
        loop {
            match to.open(table).await {
                Err(error)
                    if error.is_unreachable()
                        && started
                        && to.is_listened_on(table).is_none()
                        && begun.elapsed() < limits::START_PATIENCE =>
                {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) if error.is_handshake() && self.may_try_again(&mut tries, &error) => {
                    tokio::time::sleep(AGAIN).await;
                }
                opened => {
                    self.handshakes().succeeded |= opened.is_ok();
                    return opened;
                }
            }
        }
    }

    fn handshakes(&self) -> MutexGuard<'_, Handshakes> {
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to try a failed handshake again: only if others have succeeded. It comes before everything that is
    /// cut, so no case can be blamed for it.
    fn may_try_again(&self, tries: &mut usize, error: &Error) -> bool {
        let mut handshakes = self.handshakes();
        if !handshakes.succeeded || *tries == limits::HANDSHAKE_TRIES {
            return false;
        }
        *tries += 1;
        handshakes.failed += 1;
        handshakes.last = error.to_string();
        true
    }

    /// Says how many handshakes failed and were tried again, and how the last one failed.
    pub(super) fn failed_handshakes(&self) -> Option<String> {
        let handshakes = self.handshakes();
        let Handshakes { failed, last, .. } = &*handshakes;
        let plural = match failed {
            0 => return None,
            1 => "1 handshake with the server failed and was tried again".to_owned(),
            _ => format!("{failed} handshakes with the server failed and were tried again"),
        };
        Some(format!("{plural}: {last}"))
    }

    /// Whether the server listens, by the kernel's table. It never connects to find out: a server of one connection
    /// would take that for its client. If nothing can be seen, [`Self::connect`] retries until a connection
    /// succeeds.
    fn is_listening(&self, address: &Target) -> bool {
        address.is_listened_on(self.table.as_ref()).unwrap_or(true)
    }
}

/// The address where a server should listen, as text.
fn display_target(address: &Target) -> String {
    address.tcp().map_or_else(|| address.to_string(), |at| at.to_string())
}
