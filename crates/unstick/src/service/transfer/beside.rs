//! A value that its own thread changes, such as the hash of a file: hashing, reading and writing then take their time
//! beside each other.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Number of changes that wait. Each holds a piece of a file, so this bounds memory, too.
const AHEAD: usize = 4;

/// A change of the value.
type Change<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A value that is changed in order. Its thread ends when this is finished or dropped.
#[derive(Debug)]
pub(super) enum Beside<T> {
    /// Without a thread, for what is too small to be worth one.
    Here(T),
    /// On a thread of its own.
    There { changes: SyncSender<Change<T>>, thread: JoinHandle<T> },
}

impl<T: Send + 'static> Beside<T> {
    /// Starts a thread for the value. Without one, if the system has no more threads.
    pub(super) fn start(value: fn() -> T) -> Self {
        Self::start_with(Builder::new().name("hash".into()), value)
    }

    fn start_with(thread: Builder, value: fn() -> T) -> Self {
        let (changes, todo) = sync_channel::<Change<T>>(AHEAD);
        let thread = thread.spawn(move || {
            let mut value = value();
            todo.into_iter().for_each(|change| change(&mut value));
            value
        });
        thread.map_or_else(|_| Self::Here(value()), |thread| Self::There { changes, thread })
    }

    /// Changes the value after all earlier changes. Blocks while [`AHEAD`] of them wait.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut T) + Send + 'static) {
        match self {
            Self::Here(value) => change(value),
            // If a change has panicked, `finish` passes that on.
            Self::There { changes, .. } => drop(changes.send(Box::new(change))),
        }
    }

    /// Blocks until all changes are made.
    pub(super) fn finish(self) -> T {
        match self {
            Self::Here(value) => value,
            Self::There { changes, thread } => {
                drop(changes);
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_in_order_and_the_end_waits_for_all_of_them() {
        // No machine has room for this stack.
        let no_thread = Beside::start_with(Builder::new().stack_size(1 << 46), Vec::new);
        assert!(matches!(no_thread, Beside::Here(_)));
        for mut list in [no_thread, Beside::start(Vec::new)] {
            (0..100).for_each(|number| list.change(move |list| list.push(number)));
            assert_eq!(list.finish(), (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_of_a_change_is_not_lost_and_holds_nobody_up() {
        let mut value = Beside::start(|| 0);
        (0..100).for_each(|_| value.change(|_| panic!("the test's own panic")));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| value.finish())).is_err());
    }
}
