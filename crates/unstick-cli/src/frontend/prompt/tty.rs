//! Writes to the terminal of the prompt, without anything that draws.

use crate::text_queue;

/// Writes to the terminal without waiting for it. A terminal that is gone shows nothing anyway.
pub(super) fn show(text: &str) {
    if !text.is_empty() {
        let _ = text_queue::show(text.to_owned());
    }
}
