//! The servers of a capture, and what has passed between each and its clients.

use std::collections::HashMap;
use std::net::SocketAddr;

use unstick::Result;
use unstick::wire::guess::{Guess as Guessed, Sample};
use unstick_capture::{Event, Protocol};

use crate::captured::CaptureReader;
use crate::input_file::InputFile;
use crate::options::guess::Guess;
use crate::output;

/// Servers that are looked at, in the order of their first packets.
const MAX_SERVERS: usize = 1024;

/// Bytes that are kept of all servers together: a second of guessing.
const MAX_KEPT: usize = 16 << 20;

/// A server, or a file of bytes.
pub struct Server {
    /// `None` for a file of bytes.
    pub address: Option<SocketAddr>,
    pub guess: Guessed,
    pub connections: usize,
    /// Bytes that were looked at.
    pub bytes: usize,
}

/// What has been read of a capture.
#[derive(Default)]
struct Samples {
    samples: HashMap<SocketAddr, Sample>,
    /// In the order of their first packets.
    order: Vec<SocketAddr>,
    servers: HashMap<u64, SocketAddr>,
    kept: usize,
    left_out: usize,
}

/// Reads a capture, and guesses for each of its servers. Those about which most is known come first.
pub fn of_capture(args: &Guess, input: InputFile) -> Result<Vec<Server>> {
    let (name, source) = input.into_parts();
    let mut capture = CaptureReader::open(name.clone(), source, &args.port, &args.host)?;
    let mut samples = Samples::default();
    while capture.packet(&mut |event| samples.take(&event))? {}
    if let Some(why) = capture.cut_short() {
        output::loss(why);
    }
    capture.finish(&mut |event| samples.take(&event));
    capture.report_left_out();
    if samples.left_out > 0 {
        output::loss(&format!("{name}: looked at the first {MAX_SERVERS} servers alone; --port chooses others"));
    }
    Ok(samples.guess())
}

impl Samples {
    fn take(&mut self, event: &Event<'_>) {
        match *event {
            Event::Open { connection, protocol: Protocol::Tcp, server, whole, .. } => {
                self.open(connection, server, whole)
            }
            Event::Bytes { connection, from, bytes, .. } if self.kept < MAX_KEPT => {
                if let Some(sample) = self.sample(connection) {
                    let before = sample.bytes();
                    sample.segment(connection, from, bytes);
                    self.kept += sample.bytes() - before;
                }
            }
            Event::Gap { connection, from, .. } => {
                self.sample(connection).into_iter().for_each(|sample| sample.gap(connection, from));
            }
            Event::End { connection, from, .. } => {
                self.sample(connection).into_iter().for_each(|sample| sample.end(connection, from));
            }
            Event::Close { connection, .. } => {
                self.servers.remove(&connection);
            }
            _ => {}
        }
    }

    fn open(&mut self, connection: u64, server: SocketAddr, whole: bool) {
        if !self.samples.contains_key(&server) {
            if self.samples.len() == MAX_SERVERS {
                self.left_out += 1;
                return;
            }
            self.order.push(server);
        }
        self.servers.insert(connection, server);
        self.samples.entry(server).or_insert_with(|| Sample::new(server.port())).open(connection, whole);
    }

    fn sample(&mut self, connection: u64) -> Option<&mut Sample> {
        self.samples.get_mut(self.servers.get(&connection)?)
    }

    fn guess(self) -> Vec<Server> {
        let samples = self.order.into_iter().filter_map(|address| Some((address, self.samples.get(&address)?)));
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
