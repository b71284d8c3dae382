//! Random conversations between every pair of transports, through the program: what arrives is what was sent, to the byte.
//!
//! Each end sends a stream that follows from its seed, in pieces of random sizes at random moments, and then ends in order
//! or by a reset. Who ends in order has been heard to the last byte; of who resets a beginning has been heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use unstick::endpoint::Identity;
use unstick::wire::Framing;
use unstick::{Framings, Link, Listener, Options, Receiver, Sender};

use crate::Failures;
use crate::program::{Folder, Program};
use crate::random::{Random, fill};

/// Conversations at once.
const CONNECTIONS: usize = 200;

/// Bytes that one end says, at most.
const MOST: u64 = 2 << 20;

/// The longest piece: a seqpacket socket takes a message that its send buffer holds.
const PIECE: u64 = 60_000;

/// Bytes that go in small pieces, where any do.
const SMALL: u64 = 50_000;

/// A conversation that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long nobody may come before nobody is on their way.
const STRAY: Duration = Duration::from_secs(2);

/// KiB that a bridge may have kept when all of its clients have gone.
const KEPT: u64 = 48 << 10;

/// Open files that a bridge may have kept: pipes through which the kernel moves bytes, for the next who needs one.
const SPARE_FILES: usize = 32;

const CLIENTS: &[&str] = &["tcp", "unix", "unix-seqpacket", "tls", "ws", "wss"];
const SERVERS: &[&str] = &["tcp", "unix", "unix-seqpacket", "tls", "ws", "wss", "exec"];

/// How a bridge passes on: all of these leave every byte as it is.
const WAYS: &[&[&str]] = &[&[], &["--fault", "delay=2ms"], &["--dump"], &["--fault", "cut=1000"]];

/// One bridge under test.
struct Bridge {
    program: Program,
    /// Where its clients are accepted on the other side; none where that is a process, which answers with what it hears.
    server: Option<Mutex<Server>>,
    address: unstick::Address,
    client: &'static str,
    target: &'static str,
    framing: Framings,
    files: usize,
}

/// Where the clients of one bridge come out.
struct Server {
    listener: Listener,
    /// Somebody may come whose conversation has ended.
    is_doubtful: bool,
}

impl Bridge {
    /// Ends by which one side stops sending and still hears the other.
    fn half_closes(&self) -> bool {
        !self.client.starts_with("ws") && !self.target.starts_with("ws")
    }

    fn name(&self) -> &str {
        &self.program.said
    }
}

