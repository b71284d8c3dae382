//! What is recorded as packets: `--record FILE.pcapng`.

use super::events::{Event, What};
use crate::count::Count;
use crate::packets::{Opened, Packets};

/// Appends the packets of an event.
pub fn put(packets: &mut Packets, event: &Event, protocol: &str) {
    let Event { connection: peer, time, what } = event;
    let peer = *peer;
    packets.at(Some(*time));
    match what {
        What::Open { client, server, .. } => {
            packets.open(peer, &Opened { client, server, protocol, continued: false });
        }
        What::Segment { from, bytes } => packets.data(peer, *from, bytes),
        What::Message { from, message, cut_short, .. } => {
            if *cut_short {
                packets.say_cut_short(peer);
            }
            packets.data(peer, *from, message);
        }
        What::End { from, .. } => packets.end(peer, *from),
        What::Reset { from } => packets.reset(peer, *from),
        What::Failed { error, .. } => packets.fail(peer, error),
        What::Lost { from, bytes, .. } => packets.gap(peer, *from, *bytes),
        What::LostOthers { events } => {
            packets.say_of_all(&format!("{} of connections were not recorded", Count(*events, "event")));
        }
        What::Close => packets.close(peer),
    }
}
