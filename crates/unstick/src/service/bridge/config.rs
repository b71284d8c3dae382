//! What is bridged, and when the run ends.

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

/// Who is to be connected to the other address.
pub enum Clients {
    /// One, already there.
    One(Transport),
    /// Whoever connects.
    Many(Listener),
}

/// Where clients are connected to, and how both ends are framed.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where.
    pub address: Address,
    /// How it is connected to.
    pub options: Options,
    /// The framings at the client's end, where that is a stream.
    pub client: Option<Framings>,
    /// The framings at the target's end, where that is a stream.
    pub server: Option<Framings>,
    /// What is to happen to what passes, the same for every client.
    pub faults: Faults,
}

/// Faults to order.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// What is to happen.
    pub plan: Plan,
    /// Repeats where chance has its say.
    pub seed: u64,
}

impl Target {
    /// Whether bytes can pass as they are: both ends are streams, framed alike, and nothing is asked of single messages.
    pub fn passes_bytes(&self) -> bool {
        let framings = [&self.client, &self.server].into_iter().flatten();
        let mut skips = framings.map(|framings| framings.inbound.skips_damage() || framings.outbound.skips_damage());
        self.faults.plan.is_empty()
            && self.options.frame_timeout.is_none()
            && self.is_alike()
            && !skips.any(|skips| skips)
    }

    /// Whether what passes is counted in bytes: no boundaries are known.
    pub(super) fn counts_bytes(&self) -> bool {
        self.passes_bytes() || [Role::Client, Role::Server].iter().all(|side| self.unit(*side) == Unit::Bytes)
    }

    /// Whether both ends are streams whose frames are the same, or that have none.
    pub fn is_alike(&self) -> bool {
        match (&self.client, &self.server) {
            (Some(client), Some(server)) => client.inbound == server.outbound && client.outbound == server.inbound,
            _ => false,
        }
    }

    /// What one side says here: bytes without boundaries, or messages.
    pub fn unit(&self, from: Role) -> Unit {
        let framings = if from == Role::Client { &self.client } else { &self.server };
        match framings {
            Some(framings) if !framings.inbound.keeps_boundaries() => Unit::Bytes,
            _ => Unit::Messages,
        }
    }

    /// The address and options for a WebSocket that is asked for what its client asked for here: the path and query, where
    /// the address has none of its own; the subprotocol that was agreed on; and the headers that are to be passed on.
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
                    // Names that cannot stand in a request were refused when they were given.
                    let _ = options.ws.add_header(&format!("{name}: {value}"));
                }
            }
        }
        (address, options)
    }

    /// Whether the faults have a meaning for what passes here.
    ///
    /// # Errors
    ///
    /// A usage error that names the first one without.
    pub fn check_faults(&self) -> Result<()> {
        for from in [Role::Client, Role::Server] {
            self.faults.plan.check(from, self.unit(from))?;
        }
        Ok(())
    }
}

/// How a lost connection to the target is made again.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Reconnect {
    /// Attempts that may fail in a row before the bridge fails; without end where there is none.
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

/// How bridges go on, and when the run ends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Give what passes to the output: [`Event::Passed`](super::Event::Passed).
    pub dump: bool,
    /// Give it the frame in which a message arrived, too. Faults change messages: with them there is none.
    pub frames: bool,
    /// Serve one client.
    pub once: bool,
    /// Clients at once; later ones wait to be accepted.
    pub max_peers: Option<usize>,
    /// End when nothing has passed for so long.
    pub idle: Option<Duration>,
    /// A bridge ends through which nothing has passed, in either direction, for so long.
    pub peer_idle: Option<Duration>,
    /// End after so long.
    pub deadline: Option<Duration>,
    /// How long a bridge with a datagram end goes on when one direction has ended, which datagrams cannot tell; and how long a
    /// server is heard out whose client, a process or a WebSocket, is gone altogether. Counted from when something last passed.
    pub linger: Duration,
    /// Connect to the target again when that connection is lost and the client stays. Messages pass, never bytes as they are.
    pub reconnect: Option<Reconnect>,
    /// Further runtimes to share clients with, each on a thread of its own; a client goes to the one that serves the fewest. For
    /// runtimes of one thread: one of several threads shares its tasks itself.
    pub runtimes: Vec<Handle>,
    /// Ends the run: nothing more is read, and what was read is still passed on, within [`FLUSH_TIMEOUT`](crate::limits::FLUSH_TIMEOUT).
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