pub async fn run(time: Duration) -> Failures {
    let folder = Folder::new("bytes");
    let identity = Identity::self_signed(&[]).expect("a certificate can be made");
    let mut options = Options::default();
    options.tls.insecure = true;
    options.tls.identity = Some(identity);
    let options = Arc::new(options);
    let bridges = Arc::new(bridges(&folder, &options).await);
    println!("{} bridges, {CONNECTIONS} conversations at once, {time:?}", bridges.len());
    let (said, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let failures = converse(&bridges, &options, time, &said, &done).await;
    let mut failures: Failures =
        failures.into_iter().map(|(kind, (count, example))| format!("{kind}: {count} times, {example}")).collect();
    let (said, done) = (said.load(Ordering::Relaxed), done.load(Ordering::Relaxed));
    println!("{done} conversations, {} MiB heard", said >> 20);
    let mut largest = 0;
    for bridge in Arc::into_inner(bridges).expect("every conversation has ended") {
        if !bridge.program.rests_at(bridge.files + SPARE_FILES).await {
            let (now, then) = (bridge.program.files(), bridge.files);
            failures.push(format!("{}: {now} open files at the end, {then} at the beginning", bridge.name()));
        }
        let memory = bridge.program.memory();
        largest = largest.max(memory);
        if memory > KEPT {
            failures.push(format!("{}: {memory} KiB of memory at the end", bridge.name()));
        }
        bridge.program.end().await;
    }
    println!("the largest bridge keeps {largest} KiB");
    failures
}

async fn bridges(folder: &Folder, options: &Options) -> Vec<Bridge> {
    let mut bridges = Vec::new();
    for client in CLIENTS {
        for target in SERVERS {
            // Only bytes can be cut.
            let ways = if by_message(client) || by_message(target) { 3 } else { WAYS.len() };
            let way = WAYS[bridges.len() % ways];
            bridges.push(bridge(folder, client, target, way, bridges.len(), options).await);
        }
    }
    bridges
}

/// Whether a transport carries messages.
fn by_message(transport: &str) -> bool {
    transport.starts_with("ws") || transport == "unix-seqpacket"
}

async fn bridge(
    folder: &Folder,
    client: &'static str,
    target: &'static str,
    way: &[&str],
    number: usize,
    options: &Options,
) -> Bridge {
    let messages = by_message(client) || by_message(target);
    let spec = if messages { "u32be" } else { "raw" };
    let framing = Framings::both(Framing::parse(spec).expect("a framing"));
    let bound = |transport: &str, end: &str| match transport {
        "unix" | "unix-seqpacket" => format!("{transport}:{}", folder.at(&format!("{number}{end}"))),
        _ => format!("{transport}://127.0.0.1:0"),
    };
    let server = match target {
        "exec" => None,
        target => {
            let address = bound(target, "s").parse().expect("an address");
            Some(unstick::listen(&address, Some(&framing), options).await.expect("it can be bound"))
        }
    };
    let to = server.as_ref().map_or("exec:cat".to_owned(), |server| server.addresses()[0].clone());
    let from = bound(client, "c");
    let mut words = vec![from.as_str(), "--to", &to];
    if messages && !(by_message(client) && by_message(target)) {
        words.extend(["-f", spec]);
    }
    if client == "tls" || client == "wss" {
        words.push("--self-signed");
    }
    if target == "tls" || target == "wss" {
        words.push("--insecure");
    }
    words.extend(way);
    let program = Program::listen(&words).await;
    let address = program.address.parse().expect("an address");
    let files = program.files();
    Bridge {
        program,
        server: server.map(|listener| Mutex::new(Server { listener, is_doubtful: false })),
        address,
        client,
        target,
        framing,
        files,
    }
}

type Found = BTreeMap<String, (u64, String)>;

async fn converse(
    bridges: &Arc<Vec<Bridge>>,
    options: &Arc<Options>,
    time: Duration,
    said: &Arc<AtomicU64>,
    done: &Arc<AtomicU64>,
) -> Found {
    let end = Instant::now() + time;
    let mut running = JoinSet::new();
    for lane in 0..CONNECTIONS {
        let (bridges, options, said, done) =
            (Arc::clone(bridges), Arc::clone(options), Arc::clone(said), Arc::clone(done));
        running.spawn(async move {
            let mut found = Vec::new();
            let mut turn = lane;
            while Instant::now() < end {
                let bridge = &bridges[turn % bridges.len()];
                let seed = (lane as u64) << 32 | turn as u64;
                let talk = tokio::time::timeout(PATIENCE, conversation(bridge, &options, seed)).await;
                match talk.unwrap_or_else(|_| Err(format!("it hangs (seed {seed})"))) {
                    Ok(heard) => drop(said.fetch_add(heard, Ordering::Relaxed)),
                    Err(what) => found.push((bridge.name().to_owned(), what)),
                }
                done.fetch_add(1, Ordering::Relaxed);
                turn += CONNECTIONS + 1;
            }
            found
        });
    }
    let mut all = Found::new();
    while let Some(found) = running.join_next().await {
        for (bridge, what) in found.expect("a conversation's own checks do not panic") {
            all.entry(bridge).or_insert((0, what)).0 += 1;
        }
    }
    all
}

/// How one end stops.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stop {
    Ends,
    Resets,
}

/// What one end has to say, and how it stops.
#[derive(Clone, Copy)]
struct Part {
    seed: u64,
    length: u64,
    stop: Stop,
    /// It ends its side only when it has heard the other to its end.
    last: bool,
}

/// One client and its server: bytes heard, or what was wrong.
async fn conversation(bridge: &Bridge, options: &Options, seed: u64) -> Result<u64, String> {
    let mut random = Random::new(seed);
    let near = unstick::connect(&bridge.address, Some(&bridge.framing), options);
    let Some(server) = &bridge.server else {
        let link = near.await.map_err(|error| format!("connecting: {error}"))?;
        return echoed(link, &mut random, seed).await;
    };
    let (near, far) = meet(near, server).await?;
    let resets = random.below(4); // 0: the client does, 1: the server does
    let length = |random: &mut Random| if random.one_in(10) { 0 } else { random.below(MOST) };
    let last = !bridge.half_closes();
    let stop = |who, transport: &str| {
        // A socket of this machine has no reset to send.
        if resets == who && !transport.starts_with("unix") { Stop::Resets } else { Stop::Ends }
    };
    let client = Part { seed, length: length(&mut random), stop: stop(0, bridge.client), last };
    let server = Part { seed: !seed, length: length(&mut random), stop: stop(1, bridge.target), last };
    let ((near_says, near_hears), (far_says, far_hears)) = (near.split(), far.split());
    let ends = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let (up, down, said_up, said_down) = tokio::join!(
        hear(far_hears, client, &ends.1),
        hear(near_hears, server, &ends.0),
        say(near_says, client, &ends.0, Random::new(seed ^ 1)),
        say(far_says, server, &ends.1, Random::new(seed ^ 2)),
    );
    let judge = |who: &str, heard: &Heard, from: Part, other: Part, said: bool, from_transport: &str, at: &str| {
        let short = format!("{who}: {} of {} bytes, then {:?} (seed {seed})", heard.bytes, from.length, heard.end);
        if heard.wrong {
            return Err(format!("other bytes than were sent, {short}"));
        }
        let disturbed = other.stop == Stop::Resets;
        match (from.stop, &heard.end) {
            (Stop::Ends, Ok(())) if heard.bytes == from.length => Ok(()),
            (Stop::Ends, _) if disturbed => Ok(()),
            (Stop::Ends, _) => Err(format!("not all, {short}, said {said}, {from_transport}")),
            (Stop::Resets, Err(_)) => Ok(()),
            // It can be told of no reset, and sees an end.
            (Stop::Resets, Ok(())) if at.starts_with("unix") => Ok(()),
            (Stop::Resets, Ok(())) => Err(format!("a reset looks like an end, {short}")),
        }
    };
    judge("the server heard", &up, client, server, said_up, bridge.client, bridge.target)?;
    judge("the client heard", &down, server, client, said_down, bridge.target, bridge.client)?;
    Ok(up.bytes + down.bytes)
}

