//! Programs tested with cuts at every boundary: cuts are delivered, awkward servers count as ordinary, limits hold.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unstick::Advice;
use unstick::wire::Framing;
use unstick::wire::shake::Case;
use unstick_shake::{Shake, Stream, Verdict, limits};

/// A server in a thread, which serves one connection after the other.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

/// A server that reports for each connection how many bytes its reads returned, and answers `ok`.
fn reader() -> (SocketAddr, Receiver<Vec<usize>>) {
    let (tell, told) = channel();
    let address = server(move |mut stream| {
        let (mut buffer, mut reads) = ([0; 4096], Vec::new());
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            reads.push(count);
        }
        let _ = stream.write_all(b"ok");
        let _ = tell.send(reads);
    });
    (address, told)
}

fn case(text: &str) -> Case {
    text.parse().unwrap()
}

// ---- delivery ----

#[tokio::test]
async fn every_cut_is_read_apart() {
    let (address, told) = reader();
    for at in 1..20 {
        let cut = case(&format!("c2s:cut@{at}"));
        let report = Shake::server(*b"abcdefghijklmnopqrst", address).only([cut]).jobs(1).run().await.unwrap();
        assert_eq!(report.verdict, Verdict::Same, "{report}");
        assert_eq!((report.tally.planned, report.tally.delivered), (1, 1));
        assert_eq!(told.try_iter().last().unwrap(), [at, 20 - at]);
    }
}

#[tokio::test]
async fn a_byte_at_a_time_is_that() {
    let (address, told) = reader();
    let report = Shake::server([7; 500], address).only([case("c2s:bytes")]).jobs(1).run().await.unwrap();
    assert_eq!((report.verdict, report.tally.delivered), (Verdict::Same, 499), "{report}");
    assert_eq!(told.try_iter().last().unwrap(), [1; 500]);
}

#[tokio::test]
async fn a_receiver_that_does_not_read_makes_a_cut_undelivered_and_no_finding() {
    assert_eq!(limits::CUT_PATIENCE, Duration::from_secs(1));
    // Reads only when all is there.
    let address = server(|mut stream| {
        let mut buffer = [0; 10];
        while matches!(stream.peek(&mut buffer), Ok(1..10)) {
            std::thread::yield_now();
        }
        let _ = stream.read_exact(&mut buffer);
        let _ = stream.write_all(&buffer);
    });
    let report = Shake::server([b'x'; 10], address).only([case("c2s:cut@4")]).jobs(1).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Inconclusive, "{report}");
    assert_eq!((report.tally.planned, report.tally.delivered, report.tally.unread), (1, 0, 1));
    assert!(report.notes[0].text.contains("did not read what was before them within a second"), "{report}");
}

#[tokio::test]
async fn a_program_that_reads_late_because_it_starts_late_is_waited_for() {
    let line = "import sys, threading\nthreading.Event().wait(1.5)\nsys.stdout.write(sys.stdin.readline())";
    let report = Shake::pipes(["python3", "-c", line], *b"hello\n").only([case("c2s:cut@2")]).run().await.unwrap();
    assert_eq!((report.verdict, report.tally.delivered), (Verdict::Same, 1), "{report}");
}

#[tokio::test]
async fn a_program_that_starts_late_is_not_accused_of_hanging_where_all_is_joined() {
    let lines =
        "import sys, threading\nthreading.Event().wait(1.5)\nfor line in sys.stdin: print(line, end='', flush=True)";
    let shake = Shake::pipes(["python3", "-c", lines], *b"one\n").then(*b"two\n");
    let report = shake.only([case("c2s:join@0..8")]).run().await.unwrap();
    assert_eq!((report.verdict, report.tally.delivered), (Verdict::Same, 1), "{report}");
}

// ---- what is found ----

/// Answers each read with its length.
fn hasty() -> SocketAddr {
    server(|mut stream| {
        let mut buffer = [0; 1024];
        if let Ok(count) = stream.read(&mut buffer) {
            let _ = stream.write_all(format!("{count}").as_bytes());
        }
        let _ = stream.shutdown(Shutdown::Write);
        while let Ok(1..) = stream.read(&mut buffer) {}
    })
}

