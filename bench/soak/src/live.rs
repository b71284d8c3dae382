//! Mutated streams for running listeners: `listen -f SPEC --echo` and `--reply`, in every framing and preset that can listen. After
//! each batch of hostile clients a good one has to be answered.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use unstick_wire::{Framing, Preset, Role};

use crate::Failures;
use crate::fuzz::{mutate, subjects};
use crate::program::Program;
use crate::random::Random;

#[path = "../../../crates/unstick-wire/tests/all/golden_format.rs"]
mod golden_format;

/// Hostile clients of one listener between two looks at whether it still answers.
const BATCH: u64 = 250;

/// Hostile clients at once.
const AT_ONCE: u64 = 16;

/// How long a client may take until it counts as not served: the machine may be busy with other things.
const SERVED: Duration = Duration::from_secs(20);

/// A framing as a listener has it.
struct Subject {
    spec: String,
    /// What its clients send, and what it answers in.
    reads: Framing,
    writes: Framing,
    /// Bytes of real clients, where the preset's golden has some.
    golden: Vec<u8>,
}

/// A good client: what it says, and what it has to hear.
struct Good {
    says: Vec<u8>,
    hears: Vec<u8>,
}

/// Counts of a whole run.
#[derive(Default)]
struct Counts {
    streams: AtomicU64,
    answered: AtomicU64,
    good: AtomicU64,
}

pub async fn run(streams: u64) -> Failures {
    let (mut failures, counts) = (Failures::new(), Arc::new(Counts::default()));
    let (mut listeners, mut mute) = (Vec::new(), Vec::new());
    for subject in subjects() {
        let subject = Arc::new(subject);
        for answer in ["--echo", "--reply"] {
            match listener(&subject, answer) {
                Some((words, good)) => listeners.push((Arc::clone(&subject), words, good)),
                None => mute.push(format!("{} {answer}", subject.spec)),
            }
        }
    }
    let each = streams.div_ceil(listeners.len() as u64).div_ceil(BATCH) * BATCH;
    let all = listeners.len();
    for (number, (subject, words, good)) in listeners.into_iter().enumerate() {
        if let Err(failure) = besiege(&subject, &words, &good, number as u64, each, &counts).await {
            failures.push(format!("unstick listen 127.0.0.1:0 {}: {failure}", words.join(" ")));
        }
    }
    let [streams, answered, good] =
        [&counts.streams, &counts.answered, &counts.good].map(|n| n.load(Ordering::Relaxed));
    println!("{streams} mutated streams to {all} listeners, {answered} of them answered; {good} good clients answered");
    println!("left out, as nothing that we know to send has an answer: {}", mute.join(", "));
    failures
}

/// Every framing, and every preset with what its clients and its servers send.
fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for spec in subjects::specs() {
        let framing = Framing::parse(spec).expect("the specs parse");
        all.push(Subject { spec: spec.to_owned(), reads: framing.clone(), writes: framing, golden: Vec::new() });
    }
    let goldens = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/unstick-wire/tests/goldens");
    for preset in Preset::all() {
        let framing = Framing::parse(preset.name).expect("presets parse");
        let text =
            std::fs::read_to_string(goldens.join(format!("{}.golden", preset.name))).expect("presets have goldens");
        let frames = text.lines().filter_map(|line| line.strip_prefix("> "));
        let golden: Vec<u8> = frames.flat_map(|line| golden_format::parse_frame(line).expect("a golden").0).collect();
        let (reads, writes) = (framing.sent_by(Role::Client), framing.sent_by(Role::Server));
        all.push(Subject { spec: preset.name.to_owned(), reads, writes, golden });
    }
    all
}

/// The words of a listener that answers so, and a good client of it; `None` where no message is known that has an answer.
fn listener(subject: &Subject, answer: &str) -> Option<(Vec<String>, Good)> {
    let candidates = [&b"hi"[..], b"hello there", b"", b"{\"a\":1}", b"0123456789abcdef", b"ab", &[0; 512]];
    let replies =
        ["ok", "", "{\"a\":1}", "0123456789abcdef", "OKAY", "HTTP/1.1 204 No\r\n\r\n", "+OK", "ok\r\n", "a b c\r\n"];
    let framed = |message: &[u8]| {
        let mut out = Vec::new();
        subject.reads.encoder().ok()?.encode(message, &mut out).ok().map(|()| out)
    };
    let mut streams: Vec<Vec<u8>> = candidates.iter().filter_map(|message| framed(message)).collect();
    streams.push(subject.golden.clone());
    let mut words: Vec<String> = ["127.0.0.1:0", "-f", &subject.spec, answer].map(str::to_owned).into();
    if answer == "--echo" {
        let good = streams.into_iter().find_map(|says| Some(Good { hears: answers(subject, &says, None)?, says }))?;
        return Some((words, good));
    }
    let (good, reply) = replies.iter().find_map(|reply| {
        let heard = |says: &Vec<u8>| answers(subject, says, Some(reply.as_bytes()));
        streams.iter().find_map(|says| Some((Good { hears: heard(says)?, says: says.clone() }, *reply)))
    })?;
    words.push(reply.to_owned());
    Some((words, good))
}

