//! A recording: what `--record` has written, with the framing that it names.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use unstick::Result;
use unstick::wire::Framing;

use super::conversations::{Conversations, Opened, of_port};
use super::guesses::{Guesses, Kind};
use super::shown::Shown;
use crate::count::Count;
use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::status::Status;
use unstick::recording::{Event, Head, MAX_OPEN, Recording, Sides, What};

/// Decodes a recording up to its end, or to `--count`.
pub fn decode(args: &Decode, framing: Option<&Framing>, input: InputFile, shown: &mut Shown) -> Result<Status> {
    let guesses = Guesses::new(&input, Kind::Recording);
    let (name, source) = input.into_parts();
    let mut recording = Recording::open(&name, shown.before_reads_of(source))?;
    let framing = match framing {
        Some(framing) => Some(Sides::both(framing)),
        None => recording.framing()?,
    };
    let ports = likely_ports(recording.head());
    let mut file = File { args, ports, open: BTreeMap::new() };
    let mut conversations = Conversations::new(args, framing, guesses, shown);
    while !conversations.is_over()
        && let Some(event) = recording.next_event()?
    {
        if file.open.len() >= MAX_OPEN {
            return Err(recording.too_many());
        }
        file.take(event, &mut conversations)?;
    }
    if let Some(line) = recording.cut_short() {
        conversations.loss(&format!("{name}: the recording ends in the middle of line {line}"))?;
    }
    for peer in std::mem::take(&mut file.open).into_keys() {
        conversations.close(peer, "open", None);
    }
    conversations.end(&format!("the recording has no connections{}", args.capture.limits()))
}

/// The ports that may tell which preset the server speaks.
pub fn likely_ports(head: &Head) -> Vec<u16> {
    let port = |address: &str| address.rsplit(':').next()?.split('/').next()?.parse::<u16>().ok();
    head.to.as_deref().and_then(port).into_iter().chain(port(&head.address)).collect()
}

/// What is known of a recording while it is read.
struct File<'a> {
    args: &'a Decode,
    ports: Vec<u16>,
    /// The connections that are open, and whether each was reset.
    open: BTreeMap<u64, &'static str>,
}

impl File<'_> {
    fn take(&mut self, event: Event, to: &mut Conversations<'_>) -> Result<()> {
        let Event { peer, time, what, .. } = event;
        match what {
            What::Open { client, server, protocol, is_stream, continued } => {
                if continued && self.open.contains_key(&peer) {
                    return Ok(()); // The file before this one was read, too.
                }
                if self.open.insert(peer, "ended").is_some() {
                    to.close(peer, "replaced", time);
                }
                if is_asked_for(self.args, &self.ports, &client, &server) {
                    let likely = self.ports.iter().copied().flat_map(of_port).collect();
                    let whole = !continued;
                    to.open(Opened { connection: peer, protocol, is_stream, client, server, likely, whole, time });
                }
            }
            What::Segment { from, bytes } => to.bytes(peer, from, &bytes, time),
            What::Message { from, message, cut_short } => to.message(peer, from, &message, cut_short, time),
            What::End { from } => to.ends(peer, from, time),
            What::Reset { .. } => self.ends_as(peer, "reset"),
            What::Failed { .. } => self.ends_as(peer, "error"),
            What::Close => {
                let reason = self.open.remove(&peer).unwrap_or("ended");
                to.close(peer, reason, time);
            }
            What::Lost { from, bytes, events } => {
                to.loss(&format!("peer {peer}: {} not recorded: they came too fast", Count(events, "segment")))?;
                to.gap(peer, from, bytes);
            }
            _ => {}
        }
        Ok(())
    }

    fn ends_as(&mut self, peer: u64, reason: &'static str) {
        if let Some(known) = self.open.get_mut(&peer) {
            *known = reason;
        }
    }
}

/// Whether `--port` and `--host` take this connection.
pub fn is_asked_for(args: &Decode, ports: &[u16], client: &str, server: &str) -> bool {
    let capture = &args.capture;
    let [client, server] = [client, server].map(|at| at.parse::<SocketAddr>().ok());
    let takes_port = |port: &u16| server.is_some_and(|server| server.port() == *port) || ports.contains(port);
    let takes_host = |host: &std::net::IpAddr| {
        [client, server].iter().flatten().any(|at| at.ip().to_canonical() == host.to_canonical())
    };
    (capture.port.is_empty() || capture.port.iter().any(takes_port))
        && (capture.host.is_empty() || capture.host.iter().any(takes_host))
}
