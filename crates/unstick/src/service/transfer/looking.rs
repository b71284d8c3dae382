//! A receiver that only looks: it receives the list, reports it, and takes no file.

use bytes::Bytes;
use unstick_wire::transfer::{Arrival, Message, Naming, Reason, Receiver, Side};

use super::conversation::{Conversation, Heard, broken, check_side, cut, refused};
use super::event::{Event, Observer, Tally};
use crate::error::Result;

/// Reports what a receiver would get.
///
/// # Errors
///
/// If the connection is lost before the list is complete, or a receiver would not accept the list.
pub(super) async fn run(mut talk: Conversation, hello: bool, observer: &Observer) -> Result<Tally> {
    if hello {
        check_side(&talk.hello().await?, Side::Receiver)?;
    }
    let mut machine = Receiver::new(Naming::Unix);
    loop {
        let message = match talk.hear().await? {
            Heard::Message(message) => message,
            Heard::Ended => return Err(cut("it ended before the list had come")),
        };
        match machine.receive(message).map_err(broken)? {
            Arrival::Listed => break,
            Arrival::Refused { text, .. } => return Err(refused(&text)),
            _ => {}
        }
    }
    let manifest = machine.manifest();
    observer(Event::Listed { entries: manifest.entries().len(), size: manifest.size() });
    manifest.entries().iter().for_each(|entry| observer(Event::Offered { entry }));
    if !hello {
        // A sender that has connected would reconnect for ever, so it is refused. A sender that listens just goes on
        // waiting.
        let text = Bytes::from_static(b"it wanted only to see the list");
        talk.send(&Message::Refused { reason: Reason::Other, text }).await?;
    }
    talk.finish().await;
    Ok(Tally::default())
}
