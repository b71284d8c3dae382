//! Correct servers that `shake` could accuse, and servers that are broken in one place only.
//!
//! Not here: the kinds that were once wrongly accused or passed; each has its own test (`doubted`, `spared`).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unstick_shake::{Report, Shake, Stream, Verdict};

/// A server with a thread for each connection, which gets the connection's number.
fn server(serve: impl Fn(u64, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, serve) = (listener.local_addr().unwrap(), Arc::new(serve));
    std::thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming()) {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(number, &mut stream.unwrap()));
        }
    });
    address
}

/// The requests.
const REQUEST: &[u8] = b"GET /page\nGET /other\n";

/// A server that answers each whole line. `answer` gets the connection, the line's number and the stream to write to.
fn answering(answer: impl Fn(u64, u64, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    server(move |connection, stream| {
        let (mut line, mut byte) = (0, [0]);
        while let Ok(1) = stream.read(&mut byte) {
            if byte == *b"\n" {
                answer(connection, line, stream);
                line += 1;
            }
        }
    })
}

/// Numbers without a pattern, the same in each run of the tests.
fn lot(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

fn pause(milliseconds: u64) {
    std::thread::park_timeout(Duration::from_millis(milliseconds));
}

fn say(stream: &mut TcpStream, what: impl AsRef<[u8]>) {
    let _ = stream.write_all(what.as_ref());
}

/// Whether `shake` must be sure of a sound server, or may say that it cannot tell.
#[derive(Clone, Copy, PartialEq)]
enum Must {
    BeSure,
    NotAccuse,
}

use Must::{BeSure, NotAccuse};

/// A sound server, and the verdict that it must get.
type Sound = (&'static str, Must, SocketAddr);

/// Servers whose answers differ from run to run, independently of cuts.
fn that_answer_by_chance() -> Vec<Sound> {
    let letters = |seed: u64, count: u64| -> String {
        (0..count).map(|at| char::from(b'a' + (lot(seed * 64 + at) % 26) as u8)).collect()
    };
    let now = std::time::Instant::now();
    vec![
        (
            "a date, a counter and a random identifier",
            BeSure,
            answering(move |number, line, stream| {
                let id = format!("{:016x}-{:04x}", lot(number * 9 + line), lot(number) & 0xffff);
                say(stream, format!("200 {:?} hits={} id={id} hello\n", now.elapsed(), number * 2 + line));
            }),
        ),
        (
            "a compressed body",
            NotAccuse,
            answering(|number, line, stream| {
                let length = 60 + lot(number * 3 + line) % 4;
                let body: Vec<u8> = (0..length).map(|at| lot(number * 977 + line * 131 + at) as u8).collect();
                say(stream, [b"200 gzip\n", &body[..]].concat());
            }),
        ),
        (
            "a token in base64 of various lengths",
            NotAccuse,
            answering(move |number, line, stream| {
                let token = letters(number * 2 + line, 20 + lot(number) % 3);
                say(stream, format!("200 token {token}== and the rest of it is the same\n"));
            }),
        ),
        (
            "chunks of various sizes",
            NotAccuse,
            answering(|number, line, stream| {
                let body = b"hello, this is the body";
                let (one, other) = body.split_at(1 + (lot(number * 7 + line) % 22) as usize);
                for part in [one, other, b""] {
                    say(stream, [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
                }
            }),
        ),
        (
            "lines of two writers in any order",
            NotAccuse,
            answering(|number, line, stream| {
                let mut both = ["one says this\n", "the other says that\n"];
                both.rotate_left((lot(number * 5 + line) & 1) as usize);
                both.iter().for_each(|one| say(stream, one));
            }),
        ),
    ]
}

/// Servers whose outcome depends on how they end, or on how often they were asked before.
fn that_answer_by_their_past() -> Vec<Sound> {
    vec![
        (
            "a reset in place of an end, now and then",
            BeSure,
            server(|number, stream| {
                let mut asked = vec![0; REQUEST.len()];
                if number % 3 == 2 {
                    // One byte stays unread.
                    asked.pop();
                }
                let _ = stream.read_exact(&mut asked);
                while asked.len() < REQUEST.len() && stream.peek(&mut [0]).is_ok_and(|count| count == 0) {}
                say(stream, "200 both\n");
            }),
        ),
        (
            "answers longer by the number of earlier visits",
            NotAccuse,
            answering(|number, _, stream| {
                say(stream, format!("200 visits {}\n", "|".repeat(number as usize % 40)));
            }),
        ),
    ]
}

/// Servers whose answer depends on the time of the request, or on other clients.
fn that_answer_by_time_or_load() -> Vec<Sound> {
    let (active, busy) = (AtomicU64::new(0), AtomicU64::new(0));
    vec![
        (
            "the load",
            NotAccuse,
            server(move |_, stream| {
                let _ = stream.read_exact(&mut vec![0; REQUEST.len()]);
                let load = active.fetch_add(1, Relaxed);
                pause(3);
                say(stream, format!("200 served, {}\n", if load > 2 { "after some others" } else { "at once" }));
                active.fetch_sub(1, Relaxed);
                let _ = stream.read(&mut [0]);
            }),
        ),
        (
            "one connection at a time",
            NotAccuse,
            server(move |_, stream| {
                if busy.fetch_add(1, Relaxed) == 0 {
                    let mut asked = vec![0; REQUEST.len()];
                    if stream.read_exact(&mut asked).is_ok() {
                        say(stream, "200 both\n");
                    }
                } else {
                    say(stream, "503 too many connections\n");
                }
                busy.fetch_sub(1, Relaxed);
            }),
        ),
        (
            "an idle limit of one second",
            BeSure,
            answering(|_, line, stream| {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                say(stream, format!("200 line {line}\n"));
            }),
        ),
    ]
}

/// Servers whose answers arrive late, or in parts.
fn that_answer_slowly() -> Vec<Sound> {
    vec![
        (
            "a greeting that takes its time",
            BeSure,
            server(|_, stream| {
                pause(300);
                say(stream, "220 ready\n");
                let mut byte = [0];
                while let Ok(1) = stream.read(&mut byte) {
                    if byte == *b"\n" {
                        say(stream, "250 ok\n");
                    }
                }
            }),
        ),
        (
            "an answer in two writes",
            BeSure,
            answering(|_, line, stream| {
                say(stream, "200 the head\n");
                if line == 1 {
                    pause(50);
                }
                say(stream, "and the body\n");
            }),
        ),
        (
            "each read takes time",
            BeSure,
            server(|_, stream| {
                let (mut rest, mut buffer) = (Vec::new(), [0; 64]);
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    pause(8);
                    rest.extend_from_slice(&buffer[..count]);
                    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        say(stream, rest.drain(..=end).collect::<Vec<_>>());
                    }
                }
            }),
        ),
    ]
}

async fn spares((name, must, address): Sound) -> Option<String> {
    for half_close in [true, false] {
        let report = Shake::server(REQUEST, address).half_close(half_close).run().await.unwrap();
        let sure = report.verdict == Verdict::Same || must == NotAccuse && report.verdict == Verdict::Inconclusive;
        if !sure || !report.findings.is_empty() {
            return Some(format!("{name}, half-close {half_close}: {report}\n"));
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_servers_that_answer_by_chance() {
    let wrong = all(that_answer_by_chance()).await;
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_servers_that_answer_slowly() {
    let wrong = all(that_answer_slowly()).await;
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_servers_that_answer_by_their_past() {
    let wrong = all(that_answer_by_their_past()).await;
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_servers_that_answer_by_time_or_load() {
    let wrong = all(that_answer_by_time_or_load()).await;
    assert!(wrong.is_empty(), "{wrong}");
}

/// The reports with a wrong verdict.
async fn all(servers: Vec<Sound>) -> String {
    let running: Vec<_> = servers.into_iter().map(|sound| tokio::spawn(spares(sound))).collect();
    let mut wrong = String::new();
    for one in running {
        wrong.extend(one.await.unwrap());
    }
    wrong
}

// ---- broken in one place only ----

/// Messages after a length of four bytes. `keeps` gets the bytes that have arrived, the number of messages answered so far, and
/// where this read began. It returns how much of the input survives if a message is not whole.
async fn lengths(mut stream: Stream, breaks: fn(&Read4) -> bool) {
    let (mut input, mut buffer, mut answered) = (Vec::new(), vec![0; 1 << 16], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        input.extend_from_slice(&buffer[..count]);
        let mut in_this_read = 0;
        loop {
            let whole = input.first_chunk::<4>().map(|header| u32::from_be_bytes(*header) as usize + 4);
            match whole.filter(|whole| input.len() >= *whole) {
                Some(whole) => {
                    let message: Vec<u8> = input.drain(..whole).collect();
                    let _ = stream.write_all(format!("{} bytes\n", message.len()).as_bytes()).await;
                    (answered, in_this_read) = (answered + 1, in_this_read + 1);
                }
                None => break,
            }
        }
        if breaks(&Read4 { left: &input, answered, in_this_read }) {
            input.clear();
        }
    }
}

/// What is known after a read.
struct Read4<'a> {
    /// The rest of its bytes: a message that is not whole.
    left: &'a [u8],
    answered: usize,
    in_this_read: usize,
}

fn message(length: u32) -> Vec<u8> {
    [&length.to_be_bytes()[..], &vec![b'x'; length as usize]].concat()
}

async fn finds(breaks: fn(&Read4) -> bool, writes: &[Vec<u8>]) -> Report {
    let mut shake = Shake::service(writes[0].clone(), move |stream: Stream| lengths(stream, breaks));
    for write in &writes[1..] {
        shake = shake.then(write.clone());
    }
    shake.depth(64).run().await.unwrap()
}

/// The smallest case of the one finding.
async fn smallest(breaks: fn(&Read4) -> bool, writes: &[Vec<u8>]) -> String {
    let report = finds(breaks, writes).await;
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
    report.findings[0].smallest.to_string()
}

#[tokio::test]
async fn broken_in_one_place_only() {
    let (two, joined) = ([message(5), message(6)], [[message(5), message(6)].concat()]);
    let three = [message(5), message(6), message(7)];
    let long = [message(5000)];
    // A header cut after its third byte, and nowhere else.
    assert_eq!(smallest(|read| read.left.len() == 3 && read.answered == 0, &two).await, "c2s:cut@3");
    // Two messages at once, the second one's header cut.
    let second = |read: &Read4| read.in_this_read == 1 && (1..4).contains(&read.left.len());
    assert_eq!(smallest(second, &joined).await, "c2s:cut@10");
    let apart = smallest(second, &two).await;
    assert_eq!(apart, "c2s:cut@10,c2s:join@0..10");
    // Only the first message of a connection, cut after its header.
    assert_eq!(smallest(|read| read.left.len() > 4 && read.answered == 0, &two).await, "c2s:cut@5");
    // Only messages longer than a page: segments as networks cut them reach beyond the depth.
    assert_eq!(smallest(|read| read.left.len() > 4096, &long).await, "c2s:cut@4288");
    // Only the third message.
    assert_eq!(smallest(|read| read.left.len() == 2 && read.answered == 2, &three).await, "c2s:cut@21");
    // Only if exactly one byte of the next message arrives with it.
    let one = |read: &Read4| read.in_this_read == 1 && read.left.len() == 1;
    assert_eq!(smallest(one, &joined).await, "c2s:cut@10");
    // Only if a message arrives in three parts: the second read adds to the rest of the first.
    let report = finds(|read| read.left.len() == 4, &two).await;
    assert_eq!(report.verdict, Verdict::Broken, "{report}");
}

// ---- seen once ----

#[tokio::test]
async fn what_differs_once_and_then_passes_is_noted_and_held_against_nobody() {
    let address = server(|number, stream| {
        let _ = stream.read_exact(&mut vec![0; REQUEST.len()]);
        say(stream, if number == 12 { "500 out of luck\n" } else { "200 both\n" });
    });
    let report = Shake::server(REQUEST, address).jobs(1).run().await.unwrap();
    assert_eq!((report.verdict, report.unrepeated.len()), (Verdict::Same, 1), "{report}");
    let once = &report.unrepeated[0];
    assert_eq!((once.runs, once.otherwise), (3, 1), "{report}");
    let said = report.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let note = format!("note not repeatable: {} in 1 of 3 runs: the answer differs from byte 0 on", once.case);
    assert!(said.contains(&note), "{note:?} is not in {report}");
}