/// What a listener sends back for this stream: the first message, or the reply to it. `None` where it sends nothing.
fn answers(subject: &Subject, says: &[u8], reply: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut decoder = subject.reads.decoder();
    decoder.feed(says);
    let message = decoder.next().ok()??.to_vec();
    let mut out = Vec::new();
    subject.writes.encoder().ok()?.encode(reply.unwrap_or(&message), &mut out).ok()?;
    (!out.is_empty()).then_some(out)
}

/// Sends batches of mutated streams to one listener, and a good client after each.
async fn besiege(
    subject: &Arc<Subject>,
    words: &[String],
    good: &Good,
    number: u64,
    streams: u64,
    counts: &Arc<Counts>,
) -> Result<(), String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut program = Program::listen(&words).await;
    let at = program.address.trim_start_matches("tcp://").parse().expect("an address of TCP");
    for batch in 0..streams / BATCH {
        let mut clients = JoinSet::new();
        for client in 0..AT_ONCE {
            let seed = (number << 40) + (batch << 8) + client;
            let (subject, counts) = (Arc::clone(subject), Arc::clone(counts));
            let share = BATCH / AT_ONCE + u64::from(client < BATCH % AT_ONCE);
            clients.spawn(async move { attack(&subject, at, seed, share, &counts).await });
        }
        while let Some(attacked) = clients.join_next().await {
            attacked.expect("a client does not panic").map_err(|why| format!("batch {batch}: {why}"))?;
        }
        let answered = tokio::time::timeout(SERVED, good.asks(at)).await;
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {SERVED:?}")));
        answered.map_err(|why| format!("a good client after batch {batch}: {why}"))?;
        counts.good.fetch_add(1, Ordering::Relaxed);
        if program.has_ended() {
            return Err(format!("it has ended in batch {batch}"));
        }
    }
    program.end().await;
    Ok(())
}

impl Good {
    async fn asks(&self, at: std::net::SocketAddr) -> Result<(), String> {
        let said = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(at).await.map_err(said)?;
        stream.write_all(&self.says).await.map_err(said)?;
        let mut heard = vec![0; self.hears.len()];
        // A message that ends with the stream is answered then.
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut heard)).await;
        read.map_err(|_| "no answer within 1 s".to_owned())?.map_err(said)?;
        match heard == self.hears {
            true => Ok(()),
            false => Err(format!("{} and not {}", heard.escape_ascii(), self.hears.escape_ascii())),
        }
    }
}

/// Clients one after the other, each with a stream out of the one before. They end their side, read to the end, or reset.
async fn attack(
    subject: &Subject,
    at: std::net::SocketAddr,
    seed: u64,
    clients: u64,
    counts: &Counts,
) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut stream = subject.golden.clone();
    for _ in 0..clients {
        if random.one_in(8) {
            stream.clone_from(&subject.golden);
        }
        mutate(&mut stream, &subject.reads, &mut random);
        let served = tokio::time::timeout(SERVED, one_client(at, &stream, &mut random)).await;
        let heard =
            served.map_err(|_| format!("a client is not let go within {SERVED:?}: {}", stream.escape_ascii()))?;
        let heard = heard.map_err(|error| format!("cannot connect: {error}"))?;
        counts.streams.fetch_add(1, Ordering::Relaxed);
        counts.answered.fetch_add(u64::from(heard > 0), Ordering::Relaxed);
    }
    Ok(())
}

/// Bytes that came back. Only a connection that cannot be made is an error.
async fn one_client(at: std::net::SocketAddr, stream: &[u8], random: &mut Random) -> std::io::Result<usize> {
    let socket = TcpSocket::new_v4()?;
    // From many addresses: a port that has been used rests for a minute.
    socket.bind((Ipv4Addr::new(127, 0, 0, 2 + random.below(250) as u8), 0).into())?;
    let mut connection = socket.connect(at).await?;
    let cut = random.below(stream.len() as u64 + 1) as usize;
    let mut heard = Vec::new();
    let talk = async {
        connection.write_all(&stream[..cut]).await?;
        if random.one_in(4) {
            tokio::task::yield_now().await;
        }
        connection.write_all(&stream[cut..]).await?;
        if random.one_in(16) {
            // It goes without a word.
            return socket2::SockRef::from(&connection).set_linger(Some(Duration::ZERO));
        }
        connection.shutdown().await?;
        connection.read_to_end(&mut heard).await.map(drop)
    };
    // The listener may close while this end still writes.
    let _ = talk.await;
    Ok(heard.len())
}
