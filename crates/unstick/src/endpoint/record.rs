//! Recorders: what takes a copy of everything that passes over the connections of an endpoint.
//!
//! Not here: files, and how a recording is written. A recorder belongs to the caller.

mod halves;
mod messages;
mod recorder;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::transport::Transport;
use halves::{RecordedReader, RecordedWriter};
use messages::{RecordedDatagrams, RecordedIncoming};
use recorder::Tape;
pub use recorder::{Carries, Recorded, Recorder, Way};

/// Records everything that passes over this transport from now on, if there is a recorder.
pub(crate) fn recorded(transport: Transport, recorder: Option<&Arc<dyn Recorder>>) -> Transport {
    let Some(recorder) = recorder else { return transport };
    let (names, carries) = match &transport {
        Transport::Stream(end) => (&end.names, Carries::Stream),
        Transport::Datagram(end) => (&end.names, Carries::Datagrams),
        Transport::Message(end) => (&end.names, Carries::Messages),
    };
    let connection = recorder.open(names, carries);
    let tape = Arc::new(Tape { recorder: Arc::clone(recorder), connection, failed: AtomicBool::new(false) });
    match transport {
        Transport::Stream(mut end) => {
            end.reader = Box::new(RecordedReader::new(end.reader, Arc::clone(&tape)));
            end.writer = Box::new(RecordedWriter::of_bytes(end.writer, tape));
            Transport::Stream(end)
        }
        Transport::Datagram(mut end) => {
            end.incoming = Box::new(RecordedIncoming::of_datagrams(end.incoming, Arc::clone(&tape)));
            end.outgoing = Arc::new(RecordedDatagrams::new(end.outgoing, tape));
            Transport::Datagram(end)
        }
        Transport::Message(mut end) => {
            let closings = Arc::clone(&end.closings);
            end.incoming = Box::new(RecordedIncoming::of_messages(end.incoming, Arc::clone(&tape), closings));
            end.outgoing = Box::new(RecordedWriter::of_messages(end.outgoing, tape));
            Transport::Message(end)
        }
    }
}
