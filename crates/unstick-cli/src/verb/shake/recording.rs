//! Takes what `shake` sends from a recording.

use std::path::Path;

use unstick::service::replay::Recorded;
use unstick::wire::replay::Script;
use unstick::wire::{Framing, Role};
use unstick::{Error, Result};
use unstick_shake::Shake;

use crate::input_file::InputFile;
use crate::output;

/// Makes `shake` send what the client of one connection sent. Without a number, that is the first connection that was recorded as a
/// whole, and in which both sides have sent messages.
pub fn of(path: &Path, framing: Option<&Framing>, number: Option<u64>, shake: Shake) -> Result<Shake> {
    let (name, source) = InputFile::open(Some(path))?.into_parts();
    let recorded = Recorded::read(&name, source, framing, number)?;
    if let Some(line) = recorded.cut_short {
        output::loss(&format!("{name}: the recording ends in the middle of line {line}"));
    }
    // Without a framing the messages of streams are not known; those of datagrams and WebSockets are.
    if recorded.framings.is_none() && (recorded.scripts.is_empty() || !recorded.left_out.is_empty()) {
        let error = Error::usage(format!("{name} names no framing, and without one nobody knows what a message is"));
        return Err(error.with_hint("-f names it, such as -f redis"));
    }
    let has = |side: Role| move |script: &&Script| script.steps.iter().any(|step| step.from == side);
    let mut scripts = recorded.scripts.iter().filter(has(Role::Client));
    let talks = scripts.clone().find(has(Role::Server));
    let Some(script) = talks.or_else(|| scripts.next()) else {
        let error = Error::usage(match number {
            Some(number) => format!("{name}: connection {number} cannot be replayed"),
            None => format!("{name}: no connection in it can be replayed"),
        });
        return Err(match recorded.left_out.first() {
            Some(left_out) => error.with_hint(format!("connection {}: {}", left_out.connection, left_out.why)),
            None => error,
        });
    };
    let Some(framings) = recorded.framings.filter(|_| is_of_bytes(script)) else {
        let error = Error::usage(format!(
            "connection {} of {name} was recorded as whole messages, and only the bytes of a stream can be cut",
            script.connection
        ));
        return Err(error.with_hint(
            "datagrams cannot be cut; for a WebSocket, give each message with --send, and its ws:// address with --to",
        ));
    };
    if number.is_none() && recorded.scripts.len() > 1 {
        output::notice(&format!("connection {} of {name}; --connection N takes another one", script.connection));
    }
    shake.recorded(script, framings)
}

/// Whether a connection was recorded as bytes. Datagrams and the messages of a WebSocket have no frames.
fn is_of_bytes(script: &Script) -> bool {
    script.steps.iter().all(|step| !step.frame.is_empty())
}
