//! One connection on which a receiver only looks: the list comes, is told, and nothing of it is taken.

use bytes::Bytes;
use unstick_wire::transfer::{Arrival, Message, Naming, Reason, Receiver, Side};

use super::conversation::{Conversation, Heard, broken, check_side, cut, refused};
use super::event::{Event, Observer, Tally};
use crate::error::Result;

/// Tells what would come.
///
/// # Errors
///
/// Where the connection is lost before the list is whole, or the list is not one that a receiver takes.
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
        // Whoever has come would come again for ever. One that waits is left waiting.
        let text = Bytes::from_static(b"it only looked at what would come");
        talk.send(&Message::Refused { reason: Reason::Other, text }).await?;
    }
    talk.finish().await;
    Ok(Tally::default())
}
