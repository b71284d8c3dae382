//! A capture: its packets, and the connections that they are of.

use unstick::wire::Framing;
use unstick::{Error, Result};
use unstick_capture::{CaptureFile, CloseReason, Connections, Event, Filter, LeftOut, Protocol};

use super::conversations::{Conversations, Opened, of_port};
use super::shown::Shown;
use crate::count::Count;
use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::output;
use crate::status::Status;

/// Decodes a capture up to its end, or to `--count`.
pub fn decode(args: &Decode, framing: Option<&Framing>, input: InputFile, shown: &mut Shown) -> Result<Status> {
    let (name, source) = input.into_parts();
    let unreadable = |error: &dyn std::fmt::Display| Error::other(format!("{name}: {error}"));
    let mut file = CaptureFile::open(shown.before_reads_of(source)).map_err(|error| {
        unreadable(&error).with_hint("--bytes takes a file for the bytes of one direction, whatever it begins with")
    })?;
    let hosts = args.capture.host.iter().map(|host| host.to_canonical()).collect();
    let mut connections = Connections::new(Filter { ports: args.capture.port.clone(), hosts });
    let mut conversations = Conversations::new(args, framing, shown);
    while !conversations.is_over() {
        match file.next_packet() {
            Ok(Some(packet)) => connections.packet(&packet, &mut |event| take(&event, &mut conversations)),
            Ok(None) => break,
            Err(error) if error.is_truncated() => {
                conversations.loss(&format!("{name}: {error}"))?;
                break;
            }
            Err(error) => return Err(unreadable(&error)),
        }
    }
    connections.finish(&mut |event| take(&event, &mut conversations));
    let nothing = "the capture has no TCP and no UDP packets that these options take";
    let status = conversations.end(nothing)?;
    report_left_out(connections.left_out());
    Ok(status)
}

/// Hands an event on.
fn take(event: &Event<'_>, to: &mut Conversations<'_>) {
    match *event {
        Event::Open { connection, protocol, client, server, whole, time } => {
            let is_stream = protocol == Protocol::Tcp;
            to.open(Opened {
                connection,
                protocol: (if is_stream { "tcp" } else { "udp" }).to_owned(),
                is_stream,
                client: client.to_string(),
                server: server.to_string(),
                likely: of_port(server.port()),
                whole,
                time,
            });
        }
        Event::Bytes { connection, from, bytes, time } => to.bytes(connection, from, bytes, time),
        Event::Gap { connection, from, bytes } => to.gap(connection, from, bytes),
        Event::Datagram { connection, from, bytes, length, time } => {
            to.message(connection, from, bytes, (length as usize) > bytes.len(), time);
        }
        Event::End { connection, from, time } => to.ends(connection, from, time),
        Event::Close { connection, reason, time } => {
            let reason = match reason {
                CloseReason::Ended => "ended",
                CloseReason::Reset(_) => "reset",
                CloseReason::Replaced => "replaced",
                CloseReason::Forgotten => "forgotten",
                _ => "open",
            };
            to.close(connection, reason, time);
        }
        _ => {}
    }
}

/// Packets that were not read are reported: otherwise their messages would be missed.
fn report_left_out(left_out: LeftOut) {
    let LeftOut { unknown_link, link, fragmented, .. } = left_out;
    if unknown_link > 0 {
        let packets = Count(unknown_link, "packet");
        output::loss(&format!("{packets} of a link that unstick cannot read (LINKTYPE {link})"));
    }
    if fragmented > 0 {
        output::loss(&format!("{} of which fragments are missing", Count(fragmented, "IP datagram")));
    }
}
