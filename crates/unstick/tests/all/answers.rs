//! Tests every framing and preset with a live echo. A message that can be decoded but not encoded ends only its own
//! conversation, not the run nor a good peer's conversation. A task that panics ends the run.
//!
//! Not here: the program, whose tests check single cases from outside (`outcomes`).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use unstick::endpoint::{PeerAddrs, StreamTransport};
use unstick::service::bridge;
use unstick::service::talk::{AutoReply, Config, Event, NoInput, Outcome, Output, Peers, Reason, talk};
use unstick::wire::{FRAMINGS, Framing, PRESETS, Preset, Role};
use unstick::{Address, Framings, Link, Options, Result};

#[path = "../../../unstick-wire/tests/all/golden_format.rs"]
mod golden_format;

/// The least number of specs with a message that decodes and does not encode. With fewer, this test would cover less than it did.
const AT_LEAST: usize = 20;

/// Number of bad streams to try with each spec.
const OF_EACH: usize = 3;

/// The results of the conversations of one listener.
struct Told(mpsc::UnboundedSender<String>);

impl Output for Told {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        if let Event::Close { peer, reason, .. } = event {
            let what = match reason {
                Reason::Refused(error) => format!("refused: {error}"),
                Reason::Failed(error) => format!("failed: {error}"),
                other => format!("{other:?}"),
            };
            // The test may no longer be interested.
            let _ = self.0.send(format!("{peer} {what}"));
        }
        Ok(())
    }
}

/// The framing of the messages that a client sends to a listener, and of those that it gets.
struct Sides {
    inbound: Framing,
    outbound: Framing,
}

/// The result of a stream: its messages, and their echo if all of it can be sent.
enum Echo {
    /// The bytes of the echo of at least one message.
    Whole(Vec<u8>),
    /// A message decodes, and its answer does not encode.
    Refused,
    /// Nothing decodes, or something else is wrong.
    Neither,
}

impl Sides {
    fn echo(&self, stream: &[u8]) -> Echo {
        let mut decoder = self.inbound.decoder();
        let Ok(mut encoder) = self.outbound.encoder() else { return Echo::Neither };
        decoder.feed(stream);
        let (mut frames, mut ended, mut any) = (Vec::new(), false, false);
        loop {
            match decoder.next() {
                Ok(Some(message)) => {
                    any = true;
                    if encoder.encode(message, &mut frames).is_err() {
                        return Echo::Refused;
                    }
                }
                Ok(None) if !ended => {
                    // A good peer does not end its side, so it gets no echo of a message that only the end completes.
                    if any && decoder.pending().is_empty() {
                        return Echo::Whole(frames);
                    }
                    ended = true;
                    decoder.finish();
                }
                Ok(None) | Err(_) => return Echo::Neither,
            }
        }
    }
}

fn goldens(preset: &Preset) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../unstick-wire/tests/goldens");
    let Ok(text) = std::fs::read_to_string(folder.join(format!("{}.golden", preset.name))) else { return Vec::new() };
    let side = |way: char| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(way));
        lines.filter_map(|line| Some(golden_format::parse_frame(line.get(1..)?)?.0)).collect::<Vec<_>>()
    };
    let (clients, servers) = (side('>'), side('<'));
    let mut streams = vec![clients.concat(), servers.concat()];
    streams.extend(clients);
    streams.extend(servers);
    streams
}