#[tokio::test]
async fn one_read_for_one_message_is_found_and_a_case_repeats_it() {
    let report = Shake::server(*b"hello", hasty()).run().await.unwrap();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Broken, 1), "{report}");
    let finding = &report.findings[0];
    assert_eq!(finding.smallest.to_string(), "c2s:cut@1");
    assert_eq!(finding.pattern, "fails whenever client→server is cut, at all of the 4 places tried.");
    let again = Shake::server(*b"hello", hasty()).only([finding.smallest.clone()]).run().await.unwrap();
    assert_eq!(again.verdict, Verdict::Broken, "{again}");
}

#[tokio::test]
async fn a_service_in_a_test_is_found_out_without_a_socket() {
    let careful = |mut stream: Stream| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        let _ = stream.write_all(&all).await;
    };
    let report = Shake::service(*b"hello", careful).run().await.unwrap();
    assert!(report.passed(), "{report}");
    let panics_in_two = |mut stream: Stream| async move {
        let mut buffer = [0; 64];
        let first = stream.read(&mut buffer).await.unwrap();
        assert!(first != 3, "three bytes");
    };
    let report = Shake::service(*b"hello", panics_in_two).run().await.unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.findings[0].smallest.to_string(), "c2s:cut@3");
    assert!(report.findings[0].headline().contains("the program panics"), "{report}");
}

#[tokio::test]
async fn a_hang_is_a_finding() {
    let hangs = |mut stream: Stream| async move {
        let mut buffer = [0; 64];
        if stream.read(&mut buffer).await.unwrap() == 2 {
            std::future::pending::<()>().await;
        }
    };
    let report = Shake::service(*b"hello", hangs).run().await.unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert!(report.findings[0].headline().contains("it hangs"), "{report}");
}

#[tokio::test]
async fn what_needs_two_cuts_is_shrunk_to_two() {
    let loses_a_third_part = |mut stream: Stream| async move {
        let mut buffer = [0; 64];
        let (mut parts, mut sum) = (0, 0);
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            parts += 1;
            sum += if parts < 3 { count } else { 0 };
        }
        let _ = stream.write_all(sum.to_string().as_bytes()).await;
    };
    let report = Shake::service([b'x'; 64], loses_a_third_part).run().await.unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.findings[0].smallest.edits().len(), 2, "{report}");
    assert!(report.findings[0].pattern.contains("none of them fails alone"), "{report}");
}

#[tokio::test]
async fn clocks_and_random_values_are_not_held_against_a_case() {
    let count = std::sync::atomic::AtomicU64::new(0);
    let address = server(move |mut stream| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let stamp = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let _ = stream.write_all(format!("Number: {number}\r\nId: {stamp:016x}\r\n\r\nbody").as_bytes());
    });
    let report = Shake::server(*b"hello", address).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    assert!(report.notes[0].text.ends_with("from byte 8 of server→client"), "{report}");
}

#[tokio::test]
async fn messages_are_compared_where_a_framing_is_known() {
    // A CR before the LF is no part of a line, and comes or not by chance of the cut.
    let wavers = |mut stream: Stream| async move {
        let mut buffer = [0; 64];
        let first = stream.read(&mut buffer).await.unwrap();
        let _ = stream.write_all(if first == 3 { b"ok\r\n" } else { b"ok\n" }).await;
    };
    let bytes = Shake::service(*b"hello\n", wavers).run().await.unwrap();
    assert_eq!(bytes.verdict, Verdict::Broken, "{bytes}");
    let lines = Shake::service(*b"hello\n", wavers).framing(Framing::parse("line").unwrap()).run().await.unwrap();
    assert_eq!(lines.verdict, Verdict::Same, "{lines}");
}

