//! The bounds of a run, each with its reason.

use std::time::Duration;

/// Number of bytes of each direction of a conversation that `shake` keeps to compare: a boundary that breaks a program
/// does so in the first few messages.
pub const MAX_RECORDED: usize = 16 << 20;

/// Number of bytes that `shake` keeps of conversations that differed, until they have been tried again. These are enough to
/// understand a program that breaks in many ways.
pub const MAX_SUSPECTED: usize = 64 << 20;

/// Number of bytes that `shake` holds back for a join before it lets them go.
pub const MAX_JOINED: usize = 1 << 20;

/// Number of bytes that `shake` keeps of the end of what a program prints, and of its output if that is compared.
pub const MAX_CAPTURED_OUTPUT: usize = 64 << 10;

/// How long a receiver may take to read what is before a cut. A receiver that has not read by then is busy with
/// something else, and the cut counts as undelivered. Before the first cut it is as long as two baseline runs took,
/// if that is more: a program may take long to start.
pub const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// How long `shake` waits in a first run for a server that sends nothing, before it ends its side: longer than most servers
/// need for an answer.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// How long `shake` waits for a server to end its side after the client has, so that it can close without a reset.
pub const CLOSE_PATIENCE: Duration = Duration::from_millis(100);

/// How long a server that `shake` starts may take to listen.
pub const START_PATIENCE: Duration = Duration::from_secs(10);

/// How many times `shake` tries a TLS or WebSocket handshake with a server that has completed others. A server that
/// limits its handshakes accepts a later try. If it never does, the run ends.
pub const HANDSHAKE_TRIES: usize = 3;

/// How long a first baseline run may take; later ones may take a multiple of its time.
pub const BASELINE_PATIENCE: Duration = Duration::from_secs(10);