/// Numbers that look random, the same in every run.
fn lot(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// Streams that may decode: goldens, encoded messages of all kinds, and both with bytes changed, removed and doubled.
fn streams(sides: &Sides, goldens: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut streams: Vec<Vec<u8>> = goldens.into_iter().filter(|stream| stream.len() < 4096).collect();
    for message in [
        &b""[..],
        b"h",
        b"hi",
        b"a\r",
        b"a\nb",
        b"\0",
        b"\xff\xfe",
        b"{\"a\":1}",
        b"{}",
        b"1",
        b"+OK",
        b"PING",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nup to the end",
        b"$1\r\na",
        &[b'x'; 300],
        &[0; 64],
        &[0xff; 20],
        b"\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x21",
        b"*1\r\n$4\r\nPING",
    ] {
        streams.push(message.to_vec());
        streams.push([message, &b"\r\n"[..]].concat());
        streams.push([message, &b"\r\r\n"[..]].concat());
        for framing in [&sides.inbound, &sides.outbound] {
            let mut frames = Vec::new();
            if framing.encoder().is_ok_and(|mut encoder| encoder.encode(message, &mut frames).is_ok()) {
                streams.push(frames);
            }
        }
    }
    let mut state = 9;
    let originals = streams.len();
    for at in 0..originals {
        for round in 0..40 {
            let mut stream = streams[at].clone();
            if round % 4 == 0 {
                stream.extend_from_slice(&streams[lot(&mut state) % originals].clone());
            }
            for _ in 0..=lot(&mut state) % 3 {
                let place = lot(&mut state) % (stream.len() + 1);
                match lot(&mut state) % 5 {
                    0 if place < stream.len() => stream[place] ^= 1 << (lot(&mut state) % 8),
                    1 if place < stream.len() => drop(stream.remove(place)),
                    2 => stream.insert(place, [0, b'\r', b'\n', 0xff, b' ', 0x7e][lot(&mut state) % 6]),
                    3 => stream.truncate(place.max(1)),
                    _ if place < stream.len() => stream[place] = lot(&mut state) as u8,
                    _ => {}
                }
            }
            streams.push(stream);
        }
    }
    streams
}

/// A listener that echoes, and its reports.
struct Listening {
    address: Address,
    raw: Framings,
    told: mpsc::UnboundedReceiver<String>,
    run: tokio::task::JoinHandle<Outcome>,
}

impl Listening {
    async fn begin(name: &str, spec: &str) -> Listening {
        let address: Address = format!("mem:{name}").parse().unwrap();
        let framings: Framings = Framing::parse(spec).unwrap().into();
        let listener = unstick::listen(&address, Some(&framings), &Options::default()).await.unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let mut rules = Config::default();
        rules.answer = AutoReply::Echo;
        let run = tokio::spawn(talk(Peers::Many(listener), NoInput, Told(tell), rules));
        Listening { address, raw: Framing::parse("raw").unwrap().into(), told, run }
    }

    async fn join(&self) -> Link {
        unstick::connect(&self.address, Some(&self.raw), &Options::default()).await.unwrap()
    }

    /// A bad peer sends this, and ends its side; its conversation is refused.
    async fn refuses(&mut self, spec: &str, stream: &[u8]) {
        let (sender, mut receiver) = self.join().await.split();
        sender.send(stream).await.unwrap();
        // The end is part of its input. If the conversation is over before that, this call fails.
        let _ = sender.finish().await;
        while let Ok(Some(_)) = receiver.recv().await {}
        let told = self.told.recv().await.unwrap();
        assert!(told.contains(" refused: the answer cannot be sent: "), "{spec}: {} {told}", stream.escape_ascii());
    }
}

async fn hears(link: &mut Link, spec: &str, expected: &[u8]) {
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        let piece = link.recv().await.unwrap();
        heard.extend_from_slice(&piece.unwrap_or_else(|| panic!("{spec}: a good peer was dropped")));
    }
    assert_eq!(heard.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{spec}");
}

#[tokio::test]
async fn what_decodes_and_does_not_encode_ends_its_own_conversation_in_every_framing() {
    let examples = FRAMINGS.iter().flat_map(|entry| entry.examples).map(|spec| (*spec, None));
    let presets = PRESETS.iter().flat_map(|family| family.presets).map(|preset: &Preset| (preset.name, Some(preset)));
    let (mut bad_specs, mut tried) = (BTreeSet::new(), 0);
    for (number, (spec, preset)) in examples.chain(presets).enumerate() {
        let framing = Framing::parse(spec).unwrap();
        let sides = Sides { inbound: framing.sent_by(Role::Client), outbound: framing.sent_by(Role::Server) };
        if sides.outbound.encoder().is_err() || spec == "raw" || spec.starts_with("gap") {
            continue;
        }
        let streams = streams(&sides, preset.map(goldens).unwrap_or_default());
        let (mut good, mut bad) = (None, Vec::new());
        for stream in streams {
            match sides.echo(&stream) {
                Echo::Whole(echo) if good.is_none() && stream.len() > 1 => good = Some((stream, echo)),
                Echo::Refused if bad.len() < OF_EACH => bad.push(stream),
                _ => {}
            }
        }
        tried += 1;
        if bad.is_empty() {
            continue;
        }
        bad_specs.insert(spec);
        let mut listening = Listening::begin(&format!("answers-{number}"), spec).await;
        // A good peer is in the middle of its frame while the bad ones are refused.
        let mut midway = listening.join().await;
        if let Some((stream, _)) = &good {
            midway.send(&stream[..1]).await.unwrap();
        }
        for stream in &bad {
            listening.refuses(spec, stream).await;
        }
        if let Some((stream, echo)) = &good {
            midway.send(&stream[1..]).await.unwrap();
            hears(&mut midway, spec, echo).await;
            let mut later = listening.join().await;
            later.send(stream).await.unwrap();
            hears(&mut later, spec, echo).await;
        }
        assert!(!listening.run.is_finished(), "{spec}: the run has ended");
        listening.run.abort();
    }
    assert!(tried > 200, "{tried}");
    assert!(bad_specs.len() >= AT_LEAST, "{} of {tried}: {bad_specs:?}", bad_specs.len());
}

/// An output whose reader of messages panics.
struct Panics;

impl Output for Panics {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        assert!(!matches!(event, Event::Message { .. }), "on purpose");
        Ok(())
    }
}

