//! Conversations with many peers inside this process, while time is paused: which peers are waited for, and for how
//! long.
//!
//! Not here: the program, whose tests see the same from outside.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use unstick::limits::{
    BYTES_AHEAD, COMMANDS_AHEAD, DEAF_PATIENCE, FINAL_FLUSH_TIMEOUT, FINISHING, FLUSH_TIMEOUT, IDLE_LOOKS, MAX_BACKLOG,
    MAX_QUEUE, PROGRESS_LOOK, RECONNECT_LONGEST, RECONNECT_PAUSE, SLOW_PATIENCE, SLOW_PEER_TIMEOUT,
};
use unstick::service::talk::{
    AutoReply, Command, Config, Event, Input, Outcome, Output, Peers, Reason, Recipient, Reconnect, talk,
};
use unstick::wire::Framing;
use unstick::{Address, Framings, Link, Options, Result};

/// Commands as the test gives them; the input ends with the sender.
struct Script(mpsc::UnboundedReceiver<Command>);

impl Input for Script {
    async fn next(&mut self) -> Result<Option<Command>> {
        Ok(self.0.recv().await)
    }

    fn try_next(&mut self) -> Result<Option<Command>> {
        Ok(self.0.try_recv().ok())
    }

    fn has_commands(&self) -> bool {
        true
    }
}

/// The events, one line each.
struct Told(mpsc::UnboundedSender<String>);

impl Output for Told {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        let line = match event {
            Event::Listening { .. } => "listening".to_owned(),
            Event::Open { peer, .. } => format!("open {peer}"),
            Event::Message { peer, message, .. } => format!("{peer}: {}", String::from_utf8_lossy(message)),
            Event::Pending { peer, so_far } => format!("pending {peer}: {}", String::from_utf8_lossy(so_far)),
            Event::Close { peer, reason: Reason::Failed(error), .. } => format!("close {peer}: {error}"),
            Event::Error { peer: Some(peer), error, .. } => format!("error {peer}: {error}"),
            Event::Slow { peer, .. } => format!("slow {peer}"),
            Event::Close { peer, reason, .. } => format!("close {peer}: {reason:?}"),
            other => format!("{other:?}"),
        };
        // The test may no longer be interested.
        let _ = self.0.send(line);
        Ok(())
    }
}

/// Messages of `MAX_QUEUE` bytes: one is with the writer, one waits, one finds no room.
const MUCH: usize = 3;

/// How long a test may take in real time. With paused time, a task that is always ready would stop the clock for ever, and no
/// time limit of the runtime would pass. Then a thread ends the process, and prints the reason.
const PATIENCE: Duration = Duration::from_secs(60);

/// Held by a run for as long as it lasts.
fn guarded(name: &str) -> std::sync::mpsc::Sender<()> {
    let (held, over) = std::sync::mpsc::channel();
    let name = name.to_owned();
    std::thread::spawn(move || {
        if over.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // Not through the capture of test output, which would be lost.
            let _ = writeln!(std::io::stderr(), "the run of {name} goes on and on");
            std::process::abort();
        }
    });
    held
}

/// A listener's run.
struct Run {
    address: Address,
    framings: Framings,
    commands: Option<mpsc::UnboundedSender<Command>>,
    told: mpsc::UnboundedReceiver<String>,
    outcome: JoinHandle<Outcome>,
    _guard: std::sync::mpsc::Sender<()>,
}

impl Run {
    async fn begin(name: &str, rules: Config) -> Run {
        let address: Address = name.parse().unwrap();
        let framings: Framings = Framing::parse("line").unwrap().into();
        let listener = unstick::listen(&address, Some(&framings), &Options::default()).await.unwrap();
        let (commands, script) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let outcome = tokio::spawn(talk(Peers::Many(listener), Script(script), Told(tell), rules));
        let mut run = Run { address, framings, commands: Some(commands), told, outcome, _guard: guarded(name) };
        run.tells("listening").await;
        run
    }

    async fn join(&mut self, number: u64) -> Link {
        let link = unstick::connect(&self.address, Some(&self.framings), &Options::default()).await.unwrap();
        self.tells(&format!("open {number}")).await;
        link
    }

    /// Expects this event next.
    async fn tells(&mut self, line: &str) {
        assert_eq!(self.told.recv().await.as_deref(), Some(line));
    }

    fn command(&self, command: Command) {
        self.commands.as_ref().unwrap().send(command).unwrap();
    }

    fn send(&self, to: Recipient, message: impl Into<Bytes>) {
        self.command(Command::Send { to, message: message.into() });
    }

    /// More than fits on the way to a peer that does not read.
    fn send_much(&self, to: Recipient) {
        for _ in 0..MUCH {
            self.send(to.clone(), vec![b'x'; MAX_QUEUE]);
        }
    }

