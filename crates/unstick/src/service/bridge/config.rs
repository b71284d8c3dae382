//! The configuration of bridges: what they connect, how they run, and when the run ends.

use std::time::Duration;

use tokio::runtime::Handle;
use unstick_wire::Role;
use unstick_wire::faults::{Plan, Unit};

use crate::address::{Address, Framings};
use crate::endpoint::{Options, Request, Transport};
use crate::error::Result;
use crate::limits;
use crate::link::Listener;
use crate::stop::Stop;

/// The clients to connect to the target.
pub enum Clients {
    /// One client, already connected.
    One(Transport),
    /// Every client that connects.
    Many(Listener),
}

/// The target of the bridges, and how both ends are framed.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address.
    pub address: Address,
    /// The options for connecting.
    pub options: Options,
    /// The framings at the client's end, if that is a stream.
    pub client: Option<Framings>,
    /// The framings at the target's end, if that is a stream.
    pub server: Option<Framings>,
    /// The faults to inject, the same for every client.
    pub faults: Faults,
}

/// The faults to inject.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Which faults happen.
    pub plan: Plan,
    /// The seed of the random choices: the same seed repeats the same run.
    pub seed: u64,
}

impl Target {
    /// Whether bytes can pass unchanged: both ends are streams with the same framing, and nothing applies to single
    /// messages.
    pub fn passes_bytes(&self) -> bool {
        let framings = [&self.client, &self.server].into_iter().flatten();
        let mut skips = framings.map(|framings| framings.inbound.skips_damage() || framings.outbound.skips_damage());
        self.faults.plan.is_empty()
            && self.options.frame_timeout.is_none()
            && self.is_alike()
            && !skips.any(|skips| skips)
    }

    /// Whether what passes is counted in bytes, because no boundaries are known.
    pub(super) fn counts_bytes(&self) -> bool {
        self.passes_bytes() || [Role::Client, Role::Server].iter().all(|side| self.unit(*side) == Unit::Bytes)
    }

    /// Whether both ends are streams with the same frames, or without frames.
    pub fn is_alike(&self) -> bool {
        match (&self.client, &self.server) {
            (Some(client), Some(server)) => client.inbound == server.outbound && client.outbound == server.inbound,
            _ => false,
        }
    }

    /// Returns what one side sends here: bytes without boundaries, or messages.
    pub fn unit(&self, from: Role) -> Unit {
        let framings = if from == Role::Client { &self.client } else { &self.server };
        match framings {
            Some(framings) if !framings.inbound.keeps_boundaries() => Unit::Bytes,
            _ => Unit::Messages,
        }
    }

    /// Returns the address and options that repeat the request of a WebSocket client at the target. That is the path
    /// and query, unless the address has its own; the agreed subprotocol; and the headers to pass on.
    pub(super) fn asked_alike(&self, request: &Request) -> (Address, Options) {
        let mut address = self.address.clone();
        #[cfg_attr(not(feature = "ws"), expect(unused_mut))]
        let mut options = self.options.clone();
        if let Some(path) = address.request_path_mut()
            && path.is_empty()
        {
            *path = request.target();
        }
        #[cfg(feature = "ws")]
        {
            options.ws.protocols = request.protocol.iter().cloned().collect();
            for name in &self.options.ws.pass_headers {
                if let Some(value) = request.header(name) {
                    // Header names that cannot stand in a request were refused when the user gave them.
                    let _ = options.ws.add_header(&format!("{name}: {value}"));
                }
            }
        }
        (address, options)
    }

    /// Checks that the faults make sense for what passes here.
    ///
    /// # Errors
    ///
    /// A usage error that names the first fault that makes no sense.
    pub fn check_faults(&self) -> Result<()> {
        for from in [Role::Client, Role::Server] {
            self.faults.plan.check(from, self.unit(from))?;
        }
        Ok(())
    }
}

/// How to reconnect a lost connection to the target.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Reconnect {
    /// Number of attempts that may fail in a row before the bridge fails; `None` means no limit.
    pub attempts: Option<u64>,
    /// The pause before the first attempt, which doubles up to `longest`: [`RECONNECT_PAUSE`](limits::RECONNECT_PAUSE).
    pub pause: Duration,
    /// The longest pause: [`RECONNECT_LONGEST`](limits::RECONNECT_LONGEST).
    pub longest: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { attempts: None, pause: limits::RECONNECT_PAUSE, longest: limits::RECONNECT_LONGEST }
    }
}

/// How bridges run, and when the run ends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Whether to give what passes to the output: [`Event::Passed`](super::Event::Passed).
    pub dump: bool,
    /// Whether to give the output also the frame in which a message arrived. With faults, which change messages, there is no frame.
    pub frames: bool,
    /// Whether to serve only one client.
    pub once: bool,
    /// Maximum number of clients at once; later ones wait to be accepted.
    pub max_peers: Option<usize>,
    /// Ends the run when nothing has passed for this time.
    pub idle: Option<Duration>,
    /// Ends a bridge when nothing has passed in either direction for this time.
    pub peer_idle: Option<Duration>,
    /// Ends the run after this time.
    pub deadline: Option<Duration>,
    /// How long a bridge with a datagram end goes on when one direction has ended, because datagrams cannot signal an
    /// end. Also how long the bridge goes on reading from a server whose client, a process or a WebSocket, is gone
    /// altogether. The time counts from when something last passed.
    pub linger: Duration,
    /// Reconnects to the target when that connection is lost and the client stays. Messages pass, never unchanged
    /// bytes.
    pub reconnect: Option<Reconnect>,
    /// Further runtimes to share clients with, each on its own thread; a client goes to the one that serves the fewest. Use this with
    /// runtimes of one thread: a runtime of several threads shares its tasks itself.
    pub runtimes: Vec<Handle>,
    /// Stops the run: nothing more is read, and what was read is still passed on, within
    /// [`FLUSH_TIMEOUT`](crate::limits::FLUSH_TIMEOUT).
    pub stop: Stop,
}

impl Default for Config {
    fn default() -> Self {
        let linger = Duration::from_secs(1);
        let stop = Stop::default();
        let (once, dump, frames, max_peers, idle, peer_idle) = (false, false, false, None, None, None);
        let (deadline, reconnect, runtimes) = (None, None, Vec::new());
        Self { dump, frames, once, max_peers, idle, peer_idle, deadline, linger, reconnect, runtimes, stop }
    }
}
