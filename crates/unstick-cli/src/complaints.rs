//! Prints the same complaint about many peers a few times, and then counts it.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::unpoisoned::unpoisoned;

/// Number of complaints of one kind that are printed before the rest is counted.
const SAID: u64 = 10;

/// How long complaints of one kind are counted before the number is printed. A kind that was quiet for this long starts
/// again.
const WINDOW: Duration = Duration::from_secs(2);

/// The number of kinds to remember. Complaints of further kinds are always printed: the queue of the screen drops what is
/// too much.
const KINDS: usize = 32;

/// Complaints that differ only in numbers: peers, ports, sizes.
struct Kind {
    key: String,
    since: Instant,
    said: u64,
    /// Complaints that were not printed, and the text of the last of them.
    counted: u64,
    last: String,
}

struct Complaints {
    kinds: Mutex<Vec<Kind>>,
    /// Signals that the first complaint of a kind has been counted.
    counting: Condvar,
}

static COMPLAINTS: Complaints = Complaints { kinds: Mutex::new(Vec::new()), counting: Condvar::new() };

/// Whether this complaint is printed now. Otherwise it is counted, and the number is printed later.
pub fn should_print(text: &str, tell: fn(&str)) -> bool {
    let mut kinds = COMPLAINTS.lock();
    let (said, begins) = note(&mut kinds, text, Instant::now());
    drop(kinds);
    if begins {
        COMPLAINTS.begin(tell);
    }
    said
}

/// Prints the numbers that were counted and not printed yet.
pub fn flush(tell: fn(&str)) {
    let kinds = std::mem::take(&mut *COMPLAINTS.lock());
    kinds.iter().filter(|kind| kind.counted > 0).for_each(|kind| tell(&summary(kind)));
}

/// Returns whether to print the complaint, and whether it is the first of its kind that is counted.
fn note(kinds: &mut Vec<Kind>, text: &str, now: Instant) -> (bool, bool) {
    let key = key(text);
    kinds.retain(|kind| kind.counted > 0 || now.saturating_duration_since(kind.since) < WINDOW);
    let Some(kind) = kinds.iter_mut().find(|kind| kind.key == key) else {
        if kinds.len() < KINDS {
            kinds.push(Kind { key, since: now, said: 1, counted: 0, last: String::new() });
        }
        return (true, false);
    };
    if kind.said < SAID {
        kind.said += 1;
        return (true, false);
    }
    kind.counted += 1;
    text.clone_into(&mut kind.last);
    (false, kind.counted == 1)
}

/// Returns the text with every number replaced by one `0`.
fn key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if c != '0' || !key.ends_with('0') {
            key.push(c);
        }
    }
    key
}

fn summary(kind: &Kind) -> String {
    format!("and {} more like this: {}", kind.counted, kind.last)
}

impl Complaints {
    fn lock(&self) -> MutexGuard<'_, Vec<Kind>> {
        unpoisoned(self.kinds.lock())
    }

    /// Wakes the thread that prints the numbers, and starts it if it does not run yet.
    fn begin(&'static self, tell: fn(&str)) {
        static THREAD: std::sync::Once = std::sync::Once::new();
        THREAD.call_once(|| {
            // Without a thread the numbers are printed at the end.
            let _ = std::thread::Builder::new().name("complaints".into()).spawn(move || self.tell_all(tell));
        });
        self.counting.notify_one();
    }

    fn tell_all(&self, tell: fn(&str)) {
        let mut kinds = self.lock();
        loop {
            let next = kinds.iter().filter(|kind| kind.counted > 0).map(|kind| kind.since + WINDOW).min();
            let Some(next) = next else {
                kinds = unpoisoned(self.counting.wait(kinds));
                continue;
            };
            let now = Instant::now();
            if next > now {
                kinds = unpoisoned(self.counting.wait_timeout(kinds, next - now)).0;
                continue;
            }
            for kind in kinds.iter_mut().filter(|kind| kind.counted > 0 && kind.since + WINDOW <= now) {
                tell(&summary(kind));
                (kind.since, kind.counted) = (now, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_numbers_is_the_same() {
        assert_eq!(key("peer 17: 127.0.0.1:5012: reset"), key("peer 4: 10.0.0.15:1: reset"));
        assert_ne!(key("peer 17: reset"), key("peer 17: refused"));
    }

    #[test]
    fn a_few_are_said_and_the_rest_is_counted_until_it_is_quiet() {
        let (mut kinds, now) = (Vec::new(), Instant::now());
        let mut say = |text: &str, now| note(&mut kinds, text, now);
        assert!((0..SAID).all(|peer| say(&format!("peer {peer}: reset"), now) == (true, false)));
        assert_eq!(say("peer 10: reset", now), (false, true));
        assert_eq!(say("peer 11: reset", now), (false, false));
        assert_eq!(say("peer 11: refused", now), (true, false), "another kind");
        kinds[0].counted = 0;
        assert_eq!(note(&mut kinds, "peer 12: reset", now + WINDOW), (true, false));
    }

    #[test]
    fn kinds_that_are_too_many_are_said() {
        let (mut kinds, now) = (Vec::new(), Instant::now());
        for kind in 0..2 * KINDS {
            let text = "x".repeat(kind + 1);
            assert!((0..2 * SAID).all(|_| note(&mut kinds, &text, now).0 || kind < KINDS));
        }
        assert_eq!(kinds.len(), KINDS);
    }
}