/// A foreign stream that panics when it is read, or written.
struct Broken {
    reads: bool,
}

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        assert!(self.reads, "on purpose");
        Poll::Pending
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<std::io::Result<usize>> {
        panic!("on purpose")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_task_that_panics_ends_the_run_with_an_error() {
    let address: Address = "mem:answers-panic".parse().unwrap();
    let framings: Framings = Framing::parse("line").unwrap().into();
    let listener = unstick::listen(&address, Some(&framings), &Options::default()).await.unwrap();
    let run = tokio::spawn(talk(Peers::Many(listener), NoInput, Panics, Config::default()));
    let link = unstick::connect(&address, Some(&framings), &Options::default()).await.unwrap();
    link.send(b"hi").await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(20), run).await.unwrap().unwrap();
    let Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.to_string(), "the task that serves a peer panicked, which is a bug in unstick");
}

/// The code that shows the traffic of a bridge panics, in the task of that bridge.
struct PanicsAtTraffic(mpsc::UnboundedSender<String>);

impl bridge::Output for PanicsAtTraffic {
    fn event(&mut self, event: bridge::Event<'_>) -> unstick::Result<()> {
        match event {
            bridge::Event::Passed { .. } => panic!("on purpose"),
            bridge::Event::Listening { addresses } => drop(self.0.send(addresses[0].clone())),
            _ => {}
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_bridge_that_panics_ends_the_run_with_an_error() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let framings: Framings = Framing::parse("raw").unwrap().into();
    let listener =
        unstick::listen(&"127.0.0.1:0".parse().unwrap(), Some(&framings), &Options::default()).await.unwrap();
    let target = bridge::Target {
        address: server.local_addr().unwrap().to_string().parse().unwrap(),
        options: Options::default(),
        client: Some(framings.clone()),
        server: Some(framings),
        faults: bridge::Faults::default(),
    };
    let mut rules = bridge::Config::default();
    rules.dump = true;
    let (tell, mut told) = mpsc::unbounded_channel();
    let run = tokio::spawn(bridge::bridge(bridge::Clients::Many(listener), target, PanicsAtTraffic(tell), rules));
    let at = told.recv().await.unwrap();
    let mut client = tokio::net::TcpStream::connect(at.strip_prefix("tcp://").unwrap()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, b"hi").await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(20), run).await.unwrap().unwrap();
    let bridge::Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.to_string(), "the task of a bridge panicked, which is a bug in unstick");
}

fn broken(reads: bool) -> Link {
    let names = PeerAddrs::new("a broken stream", "here");
    let end = StreamTransport::new(Broken { reads }, Broken { reads }, names);
    Link::framed(end, &Framing::parse("line").unwrap().into(), &Options::default()).unwrap()
}

#[tokio::test]
async fn a_stream_that_panics_is_noticed_by_who_reads_it_and_by_who_writes_it() {
    let run = talk(Peers::One(broken(false)), NoInput, Told(mpsc::unbounded_channel().0), Config::default());
    let outcome = tokio::time::timeout(Duration::from_secs(20), run).await.unwrap();
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    let (sender, _receiver) = broken(true).split();
    sender.send(b"hi").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(20), sender.flush()).await.unwrap().is_err());
    assert!(sender.send(b"hi").await.is_err());
}

/// `LONGEST_TIME`: a caller of the library may set a longer time, and overflows no clock either.
#[tokio::test]
async fn times_that_are_too_long_end_no_task() {
    let mut rules = Config::default();
    rules.answer = AutoReply::Echo;
    for time in [&mut rules.linger, &mut rules.pending_after] {
        *time = Duration::MAX;
    }
    (rules.idle, rules.deadline, rules.count) = (Some(Duration::MAX), Some(Duration::MAX), Some(2));
    let mut options = Options::default();
    options.frame_timeout = Some(Duration::MAX);
    options.udp.session_idle = Duration::MAX;
    let framings: Framings = Framing::parse("line").unwrap().into();
    for at in ["mem:answers-times", "udp://127.0.0.1:0", "tcp://127.0.0.1:0"] {
        let address: Address = at.parse().unwrap();
        let framings = Some(&framings).filter(|_| address.is_stream());
        let listener = unstick::listen(&address, framings, &options).await.unwrap();
        let address = listener.addresses()[0].parse().unwrap();
        let run = tokio::spawn(talk(Peers::Many(listener), NoInput, Told(mpsc::unbounded_channel().0), rules.clone()));
        for _ in 0..2 {
            let mut link = unstick::connect(&address, framings, &options).await.unwrap();
            link.send(b"hi").await.unwrap();
            assert_eq!(link.recv().await.unwrap().unwrap(), "hi", "{at}");
        }
        let outcome = run.await.unwrap();
        assert!(matches!(outcome, Outcome::Reached), "{at}: {outcome:?}");
    }
}