#[tokio::test]
async fn a_preset_has_two_sides() {
    let startup = b"\0\0\0\x0e\0\x03\0\0user\0\0";
    const ANSWER: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    let server = |mut stream: Stream| async move {
        let _ = stream.read_exact(&mut [0; 14]).await;
        let _ = stream.write_all(ANSWER).await;
    };
    let report = Shake::service(startup, server).framing(Framing::parse("postgres").unwrap()).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    let (client, server) = (report.conversation.client.frames, report.conversation.server.frames);
    assert_eq!((client.len(), server.len()), (1, 2), "{client:?} {server:?}");
}

#[tokio::test]
async fn random_cases_come_from_the_seed_and_their_number_is_kept() {
    let careful = |mut stream: Stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let results = async |seed| {
        let report = Shake::service([0; 64], careful).seed(seed).random(50).run().await.unwrap();
        report.results
    };
    let (one, again, other) = (results(1).await, results(1).await, results(2).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    let planned = Shake::service([0; 64], careful).run().await.unwrap();
    assert!(one.len() > planned.results.len() + 20, "{} {}", one.len(), planned.results.len());
}

// ---- awkward servers ----

/// A server of one connection, as beginners write it: no SO_REUSEADDR, and it closes first.
const ONE_SHOT: &str = r#"
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(1)
c, _ = s.accept()
c.sendall(b"welcome\n")
data = b""
while not data.endswith(b"\n"):
    data += c.recv(100)
c.sendall(data.upper()); c.close()
"#;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn python(script: &str, arguments: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.py");
    std::fs::write(&path, script).unwrap();
    let command = format!("exec python3 {} {arguments}", path.display());
    (folder, command)
}

#[tokio::test]
async fn a_one_shot_server_without_reuseaddr_is_started_again_and_again_on_its_port() {
    let port = free_port();
    let (_folder, start) = python(ONE_SHOT, &port.to_string());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let report = Shake::server(*b"hello\n", address).start(&start).half_close(false).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    assert!(report.cases >= 6, "{report}");
    // If the client half-closes, the server is in TIME-WAIT only if the reset against that fails.
    let report = Shake::server(*b"hello\n", address).start(start).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
}

#[tokio::test]
async fn each_start_can_have_a_free_port() {
    let (_folder, start) = python(ONE_SHOT, "{port}");
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let report = Shake::server(*b"hello\n", address).start(start).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
}

#[tokio::test]
async fn a_server_that_is_slow_to_start_is_waited_for_and_one_that_never_listens_is_said() {
    let slow = format!("import threading\nthreading.Event().wait(0.5)\n{ONE_SHOT}");
    let (_folder, start) = python(&slow, "{port}");
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let one = [case("c2s:cut@1")];
    let report = Shake::server(*b"hello\n", nowhere).start(start).only(one.clone()).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    let error = Shake::server(*b"hello\n", nowhere).start("echo no; exit 3").run().await.unwrap_err();
    assert!(error.to_string().contains("exits 3 before it listens"), "{error}");
    assert_eq!(error.hint(), Some("it said: no"));
    let begun = std::time::Instant::now();
    let error = Shake::server(*b"hello\n", nowhere).start("exec sleep 1000").run().await.unwrap_err();
    assert!(error.to_string().contains("does not listen"), "{error}");
    assert!(begun.elapsed() >= limits::START_PATIENCE);
}

#[tokio::test]
async fn a_server_that_never_closes_is_left_when_it_has_said_what_it_says() {
    let address = server(|mut stream| {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let _ = stream.write_all(&all);
        std::mem::forget(stream);
    });
    let report = Shake::server(*b"hello", address).only([case("c2s:cut@2")]).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report}");
    let side = report.conversation.server.bytes;
    assert_eq!(side, b"hello");
}

#[tokio::test]
async fn nothing_there_is_a_clear_error() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let error = Shake::server(*b"hello", address).run().await.unwrap_err();
    assert!(error.is_unreachable());
    assert_eq!(error.advice(), Some(&Advice::StartServerForEachCase), "{error}");
    let error = Shake::client(["true"], address).run().await.unwrap_err();
    assert_eq!(error.to_string(), "the client exits 0 without connecting");
    let error = Shake::client(["no-such-program"], address).run().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot start `no-such-program`: no such file or directory");
}

