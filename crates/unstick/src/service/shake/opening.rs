//! The server of a conversation is started and connected to.

use std::time::{Duration, Instant};

use super::child::{self, Output, Program};
use super::conversation::{Runner, Server};
use super::outlet::Outlet;
use super::target::{Inlet, Target};
use crate::error::{Error, Result};
use crate::limits;

impl Runner {
    /// Starts the server, if that is asked for, and waits until it listens.
    pub(super) async fn start(&self, server: &Server) -> Result<(Option<Program>, Target)> {
        let mut address = server.address.clone();
        let Some(line) = &server.start else { return Ok((None, address)) };
        if let Some(at) = address.tcp().filter(|at| at.port() == 0) {
            // Free now; the server binds it in a moment.
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
                let error =
                    Error::other(format!("the server `{line}` {exit} before it listens on {}", shown(&address)));
                return Err(match said.lines().last() {
                    Some(last) => error.with_hint(format!("it said: {}", super::excerpt::shown(last.as_bytes()))),
                    None => error,
                });
            }
            if begun.elapsed() > limits::START_PATIENCE {
                let error = Error::other(format!("the server `{line}` does not listen on {}", shown(&address)));
                return Err(error
                    .with_hint("--to says where it listens; {port} in --start gives it a free one with --to HOST:0"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok((Some(program), address))
    }

    /// Connects. Where nothing can be seen, a server that was just started is tried until it listens.
    pub(super) async fn connect(&self, to: &Target, started: bool) -> Result<(Inlet, Outlet)> {
        let begun = Instant::now();
        let table = self.table.as_ref();
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
                other => return other,
            }
        }
    }

    /// Read from the kernel's table, never by connecting: a server of one connection would take that for its client. Where
    /// nothing can be seen, its first connection is tried until it succeeds ([`Self::connect`]).
    fn is_listening(&self, address: &Target) -> bool {
        address.is_listened_on(self.table.as_ref()).unwrap_or(true)
    }
}

/// Where a server is to listen.
fn shown(address: &Target) -> String {
    address.tcp().map_or_else(|| address.to_string(), |at| at.to_string())
}
