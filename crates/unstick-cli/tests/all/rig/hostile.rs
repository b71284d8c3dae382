//! Runs one hostile peer beside ten good ones, and measures what the good ones notice and how much memory the program
//! holds.
//!
//! Not here: what hostile peers do (the test module `hostile`, whose first lines say how to add one).

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::{Process, unstick_listen};

/// Number of good peers that talk while the hostile one attacks.
const GOOD_PEERS: usize = 10;

/// Number of round trips that are measured for each good peer.
const ROUND_TRIPS: usize = 200;

/// The longest time that a measurement takes; a good peer that is slowed down makes fewer round trips.
const LONGEST: Duration = Duration::from_secs(5);

/// How long any step may take before a test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// How often a trial is measured at most. One that fails because the machine is busy passes sooner or later; one that fails
/// because of the program does not.
const MEASUREMENTS: usize = 3;

/// The limit for the 99th percentile of the good peers' round trips.
const SLOWEST: Duration = Duration::from_millis(100);

/// The limit for the memory that the program ever holds, in bytes.
const MOST_MEMORY: usize = 64 << 20;

/// Trials run side by side, except further measurements: those must not meet the floods of other trials.
static TRIALS: RwLock<()> = RwLock::new(());

/// How a good peer talks: connects to a port and returns the function for one round trip, which takes the trip's
/// number. It panics if the peer is dropped or gets a wrong answer.
pub(crate) type Good = fn(u16) -> Box<dyn FnMut(usize) + Send>;

/// A listener that a hostile peer will attack.
pub(crate) struct Trial<'a> {
    arguments: &'a [&'a str],
    good: Good,
    slowest: Duration,
    most_memory: usize,
}

/// What a hostile peer sees of its trial.
pub(crate) struct Arena {
    /// The port on which the program listens.
    pub(crate) port: u16,
    begun: Sender<()>,
    over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// What the good peers and the kernel measured.
#[derive(Clone, Copy)]
struct Measured {
    median: Duration,
    p99: Duration,
    /// The most memory that the program has held, in bytes.
    memory: usize,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:?}, p99 {:?}, {} MiB", self.median, self.p99, self.memory >> 20)
    }
}

