//! What the servers of a capture or a recording and their clients said first: what guesses are made of.

use std::collections::HashMap;
use std::io::Read;
use std::net::IpAddr;

use unstick::Result;
use unstick::wire::guess::{Guess, Sample};
use unstick_capture::{Event, Protocol};

use crate::captured::CaptureReader;
use unstick::recording::{self, MAX_OPEN, Recording};

/// Servers that are looked at, in the order of their first packets.
pub const MAX_SERVERS: usize = 1024;

/// Bytes that are kept of all servers together: a second of guessing.
const MAX_KEPT: usize = 16 << 20;

/// What has been read of a file.
#[derive(Default)]
pub struct Samples {
    samples: HashMap<String, Sample>,
    /// In the order of their first packets.
    order: Vec<String>,
    servers: HashMap<u64, String>,
    kept: usize,
    /// Connections of servers beyond the limit.
    left_out: usize,
}

/// A server, and what it may speak.
pub struct Server {
    /// `None` for a file of bytes.
    pub address: Option<String>,
    pub guess: Guess,
    pub connections: usize,
    /// Bytes that were looked at.
    pub bytes: usize,
}

/// The port in the address of a server, if it has one.
pub fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

impl Samples {
    /// Reads a capture to its end. Returns why that came early, if it did.
    pub fn of_capture(
        name: String,
        source: Box<dyn Read>,
        ports: &[u16],
        hosts: &[IpAddr],
    ) -> Result<(Self, CaptureReader)> {
        let mut capture = CaptureReader::open(name, source, ports, hosts)?;
        let mut samples = Self::default();
        while capture.packet(&mut |event| samples.take(&event))? {}
        capture.finish(&mut |event| samples.take(&event));
        Ok((samples, capture))
    }

    /// Reads a recording to its end.
    pub fn of_recording(name: &str, source: Box<dyn Read>) -> Result<Self> {
        let mut recording = Recording::open(name, source)?;
        let mut samples = Self::default();
        while let Some(event) = recording.next_event()? {
            samples.take_recorded(event);
            if samples.servers.len() > MAX_OPEN {
                return Err(recording.too_many());
            }
        }
        Ok(samples)
    }

    fn take(&mut self, event: &Event<'_>) {
        match *event {
            Event::Open { connection, protocol: Protocol::Tcp, server, whole, .. } => {
                self.open(connection, &server.to_string(), whole);
            }
            Event::Bytes { connection, from, bytes, .. } => {
                self.change(connection, |sample| sample.segment(connection, from, bytes))
            }
            Event::Gap { connection, from, .. } => self.change(connection, |sample| sample.gap(connection, from)),
            Event::End { connection, from, .. } => self.change(connection, |sample| sample.end(connection, from)),
            Event::Close { connection, .. } => drop(self.servers.remove(&connection)),
            _ => {}
        }
    }

    fn take_recorded(&mut self, event: recording::Event) {
        let peer = event.peer;
        match event.what {
            recording::What::Open { server, is_stream: true, continued, .. } => self.open(peer, &server, !continued),
            recording::What::Segment { from, bytes } => self.change(peer, |sample| sample.segment(peer, from, &bytes)),
            recording::What::Lost { from, .. } => self.change(peer, |sample| sample.gap(peer, from)),
            recording::What::End { from } => self.change(peer, |sample| sample.end(peer, from)),
            recording::What::Close => drop(self.servers.remove(&peer)),
            _ => {}
        }
    }

    fn open(&mut self, connection: u64, server: &str, whole: bool) {
        if !self.samples.contains_key(server) {
            if self.samples.len() == MAX_SERVERS {
                self.left_out += 1;
                return;
            }
            self.order.push(server.to_owned());
        }
        self.servers.insert(connection, server.to_owned());
        let sample = || Sample::new(port_of(server).unwrap_or(0));
        self.samples.entry(server.to_owned()).or_insert_with(sample).open(connection, whole);
    }

    /// Changes the sample of the server of a connection, while there is room.
    fn change(&mut self, connection: u64, change: impl FnOnce(&mut Sample)) {
        let server = self.servers.get(&connection);
        if let Some(sample) = server.and_then(|server| self.samples.get_mut(server))
            && self.kept < MAX_KEPT
        {
            let before = sample.bytes();
            change(sample);
            self.kept += sample.bytes() - before;
        }
    }

    /// Whether there were servers beyond [`MAX_SERVERS`].
    pub fn are_cut_short(&self) -> bool {
        self.left_out > 0
    }

    /// What this server may speak.
    pub fn guess_of(&self, server: &str) -> Option<Guess> {
        self.samples.get(server).filter(|sample| sample.bytes() > 0).map(Sample::guess)
    }

    /// Guesses for each server. Those about which most is known come first.
    pub fn guess(self) -> Vec<Server> {
        let samples =
            self.order.into_iter().filter_map(|address| self.samples.get(&address).map(|sample| (address, sample)));
        let with_bytes = samples.filter(|(_, sample)| sample.bytes() > 0);
        let mut servers: Vec<Server> = with_bytes
            .map(|(address, sample)| Server {
                address: Some(address),
                guess: sample.guess(),
                connections: sample.connections(),
                bytes: sample.bytes(),
            })
            .collect();
        servers.sort_by_key(|server| std::cmp::Reverse((server.guess.certain, server.bytes)));
        servers
    }
}
