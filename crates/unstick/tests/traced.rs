//! The `tracing` events while an endpoint is opened. It is a separate program: `tracing` remembers for the whole process whether
//! anybody wants an event, and another thread that meets the event first would decide that nobody does.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use unstick::wire::Framing;
use unstick::{Link, Listener};

/// Keeps the text of every event.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<String>>);

impl Visit for Kept {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{value:?}").unwrap();
    }
}

impl Subscriber for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("unstick")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn an_address_that_is_tried_is_an_event() {
    let kept = Kept::default();
    let guard = tracing::subscriber::set_default(kept.clone());
    let listener = Listener::bind("tcp://127.0.0.1:0", Framing::lines()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let _link = Link::connect(address, Framing::lines()).await.unwrap();
    drop(guard);
    let told = kept.0.lock().unwrap().clone();
    assert!(told.contains(&format!("connected to {address}")), "{told}");
}