/// `unstick listen 127.0.0.1:0` with these arguments; it must answer every line of a good peer with that line.
pub(crate) fn trial<'a>(arguments: &'a [&'a str]) -> Trial<'a> {
    Trial { arguments, good: says_lines, slowest: SLOWEST, most_memory: MOST_MEMORY }
}

impl Trial<'_> {
    /// Makes good peers talk like this instead of in lines over TCP.
    pub(crate) fn with_good_peers(self, good: Good) -> Self {
        Trial { good, ..self }
    }

    /// Sets the limit of the 99th percentile instead of [`SLOWEST`], for answers that take more than our own work.
    pub(crate) fn answered_within(self, slowest: Duration) -> Self {
        Trial { slowest, ..self }
    }

    /// Lets the hostile peer loose and holds the program to the bar: no good peer is dropped, 99 of 100 of their round
    /// trips end in time, memory stays bounded. A machine that was busy gets further measurements.
    ///
    /// `hostile` runs on its own thread. It calls [`Arena::begins`] once its attack has begun, or returns; it goes on while
    /// [`Arena::goes_on`] returns true.
    #[track_caller]
    pub(crate) fn meets(self, hostile: impl Fn(&Arena) + Sync) {
        self.meets_and(hostile, |_, _| {});
    }

    /// The same, and looks at the program at the end.
    #[track_caller]
    pub(crate) fn meets_and(self, hostile: impl Fn(&Arena) + Sync, after: impl FnOnce(&mut Process, u16)) {
        let beside_others = TRIALS.read().unwrap_or_else(PoisonError::into_inner);
        let (mut process, port, first) = self.measure(&hostile);
        if self.is_met(first) {
            return after(&mut process, port);
        }
        drop(process);
        drop(beside_others);
        let _alone = TRIALS.write().unwrap_or_else(PoisonError::into_inner);
        let mut measured = vec![first];
        while measured.len() < MEASUREMENTS {
            let (mut process, port, again) = self.measure(&hostile);
            if self.is_met(again) {
                return after(&mut process, port);
            }
            measured.push(again);
        }
        let measured: Vec<_> = measured.iter().map(Measured::to_string).collect();
        panic!(
            "the good peers have to be served within {:?} and memory to stay below {} MiB: {}",
            self.slowest,
            self.most_memory >> 20,
            measured.join("; then ")
        );
    }

    fn is_met(&self, measured: Measured) -> bool {
        measured.p99 < self.slowest && measured.memory < self.most_memory
    }

    fn measure(&self, hostile: &(impl Fn(&Arena) + Sync)) -> (Process, u16, Measured) {
        let (process, port) = match self.arguments {
            [address, ..] if address.contains("://") => unstick_listen(self.arguments),
            _ => unstick_listen(&[&["127.0.0.1:0"], self.arguments].concat()),
        };
        let mut good: Vec<_> = (0..GOOD_PEERS).map(|_| (self.good)(port)).collect();
        good.iter_mut().for_each(|round_trip| round_trip(0));
        let (begun, is_on) = channel();
        let arena = Arena { port, begun, over: AtomicBool::new(false), streams: Mutex::default() };
        let mut times = thread::scope(|scope| {
            let ends = Ends(&arena);
            let attack = scope.spawn(|| {
                hostile(&arena);
                arena.begins();
            });
            wait_for(&is_on, || attack.is_finished());
            let measuring = good.into_iter().map(|round_trip| scope.spawn(|| measure_one(round_trip)));
            let measuring: Vec<_> = measuring.collect();
            let times: Vec<_> = measuring.into_iter().map(thread::ScopedJoinHandle::join).collect();
            drop(ends);
            times.into_iter().flat_map(|times| times.expect("a good peer is served to its end")).collect::<Vec<_>>()
        });
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100];
        let measured = Measured { median: at(50), p99: at(99), memory: process.peak_memory() };
        (process, port, measured)
    }
}

/// Waits until the attack has begun, or has failed.
fn wait_for(is_on: &Receiver<()>, has_ended: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while let Err(RecvTimeoutError::Timeout) = is_on.recv_timeout(Duration::from_millis(100)) {
        assert!(!has_ended() && Instant::now() < deadline, "the hostile peer does not get to its attack");
    }
}

fn measure_one(mut round_trip: Box<dyn FnMut(usize) + Send>) -> Vec<Duration> {
    let begun = Instant::now();
    let numbers = (1..=ROUND_TRIPS).take_while(|_| begun.elapsed() < LONGEST);
    let times = numbers.map(|number| {
        let sent = Instant::now();
        round_trip(number);
        sent.elapsed()
    });
    times.collect()
}

/// A good peer that sends a line and expects it back.
fn says_lines(port: u16) -> Box<dyn FnMut(usize) + Send> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the program listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a socket takes a time limit");
    stream.set_nodelay(true).expect("a TCP socket takes the option");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    Box::new(move |number| {
        let (said, mut heard) = (format!("good {number}\n"), String::new());
        stream.write_all(said.as_bytes()).expect("a good peer can send");
        answers.read_line(&mut heard).expect("a good peer is answered");
        assert_eq!(heard, said, "a good peer is answered, and not dropped");
    })
}

impl Arena {
    /// Opens a connection of the hostile peer. It is cut when the measurement is over, so that no write to it blocks
    /// for ever.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the program listens");
        let copy = stream.try_clone().expect("a socket can be shared");
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
        stream
    }

    /// Reports that the attack has begun: the good peers are measured from now on.
    pub(crate) fn begins(&self) {
        // The measurement may be over already.
        let _ = self.begun.send(());
    }

    /// Whether the good peers are still being measured.
    pub(crate) fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Ends the attack when dropped, also after a good peer has failed.
struct Ends<'a>(&'a Arena);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
        for stream in self.0.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A connection that has gone needs no shutdown.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
