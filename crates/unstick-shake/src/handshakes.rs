//! Handshakes of TLS and WebSocket with the server under test: how many failed, and how the last of them did.

/// Handshakes of TLS and WebSocket with the server under test.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    pub(super) succeeded: bool,
    /// Those that failed and were tried again; and how the last of them failed.
    pub(super) failed: u64,
    pub(super) last: String,
}
