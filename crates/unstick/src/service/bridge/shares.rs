//! Shares clients among runtimes, each with its own thread: a client goes to the one that serves the fewest.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;

/// The runtimes of a run.
pub(super) struct Shares {
    own: Place,
    others: Vec<Place>,
}

/// A place on a runtime, which counts as taken while it is held.
#[derive(Clone)]
pub(super) struct Place {
    runtime: Handle,
    taken: Arc<()>,
}

impl Shares {
    /// The runtime of the caller, and others.
    pub(super) fn new(others: &[Handle]) -> Self {
        let empty = |runtime: &Handle| Place { runtime: runtime.clone(), taken: Arc::default() };
        Self { own: empty(&Handle::current()), others: others.iter().map(empty).collect() }
    }

    /// A place on the runtime with the fewest taken places; this runtime comes before the others.
    fn place(&self) -> Place {
        let fewer = |a, b| if Place::taken(b) < Place::taken(a) { b } else { a };
        self.others.iter().fold(&self.own, fewer).clone()
    }

    /// Opens something in the runtime of a place, so that the thread of that runtime gets its events. Cancel safe if `opening` is.
    pub(super) async fn open<T>(&self, opening: impl Future<Output = T>) -> (T, Place) {
        let mut opening = pin!(opening);
        poll_fn(|cx| {
            let place = self.place();
            let opened = {
                let _here = place.runtime.enter();
                opening.as_mut().poll(cx)
            };
            opened.map(|opened| (opened, place))
        })
        .await
    }
}

impl Place {
    fn taken(&self) -> usize {
        Arc::strong_count(&self.taken)
    }

    pub(super) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn a_client_goes_to_the_runtime_that_serves_the_fewest() {
        let [own, second, third] = [runtime(), runtime(), runtime()];
        let _here = own.enter();
        let shares = Shares::new(&[second.handle().clone(), third.handle().clone()]);
        let mut places: Vec<_> = (0..6).map(|_| shares.place()).collect();
        let runtimes: Vec<_> = places.iter().map(|place| place.runtime().id()).collect();
        let each = [own.handle().id(), second.handle().id(), third.handle().id()];
        assert_eq!(runtimes, [each, each].concat());
        drop(places.remove(1));
        assert_eq!(shares.place().runtime().id(), each[1], "the runtime that one has left");
        assert_eq!(Shares::new(&[]).place().runtime().id(), each[0], "there is no other");
    }
}
