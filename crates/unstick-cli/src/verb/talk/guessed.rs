//! `-f auto` in a conversation: guesses the framing from what the peers send, and sends messages in it once it is known.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use unstick::wire::guess::{Answer, Watch};
use unstick::wire::limits::MAX_GUESS_DIRECTION;
use unstick::wire::{ChooseFraming, Framing, Role};
use unstick::{Framings, Result};

use crate::count::Count;
use crate::options::decode::AUTO;
use crate::output;
use crate::unpoisoned::unpoisoned;

/// How long nothing more has to come until what has arrived is shown, guessed or not. A peer that waits for an answer sends
/// nothing more, and nobody can answer what is not shown.
const PATIENCE: Duration = Duration::from_millis(800);

/// What all peers speak, and how many have spoken.
#[derive(Debug)]
struct Peers {
    /// The side that they take.
    role: Role,
    opened: AtomicU64,
    spoken: Mutex<Spoken>,
    /// The framing of streams in which nothing can be told.
    segments: Framing,
}

#[derive(Debug)]
enum Spoken {
    Watched(Box<Watch>),
    Known(Framing),
    /// As much as a guess looks at has told nothing.
    Unknown,
}

/// The framing of one direction.
#[derive(Debug)]
struct Direction {
    peers: Arc<Peers>,
    from: Role,
}

/// Returns framings that are guessed from what the peers send. `role` is ours.
pub fn framings(role: Role) -> Result<Framings> {
    let spoken = Mutex::new(Spoken::Watched(Box::new(Watch::new(0))));
    let peers = Peers { role: role.other(), opened: AtomicU64::new(0), spoken, segments: Framing::parse("raw")? };
    let peers = Arc::new(peers);
    let of = |from| Framing::chosen(AUTO, PATIENCE, Arc::new(Direction { peers: Arc::clone(&peers), from }));
    Ok(Framings { inbound: of(role.other()), outbound: of(role) })
}

impl ChooseFraming for Direction {
    fn open(&self) -> u64 {
        let number = self.peers.opened.fetch_add(1, Ordering::Relaxed);
        if let Spoken::Watched(watch) = &mut *unpoisoned(self.peers.spoken.lock()) {
            watch.open(number, true);
        }
        number
    }

    fn choose(&self, stream: u64, arrived: &[u8], seen: usize, last: bool) -> Option<Framing> {
        let last = last || arrived.len() >= MAX_GUESS_DIRECTION;
        let mut spoken = unpoisoned(self.peers.spoken.lock());
        let answer = match &mut *spoken {
            Spoken::Watched(watch) => {
                watch.segment(stream, self.peers.role, &arrived[seen..]);
                watch.ask(last)
            }
            Spoken::Known(framing) => return Some(framing.sent_by(self.from)),
            Spoken::Unknown => return Some(self.peers.segments.clone()),
        };
        if let Answer::Certain(first) = answer
            && let Ok(framing) = Framing::parse(&first.spec)
        {
            output::notice(&format!("guessed {}: {}", first.spec, first.evidence.join("; ")));
            *spoken = Spoken::Known(framing.clone());
            return Some(framing.sent_by(self.from));
        }
        if !last {
            return None;
        }
        let bytes = Count(arrived.len() as u64, "byte");
        output::loss(&format!(
            "cannot tell the framing from {bytes}: what this peer sends is shown as it is read; -f SPEC names the framing"
        ));
        if matches!(&*spoken, Spoken::Watched(watch) if watch.is_full()) {
            *spoken = Spoken::Unknown;
        }
        Some(self.peers.segments.clone())
    }

    fn known(&self) -> Option<Framing> {
        match &*unpoisoned(self.peers.spoken.lock()) {
            Spoken::Known(framing) => Some(framing.sent_by(self.from)),
            _ => None,
        }
    }
}
