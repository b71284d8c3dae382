//! The bounds of a run, each with its reason.

use std::time::Duration;

/// Bytes of each direction of a conversation that `shake` keeps to compare: a boundary that breaks a program does so in the
/// first few messages.
pub const MAX_RECORDED: usize = 16 << 20;

/// Bytes of conversations that went otherwise which `shake` keeps until they have been tried again: what breaks in so many
/// ways has been understood.
pub const MAX_SUSPECTED: usize = 64 << 20;

/// Bytes that `shake` holds back for a join before it lets them go.
pub const MAX_JOINED: usize = 1 << 20;

/// Bytes of a program's last words that `shake` keeps, and of its output where that is compared.
pub const MAX_CAPTURED_OUTPUT: usize = 64 << 10;

/// How long a receiver is given to read what is before a cut (before the first as long as two runs without cuts took, where
/// that is more: a program may take long to start): one that has not read by then is busy with something
/// else, and the cut counts as undelivered.
pub const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// How long `shake` waits in a first run for a server that says nothing, before it ends its side: longer than most
/// servers think.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// How long `shake` waits for a server to end its side once the client has, so that it can close without a reset.
pub const CLOSE_PATIENCE: Duration = Duration::from_millis(100);

/// How long a server that `shake` starts may take to listen.
pub const START_PATIENCE: Duration = Duration::from_secs(10);

/// How often `shake` tries a handshake of TLS or WebSocket with a server that has completed others: one that limits its
/// handshakes takes the next, one that never does ends the run.
pub const HANDSHAKE_TRIES: usize = 3;

/// How long a first run without cuts may take; later ones are given a multiple of what it took.
pub const BASELINE_PATIENCE: Duration = Duration::from_secs(10);
