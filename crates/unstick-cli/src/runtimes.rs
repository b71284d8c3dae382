//! Starts more threads for a run that one thread cannot serve fast enough, each with its own runtime.

use std::future::pending;

use tokio::runtime::{Builder, Handle};

/// The most threads of a run, the first one included. Each takes a stack and three open files, even if it has nothing to do.
const MOST_THREADS: usize = 8;

/// Starts a thread with a runtime for each further processor. They last as long as the process. If the system gives no more
/// threads, there are fewer.
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
