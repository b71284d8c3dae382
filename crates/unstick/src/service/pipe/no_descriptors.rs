//! Systems whose sockets are no descriptors: there the bytes of every transport pass through the runtime.

use tokio::sync::mpsc;

use super::progress::{Done, Progress};
use crate::stop::Stop;

/// There is no such socket.
pub(super) enum Socket {}

impl Socket {
    pub(super) async fn wind_up(&self, _: &Stop, _: &Progress, _: mpsc::Receiver<Done>) {
        match *self {}
    }

    pub(super) fn is_reset(&self) -> bool {
        match *self {}
    }
}
