//! What happens to a file that has the name of one that comes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use unstick_wire::transfer::Entry;

/// What happens to a file that has the name of one that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It stays. One with the same content counts as received.
    #[default]
    Never,
    /// Somebody is [asked](super::Inbox::ask); where nobody is, it stays.
    Ask,
    /// It is replaced where the sender's was modified later.
    Newer,
    /// It is replaced once the other is whole.
    Always,
}

/// Told what comes, and how many bytes what is there has: whether that is replaced.
type Ask = dyn Fn(&Entry, u64) -> bool + Send + Sync;

/// Who is asked.
#[derive(Clone)]
pub(super) struct Asked(pub(super) Arc<Ask>);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

/// A time as it was listed.
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
