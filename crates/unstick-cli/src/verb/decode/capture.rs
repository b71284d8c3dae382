//! A capture: its packets, and the connections that they are of.

use unstick::Result;
use unstick::wire::Framing;
use unstick_capture::{CloseReason, Event, Protocol};

use super::conversations::{Conversations, Opened, of_port};
use super::guesses::{Guesses, Kind};
use super::shown::Shown;
use crate::captured::CaptureReader;
use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::status::Status;
use unstick::recording::Sides;

/// Decodes a capture up to its end, or to `--count`.
pub fn decode(args: &Decode, framing: Option<&Framing>, input: InputFile, shown: &mut Shown) -> Result<Status> {
    let guesses = Guesses::new(&input, Kind::Capture);
    let (name, source) = input.into_parts();
    let (source, filter) = (shown.before_reads_of(source), &args.capture);
    let mut capture = CaptureReader::open(name, source, &filter.port, &filter.host)?;
    let mut conversations = Conversations::new(args, framing.map(Sides::both), guesses, shown);
    while !conversations.is_over() && capture.packet(&mut |event| take(&event, &mut conversations))? {}
    if let Some(why) = capture.cut_short() {
        conversations.loss(why)?;
    }
    capture.finish(&mut |event| take(&event, &mut conversations));
    let nothing = format!("the capture has no TCP and no UDP packets{}", filter.limits());
    let status = conversations.end(&nothing)?;
    capture.report_left_out();
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