    async fn ends(self) -> Outcome {
        drop(self.commands);
        self.outcome.await.unwrap()
    }
}

fn rules(change: impl FnOnce(&mut Config)) -> Config {
    let mut rules = Config::default();
    change(&mut rules);
    rules
}

/// `SLOW_PEER_TIMEOUT`: a peer that reads none of its waiting messages is closed, and nobody has waited for it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_holds_up_no_other() {
    let mut run = Run::begin("mem:stalled", Config::default()).await;
    let (_deaf, mut other) = (run.join(1).await, run.join(2).await);
    let begun = Instant::now();
    run.send_much(Recipient::Peer(1));
    run.send(Recipient::Peer(2), "at once");
    assert_eq!(other.recv().await.unwrap().unwrap(), "at once");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    run.tells("slow 1").await;
    run.tells("close 1: Slow").await;
    let waited = begun.elapsed();
    assert!(waited >= SLOW_PEER_TIMEOUT && waited < SLOW_PEER_TIMEOUT + Duration::from_secs(1), "{waited:?}");
    run.send(Recipient::All, "to all that are left");
    assert_eq!(other.recv().await.unwrap().unwrap(), "to all that are left");
}

/// `MAX_BACKLOG`, `DEAF_PATIENCE`: if there is no room for more, the others wait briefly.
#[tokio::test(start_paused = true)]
async fn a_peer_whose_backlog_is_full_is_closed() {
    let mut run = Run::begin("mem:full", Config::default()).await;
    let (_deaf, mut other) = (run.join(1).await, run.join(2).await);
    let begun = Instant::now();
    for _ in 0..MAX_BACKLOG / MAX_QUEUE + MUCH - 1 {
        run.send(Recipient::Peer(1), vec![b'x'; MAX_QUEUE]);
    }
    run.send(Recipient::Peer(2), "in a moment");
    assert_eq!(other.recv().await.unwrap().unwrap(), "in a moment");
    let waited = begun.elapsed();
    assert!(waited >= DEAF_PATIENCE && waited < DEAF_PATIENCE + 2 * PROGRESS_LOOK, "{waited:?}");
    run.tells("slow 1").await;
    run.tells("close 1: Slow").await;
}

/// `SLOW_PATIENCE`, `PROGRESS_LOOK`: a reader that makes progress gets everything, although its backlog is always full.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_makes_progress_stays() {
    let mut run = Run::begin("mem:progress", rules(|rules| rules.max_queue = 2 * MAX_QUEUE)).await;
    let (mut slow, mut other) = (run.join(1).await, run.join(2).await);
    for _ in 0..40 {
        run.send(Recipient::All, vec![b'x'; MAX_QUEUE]);
    }
    let begun = Instant::now();
    let reads = async |peer: &mut Link, count: usize, pause: Duration| {
        for _ in 0..count {
            tokio::time::sleep(pause).await;
            let message = peer.recv().await.unwrap().unwrap();
            assert_eq!(message.len(), MAX_QUEUE, "after {:?}", begun.elapsed());
        }
    };
    tokio::join!(reads(&mut slow, 40, DEAF_PATIENCE * 4 / 5), reads(&mut other, 40, Duration::ZERO));
    run.tells("slow 1").await;
    // Once it has read something, it gets more time.
    for _ in 0..4 {
        run.send(Recipient::Peer(1), vec![b'x'; MAX_QUEUE]);
    }
    tokio::time::sleep(SLOW_PATIENCE * 4 / 5).await;
    reads(&mut slow, 4, Duration::ZERO).await;
    run.command(Command::Quit);
    assert!(matches!(run.outcome.await.unwrap(), Outcome::Ended));
    while let Some(line) = run.told.recv().await {
        assert!(line.starts_with("slow"), "{line}");
    }
}

/// `FINISHING`: a peer that has half-closed and does not read the rest is not kept for ever.
#[tokio::test(start_paused = true)]
async fn a_peer_that_half_closes_and_does_not_read_is_let_go() {
    let mut run = Run::begin("mem:unread", Config::default()).await;
    let (deaf, _other) = (run.join(1).await, run.join(2).await);
    let begun = Instant::now();
    run.send(Recipient::Peer(1), vec![b'x'; MAX_QUEUE]);
    let (sends, _hears) = deaf.split();
    sends.finish().await.unwrap();
    run.tells("close 1: Slow").await;
    assert!(begun.elapsed() >= FINISHING && begun.elapsed() < 2 * FINISHING, "{:?}", begun.elapsed());
}