/// Both ends of one conversation: one at a time, so that who is accepted is who has just connected.
///
/// Where one of them fails, the other end of that conversation must not be taken for the next one's: nobody is accepted any more
/// who was on their way by then.
async fn meet(
    near: impl Future<Output = unstick::Result<Link>>,
    server: &Mutex<Server>,
) -> Result<(Link, Link), String> {
    let mut server = server.lock().await;
    if server.is_doubtful {
        while tokio::time::timeout(STRAY, server.listener.accept()).await.is_ok() {}
    }
    // A conversation that is ended by its time limit leaves it so.
    server.is_doubtful = true;
    let near = near.await.map_err(|error| format!("connecting: {error}"))?;
    let far = server.listener.accept().await.map_err(|error| format!("accepting: {error}"))?;
    server.is_doubtful = false;
    Ok((near, far))
}

/// A process answers with what it hears.
async fn echoed(link: Link, random: &mut Random, seed: u64) -> Result<u64, String> {
    let part = Part { seed, length: random.below(MOST), stop: Stop::Ends, last: false };
    let (says, hears) = link.split();
    let end = tokio::sync::Notify::new();
    // Over a WebSocket the end of what is said is that of both: what is said comes back first.
    let ws = !says.has_half_close();
    let saying = say(says, Part { last: ws, ..part }, &end, Random::new(seed ^ 3));
    let (heard, _) = tokio::join!(hear(hears, part, &end), saying);
    let right = !heard.wrong && heard.bytes == part.length && (ws || heard.end.is_ok());
    let what = format!("an echo of {} of {} bytes, then {:?} (seed {seed})", heard.bytes, part.length, heard.end);
    if right { Ok(heard.bytes) } else { Err(what) }
}

/// Says a part in pieces; false where that failed.
async fn say(sender: Sender, part: Part, heard_all: &tokio::sync::Notify, mut random: Random) -> bool {
    let mut at = 0;
    let small = random.one_in(3);
    // Who resets does so somewhere on its way.
    let length = if part.stop == Stop::Resets { random.below(part.length) } else { part.length };
    while at < length {
        let piece = (1 + random.below(if small && at < SMALL { 100 } else { PIECE })).min(length - at);
        let mut bytes = vec![0; piece as usize];
        fill(part.seed, at, &mut bytes);
        if sender.send(&bytes).await.is_err() {
            return false;
        }
        at += piece;
        if random.one_in(50) {
            tokio::time::sleep(Duration::from_millis(random.below(5))).await;
        }
    }
    match part.stop {
        Stop::Resets => {
            sender.abort();
            true
        }
        Stop::Ends => {
            if part.last {
                heard_all.notified().await;
            }
            sender.finish().await.is_ok()
        }
    }
}

#[derive(Debug)]
struct Heard {
    bytes: u64,
    wrong: bool,
    end: Result<(), String>,
}

/// Hears a part to its end. `all` is told when as much has come as is said, or nothing more will.
async fn hear(mut receiver: Receiver, part: Part, all: &tokio::sync::Notify) -> Heard {
    let mut heard = Heard { bytes: 0, wrong: false, end: Ok(()) };
    let mut wanted = Vec::new();
    // Of who resets, all is never heard.
    let ends = part.stop == Stop::Ends;
    if ends && part.length == 0 {
        all.notify_one();
    }
    loop {
        match receiver.recv().await {
            Ok(Some(message)) => {
                wanted.resize(message.len(), 0);
                fill(part.seed, heard.bytes, &mut wanted);
                heard.wrong |= message != wanted;
                heard.bytes += message.len() as u64;
                if ends && heard.bytes >= part.length {
                    all.notify_one();
                }
            }
            Ok(None) => break,
            Err(error) => {
                heard.end = Err(error.to_string());
                break;
            }
        }
    }
    all.notify_one();
    heard
}
