//! `decode --pcapng`: a recording as packets, for Wireshark.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::Path;

use unstick::{Error, Result};

use super::recording::{is_asked_for, likely_ports};
use crate::input_file::InputFile;
use crate::options::decode::Decode;
use crate::packets::{Opened, Packets};
use crate::status::Status;
use crate::{output, private_file};
use unstick::recording::{Event, MAX_OPEN, Recording, What};

/// Bytes of packets that are written at once.
const GATHERED: usize = 256 << 10;

/// Writes the packets of a recording to a file, or to standard output.
pub fn write(args: &Decode, to: &Path, input: InputFile) -> Result<Status> {
    let (name, source) = input.into_parts();
    let mut recording = Recording::open(&name, source)?;
    let mut file = open(to)?;
    let unwritten = |error: std::io::Error| {
        if to == Path::new("-") {
            return output::unwritten_text(error);
        }
        Error::other(format!("cannot write {}: {}", to.display(), output::reason(&error)))
    };
    let named = args.framed.named()?.map(|framing| framing.to_string());
    let framing = named.or_else(|| recording.head().framing.clone());
    let mut view = View {
        args,
        ports: likely_ports(recording.head()),
        open: BTreeSet::new(),
        opened: 0,
        packets: Packets::new(framing.as_deref()),
    };
    view.packets.begin();
    while let Some(event) = recording.next_event()? {
        if view.open.len() >= MAX_OPEN {
            return Err(recording.too_many());
        }
        view.take(event);
        if view.packets.out.len() >= GATHERED {
            file.write_all(&view.packets.out).map_err(unwritten)?;
            view.packets.out.clear();
        }
    }
    file.write_all(&view.packets.out).and_then(|()| file.flush()).map_err(unwritten)?;
    if let Some(line) = recording.cut_short() {
        output::loss(&format!("{name}: the recording ends in the middle of line {line}"));
    }
    if view.opened == 0 {
        return Err(Error::other(format!("the recording has no connections{}", args.capture.limits())));
    }
    Ok(Status::Done)
}

fn open(to: &Path) -> Result<Box<dyn Write>> {
    if to != Path::new("-") {
        let file = private_file::create(to);
        let file = file.map_err(|error| Error::usage(format!("{}: {}", to.display(), output::reason(&error))))?;
        return Ok(Box::new(file));
    }
    if std::io::stdout().is_terminal() {
        let error = Error::usage("packets are binary, and standard output is a terminal");
        return Err(error.with_hint("--pcapng FILE writes a file; --pcapng - | wireshark -k -i - shows them"));
    }
    Ok(Box::new(output::gathered()))
}

struct View<'a> {
    args: &'a Decode,
    ports: Vec<u16>,
    /// The connections that are open, of those that are asked for.
    open: BTreeSet<u64>,
    /// Number of connections that were written.
    opened: u64,
    packets: Packets,
}

impl View<'_> {
    fn take(&mut self, Event { peer, time, what, .. }: Event) {
        self.packets.at(time);
        if let What::Open { client, server, protocol, is_stream: _, continued } = &what {
            let is_again = *continued && self.open.contains(&peer);
            let is_number = self.args.capture.connection.is_none_or(|number| number == peer);
            if !is_again && is_number && is_asked_for(self.args, &self.ports, client, server) {
                self.packets.open(peer, &Opened { client, server, protocol, continued: *continued });
                self.opened += u64::from(self.open.insert(peer));
            }
            return;
        }
        match what {
            What::Segment { from, bytes } => self.packets.data(peer, from, &bytes),
            What::Message { from, message, cut_short } => {
                if cut_short {
                    self.packets.say_cut_short(peer);
                }
                self.packets.data(peer, from, &message);
            }
            What::End { from } => self.packets.end(peer, from),
            What::Reset { from } => self.packets.reset(peer, from),
            What::Failed { error } => self.packets.fail(peer, &error),
            What::Lost { from, bytes, .. } => self.packets.gap(peer, from, bytes),
            What::Close => {
                self.packets.close(peer);
                self.open.remove(&peer);
            }
            _ => {}
        }
    }
}
