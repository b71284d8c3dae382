//! Further threads for a run that one thread cannot serve fast enough, each with a runtime of its own.

use std::future::pending;

use tokio::runtime::{Builder, Handle};

/// Threads of a run in all, at most. Each takes a stack and three open files, also where it has nothing to do.
const MOST_THREADS: usize = 8;

/// A runtime for each further processor, on a thread of its own: it lasts as long as the process. Fewer where the system gives no more.
pub fn for_other_processors() -> Vec<Handle> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (1..processors.min(MOST_THREADS)).map_while(|_| another()).collect()
}

fn another() -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let handle = runtime.handle().clone();
    let serve = move || runtime.block_on(pending::<()>());
    std::thread::Builder::new().name("clients".into()).spawn(serve).ok()?;
    Some(handle)
}
