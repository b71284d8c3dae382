//! What happens to an existing file with the name of one that arrives.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use unstick_wire::transfer::Entry;

/// What happens to an existing file with the name of one that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It stays. If its content is the same, it counts as received.
    #[default]
    Never,
    /// The function of [`Inbox::ask`](super::Inbox::ask) decides; without one, it stays.
    Ask,
    /// It is replaced if the sender's file was modified later.
    Newer,
    /// It is replaced once the new file is complete.
    Always,
}

/// Gets the entry that arrives, and the size of the existing file. Returns whether to replace it.
type Ask = dyn Fn(&Entry, u64) -> bool + Send + Sync;

/// The function to ask.
#[derive(Clone)]
pub(super) struct Asked(pub(super) Arc<Ask>);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

/// The time of an entry.
pub(super) fn moment((seconds, nanos): (i64, u32)) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let moment = match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(whole),
        _ => SystemTime::UNIX_EPOCH.checked_sub(whole),
    };
    moment
        .and_then(|moment| moment.checked_add(Duration::from_nanos(u64::from(nanos))))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
