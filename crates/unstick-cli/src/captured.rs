//! Reads a capture: from its packets to what happens in its connections.

use std::io::Read;
use std::net::IpAddr;

use unstick::{Error, Result};
use unstick_capture::{CaptureFile, Connections, Event, Filter, LeftOut};

use crate::count::Count;
use crate::output;

/// Bytes at the front of a file that tell whether it is a capture.
pub const MAGIC: u64 = 4;

/// A capture that is being read.
pub struct CaptureReader {
    name: String,
    file: CaptureFile,
    connections: Connections,
    cut_short: Option<String>,
}

impl CaptureReader {
    /// Opens a capture. With ports or hosts, only their connections are read.
    ///
    /// # Errors
    ///
    /// If it is damaged.
    pub fn open(name: String, source: Box<dyn Read>, ports: &[u16], hosts: &[IpAddr]) -> Result<Self> {
        let file = CaptureFile::open(source).map_err(|error| {
            let error = Error::other(format!("{name}: {error}"));
            error.with_hint("--bytes takes a file for the bytes of one direction, whatever it begins with")
        })?;
        let hosts = hosts.iter().map(IpAddr::to_canonical).collect();
        let connections = Connections::new(Filter { ports: ports.to_vec(), hosts });
        Ok(Self { name, file, connections, cut_short: None })
    }

    /// Reads a packet, and hands on what comes of it. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// If the capture is damaged. One that is cut short has an end: see [`cut_short`](Self::cut_short).
    pub fn packet(&mut self, take: &mut dyn FnMut(Event<'_>)) -> Result<bool> {
        match self.file.next_packet() {
            Ok(Some(packet)) => {
                self.connections.packet(&packet, take);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if error.is_truncated() => {
                self.cut_short = Some(format!("{}: {error}", self.name));
                Ok(false)
            }
            Err(error) => Err(Error::other(format!("{}: {error}", self.name))),
        }
    }

    /// Why the capture ended before its end, if it did.
    pub fn cut_short(&self) -> Option<&str> {
        self.cut_short.as_deref()
    }

    /// Ends the connections that are still open.
    pub fn finish(&mut self, take: &mut dyn FnMut(Event<'_>)) {
        self.connections.finish(take);
    }

    /// Reports the packets that were not read: otherwise nobody would know of their messages.
    pub fn report_left_out(&self) {
        let LeftOut { unknown_link, link, fragmented, .. } = self.connections.left_out();
        if unknown_link > 0 {
            let packets = Count(unknown_link, "packet");
            output::loss(&format!("{packets} of a link that unstick cannot read (LINKTYPE {link})"));
        }
        if fragmented > 0 {
            output::loss(&format!("{} of which fragments are missing", Count(fragmented, "IP datagram")));
        }
    }
}