#[tokio::test]
async fn a_server_that_a_cut_ends_has_died_and_the_cut_is_suspected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut buffer) = (stream.unwrap(), [0; 64]);
            if stream.read(&mut buffer).unwrap() < 5 {
                return; // and the listener with it
            }
            let _ = stream.write_all(b"ok");
        }
    });
    let report = Shake::server(*b"hello", address).jobs(1).run().await.unwrap();
    // It cannot be tried again, so the finding is not certain.
    assert_eq!(report.verdict, Verdict::Inconclusive, "{report}");
    let said = report.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("the server died, perhaps during c2s:bytes"), "{report}");
    assert!(said.contains(&Advice::StartServerForEachCase.to_string()), "{report}");
}

// ---- limits ----

#[tokio::test]
async fn a_conversation_that_is_too_long_is_refused() {
    let address = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..=limits::MAX_RECORDED >> 20 {
            if stream.write_all(&chunk).is_err() {
                return;
            }
        }
    });
    let report = Shake::server(*b"hello", address).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(report.notes[0].text.starts_with("the conversation is longer than 16 MiB in one direction"), "{report}");
}

#[tokio::test]
async fn of_what_goes_otherwise_at_every_place_enough_is_kept() {
    const ANSWER: usize = 4 << 20;
    let service = |mut stream: Stream| async move {
        let count = stream.read(&mut [0; 64]).await.unwrap();
        let _ = stream.write_all(&vec![count as u8; ANSWER]).await;
    };
    let report = Shake::service([7; 64], service).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Broken);
    assert!(report.results.len() <= limits::MAX_SUSPECTED / ANSWER + 1, "{}", report.results.len());
    assert!(report.notes.iter().any(|note| note.text.contains("enough cases had failed")), "{:?}", report.notes);
}

#[tokio::test]
async fn a_join_lets_go_of_what_is_too_much_to_hold() {
    let (address, told) = reader();
    let bytes = 3 * limits::MAX_JOINED;
    let line = format!("head -c {bytes} /dev/zero | nc.openbsd -N {{host}} {{port}} > /dev/null");
    let join = case(&format!("c2s:join@0..{bytes}"));
    let report = Shake::client(["sh", "-c", &line], address).only([join]).run().await.unwrap();
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(
        (report.tally.planned, report.tally.impossible),
        (1, 1),
        "the bytes were released before the join was complete"
    );
    assert_eq!(told.try_iter().last().unwrap().iter().sum::<usize>(), bytes);
}

#[tokio::test]
async fn of_what_a_program_says_the_end_is_kept() {
    let line = "printf hello | nc.openbsd -N {host} {port}; head -c 300000 /dev/zero | tr '\\0' x >&2";
    let report = Shake::client(["sh", "-c", line], hasty()).only([case("c2s:cut@1")]).run().await.unwrap();
    let said = report.findings[0].outcome.client_said.len();
    assert!((1000..=2 * limits::MAX_CAPTURED_OUTPUT).contains(&said), "{said}");
    assert!(report.to_string().len() < 4000, "the report shows some of it");
}

#[tokio::test]
async fn a_conversation_that_does_not_end_is_given_up() {
    let address = server(std::mem::forget);
    let begun = std::time::Instant::now();
    let line = "exec nc.openbsd {host} {port} < /dev/zero > /dev/null";
    let report = Shake::client(["sh", "-c", line], address).run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Inconclusive);
    let wanted = "a client that waits for more input needs an end of its own";
    assert!(report.notes[0].text.starts_with("without cuts the conversation is not over after"), "{report}");
    assert!(report.notes[0].text.contains(wanted), "{report}");
    assert!(begun.elapsed() >= limits::BASELINE_PATIENCE);
}