/// `IDLE_LOOKS`: a peer that sends or reads is not idle; a silent one is.
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_let_go() {
    let after = Duration::from_secs(60);
    let mut run = Run::begin("mem:silent", rules(|rules| rules.peer_idle = Some(after))).await;
    let (_silent, speaks, mut reads) = (run.join(1).await, run.join(2).await, run.join(3).await);
    let begun = Instant::now();
    for _ in 0..5 {
        tokio::time::sleep(after / 2).await;
        speaks.send(b"here").await.unwrap();
        run.send(Recipient::Peer(3), "there");
        assert_eq!(reads.recv().await.unwrap().unwrap(), "there");
    }
    let mut told = Vec::new();
    while told.iter().filter(|line: &&String| line.starts_with("close")).count() < 3 {
        told.push(run.told.recv().await.unwrap());
    }
    let closes: Vec<_> = told.iter().filter(|line| line.starts_with("close")).collect();
    assert_eq!(closes[0], "close 1: Idle(60s)");
    assert!(closes.iter().all(|line| line.ends_with("Idle(60s)")), "{closes:?}");
    let took = begun.elapsed();
    assert!(took >= after * 7 / 2 && took <= after * (5 * IDLE_LOOKS + 4) / 2 / IDLE_LOOKS + after, "{took:?}");
}

/// A command takes longer than a peer may be silent. Because this end has to answer, the peer stays and gets its answer.
#[cfg(unix)]
#[tokio::test]
async fn a_peer_that_waits_for_its_answer_is_not_silent() {
    let after = Duration::from_millis(100);
    let answer = AutoReply::Each("read line; sleep 0.5; echo answer".to_owned());
    let idle = |rules: &mut Config| (rules.peer_idle, rules.answer) = (Some(after), answer);
    let mut run = Run::begin("mem:owed", rules(idle)).await;
    let mut waits = run.join(1).await;
    waits.send(b"question").await.unwrap();
    assert_eq!(waits.recv().await.unwrap().unwrap(), "answer");
    // Now it is the peer's turn again.
    assert_eq!(waits.recv().await.unwrap(), None);
    let mut told = String::new();
    while !told.starts_with("close") {
        told = run.told.recv().await.unwrap();
    }
    assert_eq!(told, "close 1: Idle(100ms)");
}

/// `COMMANDS_AHEAD`, `BYTES_AHEAD`: a command that ends a peer or the run does not wait behind a message that has no room.
#[tokio::test(start_paused = true)]
async fn close_and_quit_overtake() {
    for alone in [true, false] {
        let mut run = Run::begin(&format!("mem:overtake-{alone}"), rules(|rules| rules.max_queue = 1)).await;
        let _deaf = run.join(1).await;
        let other = if alone { None } else { Some(run.join(2).await) };
        run.send_much(Recipient::Peer(1));
        for _ in 0..COMMANDS_AHEAD / 2 {
            run.send(Recipient::Peer(1), "held");
        }
        assert!(COMMANDS_AHEAD / 2 * "held".len() < BYTES_AHEAD);
        if alone {
            run.command(Command::Close(1));
            run.tells("error 1: it has left").await;
        }
        run.command(Command::Quit);
        let begun = Instant::now();
        assert!(matches!(run.outcome.await.unwrap(), Outcome::Ended));
        assert!(begun.elapsed() <= FLUSH_TIMEOUT + Duration::from_secs(1), "{:?}", begun.elapsed());
        drop(other);
    }
}

/// `SLOW_PEER_TIMEOUT`: a peer that is only slow gets everything, and stays.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_slow_to_read_stays() {
    let mut run = Run::begin("mem:slow", Config::default()).await;
    let (mut slow, mut other) = (run.join(1).await, run.join(2).await);
    for round in 0..3 {
        run.send_much(Recipient::All);
        tokio::time::sleep(SLOW_PEER_TIMEOUT / 2).await;
        let read = async |peer: &mut Link| {
            for _ in 0..MUCH {
                assert_eq!(peer.recv().await.unwrap().unwrap().len(), MAX_QUEUE, "round {round}");
            }
        };
        tokio::join!(read(&mut slow), read(&mut other));
    }
}

