//! Counts failed TLS and WebSocket handshakes with the server under test, and keeps the last error.

/// The TLS and WebSocket handshakes with the server under test.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    pub(super) succeeded: bool,
    /// Number of those that failed and were tried again; and how the last of them failed.
    pub(super) failed: u64,
    pub(super) last: String,
}
