//! `--record`: writes what passes to a file, as it happens, on a thread of its own.
//!
//! The conversation never waits for the file: what finds no room in the queue is counted as lost. `docs/recording.md` is the
//! reference of the format.

mod about;
mod events;
mod file;
mod queue;
mod view;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use unstick::endpoint::{Carries, PeerAddrs, Recorded, Recorder, Way};
use unstick::wire::Role;
use unstick::{Result, Stop};

use crate::{output, signals};
pub use about::{About, Recording};
use events::{What, now};
use file::RecordingFile;
use queue::Queue;

/// How long the end of the program waits for the file, if the disk does not take the rest.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Written bytes after which the queue has room for as many again. The conversations lock it as well, so not after each event.
const ROOM_AT_ONCE: usize = 1 << 20;

/// The recorder of this run: a process has at most one.
static RECORDER: OnceLock<FileRecorder> = OnceLock::new();

struct FileRecorder {
    recording: Recording,
    queue: Arc<Queue>,
    /// Whether an earlier recording is still in the file.
    is_old: AtomicBool,
}

/// Makes the recorder of this run. The file is not opened before [`begin`].
pub fn recorder(recording: Recording) -> Arc<dyn Recorder> {
    let role = recording.about.role;
    let recorder =
        RECORDER.get_or_init(|| FileRecorder { recording, queue: Arc::default(), is_old: AtomicBool::new(false) });
    Arc::new(Ears { queue: Arc::clone(&recorder.queue), role, stop: signals::stop() })
}

/// Opens the file, and starts the thread that writes it, if this run is recorded.
///
/// # Errors
///
/// If the file cannot be opened or written.
pub fn begin() -> Result<()> {
    let Some(FileRecorder { recording, queue, is_old }) = RECORDER.get() else { return Ok(()) };
    let mut file = RecordingFile::create(recording)?;
    is_old.store(file.is_old(), Ordering::Relaxed);
    let queue = Arc::clone(queue);
    let write = move || {
        while let Some(batch) = queue.take() {
            let mut written = 0;
            for event in batch {
                written += event.size();
                file.write(event);
                if written >= ROOM_AT_ONCE {
                    queue.written(std::mem::take(&mut written));
                }
            }
            file.flush();
            is_old.store(file.is_old(), Ordering::Relaxed);
            queue.written(written);
        }
    };
    let started = std::thread::Builder::new().name("recorder".into()).spawn(write);
    started.map(|_| ()).map_err(|error| unstick::Error::other(format!("cannot record: {error}")))
}

/// Waits until everything is written, but only briefly for a disk that does not take it. Says so if an earlier recording is
/// still in the file.
pub fn finish() {
    let Some(recorder) = RECORDER.get() else { return };
    recorder.queue.finish(LAST_WORDS);
    if recorder.is_old.load(Ordering::Relaxed) {
        let path = recorder.recording.path.display();
        output::notice(&format!("{path}: no data passed, so the file still holds what it held before"));
    }
}

/// What hears the conversations.
struct Ears {
    queue: Arc<Queue>,
    role: Role,
    stop: Stop,
}

impl Ears {
    /// Who has sent what passes this way.
    fn from(&self, way: Way) -> Role {
        if way == Way::Out { self.role } else { self.role.other() }
    }
}

impl Recorder for Ears {
    fn open(&self, names: &PeerAddrs, carries: Carries) -> u64 {
        let (client, server) = match self.role {
            Role::Client => (&names.local, &names.remote),
            Role::Server => (&names.remote, &names.local),
        };
        let carries = match carries {
            Carries::Stream => "bytes",
            Carries::Datagrams => "datagrams",
            _ => "messages",
        };
        self.queue.open(What::Open { client: client.clone(), server: server.clone(), carries })
    }

    fn record(&self, connection: u64, what: Recorded<'_>) {
        let what = match what {
            Recorded::Segment { way, bytes } => return self.queue.segment(connection, self.from(way), bytes),
            Recorded::Message { way, message, binary, cut_short } => {
                return self.queue.message(connection, self.from(way), message, binary, cut_short);
            }
            // A signal ends the program, and no side has ended the conversation.
            Recorded::End { way: Way::Out, .. } if self.stop.has_come() => return,
            Recorded::End { way, closing } => {
                let code = closing.and_then(|closing| closing.code());
                let reason = closing.map(|closing| closing.reason().to_owned());
                What::End { from: self.from(way), code, reason }
            }
            Recorded::Reset { way } => What::Reset { from: self.from(way) },
            Recorded::Failed { way, error } => What::Failed { from: self.from(way), error: error.to_string() },
            Recorded::Close => What::Close,
            _ => return,
        };
        self.queue.put(connection, what, now());
    }
}