/// `FLUSH_TIMEOUT`: a run that is over does not wait for ever for a peer that does not read.
#[tokio::test(start_paused = true)]
async fn an_end_waits_for_a_peer_that_does_not_read_for_a_bounded_time() {
    let mut run = Run::begin("mem:wind-up", Config::default()).await;
    let _deaf = run.join(1).await;
    run.send(Recipient::All, vec![b'x'; 4 * MAX_QUEUE]);
    run.command(Command::Quit);
    let begun = Instant::now();
    let outcome = run.outcome.await.unwrap();
    assert!(matches!(outcome, Outcome::Ended), "{outcome:?}");
    assert_eq!(begun.elapsed().as_secs(), FLUSH_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_end_gives_a_peer_that_reads_everything() {
    let mut run = Run::begin("mem:all-of-it", Config::default()).await;
    let mut peer = run.join(1).await;
    run.send(Recipient::All, vec![b'x'; 4 * MAX_QUEUE]);
    run.command(Command::Quit);
    tokio::time::sleep(FLUSH_TIMEOUT / 2).await;
    assert_eq!(peer.recv().await.unwrap().unwrap().len(), 4 * MAX_QUEUE);
    assert!(peer.recv().await.unwrap().is_none());
    assert!(matches!(run.outcome.await.unwrap(), Outcome::Ended));
}

/// `FINAL_FLUSH_TIMEOUT`: a user who sets a deadline does not want to wait longer.
#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_though_a_peer_does_not_read() {
    let deadline = Duration::from_secs(3);
    let begun = Instant::now();
    let mut run = Run::begin("mem:deadline", rules(|rules| rules.deadline = Some(deadline))).await;
    let _deaf = run.join(1).await;
    run.send_much(Recipient::All);
    let outcome = run.ends().await;
    assert!(matches!(outcome, Outcome::Deadline(after) if after == deadline), "{outcome:?}");
    let took = begun.elapsed();
    assert!(took >= deadline && took <= deadline + FINAL_FLUSH_TIMEOUT + Duration::from_millis(1), "{took:?}");
}

/// `FINAL_FLUSH_TIMEOUT`: the run does not wait any longer for a peer that goes on sending after the end. In real time, because
/// paused time does not pass while a peer never pauses.
#[tokio::test]
async fn a_peer_that_goes_on_talking_after_the_end_is_ignored_for_a_bounded_time() {
    let mut run = Run::begin("mem:talkative", rules(|rules| rules.count = Some(1))).await;
    let peer = run.join(1).await;
    run.send(Recipient::All, "a word before the end");
    let talks = tokio::spawn(async move { while peer.send(b"and another thing").await.is_ok() {} });
    run.tells("1: and another thing").await;
    let begun = Instant::now();
    let outcome = run.outcome.await.unwrap();
    assert!(matches!(outcome, Outcome::Reached), "{outcome:?}");
    assert!(begun.elapsed() < FINAL_FLUSH_TIMEOUT + Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(run.told.recv().await, None, "nothing is shown beyond the count");
    talks.await.unwrap();
}

/// A frame is reported as pending in time, however often other peers send.
#[tokio::test(start_paused = true)]
async fn what_is_pending_is_said_in_time_and_once_though_others_are_busy() {
    let mut run = Run::begin("mem:pending", Config::default()).await;
    let address: Address = "mem:pending".parse().unwrap();
    let raw: Framings = Framing::parse("raw").unwrap().into();
    let half = unstick::connect(&address, Some(&raw), &Options::default()).await.unwrap();
    run.tells("open 1").await;
    let busy = run.join(2).await;
    half.send(b"half ").await.unwrap();
    let begun = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        busy.send(b"x").await.unwrap();
        half.send(b".").await.unwrap();
        match run.told.recv().await.unwrap().as_str() {
            "2: x" => assert!(begun.elapsed() < Duration::from_secs(2), "it is late"),
            pending => break assert_eq!(pending, "pending 1: half ..."),
        }
    }
    run.tells("2: x").await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        half.send(b".").await.unwrap();
        busy.send(b"x").await.unwrap();
        run.tells("2: x").await;
    }
    half.send(b"\n").await.unwrap();
    run.tells("1: half .........").await;
}

/// `RECONNECT_PAUSE`, doubled up to `RECONNECT_LONGEST`: the pauses before a server that does not come back is tried again.
#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_after_pauses_that_grow_to_a_bound() {
    let _guard = guarded("again");
    let address: Address = "mem:again".parse().unwrap();
    let framings: Framings = Framing::parse("line").unwrap().into();
    let mut listener = unstick::listen(&address, Some(&framings), &Options::default()).await.unwrap();
    let link = unstick::connect(&address, Some(&framings), &Options::default()).await.unwrap();
    let far = listener.accept().await.unwrap();
    let mut how = Reconnect::to(address, Some(framings), Options::default());
    how.attempts = Some(10);
    let (_commands, script) = mpsc::unbounded_channel();
    let (tell, mut told) = mpsc::unbounded_channel();
    let run = tokio::spawn(talk(Peers::Again(link, Box::new(how)), Script(script), Told(tell), Config::default()));
    assert_eq!(told.recv().await.as_deref(), Some("open 1"));
    drop((far, listener));
    let begun = Instant::now();
    let outcome = run.await.unwrap();
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    let pauses = (0..10).map(|doubled| (RECONNECT_PAUSE * (1 << doubled)).min(RECONNECT_LONGEST));
    let wanted: Duration = pauses.sum();
    let waited = begun.elapsed();
    // The run waited for the lost peer, as for every peer that has ended (`linger`).
    assert!(waited >= wanted && waited < wanted + Duration::from_secs(3), "{waited:?}, not {wanted:?}");
}
